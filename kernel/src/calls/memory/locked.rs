//! Locking memory (`man 2 mlock`): what is locked is made to exist, and counts against RLIMIT_MEMLOCK. As nothing is ever
//! paged out, it has no other effect.

use super::super::Call;
use super::{cut, left, limits_of, mark};
use crate::outcome::{Called, Continuation, Outcome};
use abi::linux::{MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, Resource};
use abi::{Errno, PAGE_SIZE};
use memory::FaultError;
use memory::space::Traits;
use security::CapabilitySet;

const PAGE: u64 = PAGE_SIZE as u64;

/// Bytes that are locked and made to exist in one step.
const STEP: u64 = 64 * PAGE;

/// Whether the process may lock anything.
///
/// # Errors
/// EPERM.
pub(super) fn permit(call: &Call<'_>) -> Result<(), Errno> {
    if call.process().limit(Resource::LockedMemory) == 0 {
        call.credential()
            .require_capability(CapabilitySet::IPC_LOCK)?;
    }
    Ok(())
}

/// The pages, as address and length, that a range of bytes is in.
///
/// # Errors
/// EINVAL when it wraps.
fn whole_pages(call: &Call<'_>) -> Result<(u64, u64), Errno> {
    let (address, length) = (call.argument(0), call.argument(1));
    let start = address & !(PAGE - 1);
    let end = address.checked_add(length).ok_or(Errno::EINVAL)?;
    let end = end.checked_next_multiple_of(PAGE).ok_or(Errno::EINVAL)?;
    Ok((start, end - start))
}

/// `man 2 mlock`.
///
/// # Errors
/// EPERM without the right to any; ENOMEM beyond the limit, and when part of the range is not mapped or cannot be touched;
/// EAGAIN without memory, EINVAL.
pub fn mlock(call: &mut Call<'_>) -> Called {
    lock(call, true)
}

/// `man 2 mlock2`.
///
/// # Errors
/// As [`mlock`]; EINVAL for a flag but MLOCK_ONFAULT.
pub fn mlock2(call: &mut Call<'_>) -> Called {
    const ONFAULT: u32 = 1;
    match call.argument(2) as u32 {
        0 => lock(call, true),
        ONFAULT => lock(call, false),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn lock(call: &mut Call<'_>, populates: bool) -> Called {
    permit(call)?;
    let (address, length) = whole_pages(call)?;
    let limits = limits_of(call);
    let (from, rest) = left(call, address, length);
    let part = rest.min(STEP);
    {
        let mut space = call.user.space()?.lock();
        space.set_limits(limits);
        space.may_lock(from, rest)?;
        if from == address && !space.is_mapped(address, length) {
            return Err(Errno::ENOMEM.into());
        }
        space.mark(from, part, Traits::LOCKED, Traits::empty())?;
        match space.populate(from, if populates { part } else { 0 }) {
            Ok(()) => {}
            Err(FaultError::Pending) => return Err(Outcome::Again),
            Err(FaultError::OutOfMemory) => return Err(Errno::EAGAIN.into()),
            Err(_) => return Err(Errno::ENOMEM.into()),
        }
    }
    if part < rest {
        cut(call, from + part)?;
    }
    Ok(0)
}

/// `man 2 munlock`.
///
/// # Errors
/// ENOMEM when part of the range is not mapped, EINVAL.
pub fn munlock(call: &mut Call<'_>) -> Called {
    let (address, length) = whole_pages(call)?;
    mark(call, address, length, Traits::empty(), Traits::LOCKED)
}

/// `man 2 mlockall`: what is mapped, as far as it can be touched, and what will be.
///
/// # Errors
/// EINVAL for flags, EPERM without the right to any, ENOMEM beyond the limit.
pub fn mlockall(call: &mut Call<'_>) -> Called {
    let flags = call.argument(0) as u32;
    if flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0
        || flags & (MCL_CURRENT | MCL_FUTURE) == 0
    {
        return Err(Errno::EINVAL.into());
    }
    permit(call)?;
    let limits = limits_of(call);
    let current = flags & MCL_CURRENT != 0;
    {
        let mut space = call.user.space()?.lock();
        if current && space.size() > limits.locked {
            return Err(Errno::ENOMEM.into());
        }
        let future = flags & MCL_FUTURE != 0;
        space.set_future(if future {
            Traits::LOCKED
        } else {
            Traits::empty()
        });
    }
    if !current {
        return Ok(0);
    }
    let populates = flags & MCL_ONFAULT == 0;
    everywhere(call, Traits::LOCKED, Traits::empty(), populates)
}

/// `man 2 munlockall`.
///
/// # Errors
/// ENOMEM.
pub fn munlockall(call: &mut Call<'_>) -> Called {
    call.user.space()?.lock().set_future(Traits::empty());
    everywhere(call, Traits::empty(), Traits::LOCKED, false)
}

/// Marks all areas in steps.
fn everywhere(call: &mut Call<'_>, given: Traits, taken: Traits, populates: bool) -> Called {
    /// Areas that are marked in one step.
    const AREAS: usize = 64;
    let mut from = match call.progress() {
        Continuation::Covered(next) => next,
        _ => 0,
    };
    for _ in 0..AREAS {
        let mut space = call.user.space()?.lock();
        let inside = space.area_at(from).map(|area| (from, area.end));
        let next = inside.or_else(|| {
            let above = space.areas_from(from).next();
            above.map(|area| (area.start, area.end))
        });
        let Some((start, end)) = next else {
            return Ok(0);
        };
        if !populates {
            space.mark(start, end - start, given, taken)?;
            from = end;
            continue;
        }
        let part = (end - start).min(STEP);
        space.mark(start, part, given, taken)?;
        // What cannot be touched stays as it is.
        space.populate(start, part).ok();
        drop(space);
        cut(call, start + part)?;
    }
    cut(call, from)?;
    Ok(0)
}
