//! Fork: copy on write.
//!
//! The child gets the areas and handles to the pages that are the parent's own; pages of files and shared
//! objects come by faults, 64 KiB at a time. The child has no translations at first: a child that calls exec soon
//! pays for few. The parent's own pages become read-only; whoever writes first copies, and who is left alone
//! with a frame writes to it without a copy.

use super::area::Area;
use super::chunk::{self, Chunk};
use super::{AddressSpace, Errno};
use abi::mmu::{Protection, Translations};
use alloc::boxed::Box;

impl AddressSpace {
    /// A copy of this space (`man 2 fork`) with empty `translations`.
    ///
    /// # Errors
    /// ENOMEM; this space is as before, but for writes that fault once.
    pub fn fork(&mut self, translations: Box<dyn Translations>) -> Result<AddressSpace, Errno> {
        let mut child = AddressSpace::new(self.owner, self.layout, translations);
        child.areas = self
            .areas
            .try_filter_map(|area: &Area| Some(area.clone()))?;
        child.chunks = self.chunks.try_filter_map(Chunk::share)?;
        child.size = self.size;
        child.limit = self.limit;
        child.stack_limit = self.stack_limit;
        (child.heap_start, child.heap_end) = (self.heap_start, self.heap_end);
        self.protect_own_pages();
        Ok(child)
    }

    /// Takes the permission to write from all pages that are this space's own.
    fn protect_own_pages(&mut self) {
        let mut at = 0;
        while let Some((key, area)) = self.areas.at_or_above(at) {
            at = key + 1;
            if area.mapping.is_shared() || !area.protection.contains(Protection::WRITE) {
                continue;
            }
            let pages = Self::pages(area.start, area.end);
            let allowed = chunk::hardware(area.protection) - Protection::WRITE;
            self.protect_where(&pages, allowed, |chunk| {
                chunk.own & chunk.writable & chunk.installed
            });
        }
        for (_, chunk) in self.chunks.entries_mut(0) {
            chunk.writable &= !chunk.own;
        }
    }
}
