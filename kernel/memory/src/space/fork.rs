//! Fork: copy on write.
//!
//! The child gets the areas and handles to the pages that are the parent's own. These become read-only in the parent;
//! whoever writes first copies, and who is left alone with a frame writes to it without a copy. Pages of files and
//! shared objects come by faults, 64 KiB at a time.
//!
//! A fault costs more than what it brings, so what both sides are known to need at once is done beforehand: the pages
//! near the addresses that the caller names (stack pointer, thread pointer) are copied and stay writable on both
//! sides, and the *warm* pages, those that the parent has translations for, are translated for the child too. That
//! holds for the surroundings of the named addresses, and for all of a parent that has few warm pages. A child of a
//! large process that calls exec soon pays for little.

use super::area::Area;
use super::chunk::{self, Chunk, PAGES, SHIFT};
use super::fault::translations_of;
use super::map::covering;
use super::{AddressSpace, Errno};
use abi::PAGE_SHIFT;
use abi::mmu::{PageNumber, Protection, Translations};
use alloc::boxed::Box;

/// Up to so many warm chunks are translated for the child, wherever they lie.
const WARM: usize = 16;

impl AddressSpace {
    /// A copy of this space (`man 2 fork`) in `translations`, which are empty; the addresses `near` are those that
    /// parent and child will write to at once.
    ///
    /// # Errors
    /// ENOMEM; this space is as before, but for writes that fault once.
    pub fn fork(
        &mut self,
        translations: Box<dyn Translations>,
        near: &[u64],
    ) -> Result<AddressSpace, Errno> {
        let mut child = AddressSpace::new(self.owner, self.layout, translations);
        child.areas = self
            .areas
            .try_filter_map(|_, area: &Area| Some(area.clone()))?;
        let warm = self.chunks.iter().filter(|(_, chunk)| chunk.installed != 0);
        let all_warm = warm.take(WARM + 1).count() <= WARM;
        let owner = self.owner;
        child.chunks = self.chunks.try_filter_map(|key, chunk: &Chunk| {
            let near = near_in(key, near);
            let warm = if all_warm || near != 0 {
                chunk.installed
            } else {
                0
            };
            chunk.share(owner, chunk.own | warm, near & chunk.own & chunk.writable)
        })?;
        child.size = self.size;
        child.limit = self.limit;
        child.stack_limit = self.stack_limit;
        (child.heap_start, child.heap_end) = (self.heap_start, self.heap_end);
        self.protect_shared_pages(&child);
        child.install_warm(&*self, near, all_warm);
        Ok(child)
    }

    /// Takes the permission to write from all pages that are this space's own and the child's as well.
    fn protect_shared_pages(&mut self, child: &AddressSpace) {
        // What the child may write to is a copy, and so far nothing else is.
        let copied = |key| child.chunks.get(key).map_or(0, |chunk| chunk.writable);
        // Most spaces have few runs, all of one protection: one call and one flush.
        let mut runs = [(PageNumber(0), 0); 16];
        let (mut filled, mut pending) = (0, Protection::empty());
        for (_, area) in self.areas.iter() {
            if area.mapping.is_shared() || !area.protection.contains(Protection::WRITE) {
                continue;
            }
            let allowed = chunk::hardware(area.protection) - Protection::WRITE;
            let pages = Self::page_range(area.start, area.end);
            let exposed = |key, chunk: &Chunk| {
                let exposed = chunk.own & chunk.writable & chunk.installed;
                if exposed == 0 {
                    0
                } else {
                    exposed & !copied(key)
                }
            };
            for run in chunk::keyed_runs(&self.chunks, pages, exposed) {
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
        for (key, chunk) in self.chunks.entries_mut(0) {
            if chunk.own & chunk.writable != 0 {
                chunk.writable &= !chunk.own | copied(key);
            }
        }
    }

    /// Translates the warm pages that the child has. Pages that it would have to copy before it writes to them are left
    /// out where it may write: the first access is most often a store.
    fn install_warm(&mut self, parent: &AddressSpace, near: &[u64], all_warm: bool) {
        for (key, chunk) in self.chunks.entries_mut(0) {
            if !all_warm && near_in(key, near) == 0 {
                continue;
            }
            let warm = parent.chunks.get(key).map_or(0, |chunk| chunk.installed);
            let (first, last) = (key << SHIFT, (key + 1) << SHIFT);
            for area in covering(&self.areas, first << PAGE_SHIFT, last << PAGE_SHIFT) {
                if area.protection.is_empty() {
                    continue;
                }
                let writable = area.protection.contains(Protection::WRITE);
                let copied_later = if writable {
                    chunk.own & !chunk.writable
                } else {
                    0
                };
                let window = chunk::window(key, &Self::page_range(area.start, area.end));
                let wanted = window & warm & chunk.present & !copied_later;
                if wanted == 0 {
                    continue;
                }
                let entries = translations_of(chunk, area, wanted);
                let first = PageNumber(first);
                if self.translations.install_run(first, &entries).is_err() {
                    // Without tables the child begins without translations.
                    self.translations.remove(first, PAGES);
                    chunk.installed = 0;
                    return;
                }
                chunk.installed |= wanted;
            }
        }
    }
}

/// The slots of chunk `key` in which addresses of `near` lie.
fn near_in(key: u64, near: &[u64]) -> u16 {
    near.iter()
        .map(|address| address >> PAGE_SHIFT)
        .filter(|page| page >> SHIFT == key)
        .fold(0, |slots, page| slots | 1 << (page % PAGES))
}
