//! Proportional sharing.

use super::*;
use crate::Entitlement;
use crate::simulation::Behaviour::{Busy, Periodic};
use crate::simulation::{micros, millis};
use abi::BasisPoints;
use std::vec::Vec;

/// SCHED0010: two busy partitions with shares 1:2 get a third and two thirds, whatever the number of threads.
#[test]
fn sched0010_shares_one_to_two_whatever_the_threads() {
    for (one, two) in [(1, 1), (1, 50), (50, 1), (7, 3)] {
        let mut machine = machine(1, "wlm");
        let cids = [machine.partition(1, 1), machine.partition(2, 2)];
        (0..one).for_each(|_| {
            machine.spawn(cids[0], Busy);
        });
        (0..two).for_each(|_| {
            machine.spawn(cids[1], Busy);
        });
        let found = measure(&mut machine, seconds(5), &cids);
        assert_near(found[0], 100.0 / 3.0, 0.04, "shares 1");
        assert_near(found[1], 200.0 / 3.0, 0.04, "shares 2");
    }
}

/// SCHED0011: shares 1:2:5 over 10 s within 0.02 points on 1 to 16 CPUs, with one and many threads; with one
/// thread each on two CPUs the third cannot use its part and the others divide the rest.
#[test]
fn sched0011_shares_within_two_hundredths_of_a_point() {
    for (cpus, threads, ideal) in [
        (1, 1, [12.5, 25.0, 62.5]),
        (1, 6, [12.5, 25.0, 62.5]),
        (2, 6, [25.0, 50.0, 125.0]),
        (4, 12, [50.0, 100.0, 250.0]),
        (8, 24, [100.0, 200.0, 500.0]),
        (16, 48, [200.0, 400.0, 1000.0]),
        (2, 1, [100.0 / 3.0, 200.0 / 3.0, 100.0]),
    ] {
        let mut machine = machine(cpus, "wlm");
        let cids = [
            machine.partition(1, 1),
            machine.partition(2, 2),
            machine.partition(3, 5),
        ];
        for _ in 0..threads {
            cids.iter().for_each(|&cid| {
                machine.spawn(cid, Busy);
            });
        }
        machine.run(millis(777));
        let found = measure(&mut machine, seconds(10), &cids);
        for (found, ideal) in found.iter().zip(ideal) {
            assert_near(*found, ideal, 0.02, "shares 1:2:5");
        }
    }
}

/// SCHED0012: 50 partitions with shares 1..50 over 30 s, mean and largest error.
#[test]
fn sched0012_fifty_partitions() {
    for (cpus, mean_bound, largest_bound) in [(1, 0.004, 0.013), (2, 0.01, 0.04)] {
        let mut machine = machine(cpus, "wlm");
        let cids: Vec<_> = (1..=50)
            .map(|shares| machine.partition(shares, shares))
            .collect();
        cids.iter().for_each(|&cid| {
            (0..2).for_each(|_| {
                machine.spawn(cid, Busy);
            })
        });
        machine.run(millis(313));
        let found = measure(&mut machine, seconds(30), &cids);
        let ideal = |cid: &Cid| 100.0 * cpus as f64 * f64::from(cid.0) / 1275.0;
        let errors: Vec<_> = found
            .iter()
            .zip(&cids)
            .map(|(found, cid)| (found - ideal(cid)).abs())
            .collect();
        let mean = errors.iter().sum::<f64>() / 50.0;
        let largest = errors.iter().copied().fold(0.0, f64::max);
        assert!(
            mean < mean_bound && largest < largest_bound,
            "{cpus} CPUs: mean {mean}, largest {largest}"
        );
    }
}

/// SCHED0013: unlimited shares weigh as the largest finite share, Global the same.
#[test]
fn sched0013_unlimited_weighs_as_the_largest_share() {
    let mut machine = machine(1, "wlm");
    let cids = [
        machine.partition(1, 10),
        machine.partition_with(2, Entitlement::default()),
        Cid::GLOBAL,
    ];
    cids.iter().for_each(|&cid| {
        machine.spawn(cid, Busy);
    });
    let found = measure(&mut machine, seconds(5), &cids);
    found
        .iter()
        .for_each(|&found| assert_near(found, 100.0 / 3.0, 0.05, "equal parts"));
    let large = machine.partition(3, 40);
    machine.spawn(large, Busy);
    let found = measure(&mut machine, seconds(5), &cids);
    let expected = [
        100.0 * 10.0 / 130.0,
        100.0 * 40.0 / 130.0,
        100.0 * 40.0 / 130.0,
    ];
    found
        .iter()
        .zip(expected)
        .for_each(|(&found, expected)| assert_near(found, expected, 0.05, "with shares 40"));
}

/// SCHED0014: what one does not use goes to the others in the ratio of their shares, and shares can change.
#[test]
fn sched0014_unused_time_goes_to_the_others() {
    let mut machine = machine(1, "wlm");
    let cids = [
        machine.partition(1, 5),
        machine.partition(2, 10),
        machine.partition(3, 15),
    ];
    let ids: Vec<_> = cids.iter().map(|&cid| machine.spawn(cid, Busy)).collect();
    let found = measure(&mut machine, seconds(5), &cids);
    found
        .iter()
        .zip([16.667, 33.333, 50.0])
        .for_each(|(&f, e)| assert_near(f, e, 0.05, "all three"));
    machine.kill(ids[2]);
    let found = measure(&mut machine, seconds(5), &cids[..2]);
    found
        .iter()
        .zip([33.333, 66.667])
        .for_each(|(&f, e)| assert_near(f, e, 0.05, "two of them"));
    let entitlement = Entitlement {
        shares: Some(30),
        ..Entitlement::default()
    };
    let now = machine.now();
    let wakeup = machine
        .scheduler
        .change_partition(cids[0], entitlement, now)
        .expect("legal");
    machine.tell(wakeup);
    let found = measure(&mut machine, seconds(5), &cids[..2]);
    found
        .iter()
        .zip([75.0, 25.0])
        .for_each(|(&f, e)| assert_near(f, e, 0.05, "after the change"));
}

/// SCHED0015: in any window of 1 s, service differs from the part by at most two slices a CPU.
#[test]
fn sched0015_every_window_of_a_second() {
    for cpus in [1, 2] {
        let mut machine = machine(cpus, "wlm");
        let cids = [
            machine.partition(1, 1),
            machine.partition(2, 2),
            machine.partition(3, 5),
        ];
        cids.iter().for_each(|&cid| {
            (0..4).for_each(|_| {
                machine.spawn(cid, Busy);
            })
        });
        machine.run(millis(100));
        let mut snapshots = Vec::new();
        for _ in 0..1500 {
            snapshots.push(machine.snapshot());
            machine.run(micros(3_131));
        }
        for (before, after) in snapshots.iter().zip(snapshots.iter().skip(320)) {
            for (&cid, part) in cids.iter().zip([0.125, 0.25, 0.625]) {
                let ideal = (after.at - before.at).0 as f64 * part * cpus as f64;
                let error = (used(after, cid) - used(before, cid)) as f64 - ideal;
                assert!(
                    error.abs() <= millis(8).0 as f64 * cpus as f64,
                    "{cpus} CPUs: {error} ticks"
                );
            }
        }
    }
}

/// SCHED0016: threads of a partition share by nice value, with no effect on the other partition.
#[test]
fn sched0016_nice_counts_inside_the_partition_only() {
    let mut machine = machine(1, "wlm");
    let cids = [machine.partition(1, 1), machine.partition(2, 1)];
    let normal = machine.spawn_nice(cids[0], Busy, 0);
    let nicer = machine.spawn_nice(cids[0], Busy, 5);
    machine.spawn_nice(cids[1], Busy, 19);
    let found = measure(&mut machine, seconds(10), &cids);
    assert_near(found[0], 50.0, 0.05, "partition 1");
    let account = |id| {
        machine
            .scheduler
            .entity_account(id, machine.now())
            .expect("alive")
            .total()
            .0 as f64
    };
    assert_near(
        account(normal) / account(nicer),
        1024.0 / 335.0,
        0.02,
        "nice 0 to nice 5",
    );
}

/// SCHED0017: one that sleeps now and then loses nothing but the time that it slept; a debt is not slept off.
#[test]
fn sched0017_short_sleeps_neither_gain_nor_lose() {
    let mut machine = machine(1, "wlm");
    let cids = [machine.partition(1, 1), machine.partition(2, 1)];
    machine.spawn(
        cids[0],
        Periodic {
            run: millis(9),
            sleep: micros(100),
        },
    );
    machine.spawn(cids[1], Busy);
    let found = measure(&mut machine, seconds(10), &cids);
    assert!(
        found[0] <= 50.05 && found[0] >= 49.0,
        "the sleeper has {}",
        found[0]
    );
}

/// SCHED0018: two partitions of one thread that cannot use their parts of four CPUs do not push the one that
/// can use its part out of the division. (The average followed the majority once.)
#[test]
fn sched0018_those_that_cannot_use_their_part_leave_the_division() {
    let mut machine = machine(4, "wlm");
    let cases = [(138, 1), (121, 1), (1, 1), (126, 4)];
    let cids: Vec<_> = (1u16..)
        .zip(cases)
        .map(|(cid, (shares, _))| machine.partition(cid, shares))
        .collect();
    for (&cid, (_, threads)) in cids.iter().zip(cases) {
        (0..threads).for_each(|_| {
            machine.spawn(cid, Busy);
        });
    }
    machine.run(seconds(1));
    let found = measure(&mut machine, seconds(4), &cids);
    let ideal = [100.0, 100.0, 200.0 / 127.0, 200.0 * 126.0 / 127.0];
    found
        .iter()
        .zip(ideal)
        .for_each(|(&found, ideal)| assert_near(found, ideal, 0.2, "part"));
}

/// SCHED0114: one thread whose part is nearly a CPU loses nothing of it to minima, whose pieces it would have to wait for.
#[test]
fn sched0114_who_needs_nearly_all_that_it_can_use_loses_nothing() {
    // Shares, minimum, threads, and its part of four CPUs.
    let partitions = [
        (1, 929, 4, 38.16),
        (109, 202, 1, 61.15),
        (182, 264, 2, 102.10),
        (178, 0, 1, 99.86),
        (176, 635, 6, 98.73),
    ];
    let mut machine = machine(4, "wlm");
    let mut cids = Vec::new();
    for (number, (shares, minimum, threads, _)) in (1..).zip(partitions) {
        let entitlement = Entitlement {
            shares: Some(shares),
            minimum: BasisPoints(minimum),
            ..Entitlement::default()
        };
        let cid = machine.partition_with(number, entitlement);
        (0..threads).for_each(|_| {
            machine.spawn(cid, Busy);
        });
        cids.push(cid);
    }
    machine.run(seconds(2));
    let found = measure(&mut machine, seconds(10), &cids);
    for (found, (shares, _, _, part)) in found.iter().zip(partitions) {
        assert_near(*found, part, 0.05, &std::format!("{shares} shares"));
    }
}

/// SCHED0128: one thread that is to have nearly a CPU loses nothing of it to partitions that have more threads than their
/// maximum lets run at a time, and these nothing to it (found by SCHED0115).
#[test]
fn sched0128_bursts_of_the_capped_cost_nobody_his_part() {
    let capped = |hard| Entitlement {
        soft_maximum: BasisPoints(hard),
        hard_maximum: BasisPoints(hard),
        shares: Some(200),
        ..Entitlement::default()
    };
    let single = Entitlement {
        shares: Some(1),
        ..Entitlement::default()
    };
    // Threads, and the part of five CPUs.
    let partitions = [
        (capped(3652), 3, 182.60),
        (capped(4381), 4, 219.05),
        (single, 1, 98.35),
    ];
    let mut machine = machine(5, "wlm");
    let mut cids = Vec::new();
    for (number, (entitlement, threads, _)) in (1..).zip(partitions) {
        let cid = machine.partition_with(number, entitlement);
        for _ in 0..threads {
            machine.spawn(cid, Busy);
        }
        cids.push(cid);
    }
    machine.run(seconds(2));
    let found = measure(&mut machine, seconds(10), &cids);
    for (found, (_, threads, part)) in found.iter().zip(partitions) {
        assert_near(*found, part, 0.1, &std::format!("{threads} threads"));
    }
}
