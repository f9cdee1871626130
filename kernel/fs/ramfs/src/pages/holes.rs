//! Holes: parts of a file without pages, made and filled on demand (`man 2 fallocate`).
//!
//! A page that somebody has mapped cannot be taken away from him: it stays, and is cleared.

use super::{Pages, SIZE_LIMIT, State, ZEROS, page_of, within_page};
use abi::{Errno, PAGE_SIZE};
use core::ops::Range;

/// How many pages are given or taken at once.
const STEP: u64 = 256;

impl Pages {
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
