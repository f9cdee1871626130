//! Filling a file system from an archive.

use crate::Ramfs;
use crate::archive::{Archive, Member};
use crate::node::Node;
use abi::{Cid, Errno};
use alloc::sync::Arc;
use core::fmt;
use fallible::Map;
use vfs::{DeviceNumber, FileKind, Inode, Mode, NAME_LIMIT, NewNode, NodeContent, Timestamp};

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends in the middle of a member, or without a last one.
    Truncated,
    /// There is no header where one has to be.
    NoHeader,
    /// It is compressed, which the boot loader should have undone.
    Compressed,
    /// A field of a header is not a hexadecimal number.
    BadNumber,
    /// A name is empty, too long, not terminated, or leads out by `..`.
    BadName,
    /// A member is of no known kind.
    BadKind,
    /// A member does not go with an earlier one: a file where a directory has to be, a second file of another kind.
    Conflict,
    /// It does not fit.
    NoSpace(Errno),
}

/// What is wrong with an archive, and where: the offset in bytes of the member's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveError {
    /// Bytes from the start of the archive.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.fault {
            Fault::Truncated => "ends too early",
            Fault::NoHeader => "has no cpio header (newc)",
            Fault::Compressed => "is compressed, not a plain cpio archive",
            Fault::BadNumber => "has a header with a malformed number",
            Fault::BadName => "has a member with a malformed name",
            Fault::BadKind => "has a member of an unknown kind",
            Fault::Conflict => "has a member that contradicts an earlier one",
            Fault::NoSpace(errno) => {
                return write!(
                    f,
                    "archive does not fit ({errno}), at offset {}",
                    self.offset
                );
            }
        };
        write!(f, "archive {text}, at offset {}", self.offset)
    }
}

impl core::error::Error for ArchiveError {}

/// What an archive brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Members.
    pub members: usize,
    /// Bytes of file contents.
    pub bytes: u64,
}

impl Ramfs {
    /// Makes what a cpio archive (format `newc`) holds below the root, all of it belonging to `owner`.
    ///
    /// Directories that the archive does not name are made with mode 0755. A name that is there already is
    /// replaced, directories excepted, which take the new attributes.
    ///
    /// # Errors
    /// [`ArchiveError`]; what came before the fault has been made.
    pub fn populate(&self, archive: &[u8], owner: Cid) -> Result<Contents, ArchiveError> {
        let mut reader = Archive::new(archive);
        let mut linked = Linked::new();
        let mut contents = Contents::default();
        while let Some(member) = reader.next()? {
            self.add_member(&member, owner, &mut linked)
                .map_err(|fault| ArchiveError {
                    offset: member.offset,
                    fault,
                })?;
            contents.members += 1;
            contents.bytes += member.data.len() as u64;
        }
        Ok(contents)
    }

    fn add_member(
        &self,
        member: &Member<'_>,
        owner: Cid,
        linked: &mut Linked,
    ) -> Result<(), Fault> {
        let kind = FileKind::of_mode(member.mode).ok_or(Fault::BadKind)?;
        let Some((directory, name)) = self.directory_of(member.name, owner)? else {
            if kind != FileKind::Directory {
                return Err(Fault::BadName);
            }
            set_attributes(&self.root, member);
            return Ok(());
        };
        let present = directory.state().names.get(name).ok().cloned();
        if let Some(present) = present {
            if kind == FileKind::Directory && present.kind() == kind {
                set_attributes(&present, member);
                return Ok(());
            }
            if kind == FileKind::Directory || present.kind() == FileKind::Directory {
                return Err(Fault::Conflict);
            }
            directory.discard(name);
        }
        let key = (member.device, member.inode);
        let shares = kind != FileKind::Directory && member.links > 1;
        if let Some(node) = linked.get(&key).filter(|_| shares) {
            if node.kind() != kind {
                return Err(Fault::Conflict);
            }
            // All its names may have been replaced since: it starts anew then.
            if node.count_name().is_ok() {
                directory.add(name, node.clone()).map_err(Fault::NoSpace)?;
                return fill(node, member);
            }
        }
        let node = self.make_node(member, kind, owner)?;
        directory.add(name, node.clone()).map_err(Fault::NoSpace)?;
        set_attributes(&node, member);
        fill(&node, member)?;
        if shares {
            linked
                .insert(key, node)
                .map_err(|_| Fault::NoSpace(Errno::ENOMEM))?;
        }
        Ok(())
    }

    fn make_node(
        &self,
        member: &Member<'_>,
        kind: FileKind,
        owner: Cid,
    ) -> Result<Arc<Node>, Fault> {
        let device = DeviceNumber::new(member.node.0, member.node.1);
        let content = match kind {
            FileKind::Regular => NodeContent::Regular,
            FileKind::Directory => NodeContent::Directory,
            FileKind::Symlink if member.data.is_empty() || member.data.len() >= vfs::PATH_LIMIT => {
                return Err(Fault::BadName);
            }
            FileKind::Symlink => NodeContent::Symlink(member.data),
            FileKind::Fifo => NodeContent::Fifo,
            FileKind::Socket => NodeContent::Socket,
            FileKind::Character => NodeContent::Character(device),
            FileKind::Block => NodeContent::Block(device),
        };
        let new = NewNode {
            content,
            mode: Mode::new(member.mode),
            uid: member.uid,
            gid: member.gid,
        };
        Node::make(self.root.shared(), owner, &new).map_err(Fault::NoSpace)
    }

    /// The directory that a member's path leads to, made where it is missing, and the last name; `None`: the root.
    fn directory_of<'n>(&self, path: &'n [u8], owner: Cid) -> Result<Target<'n>, Fault> {
        let mut names = path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty() && *name != b".")
            .peekable();
        let mut directory = self.root.clone();
        while let Some(name) = names.next() {
            if name == b".." || name.len() > NAME_LIMIT || name.contains(&0) {
                return Err(Fault::BadName);
            }
            if names.peek().is_none() {
                return Ok(Some((directory, name)));
            }
            let present = directory.state().names.get(name).ok().cloned();
            directory = match present {
                Some(node) if node.kind() == FileKind::Directory => node,
                Some(_) => return Err(Fault::Conflict),
                None => self.make_directory(&directory, name, owner)?,
            };
        }
        Ok(None)
    }

    fn make_directory(
        &self,
        parent: &Arc<Node>,
        name: &[u8],
        owner: Cid,
    ) -> Result<Arc<Node>, Fault> {
        let new = NewNode {
            content: NodeContent::Directory,
            mode: Mode::new(0o755),
            uid: 0,
            gid: 0,
        };
        let node = Node::make(self.root.shared(), owner, &new).map_err(Fault::NoSpace)?;
        parent.add(name, node.clone()).map_err(Fault::NoSpace)?;
        Ok(node)
    }
}

/// A directory and a name in it; `None`: the root itself.
type Target<'n> = Option<(Arc<Node>, &'n [u8])>;

/// Files with several names, by what the archive calls them.
type Linked = Map<((u32, u32), u32), Arc<Node>>;

fn set_attributes(node: &Arc<Node>, member: &Member<'_>) {
    let modified = Timestamp {
        seconds: i64::from(member.modified),
        nanoseconds: 0,
    };
    node.set_attributes(Mode::new(member.mode), member.uid, member.gid, modified);
}

/// Stores a member's data. Of a file with several names the archive may hold the data with any one of them.
fn fill(node: &Arc<Node>, member: &Member<'_>) -> Result<(), Fault> {
    match node.file() {
        Ok(pages) if !member.data.is_empty() => pages.fill(member.data).map_err(Fault::NoSpace),
        _ => Ok(()),
    }
}
