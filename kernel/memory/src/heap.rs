//! The kernel heap: size classes over single frames, runs of frames above.
//!
//! Small objects lie in slabs, one frame of one size class each; what is known about a slab is in the frame's
//! metadata, so objects have no headers and a frame holds as many as fit. A slab whose last object is freed goes
//! back to the frame allocator at once: when a partition is gone, so are its frames. That is why
//! `linked_list_allocator`, `talc` and the like are not used here: they own a fixed region, grow it at best, and
//! never give a frame back; a list search also costs time that grows with fragmentation, and here an allocation is a
//! few dozen instructions.
//!
//! Objects above 2 KiB are runs of whole frames, cut to the frame.
//!
//! A slab holds objects of many partitions, so its frame can belong to none: all frames of the heap are charged to
//! Global as [`crate::frames::Kind::Kernel`], and the *objects* in them to those who have caused them. [`Payer`] says
//! who that is when an object is made; a tag at the end of the slab says it when the object goes. What the objects of a
//! partition take counts to its maximum, and [`crate::frames::has_room`] is asked before more are made. The heap
//! itself refuses nobody while there is a frame.
//!
//! Locks: one for each class, of rank `Memory`; the frame allocator's, of the same rank, is taken under it.

use crate::contents::{Ram, ram};
use crate::frames::{self, HEAP_UNIT, Meta};
use abi::{Cid, PAGE_SHIFT, PAGE_SIZE};
use core::alloc::{GlobalAlloc, Layout};
use core::marker::PhantomData;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;
use sync::{Rank, SpinLock};

/// Who pays for an object that is made now.
pub trait Payer {
    /// The partition; asked at every allocation, under no lock of the heap.
    fn payer() -> Cid;
}

/// Global pays for everything.
pub struct GlobalPays;

impl Payer for GlobalPays {
    fn payer() -> Cid {
        Cid::GLOBAL
    }
}

/// Sizes of objects, multiples of 16 bytes; the larger ones such that tags fit beside them.
const SIZES: [usize; 17] = [
    16, 32, 48, 64, 80, 96, 128, 192, 256, 336, 448, 576, 672, 816, 1008, 1360, 2032,
];
/// The largest object in a slab.
const LARGEST: usize = 2032;
/// The bytes of a tag, which is the number of the partition that pays.
const TAG: usize = size_of::<u16>();
const _: () = assert!((LARGEST + TAG) * 2 <= PAGE_SIZE);
/// The unit of places in a slab.
const UNIT: usize = HEAP_UNIT;

/// How many objects a slab holds, for each class.
const CAPACITY: [u16; SIZES.len()] = {
    let mut capacity = [0; SIZES.len()];
    let mut class = 0;
    while class < SIZES.len() {
        capacity[class] = (PAGE_SIZE / (SIZES[class] + TAG)) as u16;
        class += 1;
    }
    capacity
};

/// For each class, 65536 divided by the units of an object and rounded up: the index of an object is its place in units
/// times that, without the lower 16 bits. Places are below 256 units, so the rounding never reaches the next index.
const RECIPROCAL: [u32; SIZES.len()] = {
    let mut reciprocal = [0; SIZES.len()];
    let mut class = 0;
    while class < SIZES.len() {
        reciprocal[class] = 65536_u32.div_ceil((SIZES[class] / UNIT) as u32);
        class += 1;
    }
    reciprocal
};

/// Where the tag of the object at `unit` is in its slab, in bytes: the first is at the end.
fn tag_offset(class: usize, unit: u16) -> usize {
    let index = (u32::from(unit) * RECIPROCAL[class]) >> 16;
    PAGE_SIZE - TAG * (index as usize + 1)
}
/// Ends a slab's list of freed objects.
const NONE: u16 = u16::MAX;

/// The class for every size in units.
static CLASS_OF: [u8; LARGEST / UNIT + 1] = {
    let mut table = [0; LARGEST / UNIT + 1];
    let (mut units, mut class) = (0, 0);
    while units < table.len() {
        if units * UNIT > SIZES[class] {
            class += 1;
        }
        table[units] = class as u8;
        units += 1;
    }
    table
};

/// The heap. One for the machine, as `#[global_allocator]`; [`crate::frames::initialize`] comes before its first use,
/// before that every allocation fails.
pub struct KernelHeap<P: Payer = GlobalPays> {
    /// For each class, the first slab that has room, or 0.
    classes: [SpinLock<u32>; SIZES.len()],
    payer: PhantomData<fn() -> P>,
}

/// What is known of a slab; it lives in the metadata and changes under the class's lock.
struct Slab {
    meta: &'static Meta,
    /// Objects in use.
    used: u16,
    /// The freed object to be used next, in units from the frame's start.
    freed: u16,
    /// Where objects begin that were never used, in units.
    fresh: u16,
}

impl Slab {
    fn load(meta: &'static Meta) -> Self {
        let packed = meta.references.load(Relaxed);
        Self {
            meta,
            used: packed as u16,
            freed: (packed >> 16) as u16,
            fresh: meta.owner.load(Relaxed),
        }
    }

    fn store(&self) {
        self.meta
            .references
            .store(u32::from(self.used) | u32::from(self.freed) << 16, Relaxed);
        self.meta.owner.store(self.fresh, Relaxed);
    }
}

/// Where an object goes.
enum Place {
    Class(usize),
    /// Frames, and the alignment as an order.
    Run(u32, u32),
    /// Larger than any run.
    Nowhere,
}

fn place(layout: Layout) -> Place {
    let size = layout.size().max(layout.align());
    if size <= LARGEST {
        let mut class = usize::from(CLASS_OF[size.div_ceil(UNIT)]);
        // A slab begins on a page, so an object is aligned to every power of two that divides its size.
        while class < SIZES.len() {
            // A power of two: no division.
            if SIZES[class] & (layout.align() - 1) == 0 {
                return Place::Class(class);
            }
            class += 1;
        }
    }
    let Ok(count) = u32::try_from(layout.size().max(1).div_ceil(PAGE_SIZE)) else {
        return Place::Nowhere;
    };
    Place::Run(
        count,
        (layout.align() >> PAGE_SHIFT).max(1).trailing_zeros(),
    )
}

impl<P: Payer> KernelHeap<P> {
    /// An empty heap.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            classes: [const { SpinLock::new(Rank::Memory, 0) }; SIZES.len()],
            payer: PhantomData,
        }
    }

    fn take(&self, class: usize) -> Option<*mut u8> {
        let payer = P::payer();
        let ram = ram();
        let mut head = self.classes[class].lock();
        if *head == 0 {
            let number = frames::take_run(1, 0).ok()?;
            let meta = ram.meta(number)?;
            Slab {
                meta,
                used: 0,
                freed: NONE,
                fresh: 0,
            }
            .store();
            link(ram, &mut head, number, meta);
        }
        let number = *head;
        let mut slab = Slab::load(ram.meta(number)?);
        let unit = if slab.freed == NONE {
            let unit = slab.fresh;
            slab.fresh += (SIZES[class] / UNIT) as u16;
            unit
        } else {
            slab.freed
        };
        let frame = ram.pointer(number);
        let object = frame.wrapping_add(usize::from(unit) * UNIT);
        if slab.freed != NONE {
            // SAFETY: a freed object holds the place of the next one in its first two bytes (written by `give`), it
            // lies in a frame of this heap, and the class's lock is held.
            slab.freed = unsafe { object.cast::<u16>().read() };
        }
        // SAFETY: the tags lie behind the last object of a frame of this heap (`CAPACITY`), and the class's lock is held.
        unsafe {
            frame
                .add(tag_offset(class, unit))
                .cast::<u16>()
                .write(payer.0)
        };
        slab.used += 1;
        slab.store();
        if slab.used == CAPACITY[class] {
            unlink(ram, &mut head, slab.meta);
        }
        drop(head);
        frames::charge_heap(payer, (SIZES[class] / UNIT) as u32);
        Some(object)
    }

    /// # Safety
    /// `object` came from [`KernelHeap::take`] of the same class and is not used any more.
    unsafe fn give(&self, class: usize, object: *mut u8) {
        let ram = ram();
        let number = ram.frame_of(object);
        let Some(meta) = ram.meta(number) else { return };
        let mut head = self.classes[class].lock();
        let mut slab = Slab::load(meta);
        let unit = ((object as usize % PAGE_SIZE) / UNIT) as u16;
        // SAFETY: `take` has written the tag of this object there, in a frame of this heap; the class's lock is held.
        let payer = unsafe {
            let frame = ram.pointer(number);
            frame.add(tag_offset(class, unit)).cast::<u16>().read()
        };
        frames::discharge_heap(Cid(payer), (SIZES[class] / UNIT) as u32);
        let was_full = slab.used == CAPACITY[class];
        slab.used -= 1;
        if slab.used == 0 {
            // It was not full, as a slab holds two objects at least, so it is on the list.
            unlink(ram, &mut head, meta);
            frames::give_run(number, 1);
            return;
        }
        // SAFETY: the object is ours again (contract), at least 16 bytes large and aligned.
        unsafe { object.cast::<u16>().write(slab.freed) };
        slab.freed = unit;
        slab.store();
        if was_full {
            link(ram, &mut head, number, meta);
        }
    }
}

/// The units of a run of frames.
fn units_of_run(count: u32) -> u32 {
    count * (PAGE_SIZE / UNIT) as u32
}

/// Takes a run of frames for an object that `payer` pays.
fn take_run(payer: Cid, count: u32, order: u32) -> *mut u8 {
    let ram = ram();
    let Ok(number) = frames::take_run(count, order) else {
        return null_mut();
    };
    if let Some(meta) = ram.meta(number) {
        meta.owner.store(payer.0, Relaxed);
    }
    frames::charge_heap(payer, units_of_run(count));
    ram.pointer(number)
}

/// Gives the last frames of the run at `object` back, all but `kept`.
fn give_run(object: *mut u8, count: u32, kept: u32) {
    let ram = ram();
    let first = ram.frame_of(object);
    if let Some(meta) = ram.meta(first) {
        let payer = Cid(meta.owner.load(Relaxed));
        frames::discharge_heap(payer, units_of_run(count - kept));
    }
    frames::give_run(first + kept, count - kept);
}

impl<P: Payer> Default for KernelHeap<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts a slab at the head of its class's list.
fn link(ram: &Ram, head: &mut u32, number: u32, meta: &Meta) {
    meta.prev.store(0, Relaxed);
    meta.next.store(*head, Relaxed);
    if let Some(next) = ram.meta(*head).filter(|_| *head != 0) {
        next.prev.store(number, Relaxed);
    }
    *head = number;
}

fn unlink(ram: &Ram, head: &mut u32, meta: &Meta) {
    let (prev, next) = (meta.prev.load(Relaxed), meta.next.load(Relaxed));
    match ram.meta(prev).filter(|_| prev != 0) {
        Some(prev) => prev.next.store(next, Relaxed),
        None => *head = next,
    }
    if let Some(next) = ram.meta(next).filter(|_| next != 0) {
        next.prev.store(prev, Relaxed);
    }
}

// SAFETY: objects in use never overlap: a slab hands a place out once until it is given back, under the class's lock,
// and runs are frames that are nobody else's; sizes and alignments are those of `place`.
unsafe impl<P: Payer> GlobalAlloc for KernelHeap<P> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if frames::injected_here() {
            return null_mut();
        }
        match place(layout) {
            Place::Class(class) => self.take(class).unwrap_or(null_mut()),
            Place::Run(count, order) => take_run(P::payer(), count, order),
            Place::Nowhere => null_mut(),
        }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        match place(layout) {
            // SAFETY: the layout is the one of the allocation (contract of GlobalAlloc), so the class is too.
            Place::Class(class) => unsafe { self.give(class, object) },
            Place::Run(count, _) => give_run(object, count, 0),
            Place::Nowhere => {}
        }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `size` rounded up to the alignment does not overflow `isize` (contract of GlobalAlloc).
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (place(layout), place(new)) {
            (Place::Class(old), Place::Class(new)) if old == new => return object,
            (Place::Run(old, _), Place::Run(new, _)) if new <= old => {
                if new < old {
                    give_run(object, old, new);
                }
                return object;
            }
            _ => {}
        }
        // SAFETY: a valid layout, see above.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both objects are at least as large as what is copied, and they are two.
            unsafe { core::ptr::copy_nonoverlapping(object, moved, layout.size().min(size)) };
            // SAFETY: the caller gives the object up (contract of GlobalAlloc).
            unsafe { self.dealloc(object, layout) };
        }
        moved
    }
}
