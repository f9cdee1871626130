//! Why an operation did not complete, and where its bytes come from and go to.

use crate::Attempt as Result;
use abi::Errno;
use core::sync::atomic::AtomicU8;
use fallible::NoMemory;

/// The result of an operation that may have to wait.
pub type Attempt<T> = core::result::Result<T, Stop>;

/// Why an operation did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It failed.
    Error(Errno),
    /// It has enrolled its waiter somewhere; run it again when the waiter is woken. Nothing has changed.
    Park,
    /// A page that it needs is no longer resident; make it so and run the call again at once. Nothing has changed.
    Again,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Error(errno)
    }
}

impl From<NoMemory> for Stop {
    fn from(no_memory: NoMemory) -> Self {
        Stop::Error(no_memory.into())
    }
}

/// Where an operation puts bytes for a program.
///
/// The bytes have not been consumed when `put` fails: an implementer of `read` consumes after it has put.
pub trait Sink {
    /// How many bytes may still be put.
    fn room(&self) -> usize;

    /// Puts all of `bytes`, at most [`Sink::room`] of them.
    ///
    /// # Errors
    /// EFAULT when the destination does not exist, [`Stop::Again`] when it is not resident.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    /// As [`Sink::put`], of bytes that others may change meanwhile: those of a page that programs have mapped. `None` from a
    /// sink that has no way for them: nothing has been put, and the caller copies them first.
    ///
    /// # Errors
    /// As [`Sink::put`]; some of the bytes may have been put then.
    fn put_shared(&mut self, _bytes: &[AtomicU8]) -> Option<Result<()>> {
        None
    }
}

/// Where an operation takes bytes of a program from.
pub trait Source {
    /// How many bytes are still to be taken.
    fn remaining(&self) -> usize;

    /// Fills all of `buffer`, at most [`Source::remaining`] bytes.
    ///
    /// # Errors
    /// EFAULT when the origin does not exist, [`Stop::Again`] when it is not resident.
    fn take(&mut self, buffer: &mut [u8]) -> Result<()>;

    /// As [`Source::take`], into bytes that others may look at meanwhile. `None` from a source that has no way for that:
    /// nothing has been taken.
    ///
    /// # Errors
    /// As [`Source::take`]; some of the bytes may have been filled then.
    fn take_shared(&mut self, _bytes: &[AtomicU8]) -> Option<Result<()>> {
        None
    }
}

/// A sink into kernel memory.
pub struct SliceSink<'a> {
    rest: &'a mut [u8],
}

impl<'a> SliceSink<'a> {
    /// A sink that fills `buffer` from its start.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { rest: buffer }
    }
}

impl Sink for SliceSink<'_> {
    fn room(&self) -> usize {
        self.rest.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let rest = core::mem::take(&mut self.rest);
        let Some((head, tail)) = rest.split_at_mut_checked(bytes.len()) else {
            return Err(Stop::Error(Errno::EFAULT));
        };
        head.copy_from_slice(bytes);
        self.rest = tail;
        Ok(())
    }
}

/// A source from kernel memory.
pub struct SliceSource<'a> {
    rest: &'a [u8],
}

impl<'a> SliceSource<'a> {
    /// A source that yields `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl Source for SliceSource<'_> {
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<()> {
        let Some((head, tail)) = self.rest.split_at_checked(buffer.len()) else {
            return Err(Stop::Error(Errno::EFAULT));
        };
        buffer.copy_from_slice(head);
        self.rest = tail;
        Ok(())
    }
}
