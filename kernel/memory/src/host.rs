//! An arena that stands for RAM on the host, and failures on demand.
//!
//! For tests of this crate and of those that hold frames; not in the kernel image.

use crate::contents::{Filling, LinearMap, Loan};
use abi::PAGE_SIZE;
use abi::mmu::FrameNumber;
use std::alloc::{Layout, alloc_zeroed};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Frames of the arena (64 MiB).
pub const ARENA: u32 = 16384;
/// The first frame number that the arena grants.
pub const FIRST: u32 = 16;
/// Frames between those that it grants, which are [lent].
const LENT: core::ops::Range<u32> = 32..48;

static ONCE: Once = Once::new();
static ALONE: Mutex<()> = Mutex::new(());
static LOAN: Mutex<Option<Loan>> = Mutex::new(None);

/// Sets up the frame allocator on an arena, once for the test process.
pub fn initialize() {
    ONCE.call_once(|| {
        let Ok(layout) = Layout::from_size_align((ARENA as usize) << 12, 1 << 26) else {
            return;
        };
        // SAFETY: the layout's size is not zero.
        let arena = unsafe { alloc_zeroed(layout) };
        assert!(!arena.is_null(), "no memory for the arena");
        // SAFETY: the arena is never freed, so its frames stay readable and writable; `copy` and `clear` fill any of them.
        let mut map = unsafe { LinearMap::new(arena, Filling { copy, clear }) };
        // SAFETY: the arena is used for nothing else, and its frames are granted or lent once.
        let loan = unsafe {
            map.grant(FrameNumber(FIRST), LENT.start - FIRST);
            map.grant(FrameNumber(LENT.end), ARENA - LENT.end);
            let bytes = core::slice::from_raw_parts(
                arena.add((LENT.start as usize) << 12),
                LENT.len() << 12,
            );
            Loan::new(bytes, FrameNumber(LENT.start), LENT.len() as u32)
        };
        crate::frames::initialize(map);
        *LOAN.lock().unwrap_or_else(PoisonError::into_inner) = Some(loan);
    });
}

/// What the arena lends; the first call has it.
pub fn lent() -> Option<Loan> {
    initialize();
    LOAN.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn copy(from: FrameNumber, to: FrameNumber) {
    let mut bytes = [0; PAGE_SIZE];
    crate::contents::read(from.0, 0, &mut bytes);
    crate::contents::write(to.0, 0, &bytes);
}

fn clear(frame: FrameNumber) {
    crate::contents::write(frame.0, 0, &[0; PAGE_SIZE]);
}

/// [`initialize`], and keeps other tests of the process that call this out until the guard is dropped, so that
/// numbers of free frames can be compared.
pub fn alone() -> MutexGuard<'static, ()> {
    initialize();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets `count` more frame allocations succeed and fails all after them; `None` fails none.
pub fn fail_frames_after(count: Option<u32>) {
    crate::frames::fail_after(count);
}

/// The 64-bit word at `offset` of a frame, as a program's load through a translation sees it.
pub fn load(number: FrameNumber, offset: usize) -> u64 {
    let mut bytes = [0; 8];
    crate::contents::read(number.0, offset, &mut bytes);
    u64::from_le_bytes(bytes)
}

/// A program's store through a translation.
pub fn store(number: FrameNumber, offset: usize, value: u64) {
    crate::contents::write(number.0, offset, &value.to_le_bytes());
}
