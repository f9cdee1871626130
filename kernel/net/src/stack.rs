//! What a partition has of the network: ports, connections and the sockets that have them.

use crate::ports::Ports;
use crate::{TcpSocket, UdpSocket};
use abi::Errno;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use hashbrown::HashTable;
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
    /// Counts choices among sockets that share a port.
    turn: AtomicUsize,
}

/// The ports of TCP, and which connections there are.
pub(crate) struct Tcp {
    pub ports: Ports<TcpSocket>,
    connections: HashTable<Pair>,
}

/// The addresses of a connection: of the end that connected, and of the other.
type Pair = [SocketAddr; 2];

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

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl Stack {
    /// One without sockets.
    #[must_use]
    pub fn new() -> Self {
        let tcp = Tcp {
            ports: Ports::new(),
            connections: HashTable::new(),
        };
        Self {
            tcp: SpinLock::new(Rank::OpenFile, tcp),
            udp: SpinLock::new(Rank::OpenFile, Ports::new()),
            turn: AtomicUsize::new(0),
        }
    }

    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.tcp.lock().connections.len()
    }

    /// Makes a connection known; `chosen` says that the first end's port is its own and has no claim, `shared` that the
    /// second end shares its port.
    ///
    /// # Errors
    /// ECONNREFUSED when nobody has the second's port; EADDRNOTAVAIL when there is a connection with these addresses; ENOMEM.
    pub(crate) fn register(
        self: &Arc<Self>,
        pair: Pair,
        chosen: bool,
        shared: bool,
    ) -> Result<Registration, Errno> {
        let mut tcp = self.tcp.lock();
        let key = hash(&pair);
        if tcp.connections.find(key, |other| *other == pair).is_some() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        tcp.connections
            .try_reserve(1, hash)
            .map_err(|_| Errno::ENOMEM)?;
        tcp.ports.connected(pair[1], shared)?;
        tcp.connections.insert_unique(key, pair, hash);
        Ok(Registration {
            stack: self.clone(),
            pair,
            chosen,
            shared,
        })
    }
}

/// That a connection is known; dropping it gives back its addresses. No lock of the stack may be held then.
pub(crate) struct Registration {
    stack: Arc<Stack>,
    pair: Pair,
    chosen: bool,
    shared: bool,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut tcp = self.stack.tcp.lock();
        let found = tcp
            .connections
            .find_entry(hash(&self.pair), |other| *other == self.pair);
        if let Ok(entry) = found {
            entry.remove();
        }
        let [first, second] = self.pair;
        tcp.ports.disconnected(second, self.shared);
        if self.chosen {
            tcp.ports.give_back(first.port());
        }
    }
}
