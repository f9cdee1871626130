//! The mechanism.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::{
    Account, Attributes, Cpu, CpuClock, Decision, Entitlement, EntityId, Event, Policy, Reason,
    Refusal, Snapshot, Wakeup,
};
use abi::{Cid, Ticks, Timebase};

/// The scheduler.
pub struct Scheduler {}

#[allow(unused_variables)]
impl Scheduler {
    /// A scheduler for up to `cpus` CPUs, none of them online yet, with Global as its only partition.
    pub fn new(timebase: Timebase, cpus: usize, policy: Box<dyn Policy>) -> Scheduler {
        todo!()
    }

    /// `cpu` joins at `now`: its clock starts, in the kernel on Global's account. It picks next.
    pub fn online(&mut self, cpu: Cpu, now: Ticks) -> Result<Arc<CpuClock>, Refusal> {
        todo!()
    }

    /// A partition is loaded.
    pub fn add_partition(
        &mut self,
        cid: Cid,
        entitlement: Entitlement,
        now: Ticks,
    ) -> Result<(), Refusal> {
        todo!()
    }

    /// New values, with effect from the next pick on.
    pub fn change_partition(
        &mut self,
        cid: Cid,
        entitlement: Entitlement,
        now: Ticks,
    ) -> Result<Wakeup, Refusal> {
        todo!()
    }

    /// A partition without entities goes; its final account is returned.
    pub fn remove_partition(&mut self, cid: Cid, now: Ticks) -> Result<Account, Refusal> {
        todo!()
    }

    /// A new entity of `cid`, asleep until [`Scheduler::wake`].
    pub fn admit(&mut self, cid: Cid, attributes: Attributes) -> Result<EntityId, Refusal> {
        todo!()
    }

    /// An entity that is on no CPU goes; its final account is returned.
    pub fn retire(&mut self, id: EntityId, now: Ticks) -> Result<Account, Refusal> {
        todo!()
    }

    /// The entity becomes runnable. One that is still on a CPU stays runnable when it is put back as blocked.
    pub fn wake(&mut self, id: EntityId, now: Ticks) -> Result<Wakeup, Refusal> {
        todo!()
    }

    /// A waiting entity stops being runnable (stop signal, freeze); no-op for one that sleeps.
    pub fn suspend(&mut self, id: EntityId, now: Ticks) -> Result<(), Refusal> {
        todo!()
    }

    /// The entity belongs to `cid` from `now` on, also while it is on a CPU.
    pub fn transfer(&mut self, id: EntityId, cid: Cid, now: Ticks) -> Result<Wakeup, Refusal> {
        todo!()
    }

    /// A new nice value.
    pub fn set_nice(&mut self, id: EntityId, nice: i8, now: Ticks) -> Result<(), Refusal> {
        todo!()
    }

    /// What `cpu`, which runs nothing now, runs next.
    pub fn pick(&mut self, cpu: Cpu, now: Ticks) -> Decision {
        todo!()
    }

    /// The entity on `cpu` leaves it; the kernel picks next.
    pub fn put_back(&mut self, cpu: Cpu, now: Ticks, reason: Reason) -> Wakeup {
        todo!()
    }

    /// Whether `cpu` should put back what it runs (or leave idle) and pick.
    pub fn must_preempt(&mut self, cpu: Cpu, now: Ticks) -> bool {
        todo!()
    }

    /// When the decrementer of `cpu` must fire, as things are now.
    pub fn until(&self, cpu: Cpu) -> Option<Ticks> {
        todo!()
    }

    /// What runs on `cpu`.
    pub fn current(&self, cpu: Cpu) -> Option<EntityId> {
        todo!()
    }

    /// Time on `cpu` from `now` on goes to the account of `cid` (an interrupt or packet for it), until the next
    /// charge or pick; answers whose account it went to before.
    pub fn charge_to(&mut self, cpu: Cpu, now: Ticks, cid: Cid) -> Result<Cid, Refusal> {
        todo!()
    }

    /// One partition's account at `now`, running time included.
    pub fn account(&self, cid: Cid, now: Ticks) -> Result<Account, Refusal> {
        todo!()
    }

    /// One entity's account at `now`, running time included.
    pub fn entity_account(&self, id: EntityId, now: Ticks) -> Result<Account, Refusal> {
        todo!()
    }

    /// All accounts at one instant, not earlier than `now`.
    pub fn snapshot(&self, now: Ticks) -> Snapshot {
        todo!()
    }

    /// Another policy takes over, without losing an entity or a tick.
    pub fn set_policy(&mut self, policy: Box<dyn Policy>, now: Ticks) -> Result<Wakeup, Refusal> {
        todo!()
    }

    /// The name of the policy that decides.
    pub fn policy_name(&self) -> &'static str {
        todo!()
    }

    /// The oldest event that has not been taken yet.
    pub fn take_event(&mut self) -> Option<Event> {
        todo!()
    }
}
