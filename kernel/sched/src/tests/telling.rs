//! What a policy has been told when it is asked.

use super::*;
use crate::simulation::Behaviour::{Busy, Random};
use crate::simulation::millis;
use crate::{
    Choice, Claim, Cpu, Demand, Entitlement, Machine as Figures, Policy, Refusal, Running,
};
use abi::BasisPoints;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

/// Compares whom it may choose with what it has been told, whenever it is asked; the one served longest ago is next.
#[derive(Default)]
struct Witness {
    demands: BTreeMap<Cid, Demand>,
    served: BTreeMap<Cid, u64>,
    choices: u64,
    /// Who is to know what it is told.
    tells: Option<Sender<(Cid, Demand)>>,
}

impl Witness {
    fn waits(&self, cid: Cid) -> bool {
        self.demands
            .get(&cid)
            .is_some_and(|demand| demand.waiting > 0)
    }
}

impl Policy for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }
    fn reserve(&mut self, _: usize) -> Result<(), Refusal> {
        Ok(())
    }
    fn machine(&mut self, _: Ticks, _: Figures) {}
    fn attach(&mut self, _: Ticks, cid: Cid, _: Claim) {
        self.demands.insert(cid, Demand::default());
    }
    fn change(&mut self, _: Ticks, _: Cid, _: Claim) {}
    fn detach(&mut self, _: Ticks, cid: Cid) {
        assert_eq!(self.demands.remove(&cid), Some(Demand::default()));
    }
    fn demand(&mut self, _: Ticks, cid: Cid, demand: Demand) {
        let before = self.demands.insert(cid, demand);
        assert_ne!(before, Some(demand), "{cid}: no news");
        if let Some(tells) = &self.tells {
            let _heard = tells.send((cid, demand));
        }
    }
    fn charge(&mut self, _: Ticks, _: Cpu, _: Cid, _: Ticks) {}
    fn pick(&mut self, _: Ticks, _: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        for &cid in self.demands.keys() {
            assert_eq!(may(cid), self.waits(cid), "{cid}");
        }
        let waiting = self.demands.keys().filter(|&&cid| self.waits(cid));
        let cid = *waiting.min_by_key(|cid| self.served.get(cid))?;
        self.choices += 1;
        self.served.insert(cid, self.choices);
        Some(Choice {
            cid,
            slice: millis(2),
        })
    }
    fn overtakes(&mut self, _: Ticks, challenger: Cid, running: Running) -> Option<Ticks> {
        assert!(self.waits(challenger));
        let runs = self.demands.get(&running.cid);
        assert!(runs.is_some_and(|demand| demand.running > 0));
        Some(millis(1))
    }
}

/// SCHED0150: whatever has happened within turns, a policy knows who waits when it is asked, and is told nothing twice.
#[test]
fn sched0150_a_policy_is_told_before_it_is_asked() {
    for cpus in [1, 2, 4] {
        let policy = Box::new(Witness::default());
        let mut machine = Machine::new(cpus, policy, Ticks(7));
        for number in 1..=4 {
            let cid = machine.partition(number, number);
            for thread in 0..3 * u64::from(number) {
                machine.spawn(
                    cid,
                    Random {
                        run: millis(2),
                        sleep: millis(6),
                        seed: thread + 10 * u64::from(number),
                    },
                );
            }
        }
        let cid = machine.partition(5, 1);
        machine.spawn(cid, Busy);
        machine.run(seconds(5));
        assert_eq!(machine.scheduler.policy_name(), "witness");
        assert_eq!(machine.scheduler.take_event(), None, "{cpus} CPUs");
    }
}

/// SCHED0124: a new policy learns at once what everybody wants, also who is held back by a hard maximum.
#[test]
fn sched0124_a_new_policy_learns_all_demands() {
    let mut machine = machine(1, "wlm");
    let hard = BasisPoints(500);
    let capped = Entitlement {
        soft_maximum: hard,
        hard_maximum: hard,
        ..Entitlement::default()
    };
    let held = machine.partition_with(1, capped);
    let busy = machine.partition(2, 1);
    let _idle = machine.partition(3, 1);
    for cid in [held, held, busy, busy, busy] {
        machine.spawn(cid, Busy);
    }
    machine.run(millis(500));
    let (tells, heard) = std::sync::mpsc::channel();
    let witness = Witness {
        tells: Some(tells),
        ..Witness::default()
    };
    let now = machine.now();
    let wakeup = machine.scheduler.set_policy(Box::new(witness), now);
    let _to_be_told = wakeup.expect("room");
    let demand = |waiting, running, held| Demand {
        waiting,
        running,
        held,
    };
    let heard: std::vec::Vec<_> = heard.try_iter().collect();
    assert_eq!(heard, [(held, demand(0, 0, 2)), (busy, demand(2, 1, 0))]);
}
