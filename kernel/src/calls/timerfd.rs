//! Timers that are read as files (`man 2 timerfd_create`).

use super::Call;
use super::descriptor::{install, opened, require_room};
use crate::outcome::Called;
use crate::special;
use crate::timer_file::{Setting, TimerFile};
use crate::user::Segment;
use abi::linux::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
    Itimerspec, OpenFlags, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, Timespec,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos};
use alloc::sync::Arc;
use core::any::Any;
use security::Privileges;
use vfs::{Access, OpenFile, StatusFlags};

/// `man 2 timerfd_create`. The machine does not sleep, so clocks that would wake it are as those that would not.
///
/// # Errors
/// EINVAL for unknown clocks and flags; EPERM for a clock that wakes the machine; EMFILE.
pub fn timerfd_create(call: &mut Call<'_>) -> Called {
    let wall = match call.argument(0) as u32 {
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => false,
        CLOCK_REALTIME => true,
        clock @ (CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM) => {
            call.credential().require(Privileges::CLOCK)?;
            clock == CLOCK_REALTIME_ALARM
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let flags = OpenFlags::from_bits_retain(call.argument(1) as u32);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    require_room(call)?;
    let timer = TimerFile::new(wall, special::event_metadata(call.credential()))?;
    let mut status = StatusFlags::empty();
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    status.set(StatusFlags::NONBLOCKING, nonblocking);
    let access = Access::READ | Access::WRITE;
    let file = OpenFile::new(timer, None, call.cid(), access, status)?;
    install(call, file, flags.contains(OpenFlags::CLOEXEC))
}

/// The timer that an open file is.
fn timer(file: &Arc<OpenFile>) -> Result<&TimerFile, Errno> {
    let operations: &dyn Any = &**file.operations();
    operations.downcast_ref().ok_or(Errno::EINVAL)
}

/// `man 2 timerfd_settime`.
///
/// # Errors
/// EFAULT, EBADF, EINVAL for unknown flags, other files and times that cannot be.
pub fn timerfd_settime(call: &mut Call<'_>) -> Called {
    let (flags, new, old) = (call.argument(1) as u32, call.argument(2), call.argument(3));
    let new = Itimerspec::decode(&call.user.bytes(new)?);
    let (value, interval) = (new.value.nanos()?, new.interval.nanos()?);
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = opened(call, 0)?;
    let timer = timer(&file)?;
    if old != 0 {
        let length = Itimerspec::SIZE;
        let place = Segment {
            address: old,
            length,
        };
        call.user.gather(place, MemoryAccess::Write)?;
    }
    let before = timer.set(Setting {
        value,
        interval,
        absolute: flags & TFD_TIMER_ABSTIME != 0,
        cancellable: flags & TFD_TIMER_CANCEL_ON_SET != 0,
    });
    if old != 0 {
        call.user.write(old, &encode(before))?;
    }
    Ok(0)
}

/// `man 2 timerfd_gettime`.
///
/// # Errors
/// EFAULT, EBADF, EINVAL for another file.
pub fn timerfd_gettime(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let present = timer(&file)?.remaining();
    call.user.write(call.argument(1), &encode(present))?;
    Ok(0)
}

/// What is left and the interval, as programs see it.
pub(super) fn encode((value, interval): (Nanos, Nanos)) -> [u8; Itimerspec::SIZE] {
    let value = Timespec::from_nanos(value);
    let interval = Timespec::from_nanos(interval);
    Itimerspec { interval, value }.encode()
}
