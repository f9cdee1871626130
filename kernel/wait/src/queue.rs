//! The queue and those in it.

use abi::Errno;
use alloc::sync::{Arc, Weak};
use bitflags::bitflags;
use core::ops::Range;
use fallible::{Map, NoMemory};
use remains::Work;
use spin::Once;
use sync::{Rank, SpinLock};

/// One run of one system call; a wake-up for an earlier run is void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A thread as wait queues see it.
pub trait Sleeper: Send + Sync {
    /// Makes the thread run its call again or, with a `completion`, go on with that result.
    ///
    /// Answers whether `ticket` was still waiting; when not, nothing has happened.
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool;

    /// Remembers that the run `ticket` is in a queue, so that [`Link::withdraw`] is called when it ends.
    ///
    /// Gives the link back when there is no memory to remember it, or no such run.
    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link>;
}

bitflags! {
    /// How a waiter that watches a file for long (`man 7 epoll`) differs from a thread that waits for it to be ready.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Manner: u8 {
        /// It wants to know of every change, and is enrolled even when the file is ready (EPOLLET).
        const CHANGES = 1;
        /// Of those that say so, [`WaitQueue::wake_all`] wakes one (EPOLLEXCLUSIVE).
        const EXCLUSIVE = 2;
    }
}

/// A thread in one run of a system call, able to enrol in queues.
#[derive(Clone)]
pub struct Waiter {
    sleeper: Arc<dyn Sleeper>,
    ticket: Ticket,
    manner: Manner,
}

/// Somebody who becomes a waiter when there is something to wait for: most calls end without.
pub trait MayWait {
    /// The waiter, the same one every time.
    fn waiter(&self) -> &Waiter;
}

impl MayWait for Waiter {
    fn waiter(&self) -> &Waiter {
        self
    }
}

impl Waiter {
    /// The waiter of a run.
    pub fn new(sleeper: Arc<dyn Sleeper>, ticket: Ticket) -> Self {
        Self::watching(sleeper, ticket, Manner::empty())
    }

    /// A waiter that watches in a manner of its own.
    pub fn watching(sleeper: Arc<dyn Sleeper>, ticket: Ticket, manner: Manner) -> Self {
        Self {
            sleeper,
            ticket,
            manner,
        }
    }

    /// How it waits.
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// Wakes this waiter; answers whether its run was still waiting.
    pub fn wake(&self, completion: Option<i64>) -> bool {
        self.sleeper.wake(self.ticket, completion)
    }

    /// Remembers a link to this waiter; gives it back as [`Sleeper::linked`] does.
    fn linked(&self, link: Link) -> Option<Link> {
        self.sleeper.linked(self.ticket, link)
    }

    /// The same waiter for somebody who must not keep its thread alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakWaiter {
        WeakWaiter {
            sleeper: Arc::downgrade(&self.sleeper),
            ticket: self.ticket,
        }
    }

    /// The run that this waiter stands for.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }
}

/// A waiter that does not keep its thread alive: for timers, which may be due long after the run is over.
pub struct WeakWaiter {
    sleeper: Weak<dyn Sleeper>,
    ticket: Ticket,
}

impl WeakWaiter {
    /// Wakes the waiter; answers whether its thread was there and its run was still waiting.
    pub fn wake(&self, completion: Option<i64>) -> bool {
        self.sleeper
            .upgrade()
            .is_some_and(|sleeper| sleeper.wake(self.ticket, completion))
    }
}

/// A place in a queue that can be given up.
pub struct Link {
    queue: Weak<Shared>,
    place: u64,
}

impl Link {
    /// Leaves the queue; nothing happens when the waker has already taken the waiter out.
    pub fn withdraw(self) {
        if let Some(queue) = self.queue.upgrade() {
            // Dropped after the lock is released: a waiter may be the last owner of its thread.
            let _waiter = queue.places.lock().remove(self.place);
        }
    }
}

/// Threads that wait for a condition, first come first served.
///
/// What they are kept in is made for the first of them: most queues never have one.
pub struct WaitQueue(Once<Arc<Shared>>);

struct Shared {
    places: SpinLock<Places>,
}

impl Shared {
    /// Takes the first waiter in a range that is `wanted` out of the queue; answers the number of the next newcomer too.
    fn take(
        &self,
        range: Range<u64>,
        wanted: impl Fn(&Place) -> bool,
    ) -> Option<(u64, Place, u64)> {
        let mut places = self.places.lock();
        let found = places.find(range, wanted)?;
        let place = places.remove(found)?;
        Some((found, place, places.next))
    }
}

/// Who waits, in the order of enrolment.
#[derive(Default)]
struct Places {
    next: u64,
    /// Who has enrolled while nobody else waited: most queues never have more than one, which costs no allocation.
    /// Its number is below all others.
    first: Option<(u64, Place)>,
    others: Map<u64, Place>,
}

impl Places {
    fn add(&mut self, place: Place) -> Result<u64, NoMemory> {
        let number = self.next;
        if self.is_empty() {
            self.first = Some((number, place));
        } else {
            self.others.insert(number, place)?;
        }
        self.next += 1;
        Ok(number)
    }

    fn remove(&mut self, number: u64) -> Option<Place> {
        if self
            .first
            .as_ref()
            .is_some_and(|(first, _)| *first == number)
        {
            self.first.take().map(|(_, place)| place)
        } else {
            self.others.remove(&number)
        }
    }

    /// The first in a range of numbers that is `wanted`.
    fn find(&self, range: Range<u64>, wanted: impl Fn(&Place) -> bool) -> Option<u64> {
        if let Some((number, place)) = &self.first
            && range.contains(number)
            && wanted(place)
        {
            return Some(*number);
        }
        if self.others.is_empty() {
            return None;
        }
        let mut others = self.others.range::<u64>(range);
        let found = others.find(|(_, place)| wanted(place));
        found.map(|(number, _)| *number)
    }

    fn front(&self) -> Option<&Place> {
        match &self.first {
            Some((_, place)) => Some(place),
            None => self.others.first_key_value().map(|(_, place)| place),
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }
}

struct Place {
    waiter: Waiter,
    /// What the waiter waits for, for [`WaitQueue::wake_where`]; 0 when it does not matter.
    key: u64,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self(Once::new())
    }

    /// The same queue for another owner; `None` when nobody has ever waited in it.
    #[must_use]
    pub fn share(&self) -> Option<Self> {
        self.0
            .get()
            .map(|shared| Self(Once::initialized(shared.clone())))
    }

    /// Puts a waiter at the end. The caller holds the lock of the condition.
    ///
    /// When there is no memory for that, the waiter is woken at once, and its call fails with ENOMEM.
    pub fn enrol(&self, waiter: &Waiter) {
        self.enrol_keyed(waiter, 0);
    }

    /// Puts a waiter at the end with a key that [`WaitQueue::wake_where`] selects by; without memory as
    /// [`WaitQueue::enrol`].
    pub fn enrol_keyed(&self, waiter: &Waiter, key: u64) {
        if self.try_enrol(waiter, key).is_err() {
            waiter.wake(Some(-i64::from(Errno::ENOMEM.number())));
        }
    }

    fn try_enrol(&self, waiter: &Waiter, key: u64) -> Result<(), NoMemory> {
        let shared = self.0.try_call_once(|| {
            fallible::arc(Shared {
                places: SpinLock::new(Rank::WaitQueue, Places::default()),
            })
        })?;
        let place = shared.places.lock().add(Place {
            waiter: waiter.clone(),
            key,
        })?;
        let queue = Arc::downgrade(shared);
        match waiter.linked(Link { queue, place }) {
            None => Ok(()),
            Some(refused) => {
                refused.withdraw();
                Err(NoMemory)
            }
        }
    }

    /// Wakes everybody, but of those that are [`Manner::EXCLUSIVE`] only the first that takes it; they run their calls
    /// again.
    ///
    /// When they are many, the caller is to wake the rest later, in steps ([`remains`]).
    pub fn wake_all(&self) {
        self.wake_those(|_| true);
    }

    /// As [`WaitQueue::wake_all`], of those whose key `wanted` accepts.
    pub fn wake_those(&self, wanted: impl Fn(u64) -> bool + Send + 'static) {
        self.wake_present(None, wanted);
    }

    /// As [`WaitQueue::wake_those`], but they go on with a result: whatever becomes of the condition until they run, it has
    /// been met.
    pub fn complete_those(&self, completion: i64, wanted: impl Fn(u64) -> bool + Send + 'static) {
        self.wake_present(Some(completion), wanted);
    }

    fn wake_present(&self, completion: Option<i64>, wanted: impl Fn(u64) -> bool + Send + 'static) {
        let Some(queue) = self.0.get() else { return };
        let mut waking = Waking {
            rest: 0..u64::MAX,
            taken: false,
            completion,
            wanted,
        };
        if waking.go_on(queue) {
            let queue = queue.clone();
            remains::leave(Rest { queue, waking });
        }
    }

    /// Wakes the first waiter that still waits; answers whether there was one.
    pub fn wake_one(&self) -> bool {
        self.wake_where(1, None, |_| true) == 1
    }

    /// Wakes up to `limit` waiters whose key `wanted` accepts, in order, and hands each the `completion`.
    ///
    /// Answers how many were woken. Waiters whose run is over do not count.
    pub fn wake_where(
        &self,
        limit: usize,
        completion: Option<i64>,
        wanted: impl Fn(u64) -> bool,
    ) -> usize {
        let mut woken = 0;
        let mut present = Present::default();
        while woken < limit
            && let Some((waiter, _)) = self.take_present(&mut present, &wanted)
        {
            woken += usize::from(waiter.wake(completion));
        }
        woken
    }

    /// Takes the next of those out who have been in the queue since the first such call with `present`, and whose key
    /// `wanted` accepts, with that key: for a caller who deals with them in steps.
    pub fn take_present(
        &self,
        present: &mut Present,
        wanted: impl Fn(u64) -> bool,
    ) -> Option<(Waiter, u64)> {
        let range = present.from..present.until;
        let (at, place, next) = self.0.get()?.take(range, |place| wanted(place.key))?;
        present.from = at + 1;
        present.until = present.until.min(next);
        Some((place.waiter, place.key))
    }

    /// The key of the first waiter.
    #[must_use]
    pub fn first_key(&self) -> Option<u64> {
        let places = self.0.get()?.places.lock();
        places.front().map(|place| place.key)
    }

    /// The key that `rate` rates highest; of several equal ones the first waiter's.
    #[must_use]
    pub fn best_key(&self, rate: impl Fn(u64) -> u64) -> Option<u64> {
        let places = self.0.get()?.places.lock();
        let first = places.first.iter().map(|(_, place)| place);
        let all = first.chain(places.others.values()).map(|place| place.key);
        all.fold(None, |best: Option<u64>, key| match best {
            Some(best) if rate(best) >= rate(key) => Some(best),
            _ => Some(key),
        })
    }

    /// How many wait with a key.
    #[must_use]
    pub fn count(&self, key: u64) -> usize {
        let Some(shared) = self.0.get() else {
            return 0;
        };
        let places = shared.places.lock();
        let first = places.first.iter().map(|(_, place)| place);
        let all = first.chain(places.others.values());
        all.filter(|place| place.key == key).count()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0
            .get()
            .is_none_or(|shared| shared.places.lock().is_empty())
    }
}

/// Those who were in a queue at one time, and have not been taken out since: a part of its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    from: u64,
    until: u64,
}

impl Default for Present {
    /// Whoever is there when the first is taken.
    fn default() -> Self {
        Self::below(u64::MAX)
    }
}

impl Present {
    /// Those of earlier steps that ended with this [`Present::end`].
    #[must_use]
    pub const fn below(end: u64) -> Self {
        Self {
            from: 0,
            until: end,
        }
    }

    /// What tells them from whoever has come since.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.until
    }
}

/// Who is still to be woken.
struct Waking<F> {
    rest: Range<u64>,
    /// An exclusive one has taken it.
    taken: bool,
    /// What they go on with, if not with another run.
    completion: Option<i64>,
    wanted: F,
}

impl<F: Fn(u64) -> bool> Waking<F> {
    fn wants(&self, place: &Place) -> bool {
        let passed_over = self.taken && place.waiter.manner.contains(Manner::EXCLUSIVE);
        !passed_over && (self.wanted)(place.key)
    }

    /// Wakes as many as may be woken at once; answers whether there are more.
    fn go_on(&mut self, queue: &Shared) -> bool {
        while let Some((at, place, next)) = queue.take(self.rest.clone(), |place| self.wants(place))
        {
            // Whoever enrols again upon being woken waits for the next time.
            self.rest = at + 1..self.rest.end.min(next);
            let exclusive = place.waiter.manner.contains(Manner::EXCLUSIVE);
            self.taken |= place.waiter.wake(self.completion) && exclusive;
            if !remains::may_go_on() {
                let places = queue.places.lock();
                return places
                    .find(self.rest.clone(), |place| self.wants(place))
                    .is_some();
            }
        }
        false
    }
}

/// The rest of those whom somebody wakes. They need the queue only, whatever becomes of its owner.
struct Rest<F> {
    queue: Arc<Shared>,
    waking: Waking<F>,
}

impl<F: Fn(u64) -> bool + Send> Work for Rest<F> {
    fn step(&mut self) -> bool {
        self.waking.go_on(&self.queue)
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
