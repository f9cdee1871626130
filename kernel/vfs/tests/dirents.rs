//! VFS02: directory entries as programs read them.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod world;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use vfs::*;
use wait::SliceSink;
use world::*;

/// Reads one buffer full; name, type, inode, offset.
fn read(
    p: &Process,
    file: &OpenFile,
    room: usize,
) -> Result<Vec<(String, u8, u64, u64)>, wait::Stop> {
    let mut buffer = vec![0xaa; room];
    let length = fill_dirents(file, &p.io(), &mut SliceSink::new(&mut buffer))?;
    let mut rest = &buffer[..length];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let number = u64::from_le_bytes(rest[..8].try_into().unwrap());
        let offset = u64::from_le_bytes(rest[8..16].try_into().unwrap());
        let record = u16::from_le_bytes(rest[16..18].try_into().unwrap()) as usize;
        assert!(record.is_multiple_of(8) && record >= 24);
        let name: Vec<u8> = rest[19..record]
            .iter()
            .copied()
            .take_while(|&byte| byte != 0)
            .collect();
        assert_eq!(record, (20 + name.len()).next_multiple_of(8));
        found.push((text(name), rest[18], number, offset));
        rest = &rest[record..];
    }
    Ok(found)
}

#[test]
fn vfs0201_layout_and_kinds() {
    let p = world();
    p.mkdir("/d").unwrap();
    p.mkdir("/d/sub").unwrap();
    p.put("/d/file", "").unwrap();
    p.symlink("/d/link", "x").unwrap();
    let file = p.open("/d", Access::READ, OpenHow::DIRECTORY).unwrap();
    let all = read(&p, &file, 4096).unwrap();
    let kinds: Vec<_> = all
        .iter()
        .map(|(name, kind, ..)| (name.as_str(), *kind))
        .collect();
    assert_eq!(
        kinds,
        [(".", 4), ("..", 4), ("sub", 4), ("file", 8), ("link", 10)]
    );
    assert_eq!(all[0].2, p.at("/d").unwrap().inode().id().number);
    assert_eq!(all[1].2, p.at("/").unwrap().inode().id().number);
    assert_eq!(read(&p, &file, 4096).unwrap(), []);
    file.seek(&p.io(), all[2].3 as i64, Whence::Set).unwrap();
    assert_eq!(read(&p, &file, 4096).unwrap(), all[3..]);
    file.seek(&p.io(), 0, Whence::Set).unwrap();
    assert_eq!(error(read(&p, &file, 16)), abi::Errno::EINVAL);
    p.walk().unlink(None, b"/d/file").unwrap();
    let plain = p.open("/d/sub", Access::READ, OpenHow::empty()).unwrap();
    p.walk().remove_directory(None, b"/d/sub").unwrap();
    assert_eq!(error(read(&p, &plain, 4096)), abi::Errno::ENOENT);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Remove(u8),
    Move(u8, u8),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..30).prop_map(Step::Add),
        (0u8..30).prop_map(Step::Remove),
        (0u8..30, 0u8..30).prop_map(|(from, to)| Step::Move(from, to)),
        (32usize..200).prop_map(Step::Read),
    ]
}

proptest! {
    /// VFS0202: a name that is there all the time is read exactly once, whatever else happens.
    #[test]
    fn vfs0202_iteration_is_stable(before in prop::collection::btree_set(0u8..30, 0..20), steps in prop::collection::vec(step(), 0..40)) {
        let p = world();
        let name = |n: u8| format!("/name{n}");
        for n in &before {
            p.put(&name(*n), "").unwrap();
        }
        let mut steady: BTreeSet<u8> = before.clone();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let file = p.open("/", Access::READ, OpenHow::empty()).unwrap();
        let mut note = |room| {
            let got = read(&p, &file, room).unwrap();
            let count = got.len();
            for (name, ..) in got {
                *seen.entry(name).or_default() += 1;
            }
            count
        };
        for step in steps {
            match step {
                Step::Add(n) => p.put(&name(n), "").unwrap(),
                Step::Remove(n) => {
                    if p.walk().unlink(None, name(n).as_bytes()).is_ok() {
 steady.remove(&n); }
                }
                Step::Move(from, to) => {
                    if from != to && p.rename(&name(from), &name(to)).is_ok() {
                        steady.remove(&from);
                    }
                }
                Step::Read(room) => { note(room); }
            }
        }
        while note(256) > 0 {}
        for n in steady {
            prop_assert_eq!(seen.get(&format!("name{n}")), Some(&1));
        }
        prop_assert_eq!(seen.get("."), Some(&1));
        prop_assert_eq!(seen.get(".."), Some(&1));
    }
}
