//! CPUs that leave and come back.

use super::*;
use crate::simulation::Behaviour::Busy;
use crate::simulation::{Machine, millis};
use crate::{Cpu, CpuSet, Entitlement, Refusal};
use abi::BasisPoints;

/// SCHED0070: what a CPU ran when it left runs on the others, and no tick is lost.
#[test]
fn sched0070_work_moves_off() {
    for policy in ["wlm", "stride", "round-robin"] {
        let mut machine = machine(4, policy);
        let cid = machine.partition(1, 1);
        let ids: std::vec::Vec<_> = (0..4).map(|_| machine.spawn(cid, Busy)).collect();
        machine.run(seconds(1));
        for cpu in [2, 0, 3] {
            machine.unplug(cpu).expect("it is not the last");
            machine.run(seconds(1));
        }
        let account = |machine: &Machine, id| {
            let found = machine.scheduler.entity_account(id, machine.now());
            found.expect("alive").total()
        };
        let before: std::vec::Vec<_> = ids.iter().map(|&id| account(&machine, id)).collect();
        let found = measure(&mut machine, seconds(2), &[cid]);
        assert_near(found[0], 100.0, 0.01, policy);
        for (&id, before) in ids.iter().zip(before) {
            assert!(account(&machine, id) > before, "{policy}: {id:?} is lost");
        }
        assert_eq!(machine.scheduler.take_event(), None);
    }
}

/// SCHED0071: the last CPU stays, and one that is not there cannot leave.
#[test]
fn sched0071_the_last_stays() {
    let mut machine = machine(2, "wlm");
    let now = machine.now();
    assert_eq!(machine.scheduler.offline(Cpu(2), now), Err(Refusal::Cpu));
    machine.unplug(0).expect("there is another");
    assert_eq!(machine.scheduler.offline(Cpu(0), now), Err(Refusal::Cpu));
    assert_eq!(machine.scheduler.offline(Cpu(1), now), Err(Refusal::Busy));
}

/// SCHED0072: a hard maximum is a part of the CPUs that are there, from the moment that one leaves or comes.
#[test]
fn sched0072_hard_maxima_follow() {
    for hard in [500, 6_000] {
        let mut machine = machine(4, "wlm");
        let entitlement = Entitlement {
            soft_maximum: BasisPoints(hard),
            hard_maximum: BasisPoints(hard),
            ..Entitlement::default()
        };
        let cid = machine.partition_with(1, entitlement);
        (0..6).for_each(|_| {
            machine.spawn(cid, Busy);
        });
        machine.run(millis(200));
        let expect = |machine: &mut Machine, cpus: f64| {
            // What was promised before the change is paid back within a slice or two.
            machine.run(millis(200));
            let found = measure(machine, seconds(3), &[cid]);
            let whole = f64::from(hard) / 100.0 * cpus;
            assert_near(found[0], whole, 0.04 * cpus, "the hard maximum");
        };
        expect(&mut machine, 4.0);
        machine.unplug(1).expect("there are others");
        expect(&mut machine, 3.0);
        machine.unplug(3).expect("there are others");
        machine.unplug(0).expect("there is another");
        expect(&mut machine, 1.0);
        machine.plug(3);
        expect(&mut machine, 2.0);
        machine.plug(0);
        machine.plug(1);
        expect(&mut machine, 4.0);
    }
}

/// SCHED0073: the moment at which CPUs leave is no moment at which a hard maximum may be passed: what was promised by
/// the larger rate is at most a slice.
#[test]
fn sched0073_no_burst_when_cpus_leave() {
    let mut machine = machine(4, "wlm");
    let entitlement = Entitlement {
        soft_maximum: BasisPoints(5_000),
        hard_maximum: BasisPoints(5_000),
        ..Entitlement::default()
    };
    let cid = machine.partition_with(1, entitlement);
    (0..4).for_each(|_| {
        machine.spawn(cid, Busy);
    });
    machine.run(seconds(1));
    (1..4).for_each(|cpu| machine.unplug(cpu).expect("one stays"));
    let found = measure(&mut machine, millis(100), &[cid]);
    assert!(found[0] <= 54.0, "{} points", found[0]);
}

/// SCHED0074: a CPU that has been told to leave gives up its thread at the next look, and one stays whoever is told.
#[test]
fn sched0074_one_is_never_recalled() {
    let mut machine = machine(3, "wlm");
    let cid = machine.partition(1, 1);
    (0..3).for_each(|_| {
        machine.spawn(cid, Busy);
    });
    machine.run(seconds(1));
    let now = machine.now();
    let scheduler = &mut machine.scheduler;
    assert_eq!(scheduler.recall(Cpu(3)), Err(Refusal::Cpu));
    assert!(!scheduler.must_preempt(Cpu(1), now));
    let told = scheduler.recall(Cpu(1)).expect("there are others");
    assert!(told.preempt.contains(Cpu(1)));
    assert!(scheduler.is_recalled(Cpu(1)) && scheduler.must_preempt(Cpu(1), now));
    assert_eq!(scheduler.recall(Cpu(1)), Err(Refusal::Cpu));
    let _told = scheduler.recall(Cpu(0)).expect("there is another");
    assert_eq!(scheduler.recall(Cpu(2)), Err(Refusal::Busy));
    for cpu in [0, 1] {
        machine.unplug(cpu).expect("it has been told");
        assert!(!machine.scheduler.is_recalled(Cpu(cpu)));
    }
    assert_eq!(machine.scheduler.recall(Cpu(2)), Err(Refusal::Busy));
}

/// SCHED0075: what a CPU has spent never becomes less, whether it is there or not, and is what the accounts add up to.
#[test]
fn sched0075_times_of_cpus_go_on() {
    let mut machine = machine(2, "wlm");
    let cid = machine.partition(1, 1);
    machine.spawn(cid, Busy);
    let mut before = std::vec![0; 2];
    for round in 0..6 {
        match round % 3 {
            1 => machine.unplug(0).expect("there is another"),
            2 => machine.plug(0),
            _ => {}
        }
        machine.run(millis(300));
        let now = machine.now();
        let spent: std::vec::Vec<u64> = machine
            .scheduler
            .spent(now)
            .map(|(_, _, account, idle)| account.total().0 + idle.0)
            .collect();
        let online: std::vec::Vec<bool> =
            machine.scheduler.spent(now).map(|(_, is, ..)| is).collect();
        assert_eq!(online, [round % 3 != 1, true]);
        assert!(spent.iter().zip(&before).all(|(now, then)| now >= then));
        let snapshot = machine.scheduler.snapshot(now).expect("memory");
        assert_eq!(
            spent.iter().sum::<u64>(),
            snapshot.elapsed.0,
            "round {round}"
        );
        before = spent;
    }
}

/// SCHED0103: a partition whose resource set has lost its last CPU runs on the others, within its part of those, and goes back
/// when the CPU does; so does one that keeps a CPU of its set.
#[test]
fn sched0103_a_resource_set_without_cpus() {
    for policy in ["wlm", "stride", "round-robin"] {
        let mut machine = machine(4, policy);
        let confined = |cpus| Entitlement {
            shares: Some(10),
            soft_maximum: BasisPoints(5_000),
            hard_maximum: BasisPoints(5_000),
            cpus: CpuSet(cpus),
            ..Entitlement::default()
        };
        let lonely = machine.partition_with(1, confined(0b1000));
        let paired = machine.partition_with(2, confined(0b1100));
        let other = machine.partition(3, 10);
        for cid in [lonely, paired, other] {
            (0..4).for_each(|_| {
                machine.spawn(cid, Busy);
            });
        }
        machine.run(millis(100));
        let told = |machine: &Machine| -> std::vec::Vec<_> {
            machine.scheduler.confined_to(Cpu(3)).collect()
        };
        assert_eq!(told(&machine), [lonely]);
        let before = measure(&mut machine, seconds(2), &[lonely, paired, other]);
        // Half of one CPU, half of two.
        assert!(
            before[0] < 50.1 && before[1] < 100.1,
            "{policy}: {before:?}"
        );
        machine.unplug(3).expect("others stay");
        let away = measure(&mut machine, seconds(2), &[lonely, paired, other]);
        // Half of three CPUs is its limit now, its part by shares is less; half of one CPU.
        assert!(away[0] > 60.0 && away[0] < 150.1, "{policy}: {away:?}");
        assert!(away[1] < 50.1, "{policy}: {away:?}");
        assert_near(away.iter().sum(), 300.0, 0.1, policy);
        machine.plug(3);
        machine.run(millis(100));
        let back = measure(&mut machine, seconds(2), &[lonely, paired, other]);
        assert!(back[0] < 50.1 && back[1] < 100.1, "{policy}: {back:?}");
        assert_eq!(machine.scheduler.take_event(), None);
    }
}
