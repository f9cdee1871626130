//! TCP, UDP and the echo of ICMP inside one partition (`man 7 ip`, `man 7 ipv6`, `man 7 tcp`, `man 7 udp`).
//!
//! Each partition has a [`Stack`] of its own, made when its first socket is: its ports, its connections, and its
//! loopback interface with 127.0.0.0/8 and ::1. Nothing leads from one stack to another, so two partitions have the same
//! port at the same time and neither sees that.
//!
//! # No segments on loopback
//!
//! Both ends of a connection over loopback are objects of the same kernel, so a connection is two queues of bytes
//! under one lock, and sending is a copy into the queue that the other end receives from, done at once by whoever sends.
//! What a program can see of TCP is kept: the backlog, connections in progress, half-closed ones, resets and the errors
//! and readiness that follow them, buffers that fill, which port and address is whose. What only a wire has is left
//! out: nothing is lost, delayed or doubled, so there are no retransmissions, no keepalive probes (their answer is always
//! known), no Nagle delay and no TIME_WAIT, whose purpose is to let old segments die. The same holds for UDP: a
//! datagram is in the receiver's queue when `send` returns, or was dropped because that was full.
//!
//! A protocol engine with segments is for adapters that lead outside. It will be behind the sockets of this crate, as
//! another kind of peer.
//!
//! Locks: a table of ports ([`Rank::OpenFile`]) is held for lookups alone; a socket or a connection
//! ([`Rank::Stream`]) while bytes move. Never two of these at once. Nothing that may be the last of a socket is dropped
//! under them.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod connection;
mod counts;
mod diagnosis;
mod echo;
mod interface;
mod netlink;
mod options;
mod ports;
mod stack;
mod table;
mod tcp;
mod udp;
#[cfg(test)]
mod world;

pub use address::{Domain, Given, Wire};
pub use connection::{Buffers, End, Identity};
pub use counts::Counted;
pub use diagnosis::UnixSockets;
pub use interface::InterfaceRequest;
pub use netlink::{NetlinkProtocol, NetlinkSocket};
pub use options::{Told, Value, Way};
pub use ports::{CHOSEN, UNPRIVILEGED};
pub use stack::{Clock, Line, Protocol, Stack};
pub use tcp::TcpSocket;
pub use udp::{Arrival, Datagrams, Departure, Return, UdpSocket};

#[cfg(doc)]
use sync::Rank;
