use crate::layout::word;
use crate::*;
use abi::linux::{
    AT_FDCWD, IORING_OFF_CQ_RING, IORING_OFF_SQES, IORING_SQ_CQ_OVERFLOW, MessageFlags, SystemCall,
    UringCompletion, UringEntry, UringOperation,
};
use abi::{Cid, Errno, PAGE_SHIFT};
use memory::{Frame, PageSource};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::vec::Vec;

/// Rings of a test that is alone with the allocator: another one makes it fail.
fn rings(_alone: &MutexGuard<'_, ()>, entries: u32, completions: Option<u32>) -> Rings {
    Rings::new(Cid(3), Layout::new(entries, completions, false).unwrap()).unwrap()
}

fn page(rings: &Rings, offset: u64) -> Frame {
    rings
        .pages()
        .page(offset >> PAGE_SHIFT, true)
        .unwrap_or_else(|error| panic!("no page at {offset}: {error:?}"))
}

/// A program's store.
fn store(rings: &Rings, offset: u32, value: u32) {
    let frame = page(rings, u64::from(offset));
    frame.write(offset as usize % 4096, &value.to_le_bytes());
}

fn load(rings: &Rings, offset: u32) -> u32 {
    let mut bytes = [0; 4];
    page(rings, u64::from(offset)).read(offset as usize % 4096, &mut bytes);
    u32::from_le_bytes(bytes)
}

fn put(rings: &Rings, place: u32, entry: UringEntry) {
    let at = IORING_OFF_SQES + u64::from(place) * 64;
    page(rings, at).write(at as usize % 4096, &entry.encode());
}

fn completion(rings: &Rings, place: u32) -> UringCompletion {
    let at = rings.layout().completion_offsets().cqes + place * 16;
    let mut bytes = [0; 16];
    page(rings, u64::from(at)).read(at as usize % 4096, &mut bytes);
    UringCompletion::decode(&bytes)
}

fn done(user_data: u64) -> UringCompletion {
    UringCompletion {
        user_data,
        res: 7,
        flags: 0,
    }
}

/// URING0001: sizes are powers of two within the bounds that `man 2 io_uring_setup` has.
#[test]
fn uring0001_sizes() {
    let sizes = |entries, completions, clamp| {
        Layout::new(entries, completions, clamp).map(|layout| (layout.entries, layout.completions))
    };
    assert_eq!(sizes(1, None, false), Ok((1, 2)));
    assert_eq!(sizes(5, None, false), Ok((8, 16)));
    assert_eq!(sizes(8, Some(9), false), Ok((8, 16)));
    assert_eq!(sizes(8, Some(4), false), Err(Errno::EINVAL));
    assert_eq!(sizes(8, Some(0), false), Err(Errno::EINVAL));
    assert_eq!(sizes(0, None, true), Err(Errno::EINVAL));
    assert_eq!(sizes(40_000, None, false), Err(Errno::EINVAL));
    assert_eq!(sizes(40_000, None, true), Ok((32_768, 65_536)));
    assert_eq!(sizes(u32::MAX, Some(u32::MAX), true), Ok((32_768, 65_536)));
}

/// URING0002: both rings are seen at both offsets, the entries at theirs, and nothing beyond.
#[test]
fn uring0002_mappings() {
    let alone = memory::host::alone();
    let rings = rings(&alone, 64, None);
    store(&rings, word::SUBMISSION_TAIL, 1);
    let other = page(&rings, IORING_OFF_CQ_RING);
    assert_eq!(other.number(), page(&rings, 0).number());
    assert_eq!(load(&rings, word::SUBMISSION_MASK), 63);
    assert_eq!(load(&rings, word::COMPLETION_ENTRIES), 128);
    let at = |offset: u64| rings.pages().page(offset >> PAGE_SHIFT, true).is_ok();
    assert!(at(IORING_OFF_SQES) && !at(IORING_OFF_SQES + 4096));
    assert!(!at(IORING_OFF_CQ_RING - 4096) && !at(u64::MAX));
}

/// URING0003: entries are taken in order through the list of places, and one that cannot be is counted.
#[test]
fn uring0003_entries() {
    let alone = memory::host::alone();
    let mut rings = rings(&alone, 4, None);
    let array = rings.layout().submission_offsets().array;
    for (place, index) in [3, 9, 0].into_iter().enumerate() {
        store(&rings, array + 4 * place as u32, index);
    }
    for place in 0..4 {
        let user_data = 100 + u64::from(place);
        put(
            &rings,
            place,
            UringEntry {
                user_data,
                ..UringEntry::default()
            },
        );
    }
    assert_eq!(rings.take(), None);
    store(&rings, word::SUBMISSION_TAIL, 3);
    let user_data = |taken| match taken {
        Some(Taken::Entry(UringEntry { user_data, .. })) => Some(user_data),
        _ => None,
    };
    assert_eq!(user_data(rings.take()), Some(103));
    assert_eq!(rings.take(), Some(Taken::Nothing));
    assert_eq!(load(&rings, word::DROPPED), 1);
    assert_eq!(user_data(rings.take()), Some(100));
    assert_eq!(rings.take(), None);
    assert_eq!(load(&rings, word::SUBMISSION_HEAD), 3);
}

/// URING0004: what does not fit is kept, in order, and said so.
#[test]
fn uring0004_overflow() {
    let alone = memory::host::alone();
    let mut rings = rings(&alone, 1, Some(2));
    for number in 0..5 {
        rings.post(done(number));
    }
    assert!(rings.has_overflowed());
    assert_eq!(rings.completed(), 5);
    let flags = |rings: &Rings| load(rings, word::SUBMISSION_FLAGS) & IORING_SQ_CQ_OVERFLOW;
    assert_ne!(flags(&rings), 0);
    assert_eq!(
        (completion(&rings, 0), completion(&rings, 1)),
        (done(0), done(1))
    );
    store(&rings, word::COMPLETION_HEAD, 2);
    rings.flush();
    assert_eq!(
        (completion(&rings, 0), completion(&rings, 1)),
        (done(2), done(3))
    );
    assert_ne!(flags(&rings), 0);
    store(&rings, word::COMPLETION_HEAD, 4);
    rings.flush();
    assert_eq!(completion(&rings, 0), done(4));
    assert_eq!((flags(&rings), rings.completed()), (0, 1));
}

/// URING0005: rings for which there is no memory are not made, and nothing of them stays.
#[test]
fn uring0005_no_memory() {
    let _alone = memory::host::alone();
    let layout = Layout::new(256, None, false).unwrap();
    let before = memory::frames::free();
    for count in 0..6 {
        memory::host::fail_frames_after(Some(count));
        let made = Rings::new(Cid(3), layout);
        memory::host::fail_frames_after(None);
        assert!(made.is_err());
        assert_eq!(memory::frames::free(), before);
    }
}

/// URING0006: calls get their arguments from the fields that `man 2 io_uring_enter` names.
#[test]
fn uring0006_calls() {
    let entry = UringEntry {
        fd: AT_FDCWD,
        off: 2,
        addr: 3,
        len: 4,
        op_flags: 1,
        ..UringEntry::default()
    };
    let at = i64::from(AT_FDCWD).cast_unsigned();
    let call = |operation| {
        let translated = translate(operation, &entry).unwrap().unwrap();
        (translated.call, translated.arguments, translated.on_file)
    };
    use SystemCall as S;
    use UringOperation as O;
    assert_eq!(call(O::Openat), (S::Openat, [at, 3, 1, 4, 0, 0], false));
    assert_eq!(call(O::Statx), (S::Statx, [at, 3, 1, 4, 2, 0], false));
    assert_eq!(
        call(O::Fallocate),
        (S::Fallocate, [at, 4, 2, 3, 0, 0], true)
    );
    assert_eq!(
        call(O::Symlinkat),
        (S::Symlinkat, [3, at, 2, 0, 0, 0], false)
    );
    assert_eq!(call(O::Fsync), (S::Fdatasync, [at, 0, 0, 0, 0, 0], true));
    let quiet = u64::from(MessageFlags::NOSIGNAL.bits()) | 1;
    assert_eq!(call(O::Send), (S::Sendto, [at, 3, 4, quiet, 0, 0], true));
    for operation in [O::Nop, O::Read, O::PollAdd, O::Timeout, O::AsyncCancel] {
        assert_eq!(translate(operation, &entry), Ok(None));
    }
    let direct = UringEntry {
        splice_fd_in: 1,
        ..entry
    };
    assert_eq!(translate(O::Openat, &direct), Err(Errno::EINVAL));
    let several = UringEntry { ioprio: 2, ..entry };
    assert_eq!(translate(O::Sendmsg, &several), Err(Errno::EINVAL));
    assert_eq!(translate(O::Accept, &several), Err(Errno::EINVAL));
    assert!(translate(O::Recv, &several).unwrap().unwrap().repeats);
    let once = UringEntry { ioprio: 1, ..entry };
    assert!(translate(O::Accept, &once).unwrap().unwrap().repeats);
    assert!(!translate(O::Recv, &once).unwrap().unwrap().repeats);
}

#[derive(Clone, Debug)]
enum Step {
    Post(u64),
    /// The program takes as many, honestly.
    Take(u32),
    /// The program writes anything anywhere.
    Scribble(u32, u32),
    Submit,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u64>().prop_map(Step::Post),
        3 => (0u32..5).prop_map(Step::Take),
        2 => (0u32..1024, any::<u32>()).prop_map(|(word, value)| Step::Scribble(4 * word, value)),
        3 => Just(Step::Submit),
        2 => Just(Step::Flush),
    ]
}

proptest! {
    /// URING0007: an honest program gets every completion once and in order, however many there are.
    #[test]
    fn uring0007_nothing_is_lost(steps in prop::collection::vec(step(), 1..200)) {
        let alone = memory::host::alone();
        let mut rings = rings(&alone, 2, Some(4));
        let (mut sent, mut got, mut head) = (VecDeque::new(), 0, 0u32);
        for step in steps {
            match step {
                Step::Post(number) => {
                    rings.post(done(number));
                    sent.push_back(number);
                }
                Step::Take(count) => {
                    let tail = load(&rings, word::COMPLETION_TAIL);
                    for _ in 0..count.min(tail.wrapping_sub(head)) {
                        prop_assert_eq!(Some(completion(&rings, head & 3).user_data), sent.pop_front());
                        head += 1;
                        got += 1;
                    }
                    store(&rings, word::COMPLETION_HEAD, head);
                }
                Step::Flush => rings.flush(),
                Step::Scribble(..) | Step::Submit => {}
            }
            prop_assert_eq!(rings.completed(), sent.len());
        }
        prop_assert_eq!(load(&rings, word::COMPLETION_TAIL) >= got, true);
    }

    /// URING0008: whatever a program writes into the rings, nothing but the rings changes, and every call ends.
    #[test]
    fn uring0008_hostile_memory(steps in prop::collection::vec(step(), 1..200)) {
        let alone = memory::host::alone();
        let mut rings = rings(&alone, 2, Some(4));
        let mut taken = Vec::new();
        for step in steps {
            match step {
                Step::Post(number) => rings.post(done(number)),
                Step::Scribble(at, value) => store(&rings, at, value),
                Step::Submit => {
                    for _ in 0..rings.submitted() {
                        taken.extend(rings.take());
                    }
                }
                Step::Take(_) | Step::Flush => rings.flush(),
            }
            prop_assert!(rings.submitted() <= 2);
        }
    }
}
