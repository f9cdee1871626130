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

use super::chunk::{self, Chunk, PAGES, SHIFT};
use super::fault::translations_of;
use super::map::covering;
use super::{AddressSpace, Errno, Traits};
use crate::sorted::Full;
use abi::PAGE_SHIFT;
use abi::mmu::{PageNumber, Protection, Translations};
use alloc::boxed::Box;
use core::ops::Range;

/// Up to so many warm chunks are translated for the child, wherever they lie.
const WARM: usize = 16;

/// Areas that one step copies or looks at.
const AREAS_AT_ONCE: usize = 512;

/// Why a fork does not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkError {
    /// There is no memory for the child.
    OutOfMemory,
    /// The parent's areas have changed since the child got its own: it has to begin anew.
    Changed,
}

impl From<Full> for ForkError {
    fn from(_: Full) -> Self {
        ForkError::OutOfMemory
    }
}

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
        let mut child = self.begin_fork(translations);
        match self.fork_step(&mut child, PageNumber(0), near, u64::MAX) {
            Ok(_) => Ok(child),
            Err(_) => Err(Errno::ENOMEM),
        }
    }

    /// Begins a fork that is done in steps: a child that has nothing yet.
    #[must_use]
    pub fn begin_fork(&self, translations: Box<dyn Translations>) -> AddressSpace {
        let mut child = AddressSpace::new(self.owner, self.layout, translations);
        child.limits = self.limits;
        child.stack_limit = self.stack_limit;
        (child.heap_start, child.heap_end) = (self.heap_start, self.heap_end);
        child.changes = self.changes;
        child
    }

    /// Copies up to `most` areas that the child has not got; answers whether it has all.
    fn copy_areas(&self, child: &mut AddressSpace, most: usize) -> Result<bool, Full> {
        let missing = self.areas.len() - child.areas.len();
        if missing > 0 {
            let from = child.areas.last_key().map_or(0, |last| last + 1);
            for (key, area) in self.areas.entries(from).take(most) {
                let inherited = area.inherited();
                let mut sums = child.sums;
                sums.add(&inherited);
                child.areas.insert(key, inherited)?;
                child.sums = sums;
            }
        }
        Ok(missing <= most)
    }

    /// The chunk from which on a step that begins at `first` leaves the rest to the next one, on account of its areas.
    fn chunk_beyond_areas(&self, first: u64) -> u64 {
        let start = first << SHIFT << PAGE_SHIFT;
        let beyond = covering(&self.areas, start, u64::MAX).nth(AREAS_AT_ONCE);
        beyond.map_or(u64::MAX, |area| area.start >> PAGE_SHIFT >> SHIFT)
    }

    /// Gives `child`, of [`AddressSpace::begin_fork`], areas, then about `budget` pages from `from` on. Answers where to go on;
    /// `None` when the child has all. Between two steps programs may run in this space.
    ///
    /// # Errors
    /// [`ForkError`]; this space is as before, but for writes that fault once.
    pub fn fork_step(
        &mut self,
        child: &mut AddressSpace,
        from: PageNumber,
        near: &[u64],
        budget: u64,
    ) -> Result<Option<PageNumber>, ForkError> {
        if self.changes != child.changes {
            return Err(ForkError::Changed);
        }
        let whole = budget == u64::MAX;
        let most = if whole { usize::MAX } else { AREAS_AT_ONCE };
        if !self.copy_areas(child, most)? {
            return Ok(Some(from));
        }
        let all_warm = self.is_little_warm();
        let first = from.0 >> SHIFT;
        let (mut left, mut next) = (budget.max(PAGES), None);
        let beyond = if whole {
            u64::MAX
        } else {
            self.chunk_beyond_areas(first)
        };
        for (key, chunk) in self.chunks.entries(first) {
            let count = u64::from(chunk.present.count_ones());
            if count > left || key >= beyond {
                next = Some(key.min(beyond));
                break;
            }
            left -= count;
            let near = near_in(key, near);
            let warm = if all_warm || near != 0 {
                chunk.installed
            } else {
                0
            };
            let given = !self.kept_back(key);
            let copied = near & chunk.own & chunk.writable & given;
            if let Some(copy) = chunk.share(self.owner, (chunk.own | warm) & given, copied) {
                let count = copy.added(0);
                child.chunks.insert(key, copy)?;
                child.resident += count;
            }
        }
        let keys = first..next.unwrap_or(beyond.min(u64::MAX >> SHIFT));
        self.protect_shared_pages(child, &keys);
        child.install_warm(self, &keys, near, all_warm);
        Ok(next.map(|key| PageNumber(key << SHIFT)))
    }

    /// The slots of a chunk that a child does not get.
    fn kept_back(&self, key: u64) -> u16 {
        if self.sums.kept_back == 0 {
            return 0;
        }
        let (first, last) = (key << SHIFT << PAGE_SHIFT, address_of((key + 1) << SHIFT));
        covering(&self.areas, first, last)
            .filter(|area| area.traits.intersects(Traits::KEPT_BACK))
            .map(|area| chunk::window(key, &Self::page_range(area.start, area.end)))
            .fold(0, |slots, window| slots | window)
    }

    /// Whether all that is translated is little enough to be translated for a child.
    fn is_little_warm(&self) -> bool {
        let warm = self.chunks.iter().filter(|(_, chunk)| chunk.installed != 0);
        // A large space is not searched for the few chunks that may be warm.
        self.chunks.len() <= 8 * WARM && warm.take(WARM + 1).count() <= WARM
    }

    /// Takes the permission to write from the pages in chunks `keys` that are this space's own and the child's as well.
    fn protect_shared_pages(&mut self, child: &AddressSpace, keys: &Range<u64>) {
        // What the child may write to is a copy, and so far nothing else is.
        let copied = |key| child.chunks.get(key).map_or(0, |chunk| chunk.writable);
        // Most spaces have few runs, all of one protection: one call and one flush.
        let mut runs = [(PageNumber(0), 0); 16];
        let (mut filled, mut pending) = (0, Protection::empty());
        let (start, end) = (keys.start << SHIFT, keys.end << SHIFT);
        for area in covering(&self.areas, start << PAGE_SHIFT, address_of(end)) {
            if area.mapping.is_shared() || !area.protection.contains(Protection::WRITE) {
                continue;
            }
            let allowed = chunk::hardware(area.protection) - Protection::WRITE;
            let pages = Self::page_range(area.start, area.end);
            let pages = pages.start.max(start)..pages.end.min(end);
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
        for (key, chunk) in self.chunks.entries_mut(keys.start) {
            if key >= keys.end {
                break;
            }
            if chunk.own & chunk.writable != 0 {
                chunk.writable &= !chunk.own | copied(key);
            }
        }
    }

    /// Translates the warm pages in chunks `keys` that the child has. Pages that it would have to copy before it writes to them are left
    /// out where it may write: the first access is most often a store.
    fn install_warm(
        &mut self,
        parent: &AddressSpace,
        keys: &Range<u64>,
        near: &[u64],
        all_warm: bool,
    ) {
        for (key, chunk) in self.chunks.entries_mut(keys.start) {
            if key >= keys.end {
                break;
            }
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

/// The address of a page that may be the one behind all others.
const fn address_of(page: u64) -> u64 {
    page.saturating_mul(abi::PAGE_SIZE as u64)
}
