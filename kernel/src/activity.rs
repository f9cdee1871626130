//! What threads have done, counted: how often they have left a CPU (`man 2 getrusage`), and what they have read and written
//! (`man 5 proc`, `/proc/PID/io`).
//!
//! Only the CPU that runs a thread counts for it, before it gives the thread away: so counting is a load and a store. Others
//! see each number as it was at some moment.

use core::sync::atomic::{AtomicU64, Ordering};
use sched::Reason;

/// A number that only one CPU at a time changes.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, more: u64) {
        let now = self.get().wrapping_add(more);
        self.0.store(now, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one thread has done.
#[derive(Default)]
pub struct Activity {
    waits: Count,
    preemptions: Count,
    reads: Count,
    writes: Count,
    bytes_read: Count,
    bytes_written: Count,
}

/// What a thread, or all threads of a process, have done up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// How often it left a CPU to wait.
    pub waits: u64,
    /// How often it left one though it could have gone on: it was taken off, or gave way, which Linux counts so too.
    pub preemptions: u64,
    /// Calls of the family of `read` that have come to an end.
    pub reads: u64,
    /// The same of `write`.
    pub writes: u64,
    /// Bytes that those have read.
    pub bytes_read: u64,
    /// Bytes that those have written.
    pub bytes_written: u64,
}

impl Activity {
    /// It is about to leave its CPU.
    pub fn leaves(&self, reason: Reason) {
        match reason {
            Reason::Blocked => self.waits.add(1),
            Reason::Preempted | Reason::Yielded => self.preemptions.add(1),
            Reason::Exited => {}
        }
    }

    /// It has read so many bytes.
    pub fn has_read(&self, bytes: u64) {
        self.reads.add(1);
        self.bytes_read.add(bytes);
    }

    /// It has written so many bytes.
    pub fn has_written(&self, bytes: u64) {
        self.writes.add(1);
        self.bytes_written.add(bytes);
    }

    /// All of it.
    pub fn deeds(&self) -> Deeds {
        Deeds {
            waits: self.waits.get(),
            preemptions: self.preemptions.get(),
            reads: self.reads.get(),
            writes: self.writes.get(),
            bytes_read: self.bytes_read.get(),
            bytes_written: self.bytes_written.get(),
        }
    }
}

impl core::ops::AddAssign for Deeds {
    fn add_assign(&mut self, other: Self) {
        self.waits += other.waits;
        self.preemptions += other.preemptions;
        self.reads += other.reads;
        self.writes += other.writes;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
    }
}
