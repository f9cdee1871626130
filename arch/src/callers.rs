//! Who has called: the chain of stack frames.

use crate::{LINEAR_BASE, radix};

/// The addresses to which functions return, innermost first.
///
/// A frame starts with the address of its caller's frame, where the return address is at offset 16 (ELFv2, "Stack Frame").
/// The chain ends at what is not mapped, so that a report on a damaged stack ends too.
pub struct Callers(u64);

impl Callers {
    /// The callers of the function that asks.
    #[inline(always)]
    #[must_use]
    pub fn here() -> Self {
        let sp;
        // SAFETY: only copies r1.
        unsafe {
            core::arch::asm!("mr {}, 1", out(reg) sp, options(nomem, nostack, preserves_flags));
        }
        Self(sp)
    }

    /// From the frame at `sp` on.
    pub(crate) fn from(sp: u64) -> Self {
        Self(sp)
    }
}

impl Iterator for Callers {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let sp = self.0;
        if !readable(sp) {
            return None;
        }
        // SAFETY: the address lies in memory that is mapped; it is only read.
        let next = unsafe { (sp as *const u64).read_volatile() };
        if next == sp || !readable(next) {
            return None;
        }
        self.0 = next;
        // SAFETY: as above.
        Some(unsafe { ((next + 16) as *const u64).read_volatile() })
    }
}

fn readable(address: u64) -> bool {
    let mapped = |address| radix::kernel_rights(address).is_some_and(|(readable, ..)| readable);
    address.is_multiple_of(16) && address >= LINEAR_BASE && mapped(address) && mapped(address + 24)
}
