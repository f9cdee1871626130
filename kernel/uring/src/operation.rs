//! Which system call an entry stands for.

use abi::Errno;
use abi::linux::{
    IORING_ACCEPT_MULTISHOT, IORING_FSYNC_DATASYNC, IORING_RECV_MULTISHOT, MessageFlags,
    SystemCall, UringEntry, UringOperation,
};

/// A system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translated {
    /// Which.
    pub call: SystemCall,
    /// Its arguments. The first is a descriptor, unless the call has none.
    pub arguments: [u64; 6],
    /// The first argument is a descriptor of the file that the call is about, and not of one that a path begins at: it
    /// may be a registered file, and it stays the same file until the call is done.
    pub on_file: bool,
    /// It is made again and again, each time with a completion.
    pub repeats: bool,
}

/// The call that an entry stands for; `None` for those that are made otherwise: transfers, and what is about the rings
/// themselves.
///
/// # Errors
/// EINVAL for fields that ask for more than is known here: registered descriptors as a result, several messages.
pub fn translate(
    operation: UringOperation,
    entry: &UringEntry,
) -> Result<Option<Translated>, Errno> {
    use SystemCall as S;
    use UringOperation as O;
    let fd = i64::from(entry.fd).cast_unsigned();
    let (off, addr) = (entry.off, entry.addr);
    let (len, flags) = (u64::from(entry.len), u64::from(entry.op_flags));
    let quiet = flags | u64::from(MessageFlags::NOSIGNAL.bits());
    let (call, arguments) = match operation {
        O::Fsync if entry.op_flags & !IORING_FSYNC_DATASYNC != 0 => return Err(Errno::EINVAL),
        O::Fsync if entry.op_flags == IORING_FSYNC_DATASYNC => (S::Fdatasync, [fd, 0, 0, 0, 0, 0]),
        O::Fsync => (S::Fsync, [fd, 0, 0, 0, 0, 0]),
        O::SyncFileRange => (S::SyncFileRange2, [fd, flags, off, len, 0, 0]),
        O::Fallocate => (S::Fallocate, [fd, len, off, addr, 0, 0]),
        O::Fadvise => (S::Fadvise64, [fd, off, len, flags, 0, 0]),
        O::Madvise => (S::Madvise, [addr, len, flags, 0, 0, 0]),
        O::Sendmsg => (S::Sendmsg, [fd, addr, quiet, 0, 0, 0]),
        O::Recvmsg => (S::Recvmsg, [fd, addr, flags, 0, 0, 0]),
        O::Send => (S::Sendto, [fd, addr, len, quiet, 0, 0]),
        O::Recv => (S::Recvfrom, [fd, addr, len, flags, 0, 0]),
        O::Accept => (S::Accept4, [fd, addr, off, flags, 0, 0]),
        O::Connect => (S::Connect, [fd, addr, off, 0, 0, 0]),
        O::Shutdown => (S::Shutdown, [fd, len, 0, 0, 0, 0]),
        O::Socket => (S::Socket, [fd, off, len, 0, 0, 0]),
        O::Openat => (S::Openat, [fd, addr, flags, len, 0, 0]),
        O::Openat2 => (S::Openat2, [fd, addr, off, len, 0, 0]),
        O::Close => (S::Close, [fd, 0, 0, 0, 0, 0]),
        O::Statx => (S::Statx, [fd, addr, flags, len, off, 0]),
        O::EpollCtl => (S::EpollCtl, [fd, len, off, addr, 0, 0]),
        O::Renameat => (S::Renameat2, [fd, addr, len, off, flags, 0]),
        O::Unlinkat => (S::Unlinkat, [fd, addr, flags, 0, 0, 0]),
        O::Mkdirat => (S::Mkdirat, [fd, addr, len, 0, 0, 0]),
        O::Symlinkat => (S::Symlinkat, [addr, fd, off, 0, 0, 0]),
        O::Linkat => (S::Linkat, [fd, addr, len, off, flags, 0]),
        _ => return Ok(None),
    };
    let direct = matches!(
        operation,
        O::Openat | O::Openat2 | O::Accept | O::Socket | O::Close
    ) && entry.splice_fd_in != 0;
    let (repeats, others) = match operation {
        O::Accept => (IORING_ACCEPT_MULTISHOT, 0),
        O::Recv => (IORING_RECV_MULTISHOT, POLL_FIRST),
        O::Send | O::Sendmsg | O::Recvmsg => (0, POLL_FIRST),
        _ => (0, u16::MAX),
    };
    let unknown = entry.ioprio & !(repeats | others) != 0;
    let repeats = entry.ioprio & repeats != 0;
    if direct || unknown || operation == O::Socket && flags != 0 {
        return Err(Errno::EINVAL);
    }
    let on_file = matches!(
        operation,
        O::Fsync
            | O::SyncFileRange
            | O::Fallocate
            | O::Fadvise
            | O::Sendmsg
            | O::Recvmsg
            | O::Send
            | O::Recv
            | O::Accept
            | O::Connect
            | O::Shutdown
            | O::EpollCtl
    );
    Ok(Some(Translated {
        call,
        arguments,
        on_file,
        repeats,
    }))
}

/// In `ioprio` of a transfer of a socket: it is known not to be ready. Looking all the same does no harm.
const POLL_FIRST: u16 = 1;
