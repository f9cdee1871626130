//! Which thread runs on this CPU, for those that a call reaches without it: devices, procfs, terminals.

use crate::process::Process;
use crate::reclamation;
use crate::thread::Thread;
use abi::{Cid, Pid};
use alloc::sync::Arc;
use arch::cpu::PerCpu;
use core::sync::atomic::{AtomicU16, Ordering};
use memory::heap::Payer;
use memory::{PageMap, Remains};
use sync::{Rank, SpinLock};

static CURRENT: PerCpu<SpinLock<Option<Arc<Thread>>>> =
    PerCpu::new([const { SpinLock::new(Rank::Scheduler, None) }; arch::MAX_CPUS]);

/// Whose partition this CPU works for.
static PARTITION: PerCpu<AtomicU16> =
    PerCpu::new([const { AtomicU16::new(Cid::GLOBAL.0) }; arch::MAX_CPUS]);

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

/// Keeps what the thread on this CPU has let go of until it returns to its program. Where there is none, a job gives it back.
pub fn keep(pages: PageMap) {
    match thread() {
        Some(thread) => thread.leave(pages),
        None => reclamation::begin(partition(), Remains::of(pages)),
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
