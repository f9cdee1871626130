//! `/dev/injection`, in Global and in kernels with debug assertions only: lets each place that allocates fail once.
//!
//! Writing `arm DEPTH PID…` begins: an allocation fails when the last DEPTH return addresses have not been together before.
//! Spared are Global's init and the processes named, which see to the work and must outlive it. `disarm` ends it. Reading
//! tells how many places have failed, and the way to the last one. Which places those are is [`memory::injection`]'s.

use crate::thread::Thread;
use abi::Errno;
use alloc::sync::Arc;
use arch::Callers;
use arch::cpu::PerCpu;
use core::fmt::{self, Write};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use devfs::{Device, Item};
use memory::injection;
use process::VPid;
use vfs::{Access, DeviceNumber, FileOperations, IoContext, OrderFile, Orders, TextFile};
use wait::Attempt;

/// A number of the range that is free for local use.
const NUMBER: DeviceNumber = DeviceNumber::new(240, 2);

/// Return addresses inside the allocator, which all places have in common.
const COMMON: usize = 3;
/// Return addresses that are remembered of the last failure.
const SHOWN: usize = 24;

/// How many callers make a place.
static DEPTH: AtomicUsize = AtomicUsize::new(0);
/// Global's processes that are spared, by their numbers; 0 for none.
static SPARED: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];
/// Whether a CPU works for one of them.
static SPARING: PerCpu<AtomicBool> =
    PerCpu::new([const { AtomicBool::new(false) }; arch::MAX_CPUS]);
/// The callers of the last allocation that could fail.
static LAST: [AtomicU64; SHOWN] = [const { AtomicU64::new(0) }; SHOWN];

/// Makes the device known.
///
/// # Errors
/// EEXIST when it is.
pub fn register(devices: &devfs::Devices) -> Result<(), Errno> {
    injection::watch(place);
    fallible::assure_with(|assured| SPARING.mine().swap(assured, Relaxed));
    devices.register(Item::of_global("injection", NUMBER, InjectionDevice)?)
}

/// Notes whom this CPU works for from now on.
pub fn works_for(thread: Option<&Thread>) {
    let spared = thread.is_some_and(|thread| {
        let VPid(number) = thread.process.virtual_pid();
        thread.process.peek_cid().is_global()
            && (number == 1 || SPARED.iter().any(|spared| spared.load(Relaxed) == number))
    });
    SPARING.mine().store(spared, Relaxed);
}

/// The place from which the kernel allocates now.
fn place() -> Option<u64> {
    if SPARING.mine().load(Relaxed) {
        return None;
    }
    let depth = DEPTH.load(Relaxed);
    // Fowler, Noll and Vo's hash, over words.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for address in Callers::here().skip(COMMON).take(depth) {
        hash = (hash ^ address).wrapping_mul(0x100_0000_01b3);
        hash ^= hash >> 29;
    }
    let mut callers = Callers::here().skip(COMMON);
    for shown in &LAST {
        shown.store(callers.next().unwrap_or(0), Relaxed);
    }
    Some(hash)
}

/// Tells how many places have failed, and where the last one is.
pub fn describe(out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "failed {}", injection::failed())?;
    out.write_str("last")?;
    for address in LAST.iter().map(|address| address.load(Relaxed)) {
        if address != 0 {
            write!(out, " {address:x}")?;
        }
    }
    writeln!(out)
}

struct InjectionDevice;

impl Device for InjectionDevice {
    fn open(&self, _cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let text = fallible::written(|out| describe(out))?;
        Ok(fallible::arc(OrderFile {
            text: TextFile(text),
            orders: Self,
        })?)
    }
}

/// Does what a line asks for.
fn obey(line: &str) -> Result<(), Errno> {
    let mut words = line.split_whitespace();
    match words.next() {
        Some("arm") => {
            let depth = words.next().and_then(|word| word.parse().ok());
            DEPTH.store(depth.ok_or(Errno::EINVAL)?, Relaxed);
            for spared in &SPARED {
                let number = words.next().map_or(Ok(0), str::parse);
                spared.store(number.map_err(|_| Errno::EINVAL)?, Relaxed);
            }
            crate::current::with(|thread| works_for(Some(thread)));
            injection::arm(true);
            Ok(())
        }
        Some("disarm") => {
            injection::arm(false);
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

impl Orders for InjectionDevice {
    fn carry_out(&self, _cx: &IoContext<'_>, order: &[u8]) -> Attempt<()> {
        let line = core::str::from_utf8(order).map_err(|_| Errno::EINVAL)?;
        Ok(obey(line)?)
    }
}
