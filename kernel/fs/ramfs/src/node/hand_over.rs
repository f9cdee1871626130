//! Files that change hands: a partition ends, and what it has left is somebody else's.

use super::{Body, Node};
use abi::Cid;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fallible::{NoMemory, Push};
use vfs::Inode;

/// So many nodes are looked at in one step.
const NODES: usize = 64;
/// So many pages of a file change hands in one step.
const PAGES: usize = 512;

/// A walk over a file system that gives what belongs to one partition to another, a step at a time. It is over as soon as
/// nothing belongs to the one any more, but for files without a name: they keep their owner until they are closed.
pub struct HandOver {
    from: Cid,
    to: Cid,
    ahead: Vec<Arc<Node>>,
    /// The file whose pages change hands, and the first that has not.
    file: Option<(Arc<Node>, u64)>,
    changed: usize,
}

impl HandOver {
    pub(crate) fn new(root: &Arc<Node>, from: Cid, to: Cid) -> Result<Self, NoMemory> {
        Ok(Self {
            from,
            to,
            ahead: fallible::of_one(root.clone())?,
            file: None,
            changed: 0,
        })
    }

    /// How many nodes have changed hands.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.changed
    }

    /// Goes on; answers whether there is more to do.
    ///
    /// # Errors
    /// [`NoMemory`]; the next step goes on behind what could not be done.
    pub fn step(&mut self) -> Result<bool, NoMemory> {
        if let Some((node, first)) = self.file.take() {
            if let Body::Regular(pages) = &node.body
                && let Some(next) = pages.hand_over(self.to, first, PAGES)
            {
                self.file = Some((node, next));
            }
            return Ok(true);
        }
        for _ in 0..NODES {
            let Some(node) = self.ahead.pop() else {
                return Ok(false);
            };
            if node.shared.owned_by(self.from) == 0 {
                return Ok(false);
            }
            for below in node.state.lock().names.nodes() {
                self.ahead.try_push(below.clone())?;
            }
            if node.owner() != self.from {
                continue;
            }
            node.shared.change_owner(self.from, self.to)?;
            node.owner.store(self.to.0, Ordering::Relaxed);
            self.changed += 1;
            if matches!(node.body, Body::Regular(_)) {
                self.file = Some((node, 0));
                return Ok(true);
            }
        }
        Ok(true)
    }
}
