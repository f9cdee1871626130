use super::*;
use abi::Errno;
use alloc::vec;
use alloc::vec::Vec;
use security::{Credential, Identity, Privileges};
use vfs::{Access, Change, FileKind, Flow, IoContext, Mode, NewNode, NodeContent, RenameFlags};
use wait::{Sleeper, SliceSink, SliceSource, Stop, Ticket, Waiter};

struct Nobody;
impl Sleeper for Nobody {
    fn wake(&self, _: Ticket, _: Option<i64>) -> bool {
        false
    }
    fn linked(&self, _: Ticket, _: wait::Link) -> Option<wait::Link> {
        None
    }
}
struct Noon;
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: 12,
            nanoseconds: 0,
        }
    }
}
struct Sevens;
impl Entropy for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}
struct Console;
impl Device for Console {
    fn open(&self, _: &IoContext<'_>, _: Access) -> wait::Attempt<Arc<dyn vfs::FileOperations>> {
        Err(Errno::EBUSY.into())
    }
}

fn with_context<T>(act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    as_partition(Cid::GLOBAL, Privileges::PARTITIONS, act)
}

fn as_partition<T>(cid: Cid, privileges: Privileges, act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    let credential = Credential::new(cid, Identity::ROOT, privileges);
    let waiter = Waiter::new(Arc::new(Nobody), Ticket(0));
    act(&IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking: false,
    })
}

fn devices() -> Arc<Devices> {
    let devices = Arc::new(Devices::new());
    let entropy: Arc<dyn Entropy> = Arc::new(Sevens);
    register_memory_devices(&devices, &entropy).unwrap();
    let number = DeviceNumber::new(5, 1);
    devices
        .register(
            Item::device(
                "console",
                0o600,
                Export::GlobalOnly,
                number,
                Arc::new(Console),
            )
            .expect("memory"),
        )
        .unwrap();
    devices
}

fn view(devices: &Arc<Devices>, owner: u16, selection: Selection) -> Devfs {
    Devfs::new(
        DeviceNumber::new(0, 5),
        Cid(owner),
        devices,
        selection,
        Arc::new(Noon),
        files,
    )
    .expect("memory")
}

fn files(owner: Cid) -> Result<Arc<dyn Inode>, Errno> {
    let capacity = ramfs::Capacity {
        pages: 9,
        inodes: 9,
    };
    let device = DeviceNumber::new(0, 6);
    Ok(ramfs::Ramfs::new(device, capacity, Arc::new(Noon), owner)?.root())
}

fn names(devfs: &Devfs) -> Vec<alloc::string::String> {
    let mut names = vec![];
    with_context(|cx| {
        devfs.root().expect("memory").entries(cx, 0, &mut |entry| {
            names.push(alloc::string::String::from_utf8_lossy(entry.name).into_owned());
            Ok(Flow::Continue)
        })
    })
    .unwrap();
    names
}

#[test]
fn devfs01_a_partition_sees_what_is_exported() {
    let devices = devices();
    let all = [
        "null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "console",
    ];
    assert_eq!(names(&view(&devices, 0, Selection::All)), all);
    let inside = view(&devices, 3, Selection::Exported);
    assert_eq!(names(&inside), all[..9]);
    let lookup = |devfs: &Devfs, name: &[u8]| {
        with_context(|cx| devfs.root().expect("memory").lookup(cx, name)).map(drop)
    };
    assert_eq!(lookup(&inside, b"console"), Err(Stop::Error(Errno::ENOENT)));
    let mut only = Map::new();
    for name in ["null", "console"] {
        only.insert(Arc::from(name), ()).unwrap();
    }
    let only = Selection::Only(Arc::new(only));
    assert_eq!(
        names(&view(&devices, 4, only)),
        ["null", "fd", "stdin", "stdout", "stderr"]
    );
    // A console of its own.
    inside
        .add(
            Item::device(
                "console",
                0o620,
                Export::GlobalOnly,
                DeviceNumber::new(5, 1),
                Arc::new(Console),
            )
            .expect("memory"),
        )
        .unwrap();
    assert_eq!(names(&inside).last().unwrap(), "console");
    assert_eq!(lookup(&inside, b"console"), Ok(()));
    assert_eq!(
        devices.register(Item::directory("null").expect("memory")),
        Err(Errno::EEXIST)
    );
}

#[test]
fn devfs02_attributes_change_in_one_environment_only() {
    let devices = devices();
    let (one, two) = (
        view(&devices, 1, Selection::Exported),
        view(&devices, 2, Selection::Exported),
    );
    let mode = |devfs: &Devfs| {
        with_context(|cx| {
            devfs
                .root()
                .expect("memory")
                .lookup(cx, b"null")
                .unwrap()
                .metadata(cx)
                .unwrap()
                .mode
                .bits()
        })
    };
    let change = Change {
        mode: Some(Mode::new(0o600)),
        ..Change::default()
    };
    with_context(|cx| {
        one.root()
            .expect("memory")
            .lookup(cx, b"null")
            .unwrap()
            .change(cx, &change)
    })
    .unwrap();
    assert_eq!((mode(&one), mode(&two)), (0o600, 0o666));
}

#[test]
fn devfs03_memory_devices_do_what_the_manual_says() {
    let devfs = view(&devices(), 3, Selection::Exported);
    with_context(|cx| {
        let open = |name: &str| {
            let node = devfs
                .root()
                .expect("memory")
                .lookup(cx, name.as_bytes())
                .unwrap();
            node.open(cx, Access::READ | Access::WRITE)
                .unwrap()
                .unwrap()
        };
        let read = |name: &str| {
            let mut buffer = [1; 1300];
            let count = open(name)
                .read(cx, 0, &mut SliceSink::new(&mut buffer))
                .unwrap();
            (count, buffer[0], buffer[1299])
        };
        assert_eq!(read("null"), (0, 1, 1));
        assert_eq!(read("zero"), (1300, 0, 0));
        assert_eq!(read("full"), (1300, 0, 0));
        assert_eq!(read("urandom"), (1300, 7, 7));
        let write = |name: &str| open(name).write(cx, 0, &mut SliceSource::new(&[0; 1300]));
        assert_eq!(write("null"), Ok(1300));
        assert_eq!(write("full"), Err(Stop::Error(Errno::ENOSPC)));
        assert!(open("zero").pages().is_some() && open("null").pages().is_none());
    });
}

#[test]
fn devfs04_another_partition_finds_nothing() {
    let devfs = view(&devices(), 3, Selection::Exported);
    let null = |cid| {
        as_partition(cid, Privileges::empty(), |cx| {
            devfs.root().expect("memory").lookup(cx, b"null").map(drop)
        })
    };
    assert_eq!(null(Cid(3)), Ok(()));
    assert_eq!(null(Cid(2)), Err(Stop::Error(Errno::ENOENT)));
    assert_eq!(null(Cid::GLOBAL), Err(Stop::Error(Errno::ENOENT)));
}

#[test]
fn devfs05_files_are_made_beside_devices_in_one_environment_only() {
    let devices = devices();
    let (one, two) = (
        view(&devices, 3, Selection::Exported),
        view(&devices, 4, Selection::Exported),
    );
    let before = names(&one);
    let root = one.root().expect("memory");
    let node = NewNode {
        content: NodeContent::Socket,
        mode: Mode::new(0o666),
        uid: 0,
        gid: 0,
    };
    with_context(|cx| {
        let refused = |errno| Err(Stop::Error(errno));
        let create = |name: &[u8]| root.create(cx, name, &node).map(drop);
        assert_eq!(create(b"null"), refused(Errno::EEXIST));
        assert_eq!(create(b"log"), Ok(()));
        assert_eq!(create(b"log"), refused(Errno::EEXIST));
        assert_eq!(root.lookup(cx, b"log").unwrap().kind(), FileKind::Socket);
        let rename =
            |from: &[u8], to: &[u8]| root.rename(cx, from, &root, to, RenameFlags::empty());
        assert_eq!(rename(b"null", b"other"), refused(Errno::EPERM));
        assert_eq!(rename(b"log", b"null"), refused(Errno::EPERM));
        assert_eq!(rename(b"log", b"log2"), Ok(()));
        assert_eq!(root.unlink(cx, b"null"), refused(Errno::EPERM));
    });
    let mut expected = before.clone();
    expected.push("log2".into());
    assert_eq!(names(&one), expected);
    assert_eq!(names(&two), before);
    with_context(|cx| root.unlink(cx, b"log2")).unwrap();
    assert_eq!(names(&one), before);
}
