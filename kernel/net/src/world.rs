//! Threads and open files for the tests of sockets.

use crate::{Datagrams, Domain, Stack, TcpSocket, UdpSocket};
use abi::{Cid, Nanos};
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use security::{Credential, Identity, Privileges};
use std::sync::Mutex;
use std::vec::Vec;
use vfs::{
    Access, DeviceNumber, FileKind, FileOperations, InodeId, IoContext, Metadata, Mode, OpenFile,
    StatusFlags, Timestamp,
};
use wait::{Attempt, Link, Sleeper, SliceSink, SliceSource, Stop, Ticket, Waiter};

pub const AGAIN: Stop = Stop::Error(abi::Errno::EAGAIN);

/// The clock of the tests.
pub fn clock() -> Nanos {
    Nanos(1_000_000_007)
}

/// A thread that remembers whether it was woken.
#[derive(Default)]
pub struct Thread {
    ticket: AtomicU64,
    woken: Mutex<bool>,
    links: Mutex<Vec<Link>>,
}

impl Sleeper for Thread {
    fn wake(&self, ticket: Ticket, _completion: Option<i64>) -> bool {
        let mut woken = self.woken.lock().unwrap();
        let current = self.ticket.load(Ordering::SeqCst) == ticket.0 && !*woken;
        *woken |= current;
        current
    }

    fn linked(&self, _ticket: Ticket, link: Link) -> Option<Link> {
        self.links.lock().unwrap().push(link);
        None
    }
}

impl Thread {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Runs a call.
    pub fn run<T>(self: &Arc<Self>, nonblocking: bool, act: impl FnOnce(&IoContext<'_>) -> T) -> T {
        let links: Vec<Link> = self.links.lock().unwrap().drain(..).collect();
        links.into_iter().for_each(Link::withdraw);
        let ticket = self.ticket.fetch_add(1, Ordering::SeqCst) + 1;
        *self.woken.lock().unwrap() = false;
        let waiter = Waiter::new(self.clone(), Ticket(ticket));
        let credential = Credential::new(Cid(1), Identity::user(1, 1), Privileges::empty());
        act(&IoContext {
            credential: &credential,
            caller: &waiter,
            nonblocking,
        })
    }

    pub fn woken(&self) -> bool {
        *self.woken.lock().unwrap()
    }
}

pub fn metadata() -> Metadata {
    let id = InodeId {
        device: DeviceNumber::default(),
        number: 1,
    };
    Metadata {
        mode: Mode::new(0o777),
        uid: 1,
        gid: 1,
        ..Metadata::new(id, Cid(1), FileKind::Socket, Timestamp::default())
    }
}

pub fn open(operations: Arc<dyn FileOperations>) -> Arc<OpenFile> {
    let access = Access::READ | Access::WRITE;
    OpenFile::new(operations, None, Cid(1), access, StatusFlags::empty()).expect("memory")
}

/// A socket with the open file that keeps it.
pub struct Open<T>(pub Arc<T>, Arc<OpenFile>);

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        assert_eq!(
            Arc::strong_count(&self.1),
            1,
            "a test keeps the file of a socket that it closes"
        );
    }
}

impl<T: FileOperations> Open<T> {
    pub fn new(socket: Arc<T>) -> Self {
        let file = open(socket.clone());
        Self(socket, file)
    }
}

pub fn tcp(stack: &Arc<Stack>) -> Open<TcpSocket> {
    Open::new(TcpSocket::new(stack.clone(), Domain::V4, metadata()).expect("memory"))
}

pub fn udp(stack: &Arc<Stack>) -> Open<UdpSocket> {
    Open::new(
        UdpSocket::new(stack.clone(), Datagrams::Udp, Domain::V4, metadata()).expect("memory"),
    )
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Runs a call that does not wait.
pub fn now<T>(act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    Thread::new().run(true, act)
}

impl Open<TcpSocket> {
    pub fn send(&self, bytes: &[u8]) -> Attempt<usize> {
        now(|cx| self.0.send(cx, &mut SliceSource::new(bytes), false))
    }

    /// Sends bytes the last of which is urgent.
    pub fn send_urgent(&self, bytes: &[u8]) -> Attempt<usize> {
        now(|cx| self.0.send(cx, &mut SliceSource::new(bytes), true))
    }

    pub fn receive_urgent(&self, peek: bool) -> Attempt<u8> {
        let mut byte = [0];
        let received = self
            .0
            .receive_urgent(&mut SliceSink::new(&mut byte), peek)?;
        assert_eq!(received.count, 1);
        Ok(byte[0])
    }

    pub fn receive(&self, limit: usize) -> Attempt<Vec<u8>> {
        let mut bytes = std::vec![0; limit];
        let received = now(|cx| self.0.receive(cx, &mut SliceSink::new(&mut bytes), false))?;
        bytes.truncate(received.count);
        Ok(bytes)
    }

    pub fn accept(&self) -> Attempt<Self> {
        now(|cx| self.0.accept(cx, metadata())).map(Self::new)
    }
}

/// A request of a socket of AF_NETLINK.
pub fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&((16 + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&77u32.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(body);
    bytes
}
