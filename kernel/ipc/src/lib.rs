//! Pipes, fifos, pairs of connected sockets, counters of events, and futexes.
//!
//! A [`Pipe`] is a queue of bytes with two ends; each [`PipeEnd`] stands behind open files. A fifo is a pipe
//! that is found through an inode; [`Pipe::open_fifo`] has the rules for opening one. A [`Channel`] is what
//! `socketpair` makes: two ends, and between them a queue each way of bytes or of records. The [`FutexTable`] finds
//! the threads that wait on a word of memory.
//!
//! Bytes must never be consumed before the reader has them, and a wake-up of a futex never be given to somebody who
//! has gone.
//!
//! Locks: the state of a pipe, channel or counter ([`Rank::Stream`]); a bucket of the futex table ([`Rank::Futex`]), two of
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
mod event;
mod futex;
mod pipe;
#[cfg(test)]
mod sleeper;

pub use channel::{Channel, ChannelEnd, ChannelKind, Directions, Received};
pub use event::EventCounter;
pub use futex::{FutexKey, FutexTable, WakeOperation};
pub use pipe::{Pipe, PipeEnd};

#[cfg(doc)]
use sync::Rank;
