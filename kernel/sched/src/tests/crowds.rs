//! Partitions that want the same CPUs of several.

use super::*;
use crate::simulation::Behaviour::Busy;
use crate::simulation::{Machine, millis};
use crate::{Attributes, CpuSet, Entitlement};
use abi::BasisPoints;
use std::vec::Vec;

/// A partition with busy threads for each CPU of its resource set.
fn crowd(machine: &mut Machine, cid: u16, shares: u16, cpus: u64) -> Cid {
    let cid = machine.partition_with(
        cid,
        Entitlement {
            shares: Some(shares),
            cpus: CpuSet(cpus),
            ..Entitlement::default()
        },
    );
    for _ in 0..cpus.count_ones() {
        machine.spawn(cid, Busy);
    }
    cid
}

/// CPUs; for each partition shares, resource set, and what it is to get, in CPUs.
type Case = (usize, &'static [(u16, u64, f64)]);

/// SCHED0106: where resource sets overlap in part, nobody starves, the policy stays, and each CPU goes by weight among those
/// who have no other: what each gets is its max-min part to within 2.5 points.
#[test]
fn sched0106_overlapping_resource_sets_are_divided_by_weight() {
    let cases: &[Case] = &[
        (4, &[(5, 0b11, 1.0), (5, 0b1, 1.0)]),
        (4, &[(1, 0b11, 1.0), (2, 0b1, 1.0)]),
        (4, &[(2, 0b110, 0.5), (1, 0b1011, 1.0), (10, 0b1110, 2.5)]),
        (
            3,
            &[
                (2, 0b101, 0.25),
                (10, 0b101, 1.25),
                (1, 0b110, 1.0),
                (2, 0b1, 0.25),
                (2, 0b101, 0.25),
            ],
        ),
        (
            4,
            &[
                (1, 0b1, 1.0),
                (1, 0b100, 1.0),
                (5, 0b10, 5.0 / 7.0),
                (2, 0b10, 2.0 / 7.0),
            ],
        ),
        (2, &[(1, 0b11, 0.5), (2, 0b10, 1.0), (1, 0b1, 0.5)]),
    ];
    for (cpus, partitions) in cases {
        let mut machine = machine(*cpus, "wlm");
        let mut cids = Vec::new();
        for (cid, &(shares, set, _)) in (1..).zip(*partitions) {
            cids.push(crowd(&mut machine, cid, shares, set));
        }
        machine.run(millis(500));
        let found = measure(&mut machine, seconds(4), &cids);
        assert_eq!(machine.scheduler.take_event(), None, "{partitions:?}");
        for (found, &(shares, set, part)) in found.iter().zip(*partitions) {
            let what = std::format!("{shares}@{set:b} of {partitions:?}");
            assert_near(*found, 100.0 * part, 2.5, &what);
        }
    }
}

/// Two partitions that crowd on the first CPU, the first one with so many threads, beside one that is everywhere: neither
/// starves, and the policy stays.
fn assert_crowd_starves_nobody(cpus: usize, first: Entitlement, threads: usize) {
    let mut machine = machine(cpus, "wlm");
    let bound = Attributes {
        cpus: CpuSet(1),
        ..Attributes::default()
    };
    let served_first = machine.partition_with(1, first);
    (0..threads).for_each(|_| {
        machine.spawn_with(served_first, Busy, bound);
    });
    let poor = machine.partition(2, 10);
    machine.spawn_with(poor, Busy, bound);
    let others = machine.partition(3, 100);
    (0..2 * cpus).for_each(|_| {
        machine.spawn(others, Busy);
    });
    machine.run(seconds(8));
    let found = measure(&mut machine, seconds(8), &[served_first, poor, others]);
    assert_eq!(machine.scheduler.take_event(), None);
    assert!(found[0] > 45.0 && found[1] > 0.5, "{cpus} CPUs: {found:?}");
}

/// SCHED0107: threads that crowd on a CPU of their own choice starve nobody there, and do not end the policy.
#[test]
fn sched0107_threads_that_crowd_starve_nobody() {
    for cpus in [2, 4] {
        // Its one thread is worth more than a CPU, and so is served first.
        let rich = Entitlement {
            shares: Some(1_000),
            ..Entitlement::default()
        };
        assert_crowd_starves_nobody(cpus, rich, 1);
    }
}

/// SCHED0108: nor do those of a partition with a large minimum that it cannot have on one CPU.
#[test]
fn sched0108_a_minimum_that_crowds_starves_nobody() {
    for (cpus, least) in [(2, 4_000), (4, 5_000)] {
        let owed = Entitlement {
            shares: Some(10),
            minimum: BasisPoints(least),
            ..Entitlement::default()
        };
        assert_crowd_starves_nobody(cpus, owed, cpus);
    }
}
