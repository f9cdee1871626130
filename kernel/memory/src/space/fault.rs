//! Faults: making pages exist and installing their translations.
//!
//! Fault-around, 64 KiB at most and never beyond the area:
//!
//! - pages that exist already are installed together with the one that faulted (after a fork, after
//!   translations were discarded);
//! - pages that a file or shared object has resident are mapped as well: that costs no memory;
//! - anonymous pages cost memory, so neighbours are made only for a program that walks through its memory, and
//!   never more than it already uses there: as many as lie without a gap directly before the fault in the
//!   same 64 KiB (behind it for a stack), or all 64 KiB when the 64 KiB before are complete; and only while more
//!   than an eighth of RAM is free. Heap and large arrays take 5 faults for their first 64 KiB and one for each
//!   64 KiB after that, and at most half of what they hold is unused.

use super::area::{Area, Mapping};
use super::chunk::{self, Chunk, PAGES, SHIFT};
use super::{AddressSpace, FaultError};
use crate::frames::Frame;
use crate::sorted::Sorted;
use abi::PAGE_SHIFT;
use abi::mmu::{Access, FrameNumber, PageNumber, Protection};
use spin::Once;

/// Free bytes that stay between a growing stack and what lies below it (Linux's stack_guard_gap).
pub(super) const STACK_GAP: u64 = 1 << 20;

static INSTRUCTION_SYNC: Once<fn(FrameNumber)> = Once::new();

/// Sets how instruction fetches are made to see a frame's contents (Power ISA, Book II, "Instruction Storage":
/// dcbst, sync, icbi, isync over the frame).
///
/// It is called, with the address space locked, when a frame is installed executable for the first time since the
/// kernel wrote to it or handed it out. Programs that write instructions themselves synchronize themselves.
/// Only the first call counts; without any, nothing is done.
pub fn set_instruction_sync(sync: fn(FrameNumber)) {
    INSTRUCTION_SYNC.call_once(|| sync);
}

/// Whether `area` lets a program do this.
#[inline]
pub(super) fn permits(area: &Area, access: Access) -> bool {
    let wanted = match access {
        // The hardware knows no store-only pages: what may be written may be read.
        Access::Read => Protection::READ | Protection::WRITE,
        Access::Write => Protection::WRITE,
        Access::Execute => Protection::EXECUTE,
    };
    area.protection.intersects(wanted)
}

impl AddressSpace {
    /// A program's access at `address` was refused by the hardware: makes the page exist and installs it.
    ///
    /// # Errors
    /// As [`FaultError`] says. After [`FaultError::OutOfMemory`] the page may exist without a translation.
    pub fn fault(&mut self, address: u64, access: Access) -> Result<(), FaultError> {
        let page = address >> PAGE_SHIFT;
        let area = match locate(&self.areas, address, access) {
            Err(FaultError::NoMapping) => {
                self.grow_stack(address)?;
                locate(&self.areas, address, access)?
            }
            found => found?,
        };
        let (key, slot) = (page >> SHIFT, (page % PAGES) as usize);
        let window = chunk::window(key, &Self::page_range(area.start, area.end));
        let walks_on =
            slot == 0 && is_plain(area) && is_complete(&self.chunks, key.wrapping_sub(1));
        let chunk = self.chunks.get_or_insert(key, Chunk::new)?;
        let before = chunk.present;
        let ready = chunk.ready(area, self.owner, page, access);
        self.resident += chunk.added(before);
        if chunk.present == 0 {
            self.chunks.remove(key);
            return ready.map(drop);
        }
        let displaced = ready?;
        if chunk.installed & (1 << slot) == 0 {
            let before = chunk.present;
            if is_plain(area) {
                chunk.fill_with_zeros(self.owner, ahead(chunk, area, slot, walks_on) & window);
            } else if access != Access::Write || area.mapping.is_shared() {
                chunk.fill_from_source(area, key, window);
            }
            self.resident += chunk.added(before);
        }
        let mut wanted = chunk.present & !chunk.installed & window | 1 << slot;
        if area.protection.contains(Protection::WRITE) && !area.mapping.is_shared() {
            let before = chunk.writable;
            chunk.claim(if access == Access::Write {
                window
            } else {
                wanted
            });
            wanted |= chunk.writable & !before;
        }
        let first = PageNumber(key << SHIFT);
        let installed = self
            .translations
            .install_run(first, &translations_of(chunk, area, wanted));
        if installed.is_err() {
            // Which of them are in place is not known, and the displaced frame must not stay.
            self.translations.remove(first, PAGES);
            chunk.installed = 0;
            return Err(FaultError::OutOfMemory);
        }
        chunk.installed |= wanted;
        drop(displaced);
        Ok(())
    }

    /// Makes the page that holds `address` exist and ready for `access`, without a translation.
    pub(super) fn resolve(&mut self, address: u64, access: Access) -> Result<(), FaultError> {
        if let Err(FaultError::NoMapping) = locate(&self.areas, address, access) {
            self.grow_stack(address)?;
        }
        locate(&self.areas, address, access)?;
        self.make_ready(address, access)
    }

    /// The frame that holds `address`, ready for `access` whether the program may or not; a private one for a store.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`]; [`FaultError::Denied`] for a store to an object that the program shares and may not
    /// change.
    pub(super) fn frame_by_force(
        &mut self,
        address: u64,
        access: Access,
    ) -> Result<&Frame, FaultError> {
        let area = self.area_at(address).ok_or(FaultError::NoMapping)?;
        if area.mapping.is_shared() && access == Access::Write && !permits(area, access) {
            return Err(FaultError::Denied);
        }
        self.make_ready(address, access)?;
        let page = address >> PAGE_SHIFT;
        let chunk = self.chunks.get(page >> SHIFT);
        let frame = chunk.and_then(|chunk| chunk.frames.get((page % PAGES) as usize)?.as_ref());
        frame.ok_or(FaultError::NoMapping)
    }

    /// Makes the page that holds `address`, which lies in an area, exist and ready for `access`.
    fn make_ready(&mut self, address: u64, access: Access) -> Result<(), FaultError> {
        let page = address >> PAGE_SHIFT;
        let area = self
            .areas
            .at_or_below(address)
            .map(|(_, area)| area)
            .ok_or(FaultError::NoMapping)?;
        let chunk = self.chunks.get_or_insert(page >> SHIFT, Chunk::new)?;
        let (present, writable) = (chunk.present, chunk.writable);
        let result = chunk.ready(area, self.owner, page, access);
        self.resident += chunk.added(present);
        let gained = chunk.writable & !writable & chunk.installed != 0;
        if gained || matches!(&result, Ok(Some(_))) {
            // A displaced frame lives until its translation is gone, and a translation allows all that the page is
            // ready for.
            self.translations.remove(PageNumber(page), 1);
            chunk.installed &= !(1 << (page % PAGES));
        }
        if chunk.present == 0 {
            self.chunks.remove(page >> SHIFT);
        }
        result.map(drop)
    }

    /// Extends a stack area down to `address`, which no area holds.
    fn grow_stack(&mut self, address: u64) -> Result<(), FaultError> {
        let start = address & !(abi::PAGE_SIZE as u64 - 1);
        let (key, area) = self
            .areas
            .at_or_above(address)
            .ok_or(FaultError::NoMapping)?;
        let below = self
            .areas
            .at_or_below(address)
            .map_or(0, |(_, area)| area.end.saturating_add(STACK_GAP));
        let grown = (area.start - start) >> PAGE_SHIFT;
        let fits = matches!(area.mapping, Mapping::Stack)
            && area.end - start <= self.stack_limit
            && start >= below.max(self.layout.lowest)
            && self.sums.size.saturating_add(grown) <= self.limits.size.0;
        if !fits {
            return Err(FaultError::NoMapping);
        }
        let grown_area = Area {
            start,
            ..area.clone()
        };
        self.areas.reserve(start)?;
        if let Some(former) = self.areas.remove(key) {
            self.sums.remove(&former);
        }
        self.sums.add(&grown_area);
        self.areas.insert(start, grown_area)?;
        self.changes += 1;
        Ok(())
    }
}

/// The area that holds `address`, when it allows the access.
fn locate(areas: &Sorted<Area>, address: u64, access: Access) -> Result<&Area, FaultError> {
    let area = areas
        .at_or_below(address)
        .map(|(_, area)| area)
        .filter(|area| address < area.end);
    let area = area.ok_or(FaultError::NoMapping)?;
    if permits(area, access) {
        Ok(area)
    } else {
        Err(FaultError::Denied)
    }
}

fn is_complete(chunks: &Sorted<Chunk>, key: u64) -> bool {
    chunks
        .get(key)
        .is_some_and(|chunk| chunk.present == u16::MAX)
}

/// Whether pages of the area come from nowhere.
fn is_plain(area: &Area) -> bool {
    area.mapping.backing().is_none()
}

/// What is to be installed for the pages in the slots `wanted`.
pub(super) fn translations_of(
    chunk: &Chunk,
    area: &Area,
    wanted: u16,
) -> [Option<(FrameNumber, Protection)>; PAGES as usize] {
    let mut entries = [None; PAGES as usize];
    for slot in chunk::slots(wanted) {
        let Some(frame) = &chunk.frames[slot] else {
            continue;
        };
        entries[slot] = Some((frame.number(), chunk.allowed(slot, area.protection)));
        if area.protection.contains(Protection::EXECUTE)
            && frame.mark_clean()
            && let Some(sync) = INSTRUCTION_SYNC.get()
        {
            sync(frame.number());
        }
    }
    entries
}

/// The slots that a program which faulted in `slot` of an anonymous area will want next, by the rule at the top of
/// the file; `walks_on` when it has just filled the chunk before.
fn ahead(chunk: &Chunk, area: &Area, slot: usize, walks_on: bool) -> u16 {
    let (present, below) = (u32::from(chunk.present), (1u32 << slot) - 1);
    if matches!(area.mapping, Mapping::Stack) {
        let run = (present >> slot >> 1).trailing_ones().min(8);
        let low = slot.saturating_sub(run as usize);
        return (below & !((1 << low) - 1)) as u16;
    }
    // The bits below the slot, moved to the top.
    let run = (present << (31 - slot) << 1).leading_ones().min(8);
    let count = if walks_on { 15 } else { run };
    (((1u32 << count) - 1) << (slot + 1)) as u16
}
