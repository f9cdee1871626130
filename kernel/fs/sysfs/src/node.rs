//! Inodes: a path, looked up in the tree of the moment.

use crate::Shared;
use crate::tree::{Tree, switched, tree};
use abi::{Cid, Errno};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use fallible::{NoMemory, Push};
use vfs::{
    Access, Change, DirectoryEntry, FileKind, FileOperations, FileSystemStatus, Flow, Inode,
    InodeId, IoContext, Metadata, Mode, NAME_LIMIT, OrderFile, Orders, TextFile,
};
use wait::Attempt;

/// `SYSFS_MAGIC` of linux/magic.h.
const MAGIC: u32 = 0x6265_6572;

/// A file or directory by its path below the root; the root's is empty.
pub(crate) struct Node {
    shared: Arc<Shared>,
    path: String,
    kind: FileKind,
}

impl Node {
    pub(crate) fn root(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            path: String::new(),
            kind: FileKind::Directory,
        }
    }

    fn tree(&self, cx: &IoContext<'_>) -> Result<Tree, NoMemory> {
        let viewer = cx.credential.cid;
        tree(&self.shared.machine.cpus(viewer)?, viewer.is_global())
    }

    fn inside(&self, name: &str) -> Result<String, NoMemory> {
        if self.path.is_empty() {
            fallible::string(name)
        } else {
            fallible::text(format_args!("{}/{name}", self.path))
        }
    }
}

/// What kind of file a path is of; `None` when there is none.
fn kind(tree: &Tree, path: &str) -> Option<FileKind> {
    if path.is_empty() {
        return Some(FileKind::Directory);
    }
    if tree.contains_key(path) {
        return Some(FileKind::Regular);
    }
    // The names below come right after those that begin alike and go on with less than a slash.
    let is_below = |name: &str| name.strip_prefix(path)?.strip_prefix('/').map(drop);
    let mut from = tree.range::<str>((Bound::Excluded(path), Bound::Unbounded));
    from.by_ref()
        .take_while(|(name, _)| name.starts_with(path))
        .find_map(|(name, _)| is_below(name))
        .map(|()| FileKind::Directory)
}

/// The number of a path's inode: FNV-1a, which tells apart the few hundred paths that there can be.
fn number(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Inode for Node {
    fn id(&self) -> InodeId {
        InodeId {
            device: self.shared.device,
            number: number(&self.path),
        }
    }

    fn kind(&self) -> FileKind {
        self.kind
    }

    fn is_generated(&self) -> bool {
        true
    }

    fn owner(&self) -> Cid {
        Cid::GLOBAL
    }

    fn metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata> {
        if kind(&self.tree(cx)?, &self.path) != Some(self.kind) {
            return Err(Errno::ENOENT.into());
        }
        let now = self.shared.machine.clock().now();
        let directory = self.kind == FileKind::Directory;
        let mode = match switched(&self.path) {
            _ if directory => 0o555,
            Some(_) => 0o644,
            None => 0o444,
        };
        Ok(Metadata {
            mode: Mode::new(mode),
            size: if directory { 0 } else { abi::PAGE_SIZE as u64 },
            ..Metadata::new(self.id(), Cid::GLOBAL, self.kind, now)
        })
    }

    fn lookup(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<dyn Inode>> {
        if self.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let name = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let path = self.inside(name)?;
        let kind = kind(&self.tree(cx)?, &path).ok_or(Errno::ENOENT)?;
        Ok(fallible::arc(Self {
            shared: self.shared.clone(),
            path,
            kind,
        })?)
    }

    /// The cookie of a name is its place in order; a CPU that comes or goes while somebody reads may move names.
    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        if self.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let tree = self.tree(cx)?;
        let above = self.inside("")?;
        let mut names = Vec::new();
        for rest in tree
            .range::<str>((Bound::Included(above.as_str()), Bound::Unbounded))
            .map_while(|(path, _)| path.strip_prefix(above.as_str()))
        {
            names.try_push(rest.split('/').next().unwrap_or_default())?;
        }
        names.dedup();
        let start = usize::try_from(cookie).unwrap_or(usize::MAX);
        for (name, next) in names.iter().zip(1..).skip(start) {
            let path = self.inside(name)?;
            let entry = DirectoryEntry {
                name: name.as_bytes(),
                number: number(&path),
                kind: kind(&tree, &path).ok_or(Errno::ENOENT)?,
                next,
            };
            if each(entry)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, cx: &IoContext<'_>, access: Access) -> Attempt<Option<Arc<dyn FileOperations>>> {
        if self.kind == FileKind::Directory {
            return Ok(None);
        }
        let text = self
            .tree(cx)?
            .remove(self.path.as_str())
            .ok_or(Errno::ENOENT)?;
        let text = TextFile(text.into_bytes());
        match switched(&self.path) {
            Some(number) => {
                let shared = self.shared.clone();
                let orders = Switch { shared, number };
                Ok(Some(fallible::arc(OrderFile { text, orders })?))
            }
            None if access.contains(Access::WRITE) => Err(Errno::EACCES.into()),
            None => Ok(Some(fallible::arc(text)?)),
        }
    }

    /// What a shell does to a file that it redirects to; the switch keeps its text.
    fn change(&self, _cx: &IoContext<'_>, change: &Change) -> Attempt<()> {
        let emptied = Change {
            size: Some(0),
            ..Change::default()
        };
        if switched(&self.path).is_some() && *change == emptied {
            Ok(())
        } else {
            Err(Errno::EPERM.into())
        }
    }

    fn file_system(&self) -> FileSystemStatus {
        FileSystemStatus {
            magic: MAGIC,
            block_size: abi::PAGE_SIZE as u32,
            name_limit: NAME_LIMIT as u32,
            device: self.shared.device,
            ..FileSystemStatus::default()
        }
    }
}

/// The switch of a CPU.
struct Switch {
    shared: Arc<Shared>,
    number: usize,
}

impl Orders for Switch {
    const LONGEST: usize = 8;

    fn carry_out(&self, cx: &IoContext<'_>, order: &[u8]) -> Attempt<()> {
        let online = match order.trim_ascii() {
            b"1" => true,
            b"0" => false,
            _ => return Err(Errno::EINVAL.into()),
        };
        self.shared.machine.set_cpu(cx, self.number, online)
    }
}
