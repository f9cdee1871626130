use super::*;
use crate::archive::Archive;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI64, AtomicU8};
use memory::PageError;
use proptest::prelude::*;
use security::{Credential, Identity, Privileges};
use vfs::{Change, FileKind, Flow, IoContext, RenameFlags, Timestamp};
use wait::{Attempt, Sleeper, SliceSink, SliceSource, Source, Stop, Ticket, Waiter};

struct Nobody;
impl Sleeper for Nobody {
    fn wake(&self, _: Ticket, _: Option<i64>) -> bool {
        false
    }
    fn linked(&self, _: Ticket, _: wait::Link) -> Option<wait::Link> {
        None
    }
}
struct Counting(AtomicI64);
impl Clock for Counting {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: self.0.fetch_add(1, Ordering::Relaxed),
            nanoseconds: 0,
        }
    }
}

fn with_context<T>(act: impl FnOnce(&IoContext<'_>) -> T) -> T {
    let credential = Credential::new(Cid(3), Identity::ROOT, Privileges::empty());
    let waiter = Waiter::new(Arc::new(Nobody), Ticket(0));
    act(&IoContext {
        credential: &credential,
        caller: &waiter,
        nonblocking: false,
    })
}

fn ramfs(pages: u64, inodes: u64) -> Ramfs {
    memory::host::initialize();
    let clock = Arc::new(Counting(AtomicI64::new(1)));
    Ramfs::new(
        DeviceNumber::new(0, 1),
        Capacity { pages, inodes },
        clock,
        Cid::GLOBAL,
    )
    .unwrap()
}

fn new(content: NodeContent<'_>) -> NewNode<'_> {
    NewNode {
        content,
        mode: Mode::new(0o644),
        uid: 0,
        gid: 0,
    }
}

fn file(fs: &Ramfs, name: &str) -> Arc<dyn Inode> {
    with_context(|cx| {
        fs.root()
            .create(cx, name.as_bytes(), &new(NodeContent::Regular))
    })
    .unwrap()
}

fn read(inode: &Arc<dyn Inode>, offset: u64, length: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; length];
    let count =
        with_context(|cx| inode.read_at(cx, offset, &mut SliceSink::new(&mut buffer))).unwrap();
    buffer.truncate(count);
    buffer
}

fn write(inode: &Arc<dyn Inode>, offset: u64, bytes: &[u8]) -> Attempt<usize> {
    with_context(|cx| inode.write_at(cx, offset, &mut SliceSource::new(bytes)))
}

fn size(inode: &Arc<dyn Inode>) -> u64 {
    with_context(|cx| inode.metadata(cx)).unwrap().size
}

fn resize(inode: &Arc<dyn Inode>, size: u64) {
    with_context(|cx| {
        inode.change(
            cx,
            &Change {
                size: Some(size),
                ..Change::default()
            },
        )
    })
    .unwrap();
}

#[test]
fn ramfs01_holes_cost_nothing_and_sizes_have_limits() {
    let fs = ramfs(3, 10);
    let f = file(&fs, "f");
    assert_eq!(write(&f, 1 << 40, b"end"), Ok(3));
    assert_eq!(fs.status().free_blocks, 2);
    assert_eq!(read(&f, (1 << 40) - 2, 10), b"\0\0end");
    assert_eq!(write(&f, 0, &[1; 4 * 4096]), Ok(2 * 4096));
    assert_eq!(write(&f, 2 * 4096, &[1]), Err(Stop::Error(Errno::ENOSPC)));
    assert_eq!(size(&f), (1 << 40) + 3);
    assert_eq!(
        write(&f, i64::MAX as u64, &[1]),
        Err(Stop::Error(Errno::EFBIG))
    );
    assert_eq!(write(&f, i64::MAX as u64 - 1, &[]), Ok(0));
    resize(&f, 4097);
    assert_eq!(fs.status().free_blocks, 1);
    resize(&f, 0);
    assert_eq!(fs.status().free_blocks, 3);
}

#[test]
fn ramfs26_what_a_partition_cannot_fill_is_left_to_global() {
    let fs = ramfs(32, 32);
    let file_of = |owner| {
        fs.sealable(owner, &new(NodeContent::Regular), Seals::empty())
            .unwrap()
    };
    let (theirs, ours) = (file_of(Cid(1)), file_of(Cid::GLOBAL));
    assert_eq!(write(&theirs, 0, &[1; 32 * 4096]), Ok(30 * 4096));
    assert_eq!(
        write(&theirs, 30 * 4096, &[1]),
        Err(Stop::Error(Errno::ENOSPC))
    );
    assert_eq!(write(&ours, 0, &[1; 3 * 4096]), Ok(2 * 4096));
}

#[test]
fn ramfs02_an_unlinked_file_lives_until_the_last_reference_goes() {
    let fs = ramfs(8, 3);
    let f = file(&fs, "f");
    assert_eq!(write(&f, 0, b"contents"), Ok(8));
    with_context(|cx| fs.root().unlink(cx, b"f")).unwrap();
    assert_eq!(read(&f, 0, 8), b"contents");
    let pages = f.pages().unwrap();
    drop(f);
    assert_eq!(fs.status().free_blocks, 7, "a mapping holds the pages");
    drop(pages);
    assert_eq!((fs.status().free_blocks, fs.status().free_inodes), (8, 2));
    for name in ["a", "b"] {
        file(&fs, name);
    }
    let full =
        with_context(|cx| fs.root().create(cx, b"c", &new(NodeContent::Directory))).map(drop);
    assert_eq!(full, Err(Stop::Error(Errno::ENOSPC)));
    assert_eq!(
        with_context(|cx| fs.root().lookup(cx, b"c")).map(drop),
        Err(Stop::Error(Errno::ENOENT))
    );
}

#[test]
fn ramfs03_mappings_see_the_file_and_nothing_behind_its_end() {
    let fs = ramfs(8, 8);
    let f = file(&fs, "f");
    let pages = f.pages().unwrap();
    assert_eq!(pages.page(0, false).map(drop), Err(PageError::BeyondEnd));
    write(&f, 0, &[1; 5000]).unwrap();
    let frame = pages.page(1, true).unwrap();
    assert_eq!((frame.owner(), frame.kind()), (Cid(3), memory::Kind::File));
    frame.write(0, b"mapped");
    frame.write(2000, b"behind the end");
    pages.dirtied(1);
    assert_eq!(read(&f, 4096, 6), b"mapped");
    let before = with_context(|cx| f.metadata(cx)).unwrap();
    assert_eq!(before.modified, before.changed);
    resize(&f, 7000);
    assert_eq!(read(&f, 4096 + 2000, 5), [0; 5]);
    assert_eq!(pages.page(2, false).map(drop), Err(PageError::BeyondEnd));
    let mut around = [const { None }; 4];
    pages.resident(0, &mut around);
    assert_eq!(
        around.each_ref().map(Option::is_some),
        [true, true, false, false]
    );
    let mut handing = fs.hand_over(Cid(3), Cid(0)).unwrap();
    while handing.step().unwrap() {}
    assert_eq!(handing.changed(), 1);
    assert_eq!(frame.owner(), Cid(0));
    assert_eq!(fs.shared.owned_by(Cid(3)), 0);
    assert_eq!(fs.shared.owned_by(Cid(0)), 2);
}

/// A source whose second page is not resident.
struct Absent(usize);
impl Source for Absent {
    fn remaining(&self) -> usize {
        self.0
    }
    fn take(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        if self.0 <= 4096 {
            return Err(Stop::Again);
        }
        self.0 -= buffer.len();
        buffer.fill(9);
        Ok(())
    }
}

#[test]
fn ramfs04_an_append_that_is_run_again_appends_once() {
    let fs = ramfs(8, 8);
    let f = file(&fs, "f");
    write(&f, 0, b"start").unwrap();
    with_context(|cx| {
        assert_eq!(f.append(cx, &mut Absent(8192)), Err(Stop::Again));
        assert_eq!(size(&f), 5);
        assert_eq!(f.append(cx, &mut SliceSource::new(b"once")), Ok((5, 4)));
    });
    assert_eq!(read(&f, 0, 100), b"startonce");
    assert_eq!(
        fs.status().free_blocks,
        7,
        "pages behind the end are given back"
    );
}

#[test]
fn a_read_of_many_pages_finds_each_and_the_holes_between_them() {
    const PAGE: u64 = 4096;
    let fs = ramfs(64, 8);
    let f = file(&fs, "f");
    let mut model = vec![0; 50 * PAGE as usize - 7];
    // Runs of pages and holes of several lengths, and something at the very end.
    for page in (0..50).filter(|page| page % 7 < 4 && page % 11 != 5) {
        let bytes = [page as u8 + 1; 100];
        let at = page * PAGE + 1000;
        write(&f, at, &bytes).unwrap();
        model[at as usize..][..100].copy_from_slice(&bytes);
    }
    write(&f, model.len() as u64 - 1, b"e").unwrap();
    *model.last_mut().unwrap() = b'e';
    for offset in [0, 1, PAGE - 1, PAGE, 15 * PAGE + 5, 33 * PAGE - 1] {
        for length in [1, PAGE, 16 * PAGE - 1, 16 * PAGE, 16 * PAGE + 2, 60 * PAGE] {
            let start = offset as usize;
            let end = model.len().min(start + length as usize);
            assert!(read(&f, offset, length as usize) == model[start..end]);
        }
    }
}

/// A source that fills half of what it is asked for and then is not resident.
struct Torn;
impl Source for Torn {
    fn remaining(&self) -> usize {
        100
    }
    fn take(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        buffer.iter_mut().take(50).for_each(|byte| *byte = 7);
        Err(Stop::Again)
    }
    fn take_shared(&mut self, bytes: &[AtomicU8]) -> Option<Attempt<()>> {
        let half = bytes.iter().take(50);
        half.for_each(|byte| byte.store(7, Ordering::Relaxed));
        Some(Err(Stop::Again))
    }
}

#[test]
fn a_write_that_fails_in_the_middle_leaves_nothing_behind_the_end() {
    let fs = ramfs(8, 8);
    let f = file(&fs, "f");
    write(&f, 0, b"start").unwrap();
    with_context(|cx| assert_eq!(f.write_at(cx, 3, &mut Torn), Err(Stop::Again)));
    assert_eq!(size(&f), 5);
    write(&f, 60, b"end").unwrap();
    let mut expected = [0; 63];
    expected[..5].copy_from_slice(b"start");
    expected[60..].copy_from_slice(b"end");
    assert_eq!(read(&f, 0, 100), expected);
}

#[test]
fn ramfs05_a_deep_tree_goes_without_recursion() {
    let fs = ramfs(1, 110_000);
    let mut at = fs.root();
    for _ in 0..100_000 {
        at = with_context(|cx| at.create(cx, b"d", &new(NodeContent::Directory))).unwrap();
    }
    drop(at);
    let shared = fs.shared.clone();
    drop(fs);
    assert_eq!(shared.inodes.load(Ordering::Relaxed), 0);
}

#[derive(Clone, Debug)]
enum Bytes {
    Write(u64, u16, u8),
    Append(u16, u8),
    Resize(u64),
    Read(u64, u16),
    Map(u8, u8),
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let at = || prop_oneof![0u64..20_000, (0u64..5).prop_map(|page| page * 4096)];
    prop_oneof![
        (at(), 0u16..9000, 1u8..).prop_map(|(at, length, byte)| Bytes::Write(at, length, byte)),
        (0u16..5000, 1u8..).prop_map(|(length, byte)| Bytes::Append(length, byte)),
        at().prop_map(Bytes::Resize),
        (at(), 0u16..9000).prop_map(|(at, length)| Bytes::Read(at, length)),
        (0u8..6, 1u8..).prop_map(|(page, byte)| Bytes::Map(page, byte)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// RAMFS06: a file is a vector of bytes, however it is written.
    #[test]
    fn ramfs06_a_file_is_a_vector(steps in prop::collection::vec(bytes(), 1..40)) {
        let fs = ramfs(64, 4);
        let f = file(&fs, "f");
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Bytes::Write(at, length, byte) => {
                    prop_assert_eq!(write(&f, at, &vec![byte; length as usize]), Ok(length as usize));
                    let end = at as usize + length as usize;
                    if length > 0 {
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].fill(byte);
                    }
                }
                Bytes::Append(length, byte) => {
                    let data = vec![byte; length as usize];
                    let done = with_context(|cx| f.append(cx, &mut SliceSource::new(&data)));
                    prop_assert_eq!(done, Ok((model.len() as u64, length as usize)));
                    model.extend(data);
                }
                Bytes::Resize(to) => {
                    resize(&f, to);
                    model.resize(to as usize, 0);
                }
                Bytes::Read(at, length) => {
                    let start = model.len().min(at as usize);
                    let end = model.len().min(at as usize + length as usize);
                    prop_assert_eq!(read(&f, at, length as usize), &model[start..end]);
                }
                Bytes::Map(page, byte) => {
                    let start = page as usize * 4096;
                    let frame = f.pages().unwrap().page(page.into(), true);
                    prop_assert_eq!(frame.is_ok(), start < model.len());
                    if let Ok(frame) = frame {
                        frame.write(0, &[byte; 4096]);
                        let end = model.len().min(start + 4096);
                        model[start..end].fill(byte);
                    }
                }
            }
            prop_assert_eq!(size(&f), model.len() as u64);
        }
        prop_assert_eq!(read(&f, 0, model.len() + 1), model);
        drop(f);
        with_context(|cx| fs.root().unlink(cx, b"f")).unwrap();
        prop_assert_eq!(fs.status().free_blocks, 64);
    }
}

#[derive(Clone, Debug)]
enum Named {
    Create(u8, u8, bool),
    Link(u8, u8, u8, u8),
    Unlink(u8, u8),
    Rmdir(u8, u8),
    Rename(u8, u8, u8, u8, u8),
}

fn named() -> impl Strategy<Value = Named> {
    let d = || 0u8..3;
    let n = || 0u8..5;
    prop_oneof![
        3 => (d(), n(), any::<bool>()).prop_map(|(d, n, dir)| Named::Create(d, n, dir)),
        1 => (d(), n(), d(), n()).prop_map(|(a, b, c, d)| Named::Link(a, b, c, d)),
        1 => (d(), n()).prop_map(|(d, n)| Named::Unlink(d, n)),
        1 => (d(), n()).prop_map(|(d, n)| Named::Rmdir(d, n)),
        2 => (d(), n(), d(), n(), 0u8..3).prop_map(|(a, b, c, d, f)| Named::Rename(a, b, c, d, f)),
    ]
}

/// What a name of the model stands for: a file by number, or an empty directory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Thing {
    File(u64),
    Directory(u64),
}

impl Thing {
    fn is_directory(self) -> bool {
        matches!(self, Thing::Directory(_))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// RAMFS07: three directories of files and empty directories behave like a map, errors included.
    #[test]
    fn ramfs07_names_are_a_map(steps in prop::collection::vec(named(), 1..60)) {
        let fs = ramfs(4, 100);
        let directories: Vec<_> = ["x", "y", "z"].iter().map(|name| {
            with_context(|cx| fs.root().create(cx, name.as_bytes(), &new(NodeContent::Directory))).unwrap()
        }).collect();
        let mut model: BTreeMap<(u8, u8), Thing> = BTreeMap::new();
        let name = |n: u8| [b'a' + n];
        let dir = |d: u8| &directories[d as usize];
        for step in steps {
            let (got, wanted) = match step {
                Named::Create(d, n, directory) => {
                    let content = if directory { NodeContent::Directory } else { NodeContent::Regular };
                    let got = with_context(|cx| dir(d).create(cx, &name(n), &new(content)));
                    let wanted = if model.contains_key(&(d, n)) { Err(Errno::EEXIST) } else { Ok(()) };
                    if let Ok(inode) = &got {
                        let number = inode.id().number;
                        let thing = if directory { Thing::Directory(number) } else { Thing::File(number) };
                        model.insert((d, n), thing);
                    }
                    (got.map(drop), wanted)
                }
                Named::Link(d, n, to_d, to_n) => {
                    let Some(&thing) = model.get(&(d, n)) else { continue };
                    let inode = with_context(|cx| dir(d).lookup(cx, &name(n))).unwrap();
                    let got = with_context(|cx| dir(to_d).link(cx, &name(to_n), &inode));
                    let wanted = if thing.is_directory() {
                        Err(Errno::EPERM)
                    } else {
                        match model.entry((to_d, to_n)) {
                            Entry::Occupied(_) => Err(Errno::EEXIST),
                            Entry::Vacant(free) => {
                                free.insert(thing);
                                Ok(())
                            }
                        }
                    };
                    (got, wanted)
                }
                Named::Unlink(d, n) => {
                    let got = with_context(|cx| dir(d).unlink(cx, &name(n)));
                    let wanted = match model.get(&(d, n)) {
                        None => Err(Errno::ENOENT),
                        Some(Thing::Directory(_)) => Err(Errno::EISDIR),
                        Some(Thing::File(_)) => { model.remove(&(d, n)); Ok(()) }
                    };
                    (got, wanted)
                }
                Named::Rmdir(d, n) => {
                    let got = with_context(|cx| dir(d).remove_directory(cx, &name(n)));
                    let wanted = match model.get(&(d, n)) {
                        None => Err(Errno::ENOENT),
                        Some(Thing::File(_)) => Err(Errno::ENOTDIR),
                        Some(Thing::Directory(_)) => { model.remove(&(d, n)); Ok(()) }
                    };
                    (got, wanted)
                }
                Named::Rename(d, n, to_d, to_n, flags) => {
                    let flags = RenameFlags::from_bits_truncate(flags.into());
                    let (from, to) = (model.get(&(d, n)).copied(), model.get(&(to_d, to_n)).copied());
                    // What the caller sees to.
                    if from.is_some() && from == to { continue }
                    let got = with_context(|cx| dir(d).rename(cx, &name(n), dir(to_d), &name(to_n), flags));
                    let wanted = match (from, to) {
                        (None, _) => Err(Errno::ENOENT),
                        (Some(_), None) if flags == RenameFlags::EXCHANGE => Err(Errno::ENOENT),
                        (Some(from), Some(to)) if flags == RenameFlags::EXCHANGE => {
                            model.insert((d, n), to);
                            model.insert((to_d, to_n), from);
                            Ok(())
                        }
                        (Some(_), Some(_)) if flags == RenameFlags::NO_REPLACE => Err(Errno::EEXIST),
                        (Some(from), Some(to)) if from.is_directory() && !to.is_directory() => Err(Errno::ENOTDIR),
                        (Some(from), Some(to)) if !from.is_directory() && to.is_directory() => Err(Errno::EISDIR),
                        (Some(from), _) => {
                            model.remove(&(d, n));
                            model.insert((to_d, to_n), from);
                            Ok(())
                        }
                    };
                    (got, wanted)
                }
            };
            prop_assert_eq!(got, wanted.map_err(Stop::Error));
        }
        for (d, directory) in (0u8..).zip(&directories) {
            let mut seen = BTreeMap::new();
            with_context(|cx| directory.entries(cx, 0, &mut |entry| {
                let thing = match entry.kind {
                    FileKind::Directory => Thing::Directory(entry.number),
                    _ => Thing::File(entry.number),
                };
                seen.insert((d, entry.name[0] - b'a'), thing);
                Ok(Flow::Continue)
            })).unwrap();
            let wanted: BTreeMap<_, _> = model.range((d, 0)..(d + 1, 0)).map(|(key, thing)| (*key, *thing)).collect();
            prop_assert_eq!(&seen, &wanted);
            let links = with_context(|cx| directory.metadata(cx)).unwrap().links;
            prop_assert_eq!(links as usize, 2 + wanted.values().filter(|thing| thing.is_directory()).count());
        }
        for (&(d, n), thing) in &model {
            let inode = with_context(|cx| dir(d).lookup(cx, &name(n))).unwrap();
            let links = with_context(|cx| inode.metadata(cx)).unwrap().links as usize;
            let names = model.values().filter(|other| *other == thing).count();
            prop_assert_eq!(links, if thing.is_directory() { 2 } else { names });
        }
        let distinct: alloc::collections::BTreeSet<_> = model.values().map(|thing| match thing {
            Thing::File(number) | Thing::Directory(number) => *number,
        }).collect();
        prop_assert_eq!(fs.status().free_inodes as usize, 100 - 4 - distinct.len());
    }
}

mod cpio;
mod holes;
mod nameless;
