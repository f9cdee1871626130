//! Which partition holds how many frames of which kind.

use super::Kind;
use abi::{Cid, PAGE_SIZE, Pages};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The exact numbers of frames charged to one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Private and anonymous shared memory of programs.
    pub anonymous: Pages,
    /// Contents of files.
    pub file: Pages,
    /// The kernel's own objects.
    pub kernel: Pages,
    /// Translation tables.
    pub tables: Pages,
    /// Buffers that a device reads or writes.
    pub device: Pages,
}

impl Usage {
    /// All kinds together.
    #[must_use]
    pub fn total(self) -> Pages {
        self.anonymous + self.file + self.kernel + self.tables + self.device
    }
}

/// One partition's frames. But for the heap's objects, written only under the allocator's lock, so plain loads and stores are enough.
struct Account {
    pages: [AtomicU32; Kind::COUNT],
    total: AtomicU32,
    /// The hard maximum; 0 is none, so that the table needs no initial contents.
    maximum: AtomicU32,
    /// What it may hold beyond that while its first process runs.
    grace: AtomicU32,
    /// What it held beyond the maximum when that was set, or less: it only falls, so that grace given again and again adds up to nothing.
    excess: AtomicU32,
    /// What is kept for the partition while it holds less.
    minimum: AtomicU32,
    /// The kernel's objects that the partition has caused, in [`HEAP_UNIT`]s. The heap's locks are several, so this is
    /// counted atomically.
    heap: AtomicU32,
    /// What of it was left by former partitions of this number, in tables that all share: Global's.
    inherited: AtomicU32,
}

/// The unit of objects of the heap, in bytes.
pub(crate) const HEAP_UNIT: usize = 16;
const UNITS_OF_PAGE: u32 = (PAGE_SIZE / HEAP_UNIT) as u32;

/// The objects of all partitions but Global, in [`HEAP_UNIT`]s.
static HEAP_OF_OTHERS: AtomicU32 = AtomicU32::new(0);

/// What all partitions together lack to their minimums.
static PROMISED: AtomicU32 = AtomicU32::new(0);

static ACCOUNTS: [Account; Cid::LIMIT as usize + 1] = [const {
    Account {
        pages: [const { AtomicU32::new(0) }; Kind::COUNT],
        total: AtomicU32::new(0),
        maximum: AtomicU32::new(0),
        grace: AtomicU32::new(0),
        excess: AtomicU32::new(0),
        minimum: AtomicU32::new(0),
        heap: AtomicU32::new(0),
        inherited: AtomicU32::new(0),
    }
}; Cid::LIMIT as usize + 1];

fn account(owner: Cid) -> &'static Account {
    // A cid beyond the table cannot be loaded; if one turns up, Global pays.
    ACCOUNTS.get(usize::from(owner.0)).unwrap_or(&ACCOUNTS[0])
}

fn adjust(cell: &AtomicU32, change: i32) {
    cell.store(cell.load(Relaxed).wrapping_add_signed(change), Relaxed);
}

/// Whether `owner` may have `count` more frames.
#[inline]
pub(super) fn permits(owner: Cid, count: u32) -> bool {
    room(owner) >= count
}

/// How many more frames `owner` may have.
#[inline]
pub(super) fn room(owner: Cid) -> u32 {
    let account = account(owner);
    let maximum = account.maximum.load(Relaxed);
    if maximum == 0 {
        return u32::MAX;
    }
    let most = maximum.saturating_add(account.grace.load(Relaxed));
    most.saturating_sub(account.used())
}

/// What `owner` may hold beyond its maximum now.
#[inline]
pub(super) fn grace(owner: Cid) -> u32 {
    account(owner).grace.load(Relaxed)
}

/// Permits `pages` beyond the maximum, or beyond what `owner` holds, where the maximum was set below that.
pub(super) fn give_grace(owner: Cid, pages: u32) {
    let account = account(owner);
    let excess = account.excess.load(Relaxed).min(account.excess_now());
    account.excess.store(excess, Relaxed);
    account.grace.store(excess.saturating_add(pages), Relaxed);
}

pub(super) fn end_grace(owner: Cid) {
    account(owner).grace.store(0, Relaxed);
}

/// Charges `units` of the heap to `owner`. Global has what nobody else has, so it needs no count.
#[inline]
pub(crate) fn charge_heap(owner: Cid, units: u32) {
    if !owner.is_global() {
        account(owner).heap.fetch_add(units, Relaxed);
        HEAP_OF_OTHERS.fetch_add(units, Relaxed);
    }
}

/// Takes back what [`charge_heap`] has charged.
#[inline]
pub(crate) fn discharge_heap(owner: Cid, units: u32) {
    if owner.is_global() {
        return;
    }
    let account = account(owner);
    let left = account.heap.fetch_sub(units, Relaxed).wrapping_sub(units);
    // Below what was inherited, the object is one of those that are Global's already.
    let strange = account.inherited.load(Relaxed).saturating_sub(left);
    if strange > 0 {
        account.inherited.fetch_sub(strange, Relaxed);
    }
    HEAP_OF_OTHERS.fetch_sub(units.saturating_sub(strange), Relaxed);
}

/// What is left of the objects of `owner`, which is gone, is Global's from now on. Answers its bytes.
pub(super) fn inherit_heap(owner: Cid) -> usize {
    let account = account(owner);
    let left = account.objects();
    account.inherited.fetch_add(left, Relaxed);
    HEAP_OF_OTHERS.fetch_sub(left, Relaxed);
    left as usize * HEAP_UNIT
}

impl Account {
    /// The partition's objects in the heap, in [`HEAP_UNIT`]s.
    #[inline]
    fn objects(&self) -> u32 {
        self.heap
            .load(Relaxed)
            .saturating_sub(self.inherited.load(Relaxed))
    }

    /// All frames that count to the maximum.
    #[inline]
    fn used(&self) -> u32 {
        let objects = self.objects().div_ceil(UNITS_OF_PAGE);
        self.total.load(Relaxed).saturating_add(objects)
    }

    /// What the partition holds beyond its maximum.
    fn excess_now(&self) -> u32 {
        self.used().saturating_sub(self.maximum.load(Relaxed))
    }

    /// What the partition lacks to its minimum.
    #[inline]
    fn lack(&self) -> u32 {
        let minimum = self.minimum.load(Relaxed);
        if minimum == 0 {
            return 0;
        }
        minimum.saturating_sub(self.total.load(Relaxed))
    }

    /// Does `change` and keeps the sum of what is lacking exact.
    #[inline]
    fn keeping_promises(&self, change: impl FnOnce(&Self)) {
        let before = self.lack();
        change(self);
        let after = self.lack();
        if before != after {
            let promised = PROMISED.load(Relaxed).wrapping_sub(before);
            PROMISED.store(promised.wrapping_add(after), Relaxed);
        }
    }
}

/// The frames that others than `owner` lack to their minimums.
#[inline]
pub(super) fn promised_to_others(owner: Cid) -> u32 {
    match PROMISED.load(Relaxed) {
        0 => 0,
        promised => promised.wrapping_sub(account(owner).lack()),
    }
}

/// Notes `change` frames of `kind` more or less for `owner`.
#[inline]
pub(super) fn charge(owner: Cid, kind: Kind, change: i32) {
    account(owner).keeping_promises(|account| {
        adjust(&account.pages[kind as usize], change);
        adjust(&account.total, change);
    });
}

pub(super) fn set_minimum(owner: Cid, minimum: u32) {
    account(owner).keeping_promises(|account| account.minimum.store(minimum, Relaxed));
}

pub(super) fn set_maximum(owner: Cid, maximum: u32) {
    let account = account(owner);
    account.maximum.store(maximum, Relaxed);
    account.excess.store(account.excess_now(), Relaxed);
}

pub(super) fn maximum(owner: Cid) -> Option<Pages> {
    match account(owner).maximum.load(Relaxed) {
        0 => None,
        pages => Some(Pages(u64::from(pages))),
    }
}

pub(super) fn usage(owner: Cid) -> Usage {
    let account = account(owner);
    let pages = |kind: Kind| Pages(u64::from(account.pages[kind as usize].load(Relaxed)));
    // The heap's frames are Global's, less what lies in them for others.
    let Pages(frames) = pages(Kind::Kernel);
    let kernel = if owner.is_global() {
        frames.saturating_sub(u64::from(HEAP_OF_OTHERS.load(Relaxed) / UNITS_OF_PAGE))
    } else {
        frames + u64::from(account.objects().div_ceil(UNITS_OF_PAGE))
    };
    Usage {
        anonymous: pages(Kind::Anonymous),
        file: pages(Kind::File),
        kernel: Pages(kernel),
        tables: pages(Kind::Table),
        device: pages(Kind::Device),
    }
}
