//! The names of a directory.

use crate::node::Node;
use abi::Errno;
use alloc::sync::Arc;
use fallible::{Map, NoMemory};

/// The names of one directory, by name and by the order in which they came.
#[derive(Default)]
pub(crate) struct Names {
    by_name: Map<Arc<[u8]>, (u64, Arc<Node>)>,
    by_cookie: Map<u64, Arc<[u8]>>,
    last_cookie: u64,
    /// The directory has been removed: nothing can be made in it.
    pub(crate) removed: bool,
}

impl Names {
    pub(crate) fn get(&self, name: &[u8]) -> Result<&Arc<Node>, Errno> {
        self.by_name
            .get(name)
            .map(|(_, node)| node)
            .ok_or(Errno::ENOENT)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Fails unless `name` can be added.
    pub(crate) fn require_free(&self, name: &[u8]) -> Result<(), Errno> {
        if self.removed {
            return Err(Errno::ENOENT);
        }
        if self.by_name.contains_key(name) {
            Err(Errno::EEXIST)
        } else {
            Ok(())
        }
    }

    /// Adds a name, or makes it name `node` instead of what is handed out; it keeps its cookie then.
    ///
    /// # Errors
    /// [`NoMemory`] for a name that is not there yet.
    pub(crate) fn set(
        &mut self,
        name: &[u8],
        node: Arc<Node>,
    ) -> Result<Option<Arc<Node>>, NoMemory> {
        if let Some((_, place)) = self.by_name.get_mut(name) {
            return Ok(Some(core::mem::replace(place, node)));
        }
        let name: Arc<[u8]> = fallible::arc_slice(name)?;
        let cookie = self.last_cookie + 1;
        self.by_cookie.insert(cookie, name.clone())?;
        if let Err(no_memory) = self.by_name.insert(name, (cookie, node)) {
            self.by_cookie.remove(&cookie);
            return Err(no_memory);
        }
        self.last_cookie = cookie;
        Ok(None)
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        let (cookie, node) = self.by_name.remove(name)?;
        self.by_cookie.remove(&cookie);
        Some(node)
    }

    /// Names from a cookie on, with theirs.
    pub(crate) fn starting_at(
        &self,
        cookie: u64,
    ) -> impl Iterator<Item = (u64, &[u8], &Arc<Node>)> {
        self.by_cookie
            .range::<u64>(cookie..)
            .filter_map(|(cookie, name)| {
                let (_, node) = self.by_name.get(name)?;
                Some((*cookie, &**name, node))
            })
    }

    /// All nodes, taken out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<Node>> + use<> {
        self.by_cookie.clear();
        core::mem::take(&mut self.by_name)
            .into_iter()
            .map(|(_, (_, node))| node)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.by_name.values().map(|(_, node)| node)
    }
}
