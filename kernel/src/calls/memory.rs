//! Address-space calls: `mmap`, `munmap`, `mprotect`, `mremap`, `brk`.

mod advice;
mod locked;

pub use advice::{madvise, process_madvise};
pub use locked::{mlock, mlock2, mlockall, munlock, munlockall};

use super::Call;
use crate::outcome::{Called, Continuation, Outcome};
use abi::linux::Resource;
use abi::mmu::Protection;
use abi::{Errno, PAGE_SIZE, Pages};
use alloc::sync::Arc;
use memory::AddressSpace;
use memory::space::{Backing, Fixed, Limits, MapRequest, Mapping, RemapFlags, Traits};
use memory::{SharedPages, frames};
use security::CapabilitySet;
use vfs::{Access, Location};

const PROT_ALL: u64 = 7;
/// PROT_SAO, PROT_GROWSDOWN and PROT_GROWSUP are accepted by no program that runs here.
const MAP_SHARED: u64 = 0x01;
const MAP_PRIVATE: u64 = 0x02;
const MAP_SHARED_VALIDATE: u64 = 0x03;
const MAP_TYPE: u64 = 0x0f;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_NORESERVE: u64 = 0x40;
const MAP_LOCKED: u64 = 0x80;
const MAP_GROWSDOWN: u64 = 0x100;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

/// `man 2 mmap`.
pub fn mmap(call: &mut Call<'_>) -> Called {
    let [address, length, protection, flags, _, offset] =
        core::array::from_fn(|index| call.argument(index));
    if length == 0 || !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL.into());
    }
    let protection = protection_of(protection)?;
    let fixed = match (flags & MAP_FIXED_NOREPLACE != 0, flags & MAP_FIXED != 0) {
        (true, _) => Fixed::NoReplace,
        (false, true) => Fixed::Replace,
        (false, false) => Fixed::No,
    };
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    let (mapping, maximum, name) = if flags & MAP_ANONYMOUS != 0 {
        let mapping = anonymous(call, length, flags, shared)?;
        (mapping, Protection::all(), None)
    } else {
        of_file(call, offset, shared, protection)?
    };
    let promised = match &mapping {
        Mapping::Shared(_) => flags & MAP_ANONYMOUS != 0,
        _ => protection.contains(Protection::WRITE),
    };
    if promised && flags & MAP_NORESERVE == 0 {
        check_commitment(length)?;
    }
    let traits = if flags & MAP_LOCKED != 0 {
        locked::permit(call)?;
        Traits::LOCKED
    } else {
        Traits::empty()
    };
    let mut request = MapRequest {
        hint: address,
        fixed,
        length,
        protection,
        maximum,
        mapping,
        traits,
        name,
    };
    let limits = limits_of(call);
    if fixed == Fixed::Replace {
        let mut space = call.user.space()?.lock();
        space.set_limits(limits);
        space.may_replace(&request)?;
        drop(space);
        clear_away(call, address, length)?;
    }
    let mut space = call.user.space()?.lock();
    space.set_limits(limits);
    request.share_name(&space);
    Ok(space.map(request)?)
}

/// Pages that a call deals with before it looks at whether somebody else is due: some tens of microseconds' work.
const STEP: u64 = 512;

/// Drops, in steps, the pages of a range that the call is about to end, all but those of a last step.
pub(super) fn thin(call: &mut Call<'_>, address: u64, length: u64) -> Result<(), Outcome> {
    let (from, rest) = left(call, address, length);
    let next = {
        let mut space = call.user.space()?.lock();
        space.thin(from, rest, STEP)
    };
    next.map_or(Ok(()), |next| cut(call, next))
}

/// What earlier runs have left of a range, as address and length.
fn left(call: &Call<'_>, address: u64, length: u64) -> (u64, u64) {
    let done = match call.progress() {
        Continuation::Covered(next) => next.saturating_sub(address).min(length),
        _ => 0,
    };
    (address + done, length - done)
}

/// Gives the areas of a range traits and takes others from them, in steps.
fn mark(call: &mut Call<'_>, address: u64, length: u64, given: Traits, taken: Traits) -> Called {
    let (from, rest) = left(call, address, length);
    let part = {
        let mut space = call.user.space()?.lock();
        let part = space.some_areas(from, rest);
        space.mark(from, part, given, taken)?;
        part
    };
    if part < rest {
        cut(call, from + part)?;
    }
    Ok(0)
}

/// Prepares, in steps, the end of all that is in a range: drops its pages as [`thin`], and makes its areas few.
fn clear_away(call: &mut Call<'_>, address: u64, length: u64) -> Result<(), Outcome> {
    thin(call, address, length)?;
    if call.user.space()?.lock().merge(address, length) {
        cut(call, address + length)?;
    }
    Ok(())
}

/// Looks at the areas of a range in steps, before anything is done. `look` gets the start and the length of a part.
fn examine(
    call: &mut Call<'_>,
    address: u64,
    length: u64,
    look: impl FnOnce(&mut AddressSpace, u64, u64) -> Result<(), Errno>,
) -> Result<(), Outcome> {
    let done = match call.progress() {
        Continuation::Examined(next) => next.saturating_sub(address).min(length),
        _ => 0,
    };
    let (from, rest) = (address + done, length - done);
    let part = {
        let mut space = call.user.space()?.lock();
        let part = space.some_areas(from, rest);
        look(&mut space, from, part)?;
        part
    };
    if part < rest {
        call.set_progress(Continuation::Examined(from + part));
        return Err(Outcome::Again);
    }
    Ok(())
}

/// Ends a run that has dealt with everything below `next`.
fn cut(call: &mut Call<'_>, next: u64) -> Result<(), Outcome> {
    call.set_progress(Continuation::Covered(next));
    Err(Outcome::Again)
}

/// Refuses a single promise of more memory than there is at all, as Linux does by default (`man 5 proc`,
/// `overcommit_memory` 0); beyond that, memory is promised to all and fails when it is touched.
pub(super) fn check_commitment(length: u64) -> Result<(), Errno> {
    if Pages(length.div_ceil(PAGE_SIZE as u64)) > frames::total() {
        Err(Errno::ENOMEM)
    } else {
        Ok(())
    }
}

/// How much the process may map. The limit of what is locked is none for who has CAP_IPC_LOCK.
pub(super) fn limits_of(call: &Call<'_>) -> Limits {
    let process = call.process();
    let own = process.environment().wpar.controls().process_virtual_memory;
    let own = own.map_or(u64::MAX, |megabytes| megabytes.bytes());
    let pages = |bytes: u64| Pages(bytes / PAGE_SIZE as u64);
    let unlimited = call
        .credential()
        .require_capability(CapabilitySet::IPC_LOCK);
    process.with(|state| {
        let of = |resource| state.limits.current(resource);
        Limits {
            size: pages(of(Resource::AddressSpace).min(own)),
            data: pages(of(Resource::Data)),
            locked: match unlimited {
                Ok(()) => Pages(u64::MAX),
                Err(_) => pages(of(Resource::LockedMemory)),
            },
        }
    })
}

fn anonymous(call: &Call<'_>, length: u64, flags: u64, shared: bool) -> Result<Mapping, Errno> {
    if shared {
        let pages = length.div_ceil(PAGE_SIZE as u64);
        let source = fallible::arc(SharedPages::new(call.cid(), pages))?;
        return Ok(Mapping::Shared(Backing { source, first: 0 }));
    }
    Ok(if flags & MAP_GROWSDOWN != 0 {
        Mapping::Stack
    } else {
        Mapping::Anonymous
    })
}

/// A mapping of the file of argument 4, what `mprotect` may allow of it, and its name.
fn of_file(
    call: &Call<'_>,
    offset: u64,
    shared: bool,
    protection: Protection,
) -> Result<(Mapping, Protection, Option<Arc<str>>), Errno> {
    let file = call.file(4)?;
    let access = file.access();
    if !access.contains(Access::READ) {
        return Err(Errno::EACCES);
    }
    let mut maximum = Protection::all();
    let writes = protection.contains(Protection::WRITE);
    let mut source = None;
    if shared && access.contains(Access::WRITE) {
        match file.operations().pages_for_writing() {
            Ok(pages) => source = pages,
            // A seal lets it be read all the same.
            Err(errno) if writes => return Err(errno),
            Err(_) => maximum.remove(Protection::WRITE),
        }
    } else if shared {
        if writes {
            return Err(Errno::EACCES);
        }
        maximum.remove(Protection::WRITE);
    }
    let source = source.or_else(|| file.operations().pages());
    let source = source.ok_or(Errno::ENODEV)?;
    file.operations().note_mapping();
    let backing = Backing {
        source,
        first: offset / PAGE_SIZE as u64,
    };
    let name = match file.location() {
        Some(location) => mapped_name(call, location)?,
        None => None,
    };
    Ok((
        if shared {
            Mapping::Shared(backing)
        } else {
            Mapping::Private(backing)
        },
        maximum,
        name,
    ))
}

/// The name of a mapped file for `/proc/PID/maps`: its path when it is mapped, from the root of who maps it.
///
/// A path and not the name itself, because the last handle to a name may not be dropped under the address space's lock.
pub fn mapped_name(call: &Call<'_>, location: &Location) -> Result<Option<Arc<str>>, Errno> {
    let root = call.process().place()?.lock().root.clone();
    let Some(path) = location.path(&root)? else {
        return Ok(None);
    };
    let path = fallible::string_lossy(&path.shown()?)?;
    Ok(Some(fallible::arc_str(&path)?))
}

fn protection_of(bits: u64) -> Result<Protection, Errno> {
    if bits & !PROT_ALL != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Protection::from_bits_truncate(bits as u8))
}

/// `man 2 munmap`.
pub fn munmap(call: &mut Call<'_>) -> Called {
    let (address, length) = (call.argument(0), call.argument(1));
    call.user.space()?.lock().prepare_unmap(address, length)?;
    clear_away(call, address, length)?;
    call.user.space()?.lock().unmap(address, length)?;
    Ok(0)
}

/// `man 2 mprotect`.
pub fn mprotect(call: &mut Call<'_>) -> Called {
    let protection = protection_of(call.argument(2))?;
    let (address, length) = (call.argument(0), call.argument(1));
    let (from, rest) = match call.progress() {
        Continuation::Covered(_) => left(call, address, length),
        _ => {
            // The whole range is looked at once, so that what cannot be done is not begun.
            examine(call, address, length, |space, from, part| {
                space.may_protect(from, part, protection).map(drop)
            })?;
            (address, length)
        }
    };
    let part = {
        let mut space = call.user.space()?.lock();
        let part = space.part(from, rest, PROTECTED_STEP);
        space.protect(from, part, protection)?;
        part
    };
    if part < rest {
        cut(call, from + part)?;
    }
    Ok(0)
}

/// Pages whose protection is changed in one step; a page costs less there than where it is given back.
const PROTECTED_STEP: u64 = 2048;

/// `man 2 mremap`.
pub fn mremap(call: &mut Call<'_>) -> Called {
    let [old, old_length, new_length, flags, new] =
        core::array::from_fn(|index| call.argument(index));
    let flags = u32::try_from(flags)
        .ok()
        .and_then(RemapFlags::from_bits)
        .ok_or(Errno::EINVAL)?;
    let dropped = {
        let space = call.user.space()?.lock();
        space.remap_drops(old, old_length, new_length, flags, new)
    };
    // Once what moves has been looked at, this has been done.
    if let Some((address, length)) = dropped
        && !matches!(
            call.progress(),
            Continuation::Examined(_) | Continuation::Moved(_)
        )
    {
        clear_away(call, address, length)?;
    }
    let moved = {
        let space = call.user.space()?.lock();
        space.remap_moves(old, old_length, new_length, flags)
    };
    if let Some((address, length)) = moved
        && !matches!(call.progress(), Continuation::Moved(_))
    {
        loosen(call, address, length)?;
    }
    let limits = limits_of(call);
    let mut space = call.user.space()?.lock();
    space.set_limits(limits);
    let done = match call.progress() {
        Continuation::Moved(done) => done,
        _ if space.moves_in_parts(old, old_length, new_length, flags, new) => {
            space.hold(old_length, new, new_length)?;
            0
        }
        _ => return Ok(space.remap(old, old_length, new_length, flags, new)?),
    };
    // Whatever is at its new place is counted there and no longer at the old one.
    space.set_limits(Limits::NONE);
    let part = AddressSpace::MOVED_PART;
    let [from, to, rest, new_rest] = [old + done, new + done, old_length - done, new_length - done];
    if rest.min(new_rest) <= part {
        space.remap(from, rest, new_rest, flags, to)?;
        return Ok(new);
    }
    let moved = space.remap(from, part, part, flags, to);
    drop(space);
    match moved {
        Ok(_) => call.set_progress(Continuation::Moved(done + part)),
        // Half of it is at its new place: it goes on as soon as there is memory, or ends with the process.
        Err(Errno::ENOMEM) => return Err(Outcome::Yield),
        Err(errno) => return Err(errno.into()),
    }
    Err(Outcome::Again)
}

/// Removes, in steps, the translations of a range that the call is about to move.
fn loosen(call: &mut Call<'_>, address: u64, length: u64) -> Result<(), Outcome> {
    let done = match call.progress() {
        Continuation::Examined(next) => next.saturating_sub(address).min(length),
        _ => 0,
    };
    let next = {
        let mut space = call.user.space()?.lock();
        space.loosen(address + done, length - done, PROTECTED_STEP)
    };
    let Some(next) = next else { return Ok(()) };
    call.set_progress(Continuation::Examined(next));
    Err(Outcome::Again)
}

/// `man 2 mincore`: what a touch would find in memory.
pub fn mincore(call: &mut Call<'_>) -> Called {
    let (address, length, vector) = (call.argument(0), call.argument(1), call.argument(2));
    const PAGE: u64 = PAGE_SIZE as u64;
    if !address.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL.into());
    }
    let end = address.checked_add(length).ok_or(Errno::ENOMEM)?;
    let pages = (end - address).div_ceil(PAGE);
    let done = match call.progress() {
        Continuation::Covered(next) => (next.saturating_sub(address) / PAGE).min(pages),
        _ => 0,
    };
    let mut answers = [0; STEP as usize];
    let count = (pages - done).min(STEP);
    let answers = answers.get_mut(..count as usize).ok_or(Errno::EINVAL)?;
    let from = address + done * PAGE;
    call.user.space()?.lock().residence(from, answers)?;
    let into = vector.checked_add(done).ok_or(Errno::EFAULT)?;
    call.user.write(into, answers)?;
    if done + count < pages {
        cut(call, from + count * PAGE)?;
    }
    Ok(0)
}

/// `man 2 brk`: the new break, or the old one when it cannot be moved.
pub fn brk(call: &mut Call<'_>) -> Called {
    let wanted = call.argument(0);
    let beyond = call.user.space()?.lock().heap_beyond(wanted);
    if let Some((address, length)) = beyond {
        thin(call, address, length)?;
    }
    let limits = limits_of(call);
    let mut space = call.user.space()?.lock();
    space.set_limits(limits);
    Ok(space.set_break(wanted))
}

/// `man 2 msync`: pages of files are the files' own, so there is nothing to write back.
pub fn msync(call: &mut Call<'_>) -> Called {
    let (address, length, flags) = (call.argument(0), call.argument(1), call.argument(2));
    const FLAGS: u64 = 7;
    const ASYNC_AND_SYNC: u64 = 5;
    if !address.is_multiple_of(PAGE_SIZE as u64)
        || flags & !FLAGS != 0
        || flags & ASYNC_AND_SYNC == ASYNC_AND_SYNC
    {
        return Err(Errno::EINVAL.into());
    }
    if address.checked_add(length).is_none() {
        return Err(Errno::ENOMEM.into());
    }
    examine(call, address, length, |space, from, part| {
        let mapped = part == 0 || space.is_mapped(from, part);
        mapped.then_some(()).ok_or(Errno::ENOMEM)
    })?;
    Ok(0)
}
