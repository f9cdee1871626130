//! The mechanism: what is true whatever the policy answers.
//!
//! Here are the scheduler's state and what administration does to partitions; admission.rs has the entities'
//! life, dispatch.rs what happens at every switch, turn.rs how threads follow each other within a partition's turn,
//! wake.rs wake-ups, ledger.rs the accounts, guard.rs the replacement of policies.

use crate::bucket::Bucket;
use crate::clock::Reading;
use crate::entity::Entities;
use crate::fair::Bounds;
use crate::guard::Deciders;
use crate::load::Load;
use crate::recording::{Happening, Recording};
use crate::table::Table;
use crate::threads::Threads;
use crate::tree::{Nodes, Places, Tree};
use crate::tuning::{Tunable, Tuning};
use crate::watch::Watch;
use crate::{
    Account, Claim, Cpu, CpuClock, CpuSet, Demand, Entitlement, EntityId, Event, Machine, Policy,
    Refusal, Wakeup,
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
    /// On how many CPUs it has its turn.
    pub running: u32,
    /// Its threads that want a CPU.
    pub threads: Threads,
    /// The hard maximum, where there is one.
    pub cap: Option<Bucket>,
    /// Ticks of the cap that are promised to CPUs which run it, but for those that the cap's rate carries.
    pub held: u64,
    /// How many CPUs run it on the cap's rate: one for each whole CPU in it.
    pub carried: u64,
    /// At its hard maximum: hidden from the policy.
    pub throttled: bool,
    /// What the policy may choose by, and what it was told last, where that is another.
    pub shown: Demand,
    pub told: Demand,
    /// Where what was told to be waiting may run.
    pub shown_at: Places,
    /// How many of its threads want a CPU, over time.
    pub load: Load,
    /// Since when it waits without running anywhere.
    pub waiting_since: Ticks,
    /// How many choices the policy had made by then.
    pub waiting_choices: u64,
}

/// One CPU.
#[derive(Default)]
pub(crate) struct Processor {
    pub clock: Option<Arc<CpuClock>>,
    pub online_at: Ticks,
    /// What its clocks showed in the end each time it left, together.
    pub past: Reading,
    /// It is to leave.
    pub recalled: bool,
    /// How far the clock has been read into the accounts.
    pub read: Reading,
    /// Whose time it is.
    pub owner: Cid,
    /// A wake-up has called it then: its time from there on is for whom it picks, and is not settled before.
    pub called: Option<Ticks>,
    /// What the owner has used and the policy has not been told yet.
    pub untold: u64,
    /// Whose turn it is: the policy's choice, until the turn ends.
    pub turn: Option<Cid>,
    /// The thread that runs; none while the next one of the turn is not chosen.
    pub run: Option<u32>,
    /// Ticks of its partition's cap that it may still use.
    pub grant: u64,
    /// The cap's rate alone pays for it: the grant is not in the partition's `held`.
    pub carried: bool,
    pub dispatched: Ticks,
    /// When the slice ends if anything waits.
    pub slice_end: Ticks,
    pub until: Option<Ticks>,
    /// When the favoured thread of the same partition takes the place of the one that runs.
    pub overtaken: Option<Ticks>,
    /// It has been told to pick, and has not yet.
    pub kicked: bool,
    /// It is idle although something waits: the policy wants it so.
    pub declined: bool,
    /// A thread whose wake-up is the reason for the next pick.
    pub favoured: Option<EntityId>,
    /// The thread that gave way last.
    pub yielded: Option<u32>,
}

impl Processor {
    /// When it must look whether to go on.
    pub fn alarm(&self) -> Option<Ticks> {
        match (self.until, self.overtaken) {
            (Some(until), Some(overtaken)) => Some(until.min(overtaken)),
            (until, overtaken) => until.or(overtaken),
        }
    }
}

/// The scheduler. The kernel keeps it under a lock of rank `Rank::Scheduler`.
pub struct Scheduler {
    pub(crate) tuning: Tuning,
    pub(crate) deciders: Deciders,
    /// Up to the last CPU that has been online; room for all.
    pub(crate) processors: Vec<Processor>,
    pub(crate) online: CpuSet,
    pub(crate) partitions: Table<Option<Partition>>,
    pub(crate) entities: Entities,
    /// The weight of unlimited shares.
    pub(crate) unlimited: u16,
    /// Sum over the partitions of what the policy was told is waiting.
    pub(crate) waiting: u64,
    /// On how many partitions' behalf something waits that may run anywhere, and on each CPU.
    pub(crate) waiting_anywhere: u32,
    pub(crate) waiting_at: [u32; CpuSet::LIMIT],
    /// Where that is not 0.
    pub(crate) wanted_at: Places,
    /// The partition whose demand the policy may not have been told yet.
    pub(crate) untold_demand: Option<Cid>,
    /// What CPUs are asked to do, and will be told by the next pick of any.
    pub(crate) untold: Wakeup,
    /// Something is bound to CPUs, or has been: where a thread waits must be looked at.
    pub(crate) binding: bool,
    /// Sums of weights and minima over the partitions with demand, for the watchdog.
    pub(crate) wanting_weight: u64,
    pub(crate) wanting_minimum: u64,
    /// Partitions at their hard maximum, by the time at which they may go on.
    pub(crate) throttled: Tree,
    pub(crate) throttled_nodes: Nodes,
    /// How many threads want a CPU, over time.
    pub(crate) load: Load,
    /// Partitions that wait and run nowhere.
    pub(crate) watched: Watch,
    /// How often the policy has chosen.
    pub(crate) choices: u64,
    pub(crate) idle: Ticks,
    pub(crate) gone: Account,
    /// How long CPUs that have left had been online.
    pub(crate) departed: Ticks,
    /// The latest instant that any call has named.
    pub(crate) latest: Ticks,
    pub(crate) events: VecDeque<Event>,
    /// What is recorded, where that is wanted.
    pub(crate) recording: Option<Box<Recording>>,
}

impl Scheduler {
    /// A scheduler for up to `cpus` CPUs (at most [`CpuSet::LIMIT`]), none of them online yet, with Global as its
    /// only partition.
    ///
    /// This is boot: it allocates, and a machine without the memory for it cannot start.
    #[must_use]
    #[cfg_attr(
        target_os = "none",
        expect(
            clippy::disallowed_methods,
            reason = "boot, before there is anybody who could be told"
        )
    )]
    pub fn new(timebase: Timebase, cpus: usize, policy: Box<dyn Policy>) -> Scheduler {
        let processors = Vec::with_capacity(cpus.clamp(1, CpuSet::LIMIT));
        let mut scheduler = Scheduler {
            tuning: Tuning::new(timebase),
            deciders: Deciders::new(policy),
            processors,
            online: CpuSet::NONE,
            partitions: Table::new(),
            entities: Entities::default(),
            unlimited: 1,
            waiting: 0,
            waiting_anywhere: 0,
            waiting_at: [0; CpuSet::LIMIT],
            wanted_at: 0,
            untold_demand: None,
            untold: Wakeup::default(),
            binding: false,
            wanting_weight: 0,
            wanting_minimum: 0,
            throttled: Tree::new(),
            throttled_nodes: Nodes::default(),
            load: Load::new(Ticks(0)),
            watched: Watch::default(),
            choices: 0,
            idle: Ticks(0),
            gone: Account::default(),
            departed: Ticks(0),
            latest: Ticks(0),
            events: VecDeque::with_capacity(EVENTS),
            recording: None,
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
    /// [`Refusal::Cpu`]: no such CPU, or it is online already; [`Refusal::Full`]: there is no memory.
    pub fn online(&mut self, cpu: Cpu, now: Ticks) -> Result<Arc<CpuClock>, Refusal> {
        let now = self.at(now);
        let number = usize::from(cpu.0);
        if number >= self.processors.capacity() {
            return Err(Refusal::Cpu);
        }
        if number >= self.processors.len() {
            // Within the capacity: nothing is allocated.
            self.processors.resize_with(number + 1, Processor::default);
        }
        let processor = self.processors.get_mut(number).ok_or(Refusal::Cpu)?;
        if processor.clock.is_some() {
            return Err(Refusal::Cpu);
        }
        let clock = fallible::arc(CpuClock::new(now)).map_err(|_| Refusal::Full)?;
        *processor = Processor {
            clock: Some(clock.clone()),
            online_at: now,
            past: processor.past,
            ..Processor::default()
        };
        processor.read.at = now.0;
        self.online.insert(cpu);
        self.record(Happening::Online(cpu));
        self.rebase_caps(now);
        let machine = self.machine();
        self.deciders.machine(now, machine);
        self.rebind_all(now);
        Ok(clock)
    }

    /// The CPUs that are online, with their clocks.
    pub fn clocks(&self) -> impl Iterator<Item = (Cpu, &Arc<CpuClock>)> {
        (0..)
            .map(Cpu)
            .zip(&self.processors)
            .filter_map(|(cpu, processor)| Some((cpu, processor.clock.as_ref()?)))
    }

    /// The CPUs that are online.
    #[must_use]
    pub fn online_cpus(&self) -> CpuSet {
        self.online
    }

    pub(crate) fn machine(&self) -> Machine {
        Machine {
            cpus: self.online.count().max(1),
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
            threads: Threads::new(self.thread_bounds()),
            cap: None,
            held: 0,
            carried: 0,
            throttled: false,
            shown: Demand::default(),
            told: Demand::default(),
            shown_at: 0,
            load: Load::new(now),
            waiting_since: now,
            waiting_choices: 0,
        };
        let online = self.online_cpus();
        self.set_cap(&mut partition, now);
        if let Some(place) = self.partitions.get_mut(index) {
            *place = Some(partition);
        }
        let claim = claim(&entitlement, self.unlimited, online);
        self.policy(now).attach(now, cid, claim);
        self.record(Happening::Partition(cid, entitlement));
        self.weigh_unlimited(None, finite(&entitlement), now);
        Ok(())
    }

    fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        self.deciders.reserve(count)?;
        self.throttled_nodes.reserve(count)?;
        self.watched.reserve(count)?;
        self.partitions.reserve(count, |_| None)
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
            debt: longest_slice.saturating_mul(8),
            limit: Some(longest_slice.saturating_mul(8)),
            stretch: None,
        }
    }

    fn set_cap(&self, partition: &mut Partition, now: Ticks) {
        let hard = effective(&partition.entitlement).hard_maximum;
        let cpus = reach(&partition.entitlement, self.online_cpus()).count();
        partition.cap = if hard >= BasisPoints::WHOLE {
            None
        } else if let Some(mut cap) = partition.cap {
            let most = cap.ceiling(self.tuning.longest_slice, self.tuning.quantum);
            cap.fill(now, most);
            cap.set_rate(hard, cpus);
            Some(cap)
        } else {
            Some(Bucket::new(hard, cpus, self.tuning.quantum, now))
        };
    }

    /// What is tuned now.
    #[must_use]
    pub fn tuned(&self, tunable: Tunable) -> u32 {
        self.tuning.value(tunable)
    }

    /// Tunes something. It holds for slices and wake-ups from now on: a slice that has begun goes on to its end.
    ///
    /// # Errors
    /// [`Refusal::Range`].
    pub fn tune(&mut self, tunable: Tunable, value: u32, now: Ticks) -> Result<(), Refusal> {
        let now = self.at(now);
        let (least, most) = tunable.range();
        if value < least || value > most {
            return Err(Refusal::Range);
        }
        self.settle_all(now);
        self.tuning.set(tunable, value);
        let bounds = self.thread_bounds();
        for number in 0..self.partitions.len() {
            if let Some(partition) = self.partition_mut(Cid(number as u16)) {
                partition.threads.set_bounds(bounds);
            }
        }
        let machine = self.machine();
        self.deciders.machine(now, machine);
        Ok(())
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
        let shares_before = finite(&partition.entitlement);
        let rebound = effective(&partition.entitlement).cpus != effective(&entitlement).cpus;
        partition.entitlement = entitlement;
        self.set_cap(&mut partition, now);
        partition.throttled = false;
        if let Some(place) = self.partitions.get_mut(index) {
            *place = Some(partition);
        }
        self.throttled
            .remove(&mut self.throttled_nodes, u32::from(cid.0));
        self.record(Happening::Partition(cid, entitlement));
        self.weigh_unlimited(shares_before, finite(&entitlement), now);
        self.forget_shown(cid, now);
        if rebound {
            self.rebind(cid);
        }
        let claim = claim(&entitlement, self.unlimited, self.online_cpus());
        self.policy(now).change(now, cid, claim);
        self.show(cid, now);
        let mut wakeup = self.kick_those_running(cid);
        self.spread(None, now, &mut wakeup);
        Ok(wakeup)
    }

    /// The policy forgets the demand while figures that depend on the claim change.
    pub(crate) fn forget_shown(&mut self, cid: Cid, now: Ticks) {
        self.show_as(cid, Demand::default(), now);
    }

    fn kick_those_running(&mut self, cid: Cid) -> Wakeup {
        let mut wakeup = Wakeup::default();
        for (number, processor) in self.processors.iter_mut().enumerate() {
            if processor.turn == Some(cid) {
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
        let shares_before = finite(&partition.entitlement);
        self.end_turns_of(cid, now);
        self.forget_shown(cid, now);
        self.throttled
            .remove(&mut self.throttled_nodes, u32::from(cid.0));
        self.policy(now).detach(now, cid);
        for processor in &mut self.processors {
            if processor.owner == cid {
                processor.owner = Cid::GLOBAL;
            }
        }
        if let Some(place) = self.partitions.get_mut(usize::from(cid.0)) {
            *place = None;
        }
        self.record_unloaded(cid, account);
        self.gone.user += account.user;
        self.gone.system += account.system;
        self.weigh_unlimited(shares_before, None, now);
        Ok(account)
    }

    /// Unlimited shares weigh as the largest finite share: when that changes, all unlimited ones change. Walks
    /// over the partitions only when a partition's shares, which were `before` and are `after`, make it so.
    fn weigh_unlimited(&mut self, before: Option<u16>, after: Option<u16>, now: Ticks) {
        let raised = after.is_some_and(|shares| shares > self.unlimited);
        let lowered = before == Some(self.unlimited) && after != before;
        if !raised && !lowered {
            return;
        }
        let partitions = self.partitions.iter().flatten();
        let largest = partitions
            .filter_map(|partition| finite(&partition.entitlement))
            .max()
            .unwrap_or(1);
        if largest == self.unlimited {
            return;
        }
        let online = self.online_cpus();
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
                let before = claim(&entitlement, self.unlimited, online);
                let after = claim(&entitlement, largest, online);
                self.count_wanting(&shown, &before, false);
                self.policy(now).change(now, cid, after);
                self.count_wanting(&shown, &after, true);
            }
        }
        self.unlimited = largest;
    }

    /// How many of a partition's entities are runnable, those on a CPU included; zero when it is not loaded.
    #[must_use]
    pub fn runnable(&self, cid: Cid) -> u32 {
        self.partition(cid)
            .map_or(0, |partition| partition.waiting + partition.running)
    }

    /// Whether a partition is loaded.
    #[must_use]
    pub fn knows(&self, cid: Cid) -> bool {
        self.partition(cid).is_some()
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

/// The shares, where they count and are not unlimited.
fn finite(entitlement: &Entitlement) -> Option<u16> {
    effective(entitlement).shares
}

/// The CPUs on which the partition may run, of those that are online.
pub(crate) fn reach(entitlement: &Entitlement, online: CpuSet) -> CpuSet {
    match effective(entitlement).cpus.0 & online.0 {
        0 => online,
        some => CpuSet(some),
    }
}

/// An entitlement as the policy sees it: parts of a resource set are parts of all CPUs there.
pub(crate) fn claim(entitlement: &Entitlement, unlimited: u16, online: CpuSet) -> Claim {
    let cpus = reach(entitlement, online).count();
    let whole = online.count();
    let part = |part: BasisPoints, lean: usize| {
        BasisPoints(((usize::from(part.0) * cpus + lean) / whole) as u16)
    };
    let entitlement = effective(entitlement);
    let weight = entitlement.shares.unwrap_or(unlimited).max(1);
    if cpus == whole {
        return Claim {
            weight,
            minimum: entitlement.minimum,
            soft_maximum: entitlement.soft_maximum,
            hard_maximum: entitlement.hard_maximum,
            cpus: None,
        };
    }
    // The mechanism keeps the hard maximum exactly; to the policy it is a hint.
    Claim {
        weight,
        minimum: part(entitlement.minimum, 0),
        soft_maximum: part(entitlement.soft_maximum, whole - 1),
        hard_maximum: part(entitlement.hard_maximum, whole - 1),
        cpus: Some(cpus),
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
