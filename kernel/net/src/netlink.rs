//! Sockets that ask the kernel about interfaces and addresses (`man 7 netlink`, `man 7 rtnetlink`).
//!
//! Requests are answered when they are sent: the answers wait in the socket. Only what is there can be asked for; nothing
//! can be changed.

use crate::interface;
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
const GET_ROUTE: u16 = 26;

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

    /// A socket; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(metadata: Metadata) -> Result<Arc<Self>, Errno> {
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

    /// Changes what is shown of the buffers.
    pub fn set_buffers(&self, send: Option<usize>, receive: Option<usize>) {
        let mut state = self.state.lock();
        let doubled = |bytes: usize| (2 * bytes.min(212_992)).max(4608);
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
            request.answer(&mut answer)?;
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

    fn answer(&self, out: &mut Vec<u8>) -> Result<(), Errno> {
        // Few hundred bytes at most.
        out.try_reserve(1024).map_err(|_| Errno::ENOMEM)?;
        let dump = self.flags & DUMP == DUMP;
        let errno = match self.kind {
            // Those that mean nothing to the kernel.
            0..=15 => None,
            GET_LINK if dump || self.names_the_interface() => {
                self.link(out, dump);
                None
            }
            GET_LINK => Some(Errno::ENODEV),
            GET_ADDRESS if dump => {
                self.addresses(out);
                None
            }
            // The table of routes beyond the interface's own addresses is empty.
            GET_ROUTE if dump => None,
            GET_ADDRESS | GET_ROUTE => Some(Errno::EOPNOTSUPP),
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
        const NAME: u32 = 3;
        const BODY: usize = HEADER + 16;
        let index = self
            .bytes
            .get(HEADER + 4..)
            .and_then(|rest| rest.first_chunk());
        if index.map(|index| u32::from_le_bytes(*index)) == Some(interface::INDEX) {
            return true;
        }
        let mut rest = self.bytes.get(BODY..).unwrap_or_default();
        while let Some((&[low, high, kind, above], _)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let kind = u32::from(u16::from_le_bytes([kind, above]));
            let Some(value) = rest.get(4..length) else {
                break;
            };
            let name = value.split(|byte| *byte == 0).next();
            if kind == NAME && name == Some(interface::NAME) {
                return true;
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        false
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

    fn link(&self, out: &mut Vec<u8>, dump: bool) {
        /// Address, broadcast address, name, size, queueing, queue, state, mode.
        const KINDS: [u16; 8] = [1, 2, 3, 4, 6, 13, 16, 17];
        /// That the layer below is up too.
        const LOWER_UP: u32 = 1 << 16;
        let flags = if dump { MULTIPART } else { 0 };
        self.message(out, NEW_LINK, flags, |out| {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&interface::HARDWARE.to_le_bytes());
            out.extend_from_slice(&interface::INDEX.to_le_bytes());
            out.extend_from_slice(&(interface::FLAGS | LOWER_UP).to_le_bytes());
            out.extend_from_slice(&0u32.to_le_bytes());
            let values: [&[u8]; 8] = [
                &[0; 6],
                &[0; 6],
                b"lo\0",
                &interface::MTU.to_le_bytes(),
                b"noqueue\0",
                &interface::QUEUE.to_le_bytes(),
                &[0],
                &[0],
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
            /// Permanent, and of this host only.
            const PERMANENT: u8 = 0x80;
            const HOST: u8 = 254;
            self.message(out, NEW_ADDRESS, MULTIPART, |out| {
                out.extend_from_slice(&[family as u8, prefix, PERMANENT, HOST]);
                out.extend_from_slice(&interface::INDEX.to_le_bytes());
                attribute(out, 1, address);
                if family == AF_INET {
                    attribute(out, 2, address);
                    attribute(out, 3, b"lo\0");
                }
                attribute(out, 8, &u32::from(PERMANENT).to_le_bytes());
            });
        }
    }
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
    use crate::world::{AGAIN, metadata, now};
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

    fn ask(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let socket = NetlinkSocket::new(metadata()).expect("memory");
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
        assert_eq!(kinds(&ask(&request(GET_ROUTE, 1 | DUMP, &[0; 12]))), [DONE]);
        let mut by_name = vec![0; 16];
        attribute(&mut by_name, 3, b"lo\0");
        assert_eq!(kinds(&ask(&request(GET_LINK, 1, &by_name))), [NEW_LINK]);
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
        let socket = NetlinkSocket::new(metadata()).expect("memory");
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
            let socket = NetlinkSocket::new(metadata()).expect("memory");
            let sent = socket.send(&mut SliceSource::new(&bytes));
            prop_assert_eq!(sent, Ok(bytes.len()));
        }
    }
}
