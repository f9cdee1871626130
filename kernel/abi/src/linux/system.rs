//! The system as a whole: names, use of resources, auxiliary vector, reboot.

use super::record::record;
use super::time::Timeval;

record! {
    /// `struct new_utsname`; each name ends with a 0.
    Utsname [390] {
        /// Name of the operating system.
        0 sysname: [u8; 65],
        /// Host name.
        65 nodename: [u8; 65],
        /// Release.
        130 release: [u8; 65],
        /// Version.
        195 version: [u8; 65],
        /// Machine, `ppc64le`.
        260 machine: [u8; 65],
        /// NIS domain.
        325 domainname: [u8; 65],
    }

    /// `struct rusage`.
    Rusage [144] {
        /// CPU time in user mode.
        0 utime: Timeval,
        /// CPU time in the kernel.
        16 stime: Timeval,
        /// Largest resident set in KiB.
        32 maxrss: i64,
        /// Unused: shared text, data, stack.
        40 unused_sizes: [i64; 3],
        /// Page faults without I/O.
        64 minflt: i64,
        /// Page faults with I/O.
        72 majflt: i64,
        /// Unused: swaps.
        80 nswap: i64,
        /// Blocks read.
        88 inblock: i64,
        /// Blocks written.
        96 oublock: i64,
        /// Unused: messages and signals.
        104 unused_counts: [i64; 3],
        /// Voluntary context switches.
        128 nvcsw: i64,
        /// Involuntary context switches.
        136 nivcsw: i64,
    }

    /// `struct sysinfo`.
    Sysinfo [112] {
        /// Seconds since start.
        0 uptime: i64,
        /// Load averages times 65536.
        8 loads: [u64; 3],
        /// Memory, in units.
        32 totalram: u64,
        /// Free memory.
        40 freeram: u64,
        /// Shared memory.
        48 sharedram: u64,
        /// Buffers.
        56 bufferram: u64,
        /// Paging space.
        64 totalswap: u64,
        /// Free paging space.
        72 freeswap: u64,
        /// Processes.
        80 procs: u16,
        /// Unused high memory.
        88 totalhigh: u64,
        /// Unused high memory.
        96 freehigh: u64,
        /// Bytes in a unit.
        104 mem_unit: u32,
    }

    /// An entry of the auxiliary vector.
    AuxEntry [16] {
        /// AT_.
        0 kind: u64,
        /// Its value.
        8 value: u64,
    }
}

impl Utsname {
    /// Puts a name into a field, cut to 64 bytes.
    pub fn set(field: &mut [u8; 65], name: &[u8]) {
        *field = [0; 65];
        for (place, byte) in field.iter_mut().take(64).zip(name) {
            *place = *byte;
        }
    }
}

/// Auxiliary vector: the end.
pub const AT_NULL: u64 = 0;
/// Auxiliary vector: not used.
pub const AT_IGNORE: u64 = 1;
/// Auxiliary vector: program headers.
pub const AT_PHDR: u64 = 3;
/// Auxiliary vector: size of a program header.
pub const AT_PHENT: u64 = 4;
/// Auxiliary vector: number of program headers.
pub const AT_PHNUM: u64 = 5;
/// Auxiliary vector: page size.
pub const AT_PAGESZ: u64 = 6;
/// Auxiliary vector: address of the interpreter.
pub const AT_BASE: u64 = 7;
/// Auxiliary vector: flags.
pub const AT_FLAGS: u64 = 8;
/// Auxiliary vector: entry point of the program.
pub const AT_ENTRY: u64 = 9;
/// Auxiliary vector: real user.
pub const AT_UID: u64 = 11;
/// Auxiliary vector: effective user.
pub const AT_EUID: u64 = 12;
/// Auxiliary vector: real group.
pub const AT_GID: u64 = 13;
/// Auxiliary vector: effective group.
pub const AT_EGID: u64 = 14;
/// Auxiliary vector: name of the processor.
pub const AT_PLATFORM: u64 = 15;
/// Auxiliary vector: features of the processor, [`HardwareFeatures`].
pub const AT_HWCAP: u64 = 16;
/// Auxiliary vector: clock ticks in a second.
pub const AT_CLKTCK: u64 = 17;
/// Auxiliary vector: size of a data cache block.
pub const AT_DCACHEBSIZE: u64 = 19;
/// Auxiliary vector: size of an instruction cache block.
pub const AT_ICACHEBSIZE: u64 = 20;
/// Auxiliary vector: size of a unified cache block.
pub const AT_UCACHEBSIZE: u64 = 21;
/// Auxiliary vector: ignored, for alignment of old programs.
pub const AT_IGNOREPPC: u64 = 22;
/// Auxiliary vector: whether the program has more rights than its caller.
pub const AT_SECURE: u64 = 23;
/// Auxiliary vector: name of the base platform.
pub const AT_BASE_PLATFORM: u64 = 24;
/// Auxiliary vector: 16 random bytes.
pub const AT_RANDOM: u64 = 25;
/// Auxiliary vector: more features, [`HardwareFeatures2`].
pub const AT_HWCAP2: u64 = 26;
/// Auxiliary vector: how much of a `struct rseq` the kernel fills, in bytes.
pub const AT_RSEQ_FEATURE_SIZE: u64 = 27;
/// Auxiliary vector: what a `struct rseq` must be a multiple of in memory, in bytes.
pub const AT_RSEQ_ALIGN: u64 = 28;
/// Auxiliary vector: path of the program.
pub const AT_EXECFN: u64 = 31;
/// Auxiliary vector: address of the vDSO.
pub const AT_SYSINFO_EHDR: u64 = 33;
/// Auxiliary vector: least size of a signal stack.
pub const AT_MINSIGSTKSZ: u64 = 51;

bitflags::bitflags! {
    /// `AT_HWCAP` of powerpc (asm/cputable.h).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct HardwareFeatures: u64 {
        /// 64 bits.
        const PPC64 = 0x4000_0000;
        /// VMX.
        const ALTIVEC = 0x1000_0000;
        /// Floating point.
        const FPU = 0x0800_0000;
        /// Memory management unit.
        const MMU = 0x0400_0000;
        /// Simultaneous multithreading.
        const SMT = 0x0000_4000;
        /// Instruction cache coherent with data.
        const ICACHE_SNOOP = 0x0000_2000;
        /// ISA 2.05.
        const ARCH_2_05 = 0x0000_1000;
        /// Decimal floating point.
        const DFP = 0x0000_0400;
        /// ISA 2.06.
        const ARCH_2_06 = 0x0000_0100;
        /// VSX.
        const VSX = 0x0000_0080;
        /// Little-endian mode.
        const TRUE_LE = 0x0000_0002;
    }

    /// `AT_HWCAP2` of powerpc (asm/cputable.h).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct HardwareFeatures2: u64 {
        /// ISA 2.07.
        const ARCH_2_07 = 0x8000_0000;
        /// Transactional memory.
        const HTM = 0x4000_0000;
        /// DSCR.
        const DSCR = 0x2000_0000;
        /// Event-based branches.
        const EBB = 0x1000_0000;
        /// isel.
        const ISEL = 0x0800_0000;
        /// TAR.
        const TAR = 0x0400_0000;
        /// Vector cryptography.
        const VEC_CRYPTO = 0x0200_0000;
        /// System calls abort transactions.
        const HTM_NOSC = 0x0100_0000;
        /// ISA 3.0.
        const ARCH_3_00 = 0x0080_0000;
        /// 128-bit floating point.
        const IEEE128 = 0x0040_0000;
        /// darn.
        const DARN = 0x0020_0000;
        /// scv.
        const SCV = 0x0010_0000;
        /// ISA 3.1.
        const ARCH_3_1 = 0x0004_0000;
        /// Matrix-multiply assist.
        const MMA = 0x0002_0000;
    }
}

/// `reboot`: first magic number.
pub const LINUX_REBOOT_MAGIC1: u32 = 0xfee1_dead;
/// `reboot`: second magic number.
pub const LINUX_REBOOT_MAGIC2: u32 = 672_274_793;
/// `reboot`: restart.
pub const LINUX_REBOOT_CMD_RESTART: u32 = 0x0123_4567;
/// Restart with a text for firmware.
pub const LINUX_REBOOT_CMD_RESTART2: u32 = 0xa1b2_c3d4;
/// `reboot`: halt.
pub const LINUX_REBOOT_CMD_HALT: u32 = 0xcdef_0123;
/// `reboot`: switch off.
pub const LINUX_REBOOT_CMD_POWER_OFF: u32 = 0x4321_fedc;
/// `reboot`: Ctrl-Alt-Del restarts.
pub const LINUX_REBOOT_CMD_CAD_ON: u32 = 0x89ab_cdef;
/// `reboot`: Ctrl-Alt-Del signals init.
pub const LINUX_REBOOT_CMD_CAD_OFF: u32 = 0;

/// `getrandom`: fail rather than wait.
pub const GRND_NONBLOCK: u32 = 1;
/// `getrandom`: from the blocking pool.
pub const GRND_RANDOM: u32 = 2;
/// `getrandom`: even before the generator is seeded.
pub const GRND_INSECURE: u32 = 4;
