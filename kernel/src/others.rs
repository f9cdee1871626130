//! Calls from CPU to CPU.
//!
//! Whoever has something for a CPU publishes it (a flag of a thread, a decision of the scheduler) and then calls
//! [`ring`]. A CPU answers at each turn of its loop, before it looks at anything that may have been published, and leaves
//! the kernel by [`leave`] only. No lock; [`sync::Doorbell`] says why nothing is lost.

use arch::cpu::{CpuNumber, PerCpu};
use arch::interrupts::controller;
use sync::Doorbell;

static BELLS: PerCpu<Doorbell> = PerCpu::new([const { Doorbell::new() }; arch::MAX_CPUS]);

/// Makes a CPU look, at once if it is away.
pub fn ring(cpu: usize) {
    let cpu = CpuNumber(cpu as u16);
    if BELLS.of(cpu).ring() {
        controller().call(cpu);
    }
}

/// Whether something was asked of this CPU since the last time.
pub fn answer() -> bool {
    BELLS.mine().answer()
}

/// This CPU goes to a program or to rest: calls come as interrupts until [`back`]. False when there is something to
/// answer first.
#[must_use = "a CPU that has not left must answer"]
pub fn leave() -> bool {
    sync::order::assert_nothing_held();
    BELLS.mine().leave()
}

/// This CPU is in the kernel again.
pub fn back() {
    BELLS.mine().back();
}
