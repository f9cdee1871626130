//! Sixteen neighbouring pages of an address space.
//!
//! A chunk is as wide as fault-around (64 KiB), so one lookup serves a fault and its neighbours.

use super::FaultError;
use super::area::{Area, Mapping};
pub(super) use crate::frames::slots;
use crate::frames::{self, Frame, Kind};
use crate::sorted::Sorted;
use crate::source::PageError;
use abi::mmu::{Access, PageNumber, Protection};
use abi::{Cid, PAGE_SHIFT};
use core::ops::Range;

/// Binary logarithm of the pages in a chunk.
pub(super) const SHIFT: u32 = 4;
/// Pages in a chunk.
pub(super) const PAGES: u64 = 1 << SHIFT;

/// The pages that exist among sixteen, and three bits about each.
pub(super) struct Chunk {
    pub(super) frames: [Option<Frame>; PAGES as usize],
    /// The page exists.
    pub(super) present: u16,
    /// The page is probably translated; an MMU that evicts may have dropped it.
    pub(super) installed: u16,
    /// A store needs nothing but permission: a private page has no other user, a shared one is reported as changed.
    pub(super) writable: u16,
    /// The page is this space's (or was before a fork), not the object's.
    pub(super) own: u16,
}

/// The slots of chunk `key` that lie in `pages`, as bits.
pub(super) fn window(key: u64, pages: &Range<u64>) -> u16 {
    let base = key << SHIFT;
    let low = pages.start.saturating_sub(base).min(PAGES);
    let high = pages.end.saturating_sub(base).min(PAGES);
    let below = |slot: u64| ((1u32 << slot) - 1) as u16;
    below(high) & !below(low)
}

/// Bits moved up by so many slots, or down; what leaves the chunk is lost.
pub(super) fn shifted(bits: u16, by: i32) -> u16 {
    let wide = u64::from(bits) << PAGES;
    let moved = if by < 0 { wide >> -by } else { wide << by };
    (moved >> PAGES) as u16
}

/// The protection that the hardware can give: it knows no store-only pages.
pub(super) fn hardware(protection: Protection) -> Protection {
    if protection.contains(Protection::WRITE) {
        protection | Protection::READ
    } else {
        protection
    }
}

/// The runs of selected pages among `pages`, each as long as can be, ascending.
pub(super) fn runs<'a>(
    chunks: &'a Sorted<Chunk>,
    pages: Range<u64>,
    select: impl Fn(&Chunk) -> u16 + 'a,
) -> impl Iterator<Item = (PageNumber, u64)> + 'a {
    keyed_runs(chunks, pages, move |_, chunk| select(chunk))
}

/// As [`runs`], with a choice that depends on the chunk's key.
pub(super) fn keyed_runs<'a>(
    chunks: &'a Sorted<Chunk>,
    pages: Range<u64>,
    select: impl Fn(u64, &Chunk) -> u16 + 'a,
) -> impl Iterator<Item = (PageNumber, u64)> + 'a {
    let end = pages.end;
    let inside = chunks
        .entries(pages.start >> SHIFT)
        .take_while(move |(key, _)| key << SHIFT < end);
    let pieces =
        inside.flat_map(move |(key, chunk)| pieces(key, select(key, chunk) & window(key, &pages)));
    let mut pieces = pieces.peekable();
    core::iter::from_fn(move || {
        let mut run = pieces.next()?;
        while let Some(next) = pieces.next_if(|next| next.start == run.end) {
            run.end = next.end;
        }
        Some((PageNumber(run.start), run.end - run.start))
    })
}

/// The stretches of set bits as page numbers of chunk `key`.
fn pieces(key: u64, slots: u16) -> impl Iterator<Item = Range<u64>> {
    let mut bits = u32::from(slots);
    core::iter::from_fn(move || {
        let low = bits.trailing_zeros();
        let count = bits.checked_shr(low)?.trailing_ones();
        bits &= !(((1 << count) - 1) << low);
        let first = (key << SHIFT) + u64::from(low);
        Some(first..first + u64::from(count))
    })
}

impl From<PageError> for FaultError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::BeyondEnd | PageError::Failed(_) => FaultError::BeyondEnd,
            PageError::OutOfMemory => FaultError::OutOfMemory,
            PageError::Pending => FaultError::Pending,
        }
    }
}

impl Chunk {
    pub(super) const fn new() -> Self {
        Self {
            frames: [const { None }; PAGES as usize],
            present: 0,
            installed: 0,
            writable: 0,
            own: 0,
        }
    }

    /// Makes `page` of `area` exist, and ready to be written when `access` is a store.
    ///
    /// Returns the frame that was displaced; it must live until its translation is gone.
    pub(super) fn ready(
        &mut self,
        area: &Area,
        owner: Cid,
        page: u64,
        access: Access,
    ) -> Result<Option<Frame>, FaultError> {
        let slot = (page % PAGES) as usize;
        let bit = 1u16 << slot;
        let write = access == Access::Write;
        if self.present & bit != 0 && (!write || self.writable & bit != 0) {
            return Ok(None);
        }
        match &area.mapping {
            Mapping::Shared(backing) => {
                let index = backing
                    .first
                    .wrapping_add(page - (area.start >> PAGE_SHIFT));
                let frame = backing.source.page(index, write)?;
                if write {
                    backing.source.dirtied(index);
                    self.writable |= bit;
                }
                let old = self.frames[slot].replace(frame);
                self.present |= bit;
                Ok(old.filter(|old| self.frames[slot].as_ref() != Some(old)))
            }
            _ if self.present & bit != 0 => self.own_present(slot, owner),
            Mapping::Private(backing) => {
                let index = backing
                    .first
                    .wrapping_add(page - (area.start >> PAGE_SHIFT));
                let frame = backing.source.page(index, false)?;
                self.put(slot, frame);
                if !write {
                    return Ok(None);
                }
                // The object's frame was never translated here, so nobody needs to keep it.
                self.own_present(slot, owner).map(|_| None)
            }
            Mapping::Anonymous | Mapping::Stack | Mapping::Heap => {
                let frame =
                    Frame::allocate(owner, Kind::Anonymous).map_err(|_| FaultError::OutOfMemory)?;
                self.own |= bit;
                self.writable |= bit;
                Ok(self.put(slot, frame))
            }
        }
    }

    fn put(&mut self, slot: usize, frame: Frame) -> Option<Frame> {
        self.present |= 1 << slot;
        self.frames[slot].replace(frame)
    }

    /// Makes the private page in `slot` one that nobody else uses: a copy, or the frame itself when it is alone.
    fn own_present(&mut self, slot: usize, owner: Cid) -> Result<Option<Frame>, FaultError> {
        let bit = 1u16 << slot;
        let Some(frame) = &self.frames[slot] else {
            return Ok(None);
        };
        let old = if frame.is_shared() {
            let copy = frame
                .duplicate(owner, Kind::Anonymous)
                .map_err(|_| FaultError::OutOfMemory)?;
            self.put(slot, copy)
        } else {
            if frame.kind() != Kind::Anonymous {
                frame.retag(owner, Kind::Anonymous);
            }
            None
        };
        self.own |= bit;
        self.writable |= bit;
        Ok(old)
    }

    /// How many pages exist that were not among `before`.
    pub(super) fn added(&self, before: u16) -> u64 {
        u64::from((self.present & !before).count_ones())
    }

    /// Fills empty slots among `window` with what the object has ready; `area` is backed.
    pub(super) fn fill_from_source(&mut self, area: &Area, key: u64, window: u16) {
        let Some(backing) = area.mapping.backing() else {
            return;
        };
        let (low, high) = (
            window.trailing_zeros() as usize,
            16 - window.leading_zeros() as usize,
        );
        let first = (key << SHIFT) + low as u64;
        let index = backing
            .first
            .wrapping_add(first - (area.start >> PAGE_SHIFT));
        let Some(around) = self.frames.get_mut(low..high) else {
            return;
        };
        backing.source.resident(index, around);
        for slot in slots(window & !self.present) {
            self.present |= u16::from(self.frames[slot].is_some()) << slot;
        }
    }

    /// Fills the empty slots of `wanted` with new zeroed pages, as long as memory is plentiful.
    pub(super) fn fill_with_zeros(&mut self, owner: Cid, wanted: u16) {
        let wanted = wanted & !self.present;
        if wanted != 0 {
            let filled =
                frames::fill_if_plentiful(owner, Kind::Anonymous, &mut self.frames, wanted);
            self.present |= filled;
            self.own |= filled;
            self.writable |= filled;
        }
    }

    /// Marks private pages of `slots_wanted` that nobody else uses as ready to be written.
    pub(super) fn claim(&mut self, wanted: u16) {
        for slot in slots(wanted & self.own & !self.writable) {
            if self.frames[slot]
                .as_ref()
                .is_some_and(|frame| !frame.is_shared())
            {
                self.writable |= 1 << slot;
            }
        }
    }

    /// What the hardware may allow for the page in `slot`.
    pub(super) fn allowed(&self, slot: usize, protection: Protection) -> Protection {
        let allowed = hardware(protection);
        if self.writable & (1 << slot) == 0 {
            allowed - Protection::WRITE
        } else {
            allowed
        }
    }

    /// Drops the pages whose bits are set; their translations are gone. No other page lies between them.
    pub(super) fn drop_pages(&mut self, gone: u16) {
        if gone == u16::MAX {
            frames::drop_all(&mut self.frames);
        } else {
            let (low, high) = (
                gone.trailing_zeros() as usize,
                16 - gone.leading_zeros() as usize,
            );
            if let Some(frames) = self.frames.get_mut(low..high) {
                frames::drop_all(frames);
            }
        }
        self.present &= !gone;
        self.installed &= !gone;
        self.writable &= !gone;
        self.own &= !gone;
    }

    /// Takes the pages out whose bits are set; their translations are gone.
    pub(super) fn take(&mut self, gone: u16) -> Self {
        let mut taken = Self::new();
        taken.present = self.present & gone;
        taken.own = self.own & gone;
        taken.writable = self.writable & gone;
        for slot in slots(taken.present) {
            taken.frames[slot] = self.frames[slot].take();
        }
        self.present &= !gone;
        self.installed &= !gone;
        self.writable &= !gone;
        self.own &= !gone;
        taken
    }

    /// Takes over the pages of `other` that are in this chunk when slot 0 of `other` is put `by` slots behind this chunk's.
    pub(super) fn take_over(&mut self, other: &mut Self, by: i32) {
        let here = shifted(other.present, by);
        for slot in slots(here) {
            let from = slot.wrapping_add_signed(-by as isize);
            self.frames[slot] = other.frames.get_mut(from).and_then(Option::take);
        }
        self.present |= here;
        self.own |= shifted(other.own, by);
        self.writable |= shifted(other.writable, by);
    }

    /// The child's chunk at a fork: the pages in the slots `shared`. Those of `copied` are the child's alone, as far as
    /// there is memory, and `writable` says which they are.
    pub(super) fn share(&self, owner: Cid, shared: u16, copied: u16) -> Option<Self> {
        let mut copy = Self::new();
        for slot in slots(shared & self.present) {
            let Some(frame) = &self.frames[slot] else {
                continue;
            };
            let bit = 1u16 << slot;
            let own = (copied & bit != 0)
                .then(|| frame.duplicate(owner, Kind::Anonymous).ok())
                .flatten();
            copy.writable |= if own.is_some() { bit } else { 0 };
            copy.frames[slot] = Some(own.unwrap_or_else(|| frame.clone()));
            copy.present |= bit;
        }
        copy.own = self.own & copy.present;
        (copy.present != 0).then_some(copy)
    }
}
