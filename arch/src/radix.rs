//! The radix tree: its entries, the tree of the kernel, and switching translation on.
//!
//! Power ISA 3.0B, Book III, "Radix Tree Translation". A tree translates 52 bits: a root of 2^13 entries, then
//! three levels of 2^9; a leaf maps 1 GiB, 2 MiB or 4 KiB by its level. Entries are big-endian. Process 0 holds the
//! kernel's tree, used for addresses from 0xc000… on whatever PIDR says.

use crate::cpu;
use crate::hcall::{self, Function};
use crate::process_id;
use crate::registers::{self, Msr, Spr};
use crate::{LINEAR_BASE, LOW_MEMORY};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use sync::{Rank, SpinLock};

/// Bits of an entry.
pub(crate) mod entry {
    pub const VALID: u64 = 1 << 63;
    pub const LEAF: u64 = 1 << 62;
    pub const FRAME: u64 = 0x01ff_ffff_ffff_f000;
    pub const REFERENCED: u64 = 0x100;
    pub const CHANGED: u64 = 0x80;
    /// Not cached, not reordered, never accessed before the program gets there: for devices.
    pub const NON_IDEMPOTENT: u64 = 0x20;
    pub const PRIVILEGED: u64 = 8;
    pub const READ: u64 = 4;
    pub const WRITE: u64 = 2;
    pub const EXECUTE: u64 = 1;
    pub const TABLE: u64 = 0x0fff_ffff_ffff_ff00;
    /// "Next level size" of a table of 2^9 entries.
    pub const NINE_BITS: u64 = 9;
}

/// By how many bits an address is shifted to index each level.
pub(crate) const SHIFTS: [u32; 4] = [39, 30, 21, 12];
/// Entries of the root.
pub(crate) const ROOT_ENTRIES: usize = 1 << 13;
/// Entries of the tables below.
pub(crate) const TABLE_ENTRIES: usize = 1 << 9;

/// "Radix tree size" (52 bits: 31 + 21) and root size of a process table entry.
const PROCESS_ENTRY: u64 = (21 >> 3) << 61 | (21 & 7) << 5 | 13;

/// The first doubleword of the process table entry for a root table at a real address.
pub(crate) const fn process_entry(root: u64) -> u64 {
    PROCESS_ENTRY | root
}

/// The index of an address in the table of a level.
pub(crate) const fn index(address: u64, level: usize) -> usize {
    let mask = if level == 0 {
        ROOT_ENTRIES - 1
    } else {
        TABLE_ENTRIES - 1
    };
    (address >> SHIFTS[level]) as usize & mask
}

/// One entry, as hardware sees it.
#[repr(transparent)]
pub(crate) struct Entry(AtomicU64);

impl Entry {
    pub(crate) const fn empty() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn get(&self) -> u64 {
        let value;
        // SAFETY: a load of an aligned doubleword, which is atomic; the instruction turns its bytes.
        unsafe {
            asm!("ldbrx {}, 0, {}", out(reg) value, in(reg) self.0.as_ptr(),
                options(nostack, preserves_flags, readonly));
        }
        value
    }

    /// Whether it translates or leads on.
    pub(crate) fn is_valid(&self) -> bool {
        self.0.load(Ordering::Relaxed) & entry::VALID.to_be() != 0
    }

    /// Whether processors may have cached what it translates, on a machine that notes references before it caches.
    pub(crate) fn is_referenced(&self) -> bool {
        self.0.load(Ordering::Relaxed) & entry::REFERENCED.to_be() != 0
    }

    /// Whether both translate to the same frame with the same rights.
    pub(crate) fn translates_like(&self, other: &Self) -> bool {
        const NOTES: u64 = (entry::REFERENCED | entry::CHANGED).to_be();
        (self.0.load(Ordering::Relaxed) ^ other.0.load(Ordering::Relaxed)) & !NOTES == 0
    }

    /// Empties it. What has to come after waits for an invalidation, which orders the store.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What was stored before, a table's entries or a frame's contents, is seen before the entry.
    pub(crate) fn set(&self, value: u64) {
        fence(Ordering::Release);
        self.set_unordered(value);
    }

    /// [`Entry::set`] behind a fence of the caller.
    pub(crate) fn set_unordered(&self, value: u64) {
        // SAFETY: a store of an aligned doubleword, which is atomic; the instruction turns its bytes.
        unsafe {
            asm!("stdbrx {}, 0, {}", in(reg) value, in(reg) self.0.as_ptr(),
                options(nostack, preserves_flags));
        }
    }

    /// Clears bits and returns the entry as it was; hardware may set bits at the same time.
    pub(crate) fn clear_bits(&self, bits: u64) -> u64 {
        u64::from_be(self.0.fetch_and(!bits.to_be(), Ordering::AcqRel))
    }

    pub(crate) fn set_bits(&self, bits: u64) -> u64 {
        u64::from_be(self.0.fetch_or(bits.to_be(), Ordering::AcqRel))
    }
}

/// A root table.
#[repr(C, align(65536))]
pub(crate) struct Root(pub(crate) [Entry; ROOT_ENTRIES]);

#[repr(C, align(4096))]
struct Table([Entry; TABLE_ENTRIES]);

/// Tables of the kernel's tree below the root: for each TiB of memory one and, where GiB are not whole, one; the
/// image and the vectors take one for each 2 MiB.
const KERNEL_TABLES: usize = 64;

static KERNEL_ROOT: Root = Root([const { Entry::empty() }; ROOT_ENTRIES]);
static TABLES: [Table; KERNEL_TABLES] =
    [const { Table([const { Entry::empty() }; TABLE_ENTRIES]) }; KERNEL_TABLES];
static TABLES_USED: AtomicUsize = AtomicUsize::new(0);

const KERNEL_PAGE: u64 = entry::VALID
    | entry::LEAF
    | entry::REFERENCED
    | entry::CHANGED
    | entry::PRIVILEGED
    | entry::READ;
const READ_ONLY: u64 = KERNEL_PAGE;
const READ_WRITE: u64 = KERNEL_PAGE | entry::WRITE;
const READ_EXECUTE: u64 = KERNEL_PAGE | entry::EXECUTE;

/// The real address of something in the image.
pub(crate) fn real<T>(thing: *const T) -> u64 {
    thing as u64 & !LINEAR_BASE
}

/// Follows or makes the table below an entry of the kernel's tree.
fn kernel_table(slot: &Entry) -> &'static [Entry; TABLE_ENTRIES] {
    let old = slot.get();
    let table = if old & entry::VALID == 0 {
        let number = TABLES_USED.fetch_add(1, Ordering::Relaxed);
        let table = &TABLES[number];
        slot.set(entry::VALID | real(table) | entry::NINE_BITS);
        return &table.0;
    } else {
        (old & entry::TABLE | LINEAR_BASE) as *const Table
    };
    // SAFETY: tables of the kernel's tree are elements of `TABLES`, linked by the branch above.
    unsafe { &(*table).0 }
}

/// Maps the whole pages from `start` to `end` at their place in the linear map, with the largest leaves that fit.
fn map_kernel(mut start: u64, end: u64, flags: u64) {
    while start < end {
        let mut table: &'static [Entry] = &KERNEL_ROOT.0;
        let mut level = 0;
        let size = loop {
            let size = 1 << SHIFTS[level];
            let slot = &table[index(start, level)];
            let leaf_here = level > 0 && start.is_multiple_of(size) && start + size <= end;
            if leaf_here && (level == 3 || slot.get() & entry::VALID == 0) {
                slot.set(start | flags);
                break size;
            }
            table = kernel_table(slot);
            level += 1;
        };
        start += size;
    }
}

const DEVICE: u64 = READ_WRITE | entry::NON_IDEMPOTENT;
const GIB: u64 = 1 << 30;
/// The level whose leaves map 1 GiB.
const GIB_LEVEL: usize = 1;

static DEVICES: SpinLock<()> = SpinLock::new(Rank::Machine, ());

/// The registers of a device at a real address: maps the GiB around them at its place behind [`LINEAR_BASE`], not cached
/// (nothing is accessed there but what the kernel asks for). `None` when there is memory in that GiB.
pub(crate) fn map_device(address: u64) -> Option<u64> {
    let _exclusive = DEVICES.lock();
    let table = match KERNEL_ROOT.0.get(index(address, 0)) {
        // Nothing below the root is a leaf (see `map_kernel`).
        Some(slot) => kernel_table(slot),
        None => return None,
    };
    let slot = table.get(index(address, GIB_LEVEL))?;
    let leaf = address & !(GIB - 1) | DEVICE;
    if slot.get() & entry::VALID == 0 {
        slot.set(leaf);
        // SAFETY: only orders the store before the next walk. Entries that are not valid are not cached.
        unsafe { asm!("ptesync", "isync", options(nostack, preserves_flags)) };
    }
    (slot.get() == leaf).then_some(address | LINEAR_BASE)
}

/// Limits of the image's parts (`kernel.ld`).
pub(crate) struct Image {
    pub(crate) start: u64,
    pub(crate) text_end: u64,
    pub(crate) rodata_end: u64,
    pub(crate) end: u64,
}

/// Where the image lies in real memory.
pub(crate) fn image() -> Image {
    unsafe extern "C" {
        static _start: u8;
        static __text_end: u8;
        static __rodata_end: u8;
        static __image_end: u8;
    }
    Image {
        start: real(&raw const _start),
        text_end: real(&raw const __text_end),
        rodata_end: real(&raw const __rodata_end),
        end: real(&raw const __image_end),
    }
}

/// Real addresses of the vectors that run with translation on, up to [`VECTORS_END`].
const TRANSLATED_VECTORS: u64 = 0x3000;
/// Where the vectors end.
pub(crate) const VECTORS_END: u64 = 0x7000;

/// Maps all memory; nothing is both writable and executable, and `guard` (a page of the image) is not mapped.
fn build_kernel_tree(memory: &mut dyn Iterator<Item = (u64, u64)>, guard: u64) {
    let image = image();
    map_kernel(0, TRANSLATED_VECTORS, READ_ONLY);
    map_kernel(TRANSLATED_VECTORS, VECTORS_END, READ_EXECUTE);
    map_kernel(image.start, image.text_end, READ_EXECUTE);
    map_kernel(image.text_end, image.rodata_end, READ_ONLY);
    map_kernel(image.rodata_end, guard, READ_WRITE);
    map_kernel(guard + 4096, image.end, READ_WRITE);
    for (start, end) in memory {
        map_kernel(start.max(LOW_MEMORY), end.min(image.start), READ_WRITE);
        map_kernel(start.max(image.end), end, READ_WRITE);
    }
}

/// What happens when the hypervisor refuses something that Corral cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `H_SET_MODE`: interrupts in little-endian mode, or with translation on.
    InterruptMode,
    /// `H_REGISTER_PROC_TBL` for a radix tree.
    ProcessTable,
}

const SET_MODE_LITTLE_ENDIAN: [u64; 5] = [1, 4, 0, 0, 0];
const SET_MODE_TRANSLATED_INTERRUPTS: [u64; 5] = [3, 3, 0, 0, 0];
/// New table, radix, guest translation shootdown.
const PROCESS_TABLE_FLAGS: u64 = 0x1d;

/// Forbids the kernel to execute pages of programs (key 0 of the instruction authority mask).
const IAMR_NO_USER_EXECUTION: u64 = 1 << 62;

/// Builds the kernel's tree and switches translation on.
///
/// # Safety
/// Translation is off; the vectors are in place; the ranges are memory and `guard` is a page of the image that
/// nobody uses.
pub(crate) unsafe fn start(
    memory: &mut dyn Iterator<Item = (u64, u64)>,
    guard: u64,
) -> Result<(), Refused> {
    build_kernel_tree(memory, guard);
    process_id::start(process_entry(real(&KERNEL_ROOT)));
    // SAFETY: only modes of interrupt delivery; the vectors are in place.
    let modes = unsafe {
        [SET_MODE_LITTLE_ENDIAN, SET_MODE_TRANSLATED_INTERRUPTS]
            .map(|mode| hcall::call(Function::SetMode, mode).status)
    };
    if modes != [hcall::SUCCESS; 2] {
        return Err(Refused::InterruptMode);
    }
    let (table, size) = process_id::table();
    // SAFETY: the process table is complete, and translation is still off.
    let answer = unsafe {
        hcall::call(
            Function::RegisterProcessTable,
            [PROCESS_TABLE_FLAGS, table, 0, size, 0],
        )
    };
    if answer.status != hcall::SUCCESS {
        return Err(Refused::ProcessTable);
    }
    // SAFETY: the caller's; the tree is built.
    unsafe { join() };
    Ok(())
}

/// Switches translation on for this CPU.
///
/// # Safety
/// Translation is off, the vectors are in place, and the kernel's tree is built and registered.
pub(crate) unsafe fn join() {
    // SAFETY: what runs now is mapped at the address where it runs.
    unsafe {
        registers::write::<{ Spr::PIDR }>(process_id::NONE);
        registers::write::<{ Spr::AMR }>(0);
        registers::write::<{ Spr::UAMOR }>(0);
        registers::write::<{ Spr::IAMR }>(IAMR_NO_USER_EXECUTION);
        registers::isync();
        registers::write_msr(Msr::KERNEL);
    }
}

/// Takes a page of memory outside of the image out of the linear map.
///
/// # Safety
/// Nobody uses the page, now or later, and no other CPU changes the kernel's tree. No other CPU uses the 2 MiB around it
/// for a moment.
pub(crate) unsafe fn unmap_kernel_page(real_address: u64) {
    let mut table: &'static [Entry] = &KERNEL_ROOT.0;
    for level in 0..SHIFTS.len() - 1 {
        let slot = &table[index(real_address, level)];
        let value = slot.get();
        table = if value & entry::VALID != 0 && value & entry::LEAF != 0 {
            split(slot, level)
        } else {
            kernel_table(slot)
        };
    }
    table[index(real_address, SHIFTS.len() - 1)].set(0);
    process_id::flush_kernel();
}

/// Replaces a leaf by a table of leaves of the next level that translate the same. Nothing of the leaf is used while it
/// is gone (Power ISA, Book III, "Translation Table Updates").
fn split(slot: &Entry, level: usize) -> &'static [Entry] {
    let leaf = slot.get();
    slot.set(0);
    process_id::flush_kernel();
    let table = kernel_table(slot);
    for (n, lower) in (0..).zip(table) {
        lower.set(leaf + (n << SHIFTS[level + 1]));
    }
    table
}

/// The table at a real address.
///
/// # Safety
/// The frame is a table of `entries` entries and stays one for the life of the result.
pub(crate) unsafe fn table_at<'a>(real: u64, entries: usize) -> &'a [Entry] {
    // SAFETY: the linear map covers all memory; the caller vouches for the rest.
    unsafe { core::slice::from_raw_parts((real | LINEAR_BASE) as *const Entry, entries) }
}

/// Sets the referenced bit, and for a store the changed bit, of the page of the active address space that holds
/// `address`, as processors want it that do not set them on their own. False when there is no such page or it does
/// not allow the store.
///
/// The space is another CPU's to change meanwhile, with a lock that is not to be had here. Whoever gives tables back
/// unlinks them first and then waits for walks to end ([`cpu::wait_for_walks`]); the bits may land in an entry that has
/// just been removed, which means nothing.
pub(crate) fn note_use(address: u64, store: bool) -> bool {
    let walks = &cpu::block().walks;
    walks.store(true, Ordering::Relaxed);
    // Pairs with the `ptesync` of an invalidation: the walk sees what was unlinked, or is seen and waited for.
    fence(Ordering::SeqCst);
    let noted = mark_leaf(address, store);
    walks.store(false, Ordering::Release);
    noted
}

/// [`note_use`] while the tables stay.
fn mark_leaf(address: u64, store: bool) -> bool {
    let Some(slot) = leaf_of_active(address) else {
        return false;
    };
    let bits = if store {
        entry::REFERENCED | entry::CHANGED
    } else {
        entry::REFERENCED
    };
    let old = slot.get();
    if old & entry::VALID == 0 || store && old & entry::WRITE == 0 {
        return false;
    }
    slot.set_bits(bits);
    // SAFETY: only orders the store before the next walk.
    unsafe { asm!("ptesync", options(nostack, preserves_flags)) };
    true
}

/// The last-level entry for an address in the active address space.
fn leaf_of_active(address: u64) -> Option<&'static Entry> {
    let mut entries = ROOT_ENTRIES;
    let mut table = process_id::active_root()?;
    for level in 0..SHIFTS.len() {
        // SAFETY: tables that are linked when a walk begins stay until it ends (`note_use`).
        let slot = unsafe { table_at(table, entries) }.get(index(address, level))?;
        if level == SHIFTS.len() - 1 {
            return Some(slot);
        }
        let value = slot.get();
        if value & entry::VALID == 0 {
            return None;
        }
        table = value & entry::TABLE;
        entries = TABLE_ENTRIES;
    }
    None
}

/// The leaf that translates a linear-map address, for tests of the kernel's rights: `(readable, writable,
/// executable, privileged)`; `None` when nothing does.
pub fn kernel_rights(address: u64) -> Option<(bool, bool, bool, bool)> {
    let mut table: &'static [Entry] = &KERNEL_ROOT.0;
    for level in 0..SHIFTS.len() {
        let value = table.get(index(address, level))?.get();
        if value & entry::VALID == 0 {
            return None;
        }
        if value & entry::LEAF != 0 {
            let has = |bit| value & bit != 0;
            return Some((
                has(entry::READ),
                has(entry::WRITE),
                has(entry::EXECUTE),
                has(entry::PRIVILEGED),
            ));
        }
        // SAFETY: tables of the kernel's tree are never freed.
        table = unsafe { table_at(value & entry::TABLE, TABLE_ENTRIES) };
    }
    None
}
