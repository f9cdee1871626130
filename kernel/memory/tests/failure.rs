//! Every allocation fails once: the operation answers ENOMEM, changes nothing and loses nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod machine;

use abi::mmu::Protection;
use abi::{Cid, Errno};
use machine::{File, Process};
use memory::space::{Advice, Backing, Fixed, MapRequest, Mapping, RemapFlags, Traits};
use memory::{Access, FaultError, SharedPages, frames, host};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

/// The system's allocator with failures on demand, for the calling thread only.
struct Failing;

thread_local! {
    static ALLOWED: Cell<Option<u32>> = const { Cell::new(None) };
}

// SAFETY: everything is passed on to the system's allocator; null is a permitted answer.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match ALLOWED.get() {
            Some(0) => std::ptr::null_mut(),
            left => {
                ALLOWED.set(left.map(|left| left - 1));
                // SAFETY: the caller's contract.
                unsafe { System.alloc(layout) }
            }
        }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(object, layout) }
    }
}

#[global_allocator]
static HEAP: Failing = Failing;

const BASE: u64 = 0x1000_0000;
const RW: Protection = Protection::READ.union(Protection::WRITE);

fn request(page: u64, pages: u64, mapping: Mapping) -> MapRequest {
    MapRequest {
        hint: BASE + page * 4096,
        fixed: Fixed::Replace,
        length: pages * 4096,
        protection: RW,
        maximum: Protection::all(),
        mapping,
        traits: Traits::empty(),
        name: None,
    }
}

struct World {
    process: Process,
    child: Process,
    file: Arc<File>,
    segment: Arc<SharedPages>,
}

impl World {
    /// A process with areas of all kinds, full leaves of areas and chunks, and a child that shares pages.
    fn new(filler: u64) -> Self {
        let mut process = Process::new(Cid(4));
        let file = File::new(Cid(4), 64);
        let segment = Arc::new(SharedPages::new(Cid(4), 1000));
        let space = &mut process.space;
        space.map(request(0, 40, Mapping::Anonymous)).unwrap();
        space
            .map(request(
                40,
                20,
                Mapping::Private(Backing {
                    source: file.clone(),
                    first: 3,
                }),
            ))
            .unwrap();
        space
            .map(request(
                60,
                200,
                Mapping::Shared(Backing {
                    source: segment.clone(),
                    first: 0,
                }),
            ))
            .unwrap();
        for index in 0..50 + filler {
            space
                .map(request(1000 + index * 2, 1, Mapping::Anonymous))
                .unwrap();
        }
        space.map(request(4000, 1600, Mapping::Anonymous)).unwrap();
        space.set_heap(BASE + 8000 * 4096);
        assert_eq!(space.set_break(BASE + 8004 * 4096), BASE + 8004 * 4096);
        let mut stack = request(9000, 4, Mapping::Stack);
        stack.hint = machine::LIMIT - 4 * 4096;
        space.map(stack).unwrap();
        for page in (0..70).chain((4000..5600).step_by(40)).chain(8000..8004) {
            process.store(BASE + page * 4096 + 8, page).unwrap();
        }
        let child = process.fork().unwrap();
        Self {
            process,
            child,
            file,
            segment,
        }
    }

    /// All that a program could notice, areas joined where they were cut in two equal ones.
    fn snapshot(&mut self) -> Vec<(u64, u64, u8, u64)> {
        self.process.space.check();
        let mut areas: Vec<(u64, u64, u8, u64)> = Vec::new();
        for area in self.process.space.areas() {
            let entry = (area.start, area.end, area.protection.bits(), area.offset());
            match areas.last_mut() {
                Some(last)
                    if last.1 == entry.0
                        && last.2 == entry.2
                        && (entry.3 == 0 || last.3 != entry.3) =>
                {
                    last.1 = entry.1;
                }
                _ => areas.push(entry),
            }
        }
        for page in (0..70).chain((4000..5600).step_by(40)).chain(8000..8004) {
            let mut bytes = [0; 8];
            self.process
                .space
                .read_resident(BASE + page * 4096 + 8, &mut bytes)
                .unwrap();
            assert_eq!(u64::from_le_bytes(bytes), page);
        }
        areas
    }
}

type Operation = fn(&mut World) -> Result<(), Errno>;

fn every_failure(name: &str, operation: Operation) {
    let _alone = host::alone();
    // Tables of all fillings, so that the area in question lies in a full leaf once; frames do not care.
    let cases = (0..26).map(|filler| (0, filler)).chain([(1, 0), (2, 0)]);
    for (kind, filler) in cases {
        for count in 0..200 {
            let free = frames::free();
            {
                let mut world = World::new(filler);
                let before = world.snapshot();
                match kind {
                    0 => ALLOWED.set(Some(count)),
                    1 => host::fail_frames_after(Some(count)),
                    _ => *world.process.fail.lock().unwrap() = count == 0,
                }
                let result = operation(&mut world);
                ALLOWED.set(None);
                host::fail_frames_after(None);
                *world.process.fail.lock().unwrap() = false;
                if let Err(errno) = result {
                    assert_eq!(errno, Errno::ENOMEM, "{name}, failure {kind} {count}");
                    assert_eq!(world.snapshot(), before, "{name}, failure {kind} {count}");
                    operation(&mut world)
                        .unwrap_or_else(|errno| panic!("{name}: {errno} without a failure"));
                } else {
                    world.process.space.check();
                    drop(world);
                    assert_eq!(frames::free(), free, "{name}, failure {kind} {count}");
                    break;
                }
            }
            assert_eq!(frames::free(), free, "{name}, failure {kind} {count}");
            assert!(count < 199, "{name} never succeeds");
        }
    }
}

/// MEMORY0120: mapping anew and over what is there, also where leaves are full.
#[test]
fn map_fails_whole() {
    every_failure("map", |world| {
        // Far away: a new area only.
        world
            .process
            .space
            .map(request(7000, 3, Mapping::Anonymous))
            .map(drop)
    });
    every_failure("map over", |world| {
        // Between written pages of a large area: both edges are cut.
        let backing = Backing {
            source: world.segment.clone(),
            first: 9,
        };
        world
            .process
            .space
            .map(request(4001, 3, Mapping::Shared(backing)))
            .map(drop)
    });
    every_failure("map among many", |world| {
        world
            .process
            .space
            .map(request(
                1041,
                1,
                Mapping::Private(Backing {
                    source: world.file.clone(),
                    first: 0,
                }),
            ))
            .map(drop)
    });
}

/// MEMORY0121: unmapping and protecting the middle of areas.
#[test]
fn cuts_fail_whole() {
    every_failure("unmap", |world| {
        world.process.space.unmap(BASE + 4001 * 4096, 5 * 4096)
    });
    every_failure("protect", |world| {
        world
            .process
            .space
            .protect(BASE + 4001 * 4096, 5 * 4096, Protection::READ)
    });
}

/// MEMORY0122: the heap's end stays where it is.
#[test]
fn break_fails_whole() {
    every_failure("brk", |world| {
        let wanted = BASE + 8010 * 4096;
        if world.process.space.set_break(wanted) == wanted {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    });
}

/// MEMORY0123: a fork that fails leaves the parent alone.
#[test]
fn fork_fails_whole() {
    every_failure("fork", |world| {
        let mmu = {
            // The mock's own memory is not under test.
            let left = ALLOWED.take();
            let mmu = Box::new(machine::Mmu::default());
            ALLOWED.set(left);
            mmu
        };
        let child = world.process.space.fork(mmu, &[])?;
        ALLOWED.set(None);
        drop(child);
        Ok(())
    });
}

fn fault(process: &mut Process, page: u64, access: Access) -> Result<(), Errno> {
    process
        .space
        .fault(BASE + page * 4096, access)
        .map_err(|error| match error {
            FaultError::OutOfMemory => Errno::ENOMEM,
            other => panic!("{other:?}"),
        })
}

/// MEMORY0124: faults of all kinds fail clean: first touch, copy on write, file pages, shared pages, stack.
#[test]
fn faults_fail_whole() {
    every_failure("first touch", |world| {
        fault(&mut world.process, 4007, Access::Write)
    });
    every_failure("copy on write", |world| {
        fault(&mut world.process, 4000, Access::Write)
    });
    every_failure("shared", |world| {
        fault(&mut world.process, 200, Access::Write)
    });
    every_failure("file", |world| fault(&mut world.process, 41, Access::Read));
    every_failure("file copy", |world| {
        fault(&mut world.process, 55, Access::Write)
    });
    every_failure("stack", |world| {
        let address = machine::LIMIT - 50 * 4096;
        world
            .process
            .space
            .fault(address, Access::Write)
            .map_err(|error| {
                assert!(matches!(error, FaultError::OutOfMemory));
                // The area may have grown already; what the program sees does not change by that.
                world.process.space.unmap(address, 46 * 4096).unwrap();
                Errno::ENOMEM
            })
    });
}

/// MEMORY0125: moving a mapping with pages in many chunks.
#[test]
fn moves_fail_whole() {
    every_failure("move", |world| {
        let moved = world.process.space.remap(
            BASE + 4001 * 4096,
            1000 * 4096,
            2000 * 4096,
            RemapFlags::MAY_MOVE,
            0,
        )?;
        // Back again, so that both runs of a failing operation start alike.
        world.process.space.unmap(moved, 4096)
    });
}

/// MEMORY0126: giving pages back needs no memory.
#[test]
fn giving_back_never_fails() {
    let _alone = host::alone();
    let free = frames::free();
    {
        let mut world = World::new(0);
        ALLOWED.set(Some(0));
        host::fail_frames_after(Some(0));
        let space = &mut world.process.space;
        let advised = space.advise(BASE + 3 * 4096, 9 * 4096, Advice::DontNeed);
        let unmapped = space.unmap(BASE, 40 * 4096);
        let shrunk = space.set_break(BASE + 8000 * 4096);
        world.child.space.clear();
        ALLOWED.set(None);
        host::fail_frames_after(None);
        assert_eq!(
            (advised, unmapped, shrunk),
            (Ok(()), Ok(()), BASE + 8000 * 4096)
        );
    }
    assert_eq!(frames::free(), free);
}
