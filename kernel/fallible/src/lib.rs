//! Allocation that answers when there is no memory, instead of ending the kernel.
//!
//! What `alloc` offers for this is scattered, unstable in part, or not there at all; here each way in which the kernel makes
//! an object has one function that answers [`NoMemory`]: shared and boxed values, lists, texts, and a sorted [`Map`]. The
//! rest of the kernel uses these after start, and `cargo xtask lint` looks that it does.
//!
//! What must not fail, because nobody is there who could be told (the end of a process, say), goes through [`assured()`].
//!
//! On the host the stable library must do: there shared values are made by constructors that end the test.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(target_os = "none", feature(allocator_api, clone_from_ref))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod assured;
mod list;
mod map;
mod shared;
mod text;

#[cfg(debug_assertions)]
pub use assured::assure_with;
pub use assured::{Assure, assured};
pub use list::{Extend, Push, PushBack, collect, copy, filled, list, of_one};
pub use map::Map;
pub use shared::{This, arc, arc_slice, arc_str, arc_with_this, boxed, boxed_slice};
pub use text::{Text, string, string_lossy, text, written};

use abi::Errno;
use alloc::collections::TryReserveError;

/// There is no memory for what was asked for; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl From<NoMemory> for Errno {
    fn from(_: NoMemory) -> Self {
        Errno::ENOMEM
    }
}

impl From<TryReserveError> for NoMemory {
    fn from(_: TryReserveError) -> Self {
        NoMemory
    }
}

impl From<NoMemory> for core::fmt::Error {
    fn from(_: NoMemory) -> Self {
        core::fmt::Error
    }
}
