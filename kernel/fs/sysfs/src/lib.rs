//! The file system of the machine's parts (`man 5 sysfs`): the small part of it that programs look for.
//!
//! C libraries, `lscpu`, `nproc` and run-time systems ask here how many CPUs there are and which threads share a core;
//! allocators ask for huge pages. `tree.rs` says what is there; formats are those of Linux's
//! `Documentation/ABI/stable/sysfs-devices-system-cpu`. What can be written is `cpuN/online`, in Global: 0 takes a CPU out of
//! use, 1 puts it back (`man 8 chcpu`).
//!
//! The tree is made anew for every question from what the [`Machine`] tells the asking partition, so it is always the
//! present state, and nothing is kept for a partition. This crate holds no lock.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod node;
mod tree;

use abi::Cid;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::NoMemory;
use node::Node;
use vfs::{Clock, DeviceNumber, Inode, IoContext};
use wait::Attempt;

/// What the file system tells of.
pub trait Machine: Send + Sync {
    /// Whether each CPU of the machine, in the order of their numbers, is in use for a partition.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn cpus(&self, viewer: Cid) -> Result<Vec<bool>, NoMemory>;

    /// Takes a CPU out of use or puts it back, and waits until it is so.
    ///
    /// # Errors
    /// EPERM when the caller may not; EBUSY for the last one in use.
    fn set_cpu(&self, cx: &IoContext<'_>, number: usize, online: bool) -> Attempt<()>;

    /// The time of day.
    fn clock(&self) -> &dyn Clock;
}

/// The file system.
pub struct Sysfs(Arc<Shared>);

pub(crate) struct Shared {
    device: DeviceNumber,
    machine: Arc<dyn Machine>,
}

impl Sysfs {
    /// A file system that tells of `machine`; all partitions share it.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(device: DeviceNumber, machine: Arc<dyn Machine>) -> Result<Self, NoMemory> {
        fallible::arc(Shared { device, machine }).map(Self)
    }

    /// The root directory, for [`vfs::FileSystem::new`].
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn root(&self) -> Result<Arc<dyn Inode>, NoMemory> {
        let root: Arc<dyn Inode> = fallible::arc(Node::root(&self.0))?;
        Ok(root)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
