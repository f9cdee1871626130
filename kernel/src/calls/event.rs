//! Files that count events.

use super::Call;
use super::descriptor::{install, require_room};
use crate::outcome::Called;
use crate::special;
use crate::user::{STEP, Segment, UserBuffer};
use abi::Errno;
use abi::linux::OpenFlags;
use abi::mmu::Access as MemoryAccess;
use core::any::Any;
use ipc::EventCounter;
use vfs::{Access, OpenFile, StatusFlags};

/// `man 2 eventfd`, the call without flags.
///
/// # Errors
/// EMFILE.
pub fn eventfd(call: &mut Call<'_>) -> Called {
    make(call, 0)
}

/// `man 2 eventfd`.
///
/// # Errors
/// EINVAL for unknown flags, EMFILE.
pub fn eventfd2(call: &mut Call<'_>) -> Called {
    make(call, call.argument(1) as u32)
}

fn make(call: &Call<'_>, flags: u32) -> Called {
    /// EFD_SEMAPHORE; the other flags are those of open.
    const SEMAPHORE: u32 = 1;
    let open = OpenFlags::from_bits_retain(flags & !SEMAPHORE);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(open) {
        return Err(Errno::EINVAL.into());
    }
    require_room(call)?;
    let counter = EventCounter::new(
        call.argument(0) as u32,
        flags & SEMAPHORE != 0,
        special::event_metadata(call.credential()),
    )?;
    let mut status = StatusFlags::empty();
    status.set(StatusFlags::NONBLOCKING, open.contains(OpenFlags::NONBLOCK));
    let access = Access::READ | Access::WRITE;
    let file = OpenFile::new(counter, None, call.cid(), access, status)?;
    install(call, file, open.contains(OpenFlags::CLOEXEC))
}

/// Fails with EINVAL unless a file is a counter of events.
pub(super) fn require_counter(file: &OpenFile) -> Result<(), Errno> {
    let operations: &dyn Any = &**file.operations();
    if operations.is::<EventCounter>() {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Reads values in one operation ([`vfs::FileOperations::moves_values`]).
///
/// # Errors
/// EFAULT, and what the file says.
pub(super) fn read(call: &Call<'_>, file: &OpenFile, segments: &[Segment]) -> Called {
    let mut sink = UserBuffer::new(&call.user, segments, 0, STEP, MemoryAccess::Write)?;
    Ok(file.read(&call.io(), &mut sink)? as u64)
}

/// Writes values in one operation.
///
/// # Errors
/// EFAULT, and what the file says.
pub(super) fn write(call: &Call<'_>, file: &OpenFile, segments: &[Segment]) -> Called {
    let mut source = UserBuffer::new(&call.user, segments, 0, STEP, MemoryAccess::Read)?;
    Ok(file.write(&call.io(), &mut source)? as u64)
}
