//! Minima and maxima.

use super::*;
use crate::simulation::Behaviour::{Busy, Periodic};
use crate::simulation::{micros, millis};
use crate::{Attributes, CpuSet, Entitlement};
use abi::BasisPoints;
use std::vec::Vec;

fn capped(hard: u16) -> Entitlement {
    Entitlement {
        hard_maximum: BasisPoints(hard),
        soft_maximum: BasisPoints(hard),
        ..Entitlement::default()
    }
}

/// SCHED0020: a hard maximum holds in every window of 100 ms or more, also on an idle machine, and is reached
/// over 10 s within 0.01 points.
#[test]
fn sched0020_hard_maximum_in_every_window() {
    for hard in [1250, 500, 50] {
        for (cpus, threads, contended) in [
            (1, 1, false),
            (1, 1, true),
            (1, 5, true),
            (2, 1, true),
            (2, 5, false),
        ] {
            let mut machine = machine(cpus, "wlm");
            let cid = machine.partition_with(1, capped(hard));
            let other = machine.partition(2, 1);
            (0..threads).for_each(|_| {
                machine.spawn(cid, Busy);
            });
            if contended {
                (0..2).for_each(|_| {
                    machine.spawn(other, Busy);
                });
            }
            let part = f64::from(hard) / 10_000.0 * cpus as f64;
            let case =
                std::format!("{hard} bp, {cpus} CPUs, {threads} threads, contended {contended}");
            windows_hold(&mut machine, cid, part, &case);
            let found = measure(&mut machine, seconds(10), &[cid]);
            assert_near(found[0], 100.0 * part, 0.01, &case);
        }
    }
}

fn windows_hold(machine: &mut Machine, cid: Cid, part: f64, case: &str) {
    let mut snapshots = Vec::new();
    for _ in 0..120 {
        snapshots.push(machine.snapshot());
        machine.run(micros(1_717));
    }
    for (number, before) in snapshots.iter().enumerate() {
        for after in snapshots.iter().skip(number + 59) {
            let window = (after.at - before.at).0 as f64;
            let most = part * window + millis(4).0 as f64;
            let found = (used(after, cid) - used(before, cid)) as f64;
            assert!(found <= most, "{case}: {found} ticks of at most {most}");
        }
    }
}

/// SCHED0021: late timers make an overrun, which is paid back.
#[test]
fn sched0021_overrun_is_debt() {
    let mut machine = machine(1, "wlm");
    machine.lateness = micros(300);
    let cid = machine.partition_with(1, capped(1000));
    machine.spawn(cid, Busy);
    let found = measure(&mut machine, seconds(10), &[cid]);
    assert_near(found[0], 10.0, 0.02, "10 %");
}

/// SCHED0022: time that was not wanted is not saved up for a burst.
#[test]
fn sched0022_no_burst_after_sleep() {
    let mut machine = machine(1, "wlm");
    let cid = machine.partition_with(1, capped(1000));
    machine.run(seconds(5));
    machine.spawn(cid, Busy);
    let found = measure(&mut machine, millis(100), &[cid]);
    assert!(found[0] <= 11.0, "{} %", found[0]);
}

/// SCHED0123: nor is time saved up that was wanted and that others had: a partition that has hardly had a turn beside a
/// large one uses no more in any window when that one sleeps.
#[test]
fn sched0123_no_burst_after_waiting() {
    for cpus in [1, 2] {
        let mut machine = machine(cpus, "wlm");
        let small = Entitlement {
            shares: Some(1),
            ..capped(1250)
        };
        let cid = machine.partition_with(1, small);
        machine.spawn(cid, Busy);
        let large = machine.partition(2, 60_000);
        for _ in 0..cpus {
            let (run, sleep) = (millis(400), millis(300));
            machine.spawn(large, Periodic { run, sleep });
        }
        machine.run(millis(390));
        let part = 0.125 * cpus as f64;
        windows_hold(&mut machine, cid, part, "when the other sleeps");
        assert!(used(&machine.snapshot(), cid) > millis(12).0, "it had none");
    }
}

fn with_minimum(shares: u16, minimum: u16) -> Entitlement {
    Entitlement {
        shares: Some(shares),
        minimum: BasisPoints(minimum),
        ..Entitlement::default()
    }
}

/// The least that a partition has in a window of 200 ms, in points, over a second.
fn least_in_200_ms(machine: &mut Machine, cid: Cid) -> f64 {
    let mut snapshots = Vec::new();
    for _ in 0..250 {
        snapshots.push(machine.snapshot());
        machine.run(millis(4));
    }
    let windows = snapshots.iter().zip(snapshots.iter().skip(50));
    windows
        .map(|(before, after)| points(before, after, cid))
        .fold(f64::MAX, f64::min)
}

/// SCHED0023: a minimum is met against any shares, in every window of 200 ms, on any number of CPUs, and is not
/// much more than it was asked to be.
#[test]
fn sched0023_minimum_against_big_shares() {
    for cpus in [1, 2, 4, 8, 16] {
        let mut machine = machine(cpus, "wlm");
        let entitlement = Entitlement {
            shares: Some(1),
            minimum: BasisPoints(3000),
            ..Entitlement::default()
        };
        let cid = machine.partition_with(1, entitlement);
        (0..2 * cpus).for_each(|_| {
            machine.spawn(cid, Busy);
        });
        for number in 2..22 {
            let other = machine.partition(number, 1000);
            (0..cpus).for_each(|_| {
                machine.spawn(other, Busy);
            });
        }
        machine.run(millis(50));
        let mut snapshots = Vec::new();
        for _ in 0..400 {
            snapshots.push(machine.snapshot());
            machine.run(millis(4));
        }
        for (before, after) in snapshots.iter().zip(snapshots.iter().skip(50)) {
            let found = points(before, after, cid);
            let least = 30.0 * cpus as f64;
            assert!(found >= least, "{cpus} CPUs: {found} points");
            assert!(found <= least + 2.5, "{cpus} CPUs: {found} points");
        }
    }
}

/// SCHED0065: with few threads a minimum is met as far as they can use it, in every window of 200 ms, whether the others
/// need whole CPUs or not.
#[test]
fn sched0065_minimum_of_few_threads() {
    for (cpus, busy) in [(2, 1), (2, 2), (3, 1), (4, 4), (6, 2), (8, 1), (16, 16)] {
        for threads in 1..=cpus / 3 + 2 {
            let mut machine = machine(cpus, "wlm");
            let cid = machine.partition_with(1, with_minimum(1, 3000));
            (0..threads).for_each(|_| {
                machine.spawn(cid, Busy);
            });
            for number in 2..22 {
                let other = machine.partition(number, 1000);
                (0..busy).for_each(|_| {
                    machine.spawn(other, Busy);
                });
            }
            machine.run(millis(50));
            let due = (30.0 * cpus as f64).min(100.0 * threads as f64);
            let least = least_in_200_ms(&mut machine, cid);
            assert!(
                least > due - 0.001,
                "{threads} threads on {cpus} CPUs: {least} of {due} points"
            );
        }
    }
}

/// SCHED0066: a minimum that a partition's threads could not use, because they were too few or bound to a CPU that others
/// want, is not owed to it when they can: it takes nothing of another's minimum.
#[test]
fn sched0066_what_could_not_be_used_is_not_saved_up() {
    for bound in [false, true] {
        let mut machine = machine(4, "wlm");
        let cids = [
            machine.partition_with(1, with_minimum(1, 5000)),
            machine.partition_with(2, with_minimum(1, 4000)),
        ];
        (0..4).for_each(|_| {
            machine.spawn(cids[1], Busy);
        });
        let (count, cpus) = if bound {
            (4, CpuSet(1))
        } else {
            (1, CpuSet::ALL)
        };
        let there = Attributes {
            cpus,
            ..Attributes::default()
        };
        let first: Vec<_> = (0..count)
            .map(|_| machine.spawn_with(cids[0], Busy, there))
            .collect();
        machine.run(seconds(10));
        first
            .into_iter()
            .for_each(|id| machine.set_attributes(id, Attributes::default()));
        (0..4).for_each(|_| {
            machine.spawn(cids[0], Busy);
        });
        let least = least_in_200_ms(&mut machine, cids[1]);
        assert!(least > 157.0, "{least} of 160 points");
    }
}

/// SCHED0024: a minimum is a floor: with shares worth more it adds nothing, and unused it is lent out.
#[test]
fn sched0024_minimum_is_a_floor() {
    let mut machine = machine(1, "wlm");
    let entitlement = Entitlement {
        shares: Some(3),
        minimum: BasisPoints(3000),
        ..Entitlement::default()
    };
    let cids = [
        machine.partition_with(1, entitlement),
        machine.partition(2, 1),
    ];
    let first = machine.spawn(cids[0], Busy);
    machine.spawn(cids[1], Busy);
    let found = measure(&mut machine, seconds(5), &cids);
    assert_near(found[0], 75.0, 0.05, "by shares");
    machine.kill(first);
    let found = measure(&mut machine, seconds(1), &cids);
    assert_near(found[1], 100.0, 0.0, "lent out");
}

/// SCHED0025: Global has 5 % whatever the others' shares are, and does not reduce them more than that.
#[test]
fn sched0025_global_has_its_minimum() {
    let mut machine = machine(1, "wlm");
    machine.spawn(Cid::GLOBAL, Busy);
    for number in 1..=99 {
        let cid = machine.partition(number, 100);
        machine.spawn(cid, Busy);
    }
    machine.run(millis(500));
    let found = measure(&mut machine, seconds(5), &[Cid::GLOBAL, Cid(1)]);
    assert!(
        found[0] >= 4.97 && found[0] < 5.3,
        "Global has {}",
        found[0]
    );
    assert_near(found[1], 95.0 / 99.0, 0.08, "one of the others");
}

/// SCHED0026: a soft maximum binds while others want the CPU, and not on an idle machine.
#[test]
fn sched0026_soft_maximum_binds_under_contention() {
    let mut machine = machine(1, "wlm");
    let soft = Entitlement {
        shares: Some(100),
        soft_maximum: BasisPoints(2000),
        ..Entitlement::default()
    };
    let cids = [
        machine.partition_with(1, soft),
        machine.partition(2, 1),
        machine.partition(3, 2),
    ];
    machine.spawn(cids[0], Busy);
    let found = measure(&mut machine, seconds(1), &cids);
    assert_near(found[0], 100.0, 0.0, "alone");
    let others = [machine.spawn(cids[1], Busy), machine.spawn(cids[2], Busy)];
    machine.run(millis(100));
    let found = measure(&mut machine, seconds(5), &cids);
    found
        .iter()
        .zip([20.0, 26.667, 53.333])
        .for_each(|(&f, e)| assert_near(f, e, 0.1, "contended"));
    others.iter().for_each(|&id| machine.kill(id));
    let found = measure(&mut machine, seconds(1), &cids);
    assert_near(found[0], 100.0, 0.0, "alone again");
}

/// SCHED0027: `active=no` lifts every control, and turning it on again restores them.
#[test]
fn sched0027_inactive_controls_nothing() {
    let mut machine = machine(1, "wlm");
    let entitlement = Entitlement {
        shares: Some(1),
        ..capped(1000)
    };
    let cid = machine.partition_with(1, entitlement);
    machine.spawn(cid, Busy);
    for (active, expected) in [(true, 10.0), (false, 100.0), (true, 10.0)] {
        let now = machine.now();
        let entitlement = Entitlement {
            active,
            ..entitlement
        };
        let wakeup = machine
            .scheduler
            .change_partition(cid, entitlement, now)
            .expect("legal");
        machine.tell(wakeup);
        let found = measure(&mut machine, seconds(5), &[cid]);
        assert_near(found[0], expected, 0.05, "10 %");
    }
}

/// SCHED0028: a capped partition of sleepers loses nothing below its maximum, and a hard maximum of 0 stops it.
#[test]
fn sched0028_caps_of_sleepers_and_of_nothing() {
    let mut machine = machine(1, "wlm");
    let cids = [
        machine.partition_with(1, capped(2000)),
        machine.partition_with(2, capped(0)),
    ];
    machine.spawn(
        cids[0],
        Periodic {
            run: micros(100),
            sleep: micros(900),
        },
    );
    machine.spawn(cids[1], Busy);
    let found = measure(&mut machine, seconds(2), &cids);
    assert!(found[0] > 9.8, "{}", found[0]);
    assert_near(found[1], 0.05, 0.0501, "0 %");
}

/// SCHED0029: a hard maximum of a little less than a CPU, of one or of more is reached, and holds in every window,
/// on several CPUs, against partitions that want everything. (What one CPU was promised kept the others out, also
/// after it had been given back, and the bucket ran over; it also ran over between the accounts of two CPUs.)
#[test]
fn sched0029_hard_maximum_of_whole_cpus() {
    let cases = [
        (4, 3333),
        (4, 2500),
        (8, 3333),
        (8, 1250),
        (16, 500),
        (16, 1250),
        (16, 4321),
    ];
    for (cpus, hard) in cases {
        for contended in [false, true] {
            let mut machine = machine(cpus, "wlm");
            let cid = machine.partition_with(1, capped(hard));
            let other = machine.partition(2, 1);
            for _ in 0..2 * cpus {
                machine.spawn(cid, Busy);
                if contended {
                    machine.spawn(other, Busy);
                }
            }
            let part = f64::from(hard) / 10_000.0 * cpus as f64;
            let case = std::format!("{hard} bp, {cpus} CPUs, contended {contended}");
            windows_hold(&mut machine, cid, part, &case);
            let found = measure(&mut machine, seconds(1), &[cid]);
            assert_near(found[0], 100.0 * part, 0.2, &case);
        }
    }
}

/// SCHED0120: a partition that its hard maximum holds back for a while leaves to the others what the maximum says, and not
/// all of its part at one time and none at another: beside it, one thread gets what its shares say of a CPU, and not the
/// whole of it.
#[test]
fn sched0120_who_is_held_back_counts_in_the_division() {
    let mut machine = machine(4, "wlm");
    let one = machine.partition(1, 212);
    let shares = Some(214);
    let held = machine.partition_with(
        2,
        Entitlement {
            shares,
            ..capped(1534)
        },
    );
    let many = machine.partition(3, 600);
    for (cid, threads) in [(one, 1), (held, 1), (many, 6)] {
        (0..threads).for_each(|_| {
            machine.spawn(cid, Busy);
        });
    }
    machine.run(millis(200));
    let found = measure(&mut machine, seconds(10), &[one, held, many]);
    let left = 400.0 - 61.36;
    assert_near(found[0], left * 212.0 / 812.0, 0.05, "one thread");
    assert_near(found[1], 61.36, 0.01, "held back");
    assert_near(found[2], left * 600.0 / 812.0, 0.05, "many threads");
}

/// SCHED0121: what a hard maximum has kept from a partition is not saved up: when more come, shares divide as for anybody.
#[test]
fn sched0121_who_was_held_back_makes_up_for_nothing() {
    for policy in ["wlm", "stride"] {
        let mut machine = machine(1, policy);
        let shares = Some(9);
        let held = machine.partition_with(
            1,
            Entitlement {
                shares,
                ..capped(5_000)
            },
        );
        let other = machine.partition(2, 1);
        for cid in [held, other] {
            machine.spawn(cid, Busy);
        }
        machine.run(seconds(5));
        let large = machine.partition(3, 90);
        machine.spawn(large, Busy);
        let found = measure(&mut machine, seconds(1), &[held]);
        assert_near(found[0], 9.0, 1.0, policy);
    }
}
