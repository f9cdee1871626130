//! Resource sets of partitions, CPUs that threads are bound to.

use super::*;
use crate::simulation::Behaviour::Busy;
use crate::simulation::{Behaviour, Machine, micros, millis};
use crate::{Attributes, CpuSet, Entitlement, EntityId};
use abi::BasisPoints;
use std::vec::Vec;

fn within(cpus: u64) -> Entitlement {
    Entitlement {
        cpus: CpuSet(cpus),
        ..Entitlement::default()
    }
}

fn bound(cpus: u64) -> Attributes {
    Attributes {
        cpus: CpuSet(cpus),
        ..Attributes::default()
    }
}

fn used_by(machine: &Machine, id: EntityId) -> u64 {
    let account = machine.scheduler.entity_account(id, machine.now());
    account.expect("alive").total().0
}

/// SCHED0080: threads of one partition that are bound to a CPU share it, and the others get what is left, by weight.
#[test]
fn sched0080_bound_threads_share_with_free_ones() {
    let mut machine = machine(2, "wlm");
    let cid = machine.partition(1, 1);
    let threads = [
        machine.spawn_with(cid, Busy, bound(1)),
        machine.spawn_with(cid, Busy, bound(1)),
        machine.spawn_with(cid, Busy, bound(1)),
        machine.spawn(cid, Busy),
    ];
    machine.run(seconds(1));
    let before = threads.map(|id| used_by(&machine, id));
    machine.run(seconds(3));
    for (number, (id, before)) in threads.into_iter().zip(before).enumerate() {
        let part = (used_by(&machine, id) - before) as f64 / seconds(3).0 as f64;
        let expected = if number == 3 { 1.0 } else { 1.0 / 3.0 };
        assert_near(part, expected, 0.01, "part of a thread");
    }
}

/// SCHED0081: a thread that is bound elsewhere while it runs goes there at once.
#[test]
fn sched0081_binding_moves_at_once() {
    let mut machine = machine(2, "wlm");
    let cid = machine.partition(1, 1);
    let id = machine.spawn(cid, Busy);
    for cpu in [1, 0, 1, 1, 0] {
        machine.set_attributes(id, bound(1 << cpu));
        machine.run(micros(1));
        let running = machine.scheduler.current(crate::Cpu(cpu));
        assert_eq!(running, Some(id), "on CPU {cpu}");
    }
}

/// SCHED0082: partitions that crowd on one CPU of several are owed nothing for that, and one that comes later to the
/// others' CPUs gets its part there at once.
#[test]
fn sched0082_a_crowd_is_owed_nothing() {
    let mut machine = machine(2, "wlm");
    let crowd = [1, 2].map(|cid| machine.partition_with(cid, within(1)));
    let free = [3, 4].map(|cid| machine.partition(cid, 1));
    for cid in [crowd[0], crowd[1], free[0]] {
        machine.spawn(cid, Busy);
    }
    let found = measure(&mut machine, seconds(20), &[crowd[0], crowd[1], free[0]]);
    for (found, expected) in found.into_iter().zip([50.0, 50.0, 100.0]) {
        assert_near(found, expected, 0.5, "in the crowd");
    }
    machine.spawn(free[1], Busy);
    machine.run(millis(100));
    let found = measure(&mut machine, seconds(1), &free);
    for found in found {
        assert_near(found, 50.0, 2.0, "beside the crowd");
    }
    // Let out, they take the same as everybody from the first second on.
    for cid in crowd {
        let now = machine.now();
        let changed = machine
            .scheduler
            .change_partition(cid, Entitlement::default(), now);
        machine.tell(changed.expect("legal"));
    }
    machine.run(millis(200));
    let found = measure(
        &mut machine,
        seconds(1),
        &[crowd[0], crowd[1], free[0], free[1]],
    );
    for found in found {
        assert_near(found, 50.0, 2.0, "all free");
    }
    assert_eq!(machine.scheduler.take_event(), None);
}

/// SCHED0083: percentages of a partition with a resource set are parts of that set.
#[test]
fn sched0083_percentages_are_of_the_resource_set() {
    for (hard, points) in [(2_500, 50.0), (50, 1.0), (7_500, 150.0)] {
        let mut machine = machine(4, "wlm");
        let capped = Entitlement {
            soft_maximum: BasisPoints(hard),
            hard_maximum: BasisPoints(hard),
            ..within(0b0110)
        };
        let cid = machine.partition_with(1, capped);
        (0..4).for_each(|_| {
            machine.spawn(cid, Busy);
        });
        machine.run(seconds(1));
        let found = measure(&mut machine, seconds(10), &[cid]);
        assert_near(found[0], points, 0.02, "hard maximum of a set");
    }
    let mut machine = machine(4, "wlm");
    let least = Entitlement {
        shares: Some(1),
        minimum: BasisPoints(6_000),
        ..within(0b0011)
    };
    let cid = machine.partition_with(1, least);
    let others = machine.partition(2, 60_000);
    for _ in 0..4 {
        machine.spawn(cid, Busy);
        machine.spawn(others, Busy);
    }
    machine.run(seconds(1));
    let found = measure(&mut machine, seconds(4), &[cid]);
    assert_near(found[0], 121.0, 1.5, "minimum of a set");
}

/// SCHED0084: threads that are bound, as many as there may be, do not hide those that can run on another CPU.
#[test]
fn sched0084_those_bound_elsewhere_hide_nobody() {
    let mut machine = machine(2, "wlm");
    let cid = machine.partition(1, 1);
    (0..200).for_each(|_| {
        machine.spawn_with(cid, Busy, bound(1));
    });
    let sleeper = Behaviour::Periodic {
        run: micros(50),
        sleep: millis(1),
    };
    machine.spawn_with(cid, sleeper, bound(2));
    machine.run(seconds(1));
    machine.forget_latencies();
    machine.run(seconds(1));
    let longest = machine.latencies[&cid].iter().max().copied();
    assert!(
        longest.is_some_and(|longest| longest <= micros(1)),
        "{longest:?}"
    );
}

/// SCHED0085: whatever is bound and let go, on CPUs that come and go: a thread whose CPUs are gone runs elsewhere, and
/// goes back with them.
#[test]
fn sched0085_a_thread_whose_cpus_are_gone_runs_elsewhere() {
    let mut machine = machine(3, "wlm");
    let cid = machine.partition_with(1, within(0b110));
    let id = machine.spawn_with(cid, Busy, bound(0b100));
    let on = |machine: &Machine| -> Vec<u16> {
        let runs = |&cpu: &u16| machine.scheduler.current(crate::Cpu(cpu)) == Some(id);
        (0..3).filter(runs).collect()
    };
    machine.run(millis(10));
    assert_eq!(on(&machine), [2]);
    machine.unplug(2).expect("not the last");
    machine.run(millis(10));
    assert_eq!(on(&machine), [1], "within the resource set");
    machine.unplug(1).expect("not the last");
    machine.run(millis(10));
    assert_eq!(on(&machine), [0], "anywhere");
    machine.plug(2);
    machine.run(millis(10));
    assert_eq!(on(&machine), [2], "back");
}

/// SCHED0068: partitions whose threads are all bound to one CPU of several follow each other there, whoever has more of them.
#[test]
fn sched0068_who_crowds_on_one_cpu_takes_turns() {
    for policy in ["wlm", "stride", "round-robin"] {
        let mut machine = machine(4, policy);
        let cids = [machine.partition(2, 1), machine.partition(3, 1)];
        for cid in [cids[0], cids[0], cids[1]] {
            machine.spawn_with(cid, Busy, bound(1 << 3));
        }
        machine.run(seconds(1));
        let found = measure(&mut machine, seconds(2), &cids);
        assert_near(found[0], 50.0, 1.0, policy);
        assert_near(found[1], 50.0, 1.0, policy);
        assert_eq!(machine.scheduler.take_event(), None);
    }
}
