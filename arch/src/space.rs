//! An address space: the radix tree of one program.
//!
//! Invariants: a table frame belongs to exactly one space, is reached from its root only, and is given back only
//! after the processor has been told and no CPU walks it for a program that lacks a referenced bit; last-level entries are the only leaves. A `Space` has one owner, who changes
//! it with `&mut`; the processor reads it at any time and sets referenced and changed bits in it.

use crate::USER_LIMIT;
use crate::cpu;
use crate::process_id::{self, Flush, Identity};
use crate::radix::{self, ROOT_ENTRIES, SHIFTS, TABLE_ENTRIES, entry, table_at};
use abi::mmu::{Exhausted, FrameNumber, PageNumber, Protection, TableFrames, Translations, Usage};
use abi::{Cid, PAGE_SHIFT};

/// Binary logarithm of the frames of a root (64 KiB).
const ROOT_ORDER: u32 = 4;
const LAST_LEVEL: usize = SHIFTS.len() - 1;

/// The translations of one program.
pub struct Space {
    frames: &'static dyn TableFrames,
    owner: Cid,
    root: Option<FrameNumber>,
    identity: Identity,
}

impl Space {
    /// An empty space whose tables will be charged to `owner`. Nothing is allocated before the first install.
    #[must_use]
    pub fn new(frames: &'static dyn TableFrames, owner: Cid) -> Self {
        Self {
            frames,
            owner,
            root: None,
            identity: Identity::default(),
        }
    }

    /// Whether it is the active space of this CPU.
    #[must_use]
    pub fn is_active(&self) -> bool {
        process_id::is_active(self.identity)
    }

    /// Whether there are any tables: false for a new or discarded space.
    #[must_use]
    pub fn has_tables(&self) -> bool {
        self.root.is_some()
    }

    fn process_entry(&self) -> u64 {
        self.root.map_or(process_id::no_tree(), |root| {
            radix::process_entry(root.address())
        })
    }

    /// The last-level table for an address, with all tables on the way made.
    fn last_table(&mut self, address: u64) -> Result<&[radix::Entry], Exhausted> {
        let root = match self.root {
            Some(root) => root,
            None => {
                let root = self.frames.take(self.owner, ROOT_ORDER).ok_or(Exhausted)?;
                let before = self.process_entry();
                self.root = Some(root);
                process_id::set_tree(self.identity, before, self.process_entry());
                root
            }
        };
        // SAFETY: the space owns its root; `&mut self` keeps it for the life of the result.
        let mut table = unsafe { table_at(root.address(), ROOT_ENTRIES) };
        for level in 0..LAST_LEVEL {
            let slot = &table[radix::index(address, level)];
            let mut value = slot.get();
            if value & entry::VALID == 0 {
                let frame = self.frames.take(self.owner, 0).ok_or(Exhausted)?;
                value = entry::VALID | frame.address() | entry::NINE_BITS;
                slot.set(value);
            }
            // SAFETY: valid entries above the last level link tables that the space owns.
            table = unsafe { table_at(value & entry::TABLE, TABLE_ENTRIES) };
        }
        Ok(table)
    }

    /// Calls `each` for every installed page of `count` from `first` on, in order. Absent tables cost one look.
    fn visit(
        &self,
        first: PageNumber,
        count: u64,
        each: &mut dyn FnMut(PageNumber, &radix::Entry),
    ) {
        let Some(root) = self.root else { return };
        let limit = USER_LIMIT >> PAGE_SHIFT;
        let start = first.0.min(limit);
        let end = first.0.saturating_add(count).min(limit);
        visit_table(root.address(), 0, 0, start, end, each);
    }

    /// Gives back the tables of a range that hold nothing any more.
    fn prune(&mut self, first: PageNumber, count: u64) {
        let Some(root) = self.root else { return };
        let limit = USER_LIMIT >> PAGE_SHIFT;
        let range = (first.0.min(limit), first.0.saturating_add(count).min(limit));
        let mut freed = FreedTables {
            frames: self.frames,
            waiting: [FrameNumber(0); 16],
            length: 0,
            identity: self.identity,
        };
        prune_table(root.address(), 0, 0, range, &mut freed);
        freed.flush();
    }
}

fn entries_of(level: usize) -> usize {
    if level == 0 {
        ROOT_ENTRIES
    } else {
        TABLE_ENTRIES
    }
}

/// How many pages an entry of a level spans, as a shift.
fn span(level: usize) -> u32 {
    SHIFTS[level] - PAGE_SHIFT
}

/// The indices of a table (which starts at page `base`) that pages `start..end` touch.
fn touched(level: usize, base: u64, start: u64, end: u64) -> core::ops::Range<usize> {
    let relative = |page: u64| page.saturating_sub(base);
    let first = relative(start) >> span(level);
    let last = relative(end).div_ceil(1 << span(level));
    first as usize..(last as usize).min(entries_of(level))
}

fn visit_table(
    table: u64,
    level: usize,
    base: u64,
    start: u64,
    end: u64,
    each: &mut dyn FnMut(PageNumber, &radix::Entry),
) {
    // SAFETY: called for the root and tables that valid entries link, which their space owns.
    let slots = unsafe { table_at(table, entries_of(level)) };
    let range = touched(level, base, start, end);
    let from = range.start;
    for (n, slot) in slots.get(range).unwrap_or(&[]).iter().enumerate() {
        let value = slot.get();
        if value & entry::VALID == 0 {
            continue;
        }
        let page = base + (((from + n) as u64) << span(level));
        if level == LAST_LEVEL {
            each(PageNumber(page), slot);
        } else {
            visit_table(value & entry::TABLE, level + 1, page, start, end, each);
        }
    }
}

/// Unlinks the empty tables under `table` in a range; true when `table` itself is empty now.
fn prune_table(
    table: u64,
    level: usize,
    base: u64,
    (start, end): (u64, u64),
    freed: &mut FreedTables,
) -> bool {
    // SAFETY: as in `visit_table`; the caller has the space to itself.
    let slots = unsafe { table_at(table, entries_of(level)) };
    if level < LAST_LEVEL {
        let range = touched(level, base, start, end);
        let from = range.start;
        for (n, slot) in slots.get(range).unwrap_or(&[]).iter().enumerate() {
            let value = slot.get();
            let page = base + (((from + n) as u64) << span(level));
            let child = value & entry::TABLE;
            if value & entry::VALID != 0 && prune_table(child, level + 1, page, (start, end), freed)
            {
                slot.set(0);
                freed.push(FrameNumber((child >> PAGE_SHIFT) as u32));
            }
        }
    }
    level > 0 && slots.iter().all(|slot| slot.get() & entry::VALID == 0)
}

/// Unlinked tables that wait for the processor to forget them.
struct FreedTables {
    frames: &'static dyn TableFrames,
    waiting: [FrameNumber; 16],
    length: usize,
    identity: Identity,
}

impl FreedTables {
    fn push(&mut self, frame: FrameNumber) {
        if self.length == self.waiting.len() {
            self.flush();
        }
        self.waiting[self.length] = frame;
        self.length += 1;
    }

    fn flush(&mut self) {
        if self.length > 0 {
            Flush::new(self.identity).finish(true);
            cpu::wait_for_walks();
            for &frame in &self.waiting[..self.length] {
                self.frames.give(frame, 0);
            }
            self.length = 0;
        }
    }
}

/// The rights of an entry.
fn rights(allowed: Protection) -> u64 {
    let mut bits = 0;
    for (protection, bit) in [
        (Protection::READ, entry::READ),
        (Protection::WRITE, entry::WRITE),
        (Protection::EXECUTE, entry::EXECUTE),
    ] {
        if allowed.contains(protection) {
            bits |= bit;
        }
    }
    // Radix has no page that can be written but not read.
    if bits & entry::WRITE != 0 {
        bits | entry::READ
    } else {
        bits
    }
}

/// Writes neighbouring last-level entries, the first of which is that of `first`.
fn set_entries(
    identity: Identity,
    first: PageNumber,
    slots: &[radix::Entry],
    entries: &[Option<(FrameNumber, Protection)>],
) {
    let wanted = || {
        (first.0..)
            .zip(slots)
            .zip(entries)
            .filter_map(|(place, entry)| Some((place, (*entry)?)))
    };
    // A different frame or fewer rights: the old translation is gone everywhere before the new one is seen.
    let mut flush = Flush::new(identity);
    for ((page, slot), (frame, allowed)) in wanted() {
        let old = slot.get();
        let conflict =
            old & entry::FRAME != frame.address() || old & RIGHTS & !rights(allowed) != 0;
        if old & entry::VALID != 0 && conflict {
            let keep = if old & entry::FRAME == frame.address() {
                entry::CHANGED
            } else {
                0
            };
            slot.clear_bits(!keep);
            flush.page(PageNumber(page).address());
        }
    }
    flush.finish(false);
    for ((_, slot), (frame, allowed)) in wanted() {
        // Referenced at once: somebody wants it. Changed is for the store that faults or sets it.
        let new =
            entry::VALID | entry::LEAF | frame.address() | entry::REFERENCED | rights(allowed);
        let old = slot.get();
        if old & entry::VALID != 0 {
            slot.set_bits(new);
        } else {
            slot.set(new | old & entry::CHANGED);
        }
    }
}

const RIGHTS: u64 = entry::READ | entry::WRITE | entry::EXECUTE;

impl Translations for Space {
    /// PIDR is written only for a change: QEMU drops its whole translation cache then.
    fn activate(&mut self) {
        self.identity = process_id::activate(self.identity, self.process_entry());
    }

    /// A page at [`USER_LIMIT`] or above is refused as [`Exhausted`].
    fn install(
        &mut self,
        page: PageNumber,
        frame: FrameNumber,
        allowed: Protection,
    ) -> Result<(), Exhausted> {
        self.install_run(page, &[Some((frame, allowed))])
    }

    /// One walk for each last-level table (2 MiB), one flush for all entries in it that change.
    fn install_run(
        &mut self,
        first: PageNumber,
        entries: &[Option<(FrameNumber, Protection)>],
    ) -> Result<(), Exhausted> {
        let end = first.0.checked_add(entries.len() as u64);
        if end.is_none_or(|end| end > USER_LIMIT >> PAGE_SHIFT) {
            return Err(Exhausted);
        }
        let identity = self.identity;
        let mut page = first;
        let mut rest = entries;
        while !rest.is_empty() {
            let index = radix::index(page.address(), LAST_LEVEL);
            let (here, later) = rest.split_at(rest.len().min(TABLE_ENTRIES - index));
            if here.iter().any(Option::is_some) {
                let table = self.last_table(page.address())?;
                set_entries(identity, page, &table[index..index + here.len()], here);
            }
            page = PageNumber(page.0 + here.len() as u64);
            rest = later;
        }
        // SAFETY: only orders the stores before the next walk.
        unsafe { core::arch::asm!("ptesync", options(nostack, preserves_flags)) };
        Ok(())
    }

    fn protect(&mut self, first: PageNumber, count: u64, allowed: Protection) {
        self.protect_runs(&[(first, count)], allowed);
    }

    fn protect_runs(&mut self, runs: &[(PageNumber, u64)], allowed: Protection) {
        let mut flush = Flush::new(self.identity);
        let new = rights(allowed);
        for &(first, count) in runs {
            self.visit(first, count, &mut |page, slot| {
                let taken = slot.get() & RIGHTS & !new;
                slot.set_bits(new);
                if taken != 0 {
                    slot.clear_bits(taken);
                    flush.page(page.address());
                }
            });
        }
        flush.finish(false);
    }

    fn remove(&mut self, first: PageNumber, count: u64) {
        let mut flush = Flush::new(self.identity);
        let mut any = false;
        self.visit(first, count, &mut |page, slot| {
            slot.set(0);
            any = true;
            flush.page(page.address());
        });
        flush.finish(false);
        if any {
            self.prune(first, count);
        }
    }

    fn harvest(&mut self, first: PageNumber, count: u64, each: &mut dyn FnMut(PageNumber, Usage)) {
        let mut flush = Flush::new(self.identity);
        self.visit(first, count, &mut |page, slot| {
            let old = slot.clear_bits(entry::REFERENCED | entry::CHANGED);
            let usage = Usage {
                referenced: old & entry::REFERENCED != 0,
                changed: old & entry::CHANGED != 0,
            };
            if usage != Usage::default() {
                flush.page(page.address());
            }
            each(page, usage);
        });
        flush.finish(false);
    }

    fn discard(&mut self) {
        let Some(root) = self.root else { return };
        let before = self.process_entry();
        self.root = None;
        process_id::set_tree(self.identity, before, process_id::no_tree());
        cpu::wait_for_walks();
        give_tables(self.frames, root.address(), 0);
        self.frames.give(root, ROOT_ORDER);
    }
}

/// Gives back every table below `table`; the processor does not know the tree any more.
fn give_tables(frames: &dyn TableFrames, table: u64, level: usize) {
    // SAFETY: as in `visit_table`; the caller has unlinked the tree.
    let slots = unsafe { table_at(table, entries_of(level)) };
    for slot in slots {
        let value = slot.get();
        if value & entry::VALID != 0 {
            let child = value & entry::TABLE;
            if level + 1 < LAST_LEVEL {
                give_tables(frames, child, level + 1);
            }
            frames.give(FrameNumber((child >> PAGE_SHIFT) as u32), 0);
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.discard();
    }
}
