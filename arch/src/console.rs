//! The hypervisor's terminals, byte by byte (PAPR, "Virtual Terminal").
//!
//! Usable from the first instruction on and in a panic: there is no lock and no state but the unit number of
//! the console, 0 (the hypervisor's choice) until [`crate::start_boot_cpu`] sets it. Lines of two CPUs may mix.

use crate::hcall::{self, Function};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

/// How many bytes one hypervisor call carries.
pub const CHUNK: usize = 16;

/// How often [`put`] asks a busy hypervisor again before it drops the rest: a dead terminal must not hang a panic.
const PATIENCE: u32 = 10_000;

static CONSOLE: AtomicU32 = AtomicU32::new(0);

/// Sets the unit address of the console.
pub fn set_console(unit: u32) {
    CONSOLE.store(unit, Ordering::Relaxed);
}

/// The unit address of the console, 0 when the hypervisor chooses.
pub fn console() -> u32 {
    CONSOLE.load(Ordering::Relaxed)
}

/// Offers at most [`CHUNK`] bytes to a terminal; returns how many it took, 0 when it is busy or unknown.
pub fn offer(unit: u32, bytes: &[u8]) -> usize {
    let count = bytes.len().min(CHUNK);
    let mut packed = [0; CHUNK];
    for (to, from) in packed.iter_mut().zip(bytes) {
        *to = *from;
    }
    let (first, second) = packed.split_at(CHUNK / 2);
    let word = |half: &[u8]| {
        half.iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    // SAFETY: the call carries its bytes in registers and touches no memory.
    let answer = unsafe {
        hcall::call(
            Function::PutTermChar,
            [u64::from(unit), count as u64, word(first), word(second), 0],
        )
    };
    if answer.status == hcall::SUCCESS {
        count
    } else {
        0
    }
}

/// Writes all bytes to the terminal `unit`, waiting for a busy one within reason.
pub fn put_to(unit: u32, mut bytes: &[u8]) {
    let mut patience = PATIENCE;
    while !bytes.is_empty() && patience > 0 {
        let taken = offer(unit, bytes);
        bytes = bytes.get(taken..).unwrap_or(&[]);
        if taken == 0 {
            patience -= 1;
        }
    }
}

/// Writes all bytes to the console.
pub fn put(bytes: &[u8]) {
    put_to(console(), bytes);
}

/// Reads what the terminal `unit` has received, at most [`CHUNK`] bytes; returns how many.
///
/// QEMU adds a NUL after each carriage return (a concession to old guests): it is taken out again, so a NUL that
/// was typed directly after a return is lost.
pub fn get_from(unit: u32, bytes: &mut [u8; CHUNK]) -> usize {
    // SAFETY: the call answers in registers and touches no memory.
    let answer = unsafe { hcall::call(Function::GetTermChar, [u64::from(unit), 0, 0, 0, 0]) };
    if answer.status != hcall::SUCCESS {
        return 0;
    }
    let [length, first, second, _] = answer.results;
    let received = first
        .to_be_bytes()
        .into_iter()
        .chain(second.to_be_bytes())
        .take(length as usize);
    let mut count = 0;
    let mut previous = 0;
    for byte in received {
        let added = byte == 0 && previous == b'\r';
        if let (false, Some(place)) = (added, bytes.get_mut(count)) {
            *place = byte;
            count += 1;
        }
        previous = byte;
    }
    count
}

/// Reads from the console; see [`get_from`].
pub fn get(bytes: &mut [u8; CHUNK]) -> usize {
    get_from(console(), bytes)
}

/// The console as a sink of formatted text; a line feed goes out as carriage return and line feed.
pub struct Text;

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                put(b"\r\n");
            }
            put(line.as_bytes());
        }
        Ok(())
    }
}

/// Writes formatted text to the console at once.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {{
        // The console reports no errors.
        if core::fmt::Write::write_fmt(&mut $crate::console::Text, format_args!($($argument)*)).is_err() {}
    }};
}
