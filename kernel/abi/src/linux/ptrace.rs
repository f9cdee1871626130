//! Tracing a thread (`man 2 ptrace`; asm/ptrace.h of powerpc, linux/ptrace.h, linux/elf.h).

use super::record::record;
use bitflags::bitflags;

/// What `ptrace` is asked to do, by number.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What `ptrace` is asked to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TraceRequest {
            $($(#[$doc])* $name,)*
        }

        impl TraceRequest {
            /// The request with a number; `None` for one that there is not.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

requests! {
    /// The caller is traced by its parent from now on.
    TraceMe = 0,
    /// Reads a word of memory.
    PeekText = 1,
    /// The same.
    PeekData = 2,
    /// Reads a register.
    PeekUser = 3,
    /// Writes a word of memory.
    PokeText = 4,
    /// The same.
    PokeData = 5,
    /// Writes a register.
    PokeUser = 6,
    /// Lets the thread go on.
    Cont = 7,
    /// Kills it.
    Kill = 8,
    /// Lets it go on for one instruction.
    SingleStep = 9,
    /// Reads the general registers.
    GetRegs = 12,
    /// Writes them.
    SetRegs = 13,
    /// Reads the floating-point registers.
    GetFpRegs = 14,
    /// Writes them.
    SetFpRegs = 15,
    /// Traces a thread and stops it.
    Attach = 16,
    /// Leaves it alone again.
    Detach = 17,
    /// Reads the vector registers.
    GetVrRegs = 18,
    /// Writes them.
    SetVrRegs = 19,
    /// Lets it go on to its next system call or the end of the present one.
    Syscall = 24,
    /// Reads the low halves of the first 32 vector-scalar registers.
    GetVsrRegs = 27,
    /// Writes them.
    SetVsrRegs = 28,
    /// Sets [`TraceOptions`].
    SetOptions = 0x4200,
    /// Reads what came with the last event.
    GetEventMsg = 0x4201,
    /// Reads what came with the signal.
    GetSigInfo = 0x4202,
    /// Writes it.
    SetSigInfo = 0x4203,
    /// Reads a set of registers by its note type.
    GetRegSet = 0x4204,
    /// Writes it.
    SetRegSet = 0x4205,
    /// Traces a thread and lets it run.
    Seize = 0x4206,
    /// Stops a seized thread.
    Interrupt = 0x4207,
    /// Leaves a thread in a group stop, and tells of its end.
    Listen = 0x4208,
    /// Reads what came with pending signals, which stay pending.
    PeekSigInfo = 0x4209,
    /// Reads the signal mask.
    GetSigMask = 0x420a,
    /// Writes it.
    SetSigMask = 0x420b,
    /// Tells of the system call that the thread is in.
    GetSyscallInfo = 0x420e,
}

bitflags! {
    /// What a tracer wants to be told, and how (`PTRACE_SETOPTIONS`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TraceOptions: u32 {
        /// Stops of system calls have bit 7 of the signal set.
        const SYSGOOD = 1;
        /// Stop at `fork`, and trace the child.
        const FORK = 1 << 1;
        /// Stop at `vfork`, and trace the child.
        const VFORK = 1 << 2;
        /// Stop at any other `clone`, and trace what it makes.
        const CLONE = 1 << 3;
        /// Stop at `execve`.
        const EXEC = 1 << 4;
        /// Stop when a `vfork` is done.
        const VFORK_DONE = 1 << 5;
        /// Stop at the end.
        const EXIT = 1 << 6;
        /// Stop where a filter of calls leaves one to a tracer (SECCOMP_RET_TRACE).
        const SECCOMP = 1 << 7;
        /// Kill what is traced when the tracer ends.
        const EXIT_KILL = 1 << 20;
    }
}

/// An event that a tracer is told of, in the second byte of the code of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TraceEvent {
    /// A child by `fork`; the message is its number.
    Fork = 1,
    /// A child by `vfork`; the message is its number.
    Vfork = 2,
    /// A child or a thread by another `clone`; the message is its number.
    Clone = 3,
    /// A program was executed; the message is the number that the thread had before.
    Exec = 4,
    /// The child of a `vfork` has given the memory back; the message is its number.
    VforkDone = 5,
    /// The thread ends; the message is its status.
    Exit = 6,
    /// A filter leaves a call to the tracer; the message is what the filter says with it.
    Seccomp = 7,
}

impl TraceEvent {
    /// In place of an event: a stop that is not of a signal, of a thread that was seized.
    pub const STOP: u8 = 128;

    /// The option that asks for it.
    #[must_use]
    pub const fn option(self) -> TraceOptions {
        match self {
            Self::Fork => TraceOptions::FORK,
            Self::Vfork => TraceOptions::VFORK,
            Self::Clone => TraceOptions::CLONE,
            Self::Exec => TraceOptions::EXEC,
            Self::VforkDone => TraceOptions::VFORK_DONE,
            Self::Exit => TraceOptions::EXIT,
            Self::Seccomp => TraceOptions::SECCOMP,
        }
    }
}

record! {
    /// `struct ptrace_peeksiginfo_args`.
    PeekSigInfo [16] {
        /// How many signals are passed over.
        0 offset: u64,
        /// 1 for those of the process in place of the thread's own.
        8 flags: u32,
        /// How many there is room for.
        12 count: u32,
    }
}

/// Note type of the general registers.
pub const NT_PRSTATUS: u32 = 1;
/// Note type of the floating-point registers.
pub const NT_PRFPREG: u32 = 2;
/// Note type of the vector registers.
pub const NT_PPC_VMX: u32 = 0x100;
/// Note type of the low halves of the first 32 vector-scalar registers.
pub const NT_PPC_VSX: u32 = 0x102;
/// Note type of the target address register.
pub const NT_PPC_TAR: u32 = 0x103;
/// Note type of the data stream control register.
pub const NT_PPC_DSCR: u32 = 0x105;

/// The architecture in `ptrace_syscall_info` (`AUDIT_ARCH_PPC64LE` of linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_0015;

/// In r3 of a stopped thread: its call goes on unless a handler comes between.
pub const ERESTARTSYS: u64 = 512;

record! {
    /// `struct ptrace_syscall_info`; of the second half only as much is told as `op` has use for.
    TraceCallInfo [88] {
        /// 0 outside of a call, 1 at its start, 2 at its end.
        0 op: u8,
        /// [`AUDIT_ARCH`].
        4 arch: u32,
        /// The address of the next instruction.
        8 instruction_pointer: u64,
        /// The stack pointer.
        16 stack_pointer: u64,
        /// At the start the number of the call, at the end its result.
        24 first: u64,
        /// At the start its arguments; at the end the first byte says whether it has failed.
        32 rest: [u64; 6],
    }
}

impl TraceCallInfo {
    /// How much is told outside of a call.
    pub const NONE: usize = 24;
    /// How much is told at the start of a call.
    pub const ENTRY: usize = 80;
    /// How much is told at its end.
    pub const EXIT: usize = 33;
}
