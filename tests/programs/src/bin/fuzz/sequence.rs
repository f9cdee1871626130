//! One sequence: a process with descriptors of every kind that makes calls, alone or with threads and children.

use crate::arguments::{Family, Generator, Made, Ring};
use crate::process::{self, Arena, Counter};
use crate::random::Random;
use abi::linux::{SystemCall, UringParams};
use std::collections::BTreeSet;
use std::io;
use std::thread;

/// Calls of one thread of a sequence.
pub const CALLS: usize = 400;

/// Calls that a child makes before it ends.
const CHILD_CALLS: usize = 30;

/// Children of children beyond this are not made.
const DEPTH: u32 = 2;

/// What a sequence is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of the session.
    pub seed: u64,
    /// The number of the sequence.
    pub number: u64,
    /// Only the calls at these places are made, of each thread.
    pub places: std::ops::Range<usize>,
    /// These calls are not made.
    pub without: BTreeSet<u64>,
}

impl Plan {
    fn random(&self, thread: u64) -> Random {
        Random::new(self.seed, self.number << 8 | thread)
    }

    /// Whether the sequence is made by a user without rights; it may then name any process.
    fn is_harmless(&self) -> bool {
        self.number % 4 == 3
    }

    /// How many threads make calls.
    fn threads(&self) -> u64 {
        [1, 1, 2, 3][(self.number / 4 % 4) as usize]
    }

    fn makes(&self, place: usize, made: &Made) -> bool {
        self.places.contains(&place) && !self.without.contains(&made.number)
    }
}

/// Prints the calls of a sequence as far as its plan makes them.
pub fn explain(plan: &Plan) -> io::Result<()> {
    for thread in 0..plan.threads() {
        let arena = Arena::new(4)?;
        let mut generator = Generator::new(plan.random(thread), &arena, None);
        generator.family.harmless = plan.is_harmless();
        for place in 0..CALLS {
            let made = generator.next();
            let _drawn = is_end(&mut generator, &made);
            if plan.makes(place, &made) {
                println!("{thread}/{place} {}", describe(&made, &arena));
            }
        }
    }
    Ok(())
}

fn describe(made: &Made, arena: &Arena) -> String {
    let name = SystemCall::from_number(made.number).map_or("?", SystemCall::name);
    let words: Vec<String> = made
        .words
        .iter()
        .map(|&word| match word.checked_sub(arena.base()) {
            Some(offset) if offset <= arena.size() as u64 => format!("arena+{offset:#x}"),
            _ => format!("{word:#x}"),
        })
        .collect();
    format!("{name}({})", words.join(", "))
}

/// Makes the calls of a plan. The process is good for nothing afterwards.
pub fn perform(plan: &Plan, counter: Counter) -> io::Result<()> {
    let arena = Arena::new(4)?;
    call(SystemCall::Setsid, [0; 6]);
    furnish(&arena);
    let ring = make_ring(&arena);
    if plan.is_harmless() {
        call(SystemCall::Setgroups, [0; 6]);
        call(SystemCall::Setresgid, [65534, 65534, 65534, 0, 0, 0]);
        call(SystemCall::Setresuid, [65534, 65534, 65534, 0, 0, 0]);
    }
    process::expect_interruptions();
    thread::scope(|scope| {
        for thread in 1..plan.threads() {
            scope.spawn(move || {
                if let Ok(arena) = Arena::new(4) {
                    work(plan, thread, &arena, ring, counter);
                }
            });
        }
        work(plan, 0, &arena, ring, counter);
    });
    Ok(())
}

/// Opens descriptors of every kind, so that the numbers which calls draw mostly are some.
fn furnish(arena: &Arena) {
    let text = |text: &str| arena.put(64, format!("{text}\0").as_bytes());
    // What it reads and prints is nobody's.
    let null = call(SystemCall::Open, [text("/dev/null"), 2, 0, 0, 0, 0]).cast_unsigned();
    for standard in 0..3 {
        call(SystemCall::Dup2, [null, standard, 0, 0, 0, 0]);
    }
    call(SystemCall::Close, [null, 0, 0, 0, 0, 0]);
    let open = |path: &str, flags: u64| {
        call(SystemCall::Open, [text(path), flags, 0o666, 0, 0, 0]);
    };
    call(SystemCall::Mkdir, [text("/tmp/f"), 0o777, 0, 0, 0, 0]);
    call(SystemCall::Chmod, [text("/tmp/f"), 0o777, 0, 0, 0, 0]);
    call(SystemCall::Chdir, [text("/tmp/f"), 0, 0, 0, 0, 0]);
    call(SystemCall::Mkdir, [text("d"), 0o777, 0, 0, 0, 0]);
    call(SystemCall::Mknod, [text("p"), 0o10666, 0, 0, 0, 0]);
    for (path, flags) in [
        ("a", 0o102),
        ("b", 0o102),
        ("d", 0o40000),
        ("p", 0o4002),
        ("/dev/null", 2),
        ("/dev/zero", 2),
        ("/dev/ptmx", 0o4402),
        ("/proc/self/maps", 0),
        ("/proc", 0o40000),
        ("a", 0o10000000),
        ("/dev/corral", 2),
        ("/dev/full", 2),
    ] {
        open(path, flags);
    }
    let pair = arena.base() + 64;
    call(SystemCall::Pipe2, [pair, 0, 0, 0, 0, 0]);
    call(SystemCall::Pipe2, [pair, 0o4000, 0, 0, 0, 0]);
    for kind in [1, 2, 5] {
        call(SystemCall::Socketpair, [1, kind, 0, pair, 0, 0]);
        call(SystemCall::Socket, [1, kind, 0, 0, 0, 0]);
    }
    call(SystemCall::Socket, [2, 1, 0, 0, 0, 0]);
    call(SystemCall::Socket, [2, 2, 0, 0, 0, 0]);
    call(SystemCall::Eventfd2, [3, 0o4000, 0, 0, 0, 0]);
    call(SystemCall::EpollCreate1, [0; 6]);
    call(SystemCall::EpollCreate1, [0; 6]);
    call(SystemCall::TimerfdCreate, [1, 0, 0, 0, 0, 0]);
    let set = arena.put(64, &u64::MAX.to_le_bytes());
    call(SystemCall::Signalfd4, [u64::MAX, set, 8, 0o4000, 0, 0]);
    let own = call(SystemCall::Getpid, [0; 6]).cast_unsigned();
    call(SystemCall::PidfdOpen, [own, 0, 0, 0, 0, 0]);
    call(SystemCall::MemfdCreate, [text("m"), 0, 0, 0, 0, 0]);
    call(SystemCall::InotifyInit1, [0o4000, 0, 0, 0, 0, 0]);
}

/// Makes a ring of io_uring; its descriptor, and where it is told how many entries there are.
fn make_ring(arena: &Arena) -> Option<(u64, usize)> {
    let mut params = [0; UringParams::SIZE];
    let at = arena.put(64, &params);
    let made = call(SystemCall::IoUringSetup, [8, at, 0, 0, 0, 0]);
    let descriptor = u64::try_from(made).ok()?;
    arena.get(64, &mut params);
    let told = UringParams::decode(&params);
    Some((descriptor, told.sq_off.tail as usize))
}

/// A ring as one thread sees it.
fn map_ring((descriptor, tail): (u64, usize)) -> Option<Ring> {
    /// Where its entries begin.
    const ENTRIES: u64 = 0x1000_0000;
    Some(Ring {
        descriptor,
        entries: Arena::of_ring(descriptor, ENTRIES)?,
        rings: Arena::of_ring(descriptor, 0)?,
        tail,
    })
}

fn call(call: SystemCall, words: [u64; 6]) -> i64 {
    process::call(u64::from(call.number()), words)
}

/// Draws whether a call that ends or replaces the process is left out; every such call draws, whoever makes it.
fn is_end(generator: &mut Generator<'_>, made: &Made) -> bool {
    use SystemCall as S;
    let ends = matches!(
        SystemCall::from_number(made.number),
        Some(S::Exit | S::ExitGroup | S::Execve | S::Execveat | S::RtSigreturn)
    );
    ends && !generator.one_in(6)
}

/// The calls of one thread.
fn work(plan: &Plan, thread: u64, arena: &Arena, ring: Option<(u64, usize)>, counter: Counter) {
    let ring = ring.and_then(map_ring);
    let mut generator = Generator::new(plan.random(thread), arena, ring.as_ref());
    generator.family = Family {
        own: call(SystemCall::Getpid, [0; 6]).cast_unsigned(),
        child: 0,
        harmless: plan.is_harmless(),
    };
    let mut depth = 0;
    let mut end = CALLS;
    let mut place = 0;
    while place < end {
        if place.is_multiple_of(16) {
            process::keep_interrupting();
        }
        let made = generator.next();
        let left_out = is_end(&mut generator, &made);
        if plan.makes(place, &made) && !left_out && !(is_birth(made.number) && depth == DEPTH) {
            let result = process::call(made.number, made.words);
            counter.count();
            if is_birth(made.number) && result > 0 {
                generator.family.child = result.cast_unsigned();
            }
            if is_birth(made.number) && result == 0 && made.number != VFORK {
                depth += 1;
                end = end.min(place.saturating_add(CHILD_CALLS));
                generator.family.own = call(SystemCall::Getpid, [0; 6]).cast_unsigned();
                process::expect_interruptions();
            } else if made.number == VFORK && result == 0 {
                process::leave();
            }
        }
        // Calls have scribbled over it when this does not hold.
        place = place.saturating_add(1);
    }
    if depth > 0 {
        process::leave();
    }
}

const VFORK: u64 = SystemCall::Vfork as u64;

fn is_birth(number: u64) -> bool {
    use SystemCall as S;
    matches!(
        SystemCall::from_number(number),
        Some(S::Fork | S::Vfork | S::Clone | S::Clone3)
    )
}
