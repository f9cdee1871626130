//! The kernel: the dispatcher, the system calls and the glue between its crates.
//!
//! The principles are in `README.md` beside this crate. This crate joins the portable crates, which know no
//! machine, with `arch` and `drivers`, which know no process. It owns the one instance of everything ([`system`]), and
//! it must never block, use `unsafe` code, or know a register or a page-table format.
//!
//! Locks: it puts the structures of portable crates under locks of their ranks; the table in `README.md` has all of them.
//! None is held when the dispatcher is reached.
//!
//! Read it in this order: [`dispatch`] and [`running`] (what a CPU does), [`thread`] and [`process`] (what
//! there is to run), [`calls`] (what programs ask for), `signals` and [`family`] (what happens to them),
//! [`environment`] and [`partitions`] (where they live).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod activity;
mod aio;
mod bill;
pub mod calls;
pub mod clocks;
mod confinement;
pub mod console;
pub mod cpu_timers;
pub mod current;
pub mod dispatch;
pub mod dormant;
pub mod environment;
pub mod family;
pub mod file_signals;
mod first;
pub mod hotplug;
mod inheritance;
#[cfg(debug_assertions)]
pub mod injection;
mod job;
mod latency;
#[cfg(debug_assertions)]
mod lock_order;
pub mod memory_file;
pub mod mounts;
pub mod options;
pub mod others;
pub mod outcome;
mod overdue;
pub mod partitions;
pub mod pid_file;
pub mod placement;
pub mod posix_timers;
pub mod power;
pub mod proc_source;
pub mod process;
pub mod ptrace;
mod recording;
mod remainder;
mod report;
pub mod request;
pub mod ring;
pub mod room;
mod rseq;
pub mod running;
pub mod shortage;
pub mod signal_file;
pub mod signal_frame;
mod signals;
pub mod space;
pub mod special;
mod start;
mod submitters;
pub mod system;
pub mod terminals;
pub mod thread;
mod threads;
pub mod timer_file;
pub mod timers;
pub mod user;
pub mod vdso;

pub use current::CurrentPartition;
pub use start::start;
