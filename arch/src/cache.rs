//! Instruction cache coherence (Power ISA, Book II, "Instruction Storage").

use crate::{LINEAR_BASE, radix};
use abi::mmu::FrameNumber;
use core::arch::asm;

/// A block that is not larger than that of any CPU.
const BLOCK: usize = 128;

/// Makes stores to memory that will be executed visible to instruction fetch. The bytes are reached through the
/// linear map: programs may have them anywhere.
pub fn sync_instructions(bytes: &[u8]) {
    sync(bytes.as_ptr() as usize, bytes.len());
}

/// The same for a whole frame; one that is not memory is left alone.
pub fn sync_frame(frame: FrameNumber) {
    let address = LINEAR_BASE + frame.address();
    if radix::kernel_rights(address).is_some() {
        sync(address as usize, abi::PAGE_SIZE);
    }
}

/// `address` to `address + count` is mapped memory.
fn sync(address: usize, count: usize) {
    let start = address & !(BLOCK - 1);
    let end = address + count;
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
