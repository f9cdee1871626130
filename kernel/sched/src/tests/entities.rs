//! Identities, administration, accounts.

use super::*;
use crate::simulation::Behaviour::Busy;
use crate::simulation::millis;
use crate::{Attributes, Cpu, CpuClock, Entitlement, Reason, Refusal, Scheduler};
use abi::BasisPoints;
use alloc::sync::Arc;

/// SCHED0040: an id that is out of date is refused everywhere.
#[test]
fn sched0040_stale_ids_are_refused() {
    let mut machine = machine(1, "wlm");
    let cid = machine.partition(1, 1);
    let id = machine.spawn(cid, Busy);
    machine.run(millis(10));
    machine.kill(id);
    let now = machine.now();
    let scheduler = &mut machine.scheduler;
    let again = scheduler.admit(cid, Attributes::default()).expect("room");
    assert_eq!(again.index, id.index);
    assert_ne!(again, id);
    assert_eq!(scheduler.wake(id, now), Err(Refusal::Stale));
    assert_eq!(scheduler.retire(id, now), Err(Refusal::Stale));
    assert_eq!(scheduler.suspend(id, now), Err(Refusal::Stale));
    assert_eq!(scheduler.set_nice(id, 3, now), Err(Refusal::Stale));
    assert_eq!(
        scheduler.transfer(id, Cid::GLOBAL, now),
        Err(Refusal::Stale)
    );
    assert_eq!(scheduler.entity_account(id, now), Err(Refusal::Stale));
}

/// SCHED0041: illegal administration is refused and changes nothing.
#[test]
fn sched0041_illegal_administration_is_refused() {
    let mut machine = machine(1, "wlm");
    let cid = machine.partition(1, 1);
    let id = machine.spawn(cid, Busy);
    let now = machine.now();
    let scheduler = &mut machine.scheduler;
    let default = Entitlement::default();
    assert_eq!(
        scheduler.add_partition(cid, default, now),
        Err(Refusal::Partition)
    );
    assert_eq!(
        scheduler.add_partition(Cid(Cid::LIMIT + 1), default, now),
        Err(Refusal::Partition)
    );
    for wrong in [
        Entitlement {
            shares: Some(0),
            ..default
        },
        Entitlement {
            minimum: BasisPoints(2),
            soft_maximum: BasisPoints(1),
            ..default
        },
        Entitlement {
            hard_maximum: BasisPoints(9_999),
            ..default
        },
        Entitlement {
            hard_maximum: BasisPoints(10_001),
            ..default
        },
    ] {
        assert_eq!(
            scheduler.change_partition(cid, wrong, now),
            Err(Refusal::Range)
        );
    }
    assert_eq!(
        scheduler.change_partition(Cid(7), default, now),
        Err(Refusal::Partition)
    );
    assert_eq!(scheduler.remove_partition(cid, now), Err(Refusal::Busy));
    assert_eq!(
        scheduler.remove_partition(Cid::GLOBAL, now),
        Err(Refusal::Busy)
    );
    assert_eq!(
        scheduler.admit(Cid(7), Attributes::default()),
        Err(Refusal::Partition)
    );
    assert_eq!(scheduler.retire(id, now), Err(Refusal::Running));
    assert_eq!(scheduler.transfer(id, Cid(7), now), Err(Refusal::Partition));
    assert!(scheduler.online(Cpu(0), now).is_err() && scheduler.online(Cpu(1), now).is_err());
}

/// SCHED0042: time goes to whom it is charged, user and system apart, idle time to nobody, all to the tick.
#[test]
fn sched0042_accounts_are_exact() {
    let policy = policy_by_name("wlm").expect("shipped");
    let mut scheduler = Scheduler::new(TIMEBASE, 1, policy);
    let cpu = Cpu(0);
    let clock = scheduler.online(cpu, Ticks(1_000)).expect("first");
    let (one, two) = (Cid(1), Cid(2));
    scheduler
        .add_partition(one, Entitlement::default(), Ticks(1_000))
        .expect("legal");
    scheduler
        .add_partition(two, Entitlement::default(), Ticks(1_000))
        .expect("legal");
    assert_eq!(scheduler.pick(cpu, Ticks(1_010)).run, None);
    clock.enter_kernel(Ticks(1_110));
    let id = scheduler.admit(one, Attributes::default()).expect("room");
    assert!(
        scheduler
            .wake(id, Ticks(1_115))
            .expect("known")
            .preempt
            .contains(cpu)
    );
    assert_eq!(scheduler.pick(cpu, Ticks(1_120)).run, Some(id));
    clock.enter_user(Ticks(1_123));
    clock.enter_kernel(Ticks(1_223));
    assert_eq!(scheduler.charge_to(cpu, Ticks(1_230), two), Ok(one));
    assert_eq!(scheduler.charge_to(cpu, Ticks(1_280), one), Ok(two));
    clock.enter_user(Ticks(1_300));
    let at = Ticks(1_400);
    let account = |user, system| Account {
        user: Ticks(user),
        system: Ticks(system),
    };
    assert_eq!(scheduler.account(one, at), Ok(account(200, 3 + 7 + 20)));
    assert_eq!(scheduler.account(two, at), Ok(account(0, 50)));
    assert_eq!(scheduler.account(Cid::GLOBAL, at), Ok(account(0, 10 + 10)));
    assert_eq!(scheduler.entity_account(id, at), Ok(account(200, 30)));
    let snapshot = scheduler.snapshot(at).expect("memory");
    assert_eq!(
        (snapshot.at, snapshot.idle, snapshot.elapsed),
        (at, Ticks(100), Ticks(400))
    );
    assert_eq!(snapshot.accounted(), snapshot.elapsed);
    assert!(!scheduler.must_preempt(cpu, at));
    scheduler.put_back(cpu, Ticks(1_500), Reason::Exited);
    assert_eq!(scheduler.pick(cpu, Ticks(1_501)).run, None);
    let gone = scheduler
        .remove_partition(one, Ticks(1_600))
        .expect("empty");
    assert_eq!(gone.total(), Ticks(331));
    let snapshot = scheduler.snapshot(Ticks(1_700)).expect("memory");
    assert_eq!((snapshot.gone, snapshot.accounted()), (gone, Ticks(700)));
}

/// SCHED0043: a process that enters a partition is charged there from that instant on, running or not.
#[test]
fn sched0043_transfer_moves_the_charge() {
    let mut machine = machine(1, "wlm");
    let cids = [machine.partition(1, 1), machine.partition(2, 1)];
    let id = machine.spawn(Cid::GLOBAL, Busy);
    let waiting = machine.spawn(Cid::GLOBAL, Busy);
    let found = measure(&mut machine, millis(20), &[Cid::GLOBAL]);
    assert_near(found[0], 100.0, 0.0, "Global");
    for (id, cid) in [(id, cids[0]), (waiting, cids[1])] {
        let now = machine.now();
        let wakeup = machine.scheduler.transfer(id, cid, now).expect("known");
        machine.tell(wakeup);
    }
    let found = measure(&mut machine, millis(400), &[Cid::GLOBAL, cids[0], cids[1]]);
    assert_near(found[0], 0.0, 0.0, "Global");
    assert_near(found[1], 50.0, 1.0, "one");
    assert_near(found[2], 50.0, 1.0, "the other");
}

/// SCHED0044: times near the end of the range do not overflow.
#[test]
fn sched0044_times_near_the_end_of_the_range() {
    for start in [
        Ticks(0),
        Ticks(u64::MAX - seconds(20).0),
        Ticks(u64::MAX / 2 - 5),
    ] {
        for name in policy_names() {
            let policy = policy_by_name(name).expect("shipped");
            let mut machine = Machine::new(2, policy, start);
            let soft = Entitlement {
                soft_maximum: BasisPoints(1),
                minimum: BasisPoints(1),
                ..Entitlement::default()
            };
            let hard = Entitlement {
                soft_maximum: BasisPoints(0),
                hard_maximum: BasisPoints(0),
                ..Entitlement::default()
            };
            let cids = [
                machine.partition(1, 65535),
                machine.partition_with(2, soft),
                machine.partition_with(3, hard),
            ];
            cids.iter().for_each(|&cid| {
                machine.spawn(cid, Busy);
            });
            measure(&mut machine, seconds(3), &cids);
            let now = machine.now();
            assert!(machine.scheduler.account(cids[0], Ticks(u64::MAX)).is_ok());
            assert!(
                machine.scheduler.must_preempt(Cpu(0), Ticks(u64::MAX)) || machine.now() == now
            );
        }
    }
}

/// SCHED0045: loaded partitions that want nothing take no part, and the largest cid can be loaded.
#[test]
fn sched0045_all_partitions_loaded() {
    let mut machine = machine(1, "wlm");
    for cid in 1..=Cid::LIMIT {
        machine.partition(cid, 1 + cid % 7);
    }
    let cids = [Cid(1), Cid(Cid::LIMIT)];
    cids.iter().for_each(|&cid| {
        machine.spawn(cid, Busy);
    });
    let found = measure(&mut machine, seconds(1), &cids);
    let (one, last) = (2.0, f64::from(1 + Cid::LIMIT % 7));
    assert_near(found[0], 100.0 * one / (one + last), 0.3, "first");
}

/// SCHED0046: a CPU that crosses a boundary at an instant just before another CPU read its clock spoils no sum.
#[test]
fn sched0046_races_of_clocks_spoil_no_sum() {
    let policy = policy_by_name("wlm").expect("shipped");
    let mut scheduler = Scheduler::new(TIMEBASE, 2, policy);
    let clock = scheduler.online(Cpu(0), Ticks(10)).expect("first");
    scheduler.online(Cpu(1), Ticks(20)).expect("second");
    let id = scheduler
        .admit(Cid::GLOBAL, Attributes::default())
        .expect("room");
    assert!(scheduler.wake(id, Ticks(30)).is_ok());
    assert_eq!(scheduler.pick(Cpu(0), Ticks(40)).run, Some(id));
    clock.enter_user(Ticks(50));
    assert_eq!(scheduler.pick(Cpu(1), Ticks(150)).run, None);
    // It read its timebase at 140, but stores it only after the other has settled up to 150.
    clock.enter_kernel(Ticks(140));
    for at in [150, 155, 200] {
        let snapshot = scheduler.snapshot(Ticks(at)).expect("memory");
        assert_eq!(snapshot.accounted(), snapshot.elapsed);
        assert_eq!(scheduler.pick(Cpu(1), Ticks(at)).run, None);
    }
    clock.enter_user(Ticks(200));
    let account = scheduler.account(Cid::GLOBAL, Ticks(300)).expect("loaded");
    assert_eq!(
        (account.user, account.total().0 % 1000),
        (Ticks(190), 290 + (150 - 20))
    );
}

/// A scheduler with one CPU, without a simulated machine, and partitions 1 and up.
fn one_cpu<const N: usize>(entitlements: [Entitlement; N]) -> (Scheduler, Arc<CpuClock>) {
    let policy = policy_by_name("wlm").expect("shipped");
    let mut scheduler = Scheduler::new(TIMEBASE, 1, policy);
    let clock = scheduler.online(Cpu(0), Ticks(0)).expect("first");
    for (number, entitlement) in (1..).zip(entitlements) {
        let added = scheduler.add_partition(Cid(number), entitlement, Ticks(0));
        added.expect("legal");
    }
    (scheduler, clock)
}

/// SCHED0067: an interrupt for another partition is charged to it from the trap on, although whom it is for is known only
/// later, and although another CPU has read the clock in between.
#[test]
fn sched0067_interrupts_are_charged_from_the_trap_on() {
    let cpu = Cpu(0);
    let (one, two) = (Cid(1), Cid(2));
    let (mut scheduler, clock) = one_cpu([Entitlement::default(); 2]);
    let id = scheduler.admit(one, Attributes::default()).expect("room");
    let _preempt = scheduler.wake(id, Ticks(0)).expect("known");
    assert_eq!(scheduler.pick(cpu, Ticks(0)).run, Some(id));
    let account = |user, system| Account {
        user: Ticks(user),
        system: Ticks(system),
    };
    // Before the thread goes to its program.
    let mut charged = 40;
    for (start, read) in [(1_000, None), (2_000, Some(Ticks(2_006)))] {
        clock.enter_user(Ticks(start - 960));
        clock.enter_kernel(Ticks(start));
        if let Some(read) = read {
            // Somebody else decides: what the clock shows then is settled.
            let _preempt = scheduler
                .set_policy(policy_by_name("wlm").expect("shipped"), read)
                .expect("memory");
            charged += 6;
        }
        assert_eq!(scheduler.charge_to(cpu, Ticks(start), two), Ok(one));
        assert_eq!(scheduler.charge_to(cpu, Ticks(start + 40), one), Ok(two));
        clock.enter_user(Ticks(start + 40));
        let at = Ticks(start + 40);
        let snapshot = scheduler.snapshot(at).expect("memory");
        assert_eq!(snapshot.accounted(), snapshot.elapsed);
        assert_eq!(
            scheduler.account(one, at).expect("there").system,
            Ticks(charged)
        );
    }
    assert_eq!(scheduler.account(two, Ticks(2_040)), Ok(account(0, 80 - 6)));
}

/// SCHED0122: the interrupt by which a wake-up calls a CPU is paid by whom it is for, from the trap on: not by whom it
/// interrupts, and until somebody is picked it is Global's. A timer that expires in between is not among it.
#[test]
fn sched0122_a_wake_up_is_paid_by_who_wakes() {
    for (timer, paid) in [(false, 50), (true, 10)] {
        let cpu = Cpu(0);
        let (one, two, three) = (Cid(1), Cid(2), Cid(3));
        let (mut scheduler, clock) = one_cpu([Entitlement::default(); 3]);
        let [busy, sleeper] = [one, two].map(|cid| {
            let admitted = scheduler.admit(cid, Attributes::default());
            admitted.expect("room")
        });
        let _preempt = scheduler.wake(busy, Ticks(0)).expect("known");
        assert_eq!(scheduler.pick(cpu, Ticks(0)).run, Some(busy));
        clock.enter_user(Ticks(0));
        let woken = scheduler.wake(sleeper, Ticks(900_000)).expect("known");
        assert!(woken.preempt.contains(cpu), "{woken:?}");
        clock.enter_kernel(Ticks(900_010));
        scheduler.make_room(cpu, Ticks(900_010), Ticks(900_030));
        if timer {
            let charged = scheduler.charge_to(cpu, Ticks(900_040), three);
            assert_eq!(charged, Ok(Cid::GLOBAL));
            let charged = scheduler.charge_to(cpu, Ticks(900_050), Cid::GLOBAL);
            assert_eq!(charged, Ok(three));
        }
        let snapshot = scheduler.snapshot(Ticks(900_050)).expect("memory");
        assert_eq!(snapshot.accounted(), snapshot.elapsed);
        assert_eq!(scheduler.pick(cpu, Ticks(900_050)).run, Some(sleeper));
        clock.enter_user(Ticks(900_060));
        let total = |cid| scheduler.account(cid, Ticks(901_000)).map(Account::total);
        assert_eq!(total(one), Ok(Ticks(900_010)));
        assert_eq!(total(two), Ok(Ticks(paid + 940)));
        assert_eq!(total(three), Ok(Ticks(if timer { 10 } else { 0 })));
        // And from then on all is as ever.
        clock.enter_kernel(Ticks(901_000));
        scheduler.put_back(cpu, Ticks(901_000), Reason::Blocked);
        assert_eq!(scheduler.pick(cpu, Ticks(901_000)).run, Some(busy));
        clock.enter_user(Ticks(901_000));
        let total = |cid| scheduler.account(cid, Ticks(902_000)).map(Account::total);
        assert_eq!(total(one), Ok(Ticks(901_010)));
        assert_eq!(total(two), Ok(Ticks(paid + 940)));
        let snapshot = scheduler.snapshot(Ticks(902_000)).expect("memory");
        assert_eq!(snapshot.accounted(), snapshot.elapsed);
    }
}

/// SCHED0125: what the one who was woken so uses counts while it runs: it reaches its hard maximum before it enters the
/// kernel again.
#[test]
fn sched0125_who_was_called_for_is_settled_as_it_runs() {
    let cpu = Cpu(0);
    let (one, two) = (Cid(1), Cid(2));
    let capped = Entitlement {
        soft_maximum: BasisPoints(5_000),
        hard_maximum: BasisPoints(5_000),
        ..Entitlement::default()
    };
    let (mut scheduler, clock) = one_cpu([Entitlement::default(), capped]);
    let [busy, sleeper] = [one, two].map(|cid| {
        let admitted = scheduler.admit(cid, Attributes::default());
        admitted.expect("room")
    });
    let _preempt = scheduler.wake(busy, Ticks(0)).expect("known");
    assert_eq!(scheduler.pick(cpu, Ticks(0)).run, Some(busy));
    clock.enter_user(Ticks(0));
    assert!(!scheduler.is_at_maximum(two, millis(2)));
    let woken = scheduler.wake(sleeper, millis(2)).expect("known");
    assert!(woken.preempt.contains(cpu), "{woken:?}");
    clock.enter_kernel(millis(2));
    scheduler.make_room(cpu, millis(2), millis(2));
    assert_eq!(scheduler.pick(cpu, millis(2)).run, Some(sleeper));
    clock.enter_user(millis(2));
    assert!(scheduler.is_at_maximum(two, millis(5)));
}
