//! Watching many files at once (`man 7 epoll`).
//!
//! An instance enrols in the queues of every file that it watches, as a waiter of its own for each. A wake-up puts the
//! entry at the end of a list, and a wait looks at that list only: at each entry it asks the file, reports it if it is
//! ready, and else leaves it to the next wake-up, for asking has enrolled it again. So a wait costs what is ready, not
//! what is watched.
//!
//! An entry that is reported goes back to the end of the list (level-triggered), waits for the next change (edge-triggered;
//! its waiter is enrolled even when the file is ready), or is silent until it is modified (one-shot).
//!
//! Lock: the entries ([`Rank::Readiness`]), which wakers take under the lock of the file's condition. No file is asked and
//! nobody is enrolled or woken with it held.

mod list;
mod nesting;

use crate::quota::{Quota, Share};
use abi::Errno;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use bitflags::bitflags;
use core::any::Any;
use fallible::{NoMemory, This};
use list::{Entry, Handle, Key, Links, List};
use remains::Work;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata, OpenFile, Watcher};
use wait::{Attempt, Link, Manner, PollEvents, Sleeper, Stop, Ticket, WaitQueue, Waiter};

bitflags! {
    /// How an entry reports (`man 2 epoll_ctl`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Each change once (EPOLLET).
        const EDGE = 1;
        /// Once, until it is modified (EPOLLONESHOT).
        const ONCE = 2;
        /// Of the instances that watch the file so, one is woken (EPOLLEXCLUSIVE).
        const EXCLUSIVE = 4;
    }
}

/// What a program wants to know of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Events; [`PollEvents::ERR`] and [`PollEvents::HUP`] are reported whether they are wanted or not.
    pub events: PollEvents,
    /// How they are reported.
    pub flags: Flags,
    /// What comes back with them.
    pub data: u64,
}

/// A file that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// For what.
    pub events: PollEvents,
    /// What the program wants back.
    pub data: u64,
}

/// An instance.
pub struct Epoll {
    this: This<Epoll>,
    state: SpinLock<State>,
    /// Those that wait for something to be ready.
    waiting: WaitQueue,
    quota: Arc<Quota>,
    metadata: Metadata,
    mark: nesting::Mark,
}

#[derive(Default)]
struct State {
    list: List,
    /// Looks that are under way: each may hold an entry that is ready and not on the list.
    looking: usize,
    /// Instances that this one watches, and that watch it, one for each entry.
    below: Vec<Weak<Epoll>>,
    above: Vec<Weak<Epoll>>,
}

/// The waiter of an entry.
pub struct Watch {
    epoll: Weak<Epoll>,
    handle: Handle,
}

/// An enrolment of an entry, to ask its file with.
struct Look {
    handle: Handle,
    file: Weak<OpenFile>,
    wanted: PollEvents,
    waiter: Waiter,
    /// Of the enrolment before, to be withdrawn.
    links: Links,
}

/// What has become of an entry that was to be put on the list.
enum Listed {
    /// It reports nothing until it is modified.
    Silent,
    /// It was on the list.
    Before { exclusive: bool },
    /// It is on the list from now on.
    Now { exclusive: bool },
}

impl Sleeper for Watch {
    fn wake(&self, ticket: Ticket, _completion: Option<i64>) -> bool {
        self.epoll
            .upgrade()
            .is_some_and(|epoll| epoll.became_ready(self.handle, ticket))
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        match self.epoll.upgrade() {
            Some(epoll) => epoll.linked(self.handle, ticket, link),
            None => Some(link),
        }
    }
}

impl Watcher for Watch {
    fn closed(&self) {
        if let Some(epoll) = self.epoll.upgrade() {
            epoll.forget(self.handle);
        }
    }
}

fn key(descriptor: u32, file: &Arc<OpenFile>) -> Key {
    Key {
        descriptor,
        file: Arc::as_ptr(file) as usize,
    }
}

impl Epoll {
    /// Most files that one wait reports, and that one look passes over without finding any.
    pub const BATCH: usize = 1024;

    /// An instance that watches nothing; its entries count in `quota`, and `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(quota: Arc<Quota>, metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        let epoll = Self {
            this: This::new(),
            state: SpinLock::new(Rank::Readiness, State::default()),
            waiting: WaitQueue::new(),
            quota,
            metadata,
            mark: nesting::Mark::default(),
        };
        fallible::arc_with_this(epoll, |epoll| &epoll.this)
    }

    /// The instance that an open file is, if it is one.
    #[must_use]
    pub fn of(file: &OpenFile) -> Option<Arc<Self>> {
        let operations: &dyn Any = &**file.operations();
        operations
            .downcast_ref::<Self>()
            .and_then(|epoll| epoll.this.upgrade())
    }

    /// How many files are on the list of those that are ready.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.state.lock().list.ready()
    }

    /// Watches a file (EPOLL_CTL_ADD).
    ///
    /// # Errors
    /// EPERM for a file that is always ready; EEXIST; EINVAL for an instance that is to be watched exclusively; ELOOP for
    /// instances in a circle, or too many above one another; ENOSPC at the quota; ENOMEM.
    pub fn add(
        &self,
        descriptor: u32,
        file: &Arc<OpenFile>,
        interest: Interest,
    ) -> Result<(), Errno> {
        if !file.operations().is_pollable() {
            return Err(Errno::EPERM);
        }
        let below = Self::of(file);
        let this = self.this.upgrade().ok_or(Errno::EBADF)?;
        let handle = match &below {
            None => self.insert(key(descriptor, file), file, interest, None)?,
            Some(_) if interest.flags.contains(Flags::EXCLUSIVE) => return Err(Errno::EINVAL),
            Some(below) => {
                let mut relations = nesting::lock();
                relations.admit(&this, below)?;
                let handle = self.insert(key(descriptor, file), file, interest, Some(below))?;
                // Both have room for it.
                self.state.lock().below.push(Arc::downgrade(below));
                below.state.lock().above.push(self.this.weak());
                handle
            }
        };
        let watcher: Weak<dyn Watcher> = {
            let mut state = self.state.lock();
            let entry = state.list.get(handle).ok_or(Errno::EBADF)?;
            let watcher: Arc<dyn Watcher> = entry.watch.clone();
            Arc::downgrade(&watcher)
        };
        let registration = file.watch(watcher).inspect_err(|_| self.forget(handle))?;
        match self.state.lock().list.get(handle) {
            Some(entry) => entry.registration = registration,
            // Another thread has removed it already.
            None => file.unwatch(registration),
        }
        self.arm(handle);
        Ok(())
    }

    fn insert(
        &self,
        key: Key,
        file: &Arc<OpenFile>,
        interest: Interest,
        below: Option<&Arc<Epoll>>,
    ) -> Result<Handle, Errno> {
        let no_memory = |_| Errno::ENOMEM;
        if let Some(below) = below {
            below.state.lock().above.try_reserve(1).map_err(no_memory)?;
        }
        let mut state = self.state.lock();
        if state.list.find(key).is_some() {
            return Err(Errno::EEXIST);
        }
        if below.is_some() {
            state.below.try_reserve(1).map_err(no_memory)?;
        }
        let share = self.quota.take(Errno::ENOSPC)?;
        state.list.insert(key, |handle| {
            let watch = Watch {
                epoll: self.this.weak(),
                handle,
            };
            Ok(Entry {
                key,
                file: Arc::downgrade(file),
                interest,
                watch: fallible::arc(watch)?,
                registration: u64::MAX,
                below: below.map(Arc::downgrade),
                armed: true,
                ticket: Ticket(0),
                links: Links::default(),
                share,
            })
        })
    }

    /// Changes what is wanted of a file, and arms it again (EPOLL_CTL_MOD).
    ///
    /// # Errors
    /// ENOENT; EINVAL when it is watched exclusively.
    pub fn modify(
        &self,
        descriptor: u32,
        file: &Arc<OpenFile>,
        interest: Interest,
    ) -> Result<(), Errno> {
        let handle = {
            let mut state = self.state.lock();
            let handle = state.list.find(key(descriptor, file));
            let handle = handle.ok_or(Errno::ENOENT)?;
            let entry = state.list.get(handle).ok_or(Errno::ENOENT)?;
            if entry.interest.flags.contains(Flags::EXCLUSIVE) {
                return Err(Errno::EINVAL);
            }
            entry.interest = interest;
            entry.armed = true;
            handle
        };
        self.arm(handle);
        Ok(())
    }

    /// Watches a file no longer (EPOLL_CTL_DEL).
    ///
    /// # Errors
    /// ENOENT.
    pub fn remove(&self, descriptor: u32, file: &Arc<OpenFile>) -> Result<(), Errno> {
        let found = self.state.lock().list.find(key(descriptor, file));
        self.forget(found.ok_or(Errno::ENOENT)?);
        Ok(())
    }

    fn forget(&self, handle: Handle) {
        let Some(entry) = self.state.lock().list.remove(handle) else {
            return;
        };
        if let Some(below) = &entry.below {
            if let Some(below) = below.upgrade() {
                remove_one(&mut below.state.lock().above, &self.this.weak());
            }
            remove_one(&mut self.state.lock().below, below);
        }
        if let Some(file) = entry.file.upgrade() {
            file.unwatch(entry.registration);
        }
        entry.links.withdraw();
        drop(entry.share);
    }

    /// Enrols an entry anew, and lists it if its file is ready.
    fn arm(&self, handle: Handle) {
        let Some(look) = self.state.lock().list.get(handle).map(Look::begin) else {
            return;
        };
        let ticket = look.waiter.ticket();
        if !look.ask().is_empty() {
            self.became_ready(handle, ticket);
        }
    }

    /// Lists an entry, and wakes those that wait; answers whether that was of use to an exclusive waker.
    fn became_ready(&self, handle: Handle, ticket: Ticket) -> bool {
        match self.list(handle, ticket) {
            None => false,
            Some(Listed::Silent) => true,
            Some(Listed::Now { exclusive }) => {
                let awaited = !exclusive || !self.waiting.is_empty();
                self.waiting.wake_all();
                awaited
            }
            Some(Listed::Before { exclusive }) => !exclusive,
        }
    }

    fn list(&self, handle: Handle, ticket: Ticket) -> Option<Listed> {
        let mut state = self.state.lock();
        let entry = state.list.get(handle)?;
        if entry.ticket != ticket {
            return None;
        }
        if !entry.armed {
            return Some(Listed::Silent);
        }
        let exclusive = entry.interest.flags.contains(Flags::EXCLUSIVE);
        Some(if state.list.list(handle) {
            Listed::Now { exclusive }
        } else {
            Listed::Before { exclusive }
        })
    }

    /// Notes a link of the present enrolment. Without memory for it the entry is woken instead, and the next wait asks.
    fn linked(&self, handle: Handle, ticket: Ticket, link: Link) -> Option<Link> {
        let mut state = self.state.lock();
        let entry = state.list.get(handle);
        match entry.filter(|entry| entry.ticket == ticket) {
            Some(entry) => entry.links.push(link),
            None => Some(link),
        }
    }

    /// Reports up to `room` files that are ready, or enrols `waiter` and answers [`Stop::Park`]; without a waiter it
    /// answers that there are none.
    ///
    /// # Errors
    /// ENOMEM; [`Stop::Again`] when there is something to report but no room, when another CPU looks at the same entries,
    /// and after a long look in vain.
    pub fn wait(&self, waiter: Option<&Waiter>, room: usize) -> Attempt<Vec<Ready>> {
        let room = room.min(Self::BATCH);
        let mut found = Vec::new();
        found.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        self.look(room, |ready| found.push(ready));
        if !found.is_empty() {
            if self.listed() > 0 {
                self.waiting.wake_all();
            }
            return Ok(found);
        }
        if let Some(waiter) = waiter {
            // Enrolled before the list is looked at: whatever is listed later wakes it.
            self.waiting.enrol(waiter);
        }
        let (listed, looking) = {
            let state = self.state.lock();
            (state.list.ready(), state.looking)
        };
        if listed > 0 || looking > 0 {
            return Err(Stop::Again);
        }
        match waiter {
            Some(_) => Err(Stop::Park),
            None => Ok(found),
        }
    }

    /// Asks the files on the list, each once, until `room` of them are ready.
    fn look(&self, room: usize, mut report: impl FnMut(Ready)) {
        let mut reported = 0;
        let rounds = {
            let mut state = self.state.lock();
            state.looking += 1;
            state.list.ready().min(Self::BATCH)
        };
        for _ in 0..rounds {
            if reported == room {
                break;
            }
            let Some(look) = self.begin_next() else { break };
            let (handle, ticket) = (look.handle, look.waiter.ticket());
            let events = look.ask();
            if let Some(ready) = self.reported(handle, ticket, events) {
                reported += 1;
                report(ready);
            }
        }
        self.state.lock().looking -= 1;
    }

    /// Takes the next entry off the list and enrols it anew.
    fn begin_next(&self) -> Option<Look> {
        let mut state = self.state.lock();
        loop {
            let handle = state.list.take_ready()?;
            if let Some(entry) = state.list.get(handle).filter(|entry| entry.armed) {
                return Some(Look::begin(entry));
            }
        }
    }

    /// What becomes of an entry whose file is ready for `events`, and what is told of it.
    fn reported(&self, handle: Handle, ticket: Ticket, events: PollEvents) -> Option<Ready> {
        if events.is_empty() {
            return None;
        }
        let mut state = self.state.lock();
        // An entry that was modified in between has been looked at anew.
        let entry = state.list.get(handle)?;
        if entry.ticket != ticket || !entry.armed {
            return None;
        }
        let Interest { flags, data, .. } = entry.interest;
        entry.armed = !flags.contains(Flags::ONCE);
        if !flags.intersects(Flags::ONCE | Flags::EDGE) {
            state.list.list(handle);
        }
        Some(Ready { events, data })
    }

    /// Whether something is ready; nothing is reported by that.
    fn is_ready(&self) -> bool {
        /// Entries that are asked in vain, after which the answer is that something may be ready.
        const LIMIT: usize = 4 * Epoll::BATCH;
        for _ in 0..LIMIT {
            let Some(look) = self.begin_next() else {
                return false;
            };
            let (handle, ticket) = (look.handle, look.waiter.ticket());
            // It is listed again, and whoever has missed it meanwhile is told.
            if !look.ask().is_empty() && self.list(handle, ticket).is_some() {
                self.waiting.wake_all();
                return true;
            }
        }
        true
    }
}

impl Look {
    fn begin(entry: &mut Entry) -> Self {
        entry.ticket.0 += 1;
        let mut manner = Manner::empty();
        manner.set(Manner::CHANGES, entry.interest.flags.contains(Flags::EDGE));
        manner.set(
            Manner::EXCLUSIVE,
            entry.interest.flags.contains(Flags::EXCLUSIVE),
        );
        Self {
            handle: entry.watch.handle,
            file: entry.file.clone(),
            wanted: entry.interest.events | PollEvents::ERR | PollEvents::HUP,
            waiter: Waiter::watching(entry.watch.clone(), entry.ticket, manner),
            links: core::mem::take(&mut entry.links),
        }
    }

    /// What the file is ready for; the entry is enrolled as it needs to be.
    fn ask(self) -> PollEvents {
        self.links.withdraw();
        self.file.upgrade().map_or(PollEvents::empty(), |file| {
            file.poll(self.wanted, Some(&self.waiter)) & self.wanted
        })
    }
}

fn remove_one(instances: &mut Vec<Weak<Epoll>>, which: &Weak<Epoll>) {
    let found = instances.iter().position(|instance| instance.ptr_eq(which));
    if let Some(at) = found {
        instances.swap_remove(at);
    }
}

impl Epoll {
    fn watched(&self) -> Result<Vec<Weak<Epoll>>, Errno> {
        copy(&self.state.lock().below)
    }

    fn watchers(&self) -> Result<Vec<Weak<Epoll>>, Errno> {
        copy(&self.state.lock().above)
    }
}

fn copy(instances: &[Weak<Epoll>]) -> Result<Vec<Weak<Epoll>>, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(instances.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend(instances.iter().cloned());
    Ok(copy)
}

impl FileOperations for Epoll {
    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let readable = |ready| {
            if ready {
                PollEvents::READABLE & wanted
            } else {
                PollEvents::empty()
            }
        };
        let mut ready = self.is_ready();
        if let Some(waiter) = readable(ready).to_enrol(waiter) {
            self.waiting.enrol(waiter);
            // What was listed before somebody was enrolled has woken nobody.
            ready = ready || self.is_ready();
        }
        readable(ready)
    }

    fn read(&self, _: &IoContext<'_>, _: u64, _: &mut dyn wait::Sink) -> Attempt<usize> {
        Err(Errno::EINVAL.into())
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn released(&self) {
        let Some(epoll) = self.this.upgrade() else {
            return;
        };
        let mut end = End { epoll, place: 0 };
        if end.step() {
            remains::leave(end);
        }
    }
}

/// The end of an instance: it forgets its entries.
struct End {
    epoll: Arc<Epoll>,
    /// No entry is left before this place.
    place: u32,
}

impl Work for End {
    fn step(&mut self) -> bool {
        loop {
            let Some(handle) = self.epoll.state.lock().list.from(self.place) else {
                return false;
            };
            self.epoll.forget(handle);
            self.place = handle.place();
            if !remains::may_go_on() {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests;
