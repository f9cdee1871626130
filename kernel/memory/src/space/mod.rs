//! Address spaces: areas, pages, faults.
//!
//! An [`AddressSpace`] is the description of what a process sees: *areas* (ranges with a protection and an
//! origin) and *pages* (frames that exist). Translations are a cache of it: a fault installs them, and
//! [`AddressSpace::discard_translations`] may drop them all at any time (a process that sleeps for long gives
//! its tables back).
//!
//! Invariants: areas do not overlap, none is empty, and neighbours that could be one are one; a page exists only
//! inside an area; a translation exists only for a page that exists and never allows more than area and
//! page do; a frame is released only after its translation is gone.
//!
//! Nothing here waits and nothing stops the kernel when memory runs out: tables grow by fallible insertions, and
//! an operation that fails leaves the space as it was (an area may be left cut in two equal ones).
//!
//! The space has no lock: the kernel wraps it in one of rank `AddressSpace`. Page sources are called under it.

mod area;
mod chunk;
mod copy;
mod fault;
mod fork;
mod locked;
mod map;
mod place;
mod remap;
mod residence;
mod sums;

pub use abi::mmu::Access;
pub use area::{Advice, Area, Backing, Fixed, MapRequest, Mapping, RemapFlags, Traits};
pub use fault::set_instruction_sync;
pub use fork::ForkError;
pub use residence::Resident;

use crate::frames::{Frame, Kind};
use crate::sorted::{Full, Sorted};
use abi::mmu::{PageNumber, Translations};
use abi::{Cid, Errno, PAGE_SHIFT, Pages};
use alloc::boxed::Box;
use chunk::Chunk;
use place::Holes;
use sums::{Peaks, Sums};

/// The most areas one space may have (`vm.max_map_count`).
pub const MAX_AREAS: usize = 65530;

/// Why an access to memory of a program cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No area holds the address: SIGSEGV with SEGV_MAPERR, EFAULT in a call.
    NoMapping,
    /// The area does not allow the access: SIGSEGV with SEGV_ACCERR, EFAULT in a call.
    Denied,
    /// The page lies beyond the end of the mapped object, or cannot be read: SIGBUS with BUS_ADRERR, EFAULT in a call.
    BeyondEnd,
    /// No frame is to be had for the page or for a translation table.
    OutOfMemory,
    /// The page is being read; the thread parks with the source and tries again.
    Pending,
}

impl From<FaultError> for Errno {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::OutOfMemory => Errno::ENOMEM,
            FaultError::Pending => Errno::EAGAIN,
            FaultError::NoMapping | FaultError::Denied | FaultError::BeyondEnd => Errno::EFAULT,
        }
    }
}

impl From<Full> for FaultError {
    fn from(_: Full) -> Self {
        FaultError::OutOfMemory
    }
}

impl From<Full> for Errno {
    fn from(_: Full) -> Self {
        Errno::ENOMEM
    }
}

/// Where things go in an address space.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The first address that does not belong to the program; a multiple of 64 KiB.
    pub user_limit: u64,
    /// The lowest address that may be mapped (`vm.mmap_min_addr`); never less than a page.
    pub lowest: u64,
    /// Mappings without an address lie below this one, the first the highest.
    pub mappings_below: u64,
}

impl Layout {
    /// Linux's arrangement: nothing below 64 KiB, 128 MiB at the top for the stack, mappings below that.
    #[must_use]
    pub const fn below(user_limit: u64) -> Self {
        let user_limit = user_limit & !0xffff;
        Self {
            user_limit,
            lowest: 0x1_0000,
            mappings_below: user_limit.saturating_sub(128 << 20),
        }
    }
}

/// How much a program may map (`man 2 getrlimit`), in whole pages; what is mapped beyond a limit stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// RLIMIT_AS: all areas.
    pub size: Pages,
    /// RLIMIT_DATA: areas that are private and can be written, but for stacks.
    pub data: Pages,
    /// RLIMIT_MEMLOCK: areas that are locked.
    pub locked: Pages,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self {
        size: Pages(u64::MAX),
        data: Pages(u64::MAX),
        locked: Pages(u64::MAX),
    };
}

/// Numbers for `/proc/PID/statm`, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// All areas.
    pub size: Pages,
    /// The most that this has been.
    pub peak_size: Pages,
    /// Pages that exist.
    pub resident: Pages,
    /// The most that there have been at once.
    pub peak_resident: Pages,
    /// Of these, pages of files and shared objects.
    pub shared: Pages,
    /// Size of executable areas that cannot be written.
    pub text: Pages,
    /// Size of private writable areas, heap and stack.
    pub data: Pages,
    /// Of these, the stacks.
    pub stack: Pages,
    /// Size of the areas that are locked.
    pub locked: Pages,
}

/// One process's memory.
pub struct AddressSpace {
    translations: Box<dyn Translations>,
    owner: Cid,
    layout: Layout,
    /// By start.
    areas: Sorted<Area>,
    /// By page number divided by [`chunk::PAGES`]; none is without pages.
    chunks: Sorted<Chunk>,
    holes: Holes,
    sums: Sums,
    /// Pages that exist.
    resident: u64,
    peaks: Peaks,
    /// Grows with every change of the areas.
    changes: u64,
    limits: Limits,
    /// What areas have that are mapped from now on (MCL_FUTURE).
    future: Traits,
    stack_limit: u64,
    heap_start: u64,
    heap_end: u64,
}

impl AddressSpace {
    /// An empty space whose memory is charged to `owner`.
    #[must_use]
    pub fn new(owner: Cid, layout: Layout, translations: Box<dyn Translations>) -> Self {
        let lowest = layout.lowest.max(abi::PAGE_SIZE as u64);
        Self {
            translations,
            owner,
            layout: Layout { lowest, ..layout },
            areas: Sorted::new(),
            chunks: Sorted::new(),
            holes: Holes::below(layout.mappings_below),
            sums: Sums::default(),
            resident: 0,
            peaks: Peaks::default(),
            changes: 0,
            limits: Limits::NONE,
            future: Traits::empty(),
            stack_limit: 8 << 20,
            heap_start: 0,
            heap_end: 0,
        }
    }

    /// Makes this the space of the program that the calling CPU runs.
    pub fn activate(&mut self) {
        self.translations.activate();
    }

    /// Drops all translations and their tables; the next fault begins anew. For processes that sleep long.
    pub fn discard_translations(&mut self) {
        self.translations.discard();
        for (_, chunk) in self.chunks.entries_mut(0) {
            chunk.installed = 0;
        }
    }

    /// The translations, for the arch code that runs the space.
    pub fn translations(&mut self) -> &mut dyn Translations {
        &mut *self.translations
    }

    /// Unmaps everything.
    pub fn clear(&mut self) {
        while !self.clear_step(usize::MAX) {}
    }

    /// Unmaps everything in steps of about `budget` areas or pages (at least 16); true when nothing is left.
    /// Nobody may touch the space meanwhile.
    pub fn clear_step(&mut self, budget: usize) -> bool {
        if !self.areas.is_empty() {
            self.translations.discard();
            self.changes += 1;
            self.note_peaks();
            self.holes = Holes::below(self.layout.mappings_below);
            self.sums = Sums::default();
            (self.heap_start, self.heap_end) = (0, 0);
            for _ in 0..budget {
                if self.areas.pop().is_none() {
                    break;
                }
            }
            if !self.areas.is_empty() {
                return false;
            }
        }
        let mut dropped = 0;
        while let Some((_, mut chunk)) = self.chunks.pop() {
            dropped += chunk.present.count_ones() as usize;
            self.resident -= u64::from(chunk.present.count_ones());
            chunk.drop_pages(u16::MAX);
            if dropped >= budget {
                break;
            }
        }
        self.chunks.is_empty()
    }

    /// The areas by address.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.iter().map(|(_, area)| area)
    }

    /// The areas that begin at an address or above, by address (`/proc/PID/maps`).
    pub fn areas_from(&self, address: u64) -> impl Iterator<Item = &Area> {
        self.areas.entries(address).map(|(_, area)| area)
    }

    /// The area that holds `address`.
    #[must_use]
    pub fn area_at(&self, address: u64) -> Option<&Area> {
        self.areas
            .at_or_below(address)
            .map(|(_, area)| area)
            .filter(|area| address < area.end)
    }

    /// `/proc/PID/statm`.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut numbers = Statistics {
            size: self.size(),
            peak_size: self.size().max(Pages(self.peaks.size)),
            resident: self.resident(),
            peak_resident: self.peak_resident(),
            text: Pages(self.sums.text),
            data: Pages(self.sums.data),
            stack: Pages(self.sums.stack),
            locked: Pages(self.sums.locked),
            ..Statistics::default()
        };
        for (_, chunk) in self.chunks.iter() {
            numbers.shared += Pages(u64::from((chunk.present & !chunk.own).count_ones()));
        }
        numbers
    }

    /// Pages that exist (VmRSS).
    #[must_use]
    pub fn resident(&self) -> Pages {
        Pages(self.resident)
    }

    /// The most pages that have existed at once (VmHWM); since a fork, in the child.
    #[must_use]
    pub fn peak_resident(&self) -> Pages {
        Pages(self.resident.max(self.peaks.resident))
    }

    /// Before there is less than now: keeps what there has been.
    fn note_peaks(&mut self) {
        self.peaks.size = self.peaks.size.max(self.sums.size);
        self.peaks.resident = self.peaks.resident.max(self.resident);
    }

    /// Pages of all areas (VmSize).
    #[must_use]
    pub fn size(&self) -> Pages {
        Pages(self.sums.size)
    }

    /// The pages that exist, by address, with whether each is the space's own and not an object's (core dumps,
    /// checkpoints).
    pub fn pages(&self) -> impl Iterator<Item = (PageNumber, &Frame, bool)> {
        self.residents(0..u64::MAX)
            .map(|page| (page.number, page.frame, page.own))
    }

    /// Whether a page between two addresses is the space's own, and not an object's.
    #[must_use]
    pub fn has_own_page(&self, start: u64, end: u64) -> bool {
        let pages = Self::page_range(start, end);
        chunk::runs(&self.chunks, pages, |chunk| chunk.own)
            .next()
            .is_some()
    }

    /// Sets how much may be mapped from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// RLIMIT_STACK in bytes: how far the stack may grow; 8 MiB at first.
    pub fn set_stack_limit(&mut self, bytes: u64) {
        self.stack_limit = bytes;
    }

    /// Who pays for new pages.
    #[must_use]
    pub fn owner(&self) -> Cid {
        self.owner
    }

    /// Charges new pages, and those that only this space uses, to `owner` from now on.
    pub fn set_owner(&mut self, owner: Cid) {
        self.owner = owner;
        for (_, chunk) in self.chunks.iter() {
            for frame in chunk::slots(chunk.own).filter_map(|slot| chunk.frames[slot].as_ref()) {
                if !frame.is_shared() {
                    frame.retag(owner, Kind::Anonymous);
                }
            }
        }
    }

    /// Panics when an invariant at the top of this file does not hold; for tests.
    #[cfg(any(test, feature = "host"))]
    pub fn check(&self) {
        let mut end = self.layout.lowest;
        let mut sums = Sums::default();
        for (start, area) in self.areas.iter() {
            assert!(
                start == area.start
                    && start >= end
                    && area.end > start
                    && area.end <= self.layout.user_limit
            );
            end = area.end;
            sums.add(area);
        }
        assert_eq!(sums, self.sums);
        let mut resident = 0;
        for (key, chunk) in self.chunks.iter() {
            assert_ne!(chunk.present, 0, "an empty chunk");
            resident += u64::from(chunk.present.count_ones());
            for slot in 0..chunk::PAGES {
                let exists = chunk.present & (1 << slot) != 0;
                assert_eq!(chunk.frames[slot as usize].is_some(), exists);
                assert!(
                    !exists
                        || self
                            .area_at(((key << chunk::SHIFT) + slot) << PAGE_SHIFT)
                            .is_some()
                );
            }
            assert_eq!(
                (chunk.installed | chunk.writable | chunk.own) & !chunk.present,
                0
            );
        }
        assert_eq!(resident, self.resident);
    }

    /// Pages from `start` to `end`, both addresses.
    fn page_range(start: u64, end: u64) -> core::ops::Range<u64> {
        start >> PAGE_SHIFT..end >> PAGE_SHIFT
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        self.clear();
    }
}
