//! What is run cannot be written, and what is being written cannot be run (`man 2 execve`, `man 2 open`: ETXTBSY).
//!
//! A file that is open for writing has a [`Writing`], a program that is run or is about to be has a [`Running`]; the file
//! system keeps the count of either. Files without names (`man 2 memfd_create`) may be run by who has made them, open for
//! writing as they are: that is no [`Writing`].

use crate::Inode;
use abi::Errno;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, Ordering};

/// How many have a file open for writing, or, below zero, how many programs it is the text of.
#[derive(Debug, Default)]
pub struct TextUse(AtomicI64);

impl TextUse {
    /// Nobody writes or runs it.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// Counts one more of those on the side of `step`, unless the other side has it.
    fn enter(&self, step: i64) -> Result<(), Errno> {
        let next = |count: i64| (count.signum() != -step).then(|| count.saturating_add(step));
        let entered = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        entered.map(|_| ()).map_err(|_| Errno::ETXTBSY)
    }

    fn leave(&self, step: i64) {
        self.0.fetch_sub(step, Ordering::AcqRel);
    }
}

/// Somebody has a file open for writing, or changes its size.
pub struct Writing(Arc<dyn Inode>);

impl Writing {
    const STEP: i64 = 1;

    /// Begins to write; nothing where the file system does not count.
    ///
    /// # Errors
    /// ETXTBSY when it is run.
    pub fn begin(inode: &Arc<dyn Inode>) -> Result<Option<Self>, Errno> {
        let Some(text) = inode.text_use() else {
            return Ok(None);
        };
        text.enter(Self::STEP)?;
        Ok(Some(Self(inode.clone())))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(text) = self.0.text_use() {
            text.leave(Self::STEP);
        }
    }
}

/// A program whose text a file is.
pub struct Running(Arc<dyn Inode>);

impl Running {
    const STEP: i64 = -1;

    /// Begins to run it; nothing where the file system does not count.
    ///
    /// # Errors
    /// ETXTBSY when somebody has it open for writing.
    pub fn begin(inode: &Arc<dyn Inode>) -> Result<Option<Self>, Errno> {
        let Some(text) = inode.text_use() else {
            return Ok(None);
        };
        text.enter(Self::STEP)?;
        Ok(Some(Self(inode.clone())))
    }
}

impl Clone for Running {
    /// One more: a file that is run stays so.
    fn clone(&self) -> Self {
        if let Some(text) = self.0.text_use() {
            text.0.fetch_add(Self::STEP, Ordering::AcqRel);
        }
        Self(self.0.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(text) = self.0.text_use() {
            text.leave(Self::STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_at_a_time() {
        let text = TextUse::new();
        assert_eq!((text.enter(1), text.enter(1)), (Ok(()), Ok(())));
        assert_eq!(text.enter(-1), Err(Errno::ETXTBSY));
        text.leave(1);
        assert_eq!(text.enter(-1), Err(Errno::ETXTBSY));
        text.leave(1);
        assert_eq!((text.enter(-1), text.enter(-1)), (Ok(()), Ok(())));
        assert_eq!(text.enter(1), Err(Errno::ETXTBSY));
        text.leave(-1);
        text.leave(-1);
        assert_eq!(text.enter(1), Ok(()));
    }
}
