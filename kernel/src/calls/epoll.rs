//! Watching many files at once (`man 7 epoll`).
//!
//! What an instance does is in [`ipc::Epoll`]. A wait makes room in the program's memory for what is on the list first,
//! since a file that is reported edge-triggered or once cannot be taken back.

use super::Call;
use super::descriptor::{install, opened, require_room};
use super::poll::{is_late, ticks, timespec, with_mask};
use crate::outcome::{Called, Continuation, Outcome};
use crate::special;
use crate::user::Segment;
use abi::linux::{
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT,
    EPOLLWAKEUP, EpollEvent, OpenFlags, SignalSet, check_set_size,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use ipc::{Epoll, EpollFlags, Interest};
use vfs::{Access, Descriptor, OpenFile, StatusFlags};
use wait::{PollEvents, Stop};

/// `man 2 epoll_create`.
///
/// # Errors
/// EINVAL for a size that is not positive, EMFILE.
pub fn epoll_create(call: &mut Call<'_>) -> Called {
    if call.argument(0) as u32 as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    create(call, OpenFlags::empty())
}

/// `man 2 epoll_create1`.
///
/// # Errors
/// EINVAL for unknown flags, EMFILE.
pub fn epoll_create1(call: &mut Call<'_>) -> Called {
    let flags = OpenFlags::from_bits_retain(call.argument(0) as u32);
    if !OpenFlags::CLOEXEC.contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    create(call, flags)
}

fn create(call: &Call<'_>, flags: OpenFlags) -> Called {
    require_room(call)?;
    let watches = call.process().environment().watches.clone();
    let epoll = Epoll::new(watches, special::event_metadata(call.credential()))?;
    let access = Access::READ | Access::WRITE;
    let file = OpenFile::new(epoll, None, call.cid(), access, StatusFlags::empty())?;
    install(call, file, flags.contains(OpenFlags::CLOEXEC))
}

/// `man 2 epoll_ctl`.
///
/// # Errors
/// EFAULT, EBADF, EPERM, EINVAL, EEXIST, ENOENT, ELOOP, ENOSPC, ENOMEM.
pub fn epoll_ctl(call: &mut Call<'_>) -> Called {
    let operation = call.argument(1) as u32;
    let event = if operation == EPOLL_CTL_DEL {
        EpollEvent::default()
    } else {
        EpollEvent::decode(&call.user.bytes(call.argument(3))?)
    };
    let (own, file) = (opened(call, 0)?, opened(call, 2)?);
    if !file.operations().is_pollable() {
        return Err(Errno::EPERM.into());
    }
    let epoll = Epoll::of(&own).filter(|_| !Arc::ptr_eq(&own, &file));
    let epoll = epoll.ok_or(Errno::EINVAL)?;
    let descriptor = Descriptor::from_register(call.argument(2))?.0;
    match operation {
        EPOLL_CTL_ADD => epoll.add(descriptor, &file, interest(event, false)?)?,
        EPOLL_CTL_MOD => epoll.modify(descriptor, &file, interest(event, true)?)?,
        EPOLL_CTL_DEL => epoll.remove(descriptor, &file)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

/// What a program asks for; nobody keeps this machine from sleeping, so EPOLLWAKEUP is without effect.
fn interest(event: EpollEvent, modified: bool) -> Result<Interest, Errno> {
    let word = event.events;
    let events = PollEvents::from_bits_truncate(word as u16);
    let mut flags = EpollFlags::empty();
    flags.set(EpollFlags::EDGE, word & EPOLLET != 0);
    flags.set(EpollFlags::ONCE, word & EPOLLONESHOT != 0);
    if word & EPOLLEXCLUSIVE != 0 {
        let also = PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP;
        let allowed = u32::from(also.bits()) | EPOLLET | EPOLLEXCLUSIVE | EPOLLWAKEUP;
        if modified || word & !allowed != 0 {
            return Err(Errno::EINVAL);
        }
        flags |= EpollFlags::EXCLUSIVE;
    }
    Ok(Interest {
        events,
        flags,
        data: event.data,
    })
}

/// `man 2 epoll_wait`.
///
/// # Errors
/// EBADF, EINVAL, EFAULT, EINTR, ENOMEM.
pub fn epoll_wait(call: &mut Call<'_>) -> Called {
    let span = milliseconds(call);
    wait(call, span)
}

/// `man 2 epoll_pwait`.
///
/// # Errors
/// As [`epoll_wait`]; EINVAL for a set of another size.
pub fn epoll_pwait(call: &mut Call<'_>) -> Called {
    let (span, mask) = (milliseconds(call), mask(call)?);
    with_mask(call, mask, |call| wait(call, span))
}

/// `man 2 epoll_pwait2`.
///
/// # Errors
/// As [`epoll_pwait`]; EINVAL for a time that cannot be.
pub fn epoll_pwait2(call: &mut Call<'_>) -> Called {
    let (span, mask) = (timespec(call, 3)?, mask(call)?);
    with_mask(call, mask, |call| wait(call, span))
}

/// The timeout of a call that counts milliseconds; a negative one is none.
fn milliseconds(call: &Call<'_>) -> Option<Ticks> {
    let timeout = u64::try_from(call.argument(3) as u32 as i32).ok()?;
    Some(ticks(Nanos(timeout * 1_000_000)))
}

fn mask(call: &Call<'_>) -> Result<Option<SignalSet>, Errno> {
    let address = call.argument(4);
    if address == 0 {
        return Ok(None);
    }
    check_set_size(call.argument(5))?;
    Ok(Some(SignalSet(call.user.u64(address)?)))
}

fn wait(call: &mut Call<'_>, span: Option<Ticks>) -> Called {
    const MAXIMUM: usize = i32::MAX as usize / EpollEvent::SIZE;
    let wanted = usize::try_from(call.argument(2) as u32 as i32).unwrap_or(0);
    if wanted == 0 || wanted > MAXIMUM {
        return Err(Errno::EINVAL.into());
    }
    let file: Arc<OpenFile> = opened(call, 0)?;
    let epoll = Epoll::of(&file).ok_or(Errno::EINVAL)?;
    let until = call.deadline(span);
    let may_wait = span != Some(Ticks(0)) && !is_late(until);
    let room = epoll.listed().min(wanted).min(Epoll::BATCH);
    let address = call.argument(1);
    let length = room * EpollEvent::SIZE;
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    let mut bytes: Vec<u8> = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    let waiter = may_wait.then(|| call.waiter());
    match epoll.wait(waiter, room) {
        Ok(ready) => {
            let mut bytes: Vec<u8> = Vec::new();
            bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
            for found in &ready {
                let event = EpollEvent {
                    events: u32::from(found.events.bits()),
                    data: found.data,
                };
                bytes.extend_from_slice(&event.encode());
            }
            call.user.write(address, &bytes)?;
            Ok(ready.len() as u64)
        }
        Err(Stop::Park) => call.wait_until(until),
        Err(stop) => {
            if let Some(until) = until {
                call.set_progress(Continuation::Until(until));
            }
            Err(Outcome::from(stop))
        }
    }
}
