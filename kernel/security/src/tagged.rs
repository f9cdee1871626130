//! Values that belong to a partition.

use crate::Credential;
use abi::{Cid, Errno};

/// The object does not exist for the one who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent;

impl Absent {
    /// The error of the process area: as if there were no such process.
    #[must_use]
    pub const fn no_process(self) -> Errno {
        Errno::ESRCH
    }

    /// The error of the file and IPC areas: as if there were no such name.
    #[must_use]
    pub const fn no_entry(self) -> Errno {
        Errno::ENOENT
    }
}

/// A value with the cid of the partition that it belongs to.
#[derive(Debug)]
pub struct Tagged<T: ?Sized> {
    owner: Cid,
    value: T,
}

impl<T> Tagged<T> {
    /// Gives a value to a partition.
    pub const fn new(owner: Cid, value: T) -> Self {
        Self { owner, value }
    }
}

impl<T: ?Sized> Tagged<T> {
    /// The tag.
    pub const fn owner(&self) -> Cid {
        self.owner
    }

    /// Whether a holder of `credential` can know that the object exists.
    pub fn visible(&self, credential: &Credential) -> bool {
        credential.sees(self.owner)
    }

    /// The value, for a credential of the same partition or a privileged one of Global.
    ///
    /// # Errors
    /// [`Absent`] for everybody else.
    pub fn reach(&self, credential: &Credential) -> Result<&T, Absent> {
        if self.visible(credential) {
            Ok(&self.value)
        } else {
            Err(Absent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Privileges};

    #[test]
    fn a_partition_reaches_its_own_objects_only() {
        let mine = Tagged::new(Cid(3), 7);
        let inside = |cid| Credential::new(cid, Identity::ROOT, Privileges::of_root(cid));
        assert_eq!(mine.reach(&inside(Cid(3))), Ok(&7));
        assert_eq!(mine.reach(&inside(Cid(4))), Err(Absent));
        assert_eq!(mine.reach(&inside(Cid::GLOBAL)), Ok(&7));
        let user = Credential::new(Cid::GLOBAL, Identity::user(1000, 1000), Privileges::empty());
        assert_eq!(mine.reach(&user), Err(Absent));
    }
}
