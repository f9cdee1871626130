//! Calls with arguments, drawn from a seed: plausible ones, so that calls get far, and malicious ones among them.

use crate::process::{Arena, PAGE};
use crate::random::Random;
use crate::table::{Kind, TABLE};
use abi::linux::SystemCall;

/// How large a partition's fuzzer takes its world to be: descriptors that may be open.
const FILES: usize = 40;

/// One call is of no type in so many.
const UNTYPED: usize = 16;

/// One argument is of no type in so many.
const NASTY: usize = 24;

/// A call with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The number for r0.
    pub number: u64,
    /// The arguments.
    pub words: [u64; 6],
}

/// A ring of io_uring.
pub struct Ring {
    /// Its descriptor.
    pub descriptor: u64,
    /// The first page of its entries.
    pub entries: Arena,
    /// The first page of both rings.
    pub rings: Arena,
    /// Where it is told how many entries there are.
    pub tail: usize,
}

/// Whom calls may reach: processes of the fuzzer itself.
#[derive(Clone, Copy, Default)]
pub struct Family {
    /// The process.
    pub own: u64,
    /// Its latest child.
    pub child: u64,
    /// Whether it may send signals to everybody that it finds.
    pub harmless: bool,
}

/// Draws calls.
pub struct Generator<'a> {
    random: Random,
    arena: &'a Arena,
    used: usize,
    /// A ring, where calls can be put too.
    ring: Option<&'a Ring>,
    /// Whom it may name.
    pub family: Family,
}

const FOLDERS: &[&str] = &[
    "/tmp/f/",
    "/tmp/f/",
    "",
    "d/",
    "d/../",
    "../",
    "/proc/self/",
    "/dev/",
    "/proc/",
    "/",
];
const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "l",
    "m",
    "p",
    "s",
    "d/a",
    "l/a",
    "a/",
    ".",
    "..",
    "fd/3",
    "fd/5",
    "maps",
    "stat",
    "status",
    "mem",
    "exe",
    "cwd",
    "root",
    "task",
    "environ",
    "fdinfo/4",
    "null",
    "zero",
    "full",
    "random",
    "tty",
    "ptmx",
    "pts/0",
    "corral",
    "shm/a",
    "meminfo",
    "uptime",
    "mounts",
    "",
    "comm",
    "oom_score_adj",
    "auxv",
];

/// Calls that could end or starve the fuzzer when root makes them with a number that happens to be a process's.
const REACHES_OTHERS: &[SystemCall] = &[
    SystemCall::Kill,
    SystemCall::Tkill,
    SystemCall::Tgkill,
    SystemCall::RtSigqueueinfo,
    SystemCall::RtTgsigqueueinfo,
    SystemCall::Prlimit64,
    SystemCall::PidfdSendSignal,
    SystemCall::Ptrace,
    SystemCall::Setpriority,
    SystemCall::SchedSetscheduler,
    SystemCall::SchedSetparam,
    SystemCall::SchedSetattr,
    SystemCall::SchedSetaffinity,
    SystemCall::ProcessVmWritev,
    SystemCall::Reboot,
];

impl<'a> Generator<'a> {
    /// A generator for one thread of one sequence.
    pub fn new(random: Random, arena: &'a Arena, ring: Option<&'a Ring>) -> Self {
        Self {
            random,
            arena,
            used: 0,
            ring,
            family: Family::default(),
        }
    }

    /// The next call.
    pub fn next(&mut self) -> Made {
        self.used = 0;
        let mut words = [0; 6];
        if self.random.one_in(UNTYPED) {
            let number = self.random.below(470) as u64;
            words.fill_with(|| self.nasty());
            let reaching =
                SystemCall::from_number(number).is_some_and(|call| REACHES_OTHERS.contains(&call));
            let number = if reaching && !self.family.harmless {
                u64::from(SystemCall::Getpid.number())
            } else {
                number
            };
            return Made { number, words };
        }
        let Some((call, kinds)) = self.random.pick(TABLE) else {
            return Made { number: 0, words };
        };
        for (word, kind) in words.iter_mut().zip(kinds) {
            *word = if matches!(kind, Kind::Process) || !self.random.one_in(NASTY) {
                self.word(*kind)
            } else {
                self.nasty()
            };
        }
        Made {
            number: u64::from(call.number()),
            words,
        }
    }

    /// Whether this is the one time in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.random.one_in(times)
    }

    /// An argument of no type: an address of every bad kind, a length that wraps, a number of any size.
    fn nasty(&mut self) -> u64 {
        let end = self.arena.base() + self.arena.size() as u64;
        let any = self.random.any();
        let values = [
            0,
            1,
            8,
            0xfff,
            end,
            end - 1,
            end - 8,
            end - 13,
            self.arena.base(),
            self.arena.base() + 1,
            any,
            any,
            !any,
            0x7fff_ffff_0000,
            0x0010_0000_0000_0000,
            0x4000_0000_0000_0001,
            1 << 63,
            0xc000_0000_0000_0000,
            0xc000_0000_0040_0003,
            u64::MAX - 0xfff,
            u64::MAX - 7,
            u64::MAX,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            (1 << 63) - 1,
        ];
        self.random.pick(&values).unwrap_or(0)
    }

    fn word(&mut self, kind: Kind) -> u64 {
        match kind {
            Kind::File => self.file(),
            Kind::At if self.random.one_in(3) => self.file(),
            Kind::At => (-100i64).cast_unsigned(),
            Kind::Path => self.path(),
            Kind::Memory => self.memory(),
            Kind::Length => self.length(),
            Kind::Offset => self.offset(),
            Kind::Small => self.random.below(40) as u64,
            Kind::One(values) => self.random.pick(values).unwrap_or(0),
            Kind::Bits(bits) => {
                let count = 1 + self.random.below(4);
                (0..count)
                    .filter_map(|_| self.random.pick(bits))
                    .fold(0, |all, bit| all | bit)
            }
            Kind::SignalNumber => [0, 10, 14, 17, 18, 23, 28, 34, 64, 65]
                .get(self.random.below(10))
                .copied()
                .unwrap_or(0),
            Kind::Process => self.process(),
            Kind::Owner => self
                .random
                .pick(&[0, 0, 1, 65534, u64::MAX, 0xffff_ffff])
                .unwrap_or(0),
            Kind::Vector => self.vector(),
            Kind::Count => self
                .random
                .pick(&[0, 1, 1, 2, 3, 4, 1024, 1025])
                .unwrap_or(0),
            Kind::Span => self.span(1),
            Kind::Spans => self.span(2),
            Kind::Address => self.address(),
            Kind::Message => self.message(),
            Kind::Polls => self.polls(),
            Kind::Signals => {
                let set = self.random.next() & self.random.next();
                self.put(&set.to_le_bytes())
            }
            Kind::Word => self.arena.base() + 4 * self.random.below(4) as u64,
            Kind::Page => self.page(),
            Kind::Strings => self.strings(),
            Kind::Program => {
                let program = self.random.pick(&[
                    "/bin/true",
                    "/usr/lib/corral-tests/fuzz",
                    "/tmp/f/a",
                    "user.a",
                    "/a",
                    "",
                    "/tmp/f/d",
                ]);
                self.put(format!("{}\0", program.unwrap_or("")).as_bytes())
            }
            Kind::CloneArgs => self.clone_args(),
            Kind::Ring => self.submission(),
            Kind::How => self.how(),
            Kind::Either if self.random.one_in(2) => self.random.any(),
            Kind::Either => self.memory(),
        }
    }

    /// A ring, after entries were put into it; now and then anything is put anywhere.
    fn submission(&mut self) -> u64 {
        const ENTRY: usize = 64;
        /// Operations that there are, and some that there are not.
        const OPERATIONS: usize = 48;
        for place in 0..PAGE / ENTRY / 8 {
            let mut entry = [0; ENTRY];
            let (file, at) = (self.file(), self.word(Kind::At));
            let descriptor = if self.random.one_in(3) { at } else { file };
            let address = match self.random.below(5) {
                0 => self.path(),
                1 => self.vector(),
                2 => self.span(1),
                3 => self.address(),
                _ => self.memory(),
            };
            let offset = match self.random.below(3) {
                0 => u64::MAX,
                1 => self.memory(),
                _ => self.random.below(3) as u64,
            };
            let length = self.length() as u32;
            entry[0] = self.random.below(OPERATIONS) as u8;
            if self.random.one_in(3) {
                entry[1] = 1 << self.random.below(8);
            }
            let fields = [
                (4, &(descriptor as u32).to_le_bytes()[..]),
                (8, &offset.to_le_bytes()),
                (16, &address.to_le_bytes()),
                (24, &length.to_le_bytes()),
                (32, &(self.random.below(4) as u64).to_le_bytes()),
            ];
            for (field, bytes) in fields {
                if let Some(into) = entry.get_mut(field..field + bytes.len()) {
                    into.copy_from_slice(bytes);
                }
            }
            if self.random.one_in(4) {
                entry[28] = 1 << self.random.below(8);
            }
            if let Some(ring) = self.ring {
                ring.entries.put(ENTRY * place, &entry);
            }
        }
        let (tail, anything) = (self.random.next() as u32, self.random.next() as u32);
        let anywhere = 4 * self.random.below(PAGE / 4);
        let scribbles = self.random.one_in(8);
        let Some(ring) = self.ring else {
            return self.file();
        };
        ring.rings.put(ring.tail, &tail.to_le_bytes());
        if scribbles {
            ring.rings.put(anywhere, &anything.to_le_bytes());
        }
        ring.descriptor
    }

    fn how(&mut self) -> u64 {
        let flags = self.word(Kind::Bits(&[0, 1, 2, 0o100, 0o4000, 0o40000, 0o2000000]));
        let resolve = self.word(Kind::Bits(&[0, 1, 2, 4, 8, 16, 32]));
        self.put(&[flags, 0, resolve].map(u64::to_le_bytes).concat())
    }

    /// Puts bytes into the arena for this call; now and then so that they end where memory ends.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let room = self.arena.size().saturating_sub(bytes.len());
        if self.random.one_in(12) {
            return self.arena.put(room, bytes);
        }
        let at = (64 + self.used).min(room);
        self.used += bytes.len().next_multiple_of(8);
        self.arena.put(at, bytes)
    }

    fn file(&mut self) -> u64 {
        if self.random.one_in(30) {
            return self
                .random
                .pick(&[u64::MAX, 1 << 32, 0x7fff_ffff, 1023, 1024, 0, 1, 2])
                .unwrap_or(0);
        }
        3 + self.random.below(FILES) as u64
    }

    fn path(&mut self) -> u64 {
        let folder = self.random.pick(FOLDERS).unwrap_or("");
        let name = self.random.pick(NAMES).unwrap_or("");
        let text = match self.random.below(60) {
            0 => "x".repeat(255),
            1 => "x".repeat(256),
            2 => "x/".repeat(2047),
            3 => "y/".repeat(2500),
            4 => String::new(),
            _ => format!("{folder}{name}"),
        };
        self.put(format!("{text}\0").as_bytes())
    }

    fn memory(&mut self) -> u64 {
        let mut bytes = [0; 256];
        match self.random.below(4) {
            0 => {}
            1 => bytes.fill_with(|| self.random.next() as u8),
            // Words that are descriptors, addresses and small numbers look like a structure.
            _ => {
                for place in bytes.chunks_exact_mut(8) {
                    let value = match self.random.below(6) {
                        0 => self.file(),
                        1 => self.arena.base() + self.random.below(self.arena.size()) as u64,
                        2 => self.random.any(),
                        3 => self.random.below(4) as u64,
                        4 => 0x1000 * self.random.below(9) as u64,
                        _ => self.random.below(4) as u64 | (self.random.below(40) as u64) << 32,
                    };
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        self.put(&bytes)
    }

    fn length(&mut self) -> u64 {
        let size = self.arena.size();
        let values = [
            0,
            1,
            4,
            8,
            16,
            24,
            100,
            255,
            256,
            4095,
            4096,
            4097,
            8192,
            65536,
            65537,
            size,
            size * 16,
            1 << 24,
        ];
        self.random.pick(&values).unwrap_or(0) as u64
    }

    fn offset(&mut self) -> u64 {
        let values = [
            0,
            0,
            1,
            100,
            4095,
            4096,
            65536,
            1 << 20,
            1 << 32,
            (1 << 63) - 1,
            (1 << 63) - 4096,
            u64::MAX,
            1 << 63,
        ];
        self.random.pick(&values).unwrap_or(0)
    }

    /// Itself or a child, as process or as group, and numbers that nobody has.
    fn process(&mut self) -> u64 {
        let Family { own, child, .. } = self.family;
        let child = if child == 0 { own } else { child };
        self.random
            .pick(&[
                own,
                own,
                child,
                child,
                0,
                child.wrapping_neg(),
                0x3f_fff0,
                1 << 22,
            ])
            .unwrap_or(own)
    }

    fn vector(&mut self) -> u64 {
        let mut bytes = Vec::new();
        for _ in 0..4 {
            let (base, length) = (self.memory(), self.length());
            bytes.extend(
                if self.random.one_in(8) {
                    self.nasty()
                } else {
                    base
                }
                .to_le_bytes(),
            );
            bytes.extend(length.to_le_bytes());
        }
        self.put(&bytes)
    }

    fn span(&mut self, count: usize) -> u64 {
        if self.random.one_in(10) {
            return 0;
        }
        let mut bytes = Vec::new();
        for _ in 0..2 * count {
            let seconds = self
                .random
                .pick(&[0, 0, 0, 0, 0, 1, u64::MAX, 1 << 40, (1 << 63) - 1])
                .unwrap_or(0);
            let part = self.random.pick(&[
                0,
                1,
                1000,
                100_000,
                999_999,
                999_999_999,
                1_000_000_000,
                u64::MAX,
                (1 << 30) - 1,
                (1 << 30) - 2,
            ]);
            bytes.extend(seconds.to_le_bytes());
            bytes.extend(part.unwrap_or(0).to_le_bytes());
        }
        self.put(&bytes)
    }

    fn address(&mut self) -> u64 {
        let mut bytes = match self.random.below(5) {
            0 => b"\x01\x00/tmp/f/s\0".to_vec(),
            1 => b"\x01\x00\0abstract".to_vec(),
            2 => vec![2, 0, 0x1f, 0x90, 127, 0, 0, 1],
            3 => vec![
                10, 0, 0x1f, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            ],
            _ => vec![self.random.next() as u8, 0],
        };
        bytes.resize(110, 0);
        self.put(&bytes)
    }

    fn message(&mut self) -> u64 {
        let mut control = Vec::new();
        // SCM_RIGHTS with two descriptors, and a length that is now and then wrong.
        let length = if self.random.one_in(6) {
            self.random.any()
        } else {
            24
        };
        control.extend(length.to_le_bytes());
        control.extend(1u32.to_le_bytes());
        control.extend((1 + self.random.below(2) as u32).to_le_bytes());
        control.extend((self.file() as u32).to_le_bytes());
        control.extend((self.file() as u32).to_le_bytes());
        let control = self.put(&control);
        let (address, vector) = (self.address(), self.vector());
        let with = |wanted: bool, value: u64| if wanted { value } else { 0 };
        let (named, rights) = (self.random.one_in(3), self.random.one_in(2));
        let fields = [
            with(named, address),
            with(named, 110),
            vector,
            self.random.below(5) as u64,
            with(rights, control),
            with(rights, 24),
            0,
        ];
        self.put(&fields.map(u64::to_le_bytes).concat())
    }

    fn polls(&mut self) -> u64 {
        let mut bytes = Vec::new();
        for _ in 0..4 {
            bytes.extend((self.file() as u32).to_le_bytes());
            bytes.extend((self.random.next() as u32 & 0xffff).to_le_bytes());
        }
        self.put(&bytes)
    }

    /// Pages beside the arena for the most part: a call that hits the program ends the sequence.
    fn page(&mut self) -> u64 {
        let place = PAGE * self.random.below(64);
        match self.random.below(4) {
            0 => 0,
            1 => self.arena.base() + (self.arena.size() + PAGE + place) as u64,
            2 => 0x7000_0000_0000 + place as u64,
            _ => 0x1000_0000_0000 + place as u64,
        }
    }

    fn strings(&mut self) -> u64 {
        let first = self.put(b"fuzz\0");
        let second = self.put(b"nothing\0");
        self.put(&[first, second, 0].map(u64::to_le_bytes).concat())
    }

    fn clone_args(&mut self) -> u64 {
        let mut fields = [0; 11];
        fields[0] = self.word(Kind::Bits(&[
            0,
            0,
            0x1000,
            0x400,
            0x200,
            0x100_0000,
            0x20_0000,
            0x1_0000_0000,
        ]));
        fields[1] = self.arena.base();
        fields[2] = self.arena.base() + 8;
        fields[3] = self.arena.base() + 16;
        fields[4] = self.random.pick(&[17, 17, 0, 65]).unwrap_or(17);
        self.put(&fields.map(u64::to_le_bytes).concat())
    }
}
