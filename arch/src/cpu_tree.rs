//! One tree for each CPU, in which small address spaces take turns.
//!
//! QEMU forgets every translation, the kernel's too, when PIDR is written: a change of address spaces that way is followed
//! by a refill for each page that anybody touches. It forgets a single page where `tlbiel` names one. So each CPU has a
//! process id and a root of its own, and a space with few translations runs under that id: its branches are linked
//! into the CPU's root, and when another space comes they are unlinked and its pages are forgotten one by one. PIDR
//! is not written, and the kernel's translations stay.
//!
//! To forget a page costs as much as hundreds of instructions, and most of what a fault has brought in around the page
//! that was wanted is never used. QEMU caches no translation whose entry is not *referenced*. So the entries of a
//! small space begin without that bit, and only pages with it are forgotten; not even those that the next occupant
//! translates in the same way, as two programs do one of which has forked the other.
//!
//! Invariants: an entry of a CPU's root is valid only if it is that of the *occupant*'s own root. Every page that a
//! translation may be cached for under the CPU's id is among the [`Contents`] of its occupant, and its entry there is
//! referenced: a page is noted before it is installed, and stays noted until all have been forgotten. The contents are
//! kept twice, by the space and beside the root, because a CPU that wants its root has no right to look into the space
//! that has it. While another CPU has the space nobody takes anything from an entry that may lack the bit: QEMU before
//! 8.1 sets it by writing the entry back as it was.
//!
//! A space is the occupant of one CPU at most. Lock: one for each root, innermost.

use crate::cpu::{self, CpuNumber};
use crate::exposure;
use crate::process_id::{self, Identity};
use crate::radix::{self, Entry, Root};
use crate::table::{LAST_LEVEL, Table};
use crate::{MAX_CPUS, rtas};
use abi::mmu::PageNumber;
use alloc::boxed::Box;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use sync::{Rank, SpinLock};

/// Pages that a small space has at the most: to look through more of them costs as much as refilling.
pub(crate) const MOST_PAGES: usize = 512;
/// Groups that they lie in at the most.
const MOST_GROUPS: usize = 64;
/// Forgetting more pages than that one by one costs as much as refilling.
const MOST_FORGOTTEN: usize = 32;
/// Entries of its root: one for 512 GiB.
const MOST_BRANCHES: usize = 4;
/// Turns after which a program does what it has been started for.
const SETTLED: u32 = 16;

/// There is no room for another page or branch: the space is not small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

/// A branch of a tree: an index of the root, and the entry there.
pub(crate) type Branch = (usize, u64);

/// Pages of a group.
const GROUP: usize = 16;

/// Sixteen neighbouring pages, the first of which has a multiple of sixteen as its number, and which of them are meant.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    /// The number of the first page, divided by sixteen.
    key: u64,
    pages: u16,
    /// Those of all sixteen, in a table that stays while the space is small.
    entries: &'static [Entry; GROUP],
}

static NO_ENTRIES: [Entry; GROUP] = [const { Entry::empty() }; GROUP];

impl Group {
    const NONE: Self = Self {
        key: 0,
        pages: 0,
        entries: &NO_ENTRIES,
    };

    /// The group of a page in its last-level table. Of the bits of `pages` the lowest means that page, the others those behind
    /// it.
    pub(crate) fn of(page: PageNumber, pages: u16, table: &Table<'static>) -> Self {
        let first = radix::index(page.address(), LAST_LEVEL) & !(GROUP - 1);
        Self {
            key: page.0 >> 4,
            pages: pages << (page.0 & 15),
            entries: table.from(first).first_chunk().unwrap_or(&NO_ENTRIES),
        }
    }

    /// How many pages there are in the group of a page from that on.
    pub(crate) const fn room(page: PageNumber) -> usize {
        GROUP - (page.0 as usize & (GROUP - 1))
    }

    /// The same group, with those of its pages whose translations may be cached.
    fn used(mut self) -> Self {
        let mut referenced = 0;
        for (number, entry) in self.entries.iter().enumerate() {
            referenced |= u16::from(entry.is_referenced()) << number;
        }
        self.pages &= referenced;
        self
    }

    /// The numbers of the pages in the group.
    fn numbers(self) -> impl Iterator<Item = u32> {
        let mut rest = self.pages;
        core::iter::from_fn(move || {
            let number = rest.checked_ilog2()?;
            rest &= !(1 << number);
            Some(number)
        })
    }

    fn address(self, number: u32) -> u64 {
        PageNumber(self.key << 4 | u64::from(number)).address()
    }

    /// The addresses of the pages.
    fn addresses(self) -> impl Iterator<Item = u64> {
        self.numbers().map(move |number| self.address(number))
    }

    fn entry(self, number: u32) -> &'static Entry {
        &self.entries[number as usize % GROUP]
    }

    /// Makes a page whose translation is cached, and was that of `entry`, its own, if it translates it in the same way.
    fn takes_over(self, number: u32, entry: &Entry) -> bool {
        let own = self.entry(number);
        let same = self.pages & 1 << number != 0 && own.translates_like(entry);
        if same && !own.is_referenced() {
            own.set_bits(radix::entry::REFERENCED);
        }
        same
    }
}

/// What there may be translations for.
struct Contents {
    branches: [Branch; MOST_BRANCHES],
    branch_count: usize,
    groups: [Group; MOST_GROUPS],
    group_count: usize,
    page_count: usize,
    /// How often it has come to a CPU.
    turns: u32,
}

impl Contents {
    const EMPTY: Self = Self {
        branches: [(0, 0); MOST_BRANCHES],
        branch_count: 0,
        groups: [Group::NONE; MOST_GROUPS],
        group_count: 0,
        page_count: 0,
        turns: 0,
    };

    fn branches(&self) -> &[Branch] {
        self.branches.get(..self.branch_count).unwrap_or(&[])
    }

    fn groups(&self) -> &[Group] {
        self.groups.get(..self.group_count).unwrap_or(&[])
    }

    /// Has this CPU forget what it may have cached; what `next` translates in the same way becomes its own.
    fn forget_here(&self, process: Identity, next: &Self) {
        let mut addresses = [0; MOST_FORGOTTEN];
        let mut count = 0;
        let mut others = next.groups();
        for group in self.groups().iter().map(|group| group.used()) {
            if group.pages == 0 {
                continue;
            }
            while let Some((_, rest)) = others.split_first().filter(|it| it.0.key < group.key) {
                others = rest;
            }
            let other = others.first().filter(|other| other.key == group.key);
            for number in group.numbers() {
                let entry = group.entry(number);
                if other.is_some_and(|other| other.takes_over(number, entry)) {
                    continue;
                }
                if let Some(place) = addresses.get_mut(count) {
                    *place = group.address(number);
                }
                count += 1;
            }
        }
        let process = process.for_invalidation();
        let few = count <= MOST_FORGOTTEN;
        if few {
            // SAFETY: there are so many.
            unsafe { tlb_forget_here(addresses.as_ptr(), count as u64, process) };
        } else {
            tlb_forget_process_here(process);
        }
        if !few || self.is_to_be_renewed() {
            self.renew();
        }
    }

    /// Whether it is to be found out anew which pages are used: what is used at first is often not used later. Ever
    /// more seldom, because some processors interrupt the program to set the bit.
    fn is_to_be_renewed(&self) -> bool {
        self.turns >= SETTLED && self.turns.is_power_of_two()
    }

    /// Nothing is cached any more.
    fn renew(&self) {
        for group in self.groups() {
            for number in group.numbers() {
                group.entry(number).clear_bits(radix::entry::REFERENCED);
            }
        }
    }

    fn add_branch(&mut self, branch: Branch) -> Result<(), Crowded> {
        *self.branches.get_mut(self.branch_count).ok_or(Crowded)? = branch;
        self.branch_count += 1;
        Ok(())
    }

    /// Once only: a page that has been removed is still noted when it comes again. Groups are in the order of their keys.
    fn add(&mut self, group: Group) -> Result<(), Crowded> {
        let index = self.groups().partition_point(|it| it.key < group.key);
        let known = self.groups().get(index).filter(|it| it.key == group.key);
        let noted = known.map_or(0, |known| known.pages);
        let more = (group.pages & !noted).count_ones() as usize;
        if self.page_count + more > MOST_PAGES {
            return Err(Crowded);
        }
        if known.is_none() {
            let moved = self.groups.get_mut(index..=self.group_count);
            moved.ok_or(Crowded)?.rotate_right(1);
            self.group_count += 1;
        }
        let place = self.groups.get_mut(index).ok_or(Crowded)?;
        *place = Group {
            pages: noted | group.pages,
            ..group
        };
        self.page_count += more;
        Ok(())
    }

    fn clear(&mut self) {
        (self.branch_count, self.group_count, self.page_count) = (0, 0, 0);
    }

    fn copy(&mut self, other: &Self) {
        self.branches = other.branches;
        self.branch_count = other.branch_count;
        for (place, &group) in self.groups.iter_mut().zip(other.groups()) {
            *place = group;
        }
        (self.group_count, self.page_count) = (other.group_count, other.page_count);
        self.turns = other.turns;
    }
}

/// What makes a space small.
pub(crate) struct Small {
    /// Tells it from every other.
    serial: u64,
    /// Where it has been the occupant last.
    cpu: Option<CpuNumber>,
    contents: Contents,
}

/// The tree of a CPU.
struct CpuTree {
    root: &'static Root,
    state: &'static SpinLock<State>,
}

struct State {
    /// The serial of the small space that has the root; 0: nobody.
    occupant: u64,
    contents: Contents,
}

static ROOTS: [Root; MAX_CPUS] =
    [const { Root([const { Entry::empty() }; radix::ROOT_ENTRIES]) }; MAX_CPUS];
static STATES: [SpinLock<State>; MAX_CPUS] = [const {
    SpinLock::new(
        Rank::Machine,
        State {
            occupant: 0,
            contents: Contents::EMPTY,
        },
    )
}; MAX_CPUS];

static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

unsafe extern "C" {
    safe fn tlb_begin();
    safe fn tlb_page(page: u64, process: u64);
    safe fn tlb_walks(process: u64);
    safe fn tlb_wait();
    safe fn tlb_forget_process_here(process: u64);
    /// Reads `count` addresses at `pages`.
    fn tlb_forget_here(pages: *const u64, count: u64, process: u64);
}

/// Whether it pays on this machine.
pub(crate) fn pays() -> bool {
    rtas::is_emulated()
}

/// The process table entries of the CPUs' trees, in the order of [`CpuNumber`].
pub(crate) fn process_entries() -> impl Iterator<Item = u64> {
    ROOTS
        .iter()
        .map(|root| radix::process_entry(radix::real(root)))
}

impl CpuTree {
    fn of(cpu: CpuNumber) -> Self {
        let index = usize::from(cpu.0) % MAX_CPUS;
        Self {
            root: &ROOTS[index],
            state: &STATES[index],
        }
    }

    fn link(&self, &(index, value): &Branch) {
        if let Some(entry) = self.root.0.get(index) {
            entry.set(value);
        }
    }

    /// Empties the root. What has been cached through it is not forgotten yet.
    fn unlink(&self, state: &mut State) {
        for &(index, _) in state.contents.branches() {
            self.link(&(index, 0));
        }
        state.occupant = 0;
    }
}

impl Small {
    /// A small space without contents; `None` when there is no memory.
    pub(crate) fn new() -> Option<Box<Self>> {
        fallible::boxed(Self {
            serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed),
            cpu: None,
            contents: Contents::EMPTY,
        })
        .ok()
    }

    /// The entries of its root that it has.
    pub(crate) fn branches(&self) -> &[Branch] {
        self.contents.branches()
    }

    /// Forgets what there is: it has no tables any more.
    pub(crate) fn clear(&mut self) {
        self.contents.clear();
    }

    /// No processor has cached anything of it: what is used from now on is to be found out.
    pub(crate) fn renew(&self) {
        self.contents.renew();
    }

    /// Whether there may be translations for any of these pages.
    pub(crate) fn has_any(&self, pages: Range<u64>) -> bool {
        let mut groups = self.contents.groups().iter();
        groups.any(|group| {
            (group.key << 4 < pages.end && pages.start < (group.key + 1) << 4)
                && group
                    .addresses()
                    .any(|address| pages.contains(&PageNumber::holding(address).0))
        })
    }

    /// Notes pages that are about to be installed.
    pub(crate) fn add(&mut self, group: Group) -> Result<(), Crowded> {
        self.contents.add(group)?;
        let Some(cpu) = self.cpu else { return Ok(()) };
        let mut state = CpuTree::of(cpu).state.lock();
        if state.occupant == self.serial {
            state.contents.add(group)?;
        }
        Ok(())
    }

    /// Notes an entry of the space's root that has just been made, and links it where the space is the occupant.
    pub(crate) fn add_branch(&mut self, index: usize, value: u64) -> Result<(), Crowded> {
        self.contents.add_branch((index, value))?;
        let Some(cpu) = self.cpu else { return Ok(()) };
        let tree = CpuTree::of(cpu);
        let mut state = tree.state.lock();
        if state.occupant == self.serial {
            state.contents.add_branch((index, value))?;
            tree.link(&(index, value));
        }
        Ok(())
    }

    /// The identity that the processor knows the space by at this moment; none when it is no occupant.
    pub(crate) fn identity(&self) -> Identity {
        self.cpu
            .filter(|&cpu| CpuTree::of(cpu).state.lock().occupant == self.serial)
            .map_or(Identity::default(), Identity::of_cpu)
    }

    /// Whether another CPU has the space as its occupant.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.cpu != Some(cpu::this()) && self.identity() != Identity::default()
    }

    /// Makes it the occupant of this CPU, which translates by its own tree from now on. It is not [`Small::is_elsewhere`].
    pub(crate) fn enter(&mut self) {
        let cpu = cpu::this();
        let own = Identity::of_cpu(cpu);
        let tree = CpuTree::of(cpu);
        {
            let mut state = tree.state.lock();
            if state.occupant != self.serial {
                tree.unlink(&mut state);
                state.contents.forget_here(own, &self.contents);
                self.contents.turns = self.contents.turns.saturating_add(1);
                state.contents.copy(&self.contents);
                state.contents.branches().iter().for_each(|b| tree.link(b));
                state.occupant = self.serial;
                process_id::note_change();
                // SAFETY: only orders the stores before the next walk.
                unsafe { core::arch::asm!("ptesync", options(nostack, preserves_flags)) };
            }
        }
        self.cpu = Some(cpu);
        process_id::adopt(own);
    }

    /// Ends its turn wherever it is the occupant: afterwards no CPU uses a translation of it.
    pub(crate) fn leave(&mut self) {
        if let Some(cpu) = self.cpu.take() {
            let tree = CpuTree::of(cpu);
            let mut state = tree.state.lock();
            if state.occupant == self.serial {
                tree.unlink(&mut state);
                forget(cpu, &state.contents);
                state.contents.clear();
            }
        }
    }
}

/// Has a CPU forget what it may have cached through its own tree, which is empty.
fn forget(cpu: CpuNumber, contents: &Contents) {
    let own = Identity::of_cpu(cpu);
    if cpu == cpu::this() {
        return contents.forget_here(own, &Contents::EMPTY);
    }
    let process = own.for_invalidation();
    tlb_begin();
    tlb_walks(process);
    for group in contents.groups() {
        group.addresses().for_each(|page| tlb_page(page, process));
    }
    tlb_wait();
    exposure::wait(own);
}
