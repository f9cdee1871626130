//! Memory of the running program.
//!
//! Programs hand the kernel addresses; nothing behind them is trusted or known to be there. All access goes
//! through checked copies that survive faults. There are two ways:
//!
//! * [`User`] copies plain values: arguments, and results into pages that [`User::gather`] has made resident.
//! * [`UserBuffer`] is the sink or source that a file reads into or writes from under its own lock.
//!
//! Both resolve the faults of a copy on the spot, under the lock of the address space. That ranks below the locks of
//! files and streams, and what backs a page takes none of those (`memory::PageSource`), so a copy may fault under
//! them. What a page would have to wait for is [`Stop::Again`]: nothing has been consumed, the call runs again.

use crate::space::Space;
use abi::mmu::{Access, Protection};
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::user::{self, UserFault};
use core::sync::atomic::AtomicU8;
use memory::FaultError;
use wait::{Attempt, Sink, Source, Stop};

/// Longest path that a call takes, with its NUL (`man 7 path_resolution`).
pub const PATH_MAX: usize = 4096;

/// The memory of the program that runs on this CPU.
#[derive(Clone)]
pub struct User {
    /// `None` for a process that has let go of its memory: nothing is to be reached then.
    space: Option<Arc<Space>>,
}

/// A run of bytes of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub address: u64,
    /// Number of bytes.
    pub length: usize,
}

impl User {
    /// The memory described by `space`, which is the active one of this CPU.
    pub fn new(space: Option<Arc<Space>>) -> Self {
        Self { space }
    }

    /// The address space, for another use.
    pub fn into_space(self) -> Option<Arc<Space>> {
        self.space
    }

    /// The address space.
    ///
    /// # Errors
    /// EFAULT when the process has let go of it.
    pub fn space(&self) -> Result<&Arc<Space>, Errno> {
        self.space.as_ref().ok_or(Errno::EFAULT)
    }

    /// Copies bytes of the program.
    ///
    /// # Errors
    /// EFAULT when they are not all readable, ENOMEM.
    pub fn read(&self, from: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        self.persist(|| user::copy_in(buffer, from))
    }

    /// Copies bytes to the program.
    ///
    /// # Errors
    /// EFAULT when they are not all writable, ENOMEM.
    pub fn write(&self, to: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.persist(|| user::copy_out(to, bytes))
    }

    /// Makes an access until no page is missing any more.
    ///
    /// # Errors
    /// EFAULT when the program may not do that, ENOMEM.
    #[inline]
    pub fn persist<T>(&self, mut access: impl FnMut() -> Result<T, UserFault>) -> Result<T, Errno> {
        self.complete(&mut access).map_err(Errno::from)
    }

    /// As [`User::persist`], with the reason why a page cannot be had.
    fn complete<T>(
        &self,
        mut access: impl FnMut() -> Result<T, UserFault>,
    ) -> Result<T, FaultError> {
        loop {
            match access() {
                Ok(value) => return Ok(value),
                Err(fault) => self.resolve(fault.address, fault.access)?,
            }
        }
    }

    /// Makes a range resident for reading or writing, before a call changes anything.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    pub fn gather(&self, segment: Segment, access: Access) -> Result<(), Errno> {
        if segment.length == 0 {
            return Ok(());
        }
        self.space()?
            .lock()
            .prepare(segment.address, segment.length, access)
            .map_err(Errno::from)
    }

    /// An array of bytes.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    pub fn bytes<const N: usize>(&self, from: u64) -> Result<[u8; N], Errno> {
        let mut buffer = [0; N];
        self.read(from, &mut buffer)?;
        Ok(buffer)
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    pub fn u32(&self, from: u64) -> Result<u32, Errno> {
        self.bytes(from).map(u32::from_le_bytes)
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    pub fn u64(&self, from: u64) -> Result<u64, Errno> {
        self.bytes(from).map(u64::from_le_bytes)
    }

    /// A structure of `size` bytes that may be shorter or longer than the kernel's; what is missing is zero, and so must be
    /// what is beyond.
    ///
    /// # Errors
    /// E2BIG when something is beyond, EFAULT, ENOMEM.
    pub fn extensible<const N: usize>(&self, from: u64, size: usize) -> Result<[u8; N], Errno> {
        if size > PAGE_SIZE {
            return Err(Errno::E2BIG);
        }
        let mut buffer = [0; N];
        let known = size.min(N);
        if let Some(given) = buffer.get_mut(..known) {
            self.read(from, given)?;
        }
        for at in known..size {
            if self.bytes::<1>(from.wrapping_add(at as u64))? != [0] {
                return Err(Errno::E2BIG);
            }
        }
        Ok(buffer)
    }

    /// Bytes up to a NUL, which is not part of the result, at most `limit` with it.
    ///
    /// # Errors
    /// `too_long` when there is no NUL among the first `limit` bytes, EFAULT, ENOMEM.
    pub fn c_string(&self, from: u64, limit: usize, too_long: Errno) -> Result<Vec<u8>, Errno> {
        let mut text = Vec::new();
        let mut chunk = [0u8; 256];
        while text.len() < limit {
            let at = from.checked_add(text.len() as u64).ok_or(Errno::EFAULT)?;
            let to_page_end = PAGE_SIZE - (at as usize % PAGE_SIZE);
            let length = to_page_end.min(chunk.len()).min(limit - text.len());
            let part = &mut chunk[..length];
            self.read(at, part)?;
            let end = part.iter().position(|byte| *byte == 0);
            text.try_reserve(length).map_err(|_| Errno::ENOMEM)?;
            text.extend_from_slice(&part[..end.unwrap_or(length)]);
            if end.is_some() {
                return Ok(text);
            }
        }
        Err(too_long)
    }

    /// A path (`man 7 path_resolution`).
    ///
    /// # Errors
    /// ENAMETOOLONG, EFAULT, ENOMEM.
    pub fn path(&self, from: u64) -> Result<Vec<u8>, Errno> {
        self.c_string(from, PATH_MAX, Errno::ENAMETOOLONG)
    }

    /// The segments of an iovec array (`man 2 readv`).
    ///
    /// # Errors
    /// EINVAL for more than 1024 segments or more than 2^63 - 1 bytes, EFAULT, ENOMEM.
    pub fn segments(&self, from: u64, count: u64) -> Result<Vec<Segment>, Errno> {
        const LIMIT: u64 = 1024;
        if count > LIMIT {
            return Err(Errno::EINVAL);
        }
        let mut segments = fallible::list(count as usize)?;
        let mut total = 0u64;
        for index in 0..count {
            let entry: [u8; 16] = self.bytes(from.wrapping_add(index * 16))?;
            let (address, length) = entry.split_at(8);
            let word = |bytes: &[u8]| {
                bytes
                    .iter()
                    .rev()
                    .fold(0u64, |number, byte| number << 8 | u64::from(*byte))
            };
            let (address, length) = (word(address), word(length));
            total = total
                .checked_add(length)
                .filter(|sum| *sum <= i64::MAX as u64)
                .ok_or(Errno::EINVAL)?;
            segments.push(Segment {
                address,
                length: length as usize,
            });
        }
        Ok(segments)
    }

    /// Makes the page of a word, whose address is a multiple of four, resident and accessible to copies that resolve no
    /// faults. Most are already, which an access tells at once.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    pub fn touch(&self, address: u64, access: Access) -> Result<(), Errno> {
        let tried = match access {
            Access::Write => user::update_u32(address, |word| word),
            Access::Read | Access::Execute => user::load_u32(address),
        };
        match tried {
            Ok(_) => Ok(()),
            Err(_) => self.resolve(address, access).map_err(Errno::from),
        }
    }

    /// How many bytes of a range from its start on lie in areas that allow the access; nothing is made resident.
    pub fn reachable(&self, segment: Segment, access: Access) -> usize {
        let Ok(space) = self.space() else { return 0 };
        let mut description = space.lock();
        let wanted = match access {
            Access::Read => Protection::READ,
            Access::Write => Protection::WRITE,
            Access::Execute => Protection::EXECUTE,
        };
        let end = segment.address.saturating_add(segment.length as u64);
        let mut at = segment.address;
        while at < end {
            let area_end = description
                .area_at(at)
                .filter(|area| area.protection.intersects(wanted))
                .map(|area| area.end);
            match area_end {
                Some(area_end) => at = area_end.min(end),
                // Below a stack there may be room for it to grow into.
                None if description.fault(at, access).is_ok() => {}
                None => break,
            }
        }
        (at - segment.address) as usize
    }

    /// Makes the page of an address that a copy has faulted at accessible.
    fn resolve(&self, address: u64, access: Access) -> Result<(), FaultError> {
        match &self.space {
            Some(space) => space.fault(address, access),
            None => Err(FaultError::NoMapping),
        }
    }
}

/// What a copy of a file's bytes answers when a page cannot be had.
fn stop_of(fault: FaultError) -> Stop {
    match fault {
        FaultError::Pending => Stop::Again,
        other => Stop::Error(other.into()),
    }
}

/// How much of a transfer is moved in one step.
pub const STEP: usize = 64 * 1024;

/// A list of segments of the program, to be filled or drained from the start.
pub struct UserBuffer<'a> {
    user: &'a User,
    place: Place<'a>,
}

/// A place in a list of segments.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    segments: &'a [Segment],
    /// Bytes of the first segment that are done.
    done: usize,
    /// Bytes that this step may still move.
    rest: usize,
}

impl<'a> UserBuffer<'a> {
    /// The bytes `skip..skip + length` of `segments`, as far as the access is allowed without a gap.
    ///
    /// # Errors
    /// EFAULT when not even the first byte is.
    pub fn new(
        user: &'a User,
        segments: &'a [Segment],
        skip: usize,
        length: usize,
        access: Access,
    ) -> Result<Self, Errno> {
        let mut place = Place::new(segments, skip);
        let left = place
            .segments
            .iter()
            .map(|segment| segment.length)
            .sum::<usize>()
            - place.done;
        place.rest = left.min(length);
        let wanted = place.rest;
        if place.is_within_a_page() {
            // All of it or nothing is to be reached, and the copy finds out which.
            return Ok(Self { user, place });
        }
        let mut pieces = place;
        let mut allowed = 0;
        while let Some(piece) = pieces.next_piece(usize::MAX) {
            let reachable = user.reachable(piece, access);
            allowed += reachable;
            if reachable < piece.length {
                break;
            }
        }
        if allowed == 0 && wanted > 0 {
            return Err(Errno::EFAULT);
        }
        place.rest = allowed;
        Ok(Self { user, place })
    }

    /// How many bytes may still be moved.
    pub fn rest(&self) -> usize {
        self.place.rest
    }

    /// Moves pieces of at most `length` bytes in all; undone when one of them fails.
    fn each_piece(
        &mut self,
        length: usize,
        mut each: impl FnMut(&User, Segment, usize) -> Result<(), FaultError>,
    ) -> Attempt<()> {
        if length > self.place.rest {
            return Err(Stop::Error(Errno::EFAULT));
        }
        let mut place = self.place;
        let mut moved = 0;
        while moved < length {
            let Some(piece) = place.next_piece(length - moved) else {
                return Err(Stop::Error(Errno::EFAULT));
            };
            each(self.user, piece, moved).map_err(stop_of)?;
            moved += piece.length;
        }
        self.place = place;
        Ok(())
    }
}

impl<'a> Place<'a> {
    /// The place behind the first `skip` bytes.
    pub fn new(segments: &'a [Segment], skip: usize) -> Self {
        let mut place = Place {
            segments,
            done: 0,
            rest: usize::MAX,
        };
        place.advance(skip);
        place.rest = usize::MAX;
        place
    }

    /// Whether all that is to be moved lies in one page.
    fn is_within_a_page(&self) -> bool {
        self.segments.first().is_some_and(|first| {
            let start = first.address.wrapping_add(self.done as u64) as usize % PAGE_SIZE;
            self.rest <= first.length - self.done && start + self.rest <= PAGE_SIZE
        })
    }

    /// Takes the next run of at most `limit` bytes that lies in one segment.
    pub fn next_piece(&mut self, limit: usize) -> Option<Segment> {
        loop {
            let first = self.segments.first()?;
            let length = (first.length - self.done).min(self.rest).min(limit);
            if length > 0 {
                let piece = Segment {
                    address: first.address.wrapping_add(self.done as u64),
                    length,
                };
                self.advance(length);
                return Some(piece);
            }
            if self.rest == 0 || limit == 0 {
                return None;
            }
            self.advance(0);
        }
    }

    /// Passes over `count` bytes and over segments that are done.
    fn advance(&mut self, count: usize) {
        self.done += count;
        self.rest = self.rest.saturating_sub(count);
        while let Some(first) = self.segments.first() {
            if self.done < first.length {
                break;
            }
            self.done -= first.length;
            self.segments = &self.segments[1..];
        }
    }
}

impl Sink for UserBuffer<'_> {
    fn room(&self) -> usize {
        self.place.rest
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        self.each_piece(bytes.len(), |memory, piece, at| {
            let part = bytes.get(at..at + piece.length).unwrap_or_default();
            memory.complete(|| user::copy_out(piece.address, part))
        })
    }

    fn put_shared(&mut self, bytes: &[AtomicU8]) -> Option<Attempt<()>> {
        Some(self.each_piece(bytes.len(), |memory, piece, at| {
            let part = bytes.get(at..at + piece.length).unwrap_or_default();
            memory.complete(|| user::copy_out_shared(piece.address, part))
        }))
    }
}

impl Source for UserBuffer<'_> {
    fn remaining(&self) -> usize {
        self.place.rest
    }

    fn take(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        self.each_piece(buffer.len(), |memory, piece, at| {
            let part = buffer.get_mut(at..at + piece.length).unwrap_or_default();
            memory.complete(|| user::copy_in(part, piece.address))
        })
    }

    fn take_shared(&mut self, bytes: &[AtomicU8]) -> Option<Attempt<()>> {
        Some(self.each_piece(bytes.len(), |memory, piece, at| {
            let part = bytes.get(at..at + piece.length).unwrap_or_default();
            memory.complete(|| user::copy_in_shared(part, piece.address))
        }))
    }
}
