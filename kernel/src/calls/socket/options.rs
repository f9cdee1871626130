//! Options of sockets (`man 7 socket`, `man 7 unix`); those of the network are in the [`net`] crate.

use super::{Arguments, Socket, ancillary, opened, require_socket, stream_of, timeouts};
use crate::calls::Call;
use crate::outcome::Called;
use crate::user::Segment;
use abi::linux::{
    AF_NETLINK, AF_UNIX, CLOCK_MONOTONIC, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_TCP,
    IPPROTO_UDP, SO_ACCEPTCONN, SO_BINDTODEVICE, SO_DOMAIN, SO_ERROR, SO_LINGER, SO_MARK,
    SO_PASSCRED, SO_PEERCRED, SO_PROTOCOL, SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVTIMEO, SO_RCVTIMEO_NEW,
    SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDTIMEO, SO_SNDTIMEO_NEW, SO_TXTIME, SO_TYPE, SOCK_DGRAM,
    SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, TCP_CA_NAME_MAX, TCP_CONGESTION, TCP_INFO, TCP_ULP,
    TcpInfo, Timeval,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos};
use ipc::{ChannelEnd, ChannelKind, Sender, StreamSocket, asked_buffer};
use net::{Datagrams, Domain, NetlinkSocket, Value};
use security::Privileges;
use smallvec::SmallVec;
use vfs::OpenFile;

/// Bytes of the longest value of an option: `struct tcp_info`.
const LONGEST: usize = TcpInfo::SIZE;

/// The value of an option as a program gets it.
struct Told {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Told {
    fn of(parts: &[&[u8]]) -> Self {
        let mut told = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        let given = parts.iter().copied().flatten();
        for (place, byte) in told.bytes.iter_mut().zip(given) {
            *place = *byte;
            told.length += 1;
        }
        told
    }

    fn number(number: u32) -> Self {
        Self::of(&[&number.to_le_bytes()])
    }

    fn span(span: Option<Nanos>) -> Self {
        let time = Timeval::from_nanos(span.unwrap_or_default());
        Self::of(&[&time.encode()])
    }
}

impl From<Value> for Told {
    fn from(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::number(number.cast_unsigned()),
            Value::Linger(one, other) | Value::Departures(one, other) => {
                Self::of(&[&one.to_le_bytes(), &other.to_le_bytes()])
            }
        }
    }
}

/// `man 2 getsockopt`.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT, EINVAL for a negative length, ENOPROTOOPT, EOPNOTSUPP for another level.
pub fn getsockopt(
    call: &Call<'_>,
    &[descriptor, level, option, address, length_at, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let room =
        usize::try_from(call.user.u32(length_at)?.cast_signed()).map_err(|_| Errno::EINVAL)?;
    let segment = |address, length| Segment { address, length };
    let value_at = segment(address, room.min(LONGEST));
    call.user.gather(value_at, MemoryAccess::Write)?;
    let length_place = segment(length_at, size_of::<u32>());
    call.user.gather(length_place, MemoryAccess::Write)?;
    let mut told = tell(call, &file, &socket, level as u32, option as u32)?;
    // IPv4 tells a small number as a byte to who has no room for more.
    let small = told.length == size_of::<u32>() && told.bytes.iter().skip(1).all(|byte| *byte == 0);
    if level as u32 == IPPROTO_IP && small && (1..size_of::<u32>()).contains(&room) {
        told.length = 1;
    }
    let length = told.length.min(room);
    call.user
        .write(address, told.bytes.get(..length).unwrap_or_default())?;
    call.user.write(length_at, &(length as u32).to_le_bytes())?;
    Ok(0)
}

/// The value of an option: those first that all sockets have.
fn tell(
    call: &Call<'_>,
    file: &OpenFile,
    socket: &Socket<'_>,
    level: u32,
    option: u32,
) -> Result<Told, Errno> {
    if level == SOL_SOCKET {
        let spans = || timeouts(file).ok_or(Errno::ENOTSOCK);
        match option {
            SO_TYPE => return Ok(Told::number(type_of(socket.kind()))),
            SO_DOMAIN => return Ok(Told::number(domain_of(socket))),
            SO_PROTOCOL => return Ok(Told::number(protocol_of(socket))),
            SO_ACCEPTCONN => return Ok(Told::number(listens(file, socket).into())),
            SO_ERROR => {
                let errno = take_error(socket);
                return Ok(Told::number(errno.map_or(0, |errno| errno.number().into())));
            }
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => return Ok(Told::span(spans()?.receive())),
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => return Ok(Told::span(spans()?.send())),
            SO_PEERCRED => return Ok(Told::of(&[&ancillary::identity(call, peer(socket))])),
            _ => {}
        }
    }
    match socket {
        Socket::Tcp(socket) if (level, option) == (IPPROTO_TCP, TCP_INFO) => {
            Ok(Told::of(&[&socket.info().encode()]))
        }
        Socket::Tcp(_) if (level, option) == (IPPROTO_TCP, TCP_CONGESTION) => {
            let mut name = [0; TCP_CA_NAME_MAX];
            let places = name.iter_mut().zip(CONGESTION_CONTROL);
            places.for_each(|(place, byte)| *place = *byte);
            Ok(Told::of(&[&name]))
        }
        // Nothing is on top of any.
        Socket::Tcp(_) if (level, option) == (IPPROTO_TCP, TCP_ULP) => Ok(Told::of(&[])),
        Socket::Tcp(_) | Socket::Udp(_) if (level, option) == (SOL_SOCKET, SO_BINDTODEVICE) => {
            // All go through the one that there is, whether they are bound to it or not.
            Ok(Told::of(&[]))
        }
        Socket::Tcp(socket) => Ok(socket.option(level, option)?.into()),
        Socket::Udp(socket) => Ok(socket.option(level, option)?.into()),
        Socket::Netlink(socket) if level == SOL_SOCKET => {
            kept(file, option).or_else(|_| netlink_number(socket, option).map(Told::number))
        }
        Socket::Netlink(_) => Err(Errno::ENOPROTOOPT),
        _ if level == SOL_SOCKET => {
            kept(file, option).or_else(|_| unix_number(socket, option).map(Told::number))
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// The value of an option that is only kept.
fn kept(file: &OpenFile, option: u32) -> Result<Told, Errno> {
    let kept = timeouts(file).ok_or(Errno::ENOTSOCK)?.kept();
    if option == SO_LINGER {
        let (on, seconds) = kept.linger();
        return Ok(Value::Linger(on, seconds).into());
    }
    kept.number(option)
        .map(Told::number)
        .ok_or(Errno::ENOPROTOOPT)
}

fn take_error(socket: &Socket<'_>) -> Option<Errno> {
    match socket {
        Socket::End(end) => end.take_error(),
        Socket::Tcp(socket) => socket.take_error(),
        Socket::Udp(socket) => socket.take_error(),
        Socket::Stream(_) | Socket::Datagram(_) | Socket::Netlink(_) => None,
    }
}

fn listens(file: &OpenFile, socket: &Socket<'_>) -> bool {
    match socket {
        Socket::Tcp(socket) => socket.listens(),
        _ => stream_of(file).is_some_and(StreamSocket::listens),
    }
}

fn domain_of(socket: &Socket<'_>) -> u32 {
    u32::from(match socket {
        Socket::Tcp(socket) => socket.domain().family(),
        Socket::Udp(socket) => socket.domain().family(),
        Socket::Netlink(_) => AF_NETLINK,
        Socket::End(_) | Socket::Stream(_) | Socket::Datagram(_) => AF_UNIX,
    })
}

fn protocol_of(socket: &Socket<'_>) -> u32 {
    match socket {
        Socket::Tcp(_) => IPPROTO_TCP,
        Socket::Udp(socket) => match (socket.datagrams(), socket.domain()) {
            (Datagrams::Udp, _) => IPPROTO_UDP,
            (Datagrams::Echo, Domain::V4) => IPPROTO_ICMP,
            (Datagrams::Echo, Domain::V6) => IPPROTO_ICMPV6,
        },
        Socket::Netlink(socket) => socket.protocol().number(),
        Socket::End(_) | Socket::Stream(_) | Socket::Datagram(_) => 0,
    }
}

/// Who is at the other end; nobody, with numbers that nobody has, when there is none.
fn peer(socket: &Socket<'_>) -> Sender {
    match socket {
        Socket::End(end) => end.peer(),
        _ => Sender {
            uid: u32::MAX,
            gid: u32::MAX,
            ..Sender::default()
        },
    }
}

/// The value of an option of AF_UNIX.
fn unix_number(socket: &Socket<'_>, option: u32) -> Result<u32, Errno> {
    let (sending, receiving) = match socket {
        Socket::End(end) => (end.send_buffer(), end.receive_buffer()),
        Socket::Datagram(socket) => socket.buffers(),
        _ => (ChannelEnd::BUFFER, ChannelEnd::BUFFER),
    };
    Ok(match option {
        SO_SNDBUF => u32::try_from(sending).unwrap_or(u32::MAX),
        SO_RCVBUF => u32::try_from(receiving).unwrap_or(u32::MAX),
        SO_PASSCRED => u32::from(match socket {
            Socket::End(end) => end.wants_sender(),
            Socket::Stream(socket) => socket.wants_sender(),
            Socket::Datagram(socket) => socket.wants_sender(),
            Socket::Tcp(_) | Socket::Udp(_) | Socket::Netlink(_) => false,
        }),
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn netlink_number(socket: &NetlinkSocket, option: u32) -> Result<u32, Errno> {
    let (sending, receiving) = socket.buffers();
    match option {
        SO_SNDBUF => Ok(u32::try_from(sending).unwrap_or(u32::MAX)),
        SO_RCVBUF => Ok(u32::try_from(receiving).unwrap_or(u32::MAX)),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

fn type_of(kind: ChannelKind) -> u32 {
    match kind {
        ChannelKind::Stream => SOCK_STREAM,
        ChannelKind::SeqPacket => SOCK_SEQPACKET,
        ChannelKind::Datagram => SOCK_DGRAM,
    }
}

/// `man 2 setsockopt`: of AF_UNIX SO_RCVTIMEO, SO_SNDTIMEO, SO_PASSCRED, and SO_SNDBUF and SO_RCVBUF of what can send; others
/// are kept and shown ([`ipc::KeptOptions`]). Buffers are forced with the privilege over the network.
///
/// # Errors
/// EBADF, ENOTSOCK, EFAULT, EINVAL for a short value, EDOM for a span that cannot be, EPERM without a privilege, ENOPROTOOPT,
/// EOPNOTSUPP for another level.
pub fn setsockopt(
    call: &Call<'_>,
    &[descriptor, level, option, address, length, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let length = usize::try_from(length as u32 as i32).map_err(|_| Errno::EINVAL)?;
    let (level, option) = (level as u32, option as u32);
    if level == SOL_SOCKET {
        let spans = timeouts(&file).ok_or(Errno::ENOTSOCK)?;
        let span = || read_span(call, address, length);
        match option {
            SO_RCVTIMEO | SO_RCVTIMEO_NEW => {
                spans.set_receive(span()?);
                return Ok(0);
            }
            SO_SNDTIMEO | SO_SNDTIMEO_NEW => {
                spans.set_send(span()?);
                return Ok(0);
            }
            SO_SNDBUFFORCE | SO_RCVBUFFORCE | SO_MARK => {
                call.credential().require(Privileges::NETWORK)?
            }
            _ => {}
        }
    }
    let value = || {
        let value = read_value(call, level, option, address, length)?;
        // Only this clock is anybody's; the others are for those who may change queues (`man 7 tc-etf`).
        if let Value::Departures(clock, _) = value
            && clock.cast_unsigned() != CLOCK_MONOTONIC
        {
            call.credential().require(Privileges::NETWORK)?;
        }
        Ok::<_, Errno>(value)
    };
    match socket {
        // There is nothing that could be put on top of it.
        Socket::Tcp(_) if (level, option) == (IPPROTO_TCP, TCP_ULP) => {
            read_name(call, address, length)?;
            return Err(Errno::ENOENT.into());
        }
        Socket::Tcp(_) if (level, option) == (IPPROTO_TCP, TCP_CONGESTION) => {
            if read_name(call, address, length)?.as_slice() != CONGESTION_CONTROL {
                return Err(Errno::ENOENT.into());
            }
        }
        Socket::Tcp(_) | Socket::Udp(_) if (level, option) == (SOL_SOCKET, SO_BINDTODEVICE) => {
            if !matches!(read_name(call, address, length)?.as_slice(), b"" | b"lo") {
                return Err(Errno::ENODEV.into());
            }
        }
        Socket::Tcp(socket) => socket.set_option(level, option, value()?)?,
        Socket::Udp(socket) => socket.set_option(level, option, value()?)?,
        Socket::Netlink(socket) => match (level, option, value()?) {
            (SOL_SOCKET, SO_SNDBUF | SO_SNDBUFFORCE, Value::Number(bytes)) => {
                socket.set_buffers(Some(asked_buffer(option, bytes)), None);
            }
            (SOL_SOCKET, SO_RCVBUF | SO_RCVBUFFORCE, Value::Number(bytes)) => {
                socket.set_buffers(None, Some(asked_buffer(option, bytes)));
            }
            (SOL_SOCKET, option, value) => keep(&file, option, value)?,
            _ => return Err(Errno::ENOPROTOOPT.into()),
        },
        _ if level != SOL_SOCKET => return Err(Errno::EOPNOTSUPP.into()),
        _ => match value()? {
            Value::Number(number) => match set_unix(&socket, option, number) {
                Err(Errno::ENOPROTOOPT) => keep(&file, option, Value::Number(number))?,
                other => other?,
            },
            other => keep(&file, option, other)?,
        },
    }
    Ok(0)
}

/// Keeps the value of an option that changes nothing.
fn keep(file: &OpenFile, option: u32, value: Value) -> Result<(), Errno> {
    let kept = timeouts(file).ok_or(Errno::ENOTSOCK)?.kept();
    match value {
        Value::Number(number) => kept.set_number(option, number),
        Value::Linger(on, seconds) => {
            kept.set_linger(on, seconds);
            Ok(())
        }
        Value::Departures(..) => Err(Errno::ENOPROTOOPT),
    }
}

fn set_unix(socket: &Socket<'_>, option: u32, number: i32) -> Result<(), Errno> {
    let (size, on) = (asked_buffer(option, number), number != 0);
    match (option, socket) {
        (SO_SNDBUF | SO_SNDBUFFORCE, Socket::End(end)) => end.set_send_buffer(size),
        (SO_SNDBUF | SO_SNDBUFFORCE, Socket::Datagram(socket)) => socket.set_send_buffer(size),
        (SO_RCVBUF | SO_RCVBUFFORCE, Socket::End(end)) => end.set_receive_buffer(size),
        (SO_RCVBUF | SO_RCVBUFFORCE, Socket::Datagram(socket)) => socket.set_receive_buffer(size),
        (SO_PASSCRED, Socket::End(end)) => end.set_wants_sender(on),
        (SO_PASSCRED, Socket::Stream(socket)) => socket.set_wants_sender(on),
        (SO_PASSCRED, Socket::Datagram(socket)) => socket.set_wants_sender(on),
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// Reads the value of an option: a structure of two numbers or one number, for which IPv4 takes a single byte too.
fn read_value(
    call: &Call<'_>,
    level: u32,
    option: u32,
    address: u64,
    length: usize,
) -> Result<Value, Errno> {
    if level == SOL_SOCKET && matches!(option, SO_LINGER | SO_TXTIME) {
        const PAIR: usize = 2 * size_of::<u32>();
        if length < PAIR || option == SO_TXTIME && length > PAIR {
            return Err(Errno::EINVAL);
        }
        let one = call.user.u32(address)?.cast_signed();
        let other = call.user.u32(address.wrapping_add(4))?.cast_signed();
        return Ok(match option {
            SO_LINGER => Value::Linger(one, other),
            _ => Value::Departures(one, other),
        });
    }
    if level == IPPROTO_IP && (1..size_of::<u32>()).contains(&length) {
        let [byte] = call.user.bytes(address)?;
        return Ok(Value::Number(byte.into()));
    }
    if length < size_of::<u32>() {
        return Err(Errno::EINVAL);
    }
    Ok(Value::Number(call.user.u32(address)?.cast_signed()))
}

/// The congestion control that connections have; what it would do, nothing on loopback makes it do.
const CONGESTION_CONTROL: &[u8] = b"cubic";

/// Reads a name of at most 15 bytes, which may end before its length.
fn read_name(
    call: &Call<'_>,
    address: u64,
    length: usize,
) -> Result<SmallVec<[u8; TCP_CA_NAME_MAX]>, Errno> {
    let mut bytes = [0; TCP_CA_NAME_MAX];
    let length = length.min(TCP_CA_NAME_MAX - 1);
    call.user
        .read(address, bytes.get_mut(..length).unwrap_or_default())?;
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(SmallVec::from_slice(name))
}

/// Reads how long to wait: `None` for ever. A negative time does not wait at all, as on Linux.
fn read_span(call: &Call<'_>, address: u64, length: usize) -> Result<Option<Nanos>, Errno> {
    const MICROS: i64 = 1_000_000;
    if length < Timeval::SIZE {
        return Err(Errno::EINVAL);
    }
    let time = Timeval::decode(&call.user.bytes(address)?);
    if !(0..MICROS).contains(&time.usec) {
        return Err(Errno::EDOM);
    }
    let Ok(seconds) = u64::try_from(time.sec) else {
        // The shortest wait that is not the one for ever.
        return Ok(Some(Nanos(1)));
    };
    let nanos = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(time.usec.cast_unsigned() * 1000);
    Ok((nanos > 0).then_some(Nanos(nanos)))
}
