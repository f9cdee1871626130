//! Stride scheduling over partitions: plain proportional share, and the example to learn from.
//!
//! Waldspurger and Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource Management" (1995).
//! Every partition has a *pass*, which advances by what it has used divided by its weight. The one with the
//! least pass is next. One that comes back from sleep starts at the least pass of those that are there, so it
//! has no claim on the time that it did not use. Minima and soft maxima are not looked at.

use crate::policy::{Choice, Claim, Demand, Machine, Policy};
use crate::tree::{Nodes, Tree};
use crate::{Cpu, Refusal};
use abi::{Cid, Ticks};
use alloc::vec::Vec;

/// Pass units per tick at weight one: divisible finely by every weight.
const UNIT: i128 = 1 << 32;

#[derive(Clone, Copy, Debug)]
struct Client {
    weight: u16,
    pass: i128,
    demand: Demand,
}

/// The `stride` policy.
#[derive(Debug)]
pub struct Stride {
    clients: Vec<Client>,
    waiting: Tree,
    nodes: Nodes,
    /// The pass from which a newcomer starts: that of the last partition picked.
    global_pass: i128,
    slice: Ticks,
}

impl Stride {
    /// A policy that knows no partition yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clients: Vec::new(),
            waiting: Tree::new(),
            nodes: Nodes::default(),
            global_pass: 0,
            slice: Ticks(1),
        }
    }

    /// Files the client under its pass if it waits; takes it out if it does not.
    fn file(&mut self, cid: Cid) {
        let index = u32::from(cid.0);
        self.waiting.remove(&mut self.nodes, index);
        if let Some(client) = self.clients.get(usize::from(cid.0))
            && client.demand.waiting > 0
        {
            self.waiting.insert(&mut self.nodes, index, client.pass, 0);
        }
    }
}

impl Default for Stride {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Stride {
    fn name(&self) -> &'static str {
        "stride"
    }

    fn reserve(&mut self, cids: usize) -> Result<(), Refusal> {
        self.nodes.reserve(cids)?;
        let more = cids.saturating_sub(self.clients.len());
        self.clients.try_reserve(more).map_err(|_| Refusal::Full)?;
        let fresh = Client {
            weight: 1,
            pass: 0,
            demand: Demand::default(),
        };
        self.clients.resize(self.clients.len() + more, fresh);
        Ok(())
    }

    fn machine(&mut self, _: Ticks, machine: Machine) {
        self.slice = machine.slice;
    }

    fn attach(&mut self, _: Ticks, cid: Cid, claim: Claim) {
        let fresh = Client {
            weight: claim.weight,
            pass: self.global_pass,
            demand: Demand::default(),
        };
        if let Some(client) = self.clients.get_mut(usize::from(cid.0)) {
            *client = fresh;
        }
    }

    fn change(&mut self, _: Ticks, cid: Cid, claim: Claim) {
        if let Some(client) = self.clients.get_mut(usize::from(cid.0)) {
            client.weight = claim.weight;
        }
    }

    fn detach(&mut self, _: Ticks, cid: Cid) {
        self.waiting.remove(&mut self.nodes, u32::from(cid.0));
    }

    fn demand(&mut self, _: Ticks, cid: Cid, demand: Demand) {
        let global_pass = self.global_pass;
        if let Some(client) = self.clients.get_mut(usize::from(cid.0)) {
            if !client.demand.is_active() {
                client.pass = client.pass.max(global_pass);
            }
            client.demand = demand;
        }
        self.file(cid);
    }

    fn charge(&mut self, _: Ticks, _: Cpu, cid: Cid, ran: Ticks) {
        if let Some(client) = self.clients.get_mut(usize::from(cid.0)) {
            client.pass += i128::from(ran.0) * UNIT / i128::from(client.weight.max(1));
        }
        self.file(cid);
    }

    fn pick(&mut self, _: Ticks, _: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        let index = self
            .waiting
            .first_that(&self.nodes, &|index| may(Cid(index as u16)))?;
        let pass = self.clients.get(index as usize)?.pass;
        self.global_pass = self.global_pass.max(pass);
        Some(Choice {
            cid: Cid(index as u16),
            slice: self.slice,
        })
    }
}
