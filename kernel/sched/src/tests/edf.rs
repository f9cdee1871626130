//! The `edf` policy.

use super::*;
use crate::Entitlement;
use crate::simulation::Behaviour::{Busy, Periodic};
use crate::simulation::{micros, millis};
use abi::BasisPoints;
use std::vec::Vec;

fn minimum(points: u16) -> Entitlement {
    Entitlement {
        minimum: BasisPoints(points),
        ..Entitlement::default()
    }
}

/// SCHED0070: budgets that fill nine tenths of the machine are met in every window of two periods, against
/// background work, and the background gets the rest.
#[test]
fn sched0070_budgets_are_met_in_every_period() {
    for cpus in [1, 2, 4] {
        let mut machine = machine(cpus, "edf");
        let minima = [5000, 3000, 1000];
        let cids: Vec<_> = (1u16..)
            .zip(minima)
            .map(|(cid, points)| machine.partition_with(cid, minimum(points)))
            .collect();
        let background = machine.partition(9, 60_000);
        for &cid in cids.iter().chain([&background]) {
            (0..cpus).for_each(|_| {
                machine.spawn(cid, Busy);
            });
        }
        machine.run(millis(100));
        let mut snapshots = Vec::new();
        for _ in 0..500 {
            snapshots.push(machine.snapshot());
            machine.run(millis(2));
        }
        for (before, after) in snapshots.iter().zip(snapshots.iter().skip(10)) {
            for (&cid, points) in cids.iter().zip(minima) {
                let whole = millis(20).0 as f64 * cpus as f64;
                let due = f64::from(points) / 10_000.0 * whole;
                let found = (used(after, cid) - used(before, cid)) as f64;
                // A window of two periods holds one whole period, and parts of two.
                let part = found / due;
                assert!(
                    part >= 0.5,
                    "{cpus} CPUs, {points} bp: {part} of its budgets"
                );
            }
        }
        let found = measure(&mut machine, seconds(2), &cids);
        for (found, points) in found.iter().zip(minima) {
            let least = f64::from(points) / 100.0 * cpus as f64;
            assert!(*found >= least * 0.995, "{cpus} CPUs: {found} of {least}");
        }
        let rest = measure(&mut machine, seconds(1), &[background])[0];
        assert!(rest > 1.0 * cpus as f64, "the background has {rest}");
        assert_eq!(machine.scheduler.take_event(), None);
    }
}

/// SCHED0071: periodic work inside its budget meets its deadline in each period, whatever else runs.
#[test]
fn sched0071_periodic_work_meets_its_deadlines() {
    let mut machine = machine(1, "edf");
    let task = machine.partition_with(1, minimum(3000));
    let other = machine.partition_with(2, minimum(6000));
    machine.spawn(
        task,
        Periodic {
            run: millis(2),
            sleep: millis(8),
        },
    );
    (0..3).for_each(|_| {
        machine.spawn(other, Busy);
    });
    machine.run(seconds(3));
    let latencies = machine.latencies.get(&task).expect("it has slept");
    assert!(latencies.len() > 200, "{} periods", latencies.len());
    let most = latencies.iter().max().copied().unwrap_or_default();
    assert!(most <= millis(4) + micros(50), "{most:?}");
}

/// SCHED0072: a minimum that does not fit is not admitted, harms nobody, and is admitted when there is room.
#[test]
fn sched0072_admission() {
    let mut machine = machine(1, "edf");
    let first = machine.partition_with(1, minimum(6000));
    let late = machine.partition_with(2, minimum(6000));
    for cid in [first, late] {
        (0..2).for_each(|_| {
            machine.spawn(cid, Busy);
        });
    }
    let found = measure(&mut machine, seconds(2), &[first, late]);
    assert!(found[0] >= 59.5, "admitted: {}", found[0]);
    assert!(found[1] < 41.0, "not admitted: {}", found[1]);
    let now = machine.now();
    let wakeup = machine
        .scheduler
        .change_partition(first, minimum(1000), now)
        .expect("legal");
    machine.tell(wakeup);
    let found = measure(&mut machine, seconds(2), &[first, late]);
    assert!(found[1] >= 59.5, "admitted now: {}", found[1]);
    assert!(found[0] >= 9.9, "smaller now: {}", found[0]);
}
