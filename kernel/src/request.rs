//! Calls without a thread: what a program has handed over through a ring and is not done (`man 7 io_uring`).
//!
//! A request is parked as a thread is: enrolled where it must be found, with what it has already done in a
//! [`Continuation`]. The thread that has submitted it is its *worker*: it runs the call, again and again from its start, between
//! its own turns (`running.rs`), so all work is done on the time of who asked for it and with the program's memory at hand. A
//! wake-up puts the request among those of its worker that are ready and interrupts the worker.
//!
//! Like the body of a thread, the [`Work`] of a request is moved to the CPU that runs it and back. Whoever has it decides what
//! becomes of the request: its worker, or who cancels it.
//!
//! Locks: `waiting` and `work` of a request, and the lists of a worker, each of rank `Thread`, never two of them together.

use crate::aio::Asked;
use crate::outcome::Continuation;
use crate::ring::{Buffer, Ring};
use crate::system::system;
use crate::thread::Thread;
use crate::timers::{Timeout, TimerHandle};
use abi::linux::UringEntry;
use abi::{Errno, Ticks};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fallible::{Map, NoMemory, Push};
use sync::{Rank, SpinLock};
use vfs::OpenFile;
use wait::{Attention, Link, Run, Sleeper, Ticket, Waiter, Woken};

/// The number of the next request.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A call that a ring has brought.
pub struct Request {
    /// Where its result goes.
    pub target: Target,
    /// What was asked for.
    pub entry: UringEntry,
    /// The request that it ends when its time has come (IORING_OP_LINK_TIMEOUT).
    pub limits: Option<Weak<Request>>,
    worker: Weak<Thread>,
    number: u64,
    waiting: SpinLock<Waiting>,
    /// It is not wanted any more.
    cancelled: Attention,
    work: SpinLock<Option<Box<Work>>>,
}

/// Where the result of a request goes.
#[derive(Clone)]
pub enum Target {
    /// To a ring, which it came from.
    Ring(Arc<Ring>),
    /// To a context of asynchronous transfers.
    Context(Arc<Asked>),
}

impl Target {
    /// Tells the program what has become of a request, with IORING_CQE_F_ flags; `late` when that was not at once.
    pub fn complete(&self, entry: &UringEntry, result: i32, flags: u32, late: bool) {
        match self {
            Target::Ring(ring) => ring.complete(entry, result, flags, late),
            Target::Context(asked) => asked.complete(entry, result),
        }
    }

    /// Whether nobody can see what becomes of it.
    pub fn is_closed(&self) -> bool {
        match self {
            Target::Ring(ring) => ring.is_closed(),
            Target::Context(asked) => asked.context.is_closed(),
        }
    }

    /// The ring.
    ///
    /// # Errors
    /// EINVAL for a context, to which nothing is submitted that wants a ring.
    pub fn ring(&self) -> Result<&Arc<Ring>, Errno> {
        match self {
            Target::Ring(ring) => Ok(ring),
            Target::Context(_) => Err(Errno::EINVAL),
        }
    }
}

/// What a request is made of while nobody runs it.
#[derive(Default)]
pub struct Work {
    /// What its call has already done.
    pub progress: Continuation,
    /// The file that it is about, once that was looked up.
    pub file: Option<Arc<OpenFile>>,
    /// Bytes that it is to transfer; less is a failure for those that follow.
    pub wanted: Option<u64>,
    /// How many completions there must have been for a timeout to be over before its time.
    pub target: u64,
    /// What begins when it is done.
    pub chain: VecDeque<UringEntry>,
    /// The timeout that goes with it, until it is begun.
    pub limit: Option<UringEntry>,
    /// The same once it is begun.
    pub limited_by: Option<Arc<Request>>,
    /// It was not done at once.
    pub waited: bool,
    /// The buffer that was chosen for it.
    pub buffer: Option<Buffer>,
    /// IORING_CQE_F_ flags of its completion.
    pub flags: u32,
    /// Its call is made again after this result.
    pub repeats: bool,
}

#[derive(Default)]
struct Waiting {
    run: Run,
    timeout: Option<TimerHandle>,
}

/// How a request that was about to park goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It waits.
    Waits,
    /// It was woken already.
    Woken,
    /// It is not wanted any more.
    Cancelled,
}

impl Request {
    /// A request for `worker`.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        target: Target,
        worker: &Arc<Thread>,
        entry: UringEntry,
        limits: Option<Weak<Request>>,
    ) -> Result<Arc<Self>, NoMemory> {
        let work = fallible::boxed(Work::default())?;
        fallible::arc(Self {
            target,
            entry,
            limits,
            worker: Arc::downgrade(worker),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            waiting: SpinLock::new(Rank::Thread, Waiting::default()),
            cancelled: Attention::new(false),
            work: SpinLock::new(Rank::Thread, Some(work)),
        })
    }

    /// Takes the work, to run or to cancel it; `None` when somebody else has it or it is done.
    pub fn take_work(&self) -> Option<Box<Work>> {
        self.work.lock().take()
    }

    /// Puts the work back.
    pub fn put_work(&self, work: Box<Work>) {
        *self.work.lock() = Some(work);
    }

    /// A waiter for a new run; wake-ups for earlier ones are void from now on.
    pub fn begin_run(self: &Arc<Self>) -> Waiter {
        let ticket = self.waiting.lock().run.begin();
        Waiter::new(self.clone(), ticket)
    }

    /// Ends a run: leaves every queue, cancels the timeout. Answers the result that a waker has handed over.
    pub fn end_run(&self) -> Option<i64> {
        let (ended, timeout) = {
            let mut waiting = self.waiting.lock();
            (waiting.run.end(), waiting.timeout.take())
        };
        ended.links.into_iter().for_each(Link::withdraw);
        if let Some(handle) = timeout {
            system().timers.cancel(handle);
        }
        ended.completion
    }

    /// Has the run woken at a point of time.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn arm(self: &Arc<Self>, at: Ticks) -> Result<(), NoMemory> {
        let ticket = self.waiting.lock().run.ticket();
        let waiter = Waiter::new(self.clone(), ticket).downgrade();
        let handle = system().timers.try_add(at, Timeout::Waiter(waiter))?;
        self.waiting.lock().timeout = Some(handle);
        Ok(())
    }

    /// Parks unless the run has been woken. The work is put back before, since whoever wakes or cancels may take it at once.
    pub fn park(&self) -> Parked {
        if self.waiting.lock().run.park(&self.cancelled) {
            Parked::Waits
        } else if self.is_cancelled() {
            Parked::Cancelled
        } else {
            Parked::Woken
        }
    }

    /// Has its worker run it in its next turn.
    pub fn make_ready(&self) {
        if let Some(worker) = self.worker.upgrade() {
            worker.requests.wake(self.number);
            worker.interrupt();
        }
    }

    /// Notes that it is not wanted any more. Who runs it learns of that when it is about to park.
    pub fn mark_cancelled(&self) {
        self.cancelled.call();
    }

    /// Whether it is not wanted any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_called()
    }

    /// Lets its worker run it again, as a wake-up does.
    pub fn prod(&self) {
        let ticket = self.waiting.lock().run.ticket();
        self.wake(ticket, None);
    }

    /// Its worker, unless that has ended.
    pub fn worker(&self) -> Option<Arc<Thread>> {
        self.worker.upgrade()
    }
}

impl Sleeper for Request {
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool {
        let woken = self.waiting.lock().run.wake(ticket, completion);
        if woken == Woken::FromPark {
            self.make_ready();
        }
        woken != Woken::Not
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        self.waiting.lock().run.linked(ticket, link)
    }
}

/// The requests of a worker that wait or are ready.
pub struct Requests {
    lists: SpinLock<Lists>,
    /// Some are ready.
    ready: AtomicBool,
    /// The ring of some has been closed.
    orphaned: AtomicBool,
}

struct Lists {
    waiting: Map<u64, Arc<Request>>,
    /// In the order in which they were woken, with room for all that wait. Some may be gone.
    ready: VecDeque<u64>,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

impl Requests {
    /// As many may wait for one thread.
    pub const LIMIT: usize = 1 << 15;
    /// As many are looked for at once.
    pub const BATCH: usize = 64;

    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lists: SpinLock::new(
                Rank::Thread,
                Lists {
                    waiting: Map::new(),
                    ready: VecDeque::new(),
                },
            ),
            ready: AtomicBool::new(false),
            orphaned: AtomicBool::new(false),
        }
    }

    /// Adds one that is about to park.
    ///
    /// # Errors
    /// [`NoMemory`], also beyond [`Requests::LIMIT`].
    pub fn add(&self, request: &Arc<Request>) -> Result<(), NoMemory> {
        let mut lists = self.lists.lock();
        if lists.waiting.len() >= Self::LIMIT {
            return Err(NoMemory);
        }
        let count = lists.waiting.len() + 1;
        lists.ready.try_reserve(count)?;
        lists.waiting.insert(request.number, request.clone())?;
        Ok(())
    }

    /// Forgets one.
    pub fn remove(&self, request: &Request) {
        // Dropped after the lock is released, as it may be the last owner of a file.
        let _request = self.lists.lock().waiting.remove(&request.number);
    }

    fn wake(&self, number: u64) {
        self.lists.lock().ready.push_back(number);
        self.ready.store(true, Ordering::Release);
    }

    /// Whether there may be some to run.
    pub fn are_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Lets the thread end those whose ring has been closed.
    pub fn orphan(&self) {
        self.orphaned.store(true, Ordering::Release);
    }

    /// Whether there may be some whose ring has been closed; asked once.
    pub fn take_orphaned(&self) -> bool {
        self.orphaned.load(Ordering::Relaxed) && self.orphaned.swap(false, Ordering::Acquire)
    }

    /// Takes the next to be run.
    pub fn next(&self) -> Option<Arc<Request>> {
        let mut lists = self.lists.lock();
        while let Some(number) = lists.ready.pop_front() {
            if let Some(request) = lists.waiting.remove(&number) {
                return Some(request);
            }
        }
        self.ready.store(false, Ordering::Release);
        None
    }

    /// Those that wait and are `wanted`, at most [`Requests::BATCH`].
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn find(
        &self,
        wanted: impl Fn(&Arc<Request>) -> bool,
    ) -> Result<Vec<Arc<Request>>, NoMemory> {
        let lists = self.lists.lock();
        let mut found = Vec::new();
        let wanted = lists.waiting.values().filter(|request| wanted(request));
        for request in wanted.take(Self::BATCH) {
            found.try_push(request.clone())?;
        }
        Ok(found)
    }

    /// Takes one that waits and is `wanted`.
    pub fn take(&self, wanted: impl Fn(&Arc<Request>) -> bool) -> Option<Arc<Request>> {
        let mut lists = self.lists.lock();
        let found = lists
            .waiting
            .iter()
            .find(|(_, request)| wanted(request))
            .map(|(number, _)| *number)?;
        lists.waiting.remove(&found)
    }
}
