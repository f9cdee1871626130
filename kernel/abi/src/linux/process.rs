//! Creating, awaiting and limiting processes (`man 2 clone`, `man 2 wait4`, `man 2 setrlimit`, `man 2 prctl`).

use super::record::record;
use bitflags::bitflags;

/// `membarrier`: only one CPU is meant, whose number follows.
pub const MEMBARRIER_CMD_FLAG_CPU: u32 = 1;

bitflags! {
    /// Commands of `membarrier` (linux/membarrier.h), as its query tells them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Membarrier: u32 {
        /// Every thread of the process goes through a barrier.
        const PRIVATE_EXPEDITED = 8;
        /// The process will ask for that.
        const REGISTER_PRIVATE_EXPEDITED = 16;
        /// Every thread synchronizes its instructions too.
        const PRIVATE_EXPEDITED_SYNC_CORE = 32;
        /// The process will ask for that.
        const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64;
        /// Every thread begins its restartable sequence again.
        const PRIVATE_EXPEDITED_RSEQ = 128;
        /// The process will ask for that.
        const REGISTER_PRIVATE_EXPEDITED_RSEQ = 256;
        /// Which of these the process has announced.
        const GET_REGISTRATIONS = 512;
    }
}

/// `ioprio_set`: bits of the class above those of the level.
pub const IOPRIO_CLASS_SHIFT: u32 = 13;
/// `ioprio_set`: no class.
pub const IOPRIO_CLASS_NONE: u32 = 0;
/// `ioprio_set`: before all others.
pub const IOPRIO_CLASS_RT: u32 = 1;
/// `ioprio_set`: time sharing.
pub const IOPRIO_CLASS_BE: u32 = 2;
/// `ioprio_set`: when nobody else wants the disk.
pub const IOPRIO_CLASS_IDLE: u32 = 3;
/// `ioprio_get`: a thread.
pub const IOPRIO_WHO_PROCESS: u32 = 1;
/// `ioprio_get`: a group.
pub const IOPRIO_WHO_PGRP: u32 = 2;
/// `ioprio_get`: a user.
pub const IOPRIO_WHO_USER: u32 = 3;

bitflags! {
    /// Flags of `clone` and `clone3`; the low byte of `clone`'s word is the exit signal.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct CloneFlags: u64 {
        /// A time namespace.
        const NEWTIME = 0x80;
        /// Share the address space.
        const VM = 0x100;
        /// Share root, working directory and umask.
        const FS = 0x200;
        /// Share the table of open files.
        const FILES = 0x400;
        /// Share signal actions.
        const SIGHAND = 0x800;
        /// Give a pidfd.
        const PIDFD = 0x1000;
        /// Be traced like the parent.
        const PTRACE = 0x2000;
        /// The parent waits until the child executes or ends.
        const VFORK = 0x4000;
        /// Have the same parent as the caller.
        const PARENT = 0x8000;
        /// Be a thread of the same process.
        const THREAD = 0x1_0000;
        /// A mount namespace.
        const NEWNS = 0x2_0000;
        /// Share System V semaphore adjustments.
        const SYSVSEM = 0x4_0000;
        /// Set the thread pointer.
        const SETTLS = 0x8_0000;
        /// Store the number in the parent's memory.
        const PARENT_SETTID = 0x10_0000;
        /// Clear and wake the number in the child's memory when the child ends.
        const CHILD_CLEARTID = 0x20_0000;
        /// Of no effect.
        const DETACHED = 0x40_0000;
        /// Must not be traced by force.
        const UNTRACED = 0x80_0000;
        /// Store the number in the child's memory.
        const CHILD_SETTID = 0x100_0000;
        /// A cgroup namespace.
        const NEWCGROUP = 0x200_0000;
        /// A host name namespace.
        const NEWUTS = 0x400_0000;
        /// An IPC namespace.
        const NEWIPC = 0x800_0000;
        /// A user namespace.
        const NEWUSER = 0x1000_0000;
        /// A pid namespace.
        const NEWPID = 0x2000_0000;
        /// A network namespace.
        const NEWNET = 0x4000_0000;
        /// Share I/O priority context.
        const IO = 0x8000_0000;
        /// `clone3`: caught signals go back to default.
        const CLEAR_SIGHAND = 0x1_0000_0000;
        /// `clone3`: start in a cgroup.
        const INTO_CGROUP = 0x2_0000_0000;
        const _ = !0;
    }

    /// Options of `wait4` and `waitid`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct WaitOptions: u32 {
        /// Do not wait.
        const NOHANG = 1;
        /// Report stopped children (WSTOPPED of `waitid`).
        const UNTRACED = 2;
        /// Report ended children; implied by `wait4`.
        const EXITED = 4;
        /// Report children that have gone on.
        const CONTINUED = 8;
        /// Leave the report in place.
        const NOWAIT = 0x0100_0000;
        /// Only children of this thread.
        const NOTHREAD = 0x2000_0000;
        /// Children of every kind.
        const ALL_KINDS = 0x4000_0000;
        /// Only children whose exit signal is not SIGCHLD.
        const CLONE = 0x8000_0000;
    }
}

/// `idtype` of `waitid`: any child.
pub const P_ALL: u64 = 0;
/// `idtype` of `waitid`: the child with a number.
pub const P_PID: u64 = 1;
/// `idtype` of `waitid`: children in a process group.
pub const P_PGID: u64 = 2;
/// `personality`: a program's parts are put at the same places in each run.
pub const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;
/// `idtype` of `waitid`: the child of a pidfd.
pub const P_PIDFD: u64 = 3;

/// `who` of `getrusage`: the process.
pub const RUSAGE_SELF: i32 = 0;
/// `who` of `getrusage`: children that have been waited for.
pub const RUSAGE_CHILDREN: i32 = -1;
/// `who` of `getrusage`: the thread.
pub const RUSAGE_THREAD: i32 = 1;

/// No limit (`man 2 getrlimit`).
pub const RLIM_INFINITY: u64 = u64::MAX;

/// What a limit is about (`man 2 getrlimit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Resource {
    /// CPU time in seconds.
    Cpu = 0,
    /// Size of a file in bytes.
    FileSize = 1,
    /// Data segment in bytes.
    Data = 2,
    /// Stack in bytes.
    Stack = 3,
    /// Core file in bytes.
    Core = 4,
    /// Resident set in bytes; of no effect.
    ResidentSet = 5,
    /// Processes and threads of the user.
    Processes = 6,
    /// One more than the greatest file descriptor.
    OpenFiles = 7,
    /// Locked memory in bytes.
    LockedMemory = 8,
    /// Address space in bytes.
    AddressSpace = 9,
    /// File locks; of no effect.
    Locks = 10,
    /// Queued signals of the user.
    PendingSignals = 11,
    /// Bytes in POSIX message queues.
    MessageQueues = 12,
    /// Ceiling of the nice value, 20 minus it.
    Nice = 13,
    /// Ceiling of the real-time priority.
    RealtimePriority = 14,
    /// CPU time in microseconds without a blocking call, under a real-time policy.
    RealtimeTime = 15,
}

impl Resource {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// The resource with a number; powerpc uses the generic ones.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Cpu,
            1 => Self::FileSize,
            2 => Self::Data,
            3 => Self::Stack,
            4 => Self::Core,
            5 => Self::ResidentSet,
            6 => Self::Processes,
            7 => Self::OpenFiles,
            8 => Self::LockedMemory,
            9 => Self::AddressSpace,
            10 => Self::Locks,
            11 => Self::PendingSignals,
            12 => Self::MessageQueues,
            13 => Self::Nice,
            14 => Self::RealtimePriority,
            15 => Self::RealtimeTime,
            _ => return None,
        })
    }
}

record! {
    /// `struct rlimit` and `struct rlimit64`.
    Rlimit [16] {
        /// The limit in force.
        0 current: u64,
        /// Its ceiling.
        8 maximum: u64,
    }

    /// `struct clone_args` of `clone3`, as long as it was at first (64 bytes) plus what was added.
    CloneArgs [88] {
        /// [`CloneFlags`].
        0 flags: u64,
        /// Where to store the pidfd.
        8 pidfd: u64,
        /// Where to store the number in the child.
        16 child_tid: u64,
        /// Where to store the number in the parent.
        24 parent_tid: u64,
        /// Signal for the parent at the end.
        32 exit_signal: u64,
        /// Lowest address of the stack.
        40 stack: u64,
        /// Size of the stack in bytes.
        48 stack_size: u64,
        /// Thread pointer.
        56 tls: u64,
        /// Chosen pids.
        64 set_tid: u64,
        /// How many.
        72 set_tid_size: u64,
        /// cgroup file descriptor.
        80 cgroup: u64,
    }

    /// `struct sched_param`.
    SchedParam [4] {
        /// Real-time priority, 0 for other policies.
        0 priority: i32,
    }

    /// `struct sched_attr`, with what was added for the use of a CPU.
    SchedAttr [56] {
        /// Size of the structure.
        0 size: u32,
        /// `SCHED_OTHER` and so on.
        4 policy: u32,
        /// [`SchedFlags`].
        8 flags: u64,
        /// Nice value of the policies of time sharing.
        16 nice: i32,
        /// Priority of the real-time policies.
        20 priority: u32,
        /// Of deadlines: nanoseconds.
        24 runtime: u64,
        /// Of deadlines: nanoseconds.
        32 deadline: u64,
        /// Of deadlines: nanoseconds.
        40 period: u64,
        /// Least and greatest use of a CPU.
        48 utilization_minimum: u32,
        /// As above.
        52 utilization_maximum: u32,
    }
}

bitflags! {
    /// `sched_flags` of `sched_attr`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SchedFlags: u64 {
        /// Children begin anew.
        const RESET_ON_FORK = 1;
        /// The policy stays.
        const KEEP_POLICY = 8;
        /// Nice value and priority stay.
        const KEEP_PARAMETERS = 16;
    }
}

/// In the policy of `sched_setscheduler`: children begin anew.
pub const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;

/// `sched_setscheduler`: time sharing.
pub const SCHED_OTHER: u32 = 0;
/// `sched_setscheduler`: real time, first in first out.
pub const SCHED_FIFO: u32 = 1;
/// `sched_setscheduler`: real time, round robin.
pub const SCHED_RR: u32 = 2;
/// `sched_setscheduler`: batch.
pub const SCHED_BATCH: u32 = 3;
/// `sched_setscheduler`: idle.
pub const SCHED_IDLE: u32 = 5;

/// `which` of `getpriority`: a process.
pub const PRIO_PROCESS: u64 = 0;
/// `which` of `getpriority`: a process group.
pub const PRIO_PGRP: u64 = 1;
/// `which` of `getpriority`: a user.
pub const PRIO_USER: u64 = 2;

/// Versions of the interface of `capget` and `capset`: sets of 32 bits, the first and the second with 64.
pub const CAPABILITY_VERSION_1: u32 = 0x1998_0330;
/// See [`CAPABILITY_VERSION_1`].
pub const CAPABILITY_VERSION_2: u32 = 0x2007_1026;
/// See [`CAPABILITY_VERSION_1`].
pub const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// `prctl`: whether capabilities are kept when the user changes.
pub const PR_GET_KEEPCAPS: u64 = 7;
/// `prctl`: keep capabilities when the user changes.
pub const PR_SET_KEEPCAPS: u64 = 8;
/// `prctl`: take a capability out of the bounding set.
pub const PR_CAPBSET_DROP: u64 = 24;
/// `prctl`: set how user 0 and capabilities go together.
pub const PR_SET_SECUREBITS: u64 = 28;
/// `prctl`: set the signal for the parent's death.
pub const PR_SET_PDEATHSIG: u64 = 1;
/// `prctl`: get the signal for the parent's death.
pub const PR_GET_PDEATHSIG: u64 = 2;
/// `prctl`: whether a core may be dumped.
pub const PR_GET_DUMPABLE: u64 = 3;
/// `prctl`: say whether a core may be dumped.
pub const PR_SET_DUMPABLE: u64 = 4;
/// `prctl`: set the thread's name.
pub const PR_SET_NAME: u64 = 15;
/// `prctl`: get the thread's name.
pub const PR_GET_NAME: u64 = 16;
/// `prctl`: whether a capability is in the bounding set.
pub const PR_CAPBSET_READ: u64 = 23;
/// `prctl`: set the slack of timers.
pub const PR_SET_TIMERSLACK: u64 = 29;
/// `prctl`: get the slack of timers.
pub const PR_GET_TIMERSLACK: u64 = 30;
/// `prctl`: adopt orphaned descendants.
pub const PR_SET_CHILD_SUBREAPER: u64 = 36;
/// `prctl`: whether orphaned descendants are adopted.
pub const PR_GET_CHILD_SUBREAPER: u64 = 37;
/// `prctl`: gain no privileges by execve any more.
pub const PR_SET_NO_NEW_PRIVS: u64 = 38;
/// `prctl`: whether execve gives no privileges.
pub const PR_GET_NO_NEW_PRIVS: u64 = 39;
/// `prctl`: name a mapping.
pub const PR_SET_VMA: u64 = 0x5356_4d41;
/// Length of a thread's name in bytes, with the final 0.
pub const TASK_COMM_LEN: usize = 16;
/// `prctl`: how root differs from others.
pub const PR_GET_SECUREBITS: u64 = 27;
/// `prctl`: which system calls the thread is confined to.
pub const PR_GET_SECCOMP: u64 = 21;
/// `prctl`: confine the thread to some system calls.
pub const PR_SET_SECCOMP: u64 = 22;
/// `prctl`: stop counting what performance events count.
pub const PR_TASK_PERF_EVENTS_DISABLE: u64 = 31;
/// `prctl`: go on counting.
pub const PR_TASK_PERF_EVENTS_ENABLE: u64 = 32;
/// `prctl`: when to be told of memory that has gone bad.
pub const PR_MCE_KILL: u64 = 33;
/// `prctl`: what was said of that.
pub const PR_MCE_KILL_GET: u64 = 34;
/// [`PR_MCE_KILL`]: as the system says.
pub const PR_MCE_KILL_CLEAR: u64 = 0;
/// [`PR_MCE_KILL`]: as the third argument says.
pub const PR_MCE_KILL_SET: u64 = 1;
/// [`PR_MCE_KILL_SET`]: as the system says.
pub const PR_MCE_KILL_DEFAULT: u64 = 2;
/// `prctl`: no huge pages.
pub const PR_SET_THP_DISABLE: u64 = 41;
/// `prctl`: whether there are to be none.
pub const PR_GET_THP_DISABLE: u64 = 42;
/// `prctl`: capabilities that outlive `execve`.
pub const PR_CAP_AMBIENT: u64 = 47;
/// [`PR_CAP_AMBIENT`]: whether there is one.
pub const PR_CAP_AMBIENT_IS_SET: u64 = 1;
/// [`PR_CAP_AMBIENT`]: add one.
pub const PR_CAP_AMBIENT_RAISE: u64 = 2;
/// [`PR_CAP_AMBIENT`]: take one away.
pub const PR_CAP_AMBIENT_LOWER: u64 = 3;
/// [`PR_CAP_AMBIENT`]: take all away.
pub const PR_CAP_AMBIENT_CLEAR_ALL: u64 = 4;
