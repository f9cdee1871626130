//! The frames of RAM: who has them, and how many may still be had.
//!
//! One allocator for the machine. A [`Frame`] is a counted handle; the frame is free when the last handle is
//! dropped. Runs of frames (translation roots, large kernel objects) are bare numbers inside this crate.
//!
//! Every allocated frame has a [`Kind`] and is charged to one partition; the counts in [`usage`] are exact at
//! every moment. A frame that several processes or partitions share stays charged to its first owner until that
//! reference goes or [`Frame::retag`] is called: shared text is paid once, by its first user.
//!
//! Zeroing rule: [`Frame::allocate`] and translation tables are zeroed when they are handed out, so no contents
//! ever cross from one owner to the next; [`Frame::duplicate`] overwrites the whole frame instead. Frames of the
//! kernel heap are not zeroed.
//!
//! A part of RAM, one 64th but at most 16 MiB, is kept for Global: allocations of other partitions fail first. A
//! quarter of it is kept for the kernel's heap alone.
//! A partition may have a minimum, which other partitions leave free for it, and a hard maximum, which it does not
//! pass. Nothing here is reclaimed: without a store behind them, no pages but translation tables can be made again.
//!
//! Lock: one, of rank `Memory`, for at most a few dozen instructions, or for one chunk of frames on release.

mod accounts;
mod buddy;
mod meta;

pub use accounts::Usage;
pub(crate) use accounts::{HEAP_UNIT, charge_heap, discharge_heap};
pub(crate) use meta::Meta;
use meta::Payment;

use crate::contents::{self, LinearMap, Loan, Ram, ram};
use abi::mmu::FrameNumber;
use abi::{Cid, Errno, PAGE_SIZE, Pages};
use buddy::{Buddy, ORDERS};
use core::num::NonZeroU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicU32, fence};
use sync::{Rank, SpinLock};

/// What a frame is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Private and anonymous shared memory of programs.
    Anonymous = 0,
    /// Contents of a file.
    File = 1,
    /// The kernel's own objects.
    Kernel = 2,
    /// Translation tables.
    Table = 3,
    /// Buffers that a device reads or writes.
    Device = 4,
}

impl Kind {
    const COUNT: usize = 5;

    fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Kind::Anonymous,
            1 => Kind::File,
            3 => Kind::Table,
            4 => Kind::Device,
            _ => Kind::Kernel,
        }
    }
}

/// There is no free frame that the partition may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl From<OutOfMemory> for Errno {
    fn from(_: OutOfMemory) -> Self {
        Errno::ENOMEM
    }
}

static FREE: SpinLock<Buddy> = SpinLock::new(Rank::Memory, Buddy::new());
static TOTAL: AtomicU32 = AtomicU32::new(0);
static RESERVE: AtomicU32 = AtomicU32::new(0);

/// Takes the RAM of `map` into use. Called once, before the first allocation; later calls change nothing.
///
/// A part of the largest stretch, 16 bytes for each frame of RAM, is kept for metadata.
pub fn initialize(map: LinearMap) {
    let (mut lowest, mut highest) = (u32::MAX, 0);
    let mut largest = (0, 0);
    for (first, count) in map.regions().map(usable) {
        (lowest, highest) = (lowest.min(first), highest.max(first + count));
        if count > largest.1 {
            largest = (first, count);
        }
    }
    let span = lowest..highest;
    let needed = (span.len() * size_of::<Meta>()).div_ceil(PAGE_SIZE) as u32;
    if needed >= largest.1 {
        return;
    }
    let mut free = FREE.lock();
    let Some(ram) = contents::install(&map, span, largest.0) else {
        return;
    };
    for (first, count) in map.regions().map(usable) {
        let taken = if first == largest.0 { needed } else { 0 };
        free.give_run(ram, first + taken, count - taken);
    }
    set_total(free.free());
}

fn set_total(total: u32) {
    TOTAL.store(total, Relaxed);
    RESERVE.store((total / 64).min(4096), Relaxed);
}

/// Takes RAM into use that the beginning of the system had. Stretches that do not lie between those of [`initialize`] stay
/// as they are.
pub fn absorb(loan: Loan) {
    let (first, count) = usable(loan.frames());
    let mut free = FREE.lock();
    let ram = ram();
    let Some(last) = (first + count).checked_sub(1).filter(|_| count > 0) else {
        return;
    };
    if ram.meta(first).is_none() || ram.meta(last).is_none() {
        return;
    }
    free.give_run(ram, first, count);
    set_total(TOTAL.load(Relaxed) + count);
}

/// A granted stretch without frame 0, whose number ends lists.
fn usable((first, count): (FrameNumber, u32)) -> (u32, u32) {
    let end = first.0.saturating_add(count);
    let first = first.0.max(1);
    (first, end.saturating_sub(first))
}

/// All frames that programs and the kernel can use, but for its image.
#[must_use]
pub fn total() -> Pages {
    Pages(u64::from(TOTAL.load(Relaxed)))
}

/// The frames that are free now, those kept for Global included.
#[must_use]
pub fn free() -> Pages {
    Pages(u64::from(FREE.lock().free()))
}

/// The frames that only Global may still take.
#[must_use]
pub fn reserve() -> Pages {
    Pages(u64::from(RESERVE.load(Relaxed)))
}

/// What is charged to `owner`.
#[must_use]
pub fn usage(owner: Cid) -> Usage {
    accounts::usage(owner)
}

/// Sets the hard maximum of `owner` over all kinds; `None` lifts it. What is held beyond it stays.
pub fn set_maximum(owner: Cid, maximum: Option<Pages>) {
    let _guard = FREE.lock();
    let pages = maximum.map_or(0, |pages| u32::try_from(pages.0).unwrap_or(u32::MAX).max(1));
    accounts::set_maximum(owner, pages);
}

/// The hard maximum of `owner`; `None` when there is none.
#[must_use]
pub fn maximum(owner: Cid) -> Option<Pages> {
    accounts::maximum(owner)
}

/// Keeps `minimum` frames for `owner`: while it holds fewer, other partitions leave free what it lacks.
///
/// Global is not held back by it: its programs and the kernel's objects must go on whatever is promised. When
/// others hold the frames already, the minimum is filled as they give them back.
pub fn set_minimum(owner: Cid, minimum: Pages) {
    let _guard = FREE.lock();
    accounts::set_minimum(owner, u32::try_from(minimum.0).unwrap_or(u32::MAX / 2));
}

/// Whether `owner` may cause more objects of the kernel: it has not reached its maximum, and the free frames are more
/// than what is kept from it.
///
/// What a single call makes in the heap is small and is not refused in the middle. It is asked for here, before the call
/// begins, and what the call then takes beyond the limit comes out of what was kept.
#[must_use]
pub fn has_room(owner: Cid) -> bool {
    !injected_here() && permitted(&FREE.lock(), owner, 1, kept_from(owner))
}

/// Lets `owner` go beyond its maximum, or beyond what it has held since that was set lower, by a few frames, or no longer:
/// while its first process runs. That process may have lost its translation tables while it slept; were it to end for lack of
/// a frame to build them in, so would its partition.
pub fn set_grace(owner: Cid, has: bool) {
    /// The tables of a small program, and some of its pages.
    const GRACE: u32 = 64;
    if has {
        accounts::give_grace(owner, GRACE);
    } else {
        accounts::end_grace(owner);
    }
}

/// Makes what a partition that is gone has left in the kernel's heap Global's, and answers how many bytes that is:
/// places in tables that all partitions share.
pub fn inherit(owner: Cid) -> usize {
    accounts::inherit_heap(owner)
}

/// The frames that an allocation for `owner` leaves free, besides what is promised to others.
///
/// Global leaves a quarter of the reserve to the kernel's heap, so that what a call allocates on its way is there.
#[inline]
fn kept_from(owner: Cid) -> u32 {
    let reserve = RESERVE.load(Relaxed);
    if owner.is_global() || accounts::grace(owner) > 0 {
        reserve / 4
    } else {
        reserve
    }
}

/// The frames that are free but promised to other partitions, as far as `owner` has to heed that.
#[inline]
fn promised(owner: Cid) -> u32 {
    if owner.is_global() {
        0
    } else {
        accounts::promised_to_others(owner)
    }
}

/// Whether `owner` may take `count` of the free frames and leave `kept`.
#[inline]
fn permitted(free: &Buddy, owner: Cid, count: u32, kept: u32) -> bool {
    let kept = kept.saturating_add(promised(owner));
    free.free() >= kept.saturating_add(count) && accounts::permits(owner, count) && !injected()
}

#[inline]
fn take_one(owner: Cid, kind: Kind, kept: u32) -> Result<(u32, &'static Meta), OutOfMemory> {
    let ram = ram();
    let mut free = FREE.lock();
    if !permitted(&free, owner, 1, kept) {
        return Err(OutOfMemory);
    }
    let (number, meta) = free.take_one(ram).ok_or(OutOfMemory)?;
    meta.set_used(owner.0, kind, 0);
    accounts::charge(owner, kind, 1);
    Ok((number, meta))
}

/// Takes `1 << order` frames, aligned to their size; their contents are what they are.
pub(crate) fn take_block(owner: Cid, kind: Kind, order: u32) -> Result<u32, OutOfMemory> {
    if injected_here() {
        return Err(OutOfMemory);
    }
    take_block_keeping(owner, kind, order, kept_from(owner))
}

fn take_block_keeping(owner: Cid, kind: Kind, order: u32, kept: u32) -> Result<u32, OutOfMemory> {
    let ram = ram();
    if order >= ORDERS {
        return Err(OutOfMemory);
    }
    let mut free = FREE.lock();
    if !permitted(&free, owner, 1 << order, kept) {
        return Err(OutOfMemory);
    }
    let number = free.take(ram, order).ok_or(OutOfMemory)?;
    if let Some(meta) = ram.meta(number) {
        meta.set_used(owner.0, kind, order);
    }
    accounts::charge(owner, kind, 1 << order);
    Ok(number)
}

/// Gives a block from [`take_block`] back; a block that is not allocated in this order is left alone.
pub(crate) fn give_block(number: u32, order: u32) {
    let ram = ram();
    let Some(meta) = ram.meta(number) else { return };
    let mut free = FREE.lock();
    if !meta.is_used() || u32::from(meta.order.load(Relaxed)) != order {
        return;
    }
    accounts::charge(Cid(meta.owner.load(Relaxed)), meta.kind(), -(1 << order));
    meta.set_body();
    free.give(ram, number, order);
}

/// The longest run of frames that the heap may take out of what is kept for it.
const SMALL_RUN: u32 = 16;

/// Takes `count` frames in a row for the heap, aligned to `1 << order` of them and charged to Global.
pub(crate) fn take_run(count: u32, order: u32) -> Result<u32, OutOfMemory> {
    if count == 1 && order == 0 {
        return take_one(Cid::GLOBAL, Kind::Kernel, 0).map(|(number, _)| number);
    }
    let ram = ram();
    let order = order.max(
        count
            .checked_next_power_of_two()
            .ok_or(OutOfMemory)?
            .trailing_zeros(),
    );
    let kept = if count > SMALL_RUN {
        kept_from(Cid::GLOBAL)
    } else {
        0
    };
    let number = take_block_keeping(Cid::GLOBAL, Kind::Kernel, order, kept)?;
    let rest = (1 << order) - count;
    if rest > 0 {
        let mut free = FREE.lock();
        accounts::charge(Cid::GLOBAL, Kind::Kernel, -(rest as i32));
        free.give_run(ram, number + count, rest);
    }
    Ok(number)
}

/// Gives `count` frames from [`take_run`] back.
pub(crate) fn give_run(first: u32, count: u32) {
    let ram = ram();
    let mut free = FREE.lock();
    accounts::charge(Cid::GLOBAL, Kind::Kernel, -(count as i32));
    if count == 1 {
        if let Some(meta) = ram.meta(first) {
            free.give_one(ram, first, meta);
        }
    } else {
        if let Some(meta) = ram.meta(first) {
            meta.set_body();
        }
        free.give_run(ram, first, count);
    }
}

/// A counted handle to a frame of RAM.
///
/// `clone` adds a reference and costs one atomic addition; the frame is free when the last handle is dropped.
/// Contents are read and written through any handle: sharing rules are the address space's business.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame(NonZeroU32);

impl Frame {
    /// A zeroed frame charged to `owner`.
    ///
    /// # Errors
    /// [`OutOfMemory`] when none is free, or only Global's reserve, or `owner` is at its maximum.
    pub fn allocate(owner: Cid, kind: Kind) -> Result<Self, OutOfMemory> {
        let frame = Self::take(owner, kind)?;
        contents::clear(frame.0.get(), 1);
        Ok(frame)
    }

    /// A new frame charged to `owner` with the contents of this one.
    ///
    /// # Errors
    /// As [`Frame::allocate`].
    pub fn duplicate(&self, owner: Cid, kind: Kind) -> Result<Self, OutOfMemory> {
        let frame = Self::take(owner, kind)?;
        contents::copy(self.0.get(), frame.0.get());
        Ok(frame)
    }

    fn take(owner: Cid, kind: Kind) -> Result<Self, OutOfMemory> {
        if injected_here() {
            return Err(OutOfMemory);
        }
        let (number, meta) = take_one(owner, kind, kept_from(owner))?;
        meta.references.store(1, Relaxed);
        NonZeroU32::new(number).map(Self).ok_or(OutOfMemory)
    }

    #[inline]
    fn meta(&self) -> Option<&'static Meta> {
        ram().meta(self.0.get())
    }

    /// The frame's number, for translations and devices; it is good while a handle exists.
    #[inline]
    #[must_use]
    pub fn number(&self) -> FrameNumber {
        FrameNumber(self.0.get())
    }

    /// Whether there is another handle to this frame. When there is none, what others did with it is done.
    #[inline]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.references() > 1
    }

    /// How many handles there are.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.meta().map_or(0, |meta| meta.references.load(Relaxed))
    }

    /// What the frame is used for.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.meta().map_or(Kind::Kernel, Meta::kind)
    }

    /// Who pays for the frame.
    #[must_use]
    pub fn owner(&self) -> Cid {
        self.meta()
            .map_or(Cid::GLOBAL, |meta| Cid(meta.owner.load(Relaxed)))
    }

    /// Charges the frame to `owner` as `kind` from now on, even beyond the maximum of `owner`.
    pub fn retag(&self, owner: Cid, kind: Kind) {
        let Some(meta) = self.meta() else { return };
        let _guard = FREE.lock();
        accounts::charge(Cid(meta.owner.load(Relaxed)), meta.kind(), -1);
        meta.set_used(owner.0, kind, 0);
        accounts::charge(owner, kind, 1);
    }

    /// The bytes, which others may change at any moment.
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        contents::bytes(self.0.get()).map_or(&[], |bytes| bytes)
    }

    /// The same, to be written to.
    #[must_use]
    pub fn bytes_to_write(&self) -> &[AtomicU8] {
        self.written();
        self.bytes()
    }

    /// Fills `into` from the bytes at `offset`; bytes beyond the frame are left as they are.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        contents::read(self.0.get(), offset, into);
    }

    /// Stores `from` at `offset`; bytes beyond the frame are dropped.
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.written();
        contents::write(self.0.get(), offset, from);
    }

    /// Takes over the contents of `other`.
    pub fn copy_from(&self, other: &Frame) {
        self.written();
        contents::copy(other.0.get(), self.0.get());
    }

    /// Fills the frame with zeros.
    pub fn zero(&self) {
        self.written();
        contents::zero(self.0.get());
    }

    /// The 32-bit word at `offset`, for atomic use (`man 2 futex`); `None` when it is unaligned or outside.
    #[must_use]
    pub fn word(&self, offset: usize) -> Option<&AtomicU32> {
        if !offset.is_multiple_of(4) {
            return None;
        }
        contents::halves(self.0.get())?.get(offset / 4)
    }

    #[inline]
    fn written(&self) {
        if let Some(meta) = self.meta() {
            meta.mark_written();
        }
    }

    /// Notes that the instruction caches agree with the contents; false when nothing was written since the last time.
    pub(crate) fn mark_clean(&self) -> bool {
        self.meta().is_some_and(Meta::mark_clean)
    }

    /// Drops a reference; true when it was the last.
    #[inline]
    fn let_go(meta: &Meta) -> bool {
        // With one reference left nobody else can add or drop any, so the subtraction needs no atomic.
        if meta.references.load(Relaxed) == 1 {
            meta.references.store(0, Relaxed);
        } else if meta.references.fetch_sub(1, Release) != 1 {
            return false;
        }
        fence(Acquire);
        true
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        if let Some(meta) = self.meta() {
            meta.references.fetch_add(1, Relaxed);
        }
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let ram = ram();
        let Some(meta) = ram.meta(self.0.get()) else {
            return;
        };
        if Self::let_go(meta) {
            release(&mut FREE.lock(), ram, self.0.get(), meta);
        }
    }
}

fn release(free: &mut Buddy, ram: &Ram, number: u32, meta: &Meta) {
    accounts::charge(Cid(meta.owner.load(Relaxed)), meta.kind(), -1);
    free.give_one(ram, number, meta);
}

/// Puts zeroed frames into the empty places among `places` whose bits are `wanted`, the lowest first, as long as more
/// than an eighth of RAM is free: for pages that nobody needs yet. Returns the bits of those that it has filled.
pub(crate) fn fill_if_plentiful(
    owner: Cid,
    kind: Kind,
    places: &mut [Option<Frame>; 16],
    wanted: u16,
) -> u16 {
    let ram = ram();
    let plenty = (TOTAL.load(Relaxed) / 8).max(kept_from(owner));
    let mut filled = 0u16;
    {
        let mut free = FREE.lock();
        // Charged at the end, all together; what others are promised does not depend on that.
        let kept = plenty.saturating_add(promised(owner));
        let most = free.free().saturating_sub(kept).min(accounts::room(owner));
        for slot in slots(wanted).take(most as usize) {
            let Some((number, meta)) = (!injected()).then(|| free.take_one(ram)).flatten() else {
                break;
            };
            meta.set_used(owner.0, kind, 0);
            meta.references.store(1, Relaxed);
            if let Some(place) = places.get_mut(slot) {
                *place = NonZeroU32::new(number).map(Frame);
            }
            filled |= 1 << slot;
        }
        accounts::charge(owner, kind, filled.count_ones() as i32);
    }
    for slot in slots(filled) {
        if let Some(Some(frame)) = places.get(slot) {
            contents::clear(frame.0.get(), 1);
        }
    }
    filled
}

/// The places whose bits are set, ascending.
pub(crate) fn slots(mut bits: u16) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let slot = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (slot < 16).then_some(slot)
    })
}

/// Drops the handles in `frames` and takes the allocator's lock once for all of them.
pub(crate) fn drop_all(frames: &mut [Option<Frame>]) {
    let ram = ram();
    let mut free = None;
    // Neighbours mostly have one owner and one kind: they are charged together.
    let mut charged = Payment::default();
    let mut count = 0;
    for place in frames {
        let Some(frame) = place.take() else { continue };
        let number = frame.0.get();
        core::mem::forget(frame);
        let Some(meta) = ram.meta(number) else {
            continue;
        };
        if !Frame::let_go(meta) {
            continue;
        }
        let free = free.get_or_insert_with(|| FREE.lock());
        let payment = meta.payment();
        if payment != charged && count > 0 {
            accounts::charge(charged.owner(), charged.kind(), -count);
            count = 0;
        }
        charged = payment;
        count += 1;
        free.give_one(ram, number, meta);
    }
    if count > 0 {
        accounts::charge(charged.owner(), charged.kind(), -count);
    }
}

/// Whether this place, which asks for a frame, is to fail for once: not asked for frames of the heap, where the heap asks.
#[inline]
pub(crate) fn injected_here() -> bool {
    #[cfg(debug_assertions)]
    return crate::injection::fails();
    #[cfg(not(debug_assertions))]
    false
}

#[cfg(any(test, feature = "host"))]
static ALLOWED: AtomicU32 = AtomicU32::new(u32::MAX);

/// Whether a test wants this allocation to fail.
#[cfg(any(test, feature = "host"))]
fn injected() -> bool {
    match ALLOWED.load(Relaxed) {
        u32::MAX => false,
        0 => true,
        left => {
            ALLOWED.store(left - 1, Relaxed);
            false
        }
    }
}

#[cfg(not(any(test, feature = "host")))]
const fn injected() -> bool {
    false
}

#[cfg(any(test, feature = "host"))]
pub(crate) fn fail_after(count: Option<u32>) {
    ALLOWED.store(count.unwrap_or(u32::MAX), Relaxed);
}
