//! The clock of one CPU: whose time is it?

use abi::Ticks;

/// One CPU's clock. Only its own CPU moves it, with interrupts off; others may read it.
pub struct CpuClock {}

#[allow(unused_variables)]
impl CpuClock {
    /// From `now` on the CPU is in the kernel. Called at every trap; takes no lock.
    pub fn enter_kernel(&self, now: Ticks) {
        todo!()
    }

    /// From `now` on the CPU is in user mode. Called at every return; takes no lock.
    pub fn enter_user(&self, now: Ticks) {
        todo!()
    }

    /// From `now` on the CPU is idle (before ceding, after a pick that answered nothing).
    pub fn enter_idle(&self, now: Ticks) {
        todo!()
    }
}
