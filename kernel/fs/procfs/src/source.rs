//! What the kernel tells of its processes and of itself.

use abi::linux::{Resource, Rlimit};
use abi::{Cid, Errno, Nanos, Pages, Pid};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use fallible::NoMemory;
use ipc::UnixLine;
use ipc::system_v::{MessageStatus, SegmentStatus, SemaphoreStatus};
use security::{Capabilities, Credential};
use vfs::{Clock, FileOperations, InodeId, Location, MountLine, OpenFile};

/// A process, and no later one that happens to get the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRef {
    /// Its pid in this view.
    pub pid: Pid,
    /// A number that no other process ever had, from 1 on; its low 36 bits go into inode numbers.
    pub key: u64,
}

/// What is known; `None` when there is nothing to know, an error when there is no memory to tell it.
pub type Known<T> = Result<Option<T>, NoMemory>;

/// Everything that one environment may know. `None` always means: there is no such process (or thread, or file),
/// for this environment.
pub trait ProcSource: Send + Sync {
    /// The process and the thread that run on this CPU, by their numbers in this view; `None` when the process is
    /// not of this view.
    fn current(&self) -> Option<(Pid, Pid)>;

    /// The process with a pid.
    fn process(&self, pid: Pid) -> Option<ProcessRef>;

    /// The partition that a process is in.
    fn partition(&self, process: ProcessRef) -> Option<Cid>;

    /// The process with the lowest pid from `pid` on.
    fn process_from(&self, pid: Pid) -> Option<Pid>;

    /// The thread of a process with the lowest tid from `tid` on.
    fn thread_from(&self, process: ProcessRef, tid: Pid) -> Option<Pid>;

    /// What is known of a thread; with its process's pid, of the process as a whole.
    fn task(&self, process: ProcessRef, tid: Pid) -> Known<Task>;

    /// The arguments that the program was started with, each ended by a zero; empty for a zombie.
    fn command_line(&self, process: ProcessRef) -> Known<Vec<u8>>;

    /// The environment that the program was started with, in the same form.
    fn environment(&self, process: ProcessRef) -> Known<Vec<u8>>;

    /// The auxiliary vector that the program was started with, as it stands on its stack.
    fn auxiliary(&self, process: ProcessRef) -> Known<Vec<u8>>;

    /// The memory, for one who may look into the process.
    ///
    /// # Errors
    /// EACCES, ESRCH, ENOMEM.
    fn memory(
        &self,
        process: ProcessRef,
        credential: &Credential,
    ) -> Result<Arc<dyn FileOperations>, Errno>;

    /// Gives a thread of the process that asks another name.
    ///
    /// # Errors
    /// EINVAL for a thread of another process, ESRCH.
    fn rename(&self, process: ProcessRef, tid: Pid, name: &[u8]) -> Result<(), Errno>;

    /// Says how readily the process is ended for want of memory (`man 5 proc`, oom_score_adj).
    ///
    /// # Errors
    /// ESRCH; EACCES for less than before without CAP_SYS_RESOURCE, and for a process of somebody else.
    fn set_expendability(
        &self,
        process: ProcessRef,
        credential: &Credential,
        adjustment: i16,
    ) -> Result<(), Errno>;

    /// The areas of the address space.
    fn maps(&self, process: ProcessRef) -> Known<Arc<dyn Areas>>;

    /// The open file with the lowest descriptor from `from` on.
    fn file_from(&self, process: ProcessRef, from: u32) -> Option<(u32, Arc<OpenFile>)>;

    /// The working directory.
    fn working_directory(&self, process: ProcessRef) -> Option<Location>;

    /// The root directory.
    fn root_directory(&self, process: ProcessRef) -> Option<Location>;

    /// The program.
    fn executable(&self, process: ProcessRef) -> Option<Location>;

    /// Its resource limits, by their numbers.
    fn limits(&self, process: ProcessRef) -> Known<[Rlimit; Resource::COUNT]>;

    /// What is mounted below the process's root directory.
    fn mounts(&self, process: ProcessRef) -> Known<Vec<MountLine>>;

    /// The root directory of this view, from which it shows paths.
    fn root(&self) -> Location;

    /// What is known of the system.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn system(&self) -> Result<System, NoMemory>;

    /// What is known of the network.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn network(&self) -> Result<Network, NoMemory>;

    /// Sockets of AF_UNIX that its processes have open.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn unix_sockets(&self) -> Result<Vec<UnixLine>, NoMemory>;

    /// The System V message queues of this view.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn message_queues(&self) -> Result<Vec<MessageStatus>, NoMemory>;

    /// Locks of files that its processes hold.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn locks(&self) -> Result<Vec<LockLine>, NoMemory>;

    /// Its sets of semaphores.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn semaphores(&self) -> Result<Vec<SemaphoreStatus>, NoMemory>;

    /// Its segments of shared memory.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn shared_memory(&self) -> Result<Vec<SegmentStatus>, NoMemory>;

    /// The time of day.
    fn clock(&self) -> &dyn Clock;
}

/// What a thread does (`State` of `/proc/PID/status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskState {
    /// It runs or could run.
    #[default]
    Running,
    /// It waits.
    Sleeping,
    /// It is stopped by a signal.
    Stopped,
    /// It is stopped by a tracer.
    Traced,
    /// It has ended and is not reaped.
    Zombie,
}

impl TaskState {
    pub(crate) const fn letter(self) -> char {
        match self {
            TaskState::Running => 'R',
            TaskState::Sleeping => 'S',
            TaskState::Stopped => 'T',
            TaskState::Traced => 't',
            TaskState::Zombie => 'Z',
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            TaskState::Running => "running",
            TaskState::Sleeping => "sleeping",
            TaskState::Stopped => "stopped",
            TaskState::Traced => "tracing stop",
            TaskState::Zombie => "zombie",
        }
    }
}

/// Real, effective, saved and file-access id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Real.
    pub real: u32,
    /// Effective.
    pub effective: u32,
    /// Saved.
    pub saved: u32,
    /// For file access.
    pub file: u32,
}

/// Sets of signals: bit n − 1 is signal n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Pending for the thread.
    pub pending: u64,
    /// Pending for the process.
    pub shared_pending: u64,
    /// Blocked by the thread.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
    /// Handled.
    pub caught: u64,
}

/// The memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Size of the address space.
    pub size: Pages,
    /// Its greatest size so far.
    pub peak_size: Pages,
    /// Pages in memory.
    pub resident: Pages,
    /// The most so far.
    pub peak_resident: Pages,
    /// Of the resident ones, those of files and shared memory.
    pub shared: Pages,
    /// Locked pages.
    pub locked: Pages,
    /// Program text.
    pub text: Pages,
    /// Data and heap.
    pub data: Pages,
    /// Stack.
    pub stack: Pages,
    /// Translation tables.
    pub tables: Pages,
    /// Limit of the resident pages in bytes (RLIMIT_RSS).
    pub resident_limit: u64,
    /// Address of the text's start.
    pub start_code: u64,
    /// Address of the text's end.
    pub end_code: u64,
    /// Address of the stack's bottom.
    pub start_stack: u64,
    /// Where the heap starts.
    pub start_break: u64,
    /// Where the arguments start.
    pub arguments_start: u64,
    /// Where the arguments end.
    pub arguments_end: u64,
    /// Where the environment starts.
    pub environment_start: u64,
    /// Where the environment ends.
    pub environment_end: u64,
}

/// What is known of a thread or, summed up, of a process, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Its tid.
    pub tid: Pid,
    /// The pid of its process.
    pub pid: Pid,
    /// The pid of the parent, 0 when it has none in this view.
    pub parent: u32,
    /// The pid of its tracer, 0 when it has none.
    pub tracer: u32,
    /// Process group, 0 when not of this view.
    pub group: u32,
    /// Session, 0 when not of this view.
    pub session: u32,
    /// The name, at most 15 bytes.
    pub name: Vec<u8>,
    /// What it does.
    pub state: TaskState,
    /// The controlling terminal as `st_rdev`, 0 for none.
    pub terminal: u32,
    /// The terminal's foreground process group, −1 for none.
    pub terminal_group: i32,
    /// Page faults without and with input.
    pub faults: (u64, u64),
    /// The same of reaped children.
    pub child_faults: (u64, u64),
    /// Time in user mode.
    pub user_time: Nanos,
    /// Time in the kernel.
    pub system_time: Nanos,
    /// Of reaped children, in user mode.
    pub child_user_time: Nanos,
    /// Of reaped children, in the kernel.
    pub child_system_time: Nanos,
    /// Nice value, −20 to 19.
    pub nice: i32,
    /// Priority of a real-time policy, 0 for others.
    pub priority: u32,
    /// Number of the scheduling policy (sched(7)).
    pub policy: u32,
    /// The CPUs that it may use, one bit each.
    pub cpus: u64,
    /// How many threads the process has.
    pub threads: u32,
    /// When it started, since the boot of this environment.
    pub started: Nanos,
    /// The CPU that it ran on last.
    pub cpu: u32,
    /// The signal that the parent is sent at the end.
    pub exit_signal: u32,
    /// What `wait` will say, of a zombie.
    pub exit_status: u32,
    /// Stack pointer of a thread that waits, 0 when it is not known.
    pub stack_pointer: u64,
    /// Instruction pointer of a thread that waits, 0 when it is not known.
    pub instruction_pointer: u64,
    /// Users.
    pub uid: Ids,
    /// Groups.
    pub gid: Ids,
    /// Other groups.
    pub groups: Vec<u32>,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// Which system calls it is confined to (SECCOMP_MODE_), and by how many filters.
    pub confinement: (u32, u32),
    /// It gets no privileges by execve any more.
    pub no_new_privileges: bool,
    /// How readily it is ended for want of memory, −1000 to 1000, and how much it has of all memory with that, 0 to 2000.
    pub expendability: (i16, u32),
    /// File mode mask.
    pub umask: u32,
    /// How many descriptors there is room for.
    pub descriptors: u32,
    /// Signals.
    pub signals: Signals,
    /// How many signals are queued, and how many may be.
    pub queued_signals: (u32, u64),
    /// Memory; `None` for a zombie.
    pub memory: Option<ProcessMemory>,
    /// How often it gave up the CPU, and how often it was taken.
    pub switches: (u64, u64),
    /// What it has read and written.
    pub transfers: Transfers,
}

/// What calls of the families of `read` and `write` have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Calls that have read.
    pub reads: u64,
    /// Calls that have written.
    pub writes: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
}

/// The areas of an address space, as whoever has opened `/proc/PID/maps` goes through them.
pub trait Areas: Send + Sync {
    /// The first of them that begin at `from` or above, ascending, `room` at the most; none when the memory is gone, as a
    /// zombie's is.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn lines(&self, from: u64, room: usize) -> Result<Vec<MapLine>, NoMemory>;

    /// The pages that exist among `count` from number `first` on, ascending.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn residents(&self, first: u64, count: u64) -> Result<Vec<ResidentPage>, NoMemory>;

    /// The number of the first page that no program has.
    fn limit(&self) -> u64;
}

/// A page that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidentPage {
    /// Its address by the size of a page.
    pub number: u64,
    /// It is the program's own, and not a file's or another object's.
    pub own: bool,
    /// It may have been written since it was mapped.
    pub written: bool,
    /// In how many address spaces it is; 0 when the partition of this one does not pay for it.
    pub users: u32,
}

/// What a lock of a file goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// A process, which has locked a range.
    Process,
    /// An open file, of which a range is locked.
    OpenFile,
    /// An open file, which is locked as a whole (`man 2 flock`).
    Whole,
}

/// A lock of a file, as a line of `/proc/locks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockLine {
    /// What it goes with.
    pub kind: LockKind,
    /// Whether nobody else may have one.
    pub exclusive: bool,
    /// The process that has taken it.
    pub pid: Pid,
    /// The file.
    pub file: InodeId,
    /// The first byte.
    pub first: u64,
    /// The last byte; [`u64::MAX`] for all that will come.
    pub last: u64,
}

/// One area of an address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLine {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// Whether it can be read, written and executed.
    pub allowed: abi::mmu::Protection,
    /// What it can be allowed at most.
    pub maximum: abi::mmu::Protection,
    /// Whether changes are shared.
    pub shared: bool,
    /// Whether it grows downwards, as stacks do.
    pub grows: bool,
    /// What else the program wants of it.
    pub traits: memory::space::Traits,
    /// What is mapped: the offset in bytes, and the file.
    pub offset: u64,
    /// Device and inode number ([`vfs::DeviceNumber::encode`]); zeros for none.
    pub identity: (u64, u64),
    /// What is mapped: a path, or `[heap]`, `[stack]`, `[vdso]`; empty for nothing.
    pub name: Vec<u8>,
}

/// Time that CPUs spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Which CPU.
    pub number: u16,
    /// It is out of use now: it counts in the sum only.
    pub gone: bool,
    /// In user mode.
    pub user: Nanos,
    /// In user mode with a positive nice value.
    pub nice: Nanos,
    /// In the kernel.
    pub system: Nanos,
    /// Idle.
    pub idle: Nanos,
    /// Serving interrupts.
    pub interrupt: Nanos,
    /// Taken by the hypervisor.
    pub stolen: Nanos,
}

/// Memory, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// All there is for this environment.
    pub total: Pages,
    /// Not in use.
    pub free: Pages,
    /// Contents of files.
    pub files: Pages,
    /// Anonymous memory that is mapped.
    pub anonymous: Pages,
    /// Shared memory.
    pub shared: Pages,
    /// Pages of files that are mapped.
    pub mapped: Pages,
    /// The kernel's own objects.
    pub kernel: Pages,
    /// Translation tables.
    pub tables: Pages,
}

/// One CPU, as `/proc/cpuinfo` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuDescription {
    /// Which CPU.
    pub number: u16,
    /// The model, `POWER9 (architected), altivec supported`.
    pub model: String,
    /// The clock in hertz.
    pub clock: u64,
    /// The processor version register.
    pub version: u32,
}

/// What is known of the system at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// Time since this environment started.
    pub uptime: Nanos,
    /// When that was, in seconds since 1970.
    pub boot_time: u64,
    /// What each CPU spent, by number.
    pub cpu_times: Vec<CpuTimes>,
    /// What kinds of CPUs there are, by number.
    pub cpus: Vec<CpuDescription>,
    /// Ticks of the timebase in a second.
    pub timebase: u64,
    /// The machine, `IBM pSeries (emulated by qemu)`.
    pub machine: String,
    /// Memory.
    pub memory: MemoryUse,
    /// Load averages of 1, 5 and 15 minutes, in hundredths.
    pub load: [u32; 3],
    /// Threads that run or could run, threads in all.
    pub running: (u32, u32),
    /// Threads that wait for input or output.
    pub blocked: u32,
    /// The pid that was given last.
    pub last_pid: u32,
    /// Processes made since the start.
    pub forks: u64,
    /// Switches from thread to thread since the start.
    pub switches: u64,
    /// Interrupts since the start.
    pub interrupts: u64,
    /// As `uname -s`: what programs take the kernel to be.
    pub system_name: String,
    /// As `uname -r`.
    pub release: String,
    /// As `uname -v`.
    pub version: String,
    /// As `uname -n`.
    pub host_name: String,
    /// Boot options.
    pub command_line: String,
    /// The pids are below this.
    pub pid_limit: u32,
    /// A number that this environment has had since its start, and one that is new each time.
    pub boot_id: u128,
    /// See `boot_id`.
    pub random: u128,
    /// Kinds of file systems.
    pub file_systems: Vec<&'static str>,
}

/// A socket of the network, as a line of `/proc/net/tcp` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLine {
    /// Its address.
    pub local: SocketAddr,
    /// Its peer's.
    pub remote: SocketAddr,
    /// Whether it is of IPv6, whatever its addresses are.
    pub is_v6: bool,
    /// Its state, by number.
    pub state: u8,
    /// Bytes sent that have not been received.
    pub unsent: usize,
    /// Bytes to be received, or connections to be accepted.
    pub unread: usize,
    /// Its owner.
    pub uid: u32,
    /// Its inode.
    pub inode: u64,
}

/// What is known of the network at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Sockets of TCP that listen or are connected.
    pub tcp: Vec<SocketLine>,
    /// Sockets of UDP that have a port.
    pub udp: Vec<SocketLine>,
    /// Bytes and transfers that the loopback interface has carried.
    pub carried: (u64, u64),
    /// What has happened.
    pub counts: NetworkCounts,
    /// Most connections that wait to be accepted.
    pub backlog_limit: usize,
    /// Size of a buffer that nobody has changed, and the largest that can be asked for.
    pub buffers: (usize, usize),
    /// Ports that are chosen for sockets, from and to.
    pub chosen_ports: (u16, u16),
    /// The first port that needs no privilege.
    pub first_free_port: u16,
}

/// How often something has happened in the network since the start of its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Connections that were begun.
    pub connecting: u64,
    /// Those that a listener has taken.
    pub accepted: u64,
    /// Those that have not come about.
    pub refused: u64,
    /// Those that a RST has ended.
    pub reset: u64,
    /// Those that there are.
    pub established: u64,
    /// Over IPv4.
    pub four: FamilyCounts,
    /// Over IPv6.
    pub six: FamilyCounts,
}

/// The part of it that is counted by families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FamilyCounts {
    /// Transfers of TCP.
    pub segments: u64,
    /// Datagrams of UDP that were sent.
    pub sent: u64,
    /// Those that were received.
    pub received: u64,
    /// Those whose port nobody had.
    pub unclaimed: u64,
    /// Those for which there was no room.
    pub lost: u64,
    /// Echoes that were asked for and sent.
    pub echoes: u64,
}

impl FamilyCounts {
    /// All packets: an echo and its request are one each, and so is what tells that nobody has a port.
    pub(crate) fn packets(&self) -> u64 {
        self.segments + self.sent + self.messages()
    }

    /// Those of ICMP.
    pub(crate) fn messages(&self) -> u64 {
        2 * self.echoes + self.unclaimed
    }
}
