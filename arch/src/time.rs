//! The timebase and the decrementer (Power ISA, Book II "Time Base", Book III "Decrementer").

use crate::cpu;
use crate::registers::{self, Spr};
use crate::trap::LONGEST_SPAN;
use abi::Ticks;
use core::sync::atomic::Ordering;

/// The timebase: ticks since the machine was switched on, the same on every CPU.
pub fn now() -> Ticks {
    Ticks(registers::read::<{ Spr::TB }>())
}

/// Has the decrementer interrupt this CPU once, at `at` or before; an interrupt that is to come by `latest` anyway will do
/// as well. It stays the next then, and a span that is too long for the register (31 bits, 4 s at 512 MHz) is cut. So
/// whoever receives the interrupt looks at the clock and asks anew.
///
/// Most returns to a program ask for the end of a slice that has been asked for before, or a moment earlier. They leave the
/// register alone: a write of it is a few cycles on a processor, but an emulator reprograms a timer of its host for each.
///
/// What is noted as asked for is `at` itself, though the register is written a moment after `now` was read and the interrupt
/// comes that much later: the same question again must find it answered.
///
/// An interrupt whose time has passed is asked for anew: should it have got lost, with a CPU that was stopped for one, the
/// next would otherwise never be asked for.
pub fn interrupt_by(now: Ticks, at: Ticks, latest: Ticks) {
    let alarm = cpu::block().alarm.load(Ordering::Relaxed);
    if latest.0 < alarm || alarm <= now.0 {
        arm(now, at.saturating_sub(now));
    }
}

/// Has the decrementer interrupt this CPU once, `span` from now, whatever was asked before; too long a span is cut.
pub fn set_decrementer(span: Ticks) {
    arm(now(), span);
}

fn arm(now: Ticks, span: Ticks) {
    let span = Ticks(span.0.clamp(1, LONGEST_SPAN.0));
    let at = now.saturating_add(span);
    cpu::block().alarm.store(at.0, Ordering::Relaxed);
    write_decrementer(span);
}

/// Puts the next interrupt as far away as possible: nobody waits for it.
pub fn disarm() {
    cpu::block().alarm.store(u64::MAX, Ordering::Relaxed);
    write_decrementer(LONGEST_SPAN);
}

/// The decrementer has interrupted, and does so again at once where interrupts are on, until it is written: by the next
/// [`interrupt_by`], or by [`quiet`].
pub(crate) fn expired() {
    cpu::block().alarm.store(0, Ordering::Relaxed);
}

/// Before interrupts go on: an interrupt that has been taken does not come again when nobody has asked for another.
pub(crate) fn quiet() {
    if cpu::block().alarm.load(Ordering::Relaxed) == 0 {
        disarm();
    }
}

fn write_decrementer(span: Ticks) {
    // SAFETY: interrupts are off in the kernel; the interrupt is expected at idle and in user mode.
    unsafe { registers::write::<{ Spr::DEC }>(span.0) };
}
