//! Pipes, fifos, pairs of connected sockets, counters of events, epoll, and futexes.
//!
//! A [`Pipe`] is a queue of bytes with two ends; each [`PipeEnd`] stands behind open files. A fifo is a pipe
//! that is found through an inode; [`Pipe::open_fifo`] has the rules for opening one. A [`Channel`] is what
//! `socketpair` makes: two ends, and between them a queue each way of bytes or of records. The [`FutexTable`] finds
//! the threads that wait on a word of memory.
//!
//! Bytes must never be consumed before the reader has them, and a wake-up of a futex never be given to somebody who
//! has gone.
//!
//! An [`Epoll`] watches open files and keeps a list of those that are ready.
//!
//! [`system_v`] has the semaphores, message queues and shared memory that are found by keys.
//!
//! Locks: the state of a pipe, channel or counter ([`Rank::Stream`]); the entries of an
//! epoll instance ([`Rank::Readiness`]); a bucket of the futex table ([`Rank::Futex`]), two of
//! them in the order of their places in the table. Waiters are woken under these locks.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod buffer;
mod channel;
mod datagram;
mod epoll;
mod event;
mod flight;
mod futex;
mod inbox;
mod inotify;
mod kept;
mod listener;
mod message_queue;
mod pipe;
mod quota;
#[cfg(test)]
mod sleeper;
mod status;
pub mod system_v;
mod timeouts;

pub use buffer::Buffer;
pub use channel::{Channel, ChannelEnd, ChannelKind, Directions, Received};
pub use datagram::DatagramSocket;
pub use epoll::{Epoll, Flags as EpollFlags, Interest, Ready};
pub use event::EventCounter;
pub use futex::{Contender, Dealt, FutexKey, FutexTable, Rest, WakeOperation};
pub use inbox::{Ancillary, Name, Sender};
pub use inotify::Inotify;
pub use kept::{KeptOptions, asked_buffer};
pub use listener::{AbstractNames, Bound, SocketPlace, StreamSocket};
pub use message_queue::{Capacity, MessageQueue, Opening, PRIORITIES, QUEUES, QueueNames};
pub use pipe::{Claim, Collector, Pipe, PipeEnd, Room};
pub use quota::{Quota, Share};
pub use status::UnixLine;
pub use timeouts::Timeouts;

#[cfg(doc)]
use sync::Rank;
