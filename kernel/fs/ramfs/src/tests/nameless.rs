//! Files without names, and seals.

use super::*;
use vfs::Inode;

fn sealable(fs: &Ramfs, seals: Seals) -> Arc<dyn Inode> {
    fs.sealable(Cid(3), &new(NodeContent::Regular), seals)
        .unwrap()
}

pub(super) fn resize(file: &Arc<dyn Inode>, size: u64) -> Attempt<()> {
    let change = Change {
        size: Some(size),
        ..Change::default()
    };
    with_context(|cx| file.change(cx, &change))
}

#[test]
fn a_file_without_a_name_is_named_once() {
    let fs = ramfs(10, 10);
    with_context(|cx| {
        let root = fs.root();
        let node = new(NodeContent::Regular);
        let file = root.create_nameless(cx, &node, true).unwrap();
        assert_eq!(file.metadata(cx).unwrap().links, 0);
        root.link(cx, b"a", &file).unwrap();
        root.link(cx, b"b", &file).unwrap();
        assert_eq!(file.metadata(cx).unwrap().links, 2);
        root.unlink(cx, b"a").unwrap();
        root.unlink(cx, b"b").unwrap();
        let again = root.link(cx, b"a", &file);
        assert_eq!(again, Err(Stop::Error(Errno::ENOENT)));
        let exclusive = root.create_nameless(cx, &node, false).unwrap();
        let refused = root.link(cx, b"a", &exclusive);
        assert_eq!(refused, Err(Stop::Error(Errno::ENOENT)));
    });
    assert_eq!(fs.status().free_inodes, 9);
}

#[test]
fn a_mapping_that_may_write_holds_off_the_seal_until_it_is_gone() {
    let fs = ramfs(10, 10);
    let file = sealable(&fs, Seals::empty());
    let mapping = file.pages_for_writing().unwrap().unwrap();
    let half = mapping.clone();
    drop(mapping);
    assert_eq!(file.add_seals(Seals::WRITE), Err(Errno::EBUSY));
    drop(half);
    assert_eq!(file.add_seals(Seals::WRITE), Ok(()));
    assert_eq!(file.pages_for_writing().err(), Some(Errno::EPERM));
    assert!(file.pages().is_some());
    let kept = file.add_seals(Seals::SEAL);
    assert_eq!(kept, Ok(()));
    assert_eq!(file.add_seals(Seals::GROW), Err(Errno::EPERM));
}

#[test]
fn ordinary_files_are_sealed_against_seals() {
    let fs = ramfs(10, 10);
    let root = fs.root();
    let file = with_context(|cx| root.create(cx, b"f", &new(NodeContent::Regular))).unwrap();
    assert_eq!(file.seals(), Ok(Seals::SEAL));
    assert_eq!(file.add_seals(Seals::WRITE), Err(Errno::EPERM));
    assert_eq!(root.seals(), Err(Errno::EINVAL));
}

proptest! {
    /// Whatever is tried, a sealed file differs from what it was only as its seals allow.
    #[test]
    fn seals_hold(
        bits in 0u32..64,
        tries in proptest::collection::vec((0u64..12_000, proptest::option::of(1usize..6000)), 1..12),
    ) {
        let fs = ramfs(100, 10);
        let seals = Seals::from_bits_truncate(bits);
        let file = sealable(&fs, Seals::empty());
        resize(&file, 5000).unwrap();
        file.add_seals(seals).unwrap();
        let mut size = 5000;
        for (at, length) in tries {
            let done = match length {
                None => resize(&file, at).map(|()| at),
                Some(length) => {
                    let bytes = vec![7; length];
                    let source = &mut SliceSource::new(&bytes);
                    with_context(|cx| file.write_at(cx, at, source)).map(|count| size.max(at + count as u64))
                }
            };
            let now = with_context(|cx| file.metadata(cx)).unwrap().size;
            prop_assert_eq!(now, done.unwrap_or(size));
            prop_assert!(now <= size || !seals.contains(Seals::GROW));
            prop_assert!(now >= size || !seals.contains(Seals::SHRINK));
            if length.is_some() && seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
                prop_assert_eq!(done, Err(Stop::Error(Errno::EPERM)));
            }
            size = now;
        }
    }
}
