//! The file system in memory, filled from the cpio archive of the RAM disk.
//!
//! Every node is charged to the partition whose process made it, its pages too. Directories keep their names
//! sorted and number them in the order in which they came: the number is the cookie of an iteration, which is
//! therefore stable. Files are sparse pages; mappings share them. A file without names lives on while something
//! refers to it, since everything is counted references; trees are dropped without recursion.
//!
//! Locks: a node's state, of rank [`Rank::Inode`], a directory's before what it holds and of two directories the
//! lower number first; a file's pages and size, of rank [`Rank::Pages`], never held while bytes move to or from a
//! program.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod archive;
mod directory;
mod node;
mod pages;
mod populate;

pub use node::HandOver;
pub use populate::{ArchiveError, Contents, Fault};

use abi::{Cid, Errno};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::{Map, NoMemory};
use node::Node;
use sync::{Rank, SpinLock};
use vfs::{
    Clock, DeviceNumber, FileSystemStatus, Inode, Mode, NAME_LIMIT, NewNode, NodeContent, Seals,
};

/// `TMPFS_MAGIC` of linux/magic.h: what programs take a file system in memory to be.
const MAGIC: u32 = 0x0102_1994;

/// How much a file system may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Pages of file contents.
    pub pages: u64,
    /// Nodes: files, directories, links, special files.
    pub inodes: u64,
}

/// A file system in memory.
pub struct Ramfs {
    shared: Arc<Shared>,
    root: Arc<Node>,
}

/// What all nodes of a file system share.
pub(crate) struct Shared {
    device: DeviceNumber,
    clock: Arc<dyn Clock>,
    capacity: Capacity,
    pages: AtomicU64,
    inodes: AtomicU64,
    next_number: AtomicU64,
    /// How many nodes belong to whom: a partition that has none is handed over at once.
    owned: SpinLock<Map<Cid, u64>>,
}

impl Ramfs {
    /// An empty file system; its root directory has mode 0755 and belongs to user 0 and to `owner`.
    ///
    /// # Errors
    /// ENOSPC when not even the root fits, ENOMEM.
    pub fn new(
        device: DeviceNumber,
        capacity: Capacity,
        clock: Arc<dyn Clock>,
        owner: Cid,
    ) -> Result<Self, Errno> {
        Self::with_mode(device, capacity, clock, owner, Mode::new(0o755))
    }

    /// [`Ramfs::new`] with another mode of the root directory.
    ///
    /// # Errors
    /// ENOSPC when not even the root fits, ENOMEM.
    pub fn with_mode(
        device: DeviceNumber,
        capacity: Capacity,
        clock: Arc<dyn Clock>,
        owner: Cid,
        mode: Mode,
    ) -> Result<Self, Errno> {
        let shared = fallible::arc(Shared {
            device,
            clock,
            capacity,
            pages: AtomicU64::new(0),
            inodes: AtomicU64::new(0),
            next_number: AtomicU64::new(1),
            owned: SpinLock::new(Rank::Pages, Map::new()),
        })?;
        let root = NewNode {
            content: NodeContent::Directory,
            mode,
            uid: 0,
            gid: 0,
        };
        let root = Node::make(&shared, owner, &root)?;
        Ok(Self { shared, root })
    }

    /// The root directory, for [`vfs::FileSystem::new`].
    pub fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    /// A file that never has a name (`man 2 memfd_create`), to which seals can be added to those given.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn sealable(
        &self,
        owner: Cid,
        node: &NewNode<'_>,
        seals: Seals,
    ) -> Result<Arc<dyn Inode>, Errno> {
        let node = Node::nameless(&self.shared, owner, node, false)?;
        node.file()?.begin_sealing(seals);
        Ok(node)
    }

    /// What `statfs` tells.
    pub fn status(&self) -> FileSystemStatus {
        self.shared.status()
    }

    /// Gives what belongs to partition `from` to `to`, its pages too, step by step: a partition ends and its files stay.
    /// Costs nothing when `from` has no files here.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn hand_over(&self, from: Cid, to: Cid) -> Result<HandOver, NoMemory> {
        HandOver::new(&self.root, from, to)
    }
}

/// What of a capacity `owner` may fill: a sixteenth is kept for Global, so that a partition that fills a file system which both
/// use does not keep the administrator from ending it.
fn part_of(capacity: u64, owner: Cid) -> u64 {
    if owner.is_global() {
        capacity
    } else {
        capacity - capacity / 16
    }
}

impl Shared {
    /// Counts one more; false when there is no room.
    fn take(counter: &AtomicU64, limit: u64) -> bool {
        let more = |used: u64| used.checked_add(1).filter(|&used| used <= limit);
        counter
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    fn take_inode(&self, owner: Cid) -> Result<u64, Errno> {
        if !Self::take(&self.inodes, part_of(self.capacity.inodes, owner)) {
            return Err(Errno::ENOSPC);
        }
        match self.owned.lock().get_or_insert_with(owner, || 0) {
            Ok(count) => *count += 1,
            Err(no_memory) => {
                self.inodes.fetch_sub(1, Ordering::Relaxed);
                return Err(no_memory.into());
            }
        }
        Ok(self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    fn give_inode(&self, owner: Cid) {
        self.inodes.fetch_sub(1, Ordering::Relaxed);
        Self::disown(&mut self.owned.lock(), owner);
    }

    /// How many nodes belong to `owner`.
    fn owned_by(&self, owner: Cid) -> u64 {
        self.owned.lock().get(&owner).copied().unwrap_or(0)
    }

    /// Counts a node that changes hands.
    fn change_owner(&self, from: Cid, to: Cid) -> Result<(), NoMemory> {
        let mut owned = self.owned.lock();
        *owned.get_or_insert_with(to, || 0)? += 1;
        Self::disown(&mut owned, from);
        Ok(())
    }

    fn disown(owned: &mut Map<Cid, u64>, owner: Cid) {
        if let Some(count) = owned.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                owned.remove(&owner);
            }
        }
    }

    fn take_page(&self, owner: Cid) -> bool {
        Self::take(&self.pages, part_of(self.capacity.pages, owner))
    }

    fn give_pages(&self, count: u64) {
        self.pages.fetch_sub(count, Ordering::Relaxed);
    }

    fn status(&self) -> FileSystemStatus {
        let used = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FileSystemStatus {
            magic: MAGIC,
            block_size: abi::PAGE_SIZE as u32,
            blocks: self.capacity.pages,
            free_blocks: self.capacity.pages.saturating_sub(used(&self.pages)),
            inodes: self.capacity.inodes,
            free_inodes: self.capacity.inodes.saturating_sub(used(&self.inodes)),
            name_limit: NAME_LIMIT as u32,
            device: self.device,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
