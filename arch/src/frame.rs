//! Copying and clearing whole frames of RAM.

use crate::hcall::{self, Function};
use crate::{LINEAR_BASE, rtas, user};
use abi::PAGE_SIZE;
use abi::mmu::FrameNumber;

/// `H_COPY_PAGE` of `H_PAGE_INIT` (PAPR, "H_PAGE_INIT"): bit 49.
const COPY_PAGE: u64 = 1 << (63 - 49);

/// `H_ZERO_PAGE`: bit 48.
const ZERO_PAGE: u64 = 1 << (63 - 48);

/// Lets the hypervisor fill a frame; false where it is not QEMU, or does not do it.
///
/// On QEMU a call takes as long as a fifth of the loads and stores of a copy would, and needs no translations, each of which it
/// would first look for in the tables.
///
/// # Safety
/// As [`copy`], or [`clear`]: it writes to `to` only.
unsafe fn hypervisor_fills(flag: u64, to: FrameNumber, from: u64) -> bool {
    rtas::is_emulated() && {
        let arguments = [flag, to.address(), from, 0, 0];
        // SAFETY: the hypervisor writes to `to` only, which is the caller's.
        let answer = unsafe { hcall::call(Function::PageInit, arguments) };
        answer.status == hcall::SUCCESS
    }
}

/// Copies a frame, which programs may change meanwhile.
///
/// # Safety
/// Both frames are RAM that the linear map covers and the kernel gives out, and nobody but programs uses `to`.
pub unsafe fn copy(from: FrameNumber, to: FrameNumber) {
    // SAFETY: the caller's promise.
    if unsafe { hypervisor_fills(COPY_PAGE, to, from.address()) } {
        return;
    }
    let [from, to] = [from, to].map(|frame| LINEAR_BASE | frame.address());
    // SAFETY: both lie in the linear map, and the routine is not Rust's: what changes meanwhile is copied as it is found.
    let failed = unsafe { user::user_copy(to as *mut u8, from as *const u8, PAGE_SIZE as u64) };
    assert_eq!(failed, 0, "no access to a frame");
}

/// Fills a frame with zeros.
///
/// # Safety
/// It is RAM that the linear map covers and the kernel gives out, and nobody else uses it.
pub unsafe fn clear(frame: FrameNumber) {
    // SAFETY: the caller's promise.
    if unsafe { hypervisor_fills(ZERO_PAGE, frame, 0) } {
        return;
    }
    let bytes = (LINEAR_BASE | frame.address()) as *mut u8;
    // SAFETY: it lies in the linear map, and nobody else reads or writes it.
    unsafe { bytes.write_bytes(0, PAGE_SIZE) };
}
