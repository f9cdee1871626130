//! Signals that are read from a file (`man 2 signalfd`).

use super::Call;
use super::descriptor::{install, opened, require_room};
use crate::outcome::Called;
use crate::signal_file::SignalFile;
use crate::special;
use abi::Errno;
use abi::linux::{OpenFlags, SignalSet, check_set_size};
use core::any::Any;
use vfs::{Access, OpenFile, StatusFlags};

/// `man 2 signalfd`, the call without flags.
///
/// # Errors
/// As [`signalfd4`].
pub fn signalfd(call: &mut Call<'_>) -> Called {
    make(call, 0)
}

/// `man 2 signalfd`.
///
/// # Errors
/// EFAULT; EINVAL for unknown flags, a set of another size and other files; EBADF, EMFILE.
pub fn signalfd4(call: &mut Call<'_>) -> Called {
    make(call, call.argument(3) as u32)
}

fn make(call: &Call<'_>, flags: u32) -> Called {
    check_set_size(call.argument(2))?;
    let mask = SignalSet(call.user.u64(call.argument(1))?);
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    if call.argument(0) as u32 as i32 != -1 {
        let file = opened(call, 0)?;
        let operations: &dyn Any = &**file.operations();
        let file: &SignalFile = operations.downcast_ref().ok_or(Errno::EINVAL)?;
        file.set_mask(mask);
        // Whoever waits for the signals of before looks for the new ones.
        call.process().signal_readers.wake_all();
        return Ok(u64::from(call.argument(0) as u32));
    }
    require_room(call)?;
    let file = SignalFile::new(mask, special::event_metadata(call.credential()))?;
    let mut status = StatusFlags::empty();
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    status.set(StatusFlags::NONBLOCKING, nonblocking);
    let access = Access::READ | Access::WRITE;
    let file = OpenFile::new(file, None, call.cid(), access, status)?;
    install(call, file, flags.contains(OpenFlags::CLOEXEC))
}
