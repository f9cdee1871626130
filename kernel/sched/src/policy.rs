//! The contract between the mechanism and a scheduling policy.

use crate::Cpu;
use abi::{BasisPoints, Cid, Ticks};

/// What a partition is entitled to, with the rules of the specification already applied: an inactive one
/// has the values that control nothing, unlimited shares are a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Weight against the others, 1..=65535.
    pub weight: u16,
    /// Part of all CPUs, before weights are looked at.
    pub minimum: BasisPoints,
    /// Part of all CPUs that is not exceeded while others want them.
    pub soft_maximum: BasisPoints,
}

/// How many entities of a partition could run or do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Runnable, not on a CPU, and not held back by a hard maximum.
    pub waiting: u32,
    /// On a CPU.
    pub running: u32,
}

/// A policy's answer: this partition for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The partition.
    pub cid: Cid,
    /// For how long, in ticks; the mechanism shortens it to its own limit.
    pub slice: Ticks,
}

/// A scheduling policy: divides the CPUs among partitions.
pub trait Policy: Send {
    /// Its name.
    fn name(&self) -> &'static str;
}

/// The shipped policy of this name: `wlm`, `stride` or `round-robin`.
pub fn policy_by_name(name: &str) -> Option<alloc::boxed::Box<dyn Policy>> {
    let _ = name;
    todo!()
}
