//! Files that are rings of asynchronous calls (`man 7 io_uring`).
//!
//! A ring belongs to the partition that has made it, and nobody else reaches it. What it knows of registered files and
//! buffers, and where its completions go, is here; calls that are not done are with the threads that have submitted them
//! (`request.rs`), which the ring knows, so that they end them when it is closed.
//!
//! Lock: `state`, of rank `Stream`. Whoever waits for completions is woken under it.

mod buffers;

pub use buffers::{Buffer, Groups, Next};

use crate::special;
use crate::submitters::Submitters;
use crate::thread::Thread;
use crate::user::Segment;
use abi::Errno;
use abi::linux::{IORING_CQE_F_MORE, UringCompletion, UringEntry, UringFlags};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use fallible::{NoMemory, PushBack};
use security::{Credential, Tagged};
use sync::{Guard, Rank, SpinLock};
use uring::{RingPages, Rings, Taken};
use vfs::{FileOperations, Metadata, OpenFile};
use wait::{PollEvents, WaitQueue, Waiter};

/// A ring.
pub struct Ring {
    state: SpinLock<State>,
    /// Threads that wait for a number of completions, by the count at which there are so many.
    waiters: WaitQueue,
    /// Timeouts that are over after a number of completions, in the same way.
    counting: WaitQueue,
    /// Those that watch the file.
    watchers: WaitQueue,
    /// On whose behalf its events are counted.
    credential: Arc<Credential>,
    /// Nobody has its file any more.
    closed: AtomicBool,
}

/// What changes of a ring.
pub struct State {
    /// The memory that it shares with the program.
    pub rings: Rings,
    /// Entries may be taken.
    pub enabled: bool,
    /// Registered buffers.
    pub buffers: Vec<Segment>,
    /// Registered files.
    pub files: Vec<Option<Arc<OpenFile>>>,
    /// A counter of events for completions.
    pub events: Option<Events>,
    /// Groups of buffers.
    pub groups: Groups,
    /// Entries that were begun and are not done.
    unfinished: usize,
    /// What waits for everything before it, or behind something that does (IOSQE_IO_DRAIN).
    held_back: VecDeque<HeldBack>,
    /// Completions so far, and 1.
    count: u64,
    /// Threads that have submitted something.
    users: Submitters,
}

/// A chain of entries that was taken and is not begun, and who has submitted it.
struct HeldBack {
    worker: Weak<Thread>,
    chain: VecDeque<UringEntry>,
}

/// Entries that have been taken from a ring.
pub enum Submitted {
    /// They are to be begun.
    Chain(VecDeque<UringEntry>),
    /// So many are begun later.
    HeldBack(usize),
}

/// Where completions are counted.
pub struct Events {
    /// The counter.
    pub file: Arc<OpenFile>,
    /// Only those that were not done at once.
    pub only_late: bool,
}

impl Ring {
    /// A ring.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        rings: Rings,
        enabled: bool,
        credential: &Arc<Credential>,
    ) -> Result<Arc<Self>, NoMemory> {
        let state = State {
            rings,
            enabled,
            buffers: Vec::new(),
            files: Vec::new(),
            events: None,
            groups: Groups::default(),
            unfinished: 0,
            held_back: VecDeque::new(),
            count: 1,
            users: Submitters::new(),
        };
        fallible::arc(Self {
            state: SpinLock::new(Rank::Stream, state),
            waiters: WaitQueue::new(),
            counting: WaitQueue::new(),
            watchers: WaitQueue::new(),
            credential: credential.clone(),
            closed: AtomicBool::new(false),
        })
    }

    /// Looks at or changes its state.
    pub fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// Notes a thread that submits.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn note_user(&self, thread: &Arc<Thread>) -> Result<(), NoMemory> {
        self.state.lock().users.note(thread)
    }

    /// The threads that have submitted something and live.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn users(&self) -> Result<Vec<Arc<Thread>>, NoMemory> {
        self.state.lock().users.alive()
    }

    /// Takes entries up to one that no other is linked to, at most `most`, for a thread to begin; none when there is nothing.
    ///
    /// # Errors
    /// EBUSY as long as completions are kept that do not fit, ENOMEM.
    pub fn take_chain(&self, worker: &Arc<Thread>, most: usize) -> Result<Submitted, Errno> {
        let mut state = self.state.lock();
        state.rings.flush();
        if state.rings.has_overflowed() {
            return Err(Errno::EBUSY);
        }
        state.held_back.try_reserve(1).map_err(NoMemory::from)?;
        let mut chain = VecDeque::new();
        let links = UringFlags::IO_LINK | UringFlags::IO_HARDLINK;
        while chain.len() < most {
            // Reserved before it is taken: one that was taken is begun.
            chain.try_reserve(1).map_err(NoMemory::from)?;
            match state.rings.take() {
                Some(Taken::Entry(entry)) => {
                    chain.try_push_back(entry)?;
                    if !UringFlags::from_bits_retain(entry.flags).intersects(links) {
                        break;
                    }
                }
                Some(Taken::Nothing) | None => break,
            }
        }
        let count = chain.len();
        let waits = drains(&chain) && state.unfinished > 0 || !state.held_back.is_empty();
        if waits && count > 0 {
            let worker = Arc::downgrade(worker);
            state.held_back.push_back(HeldBack { worker, chain });
            return Ok(Submitted::HeldBack(count));
        }
        state.unfinished += count;
        Ok(Submitted::Chain(chain))
    }

    /// The next of what was held back that may begin now, and who begins it.
    pub fn release(&self) -> Option<(Arc<Thread>, VecDeque<UringEntry>)> {
        let mut state = self.state.lock();
        while let Some(next) = state.held_back.front() {
            if drains(&next.chain) && state.unfinished > 0 {
                return None;
            }
            let HeldBack { worker, chain } = state.held_back.pop_front()?;
            // What a thread has submitted ends with it.
            if let Some(worker) = worker.upgrade() {
                state.unfinished += chain.len();
                return Some((worker, chain));
            }
        }
        None
    }

    /// Tells the program what has become of an entry, with IORING_CQE_F_ flags; `late` when that was not at once.
    pub fn complete(&self, entry: &UringEntry, result: i32, flags: u32, late: bool) {
        let more = flags & IORING_CQE_F_MORE != 0;
        if !more {
            let mut state = self.state.lock();
            state.unfinished = state.unfinished.saturating_sub(1);
        }
        let skips = UringFlags::from_bits_retain(entry.flags);
        if result >= 0 && skips.contains(UringFlags::CQE_SKIP_SUCCESS) {
            return;
        }
        let completion = UringCompletion {
            user_data: entry.user_data,
            res: result,
            flags,
        };
        let events = {
            let mut state = self.state.lock();
            state.rings.post(completion);
            state.count += 1;
            let count = state.count;
            self.waiters.wake_those(move |at| at <= count);
            self.counting.wake_those(move |at| at <= count);
            self.watchers.wake_all();
            let wanted = !state.rings.wants_no_events();
            let events = state.events.as_ref();
            events
                .filter(|events| wanted && (late || !events.only_late))
                .map(|events| events.file.clone())
        };
        if let Some(events) = events {
            // A counter that is full has told what there is to tell.
            special::count_event(&self.credential, &events);
        }
    }

    /// Whether there are `wanted` completions; enrols the waiter if there are not.
    pub fn wait_for(&self, wanted: usize, waiter: Option<&Waiter>) -> bool {
        let mut state = self.state.lock();
        state.rings.flush();
        let wanted = wanted.min(state.rings.layout().completions as usize);
        let missing = wanted.saturating_sub(state.rings.completed());
        if missing == 0 {
            return true;
        }
        if let Some(waiter) = waiter {
            let at = state.count + missing as u64;
            self.waiters.enrol_keyed(waiter, at);
        }
        false
    }

    /// The count of completions at which there are `more`.
    pub fn count_after(&self, more: u64) -> u64 {
        self.state.lock().count.saturating_add(more)
    }

    /// Whether the count of completions has come to `target`; enrols the waiter if it has not.
    pub fn has_counted(&self, target: u64, waiter: &Waiter) -> bool {
        let state = self.state.lock();
        let counted = state.count >= target;
        if !counted {
            self.counting.enrol_keyed(waiter, target);
        }
        counted
    }

    /// A registered file.
    ///
    /// # Errors
    /// EBADF.
    pub fn registered(&self, place: i32) -> Result<Arc<OpenFile>, Errno> {
        let state = self.state.lock();
        let place = usize::try_from(place).map_err(|_| Errno::EBADF)?;
        let file = state.files.get(place).cloned().flatten();
        file.ok_or(Errno::EBADF)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let mut state = self.state.lock();
        state.rings.flush();
        let mut ready = PollEvents::empty();
        if state.rings.completed() > 0 {
            ready |= PollEvents::READABLE;
        }
        if state.rings.submitted() < state.rings.layout().entries {
            ready |= PollEvents::WRITABLE;
        }
        ready &= wanted | PollEvents::ALWAYS;
        ready.or_enrol(waiter, &self.watchers)
    }

    /// Whether nobody can see its completions any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Everything that was submitted is to end; the threads that have submitted it see to that.
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let (users, _held_back) = {
            let mut state = self.state.lock();
            let held_back = core::mem::take(&mut state.held_back);
            (core::mem::take(&mut state.users), held_back)
        };
        users.orphan();
    }
}

/// Whether a chain begins only when everything before it is done.
fn drains(chain: &VecDeque<UringEntry>) -> bool {
    let drains = |entry: &UringEntry| entry.flags & UringFlags::IO_DRAIN.bits() != 0;
    chain.front().is_some_and(drains)
}

/// The file of a ring.
pub struct RingFile {
    ring: Arc<Ring>,
    /// The same for those who want to use it.
    tagged: Tagged<Arc<Ring>>,
    pages: Arc<RingPages>,
    metadata: Metadata,
}

impl RingFile {
    /// A file of the partition of `credential`; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        ring: Arc<Ring>,
        credential: &Credential,
        metadata: Metadata,
    ) -> Result<Arc<Self>, NoMemory> {
        let pages = ring.lock().rings.pages().clone();
        fallible::arc(Self {
            tagged: Tagged::new(credential.cid, ring.clone()),
            ring,
            pages,
            metadata,
        })
    }

    fn of(file: &OpenFile) -> Option<&Self> {
        let operations: &dyn Any = &**file.operations();
        operations.downcast_ref()
    }

    /// Whether an open file is a ring.
    pub fn is(file: &OpenFile) -> bool {
        Self::of(file).is_some()
    }

    /// The ring of an open file.
    ///
    /// # Errors
    /// EOPNOTSUPP when it is none, ENOENT when it is another partition's.
    pub fn ring(file: &OpenFile, credential: &Credential) -> Result<Arc<Ring>, Errno> {
        let own = Self::of(file).ok_or(Errno::EOPNOTSUPP)?;
        let ring = own.tagged.reach(credential);
        Ok(ring.map_err(|absent| absent.no_entry())?.clone())
    }
}

impl FileOperations for RingFile {
    /// Readable when there are completions, writable when there is a place for an entry.
    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        self.ring.poll(wanted, waiter)
    }

    fn pages(&self) -> Option<Arc<dyn memory::PageSource>> {
        Some(self.pages.clone())
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn released(&self) {
        self.ring.close();
    }
}
