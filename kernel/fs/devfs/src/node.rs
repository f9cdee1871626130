//! Inodes of a device file system.

use crate::View;
use crate::devices::{Devices, Item, What};
use crate::files::FIRST_COOKIE;
use abi::{Cid, Errno};
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::{
    Access, Change, DeviceNumber, DirectoryEntry, FileKind, FileOperations, FileSystemStatus, Flow,
    Inode, InodeId, IoContext, Metadata, Mode, NAME_LIMIT, NewNode, NewTime, RenameFlags,
    Timestamp,
};
use wait::Attempt;

/// What can be changed of a node, as far as it has been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    mode: Mode,
    uid: u32,
    gid: u32,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
}

/// The root directory, or one of its items.
pub(crate) struct Node {
    view: Arc<View>,
    item: Option<Arc<Item>>,
}

impl Node {
    pub(crate) fn root(view: &Arc<View>) -> Self {
        Self {
            view: view.clone(),
            item: None,
        }
    }

    /// Whether it is the root directory of a view.
    pub(crate) fn is_root_of(&self, view: &View) -> bool {
        self.item.is_none() && core::ptr::eq(&*self.view, view)
    }

    /// The view whose root directory it is, for a change of what is in it.
    fn as_root(&self) -> Result<&View, Errno> {
        match self.item {
            None => Ok(&self.view),
            Some(_) => Err(Errno::EPERM),
        }
    }

    fn number(&self) -> u64 {
        self.item.as_ref().map_or(Devices::ROOT, |item| item.number)
    }

    fn attributes(&self) -> Attributes {
        let made = self.view.made;
        let mode = self
            .item
            .as_ref()
            .map_or(Mode::new(0o755), |item| item.mode);
        let fresh = Attributes {
            mode,
            uid: 0,
            gid: 0,
            accessed: made,
            modified: made,
            changed: made,
        };
        self.view
            .state
            .lock()
            .changed
            .get(&self.number())
            .copied()
            .unwrap_or(fresh)
    }
}

fn kind_of(item: &Item) -> FileKind {
    match item.what {
        What::Device(..) => FileKind::Character,
        What::Link(_) => FileKind::Symlink,
        What::Directory => FileKind::Directory,
    }
}

impl Inode for Node {
    fn id(&self) -> InodeId {
        InodeId {
            device: self.view.device,
            number: self.number(),
        }
    }

    fn kind(&self) -> FileKind {
        self.item.as_deref().map_or(FileKind::Directory, kind_of)
    }

    fn owner(&self) -> Cid {
        self.view.devices.owner()
    }

    fn metadata(&self, _cx: &IoContext<'_>) -> Attempt<Metadata> {
        let Attributes {
            mode,
            uid,
            gid,
            accessed,
            modified,
            changed,
        } = self.attributes();
        let (device, size) = match self.item.as_ref().map(|item| &item.what) {
            Some(What::Device(number, _)) => (*number, 0),
            Some(What::Link(target)) => (DeviceNumber::default(), target.len() as u64),
            _ => (DeviceNumber::default(), 0),
        };
        let owner = self.view.devices.owner();
        Ok(Metadata {
            mode,
            uid,
            gid,
            device,
            size,
            accessed,
            modified,
            ..Metadata::new(self.id(), owner, self.kind(), changed)
        })
    }

    /// Owner, mode and times of a node can be changed (`login` and `mesg` do), in this environment only.
    fn change(&self, _cx: &IoContext<'_>, change: &Change) -> Attempt<()> {
        if change.size.is_some() {
            return Err(Errno::EINVAL.into());
        }
        let now = self.view.clock.now();
        let at = |time: NewTime| match time {
            NewTime::Now => now,
            NewTime::At(time) => time,
        };
        let mut attributes = self.attributes();
        attributes.mode = change.mode.unwrap_or(attributes.mode);
        attributes.uid = change.uid.unwrap_or(attributes.uid);
        attributes.gid = change.gid.unwrap_or(attributes.gid);
        attributes.accessed = change.accessed.map_or(attributes.accessed, at);
        attributes.modified = change.modified.map_or(attributes.modified, at);
        attributes.changed = now;
        self.view
            .state
            .lock()
            .changed
            .insert(self.number(), attributes)?;
        Ok(())
    }

    fn lookup(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<dyn Inode>> {
        if self.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let devices = self.view.devices(cx)?;
        if self.item.is_some() {
            return Err(Errno::ENOENT.into());
        }
        let text = core::str::from_utf8(name).ok();
        match text.and_then(|name| self.view.item(devices, name)) {
            Some(item) => Ok(fallible::arc(Node {
                view: self.view.clone(),
                item: Some(item),
            })?),
            None => self.view.files().ok_or(Errno::ENOENT)?.lookup(cx, name),
        }
    }

    fn create(
        &self,
        cx: &IoContext<'_>,
        name: &[u8],
        node: &NewNode<'_>,
    ) -> Attempt<Arc<dyn Inode>> {
        let view = self.as_root()?;
        if view.is_device(cx, name)? {
            return Err(Errno::EEXIST.into());
        }
        view.files_or_new()?.create(cx, name, node)
    }

    fn link(&self, cx: &IoContext<'_>, name: &[u8], target: &Arc<dyn Inode>) -> Attempt<()> {
        let view = self.as_root()?;
        if view.is_device(cx, name)? {
            return Err(Errno::EEXIST.into());
        }
        view.files_or_new()?.link(cx, name, target)
    }

    fn unlink(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<()> {
        self.as_root()?.files_with(cx, name)?.unlink(cx, name)
    }

    fn remove_directory(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<()> {
        let files = self.as_root()?.files_with(cx, name)?;
        files.remove_directory(cx, name)
    }

    fn rename(
        &self,
        cx: &IoContext<'_>,
        name: &[u8],
        target: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
    ) -> Attempt<()> {
        let view = self.as_root()?;
        let target = view.target(cx, target, new_name)?;
        let files = view.files_with(cx, name)?;
        files.rename(cx, name, target, new_name, flags)
    }

    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        if self.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        if self.item.is_some() {
            return Ok(());
        }
        let devices = self.view.devices(cx)?;
        let mut at = cookie;
        while let Some(item) = self
            .view
            .item_from(devices, at)
            .filter(|_| at < FIRST_COOKIE)
        {
            at = item.number + 1;
            let entry = DirectoryEntry {
                name: item.name.as_bytes(),
                number: item.number,
                kind: kind_of(&item),
                next: at,
            };
            if each(entry)? == Flow::Stop {
                return Ok(());
            }
        }
        self.view.file_entries(cx, at.max(FIRST_COOKIE), each)
    }

    fn read_link(&self, _cx: &IoContext<'_>) -> Attempt<Vec<u8>> {
        match self.item.as_ref().map(|item| &item.what) {
            Some(What::Link(target)) => Ok(fallible::copy(target.as_bytes())?),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn open(&self, cx: &IoContext<'_>, access: Access) -> Attempt<Option<Arc<dyn FileOperations>>> {
        match self.item.as_ref().map(|item| &item.what) {
            Some(What::Device(_, device)) => {
                self.view.devices(cx)?;
                device.open(cx, access).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn file_system(&self) -> FileSystemStatus {
        FileSystemStatus {
            // As devtmpfs, which says TMPFS_MAGIC.
            magic: 0x0102_1994,
            block_size: abi::PAGE_SIZE as u32,
            name_limit: NAME_LIMIT as u32,
            device: self.view.device,
            ..FileSystemStatus::default()
        }
    }
}
