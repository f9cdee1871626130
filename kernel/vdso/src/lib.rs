//! Code of the kernel's that runs in programs (`man 7 vdso`): a shared object of one page, and a page of data behind it.
//!
//! Programs find it by AT_SYSINFO_EHDR and call clocks in it without a system call. What they read there is exactly what
//! the calls tell: the same division, rounded in the same way, so that a program may mix both and never sees time go
//! back. `vdso.S` has the code; the kernel writes [`Clocks`] into the page behind it, at boot and whenever the wall clock
//! is set.

#![no_std]
#![forbid(unsafe_code)]

use abi::{Nanos, Ticks};

/// The shared object: at most [`abi::PAGE_SIZE`] bytes, to be mapped readable and executable, its data behind it.
pub static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vdso.so"));

include!(concat!(env!("OUT_DIR"), "/symbols.rs"));

/// One clock: what it showed when the timebase read `start`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The timebase then.
    pub start: Ticks,
    /// The clock then.
    pub shown: Nanos,
}

/// The data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The rate of the timebase, below 2³¹ ticks a second.
    pub ticks_per_second: u64,
    /// Time since boot.
    pub monotonic: Clock,
    /// Time since 1970.
    pub realtime: Clock,
}

/// Bytes of the encoded data.
pub const DATA_SIZE: usize = 64;

impl Clocks {
    /// The data as the code reads it, behind a sequence number that is odd while the rest is being changed.
    #[must_use]
    pub fn encode(&self, sequence: u64) -> [u8; DATA_SIZE] {
        const NANOS: u64 = 1_000_000_000;
        let parts = |clock: Clock| [clock.start.0, clock.shown.0 / NANOS, clock.shown.0 % NANOS];
        let [m0, m1, m2] = parts(self.monotonic);
        let [r0, r1, r2] = parts(self.realtime);
        let words = [sequence, self.ticks_per_second, m0, m1, m2, r0, r1, r2];
        let mut bytes = [0; DATA_SIZE];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf::ElfBytes;
    use elf::endian::LittleEndian;

    #[test]
    fn vdso01_the_object_fits_its_page_and_needs_no_relocation() {
        assert!(OBJECT.len() <= abi::PAGE_SIZE);
        let file = ElfBytes::<LittleEndian>::minimal_parse(OBJECT).expect("ELF");
        let segments: Vec<_> = file.segments().expect("segments").iter().collect();
        // PT_LOAD of everything, readable and executable; PT_DYNAMIC; PT_GNU_EH_FRAME; nothing else.
        let kinds: Vec<u32> = segments.iter().map(|segment| segment.p_type).collect();
        assert_eq!(kinds, [1, 2, 0x6474_e550]);
        assert_eq!((segments[0].p_type, segments[0].p_flags), (1, 5));
        assert_eq!((segments[0].p_offset, segments[0].p_vaddr), (0, 0));
        let dynamic = file.dynamic().expect("sound").expect("there");
        // DT_RELA, DT_REL, DT_JMPREL.
        assert!(
            dynamic
                .iter()
                .all(|entry| ![7, 17, 23].contains(&entry.d_tag))
        );
    }

    #[test]
    fn vdso02_functions_have_the_version_that_libraries_ask_for() {
        let file = ElfBytes::<LittleEndian>::minimal_parse(OBJECT).expect("ELF");
        let (symbols, names) = file.dynamic_symbol_table().expect("sound").expect("there");
        let versions = file.symbol_version_table().expect("sound").expect("there");
        let version = |name: &str| {
            let at = symbols.iter().position(|symbol| {
                names
                    .get(symbol.st_name as usize)
                    .is_ok_and(|found| found == name)
            })?;
            let mut definition = versions.get_definition(at).expect("sound")?;
            let version = definition.names.next()?.expect("sound");
            Some(version.to_owned())
        };
        for name in [
            "clock_gettime",
            "gettimeofday",
            "time",
            "clock_getres",
            "getcpu",
            "get_tbfreq",
            "sync_dicache",
            "sigtramp_rt64",
        ] {
            let name = format!("__kernel_{name}");
            assert_eq!(version(&name).as_deref(), Some("LINUX_2.6.15"), "{name}");
        }
    }

    #[test]
    fn vdso03_the_way_back_from_handlers_is_what_unwinders_compare() {
        let at = SIGNAL_RETURN as usize;
        let word = |offset: usize| {
            u32::from_le_bytes(OBJECT[at + offset..][..4].try_into().expect("four"))
        };
        // addi r1,r1,128; li r0,172; sc
        assert_eq!(
            [word(0), word(4), word(8)],
            [0x3821_0080, 0x3800_00ac, 0x4400_0002]
        );
        assert_eq!((word(32), word(36)), ((-168_i32).cast_unsigned(), u32::MAX));
    }

    #[test]
    fn vdso04_the_data_is_where_the_code_looks() {
        let clock = |start, shown| Clock {
            start: Ticks(start),
            shown: Nanos(shown),
        };
        let clocks = Clocks {
            ticks_per_second: 512_000_000,
            monotonic: clock(7, 0),
            realtime: clock(9, 5_000_000_003),
        };
        let bytes = clocks.encode(4);
        let words: Vec<u64> = bytes
            .chunks(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("eight")))
            .collect();
        assert_eq!(words, [4, 512_000_000, 7, 0, 0, 9, 5, 3]);
    }

    extern crate std;
    use std::borrow::ToOwned;
    use std::format;
    use std::vec::Vec;
}
