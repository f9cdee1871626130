//! The kernel heap: alignment, no overlap, every frame back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use abi::{Cid, Pages};
use memory::heap::{KernelHeap, Payer};
use memory::{Frame, Kind, frames, host};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::vec::Vec;

static HEAP: KernelHeap = KernelHeap::new();

struct Object {
    at: *mut u8,
    layout: Layout,
    seed: u8,
}

impl Object {
    fn take(layout: Layout, seed: u8) -> Self {
        // SAFETY: no layout of these tests has size 0.
        let at = unsafe { HEAP.alloc(layout) };
        assert!(!at.is_null());
        assert!((at as usize).is_multiple_of(layout.align()));
        // SAFETY: the allocation has this size.
        unsafe { std::ptr::write_bytes(at, seed, layout.size()) };
        Self { at, layout, seed }
    }

    fn check(&self) {
        // SAFETY: the object is allocated and was filled.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, self.layout.size()) };
        assert!(
            bytes.iter().all(|byte| *byte == self.seed),
            "another object wrote here"
        );
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: the object is of this heap with this layout.
        let at = unsafe { HEAP.realloc(self.at, self.layout, size) };
        assert!(!at.is_null());
        let kept =
            Layout::from_size_align(size.min(self.layout.size()), self.layout.align()).unwrap();
        Self {
            at,
            layout: kept,
            seed: self.seed,
        }
        .check();
        self.at = at;
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        // SAFETY: the allocation has this size.
        unsafe { std::ptr::write_bytes(at, self.seed, size) };
    }

    fn give(self) {
        self.check();
        // SAFETY: the object is of this heap with this layout and given up.
        unsafe { HEAP.dealloc(self.at, self.layout) };
    }
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1..300usize, 3 => 300..5000usize, 1 => 5000..60000usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// MEMORY0020: objects are aligned, keep what was written, and leave no frame behind.
    #[test]
    fn objects_are_apart(ops in prop::collection::vec((0..5u8, size(), 0..9u32, any::<u8>(), 0..256usize), 1..200)) {
        let _alone = host::alone();
        let (free, usage) = (frames::free(), frames::usage(Cid::GLOBAL));
        let mut objects: Vec<Object> = Vec::new();
        for (op, size, align, seed, which) in ops {
            match op {
                0..=2 => objects.push(Object::take(Layout::from_size_align(size, 1 << align).unwrap(), seed)),
                3 if !objects.is_empty() => objects.swap_remove(which % objects.len()).give(),
                4 if !objects.is_empty() => {
                    let index = which % objects.len();
                    objects[index].resize(size);
                }
                _ => {}
            }
        }
        objects.into_iter().for_each(Object::give);
        prop_assert_eq!((frames::free(), frames::usage(Cid::GLOBAL)), (free, usage));
    }
}

/// MEMORY0021: alignments of pages and more.
#[test]
fn large_alignments_hold() {
    let _alone = host::alone();
    let free = frames::free();
    for shift in 0..=16 {
        for size in [1, 100, 4096, 70000] {
            Object::take(Layout::from_size_align(size, 1 << shift).unwrap(), 3).give();
        }
    }
    assert_eq!(frames::free(), free);
}

/// MEMORY0022: a heap without frames answers null and loses nothing.
#[test]
fn no_frames_no_objects() {
    let _alone = host::alone();
    let free = frames::free();
    host::fail_frames_after(Some(2));
    // Four of them fill a slab.
    let layout = Layout::from_size_align(1008, 8).unwrap();
    let objects: Vec<Object> = (0..8).map(|_| Object::take(layout, 1)).collect();
    // SAFETY: the size is not zero.
    assert!(unsafe { HEAP.alloc(layout) }.is_null());
    // SAFETY: the size is not zero.
    assert!(unsafe { HEAP.alloc(Layout::from_size_align(1 << 20, 8).unwrap()) }.is_null());
    host::fail_frames_after(None);
    // SAFETY: the size is not zero.
    assert!(unsafe { HEAP.alloc(Layout::from_size_align(1 << 40, 8).unwrap()) }.is_null());
    objects.into_iter().for_each(Object::give);
    assert_eq!(frames::free(), free);
}

/// MEMORY0023: threads that allocate and free at once.
#[test]
fn threads_share_the_heap() {
    let _alone = host::alone();
    let free = frames::free();
    std::thread::scope(|scope| {
        for seed in 0..4u8 {
            scope.spawn(move || {
                let mut objects = Vec::new();
                for round in 0..3000usize {
                    let size = 1 + (round * 37 + usize::from(seed) * 11) % 700;
                    objects.push(Object::take(
                        Layout::from_size_align(size, 8).unwrap(),
                        seed,
                    ));
                    if round % 3 == 0 {
                        objects.swap_remove((round * 7) % objects.len()).give();
                    }
                }
                objects.into_iter().for_each(Object::give);
            });
        }
    });
    assert_eq!(frames::free(), free);
}

std::thread_local! {
    static PAYER: Cell<Cid> = const { Cell::new(Cid::GLOBAL) };
}

/// The partition that the test has named last on this thread.
struct Named;

impl Payer for Named {
    fn payer() -> Cid {
        PAYER.get()
    }
}

static CHARGING: KernelHeap<Named> = KernelHeap::new();

/// Objects of one partition, given back at the end of the scope whoever pays then.
#[derive(Default)]
struct Objects(Vec<(*mut u8, Layout)>);

impl Objects {
    fn take(&mut self, payer: Cid, size: usize) {
        PAYER.set(payer);
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: the size is not zero.
        let object = unsafe { CHARGING.alloc(layout) };
        assert!(!object.is_null());
        // SAFETY: the allocation has this size; a tag that lay inside it would be overwritten.
        unsafe { std::ptr::write_bytes(object, 0xff, size) };
        self.0.push((object, layout));
        PAYER.set(Cid::GLOBAL);
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        for (object, layout) in self.0.drain(..) {
            // SAFETY: of this heap, with this layout, and used by nobody else.
            unsafe { CHARGING.dealloc(object, layout) };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// MEMORY0024: whoever frees it and however they lie in slabs, an object is charged to who made it and to nobody
    /// afterwards; what partitions have is not Global's, and all together is what the frames are.
    #[test]
    fn objects_are_charged(ops in prop::collection::vec((0..4u16, size()), 1..300)) {
        let _alone = host::alone();
        let cids = [Cid(21), Cid(22), Cid(23), Cid::GLOBAL];
        let before = frames::usage(Cid::GLOBAL);
        {
            let mut objects = Objects::default();
            let mut bytes = [0; 4];
            for (who, size) in ops {
                objects.take(cids[usize::from(who)], size);
                bytes[usize::from(who)] += size as u64;
            }
            for (cid, bytes) in cids.into_iter().zip(bytes).filter(|(cid, _)| !cid.is_global()) {
                let Pages(pages) = frames::usage(cid).kernel;
                prop_assert!(pages * 4096 >= bytes, "{cid:?}: {pages} pages, {bytes} bytes");
                // Classes and pages are rounded up: the smallest object takes 16 bytes, others less than two thirds more.
                prop_assert!(pages * 4096 <= bytes * 17 + 8192);
            }
        }
        for cid in cids.into_iter().filter(|cid| !cid.is_global()) {
            prop_assert_eq!(frames::usage(cid).total(), Pages(0));
        }
        prop_assert_eq!(frames::usage(Cid::GLOBAL), before);
    }
}

/// MEMORY0025: objects count to the maximum: a partition that has made too many gets no frame and no room, and gets
/// both again when they are gone; another partition notices nothing.
#[test]
fn objects_count_to_the_maximum() {
    let _alone = host::alone();
    let (hoarder, other) = (Cid(24), Cid(25));
    frames::set_maximum(hoarder, Some(Pages(10)));
    let mut objects = Objects::default();
    while frames::has_room(hoarder) {
        objects.take(hoarder, 100);
        assert!(objects.0.len() <= 10 * 4096 / 100);
    }
    assert!(objects.0.len() >= 9 * 4096 / 128);
    assert!(Frame::allocate(hoarder, Kind::Anonymous).is_err());
    assert!(frames::has_room(other) && frames::has_room(Cid::GLOBAL));
    drop(objects);
    assert!(frames::has_room(hoarder));
    assert!(Frame::allocate(hoarder, Kind::Anonymous).is_ok());
    frames::set_maximum(hoarder, None);
}

/// MEMORY0026: what a partition leaves behind is Global's, and the next one of its number begins with nothing, even
/// when the old objects go while it lives.
#[test]
fn leftovers_are_inherited() {
    let _alone = host::alone();
    let cid = Cid(26);
    let before = frames::usage(Cid::GLOBAL);
    let (mut old, mut new) = (Objects::default(), Objects::default());
    for _ in 0..200 {
        old.take(cid, 256);
    }
    assert_eq!(frames::inherit(cid), 200 * 256);
    assert_eq!(frames::usage(cid).total(), Pages(0));
    for _ in 0..100 {
        new.take(cid, 256);
    }
    assert_eq!(frames::usage(cid).kernel, Pages(7));
    drop(new);
    assert_eq!(frames::usage(cid).total(), Pages(0));
    drop(old);
    assert_eq!(frames::usage(cid).total(), Pages(0));
    assert_eq!(frames::usage(Cid::GLOBAL), before);
}

/// MEMORY0027: when programs have taken all frames that there are, Global's too, the heap still has some.
#[test]
fn the_heap_outlives_the_last_frame() {
    let _alone = host::alone();
    let mut frames_taken = Vec::new();
    while let Ok(frame) = Frame::allocate(Cid::GLOBAL, Kind::Anonymous) {
        frames_taken.push(frame);
    }
    assert!(!frames::has_room(Cid::GLOBAL));
    let mut objects = Objects::default();
    for _ in 0..frames::reserve().0 / 4 - 1 {
        objects.take(Cid::GLOBAL, 4096);
    }
}

/// MEMORY0028: the first process of a partition may go beyond its maximum by a little, and only while it runs.
#[test]
fn grace_is_short() {
    let _alone = host::alone();
    let cid = Cid(27);
    frames::set_maximum(cid, Some(Pages(2)));
    let mut held: Vec<Frame> = (0..2)
        .map(|_| Frame::allocate(cid, Kind::Anonymous).unwrap())
        .collect();
    assert!(Frame::allocate(cid, Kind::Anonymous).is_err());
    frames::set_grace(cid, true);
    while let Ok(frame) = Frame::allocate(cid, Kind::Anonymous) {
        held.push(frame);
    }
    assert!((20..=100).contains(&held.len()));
    frames::set_grace(cid, false);
    assert!(!frames::has_room(cid));
    drop(held);
    assert!(frames::has_room(cid));
    frames::set_maximum(cid, None);
}

/// MEMORY0032: a maximum set below what is held leaves the first process as much grace, which does not add up.
#[test]
fn grace_where_the_maximum_has_fallen() {
    let _alone = host::alone();
    let cid = Cid(28);
    let mut held: Vec<Frame> = (0..500)
        .map(|_| Frame::allocate(cid, Kind::File).unwrap())
        .collect();
    frames::set_maximum(cid, Some(Pages(100)));
    assert!(Frame::allocate(cid, Kind::Anonymous).is_err());
    let run = |held: &mut Vec<Frame>| {
        frames::set_grace(cid, true);
        while let Ok(frame) = Frame::allocate(cid, Kind::Anonymous) {
            held.push(frame);
        }
        frames::set_grace(cid, false);
        held.len()
    };
    let most = run(&mut held);
    assert!((520..=600).contains(&most));
    assert_eq!(run(&mut held), most);
    held.truncate(200);
    let less = run(&mut held);
    assert!((220..=300).contains(&less));
    held.truncate(50);
    assert!((120..=200).contains(&run(&mut held)));
    drop(held);
    frames::set_maximum(cid, None);
}
