//! Sockets: the connected pairs of `man 2 socketpair`, which `man 7 unix` describes.
//!
//! A pair is an [`ipc::Channel`]. `socket` itself knows no family and fails with EAFNOSUPPORT, so nothing can be bound
//! to a name, and an address that a call is given never leads to anybody. Ancillary data cannot be sent: EINVAL, and
//! none are ever received. SO_PASSCRED and SO_PEERCRED are ENOPROTOOPT. MSG_WAITALL is of no effect with MSG_PEEK.
//!
//! The calls come with numbers of their own and through `socketcall`, so a handler gets its arguments as an array.

use super::Call;
use super::descriptor::install_pair;
use super::file::{SLICE, cut, raise, stopped, total, transferred};
use crate::outcome::{Called, Outcome};
use crate::special;
use crate::user::{STEP, Segment, UserBuffer};
use abi::Errno;
use abi::linux::{
    self, AF_UNIX, IOV_MAX, MAX_RW_COUNT, MessageFlags, Msghdr, OpenFlags, SHUT_RD, SHUT_RDWR,
    SHUT_WR, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR, SO_PROTOCOL, SO_RCVBUF, SO_SNDBUF, SO_TYPE,
    SOCK_DGRAM, SOCK_MAX, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOCK_TYPE_MASK, SOCKADDR_MAX,
    SOL_SOCKET, SignalNumber, SystemCall,
};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use ipc::{Channel, ChannelEnd, ChannelKind, Directions, Received};
use vfs::{Access, Descriptor, FileKind, IoContext, Metadata, Mode, OpenFile, StatusFlags};
use wait::Stop;

/// The arguments of a call, as registers or `socketcall` have them.
type Arguments = [u64; 6];

/// A call with a number of its own.
///
/// # Errors
/// Those of the handlers below.
pub fn direct(number: SystemCall, call: &mut Call<'_>) -> Called {
    let arguments = core::array::from_fn(|index| call.argument(index));
    perform(number, call, &arguments)
}

/// `man 2 socketcall`: the number of a call and the address of its arguments.
///
/// # Errors
/// EINVAL for an unknown number, EFAULT, and those of the call.
pub fn socketcall(call: &mut Call<'_>) -> Called {
    let (number, count) = linux::socketcall(call.argument(0) as u32).ok_or(Errno::EINVAL)?;
    let mut arguments = Arguments::default();
    for (index, argument) in (0u64..).zip(arguments.iter_mut().take(count)) {
        *argument = call.user.u64(call.argument(1).wrapping_add(8 * index))?;
    }
    perform(number, call, &arguments)
}

fn perform(number: SystemCall, call: &mut Call<'_>, arguments: &Arguments) -> Called {
    use SystemCall as S;
    match number {
        S::Socket => socket(arguments),
        S::Socketpair => socketpair(call, arguments),
        S::Bind => bind(call, arguments),
        S::Connect => connect(call, arguments),
        S::Listen => listen(call, arguments),
        S::Accept => accept(call, arguments, 0),
        S::Accept4 => accept(call, arguments, arguments[3] as u32),
        S::Getsockname => getsockname(call, arguments),
        S::Getpeername => getpeername(call, arguments),
        S::Send => sendto(call, &plain(arguments)),
        S::Sendto => sendto(call, arguments),
        S::Sendmsg => sendmsg(call, arguments),
        S::Recv => recvfrom(call, &plain(arguments)),
        S::Recvfrom => recvfrom(call, arguments),
        S::Recvmsg => recvmsg(call, arguments),
        S::Shutdown => shutdown(call, arguments),
        S::Setsockopt => setsockopt(call, arguments),
        S::Getsockopt => getsockopt(call, arguments),
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// The arguments of `send` and `recv` as `sendto` and `recvfrom` have them: without an address.
fn plain(&[descriptor, buffer, length, flags, ..]: &Arguments) -> Arguments {
    [descriptor, buffer, length, flags, 0, 0]
}

/// The end of a channel that an open file is, if it is one.
pub(super) fn end_of(file: &OpenFile) -> Option<&ChannelEnd> {
    let operations: &dyn Any = &**file.operations();
    operations.downcast_ref()
}

/// The open file of a descriptor.
fn opened(call: &Call<'_>, descriptor: u64) -> Result<Arc<OpenFile>, Errno> {
    let descriptor = Descriptor::from_register(descriptor)?;
    let file = call.process().files()?.lock().get(descriptor)?;
    if file.access().is_empty() {
        Err(Errno::EBADF)
    } else {
        Ok(file)
    }
}

fn end(file: &OpenFile) -> Result<&ChannelEnd, Errno> {
    end_of(file).ok_or(Errno::ENOTSOCK)
}

/// Splits the second argument of `socket` into a type and flags.
fn type_and_flags(argument: u64) -> Result<(u32, OpenFlags), Errno> {
    let argument = argument as u32;
    // SOCK_CLOEXEC and SOCK_NONBLOCK have the numbers of the flags of `open`.
    let flags = OpenFlags::from_bits_retain(argument & !SOCK_TYPE_MASK);
    if (OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        Ok((argument & SOCK_TYPE_MASK, flags))
    } else {
        Err(Errno::EINVAL)
    }
}

/// `man 2 socket`: there are no families yet.
///
/// # Errors
/// EINVAL for unknown flags and types; EAFNOSUPPORT.
fn socket(&[_, kind, ..]: &Arguments) -> Called {
    let (kind, _) = type_and_flags(kind)?;
    let errno = if kind < SOCK_MAX {
        Errno::EAFNOSUPPORT
    } else {
        Errno::EINVAL
    };
    Err(errno.into())
}

/// `man 2 socketpair`, AF_UNIX.
///
/// # Errors
/// EAFNOSUPPORT, EINVAL for unknown flags, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EFAULT, EMFILE.
fn socketpair(call: &Call<'_>, &[domain, kind, protocol, address, ..]: &Arguments) -> Called {
    let (kind, flags) = type_and_flags(kind)?;
    call.user.gather(
        Segment {
            address,
            length: 2 * size_of::<u32>(),
        },
        MemoryAccess::Write,
    )?;
    if domain as u32 != u32::from(AF_UNIX) {
        return Err(Errno::EAFNOSUPPORT.into());
    }
    if protocol as u32 != 0 && protocol as u32 != u32::from(AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT.into());
    }
    let kind = match kind {
        SOCK_STREAM => ChannelKind::Stream,
        SOCK_SEQPACKET => ChannelKind::SeqPacket,
        SOCK_DGRAM | SOCK_RAW => ChannelKind::Datagram,
        _ => return Err(Errno::ESOCKTNOSUPPORT.into()),
    };
    let mut status = StatusFlags::empty();
    status.set(
        StatusFlags::NONBLOCKING,
        flags.contains(OpenFlags::NONBLOCK),
    );
    let files = Channel::pair(kind, [metadata(call), metadata(call)])
        .map(|end| OpenFile::new(end, None, call.cid(), Access::READ | Access::WRITE, status));
    install_pair(call, address, files, flags.contains(OpenFlags::CLOEXEC))
}

/// What `fstat` tells of a new socket; it is in the file system of pipes.
fn metadata(call: &Call<'_>) -> Metadata {
    Metadata {
        kind: FileKind::Socket,
        mode: Mode::new(0o777),
        ..special::pipe_metadata(call.credential())
    }
}

/// `man 2 bind`: an end of a pair cannot be given a name.
///
/// # Errors
/// EBADF, ENOTSOCK; EINVAL.
fn bind(call: &Call<'_>, &[descriptor, ..]: &Arguments) -> Called {
    end(&*opened(call, descriptor)?)?;
    Err(Errno::EINVAL.into())
}

/// `man 2 connect`: the connected kinds have their peer, and there is nobody else for a datagram end; AF_UNSPEC, which
/// would dissolve its association, is EINVAL.
///
/// # Errors
/// EBADF, ENOTSOCK, EINVAL for a bad address, EFAULT; EISCONN, ECONNREFUSED.
fn connect(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let kind = end(&file)?.kind();
    let family = family(call, address, length)?;
    let errno = match family {
        Some(AF_UNIX) if kind.is_connected() => Errno::EISCONN,
        Some(AF_UNIX) => Errno::ECONNREFUSED,
        _ => Errno::EINVAL,
    };
    Err(errno.into())
}

/// `man 2 listen`: only a socket with a name can.
///
/// # Errors
/// EBADF, ENOTSOCK; EINVAL, EOPNOTSUPP for datagrams.
fn listen(call: &Call<'_>, &[descriptor, ..]: &Arguments) -> Called {
    Err(no_listener(call, descriptor))
}

/// `man 2 accept`: there are no sockets that listen.
///
/// # Errors
/// EBADF, ENOTSOCK; EINVAL, EOPNOTSUPP for datagrams.
fn accept(call: &Call<'_>, &[descriptor, ..]: &Arguments, flags: u32) -> Called {
    if flags & SOCK_TYPE_MASK != 0 {
        return Err(Errno::EINVAL.into());
    }
    type_and_flags(u64::from(flags))?;
    Err(no_listener(call, descriptor))
}

fn no_listener(call: &Call<'_>, descriptor: u64) -> Outcome {
    let why = |file: Arc<OpenFile>| {
        let kind = end(&file)?.kind();
        Ok(if kind.is_connected() {
            Errno::EINVAL
        } else {
            Errno::EOPNOTSUPP
        })
    };
    opened(call, descriptor)
        .and_then(why)
        .unwrap_or_else(|errno| errno)
        .into()
}

/// The family of an address; `None` when it is too short to have one.
fn family(call: &Call<'_>, address: u64, length: u64) -> Result<Option<u16>, Errno> {
    let length = usize::try_from(length as u32 as i32)
        .ok()
        .filter(|length| *length <= SOCKADDR_MAX);
    let length = length.ok_or(Errno::EINVAL)?;
    let mut bytes = [0; SOCKADDR_MAX];
    let bytes = bytes.get_mut(..length).unwrap_or_default();
    call.user.read(address, bytes)?;
    Ok(bytes
        .first_chunk()
        .map(|family| u16::from_le_bytes(*family)))
}

/// Checks the destination that a send is given, if any: a sequenced socket ignores it, a stream may have none.
fn allow_destination(
    call: &Call<'_>,
    end: &ChannelEnd,
    address: u64,
    length: u64,
) -> Result<(), Errno> {
    if address == 0 || length as u32 == 0 {
        return Ok(());
    }
    let family = family(call, address, length)?;
    match end.kind() {
        ChannelKind::SeqPacket => Ok(()),
        ChannelKind::Stream => Err(Errno::EISCONN),
        ChannelKind::Datagram if family == Some(AF_UNIX) => Err(Errno::ECONNREFUSED),
        ChannelKind::Datagram => Err(Errno::EINVAL),
    }
}

/// Stores the address of a socket without a name: its family, as far as there is room, and its length.
fn store_unnamed(call: &Call<'_>, address: u64, length_at: u64) -> Called {
    let name = AF_UNIX.to_le_bytes();
    let room =
        usize::try_from(call.user.u32(length_at)?.cast_signed()).map_err(|_| Errno::EINVAL)?;
    call.user
        .write(address, name.get(..room).unwrap_or(&name))?;
    call.user
        .write(length_at, &(name.len() as u32).to_le_bytes())?;
    Ok(0)
}

/// `man 2 getsockname`.
///
/// # Errors
/// EBADF, ENOTSOCK, EINVAL for a negative length, EFAULT.
fn getsockname(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    end(&*opened(call, descriptor)?)?;
    store_unnamed(call, address, length)
}

/// `man 2 getpeername`.
///
/// # Errors
/// As [`getsockname`]; ENOTCONN when a datagram end has lost its peer.
fn getpeername(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    if !end(&*opened(call, descriptor)?)?.has_peer() {
        return Err(Errno::ENOTCONN.into());
    }
    store_unnamed(call, address, length)
}

/// `man 2 shutdown`.
///
/// # Errors
/// EBADF, ENOTSOCK, EINVAL.
fn shutdown(call: &Call<'_>, &[descriptor, how, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    end.shut_down(match how as u32 {
        SHUT_RD => Directions::RECEIVE,
        SHUT_WR => Directions::SEND,
        SHUT_RDWR => Directions::all(),
        _ => return Err(Errno::EINVAL.into()),
    });
    Ok(0)
}

/// `man 2 getsockopt`: SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN, SO_SNDBUF, SO_RCVBUF.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT, EINVAL for a negative length, ENOPROTOOPT, EOPNOTSUPP for another level.
fn getsockopt(
    call: &Call<'_>,
    &[descriptor, level, option, address, length_at, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    if level as u32 != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let room =
        usize::try_from(call.user.u32(length_at)?.cast_signed()).map_err(|_| Errno::EINVAL)?;
    let length = room.min(size_of::<u32>());
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    call.user.gather(
        Segment {
            address: length_at,
            length: size_of::<u32>(),
        },
        MemoryAccess::Write,
    )?;
    let value = match option as u32 {
        SO_TYPE => type_of(end.kind()),
        SO_DOMAIN => u32::from(AF_UNIX),
        SO_PROTOCOL | SO_ACCEPTCONN => 0,
        SO_ERROR => end
            .take_error()
            .map_or(0, |errno| u32::from(errno.number())),
        SO_SNDBUF => u32::try_from(end.send_buffer()).unwrap_or(u32::MAX),
        SO_RCVBUF => u32::try_from(end.receive_buffer()).unwrap_or(u32::MAX),
        _ => return Err(Errno::ENOPROTOOPT.into()),
    };
    call.user.write(
        address,
        value.to_le_bytes().get(..length).unwrap_or_default(),
    )?;
    call.user.write(length_at, &(length as u32).to_le_bytes())?;
    Ok(0)
}

fn type_of(kind: ChannelKind) -> u32 {
    match kind {
        ChannelKind::Stream => SOCK_STREAM,
        ChannelKind::SeqPacket => SOCK_SEQPACKET,
        ChannelKind::Datagram => SOCK_DGRAM,
    }
}

/// `man 2 setsockopt`: SO_SNDBUF, SO_RCVBUF.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT, EINVAL for a short value, ENOPROTOOPT, EOPNOTSUPP for another level.
fn setsockopt(
    call: &Call<'_>,
    &[descriptor, level, option, address, length, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let end = end(&file)?;
    let length = length as u32 as i32;
    if length < 0 {
        return Err(Errno::EINVAL.into());
    }
    if level as u32 != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if (length as usize) < size_of::<u32>() {
        return Err(Errno::EINVAL.into());
    }
    let value = call.user.u32(address)? as usize;
    match option as u32 {
        SO_SNDBUF => end.set_send_buffer(value),
        SO_RCVBUF => end.set_receive_buffer(value),
        _ => return Err(Errno::ENOPROTOOPT.into()),
    }
    Ok(0)
}

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
fn sendto(
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
fn sendmsg(call: &mut Call<'_>, &[descriptor, address, flags, ..]: &Arguments) -> Called {
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
fn recvfrom(
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
fn recvmsg(call: &mut Call<'_>, &[descriptor, address, flags, ..]: &Arguments) -> Called {
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
pub(super) fn send(
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
pub(super) fn receive(
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
