//! Recordings of what the scheduler does.

use super::*;
use crate::recording::{Happening, LINE, Record, Recording, Standing};
use crate::simulation::{Behaviour, millis};
use crate::{Attributes, Class, Cpu, CpuSet, Entitlement, EntityId, Priority, Reason, Refusal};
use abi::BasisPoints;
use proptest::prelude::*;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::String;

fn recorder(room: usize) -> Box<Recording> {
    Box::new(Recording::new(room).expect("the host has memory"))
}

fn text(recording: &Recording) -> String {
    let mut text = String::new();
    for line in (0..).map_while(|number| recording.line(number)) {
        let line = std::str::from_utf8(line.bytes()).expect("ASCII");
        assert!(line.len() == LINE && line.ends_with('\n'), "{line:?}");
        text.push_str(line);
    }
    text
}

fn ids() -> impl Strategy<Value = EntityId> {
    (any::<u32>(), any::<u32>()).prop_map(|(index, generation)| EntityId { index, generation })
}

fn sets() -> impl Strategy<Value = CpuSet> {
    prop_oneof![Just(CpuSet::ALL), (1_u64..0xffff).prop_map(CpuSet)]
}

fn entitlements() -> impl Strategy<Value = Entitlement> {
    let shares = proptest::option::of(1_u16..);
    let parts = [0_u16..=10_000, 0..=10_000, 0..=10_000];
    (shares, parts, sets(), any::<bool>()).prop_map(|(shares, parts, cpus, active)| {
        let [minimum, soft_maximum, hard_maximum] = parts.map(BasisPoints);
        Entitlement {
            active,
            shares,
            minimum,
            soft_maximum,
            hard_maximum,
            cpus,
        }
    })
}

fn classes() -> impl Strategy<Value = Class> {
    let priority = (1_u8..=99).prop_map(|number| Priority::new(number).expect("in range"));
    prop_oneof![
        Just(Class::Other),
        Just(Class::Batch),
        Just(Class::Idle),
        priority.clone().prop_map(Class::Fifo),
        priority.prop_map(Class::RoundRobin),
    ]
}

fn happenings() -> impl Strategy<Value = Happening> {
    let cid = || (0_u16..=8192).prop_map(Cid);
    let cpu = || (0_u16..16).prop_map(Cpu);
    // A year of the fastest timebase.
    let ticks = || (0_u64..1 << 55).prop_map(Ticks);
    let standing = prop_oneof![
        Just(Standing::Asleep),
        Just(Standing::Waiting),
        cpu().prop_map(Standing::Running)
    ];
    let reason = prop_oneof![
        Just(Reason::Preempted),
        Just(Reason::Yielded),
        Just(Reason::Blocked),
        Just(Reason::Exited)
    ];
    let places = (0_u32..1 << 17, any::<u32>());
    let resident = places.prop_map(|(index, generation)| EntityId { index, generation });
    let entity = (resident, cid(), classes(), -20_i8..20, sets(), standing);
    prop_oneof![
        cpu().prop_map(Happening::Online),
        cpu().prop_map(Happening::Offline),
        (cid(), entitlements()).prop_map(|(cid, it)| Happening::Partition(cid, it)),
        cid().prop_map(Happening::Unloaded),
        (entity, ticks()).prop_map(|((id, cid, class, nice, cpus, standing), used)| {
            let attributes = Attributes {
                class,
                nice,
                cpus,
                reset_on_fork: false,
            };
            Happening::Entity {
                id,
                cid,
                attributes,
                standing,
                used,
            }
        }),
        ids().prop_map(Happening::Woken),
        ids().prop_map(Happening::Held),
        (ids(), cpu()).prop_map(|(id, cpu)| Happening::Placed(id, cpu)),
        (ids(), reason, ticks()).prop_map(|(id, reason, used)| Happening::Left(id, reason, used)),
    ]
}

proptest! {
    /// SCHED0100: what is recorded is read from its line as it was, and what is no line is none.
    #[test]
    fn sched0100_lines_are_read_as_written(what in happenings(), at in 0_u64..1 << 55, noise in "[a-z0-9. ]{0,30}") {
        let record = Record { at: Ticks(at), what };
        let line = std::format!("{record}");
        prop_assert!(line.len() < LINE, "{line:?} is too long");
        prop_assert_eq!(Record::parse(&line), Some(record));
        prop_assert_eq!(Record::parse(&std::format!("{line} x")), None);
        prop_assert_eq!(Record::parse(&std::format!("x {line}")), None);
        if let Some(read) = Record::parse(&noise) {
            prop_assert_eq!(Record::parse(&std::format!("{read}")), Some(read));
        }
    }
}

/// SCHED0101: what threads have used by a recording is what the accounts say, and each is on one CPU at a time.
#[test]
fn sched0101_a_recording_tells_what_was_done() {
    let mut machine = machine(2, "wlm");
    let early = machine.partition(1, 10);
    (0..2).for_each(|_| {
        machine.spawn(early, Behaviour::Busy);
    });
    machine.run(millis(50));
    let (now, before) = (machine.now(), machine.snapshot());
    let scheduler = &mut machine.scheduler;
    scheduler
        .start_recording(recorder(20_000), now)
        .expect("it records nothing yet");
    assert_eq!(
        scheduler.start_recording(recorder(1), now),
        Err(Refusal::Busy)
    );
    let late = machine.partition(2, 20);
    let (run, sleep) = (millis(1), millis(3));
    machine.spawn(late, Behaviour::Periodic { run, sleep });
    machine.spawn(late, Behaviour::Once { run: millis(30) });
    machine.run(millis(500));
    machine.unplug(1).expect("another is left");
    machine.run(millis(200));
    let (now, after) = (machine.now(), machine.snapshot());
    let recording = machine.scheduler.stop_recording(now).expect("it recorded");
    assert!(machine.scheduler.stop_recording(now).is_none());
    assert_eq!((recording.lost, recording.ended), (0, Some(now)));
    assert_eq!(recording.idle, after.idle - before.idle);
    for account in &recording.accounts {
        assert_eq!(account.before.0, used(&before, account.cid));
        assert_eq!(account.after.0, used(&after, account.cid));
    }
    let (mut placed, mut spent) = (BTreeMap::new(), BTreeMap::<EntityId, (u64, u64)>::new());
    for record in recording.records() {
        match record.what {
            Happening::Entity { id, used, .. } => {
                spent.entry(id).or_insert((used.0, used.0));
            }
            Happening::Placed(id, cpu) => assert_eq!(placed.insert(cpu, id), None, "{record:?}"),
            Happening::Left(id, _, used) => {
                placed.retain(|_, other| *other != id);
                spent.entry(id).and_modify(|(_, last)| *last = used.0);
            }
            _ => {}
        }
    }
    // What runs in the end has not left yet; it had the CPU for a slice at most where others wait.
    let told: u64 = spent.values().map(|(first, last)| last - first).sum();
    let all: u64 = [early, late]
        .map(|it| used(&after, it) - used(&before, it))
        .iter()
        .sum();
    assert!(
        told <= all && all - told <= 2 * millis(4).0,
        "{told} of {all}"
    );
    assert!(text(&recording).contains(" left "));
}

/// SCHED0102: a recording that is full ends by itself, counts what it has no place for, and has the accounts of its end.
#[test]
fn sched0102_a_recording_is_bounded() {
    assert_eq!(Recording::new(0).err(), Some(Refusal::Range));
    assert_eq!(
        Recording::new(Recording::LIMIT + 1).err(),
        Some(Refusal::Range)
    );
    let mut machine = machine(1, "wlm");
    let cid = machine.partition(1, 1);
    (0..2).for_each(|_| {
        machine.spawn(cid, Behaviour::Busy);
    });
    let now = machine.now();
    let started = machine.scheduler.start_recording(recorder(40), now);
    started.expect("it records nothing yet");
    machine.run(seconds(1));
    let now = machine.now();
    let recording = machine.scheduler.stop_recording(now).expect("it recorded");
    assert_eq!(recording.records().count(), 40);
    assert!(recording.lost > 100, "{}", recording.lost);
    let ended = recording.ended.expect("it was full");
    assert!(ended < now);
    let account = recording.accounts.iter().find(|it| it.cid == cid);
    let used = account
        .map(|it| it.after - it.before)
        .expect("it was there");
    assert_eq!(used, ended - recording.began);
    assert_eq!(text(&recording).lines().count(), 3 + 2 + 40);
}
