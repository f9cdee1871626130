//! The scheduler off the machine: scenarios, what an ideal division would do, and how far a policy is from it.
//!
//! A [`Scenario`] is a TOML file: CPUs, partitions with their controls, what their threads do, what changes when, and
//! what is expected. [`simulate`] runs it on the scheduler that the kernel has, with `sched::simulation` as the
//! machine; the same scenario gives the same figures to the tick on any host. [`ideal`] has the division that is
//! aimed at, [`report`] the tables and the check of what is expected, [`draw`] the curves. [`replay()`] does again, under any
//! policy, what the machine's threads have done, from a [`recording`].

#![forbid(unsafe_code)]

pub mod draw;
pub mod ideal;
pub mod recording;
mod replay;
pub mod report;
mod run;
mod scenario;
mod span;

pub use replay::{Replay, replay};
pub use run::{Course, Part, simulate};
pub use scenario::{
    Change, Expectation, Life, Partition, PartitionExpectation, Scenario, Threads, Window,
};
pub use span::Span;
