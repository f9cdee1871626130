//! Filters of system calls (`man 2 seccomp`, linux/seccomp.h, linux/filter.h, linux/audit.h).

use super::record::record;

/// `PR_GET_SECCOMP`: no mode.
pub const SECCOMP_MODE_DISABLED: u32 = 0;
/// `PR_SET_SECCOMP`: read, write, exit and the return from handlers.
pub const SECCOMP_MODE_STRICT: u32 = 1;
/// `PR_SET_SECCOMP`: what filters allow.
pub const SECCOMP_MODE_FILTER: u32 = 2;
/// `seccomp`: the strict mode.
pub const SECCOMP_SET_MODE_STRICT: u32 = 0;
/// `seccomp`: a filter.
pub const SECCOMP_SET_MODE_FILTER: u32 = 1;
/// `seccomp`: whether there is an action.
pub const SECCOMP_GET_ACTION_AVAIL: u32 = 2;
/// All threads of the process get the filter.
pub const SECCOMP_FILTER_FLAG_TSYNC: u32 = 1;
/// What the filter refuses is noted.
pub const SECCOMP_FILTER_FLAG_LOG: u32 = 2;
/// No defence against speculation.
pub const SECCOMP_FILTER_FLAG_SPEC_ALLOW: u32 = 4;
/// ESRCH rather than the number of a thread that cannot get the filter.
pub const SECCOMP_FILTER_FLAG_TSYNC_ESRCH: u32 = 16;
/// The process ends.
pub const SECCOMP_RET_KILL_PROCESS: u32 = 0x8000_0000;
/// The thread ends.
pub const SECCOMP_RET_KILL_THREAD: u32 = 0;
/// SIGSYS.
pub const SECCOMP_RET_TRAP: u32 = 0x0003_0000;
/// An error.
pub const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;
/// A program that listens decides.
pub const SECCOMP_RET_USER_NOTIF: u32 = 0x7fc0_0000;
/// A tracer decides.
pub const SECCOMP_RET_TRACE: u32 = 0x7ff0_0000;
/// The call is made and noted.
pub const SECCOMP_RET_LOG: u32 = 0x7ffc_0000;
/// The call is made.
pub const SECCOMP_RET_ALLOW: u32 = 0x7fff_0000;
/// What of a returned value says what happens.
pub const SECCOMP_RET_ACTION: u32 = 0xffff_0000;
/// The rest of it.
pub const SECCOMP_RET_DATA: u32 = 0x0000_ffff;
/// `si_code` of SIGSYS: a filter.
pub const SYS_SECCOMP: i32 = 1;
/// Little-endian 64-bit powerpc.
pub const AUDIT_ARCH_PPC64LE: u32 = 0xc000_0015;
/// Most instructions of a program.
pub const BPF_MAXINSNS: usize = 4096;

record! {
    /// `struct seccomp_data`: what a filter is told of a call.
    SeccompData [64] {
        /// Its number.
        0 nr: u32,
        /// AUDIT_ARCH_.
        4 arch: u32,
        /// Where it was made.
        8 instruction_pointer: u64,
        /// Its arguments.
        16 args: [u64; 6],
    }

    /// `struct sock_filter`: an instruction.
    SockFilter [8] {
        /// What it does.
        0 code: u16,
        /// How many are passed over when a test holds.
        2 jt: u8,
        /// How many when it does not.
        3 jf: u8,
        /// A constant.
        4 k: u32,
    }

    /// `struct sock_fprog`: a program.
    SockFprog [16] {
        /// Number of its instructions.
        0 len: u16,
        /// Their address.
        8 filter: u64,
    }
}
