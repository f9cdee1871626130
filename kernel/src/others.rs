//! Calls from CPU to CPU.
//!
//! Whoever has something for a CPU publishes it (a flag of a thread, a decision of the scheduler) and then calls
//! [`ring`]. A CPU answers at each turn of its loop, before it looks at anything that may have been published, and leaves
//! the kernel by [`leave`] only. No lock; [`sync::Doorbell`] says why nothing is lost.

use arch::cpu::{CpuNumber, PerCpu};
use arch::interrupts::controller;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use sched::{Cpu, CpuSet};
use sync::Doorbell;

static BELLS: PerCpu<Doorbell> = PerCpu::new([const { Doorbell::new() }; arch::MAX_CPUS]);

/// The number of the latest barrier that was asked of CPUs.
static BARRIER: AtomicU64 = AtomicU64::new(0);
/// The latest that each CPU has gone through.
static PASSED: PerCpu<AtomicU64> = PerCpu::new([const { AtomicU64::new(0) }; arch::MAX_CPUS]);

/// Begins a barrier of memory that other CPUs are to go through; answers its number.
///
/// What the caller has stored before is seen by every CPU that [has passed](have_passed), and the other way round.
pub fn begin_barrier() -> u64 {
    BARRIER.fetch_add(1, Ordering::SeqCst) + 1
}

/// Whether all of these CPUs have been in the kernel since the barrier with this number began; those that have not are called.
pub fn have_passed(cpus: CpuSet, barrier: u64) -> bool {
    fence(Ordering::SeqCst);
    let mut all = true;
    for Cpu(cpu) in cpus.iter() {
        if PASSED.of(CpuNumber(cpu)).load(Ordering::SeqCst) < barrier {
            ring(usize::from(cpu));
            all = false;
        }
    }
    all
}

/// Makes a CPU look, at once if it is away.
pub fn ring(cpu: usize) {
    let cpu = CpuNumber(cpu as u16);
    if BELLS.of(cpu).ring() {
        controller().call(cpu);
    }
}

/// Whether something was asked of this CPU since the last time.
pub fn answer() -> bool {
    let rung = BELLS.mine().answer();
    // Two CPUs that wait in the kernel for each other's barriers do not leave it before.
    pass();
    rung
}

/// This CPU goes to a program or to rest: calls come as interrupts until [`back`]. False when there is something to
/// answer first.
#[must_use = "a CPU that has not left must answer"]
pub fn leave() -> bool {
    sync::order::assert_nothing_held();
    let left = BELLS.mine().leave();
    if left {
        pass();
    }
    left
}

/// This CPU goes through all barriers that have begun. It is in the kernel: what its program has done is done, and what it
/// will do comes later.
fn pass() {
    let barrier = BARRIER.load(Ordering::Relaxed);
    let passed = PASSED.mine();
    if passed.load(Ordering::Relaxed) != barrier {
        fence(Ordering::SeqCst);
        passed.store(barrier, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

/// This CPU is in the kernel again.
pub fn back() {
    BELLS.mine().back();
}
