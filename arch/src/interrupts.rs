//! External interrupts.
//!
//! [`InterruptController`] is what the kernel needs from a controller. PAPR machines have one of two: XICS, which
//! works everywhere, or the exploitation mode of XIVE, which boot asks for where it is offered. The
//! device tree says which one it is ([`Description`]).

mod xics;
mod xive;

use crate::Published;
use crate::cpu::CpuNumber;
use spin::Once;

pub use xive::{Refused, XiveDescription};
use {xics::Xics, xive::Xive};

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
    /// What the controller wants back at the end.
    token: u32,
}

/// Why a source could not be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchSource;

/// Routes, takes and ends external interrupts.
pub trait InterruptController: Sync {
    /// Lets this CPU receive interrupts.
    fn start_cpu(&self);

    /// Lets nothing reach this CPU any more, until [`InterruptController::start_cpu`]. What has reached it is taken before,
    /// and no source is routed to it.
    fn stop_cpu(&self);

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

/// The interrupt controller of a machine, as its device tree describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Description {
    /// Presentation by hypervisor calls, sources by run-time services.
    Xics,
    /// The exploitation mode of XIVE.
    Xive(XiveDescription),
}

static XICS: Xics = Xics;
static XIVE: Once<Xive> = Once::new();
static CONTROLLER: Published<Xive> = Published::new();

/// Chooses the controller of this machine; boot does, once, with translation on.
///
/// # Safety
/// The description is the machine's, and the memory that it names is used for nothing else.
pub(crate) unsafe fn start(description: Description) -> Result<(), Refused> {
    if let Description::Xive(description) = description {
        // SAFETY: the caller's.
        let xive = unsafe { Xive::new(description) }?;
        CONTROLLER.publish(XIVE.call_once(|| xive));
    }
    Ok(())
}

/// The controller of this machine.
pub fn controller() -> &'static dyn InterruptController {
    match CONTROLLER.get() {
        Some(xive) => xive,
        None => &XICS,
    }
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
