//! The promises, each with its id.

extern crate std;

mod bound;
mod classes;
mod crowds;
mod edf;
mod entities;
mod hotplug;
mod jobs;
mod limits;
mod malice;
mod policies;
mod properties;
mod recordings;
mod shares;
mod sleepers;
mod storms;
mod telling;
mod wakeups;

use crate::simulation::{Machine, TIMEBASE};
use crate::{Account, Snapshot, policy_by_name, policy_names};
use abi::{Cid, Ticks};

fn machine(cpus: usize, policy: &str) -> Machine {
    let policy = policy_by_name(policy).expect("a shipped policy");
    Machine::new(cpus, policy, Ticks(1_000_000_007))
}

fn used(snapshot: &Snapshot, cid: Cid) -> u64 {
    let found = snapshot.partitions.iter().find(|(other, _)| *other == cid);
    found
        .map_or(Account::default(), |(_, account)| *account)
        .total()
        .0
}

/// Percentage points of one CPU that a partition got between two snapshots.
fn points(before: &Snapshot, after: &Snapshot, cid: Cid) -> f64 {
    let span = (after.at - before.at).0 as f64;
    100.0 * (used(after, cid) - used(before, cid)) as f64 / span
}

/// Seconds in ticks.
fn seconds(count: u64) -> Ticks {
    Ticks(TIMEBASE.ticks_per_second * count)
}

/// Runs for `span` and gives the points of each partition.
fn measure(machine: &mut Machine, span: Ticks, cids: &[Cid]) -> std::vec::Vec<f64> {
    let before = machine.snapshot();
    machine.run(span);
    let after = machine.snapshot();
    assert_eq!(
        after.accounted(),
        after.elapsed,
        "every tick is in one account"
    );
    cids.iter()
        .map(|&cid| points(&before, &after, cid))
        .collect()
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: {found} instead of {expected} ± {tolerance}"
    );
}
