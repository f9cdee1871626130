//! Locks whose word names the owner (`man 2 futex`, "Priority-inheritance futexes").
//!
//! An owner that unlocks hands the lock over: the first waiter's number is in the word before it is woken, so nobody gets
//! in between. The order is that of arrival; an owner does not run with its waiters' priority.

use super::{FutexKey, FutexTable};
use abi::Errno;
use abi::linux::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use wait::{Attempt, Stop, Waiter};

/// Changes the word atomically; answers its old value. It is bound as `unchanged` of [`FutexTable::wait`].
pub type Change<'a> = &'a mut dyn FnMut(&dyn Fn(u32) -> u32) -> Attempt<u32>;

impl FutexTable {
    /// Takes a lock for the thread with the number `own`, or waits for it; without a waiter it fails instead.
    ///
    /// # Errors
    /// EDEADLK when the thread has it; EAGAIN without a waiter; what `change` says; else always [`Stop::Park`], and the
    /// thread that unlocks completes the call with 0.
    pub fn lock_owned(
        &self,
        key: FutexKey,
        own: u32,
        waiter: Option<&Waiter>,
        change: Change<'_>,
    ) -> Attempt<()> {
        let mut bucket = self.bucket(self.place(key))?;
        let queue = bucket.queue(key)?;
        let others = if queue.is_empty() { 0 } else { FUTEX_WAITERS };
        let waits = if waiter.is_some() { FUTEX_WAITERS } else { 0 };
        let old = change(&|old| match old & FUTEX_TID_MASK {
            0 => old & FUTEX_OWNER_DIED | others | own,
            owner if owner == own => old,
            _ => old | waits,
        })?;
        match (old & FUTEX_TID_MASK, waiter) {
            (0, _) => Ok(()),
            (owner, _) if owner == own => Err(Errno::EDEADLK.into()),
            (_, None) => Err(Errno::EAGAIN.into()),
            (_, Some(waiter)) => {
                queue.enrol_keyed(waiter, u64::from(own));
                Err(Stop::Park)
            }
        }
    }

    /// Gives a lock of the thread with the number `own` to the first that waits for it, or to nobody. `dead` says that the
    /// owner has ended, which the next one learns from the word.
    ///
    /// # Errors
    /// EPERM when the thread has not got it; what `change` says.
    pub fn unlock_owned(
        &self,
        key: FutexKey,
        own: u32,
        dead: bool,
        change: Change<'_>,
    ) -> Attempt<()> {
        let bucket = self.bucket(self.place(key))?;
        let queue = bucket.queues.get(&key);
        let mark = if dead { FUTEX_OWNER_DIED } else { 0 };
        let mut owner = own;
        loop {
            let next = queue.and_then(|queue| queue.first_key());
            let word = match next {
                Some(next) => next as u32 & FUTEX_TID_MASK | FUTEX_WAITERS | mark,
                None => mark,
            };
            let old = change(&|old| {
                if old & FUTEX_TID_MASK == owner {
                    word
                } else {
                    old
                }
            })?;
            if old & FUTEX_TID_MASK != owner {
                return Err(Errno::EPERM.into());
            }
            let Some(next) = next else { return Ok(()) };
            // One whose wait is over is passed over, and its number is replaced.
            if queue.is_some_and(|queue| queue.wake_where(1, Some(0), |key| key == next) > 0) {
                return Ok(());
            }
            owner = next as u32 & FUTEX_TID_MASK;
        }
    }
}
