//! What portable code knows of the memory management unit.
//!
//! Translations are a cache of an address-space description: they may be dropped at any time and are
//! installed again by the next fault. Nothing but an implementation of [`Translations`] knows how they
//! are stored, so a hash page table can stand where the radix tree stands today.

use crate::Cid;
use bitflags::bitflags;
use core::sync::atomic::AtomicU32;

/// The number of a physical page frame: its real address divided by [`crate::PAGE_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNumber(pub u32);

impl FrameNumber {
    /// The real address of the frame's first byte.
    #[must_use]
    pub const fn address(self) -> u64 {
        (self.0 as u64) << crate::PAGE_SHIFT
    }
}

/// The number of a page of an address space: its effective address divided by [`crate::PAGE_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNumber(pub u64);

impl PageNumber {
    /// The page that holds a byte.
    #[must_use]
    pub const fn holding(address: u64) -> Self {
        Self(address >> crate::PAGE_SHIFT)
    }

    /// The effective address of the page's first byte.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 << crate::PAGE_SHIFT
    }
}

bitflags! {
    /// What a program may do with a page.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Protection: u8 {
        /// Load.
        const READ = 1;
        /// Store.
        const WRITE = 2;
        /// Fetch instructions.
        const EXECUTE = 4;
    }
}

/// What a program tried when it faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// There is no frame for a translation table; the caller frees memory or reports ENOMEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// What is noted beside a translation table, so that tables with few entries need not be searched.
#[derive(Clone, Copy, Debug)]
pub struct TableNotes<'a> {
    /// How many entries are valid.
    pub filled: &'a AtomicU32,
    /// Which parts of the table may have valid entries, a bit each.
    pub groups: &'a AtomicU32,
}

/// Where translation tables come from: frames in powers of two, aligned to their size, zeroed.
pub trait TableFrames: Sync {
    /// Takes `1 << order` contiguous zeroed frames, charged to `owner`; `None` when there are none.
    fn take(&self, owner: Cid, order: u32) -> Option<FrameNumber>;

    /// Two numbers beside a table, 0 when it is taken, for whoever has it to note what the table holds; `None` when
    /// [`TableFrames::take`] has not returned this frame.
    fn notes(&self, first: FrameNumber) -> Option<TableNotes<'_>>;

    /// Gives back what [`TableFrames::take`] returned.
    fn give(&self, first: FrameNumber, order: u32);
}

/// The translations of one address space.
///
/// Every change is visible to every CPU when the call returns (the implementation flushes what it must).
/// Dropping the value releases all table frames.
pub trait Translations: Send {
    /// Makes `page` translate to `frame`, replacing what was there.
    ///
    /// # Errors
    /// [`Exhausted`] when no table frame is to be had; nothing has changed then.
    fn install(
        &mut self,
        page: PageNumber,
        frame: FrameNumber,
        allowed: Protection,
    ) -> Result<(), Exhausted>;

    /// Makes the pages from `first` on translate to the frames of `entries`; those without an entry stay as they are.
    ///
    /// One call for a fault with its neighbours, so that an implementation can walk to the last level of a tree
    /// and flush once for all of them. The default installs one by one.
    ///
    /// # Errors
    /// [`Exhausted`] when no table frame is to be had; some of the pages may be installed then.
    fn install_run(
        &mut self,
        first: PageNumber,
        entries: &[Option<(FrameNumber, Protection)>],
    ) -> Result<(), Exhausted> {
        for (number, entry) in (first.0..).zip(entries) {
            if let Some((frame, allowed)) = entry {
                self.install(PageNumber(number), *frame, *allowed)?;
            }
        }
        Ok(())
    }

    /// Narrows or widens the protection of those of `count` pages from `first` on that are installed.
    fn protect(&mut self, first: PageNumber, count: u64, allowed: Protection);

    /// Does [`Translations::protect`] for several runs of pages, so that an implementation can flush once (fork).
    /// The default goes run by run.
    fn protect_runs(&mut self, runs: &[(PageNumber, u64)], allowed: Protection) {
        for (first, count) in runs {
            self.protect(*first, *count, allowed);
        }
    }

    /// Removes the translations of `count` pages from `first` on; absent ones are skipped cheaply.
    fn remove(&mut self, first: PageNumber, count: u64);

    /// Makes these the translations of the programs that run on the CPU that calls, and of the kernel's access to
    /// user memory there. Cheap when they already are.
    fn activate(&mut self);

    /// Drops every translation and every table frame, the root included; the next install begins anew.
    fn discard(&mut self);
}
