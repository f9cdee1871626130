//! ELF files (System V ABI; 64-Bit ELF V2 ABI Specification, Power Architecture).

use abi::mmu::Protection;
use abi::{Errno, PAGE_SIZE};
use alloc::vec::Vec;
use elf::abi::{EM_PPC64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD, PT_PHDR};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader};
use elf::segment::{ProgramHeader, SegmentTable};
use fallible::Push;

/// A program that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Address of the first instruction.
    pub entry: u64,
    /// What is to be mapped, by ascending address, without overlaps.
    pub segments: Vec<Segment>,
    /// Address of the program headers in memory, when a segment holds them (AT_PHDR).
    pub headers_at: Option<u64>,
    /// Number of program headers (AT_PHNUM).
    pub headers: u16,
    /// Where in the file the path of the dynamic linker is, and its length with the NUL.
    pub interpreter: Option<(u64, u64)>,
    /// The addresses may be moved as a whole (a position-independent program).
    pub movable: bool,
}

/// A part of the file that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub address: u64,
    /// Offset of the first byte in the file; equal to the address modulo the page size.
    pub offset: u64,
    /// Bytes from the file.
    pub file_size: u64,
    /// Bytes in memory; what is beyond the file's is zero.
    pub memory_size: u64,
    /// What the program may do.
    pub protection: Protection,
}

impl Image {
    /// How many bytes from the start of a file [`Image::parse`] wants to see.
    pub const HEAD: usize = PAGE_SIZE;

    /// Reads the headers of a program from the first [`Image::HEAD`] bytes of its file (all of a shorter one).
    ///
    /// `limit` is the first address that programs cannot use.
    ///
    /// # Errors
    /// ENOEXEC when it is no ELF V2 program for 64-bit little-endian POWER or its headers contradict themselves.
    pub fn parse(head: &[u8], limit: u64) -> Result<Self, Errno> {
        let header = header(head)?;
        let table = table(head, &header)?;
        let mut image = Self {
            entry: header.e_entry,
            segments: Vec::new(),
            headers_at: None,
            headers: header.e_phnum,
            interpreter: None,
            movable: header.e_type == ET_DYN,
        };
        for program in table.iter() {
            match program.p_type {
                PT_LOAD if program.p_memsz > 0 => image.load(&program, limit)?,
                PT_INTERP => image.interpreter = Some((program.p_offset, program.p_filesz)),
                PT_PHDR => image.headers_at = Some(program.p_vaddr),
                _ => {}
            }
        }
        if image.headers_at.is_none() {
            image.headers_at = image.address_of(header.e_phoff);
        }
        let runs = |segment: &Segment| {
            segment.protection.contains(Protection::EXECUTE) && segment.holds(image.entry)
        };
        if !image.segments.iter().any(runs) {
            Err(Errno::ENOEXEC)
        } else {
            Ok(image)
        }
    }

    /// The first address after the last segment, where the heap may begin.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end)
    }

    fn load(&mut self, program: &ProgramHeader, limit: u64) -> Result<(), Errno> {
        let page = PAGE_SIZE as u64;
        let segment = Segment {
            address: program.p_vaddr,
            offset: program.p_offset,
            file_size: program.p_filesz,
            memory_size: program.p_memsz,
            protection: protection(program.p_flags),
        };
        let end = segment
            .address
            .checked_add(segment.memory_size)
            .ok_or(Errno::ENOEXEC)?;
        let previous = self.segments.last().map_or(0, Segment::end);
        let sound = segment.file_size <= segment.memory_size
            && segment.address % page == segment.offset % page
            && segment
                .offset
                .checked_add(segment.file_size)
                .is_some_and(|end| end <= i64::MAX as u64)
            && segment.address >= previous
            && (self.movable || segment.address >= page)
            && end
                .checked_next_multiple_of(page)
                .is_some_and(|end| end <= limit);
        if !sound {
            return Err(Errno::ENOEXEC);
        }
        self.segments.try_push(segment)?;
        Ok(())
    }

    fn address_of(&self, offset: u64) -> Option<u64> {
        let holding = |segment: &&Segment| {
            offset
                .checked_sub(segment.offset)
                .is_some_and(|at| at < segment.file_size)
        };
        self.segments
            .iter()
            .find(holding)
            .map(|segment| segment.address + (offset - segment.offset))
    }
}

impl Segment {
    /// The first address after it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address + self.memory_size
    }

    fn holds(&self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }
}

fn header(head: &[u8]) -> Result<FileHeader<LittleEndian>, Errno> {
    let refused = |_| Errno::ENOEXEC;
    let identification = head.get(..elf::abi::EI_NIDENT).ok_or(Errno::ENOEXEC)?;
    let identification = elf::file::parse_ident::<LittleEndian>(identification).map_err(refused)?;
    if identification.1 != Class::ELF64 {
        return Err(Errno::ENOEXEC);
    }
    let tail = head.get(elf::abi::EI_NIDENT..64).ok_or(Errno::ENOEXEC)?;
    let header = FileHeader::parse_tail(identification, tail).map_err(refused)?;
    // The low two bits of e_flags are the ABI version; 0 is "not said".
    let version = header.e_flags & 3;
    let ours = header.e_machine == EM_PPC64
        && (version == 2 || version == 0)
        && (header.e_type == ET_EXEC || header.e_type == ET_DYN)
        && header.e_phentsize == 56
        && header.e_phnum > 0;
    if ours {
        Ok(header)
    } else {
        Err(Errno::ENOEXEC)
    }
}

fn table<'a>(
    head: &'a [u8],
    header: &FileHeader<LittleEndian>,
) -> Result<SegmentTable<'a, LittleEndian>, Errno> {
    let start = usize::try_from(header.e_phoff).map_err(|_| Errno::ENOEXEC)?;
    let size = usize::from(header.e_phnum) * usize::from(header.e_phentsize);
    let end = start.checked_add(size).ok_or(Errno::ENOEXEC)?;
    let bytes = head.get(start..end).ok_or(Errno::ENOEXEC)?;
    Ok(SegmentTable::new(LittleEndian, Class::ELF64, bytes))
}

fn protection(flags: u32) -> Protection {
    let mut protection = Protection::empty();
    protection.set(Protection::READ, flags & PF_R != 0);
    protection.set(Protection::WRITE, flags & PF_W != 0);
    protection.set(Protection::EXECUTE, flags & PF_X != 0);
    protection
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: u64 = 1 << 47;

    /// A program with one segment at 0x10000000 that holds everything.
    fn program() -> Vec<u8> {
        let mut file = alloc::vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
        file.resize(16, 0);
        for (value, size) in [
            (2u64, 2),
            (21, 2),
            (1, 4),
            (0x1000_0100, 8),
            (64, 8),
            (0, 8),
            (2, 4),
            (64, 2),
            (56, 2),
            (1, 2),
            (64, 2),
            (0, 2),
            (0, 2),
            (1, 4),
            (5, 4),
            (0, 8),
            (0x1000_0000, 8),
            (0x1000_0000, 8),
            (0x200, 8),
            (0x300, 8),
            (0x1_0000, 8),
        ] {
            file.extend_from_slice(&value.to_le_bytes()[..size]);
        }
        file.resize(0x200, 0);
        file
    }

    #[test]
    fn a_static_program_is_understood() {
        let image = Image::parse(&program(), LIMIT).expect("a program");
        assert_eq!(image.entry, 0x1000_0100);
        assert_eq!(image.headers_at, Some(0x1000_0040));
        assert_eq!(image.end(), 0x1000_0300);
        assert_eq!(image.segments.len(), 1);
        assert!(!image.movable);
    }

    #[test]
    fn other_machines_and_cut_files_are_refused() {
        let whole = program();
        for length in 0..120 {
            assert_eq!(
                Image::parse(&whole[..length], LIMIT),
                Err(Errno::ENOEXEC),
                "{length} bytes"
            );
        }
        for (at, value) in [(4, 1), (5, 2), (18, 62), (0, 0), (48, 1), (54, 55), (56, 0)] {
            let mut file = whole.clone();
            file[at] = value;
            assert_eq!(Image::parse(&file, LIMIT), Err(Errno::ENOEXEC), "byte {at}");
        }
    }

    proptest! {
        /// EXEC0001: a file with changed bytes is refused or gives segments that can be mapped.
        #[test]
        fn no_header_leads_out_of_the_address_space(changes in proptest::collection::vec((0usize..120, any::<u8>()), 1..6)) {
            let mut file = program();
            for (at, value) in changes {
                file[at] = value;
            }
            if let Ok(image) = Image::parse(&file, LIMIT) {
                for segment in &image.segments {
                    prop_assert!(segment.address.checked_add(segment.memory_size).is_some_and(|end| end <= LIMIT));
                    prop_assert!(segment.file_size <= segment.memory_size);
                    prop_assert_eq!(segment.address % 4096, segment.offset % 4096);
                }
            }
        }
    }
}
