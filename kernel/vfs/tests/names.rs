//! VFS01: paths, links, mounts and roots.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod world;

use abi::{Cid, Errno};
use vfs::*;
use world::*;

#[test]
fn vfs0101_paths_resolve_as_the_manual_says() {
    let p = world();
    p.mkdir("/a").unwrap();
    p.mkdir("/a/b").unwrap();
    p.put("/a/f", "text").unwrap();
    p.symlink("/s", "a/b").unwrap();
    p.symlink("/a/up", "../a/f").unwrap();
    p.symlink("/loop", "loop").unwrap();
    p.symlink("/dangling", "nowhere").unwrap();
    for (path, found) in [
        ("/", "/"),
        ("//a///b/", "/a/b"),
        ("/a/./b/..", "/a"),
        ("/../../a", "/a"),
        ("/s", "/a/b"),
        ("/s/..", "/a"),
        ("/a/up", "/a/f"),
        ("a", "/a"),
    ] {
        assert_eq!(p.path_of(path).unwrap(), found, "{path}");
    }
    for (path, errno) in [
        ("", Errno::ENOENT),
        ("/x", Errno::ENOENT),
        ("/a/f/", Errno::ENOTDIR),
        ("/a/f/.", Errno::ENOTDIR),
        ("/a/f/x", Errno::ENOTDIR),
        ("/loop", Errno::ELOOP),
        ("/dangling", Errno::ENOENT),
    ] {
        assert_eq!(error(p.at(path)), errno, "{path}");
    }
    assert_eq!(error(p.at(&"n".repeat(256))), Errno::ENAMETOOLONG);
    assert_eq!(error(p.at(&"n".repeat(255))), Errno::ENOENT);
    assert_eq!(error(p.at(&"/a".repeat(2048))), Errno::ENAMETOOLONG);
    assert_eq!(
        p.walk()
            .resolve(None, b"/loop", Follow::No)
            .unwrap()
            .inode()
            .kind(),
        FileKind::Symlink
    );
}

#[test]
fn vfs0102_forty_links_and_no_more() {
    let p = world();
    p.put("/l0", "x").unwrap();
    for i in 1..=41 {
        p.symlink(&format!("/l{i}"), &format!("l{}", i - 1))
            .unwrap();
    }
    assert_eq!(p.get("/l40").unwrap(), "x");
    assert_eq!(error(p.at("/l41")), Errno::ELOOP);
}

#[test]
fn vfs0103_open_makes_truncates_and_refuses() {
    let p = world();
    let (read, write, none) = (Access::READ, Access::WRITE, OpenHow::empty());
    p.put("/f", "old").unwrap();
    p.symlink("/s", "new").unwrap();
    p.mkdir("/d").unwrap();
    assert_eq!(
        error(p.open("/f", write, OpenHow::CREATE | OpenHow::EXCLUSIVE)),
        Errno::EEXIST
    );
    assert_eq!(
        error(p.open("/s", write, OpenHow::CREATE | OpenHow::EXCLUSIVE)),
        Errno::EEXIST
    );
    assert_eq!(error(p.open("/s", read, OpenHow::NO_FOLLOW)), Errno::ELOOP);
    p.put("/s", "through the link").unwrap();
    assert_eq!(p.get("/new").unwrap(), "through the link");
    p.open("/f", write, OpenHow::TRUNCATE).unwrap();
    assert_eq!(p.get("/f").unwrap(), "");
    assert_eq!(error(p.open("/d", write, none)), Errno::EISDIR);
    assert_eq!(error(p.open("/d", read, OpenHow::CREATE)), Errno::EISDIR);
    assert_eq!(
        error(p.open("/f", read, OpenHow::DIRECTORY)),
        Errno::ENOTDIR
    );
    assert_eq!(error(p.open("/g/", write, OpenHow::CREATE)), Errno::EISDIR);
    assert_eq!(
        error(p.open("/h", read, OpenHow::CREATE | OpenHow::DIRECTORY)),
        Errno::EINVAL
    );
    assert_eq!(error(p.at("/h")), Errno::ENOENT);
    let only = p.open("/f", read, OpenHow::PATH_ONLY).unwrap();
    assert_eq!(
        error(only.read(&p.io(), &mut wait::SliceSink::new(&mut [0]))),
        Errno::EBADF
    );
    assert_eq!(only.metadata(&p.io()).unwrap().kind, FileKind::Regular);
    let directory = p.open("/d", read, none).unwrap();
    assert_eq!(
        error(directory.read(&p.io(), &mut wait::SliceSink::new(&mut [0]))),
        Errno::EISDIR
    );
}

#[test]
fn vfs0104_renames_are_seen_by_who_is_inside() {
    let mut p = world();
    p.mkdir("/a").unwrap();
    p.mkdir("/a/b").unwrap();
    p.mkdir("/c").unwrap();
    let inside = p.at("/a/b").unwrap();
    p.chdir("/a/b").unwrap();
    p.rename("/a", "/c/z").unwrap();
    assert_eq!(text(p.place.working_directory().unwrap()), "/c/z/b");
    assert_eq!(p.path_of("../..").unwrap(), "/c");
    assert_eq!(inside, p.at("/c/z/b").unwrap());
    p.walk().remove_directory(None, b"/c/z/b").unwrap();
    assert_eq!(p.place.working_directory(), Err(Errno::ENOENT));
    assert_eq!(
        text(
            inside
                .path(&p.place.root)
                .unwrap()
                .unwrap()
                .shown()
                .unwrap()
        ),
        "/c/z/b (deleted)"
    );
    assert_eq!(error(p.put("x", "")), Errno::ENOENT);
    assert_eq!(p.path_of("..").unwrap(), "/c/z");
}

#[test]
fn vfs0105_a_directory_does_not_move_into_itself() {
    let p = world();
    for d in ["/a", "/a/b", "/a/b/c", "/e"] {
        p.mkdir(d).unwrap();
    }
    assert_eq!(error(p.rename("/a", "/a/b/x")), Errno::EINVAL);
    assert_eq!(error(p.rename("/a", "/a/b")), Errno::EINVAL);
    assert_eq!(error(p.rename("/a/b/c", "/a")), Errno::ENOTEMPTY);
    p.rename("/a", "/a").unwrap();
    assert_eq!(error(p.rename("/a/.", "/q")), Errno::EBUSY);
    assert_eq!(error(p.rename("/e", "/")), Errno::EBUSY);
    let exchange = |from: &str, to: &str| {
        p.walk().rename(
            (None, from.as_bytes()),
            (None, to.as_bytes()),
            RenameFlags::EXCHANGE,
        )
    };
    assert_eq!(error(exchange("/a/b", "/a")), Errno::EINVAL);
    exchange("/a/b", "/e").unwrap();
    assert_eq!(p.path_of("/e/c").unwrap(), "/e/c");
    assert_eq!(error(p.at("/a/b/c")), Errno::ENOENT);
    assert_eq!(p.path_of("/e/c/../..").unwrap(), "/");
}

#[test]
fn vfs0106_links_share_a_file() {
    let p = world();
    p.put("/f", "x").unwrap();
    let f = p.at("/f").unwrap();
    p.walk().link(&f, None, b"/g").unwrap();
    assert_eq!(
        p.walk().metadata(None, b"/g", Follow::Yes).unwrap().links,
        2
    );
    assert_eq!(
        error(p.walk().link(&p.at("/").unwrap(), None, b"/d")),
        Errno::EPERM
    );
    assert_eq!(error(p.walk().link(&f, None, b"/g")), Errno::EEXIST);
    p.rename("/f", "/g").unwrap();
    assert_eq!(
        p.walk().metadata(None, b"/f", Follow::Yes).unwrap().links,
        2
    );
    p.walk().unlink(None, b"/f").unwrap();
    p.walk().unlink(None, b"/g").unwrap();
    assert_eq!(error(p.walk().link(&f, None, b"/h")), Errno::ENOENT);
    assert_eq!(f.inode().metadata(&p.io()).unwrap().links, 0);
}

#[test]
fn vfs0107_mounts_cover_and_uncover() {
    let p = world();
    for d in ["/m", "/usr", "/m/hidden", "/usr/bin"] {
        p.mkdir(d).unwrap();
    }
    let at = p.at("/m").unwrap();
    let mounts = &p.place.mounts;
    mounts
        .mount(&p.credential, &file_system(2), &at, MountFlags::empty())
        .unwrap();
    assert_eq!(
        mounts.mount(&p.credential, &file_system(3), &at, MountFlags::empty()),
        Err(Errno::EBUSY)
    );
    assert_eq!(error(p.at("/m/hidden")), Errno::ENOENT);
    p.mkdir("/m/own").unwrap();
    assert_eq!(p.path_of("/m/own/../..").unwrap(), "/");
    assert_eq!(p.path_of("/m/own/..").unwrap(), "/m");
    assert_eq!(error(p.rename("/m/own", "/own")), Errno::EXDEV);
    assert_eq!(error(p.walk().remove_directory(None, b"/m")), Errno::EBUSY);
    assert_eq!(error(p.rename("/m", "/n")), Errno::EBUSY);
    // Read-only over a writable one.
    let own = p.at("/m/own").unwrap();
    mounts
        .bind(
            &p.credential,
            &p.at("/usr").unwrap(),
            &own,
            MountFlags::READ_ONLY,
        )
        .unwrap();
    drop(own);
    assert_eq!(p.path_of("/m/own/bin").unwrap(), "/m/own/bin");
    assert_eq!(error(p.put("/m/own/f", "")), Errno::EROFS);
    assert_eq!(error(p.mkdir("/m/own/bin")), Errno::EEXIST);
    p.put("/usr/f", "x").unwrap();
    assert_eq!(p.get("/m/own/f").unwrap(), "x");
    assert_eq!(
        error(p.open("/m/own/f", Access::WRITE, OpenHow::empty())),
        Errno::EROFS
    );
    assert_eq!(error(p.walk().unlink(None, b"/m/own/f")), Errno::EROFS);
    assert_eq!(
        error(
            p.walk()
                .change_mode(&p.at("/m/own/f").unwrap(), Mode::new(0))
        ),
        Errno::EROFS
    );
    let lines: Vec<_> = mounts
        .lines(&p.place.root)
        .expect("memory")
        .into_iter()
        .map(|line| (text(line.path), line.flags))
        .collect();
    let (rw, ro) = (MountFlags::empty(), MountFlags::READ_ONLY);
    assert_eq!(
        lines,
        [("/".into(), rw), ("/m".into(), rw), ("/m/own".into(), ro)]
    );
    let remount = |path: &str, flags| mounts.remount(&p.credential, &p.at(path).unwrap(), flags);
    assert_eq!(remount("/usr", ro), Err(Errno::EINVAL));
    remount("/m/own", rw).unwrap();
    p.walk()
        .change_mode(&p.at("/m/own/f").unwrap(), Mode::new(0o600))
        .unwrap();
    remount("/m/own", ro).unwrap();
    assert_eq!(error(p.walk().unlink(None, b"/m/own/f")), Errno::EROFS);
    remount("/", rw).unwrap();
    let unmount = |path: &str| mounts.unmount(&p.credential, p.at(path).unwrap());
    assert_eq!(unmount("/m"), Err(Errno::EBUSY));
    assert_eq!(unmount("/usr"), Err(Errno::EINVAL));
    let file = p.open("/m/own/f", Access::READ, OpenHow::empty()).unwrap();
    assert_eq!(unmount("/m/own"), Err(Errno::EBUSY));
    drop(file);
    unmount("/m/own").unwrap();
    unmount("/m").unwrap();
    assert_eq!(p.path_of("/m/hidden").unwrap(), "/m/hidden");
    drop(at);
    p.rename("/m", "/n").unwrap();
    let inside = Process::new(mounts, Cid(7), 0);
    assert_eq!(
        mounts.mount(
            &inside.credential,
            &file_system(4),
            &p.at("/n").unwrap(),
            rw
        ),
        Err(Errno::EPERM)
    );
}

#[test]
fn vfs0108_a_partition_sees_only_what_is_below_its_root() {
    let global = world();
    for d in [
        "/wpars",
        "/wpars/one",
        "/wpars/one/usr",
        "/wpars/two",
        "/usr",
        "/usr/lib",
    ] {
        global.mkdir(d).unwrap();
    }
    global.put("/secret", "s").unwrap();
    let root = global.at("/wpars/one").unwrap();
    let mounts = MountNamespace::with_root(Cid(1), &root, MountFlags::empty()).unwrap();
    let usr = global.at("/usr").unwrap();
    let place = Process::new(&mounts, Cid(1), 0).at("/usr").unwrap();
    mounts
        .bind(&global.credential, &usr, &place, MountFlags::READ_ONLY)
        .unwrap();
    let mut p = Process::new(&mounts, Cid(1), 0);
    p.symlink("/out", "/../../secret").unwrap();
    p.symlink("/rel", "../../../secret").unwrap();
    for path in [
        "/out",
        "/rel",
        "/secret",
        "/../secret",
        "/usr/../secret",
        "/usr/lib/../../../secret",
    ] {
        assert_eq!(error(p.at(path)), Errno::ENOENT, "{path}");
    }
    assert_eq!(p.path_of("/usr/lib/../..").unwrap(), "/");
    assert_eq!(error(p.mkdir("/usr/x")), Errno::EROFS);
    p.put("/mine", "m").unwrap();
    assert_eq!(global.get("/wpars/one/mine").unwrap(), "m");
    assert_eq!(
        global.at("/wpars/one/mine").unwrap().inode().owner(),
        Cid(1)
    );
    // Moved away by Global while a process works in it.
    p.mkdir("/d").unwrap();
    p.mkdir("/d/e").unwrap();
    p.chdir("/d/e").unwrap();
    global.rename("/wpars/one/d", "/wpars/two/d").unwrap();
    assert_eq!(error(p.at("../..")), Errno::ENOENT);
    assert_eq!(error(p.at("../../../secret")), Errno::ENOENT);
    assert_eq!(error(p.at("../../one/../../secret")), Errno::ENOENT);
    // The same through a read-only bind.
    p.chdir("/usr/lib").unwrap();
    global.rename("/usr/lib", "/lib").unwrap();
    assert_eq!(error(p.at("../secret")), Errno::ENOENT);
    assert_eq!(error(p.at("..")), Errno::ENOENT);
    // A descriptor of a directory outside is of no use.
    let outside = global.at("/").unwrap();
    assert_eq!(
        error(p.walk().resolve(Some(&outside), b"secret", Follow::Yes)),
        Errno::ENOENT
    );
    let lines: Vec<_> = mounts
        .lines(&p.place.root)
        .expect("memory")
        .into_iter()
        .map(|line| text(line.path))
        .collect();
    assert_eq!(lines, ["/", "/usr"]);
}

#[test]
fn vfs0109_chroot_holds_but_a_kept_descriptor_stays_in_the_partition() {
    let mut p = world();
    p.mkdir("/jail").unwrap();
    p.mkdir("/jail/d").unwrap();
    p.put("/f", "x").unwrap();
    let kept = p.at("/").unwrap();
    p.chroot("/jail").unwrap();
    assert_eq!(error(p.at("/../f")), Errno::ENOENT);
    assert_eq!(p.path_of("/d/../..").unwrap(), "/");
    assert_eq!(p.place.working_directory(), Err(Errno::ENOENT));
    assert!(p.walk().resolve(Some(&kept), b"f", Follow::Yes).is_ok());
    assert_eq!(error(p.user(5, 5).chroot("/d")), Errno::EPERM);
}

#[test]
fn vfs0110_an_application_partition_lies_over_global() {
    let global = world();
    for d in ["/proc", "/tmp", "/mnt"] {
        global.mkdir(d).unwrap();
    }
    let over = MountNamespace::over(Cid(3), &global.place.mounts).expect("memory");
    let p = Process::new(&over, Cid(3), 0);
    let rw = MountFlags::empty();
    over.mount(
        &global.credential,
        &file_system(9),
        &global.at("/proc").unwrap(),
        rw,
    )
    .unwrap();
    let mnt = global.at("/mnt").unwrap();
    global
        .place
        .mounts
        .mount(&global.credential, &file_system(10), &mnt, rw)
        .unwrap();
    global.put("/mnt/later", "l").unwrap();
    assert_eq!(p.get("/mnt/later").unwrap(), "l");
    p.put("/proc/own", "o").unwrap();
    assert_eq!(error(global.at("/proc/own")), Errno::ENOENT);
    assert_eq!(p.path_of("/proc/../proc/own").unwrap(), "/proc/own");
    let at = p.at("/mnt").unwrap();
    assert_eq!(over.unmount(&global.credential, at), Err(Errno::EINVAL));
    let lines: Vec<_> = over
        .lines(&p.place.root)
        .expect("memory")
        .into_iter()
        .map(|line| text(line.path))
        .collect();
    assert_eq!(lines, ["/", "/proc", "/mnt"]);
    over.clear();
    assert_eq!(error(p.at("/proc/own")), Errno::ENOENT);
}

#[test]
fn vfs0111_a_deep_tree_is_dropped_without_recursion() {
    let mut p = world();
    let top = p.place.cwd.clone();
    for _ in 0..4000 {
        p.mkdir("d").unwrap();
        p.chdir("d").unwrap();
    }
    p.place.cwd = top;
}
