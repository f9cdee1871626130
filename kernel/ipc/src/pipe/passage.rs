//! Moving bytes between a pipe and another file (`man 2 splice`).
//!
//! The other file has a lock of its own, so the pipe's is not held while it works. What is on its way is
//! claimed: bytes taken out count as being in the pipe until it is known what has become of them, and what could not be
//! delivered goes back to the front; room that is promised is not given to anybody else.

use super::Pipe;
use crate::Buffer;
use abi::Errno;
use vfs::IoContext;
use wait::{Attempt, Sink, Stop};

/// Bytes on their way out of a pipe, to be [`settled`](Pipe::settle).
pub struct Claim {
    /// The bytes.
    pub bytes: Buffer,
    length: usize,
}

/// Room for bytes on their way into a pipe, to be [`filled`](Pipe::fill).
pub struct Room(usize);

impl Room {
    /// How many bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
    }
}

impl Pipe {
    /// Takes up to `limit` bytes out; none at the end of the file.
    ///
    /// # Errors
    /// EAGAIN, [`Stop::Park`] until there are some.
    pub fn claim(&self, cx: &IoContext<'_>, limit: usize) -> Attempt<Claim> {
        let mut state = self.state.lock();
        if state.buffer.is_empty() && state.may_fill() {
            return cx.wait(|waiter| self.readers.enrol(waiter));
        }
        let bytes = state.buffer.split_front(limit)?;
        let length = bytes.len();
        state.claimed += length;
        Ok(Claim { bytes, length })
    }

    /// Ends a claim: what is left of its bytes goes back to the front.
    pub fn settle(&self, claim: Claim) {
        let mut state = self.state.lock();
        state.claimed -= claim.length;
        let moved = claim.bytes.len() < claim.length;
        let left = !claim.bytes.is_empty();
        if state.readers.present() {
            state.buffer.put_front(claim.bytes);
        }
        if moved && state.writable() {
            self.writers.wake_all();
        }
        // Who has found the pipe empty looks again: there are bytes, or there will be none.
        if left || !state.may_fill() {
            self.readers.wake_all();
        }
    }

    /// Promises room for up to `limit` bytes.
    ///
    /// # Errors
    /// EPIPE without a reader, EAGAIN, [`Stop::Park`] until there is room.
    pub fn reserve(&self, cx: &IoContext<'_>, limit: usize) -> Attempt<Room> {
        let mut state = self.state.lock();
        if !state.readers.present() {
            return Err(Errno::EPIPE.into());
        }
        let room = state.room().min(limit);
        if room == 0 {
            return cx.wait(|waiter| self.writers.enrol(waiter));
        }
        state.claimed += room;
        Ok(Room(room))
    }

    /// Puts bytes into promised room, as many as there are; the rest of the room is free again.
    pub fn fill(&self, room: Room, bytes: Buffer) {
        let mut state = self.state.lock();
        state.claimed -= room.0;
        let some = !bytes.is_empty();
        if state.readers.present() {
            state.buffer.put_back(bytes);
        }
        if some || !state.may_fill() {
            self.readers.wake_all();
        }
        if state.writable() {
            self.writers.wake_all();
        }
    }

    /// Copies up to `limit` bytes and leaves them where they are; none at the end of the file.
    ///
    /// # Errors
    /// EAGAIN, [`Stop::Park`] until there are some, what the sink says.
    pub fn copy(&self, cx: &IoContext<'_>, sink: &mut dyn Sink, limit: usize) -> Attempt<usize> {
        let state = self.state.lock();
        if state.buffer.is_empty() && state.may_fill() {
            return cx.wait(|waiter| self.readers.enrol(waiter));
        }
        state.buffer.copy(sink, limit, false)
    }
}

/// A sink that keeps what is put into it, up to a limit.
pub struct Collector {
    /// What it has.
    pub bytes: Buffer,
    room: usize,
}

impl Collector {
    /// An empty one.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            bytes: Buffer::default(),
            room,
        }
    }
}

impl Sink for Collector {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        if bytes.len() > self.room {
            return Err(Stop::Error(Errno::EFAULT));
        }
        let source = &mut wait::SliceSource::new(bytes);
        self.bytes.write(source, bytes.len(), true)?;
        self.room -= bytes.len();
        Ok(())
    }
}
