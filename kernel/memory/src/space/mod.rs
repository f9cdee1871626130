//! Address spaces: areas, pages, faults.
//!
//! An [`AddressSpace`] is the description of what a process sees: *areas* (ranges with a protection and an
//! origin) and *pages* (frames that exist). Translations are a cache of it and may be discarded at any time.

mod area;

pub use area::{Advice, Area, Backing, Fixed, MapRequest, Mapping, RemapFlags};

use abi::mmu::{FrameNumber, Translations};
use abi::{Cid, Errno, Pages};
use alloc::boxed::Box;

pub use abi::mmu::Access;

/// Why an access to memory of a program cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No area holds the address: SIGSEGV with SEGV_MAPERR, EFAULT in a call.
    NoMapping,
    /// The area does not allow the access: SIGSEGV with SEGV_ACCERR, EFAULT in a call.
    Denied,
    /// The page lies beyond the end of the mapped object: SIGBUS with BUS_ADRERR, EFAULT in a call.
    BeyondEnd,
    /// No frame is to be had for the page or for a translation table.
    OutOfMemory,
    /// The page is being read; try again when the source says so.
    Pending,
}

impl From<FaultError> for Errno {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::OutOfMemory => Errno::ENOMEM,
            FaultError::Pending => Errno::EAGAIN,
            _ => Errno::EFAULT,
        }
    }
}

/// Where things go in an address space.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The first address that does not belong to the program; a multiple of 64 KiB.
    pub user_limit: u64,
    /// The lowest address that may be mapped (`vm.mmap_min_addr`), at least one page.
    pub lowest: u64,
    /// Unplaced mappings lie below this address, the highest first.
    pub mappings_below: u64,
}

/// Numbers for `/proc/PID/statm`, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// All areas.
    pub size: Pages,
    /// Pages that exist.
    pub resident: Pages,
    /// Of these, pages of files and shared objects.
    pub shared: Pages,
    /// Size of executable areas.
    pub text: Pages,
    /// Size of private writable areas, heap and stack.
    pub data: Pages,
}

/// One process's memory.
pub struct AddressSpace {
    translations: Box<dyn Translations>,
    owner: Cid,
}

/// The arch code that makes instruction fetches see a frame's contents (Power ISA, Book II, "Instruction Storage").
pub fn set_instruction_sync(sync: fn(FrameNumber)) {
    let _ = sync;
    todo!()
}

impl AddressSpace {
    /// An empty space whose memory is charged to `owner`.
    #[must_use]
    pub fn new(owner: Cid, layout: Layout, translations: Box<dyn Translations>) -> Self {
        let _ = layout;
        Self {
            translations,
            owner,
        }
    }
    /// `man 2 mmap`; the address of the new area.
    pub fn map(&mut self, request: MapRequest) -> Result<u64, Errno> {
        let _ = request;
        todo!()
    }
    /// `man 2 munmap`.
    pub fn unmap(&mut self, address: u64, length: u64) -> Result<(), Errno> {
        let _ = (address, length);
        todo!()
    }
    /// `man 2 mprotect`.
    pub fn protect(
        &mut self,
        address: u64,
        length: u64,
        protection: abi::mmu::Protection,
    ) -> Result<(), Errno> {
        let _ = (address, length, protection);
        todo!()
    }
    /// Where the heap begins (exec).
    pub fn set_heap(&mut self, start: u64) {
        let _ = start;
        todo!()
    }
    /// `man 2 brk`, the system call: the new break, or the old one when it cannot be changed.
    pub fn set_break(&mut self, address: u64) -> u64 {
        let _ = address;
        todo!()
    }
    /// `man 2 mremap`.
    pub fn remap(
        &mut self,
        old: u64,
        old_length: u64,
        new_length: u64,
        flags: RemapFlags,
        new: u64,
    ) -> Result<u64, Errno> {
        let _ = (old, old_length, new_length, flags, new);
        todo!()
    }
    /// `man 2 madvise`.
    pub fn advise(&mut self, address: u64, length: u64, advice: Advice) -> Result<(), Errno> {
        let _ = (address, length, advice);
        todo!()
    }
    /// A program's access at `address` was refused by the hardware.
    pub fn fault(&mut self, address: u64, access: Access) -> Result<(), FaultError> {
        let _ = (address, access);
        todo!()
    }
    /// Makes the pages of a range exist so that [`AddressSpace::read_resident`] and `write_resident` succeed.
    pub fn prepare(
        &mut self,
        address: u64,
        length: usize,
        access: Access,
    ) -> Result<(), FaultError> {
        let _ = (address, length, access);
        todo!()
    }
    /// Copies from the program's memory; makes pages exist where needed.
    pub fn read(&mut self, address: u64, into: &mut [u8]) -> Result<(), FaultError> {
        let _ = (address, into);
        todo!()
    }
    /// Copies to the program's memory; makes pages exist where needed.
    pub fn write(&mut self, address: u64, from: &[u8]) -> Result<(), FaultError> {
        let _ = (address, from);
        todo!()
    }
    /// Copies from pages that exist; `None` and nothing else when one does not.
    pub fn read_resident(&self, address: u64, into: &mut [u8]) -> Option<()> {
        let _ = (address, into);
        todo!()
    }
    /// Copies to pages that exist and are ready to be written; `None` and nothing changed when one is not.
    pub fn write_resident(&mut self, address: u64, from: &[u8]) -> Option<()> {
        let _ = (address, from);
        todo!()
    }
    /// The frame that holds `address`, made ready for `access` (futex words).
    pub fn frame_at(&mut self, address: u64, access: Access) -> Result<crate::Frame, FaultError> {
        let _ = (address, access);
        todo!()
    }
    /// `man 2 fork`: a copy on write; the parent keeps everything when it fails.
    pub fn fork(&mut self, translations: Box<dyn Translations>) -> Result<AddressSpace, Errno> {
        let _ = translations;
        todo!()
    }
    /// Drops translations and tables; the next fault begins anew.
    pub fn discard_translations(&mut self) {
        self.translations.discard();
    }
    /// What the arch needs to run this space.
    pub fn translations(&mut self) -> &mut dyn Translations {
        &mut *self.translations
    }
    /// Unmaps everything.
    pub fn clear(&mut self) {
        todo!()
    }
    /// Unmaps at most about `budget` pages; true when nothing is left.
    pub fn clear_step(&mut self, budget: usize) -> bool {
        let _ = budget;
        todo!()
    }
    /// The areas by address (`/proc/PID/maps`).
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        core::iter::empty()
    }
    /// `/proc/PID/statm`.
    pub fn statistics(&self) -> Statistics {
        todo!()
    }
    /// Pages that exist.
    pub fn resident(&self) -> Pages {
        todo!()
    }
    /// Pages of all areas.
    pub fn size(&self) -> Pages {
        todo!()
    }
    /// RLIMIT_AS (`man 2 getrlimit`).
    pub fn set_limit(&mut self, limit: Pages) {
        let _ = limit;
        todo!()
    }
    /// RLIMIT_STACK in bytes: how far the stack grows (8 MiB at first).
    pub fn set_stack_limit(&mut self, bytes: u64) {
        let _ = bytes;
        todo!()
    }
    /// Who pays.
    pub fn owner(&self) -> Cid {
        self.owner
    }
}
