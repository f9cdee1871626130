use super::*;
use abi::Errno;
use alloc::string::String;
use alloc::vec;
use security::{Credential, Identity, Privileges};
use vfs::{Access, Flow, IoContext, Timestamp};
use wait::{Attempt, Sleeper, SliceSink, SliceSource, Stop, Ticket, Waiter};

struct Nobody;
impl Sleeper for Nobody {
    fn wake(&self, _: Ticket, _: Option<i64>) -> bool {
        false
    }
    fn linked(&self, _: Ticket, _: wait::Link) -> Option<wait::Link> {
        None
    }
}

/// Three CPUs, of which the partition may use those with even numbers.
struct Three;
impl Machine for Three {
    fn cpus(&self, viewer: Cid) -> Result<Vec<bool>, NoMemory> {
        Ok(vec![true, viewer.is_global(), true])
    }
    fn set_cpu(&self, _: &IoContext<'_>, number: usize, online: bool) -> Attempt<()> {
        match (number, online) {
            (0, true) => Ok(()),
            _ => Err(Errno::EBUSY.into()),
        }
    }
    fn clock(&self) -> &dyn Clock {
        self
    }
}
impl Clock for Three {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

fn with<T>(cid: Cid, act: impl FnOnce(&Arc<dyn Inode>, &IoContext<'_>) -> T) -> T {
    let root = Sysfs::new(DeviceNumber::new(0, 1), Arc::new(Three))
        .expect("memory")
        .root()
        .expect("memory");
    let waiter = Waiter::new(Arc::new(Nobody), Ticket(0));
    let credential = Credential::new(cid, Identity::ROOT, Privileges::empty());
    let cx = IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking: false,
    };
    act(&root, &cx)
}

fn find(root: &Arc<dyn Inode>, cx: &IoContext<'_>, path: &str) -> Attempt<Arc<dyn Inode>> {
    path.split('/')
        .try_fold(root.clone(), |at, name| at.lookup(cx, name.as_bytes()))
}

fn read(cid: Cid, path: &str) -> Attempt<String> {
    with(cid, |root, cx| {
        let file = find(root, cx, path)?.open(cx, Access::READ)?.unwrap();
        let mut buffer = [0; 64];
        let count = file.read(cx, 0, &mut SliceSink::new(&mut buffer))?;
        Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
    })
}

fn names(cid: Cid, path: &str) -> Vec<String> {
    with(cid, |root, cx| {
        let mut names = Vec::new();
        let mut take = |entry: vfs::DirectoryEntry<'_>| {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            Ok(Flow::Continue)
        };
        find(root, cx, path)
            .unwrap()
            .entries(cx, 0, &mut take)
            .unwrap();
        names
    })
}

#[test]
fn sysfs02_a_partition_sees_its_cpus() {
    assert_eq!(
        read(Cid::GLOBAL, "devices/system/cpu/online").unwrap(),
        "0-2\n"
    );
    assert_eq!(read(Cid(1), "devices/system/cpu/online").unwrap(), "0,2\n");
    assert_eq!(read(Cid(1), "devices/system/cpu/offline").unwrap(), "1\n");
    assert_eq!(
        read(Cid(1), "devices/system/cpu/possible").unwrap(),
        "0-2\n"
    );
    assert!(names(Cid::GLOBAL, "devices/system/cpu").contains(&"cpu1".into()));
    assert!(!names(Cid(1), "devices/system/cpu").contains(&"cpu1".into()));
    assert_eq!(
        read(Cid(1), "devices/system/cpu/cpu2/topology/core_cpus").unwrap(),
        "4\n"
    );
}

#[test]
fn sysfs03_nothing_can_be_written_or_made() {
    with(Cid::GLOBAL, |root, cx| {
        let file = find(root, cx, "devices/system/cpu/online").unwrap();
        let refused = file.open(cx, Access::WRITE).map(drop);
        assert_eq!(refused, Err(Stop::Error(Errno::EACCES)));
        assert_eq!(root.unlink(cx, b"devices"), Err(Stop::Error(Errno::EPERM)));
        assert_eq!(
            file.lookup(cx, b"x").map(drop),
            Err(Stop::Error(Errno::ENOTDIR))
        );
        assert_eq!(
            find(root, cx, "devices/system/cpu/onlin").map(drop),
            Err(Stop::Error(Errno::ENOENT))
        );
    });
}

#[test]
fn sysfs04_every_name_can_be_looked_up() {
    fn visit(at: &Arc<dyn Inode>, cx: &IoContext<'_>, files: &mut u32) {
        let mut names = Vec::new();
        at.entries(cx, 0, &mut |entry| {
            names.push((entry.name.to_vec(), entry.kind, entry.number));
            Ok(Flow::Continue)
        })
        .unwrap();
        for (name, kind, number) in names {
            let found = at.lookup(cx, &name).unwrap();
            assert_eq!((found.kind(), found.id().number), (kind, number));
            if kind == vfs::FileKind::Directory {
                visit(&found, cx, files);
            } else {
                *files += 1;
            }
        }
    }
    let mut files = 0;
    with(Cid::GLOBAL, |root, cx| visit(root, cx, &mut files));
    assert!(files > 30, "{files}");
}

#[test]
fn sysfs05_the_switch_of_a_cpu_is_globals() {
    let path = "devices/system/cpu/cpu0/online";
    let write = |path, text: &[u8]| {
        with(Cid::GLOBAL, |root, cx| {
            let inode = find(root, cx, path)?;
            let file = inode.open(cx, Access::WRITE)?.unwrap();
            file.write(cx, 0, &mut SliceSource::new(text))
        })
    };
    assert_eq!(read(Cid::GLOBAL, path).unwrap(), "1\n");
    assert_eq!(
        read(Cid(1), path).map(drop),
        Err(Stop::Error(Errno::ENOENT))
    );
    with(Cid::GLOBAL, |root, cx| {
        // A reader comes to an end.
        let inode = find(root, cx, path).unwrap();
        let file = inode.open(cx, Access::READ).unwrap().unwrap();
        assert_eq!(file.seek(), vfs::Seek::Yes);
        assert_eq!(file.read(cx, 2, &mut SliceSink::new(&mut [0; 8])), Ok(0));
    });
    assert_eq!(write(path, b"1\n"), Ok(2));
    assert_eq!(write(path, b"0"), Err(Stop::Error(Errno::EBUSY)));
    for bad in [&b"2"[..], b"", b"00", b"1                "] {
        assert_eq!(write(path, bad), Err(Stop::Error(Errno::EINVAL)));
    }
    let missing = write("devices/system/cpu/cpu3/online", b"1");
    assert_eq!(missing, Err(Stop::Error(Errno::ENOENT)));
    with(Cid::GLOBAL, |root, cx| {
        let emptied = vfs::Change {
            size: Some(0),
            ..vfs::Change::default()
        };
        let inode = find(root, cx, path).unwrap();
        assert_eq!(inode.change(cx, &emptied), Ok(()));
        let other = find(root, cx, "devices/system/cpu/online").unwrap();
        assert!(other.change(cx, &emptied).is_err());
    });
}
