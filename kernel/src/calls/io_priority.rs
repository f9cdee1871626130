//! In which order threads would use a disk (`man 2 ioprio_set`). There is none yet: what is set is kept, inherited and told.

use super::Call;
use super::schedule::{owns, whom};
use crate::outcome::Called;
use crate::thread::Thread;
use abi::Errno;
use abi::linux::{
    IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, IOPRIO_CLASS_NONE, IOPRIO_CLASS_RT, IOPRIO_CLASS_SHIFT,
    IOPRIO_WHO_PGRP, IOPRIO_WHO_PROCESS, IOPRIO_WHO_USER, PRIO_PGRP, PRIO_PROCESS, PRIO_USER,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use security::Privileges;

/// Levels of a class; 0 is the best.
const LEVELS: u32 = 8;

/// `man 2 ioprio_get`: the best of those that are meant.
///
/// # Errors
/// EINVAL, ESRCH.
pub fn ioprio_get(call: &mut Call<'_>) -> Called {
    let meant = meant(call)?;
    let set = meant
        .iter()
        .map(|thread| thread.io_priority.load(Ordering::Relaxed));
    // Without a class a thread counts as of the middle of time sharing.
    let rank = |value: &u32| match value >> IOPRIO_CLASS_SHIFT {
        IOPRIO_CLASS_NONE => (IOPRIO_CLASS_BE << IOPRIO_CLASS_SHIFT) + LEVELS / 2,
        _ => *value,
    };
    Ok(u64::from(set.min_by_key(rank).ok_or(Errno::ESRCH)?))
}

/// `man 2 ioprio_set`.
///
/// # Errors
/// EINVAL for a class or level that is not there; EPERM for the class before all others without the privilege over
/// priorities, and for threads of other users; ESRCH.
pub fn ioprio_set(call: &mut Call<'_>) -> Called {
    let value = call.argument(2) as u32;
    let level = value & ((1 << IOPRIO_CLASS_SHIFT) - 1);
    match value >> IOPRIO_CLASS_SHIFT {
        IOPRIO_CLASS_NONE if level == 0 => {}
        IOPRIO_CLASS_BE if level < LEVELS => {}
        IOPRIO_CLASS_IDLE => {}
        IOPRIO_CLASS_RT if level < LEVELS => call.credential().require(Privileges::PRIORITY)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    let meant = meant(call)?;
    if meant.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    for thread in meant {
        if !owns(call, &thread) {
            call.credential().require(Privileges::PRIORITY)?;
        }
        thread.io_priority.store(value, Ordering::Relaxed);
    }
    Ok(0)
}

/// The threads that the first two arguments mean.
fn meant(call: &Call<'_>) -> Result<Vec<Arc<Thread>>, Errno> {
    let which = match call.argument(0) as u32 {
        IOPRIO_WHO_PROCESS => PRIO_PROCESS,
        IOPRIO_WHO_PGRP => PRIO_PGRP,
        IOPRIO_WHO_USER => PRIO_USER,
        _ => return Err(Errno::EINVAL),
    };
    whom(call, which, call.argument(1) as u32)
}
