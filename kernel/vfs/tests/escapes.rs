//! VFS03: whatever is renamed, linked and mounted while it walks, a partition stays in.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod world;

use abi::Cid;
use proptest::prelude::*;
use vfs::*;
use world::*;

#[derive(Clone, Debug)]
enum Step {
    /// The partition makes a directory, link or file.
    Mkdir(String),
    Symlink(String, String),
    Put(String),
    Rename(String, String),
    Exchange(String, String),
    Remove(String),
    Chdir(String),
    /// The partition keeps a directory open and looks from there.
    Keep(String),
    From(usize, String),
    Chroot(String),
    /// Global moves a directory of the partition out or back, or within what it shows.
    Out(String, u8),
    Back(u8, String),
    Shift(String, String),
    Look(String),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c"]),
        4 => Just(".."),
        1 => prop::sample::select(vec!["usr", "l", "secret", "v", "out", "w", "."]),
    ];
    (any::<bool>(), prop::collection::vec(name, 1..7)).prop_map(|(absolute, names)| {
        format!("{}{}", if absolute { "/" } else { "" }, names.join("/"))
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => path().prop_map(Step::Mkdir),
        3 => (path(), path()).prop_map(|(at, to)| Step::Symlink(at, to)),
        1 => path().prop_map(Step::Put),
        3 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| Step::Exchange(from, to)),
        1 => path().prop_map(Step::Remove),
        3 => path().prop_map(Step::Chdir),
        2 => path().prop_map(Step::Keep),
        4 => (0usize..4, path()).prop_map(|(kept, path)| Step::From(kept, path)),
        1 => path().prop_map(Step::Chroot),
        2 => (path(), 0u8..3).prop_map(|(from, slot)| Step::Out(from, slot)),
        1 => (0u8..3, path()).prop_map(|(slot, to)| Step::Back(slot, to)),
        1 => (path(), path()).prop_map(|(from, to)| Step::Shift(from, to)),
        6 => path().prop_map(Step::Look),
    ]
}

/// Whether it worked does not matter.
fn tried<T>(_: T) {}

/// A path of the partition as Global writes it, dots taken away.
fn seen_by_global(below: &str, path: &str) -> String {
    let names: Vec<_> = path
        .split('/')
        .filter(|name| !name.is_empty() && !name.starts_with('.'))
        .collect();
    format!("{below}/{}", names.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn vfs0301_nothing_outside_is_ever_reached(steps in prop::collection::vec(step(), 1..60)) {
        let global = world();
        for directory in ["/w", "/w/usr", "/w/a", "/v", "/v/a", "/out", "/usr", "/usr/a", "/usr/a/b"] {
            global.mkdir(directory).unwrap();
        }
        for secret in ["/secret", "/v/secret", "/v/a/secret", "/out/secret"] {
            global.put(secret, "secret").unwrap();
        }
        let forbidden: Vec<InodeId> = ["/", "/w/..", "/secret", "/v", "/v/a", "/v/secret", "/v/a/secret", "/out", "/out/secret"]
            .iter().map(|path| global.at(path).unwrap().inode().id()).collect();
        let mounts = MountNamespace::with_root(Cid(1), &global.at("/w").unwrap(), MountFlags::empty()).unwrap();
        let mut p = Process::new(&mounts, Cid(1), 0);
        let place = p.at("/usr").unwrap();
        mounts.bind(&global.credential, &global.at("/usr").unwrap(), &place, MountFlags::READ_ONLY).unwrap();
        drop(place);
        let mut kept: Vec<Location> = vec![];
        for step in &steps {
            let mut reached = None;
            match step {
                Step::Mkdir(path) => tried(p.mkdir(path)),
                Step::Symlink(path, target) => tried(p.symlink(path, target)),
                Step::Put(path) => tried(p.put(path, "x")),
                Step::Rename(from, to) => tried(p.rename(from, to)),
                Step::Exchange(from, to) => {
                    tried(p.walk().rename((None, from.as_bytes()), (None, to.as_bytes()), RenameFlags::EXCHANGE));
                }
                Step::Remove(path) => tried(p.walk().remove_directory(None, path.as_bytes())),
                Step::Chdir(path) => tried(p.chdir(path)),
                Step::Keep(path) => kept.extend(p.walk().directory(None, path.as_bytes())),
                Step::From(index, path) => {
                    reached = kept.get(*index).map(|base| p.walk().resolve(Some(base), path.as_bytes(), Follow::Yes));
                }
                Step::Chroot(path) => {
                    if matches!(p.place.root.path(mounts.root()), Ok(Some(path)) if path.bytes == b"/") {
                        tried(p.chroot(path));
                    }
                }
                Step::Out(from, slot) => tried(global.rename(&seen_by_global("/w", from), &format!("/out/{slot}"))),
                Step::Back(slot, to) => tried(global.rename(&format!("/out/{slot}"), &seen_by_global("/w", to))),
                Step::Shift(from, to) => {
                    tried(global.rename(&seen_by_global("/usr", from), &seen_by_global("/w", to)));
                }
                Step::Look(path) => reached = Some(p.at(path)),
            }
            for found in [reached.and_then(Result::ok), p.at(".").ok(), p.at("..").ok(), p.at("/..").ok()].into_iter().flatten() {
                prop_assert!(!forbidden.contains(&found.inode().id()), "{step:?}");
            }
            // The tree has no loop, so this ends.
            tried(p.place.cwd.path(mounts.root()));
        }
    }
}

#[test]
fn vfs0302_global_is_shown_where_a_partition_keeps_its_files() {
    let global = world();
    for directory in ["/wpars", "/wpars/one", "/wpars/one/home"] {
        global.mkdir(directory).unwrap();
    }
    let root = global.at("/wpars/one").unwrap();
    let mounts = MountNamespace::with_root(Cid(1), &root, MountFlags::empty()).unwrap();
    let p = Process::new(&mounts, Cid(1), 0);
    let home = p.at("/home").unwrap();
    let shown = |root: &Location| home.path(root).unwrap().map(|path| text(path.bytes));
    assert_eq!(
        shown(&global.place.root).as_deref(),
        Some("/wpars/one/home")
    );
    assert_eq!(shown(&p.place.root).as_deref(), Some("/home"));
    assert!(!home.is_within(&global.place.root));
    // An overseer may look from there; others may not.
    assert!(
        global
            .walk()
            .resolve(Some(&home), b".", Follow::Yes)
            .is_ok()
    );
    assert!(
        global
            .user(5, 5)
            .walk()
            .resolve(Some(&home), b".", Follow::Yes)
            .is_err()
    );
}

/// VFS0303: a directory is moved out and back while another CPU walks through it.
#[test]
fn vfs0303_moves_while_a_walk_climbs() {
    let global = world();
    for directory in ["/w", "/w/a", "/w/a/b", "/w/a/b/c", "/out"] {
        global.mkdir(directory).unwrap();
    }
    global.put("/secret", "").unwrap();
    global.put("/out/secret", "").unwrap();
    let root = global.at("/w").unwrap();
    let mounts = MountNamespace::with_root(Cid(1), &root, MountFlags::empty()).unwrap();
    let p = Process::new(&mounts, Cid(1), 0);
    let done = std::sync::atomic::AtomicBool::new(false);
    let escaped = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                global.rename("/w/a", "/out/a").unwrap();
                global.rename("/out/a", "/w/a").unwrap();
            }
        });
        let path = format!("/a/b/c{}/../../secret", "/../c".repeat(20));
        let escaped = (0..20_000).any(|_| p.at(&path).is_ok() || p.at("/a/b/../../secret").is_ok());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        escaped
    });
    assert!(!escaped);
}
