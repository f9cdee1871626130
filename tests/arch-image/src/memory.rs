//! Address spaces, rights, user copies.

use crate::check::Checks;
use crate::frames::{self, FRAMES};
use crate::programs::{CODE, DATA, MORE, Room};
use abi::Cid;
use abi::mmu::{Access, PageNumber, Protection, Translations};
use arch::user::{self, UserFault};
use arch::{LINEAR_BASE, Space, USER_LIMIT};
use core::sync::atomic::Ordering;

pub fn run(checks: &mut Checks) {
    checks.check(
        "ARCH0010",
        "no kernel page is both writable and executable",
        rights,
    );
    checks.check(
        "ARCH0011",
        "user copies survive faults and report them",
        copies,
    );
    checks.check(
        "ARCH0067",
        "a copy keeps the registers that functions keep, also when it ends in a fault",
        kept_registers,
    );
    checks.check("ARCH0068", "a frame is copied as a whole", whole_frames);
    checks.check("ARCH0012", "user words are exchanged atomically", words);
    checks.check(
        "ARCH0018",
        "the kernel's memory functions do what C says",
        memory_functions,
    );
    checks.check(
        "ARCH0013",
        "narrowing and removing a page take effect at once",
        changes,
    );
    checks.check(
        "ARCH0019",
        "a run of pages is installed and protected as single pages are",
        runs,
    );
    checks.check(
        "ARCH0065",
        "runs of pages of any length are gone at once, and nothing else",
        removals,
    );
    checks.check(
        "ARCH0066",
        "a space that is given up leaves no translation",
        retired,
    );
    checks.check(
        "ARCH0015",
        "tables come late and are all given back",
        tables,
    );
    checks.check(
        "ARCH0016",
        "more spaces than process ids never mix",
        recycling,
    );
    checks.check(
        "ARCH0040",
        "small spaces that take turns in the tree of a CPU never mix",
        turns,
    );
    checks.check(
        "ARCH0600",
        "a page that two small spaces share passes from one to the other",
        sharing,
    );
    checks.check(
        "ARCH0069",
        "a space begins small, also after it has lost its tables",
        beginnings,
    );
    checks.check(
        "ARCH0017",
        "an install without tables changes nothing",
        exhaustion,
    );
}

fn rights(checks: &mut Checks) {
    let (_, end) = arch::image();
    let mut executable = 0;
    let mut previous = None;
    for page in (0..end + (4 << 20)).step_by(4096) {
        let rights = arch::radix::kernel_rights(LINEAR_BASE + page);
        if let Some((read, write, execute, privileged)) = rights {
            checks.holds(
                "readable, privileged, not both writable and executable",
                read && privileged && !(write && execute),
            );
            executable += u32::from(execute);
        }
        if rights != previous {
            arch::print!("  {page:8x} {rights:?}\n");
            previous = rights;
        }
    }
    checks.holds("some code", executable > 0);
    checks.same(
        "low memory behind the vectors",
        arch::radix::kernel_rights(LINEAR_BASE + 0x8000),
        None,
    );
    checks.same(
        "address 0 as the kernel sees it",
        user::load_u32(0).map_err(|fault| fault.address),
        Err(0),
    );
}

fn copies(checks: &mut Checks) {
    let mut room = Room::new();
    room.space.activate();
    let pattern: [u8; 300] = core::array::from_fn(|n| (n * 7 + 1) as u8);
    for offset in [0, 1, 3, 8, 63] {
        for size in [0, 1, 7, 8, 9, 63, 64, 65, 128, 255, 300] {
            let at = DATA + 500 + offset;
            checks.same("fill", user::fill(DATA, 4096, 0xaa), Ok(()));
            checks.same("out", user::copy_out(at, &pattern[..size]), Ok(()));
            let page = frames::bytes(room.data);
            let start = 500 + offset as usize;
            checks.holds("bytes", page[start..start + size] == pattern[..size]);
            checks.holds(
                "no more",
                page[start - 1] == 0xaa && page[start + size] == 0xaa,
            );
            let mut back = [0x55; 301];
            checks.same("in", user::copy_in(&mut back[..size], at), Ok(()));
            checks.holds(
                "bytes back",
                back[..size] == pattern[..size] && back[size] == 0x55,
            );
        }
    }
    let mut buffer = [0; 300];
    let fault = |address, access| Err(UserFault { address, access });
    let end = DATA + 4096;
    checks.same(
        "in over the end",
        user::copy_in(&mut buffer, end - 100),
        fault(end, Access::Read),
    );
    checks.same(
        "out over the end",
        user::copy_out(end - 100, &pattern),
        fault(end, Access::Write),
    );
    checks.same(
        "out to code",
        user::copy_out(CODE + 8, &pattern),
        fault(CODE + 8, Access::Write),
    );
    checks.same(
        "fill nothing",
        user::fill(0x5000, 10, 0),
        fault(0x5000, Access::Write),
    );
    checks.same(
        "kernel",
        user::copy_in(&mut buffer, LINEAR_BASE),
        fault(LINEAR_BASE, Access::Read),
    );
    checks.same(
        "limit",
        user::copy_in(&mut buffer, USER_LIMIT - 4),
        fault(USER_LIMIT, Access::Read),
    );
    checks.same(
        "wrap",
        user::copy_out(u64::MAX - 3, &pattern),
        fault(u64::MAX - 3, Access::Write),
    );
    frames::bytes(room.data)[4000..4006].copy_from_slice(b"hello\0");
    checks.same(
        "string",
        user::copy_string_in(&mut buffer, DATA + 4000),
        Ok(Some(5)),
    );
    frames::bytes(room.data)[4000..].fill(b'x');
    checks.same(
        "endless string",
        user::copy_string_in(&mut buffer, DATA + 4000).map(|_| ()),
        fault(end, Access::Read),
    );
    room.end();
}

unsafe extern "C" {
    fn kept_by_copy(to: *mut u8, from: *const u8, count: u64) -> u64;
}

fn kept_registers(checks: &mut Checks) {
    let mut room = Room::new();
    room.space.activate();
    let from = [0; 4096];
    for start in [0, 1, 3700, 3840, 3968, 4000, 4095] {
        for count in [1, 100, 127, 128, 300, 1000, 4096] {
            // SAFETY: a copy to user memory, for which a fault is no harm.
            let lost = unsafe { kept_by_copy((DATA + start) as *mut u8, from.as_ptr(), count) };
            checks.same("lost", lost, 0);
        }
    }
    room.end();
}

fn whole_frames(checks: &mut Checks) {
    let [from, to, behind]: [_; 3] = core::array::from_fn(|_| FRAMES.block(0));
    let pattern = |n: usize| (n * 7 + n / 256) as u8;
    for (n, byte) in frames::bytes(from).iter_mut().enumerate() {
        *byte = pattern(n);
    }
    frames::bytes(to).fill(1);
    frames::bytes(behind).fill(2);
    // SAFETY: frames of this image, which nobody else uses.
    unsafe { arch::frame::copy(from, to) };
    for frame in [from, to] {
        let right = |(n, byte): (usize, &u8)| *byte == pattern(n);
        checks.holds("bytes", frames::bytes(frame).iter().enumerate().all(right));
    }
    checks.holds(
        "no more",
        frames::bytes(behind).iter().all(|byte| *byte == 2),
    );
    for frame in [from, to, behind] {
        FRAMES.release(frame, 0);
    }
}

fn beginnings(checks: &mut Checks) {
    // More than a small space has.
    const PAGES: u64 = 600;
    let frame = FRAMES.block(0);
    let mut space = Space::new(&FRAMES, Cid::GLOBAL).refillable();
    for turn in 0..2 {
        space.activate();
        checks.holds("small", space.is_small());
        for n in 0..PAGES {
            let page = PageNumber::holding(DATA + n * 4096);
            checks.same(
                "install",
                space.install(page, frame, Protection::READ),
                Ok(()),
            );
            checks.holds("there", user::load_u64(page.address()).is_ok());
        }
        checks.same("outgrown", (turn, space.is_small()), (turn, false));
        for n in 0..PAGES {
            checks.holds("still there", user::load_u64(DATA + n * 4096).is_ok());
        }
        Space::new(&FRAMES, Cid::GLOBAL).activate();
        checks.holds("gone", user::load_u64(DATA).is_err());
        space.discard();
    }
    drop(space);
    FRAMES.release(frame, 0);
}

fn words(checks: &mut Checks) {
    let mut room = Room::new();
    room.space.activate();
    checks.same("store", user::store_u32(MORE + 4, 7), Ok(()));
    checks.same(
        "exchange",
        user::compare_exchange_u32(MORE + 4, 7, 8),
        Ok(7),
    );
    checks.same(
        "no exchange",
        user::compare_exchange_u32(MORE + 4, 7, 9),
        Ok(8),
    );
    checks.same("update", user::update_u32(MORE + 4, |old| old * 2), Ok(8));
    checks.same("load", user::load_u32(MORE + 4), Ok(16));
    checks.same("load 64", user::load_u64(MORE), Ok(16 << 32));
    checks.holds(
        "misaligned",
        user::compare_exchange_u32(MORE + 5, 0, 0).is_err(),
    );
    checks.holds(
        "read-only",
        user::compare_exchange_u32(CODE, 0x4400_0002, 1).is_err(),
    );
    checks.holds("absent", user::compare_exchange_u32(0, 0, 1).is_err());
    room.end();
}

fn changes(checks: &mut Checks) {
    let mut room = Room::new();
    room.space.activate();
    let page = PageNumber::holding(DATA);
    checks.same("writable", user::store_u64(DATA, 1), Ok(()));
    room.space.protect(page, 1, Protection::READ);
    checks.holds("not writable", user::store_u64(DATA, 2).is_err());
    checks.same("readable", user::load_u64(DATA), Ok(1));
    room.space
        .protect(page, 1, Protection::READ | Protection::WRITE);
    checks.same("writable again", user::store_u64(DATA, 3), Ok(()));
    let other = FRAMES.block(0);
    checks.same(
        "replace",
        room.space.install(page, other, Protection::READ),
        Ok(()),
    );
    checks.same("other frame", user::load_u64(DATA), Ok(0));
    room.space.remove(page, 1);
    checks.holds("gone", user::load_u64(DATA).is_err());
    checks.same("the rest stays", user::load_u64(MORE), Ok(0));
    for n in 0..200 {
        checks.same(
            "many",
            room.space
                .install(PageNumber(page.0 + n), other, Protection::READ),
            Ok(()),
        );
        checks.same("many", user::load_u64(DATA + n * 4096), Ok(0));
    }
    room.space.remove(PageNumber(0), u64::MAX);
    checks.holds(
        "all gone",
        (0..200).all(|n| user::load_u64(DATA + n * 4096).is_err()) && user::load_u64(MORE).is_err(),
    );
    checks.same(
        "back",
        room.space.install(page, other, Protection::READ),
        Ok(()),
    );
    checks.same("read", user::load_u64(DATA), Ok(0));
    room.space.discard();
    checks.holds(
        "discarded",
        user::load_u64(DATA).is_err() && room.space.is_active(),
    );
    checks.same(
        "back again",
        room.space.install(page, other, Protection::READ),
        Ok(()),
    );
    checks.same("read again", user::load_u64(DATA), Ok(0));
    FRAMES.release(other, 0);
    room.end();
}

fn runs(checks: &mut Checks) {
    let mut space = Space::new(&FRAMES, Cid::GLOBAL);
    space.activate();
    let both = Protection::READ | Protection::WRITE;
    // Across the border of a last-level table, with gaps.
    let first = PageNumber((DATA >> 12) + 512 - 8);
    let entries: [_; 16] = core::array::from_fn(|n| (n % 3 != 1).then(|| (FRAMES.block(0), both)));
    checks.same("install", space.install_run(first, &entries), Ok(()));
    let at = |n: usize| first.address() + n as u64 * 4096;
    for (n, entry) in entries.iter().enumerate() {
        let stored = user::store_u64(at(n), n as u64 + 1).is_ok();
        checks.same("store", stored, entry.is_some());
    }
    space.protect_runs(
        &[(first, 4), (PageNumber(first.0 + 10), 6)],
        Protection::READ,
    );
    for (n, entry) in entries.iter().enumerate() {
        let narrow = !(4..10).contains(&n);
        checks.same(
            "store",
            user::store_u64(at(n), 9).is_ok(),
            entry.is_some() && !narrow,
        );
    }
    // Again, with the frames in another order: every page shows its new frame.
    let turned: [_; 16] = core::array::from_fn(|n| entries[15 - n]);
    checks.same("install", space.install_run(first, &turned), Ok(()));
    for (n, entry) in turned
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.is_some())
    {
        let Some((frame, _)) = entry else { continue };
        let there = u64::from_le_bytes(core::array::from_fn(|n| frames::bytes(*frame)[n]));
        checks.same("contents", user::load_u64(at(n)), Ok(there));
    }
    let beyond = PageNumber((USER_LIMIT >> 12) - 8);
    checks.holds(
        "beyond the limit",
        space.install_run(beyond, &entries).is_err(),
    );
    for (frame, _) in entries.iter().flatten() {
        FRAMES.release(*frame, 0);
    }
}

fn removals(checks: &mut Checks) {
    const PAGES: u64 = 2000;
    let frame = FRAMES.block(0);
    frames::bytes(frame)[..8].copy_from_slice(&7u64.to_le_bytes());
    let mut space = Space::new(&FRAMES, Cid::GLOBAL);
    space.activate();
    // Over several tables, the first and the last of which are not filled.
    let first = PageNumber((5 << 9) + 100);
    let at = |n: u64| PageNumber(first.0 + n);
    let there = |n: u64| user::load_u64(at(n).address()) == Ok(7);
    for (from, count) in [(0, PAGES), (3, 1), (0, 31), (500, 33), (7, 1000), (1, 1100)] {
        let entries = [Some((frame, Protection::READ)); 16];
        for n in (0..PAGES).step_by(16) {
            checks.same("install", space.install_run(at(n), &entries), Ok(()));
        }
        checks.holds("all there", (0..PAGES).all(there));
        space.remove(at(from), count);
        let gone = from..from + count;
        checks.holds("gone", gone.clone().all(|n| !there(n)));
        let mut others = (0..PAGES).filter(|n| !gone.contains(n));
        checks.holds("others there", others.all(there));
    }
    // Pages far apart are more runs than an invalidation counts.
    for n in (0..PAGES).step_by(16) {
        let entries = [Some((frame, Protection::READ)); 16];
        checks.same("install", space.install_run(at(n), &entries), Ok(()));
    }
    checks.holds("all there", (0..PAGES).all(there));
    let runs: [(PageNumber, u64); 40] = core::array::from_fn(|n| (at(n as u64 * 40), 3));
    space.protect_runs(&runs, Protection::empty());
    checks.holds(
        "denied",
        (0..PAGES).all(|n| there(n) != (n < 1600 && n % 40 < 3)),
    );
    drop(space);
    FRAMES.release(frame, 0);
}

fn tables(checks: &mut Checks) {
    let before = FRAMES.taken.load(Ordering::Relaxed);
    let now = || FRAMES.taken.load(Ordering::Relaxed) - before;
    let mut space = Space::new(&FRAMES, Cid::GLOBAL);
    checks.same("none at first", now(), 0);
    space.activate();
    checks.same("a root to run by", now(), 16);
    let frame = FRAMES.block(0);
    let page = |n: u64| PageNumber(n << 9);
    for n in 0..20 {
        checks.same(
            "install",
            space.install(page(n), frame, Protection::READ),
            Ok(()),
        );
    }
    checks.same("a root and tables", now(), 16 + 2 + 20);
    space.remove(page(0), 10 << 9);
    checks.same("emptied tables are back", now(), 16 + 2 + 10);
    space.remove(page(15), 1);
    checks.same("a single page too", now(), 16 + 2 + 9);
    space.remove(PageNumber(0), u64::MAX);
    checks.same("only the root is left", now(), 16);
    checks.same(
        "install",
        space.install(page(1000), frame, Protection::READ),
        Ok(()),
    );
    space.discard();
    checks.same("discarded", now(), 0);
    checks.same(
        "install",
        space.install(page(1000), frame, Protection::READ),
        Ok(()),
    );
    drop(space);
    checks.same("dropped", now(), 0);
    FRAMES.release(frame, 0);
}

fn retired(checks: &mut Checks) {
    let page = PageNumber::holding(DATA);
    let blocks: [_; 3] = core::array::from_fn(|n| {
        let frame = FRAMES.block(0);
        frames::bytes(frame)[..8].copy_from_slice(&(n as u64 + 1).to_le_bytes());
        frame
    });
    let mut spaces = [(); 2].map(|()| Space::new(&FRAMES, Cid::GLOBAL));
    let shown = || user::load_u64(DATA).ok();
    for (round, frame) in blocks.into_iter().enumerate() {
        let [one, other] = &mut spaces;
        checks.same(
            "install",
            one.install(page, frame, Protection::READ),
            Ok(()),
        );
        one.activate();
        checks.same("its page", shown(), Some(round as u64 + 1));
        // While another is active, while it is itself, and by its end.
        match round {
            0 => {
                other.activate();
                one.discard();
            }
            1 => one.discard(),
            _ => {
                other.activate();
                *one = Space::new(&FRAMES, Cid::GLOBAL);
            }
        }
        one.activate();
        checks.same("nothing left", shown(), None);
        other.activate();
        checks.same("nothing of the other's", shown(), None);
    }
    drop(spaces);
    for frame in blocks {
        FRAMES.release(frame, 0);
    }
}

fn recycling(checks: &mut Checks) {
    const SPACES: usize = 600;
    const ROUNDS: u64 = 12;
    let generation = arch::process_id_generation();
    let mut spaces = alloc::vec::Vec::new();
    for n in 0..SPACES as u64 {
        let mut space = Space::new(&FRAMES, Cid::GLOBAL);
        let frame = FRAMES.block(0);
        frames::bytes(frame)[..8].copy_from_slice(&n.to_le_bytes());
        checks.holds(
            "install",
            space
                .install(PageNumber::holding(DATA), frame, Protection::READ)
                .is_ok(),
        );
        spaces.push((space, frame));
    }
    for round in 0..ROUNDS {
        for (n, (space, frame)) in spaces.iter_mut().enumerate() {
            space.activate();
            checks.same("own page", user::load_u64(DATA), Ok(n as u64));
            // A new space takes the place, so that ids run out.
            let mut fresh = Space::new(&FRAMES, Cid::GLOBAL);
            checks.holds(
                "install",
                fresh
                    .install(PageNumber::holding(DATA), *frame, Protection::READ)
                    .is_ok(),
            );
            if (n as u64 + round).is_multiple_of(3) {
                continue;
            }
            *space = fresh;
        }
    }
    checks.holds("ids ran out", arch::process_id_generation() > generation);
    for (_, frame) in spaces {
        FRAMES.release(frame, 0);
    }
}

fn turns(checks: &mut Checks) {
    let both = Protection::READ | Protection::WRITE;
    let before = FRAMES.taken.load(Ordering::Relaxed);
    let mut spaces: [Space; 3] = core::array::from_fn(|_| Space::new(&FRAMES, Cid::GLOBAL));
    let pages: [_; 4] = core::array::from_fn(|_| FRAMES.block(0));
    let install = |space: &mut Space, address, n: usize| {
        space
            .install(PageNumber::holding(address), pages[n], both)
            .is_ok()
    };
    let mine = |spaces: &mut [Space; 3], checks: &mut Checks| {
        for round in 0..40 {
            for (n, space) in spaces.iter_mut().enumerate() {
                space.activate();
                checks.same("own", user::load_u64(DATA), Ok(n as u64 + 1));
                checks.same("stored", user::store_u64(DATA + 8, round), Ok(()));
                let there = user::load_u64(MORE + n as u64 * 4096);
                checks.same("own elsewhere", there, Ok(n as u64 + 1));
                let foreign = user::load_u64(MORE + (n as u64 + 1) % 3 * 4096);
                checks.holds("nothing of another", foreign.is_err());
            }
        }
    };
    for (n, space) in spaces.iter_mut().enumerate() {
        frames::bytes(pages[n])[..8].copy_from_slice(&(n as u64 + 1).to_le_bytes());
        checks.holds("install", install(space, DATA, n));
        checks.holds("install", install(space, MORE + n as u64 * 4096, n));
    }
    mine(&mut spaces, checks);
    checks.holds("small", spaces.iter().all(Space::is_small));
    // Changes of the one that is active, and of one that is not.
    for changed in [2, 0] {
        let space = &mut spaces[changed];
        space.protect(PageNumber::holding(DATA), 1, Protection::READ);
        let active = space.is_active();
        space.activate();
        checks.holds("narrowed", user::store_u64(DATA, 9).is_err());
        checks.holds("install", install(space, DATA, changed));
        checks.same("widened", user::store_u64(DATA + 16, 9), Ok(()));
        checks.holds("install", install(space, DATA, 3));
        checks.same("another frame", user::load_u64(DATA), Ok(0));
        space.remove(PageNumber::holding(DATA), 1);
        checks.holds("removed", user::load_u64(DATA).is_err());
        checks.same("the others stay active or not", active, changed == 2);
        spaces[1].activate();
        checks.same("another's", user::load_u64(DATA), Ok(2));
        let space = &mut spaces[changed];
        checks.holds("install", install(space, DATA, changed));
        mine(&mut spaces, checks);
    }
    // Dropped and installed anew: still small.
    spaces[0].discard();
    spaces[0].activate();
    checks.holds("discarded", user::load_u64(DATA).is_err());
    checks.holds("install", install(&mut spaces[0], DATA, 0));
    checks.holds("install", install(&mut spaces[0], MORE, 0));
    mine(&mut spaces, checks);
    checks.holds("still small", spaces.iter().all(Space::is_small));
    // More pages than a small space has, one of them in a branch of its own.
    for n in 1..=600 {
        checks.holds("install", install(&mut spaces[1], DATA + n * 4096, 3));
        spaces[2].activate();
        checks.holds("nothing of it", user::load_u64(DATA + n * 4096).is_err());
        spaces[1].activate();
        checks.same("there", user::load_u64(DATA + n * 4096), Ok(0));
    }
    checks.holds("not small", !spaces[1].is_small());
    for n in 1..=4 {
        checks.holds("install", install(&mut spaces[2], DATA + (n << 39), 3));
    }
    checks.holds("nor that", !spaces[2].is_small());
    mine(&mut spaces, checks);
    drop(spaces);
    checks.same("nothing lost", FRAMES.taken.load(Ordering::Relaxed), before);
    for page in pages {
        FRAMES.release(page, 0);
    }
}

fn sharing(checks: &mut Checks) {
    let both = Protection::READ | Protection::WRITE;
    let mut spaces: [Space; 2] = core::array::from_fn(|_| Space::new(&FRAMES, Cid::GLOBAL));
    let pages: [_; 2] = core::array::from_fn(|_| FRAMES.block(0));
    let page = PageNumber::holding(DATA);
    let shared = |space: &mut Space| space.install(page, pages[0], both).is_ok();
    frames::bytes(pages[0])[..8].copy_from_slice(&7u64.to_le_bytes());
    for space in &mut spaces {
        checks.holds("install", shared(space));
        for _ in 0..40 {
            space.activate();
            Space::new(&FRAMES, Cid::GLOBAL).activate();
        }
    }
    checks.holds("small", spaces.iter().all(Space::is_small));
    // One uses the page, and the other has it narrowed, replaced or removed before it has used it itself.
    for round in 0..70 {
        spaces[0].activate();
        checks.same("stored", user::store_u64(DATA + 8, round), Ok(()));
        let other = &mut spaces[1];
        other.activate();
        match round % 5 {
            0 => {
                other.protect(page, 1, Protection::READ);
                checks.holds("narrowed", user::store_u64(DATA + 8, 0).is_err());
            }
            1 => {
                checks.holds("another", other.install(page, pages[1], both).is_ok());
                checks.same("another frame", user::load_u64(DATA), Ok(0));
            }
            2 => {
                other.remove(page, 1);
                checks.holds("removed", user::load_u64(DATA).is_err());
            }
            3 => checks.same("the same", user::load_u64(DATA + 8), Ok(round)),
            _ => {}
        }
        spaces[0].activate();
        checks.same("stays", user::load_u64(DATA), Ok(7));
        // Nobody has used this one since it was forgotten.
        spaces[1].activate();
        checks.holds("install", shared(&mut spaces[1]));
    }
    checks.holds("still small", spaces.iter().all(Space::is_small));
    drop(spaces);
    for page in pages {
        FRAMES.release(page, 0);
    }
}

fn exhaustion(checks: &mut Checks) {
    let before = FRAMES.taken.load(Ordering::Relaxed);
    let frame = FRAMES.block(0);
    for allowed in 0..4 {
        let mut space = Space::new(&FRAMES, Cid::GLOBAL);
        FRAMES.allowed.store(allowed, Ordering::Relaxed);
        space.activate();
        checks.holds(
            "refused",
            space
                .install(PageNumber::holding(DATA), frame, Protection::READ)
                .is_err(),
        );
        FRAMES.allowed.store(i64::MAX, Ordering::Relaxed);
        checks.holds("nothing there", user::load_u64(DATA).is_err());
        checks.same(
            "later",
            space.install(PageNumber::holding(DATA), frame, Protection::READ),
            Ok(()),
        );
        checks.same("there", user::load_u64(DATA), Ok(0));
    }
    checks.same("nothing lost", FRAMES.taken.load(Ordering::Relaxed), before);
    FRAMES.release(frame, 0);
}

fn memory_functions(checks: &mut Checks) {
    use core::hint::black_box;
    const SIZE: usize = 700;
    let fresh: [u8; SIZE] = core::array::from_fn(|n| (n * 31 + 7) as u8);
    for start in [0, 1, 8, 77, 127, 128, 130] {
        for count in [
            0, 1, 7, 8, 9, 31, 32, 63, 64, 65, 255, 256, 257, 300, 384, 511, 512,
        ] {
            for byte in [0, 0xa5] {
                let mut bytes = black_box(fresh);
                black_box(&mut bytes)[start..start + count].fill(byte);
                let right = |n: usize| {
                    if (start..start + count).contains(&n) {
                        byte
                    } else {
                        fresh[n]
                    }
                };
                checks.holds("fill", (0..SIZE).all(|n| bytes[n] == right(n)));
            }
            for to in [0, 3, 8, 60, 64, 120, 131, 188] {
                let mut bytes = black_box(fresh);
                black_box(&mut bytes).copy_within(start..start + count, to);
                let right = |n: usize| {
                    if (to..to + count).contains(&n) {
                        fresh[n - to + start]
                    } else {
                        fresh[n]
                    }
                };
                checks.holds("move", (0..SIZE).all(|n| bytes[n] == right(n)));
            }
            let mut other = black_box(fresh);
            let (a, b) = (&fresh[start..start + count], start..start + count);
            checks.holds("equal", black_box(a) == &black_box(&other)[b.clone()]);
            if let Some(last) = other[b.clone()].last_mut() {
                *last = last.wrapping_add(1);
                let wanted = fresh[start + count - 1].cmp(&other[start + count - 1]);
                checks.same("order", black_box(a).cmp(&black_box(&other)[b]), wanted);
            }
        }
    } // Whole pages of zeros, and what is a few bytes or blocks more or less.
    let mut large = [0xa5u8; 5000];
    for start in [0, 5, 128, 200] {
        for count in [1000, 1023, 1024, 1152, 1163, 2047, 2048, 4095, 4096, 4700] {
            black_box(&mut large).fill(0xa5);
            black_box(&mut large)[start..start + count].fill(0);
            let wrong =
                |(n, byte): (usize, &u8)| (*byte == 0) != (start..start + count).contains(&n);
            checks.holds("zeros", !large.iter().enumerate().any(wrong));
        }
    }
}
