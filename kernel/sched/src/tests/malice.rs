//! Policies that answer anything.

use super::*;
use crate::simulation::{Behaviour, micros, millis};
use crate::{Choice, Claim, Cpu, Demand, Entitlement, Policy, Refusal, Running};
use abi::BasisPoints;
use proptest::prelude::*;
use std::boxed::Box;
use std::vec::Vec;

/// Answers every question by a generator, within no rule at all.
struct Dice {
    state: u64,
    /// In how many of 100 picks it names a partition that may run, so that it is not deposed at once.
    honest: u64,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Marsaglia, "Xorshift RNGs" (2003).
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % sides
    }

    fn ticks(&mut self) -> Ticks {
        match self.roll(4) {
            0 => Ticks(0),
            1 => Ticks(u64::MAX),
            2 => Ticks(self.roll(1 << 40)),
            _ => Ticks(self.roll(1 << 20)),
        }
    }
}

impl Policy for Dice {
    fn name(&self) -> &'static str {
        "dice"
    }
    fn reserve(&mut self, _: usize) -> Result<(), Refusal> {
        Ok(())
    }
    fn machine(&mut self, _: Ticks, _: crate::Machine) {}
    fn attach(&mut self, _: Ticks, _: Cid, _: Claim) {}
    fn change(&mut self, _: Ticks, _: Cid, _: Claim) {}
    fn detach(&mut self, _: Ticks, _: Cid) {}
    fn demand(&mut self, _: Ticks, _: Cid, _: Demand) {}
    fn charge(&mut self, _: Ticks, _: Cpu, _: Cid, _: Ticks) {}
    fn pick(&mut self, _: Ticks, _: Cpu, may: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        let first = self.roll(8) as u16;
        let cid = if self.roll(100) < self.honest {
            (0..8)
                .map(|number| Cid((first + number) % 8))
                .find(|&cid| may(cid))?
        } else if self.roll(3) == 0 {
            return None;
        } else {
            Cid(self.roll(70_000) as u16)
        };
        let slice = self.ticks();
        Some(Choice { cid, slice })
    }
    fn overtakes(&mut self, _: Ticks, _: Cid, _: Running) -> Option<Ticks> {
        (self.roll(2) == 0).then(|| self.ticks())
    }
    fn next_event(&self, now: Ticks) -> Option<Ticks> {
        match self.state % 5 {
            0 => Some(Ticks(0)),
            1 => Some(now),
            2 => Some(Ticks(now.0.saturating_add(self.state % 100_000))),
            3 => Some(Ticks(u64::MAX)),
            _ => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// SCHED0057: whatever a policy answers, every tick is in one account, no entity is on two CPUs or runs asleep
    /// (the simulated machine checks that), a hard maximum holds, nobody starves, and if the policy had to go there
    /// is an event that says so.
    #[test]
    fn sched0057_a_policy_can_answer_anything(
        cpus in 1usize..5,
        seed in 1u64..,
        honest in prop_oneof![Just(0u64), Just(90), Just(99), Just(100)],
        threads in proptest::collection::vec((1u16..8, 1u64..3_000, 1u64..3_000), 1..12),
    ) {
        let mut machine = Machine::new(cpus, Box::new(Dice { state: seed, honest }), Ticks(1));
        let hard = BasisPoints(1_500);
        let capped = Entitlement { soft_maximum: hard, hard_maximum: hard, ..Entitlement::default() };
        for cid in 1..8 {
            let entitlement = if cid == 7 { capped } else { Entitlement::default() };
            machine.partition_with(cid, entitlement);
        }
        let ids: Vec<_> = threads
            .iter()
            .map(|&(cid, run, sleep)| {
                let behaviour = match run % 3 {
                    0 => Behaviour::Busy,
                    1 => Behaviour::Yielding { run: micros(run) },
                    _ => Behaviour::Random { run: micros(run), sleep: micros(sleep), seed: run },
                };
                machine.spawn(Cid(cid), behaviour)
            })
            .collect();
        let mut snapshots = Vec::new();
        for _ in 0..60 {
            machine.run(millis(50));
            let snapshot = machine.snapshot();
            prop_assert_eq!(snapshot.accounted(), snapshot.elapsed);
            snapshots.push(snapshot);
        }
        for (before, after) in snapshots.iter().zip(snapshots.iter().skip(2)) {
            let window = (after.at - before.at).0 as f64;
            let most = window * 0.15 * cpus as f64 + millis(4).0 as f64 + 2.0;
            let found = (used(after, Cid(7)) - used(before, Cid(7))) as f64;
            prop_assert!(found <= most, "{} ticks of at most {}", found, most);
        }
        let events: Vec<_> = core::iter::from_fn(|| machine.scheduler.take_event()).collect();
        let replaced = machine.scheduler.policy_name() != "dice";
        prop_assert_eq!(replaced, !events.is_empty(), "{:?}", events);
        prop_assert!(events.iter().all(|event| event.policy == "dice"), "{:?}", events);
        let ran = |machine: &Machine, id| machine.scheduler.entity_account(id, machine.now()).expect("alive").total();
        let before: Vec<_> = ids.iter().map(|&id| ran(&machine, id)).collect();
        machine.run(seconds(4));
        for (&id, before) in ids.iter().zip(before) {
            prop_assert!(ran(&machine, id) > before, "{:?} starves", id);
        }
    }
}
