//! Jobs of the kernel beside threads.

use super::*;
use crate::simulation::Behaviour::{Busy, Job, Periodic};
use crate::simulation::{micros, millis};
use crate::{Attributes, Class, Entitlement, Priority};
use abi::BasisPoints;
use proptest::prelude::*;
use std::vec::Vec;

const STEP: u64 = 80;

/// A job that has always something to do.
const ENDLESS: crate::simulation::Behaviour = Job {
    step: micros(STEP),
    count: u32::MAX,
    wait: Ticks(1),
};

/// What the kernel gives its jobs.
fn first() -> Attributes {
    Attributes {
        class: Class::Fifo(Priority::GREATEST),
        ..Attributes::default()
    }
}

/// SCHED0110: the time of a job is its partition's system time, and divides as a thread's does, though it makes room only
/// between two steps.
#[test]
fn sched0110_jobs_are_charged_as_threads_are() {
    for cpus in [1, 2, 4] {
        let mut machine = machine(cpus, "wlm");
        let cids = [1u16, 2, 5].map(|shares| machine.partition(shares, shares));
        for _ in 0..cpus {
            machine.spawn(cids[0], ENDLESS);
            machine.spawn(cids[1], ENDLESS);
            machine.spawn(cids[1], Busy);
            machine.spawn(cids[2], Busy);
        }
        machine.run(seconds(1));
        let found = measure(&mut machine, seconds(10), &cids);
        for (found, part) in found.iter().zip([12.5, 25.0, 62.5]) {
            assert_near(*found, part * cpus as f64, 0.02, "shares 1:2:5");
        }
        let account = |cid| {
            machine
                .scheduler
                .account(cid, machine.now())
                .expect("known")
        };
        assert_eq!(account(cids[0]).user, Ticks(0));
        assert!(account(cids[1]).user > Ticks(0) && account(cids[1]).system > Ticks(0));
        assert_eq!(account(cids[2]).system, Ticks(0));
    }
}

/// SCHED0111: before the threads of its partition a job of the first priority comes at once, and leaves them a turn now and
/// then; before those of others it comes when its partition's turn does.
#[test]
fn sched0111_a_job_comes_before_its_threads_and_in_its_turn() {
    let mut machine = machine(1, "wlm");
    let (own, other) = (machine.partition(1, 1), machine.partition(2, 1));
    let threads: Vec<_> = (0..20).map(|_| machine.spawn(own, Busy)).collect();
    machine.spawn(other, Busy);
    machine.run(seconds(1));
    let job = machine.spawn_with(own, ENDLESS, first());
    let of = |machine: &Machine, id| machine.scheduler.entity_account(id, machine.now());
    let total = |machine: &Machine, id| of(machine, id).expect("alive").total().0 as f64;
    let before: f64 = threads.iter().map(|&id| total(&machine, id)).sum();
    let found = measure(&mut machine, seconds(4), &[own, other]);
    assert_near(found[1], 50.0, 0.1, "the other partition");
    let part = total(&machine, job) / seconds(4).0 as f64;
    assert!((0.44..0.49).contains(&part), "the job had {part}");
    let after: f64 = threads.iter().map(|&id| total(&machine, id)).sum();
    assert!(after > before, "its threads had nothing");
}

/// SCHED0112: the mechanism says that a partition is at its hard maximum exactly when what is woken in it does not run.
#[test]
fn sched0112_at_the_maximum_nothing_runs() {
    let mut machine = machine(1, "wlm");
    let hard = BasisPoints(500);
    let capped = Entitlement {
        hard_maximum: hard,
        soft_maximum: hard,
        ..Entitlement::default()
    };
    let (cid, free) = (machine.partition_with(1, capped), machine.partition(2, 1));
    let at_maximum = |machine: &mut Machine, cid| {
        let now = machine.now();
        machine.scheduler.is_at_maximum(cid, now)
    };
    assert!(!at_maximum(&mut machine, cid) && !at_maximum(&mut machine, free));
    let id = machine.spawn(cid, Busy);
    machine.spawn(free, Busy);
    let (mut held, mut ran) = (0, 0);
    for _ in 0..2_000 {
        machine.run(micros(97));
        let runs = machine.scheduler.current(crate::Cpu(0)) == Some(id);
        assert!(!at_maximum(&mut machine, free));
        if at_maximum(&mut machine, cid) {
            held += 1;
        } else if !runs {
            // It may go on: it does within the slice of the other.
            ran += 1;
        }
    }
    assert!(held > 1_700 && ran < 200, "{held}, {ran}");
    // Work that is charged to it while it sleeps counts too.
    machine.kill(id);
    machine.run(seconds(1));
    assert!(!at_maximum(&mut machine, cid));
    for owner in [cid, free] {
        let now = machine.now();
        machine
            .scheduler
            .charge_to(crate::Cpu(0), now, owner)
            .expect("known");
        machine.run(millis(10));
    }
    assert!(at_maximum(&mut machine, cid));
    machine.run(seconds(1));
    assert!(!at_maximum(&mut machine, cid));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// SCHED0113: a hard maximum holds for jobs in every window of 100 ms, but for one step a CPU, and every tick is in one
    /// account.
    #[test]
    fn sched0113_hard_maximum_of_jobs(
        cpus in 1usize..5,
        hard in 1u16..9_000,
        jobs in proptest::collection::vec((1u64..100, 1u32..200, 1u64..5_000, any::<bool>()), 1..6),
        sleepers in proptest::collection::vec((1u64..3_000, 1u64..3_000), 0..4),
        others in 0usize..4,
    ) {
        let mut machine = machine(cpus, "wlm");
        let maximum = BasisPoints(hard);
        let capped = Entitlement { soft_maximum: maximum, hard_maximum: maximum, ..Entitlement::default() };
        let (cid, other) = (machine.partition_with(1, capped), machine.partition(2, 3));
        for &(step, count, wait, before_all) in &jobs {
            let job = Job { step: micros(step), count, wait: micros(wait) };
            machine.spawn_with(cid, job, if before_all { first() } else { Attributes::default() });
        }
        for &(run, sleep) in &sleepers {
            machine.spawn(cid, Periodic { run: micros(run), sleep: micros(sleep) });
        }
        (0..others).for_each(|_| { machine.spawn(other, Busy); });
        let mut snapshots = Vec::new();
        for _ in 0..100 {
            let snapshot = machine.snapshot();
            prop_assert_eq!(snapshot.accounted(), snapshot.elapsed);
            snapshots.push(snapshot);
            machine.run(micros(3_333));
        }
        let slack = (millis(4).0 + micros(100).0 * cpus as u64) as f64 + 2.0;
        for (number, before) in snapshots.iter().enumerate() {
            for after in snapshots.iter().skip(number + 31) {
                let window = (after.at - before.at).0 as f64;
                let most = window * f64::from(hard) / 10_000.0 * cpus as f64 + slack;
                let found = (used(after, cid) - used(before, cid)) as f64;
                prop_assert!(found <= most, "{} ticks of at most {}", found, most);
            }
        }
    }
}
