//! Earliest deadline first over partitions: budgets in every period, for periodic work.
//!
//! A partition with a minimum is a *constant-bandwidth server* (Abeni and Buttazzo, "Integrating Multimedia
//! Applications in Hard Real-Time Systems", 1998): in every period of 10 ms it has a budget, its minimum's part of
//! the period and of all CPUs. Of the servers with budget the one whose period ends first runs. One that has spent
//! its budget waits for its next period in the *background*, with those that have no minimum; they take turns on
//! what the servers leave. One that wakes keeps its budget and deadline only if that gives it no more than its part
//! from now on, else a new period begins.
//!
//! **Admission**: budgets that together are more than the machine would all be missed. A minimum that does not fit
//! beside those admitted before is not served as one (its partition is in the background) until there is room. On
//! one CPU every admitted budget is met by its deadline (Liu and Layland, 1973), up to one slice of delay; on
//! several, late by at most a slice a CPU more (Devi and Anderson, "Tardiness Bounds under Global EDF", 2005).
//!
//! Shares and soft maxima are not looked at.

use crate::policy::{Choice, Claim, Demand, Machine, Policy, Running};
use crate::table::Table;
use crate::tree::{Nodes, Tree};
use crate::{Cpu, CpuSet, Refusal};
use abi::{BasisPoints, Cid, Ticks};

/// A period in slices of the machine: 10 ms of 2 ms each.
const SLICES: u64 = 5;

#[derive(Clone, Copy, Debug)]
struct Server {
    minimum: BasisPoints,
    admitted: bool,
    demand: Demand,
    /// Ticks left in this period; negative is debt.
    budget: i64,
    /// The end of the period.
    deadline: Ticks,
}

const NOTHING: Server = Server {
    minimum: BasisPoints(0),
    admitted: false,
    demand: Demand {
        waiting: 0,
        running: 0,
        held: 0,
    },
    budget: 0,
    deadline: Ticks(0),
};

/// The `edf` policy.
#[derive(Debug)]
pub struct Edf {
    servers: Table<Server>,
    ready_nodes: Nodes,
    /// Waiting with budget, by deadline.
    ready: Tree,
    background_nodes: Nodes,
    /// Waiting without, in turn.
    background: Tree,
    turn: i128,
    refill_nodes: Nodes,
    /// Waiting and admitted without budget, by the time of the next one.
    spent: Tree,
    refused_nodes: Nodes,
    /// Minima that did not fit, the lowest cid first.
    refused: Tree,
    /// Sum of the minima admitted, in hundredths of a percent.
    admitted: u32,
    /// What each CPU runs at the cost of a budget.
    by_budget: [Option<Cid>; CpuSet::LIMIT],
    slice: u64,
    cpus: u64,
}

impl Edf {
    /// A policy that knows no partition yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            servers: Table::new(),
            ready_nodes: Nodes::default(),
            ready: Tree::new(),
            background_nodes: Nodes::default(),
            background: Tree::new(),
            turn: 0,
            refill_nodes: Nodes::default(),
            spent: Tree::new(),
            refused_nodes: Nodes::default(),
            refused: Tree::new(),
            admitted: 0,
            by_budget: [None; CpuSet::LIMIT],
            slice: 1,
            cpus: 1,
        }
    }

    fn at(&mut self, cid: Cid) -> Option<&mut Server> {
        self.servers.get_mut(usize::from(cid.0))
    }

    fn period(&self) -> u64 {
        self.slice * SLICES
    }

    /// The whole budget of a minimum, in ticks.
    fn budget(&self, minimum: BasisPoints) -> i64 {
        let machine = self.period() * self.cpus;
        let part = machine * u64::from(minimum.0) / u64::from(BasisPoints::WHOLE.0);
        i64::try_from(part).unwrap_or(i64::MAX)
    }

    /// The end of the period in which the partition may run by its budget.
    fn deadline(&self, cid: Cid) -> Option<Ticks> {
        let server = self.servers.get(usize::from(cid.0))?;
        (server.admitted && server.budget > 0).then_some(server.deadline)
    }

    fn file(&mut self, cid: Cid) {
        let index = u32::from(cid.0);
        self.ready.remove(&mut self.ready_nodes, index);
        self.background.remove(&mut self.background_nodes, index);
        self.spent.remove(&mut self.refill_nodes, index);
        let Some(server) = self.servers.get(usize::from(cid.0)) else {
            return;
        };
        if server.demand.waiting == 0 {
            return;
        }
        let deadline = i128::from(server.deadline.0);
        if server.admitted && server.budget > 0 {
            return self.ready.insert(&mut self.ready_nodes, index, deadline, 0);
        }
        if server.admitted {
            self.spent
                .insert(&mut self.refill_nodes, index, deadline, 0);
        }
        self.turn += 1;
        self.background
            .insert(&mut self.background_nodes, index, self.turn, 0);
    }

    /// Begins the next period of those whose last one is over.
    fn refill(&mut self, now: Ticks) {
        while let Some((index, end)) = self.spent.first(&self.refill_nodes) {
            if end > i128::from(now.0) {
                return;
            }
            let cid = Cid(index as u16);
            self.begin_period(now, cid);
            self.file(cid);
        }
    }

    /// The period that `now` is in begins; a debt is taken along, budget that was left is not.
    fn begin_period(&mut self, now: Ticks, cid: Cid) {
        let period = self.period();
        let Some(minimum) = self.at(cid).map(|server| server.minimum) else {
            return;
        };
        let whole = self.budget(minimum);
        if let Some(server) = self.at(cid) {
            // Periods follow each other without a gap while there is demand.
            let late = now.saturating_sub(server.deadline).0;
            let periods = late / period + 1;
            let more = whole.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX));
            server.budget = server.budget.saturating_add(more).min(whole);
            server.deadline = server.deadline.saturating_add(Ticks(periods * period));
        }
    }

    /// Admits a minimum if it fits, or takes it back.
    fn admit(&mut self, now: Ticks, cid: Cid, minimum: BasisPoints) {
        let (period, whole) = (self.period(), self.budget(minimum));
        let index = u32::from(cid.0);
        self.refused.remove(&mut self.refused_nodes, index);
        let before = self
            .at(cid)
            .filter(|server| server.admitted)
            .map_or(0, |server| u32::from(server.minimum.0));
        self.admitted = self.admitted.saturating_sub(before);
        let asked = u32::from(minimum.0);
        let fits = asked > 0 && self.admitted + asked <= u32::from(BasisPoints::WHOLE.0);
        if fits {
            self.admitted += asked;
        } else if asked > 0 {
            self.refused
                .insert(&mut self.refused_nodes, index, i128::from(cid.0), 0);
        }
        if let Some(server) = self.at(cid) {
            server.minimum = minimum;
            if fits && !server.admitted {
                server.budget = whole;
                server.deadline = now.saturating_add(Ticks(period));
            }
            server.budget = server.budget.min(whole);
            server.admitted = fits;
        }
        self.file(cid);
    }

    /// Room has become free: who was refused may fit now.
    fn admit_refused(&mut self, now: Ticks) {
        let fits = |edf: &Self, index: u32| {
            let server = edf.servers.get(index as usize);
            let asked = server.map_or(0, |server| u32::from(server.minimum.0));
            edf.admitted + asked <= u32::from(BasisPoints::WHOLE.0)
        };
        while let Some((index, _)) = self.refused.first(&self.refused_nodes)
            && fits(self, index)
            && let Some(minimum) = self.at(Cid(index as u16)).map(|server| server.minimum)
        {
            self.admit(now, Cid(index as u16), minimum);
        }
    }
}

impl Default for Edf {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Edf {
    fn name(&self) -> &'static str {
        "edf"
    }

    fn reserve(&mut self, cids: usize) -> Result<(), Refusal> {
        self.ready_nodes.reserve(cids)?;
        self.background_nodes.reserve(cids)?;
        self.refill_nodes.reserve(cids)?;
        self.refused_nodes.reserve(cids)?;
        self.servers.reserve(cids, |_| NOTHING)
    }

    fn machine(&mut self, _: Ticks, machine: Machine) {
        self.slice = machine.slice.0;
        self.cpus = machine.cpus as u64;
    }

    fn attach(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        if let Some(server) = self.at(cid) {
            *server = NOTHING;
        }
        self.admit(now, cid, claim.minimum);
    }

    fn change(&mut self, now: Ticks, cid: Cid, claim: Claim) {
        self.admit(now, cid, claim.minimum);
        self.admit_refused(now);
    }

    fn detach(&mut self, now: Ticks, cid: Cid) {
        self.demand(now, cid, Demand::default());
        self.admit(now, cid, BasisPoints(0));
        self.admit_refused(now);
    }

    fn demand(&mut self, now: Ticks, cid: Cid, demand: Demand) {
        let period = self.period();
        let Some(server) = self.at(cid) else {
            return;
        };
        let before = core::mem::replace(&mut server.demand, demand);
        let (budget, minimum) = (server.budget, server.minimum);
        let left = server.deadline.saturating_sub(now).0;
        let whole = self.budget(minimum);
        // What is left would be more than its part until the deadline: then a new period begins now.
        let fast = i128::from(budget) * i128::from(period) > i128::from(left) * i128::from(whole);
        if !before.is_active()
            && demand.is_active()
            && (left == 0 || fast)
            && let Some(server) = self.at(cid)
        {
            server.budget = server.budget.min(0) + whole;
            server.deadline = now.saturating_add(Ticks(period));
            return self.file(cid);
        }
        if (before.waiting > 0) != (demand.waiting > 0) {
            self.file(cid);
        }
    }

    fn charge(&mut self, _: Ticks, cpu: Cpu, cid: Cid, ran: Ticks) {
        // Time in the background is free. Time that several CPUs took from one budget at once is owed.
        let by_budget = self.by_budget.get(usize::from(cpu.0)) == Some(&Some(cid));
        let Some(server) = self.at(cid).filter(|server| server.admitted && by_budget) else {
            return;
        };
        let had = server.budget > 0;
        let ran = i64::try_from(ran.0).unwrap_or(i64::MAX);
        server.budget = server.budget.saturating_sub(ran);
        if had && server.budget <= 0 {
            self.file(cid);
        }
    }

    fn pick(&mut self, now: Ticks, cpu: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        self.refill(now);
        let mut runs = self.by_budget.get_mut(usize::from(cpu.0));
        if let Some(runs) = runs.as_deref_mut() {
            *runs = None;
        }
        let allowed = |index: u32| may(Cid(index as u16));
        if let Some(index) = self.ready.first_that(&self.ready_nodes, &allowed) {
            let cid = Cid(index as u16);
            if let Some(runs) = runs {
                *runs = Some(cid);
            }
            let budget = self.at(cid).map_or(0, |server| server.budget);
            let slice = self.slice.min(u64::try_from(budget).unwrap_or(1)).max(1);
            return Some(Choice {
                cid,
                slice: Ticks(slice),
            });
        }
        let index = self
            .background
            .first_that(&self.background_nodes, &allowed)?;
        self.turn += 1;
        self.background.remove(&mut self.background_nodes, index);
        self.background
            .insert(&mut self.background_nodes, index, self.turn, 0);
        Some(Choice {
            cid: Cid(index as u16),
            slice: Ticks(self.slice),
        })
    }

    fn overtakes(&mut self, _: Ticks, challenger: Cid, running: Running) -> Option<Ticks> {
        let new = self.deadline(challenger)?;
        match self.deadline(running.cid) {
            Some(old) if old <= new => None,
            _ => Some(Ticks(0)),
        }
    }

    fn next_event(&self, _: Ticks) -> Option<Ticks> {
        let (_, end) = self.spent.first(&self.refill_nodes)?;
        u64::try_from(end).ok().map(Ticks)
    }
}
