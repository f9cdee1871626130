//! The Linux ppc64le ABI and the numbers with a meaning that every crate shares.
//!
//! This crate owns names only: error numbers ([`Errno`]), units ([`Ticks`], [`Nanos`], [`Pages`]),
//! identities ([`Cid`], [`Pid`]) and the [`mmu`] trait that separates portable code from page-table
//! formats. It holds no state, takes no lock and depends on nothing but `bitflags`.

#![no_std]
#![forbid(unsafe_code)]

mod errno;
pub mod linux;
pub mod mmu;
mod units;

pub use errno::Errno;
pub use units::{BasisPoints, Cid, Nanos, Pages, Pid, Ticks, Timebase, WparKey};

/// Size of a page as programs see it (AT_PAGESZ), in bytes; part of the ABI and of the checkpoint format.
pub const PAGE_SIZE: usize = 4096;

/// Binary logarithm of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
