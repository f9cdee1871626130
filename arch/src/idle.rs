//! Waiting for an interrupt.

use crate::fatal::KernelFrame;
use crate::registers::Msr;
use crate::{cpu, time};
use abi::Ticks;
use bitflags::bitflags;
use core::sync::atomic::Ordering;

bitflags! {
    /// What ended an idle period.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Wakeup: u64 {
        /// The decrementer fired.
        const DECREMENTER = 1;
        /// The interrupt controller has something: see [`crate::interrupts::take`].
        const EXTERNAL = 2;
    }
}

unsafe extern "C" {
    safe fn cede();
}

/// Gives the CPU back to the hypervisor until an interrupt arrives, or until the timebase reaches `until` at the latest.
///
/// Interrupts stay off from the caller's last look at its queues until the hypervisor turns them on as part of
/// ceding, so a wake-up in between is not lost. May return with no flag set, and a long wait ends early with
/// [`Wakeup::DECREMENTER`] (the register is 31 bits wide): the caller loops.
pub fn idle(until: Option<Ticks>) -> Wakeup {
    let block = cpu::block();
    block.arrived.store(0, Ordering::Relaxed);
    if let Some(until) = until {
        time::interrupt_by(time::now(), until, until);
    }
    time::quiet();
    cede();
    Wakeup::from_bits_truncate(block.arrived.swap(0, Ordering::Relaxed))
}

/// Records an interrupt that came while idle and resumes with interrupts off.
pub(crate) fn note(frame: &mut KernelFrame, what: Wakeup) {
    cpu::block()
        .arrived
        .fetch_or(what.bits(), Ordering::Relaxed);
    frame.msr &= !Msr::EE;
}
