//! Where a process is: its namespace, root directory, working directory and file mode mask.

use crate::{Follow, Location, MountNamespace, Path, Walk};
use abi::Errno;
use alloc::sync::Arc;
use security::{Mode as Wanted, Privileges};
use wait::{Attempt, Stop};

/// What `clone` shares or copies with CLONE_FS.
#[derive(Clone, Debug)]
pub struct Place {
    /// What is mounted where.
    pub mounts: Arc<MountNamespace>,
    /// The root directory.
    pub root: Location,
    /// The working directory.
    pub cwd: Location,
    /// Permission bits that new files do not get.
    pub umask: u32,
}

impl Place {
    /// At the root of a namespace, with the usual mask of 022.
    pub fn at_root(mounts: &Arc<MountNamespace>) -> Self {
        let root = mounts.root().clone();
        Self {
            mounts: mounts.clone(),
            cwd: root.clone(),
            root,
            umask: 0o022,
        }
    }

    /// The path of the working directory (`man 2 getcwd`).
    ///
    /// # Errors
    /// ENOENT when it has been removed or is not below the root; ENOMEM.
    pub fn working_directory(&self) -> Result<alloc::vec::Vec<u8>, Errno> {
        match self.cwd.path(&self.root)? {
            Some(Path {
                bytes,
                removed: false,
            }) => Ok(bytes),
            _ => Err(Errno::ENOENT),
        }
    }
}

impl Walk<'_> {
    /// The directory to work in from now on (`man 2 chdir`).
    ///
    /// # Errors
    /// ENOTDIR, EACCES, as [`Walk::resolve`].
    pub fn directory(&self, base: Option<&Location>, path: &[u8]) -> Attempt<Location> {
        let found = self.resolve(base, path, Follow::Yes)?;
        self.may_enter(&found)?;
        Ok(found)
    }

    /// Whether a directory may be worked in (`man 2 fchdir`).
    ///
    /// # Errors
    /// ENOTDIR, EACCES.
    pub fn may_enter(&self, directory: &Location) -> Attempt<()> {
        directory.require_directory()?;
        self.permit(directory.inode(), Wanted::EXECUTE)
    }

    /// The directory to have as root from now on (`man 2 chroot`).
    ///
    /// # Errors
    /// EPERM without [`Privileges::CHANGE_ROOT`], as [`Walk::directory`].
    pub fn new_root(&self, path: &[u8]) -> Attempt<Location> {
        let found = self.directory(None, path)?;
        self.io
            .credential
            .require(Privileges::CHANGE_ROOT)
            .map_err(Stop::Error)?;
        Ok(found)
    }
}
