//! RAMFS08: archives.

use super::*;

struct Packed<'a> {
    name: &'a str,
    mode: u32,
    links: u32,
    inode: u32,
    data: &'a [u8],
}

fn pack(members: &[Packed<'_>]) -> Vec<u8> {
    let trailer = Packed {
        name: "TRAILER!!!",
        mode: 0,
        links: 1,
        inode: 0,
        data: b"",
    };
    let mut out: Vec<u8> = Vec::new();
    for Packed {
        name,
        mode,
        links,
        inode,
        data,
    } in members.iter().chain([&trailer])
    {
        out.extend(b"070701");
        for field in [
            *inode,
            *mode,
            1,
            2,
            *links,
            1000,
            data.len() as u32,
            8,
            1,
            5,
            1,
            name.len() as u32 + 1,
            0,
        ] {
            out.extend(alloc::format!("{field:08X}").bytes());
        }
        out.extend(name.bytes().chain([0]));
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(*data);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

fn plain<'a>(name: &'a str, mode: u32, data: &'a [u8]) -> Packed<'a> {
    Packed {
        name,
        mode,
        links: 1,
        inode: 7,
        data,
    }
}

fn sample() -> Vec<u8> {
    let long: &'static [u8] = &[42; 9000];
    pack(&[
        plain(".", 0o041777, b""),
        plain("bin", 0o040750, b""),
        Packed {
            name: "./bin/busybox",
            mode: 0o104755,
            links: 2,
            inode: 9,
            data: b"",
        },
        Packed {
            name: "bin/sh",
            mode: 0o104755,
            links: 2,
            inode: 9,
            data: long,
        },
        plain("bin/ls", 0o120777, b"busybox"),
        plain("/etc/deep/er/file", 0o100600, b"text"),
        plain("dev/console", 0o020600, b""),
        plain("empty", 0o100644, b""),
    ])
}

fn find(fs: &Ramfs, path: &str) -> Result<Arc<dyn Inode>, Stop> {
    path.split('/').try_fold(fs.root(), |at, name| {
        with_context(|cx| at.lookup(cx, name.as_bytes()))
    })
}

#[test]
fn ramfs08_an_archive_is_unpacked() {
    let fs = ramfs(16, 20);
    let archive = sample();
    let contents = fs.populate(&archive, Cid::GLOBAL).unwrap();
    assert_eq!(
        contents,
        Contents {
            members: 8,
            bytes: 9000 + 7 + 4
        }
    );
    let about = |path: &str| with_context(|cx| find(&fs, path).unwrap().metadata(cx)).unwrap();
    let (sh, busybox) = (about("bin/sh"), about("bin/busybox"));
    assert_eq!(
        (sh.id, sh.links, sh.size, sh.st_mode()),
        (busybox.id, 2, 9000, 0o104755)
    );
    assert_eq!(
        (sh.uid, sh.gid, sh.modified.seconds, sh.owner),
        (1, 2, 1000, Cid::GLOBAL)
    );
    assert_eq!(
        read(&find(&fs, "bin/busybox").unwrap(), 8990, 100),
        [42; 10]
    );
    assert_eq!(
        with_context(|cx| find(&fs, "bin/ls").unwrap().read_link(cx)).unwrap(),
        b"busybox"
    );
    assert_eq!(about("etc/deep").st_mode(), 0o040755);
    // What was put into it later does not count.
    assert_eq!(about("bin").modified.seconds, 1000);
    assert_eq!(
        read(&find(&fs, "etc/deep/er/file").unwrap(), 0, 10),
        b"text"
    );
    assert_eq!(
        (about("dev/console").kind, about("dev/console").device),
        (FileKind::Character, DeviceNumber::new(5, 1))
    );
    assert_eq!(
        with_context(|cx| fs.root().metadata(cx))
            .unwrap()
            .mode
            .bits(),
        0o1777
    );
    // The same again, and another one behind it with zeros between: files are replaced.
    let mut two = archive.clone();
    two.resize(two.len() + 512, 0);
    two.extend(pack(&[plain("empty", 0o100400, b"no more")]));
    fs.populate(&two, Cid::GLOBAL).unwrap();
    assert_eq!(read(&find(&fs, "empty").unwrap(), 0, 10), b"no more");
    assert_eq!(fs.status().free_blocks, 16 - 5);
}

#[test]
fn ramfs09_faults_are_told_with_their_place() {
    let fails = |archive: &[u8]| {
        let error = ramfs(2, 6).populate(archive, Cid::GLOBAL).unwrap_err();
        (error.offset, error.fault)
    };
    let archive = sample();
    assert_eq!(fails(b""), (0, Fault::Truncated));
    assert_eq!(fails(&[0; 512]), (0, Fault::NoHeader));
    assert_eq!(fails(&[0x1f, 0x8b, 8, 0]), (0, Fault::Compressed));
    assert_eq!(
        fails(b"hello, this is not an archive"),
        (0, Fault::NoHeader)
    );
    assert_eq!(fails(&archive[..100]), (0, Fault::Truncated));
    assert_eq!(fails(&archive[..112]), (112, Fault::Truncated));
    assert_eq!(fails(&archive).1, Fault::NoSpace(Errno::ENOSPC));
    let mut number = archive.clone();
    number[20] = b'g';
    assert_eq!(fails(&number), (0, Fault::BadNumber));
    assert_eq!(
        fails(&pack(&[plain("a/../../b", 0o100644, b"")])).1,
        Fault::BadName
    );
    assert_eq!(fails(&pack(&[plain("", 0o100644, b"")])).1, Fault::BadName);
    assert_eq!(fails(&pack(&[plain("f", 0o644, b"")])).1, Fault::BadKind);
    assert_eq!(
        fails(&pack(&[
            plain("f", 0o100644, b""),
            plain("f/g", 0o100644, b"")
        ]))
        .1,
        Fault::Conflict
    );
    assert_eq!(
        fails(&pack(&[
            plain("f", 0o100644, b""),
            plain("f", 0o040755, b"")
        ]))
        .1,
        Fault::Conflict
    );
    let mut behind = pack(&[]);
    behind.extend(b"rubbish!");
    assert_eq!(fails(&behind), (behind.len() - 8, Fault::NoHeader));
    let told = ArchiveError {
        offset: 228,
        fault: Fault::BadName,
    };
    assert_eq!(
        alloc::format!("{told}"),
        "archive has a member with a malformed name, at offset 228"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// RAMFS10: whatever bytes come, there is an answer, and nothing is lost.
    #[test]
    fn ramfs10_mutated_archives_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut archive = sample();
        for (at, byte, digit) in changes {
            let at = at.index(archive.len());
            archive[at] = if digit { b"0123456789abcdefABCDEF"[byte as usize % 22] } else { byte };
        }
        if let Some(cut) = cut {
            archive.truncate(cut.index(archive.len()));
        }
        let fs = ramfs(16, 30);
        if let Err(error) = fs.populate(&archive, Cid::GLOBAL) {
            prop_assert!(error.offset <= archive.len());
        }
        let shared = fs.shared.clone();
        drop(fs);
        prop_assert_eq!(shared.inodes.load(Ordering::Relaxed), 0);
        prop_assert_eq!(shared.pages.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn ramfs11_headers_end(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut archive = Archive::new(&bytes);
        for _ in 0..8 {
            if !matches!(archive.next(), Ok(Some(_))) { break }
        }
    }

    /// RAMFS12: what is packed is found again.
    #[test]
    fn ramfs12_round_trip(files in prop::collection::btree_map("[a-c]{1,2}(/[d-f]{1,2}){0,2}", prop::collection::vec(any::<u8>(), 0..5000), 0..8)) {
        // A file is not a directory too.
        let files: BTreeMap<String, Vec<u8>> = files.iter()
            .filter(|(name, _)| !files.keys().any(|other| other.starts_with(&alloc::format!("{name}/"))))
            .map(|(name, data)| (name.clone(), data.clone())).collect();
        let members: Vec<_> = files.iter().map(|(name, data)| plain(name, 0o100640, data)).collect();
        let fs = ramfs(64, 64);
        prop_assert!(fs.populate(&pack(&members), Cid(1)).is_ok());
        for (name, data) in &files {
            prop_assert_eq!(&read(&find(&fs, name).unwrap(), 0, 6000), data);
        }
    }
}
