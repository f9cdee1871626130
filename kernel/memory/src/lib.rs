//! Frames, the kernel heap and address spaces.
//!
//! This crate owns all RAM that the boot code grants it: every frame has one entry of metadata and is charged
//! to one partition ([`frames`]); the kernel heap takes whole frames and gives back every empty one
//! ([`heap`]); an address space is a description of areas and pages, of which the translation tables are only
//! a cache ([`space`]).
//!
//! It must never know a page-table format (that is behind [`abi::mmu::Translations`]) and never wait: a page
//! that is not there yet is [`space::FaultError::Pending`].
//!
//! `unsafe` is allowed in two modules only, `contents` (what a frame holds) and `heap` (pointers for the
//! allocator interface). All else is safe code.
//!
//! Locks: the heap's size classes, then the frame allocator, both of rank `Memory` and always taken in this
//! order; the pages of an anonymous shared object, of rank `Pages`. An [`AddressSpace`] has no lock of its own:
//! the kernel wraps it in one of rank `AddressSpace`.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "host"))]
extern crate std;

#[allow(unsafe_code, reason = "part of the memory core")]
mod contents;
pub mod frames;
#[allow(unsafe_code, reason = "part of the memory core")]
pub mod heap;
#[cfg(any(test, feature = "host"))]
#[allow(unsafe_code, reason = "part of the memory core")]
pub mod host;
#[cfg(debug_assertions)]
pub mod injection;
mod page_map;
mod sorted;
pub mod source;
pub mod space;
mod tables;

pub use contents::{Filling, LinearMap, Loan};
pub use frames::{Frame, Kind, OutOfMemory};
pub use page_map::{PageMap, let_go};
pub use source::{PageError, PageSource, SharedPages};
pub use space::{Access, AddressSpace, FaultError};
pub use tables::TablePool;
