//! Instruction cache coherence (Power ISA, Book II, "Instruction Storage").

use crate::{LINEAR_BASE, radix};
use abi::PAGE_SIZE;
use core::arch::asm;

/// The block that cache instructions mean, of both caches of every processor with a radix MMU, in bytes; `dcbz` clears as much.
pub const BLOCK: usize = 128;
const PAGE_MASK: u64 = PAGE_SIZE as u64 - 1;

/// Makes stores to memory that will be executed visible to instruction fetch. The bytes are reached through the
/// linear map: programs may have them anywhere.
pub fn sync_instructions(bytes: &[u8]) {
    sync(bytes.as_ptr() as usize, bytes.len());
}

/// As [`sync_instructions`], for memory by its real address; what is no memory is left alone.
pub fn sync_real(address: u64, length: usize) {
    let start = LINEAR_BASE.saturating_add(address);
    let Some(end) = start.checked_add(length as u64) else {
        return;
    };
    let mut pages = (start & !PAGE_MASK..end).step_by(PAGE_SIZE);
    if pages.all(|page| radix::kernel_rights(page).is_some()) {
        sync(start as usize, length);
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
