//! The tagged error-log ring.
//!
//! What the system has to tell its administrator is kept here, newest last, a bounded number of entries:
//! a new one pushes out the oldest. Each entry carries the tag of the partition that it is about, so that a
//! partition can be shown its own and Global all. The ring never allocates after it is made but for the text
//! of an entry, and never takes another lock.
//!
//! Lock: the kernel wraps an [`ErrorLog`] in a lock of rank `Log`, which may be taken under any but those of the
//! allocators.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::{Cid, Nanos};
use alloc::collections::VecDeque;
use alloc::string::String;

/// How much an entry matters, as `errpt` will show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something that an administrator may want to know.
    Information,
    /// Something that was refused or worked around.
    Temporary,
    /// A function or guarantee that is lost until somebody acts.
    Permanent,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Ascending number; gaps show entries that were pushed out.
    pub sequence: u64,
    /// Time since boot.
    pub time: Nanos,
    /// The partition that it is about.
    pub cid: Cid,
    /// How much it matters.
    pub severity: Severity,
    /// The part of the kernel that speaks: `sched`, `memory`, `call`.
    pub resource: &'static str,
    /// One line of text.
    pub text: String,
}

/// The ring.
#[derive(Debug)]
pub struct ErrorLog {
    entries: VecDeque<Entry>,
    capacity: usize,
    next: u64,
}

impl ErrorLog {
    /// A ring that keeps the newest `capacity` entries; holds no memory until the first.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
            next: 1,
        }
    }

    /// Appends an entry and answers its number. Without memory for it the number stays a gap.
    pub fn append(
        &mut self,
        time: Nanos,
        cid: Cid,
        severity: Severity,
        resource: &'static str,
        text: String,
    ) -> u64 {
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        let sequence = self.next;
        self.next += 1;
        let entry = Entry {
            sequence,
            time,
            cid,
            severity,
            resource,
            text,
        };
        if self.entries.try_reserve(1).is_ok() {
            self.entries.push_back(entry);
        }
        sequence
    }

    /// The entries that an environment may see, oldest first: Global sees all.
    pub fn seen_by(&self, cid: Cid) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| cid.is_global() || entry.cid == cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn log_of(cids: &[u16]) -> ErrorLog {
        let mut log = ErrorLog::new(3);
        for cid in cids {
            log.append(
                Nanos(0),
                Cid(*cid),
                Severity::Information,
                "test",
                String::new(),
            );
        }
        log
    }

    #[test]
    fn the_newest_entries_are_kept_and_numbered_through() {
        let sequences: Vec<u64> = log_of(&[1, 2, 3, 4, 5])
            .seen_by(Cid::GLOBAL)
            .map(|entry| entry.sequence)
            .collect();
        assert_eq!(sequences, [3, 4, 5]);
    }

    #[test]
    fn a_partition_sees_its_own_entries_only() {
        assert_eq!(log_of(&[1, 2, 1]).seen_by(Cid(1)).count(), 2);
        assert_eq!(log_of(&[1, 2, 1]).seen_by(Cid(3)).count(), 0);
    }
}
