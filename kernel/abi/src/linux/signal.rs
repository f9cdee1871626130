//! Signals: numbers, sets, actions and what comes with a signal (`man 7 signal`, `man 2 sigaction`).

use super::record::record;
use crate::Errno;
use bitflags::bitflags;
use core::fmt;

/// The number of a signal, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalNumber(u8);

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        impl SignalNumber {
            $($(#[$doc])* pub const $name: SignalNumber = SignalNumber($number);)*

            /// The symbolic name of a standard signal, `SIGHUP`.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    /// Hang-up of the controlling terminal, or death of its process.
    SIGHUP = 1,
    /// Interrupt from the keyboard.
    SIGINT = 2,
    /// Quit from the keyboard.
    SIGQUIT = 3,
    /// Illegal instruction.
    SIGILL = 4,
    /// Trace or breakpoint trap.
    SIGTRAP = 5,
    /// Abort.
    SIGABRT = 6,
    /// Bad memory access.
    SIGBUS = 7,
    /// Arithmetic exception.
    SIGFPE = 8,
    /// Kill; cannot be caught.
    SIGKILL = 9,
    /// For programs.
    SIGUSR1 = 10,
    /// Invalid memory reference.
    SIGSEGV = 11,
    /// For programs.
    SIGUSR2 = 12,
    /// Write to a pipe without readers.
    SIGPIPE = 13,
    /// Timer of `alarm`.
    SIGALRM = 14,
    /// Request to end.
    SIGTERM = 15,
    /// Coprocessor stack fault; unused.
    SIGSTKFLT = 16,
    /// A child has stopped, gone on or ended.
    SIGCHLD = 17,
    /// Go on if stopped.
    SIGCONT = 18,
    /// Stop; cannot be caught.
    SIGSTOP = 19,
    /// Stop from the keyboard.
    SIGTSTP = 20,
    /// Terminal input for a background process.
    SIGTTIN = 21,
    /// Terminal output of a background process.
    SIGTTOU = 22,
    /// Urgent data on a socket.
    SIGURG = 23,
    /// CPU time limit exceeded.
    SIGXCPU = 24,
    /// File size limit exceeded.
    SIGXFSZ = 25,
    /// Virtual alarm clock.
    SIGVTALRM = 26,
    /// Profiling timer expired.
    SIGPROF = 27,
    /// The terminal's window size has changed.
    SIGWINCH = 28,
    /// I/O is possible.
    SIGIO = 29,
    /// Power failure.
    SIGPWR = 30,
    /// Bad system call.
    SIGSYS = 31,
}

impl SignalNumber {
    /// The first real-time signal as the kernel counts.
    pub const RT_MIN: SignalNumber = SignalNumber(32);
    /// The last real-time signal.
    pub const RT_MAX: SignalNumber = SignalNumber(64);

    /// A signal from the number that a program gives.
    ///
    /// # Errors
    /// EINVAL for anything but 1 to 64 (0, the existence check of `kill`, is the caller's to see).
    pub const fn new(number: u64) -> Result<Self, Errno> {
        if number >= 1 && number <= 64 {
            Ok(Self(number as u8))
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// The number, 1 to 64.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether several of it can be pending at once.
    #[must_use]
    pub const fn is_realtime(self) -> bool {
        self.0 >= 32
    }

    /// Its place in tables, 0 to 63.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl fmt::Debug for SignalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "SIG{}", self.0),
        }
    }
}

impl fmt::Display for SignalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A set of signals as programs pass it: bit n-1 is signal n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: SignalSet = SignalSet(0);
    /// Every signal.
    pub const FULL: SignalSet = SignalSet(u64::MAX);
    /// The two that can be neither caught nor blocked.
    pub const UNBLOCKABLE: SignalSet =
        SignalSet::of(&[SignalNumber::SIGKILL, SignalNumber::SIGSTOP]);
    /// Those that stop a process by default.
    pub const STOPPING: SignalSet = SignalSet::of(&[
        SignalNumber::SIGSTOP,
        SignalNumber::SIGTSTP,
        SignalNumber::SIGTTIN,
        SignalNumber::SIGTTOU,
    ]);
    /// Those that an instruction of the thread itself causes; they are delivered before others.
    pub const SYNCHRONOUS: SignalSet = SignalSet::of(&[
        SignalNumber::SIGSEGV,
        SignalNumber::SIGBUS,
        SignalNumber::SIGILL,
        SignalNumber::SIGTRAP,
        SignalNumber::SIGFPE,
        SignalNumber::SIGSYS,
    ]);

    /// The set of some signals.
    #[must_use]
    pub const fn of(signals: &[SignalNumber]) -> Self {
        let mut bits = 0;
        let mut rest = signals;
        while let [first, tail @ ..] = rest {
            bits |= 1 << first.index();
            rest = tail;
        }
        Self(bits)
    }

    /// Whether a signal is in the set.
    #[must_use]
    pub const fn contains(self, signal: SignalNumber) -> bool {
        self.0 >> signal.index() & 1 == 1
    }

    /// The set with a signal.
    #[must_use]
    pub const fn with(self, signal: SignalNumber) -> Self {
        Self(self.0 | 1 << signal.index())
    }

    /// The set without a signal.
    #[must_use]
    pub const fn without(self, signal: SignalNumber) -> Self {
        Self(self.0 & !(1 << signal.index()))
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The signal with the least number.
    #[must_use]
    pub const fn first(self) -> Option<SignalNumber> {
        if self.0 == 0 {
            None
        } else {
            Some(SignalNumber(self.0.trailing_zeros() as u8 + 1))
        }
    }
}

/// Reads a set as `sigprocmask` and its kin pass it.
///
/// # Errors
/// EINVAL unless `size` is 8 (`sigsetsize` of the rt_ calls).
pub const fn check_set_size(size: u64) -> Result<(), Errno> {
    if size == 8 {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

bitflags! {
    /// `sa_flags` (`man 2 sigaction`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ActionFlags: u64 {
        /// No SIGCHLD when children stop.
        const NOCLDSTOP = 0x1;
        /// Children leave no zombie.
        const NOCLDWAIT = 0x2;
        /// The handler gets `siginfo_t` and `ucontext_t`.
        const SIGINFO = 0x4;
        /// Makes `si_fault` bits unsupported visible.
        const UNSUPPORTED = 0x400;
        /// Ask for address tag bits.
        const EXPOSE_TAGBITS = 0x800;
        /// `sa_restorer` is set.
        const RESTORER = 0x0400_0000;
        /// Use the alternate stack.
        const ONSTACK = 0x0800_0000;
        /// Restart interrupted calls.
        const RESTART = 0x1000_0000;
        /// Do not block the signal while its handler runs.
        const NODEFER = 0x4000_0000;
        /// Back to the default action when the handler starts.
        const RESETHAND = 0x8000_0000;
        const _ = !0;
    }
}

/// `sa_handler`: the default action.
pub const SIG_DFL: u64 = 0;
/// `sa_handler`: ignore.
pub const SIG_IGN: u64 = 1;

/// `how` of `sigprocmask`: add to the mask.
pub const SIG_BLOCK: u64 = 0;
/// `how` of `sigprocmask`: take from the mask.
pub const SIG_UNBLOCK: u64 = 1;
/// `how` of `sigprocmask`: replace the mask.
pub const SIG_SETMASK: u64 = 2;

/// `ss_flags`: running on the alternate stack.
pub const SS_ONSTACK: u32 = 1;
/// `ss_flags`: no alternate stack.
pub const SS_DISABLE: u32 = 2;
/// `ss_flags`: switched off while a handler runs on it.
pub const SS_AUTODISARM: u32 = 1 << 31;
/// Least size of an alternate stack on powerpc64, in bytes.
pub const MINSIGSTKSZ: u64 = 8192;

/// `si_code`: sent by `kill`.
pub const SI_USER: i32 = 0;
/// `si_code`: sent by the kernel.
pub const SI_KERNEL: i32 = 0x80;
/// `si_code`: sent by `sigqueue`.
pub const SI_QUEUE: i32 = -1;
/// `si_code`: a POSIX timer expired.
pub const SI_TIMER: i32 = -2;
/// `si_code`: a message arrived in a message queue.
pub const SI_MESGQ: i32 = -3;
/// SIGIO: there is something to read.
pub const POLL_IN: i32 = 1;
/// SIGIO: there is room to write.
pub const POLL_OUT: i32 = 2;
/// SIGIO: an error.
pub const POLL_ERR: i32 = 4;
/// SIGIO: the other side has gone.
pub const POLL_HUP: i32 = 6;
/// `si_code`: asynchronous I/O completed.
pub const SI_ASYNCIO: i32 = -4;
/// `si_code`: sent by `tkill` or `tgkill`.
pub const SI_TKILL: i32 = -6;
/// `si_code` of SIGILL: illegal opcode.
pub const ILL_ILLOPC: i32 = 1;
/// `si_code` of SIGILL: illegal trap.
pub const ILL_ILLTRP: i32 = 4;
/// `si_code` of SIGILL: privileged opcode.
pub const ILL_PRVOPC: i32 = 5;
/// `si_code` of SIGFPE: integer divide by zero.
pub const FPE_INTDIV: i32 = 1;
/// `si_code` of SIGFPE: floating-point divide by zero.
pub const FPE_FLTDIV: i32 = 3;
/// `si_code` of SIGFPE: floating-point overflow.
pub const FPE_FLTOVF: i32 = 4;
/// `si_code` of SIGFPE: floating-point underflow.
pub const FPE_FLTUND: i32 = 5;
/// `si_code` of SIGFPE: inexact result.
pub const FPE_FLTRES: i32 = 6;
/// `si_code` of SIGFPE: invalid operation.
pub const FPE_FLTINV: i32 = 7;
/// `si_code` of SIGSEGV: nothing is mapped there.
pub const SEGV_MAPERR: i32 = 1;
/// `si_code` of SIGSEGV: the mapping does not allow it.
pub const SEGV_ACCERR: i32 = 2;
/// `si_code` of SIGBUS: invalid alignment.
pub const BUS_ADRALN: i32 = 1;
/// `si_code` of SIGBUS: no such physical address, also beyond the end of a mapped file.
pub const BUS_ADRERR: i32 = 2;
/// `si_code` of SIGTRAP: breakpoint.
pub const TRAP_BRKPT: i32 = 1;
/// `si_code` of SIGTRAP: trace.
pub const TRAP_TRACE: i32 = 2;
/// `si_code` of SIGCHLD: the child has exited.
pub const CLD_EXITED: i32 = 1;
/// `si_code` of SIGCHLD: a signal killed the child.
pub const CLD_KILLED: i32 = 2;
/// `si_code` of SIGCHLD: a signal killed the child and it dumped core.
pub const CLD_DUMPED: i32 = 3;
/// `si_code` of SIGCHLD: a traced child has trapped.
pub const CLD_TRAPPED: i32 = 4;
/// `si_code` of SIGCHLD: the child has stopped.
pub const CLD_STOPPED: i32 = 5;
/// `si_code` of SIGCHLD: the child has gone on.
pub const CLD_CONTINUED: i32 = 6;

record! {
    /// `struct sigaction` as `rt_sigaction` takes it on powerpc64 (not glibc's).
    KernelSigaction [32] {
        /// [`SIG_DFL`], [`SIG_IGN`] or the address of the handler.
        0 handler: u64,
        /// [`ActionFlags`].
        8 flags: u64,
        /// Where a handler returns to, with [`ActionFlags::RESTORER`]; powerpc uses the vDSO and ignores it.
        16 restorer: u64,
        /// Signals to block while the handler runs.
        24 mask: u64,
    }

    /// `stack_t` (`man 2 sigaltstack`).
    StackT [24] {
        /// Lowest address.
        0 sp: u64,
        /// SS_ flags.
        8 flags: u32,
        /// Size in bytes.
        16 size: u64,
    }
}

record! {
    /// `struct signalfd_siginfo` (`man 2 signalfd`).
    SignalFileInfo [128] {
        /// Which signal.
        0 signo: u32,
        /// An errno.
        4 errno: i32,
        /// SI_ or a code of the signal.
        8 code: i32,
        /// The sender.
        12 pid: u32,
        /// Its real user.
        16 uid: u32,
        /// Descriptor (SIGIO).
        20 fd: i32,
        /// Number of the POSIX timer.
        24 tid: u32,
        /// Events (SIGIO).
        28 band: u32,
        /// Expirations that were not told.
        32 overrun: u32,
        /// Number of a trap.
        36 trapno: u32,
        /// Exit status or signal number (SIGCHLD).
        40 status: i32,
        /// `sigval`, as a number.
        44 int: i32,
        /// `sigval`, as an address.
        48 ptr: u64,
        /// User time (SIGCHLD).
        56 utime: u64,
        /// System time (SIGCHLD).
        64 stime: u64,
        /// Where a fault was.
        72 addr: u64,
        /// Number of a trapped call.
        84 syscall: u32,
        /// Where it was made.
        88 call_addr: u64,
        /// AUDIT_ARCH_.
        96 arch: u32,
    }
}

impl From<&SigInfo> for SignalFileInfo {
    fn from(info: &SigInfo) -> Self {
        use super::Field;
        let mut told = Self {
            signo: u32::from(info.signal.get()),
            errno: info.errno,
            code: info.code,
            ..Self::default()
        };
        let value = |told: &mut Self, value: u64| (told.ptr, told.int) = (value, value as i32);
        match info.detail {
            Detail::None => {}
            Detail::Sender {
                pid,
                uid,
                value: with,
            } => {
                (told.pid, told.uid) = (pid, uid);
                value(&mut told, with);
            }
            Detail::Child {
                pid,
                uid,
                status,
                utime,
                stime,
            } => {
                (told.pid, told.uid, told.status) = (pid, uid, status);
                (told.utime, told.stime) = (utime.cast_unsigned(), stime.cast_unsigned());
            }
            Detail::Fault { address } => told.addr = address,
            Detail::Timer {
                id,
                overrun,
                value: with,
            } => {
                (told.tid, told.overrun) = (id.cast_unsigned(), overrun.cast_unsigned());
                value(&mut told, with);
            }
            Detail::Call {
                address,
                number,
                arch,
            } => (told.call_addr, told.syscall, told.arch) = (address, number, arch),
            Detail::Poll { band, fd } => (told.band, told.fd) = (band as u32, fd),
            Detail::Raw(bytes) => {
                [told.pid, told.uid] = Field::get(&bytes);
                value(&mut told, u64::get(bytes.get(8..).unwrap_or_default()));
            }
        }
        told
    }
}

/// `siginfo_t` without its 112 bytes that depend on the kind.
pub const SIGINFO_SIZE: usize = 128;

/// What comes with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigInfo {
    /// Which signal.
    pub signal: SignalNumber,
    /// An errno, mostly 0.
    pub errno: i32,
    /// Where it comes from, SI_ or a code of the signal.
    pub code: i32,
    /// The rest, by where it comes from.
    pub detail: Detail,
}

/// The part of `siginfo_t` that depends on where a signal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing more.
    None,
    /// Sent by a process, with a value when queued. The pid is as the receiver sees it.
    Sender {
        /// Process number of the sender, in the receiver's environment; 0 when the receiver cannot see it.
        pid: u32,
        /// Its real user.
        uid: u32,
        /// `sigval`.
        value: u64,
    },
    /// SIGCHLD.
    Child {
        /// Process number of the child.
        pid: u32,
        /// Its real user.
        uid: u32,
        /// Exit status or signal number.
        status: i32,
        /// User time in clock ticks of 1/100 s.
        utime: i64,
        /// System time in clock ticks of 1/100 s.
        stime: i64,
    },
    /// A fault: the address of the instruction or of the datum.
    Fault {
        /// `si_addr`.
        address: u64,
    },
    /// A POSIX timer.
    Timer {
        /// Timer number.
        id: i32,
        /// `si_overrun`.
        overrun: i32,
        /// `sigval`.
        value: u64,
    },
    /// SIGSYS: a call that a filter has trapped.
    Call {
        /// Where it was made.
        address: u64,
        /// Its number.
        number: u32,
        /// AUDIT_ARCH_.
        arch: u32,
    },
    /// SIGIO.
    Poll {
        /// Events.
        band: i64,
        /// File descriptor.
        fd: i32,
    },
    /// What a program passed with `rt_sigqueueinfo`, byte for byte: as much of it as any signal has something in.
    Raw([u8; 32]),
}

impl SigInfo {
    /// A signal from the kernel with nothing more to say.
    #[must_use]
    pub const fn kernel(signal: SignalNumber) -> Self {
        Self {
            signal,
            errno: 0,
            code: SI_KERNEL,
            detail: Detail::None,
        }
    }

    /// A signal sent by `kill` ([`SI_USER`]) or `tgkill` ([`SI_TKILL`]).
    #[must_use]
    pub const fn sent(signal: SignalNumber, code: i32, pid: u32, uid: u32) -> Self {
        Self {
            signal,
            errno: 0,
            code,
            detail: Detail::Sender { pid, uid, value: 0 },
        }
    }

    /// A fault of the thread itself.
    #[must_use]
    pub const fn fault(signal: SignalNumber, code: i32, address: u64) -> Self {
        Self {
            signal,
            errno: 0,
            code,
            detail: Detail::Fault { address },
        }
    }

    /// Whether a process sent it, so that `si_pid` says who.
    #[must_use]
    pub const fn from_program(&self) -> bool {
        self.code <= 0
    }

    /// `siginfo_t` as programs see it.
    #[must_use]
    pub fn encode(&self) -> [u8; SIGINFO_SIZE] {
        let mut bytes = [0; SIGINFO_SIZE];
        self.encode_into(&mut bytes);
        bytes
    }

    /// Writes [`SigInfo::encode`] over zeros.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; SIGINFO_SIZE]) {
        put(
            bytes,
            0,
            [i32::from(self.signal.get()), self.errno, self.code],
        );
        match self.detail {
            Detail::None => {}
            Detail::Sender { pid, uid, value } => {
                put(bytes, 16, [pid, uid]);
                put(bytes, 24, value);
            }
            Detail::Child {
                pid,
                uid,
                status,
                utime,
                stime,
            } => {
                put(bytes, 16, [pid, uid]);
                put(bytes, 24, status);
                put(bytes, 32, [utime, stime]);
            }
            Detail::Fault { address } => put(bytes, 16, address),
            Detail::Timer { id, overrun, value } => {
                put(bytes, 16, [id, overrun]);
                put(bytes, 24, value);
            }
            Detail::Call {
                address,
                number,
                arch,
            } => {
                put(bytes, 16, address);
                put(bytes, 24, [number, arch]);
            }
            Detail::Poll { band, fd } => {
                put(bytes, 16, band);
                put(bytes, 24, fd);
            }
            Detail::Raw(rest) => put(bytes, 16, rest),
        }
    }

    /// What a program passed to `rt_sigqueueinfo`; the signal number in it is replaced by the call's.
    ///
    /// # Errors
    /// E2BIG when there is something where no known signal has anything, and the code is unknown.
    pub fn decode(signal: SignalNumber, bytes: &[u8; SIGINFO_SIZE]) -> Result<Self, Errno> {
        use super::Field;
        /// The least and the greatest code of those that say what comes with them (asm-generic/siginfo.h).
        const CODES: core::ops::RangeInclusive<i32> = -7..=15;
        const SI_ASYNCNL: i32 = -60;
        let [_, errno, code, _] = <[i32; 4]>::get(bytes);
        let (known, rest) = bytes.split_at(16 + 32);
        let has_layout = CODES.contains(&code) || code == SI_ASYNCNL || code == SI_KERNEL;
        if !has_layout && rest.iter().any(|byte| *byte != 0) {
            return Err(Errno::E2BIG);
        }
        Ok(Self {
            signal,
            errno,
            code,
            detail: Detail::Raw(Field::get(known.get(16..).unwrap_or_default())),
        })
    }
}

#[inline]
fn put(bytes: &mut [u8; SIGINFO_SIZE], offset: usize, value: impl super::Field) {
    value.put(bytes.get_mut(offset..).unwrap_or_default());
}
