//! Random scenarios.

use super::*;
use crate::simulation::{Behaviour, micros, millis};
use crate::{Attributes, Class, CpuSet, Entitlement, EntityId, Priority, Refusal};
use abi::BasisPoints;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Spawn(u16, Behaviour, i8),
    Kill(usize),
    Change(u16, Entitlement),
    Transfer(usize, u16),
    Nice(usize, i8),
    Suspend(usize),
    Policy(&'static str),
    Become(usize, Class, u64),
    Unplug(u16),
    Plug(u16),
}

const CIDS: u16 = 5;

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Behaviour::Busy),
        (1u64..5_000, 1u64..5_000).prop_map(|(run, sleep)| Behaviour::Periodic {
            run: micros(run),
            sleep: micros(sleep)
        }),
        (1u64..5_000, 1u64..5_000, any::<u64>()).prop_map(|(run, sleep, seed)| Behaviour::Random {
            run: micros(run),
            sleep: micros(sleep),
            seed
        }),
        (1u64..1_000).prop_map(|run| Behaviour::Yielding { run: micros(run) }),
    ]
}

/// A job of the kernel's, whose steps are as long as they may be.
fn job() -> impl Strategy<Value = Behaviour> {
    (1u64..100, 1u32..200, 1u64..5_000).prop_map(|(step, count, wait)| Behaviour::Job {
        step: micros(step),
        count,
        wait: micros(wait),
    })
}

fn entitlement() -> impl Strategy<Value = Entitlement> {
    let part = || prop_oneof![Just(0u16), Just(10_000), 0u16..=10_000];
    (
        any::<bool>(),
        proptest::option::of(1u16..),
        0u16..=1_900,
        part(),
        part(),
        cpus(),
    )
        .prop_map(|(active, shares, minimum, soft, hard, cpus)| {
            let soft = soft.max(minimum);
            let (minimum, soft, hard) = (
                BasisPoints(minimum),
                BasisPoints(soft),
                BasisPoints(hard.max(soft)),
            );
            Entitlement {
                active,
                shares,
                minimum,
                soft_maximum: soft,
                hard_maximum: hard,
                cpus: CpuSet(cpus),
            }
        })
}

/// Sets of up to five CPUs; mostly all.
fn cpus() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(u64::MAX), 1 => 0u64..32]
}

fn class() -> impl Strategy<Value = Class> {
    let priority = || (1u8..=99).prop_map(|number| Priority::new(number).expect("within"));
    prop_oneof![
        Just(Class::Other),
        Just(Class::Batch),
        Just(Class::Idle),
        priority().prop_map(Class::Fifo),
        priority().prop_map(Class::RoundRobin),
    ]
}

/// The name of any policy that is shipped.
fn shipped() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(policy_names().collect::<Vec<_>>())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..30_000).prop_map(Step::Run),
        4 => (0..=CIDS, behaviour(), any::<i8>()).prop_map(|(cid, it, nice)| Step::Spawn(cid, it, nice)),
        1 => (0..=CIDS, job()).prop_map(|(cid, it)| Step::Spawn(cid, it, 0)),
        1 => any::<usize>().prop_map(Step::Kill),
        2 => (0..=CIDS, entitlement()).prop_map(|(cid, it)| Step::Change(cid, it)),
        1 => (any::<usize>(), 0..=CIDS).prop_map(|(which, cid)| Step::Transfer(which, cid)),
        1 => (any::<usize>(), any::<i8>()).prop_map(|(which, nice)| Step::Nice(which, nice)),
        1 => any::<usize>().prop_map(Step::Suspend),
        1 => shipped().prop_map(Step::Policy),
        2 => (any::<usize>(), class(), cpus()).prop_map(|(which, class, cpus)| Step::Become(which, class, cpus)),
        1 => (0u16..5).prop_map(Step::Unplug),
        1 => (0u16..5).prop_map(Step::Plug),
    ]
}

fn take(machine: &mut Machine, ids: &mut Vec<EntityId>, step: Step) {
    let now = machine.now();
    let nth = |which: usize| (!ids.is_empty()).then(|| ids[which % ids.len()]);
    match step {
        Step::Run(span) => machine.run(micros(span)),
        Step::Spawn(cid, behaviour, nice) => {
            ids.push(machine.spawn_nice(Cid(cid), behaviour, nice))
        }
        Step::Kill(which) => {
            if let Some(id) = nth(which) {
                machine.kill(id);
                ids.retain(|&other| other != id);
            }
        }
        Step::Change(cid, entitlement) => {
            let wakeup = machine
                .scheduler
                .change_partition(Cid(cid), entitlement, now)
                .expect("legal");
            machine.tell(wakeup);
        }
        Step::Transfer(which, cid) => {
            if let Some(id) = nth(which) {
                let wakeup = machine
                    .scheduler
                    .transfer(id, Cid(cid), now)
                    .expect("legal");
                machine.tell(wakeup);
            }
        }
        Step::Nice(which, nice) => {
            if let Some(id) = nth(which) {
                machine.scheduler.set_nice(id, nice, now).expect("alive");
            }
        }
        Step::Become(which, class, cpus) => {
            if let Some(id) = nth(which) {
                let before = machine.scheduler.attributes(id).expect("alive");
                let cpus = CpuSet(cpus);
                machine.set_attributes(
                    id,
                    Attributes {
                        class,
                        cpus,
                        ..before
                    },
                );
            }
        }
        Step::Suspend(which) => {
            if let Some(id) = nth(which) {
                machine.stop_and_continue(id);
            }
        }
        Step::Policy(name) => {
            let policy = policy_by_name(name).expect("shipped");
            let wakeup = machine.scheduler.set_policy(policy, now).expect("memory");
            machine.tell(wakeup);
        }
        Step::Unplug(cpu) => {
            // The last one stays, and one that is away is away already.
            let refused = machine.unplug(cpu).err();
            assert!(matches!(refused, None | Some(Refusal::Busy | Refusal::Cpu)));
        }
        Step::Plug(cpu) => machine.plug(cpu),
    }
}

/// The ideal division: everyone's part is λ × weight, but at least its minimum, and no more than it can use; λ
/// is found by bisection. In CPUs; `wants` are weight, minimum and most.
pub(super) fn water_fill(cpus: f64, wants: &[(f64, f64, f64)]) -> Vec<f64> {
    let part = |level: f64, &(weight, least, most): &(f64, f64, f64)| {
        (level * weight).max(least).min(most)
    };
    let capacity = cpus.min(wants.iter().map(|&(_, _, most)| most).sum());
    let (mut low, mut high) = (0.0, cpus);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let given: f64 = wants.iter().map(|want| part(middle, want)).sum();
        if given < capacity {
            low = middle
        } else {
            high = middle
        }
    }
    wants.iter().map(|want| part(high, want)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// SCHED0060: whatever happens, every tick is in one account, no entity is on two CPUs or runs asleep (the
    /// simulated machine checks that), no shipped policy is found at fault, and what must run does.
    #[test]
    fn sched0060_nothing_is_lost_whatever_happens(
        cpus in 1usize..5,
        lateness in 0u64..400,
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut machine = machine(cpus, "wlm");
        machine.lateness = micros(lateness);
        (1..=CIDS).for_each(|cid| { machine.partition(cid, cid); });
        let mut ids = Vec::new();
        for step in steps {
            take(&mut machine, &mut ids, step);
            let snapshot = machine.snapshot();
            prop_assert_eq!(snapshot.accounted(), snapshot.elapsed);
        }
        for cid in 0..=CIDS {
            let now = machine.now();
            let wakeup = machine.scheduler.change_partition(Cid(cid), Entitlement::default(), now).expect("legal");
            machine.tell(wakeup);
        }
        // Then in calm: equal weights, the default policy.
        ids.iter().for_each(|&id| machine.set_attributes(id, Attributes::default()));
        take(&mut machine, &mut ids, Step::Policy("wlm"));
        machine.run(millis(50));
        let before: Vec<_> = ids.iter().map(|&id| machine.scheduler.entity_account(id, machine.now())).collect();
        machine.run(seconds(3));
        for (&id, before) in ids.iter().zip(before) {
            let after = machine.scheduler.entity_account(id, machine.now()).expect("alive");
            prop_assert!(after.total() > before.expect("alive").total(), "{:?} starves", id);
        }
        prop_assert_eq!(machine.scheduler.take_event(), None);
    }

    /// SCHED0061: with steady demand the account is the water-filling division, whatever the shares, minima,
    /// threads and CPUs.
    #[test]
    fn sched0061_division_is_water_filling(
        cpus in 1usize..17,
        minima in any::<bool>(),
        partitions in proptest::collection::vec((1u16..200, 0u16..1_000, 1usize..20), 1..10),
    ) {
        let mut machine = machine(cpus, "wlm");
        let mut cids = Vec::new();
        let mut wants = Vec::new();
        for (number, &(shares, minimum, threads)) in (1u16..).zip(&partitions) {
            let minimum = BasisPoints(if minima { minimum } else { 0 });
            let entitlement = Entitlement { shares: Some(shares), minimum, ..Entitlement::default() };
            let cid = machine.partition_with(number, entitlement);
            for _ in 0..threads {
                machine.spawn(cid, Behaviour::Busy);
            }
            cids.push(cid);
            // A minimum is served with a margin: README.md, Figures.
            let exact = f64::from(minimum.0) / 10_000.0 * cpus as f64;
            let least = exact + (exact / 25.0).min(0.01);
            wants.push((f64::from(shares), least, threads as f64));
        }
        machine.run(seconds(2));
        let found = measure(&mut machine, seconds(2), &cids);
        let ideal = water_fill(cpus as f64, &wants);
        for ((found, ideal), want) in found.iter().zip(ideal).zip(&wants) {
            // Two slices a CPU in 2 s.
            let tolerance = cpus as f64 * 100.0 * 0.008 / 2.0;
            prop_assert!((found - 100.0 * ideal).abs() <= tolerance, "{:?}: {} not {}", want, found, 100.0 * ideal);
        }
    }

    /// SCHED0064: whatever the others' shares and threads, who has a minimum and keeps its threads busy lacks in no
    /// window of 200 ms more than two slices a CPU of what it is due, or of as much of it as its threads can use.
    #[test]
    fn sched0064_minima_hold_in_every_window(
        cpus in 1usize..17,
        partitions in proptest::collection::vec((1u16..1_000, 0u32..1_000, 1usize..20), 1..12),
        others in proptest::collection::vec((1u16..1_000, behaviour(), 1usize..20), 0..4),
    ) {
        let mut machine = machine(cpus, "wlm");
        let all: u32 = partitions.iter().map(|&(_, minimum, _)| minimum).sum();
        let mut floors = Vec::new();
        for (number, &(shares, minimum, threads)) in (1u16..).zip(&partitions) {
            // Global has 5 %.
            let minimum = (minimum * 9_500 / all.max(9_500 / 3)).min(9_500) as u16;
            let entitlement = Entitlement { shares: Some(shares), minimum: BasisPoints(minimum), ..Entitlement::default() };
            let cid = machine.partition_with(number, entitlement);
            (0..threads).for_each(|_| { machine.spawn(cid, Behaviour::Busy); });
            floors.push((cid, (f64::from(minimum) / 10_000.0 * cpus as f64).min(threads as f64)));
        }
        for (number, &(shares, behaviour, threads)) in (100u16..).zip(&others) {
            let cid = machine.partition(number, shares);
            (0..threads).for_each(|_| { machine.spawn(cid, behaviour); });
        }
        machine.run(millis(100));
        let mut snapshots = Vec::new();
        for _ in 0..150 {
            snapshots.push(machine.snapshot());
            machine.run(micros(4_321));
        }
        for (before, after) in snapshots.iter().zip(snapshots.iter().skip(47)) {
            for &(cid, least) in &floors {
                let found = points(before, after, cid);
                // Two of the longest slices for each CPU that it needs: its threads may need nearly all of them, and others
                // come and go. That nothing lacks in calmer cases, SCHED0023 and SCHED0065 say.
                let lump = 4.0 * least.ceil();
                prop_assert!(found + lump >= 100.0 * least, "{:?}: {} points of {}", cid, found, 100.0 * least);
            }
        }
    }

    /// SCHED0063: no CPU is idle that a thread could use: of busy threads that are bound to any CPUs, as many run as can be
    /// placed at all, after a few slices.
    #[test]
    fn sched0063_bound_threads_find_their_cpus(
        // What `edf` does not admit waits for the end of a period.
        policy in shipped().prop_filter("one that wastes nothing", |&name| name != "edf"),
        cpus in 2usize..6,
        sets in proptest::collection::vec((1u16..4, 1u64..64), 1..9),
    ) {
        let mut machine = machine(cpus, policy);
        (1..4).for_each(|cid| { machine.partition(cid, 1); });
        let all = (1 << cpus) - 1;
        let sets: Vec<_> = sets.into_iter().filter(|(_, set)| set & all != 0).collect();
        for &(cid, set) in &sets {
            machine.spawn_with(Cid(cid), Behaviour::Busy, Attributes { cpus: CpuSet(set), ..Attributes::default() });
        }
        machine.run(seconds(1));
        let before = machine.snapshot();
        machine.run(seconds(2));
        let after = machine.snapshot();
        // By Hall's theorem: the fewest CPUs and threads that every placement must go through.
        let placed = (0..=all).map(|within: u64| {
            let free = sets.iter().filter(|(_, set)| set & all & !within != 0).count();
            within.count_ones() as usize + free
        });
        let placed = placed.min().unwrap_or(0).min(sets.len());
        let busy = 2.0 * cpus as f64 - (after.idle - before.idle).0 as f64 / seconds(1).0 as f64;
        prop_assert!(busy / 2.0 > placed as f64 - 0.01, "{} of {} CPUs", busy / 2.0, placed);
        prop_assert_eq!(machine.scheduler.take_event(), None);
    }

    /// SCHED0062: a hard maximum holds in every window of 100 ms whatever the threads do and however late timers
    /// are, but for the lateness itself.
    #[test]
    fn sched0062_hard_maximum_whatever_the_threads_do(
        cpus in 1usize..4,
        hard in 1u16..9_000,
        threads in proptest::collection::vec(behaviour(), 1..8),
        others in proptest::collection::vec(behaviour(), 0..4),
        lateness in 0u64..200,
    ) {
        let mut machine = machine(cpus, "wlm");
        machine.lateness = micros(lateness);
        let maximum = BasisPoints(hard);
        let capped = Entitlement { soft_maximum: maximum, hard_maximum: maximum, ..Entitlement::default() };
        let cids = [machine.partition_with(1, capped), machine.partition(2, 3)];
        threads.iter().for_each(|&behaviour| { machine.spawn(cids[0], behaviour); });
        others.iter().for_each(|&behaviour| { machine.spawn(cids[1], behaviour); });
        let mut snapshots = Vec::new();
        for _ in 0..100 {
            snapshots.push(machine.snapshot());
            machine.run(micros(3_333));
        }
        let slack = (millis(4).0 + micros(lateness).0 * cpus as u64) as f64 + 2.0;
        for (number, before) in snapshots.iter().enumerate() {
            for after in snapshots.iter().skip(number + 31) {
                let window = (after.at - before.at).0 as f64;
                let most = window * f64::from(hard) / 10_000.0 * cpus as f64 + slack;
                let found = (used(after, cids[0]) - used(before, cids[0])) as f64;
                prop_assert!(found <= most, "{} ticks of at most {}", found, most);
            }
        }
    }
}
