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
//! All frames of the heap are charged to Global as [`crate::frames::Kind::Kernel`]: a slab holds objects of many
//! partitions, so its frame can belong to none. What partitions may make the kernel keep is limited by
//! number where it is made (processes, open files, areas).
//!
//! Locks: one for each class, of rank `Memory`; the frame allocator's, of the same rank, is taken under it.

use crate::contents::{Ram, ram};
use crate::frames::{self, Meta};
use abi::{PAGE_SHIFT, PAGE_SIZE};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;
use sync::{Rank, SpinLock};

/// Sizes of objects, multiples of 16 bytes.
const SIZES: [usize; 15] = [
    16, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 1360, 2048,
];
/// The largest object in a slab.
const LARGEST: usize = 2048;
const _: () = assert!(LARGEST * 2 <= PAGE_SIZE);
/// The unit of places in a slab.
const UNIT: usize = 16;
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
pub struct KernelHeap {
    /// For each class, the first slab that has room, or 0.
    classes: [SpinLock<u32>; SIZES.len()],
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
            if SIZES[class].is_multiple_of(layout.align()) {
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

impl KernelHeap {
    /// An empty heap.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            classes: [const { SpinLock::new(Rank::Memory, 0) }; SIZES.len()],
        }
    }

    fn take(&self, class: usize) -> Option<*mut u8> {
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
        let object = ram.pointer(number).wrapping_add(usize::from(unit) * UNIT);
        if slab.freed != NONE {
            // SAFETY: a freed object holds the place of the next one in its first two bytes (written by `give`), it
            // lies in a frame of this heap, and the class's lock is held.
            slab.freed = unsafe { object.cast::<u16>().read() };
        }
        slab.used += 1;
        slab.store();
        if usize::from(slab.used) == PAGE_SIZE / SIZES[class] {
            unlink(ram, &mut head, slab.meta);
        }
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
        let was_full = usize::from(slab.used) == PAGE_SIZE / SIZES[class];
        slab.used -= 1;
        if slab.used == 0 {
            // It was not full, as a slab holds two objects at least, so it is on the list.
            unlink(ram, &mut head, meta);
            frames::give_run(number, 1);
            return;
        }
        // SAFETY: the object is ours again (contract), at least 16 bytes large and aligned.
        unsafe { object.cast::<u16>().write(slab.freed) };
        slab.freed = ((object as usize % PAGE_SIZE) / UNIT) as u16;
        slab.store();
        if was_full {
            link(ram, &mut head, number, meta);
        }
    }
}

impl Default for KernelHeap {
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
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match place(layout) {
            Place::Class(class) => self.take(class).unwrap_or(null_mut()),
            Place::Run(count, order) => match frames::take_run(count, order) {
                Ok(number) => ram().pointer(number),
                Err(frames::OutOfMemory) => null_mut(),
            },
            Place::Nowhere => null_mut(),
        }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        match place(layout) {
            // SAFETY: the layout is the one of the allocation (contract of GlobalAlloc), so the class is too.
            Place::Class(class) => unsafe { self.give(class, object) },
            Place::Run(count, _) => {
                frames::give_run(ram().frame_of(object), count);
            }
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
                    frames::give_run(ram().frame_of(object) + new, old - new);
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
