//! Reading, writing, positions and sizes of open files.
//!
//! A transfer goes in steps of [`STEP`] bytes: each makes its part of the program's memory resident and lets the
//! file move it under the file's own lock. What is done is in the continuation, so a transfer may park in its
//! middle, be interrupted (it then answers what is done) or be cut after `SLICE` bytes to let others run. The
//! whole of a longer transfer is therefore not atomic; what `man 7 pipe` asks of short writes to pipes is.

mod anonymous;
mod between;

pub use anonymous::memfd_create;
pub use between::{copy_file_range, sendfile, splice, tee, vmsplice};

use super::Call;
use super::descriptor::{opened, pipe_of};
use super::directory::with_walk;
use super::{event, socket};
use crate::latency;
use crate::outcome::{Called, Continuation, Outcome};
use crate::process::Process;
use crate::room;
use crate::signals::{self, Origin};
use crate::system::system;
use crate::user::{STEP, Segment, UserBuffer};
use abi::linux::{
    FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, MAX_RW_COUNT, RLIM_INFINITY, Resource, SEEK_CUR,
    SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET, SigInfo, SignalNumber, SystemCall, TransferFlags,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos};
use alloc::sync::Arc;
use vfs::{Access, Allocation, FileKind, Follow, IoContext, OpenFile, Seek, StatusFlags, Whence};
use wait::Stop;

/// How much is transferred before others may run.
pub(super) const SLICE: usize = 4 * STEP;

/// `man 2 read`.
///
/// # Errors
/// EBADF, EFAULT, EINVAL, EISDIR, EAGAIN, EIO.
pub fn read(call: &mut Call<'_>) -> Called {
    let segments = [buffer(call)?];
    read_into(call, &segments, None)
}

/// `man 2 write`.
///
/// # Errors
/// EBADF, EFAULT, EINVAL, EAGAIN, EPIPE, ENOSPC, EFBIG, EIO.
pub fn write(call: &mut Call<'_>) -> Called {
    let segments = [buffer(call)?];
    write_from(call, &segments, To::Position)
}

/// `man 2 readv`.
///
/// # Errors
/// As [`read`]; EINVAL for too many segments or bytes.
pub fn readv(call: &mut Call<'_>) -> Called {
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    read_into(call, &segments, None)
}

/// `man 2 writev`.
///
/// # Errors
/// As [`write()`]; EINVAL for too many segments or bytes.
pub fn writev(call: &mut Call<'_>) -> Called {
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    write_from(call, &segments, To::Position)
}

/// `man 2 pread`.
///
/// # Errors
/// As [`read`]; ESPIPE, EINVAL for a negative offset.
pub fn pread(call: &mut Call<'_>) -> Called {
    let segments = [buffer(call)?];
    read_into(call, &segments, Some(offset(call, 3)?))
}

/// `man 2 pwrite`.
///
/// # Errors
/// As [`write()`]; ESPIPE, EINVAL for a negative offset.
pub fn pwrite(call: &mut Call<'_>) -> Called {
    let segments = [buffer(call)?];
    write_from(call, &segments, To::Offset(offset(call, 3)?))
}

/// `man 2 preadv`. The fifth argument, upper bits of the offset for 32-bit programs, is of no effect here.
///
/// # Errors
/// As [`readv`] and [`pread`].
pub fn preadv(call: &mut Call<'_>) -> Called {
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    read_into(call, &segments, Some(offset(call, 3)?))
}

/// `man 2 pwritev`. The fifth argument is of no effect, as for [`preadv`].
///
/// # Errors
/// As [`writev`] and [`pwrite`].
pub fn pwritev(call: &mut Call<'_>) -> Called {
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    write_from(call, &segments, To::Offset(offset(call, 3)?))
}

/// `man 2 preadv2`; an offset of -1 means the position.
///
/// # Errors
/// As [`preadv`]; EOPNOTSUPP for RWF_APPEND and unknown flags; EAGAIN with RWF_NOWAIT.
pub fn preadv2(call: &mut Call<'_>) -> Called {
    let at = offset_or_position(call)?;
    let flags = transfer_flags(call)?;
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    read_flagged(call, &segments, at, flags)
}

/// `man 2 pwritev2`; an offset of -1 means the position. What is written is where it will be, so RWF_SYNC and RWF_DSYNC ask
/// for nothing more.
///
/// # Errors
/// As [`pwritev`]; EOPNOTSUPP for unknown flags; EAGAIN with RWF_NOWAIT.
pub fn pwritev2(call: &mut Call<'_>) -> Called {
    let at = offset_or_position(call)?;
    let flags = transfer_flags(call)?;
    let segments = call.user.segments(call.argument(1), call.argument(2))?;
    write_flagged(call, &segments, at, flags)
}

/// Reads as `preadv2` does from the file of the first argument; no offset means the position.
///
/// # Errors
/// As [`preadv2`].
pub(super) fn read_flagged(
    call: &mut Call<'_>,
    segments: &[Segment],
    at: Option<i64>,
    flags: TransferFlags,
) -> Called {
    if flags.contains(TransferFlags::APPEND) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    call.nonblocking |= flags.contains(TransferFlags::NOWAIT);
    read_into(call, segments, at)
}

/// Writes as `pwritev2` does to the file of the first argument; no offset means the position.
///
/// # Errors
/// As [`pwritev2`].
pub(super) fn write_flagged(
    call: &mut Call<'_>,
    segments: &[Segment],
    at: Option<i64>,
    flags: TransferFlags,
) -> Called {
    call.nonblocking |= flags.contains(TransferFlags::NOWAIT);
    let to = match at {
        _ if flags.contains(TransferFlags::APPEND) => To::End {
            moves: at.is_none(),
        },
        Some(at) => To::Offset(at),
        None => To::Position,
    };
    write_from(call, segments, to)
}

fn transfer_flags(call: &Call<'_>) -> Result<TransferFlags, Errno> {
    TransferFlags::from_bits(call.argument(5) as u32).ok_or(Errno::EOPNOTSUPP)
}

fn offset_or_position(call: &Call<'_>) -> Result<Option<i64>, Errno> {
    if call.argument(3) == u64::MAX {
        return Ok(None);
    }
    offset(call, 3).map(Some)
}

/// The buffer of `read` and its like.
fn buffer(call: &Call<'_>) -> Result<Segment, Errno> {
    let length = call.argument(2);
    if length > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    Ok(Segment {
        address: call.argument(1),
        length: length as usize,
    })
}

/// An offset, which is not negative.
fn offset(call: &Call<'_>, index: usize) -> Result<i64, Errno> {
    let offset = call.argument(index).cast_signed();
    if offset < 0 {
        Err(Errno::EINVAL)
    } else {
        Ok(offset)
    }
}

/// Bytes of a transfer, at most what one call moves.
pub(super) fn total(segments: &[Segment]) -> usize {
    segments
        .iter()
        .fold(0usize, |sum, segment| sum.saturating_add(segment.length))
        .min(MAX_RW_COUNT)
}

/// How much earlier runs of the call have transferred.
pub(super) fn transferred(call: &Call<'_>) -> usize {
    match call.progress() {
        Continuation::Transferred(count) | Continuation::TransferredUntil(count, _) => {
            count as usize
        }
        _ => 0,
    }
}

/// Remembers how many bytes a call has moved, besides the deadline that it may have.
pub(super) fn note(call: &mut Call<'_>, done: usize) {
    let done = done as u64;
    call.set_progress(match call.progress() {
        Continuation::TransferredUntil(_, until) => Continuation::TransferredUntil(done, until),
        _ => Continuation::Transferred(done),
    });
}

/// Cuts the call after some work.
pub(super) fn cut(call: &mut Call<'_>, done: usize) -> Called {
    note(call, done);
    Err(Outcome::Again)
}

/// What a call answers that cannot go on: an error counts only when nothing was done.
pub(super) fn stopped(call: &mut Call<'_>, done: usize, stop: Stop) -> Called {
    match stop {
        Stop::Error(_) if done > 0 => Ok(done as u64),
        Stop::Error(errno) => Err(errno.into()),
        Stop::Park | Stop::Again => {
            note(call, done);
            Err(stop.into())
        }
    }
}

fn require(file: &OpenFile, access: Access, at: Option<i64>) -> Result<Seek, Errno> {
    if !file.access().contains(access) {
        return Err(Errno::EBADF);
    }
    match file.operations().seek() {
        Seek::No if at.is_some() => Err(Errno::ESPIPE),
        seek => Ok(seek),
    }
}

fn read_into(call: &mut Call<'_>, segments: &[Segment], at: Option<i64>) -> Called {
    let count = read_some(call, segments, at)?;
    call.thread.activity.has_read(count);
    Ok(count)
}

fn read_some(call: &mut Call<'_>, segments: &[Segment], at: Option<i64>) -> Called {
    let file = opened(call, 0)?;
    let stream = require(&file, Access::READ, at)? == Seek::No;
    if socket::is_socket(&file) && (total(segments) > 0 || file.operations().moves_values()) {
        return socket::read(call, &file, segments);
    }
    if file.operations().moves_values() {
        return event::read(call, &file, segments);
    }
    let total = total(segments);
    if total == 0 && stream {
        return Ok(0);
    }
    let before = transferred(call);
    if before > 0 && before >= total {
        // The program has made the vector shorter since the call began.
        return Ok(before as u64);
    }
    let mut done = before;
    loop {
        let step = STEP.min(total - done);
        let mut sink = match UserBuffer::new(&call.user, segments, done, step, MemoryAccess::Write)
        {
            Ok(sink) => sink,
            Err(_) if done > 0 => return Ok(done as u64),
            Err(errno) => return Err(errno.into()),
        };
        let room = sink.rest();
        // A stream that has given something is not waited for.
        let cx = IoContext {
            nonblocking: call.nonblocking || stream && done > 0,
            ..call.io()
        };
        let answer = match at {
            None => file.read(&cx, &mut sink),
            Some(at) => file.read_at(&cx, at.saturating_add(done as i64), &mut sink),
        };
        match answer {
            Ok(count) => {
                done += count;
                if count < room || count == 0 || done >= total {
                    return Ok(done as u64);
                }
            }
            Err(stop) => return stopped(call, done, stop),
        }
        if done - before >= SLICE || is_long() {
            return cut(call, done);
        }
    }
}

/// Whether a run has taken so long that others may be due, where bytes are slow to make.
fn is_long() -> bool {
    const LONG: Nanos = Nanos(300_000);
    latency::lasting(arch::time::now()) > system().timebase.ticks(LONG)
}

/// Where in a file bytes are written.
#[derive(Clone, Copy)]
enum To {
    /// At its position, which moves.
    Position,
    /// At an offset; the position stays.
    Offset(i64),
    /// At its end.
    End {
        /// The position moves there.
        moves: bool,
    },
}

fn write_from(call: &mut Call<'_>, segments: &[Segment], to: To) -> Called {
    let count = write_some(call, segments, to)?;
    call.thread.activity.has_written(count);
    Ok(count)
}

fn write_some(call: &mut Call<'_>, segments: &[Segment], to: To) -> Called {
    let file = opened(call, 0)?;
    let at = match to {
        To::Offset(at) => Some(at),
        To::Position | To::End { .. } => None,
    };
    require(&file, Access::WRITE, at)?;
    if socket::is_socket(&file) {
        return socket::write(call, &file, segments);
    }
    if file.operations().moves_values() {
        return event::write(call, &file, segments);
    }
    let before = transferred(call);
    let wanted = total(segments);
    if wanted == 0 {
        return Ok(0);
    }
    if before == 0 && pipe_of(&file).is_ok() {
        room::ask()?;
    }
    let mut done = before;
    let here = at.map(|at| at.saturating_add(done as i64).cast_unsigned());
    let here = match to {
        To::End { .. } if is_regular(&file) => Some(file.operations().size(&call.io())?),
        _ => here,
    };
    let total = done + allowed(call, &file, here, wanted.saturating_sub(done), done > 0)?;
    while done < total {
        let step = STEP.min(total - done);
        let mut source = match UserBuffer::new(&call.user, segments, done, step, MemoryAccess::Read)
        {
            Ok(source) => source,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno.into()),
        };
        let cx = call.io();
        let answer = match to {
            To::Position => file.write(&cx, &mut source),
            To::End { moves } => file.append(&cx, &mut source, moves),
            To::Offset(at) => file.write_at(&cx, at.saturating_add(done as i64), &mut source),
        };
        match answer {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(stop) => {
                if stop == Stop::Error(Errno::EPIPE) {
                    raise(call, SignalNumber::SIGPIPE);
                }
                return stopped(call, done, stop);
            }
        }
        if done < total && done - before >= SLICE {
            return cut(call, done);
        }
    }
    Ok(done as u64)
}

/// How much of `wanted` the limit of file sizes lets through from `at`, or from where a write would go; with
/// nothing let through and nothing written before, SIGXFSZ and EFBIG (`man 2 setrlimit`, RLIMIT_FSIZE).
fn allowed(
    call: &Call<'_>,
    file: &OpenFile,
    at: Option<u64>,
    wanted: usize,
    begun: bool,
) -> Result<usize, Outcome> {
    let limit = call.process().limit(Resource::FileSize);
    if limit == RLIM_INFINITY || !is_regular(file) {
        return Ok(wanted);
    }
    let cx = call.io();
    let at = match at {
        _ if file.flags().contains(StatusFlags::APPEND) => file.operations().size(&cx)?,
        Some(at) => at,
        None => file.seek(&cx, 0, Whence::Current)?,
    };
    let room = limit.saturating_sub(at).min(wanted as u64) as usize;
    if room == 0 && wanted > 0 && !begun {
        raise(call, SignalNumber::SIGXFSZ);
        return Err(Errno::EFBIG.into());
    }
    Ok(room)
}

/// Fails with SIGXFSZ when a file must not become so large.
fn allow_size(call: &Call<'_>, size: u64) -> Result<(), Errno> {
    if size > call.process().limit(Resource::FileSize) {
        raise(call, SignalNumber::SIGXFSZ);
        return Err(Errno::EFBIG);
    }
    Ok(())
}

/// Sends a signal to the calling thread for what it has just done.
pub(super) fn raise(call: &Call<'_>, signal: SignalNumber) {
    let process: &Arc<Process> = call.process();
    // Only a queued real-time signal can be refused.
    signals::send(
        process,
        Some(call.thread),
        SigInfo::kernel(signal),
        Origin::Inside,
    )
    .ok();
}

fn is_regular(file: &OpenFile) -> bool {
    file.location()
        .is_some_and(|location| location.inode().kind() == FileKind::Regular)
}

/// `man 2 lseek`.
///
/// # Errors
/// EBADF, ESPIPE, EINVAL, ENXIO, EOVERFLOW.
pub fn lseek(call: &mut Call<'_>) -> Called {
    seek(call, call.argument(1).cast_signed(), call.argument(2))
}

/// `man 2 _llseek`: the offset in two halves, the result through a pointer.
///
/// # Errors
/// As [`lseek`]; EFAULT.
pub fn llseek(call: &mut Call<'_>) -> Called {
    let address = call.argument(3);
    let segment = Segment {
        address,
        length: size_of::<u64>(),
    };
    call.user.gather(segment, MemoryAccess::Write)?;
    let offset = call.argument(1) << 32 | call.argument(2) & 0xffff_ffff;
    let position = seek(call, offset.cast_signed(), call.argument(4))?;
    call.user.write(address, &position.to_le_bytes())?;
    Ok(0)
}

fn seek(call: &Call<'_>, offset: i64, whence: u64) -> Called {
    let file = opened(call, 0)?;
    let whence = match whence as u32 {
        SEEK_SET => Whence::Set,
        SEEK_CUR => Whence::Current,
        SEEK_END => Whence::End,
        SEEK_DATA => Whence::Data,
        SEEK_HOLE => Whence::Hole,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(file.seek(&call.io(), offset, whence)?)
}

/// `man 2 ftruncate`.
///
/// # Errors
/// EBADF, EINVAL, EFBIG, EPERM, ENOSPC.
pub fn ftruncate(call: &mut Call<'_>) -> Called {
    let size = offset(call, 1)?.cast_unsigned();
    let file = opened(call, 0)?;
    if is_regular(&file) && file.access().contains(Access::WRITE) {
        allow_size(call, size)?;
    }
    file.truncate(&call.io(), size)?;
    Ok(0)
}

/// `man 2 truncate`.
///
/// # Errors
/// EINVAL, EFBIG, EACCES, EISDIR, EROFS, ENOSPC and those of a path.
pub fn truncate(call: &mut Call<'_>) -> Called {
    let size = offset(call, 1)?.cast_unsigned();
    let path = call.path(0)?;
    with_walk(call, |walk| {
        let location = walk.resolve(None, &path, Follow::Yes)?;
        if location.inode().kind() == FileKind::Regular {
            allow_size(call, size)?;
        }
        walk.truncate(&location, size)
    })?;
    Ok(0)
}

/// `man 2 fsync`, `fdatasync`. All file systems are in memory, so what is written is where it will be.
///
/// # Errors
/// EBADF, EINVAL for what cannot be synchronized: pipes, terminals, devices of bytes.
pub fn fsync(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let kind = file.location().map(|location| location.inode().kind());
    match kind {
        Some(FileKind::Regular | FileKind::Directory | FileKind::Block) => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `man 2 syncfs`.
///
/// # Errors
/// EBADF.
pub fn syncfs(call: &mut Call<'_>) -> Called {
    opened(call, 0)?;
    Ok(0)
}

/// `man 2 sync_file_range`, in the order of arguments that powerpc has: descriptor, flags, offset, length.
///
/// # Errors
/// EBADF, EINVAL for unknown flags and a range that cannot be, ESPIPE for what is no file.
pub fn sync_file_range(call: &mut Call<'_>) -> Called {
    /// Wait before, write, wait after.
    const FLAGS: u32 = 7;
    let file = opened(call, 0)?;
    let (at, length) = (offset(call, 2)?, offset(call, 3)?);
    if call.argument(1) as u32 & !FLAGS != 0 || at.checked_add(length).is_none() {
        return Err(Errno::EINVAL.into());
    }
    if file.operations().seek() != Seek::Yes {
        return Err(Errno::ESPIPE.into());
    }
    Ok(0)
}

/// `man 2 fallocate`: fills holes and makes them. The other modes are EOPNOTSUPP, as in Linux's file system in memory.
///
/// # Errors
/// EBADF, EINVAL, ENODEV for what is no regular file, ESPIPE for a pipe, EFBIG, EOPNOTSUPP, ENOSPC; EPERM when a seal
/// forbids it.
pub fn fallocate(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let (at, length) = (offset(call, 2)?, offset(call, 3)?);
    if length == 0 {
        return Err(Errno::EINVAL.into());
    }
    let how = match call.argument(1) as u32 {
        0 => Allocation::Extend,
        FALLOC_FL_KEEP_SIZE => Allocation::Reserve,
        mode if mode == FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE => Allocation::Punch,
        _ => return Err(Errno::EOPNOTSUPP.into()),
    };
    let end = at.checked_add(length).ok_or(Errno::EFBIG)?.cast_unsigned();
    if !file.access().contains(Access::WRITE) {
        return Err(Errno::EBADF.into());
    }
    let location = file.location().filter(|_| is_regular(&file));
    let Some(location) = location else {
        let is_pipe = file.operations().seek() == Seek::No;
        return Err(if is_pipe {
            Errno::ESPIPE
        } else {
            Errno::ENODEV
        }
        .into());
    };
    if how == Allocation::Extend {
        allow_size(call, end)?;
    }
    let mut at = match call.progress() {
        Continuation::Covered(next) => next,
        _ => at.cast_unsigned(),
    };
    let slice = at.saturating_add(4 * SLICE as u64);
    while at < end {
        at = location.inode().allocate(&call.io(), at..end, how)?;
        if at >= slice && at < end {
            call.set_progress(Continuation::Covered(at));
            return Err(Outcome::Again);
        }
    }
    Ok(0)
}

/// `man 2 posix_fadvise`, `man 2 readahead`: files are in memory, so there is nothing to do about advice.
///
/// # Errors
/// EBADF, ESPIPE for a pipe, EINVAL.
pub fn advise(call: &mut Call<'_>) -> Called {
    /// `POSIX_FADV_NOREUSE`, the last advice.
    const LAST_ADVICE: u64 = 5;
    let file = opened(call, 0)?;
    if SystemCall::from_number(call.number) == Some(SystemCall::Readahead) {
        if !file.access().contains(Access::READ) {
            return Err(Errno::EBADF.into());
        }
        return if is_regular(&file) {
            Ok(0)
        } else {
            Err(Errno::EINVAL.into())
        };
    }
    if file.operations().seek() == Seek::No {
        return Err(Errno::ESPIPE.into());
    }
    let length = call.argument(2).cast_signed();
    if length < 0 || call.argument(3) > LAST_ADVICE {
        return Err(Errno::EINVAL.into());
    }
    Ok(0)
}
