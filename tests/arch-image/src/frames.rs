//! Frames for tables and pages: never reused, but counted.

use abi::Cid;
use abi::mmu::{FrameNumber, TableFrames, TableNotes};
use arch::LINEAR_BASE;
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use spin::Mutex;

/// The source of all frames of this image.
pub struct Frames {
    next: AtomicU64,
    end: AtomicU64,
    free: [Mutex<(usize, [u32; 64])>; 5],
    /// Table frames that are out.
    pub taken: AtomicI64,
    /// How many tables may still be taken; to test exhaustion.
    pub allowed: AtomicI64,
}

pub static FRAMES: Frames = Frames {
    next: AtomicU64::new(0),
    end: AtomicU64::new(0),
    free: [const { Mutex::new((0, [0; 64])) }; 5],
    taken: AtomicI64::new(0),
    allowed: AtomicI64::new(i64::MAX),
};

static NOTES: [[AtomicU32; 2]; 1 << 15] = [const { [const { AtomicU32::new(0) }; 2] }; 1 << 15];

impl Frames {
    /// Hands out memory from `start` to `end`.
    pub fn start(&self, start: u64, end: u64) {
        self.next
            .store(start.next_multiple_of(1 << 16), Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
    }

    /// A zeroed block of `1 << order` frames.
    pub fn block(&self, order: u32) -> FrameNumber {
        let size = 4096u64 << order;
        let mut free = self.free[order as usize].lock();
        let first = if free.0 > 0 {
            free.0 -= 1;
            u64::from(free.1[free.0]) << 12
        } else {
            let taken = self
                .next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    Some(next.next_multiple_of(size) + size)
                });
            taken.unwrap_or(0).next_multiple_of(size)
        };
        assert!(
            first + size <= self.end.load(Ordering::Relaxed),
            "out of memory"
        );
        let number = FrameNumber((first >> 12) as u32);
        // SAFETY: the block is in free memory that only this allocator hands out.
        unsafe { core::ptr::write_bytes((first + LINEAR_BASE) as *mut u8, 0, size as usize) };
        number
    }

    pub fn release(&self, frame: FrameNumber, order: u32) {
        let mut free = self.free[order as usize].lock();
        let length = free.0;
        if length < 64 {
            free.1[length] = frame.0;
            free.0 += 1;
        }
    }
}

impl TableFrames for Frames {
    fn take(&self, _: Cid, order: u32) -> Option<FrameNumber> {
        if self.allowed.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return None;
        }
        self.taken.fetch_add(1 << order, Ordering::Relaxed);
        let block = self.block(order);
        for note in &NOTES[block.0 as usize % NOTES.len()] {
            note.store(0, Ordering::Relaxed);
        }
        Some(block)
    }

    fn notes(&self, first: FrameNumber) -> Option<TableNotes<'_>> {
        // Frames are handed out in a row and reused, so two that are out never meet here.
        let [filled, groups] = &NOTES[first.0 as usize % NOTES.len()];
        Some(TableNotes { filled, groups })
    }

    fn give(&self, first: FrameNumber, order: u32) {
        self.taken.fetch_sub(1 << order, Ordering::Relaxed);
        // A table that is used after it was given back must hurt.
        // SAFETY: the block came from `take`.
        unsafe {
            core::ptr::write_bytes(
                (first.address() + LINEAR_BASE) as *mut u8,
                0xee,
                4096 << order,
            )
        };
        self.release(first, order);
    }
}

/// A page of memory by its frame.
pub fn bytes(frame: FrameNumber) -> &'static mut [u8] {
    // SAFETY: frames of this image are handed out once; a check uses one at a time.
    unsafe { core::slice::from_raw_parts_mut((frame.address() + LINEAR_BASE) as *mut u8, 4096) }
}
