//! What the policy knows of one partition.

use crate::bucket::Bucket;
use crate::minimum::Minimum;
use crate::policy::{Claim, Demand, Machine};
use crate::water::Class;
use abi::{BasisPoints, Ticks};

#[derive(Clone, Copy, Debug)]
pub(super) struct Partition {
    pub claim: Claim,
    pub demand: Demand,
    pub minimum: Minimum,
    /// Promised to CPUs and not used yet, in ticks.
    pub promised: u64,
    /// The soft maximum, where there is one that the hard one does not cover.
    pub soft: Option<Bucket>,
    /// Above its soft maximum.
    pub over: bool,
    pub class: Class,
    /// It gets all that it can use, and that is not what its threads but what its maximum lets it.
    pub capped: bool,
    /// Since when it waits and runs nowhere.
    pub waiting_since: Ticks,
}

impl Partition {
    /// One that wants nothing and has a right to nothing.
    pub const NONE: Partition = Partition {
        claim: Claim {
            weight: 1,
            minimum: BasisPoints(0),
            soft_maximum: BasisPoints::WHOLE,
            hard_maximum: BasisPoints::WHOLE,
            cpus: None,
        },
        demand: Demand {
            waiting: 0,
            running: 0,
            held: 0,
        },
        minimum: Minimum::NONE,
        promised: 0,
        soft: None,
        over: false,
        class: Class::Away,
        capped: false,
        waiting_since: Ticks(0),
    };

    /// What so many threads could use of so many CPUs, in ten-thousandths of a CPU.
    pub fn able(&self, threads: u64, cpus: u64) -> u64 {
        let within = self.claim.cpus.map_or(cpus, |cpus| cpus as u64);
        threads.min(within) * u64::from(BasisPoints::WHOLE.0)
    }

    /// What they can use of them below its soft maximum.
    pub fn usable(&self, threads: u64, cpus: u64) -> u64 {
        self.able(threads, cpus)
            .min(u64::from(self.claim.soft_maximum.0) * cpus)
    }

    /// Whether it gets all that its threads can use.
    pub fn is_full(&self) -> bool {
        self.class == Class::Full && !self.capped
    }

    /// Whether it has something waiting and is below its soft maximum.
    pub fn waits(&self) -> bool {
        self.demand.waiting > 0 && !self.over
    }

    /// Whether it has had less than what it has a right to; `planned`: also when it has had what is promised.
    ///
    /// How much a capped one may have is the mechanism's business.
    pub fn is_owed(&self, now: Ticks, planned: bool) -> bool {
        let promised = if planned { self.promised } else { 0 };
        let behind = || Minimum::is_owed(self.minimum.after(promised), now);
        self.minimum.exists() && !self.over && (self.capped || behind())
    }

    /// Whether what it lacks to its minimum is so much that the full wait, too.
    pub fn is_late(&self, now: Ticks, machine: &Machine) -> bool {
        !self.capped && self.minimum.is_late(self.promised, now, machine)
    }
}
