//! The file systems of the machine and what environments see of them.

use crate::proc_source::View;
use crate::system::system;
use crate::terminals;
use abi::{Cid, Errno};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use devfs::{Devfs, Devices, Entropy, Selection};
use devpts::Devpts;
use fallible::{Map, NoMemory};
use procfs::Procfs;
use ramfs::{Capacity, HandOver, Ramfs};
use security::Privileges;
use spin::Once;
use sysfs::{Machine, Sysfs};
use vfs::{Clock, DeviceNumber, FileSystem, IoContext, Location, Mode, MountNamespace, Timestamp};
use wait::Attempt;

/// The wall clock as file systems ask for it.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        const SECOND: u64 = 1_000_000_000;
        let now =
            crate::system::if_ready().map_or(0, |system| system.wall_clock(arch::time::now()).0);
        Timestamp {
            seconds: (now / SECOND).cast_signed(),
            nanoseconds: (now % SECOND) as u32,
        }
    }
}

/// Random bytes: the hypervisor's, mixed by a generator of our own so that a broken source is not the only one.
pub struct Random;

impl Entropy for Random {
    fn fill(&self, buffer: &mut [u8]) {
        if !arch::random::fill(buffer) {
            mix(buffer);
        }
    }
}

/// Where there is no random source: the low bits of the timebase, spread by SplitMix64. Not for keys; the
/// README's limits say so.
fn mix(buffer: &mut [u8]) {
    static STATE: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);
    for chunk in buffer.chunks_mut(8) {
        let mut word =
            STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) ^ arch::time::now().0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        chunk
            .iter_mut()
            .zip(word.to_le_bytes())
            .for_each(|(place, byte)| *place = byte);
    }
}

/// A device number for one more file system without a device.
fn next_device() -> DeviceNumber {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    DeviceNumber::new(0, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The clock of all file systems.
///
/// # Errors
/// [`NoMemory`].
pub fn clock() -> Result<Arc<dyn Clock>, NoMemory> {
    static CLOCK: Once<Arc<WallClock>> = Once::new();
    let clock = CLOCK.try_call_once(|| fallible::arc(WallClock))?;
    Ok(clock.clone())
}

/// The time of day.
pub fn now() -> Timestamp {
    WallClock.now()
}

/// A file system in memory that may fill half of the machine.
///
/// # Errors
/// ENOSPC, ENOMEM.
pub fn new_ramfs(owner: Cid) -> Result<Ramfs, Errno> {
    in_memory(owner, Mode::new(0o755))
}

fn in_memory(owner: Cid, mode: Mode) -> Result<Ramfs, Errno> {
    let pages = memory::frames::total().0 / 2;
    Ramfs::with_mode(
        next_device(),
        Capacity {
            pages,
            inodes: pages,
        },
        clock()?,
        owner,
        mode,
    )
}

/// An empty directory to cover what a partition must not see; one for all.
///
/// # Errors
/// ENOSPC, ENOMEM.
pub fn nothing() -> Result<&'static FileSystem, Errno> {
    static NOTHING: Once<FileSystem> = Once::new();
    NOTHING.try_call_once(|| {
        let capacity = Capacity {
            pages: 0,
            inodes: 1,
        };
        let empty = Ramfs::new(next_device(), capacity, clock()?, Cid::GLOBAL)?;
        Ok(FileSystem::new(empty.root(), "ramfs", "none")?)
    })
}

/// The processes of an environment.
///
/// # Errors
/// [`NoMemory`].
pub fn procfs(cid: Cid, mounts: &Arc<MountNamespace>) -> Result<FileSystem, NoMemory> {
    let view = fallible::arc(View::new(cid, mounts.root().clone()))?;
    let procfs = Procfs::new(next_device(), cid, view)?;
    FileSystem::new(procfs.root()?, "proc", "proc")
}

/// The parts of the machine; one for all environments.
///
/// # Errors
/// [`NoMemory`].
pub fn sysfs() -> Result<FileSystem, NoMemory> {
    static SHARED: Once<FileSystem> = Once::new();
    let shared = SHARED.try_call_once(|| {
        let sysfs = Sysfs::new(next_device(), fallible::arc(Parts)?)?;
        FileSystem::new(sysfs.root()?, "sysfs", "sysfs")
    })?;
    Ok(shared.clone())
}

/// The parts of this machine.
struct Parts;

impl Machine for Parts {
    fn cpus(&self, viewer: Cid) -> Result<Vec<bool>, NoMemory> {
        let own = system()
            .dispatch
            .with(|scheduler| scheduler.partition_cpus(viewer));
        let present = system().cpus.present();
        fallible::collect(
            present.map(|(cpu, state)| state.is_in_use() && own.contains(sched::Cpu(cpu.0))),
        )
    }

    fn set_cpu(&self, cx: &IoContext<'_>, number: usize, online: bool) -> Attempt<()> {
        cx.credential.require(Privileges::PARTITIONS)?;
        system().cpus.set_online(cx.caller, number, online)
    }

    fn clock(&self) -> &dyn Clock {
        &WallClock
    }
}

/// The devices of an environment: all in Global, those exported in a partition, or of these the named ones.
///
/// # Errors
/// [`NoMemory`].
pub fn devfs(cid: Cid, names: Option<&[String]>) -> Result<FileSystem, NoMemory> {
    let selection = match names {
        _ if cid.is_global() => Selection::All,
        None => Selection::Exported,
        Some(names) => {
            let mut only = Map::new();
            for name in names {
                only.insert(fallible::arc_str(name)?, ())?;
            }
            Selection::Only(fallible::arc(only)?)
        }
    };
    let files = |owner| Ok(in_memory(owner, Mode::new(0o755))?.root());
    let devfs = Devfs::new(next_device(), cid, devices(), selection, clock()?, files)?;
    FileSystem::new(devfs.root()?, "devtmpfs", "devtmpfs")
}

/// The pseudoterminals of an environment: none yet.
///
/// # Errors
/// [`NoMemory`].
pub fn new_ptys(cid: Cid) -> Result<Devpts, NoMemory> {
    Devpts::new(next_device(), cid, terminals::LIMIT, clock()?)
}

/// The names of an environment's pseudoterminals.
///
/// # Errors
/// [`NoMemory`].
pub fn devpts(ptys: &Devpts) -> Result<FileSystem, NoMemory> {
    FileSystem::new(ptys.root()?, "devpts", "devpts")
}

/// Where an environment's POSIX shared memory and named semaphores are files (`man 7 shm_overview`).
///
/// # Errors
/// ENOSPC, ENOMEM.
pub fn shared_memory(cid: Cid) -> Result<FileSystem, Errno> {
    let files = in_memory(cid, Mode::new(0o1777))?;
    Ok(FileSystem::new(files.root(), "tmpfs", "tmpfs")?)
}

/// Files in memory that never have a name (`man 2 memfd_create`): one file system for all, each file being charged to the
/// partition that makes it.
pub struct Nameless {
    /// Where they are made.
    pub files: Ramfs,
    /// What is above them all.
    pub above: Location,
}

/// The files without names.
///
/// # Errors
/// ENOSPC, ENOMEM.
pub fn nameless() -> Result<&'static Nameless, Errno> {
    static NAMELESS: Once<Nameless> = Once::new();
    NAMELESS.try_call_once(|| {
        let files = in_memory(Cid::GLOBAL, Mode::new(0o1777))?;
        let above = FileSystem::new(files.root(), "tmpfs", "none")?.apart()?;
        Ok(Nameless { files, above })
    })
}

/// The list of all devices.
pub fn devices() -> &'static Arc<Devices> {
    &system().devices
}

/// A partition ends: what it has left in Global's files becomes Global's.
///
/// # Errors
/// [`NoMemory`].
pub fn hand_over(cid: Cid) -> Result<HandOver, NoMemory> {
    system().root_fs.hand_over(cid, Cid::GLOBAL)
}
