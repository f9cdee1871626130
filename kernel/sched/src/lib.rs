//! The scheduler: mechanism, the policy trait and the policies.
//!
//! It divides the CPUs among workload partitions, and a partition's part among its threads. In three parts:
//!
//! - The **mechanism**, [`Scheduler`]: which entities there are and where they run, the exact accounts, slices
//!   and wake-ups, hard maxima. What it guarantees holds whatever the policy does: an entity is on one CPU at
//!   most, and on one that it may use, every tick is in one account, no partition exceeds its hard maximum.
//! - The **policy**, a value that implements [`Policy`]: which partition is next. [`Wlm`] is the default and
//!   follows the specification; [`Edf`] is for periodic work; [`Stride`] is the example to learn from;
//!   [`RoundRobin`] takes over when another one fails.
//! - The **clocks**, [`CpuClock`], one a CPU: what a trap costs for exact accounting is one call without a lock.
//!
//! The crate owns no time and no CPU: every call names the instant and the CPU, so the same code runs in the
//! kernel, in unit tests and in the simulator. It never reads a register, waits, or calls back.
//!
//! Lock: none here. The kernel keeps the [`Scheduler`] in a spin lock of rank `Rank::Scheduler`; below it
//! only the allocator's lock is taken, and only by the calls that can answer [`Refusal::Full`].
//!
//! # A CPU's life
//!
//! 1. [`Scheduler::online`] gives it its clock; then it picks.
//! 2. [`Scheduler::pick`]: program the decrementer for [`Decision::until`] (off when `None`), tell the CPUs in
//!    [`Decision::others`], run the entity or cede.
//! 3. On every trap [`CpuClock::enter_kernel`], on every return [`CpuClock::enter_user`].
//! 4. On a decrementer interrupt, an interrupt from another CPU, or before any return to a program:
//!    [`Scheduler::must_preempt`]. If so, [`Scheduler::put_back`] (after an interrupt from another CPU
//!    [`Scheduler::make_room`]) and pick; if not, program the decrementer for [`Scheduler::until`].
//! 5. When the thread parks, exits or yields: put back with that [`Reason`], then pick.
//! 6. A [`Wakeup`] names CPUs that must do step 4 now: an interrupt to each, its own included.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

/// The steps of the guide to policies, run as a test.
#[cfg(all(doctest, feature = "simulation"))]
#[doc = include_str!("../README.md")]
mod readme {}

mod admission;
mod affinity;
mod attributes;
mod bucket;
mod clock;
mod dispatch;
mod edf;
mod entity;
mod fair;
mod guard;
mod ledger;
mod load;
mod minimum;
mod nice;
mod offline;
mod policy;
pub mod recording;
mod round_robin;
mod scheduler;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod stride;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
mod threads;
mod tree;
mod tuning;
mod turn;
mod types;
mod wake;
mod watch;
mod water;
mod wlm;

pub use attributes::{Allowance, Attributes, Class, Priority};
pub use clock::CpuClock;
pub use edf::Edf;
pub use policy::{Choice, Claim, Demand, Machine, Policy, Running, policy_by_name, policy_names};
pub use round_robin::RoundRobin;
pub use scheduler::Scheduler;
pub use stride::Stride;
pub use tuning::Tunable;
pub use types::{
    Account, Cpu, CpuSet, Decision, Entitlement, EntityId, Event, Fault, Reason, Refusal, Snapshot,
    Wakeup,
};
pub use wlm::Wlm;
