//! Changes of capabilities that a program asks for itself (`man 7 capabilities`, `man 2 capset`).
//!
//! Every function changes the credential or fails with it unchanged; `possible` is what the partition has of privileges.

use abi::Errno;
use security::{Capabilities, CapabilitySet, Credential, Privileges, SecureBits};

/// What a file gives to who runs it, its attribute `security.capability` (linux/capability.h, `struct vfs_ns_cap_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCapabilities {
    /// Those that are permitted, as far as the bounding set has them.
    pub permitted: CapabilitySet,
    /// Those of the inheritable ones that are permitted too.
    pub inheritable: CapabilitySet,
    /// All of these count at once.
    pub effective: bool,
}

impl FileCapabilities {
    /// Reads the attribute's value; `None` for those that another user 0 has given, who is nobody here.
    ///
    /// # Errors
    /// EINVAL for a value of no known form.
    pub fn read(value: &[u8]) -> Result<Option<Self>, Errno> {
        const EFFECTIVE: u32 = 1;
        let mut words = [0; 6];
        for (word, bytes) in words.iter_mut().zip(value.chunks(4)) {
            *word = u32::from_le_bytes(bytes.try_into().map_err(|_| Errno::EINVAL)?);
        }
        let [head, sets @ .., root] = words;
        let length = match head >> 24 {
            1 => 12,
            2 => 20,
            3 => 24,
            _ => return Err(Errno::EINVAL),
        };
        if value.len() != length {
            return Err(Errno::EINVAL);
        }
        if root != 0 {
            return Ok(None);
        }
        let set = |low: u32, high: u32| {
            CapabilitySet::from_bits_truncate(u64::from(low) | u64::from(high) << 32)
        };
        let [permitted, inheritable, permitted_high, inheritable_high] = sets;
        Ok(Some(Self {
            permitted: set(permitted, permitted_high),
            inheritable: set(inheritable, inheritable_high),
            effective: head & EFFECTIVE != 0,
        }))
    }
}

/// `capset`: other effective, permitted and inheritable sets.
///
/// # Errors
/// EPERM for a permitted one that is not permitted now, an effective one that would not be permitted, and an inheritable one
/// from outside of what is permitted (without CAP_SETPCAP) or of the bounding set.
pub fn set(
    credential: &mut Credential,
    [effective, permitted, inheritable]: [CapabilitySet; 3],
    possible: Privileges,
) -> Result<(), Errno> {
    let own = credential.capabilities;
    let may_choose = own.effective.contains(CapabilitySet::SETPCAP);
    let allowed = (may_choose || (own.inheritable | own.permitted).contains(inheritable))
        && (own.inheritable | own.bounding).contains(inheritable)
        && own.permitted.contains(permitted)
        && permitted.contains(effective);
    if !allowed {
        return Err(Errno::EPERM);
    }
    let new = Capabilities {
        effective,
        permitted,
        inheritable,
        ambient: own.ambient & permitted & inheritable,
        ..own
    };
    credential.set_capabilities(new, possible);
    Ok(())
}

/// PR_CAPBSET_DROP: no execve gives the capability any more.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn drop_from_bounding_set(
    credential: &mut Credential,
    capability: CapabilitySet,
) -> Result<(), Errno> {
    credential.require_capability(CapabilitySet::SETPCAP)?;
    credential.capabilities.bounding -= capability;
    Ok(())
}

/// PR_CAP_AMBIENT_RAISE: programs that are run inherit the capability.
///
/// # Errors
/// EPERM for one that is not both permitted and inheritable, and where a secure bit forbids it.
pub fn raise_ambient(credential: &mut Credential, capability: CapabilitySet) -> Result<(), Errno> {
    let own = &mut credential.capabilities;
    let allowed = (own.permitted & own.inheritable).contains(capability)
        && !own.secure_bits.contains(SecureBits::NO_AMBIENT_RAISE);
    if !allowed {
        return Err(Errno::EPERM);
    }
    own.ambient |= capability;
    Ok(())
}

/// PR_CAP_AMBIENT_LOWER and PR_CAP_AMBIENT_CLEAR_ALL.
pub fn lower_ambient(credential: &mut Credential, capabilities: CapabilitySet) {
    credential.capabilities.ambient -= capabilities;
}

/// PR_SET_SECUREBITS.
///
/// # Errors
/// EPERM without CAP_SETPCAP, for one that is locked, a lock that would be taken away, and one that is unknown.
pub fn set_secure_bits(credential: &mut Credential, bits: u64) -> Result<(), Errno> {
    let own = credential.capabilities.secure_bits;
    let new = u32::try_from(bits).ok().and_then(SecureBits::from_bits);
    let new = new.ok_or(Errno::EPERM)?;
    let locks = own & SecureBits::LOCKS;
    let locked = SecureBits::from_bits_retain(locks.bits() >> 1);
    if (own ^ new).intersects(locked) || !new.contains(locks) {
        return Err(Errno::EPERM);
    }
    credential.require_capability(CapabilitySet::SETPCAP)?;
    credential.capabilities.secure_bits = new;
    Ok(())
}

/// PR_SET_KEEPCAPS.
///
/// # Errors
/// EPERM when it is locked.
pub fn keep(credential: &mut Credential, keep: bool) -> Result<(), Errno> {
    let bits = &mut credential.capabilities.secure_bits;
    let lock = SecureBits::from_bits_retain(SecureBits::KEEP_CAPABILITIES.bits() << 1);
    if bits.contains(lock) {
        return Err(Errno::EPERM);
    }
    bits.set(SecureBits::KEEP_CAPABILITIES, keep);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ProgramFile, execute, setresuid, setuid};
    use abi::Cid;
    use proptest::prelude::*;
    use security::Identity;
    use std::vec::Vec;

    const OF_ROOT: Privileges = Privileges::of_root(Cid(1));
    const PORTS: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

    fn root() -> Credential {
        Credential::new(Cid(1), Identity::ROOT, OF_ROOT)
    }

    fn file(mode: u32, owner: u32) -> ProgramFile {
        ProgramFile {
            mode,
            owner,
            group: 0,
            capabilities: None,
        }
    }

    fn run(credential: &mut Credential) {
        execute(credential, &file(0o755, 0), OF_ROOT).unwrap();
    }

    #[test]
    fn a_file_gives_what_the_bounding_set_has_of_its_capabilities() {
        let both = PORTS | CapabilitySet::KILL;
        let with = |effective, inheritable| ProgramFile {
            capabilities: Some(FileCapabilities {
                permitted: both,
                inheritable,
                effective,
            }),
            ..file(0o755, 0)
        };
        let (all, empty) = (CapabilitySet::EVERY, CapabilitySet::empty());
        let mut user = Credential::new(Cid(1), Identity::user(7, 7), Privileges::empty());
        let mut me = user.clone();
        assert_eq!(execute(&mut me, &with(true, empty), OF_ROOT), Ok(true));
        let own = me.capabilities;
        assert_eq!((own.permitted, own.effective), (both, both));
        assert_eq!(me.privileges, Privileges::PORTS | Privileges::SIGNAL);
        // They are not handed on.
        run(&mut me);
        assert_eq!(
            (me.capabilities.permitted, me.privileges),
            (empty, Privileges::empty())
        );
        // Without the bit the program makes them effective itself.
        let mut me = user.clone();
        assert_eq!(execute(&mut me, &with(false, empty), OF_ROOT), Ok(true));
        assert_eq!(
            (me.capabilities.permitted, me.capabilities.effective),
            (both, empty)
        );
        // A program that could not know that one is missing is not run.
        user.capabilities.bounding = all - CapabilitySet::KILL;
        let mut me = user.clone();
        assert_eq!(
            execute(&mut me, &with(true, empty), OF_ROOT),
            Err(Errno::EPERM)
        );
        assert_eq!(me, user);
        assert_eq!(execute(&mut me, &with(false, empty), OF_ROOT), Ok(true));
        assert_eq!(me.capabilities.permitted, PORTS);
        // Inheritable ones need both sides; ambient ones go.
        user.capabilities.inheritable = CapabilitySet::CHOWN | CapabilitySet::SETUID;
        let inherited = CapabilitySet::CHOWN | CapabilitySet::MKNOD;
        let mut me = user.clone();
        assert_eq!(execute(&mut me, &with(false, inherited), OF_ROOT), Ok(true));
        assert_eq!(me.capabilities.permitted, PORTS | CapabilitySet::CHOWN);
        // Root has them anyway.
        let mut me = root();
        assert_eq!(execute(&mut me, &with(true, empty), OF_ROOT), Ok(false));
        assert_eq!(me.capabilities.effective, all);
    }

    #[test]
    fn the_attribute_has_three_forms() {
        let of = |words: &[u32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            FileCapabilities::read(&bytes)
        };
        let known = |permitted, inheritable, effective| {
            Ok(Some(FileCapabilities {
                permitted: CapabilitySet::from_bits_retain(permitted),
                inheritable: CapabilitySet::from_bits_retain(inheritable),
                effective,
            }))
        };
        assert_eq!(of(&[0x0100_0001, 6, 8]), known(6, 8, true));
        assert_eq!(of(&[0x0200_0000, 6, 8, 1, 0]), known(6 | 1 << 32, 8, false));
        assert_eq!(
            of(&[0x0300_0001, 6, 8, 0, 1, 0]),
            known(6, 8 | 1 << 32, true)
        );
        assert_eq!(of(&[0x0300_0001, 6, 8, 0, 1, 1000]), Ok(None));
        for bad in [
            &[0x0200_0000, 6, 8][..],
            &[0x0400_0000; 5],
            &[0x0100_0000; 5],
            &[],
        ] {
            assert_eq!(of(bad), Err(Errno::EINVAL));
        }
        assert_eq!(FileCapabilities::read(&[1; 21]), Err(Errno::EINVAL));
    }

    #[test]
    fn a_daemon_keeps_the_one_capability_that_it_needs() {
        let mut me = root();
        keep(&mut me, true).unwrap();
        setresuid(&mut me, [Some(7); 3], OF_ROOT).unwrap();
        assert_eq!(me.capabilities.effective, CapabilitySet::empty());
        assert_eq!(me.capabilities.permitted, CapabilitySet::EVERY);
        set(&mut me, [PORTS, PORTS, CapabilitySet::empty()], OF_ROOT).unwrap();
        assert_eq!(me.privileges, Privileges::PORTS);
        let more = PORTS | CapabilitySet::SETUID;
        let empty = CapabilitySet::empty();
        assert_eq!(
            set(&mut me, [PORTS, more, empty], OF_ROOT),
            Err(Errno::EPERM)
        );
        assert_eq!(
            set(&mut me, [PORTS, empty, empty], OF_ROOT),
            Err(Errno::EPERM)
        );
        run(&mut me);
        assert_eq!(me.privileges, Privileges::empty());
        assert_eq!(me.capabilities.secure_bits, SecureBits::empty());
    }

    #[test]
    fn what_has_left_the_bounding_set_is_never_given_again() {
        let mut me = root();
        drop_from_bounding_set(&mut me, CapabilitySet::KILL).unwrap();
        assert!(me.privileges.contains(Privileges::SIGNAL));
        run(&mut me);
        assert!(!me.privileges.contains(Privileges::SIGNAL));
        assert!(me.privileges.contains(Privileges::PORTS));
        setuid(&mut me, Some(7), OF_ROOT).unwrap();
        let refused = drop_from_bounding_set(&mut me, CapabilitySet::CHOWN);
        assert_eq!(refused, Err(Errno::EPERM));
    }

    #[test]
    fn ambient_capabilities_go_along_until_a_file_sets_the_user() {
        let mut me = root();
        assert_eq!(raise_ambient(&mut me, PORTS), Err(Errno::EPERM));
        set(
            &mut me,
            [CapabilitySet::EVERY, CapabilitySet::EVERY, PORTS],
            OF_ROOT,
        )
        .unwrap();
        set_secure_bits(&mut me, u64::from(SecureBits::NO_SETUID_FIXUP.bits())).unwrap();
        setresuid(&mut me, [Some(7); 3], OF_ROOT).unwrap();
        raise_ambient(&mut me, PORTS).unwrap();
        run(&mut me);
        assert_eq!(
            (me.privileges, me.capabilities.permitted),
            (Privileges::PORTS, PORTS)
        );
        let mut other = me.clone();
        execute(&mut other, &file(0o4755, 9), OF_ROOT).unwrap();
        assert_eq!(other.privileges, Privileges::empty());
        lower_ambient(&mut me, PORTS);
        assert_eq!(me.privileges, Privileges::PORTS);
        run(&mut me);
        assert_eq!(me.privileges, Privileges::empty());
    }

    #[test]
    fn locked_bits_stay() {
        let mut me = root();
        let bits = SecureBits::NO_ROOT.bits();
        set_secure_bits(&mut me, u64::from(bits | bits << 1)).unwrap();
        assert_eq!(set_secure_bits(&mut me, 0), Err(Errno::EPERM));
        assert_eq!(set_secure_bits(&mut me, u64::from(bits)), Err(Errno::EPERM));
        assert_eq!(set_secure_bits(&mut me, 1 << 8), Err(Errno::EPERM));
        run(&mut me);
        assert_eq!(me.privileges, Privileges::empty());
    }

    proptest! {
        /// Whoever has given up a capability for good does not get it back, whatever it calls.
        #[test]
        fn nothing_is_gained(calls in prop::collection::vec((0..7, any::<[u64; 3]>(), prop::option::of(0u32..3)), 0..30)) {
            let mut me = root();
            let kept = CapabilitySet::EVERY - CapabilitySet::KILL;
            drop_from_bounding_set(&mut me, CapabilitySet::KILL).unwrap();
            set(&mut me, [kept, kept, kept], OF_ROOT).unwrap();
            for (call, sets, user) in calls {
                let sets = sets.map(CapabilitySet::from_bits_truncate);
                let [one, ..] = sets;
                let before = me.clone();
                let done = match call {
                    0 => set(&mut me, sets, OF_ROOT),
                    1 => raise_ambient(&mut me, one),
                    2 => set_secure_bits(&mut me, one.bits() & 0xff),
                    3 => keep(&mut me, one.contains(PORTS)),
                    4 => setresuid(&mut me, [user, user, None], OF_ROOT),
                    5 => setuid(&mut me, user, OF_ROOT),
                    _ => execute(&mut me, &file(0o4755, user.unwrap_or(0)), OF_ROOT).map(|_| ()),
                };
                prop_assert!(done.is_ok() || me == before);
                let own = me.capabilities;
                prop_assert!(!me.privileges.contains(Privileges::SIGNAL));
                prop_assert!(own.permitted.contains(own.effective));
                prop_assert!((own.permitted & own.inheritable).contains(own.ambient));
            }
        }
    }
}
