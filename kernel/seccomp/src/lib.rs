//! Filters of system calls (`man 2 seccomp`): classic BPF programs that say what becomes of a call.
//!
//! A [`Program`] is checked once, when it is installed: it only goes forward, ends, reads nothing but the [`CallData`] and what it
//! has stored itself, and so takes no more steps than it has instructions. [`Filter`]s form a chain, the newest first, that
//! threads share with those that they make; a filter never changes and is never taken off. [`Filter::judge`] asks all of a
//! chain, whose length is bounded, and the strictest answer counts.
//!
//! There is no crate for the kernel to take this from: those that there are run extended BPF, or translate into this form.
//!
//! No lock, no state.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod filter;
mod program;
#[cfg(test)]
mod tests;
mod verdict;

pub use filter::Filter;
pub use program::{CallData, Program};
pub use verdict::Verdict;
