//! Round robin over partitions: the policy that takes over when another one fails.
//!
//! It looks at no shares; every partition with demand gets a slice in turn. It is small enough to be right.

use crate::policy::{Choice, Claim, Demand, Machine, Policy};
use crate::tree::{Nodes, Tree};
use crate::{Cpu, Refusal};
use abi::{Cid, Ticks};

/// The built-in fallback: partitions take turns.
#[derive(Debug)]
pub struct RoundRobin {
    waiting: Tree,
    nodes: Nodes,
    turn: i128,
    slice: Ticks,
}

impl RoundRobin {
    /// A policy that knows no partition yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            waiting: Tree::new(),
            nodes: Nodes::default(),
            turn: 0,
            slice: Ticks(1),
        }
    }
}

impl Default for RoundRobin {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn reserve(&mut self, cids: usize) -> Result<(), Refusal> {
        self.nodes.reserve(cids)
    }

    fn machine(&mut self, _: Ticks, machine: Machine) {
        self.slice = machine.slice;
    }

    fn attach(&mut self, _: Ticks, _: Cid, _: Claim) {}

    fn change(&mut self, _: Ticks, _: Cid, _: Claim) {}

    fn detach(&mut self, _: Ticks, cid: Cid) {
        self.waiting.remove(&mut self.nodes, u32::from(cid.0));
    }

    fn demand(&mut self, _: Ticks, cid: Cid, demand: Demand) {
        let index = u32::from(cid.0);
        if demand.waiting == 0 {
            self.waiting.remove(&mut self.nodes, index);
        } else if !self.nodes.linked(index) {
            self.turn += 1;
            self.waiting.insert(&mut self.nodes, index, self.turn, 0);
        }
    }

    fn charge(&mut self, _: Ticks, _: Cpu, _: Cid, _: Ticks) {}

    fn pick(&mut self, _: Ticks, _: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        let index = self
            .waiting
            .first_that(&self.nodes, &|index| may(Cid(index as u16)))?;
        // To the end of the queue now: it may go on waiting with its other threads.
        self.turn += 1;
        self.waiting.remove(&mut self.nodes, index);
        self.waiting.insert(&mut self.nodes, index, self.turn, 0);
        Some(Choice {
            cid: Cid(index as u16),
            slice: self.slice,
        })
    }
}
