//! Random numbers from the hardware.

use crate::features;
use crate::hcall::{self, Function};
use core::arch::asm;

/// How often a source that has nothing to give is asked again.
const ATTEMPTS: u32 = 10;

/// Fills `bytes` from the hardware; false when it gives no random numbers (`bytes` is zeroed then).
#[must_use]
pub fn fill(bytes: &mut [u8]) -> bool {
    for chunk in bytes.chunks_mut(8) {
        let Some(word) = word() else {
            bytes.fill(0);
            return false;
        };
        for (to, from) in chunk.iter_mut().zip(word.to_ne_bytes()) {
            *to = from;
        }
    }
    true
}

fn word() -> Option<u64> {
    (0..ATTEMPTS).find_map(|_| by_instruction().or_else(by_hypervisor))
}

/// `darn`, conditioned; all ones is its way to say that it has nothing.
fn by_instruction() -> Option<u64> {
    if !features::has_darn() {
        return None;
    }
    let word: u64;
    // SAFETY: the CPU has the instruction (`darn {}, 1`, which the assembler of this target does not know).
    unsafe { asm!(".long 0x7c6105e6", out("r3") word, options(nomem, nostack, preserves_flags)) };
    (word != u64::MAX).then_some(word)
}

fn by_hypervisor() -> Option<u64> {
    // SAFETY: the call answers in registers.
    let answer = unsafe { hcall::call(Function::Random, [0; 5]) };
    let [word, ..] = answer.results;
    (answer.status == hcall::SUCCESS).then_some(word)
}
