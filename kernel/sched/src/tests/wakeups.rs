//! Wake-ups: latency, and no tick where none is needed.

use super::*;
use crate::simulation::Behaviour::{Busy, Periodic, Yielding};
use crate::simulation::{micros, millis};
use crate::{Attributes, Cpu, Entitlement, Reason, Scheduler};
use std::vec::Vec;

fn percentile(latencies: &[Ticks], percent: usize) -> Ticks {
    let mut sorted: Vec<_> = latencies.to_vec();
    sorted.sort();
    sorted[(sorted.len() - 1) * percent / 100]
}

/// SCHED0030: a sleeper with equal shares gets the CPU quickly, against one busy partition and against eight.
#[test]
fn sched0030_wake_up_latency() {
    for others in [1, 8] {
        let mut machine = machine(1, "wlm");
        let sleeper = machine.partition(100, 10);
        for number in 1..=others {
            let cid = machine.partition(number, 10);
            machine.spawn(cid, Busy);
        }
        machine.spawn(
            sleeper,
            Periodic {
                run: micros(20),
                sleep: millis(1),
            },
        );
        machine.run(seconds(5));
        let latencies = &machine.latencies[&sleeper];
        assert!(
            percentile(latencies, 50) <= micros(60),
            "{others}: p50 {}",
            percentile(latencies, 50)
        );
        assert!(
            percentile(latencies, 99) <= micros(150),
            "{others}: p99 {}",
            percentile(latencies, 99)
        );
    }
}

/// SCHED0031: an idle or lone CPU has no tick; it gets one when something else can run.
#[test]
fn sched0031_no_tick_when_idle_or_alone() {
    let policy = policy_by_name("wlm").expect("shipped");
    let mut scheduler = Scheduler::new(TIMEBASE, 1, policy);
    let cpu = Cpu(0);
    let clock = scheduler.online(cpu, Ticks(5)).expect("first");
    let idle = scheduler.pick(cpu, Ticks(5));
    assert_eq!((idle.run, idle.until), (None, None));
    let one = scheduler
        .admit(Cid::GLOBAL, Attributes::default())
        .expect("room");
    let two = scheduler
        .admit(Cid::GLOBAL, Attributes::default())
        .expect("room");
    let wakeup = scheduler.wake(one, Ticks(10)).expect("known");
    assert!(wakeup.preempt.contains(cpu) && scheduler.must_preempt(cpu, Ticks(10)));
    clock.enter_kernel(Ticks(11));
    let alone = scheduler.pick(cpu, Ticks(12));
    assert_eq!((alone.run, alone.until), (Some(one), None));
    assert!(!scheduler.must_preempt(cpu, seconds(100)));
    let wakeup = scheduler.wake(two, seconds(100)).expect("known");
    assert!(wakeup.preempt.contains(cpu) || wakeup.rearm.contains(cpu));
    if wakeup.rearm.contains(cpu) {
        let until = scheduler.until(cpu).expect("a tick is needed now");
        assert!(until <= seconds(100) + millis(4));
    }
}

/// SCHED0032: a wake-up between the check and the park is not lost.
#[test]
fn sched0032_wake_before_block_is_kept() {
    let policy = policy_by_name("wlm").expect("shipped");
    let mut scheduler = Scheduler::new(TIMEBASE, 2, policy);
    scheduler.online(Cpu(0), Ticks(0)).expect("first");
    let id = scheduler
        .admit(Cid::GLOBAL, Attributes::default())
        .expect("room");
    assert!(
        !scheduler
            .wake(id, Ticks(1))
            .expect("known")
            .preempt
            .is_empty()
    );
    assert_eq!(scheduler.pick(Cpu(0), Ticks(2)).run, Some(id));
    assert_eq!(
        scheduler.wake(id, Ticks(3)).expect("known"),
        crate::Wakeup::default()
    );
    scheduler.put_back(Cpu(0), Ticks(4), Reason::Blocked);
    assert_eq!(
        scheduler.pick(Cpu(0), Ticks(5)).run,
        Some(id),
        "it was woken before it parked"
    );
    scheduler.put_back(Cpu(0), Ticks(6), Reason::Blocked);
    assert_eq!(scheduler.pick(Cpu(0), Ticks(7)).run, None, "and only once");
}

/// SCHED0033: one that yields lets the other threads of its partition run.
#[test]
fn sched0033_yield_gives_way() {
    let mut machine = machine(1, "wlm");
    let cid = machine.partition(1, 1);
    let yielding = machine.spawn(cid, Yielding { run: micros(10) });
    let busy = machine.spawn(cid, Busy);
    machine.run(seconds(1));
    let account = |id| {
        machine
            .scheduler
            .entity_account(id, machine.now())
            .expect("alive")
            .total()
    };
    assert!(
        account(busy) > account(yielding),
        "{} against {}",
        account(busy),
        account(yielding)
    );
}

/// SCHED0058: what a thread that yields at once leaves of its partition's turn is its siblings', and not the other
/// partitions': under a policy that knows no shares too, the partition has its third and the busy thread nearly all of it.
#[test]
fn sched0058_a_turn_given_up_stays_in_the_partition() {
    let mut machine = machine(1, "round-robin");
    let cids = [1, 2, 3].map(|cid| machine.partition(cid, 1));
    let [cid, others @ ..] = cids;
    for other in others {
        machine.spawn(other, Busy);
    }
    let yielding = machine.spawn(cid, Yielding { run: micros(1) });
    let busy = machine.spawn(cid, Busy);
    machine.run(seconds(1));
    let ran = |id| {
        let account = machine.scheduler.entity_account(id, machine.now());
        account.expect("alive").total().0 as f64 / seconds(1).0 as f64
    };
    assert!(ran(busy) > 0.30, "{}", ran(busy));
    assert!(ran(yielding) > 0.0, "{}", ran(yielding));
}

/// SCHED0034: idle CPUs are used: as many threads as CPUs run all the time.
#[test]
fn sched0034_no_cpu_idles_while_something_waits() {
    let mut machine = machine(4, "wlm");
    let cids = [machine.partition(1, 1), machine.partition(2, 50)];
    (0..3).for_each(|_| {
        machine.spawn(cids[0], Busy);
    });
    (0..2).for_each(|_| {
        machine.spawn(
            cids[1],
            Periodic {
                run: millis(3),
                sleep: millis(2),
            },
        );
    });
    machine.spawn(cids[1], Busy);
    let before = machine.snapshot();
    machine.run(seconds(2));
    assert_eq!(machine.snapshot().idle, before.idle);
}

/// SCHED0069: what is tuned holds from then on: slices are as long, and a wake-up takes a CPU or waits for a slice's end.
#[test]
fn sched0069_tunables_have_effect() {
    use crate::{Refusal, Tunable};
    let mut machine = machine(1, "wlm");
    let cids = [
        machine.partition(1, 1),
        machine.partition(2, 1),
        machine.partition(3, 1),
    ];
    machine.spawn(cids[0], Busy);
    machine.spawn(cids[1], Busy);
    let tune = |machine: &mut Machine, tunable, value| {
        let now = machine.now();
        machine.scheduler.tune(tunable, value, now)
    };
    for (slice, turns) in [(4_000, 250), (500, 2_000), (2_000, 500)] {
        assert_eq!(tune(&mut machine, Tunable::Slice, slice), Ok(()));
        machine.run(millis(20));
        let before = machine.switches;
        let found = measure(&mut machine, seconds(1), &cids[..2]);
        assert_near(
            (machine.switches - before) as f64,
            f64::from(turns),
            3.0,
            "turns",
        );
        assert_near(found[0], 50.0, 0.3, "half");
    }
    machine.spawn(
        cids[2],
        Periodic {
            run: micros(20),
            sleep: micros(200),
        },
    );
    let waits = |machine: &mut Machine, percent| {
        machine.run(millis(50));
        machine.forget_latencies();
        machine.run(seconds(1));
        percentile(&machine.latencies[&cids[2]], percent)
    };
    let at_once = waits(&mut machine, 60);
    assert!(at_once <= micros(60), "{at_once}");
    assert_eq!(tune(&mut machine, Tunable::Grain, 500), Ok(()));
    let grain = waits(&mut machine, 60);
    assert!(grain > micros(200) && grain <= micros(500), "{grain}");
    assert_eq!(tune(&mut machine, Tunable::WakeUps, 0), Ok(()));
    let slices = waits(&mut machine, 60);
    assert!(slices > micros(600), "{slices}");
    for (tunable, bad) in [
        (Tunable::Slice, 499),
        (Tunable::Slice, 4_001),
        (Tunable::Grain, 0),
        (Tunable::WakeUps, 2),
    ] {
        let before = machine.scheduler.tuned(tunable);
        assert_eq!(tune(&mut machine, tunable, bad), Err(Refusal::Range));
        assert_eq!(machine.scheduler.tuned(tunable), before);
    }
}

/// How long after its beginning a thread may have the CPU taken from it that one wakes, of its own partition or another,
/// which has slept for a while.
fn grain_for(sibling: bool, slept: Ticks) -> Ticks {
    let policy = policy_by_name("wlm").expect("shipped");
    let mut scheduler = Scheduler::new(TIMEBASE, 1, policy);
    let cpu = Cpu(0);
    let clock = scheduler.online(cpu, Ticks(0)).expect("first");
    let cids = [Cid(1), Cid(2)];
    for cid in cids {
        scheduler
            .add_partition(cid, Entitlement::default(), Ticks(0))
            .expect("room");
    }
    let [runs, sleeps] = [cids[0], cids[usize::from(!sibling)]]
        .map(|cid| scheduler.admit(cid, Attributes::default()).expect("room"));
    let wakeup = scheduler.wake(sleeps, Ticks(0)).expect("known");
    assert!(wakeup.preempt.contains(cpu));
    assert_eq!(scheduler.pick(cpu, Ticks(0)).run, Some(sleeps));
    let blocks = micros(10);
    scheduler.put_back(cpu, blocks, Reason::Blocked);
    let woken = blocks.saturating_add(slept);
    let begins = woken.saturating_sub(micros(20));
    let wakeup = scheduler.wake(runs, begins).expect("known");
    assert!(wakeup.preempt.contains(cpu));
    assert_eq!(scheduler.pick(cpu, begins).run, Some(runs));
    clock.enter_user(begins);
    let wakeup = scheduler.wake(sleeps, woken).expect("known");
    assert!(wakeup.rearm.contains(cpu) && !scheduler.must_preempt(cpu, woken));
    let until = scheduler.until(cpu).expect("it is to have the CPU");
    until.saturating_sub(begins)
}

/// SCHED0140: threads of a partition that wake each other in turns wait longer for each other than others do for them.
#[test]
fn sched0140_conversations_have_a_longer_grain() {
    let (sibling, stranger) = (grain_for(true, micros(40)), grain_for(false, micros(40)));
    assert!(stranger <= micros(60), "{stranger}");
    assert!(sibling > micros(400) && sibling <= micros(510), "{sibling}");
}

/// SCHED0141: who has slept for longer than that grain takes the CPU from a sibling as soon as from anybody.
#[test]
fn sched0141_long_sleepers_have_no_longer_grain() {
    let (just, longer) = (grain_for(true, micros(490)), grain_for(true, micros(510)));
    assert!(just > micros(400), "{just}");
    assert!(longer <= micros(60), "{longer}");
}
