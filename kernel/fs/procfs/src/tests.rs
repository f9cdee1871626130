extern crate std;

use super::*;
use abi::linux::{RLIM_INFINITY, Resource, Rlimit};
use abi::mmu::Protection;
use abi::{Errno, Nanos, Pages, Pid};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use ipc::UnixLine;
use ipc::system_v::{MessageStatus, SegmentStatus, SemaphoreStatus};
use security::{Credential, Identity, Privileges};
use vfs::*;
use wait::{Attempt, Sleeper, SliceSink, Stop, Ticket, Waiter};

mod map_files;

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
struct NoSpecial;
impl SpecialFiles for NoSpecial {
    fn fifo(
        &self,
        _: &IoContext<'_>,
        _: &Arc<dyn Inode>,
        _: Access,
    ) -> Attempt<Arc<dyn FileOperations>> {
        Err(Errno::ENXIO.into())
    }
    fn device(
        &self,
        _: &IoContext<'_>,
        _: &Arc<dyn Inode>,
        _: Access,
    ) -> Attempt<Arc<dyn FileOperations>> {
        Err(Errno::ENXIO.into())
    }
}
struct PipeEnd;
impl FileOperations for PipeEnd {
    fn metadata(&self) -> Option<Metadata> {
        let id = InodeId {
            device: DeviceNumber::new(0, 9),
            number: 77,
        };
        let never = Timestamp::default();
        Some(Metadata::new(id, Cid(1), FileKind::Fifo, never))
    }
}

/// Processes 1 (user 0, threads 1 and 4) and 3 (user 500); 3 has three files open.
struct Source {
    root: Location,
    outside: Location,
    files: Vec<Arc<OpenFile>>,
    key_of_three: u64,
}

/// Areas that do not change.
struct Lines(Vec<MapLine>);
impl Areas for Lines {
    fn lines(&self, from: u64, room: usize) -> Result<Vec<MapLine>, NoMemory> {
        let lines = self.0.iter().filter(|line| line.start >= from);
        Ok(lines.take(room).cloned().collect())
    }
    /// Every other page is there, one in three an object's.
    fn residents(&self, first: u64, count: u64) -> Result<Vec<ResidentPage>, NoMemory> {
        let inside = |number: u64| {
            let address = number << abi::PAGE_SHIFT;
            let mut areas = self.0.iter();
            areas.any(|line| line.start <= address && address < line.end)
        };
        let even = (first..first + count).filter(|number| number % 2 == 0);
        let there = even.filter(|number| inside(*number));
        let page = |number| ResidentPage {
            number,
            own: number % 3 != 0,
            written: number % 3 != 0,
            users: (number % 3) as u32,
        };
        Ok(there.map(page).collect())
    }
    fn limit(&self) -> u64 {
        1 << 36
    }
}
fn line(start: u64, name: &str) -> MapLine {
    MapLine {
        start,
        end: start + 0x1000,
        allowed: Protection::READ | Protection::EXECUTE,
        maximum: Protection::all(),
        shared: false,
        grows: false,
        traits: memory::space::Traits::LOCKED,
        offset: 0x2000,
        identity: (DeviceNumber::new(8, 3).encode(), 123),
        name: name.as_bytes().to_vec(),
    }
}

const THREE: Pid = Pid(3);

std::thread_local! {
    /// Who asks.
    static CALLER: core::cell::Cell<Pid> = const { core::cell::Cell::new(THREE) };
}

impl ProcSource for Source {
    fn current(&self) -> Option<(Pid, Pid)> {
        let caller = CALLER.get();
        Some((caller, caller))
    }
    fn process(&self, pid: Pid) -> Option<ProcessRef> {
        match pid.0 {
            1 => Some(ProcessRef { pid, key: 1 }),
            3 => Some(ProcessRef {
                pid,
                key: self.key_of_three,
            }),
            _ => None,
        }
    }
    fn process_from(&self, pid: Pid) -> Option<Pid> {
        [Pid(1), THREE].into_iter().find(|have| *have >= pid)
    }
    fn thread_from(&self, process: ProcessRef, tid: Pid) -> Option<Pid> {
        let threads: &[u32] = if process.pid == Pid(1) { &[1, 4] } else { &[3] };
        threads.iter().copied().map(Pid).find(|have| *have >= tid)
    }
    fn task(&self, process: ProcessRef, tid: Pid) -> Known<Task> {
        let known = self.process(process.pid);
        if known.is_none_or(|found| found.key != process.key) {
            return Ok(None);
        }
        let uid = if process.pid == THREE { 500 } else { 0 };
        let ids = Ids {
            real: uid,
            effective: uid,
            saved: uid,
            file: uid,
        };
        Ok(Some(Task {
            tid,
            pid: process.pid,
            parent: 1,
            group: 3,
            session: 1,
            name: b"a (b) c".to_vec(),
            terminal: 0x0501,
            terminal_group: 3,
            user_time: Nanos(1_239_999_999),
            nice: -5,
            threads: 2,
            started: Nanos(10_000_000),
            uid: ids,
            gid: ids,
            groups: vec![4, 24],
            umask: 0o22,
            signals: Signals {
                blocked: 1 << 40 | 2,
                ..Signals::default()
            },
            memory: Some(ProcessMemory {
                size: Pages(10),
                resident: Pages(4),
                shared: Pages(1),
                ..Default::default()
            }),
            ..Task::default()
        }))
    }
    fn command_line(&self, _: ProcessRef) -> Known<Vec<u8>> {
        Ok(Some(b"sh\0-c\0".to_vec()))
    }
    fn environment(&self, _: ProcessRef) -> Known<Vec<u8>> {
        Ok(Some(b"SECRET=1\0".to_vec()))
    }
    fn auxiliary(&self, _: ProcessRef) -> Known<Vec<u8>> {
        Ok(Some(b"\x06\0".to_vec()))
    }
    fn memory(&self, _: ProcessRef, _: &Credential) -> Result<Arc<dyn FileOperations>, Errno> {
        Err(Errno::EACCES)
    }
    fn rename(&self, _: ProcessRef, _: Pid, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn set_expendability(
        &self,
        _: ProcessRef,
        _: &Credential,
        adjustment: i16,
    ) -> Result<(), Errno> {
        if adjustment < 0 {
            Err(Errno::EACCES)
        } else {
            Ok(())
        }
    }
    fn maps(&self, _: ProcessRef) -> Known<Arc<dyn Areas>> {
        let lines = vec![line(0x1000_0000, "/bin/sh"), line(0x7fff_ffff_0000, "")];
        Ok(Some(Arc::new(Lines(lines))))
    }
    fn file_from(&self, process: ProcessRef, from: u32) -> Option<(u32, Arc<OpenFile>)> {
        let files = if process.pid == THREE {
            &self.files[..]
        } else {
            &[]
        };
        files.get(from as usize).map(|file| (from, file.clone()))
    }
    fn partition(&self, _: ProcessRef) -> Option<Cid> {
        Some(Cid(1))
    }

    fn working_directory(&self, process: ProcessRef) -> Option<Location> {
        Some(if process.pid == THREE {
            self.root.clone()
        } else {
            self.outside.clone()
        })
    }
    fn root_directory(&self, _: ProcessRef) -> Option<Location> {
        Some(self.root.clone())
    }
    fn executable(&self, _: ProcessRef) -> Option<Location> {
        None
    }
    fn limits(&self, _: ProcessRef) -> Known<[Rlimit; Resource::COUNT]> {
        let mut limits = [Rlimit {
            current: RLIM_INFINITY,
            maximum: RLIM_INFINITY,
        }; Resource::COUNT];
        limits[Resource::OpenFiles as usize] = Rlimit {
            current: 1024,
            maximum: 4096,
        };
        Ok(Some(limits))
    }
    fn mounts(&self, _: ProcessRef) -> Known<Vec<MountLine>> {
        let flags = MountFlags::READ_ONLY | MountFlags::NO_DEVICES;
        Ok(Some(vec![MountLine {
            id: 21,
            parent: 20,
            device: vfs::DeviceNumber::new(0, 30),
            directory: b"/".to_vec(),
            source: Arc::from("/usr"),
            path: b"/a b".to_vec(),
            kind: "ramfs",
            flags,
        }]))
    }
    fn root(&self) -> Location {
        self.root.clone()
    }
    fn network(&self) -> Result<Network, NoMemory> {
        Ok(Network {
            backlog_limit: 4096,
            ..Network::default()
        })
    }
    fn message_queues(&self) -> Result<Vec<MessageStatus>, NoMemory> {
        Ok(Vec::new())
    }
    fn locks(&self) -> Result<Vec<LockLine>, NoMemory> {
        let line = |kind, exclusive, first, last| LockLine {
            kind,
            exclusive,
            pid: Pid(7),
            file: InodeId {
                device: DeviceNumber::new(8, 1),
                number: 99,
            },
            first,
            last,
        };
        Ok(vec![
            line(LockKind::Process, true, 10, 19),
            line(LockKind::OpenFile, false, 10, u64::MAX),
            line(LockKind::Whole, false, 0, u64::MAX),
        ])
    }
    fn unix_sockets(&self) -> Result<Vec<UnixLine>, NoMemory> {
        Ok(Vec::new())
    }
    fn semaphores(&self) -> Result<Vec<SemaphoreStatus>, NoMemory> {
        Ok(Vec::new())
    }
    fn shared_memory(&self) -> Result<Vec<SegmentStatus>, NoMemory> {
        Ok(Vec::new())
    }
    fn system(&self) -> Result<System, NoMemory> {
        let cpu = CpuTimes {
            user: Nanos(20_000_000),
            idle: Nanos(3_450_000_000),
            ..CpuTimes::default()
        };
        Ok(System {
            uptime: Nanos(61_230_000_000),
            boot_time: 1_700_000_000,
            // One is out of use.
            cpu_times: vec![
                CpuTimes { gone: true, ..cpu },
                CpuTimes { number: 2, ..cpu },
            ],
            cpus: vec![CpuDescription {
                number: 2,
                model: "POWER9".into(),
                clock: 2_000_000_000,
                version: 0x004e_1202,
            }],
            timebase: 512_000_000,
            memory: MemoryUse {
                total: Pages(1000),
                free: Pages(250),
                files: Pages(10),
                ..MemoryUse::default()
            },
            load: [0, 7, 123],
            running: (1, 9),
            last_pid: 42,
            system_name: "Linux".into(),
            release: "6.1.0-corral".into(),
            version: "#1".into(),
            host_name: "w1".into(),
            file_systems: vec!["ramfs", "proc"],
            ..System::default()
        })
    }
    fn clock(&self) -> &dyn Clock {
        &Noon
    }
}

/// A partition with `/proc` and a file, below a Global whose root is outside of it.
struct World {
    place: Place,
    proc: FileSystem,
}

fn ram() -> FileSystem {
    memory::host::initialize();
    let capacity = ramfs::Capacity {
        pages: 16,
        inodes: 16,
    };
    let fs = ramfs::Ramfs::new(DeviceNumber::new(0, 1), capacity, Arc::new(Noon), Cid(1)).unwrap();
    FileSystem::new(fs.root(), "ramfs", "ram").expect("memory")
}

fn world() -> World {
    let outside = MountNamespace::new(Cid::GLOBAL, &ram(), MountFlags::empty())
        .expect("memory")
        .root()
        .clone();
    let mounts = MountNamespace::new(Cid(1), &ram(), MountFlags::empty()).expect("memory");
    let place = Place::at_root(&mounts);
    let root = credential(Cid(1), 0);
    with_walk(&place, &root, |walk| {
        walk.make_directory(None, b"/proc", Mode::new(0o755))
            .unwrap();
        let how = OpenHow::CREATE;
        let options = OpenOptions {
            how,
            access: Access::WRITE,
            mode: Mode::new(0o666),
            ..Default::default()
        };
        let named = walk.open(None, b"/f", &options).unwrap();
        let pipe: Arc<dyn FileOperations> = Arc::new(PipeEnd);
        let pipe =
            OpenFile::new(pipe, None, Cid(1), Access::WRITE, StatusFlags::empty()).expect("memory");
        let gone = walk.open(None, b"/gone", &options).unwrap();
        walk.unlink(None, b"/gone").unwrap();
        let source = Source {
            root: place.root.clone(),
            outside: outside.clone(),
            files: vec![named, pipe, gone],
            key_of_three: 8,
        };
        let proc = Procfs::new(DeviceNumber::new(0, 4), Cid(1), Arc::new(source)).expect("memory");
        let proc = FileSystem::new(proc.root().expect("memory"), "proc", "proc").expect("memory");
        let at = walk.resolve(None, b"/proc", Follow::Yes).unwrap();
        mounts
            .mount(&credential(Cid::GLOBAL, 0), &proc, &at, MountFlags::empty())
            .unwrap();
        World {
            place: place.clone(),
            proc,
        }
    })
}

fn credential(cid: Cid, uid: u32) -> Credential {
    let privileges = if uid == 0 {
        Privileges::of_root(cid)
    } else {
        Privileges::empty()
    };
    Credential::new(cid, Identity::user(uid, uid), privileges)
}

fn with_walk<T>(place: &Place, credential: &Credential, act: impl FnOnce(&Walk<'_>) -> T) -> T {
    let waiter = Waiter::new(Arc::new(Nobody), Ticket(0));
    let io = IoContext {
        credential,
        caller: &waiter,
        nonblocking: false,
    };
    act(&Walk {
        io,
        mounts: &place.mounts,
        root: &place.root,
        cwd: &place.cwd,
        special: &NoSpecial,
        restrictions: vfs::Restrictions::empty(),
    })
}

impl World {
    fn walk<T>(&self, uid: u32, act: impl FnOnce(&Walk<'_>) -> T) -> T {
        with_walk(&self.place, &credential(Cid(1), uid), act)
    }

    fn open(&self, uid: u32, path: &str, access: Access) -> Attempt<Arc<OpenFile>> {
        let options = OpenOptions {
            access,
            ..Default::default()
        };
        self.walk(uid, |walk| walk.open(None, path.as_bytes(), &options))
    }

    fn read(&self, path: &str) -> Result<String, Stop> {
        let file = self.open(0, path, Access::READ)?;
        let mut buffer = vec![0; 8192];
        let count = self.walk(0, |walk| {
            file.read(&walk.io, &mut SliceSink::new(&mut buffer))
        })?;
        Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
    }

    fn link(&self, uid: u32, path: &str) -> Result<String, Stop> {
        let target = self.walk(uid, |walk| walk.read_link(None, path.as_bytes()))?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    fn list(&self, path: &str) -> Vec<String> {
        self.walk(0, |walk| {
            let mut names = vec![];
            let at = walk.resolve(None, path.as_bytes(), Follow::Yes).unwrap();
            at.inode()
                .entries(&walk.io, 0, &mut |entry| {
                    names.push(String::from_utf8_lossy(entry.name).into_owned());
                    let found = at.inode().lookup(&walk.io, entry.name).unwrap();
                    assert_eq!(
                        (found.id().number, found.kind()),
                        (entry.number, entry.kind)
                    );
                    Ok(Flow::Continue)
                })
                .unwrap();
            names
        })
    }
}

#[test]
fn procfs01_directories_list_what_can_be_looked_up() {
    let world = world();
    let root = world.list("/proc");
    assert_eq!(root[root.len() - 2..], ["1", "3"]);
    for name in ["meminfo", "uptime", "stat", "self", "mounts", "sys"] {
        assert!(root.iter().any(|have| have == name), "{name}");
    }
    assert_eq!(world.list("/proc/3/fd"), ["0", "1", "2"]);
    assert_eq!(world.list("/proc/1/task"), ["1", "4"]);
    let kernel = world.list("/proc/sys/kernel");
    assert_eq!(
        kernel[..3],
        ["cap_last_cap", "core_pattern", "core_uses_pid"]
    );
    assert_eq!(kernel.last().unwrap(), "random");
    assert_eq!(world.list("/proc/3/net"), world.list("/proc/net"));
    assert_eq!(world.list("/proc/sys/fs/epoll"), ["max_user_watches"]);
    assert!(world.list("/proc/net").contains(&"tcp6".to_string()));
    let limit = world.read("/proc/sys/net/core/somaxconn");
    assert_eq!(limit, Ok("4096\n".to_string()));
    assert!(world.list("/proc/1/task/4").contains(&"stat".to_string()));
    for path in [
        "/proc/2",
        "/proc/03",
        "/proc/+3",
        "/proc/3/fd/9",
        "/proc/99999999999",
        "/proc/x",
    ] {
        assert_eq!(world.read(path), Err(Stop::Error(Errno::ENOENT)), "{path}");
    }
}

#[test]
fn procfs02_stat_has_52_fields_and_a_name_with_parentheses() {
    let stat = world().read("/proc/3/stat").unwrap();
    let (head, tail) = stat.trim_end().rsplit_once(") ").unwrap();
    assert_eq!(head, "3 (a (b) c");
    let fields: Vec<_> = tail.split(' ').collect();
    assert_eq!(fields.len(), 50);
    let field = |number: usize| fields[number - 3];
    assert_eq!(
        (field(3), field(4), field(5), field(6), field(7), field(8)),
        ("R", "1", "3", "1", "1281", "3")
    );
    assert_eq!(
        (field(14), field(18), field(19), field(20), field(22)),
        ("123", "15", "-5", "2", "1")
    );
    assert_eq!((field(23), field(24), field(32)), ("40960", "4", "2"));
}

#[test]
fn procfs03_files_of_a_process() {
    let world = world();
    let status = world.read("/proc/self/status").unwrap();
    for line in [
        "Name:\ta (b) c",
        "Umask:\t0022",
        "State:\tR (running)",
        "Tgid:\t3",
        "Uid:\t500\t500\t500\t500",
        "Groups:\t4 24 ",
        "VmSize:\t      40 kB",
        "Threads:\t2",
        "SigBlk:\t0000010000000002",
    ] {
        assert!(
            status.lines().any(|have| have == line),
            "{line} in {status}"
        );
    }
    assert_eq!(world.read("/proc/self/cmdline").unwrap(), "sh\0-c\0");
    assert_eq!(world.read("/proc/thread-self/comm").unwrap(), "a (b) c\n");
    assert_eq!(world.read("/proc/3/auxv").unwrap(), "\x06\0");
    assert_eq!(world.read("/proc/3/statm").unwrap(), "10 4 1 0 0 0 0\n");
    assert_eq!(
        world.read("/proc/mounts").unwrap(),
        "/usr /a\\040b ramfs ro,nodev 0 0\n"
    );
    assert_eq!(
        world.read("/proc/3/mountinfo").unwrap(),
        "21 20 0:30 / /a\\040b ro,nodev - ramfs /usr rw\n"
    );
    let limits = world.read("/proc/3/limits").unwrap();
    assert_eq!(limits.lines().count(), 1 + Resource::COUNT);
    for line in [
        "Limit                     Soft Limit           Hard Limit           Units     ",
        "Max cpu time              unlimited            unlimited            seconds   ",
        "Max open files            1024                 4096                 files     ",
        "Max nice priority         unlimited            unlimited                      ",
    ] {
        assert!(limits.lines().any(|other| other == line), "{limits}");
    }
    assert_eq!(
        world.read("/proc/3/maps").unwrap(),
        "10000000-10001000 r-xp 00002000 08:03 123                                /bin/sh\n\
         7fffffff0000-7fffffff1000 r-xp 00002000 08:03 123 \n"
    );
    assert_eq!(
        world.read("/proc/3/fdinfo/0").unwrap(),
        "pos:\t0\nflags:\t01\n"
    );
}

#[test]
fn procfs04_files_of_the_system() {
    let world = world();
    assert_eq!(world.read("/proc/uptime").unwrap(), "61.23 6.90\n");
    assert_eq!(
        world.read("/proc/locks").unwrap(),
        "1: POSIX  ADVISORY  WRITE 7 08:01:99 10 19\n\
         2: OFDLCK ADVISORY  READ  -1 08:01:99 10 EOF\n\
         3: FLOCK  ADVISORY  READ  7 08:01:99 0 EOF\n"
    );
    assert_eq!(
        world.read("/proc/loadavg").unwrap(),
        "0.00 0.07 1.23 1/9 42\n"
    );
    let stat = world.read("/proc/stat").unwrap();
    assert!(
        stat.starts_with("cpu  4 0 0 690 0 0 0 0 0 0\ncpu2 2 0 0 345 0 0 0 0 0 0\n"),
        "{stat}"
    );
    assert!(stat.contains("\nbtime 1700000000\n"));
    let memory = world.read("/proc/meminfo").unwrap();
    assert!(
        memory.starts_with("MemTotal:           4000 kB\nMemFree:            1000 kB\n"),
        "{memory}"
    );
    assert_eq!(
        world.read("/proc/version").unwrap(),
        "Linux version 6.1.0-corral #1\n"
    );
    assert_eq!(world.read("/proc/sys/kernel/hostname").unwrap(), "w1\n");
    assert_eq!(
        world.read("/proc/filesystems").unwrap(),
        "nodev\tramfs\nnodev\tproc\n"
    );
    let cpus = world.read("/proc/cpuinfo").unwrap();
    assert!(
        cpus.contains("clock\t\t: 2000.000000MHz\nrevision\t: 2.2 (pvr 004e 1202)\n"),
        "{cpus}"
    );
    assert_eq!(
        world.open(0, "/proc/uptime", Access::WRITE).map(drop),
        Err(Stop::Error(Errno::EACCES))
    );
}

#[test]
fn procfs05_links_lead_to_files_but_not_out() {
    let world = world();
    assert_eq!(world.link(0, "/proc/self").unwrap(), "3");
    assert_eq!(world.link(0, "/proc/3/fd/0").unwrap(), "/f");
    assert_eq!(world.link(0, "/proc/3/fd/1").unwrap(), "pipe:[77]");
    assert_eq!(world.link(0, "/proc/3/fd/2").unwrap(), "/gone (deleted)");
    assert_eq!(world.link(0, "/proc/3/cwd").unwrap(), "/");
    assert_eq!(world.link(0, "/proc/1/cwd").unwrap(), "(unreachable)");
    let outside = world.walk(0, |walk| walk.resolve(None, b"/proc/1/cwd/", Follow::Yes));
    assert_eq!(outside, Err(Stop::Error(Errno::EACCES)));
    assert!(
        world
            .walk(0, |walk| walk.resolve(None, b"/proc/3/root/f", Follow::Yes))
            .is_ok()
    );
    // What stat tells of the number is the pipe; the link itself has another mode.
    let at = world.walk(0, |walk| walk.resolve(None, b"/proc/3/fd/1", Follow::Yes));
    let told = world.walk(0, |walk| at.unwrap().inode().target_metadata(&walk.io));
    assert_eq!(told.unwrap().kind, FileKind::Fifo);
    // A file without a name is opened through its number; what is open for writing cannot be read.
    let pipe = world.open(500, "/proc/self/fd/1", Access::WRITE).unwrap();
    assert_eq!(pipe.operations().metadata().unwrap().id.number, 77);
    assert_eq!(
        world.open(500, "/proc/self/fd/1", Access::READ).map(drop),
        Err(Stop::Error(Errno::EACCES))
    );
    assert!(world.open(0, "/proc/3/fd/2", Access::READ).is_ok());
}

#[test]
fn procfs06_other_users_do_not_see_what_is_open() {
    let world = world();
    CALLER.set(Pid(1));
    let eacces = Err(Stop::Error(Errno::EACCES));
    assert_eq!(world.link(500, "/proc/3/cwd").unwrap(), "/");
    assert_eq!(world.link(501, "/proc/3/cwd").map(drop), eacces);
    assert_eq!(world.link(501, "/proc/3/fd/0").map(drop), eacces);
    assert_eq!(
        world.open(501, "/proc/3/environ", Access::READ).map(drop),
        eacces
    );
    assert!(world.open(501, "/proc/3/stat", Access::READ).is_ok());
    assert!(world.open(500, "/proc/3/environ", Access::READ).is_ok());
}

#[test]
fn procfs36_a_process_sees_itself_whoever_it_is_at_the_moment() {
    let world = world();
    assert_eq!(world.link(501, "/proc/self/cwd").unwrap(), "/");
    assert_eq!(world.link(501, "/proc/self/root").unwrap(), "/");
}

#[test]
fn procfs07_a_later_process_with_the_same_pid_is_another_one() {
    let world = world();
    let gone = ProcessRef { pid: THREE, key: 7 };
    let view = Arc::new(View {
        device: DeviceNumber::new(0, 4),
        source: Tagged::new(Cid(1), source_of(&world)),
    });
    let stale = Node::new(
        &view,
        What::File(gone, None, process_files::ProcessFile::Stat),
    );
    let present = ProcessRef { pid: THREE, key: 8 };
    assert_ne!(
        What::Process(gone).number(),
        What::Process(present).number()
    );
    world.walk(0, |walk| {
        assert_eq!(
            stale.open(&walk.io, Access::READ).map(drop),
            Err(Stop::Error(Errno::ESRCH))
        );
        assert_eq!(stale.metadata(&walk.io), Err(Stop::Error(Errno::ENOENT)));
    });
    assert_eq!(world.proc.root().inode().kind(), FileKind::Directory);
}

fn source_of(world: &World) -> Arc<dyn ProcSource> {
    let root = world.place.root.clone();
    Arc::new(Source {
        outside: root.clone(),
        root,
        files: vec![],
        key_of_three: 8,
    })
}

#[test]
fn procfs08_names_cannot_be_changed() {
    let world = world();
    world.walk(0, |walk| {
        let error = |result: Attempt<()>| match result {
            Err(Stop::Error(errno)) => errno,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            error(walk.make_directory(None, b"/proc/new", Mode::new(0o755))),
            Errno::ENOENT
        );
        assert_eq!(
            error(walk.make_directory(None, b"/proc/3", Mode::new(0o755))),
            Errno::EEXIST
        );
        assert_eq!(error(walk.unlink(None, b"/proc/uptime")), Errno::EPERM);
        assert_eq!(error(walk.unlink(None, b"/proc/3")), Errno::EISDIR);
        assert_eq!(error(walk.remove_directory(None, b"/proc/3")), Errno::EPERM);
        let rename = walk.rename(
            (None, b"/proc/uptime"),
            (None, b"/proc/u"),
            RenameFlags::empty(),
        );
        assert_eq!(error(rename), Errno::EPERM);
        let options = OpenOptions {
            access: Access::READ,
            how: OpenHow::CREATE,
            ..Default::default()
        };
        assert!(walk.open(None, b"/proc/uptime", &options).is_ok());
    });
}

#[test]
fn procfs09_another_partition_finds_nothing() {
    let world = world();
    let names = |cid| {
        with_walk(&world.place, &credential(cid, 0), |walk| {
            walk.resolve(None, b"/proc/3/stat", Follow::Yes).map(drop)
        })
    };
    assert_eq!(names(Cid(1)), Ok(()));
    assert_eq!(names(Cid::GLOBAL), Ok(()));
    assert_eq!(names(Cid(2)), Err(Stop::Error(Errno::ENOENT)));
}

#[test]
fn procfs10_a_directory_tells_its_process_to_who_may_see_it() {
    let world = world();
    let told = |path: &[u8], cid| {
        let inode = with_walk(&world.place, &credential(Cid(1), 0), |walk| {
            walk.resolve(None, path, Follow::Yes)
                .map(|found| found.inode().clone())
        });
        process_of(&*inode.unwrap(), &credential(cid, 0)).map(|process| process.pid)
    };
    assert_eq!(told(b"/proc/3", Cid(1)), Some(THREE));
    assert_eq!(told(b"/proc/3", Cid(2)), None);
    for other in [&b"/proc"[..], b"/proc/3/fd", b"/proc/3/stat", b"/f", b"/"] {
        assert_eq!(told(other, Cid(1)), None);
    }
}

#[test]
fn procfs11_objects_with_keys_have_files() {
    let world = world();
    assert_eq!(world.list("/proc/sysvipc"), ["msg", "sem", "shm"]);
    let head = world.read("/proc/sysvipc/sem").unwrap();
    assert!(head.starts_with("       key      semid perms      nsems "));
}
