//! The process file system, one view a partition.
//!
//! A [`Procfs`] shows what its [`ProcSource`] tells; the kernel makes one source for each environment, so the view
//! of a partition cannot show more than the source of that partition knows. Pids are those of the view. Files are
//! written when they are opened: whoever reads one in pieces reads one moment. Formats are those of `man 5 proc`.
//!
//! The source is tagged: whoever shows a credential of another partition finds nothing, however he got here.
//!
//! Nothing is kept for a process: an inode is its identity ([`ProcessRef`]), and reading one whose process is gone
//! fails with ESRCH, though the number may be another process's by then. Only `/proc/PID/maps` and its like are written
//! as they are read. Lock: the part of it that was written last, rank `Stream`; nothing is called with it held.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod directory;
mod expendability;
mod maps;
mod memory_use;
mod namespaces;
mod network_counts;
mod network_files;
mod node;
mod process_files;
mod source;
mod system_files;
mod system_v_files;

pub use source::{
    Areas, CpuDescription, CpuTimes, Ids, Known, LockKind, LockLine, MapLine, MemoryUse,
    ProcSource, ProcessMemory, ProcessRef, ResidentPage, Signals, System, Task, TaskState,
    Transfers,
};
pub use source::{FamilyCounts, Network, NetworkCounts, SocketLine};

use abi::Cid;
use alloc::sync::Arc;
use core::any::Any;
use fallible::NoMemory;
use node::{Node, What};
use security::{Credential, Tagged};
use vfs::{DeviceNumber, Inode};

/// The process file system of one environment.
pub struct Procfs(Arc<View>);

pub(crate) struct View {
    device: DeviceNumber,
    source: Tagged<Arc<dyn ProcSource>>,
}

impl Procfs {
    /// A view for `owner` of what `source` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        device: DeviceNumber,
        owner: Cid,
        source: Arc<dyn ProcSource>,
    ) -> Result<Self, NoMemory> {
        let view = View {
            device,
            source: Tagged::new(owner, source),
        };
        fallible::arc(view).map(Self)
    }

    /// The root directory, for [`vfs::FileSystem::new`].
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn root(&self) -> Result<Arc<dyn Inode>, NoMemory> {
        let root: Arc<dyn Inode> = fallible::arc(Node::new(&self.0, What::Root))?;
        Ok(root)
    }
}

/// The process whose directory (`/proc/PID`) an inode is, numbered as in its view; `None` for any other inode, and for
/// one of a view that `credential` does not reach.
pub fn process_of(inode: &dyn Inode, credential: &Credential) -> Option<ProcessRef> {
    let inode: &dyn Any = inode;
    inode.downcast_ref::<Node>()?.directory_of(credential)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
