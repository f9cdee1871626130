//! Names taken away: unlink, rmdir.

use crate::observe::{self, Events};
use crate::walk::{Last, Walker};
use crate::{Entry, FileKind, Inode, Location, Mode, Walk};
use abi::Errno;
use alloc::sync::Arc;
use security::Privileges;
use wait::Attempt;

impl Walk<'_> {
    /// Takes away a name that is not a directory's (`man 2 unlink`).
    ///
    /// # Errors
    /// EISDIR, EACCES, EPERM (sticky directory), EBUSY (something is mounted on it), EROFS; as [`Walk::resolve`].
    pub fn unlink(&self, base: Option<&Location>, path: &[u8]) -> Attempt<()> {
        let mut walker = Walker::new(self, base, path)?;
        let Last::Name { name, slash } = walker.last()? else {
            return Err(Errno::EISDIR.into());
        };
        self.remove(&walker.here, &name, |inode| match inode.kind() {
            FileKind::Directory => Err(Errno::EISDIR),
            _ if slash => Err(Errno::ENOTDIR),
            _ => Ok(()),
        })
    }

    /// Removes an empty directory (`man 2 rmdir`).
    ///
    /// # Errors
    /// ENOTDIR, ENOTEMPTY, EINVAL for `.`, EBUSY for `/` and what is mounted on; as [`Walk::unlink`].
    pub fn remove_directory(&self, base: Option<&Location>, path: &[u8]) -> Attempt<()> {
        let mut walker = Walker::new(self, base, path)?;
        let name = match walker.last()? {
            Last::Name { name, .. } => name,
            Last::Dot => return Err(Errno::EINVAL.into()),
            Last::DotDot => return Err(Errno::ENOTEMPTY.into()),
            Last::Root => return Err(Errno::EBUSY.into()),
        };
        self.remove(&walker.here, &name, |inode| match inode.kind() {
            FileKind::Directory => Ok(()),
            _ => Err(Errno::ENOTDIR),
        })
    }

    fn remove(
        &self,
        directory: &Location,
        name: &[u8],
        fitting: impl FnOnce(&Arc<dyn Inode>) -> Result<(), Errno>,
    ) -> Attempt<()> {
        let parent = directory.entry();
        if parent.inode().is_generated() {
            fitting(parent.child(&self.io, name)?.inode())?;
            return Err(Errno::EPERM.into());
        }
        // Declared before the lock, so dropped after it: the last reference to a file frees all its pages.
        let victim;
        let mut below = parent.lock();
        victim = parent.child_locked(&mut below, &self.io, name)?;
        self.may_change(directory)?;
        self.may_take_name(directory, &victim)?;
        fitting(victim.inode())?;
        if victim.is_covered() {
            return Err(Errno::EBUSY.into());
        }
        if victim.inode().kind() == FileKind::Directory {
            parent.inode().remove_directory(&self.io, name)?;
        } else {
            parent.inode().unlink(&self.io, name)?;
        }
        Entry::forget(&mut below, name);
        drop(below);
        let (inode, actor) = (victim.inode(), self.io.credential.cid);
        if inode.kind() != FileKind::Directory {
            // The number of its names is one of its metadata.
            observe::itself(&**inode, actor, Events::ATTRIB);
        }
        observe::name(&**parent.inode(), name, &**inode, actor, Events::DELETE);
        Ok(())
    }

    /// In a sticky directory only the owners of the file and of the directory may take a name away.
    pub(crate) fn may_take_name(&self, directory: &Location, victim: &Arc<Entry>) -> Attempt<()> {
        let above = directory.inode().metadata(&self.io)?;
        if !above.mode.has(Mode::STICKY) || self.holds(Privileges::FILE_OWNER) {
            return Ok(());
        }
        let uid = self.io.credential.identity.fsuid;
        if uid == above.uid || uid == victim.inode().metadata(&self.io)?.uid {
            return Ok(());
        }
        Err(Errno::EPERM.into())
    }
}
