//! New names: mkdir, mknod, symlink, link.

use crate::observe::{self, Events};
use crate::walk::{Last, Walker};
use crate::{FileKind, Location, Mode, NewNode, NodeContent, PATH_LIMIT, Walk};
use abi::Errno;
use security::{Mode as Wanted, Privileges};
use wait::{Attempt, Stop};

impl Walk<'_> {
    /// Makes a directory; `mode` has the umask applied (`man 2 mkdir`).
    ///
    /// # Errors
    /// EEXIST, ENOENT, EACCES, EROFS, ENOSPC; as [`Walk::resolve`].
    pub fn make_directory(&self, base: Option<&Location>, path: &[u8], mode: Mode) -> Attempt<()> {
        self.make(base, path, &NodeContent::Directory, mode)
    }

    /// Makes a regular file, fifo, socket or device node; `mode` has the umask applied (`man 2 mknod`).
    ///
    /// # Errors
    /// As [`Walk::make_directory`]; EPERM for a device without [`Privileges::DEVICE_NODES`] and for a directory.
    pub fn make_node(
        &self,
        base: Option<&Location>,
        path: &[u8],
        node: &NodeContent<'_>,
        mode: Mode,
    ) -> Attempt<()> {
        match node {
            NodeContent::Character(_) | NodeContent::Block(_) => {
                self.io
                    .credential
                    .require(Privileges::DEVICE_NODES)
                    .map_err(Stop::Error)?;
            }
            NodeContent::Directory | NodeContent::Symlink(_) => return Err(Errno::EPERM.into()),
            _ => {}
        }
        self.make(base, path, node, mode)
    }

    /// Makes a symbolic link to `target` (`man 2 symlink`).
    ///
    /// # Errors
    /// As [`Walk::make_directory`]; ENOENT for an empty target, ENAMETOOLONG.
    pub fn make_symlink(&self, base: Option<&Location>, path: &[u8], target: &[u8]) -> Attempt<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if target.len() >= PATH_LIMIT {
            return Err(Errno::ENAMETOOLONG.into());
        }
        self.make(base, path, &NodeContent::Symlink(target), Mode::new(0o777))
    }

    fn make(
        &self,
        base: Option<&Location>,
        path: &[u8],
        node: &NodeContent<'_>,
        mode: Mode,
    ) -> Attempt<()> {
        let mut walker = Walker::new(self, base, path)?;
        let Last::Name { name, slash } = walker.last()? else {
            return Err(Errno::EEXIST.into());
        };
        if slash && *node != NodeContent::Directory {
            let exists = walker.child(&name).is_ok();
            return Err(if exists { Errno::EEXIST } else { Errno::ENOENT }.into());
        }
        self.make_in(&walker.here, &name, node, mode).map(drop)
    }

    /// Makes a node in a directory; EEXIST comes before every other reason to refuse.
    pub(crate) fn make_in(
        &self,
        directory: &Location,
        name: &[u8],
        node: &NodeContent<'_>,
        mode: Mode,
    ) -> Attempt<Location> {
        let entry = directory.entry();
        self.require_stored(directory, name)?;
        let mut below = entry.lock();
        self.require_free(directory, name)?;
        self.may_change(directory)?;
        let node = self.new_node(directory, node, mode)?;
        let inode = entry.inode().create(&self.io, name, &node)?;
        let made = match entry.adopt(&mut below, name, inode) {
            Ok(made) => made,
            Err(no_memory) => {
                // Nobody has seen the file yet.
                match node.content.kind() {
                    FileKind::Directory => entry.inode().remove_directory(&self.io, name)?,
                    _ => entry.inode().unlink(&self.io, name)?,
                }
                return Err(no_memory.into());
            }
        };
        drop(below);
        let actor = self.io.credential.cid;
        observe::name(
            &**entry.inode(),
            name,
            &**made.inode(),
            actor,
            Events::CREATE,
        );
        Ok(Location::new(directory.mount().clone(), made))
    }

    /// What is to be made in a directory: whom it belongs to, and with which mode.
    pub(crate) fn new_node<'n>(
        &self,
        directory: &Location,
        node: &NodeContent<'n>,
        mode: Mode,
    ) -> Attempt<NewNode<'n>> {
        let above = directory.inode().metadata(&self.io)?;
        let identity = &self.io.credential.identity;
        let inherits = above.mode.has(Mode::SET_GROUP);
        let gid = if inherits { above.gid } else { identity.fsgid };
        let mode = match node.kind() {
            FileKind::Directory if inherits => Mode::new(mode.bits() | Mode::SET_GROUP),
            // Nobody makes a program that runs with a group that he is not in.
            FileKind::Regular if !identity.in_group(gid) && !self.holds(Privileges::FILE_OWNER) => {
                mode.without(Mode::SET_GROUP)
            }
            _ => mode,
        };
        Ok(NewNode {
            content: *node,
            mode,
            uid: identity.fsuid,
            gid,
        })
    }

    /// Gives the file of `existing` the further name `path` (`man 2 linkat`).
    ///
    /// # Errors
    /// EPERM for a directory, EXDEV across mounts, EEXIST, EMLINK; as [`Walk::make_directory`].
    pub fn link(&self, existing: &Location, base: Option<&Location>, path: &[u8]) -> Attempt<()> {
        let mut walker = Walker::new(self, base, path)?;
        let Last::Name { name, slash } = walker.last()? else {
            return Err(Errno::EEXIST.into());
        };
        let directory = &walker.here;
        self.require_stored(directory, &name)?;
        let below = directory.entry().lock();
        self.require_free(directory, &name)?;
        if slash {
            return Err(Errno::ENOENT.into());
        }
        if existing.mount().id() != directory.mount().id() {
            return Err(Errno::EXDEV.into());
        }
        self.may_change(directory)?;
        if existing.is_directory() {
            return Err(Errno::EPERM.into());
        }
        let (above, file) = (directory.inode(), existing.inode());
        above.link(&self.io, &name, file)?;
        drop(below);
        let actor = self.io.credential.cid;
        observe::itself(&**file, actor, Events::ATTRIB);
        observe::name(&**above, &name, &**file, actor, Events::CREATE);
        Ok(())
    }

    /// Fails in a directory where nothing can be made, with the errors of Linux: ENOENT for what is not there.
    fn require_stored(&self, directory: &Location, name: &[u8]) -> Attempt<()> {
        if directory.inode().is_generated() {
            self.require_free(directory, name)?;
            return Err(Errno::ENOENT.into());
        }
        Ok(())
    }

    fn require_free(&self, directory: &Location, name: &[u8]) -> Attempt<()> {
        match directory.inode().lookup(&self.io, name) {
            Ok(_) => Err(Errno::EEXIST.into()),
            Err(Stop::Error(Errno::ENOENT)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// Whether names in a directory may be added and taken away.
    pub(crate) fn may_change(&self, directory: &Location) -> Attempt<()> {
        directory.require_writable()?;
        self.permit(
            directory.inode(),
            Wanted(Wanted::WRITE.0 | Wanted::EXECUTE.0),
        )
    }

    pub(crate) fn holds(&self, privilege: Privileges) -> bool {
        self.io.credential.privileges.contains(privilege)
    }
}
