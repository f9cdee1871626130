//! Credentials, privileges and the mode-bit check.

use crate::{Absent, Capabilities, CapabilitySet};
use abi::{Cid, Errno};
use alloc::sync::Arc;
use bitflags::bitflags;

bitflags! {
    /// Rights beyond those that the mode bits give.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Privileges: u64 {
        /// See, control and enter partitions; only meaningful in Global.
        const PARTITIONS = 1 << 0;
        /// Pass over mode bits for reading, writing and searching.
        const FILE_ACCESS = 1 << 1;
        /// Treat files of others as their owner may.
        const FILE_OWNER = 1 << 2;
        /// Signal processes of other users.
        const SIGNAL = 1 << 3;
        /// Change own user ids at will.
        const IDENTITY = 1 << 4;
        /// Raise limits.
        const LIMITS = 1 << 5;
        /// Mount and unmount.
        const MOUNT = 1 << 6;
        /// Change the root directory.
        const CHANGE_ROOT = 1 << 7;
        /// Set the wall clock; only meaningful in Global.
        const CLOCK = 1 << 8;
        /// Halt or restart the environment that one is in.
        const REBOOT = 1 << 9;
        /// Create device nodes; only meaningful in Global.
        const DEVICE_NODES = 1 << 10;
        /// Set the host name of the environment that one is in.
        const HOST_NAME = 1 << 11;
        /// Bind sockets to ports below 1024.
        const PORTS = 1 << 12;
        /// Take any priority, and change that of other users' threads: within the part of the partition that one is in.
        const PRIORITY = 1 << 13;
        /// Give files to other users and groups.
        const CHANGE_OWNER = 1 << 14;
        /// Change own group ids and other groups at will.
        const GROUPS = 1 << 15;
        /// Look into processes of other users and trace them.
        const INSPECTION = 1 << 16;
        /// Pass over mode bits for reading, and for searching directories.
        const FILE_READING = 1 << 17;
        /// Change what concerns the network of the partition that one is in, and pass over limits of its buffers.
        const NETWORK = 1 << 18;
    }
}

impl Privileges {
    /// The set of user 0: everything in Global, everything that stays inside in a partition.
    #[must_use]
    pub const fn of_root(cid: Cid) -> Self {
        if cid.is_global() {
            return Self::all();
        }
        Self::FILE_ACCESS
            .union(Self::FILE_OWNER)
            .union(Self::SIGNAL)
            .union(Self::IDENTITY)
            .union(Self::CHANGE_ROOT)
            .union(Self::REBOOT)
            .union(Self::HOST_NAME)
            .union(Self::PORTS)
            .union(Self::PRIORITY)
            .union(Self::CHANGE_OWNER)
            .union(Self::GROUPS)
            .union(Self::INSPECTION)
            .union(Self::FILE_READING)
            .union(Self::NETWORK)
    }
}

/// User and group numbers of a process (`man 7 credentials`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Saved user.
    pub suid: u32,
    /// User for file access.
    pub fsuid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
    /// Saved group.
    pub sgid: u32,
    /// Group for file access.
    pub fsgid: u32,
    /// Supplementary groups, at most 65 536; shared, since they rarely differ.
    pub groups: Option<Arc<[u32]>>,
}

impl Identity {
    /// User 0, group 0, no other groups.
    pub const ROOT: Identity = Identity::user(0, 0);

    /// A user with one group.
    #[must_use]
    pub const fn user(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups: None,
        }
    }

    /// Whether the process is in a group, for file access.
    #[must_use]
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid
            || self
                .groups
                .as_ref()
                .is_some_and(|groups| groups.contains(&gid))
    }
}

/// What a process shows when it wants to reach an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The partition that the process is in.
    pub cid: Cid,
    /// Its user and groups.
    pub identity: Identity,
    /// Its privileges: what the effective capabilities allow, less what its partition does not have.
    pub privileges: Privileges,
    /// Its capabilities.
    pub capabilities: Capabilities,
}

/// Which of a file's mode bits an access needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Read a file, list a directory.
    pub const READ: Mode = Mode(4);
    /// Write a file, change a directory.
    pub const WRITE: Mode = Mode(2);
    /// Run a file, search a directory.
    pub const EXECUTE: Mode = Mode(1);
}

impl Credential {
    /// A credential; with privileges it has all capabilities, without any it has none.
    #[must_use]
    pub const fn new(cid: Cid, identity: Identity, privileges: Privileges) -> Self {
        let capabilities = if privileges.is_empty() {
            Capabilities::NONE
        } else {
            Capabilities::FULL
        };
        Self {
            cid,
            identity,
            privileges,
            capabilities,
        }
    }

    /// Takes other capabilities; `possible` is what the partition has of privileges.
    pub fn set_capabilities(&mut self, capabilities: Capabilities, possible: Privileges) {
        self.privileges = capabilities.effective.privileges() & possible;
        self.capabilities = capabilities;
    }

    /// Whether a capability is in effect.
    ///
    /// # Errors
    /// EPERM when not.
    pub fn require_capability(&self, wanted: CapabilitySet) -> Result<(), Errno> {
        if self.capabilities.effective.contains(wanted) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    /// Whether user and group numbers mean the same for both: those of different partitions are unrelated.
    #[must_use]
    pub fn shares_users_with(&self, other: &Credential) -> bool {
        self.cid == other.cid
    }

    /// Whether every one of `wanted` is held.
    ///
    /// # Errors
    /// EPERM when one is missing.
    pub fn require(&self, wanted: Privileges) -> Result<(), Errno> {
        if self.privileges.contains(wanted) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    /// Whether the holder may look into a process that has the credential `target` (`man 2 ptrace`, "Ptrace access mode
    /// checking"): one of its partition, of its real user and group and with no capability that it has not itself, as far
    /// as that process is `dumpable`; with the privilege of inspection, any of its partition.
    ///
    /// # Errors
    /// EPERM.
    pub fn may_inspect(&self, target: &Credential, dumpable: bool) -> Result<(), Errno> {
        if !self.shares_users_with(target) {
            return Err(Errno::EPERM);
        }
        let (mine, theirs) = (&self.identity, &target.identity);
        let same = dumpable
            && [theirs.uid, theirs.euid, theirs.suid] == [mine.uid; 3]
            && [theirs.gid, theirs.egid, theirs.sgid] == [mine.gid; 3]
            && (self.capabilities.permitted).contains(target.capabilities.permitted);
        if same {
            Ok(())
        } else {
            self.require(Privileges::INSPECTION)
        }
    }

    /// Whether the holder can know of what belongs to a partition: of the own one or, privileged in Global, of every one.
    #[must_use]
    pub fn sees(&self, owner: Cid) -> bool {
        self.cid == owner
            || (self.cid.is_global() && self.privileges.contains(Privileges::PARTITIONS))
    }

    /// Whether the holder may signal a process that has the credential `target` (`man 2 kill`); `continues` says that the
    /// signal is SIGCONT and both are in one session. Across partitions, where users of equal numbers are different ones,
    /// it takes the privilege.
    ///
    /// # Errors
    /// ESRCH when there is no such process for the holder, EPERM when it is another user's.
    pub fn may_signal(&self, target: &Credential, continues: bool) -> Result<(), Errno> {
        if !self.sees(target.cid) {
            return Err(Absent.no_process());
        }
        let (mine, theirs) = (&self.identity, &target.identity);
        let same_user = [mine.uid, mine.euid]
            .iter()
            .any(|user| [theirs.uid, theirs.suid].contains(user));
        if self.shares_users_with(target) && (same_user || continues) {
            Ok(())
        } else {
            self.require(Privileges::SIGNAL)
        }
    }

    /// Whether a file for which the holder has named an owner may signal a process that has the credential `target` (`man 2
    /// fcntl`, F_SETOWN): one that the holder may signal, and of the own partition. A process that has entered another one
    /// since, or a number that is in use there, is not to learn what happens to a file here.
    ///
    /// # Errors
    /// ESRCH for a process of another partition, for Global too; EPERM when it is another user's.
    pub fn may_notify(&self, target: &Credential) -> Result<(), Errno> {
        if !self.shares_users_with(target) {
            return Err(Absent.no_process());
        }
        self.may_signal(target, false)
    }

    /// Checks mode bits (`man 7 path_resolution`, "Permissions").
    ///
    /// `mode` is the whole `st_mode`; execution of a regular file by a privileged process still needs one
    /// execute bit.
    ///
    /// # Errors
    /// EACCES when the bits do not allow it.
    pub fn may_access(&self, uid: u32, gid: u32, mode: u32, wanted: Mode) -> Result<(), Errno> {
        const DIRECTORY: u32 = 0o040_000;
        const FORMAT: u32 = 0o170_000;
        let granted = if self.identity.fsuid == uid {
            mode >> 6
        } else if self.identity.in_group(gid) {
            mode >> 3
        } else {
            mode
        } & 7;
        if granted & wanted.0 == wanted.0 {
            return Ok(());
        }
        let executable = mode & FORMAT == DIRECTORY || mode & 0o111 != 0;
        let seeks =
            wanted == Mode::READ || mode & FORMAT == DIRECTORY && wanted.0 & Mode::WRITE.0 == 0;
        if seeks && self.privileges.contains(Privileges::FILE_READING) {
            return Ok(());
        }
        if self.privileges.contains(Privileges::FILE_ACCESS)
            && (wanted.0 & Mode::EXECUTE.0 == 0 || executable)
        {
            return Ok(());
        }
        Err(Errno::EACCES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(cid: u16, number: u32) -> Credential {
        Credential::new(
            Cid(cid),
            Identity::user(number, number),
            Privileges::empty(),
        )
    }

    fn root(cid: Cid) -> Credential {
        Credential::new(cid, Identity::ROOT, Privileges::of_root(cid))
    }

    #[test]
    fn one_looks_into_processes_of_the_own_user_and_partition() {
        let mine = user(3, 1000);
        assert_eq!(mine.may_inspect(&user(3, 1000), true), Ok(()));
        assert_eq!(mine.may_inspect(&user(3, 1000), false), Err(Errno::EPERM));
        assert_eq!(mine.may_inspect(&user(3, 1001), true), Err(Errno::EPERM));
        assert_eq!(mine.may_inspect(&user(4, 1000), true), Err(Errno::EPERM));
        assert_eq!(mine.may_inspect(&root(Cid(3)), true), Err(Errno::EPERM));
        let mut changed = user(3, 1000);
        changed.identity.suid = 0;
        assert_eq!(mine.may_inspect(&changed, true), Err(Errno::EPERM));
        let mut privileged = user(3, 1000);
        privileged.capabilities.permitted = CapabilitySet::NET_BIND_SERVICE;
        assert_eq!(mine.may_inspect(&privileged, true), Err(Errno::EPERM));
    }

    #[test]
    fn only_the_own_user_and_the_privileged_may_signal() {
        let target = user(3, 10);
        let term = |sender: &Credential| sender.may_signal(&target, false);
        assert_eq!(term(&user(3, 10)), Ok(()));
        assert_eq!(term(&user(3, 11)), Err(Errno::EPERM));
        assert_eq!(user(3, 11).may_signal(&target, true), Ok(()));
        assert_eq!(term(&user(4, 10)), Err(Errno::ESRCH));
        assert_eq!(term(&root(Cid(3))), Ok(()));
        assert_eq!(term(&root(Cid::GLOBAL)), Ok(()));
        assert_eq!(term(&user(0, 10)), Err(Errno::ESRCH));
        // User 10 of Global is not user 10 of a partition, even where the partition is visible.
        let mut viewer = user(0, 10);
        viewer.privileges = Privileges::PARTITIONS;
        assert_eq!(term(&viewer), Err(Errno::EPERM));
        assert_eq!(viewer.may_signal(&target, true), Err(Errno::EPERM));
    }

    #[test]
    fn files_signal_in_their_partition_only() {
        let target = user(3, 10);
        assert_eq!(user(3, 10).may_notify(&target), Ok(()));
        assert_eq!(user(3, 11).may_notify(&target), Err(Errno::EPERM));
        assert_eq!(root(Cid(3)).may_notify(&target), Ok(()));
        for stranger in [user(4, 10), root(Cid(4)), root(Cid::GLOBAL)] {
            assert_eq!(stranger.may_notify(&target), Err(Errno::ESRCH));
        }
    }

    #[test]
    fn root_looks_into_its_own_partition_only() {
        for target in [user(3, 1000), root(Cid(3))] {
            assert_eq!(root(Cid(3)).may_inspect(&target, false), Ok(()));
            assert_eq!(root(Cid(4)).may_inspect(&target, true), Err(Errno::EPERM));
            let global = root(Cid::GLOBAL);
            assert_eq!(global.may_inspect(&target, true), Err(Errno::EPERM));
        }
    }
}
