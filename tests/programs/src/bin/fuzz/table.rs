//! Which arguments calls take (their man pages of section 2), as far as that makes a call get beyond its first checks.
//!
//! A call that is not in the table is made with arguments of no type, as every call is now and then.

use abi::linux::SystemCall::{self, *};

/// What an argument is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A descriptor.
    File,
    /// A descriptor that a path begins at.
    At,
    /// A path.
    Path,
    /// Memory with anything in it.
    Memory,
    /// How much memory.
    Length,
    /// A place in a file.
    Offset,
    /// A small number.
    Small,
    /// One of these values.
    One(&'static [u64]),
    /// Any of these bits together.
    Bits(&'static [u64]),
    /// The number of a signal.
    SignalNumber,
    /// The number of a process or thread, which may only be the caller's own or a child's.
    Process,
    /// A user or group.
    Owner,
    /// A list of buffers.
    Vector,
    /// Its length.
    Count,
    /// A span of time, seconds and nanoseconds.
    Span,
    /// Two of them.
    Spans,
    /// An address of a socket.
    Address,
    /// A message of a socket.
    Message,
    /// Entries for `poll`.
    Polls,
    /// A set of signals.
    Signals,
    /// A word that a futex is.
    Word,
    /// An address at the beginning of a page.
    Page,
    /// A list of strings.
    Strings,
    /// A program.
    Program,
    /// What `clone3` gets.
    CloneArgs,
    /// What `fcntl` and `ioctl` get with their command.
    Either,
    /// A ring of io_uring, with entries in it.
    Ring,
    /// How `openat2` opens.
    How,
}

use Kind::*;

const OPEN: Kind = Bits(&[
    0o0, 0o1, 0o2, 0o100, 0o200, 0o1000, 0o2000, 0o4000, 0o40000, 0o100000, 0o400000, 0o2000000,
    0o10000000, 0o20040000,
]);
const MODE: Kind = One(&[0, 0o600, 0o644, 0o755, 0o777, 0o4755, 0o7777, 0o17777]);
const AT_FLAGS: Kind = Bits(&[0, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000]);
const MESSAGE_FLAGS: Kind = Bits(&[0, 1, 2, 0x20, 0x40, 0x100, 0x4000, 0x1000_0000, 0x4000_0000]);
const CLONE: Kind = Bits(&[
    17, 17, 17, 17, 0x400, 0x200, 0x800, 0x1000, 0x8000, 0x8_0000, 0x10_0000, 0x20_0000,
    0x100_0000, 0x4000,
]);
const CLOCK: Kind = One(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 0xffff_ffff_ffff_fffa]);
const WAIT: Kind = Bits(&[0, 1, 2, 4, 8, 0x0100_0000, 0x4000_0000, 0x8000_0000]);
const ACCESS: Kind = Bits(&[0, 1, 2, 3, 4, 0x10]);
const MAP: Kind = Bits(&[
    1, 2, 2, 2, 0x20, 0x20, 0x20, 0x10, 0x100, 0x8000, 0x4_0000, 0x10_0000, 0x80, 0x2000,
]);
const ADVICE: Kind = One(&[
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 100, 101,
]);
const FUTEX: Kind = One(&[
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    128,
    129,
    131,
    132,
    133,
    134,
    135,
    136,
    137,
    138,
    137 + 256,
    265,
]);
const IOCTL: Kind = One(&[
    0x4024_7413,
    0x8024_7414,
    0x8024_7415,
    0x2000_741d,
    0x2000_741e,
    0x2000_741f,
    0x8008_7467,
    0x4008_7468,
    0x4004_7473,
    0x8004_7476,
    0x4004_7477,
    0x540e,
    0x5412,
    0x5422,
    0x5423,
    0x5424,
    0x5425,
    0x5429,
    0x4004_5430,
    0x8004_5431,
    0x8004_5436,
    0x5437,
    0x2000_5441,
    0x4004_667f,
    0x8004_667e,
    0x8004_667d,
    0x2000_6601,
    0x2000_6602,
    0x4004_6601,
]);
const FCNTL: Kind = One(&[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 36, 37, 38, 1024, 1025, 1026, 1030,
    1031, 1032, 1033, 1034, 1035, 1036,
]);
const LEVEL: Kind = One(&[0, 1, 1, 1, 6, 17, 41]);
const FAMILY: Kind = One(&[1, 1, 1, 1, 2, 10, 16, 17, 0]);
const STYLE: Kind = Bits(&[1, 2, 3, 5, 0o4000, 0o2000000]);

/// The calls and their arguments.
pub const TABLE: &[(SystemCall, &[Kind])] = &[
    (Read, &[File, Memory, Length]),
    (Write, &[File, Memory, Length]),
    (Readv, &[File, Vector, Count]),
    (Writev, &[File, Vector, Count]),
    (Pread64, &[File, Memory, Length, Offset]),
    (Pwrite64, &[File, Memory, Length, Offset]),
    (Preadv, &[File, Vector, Count, Offset, Small]),
    (Pwritev, &[File, Vector, Count, Offset, Small]),
    (Preadv2, &[File, Vector, Count, Offset, Small, Small]),
    (Pwritev2, &[File, Vector, Count, Offset, Small, Small]),
    (Lseek, &[File, Offset, Small]),
    (Sendfile, &[File, File, Memory, Length]),
    (CopyFileRange, &[File, Memory, File, Memory, Length, Small]),
    (Splice, &[File, Memory, File, Memory, Length, Small]),
    (Tee, &[File, File, Length, Small]),
    (Vmsplice, &[File, Vector, Count, Small]),
    (Ftruncate, &[File, Offset]),
    (Truncate, &[Path, Offset]),
    (Fsync, &[File]),
    (Fallocate, &[File, Bits(&[0, 1, 2, 8, 16]), Offset, Offset]),
    (Fadvise64, &[File, Offset, Length, Small]),
    (Open, &[Path, OPEN, MODE]),
    (Openat, &[At, Path, OPEN, MODE]),
    (Openat2, &[At, Path, How, One(&[24, 24, 24, 16, 32])]),
    (Creat, &[Path, MODE]),
    (Mkdir, &[Path, MODE]),
    (Mkdirat, &[At, Path, MODE]),
    (Rmdir, &[Path]),
    (Unlink, &[Path]),
    (Unlinkat, &[At, Path, AT_FLAGS]),
    (Link, &[Path, Path]),
    (Linkat, &[At, Path, At, Path, AT_FLAGS]),
    (Symlink, &[Path, Path]),
    (Symlinkat, &[Path, At, Path]),
    (Readlink, &[Path, Memory, Length]),
    (Readlinkat, &[At, Path, Memory, Length]),
    (Rename, &[Path, Path]),
    (Renameat2, &[At, Path, At, Path, Bits(&[0, 1, 2, 4])]),
    (
        Mknod,
        &[
            Path,
            One(&[0o10644, 0o100644, 0o140644, 0o20644, 0o60644]),
            Small,
        ],
    ),
    (
        Mknodat,
        &[
            At,
            Path,
            One(&[0o10644, 0o100644, 0o140644, 0o20644]),
            Small,
        ],
    ),
    (Getdents64, &[File, Memory, Length]),
    (Getdents, &[File, Memory, Length]),
    (Chdir, &[Path]),
    (Fchdir, &[File]),
    (Chroot, &[Path]),
    (Getcwd, &[Memory, Length]),
    (Umask, &[MODE]),
    (
        Mount,
        &[
            Path,
            Path,
            Path,
            Bits(&[0, 1, 0x20, 0x1000, 0x4000, 0x2000]),
            Memory,
        ],
    ),
    (Umount2, &[Path, Bits(&[0, 1, 2, 4, 8])]),
    (Stat, &[Path, Memory]),
    (Lstat, &[Path, Memory]),
    (Fstat, &[File, Memory]),
    (Newfstatat, &[At, Path, Memory, AT_FLAGS]),
    (
        Statx,
        &[
            At,
            Path,
            AT_FLAGS,
            One(&[0, 0x7ff, 0xfff, 0x8000_0000]),
            Memory,
        ],
    ),
    (Statfs, &[Path, Memory]),
    (Fstatfs, &[File, Memory]),
    (Statfs64, &[Path, One(&[88, 120, 0]), Memory]),
    (Access, &[Path, Small]),
    (Faccessat, &[At, Path, Small]),
    (Faccessat2, &[At, Path, Small, AT_FLAGS]),
    (Chmod, &[Path, MODE]),
    (Fchmod, &[File, MODE]),
    (Fchmodat, &[At, Path, MODE]),
    (Fchmodat2, &[At, Path, MODE, AT_FLAGS]),
    (Chown, &[Path, Owner, Owner]),
    (Lchown, &[Path, Owner, Owner]),
    (Fchown, &[File, Owner, Owner]),
    (Fchownat, &[At, Path, Owner, Owner, AT_FLAGS]),
    (Utimes, &[Path, Spans]),
    (Utimensat, &[At, Path, Spans, AT_FLAGS]),
    (Futimesat, &[At, Path, Spans]),
    (Getxattr, &[Path, Program, Memory, Length]),
    (Setxattr, &[Path, Program, Memory, Length, Small]),
    (Fsetxattr, &[File, Program, Memory, Length, Small]),
    (Listxattr, &[Path, Memory, Length]),
    (Flistxattr, &[File, Memory, Length]),
    (Removexattr, &[Path, Program]),
    (Close, &[File]),
    (CloseRange, &[File, File, Bits(&[0, 2, 4])]),
    (Dup, &[File]),
    (Dup2, &[File, File]),
    (Dup3, &[File, File, Bits(&[0, 0o2000000])]),
    (Fcntl, &[File, FCNTL, Either]),
    (Ioctl, &[File, IOCTL, Either]),
    (Flock, &[File, Bits(&[1, 2, 4, 8])]),
    (Pipe, &[Memory]),
    (Pipe2, &[Memory, Bits(&[0, 0o4000, 0o40000, 0o2000000])]),
    (Socket, &[FAMILY, STYLE, Small]),
    (Socketpair, &[FAMILY, STYLE, Small, Memory]),
    (Bind, &[File, Address, One(&[2, 3, 16, 28, 110])]),
    (Connect, &[File, Address, One(&[2, 3, 16, 28, 110])]),
    (Listen, &[File, Small]),
    (Accept, &[File, Memory, Memory]),
    (
        Accept4,
        &[File, Memory, Memory, Bits(&[0, 0o4000, 0o2000000])],
    ),
    (Getsockname, &[File, Memory, Memory]),
    (Getpeername, &[File, Memory, Memory]),
    (
        Sendto,
        &[
            File,
            Memory,
            Length,
            MESSAGE_FLAGS,
            Address,
            One(&[0, 2, 3, 16, 28, 110]),
        ],
    ),
    (
        Recvfrom,
        &[File, Memory, Length, MESSAGE_FLAGS, Memory, Memory],
    ),
    (Sendmsg, &[File, Message, MESSAGE_FLAGS]),
    (Recvmsg, &[File, Message, MESSAGE_FLAGS]),
    (Sendmmsg, &[File, Message, Count, MESSAGE_FLAGS]),
    (Recvmmsg, &[File, Message, Count, MESSAGE_FLAGS, Span]),
    (Shutdown, &[File, Small]),
    (Setsockopt, &[File, LEVEL, Small, Memory, Length]),
    (Getsockopt, &[File, LEVEL, Small, Memory, Memory]),
    (Socketcall, &[Small, Memory]),
    (Poll, &[Polls, Count, Small]),
    (Ppoll, &[Polls, Count, Span, Signals, One(&[8])]),
    (Select, &[Small, Memory, Memory, Memory, Spans]),
    (Pselect6, &[Small, Memory, Memory, Memory, Span, Memory]),
    (
        Signalfd4,
        &[File, Signals, One(&[8]), Bits(&[0, 0o4000, 0o2000000])],
    ),
    (PidfdOpen, &[Process, Bits(&[0, 0o4000, 0o200])]),
    (PidfdGetfd, &[File, File, Small]),
    (TimerfdCreate, &[CLOCK, Bits(&[0, 0o4000, 0o2000000])]),
    (TimerfdSettime, &[File, Small, Spans, Memory]),
    (TimerfdGettime, &[File, Memory]),
    (IoUringSetup, &[Small, Memory]),
    (
        IoUringEnter,
        &[
            Ring,
            Small,
            One(&[0, 0, 1]),
            Bits(&[0, 1, 8]),
            Memory,
            One(&[0, 8, 24]),
        ],
    ),
    (
        IoUringEnter,
        &[Ring, Small, One(&[0]), Bits(&[0, 1]), One(&[0])],
    ),
    (
        IoUringRegister,
        &[Ring, Small, Either, One(&[0, 1, 2, 16, 64])],
    ),
    (
        Membarrier,
        &[Bits(&[0, 8, 16, 32, 64, 512, 1]), One(&[0, 0, 0, 1])],
    ),
    (IoprioGet, &[One(&[1, 2, 3]), Process]),
    (
        IoprioSet,
        &[One(&[1, 2, 3]), Process, Bits(&[0, 4, 7, 0x2000, 0x4000])],
    ),
    (Adjtimex, &[Memory]),
    (ClockAdjtime, &[CLOCK, Memory]),
    (EpollCreate1, &[Bits(&[0, 0o2000000])]),
    (EpollCtl, &[File, One(&[1, 1, 2, 3, 4]), File, Memory]),
    (EpollWait, &[File, Memory, Count, Small]),
    (
        EpollPwait,
        &[File, Memory, Count, Small, Signals, One(&[8])],
    ),
    (
        EpollPwait2,
        &[File, Memory, Count, Span, Signals, One(&[8])],
    ),
    (Eventfd2, &[Small, Bits(&[0, 1, 0o4000, 0o2000000])]),
    (InotifyInit1, &[Bits(&[0, 0o4000])]),
    (
        InotifyAddWatch,
        &[File, Path, Bits(&[1, 2, 4, 8, 0x100, 0x200, 0x400, 0xfff])],
    ),
    (InotifyRmWatch, &[File, Small]),
    (MemfdCreate, &[Path, Bits(&[0, 1, 2])]),
    (
        Mmap,
        &[
            Page,
            Length,
            ACCESS,
            MAP,
            File,
            One(&[0, 0x1000, 0x10000, 1]),
        ],
    ),
    (Munmap, &[Page, Length]),
    (Mprotect, &[Page, Length, ACCESS]),
    (Mremap, &[Page, Length, Length, Bits(&[0, 1, 2, 4]), Page]),
    (Madvise, &[Page, Length, ADVICE]),
    (Msync, &[Page, Length, Bits(&[1, 2, 4])]),
    (Mincore, &[Page, Length, Memory]),
    (Mlock, &[Page, Length]),
    (Fork, &[]),
    (Vfork, &[]),
    (Clone, &[CLONE, One(&[0]), Memory, Memory, Small]),
    (Clone3, &[CloneArgs, One(&[64, 80, 88])]),
    (Wait4, &[Process, Memory, WAIT, Memory]),
    (Waitid, &[Small, Process, Memory, WAIT, Memory]),
    (Execve, &[Program, Strings, Strings]),
    (Execveat, &[At, Program, Strings, Strings, AT_FLAGS]),
    (Getpid, &[]),
    (Getppid, &[]),
    (
        Prctl,
        &[
            One(&[
                1, 2, 3, 4, 8, 15, 16, 21, 23, 24, 29, 36, 37, 38, 39, 40, 47,
            ]),
            Memory,
            Small,
        ],
    ),
    (SetTidAddress, &[Word]),
    (SetRobustList, &[Memory, One(&[24])]),
    (GetRobustList, &[Process, Memory, Memory]),
    (SchedYield, &[]),
    (SchedGetaffinity, &[Process, Length, Memory]),
    (SchedSetaffinity, &[Process, Small, Memory]),
    (SchedSetscheduler, &[Process, Small, Memory]),
    (Setpriority, &[Small, Process, Small]),
    (Getpriority, &[Small, Process]),
    (Futex, &[Word, FUTEX, Small, Span, Word, Small]),
    (FutexWaitv, &[Memory, Count, Small, Span, CLOCK]),
    (Setpgid, &[Process, Process]),
    (Getpgid, &[Process]),
    (Setsid, &[]),
    (Getsid, &[Process]),
    (Kill, &[Process, SignalNumber]),
    (Tkill, &[Process, SignalNumber]),
    (Tgkill, &[Process, Process, SignalNumber]),
    (RtSigqueueinfo, &[Process, SignalNumber, Memory]),
    (RtSigprocmask, &[Small, Signals, Memory, One(&[8])]),
    (RtSigpending, &[Memory, One(&[8])]),
    (RtSigsuspend, &[Signals, One(&[8])]),
    (RtSigtimedwait, &[Signals, Memory, Span, One(&[8])]),
    (Sigaltstack, &[Memory, Memory]),
    (Setitimer, &[Small, Spans, Memory]),
    (Getitimer, &[Small, Memory]),
    (TimerCreate, &[CLOCK, One(&[0]), Memory]),
    (TimerSettime, &[Small, Small, Spans, Memory]),
    (TimerGettime, &[Small, Memory]),
    (TimerDelete, &[Small]),
    (ClockGettime, &[CLOCK, Memory]),
    (ClockNanosleep, &[CLOCK, Small, Span, Memory]),
    (Nanosleep, &[Span, Memory]),
    (Getgroups, &[Small, Memory]),
    (Setgroups, &[Small, Memory]),
    (Capget, &[Memory, Memory]),
    (Setresuid, &[Owner, Owner, Owner]),
    (Setresgid, &[Owner, Owner, Owner]),
    (Getrlimit, &[Small, Memory]),
    (Setrlimit, &[Small, Memory]),
    (Prlimit64, &[Process, Small, Memory, Memory]),
    (Getrusage, &[Small, Memory]),
    (Sysinfo, &[Memory]),
    (Syslog, &[Small, Memory, Length]),
    (Uname, &[Memory]),
    (Sethostname, &[Memory, Length]),
    (Getrandom, &[Memory, Length, Small]),
    (Membarrier, &[One(&[0, 1, 2, 4, 8, 16]), Small]),
    (Shmget, &[Small, Length, Bits(&[0o1000, 0o666])]),
    (Shmat, &[Small, Page, Small]),
    (Semget, &[Small, Small, Bits(&[0o1000, 0o666])]),
    (Semtimedop, &[Small, Memory, Count, Span]),
    (Semctl, &[Small, Small, Small, Memory]),
    (Msgget, &[Small, Bits(&[0o1000, 0o666])]),
    (Msgsnd, &[Small, Memory, Length, Bits(&[0, 0o4000])]),
    (Msgrcv, &[Small, Memory, Length, Small, Bits(&[0, 0o4000])]),
    (MqOpen, &[Program, OPEN, MODE, One(&[0])]),
    (
        Ptrace,
        &[
            One(&[
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 24, 0x4200, 0x4202, 0x4206, 0x4207,
            ]),
            Process,
            Memory,
            Memory,
        ],
    ),
];
