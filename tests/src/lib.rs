//! Target tests: boot QEMU and talk to it.
//!
//! Three kinds of suites, each run in parallel with the others ([`run`]):
//! - script: shell scripts from `tests/scripts`, many tests in one boot;
//! - console: a person at the terminal;
//! - harness: what `cargo xtask run` promises about statuses, panics and hangs.
//!
//! A test has an id and a sentence. It waits for events with deadlines and never for a fixed time; a machine
//! that dies or hangs fails the test that was running, and the suite goes on in a new machine.
//!
//! It owns the machines that it starts and ends every one of them. No lock but that around the verdicts.

#![forbid(unsafe_code)]

mod bare;
pub mod conform;
mod console;
mod consoles;
mod harness;
mod report;
mod script;
mod suites;
mod target;

pub use report::Report;
pub use script::needs;
pub use suites::{names, run, want_debug_kernel};
pub use target::{Needs, RamDisks, Talk, Target};
