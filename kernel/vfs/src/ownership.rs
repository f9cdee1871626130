//! Owner and mode of open files that have no name: pipes and sockets.
//!
//! They are kept with the open file: the two ends of a pipe, which are one inode on Linux, have each their own.

use crate::{Metadata, Mode};
use abi::Errno;
use core::sync::atomic::{AtomicU32, Ordering};
use security::{Credential, Privileges};

/// What has been changed of what the object itself tells.
pub(crate) struct Ownership {
    mode: AtomicU32,
    uid: AtomicU32,
    gid: AtomicU32,
}

/// Nothing has been changed; no such user, group or mode can be set.
const UNCHANGED: u32 = u32::MAX;

impl Ownership {
    pub(crate) const fn new() -> Self {
        Self {
            mode: AtomicU32::new(UNCHANGED),
            uid: AtomicU32::new(UNCHANGED),
            gid: AtomicU32::new(UNCHANGED),
        }
    }

    /// What the object tells, with the changes.
    pub(crate) fn over(&self, told: Metadata) -> Metadata {
        let changed = |number: &AtomicU32, told| match number.load(Ordering::Relaxed) {
            UNCHANGED => told,
            changed => changed,
        };
        Metadata {
            mode: Mode::new(changed(&self.mode, told.mode.bits())),
            uid: changed(&self.uid, told.uid),
            gid: changed(&self.gid, told.gid),
            ..told
        }
    }

    /// Changes the mode of what is `now`.
    ///
    /// # Errors
    /// EPERM for who is not the owner.
    pub(crate) fn change_mode(
        &self,
        credential: &Credential,
        now: &Metadata,
        mode: Mode,
    ) -> Result<(), Errno> {
        if now.uid != credential.identity.fsuid {
            credential.require(Privileges::FILE_OWNER)?;
        }
        self.mode.store(mode.bits(), Ordering::Relaxed);
        Ok(())
    }

    /// Changes the owner and the group of what is `now`; `None` leaves one as it is.
    ///
    /// # Errors
    /// EPERM: only the privileged give files away; an owner may choose among his groups.
    pub(crate) fn change_owner(
        &self,
        credential: &Credential,
        now: &Metadata,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Errno> {
        let identity = &credential.identity;
        let own_choice = now.uid == identity.fsuid
            && uid.is_none_or(|uid| uid == now.uid)
            && gid.is_none_or(|gid| gid == now.gid || identity.in_group(gid));
        if !own_choice && (uid.is_some() || gid.is_some()) {
            credential.require(Privileges::CHANGE_OWNER)?;
        }
        for (place, number) in [(&self.uid, uid), (&self.gid, gid)] {
            if let Some(number) = number {
                place.store(number, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
