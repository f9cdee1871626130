//! Translation tables come from the frame allocator.

use crate::contents::{self, ram};
use crate::frames::{self, Kind};
use abi::Cid;
use abi::mmu::{FrameNumber, TableFrames, TableNotes};
use core::sync::atomic::Ordering::Relaxed;

/// The frame allocator as the MMU code sees it: zeroed, aligned runs, charged as [`Kind::Table`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TablePool;

impl TableFrames for TablePool {
    fn take(&self, owner: Cid, order: u32) -> Option<FrameNumber> {
        let first = frames::take_block(owner, Kind::Table, order).ok()?;
        contents::clear(first, 1 << order);
        let notes = self.notes(FrameNumber(first))?;
        notes.filled.store(0, Relaxed);
        notes.groups.store(0, Relaxed);
        Some(FrameNumber(first))
    }

    /// The links that a free frame has in the allocator's lists.
    fn notes(&self, first: FrameNumber) -> Option<TableNotes<'_>> {
        let meta = ram().meta(first.0)?;
        Some(TableNotes {
            filled: &meta.next,
            groups: &meta.prev,
        })
    }

    fn give(&self, first: FrameNumber, order: u32) {
        frames::give_block(first.0, order);
    }
}
