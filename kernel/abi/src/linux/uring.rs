//! Rings of asynchronous calls (`man 7 io_uring`, linux/io_uring.h).

use super::record::record;
use bitflags::bitflags;

bitflags! {
    /// Flags of `io_uring_setup`; those that are not here are not supported.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UringSetup: u32 {
        /// The program says how many completions fit.
        const CQSIZE = 1 << 3;
        /// Sizes beyond the greatest become the greatest.
        const CLAMP = 1 << 4;
        /// Nothing is taken from the ring before it is enabled.
        const R_DISABLED = 1 << 6;
        /// An entry that cannot be begun does not end the submission.
        const SUBMIT_ALL = 1 << 7;
        /// The program need not be interrupted for completions.
        const COOP_TASKRUN = 1 << 8;
        /// It wants to be told when it could have been.
        const TASKRUN_FLAG = 1 << 9;
        /// One thread submits.
        const SINGLE_ISSUER = 1 << 12;
    }

    /// What `io_uring_setup` tells about itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UringFeatures: u32 {
        /// Both rings are in one mapping.
        const SINGLE_MMAP = 1 << 0;
        /// Completions that do not fit are kept.
        const NODROP = 1 << 1;
        /// What an entry points to may change once it is submitted.
        const SUBMIT_STABLE = 1 << 2;
        /// An offset of -1 is the position.
        const RW_CUR_POS = 1 << 3;
        /// Calls are made with the rights of who submits.
        const CUR_PERSONALITY = 1 << 4;
        /// What has to wait costs no thread.
        const FAST_POLL = 1 << 5;
        /// All 32 bits of events count.
        const POLL_32BITS = 1 << 6;
        /// `io_uring_enter` takes [`UringWait`].
        const EXT_ARG = 1 << 8;
        /// Workers are the process's own.
        const NATIVE_WORKERS = 1 << 9;
        /// [`UringFlags::CQE_SKIP_SUCCESS`] is known.
        const CQE_SKIP = 1 << 11;
        /// The file of a linked entry is looked up when its turn has come.
        const LINKED_FILE = 1 << 12;
    }

    /// Flags of an entry.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UringFlags: u8 {
        /// The descriptor is a place among the registered files.
        const FIXED_FILE = 1 << 0;
        /// After everything before.
        const IO_DRAIN = 1 << 1;
        /// The next entry begins when this one has succeeded.
        const IO_LINK = 1 << 2;
        /// The next entry begins when this one is done.
        const IO_HARDLINK = 1 << 3;
        /// It is not tried at once.
        const ASYNC = 1 << 4;
        /// The kernel chooses a buffer of a group.
        const BUFFER_SELECT = 1 << 5;
        /// Success is not told.
        const CQE_SKIP_SUCCESS = 1 << 6;
    }

    /// Flags of `io_uring_enter`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UringEnter: u32 {
        /// Wait for completions.
        const GETEVENTS = 1 << 0;
        /// Wake the thread that polls; there is none.
        const SQ_WAKEUP = 1 << 1;
        /// Wait for it to make room.
        const SQ_WAIT = 1 << 2;
        /// The fifth argument is a [`UringWait`].
        const EXT_ARG = 1 << 3;
    }

    /// Flags of timeouts.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UringTimeout: u32 {
        /// A point of time.
        const ABS = 1 << 0;
        /// Give another timeout a new time.
        const UPDATE = 1 << 1;
        /// The clock that goes on in suspension.
        const BOOTTIME = 1 << 2;
        /// The wall clock.
        const REALTIME = 1 << 3;
        /// Expiring does not break a chain.
        const ETIME_SUCCESS = 1 << 5;
    }

    /// Which entries IORING_OP_ASYNC_CANCEL means.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct UringCancel: u32 {
        /// All of them.
        const ALL = 1 << 0;
        /// By descriptor instead of by `user_data`.
        const FD = 1 << 1;
        /// Any.
        const ANY = 1 << 2;
    }
}

/// Which operation an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "the numbers of calls and of what the header says"
)]
pub enum UringOperation {
    Nop = 0,
    Readv = 1,
    Writev = 2,
    Fsync = 3,
    ReadFixed = 4,
    WriteFixed = 5,
    PollAdd = 6,
    PollRemove = 7,
    SyncFileRange = 8,
    Sendmsg = 9,
    Recvmsg = 10,
    Timeout = 11,
    TimeoutRemove = 12,
    Accept = 13,
    AsyncCancel = 14,
    LinkTimeout = 15,
    Connect = 16,
    Fallocate = 17,
    Openat = 18,
    Close = 19,
    Statx = 21,
    Read = 22,
    Write = 23,
    Fadvise = 24,
    Madvise = 25,
    Send = 26,
    Recv = 27,
    Openat2 = 28,
    EpollCtl = 29,
    Splice = 30,
    ProvideBuffers = 31,
    RemoveBuffers = 32,
    Tee = 33,
    Shutdown = 34,
    Renameat = 35,
    Unlinkat = 36,
    Mkdirat = 37,
    Symlinkat = 38,
    Linkat = 39,
    Socket = 45,
}

impl UringOperation {
    /// The greatest number, as a probe tells it.
    pub const LAST: u8 = Self::Socket as u8;

    /// Every operation that there is.
    pub const ALL: &'static [Self] = &[
        Self::Nop,
        Self::Readv,
        Self::Writev,
        Self::Fsync,
        Self::ReadFixed,
        Self::WriteFixed,
        Self::PollAdd,
        Self::PollRemove,
        Self::SyncFileRange,
        Self::Sendmsg,
        Self::Recvmsg,
        Self::Timeout,
        Self::TimeoutRemove,
        Self::Accept,
        Self::AsyncCancel,
        Self::LinkTimeout,
        Self::Connect,
        Self::Fallocate,
        Self::Openat,
        Self::Close,
        Self::Statx,
        Self::Read,
        Self::Write,
        Self::Fadvise,
        Self::Madvise,
        Self::Send,
        Self::Recv,
        Self::Openat2,
        Self::EpollCtl,
        Self::ProvideBuffers,
        Self::RemoveBuffers,
        Self::Shutdown,
        Self::Renameat,
        Self::Unlinkat,
        Self::Mkdirat,
        Self::Symlinkat,
        Self::Linkat,
        Self::Socket,
    ];

    /// The operation with a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|operation| *operation as u8 == number)
    }
}

/// Where the rings begin in a mapping of the file.
pub const IORING_OFF_SQ_RING: u64 = 0;
/// Where they begin for who maps them separately.
pub const IORING_OFF_CQ_RING: u64 = 0x800_0000;
/// Where the entries begin.
pub const IORING_OFF_SQES: u64 = 0x1000_0000;
/// Flag of the submission ring: completions are kept that do not fit.
pub const IORING_SQ_CQ_OVERFLOW: u32 = 1 << 1;
/// Flag of the completion ring: no events are wanted.
pub const IORING_CQ_EVENTFD_DISABLED: u32 = 1 << 0;
/// `io_uring_register`: buffers.
pub const IORING_REGISTER_BUFFERS: u32 = 0;
/// `io_uring_register`: forget them.
pub const IORING_UNREGISTER_BUFFERS: u32 = 1;
/// `io_uring_register`: files.
pub const IORING_REGISTER_FILES: u32 = 2;
/// `io_uring_register`: forget them.
pub const IORING_UNREGISTER_FILES: u32 = 3;
/// `io_uring_register`: a counter of events that completions count in.
pub const IORING_REGISTER_EVENTFD: u32 = 4;
/// `io_uring_register`: forget it.
pub const IORING_UNREGISTER_EVENTFD: u32 = 5;
/// `io_uring_register`: other files at some places.
pub const IORING_REGISTER_FILES_UPDATE: u32 = 6;
/// `io_uring_register`: a counter of events of entries that were not done at once.
pub const IORING_REGISTER_EVENTFD_ASYNC: u32 = 7;
/// `io_uring_register`: which operations there are.
pub const IORING_REGISTER_PROBE: u32 = 8;
/// `io_uring_register`: begin to take entries.
pub const IORING_REGISTER_ENABLE_RINGS: u32 = 12;
/// `io_uring_register`: a ring of buffers.
pub const IORING_REGISTER_PBUF_RING: u32 = 22;
/// `io_uring_register`: forget it.
pub const IORING_UNREGISTER_PBUF_RING: u32 = 23;
/// IORING_OP_POLL_ADD: not once only.
pub const IORING_POLL_ADD_MULTI: u32 = 1;
/// IORING_OP_ACCEPT: not once only.
pub const IORING_ACCEPT_MULTISHOT: u16 = 1;
/// IORING_OP_RECV: not once only.
pub const IORING_RECV_MULTISHOT: u16 = 2;
/// Flag of a completion: the upper half is the number of a buffer.
pub const IORING_CQE_F_BUFFER: u32 = 1;
/// Flag of a completion: there will be more for the same entry.
pub const IORING_CQE_F_MORE: u32 = 2;
/// Where in the flags of a completion the number of a buffer is.
pub const IORING_CQE_BUFFER_SHIFT: u32 = 16;
/// A place that is left as it is.
pub const IORING_REGISTER_FILES_SKIP: i32 = -2;
/// A probe's mark of an operation that there is.
pub const IO_URING_OP_SUPPORTED: u16 = 1;
/// IORING_OP_FSYNC: only the contents.
pub const IORING_FSYNC_DATASYNC: u32 = 1;

record! {
    /// `struct io_sqring_offsets`.
    UringSubmissionOffsets [40] {
        /// What the kernel has taken.
        0 head: u32,
        /// What the program has put there.
        4 tail: u32,
        /// Entries less 1.
        8 ring_mask: u32,
        /// Entries.
        12 ring_entries: u32,
        /// IORING_SQ_ flags.
        16 flags: u32,
        /// Entries that could not be.
        20 dropped: u32,
        /// Which entry stands at each place.
        24 array: u32,
    }

    /// `struct io_cqring_offsets`.
    UringCompletionOffsets [40] {
        /// What the program has taken.
        0 head: u32,
        /// What the kernel has put there.
        4 tail: u32,
        /// Places less 1.
        8 ring_mask: u32,
        /// Places.
        12 ring_entries: u32,
        /// Completions that were lost.
        16 overflow: u32,
        /// The completions.
        20 cqes: u32,
        /// IORING_CQ_ flags.
        24 flags: u32,
    }

    /// `struct io_uring_params`.
    UringParams [120] {
        /// Places for entries.
        0 sq_entries: u32,
        /// Places for completions.
        4 cq_entries: u32,
        /// [`UringSetup`].
        8 flags: u32,
        /// The CPU of a thread that polls.
        12 sq_thread_cpu: u32,
        /// How long it polls.
        16 sq_thread_idle: u32,
        /// [`UringFeatures`].
        20 features: u32,
        /// Whose workers to share.
        24 wq_fd: u32,
        /// Zero.
        28 resv: [u32; 3],
        /// Where things are in the submission ring.
        40 sq_off: UringSubmissionOffsets,
        /// Where things are in the completion ring.
        80 cq_off: UringCompletionOffsets,
    }

    /// `struct io_uring_sqe`: what is to be done.
    UringEntry [64] {
        /// Which [`UringOperation`].
        0 opcode: u8,
        /// [`UringFlags`].
        1 flags: u8,
        /// A priority, or flags of some operations.
        2 ioprio: u16,
        /// Descriptor.
        4 fd: i32,
        /// Offset, or a second address.
        8 off: u64,
        /// Address.
        16 addr: u64,
        /// Length.
        24 len: u32,
        /// Flags of the operation.
        28 op_flags: u32,
        /// What the completion brings back.
        32 user_data: u64,
        /// Place of a registered buffer.
        40 buf_index: u16,
        /// Whose rights.
        42 personality: u16,
        /// A further descriptor.
        44 splice_fd_in: i32,
        /// A third address.
        48 addr3: u64,
    }

    /// `struct io_uring_cqe`: what has become of it.
    UringCompletion [16] {
        /// That of the entry.
        0 user_data: u64,
        /// The result, or the negative error.
        8 res: i32,
        /// IORING_CQE_F_ flags.
        12 flags: u32,
    }

    /// `struct io_uring_buf`: a buffer in a ring of them.
    UringBuffer [16] {
        /// Address.
        0 addr: u64,
        /// Size in bytes.
        8 len: u32,
        /// Its number.
        12 bid: u16,
    }

    /// `struct io_uring_buf_reg`: such a ring.
    UringBufferRing [40] {
        /// Address.
        0 ring_addr: u64,
        /// Places.
        8 ring_entries: u32,
        /// Number of the group.
        12 bgid: u16,
        /// Zero.
        16 resv: [u64; 3],
    }

    /// `struct io_uring_getevents_arg`.
    UringWait [24] {
        /// Address of a set of signals.
        0 sigmask: u64,
        /// Its size.
        8 sigmask_sz: u32,
        /// Zero.
        12 pad: u32,
        /// Address of a span of time.
        16 ts: u64,
    }

    /// `struct io_uring_files_update`.
    UringFilesUpdate [16] {
        /// The first place.
        0 offset: u32,
        /// Zero.
        4 resv: u32,
        /// Address of the descriptors.
        8 fds: u64,
    }

    /// `struct io_uring_probe`, without its list.
    UringProbe [16] {
        /// The greatest number of an operation.
        0 last_op: u8,
        /// Entries of the list.
        1 ops_len: u8,
    }

    /// `struct io_uring_probe_op`.
    UringProbeOperation [8] {
        /// Which operation.
        0 op: u8,
        /// Whether it is there.
        2 flags: u16,
    }
}
