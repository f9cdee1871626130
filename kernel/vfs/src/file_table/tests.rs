use super::*;
use crate::{Access, FileOperations, OpenFile, StatusFlags};
use abi::Cid;
use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicUsize, Ordering};
use proptest::prelude::*;

#[derive(Default)]
struct Counted(AtomicUsize);

impl FileOperations for Counted {
    fn opened(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn released(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn open(operations: &Arc<Counted>) -> Arc<OpenFile> {
    OpenFile::new(
        operations.clone(),
        None,
        Cid::GLOBAL,
        Access::READ,
        StatusFlags::empty(),
    )
    .expect("memory")
}

#[derive(Clone, Debug)]
enum Step {
    Insert { close: bool, lowest: u32 },
    Remove(u32),
    Duplicate { from: u32, to: u32, close: bool },
    SetClose(u32, bool),
    Exec,
    Range(u32, u32),
    Fork,
}

fn step() -> impl Strategy<Value = Step> {
    let number = || prop_oneof![4 => 0u32..20, 2 => 60u32..70, 1 => 0u32..300];
    prop_oneof![
        6 => (any::<bool>(), prop_oneof![3 => Just(0u32), 1 => number()])
            .prop_map(|(close, lowest)| Step::Insert { close, lowest }),
        2 => number().prop_map(Step::Remove),
        2 => (number(), number(), any::<bool>()).prop_map(|(from, to, close)| Step::Duplicate { from, to, close }),
        1 => (number(), any::<bool>()).prop_map(|(at, close)| Step::SetClose(at, close)),
        1 => Just(Step::Exec),
        1 => (number(), number()).prop_map(|(first, last)| Step::Range(first, last)),
        1 => Just(Step::Fork),
    ]
}

/// How many files are taken out in all.
fn count(take: impl FnMut(&mut u32) -> Option<Taken>) -> usize {
    count_from(0, take)
}

fn count_from(first: u32, mut take: impl FnMut(&mut u32) -> Option<Taken>) -> usize {
    let (mut at, mut count) = (first, 0);
    while let Some(taken) = take(&mut at) {
        count += taken.iter().flatten().count();
    }
    count
}

proptest! {
    /// VFS0001: a table of descriptors behaves like a map from which the lowest free number is taken.
    #[test]
    fn vfs0001_table_is_a_map(steps in prop::collection::vec(step(), 0..120), limit in 1u32..260) {
        let counted = Arc::new(Counted::default());
        let mut table = FileTable::new();
        let mut model: BTreeMap<u32, (Arc<OpenFile>, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert { close, lowest } => {
                    let file = open(&counted);
                    let got = table.insert(file.clone(), close, lowest, limit);
                    let free = (lowest..limit).find(|number| !model.contains_key(number));
                    match free {
                        Some(number) => {
                            prop_assert_eq!(got, Ok(Descriptor(number)));
                            model.insert(number, (file, close));
                        }
                        None if lowest >= limit => prop_assert_eq!(got, Err(Errno::EINVAL)),
                        None => prop_assert_eq!(got, Err(Errno::EMFILE)),
                    }
                }
                Step::Remove(number) => {
                    let got = table.remove(Descriptor(number)).is_ok();
                    prop_assert_eq!(got, model.remove(&number).is_some());
                }
                Step::Duplicate { from, to, close } => {
                    let got = table.duplicate_to(Descriptor(from), Descriptor(to), close, limit).map(|old| old.is_some());
                    match model.get(&from).cloned() {
                        Some(_) if to >= limit => prop_assert_eq!(got, Err(Errno::EBADF)),
                        Some(_) if from == to => prop_assert_eq!(got, Err(Errno::EINVAL)),
                        Some((file, _)) => prop_assert_eq!(got, Ok(model.insert(to, (file, close)).is_some())),
                        None => prop_assert_eq!(got, Err(Errno::EBADF)),
                    }
                }
                Step::SetClose(number, close) => {
                    let got = table.set_close_on_exec(Descriptor(number), close).is_ok();
                    prop_assert_eq!(got, model.get_mut(&number).map(|slot| slot.1 = close).is_some());
                }
                Step::Exec => {
                    let closed = count(|at| table.take_for_exec(at));
                    let before = model.len();
                    model.retain(|_, slot| !slot.1);
                    prop_assert_eq!(closed, before - model.len());
                }
                Step::Range(first, last) => {
                    let closed = count_from(first, |at| table.take_range(at, last));
                    let before = model.len();
                    model.retain(|number, _| *number < first || *number > last);
                    prop_assert_eq!(closed, before - model.len());
                }
                Step::Fork => table = table.try_clone().expect("memory"),
            }
            let present: Vec<_> = table.iter_from(0).map(|(number, file)| (number.0, Arc::as_ptr(file))).collect();
            let wanted: Vec<_> = model.iter().map(|(number, slot)| (*number, Arc::as_ptr(&slot.0))).collect();
            prop_assert_eq!(present, wanted);
            for (number, slot) in &model {
                prop_assert_eq!(table.close_on_exec(Descriptor(*number)), Ok(slot.1));
            }
        }
        drop(model);
        drop(table);
        prop_assert_eq!(counted.0.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn vfs0002_the_lowest_gap_is_found_behind_full_words() {
    let mut numbers = Numbers::new();
    for number in 0..64 * 64 * 2 {
        assert_eq!(numbers.lowest_free(0), number);
        numbers.reserve(number as usize + 1).expect("memory");
        numbers.set(number);
    }
    for gap in [4095, 4096, 64, 63, 8191] {
        numbers.clear(gap);
        assert_eq!(numbers.lowest_free(0), gap);
        assert_eq!(numbers.lowest_free(gap), gap);
        assert_eq!(numbers.lowest_free(gap + 1), 8192);
        numbers.reserve(gap as usize + 1).expect("memory");
        numbers.set(gap);
    }
}

/// VFS0004: a copy that is made part by part has each descriptor as it was when its part was copied, and finds its gaps.
#[test]
fn vfs0004_a_large_table_is_copied_in_parts() {
    let counted = Arc::new(Counted::default());
    let mut table = FileTable::new();
    let count = 2 * PART as u32 + 77;
    for number in 0..count {
        let file = open(&counted);
        assert_eq!(
            table.insert(file, number % 2 == 0, 0, u32::MAX),
            Ok(Descriptor(number))
        );
    }
    let mut copy = FileTable::new();
    assert!(table.is_large());
    assert_eq!(table.copy_part(&mut copy), Ok(false));
    // Behind the part that has been copied, and before it.
    drop(table.remove(Descriptor(5)));
    drop(table.remove(Descriptor(PART as u32 + 5)));
    assert_eq!(table.copy_part(&mut copy), Ok(false));
    let file = open(&counted);
    assert_eq!(
        table.insert(file, true, count, u32::MAX),
        Ok(Descriptor(count))
    );
    assert_eq!(table.copy_part(&mut copy), Ok(true));
    assert!(copy.get(Descriptor(5)).is_ok());
    assert_eq!(
        copy.get(Descriptor(PART as u32 + 5)).err(),
        Some(Errno::EBADF)
    );
    assert_eq!(copy.close_on_exec(Descriptor(count)), Ok(true));
    assert_eq!(copy.iter_from(0).count() as u32, count);
    let gap = copy.insert(open(&counted), false, 0, u32::MAX);
    assert_eq!(gap, Ok(Descriptor(PART as u32 + 5)));
    let next = copy.insert(open(&counted), false, 0, u32::MAX);
    assert_eq!(next, Ok(Descriptor(count + 1)));
    drop((table, copy));
    assert_eq!(counted.0.load(Ordering::Relaxed), 0);
}

#[test]
fn vfs0003_registers_hold_an_int() {
    assert_eq!(Descriptor::from_register(0x1_0000_0003), Ok(Descriptor(3)));
    assert_eq!(Descriptor::from_register(u64::MAX), Err(Errno::EBADF));
}
