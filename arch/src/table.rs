//! One table of a space's radix tree: its entries and what is noted about them.
//!
//! Most tables hold a few of their 512 entries, so nobody reads a table from end to end: beside it stand the number of
//! its valid entries and the groups of entries that may hold some. A table whose last entry goes is known to be empty
//! at once, and the end of a program that has touched little costs little.
//!
//! The notes have one writer, the owner of the space; the processor never sees them.

use crate::USER_LIMIT;
use crate::radix::{self, Entry, ROOT_ENTRIES, SHIFTS, TABLE_ENTRIES, entry};
use abi::PAGE_SHIFT;
use abi::mmu::{FrameNumber, TableFrames, TableNotes};
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;

/// The level whose entries are leaves.
pub(crate) const LAST_LEVEL: usize = SHIFTS.len() - 1;
/// Groups that a table is noted in: bits of a note.
const GROUPS: usize = 32;
/// Entries of the root that addresses of programs lead to.
const USER_ROOT_ENTRIES: usize = (USER_LIMIT >> SHIFTS[0]) as usize;
const _: () = assert!(USER_ROOT_ENTRIES <= ROOT_ENTRIES && USER_ROOT_ENTRIES >= GROUPS);

/// A table of a space.
pub(crate) struct Table<'a> {
    slots: &'a [Entry],
    notes: TableNotes<'a>,
    level: usize,
}

/// How many entries of a table of `level` programs can use.
const fn entries_of(level: usize) -> usize {
    if level == 0 {
        USER_ROOT_ENTRIES
    } else {
        TABLE_ENTRIES
    }
}

/// How many pages an entry of a level spans, as a shift.
pub(crate) const fn span(level: usize) -> u32 {
    SHIFTS[level] - PAGE_SHIFT
}

/// The indices of a table (which starts at page `base`) that pages `start..end` touch.
pub(crate) fn touched(level: usize, base: u64, start: u64, end: u64) -> Range<usize> {
    let relative = |page: u64| page.saturating_sub(base);
    let first = relative(start) >> span(level);
    let last = relative(end).div_ceil(1 << span(level));
    first as usize..(last as usize).min(entries_of(level))
}

/// The frame of the table that an entry links.
pub(crate) const fn linked(value: u64) -> FrameNumber {
    FrameNumber(((value & entry::TABLE) >> PAGE_SHIFT) as u32)
}

impl<'a> Table<'a> {
    /// The table in `frame`; `None` when its source knows no such table.
    ///
    /// # Safety
    /// `frame` is a table of `level` of a space that the caller owns, and stays one for the life of the result.
    pub(crate) unsafe fn at(
        frames: &'a dyn TableFrames,
        frame: FrameNumber,
        level: usize,
    ) -> Option<Self> {
        let notes = frames.notes(frame)?;
        // SAFETY: the caller's.
        let slots = unsafe { radix::table_at(frame.address(), entries_of(level)) };
        Some(Self {
            slots,
            notes,
            level,
        })
    }

    /// The entries from `first` on.
    pub(crate) fn from(&self, first: usize) -> &'a [Entry] {
        self.slots.get(first..).unwrap_or(&[])
    }

    /// All indices.
    pub(crate) fn all(&self) -> Range<usize> {
        0..self.slots.len()
    }

    /// Binary logarithm of the entries in a group.
    const fn group_shift(&self) -> u32 {
        (if self.level == 0 {
            USER_ROOT_ENTRIES
        } else {
            TABLE_ENTRIES
        } / GROUPS)
            .ilog2()
    }

    /// Notes that `count` entries among `indices`, which were absent, are valid from now on.
    pub(crate) fn filled(&self, indices: Range<usize>, count: u32) {
        if count == 0 {
            return;
        }
        let shift = self.group_shift();
        let (low, high) = (
            indices.start >> shift,
            indices.end.saturating_sub(1) >> shift,
        );
        let below = u32::MAX.unbounded_shr(31 - high as u32);
        let touched = u32::MAX.unbounded_shl(low as u32) & below;
        let groups = self.notes.groups.load(Relaxed) | touched;
        self.notes.groups.store(groups, Relaxed);
        let filled = self.notes.filled.load(Relaxed) + count;
        self.notes.filled.store(filled, Relaxed);
    }

    /// Notes that `count` entries, which were valid, are absent from now on.
    pub(crate) fn emptied(&self, count: u32) {
        let filled = self.notes.filled.load(Relaxed).saturating_sub(count);
        self.notes.filled.store(filled, Relaxed);
        if filled == 0 {
            self.notes.groups.store(0, Relaxed);
        }
    }

    /// How many entries are valid.
    pub(crate) fn count(&self) -> u32 {
        self.notes.filled.load(Relaxed)
    }

    /// Whether no entry is valid.
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The valid entries among `range` with their indices, ascending. To be gone through by `for_each`: the compiler makes
    /// much less of a loop.
    pub(crate) fn valid(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &'a Entry)> {
        let shift = self.group_shift();
        let size = 1 << shift;
        let slots = self.slots;
        let mut groups = self.notes.groups.load(Relaxed);
        // Without the groups before the range, and behind it.
        groups &= u32::MAX.unbounded_shl((range.start >> shift) as u32);
        groups &= !u32::MAX.unbounded_shl(((range.end + size - 1) >> shift) as u32);
        let within = core::iter::from_fn(move || {
            let group = groups.trailing_zeros() as usize;
            groups &= groups.wrapping_sub(1);
            let first = group * size;
            (group < GROUPS).then(|| first.max(range.start)..(first + size).min(range.end))
        });
        within
            .flat_map(move |range| {
                let first = range.start;
                (first..).zip(slots.get(range).unwrap_or(&[]))
            })
            .filter(|(_, slot)| slot.is_valid())
    }

    /// What lies below a valid entry: the level and the frame of a table.
    pub(crate) fn below(&self, slot: &Entry) -> (usize, FrameNumber) {
        (self.level + 1, linked(slot.get()))
    }

    /// The first page that the entry at `index` translates, in a table that starts at page `base`.
    pub(crate) fn page(&self, base: u64, index: usize) -> u64 {
        base + ((index as u64) << span(self.level))
    }
}
