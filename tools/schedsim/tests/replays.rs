//! Recordings of the simulated machine, replayed.

use abi::{BasisPoints, Cid, Ticks};
use sched::recording::Recording as Recorder;
use sched::simulation::{Behaviour, Machine, millis};
use sched::{CpuSet, Entitlement, policy_by_name};
use schedsim::recording::Recording;
use schedsim::{Replay, replay};

/// Text of a recording that `work` does on a machine with `cpus` CPUs.
fn record(cpus: usize, policy: &str, work: impl FnOnce(&mut Machine)) -> String {
    let policy = policy_by_name(policy).expect("shipped");
    let mut machine = Machine::new(cpus, policy, Ticks(77_000_000_001));
    let early = machine.partition(1, 10);
    (0..2).for_each(|_| {
        machine.spawn(early, Behaviour::Busy);
    });
    machine.run(millis(30));
    let recorder = Box::new(Recorder::new(Recorder::LIMIT).expect("memory"));
    let now = machine.now();
    let started = machine.scheduler.start_recording(recorder, now);
    started.expect("nothing is recorded yet");
    work(&mut machine);
    let now = machine.now();
    let mut recording = machine.scheduler.stop_recording(now).expect("it recorded");
    for used in &mut recording.accounts {
        used.name = format!("p{}", used.cid.0);
    }
    let lines = (0..).map_while(|number| recording.line(number));
    lines
        .map(|line| String::from_utf8(line.bytes().to_vec()).expect("ASCII"))
        .collect()
}

/// Everything that can happen in two seconds.
fn mixture(machine: &mut Machine) {
    let busy = machine.partition(2, 30);
    (0..3).for_each(|_| {
        machine.spawn(busy, Behaviour::Busy);
    });
    let capped = machine.partition_with(
        3,
        Entitlement {
            soft_maximum: BasisPoints(1_000),
            hard_maximum: BasisPoints(1_000),
            ..Entitlement::default()
        },
    );
    machine.spawn(capped, Behaviour::Busy);
    let sleepy = machine.partition(4, 20);
    for (run, sleep) in [(1, 4), (2, 9), (1, 1)] {
        let (run, sleep) = (millis(run), millis(sleep));
        machine.spawn(sleepy, Behaviour::Periodic { run, sleep });
    }
    let bound = machine.partition_with(
        5,
        Entitlement {
            shares: Some(10),
            cpus: CpuSet(1),
            ..Entitlement::default()
        },
    );
    machine.spawn(bound, Behaviour::Busy);
    machine.run(millis(700));
    let brief = machine.partition(6, 40);
    let id = machine.spawn(brief, Behaviour::Busy);
    machine.run(millis(300));
    machine.kill(id);
    let now = machine.now();
    machine
        .scheduler
        .remove_partition(brief, now)
        .expect("it is empty");
    let now = machine.now();
    let entitlement = Entitlement {
        shares: Some(5),
        ..Entitlement::default()
    };
    let changed = machine.scheduler.change_partition(busy, entitlement, now);
    machine.tell(changed.expect("legal"));
    machine.run(millis(1_000));
}

fn played(text: &str, policy: &str) -> Replay {
    let recording = Recording::parse(text).expect("a recording");
    assert_eq!(recording.lost, 0);
    replay(&recording, policy).expect("it is replayed")
}

/// SIM0020: replayed under its own policy, a recording gives every partition what it had, to within two slices a CPU.
#[test]
fn sim0020_a_replay_is_like_what_was_recorded() {
    // On several CPUs the division of `stride` depends on when threads sleep, and so on how a recording begins.
    for (cpus, policies) in [(1, &["wlm", "stride"][..]), (2, &["wlm"]), (4, &["wlm"])] {
        for policy in policies {
            let text = record(cpus, policy, mixture);
            let replay = played(&text, policy);
            let missed = replay.disappointments();
            assert!(missed.is_empty(), "{policy} on {cpus} CPUs: {missed:?}");
            // Nothing but threads uses time here.
            assert!(replay.bound <= Ticks(3 * millis(4).0 * cpus as u64));
            let names: Vec<&str> = replay
                .course
                .parts
                .iter()
                .map(|it| it.name.as_str())
                .collect();
            assert!(names.contains(&"p5"), "{names:?}");
        }
    }
}

/// SIM0021: under another policy the same work is divided otherwise, and a replay that differs is found.
#[test]
fn sim0021_policies_are_compared_on_one_recording() {
    let text = record(1, "wlm", |machine| {
        let other = machine.partition(2, 30);
        (0..2).for_each(|_| {
            machine.spawn(other, Behaviour::Busy);
        });
        machine.run(millis(2_000));
    });
    let part = |replay: &Replay, name: &str| {
        let found = replay.course.parts.iter().find(|it| it.name == name);
        let part = found.expect("it was there");
        part.used.last().copied().unwrap_or(0.0) / millis(2_000).0 as f64
    };
    let own = played(&text, "wlm");
    assert!(
        own.disappointments().is_empty(),
        "{:?}",
        own.disappointments()
    );
    assert!((part(&own, "p2") - 0.75).abs() < 0.01);
    let other = played(&text, "round-robin");
    assert!((part(&other, "p2") - 0.5).abs() < 0.01);
    assert_eq!(other.disappointments().len(), 2);
}

/// SIM0022: a CPU that goes and comes back does so in the replay.
#[test]
fn sim0022_cpus_come_and_go() {
    let text = record(3, "wlm", |machine| {
        let other = machine.partition(2, 30);
        (0..4).for_each(|_| {
            machine.spawn(other, Behaviour::Busy);
        });
        machine.run(millis(200));
        machine.unplug(1).expect("others stay");
        machine.run(millis(600));
        machine.plug(1);
        machine.run(millis(200));
    });
    let replay = played(&text, "wlm");
    assert!(
        replay.disappointments().is_empty(),
        "{:?}",
        replay.disappointments()
    );
    let all: f64 = replay
        .course
        .parts
        .iter()
        .filter_map(|it| it.used.last())
        .sum();
    let whole = 3.0 * millis(400).0 as f64 + 2.0 * millis(600).0 as f64;
    assert!((all - whole).abs() < millis(5).0 as f64, "{all} of {whole}");
}

/// SIM0023: what is no recording is refused, with the line that is wrong.
#[test]
fn sim0023_what_is_no_recording_is_refused() {
    let text = record(1, "wlm", |machine| machine.run(millis(20)));
    assert!(Recording::parse(&text).is_ok());
    // As a terminal passes it on.
    assert!(Recording::parse(&text.replace('\n', "\r\n")).is_ok());
    let last = text.lines().last().expect("lines").to_owned();
    for (old, new) in [
        ("corral-schedule 1", "corral-schedule 2"),
        ("corral-schedule", "something"),
        ("policy wlm", "wlm"),
        ("from ", "since "),
        (" entity ", " being "),
        (last.as_str(), "12 placed 99.99 0"),
    ] {
        let wrong = text.replace(old, new);
        assert_ne!(wrong, text, "{old}");
        assert!(Recording::parse(&wrong).is_err(), "{new}");
    }
    assert!(Recording::parse("").is_err());
    let recording = Recording::parse(&text).expect("a recording");
    assert!(replay(&recording, "lottery").is_err());
    assert_eq!(
        recording.accounts.first().map(|it| it.cid),
        Some(Cid::GLOBAL)
    );
}
