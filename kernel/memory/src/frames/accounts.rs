//! Which partition holds how many frames of which kind.

use super::Kind;
use abi::{Cid, Pages};
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

/// One partition's frames. Written only under the allocator's lock, so plain loads and stores are enough.
struct Account {
    pages: [AtomicU32; Kind::COUNT],
    total: AtomicU32,
    /// The hard maximum; 0 is none, so that the table needs no initial contents.
    maximum: AtomicU32,
    /// What is kept for the partition while it holds less.
    minimum: AtomicU32,
}

/// What all partitions together lack to their minimums.
static PROMISED: AtomicU32 = AtomicU32::new(0);

static ACCOUNTS: [Account; Cid::LIMIT as usize + 1] = [const {
    Account {
        pages: [const { AtomicU32::new(0) }; Kind::COUNT],
        total: AtomicU32::new(0),
        maximum: AtomicU32::new(0),
        minimum: AtomicU32::new(0),
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
    let account = account(owner);
    let maximum = account.maximum.load(Relaxed);
    maximum == 0 || account.total.load(Relaxed).saturating_add(count) <= maximum
}

impl Account {
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
    account(owner).maximum.store(maximum, Relaxed);
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
    Usage {
        anonymous: pages(Kind::Anonymous),
        file: pages(Kind::File),
        kernel: pages(Kind::Kernel),
        tables: pages(Kind::Table),
        device: pages(Kind::Device),
    }
}
