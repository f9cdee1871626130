//! Which pages are in memory, and what kind they are of.

use super::AddressSpace;
use super::chunk::{PAGES, SHIFT, slots, window};
use crate::frames::Frame;
use abi::mmu::PageNumber;
use abi::{Errno, PAGE_SHIFT};
use core::ops::Range;

/// A page that exists.
#[derive(Clone, Copy, Debug)]
pub struct Resident<'a> {
    /// Which.
    pub number: PageNumber,
    /// What it lies in.
    pub frame: &'a Frame,
    /// It is the space's own, and not an object's.
    pub own: bool,
    /// It has been made ready to be written, which happens at a store.
    pub written: bool,
}

impl Resident<'_> {
    /// In how many spaces it is; an object has a page of its beside those.
    #[must_use]
    pub fn users(&self) -> u32 {
        let references = self.frame.references();
        if self.own {
            references
        } else {
            references.saturating_sub(1)
        }
    }
}

impl AddressSpace {
    /// The pages of a range that exist, ascending.
    pub fn residents(&self, pages: Range<u64>) -> impl Iterator<Item = Resident<'_>> {
        let end = pages.end;
        let inside = self.chunks.entries(pages.start >> SHIFT);
        let inside = inside.take_while(move |(key, _)| key << SHIFT < end);
        inside.flat_map(move |(key, chunk)| {
            slots(chunk.present & window(key, &pages)).filter_map(move |slot| {
                Some(Resident {
                    number: PageNumber((key << SHIFT) + slot as u64),
                    frame: chunk.frames.get(slot)?.as_ref()?,
                    own: chunk.own & (1 << slot) != 0,
                    written: chunk.writable & (1 << slot) != 0,
                })
            })
        })
    }

    /// Stores 1 for each page from `address` on that a touch would find in memory, its own or its object's, and 0 for
    /// each other (`man 2 mincore`).
    ///
    /// # Errors
    /// ENOMEM: one of the pages is not mapped; `into` is as it was.
    pub fn residence(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let first = address >> PAGE_SHIFT;
        let length = (into.len() as u64) << PAGE_SHIFT;
        if !self.is_inside(address, length) || !self.is_covered(address, address + length) {
            return Err(Errno::ENOMEM);
        }
        for (page, answer) in (first..).zip(into) {
            *answer = u8::from(self.is_resident(page));
        }
        Ok(())
    }

    fn is_resident(&self, page: u64) -> bool {
        let chunk = self.chunks.get(page >> SHIFT);
        if chunk.is_some_and(|chunk| chunk.present & 1 << (page % PAGES) != 0) {
            return true;
        }
        let Some(area) = self.area_at(page << PAGE_SHIFT) else {
            return false;
        };
        area.mapping.backing().is_some_and(|backing| {
            let index = page - (area.start >> PAGE_SHIFT);
            let mut found = [None];
            let first = backing.first.wrapping_add(index);
            backing.source.resident(first, &mut found);
            found[0].is_some()
        })
    }

    /// Whether all that is mapped in a range is private and comes from nowhere.
    #[must_use]
    pub fn is_anonymous(&self, address: u64, length: u64) -> bool {
        self.covering(address, address.saturating_add(length))
            .all(|area| area.mapping.backing().is_none())
    }
}
