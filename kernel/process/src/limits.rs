//! Resource limits (`man 2 setrlimit`).

use abi::Errno;
use abi::linux::{RLIM_INFINITY, Resource, Rlimit};
use security::{Credential, Privileges};

/// The limits of a process, inherited over fork and kept over execve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    limits: [Rlimit; Resource::COUNT],
}

impl Limits {
    /// What init starts with, unless its partition says otherwise.
    #[must_use]
    pub fn initial() -> Self {
        let mut limits = [Rlimit {
            current: RLIM_INFINITY,
            maximum: RLIM_INFINITY,
        }; Resource::COUNT];
        let mut set = |resource: Resource, current, maximum| {
            if let Some(limit) = limits.get_mut(resource as usize) {
                *limit = Rlimit { current, maximum };
            }
        };
        set(Resource::Stack, 8 << 20, RLIM_INFINITY);
        set(Resource::Core, 0, RLIM_INFINITY);
        set(Resource::Processes, 65_536, 65_536);
        set(Resource::OpenFiles, 1024, 4096);
        set(Resource::LockedMemory, 64 << 10, 64 << 10);
        set(Resource::PendingSignals, 65_536, 65_536);
        set(Resource::MessageQueues, 819_200, 819_200);
        set(Resource::Nice, 0, 0);
        set(Resource::RealtimePriority, 0, 0);
        Self { limits }
    }

    /// A limit and its ceiling.
    #[must_use]
    pub fn get(&self, resource: Resource) -> Rlimit {
        self.limits
            .get(resource as usize)
            .copied()
            .unwrap_or_default()
    }

    /// All limits with their ceilings, by their numbers.
    #[must_use]
    pub fn all(&self) -> [Rlimit; Resource::COUNT] {
        self.limits
    }

    /// The limit in force.
    #[must_use]
    pub fn current(&self, resource: Resource) -> u64 {
        self.get(resource).current
    }

    /// Sets a limit and its ceiling.
    ///
    /// # Errors
    /// EINVAL when the limit is above the ceiling; EPERM when the ceiling would rise without
    /// [`Privileges::LIMITS`], or open files would pass `open_files_max` (`fs.nr_open`).
    pub fn set(
        &mut self,
        resource: Resource,
        new: Rlimit,
        credential: &Credential,
        open_files_max: u64,
    ) -> Result<(), Errno> {
        if new.current > new.maximum {
            return Err(Errno::EINVAL);
        }
        if resource == Resource::OpenFiles && new.maximum > open_files_max {
            return Err(Errno::EPERM);
        }
        let Some(limit) = self.limits.get_mut(resource as usize) else {
            return Err(Errno::EINVAL);
        };
        if new.maximum > limit.maximum {
            credential.require(Privileges::LIMITS)?;
        }
        *limit = new;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::Cid;
    use security::Identity;

    #[test]
    fn a_ceiling_rises_with_the_privilege_only() {
        let root = Credential::new(
            Cid::GLOBAL,
            Identity::ROOT,
            Privileges::of_root(Cid::GLOBAL),
        );
        let user = Credential::new(Cid::GLOBAL, Identity::user(1, 1), Privileges::empty());
        let mut limits = Limits::initial();
        let files = |current, maximum| Rlimit { current, maximum };
        assert_eq!(
            limits.set(Resource::OpenFiles, files(9, 8), &root, 1 << 20),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            limits.set(Resource::OpenFiles, files(8, 1000), &user, 1 << 20),
            Ok(())
        );
        assert_eq!(
            limits.set(Resource::OpenFiles, files(8, 1001), &user, 1 << 20),
            Err(Errno::EPERM)
        );
        assert_eq!(
            limits.set(Resource::OpenFiles, files(8, 1001), &root, 1 << 20),
            Ok(())
        );
        assert_eq!(
            limits.set(Resource::OpenFiles, files(8, 1 << 21), &root, 1 << 20),
            Err(Errno::EPERM)
        );
        assert_eq!(limits.get(Resource::OpenFiles), files(8, 1001));
    }
}
