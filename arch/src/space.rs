//! An address space: the radix tree of one program.
//!
//! Invariants: a table frame belongs to exactly one space, is reached from its root only, and is given back only
//! after the processor has been told and no CPU walks it for a program that lacks a referenced bit; last-level entries are the only leaves. A `Space` has one owner, who changes
//! it with `&mut`; the processor reads it at any time and sets referenced and changed bits in it.

use crate::USER_LIMIT;
use crate::cpu;
use crate::cpu_tree::{self, Crowded, Group, Small};
use crate::process_id::{self, Flush, Identity};
use crate::radix::{self, TABLE_ENTRIES, entry};
use crate::table::{LAST_LEVEL, Table, linked, span, touched};
use abi::mmu::{Exhausted, FrameNumber, PageNumber, Protection, TableFrames, Translations};
use abi::{Cid, PAGE_SHIFT};
use alloc::boxed::Box;
use core::sync::atomic::{Ordering, fence};

/// Binary logarithm of the frames of a root (64 KiB).
const ROOT_ORDER: u32 = 4;

/// The translations of one program.
pub struct Space {
    frames: &'static dyn TableFrames,
    owner: Cid,
    /// None while it is small: its branches are in the roots of CPUs.
    root: Option<FrameNumber>,
    /// What it has under a number of its own; none while it is small.
    identity: Identity,
    /// It runs in the trees of CPUs.
    small: Option<Box<Small>>,
    habit: Habit,
    refillable: bool,
}

/// Whether it is worth while to make a space small: whether it comes to CPUs that change their translations often.
///
/// One that has never run begins small, if its owner installs again what is missing. Most programs that are started are over
/// soon, and the way there and back, by `fork`, `execve` and `wait`, then writes PIDR nowhere. Those that stay grow out of it or
/// are used from two CPUs.
struct Habit {
    /// It has not run yet, and is to begin small.
    is_new: bool,
    /// Activations that have written PIDR.
    turns: u32,
    /// How long the CPU had translated by what was active before, all of them together; each time no more than
    /// [`Habit::LONG`].
    between: u64,
    /// After how many of them the question is asked.
    patience: u32,
}

impl Habit {
    const NEW: Self = Self {
        is_new: false,
        turns: 0,
        between: 0,
        patience: 16,
    };

    /// Ticks (4 ms) that say nothing more than that it was long.
    const LONG: u64 = 2_048_000;
    /// How long translations have to be used (0.5 ms) so that it does not matter to fetch all of them again.
    const QUICK: u64 = 256_000;
    const MOST_PATIENCE: u32 = 1 << 20;

    /// Counts an activation after which PIDR is written; whether these have come quickly so far, or it is the first.
    fn count(&mut self) -> bool {
        if core::mem::take(&mut self.is_new) {
            return true;
        }
        self.between += process_id::age().0.min(Self::LONG);
        self.turns += 1;
        if self.turns < self.patience {
            return false;
        }
        let quick = self.between < Self::QUICK * u64::from(self.turns);
        (self.turns, self.between) = (0, 0);
        quick
    }

    /// It was of no use.
    fn grow_patient(&mut self) {
        (self.turns, self.between) = (0, 0);
        self.patience = (self.patience * 2).min(Self::MOST_PATIENCE);
    }
}

impl Space {
    /// An empty space whose tables will be charged to `owner`. Nothing is allocated before it is activated or something is
    /// installed.
    #[must_use]
    pub fn new(frames: &'static dyn TableFrames, owner: Cid) -> Self {
        Self {
            frames,
            owner,
            root: None,
            identity: Identity::default(),
            small: None,
            habit: Habit::NEW,
            refillable: false,
        }
    }

    /// The same, of an owner who installs again what is missing: an activation may drop translations.
    #[must_use]
    pub fn refillable(mut self) -> Self {
        self.refillable = true;
        self.habit.is_new = true;
        self
    }

    /// Whether it is the active space of this CPU.
    #[must_use]
    pub fn is_active(&self) -> bool {
        process_id::is_active(self.known_as())
    }

    /// Whether it has no process id of its own but runs under those of CPUs.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.small.is_some()
    }

    /// What the processor knows it by at this moment.
    fn known_as(&self) -> Identity {
        self.small
            .as_ref()
            .map_or(self.identity, |small| small.identity())
    }

    /// Makes the space small, if it is or if it can be emptied.
    fn become_small(&mut self) {
        let Some(mut small) = Small::new() else {
            return;
        };
        self.habit.is_new = false;
        if self.note_all(&mut small).is_ok() {
            let before = self.process_entry();
            process_id::set_tree(self.identity, before, process_id::no_tree());
            if let Some(root) = self.root.take() {
                cpu::wait_for_walks();
                self.frames.give(root, ROOT_ORDER);
            }
            small.renew();
        } else if self.refillable {
            self.discard();
            self.habit.is_new = false;
            small.clear();
        } else {
            return self.habit.grow_patient();
        }
        self.identity = Identity::default();
        self.small = Some(small);
    }

    /// Notes all that there is.
    fn note_all(&self, small: &mut Small) -> Result<(), Crowded> {
        let Some(root) = self.root else { return Ok(()) };
        if leaves_below(self.frames, (0, root)) > cpu_tree::MOST_PAGES as u32 {
            return Err(Crowded);
        }
        // SAFETY: the space owns its root.
        let table = unsafe { Table::at(self.frames, root, 0) }.ok_or(Crowded)?;
        for (index, slot) in table.valid(table.all()) {
            small.add_branch(index, slot.get())?;
        }
        let mut noted = Ok(());
        self.visit(PageNumber(0), u64::MAX, &mut |table, page, _| {
            noted = noted.and(small.add(Group::of(page, 1, table)));
        });
        noted
    }

    /// Gives the space a root and a number of its own again. Without memory for the root it stays as it is.
    fn become_large(&mut self) -> Result<(), Exhausted> {
        let active = self.is_active();
        let Some(small) = &mut self.small else {
            return Ok(());
        };
        let root = self.frames.take(self.owner, ROOT_ORDER).ok_or(Exhausted)?;
        // SAFETY: a root that nobody else has yet.
        let Some(table) = (unsafe { Table::at(self.frames, root, 0) }) else {
            self.frames.give(root, ROOT_ORDER);
            return Err(Exhausted);
        };
        small.leave();
        for &(index, value) in small.branches() {
            if let Some(slot) = table.from(index).first() {
                slot.set(value);
                table.filled(index..index + 1, 1);
            }
        }
        self.root = Some(root);
        self.small = None;
        // From now on what is not referenced may be cached.
        self.visit(PageNumber(0), u64::MAX, &mut |_, _, slot| {
            slot.set_bits(entry::REFERENCED);
        });
        self.habit.grow_patient();
        if active {
            self.identity = process_id::activate(self.identity, self.process_entry());
        }
        Ok(())
    }

    /// Before anything is taken from entries: no other CPU has the space as a small one.
    fn be_alone(&mut self) {
        if let Some(small) = &mut self.small
            && small.is_elsewhere()
        {
            small.leave();
        }
    }

    /// Notes pages that are about to be installed, if that has to be known.
    fn note(
        &mut self,
        first: PageNumber,
        entries: &[Option<(FrameNumber, Protection)>],
        table: &Table<'static>,
    ) -> Result<(), Exhausted> {
        let Some(small) = &mut self.small else {
            return Ok(());
        };
        let mut page = first;
        let mut rest = entries;
        let mut noted = Ok(());
        while !rest.is_empty() && noted.is_ok() {
            let (here, later) = rest.split_at(rest.len().min(Group::room(page)));
            let mut pages = 0;
            for (number, entry) in here.iter().enumerate() {
                pages |= u16::from(entry.is_some()) << number;
            }
            if pages != 0 {
                noted = small.add(Group::of(page, pages, table));
            }
            page = PageNumber(page.0 + here.len() as u64);
            rest = later;
        }
        noted.or_else(|Crowded| self.become_large())
    }

    /// Whether there are any tables: false for a new or discarded space.
    #[must_use]
    pub fn has_tables(&self) -> bool {
        let branches = self.small.as_ref().map(|small| small.branches());
        self.root.is_some() || branches.is_some_and(|it| !it.is_empty())
    }

    fn process_entry(&self) -> u64 {
        self.root.map_or(process_id::no_tree(), |root| {
            radix::process_entry(root.address())
        })
    }

    /// The root, made when there is none.
    fn make_root(&mut self) -> Result<FrameNumber, Exhausted> {
        if let Some(root) = self.root {
            return Ok(root);
        }
        let root = self.frames.take(self.owner, ROOT_ORDER).ok_or(Exhausted)?;
        let before = self.process_entry();
        self.root = Some(root);
        process_id::set_tree(self.identity, before, self.process_entry());
        Ok(root)
    }

    /// The topmost table for an address in the trees of CPUs, made when there is none; `None` when it has no room there.
    fn branch(&mut self, address: u64) -> Option<Result<FrameNumber, Exhausted>> {
        let small = self.small.as_mut()?;
        let index = radix::index(address, 0);
        let known = small.branches().iter().find(|branch| branch.0 == index);
        if let Some(&(_, value)) = known {
            return Some(Ok(linked(value)));
        }
        let Some(below) = self.frames.take(self.owner, 0) else {
            return Some(Err(Exhausted));
        };
        if small.add_branch(index, link(below)).is_err() {
            self.frames.give(below, 0);
            return None;
        }
        Some(Ok(below))
    }

    /// The last-level table for an address, with all tables on the way made.
    fn last_table(&mut self, address: u64) -> Result<Table<'static>, Exhausted> {
        let (mut frame, top) = match self.branch(address) {
            Some(branch) => (branch?, 1),
            None => {
                self.become_large()?;
                (self.make_root()?, 0)
            }
        };
        for level in top..LAST_LEVEL {
            let index = radix::index(address, level);
            // SAFETY: the space owns its root and the tables that valid entries above the last level link.
            let slots = unsafe { radix::table_at(frame.address(), index + 1) };
            let slot = slots.get(index).ok_or(Exhausted)?;
            let mut value = slot.get();
            if value & entry::VALID == 0 {
                // SAFETY: as above.
                let table = unsafe { Table::at(self.frames, frame, level) }.ok_or(Exhausted)?;
                let below = self.frames.take(self.owner, 0).ok_or(Exhausted)?;
                value = link(below);
                slot.set(value);
                table.filled(index..index + 1, 1);
            }
            frame = linked(value);
        }
        // SAFETY: as above; the space keeps the table while it is not pruned or discarded, which takes `&mut self`, and
        // no caller keeps the result that long.
        unsafe { Table::at(self.frames, frame, LAST_LEVEL) }.ok_or(Exhausted)
    }

    /// The topmost tables that pages lie below: the root, or the branches of a small space. With each its level and the first
    /// page that it translates.
    fn tops(&self, (start, end): (u64, u64)) -> impl Iterator<Item = (u64, (usize, FrameNumber))> {
        let root = self.root.map(|root| (0, (0, root)));
        let small = self.small.as_ref();
        let branches = small.map_or(&[][..], |small| small.branches());
        let below = branches.iter().map(move |&(index, value)| {
            let base = (index as u64) << span(0);
            (base, (1, linked(value)))
        });
        let within = move |base: u64| base < end && start < base + (1 << span(0));
        root.into_iter().chain(below.filter(move |it| within(it.0)))
    }

    /// Calls `each` for every installed page of `count` from `first` on, with its table. Absent tables cost one look.
    fn visit(&self, first: PageNumber, count: u64, each: &mut Visitor<'_>) {
        let range = within(first, count);
        for (base, top) in self.tops(range) {
            visit_table(self.frames, top, base, range, each);
        }
    }
}

/// An entry that links a table.
fn link(table: FrameNumber) -> u64 {
    entry::VALID | table.address() | entry::NINE_BITS
}

/// What is called for installed pages.
type Visitor<'a> = dyn FnMut(&Table<'static>, PageNumber, &radix::Entry) + 'a;

/// The part of a run of pages that programs have, as its first page and the one behind it.
fn within(first: PageNumber, count: u64) -> (u64, u64) {
    let limit = USER_LIMIT >> PAGE_SHIFT;
    (first.0.min(limit), first.0.saturating_add(count).min(limit))
}

fn visit_table(
    frames: &'static dyn TableFrames,
    (level, frame): (usize, FrameNumber),
    base: u64,
    (start, end): (u64, u64),
    each: &mut Visitor<'_>,
) {
    // SAFETY: called for the root and tables that valid entries link, which their space owns. Whoever keeps something of a
    // table gives it up before the table goes ([`Small::leave`]).
    let Some(table) = (unsafe { Table::at(frames, frame, level) }) else {
        return;
    };
    let range = touched(level, base, start, end);
    table.valid(range).for_each(|(index, slot)| {
        let page = table.page(base, index);
        if level == LAST_LEVEL {
            each(&table, PageNumber(page), slot);
        } else {
            visit_table(frames, table.below(slot), page, (start, end), each);
        }
    });
}

/// How many pages are installed under a table.
fn leaves_below(frames: &dyn TableFrames, (level, frame): (usize, FrameNumber)) -> u32 {
    // SAFETY: as in `visit_table`.
    let Some(table) = (unsafe { Table::at(frames, frame, level) }) else {
        return 0;
    };
    if level == LAST_LEVEL {
        return table.count();
    }
    let below = |(_, slot)| leaves_below(frames, table.below(slot));
    table.valid(table.all()).map(below).sum()
}

/// Removes the translations of a range under a table, and unlinks the tables that hold nothing then; true when the
/// table itself is empty now.
fn remove_from(
    (level, frame): (usize, FrameNumber),
    base: u64,
    (start, end): (u64, u64),
    removal: &mut Removal,
) -> bool {
    // SAFETY: as in `visit_table`; the caller has the space to itself.
    let Some(table) = (unsafe { Table::at(removal.frames, frame, level) }) else {
        return false;
    };
    let mut gone = 0;
    let range = touched(level, base, start, end);
    if level == LAST_LEVEL {
        let flush = &mut removal.flush;
        let all = !removal.is_small;
        table.valid(range).for_each(|(index, slot)| {
            if all || slot.is_referenced() {
                flush.page(PageNumber(table.page(base, index)).address());
            }
            slot.clear();
            gone += 1;
        });
    } else {
        table.valid(range).for_each(|(index, slot)| {
            let below = table.below(slot);
            if remove_from(below, table.page(base, index), (start, end), removal) {
                slot.clear();
                removal.push(below.1);
                gone += 1;
            }
        });
    }
    table.emptied(gone);
    level > 0 && !removal.is_small && table.is_empty()
}

/// What was removed and unlinked and is to be forgotten by the processor.
struct Removal {
    frames: &'static dyn TableFrames,
    tables: [FrameNumber; 16],
    length: usize,
    /// The tables of a small space stay, as its branches are linked in two roots, and what is not referenced is not cached.
    is_small: bool,
    identity: Identity,
    flush: Flush,
}

impl Removal {
    fn new(space: &Space) -> Self {
        let identity = space.known_as();
        Self {
            is_small: space.is_small(),
            frames: space.frames,
            tables: [FrameNumber(0); 16],
            length: 0,
            identity,
            flush: Flush::new(identity),
        }
    }

    fn push(&mut self, table: FrameNumber) {
        if self.length == self.tables.len() {
            self.finish();
            self.flush = Flush::new(self.identity);
        }
        self.tables[self.length] = table;
        self.length += 1;
    }

    /// Has the processor forget, and gives the tables back.
    fn finish(&mut self) {
        self.flush.finish(self.length > 0);
        if self.length > 0 {
            cpu::wait_for_walks();
            for &table in &self.tables[..self.length] {
                self.frames.give(table, 0);
            }
            self.length = 0;
        }
    }
}

/// The rights of an entry. Radix has no page that can be written but not read.
fn rights(allowed: Protection) -> u64 {
    let has = |protection| u64::from(allowed.intersects(protection));
    let read = has(Protection::READ | Protection::WRITE) * entry::READ;
    // Changed goes with the right: a processor that has to set the bit might write the entry back over its removal
    // (QEMU's does not do it atomically), and the page would be there again after the flush.
    let write = has(Protection::WRITE) * (entry::WRITE | entry::CHANGED);
    let execute = has(Protection::EXECUTE) * entry::EXECUTE;
    read | write | execute
}

/// A leaf with these rights, without its frame. Referenced at once, as somebody wants it, but for small spaces, which are told
/// that way what is used.
fn leaf(allowed: Protection, is_small: bool) -> u64 {
    let referenced = if is_small { 0 } else { entry::REFERENCED };
    entry::VALID | entry::LEAF | referenced | rights(allowed)
}

/// Writes neighbouring entries of a last-level table, the first of which is that of `first`.
fn set_entries(
    (identity, is_small): (Identity, bool),
    first: PageNumber,
    table: &Table<'_>,
    entries: &[Option<(FrameNumber, Protection)>],
) {
    let index = radix::index(first.address(), LAST_LEVEL);
    let slots = table.from(index);
    let mut flush = None;
    let mut added = 0;
    // What a frame holds is seen before the way to it.
    fence(Ordering::Release);
    // Neighbours mostly have the same rights.
    let leaf = |allowed| leaf(allowed, is_small);
    let (mut same, mut bits) = (Protection::empty(), leaf(Protection::empty()));
    for ((offset, entry), slot) in entries.iter().enumerate().zip(slots) {
        let Some((frame, allowed)) = *entry else {
            continue;
        };
        if allowed != same {
            (same, bits) = (allowed, leaf(allowed));
        }
        let value = bits | frame.address();
        if !slot.is_valid() {
            slot.set_unordered(value);
            added += 1;
            continue;
        }
        let old = slot.get();
        if old & entry::FRAME == frame.address() && old & RIGHTS & !bits == 0 {
            slot.set_bits(value);
        } else {
            // A different frame or fewer rights: the old translation is gone everywhere before the new one is seen.
            let keep = if old & entry::FRAME == frame.address() {
                entry::CHANGED
            } else {
                0
            };
            slot.clear_bits(!keep);
            flush
                .get_or_insert_with(|| Flush::new(identity))
                .page(PageNumber(first.0 + offset as u64).address());
        }
    }
    table.filled(index..index + entries.len(), added);
    let Some(flush) = flush else {
        return;
    };
    flush.finish(false);
    for (entry, slot) in entries.iter().zip(slots) {
        let old = slot.get();
        if let Some((frame, allowed)) = *entry
            && old & entry::VALID == 0
        {
            slot.set(leaf(allowed) | frame.address() | old & entry::CHANGED);
        }
    }
}

const RIGHTS: u64 = entry::READ | entry::WRITE | entry::EXECUTE;

impl Translations for Space {
    /// PIDR is written only for a change: QEMU drops its whole translation cache then. It does so again when an active space
    /// gets a root, which the program's first instruction would ask for; so there is one before. A space that is new or changes
    /// often becomes small for that reason, and stays so while it has few translations and runs on one CPU at a time.
    fn activate(&mut self) {
        let elsewhere = self.small.as_ref().is_some_and(|it| it.is_elsewhere());
        if elsewhere {
            // Without memory for a root it stays small, and takes turns on this CPU.
            if self.become_large().is_err() {
                self.be_alone();
            }
        } else if self.small.is_none()
            && cpu_tree::pays()
            && !self.is_active()
            && self.habit.count()
        {
            self.become_small();
        }
        if let Some(small) = &mut self.small {
            return small.enter();
        }
        if !self.is_active() {
            // Without memory for it the program's first fault says so.
            self.make_root().ok();
        }
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
        if self.habit.is_new && self.root.is_none() && self.small.is_none() && cpu_tree::pays() {
            self.become_small();
        }
        self.be_alone();
        let mut page = first;
        let mut rest = entries;
        while !rest.is_empty() {
            let index = radix::index(page.address(), LAST_LEVEL);
            let (here, later) = rest.split_at(rest.len().min(TABLE_ENTRIES - index));
            if here.iter().any(Option::is_some) {
                let table = self.last_table(page.address())?;
                self.note(page, here, &table)?;
                set_entries((self.known_as(), self.is_small()), page, &table, here);
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
        self.be_alone();
        let mut flush = Flush::new(self.known_as());
        let new = rights(allowed);
        let all = !self.is_small();
        for &(first, count) in runs {
            self.visit(first, count, &mut |_, page, slot| {
                let taken = slot.get() & RIGHTS & !new;
                slot.set_bits(new);
                if taken != 0 {
                    slot.clear_bits(taken);
                    if all || slot.is_referenced() {
                        flush.page(page.address());
                    }
                }
            });
        }
        flush.finish(false);
    }

    fn remove(&mut self, first: PageNumber, count: u64) {
        let (start, end) = within(first, count);
        if let Some(small) = &self.small
            && !small.has_any(start..end)
        {
            return;
        }
        self.be_alone();
        let mut removal = Removal::new(self);
        for (base, top) in self.tops((start, end)) {
            remove_from(top, base, (start, end), &mut removal);
        }
        removal.finish();
    }

    fn discard(&mut self) {
        if !self.has_tables() {
            return;
        }
        self.habit = Habit {
            is_new: self.refillable,
            ..Habit::NEW
        };
        if let Some(mut small) = self.small.take() {
            small.leave();
            cpu::wait_for_walks();
            for &(_, value) in small.branches() {
                give_tables(self.frames, (1, linked(value)));
                self.frames.give(linked(value), 0);
            }
            return;
        }
        let before = self.process_entry();
        let Some(root) = self.root.take() else { return };
        if process_id::retire(self.identity, before) {
            self.identity = Identity::default();
        } else {
            process_id::set_tree(self.identity, before, process_id::no_tree());
            cpu::wait_for_walks();
        }
        give_tables(self.frames, (0, root));
        self.frames.give(root, ROOT_ORDER);
    }
}

/// Gives back every table below one; the processor does not know the tree any more.
fn give_tables(frames: &dyn TableFrames, (level, frame): (usize, FrameNumber)) {
    // SAFETY: as in `visit_table`; the caller has unlinked the tree.
    let Some(table) = (unsafe { Table::at(frames, frame, level) }) else {
        return;
    };
    for (_, slot) in table.valid(table.all()) {
        let below = table.below(slot);
        if below.0 < LAST_LEVEL {
            give_tables(frames, below);
        }
        frames.give(below.1, 0);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.discard();
    }
}
