//! What entries ask for.

use super::cancel;
use crate::calls::clock::{read_timespec, ticks};
use crate::calls::poll::is_late;
use crate::calls::{Call, file};
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::request::{Request, Requests, Work};
use crate::ring::{Buffer, Next, Ring};
use crate::room;
use crate::system::system;
use crate::user::Segment;
use abi::linux::{
    IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_POLL_ADD_MULTI,
    TransferFlags, UringCancel, UringEntry, UringFlags, UringOperation, UringTimeout,
};
use abi::{Errno, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::Push;
use vfs::{Descriptor, OpenFile, Seek};
use wait::{Manner, PollEvents, Waiter};

/// Makes one run of the call that an entry asks for.
pub fn perform(call: &mut Call<'_>, request: &Arc<Request>, work: &mut Work) -> Called {
    use UringOperation as O;
    let entry = &request.entry;
    let operation = O::from_number(entry.opcode).ok_or(Errno::EINVAL)?;
    let flags = UringFlags::from_bits(entry.flags).ok_or(Errno::EINVAL)?;
    if entry.personality != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags.contains(UringFlags::BUFFER_SELECT) {
        return into_chosen(call, operation, request, work);
    }
    make(call, operation, request, entry, work)
}

/// Makes a run of the call of an entry, which may be the request's own with another buffer.
fn make(
    call: &mut Call<'_>,
    operation: UringOperation,
    request: &Arc<Request>,
    entry: &UringEntry,
    work: &mut Work,
) -> Called {
    use UringOperation as O;
    match operation {
        O::Nop => Ok(0),
        O::Read | O::Write | O::Readv | O::Writev | O::ReadFixed | O::WriteFixed => {
            hold(call, request, work)?;
            transfer(call, operation, request, entry, work)
        }
        O::PollAdd => {
            let file = hold(call, request, work)?;
            poll(call, request, &file)
        }
        O::ProvideBuffers => provide(request),
        O::RemoveBuffers => {
            let count = usize::try_from(entry.fd).ok().filter(|count| *count > 0);
            let count = count.ok_or(Errno::EINVAL)?;
            let ring = request.target.ring()?;
            Ok(ring.lock().groups.remove(entry.buf_index, count)? as u64)
        }
        O::PollRemove => {
            if [u64::from(entry.len), u64::from(entry.op_flags), entry.off] != [0; 3] {
                return Err(Errno::EINVAL.into());
            }
            let same = |other: &UringEntry| {
                other.opcode == O::PollAdd as u8 && other.user_data == entry.addr
            };
            cancel_first(request, same)
        }
        O::Timeout => timeout(call, request, work),
        O::TimeoutRemove => remove_timeout(call, request),
        O::LinkTimeout => limit(call, request),
        O::AsyncCancel => cancel_others(call, request),
        _ => translated(call, operation, request, entry, work),
    }
}

/// Makes the system call that an entry stands for.
fn translated(
    call: &mut Call<'_>,
    operation: UringOperation,
    request: &Arc<Request>,
    entry: &UringEntry,
    work: &mut Work,
) -> Called {
    use UringOperation as O;
    let translated = uring::translate(operation, entry)?.ok_or(Errno::EINVAL)?;
    if translated.repeats && operation == O::Recv && work.buffer.is_none() {
        // Each of several results needs a buffer of its own.
        return Err(Errno::EINVAL.into());
    }
    let mut arguments = translated.arguments;
    if translated.on_file {
        hold(call, request, work)?;
        arguments[0] = Call::HELD;
    } else if request.entry.flags & UringFlags::FIXED_FILE.bits() != 0 {
        return Err(Errno::EBADF.into());
    }
    if call.progress() == Continuation::Fresh && room::is_needed_for(translated.call) {
        room::ask()?;
    }
    // A socket that does not wait is waited for all the same: that is what a ring is for.
    call.is_patient = matches!(
        operation,
        O::Accept | O::Connect | O::Send | O::Recv | O::Sendmsg | O::Recvmsg
    );
    call.arguments = Some(arguments);
    let value = call.run_as(translated.call)?;
    // Nothing comes after the end of what is received.
    work.repeats = translated.repeats && (value > 0 || operation == O::Accept);
    Ok(value)
}

/// Makes a call that gets its bytes into a buffer of a group.
fn into_chosen(
    call: &mut Call<'_>,
    operation: UringOperation,
    request: &Arc<Request>,
    work: &mut Work,
) -> Called {
    if !matches!(operation, UringOperation::Read | UringOperation::Recv) {
        return Err(Errno::EINVAL.into());
    }
    let group = request.entry.buf_index;
    let ring = request.target.ring()?;
    let buffer = match work.buffer {
        Some(buffer) => buffer,
        None => choose(call, ring, group)?,
    };
    work.buffer = Some(buffer);
    let wanted = match request.entry.len {
        0 => buffer.length,
        wanted => wanted.min(buffer.length),
    };
    let entry = UringEntry {
        addr: buffer.address,
        len: wanted,
        buf_index: 0,
        ..request.entry
    };
    let called = make(call, operation, request, &entry, work);
    match &called {
        Ok(_) => {
            let number = u32::from(buffer.number) << IORING_CQE_BUFFER_SHIFT;
            work.flags = IORING_CQE_F_BUFFER | number;
            work.buffer = None;
        }
        // A part of it is there.
        Err(Outcome::Again) => {}
        Err(_) => {
            work.buffer = None;
            ring.lock().groups.give_back(group, buffer);
        }
    }
    called
}

/// Takes a buffer of a group.
fn choose(call: &Call<'_>, ring: &Ring, group: u16) -> Result<Buffer, Errno> {
    loop {
        let next = ring.lock().groups.next(group)?;
        let place = match next {
            Next::Taken(buffer) => return Ok(buffer),
            Next::InRing(place) => place,
        };
        let buffer = place.read(&call.user)?;
        if ring.lock().groups.take(group, place) {
            return Ok(buffer);
        }
    }
}

/// IORING_OP_PROVIDE_BUFFERS.
fn provide(request: &Request) -> Called {
    let entry = &request.entry;
    let count = u16::try_from(entry.fd).ok().filter(|count| *count > 0);
    let count = count.ok_or(Errno::EINVAL)?;
    let number = u16::try_from(entry.off).map_err(|_| Errno::E2BIG)?;
    if number.checked_add(count - 1).is_none() || entry.len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let length = u64::from(entry.len) * u64::from(count);
    entry.addr.checked_add(length).ok_or(Errno::EOVERFLOW)?;
    let first = Buffer {
        address: entry.addr,
        length: entry.len,
        number,
    };
    let ring = request.target.ring()?;
    ring.lock().groups.provide(entry.buf_index, count, first)?;
    Ok(0)
}

/// The file that a request is about, the same in all its runs.
fn hold(
    call: &mut Call<'_>,
    request: &Arc<Request>,
    work: &mut Work,
) -> Result<Arc<OpenFile>, Errno> {
    let file = match &work.file {
        Some(file) => file.clone(),
        None => {
            let entry = &request.entry;
            let file = if entry.flags & UringFlags::FIXED_FILE.bits() != 0 {
                request.target.ring()?.registered(entry.fd)?
            } else {
                let descriptor = Descriptor::from_register(u64::from(entry.fd.cast_unsigned()))?;
                call.process().files()?.lock().get(descriptor)?
            };
            if file.access().is_empty() {
                return Err(Errno::EBADF);
            }
            work.file = Some(file.clone());
            file
        }
    };
    call.held = Some(file.clone());
    Ok(file)
}

/// Reads or writes.
fn transfer(
    call: &mut Call<'_>,
    operation: UringOperation,
    request: &Arc<Request>,
    entry: &UringEntry,
    work: &mut Work,
) -> Called {
    use UringOperation as O;
    let writes = matches!(operation, O::Write | O::Writev | O::WriteFixed);
    let flags = TransferFlags::from_bits(entry.op_flags).ok_or(Errno::EOPNOTSUPP)?;
    let segments = match operation {
        O::Readv | O::Writev => call.user.segments(entry.addr, u64::from(entry.len))?,
        _ => {
            let segment = Segment {
                address: entry.addr,
                length: entry.len as usize,
            };
            if matches!(operation, O::ReadFixed | O::WriteFixed) {
                require_registered(request, segment)?;
            }
            fallible::of_one(segment)?
        }
    };
    work.wanted = Some(file::total(&segments) as u64);
    // What has no position has no offset either, whatever the entry says.
    let positioned = call
        .held
        .as_ref()
        .is_some_and(|file| file.operations().seek() != Seek::No);
    let at = match entry.off {
        u64::MAX => None,
        _ if !positioned => None,
        off => Some(i64::try_from(off).map_err(|_| Errno::EINVAL)?),
    };
    call.arguments = Some([Call::HELD, 0, 0, 0, 0, 0]);
    if writes {
        file::write_flagged(call, &segments, at, flags)
    } else {
        file::read_flagged(call, &segments, at, flags)
    }
}

/// Fails unless a buffer lies in the registered one that the entry names.
fn require_registered(request: &Request, segment: Segment) -> Result<(), Errno> {
    let state = request.target.ring()?.lock();
    let place = usize::from(request.entry.buf_index);
    let whole = state.buffers.get(place).ok_or(Errno::EFAULT)?;
    let offset = segment.address.checked_sub(whole.address);
    let inside = offset
        .and_then(|offset| offset.checked_add(segment.length as u64))
        .is_some_and(|end| end <= whole.length as u64);
    if inside { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Waits until a file is ready; the result is what for. Who wants several results gets one at each change.
fn poll(call: &Call<'_>, request: &Arc<Request>, file: &OpenFile) -> Called {
    let entry = &request.entry;
    let several = entry.len == IORING_POLL_ADD_MULTI;
    if entry.len != 0 && !several || entry.off != 0 || entry.addr != 0 {
        // Changes of another entry.
        return Err(Errno::EINVAL.into());
    }
    let wanted = PollEvents::from_bits_truncate(entry.op_flags as u16);
    let ready = |waiter| file.poll(wanted, Some(waiter)) & (wanted | PollEvents::ALWAYS);
    if several {
        let ticket = call.waiter().ticket();
        let watching = Waiter::watching(request.clone(), ticket, Manner::CHANGES);
        let ready = ready(&watching);
        if !ready.is_empty() {
            let result = i32::from(ready.bits());
            let target = &request.target;
            target.complete(entry, result, IORING_CQE_F_MORE, true);
        }
        return Err(Outcome::Park(Wait::retry()));
    }
    let ready = ready(call.waiter());
    if ready.is_empty() {
        return Err(Outcome::Park(Wait::retry()));
    }
    Ok(u64::from(ready.bits()))
}

/// The point of time of a timeout whose time is at an address.
fn deadline(call: &Call<'_>, address: u64, flags: UringTimeout) -> Result<Ticks, Errno> {
    let clocks = UringTimeout::BOOTTIME | UringTimeout::REALTIME;
    if flags.contains(clocks) {
        return Err(Errno::EINVAL);
    }
    let time = read_timespec(call, address)?.nanos()?;
    let now = arch::time::now();
    let span = if !flags.contains(UringTimeout::ABS) {
        time
    } else if flags.contains(UringTimeout::REALTIME) {
        time.saturating_sub(system().wall_clock(now))
    } else {
        time.saturating_sub(system().uptime())
    };
    Ok(now.saturating_add(ticks(span)))
}

/// The flags of a timeout that begins.
fn timeout_flags(entry: &UringEntry) -> Result<UringTimeout, Errno> {
    let flags = UringTimeout::from_bits(entry.op_flags).ok_or(Errno::EINVAL)?;
    if flags.contains(UringTimeout::UPDATE) || entry.len != 1 {
        return Err(Errno::EINVAL);
    }
    Ok(flags)
}

/// Parks until a point of time that the first run has found.
fn until(
    call: &mut Call<'_>,
    find: impl FnOnce(&Call<'_>) -> Result<Ticks, Errno>,
) -> Result<Ticks, Errno> {
    let at = match call.progress() {
        Continuation::Until(at) => at,
        _ => find(call)?,
    };
    call.set_progress(Continuation::Until(at));
    Ok(at)
}

fn timeout(call: &mut Call<'_>, request: &Arc<Request>, work: &mut Work) -> Called {
    let entry = &request.entry;
    let flags = timeout_flags(entry)?;
    if call.progress() == Continuation::Fresh && entry.off != 0 {
        work.target = request.target.ring()?.count_after(entry.off);
    }
    let at = until(call, |call| deadline(call, entry.addr, flags))?;
    if entry.off != 0
        && request
            .target
            .ring()?
            .has_counted(work.target, call.waiter())
    {
        return Ok(0);
    }
    if is_late(Some(at)) {
        return Err(Errno::ETIME.into());
    }
    call.waiter();
    Err(Outcome::Park(Wait::retry_until(Some(at))))
}

/// The timeout that goes with another request.
fn limit(call: &mut Call<'_>, request: &Arc<Request>) -> Called {
    let entry = &request.entry;
    // One that follows nothing is a mistake.
    let target = request.limits.as_ref().ok_or(Errno::EINVAL)?;
    let flags = timeout_flags(entry)?;
    if entry.off != 0 {
        return Err(Errno::EINVAL.into());
    }
    let at = until(call, |call| deadline(call, entry.addr, flags))?;
    if !is_late(Some(at)) {
        call.waiter();
        return Err(Outcome::Park(Wait::retry_until(Some(at))));
    }
    match target.upgrade() {
        Some(target) if cancel(&target) => Err(Errno::ETIME.into()),
        Some(_) => Err(Errno::EALREADY.into()),
        None => Err(Errno::ENOENT.into()),
    }
}

/// Takes a timeout back, or gives it another time.
fn remove_timeout(call: &Call<'_>, request: &Arc<Request>) -> Called {
    let entry = &request.entry;
    let flags = UringTimeout::from_bits(entry.op_flags).ok_or(Errno::EINVAL)?;
    if entry.len != 0 {
        return Err(Errno::EINVAL.into());
    }
    let same = |other: &UringEntry| {
        other.opcode == UringOperation::Timeout as u8 && other.user_data == entry.addr
    };
    if !flags.contains(UringTimeout::UPDATE) {
        if !flags.is_empty() {
            return Err(Errno::EINVAL.into());
        }
        return cancel_first(request, same);
    }
    let at = deadline(call, entry.off, flags)?;
    let found = others(request, same)?;
    let found = found.first().ok_or(Errno::ENOENT)?;
    let mut work = found.take_work().ok_or(Errno::EALREADY)?;
    work.progress = Continuation::Until(at);
    found.put_work(work);
    found.prod();
    Ok(0)
}

/// The requests of the same ring that wait and whose entries are `wanted`.
fn others(
    request: &Arc<Request>,
    wanted: impl Fn(&UringEntry) -> bool,
) -> Result<Vec<Arc<Request>>, Errno> {
    let mut all = Vec::new();
    let ring = request.target.ring()?;
    for thread in ring.users()? {
        let found = thread.requests.find(|other| {
            let theirs = other.target.ring();
            theirs.is_ok_and(|theirs| Arc::ptr_eq(theirs, ring))
                && !Arc::ptr_eq(other, request)
                && wanted(&other.entry)
        })?;
        for other in found {
            all.try_push(other)?;
        }
    }
    Ok(all)
}

fn cancel_first(request: &Arc<Request>, wanted: impl Fn(&UringEntry) -> bool) -> Called {
    let found = others(request, wanted)?;
    let found = found.first().ok_or(Errno::ENOENT)?;
    if cancel(found) {
        Ok(0)
    } else {
        Err(Errno::EALREADY.into())
    }
}

/// IORING_OP_ASYNC_CANCEL: the first, or with flags for several of them their number.
fn cancel_others(call: &mut Call<'_>, request: &Arc<Request>) -> Called {
    let entry = &request.entry;
    let flags = UringCancel::from_bits(entry.op_flags).ok_or(Errno::EINVAL)?;
    if entry.off != 0 || entry.len != 0 || entry.splice_fd_in != 0 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = |other: &UringEntry| {
        if flags.contains(UringCancel::ANY) {
            true
        } else if flags.contains(UringCancel::FD) {
            other.fd == entry.fd && other.flags & UringFlags::FIXED_FILE.bits() == 0
        } else {
            other.user_data == entry.addr
        }
    };
    if !flags.intersects(UringCancel::ALL | UringCancel::ANY) {
        return cancel_first(request, wanted);
    }
    let found = others(request, wanted)?;
    let ended = found.iter().filter(|other| cancel(other)).count() as u64;
    let ended = file::transferred(call) as u64 + ended;
    if found.len() >= Requests::BATCH && !found.is_empty() {
        // There may be more; what cannot be ended now is not met again.
        call.set_progress(Continuation::Transferred(ended));
        return Err(Outcome::Again);
    }
    Ok(ended)
}
