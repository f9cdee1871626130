//! Holes against a list of bytes.

use super::nameless::resize;
use super::*;

use vfs::{Allocation, Stretch};

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize),
    Allocate(Allocation, u64, u64),
    Resize(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        Just(Allocation::Extend),
        Just(Allocation::Reserve),
        Just(Allocation::Punch)
    ];
    prop_oneof![
        (0u64..30_000, 1usize..9000).prop_map(|(at, length)| Step::Write(at, length)),
        (how, 0u64..30_000, 1u64..20_000)
            .prop_map(|(how, at, length)| Step::Allocate(how, at, length)),
        (0u64..30_000).prop_map(Step::Resize),
    ]
}

proptest! {
    /// A file reads as the bytes that have been written to it and not been punched out, and has no page without need.
    #[test]
    fn punched_parts_are_zeros(steps in proptest::collection::vec(step(), 1..20)) {
        let fs = ramfs(1000, 10);
        let root = fs.root();
        let file = with_context(|cx| root.create(cx, b"f", &new(NodeContent::Regular))).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for (byte, step) in (1u8..).zip(steps) {
            match step {
                Step::Write(at, length) => {
                    let bytes = vec![byte; length];
                    let source = &mut SliceSource::new(&bytes);
                    with_context(|cx| file.write_at(cx, at, source)).unwrap();
                    let at = at as usize;
                    model.resize(model.len().max(at + length), 0);
                    model[at..at + length].fill(byte);
                }
                Step::Allocate(how, start, length) => {
                    let (mut at, end) = (start, start + length);
                    while at < end {
                        at = with_context(|cx| file.allocate(cx, at..end, how)).unwrap();
                    }
                    let (start, end) = (start as usize, end as usize);
                    let size = model.len();
                    match how {
                        Allocation::Extend => model.resize(size.max(end), 0),
                        Allocation::Reserve => {}
                        Allocation::Punch => model[start.min(size)..end.min(size)].fill(0),
                    }
                }
                Step::Resize(size) => {
                    resize(&file, size).unwrap();
                    model.resize(size as usize, 0);
                }
            }
            let mut bytes = vec![0; 60_000];
            let sink = &mut SliceSink::new(&mut bytes);
            let count = with_context(|cx| file.read_at(cx, 0, sink)).unwrap();
            prop_assert_eq!(&bytes[..count], &model[..]);
            // What is told as a hole reads as zeros and is as large as it can be; data have memory.
            let (mut at, mut pages, mut is_hole) = (0, 0, false);
            while at < count as u64 {
                let of = if is_hole { Stretch::Data } else { Stretch::Hole };
                let next = with_context(|cx| file.next_stretch(cx, at, of)).unwrap();
                let end = next.unwrap_or(count as u64);
                if is_hole {
                    prop_assert!(model[at as usize..end as usize].iter().all(|byte| *byte == 0));
                } else {
                    pages += (end - at).div_ceil(4096);
                }
                (at, is_hole) = (end, !is_hole);
            }
            let blocks = with_context(|cx| file.metadata(cx)).unwrap().blocks;
            prop_assert!(blocks / 8 >= pages && (blocks > 0 || pages == 0));
        }
        let end = 200_000;
        with_context(|cx| file.allocate(cx, 0..end, Allocation::Punch)).unwrap();
        prop_assert_eq!(with_context(|cx| file.metadata(cx)).unwrap().blocks, 0);
    }
}
