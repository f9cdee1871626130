use super::*;
use crate::sleeper::Thread;
use abi::{Cid, Errno};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use memory::PageSource;
use proptest::prelude::*;
use security::{Credential, Identity, Privileges};
use wait::Stop;

fn user(uid: u32) -> Credential {
    Credential::new(Cid(1), Identity::user(uid, uid), Privileges::empty())
}

fn visit(credential: &Credential) -> Visit<'_> {
    Visit {
        credential,
        pid: 7,
        now: 1000,
    }
}

fn private(mode: u32) -> Create {
    keyed(0, mode)
}

fn keyed(key: u32, mode: u32) -> Create {
    Create {
        key,
        create: true,
        exclusive: false,
        mode,
    }
}

fn operation(number: u16, change: i16) -> Operation {
    Operation {
        number,
        change,
        nonblocking: false,
        undo: false,
    }
}

#[test]
fn keys_lead_to_one_object_until_it_is_removed() {
    let (sets, me) = (Semaphores::new(), user(1));
    let me = visit(&me);
    let missing = Create {
        create: false,
        ..keyed(5, 0o600)
    };
    assert_eq!(sets.get(me, missing, 1), Err(Errno::ENOENT));
    let id = sets.get(me, keyed(5, 0o600), 3).unwrap();
    assert_eq!(sets.get(me, missing, 0), Ok(id));
    assert_eq!(sets.get(me, missing, 4), Err(Errno::EINVAL));
    let exclusive = Create {
        exclusive: true,
        ..keyed(5, 0o600)
    };
    assert_eq!(sets.get(me, exclusive, 1), Err(Errno::EEXIST));
    assert_ne!(sets.get(me, private(0o600), 1), Ok(id));
    sets.remove(me, id).unwrap();
    assert_eq!(sets.remove(me, id), Err(Errno::EINVAL));
    let again = sets.get(me, keyed(5, 0o600), 1).unwrap();
    assert_ne!(again, id, "a number is not used again soon");
    assert_eq!(sets.at(again.cast_unsigned() % 32_768), Ok(again));
}

#[test]
fn modes_say_who_may_do_what() {
    let (queues, owner, other) = (Messages::new(), user(1), user(2));
    let root = Credential::new(Cid(1), Identity::ROOT, Privileges::all());
    let id = queues.get(visit(&owner), keyed(1, 0o604)).unwrap();
    let send = |who| queues.send(visit(who), id, 1, b"x", None);
    assert_eq!(send(&other), Err(Stop::Error(Errno::EACCES)));
    assert_eq!(send(&owner), Ok(()));
    assert_eq!(send(&root), Ok(()));
    assert!(queues.status(visit(&other), id, false).is_ok());
    assert_eq!(
        queues.get(visit(&other), keyed(1, 0o600)),
        Err(Errno::EACCES)
    );
    assert_eq!(queues.get(visit(&other), keyed(1, 0o400)), Ok(id));
    assert_eq!(queues.remove(visit(&other), id), Err(Errno::EPERM));
    let given = Ownership {
        uid: 2,
        gid: 2,
        mode: 0o600,
    };
    assert_eq!(
        queues.set(visit(&owner), id, given, 99_999),
        Err(Errno::EPERM)
    );
    assert_eq!(queues.set(visit(&owner), id, given, 10), Ok(()));
    assert_eq!(queues.remove(visit(&other), id), Ok(()));
}

#[test]
fn who_waits_for_a_semaphore_is_counted_and_woken_by_what_it_waits_for() {
    let (sets, me) = (Semaphores::new(), user(1));
    let me = visit(&me);
    let id = sets.get(me, private(0o600), 2).unwrap();
    sets.set_value(me, id, 1, 1).unwrap();
    let (rise, zero) = (Thread::new(), Thread::new());
    let run = rise.run();
    let both = [operation(1, -1), operation(0, -2)];
    assert_eq!(sets.operate(me, id, 1, &both, Some(&run)), Err(Stop::Park));
    let run = zero.run();
    let wait = [operation(1, 0)];
    assert_eq!(sets.operate(me, id, 2, &wait, Some(&run)), Err(Stop::Park));
    assert_eq!(
        sets.values(me, id).unwrap(),
        [0, 1],
        "nothing is done by half"
    );
    assert_eq!(sets.waiters(me, id, 0, Waiting::Rise), Ok(1));
    assert_eq!(sets.waiters(me, id, 1, Waiting::Zero), Ok(1));
    assert_eq!(sets.waiters(me, id, 1, Waiting::Rise), Ok(0));
    sets.operate(me, id, 3, &[operation(0, 2)], None).unwrap();
    assert!(rise.woken().is_some() && zero.woken().is_none());
    sets.operate(me, id, 1, &both, Some(&rise.run())).unwrap();
    assert!(zero.woken().is_some());
    let run = rise.run();
    assert_eq!(sets.operate(me, id, 1, &both, Some(&run)), Err(Stop::Park));
    sets.remove(me, id).unwrap();
    assert!(rise.woken().is_some());
    let gone = sets.operate(me, id, 1, &both, Some(&rise.run()));
    assert_eq!(gone, Err(Stop::Error(Errno::EINVAL)));
}

#[test]
fn who_waits_for_nothing_but_zero_is_done_when_it_comes() {
    let (sets, me) = (Semaphores::new(), user(1));
    let me = visit(&me);
    let id = sets.get(me, private(0o600), 2).unwrap();
    sets.set_value(me, id, 0, 1).unwrap();
    let (sole, more) = (Thread::new(), Thread::new());
    let (wait, both) = ([operation(0, 0)], [operation(0, 0), operation(0, 1)]);
    let run = sole.run();
    assert_eq!(sets.operate(me, id, 1, &wait, Some(&run)), Err(Stop::Park));
    let run = more.run();
    assert_eq!(sets.operate(me, id, 2, &both, Some(&run)), Err(Stop::Park));
    assert_eq!(sets.waiters(me, id, 0, Waiting::Zero), Ok(2));
    sets.set_value(me, id, 0, 0).unwrap();
    assert_eq!(sole.woken(), Some(Some(0)), "with its result");
    assert_eq!(more.woken(), Some(None), "to try again");
}

#[test]
fn what_is_set_by_hand_is_not_taken_back() {
    let (sets, me) = (Semaphores::new(), user(1));
    let me = visit(&me);
    let id = sets.get(me, private(0o600), 2).unwrap();
    let raise = |number| Operation {
        undo: true,
        ..operation(number, 5)
    };
    sets.operate(me, id, 9, &[raise(0), raise(1)], None)
        .unwrap();
    sets.set_value(me, id, 0, 3).unwrap();
    sets.ended(9, 9, 0);
    assert_eq!(sets.values(me, id).unwrap(), [3, 0]);
    assert!(!sets.has_undo(9));
    // What was asked for and could not be done is not taken back, and nothing of it stays.
    let lower = Operation {
        change: -4,
        ..raise(0)
    };
    let refused = sets.operate(me, id, 9, &[lower], None);
    assert_eq!(refused, Err(Errno::EAGAIN.into()));
    sets.set_value(me, id, 0, 3).unwrap();
    sets.ended(9, 9, 0);
    assert_eq!(sets.values(me, id).unwrap(), [3, 0]);
    assert!(!sets.has_undo(9));
    // A set that has gone leaves nothing to take back.
    sets.operate(me, id, 9, &[raise(0)], None).unwrap();
    sets.remove(me, id).unwrap();
    sets.ended(9, 9, 0);
}

#[test]
fn messages_come_by_type_and_only_when_they_are_delivered() {
    let (queues, me) = (Messages::new(), user(1));
    let me = visit(&me);
    let id = queues.get(me, private(0o600)).unwrap();
    for (kind, text) in [(3, b"three"), (1, b"first"), (2, b"twice"), (1, b"again")] {
        queues.send(me, id, kind, text, None).unwrap();
    }
    let receive = |selector, room, cut| {
        let mut got = (0, Vec::new());
        queues
            .receive(me, id, selector, (room, cut), None, |kind, text| {
                got = (kind, text.to_vec());
                Ok(())
            })
            .map(|_| got)
    };
    let refused = queues.receive(me, id, Selector::Any, (9, false), None, |_, _| {
        Err(Stop::Again)
    });
    assert_eq!(refused, Err(Stop::Again));
    assert_eq!(
        receive(Selector::CopyOf(1), 9, false).unwrap(),
        (1, b"first".to_vec())
    );
    assert_eq!(
        receive(Selector::Lowest(2), 9, false).unwrap(),
        (1, b"first".to_vec())
    );
    assert_eq!(
        receive(Selector::Except(3), 4, false),
        Err(Stop::Error(Errno::E2BIG))
    );
    assert_eq!(
        receive(Selector::Except(3), 4, true).unwrap(),
        (2, b"twic".to_vec())
    );
    assert_eq!(
        receive(Selector::Of(2), 9, false),
        Err(Stop::Error(Errno::ENOMSG))
    );
    assert_eq!(
        receive(Selector::Any, 9, false).unwrap(),
        (3, b"three".to_vec())
    );
    assert_eq!(
        receive(Selector::Of(1), 9, false).unwrap(),
        (1, b"again".to_vec())
    );
    assert_eq!(queues.usage(), (0, 1, 0, 0));
}

#[test]
fn a_full_queue_holds_senders_until_something_is_taken() {
    let (queues, me) = (Messages::new(), user(1));
    let me = visit(&me);
    let id = queues.get(me, private(0o600)).unwrap();
    let text = vec![1; 8192];
    queues.send(me, id, 1, &text, None).unwrap();
    queues.send(me, id, 1, &text, None).unwrap();
    let sender = Thread::new();
    let parked = queues.send(me, id, 1, b"", Some(&sender.run()));
    assert_eq!(parked, Ok(()), "an empty message takes no room");
    let parked = queues.send(me, id, 1, b"x", Some(&sender.run()));
    assert_eq!(parked, Err(Stop::Park));
    let taken = queues.receive(me, id, Selector::Any, (8192, false), None, |_, _| Ok(()));
    assert_eq!(taken, Ok(8192));
    assert!(sender.woken().is_some());
    assert_eq!(queues.send(me, id, 1, b"x", None), Ok(()));
    assert_eq!(
        queues.send(me, id, 0, b"x", None),
        Err(Stop::Error(Errno::EINVAL))
    );
    let long = vec![1; 8193];
    assert_eq!(
        queues.send(me, id, 1, &long, None),
        Err(Stop::Error(Errno::EINVAL))
    );
}

#[test]
fn a_removed_segment_goes_with_its_last_area() {
    memory::host::initialize();
    let (segments, me) = (SharedMemory::new(), user(1));
    let me = visit(&me);
    let id = segments.get(me, keyed(3, 0o600), 5000).unwrap();
    assert_eq!(segments.get(me, keyed(3, 0o600), 5001), Err(Errno::EINVAL));
    assert_eq!(segments.get(me, private(0o600), 0), Err(Errno::EINVAL));
    let (area, size, key) = segments.attach(me, id, Access::Both).unwrap();
    let child = area.clone();
    assert_eq!((size, key), (5000, 3));
    assert!(area.page(1, true).is_ok());
    assert!(area.page(2, true).is_err());
    assert_eq!(segments.status(me, id, false).unwrap().attachments, 2);
    segments.remove(me, id).unwrap();
    let status = segments.status(me, id, false).unwrap();
    assert!(status.removed && status.permission.key == 0);
    assert_ne!(segments.get(me, keyed(3, 0o600), 1), Ok(id));
    drop(area);
    assert!(segments.attach(me, id, Access::Read).is_ok());
    drop(child);
    assert!(segments.attach(me, id, Access::Read).is_err());
    assert_eq!(segments.all().expect("memory").len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Operate(u64, Vec<(u16, i16, bool)>),
    Set(u16, u16),
    End(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let operation = (0u16..3, -3i16..4, any::<bool>());
    prop_oneof![
        6 => (0u64..3, proptest::collection::vec(operation, 1..5)).prop_map(|(who, all)| Step::Operate(who, all)),
        1 => (0u16..3, 0u16..6).prop_map(|(number, value)| Step::Set(number, value)),
        1 => (0u64..3).prop_map(Step::End),
    ]
}

proptest! {
    /// Semaphores behave as a list of numbers to which either all operations of a call apply or none.
    #[test]
    fn semaphores_are_like_numbers(steps in proptest::collection::vec(step(), 1..40)) {
        let (sets, me) = (Semaphores::new(), user(1));
        let me = visit(&me);
        let id = sets.get(me, private(0o600), 3).unwrap();
        let mut values = [0i32; 3];
        let mut undo: BTreeMap<u64, [i32; 3]> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Operate(who, all) => {
                    let mut new = values;
                    let mut back = undo.get(&who).copied().unwrap_or_default();
                    let possible = all.iter().all(|&(number, change, undo)| {
                        let value = &mut new[usize::from(number)];
                        let free = if change == 0 { *value == 0 } else { *value + i32::from(change) >= 0 };
                        *value += i32::from(change);
                        if undo {
                            back[usize::from(number)] -= i32::from(change);
                        }
                        free
                    });
                    let operations: Vec<Operation> = all
                        .iter()
                        .map(|&(number, change, undo)| Operation { undo, ..operation(number, change) })
                        .collect();
                    let done = sets.operate(me, id, who, &operations, None);
                    prop_assert_eq!(done.is_ok(), possible);
                    if possible {
                        values = new;
                        undo.insert(who, back);
                    }
                }
                Step::Set(number, value) => {
                    sets.set_value(me, id, number, value.into()).unwrap();
                    values[usize::from(number)] = value.into();
                    undo.values_mut().for_each(|back| back[usize::from(number)] = 0);
                }
                Step::End(who) => {
                    sets.ended(who, 1, 1);
                    let back = undo.remove(&who).unwrap_or_default();
                    for (value, back) in values.iter_mut().zip(back) {
                        *value = (*value + back).clamp(0, i32::from(VALUE_LIMIT));
                    }
                }
            }
            let seen: Vec<i32> = sets.values(me, id).unwrap().into_iter().map(i32::from).collect();
            prop_assert_eq!(&seen[..], &values[..]);
        }
    }
}
