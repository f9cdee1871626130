//! Sockets that ask the kernel about interfaces and addresses (`man 7 netlink`, `man 7 rtnetlink`).
//!
//! Requests are answered when they are sent: the answers wait in the socket. Only what is there can be asked for; nothing
//! can be changed.

use crate::{Stack, interface};
use abi::Errno;
use abi::linux::{AF_INET, AF_INET6, AF_NETLINK};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicU32, Ordering};
use ipc::{Received, Timeouts};
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata};
use wait::{Attempt, PollEvents, Sink, Source, WaitQueue, Waiter};

/// A socket of AF_NETLINK, protocol NETLINK_ROUTE.
pub struct NetlinkSocket {
    state: SpinLock<State>,
    readers: WaitQueue,
    timeouts: Timeouts,
    metadata: Metadata,
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
const DONE: u16 = 3;
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
const MULTIPART: u16 = 2;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;

/// Bytes of the header of a message.
const HEADER: usize = 16;

impl NetlinkSocket {
    /// Most bytes of a request.
    pub const REQUEST_MAX: usize = 4096;
    /// Most answers that wait.
    const ANSWERS: usize = 64;

    /// A socket that tells of a stack; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(stack: Arc<Stack>, metadata: Metadata) -> Result<Arc<Self>, Errno> {
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
            stack,
        })?)
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

    /// Sends requests and has their answers made.
    ///
    /// # Errors
    /// EMSGSIZE, ENOBUFS when too many answers wait, ENOMEM, what the source says.
    pub fn send(&self, source: &mut dyn Source) -> Attempt<usize> {
        let length = source.remaining();
        if length > Self::REQUEST_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(length, 0);
        source.take(&mut bytes)?;
        let mut state = self.state.lock();
        if state.port == 0 {
            state.port = choose();
        }
        let mut rest = bytes.as_slice();
        while let Some((request, length)) = Request::read(rest, state.port) {
            if state.answers.len() >= Self::ANSWERS {
                return Err(Errno::ENOBUFS.into());
            }
            let mut answer = Vec::new();
            request.answer(&mut answer, self.stack.traffic())?;
            if !answer.is_empty() {
                state.answers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                state.answers.push_back(answer);
                self.readers.wake_all();
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(length)
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
struct Request<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    /// The whole of it.
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The first of several requests, with its length; `None` when there is none, or it is broken.
    fn read(bytes: &'a [u8], port: u32) -> Option<(Self, usize)> {
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
    fn family(&self) -> u16 {
        self.bytes.get(HEADER).copied().unwrap_or(0).into()
    }

    /// Answers it; `carried` are the bytes and packets that the interface has carried.
    fn answer(&self, out: &mut Vec<u8>, carried: (u64, u64)) -> Result<(), Errno> {
        // Some hundred bytes.
        out.try_reserve(2048).map_err(|_| Errno::ENOMEM)?;
        let dump = self.flags & DUMP == DUMP;
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
        let index = self
            .bytes
            .get(HEADER + 4..)
            .and_then(|rest| rest.first_chunk());
        if index.map(|index| u32::from_le_bytes(*index)) == Some(interface::INDEX) {
            return true;
        }
        let name = self.attribute(BODY, NAME);
        let name = name.and_then(|value| value.split(|byte| *byte == 0).next());
        name == Some(interface::NAME)
    }

    /// The value of an attribute of the request, which come after a body of so many bytes.
    fn attribute(&self, body: usize, wanted: u16) -> Option<&'a [u8]> {
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
    fn message(&self, out: &mut Vec<u8>, kind: u16, flags: u16, body: impl FnOnce(&mut Vec<u8>)) {
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
fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
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
        self.send(source)
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
mod tests {
    use super::*;
    use crate::world::{AGAIN, clock, metadata, now};
    use proptest::prelude::*;
    use std::vec;
    use wait::{SliceSink, SliceSource};

    fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&((HEADER + body.len()) as u32).to_le_bytes());
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&77u32.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(body);
        bytes
    }

    /// Types and lengths of the messages of the next answer.
    fn next(socket: &NetlinkSocket) -> Attempt<Vec<(u16, Vec<u8>)>> {
        let mut bytes = vec![0; 4096];
        let received = now(|cx| socket.receive(cx, &mut SliceSink::new(&mut bytes), false))?;
        let mut rest = &bytes[..received.count];
        let mut found = Vec::new();
        while let Some((message, length)) = Request::read(rest, 0) {
            assert_eq!(message.sequence, 77);
            found.push((message.kind, message.bytes[HEADER..].to_vec()));
            rest = &rest[length.next_multiple_of(4)..];
        }
        assert!(rest.is_empty());
        Ok(found)
    }

    fn socket() -> Arc<NetlinkSocket> {
        NetlinkSocket::new(Arc::new(Stack::new(clock)), metadata()).expect("memory")
    }

    fn ask(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let socket = socket();
        assert_eq!(socket.send(&mut SliceSource::new(bytes)), Ok(bytes.len()));
        assert_ne!(socket.port(), 0);
        let found = next(&socket).unwrap();
        assert_eq!(next(&socket).err(), Some(AGAIN));
        found
    }

    fn kinds(found: &[(u16, Vec<u8>)]) -> Vec<u16> {
        found.iter().map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn interfaces_and_addresses_are_told() {
        let links = ask(&request(GET_LINK, 1 | DUMP, &[0; 16]));
        assert_eq!(kinds(&links), [NEW_LINK, DONE]);
        assert!(links[0].1.windows(3).any(|part| part == b"lo\0"));
        let all = ask(&request(GET_ADDRESS, 1 | DUMP, &[0; 8]));
        assert_eq!(kinds(&all), [NEW_ADDRESS, NEW_ADDRESS, DONE]);
        let six = ask(&request(GET_ADDRESS, 1 | DUMP, &[10, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!((kinds(&six), six[0].1[1]), (vec![NEW_ADDRESS, DONE], 128));
        let mut routes = kinds(&ask(&request(GET_ROUTE, 1 | DUMP, &[0; 12])));
        assert_eq!((routes.pop(), routes), (Some(DONE), vec![NEW_ROUTE; 4]));
        let six = ask(&request(GET_ROUTE, 1 | DUMP, &[10; 1]));
        assert_eq!(kinds(&six), [NEW_ROUTE, NEW_ROUTE, DONE]);
        assert_eq!(
            kinds(&ask(&request(GET_NEIGHBOUR, 1 | DUMP, &[0; 12]))),
            [DONE]
        );
        let rules = ask(&request(GET_RULE, 1 | DUMP, &[2; 1]));
        assert_eq!(kinds(&rules), [NEW_RULE, NEW_RULE, NEW_RULE, DONE]);
        let mut by_name = vec![0; 16];
        attribute(&mut by_name, 3, b"lo\0");
        assert_eq!(kinds(&ask(&request(GET_LINK, 1, &by_name))), [NEW_LINK]);
    }

    #[test]
    fn a_route_is_found_to_what_is_here() {
        let to = |family: u8, address: &[u8]| {
            let mut body = vec![0; Route::BODY];
            body[0] = family;
            attribute(&mut body, 1, address);
            ask(&request(GET_ROUTE, 1, &body))
        };
        let here = to(2, &[127, 3, 2, 1]);
        assert_eq!(kinds(&here), [NEW_ROUTE]);
        assert_eq!(here[0].1[..8], [2, 32, 0, 0, LOCAL, 2, UNIVERSE, HERE]);
        assert_eq!(kinds(&to(10, &Ipv6Addr::LOCALHOST.octets())), [NEW_ROUTE]);
        for (family, address) in [
            (2, &[10, 0, 0, 1][..]),
            (10, &[1; 16]),
            (2, &[]),
            (7, &[1; 16]),
        ] {
            assert_eq!(kinds(&to(family, address)), [ERROR]);
        }
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        let errno = |bytes: &[u8]| {
            let found = ask(bytes);
            assert_eq!(kinds(&found), [ERROR]);
            i32::from_le_bytes(found[0].1[..4].try_into().unwrap())
        };
        assert_eq!(errno(&request(NEW_ADDRESS, 5, &[0; 8])), -1);
        assert_eq!(errno(&request(GET_LINK, 1, &[0; 16])), -19);
        assert_eq!(errno(&request(90, 1, &[])), -95);
        assert_eq!(errno(&request(0, 1 | ACKNOWLEDGE, &[])), 0);
    }

    #[test]
    fn addresses_are_given_once() {
        let socket = socket();
        assert_eq!(socket.bind(&NetlinkSocket::address(5)), Ok(()));
        assert_eq!(socket.bind(&NetlinkSocket::address(0)), Ok(()));
        assert_eq!(
            (socket.port(), socket.bind(&NetlinkSocket::address(6))),
            (5, Err(Errno::EINVAL))
        );
        assert_eq!(socket.bind(&[0; 12]), Err(Errno::EINVAL));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let socket = socket();
            let sent = socket.send(&mut SliceSource::new(&bytes));
            prop_assert_eq!(sent, Ok(bytes.len()));
        }
    }
}
