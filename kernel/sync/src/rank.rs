//! Where each lock is in the order.

/// A lock's place in the order: while one is held, only locks of a higher rank may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The table of partitions and one partition's state.
    Partition,
    /// The process tree: parents, children, groups, sessions; pid tables.
    ProcessTree,
    /// One process: credentials, limits, signal actions.
    Process,
    /// The list of the threads of one process.
    Threads,
    /// A table of open files.
    FileTable,
    /// A mount namespace.
    Mounts,
    /// The position of an open file that can seek; held across its transfers.
    Position,
    /// The directory moves of one file system.
    Tree,
    /// The names below one directory entry; two of them only under the tree's lock, lower number first.
    Directory,
    /// One inode; a directory before what it holds.
    Inode,
    /// A directory entry's parent and name.
    Place,
    /// File locks, who watches an open file, and which epoll instance watches which.
    OpenFile,
    /// A pipe, terminal or other queue of bytes; a terminal before the queue of its pseudoterminal.
    Stream,
    /// One address space.
    AddressSpace,
    /// The pages of one mappable object (a file's page cache, a shared segment): taken by faults, and never held
    /// while bytes are copied to or from a program.
    Pages,
    /// A bucket of the futex table; two in the order of their places.
    Futex,
    /// The entries of one epoll instance, of which those are marked that are ready.
    Readiness,
    /// A wait queue.
    WaitQueue,
    /// One thread's run state.
    Thread,
    /// Timers of one CPU.
    Timers,
    /// The scheduler.
    Scheduler,
    /// The error log, the wall clock, and other short notes of the whole system.
    Log,
    /// The kernel heap's size classes, and the frame allocator after one of them.
    Memory,
    /// The hypervisor's terminals: may be taken anywhere.
    Console,
    /// Which interrupt sources have a place at the controller; held while their registers are mapped.
    Sources,
    /// What else `arch` keeps in common for all CPUs (address-space numbers, firmware's services, mapped devices):
    /// leaves, never held across a call out of `arch`.
    Machine,
}

impl Rank {
    /// Every rank, in order.
    pub const ALL: [Self; 26] = [
        Self::Partition,
        Self::ProcessTree,
        Self::Process,
        Self::Threads,
        Self::FileTable,
        Self::Mounts,
        Self::Position,
        Self::Tree,
        Self::Directory,
        Self::Inode,
        Self::Place,
        Self::OpenFile,
        Self::Stream,
        Self::AddressSpace,
        Self::Pages,
        Self::Futex,
        Self::Readiness,
        Self::WaitQueue,
        Self::Thread,
        Self::Timers,
        Self::Scheduler,
        Self::Log,
        Self::Memory,
        Self::Console,
        Self::Sources,
        Self::Machine,
    ];

    /// Whether another lock of this rank may be taken while one is held. Which is first is said with the rank.
    #[must_use]
    pub const fn nests(self) -> bool {
        matches!(
            self,
            Self::Directory | Self::Inode | Self::Stream | Self::Futex | Self::Memory
        )
    }
}
