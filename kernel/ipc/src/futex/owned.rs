//! Locks whose word names the owner (`man 2 futex`, "Priority-inheritance futexes").
//!
//! An owner that unlocks hands the lock over: the next waiter's number is in the word before it is woken, so nobody gets
//! in between. The next is the first of those with the highest priority. Whoever has threads by their numbers lends the owner what
//! its waiters have, under the bucket's lock, so that nobody is lent anything for a lock that it has given up.

use super::{FutexKey, FutexTable, Waiting};
use abi::Errno;
use abi::linux::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use wait::{Attempt, Present, Stop, WaitQueue, Waiter};

/// Changes the word atomically; answers its old value. It is bound as `unchanged` of [`FutexTable::wait`].
pub type Change<'a> = &'a mut dyn FnMut(&dyn Fn(u32) -> u32) -> Attempt<u32>;

/// Who wants a lock.
#[derive(Clone, Copy)]
pub struct Contender<'a> {
    /// The thread's number.
    pub own: u32,
    /// Its real-time priority, 0 for none.
    pub priority: u8,
    /// Who waits; without one it fails instead.
    pub waiter: Option<&'a Waiter>,
    /// Who was found to have the lock; another one is found anew.
    pub owner: u32,
}

impl FutexTable {
    /// Takes a lock, or waits for it once `lend` has been told of that.
    ///
    /// # Errors
    /// EDEADLK when the thread has it; EINVAL where others wait on the word for something else; EAGAIN without a waiter; [`Stop::Again`] when another thread has it than was found; what `change` says; else always
    /// [`Stop::Park`], and the thread that unlocks completes the call with 0.
    pub fn lock_owned(
        &self,
        key: FutexKey,
        contender: Contender<'_>,
        change: Change<'_>,
        lend: &mut dyn FnMut(),
    ) -> Attempt<()> {
        let Contender {
            own,
            priority,
            waiter,
            owner: found,
        } = contender;
        let mut bucket = self.bucket(self.place(key))?;
        let queue = bucket.queue(key)?;
        next(Some(queue))?;
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
            (owner, Some(_)) if owner != found => Err(Stop::Again),
            (_, Some(waiter)) => {
                queue.enrol_keyed(waiter, Waiting::Lock { own, priority }.key());
                lend();
                Err(Stop::Park)
            }
        }
    }

    /// Gives a lock of the thread with the number `own` to the next that waits for it, or to nobody; answers who has it now. `dead` says that the
    /// owner has ended, which the next one learns from the word.
    ///
    /// # Errors
    /// EPERM when the thread has not got it; EINVAL where somebody waits on the word for something else; what `change` says.
    pub fn unlock_owned(
        &self,
        key: FutexKey,
        own: u32,
        dead: bool,
        change: Change<'_>,
    ) -> Attempt<Option<u32>> {
        let bucket = self.bucket(self.place(key))?;
        let queue = bucket.queues.get(&key);
        let mark = if dead { FUTEX_OWNER_DIED } else { 0 };
        let mut owner = own;
        loop {
            let next = next(queue)?;
            let word = match next {
                Some((next, _)) => next | FUTEX_WAITERS | mark,
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
            let Some((next, key)) = next else {
                return Ok(None);
            };
            // One whose wait is over is passed over, and its number is replaced.
            let wake = |queue: &WaitQueue| queue.wake_where(1, Some(0), |waiting| waiting == key);
            if queue.map_or(0, wake) > 0 {
                return Ok(Some(next));
            }
            owner = next;
        }
    }

    /// Tells `lend` the highest priority of those that wait for a lock, when the thread with the number `owner` has it and
    /// somebody waits with one.
    ///
    /// # Errors
    /// What `change` says.
    pub fn lend_for(
        &self,
        key: FutexKey,
        owner: u32,
        change: Change<'_>,
        lend: &mut dyn FnMut(u8),
    ) -> Attempt<()> {
        let bucket = self.bucket(self.place(key))?;
        let best = bucket
            .queues
            .get(&key)
            .and_then(|queue| queue.best_key(Waiting::precedence))
            .map_or(0, Waiting::precedence);
        if best > 0 && change(&|word| word)? & FUTEX_TID_MASK == owner {
            lend(best as u8);
        }
        Ok(())
    }

    /// Waits to be moved to a lock by [`FutexTable::requeue_owned`].
    ///
    /// # Errors
    /// As [`FutexTable::wait`]; the call is completed with 0 when the thread has the lock.
    pub fn wait_for_lock(
        &self,
        key: FutexKey,
        lock: FutexKey,
        own: u32,
        waiter: &Waiter,
        unchanged: impl FnOnce() -> Attempt<bool>,
    ) -> Attempt<()> {
        self.enrol(key, Waiting::bound(own, lock), waiter, unchanged)
    }

    /// Gives a lock to the first that waits on a word to be moved to it, if nobody has it, and lets up to `moved` others wait
    /// for it (`FUTEX_CMP_REQUEUE_PI`); the first is one of them when the thread with the number `owner` has it. Answers
    /// how many have been woken and moved.
    ///
    /// # Errors
    /// EAGAIN when the word has changed; EINVAL where one waits for something else; EDEADLK when the first has the
    /// lock; [`Stop::Again`] when another thread than `owner` has it; what `unchanged` and `change` say.
    pub fn requeue_owned(
        &self,
        [from, lock]: [FutexKey; 2],
        owner: u32,
        moved: usize,
        unchanged: impl FnOnce() -> Attempt<bool>,
        change: Change<'_>,
    ) -> Attempt<usize> {
        let mut both = self.both(from, lock)?;
        if !unchanged()? {
            return Err(Errno::EAGAIN.into());
        }
        let Some(source) = both.first().queues.get(&from).and_then(WaitQueue::share) else {
            return Ok(0);
        };
        let target = both.second().queue(lock)?;
        next(Some(target))?;
        let others = if target.is_empty() && moved == 0 {
            0
        } else {
            FUTEX_WAITERS
        };
        let bound = |own| Waiting::bound(own, lock).key();
        let mut woken = 0;
        while woken == 0 {
            let Some(first) = source.first_key() else {
                return Ok(0);
            };
            let own = match Waiting::from_key(first) {
                Waiting::Bound { own, .. } if first == bound(own) => own,
                _ => return Err(Errno::EINVAL.into()),
            };
            let old = change(&|old| match old & FUTEX_TID_MASK {
                0 => old & FUTEX_OWNER_DIED | others | own,
                holder if holder == owner && holder != own => old | FUTEX_WAITERS,
                _ => old,
            })?;
            match old & FUTEX_TID_MASK {
                0 => woken = source.wake_where(1, Some(0), |key| key == first),
                holder if holder == own => return Err(Errno::EDEADLK.into()),
                holder if holder == owner => break,
                _ => return Err(Stop::Again),
            }
            if woken == 0 {
                // Its wait is over: it gets nothing.
                change(&|word| {
                    if word & FUTEX_TID_MASK == own {
                        old
                    } else {
                        word
                    }
                })?;
            }
        }
        let for_lock = |key| match Waiting::from_key(key) {
            Waiting::Bound { own, .. } if key == bound(own) => {
                Some(Waiting::Lock { own, priority: 0 }.key())
            }
            _ => None,
        };
        let mut present = Present::default();
        let mut count = woken;
        while count < 1 + moved
            && let Some((waiter, key)) =
                source.take_present(&mut present, |key| for_lock(key).is_some())
        {
            target.enrol_keyed(&waiter, for_lock(key).unwrap_or(key));
            count += 1;
        }
        Ok(count)
    }
}

/// The number of the thread that gets the lock next, and its key.
fn next(queue: Option<&WaitQueue>) -> Result<Option<(u32, u64)>, Errno> {
    let Some(key) = queue.and_then(|queue| queue.best_key(Waiting::precedence)) else {
        return Ok(None);
    };
    let own = Waiting::from_key(key).own().ok_or(Errno::EINVAL)?;
    Ok(Some((own, key)))
}
