//! The heap of this image.

use linked_list_allocator::LockedHeap;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();

/// Gives the heap its memory.
///
/// # Safety
/// Called once, with memory that nobody else uses.
pub unsafe fn start(start: u64, size: usize) {
    // SAFETY: the caller's.
    unsafe { HEAP.lock().init(start as *mut u8, size) };
}
