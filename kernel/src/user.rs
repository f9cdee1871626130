//! Memory of the running program.
//!
//! Programs hand the kernel addresses; nothing behind them is trusted or known to be there. All access goes
//! through checked copies that survive faults. There are two ways:
//!
//! * [`User`] copies plain values and resolves the faults of the copy on the spot. It takes the lock of the
//!   address space, so it is used with no lock held that ranks above it: to fetch arguments, and to deliver
//!   results into pages that [`User::gather`] has made resident.
//! * [`UserBuffer`] is the sink or source that a file reads into or writes from under its own lock. It never
//!   resolves a fault: a missing page is [`Stop::Again`], and the call gathers and runs again.

use crate::outcome::{Called, Outcome};
use crate::process::Space;
use abi::mmu::Access;
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use alloc::vec::Vec;
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
        loop {
            match arch::user::copy_in(buffer, from) {
                Ok(()) => return Ok(()),
                Err(fault) => self.resolve(fault.address, Access::Read)?,
            }
        }
    }

    /// Copies bytes to the program.
    ///
    /// # Errors
    /// EFAULT when they are not all writable, ENOMEM.
    pub fn write(&self, to: u64, bytes: &[u8]) -> Result<(), Errno> {
        loop {
            match arch::user::copy_out(to, bytes) {
                Ok(()) => return Ok(()),
                Err(fault) => self.resolve(fault.address, Access::Write)?,
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
        self.space()?.lock().prepare(segment.address, segment.length, access).map_err(Errno::from)
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
        let mut segments = Vec::new();
        let mut total = 0u64;
        for index in 0..count {
            let entry: [u8; 16] = self.bytes(from.wrapping_add(index * 16))?;
            let (address, length) = entry.split_at(8);
            let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            let (address, length) = (word(address), word(length));
            total = total.checked_add(length).filter(|sum| *sum <= i64::MAX as u64).ok_or(Errno::EINVAL)?;
            segments.push(Segment { address, length: length as usize });
        }
        Ok(segments)
    }

    fn resolve(&self, address: u64, access: Access) -> Result<(), Errno> {
        self.space()?.lock().fault(address, access).map_err(Errno::from)
    }
}

/// How much of a transfer is made resident and moved in one step.
pub const STEP: usize = 64 * 1024;

/// A list of segments of the program, to be filled or drained from the start.
pub struct UserBuffer<'a> {
    segments: &'a [Segment],
    /// Bytes of the first segment that are done.
    done: usize,
    /// Bytes that this step may still move.
    rest: usize,
}

impl<'a> UserBuffer<'a> {
    /// The bytes `skip..skip + length` of `segments`; less when they end before.
    pub fn new(segments: &'a [Segment], skip: usize, length: usize) -> Self {
        let mut buffer = Self { segments, done: 0, rest: usize::MAX };
        buffer.advance(skip);
        let left = buffer.segments.iter().map(|segment| segment.length).sum::<usize>() - buffer.done;
        buffer.rest = left.min(length);
        buffer
    }

    /// Makes everything that this step may move resident.
    ///
    /// # Errors
    /// EFAULT when the first byte cannot be reached; a later one only shortens the step.
    pub fn gather(&mut self, user: &User, access: Access) -> Called {
        let mut ready = 0;
        let mut pieces = UserBuffer { segments: self.segments, done: self.done, rest: self.rest };
        while let Some(piece) = pieces.next_piece(usize::MAX) {
            match user.gather(piece, access) {
                Ok(()) => ready += piece.length,
                Err(errno) if ready == 0 => return self.first_page(user, piece, access, errno),
                Err(_) => break,
            }
        }
        self.rest = ready;
        Ok(ready as u64)
    }

    /// A piece is not resident as a whole: what of it lies in its first page may be.
    fn first_page(&mut self, user: &User, piece: Segment, access: Access, errno: Errno) -> Called {
        let in_page = PAGE_SIZE - (piece.address as usize % PAGE_SIZE);
        if in_page >= piece.length {
            return Err(Outcome::Failed(errno));
        }
        user.gather(Segment { length: in_page, ..piece }, access)?;
        self.rest = in_page;
        Ok(in_page as u64)
    }

    /// Takes the next run of at most `limit` bytes that lies in one segment.
    fn next_piece(&mut self, limit: usize) -> Option<Segment> {
        loop {
            let first = self.segments.first()?;
            let length = (first.length - self.done).min(self.rest).min(limit);
            if length > 0 {
                let piece = Segment { address: first.address.wrapping_add(self.done as u64), length };
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

    /// Moves pieces of at most `length` bytes in all; undone when one of them fails.
    fn each_piece(&mut self, length: usize, mut each: impl FnMut(Segment, usize) -> bool) -> Attempt<()> {
        if length > self.rest {
            return Err(Stop::Error(Errno::EFAULT));
        }
        let before = UserBuffer { segments: self.segments, done: self.done, rest: self.rest };
        let mut moved = 0;
        while moved < length {
            let moved_now = match self.next_piece(length - moved) {
                Some(piece) if each(piece, moved) => piece.length,
                _ => {
                    *self = before;
                    return Err(Stop::Again);
                }
            };
            moved += moved_now;
        }
        Ok(())
    }
}

impl Sink for UserBuffer<'_> {
    fn room(&self) -> usize {
        self.rest
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        self.each_piece(bytes.len(), |piece, at| {
            bytes.get(at..at + piece.length).is_some_and(|part| arch::user::copy_out(piece.address, part).is_ok())
        })
    }
}

impl Source for UserBuffer<'_> {
    fn remaining(&self) -> usize {
        self.rest
    }

    fn take(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        self.each_piece(buffer.len(), |piece, at| {
            buffer.get_mut(at..at + piece.length).is_some_and(|part| arch::user::copy_in(part, piece.address).is_ok())
        })
    }
}
