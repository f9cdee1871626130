//! Transfers from one open file to another, through a buffer of the kernel.
//!
//! The place of either file moves after each step, in the file or in the program's memory, so an interrupted or cut
//! call has said all that it has done.

use super::{SLICE, allowed, cut, raise, readv, require, stopped, transferred, writev};
use crate::calls::Call;
use crate::calls::descriptor::{opened, pipe_of};
use crate::outcome::{Called, Outcome};
use crate::user::{STEP, Segment};
use abi::Errno;
use abi::linux::{MAX_RW_COUNT, SignalNumber};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use alloc::vec::Vec;
use ipc::{Collector, Pipe};
use vfs::{Access, FileKind, IoContext, OpenFile, Seek, StatusFlags, Whence};
use wait::{SliceSink, SliceSource, Source, Stop};

/// One side of a transfer: a file, and where the program keeps its offset if not in the file.
struct Side {
    file: Arc<OpenFile>,
    /// Address of the offset; 0: the file's own position.
    offset: u64,
}

impl Side {
    /// Where the next step begins; the place where the new offset will be stored is made resident.
    fn at(&self, call: &Call<'_>) -> Result<i64, Outcome> {
        if self.offset == 0 {
            let position = self.file.seek(&call.io(), 0, Whence::Current)?;
            return Ok(position.cast_signed());
        }
        let segment = Segment {
            address: self.offset,
            length: size_of::<u64>(),
        };
        call.user.gather(segment, MemoryAccess::Write)?;
        match call.user.u64(self.offset)?.cast_signed() {
            at @ 0.. => Ok(at),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn move_to(&self, call: &Call<'_>, to: i64) -> Result<(), Outcome> {
        match self.offset {
            0 => self.file.seek(&call.io(), to, Whence::Set).map(drop)?,
            address => call.user.write(address, &to.to_le_bytes())?,
        }
        Ok(())
    }
}

/// `man 2 sendfile`: from a file with a position to any file.
///
/// # Errors
/// EBADF, EINVAL when the input has no position or the output is opened for appending, EFAULT; as
/// [`write()`](super::write()).
pub fn sendfile(call: &mut Call<'_>) -> Called {
    let (out, from) = (opened(call, 0)?, opened(call, 1)?);
    require(&from, Access::READ, None)?;
    require(&out, Access::WRITE, None)?;
    if from.operations().seek() != Seek::Yes || out.flags().contains(StatusFlags::APPEND) {
        return Err(Errno::EINVAL.into());
    }
    let from = Side {
        file: from,
        offset: call.argument(2),
    };
    transfer(call, &from, &out, None, call.argument(3) as usize)
}

/// `man 2 copy_file_range`: between two regular files.
///
/// # Errors
/// EBADF also for an output opened for appending, EISDIR, EINVAL for other kinds, for flags, and for ranges of one
/// file that overlap; EFBIG, ENOSPC, EFAULT.
pub fn copy_file_range(call: &mut Call<'_>) -> Called {
    let side = |file, offset| -> Result<Side, Errno> {
        Ok(Side {
            file: opened(call, file)?,
            offset: call.argument(offset),
        })
    };
    let (from, to) = (side(0, 1)?, side(2, 3)?);
    let length = call.argument(4) as usize;
    for side in [&from, &to] {
        match side.file.location().map(|at| at.inode().kind()) {
            Some(FileKind::Regular) => {}
            Some(FileKind::Directory) => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
    }
    require(&from.file, Access::READ, None)?;
    require(&to.file, Access::WRITE, None)?;
    if to.file.flags().contains(StatusFlags::APPEND) {
        return Err(Errno::EBADF.into());
    }
    if call.argument(5) as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let inode = |side: &Side| side.file.location().map(|at| at.inode().id());
    if inode(&from) == inode(&to) {
        let apart = from.at(call)?.abs_diff(to.at(call)?);
        let left = length.saturating_sub(transferred(call));
        if apart < left as u64 {
            return Err(Errno::EINVAL.into());
        }
    }
    transfer(call, &from, &to.file, Some(&to), length)
}

/// Flags of `splice` and its kin: moving, not waiting for a pipe, more is coming, giving away.
const SPLICE_FLAGS: u32 = 15;
const SPLICE_NONBLOCK: u32 = 2;

/// What is asked of pipes: nobody waits for them with SPLICE_F_NONBLOCK.
fn pipe_context<'a>(call: &'a Call<'_>, file: &OpenFile, flags: u32) -> IoContext<'a> {
    let nonblocking = flags & SPLICE_NONBLOCK != 0
        || call.nonblocking
        || file.flags().contains(StatusFlags::NONBLOCKING);
    IoContext {
        nonblocking,
        ..call.io()
    }
}

/// `man 2 splice`: between a pipe and any file, what can be moved in one step.
///
/// # Errors
/// EBADF, ESPIPE for an offset into a pipe, EFAULT; EINVAL without a pipe, with one and the same, for flags, for an output
/// that is opened for appending, and for an offset into a file without positions; EAGAIN, EPIPE, and those of the files.
pub fn splice(call: &mut Call<'_>) -> Called {
    let (from, to) = (opened(call, 0)?, opened(call, 2)?);
    let [_, offset_from, _, offset_to, length, flags] =
        core::array::from_fn(|index| call.argument(index));
    let (length, flags) = (length as usize, flags as u32);
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    if length == 0 {
        return Ok(0);
    }
    require(&from, Access::READ, None)?;
    require(&to, Access::WRITE, None)?;
    let length = length.min(STEP);
    match (pipe_of(&from), pipe_of(&to)) {
        (Ok(_), _) if offset_from != 0 => Err(Errno::ESPIPE.into()),
        (_, Ok(_)) if offset_to != 0 => Err(Errno::ESPIPE.into()),
        (Ok(from), Ok(to)) if Arc::ptr_eq(from, to) => Err(Errno::EINVAL.into()),
        (Ok(pipe), _) => {
            let side = Side {
                file: to.clone(),
                offset: offset_to,
            };
            let cx = pipe_context(call, &from, flags);
            out_of(call, pipe, &cx, &side, length)
        }
        (_, Ok(pipe)) => {
            let side = Side {
                file: from.clone(),
                offset: offset_from,
            };
            let cx = pipe_context(call, &to, flags);
            into(call, pipe, &cx, &side, length)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Where the bytes of a side are; none for the position, which moves by itself, and for what has no position.
fn explicit(call: &Call<'_>, side: &Side) -> Result<Option<i64>, Outcome> {
    if side.offset == 0 {
        return Ok(None);
    }
    if side.file.operations().seek() == Seek::No {
        return Err(Errno::EINVAL.into());
    }
    side.at(call).map(Some)
}

/// From a pipe to another file.
fn out_of(call: &Call<'_>, pipe: &Pipe, cx: &IoContext<'_>, to: &Side, length: usize) -> Called {
    if to.file.flags().contains(StatusFlags::APPEND) {
        return Err(Errno::EINVAL.into());
    }
    let at = explicit(call, to)?;
    let length = allowed(call, &to.file, at.map(i64::cast_unsigned), length, false)?;
    // A file may take bytes and fail all the same, so it gets a copy, and those that it answers for go.
    let mut copy = fallible::filled(0u8, length)?;
    let mut claim = pipe.claim(cx, length)?;
    let copied = claim
        .bytes
        .copy(&mut SliceSink::new(&mut copy), length, true);
    let out = IoContext {
        // Linux does not wait for a second pipe either then.
        nonblocking: cx.nonblocking && pipe_of(&to.file).is_ok(),
        ..call.io()
    };
    let source = &mut SliceSource::new(copy.get(..copied.unwrap_or(0)).unwrap_or_default());
    let written = match at {
        _ if source.remaining() == 0 => Ok(0),
        Some(at) => to.file.write_at(&out, at, source),
        None => to.file.write(&out, source),
    };
    claim.bytes.discard(written.unwrap_or(0));
    pipe.settle(claim);
    let moved = written.inspect_err(|stop| {
        if *stop == Stop::Error(Errno::EPIPE) {
            raise(call, SignalNumber::SIGPIPE);
        }
    })?;
    if let Some(at) = at {
        to.move_to(call, at.saturating_add(moved as i64))?;
    }
    Ok(moved as u64)
}

/// From another file into a pipe.
fn into(call: &Call<'_>, pipe: &Pipe, cx: &IoContext<'_>, from: &Side, length: usize) -> Called {
    let at = explicit(call, from)?;
    let room = match pipe.reserve(cx, length) {
        Ok(room) => room,
        Err(stop) => {
            if stop == Stop::Error(Errno::EPIPE) {
                raise(call, SignalNumber::SIGPIPE);
            }
            return Err(stop.into());
        }
    };
    let mut collector = Collector::new(room.bytes());
    let read = match at {
        Some(at) => from.file.read_at(&call.io(), at, &mut collector),
        None => from.file.read(&call.io(), &mut collector),
    };
    let moved = collector.bytes.len();
    pipe.fill(room, collector.bytes);
    if moved == 0 {
        return Ok(read? as u64);
    }
    if let Some(at) = at {
        from.move_to(call, at.saturating_add(moved as i64))?;
    }
    Ok(moved as u64)
}

/// `man 2 tee`: copies what is in one pipe to another.
///
/// # Errors
/// EBADF; EINVAL for what is no pipe, one and the same, and flags; EAGAIN, EPIPE.
pub fn tee(call: &mut Call<'_>) -> Called {
    let (from, to) = (opened(call, 0)?, opened(call, 1)?);
    let (length, flags) = (call.argument(2) as usize, call.argument(3) as u32);
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    if length == 0 {
        return Ok(0);
    }
    require(&from, Access::READ, None)?;
    require(&to, Access::WRITE, None)?;
    let (Ok(source), Ok(target)) = (pipe_of(&from), pipe_of(&to)) else {
        return Err(Errno::EINVAL.into());
    };
    if Arc::ptr_eq(source, target) {
        return Err(Errno::EINVAL.into());
    }
    let room = match target.reserve(&pipe_context(call, &to, flags), length.min(STEP)) {
        Ok(room) => room,
        Err(stop) => {
            if stop == Stop::Error(Errno::EPIPE) {
                raise(call, SignalNumber::SIGPIPE);
            }
            return Err(stop.into());
        }
    };
    let mut collector = Collector::new(room.bytes());
    let limit = room.bytes();
    let copied = source.copy(&pipe_context(call, &from, flags), &mut collector, limit);
    target.fill(room, collector.bytes);
    Ok(copied? as u64)
}

/// `man 2 vmsplice`: as `writev` into the one end of a pipe, as `readv` out of the other. Memory is copied, not moved.
///
/// # Errors
/// EBADF for what is no pipe; EINVAL for flags; as `writev` and `readv`.
pub fn vmsplice(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let flags = call.argument(3) as u32;
    pipe_of(&file)?;
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    call.nonblocking |= flags & SPLICE_NONBLOCK != 0;
    if file.access().contains(Access::WRITE) {
        writev(call)
    } else {
        readv(call)
    }
}

/// Moves up to `total` bytes, of which earlier runs of the call have moved some.
///
/// `place` says where in `out` they go; at its own position, as `write` does it, when there is none.
fn transfer(
    call: &mut Call<'_>,
    from: &Side,
    out: &Arc<OpenFile>,
    place: Option<&Side>,
    total: usize,
) -> Called {
    let total = total.min(MAX_RW_COUNT);
    let before = transferred(call);
    let mut done = before;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(STEP).map_err(|_| Errno::ENOMEM)?;
    while done < total {
        let at = from.at(call)?;
        let to = place.map(|place| place.at(call)).transpose()?;
        bytes.resize(STEP.min(total - done), 0);
        let sink = &mut SliceSink::new(&mut bytes);
        let count = match from.file.read_at(&call.io(), at, sink) {
            Ok(count) => count,
            Err(stop) => return stopped(call, done, stop),
        };
        let position = to.map(i64::cast_unsigned);
        let length = match allowed(call, out, position, count, done > 0) {
            Ok(0) => break,
            Ok(length) => length,
            Err(outcome) => return Err(outcome),
        };
        let source = &mut SliceSource::new(bytes.get(..length).unwrap_or_default());
        let written = match to {
            Some(to) => out.write_at(&call.io(), to, source),
            None => out.write(&call.io(), source),
        };
        match written {
            Ok(0) => break,
            Ok(count) => {
                done += count;
                from.move_to(call, at.saturating_add(count as i64))?;
                if let (Some(place), Some(to)) = (place, to) {
                    place.move_to(call, to.saturating_add(count as i64))?;
                }
            }
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
