//! Sockets of AF_UNIX (`man 7 unix`).
//!
//! Connections are [`ipc::Channel`]s, whose ends come from `socketpair`, `connect` and `accept`; a [`StreamSocket`] is what
//! `socket` makes before. Datagrams that go to names are of [`DatagramSocket`]s; a pair of datagram sockets is a channel, and
//! an address that it is given leads to nobody. `socket` knows no other family: EAFNOSUPPORT. MSG_WAITALL is of no effect
//! with MSG_PEEK.
//!
//! The calls come with numbers of their own and through `socketcall`, so a handler gets its arguments as an array.

mod ancillary;
mod messages;
mod names;

pub(super) use messages::{read, write};

use super::Call;
use super::descriptor::{insert, install, install_pair, require_room};
use crate::outcome::Called;
use crate::special;
use crate::user::Segment;
use abi::Errno;
use abi::linux::{
    self, AF_UNIX, OpenFlags, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR,
    SO_PASSCRED, SO_PEERCRED, SO_PROTOCOL, SO_RCVBUF, SO_SNDBUF, SO_TYPE, SOCK_DGRAM, SOCK_MAX,
    SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOCK_TYPE_MASK, SOL_SOCKET, SystemCall,
};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use core::any::Any;
use ipc::{
    Bound, Channel, ChannelEnd, ChannelKind, DatagramSocket, Directions, Sender, StreamSocket,
};
use messages::{recvfrom, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto};
use names::Address;
use vfs::{
    Access, Descriptor, FileKind, FileOperations, IoContext, Metadata, Mode, OpenFile, StatusFlags,
};

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
        S::Socket => socket(call, arguments),
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
        S::Sendmmsg => sendmmsg(call, arguments),
        S::Recvmmsg => recvmmsg(call, arguments),
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

/// What an open file is, of the kinds of sockets.
enum Socket<'a> {
    /// One end of a connection, or of a pair of datagram sockets.
    End(&'a ChannelEnd),
    /// A socket of connections that is not connected.
    Stream(&'a StreamSocket),
    /// A socket of datagrams.
    Datagram(&'a DatagramSocket),
}

fn socket_of(file: &OpenFile) -> Option<Socket<'_>> {
    let operations: &dyn Any = &**file.operations();
    if let Some(end) = operations.downcast_ref::<ChannelEnd>() {
        return Some(Socket::End(end));
    }
    if let Some(socket) = operations.downcast_ref::<StreamSocket>() {
        return Some(match socket.end() {
            Some(end) => Socket::End(end),
            None => Socket::Stream(socket),
        });
    }
    operations.downcast_ref().map(Socket::Datagram)
}

/// Whether an open file is a socket.
pub(super) fn is_socket(file: &OpenFile) -> bool {
    socket_of(file).is_some()
}

fn require_socket(file: &OpenFile) -> Result<Socket<'_>, Errno> {
    socket_of(file).ok_or(Errno::ENOTSOCK)
}

/// The socket of connections that an open file is, connected or not; `None` for an end that was connected when it was made.
fn stream_of(file: &OpenFile) -> Option<&StreamSocket> {
    let operations: &dyn Any = &**file.operations();
    operations.downcast_ref()
}

impl Socket<'_> {
    fn kind(&self) -> ChannelKind {
        match self {
            Self::End(end) => end.kind(),
            Self::Stream(socket) => socket.kind(),
            Self::Datagram(_) => ChannelKind::Datagram,
        }
    }
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

/// The kind of a type of AF_UNIX.
fn kind_of(kind: u32, protocol: u64) -> Result<ChannelKind, Errno> {
    if protocol as u32 != 0 && protocol as u32 != u32::from(AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    match kind {
        SOCK_STREAM => Ok(ChannelKind::Stream),
        SOCK_SEQPACKET => Ok(ChannelKind::SeqPacket),
        SOCK_DGRAM | SOCK_RAW => Ok(ChannelKind::Datagram),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

fn status_of(flags: OpenFlags) -> StatusFlags {
    let mut status = StatusFlags::empty();
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    status.set(StatusFlags::NONBLOCKING, nonblocking);
    status
}

fn open(call: &Call<'_>, socket: Arc<dyn FileOperations>, flags: OpenFlags) -> Arc<OpenFile> {
    let access = Access::READ | Access::WRITE;
    OpenFile::new(socket, None, call.cid(), access, status_of(flags))
}

/// `man 2 socket`, AF_UNIX.
///
/// # Errors
/// EINVAL for unknown flags and types; EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EMFILE.
fn socket(call: &Call<'_>, &[domain, kind, protocol, ..]: &Arguments) -> Called {
    let (kind, flags) = type_and_flags(kind)?;
    if kind >= SOCK_MAX {
        return Err(Errno::EINVAL.into());
    }
    if domain as u32 != u32::from(AF_UNIX) {
        return Err(Errno::EAFNOSUPPORT.into());
    }
    let kind = kind_of(kind, protocol)?;
    require_room(call)?;
    let socket: Arc<dyn FileOperations> = match kind {
        ChannelKind::Datagram => DatagramSocket::new(metadata(call)),
        _ => StreamSocket::new(kind, metadata(call)),
    };
    let file = open(call, socket, flags);
    install(call, file, flags.contains(OpenFlags::CLOEXEC))
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
    let kind = kind_of(kind, protocol)?;
    let files = Channel::pair(kind, [metadata(call), metadata(call)]).map(|end| {
        end.introduce(ancillary::caller(call), None);
        open(call, end, flags)
    });
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

/// `man 2 bind`.
///
/// # Errors
/// EBADF, ENOTSOCK; EINVAL for a bad address and a socket that has a name; EADDRINUSE, and those of a path.
fn bind(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let address = names::read(call, address, length)?;
    let publish = |socket: Bound| names::publish(call, &address, &socket);
    match (stream_of(&file), socket) {
        (Some(stream), _) => stream.bind(publish)?,
        (None, Socket::Datagram(datagram)) => datagram.bind(publish)?,
        // An end of a pair stays without a name.
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

/// `man 2 connect`. AF_UNSPEC takes the peer of a datagram socket back; one of a pair keeps its own.
///
/// # Errors
/// EBADF, ENOTSOCK, EINVAL for a bad address, EFAULT; EISCONN, ECONNREFUSED, EPROTOTYPE, EPERM, EAGAIN, and those of a path.
fn connect(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let address = names::read(call, address, length)?;
    match socket {
        Socket::End(end) => {
            let errno = match address {
                Address::None | Address::Any => Errno::EINVAL,
                Address::Named(_) if end.kind().is_connected() => Errno::EISCONN,
                Address::Named(_) => Errno::ECONNREFUSED,
            };
            Err(errno.into())
        }
        Socket::Stream(stream) => {
            let Bound::Stream(listener) = names::find(call, &address)? else {
                return Err(Errno::EPROTOTYPE.into());
            };
            let cx = IoContext {
                nonblocking: file.flags().contains(StatusFlags::NONBLOCKING),
                ..call.io()
            };
            let owner = ancillary::caller(call);
            stream.connect(&cx, &listener, owner, metadata(call))?;
            Ok(0)
        }
        Socket::Datagram(datagram) => {
            match address {
                Address::None => datagram.connect(None)?,
                _ => match names::find(call, &address)? {
                    Bound::Datagram(peer) => datagram.connect(Some(&peer))?,
                    Bound::Stream(_) => return Err(Errno::EPROTOTYPE.into()),
                },
            }
            Ok(0)
        }
    }
}

/// `man 2 listen`.
///
/// # Errors
/// EBADF, ENOTSOCK; EINVAL without a name or with a connection; EOPNOTSUPP for datagrams.
fn listen(call: &Call<'_>, &[descriptor, backlog, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    if !socket.kind().is_connected() {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let stream = stream_of(&file).ok_or(Errno::EINVAL)?;
    let backlog = usize::try_from(backlog as u32 as i32).unwrap_or(StreamSocket::BACKLOG_MAX);
    stream.listen(backlog, ancillary::caller(call))?;
    Ok(0)
}

/// `man 2 accept`.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT; EINVAL for unknown flags and a socket that does not listen; EOPNOTSUPP for datagrams; EAGAIN,
/// EMFILE.
fn accept(
    call: &Call<'_>,
    &[descriptor, address, length_at, ..]: &Arguments,
    flags: u32,
) -> Called {
    if flags & SOCK_TYPE_MASK != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (_, flags) = type_and_flags(u64::from(flags))?;
    let file = opened(call, descriptor)?;
    if !require_socket(&file)?.kind().is_connected() {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let stream = stream_of(&file).ok_or(Errno::EINVAL)?;
    require_room(call)?;
    let room = match address {
        0 => None,
        _ => Some(names::gather(call, address, length_at)?),
    };
    let cx = IoContext {
        nonblocking: file.flags().contains(StatusFlags::NONBLOCKING),
        ..call.io()
    };
    let end = stream.accept(&cx)?;
    let name = end.peer_name();
    let accepted = open(call, end, flags);
    let descriptor = insert(call, accepted, flags.contains(OpenFlags::CLOEXEC))?;
    if let Some(room) = room {
        let length = names::store(call, address, room, name.as_deref())?;
        call.user.write(length_at, &length.to_le_bytes())?;
    }
    Ok(u64::from(descriptor.0))
}

/// Stores an address and its length.
fn tell_name(call: &Call<'_>, address: u64, length_at: u64, name: Option<&[u8]>) -> Called {
    let room = names::gather(call, address, length_at)?;
    let length = names::store(call, address, room, name)?;
    call.user.write(length_at, &length.to_le_bytes())?;
    Ok(0)
}

/// `man 2 getsockname`.
///
/// # Errors
/// EBADF, ENOTSOCK, EINVAL for a negative length, EFAULT.
fn getsockname(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let name = match require_socket(&file)? {
        Socket::End(end) => end.name(),
        Socket::Stream(socket) => socket.name(),
        Socket::Datagram(socket) => socket.name(),
    };
    tell_name(call, address, length, name.as_deref())
}

/// `man 2 getpeername`.
///
/// # Errors
/// As [`getsockname`]; ENOTCONN without a peer.
fn getpeername(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let name = match require_socket(&file)? {
        Socket::End(end) if end.has_peer() => end.peer_name(),
        Socket::Datagram(socket) => socket.peer_name().ok_or(Errno::ENOTCONN)?,
        Socket::End(_) | Socket::Stream(_) => return Err(Errno::ENOTCONN.into()),
    };
    tell_name(call, address, length, name.as_deref())
}

/// `man 2 shutdown`.
///
/// # Errors
/// EBADF, ENOTSOCK, EINVAL, ENOTCONN.
fn shutdown(call: &Call<'_>, &[descriptor, how, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let directions = match how as u32 {
        SHUT_RD => Directions::RECEIVE,
        SHUT_WR => Directions::SEND,
        SHUT_RDWR => Directions::all(),
        _ => return Err(Errno::EINVAL.into()),
    };
    match socket {
        Socket::End(end) => end.shut_down(directions),
        Socket::Stream(_) => return Err(Errno::ENOTCONN.into()),
        Socket::Datagram(socket) => socket.shut_down(directions)?,
    }
    Ok(0)
}

/// `man 2 getsockopt`: SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN, SO_SNDBUF, SO_RCVBUF, SO_PASSCRED,
/// SO_PEERCRED.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT, EINVAL for a negative length, ENOPROTOOPT, EOPNOTSUPP for another level.
fn getsockopt(
    call: &Call<'_>,
    &[descriptor, level, option, address, length_at, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    if level as u32 != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let room =
        usize::try_from(call.user.u32(length_at)?.cast_signed()).map_err(|_| Errno::EINVAL)?;
    let mut value = [0; LONGEST_OPTION];
    let size = size_of::<u32>();
    let length = room.min(if option as u32 == SO_PEERCRED {
        LONGEST_OPTION
    } else {
        size
    });
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    let place = Segment {
        address: length_at,
        length: size,
    };
    call.user.gather(place, MemoryAccess::Write)?;
    if option as u32 == SO_PEERCRED {
        value = ancillary::identity(call, peer(&socket));
    } else {
        let (word, _) = value.split_at_mut(size);
        word.copy_from_slice(&number(&file, &socket, option as u32)?.to_le_bytes());
    }
    call.user
        .write(address, value.get(..length).unwrap_or_default())?;
    call.user.write(length_at, &(length as u32).to_le_bytes())?;
    Ok(0)
}

/// Bytes of the longest value of an option: `struct ucred`.
const LONGEST_OPTION: usize = 12;

/// Who is at the other end; nobody, with numbers that nobody has, when there is none.
fn peer(socket: &Socket<'_>) -> Sender {
    match socket {
        Socket::End(end) => end.peer(),
        Socket::Stream(_) | Socket::Datagram(_) => Sender {
            uid: u32::MAX,
            gid: u32::MAX,
            ..Sender::default()
        },
    }
}

/// The value of an option that is a number.
fn number(file: &OpenFile, socket: &Socket<'_>, option: u32) -> Result<u32, Errno> {
    let (sending, receiving) = match socket {
        Socket::End(end) => (end.send_buffer(), end.receive_buffer()),
        Socket::Stream(_) => (ChannelEnd::BUFFER, ChannelEnd::BUFFER),
        Socket::Datagram(socket) => socket.buffers(),
    };
    Ok(match option {
        SO_TYPE => type_of(socket.kind()),
        SO_DOMAIN => u32::from(AF_UNIX),
        SO_PROTOCOL => 0,
        SO_ACCEPTCONN => u32::from(stream_of(file).is_some_and(StreamSocket::listens)),
        SO_ERROR => match socket {
            Socket::End(end) => end
                .take_error()
                .map_or(0, |errno| u32::from(errno.number())),
            _ => 0,
        },
        SO_SNDBUF => u32::try_from(sending).unwrap_or(u32::MAX),
        SO_RCVBUF => u32::try_from(receiving).unwrap_or(u32::MAX),
        SO_PASSCRED => u32::from(match socket {
            Socket::End(end) => end.wants_sender(),
            Socket::Stream(socket) => socket.wants_sender(),
            Socket::Datagram(socket) => socket.wants_sender(),
        }),
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn type_of(kind: ChannelKind) -> u32 {
    match kind {
        ChannelKind::Stream => SOCK_STREAM,
        ChannelKind::SeqPacket => SOCK_SEQPACKET,
        ChannelKind::Datagram => SOCK_DGRAM,
    }
}

/// `man 2 setsockopt`: SO_SNDBUF and SO_RCVBUF of what can send, SO_PASSCRED.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT, EINVAL for a short value, ENOPROTOOPT, EOPNOTSUPP for another level.
fn setsockopt(
    call: &Call<'_>,
    &[descriptor, level, option, address, length, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
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
    match (option as u32, socket) {
        (SO_SNDBUF, Socket::End(end)) => end.set_send_buffer(value),
        (SO_SNDBUF, Socket::Datagram(socket)) => socket.set_send_buffer(value),
        (SO_RCVBUF, Socket::End(end)) => end.set_receive_buffer(value),
        (SO_RCVBUF, Socket::Datagram(socket)) => socket.set_receive_buffer(value),
        (SO_PASSCRED, Socket::End(end)) => end.set_wants_sender(value != 0),
        (SO_PASSCRED, Socket::Stream(socket)) => socket.set_wants_sender(value != 0),
        (SO_PASSCRED, Socket::Datagram(socket)) => socket.set_wants_sender(value != 0),
        _ => return Err(Errno::ENOPROTOOPT.into()),
    }
    Ok(0)
}
