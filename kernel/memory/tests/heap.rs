//! The kernel heap: alignment, no overlap, every frame back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use abi::Cid;
use memory::heap::KernelHeap;
use memory::{frames, host};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout};
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
    let layout = Layout::from_size_align(1024, 8).unwrap();
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
