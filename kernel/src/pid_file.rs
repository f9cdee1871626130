//! Files that refer to a process (`man 2 pidfd_open`).
//!
//! A file keeps neither the process nor its number: once the process is reaped nothing is left of it, and a later process
//! with its number is not meant.

use crate::process::Process;
use abi::Errno;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use fallible::NoMemory;
use vfs::{FileOperations, Metadata, OpenFile};
use wait::{PollEvents, Waiter};

/// Such a file.
pub struct PidFile {
    process: Weak<Process>,
    metadata: Metadata,
}

impl PidFile {
    /// A file that refers to a process; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(process: &Arc<Process>, metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        fallible::arc(Self {
            process: Arc::downgrade(process),
            metadata,
        })
    }

    /// The process that an open file refers to.
    ///
    /// # Errors
    /// EBADF when the file is of another kind, ESRCH when nothing is left of the process.
    pub fn process_of(file: &OpenFile) -> Result<Arc<Process>, Errno> {
        let operations: &dyn Any = &**file.operations();
        let file: &Self = operations.downcast_ref().ok_or(Errno::EBADF)?;
        file.process.upgrade().ok_or(Errno::ESRCH)
    }
}

impl FileOperations for PidFile {
    /// Readable once the process has ended, whether it has been reaped or not.
    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let Some(process) = self.process.upgrade() else {
            return PollEvents::READABLE & wanted;
        };
        let over = process.over.lock();
        let ready = if *over {
            PollEvents::READABLE & wanted
        } else {
            PollEvents::empty()
        };
        ready.or_enrol(waiter, &process.end_watchers)
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }
}
