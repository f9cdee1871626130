//! Sockets that ask the kernel about interfaces and addresses, or about sockets (`man 7 netlink`, `man 7 rtnetlink`).
//!
//! Requests are answered when they are sent: the answers wait in the socket. Only what is there can be asked for; nothing
//! can be changed.

use crate::diagnosis::{self, UnixSockets};
use crate::{Stack, interface};
use abi::Errno;
use abi::linux::{AF_INET, AF_INET6, AF_NETLINK};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicU32, Ordering};
use ipc::{Received, Timeouts, UnixLine};
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata};
use wait::{Attempt, PollEvents, Sink, Source, WaitQueue, Waiter};

/// What a socket asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetlinkProtocol {
    /// NETLINK_ROUTE: interfaces, addresses and routes.
    Route,
    /// NETLINK_SOCK_DIAG: sockets.
    Diagnosis,
}

impl NetlinkProtocol {
    /// That of a number; `None` for one that there is not.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Route),
            4 => Some(Self::Diagnosis),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Route => 0,
            Self::Diagnosis => 4,
        }
    }
}

/// A socket of AF_NETLINK.
pub struct NetlinkSocket {
    state: SpinLock<State>,
    readers: WaitQueue,
    timeouts: Timeouts,
    metadata: Metadata,
    protocol: NetlinkProtocol,
    /// What it tells of.
    stack: Arc<Stack>,
}

#[derive(Default)]
struct State {
    /// Its address, by which the kernel tells sockets apart; 0 until there is one.
    port: u32,
    answers: VecDeque<Vec<u8>>,
    send_buffer: usize,
    receive_buffer: usize,
}

/// Types of messages (linux/netlink.h, linux/rtnetlink.h).
const ERROR: u16 = 2;
pub(crate) const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const GET_NEIGHBOUR: u16 = 30;
const NEW_RULE: u16 = 32;
const GET_RULE: u16 = 34;

/// Flags of messages.
pub(crate) const MULTIPART: u16 = 2;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;

/// Bytes of the header of a message.
pub(crate) const HEADER: usize = 16;

impl NetlinkSocket {
    /// Most bytes of a request.
    pub const REQUEST_MAX: usize = 4096;
    /// Most answers that wait.
    const ANSWERS: usize = 64;

    /// A socket that tells of a stack; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(
        stack: Arc<Stack>,
        protocol: NetlinkProtocol,
        metadata: Metadata,
    ) -> Result<Arc<Self>, Errno> {
        let state = State {
            send_buffer: 212_992,
            receive_buffer: 212_992,
            ..State::default()
        };
        Ok(fallible::arc(Self {
            state: SpinLock::new(Rank::Stream, state),
            readers: WaitQueue::new(),
            timeouts: Timeouts::default(),
            metadata,
            protocol,
            stack,
        })?)
    }

    /// What it asks about.
    #[must_use]
    pub fn protocol(&self) -> NetlinkProtocol {
        self.protocol
    }

    /// How long calls wait.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Gives it the address that `struct sockaddr_nl` asks for; the kernel chooses when that is 0.
    ///
    /// # Errors
    /// EINVAL for another family, a short address, and a socket that has another one; EPERM for groups, of which there are none.
    pub fn bind(&self, address: &[u8]) -> Result<(), Errno> {
        let word = |at: usize| {
            let word = address.get(at..).and_then(|rest| rest.first_chunk());
            word.map(|word| u32::from_le_bytes(*word))
        };
        let (Some(family), Some(port), Some(groups)) = (word(0), word(4), word(8)) else {
            return Err(Errno::EINVAL);
        };
        if family as u16 != AF_NETLINK {
            return Err(Errno::EINVAL);
        }
        if groups != 0 {
            return Err(Errno::EPERM);
        }
        let mut state = self.state.lock();
        if state.port != 0 && port != 0 && port != state.port {
            return Err(Errno::EINVAL);
        }
        if state.port == 0 {
            state.port = if port == 0 { choose() } else { port };
        }
        Ok(())
    }

    /// Its address; with 0, the kernel's.
    #[must_use]
    pub fn address(port: u32) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (family, rest) = bytes.split_at_mut(4);
        family.copy_from_slice(&u32::from(AF_NETLINK).to_le_bytes());
        if let Some(place) = rest.first_chunk_mut() {
            *place = port.to_le_bytes();
        }
        bytes
    }

    /// The number of its address.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.state.lock().port
    }

    /// Sizes of the buffers (SO_SNDBUF, SO_RCVBUF).
    #[must_use]
    pub fn buffers(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.send_buffer, state.receive_buffer)
    }

    /// Changes what is shown of the buffers: to twice what [`ipc::asked_buffer`] says.
    pub fn set_buffers(&self, send: Option<usize>, receive: Option<usize>) {
        let mut state = self.state.lock();
        let doubled = |bytes: usize| (2 * bytes).max(4608);
        state.send_buffer = send.map_or(state.send_buffer, doubled);
        state.receive_buffer = receive.map_or(state.receive_buffer, doubled);
    }

    /// Sends requests and has their answers made; `unix` knows what those about sockets may ask besides.
    ///
    /// # Errors
    /// EMSGSIZE, ENOBUFS when too many answers wait, ENOMEM, what the source says.
    pub fn send(&self, source: &mut dyn Source, unix: &dyn UnixSockets) -> Attempt<usize> {
        let length = source.remaining();
        if length > Self::REQUEST_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(length, 0);
        source.take(&mut bytes)?;
        let port = {
            let mut state = self.state.lock();
            if state.port == 0 {
                state.port = choose();
            }
            state.port
        };
        let mut rest = bytes.as_slice();
        while let Some((request, length)) = Request::read(rest, port) {
            // Other sockets are looked at, without the lock of this one.
            let mut answers = self.answer(&request, unix)?;
            answers.retain(|answer| !answer.is_empty());
            let mut state = self.state.lock();
            if state.answers.len() + answers.len() > Self::ANSWERS {
                return Err(Errno::ENOBUFS.into());
            }
            let more = answers.len();
            state.answers.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            state.answers.extend(answers);
            if more > 0 {
                self.readers.wake_all();
            }
            drop(state);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(length)
    }

    /// The answers to a request, each of which is received by itself.
    fn answer(&self, request: &Request<'_>, unix: &dyn UnixSockets) -> Result<Vec<Vec<u8>>, Errno> {
        let mut answers = fallible::list(1)?;
        let mut answer = Vec::new();
        // Those below mean nothing to the kernel.
        if self.protocol == NetlinkProtocol::Diagnosis && request.kind > 15 {
            match diagnosis::answer(request, &self.stack, unix) {
                Ok(answers) => return Ok(answers),
                Err(errno) => {
                    answer.try_reserve(64).map_err(|_| Errno::ENOMEM)?;
                    request.report(&mut answer, -i32::from(errno.number()));
                }
            }
        } else {
            request.answer(&mut answer, self.stack.traffic())?;
        }
        answers.push(answer);
        Ok(answers)
    }

    /// Receives an answer.
    ///
    /// # Errors
    /// EAGAIN, what the sink says.
    pub fn receive(
        &self,
        cx: &IoContext<'_>,
        sink: &mut dyn Sink,
        peek: bool,
    ) -> Attempt<Received> {
        let mut state = self.state.lock();
        let Some(answer) = state.answers.front() else {
            return cx.wait(|waiter| self.readers.enrol(waiter));
        };
        let length = answer.len();
        let count = length.min(sink.room());
        sink.put(answer.get(..count).unwrap_or_default())?;
        if !peek {
            state.answers.pop_front();
        }
        Ok(Received { count, length })
    }
}

/// An address that no other socket has asked for: they are numbers of processes by custom.
fn choose() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1 << 31);
    NEXT.fetch_add(1, Ordering::Relaxed) | 1 << 31
}

/// The header of a request.
pub(crate) struct Request<'a> {
    pub kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    /// The whole of it.
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The first of several requests, with its length; `None` when there is none, or it is broken.
    pub fn read(bytes: &'a [u8], port: u32) -> Option<(Self, usize)> {
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
            word.map(|word| u32::from_le_bytes(*word))
        };
        let length = usize::try_from(word(0)?).ok()?;
        let (kind, sequence) = (word(4)?, word(8)?);
        let bytes = bytes.get(..length).filter(|bytes| bytes.len() >= HEADER)?;
        let request = Self {
            kind: kind as u16,
            flags: (kind >> 16) as u16,
            sequence,
            port,
            bytes,
        };
        Some((request, length))
    }

    /// The family that is asked about; 0 for any.
    pub fn family(&self) -> u16 {
        self.byte(0).unwrap_or(0).into()
    }

    /// Whether a list is asked for.
    pub fn is_dump(&self) -> bool {
        self.flags & DUMP == DUMP
    }

    /// So many bytes of what comes after the header.
    pub fn body(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.bytes.get(HEADER + at..)?.get(..length)
    }

    /// A byte of what comes after the header.
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(HEADER + at).copied()
    }

    /// A number of what comes after the header.
    pub fn word(&self, at: usize) -> Option<u32> {
        let word = self.body(at, 4)?.first_chunk();
        word.map(|word| u32::from_le_bytes(*word))
    }

    /// Answers it; `carried` are the bytes and packets that the interface has carried.
    fn answer(&self, out: &mut Vec<u8>, carried: (u64, u64)) -> Result<(), Errno> {
        // Some hundred bytes.
        out.try_reserve(2048).map_err(|_| Errno::ENOMEM)?;
        let dump = self.is_dump();
        let errno = match self.kind {
            // Those that mean nothing to the kernel.
            0..=15 => None,
            GET_LINK if dump || self.names_the_interface() => {
                self.link(out, dump, carried);
                None
            }
            GET_LINK => Some(Errno::ENODEV),
            GET_ADDRESS if dump => {
                self.addresses(out);
                None
            }
            GET_ROUTE if dump => {
                self.routes(out);
                None
            }
            GET_ROUTE => self.route(out).err(),
            GET_RULE if dump => {
                self.rules(out);
                None
            }
            // Whoever is reached over the interface needs no other address.
            GET_NEIGHBOUR if dump => None,
            GET_ADDRESS => Some(Errno::EOPNOTSUPP),
            // Requests come in fours, and all but the third of each change something.
            kind if kind % 4 != 2 => Some(Errno::EPERM),
            _ => Some(Errno::EOPNOTSUPP),
        };
        match errno {
            Some(errno) => self.report(out, -i32::from(errno.number())),
            None if dump && self.kind > 15 => self.message(out, DONE, MULTIPART, |out| {
                out.extend_from_slice(&0u32.to_le_bytes());
            }),
            None if self.flags & ACKNOWLEDGE != 0 => self.report(out, 0),
            None => {}
        }
        Ok(())
    }

    /// Whether a request for one interface asks for the one that there is, by number or by name.
    fn names_the_interface(&self) -> bool {
        const NAME: u16 = 3;
        const BODY: usize = 16;
        if self.word(4) == Some(interface::INDEX) {
            return true;
        }
        let name = self.attribute(BODY, NAME);
        let name = name.and_then(|value| value.split(|byte| *byte == 0).next());
        name == Some(interface::NAME)
    }

    /// The value of an attribute of the request, which come after a body of so many bytes.
    pub fn attribute(&self, body: usize, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.bytes.get(HEADER + body..)?;
        while let Some((&[low, high, kind, above], _)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let value = rest.get(4..length)?;
            if u16::from_le_bytes([kind, above]) == wanted {
                return Some(value);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
        None
    }

    /// Adds one message, whose length is known once `body` has been added.
    pub fn message(
        &self,
        out: &mut Vec<u8>,
        kind: u16,
        flags: u16,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.port.to_le_bytes());
        body(out);
        finish::<4>(out, start);
    }

    /// Tells an error, or 0 for none, with the header of the request.
    fn report(&self, out: &mut Vec<u8>, errno: i32) {
        self.message(out, ERROR, 0, |out| {
            out.extend_from_slice(&errno.to_le_bytes());
            out.extend_from_slice(self.bytes.get(..HEADER).unwrap_or_default());
        });
    }

    fn link(&self, out: &mut Vec<u8>, dump: bool, carried: (u64, u64)) {
        /// Address, broadcast address, name, size, queueing, queue, state, mode, group, counts of 32 and of 64 bits.
        const KINDS: [u16; 11] = [1, 2, 3, 4, 6, 13, 16, 17, 27, 7, 23];
        /// That the layer below is up too.
        const LOWER_UP: u32 = 1 << 16;
        let flags = if dump { MULTIPART } else { 0 };
        self.message(out, NEW_LINK, flags, |out| {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&interface::HARDWARE.to_le_bytes());
            out.extend_from_slice(&interface::INDEX.to_le_bytes());
            out.extend_from_slice(&(interface::FLAGS | LOWER_UP).to_le_bytes());
            out.extend_from_slice(&0u32.to_le_bytes());
            let (narrow, wide) = counts(carried);
            let values: [&[u8]; 11] = [
                &[0; 6],
                &[0; 6],
                b"lo\0",
                &interface::MTU.to_le_bytes(),
                b"noqueue\0",
                &interface::QUEUE.to_le_bytes(),
                &[0],
                &[0],
                &[0; 4],
                &narrow,
                &wide,
            ];
            for (kind, value) in KINDS.into_iter().zip(values) {
                attribute(out, kind, value);
            }
        });
    }

    fn addresses(&self, out: &mut Vec<u8>) {
        let (four, six) = (Ipv4Addr::LOCALHOST.octets(), Ipv6Addr::LOCALHOST.octets());
        let known: [(u16, u8, &[u8]); 2] = [(AF_INET, 8, &four), (AF_INET6, 128, &six)];
        let wanted = self.family();
        for (family, prefix, address) in known {
            if wanted != 0 && wanted != family {
                continue;
            }
            /// It stays.
            const PERMANENT: u8 = 0x80;
            self.message(out, NEW_ADDRESS, MULTIPART, |out| {
                out.extend_from_slice(&[family as u8, prefix, PERMANENT, HOST]);
                out.extend_from_slice(&interface::INDEX.to_le_bytes());
                attribute(out, 1, address);
                if family == AF_INET {
                    attribute(out, 2, address);
                    attribute(out, 3, b"lo\0");
                }
                attribute(out, 8, &u32::from(PERMANENT).to_le_bytes());
                // For how long it is preferred and valid: for ever; when it came and changed.
                let mut times = [0xff; 16];
                times[8..].fill(0);
                attribute(out, 6, &times);
            });
        }
    }

    /// The routes: to what is here, by way of the interface.
    fn routes(&self, out: &mut Vec<u8>) {
        let (four, six) = (Ipv4Addr::LOCALHOST.octets(), Ipv6Addr::LOCALHOST.octets());
        let network = Ipv4Addr::new(127, 0, 0, 0).octets();
        let known = [
            Route::local(AF_INET, 8, &network, Some(&four)),
            Route::local(AF_INET, 32, &four, Some(&four)),
            Route {
                table: MAIN,
                scope: UNIVERSE,
                kind: UNICAST,
                priority: Some(256),
                ..Route::local(AF_INET6, 128, &six, None)
            },
            Route {
                scope: UNIVERSE,
                ..Route::local(AF_INET6, 128, &six, None)
            },
        ];
        let wanted = self.family();
        for route in known {
            if wanted == 0 || wanted == route.family {
                self.message(out, NEW_ROUTE, MULTIPART, |out| route.write(out));
            }
        }
    }

    /// The route to one address.
    ///
    /// # Errors
    /// EINVAL without an address; ENETUNREACH for what is elsewhere.
    fn route(&self, out: &mut Vec<u8>) -> Result<(), Errno> {
        const DESTINATION: u16 = 1;
        let to = self.attribute(Route::BODY, DESTINATION);
        let to = to.ok_or(Errno::EINVAL)?;
        let here = match (to.first_chunk::<4>(), to.first_chunk::<16>()) {
            (_, Some(six)) if self.family() == AF_INET6 => Ipv6Addr::from(*six).is_loopback(),
            (Some(four), _) if self.family() == AF_INET => Ipv4Addr::from(*four).is_loopback(),
            _ => return Err(Errno::EINVAL),
        };
        if !here {
            return Err(Errno::ENETUNREACH);
        }
        let bits = (8 * to.len()) as u8;
        let route = Route {
            scope: UNIVERSE,
            ..Route::local(self.family(), bits, to, Some(to))
        };
        self.message(out, NEW_ROUTE, 0, |out| route.write(out));
        Ok(())
    }

    /// In which order the tables of routes are asked.
    fn rules(&self, out: &mut Vec<u8>) {
        /// What is done with what a rule fits: its table is asked.
        const TO_TABLE: u8 = 1;
        let four = [(0, LOCAL), (32_766, MAIN), (32_767, DEFAULT)];
        for (family, known) in [(AF_INET, &four[..]), (AF_INET6, &four[..2])] {
            if self.family() != 0 && self.family() != family {
                continue;
            }
            for &(priority, table) in known {
                self.message(out, NEW_RULE, MULTIPART, |out| {
                    out.extend_from_slice(&[family as u8, 0, 0, 0, table, 0, 0, TO_TABLE]);
                    out.extend_from_slice(&0u32.to_le_bytes());
                    attribute(out, 15, &u32::from(table).to_le_bytes());
                    if priority > 0 {
                        attribute(out, 6, &u32::to_le_bytes(priority));
                    }
                });
            }
        }
    }
}

/// Tables of routes: what is here, what is elsewhere, and what is left.
const LOCAL: u8 = 255;
const MAIN: u8 = 254;
const DEFAULT: u8 = 253;
/// How far a route leads: anywhere, or not beyond this host.
const UNIVERSE: u8 = 0;
const HOST: u8 = 254;
/// Kinds of routes: to one receiver, and to this host.
const UNICAST: u8 = 1;
const HERE: u8 = 2;

/// A route by way of the interface.
struct Route<'a> {
    family: u16,
    bits: u8,
    to: &'a [u8],
    from: Option<&'a [u8]>,
    table: u8,
    scope: u8,
    kind: u8,
    priority: Option<u32>,
}

impl<'a> Route<'a> {
    /// Bytes of `struct rtmsg`.
    const BODY: usize = 12;
    /// The kernel has made it by itself.
    const BY_KERNEL: u8 = 2;

    fn local(family: u16, bits: u8, to: &'a [u8], from: Option<&'a [u8]>) -> Self {
        Self {
            family,
            bits,
            to,
            from,
            table: LOCAL,
            scope: HOST,
            kind: HERE,
            priority: None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family as u8, self.bits, 0, 0]);
        out.extend_from_slice(&[self.table, Self::BY_KERNEL, self.scope, self.kind]);
        out.extend_from_slice(&0u32.to_le_bytes());
        attribute(out, 15, &u32::from(self.table).to_le_bytes());
        attribute(out, 1, self.to);
        if let Some(from) = self.from {
            attribute(out, 7, from);
        }
        if let Some(priority) = self.priority {
            attribute(out, 6, &priority.to_le_bytes());
        }
        attribute(out, 4, &interface::INDEX.to_le_bytes());
    }
}

/// What the interface has carried, as `struct rtnl_link_stats` and `rtnl_link_stats64` have it: packets received and sent,
/// bytes received and sent, and what has gone wrong. What is sent over loopback is received.
fn counts((bytes, packets): (u64, u64)) -> ([u8; 96], [u8; 200]) {
    let (mut narrow, mut wide) = ([0; 96], [0; 200]);
    let values = [packets, packets, bytes, bytes];
    for (place, value) in narrow.chunks_exact_mut(4).zip(values) {
        place.copy_from_slice(&(value as u32).to_le_bytes());
    }
    for (place, value) in wide.chunks_exact_mut(8).zip(values) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    (narrow, wide)
}

/// Adds an attribute.
pub(crate) fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(value);
    finish::<2>(out, start);
}

/// Stores the length of what begins at `start` there, in `N` bytes, and pads it.
fn finish<const N: usize>(out: &mut Vec<u8>, start: usize) {
    let length = (out.len() - start).to_le_bytes();
    let places = out.iter_mut().skip(start).take(N);
    places.zip(length).for_each(|(place, byte)| *place = byte);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Who knows no sockets of AF_UNIX.
struct Nobody;

impl UnixSockets for Nobody {
    fn unix_sockets(&self) -> Result<Vec<UnixLine>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}

impl FileOperations for NetlinkSocket {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        self.receive(cx, sink, false).map(|received| received.count)
    }

    fn write(
        &self,
        _cx: &IoContext<'_>,
        _position: u64,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        self.send(source, &Nobody)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        let mut ready = PollEvents::WRITABLE | PollEvents::WRBAND;
        ready.set(PollEvents::READABLE, !state.answers.is_empty());
        let ready = ready & (wanted | PollEvents::ALWAYS);
        ready.or_enrol(waiter, &self.readers)
    }

    fn moves_values(&self) -> bool {
        true
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }
}

#[cfg(test)]
mod tests;
