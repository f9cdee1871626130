//! Mappings of memory (`man 2 mmap`) as powerpc numbers them (asm/mman.h).

use bitflags::bitflags;

bitflags! {
    /// `prot` of `mmap` and `mprotect`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ProtectionFlags: u32 {
        /// Read.
        const READ = 1;
        /// Write.
        const WRITE = 2;
        /// Execute.
        const EXEC = 4;
        /// For atomic operations; of no effect.
        const SEM = 8;
        /// Strong access ordering, of some POWER processors.
        const SAO = 0x10;
        /// `mprotect`: down to the start of a growing mapping.
        const GROWSDOWN = 0x0100_0000;
        /// `mprotect`: up to the end of a growing mapping.
        const GROWSUP = 0x0200_0000;
        const _ = !0;
    }

    /// `flags` of `mmap`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MapFlags: u32 {
        /// Writes are seen by others.
        const SHARED = 0x1;
        /// Writes are the process's own.
        const PRIVATE = 0x2;
        /// At this address, replacing what is there.
        const FIXED = 0x10;
        /// Without file.
        const ANONYMOUS = 0x20;
        /// Without reserve.
        const NORESERVE = 0x40;
        /// Locked.
        const LOCKED = 0x80;
        /// A stack that grows down.
        const GROWSDOWN = 0x100;
        /// Of no effect.
        const DENYWRITE = 0x800;
        /// Of no effect.
        const EXECUTABLE = 0x1000;
        /// Filled in at once.
        const POPULATE = 0x8000;
        /// With POPULATE: without I/O.
        const NONBLOCK = 0x1_0000;
        /// A stack; of no effect.
        const STACK = 0x2_0000;
        /// Huge pages.
        const HUGETLB = 0x4_0000;
        /// Synchronous page faults of persistent memory.
        const SYNC = 0x8_0000;
        /// At this address, if nothing is there.
        const FIXED_NOREPLACE = 0x10_0000;
        const _ = !0;
    }

    /// `flags` of `mremap`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RemapFlags: u32 {
        /// The mapping may move.
        const MAYMOVE = 1;
        /// To this address.
        const FIXED = 2;
        /// The old mapping stays, empty.
        const DONTUNMAP = 4;
        const _ = !0;
    }

    /// `flags` of `msync`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SyncFlags: u32 {
        /// Start writing.
        const ASYNC = 1;
        /// Drop other mappings.
        const INVALIDATE = 2;
        /// Write and wait.
        const SYNC = 4;
        const _ = !0;
    }
}

/// Bits of [`MapFlags`] that say whether others see writes; both mean shared with all flags checked.
pub const MAP_TYPE: u32 = 0xf;
/// `mlockall`: what is mapped, as powerpc numbers it.
pub const MCL_CURRENT: u32 = 0x2000;
/// `mlockall`: what will be mapped.
pub const MCL_FUTURE: u32 = 0x4000;
/// `mlockall`: when it is touched.
pub const MCL_ONFAULT: u32 = 0x8000;
/// `madvise`: no advice.
pub const MADV_NORMAL: u32 = 0;
/// `madvise`: random access.
pub const MADV_RANDOM: u32 = 1;
/// `madvise`: sequential access.
pub const MADV_SEQUENTIAL: u32 = 2;
/// `madvise`: will be needed.
pub const MADV_WILLNEED: u32 = 3;
/// `madvise`: contents are not needed any more.
pub const MADV_DONTNEED: u32 = 4;
/// `madvise`: contents may be dropped when memory is short.
pub const MADV_FREE: u32 = 8;
/// `madvise`: not inherited by fork.
pub const MADV_DONTFORK: u32 = 10;
/// `madvise`: inherited by fork.
pub const MADV_DOFORK: u32 = 11;
/// `madvise`: may be merged with equal pages.
pub const MADV_MERGEABLE: u32 = 12;
/// `madvise`: may not be merged.
pub const MADV_UNMERGEABLE: u32 = 13;
/// `madvise`: wants large pages.
pub const MADV_HUGEPAGE: u32 = 14;
/// `madvise`: wants no large pages.
pub const MADV_NOHUGEPAGE: u32 = 15;
/// `madvise`: not in core files.
pub const MADV_DONTDUMP: u32 = 16;
/// `madvise`: in core files.
pub const MADV_DODUMP: u32 = 17;
/// `madvise`: zeros in a child.
pub const MADV_WIPEONFORK: u32 = 18;
/// `madvise`: as it is in a child.
pub const MADV_KEEPONFORK: u32 = 19;
/// `madvise`: will not be used soon.
pub const MADV_COLD: u32 = 20;
/// `madvise`: may be paged out.
pub const MADV_PAGEOUT: u32 = 21;
