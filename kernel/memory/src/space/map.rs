//! Mapping, unmapping, protection, the heap's end, advice.

use super::area::{Advice, Area, Fixed, MapRequest, Mapping, Traits, round_up};
use super::chunk::{self, Chunk, SHIFT};
use super::{AddressSpace, MAX_AREAS};
use crate::sorted::Sorted;
use abi::mmu::{PageNumber, Protection};
use abi::{Errno, PAGE_SHIFT, PAGE_SIZE};
use core::ops::Range;

/// Whether an address or length is a whole number of pages.
pub(super) fn aligned(value: u64) -> bool {
    value.is_multiple_of(PAGE_SIZE as u64)
}

/// Areas that are dealt with in one step.
const AREAS_AT_ONCE: usize = 128;

impl AddressSpace {
    /// Maps an area (`man 2 mmap`); returns its address.
    ///
    /// # Errors
    /// EINVAL: no length, or a fixed address that is not a multiple of the page size. ENOMEM: no room, beyond the
    /// limit, too many areas, no memory. EPERM: a fixed address below the lowest. EEXIST: [`Fixed::NoReplace`] and
    /// something is there. EACCES: more protection than the maximum. EOVERFLOW: beyond the object's last index.
    pub fn map(&mut self, request: MapRequest) -> Result<u64, Errno> {
        let length = self.check_request(&request)?;
        let start = self.place(&request, length)?;
        let fixed = request.fixed;
        let area = self.area_of(request, start, length);
        self.put_area(area, fixed == Fixed::Replace)?;
        Ok(start)
    }

    /// The area that a request makes.
    fn area_of(&self, request: MapRequest, start: u64, length: u64) -> Area {
        Area {
            start,
            end: start + length,
            protection: request.protection,
            maximum: request.maximum,
            mapping: request.mapping,
            traits: self.future | request.traits,
            name: request.name,
        }
    }

    /// What [`AddressSpace::map`] refuses whatever is mapped already; the length in whole pages.
    fn check_request(&self, request: &MapRequest) -> Result<u64, Errno> {
        let length = round_up(request.length).ok_or(Errno::ENOMEM)?;
        if length == 0 {
            return Err(Errno::EINVAL);
        }
        if length > self.layout.user_limit {
            return Err(Errno::ENOMEM);
        }
        if !request.maximum.contains(request.protection) {
            return Err(Errno::EACCES);
        }
        if let Some(backing) = request.mapping.backing() {
            backing
                .first
                .checked_add(length >> PAGE_SHIFT)
                .ok_or(Errno::EOVERFLOW)?;
        }
        Ok(length)
    }

    /// Whether [`AddressSpace::map`] would refuse this request, for one that replaces what is there.
    ///
    /// # Errors
    /// As [`AddressSpace::map`], but for what comes of shortages of memory.
    pub fn may_replace(&mut self, request: &MapRequest) -> Result<(), Errno> {
        let length = self.check_request(request)?;
        let start = self.place(request, length)?;
        self.check_room(&self.area_of(request.clone(), start, length), true)
    }

    /// The address at which `length` bytes go.
    fn place(&mut self, request: &MapRequest, length: u64) -> Result<u64, Errno> {
        let hint = request.hint;
        if request.fixed == Fixed::No {
            let hint = round_up(hint).unwrap_or(0);
            if hint >= self.layout.lowest
                && self.is_inside(hint, length)
                && self.is_free(hint, hint + length)
            {
                return Ok(hint);
            }
            return self.find_hole(length).ok_or(Errno::ENOMEM);
        }
        if !aligned(hint) {
            return Err(Errno::EINVAL);
        }
        if !self.is_inside(hint, length) {
            return Err(Errno::ENOMEM);
        }
        if hint < self.layout.lowest {
            return Err(Errno::EPERM);
        }
        if request.fixed == Fixed::NoReplace && self.covering(hint, hint + length).next().is_some()
        {
            return Err(Errno::EEXIST);
        }
        Ok(hint)
    }

    pub(super) fn is_inside(&self, start: u64, length: u64) -> bool {
        start
            .checked_add(length)
            .is_some_and(|end| end <= self.layout.user_limit)
    }

    /// Puts `area` where it says; what is there is unmapped when it may be replaced, and must not exist otherwise.
    pub(super) fn put_area(&mut self, area: Area, replace: bool) -> Result<(), Errno> {
        let (start, end) = (area.start, area.end);
        self.check_room(&area, replace)?;
        if replace {
            self.cut(start)?;
            self.cut(end)?;
        }
        self.areas.reserve(start)?;
        self.changes += 1;
        if replace {
            self.remove_areas(start, end);
        }
        let mut sums = self.sums;
        sums.add(&area);
        self.areas.insert(start, area)?;
        self.sums = sums;
        self.join(start, end);
        Ok(())
    }

    /// Whether the limits and the number of areas allow one more.
    fn check_room(&self, area: &Area, replace: bool) -> Result<(), Errno> {
        // Cutting an area in two at each end, and the new one.
        if self.areas.len() + 3 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        match self.sums.admit(area, [0, 0], &self.limits) {
            Err(Errno::ENOMEM) if replace => {
                let hidden = self.covered(area.start, area.end);
                self.sums.admit(area, [hidden, 0], &self.limits)
            }
            answer => answer,
        }
    }

    /// Unmaps what lies in a range (`man 2 munmap`); holes in it are no error.
    ///
    /// # Errors
    /// EINVAL: no length, an address that is not a multiple of the page size, or a range outside of the program's
    /// addresses. ENOMEM: an area would have to be cut in two and cannot be.
    pub fn unmap(&mut self, address: u64, length: u64) -> Result<(), Errno> {
        self.prepare_unmap(address, length)?;
        let length = round_up(length).ok_or(Errno::EINVAL)?;
        self.remove_areas(address, address + length);
        Ok(())
    }

    /// Prepares [`AddressSpace::unmap`] of a range: whether it would be refused, and the cuts that it needs.
    ///
    /// # Errors
    /// As [`AddressSpace::unmap`]; nothing that a program sees has changed then.
    pub fn prepare_unmap(&mut self, address: u64, length: u64) -> Result<(), Errno> {
        let length = round_up(length).ok_or(Errno::EINVAL)?;
        if length == 0 || !aligned(address) || !self.is_inside(address, length) {
            return Err(Errno::EINVAL);
        }
        if self.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.cut(address)?;
        self.cut(address + length)
    }

    /// Drops pages of a range whose pages are about to end as a whole, so that the operation that ends them has few
    /// left: about `budget` pages, from the beginning. Answers where to go on; `None`, with nothing dropped, when no
    /// more than that are left.
    ///
    /// The areas stay: until the operation itself, nothing else can be mapped there, and a program that still touches the
    /// range finds what it finds after MADV_DONTNEED.
    pub fn thin(&mut self, address: u64, length: u64, budget: u64) -> Option<u64> {
        let length = round_up(length)?;
        let part = self.part(address, length, budget);
        if part == length {
            return None;
        }
        let next = address.checked_add(part)?;
        self.zap(Self::page_range(address, next));
        Some(next)
    }

    /// Makes one of the first areas of a range whose pages have been dropped and which is about to be unmapped or replaced as a
    /// whole, when they are many, so that the operation itself has few left: answers whether there may be more to do. A
    /// program cannot access that one.
    pub fn merge(&mut self, address: u64, length: u64) -> bool {
        let Some(end) = round_up(length).and_then(|length| address.checked_add(length)) else {
            return false;
        };
        let (first, beyond) = {
            let mut inside = self.areas.entries(address).map(|(key, _)| key);
            (inside.next(), inside.nth(AREAS_AT_ONCE))
        };
        let (Some(start), Some(next)) = (first, beyond.filter(|next| *next < end)) else {
            return false;
        };
        let merged = Area::inaccessible(start, next);
        // There is room for one where there were many.
        self.remove_areas(start, next);
        self.sums.add(&merged);
        if self.areas.insert(start, merged.clone()).is_err() {
            self.sums.remove(&merged);
        }
        true
    }

    /// How many bytes of a range have some hundred areas: all, or up to the start of another area.
    #[must_use]
    pub fn some_areas(&self, address: u64, length: u64) -> u64 {
        /// Areas that are looked at in one step.
        const LOOKED_AT: usize = 512;
        let beyond = self
            .covering(address, address.saturating_add(length))
            .nth(LOOKED_AT);
        beyond.map_or(length, |area| area.start - address)
    }

    /// Whether all of a range is mapped.
    #[must_use]
    pub fn is_mapped(&self, address: u64, length: u64) -> bool {
        round_up(length).is_some_and(|length| {
            self.is_inside(address, length) && self.is_covered(address, address + length)
        })
    }

    /// How many bytes of a range can be dealt with in one step of about `budget` pages that exist, and of some areas: all,
    /// or up to the end of a whole page. A range that wraps or ends beyond the program's addresses is left whole, for the operation to
    /// refuse.
    #[must_use]
    pub fn part(&self, address: u64, length: u64, budget: u64) -> u64 {
        if !self.is_inside(address, length) {
            return length;
        }
        let beyond = self.covering(address, address + length).nth(AREAS_AT_ONCE);
        let length = beyond.map_or(length, |area| area.start - address);
        let end = address + length;
        let mut left = budget.max(chunk::PAGES);
        for (key, chunk) in self.chunks.entries(address >> PAGE_SHIFT >> SHIFT) {
            let start = (key << SHIFT) << PAGE_SHIFT;
            if start >= end {
                break;
            }
            let count = u64::from(chunk.present.count_ones());
            if count > left {
                return start.saturating_sub(address);
            }
            left -= count;
        }
        length
    }

    /// Removes the areas from `start` to `end`, at both of which no area lies across.
    pub(super) fn remove_areas(&mut self, start: u64, end: u64) {
        self.changes += 1;
        self.note_peaks();
        self.zap(Self::page_range(start, end));
        while let Some((key, area)) = self.areas.at_or_above(start).filter(|(key, _)| *key < end) {
            self.sums.remove(area);
            self.areas.remove(key);
        }
        let free_up_to = self.areas.at_or_above(end).map_or(u64::MAX, |(key, _)| key);
        self.holes.freed(free_up_to, self.layout.mappings_below);
    }

    /// The stretch from the first to the last translated page of a range.
    fn translated(&self, pages: &Range<u64>) -> Option<(PageNumber, u64)> {
        let mut runs = chunk::runs(&self.chunks, pages.clone(), |chunk| chunk.installed);
        let (first, count) = runs.next()?;
        let end = runs
            .last()
            .map_or(first.0 + count, |(last, count)| last.0 + count);
        Some((first, end - first.0))
    }

    /// Drops the pages of a range, translations first; areas stay.
    pub(super) fn zap(&mut self, pages: Range<u64>) {
        if pages.is_empty() || self.chunks.is_empty() {
            return;
        }
        self.note_peaks();
        if let Some((first, count)) = self.translated(&pages) {
            self.translations.remove(first, count);
        }
        let mut above = pages.end.div_ceil(chunk::PAGES);
        loop {
            let Some(key) = self.chunks.below(above).next().map(|(key, _)| key) else {
                return;
            };
            if key < pages.start >> SHIFT {
                return;
            }
            above = key;
            let Some(chunk) = self.chunks.get_mut(key) else {
                return;
            };
            let gone = chunk.present & chunk::window(key, &pages);
            self.resident -= u64::from(gone.count_ones());
            chunk.drop_pages(gone);
            if chunk.present == 0 {
                self.chunks.remove(key);
            }
        }
    }

    /// Changes what a program may do with a range (`man 2 mprotect`).
    ///
    /// # Errors
    /// EINVAL: an address that is not a multiple of the page size. ENOMEM: part of the range is not mapped, too many
    /// areas, no memory. EACCES: more protection than an area's maximum. Nothing has changed then.
    pub fn protect(
        &mut self,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        let length = self.may_protect(address, length, protection)?;
        let end = address + length;
        if self
            .covering(address, end)
            .all(|area| area.protection == protection)
        {
            return Ok(());
        }
        self.cut_out(address, end)?;
        let mut at = address;
        while at < end {
            let Some(area) = self.areas.get_mut(at) else {
                break;
            };
            self.sums.remove(area);
            let before = core::mem::replace(&mut area.protection, protection);
            self.sums.add(area);
            let pages = Self::page_range(area.start, area.end);
            at = area.end;
            self.reprotect(pages, before, protection);
        }
        self.join(address, end);
        Ok(())
    }

    /// Cuts areas so that a range consists of whole ones, which are about to change.
    ///
    /// # Errors
    /// ENOMEM.
    fn cut_out(&mut self, address: u64, end: u64) -> Result<(), Errno> {
        if self.areas.len() + 2 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.cut(address)?;
        self.cut(end)?;
        self.changes += 1;
        Ok(())
    }

    /// Gives the areas of a range traits, and takes others from them.
    ///
    /// # Errors
    /// EINVAL: an address that is not a multiple of the page size. ENOMEM: part of the range is not mapped, too many
    /// areas, no memory. Nothing has changed then.
    pub fn mark(
        &mut self,
        address: u64,
        length: u64,
        given: Traits,
        taken: Traits,
    ) -> Result<(), Errno> {
        let length = self.may_protect(address, length, Protection::empty())?;
        let end = address + length;
        let marked = |area: &Area| (area.traits | given) - taken;
        if self
            .covering(address, end)
            .all(|area| marked(area) == area.traits)
        {
            return Ok(());
        }
        self.cut_out(address, end)?;
        let mut at = address;
        while let Some(area) = self.areas.get_mut(at).filter(|_| at < end) {
            self.sums.remove(area);
            area.traits = marked(area);
            self.sums.add(area);
            at = area.end;
        }
        self.join(address, end);
        Ok(())
    }

    /// Whether [`AddressSpace::protect`] would refuse the range; its length in whole pages when not.
    ///
    /// # Errors
    /// As [`AddressSpace::protect`], but for what comes of shortages.
    pub fn may_protect(
        &self,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<u64, Errno> {
        let length = round_up(length).ok_or(Errno::ENOMEM)?;
        if !aligned(address) {
            return Err(Errno::EINVAL);
        }
        if length == 0 {
            return Ok(0);
        }
        if !self.is_inside(address, length) || !self.is_covered(address, address + length) {
            return Err(Errno::ENOMEM);
        }
        let refuses = |area: &Area| !area.maximum.contains(protection);
        if self.covering(address, address + length).any(refuses) {
            return Err(Errno::EACCES);
        }
        let data = self.sums.data - self.sums.stack;
        if protection.contains(Protection::WRITE)
            && data.saturating_add(length >> PAGE_SHIFT) > self.limits.data.0
        {
            let becomes_data = |area: &Area| area.could_be_data() && !area.is_data();
            let more = self.covered_where(address, address + length, becomes_data);
            if more > 0 && data.saturating_add(more) > self.limits.data.0 {
                return Err(Errno::ENOMEM);
            }
        }
        Ok(length)
    }

    /// Brings the translations of `pages` to a new protection of their area.
    fn reprotect(&mut self, pages: Range<u64>, before: Protection, after: Protection) {
        if before == after {
            return;
        }
        // Pages that become executable are installed anew, so that instruction fetches are synchronized.
        if after.contains(Protection::EXECUTE) && !before.contains(Protection::EXECUTE)
            || after.is_empty()
        {
            return self.uninstall(pages);
        }
        let writable = chunk::hardware(after);
        let read_only = writable - Protection::WRITE;
        let ready = |chunk: &Chunk| chunk.installed & chunk.writable;
        for (first, count) in chunk::runs(&self.chunks, pages.clone(), ready) {
            self.translations.protect(first, count, writable);
        }
        let not_ready = |chunk: &Chunk| chunk.installed & !chunk.writable;
        for (first, count) in chunk::runs(&self.chunks, pages, not_ready) {
            self.translations.protect(first, count, read_only);
        }
    }

    /// Removes the translations of `pages`; the pages stay.
    pub(super) fn uninstall(&mut self, pages: Range<u64>) {
        for (first, count) in chunk::runs(&self.chunks, pages.clone(), |chunk| chunk.installed) {
            self.translations.remove(first, count);
        }
        for (key, chunk) in self.chunks.entries_mut(pages.start >> SHIFT) {
            if key << SHIFT >= pages.end {
                break;
            }
            chunk.installed &= !chunk::window(key, &pages);
        }
    }

    /// Begins the heap at `start` (rounded up), empty; for exec.
    pub fn set_heap(&mut self, start: u64) {
        let start = round_up(start).unwrap_or(self.layout.user_limit);
        (self.heap_start, self.heap_end) = (start, start);
    }

    /// Moves the end of the heap as the system call does (`man 2 brk`, "C library/kernel differences"): the new
    /// break, or the one there is when it cannot be moved there.
    pub fn set_break(&mut self, address: u64) -> u64 {
        if address < self.heap_start || address > self.layout.user_limit {
            return self.heap_end;
        }
        let (Some(old), Some(new)) = (round_up(self.heap_end), round_up(address)) else {
            return self.heap_end;
        };
        let moved = if new < old {
            self.unmap(new, old - new).is_ok()
        } else {
            new == old || self.extend_heap(old, new).is_ok()
        };
        if moved {
            self.heap_end = address;
        }
        self.heap_end
    }

    /// The range, as address and length, that leaves the heap when its end moves to `address`.
    #[must_use]
    pub fn heap_beyond(&self, address: u64) -> Option<(u64, u64)> {
        let (old, new) = (round_up(self.heap_end)?, round_up(address)?);
        let length = old.checked_sub(new)?;
        (address >= self.heap_start).then_some((new, length))
    }

    fn extend_heap(&mut self, old: u64, new: u64) -> Result<(), Errno> {
        if !self.is_free(old, new) {
            return Err(Errno::ENOMEM);
        }
        let protection = Protection::READ | Protection::WRITE;
        let maximum = Protection::all();
        self.put_area(
            Area {
                start: old,
                end: new,
                protection,
                maximum,
                mapping: Mapping::Heap,
                traits: self.future,
                name: None,
            },
            false,
        )
    }

    /// Follows advice about a range (`man 2 madvise`).
    ///
    /// # Errors
    /// EINVAL: an address that is not a multiple of the page size; giving up what is locked. ENOMEM: part of the range is
    /// not mapped (the advice is followed for the rest, as on Linux).
    pub fn advise(&mut self, address: u64, length: u64, advice: Advice) -> Result<(), Errno> {
        let length = round_up(length).ok_or(Errno::EINVAL)?;
        if !aligned(address) {
            return Err(Errno::EINVAL);
        }
        if length == 0 {
            return Ok(());
        }
        if !self.is_inside(address, length) {
            return Err(Errno::ENOMEM);
        }
        if advice == Advice::DontNeed {
            if self.has_trait(address, length, Traits::LOCKED) {
                return Err(Errno::EINVAL);
            }
            self.zap(Self::page_range(address, address + length));
        }
        if self.is_covered(address, address + length) {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// The areas that overlap a range.
    pub(super) fn covering(&self, start: u64, end: u64) -> impl Iterator<Item = &Area> {
        covering(&self.areas, start, end)
    }

    /// Whether an area of a range has one of some traits.
    #[must_use]
    pub fn has_trait(&self, address: u64, length: u64, traits: Traits) -> bool {
        self.covering(address, address.saturating_add(length))
            .any(|area| area.traits.intersects(traits))
    }

    /// How many pages of a range areas cover.
    fn covered(&self, start: u64, end: u64) -> u64 {
        self.covered_where(start, end, |_| true)
    }

    /// How many pages of a range such areas cover.
    pub(super) fn covered_where(&self, start: u64, end: u64, such: impl Fn(&Area) -> bool) -> u64 {
        self.covering(start, end)
            .filter(|area| such(area))
            .map(|area| (area.end.min(end) - area.start.max(start)) >> PAGE_SHIFT)
            .sum()
    }

    /// Whether areas cover a range without a hole.
    pub(super) fn is_covered(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for area in self.covering(start, end) {
            if area.start > at {
                return false;
            }
            at = area.end;
        }
        at >= end
    }

    /// Cuts the area that lies across `address` in two.
    pub(super) fn cut(&mut self, address: u64) -> Result<(), Errno> {
        let Some((key, area)) = self.areas.at_or_below(address) else {
            return Ok(());
        };
        if area.start == address || area.end <= address {
            return Ok(());
        }
        let mapping = area.mapping.advanced((address - area.start) >> PAGE_SHIFT);
        let upper = Area {
            start: address,
            mapping,
            ..area.clone()
        };
        self.areas.insert(address, upper)?;
        // A fork in steps must not get the upper part beside the whole.
        self.changes += 1;
        if let Some(lower) = self.areas.get_mut(key) {
            lower.end = address;
        }
        Ok(())
    }

    /// Makes one of those neighbours from `start` to `end`, and at both edges, that can be one.
    pub(super) fn join(&mut self, start: u64, end: u64) {
        let Some((mut at, _)) = self
            .areas
            .at_or_below(start.saturating_sub(1))
            .or(self.areas.at_or_above(start))
        else {
            return;
        };
        while at <= end {
            let Some(area) = self.areas.get(at) else {
                return;
            };
            let area_end = area.end;
            match self.areas.get(area_end) {
                Some(next) if area.joins(next) => {
                    let new_end = next.end;
                    self.areas.remove(area_end);
                    if let Some(area) = self.areas.get_mut(at) {
                        area.end = new_end;
                    }
                }
                _ => match self.areas.at_or_above(area_end) {
                    Some((next, _)) => at = next,
                    None => return,
                },
            }
        }
    }
}

/// The areas that overlap a range.
pub(super) fn covering(areas: &Sorted<Area>, start: u64, end: u64) -> impl Iterator<Item = &Area> {
    let from = areas
        .at_or_below(start)
        .filter(|(_, area)| area.end > start)
        .map_or(start, |(key, _)| key);
    areas
        .entries(from)
        .map(|(_, area)| area)
        .take_while(move |area| area.start < end)
}
