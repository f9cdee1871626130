//! The default policy: what section 4 of the specification says about shares, minima and soft maxima.
//!
//! [`Water`] knows whose part comes from the weights and whose does not. When a CPU is free, these are asked in order:
//!
//! 1. **Late.** Is there a partition that lacks so much to its minimum as it can only where threads are bound to CPUs?
//! 2. **Full.** Who gets all that its threads can use, because its weight is worth more (one thread, several CPUs) or its
//!    minimum is, goes next: it can make up for nothing later. Together the full leave what minima need.
//!    So does who is in the pool, is to have at least half of what it can use, and lacks a slice.
//! 3. **Minimum.** Is there a partition that has had less than its minimum ([`Minimum`])? What it gets from its shares
//!    counts, so a minimum is a floor and not an addition. Who gets all that its *maximum* lets it have is served with
//!    these, as if that were its minimum: it has more threads than it can use at a time, and can make up for a while.
//! 4. **Shares.** Of the pool, and below their soft maximum, the one that [`Group`] picks.
//! 5. **Rest.** The CPU would be idle: who has its minimum already, or is above its soft maximum, may have it.
//!
//! A member of the pool that is kept waiting for several times as long as its weight says, because threads of those who come
//! first crowd where it may run, goes before them all.
//!
//! Where any partition has a resource set the water cannot tell who is full. Then the weights rule for all, and each CPU
//! goes to the one whose virtual time is least: who crowd in one place fall behind together, who have a place to
//! themselves run ahead, and what each gets is its max-min part ([`Group::contract`]).
//!
//! CPUs decide one after the other while what they run is not charged yet. So a slice is charged when it is
//! *promised*, and what was not used of it is given back: decisions of many CPUs come out as if one fast CPU had
//! made them all, and a partition's service is within about two slices of the ideal, whatever the number of CPUs.
//!
//! A soft maximum below the hard one is a token bucket, whose debt is forgiven beyond one slice: what was
//! taken from an idle machine need not be paid back.

mod partition;

use self::partition::Partition;
use crate::bucket::Bucket;
use crate::fair::{Bounds, Group, Members};
use crate::minimum::{self, Minimum};
use crate::policy::{Choice, Claim, Demand, Machine, Policy, Running};
use crate::table::Table;
use crate::tree::{ANYWHERE, Nodes, Tree};
use crate::water::{Class, Want, Water};
use crate::{Cpu, Refusal};
use abi::{BasisPoints, Cid, Ticks};
use alloc::vec::Vec;

/// How many classes change at one event at most; the rest is left to the next.
const STEPS: usize = 64;

/// Who is to have all but this part of what its threads can use is served before those who come by deadline. On several CPUs
/// deadlines alone fail one that must run more than half of the time (Srinivasan and Baruah, "Deadline-based scheduling of
/// periodic task systems on multiprocessors", Information Processing Letters 84, 2002).
const TIGHT: u64 = 2;

/// How many slices the pool may lack before its members that hardly make up for what they wait go before others; how many of
/// those it lacks and of those it has had beyond its part are remembered.
const PATIENCE: u64 = 1;
const CREDIT: u64 = 2;
const DEBT: u64 = 4;

/// What a CPU is to give, and has been charged for already.
#[derive(Clone, Copy, Debug)]
struct Promise {
    cid: Cid,
    left: u64,
    /// The group has been charged, and not only the clock of the minimum.
    weighed: bool,
}

/// The `wlm` policy.
#[derive(Debug)]
pub struct Wlm {
    machine: Machine,
    partitions: Table<Partition>,
    water: Water,
    members: Members,
    group: Group,
    /// Waiting partitions that are full, in the order in which they came.
    full: Tree,
    full_nodes: Nodes,
    turn: i128,
    /// Waiting partitions with a minimum, by their clock.
    floors: Tree,
    floor_nodes: Nodes,
    /// Waiting partitions above their soft maximum, by the time at which they are below again.
    over: Tree,
    over_nodes: Nodes,
    /// What the water has left to the pool and the pool has not had; what is promised counts as had.
    credit: Bucket,
    /// What runs on each CPU.
    promises: Vec<Option<Promise>>,
    /// What the group has been charged of all promises and not used yet.
    ahead: u64,
    /// Who has been picked and was the only one of it to wait: it is in no queue of the group until its demand is told.
    picked: Option<Cid>,
    /// To which challenger each CPU goes next.
    challengers: Vec<Option<Cid>>,
    /// How many partitions have a resource set of their own.
    confined: usize,
    /// Chance, for what is not to happen in step with anything.
    draws: u32,
}

impl Wlm {
    /// A policy that knows no partition yet.
    #[must_use]
    pub fn new() -> Self {
        let machine = Machine {
            cpus: 1,
            slice: Ticks(1),
            longest_slice: Ticks(1),
            quantum: Ticks(1),
        };
        Self {
            machine,
            partitions: Table::new(),
            water: Water::new(),
            members: Members::default(),
            group: Group::new(bounds(&machine, false)),
            full: Tree::new(),
            full_nodes: Nodes::default(),
            turn: 0,
            floors: Tree::new(),
            floor_nodes: Nodes::default(),
            over: Tree::new(),
            over_nodes: Nodes::default(),
            credit: Bucket::new(BasisPoints(0), 1, 0, Ticks(0)),
            promises: Vec::new(),
            ahead: 0,
            picked: None,
            challengers: Vec::new(),
            confined: 0,
            draws: 1,
        }
    }

    fn get(&self, cid: Cid) -> Option<&Partition> {
        self.partitions.get(usize::from(cid.0))
    }

    fn at(&mut self, cid: Cid) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::from(cid.0))
    }

    /// Files a partition in the queues that its state says.
    fn file(&mut self, now: Ticks, cid: Cid) {
        let index = u32::from(cid.0);
        self.group.dequeue(&mut self.members, index);
        self.full.remove(&mut self.full_nodes, index);
        self.floors.remove(&mut self.floor_nodes, index);
        self.over.remove(&mut self.over_nodes, index);
        let quantum = self.machine.quantum;
        let Some(partition) = self.partitions.get_mut(usize::from(cid.0)) else {
            return;
        };
        if partition.demand.waiting == 0 {
            return;
        }
        if let Some(bucket) = partition.soft.as_ref().filter(|_| partition.over) {
            let wait = bucket.wait_for(quantum.0, 0).unwrap_or(u64::MAX);
            let back = i128::from(now.0.saturating_add(wait));
            self.over.insert(&mut self.over_nodes, index, back, 0);
            return;
        }
        let class = partition.class;
        if partition.minimum.exists() {
            let clock = partition.minimum.after(partition.promised);
            let due = partition.minimum.due(clock, &self.machine);
            let owed_from = if partition.capped { i128::MIN } else { clock };
            self.floors
                .insert(&mut self.floor_nodes, index, owed_from, due);
        }
        match class {
            Class::Pool => self.group.enqueue(&mut self.members, index),
            Class::Full if !partition.capped => {
                self.turn += 1;
                self.full.insert(&mut self.full_nodes, index, self.turn, 0);
            }
            Class::Full | Class::Floor | Class::Away => {}
        }
    }

    /// How many threads want a CPU, those included that a hard maximum holds back for now: what they cannot use then
    /// they use later, and others divide what the maximum leaves, not the whole at one time and less at another.
    ///
    /// Where the weights rule for all, one that is held back would only fall behind.
    fn wanting(&self, demand: Demand) -> u64 {
        let held = if self.confined > 0 { 0 } else { demand.held };
        u64::from(demand.waiting) + u64::from(demand.running) + u64::from(held)
    }

    /// Tells the water what the partition wants now, and gives everyone the class that follows.
    fn classify(&mut self, now: Ticks, cid: Cid) {
        let index = u32::from(cid.0);
        let cpus = self.machine.cpus as u64;
        let Some(partition) = self.get(cid) else {
            return;
        };
        let least = minimum::rate(&partition.claim, &self.machine);
        let weight = partition.claim.weight;
        let wanting = self.wanting(partition.demand);
        let usable = partition.usable(wanting, cpus);
        let most = if self.confined > 0 {
            // The water does not know where. So it lets the weights rule for all, and on each CPU the one whose
            // virtual time is least comes first.
            cpus * u64::from(BasisPoints::WHOLE.0)
        } else {
            usable
        };
        if wanting == 0 {
            self.water.clear(index);
        } else {
            let want = Want {
                weight: u32::from(weight),
                least: least.min(usable),
                most,
            };
            self.water.set(index, want);
        }
        self.adopt(now, cid);
        for _ in 0..STEPS {
            let Some(index) = self.water.step() else {
                break;
            };
            self.adopt(now, Cid(index as u16));
        }
        self.earn(now);
        if self.group.is_empty() {
            // Nothing is owed for the time in which nothing was wanted.
            self.credit.spill(0);
            self.credit.set_fill(0);
        } else {
            self.credit.set_fill(self.water.rest());
        }
    }

    /// Brings the pool's credit up to date.
    fn earn(&mut self, now: Ticks) {
        let slice = self.machine.longest_slice.0;
        self.credit.fill(now, slice * CREDIT);
        self.credit.forgive(slice * DEBT);
    }

    /// Makes a partition's class the one that the water has for it.
    fn adopt(&mut self, now: Ticks, cid: Cid) {
        let index = u32::from(cid.0);
        let class = self.water.class(index);
        let Some(partition) = self.at(cid) else {
            return;
        };
        let before = core::mem::replace(&mut partition.class, class);
        if before == class {
            self.set_pace(now, cid);
            return;
        }
        if before == Class::Pool {
            self.weigh_promises(cid, false);
        }
        let (group, members, ahead) = (&mut self.group, &mut self.members, self.ahead);
        match class {
            Class::Pool => group.activate(members, index, ahead),
            Class::Full | Class::Floor => group.step_aside(members, index, ahead),
            Class::Away => group.deactivate(members, index, ahead),
        }
        if class == Class::Pool {
            self.weigh_promises(cid, true);
        }
        self.set_pace(now, cid);
        self.file(now, cid);
    }

    /// Serves what the partition has a right to by the clock at the rate that follows from its class: its minimum as far
    /// as it can use it, or its maximum where it gets all of that.
    fn set_pace(&mut self, now: Ticks, cid: Cid) {
        let machine = self.machine;
        let Some(partition) = self.get(cid) else {
            return;
        };
        let wanting = self.wanting(partition.demand);
        if wanting == 0 {
            return;
        }
        let usable = partition.usable(wanting, machine.cpus as u64);
        let capped =
            partition.class == Class::Full && usable < partition.able(wanting, machine.cpus as u64);
        let rate = if capped {
            usable
        } else {
            minimum::rate(&partition.claim, &machine).min(usable)
        };
        let Some(partition) = self.at(cid) else {
            return;
        };
        let was = core::mem::replace(&mut partition.capped, capped);
        if partition.minimum.set_rate(rate) || was != capped {
            self.file(now, cid);
        }
    }

    /// What CPUs have promised the partition goes by its weight from now on, or no longer does.
    fn weigh_promises(&mut self, cid: Cid, weighed: bool) {
        if self.get(cid).is_none_or(|it| it.promised == 0) {
            return;
        }
        let changes = |promise: &&mut Promise| promise.cid == cid && promise.weighed != weighed;
        let mut left = 0;
        for promise in self.promises.iter_mut().flatten().filter(changes) {
            promise.weighed = weighed;
            left += promise.left;
        }
        if left > 0 && weighed {
            self.weigh(cid, left);
        } else if left > 0 {
            self.unweigh(cid, left);
        }
    }

    /// Charges the group what a CPU is going to give.
    fn weigh(&mut self, cid: Cid, ticks: u64) {
        self.ahead += ticks;
        self.credit.take(ticks);
        self.group
            .charge(&mut self.members, u32::from(cid.0), ticks);
    }

    /// Takes that back.
    fn unweigh(&mut self, cid: Cid, ticks: u64) {
        self.ahead = self.ahead.saturating_sub(ticks);
        self.credit.give(ticks);
        self.group
            .refund(&mut self.members, u32::from(cid.0), ticks);
    }

    /// Serves the minimum at this rate from now on.
    fn set_rate(&mut self, now: Ticks, cid: Cid, rate: u64) {
        if self.at(cid).is_some_and(|it| it.minimum.set_rate(rate)) {
            self.file(now, cid);
        }
    }

    /// Whether the partition has a minimum.
    fn has_minimum(&self, cid: Cid) -> bool {
        self.get(cid).is_some_and(|it| it.minimum.exists())
    }

    /// Lets those go on that are below their soft maximum again.
    fn release(&mut self, now: Ticks) {
        while let Some((index, back)) = self.over.first(&self.over_nodes) {
            if back > i128::from(now.0) {
                return;
            }
            let cid = Cid(index as u16);
            let ceiling = self.machine.longest_slice.0;
            if let Some(partition) = self.at(cid) {
                partition.over = false;
                if let Some(bucket) = partition.soft.as_mut() {
                    bucket.fill(now, ceiling);
                }
            }
            self.file(now, cid);
        }
    }

    fn owed(&self, now: Ticks, cid: Cid, planned: bool) -> bool {
        self.get(cid).is_some_and(|it| it.is_owed(now, planned))
    }

    fn late(&self, now: Ticks, cid: Cid) -> bool {
        self.get(cid)
            .is_some_and(|it| it.is_late(now, &self.machine))
    }

    fn waits(&self, cid: Cid) -> bool {
        self.get(cid).is_some_and(Partition::waits)
    }

    /// Charges what a CPU is going to give.
    fn promise(&mut self, now: Ticks, cpu: Cpu, cid: Cid, ticks: u64) {
        let Some(partition) = self.at(cid) else {
            return;
        };
        partition.promised += ticks;
        let class = partition.class;
        let weighed = class == Class::Pool;
        if partition.demand.waiting <= 1 {
            // Mostly nobody of it waits any more.
            self.picked = Some(cid);
            self.group.dequeue(&mut self.members, u32::from(cid.0));
        }
        if weighed {
            self.weigh(cid, ticks);
        }
        if let Some(place) = self.promises.get_mut(usize::from(cpu.0)) {
            *place = Some(Promise {
                cid,
                left: ticks,
                weighed,
            });
        }
        // Of the full that wait in one place, each is served in its turn, however many threads it has there.
        if class == Class::Full || self.has_minimum(cid) {
            self.file(now, cid);
        }
    }

    /// Gives back what a CPU has promised and not given.
    fn give_back(&mut self, now: Ticks, cpu: Cpu) {
        let promise = self
            .promises
            .get_mut(usize::from(cpu.0))
            .and_then(Option::take);
        let Some(Promise { cid, left, weighed }) = promise else {
            return;
        };
        if left == 0 {
            return;
        }
        if let Some(partition) = self.at(cid) {
            partition.promised = partition.promised.saturating_sub(left);
        }
        if weighed {
            self.unweigh(cid, left);
        }
        if self.has_minimum(cid) {
            self.file(now, cid);
        }
    }

    /// How much of `ran` on this CPU was promised, and so charged.
    fn absorb(&mut self, cpu: Cpu, cid: Cid, ran: u64) -> u64 {
        let promise = self
            .promises
            .get_mut(usize::from(cpu.0))
            .and_then(Option::as_mut)
            .filter(|promise| promise.cid == cid);
        let Some(promise) = promise else {
            return 0;
        };
        let absorbed = promise.left.min(ran);
        promise.left -= absorbed;
        if promise.weighed {
            self.ahead = self.ahead.saturating_sub(absorbed);
        }
        if let Some(partition) = self.at(cid) {
            partition.promised = partition.promised.saturating_sub(absorbed);
        }
        absorbed
    }

    /// For how long a partition may go on: a slice, or what is left below its soft maximum.
    fn slice(&self, cid: Cid) -> Ticks {
        let Machine { slice, quantum, .. } = self.machine;
        match self
            .partitions
            .get(usize::from(cid.0))
            .and_then(|partition| partition.soft.as_ref())
        {
            Some(bucket) => Ticks(bucket.lasts(0, slice.0).max(quantum.0)),
            None => slice,
        }
    }

    /// Notes that a partition's claim is another, or none; where that is the first with a resource set or the last, all classes
    /// change.
    fn confine(&mut self, now: Ticks, before: Option<usize>, after: Option<usize>) {
        let was = self.confined > 0;
        self.confined += usize::from(after.is_some());
        self.confined = self.confined.saturating_sub(usize::from(before.is_some()));
        if was == (self.confined > 0) {
            return;
        }
        self.group.set_bounds(bounds(&self.machine, !was));
        for number in 0..self.partitions.len() {
            let cid = Cid(number as u16);
            if self
                .get(cid)
                .is_some_and(|it| it.demand != Demand::default())
            {
                self.classify(now, cid);
            }
        }
    }

    /// Whether a member of the pool waits for far longer than the weights say. It is not the weights then that keep it
    /// waiting but threads of others who are served first, and crowd where it may run.
    fn overdue(&self, now: Ticks, index: u32) -> bool {
        let Some(partition) = self.partitions.get(index as usize) else {
            return false;
        };
        let rate = self.water.rate(u32::from(partition.claim.weight));
        let due = u128::from(self.machine.longest_slice.0) * 2 * u128::from(BasisPoints::WHOLE.0);
        let waited = now.saturating_sub(partition.waiting_since).0;
        partition.demand.running == 0 && u128::from(waited) * u128::from(rate) > due
    }

    /// Whether a member of the pool is to have so much of what its threads can use that it hardly makes up for what it waits,
    /// and lacks something of its part already.
    fn is_pressed(&self, index: u32) -> bool {
        let Some(partition) = self.partitions.get(index as usize) else {
            return false;
        };
        let wanting = self.wanting(partition.demand);
        let usable = partition.usable(wanting, self.machine.cpus as u64);
        let weight = u32::from(partition.claim.weight);
        if self.confined > 0 || !self.water.gives(weight, usable - usable / TIGHT) {
            return false;
        }
        let lacks = self.credit.level() - i128::from(self.machine.longest_slice.0 * PATIENCE);
        self.group.is_behind(&self.members, index, lacks)
    }

    /// Brings all members of the group nearer to their average, where one has gone too far: not always at once, or the one
    /// that happens to be charged then would always be the same.
    fn contract(&mut self) {
        // Knuth, "The Art of Computer Programming", volume 2, 3.3.4, table 1.
        self.draws = self
            .draws
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        if self.draws >> 29 != 0 || !self.group.take_stretched() {
            return;
        }
        let average = self.group.time();
        for number in 0..self.partitions.len() {
            let cid = Cid(number as u16);
            if self.get(cid).is_some_and(|it| it.class == Class::Pool) {
                self.group
                    .contract(&mut self.members, u32::from(cid.0), average);
            }
        }
    }

    fn apply(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        let Machine { cpus, quantum, .. } = self.machine;
        let former = self.get(cid).and_then(|it| it.claim.cpus);
        if let Some(partition) = self.at(cid) {
            let before = partition.claim.soft_maximum;
            partition.claim = claim;
            if claim.soft_maximum >= claim.hard_maximum {
                partition.soft = None;
                partition.over = false;
            } else if before != claim.soft_maximum || partition.soft.is_none() {
                let level = if claim.soft_maximum.0 == 0 {
                    0
                } else {
                    quantum.0
                };
                partition.soft = Some(Bucket::new(claim.soft_maximum, cpus, level, now));
                partition.over = claim.soft_maximum.0 == 0;
            }
        }
        self.set_rate(now, cid, minimum::rate(&claim, &self.machine));
        self.confine(now, former, claim.cpus);
    }
}

impl Default for Wlm {
    fn default() -> Self {
        Self::new()
    }
}

fn bounds(machine: &Machine, confined: bool) -> Bounds {
    let longest = machine.longest_slice.0;
    Bounds {
        slice: machine.slice.0,
        credit: longest,
        debt: longest.saturating_mul(8),
        // The water knows who can use how much, but not where: whose CPUs are wanted by others gets less.
        limit: (!confined).then(|| longest.saturating_mul(8)),
        stretch: confined.then(|| longest.saturating_mul(16)),
    }
}

impl Policy for Wlm {
    fn name(&self) -> &'static str {
        "wlm"
    }

    fn reserve(&mut self, cids: usize) -> Result<(), Refusal> {
        self.members.reserve(cids)?;
        self.water.reserve(cids)?;
        self.full_nodes.reserve(cids)?;
        self.floor_nodes.reserve(cids)?;
        self.over_nodes.reserve(cids)?;
        self.partitions.reserve(cids, |_| Partition::NONE)?;
        let more = crate::CpuSet::LIMIT.saturating_sub(self.promises.len());
        self.promises.try_reserve(more).map_err(|_| Refusal::Full)?;
        self.promises.resize(self.promises.len() + more, None);
        let more = crate::CpuSet::LIMIT.saturating_sub(self.challengers.len());
        self.challengers
            .try_reserve(more)
            .map_err(|_| Refusal::Full)?;
        self.challengers.resize(self.challengers.len() + more, None);
        Ok(())
    }

    fn machine(&mut self, now: Ticks, machine: Machine) {
        self.machine = machine;
        self.group.set_bounds(bounds(&machine, self.confined > 0));
        let capacity = u64::from(BasisPoints::WHOLE.0) * machine.cpus as u64;
        self.water.set_capacity(capacity);
        for number in 0..self.partitions.len() {
            let cid = Cid(number as u16);
            let claim = self.get(cid).map_or(Partition::NONE.claim, |it| it.claim);
            if let Some(bucket) = self.at(cid).and_then(|it| it.soft.as_mut()) {
                bucket.set_rate(claim.soft_maximum, machine.cpus);
            }
            self.set_rate(now, cid, minimum::rate(&claim, &self.machine));
            // Percentages are of the new machine.
            self.water.clear(u32::from(cid.0));
            self.classify(now, cid);
        }
    }

    fn attach(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        if let Some(partition) = self.at(cid) {
            *partition = Partition::NONE;
            partition.minimum.begin(now);
        }
        self.group
            .introduce(&mut self.members, u32::from(cid.0), u32::from(claim.weight));
        self.apply(now, cid, claim);
    }

    fn change(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        self.apply(now, cid, claim);
        self.group
            .reweigh(&mut self.members, u32::from(cid.0), u32::from(claim.weight));
        self.classify(now, cid);
        self.file(now, cid);
    }

    fn detach(&mut self, now: Ticks, cid: Cid) {
        self.demand(now, cid, Demand::default());
        let claim = self
            .at(cid)
            .map(|it| core::mem::replace(&mut it.claim, Partition::NONE.claim));
        self.confine(now, claim.and_then(|it| it.cpus), None);
    }

    fn demand(&mut self, now: Ticks, cid: Cid, demand: Demand) {
        let (ceiling, quantum) = (self.machine.longest_slice.0, self.machine.quantum.0);
        let picked = self.picked.take_if(|picked| *picked == cid).is_some();
        let Some(partition) = self.at(cid) else {
            return;
        };
        let before = core::mem::replace(&mut partition.demand, demand);
        if (before.waiting == 0 || before.running > 0) && demand.running == 0 {
            partition.waiting_since = now;
        }
        if before == Demand::default() && demand != before {
            // Nothing is owed for the time in which nothing was wanted.
            partition.minimum.begin(now);
            if let Some(bucket) = partition.soft.as_mut() {
                bucket.fill(now, ceiling);
                bucket.spill(quantum);
            }
        }
        if let Some(bucket) = self.at(cid).and_then(|it| it.soft.as_mut()) {
            bucket.spill(ceiling);
        }
        // More threads than CPUs can use no more than as many as CPUs.
        let cpus = self.machine.cpus as u64;
        let usable = |it: Demand| self.wanting(it).min(cpus);
        if usable(before) != usable(demand) {
            self.classify(now, cid);
        }
        if picked || (before.waiting > 0) != (demand.waiting > 0) {
            self.file(now, cid);
        }
    }

    fn charge(&mut self, now: Ticks, cpu: Cpu, cid: Cid, ran: Ticks) {
        let longest_slice = self.machine.longest_slice;
        let beyond = ran.0 - self.absorb(cpu, cid, ran.0);
        let mut refile = false;
        let machine = self.machine;
        if let Some(partition) = self.at(cid).filter(|it| it.minimum.exists()) {
            let ahead = if partition.capped { 0 } else { machine.slice.0 };
            refile = partition.minimum.charge(ran.0, now, ahead, &machine) || beyond > 0;
        }
        let Some(partition) = self.at(cid) else {
            return;
        };
        if let Some(bucket) = partition.soft.as_mut() {
            // What is above its brim is spilled when all CPUs have been charged.
            bucket.fill(now, u64::MAX);
            bucket.take(ran.0);
            bucket.forgive(longest_slice.0);
            partition.over |= bucket.level() <= 0;
            refile |= partition.over;
        }
        let class = partition.class;
        if class == Class::Pool {
            self.credit.take(beyond);
        }
        if matches!(class, Class::Pool | Class::Away) && beyond > 0 {
            self.group
                .charge(&mut self.members, u32::from(cid.0), beyond);
        }
        if refile {
            self.file(now, cid);
        }
    }

    fn stopped(&mut self, now: Ticks, cpu: Cpu) {
        self.give_back(now, cpu);
    }

    fn pick(&mut self, now: Ticks, cpu: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        if let Some(cid) = self.picked.take() {
            self.file(now, cid);
        }
        self.give_back(now, cpu);
        self.release(now);
        self.earn(now);
        let allowed = |index: u32| may(Cid(index as u16));
        let challenger = self
            .challengers
            .get_mut(usize::from(cpu.0))
            .and_then(Option::take)
            .filter(|&cid| self.waits(cid) && may(cid));
        let due = |clock: i128| Minimum::is_owed(clock, now);
        let owed = self
            .floors
            .least_rank(&self.floor_nodes, ANYWHERE, &due, &allowed);
        let next = self.group.pick(&self.members, ANYWHERE, &allowed);
        let first = challenger
            .map(|cid| u32::from(cid.0))
            .or_else(|| owed.filter(|&index| self.late(now, Cid(index as u16))))
            .or_else(|| self.full.first_that(&self.full_nodes, &allowed))
            .or_else(|| next.filter(|&index| self.is_pressed(index)))
            .or(owed);
        let chosen = next
            .filter(|&index| first.is_none() || self.overdue(now, index))
            .or(first)
            .or_else(|| self.floors.first_that(&self.floor_nodes, &allowed))
            .or_else(|| self.over.first_that(&self.over_nodes, &allowed))?;
        let cid = Cid(chosen as u16);
        let by_minimum = |it: &&Partition| owed == Some(chosen) && !it.capped;
        let slice = match self.get(cid).filter(by_minimum) {
            Some(it) => self.slice(cid).min(it.minimum.instalment(&self.machine)),
            None => self.slice(cid),
        };
        self.promise(now, cpu, cid, slice.0);
        self.contract();
        Some(Choice { cid, slice })
    }

    fn overtakes(&mut self, now: Ticks, challenger: Cid, running: Running) -> Option<Ticks> {
        if !self.waits(challenger) {
            return None;
        }
        let old = *self.get(running.cid)?;
        let owed = self.owed(now, challenger, true)
            && !self.owed(now, running.cid, false)
            && (!old.is_full() || self.late(now, challenger));
        let new = self.get(challenger)?;
        let after = if old.over || owed {
            Some(0)
        } else if new.is_full() && !old.is_full() {
            // Rather than one that is owed its minimum, another one gives way.
            let spared = self.owed(now, running.cid, false);
            Some(if spared { self.machine.quantum.0 } else { 0 })
        } else if new.class == Class::Pool && old.class == Class::Pool {
            let (new, old) = (u32::from(challenger.0), u32::from(running.cid.0));
            let promise = self.promises.get(usize::from(running.cpu.0));
            let ahead = promise.copied().flatten().map_or(0, |promise| promise.left);
            self.group.overtakes(&self.members, new, old, ahead)
        } else {
            None
        };
        if let (Some(_), Some(place)) =
            (after, self.challengers.get_mut(usize::from(running.cpu.0)))
        {
            *place = Some(challenger);
        }
        after.map(Ticks)
    }
}
