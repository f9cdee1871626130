//! Asynchronous transfers (`man 2 io_submit`, linux/aio_abi.h).

use super::record::record;

/// `aio_lio_opcode`: read.
pub const IOCB_CMD_PREAD: u16 = 0;
/// `aio_lio_opcode`: write.
pub const IOCB_CMD_PWRITE: u16 = 1;
/// `aio_lio_opcode`: bring data and attributes to the disk.
pub const IOCB_CMD_FSYNC: u16 = 2;
/// `aio_lio_opcode`: bring data to the disk.
pub const IOCB_CMD_FDSYNC: u16 = 3;
/// `aio_lio_opcode`: wait until a file is ready.
pub const IOCB_CMD_POLL: u16 = 5;
/// `aio_lio_opcode`: read into several ranges.
pub const IOCB_CMD_PREADV: u16 = 7;
/// `aio_lio_opcode`: write from several ranges.
pub const IOCB_CMD_PWRITEV: u16 = 8;
/// `aio_flags`: a counter of events counts the result.
pub const IOCB_FLAG_RESFD: u32 = 1;
/// `aio_flags`: there is a priority.
pub const IOCB_FLAG_IOPRIO: u32 = 2;

record! {
    /// `struct iocb`: what is asked for.
    Iocb [64] {
        /// What the event brings back.
        0 data: u64,
        /// The kernel's; 0 once it is submitted.
        8 key: u32,
        /// Flags of the transfer.
        12 rw_flags: u32,
        /// IOCB_CMD_.
        16 lio_opcode: u16,
        /// Priority.
        18 reqprio: i16,
        /// Descriptor.
        20 fildes: u32,
        /// Address, or the events of IOCB_CMD_POLL.
        24 buf: u64,
        /// Bytes, or number of ranges.
        32 nbytes: u64,
        /// Offset in the file.
        40 offset: i64,
        /// 0.
        48 reserved2: u64,
        /// IOCB_FLAG_.
        56 flags: u32,
        /// A counter of events.
        60 resfd: u32,
    }

    /// `struct io_event`: what has become of it.
    IoEvent [32] {
        /// That of the `iocb`.
        0 data: u64,
        /// Address of the `iocb`.
        8 obj: u64,
        /// The result, or the negative error.
        16 res: i64,
        /// 0.
        24 res2: i64,
    }
}
