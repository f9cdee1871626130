//! External interrupts.
//!
//! [`InterruptController`] is what the kernel needs from a controller; [`Xics`] is the one that PAPR machines start
//! with (PAPR, "Interrupt Presentation" by hypervisor calls, sources by run-time services). XIVE will be another.

use crate::cpu::{self, CpuNumber};
use crate::hcall::{self, Function};
use crate::rtas;

/// The number of an interrupt source, as the device tree gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(pub u32);

impl Source {
    /// The source that stands for a call from another CPU.
    pub const IPI: Source = Source(2);
}

/// An interrupt that was taken and is not done yet.
#[must_use = "an interrupt that is never done blocks all others"]
#[derive(Debug)]
pub struct Taken {
    /// Where it comes from.
    pub source: Source,
    xirr: u32,
}

/// Why a source could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchSource;

/// Routes, takes and ends external interrupts.
pub trait InterruptController: Sync {
    /// Lets this CPU receive interrupts.
    fn start_cpu(&self);

    /// Sends the interrupts of a source to a CPU.
    ///
    /// # Errors
    /// [`NoSuchSource`].
    fn enable_source(&self, source: Source, cpu: CpuNumber) -> Result<(), NoSuchSource>;

    /// Stops the interrupts of a source.
    ///
    /// # Errors
    /// [`NoSuchSource`].
    fn disable_source(&self, source: Source) -> Result<(), NoSuchSource>;

    /// The most urgent pending interrupt of this CPU.
    fn take(&self) -> Option<Taken>;

    /// Ends an interrupt: the source may interrupt again.
    fn done(&self, taken: Taken);

    /// Interrupts another CPU with [`Source::IPI`].
    fn call(&self, cpu: CpuNumber);

    /// Takes back what [`InterruptController::call`] did; the receiver's duty before `done`.
    fn clear_call(&self);
}

/// The POWER external interrupt controller.
pub struct Xics;

/// All priorities pass.
const OPEN: u64 = 0xff;
/// The priority of devices and of calls.
const PRIORITY: u8 = 5;
const SOURCE: u32 = 0x00ff_ffff;
const NO_CALL: u64 = 0xff;

impl InterruptController for Xics {
    fn start_cpu(&self) {
        // SAFETY: sets a priority.
        let _answer = unsafe { hcall::call(Function::Cppr, [OPEN, 0, 0, 0, 0]) };
    }

    fn enable_source(&self, source: Source, cpu: CpuNumber) -> Result<(), NoSuchSource> {
        let server = cpu::hardware(cpu);
        let routed = rtas::set_xive(source.0, server, PRIORITY);
        if routed && rtas::interrupt_on(source.0) {
            Ok(())
        } else {
            Err(NoSuchSource)
        }
    }

    fn disable_source(&self, source: Source) -> Result<(), NoSuchSource> {
        if rtas::interrupt_off(source.0) {
            Ok(())
        } else {
            Err(NoSuchSource)
        }
    }

    fn take(&self) -> Option<Taken> {
        // SAFETY: accepts an interrupt and answers in registers.
        let answer = unsafe { hcall::call(Function::Xirr, [0; 5]) };
        let [xirr, ..] = answer.results;
        let xirr = xirr as u32;
        let source = Source(xirr & SOURCE);
        (answer.status == hcall::SUCCESS && source.0 != 0).then_some(Taken { source, xirr })
    }

    fn done(&self, taken: Taken) {
        // SAFETY: ends an interrupt.
        let _answer = unsafe { hcall::call(Function::Eoi, [u64::from(taken.xirr), 0, 0, 0, 0]) };
    }

    fn call(&self, cpu: CpuNumber) {
        let server = u64::from(cpu::hardware(cpu));
        // SAFETY: interrupts another CPU.
        let _answer = unsafe { hcall::call(Function::Ipi, [server, u64::from(PRIORITY), 0, 0, 0]) };
    }

    fn clear_call(&self) {
        let server = u64::from(cpu::hardware(cpu::this()));
        // SAFETY: sets the CPU's own call priority to none.
        let _answer = unsafe { hcall::call(Function::Ipi, [server, NO_CALL, 0, 0, 0]) };
    }
}

static CONTROLLER: Xics = Xics;

/// The controller of this machine.
pub fn controller() -> &'static dyn InterruptController {
    &CONTROLLER
}

/// [`InterruptController::enable_source`] of this machine's controller.
///
/// # Errors
/// [`NoSuchSource`].
pub fn enable_source(source: Source, cpu: CpuNumber) -> Result<(), NoSuchSource> {
    controller().enable_source(source, cpu)
}

/// [`InterruptController::take`] of this machine's controller. After [`crate::Trap::External`] or
/// [`crate::idle::Wakeup::EXTERNAL`], to be called until it gives `None`.
pub fn take() -> Option<Taken> {
    controller().take()
}

/// [`InterruptController::done`] of this machine's controller.
pub fn done(taken: Taken) {
    controller().done(taken);
}
