//! What programs ask about sockets (`man 7 sock_diag`): those that `/proc/net` lists, of their own partition.
//!
//! A list comes as several messages of some kilobytes. A request for one socket names it by its addresses, or by its inode
//! with AF_UNIX. What there is besides names, states, queues and owners (memory, `struct tcp_info`, peers of AF_UNIX) is
//! not told.

mod filter;

use crate::netlink::{DONE, MULTIPART, Request, attribute};
use crate::stack::{Line, Protocol, Stack};
use abi::Errno;
use abi::linux::{AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use filter::Filter;
use ipc::UnixLine;

/// Who knows the sockets of AF_UNIX of a partition, which are not of its network.
pub trait UnixSockets {
    /// Those that processes have open.
    ///
    /// # Errors
    /// ENOMEM.
    fn unix_sockets(&self) -> Result<Vec<UnixLine>, Errno>;
}

/// Types of requests (linux/sock_diag.h); the first is that of the answers too.
const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;

/// A message with answers is given away when it is that long, in bytes.
const FULL: usize = 7 << 10;
/// Room for one answer: its headers, addresses and a name.
const ROOM: usize = 512;

/// Bytes of `struct inet_diag_req_v2`, behind which attributes are.
const REQUEST: usize = 56;
/// Where in it the identity of one socket is: `struct inet_diag_sockid`.
const IDENTITY: usize = 8;
/// Bytes of the identity that name the socket: ports and addresses.
const NAMES: usize = 36;
/// Where in `struct unix_diag_req` the inode of one socket is, and what is wanted of it.
const INODE: usize = 8;
const SHOW: usize = 12;

/// States, as `/proc/net/tcp` numbers them.
const ESTABLISHED: u8 = 1;
const CLOSED: u8 = 7;
const LISTENS: u8 = 10;

/// Answers to one request.
struct Answers<'a> {
    request: &'a Request<'a>,
    dump: bool,
    messages: Vec<Vec<u8>>,
}

/// The answers to a request about sockets, each of which is a message of its own.
///
/// # Errors
/// EINVAL for a request that is short or unknown; ENOENT for a family or a protocol that there is not, and for one socket
/// that is not there; EOPNOTSUPP for ending a socket; those of a filter; ENOMEM.
pub(crate) fn answer(
    request: &Request<'_>,
    stack: &Stack,
    unix: &dyn UnixSockets,
) -> Result<Vec<Vec<u8>>, Errno> {
    match request.kind {
        BY_FAMILY => {}
        DESTROY => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    }
    let dump = request.is_dump();
    let mut answers = Answers {
        request,
        dump,
        messages: Vec::new(),
    };
    match request.family() {
        AF_UNIX => answers.unix(&unix.unix_sockets()?)?,
        family @ (AF_INET | AF_INET6) => {
            let protocol = match request.byte(1).map(u32::from) {
                Some(IPPROTO_TCP) => Protocol::Tcp,
                Some(IPPROTO_UDP) => Protocol::Udp,
                _ => return Err(Errno::ENOENT),
            };
            answers.internet(family, &stack.lines(protocol)?)?;
        }
        _ => return Err(Errno::ENOENT),
    }
    if dump {
        let message = answers.room()?;
        request.message(message, DONE, MULTIPART, |out| {
            out.extend_from_slice(&0u32.to_le_bytes());
        });
    } else if answers.messages.is_empty() {
        return Err(Errno::ENOENT);
    }
    Ok(answers.messages)
}

impl Answers<'_> {
    /// A message with room for one answer more.
    fn room(&mut self) -> Result<&mut Vec<u8>, Errno> {
        if self.messages.last().is_none_or(|last| last.len() > FULL) {
            self.messages.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.messages.push(Vec::new());
        }
        let last = self.messages.last_mut().ok_or(Errno::ENOMEM)?;
        last.try_reserve(ROOM).map_err(|_| Errno::ENOMEM)?;
        Ok(last)
    }

    fn add(&mut self, body: impl FnOnce(&mut Vec<u8>)) -> Result<(), Errno> {
        let (request, flags) = (self.request, if self.dump { MULTIPART } else { 0 });
        request.message(self.room()?, BY_FAMILY, flags, body);
        Ok(())
    }

    /// Whether sockets in a state are wanted.
    fn wants(&self, state: u8) -> bool {
        let states = self.request.word(4).unwrap_or(0);
        !self.dump || states >> state & 1 != 0
    }

    fn internet(&mut self, family: u16, lines: &[Line]) -> Result<(), Errno> {
        /// A filter as a program of conditions.
        const CONDITIONS: u16 = 1;
        let request = self.request;
        let asked = request.body(IDENTITY, NAMES).ok_or(Errno::EINVAL)?;
        let filter = Filter(request.attribute(REQUEST, CONDITIONS).unwrap_or_default());
        for line in lines {
            let identity = identity(line);
            let fits = self.dump || identity.get(..NAMES) == Some(asked);
            if line.identity.is_v6 != (family == AF_INET6) || !fits || !self.wants(line.state) {
                continue;
            }
            let addresses = [line.local, line.remote].map(|end| address(end, line.identity.is_v6));
            if !filter.wants(line, addresses.each_ref())? {
                continue;
            }
            let queued = match line.state {
                LISTENS => line.backlog,
                _ => line.unsent,
            };
            self.add(|out| {
                out.extend_from_slice(&[family as u8, line.state, 0, 0]);
                out.extend_from_slice(&identity);
                let (inode, uid) = (line.identity.inode as u32, line.identity.uid);
                for word in [0, line.unread as u32, queued as u32, uid, inode] {
                    out.extend_from_slice(&word.to_le_bytes());
                }
            })?;
        }
        Ok(())
    }

    fn unix(&mut self, lines: &[UnixLine]) -> Result<(), Errno> {
        const NAME: u16 = 0;
        let request = self.request;
        let wanted = request.word(INODE).ok_or(Errno::EINVAL)?;
        let named = request.word(SHOW).ok_or(Errno::EINVAL)? & 1 != 0;
        for line in lines {
            let state = match (line.listens, line.connected) {
                (true, _) => LISTENS,
                (false, true) => ESTABLISHED,
                (false, false) => CLOSED,
            };
            if !self.dump && line.inode as u32 != wanted || !self.wants(state) {
                continue;
            }
            self.add(|out| {
                out.extend_from_slice(&[AF_UNIX as u8, line.kind as u8, state, 0]);
                out.extend_from_slice(&(line.inode as u32).to_le_bytes());
                out.extend_from_slice(&line.inode.to_le_bytes());
                if named && !line.name.is_empty() {
                    attribute(out, NAME, &line.name);
                }
            })?;
        }
        Ok(())
    }
}

/// `struct inet_diag_sockid`: ports, addresses, no interface, and a number that no other socket has.
fn identity(line: &Line) -> [u8; 48] {
    let mut bytes = [0; 48];
    let ports = [line.local, line.remote].map(|end| end.port().to_be_bytes());
    let addresses = [line.local, line.remote].map(|end| address(end, line.identity.is_v6));
    let number = line.identity.inode.to_le_bytes();
    let parts = [
        &ports[0][..],
        &ports[1],
        &addresses[0],
        &addresses[1],
        &[0; 4],
        &number,
    ];
    let given = parts.into_iter().flatten();
    bytes
        .iter_mut()
        .zip(given)
        .for_each(|(place, byte)| *place = *byte);
    bytes
}

fn address(end: SocketAddr, is_v6: bool) -> [u8; 16] {
    match end.ip() {
        IpAddr::V6(six) => six.octets(),
        IpAddr::V4(any) if any.is_unspecified() => [0; 16],
        IpAddr::V4(four) if is_v6 => four.to_ipv6_mapped().octets(),
        IpAddr::V4(four) => {
            let mut bytes = [0; 16];
            bytes
                .iter_mut()
                .zip(four.octets())
                .for_each(|(place, byte)| *place = byte);
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetlinkProtocol;
    use crate::netlink::{HEADER, NetlinkSocket};
    use crate::world::{AGAIN, at, clock, metadata, now, request, tcp, udp};
    use alloc::sync::Arc;
    use proptest::prelude::*;
    use security::Privileges;
    use std::vec;
    use wait::{SliceSink, SliceSource};

    struct Known(Vec<UnixLine>);

    impl UnixSockets for Known {
        fn unix_sockets(&self) -> Result<Vec<UnixLine>, Errno> {
            Ok(self.0.clone())
        }
    }

    /// Types and bodies of all answers to a request, and in how many messages they have come.
    fn ask(stack: &Arc<Stack>, unix: &Known, bytes: &[u8]) -> (Vec<(u16, Vec<u8>)>, usize) {
        let socket = NetlinkSocket::new(stack.clone(), NetlinkProtocol::Diagnosis, metadata());
        let socket = socket.unwrap();
        assert_eq!(
            socket.send(&mut SliceSource::new(bytes), unix),
            Ok(bytes.len())
        );
        let (mut found, mut messages) = (Vec::new(), 0);
        loop {
            let mut bytes = vec![0; 16_384];
            let mut sink = SliceSink::new(&mut bytes);
            let received = match now(|cx| socket.receive(cx, &mut sink, false)) {
                Ok(received) => received,
                Err(stop) => {
                    assert_eq!(stop, AGAIN);
                    return (found, messages);
                }
            };
            messages += 1;
            let mut rest = &bytes[..received.count];
            while let Some((message, length)) = Request::read(rest, 0) {
                found.push((message.kind, rest[HEADER..length].to_vec()));
                rest = &rest[length.next_multiple_of(4)..];
            }
        }
    }

    fn internet(family: u8, protocol: u8, states: u32) -> Vec<u8> {
        let mut body = vec![0; REQUEST];
        body[..2].copy_from_slice(&[family, protocol]);
        body[4..8].copy_from_slice(&states.to_le_bytes());
        body
    }

    fn error(found: &[(u16, Vec<u8>)]) -> i32 {
        assert_eq!((found.len(), found[0].0), (1, 2));
        i32::from_le_bytes(found[0].1[..4].try_into().unwrap())
    }

    #[test]
    fn sockets_of_the_network_are_told_by_family_protocol_and_state() {
        let (stack, none) = (Arc::new(Stack::new(clock)), Known(Vec::new()));
        let (server, datagrams) = (tcp(&stack), udp(&stack));
        server
            .0
            .bind(at("127.0.0.1:80"), Privileges::all())
            .unwrap();
        server.0.listen(5).unwrap();
        datagrams
            .0
            .bind(at("127.0.0.1:5300"), Privileges::empty())
            .unwrap();
        let list = |protocol, states| {
            ask(
                &stack,
                &none,
                &request(BY_FAMILY, 0x301, &internet(2, protocol, states)),
            )
            .0
        };
        let found = list(6, !0);
        assert_eq!(
            found.iter().map(|(kind, _)| *kind).collect::<Vec<u16>>(),
            [BY_FAMILY, DONE]
        );
        let told = &found[0].1;
        assert_eq!(
            (told.len(), &told[..2], &told[4..8]),
            (72, &[2, LISTENS][..], &[0, 80, 0, 0][..])
        );
        assert_eq!(told[8..12], [127, 0, 0, 1]);
        assert_eq!(
            (&told[24..28], &told[56..64]),
            (&[0; 4][..], &[0, 0, 0, 0, 5, 0, 0, 0][..])
        );
        assert_eq!(list(6, 1 << 1).len(), 1);
        assert_eq!(list(17, 1 << 7)[0].1[4..6], 5300u16.to_be_bytes());
        assert_eq!(
            ask(
                &stack,
                &none,
                &request(BY_FAMILY, 0x301, &internet(10, 6, !0))
            )
            .0
            .len(),
            1
        );
        // One of them, by its name.
        let mut one = internet(2, 6, 0);
        one[IDENTITY..IDENTITY + NAMES].copy_from_slice(&told[4..4 + NAMES]);
        assert_eq!(
            ask(&stack, &none, &request(BY_FAMILY, 1, &one)).0,
            [(BY_FAMILY, told.clone())]
        );
        one[IDENTITY] = 9;
        assert_eq!(
            error(&ask(&stack, &none, &request(BY_FAMILY, 1, &one)).0),
            -2
        );
        for (bytes, errno) in [
            (request(BY_FAMILY, 0x301, &internet(2, 132, !0)), -2),
            (request(BY_FAMILY, 0x301, &internet(17, 6, !0)), -2),
            (request(BY_FAMILY, 0x301, &[2, 6]), -22),
            (request(DESTROY, 1, &internet(2, 6, !0)), -95),
            (request(18, 1, &internet(2, 6, !0)), -22),
        ] {
            assert_eq!(error(&ask(&stack, &none, &bytes).0), errno);
        }
        for (port, count) in [(80, 2), (81, 1)] {
            let mut filtered = internet(2, 6, !0);
            attribute(&mut filtered, 1, &[11, 8, 12, 0, 0, 0, port, 0]);
            let found = ask(&stack, &none, &request(BY_FAMILY, 0x301, &filtered)).0;
            assert_eq!(found.len(), count);
        }
    }

    #[test]
    fn many_sockets_of_one_system_come_in_several_messages() {
        let stack = Arc::new(Stack::new(clock));
        let line = |inode| UnixLine {
            inode,
            kind: 1,
            listens: inode == 3,
            connected: false,
            name: vec![b'n'; 100],
        };
        let known = Known((0..200).map(line).collect());
        let body = |states: u32, inode: u32, show: u32| {
            let words = [1, states, inode, show, 0, 0];
            words
                .into_iter()
                .flat_map(u32::to_le_bytes)
                .collect::<Vec<u8>>()
        };
        let (found, messages) = ask(&stack, &known, &request(BY_FAMILY, 0x301, &body(!0, 0, 1)));
        assert_eq!((found.len(), found[200].0), (201, DONE));
        assert!(messages > 2);
        let (listening, _) = ask(
            &stack,
            &known,
            &request(BY_FAMILY, 0x301, &body(1 << 10, 0, 0)),
        );
        assert_eq!(
            (listening.len(), &listening[0].1[..8]),
            (2, &[1, 1, LISTENS, 0, 3, 0, 0, 0][..])
        );
        assert_eq!(listening[0].1.len(), 16);
        let (one, _) = ask(&stack, &known, &request(BY_FAMILY, 1, &body(0, 77, 1)));
        assert_eq!((one.len(), one[0].1.len()), (1, 16 + 4 + 100));
        assert_eq!(
            error(&ask(&stack, &known, &request(BY_FAMILY, 1, &body(0, 777, 1))).0),
            -2
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let (stack, none) = (Arc::new(Stack::new(clock)), Known(Vec::new()));
            ask(&stack, &none, &bytes);
            ask(&stack, &none, &request(BY_FAMILY, 0x301, &bytes));
        }
    }
}
