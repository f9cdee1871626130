//! Holes: parts of a file without pages, made and filled on demand (`man 2 fallocate`).
//!
//! A page that somebody has mapped cannot be taken away from him: it stays, and is cleared.

use super::{Pages, SIZE_LIMIT, State, ZEROS, page_of, within_page};
use abi::{Errno, PAGE_SHIFT, PAGE_SIZE};
use core::ops::Range;
use vfs::Stretch;

/// How many pages are given or taken at once.
const STEP: u64 = 256;

/// How many pages are looked at for a hole: one that comes later is told as data.
const LOOKED_AT: u64 = 16_384;

impl Pages {
    /// Where data or a hole begins, as [`vfs::Inode::next_stretch`].
    pub(crate) fn next_stretch(&self, from: u64, of: Stretch) -> Option<u64> {
        let state = self.state.lock();
        let size = state.size;
        let mut there = state.frames.range(page_of(from)..).map(|(page, _)| *page);
        let begin = |page: u64| from.max(page << PAGE_SHIFT);
        match of {
            Stretch::Data => there.next().map(begin).filter(|at| *at < size),
            Stretch::Hole => {
                let mut pages = page_of(from)..page_of(from) + LOOKED_AT;
                let hole = pages.find(|page| there.next() != Some(*page));
                Some(hole.map_or(size, begin).min(size))
            }
        }
    }

    /// Fills holes of a part of the file; answers up to where. The caller holds the node's lock.
    pub(crate) fn reserve(&self, part: Range<u64>) -> Result<u64, Errno> {
        if part.end > SIZE_LIMIT {
            return Err(Errno::EFBIG);
        }
        let mut state = self.state.lock();
        if state.refuses_to_grow(part.end) {
            return Err(Errno::EPERM);
        }
        let first = page_of(part.start);
        let last = page_of(part.end - 1).min(first + STEP - 1);
        for page in first..=last {
            let made = self.materialize(&mut state, page);
            made.map_err(|errno| match errno {
                // Memory is this file system's store.
                Errno::ENOMEM => Errno::ENOSPC,
                other => other,
            })?;
        }
        Ok(part.end.min((last + 1) * PAGE_SIZE as u64))
    }

    /// As [`Pages::reserve`]; a file that ends before the part is longer once all of it is filled.
    pub(crate) fn extend(&self, part: Range<u64>) -> Result<u64, Errno> {
        let end = part.end;
        let reached = self.reserve(part)?;
        let size = self.state.lock().size;
        if reached == end && size < end {
            self.set_size(end);
        }
        Ok(reached)
    }

    /// Makes a part of the file read as zeros and gives its pages back; answers up to where. The caller holds the node's
    /// lock.
    pub(crate) fn punch(&self, part: Range<u64>) -> u64 {
        let mut at = part.start;
        let mut gone = 0;
        let mut state = self.state.lock();
        for _ in 0..STEP {
            let next = state.frames.range(page_of(at)..).next();
            let Some((&page, _)) = next.filter(|(page, _)| **page << abi::PAGE_SHIFT < part.end)
            else {
                at = part.end;
                break;
            };
            let start = page << abi::PAGE_SHIFT;
            let end = start + PAGE_SIZE as u64;
            if state.punch_page(page, at.max(start)..part.end.min(end)) {
                gone += 1;
            }
            at = part.end.min(end);
            if at == part.end {
                break;
            }
        }
        drop(state);
        self.shared.give_pages(gone);
        at
    }
}

impl State {
    /// Clears a part of one page; answers whether the page is gone.
    fn punch_page(&mut self, page: u64, part: Range<u64>) -> bool {
        let whole = part.end - part.start == PAGE_SIZE as u64;
        let Some(frame) = self.frames.get(&page) else {
            return false;
        };
        if whole && !frame.is_shared() {
            return self.frames.remove(&page).is_some();
        }
        let length = usize::try_from(part.end - part.start).unwrap_or(PAGE_SIZE);
        frame.write(
            within_page(part.start),
            ZEROS.get(..length).unwrap_or_default(),
        );
        false
    }
}
