//! The default policy: what section 4 of the specification says about shares, minima and soft maxima.
//!
//! Three questions are asked in this order when a CPU is free:
//!
//! 1. **Minimum.** Is there a partition that has had less than its minimum? Each with a minimum has a clock
//!    that advances by its service divided by its minimum; while the clock is behind real time it is owed. Of
//!    those the one whose owed slice is due first is taken: with minima that sum to at most the machine this
//!    meets them all. What it gets from its shares counts, so a minimum is a floor and not an addition.
//! 2. **Shares.** Of the partitions below their soft maximum, the one that [`Group`] picks.
//! 3. **Rest.** The CPU would be idle: a partition above its soft maximum may have it.
//!
//! A soft maximum is a token bucket, as a hard one is, but its debt is forgiven beyond one slice: what was
//! taken from an idle machine need not be paid back.

use crate::bucket::Bucket;
use crate::fair::{Bounds, Group, Members};
use crate::policy::{Choice, Claim, Demand, Machine, Policy, Running};
use crate::tree::{Nodes, Tree};
use crate::{Cpu, Refusal};
use abi::{BasisPoints, Cid, Ticks};
use alloc::vec::Vec;

/// Virtual time of a minimum: 32 bits of fraction.
const FRACTION: u32 = 32;

#[derive(Clone, Copy, Debug)]
struct Partition {
    claim: Claim,
    demand: Demand,
    /// Clock of the minimum: service divided by the minimum, in ticks of real time with a fraction.
    floor_clock: i128,
    /// The soft maximum, where there is one.
    soft: Option<Bucket>,
    /// Above its soft maximum.
    over: bool,
}

/// The `wlm` policy.
#[derive(Debug)]
pub struct Wlm {
    machine: Machine,
    partitions: Vec<Partition>,
    members: Members,
    group: Group,
    /// Waiting partitions with a minimum, by their clock.
    floors: Tree,
    floor_nodes: Nodes,
    /// Waiting partitions above their soft maximum, by the time at which they are below again.
    over: Tree,
    over_nodes: Nodes,
    /// What each CPU promised to a challenger.
    promised: Vec<Option<Cid>>,
}

const NOTHING: Partition = Partition {
    claim: Claim {
        weight: 1,
        minimum: BasisPoints(0),
        soft_maximum: BasisPoints::WHOLE,
    },
    demand: Demand {
        waiting: 0,
        running: 0,
    },
    floor_clock: 0,
    soft: None,
    over: false,
};

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
            partitions: Vec::new(),
            members: Members::default(),
            group: Group::new(bounds(&machine)),
            floors: Tree::new(),
            floor_nodes: Nodes::default(),
            over: Tree::new(),
            over_nodes: Nodes::default(),
            promised: Vec::new(),
        }
    }

    fn at(&mut self, cid: Cid) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::from(cid.0))
    }

    /// Files a partition in the queues that its state says.
    fn file(&mut self, now: Ticks, cid: Cid) {
        let index = u32::from(cid.0);
        self.group.dequeue(&mut self.members, index);
        self.floors.remove(&mut self.floor_nodes, index);
        self.over.remove(&mut self.over_nodes, index);
        let Machine {
            cpus,
            slice,
            quantum,
            ..
        } = self.machine;
        let Some(partition) = self.partitions.get_mut(usize::from(cid.0)) else {
            return;
        };
        if partition.demand.waiting == 0 {
            return;
        }
        if partition.claim.minimum.0 > 0 {
            let span = floor_span(slice, partition.claim.minimum, cpus);
            let due = partition.floor_clock + span;
            self.floors
                .insert(&mut self.floor_nodes, index, partition.floor_clock, due);
        }
        match partition.soft.as_mut().filter(|_| partition.over) {
            Some(bucket) => {
                let wait = bucket.wait_for(quantum.0, 0).unwrap_or(u64::MAX);
                let back = i128::from(now.0.saturating_add(wait));
                self.over.insert(&mut self.over_nodes, index, back, 0);
            }
            None => self.group.enqueue(&mut self.members, index),
        }
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

    fn owed(&self, now: Ticks, cid: Cid) -> bool {
        self.partitions
            .get(usize::from(cid.0))
            .is_some_and(|partition| {
                partition.claim.minimum.0 > 0
                    && !partition.over
                    && partition.floor_clock <= instant(now)
            })
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

    fn apply(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        let Machine { cpus, quantum, .. } = self.machine;
        if let Some(partition) = self.at(cid) {
            let before = partition.claim.soft_maximum;
            partition.claim = claim;
            if claim.soft_maximum >= BasisPoints::WHOLE {
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
    }
}

impl Default for Wlm {
    fn default() -> Self {
        Self::new()
    }
}

fn bounds(machine: &Machine) -> Bounds {
    let longest = machine.longest_slice.0;
    Bounds {
        slice: machine.slice.0,
        credit: longest,
        limit: longest.saturating_mul(8),
    }
}

fn instant(now: Ticks) -> i128 {
    i128::from(now.0) << FRACTION
}

/// Real time that `ran` ticks of service are worth at a minimum of `part`.
fn floor_span(ran: Ticks, part: BasisPoints, cpus: usize) -> i128 {
    let rate = i128::from(part.0).max(1) * i128::try_from(cpus).unwrap_or(1).max(1);
    (i128::from(ran.0) << FRACTION) * i128::from(BasisPoints::WHOLE.0) / rate
}

impl Policy for Wlm {
    fn name(&self) -> &'static str {
        "wlm"
    }

    fn reserve(&mut self, cids: usize) -> Result<(), Refusal> {
        self.members.reserve(cids)?;
        self.floor_nodes.reserve(cids)?;
        self.over_nodes.reserve(cids)?;
        let more = cids.saturating_sub(self.partitions.len());
        self.partitions
            .try_reserve(more)
            .map_err(|_| Refusal::Full)?;
        self.partitions
            .resize(self.partitions.len() + more, NOTHING);
        if self.promised.is_empty() {
            self.promised
                .try_reserve(crate::CpuSet::LIMIT)
                .map_err(|_| Refusal::Full)?;
            self.promised.resize(crate::CpuSet::LIMIT, None);
        }
        Ok(())
    }

    fn machine(&mut self, _: Ticks, machine: Machine) {
        self.machine = machine;
        self.group.set_bounds(bounds(&machine));
        for partition in &mut self.partitions {
            if let Some(bucket) = partition.soft.as_mut() {
                bucket.set_rate(partition.claim.soft_maximum, machine.cpus);
            }
        }
    }

    fn attach(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        if let Some(partition) = self.at(cid) {
            *partition = Partition {
                floor_clock: instant(now),
                ..NOTHING
            };
        }
        self.group
            .introduce(&mut self.members, u32::from(cid.0), u32::from(claim.weight));
        self.apply(now, cid, claim);
    }

    fn change(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        self.apply(now, cid, claim);
        self.group
            .reweigh(&mut self.members, u32::from(cid.0), u32::from(claim.weight));
        self.file(now, cid);
    }

    fn detach(&mut self, now: Ticks, cid: Cid) {
        self.demand(now, cid, Demand::default());
    }

    fn demand(&mut self, now: Ticks, cid: Cid, demand: Demand) {
        let index = u32::from(cid.0);
        let (ceiling, quantum) = (self.machine.longest_slice.0, self.machine.quantum.0);
        let Some(partition) = self.at(cid) else {
            return;
        };
        let before = partition.demand;
        partition.demand = demand;
        if before == Demand::default() && demand != before {
            // Nothing is owed for the time in which nothing was wanted.
            partition.floor_clock = partition.floor_clock.max(instant(now));
            if let Some(bucket) = partition.soft.as_mut() {
                bucket.fill(now, ceiling);
                bucket.spill(quantum);
            }
            self.group.activate(&mut self.members, index);
        } else if demand == Demand::default() {
            self.group.deactivate(&mut self.members, index);
        }
        if (before.waiting > 0) != (demand.waiting > 0) {
            self.file(now, cid);
        }
    }

    fn charge(&mut self, now: Ticks, cid: Cid, ran: Ticks) {
        let Machine {
            cpus,
            slice,
            longest_slice,
            ..
        } = self.machine;
        let Some(partition) = self.at(cid) else {
            return;
        };
        let minimum = partition.claim.minimum;
        let mut carried = false;
        if minimum.0 > 0 {
            // More than the minimum today is no reason for less tomorrow; but what all CPUs may have given it
            // at once, before any of that was charged, counts.
            let ahead = instant(now) + floor_span(slice, minimum, 1);
            let clock = partition.floor_clock + floor_span(ran, minimum, cpus);
            carried = clock < ahead;
            partition.floor_clock = clock.min(ahead);
        }
        if let Some(bucket) = partition.soft.as_mut() {
            bucket.fill(now, longest_slice.0);
            bucket.take(ran.0);
            bucket.forgive(longest_slice.0);
            partition.over |= bucket.level() <= 0;
        }
        let refile = minimum.0 > 0 || partition.soft.is_some();
        self.group
            .charge(&mut self.members, u32::from(cid.0), ran.0, carried);
        if refile {
            self.file(now, cid);
        }
    }

    fn pick(&mut self, now: Ticks, cpu: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        self.release(now);
        let allowed = |index: u32| may(Cid(index as u16));
        let promised = self
            .promised
            .get_mut(usize::from(cpu.0))
            .and_then(Option::take);
        let chosen = promised
            .map(|cid| u32::from(cid.0))
            .filter(|&index| self.members.queued(index) && allowed(index))
            .or_else(|| {
                let owed = |index: u32| allowed(index) && self.members.queued(index);
                self.floors
                    .least_rank(&self.floor_nodes, &|clock| clock <= instant(now), &owed)
            })
            .or_else(|| self.group.pick(&self.members, &allowed))
            .or_else(|| self.over.first_that(&self.over_nodes, &allowed))?;
        let cid = Cid(chosen as u16);
        Some(Choice {
            cid,
            slice: self.slice(cid),
        })
    }

    fn overtakes(&mut self, now: Ticks, challenger: Cid, running: Running) -> Option<Ticks> {
        let (new, old) = (u32::from(challenger.0), u32::from(running.cid.0));
        if !self.members.queued(new) {
            return None;
        }
        let over = self
            .partitions
            .get(old as usize)
            .is_some_and(|partition| partition.over);
        let after = if over || (self.owed(now, challenger) && !self.owed(now, running.cid)) {
            Some(0)
        } else {
            self.group.overtakes(&self.members, new, old)
        };
        if let (Some(_), Some(promised)) =
            (after, self.promised.get_mut(usize::from(running.cpu.0)))
        {
            *promised = Some(challenger);
        }
        after.map(Ticks)
    }
}
