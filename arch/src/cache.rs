//! Instruction cache coherence (Power ISA, Book II, "Instruction Storage").

use core::arch::asm;

/// A block that is not larger than that of any CPU.
const BLOCK: usize = 128;

/// Makes stores to memory that will be executed visible to instruction fetch. The bytes are reached through the
/// linear map: programs may have them anywhere.
pub fn sync_instructions(bytes: &[u8]) {
    let start = bytes.as_ptr() as usize & !(BLOCK - 1);
    let end = bytes.as_ptr() as usize + bytes.len();
    for block in (start..end).step_by(BLOCK) {
        // SAFETY: writes the cache block back; memory does not change.
        unsafe { asm!("dcbst 0, {}", in(reg) block, options(nostack, preserves_flags)) };
    }
    // SAFETY: only orders.
    unsafe { asm!("sync", options(nostack, preserves_flags)) };
    for block in (start..end).step_by(BLOCK) {
        // SAFETY: drops a clean block of instructions.
        unsafe { asm!("icbi 0, {}", in(reg) block, options(nostack, preserves_flags)) };
    }
    // SAFETY: only orders.
    unsafe { asm!("sync", "isync", options(nostack, preserves_flags)) };
}
