//! The timebase and the decrementer (Power ISA, Book II "Time Base", Book III "Decrementer").

use crate::registers::{self, Spr};
use crate::trap::LONGEST_SPAN;
use abi::Ticks;

/// The timebase: ticks since the machine was switched on, the same on every CPU.
pub fn now() -> Ticks {
    Ticks(registers::read::<{ Spr::TB }>())
}

/// Arms the decrementer of this CPU: it interrupts once, `span` from now; a span that is too long for the register
/// (31 bits, 4 s at 512 MHz) is cut, so the receiver of the interrupt looks at the clock.
pub fn set_decrementer(span: Ticks) {
    let span = span.0.clamp(1, LONGEST_SPAN.0);
    // SAFETY: interrupts are off in the kernel; the interrupt is expected at idle and in user mode.
    unsafe { registers::write::<{ Spr::DEC }>(span) };
}

/// Puts the next interrupt as far away as possible.
pub fn disarm() {
    set_decrementer(LONGEST_SPAN);
}
