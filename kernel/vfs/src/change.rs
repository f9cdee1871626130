//! What is asked of and done to a file that has been found: stat, access, chmod, chown, utimens, truncate.

use crate::inode_file::{withdraw_capabilities, without_set_id};
use crate::observe::{self, Events};
use crate::{
    Change, FileKind, FileSystemStatus, Follow, Location, Metadata, Mode, MountFlags, NewTime,
    Walk, Writing,
};
use abi::Errno;
use alloc::vec::Vec;
use security::{Mode as Wanted, Privileges};
use wait::Attempt;

impl Walk<'_> {
    /// What `stat` and `lstat` tell.
    ///
    /// # Errors
    /// As [`Walk::resolve`].
    pub fn metadata(
        &self,
        base: Option<&Location>,
        path: &[u8],
        follow: Follow,
    ) -> Attempt<Metadata> {
        self.resolve(base, path, follow)?.inode().metadata(&self.io)
    }

    /// The path in a symbolic link (`man 2 readlink`).
    ///
    /// # Errors
    /// EINVAL when it is none; as [`Walk::resolve`].
    pub fn read_link(&self, base: Option<&Location>, path: &[u8]) -> Attempt<Vec<u8>> {
        self.resolve(base, path, Follow::No)?
            .inode()
            .read_link(&self.io)
    }

    /// What `statfs` tells, and the flags of the mount.
    pub fn file_system(&self, location: &Location) -> (FileSystemStatus, MountFlags) {
        (location.inode().file_system(), location.mount().flags())
    }

    /// Whether a file may be reached for `wanted`, bits of 4 (read), 2 (write) and 1 (execute), with the credential
    /// of this walk; `access` asks with one that has the real ids (`man 2 access`).
    ///
    /// # Errors
    /// EACCES; EROFS for writing through a read-only mount.
    pub fn access(&self, location: &Location, wanted: u32) -> Attempt<()> {
        let kind = location.inode().kind();
        let stored = matches!(
            kind,
            FileKind::Regular | FileKind::Directory | FileKind::Symlink
        );
        if wanted & Wanted::WRITE.0 != 0 && stored {
            location.require_writable()?;
        }
        let runs = wanted & Wanted::EXECUTE.0 != 0 && kind == FileKind::Regular;
        if runs && location.mount().flags().contains(MountFlags::NO_EXECUTE) {
            return Err(Errno::EACCES.into());
        }
        if wanted & 7 == 0 {
            return Ok(());
        }
        self.permit(location.inode(), Wanted(wanted & 7))
    }

    /// Whether a regular file may be run: what exec asks (`man 2 execve`).
    ///
    /// # Errors
    /// EACCES.
    pub fn may_run(&self, location: &Location) -> Attempt<()> {
        if location.inode().kind() != FileKind::Regular {
            return Err(Errno::EACCES.into());
        }
        self.access(location, Wanted::EXECUTE.0)
    }

    /// Sets the permission bits (`man 2 chmod`).
    ///
    /// # Errors
    /// EPERM for who is not the owner, EROFS.
    pub fn change_mode(&self, location: &Location, mode: Mode) -> Attempt<()> {
        location.require_writable()?;
        let metadata = self.own(location)?;
        let foreign = !self.io.credential.identity.in_group(metadata.gid)
            && !self.holds(Privileges::FILE_OWNER);
        let mode = if foreign {
            mode.without(Mode::SET_GROUP)
        } else {
            mode
        };
        location.inode().change(
            &self.io,
            &Change {
                mode: Some(mode),
                ..Change::default()
            },
        )?;
        self.tell(location, Events::ATTRIB)
    }

    /// Sets owner and group; `None` leaves one as it is. Set-id bits of a file that is not a directory go
    /// (`man 2 chown`).
    ///
    /// # Errors
    /// EPERM: only the privileged give files away; an owner may choose among his groups. EROFS.
    pub fn change_owner(
        &self,
        location: &Location,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Attempt<()> {
        location.require_writable()?;
        let metadata = location.inode().metadata(&self.io)?;
        let identity = &self.io.credential.identity;
        let owns = identity.fsuid == metadata.uid;
        let keeps_uid = uid.is_none_or(|uid| uid == metadata.uid);
        let fitting_gid = gid.is_none_or(|gid| gid == metadata.gid || identity.in_group(gid));
        let untouched = uid.is_none() && gid.is_none();
        let own_choice = owns && keeps_uid && fitting_gid;
        if !(self.holds(Privileges::CHANGE_OWNER) || untouched || own_choice) {
            return Err(Errno::EPERM.into());
        }
        let kept = without_set_id(metadata.mode);
        let strips = metadata.kind != FileKind::Directory && !untouched && kept != metadata.mode;
        let mode = strips.then_some(kept);
        if !untouched {
            withdraw_capabilities(&**location.inode());
        }
        location.inode().change(
            &self.io,
            &Change {
                mode,
                uid,
                gid,
                ..Change::default()
            },
        )?;
        if untouched {
            return Ok(());
        }
        self.tell(location, Events::ATTRIB)
    }

    /// Sets times; `None` leaves one as it is (`man 2 utimensat`).
    ///
    /// # Errors
    /// EPERM for times that only the owner may set, EACCES for the present time without the right to write, EROFS.
    pub fn change_times(
        &self,
        location: &Location,
        accessed: Option<NewTime>,
        modified: Option<NewTime>,
    ) -> Attempt<()> {
        if accessed.is_none() && modified.is_none() {
            return Ok(());
        }
        location.require_writable()?;
        let both_now = accessed == Some(NewTime::Now) && modified == Some(NewTime::Now);
        if both_now && self.own(location).is_err() {
            self.permit(location.inode(), Wanted::WRITE)?;
        } else if !both_now {
            self.own(location)?;
        }
        location.inode().change(
            &self.io,
            &Change {
                accessed,
                modified,
                ..Change::default()
            },
        )?;
        let events = match (accessed, modified) {
            (Some(_), None) => Events::ACCESS,
            (None, Some(_)) => Events::MODIFY,
            _ => Events::ATTRIB,
        };
        self.tell(location, events)
    }

    /// Sets the size of a regular file (`man 2 truncate`).
    ///
    /// # Errors
    /// EISDIR, EINVAL for other kinds, EACCES, EROFS, ENOSPC, EFBIG; ETXTBSY when it is a program that runs.
    pub fn truncate(&self, location: &Location, size: u64) -> Attempt<()> {
        match location.inode().kind() {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
        location.require_writable()?;
        self.permit(location.inode(), Wanted::WRITE)?;
        let _writing = Writing::begin(location.inode())?;
        withdraw_capabilities(&**location.inode());
        location.inode().change(
            &self.io,
            &Change {
                size: Some(size),
                ..Change::default()
            },
        )?;
        self.tell(location, Events::MODIFY)
    }

    /// Tells who watches the file; what has been done is done.
    pub(crate) fn tell(&self, location: &Location, events: Events) -> Attempt<()> {
        observe::file(location, self.io.credential.cid, events);
        Ok(())
    }

    /// The metadata of a file that the caller owns or may treat so.
    pub(crate) fn own(&self, location: &Location) -> Attempt<Metadata> {
        let metadata = location.inode().metadata(&self.io)?;
        if metadata.uid == self.io.credential.identity.fsuid || self.holds(Privileges::FILE_OWNER) {
            return Ok(metadata);
        }
        Err(Errno::EPERM.into())
    }
}
