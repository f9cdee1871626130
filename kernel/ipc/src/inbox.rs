//! What waits to be received: bytes or records, with what goes with them.

use crate::buffer::Buffer;
use crate::channel::Received;
use abi::{Errno, Nanos, Pid};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::OpenFile;
use wait::{Attempt, Sink, Source};

/// The name of a socket (`man 7 unix`, "Address format"): a path with its NUL, or an abstract name, which begins with one.
pub type Name = Arc<[u8]>;

/// The process at the other end, as it was when it connected or sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its global number.
    pub pid: Pid,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What goes with a message besides its bytes (`man 7 unix`, "Ancillary messages").
#[derive(Clone, Default)]
pub struct Ancillary {
    /// Files that the receiver gets descriptors of.
    pub files: Vec<Arc<OpenFile>>,
    /// Who has sent it.
    pub sender: Option<Sender>,
    /// The name of the socket that it was sent from.
    pub from: Option<Name>,
    /// When it was sent, by the wall clock, for a receiver that wants to know.
    pub at: Option<Nanos>,
}

impl Ancillary {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.sender.is_none() && self.from.is_none() && self.at.is_none()
    }
}

/// What a record occupies besides its bytes, so that empty ones are not free.
pub const RECORD_COST: usize = 32;

/// What a file occupies that goes with a message.
const FILE_COST: usize = 64;

/// What waits to be received. What is taken out may be the last reference to a file, and is dropped without a lock.
#[derive(Default)]
pub struct Inbox {
    bytes: Buffer,
    /// None for a stream.
    records: VecDeque<Record>,
    /// Where in a stream there is more than bytes.
    marks: VecDeque<Mark>,
    /// Bytes of the stream that have been received.
    received: u64,
    /// Files that have been put in and not been taken out.
    files: usize,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        /// So many files go at once.
        const AT_ONCE: usize = 32;
        if self.files > AT_ONCE {
            let records = core::mem::take(&mut self.records).into_iter();
            let marks = core::mem::take(&mut self.marks).into_iter();
            let ancillary = records
                .map(|record| record.ancillary)
                .chain(marks.map(|mark| mark.ancillary));
            remains::for_each(ancillary.flat_map(|ancillary| ancillary.files), drop);
        }
    }
}

struct Record {
    length: usize,
    ancillary: Ancillary,
}

/// From the first byte of a message on a stream to the byte after its last.
struct Mark {
    start: u64,
    end: u64,
    ancillary: Ancillary,
}

impl Inbox {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.records.is_empty()
    }

    pub fn used(&self) -> usize {
        self.bytes.len() + self.records.len() * RECORD_COST + self.files * FILE_COST
    }

    /// Adds the files that wait to others.
    pub fn carried(&self, into: &mut Vec<Arc<OpenFile>>) -> Result<(), Errno> {
        let records = self.records.iter().map(|record| &record.ancillary);
        let marks = self.marks.iter().map(|mark| &mark.ancillary);
        for ancillary in records.chain(marks) {
            into.try_reserve(ancillary.files.len())
                .map_err(|_| Errno::ENOMEM)?;
            into.extend(ancillary.files.iter().cloned());
        }
        Ok(())
    }

    /// Bytes of a stream, or of the first record.
    pub fn next_length(&self) -> usize {
        let first = self.records.front().map(|record| record.length);
        first.unwrap_or_else(|| self.bytes.len())
    }

    /// Takes all of `source` as one record, or nothing.
    pub fn put_record(
        &mut self,
        source: &mut dyn Source,
        ancillary: &mut Ancillary,
    ) -> Attempt<usize> {
        self.records.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let wanted = source.remaining();
        let length = self.bytes.write(source, wanted, true)?;
        let ancillary = core::mem::take(ancillary);
        self.files += ancillary.files.len();
        self.records.push_back(Record { length, ancillary });
        Ok(length)
    }

    /// Takes at most `limit` bytes of `source` into a stream.
    pub fn put_bytes(
        &mut self,
        source: &mut dyn Source,
        limit: usize,
        ancillary: &mut Ancillary,
    ) -> Attempt<usize> {
        let marked = !ancillary.is_empty();
        if marked {
            self.marks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        }
        let start = self.received + self.bytes.len() as u64;
        let count = self.bytes.write(source, limit, false)?;
        if marked {
            self.files += ancillary.files.len();
            self.marks.push_back(Mark {
                start,
                end: start + count as u64,
                ancillary: core::mem::take(ancillary),
            });
        }
        Ok(count)
    }

    /// Puts the first record or, of a stream, bytes into `sink`, and what goes with them into `ancillary`; all stays when
    /// `peek` is asked for. Of a stream nothing is taken beyond a message with which something goes.
    pub fn take(
        &mut self,
        sink: &mut dyn Sink,
        peek: bool,
        ancillary: &mut Ancillary,
    ) -> Attempt<Received> {
        if let Some(record) = self.records.front_mut() {
            let length = record.length;
            let count = self.bytes.copy(sink, length, true)?;
            if peek {
                *ancillary = record.ancillary.clone();
            } else {
                *ancillary = core::mem::take(&mut record.ancillary);
                self.files -= ancillary.files.len();
                self.bytes.discard(length);
                self.records.pop_front();
            }
            return Ok(Received { count, length });
        }
        let mark = self.marks.front_mut();
        let limit = mark
            .as_ref()
            .map_or(usize::MAX, |mark| (mark.end - self.received) as usize);
        let count = self.bytes.copy(sink, limit, false)?;
        let to = self.received + count as u64;
        if let Some(mark) = mark.filter(|mark| mark.start < to) {
            if peek {
                *ancillary = mark.ancillary.clone();
            } else {
                *ancillary = core::mem::take(&mut mark.ancillary);
                self.files -= ancillary.files.len();
            }
        }
        if !peek {
            self.bytes.discard(count);
            self.received = to;
            if self.marks.front().is_some_and(|mark| mark.end <= to) {
                self.marks.pop_front();
            }
        }
        Ok(Received {
            count,
            length: count,
        })
    }
}
