use super::*;
use crate::sleeper::Thread;
use alloc::sync::Arc;
use proptest::prelude::*;
use std::vec::Vec;

const WORD: FutexKey = FutexKey::Private {
    space: 1,
    address: 0x1000,
};
const OTHER: FutexKey = FutexKey::Private {
    space: 1,
    address: 0x2000,
};

/// How many were dealt with, in one step: on the host there is no keeper.
fn count(dealt: Dealt) -> u32 {
    assert_eq!(dealt.rest, None);
    dealt.count
}

fn wake(table: &FutexTable, key: FutexKey, bits: u32, limit: u32) -> Result<u32, Errno> {
    table.wake(key, bits, limit, None).map(count)
}

fn requeue(
    table: &FutexTable,
    keys: [FutexKey; 2],
    limits: [u32; 2],
    unchanged: bool,
) -> Attempt<u32> {
    let dealt = table.requeue(keys, limits, None, || Ok(unchanged));
    dealt.map(count)
}

fn wake_op(table: &FutexTable, operation: WakeOperation, old: u32) -> Attempt<u32> {
    let dealt = table.wake_op([WORD, OTHER], [1, 1], operation, None, || Ok(old));
    dealt.map(count)
}

fn parked(table: &FutexTable, key: FutexKey, bits: u32) -> Arc<Thread> {
    let thread = Thread::new();
    assert_eq!(
        table.wait(key, bits, &thread.run(), || Ok(true)),
        Err(Stop::Park)
    );
    thread
}

#[test]
fn a_changed_word_is_not_waited_for() {
    let table = FutexTable::new(4);
    let thread = Thread::new();
    let waiter = thread.run();
    assert_eq!(
        table.wait(WORD, 1, &waiter, || Ok(false)),
        Err(Stop::Error(Errno::EAGAIN))
    );
    assert_eq!(
        table.wait(WORD, 1, &waiter, || Err(Stop::Again)),
        Err(Stop::Again)
    );
    assert_eq!(
        table.wait(WORD, 0, &waiter, || Ok(true)),
        Err(Stop::Error(Errno::EINVAL))
    );
    assert_eq!(wake(&table, WORD, FutexTable::ANY, 9), Ok(0));
}

#[test]
fn the_first_come_is_completed_first() {
    let table = FutexTable::new(4);
    let threads: Vec<_> = (0..3)
        .map(|_| parked(&table, WORD, FutexTable::ANY))
        .collect();
    let elsewhere = parked(
        &table,
        FutexKey::Private {
            space: 2,
            address: 0x1000,
        },
        FutexTable::ANY,
    );
    assert_eq!(wake(&table, WORD, FutexTable::ANY, 2), Ok(2));
    let woken: Vec<_> = threads.iter().map(|thread| thread.woken()).collect();
    assert_eq!(woken, [Some(Some(0)), Some(Some(0)), None]);
    assert_eq!(elsewhere.woken(), None);
    threads[2].leave();
    assert_eq!(wake(&table, WORD, FutexTable::ANY, 2), Ok(0));
}

#[test]
fn bit_sets_select() {
    let table = FutexTable::new(1);
    let (one, two) = (parked(&table, WORD, 1), parked(&table, WORD, 2));
    assert_eq!(wake(&table, WORD, 6, 9), Ok(1));
    assert_eq!((one.woken(), two.woken()), (None, Some(Some(0))));
    assert_eq!(wake(&table, WORD, 0, 9), Err(Errno::EINVAL));
}

#[test]
fn requeued_threads_wait_on_the_other_word() {
    for buckets in [1, 64] {
        let table = FutexTable::new(buckets);
        let threads: Vec<_> = (0..4)
            .map(|_| parked(&table, WORD, FutexTable::ANY))
            .collect();
        assert_eq!(
            requeue(&table, [WORD, OTHER], [1, 2], false),
            Err(Stop::Error(Errno::EAGAIN))
        );
        assert_eq!(requeue(&table, [WORD, OTHER], [1, 2], true), Ok(3));
        assert_eq!(wake(&table, OTHER, FutexTable::ANY, 9), Ok(2));
        assert_eq!(wake(&table, WORD, FutexTable::ANY, 9), Ok(1));
        assert!(threads.iter().all(|thread| thread.woken() == Some(Some(0))));
        assert_eq!(requeue(&table, [WORD, WORD], [1, 1], true), Ok(0));
    }
}

#[test]
fn wake_op_decides_by_the_old_value() {
    let table = FutexTable::new(8);
    let (one, two) = (
        parked(&table, WORD, FutexTable::ANY),
        parked(&table, OTHER, FutexTable::ANY),
    );
    // FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, 1): what glibc's condition variables used.
    let operation = WakeOperation::decode(4 << 24 | 1).unwrap();
    assert_eq!(operation.apply(5), 0);
    assert_eq!(wake_op(&table, operation, 1), Ok(1));
    assert_eq!((one.woken(), two.woken()), (Some(Some(0)), None));
    assert_eq!(wake_op(&table, operation, 2), Ok(1));
    assert_eq!(two.woken(), Some(Some(0)));
    assert_eq!(WakeOperation::decode(5 << 28), Err(Errno::ENOSYS));
    assert_eq!(WakeOperation::decode(6 << 24), Err(Errno::ENOSYS));
    let shifted = WakeOperation::decode(9 << 28 | 4 << 12).unwrap();
    assert_eq!(shifted.apply(1), 17);
    let negative = WakeOperation::decode(1 << 28 | 0xfff << 12 | 2 << 24 | 0xfff).unwrap();
    assert_eq!(
        (
            negative.apply(5),
            negative.wakes(u32::MAX - 1),
            negative.wakes(0)
        ),
        (4, true, false)
    );
}

#[test]
fn words_that_nobody_waits_on_are_forgotten() {
    let table = FutexTable::new(1);
    for address in 0..1000 {
        let key = FutexKey::Shared {
            object: 7,
            offset: address,
        };
        parked(&table, key, 1).leave();
    }
    assert!(table.buckets[0].lock().queues.len() <= Bucket::SWEEP + 1);
}

proptest! {
    /// Every waiter is woken at most once, and as many as a list of lists says.
    #[test]
    fn behaves_as_a_list_of_lists(steps in prop::collection::vec((0u8..4, 0u64..4, 0u64..4, 0u32..4), 1..80)) {
        let table = FutexTable::new(2);
        let key = |at: u64| FutexKey::Private { space: 0, address: at };
        let mut model: Vec<Vec<Arc<Thread>>> = (0..4).map(|_| Vec::new()).collect();
        for (kind, one, two, count) in steps {
            let (from, to) = (one as usize, two as usize);
            match kind {
                0 | 1 => model[from].push(parked(&table, key(one), FutexTable::ANY)),
                2 => {
                    let woken: Vec<_> = { let end = model[from].len().min(count as usize); model[from].drain(..end).collect() };
                    prop_assert_eq!(wake(&table, key(one), FutexTable::ANY, count), Ok(woken.len() as u32));
                    prop_assert!(woken.iter().all(|thread| thread.woken().is_some()));
                }
                _ if one != two => {
                    let end = 1.min(model[from].len());
                    let woken: Vec<_> = model[from].drain(..end).collect();
                    let end = model[from].len().min(count as usize);
                    let moved: Vec<_> = model[from].drain(..end).collect();
                    let expected = (woken.len() + moved.len()) as u32;
                    model[to].extend(moved);
                    prop_assert_eq!(requeue(&table, [key(one), key(two)], [1, count], true), Ok(expected));
                }
                _ => {}
            }
            prop_assert!(model.iter().flatten().all(|thread| thread.woken().is_none()));
        }
    }
}

/// Who wants a lock that the thread with the number 10 has.
fn wants(own: u32, waiter: Option<&Waiter>) -> Contender<'_> {
    Contender {
        own,
        priority: 0,
        waiter,
        owner: 10,
    }
}

fn held(own: u32, owner: u32, waiter: &Waiter) -> Contender<'_> {
    Contender {
        owner,
        ..wants(own, Some(waiter))
    }
}

#[test]
fn the_highest_priority_gets_a_lock_first_and_lends_it() {
    let table = FutexTable::new(4);
    let word = core::cell::Cell::new(10u32);
    let mut change = |new: &dyn Fn(u32) -> u32| Ok(word.replace(new(word.get())));
    let threads: Vec<_> = (0..4).map(|_| Thread::new()).collect();
    let mut lent = 0;
    for (thread, (own, priority)) in threads.iter().zip([(20, 0), (21, 5), (22, 9), (23, 9)]) {
        let run = thread.run();
        let contender = Contender {
            priority,
            ..wants(own, Some(&run))
        };
        let parked = table.lock_owned(WORD, contender, &mut change, &mut || lent += 1);
        assert_eq!(parked, Err(Stop::Park));
    }
    assert_eq!(lent, 4);
    let run = Thread::new().run();
    let strange = held(24, 11, &run);
    let again = table.lock_owned(WORD, strange, &mut change, &mut || lent += 1);
    assert_eq!((again, lent), (Err(Stop::Again), 4));
    let mut best = None;
    for (own, next, rest) in [
        (10, 22, Some(9)),
        (22, 23, Some(5)),
        (23, 21, None),
        (21, 20, None),
    ] {
        assert_eq!(
            table.unlock_owned(WORD, own, false, &mut change),
            Ok(Some(next))
        );
        best = None;
        let told = table.lend_for(WORD, next, &mut change, &mut |priority| {
            best = Some(priority)
        });
        assert_eq!((told, best), (Ok(()), rest));
    }
    assert_eq!(
        table.lend_for(WORD, 21, &mut change, &mut |_| best = Some(0)),
        Ok(())
    );
    assert_eq!(best, None);
    let woken: Vec<_> = threads.iter().map(|thread| thread.woken()).collect();
    assert_eq!(woken, [Some(Some(0)); 4]);
}

#[test]
fn an_owner_hands_its_lock_to_the_first_that_still_waits() {
    let table = FutexTable::new(4);
    let key = FutexKey::Private {
        space: 1,
        address: 64,
    };
    let word = core::cell::Cell::new(0u32);
    let mut change = |new: &dyn Fn(u32) -> u32| {
        let old = word.replace(new(word.get()));
        Ok(old)
    };
    let [one, two, three] = [10, 11, 12];
    let (gone, waits) = (Thread::new(), Thread::new());
    assert_eq!(
        table.lock_owned(key, wants(one, None), &mut change, &mut || ()),
        Ok(())
    );
    assert_eq!(word.get(), one);
    let again = table.lock_owned(key, wants(one, None), &mut change, &mut || ());
    assert_eq!(again, Err(Errno::EDEADLK.into()));
    let taken = table.lock_owned(key, wants(two, None), &mut change, &mut || ());
    assert_eq!((taken, word.get()), (Err(Errno::EAGAIN.into()), one));
    let over = gone.run();
    for (waiter, own) in [(over.clone(), two), (waits.run(), three)] {
        let parked = table.lock_owned(key, wants(own, Some(&waiter)), &mut change, &mut || ());
        assert_eq!(parked, Err(Stop::Park));
    }
    assert_eq!(word.get(), one | abi::linux::FUTEX_WAITERS);
    let foreign = table.unlock_owned(key, two, false, &mut change);
    assert_eq!(foreign, Err(Errno::EPERM.into()));
    // The wait of the first is over, though it is still in the queue.
    assert!(over.wake(None));
    assert_eq!(
        table.unlock_owned(key, one, true, &mut change),
        Ok(Some(three))
    );
    assert_eq!(waits.woken(), Some(Some(0)));
    let marked = three | abi::linux::FUTEX_WAITERS | abi::linux::FUTEX_OWNER_DIED;
    assert_eq!(word.get(), marked);
    assert_eq!(table.unlock_owned(key, three, false, &mut change), Ok(None));
    assert_eq!(word.get(), 0);
}

#[test]
fn who_waits_for_a_lock_is_not_woken_and_waits_alone() {
    let table = FutexTable::new(4);
    let word = core::cell::Cell::new(7u32);
    let mut change = |new: &dyn Fn(u32) -> u32| Ok(word.replace(new(word.get())));
    let waits = Thread::new();
    let parked = table.lock_owned(WORD, held(8, 7, &waits.run()), &mut change, &mut || ());
    assert_eq!(parked, Err(Stop::Park));
    assert_eq!(wake(&table, WORD, FutexTable::ANY, 1), Err(Errno::EINVAL));
    let moved = requeue(&table, [WORD, OTHER], [1, 1], true);
    assert_eq!(moved, Err(Errno::EINVAL.into()));
    assert_eq!(waits.woken(), None);
    let _plain = self::parked(&table, OTHER, 1);
    let refused = table.lock_owned(
        OTHER,
        held(8, 7, &Thread::new().run()),
        &mut change,
        &mut || (),
    );
    assert_eq!(refused, Err(Errno::EINVAL.into()));
}

#[test]
fn those_bound_to_a_lock_get_it_one_after_the_other() {
    for buckets in [1, 64] {
        let table = FutexTable::new(buckets);
        let word = core::cell::Cell::new(0u32);
        let mut change = |new: &dyn Fn(u32) -> u32| Ok(word.replace(new(word.get())));
        let threads: Vec<_> = (0..4).map(|_| Thread::new()).collect();
        let mut runs = Vec::new();
        for (own, thread) in (20..).zip(&threads) {
            runs.push(thread.run());
            let parked = table.wait_for_lock(WORD, OTHER, own, &runs[runs.len() - 1], || Ok(true));
            assert_eq!(parked, Err(Stop::Park));
        }
        // Plain wakes are not meant for them, nor is another lock.
        assert_eq!(wake(&table, WORD, FutexTable::ANY, 1), Err(Errno::EINVAL));
        let third = FutexKey::Private {
            space: 1,
            address: 0x3000,
        };
        let strange = table.requeue_owned([WORD, third], 0, 9, || Ok(true), &mut change);
        assert_eq!(strange, Err(Errno::EINVAL.into()));
        let changed = table.requeue_owned([WORD, OTHER], 0, 9, || Ok(false), &mut change);
        assert_eq!(changed, Err(Errno::EAGAIN.into()));
        assert_eq!(word.get(), 0);
        // The wait of the first is over: the second gets the lock, and the third waits for it.
        assert!(runs[0].wake(None));
        let given = table.requeue_owned([WORD, OTHER], 0, 1, || Ok(true), &mut change);
        assert_eq!(given, Ok(2));
        assert_eq!(word.get(), 21 | abi::linux::FUTEX_WAITERS);
        assert_eq!(threads[1].woken(), Some(Some(0)));
        assert_eq!(threads[2].woken(), None);
        // Another one has the lock than was thought.
        let other = table.requeue_owned([WORD, OTHER], 5, 1, || Ok(true), &mut change);
        assert_eq!(other, Err(Stop::Again));
        let moved = table.requeue_owned([WORD, OTHER], 21, 1, || Ok(true), &mut change);
        assert_eq!(moved, Ok(1));
        for (own, next) in [(21, 2), (22, 3)] {
            let heir = table.unlock_owned(OTHER, own, false, &mut change);
            assert_eq!(heir, Ok(Some(own + 1)));
            assert_eq!(threads[next].woken(), Some(Some(0)));
        }
        assert_eq!(table.unlock_owned(OTHER, 23, false, &mut change), Ok(None));
        assert_eq!(word.get(), 0);
    }
}

#[test]
fn one_of_several_words_tells_which_it_was() {
    let table = FutexTable::new(4);
    let thread = Thread::new();
    let waiter = thread.run();
    for (index, key) in [(0, WORD), (1, OTHER)] {
        let parked = table.wait_among(key, index, &waiter, || Ok(true));
        assert_eq!(parked, Err(Stop::Park));
    }
    // The word that it is moved to is still the second.
    let moved = requeue(&table, [OTHER, WORD], [0, 1], true);
    assert_eq!(moved, Ok(1));
    assert!(waiter.wake(Some(-1)));
    thread.leave();
    let waiter = thread.run();
    let parked = table.wait_among(OTHER, 1, &waiter, || Ok(true));
    assert_eq!(parked, Err(Stop::Park));
    assert_eq!(requeue(&table, [OTHER, WORD], [0, 1], true), Ok(1));
    assert_eq!(wake(&table, WORD, 4, 1), Ok(1));
    assert_eq!(thread.woken(), Some(Some(1)));
}
