//! Changes of user and group numbers (`man 7 credentials`), and the privileges that go with them.
//!
//! Every function changes the credential or fails with it unchanged. `of_root` is what user 0 may do in the
//! partition, and the most that capabilities allow there. `None` stands for the -1 with which a program leaves a
//! number as it is.

use crate::capabilities::FileCapabilities;
use abi::Errno;
use security::{CapabilitySet, Credential, Identity, Privileges, SecureBits};

/// The value with which a program leaves a number as it is.
#[must_use]
pub fn unless_unchanged(number: u64) -> Option<u32> {
    Some(number as u32).filter(|number| *number != u32::MAX)
}

/// Greatest number of supplementary groups (`NGROUPS_MAX`).
pub const GROUPS_MAX: usize = 65_536;

/// Takes new numbers, with what that does to capabilities (`man 7 capabilities`, "Effect of user ID changes on
/// capabilities").
fn apply(credential: &mut Credential, new: Identity, of_root: Privileges) {
    let old = core::mem::replace(&mut credential.identity, new);
    let new = &credential.identity;
    let root = |identity: &Identity| [identity.uid, identity.euid, identity.suid].contains(&0);
    let mut own = credential.capabilities;
    if own.secure_bits.contains(SecureBits::NO_SETUID_FIXUP) {
        return;
    }
    if root(&old) && !root(new) {
        own.ambient = CapabilitySet::empty();
        if !own.secure_bits.contains(SecureBits::KEEP_CAPABILITIES) {
            own.permitted = CapabilitySet::empty();
        }
    }
    match (old.euid, new.euid) {
        (0, 0) => {}
        (_, 0) => own.effective = own.permitted,
        (0, _) => own.effective = CapabilitySet::empty(),
        _ => {}
    }
    own.effective &= own.permitted;
    credential.set_capabilities(own, of_root);
}

fn privileged(credential: &Credential) -> bool {
    credential.privileges.contains(Privileges::IDENTITY)
}

fn privileged_over_groups(credential: &Credential) -> bool {
    credential.privileges.contains(Privileges::GROUPS)
}

/// `setuid`: all three numbers with the privilege, else the effective one.
///
/// # Errors
/// EINVAL for -1; EPERM when `user` is neither the real nor the saved number.
pub fn setuid(
    credential: &mut Credential,
    user: Option<u32>,
    of_root: Privileges,
) -> Result<(), Errno> {
    let user = user.ok_or(Errno::EINVAL)?;
    let mut new = credential.identity.clone();
    if privileged(credential) {
        (new.uid, new.suid) = (user, user);
    } else if ![new.uid, new.suid].contains(&user) {
        return Err(Errno::EPERM);
    }
    (new.euid, new.fsuid) = (user, user);
    apply(credential, new, of_root);
    Ok(())
}

/// `setgid`: all three numbers with the privilege, else the effective one.
///
/// # Errors
/// EINVAL for -1; EPERM when `group` is neither the real nor the saved number.
pub fn setgid(credential: &mut Credential, group: Option<u32>) -> Result<(), Errno> {
    let group = group.ok_or(Errno::EINVAL)?;
    let privileged = privileged_over_groups(credential);
    let identity = &mut credential.identity;
    if privileged {
        (identity.gid, identity.sgid) = (group, group);
    } else if ![identity.gid, identity.sgid].contains(&group) {
        return Err(Errno::EPERM);
    }
    (identity.egid, identity.fsgid) = (group, group);
    Ok(())
}

/// Whether each number that is to change takes one of the `allowed` values.
fn permitted(wanted: &[Option<u32>], allowed: &[u32]) -> bool {
    wanted
        .iter()
        .flatten()
        .all(|number| allowed.contains(number))
}

/// `setreuid`: real and effective user. The saved one follows the effective one when the real one was given,
/// or the effective one becomes another than the real one.
///
/// # Errors
/// EPERM when, without the privilege, the real one is neither real nor effective now, or the effective one
/// is neither real, effective nor saved.
pub fn setreuid(
    credential: &mut Credential,
    real: Option<u32>,
    effective: Option<u32>,
    of_root: Privileges,
) -> Result<(), Errno> {
    let old = &credential.identity;
    let allowed = permitted(&[real], &[old.uid, old.euid])
        && permitted(&[effective], &[old.uid, old.euid, old.suid]);
    if !allowed && !privileged(credential) {
        return Err(Errno::EPERM);
    }
    let mut new = old.clone();
    new.uid = real.unwrap_or(old.uid);
    new.euid = effective.unwrap_or(old.euid);
    if real.is_some() || effective.is_some_and(|effective| effective != old.uid) {
        new.suid = new.euid;
    }
    new.fsuid = new.euid;
    apply(credential, new, of_root);
    Ok(())
}

/// `setregid`: as [`setreuid`] for groups.
///
/// # Errors
/// EPERM as for [`setreuid`].
pub fn setregid(
    credential: &mut Credential,
    real: Option<u32>,
    effective: Option<u32>,
) -> Result<(), Errno> {
    let old = &credential.identity;
    let allowed = permitted(&[real], &[old.gid, old.egid])
        && permitted(&[effective], &[old.gid, old.egid, old.sgid]);
    if !allowed && !privileged_over_groups(credential) {
        return Err(Errno::EPERM);
    }
    let mut new = old.clone();
    new.gid = real.unwrap_or(old.gid);
    new.egid = effective.unwrap_or(old.egid);
    if real.is_some() || effective.is_some_and(|effective| effective != old.gid) {
        new.sgid = new.egid;
    }
    new.fsgid = new.egid;
    credential.identity = new;
    Ok(())
}

/// `setresuid`: real, effective and saved user.
///
/// # Errors
/// EPERM when, without the privilege, one is none of the three now.
pub fn setresuid(
    credential: &mut Credential,
    [real, effective, saved]: [Option<u32>; 3],
    of_root: Privileges,
) -> Result<(), Errno> {
    let old = &credential.identity;
    if !permitted(&[real, effective, saved], &[old.uid, old.euid, old.suid])
        && !privileged(credential)
    {
        return Err(Errno::EPERM);
    }
    let mut new = old.clone();
    new.uid = real.unwrap_or(old.uid);
    new.euid = effective.unwrap_or(old.euid);
    new.suid = saved.unwrap_or(old.suid);
    new.fsuid = new.euid;
    apply(credential, new, of_root);
    Ok(())
}

/// `setresgid`: real, effective and saved group.
///
/// # Errors
/// EPERM when, without the privilege, one is none of the three now.
pub fn setresgid(
    credential: &mut Credential,
    [real, effective, saved]: [Option<u32>; 3],
) -> Result<(), Errno> {
    let old = &credential.identity;
    if !permitted(&[real, effective, saved], &[old.gid, old.egid, old.sgid])
        && !privileged_over_groups(credential)
    {
        return Err(Errno::EPERM);
    }
    let mut new = old.clone();
    new.gid = real.unwrap_or(old.gid);
    new.egid = effective.unwrap_or(old.egid);
    new.sgid = saved.unwrap_or(old.sgid);
    new.fsgid = new.egid;
    credential.identity = new;
    Ok(())
}

/// `setfsuid`: changes the user for file access if that is allowed; answers the old one either way.
pub fn setfsuid(credential: &mut Credential, user: Option<u32>, of_root: Privileges) -> u32 {
    let privileged = privileged(credential);
    let identity = &mut credential.identity;
    let old = identity.fsuid;
    if let Some(user) = user
        && (privileged || [identity.uid, identity.euid, identity.suid, old].contains(&user))
    {
        identity.fsuid = user;
        let mut own = credential.capabilities;
        if !own.secure_bits.contains(SecureBits::NO_SETUID_FIXUP) {
            match (old, user) {
                (0, 0) => {}
                (0, _) => own.effective -= CapabilitySet::OF_FILES,
                (_, 0) => own.effective |= own.permitted & CapabilitySet::OF_FILES,
                _ => {}
            }
            credential.set_capabilities(own, of_root);
        }
    }
    old
}

/// `setfsgid`: changes the group for file access if that is allowed; answers the old one either way.
pub fn setfsgid(credential: &mut Credential, group: Option<u32>) -> u32 {
    let privileged = privileged_over_groups(credential);
    let identity = &mut credential.identity;
    let old = identity.fsgid;
    if let Some(group) = group
        && (privileged || [identity.gid, identity.egid, identity.sgid, old].contains(&group))
    {
        identity.fsgid = group;
    }
    old
}

/// `setgroups`: replaces the supplementary groups.
///
/// # Errors
/// EPERM without the privilege; EINVAL for more than [`GROUPS_MAX`]; ENOMEM.
pub fn setgroups(credential: &mut Credential, groups: &[u32]) -> Result<(), Errno> {
    credential.require(Privileges::GROUPS)?;
    if groups.len() > GROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    credential.identity.groups = if groups.is_empty() {
        None
    } else {
        Some(fallible::arc_slice(groups)?)
    };
    Ok(())
}

/// What execve does to the numbers (`man 2 execve`): set-user-ID and set-group-ID bits of `mode`, then the
/// saved numbers become the effective ones; and to capabilities (`man 7 capabilities`, "Transformation of capabilities
/// during execve()"). Answers whether the program got more than its caller (AT_SECURE).
///
/// # Errors
/// EPERM when the program counts on capabilities of its file that it cannot get; the credential is as it was.
pub fn execute(
    credential: &mut Credential,
    file: &ProgramFile,
    of_root: Privileges,
) -> Result<bool, Errno> {
    let &ProgramFile {
        mode,
        owner,
        group,
        capabilities: given,
    } = file;
    let given = given.filter(|given| !(given.permitted | given.inheritable).is_empty());
    const SET_USER: u32 = 0o4000;
    const SET_GROUP: u32 = 0o2010;
    let mut new = credential.identity.clone();
    let before = [new.euid, new.egid];
    if mode & SET_USER != 0 {
        new.euid = owner;
    }
    // Without group execution the bit means mandatory locking, not another group.
    if mode & SET_GROUP == SET_GROUP {
        new.egid = group;
    }
    (new.suid, new.fsuid, new.sgid, new.fsgid) = (new.euid, new.euid, new.egid, new.egid);
    let mut secure = new.euid != new.uid || new.egid != new.gid;
    let mut own = credential.capabilities;
    if before != [new.euid, new.egid] || given.is_some() {
        own.ambient = CapabilitySet::empty();
    }
    (own.permitted, own.effective) = (own.ambient, own.ambient);
    // A file that says exactly what it gives gives no more for being of user 0.
    let only_given = given.is_some() && new.uid != 0 && new.euid == 0;
    let of_user_0 = [new.uid, new.euid].contains(&0)
        && !own.secure_bits.contains(SecureBits::NO_ROOT)
        && !only_given;
    if of_user_0 {
        own.permitted |= own.inheritable | own.bounding;
        if new.euid == 0 {
            own.effective = own.permitted;
        }
    } else if let Some(given) = given {
        own.permitted = own.inheritable & given.inheritable | own.bounding & given.permitted;
        if given.effective {
            if !own.permitted.contains(given.permitted) {
                return Err(Errno::EPERM);
            }
            own.effective = own.permitted;
        }
        secure |= given.effective || !own.permitted.is_empty();
    }
    own.secure_bits.remove(SecureBits::KEEP_CAPABILITIES);
    credential.identity = new;
    credential.set_capabilities(own, of_root);
    Ok(secure)
}

/// What counts of a program's file for who runs it.
#[derive(Clone, Copy, Debug)]
pub struct ProgramFile {
    /// Its mode bits, without those that are to be of no effect.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
    /// Its group.
    pub group: u32,
    /// The capabilities that it gives.
    pub capabilities: Option<FileCapabilities>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Cid;
    use proptest::prelude::*;

    const OF_ROOT: Privileges = Privileges::of_root(Cid(1));

    fn credential(uid: u32, euid: u32, suid: u32) -> Credential {
        let identity = Identity {
            uid,
            euid,
            suid,
            fsuid: euid,
            ..Identity::user(uid, uid)
        };
        let privileges = if euid == 0 {
            OF_ROOT
        } else {
            Privileges::empty()
        };
        Credential::new(Cid(1), identity, privileges)
    }

    #[test]
    fn a_daemon_drops_root_for_good() {
        let mut me = credential(0, 0, 0);
        setgroups(&mut me, &[5, 6]).unwrap();
        setgid(&mut me, Some(100)).unwrap();
        setuid(&mut me, Some(100), OF_ROOT).unwrap();
        assert_eq!(me.privileges, Privileges::empty());
        assert_eq!(setuid(&mut me, Some(0), OF_ROOT), Err(Errno::EPERM));
        assert_eq!(setgroups(&mut me, &[]), Err(Errno::EPERM));
        assert_eq!(setgid(&mut me, Some(0)), Err(Errno::EPERM));
    }

    #[test]
    fn a_set_user_id_program_switches_back_and_forth() {
        let mut me = credential(1000, 1000, 1000);
        let file = ProgramFile {
            mode: 0o4755,
            owner: 0,
            group: 0,
            capabilities: None,
        };
        assert_eq!(execute(&mut me, &file, OF_ROOT), Ok(true));
        assert_eq!(
            (me.identity.uid, me.identity.euid, me.identity.suid),
            (1000, 0, 0)
        );
        assert_eq!(me.privileges, OF_ROOT);
        setresuid(&mut me, [None, Some(1000), None], OF_ROOT).unwrap();
        assert_eq!(me.privileges, Privileges::empty());
        setreuid(&mut me, None, Some(0), OF_ROOT).unwrap();
        assert_eq!(me.privileges, OF_ROOT);
        assert_eq!(setfsuid(&mut me, Some(7), OF_ROOT), 0);
        assert!(!me.privileges.contains(Privileges::FILE_ACCESS));
        assert_eq!(setfsuid(&mut me, None, OF_ROOT), 7);
    }

    proptest! {
        /// Without the privilege no call yields a number that the process did not have.
        #[test]
        fn nothing_is_gained(ids in prop::array::uniform3(1u32..6), wanted in prop::array::uniform3(prop::option::of(1u32..6)), call in 0..3) {
            let mut me = credential(ids[0], ids[1], ids[2]);
            let before = me.clone();
            let done = match call {
                0 => setresuid(&mut me, wanted, OF_ROOT),
                1 => setreuid(&mut me, wanted[0], wanted[1], OF_ROOT),
                _ => setuid(&mut me, wanted[0], OF_ROOT),
            };
            let after = &me.identity;
            prop_assert!([after.uid, after.euid, after.suid, after.fsuid].iter().all(|id| ids.contains(id)));
            if done.is_err() {
                prop_assert_eq!(me, before);
            }
        }
    }
}
