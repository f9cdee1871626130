//! The frame allocator: no overlap, everything back, exact accounts, a reserve for Global.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use abi::mmu::TableFrames;
use abi::{Cid, Pages};
use memory::frames::{self, Kind};
use memory::{Frame, TablePool, host};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;

/// MEMORY0001: single frames and blocks never overlap, are aligned and zeroed, and all come back.
fn take_and_give(ops: Vec<(bool, u32, usize)>) {
    let _alone = host::alone();
    let (free, usage) = (frames::free(), frames::usage(Cid(3)));
    let mut used = BTreeSet::new();
    let mut blocks = Vec::new();
    let mut singles: Vec<Frame> = Vec::new();
    for (take, order, which) in ops {
        if take && order == 0 {
            let frame = Frame::allocate(Cid(3), Kind::Anonymous).unwrap();
            assert!(used.insert(frame.number().0));
            assert!((0..512).all(|word| host::load(frame.number(), word * 8) == 0));
            frame.write(17, &[0xaa; 100]);
            singles.push(frame);
        } else if take {
            let first = TablePool.take(Cid(3), order).unwrap();
            assert!(first.0.is_multiple_of(1 << order));
            for number in first.0..first.0 + (1 << order) {
                assert!(used.insert(number));
                assert_eq!(host::load(abi::mmu::FrameNumber(number), 16), 0);
                host::store(abi::mmu::FrameNumber(number), 16, u64::MAX);
            }
            blocks.push((first, order));
        } else if order == 0 && !singles.is_empty() {
            let frame = singles.swap_remove(which % singles.len());
            used.remove(&frame.number().0);
        } else if !blocks.is_empty() {
            let (first, order) = blocks.swap_remove(which % blocks.len());
            (first.0..first.0 + (1 << order)).for_each(|number| assert!(used.remove(&number)));
            TablePool.give(first, order);
        }
        assert_eq!(frames::free(), Pages(free.0 - used.len() as u64));
        let now = frames::usage(Cid(3));
        assert_eq!(now.anonymous, Pages(singles.len() as u64));
        assert_eq!(now.total(), Pages(used.len() as u64));
    }
    blocks
        .into_iter()
        .for_each(|(first, order)| TablePool.give(first, order));
    drop(singles);
    assert_eq!((frames::free(), frames::usage(Cid(3))), (free, usage));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_never_overlap(ops in prop::collection::vec((prop::bool::weighted(0.6), 0..7u32, 0..64usize), 1..150)) {
        take_and_give(ops);
    }

    /// MEMORY0002: any stretch of a frame reads back what was written, and nothing else changes.
    #[test]
    fn contents_are_bytes(offset in 0..4096usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _alone = host::alone();
        let frame = Frame::allocate(Cid(3), Kind::File).unwrap();
        let mut expected = vec![0; 4096];
        frame.write(offset, &bytes);
        let end = (offset + bytes.len()).min(4096);
        expected[offset..end].copy_from_slice(&bytes[..end - offset]);
        let mut all = vec![1; 4096];
        frame.read(0, &mut all);
        prop_assert_eq!(&all, &expected);
        let copy = frame.duplicate(Cid(3), Kind::Anonymous).unwrap();
        let mut part = vec![0; end - offset];
        copy.read(offset, &mut part);
        prop_assert_eq!(&part[..], &bytes[..end - offset]);
        frame.zero();
        copy.copy_from(&frame);
        copy.read(0, &mut all);
        prop_assert!(all.iter().all(|byte| *byte == 0));
    }
}

/// MEMORY0003: after all single frames were in use in any order, the largest block is whole again.
#[test]
fn free_frames_merge() {
    let _alone = host::alone();
    let free = frames::free();
    let mut all = Vec::new();
    while let Ok(frame) = Frame::allocate(Cid::GLOBAL, Kind::Anonymous) {
        all.push(frame);
    }
    // What even Global leaves to the kernel's heap.
    let kept = frames::reserve().0 / 4;
    assert_eq!(all.len() as u64, free.0 - kept);
    assert_eq!(TablePool.take(Cid::GLOBAL, 0), None);
    let (even, odd): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|frame| frame.number().0 % 2 == 0);
    drop(even);
    drop(odd);
    // The arena of 64 MiB less its edges: a block of 16 MiB must fit.
    let block = TablePool.take(Cid::GLOBAL, 12).unwrap();
    TablePool.give(block, 12);
    assert_eq!(frames::free(), free);
}

/// MEMORY0031: RAM that was lent while the system started is as good as any once it is given back.
#[test]
fn a_loan_comes_back() {
    let _alone = host::alone();
    let loan = host::lent().unwrap();
    assert_eq!(loan.bytes().len(), 16 * 4096);
    let (free, total) = (frames::free(), frames::total());
    frames::absorb(loan);
    assert_eq!(frames::free(), Pages(free.0 + 16));
    assert_eq!(frames::total(), Pages(total.0 + 16));
    let mut all = Vec::new();
    while let Ok(frame) = Frame::allocate(Cid::GLOBAL, Kind::Anonymous) {
        all.push(frame);
    }
    let is_lent = |frame: &&Frame| (32..48).contains(&frame.number().0);
    assert_eq!(all.iter().filter(is_lent).count(), 16);
    let frame = all.iter().find(|frame| frame.number().0 == 32).unwrap();
    frame.write(0, &7_u64.to_le_bytes());
    assert_eq!(host::load(frame.number(), 0), 7);
}

/// MEMORY0004: what is kept for Global is Global's.
#[test]
fn partitions_fail_before_global() {
    let _alone = host::alone();
    let mut all = Vec::new();
    while let Ok(frame) = Frame::allocate(Cid(5), Kind::Anonymous) {
        all.push(frame);
    }
    assert_eq!(frames::free(), frames::reserve());
    assert!(frames::reserve() > Pages(0));
    assert!(TablePool.take(Cid(5), 0).is_none());
    all.push(Frame::allocate(Cid::GLOBAL, Kind::Kernel).unwrap());
}

/// MEMORY0005: a maximum binds its partition only, over all kinds, and what is held beyond it stays.
#[test]
fn a_maximum_binds() {
    let _alone = host::alone();
    frames::set_maximum(Cid(6), Some(Pages(4)));
    let first = Frame::allocate(Cid(6), Kind::Anonymous).unwrap();
    let tables = TablePool.take(Cid(6), 1).unwrap();
    let last = Frame::allocate(Cid(6), Kind::File).unwrap();
    assert!(Frame::allocate(Cid(6), Kind::Anonymous).is_err());
    assert!(TablePool.take(Cid(6), 0).is_none());
    let other = Frame::allocate(Cid(8), Kind::Anonymous).unwrap();
    other.retag(Cid(6), Kind::File);
    assert_eq!(frames::usage(Cid(6)).file, Pages(2));
    assert_eq!(frames::usage(Cid(8)).total(), Pages(0));
    TablePool.give(tables, 1);
    drop((first, last, other));
    assert!(Frame::allocate(Cid(6), Kind::Anonymous).is_ok());
    frames::set_maximum(Cid(6), None);
    assert_eq!(frames::usage(Cid(6)).total(), Pages(0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// MEMORY0011: whatever partitions take, give and pass on, and however limits change: below its minimum a partition
    /// gets every frame it asks for, beyond its maximum none, and in the end nothing is charged or promised.
    #[test]
    fn minimums_are_kept(ops in prop::collection::vec((0..5u8, 0..3usize, 0..900u64), 1..60)) {
        let _alone = host::alone();
        let cids = [Cid(11), Cid(12), Cid(13)];
        let (free, mut held) = (frames::free(), [const { Vec::<Frame>::new() }; 3]);
        let part = (free.0 - frames::reserve().0) / 3;
        let mut limits = [(0, u64::MAX); 3];
        for cid in cids {
            frames::set_minimum(cid, Pages(part));
        }
        limits.iter_mut().for_each(|limit| limit.0 = part);
        for (what, who, amount) in ops {
            let cid = cids[who];
            match what {
                0 | 1 => for _ in 0..amount * part / 300 {
                    let count = held[who].len() as u64;
                    match Frame::allocate(cid, Kind::Anonymous) {
                        Ok(frame) => {
                            prop_assert!(count < limits[who].1);
                            held[who].push(frame);
                        }
                        Err(_) => {
                            prop_assert!(count >= limits[who].0.min(limits[who].1));
                            break;
                        }
                    }
                },
                2 => {
                    let left = held[who].len().saturating_sub(amount as usize);
                    held[who].truncate(left);
                }
                3 => {
                    // Only a lower minimum: a higher one may come too late.
                    limits[who].0 = limits[who].0.min(amount);
                    frames::set_minimum(cid, Pages(limits[who].0));
                }
                _ => {
                    limits[who].1 = amount + 1;
                    frames::set_maximum(cid, Some(Pages(amount + 1)));
                    prop_assert_eq!(frames::maximum(cid), Some(Pages(amount + 1)));
                }
            }
        }
        held.iter_mut().for_each(Vec::clear);
        for cid in cids {
            prop_assert_eq!(frames::usage(cid).total(), Pages(0));
            frames::set_minimum(cid, Pages(0));
            frames::set_maximum(cid, None);
        }
        prop_assert_eq!(frames::free(), free);
        let mut all = Vec::new();
        while let Ok(frame) = Frame::allocate(Cid(5), Kind::Anonymous) {
            all.push(frame);
        }
        prop_assert_eq!(frames::free(), frames::reserve());
    }
}

/// MEMORY0006: handles on many threads count right.
#[test]
fn handles_are_counted_across_threads() {
    let _alone = host::alone();
    let free = frames::free();
    let frame = Frame::allocate(Cid(9), Kind::Anonymous).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let one = frame.clone();
                    let mine = one.duplicate(Cid(9), Kind::File).unwrap();
                    assert!(!mine.is_shared() && one.is_shared());
                }
            });
        }
    });
    assert!(!frame.is_shared());
    drop(frame);
    assert_eq!(
        (frames::free(), frames::usage(Cid(9)).total()),
        (free, Pages(0))
    );
}

/// MEMORY0007: giving back what was not taken, or in another order, changes nothing.
#[test]
fn a_wrong_block_is_refused() {
    let _alone = host::alone();
    let free = frames::free();
    let block = TablePool.take(Cid(3), 4).unwrap();
    TablePool.give(block, 3);
    TablePool.give(abi::mmu::FrameNumber(block.0 + 1), 0);
    assert_eq!(frames::free(), Pages(free.0 - 16));
    TablePool.give(block, 4);
    TablePool.give(block, 4);
    assert_eq!(frames::free(), free);
}
