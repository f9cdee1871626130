//! Taking over the machine.

use crate::{LINEAR_BASE, console, cpu, features, interrupts, print, radix, rtas, time};
use core::fmt::Debug;

/// What boot knows when it hands over the machine.
pub struct BootCpu<'a> {
    /// The hypervisor's number of this CPU.
    pub hardware: u32,
    /// The unit address of the console.
    pub console: u32,
    /// All memory, as ranges of real addresses, `end` not included.
    pub memory: &'a mut dyn Iterator<Item = (u64, u64)>,
    /// The interrupt controller.
    pub interrupts: interrupts::Description,
    /// The linked address of a page in the image's data that nothing uses: it will not be mapped.
    pub stack_guard: u64,
    /// The linked address of the end of the boot stack: where the CPU begins again when it has been stopped.
    pub stack: u64,
}

unsafe extern "C" {
    static _start: u8;
}

/// Where the image carries the vectors (`kernel.ld`).
const LOADED_VECTORS: u64 = 0x8000;

/// Makes this the boot CPU of a running kernel: vectors, translation, facilities, interrupt controller.
///
/// # Safety
/// Called once, first of all functions here but [`console`] and [`rtas`], with translation off, on a stack in the
/// image. Real memory below [`crate::LOW_MEMORY`] is overwritten, and the arguments describe the machine.
pub unsafe fn start_boot_cpu(boot: BootCpu<'_>) {
    console::set_console(boot.console);
    // SAFETY: once, and no interrupt can come before the vectors are there.
    unsafe {
        cpu::start_boot(boot.hardware, boot.stack);
        copy_vectors();
    }
    // SAFETY: the caller's.
    let started = unsafe { radix::start(boot.memory, boot.stack_guard & !LINEAR_BASE) };
    if let Err(refused) = started {
        stop(refused);
    }
    features::start_cpu();
    time::disarm();
    // SAFETY: the caller's.
    if let Err(refused) = unsafe { interrupts::start(boot.interrupts) } {
        stop(refused);
    }
    interrupts::controller().start_cpu();
    cpu::block().set_up();
}

/// The hypervisor refuses something that Corral cannot do without.
fn stop(refused: impl Debug) -> ! {
    print!("corral: the hypervisor refuses {refused:?}\n");
    rtas::os_term("corral: hypervisor refuses")
}

/// # Safety
/// Translation is off and low memory belongs to us.
unsafe fn copy_vectors() {
    let from = (&raw const _start).wrapping_add(LOADED_VECTORS as usize);
    let size = radix::VECTORS_END as usize;
    // SAFETY: the image carries that many bytes there, and low memory is not part of the image.
    let bytes = unsafe {
        let to = LINEAR_BASE as *mut u8;
        core::ptr::copy_nonoverlapping(from, to, size);
        core::slice::from_raw_parts(to, size)
    };
    crate::cache::sync_instructions(bytes);
}

/// The real addresses of the image's first byte and of the byte behind its last.
#[must_use]
pub fn image() -> (u64, u64) {
    let image = radix::image();
    (image.start, image.end)
}

/// Stops this CPU for good. It does not cede: an interrupt of a dying kernel could make matters worse.
pub fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
