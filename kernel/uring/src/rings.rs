//! The two queues.

use crate::layout::{Layout, word};
use abi::linux::{
    IORING_CQ_EVENTFD_DISABLED, IORING_OFF_CQ_RING, IORING_OFF_SQES, IORING_SQ_CQ_OVERFLOW,
    UringCompletion, UringEntry,
};
use abi::{Cid, PAGE_SHIFT, PAGE_SIZE};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, Ordering};
use fallible::{NoMemory, PushBack};
use memory::{Frame, Kind, PageError, PageSource};

/// The pages of both rings and of the entries, as a program maps them.
pub struct RingPages {
    rings: Vec<Frame>,
    entries: Vec<Frame>,
}

impl PageSource for RingPages {
    fn page(&self, index: u64, _for_write: bool) -> Result<Frame, PageError> {
        const COMPLETIONS: u64 = IORING_OFF_CQ_RING >> PAGE_SHIFT;
        const ENTRIES: u64 = IORING_OFF_SQES >> PAGE_SHIFT;
        let (pages, index) = match index {
            ENTRIES.. => (&self.entries, index - ENTRIES),
            COMPLETIONS.. => (&self.rings, index - COMPLETIONS),
            _ => (&self.rings, index),
        };
        let frame = usize::try_from(index).ok().and_then(|at| pages.get(at));
        frame.cloned().ok_or(PageError::BeyondEnd)
    }

    fn dirtied(&self, _index: u64) {}
}

/// What stands next in the submission ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// An entry.
    Entry(UringEntry),
    /// The place of an entry that is not there: it is counted and passed over.
    Nothing,
}

/// Both rings.
pub struct Rings {
    layout: Layout,
    pages: Arc<RingPages>,
    /// Entries taken so far.
    head: u32,
    /// Entries that were none.
    dropped: u32,
    /// Completions put so far.
    tail: u32,
    /// Completions that were lost.
    lost: u32,
    /// Completions for which there was no place.
    kept: VecDeque<UringCompletion>,
}

impl Rings {
    /// Empty rings, in memory that `owner` pays for.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(owner: Cid, layout: Layout) -> Result<Self, NoMemory> {
        let frames = |count| -> Result<Vec<Frame>, NoMemory> {
            let mut frames = fallible::list(count)?;
            for _ in 0..count {
                frames.push(Frame::allocate(owner, Kind::Anonymous).map_err(|_| NoMemory)?);
            }
            Ok(frames)
        };
        let pages = fallible::arc(RingPages {
            rings: frames(layout.ring_pages())?,
            entries: frames(layout.entry_pages())?,
        })?;
        let rings = Self {
            layout,
            pages,
            head: 0,
            dropped: 0,
            tail: 0,
            lost: 0,
            kept: VecDeque::new(),
        };
        rings.show(word::SUBMISSION_MASK, layout.entries - 1);
        rings.show(word::SUBMISSION_ENTRIES, layout.entries);
        rings.show(word::COMPLETION_MASK, layout.completions - 1);
        rings.show(word::COMPLETION_ENTRIES, layout.completions);
        Ok(rings)
    }

    /// What a program maps.
    #[must_use]
    pub fn pages(&self) -> &Arc<RingPages> {
        &self.pages
    }

    /// Their sizes.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    fn word(&self, offset: u32) -> Option<&AtomicU32> {
        let frame = self.pages.rings.get(offset as usize / PAGE_SIZE)?;
        frame.word(offset as usize % PAGE_SIZE)
    }

    fn load(&self, offset: u32, ordering: Ordering) -> u32 {
        self.word(offset).map_or(0, |word| word.load(ordering))
    }

    /// Stores what the program is to see, and never what the kernel believes.
    fn show(&self, offset: u32, value: u32) {
        if let Some(word) = self.word(offset) {
            word.store(value, Release);
        }
    }

    /// How many entries the program says that it has put and the kernel has not taken.
    #[must_use]
    pub fn submitted(&self) -> u32 {
        let tail = self.load(word::SUBMISSION_TAIL, Acquire);
        tail.wrapping_sub(self.head).min(self.layout.entries)
    }

    /// Takes the next entry.
    pub fn take(&mut self) -> Option<Taken> {
        if self.submitted() == 0 {
            return None;
        }
        let place = self.head & (self.layout.entries - 1);
        let index = self.load(
            self.layout.array() + place * size_of::<u32>() as u32,
            Relaxed,
        );
        let taken = if index < self.layout.entries {
            self.entry(index)
        } else {
            None
        };
        self.head = self.head.wrapping_add(1);
        self.show(word::SUBMISSION_HEAD, self.head);
        Some(match taken {
            Some(entry) => Taken::Entry(entry),
            None => {
                self.dropped = self.dropped.wrapping_add(1);
                self.show(word::DROPPED, self.dropped);
                Taken::Nothing
            }
        })
    }

    fn entry(&self, index: u32) -> Option<UringEntry> {
        let at = index as usize * UringEntry::SIZE;
        let frame = self.pages.entries.get(at / PAGE_SIZE)?;
        let mut bytes = [0; UringEntry::SIZE];
        frame.read(at % PAGE_SIZE, &mut bytes);
        Some(UringEntry::decode(&bytes))
    }

    /// Completions that the program has not taken, as far as it tells the truth.
    fn untaken(&self) -> u32 {
        let head = self.load(word::COMPLETION_HEAD, Acquire);
        self.tail.wrapping_sub(head).min(self.layout.completions)
    }

    /// How many completions there are for the program to take.
    #[must_use]
    pub fn completed(&self) -> usize {
        self.untaken() as usize + self.kept.len()
    }

    /// Whether completions are kept for which there was no place.
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether the program wants no events for completions.
    #[must_use]
    pub fn wants_no_events(&self) -> bool {
        self.load(word::COMPLETION_FLAGS, Relaxed) & IORING_CQ_EVENTFD_DISABLED != 0
    }

    /// Puts a completion; where there is no place it is kept, and where there is no memory for that it is lost and counted.
    pub fn post(&mut self, completion: UringCompletion) {
        self.flush();
        if self.kept.is_empty() && self.untaken() < self.layout.completions {
            return self.put(completion);
        }
        if self.kept.try_push_back(completion).is_err() {
            self.lost = self.lost.wrapping_add(1);
            self.show(word::OVERFLOW, self.lost);
        } else if let Some(flags) = self.word(word::SUBMISSION_FLAGS) {
            flags.fetch_or(IORING_SQ_CQ_OVERFLOW, Release);
        }
    }

    /// Puts what was kept, as far as there are places by now.
    pub fn flush(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        while self.untaken() < self.layout.completions {
            match self.kept.pop_front() {
                Some(completion) => self.put(completion),
                None => break,
            }
        }
        if self.kept.is_empty()
            && let Some(flags) = self.word(word::SUBMISSION_FLAGS)
        {
            flags.fetch_and(!IORING_SQ_CQ_OVERFLOW, Release);
        }
    }

    fn put(&mut self, completion: UringCompletion) {
        let place = self.tail & (self.layout.completions - 1);
        let at = word::COMPLETIONS as usize + place as usize * UringCompletion::SIZE;
        if let Some(frame) = self.pages.rings.get(at / PAGE_SIZE) {
            frame.write(at % PAGE_SIZE, &completion.encode());
        }
        self.tail = self.tail.wrapping_add(1);
        self.show(word::COMPLETION_TAIL, self.tail);
    }
}
