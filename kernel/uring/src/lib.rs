//! Rings through which a program hands over calls and gets their results (`man 7 io_uring`).
//!
//! Two queues lie in memory that the program has mapped: entries that it puts and the kernel takes, and completions that the
//! kernel puts and the program takes. [`Rings`] is that memory as the kernel sees it. The program may write anything there at
//! any moment, so what the kernel has to rely on, how far it has come in either queue, it keeps for itself and only shows; each
//! value of the program's is read once, and places are masked.
//!
//! What an entry asks for is mostly a system call: [`translate`] says which, and with which arguments.
//!
//! No lock: whoever has the rings locks them.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod layout;
mod operation;
mod rings;
#[cfg(test)]
mod tests;

pub use layout::Layout;
pub use operation::{Translated, translate};
pub use rings::{RingPages, Rings, Taken};
