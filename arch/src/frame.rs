//! Copying a frame of RAM.

use crate::hcall::{self, Function};
use crate::{LINEAR_BASE, rtas, user};
use abi::PAGE_SIZE;
use abi::mmu::FrameNumber;

/// `H_COPY_PAGE` of `H_PAGE_INIT` (PAPR, "H_PAGE_INIT"): bit 49.
const COPY_PAGE: u64 = 1 << (63 - 49);

/// Copies a frame, which programs may change meanwhile.
///
/// On QEMU the hypervisor does it: a call takes as long as a fifth of the loads and stores would, and needs no translations.
///
/// # Safety
/// Both frames are RAM that the linear map covers and the kernel gives out, and nobody but programs uses `to`.
pub unsafe fn copy(from: FrameNumber, to: FrameNumber) {
    if rtas::is_emulated() {
        // SAFETY: the hypervisor writes to `to` only, which is the caller's.
        let answer = unsafe {
            hcall::call(
                Function::PageInit,
                [COPY_PAGE, to.address(), from.address(), 0, 0],
            )
        };
        if answer.status == hcall::SUCCESS {
            return;
        }
    }
    let [from, to] = [from, to].map(|frame| LINEAR_BASE | frame.address());
    // SAFETY: both lie in the linear map, and the routine is not Rust's: what changes meanwhile is copied as it is found.
    let failed = unsafe { user::user_copy(to as *mut u8, from as *const u8, PAGE_SIZE as u64) };
    assert_eq!(failed, 0, "no access to a frame");
}
