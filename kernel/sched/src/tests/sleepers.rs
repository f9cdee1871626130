//! What who sleeps at the right moment can take from who never does.

use super::*;
use crate::simulation::{Behaviour, Machine, micros, millis};
use proptest::prelude::*;
use std::vec::Vec;

/// What the victim, which always wants a CPU, lacks to its part of `cpus` CPUs in the worst window of a second or more, in
/// slices a CPU.
fn lacking(machine: &mut Machine, victim: Cid, part: f64, cpus: usize) -> f64 {
    const STEP: u64 = 5;
    const WINDOW: usize = 1_000 / STEP as usize;
    machine.run(millis(100));
    let began = machine.now();
    let mut line = Vec::new();
    for _ in 0..3 * WINDOW {
        let account = machine.scheduler.account(victim, machine.now());
        let due = part * (machine.now() - began).0 as f64;
        line.push(account.expect("loaded").total().0 as f64 - due);
        machine.run(millis(STEP));
    }
    let (mut highest, mut least) = (f64::MIN, f64::MAX);
    for (end, value) in line.iter().enumerate().skip(WINDOW) {
        highest = highest.max(line[end - WINDOW]);
        least = least.min(value - highest);
    }
    -least / millis(4).0 as f64 / cpus as f64
}

/// SCHED0104: a partition that runs ahead and sleeps for a moment has not made up for it, however small the shares of those who
/// stay are.
#[test]
fn sched0104_a_nap_washes_nothing_off() {
    for (shares, run, sleep) in [(10, 990, 40), (100, 1_950, 100), (1, 1_950, 1)] {
        let mut machine = machine(1, "wlm");
        let victim = machine.partition(1, 1);
        machine.spawn(victim, Behaviour::Busy);
        let napper = machine.partition(2, shares);
        let (run, sleep) = (micros(run), micros(sleep));
        machine.spawn(napper, Behaviour::Periodic { run, sleep });
        let part = 1.0 / (1.0 + f64::from(shares));
        let lacks = lacking(&mut machine, victim, part, 1);
        assert!(lacks <= 1.0, "beside {shares} it lacks {lacks} slices");
    }
}

fn evil() -> impl Strategy<Value = Behaviour> {
    let run = prop_oneof![
        20_u64..120,
        480_u64..520,
        980_u64..1_020,
        1_940_u64..2_060,
        3_800_u64..3_999
    ];
    let sleep = prop_oneof![1_u64..60, 90_u64..110, Just(500_u64), 1_000_u64..4_000];
    let spans = (run, sleep).prop_map(|(run, sleep)| (micros(run), micros(sleep)));
    prop_oneof![
        spans
            .clone()
            .prop_map(|(run, sleep)| Behaviour::Periodic { run, sleep }),
        (spans.clone(), any::<u64>()).prop_map(|((run, sleep), seed)| Behaviour::Random {
            run,
            sleep,
            seed
        }),
        (spans.clone(), 1_u32..20, 1_u64..100).prop_map(|((run, pause), count, long)| {
            Behaviour::Bursty {
                run,
                pause,
                count,
                sleep: Ticks(pause.0 * long),
            }
        }),
        spans
            .clone()
            .prop_map(|(run, _)| Behaviour::Yielding { run }),
        (spans, 10_u64..200).prop_map(|((run, _), child)| Behaviour::Forking {
            run: run + micros(200),
            child: micros(child),
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// SCHED0105: who always wants the CPUs has its part in any window of a second but for two slices a CPU, whenever the others
    /// run, sleep, yield and fork.
    #[test]
    fn sched0105_sleepers_take_nothing(
        cpus in 1_usize..=4,
        mine in prop_oneof![Just(1_u16), Just(10), Just(100)],
        others in proptest::collection::vec(
            (prop_oneof![Just(1_u16), Just(10), Just(50), Just(100)], proptest::collection::vec(evil(), 1..8)),
            1..5,
        ),
    ) {
        let mut machine = machine(cpus, "wlm");
        let victim = machine.partition(1, mine);
        for _ in 0..=cpus {
            machine.spawn(victim, Behaviour::Busy);
        }
        let mut sum = f64::from(mine);
        for (cid, (shares, threads)) in (2..).zip(&others) {
            let cid = machine.partition(cid, *shares);
            sum += f64::from(*shares);
            for &behaviour in threads {
                machine.spawn(cid, behaviour);
            }
        }
        let part = cpus as f64 * f64::from(mine) / sum;
        let lacks = lacking(&mut machine, victim, part, cpus);
        prop_assert!(lacks <= 2.0, "{lacks} slices a CPU");
    }
}

/// SCHED0126: two that leave the pool for a microsecond, and come back in another order, hand on nothing that is owed to the
/// third (found by SCHED0105).
#[test]
fn sched0126_who_naps_hands_nothing_on() {
    let cpus = 3;
    let napping = |run, sleep| Behaviour::Periodic {
        run: Ticks(run),
        sleep: Ticks(sleep),
    };
    let yielding = |run| Behaviour::Yielding { run: Ticks(run) };
    let mut machine = machine(cpus, "wlm");
    let victim = machine.partition(1, 10);
    for _ in 0..=cpus {
        machine.spawn(victim, Behaviour::Busy);
    }
    for (cid, shares, threads) in [
        (2, 100, [napping(245_760, 512), yielding(10_240)]),
        (3, 50, [yielding(245_760), napping(11_264, 1024)]),
    ] {
        let cid = machine.partition(cid, shares);
        for behaviour in threads {
            machine.spawn(cid, behaviour);
        }
    }
    let lacks = lacking(&mut machine, victim, 3.0 * 10.0 / 160.0, cpus);
    assert!(lacks <= 2.0, "{lacks} slices a CPU");
}

/// SCHED0127: nor do they when one of them wants nothing for a moment (found by SCHED0105): who always has threads that wait gets
/// what the weights say beside the other that has.
#[test]
fn sched0127_who_sleeps_and_who_naps_hand_nothing_on() {
    let napping = |run, sleep| Behaviour::Periodic {
        run: Ticks(run),
        sleep: Ticks(sleep),
    };
    let forking = |run, child| Behaviour::Forking {
        run: Ticks(run),
        child: Ticks(child),
    };
    let mut machine = machine(4, "wlm");
    let small = machine.partition(1, 1);
    for _ in 0..5 {
        machine.spawn(small, Behaviour::Busy);
    }
    let random = Behaviour::Random {
        run: Ticks(12_288),
        sleep: Ticks(11_264),
        seed: 45_441_171_659_460_320,
    };
    let bursty = Behaviour::Bursty {
        run: Ticks(1_954_304),
        pause: Ticks(26_112),
        count: 15,
        sleep: Ticks(1_645_056),
    };
    let yielding = Behaviour::Yielding {
        run: Ticks(1_034_752),
    };
    let rest = [
        forking(623_616, 12_800),
        forking(1_139_712, 29_696),
        yielding,
        bursty,
    ];
    for (cid, threads) in [
        (2, [napping(250_368, 1_536), random].as_slice()),
        (3, &[napping(20_480, 11_776)]),
        (4, &rest),
    ] {
        let cid = machine.partition(cid, 50);
        for &behaviour in threads {
            machine.spawn(cid, behaviour);
        }
    }
    machine.run(seconds(1));
    let found = measure(&mut machine, seconds(3), &[small, Cid(4)]);
    let [one, fifty] = found[..] else {
        unreachable!("two were asked for")
    };
    // 0.1 points in 3 s are 3 ms, less than a slice.
    assert_near(one, fifty / 50.0, 0.1, "one share of fifty-one");
}
