//! Events of watched files as a file (`man 7 inotify`).
//!
//! An instance has numbers for its watches and a queue of events; [`vfs::observe`] knows which inode has which watches.
//! Events that do not fit into the queue, or for which there is no memory, are lost, and the reader is told so when it
//! has read the others.
//!
//! Lock: the watches and the queue ([`Rank::Stream`]), taken by who does something to a watched file. The table of watches
//! is never changed with it held.

use crate::quota::{Quota, Share};
use abi::Cid;
use abi::Errno;
use abi::linux::{
    FIONREAD, IN_ALL_EVENTS, IN_EXCL_UNLINK, IN_IGNORED, IN_MASK_ADD, IN_MASK_CREATE, IN_ONESHOT,
    IN_Q_OVERFLOW, InotifyEvent,
};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use fallible::{Map, NoMemory, PushBack, This};
use sync::{Rank, SpinLock};
use vfs::observe::{self, Event, Events, Observer};
use vfs::{FileOperations, Inode, InodeId, IoContext, IoctlArgument, Metadata, OpenFile};
use wait::{Attempt, PollEvents, Sink, Stop, WaitQueue, Waiter};

/// An instance.
pub struct Inotify {
    this: This<Inotify>,
    owner: Cid,
    state: SpinLock<State>,
    readers: WaitQueue,
    quota: Arc<Quota>,
    metadata: Metadata,
    /// Its place among the instances of its partition.
    _counted: Share,
}

struct State {
    watches: Map<i32, Watched>,
    /// Their numbers by inode.
    numbers: Map<(u64, u64), i32>,
    last: i32,
    queue: VecDeque<Queued>,
    /// Bytes that reading the whole queue gives.
    bytes: usize,
    /// Events have been lost behind those in the queue.
    overflow: bool,
}

struct Watched {
    inode: InodeId,
    mask: u32,
    _counted: Share,
}

#[derive(PartialEq, Eq)]
struct Queued {
    number: i32,
    mask: u32,
    cookie: u32,
    name: Vec<u8>,
}

fn key(inode: InodeId) -> (u64, u64) {
    (inode.device.encode(), inode.number)
}

impl Queued {
    /// Bytes of the name as it is read: ended by zeros up to a multiple of the event's size.
    fn name_length(&self) -> usize {
        if self.name.is_empty() {
            return 0;
        }
        (self.name.len() + 1).next_multiple_of(InotifyEvent::SIZE)
    }

    fn length(&self) -> usize {
        InotifyEvent::SIZE + self.name_length()
    }

    fn put(&self, sink: &mut dyn Sink) -> Attempt<()> {
        const LONGEST: usize =
            InotifyEvent::SIZE + (vfs::NAME_LIMIT + 1).next_multiple_of(InotifyEvent::SIZE);
        let head = InotifyEvent {
            wd: self.number,
            mask: self.mask,
            cookie: self.cookie,
            len: self.name_length() as u32,
        };
        let mut bytes = [0; LONGEST];
        let fields = head.encode().into_iter().chain(self.name.iter().copied());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        sink.put(bytes.get(..self.length()).ok_or(Errno::EINVAL)?)
    }
}

impl State {
    /// Puts an event at the end of the queue, unless it is the same as the last one (`man 7 inotify`).
    fn queue(&mut self, number: i32, mask: u32, cookie: u32, name: &[u8]) {
        let same = |last: &Queued| last.number == number && last.mask == mask && last.name == name;
        if self.overflow || self.queue.back().is_some_and(same) {
            return;
        }
        if self.add(number, mask, cookie, name).is_err() {
            self.overflow = true;
        }
    }

    fn add(&mut self, number: i32, mask: u32, cookie: u32, name: &[u8]) -> Result<(), NoMemory> {
        if self.queue.len() >= Inotify::QUEUE {
            return Err(NoMemory);
        }
        let event = Queued {
            number,
            mask,
            cookie,
            name: fallible::copy(name)?,
        };
        let length = event.length();
        self.queue.try_push_back(event)?;
        self.bytes += length;
        Ok(())
    }

    /// The watch of an inode.
    fn of(&mut self, inode: InodeId) -> Option<(i32, &mut Watched)> {
        let number = *self.numbers.get(&key(inode))?;
        self.watches
            .get_mut(&number)
            .map(|watched| (number, watched))
    }

    /// Notes a new watch.
    fn insert(&mut self, number: i32, watched: Watched) -> Result<(), NoMemory> {
        let key = key(watched.inode);
        self.numbers.insert(key, number)?;
        if let Err(no_memory) = self.watches.insert(number, watched) {
            self.numbers.remove(&key);
            return Err(no_memory);
        }
        self.last = number;
        Ok(())
    }

    fn remove(&mut self, number: i32) -> Option<Watched> {
        let watched = self.watches.remove(&number)?;
        self.numbers.remove(&key(watched.inode));
        Some(watched)
    }

    fn is_readable(&self) -> bool {
        self.overflow || !self.queue.is_empty()
    }
}

impl Inotify {
    /// The most events that wait to be read (`/proc/sys/fs/inotify/max_queued_events`).
    pub const QUEUE: usize = 16_384;

    /// An instance for a partition, counted in `instances`, its watches in `watches`; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// EMFILE at the limit of instances, ENOMEM.
    pub fn new(
        owner: Cid,
        instances: &Arc<Quota>,
        watches: Arc<Quota>,
        metadata: Metadata,
    ) -> Result<Arc<Self>, Errno> {
        let instance = Self {
            this: This::new(),
            owner,
            state: SpinLock::new(
                Rank::Stream,
                State {
                    watches: Map::new(),
                    numbers: Map::new(),
                    last: 0,
                    queue: VecDeque::new(),
                    bytes: 0,
                    overflow: false,
                },
            ),
            readers: WaitQueue::new(),
            quota: watches,
            metadata,
            _counted: instances.take(Errno::EMFILE)?,
        };
        Ok(fallible::arc_with_this(instance, |made| &made.this)?)
    }

    /// The instance behind an open file.
    #[must_use]
    pub fn of(file: &OpenFile) -> Option<Arc<Self>> {
        let operations: &dyn Any = &**file.operations();
        let found = operations.downcast_ref::<Self>();
        found.and_then(|instance| instance.this.upgrade())
    }

    fn observer(&self) -> Weak<dyn Observer> {
        self.this.weak()
    }

    /// Watches a file, which the caller keeps meanwhile; answers the number of the watch.
    ///
    /// # Errors
    /// EEXIST when a new watch is wanted and the file has one; ENOSPC at the limit of watches, ENOMEM.
    pub fn watch(&self, inode: &dyn Inode, mask: u32) -> Result<i32, Errno> {
        let id = inode.id();
        let kept = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
        let (number, wanted) = {
            let mut state = self.state.lock();
            match state.of(id) {
                Some(_) if mask & IN_MASK_CREATE != 0 => return Err(Errno::EEXIST),
                Some((number, watched)) => {
                    let before = if mask & IN_MASK_ADD != 0 {
                        watched.mask
                    } else {
                        0
                    };
                    watched.mask = before | kept;
                    (number, watched.mask)
                }
                None => {
                    let counted = self.quota.take(Errno::ENOSPC)?;
                    let number = state.last.checked_add(1).ok_or(Errno::ENOSPC)?;
                    let watched = Watched {
                        inode: id,
                        mask: kept,
                        _counted: counted,
                    };
                    state.insert(number, watched)?;
                    (number, kept)
                }
            }
        };
        let watch = observe::Watch {
            observer: self.observer(),
            number,
            owner: self.owner,
            wanted: Events::from_bits_truncate(wanted & IN_ALL_EVENTS),
        };
        if let Err(no_memory) = observe::watch(id, watch) {
            let gone = self.state.lock().remove(number);
            drop(gone);
            return Err(no_memory.into());
        }
        Ok(number)
    }

    /// Ends a watch; the reader is told that it is gone.
    ///
    /// # Errors
    /// EINVAL when there is none of that number.
    pub fn unwatch(&self, number: i32) -> Result<(), Errno> {
        let watched = {
            let mut state = self.state.lock();
            let watched = state.remove(number).ok_or(Errno::EINVAL)?;
            state.queue(number, IN_IGNORED, 0, &[]);
            self.readers.wake_all();
            watched
        };
        observe::unwatch(watched.inode, &self.observer(), number);
        Ok(())
    }
}

impl Observer for Inotify {
    fn tell(&self, number: i32, event: &Event<'_>) -> bool {
        let mut state = self.state.lock();
        let Some(mask) = state.watches.get(&number).map(|watched| watched.mask) else {
            return false;
        };
        if event.unlinked && !event.name.is_empty() && mask & IN_EXCL_UNLINK != 0 {
            return true;
        }
        state.queue(number, event.events.bits(), event.cookie, event.name);
        let ends = mask & IN_ONESHOT != 0;
        let gone = ends.then(|| state.remove(number));
        if ends {
            state.queue(number, IN_IGNORED, 0, &[]);
        }
        self.readers.wake_all();
        drop(state);
        drop(gone);
        !ends
    }

    fn gone(&self, number: i32, events: Events) {
        let mut state = self.state.lock();
        let Some(watched) = state.remove(number) else {
            return;
        };
        if events == Events::UNMOUNT || watched.mask & events.bits() != 0 {
            state.queue(number, events.bits(), 0, &[]);
        }
        state.queue(number, IN_IGNORED, 0, &[]);
        self.readers.wake_all();
    }
}

impl FileOperations for Inotify {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let mut state = self.state.lock();
        let mut count = 0;
        while let Some(event) = state.queue.front() {
            let length = event.length();
            if length > sink.room() {
                break;
            }
            match event.put(sink) {
                Ok(()) => {}
                Err(stop) if count == 0 => return Err(stop),
                Err(_) => return Ok(count),
            }
            count += length;
            state.bytes -= length;
            state.queue.pop_front();
        }
        if state.queue.is_empty() && state.overflow && sink.room() >= InotifyEvent::SIZE {
            let lost = Queued {
                number: -1,
                mask: IN_Q_OVERFLOW,
                cookie: 0,
                name: Vec::new(),
            };
            match lost.put(sink) {
                Ok(()) => {
                    state.overflow = false;
                    count += lost.length();
                }
                Err(stop) if count == 0 => return Err(stop),
                Err(_) => {}
            }
        }
        if count > 0 {
            return Ok(count);
        }
        if state.is_readable() {
            // There is no room for the first one.
            return Err(Errno::EINVAL.into());
        }
        cx.wait(|waiter| self.readers.enrol(waiter))
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        let ready = if state.is_readable() {
            PollEvents::READABLE & wanted
        } else {
            PollEvents::empty()
        };
        ready.or_enrol(waiter, &self.readers)
    }

    fn ioctl(
        &self,
        _cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        if request != FIONREAD {
            return Err(Stop::Error(Errno::ENOTTY));
        }
        let bytes = {
            let state = self.state.lock();
            state.bytes
                + if state.overflow {
                    InotifyEvent::SIZE
                } else {
                    0
                }
        };
        argument.put_length(bytes)
    }

    fn moves_values(&self) -> bool {
        true
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn released(&self) {
        let watches = core::mem::take(&mut self.state.lock().watches);
        let observer = self.observer();
        remains::for_each(watches.into_iter(), move |(number, watched)| {
            observe::unwatch(watched.inode, &observer, number);
        });
    }
}
