//! What a partition has of the network: ports, connections and the sockets that have them.

use crate::connection::{Connection, Identity};
use crate::counts::{Counted, Counts};
use crate::ports::Ports;
use crate::table::Table;
use crate::{TcpSocket, UdpSocket};
use abi::{Errno, Nanos};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use sync::{Rank, SpinLock};

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Streams of bytes.
    Tcp,
    /// Datagrams.
    Udp,
}

/// The network of one partition.
pub struct Stack {
    pub(crate) tcp: SpinLock<Tcp>,
    pub(crate) udp: SpinLock<Ports<UdpSocket>>,
    /// Who has which identifier of echoes.
    pub(crate) echo: SpinLock<Ports<UdpSocket>>,
    /// Counts choices among sockets that share a port.
    turn: AtomicUsize,
    /// Bytes and transfers that the loopback interface has carried.
    bytes: AtomicU64,
    transfers: AtomicU64,
    counts: Counts,
    /// Shows the time that datagrams are marked with.
    pub(crate) clock: Clock,
}

/// Tells the time since 1970.
pub type Clock = fn() -> Nanos;

/// The ports of TCP, and which connections there are.
pub(crate) struct Tcp {
    pub ports: Ports<TcpSocket>,
    connections: Table<Known>,
}

/// The addresses of a connection: of the end that connected, and of the other.
type Pair = [SocketAddr; 2];

/// A connection that is known.
struct Known {
    pair: Pair,
    connection: Weak<Connection>,
}

/// What `/proc/net` tells of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its address.
    pub local: SocketAddr,
    /// Its peer's.
    pub remote: SocketAddr,
    /// Its state, as `/proc/net/tcp` numbers them.
    pub state: u8,
    /// Bytes that it has sent and the peer has not received.
    pub unsent: usize,
    /// Bytes that it has not received, or connections that it has not accepted.
    pub unread: usize,
    /// How many connections may wait to be accepted.
    pub backlog: usize,
    /// Whose it is.
    pub identity: Identity,
}

/// FNV-1a over what differs between connections.
fn hash(pair: &Pair) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    let mut mix = |word: u64| {
        state = (state ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        state ^= state >> 29;
    };
    for address in pair {
        match address {
            SocketAddr::V4(four) => mix(u64::from(four.ip().to_bits())),
            SocketAddr::V6(six) => {
                let bits = six.ip().to_bits();
                mix(bits as u64);
                mix((bits >> 64) as u64);
            }
        }
        mix(u64::from(address.port()));
    }
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Stack {
    /// One without sockets, with the wall clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let tcp = Tcp {
            ports: Ports::new(),
            connections: Table::new(|known| hash(&known.pair)),
        };
        Self {
            tcp: SpinLock::new(Rank::OpenFile, tcp),
            udp: SpinLock::new(Rank::OpenFile, Ports::new()),
            echo: SpinLock::new(Rank::OpenFile, Ports::new()),
            turn: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            transfers: AtomicU64::new(0),
            counts: Counts::new(),
            clock,
        }
    }

    /// Most sockets that are listed, and twice as many ends of connections.
    pub const LINES: usize = 256;

    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts something.
    pub(crate) fn count(&self, what: Counted) {
        self.counts.add(what);
    }

    /// How often something has happened.
    #[must_use]
    pub fn counted(&self, what: Counted) -> u64 {
        self.counts.get(what)
    }

    /// Counts what has been sent.
    pub(crate) fn carried(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.transfers.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes and transfers that the loopback interface has carried.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.bytes), read(&self.transfers))
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.tcp.lock().connections.len()
    }

    /// The sockets of a protocol: those of TCP that listen or are connected, those of UDP that have a port. More than
    /// [`Stack::LINES`] would take too long to be told at once.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn lines(&self, protocol: Protocol) -> Result<Vec<Line>, Errno> {
        // Nothing that may be the last of a socket is dropped, and no socket locked, under the locks of the tables.
        let mut lines = Vec::new();
        match protocol {
            Protocol::Tcp => {
                let (mut sockets, mut connections) = (Vec::new(), Vec::new());
                {
                    let tcp = self.tcp.lock();
                    let listening = tcp.ports.claims().filter(|claim| claim.listens);
                    collect(&mut sockets, listening.map(|claim| &claim.socket))?;
                    let known = tcp.connections.iter().map(|known| &known.connection);
                    collect(&mut connections, known)?;
                }
                for socket in sockets {
                    lines.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    lines.extend(socket.line());
                }
                for connection in connections {
                    connection.lines(&mut lines)?;
                }
            }
            Protocol::Udp => {
                let mut sockets = Vec::new();
                {
                    let ports = self.udp.lock();
                    collect(&mut sockets, ports.claims().map(|claim| &claim.socket))?;
                }
                for socket in sockets {
                    lines.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    lines.extend(socket.line());
                }
            }
        }
        Ok(lines)
    }

    /// Makes a connection known; `chosen` says that the first end's port is its own and has no claim, `shared` that the
    /// second end shares its port.
    ///
    /// # Errors
    /// ECONNREFUSED when nobody has the second's port; EADDRNOTAVAIL when there is a connection with these addresses; ENOMEM.
    pub(crate) fn register(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        chosen: bool,
        shared: bool,
    ) -> Result<Registration, Errno> {
        let pair = connection.addresses();
        let mut tcp = self.tcp.lock();
        let key = hash(&pair);
        let present = tcp.connections.find(key, |known| known.pair == pair);
        if present.is_some() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        tcp.connections.reserve(key)?;
        tcp.ports.connected(pair[1], shared)?;
        let known = Known {
            pair,
            connection: Arc::downgrade(connection),
        };
        tcp.connections.insert(known);
        Ok(Registration {
            stack: self.clone(),
            pair,
            chosen,
            shared,
        })
    }
}

/// Adds those of `from` that still are.
fn collect<'a, T: 'a>(
    into: &mut Vec<Arc<T>>,
    from: impl Iterator<Item = &'a Weak<T>>,
) -> Result<(), Errno> {
    for weak in from.take(Stack::LINES) {
        into.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        into.extend(weak.upgrade());
    }
    Ok(())
}

/// That a connection is known; dropping it gives back its addresses. No lock of the stack may be held then.
pub(crate) struct Registration {
    stack: Arc<Stack>,
    pair: Pair,
    chosen: bool,
    shared: bool,
}

impl Registration {
    pub fn stack(&self) -> &Arc<Stack> {
        &self.stack
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut tcp = self.stack.tcp.lock();
        tcp.connections
            .remove(hash(&self.pair), |known| known.pair == self.pair);
        let [first, second] = self.pair;
        tcp.ports.disconnected(second, self.shared);
        if self.chosen {
            tcp.ports.give_back(first.port());
        }
    }
}
