//! Classes and priorities of threads, inside their partition's part.

use super::*;
use crate::simulation::Behaviour::Busy;
use crate::simulation::{Behaviour, Machine, micros, millis};
use crate::{Allowance, Attributes, Class, EntityId, Priority};

fn of(class: Class) -> Attributes {
    Attributes {
        class,
        ..Attributes::default()
    }
}

fn fifo(number: u8) -> Attributes {
    of(Class::Fifo(Priority::new(number).expect("within 1 to 99")))
}

fn round_robin(number: u8) -> Attributes {
    of(Class::RoundRobin(
        Priority::new(number).expect("within 1 to 99"),
    ))
}

/// The part of one CPU that each has got in `span`.
fn parts<const N: usize>(machine: &mut Machine, span: Ticks, ids: [EntityId; N]) -> [f64; N] {
    let read = |machine: &Machine, id| {
        let account = machine.scheduler.entity_account(id, machine.now());
        account.expect("alive").total().0
    };
    let before = ids.map(|id| read(machine, id));
    machine.run(span);
    let mut parts = [0.0; N];
    for ((part, id), before) in parts.iter_mut().zip(ids).zip(before) {
        *part = (read(machine, id) - before) as f64 / span.0 as f64;
    }
    parts
}

/// SCHED0090: a real-time thread takes from its own partition only, and leaves that one 5 % of its part.
#[test]
fn sched0090_real_time_stays_inside_the_part() {
    for cpus in [1, 2] {
        let mut machine = machine(cpus, "wlm");
        let [one, other] = [1, 2].map(|cid| machine.partition(cid, 1));
        for _ in 0..cpus {
            machine.spawn_with(one, Busy, fifo(99));
            machine.spawn(other, Busy);
        }
        let ordinary = machine.spawn(one, Busy);
        machine.run(seconds(1));
        let [ordinary] = parts(&mut machine, seconds(4), [ordinary]);
        assert_near(ordinary, 0.025 * cpus as f64, 0.008, "the ordinary thread");
        let found = measure(&mut machine, seconds(4), &[one, other]);
        assert_near(found[0], 50.0 * cpus as f64, 0.5, "the partition");
        assert_near(found[1], 50.0 * cpus as f64, 0.5, "the other");
    }
}

/// SCHED0091: of two real-time threads the one of greater priority runs; FIFO threads of one priority follow each other
/// when one waits, round-robin threads also after 100 ms.
#[test]
fn sched0091_priorities_and_turns() {
    let mut machine = machine(1, "wlm");
    let cid = machine.partition(1, 1);
    let ids = [fifo(10), fifo(11), fifo(11)].map(|it| machine.spawn_with(cid, Busy, it));
    machine.run(millis(10));
    let [low, first, second] = parts(&mut machine, seconds(2), ids);
    assert_near(low, 0.0, 0.0001, "the lesser");
    assert_near(first, 1.0, 0.0001, "who came first");
    assert_near(second, 0.0, 0.0001, "who came second");
    for id in &ids[1..] {
        machine.set_attributes(*id, round_robin(11));
    }
    let [low, first, second] = parts(&mut machine, seconds(2), ids);
    assert_near(low, 0.0, 0.0001, "the lesser");
    assert_near(first, 0.5, 0.051, "one of two");
    assert_near(second, 0.5, 0.051, "one of two");
    // Not within 50 ms: whoever runs goes on for 100.
    let turns: std::vec::Vec<_> = (0..40)
        .map(|_| {
            let [_, first, _] = parts(&mut machine, millis(50), ids);
            first
        })
        .collect();
    let whole = turns.iter().filter(|part| !(0.001..=0.999).contains(*part));
    assert!(whole.count() >= 20, "{turns:?}");
}

/// SCHED0092: a real-time thread that wakes runs at once in its partition's turn, whoever of it is there.
#[test]
fn sched0092_a_real_time_wake_up_waits_for_no_sibling() {
    for cpus in [1, 2] {
        let mut machine = machine(cpus, "wlm");
        let cid = machine.partition(1, 1);
        for _ in 0..4 {
            machine.spawn(cid, Busy);
        }
        let behaviour = Behaviour::Periodic {
            run: micros(200),
            sleep: micros(1_700),
        };
        let urgent = machine.partition(2, 1);
        // In a partition of its own for the books only: latencies are kept by partition.
        let id = machine.spawn_with(urgent, behaviour, fifo(1));
        let now = machine.now();
        let wakeup = machine.scheduler.transfer(id, cid, now).expect("legal");
        machine.tell(wakeup);
        machine.run(seconds(1));
        machine.forget_latencies();
        (1..=4).for_each(|_| machine.run(millis(250)));
        // The busy ones wake only once, at the start.
        let longest = machine.latencies[&cid].iter().max().copied();
        assert_eq!(longest, Some(Ticks(0)), "{cpus} CPUs");
    }
}

/// SCHED0093: a thread of the idle class gets what a weight of 3 is worth, and makes way at once.
#[test]
fn sched0093_idle_threads_make_way() {
    let mut machine = machine(1, "wlm");
    let cid = machine.partition(1, 1);
    let idle = machine.spawn_with(cid, Busy, of(Class::Idle));
    let other = machine.spawn(cid, Busy);
    machine.run(seconds(1));
    let [idle, other] = parts(&mut machine, seconds(20), [idle, other]);
    assert_near(idle, 3.0 / 1027.0, 0.001, "idle");
    assert_near(other, 1024.0 / 1027.0, 0.001, "the other");
}

/// SCHED0094: nice values divide a partition's part by the weights that Linux gives them.
#[test]
fn sched0094_nice_values_are_weights() {
    for (nice, weight) in [(-20, 88_761), (-5, 3_121), (1, 820), (5, 335), (19, 15)] {
        let mut machine = machine(1, "wlm");
        let cid = machine.partition(1, 1);
        let nice = Attributes {
            nice,
            ..Attributes::default()
        };
        let ids = [
            machine.spawn_with(cid, Busy, nice),
            machine.spawn(cid, Busy),
        ];
        machine.run(seconds(1));
        let [part, _] = parts(&mut machine, seconds(20), ids);
        let weight = f64::from(weight);
        assert_near(part, weight / (weight + 1024.0), 0.002, "the nice one");
    }
}

/// SCHED0095: what a child begins with.
#[test]
fn sched0095_children_inherit_unless_reset() {
    let parent = Attributes {
        nice: -3,
        ..fifo(7)
    };
    assert_eq!(parent.for_child(), parent);
    let reset = Attributes {
        reset_on_fork: true,
        ..parent
    };
    assert_eq!(reset.for_child(), Attributes::default());
    let batch = Attributes {
        nice: 5,
        reset_on_fork: true,
        ..of(Class::Batch)
    };
    let child = Attributes {
        nice: 5,
        ..of(Class::Batch)
    };
    assert_eq!(batch.for_child(), child);
}

/// SCHED0096: what a thread may take without a privilege is what its limits say, and no more.
#[test]
fn sched0096_limits_of_the_unprivileged() {
    let none = Allowance::of_limits(0, 0);
    let some = Allowance::of_limits(25, 10);
    let nice = |nice| Attributes {
        nice,
        ..Attributes::default()
    };
    assert!(nice(0).may_become(&nice(19), none), "worse");
    assert!(!nice(5).may_become(&nice(4), none), "better");
    assert!(nice(5).may_become(&nice(-5), some), "to the limit");
    assert!(!nice(5).may_become(&nice(-6), some), "beyond the limit");
    assert!(
        nice(-9).may_become(&nice(-8), some),
        "worse, beyond the limit"
    );
    assert!(!nice(0).may_become(&fifo(1), none));
    assert!(nice(0).may_become(&fifo(10), some));
    assert!(!nice(0).may_become(&round_robin(11), some));
    assert!(
        fifo(20).may_become(&fifo(15), none),
        "lower, of the same class"
    );
    assert!(
        !fifo(20).may_become(&round_robin(15), none),
        "of another class"
    );
    assert!(fifo(20).may_become(&nice(0), none));
    assert!(
        !of(Class::Idle).may_become(&nice(0), none),
        "out of idleness"
    );
    assert!(of(Class::Idle).may_become(&nice(0), some));
    let reset = Attributes {
        reset_on_fork: true,
        ..nice(0)
    };
    assert!(nice(0).may_become(&reset, none));
    assert!(!reset.may_become(&nice(0), some), "it cannot be undone");
}
