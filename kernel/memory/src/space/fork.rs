//! Fork: copy on write.
//!
//! The child gets the areas and handles to the pages that are the parent's own; pages of files and shared
//! objects come by faults, 64 KiB at a time. The child has no translations at first: a child that calls exec soon
//! pays for few. The parent's own pages become read-only; whoever writes first copies, and who is left alone
//! with a frame writes to it without a copy.

use super::area::Area;
use super::chunk::{self, Chunk};
use super::{AddressSpace, Errno};
use abi::mmu::{PageNumber, Protection, Translations};
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
        // Most spaces have few runs, all of one protection: one call and one flush.
        let mut runs = [(PageNumber(0), 0); 16];
        let (mut filled, mut pending) = (0, Protection::empty());
        for (_, area) in self.areas.iter() {
            if area.mapping.is_shared() || !area.protection.contains(Protection::WRITE) {
                continue;
            }
            let allowed = chunk::hardware(area.protection) - Protection::WRITE;
            let pages = Self::page_range(area.start, area.end);
            let exposed = |chunk: &Chunk| chunk.own & chunk.writable & chunk.installed;
            for run in chunk::runs(&self.chunks, pages, exposed) {
                if filled == runs.len() || filled != 0 && pending != allowed {
                    self.translations.protect_runs(&runs[..filled], pending);
                    filled = 0;
                }
                pending = allowed;
                runs[filled] = run;
                filled += 1;
            }
        }
        if filled != 0 {
            self.translations.protect_runs(&runs[..filled], pending);
        }
        for (_, chunk) in self.chunks.entries_mut(0) {
            chunk.writable &= !chunk.own;
        }
    }
}
