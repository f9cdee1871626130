//! Which thread runs on this CPU, for those that a call reaches without it: devices, procfs, terminals.

use crate::latency;
use crate::process::Process;
use crate::remainder;
use crate::system::system;
use crate::thread::Thread;
use abi::{Cid, Pid};
use alloc::sync::Arc;
use arch::cpu::PerCpu;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use memory::heap::Payer;
use remains::{Left, Remains};
use sync::{Rank, SpinLock};
use wait::Phase;

static CURRENT: PerCpu<SpinLock<Option<Arc<Thread>>>> =
    PerCpu::new([const { SpinLock::new(Rank::Scheduler, None) }; arch::MAX_CPUS]);

/// Whose partition this CPU works for.
static PARTITION: PerCpu<AtomicU16> =
    PerCpu::new([const { AtomicU16::new(Cid::GLOBAL.0) }; arch::MAX_CPUS]);

/// The number of the address space of the thread that this CPU runs; 0: it has none.
static SPACE: PerCpu<AtomicU64> = PerCpu::new([const { AtomicU64::new(0) }; arch::MAX_CPUS]);

/// The objects that the kernel makes are charged to the partition of the thread that the CPU works for.
pub struct CurrentPartition;

impl Payer for CurrentPartition {
    fn payer() -> Cid {
        partition()
    }
}

/// The partition that this CPU works for; Global when there is no thread.
pub fn partition() -> Cid {
    Cid(PARTITION.mine().load(Ordering::Relaxed))
}

/// Notes that the thread on this CPU is, or has just come, in `cid`.
pub fn set_partition(cid: Cid) {
    PARTITION.mine().store(cid.0, Ordering::Relaxed);
}

/// The number of the address space of the thread that this CPU runs ([`Space::id`](crate::space::Space::id)); 0: it has none.
pub fn space() -> u64 {
    SPACE.mine().load(Ordering::Relaxed)
}

/// Notes the address space of the thread that this CPU runs.
pub fn set_space(id: u64) {
    SPACE.mine().store(id, Ordering::Relaxed);
}

/// Notes the thread that this CPU runs from now on.
pub fn set(thread: Option<Arc<Thread>>) {
    set_partition(
        thread
            .as_ref()
            .map_or(Cid::GLOBAL, |thread| thread.process.cid()),
    );
    #[cfg(debug_assertions)]
    crate::injection::works_for(thread.as_deref());
    let _former = core::mem::replace(&mut *CURRENT.mine().lock(), thread);
}

/// The thread that this CPU runs or works for.
pub fn thread() -> Option<Arc<Thread>> {
    CURRENT.mine().lock().clone()
}

/// Looks at the thread that this CPU runs; nothing may be locked inside.
pub fn with<T>(look: impl FnOnce(&Thread) -> T) -> Option<T> {
    CURRENT.mine().lock().as_deref().map(look)
}

/// Who does what this CPU has left to be done in steps: the thread that it runs, before that returns to its program.
///
/// Work of a timer, of a job, or of a thread that is over, is a job's, of the partition that this CPU works for.
pub struct Keeper;

impl remains::Keeper for Keeper {
    fn keep(&self, work: Left) {
        let lives = |thread: &Thread| thread.phase() != Phase::Dead;
        match thread() {
            Some(thread) if lives(&thread) && !system().timers.are_expiring() => thread.leave(work),
            _ => remainder::begin(partition(), Remains::of(work)),
        }
    }

    fn may_go_on(&self) -> bool {
        latency::may_go_on()
    }
}

/// Its process.
pub fn process() -> Option<Arc<Process>> {
    thread().map(|thread| thread.process.clone())
}

/// Partition and number of the thread that this CPU works for, for a panic's report: without waiting for a lock.
pub fn peek() -> Option<(Cid, Pid)> {
    let thread = CURRENT.mine().try_lock()?.clone()?;
    Some((thread.process.peek_cid(), thread.tid()))
}
