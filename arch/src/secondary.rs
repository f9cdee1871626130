//! The other CPUs of the machine: from firmware's `start-cpu` to the kernel's dispatcher.
//!
//! The boot CPU gives each a stack, with a page below it that is not mapped, and an interrupt stack, and has firmware
//! start it at `secondary_entry`. It joins the translation that is on already and calls the function that the kernel
//! named. A CPU that does not come in time is given up; its stack is not given back, because it may still come.
//!
//! [`stop`] gives a CPU back to firmware, the boot CPU as well; [`start`] then makes it begin anew on the same stack.

use crate::cpu::{self, CpuNumber};
use crate::interrupts::controller;
use crate::{LINEAR_BASE, features, process_id, radix, rtas, time};
use abi::Ticks;
use alloc::alloc::{Layout, alloc};
use core::fmt;
use spin::Once;

/// Bytes of a stack, as many as the boot CPU's.
const STACK: usize = 131_072;
/// The page below a stack.
const GUARD: usize = 4096;

/// What a CPU does when it has been set up.
pub type Entry = fn() -> !;

static ENTRY: Once<Entry> = Once::new();

unsafe extern "C" {
    /// In `secondary.S`.
    fn secondary_entry();
}

/// Why a CPU does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// No memory for its stacks.
    NoMemory,
    /// Firmware refuses, or has no such service.
    Refused,
    /// It has not got to firmware yet since it was told to stop: to be tried again.
    Running,
    /// It has not come in time.
    Late,
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMemory => "there is no memory for its stack",
            Self::Refused => "firmware does not start it",
            Self::Running => "it has not stopped yet",
            Self::Late => "it was started and does not come",
        })
    }
}

/// Gives the CPUs after the boot CPU what they need to be started: as many of the hardware's numbers as
/// [`crate::MAX_CPUS`] allows, each with its stacks. `each` is told of every one, or why it cannot be started.
///
/// The stacks' guards are taken out of the kernel's tree, which must not happen while other CPUs run: so this takes all
/// CPUs at once, and works only once.
pub fn prepare(others: &[u32], mut each: impl FnMut(CpuNumber, Result<(), NotStarted>)) {
    static DONE: Once<()> = Once::new();
    if DONE.is_completed() {
        return;
    }
    DONE.call_once(|| ());
    for (number, &hardware) in (1..crate::MAX_CPUS as u16).zip(others) {
        let cpu = CpuNumber(number);
        let prepared = stacks()
            .map(|(stack, interrupt_stack)| cpu::prepare(cpu, hardware, stack, interrupt_stack));
        each(cpu, prepared);
    }
}

/// Has firmware start a CPU that is prepared and stopped; it comes by itself. It calls `entry`, the same function on every
/// CPU.
///
/// # Errors
/// [`NotStarted`], but for [`NotStarted::Late`].
pub fn start(cpu: CpuNumber, entry: Entry) -> Result<(), NotStarted> {
    ENTRY.call_once(|| entry);
    let block = cpu::block_of(cpu);
    let hardware = cpu::hardware(cpu);
    if block.is_up() || rtas::is_stopped(hardware) == Some(false) {
        return Err(NotStarted::Running);
    }
    if !block.rewind() {
        return Err(NotStarted::NoMemory);
    }
    let entry = secondary_entry as *const () as u64 & !LINEAR_BASE;
    let argument = core::ptr::from_ref(block) as u64 & !LINEAR_BASE;
    if rtas::start_cpu(hardware, entry as u32, argument as u32) {
        Ok(())
    } else {
        Err(NotStarted::Refused)
    }
}

/// Waits for a CPU that has been started until `patience` is over.
///
/// # Errors
/// [`NotStarted::Late`]; the machine goes on without it.
pub fn wait(cpu: CpuNumber, patience: Ticks) -> Result<(), NotStarted> {
    let deadline = time::now().saturating_add(patience);
    while !cpu::block_of(cpu).is_up() {
        if time::now() > deadline {
            return Err(NotStarted::Late);
        }
        core::hint::spin_loop();
    }
    Ok(())
}

/// Gives this CPU back to firmware. No interrupt source is routed to it, it has no thread, and nothing that it has on its
/// stack is ever needed; from here on it takes part in nothing.
pub fn stop() -> ! {
    controller().stop_cpu();
    process_id::deactivate();
    time::disarm();
    cpu::block().set_down();
    rtas::stop_self()
}

/// The tops of a new stack and a new interrupt stack.
fn stacks() -> Result<(u64, u64), NotStarted> {
    let size = GUARD + STACK + cpu::INTERRUPT_STACK;
    let layout = Layout::from_size_align(size, GUARD).map_err(|_| NotStarted::NoMemory)?;
    // SAFETY: the layout has a size.
    let bottom = unsafe { alloc(layout) } as u64;
    if bottom == 0 {
        return Err(NotStarted::NoMemory);
    }
    // SAFETY: the page was just allocated and is never used or given back; no other CPU runs yet (`prepare`).
    unsafe { radix::unmap_kernel_page(bottom & !LINEAR_BASE) };
    let top = bottom + (GUARD + STACK) as u64;
    Ok((top, top + cpu::INTERRUPT_STACK as u64))
}

/// Called by `secondary.S` on the CPU's own stack, with translation off.
#[unsafe(no_mangle)]
extern "C" fn secondary_start() -> ! {
    // SAFETY: the vectors are in place, r13 and SPRG0 are set, and the boot CPU has built the kernel's tree.
    unsafe {
        cpu::start_secondary();
        radix::join();
    }
    features::start_cpu();
    time::disarm();
    controller().start_cpu();
    cpu::block().set_up();
    match ENTRY.get() {
        Some(entry) => entry(),
        None => crate::halt(),
    }
}
