//! The mechanism: what is true whatever the policy answers.
//!
//! Here are the scheduler's state and what administration does to it; dispatch.rs has what happens at every
//! switch and wake-up, ledger.rs the accounts, guard.rs the replacement of policies.

use crate::bucket::Bucket;
use crate::clock::Reading;
use crate::entity::{Entities, Entity, State};
use crate::fair::{Bounds, Group};
use crate::guard::Deciders;
use crate::tree::{Nodes, Tree};
use crate::tuning::Tuning;
use crate::{
    Account, Attributes, Claim, Cpu, CpuClock, CpuSet, Demand, Entitlement, EntityId, Event,
    Machine, Policy, Refusal, Wakeup, nice,
};
use abi::{BasisPoints, Cid, Ticks, Timebase};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Events kept until they are taken; more are dropped, the first ones tell the most.
const EVENTS: usize = 16;

/// One partition, as the mechanism knows it.
pub(crate) struct Partition {
    pub entitlement: Entitlement,
    pub account: Account,
    pub entities: u32,
    pub waiting: u32,
    pub running: u32,
    /// Its threads, by nice value.
    pub threads: Group,
    /// The hard maximum, where there is one.
    pub cap: Option<Bucket>,
    /// Ticks of the cap that are promised to CPUs which run it.
    pub held: u64,
    /// At its hard maximum: hidden from the policy.
    pub throttled: bool,
    /// What the policy was told last.
    pub shown: Demand,
    /// Since when it waits without running anywhere.
    pub waiting_since: Ticks,
}

/// One CPU.
#[derive(Default)]
pub(crate) struct Processor {
    pub clock: Option<Arc<CpuClock>>,
    pub online_at: Ticks,
    /// How far the clock has been read into the accounts.
    pub read: Reading,
    /// Whose time it is.
    pub owner: Cid,
    pub run: Option<u32>,
    /// Ticks of its partition's cap that it may still use.
    pub grant: u64,
    pub dispatched: Ticks,
    /// When the slice ends if anything waits.
    pub slice_end: Ticks,
    pub until: Option<Ticks>,
    /// It has been told to pick, and has not yet.
    pub kicked: bool,
    /// It is idle although something waits: the policy wants it so.
    pub declined: bool,
    /// A thread whose wake-up is the reason for the next pick.
    pub favoured: Option<EntityId>,
    /// The thread that gave way last.
    pub yielded: Option<u32>,
}

/// The scheduler. The kernel keeps it under a lock of rank `Rank::Scheduler`.
pub struct Scheduler {
    pub(crate) tuning: Tuning,
    pub(crate) deciders: Deciders,
    pub(crate) processors: Vec<Processor>,
    pub(crate) online: usize,
    pub(crate) partitions: Vec<Option<Partition>>,
    pub(crate) entities: Entities,
    /// The weight of unlimited shares.
    pub(crate) unlimited: u16,
    /// Sum over the partitions of what the policy was told is waiting.
    pub(crate) waiting: u64,
    /// Sums of weights and minima over the partitions with demand, for the watchdog.
    pub(crate) wanting_weight: u64,
    pub(crate) wanting_minimum: u64,
    /// Partitions at their hard maximum, by the time at which they may go on.
    pub(crate) throttled: Tree,
    pub(crate) throttled_nodes: Nodes,
    /// Partitions that wait and run nowhere, by the time at which that is too long.
    pub(crate) watched: Tree,
    pub(crate) watched_nodes: Nodes,
    pub(crate) idle: Ticks,
    pub(crate) gone: Account,
    /// The latest instant that any call has named.
    pub(crate) latest: Ticks,
    pub(crate) events: VecDeque<Event>,
}

impl Scheduler {
    /// A scheduler for up to `cpus` CPUs (at most [`CpuSet::LIMIT`]), none of them online yet, with Global as its
    /// only partition.
    ///
    /// This is boot: it allocates, and a machine without the memory for it cannot start.
    #[must_use]
    pub fn new(timebase: Timebase, cpus: usize, policy: Box<dyn Policy>) -> Scheduler {
        let mut processors = Vec::new();
        processors.resize_with(cpus.clamp(1, CpuSet::LIMIT), Processor::default);
        let mut scheduler = Scheduler {
            tuning: Tuning::new(timebase),
            deciders: Deciders::new(policy),
            processors,
            online: 0,
            partitions: Vec::new(),
            entities: Entities::default(),
            unlimited: 1,
            waiting: 0,
            wanting_weight: 0,
            wanting_minimum: 0,
            throttled: Tree::new(),
            throttled_nodes: Nodes::default(),
            watched: Tree::new(),
            watched_nodes: Nodes::default(),
            idle: Ticks(0),
            gone: Account::default(),
            latest: Ticks(0),
            events: VecDeque::with_capacity(EVENTS),
        };
        let machine = scheduler.machine();
        scheduler.deciders.machine(Ticks(0), machine);
        // Cannot be refused but for memory, and then the first dispatch finds no Global and idles.
        let _first = scheduler.add_partition(Cid::GLOBAL, Entitlement::GLOBAL, Ticks(0));
        scheduler
    }

    /// `cpu` joins at `now`: its clock starts, in the kernel, on Global's account; percentages are of one CPU
    /// more. It must [`pick`](Scheduler::pick) next. The clock is what the CPU's trap entry moves.
    ///
    /// # Errors
    /// [`Refusal::Cpu`]: no such CPU, or it is online already.
    pub fn online(&mut self, cpu: Cpu, now: Ticks) -> Result<Arc<CpuClock>, Refusal> {
        let now = self.at(now);
        let processor = self
            .processors
            .get_mut(usize::from(cpu.0))
            .ok_or(Refusal::Cpu)?;
        if processor.clock.is_some() {
            return Err(Refusal::Cpu);
        }
        let clock = Arc::new(CpuClock::new(now));
        *processor = Processor {
            clock: Some(clock.clone()),
            online_at: now,
            ..Processor::default()
        };
        processor.read.at = now.0;
        self.online += 1;
        for partition in self.partitions.iter_mut().flatten() {
            if let Some(cap) = partition.cap.as_mut() {
                cap.fill(now, self.tuning.longest_slice);
                cap.set_rate(partition.entitlement.hard_maximum, self.online);
            }
        }
        let machine = self.machine();
        self.deciders.machine(now, machine);
        Ok(clock)
    }

    pub(crate) fn machine(&self) -> Machine {
        Machine {
            cpus: self.online.max(1),
            slice: Ticks(self.tuning.slice),
            longest_slice: Ticks(self.tuning.longest_slice),
            quantum: Ticks(self.tuning.quantum),
        }
    }

    /// A partition is loaded.
    ///
    /// # Errors
    /// [`Refusal::Partition`]: the cid is taken or out of range; [`Refusal::Range`]: not
    /// minimum ≤ soft ≤ hard ≤ 100 %, or no shares; [`Refusal::Full`].
    pub fn add_partition(
        &mut self,
        cid: Cid,
        entitlement: Entitlement,
        now: Ticks,
    ) -> Result<(), Refusal> {
        let now = self.at(now);
        let index = usize::from(cid.0);
        check(&entitlement)?;
        if cid.0 > Cid::LIMIT || self.partition(cid).is_some() {
            return Err(Refusal::Partition);
        }
        self.reserve(index + 1)?;
        let mut partition = Partition {
            entitlement,
            account: Account::default(),
            entities: 0,
            waiting: 0,
            running: 0,
            threads: Group::new(self.thread_bounds()),
            cap: None,
            held: 0,
            throttled: false,
            shown: Demand::default(),
            waiting_since: now,
        };
        self.set_cap(&mut partition, now);
        if let Some(place) = self.partitions.get_mut(index) {
            *place = Some(partition);
        }
        self.deciders
            .current()
            .attach(now, cid, claim(&entitlement, self.unlimited));
        self.weigh_unlimited(now);
        Ok(())
    }

    fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        let more = count.saturating_sub(self.partitions.len());
        self.deciders.reserve(count)?;
        self.throttled_nodes.reserve(count)?;
        self.watched_nodes.reserve(count)?;
        self.partitions
            .try_reserve(more)
            .map_err(|_| Refusal::Full)?;
        self.partitions
            .resize_with(self.partitions.len() + more, || None);
        Ok(())
    }

    fn thread_bounds(&self) -> Bounds {
        let Tuning {
            slice,
            longest_slice,
            ..
        } = self.tuning;
        Bounds {
            slice,
            credit: longest_slice,
            limit: longest_slice.saturating_mul(8),
        }
    }

    fn set_cap(&self, partition: &mut Partition, now: Ticks) {
        let hard = effective(&partition.entitlement).hard_maximum;
        partition.cap = if hard >= BasisPoints::WHOLE {
            None
        } else if let Some(mut cap) = partition.cap {
            cap.fill(now, self.tuning.longest_slice);
            cap.set_rate(hard, self.online);
            Some(cap)
        } else {
            Some(Bucket::new(hard, self.online, self.tuning.quantum, now))
        };
    }

    /// New values, with effect at once: CPUs that run the partition are told to pick.
    ///
    /// # Errors
    /// [`Refusal::Partition`], [`Refusal::Range`] as for [`Scheduler::add_partition`].
    pub fn change_partition(
        &mut self,
        cid: Cid,
        entitlement: Entitlement,
        now: Ticks,
    ) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        check(&entitlement)?;
        self.settle_all(now);
        let index = usize::from(cid.0);
        let mut partition = self
            .partitions
            .get_mut(index)
            .and_then(Option::take)
            .ok_or(Refusal::Partition)?;
        partition.entitlement = entitlement;
        self.set_cap(&mut partition, now);
        partition.throttled = false;
        if let Some(place) = self.partitions.get_mut(index) {
            *place = Some(partition);
        }
        self.throttled
            .remove(&mut self.throttled_nodes, u32::from(cid.0));
        self.weigh_unlimited(now);
        self.forget_shown(cid, now);
        self.deciders
            .current()
            .change(now, cid, claim(&entitlement, self.unlimited));
        self.show(cid, now);
        let mut wakeup = self.kick_those_running(cid);
        self.spread(None, now, &mut wakeup);
        Ok(wakeup)
    }

    /// The policy forgets the demand while figures that depend on the claim change.
    fn forget_shown(&mut self, cid: Cid, now: Ticks) {
        self.show_as(cid, Demand::default(), now);
    }

    fn kick_those_running(&mut self, cid: Cid) -> Wakeup {
        let mut wakeup = Wakeup::default();
        for (number, processor) in self.processors.iter_mut().enumerate() {
            let runs = processor
                .run
                .and_then(|index| self.entities.get(index))
                .is_some_and(|it| it.cid == cid);
            if runs {
                processor.kicked = true;
                wakeup.preempt.insert(Cpu(number as u16));
            }
        }
        wakeup
    }

    /// A partition without entities goes; its final account is returned.
    ///
    /// # Errors
    /// [`Refusal::Busy`]: it still has entities, or is Global; [`Refusal::Partition`]: no such partition.
    pub fn remove_partition(&mut self, cid: Cid, now: Ticks) -> Result<Account, Refusal> {
        let now = self.at(now);
        self.settle_all(now);
        let partition = self.partition(cid).ok_or(Refusal::Partition)?;
        if partition.entities > 0 || cid.is_global() {
            return Err(Refusal::Busy);
        }
        let account = partition.account;
        self.forget_shown(cid, now);
        self.throttled
            .remove(&mut self.throttled_nodes, u32::from(cid.0));
        self.deciders.current().detach(now, cid);
        for processor in &mut self.processors {
            if processor.owner == cid {
                processor.owner = Cid::GLOBAL;
            }
        }
        if let Some(place) = self.partitions.get_mut(usize::from(cid.0)) {
            *place = None;
        }
        self.gone.user += account.user;
        self.gone.system += account.system;
        self.weigh_unlimited(now);
        Ok(account)
    }

    /// Unlimited shares weigh as the largest finite share: when that changes, all unlimited ones change.
    fn weigh_unlimited(&mut self, now: Ticks) {
        let active = self
            .partitions
            .iter()
            .flatten()
            .filter(|partition| partition.entitlement.active);
        let largest = active
            .filter_map(|partition| partition.entitlement.shares)
            .max()
            .unwrap_or(1);
        if largest == self.unlimited {
            return;
        }
        for number in 0..self.partitions.len() {
            let cid = Cid(number as u16);
            let Some(entitlement) = self.partition(cid).map(|partition| partition.entitlement)
            else {
                continue;
            };
            if effective(&entitlement).shares.is_none() {
                let shown = self
                    .partition(cid)
                    .map(|partition| partition.shown)
                    .unwrap_or_default();
                self.count_wanting(&shown, &claim(&entitlement, self.unlimited), false);
                self.deciders
                    .current()
                    .change(now, cid, claim(&entitlement, largest));
                self.count_wanting(&shown, &claim(&entitlement, largest), true);
            }
        }
        self.unlimited = largest;
    }

    /// A new entity of `cid`, asleep until [`wake`](Scheduler::wake).
    ///
    /// # Errors
    /// [`Refusal::Partition`]; [`Refusal::Full`] when there is no memory for one more.
    pub fn admit(&mut self, cid: Cid, attributes: Attributes) -> Result<EntityId, Refusal> {
        if self.partition(cid).is_none() {
            return Err(Refusal::Partition);
        }
        let entity = Entity {
            cid,
            nice: attributes.nice.clamp(-20, 19),
            state: State::Asleep,
            woken: false,
            account: Account::default(),
        };
        let id = self.entities.admit(entity)?;
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition.entities += 1;
            partition.threads.introduce(
                &mut self.entities.members,
                id.index,
                nice::weight(entity.nice),
            );
        }
        Ok(id)
    }

    /// An entity that is on no CPU goes; its final account is returned.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Running`]: put it back with [`Reason::Exited`](crate::Reason::Exited).
    pub fn retire(&mut self, id: EntityId, now: Ticks) -> Result<Account, Refusal> {
        self.suspend(id, now)?;
        let account = self.entities.find(id)?.account;
        self.forget_entity(id.index);
        Ok(account)
    }

    pub(crate) fn forget_entity(&mut self, index: u32) {
        let Some(entity) = self.entities.remove(index) else {
            return;
        };
        if let Some(partition) = self.partition_mut(entity.cid) {
            partition.entities = partition.entities.saturating_sub(1);
        }
    }

    /// A waiting entity stops being runnable (a stop signal, a freeze); one that sleeps goes on sleeping.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Running`].
    pub fn suspend(&mut self, id: EntityId, now: Ticks) -> Result<(), Refusal> {
        let now = self.at(now);
        let entity = *self.entities.find(id)?;
        match entity.state {
            State::Running(_) => Err(Refusal::Running),
            State::Asleep => Ok(()),
            State::Waiting => {
                self.settle_all(now);
                self.stop_waiting(id.index, entity.cid);
                self.show(entity.cid, now);
                Ok(())
            }
        }
    }

    fn stop_waiting(&mut self, index: u32, cid: Cid) {
        if let Some(entity) = self.entities.get_mut(index) {
            entity.state = State::Asleep;
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition
                .threads
                .deactivate(&mut self.entities.members, index);
            partition.waiting = partition.waiting.saturating_sub(1);
        }
    }

    /// The entity belongs to `cid` from `now` on, also while it is on a CPU (a process enters a partition);
    /// that CPU is then told to pick.
    ///
    /// # Errors
    /// [`Refusal::Stale`]; [`Refusal::Partition`].
    pub fn transfer(&mut self, id: EntityId, cid: Cid, now: Ticks) -> Result<Wakeup, Refusal> {
        let now = self.at(now);
        let entity = *self.entities.find(id)?;
        if self.partition(cid).is_none() {
            return Err(Refusal::Partition);
        }
        let mut wakeup = Wakeup::default();
        if entity.cid == cid {
            return Ok(wakeup);
        }
        self.settle_all(now);
        match entity.state {
            State::Asleep => self.move_entity(id.index, entity, cid),
            State::Waiting => {
                self.stop_waiting(id.index, entity.cid);
                self.move_entity(id.index, entity, cid);
                self.start_waiting(id.index, cid);
            }
            State::Running(cpu) => {
                self.move_running(id.index, entity, cid, cpu);
                wakeup.preempt.insert(cpu);
            }
        }
        self.show(entity.cid, now);
        self.show(cid, now);
        self.spread(None, now, &mut wakeup);
        Ok(wakeup)
    }

    fn move_entity(&mut self, index: u32, entity: Entity, cid: Cid) {
        if let Some(old) = self.partition_mut(entity.cid) {
            old.entities = old.entities.saturating_sub(1);
        }
        if let Some(moved) = self.entities.get_mut(index) {
            moved.cid = cid;
        }
        if let Some(new) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            new.entities += 1;
            new.threads
                .introduce(&mut self.entities.members, index, nice::weight(entity.nice));
        }
    }

    fn move_running(&mut self, index: u32, entity: Entity, cid: Cid, cpu: Cpu) {
        self.return_grant(cpu, entity.cid);
        if let Some(old) = self
            .partitions
            .get_mut(usize::from(entity.cid.0))
            .and_then(Option::as_mut)
        {
            old.running = old.running.saturating_sub(1);
            old.threads.deactivate(&mut self.entities.members, index);
        }
        self.move_entity(index, entity, cid);
        if let Some(new) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            new.running += 1;
            new.threads.activate(&mut self.entities.members, index);
        }
        if let Some(processor) = self.processors.get_mut(usize::from(cpu.0)) {
            processor.kicked = true;
            if processor.owner == entity.cid {
                processor.owner = cid;
            }
        }
    }

    /// A new nice value; one out of range counts as the nearest.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub fn set_nice(&mut self, id: EntityId, nice: i8, now: Ticks) -> Result<(), Refusal> {
        let now = self.at(now);
        let cid = self.entities.find(id)?.cid;
        self.settle_all(now);
        if let Some(entity) = self.entities.get_mut(id.index) {
            entity.nice = nice.clamp(-20, 19);
        }
        if let Some(partition) = self
            .partitions
            .get_mut(usize::from(cid.0))
            .and_then(Option::as_mut)
        {
            partition
                .threads
                .reweigh(&mut self.entities.members, id.index, nice::weight(nice));
        }
        Ok(())
    }

    /// The partition of an entity; `None` for a stale id.
    #[must_use]
    pub fn cid_of(&self, id: EntityId) -> Option<Cid> {
        self.entities.find(id).ok().map(|entity| entity.cid)
    }

    pub(crate) fn partition(&self, cid: Cid) -> Option<&Partition> {
        self.partitions.get(usize::from(cid.0))?.as_ref()
    }

    pub(crate) fn partition_mut(&mut self, cid: Cid) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::from(cid.0))?.as_mut()
    }

    /// Time does not go back, also when two CPUs take the lock in the other order than they read their clocks.
    pub(crate) fn at(&mut self, now: Ticks) -> Ticks {
        self.latest = self.latest.max(now);
        self.latest
    }
}

/// The entitlement that counts: an inactive one controls nothing.
fn effective(entitlement: &Entitlement) -> Entitlement {
    if entitlement.active {
        *entitlement
    } else {
        Entitlement {
            active: false,
            ..Entitlement::default()
        }
    }
}

/// An entitlement as the policy sees it.
pub(crate) fn claim(entitlement: &Entitlement, unlimited: u16) -> Claim {
    let entitlement = effective(entitlement);
    Claim {
        weight: entitlement.shares.unwrap_or(unlimited).max(1),
        minimum: entitlement.minimum,
        soft_maximum: entitlement.soft_maximum,
    }
}

fn check(entitlement: &Entitlement) -> Result<(), Refusal> {
    let Entitlement {
        shares,
        minimum,
        soft_maximum,
        hard_maximum,
        ..
    } = *entitlement;
    let ordered = minimum <= soft_maximum
        && soft_maximum <= hard_maximum
        && hard_maximum <= BasisPoints::WHOLE;
    if ordered && shares != Some(0) {
        Ok(())
    } else {
        Err(Refusal::Range)
    }
}
