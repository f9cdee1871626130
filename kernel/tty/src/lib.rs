//! Terminals: the line discipline between a driver and programs (`man 3 termios`, `man 4 tty_ioctl`).
//!
//! A driver (a hypervisor console, the master of a pty) gives input to [`Terminal::receive`] and takes output
//! through [`TerminalOutput`]; programs have [`TerminalFile`]s open. What is typed goes through a
//! `Discipline`, a pure state machine that edits lines, echoes and finds the characters that mean signals;
//! what is printed goes through `Output`. The kernel answers questions about sessions and groups
//! through [`JobControl`].
//!
//! Locks: one of rank [`Rank::Stream`] for each terminal; a pty's queue to its master has another, after that. The
//! driver's output is called under it; job control must never be, since process locks come before it: it is asked
//! first, and signals are sent last.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod control;
mod discipline;
mod jobs;
mod output;
mod pty;
mod settings;
mod terminal;

pub use jobs::{Caller, JobControl};
pub use pty::{Lease, PtyMaster};
pub use settings::Settings;
pub use terminal::{Terminal, TerminalFile, TerminalOutput};

#[cfg(doc)]
use sync::Rank;
