//! Process identity, relations, signals, credentials and limits: everything about processes but running them.
//!
//! - [`PidTable`]: global and virtual process numbers.
//! - [`ProcessTree`]: parents and children, process groups, sessions, what `wait4` finds. It contains the
//!   [`PidTable`], because groups and sessions keep numbers in use.
//! - [`signal`]: pending signals, actions, what happens at the return to a program.
//! - [`identity`]: changes of user and group numbers.
//! - [`capabilities`]: changes of what privileges come from.
//! - [`Limits`], [`Usage`], [`timer`].
//!
//! It must never run, park or wake anything: it answers what has to be done, and the kernel does it.
//!
//! These are plain data structures without locks. The kernel puts the [`ProcessTree`] under one lock of rank
//! `ProcessTree`, signal actions and the pending set of a process under that of its process (rank
//! `Process`), and never asks the tree with a process's lock held.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")
)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod alarm_clock;
pub mod capabilities;
pub mod identity;
mod limits;
mod pids;
pub mod signal;
pub mod timer;
mod tree;
mod usage;

pub use alarm_clock::AlarmClock;
pub use limits::Limits;
pub use pids::{PidHandle, PidTable, Reserved, VPid};
pub use tree::{
    Birth, End, ExitStatus, Job, Notice, ProcessTree, Report, Selector, Step, Target, TerminalId,
    Waited,
};
pub use usage::Usage;
