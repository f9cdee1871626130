//! Transfers from one open file to another, through a buffer of the kernel.
//!
//! The place of either file moves after each step, in the file or in the program's memory, so an interrupted or cut
//! call has said all that it has done.

use super::{SLICE, allowed, cut, raise, require, stopped, transferred};
use crate::calls::Call;
use crate::calls::descriptor::opened;
use crate::outcome::{Called, Outcome};
use crate::user::{STEP, Segment};
use abi::Errno;
use abi::linux::{MAX_RW_COUNT, SignalNumber};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::{Access, FileKind, OpenFile, Seek, StatusFlags, Whence};
use wait::{SliceSink, SliceSource, Stop};

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
