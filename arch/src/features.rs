//! What programs are told about the CPU: `AT_HWCAP`, `AT_HWCAP2`, `AT_PLATFORM` (`man 3 getauxval`).
//!
//! Only what is saved and restored for them is named: no transactional memory, no event-based branches, no
//! system call vectored, no matrix unit.

use crate::registers::{self, Msr, Spr};

/// Facility status and control (Power ISA, Book III, "FSCR"): what programs may use without a trap.
mod fscr {
    pub const DSCR: u64 = 1 << 2;
    pub const TAR: u64 = 1 << 8;
    pub const PREFIX: u64 = 1 << 13;
}

/// Processor generations that have a radix MMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// Power ISA 3.0
    Power9,
    /// Power ISA 3.1
    Power10,
}

const POWER9: u64 = 0x4e;

/// The generation of this CPU, by its version register; an unknown one counts as the last that is known.
#[must_use]
pub fn generation() -> Generation {
    match registers::read::<{ Spr::PVR }>() >> 16 {
        POWER9 => Generation::Power9,
        _ => Generation::Power10,
    }
}

/// The processor version register: version in the high half, revision in the low one.
#[must_use]
pub fn processor_version() -> u32 {
    registers::read::<{ Spr::PVR }>() as u32
}

pub(crate) fn has_darn() -> bool {
    generation() >= Generation::Power9
}

/// Opens the facilities that a context saves, and no others.
pub(crate) fn start_cpu() {
    let prefix = if generation() >= Generation::Power10 {
        fscr::PREFIX
    } else {
        0
    };
    // SAFETY: only programs use these facilities.
    unsafe { registers::write::<{ Spr::FSCR }>(fscr::DSCR | fscr::TAR | prefix) };
    const { assert!(Msr::KERNEL & (Msr::FP | Msr::VEC | Msr::VSX) == 0) };
}

/// `AT_HWCAP` bits (asm/cputable.h of powerpc): 64-bit, AltiVec, FPU, MMU, SMT, snooping instruction cache,
/// ISA 2.05 and 2.06, decimal floating point, VSX, little-endian.
const HWCAP: u64 = 0x4000_0000
    | 0x1000_0000
    | 0x0800_0000
    | 0x0400_0000
    | 0x4000
    | 0x2000
    | 0x1000
    | 0x0100
    | 0x0400
    | 0x0080
    | 0x0002;

/// `AT_HWCAP2` bits of Power ISA 3.0: 2.07, `isel`, TAR, vector cryptography, 3.0, IEEE binary128, `darn`. DSCR is
/// kept for those who use it but not named: QEMU 7.2 has no user-mode form of it.
const HWCAP2: u64 =
    0x8000_0000 | 0x0800_0000 | 0x0400_0000 | 0x0200_0000 | 0x0080_0000 | 0x0040_0000 | 0x0020_0000;

/// `AT_HWCAP2` bit of Power ISA 3.1.
const HWCAP2_ISA_3_1: u64 = 0x0004_0000;

/// `AT_HWCAP`
#[must_use]
pub fn hwcap() -> u64 {
    HWCAP
}

/// `AT_HWCAP2`
#[must_use]
pub fn hwcap2() -> u64 {
    match generation() {
        Generation::Power9 => HWCAP2,
        Generation::Power10 => HWCAP2 | HWCAP2_ISA_3_1,
    }
}

/// `AT_PLATFORM`
#[must_use]
pub fn platform() -> &'static str {
    match generation() {
        Generation::Power9 => "power9",
        Generation::Power10 => "power10",
    }
}
