//! What the manual pages say about address spaces, case by case.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod machine;

use abi::mmu::{FrameNumber, Protection};
use abi::{Cid, Errno, Pages};
use machine::{File, Process, anonymous, request};
use memory::frames::{self, Kind};
use memory::space::{
    Advice, Backing, Fixed, Limits, MapRequest, Mapping, RemapFlags, Traits, set_instruction_sync,
};
use memory::{Access, FaultError, Frame, SharedPages, host};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const RW: Protection = Protection::READ.union(Protection::WRITE);
const CID: Cid = Cid(2);
const BASE: u64 = 0x2000_0000;

fn of_size(size: Pages) -> Limits {
    Limits {
        size,
        ..Limits::NONE
    }
}

/// MEMORY0201: mappings go to the highest hole, are taken again after they were unmapped, and join.
#[test]
fn mappings_are_placed_from_the_top() {
    let _alone = host::alone();
    let mut space = Process::new(CID).space;
    let top = machine::LIMIT - (128 << 20);
    assert_eq!(space.map(anonymous(0, 3)), Ok(top - 3 * 4096));
    assert_eq!(space.map(anonymous(0, 2)), Ok(top - 5 * 4096));
    assert_eq!(space.areas().count(), 1);
    assert_eq!(space.unmap(top - 4 * 4096, 2 * 4096), Ok(()));
    assert_eq!(space.map(anonymous(0, 3)), Ok(top - 8 * 4096));
    assert_eq!(space.map(anonymous(0, 2)), Ok(top - 4 * 4096));
    assert_eq!(space.areas().count(), 1);
    assert_eq!(space.size(), Pages(8));
    // A hint that is free is taken, one that is not is only a hint.
    let hinted = MapRequest {
        fixed: Fixed::No,
        ..anonymous(BASE + 1, 1)
    };
    assert_eq!(space.map(hinted.clone()), Ok(BASE + 4096));
    assert_eq!(space.map(hinted), Ok(top - 9 * 4096));
}

/// MEMORY0202: errors of mmap, munmap and mprotect.
#[test]
fn requests_are_checked() {
    let _alone = host::alone();
    let mut space = Process::new(CID).space;
    assert_eq!(space.map(anonymous(0, 0)), Err(Errno::EINVAL));
    assert_eq!(
        space.map(MapRequest {
            length: u64::MAX,
            ..anonymous(0, 1)
        }),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        space.map(anonymous(0, machine::LIMIT >> 12)),
        Err(Errno::ENOMEM)
    );
    assert_eq!(space.map(anonymous(BASE + 1, 1)), Err(Errno::EINVAL));
    assert_eq!(
        space.map(MapRequest {
            fixed: Fixed::Replace,
            ..anonymous(0, 1)
        }),
        Err(Errno::EPERM)
    );
    assert_eq!(space.map(anonymous(0xf000, 1)), Err(Errno::EPERM));
    assert_eq!(
        space.map(anonymous(machine::LIMIT - 4096, 2)),
        Err(Errno::ENOMEM)
    );
    assert_eq!(space.map(anonymous(0x1_0000, 1)), Ok(0x1_0000));
    let read_only = MapRequest {
        maximum: Protection::READ,
        protection: Protection::READ,
        ..anonymous(BASE, 1)
    };
    assert_eq!(
        space.map(MapRequest {
            protection: RW,
            ..read_only.clone()
        }),
        Err(Errno::EACCES)
    );
    assert_eq!(space.map(read_only), Ok(BASE));
    assert_eq!(space.protect(BASE, 4096, RW), Err(Errno::EACCES));
    assert_eq!(
        space.protect(BASE, 8192, Protection::READ),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        space.protect(BASE + 1, 4096, Protection::READ),
        Err(Errno::EINVAL)
    );
    assert_eq!(space.unmap(BASE + 1, 4096), Err(Errno::EINVAL));
    assert_eq!(space.unmap(BASE, 0), Err(Errno::EINVAL));
    assert_eq!(space.unmap(0, 4096), Ok(()));
    let file = Backing {
        source: File::new(CID, 1),
        first: u64::MAX,
    };
    assert_eq!(
        space.map(request(0, 2, Mapping::Private(file))),
        Err(Errno::EOVERFLOW)
    );
    space.set_limits(of_size(Pages(4)));
    assert_eq!(space.map(anonymous(0, 3)), Err(Errno::ENOMEM));
    assert_eq!(space.map(anonymous(0, 2)).map(drop), Ok(()));
    // Full: what replaces other pages is no growth.
    assert_eq!(space.map(request(BASE, 1, Mapping::Anonymous)), Ok(BASE));
    assert_eq!(space.map(anonymous(0, 1)), Err(Errno::ENOMEM));
    assert_eq!(space.fault(0, Access::Read), Err(FaultError::NoMapping));
    assert_eq!(
        space.fault(u64::MAX, Access::Read),
        Err(FaultError::NoMapping)
    );
    assert_eq!(
        space.read(u64::MAX - 3, &mut [0; 8]),
        Err(FaultError::NoMapping)
    );
}

/// MEMORY0203: the stack grows to its limit, not into its guard gap, and not for programs that jump too far.
#[test]
fn the_stack_grows() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    let top = machine::LIMIT;
    process
        .space
        .map(request(top - 4096, 1, Mapping::Stack))
        .unwrap();
    process.store(top - 8, 1).unwrap();
    process.store(top - 100 * 4096, 2).unwrap();
    assert_eq!(process.space.size(), Pages(100));
    assert_eq!(process.load(top - 50 * 4096), Ok(0));
    process.store(top - (8 << 20), 3).unwrap();
    assert_eq!(
        process.store(top - (8 << 20) - 8, 3),
        Err(FaultError::NoMapping)
    );
    process.space.set_stack_limit(16 << 20);
    process.space.map(anonymous(top - (11 << 20), 1)).unwrap();
    process.store(top - (10 << 20) + 4096, 4).unwrap();
    assert_eq!(
        process.store(top - (10 << 20), 4),
        Err(FaultError::NoMapping)
    );
    assert_eq!(process.space.areas().last().unwrap().label(), "[stack]");
    // Nothing is put into the gap that did not ask for just that place.
    let start = process.space.areas().last().unwrap().start;
    let near = MapRequest {
        fixed: Fixed::No,
        ..anonymous(start - 8192, 1)
    };
    assert!(process.space.map(near).unwrap() < start - (1 << 20));
    let size = process.space.size();
    process.space.set_limits(of_size(size));
    process.space.set_stack_limit(32 << 20);
    process.space.unmap(top - (11 << 20), 4096).unwrap();
    process.store(top - (10 << 20), 4).unwrap();
    assert_eq!(
        process.store(top - (10 << 20) - 4096, 4),
        Err(FaultError::NoMapping)
    );
    // Bytes copied by the kernel make it grow as well.
    let mut other = Process::new(CID);
    other
        .space
        .map(request(top - 4096, 1, Mapping::Stack))
        .unwrap();
    other.space.write(top - 9000, &[7; 9000]).unwrap();
    assert_eq!(other.space.size(), Pages(3));
}

/// MEMORY0204: brk moves the end by bytes, refuses what it cannot do by answering the old end, and zeroes.
#[test]
fn the_heap_ends_where_asked() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    process.space.set_heap(BASE + 5);
    let start = BASE + 4096;
    assert_eq!(process.space.set_break(0), start);
    assert_eq!(process.space.set_break(start + 10), start + 10);
    process.store(start, 9).unwrap();
    assert_eq!(process.space.set_break(start + 5000), start + 5000);
    assert_eq!(process.space.areas().count(), 1);
    assert_eq!(process.space.areas().next().unwrap().label(), "[heap]");
    assert_eq!(process.load(start), Ok(9));
    process.space.map(anonymous(start + 4 * 4096, 1)).unwrap();
    assert_eq!(process.space.set_break(start + 4 * 4096 + 1), start + 5000);
    assert_eq!(process.space.set_break(start), start);
    assert_eq!(process.load(start), Err(FaultError::NoMapping));
    assert_eq!(process.space.set_break(start + 1), start + 1);
    assert_eq!(process.load(start), Ok(0));
}

/// MEMORY0205: neighbours come with a fault: resident pages always, new ones only for a program that walks.
#[test]
fn faults_bring_neighbours() {
    let _alone = host::alone();
    let file = File::new(CID, 40);
    let mut process = Process::new(CID);
    process
        .space
        .map(request(
            BASE,
            40,
            Mapping::Private(Backing {
                source: file.clone(),
                first: 0,
            }),
        ))
        .unwrap();
    (0..40).for_each(|page| assert_eq!(process.load(BASE + page * 4096), Ok(0)));
    assert_eq!(process.faults, 3);
    // The file's frames are the resident ones: nothing was copied.
    assert_eq!(frames::usage(CID).file, Pages(40));
    assert_eq!(frames::usage(CID).anonymous, Pages(0));
    assert_eq!(process.space.statistics().shared, Pages(40));

    let mut walker = Process::new(CID);
    walker.space.map(anonymous(BASE, 64)).unwrap();
    (0..64).for_each(|page| walker.store(BASE + page * 4096, page).unwrap());
    assert_eq!(walker.faults, 8);
    let mut jumper = Process::new(CID);
    jumper.space.map(anonymous(BASE, 640)).unwrap();
    (0..64).for_each(|page| jumper.store(BASE + page * 10 * 4096, page).unwrap());
    assert_eq!(jumper.space.resident(), Pages(64));

    let mut child = walker.fork().unwrap();
    (0..64).for_each(|page| assert_eq!(child.load(BASE + page * 4096), Ok(page)));
    assert_eq!(child.faults, 4);
    drop(child);
    // Alone again, the parent writes without copies and with one fault for 64 KiB.
    walker.faults = 0;
    (0..64).for_each(|page| walker.store(BASE + page * 4096, page).unwrap());
    assert_eq!(walker.faults, 4);
    walker.space.discard_translations();
    (0..64).for_each(|page| walker.store(BASE + page * 4096, page).unwrap());
    assert_eq!(walker.faults, 8);
}

/// MEMORY0206: a page beyond the object's end is SIGBUS, a private copy survives, a shared store is reported.
#[test]
fn objects_end() {
    let _alone = host::alone();
    let file = File::new(CID, 2);
    let mut process = Process::new(CID);
    process
        .space
        .map(request(
            BASE,
            4,
            Mapping::Shared(Backing {
                source: file.clone(),
                first: 0,
            }),
        ))
        .unwrap();
    assert_eq!(process.load(BASE + 2 * 4096), Err(FaultError::BeyondEnd));
    assert_eq!(process.load(BASE + 4096), Ok(0));
    assert!(file.dirty.lock().unwrap().is_empty());
    process.store(BASE + 4096, 5).unwrap();
    assert_eq!(
        file.dirty
            .lock()
            .unwrap()
            .iter()
            .copied()
            .collect::<Vec<_>>(),
        [1]
    );
    let mut private = Process::new(CID);
    private
        .space
        .map(request(
            BASE,
            2,
            Mapping::Private(Backing {
                source: file.clone(),
                first: 1,
            }),
        ))
        .unwrap();
    assert_eq!(private.load(BASE), Ok(5));
    private.store(BASE + 8, 6).unwrap();
    process.store(BASE + 4096, 7).unwrap();
    assert_eq!((private.load(BASE), private.load(BASE + 8)), (Ok(5), Ok(6)));
    assert_eq!(process.load(BASE + 4096 + 8), Ok(0));
    private.space.advise(BASE, 4096, Advice::DontNeed).unwrap();
    assert_eq!(private.load(BASE), Ok(7));
    // Not even a failed fault leaves anything: the space is as small as before.
    assert_eq!(private.store(BASE + 4096, 1), Err(FaultError::BeyondEnd));
    assert_eq!(private.space.resident(), Pages(1));
}

/// MEMORY0207: a private page whose object has let go of it becomes the program's without a copy.
#[test]
fn a_lonely_page_changes_hands() {
    let _alone = host::alone();
    let file = File::new(Cid(1), 1);
    let mut process = Process::new(CID);
    process
        .space
        .map(request(
            BASE,
            1,
            Mapping::Private(Backing {
                source: file.clone(),
                first: 0,
            }),
        ))
        .unwrap();
    process.load(BASE).unwrap();
    drop(process.space.area_at(BASE).cloned());
    let before = process.access(BASE, Access::Read).unwrap();
    // The area keeps the object alive, so its frame is shared and copied.
    process.store(BASE, 1).unwrap();
    assert_ne!(process.access(BASE, Access::Read), Ok(before));
    assert_eq!(frames::usage(CID).anonymous, Pages(1));
    process.space.set_owner(Cid(1));
    assert_eq!(frames::usage(CID).anonymous, Pages(0));
    assert_eq!(frames::usage(Cid(1)).anonymous, Pages(1));
}

/// MEMORY0208: mremap grows in place, moves with contents, and refuses nonsense.
#[test]
fn mappings_move() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    process.space.map(anonymous(BASE, 20)).unwrap();
    process.space.map(anonymous(BASE + 30 * 4096, 1)).unwrap();
    (0..20).for_each(|page| process.store(BASE + page * 4096, page + 1).unwrap());
    let space = &mut process.space;
    assert_eq!(
        space.remap(BASE, 20 * 4096, 30 * 4096, RemapFlags::empty(), 0),
        Ok(BASE)
    );
    assert_eq!(space.areas().count(), 1);
    assert_eq!(
        space.remap(BASE, 20 * 4096, 40 * 4096, RemapFlags::empty(), 0),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        space.remap(BASE, 0, 4096, RemapFlags::MAY_MOVE, 0),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        space.remap(BASE + 1, 4096, 4096, RemapFlags::MAY_MOVE, 0),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        space.remap(BASE, 32 * 4096, 40 * 4096, RemapFlags::MAY_MOVE, 0),
        Err(Errno::EFAULT)
    );
    assert_eq!(
        space.remap(BASE, 4096, 4096, RemapFlags::FIXED, BASE * 2),
        Err(Errno::EINVAL)
    );
    let moved = space
        .remap(
            BASE + 3 * 4096,
            10 * 4096,
            12 * 4096,
            RemapFlags::MAY_MOVE,
            0,
        )
        .unwrap();
    assert_eq!(space.size(), Pages(31 + 2));
    for page in 0..10 {
        assert_eq!(process.load(moved + page * 4096), Ok(page + 4));
        assert_eq!(
            process.load(BASE + (page + 3) * 4096),
            Err(FaultError::NoMapping)
        );
    }
    assert_eq!(process.load(moved + 11 * 4096), Ok(0));
    // What has moved is the program's own still: its children get it, and theirs.
    let mut grandchild = process.fork().unwrap().fork().unwrap();
    assert_eq!(grandchild.load(moved + 9 * 4096), Ok(13));
    drop(grandchild);
    let fixed = RemapFlags::FIXED | RemapFlags::MAY_MOVE;
    assert_eq!(
        process
            .space
            .remap(moved, 12 * 4096, 2 * 4096, fixed, BASE + 7 * 4096),
        Ok(BASE + 7 * 4096)
    );
    assert_eq!(process.load(BASE + 8 * 4096), Ok(5));
    assert_eq!(process.load(moved), Err(FaultError::NoMapping));
    // A page alone in its 64 KiB moves within them.
    let alone = BASE + (16 << 20);
    process.space.map(anonymous(alone, 1)).unwrap();
    process.store(alone, 8).unwrap();
    assert_eq!(
        process.space.remap(alone, 4096, 4096, fixed, alone + 8192),
        Ok(alone + 8192)
    );
    assert_eq!(process.load(alone + 8192), Ok(8));
    process.space.check();
}

/// MEMORY0209: instruction fetches are synchronized once for each frame, and again after the kernel wrote to it.
#[test]
fn instructions_are_synchronized() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let _alone = host::alone();
    set_instruction_sync(|_: FrameNumber| {
        CALLS.fetch_add(1, Ordering::Relaxed);
    });
    let file = File::new(CID, 3);
    let text = |process: &mut Process| {
        let backing = Backing {
            source: file.clone(),
            first: 0,
        };
        let protection = Protection::READ | Protection::EXECUTE;
        let request = MapRequest {
            protection,
            ..request(BASE, 3, Mapping::Private(backing))
        };
        process.space.map(request).unwrap();
        process.access(BASE, Access::Execute).unwrap();
    };
    let (mut first, mut second) = (Process::new(CID), Process::new(CID));
    text(&mut first);
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    text(&mut second);
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    file.frames[1].write(0, &[1, 2, 3, 4]);
    second.space.discard_translations();
    second.access(BASE, Access::Execute).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 4);
    // Data that becomes executable.
    let mut maker = Process::new(CID);
    maker.space.map(anonymous(BASE, 1)).unwrap();
    maker.store(BASE, 1).unwrap();
    maker
        .space
        .protect(BASE, 4096, Protection::READ | Protection::EXECUTE)
        .unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 4);
    maker.access(BASE, Access::Execute).unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 5);
}

/// MEMORY0210: a large space goes in steps, and is unusable from the first one on.
#[test]
fn clearing_goes_in_steps() {
    let _alone = host::alone();
    let free = frames::free();
    let mut process = Process::new(CID);
    process.space.map(anonymous(BASE, 1024)).unwrap();
    process
        .space
        .prepare(BASE, 1024 * 4096, Access::Write)
        .unwrap();
    let mut steps = 1;
    while !process.space.clear_step(64) {
        assert!(frames::free() <= Pages(free.0 - 1024 + steps * 80));
        assert_eq!(process.load(BASE), Err(FaultError::NoMapping));
        steps += 1;
    }
    assert!((13..=17).contains(&steps), "{steps}");
    assert_eq!((frames::free(), process.space.size()), (free, Pages(0)));
    process.space.map(anonymous(BASE, 1)).unwrap();
    process.store(BASE, 1).unwrap();
    // A range that is thinned out in steps keeps its areas, and what is left is a last step.
    process.space.map(anonymous(BASE, 1024)).unwrap();
    process
        .space
        .prepare(BASE, 1024 * 4096, Access::Write)
        .unwrap();
    let (start, end, mut steps) = (BASE + 5 * 4096, BASE + 1005 * 4096, 0);
    let mut at = start;
    while let Some(next) = process.space.thin(at, end - at, 100) {
        process.space.check();
        assert!(next > at && next <= end);
        at = next;
        steps += 1;
    }
    assert!((9..=11).contains(&steps), "{steps}");
    assert_eq!(process.space.size(), Pages(1024));
    assert!(process.space.resident() <= Pages(24 + 100));
    process.space.unmap(start, end - start).unwrap();
    assert_eq!(process.space.resident(), Pages(24));
    assert_eq!(process.space.size(), Pages(24));
    assert_eq!(process.space.unmap(BASE, 0), Err(Errno::EINVAL));
}

/// MEMORY0211: shared anonymous memory is one for parent and child, charged once, gone with the last user.
#[test]
fn shared_memory_is_shared() {
    let _alone = host::alone();
    let free = frames::free();
    {
        let segment = Arc::new(SharedPages::new(CID, 4));
        let mut parent = Process::new(CID);
        parent
            .space
            .map(request(
                BASE,
                4,
                Mapping::Shared(Backing {
                    source: segment,
                    first: 0,
                }),
            ))
            .unwrap();
        parent.store(BASE, 1).unwrap();
        let mut child = parent.fork().unwrap();
        assert_eq!(child.load(BASE), Ok(1));
        child.store(BASE + 8, 2).unwrap();
        child.store(BASE + 4096, 3).unwrap();
        assert_eq!(
            (parent.load(BASE + 8), parent.load(BASE + 4096)),
            (Ok(2), Ok(3))
        );
        assert_eq!(frames::usage(CID).anonymous, Pages(2));
        // A futex word is found under the same frame from both.
        let (one, other) = (
            parent.space.frame_at(BASE, Access::Write).unwrap(),
            child.space.frame_at(BASE, Access::Write).unwrap(),
        );
        assert_eq!(one.number(), other.number());
        one.word(8).unwrap().store(77, Ordering::Relaxed);
        assert_eq!(child.load(BASE + 8), Ok(77));
    }
    assert_eq!(frames::free(), free);
}

/// MEMORY0212: resident copies refuse pages that are not ready, and then change nothing.
#[test]
fn resident_copies_do_not_fault() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    process.space.map(anonymous(BASE, 20)).unwrap();
    // The last two pages of a chunk: nothing of the next one is made ready with them.
    let at = BASE + 14 * 4096;
    process
        .space
        .prepare(at + 100, 4096, Access::Write)
        .unwrap();
    assert!(
        process
            .space
            .write_resident(at + 4000, &[1; 4200])
            .is_none()
    );
    assert!(
        process
            .space
            .write_resident(at + 4000, &[1; 4192])
            .is_some()
    );
    assert!(
        process
            .space
            .read_resident(at + 8000, &mut [0; 200])
            .is_none()
    );
    let mut bytes = [0; 4200];
    process.space.read(at + 3999, &mut bytes).unwrap();
    assert!(bytes[0] == 0 && bytes[4193..].iter().all(|byte| *byte == 0));
    assert!(bytes[1..4193].iter().all(|byte| *byte == 1));
    // After a fork the page is shared again, so it is not ready to be written.
    let _child = process.fork().unwrap();
    assert!(process.space.write_resident(at, &[1]).is_none());
    assert!(process.space.read_resident(at, &mut [0]).is_some());
    let held = Frame::allocate(CID, Kind::Kernel).unwrap();
    assert_eq!(held.owner(), CID);
}

/// MEMORY0213: what is prepared can be used by the hardware at once: the kernel's copies by user addresses would
/// otherwise fail again and again.
#[test]
fn prepared_pages_are_installed() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    process.space.map(anonymous(BASE, 40)).unwrap();
    let prepare = |process: &mut Process, access| {
        process
            .space
            .prepare(BASE + 100, 20 * 4096, access)
            .unwrap();
        let before = process.faults;
        for page in 0..=20 {
            process.access(BASE + page * 4096, access).unwrap();
        }
        assert_eq!(process.faults, before);
    };
    prepare(&mut process, Access::Write);
    // Shared with a child, pages are read-only until they are prepared for writing again.
    let _child = process.fork().unwrap();
    prepare(&mut process, Access::Read);
    prepare(&mut process, Access::Write);
    // Pages that the kernel has written by their frames are there, but no translation is.
    process.space.discard_translations();
    prepare(&mut process, Access::Read);
    process.space.check();
}

/// MEMORY0214: a page that the kernel has made writable does not keep a translation that only allows reading.
#[test]
fn a_page_that_becomes_writable_loses_its_translation() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    process.space.map(anonymous(BASE, 1)).unwrap();
    process.store(BASE, 1).unwrap();
    let child = process.fork().unwrap();
    process.access(BASE, Access::Read).unwrap();
    drop(child);
    process.space.write(BASE, &[2]).unwrap();
    process.space.prepare(BASE, 8, Access::Write).unwrap();
    let before = process.faults;
    process.access(BASE, Access::Write).unwrap();
    assert_eq!(process.faults, before);
}

/// MEMORY0215: a tracer reads and writes what the program may not, text in a copy of the process alone.
#[test]
fn a_tracer_passes_over_protections() {
    let _alone = host::alone();
    let file = File::new(CID, 2);
    let text = MapRequest {
        protection: Protection::READ | Protection::EXECUTE,
        ..request(
            BASE,
            2,
            Mapping::Private(Backing {
                source: file.clone(),
                first: 0,
            }),
        )
    };
    let (mut one, mut other) = (Process::new(CID), Process::new(CID));
    one.space.map(text.clone()).unwrap();
    other.space.map(text.clone()).unwrap();
    let before = one.load(BASE).unwrap();
    assert_eq!(other.load(BASE), Ok(before));
    assert_eq!(one.space.write(BASE, &[1; 8]), Err(FaultError::Denied));
    one.space.poke(BASE, &[7; 8]).unwrap();
    assert_eq!(one.load(BASE), Ok(u64::from_le_bytes([7; 8])));
    assert_eq!(other.load(BASE), Ok(before));
    // The program may write it no more than before, and a second breakpoint finds the same copy.
    assert_eq!(one.access(BASE, Access::Write), Err(FaultError::Denied));
    one.space.poke(BASE + 4090, &[8; 12]).unwrap();
    let mut bytes = [0; 12];
    one.space.peek(BASE + 4090, &mut bytes).unwrap();
    assert_eq!(bytes, [8; 12]);
    // A child has the breakpoint, and takes it out of a copy of its own.
    let mut child = one.fork().unwrap();
    child.space.poke(BASE, &before.to_le_bytes()).unwrap();
    assert_eq!(child.load(BASE), Ok(before));
    assert_eq!(one.load(BASE), Ok(u64::from_le_bytes([7; 8])));
    // What is shared is not written against its protection, and what is not there is not made.
    let shared = MapRequest {
        protection: Protection::READ,
        ..request(
            BASE + 0x10000,
            1,
            Mapping::Shared(Backing {
                source: file,
                first: 0,
            }),
        )
    };
    one.space.map(shared).unwrap();
    let refused = one.space.poke(BASE + 0x10000, &[1]);
    assert_eq!(refused, Err(FaultError::Denied));
    let absent = one.space.poke(BASE + 0x20000, &[1]);
    assert_eq!(absent, Err(FaultError::NoMapping));
    let none = MapRequest {
        protection: Protection::empty(),
        ..anonymous(BASE + 0x30000, 1)
    };
    one.space.map(none).unwrap();
    one.space.poke(BASE + 0x30000, &[9]).unwrap();
    let mut byte = [0];
    one.space.peek(BASE + 0x30000, &mut byte).unwrap();
    assert_eq!(byte, [9]);
    one.space.check();
    child.space.check();
}

/// MEMORY0216: what is locked counts, to the limit, and is not inherited; a child does not get what it is not to have.
#[test]
fn traits_of_areas_count_and_are_inherited_as_they_say() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    let space = &mut process.space;
    let page = 4096;
    assert_eq!(space.map(request(BASE, 8, Mapping::Anonymous)), Ok(BASE));
    for number in 0..8 {
        space.fault(BASE + number * page, Access::Write).unwrap();
    }
    let none = Traits::empty();
    let lock = Traits::LOCKED;
    assert_eq!(space.mark(BASE + page, 2 * page, lock, none), Ok(()));
    assert_eq!(space.areas().count(), 3);
    assert_eq!(space.statistics().locked, Pages(2));
    space.set_limits(Limits {
        locked: Pages(4),
        ..Limits::NONE
    });
    assert_eq!(space.may_lock(BASE, 4 * page), Ok(()));
    assert_eq!(space.may_lock(BASE, 5 * page), Err(Errno::ENOMEM));
    assert_eq!(
        space.may_lock(BASE + 3 * page, 3 * page),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        space.advise(BASE, 2 * page, Advice::DontNeed),
        Err(Errno::EINVAL)
    );
    let (hidden, wiped) = (Traits::NOT_INHERITED, Traits::WIPED);
    assert_eq!(space.mark(BASE + 4 * page, page, hidden, none), Ok(()));
    assert_eq!(space.mark(BASE + 5 * page, page, wiped, none), Ok(()));
    assert_eq!(
        space.mark(BASE + 7 * page, 2 * page, wiped, none),
        Err(Errno::ENOMEM)
    );
    space.check();
    let mut child = process.fork().unwrap();
    child.space.check();
    assert_eq!(child.space.statistics().locked, Pages(0));
    assert_eq!(child.space.resident(), Pages(6));
    let denied = child.space.fault(BASE + 4 * page, Access::Read);
    assert_eq!(denied, Err(FaultError::Denied));
    assert_eq!(child.space.fault(BASE + 5 * page, Access::Read), Ok(()));
    // Taken back, the areas are one again.
    let space = &mut process.space;
    assert_eq!(space.mark(BASE, 8 * page, none, Traits::all()), Ok(()));
    assert_eq!(space.areas().count(), 1);
    space.set_future(lock);
    assert_eq!(space.map(anonymous(0, 5)), Err(Errno::EAGAIN));
    assert_eq!(space.map(anonymous(0, 4)).map(drop), Ok(()));
}

/// MEMORY0217: private memory that can be written counts to its limit, however it has come to be so.
#[test]
fn data_has_a_limit() {
    let _alone = host::alone();
    let mut space = Process::new(CID).space;
    let read_only = MapRequest {
        protection: Protection::READ,
        ..request(BASE, 8, Mapping::Anonymous)
    };
    space.set_limits(Limits {
        data: Pages(4),
        ..Limits::NONE
    });
    assert_eq!(space.map(read_only), Ok(BASE));
    assert_eq!(space.map(anonymous(0, 5)), Err(Errno::ENOMEM));
    let made = space.map(anonymous(0, 2)).unwrap();
    assert_eq!(space.protect(BASE, 3 * 4096, RW), Err(Errno::ENOMEM));
    assert_eq!(space.protect(BASE, 2 * 4096, RW), Ok(()));
    // What is data already is no more of it.
    assert_eq!(space.protect(BASE, 2 * 4096, RW), Ok(()));
    let grown = space.remap(made, 2 * 4096, 3 * 4096, RemapFlags::MAY_MOVE, 0);
    assert_eq!(grown, Err(Errno::ENOMEM));
    space.check();
}
