//! Names of files: the tree of entries, and entries seen through mounts.

use crate::{FileKind, Inode, IoContext, Mount};
use abi::Errno;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use fallible::{Extend, Map, NoMemory, Push};
use sync::{Guard, Rank, SpinLock};
use wait::{Attempt, Stop};

/// The number of an entry; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryId(pub(crate) u64);

/// A name in a file system and the inode that it names.
///
/// An entry lives as long as somebody refers to it: a walk, an open file, a working directory, a mount, an entry
/// below it. While it lives there is no second one of the same name in the same directory for the same inode, so
/// a directory, which has one name, has one entry, and comparing entries compares directories. The file system
/// is asked at every lookup; entries only remember who is whose parent, so nothing here can be out of date.
pub struct Entry {
    id: EntryId,
    inode: Arc<dyn Inode>,
    tree: Arc<Tree>,
    place: SpinLock<Place>,
    below: SpinLock<Below>,
    /// How many mounts of any namespace are on this entry: most walks need not look.
    pub(crate) covers: AtomicU32,
}

/// What the entries of one file system share.
pub(crate) struct Tree {
    /// Held while a directory moves to another parent, so that no two moves make a loop.
    pub(crate) moves: SpinLock<()>,
}

/// Where an entry is.
struct Place {
    /// `None` for the root of a file system.
    parent: Option<Arc<Entry>>,
    name: Arc<[u8]>,
    /// The name is gone.
    removed: bool,
}

/// The live entries of a directory.
#[derive(Default)]
pub(crate) struct Below {
    names: Map<Arc<[u8]>, Weak<Entry>>,
    /// When this many names are remembered, the dead ones are dropped.
    purge_at: usize,
}

impl Below {
    const FEWEST_TO_PURGE: usize = 16;

    fn live(&self, name: &[u8]) -> Option<Arc<Entry>> {
        self.names.get(name).and_then(Weak::upgrade)
    }

    fn remember(&mut self, name: Arc<[u8]>, entry: &Arc<Entry>) -> Result<(), NoMemory> {
        if self.names.len() >= self.purge_at.max(Self::FEWEST_TO_PURGE) {
            self.names.retain(|_, entry| entry.strong_count() > 0);
            self.purge_at = 2 * self.names.len();
        }
        self.names.insert(name, Arc::downgrade(entry)).map(drop)
    }

    fn take(&mut self, name: &[u8]) -> Option<Arc<Entry>> {
        self.names.remove(name).and_then(|entry| entry.upgrade())
    }
}

impl Entry {
    /// The root of a file system.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn root(inode: Arc<dyn Inode>) -> Result<Arc<Self>, NoMemory> {
        let tree = fallible::arc(Tree {
            moves: SpinLock::new(Rank::Tree, ()),
        })?;
        Self::make(inode, tree, None, fallible::arc_slice(b"/")?)
    }

    fn make(
        inode: Arc<dyn Inode>,
        tree: Arc<Tree>,
        parent: Option<Arc<Entry>>,
        name: Arc<[u8]>,
    ) -> Result<Arc<Self>, NoMemory> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        fallible::arc(Self {
            id: EntryId(NEXT.fetch_add(1, Ordering::Relaxed)),
            inode,
            tree,
            place: SpinLock::new(
                Rank::Place,
                Place {
                    parent,
                    name,
                    removed: false,
                },
            ),
            below: SpinLock::new(Rank::Directory, Below::default()),
            covers: AtomicU32::new(0),
        })
    }

    pub(crate) fn id(&self) -> EntryId {
        self.id
    }

    /// The file.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Whether something is mounted here in any namespace. What, is behind the namespace's lock.
    pub(crate) fn is_covered(&self) -> bool {
        self.covers.load(Ordering::Relaxed) != 0
    }

    /// Whether the name has been removed since.
    pub fn is_removed(&self) -> bool {
        self.place.lock().removed
    }

    pub(crate) fn parent(&self) -> Option<Arc<Entry>> {
        self.place.lock().parent.clone()
    }

    /// Whether this is the root of a file system.
    fn is_top(&self) -> bool {
        self.place.lock().parent.is_none()
    }

    /// The path from the root of the file system.
    pub(crate) fn path_within(&self) -> Result<Vec<u8>, NoMemory> {
        let mut names = Vec::new();
        let mut at = self.parent_and_name();
        while let Some((parent, name)) = at {
            names.try_push(name)?;
            at = parent.parent_and_name();
        }
        spelled(&names)
    }

    pub(crate) fn parent_and_name(&self) -> Option<(Arc<Entry>, Arc<[u8]>)> {
        let place = self.place.lock();
        place
            .parent
            .clone()
            .map(|parent| (parent, place.name.clone()))
    }

    /// Whether this entry is `ancestor` or below it in the same file system.
    pub(crate) fn is_within(self: &Arc<Self>, ancestor: &Arc<Entry>) -> bool {
        let mut at = self.clone();
        while at.id != ancestor.id {
            let Some(parent) = at.parent() else {
                return false;
            };
            at = parent;
        }
        true
    }

    /// The lock of the names below.
    pub(crate) fn lock(&self) -> Guard<'_, Below> {
        self.below.lock()
    }

    /// The entry of a name.
    ///
    /// # Errors
    /// As [`Inode::lookup`].
    pub(crate) fn child(self: &Arc<Self>, cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<Entry>> {
        if self.inode.is_generated() {
            let inode = self.inode.lookup(cx, name)?;
            return Ok(self.adopt(&mut self.lock(), name, inode)?);
        }
        self.child_locked(&mut self.lock(), cx, name)
    }

    /// As [`Entry::child`], with the lock that the caller holds.
    pub(crate) fn child_locked(
        self: &Arc<Self>,
        below: &mut Below,
        cx: &IoContext<'_>,
        name: &[u8],
    ) -> Attempt<Arc<Entry>> {
        let inode = self.inode.lookup(cx, name)?;
        Ok(self.adopt(below, name, inode)?)
    }

    /// The entry for `inode`, which the file system has under `name`.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub(crate) fn adopt(
        self: &Arc<Self>,
        below: &mut Below,
        name: &[u8],
        inode: Arc<dyn Inode>,
    ) -> Result<Arc<Entry>, NoMemory> {
        if let Some(known) = below.live(name) {
            if known.inode.id() == inode.id() {
                return Ok(known);
            }
            known.place.lock().removed = true;
        }
        let name: Arc<[u8]> = fallible::arc_slice(name)?;
        let entry = Self::make(inode, self.tree.clone(), Some(self.clone()), name.clone())?;
        below.remember(name, &entry)?;
        Ok(entry)
    }

    /// An entry below this one for a file that has no name; `name` is what is shown of it.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub(crate) fn nameless(
        self: &Arc<Self>,
        inode: Arc<dyn Inode>,
        name: &[u8],
    ) -> Result<Arc<Entry>, NoMemory> {
        let entry = Self::make(
            inode,
            self.tree.clone(),
            Some(self.clone()),
            fallible::arc_slice(name)?,
        )?;
        entry.place.lock().removed = true;
        Ok(entry)
    }

    /// Notes that the file system has removed a name.
    pub(crate) fn forget(below: &mut Below, name: &[u8]) {
        if let Some(entry) = below.take(name) {
            entry.place.lock().removed = true;
        }
    }

    /// Notes that the file system has moved `entry` to `name` in `parent`, whose names are `to`; the caller has
    /// taken it out of where it was.
    ///
    /// The file has moved already, so this must not fail: one name is remembered.
    pub(crate) fn moved(entry: &Arc<Entry>, parent: &Arc<Entry>, to: &mut Below, name: Arc<[u8]>) {
        let former = {
            let mut place = entry.place.lock();
            place.name = name.clone();
            place.parent.replace(parent.clone())
        };
        if fallible::assured(|| to.remember(name, entry)).is_err() {
            // Whoever looks the name up gets an entry of his own.
            entry.place.lock().removed = true;
        }
        drop(former);
    }

    /// Takes the live entry of a name out, for [`Entry::moved`].
    pub(crate) fn take(below: &mut Below, name: &[u8]) -> Option<Arc<Entry>> {
        below.take(name)
    }
}

impl Drop for Entry {
    /// Gives up the chain of parents one by one: a deep tree must not use up the kernel's stack.
    fn drop(&mut self) {
        let mut parent = self.place.get_mut().parent.take();
        while let Some(entry) = parent {
            parent = Arc::into_inner(entry).and_then(|mut last| last.place.get_mut().parent.take());
        }
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Entry({}, {:?})", self.id.0, self.inode.id())
    }
}

/// A file as a process sees it: an entry through a mount.
#[derive(Clone, Debug)]
pub struct Location {
    mount: Arc<Mount>,
    entry: Arc<Entry>,
}

impl PartialEq for Location {
    /// Whether both are the same name seen through the same mount.
    fn eq(&self, other: &Self) -> bool {
        self.entry.id == other.entry.id && self.mount.id() == other.mount.id()
    }
}

impl Eq for Location {}

/// A location as a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The path from the root that was asked for, starting with `/`.
    pub bytes: Vec<u8>,
    /// The name has been removed.
    pub removed: bool,
}

impl Path {
    /// As `/proc/PID/{cwd,exe,fd/N}` shows it: with ` (deleted)` behind a removed name.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn shown(mut self) -> Result<Vec<u8>, NoMemory> {
        if self.removed {
            self.bytes.try_extend(&b" (deleted)"[..])?;
        }
        Ok(self.bytes)
    }
}

impl Location {
    /// An entry seen through a mount.
    pub(crate) fn new(mount: Arc<Mount>, entry: Arc<Entry>) -> Self {
        Self { mount, entry }
    }

    /// A file of this directory's file system that has no name; `name` is what is shown of it.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn nameless(&self, inode: Arc<dyn Inode>, name: &[u8]) -> Result<Self, NoMemory> {
        let entry = self.entry.nameless(inode, name)?;
        Ok(Self::new(self.mount.clone(), entry))
    }

    /// The mount that it is seen through.
    pub fn mount(&self) -> &Arc<Mount> {
        &self.mount
    }

    /// The name.
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The file.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.entry.inode()
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.inode().kind() == FileKind::Directory
    }

    /// Fails unless it is a directory.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn require_directory(&self) -> Result<(), Errno> {
        if self.is_directory() {
            Ok(())
        } else {
            Err(Errno::ENOTDIR)
        }
    }

    /// Fails when nothing may be changed through the mount.
    ///
    /// # Errors
    /// EROFS.
    pub fn require_writable(&self) -> Attempt<()> {
        if self.mount.is_read_only() {
            Err(Stop::Error(Errno::EROFS))
        } else {
            Ok(())
        }
    }

    /// The directory above and the name in it, mounts being passed over; `None` at the very top.
    pub(crate) fn ascend(&self) -> Option<(Location, Arc<[u8]>)> {
        let mut at = self.clone();
        while at.entry.id == at.mount.root().id {
            at = at.mount.place()?.clone();
        }
        let (parent, name) = at.entry.parent_and_name()?;
        Some((
            Location {
                mount: at.mount,
                entry: parent,
            },
            name,
        ))
    }

    /// Whether it is `root` or below it.
    ///
    /// Cheap where mounts show whole file systems; otherwise the directories up to the root are visited.
    pub fn is_within(&self, root: &Location) -> bool {
        let mut at = self.clone();
        loop {
            let top = if at.mount.id() == root.mount.id() {
                &root.entry
            } else {
                at.mount.root()
            };
            // Below the root of a file system is everything in it.
            if !top.is_top() && !at.entry.is_within(top) {
                return false;
            }
            if at.mount.id() == root.mount.id() {
                return true;
            }
            let Some(place) = at.mount.place().cloned() else {
                return false;
            };
            at = place;
        }
    }

    /// The path from `root`; `None` when it is not below, or below in no namespace that `root` could be of.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn path(&self, root: &Location) -> Result<Option<Path>, NoMemory> {
        let removed = self.entry.is_removed();
        let mut names = Vec::new();
        let mut at = self.clone();
        while at != *root {
            let top = at.entry.id == at.mount.root().id;
            if let Some(beneath) = at.mount.place().or(at.mount.origin()).filter(|_| top) {
                at = beneath.clone();
                continue;
            }
            if top && at.mount.is_apart() {
                break;
            }
            let Some((parent, name)) = at.ascend() else {
                return Ok(None);
            };
            names.try_push(name)?;
            at = parent;
        }
        let bytes = spelled(&names)?;
        Ok(Some(Path { bytes, removed }))
    }
}

/// The absolute path whose names are these, the last one first.
fn spelled(names: &[Arc<[u8]>]) -> Result<Vec<u8>, NoMemory> {
    let length = names.iter().map(|name| name.len() + 1).sum::<usize>();
    let mut bytes = fallible::list(length.max(1))?;
    for name in names.iter().rev() {
        bytes.push(b'/');
        bytes.extend_from_slice(name);
    }
    if bytes.is_empty() {
        bytes.push(b'/');
    }
    Ok(bytes)
}
