//! Contexts of asynchronous transfers (`man 7 aio`, `man 2 io_setup`).
//!
//! What is submitted to a context is a [`Request`](crate::request::Request) as an entry of a ring is; only where the result
//! goes differs: a context keeps its events itself until a thread gets them. For each request that it takes there is room for an
//! event. Contexts belong to an address space, in which each has a page whose address is its name.
//!
//! Locks: `Stream`, of one context or of the contexts of a space.

use crate::special;
use crate::submitters::Submitters;
use crate::thread::Thread;
use abi::Errno;
use abi::linux::{IoEvent, UringEntry};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use fallible::{Map, NoMemory};
use security::Credential;
use sync::{Rank, SpinLock};
use vfs::OpenFile;
use wait::{WaitQueue, Waiter};

/// A context.
pub struct Context {
    state: SpinLock<State>,
    /// Threads that wait for a number of events.
    waiters: WaitQueue,
    /// On whose behalf its events are counted.
    credential: Arc<Credential>,
    closed: AtomicBool,
}

struct State {
    done: VecDeque<IoEvent>,
    /// Requests that have been taken and are not done.
    pending: usize,
    /// The most of both together.
    limit: usize,
    submitters: Submitters,
}

/// What a request to a context brings with it.
pub struct Asked {
    /// The context.
    pub context: Arc<Context>,
    /// Address of the `iocb`.
    pub address: u64,
    /// A counter of events that counts the result too.
    pub events: Option<Arc<OpenFile>>,
}

impl Context {
    /// A context for `limit` requests and events.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(limit: usize, credential: &Arc<Credential>) -> Result<Arc<Self>, NoMemory> {
        let mut done = VecDeque::new();
        done.try_reserve(limit)?;
        fallible::arc(Self {
            state: SpinLock::new(
                Rank::Stream,
                State {
                    done,
                    pending: 0,
                    limit,
                    submitters: Submitters::new(),
                },
            ),
            waiters: WaitQueue::new(),
            credential: credential.clone(),
            closed: AtomicBool::new(false),
        })
    }

    /// Takes a request of a thread: there will be an event for it.
    ///
    /// # Errors
    /// EAGAIN when there is no room for its event, EINVAL when the context has been destroyed, ENOMEM.
    pub fn admit(&self, thread: &Arc<Thread>) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if self.is_closed() {
            return Err(Errno::EINVAL);
        }
        if state.pending + state.done.len() >= state.limit {
            return Err(Errno::EAGAIN);
        }
        state.submitters.note(thread)?;
        state.pending += 1;
        Ok(())
    }

    /// Takes back [`Context::admit`]: the request has not come to be.
    pub fn withdraw(&self) {
        self.state.lock().pending -= 1;
    }

    /// Notes what has become of a request.
    fn complete(&self, event: IoEvent) {
        let mut state = self.state.lock();
        state.pending -= 1;
        // Within what `new` has reserved: `admit` sees to that.
        state.done.push_back(event);
        let count = state.done.len() as u64;
        self.waiters.wake_where(usize::MAX, None, |at| at <= count);
    }

    /// Lets `take` have the first events, at most `most`, and forgets them if it succeeds; answers how many, and enrols the
    /// waiter where there are less than `wanted`.
    ///
    /// # Errors
    /// What `take` says.
    pub fn get(
        &self,
        wanted: usize,
        most: usize,
        waiter: Option<&Waiter>,
        take: impl Fn(usize, &IoEvent) -> Result<(), Errno>,
    ) -> Result<usize, Errno> {
        let mut state = self.state.lock();
        let count = state.done.len().min(most);
        for (index, event) in state.done.iter().take(count).enumerate() {
            take(index, event)?;
        }
        state.done.drain(..count);
        if count < wanted
            && let Some(waiter) = waiter
        {
            let missing = (wanted - count) as u64;
            self.waiters
                .enrol_keyed(waiter, missing.min(state.limit as u64));
        }
        Ok(count)
    }

    /// Whether it has been destroyed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Destroys it. The threads that have submitted something see to its end.
    pub fn close(&self) {
        let submitters = {
            let mut state = self.state.lock();
            self.closed.store(true, Ordering::Release);
            core::mem::take(&mut state.submitters)
        };
        submitters.orphan();
        self.waiters.wake_all();
    }

    /// The threads that have submitted something and live.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn submitters(&self) -> Result<alloc::vec::Vec<Arc<Thread>>, NoMemory> {
        self.state.lock().submitters.alive()
    }
}

impl Asked {
    /// Notes what has become of the request.
    pub fn complete(&self, entry: &UringEntry, result: i32) {
        self.context.complete(IoEvent {
            data: entry.user_data,
            obj: self.address,
            res: i64::from(result),
            res2: 0,
        });
        if let Some(events) = &self.events {
            special::count_event(&self.context.credential, events);
        }
    }
}

/// The contexts of an address space.
pub struct Contexts(SpinLock<Map<u64, (Arc<Context>, usize)>>);

impl Contexts {
    /// Most events of all contexts of a space (`/proc/sys/fs/aio-max-nr`).
    pub const EVENTS_MAX: usize = 1 << 16;

    /// None.
    pub const fn new() -> Self {
        Self(SpinLock::new(Rank::Stream, Map::new()))
    }

    /// Adds one for `limit` events, by its name.
    ///
    /// # Errors
    /// EAGAIN for too many events, ENOMEM.
    pub fn add(&self, name: u64, context: Arc<Context>, limit: usize) -> Result<(), Errno> {
        let mut contexts = self.0.lock();
        let all = contexts.values().fold(limit, |sum, (_, limit)| sum + limit);
        if all > Self::EVENTS_MAX {
            return Err(Errno::EAGAIN);
        }
        // A name that is left over is that of a page which the program has unmapped.
        let former = contexts.insert(name, (context, limit))?;
        drop(contexts);
        if let Some((former, _)) = former {
            former.close();
        }
        Ok(())
    }

    /// The one with a name.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get(&self, name: u64) -> Result<Arc<Context>, Errno> {
        let contexts = self.0.lock();
        let found = contexts.get(&name).map(|(context, _)| context.clone());
        found.ok_or(Errno::EINVAL)
    }

    /// Takes the one with a name away.
    ///
    /// # Errors
    /// EINVAL.
    pub fn remove(&self, name: u64) -> Result<Arc<Context>, Errno> {
        let removed = self.0.lock().remove(&name);
        removed.map(|(context, _)| context).ok_or(Errno::EINVAL)
    }
}
