//! Sockets of AF_UNIX (`man 7 unix`), AF_INET and AF_INET6 (`man 7 ip`, `man 7 ipv6`).
//!
//! Connections of AF_UNIX are [`ipc::Channel`]s, whose ends come from `socketpair`, `connect` and `accept`; a
//! [`StreamSocket`] is what `socket` makes before. Datagrams that go to names are of [`DatagramSocket`]s; a pair of datagram
//! sockets is a channel, and an address that it is given leads to nobody. Sockets of the network are the [`net`] crate's.
//! AF_NETLINK answers what programs ask about interfaces. Another family is EAFNOSUPPORT. MSG_WAITALL is of no effect with MSG_PEEK.
//!
//! How long a call may wait is the socket's (SO_RCVTIMEO, SO_SNDTIMEO); `halted` makes a deadline of it.
//!
//! The calls come with numbers of their own and through `socketcall`, so a handler gets its arguments as an array.

mod ancillary;
mod interface;
mod messages;
mod names;
mod options;
mod told;

pub(super) use interface::ioctl;
pub(super) use messages::{read, write};
pub use told::unix_line;

use super::Call;
use super::clock::ticks;
use super::descriptor::{insert, install, install_pair, require_room};
use super::file::stopped;
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::special;
use crate::user::Segment;
use abi::linux::{
    self, AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP,
    IPPROTO_TCP, IPPROTO_UDP, OpenFlags, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_MAX,
    SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOCK_TYPE_MASK, SystemCall,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos};
use alloc::sync::Arc;
use core::any::{Any, TypeId};
use fallible::NoMemory;
use ipc::{
    Bound, Channel, ChannelEnd, ChannelKind, DatagramSocket, Directions, StreamSocket, Timeouts,
};
use messages::{recvfrom, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto};
use names::{Address, Shown};
use net::{Datagrams, Domain, Given, NetlinkProtocol, NetlinkSocket, TcpSocket, UdpSocket};
use vfs::{Access, FileKind, FileOperations, IoContext, Metadata, Mode, OpenFile, StatusFlags};
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
        S::Setsockopt => options::setsockopt(call, arguments),
        S::Getsockopt => options::getsockopt(call, arguments),
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
    /// A socket of TCP.
    Tcp(&'a TcpSocket),
    /// A socket of UDP.
    Udp(&'a UdpSocket),
    /// A socket that asks the kernel.
    Netlink(&'a NetlinkSocket),
}

/// Writes what tells sockets from other files, from one list of the types of their operations and what each is.
macro_rules! sockets {
    ($($operations:ty => $socket:expr),+ $(,)?) => {
        fn socket_of(file: &OpenFile) -> Option<Socket<'_>> {
            let operations: &dyn Any = &**file.operations();
            $(if let Some(socket) = operations.downcast_ref::<$operations>() {
                return Some($socket(socket));
            })+
            None
        }

        /// Whether an open file is a socket: what every `read` and `write` asks, so the file tells its type only once.
        pub(super) fn is_socket(file: &OpenFile) -> bool {
            let operations: &dyn Any = &**file.operations();
            [$(TypeId::of::<$operations>()),+].contains(&operations.type_id())
        }
    };
}

fn stream_or_end(socket: &StreamSocket) -> Socket<'_> {
    match socket.end() {
        Some(end) => Socket::End(end),
        None => Socket::Stream(socket),
    }
}

sockets! {
    TcpSocket => Socket::Tcp,
    ChannelEnd => Socket::End,
    StreamSocket => stream_or_end,
    UdpSocket => Socket::Udp,
    NetlinkSocket => Socket::Netlink,
    DatagramSocket => Socket::Datagram,
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
            Self::Tcp(_) => ChannelKind::Stream,
            Self::Datagram(_) | Self::Udp(_) | Self::Netlink(_) => ChannelKind::Datagram,
        }
    }
}

/// How long calls on a socket wait.
fn timeouts(file: &OpenFile) -> Option<&Timeouts> {
    if let Some(stream) = stream_of(file) {
        return Some(stream.timeouts());
    }
    Some(match socket_of(file)? {
        Socket::End(end) => end.timeouts(),
        Socket::Stream(socket) => socket.timeouts(),
        Socket::Datagram(socket) => socket.timeouts(),
        Socket::Tcp(socket) => socket.timeouts(),
        Socket::Udp(socket) => socket.timeouts(),
        Socket::Netlink(socket) => socket.timeouts(),
    })
}

/// As [`stopped`], for a call that waits for `span` at most: after that it answers what is done, or EAGAIN.
fn halted(call: &mut Call<'_>, done: usize, stop: Stop, span: Option<Nanos>) -> Called {
    let (Stop::Park, Some(span)) = (stop, span) else {
        return stopped(call, done, stop);
    };
    let until = call.deadline(Some(ticks(span)));
    let late = until.filter(|until| *until <= arch::time::now());
    match (late, until) {
        (None, Some(at)) => {
            call.set_progress(Continuation::TransferredUntil(done as u64, at));
            Err(Outcome::Park(Wait::retry_until(until)))
        }
        _ => stopped(call, done, Stop::Error(Errno::EAGAIN)),
    }
}

/// The open file of a descriptor.
fn opened(call: &Call<'_>, descriptor: u64) -> Result<Arc<OpenFile>, Errno> {
    let file = call.file_of(descriptor)?;
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

fn open(
    call: &Call<'_>,
    socket: Arc<dyn FileOperations>,
    flags: OpenFlags,
) -> Result<Arc<OpenFile>, NoMemory> {
    let access = Access::READ | Access::WRITE;
    OpenFile::new(socket, None, call.cid(), access, status_of(flags))
}

/// What a socket of AF_INET and AF_INET6 is for.
enum Transport {
    Tcp,
    Datagrams(Datagrams),
}

/// That of a type and a protocol. Every user may ask for echoes (`man 7 icmp`, ping_group_range).
fn transport(domain: Domain, kind: u32, protocol: u64) -> Result<Transport, Errno> {
    let udp = Transport::Datagrams(Datagrams::Udp);
    let echo = Transport::Datagrams(Datagrams::Echo);
    match (kind, protocol as u32) {
        (SOCK_STREAM, IPPROTO_IP | IPPROTO_TCP) => Ok(Transport::Tcp),
        (SOCK_DGRAM, IPPROTO_IP | IPPROTO_UDP) => Ok(udp),
        (SOCK_DGRAM, IPPROTO_ICMP) if domain == Domain::V4 => Ok(echo),
        (SOCK_DGRAM, IPPROTO_ICMPV6) if domain == Domain::V6 => Ok(echo),
        (SOCK_STREAM | SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
        (SOCK_RAW, _) => Err(Errno::EPERM),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// A socket of the network.
fn internet(
    call: &Call<'_>,
    domain: Domain,
    kind: u32,
    protocol: u64,
) -> Result<Arc<dyn FileOperations>, Errno> {
    let transport = transport(domain, kind, protocol)?;
    let stack = call.process().environment().network()?.clone();
    Ok(match transport {
        Transport::Tcp => TcpSocket::new(stack, domain, metadata(call))?,
        Transport::Datagrams(datagrams) => {
            UdpSocket::new(stack, datagrams, domain, metadata(call))?
        }
    })
}

/// `man 2 socket`.
///
/// # Errors
/// EINVAL for unknown flags and types; EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EMFILE; EPERM for raw sockets.
fn socket(call: &Call<'_>, &[domain, kind, protocol, ..]: &Arguments) -> Called {
    let (kind, flags) = type_and_flags(kind)?;
    if kind >= SOCK_MAX {
        return Err(Errno::EINVAL.into());
    }
    require_room(call)?;
    let socket: Arc<dyn FileOperations> = match u16::try_from(domain as u32) {
        Ok(AF_UNIX) => match kind_of(kind, protocol)? {
            ChannelKind::Datagram => DatagramSocket::new(metadata(call))?,
            kind => StreamSocket::new(kind, metadata(call))?,
        },
        Ok(AF_INET) => internet(call, Domain::V4, kind, protocol)?,
        Ok(AF_INET6) => internet(call, Domain::V6, kind, protocol)?,
        Ok(AF_NETLINK) => match (kind, NetlinkProtocol::of(protocol as u32)) {
            (SOCK_RAW | SOCK_DGRAM, Some(protocol)) => {
                let stack = call.process().environment().network()?.clone();
                NetlinkSocket::new(stack, protocol, metadata(call))?
            }
            (SOCK_RAW | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT.into()),
            _ => return Err(Errno::ESOCKTNOSUPPORT.into()),
        },
        _ => return Err(Errno::EAFNOSUPPORT.into()),
    };
    let file = open(call, socket, flags)?;
    install(call, file, flags.contains(OpenFlags::CLOEXEC))
}

/// `man 2 socketpair`, AF_UNIX.
///
/// # Errors
/// EAFNOSUPPORT, EINVAL for unknown flags, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EFAULT, EMFILE; EOPNOTSUPP for AF_INET.
fn socketpair(call: &Call<'_>, &[domain, kind, protocol, address, ..]: &Arguments) -> Called {
    let (kind, flags) = type_and_flags(kind)?;
    call.user.gather(
        Segment {
            address,
            length: 2 * size_of::<u32>(),
        },
        MemoryAccess::Write,
    )?;
    match u16::try_from(domain as u32) {
        Ok(AF_UNIX) => {}
        Ok(family @ (AF_INET | AF_INET6)) => {
            let domain = if family == AF_INET {
                Domain::V4
            } else {
                Domain::V6
            };
            transport(domain, kind, protocol)?;
            return Err(Errno::EOPNOTSUPP.into());
        }
        _ => return Err(Errno::EAFNOSUPPORT.into()),
    }
    let kind = kind_of(kind, protocol)?;
    let [first, second] = Channel::pair(kind, [metadata(call), metadata(call)])?;
    for end in [&first, &second] {
        end.introduce(ancillary::caller(call), None);
    }
    let files = [open(call, first, flags)?, open(call, second, flags)?];
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
/// EBADF, ENOTSOCK; EINVAL for a bad address and a socket that has a name; EADDRINUSE, and those of a path; EADDRNOTAVAIL,
/// EACCES, EAFNOSUPPORT.
fn bind(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let privileges = call.credential().privileges;
    match socket {
        Socket::Tcp(tcp) => {
            let to = names::read_own(call, tcp.domain(), address, length)?;
            tcp.bind(to, privileges)?;
            return Ok(0);
        }
        Socket::Udp(udp) => {
            let to = names::read_own(call, udp.domain(), address, length)?;
            udp.bind(to, privileges)?;
            return Ok(0);
        }
        Socket::Netlink(netlink) => {
            netlink.bind(names::read_plain(call, address, length)?.bytes())?;
            return Ok(0);
        }
        _ => {}
    }
    let address = names::read(call, address, length)?;
    let mode = file.metadata(&call.io())?.mode;
    let publish = |socket: Bound| names::publish(call, &address, &socket, mode);
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
/// EBADF, ENOTSOCK, EINVAL for a bad address, EFAULT; EISCONN, ECONNREFUSED, EPROTOTYPE, EPERM, EAGAIN, and those of a path;
/// those of [`TcpSocket::connect`] and [`UdpSocket::connect`].
fn connect(call: &mut Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let cx = IoContext {
        nonblocking: call.is_hurried(&file),
        ..call.io()
    };
    match socket {
        Socket::Tcp(tcp) => {
            let connected = match names::read_internet(call, tcp.domain(), address, length)? {
                Given::None => {
                    tcp.disconnect();
                    Ok(())
                }
                Given::Endpoint(to) => tcp.connect(&cx, to),
            };
            return match connected {
                Ok(()) => Ok(0),
                Err(stop) => in_progress(halted(call, 0, stop, tcp.timeouts().send())),
            };
        }
        Socket::Udp(udp) => {
            let to = match names::read_internet(call, udp.domain(), address, length)? {
                Given::None => None,
                Given::Endpoint(to) => Some(to),
            };
            udp.connect(to)?;
            return Ok(0);
        }
        // The kernel is the only peer.
        Socket::Netlink(netlink) => {
            netlink.bind(&NetlinkSocket::address(0))?;
            return Ok(0);
        }
        _ => {}
    }
    let address = names::read(call, address, length)?;
    match socket {
        // They have returned.
        Socket::Tcp(_) | Socket::Udp(_) | Socket::Netlink(_) => Ok(0),
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
            let owner = ancillary::caller(call);
            match stream.connect(&cx, &listener, owner, metadata(call)) {
                Ok(()) => Ok(0),
                Err(stop) => halted(call, 0, stop, stream.timeouts().send()),
            }
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

/// A connection that takes longer than the socket waits goes on without the call (`man 7 socket`, SO_SNDTIMEO).
fn in_progress(called: Called) -> Called {
    called.map_err(|outcome| match outcome {
        Outcome::Failed(Errno::EAGAIN) => Errno::EINPROGRESS.into(),
        other => other,
    })
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
    let backlog = usize::try_from(backlog as u32 as i32).unwrap_or(StreamSocket::BACKLOG_MAX);
    if let Socket::Tcp(tcp) = socket {
        tcp.listen(backlog)?;
        return Ok(0);
    }
    let stream = stream_of(&file).ok_or(Errno::EINVAL)?;
    stream.listen(backlog, ancillary::caller(call))?;
    Ok(0)
}

/// `man 2 accept`.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT; EINVAL for unknown flags and a socket that does not listen; EOPNOTSUPP for datagrams; EAGAIN,
/// EMFILE.
fn accept(
    call: &mut Call<'_>,
    &[descriptor, address, length_at, ..]: &Arguments,
    flags: u32,
) -> Called {
    if flags & SOCK_TYPE_MASK != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (_, flags) = type_and_flags(u64::from(flags))?;
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    if !socket.kind().is_connected() {
        return Err(Errno::EOPNOTSUPP.into());
    }
    require_room(call)?;
    let room = match address {
        0 => None,
        _ => Some(names::gather(call, address, length_at)?),
    };
    let cx = IoContext {
        nonblocking: call.is_hurried(&file),
        ..call.io()
    };
    let accepted = match socket {
        Socket::Tcp(tcp) => tcp.accept(&cx, metadata(call)).map(|accepted| {
            let peer = accepted.end().map(|end| end.addresses()[1]);
            let name = peer.map(|peer| Shown::from(tcp.domain().write(peer)));
            (open(call, accepted, flags), name.unwrap_or_default())
        }),
        _ => {
            let stream = stream_of(&file).ok_or(Errno::EINVAL)?;
            stream.accept(&cx).map(|end| {
                let name = Shown::unix(end.peer_name().as_deref());
                (open(call, end, flags), name)
            })
        }
    };
    let (accepted, name) = match accepted {
        Ok((accepted, name)) => (accepted?, name),
        Err(stop) => {
            let span = timeouts(&file).and_then(Timeouts::receive);
            return halted(call, 0, stop, span);
        }
    };
    let descriptor = insert(call, accepted, flags.contains(OpenFlags::CLOEXEC))?;
    if let Some(room) = room {
        let length = names::store(call, address, room, &name)?;
        call.user.write(length_at, &length.to_le_bytes())?;
    }
    Ok(u64::from(descriptor.0))
}

/// Stores an address and its length.
fn tell_name(call: &Call<'_>, address: u64, length_at: u64, name: &Shown) -> Called {
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
        Socket::End(end) => Shown::unix(end.name().as_deref()),
        Socket::Stream(socket) => Shown::unix(socket.name().as_deref()),
        Socket::Datagram(socket) => Shown::unix(socket.name().as_deref()),
        Socket::Tcp(socket) => socket.domain().write(socket.local()).into(),
        Socket::Udp(socket) => socket.domain().write(socket.local()).into(),
        Socket::Netlink(socket) => Shown::plain(&NetlinkSocket::address(socket.port())),
    };
    tell_name(call, address, length, &name)
}

/// `man 2 getpeername`.
///
/// # Errors
/// As [`getsockname`]; ENOTCONN without a peer.
fn getpeername(call: &Call<'_>, &[descriptor, address, length, ..]: &Arguments) -> Called {
    let file = opened(call, descriptor)?;
    let name = match require_socket(&file)? {
        Socket::End(end) if end.has_peer() => Shown::unix(end.peer_name().as_deref()),
        Socket::Datagram(socket) => {
            let name = socket.peer_name().ok_or(Errno::ENOTCONN)?;
            Shown::unix(name.as_deref())
        }
        Socket::Tcp(socket) => socket.domain().write(socket.peer()?).into(),
        Socket::Udp(socket) => socket.domain().write(socket.peer()?).into(),
        Socket::Netlink(_) => Shown::plain(&NetlinkSocket::address(0)),
        Socket::End(_) | Socket::Stream(_) => return Err(Errno::ENOTCONN.into()),
    };
    tell_name(call, address, length, &name)
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
        Socket::Tcp(socket) => socket.shut_down(directions)?,
        Socket::Udp(socket) => socket.shut_down(directions)?,
        Socket::Netlink(_) => return Err(Errno::EOPNOTSUPP.into()),
    }
    Ok(0)
}
