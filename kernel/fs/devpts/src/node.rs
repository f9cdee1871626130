//! Inodes: the directory and the slaves in it.

use crate::{View, slave_number};
use abi::{Cid, Errno};
use alloc::sync::{Arc, Weak};
use tty::PtyMaster;
use vfs::{
    Access, Change, DeviceNumber, DirectoryEntry, FileKind, FileOperations, FileSystemStatus, Flow,
    Inode, InodeId, IoContext, Metadata, Mode, NAME_LIMIT, NewTime, Timestamp,
};
use wait::Attempt;

/// What can be changed of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) mode: Mode,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) accessed: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

/// The directory, or one slave.
pub(crate) struct Node {
    view: Arc<View>,
    slave: Option<Slave>,
}

struct Slave {
    number: u32,
    master: Weak<PtyMaster>,
}

/// The inode number of the directory; as on Linux number N of the slaves is inode N + 3.
const ROOT: u64 = 1;
const FIRST: u64 = 3;
/// `DEVPTS_SUPER_MAGIC` (`man 2 statfs`).
const MAGIC: u32 = 0x1cd1;

impl Node {
    pub(crate) fn root(view: &Arc<View>) -> Self {
        Self {
            view: view.clone(),
            slave: None,
        }
    }

    /// What is known of the node, as long as an end of the pseudoterminal exists.
    ///
    /// # Errors
    /// ENOENT.
    fn attributes(&self, cx: &IoContext<'_>) -> Result<Attributes, Errno> {
        let made = self.view.made;
        let Some(slave) = &self.slave else {
            return Ok(Attributes {
                mode: Mode::new(0o755),
                uid: 0,
                gid: 0,
                accessed: made,
                modified: made,
                changed: made,
            });
        };
        let numbers = self.view.numbers(cx.credential)?.lock();
        let slot = numbers.taken.get(&slave.number);
        slot.filter(|slot| slot.master.ptr_eq(&slave.master))
            .map(|slot| slot.attributes)
            .ok_or(Errno::ENOENT)
    }
}

/// A number in its usual form: `07` and `+7` are not names.
fn parse(name: &[u8]) -> Option<u32> {
    let text = core::str::from_utf8(name).ok()?;
    let is_usual = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| is_usual)
}

impl Inode for Node {
    fn id(&self) -> InodeId {
        let number = self
            .slave
            .as_ref()
            .map_or(ROOT, |slave| FIRST + u64::from(slave.number));
        InodeId {
            device: self.view.device,
            number,
        }
    }

    fn kind(&self) -> FileKind {
        match self.slave {
            None => FileKind::Directory,
            Some(_) => FileKind::Character,
        }
    }

    fn is_generated(&self) -> bool {
        true
    }

    fn owner(&self) -> Cid {
        self.view.numbers.owner()
    }

    fn metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata> {
        let Attributes {
            mode,
            uid,
            gid,
            accessed,
            modified,
            changed,
        } = self.attributes(cx)?;
        let device = self
            .slave
            .as_ref()
            .map_or(DeviceNumber::default(), |slave| slave_number(slave.number));
        Ok(Metadata {
            mode,
            uid,
            gid,
            device,
            accessed,
            modified,
            ..Metadata::new(self.id(), self.owner(), self.kind(), changed)
        })
    }

    /// Owner, mode and times of a slave can be changed (`login` and `mesg` do).
    fn change(&self, cx: &IoContext<'_>, change: &Change) -> Attempt<()> {
        if change.size.is_some() {
            return Err(Errno::EINVAL.into());
        }
        let Some(slave) = &self.slave else {
            return Err(Errno::EPERM.into());
        };
        let now = self.view.clock.now();
        let at = |time: NewTime| match time {
            NewTime::Now => now,
            NewTime::At(time) => time,
        };
        let mut numbers = self.view.numbers(cx.credential)?.lock();
        let slot = numbers
            .taken
            .get_mut(&slave.number)
            .filter(|slot| slot.master.ptr_eq(&slave.master))
            .ok_or(Errno::ENOENT)?;
        let attributes = &mut slot.attributes;
        attributes.mode = change.mode.unwrap_or(attributes.mode);
        attributes.uid = change.uid.unwrap_or(attributes.uid);
        attributes.gid = change.gid.unwrap_or(attributes.gid);
        attributes.accessed = change.accessed.map_or(attributes.accessed, at);
        attributes.modified = change.modified.map_or(attributes.modified, at);
        attributes.changed = now;
        Ok(())
    }

    fn lookup(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<dyn Inode>> {
        if self.slave.is_some() {
            return Err(Errno::ENOTDIR.into());
        }
        let number = parse(name).ok_or(Errno::ENOENT)?;
        let master = self.view.master(cx.credential, number)?;
        Ok(fallible::arc(Node {
            view: self.view.clone(),
            slave: Some(Slave {
                number,
                master: Arc::downgrade(&master),
            }),
        })?)
    }

    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        if self.slave.is_some() {
            return Err(Errno::ENOTDIR.into());
        }
        let mut at = u32::try_from(cookie).unwrap_or(u32::MAX);
        while let Some(number) = self.view.shown_from(cx.credential, at)? {
            at = number + 1;
            let name = fallible::text(format_args!("{number}"))?;
            let entry = DirectoryEntry {
                name: name.as_bytes(),
                number: FIRST + u64::from(number),
                kind: FileKind::Character,
                next: u64::from(at),
            };
            if each(entry)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    /// Opens the slave.
    ///
    /// # Errors
    /// EIO while it is locked and when its master has been closed.
    fn open(
        &self,
        cx: &IoContext<'_>,
        _access: Access,
    ) -> Attempt<Option<Arc<dyn FileOperations>>> {
        let Some(slave) = &self.slave else {
            return Ok(None);
        };
        self.view.numbers(cx.credential)?;
        let master = slave.master.upgrade().ok_or(Errno::EIO)?;
        // Whether it becomes the controlling terminal is for the call to say, which knows O_NOCTTY.
        Ok(Some(master.slave()?.open(cx, false)?))
    }

    fn file_system(&self) -> FileSystemStatus {
        FileSystemStatus {
            magic: MAGIC,
            block_size: abi::PAGE_SIZE as u32,
            name_limit: NAME_LIMIT as u32,
            device: self.view.device,
            ..FileSystemStatus::default()
        }
    }
}
