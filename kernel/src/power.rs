//! The end of the machine, and what is told about it outside.
//!
//! A second virtual terminal, which no program can open, carries one line: how the run ended. Whoever started
//! the machine reads it there; what programs print on the console cannot be mistaken for it.

use core::fmt::Write;
use spin::Once;

/// The terminal for the result; firmware's list of terminals has it second.
static RESULT_TERMINAL: Once<u32> = Once::new();

/// Sets the terminal that results are told on.
pub fn set_result_terminal(unit: u32) {
    RESULT_TERMINAL.call_once(|| unit);
}

/// The terminal that results are told on.
pub fn result_terminal() -> Option<u32> {
    RESULT_TERMINAL.get().copied()
}

struct Result(u32);

impl Write for Result {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        arch::console::put_to(self.0, text.as_bytes());
        Ok(())
    }
}

fn tell(text: core::fmt::Arguments<'_>) {
    if let Some(unit) = RESULT_TERMINAL.get() {
        // The terminal takes everything; there is nobody to tell if not.
        Result(*unit)
            .write_fmt(format_args!("corral-result: {text}\n"))
            .ok();
    }
}

/// Powers the machine off; `status` is told outside.
pub fn off(status: u8) -> ! {
    tell(format_args!("status {status}"));
    crate::console::flush();
    arch::rtas::power_off()
}

/// Starts the machine again. Firmware that cannot is asked to power off.
pub fn restart() -> ! {
    tell(format_args!("restart"));
    crate::console::flush();
    arch::rtas::reboot()
}

/// Ends a start that cannot go on.
pub fn fail() -> ! {
    tell(format_args!("failed"));
    arch::rtas::power_off()
}

/// Tells outside that the kernel has panicked; the panic path goes on.
pub fn tell_panic() {
    tell(format_args!("panic"));
}
