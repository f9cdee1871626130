//! Areas: ranges of pages with one protection and one origin.

use crate::source::PageSource;
use abi::mmu::Protection;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use alloc::sync::Arc;
use bitflags::bitflags;

/// An object and the place in it where an area begins.
#[derive(Clone)]
pub struct Backing {
    /// Whose pages the area shows.
    pub source: Arc<dyn PageSource>,
    /// The index of the object's page at the area's start.
    pub first: u64,
}

/// What an area's pages are.
#[derive(Clone)]
pub enum Mapping {
    /// Private memory, zeroed on first use.
    Anonymous,
    /// As anonymous; grows downwards on faults below its start.
    Stack,
    /// As anonymous; what `brk` moves the end of.
    Heap,
    /// An object's pages, copied before they are written.
    Private(Backing),
    /// An object's pages themselves.
    Shared(Backing),
}

impl Mapping {
    /// The object behind the area.
    #[must_use]
    pub fn backing(&self) -> Option<&Backing> {
        match self {
            Mapping::Private(backing) | Mapping::Shared(backing) => Some(backing),
            _ => None,
        }
    }

    /// Whether writes go to the object and are seen by others.
    #[inline]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Mapping::Shared(_))
    }

    /// The same mapping seen from `pages` further on.
    pub(crate) fn advanced(&self, pages: u64) -> Self {
        let move_on = |backing: &Backing| Backing {
            first: backing.first.wrapping_add(pages),
            ..backing.clone()
        };
        match self {
            Mapping::Private(backing) => Mapping::Private(move_on(backing)),
            Mapping::Shared(backing) => Mapping::Shared(move_on(backing)),
            other => other.clone(),
        }
    }
}

bitflags! {
    /// What a program has asked for an area beside its protection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Traits: u8 {
        /// It counts as locked (`man 2 mlock`). Nothing is ever paged out.
        const LOCKED = 1;
        /// A child finds nothing that it could access there (MADV_DONTFORK).
        const NOT_INHERITED = 1 << 1;
        /// A child finds zeros there (MADV_WIPEONFORK).
        const WIPED = 1 << 2;
        /// It is left out of core files (MADV_DONTDUMP).
        const NOT_DUMPED = 1 << 3;
    }
}

impl Traits {
    /// Those on account of which a child does not get the pages.
    pub(crate) const KEPT_BACK: Self = Self::NOT_INHERITED.union(Self::WIPED);
}

/// A range of an address space. Start and end are multiples of the page size.
#[derive(Clone)]
pub struct Area {
    /// The first address.
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    /// What the program may do now.
    pub protection: Protection,
    /// What `mprotect` may allow at most (a read-only open file mapped shared cannot be made writable).
    pub maximum: Protection,
    /// What the pages are.
    pub mapping: Mapping,
    /// What else the program wants of it.
    pub traits: Traits,
    /// What `/proc/PID/maps` shows in the last column, when it is not derived from the mapping.
    pub name: Option<Arc<str>>,
}

impl Area {
    /// Pages in the area.
    #[must_use]
    pub fn pages(&self) -> u64 {
        (self.end - self.start) >> PAGE_SHIFT
    }

    /// One that keeps others out of a range.
    pub(crate) fn inaccessible(start: u64, end: u64) -> Self {
        Self {
            start,
            end,
            protection: Protection::empty(),
            maximum: Protection::empty(),
            mapping: Mapping::Anonymous,
            traits: Traits::empty(),
            name: None,
        }
    }

    /// What a child gets of it (`man 2 fork`): locks it has none.
    pub(crate) fn inherited(&self) -> Self {
        if self.traits.contains(Traits::NOT_INHERITED) {
            return Self::inaccessible(self.start, self.end);
        }
        Self {
            traits: self.traits - Traits::LOCKED,
            ..self.clone()
        }
    }

    /// Whether it counts against RLIMIT_DATA.
    pub(crate) fn is_data(&self) -> bool {
        self.could_be_data() && self.protection.contains(Protection::WRITE)
    }

    /// Whether it would when it could be written.
    pub(crate) fn could_be_data(&self) -> bool {
        !matches!(self.mapping, Mapping::Shared(_) | Mapping::Stack)
    }

    /// The column of `/proc/PID/maps` that names the area; empty for plain anonymous memory.
    #[must_use]
    pub fn label(&self) -> &str {
        match (&self.name, &self.mapping) {
            (Some(name), _) => name,
            (None, Mapping::Stack) => "[stack]",
            (None, Mapping::Heap) => "[heap]",
            (None, _) => "",
        }
    }

    /// The offset column of `/proc/PID/maps`, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.mapping
            .backing()
            .map_or(0, |backing| backing.first << PAGE_SHIFT)
    }

    /// Whether `next` continues this area so that both can be one.
    pub(crate) fn joins(&self, next: &Area) -> bool {
        let same_name = match (&self.name, &next.name) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let continued = |one: &Backing, other: &Backing| {
            Arc::ptr_eq(&one.source, &other.source)
                && one.first.wrapping_add(self.pages()) == other.first
        };
        let same_mapping = match (&self.mapping, &next.mapping) {
            (Mapping::Anonymous, Mapping::Anonymous) | (Mapping::Heap, Mapping::Heap) => true,
            (Mapping::Stack, Mapping::Stack) => true,
            (Mapping::Private(one), Mapping::Private(other)) => continued(one, other),
            (Mapping::Shared(one), Mapping::Shared(other)) => continued(one, other),
            _ => false,
        };
        self.end == next.start
            && self.protection == next.protection
            && self.maximum == next.maximum
            && self.traits == next.traits
            && same_name
            && same_mapping
    }
}

/// How binding the address of a [`MapRequest`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fixed {
    /// A hint, taken when it is free.
    #[default]
    No,
    /// There, and what is there goes away (MAP_FIXED).
    Replace,
    /// There, or EEXIST (MAP_FIXED_NOREPLACE).
    NoReplace,
}

/// What [`super::AddressSpace::map`] is to do.
#[derive(Clone)]
pub struct MapRequest {
    /// The wanted address, 0 for none.
    pub hint: u64,
    /// How binding it is.
    pub fixed: Fixed,
    /// Bytes; rounded up to pages.
    pub length: u64,
    /// What the program may do.
    pub protection: Protection,
    /// What `mprotect` may allow later.
    pub maximum: Protection,
    /// What the pages are.
    pub mapping: Mapping,
    /// What else is wanted of it, beside what all areas have that are mapped now.
    pub traits: Traits,
    /// The name for `/proc/PID/maps`.
    pub name: Option<Arc<str>>,
}

impl MapRequest {
    /// Takes the name from an area that has the same one, so that many mappings of a file hold one copy of its path.
    ///
    /// The area below the wanted address is the one of which a linker maps the next part; long names, of which many
    /// copies would be a burden, are looked for everywhere.
    pub fn share_name(&mut self, space: &super::AddressSpace) {
        const LONG: usize = 128;
        let Some(own) = &self.name else { return };
        let same = |area: &&Area| area.name.as_ref().is_some_and(|name| name == own);
        let below = space.areas.at_or_below(self.hint).map(|(_, area)| area);
        let found = below.filter(same).or_else(|| {
            let long = own.len() > LONG;
            long.then(|| space.areas().find(same)).flatten()
        });
        if let Some(area) = found {
            self.name.clone_from(&area.name);
        }
    }
}

bitflags! {
    /// Flags of `man 2 mremap`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RemapFlags: u32 {
        /// The area may move (MREMAP_MAYMOVE).
        const MAY_MOVE = 1;
        /// It moves to the given address (MREMAP_FIXED).
        const FIXED = 2;
        /// Its pages move, and what was mapped stays so without them (MREMAP_DONTUNMAP).
        const KEEP = 4;
    }
}

/// What [`super::AddressSpace::advise`] knows; all other advice of `man 2 madvise` is for the caller to accept or refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The pages are given back now; private memory reads as zeros or as the file afterwards.
    DontNeed,
    /// The pages will be used: nothing to do.
    WillNeed,
}

/// Rounds a length in bytes up to whole pages; `None` when that does not fit.
pub(crate) fn round_up(length: u64) -> Option<u64> {
    length.checked_next_multiple_of(PAGE_SIZE as u64)
}
