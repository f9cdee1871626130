//! Files that are written as they are read.

use super::*;
use alloc::format;

/// What is read at a place, in one go.
fn read_at(world: &World, file: &dyn FileOperations, position: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = loop {
        let mut sink = SliceSink::new(&mut bytes);
        match world.walk(0, |walk| file.read(&walk.io, position, &mut sink)) {
            Err(Stop::Again) => {}
            read => break read.expect("readable"),
        }
    };
    bytes.truncate(read);
    bytes
}

/// All of it, so much at a time.
fn read_whole(world: &World, file: &dyn FileOperations, count: usize) -> Vec<u8> {
    let mut whole = vec![];
    loop {
        let part = read_at(world, file, whole.len() as u64, count);
        if part.is_empty() {
            return whole;
        }
        whole.extend(part);
    }
}

/// What pages come to is counted for each area, whoever shares them.
#[test]
fn procfs11_pages_are_counted() {
    let world = world();
    let mut large = line(0x1000_0000, "/bin/sh");
    large.end = large.start + 3000 * 0x1000;
    let lines = [large, line(0x7fff_ffff_0000, "[stack]")];
    let text = |form| {
        let file = maps::MapsFile::new(form, Arc::new(Lines(lines.to_vec())));
        String::from_utf8(read_whole(&world, &file, 16 << 10)).expect("text")
    };
    let field = |text: &str, name: &str| -> Vec<u64> {
        let named = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}:")));
        let number = |line: &str| line.split_whitespace().nth(1).unwrap().parse().unwrap();
        named.map(number).collect()
    };
    // 1500 pages of the first area: 500 of nobody here, 500 of one, 500 of two. The one page of the second is of one.
    let uses = text(maps::Form::Uses);
    assert_eq!(field(&uses, "Size"), [12_000, 4]);
    assert_eq!(field(&uses, "Rss"), [6_000, 4]);
    assert_eq!(field(&uses, "Pss"), [3_000, 4]);
    assert_eq!(field(&uses, "Private_Dirty"), [2_000, 4]);
    assert_eq!(field(&uses, "Shared_Dirty"), [2_000, 0]);
    assert_eq!(field(&uses, "Shared_Clean"), [2_000, 0]);
    assert_eq!(field(&uses, "Anonymous"), [4_000, 4]);
    assert_eq!(field(&uses, "Locked"), [3_000, 4]);
    assert!(uses.contains("\nVmFlags: rd ex mr mw me lo \n7fffffff0000-"));
    let sum = text(maps::Form::Sum);
    assert!(sum.starts_with("10000000-7fffffff1000 ---p 00000000 00:00 0 "));
    assert_eq!(
        (field(&sum, "Rss"), field(&sum, "Pss")),
        (vec![6_004], vec![3_004])
    );
    assert_eq!(field(&sum, "Size"), []);
    assert_eq!(
        text(maps::Form::Nodes),
        "10000000 default file=/bin/sh anon=1000 dirty=1000 mapped=500 mapmax=2 N0=1500 kernelpagesize_kB=4\n\
         7fffffff0000 default stack anon=1 dirty=1 N0=1 kernelpagesize_kB=4\n"
    );
    let pages = memory_use::PageMap(Arc::new(Lines(lines.to_vec())));
    let entries = read_at(&world, &pages, (0x1000_0000 >> 12) * 8, 16 << 10);
    let entry = |at: usize| u64::from_le_bytes(entries[8 * at..][..8].try_into().unwrap());
    assert_eq!(entries.len(), 16 << 10);
    let bits: Vec<u64> = (0..6).map(|at| entry(at) >> 56).collect();
    assert_eq!(bits, [0x81, 0, 0xa0, 0, 0x80, 0]);
    assert!(read_at(&world, &pages, 8 << 36, 16 << 10).is_empty());
}

/// However it is read, a long list of areas is the same text.
#[test]
fn procfs10_maps_are_read_in_any_order() {
    let world = world();
    let lines: Vec<_> = (1..2000)
        .map(|page| line(page << 13, "/bin/many"))
        .collect();
    let file = maps::MapsFile::new(maps::Form::Maps, Arc::new(Lines(lines)));
    let whole = read_whole(&world, &file, 1000);
    assert_eq!(whole.split(|byte| *byte == b'\n').count(), 2000);
    for position in [0, 150_000, 7, 99_999, 60_000, 1, whole.len() - 1] {
        let part = read_at(&world, &file, position as u64, 100);
        assert!(
            !part.is_empty() && whole[position..].starts_with(&part),
            "{position}"
        );
    }
    assert!(read_at(&world, &file, whole.len() as u64 + 5000, 100).is_empty());
}
