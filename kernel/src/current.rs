//! Which thread runs on this CPU, for those that a call reaches without it: devices, procfs, terminals.

use crate::process::Process;
use crate::thread::Thread;
use abi::{Cid, Pid};
use alloc::sync::Arc;
use arch::cpu::PerCpu;
use sync::{Rank, SpinLock};

static CURRENT: PerCpu<SpinLock<Option<Arc<Thread>>>> =
    PerCpu::new([const { SpinLock::new(Rank::Scheduler, None) }; arch::MAX_CPUS]);

/// Notes the thread that this CPU runs from now on.
pub fn set(thread: Option<Arc<Thread>>) {
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

/// Its process.
pub fn process() -> Option<Arc<Process>> {
    thread().map(|thread| thread.process.clone())
}

/// Partition and number of the thread that this CPU works for, for a panic's report: without waiting for a lock.
pub fn peek() -> Option<(Cid, Pid)> {
    let thread = CURRENT.mine().try_lock()?.clone()?;
    Some((thread.process.peek_cid(), thread.tid))
}
