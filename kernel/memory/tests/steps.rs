//! What is done in steps is whole, and each step is small.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod machine;

use abi::mmu::{PageNumber, Protection};
use abi::{Cid, Pages};
use machine::{Process, anonymous};
use memory::frames;
use memory::host;
use memory::space::{ForkError, RemapFlags};

const CID: Cid = Cid(2);
const BASE: u64 = 0x2000_0000;

/// MEMORY0219: a fork in steps is a fork: what the parent writes between steps is its own affair, the child has every
/// page once, and a change of the areas is told.
#[test]
fn a_fork_in_steps_is_whole() {
    let _alone = host::alone();
    let free = frames::free();
    {
        let mut parent = Process::new(CID);
        parent.space.map(anonymous(BASE, 600)).unwrap();
        for page in 0..600 {
            parent.store(BASE + page * 4096, page).unwrap();
        }
        let mmu = machine::Mmu::default();
        let mut child = parent.space.begin_fork(Box::new(mmu));
        let (mut next, mut steps) = (PageNumber(0), 0);
        while let Some(then) = parent
            .space
            .fork_step(&mut child, next, &[BASE], 100)
            .unwrap()
        {
            // Behind what is copied the child sees it, before it does not.
            parent.store(BASE + 4096, 7000 + steps).unwrap();
            next = then;
            steps += 1;
            parent.space.check();
            child.check();
        }
        assert!((5..=7).contains(&steps), "{steps}");
        assert_eq!(child.resident(), Pages(600));
        let mut word = [0; 8];
        for page in 0..600 {
            child.read(BASE + page * 4096, &mut word).unwrap();
            assert_eq!(u64::from_le_bytes(word), page);
        }
        let mmu = machine::Mmu::default();
        let mut late = parent.space.begin_fork(Box::new(mmu));
        let step = parent.space.fork_step(&mut late, PageNumber(0), &[], 100);
        let next = step.unwrap().unwrap();
        parent.space.unmap(BASE + 599 * 4096, 4096).unwrap();
        let step = parent.space.fork_step(&mut late, next, &[], 100);
        assert_eq!(step, Err(ForkError::Changed));
    }
    assert_eq!(frames::free(), free);
}

/// MEMORY0220: a fork of many areas brings them in steps, all of them, and pages only after them.
#[test]
fn a_fork_of_many_areas_is_whole() {
    const AREAS: u64 = 1500;
    let _alone = host::alone();
    let free = frames::free();
    {
        let mut parent = Process::new(CID);
        parent.space.map(anonymous(BASE, AREAS)).unwrap();
        for page in (0..AREAS).step_by(2) {
            let address = BASE + page * 4096;
            parent
                .space
                .protect(address, 4096, Protection::READ)
                .unwrap();
        }
        for page in (1..AREAS).step_by(100) {
            parent.store(BASE + page * 4096, page).unwrap();
        }
        let mut child = parent.space.begin_fork(Box::new(machine::Mmu::default()));
        let (mut next, mut steps) = (PageNumber(0), 0);
        while let Some(then) = parent.space.fork_step(&mut child, next, &[], 1024).unwrap() {
            next = then;
            steps += 1;
            parent.space.check();
        }
        assert!((4..=6).contains(&steps), "{steps}");
        child.check();
        assert_eq!(child.areas().count() as u64, AREAS);
        assert_eq!(child.statistics().data, parent.space.statistics().data);
        let mut word = [0; 8];
        for page in (1..AREAS).step_by(100) {
            child.read(BASE + page * 4096, &mut word).unwrap();
            assert_eq!(u64::from_le_bytes(word), page);
        }
        // An area that is only cut is a change too: the child would get a part beside the whole.
        let elsewhere = BASE - 0x10_0000;
        parent.space.map(anonymous(elsewhere, 8)).unwrap();
        let mut late = parent.space.begin_fork(Box::new(machine::Mmu::default()));
        let step = parent.space.fork_step(&mut late, PageNumber(0), &[], 1024);
        assert!(step.is_ok());
        parent.space.prepare_unmap(elsewhere + 4096, 4096).unwrap();
        let step = parent.space.fork_step(&mut late, PageNumber(0), &[], 1024);
        assert_eq!(step, Err(ForkError::Changed));
        drop(late);
        parent.space.unmap(elsewhere, 8 * 4096).unwrap();
        // Many areas are made one before they go, and nothing beside them does.
        let end = BASE + AREAS * 4096;
        parent
            .space
            .prepare_unmap(BASE + 4096, (AREAS - 2) * 4096)
            .unwrap();
        while parent.space.merge(BASE + 4096, (AREAS - 2) * 4096) {
            parent.space.check();
        }
        assert!(parent.space.areas().count() < 140);
        parent.space.unmap(BASE + 4096, (AREAS - 2) * 4096).unwrap();
        parent.space.check();
        let left: Vec<u64> = parent.space.areas().map(|area| area.start).collect();
        assert_eq!(left, [BASE, end - 4096]);
    }
    assert_eq!(frames::free(), free);
}

/// MEMORY0221: pages of a large mapping that moves are at its new place, whether they lie there in chunks as before or not.
#[test]
fn a_large_mapping_moves() {
    const PAGES: u64 = 1000;
    let _alone = host::alone();
    let free = frames::free();
    for (from, to) in [
        (3, 16 * 40 + 3),
        (3, 16 * 40 + 4),
        (0, 16 * 90),
        (16 * 80 + 5, 21),
    ] {
        let mut process = Process::new(CID);
        let [old, new] = [from, to].map(|page| BASE + 0x100_0000 * 8 + page * 4096);
        // Apart, for they may not overlap.
        let new = if to > from {
            new + PAGES * 4096
        } else {
            new - PAGES * 4096 / 65536 * 65536
        };
        process.space.map(anonymous(old - 4096, PAGES + 2)).unwrap();
        for page in 0..PAGES + 2 {
            process.store(old - 4096 + page * 4096, page).unwrap();
        }
        let (mut at, mut steps) = (old, 0);
        while let Some(next) = process.space.loosen(at, old + PAGES * 4096 - at, 100) {
            (at, steps) = (next, steps + 1);
        }
        assert!(steps >= 9, "{steps}");
        let flags = RemapFlags::MAY_MOVE | RemapFlags::FIXED;
        let moved = process
            .space
            .remap(old, PAGES * 4096, PAGES * 4096, flags, new);
        assert_eq!(moved, Ok(new));
        process.space.check();
        for page in 0..PAGES {
            assert_eq!(process.load(new + page * 4096), Ok(page + 1));
        }
        assert_eq!(process.load(old - 4096), Ok(0));
        assert_eq!(process.load(old + PAGES * 4096), Ok(PAGES + 1));
        assert!(process.load(old).is_err() && process.load(old + (PAGES - 1) * 4096).is_err());
    }
    assert_eq!(frames::free(), free);
}

/// MEMORY0550: the most pages and the largest size that a space has had stay when they are gone; a child begins with
/// what it has.
#[test]
fn the_peak_of_memory_is_kept() {
    let _alone = host::alone();
    let mut parent = Process::new(CID);
    parent.space.map(anonymous(BASE, 100)).unwrap();
    for page in 0..100 {
        parent.store(BASE + page * 4096, page).unwrap();
    }
    let peaks = |space: &memory::AddressSpace| {
        space.check();
        let told = space.statistics();
        [told.peak_size, told.size, told.peak_resident, told.resident].map(|pages| pages.0)
    };
    assert_eq!(peaks(&parent.space), [100, 100, 100, 100]);
    parent.space.unmap(BASE + 10 * 4096, 90 * 4096).unwrap();
    assert_eq!(peaks(&parent.space), [100, 10, 100, 10]);
    parent.space.map(anonymous(BASE + 0x100_0000, 30)).unwrap();
    assert_eq!(peaks(&parent.space), [100, 40, 100, 10]);
    let mut child = parent.space.begin_fork(Box::new(machine::Mmu::default()));
    let step = parent
        .space
        .fork_step(&mut child, PageNumber(0), &[], u64::MAX);
    assert_eq!(step, Ok(None));
    assert_eq!(peaks(&child), [40, 40, 10, 10]);
    parent.space.clear();
    assert_eq!(peaks(&parent.space), [100, 0, 100, 0]);
}
