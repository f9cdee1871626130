//! Where a mapping without an address goes: the highest hole below the stack, as on Linux.

use super::area::Mapping;
use super::fault::STACK_GAP;
use super::{AddressSpace, Area, chunk};
use abi::PAGE_SHIFT;

/// What is known of holes, so that placing many mappings does not walk over all of them each time.
pub(super) struct Holes {
    /// The search begins below this address.
    from: u64,
    /// No hole above `from` is larger.
    largest_above: u64,
}

impl Holes {
    pub(super) fn below(top: u64) -> Self {
        Self {
            from: top,
            largest_above: 0,
        }
    }

    /// Everything below `end`, down to some place, has become free.
    pub(super) fn freed(&mut self, end: u64, top: u64) {
        if end > self.from {
            self.from = end.min(top);
        }
    }
}

/// The lowest address that nothing else may come close to on account of `area`.
fn fence(area: &Area) -> u64 {
    match area.mapping {
        Mapping::Stack => area.start.saturating_sub(STACK_GAP),
        _ => area.start,
    }
}

impl AddressSpace {
    /// Whether nothing is mapped from `start` to `end` and no stack needs the room.
    pub(super) fn is_free(&self, start: u64, end: u64) -> bool {
        let below = self
            .areas
            .at_or_below(start)
            .is_none_or(|(_, area)| area.end <= start);
        below
            && self
                .areas
                .at_or_above(start)
                .is_none_or(|(_, area)| fence(area) >= end)
    }

    /// The highest place for `length` bytes.
    pub(super) fn find_hole(&mut self, length: u64) -> Option<u64> {
        let top = self.layout.mappings_below;
        if length <= self.holes.largest_above {
            self.holes = Holes::below(top);
        }
        let found = self.search(self.holes.from, length);
        if found.is_some() || self.holes.from == top {
            return found;
        }
        self.holes = Holes::below(top);
        self.search(top, length)
    }

    /// As [`AddressSpace::find_hole`], for what is moved there from `old`: a large mapping lies in it as there in chunks, so
    /// that these move as they are.
    pub(super) fn find_hole_like(&mut self, old: u64, length: u64) -> Option<u64> {
        /// From so many bytes on.
        const LARGE: u64 = 1 << 20;
        const CHUNK: u64 = chunk::PAGES << PAGE_SHIFT;
        if length >= LARGE
            && let Some(wider) = length.checked_add(CHUNK)
            && let Some(place) = self.find_hole(wider)
        {
            return Some(place + old.wrapping_sub(place) % CHUNK);
        }
        self.find_hole(length)
    }

    fn search(&mut self, from: u64, length: u64) -> Option<u64> {
        // What begins at or above the search's start may still need room below it.
        let above = self
            .areas
            .at_or_above(from)
            .map_or(from, |(_, area)| fence(area));
        let mut end = from.min(above);
        let mut largest = self.holes.largest_above;
        let mut place = None;
        for (_, area) in self.areas.below(from) {
            let hole = end.saturating_sub(area.end);
            if hole >= length {
                place = Some(end - length);
                break;
            }
            largest = largest.max(hole);
            end = end.min(fence(area));
        }
        let place = place.or_else(|| end.checked_sub(length))?;
        if place < self.layout.lowest {
            return None;
        }
        self.holes = Holes {
            from: place,
            largest_above: largest,
        };
        Some(place)
    }
}
