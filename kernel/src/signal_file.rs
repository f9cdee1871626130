//! Signals that are read from a file (`man 2 signalfd`).
//!
//! A file has a mask and nothing else: whoever reads takes its own pending signals, as `sigtimedwait` does.

use crate::current;
use crate::posix_timers;
use crate::thread::Thread;
use abi::Errno;
use abi::linux::{SI_TIMER, SignalFileInfo, SignalSet};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::NoMemory;
use vfs::{FileOperations, IoContext, Metadata};
use wait::{Attempt, PollEvents, Sink, Stop, Waiter};

/// Such a file.
pub struct SignalFile {
    mask: AtomicU64,
    metadata: Metadata,
}

impl SignalFile {
    /// A file of some signals; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(mask: SignalSet, metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        fallible::arc(Self {
            mask: AtomicU64::new(mask.difference(SignalSet::UNBLOCKABLE).0),
            metadata,
        })
    }

    /// Replaces the signals that can be read.
    pub fn set_mask(&self, mask: SignalSet) {
        let mask = mask.difference(SignalSet::UNBLOCKABLE);
        self.mask.store(mask.0, Ordering::Relaxed);
    }

    fn mask(&self) -> SignalSet {
        SignalSet(self.mask.load(Ordering::Relaxed))
    }

    /// Puts pending signals of a thread and its process, as many as there is room for.
    fn take(&self, cx: &IoContext<'_>, thread: &Thread, sink: &mut dyn Sink) -> Attempt<usize> {
        let mask = self.mask();
        let mut shared = thread.process.signals.lock();
        let mut count = 0;
        while sink.room() >= SignalFileInfo::SIZE {
            // It stays pending until the program has it: only this thread takes what is its own, and only with the lock
            // that is held what is the process's.
            let found = thread.signals.lock().pending.peek(mask);
            let own = found.is_some();
            let Some(mut info) = found.or_else(|| shared.pending.peek(mask)) else {
                break;
            };
            if info.code == SI_TIMER {
                // A timer's lock is not taken with that of the signals.
                drop(shared);
                posix_timers::delivered(&thread.process, &mut info);
                shared = thread.process.signals.lock();
                let still = if own {
                    thread.signals.lock().pending.peek(mask)
                } else {
                    shared.pending.peek(mask)
                };
                if still.is_none_or(|still| still.signal != info.signal) {
                    continue;
                }
            }
            match sink.put(&SignalFileInfo::from(&info).encode()) {
                Ok(()) => {}
                Err(stop) if count == 0 => return Err(stop),
                Err(_) => break,
            }
            if own {
                thread.signals.lock().pending.take(mask);
            } else {
                shared.pending.take(mask);
            }
            count += SignalFileInfo::SIZE;
        }
        if count == 0 {
            let readers = &thread.process.signal_readers;
            return cx.wait(|waiter| readers.enrol(waiter));
        }
        Ok(count)
    }
}

impl FileOperations for SignalFile {
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        if sink.room() < SignalFileInfo::SIZE {
            return Err(Errno::EINVAL.into());
        }
        let thread = current::thread().ok_or(Stop::Error(Errno::ESRCH))?;
        self.take(cx, &thread, sink)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let Some(thread) = current::thread() else {
            return PollEvents::empty();
        };
        let shared = thread.process.signals.lock();
        let pending = shared
            .pending
            .set()
            .union(thread.signals.lock().pending.set());
        let ready = if pending.intersection(self.mask()).is_empty() {
            PollEvents::empty()
        } else {
            PollEvents::READABLE & wanted
        };
        ready.or_enrol(waiter, &thread.process.signal_readers)
    }

    fn moves_values(&self) -> bool {
        true
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }
}
