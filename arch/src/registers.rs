//! Special-purpose registers and the machine state register (Power ISA 3.0B, Book III).

use core::arch::asm;

/// Numbers of special-purpose registers.
pub(crate) struct Spr;

impl Spr {
    pub const DSCR: u16 = 17;
    pub const DEC: u16 = 22;
    pub const AMR: u16 = 29;
    pub const PIDR: u16 = 48;
    pub const IAMR: u16 = 61;
    pub const FSCR: u16 = 153;
    pub const UAMOR: u16 = 157;
    pub const VRSAVE: u16 = 256;
    pub const TB: u16 = 268;
    pub const SPRG0: u16 = 272;
    pub const SPRG3: u16 = 275;
    pub const PVR: u16 = 287;
    pub const TAR: u16 = 815;
}

/// Bits of the machine state register.
pub(crate) struct Msr;

impl Msr {
    pub const SF: u64 = 1 << 63;
    pub const VEC: u64 = 1 << 25;
    pub const VSX: u64 = 1 << 23;
    pub const EE: u64 = 1 << 15;
    pub const PR: u64 = 1 << 14;
    pub const FP: u64 = 1 << 13;
    pub const ME: u64 = 1 << 12;
    pub const FE0: u64 = 1 << 11;
    pub const SE: u64 = 1 << 10;
    pub const FE1: u64 = 1 << 8;
    pub const IR: u64 = 1 << 5;
    pub const DR: u64 = 1 << 4;
    pub const RI: u64 = 1 << 1;
    pub const LE: u64 = 1;
    /// What kernel code runs with: interrupts off, translation on.
    pub const KERNEL: u64 = Self::SF | Self::ME | Self::IR | Self::DR | Self::RI | Self::LE;
    /// What every program runs with.
    pub const USER: u64 = Self::KERNEL | Self::EE | Self::PR;
}

/// Reads a special-purpose register.
pub(crate) fn read<const N: u16>() -> u64 {
    let value;
    // SAFETY: none of the registers in `Spr` changes when it is read.
    unsafe { asm!("mfspr {}, {}", out(reg) value, const N, options(nostack, preserves_flags)) };
    value
}

/// Writes a special-purpose register.
///
/// # Safety
/// The caller knows what the register does to the code that runs on.
pub(crate) unsafe fn write<const N: u16>(value: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("mtspr {}, {}", const N, in(reg) value, options(nostack, preserves_flags)) };
}

/// Waits until all earlier instructions have completed and fetches the next ones anew.
pub(crate) fn isync() {
    // SAFETY: only orders.
    unsafe { asm!("isync", options(nostack, preserves_flags)) };
}

/// Writes the machine state register.
///
/// # Safety
/// The code that runs on must be mapped and safe to run in the new state.
pub(crate) unsafe fn write_msr(value: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("mtmsrd {0}", "isync", in(reg) value, options(nostack, preserves_flags)) };
}
