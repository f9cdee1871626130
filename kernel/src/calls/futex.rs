//! Futexes (`man 2 futex`, `man 7 futex`).
//!
//! A word is known by its address space and address, or, in memory that several spaces share, by its frame and
//! the place in it; a private futex in shared memory is the program's own mistake, as on Linux. The checks under
//! the bucket's lock read the word without resolving faults: the page has been made resident before, and when it
//! is gone again the call starts anew.

use super::Call;
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::space::Space;
use crate::system::system;
use crate::thread::Thread;
use abi::linux::{
    FUTEX_BITSET_MATCH_ANY, FUTEX_CLOCK_REALTIME, FUTEX_CMD_MASK, FUTEX_CMP_REQUEUE,
    FUTEX_OWNER_DIED, FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE, FUTEX_TID_MASK, FUTEX_WAIT,
    FUTEX_WAIT_BITSET, FUTEX_WAITERS, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
    ROBUST_LIST_LIMIT, RobustListHead,
};
use abi::mmu::Access;
use abi::{Errno, PAGE_SIZE, Ticks};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use ipc::{FutexKey, FutexTable, WakeOperation};
use memory::space::Mapping;
use wait::{Attempt, Stop};

/// `man 2 futex`.
pub fn futex(call: &mut Call<'_>) -> Called {
    let operation = call.argument(1) as u32;
    let private = operation & FUTEX_PRIVATE_FLAG != 0;
    let [address, _, value, fourth, second, third] =
        core::array::from_fn(|index| call.argument(index));
    let (value, third) = (value as u32, third as u32);
    match operation & FUTEX_CMD_MASK {
        FUTEX_WAIT => wait(
            call,
            [address, fourth],
            private,
            value,
            FUTEX_BITSET_MATCH_ANY,
            Clock::Span,
        ),
        FUTEX_WAIT_BITSET => {
            let realtime = operation & FUTEX_CLOCK_REALTIME != 0;
            let clock = if realtime {
                Clock::Realtime
            } else {
                Clock::Monotonic
            };
            wait(call, [address, fourth], private, value, third, clock)
        }
        FUTEX_WAKE => wake(call, address, private, value, FUTEX_BITSET_MATCH_ANY),
        FUTEX_WAKE_BITSET => wake(call, address, private, value, third),
        FUTEX_REQUEUE => requeue(
            call,
            [address, second],
            private,
            [value, fourth as u32],
            None,
        ),
        FUTEX_CMP_REQUEUE => requeue(
            call,
            [address, second],
            private,
            [value, fourth as u32],
            Some(third),
        ),
        FUTEX_WAKE_OP => wake_op(
            call,
            [address, second],
            private,
            [value, fourth as u32],
            third,
        ),
        _ => Err(Outcome::Failed(Errno::ENOSYS)),
    }
}

/// What the timeout of a wait is.
enum Clock {
    /// A span from now.
    Span,
    /// A point of monotonic time.
    Monotonic,
    /// A point of the wall clock.
    Realtime,
}

fn wait(
    call: &mut Call<'_>,
    [address, timeout]: [u64; 2],
    private: bool,
    expected: u32,
    bits: u32,
    clock: Clock,
) -> Called {
    let until = deadline(call, timeout, &clock)?;
    let key = key(call, address, private, Access::Read)?;
    if until.is_some_and(|until| until <= arch::time::now())
        && call.progress() != Continuation::Fresh
    {
        return Err(Errno::ETIMEDOUT.into());
    }
    let unchanged = || load(address).map(|word| word == expected);
    match system().futexes.wait(key, bits, call.waiter(), unchanged) {
        Err(Stop::Park) => {
            if let Some(until) = until {
                call.set_progress(Continuation::Until(until));
            }
            Err(Outcome::Park(Wait::by_waker(until, Errno::ETIMEDOUT)))
        }
        Err(stop) => Err(stop.into()),
        Ok(()) => Ok(0),
    }
}

fn deadline(call: &Call<'_>, timeout: u64, clock: &Clock) -> Result<Option<Ticks>, Errno> {
    if timeout == 0 {
        return Ok(None);
    }
    let time = super::clock::read_timespec(call, timeout)?.nanos()?;
    let span = match clock {
        Clock::Span => time,
        Clock::Monotonic => time.saturating_sub(system().uptime()),
        Clock::Realtime => time.saturating_sub(system().wall_clock(arch::time::now())),
    };
    Ok(call.deadline(Some(super::clock::ticks(span))))
}

fn wake(call: &Call<'_>, address: u64, private: bool, limit: u32, bits: u32) -> Called {
    let key = key(call, address, private, Access::Read)?;
    // Linux takes a limit of zero, or a negative one, for one.
    let limit = usize::try_from(limit.cast_signed()).unwrap_or(1).max(1);
    Ok(system().futexes.wake(key, bits, limit)? as u64)
}

fn requeue(
    call: &Call<'_>,
    [from, to]: [u64; 2],
    private: bool,
    limits: [u32; 2],
    expected: Option<u32>,
) -> Called {
    let [wake, moved] = limits.map(|limit| usize::try_from(limit.cast_signed()));
    let (wake, moved) = (
        wake.map_err(|_| Errno::EINVAL)?,
        moved.map_err(|_| Errno::EINVAL)?,
    );
    let source = key(call, from, private, Access::Read)?;
    let target = key(call, to, private, Access::Write)?;
    let unchanged =
        || expected.map_or(Ok(true), |expected| load(from).map(|word| word == expected));
    let (woken, moved) = system()
        .futexes
        .requeue(source, target, wake, moved, unchanged)?;
    Ok((woken + moved) as u64)
}

fn wake_op(
    call: &Call<'_>,
    [first, second]: [u64; 2],
    private: bool,
    limits: [u32; 2],
    word: u32,
) -> Called {
    let operation = WakeOperation::decode(word)?;
    let keys = [
        key(call, first, private, Access::Read)?,
        key(call, second, private, Access::Write)?,
    ];
    let limits = limits.map(|limit| usize::try_from(limit.cast_signed()).unwrap_or(1).max(1));
    let change =
        || arch::user::update_u32(second, |old| operation.apply(old)).map_err(|_| Stop::Again);
    Ok(system().futexes.wake_op(keys, limits, operation, change)? as u64)
}

/// Reads a word that has been made resident.
fn load(address: u64) -> Attempt<u32> {
    arch::user::load_u32(address).map_err(|_| Stop::Again)
}

/// What the word at an address is known by; makes its page resident.
fn key(call: &Call<'_>, address: u64, private: bool, access: Access) -> Result<FutexKey, Errno> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    call.user.touch(address, access)?;
    key_in(call.user.space()?, address, private)
}

fn key_in(space: &Arc<Space>, address: u64, private: bool) -> Result<FutexKey, Errno> {
    let own = FutexKey::Private {
        space: space.id,
        address,
    };
    if private {
        return Ok(own);
    }
    let mut description = space.lock();
    let shared = description
        .area_at(address)
        .is_some_and(|area| matches!(area.mapping, Mapping::Shared(_)));
    if !shared {
        return Ok(own);
    }
    let frame = description.frame_at(address, Access::Read)?;
    let offset = address % PAGE_SIZE as u64;
    Ok(FutexKey::Shared {
        object: u64::from(frame.number().0),
        offset,
    })
}

/// Wakes waiters of a word of another, or an ending, thread's memory.
pub fn wake_at(space: &Arc<Space>, address: u64, limit: usize) {
    // A word that cannot be reached has no waiters.
    if let Ok(key) = key_in(space, address, false) {
        system().futexes.wake(key, FutexTable::ANY, limit).ok();
    }
}

/// Marks the robust futexes that a thread holds when it ends (`man 2 set_robust_list`), and wakes a waiter of each.
///
/// The list is the program's: it may be anything, so the walk is bounded and every step may fail.
pub fn release_robust(thread: &Arc<Thread>, space: &Arc<Space>) {
    let head = thread.robust_list.swap(0, Ordering::Relaxed);
    if head == 0 {
        return;
    }
    let word = |address: u64| {
        let mut bytes = [0; 8];
        space
            .lock()
            .read(address, &mut bytes)
            .ok()
            .map(|()| u64::from_le_bytes(bytes))
    };
    let mut bytes = [0; RobustListHead::SIZE];
    if space.lock().read(head, &mut bytes).is_err() {
        return;
    }
    let list = RobustListHead::decode(&bytes);
    let futex = |entry: u64| (entry & !1).wrapping_add_signed(list.futex_offset);
    let mut entry = list.list;
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry & !1 == head {
            break;
        }
        let Some(next) = word(entry & !1) else { break };
        if entry != list.pending {
            mark_dead(thread, space, futex(entry));
        }
        entry = next;
    }
    if list.pending != 0 {
        mark_dead(thread, space, futex(list.pending));
    }
}

fn mark_dead(thread: &Arc<Thread>, space: &Arc<Space>, address: u64) {
    let mut bytes = [0; 4];
    if !address.is_multiple_of(4) || space.lock().read(address, &mut bytes).is_err() {
        return;
    }
    let word = u32::from_le_bytes(bytes);
    if word & FUTEX_TID_MASK != thread.virtual_tid().0 {
        return;
    }
    let dead = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    if space.lock().write(address, &dead.to_le_bytes()).is_ok() && word & FUTEX_WAITERS != 0 {
        wake_at(space, address, 1);
    }
}
