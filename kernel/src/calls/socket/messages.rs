//! Sending and receiving on the ends of channels.

use super::super::Call;
use super::super::file::{SLICE, cut, raise, stopped, total, transferred};
use super::{Arguments, allow_destination, end, opened};
use crate::outcome::{Called, Outcome};
use crate::user::{STEP, Segment, UserBuffer};
use abi::Errno;
use abi::linux::{IOV_MAX, MAX_RW_COUNT, MessageFlags, Msghdr, SignalNumber};
use abi::mmu::Access as MemoryAccess;
use alloc::vec::Vec;
use ipc::{ChannelEnd, Received};
use vfs::{IoContext, OpenFile, StatusFlags};
use wait::Stop;

/// The buffer of `sendto` and `recvfrom`.
fn buffer(address: u64, length: u64) -> [Segment; 1] {
    [Segment {
        address,
        length: length.min(MAX_RW_COUNT as u64) as usize,
    }]
}

/// The segments of a message.
fn segments(call: &Call<'_>, header: &Msghdr) -> Result<Vec<Segment>, Errno> {
    if header.iovlen > IOV_MAX as u64 {
        return Err(Errno::EMSGSIZE);
    }
    call.user.segments(header.iov, header.iovlen)
}

/// The header at `address`, and the flags of a call with messages.
fn message(call: &Call<'_>, address: u64, flags: u64) -> Result<(Msghdr, MessageFlags), Errno> {
    let flags = MessageFlags::from_bits_retain(flags as u32);
    if flags.contains(MessageFlags::CMSG_COMPAT) {
        return Err(Errno::EINVAL);
    }
    Ok((Msghdr::decode(&call.user.bytes(address)?), flags))
}

/// `man 2 sendto`, `send`.
///
/// # Errors
/// Those of [`send`]; for an address EISCONN, ECONNREFUSED, EINVAL.
pub(super) fn sendto(
    call: &mut Call<'_>,
    &[descriptor, from, length, flags, address, address_length]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    allow_destination(call, end, address, address_length)?;
    send(
        call,
        &file,
        end,
        &buffer(from, length),
        MessageFlags::from_bits_retain(flags as u32),
    )
}

/// `man 2 sendmsg`, without ancillary data.
///
/// # Errors
/// As [`sendto`]; EINVAL for ancillary data, EMSGSIZE for too many segments.
pub(super) fn sendmsg(
    call: &mut Call<'_>,
    &[descriptor, address, flags, ..]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    let (header, flags) = message(call, address, flags)?;
    let segments = segments(call, &header)?;
    if header.controllen != 0 {
        return Err(Errno::EINVAL.into());
    }
    allow_destination(call, end, header.name, u64::from(header.namelen))?;
    send(call, &file, end, &segments, flags)
}

/// `man 2 recvfrom`, `recv`. Peers have no name, so the length of their address is 0.
///
/// # Errors
/// Those of [`receive`]; EINVAL for a negative length of the address.
pub(super) fn recvfrom(
    call: &mut Call<'_>,
    &[descriptor, to, length, flags, address, length_at]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    if address != 0 {
        call.user.gather(
            Segment {
                address: length_at,
                length: size_of::<u32>(),
            },
            MemoryAccess::Write,
        )?;
        if call.user.u32(length_at)?.cast_signed() < 0 {
            return Err(Errno::EINVAL.into());
        }
    }
    let flags = MessageFlags::from_bits_retain(flags as u32);
    let received = receive(call, &file, end, &buffer(to, length), flags)?;
    if address != 0 {
        call.user.write(length_at, &0u32.to_le_bytes())?;
    }
    Ok(answer(received, flags))
}

/// `man 2 recvmsg`. There are no ancillary data, and peers have no name.
///
/// # Errors
/// Those of [`receive`]; EMSGSIZE for too many segments.
pub(super) fn recvmsg(
    call: &mut Call<'_>,
    &[descriptor, address, flags, ..]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    call.user.gather(
        Segment {
            address,
            length: Msghdr::SIZE,
        },
        MemoryAccess::Write,
    )?;
    let (header, flags) = message(call, address, flags)?;
    if header.name != 0 && header.namelen.cast_signed() < 0 {
        return Err(Errno::EINVAL.into());
    }
    let segments = segments(call, &header)?;
    let called = receive(call, &file, end, &segments, flags);
    let mut found = flags & MessageFlags::CMSG_CLOEXEC;
    found.set(
        MessageFlags::TRUNC,
        called.is_ok_and(|received| received.count < received.length),
    );
    // A call that waits for more after it has received something may be ended by a signal: it has said all then.
    if called.is_ok() || transferred(call) > 0 {
        store_header(call, address, header.name != 0, found)?;
    }
    Ok(answer(called?, flags))
}

/// Stores what `recvmsg` changes in a header.
fn store_header(
    call: &Call<'_>,
    address: u64,
    named: bool,
    flags: MessageFlags,
) -> Result<(), Errno> {
    let at = |field: &str| {
        let place = Msghdr::LAYOUT.iter().find(|(name, ..)| *name == field);
        place.map_or(address, |(_, offset, _)| {
            address.wrapping_add(*offset as u64)
        })
    };
    if named {
        call.user.write(at("namelen"), &0u32.to_le_bytes())?;
    }
    call.user.write(at("controllen"), &0u64.to_le_bytes())?;
    call.user.write(at("flags"), &flags.bits().to_le_bytes())
}

/// What a receiving call answers: with MSG_TRUNC the length that a record had before it was cut.
fn answer(received: Received, flags: MessageFlags) -> u64 {
    let length = if flags.contains(MessageFlags::TRUNC) {
        received.length
    } else {
        received.count
    };
    length as u64
}

fn is_nonblocking(file: &OpenFile, flags: MessageFlags) -> bool {
    flags.contains(MessageFlags::DONTWAIT) || file.flags().contains(StatusFlags::NONBLOCKING)
}

/// Sends the bytes of `segments`, on a stream in steps as `write` does, otherwise as one record.
///
/// # Errors
/// EPIPE, with SIGPIPE unless MSG_NOSIGNAL is given or the socket is one of datagrams; EMSGSIZE, ECONNREFUSED,
/// ENOTCONN, ECONNRESET, EAGAIN, EFAULT, ENOMEM; EOPNOTSUPP for MSG_OOB.
pub(in crate::calls) fn send(
    call: &mut Call<'_>,
    file: &OpenFile,
    end: &ChannelEnd,
    segments: &[Segment],
    flags: MessageFlags,
) -> Called {
    if flags.contains(MessageFlags::OOB) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let record = end.kind().keeps_records();
    let total = total(segments);
    if record && total > ChannelEnd::RECORD_MAX {
        return Err(Errno::EMSGSIZE.into());
    }
    let before = transferred(call);
    let mut done = before;
    loop {
        let wanted = if record {
            total
        } else {
            STEP.min(total.saturating_sub(done))
        };
        let mut source =
            match UserBuffer::new(&call.user, segments, done, wanted, MemoryAccess::Read) {
                Ok(source) if record && source.rest() < wanted => return Err(Errno::EFAULT.into()),
                Ok(source) => source,
                Err(_) if done > 0 => return Ok(done as u64),
                Err(errno) => return Err(errno.into()),
            };
        let cx = IoContext {
            nonblocking: is_nonblocking(file, flags),
            ..call.io()
        };
        match end.send(&cx, &mut source) {
            Ok(count) => done += count,
            Err(stop) => {
                let silent = flags.contains(MessageFlags::NOSIGNAL) || !end.kind().is_connected();
                if stop == Stop::Error(Errno::EPIPE) && done == 0 && !silent {
                    raise(call, SignalNumber::SIGPIPE);
                }
                return stopped(call, done, stop);
            }
        }
        if record || done >= total {
            return Ok(done as u64);
        }
        if done - before >= SLICE {
            return cut(call, done);
        }
    }
}

/// Receives into `segments`: a record, or of a stream what is there, with MSG_WAITALL until they are full.
///
/// # Errors
/// ECONNRESET, EAGAIN, EFAULT, ENOMEM; EOPNOTSUPP for MSG_OOB.
pub(in crate::calls) fn receive(
    call: &mut Call<'_>,
    file: &OpenFile,
    end: &ChannelEnd,
    segments: &[Segment],
    flags: MessageFlags,
) -> Result<Received, Outcome> {
    if flags.contains(MessageFlags::OOB) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let peek = flags.contains(MessageFlags::PEEK);
    let at_once = peek || end.kind().keeps_records();
    let all = flags.contains(MessageFlags::WAITALL);
    let nonblocking = is_nonblocking(file, flags);
    let whole = |count: usize| Received {
        count,
        length: count,
    };
    let total = total(segments);
    let before = transferred(call);
    let mut done = before;
    loop {
        let step = if at_once {
            ChannelEnd::RECORD_MAX
        } else {
            STEP
        };
        let wanted = step.min(total.saturating_sub(done));
        let mut sink =
            match UserBuffer::new(&call.user, segments, done, wanted, MemoryAccess::Write) {
                Ok(sink) => sink,
                Err(_) if done > 0 => return Ok(whole(done)),
                Err(errno) => return Err(errno.into()),
            };
        let room = sink.rest();
        // Without MSG_WAITALL a stream that has given something is not waited for.
        let cx = IoContext {
            nonblocking: nonblocking || done > 0 && !all,
            ..call.io()
        };
        let received = match end.receive(&cx, &mut sink, peek) {
            Ok(received) => received,
            Err(stop) => return stopped(call, done, stop).map(|count| whole(count as usize)),
        };
        if at_once {
            // As on Linux the record is lost when memory ends in the middle of it.
            let torn = received.count < received.length.min(wanted) && room < wanted;
            return if torn {
                Err(Errno::EFAULT.into())
            } else {
                Ok(received)
            };
        }
        done += received.count;
        if received.count == 0 || done >= total || received.count < room && !all {
            return Ok(whole(done));
        }
        if done - before >= SLICE {
            return cut(call, done).map(|count| whole(count as usize));
        }
    }
}
