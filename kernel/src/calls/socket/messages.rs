//! Sending and receiving.

use super::super::Call;
use super::super::file::{SLICE, cut, raise, total, transferred};
use super::ancillary::Controls;
use super::names::{self, Address, Shown};
use super::{Arguments, Socket, ancillary, halted, opened, require_socket, timeouts};
use crate::clocks::Clock;
use crate::outcome::{Called, Outcome};
use crate::proc_source::View;
use crate::room;
use crate::user::{STEP, Segment, UserBuffer};
use abi::Errno;
use abi::linux::{IOV_MAX, MAX_RW_COUNT, MessageFlags, Msghdr, SignalNumber};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use ipc::{Ancillary, Bound, ChannelEnd, ChannelKind, DatagramSocket, Received, Sender, Timeouts};
use net::{Arrival, Departure, Given, NetlinkSocket, Return, TcpSocket, UdpSocket};
use vfs::{IoContext, OpenFile};
use wait::{Attempt, Sink, Source, Stop};

/// What bytes go to, or come from.
enum Carrier<'a> {
    End(&'a ChannelEnd),
    Datagram(&'a DatagramSocket, Option<Arc<DatagramSocket>>),
    Tcp(&'a TcpSocket),
    Udp(&'a UdpSocket, Option<SocketAddr>, Departure),
    /// With who is looked at by what is sent.
    Netlink(&'a NetlinkSocket, Option<View>),
}

/// What goes with a message.
#[derive(Default)]
struct With {
    ancillary: Ancillary,
    /// What is told of a datagram of the network.
    arrival: Option<Arrival>,
    /// Where one was to go that has come back, and why.
    returned: Option<(SocketAddr, Return)>,
}

impl<'a> Carrier<'a> {
    /// What a socket receives by.
    ///
    /// # Errors
    /// EINVAL and ENOTCONN for one that is not connected.
    fn receiving(socket: Socket<'a>) -> Result<Self, Errno> {
        match socket {
            Socket::End(end) => Ok(Self::End(end)),
            Socket::Datagram(socket) => Ok(Self::Datagram(socket, None)),
            Socket::Tcp(socket) => Ok(Self::Tcp(socket)),
            Socket::Udp(socket) => Ok(Self::Udp(socket, None, Departure::default())),
            Socket::Netlink(socket) => Ok(Self::Netlink(socket, None)),
            Socket::Stream(socket) if socket.kind() == ChannelKind::Stream => Err(Errno::EINVAL),
            Socket::Stream(_) => Err(Errno::ENOTCONN),
        }
    }

    /// What a socket sends by, given a destination: a sequence of records ignores it, a stream may have none.
    ///
    /// # Errors
    /// ENOTCONN, EOPNOTSUPP, EISCONN, and those of the address.
    fn sending(
        call: &Call<'_>,
        socket: Socket<'a>,
        address: u64,
        length: u64,
    ) -> Result<Self, Outcome> {
        let named = address != 0 && length as u32 != 0;
        match socket {
            Socket::End(end) => {
                if named {
                    let address = names::read(call, address, length)?;
                    match (end.kind(), address) {
                        (ChannelKind::SeqPacket, _) => {}
                        (ChannelKind::Stream, _) => return Err(Errno::EISCONN.into()),
                        (ChannelKind::Datagram, Address::Named(_)) => {
                            return Err(Errno::ECONNREFUSED.into());
                        }
                        (ChannelKind::Datagram, _) => return Err(Errno::EINVAL.into()),
                    }
                }
                Ok(Self::End(end))
            }
            Socket::Stream(socket) if named && socket.kind() == ChannelKind::Stream => {
                Err(Errno::EOPNOTSUPP.into())
            }
            Socket::Stream(_) => Err(Errno::ENOTCONN.into()),
            Socket::Datagram(socket) if named => {
                match names::find(call, &names::read(call, address, length)?)? {
                    Bound::Datagram(to) => Ok(Self::Datagram(socket, Some(to))),
                    Bound::Stream(_) => Err(Errno::EPROTOTYPE.into()),
                }
            }
            Socket::Datagram(socket) => Ok(Self::Datagram(socket, None)),
            // An address is of no effect.
            Socket::Tcp(socket) => Ok(Self::Tcp(socket)),
            Socket::Udp(socket) if named => {
                match names::read_internet(call, socket.domain(), address, length)? {
                    Given::None => Ok(Self::Udp(socket, None, Departure::default())),
                    Given::Endpoint(to) => Ok(Self::Udp(socket, Some(to), Departure::default())),
                }
            }
            Socket::Udp(socket) => Ok(Self::Udp(socket, None, Departure::default())),
            // The kernel is the only peer.
            Socket::Netlink(socket) => {
                let root = call.process().place()?.lock().root.clone();
                Ok(Self::Netlink(socket, Some(View::new(call.cid(), root))))
            }
        }
    }

    fn kind(&self) -> ChannelKind {
        match self {
            Self::End(end) => end.kind(),
            Self::Datagram(..) | Self::Udp(..) | Self::Netlink(..) => ChannelKind::Datagram,
            Self::Tcp(_) => ChannelKind::Stream,
        }
    }

    /// Bytes of the longest record.
    fn longest(&self) -> usize {
        match self {
            Self::Udp(..) => UdpSocket::DATAGRAM_MAX,
            Self::Netlink(..) => NetlinkSocket::REQUEST_MAX,
            _ => ChannelEnd::RECORD_MAX,
        }
    }

    fn send(
        &self,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
        with: &mut Ancillary,
        urgent: bool,
    ) -> Attempt<usize> {
        match self {
            Self::Tcp(socket) => socket.send(cx, source, urgent),
            Self::End(end) => end.send_with(cx, source, with),
            Self::Datagram(socket, to) => {
                let receiver = to.clone().or_else(|| socket.peer());
                if receiver.is_some_and(|to| to.timeouts().kept().stamp().is_some()) {
                    with.at = Some(Clock::Wall.now());
                }
                socket.send(cx, to.as_ref(), source, with)
            }
            Self::Udp(socket, to, departure) => socket.send(*to, *departure, source),
            Self::Netlink(socket, view) => match view {
                Some(view) => socket.send(source, view),
                None => Err(Errno::EOPNOTSUPP.into()),
            },
        }
    }

    fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
        with: &mut With,
    ) -> Attempt<Received> {
        match self {
            Self::Tcp(socket) => socket.receive(cx, sink, peek),
            Self::End(end) => end.receive_with(cx, sink, peek, &mut with.ancillary),
            Self::Datagram(socket, _) => socket.receive(cx, sink, peek, &mut with.ancillary),
            Self::Udp(socket, ..) => {
                let (received, arrival) = socket.receive(cx, sink, peek)?;
                with.arrival = arrival;
                Ok(received)
            }
            Self::Netlink(socket, _) => socket.receive(cx, sink, peek),
        }
    }

    /// Who has sent a message, if the program wants to know: on a stream the process at the other end.
    fn sender(&self, with: &With) -> Option<Sender> {
        let (wanted, other) = match self {
            Self::End(end) => (end.wants_sender(), end.peer()),
            Self::Datagram(socket, _) => (socket.wants_sender(), Sender::default()),
            Self::Tcp(_) | Self::Udp(..) | Self::Netlink(..) => return None,
        };
        wanted.then(|| with.ancillary.sender.unwrap_or(other))
    }

    /// The name that a message has come from; a connection of the network does not say it.
    fn from(&self, with: &With) -> Option<Shown> {
        match self {
            Self::End(end) => end.peer_name().map(|name| Shown::unix(Some(&name))),
            Self::Datagram(..) => {
                let name = with.ancillary.from.as_deref();
                name.map(|name| Shown::unix(Some(name)))
            }
            Self::Tcp(_) => None,
            Self::Netlink(..) => Some(Shown::plain(&NetlinkSocket::address(0))),
            Self::Udp(socket, ..) => {
                let from = with.arrival.map(|arrival| arrival.from);
                let from = with.returned.map(|(to, _)| to).or(from);
                from.map(|from| socket.domain().write(from).into())
            }
        }
    }
}

/// `read` of a socket.
///
/// # Errors
/// Those of [`receive`].
pub(in crate::calls) fn read(call: &mut Call<'_>, file: &OpenFile, segments: &[Segment]) -> Called {
    let carrier = Carrier::receiving(require_socket(file)?)?;
    let mut with = With::default();
    let flags = MessageFlags::empty();
    let received = receive(call, file, &carrier, segments, flags, &mut with)?;
    Ok(received.count as u64)
}

/// `write` of a socket.
///
/// # Errors
/// Those of [`send`].
pub(in crate::calls) fn write(
    call: &mut Call<'_>,
    file: &OpenFile,
    segments: &[Segment],
) -> Called {
    let carrier = Carrier::sending(call, require_socket(file)?, 0, 0)?;
    // What waits to be received is kept by the kernel.
    if transferred(call) == 0 {
        room::ask()?;
    }
    let with = Ancillary::default();
    send(call, file, &carrier, segments, MessageFlags::empty(), with)
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
pub(super) fn sendto(
    call: &mut Call<'_>,
    &[descriptor, from, length, flags, address, address_length]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let carrier = Carrier::sending(call, require_socket(&file)?, address, address_length)?;
    send(
        call,
        &file,
        &carrier,
        &buffer(from, length),
        MessageFlags::from_bits_retain(flags as u32),
        Ancillary::default(),
    )
}

/// `man 2 sendmsg`.
///
/// # Errors
/// As [`sendto`]; EMSGSIZE for too many segments, and those of ancillary data.
pub(super) fn sendmsg(
    call: &mut Call<'_>,
    &[descriptor, address, flags, ..]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    send_message(call, &file, address, flags)
}

fn send_message(call: &mut Call<'_>, file: &OpenFile, address: u64, flags: u64) -> Called {
    let socket = require_socket(file)?;
    let (header, flags) = message(call, address, flags)?;
    let segments = segments(call, &header)?;
    let (with, departure) = if transferred(call) > 0 {
        // It has gone with the first bytes.
        Default::default()
    } else {
        let place = (header.control, header.controllen);
        ancillary::read(call, place, matches!(socket, Socket::Udp(_)))?
    };
    let mut carrier = Carrier::sending(call, socket, header.name, u64::from(header.namelen))?;
    if let Carrier::Udp(_, _, of_carrier) = &mut carrier {
        *of_carrier = departure;
    }
    send(call, file, &carrier, &segments, flags, with)
}

/// Most messages of one call (`man 2 sendmmsg`, UIO_MAXIOV).
const MESSAGES_MAX: u64 = 1024;
/// Bytes of `struct mmsghdr`: a header, and the number of bytes that went.
const MULTIPLE: u64 = 64;

/// `man 2 sendmmsg`: as many messages as go at once; the first may wait.
///
/// # Errors
/// As [`sendmsg`], when the first fails.
pub(super) fn sendmmsg(
    call: &mut Call<'_>,
    &[descriptor, vector, count, flags, ..]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    each_message(call, vector, count, |call, at, first| {
        send_message(call, &file, at, at_once(flags, first))
    })
}

/// `man 2 recvmmsg`: as many messages as are there; the first may wait. A timeout is looked at after a message has come,
/// and none is waited for after the first, so it changes nothing.
///
/// # Errors
/// As [`recvmsg`], when the first fails; EINVAL for a timeout that cannot be.
pub(super) fn recvmmsg(
    call: &mut Call<'_>,
    &[descriptor, vector, count, flags, timeout, _]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    if timeout != 0 {
        super::super::clock::read_timespec(call, timeout)?.nanos()?;
    }
    each_message(call, vector, count, |call, at, first| {
        receive_message(call, &file, at, at_once(flags, first))
    })
}

/// The flags of the first message of several, or of a further one, which is not waited for.
fn at_once(flags: u64, first: bool) -> u64 {
    /// MSG_WAITFORONE, which is what happens always.
    const ONE: u64 = 0x1_0000;
    let more = if first {
        0
    } else {
        MessageFlags::DONTWAIT.bits()
    };
    flags & !ONE | u64::from(more)
}

fn each_message<'a>(
    call: &mut Call<'a>,
    vector: u64,
    count: u64,
    mut each: impl FnMut(&mut Call<'a>, u64, bool) -> Called,
) -> Called {
    let count = (count & 0xffff_ffff).min(MESSAGES_MAX);
    let mut done = 0;
    while done < count {
        let at = vector.wrapping_add(done * MULTIPLE);
        let length_at = at.wrapping_add(Msghdr::SIZE as u64);
        let place = Segment {
            address: length_at,
            length: size_of::<u32>(),
        };
        let gathered = call.user.gather(place, MemoryAccess::Write);
        let moved = match gathered.map_err(Outcome::Failed) {
            Ok(()) => each(call, at, done == 0),
            Err(outcome) => Err(outcome),
        };
        match moved {
            Ok(length) => call.user.write(length_at, &(length as u32).to_le_bytes())?,
            Err(_) if done > 0 => break,
            Err(outcome) => return Err(outcome),
        }
        call.set_progress(crate::outcome::Continuation::Fresh);
        done += 1;
    }
    Ok(done)
}

/// `man 2 recvfrom`, `recv`. The length of the address of a peer without a name is 0.
///
/// # Errors
/// Those of [`receive`]; EINVAL for a negative length of the address.
pub(super) fn recvfrom(
    call: &mut Call<'_>,
    &[descriptor, to, length, flags, address, length_at]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    let socket = require_socket(&file)?;
    let room = match address {
        0 => None,
        _ => Some(names::gather(call, address, length_at)?),
    };
    let carrier = Carrier::receiving(socket)?;
    let flags = MessageFlags::from_bits_retain(flags as u32);
    let mut with = With::default();
    let segments = buffer(to, length);
    let received = receive(call, &file, &carrier, &segments, flags, &mut with)?;
    if let Some(room) = room {
        let length = match carrier.from(&with) {
            Some(name) => names::store(call, address, room, &name)?,
            None => 0,
        };
        call.user.write(length_at, &length.to_le_bytes())?;
    }
    Ok(answer(received, flags))
}

/// `man 2 recvmsg`.
///
/// # Errors
/// Those of [`receive`]; EMSGSIZE for too many segments.
pub(super) fn recvmsg(
    call: &mut Call<'_>,
    &[descriptor, address, flags, ..]: &Arguments,
) -> Called {
    let file = opened(call, descriptor)?;
    receive_message(call, &file, address, flags)
}

fn receive_message(call: &mut Call<'_>, file: &OpenFile, address: u64, flags: u64) -> Called {
    let carrier = Carrier::receiving(require_socket(file)?);
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
    let carrier = carrier?;
    let segments = segments(call, &header)?;
    let room = ancillary::gather(call, header.control, header.controllen)?;
    let mut with = With::default();
    let called = receive(call, file, &carrier, &segments, flags, &mut with);
    let mut found = flags & MessageFlags::CMSG_CLOEXEC;
    if called.is_ok() {
        found |= flags & (MessageFlags::OOB | MessageFlags::ERRQUEUE);
    }
    found.set(
        MessageFlags::TRUNC,
        called.is_ok_and(|received| received.count < received.length),
    );
    // A call that waits for more after it has received something may be ended by a signal: it has said all then.
    if called.is_ok() || transferred(call) > 0 {
        let name = carrier.from(&with);
        let sender = called.is_ok().then(|| carrier.sender(&with)).flatten();
        let close_on_exec = flags.contains(MessageFlags::CMSG_CLOEXEC);
        let network = match (with.returned, with.arrival) {
            (Some((to, why)), _) => Controls::of_returned(to, why),
            (None, Some(arrival)) => Controls::of_arrival(&arrival),
            (None, None) => match timeouts(file).and_then(|kept| kept.kept().stamp()) {
                Some(option) if called.is_ok() && carrier.kind().keeps_records() => {
                    Controls::of_time(option, with.ancillary.at)
                }
                _ => Controls::default(),
            },
        };
        let (length, cut) = ancillary::store(
            call,
            header.control,
            room,
            with.ancillary,
            (sender, &network),
            close_on_exec,
        )?;
        found.set(MessageFlags::CTRUNC, cut);
        let named = match (header.name, name) {
            (0, _) => None,
            (_, None) => Some(0),
            (at, Some(name)) => {
                let room = header.namelen as usize;
                Some(names::store(call, at, room, &name)?)
            }
        };
        store_header(call, address, named, length as u64, found)?;
    }
    Ok(answer(called?, flags))
}

/// Stores what `recvmsg` changes in a header.
fn store_header(
    call: &Call<'_>,
    address: u64,
    named: Option<u32>,
    control: u64,
    flags: MessageFlags,
) -> Result<(), Errno> {
    let at = |field: &str| {
        let place = Msghdr::LAYOUT.iter().find(|(name, ..)| *name == field);
        place.map_or(address, |(_, offset, _)| {
            address.wrapping_add(*offset as u64)
        })
    };
    if let Some(length) = named {
        call.user.write(at("namelen"), &length.to_le_bytes())?;
    }
    call.user.write(at("controllen"), &control.to_le_bytes())?;
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

fn is_nonblocking(call: &Call<'_>, file: &OpenFile, flags: MessageFlags) -> bool {
    flags.contains(MessageFlags::DONTWAIT) || call.is_hurried(file)
}

/// Sends the bytes of `segments`, on a stream in steps as `write` does, otherwise as one record.
///
/// # Errors
/// EPIPE, with SIGPIPE unless MSG_NOSIGNAL is given or the socket is one of datagrams; EMSGSIZE, ECONNREFUSED,
/// ENOTCONN, ECONNRESET, EAGAIN, EFAULT, ENOMEM; EOPNOTSUPP for MSG_OOB but on a connection of the network.
fn send(
    call: &mut Call<'_>,
    file: &OpenFile,
    end: &Carrier<'_>,
    segments: &[Segment],
    flags: MessageFlags,
    mut with: Ancillary,
) -> Called {
    let urgent = flags.contains(MessageFlags::OOB);
    if urgent && !matches!(end, Carrier::Tcp(_)) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let record = end.kind().keeps_records();
    if record {
        with.sender.get_or_insert_with(|| ancillary::caller(call));
    }
    let total = total(segments);
    if record && total > end.longest() {
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
            nonblocking: is_nonblocking(call, file, flags),
            ..call.io()
        };
        let last = done + source.rest() >= total;
        match end.send(&cx, &mut source, &mut with, urgent && last) {
            Ok(count) => done += count,
            Err(stop) => {
                let silent = flags.contains(MessageFlags::NOSIGNAL) || !end.kind().is_connected();
                if stop == Stop::Error(Errno::EPIPE) && done == 0 && !silent {
                    raise(call, SignalNumber::SIGPIPE);
                }
                let span = timeouts(file).and_then(Timeouts::send);
                return halted(call, done, stop, span);
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
/// ECONNRESET, EAGAIN, EFAULT, ENOMEM; EINVAL for MSG_OOB without an urgent byte, EOPNOTSUPP where there never is one.
fn receive(
    call: &mut Call<'_>,
    file: &OpenFile,
    end: &Carrier<'_>,
    segments: &[Segment],
    flags: MessageFlags,
    with: &mut With,
) -> Result<Received, Outcome> {
    if flags.contains(MessageFlags::OOB) {
        return receive_urgent(call, end, segments, flags);
    }
    if flags.contains(MessageFlags::ERRQUEUE) {
        return receive_returned(call, end, segments, flags, with);
    }
    let peek = flags.contains(MessageFlags::PEEK);
    let at_once = peek || end.kind().keeps_records();
    let all = flags.contains(MessageFlags::WAITALL);
    let nonblocking = is_nonblocking(call, file, flags);
    let whole = |count: usize| Received {
        count,
        length: count,
    };
    let total = total(segments);
    if flags.contains(MessageFlags::TRUNC) && matches!(end, Carrier::Tcp(_)) {
        return throw_away(call, file, end, total, flags);
    }
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
        let received = match end.receive(&cx, &mut sink, peek, with) {
            Ok(received) => received,
            Err(stop) => {
                let span = timeouts(file).and_then(Timeouts::receive);
                return halted(call, done, stop, span).map(|count| whole(count as usize));
            }
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
        let taken = !with.ancillary.files.is_empty() || with.ancillary.sender.is_some();
        if received.count == 0 || done >= total || taken || received.count < room && !all {
            return Ok(whole(done));
        }
        if done - before >= SLICE {
            return cut(call, done).map(|count| whole(count as usize));
        }
    }
}

/// Receives the urgent byte of a connection.
fn receive_urgent(
    call: &mut Call<'_>,
    end: &Carrier<'_>,
    segments: &[Segment],
    flags: MessageFlags,
) -> Result<Received, Outcome> {
    let Carrier::Tcp(socket) = end else {
        return Err(Errno::EOPNOTSUPP.into());
    };
    let mut sink = UserBuffer::new(&call.user, segments, 0, 1, MemoryAccess::Write)?;
    Ok(socket.receive_urgent(&mut sink, flags.contains(MessageFlags::PEEK))?)
}

/// Receives what was sent and has come back (`man 7 ip`, IP_RECVERR).
fn receive_returned(
    call: &mut Call<'_>,
    end: &Carrier<'_>,
    segments: &[Segment],
    flags: MessageFlags,
    with: &mut With,
) -> Result<Received, Outcome> {
    let Carrier::Udp(socket, ..) = end else {
        return Err(Errno::EAGAIN.into());
    };
    let most = UdpSocket::DATAGRAM_MAX;
    let mut sink = UserBuffer::new(&call.user, segments, 0, most, MemoryAccess::Write)?;
    let peek = flags.contains(MessageFlags::PEEK);
    let (received, to, why) = socket.receive_returned(&mut sink, peek)?;
    with.returned = Some((to, why));
    Ok(received)
}

/// A sink that keeps nothing.
struct Discard(usize);

impl Sink for Discard {
    fn room(&self) -> usize {
        self.0
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        self.0 = self.0.saturating_sub(bytes.len());
        Ok(())
    }
}

/// Receives bytes of a connection for nobody (`man 7 tcp`, MSG_TRUNC).
fn throw_away(
    call: &mut Call<'_>,
    file: &OpenFile,
    end: &Carrier<'_>,
    total: usize,
    flags: MessageFlags,
) -> Result<Received, Outcome> {
    let cx = IoContext {
        nonblocking: is_nonblocking(call, file, flags),
        ..call.io()
    };
    let peek = flags.contains(MessageFlags::PEEK);
    let mut sink = Discard(total.min(SLICE));
    match end.receive(&cx, &mut sink, peek, &mut With::default()) {
        Ok(received) => Ok(received),
        Err(stop) => {
            let span = timeouts(file).and_then(Timeouts::receive);
            let called = halted(call, 0, stop, span)?;
            Ok(Received {
                count: called as usize,
                length: called as usize,
            })
        }
    }
}
