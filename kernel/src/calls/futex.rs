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
use crate::user::User;
use abi::linux::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, FUTEX_32, FUTEX_BITSET_MATCH_ANY, FUTEX_CLOCK_REALTIME,
    FUTEX_CMD_MASK, FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_LOCK_PI, FUTEX_LOCK_PI2,
    FUTEX_OWNER_DIED, FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE, FUTEX_TID_MASK, FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_WAITERS,
    FUTEX_WAITV_MAX, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP, FUTEX2_SIZE_MASK, FutexWaitv,
    ROBUST_LIST_LIMIT, RobustListHead,
};
use abi::mmu::Access;
use abi::{Errno, PAGE_SIZE, Ticks};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use ipc::{Contender, Dealt, FutexKey, FutexTable, Rest, WakeOperation};
use memory::space::Mapping;
use process::VPid;
use sched::{Class, Priority};
use wait::{Attempt, Stop, Waiter};

/// `man 2 futex`.
pub fn futex(call: &mut Call<'_>) -> Called {
    let operation = call.argument(1) as u32;
    let private = operation & FUTEX_PRIVATE_FLAG != 0;
    let [address, _, value, fourth, second, third] =
        core::array::from_fn(|index| call.argument(index));
    let (value, third) = (value as u32, third as u32);
    let absolute = if operation & FUTEX_CLOCK_REALTIME != 0 {
        Clock::Realtime
    } else {
        Clock::Monotonic
    };
    match operation & FUTEX_CMD_MASK {
        FUTEX_WAIT => wait(
            call,
            [address, fourth],
            private,
            value,
            FUTEX_BITSET_MATCH_ANY,
            Clock::Span,
        ),
        FUTEX_WAIT_BITSET => wait(call, [address, fourth], private, value, third, absolute),
        FUTEX_WAIT_REQUEUE_PI => {
            wait_for_lock(call, [address, second, fourth], private, value, absolute)
        }
        FUTEX_CMP_REQUEUE_PI => requeue_owned(
            call,
            [address, second],
            private,
            [value, fourth as u32],
            third,
        ),
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
        FUTEX_LOCK_PI => lock_owned(call, [address, fourth], private, Clock::Realtime),
        FUTEX_LOCK_PI2 => lock_owned(call, [address, fourth], private, absolute),
        FUTEX_TRYLOCK_PI => {
            let key = key(call, address, private, Access::Write)?;
            let contender = contender(call, None, 0);
            let futexes = &system().futexes;
            futexes.lock_owned(key, contender, &mut change(address), &mut || ())?;
            Ok(0)
        }
        FUTEX_UNLOCK_PI => {
            let key = key(call, address, private, Access::Write)?;
            unlock(call.thread, key, address, false)?;
            Ok(0)
        }
        _ => Err(Outcome::Failed(Errno::ENOSYS)),
    }
}

/// Whether an operation takes a lock: a handler that interrupts it lets it run again in any case.
pub fn takes_lock(operation: u64) -> bool {
    matches!(
        operation as u32 & FUTEX_CMD_MASK,
        FUTEX_LOCK_PI | FUTEX_LOCK_PI2 | FUTEX_WAIT_REQUEUE_PI
    )
}

/// Changes a word that has been made resident.
fn change(address: u64) -> impl FnMut(&dyn Fn(u32) -> u32) -> Attempt<u32> {
    move |new| arch::user::update_u32(address, new).map_err(|_| Stop::Again)
}

/// Takes a lock whose word names its owner, or waits for it until a point of time.
fn lock_owned(
    call: &mut Call<'_>,
    [address, timeout]: [u64; 2],
    private: bool,
    clock: Clock,
) -> Called {
    let until = deadline(call, timeout, &clock)?;
    let key = key(call, address, private, Access::Write)?;
    let owner = known_owner(call, address)?;
    check_time(call, until)?;
    let number = owner.as_ref().map_or(0, |owner| owner.virtual_tid().0);
    let class = call.thread.attributes().class;
    let contender = contender(call, Some(call.waiter()), number);
    let lend = &mut || {
        if let Some(owner) = &owner {
            owner.inheritance.lend(owner, key, class);
        }
    };
    let futexes = &system().futexes;
    let locked = futexes.lock_owned(key, contender, &mut change(address), lend);
    wait_by_waker(call, locked, until)
}

/// The caller as one who wants a lock that `owner` was found to have.
fn contender<'a>(call: &Call<'_>, waiter: Option<&'a Waiter>, owner: u32) -> Contender<'a> {
    let priority = call.thread.attributes().class.priority();
    Contender {
        own: call.thread.virtual_tid().0,
        priority: priority.map_or(0, Priority::number),
        waiter,
        owner,
    }
}

/// Gives a lock of a thread up. Whoever has it now is lent what those have who wait.
fn unlock(thread: &Arc<Thread>, key: FutexKey, address: u64, dead: bool) -> Attempt<()> {
    let futexes = &system().futexes;
    let own = thread.virtual_tid().0;
    let heir = futexes.unlock_owned(key, own, dead, &mut change(address))?;
    thread.inheritance.give_up(thread, key);
    let Some(heir) = heir else { return Ok(()) };
    let found = {
        let tree = system().tree.lock();
        let found = tree.pids.find(&thread.credential(), VPid(heir));
        found.ok().and_then(|found| found.thread())
    };
    if let Some(thread) = found {
        let lend = &mut |priority| {
            if let Some(priority) = Priority::new(priority) {
                thread.inheritance.lend(&thread, key, Class::Fifo(priority));
            }
        };
        // Where the word cannot be read nothing is lent.
        futexes.lend_for(key, heir, &mut change(address), lend).ok();
    }
    Ok(())
}

/// The thread that has the lock of a word.
///
/// # Errors
/// ESRCH when there is no such thread: a word that names nobody would be waited for for ever; EFAULT.
fn known_owner(call: &Call<'_>, address: u64) -> Result<Option<Arc<Thread>>, Errno> {
    let owner = call.user.u32(address)? & FUTEX_TID_MASK;
    if owner == 0 {
        return Ok(None);
    }
    let found = {
        let tree = system().tree.lock();
        let found = tree.pids.find(call.credential(), VPid(owner));
        found.map_err(|absent| absent.no_process())?.clone()
    };
    found.thread().map(Some).ok_or(Errno::ESRCH)
}

/// Fails a wait that has begun before and whose time is over.
fn check_time(call: &Call<'_>, until: Option<Ticks>) -> Result<(), Errno> {
    let over = until.is_some_and(|until| until <= arch::time::now());
    if over && call.progress() != Continuation::Fresh {
        return Err(Errno::ETIMEDOUT);
    }
    Ok(())
}

/// Waits for who completes the call, where it has been enrolled.
fn wait_by_waker(call: &mut Call<'_>, enrolled: Attempt<()>, until: Option<Ticks>) -> Called {
    match enrolled {
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

/// Waits to be moved to a lock whose word names its owner, and for that lock.
fn wait_for_lock(
    call: &mut Call<'_>,
    [address, lock, timeout]: [u64; 3],
    private: bool,
    expected: u32,
    clock: Clock,
) -> Called {
    let until = deadline(call, timeout, &clock)?;
    let source = key(call, address, private, Access::Read)?;
    let target = key(call, lock, private, Access::Write)?;
    if source == target {
        return Err(Errno::EINVAL.into());
    }
    check_time(call, until)?;
    let unchanged = || load(address).map(|word| word == expected);
    let (own, waiter) = (call.thread.virtual_tid().0, call.waiter());
    let enrolled = system()
        .futexes
        .wait_for_lock(source, target, own, waiter, unchanged);
    wait_by_waker(call, enrolled, until)
}

/// Gives a lock to the first of those who wait to be moved to it, or moves it too, and others.
fn requeue_owned(
    call: &Call<'_>,
    [from, lock]: [u64; 2],
    private: bool,
    [wake, moved]: [u32; 2],
    expected: u32,
) -> Called {
    let moved = usize::try_from(moved.cast_signed()).map_err(|_| Errno::EINVAL)?;
    if wake != 1 {
        return Err(Errno::EINVAL.into());
    }
    let keys = [
        key(call, from, private, Access::Read)?,
        key(call, lock, private, Access::Write)?,
    ];
    if keys[0] == keys[1] {
        return Err(Errno::EINVAL.into());
    }
    let owner = known_owner(call, lock)?;
    let owner = owner.map_or(0, |owner| owner.virtual_tid().0);
    let unchanged = || load(from).map(|word| word == expected);
    let count = system()
        .futexes
        .requeue_owned(keys, owner, moved, unchanged, &mut change(lock))?;
    Ok(count as u64)
}

/// `man 2 futex_waitv`: waits on several words, and answers which of them it was woken by.
///
/// # Errors
/// EINVAL for bad flags, clocks and numbers of words; EAGAIN when a word has changed; ETIMEDOUT, EFAULT, ENOMEM.
pub fn futex_waitv(call: &mut Call<'_>) -> Called {
    let [list, count, flags, timeout, clock] = core::array::from_fn(|index| call.argument(index));
    if flags as u32 != 0 || list == 0 || !(1..=FUTEX_WAITV_MAX).contains(&u64::from(count as u32)) {
        return Err(Errno::EINVAL.into());
    }
    let clock = match (timeout, clock as u32) {
        (0, _) | (_, CLOCK_MONOTONIC) => Clock::Monotonic,
        (_, CLOCK_REALTIME) => Clock::Realtime,
        _ => return Err(Errno::EINVAL.into()),
    };
    let until = deadline(call, timeout, &clock)?;
    let count = count as u32 as usize;
    let mut words = fallible::list(count)?;
    for index in 0..count {
        let at = list.wrapping_add((index * FutexWaitv::SIZE) as u64);
        let word = FutexWaitv::decode(&call.user.bytes::<{ FutexWaitv::SIZE }>(at)?);
        let size = word.flags & FUTEX2_SIZE_MASK;
        let known = word.flags & !(FUTEX2_SIZE_MASK | FUTEX_PRIVATE_FLAG) == 0;
        if !known || size != FUTEX_32 || word.reserved != 0 {
            return Err(Errno::EINVAL.into());
        }
        let private = word.flags & FUTEX_PRIVATE_FLAG != 0;
        words.push((key(call, word.uaddr, private, Access::Read)?, word));
    }
    check_time(call, until)?;
    for (index, (key, word)) in words.iter().enumerate() {
        let unchanged = || load(word.uaddr).map(|found| found == word.val as u32);
        let waiter = call.waiter();
        let enrolled = system()
            .futexes
            .wait_among(*key, index as u8, waiter, unchanged);
        match enrolled {
            Err(Stop::Park) => {}
            Err(stop) if index == 0 => return Err(stop.into()),
            // Whoever has woken the thread by a word before that has precedence.
            Err(Stop::Error(errno)) => {
                waiter.wake(Some(-i64::from(errno.number())));
                break;
            }
            Err(Stop::Again) | Ok(()) => {
                waiter.wake(None);
                break;
            }
        }
    }
    wait_by_waker(call, Err(Stop::Park), until)
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
    let key = key_to_wait_for(call, address, private)?;
    check_time(call, until)?;
    let unchanged = || load(address).map(|word| word == expected);
    let enrolled = system().futexes.wait(key, bits, call.waiter(), unchanged);
    if enrolled == Err(Stop::Again) {
        // Found there the next time.
        call.user.touch(address, Access::Read)?;
    }
    wait_by_waker(call, enrolled, until)
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

/// Deals with waiters, who may be many, in steps.
fn in_steps(
    call: &mut Call<'_>,
    deal: impl FnOnce(&Call<'_>, Option<Rest>) -> Attempt<Dealt>,
) -> Called {
    let (before, left) = match call.progress() {
        Continuation::Waking { woken, rest } => (woken, Some(rest)),
        _ => (0, None),
    };
    match deal(call, left) {
        Ok(Dealt { count, rest: None }) => Ok(u64::from(before + count)),
        Ok(Dealt {
            count,
            rest: Some(rest),
        }) => {
            let woken = before + count;
            call.set_progress(Continuation::Waking { woken, rest });
            Err(Outcome::Again)
        }
        // Somebody has taken the memory away meanwhile.
        Err(_) if left.is_some() => Ok(u64::from(before)),
        Err(stop) => Err(stop.into()),
    }
}

/// How many a number lets be woken: Linux takes a limit of zero, or a negative one, for one.
fn limit_of(number: u32) -> u32 {
    number.cast_signed().max(1).cast_unsigned()
}

fn wake(call: &mut Call<'_>, address: u64, private: bool, limit: u32, bits: u32) -> Called {
    in_steps(call, |call, left| {
        let key = key(call, address, private, Access::Read)?;
        Ok(system().futexes.wake(key, bits, limit_of(limit), left)?)
    })
}

fn requeue(
    call: &mut Call<'_>,
    [from, to]: [u64; 2],
    private: bool,
    limits: [u32; 2],
    expected: Option<u32>,
) -> Called {
    if limits.iter().any(|limit| limit.cast_signed() < 0) {
        return Err(Errno::EINVAL.into());
    }
    in_steps(call, |call, left| {
        let keys = [
            key(call, from, private, Access::Read)?,
            key(call, to, private, Access::Write)?,
        ];
        let unchanged =
            || expected.map_or(Ok(true), |expected| load(from).map(|word| word == expected));
        system().futexes.requeue(keys, limits, left, unchanged)
    })
}

fn wake_op(
    call: &mut Call<'_>,
    [first, second]: [u64; 2],
    private: bool,
    limits: [u32; 2],
    word: u32,
) -> Called {
    let operation = WakeOperation::decode(word)?;
    let limits = limits.map(limit_of);
    in_steps(call, |call, left| {
        let keys = [
            key(call, first, private, Access::Read)?,
            key(call, second, private, Access::Write)?,
        ];
        let change =
            || arch::user::update_u32(second, |old| operation.apply(old)).map_err(|_| Stop::Again);
        let futexes = &system().futexes;
        futexes.wake_op(keys, limits, operation, left, change)
    })
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

/// What a word that is to be waited for is known by. A word of the program's own is known by its address, and is read in any
/// case before anybody waits for it.
fn key_to_wait_for(call: &Call<'_>, address: u64, private: bool) -> Result<FutexKey, Errno> {
    if private && address.is_multiple_of(4) {
        key_in(call.user.space()?, address, true)
    } else {
        key(call, address, private, Access::Read)
    }
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

/// Wakes a waiter of a word of another, or an ending, thread's memory.
pub fn wake_one_at(space: &Arc<Space>, address: u64) {
    // A word that cannot be reached has no waiters.
    if let Ok(key) = key_in(space, address, false) {
        system().futexes.wake(key, FutexTable::ANY, 1, None).ok();
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
        if entry & !1 != list.pending & !1 {
            mark_dead(thread, space, futex(entry), entry & 1 != 0, false);
        }
        entry = next;
    }
    if list.pending != 0 {
        let owned = list.pending & 1 != 0;
        mark_dead(thread, space, futex(list.pending), owned, true);
    }
}

/// Marks one word if the thread holds it. One that the thread was about to take or give back may have been given back
/// already without its waiter having been woken.
fn mark_dead(thread: &Arc<Thread>, space: &Arc<Space>, address: u64, owned: bool, pending: bool) {
    let own = thread.virtual_tid().0;
    // The space is the active one: its threads leave it on the CPU that runs them.
    let user = User::new(Some(space.clone()));
    if !address.is_multiple_of(4) || user.touch(address, Access::Write).is_err() {
        return;
    }
    if owned {
        // A word that cannot be reached, or is another's, is left as it is.
        if let Ok(key) = key_in(space, address, false) {
            unlock(thread, key, address, true).ok();
        }
        return;
    }
    let old = arch::user::update_u32(address, |word| {
        if word & FUTEX_TID_MASK == own {
            word & FUTEX_WAITERS | FUTEX_OWNER_DIED
        } else {
            word
        }
    });
    let Ok(word) = old else { return };
    let held = word & FUTEX_TID_MASK == own && word & FUTEX_WAITERS != 0;
    let given_back = pending && word & FUTEX_TID_MASK == 0;
    if held || given_back {
        wake_one_at(space, address);
    }
}
