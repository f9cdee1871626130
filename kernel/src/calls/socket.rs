//! Sockets: the connected pairs of `man 2 socketpair`, which `man 7 unix` describes.
//!
//! A pair is an [`ipc::Channel`]. `socket` itself knows no family and fails with EAFNOSUPPORT, so nothing can be bound
//! to a name, and an address that a call is given never leads to anybody. Ancillary data cannot be sent: EINVAL, and
//! none are ever received. SO_PASSCRED and SO_PEERCRED are ENOPROTOOPT. MSG_WAITALL is of no effect with MSG_PEEK.
//!
//! The calls come with numbers of their own and through `socketcall`, so a handler gets its arguments as an array.

mod messages;

pub(super) use messages::{receive, send};

use super::Call;
use super::descriptor::install_pair;
use crate::outcome::{Called, Outcome};
use crate::special;
use crate::user::Segment;
use abi::Errno;
use abi::linux::{
    self, AF_UNIX, OpenFlags, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR,
    SO_PROTOCOL, SO_RCVBUF, SO_SNDBUF, SO_TYPE, SOCK_DGRAM, SOCK_MAX, SOCK_RAW, SOCK_SEQPACKET,
    SOCK_STREAM, SOCK_TYPE_MASK, SOCKADDR_MAX, SOL_SOCKET, SystemCall,
};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use core::any::Any;
use ipc::{Channel, ChannelEnd, ChannelKind, Directions};
use messages::{recvfrom, recvmsg, sendmsg, sendto};
use vfs::{Access, Descriptor, FileKind, Metadata, Mode, OpenFile, StatusFlags};

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
