//! Advice about memory (`man 2 madvise`).

use super::super::Call;
use super::super::pidfd;
use super::{examine, mark, thin};
use crate::dispatch::one_of_many;
use crate::outcome::{Called, Continuation};
use abi::linux::{
    MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE,
    MADV_HUGEPAGE, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT,
    MADV_RANDOM, MADV_SEQUENTIAL, MADV_UNMERGEABLE, MADV_WILLNEED, MADV_WIPEONFORK,
};
use abi::{Errno, PAGE_SIZE};
use memory::space::{Advice, Traits};
use security::CapabilitySet;

/// `man 2 madvise`: what frees memory or concerns children and core files is done, hints are accepted, the rest is refused.
///
/// # Errors
/// EINVAL, ENOMEM.
pub fn madvise(call: &mut Call<'_>) -> Called {
    let (address, length) = (call.argument(0), call.argument(1));
    if !address.is_multiple_of(PAGE_SIZE as u64) || address.checked_add(length).is_none() {
        return Err(Errno::EINVAL.into());
    }
    let none = Traits::empty();
    let (given, taken) = match call.argument(2) as u32 {
        MADV_DONTNEED => return advise(call, Advice::DontNeed),
        MADV_FREE => {
            want_anonymous(call)?;
            return advise(call, Advice::DontNeed);
        }
        MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL | MADV_WILLNEED | MADV_MERGEABLE
        | MADV_UNMERGEABLE | MADV_HUGEPAGE | MADV_NOHUGEPAGE | MADV_COLD | MADV_PAGEOUT => {
            return advise(call, Advice::WillNeed);
        }
        MADV_WIPEONFORK => {
            want_anonymous(call)?;
            (Traits::WIPED, none)
        }
        MADV_KEEPONFORK => (none, Traits::WIPED),
        MADV_DONTFORK => (Traits::NOT_INHERITED, none),
        MADV_DOFORK => (none, Traits::NOT_INHERITED),
        MADV_DONTDUMP => (Traits::NOT_DUMPED, none),
        MADV_DODUMP => (none, Traits::NOT_DUMPED),
        _ => return Err(Errno::EINVAL.into()),
    };
    mark(call, address, length, given, taken)
}

/// Fails with EINVAL unless all that is mapped in the range is private and comes from nowhere.
fn want_anonymous(call: &Call<'_>) -> Result<(), Errno> {
    let space = call.user.space()?.lock();
    if space.is_anonymous(call.argument(0), call.argument(1)) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Frees the pages of the range in steps, or only looks whether there is anything to be advised about.
fn advise(call: &mut Call<'_>, advice: Advice) -> Called {
    let (address, length) = (call.argument(0), call.argument(1));
    if advice == Advice::DontNeed && !matches!(call.progress(), Continuation::Examined(_)) {
        let space = call.user.space()?.lock();
        let locked = space.has_trait(address, length, Traits::LOCKED);
        drop(space);
        if locked {
            return Err(Errno::EINVAL.into());
        }
        thin(call, address, length)?;
    }
    examine(call, address, length, |space, from, part| {
        let advised = space.advise(from, part, advice);
        // A hole is told when the rest has been done, of which few pages are left.
        advised.or_else(|_| space.advise(address, length, advice))
    })?;
    Ok(0)
}

/// `man 2 process_madvise`: the advice that it knows is a hint, so that only what it is about is looked at.
///
/// # Errors
/// EINVAL for flags and other advice; EBADF, EFAULT, ESRCH, EPERM; ENOMEM when not even the first range is mapped.
pub fn process_madvise(call: &mut Call<'_>) -> Called {
    if call.argument(4) as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    let target = pidfd::target(call)?;
    if !matches!(
        call.argument(3) as u32,
        MADV_WILLNEED | MADV_COLD | MADV_PAGEOUT
    ) {
        return Err(Errno::EINVAL.into());
    }
    super::super::ptrace::may_inspect(call, &target)?;
    if !alloc::sync::Arc::ptr_eq(&target, call.process()) {
        call.credential()
            .require_capability(CapabilitySet::SYS_NICE)?;
    }
    let space = target.space()?;
    let mut advised = 0;
    for segment in segments {
        let (address, length) = (segment.address, segment.length as u64);
        let refusal = if !address.is_multiple_of(PAGE_SIZE as u64) {
            Errno::EINVAL
        } else if !space.lock().is_mapped(address, length) {
            Errno::ENOMEM
        } else {
            advised += length;
            one_of_many();
            continue;
        };
        if advised == 0 {
            return Err(refusal.into());
        }
        break;
    }
    Ok(advised)
}
