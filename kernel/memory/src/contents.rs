//! What frames hold: the only way from a frame number to its bytes.
//!
//! All access goes through relaxed atomics, which compile to plain loads and stores: programs on other CPUs
//! may change a page while the kernel copies it, and that must not be undefined behaviour.

use abi::PAGE_SIZE;
use abi::mmu::FrameNumber;
use core::ops::Range;
use core::ptr::{from_ref, null_mut};
use core::sync::atomic::Ordering::{Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64};

use crate::frames::Meta;
use spin::Once;

/// 64-bit words in a frame.
const WORDS: usize = PAGE_SIZE / 8;
/// How many separate stretches of RAM a [`LinearMap`] can grant.
const REGIONS: usize = 32;

/// The right to use RAM: where it is mapped linearly and which frames are the kernel's to manage.
///
/// Only boot code can make one, because only boot code knows that its promise holds; whoever has it may hand
/// it to [`crate::frames::initialize`], which is safe.
#[derive(Debug)]
pub struct LinearMap {
    base: *mut u8,
    regions: [(FrameNumber, u32); REGIONS],
    count: usize,
    filling: Filling,
}

/// How this machine fills whole frames, all of them granted.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// Copies the first frame into the second, whatever happens to the first meanwhile.
    pub copy: unsafe fn(FrameNumber, FrameNumber),
    /// Fills a frame that nobody else uses with zeros.
    pub clear: unsafe fn(FrameNumber),
}

// SAFETY: the pointer is an address that means the same on every CPU (contract of `LinearMap::new`).
unsafe impl Send for LinearMap {}

impl LinearMap {
    /// A map without RAM: frame `n` is at `base + n * PAGE_SIZE` once it is granted.
    ///
    /// # Safety
    /// From now on until the machine stops, every granted frame is RAM that is readable and writable at that
    /// address on every CPU; `filling` does what [`Filling`] says for granted frames.
    #[must_use]
    pub const unsafe fn new(base: *mut u8, filling: Filling) -> Self {
        Self {
            filling,
            base,
            regions: [(FrameNumber(0), 0); REGIONS],
            count: 0,
        }
    }

    /// Grants `count` frames from `first` on; false when no more stretches can be noted (the RAM is lost then).
    ///
    /// # Safety
    /// Nobody else uses these frames: not firmware, not the kernel image, not the boot stack, not an earlier grant.
    pub unsafe fn grant(&mut self, first: FrameNumber, count: u32) -> bool {
        let Some(slot) = self.regions.get_mut(self.count) else {
            return false;
        };
        *slot = (first, count);
        self.count += 1;
        true
    }

    /// The granted stretches.
    pub fn regions(&self) -> impl Iterator<Item = (FrameNumber, u32)> + '_ {
        self.regions.iter().take(self.count).copied()
    }
}

/// RAM that holds something only while the system starts, as its first files, and is free after that.
#[derive(Debug)]
pub struct Loan {
    bytes: &'static [u8],
    first: FrameNumber,
    count: u32,
}

impl Loan {
    /// A loan of `bytes`, which lie in RAM. `count` frames from `first` on are free when it is [given
    /// back](crate::frames::absorb).
    ///
    /// # Safety
    /// Nobody else uses these frames, as for [`LinearMap::grant`], or reads the bytes.
    #[must_use]
    pub const unsafe fn new(bytes: &'static [u8], first: FrameNumber, count: u32) -> Self {
        Self {
            bytes,
            first,
            count,
        }
    }

    /// What is in it.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        self.bytes
    }

    pub(crate) const fn frames(&self) -> (FrameNumber, u32) {
        (self.first, self.count)
    }
}

/// The linear map in use and the metadata of its frames.
///
/// Written once, by [`install`], under the frame allocator's lock. Read without any barrier, because this is on
/// every hot path: whoever holds a frame or a heap object, or has taken the allocator's lock, has synchronized with
/// `install` already.
pub(crate) struct Ram {
    base: AtomicPtr<u8>,
    metas: AtomicPtr<Meta>,
    /// What [`FILLING`] keeps.
    filling: AtomicPtr<Filling>,
    first: AtomicU32,
    /// Entries of `metas`; 0 until all else is set.
    count: AtomicU32,
}

static RAM: Ram = Ram {
    base: AtomicPtr::new(null_mut()),
    metas: AtomicPtr::new(null_mut()),
    filling: AtomicPtr::new(null_mut()),
    first: AtomicU32::new(0),
    count: AtomicU32::new(0),
};

impl Ram {
    /// The metadata of frame `number`, when it lies between the lowest and the highest granted frame.
    #[inline]
    pub(crate) fn meta(&self, number: u32) -> Option<&'static Meta> {
        let index = number.wrapping_sub(self.first.load(Relaxed));
        if index >= self.count.load(Relaxed) {
            return None;
        }
        // SAFETY: `install` has written `count` entries there, in RAM that is never given to anybody else; the caller
        // has synchronized with it (see the type).
        Some(unsafe { &*self.metas.load(Relaxed).add(index as usize) })
    }

    /// How frames are filled.
    #[inline]
    fn filling(&self) -> Option<&'static Filling> {
        // SAFETY: null, or written by `install` from a reference that is good for ever; the caller has synchronized with it (see
        // the type).
        unsafe { self.filling.load(Relaxed).as_ref() }
    }

    /// Where frame `number` begins.
    #[inline]
    pub(crate) fn pointer(&self, number: u32) -> *mut u8 {
        self.base
            .load(Relaxed)
            .wrapping_add((number as usize) << abi::PAGE_SHIFT)
    }

    /// The frame that holds the byte at `pointer`, which lies in a granted frame.
    #[inline]
    pub(crate) fn frame_of(&self, pointer: *mut u8) -> u32 {
        ((pointer as usize).wrapping_sub(self.base.load(Relaxed) as usize) >> abi::PAGE_SHIFT)
            as u32
    }
}

/// How frames are filled; set by [`install`].
static FILLING: Once<Filling> = Once::new();

/// The RAM in use; it has no frames before [`install`].
#[inline]
pub(crate) fn ram() -> &'static Ram {
    &RAM
}

/// Takes `map` into use with the metadata of all frames of `span` in the frames from `metas_at` on, which lie in
/// one granted stretch and are used for nothing else afterwards. A second call changes nothing and yields `None`.
/// Called with the frame allocator's lock held.
pub(crate) fn install(map: &LinearMap, span: Range<u32>, metas_at: u32) -> Option<&'static Ram> {
    if RAM.count.load(Relaxed) != 0 {
        return None;
    }
    let entries = span.len();
    let frames = entries
        .saturating_mul(size_of::<Meta>())
        .div_ceil(PAGE_SIZE) as u64;
    let granted = map.regions().any(|(first, count)| {
        u64::from(first.0) <= u64::from(metas_at)
            && u64::from(metas_at) + frames <= u64::from(first.0) + u64::from(count)
    });
    if !granted {
        return None;
    }
    let place = map
        .base
        .wrapping_add((metas_at as usize) << abi::PAGE_SHIFT)
        .cast::<Meta>();
    for index in 0..entries {
        // SAFETY: the frames from `metas_at` on are granted RAM (checked above), aligned and used by nobody else.
        unsafe { place.add(index).write(Meta::absent()) };
    }
    let filling = FILLING.call_once(|| map.filling);
    RAM.filling.store(from_ref(filling).cast_mut(), Relaxed);
    RAM.base.store(map.base, Relaxed);
    RAM.metas.store(place, Relaxed);
    RAM.first.store(span.start, Relaxed);
    RAM.count.store(entries as u32, Release);
    Some(&RAM)
}

/// The words of an allocated frame; the caller holds it.
#[inline]
fn words(number: u32) -> Option<&'static [AtomicU64; WORDS]> {
    let ram = ram();
    ram.meta(number)?;
    // SAFETY: the frame is granted RAM (only such frames are ever allocated), page-aligned, and all kernel access
    // to frame contents is through atomics.
    Some(unsafe { &*ram.pointer(number).cast::<[AtomicU64; WORDS]>() })
}

/// The bytes of an allocated frame; the caller holds it.
#[inline]
pub(crate) fn bytes(number: u32) -> Option<&'static [AtomicU8; PAGE_SIZE]> {
    let ram = ram();
    ram.meta(number)?;
    // SAFETY: as for `words`.
    Some(unsafe { &*ram.pointer(number).cast::<[AtomicU8; PAGE_SIZE]>() })
}

/// The aligned 32-bit words of a frame, for futex words and the like.
#[inline]
pub(crate) fn halves(number: u32) -> Option<&'static [AtomicU32; PAGE_SIZE / 4]> {
    let ram = ram();
    ram.meta(number)?;
    // SAFETY: as for `words`.
    Some(unsafe { &*ram.pointer(number).cast::<[AtomicU32; PAGE_SIZE / 4]>() })
}

/// Fills a frame with zeros.
pub(crate) fn zero(number: u32) {
    let Some(words) = words(number) else { return };
    for eight in words.as_chunks::<8>().0 {
        for word in eight {
            word.store(0, Relaxed);
        }
    }
}

/// Fills `count` frames from `first` on with zeros. The caller has just taken them, and nobody else has a handle or a
/// translation.
pub(crate) fn clear(first: u32, count: u32) {
    let ram = ram();
    let Some(filling) = ram.filling() else {
        return;
    };
    for number in first..first.saturating_add(count) {
        if ram.meta(number).is_some() {
            // SAFETY: granted RAM (only such frames are ever allocated), which `clear` is for (contract of `LinearMap::new`),
            // and the caller vouches that nobody else reads or writes it.
            unsafe { (filling.clear)(FrameNumber(number)) };
        }
    }
}

/// Copies all of frame `from` into frame `to`.
pub(crate) fn copy(from: u32, to: u32) {
    let ram = ram();
    let (Some(_), Some(_), Some(filling)) = (ram.meta(from), ram.meta(to), ram.filling()) else {
        return;
    };
    // SAFETY: both are granted RAM (only such frames are ever allocated), which `copy` is for (contract of `LinearMap::new`).
    unsafe { (filling.copy)(FrameNumber(from), FrameNumber(to)) };
}

/// How a stretch of a frame falls into bytes before the first whole word, words, and bytes after.
fn parts(offset: usize, length: usize) -> (usize, usize) {
    let head = (offset.next_multiple_of(8) - offset).min(length);
    (head, (length - head) / 8)
}

/// Fills `into` from the frame's bytes at `offset`; what would lie beyond the frame is left alone.
pub(crate) fn read(number: u32, offset: usize, into: &mut [u8]) {
    let (Some(all), Some(words)) = (bytes(number), words(number)) else {
        return;
    };
    let Some(bytes) = all.get(offset..) else {
        return;
    };
    let length = into.len().min(bytes.len());
    let (head, count) = parts(offset, length);
    let (first, rest) = into[..length].split_at_mut(head);
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = from.load(Relaxed);
    }
    let (middle, last) = rest.split_at_mut(count * 8);
    let start = (offset + head) / 8;
    for (to, from) in middle
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(&words[start.min(WORDS)..])
    {
        *to = from.load(Relaxed).to_ne_bytes();
    }
    for (to, from) in last.iter_mut().zip(&bytes[head + count * 8..]) {
        *to = from.load(Relaxed);
    }
}

/// Stores `from` at `offset` of the frame; what would lie beyond the frame is dropped.
pub(crate) fn write(number: u32, offset: usize, from: &[u8]) {
    let (Some(all), Some(words)) = (bytes(number), words(number)) else {
        return;
    };
    let Some(bytes) = all.get(offset..) else {
        return;
    };
    let length = from.len().min(bytes.len());
    let (head, count) = parts(offset, length);
    let (first, rest) = from[..length].split_at(head);
    for (to, from) in bytes.iter().zip(first) {
        to.store(*from, Relaxed);
    }
    let (middle, last) = rest.split_at(count * 8);
    let start = (offset + head) / 8;
    for (to, from) in words[start.min(WORDS)..]
        .iter()
        .zip(middle.as_chunks::<8>().0)
    {
        to.store(u64::from_ne_bytes(*from), Relaxed);
    }
    for (to, from) in bytes[head + count * 8..].iter().zip(last) {
        to.store(*from, Relaxed);
    }
}
