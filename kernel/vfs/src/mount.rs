//! Mounts and the mount namespace of a partition.

use crate::name::EntryId;
use crate::{DeviceNumber, Entry, Location};
use abi::{Cid, Errno};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use fallible::{Map, NoMemory, Push};
use security::{Credential, Privileges};
use sync::{Rank, SpinLock};

bitflags! {
    /// What cannot be done through a mount (`man 2 mount`; the numbers are those of `statfs`, ST_*).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MountFlags: u32 {
        /// Nothing can be changed.
        const READ_ONLY = 1;
        /// Set-id bits have no effect in exec.
        const NO_SET_ID = 2;
        /// Device nodes cannot be opened.
        const NO_DEVICES = 4;
        /// Programs cannot be run.
        const NO_EXECUTE = 8;
    }
}

/// The number of a mount; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountId(u64);

/// A file system to mount, with what `/proc/mounts` says of it. Cheap to clone: clones are the same.
#[derive(Clone, Debug)]
pub struct FileSystem {
    root: Arc<Entry>,
    kind: &'static str,
    source: Arc<str>,
}

impl FileSystem {
    /// The file system below `root`; `kind` as in `/proc/filesystems`, `source` as the first word of
    /// `/proc/mounts`.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        root: Arc<dyn crate::Inode>,
        kind: &'static str,
        source: &str,
    ) -> Result<Self, NoMemory> {
        Ok(Self {
            root: Entry::root(root)?,
            kind,
            source: fallible::arc_str(source)?,
        })
    }

    /// Its root.
    pub fn root(&self) -> &Arc<Entry> {
        &self.root
    }

    /// Its root as files have it that are in no namespace: they are reached by descriptors alone.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn apart(&self) -> Result<Location, NoMemory> {
        let mut mount = Mount::new(Cid::GLOBAL, self.shown(), None, None, MountFlags::empty())?;
        if let Some(mount) = Arc::get_mut(&mut mount) {
            mount.apart = true;
        }
        Ok(Location::new(mount, self.root.clone()))
    }
}

/// A tree of a file system shown at a place.
#[derive(Debug)]
pub struct Mount {
    id: MountId,
    owner: Cid,
    root: Arc<Entry>,
    place: Option<Location>,
    /// Of the root of a namespace: the same directory in the namespace that it was taken from. Used for showing paths
    /// to who sees that one, never for walking.
    origin: Option<Location>,
    /// It is in no namespace.
    apart: bool,
    flags: AtomicU32,
    kind: &'static str,
    source: Arc<str>,
}

impl Mount {
    fn new(
        owner: Cid,
        what: Shown,
        place: Option<Location>,
        origin: Option<Location>,
        flags: MountFlags,
    ) -> Result<Arc<Self>, NoMemory> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = MountId(NEXT.fetch_add(1, Ordering::Relaxed));
        if let Some(place) = &place {
            place.entry().covers.fetch_add(1, Ordering::Release);
        }
        fallible::arc(Self {
            id,
            owner,
            root: what.root,
            place,
            origin,
            apart: false,
            flags: AtomicU32::new(flags.bits()),
            kind: what.kind,
            source: what.source,
        })
    }

    pub(crate) fn id(&self) -> MountId {
        self.id
    }

    /// The partition that it belongs to.
    pub fn owner(&self) -> Cid {
        self.owner
    }

    /// The entry that is seen at the place.
    pub fn root(&self) -> &Arc<Entry> {
        &self.root
    }

    /// What it covers; `None` for the root of a namespace.
    pub fn place(&self) -> Option<&Location> {
        self.place.as_ref()
    }

    /// Where another namespace shows the root of this one.
    pub(crate) fn origin(&self) -> Option<&Location> {
        self.origin.as_ref()
    }

    /// Whether it is in no namespace.
    pub(crate) fn is_apart(&self) -> bool {
        self.apart
    }

    /// What cannot be done through it.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Whether nothing can be changed through it.
    pub fn is_read_only(&self) -> bool {
        self.flags().contains(MountFlags::READ_ONLY)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            place.entry().covers.fetch_sub(1, Ordering::Release);
        }
    }
}

/// What a mount shows.
struct Shown {
    root: Arc<Entry>,
    kind: &'static str,
    source: Arc<str>,
}

/// One line of `/proc/mounts` and `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountLine {
    /// Its number, which no other mount ever has.
    pub id: u64,
    /// The number of the mount that it lies on; its own for the root.
    pub parent: u64,
    /// The file system (`st_dev`).
    pub device: DeviceNumber,
    /// The directory of the file system that is shown.
    pub directory: Vec<u8>,
    /// What is mounted.
    pub source: Arc<str>,
    /// Where, from the root that was asked for.
    pub path: Vec<u8>,
    /// The kind of file system.
    pub kind: &'static str,
    /// What cannot be done through it.
    pub flags: MountFlags,
}

type Table = Map<(MountId, EntryId), Arc<Mount>>;

/// What is mounted where, as the processes of one partition see it.
///
/// A namespace may lie over a *base*: it shows the base's mounts, later ones too, except where it has its own on
/// the same place. An application partition lies over Global's and has a handful of its own, so it costs a few
/// hundred bytes; a system partition has a root of its own and no base.
pub struct MountNamespace {
    owner: Cid,
    base: Option<Arc<MountNamespace>>,
    root: Location,
    table: SpinLock<Table>,
}

impl MountNamespace {
    /// A namespace whose `/` is the root of a file system (Global's first one).
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(owner: Cid, root: &FileSystem, flags: MountFlags) -> Result<Arc<Self>, NoMemory> {
        Self::showing(owner, root.shown(), None, flags)
    }

    /// A namespace whose `/` is a directory of another namespace: the one of a system partition. Who sees that other
    /// one is shown the paths of files in here as paths below the directory.
    ///
    /// # Errors
    /// ENOTDIR, ENOMEM.
    pub fn with_root(
        owner: Cid,
        directory: &Location,
        flags: MountFlags,
    ) -> Result<Arc<Self>, Errno> {
        directory.require_directory()?;
        let origin = Some(directory.clone());
        Ok(Self::showing(owner, Shown::of(directory), origin, flags)?)
    }

    /// A namespace that shows another one's mounts and root, with its own over them.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn over(owner: Cid, base: &Arc<MountNamespace>) -> Result<Arc<Self>, NoMemory> {
        let table = SpinLock::new(Rank::Mounts, Table::new());
        fallible::arc(Self {
            owner,
            base: Some(base.clone()),
            root: base.root.clone(),
            table,
        })
    }

    fn showing(
        owner: Cid,
        what: Shown,
        origin: Option<Location>,
        flags: MountFlags,
    ) -> Result<Arc<Self>, NoMemory> {
        let mount = Mount::new(owner, what, None, origin, flags)?;
        let root = Location::new(mount.clone(), mount.root().clone());
        let table = SpinLock::new(Rank::Mounts, Table::new());
        fallible::arc(Self {
            owner,
            base: None,
            root,
            table,
        })
    }

    /// The partition that it belongs to.
    pub fn owner(&self) -> Cid {
        self.owner
    }

    /// Its root directory, which nothing covers.
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// The topmost location at a place: the root of what is mounted there, or the place itself.
    pub(crate) fn topmost(&self, mut at: Location) -> Location {
        while at.entry().is_covered() {
            let Some(mount) = self.mounted_on(&at) else {
                break;
            };
            let root = mount.root().clone();
            at = Location::new(mount, root);
        }
        at
    }

    fn mounted_on(&self, place: &Location) -> Option<Arc<Mount>> {
        let key = (place.mount().id(), place.entry().id());
        let mut namespace = Some(self);
        while let Some(here) = namespace {
            let found = here.table.lock().get(&key).cloned();
            if found.is_some() {
                return found;
            }
            namespace = here.base.as_deref();
        }
        None
    }

    /// Mounts a file system on a directory.
    ///
    /// # Errors
    /// EPERM without [`Privileges::MOUNT`] or for a namespace of another partition, ENOTDIR, ENOENT when the
    /// place has been removed, EBUSY when another mount was faster, ENOMEM.
    pub fn mount(
        &self,
        credential: &Credential,
        what: &FileSystem,
        place: &Location,
        flags: MountFlags,
    ) -> Result<(), Errno> {
        place.require_directory()?;
        self.add(credential, what.shown(), place, flags)
    }

    /// Shows a file or the tree below a directory at a second place. Mounts below the source do not come along.
    ///
    /// # Errors
    /// As [`MountNamespace::mount`]; ENOTDIR when one of the two is a directory and the other is not.
    pub fn bind(
        &self,
        credential: &Credential,
        source: &Location,
        place: &Location,
        flags: MountFlags,
    ) -> Result<(), Errno> {
        if source.is_directory() != place.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        self.add(credential, Shown::of(source), place, flags)
    }

    fn add(
        &self,
        credential: &Credential,
        what: Shown,
        place: &Location,
        flags: MountFlags,
    ) -> Result<(), Errno> {
        self.require(credential)?;
        let mount = {
            // With the names locked nobody removes the place between the look and the mark that it is covered.
            let parent = place.entry().parent();
            let _names = parent.as_ref().map(|parent| parent.lock());
            if place.entry().is_removed() {
                return Err(Errno::ENOENT);
            }
            Mount::new(self.owner, what, Some(place.clone()), None, flags)?
        };
        let key = (place.mount().id(), place.entry().id());
        let mut table = self.table.lock();
        let taken = table.contains_key(&key);
        // Kept here until the table is released: the last owner of a mount gives up a place in a tree.
        let kept = mount.clone();
        let added = if taken {
            Err(Errno::EBUSY)
        } else {
            table.insert(key, mount).map(drop).map_err(Errno::from)
        };
        drop(table);
        drop(kept);
        added
    }

    /// Takes away the mount whose root `at` is.
    ///
    /// # Errors
    /// EPERM as for [`MountNamespace::mount`], EINVAL when `at` is not the root of a mount of this very namespace,
    /// EBUSY while a process works in it, a file in it is open or something is mounted in it.
    pub fn unmount(&self, credential: &Credential, at: Location) -> Result<(), Errno> {
        self.require(credential)?;
        let place = at
            .mount()
            .place()
            .filter(|_| at.entry().id() == at.mount().root().id())
            .ok_or(Errno::EINVAL)?;
        let key = (place.mount().id(), place.entry().id());
        let id = at.mount().id();
        drop(at);
        let mut table = self.table.lock();
        let mount = table
            .get(&key)
            .filter(|mount| mount.id() == id)
            .ok_or(Errno::EINVAL)?;
        // The table's own reference is the only one when nobody uses the mount; mounts on it refer to it too.
        if Arc::strong_count(mount) > 1 {
            return Err(Errno::EBUSY);
        }
        let gone = table.remove(&key);
        drop(table);
        drop(gone);
        Ok(())
    }

    /// Changes what cannot be done through the mount whose root `at` is (`man 2 mount`, MS_REMOUNT). Files that are
    /// open for writing stay so.
    ///
    /// # Errors
    /// EPERM as for [`MountNamespace::mount`], EINVAL when `at` is not the root of a mount of this very namespace.
    pub fn remount(
        &self,
        credential: &Credential,
        at: &Location,
        flags: MountFlags,
    ) -> Result<(), Errno> {
        self.require(credential)?;
        let mount = at.mount();
        if at.entry().id() != mount.root().id() {
            return Err(Errno::EINVAL);
        }
        let own = match mount.place() {
            None => at == &self.root && self.base.is_none(),
            Some(place) => {
                let key = (place.mount().id(), place.entry().id());
                self.table
                    .lock()
                    .get(&key)
                    .is_some_and(|mounted| mounted.id() == mount.id())
            }
        };
        if !own {
            return Err(Errno::EINVAL);
        }
        mount.flags.store(flags.bits(), Ordering::Relaxed);
        Ok(())
    }

    fn require(&self, credential: &Credential) -> Result<(), Errno> {
        credential.require(Privileges::MOUNT)?;
        if credential.cid == self.owner || credential.privileges.contains(Privileges::PARTITIONS) {
            return Ok(());
        }
        Err(Errno::EPERM)
    }

    /// Takes away every mount of this namespace: the end of a partition. Open files keep what they use.
    pub fn clear(&self) {
        let all = core::mem::take(&mut *self.table.lock());
        drop(all);
    }

    /// The mounts that are visible below `root`, in the order in which they were made (`man 5 proc_mounts`).
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn lines(&self, root: &Location) -> Result<Vec<MountLine>, NoMemory> {
        let mut seen = Table::new();
        let mut namespace = Some(self);
        while let Some(here) = namespace {
            for (key, mount) in here.table.lock().iter() {
                seen.get_or_insert_with(*key, || mount.clone())?;
            }
            namespace = here.base.as_deref();
        }
        let mut mounts = fallible::collect(seen.into_iter().map(|(_, mount)| mount))?;
        mounts.try_push(self.root.mount().clone())?;
        mounts.sort_unstable_by_key(|mount| mount.id());
        mounts.dedup_by_key(|mount| mount.id());
        let mut lines = Vec::new();
        for mount in mounts {
            if let Some(line) = mount_line(mount, root)? {
                lines.try_push(line)?;
            }
        }
        Ok(lines)
    }
}

fn mount_line(mount: Arc<Mount>, root: &Location) -> Result<Option<MountLine>, NoMemory> {
    let (source, kind, flags) = (mount.source.clone(), mount.kind, mount.flags());
    let top = mount.root().clone();
    let (id, device) = (mount.id().0, top.inode().id().device);
    let directory = top.path_within()?;
    let is_root = root.mount().id() == mount.id();
    let beneath = mount.place().filter(|_| !is_root);
    let parent = beneath.map_or(id, |place| place.mount().id().0);
    let path = if is_root {
        // The mount that holds the root itself is shown at `/`.
        Some(fallible::of_one(b'/')?)
    } else {
        let path = Location::new(mount, top).path(root)?;
        path.map(|path| path.bytes)
    };
    let Some(path) = path else { return Ok(None) };
    Ok(Some(MountLine {
        id,
        parent,
        device,
        directory,
        source,
        path,
        kind,
        flags,
    }))
}

impl FileSystem {
    fn shown(&self) -> Shown {
        Shown {
            root: self.root.clone(),
            kind: self.kind,
            source: self.source.clone(),
        }
    }
}

impl Shown {
    fn of(location: &Location) -> Self {
        let mount = location.mount();
        Self {
            root: location.entry().clone(),
            kind: mount.kind,
            source: mount.source.clone(),
        }
    }
}

impl core::fmt::Debug for MountNamespace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MountNamespace")
            .field("owner", &self.owner)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
