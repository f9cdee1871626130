//! The scheduler: mechanism, the policy trait and the policies.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod policy;
mod scheduler;
mod types;

pub use clock::CpuClock;
pub use policy::{Choice, Claim, Demand, Policy, policy_by_name};
pub use scheduler::Scheduler;
pub use types::{
    Account, Attributes, Cpu, CpuSet, Decision, Entitlement, EntityId, Event, Fault, Reason,
    Refusal, Snapshot, Wakeup,
};
