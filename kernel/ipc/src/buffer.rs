//! The bytes in a pipe, or on their way through one direction of a channel or a connection.

use abi::{Errno, PAGE_SIZE};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use fallible::{NoMemory, PushBack};
use wait::{Attempt, Sink, Source, Stop};

/// A queue of bytes in pages.
#[derive(Default)]
pub struct Buffer {
    pages: VecDeque<Page>,
    length: usize,
    /// A page that has been emptied, so that messages passed to and fro need no allocation.
    spare: Option<Page>,
}

/// A page of which the bytes from `start` up to `end` are in the queue.
struct Page {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Page {
    fn new() -> Result<Self, Errno> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(PAGE_SIZE)
            .map_err(|_| Errno::ENOMEM)?;
        bytes.resize(PAGE_SIZE, 0);
        Ok(Self {
            bytes,
            start: 0,
            end: 0,
        })
    }
}

impl Buffer {
    /// Bytes in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Moves bytes to `sink` until it is full or the queue is empty. After some have been put, a failure only
    /// ends the transfer.
    pub fn read(&mut self, sink: &mut dyn Sink) -> Attempt<usize> {
        let count = self.copy(sink, usize::MAX, false)?;
        self.discard(count);
        Ok(count)
    }

    /// Puts the first `limit` bytes, as far as there are so many and `sink` has room, and keeps them in the queue.
    /// When a `put` fails on the way, a `whole` transfer fails, and another answers what it has put.
    pub fn copy(&self, sink: &mut dyn Sink, limit: usize, whole: bool) -> Attempt<usize> {
        self.copy_behind(0, sink, limit, whole)
    }

    /// As [`Buffer::copy`], of the bytes behind the first `skipped`.
    pub fn copy_behind(
        &self,
        mut skipped: usize,
        sink: &mut dyn Sink,
        limit: usize,
        whole: bool,
    ) -> Attempt<usize> {
        let mut count = 0;
        for page in &self.pages {
            let start = page.start + skipped.min(page.end - page.start);
            skipped -= start - page.start;
            if start == page.end {
                continue;
            }
            let part = sink.room().min(limit - count).min(page.end - start);
            if part == 0 {
                break;
            }
            let bytes = page.bytes.get(start..start + part).unwrap_or_default();
            match sink.put(bytes) {
                Ok(()) => count += part,
                Err(_) if count > 0 && !whole => break,
                Err(stop) => return Err(stop),
            }
        }
        Ok(count)
    }

    /// Drops the first `count` bytes, or all when there are fewer.
    pub fn discard(&mut self, mut count: usize) {
        while let Some(page) = self.pages.front_mut() {
            let part = count.min(page.end - page.start);
            page.start += part;
            self.length -= part;
            count -= part;
            if page.start < page.end {
                break;
            }
            self.spare = self.pages.pop_front().map(|page| Page {
                start: 0,
                end: 0,
                ..page
            });
        }
    }

    /// Takes `wanted` bytes from `source`. When it fails on the way, an `atomic` transfer has done nothing, and
    /// another answers what it has done.
    pub fn write(
        &mut self,
        source: &mut dyn Source,
        wanted: usize,
        atomic: bool,
    ) -> Attempt<usize> {
        let (pages, end) = (
            self.pages.len(),
            self.pages.back().map_or(0, |page| page.end),
        );
        let mut count = 0;
        while count < wanted {
            match self.fill(source, wanted - count) {
                Ok(part) => count += part,
                Err(_) if count > 0 && !atomic => break,
                Err(stop) => {
                    self.pages.truncate(pages);
                    if let Some(page) = self.pages.back_mut() {
                        page.end = end;
                    }
                    return Err(stop);
                }
            }
        }
        self.length += count;
        Ok(count)
    }

    /// Takes the first `limit` bytes out, or all when there are fewer.
    ///
    /// # Errors
    /// ENOMEM; the queue is as it was.
    pub fn split_front(&mut self, limit: usize) -> Attempt<Buffer> {
        let mut front = Buffer::default();
        let wanted = limit.min(self.length);
        let (mut whole, mut bytes) = (0, 0);
        for page in &self.pages {
            if bytes + (page.end - page.start) > wanted {
                break;
            }
            bytes += page.end - page.start;
            whole += 1;
        }
        front.pages.try_reserve(whole + 1).map_err(NoMemory::from)?;
        let rest = wanted - bytes;
        if rest > 0 {
            let mut part = Page::new()?;
            let from = self.pages.get(whole).map_or(&[][..], |page| {
                page.bytes
                    .get(page.start..page.start + rest)
                    .unwrap_or_default()
            });
            for (place, byte) in part.bytes.iter_mut().zip(from) {
                *place = *byte;
            }
            part.end = from.len();
            front.pages.extend(self.pages.drain(..whole));
            front.pages.push_back(part);
            self.length -= bytes;
            self.discard(rest);
        } else {
            front.pages.extend(self.pages.drain(..whole));
            self.length -= bytes;
        }
        front.length = wanted;
        Ok(front)
    }

    /// Puts bytes that were taken out back to the front.
    ///
    /// They have left their places and nobody could be told that there is no memory: the list of pages grows from the reserve.
    pub fn put_front(&mut self, mut bytes: Buffer) {
        self.make_room(bytes.pages.len());
        while let Some(page) = bytes.pages.pop_back() {
            self.pages.push_front(page);
        }
        self.length += bytes.length;
    }

    /// Puts bytes at the end, as [`Buffer::put_front`] does.
    pub fn put_back(&mut self, mut bytes: Buffer) {
        self.make_room(bytes.pages.len());
        self.pages.append(&mut bytes.pages);
        self.length += bytes.length;
    }

    #[cfg_attr(
        target_os = "none",
        expect(
            clippy::disallowed_methods,
            reason = "the bytes have left their places, and nobody could be told"
        )
    )]
    fn make_room(&mut self, pages: usize) {
        fallible::assured(|| self.pages.reserve(pages));
    }

    /// Takes up to `wanted` bytes into the last page, or into a new one when that is full.
    fn fill(&mut self, source: &mut dyn Source, wanted: usize) -> Attempt<usize> {
        if self.pages.back().is_none_or(|page| page.end == PAGE_SIZE) {
            let page = match self.spare.take() {
                Some(page) => page,
                None => Page::new().map_err(Stop::Error)?,
            };
            self.pages.try_push_back(page)?;
        }
        let page = self.pages.back_mut().ok_or(Errno::ENOMEM)?;
        let part = wanted.min(PAGE_SIZE - page.end);
        let place = page
            .bytes
            .get_mut(page.end..page.end + part)
            .unwrap_or_default();
        let taken = source.take(place);
        if taken.is_err() && page.start == page.end {
            self.spare = self.pages.pop_back();
            taken?;
            return Ok(0);
        }
        taken?;
        page.end += part;
        Ok(part)
    }
}
