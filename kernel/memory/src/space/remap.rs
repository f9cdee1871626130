//! Resizing and moving a mapping.

use super::area::{Area, RemapFlags, Traits, round_up};
use super::chunk::{self, Chunk, PAGES, SHIFT};
use super::map::aligned;
use super::{AddressSpace, MAX_AREAS};
use abi::mmu::PageNumber;
use abi::{Errno, PAGE_SHIFT};
use core::ops::Range;

impl AddressSpace {
    /// Resizes or moves a mapping (`man 2 mremap`); returns its address. `new` counts with
    /// [`RemapFlags::FIXED`] only.
    ///
    /// # Errors
    /// EINVAL: an unaligned address, no new length, FIXED without MAY_MOVE or with overlap, KEEP without MAY_MOVE or with
    /// another length; no old length (which
    /// would duplicate a shared mapping) is not supported. EFAULT: the old range is not within one area. ENOMEM:
    /// no room or no memory. Nothing has changed then, except that FIXED may have unmapped the destination, and KEEP
    /// what it was to keep.
    pub fn remap(
        &mut self,
        old: u64,
        old_length: u64,
        new_length: u64,
        flags: RemapFlags,
        new: u64,
    ) -> Result<u64, Errno> {
        let old_length = round_up(old_length).ok_or(Errno::EINVAL)?;
        let new_length = round_up(new_length).ok_or(Errno::EINVAL)?;
        if !aligned(old) || new_length == 0 || old_length == 0 || !self.is_inside(old, old_length) {
            return Err(Errno::EINVAL);
        }
        let end = old + old_length;
        let keeps = flags.contains(RemapFlags::KEEP);
        if keeps && (old_length != new_length || !flags.contains(RemapFlags::MAY_MOVE)) {
            return Err(Errno::EINVAL);
        }
        let area = self
            .area_at(old)
            .filter(|area| end <= area.end)
            .cloned()
            .ok_or(Errno::EFAULT)?;
        if flags.contains(RemapFlags::FIXED) {
            return self.move_to_fixed(area, old..end, new_length, flags, new);
        }
        if keeps {
            let target = self.find_hole_like(old, new_length);
            return self.move_pages_of(area, old..end, target.ok_or(Errno::ENOMEM)?);
        }
        if new_length <= old_length {
            if new_length < old_length {
                self.unmap(old + new_length, old_length - new_length)?;
            }
            return Ok(old);
        }
        let grown_end = old.checked_add(new_length).ok_or(Errno::ENOMEM)?;
        if area.end == end && self.is_inside(old, new_length) && self.is_free(end, grown_end) {
            let mapping = area.mapping.advanced((end - area.start) >> PAGE_SHIFT);
            self.put_area(
                Area {
                    start: end,
                    end: grown_end,
                    mapping,
                    ..area
                },
                false,
            )?;
            return Ok(old);
        }
        if !flags.contains(RemapFlags::MAY_MOVE) {
            return Err(Errno::ENOMEM);
        }
        let target = self.find_hole_like(old, new_length);
        let target = target.ok_or(Errno::ENOMEM)?;
        self.move_area(area, old..end, target, new_length)
    }

    /// The range, as address and length, whose pages [`AddressSpace::remap`] with these arguments drops.
    #[must_use]
    pub fn remap_drops(
        &self,
        old: u64,
        old_length: u64,
        new_length: u64,
        flags: RemapFlags,
        new: u64,
    ) -> Option<(u64, u64)> {
        let (old_length, new_length) = (round_up(old_length)?, round_up(new_length)?);
        let end = old.checked_add(old_length)?;
        self.area_at(old).filter(|area| end <= area.end)?;
        let dropped = if !flags.contains(RemapFlags::FIXED) {
            let length = old_length.checked_sub(new_length)?;
            (old + new_length, length)
        } else {
            let overlaps = new < end && old < new.saturating_add(new_length);
            if overlaps || !flags.contains(RemapFlags::MAY_MOVE) || new < self.layout.lowest {
                return None;
            }
            (new, new_length)
        };
        let whole = aligned(old) && aligned(dropped.0) && self.is_inside(dropped.0, dropped.1);
        whole.then_some(dropped)
    }

    /// The range, as address and length, whose pages [`AddressSpace::remap`] with these arguments may move.
    #[must_use]
    pub fn remap_moves(
        &self,
        old: u64,
        old_length: u64,
        new_length: u64,
        flags: RemapFlags,
    ) -> Option<(u64, u64)> {
        let (old_length, new_length) = (round_up(old_length)?, round_up(new_length)?);
        let end = old.checked_add(old_length)?;
        let area = self.area_at(old).filter(|area| end <= area.end)?;
        let shrinks = new_length <= old_length && !flags.contains(RemapFlags::KEEP);
        let stays = shrinks || area.end == end && self.is_free(end, old.saturating_add(new_length));
        let may_move = flags.contains(RemapFlags::MAY_MOVE);
        let moves = flags.contains(RemapFlags::FIXED) || !stays;
        (may_move && moves && aligned(old)).then_some((old, old_length))
    }

    /// Removes translations of a range that is about to move, so that the move has few left: those of about `budget` pages,
    /// from the beginning. Answers where to go on; `None` at the end.
    pub fn loosen(&mut self, address: u64, length: u64, budget: u64) -> Option<u64> {
        let length = round_up(length)?;
        let part = self.part(address, length, budget);
        let next = address.checked_add(part)?;
        self.uninstall(Self::page_range(address, next));
        (part < length).then_some(next)
    }

    /// Bytes that [`AddressSpace::remap`] is asked for at a time when [`AddressSpace::moves_in_parts`] says so.
    pub const MOVED_PART: u64 = 4 << 20;

    /// Whether [`AddressSpace::remap`] with these arguments would take long: much is moved, and lies at its new place in other
    /// chunks. Then a caller moves it part by part, at each of which a page is at its old place or at the new one.
    #[must_use]
    pub fn moves_in_parts(
        &self,
        old: u64,
        old_length: u64,
        new_length: u64,
        flags: RemapFlags,
        new: u64,
    ) -> bool {
        let Some(end) = old.checked_add(old_length) else {
            return false;
        };
        let is_odd = !(new.wrapping_sub(old) >> PAGE_SHIFT).is_multiple_of(PAGES);
        let lengths = [old_length, new_length];
        let valid = flags.contains(RemapFlags::FIXED | RemapFlags::MAY_MOVE)
            && lengths.iter().all(|length| aligned(*length))
            && aligned(old)
            && aligned(new)
            && new >= self.layout.lowest
            && self.is_inside(old, old_length)
            && self.is_inside(new, new_length)
            && !(new < end && old < new + new_length)
            && self.area_at(old).is_some_and(|area| end <= area.end);
        valid && is_odd && old_length.min(new_length) > Self::MOVED_PART
    }

    /// Unmaps the range to which something of `leaving` bytes moves part by part, and keeps it from others until then.
    ///
    /// # Errors
    /// ENOMEM: as [`AddressSpace::remap`].
    pub fn hold(&mut self, leaving: u64, new: u64, length: u64) -> Result<(), Errno> {
        if self.areas.len() + 6 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.unmap(new, length)?;
        self.put_moved(Area::inaccessible(new, new + length), leaving)
    }

    fn move_to_fixed(
        &mut self,
        area: Area,
        old: Range<u64>,
        new_length: u64,
        flags: RemapFlags,
        new: u64,
    ) -> Result<u64, Errno> {
        let overlaps = new < old.end && old.start < new.saturating_add(new_length);
        if !flags.contains(RemapFlags::MAY_MOVE)
            || !aligned(new)
            || !self.is_inside(new, new_length)
            || overlaps
        {
            return Err(Errno::EINVAL);
        }
        if new < self.layout.lowest {
            return Err(Errno::EPERM);
        }
        self.unmap(new, new_length)?;
        if flags.contains(RemapFlags::KEEP) {
            return self.move_pages_of(area, old, new);
        }
        let kept = old.start + new_length.min(old.end - old.start);
        self.move_area(area, old.start..kept, new, new_length)?;
        if kept < old.end {
            self.unmap(kept, old.end - kept)?;
        }
        Ok(new)
    }

    /// Moves the pages of the part `old` of `area` to `target`, where as much is free, and leaves the part mapped without them; it
    /// is no longer locked then (`man 2 mremap`, MREMAP_DONTUNMAP).
    fn move_pages_of(&mut self, area: Area, old: Range<u64>, target: u64) -> Result<u64, Errno> {
        let pages = (old.end - old.start) >> PAGE_SHIFT;
        let left = Area {
            start: old.start,
            end: old.end,
            mapping: area
                .mapping
                .advanced((old.start - area.start) >> PAGE_SHIFT),
            traits: area.traits - Traits::LOCKED,
            ..area.clone()
        };
        self.sums.admit(&left, [0, 0], &self.limits)?;
        self.move_area(area, old.clone(), target, pages << PAGE_SHIFT)?;
        self.put_area(left, false)?;
        Ok(target)
    }

    /// Moves the part `old` of `area` with its pages to `target`, where `length` bytes are free.
    fn move_area(
        &mut self,
        area: Area,
        old: Range<u64>,
        target: u64,
        length: u64,
    ) -> Result<u64, Errno> {
        if self.areas.len() + 3 > MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        self.cut(old.start)?;
        self.cut(old.end)?;
        let mapping = area
            .mapping
            .advanced((old.start - area.start) >> PAGE_SHIFT);
        let moved = Area {
            start: target,
            end: target + length,
            mapping,
            ..area
        };
        let (from, to) = (Self::page_range(old.start, old.end), target >> PAGE_SHIFT);
        let Parts { whole, edges } = Parts::of(&from, to);
        let prepared = edges
            .iter()
            .try_for_each(|(edge, to)| self.make_chunks(edge.clone(), *to));
        let prepared = prepared.and_then(|()| {
            self.put_moved(moved, old.end - old.start)?;
            self.translations
                .remove(PageNumber(from.start), from.end - from.start);
            let (start, end, to) = whole;
            let shifted = self
                .chunks
                .shift(start, end, to, |chunk| chunk.installed = 0);
            if shifted.is_err()
                && let Some(moved) = self.areas.remove(target)
            {
                self.sums.remove(&moved);
            }
            shifted.map_err(Errno::from)
        });
        if let Err(error) = prepared {
            self.drop_empty_chunks(to, from.end - from.start);
            return Err(error);
        }
        for (edge, to) in &edges {
            self.move_pages(edge.clone(), *to);
        }
        // Only now: a page may move within its chunk, and what one edge leaves may be where the other one comes to.
        for (edge, _) in edges {
            self.drop_empty_chunks(edge.start, edge.end - edge.start);
        }
        self.remove_areas(old.start, old.end);
        self.join(target, target + length);
        Ok(target)
    }

    /// Puts the area at its new place; the `leaving` bytes at the old one do not count against the limit.
    fn put_moved(&mut self, moved: Area, leaving: u64) -> Result<(), Errno> {
        let hidden = leaving >> PAGE_SHIFT;
        self.sums.admit(&moved, [hidden, hidden], &self.limits)?;
        let mut sums = self.sums;
        sums.add(&moved);
        self.areas.insert(moved.start, moved)?;
        self.changes += 1;
        self.sums = sums;
        Ok(())
    }

    /// The first chunk from `key` on with pages in `pages`: its key, and which they are.
    fn next_chunk(&self, key: u64, pages: &Range<u64>) -> Option<(u64, u16)> {
        let inside = self.chunks.entries(key.max(pages.start >> SHIFT));
        inside
            .take_while(|(key, _)| key << SHIFT < pages.end)
            .map(|(key, chunk)| (key, chunk.present & chunk::window(key, pages)))
            .find(|(_, slots)| *slots != 0)
    }

    /// Makes the chunks that the pages `from` need when they begin at `to`.
    fn make_chunks(&mut self, from: Range<u64>, to: u64) -> Result<(), Errno> {
        let mut next = 0;
        while let Some((key, slots)) = self.next_chunk(next, &from) {
            next = key + 1;
            for (target, by) in targets(key, &from, to) {
                if chunk::shifted(slots, by) != 0
                    && self.chunks.get_or_insert(target, Chunk::new).is_err()
                {
                    self.drop_empty_chunks(to, from.end - from.start);
                    return Err(Errno::ENOMEM);
                }
            }
        }
        Ok(())
    }

    fn drop_empty_chunks(&mut self, first: u64, count: u64) {
        let mut key = first >> SHIFT;
        let last = (first + count).div_ceil(PAGES);
        while let Some((at, chunk)) = self.chunks.at_or_above(key).filter(|(at, _)| *at < last) {
            key = at + 1;
            if chunk.present == 0 {
                self.chunks.remove(at);
            }
        }
    }

    /// The first page that exists from `page` on and below `end`, by number.
    #[must_use]
    pub fn next_page(&self, page: u64, end: u64) -> Option<u64> {
        let (key, slots) = self.next_chunk(page >> SHIFT, &(page..end))?;
        Some((key << SHIFT) + u64::from(slots.trailing_zeros()))
    }

    /// Moves pages, which have no translations any more, into chunks that exist.
    fn move_pages(&mut self, from: Range<u64>, to: u64) {
        let mut next = 0;
        while let Some((key, slots)) = self.next_chunk(next, &from) {
            next = key + 1;
            let Some(mut taken) = self.chunks.get_mut(key).map(|chunk| chunk.take(slots)) else {
                return;
            };
            for (target, by) in targets(key, &from, to) {
                if let Some(chunk) = self.chunks.get_mut(target) {
                    chunk.take_over(&mut taken, by);
                }
            }
        }
    }
}

/// Pages that move: whole chunks, which only get other keys, and the rest.
struct Parts {
    /// First and last key, and the first one's new key.
    whole: (u64, u64, u64),
    /// What lies before them and after them, or all, and where it goes.
    edges: [(Range<u64>, u64); 2],
}

impl Parts {
    /// Of the pages `from`, which come to begin at `to`.
    fn of(from: &Range<u64>, to: u64) -> Self {
        let (first, last) = (from.start.div_ceil(PAGES), from.end >> SHIFT);
        let by = to.wrapping_sub(from.start);
        if !by.is_multiple_of(PAGES) || first >= last {
            return Self {
                whole: (0, 0, 0),
                edges: [(from.clone(), to), (from.end..from.end, to)],
            };
        }
        let (start, end) = (first << SHIFT, last << SHIFT);
        Self {
            whole: (first, last, start.wrapping_add(by) >> SHIFT),
            edges: [
                (from.start..start, to),
                (end..from.end, end.wrapping_add(by)),
            ],
        }
    }
}

/// The chunks that the pages of chunk `key` move to when the pages `from` come to begin at `to`, and by how many slots they
/// are put behind these chunks' own.
fn targets(key: u64, from: &Range<u64>, to: u64) -> [(u64, i32); 2] {
    let first = (key << SHIFT).wrapping_sub(from.start).wrapping_add(to);
    let (target, by) = (first >> SHIFT, (first % PAGES) as i32);
    [(target, by), (target.wrapping_add(1), by - PAGES as i32)]
}
