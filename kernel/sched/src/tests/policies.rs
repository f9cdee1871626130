//! Bad policies, and the change of policies.

use super::*;
use crate::simulation::Behaviour::{Busy, Periodic};
use crate::simulation::{micros, millis};
use crate::{
    Attributes, Choice, Claim, Cpu, Demand, Entitlement, Fault, Policy, Refusal, Scheduler,
};
use abi::BasisPoints;
use proptest::prelude::*;
use std::boxed::Box;

/// How a policy can be bad.
#[derive(Clone, Copy)]
enum Evil {
    /// Always the same partition while it can.
    Favourite(Cid),
    /// A partition that does not exist, or has nothing to run.
    Liar(Cid),
    /// Nothing, ever.
    Lazy,
}

struct Bad {
    evil: Evil,
    waiting: std::collections::BTreeSet<Cid>,
}

impl Bad {
    fn new(evil: Evil) -> Box<Self> {
        Box::new(Self {
            evil,
            waiting: Default::default(),
        })
    }
}

impl Policy for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }
    fn reserve(&mut self, _: usize) -> Result<(), Refusal> {
        Ok(())
    }
    fn machine(&mut self, _: Ticks, _: crate::Machine) {}
    fn attach(&mut self, _: Ticks, _: Cid, _: Claim) {}
    fn change(&mut self, _: Ticks, _: Cid, _: Claim) {}
    fn detach(&mut self, _: Ticks, _: Cid) {}
    fn demand(&mut self, _: Ticks, cid: Cid, demand: Demand) {
        if demand.waiting > 0 {
            self.waiting.insert(cid)
        } else {
            self.waiting.remove(&cid)
        };
    }
    fn charge(&mut self, _: Ticks, _: Cpu, _: Cid, _: Ticks) {}
    fn pick(&mut self, _: Ticks, _: Cpu, _: &dyn Fn(Cid) -> bool) -> Option<Choice> {
        let cid = match self.evil {
            Evil::Favourite(cid) if self.waiting.contains(&cid) => cid,
            Evil::Favourite(_) => *self.waiting.first()?,
            Evil::Liar(cid) => cid,
            Evil::Lazy => return None,
        };
        Some(Choice {
            cid,
            slice: Ticks(u64::MAX),
        })
    }
}

/// SCHED0050: a policy that starves a partition is replaced, with an event, and nothing is lost.
#[test]
fn sched0050_starving_policy_is_replaced() {
    let mut machine = Machine::new(1, Bad::new(Evil::Favourite(Cid(1))), Ticks(1));
    let cids = [machine.partition(1, 1), machine.partition(2, 1)];
    cids.iter().for_each(|&cid| {
        machine.spawn(cid, Busy);
    });
    machine.spawn(
        cids[1],
        Periodic {
            run: millis(1),
            sleep: millis(3),
        },
    );
    machine.run(millis(900));
    assert_eq!(
        (
            machine.scheduler.policy_name(),
            used(&machine.snapshot(), cids[1])
        ),
        ("bad", 0)
    );
    machine.run(millis(200));
    assert_eq!(machine.scheduler.policy_name(), "round-robin");
    let event = machine.scheduler.take_event().expect("an event");
    assert!(
        matches!(event.fault, Fault::Starved { cid: Cid(2), waited } if waited >= seconds(1)),
        "{event:?}"
    );
    assert_eq!(
        (event.policy, machine.scheduler.take_event()),
        ("bad", None)
    );
    let found = measure(&mut machine, seconds(2), &cids);
    assert!(found.iter().all(|&points| points > 30.0), "{found:?}");
}

/// SCHED0051: an answer that is no answer ends the policy at once.
#[test]
fn sched0051_nonsense_is_not_obeyed() {
    for evil in [Evil::Liar(Cid(9999)), Evil::Liar(Cid(2)), Evil::Lazy] {
        let mut machine = Machine::new(2, Bad::new(evil), Ticks(1));
        let cids = [machine.partition(1, 1), machine.partition(2, 1)];
        (0..3).for_each(|_| {
            machine.spawn(cids[0], Busy);
        });
        let found = measure(&mut machine, millis(100), &cids);
        assert_near(found[0], 200.0, 0.0, "the only one with work");
        let event = machine.scheduler.take_event().expect("an event");
        assert!(
            matches!(event.fault, Fault::Nonsense { .. } | Fault::Idled { .. }),
            "{event:?}"
        );
    }
}

/// SCHED0052: a partition at its hard maximum is hidden from the policy, also from a bad one.
#[test]
fn sched0052_hard_maximum_holds_against_a_bad_policy() {
    let mut machine = Machine::new(1, Bad::new(Evil::Favourite(Cid(1))), Ticks(1));
    let hard = BasisPoints(1000);
    let entitlement = Entitlement {
        soft_maximum: hard,
        hard_maximum: hard,
        ..Entitlement::default()
    };
    let cids = [
        machine.partition_with(1, entitlement),
        machine.partition(2, 1),
    ];
    cids.iter().for_each(|&cid| {
        machine.spawn(cid, Busy);
    });
    let found = measure(&mut machine, seconds(5), &cids);
    assert_near(found[0], 10.0, 0.02, "capped");
    assert_eq!(machine.scheduler.policy_name(), "bad");
}

/// SCHED0053: policies change at run time without losing a thread or a tick, at any moment.
#[test]
fn sched0053_policies_change_at_run_time() {
    let mut machine = machine(2, "wlm");
    let cids = [machine.partition(1, 1), machine.partition(2, 3)];
    for &cid in &cids {
        (0..2).for_each(|_| {
            machine.spawn(cid, Busy);
        });
        machine.spawn(
            cid,
            Periodic {
                run: millis(1),
                sleep: millis(5),
            },
        );
    }
    for name in policy_names().chain(["edf", "wlm", "stride", "edf", "wlm"]) {
        machine.run(millis(97));
        let now = machine.now();
        let policy = policy_by_name(name).expect("shipped");
        let wakeup = machine.scheduler.set_policy(policy, now).expect("memory");
        machine.tell(wakeup);
        assert_eq!(machine.scheduler.policy_name(), name);
        let found = measure(&mut machine, seconds(1), &cids);
        assert_near(found.iter().sum(), 200.0, 0.0, "no CPU idles");
        assert!(
            found.iter().all(|&points| points > 40.0),
            "{name}: {found:?}"
        );
    }
    assert_eq!(machine.scheduler.take_event(), None);
}

/// SCHED0054: tiny shares beside huge ones are not taken for starvation, nor is a soft maximum of 0.
#[test]
fn sched0054_watchdog_knows_small_parts() {
    let mut machine = machine(1, "wlm");
    let none = Entitlement {
        soft_maximum: BasisPoints(0),
        ..Entitlement::default()
    };
    let cids = [
        machine.partition(1, 1),
        machine.partition(2, 65535),
        machine.partition_with(3, none),
    ];
    cids.iter().for_each(|&cid| {
        machine.spawn(cid, Busy);
    });
    let found = measure(&mut machine, seconds(25), &cids);
    assert_eq!(
        (
            machine.scheduler.policy_name(),
            machine.scheduler.take_event()
        ),
        ("wlm", None)
    );
    assert!(found[0] > 0.0, "it has its turn");
    assert_near(found[2], 0.0, 0.0, "soft maximum 0");
}

/// SCHED0109: time that the machine does not have, because its host takes the processor away in every slice, is not taken for
/// starvation by the policy; a policy that starves somebody on such a machine is found all the same.
#[test]
fn sched0109_watchdog_knows_stolen_time() {
    for cpus in [1, 2] {
        let mut machine = machine(cpus, "wlm");
        machine.lateness = millis(40);
        for shares in 1..=50 {
            let cid = machine.partition(shares, shares);
            machine.spawn(cid, Busy);
        }
        machine.run(seconds(60));
        assert_eq!(machine.scheduler.take_event(), None, "{cpus} CPUs");
    }
    let mut machine = Machine::new(1, Bad::new(Evil::Favourite(Cid(1))), Ticks(1));
    machine.lateness = millis(40);
    for cid in [1, 2] {
        let cid = machine.partition(cid, 1);
        machine.spawn(cid, Busy);
    }
    machine.run(seconds(10));
    assert_eq!(machine.scheduler.policy_name(), "round-robin");
}

/// SCHED0055: every name leads to a policy of that name.
#[test]
fn sched0055_policies_by_name() {
    assert_eq!(policy_names().next(), Some("wlm"), "the default is first");
    for name in policy_names() {
        assert_eq!(
            policy_by_name(name).map(|policy| policy.name()).ok(),
            Some(name)
        );
    }
    assert!(policy_by_name("fifo").is_err());
}

/// SCHED0056: no slice is longer than 4 ms while something waits, whatever the policy says.
#[test]
fn sched0056_slices_are_bounded() {
    let mut scheduler = Scheduler::new(TIMEBASE, 1, Bad::new(Evil::Favourite(Cid(1))));
    scheduler.online(Cpu(0), Ticks(0)).expect("first");
    for number in [1, 2] {
        scheduler
            .add_partition(Cid(number), Entitlement::default(), Ticks(0))
            .expect("legal");
        let id = scheduler
            .admit(Cid(number), Attributes::default())
            .expect("room");
        assert!(scheduler.wake(id, Ticks(0)).is_ok());
    }
    for turn in 1..100 {
        let now = Ticks(turn * millis(3).0);
        let decision = scheduler.pick(Cpu(0), now);
        let until = decision.until.expect("something waits");
        assert!(decision.run.is_some() && until > now && until <= now + millis(4));
        assert!(!scheduler.must_preempt(Cpu(0), now) && scheduler.must_preempt(Cpu(0), until));
    }
}

/// The mechanism as a policy knows it, with threads that begin to wait in a turn of their partition untold.
struct Shadow {
    policy: Box<dyn Policy>,
    now: Ticks,
    waiting: [u32; 4],
    told: [Demand; 4],
    turns: [Option<usize>; 3],
}

impl Shadow {
    fn new(name: &str) -> Self {
        let mut policy = crate::policy_by_name(name).expect("shipped");
        policy.reserve(4).expect("the host has memory");
        let machine = crate::Machine {
            cpus: 3,
            slice: millis(2),
            longest_slice: millis(4),
            quantum: micros(500),
        };
        policy.machine(Ticks(0), machine);
        for cid in 0..4 {
            let claim = Claim {
                weight: 1 + cid * 7,
                minimum: BasisPoints(0),
                soft_maximum: BasisPoints::WHOLE,
                hard_maximum: BasisPoints::WHOLE,
                cpus: None,
            };
            policy.attach(Ticks(0), Cid(cid), claim);
        }
        Self {
            policy,
            now: Ticks(0),
            waiting: [0; 4],
            told: [Demand::default(); 4],
            turns: [None; 3],
        }
    }

    fn tell(&mut self, partition: usize) {
        let running = self.turns.iter().flatten();
        let demand = Demand {
            waiting: self.waiting[partition],
            running: running.filter(|&&it| it == partition).count() as u32,
            held: 0,
        };
        if core::mem::replace(&mut self.told[partition], demand) != demand {
            let cid = Cid(partition as u16);
            self.policy.demand(self.now, cid, demand);
        }
    }

    fn spend(&mut self, ticks: u64) {
        self.now += Ticks(ticks);
        for (cpu, turn) in (0..).map(Cpu).zip(self.turns) {
            if let Some(partition) = turn {
                let cid = Cid(partition as u16);
                self.policy.charge(self.now, cpu, cid, Ticks(ticks));
            }
        }
    }

    fn end_turn(&mut self, cpu: usize, goes_on: bool) {
        if let Some(partition) = self.turns[cpu].take() {
            self.policy.stopped(self.now, Cpu(cpu as u16));
            self.waiting[partition] += u32::from(goes_on);
            self.tell(partition);
        }
    }

    /// Whom the policy picks, and whether anybody was told to wait.
    fn pick(&mut self, cpu: usize) -> (Option<usize>, bool) {
        let told = self.told;
        let may = |cid: Cid| told[usize::from(cid.0)].waiting > 0;
        let choice = self.policy.pick(self.now, Cpu(cpu as u16), &may);
        let picked = choice.map(|it| usize::from(it.cid.0));
        if let Some(partition) = picked {
            self.waiting[partition] -= 1;
            self.turns[cpu] = Some(partition);
            self.tell(partition);
        }
        (picked, told.iter().any(|it| it.waiting > 0))
    }
}

proptest! {
    /// SCHED0129: whoever is told to wait is picked at last, also where after a pick as many are told to wait as before, since
    /// another one had begun to wait untold (found by HOSTILE0008, where a CPU was left idle).
    #[test]
    fn sched0129_a_policy_believes_the_last_demand(
        steps in proptest::collection::vec((0..4_usize, 0..4_usize, 0..3_usize, 1..2_000_000_u64), 1..120),
    ) {
        for name in crate::policy_names() {
            let mut shadow = Shadow::new(name);
            for &(kind, partition, cpu, ticks) in &steps {
                shadow.spend(ticks);
                match kind {
                    0 => {
                        shadow.waiting[partition] += 1;
                        shadow.tell(partition);
                    }
                    1 => {
                        let runs = shadow.turns.contains(&Some(partition));
                        shadow.waiting[partition] += u32::from(runs);
                    }
                    2 => shadow.end_turn(cpu, false),
                    _ => {
                        shadow.end_turn(cpu, true);
                        let (picked, wanted) = shadow.pick(cpu);
                        prop_assert_eq!(picked.is_some(), wanted, "{}", name);
                    }
                }
            }
            // In the end everybody has a turn.
            loop {
                shadow.end_turn(0, false);
                let (picked, wanted) = shadow.pick(0);
                prop_assert_eq!(picked.is_some(), wanted, "{}", name);
                if !wanted {
                    break;
                }
            }
        }
    }
}
