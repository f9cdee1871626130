//! Asynchronous transfers (`man 2 io_setup`, `io_submit`, `io_getevents`, `io_cancel`, `io_destroy`).
//!
//! What is submitted becomes an entry as rings have them, and is made in the same way ([`super::uring`]).

use super::Call;
use super::clock::{read_timespec, ticks};
use super::event::require_counter;
use super::file::{note, transferred};
use super::poll::{is_late, with_mask};
use super::uring::{BUDGET, attend, begin_one, cancel, cancel_some, is_over};
use crate::aio::{Asked, Context, Contexts};
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::request::{Request, Target};
use crate::room;
use crate::user::Segment;
use abi::linux::{
    IOCB_CMD_FDSYNC, IOCB_CMD_FSYNC, IOCB_CMD_POLL, IOCB_CMD_PREAD, IOCB_CMD_PREADV,
    IOCB_CMD_PWRITE, IOCB_CMD_PWRITEV, IOCB_FLAG_IOPRIO, IOCB_FLAG_RESFD, IORING_FSYNC_DATASYNC,
    IoEvent, Iocb, SignalSet, TransferFlags, UringEntry, UringOperation, check_set_size,
};
use abi::mmu::{Access as MemoryAccess, Protection};
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use memory::space::{Fixed, MapRequest, Mapping, Traits};
use vfs::{Access, Descriptor, OpenFile};

/// `man 2 io_setup`.
///
/// # Errors
/// EINVAL without events, and where the place for the name is not 0; EAGAIN for too many events; EFAULT, ENOMEM.
pub fn io_setup(call: &mut Call<'_>) -> Called {
    let (limit, place) = (call.argument(0) as u32 as usize, call.argument(1));
    if call.user.u64(place)? != 0 || limit == 0 {
        return Err(Errno::EINVAL.into());
    }
    if limit > Contexts::EVENTS_MAX {
        return Err(Errno::EAGAIN.into());
    }
    let (address, length) = (place, 8);
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    let context = Context::new(limit, call.credential())?;
    // Libraries look there for a ring that programs could read by themselves, and find zeros.
    let space = call.user.space()?;
    let name = space.lock().map(MapRequest {
        hint: 0,
        fixed: Fixed::No,
        length: PAGE_SIZE as u64,
        protection: Protection::READ,
        maximum: Protection::READ,
        mapping: Mapping::Anonymous,
        traits: Traits::empty(),
        name: None,
    })?;
    if let Err(errno) = space.contexts.add(name, context, limit) {
        space.lock().unmap(name, PAGE_SIZE as u64)?;
        return Err(errno.into());
    }
    call.user.write(place, &name.to_le_bytes())?;
    Ok(0)
}

/// `man 2 io_destroy`: what waits is cancelled.
///
/// # Errors
/// EINVAL for another name.
pub fn io_destroy(call: &mut Call<'_>) -> Called {
    let name = call.argument(0);
    let space = call.user.space()?;
    let context = space.contexts.remove(name)?;
    context.close();
    // Whatever the program has put in the place of the page is its own.
    space.lock().unmap(name, PAGE_SIZE as u64).ok();
    if cancel_some(call.thread, |request| request.target.is_closed()) {
        call.thread.requests.orphan();
        call.thread.call_attention();
    }
    Ok(0)
}

/// `man 2 io_submit`.
///
/// # Errors
/// EINVAL, EBADF, EFAULT, EAGAIN, ENOMEM, each when the first request has it; later ones end the submission.
pub fn io_submit(call: &mut Call<'_>) -> Called {
    let (name, list) = (call.argument(0), call.argument(2));
    let most = usize::try_from(call.argument(1).cast_signed()).map_err(|_| Errno::EINVAL)?;
    let context = call.user.space()?.contexts.get(name)?;
    let mut begun = transferred(call);
    let began = arch::time::now();
    let mut budget = BUDGET;
    while begun < most {
        let at = list.wrapping_add(8 * begun as u64);
        match call.user.u64(at).and_then(|at| submit(call, &context, at)) {
            Ok(()) => begun += 1,
            Err(_) if begun > 0 => break,
            Err(errno) => return Err(errno.into()),
        }
        note(call, begun);
        budget -= 1;
        if (budget == 0 || is_over(began)) && begun < most {
            return Err(Outcome::Again);
        }
    }
    Ok(begun as u64)
}

/// Begins one request.
fn submit(call: &mut Call<'_>, context: &Arc<Context>, address: u64) -> Result<(), Errno> {
    room::ask()?;
    let asked = Iocb::decode(&call.user.bytes::<{ Iocb::SIZE }>(address)?);
    if asked.reserved2 != 0
        || asked.flags & !(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO) != 0
        || i64::try_from(asked.nbytes).is_err()
    {
        return Err(Errno::EINVAL);
    }
    let file = file(call, asked.fildes)?;
    let entry = entry(&asked)?;
    let access = match asked.lio_opcode {
        IOCB_CMD_PREAD | IOCB_CMD_PREADV => Access::READ,
        IOCB_CMD_PWRITE | IOCB_CMD_PWRITEV => Access::WRITE,
        _ => Access::empty(),
    };
    if file.access().is_empty() || !file.access().contains(access) {
        return Err(Errno::EBADF);
    }
    let events = if asked.flags & IOCB_FLAG_RESFD != 0 {
        let events = self::file(call, asked.resfd)?;
        require_counter(&events)?;
        Some(events)
    } else {
        None
    };
    // The key of a request that was submitted, which io_cancel looks at.
    call.user.write(address + 8, &0u32.to_le_bytes())?;
    let target = Target::Context(fallible::arc(Asked {
        context: context.clone(),
        address,
        events,
    })?);
    context.admit(call.thread)?;
    begin_one(call, target, entry, file).map_err(|no_memory| {
        context.withdraw();
        no_memory.into()
    })
}

fn file(call: &Call<'_>, descriptor: u32) -> Result<Arc<OpenFile>, Errno> {
    let descriptor = Descriptor::from_register(u64::from(descriptor))?;
    call.process().files()?.lock().get(descriptor)
}

/// The entry of a ring that would ask for the same.
fn entry(asked: &Iocb) -> Result<UringEntry, Errno> {
    /// Most bytes of a transfer (`man 2 read`).
    const BYTES_MAX: u64 = 0x7fff_f000;
    let only = |others: &[u64]| {
        if others.iter().all(|other| *other == 0) {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        }
    };
    let offset = asked.offset.cast_unsigned();
    let flags = u64::from(asked.rw_flags);
    let mut entry = UringEntry {
        fd: asked.fildes.cast_signed(),
        user_data: asked.data,
        ..UringEntry::default()
    };
    let operation = match asked.lio_opcode {
        IOCB_CMD_PREAD => UringOperation::Read,
        IOCB_CMD_PWRITE => UringOperation::Write,
        IOCB_CMD_PREADV => UringOperation::Readv,
        IOCB_CMD_PWRITEV => UringOperation::Writev,
        IOCB_CMD_FSYNC | IOCB_CMD_FDSYNC => {
            only(&[asked.buf, asked.nbytes, offset, flags])?;
            if asked.lio_opcode == IOCB_CMD_FDSYNC {
                entry.op_flags = IORING_FSYNC_DATASYNC;
            }
            UringOperation::Fsync
        }
        IOCB_CMD_POLL => {
            only(&[asked.nbytes, offset, flags, asked.buf >> 16])?;
            entry.op_flags = asked.buf as u32;
            UringOperation::PollAdd
        }
        _ => return Err(Errno::EINVAL),
    };
    entry.opcode = operation as u8;
    if !matches!(operation, UringOperation::Fsync | UringOperation::PollAdd) {
        if asked.offset < 0 {
            return Err(Errno::EINVAL);
        }
        TransferFlags::from_bits(asked.rw_flags).ok_or(Errno::EOPNOTSUPP)?;
        entry.op_flags = asked.rw_flags;
        entry.off = offset;
        entry.addr = asked.buf;
        entry.len = asked.nbytes.min(BYTES_MAX) as u32;
    }
    Ok(entry)
}

/// `man 2 io_cancel`: the event of what is cancelled comes as any other.
///
/// # Errors
/// EINPROGRESS when it is cancelled; EAGAIN when it is being made; EINVAL when it does not wait, and for another context;
/// EFAULT, ENOMEM.
pub fn io_cancel(call: &mut Call<'_>) -> Called {
    let (name, address) = (call.argument(0), call.argument(1));
    if call.user.u32(address.wrapping_add(8))? != 0 {
        return Err(Errno::EINVAL.into());
    }
    let context = call.user.space()?.contexts.get(name)?;
    let wanted = |request: &Arc<Request>| match &request.target {
        Target::Context(asked) => asked.address == address && Arc::ptr_eq(&asked.context, &context),
        Target::Ring(_) => false,
    };
    for thread in context.submitters()? {
        if let Some(request) = thread.requests.find(wanted)?.first() {
            let errno = if cancel(request) {
                Errno::EINPROGRESS
            } else {
                Errno::EAGAIN
            };
            return Err(errno.into());
        }
    }
    Err(Errno::EINVAL.into())
}

/// `man 2 io_getevents`.
///
/// # Errors
/// EINVAL, EFAULT, EINTR.
pub fn io_getevents(call: &mut Call<'_>) -> Called {
    get(call)
}

/// `man 2 io_pgetevents`: with a mask of signals while it waits.
///
/// # Errors
/// EINVAL, EFAULT, EINTR.
pub fn io_pgetevents(call: &mut Call<'_>) -> Called {
    let mask = match call.argument(5) {
        0 => None,
        at => match call.user.u64(at)? {
            0 => None,
            set => {
                check_set_size(call.user.u64(at.wrapping_add(8))?)?;
                Some(SignalSet(call.user.u64(set)?))
            }
        },
    };
    with_mask(call, mask, get)
}

fn get(call: &mut Call<'_>) -> Called {
    let [name, least, most, events, timeout] =
        core::array::from_fn(|index| call.argument(index).cast_signed());
    let context = call.user.space()?.contexts.get(name.cast_unsigned())?;
    let (Ok(least), Ok(most)) = (usize::try_from(least), usize::try_from(most)) else {
        return Err(Errno::EINVAL.into());
    };
    if least > most {
        return Err(Errno::EINVAL.into());
    }
    let span = match timeout {
        0 => None,
        at => Some(ticks(read_timespec(call, at.cast_unsigned())?.nanos()?)),
    };
    let space = call.user.space()?.clone();
    attend(call.thread, call.body, Some(&space));
    let mut got = transferred(call);
    let until = call.deadline(span);
    let late = is_late(until);
    let start = events
        .cast_unsigned()
        .wrapping_add((got * IoEvent::SIZE) as u64);
    let user = &call.user;
    let put = |index: usize, event: &IoEvent| {
        user.write(
            start.wrapping_add((index * IoEvent::SIZE) as u64),
            &event.encode(),
        )
    };
    let wanted = least.saturating_sub(got);
    let waiter = (!late && wanted > 0).then(|| call.waiter());
    let count = match context.get(wanted, (most - got).min(STEP), waiter, put) {
        Ok(count) => count,
        Err(_) if got > 0 => return Ok(got as u64),
        Err(errno) => return Err(errno.into()),
    };
    got += count;
    call.set_progress(match until {
        Some(at) => Continuation::TransferredUntil(got as u64, at),
        None => Continuation::Transferred(got as u64),
    });
    if count == STEP && got < most {
        return Err(Outcome::Again);
    }
    if got >= least || late {
        return Ok(got as u64);
    }
    if context.is_closed() {
        return match got {
            0 => Err(Errno::EINVAL.into()),
            _ => Ok(got as u64),
        };
    }
    Err(Outcome::Park(Wait::retry_until(until)))
}

/// Events that are copied at once.
const STEP: usize = 64;
