use super::*;
use crate::EventCounter;
use crate::sleeper::{Thread, nameless};
use abi::Cid;
use proptest::prelude::*;
use security::{Credential, Identity, Privileges};
use std::collections::BTreeMap;
use std::vec::Vec;
use vfs::{Access, FileKind, StatusFlags};
use wait::{SliceSink, SliceSource};

fn open(operations: Arc<dyn FileOperations>) -> Arc<OpenFile> {
    let access = Access::READ | Access::WRITE;
    OpenFile::new(operations, None, Cid(1), access, StatusFlags::NONBLOCKING).expect("memory")
}

fn counter() -> Arc<OpenFile> {
    open(EventCounter::new(0, false, nameless(FileKind::Regular)).expect("memory"))
}

/// An instance and the file that keeps it open.
fn instance(quota: usize) -> (Arc<Epoll>, Arc<OpenFile>) {
    let epoll =
        Epoll::new(Arc::new(Quota::new(quota)), nameless(FileKind::Regular)).expect("memory");
    (epoll.clone(), open(epoll))
}

fn cx<T>(act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    let credential = Credential::new(Cid(1), Identity::user(1, 1), Privileges::empty());
    let waiter = Thread::new().run();
    act(&IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking: true,
    })
}

fn signal(file: &OpenFile) {
    let written = cx(|cx| file.write(cx, &mut SliceSource::new(&1u64.to_le_bytes())));
    assert_eq!(written, Ok(8));
}

fn drain(file: &OpenFile) {
    let read = cx(|cx| file.read(cx, &mut SliceSink::new(&mut [0; 8])));
    assert!(matches!(read, Ok(8) | Err(Stop::Error(Errno::EAGAIN))));
}

fn interest(flags: Flags, data: u64) -> Interest {
    Interest {
        events: PollEvents::IN,
        flags,
        data,
    }
}

fn ready(epoll: &Epoll) -> Vec<u64> {
    let mut found: Vec<_> = epoll
        .wait(None, Epoll::BATCH)
        .unwrap()
        .iter()
        .map(|ready| ready.data)
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn a_file_that_is_closed_is_watched_no_longer() {
    let (epoll, _file) = instance(1);
    let first = counter();
    let copy = first.clone();
    epoll.add(3, &first, interest(Flags::empty(), 1)).unwrap();
    signal(&first);
    drop(first);
    assert_eq!(ready(&epoll), [1]);
    drop(copy);
    assert_eq!((ready(&epoll), epoll.quota.used()), (Vec::new(), 0));
    let second = counter();
    epoll.add(3, &second, interest(Flags::empty(), 2)).unwrap();
    assert_eq!(
        epoll.add(4, &counter(), interest(Flags::empty(), 3)),
        Err(Errno::ENOSPC)
    );
}

#[test]
fn closing_an_instance_leaves_nothing_with_the_files() {
    let (epoll, file) = instance(4);
    let watched = counter();
    epoll.add(3, &watched, interest(Flags::EDGE, 1)).unwrap();
    epoll.add(4, &watched, interest(Flags::empty(), 2)).unwrap();
    drop(file);
    assert_eq!(epoll.quota.used(), 0);
    signal(&watched);
    assert_eq!((ready(&epoll), Arc::strong_count(&epoll)), (Vec::new(), 1));
}

#[test]
fn a_thread_that_waits_is_woken_and_finds_it() {
    let (epoll, _file) = instance(4);
    let (thread, watched) = (Thread::new(), counter());
    epoll.add(3, &watched, interest(Flags::empty(), 7)).unwrap();
    assert_eq!(epoll.wait(Some(&thread.run()), 0), Err(Stop::Park));
    signal(&watched);
    assert_eq!(thread.woken(), Some(None));
    // Without room nothing is lost, and nobody waits.
    assert_eq!(epoll.wait(Some(&thread.run()), 0), Err(Stop::Again));
    assert_eq!(ready(&epoll), [7]);
    drain(&watched);
    assert_eq!(epoll.wait(Some(&thread.run()), 4), Err(Stop::Park));
}

#[test]
fn of_those_that_watch_exclusively_one_is_woken() {
    let watched = counter();
    let sets: Vec<_> = (0..3).map(|_| instance(4)).collect();
    let threads: Vec<_> = (0..3).map(|_| Thread::new()).collect();
    for ((epoll, _), thread) in sets.iter().zip(&threads) {
        epoll
            .add(3, &watched, interest(Flags::EXCLUSIVE, 1))
            .unwrap();
        assert_eq!(epoll.wait(Some(&thread.run()), 4), Err(Stop::Park));
    }
    signal(&watched);
    let woken = threads.iter().filter(|thread| thread.woken().is_some());
    assert_eq!(woken.count(), 1);
    assert_eq!(
        sets[0].0.modify(3, &watched, interest(Flags::empty(), 1)),
        Err(Errno::EINVAL)
    );
}

#[test]
fn instances_tell_instances_but_not_in_a_circle() {
    let sets: Vec<_> = (0..6).map(|_| instance(8)).collect();
    let add = |above: usize, below: usize| {
        sets[above]
            .0
            .add(3, &sets[below].1, interest(Flags::empty(), below as u64))
    };
    assert_eq!(add(0, 0), Err(Errno::ELOOP));
    for below in 1..5 {
        add(below - 1, below).unwrap();
    }
    assert_eq!(add(4, 0), Err(Errno::ELOOP));
    assert_eq!(add(2, 1), Err(Errno::ELOOP));
    assert_eq!(add(4, 5), Err(Errno::ELOOP));
    assert_eq!(add(5, 0), Err(Errno::ELOOP));
    assert_eq!(add(5, 1), Ok(()));
    let (watched, thread) = (counter(), Thread::new());
    sets[4]
        .0
        .add(9, &watched, interest(Flags::EDGE, 9))
        .unwrap();
    assert_eq!(sets[0].0.wait(Some(&thread.run()), 4), Err(Stop::Park));
    signal(&watched);
    assert_eq!(thread.woken(), Some(None));
    // To look from above takes nothing away below.
    assert_eq!(
        (ready(&sets[0].0), ready(&sets[0].0)),
        ([1].into(), [1].into())
    );
    assert_eq!(ready(&sets[4].0), [9]);
    assert_eq!(ready(&sets[0].0), []);
}

#[test]
fn one_that_is_gone_makes_room_for_another() {
    let sets: Vec<_> = (0..6).map(|_| instance(8)).collect();
    for below in 1..5 {
        sets[below - 1]
            .0
            .add(3, &sets[below].1, interest(Flags::empty(), 0))
            .unwrap();
    }
    let again = || sets[4].0.add(3, &sets[5].1, interest(Flags::empty(), 0));
    assert_eq!(again(), Err(Errno::ELOOP));
    sets[0].0.remove(3, &sets[1].1).unwrap();
    assert_eq!(again(), Ok(()));
}

/// What a step does to one of several counters.
#[derive(Clone, Copy, Debug)]
enum Step {
    Add(Flags),
    Modify(Flags),
    Remove,
    Signal,
    Drain,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop::sample::select(std::vec![
        Flags::empty(),
        Flags::EDGE,
        Flags::ONCE,
        Flags::EDGE.union(Flags::ONCE),
    ]);
    prop_oneof![
        flags.clone().prop_map(Step::Add),
        flags.prop_map(Step::Modify),
        Just(Step::Remove),
        Just(Step::Signal),
        Just(Step::Signal),
        Just(Step::Drain),
        Just(Step::Wait),
        Just(Step::Wait),
    ]
}

/// An entry as the manual page describes it.
struct Model {
    flags: Flags,
    armed: bool,
    /// Something has happened since it was last reported.
    changed: bool,
}

proptest! {
    /// Reports what the manual page says, whatever is added, modified, signalled and read in between.
    #[test]
    fn reports_what_the_manual_page_says(steps in prop::collection::vec((0usize..4, step()), 0..80)) {
        let (epoll, _file) = instance(16);
        let files: Vec<_> = (0..4).map(|_| counter()).collect();
        let mut counts = [0u64; 4];
        let mut entries: BTreeMap<usize, Model> = BTreeMap::new();
        for (at, step) in steps {
            let file = &files[at];
            let wanted = |flags| interest(flags, at as u64);
            match step {
                Step::Add(flags) => {
                    let expected = if entries.contains_key(&at) { Err(Errno::EEXIST) } else { Ok(()) };
                    prop_assert_eq!(epoll.add(at as u32, file, wanted(flags)), expected);
                    entries.entry(at).or_insert(Model { flags, armed: true, changed: true });
                }
                Step::Modify(flags) => {
                    let expected = if entries.contains_key(&at) { Ok(()) } else { Err(Errno::ENOENT) };
                    prop_assert_eq!(epoll.modify(at as u32, file, wanted(flags)), expected);
                    if let Some(entry) = entries.get_mut(&at) {
                        *entry = Model { flags, armed: true, changed: true };
                    }
                }
                Step::Remove => {
                    let expected = if entries.remove(&at).is_some() { Ok(()) } else { Err(Errno::ENOENT) };
                    prop_assert_eq!(epoll.remove(at as u32, file), expected);
                }
                Step::Signal => {
                    signal(file);
                    counts[at] += 1;
                    if let Some(entry) = entries.get_mut(&at) {
                        entry.changed = true;
                    }
                }
                Step::Drain => {
                    drain(file);
                    counts[at] = 0;
                }
                Step::Wait => {
                    let mut expected = Vec::new();
                    for (at, entry) in &mut entries {
                        let due = entry.armed && (entry.changed || !entry.flags.contains(Flags::EDGE));
                        if due && counts[*at] > 0 {
                            expected.push(*at as u64);
                            entry.armed = !entry.flags.contains(Flags::ONCE);
                        }
                        if due {
                            entry.changed = false;
                        }
                    }
                    prop_assert_eq!(ready(&epoll), expected);
                }
            }
        }
    }
}
