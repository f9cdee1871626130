//! What becomes of pages when their mapping moves (`man 2 mremap`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod machine;

use abi::{Cid, Errno, Pages};
use machine::{Process, anonymous};
use memory::host;
use memory::space::{Limits, RemapFlags};

const CID: Cid = Cid(2);
const BASE: u64 = 0x2000_0000;

/// MEMORY0652: pages come to a place that shares a chunk of 16 with the one that they leave.
#[test]
fn pages_move_to_where_others_leave() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    let old = BASE + (64 + 13) * 4096;
    process.space.map(anonymous(old, 44)).unwrap();
    (0..44).for_each(|page| process.store(old + page * 4096, page + 1).unwrap());
    let new = old - 48 * 4096;
    let fixed = RemapFlags::FIXED | RemapFlags::MAY_MOVE;
    let length = 44 * 4096;
    assert_eq!(
        process.space.remap(old, length, length, fixed, new),
        Ok(new)
    );
    for page in 0..44 {
        assert_eq!(process.load(new + page * 4096), Ok(page + 1));
    }
    process.space.check();
}

/// MEMORY0650: a mapping stays without its pages when these move alone, and counts as often as it is there (`man 2 mremap`,
/// MREMAP_DONTUNMAP).
#[test]
fn pages_move_and_leave_their_mapping() {
    let _alone = host::alone();
    let mut process = Process::new(CID);
    process.space.map(anonymous(BASE, 20)).unwrap();
    (0..20).for_each(|page| process.store(BASE + page * 4096, page + 1).unwrap());
    let keep = RemapFlags::KEEP | RemapFlags::MAY_MOVE;
    let part = BASE + 3 * 4096;
    let mut remap = |length, flags, to| process.space.remap(part, 8192, length, flags, to);
    assert_eq!(remap(8192, RemapFlags::KEEP, 0), Err(Errno::EINVAL));
    assert_eq!(remap(4096, keep, 0), Err(Errno::EINVAL));
    let moved = remap(8192, keep, 0).unwrap();
    assert_eq!(process.load(moved + 4096), Ok(5));
    assert_eq!(process.load(part), Ok(0));
    assert_eq!(process.load(part + 4096), Ok(0));
    assert_eq!(process.load(part + 8192), Ok(6));
    assert_eq!(process.space.size(), Pages(22));
    let fixed = keep | RemapFlags::FIXED;
    let there = BASE + (16 << 20);
    assert_eq!(
        process.space.remap(BASE, 4096, 4096, fixed, there),
        Ok(there)
    );
    assert_eq!(process.load(there), Ok(1));
    assert_eq!(process.load(BASE), Ok(0));
    process.space.set_limits(Limits {
        size: Pages(24),
        ..Limits::NONE
    });
    let more = process.space.remap(BASE, 8192, 8192, keep, 0);
    assert_eq!(more, Err(Errno::ENOMEM));
    assert_eq!(process.load(BASE + 4096), Ok(2));
    process.space.check();
}
