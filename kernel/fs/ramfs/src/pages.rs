//! The contents of a file: pages, some of them missing, and a size.

mod holes;

use crate::Shared;
use abi::{Cid, Errno, PAGE_SHIFT, PAGE_SIZE};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use memory::{Frame, Kind, PageError, PageMap, PageSource, let_go};
use sync::{Rank, SpinLock};
use vfs::Seals;
use wait::{Attempt, Sink, Source, Stop};

/// Largest size of a file: what an `off_t` can say.
pub(crate) const SIZE_LIMIT: u64 = i64::MAX as u64;
/// How many bytes pass over the kernel's stack at once where they cannot go between a page and a program directly.
const CHUNK: usize = 2048;
/// How many pages a read finds at once: as many as a step of a call moves.
const AT_ONCE: usize = 16;
/// What a hole reads as.
static ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

/// The contents of one file.
pub(crate) struct Pages {
    shared: Arc<Shared>,
    number: u64,
    owner: AtomicU16,
    /// Written to through a mapping since the last look.
    dirty: AtomicBool,
    state: SpinLock<State>,
}

struct State {
    size: u64,
    frames: PageMap,
    seals: Seals,
    /// Mappings through which the contents can be changed; counted only while seals can be added.
    writable_mappings: u64,
}

fn page_of(offset: u64) -> u64 {
    offset >> PAGE_SHIFT
}

fn within_page(offset: u64) -> usize {
    (offset % PAGE_SIZE as u64) as usize
}

/// How much to move at `offset` of `remaining` bytes: within one page.
fn stretch(offset: u64, remaining: u64) -> usize {
    let in_page = PAGE_SIZE - within_page(offset);
    usize::try_from(remaining).map_or(in_page, |remaining| remaining.min(in_page))
}

/// The `length` bytes of a page that are at `offset` of the file.
fn part(page: &[AtomicU8], offset: u64, length: usize) -> Result<&[AtomicU8], Errno> {
    let start = within_page(offset);
    page.get(start..start + length).ok_or(Errno::EIO)
}

impl Pages {
    pub(crate) fn new(shared: &Arc<Shared>, number: u64, owner: Cid) -> Self {
        Self {
            shared: shared.clone(),
            number,
            owner: AtomicU16::new(owner.0),
            dirty: AtomicBool::new(false),
            state: SpinLock::new(
                Rank::Pages,
                State {
                    size: 0,
                    frames: PageMap::new(),
                    seals: Seals::SEAL,
                    writable_mappings: 0,
                },
            ),
        }
    }

    /// Size in bytes and pages in memory.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.size, state.frames.len() as u64)
    }

    /// What is sealed.
    pub(crate) fn seals(&self) -> Seals {
        self.state.lock().seals
    }

    /// Lets seals be added, beginning with `seals`; before anybody else has the file.
    pub(crate) fn begin_sealing(&self, seals: Seals) {
        self.state.lock().seals = seals;
    }

    /// Adds seals; the caller holds the node's lock, so that no write is under way.
    pub(crate) fn add_seals(&self, seals: Seals) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.seals.contains(Seals::SEAL) {
            return Err(Errno::EPERM);
        }
        if seals.contains(Seals::WRITE) && state.writable_mappings > 0 {
            return Err(Errno::EBUSY);
        }
        state.seals |= seals;
        Ok(())
    }

    /// The pages for a mapping that may change them: counted as long as a seal against it could be added.
    pub(crate) fn for_writing(self: &Arc<Self>) -> Result<Arc<dyn PageSource>, Errno> {
        let mut state = self.state.lock();
        if state.seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        if state.seals.contains(Seals::SEAL) {
            drop(state);
            return Ok(self.clone());
        }
        // Counted first: one that is dropped for want of memory is not counted any more.
        state.writable_mappings += 1;
        drop(state);
        Ok(fallible::arc(WritableMapping(self.clone()))?)
    }

    /// Whether a mapping has changed the contents since the last call.
    pub(crate) fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Ordering::Relaxed)
    }

    /// Charges `count` of the pages from number `first` on to `owner`, and all that will be made; answers the first that is left.
    pub(crate) fn hand_over(&self, owner: Cid, first: u64, count: usize) -> Option<u64> {
        self.owner.store(owner.0, Ordering::Relaxed);
        let state = self.state.lock();
        let mut pages = state.frames.range(first..);
        for (_, frame) in pages.by_ref().take(count) {
            frame.retag(owner, Kind::File);
        }
        pages.next().map(|(&number, _)| number)
    }

    /// The frame of a page, made when there is none.
    fn materialize(&self, state: &mut State, page: u64) -> Result<Frame, Errno> {
        if let Some(frame) = state.frames.get(&page) {
            return Ok(frame.clone());
        }
        let owner = Cid(self.owner.load(Ordering::Relaxed));
        if !self.shared.take_page(owner) {
            return Err(Errno::ENOSPC);
        }
        let made = Frame::allocate(owner, Kind::File).ok().filter(|frame| {
            let kept = state.frames.insert(page, frame.clone());
            kept.is_ok()
        });
        if made.is_none() {
            self.shared.give_pages(1);
        }
        made.ok_or(Errno::ENOMEM)
    }

    /// Reads from `offset`; the caller holds the node's lock.
    pub(crate) fn read(&self, offset: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let mut buffer = [0u8; CHUNK];
        let mut run = Run::default();
        let mut done = 0usize;
        loop {
            let at = offset.saturating_add(done as u64);
            if run.is_over(page_of(at)) {
                let end = within_page(at).saturating_add(sink.room());
                run = self
                    .state
                    .lock()
                    .run(page_of(at), end.div_ceil(PAGE_SIZE).min(AT_ONCE));
            }
            let left = run.size.saturating_sub(at);
            let length = stretch(at, left.min(sink.room() as u64));
            if length == 0 {
                return Ok(done);
            }
            let put = match run.frame(page_of(at)) {
                Some(frame) => match sink.put_shared(part(frame.bytes(), at, length)?) {
                    Some(put) => put.map(|()| length),
                    None => {
                        let length = length.min(CHUNK);
                        let bytes = buffer.get_mut(..length).ok_or(Errno::EIO)?;
                        frame.read(within_page(at), bytes);
                        sink.put(bytes).map(|()| length)
                    }
                },
                None => {
                    let zeros = ZEROS.get(..length).ok_or(Errno::EIO)?;
                    sink.put(zeros).map(|()| length)
                }
            };
            match put {
                Ok(length) => done += length,
                Err(Stop::Error(_)) if done > 0 => return Ok(done),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Writes at `offset`; the caller holds the node's lock. When the source is not resident the size is put back,
    /// and the call that is run again writes the same bytes to the same place.
    pub(crate) fn write(&self, offset: u64, source: &mut dyn Source) -> Attempt<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        if offset >= SIZE_LIMIT {
            return Err(Errno::EFBIG.into());
        }
        let before = self.state.lock().size;
        let mut done = 0;
        match self.write_stretches(offset, source, &mut done) {
            Ok(()) => Ok(done),
            Err(stop) => {
                let keeps =
                    matches!(stop, Stop::Error(_)).then_some(offset.saturating_add(done as u64));
                self.set_size(keeps.filter(|_| done > 0).unwrap_or(0).max(before));
                if done > 0 && matches!(stop, Stop::Error(_)) {
                    Ok(done)
                } else {
                    Err(stop)
                }
            }
        }
    }

    fn write_stretches(
        &self,
        offset: u64,
        source: &mut dyn Source,
        done: &mut usize,
    ) -> Attempt<()> {
        let mut buffer = [0u8; CHUNK];
        loop {
            let at = offset.saturating_add(*done as u64);
            let length = stretch(
                at,
                (source.remaining() as u64).min(SIZE_LIMIT.saturating_sub(at)),
            );
            if length == 0 {
                return Ok(());
            }
            if self.state.lock().refuses_to_grow(at + length as u64) {
                return Err(Errno::EPERM.into());
            }
            // Memory is this file system's store: a writer whose partition may have no more of it finds it full.
            let made = self.materialize(&mut self.state.lock(), page_of(at));
            let frame = made.map_err(|errno| match errno {
                Errno::ENOMEM => Errno::ENOSPC,
                other => other,
            })?;
            // Behind the end nothing may be left by a source that fails in the middle.
            if at + length as u64 <= self.state.lock().size {
                let page = part(frame.bytes_to_write(), at, length)?;
                if let Some(taken) = source.take_shared(page) {
                    taken?;
                    *done += length;
                    continue;
                }
            }
            let length = length.min(CHUNK);
            let bytes = buffer.get_mut(..length).ok_or(Errno::EIO)?;
            source.take(bytes)?;
            let mut state = self.state.lock();
            let end = at + length as u64;
            if end > state.size {
                state.clear_tail();
                state.size = end;
            }
            drop(state);
            frame.write(within_page(at), bytes);
            *done += length;
        }
    }

    /// Writes at the end; answers where that was.
    pub(crate) fn append(&self, source: &mut dyn Source) -> Attempt<(u64, usize)> {
        let end = self.state.lock().size;
        self.write(end, source).map(|count| (end, count))
    }

    /// Sets the size; what is cut off is gone, what is added reads as zeros.
    pub(crate) fn set_size(&self, size: u64) {
        let cut = {
            let mut state = self.state.lock();
            let kept = page_of(size.saturating_add(PAGE_SIZE as u64 - 1));
            let cut = state.cut_off(kept);
            state.size = state.size.min(size);
            state.clear_tail();
            state.size = size;
            cut
        };
        self.shared.give_pages(cut as u64);
    }

    /// Takes a whole file's contents: for the archive at boot.
    pub(crate) fn fill(&self, contents: &[u8]) -> Result<(), Errno> {
        self.set_size(0);
        let mut state = self.state.lock();
        for (page, bytes) in (0u64..).zip(contents.chunks(PAGE_SIZE)) {
            self.materialize(&mut state, page)?.write(0, bytes);
            state.size += bytes.len() as u64;
        }
        Ok(())
    }
}

/// Pages that follow one another, as they were found at one moment with the size of the file.
#[derive(Default)]
struct Run {
    size: u64,
    /// Number of the first.
    first: u64,
    count: usize,
    /// `None` for a hole.
    frames: [Option<Frame>; AT_ONCE],
}

impl Run {
    fn is_over(&self, page: u64) -> bool {
        page - self.first >= self.count as u64
    }

    fn frame(&self, page: u64) -> Option<&Frame> {
        self.frames.get((page - self.first) as usize)?.as_ref()
    }
}

impl State {
    /// The `count` pages from number `first` on.
    fn run(&self, first: u64, count: usize) -> Run {
        let mut run = Run {
            size: self.size,
            first,
            count,
            ..Run::default()
        };
        for (&page, frame) in self.frames.range(first..) {
            match run.frames.get_mut((page - first) as usize) {
                Some(place) if page - first < count as u64 => *place = Some(frame.clone()),
                _ => break,
            }
        }
        run
    }

    /// Whether a seal keeps the file from reaching to `end`.
    fn refuses_to_grow(&self, end: u64) -> bool {
        end > self.size && self.seals.contains(Seals::GROW)
    }

    /// Lets go of the pages from `first` on, and answers how many they were.
    fn cut_off(&mut self, first: u64) -> usize {
        match self.frames.split_off(&first) {
            Ok(cut) => {
                let count = cut.len();
                let_go(cut);
                count
            }
            Err(_) => self.frames.truncate(&first),
        }
    }

    /// Clears what a mapping may have left behind the end in the last page.
    fn clear_tail(&mut self) {
        let start = within_page(self.size);
        if start == 0 {
            return;
        }
        let Some(frame) = self.frames.get(&page_of(self.size)) else {
            return;
        };
        frame.write(start, ZEROS.get(start..).unwrap_or_default());
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let frames = core::mem::take(&mut self.state.get_mut().frames);
        self.shared.give_pages(frames.len() as u64);
        let_go(frames);
    }
}

impl PageSource for Pages {
    fn page(&self, index: u64, _for_write: bool) -> Result<Frame, PageError> {
        let mut state = self.state.lock();
        if index >= page_of(state.size.saturating_add(PAGE_SIZE as u64 - 1)) {
            return Err(PageError::BeyondEnd);
        }
        self.materialize(&mut state, index)
            .map_err(|errno| match errno {
                Errno::ENOMEM => PageError::OutOfMemory,
                other => PageError::Failed(other),
            })
    }

    fn resident(&self, first: u64, around: &mut [Option<Frame>]) {
        let state = self.state.lock();
        let present = state
            .frames
            .range(first..first.saturating_add(around.len() as u64));
        for (index, frame) in present {
            let slot = usize::try_from(index - first)
                .ok()
                .and_then(|index| around.get_mut(index));
            if let Some(slot @ None) = slot {
                *slot = Some(frame.clone());
            }
        }
    }

    fn dirtied(&self, _index: u64) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    fn identity(&self) -> (u64, u64) {
        (self.shared.device.encode(), self.number)
    }
}

/// The pages of a file that can be sealed, in a mapping that may change them. It is counted until the last area that
/// shows it, in whichever address space, is gone.
struct WritableMapping(Arc<Pages>);

impl PageSource for WritableMapping {
    fn page(&self, index: u64, for_write: bool) -> Result<Frame, PageError> {
        self.0.page(index, for_write)
    }

    fn resident(&self, first: u64, around: &mut [Option<Frame>]) {
        self.0.resident(first, around);
    }

    fn dirtied(&self, index: u64) {
        self.0.dirtied(index);
    }

    fn identity(&self) -> (u64, u64) {
        self.0.identity()
    }
}

impl Drop for WritableMapping {
    fn drop(&mut self) {
        self.0.state.lock().writable_mappings -= 1;
    }
}
