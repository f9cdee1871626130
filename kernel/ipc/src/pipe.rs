//! Pipes (`man 7 pipe`) and fifos (`man 7 fifo`).

mod passage;

pub use passage::{Claim, Collector, Room};

use crate::buffer::Buffer;
use abi::linux::FIONREAD;
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use fallible::NoMemory;
use remains::Work;
use security::Privileges;
use sync::{Rank, SpinLock};
use vfs::{Access, FileOperations, IoContext, IoctlArgument, Metadata};
use wait::{Attempt, PollEvents, Present, Sink, Source, Stop, WaitQueue, Waiter};

/// A queue of bytes between writers and readers.
///
/// Bytes are kept in pages that are allocated when they are written and freed when they have been read, so that
/// an idle pipe costs nothing. Writes of up to [`Pipe::ATOMIC`] bytes are not mixed with others'. Longer ones
/// are taken in parts: `write` answers how much was stored, and a blocking caller calls again with the rest.
pub struct Pipe {
    state: SpinLock<State>,
    /// Those that wait for bytes, for the end of file, or for readiness.
    readers: WaitQueue,
    /// Those that wait for room, or for readiness.
    writers: WaitQueue,
    /// Those that wait for a writer in `open`.
    opening_readers: WaitQueue,
    /// Those that wait for a reader in `open`.
    opening_writers: WaitQueue,
}

struct State {
    buffer: Buffer,
    capacity: usize,
    readers: Ends,
    writers: Ends,
    /// Whether there has been a writer since the pipe was last without any end: no hang-up before that.
    had_writer: bool,
    /// Bytes that have been taken out and may come back, and room that is promised.
    claimed: usize,
}

/// Open ends of one kind.
#[derive(Default)]
struct Ends {
    open: usize,
    /// Openers of a fifo that the other side has let in, and that have yet to run again. They count as open,
    /// so that the other side may come, write and go in between. One that is killed instead of running again
    /// leaves its admission to the next opener.
    admitted: usize,
}

impl Ends {
    fn present(&self) -> bool {
        self.open + self.admitted > 0
    }
}

/// One end of a pipe, or both ends of a fifo opened for reading and writing.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    access: Access,
    metadata: Option<Metadata>,
}

/// Lets those in who wait in their open for the other side.
struct Admission {
    pipe: Arc<Pipe>,
    side: Access,
    present: Present,
}

impl Admission {
    fn to(pipe: &Arc<Pipe>, side: Access) -> Self {
        let present = Present::default();
        let pipe = pipe.clone();
        Self {
            pipe,
            side,
            present,
        }
    }

    /// Lets as many in as may be woken at once; answers whether there may be more.
    fn go_on(&mut self, state: &mut State) -> bool {
        let (queue, ends) = if self.side == Access::READ {
            (&self.pipe.opening_readers, &mut state.readers)
        } else {
            (&self.pipe.opening_writers, &mut state.writers)
        };
        while let Some((waiter, _)) = queue.take_present(&mut self.present, |_| true) {
            ends.admitted += usize::from(waiter.wake(None));
            if !remains::may_go_on() {
                return true;
            }
        }
        false
    }
}

impl Work for Admission {
    fn step(&mut self) -> bool {
        let pipe = self.pipe.clone();
        let mut state = pipe.state.lock();
        self.go_on(&mut state)
    }
}

impl Default for Pipe {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipe {
    /// Writes of up to this many bytes are atomic (`PIPE_BUF`).
    pub const ATOMIC: usize = 4096;
    /// Bytes that a new pipe holds.
    pub const CAPACITY: usize = 65_536;
    /// Bytes that a pipe can be made to hold without privilege (`/proc/sys/fs/pipe-max-size`).
    pub const CAPACITY_MAX: usize = 1 << 20;
    /// Bytes that any pipe can be made to hold.
    const CAPACITY_LIMIT: usize = 1 << 31;

    /// A pipe without ends.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            buffer: Buffer::default(),
            capacity: Self::CAPACITY,
            readers: Ends::default(),
            writers: Ends::default(),
            had_writer: false,
            claimed: 0,
        };
        Self {
            state: SpinLock::new(Rank::Stream, state),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            opening_readers: WaitQueue::new(),
            opening_writers: WaitQueue::new(),
        }
    }

    /// The two ends of a new pipe, for reading and for writing (`man 2 pipe`); `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn pair(metadata: Metadata) -> Result<(Arc<PipeEnd>, Arc<PipeEnd>), NoMemory> {
        let pipe = fallible::arc(Self::new())?;
        let end = |access| {
            fallible::arc(PipeEnd {
                pipe: pipe.clone(),
                access,
                metadata: Some(metadata),
            })
        };
        Ok((end(Access::READ)?, end(Access::WRITE)?))
    }

    /// Opens a fifo whose pipe this is (`man 7 fifo`). The end counts once it is in an open file.
    ///
    /// Whoever owns the pipe keeps it while openers wait, so the inode must hold it strongly.
    ///
    /// # Errors
    /// ENXIO for a non-blocking writer without reader; EINVAL when `access` is empty; [`Stop::Park`] until
    /// there is somebody at the other side.
    pub fn open_fifo(
        self: &Arc<Self>,
        cx: &IoContext<'_>,
        access: Access,
    ) -> Attempt<Arc<PipeEnd>> {
        let end = fallible::arc(PipeEnd {
            pipe: self.clone(),
            access,
            metadata: None,
        })?;
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (reads, writes) = (
            access.contains(Access::READ),
            access.contains(Access::WRITE),
        );
        if !reads && !writes {
            return Err(Errno::EINVAL.into());
        }
        // Those of the other side that wait in their own open are let in, and count from now on.
        for (side, here) in [(Access::READ, writes), (Access::WRITE, reads)] {
            let mut admission = Admission::to(self, side);
            if here && admission.go_on(state) {
                remains::leave(admission);
            }
        }
        if !writes
            && !take_one(&mut state.readers.admitted)
            && !state.writers.present()
            && !cx.nonblocking
        {
            return cx.wait(|waiter| self.opening_readers.enrol(waiter));
        }
        if !reads && !take_one(&mut state.writers.admitted) && !state.readers.present() {
            if cx.nonblocking {
                return Err(Errno::ENXIO.into());
            }
            return cx.wait(|waiter| self.opening_writers.enrol(waiter));
        }
        state.had_writer |= writes;
        drop(guard);
        Ok(end)
    }

    /// How many bytes the pipe can hold (`F_GETPIPE_SZ`).
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.state.lock().capacity
    }

    /// Changes how many bytes the pipe can hold, rounded up to a power of two of at least a page
    /// (`F_SETPIPE_SZ`); answers what it became.
    ///
    /// # Errors
    /// EBUSY when it holds more; EPERM above [`Pipe::CAPACITY_MAX`] without [`Privileges::LIMITS`]; EINVAL
    /// for what cannot be rounded up.
    pub fn set_capacity(&self, cx: &IoContext<'_>, bytes: usize) -> Result<usize, Errno> {
        if bytes > Self::CAPACITY_LIMIT {
            return Err(Errno::EINVAL);
        }
        let capacity = bytes.max(PAGE_SIZE).next_power_of_two();
        if capacity > Self::CAPACITY_MAX {
            cx.credential.require(Privileges::LIMITS)?;
        }
        let mut state = self.state.lock();
        if state.buffer.len() + state.claimed > capacity {
            return Err(Errno::EBUSY);
        }
        state.capacity = capacity;
        self.writers.wake_all();
        Ok(capacity)
    }

    fn read(&self, cx: &IoContext<'_>, sink: &mut dyn Sink) -> Attempt<usize> {
        if sink.room() == 0 {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if state.buffer.is_empty() {
            if !state.may_fill() {
                return Ok(0);
            }
            return cx.wait(|waiter| self.readers.enrol(waiter));
        }
        let was_writable = state.writable();
        let count = state.buffer.read(sink)?;
        if !was_writable && state.writable() {
            self.writers.wake_all();
        }
        Ok(count)
    }

    fn write(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<usize> {
        let wanted = source.remaining();
        if wanted == 0 {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if !state.readers.present() {
            return Err(Errno::EPIPE.into());
        }
        let room = state.room();
        // A blocking writer of more waits for a page's worth, so that a slow reader does not wake it for every byte.
        let enough = if wanted <= Self::ATOMIC {
            wanted
        } else if cx.nonblocking {
            1
        } else {
            Self::ATOMIC
        };
        if room < enough {
            return cx.wait(|waiter| self.writers.enrol(waiter));
        }
        let count = state
            .buffer
            .write(source, wanted.min(room), wanted <= Self::ATOMIC)?;
        // Whoever watches for changes learns of every write, not of the first alone.
        self.readers.wake_all();
        Ok(count)
    }

    fn poll(&self, access: Access, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        let mut ready = PollEvents::empty();
        if access.contains(Access::READ) {
            if !state.buffer.is_empty() {
                ready |= PollEvents::READABLE;
            }
            if !state.writers.present() && state.had_writer {
                ready |= PollEvents::HUP;
            }
        }
        if access.contains(Access::WRITE) {
            if state.writable() {
                ready |= PollEvents::WRITABLE;
            }
            if !state.readers.present() {
                ready |= PollEvents::ERR;
            }
        }
        ready &= wanted | PollEvents::ALWAYS;
        if let Some(waiter) = ready.to_enrol(waiter) {
            if access.contains(Access::READ) {
                self.readers.enrol(waiter);
            }
            if access.contains(Access::WRITE) {
                self.writers.enrol(waiter);
            }
        }
        ready
    }

    fn opened(&self, access: Access) {
        let mut state = self.state.lock();
        if access.contains(Access::READ) {
            state.readers.open += 1;
        }
        if access.contains(Access::WRITE) {
            state.writers.open += 1;
            state.had_writer = true;
        }
    }

    fn released(&self, access: Access) {
        let mut state = self.state.lock();
        if access.contains(Access::READ) {
            state.readers.open = state.readers.open.saturating_sub(1);
        }
        if access.contains(Access::WRITE) {
            state.writers.open = state.writers.open.saturating_sub(1);
        }
        if !state.readers.present() {
            self.writers.wake_all();
        }
        if !state.writers.present() {
            self.readers.wake_all();
        }
        if !state.readers.present() && !state.writers.present() {
            state.buffer = Buffer::default();
            state.had_writer = false;
        }
    }
}

impl State {
    /// Whether any atomic write fits: what `poll` calls writable.
    fn writable(&self) -> bool {
        self.room() >= Pipe::ATOMIC
    }

    fn room(&self) -> usize {
        self.capacity
            .saturating_sub(self.buffer.len() + self.claimed)
    }

    /// Whether there may be more bytes than there are.
    fn may_fill(&self) -> bool {
        self.writers.present() || self.claimed > 0
    }
}

fn take_one(count: &mut usize) -> bool {
    let some = *count > 0;
    *count -= usize::from(some);
    some
}

impl PipeEnd {
    /// The pipe whose end it is.
    #[must_use]
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }
}

impl FileOperations for PipeEnd {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        self.pipe.read(cx, sink)
    }

    /// Stores bytes and answers how many; EPIPE, upon which the caller raises SIGPIPE, when there is no reader.
    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        self.pipe.write(cx, source)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        self.pipe.poll(self.access, wanted, waiter)
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
        let length = self.pipe.state.lock().buffer.len();
        argument.put_length(length)
    }

    fn metadata(&self) -> Option<Metadata> {
        self.metadata
    }

    fn opened(&self) {
        self.pipe.opened(self.access);
    }

    fn released(&self) {
        self.pipe.released(self.access);
    }
}

#[cfg(test)]
mod tests;
