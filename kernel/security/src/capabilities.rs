//! Capabilities as Linux's programs name them (`man 7 capabilities`).
//!
//! A process holds sets of them, and what it may do follows: [`CapabilitySet::privileges`]. A capability that nothing here
//! asks for can be held, given up and shown all the same.

use crate::Privileges;
use bitflags::bitflags;

bitflags! {
    /// A set of capabilities, by their numbers in linux/capability.h. Those that have a name here allow something.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct CapabilitySet: u64 {
        /// CAP_CHOWN
        const CHOWN = 1 << 0;
        /// CAP_DAC_OVERRIDE
        const DAC_OVERRIDE = 1 << 1;
        /// CAP_DAC_READ_SEARCH
        const DAC_READ_SEARCH = 1 << 2;
        /// CAP_FOWNER
        const FOWNER = 1 << 3;
        /// CAP_FSETID
        const FSETID = 1 << 4;
        /// CAP_KILL
        const KILL = 1 << 5;
        /// CAP_SETGID
        const SETGID = 1 << 6;
        /// CAP_SETUID
        const SETUID = 1 << 7;
        /// CAP_SETPCAP
        const SETPCAP = 1 << 8;
        /// CAP_LINUX_IMMUTABLE
        const LINUX_IMMUTABLE = 1 << 9;
        /// CAP_NET_BIND_SERVICE
        const NET_BIND_SERVICE = 1 << 10;
        /// Change the network, and pass over limits of its buffers.
        const NET_ADMIN = 1 << 12;
        /// CAP_IPC_LOCK
        const IPC_LOCK = 1 << 14;
        /// CAP_SYS_CHROOT
        const SYS_CHROOT = 1 << 18;
        /// CAP_SYS_PTRACE
        const SYS_PTRACE = 1 << 19;
        /// CAP_SYS_ADMIN
        const SYS_ADMIN = 1 << 21;
        /// CAP_SYS_BOOT
        const SYS_BOOT = 1 << 22;
        /// CAP_SYS_NICE
        const SYS_NICE = 1 << 23;
        /// CAP_SYS_RESOURCE
        const SYS_RESOURCE = 1 << 24;
        /// CAP_SYS_TIME
        const SYS_TIME = 1 << 25;
        /// CAP_MKNOD
        const MKNOD = 1 << 27;
        /// CAP_SETFCAP
        const SETFCAP = 1 << 31;
        /// CAP_MAC_OVERRIDE
        const MAC_OVERRIDE = 1 << 32;
        /// Every capability.
        const EVERY = (1 << Self::COUNT) - 1;
    }
}

impl CapabilitySet {
    /// How many there are; CAP_CHECKPOINT_RESTORE is the last.
    pub const COUNT: u32 = 41;

    /// Those that come and go with the user for file access (`man 2 setfsuid`).
    pub const OF_FILES: Self = Self::CHOWN
        .union(Self::DAC_OVERRIDE)
        .union(Self::DAC_READ_SEARCH)
        .union(Self::FOWNER)
        .union(Self::FSETID)
        .union(Self::LINUX_IMMUTABLE)
        .union(Self::MKNOD)
        .union(Self::MAC_OVERRIDE);

    /// The set of one, by its number.
    #[must_use]
    pub const fn one(number: u64) -> Option<Self> {
        if number < Self::COUNT as u64 {
            Some(Self::from_bits_retain(1 << number))
        } else {
            None
        }
    }

    /// What they allow, where nothing else restricts it.
    #[must_use]
    pub fn privileges(self) -> Privileges {
        const ALLOWED: [(CapabilitySet, Privileges); 16] = [
            (CapabilitySet::CHOWN, Privileges::CHANGE_OWNER),
            (CapabilitySet::DAC_OVERRIDE, Privileges::FILE_ACCESS),
            (CapabilitySet::DAC_READ_SEARCH, Privileges::FILE_READING),
            (CapabilitySet::FOWNER, Privileges::FILE_OWNER),
            (CapabilitySet::KILL, Privileges::SIGNAL),
            (CapabilitySet::SETGID, Privileges::GROUPS),
            (CapabilitySet::SETUID, Privileges::IDENTITY),
            (CapabilitySet::NET_BIND_SERVICE, Privileges::PORTS),
            (CapabilitySet::NET_ADMIN, Privileges::NETWORK),
            (CapabilitySet::SYS_CHROOT, Privileges::CHANGE_ROOT),
            (CapabilitySet::SYS_PTRACE, Privileges::INSPECTION),
            (
                CapabilitySet::SYS_ADMIN,
                Privileges::PARTITIONS
                    .union(Privileges::MOUNT)
                    .union(Privileges::HOST_NAME),
            ),
            (CapabilitySet::SYS_BOOT, Privileges::REBOOT),
            (CapabilitySet::SYS_NICE, Privileges::PRIORITY),
            (CapabilitySet::SYS_RESOURCE, Privileges::LIMITS),
            (CapabilitySet::SYS_TIME, Privileges::CLOCK),
        ];
        let mut allowed = Privileges::empty();
        allowed.set(Privileges::DEVICE_NODES, self.contains(Self::MKNOD));
        for (capability, privileges) in ALLOWED {
            if self.contains(capability) {
                allowed |= privileges;
            }
        }
        allowed
    }
}

bitflags! {
    /// How user 0 and capabilities go together (`man 7 capabilities`, "The securebits flags"). Each of the first four has a
    /// second bit above it that locks it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SecureBits: u32 {
        /// SECBIT_NOROOT: execve gives user 0 none.
        const NO_ROOT = 1 << 0;
        /// SECBIT_NO_SETUID_FIXUP: they stay as they are when users change.
        const NO_SETUID_FIXUP = 1 << 2;
        /// SECBIT_KEEP_CAPS: who ceases to be user 0 may keep those that are permitted, until execve.
        const KEEP_CAPABILITIES = 1 << 4;
        /// SECBIT_NO_CAP_AMBIENT_RAISE: none becomes ambient.
        const NO_AMBIENT_RAISE = 1 << 6;
        /// The locks of all.
        const LOCKS = 0b1010_1010;
    }
}

/// What a process has of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that count now.
    pub effective: CapabilitySet,
    /// Those that it may make effective.
    pub permitted: CapabilitySet,
    /// Those that a program whose file allows it inherits.
    pub inheritable: CapabilitySet,
    /// Those that execve may give.
    pub bounding: CapabilitySet,
    /// Those that every program inherits that has no more rights than its caller.
    pub ambient: CapabilitySet,
    /// How users and capabilities go together.
    pub secure_bits: SecureBits,
}

impl Capabilities {
    /// A user's.
    pub const NONE: Self = Self {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
        bounding: CapabilitySet::EVERY,
        ambient: CapabilitySet::empty(),
        secure_bits: SecureBits::empty(),
    };

    /// User 0's.
    pub const FULL: Self = Self {
        effective: CapabilitySet::EVERY,
        permitted: CapabilitySet::EVERY,
        ..Self::NONE
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_capabilities_together_allow_everything() {
        assert_eq!(CapabilitySet::EVERY.privileges(), Privileges::all());
        assert_eq!(CapabilitySet::EVERY.bits().count_ones(), 41);
        assert_eq!(CapabilitySet::empty().privileges(), Privileges::empty());
    }

    #[test]
    fn each_privilege_needs_one_capability() {
        let mut seen = Privileges::empty();
        for one in (0..u64::from(CapabilitySet::COUNT)).filter_map(CapabilitySet::one) {
            assert!(!seen.intersects(one.privileges()), "{one:?}");
            seen |= one.privileges();
        }
        assert_eq!(CapabilitySet::one(41), None);
    }
}
