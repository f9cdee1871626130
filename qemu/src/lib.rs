//! The machine that Corral runs on here: QEMU's `pseries`, and how one run of it ends.
//!
//! [`Machine`] is the only place that knows QEMU's command line. [`Guest`] is one running machine: its
//! console as a stream of bytes, and the [`Outcome`] that the kernel reports over a second hypervisor
//! terminal. Programs in the guest have no device for that terminal, so what they print cannot be taken
//! for a result.

#![forbid(unsafe_code)]

mod guest;
mod machine;
mod outcome;

pub use guest::{Event, Guest, converse};
pub use machine::{Firmware, Machine};
pub use outcome::Outcome;
