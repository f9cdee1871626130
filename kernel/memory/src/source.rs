//! Where the pages of shared and file-backed areas come from.

use crate::frames::{Frame, Kind};
use crate::page_map::{PageMap, let_go};
use abi::{Cid, Errno};
use sync::{Rank, SpinLock};

/// Why a source has no frame for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// The page lies wholly beyond the end of the object: SIGBUS.
    BeyondEnd,
    /// There is no memory for it.
    OutOfMemory,
    /// It is being read; the faulting thread parks and tries again.
    Pending,
    /// It cannot be read, with the reason: SIGBUS.
    Failed(Errno),
}

/// An object whose pages can be mapped: a file's page cache, anonymous shared memory, a segment.
///
/// The frames are the object's own, so what is mapped is resident once. A source is called with the address
/// space locked, so it may take locks of rank `Pages` or above only, and never one under which the kernel
/// copies to or from user memory. The last handle to a source may be dropped there too (unmap, exit), so its
/// destructor keeps to the same locks.
pub trait PageSource: Send + Sync {
    /// The frame of page `index` of the object; `for_write` when it is about to be changed through a shared mapping.
    ///
    /// # Errors
    /// As [`PageError`] says; nothing has changed then.
    fn page(&self, index: u64, for_write: bool) -> Result<Frame, PageError>;

    /// Puts those of the pages from `first` on that are resident into the empty slots of `around`, without
    /// making anything resident. The default knows none.
    fn resident(&self, first: u64, around: &mut [Option<Frame>]) {
        let (_, _) = (first, around);
    }

    /// Page `index` has been made writable through a shared mapping and is to be treated as changed.
    fn dirtied(&self, index: u64);

    /// Device and inode number, as `/proc/PID/maps` shows them; zeros when there are none.
    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Anonymous memory that several address spaces share (`MAP_SHARED | MAP_ANONYMOUS`, System V segments).
///
/// Pages come zeroed on first use and stay until the object is dropped.
pub struct SharedPages {
    owner: Cid,
    length: u64,
    pages: SpinLock<PageMap>,
}

impl SharedPages {
    /// An object of `length` pages charged to `owner`.
    #[must_use]
    pub const fn new(owner: Cid, length: u64) -> Self {
        Self {
            owner,
            length,
            pages: SpinLock::new(Rank::Pages, PageMap::new()),
        }
    }

    /// How many of its pages are in memory.
    #[must_use]
    pub fn resident_pages(&self) -> u64 {
        self.pages.lock().len() as u64
    }

    /// The object's length in pages.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl PageSource for SharedPages {
    fn page(&self, index: u64, _for_write: bool) -> Result<Frame, PageError> {
        if index >= self.length {
            return Err(PageError::BeyondEnd);
        }
        let mut pages = self.pages.lock();
        if let Some(frame) = pages.get(&index) {
            return Ok(frame.clone());
        }
        let frame =
            Frame::allocate(self.owner, Kind::Anonymous).map_err(|_| PageError::OutOfMemory)?;
        pages
            .insert(index, frame.clone())
            .map_err(|_| PageError::OutOfMemory)?;
        Ok(frame)
    }

    fn resident(&self, first: u64, around: &mut [Option<Frame>]) {
        let pages = self.pages.lock();
        for (index, slot) in (first..).zip(around).filter(|(_, slot)| slot.is_none()) {
            *slot = pages.get(&index).cloned();
        }
    }

    fn dirtied(&self, _index: u64) {}
}

impl Drop for SharedPages {
    fn drop(&mut self) {
        let_go(core::mem::take(self.pages.get_mut()));
    }
}
