//! VFS04: who may do what.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod world;

use abi::{Cid, Errno};
use security::Privileges;
use vfs::*;
use wait::{Attempt, SliceSource, Stop};
use world::*;

/// The naive rule, written a second time: root passes, else the one class that fits decides.
fn allowed(uid: u32, gid: u32, mode: u32, bit: u32) -> bool {
    let class = match (uid, gid) {
        (0, _) => return true,
        (1, _) => 6,
        (_, 1) => 3,
        _ => 0,
    };
    mode >> class & bit == bit
}

fn succeeds<T: std::fmt::Debug>(result: Attempt<T>, errno: Errno) -> bool {
    match result {
        Ok(_) => true,
        Err(Stop::Error(got)) => {
            assert_eq!(got, errno);
            false
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn vfs0401_mode_bits_decide_for_every_class() {
    let root = world();
    for mode in 0..0o1000u32 {
        root.mkdir("/d").unwrap();
        root.put("/d/f", "x").unwrap();
        root.put("/f", "x").unwrap();
        for path in ["/d", "/f"] {
            let at = root.at(path).unwrap();
            root.walk().change_owner(&at, Some(1), Some(1)).unwrap();
            root.walk().change_mode(&at, Mode::new(mode)).unwrap();
        }
        for (uid, gid) in [(0, 0), (1, 2), (2, 1), (2, 2)] {
            let p = root.user(uid, gid);
            let may = |bit| allowed(uid, gid, mode, bit);
            let opens = |access| succeeds(p.open("/f", access, OpenHow::empty()), Errno::EACCES);
            assert_eq!(opens(Access::READ), may(4), "{uid} {gid} {mode:o}");
            assert_eq!(opens(Access::WRITE), may(2));
            assert_eq!(opens(Access::READ | Access::WRITE), may(6));
            let runs = succeeds(p.walk().may_run(&root.at("/f").unwrap()), Errno::EACCES);
            assert_eq!(runs, if uid == 0 { mode & 0o111 != 0 } else { may(1) });
            assert_eq!(succeeds(p.at("/d/f"), Errno::EACCES), may(1));
            assert_eq!(
                succeeds(p.open("/d", Access::READ, OpenHow::empty()), Errno::EACCES),
                may(4)
            );
            let made = succeeds(p.put("/d/new", ""), Errno::EACCES);
            assert_eq!(made, may(3));
            if made {
                assert_eq!(
                    p.walk().metadata(None, b"/d/new", Follow::Yes),
                    root.walk().metadata(None, b"/d/new", Follow::Yes)
                );
                p.walk().unlink(None, b"/d/new").unwrap();
            }
        }
        for path in ["/d/f", "/f"] {
            root.walk().unlink(None, path.as_bytes()).unwrap();
        }
        root.walk().remove_directory(None, b"/d").unwrap();
    }
}

#[test]
fn vfs0402_sticky_directories() {
    let root = world();
    root.mkdir("/tmp").unwrap();
    root.walk()
        .change_mode(&root.at("/tmp").unwrap(), Mode::new(0o1777))
        .unwrap();
    let (one, two) = (root.user(1, 1), root.user(2, 2));
    one.put("/tmp/f", "").unwrap();
    one.put("/tmp/h", "").unwrap();
    two.put("/tmp/g", "").unwrap();
    assert_eq!(error(two.walk().unlink(None, b"/tmp/f")), Errno::EPERM);
    assert_eq!(error(two.rename("/tmp/f", "/tmp/x")), Errno::EPERM);
    assert_eq!(error(two.rename("/tmp/g", "/tmp/f")), Errno::EPERM);
    one.rename("/tmp/f", "/tmp/x").unwrap();
    one.walk().unlink(None, b"/tmp/x").unwrap();
    root.walk().unlink(None, b"/tmp/g").unwrap();
    root.walk()
        .change_owner(&root.at("/tmp").unwrap(), Some(2), None)
        .unwrap();
    two.walk().unlink(None, b"/tmp/h").unwrap();
}

#[test]
fn vfs0403_set_group_directories_hand_their_group_on() {
    let root = world();
    root.mkdir("/g").unwrap();
    let at = root.at("/g").unwrap();
    root.walk().change_owner(&at, None, Some(9)).unwrap();
    root.walk().change_mode(&at, Mode::new(0o2777)).unwrap();
    let p = root.user(5, 5);
    p.put("/g/f", "").unwrap();
    p.mkdir("/g/d").unwrap();
    let about = |path: &str| {
        root.walk()
            .metadata(None, path.as_bytes(), Follow::Yes)
            .unwrap()
    };
    assert_eq!((about("/g/f").gid, about("/g/f").mode.bits()), (9, 0o644));
    assert_eq!((about("/g/d").gid, about("/g/d").mode.bits()), (9, 0o2755));
}

#[test]
fn vfs0404_owners_and_set_id_bits() {
    let root = world();
    let p = root.user(5, 5);
    root.walk()
        .change_mode(&root.at("/").unwrap(), Mode::new(0o777))
        .unwrap();
    p.put("/f", "x").unwrap();
    let f = p.at("/f").unwrap();
    let mode = |process: &Process, bits| process.walk().change_mode(&f, Mode::new(bits));
    let bits = || f.inode().metadata(&root.io()).unwrap().mode.bits();
    mode(&p, 0o6755).unwrap();
    assert_eq!(bits(), 0o6755);
    assert_eq!(error(mode(&root.user(6, 5), 0o777)), Errno::EPERM);
    // Giving away is for the privileged, and takes the rights of the program away.
    assert_eq!(
        error(p.walk().change_owner(&f, Some(6), None)),
        Errno::EPERM
    );
    assert_eq!(
        error(p.walk().change_owner(&f, None, Some(6))),
        Errno::EPERM
    );
    p.walk().change_owner(&f, None, Some(5)).unwrap();
    assert_eq!(bits(), 0o755);
    root.walk().change_owner(&f, Some(5), Some(7)).unwrap();
    mode(&p, 0o2755).unwrap();
    assert_eq!(bits(), 0o755, "who is not in the group cannot give it");
    mode(&root, 0o4757).unwrap();
    let other = root
        .user(8, 8)
        .open("/f", Access::WRITE, OpenHow::empty())
        .unwrap();
    other
        .write(&root.user(8, 8).io(), &mut SliceSource::new(b"y"))
        .unwrap();
    assert_eq!(bits(), 0o757, "writing takes the right away");
    // Times.
    let times = |process: &Process, a, m| process.walk().change_times(&f, a, m);
    let (now, then) = (
        Some(NewTime::Now),
        Some(NewTime::At(Timestamp {
            seconds: 7,
            nanoseconds: 1,
        })),
    );
    times(&root.user(8, 8), now, now).unwrap();
    assert_eq!(error(times(&root.user(8, 8), then, now)), Errno::EPERM);
    mode(&root, 0o755).unwrap();
    assert_eq!(error(times(&root.user(8, 8), now, now)), Errno::EACCES);
    times(&p, then, None).unwrap();
    assert_eq!(f.inode().metadata(&root.io()).unwrap().accessed.seconds, 7);
}

#[test]
fn vfs0405_nodes_need_a_privilege_and_fifos_none() {
    let root = world();
    let device = NodeContent::Character(DeviceNumber::new(1, 3));
    let make = |p: &Process, path: &str, node| {
        p.walk()
            .make_node(None, path.as_bytes(), &node, Mode::new(0o666))
    };
    make(&root, "/null", device).unwrap();
    let inside = Process {
        credential: security::Credential::new(
            Cid(2),
            root.credential.identity.clone(),
            Privileges::of_root(Cid(2)),
        ),
        ..root.clone()
    };
    assert_eq!(error(make(&inside, "/mem", device)), Errno::EPERM);
    make(&inside, "/fifo", NodeContent::Fifo).unwrap();
    assert_eq!(
        inside
            .open("/fifo", Access::READ, OpenHow::empty())
            .map(drop),
        Err(Stop::Park)
    );
    assert_eq!(
        error(root.open("/null", Access::READ, OpenHow::empty())),
        Errno::ENXIO
    );
    let nodev =
        MountNamespace::with_root(Cid(2), &root.at("/").unwrap(), MountFlags::NO_DEVICES).unwrap();
    let p = Process::new(&nodev, Cid(2), 0);
    assert_eq!(
        error(p.open("/null", Access::READ, OpenHow::empty())),
        Errno::EACCES
    );
}

#[test]
fn vfs0406_positions_and_appending() {
    let p = world();
    p.put("/f", "0123456789").unwrap();
    let read_write = Access::READ | Access::WRITE;
    let options = OpenOptions {
        access: read_write,
        flags: StatusFlags::APPEND,
        ..Default::default()
    };
    let f = p.walk().open(None, b"/f", &options).unwrap();
    let read = |length: usize| {
        let mut buffer = vec![0; length];
        let count = f
            .read(&p.io(), &mut wait::SliceSink::new(&mut buffer))
            .unwrap();
        text(&buffer[..count])
    };
    assert_eq!(read(3), "012");
    assert_eq!(f.write(&p.io(), &mut SliceSource::new(b"ab")), Ok(2));
    assert_eq!(read(3), "", "appending moves the position to the end");
    assert_eq!(f.seek(&p.io(), -4, Whence::End), Ok(8));
    assert_eq!(read(9), "89ab");
    f.set_flags(StatusFlags::empty());
    assert_eq!(f.seek(&p.io(), 1, Whence::Set), Ok(1));
    assert_eq!(f.write(&p.io(), &mut SliceSource::new(b"X")), Ok(1));
    assert_eq!(f.write_at(&p.io(), 5, &mut SliceSource::new(b"Y")), Ok(1));
    assert_eq!(f.seek(&p.io(), 0, Whence::Current), Ok(2));
    assert_eq!(error(f.seek(&p.io(), -3, Whence::Current)), Errno::EINVAL);
    assert_eq!(error(f.seek(&p.io(), 12, Whence::Data)), Errno::ENXIO);
    assert_eq!(f.seek(&p.io(), 3, Whence::Hole), Ok(12));
    assert_eq!(
        error(f.read_at(&p.io(), -1, &mut wait::SliceSink::new(&mut []))),
        Errno::EINVAL
    );
    assert_eq!(p.get("/f").unwrap(), "0X234Y6789ab");
    f.truncate(&p.io(), 2).unwrap();
    assert_eq!(p.get("/f").unwrap(), "0X");
    let reader = p.open("/f", Access::READ, OpenHow::empty()).unwrap();
    assert_eq!(
        error(reader.write(&p.io(), &mut SliceSource::new(b"x"))),
        Errno::EBADF
    );
    assert_eq!(error(reader.truncate(&p.io(), 0)), Errno::EINVAL);
}
