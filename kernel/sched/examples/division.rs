//! How far the division of the CPUs is from the ideal one, on 1 to 16 simulated CPUs.
//!
//! `cargo run --release -p sched --features simulation --example division [POLICY]`
//!
//! The ideal is water-filling: everyone's part is in the ratio of the shares, but at least its minimum, and no more
//! than its threads can use. Errors are in percentage points of one CPU. For a minimum the table has the least
//! service in any window of 200 ms instead.

use abi::{BasisPoints, Cid, Ticks};
use sched::simulation::{Behaviour, Machine, TIMEBASE, millis};
use sched::{Entitlement, Snapshot};

const CPUS: [usize; 5] = [1, 2, 4, 8, 16];

/// What one partition is given, and how many busy threads it has.
#[derive(Clone, Copy)]
struct Want {
    shares: u16,
    minimum: u16,
    hard: u16,
    threads: usize,
}

impl Want {
    fn of(shares: u16, threads: usize) -> Self {
        Self {
            shares,
            minimum: 0,
            hard: 10_000,
            threads,
        }
    }

    fn entitlement(self) -> Entitlement {
        Entitlement {
            shares: Some(self.shares),
            minimum: BasisPoints(self.minimum),
            soft_maximum: BasisPoints(self.hard),
            hard_maximum: BasisPoints(self.hard),
            ..Entitlement::default()
        }
    }

    /// Its part in CPUs when the water stands at `level`.
    fn part(self, level: f64, cpus: f64) -> f64 {
        let least = f64::from(self.minimum) / 10_000.0 * cpus;
        (level * f64::from(self.shares))
            .max(least)
            .min(self.most(cpus))
    }

    fn most(self, cpus: f64) -> f64 {
        (self.threads as f64).min(f64::from(self.hard) / 10_000.0 * cpus)
    }
}

fn ideal(cpus: f64, wants: &[Want]) -> Vec<f64> {
    let capacity = cpus.min(wants.iter().map(|want| want.most(cpus)).sum());
    let (mut low, mut high) = (0.0, cpus);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let given: f64 = wants.iter().map(|want| want.part(middle, cpus)).sum();
        if given < capacity {
            low = middle;
        } else {
            high = middle;
        }
    }
    wants.iter().map(|want| want.part(high, cpus)).collect()
}

fn load(policy: &str, cpus: usize, wants: &[Want]) -> Machine {
    let policy = sched::policy_by_name(policy).expect("a shipped policy");
    let mut machine = Machine::new(cpus, policy, Ticks(0));
    for (cid, want) in (1u16..).zip(wants) {
        let cid = machine.partition_with(cid, want.entitlement());
        for _ in 0..want.threads {
            machine.spawn(cid, Behaviour::Busy);
        }
    }
    machine
}

/// Points of one CPU between two snapshots.
fn points(before: &Snapshot, after: &Snapshot, cid: Cid) -> f64 {
    let used = |snapshot: &Snapshot| {
        let found = snapshot.partitions.iter().find(|(other, _)| *other == cid);
        found.map_or(0, |(_, account)| account.total().0)
    };
    100.0 * (used(after) - used(before)) as f64 / (after.at - before.at).0 as f64
}

/// Mean and largest error over `seconds`.
fn errors(policy: &str, cpus: usize, wants: &[Want], seconds: u64) -> (f64, f64) {
    let mut machine = load(policy, cpus, wants);
    machine.run(millis(777));
    let before = machine.snapshot();
    machine.run(Ticks(TIMEBASE.ticks_per_second * seconds));
    let after = machine.snapshot();
    assert_eq!(after.accounted(), after.elapsed);
    let ideal = ideal(cpus as f64, wants);
    let errors: Vec<f64> = (1u16..)
        .zip(&ideal)
        .map(|(cid, ideal)| (points(&before, &after, Cid(cid)) - 100.0 * ideal).abs())
        .collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    (mean, errors.into_iter().fold(0.0, f64::max))
}

/// The least service of the first partition in any window of 200 ms, of one that starts every 5 ms.
fn least(policy: &str, cpus: usize, wants: &[Want]) -> f64 {
    let mut machine = load(policy, cpus, wants);
    machine.run(millis(777));
    let mut snapshots = Vec::new();
    for _ in 0..600 {
        snapshots.push(machine.snapshot());
        machine.run(millis(5));
    }
    snapshots
        .iter()
        .zip(snapshots.iter().skip(40))
        .map(|(before, after)| points(before, after, Cid(1)))
        .fold(f64::MAX, f64::min)
}

fn print_errors(policy: &str, name: &str, wants: impl Fn(usize) -> Vec<Want>, seconds: u64) {
    for cpus in CPUS {
        let (mean, largest) = errors(policy, cpus, &wants(cpus), seconds);
        println!("{name:<44} {cpus:>4} {mean:>9.4} {largest:>9.4}");
    }
}

fn main() {
    let policy = std::env::args().nth(1).unwrap_or_else(|| "wlm".into());
    println!(
        "{:<44} {:>4} {:>9} {:>9}",
        policy, "CPUs", "mean", "largest"
    );
    let ratio = |threads: usize| [1, 2, 5].map(|shares| Want::of(shares, threads)).to_vec();
    print_errors(
        &policy,
        "shares 1:2:5, one thread each, 10 s",
        |_| ratio(1),
        10,
    );
    print_errors(
        &policy,
        "shares 1:2:5, many threads, 10 s",
        |cpus| ratio(6 * cpus),
        10,
    );
    let fifty = |cpus: usize| {
        let threads = cpus.max(2);
        (1..=50).map(|shares| Want::of(shares, threads)).collect()
    };
    print_errors(&policy, "shares 1 to 50, 30 s", fifty, 30);
    for hard in [1250, 500, 50] {
        let capped = |cpus: usize| {
            let capped = Want {
                hard,
                ..Want::of(1, 2 * cpus)
            };
            vec![capped, Want::of(1, 2 * cpus)]
        };
        let alone = |cpus: usize| capped(cpus)[..1].to_vec();
        let name = |what| format!("hard maximum {} %, {what}, 10 s", f64::from(hard) / 100.0);
        print_errors(&policy, &name("alone"), alone, 10);
        print_errors(&policy, &name("contended"), capped, 10);
    }
    let floor = |cpus: usize, threads: usize| {
        let mut wants = vec![Want::of(1000, cpus); 21];
        wants[0] = Want {
            minimum: 3000,
            ..Want::of(1, threads)
        };
        wants
    };
    print_errors(
        &policy,
        "minimum 30 % against 20, 10 s",
        |cpus| floor(cpus, cpus),
        10,
    );
    for cpus in CPUS {
        let wants = floor(cpus, cpus);
        let least = least(&policy, cpus, &wants);
        let due = 100.0 * ideal(cpus as f64, &wants)[0];
        println!(
            "{:<44} {cpus:>4} {least:>9.2} of {due:.2}",
            "the same, least in 200 ms"
        );
    }
}
