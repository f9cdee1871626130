//! Translation tables come from the frame allocator.

use crate::frames::{self, Kind};
use abi::Cid;
use abi::mmu::{FrameNumber, TableFrames};

/// The frame allocator as the MMU code sees it: zeroed, aligned runs, charged as [`Kind::Table`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TablePool;

impl TableFrames for TablePool {
    fn take(&self, owner: Cid, order: u32) -> Option<FrameNumber> {
        let first = frames::take_block(owner, Kind::Table, order).ok()?;
        for number in first..first + (1 << order) {
            crate::contents::zero(number);
        }
        Some(FrameNumber(first))
    }

    fn give(&self, first: FrameNumber, order: u32) {
        frames::give_block(first.0, order);
    }
}
