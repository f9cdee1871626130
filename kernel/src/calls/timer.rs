//! POSIX timers (`man 2 timer_create`).

use super::Call;
use super::clock::now;
use super::timerfd::encode;
use crate::outcome::Called;
use crate::posix_timers::{Notice, PosixTimer, clock_of};
use crate::system::system;
use crate::user::Segment;
use abi::Errno;
use abi::linux::{
    Itimerspec, Resource, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID, Sigevent,
    SignalNumber, TIMER_ABSTIME,
};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use process::VPid;

/// `man 2 timer_create`.
///
/// # Errors
/// EFAULT; EINVAL for a clock, notice, signal or thread that cannot be; EAGAIN, ENOMEM.
pub fn timer_create(call: &mut Call<'_>) -> Called {
    let number = call.argument(0) as u32;
    now(call, number)?;
    let clock = clock_of(call.process(), call.thread, number)?;
    let notice = match call.argument(1) {
        0 => Notice::Signal {
            signal: SignalNumber::SIGALRM,
            value: None,
            thread: None,
        },
        address => notice(call, &Sigevent::decode(&call.user.bytes(address)?))?,
    };
    let address = call.argument(2);
    let length = size_of::<i32>();
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    let process = call.process();
    let limit = process.limit(Resource::PendingSignals);
    let id = process
        .posix_timers
        .lock()
        .create(process, clock, notice, limit)?;
    call.user.write(address, &id.to_le_bytes())?;
    Ok(0)
}

fn notice(call: &Call<'_>, event: &Sigevent) -> Result<Notice, Errno> {
    let thread = match event.notify {
        SIGEV_NONE => return Ok(Notice::None),
        SIGEV_SIGNAL | SIGEV_THREAD => None,
        SIGEV_THREAD_ID => {
            let number = u32::try_from(event.tid).unwrap_or(0);
            let found = {
                let tree = system().tree.lock();
                let found = tree.pids.find(call.credential(), VPid(number));
                found.map_err(|_| Errno::EINVAL)?.clone()
            };
            let thread = found.thread().ok_or(Errno::EINVAL)?;
            if !Arc::ptr_eq(&thread.process, call.process()) {
                return Err(Errno::EINVAL);
            }
            Some(Arc::downgrade(&thread))
        }
        _ => return Err(Errno::EINVAL),
    };
    let number = u64::try_from(event.signo).map_err(|_| Errno::EINVAL)?;
    Ok(Notice::Signal {
        signal: SignalNumber::new(number)?,
        value: Some(event.value),
        thread,
    })
}

fn timer(call: &Call<'_>) -> Result<Arc<PosixTimer>, Errno> {
    let id = call.argument(0) as u32 as i32;
    call.process().posix_timers.lock().get(id)
}

/// `man 2 timer_settime`.
///
/// # Errors
/// EFAULT, EINVAL.
pub fn timer_settime(call: &mut Call<'_>) -> Called {
    let (flags, new, old) = (call.argument(1) as u32, call.argument(2), call.argument(3));
    if new == 0 {
        return Err(Errno::EINVAL.into());
    }
    let new = Itimerspec::decode(&call.user.bytes(new)?);
    let (value, interval) = (new.value.nanos()?, new.interval.nanos()?);
    let timer = timer(call)?;
    if old != 0 {
        let length = Itimerspec::SIZE;
        let place = Segment {
            address: old,
            length,
        };
        call.user.gather(place, MemoryAccess::Write)?;
    }
    let before = timer.set(value, interval, flags & TIMER_ABSTIME != 0);
    if old != 0 {
        call.user.write(old, &encode(before))?;
    }
    Ok(0)
}

/// `man 2 timer_gettime`.
///
/// # Errors
/// EFAULT, EINVAL.
pub fn timer_gettime(call: &mut Call<'_>) -> Called {
    let present = timer(call)?.remaining()?;
    call.user.write(call.argument(1), &encode(present))?;
    Ok(0)
}

/// `man 2 timer_getoverrun`.
///
/// # Errors
/// EINVAL.
pub fn timer_getoverrun(call: &mut Call<'_>) -> Called {
    Ok(u64::from(timer(call)?.overrun().cast_unsigned()))
}

/// `man 2 timer_delete`.
///
/// # Errors
/// EINVAL.
pub fn timer_delete(call: &mut Call<'_>) -> Called {
    let id = call.argument(0) as u32 as i32;
    let timer = call.process().posix_timers.lock().remove(id)?;
    timer.delete();
    Ok(0)
}
