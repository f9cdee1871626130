//! Counters of events (`man 2 eventfd`).

use abi::Errno;
use alloc::sync::Arc;
use fallible::NoMemory;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata};
use wait::{Attempt, PollEvents, Sink, Source, WaitQueue, Waiter};

/// A 64-bit count that writers add to and readers take from, and that threads can wait for.
///
/// The count is at most [`EventCounter::MAX`]: a write that would exceed it waits for a reader.
pub struct EventCounter {
    count: SpinLock<u64>,
    /// Those that wait for a count above 0, or for readiness.
    readers: WaitQueue,
    /// Those that wait for room, or for readiness.
    writers: WaitQueue,
    /// Whether a read takes 1 instead of the whole count (EFD_SEMAPHORE).
    semaphore: bool,
    metadata: Metadata,
}

impl EventCounter {
    /// The greatest count.
    pub const MAX: u64 = u64::MAX - 1;
    /// Bytes of the value that is read and written.
    const SIZE: usize = size_of::<u64>();

    /// A counter that begins at `count`; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(count: u32, semaphore: bool, metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        fallible::arc(Self {
            count: SpinLock::new(Rank::Stream, u64::from(count)),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            semaphore,
            metadata,
        })
    }
}

impl FileOperations for EventCounter {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        if sink.room() < Self::SIZE {
            return Err(Errno::EINVAL.into());
        }
        let mut count = self.count.lock();
        if *count == 0 {
            return cx.wait(|waiter| self.readers.enrol(waiter));
        }
        let taken = if self.semaphore { 1 } else { *count };
        sink.put(&taken.to_le_bytes())?;
        *count -= taken;
        self.writers.wake_all();
        Ok(Self::SIZE)
    }

    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        // Longer is accepted, and what is behind the value is not looked at.
        if source.remaining() < Self::SIZE {
            return Err(Errno::EINVAL.into());
        }
        let mut count = self.count.lock();
        // A call that has to wait is run again from the start with a source of its own, so nothing is lost here.
        let mut bytes = [0; Self::SIZE];
        source.take(&mut bytes)?;
        let added = u64::from_le_bytes(bytes);
        if added > Self::MAX {
            return Err(Errno::EINVAL.into());
        }
        if added > Self::MAX - *count {
            return cx.wait(|waiter| self.writers.enrol(waiter));
        }
        *count += added;
        if *count > 0 {
            self.readers.wake_all();
        }
        Ok(Self::SIZE)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let count = self.count.lock();
        let mut ready = PollEvents::empty();
        if *count > 0 {
            ready |= PollEvents::READABLE;
        }
        if *count < Self::MAX {
            ready |= PollEvents::WRITABLE;
        }
        ready &= wanted | PollEvents::ALWAYS;
        ready.or_enrol_for(wanted, waiter, &self.readers, &self.writers)
    }

    fn moves_values(&self) -> bool {
        true
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }
}

#[cfg(test)]
mod tests;
