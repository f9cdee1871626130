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

/// As [`sync_instructions`], for memory by its real address.
pub fn sync_real(address: u64, length: usize) {
    // SAFETY: the linear map holds all RAM; only the addresses of the slice are used, no byte is read.
    let bytes = unsafe { core::slice::from_raw_parts((crate::LINEAR_BASE + address) as *const u8, length) };
    sync_instructions(bytes);
}
