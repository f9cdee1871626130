//! The layout of a core file (`man 5 core`, `man 5 elf`): header, notes, and where memory goes.
//!
//! Everything but the memory itself is made here, as bytes; [`CoreLayout`] says where in the file each range of addresses
//! belongs. What is not written there is a hole, and reads as zeros.

use abi::PAGE_SIZE;
use abi::linux::Field;
use abi::mmu::Protection;
use alloc::vec::Vec;
use fallible::{NoMemory, Push};

/// Note type: the state of a thread.
pub const NT_PRSTATUS: u32 = 1;
/// Note type: the process.
pub const NT_PRPSINFO: u32 = 3;
/// Note type: the auxiliary vector.
pub const NT_AUXV: u32 = 6;
/// Note type: what came with the signal.
pub const NT_SIGINFO: u32 = 0x5349_4749;
/// Note type: the mapped files.
pub const NT_FILE: u32 = 0x4649_4c45;

/// Words of the general registers of a thread.
pub const REGISTERS: usize = 48;

/// The state of a thread (`struct elf_prstatus` of powerpc64).
#[derive(Clone, Debug)]
pub struct ThreadStatus {
    /// The signal that ends the process.
    pub signal: u8,
    /// Pending signals.
    pub pending: u64,
    /// Blocked signals.
    pub blocked: u64,
    /// Its number.
    pub tid: u32,
    /// Numbers of the parent, the group and the session.
    pub relations: [u32; 3],
    /// The general registers (asm/ptrace.h).
    pub registers: [u64; REGISTERS],
    /// Whether the floating-point registers follow.
    pub floating: bool,
}

impl ThreadStatus {
    /// Its size in bytes.
    pub const SIZE: usize = 504;

    /// The bytes of the note.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut put = |at: usize, value: &dyn Fn(&mut [u8])| {
            value(bytes.get_mut(at..).unwrap_or_default());
        };
        put(0, &|at| i32::from(self.signal).put(at));
        put(12, &|at| u16::from(self.signal).put(at));
        put(16, &|at| [self.pending, self.blocked].put(at));
        put(32, &|at| self.tid.put(at));
        put(36, &|at| self.relations.put(at));
        put(112, &|at| self.registers.put(at));
        put(496, &|at| u32::from(self.floating).put(at));
        bytes
    }
}

/// The process (`struct elf_prpsinfo` of powerpc64, 136 bytes).
#[derive(Clone, Debug)]
pub struct ProcessStatus<'a> {
    /// User and group.
    pub owner: [u32; 2],
    /// Its number, and those of the parent, the group and the session.
    pub numbers: [u32; 4],
    /// Its name, of which 15 bytes are told.
    pub name: &'a [u8],
    /// Its arguments, separated by zeros, of which 79 bytes are told.
    pub arguments: &'a [u8],
}

impl ProcessStatus<'_> {
    /// The bytes of the note.
    #[must_use]
    pub fn encode(&self) -> [u8; 136] {
        const NAME: core::ops::Range<usize> = 40..55;
        const ARGUMENTS: core::ops::Range<usize> = 56..135;
        let mut bytes = [0; 136];
        let [_, letter, ..] = &mut bytes;
        *letter = b'R';
        self.owner.put(bytes.get_mut(16..).unwrap_or_default());
        self.numbers.put(bytes.get_mut(24..).unwrap_or_default());
        let mut text = |place: core::ops::Range<usize>, text: &[u8]| {
            let place = bytes.get_mut(place).unwrap_or_default();
            place
                .iter_mut()
                .zip(text)
                .for_each(|(place, byte)| *place = *byte);
            place.iter_mut().zip(text).for_each(|(place, byte)| {
                if *byte == 0 {
                    *place = b' ';
                }
            });
        };
        text(NAME, self.name);
        let ended = self.arguments.strip_suffix(&[0]);
        text(ARGUMENTS, ended.unwrap_or(self.arguments));
        bytes
    }
}

/// Notes, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Notes(Vec<u8>);

impl Notes {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a note; the owner is `CORE`, or `LINUX` for sets of registers that this architecture has beyond the common
    /// ones.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn add(&mut self, kind: u32, contents: &[u8]) -> Result<(), NoMemory> {
        const FIRST_OF_PPC: u32 = 0x100;
        const LAST_OF_PPC: u32 = 0x1ff;
        let (name, length): (&[u8; 8], u32) = match kind {
            FIRST_OF_PPC..=LAST_OF_PPC => (b"LINUX\0\0\0", 6),
            _ => (b"CORE\0\0\0\0", 5),
        };
        let mut head = [0; 12];
        [length, contents.len() as u32, kind].put(&mut head);
        let padding = contents.len().next_multiple_of(4) - contents.len();
        self.0
            .try_reserve(head.len() + name.len() + contents.len() + padding)?;
        self.0.extend_from_slice(&head);
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(contents);
        self.0
            .extend_from_slice([0; 4].get(..padding).unwrap_or_default());
        Ok(())
    }

    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A range of the program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreRange {
    /// The first address.
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    /// How much of it from the start on is in the file; whole pages.
    pub kept: u64,
    /// What the program may do there.
    pub protection: Protection,
}

/// Where in the file things are.
#[derive(Debug)]
pub struct CoreLayout {
    /// The first bytes of the file: header, program headers, notes.
    pub head: Vec<u8>,
    /// The ranges, with where in the file each begins.
    pub ranges: Vec<(CoreRange, u64)>,
    /// The size of the whole file.
    pub size: u64,
}

impl CoreLayout {
    /// The layout of a file with these notes and ranges, of which there are fewer than 65 535.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        notes: &Notes,
        ranges: impl ExactSizeIterator<Item = CoreRange>,
    ) -> Result<Self, NoMemory> {
        const HEADER: usize = 64;
        const ENTRY: usize = 56;
        let count = ranges.len() + 1;
        let notes_at = HEADER + count * ENTRY;
        let end = notes_at + notes.bytes().len();
        let mut head = fallible::filled(0, notes_at)?;
        header(&mut head, count as u16);
        let mut entries = head
            .get_mut(HEADER..)
            .unwrap_or_default()
            .chunks_exact_mut(ENTRY);
        if let Some(place) = entries.next() {
            const PT_NOTE: u32 = 4;
            let size = notes.bytes().len() as u64;
            entry(place, PT_NOTE, 0, [notes_at as u64, 0, size, 0, 4]);
        }
        let mut at = (end as u64).next_multiple_of(PAGE_SIZE as u64);
        let mut placed = fallible::list(count)?;
        for (range, place) in ranges.zip(entries) {
            const PT_LOAD: u32 = 1;
            let size = range.end - range.start;
            let numbers = [at, range.start, range.kept, size, PAGE_SIZE as u64];
            entry(place, PT_LOAD, flags_of(range.protection), numbers);
            placed.try_push((range, at))?;
            at += range.kept;
        }
        head.try_reserve(notes.bytes().len())?;
        head.extend_from_slice(notes.bytes());
        Ok(Self {
            head,
            ranges: placed,
            size: at,
        })
    }
}

/// Segment flags: execute 1, write 2, read 4.
fn flags_of(protection: Protection) -> u32 {
    [
        (Protection::EXECUTE, 1),
        (Protection::WRITE, 2),
        (Protection::READ, 4),
    ]
    .iter()
    .filter(|(kind, _)| protection.contains(*kind))
    .fold(0, |flags, (_, flag)| flags | flag)
}

/// `Elf64_Ehdr` of a core file of this machine.
fn header(bytes: &mut [u8], count: u16) {
    const ET_CORE: u16 = 4;
    const EM_PPC64: u16 = 21;
    /// ELFv2.
    const ABI: u32 = 2;
    let mut put = |at: usize, value: &dyn Fn(&mut [u8])| {
        value(bytes.get_mut(at..).unwrap_or_default());
    };
    // Class 64, little-endian, version 1.
    put(0, &|at| [0x7f, b'E', b'L', b'F', 2, 1, 1].put(at));
    put(16, &|at| [ET_CORE, EM_PPC64].put(at));
    put(20, &|at| 1u32.put(at));
    put(32, &|at| 64u64.put(at));
    put(48, &|at| ABI.put(at));
    put(52, &|at| [64u16, 56, count].put(at));
}

/// `Elf64_Phdr`: the offset, the address, the sizes in the file and in memory, the alignment.
fn entry(bytes: &mut [u8], kind: u32, flags: u32, numbers: [u64; 5]) {
    let [offset, address, in_file, in_memory, alignment] = numbers;
    [kind, flags].put(bytes);
    let rest = [offset, address, 0, in_file, in_memory, alignment];
    rest.put(bytes.get_mut(8..).unwrap_or_default());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    /// EXEC0003: a core file is read by the crate that others read ELF files with.
    #[test]
    fn the_file_is_one_that_elf_readers_read() {
        let mut notes = Notes::new();
        let status = ThreadStatus {
            signal: 11,
            pending: 1,
            blocked: 2,
            tid: 77,
            relations: [1, 77, 70],
            registers: core::array::from_fn(|n| n as u64),
            floating: true,
        };
        notes.add(NT_PRSTATUS, &status.encode()).unwrap();
        notes.add(0x102, &[5; 9]).unwrap();
        let process = ProcessStatus {
            owner: [1000, 100],
            numbers: [77, 1, 77, 70],
            name: b"a-name-that-is-longer",
            arguments: b"one\0two\0",
        };
        notes.add(NT_PRPSINFO, &process.encode()).unwrap();
        let ranges = [
            CoreRange {
                start: 0x10000,
                end: 0x13000,
                kept: 0x1000,
                protection: Protection::READ | Protection::EXECUTE,
            },
            CoreRange {
                start: 0x20000,
                end: 0x22000,
                kept: 0x2000,
                protection: Protection::READ | Protection::WRITE,
            },
        ];
        let layout = CoreLayout::new(&notes, ranges.into_iter()).unwrap();
        let places: Vec<u64> = layout.ranges.iter().map(|(_, at)| *at).collect();
        assert_eq!(places, [0x1000, 0x2000]);
        assert_eq!(layout.size, 0x4000);
        let file = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&layout.head).unwrap();
        assert_eq!(file.ehdr.e_type, elf::abi::ET_CORE);
        assert_eq!(file.ehdr.e_machine, elf::abi::EM_PPC64);
        let segments: Vec<_> = file.segments().unwrap().iter().collect();
        assert_eq!(segments.len(), 3);
        let text = &segments[1];
        assert_eq!((text.p_vaddr, text.p_memsz), (0x10000, 0x3000));
        assert_eq!((text.p_filesz, text.p_flags), (0x1000, 5));
        let found: Vec<_> = file.segment_data_as_notes(&segments[0]).unwrap().collect();
        assert_eq!(found.len(), 3);
        let elf::note::Note::Unknown(first) = &found[0] else {
            panic!("another kind of note");
        };
        assert_eq!((first.n_type, first.name), (1, "CORE\0".as_bytes()));
        assert_eq!(u32::get(&first.desc[32..]), 77);
        assert_eq!(u64::get(&first.desc[112 + 31 * 8..]), 31);
        let elf::note::Note::Unknown(last) = &found[2] else {
            panic!("another kind of note");
        };
        assert_eq!(&last.desc[40..56], b"a-name-that-is-\0");
        assert_eq!(&last.desc[56..64], b"one two\0");
    }
}
