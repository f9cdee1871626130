//! Objects by number and by key, and who may do what with them.

use abi::Errno;
use alloc::vec::Vec;
use fallible::Map;
use security::{Credential, Privileges};

/// Objects of one kind that a partition may have, at the very most (IPCMNI): numbers are made of a place below this and of
/// how often the place has been used.
const PLACES: u32 = 1 << 15;
/// How many uses of a place have different numbers.
const SEQUENCES: u32 = 1 << 16;

/// Who performs an operation.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    /// On whose behalf.
    pub credential: &'a Credential,
    /// The process's number as its partition sees it.
    pub pid: u32,
    /// The wall clock in seconds.
    pub now: i64,
}

/// What an operation does with an object, as bits of one digit of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look at it.
    Read = 4,
    /// Change it.
    Alter = 2,
    /// Both.
    Both = 6,
}

/// What `semget` and its like ask for.
#[derive(Clone, Copy, Debug)]
pub struct Create {
    /// The key; 0 (IPC_PRIVATE) always makes an object.
    pub key: u32,
    /// Make one when there is none (IPC_CREAT).
    pub create: bool,
    /// Fail when there is one (IPC_EXCL).
    pub exclusive: bool,
    /// Permission bits: of the new object, or wanted of the one that is there.
    pub mode: u32,
}

/// Whose an object is (`struct ipc_perm`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its key, 0 for none.
    pub key: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The user who made it.
    pub creator_uid: u32,
    /// The group that made it.
    pub creator_gid: u32,
    /// Nine permission bits.
    pub mode: u32,
    /// How often its place has been used.
    pub sequence: u32,
}

/// What IPC_SET changes of a [`Permission`].
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    /// The new user.
    pub uid: u32,
    /// The new group.
    pub gid: u32,
    /// The new permission bits.
    pub mode: u32,
}

impl Permission {
    /// Fails unless the mode allows `bits`, of which the caller's digit counts (`man 7 sysvipc`).
    ///
    /// # Errors
    /// EACCES.
    fn allow(&self, credential: &Credential, bits: u32) -> Result<(), Errno> {
        let identity = &credential.identity;
        let user = identity.euid;
        let granted = if user == self.creator_uid || user == self.uid {
            self.mode >> 6
        } else if identity.in_group(self.creator_gid) || identity.in_group(self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        let privileged = credential.privileges.contains(Privileges::FILE_ACCESS);
        if bits & !granted & 7 == 0 || privileged {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    /// Fails unless the caller may use the object so.
    ///
    /// # Errors
    /// EACCES.
    pub(super) fn require(&self, credential: &Credential, access: Access) -> Result<(), Errno> {
        self.allow(credential, access as u32)
    }

    /// Fails unless the caller may change or remove the object itself.
    ///
    /// # Errors
    /// EPERM.
    pub(super) fn require_owner(&self, credential: &Credential) -> Result<(), Errno> {
        let user = credential.identity.euid;
        if user == self.creator_uid || user == self.uid {
            return Ok(());
        }
        credential.require(Privileges::FILE_OWNER)
    }

    pub(super) fn set(&mut self, new: Ownership) {
        self.uid = new.uid;
        self.gid = new.gid;
        self.mode = new.mode & 0o777;
    }
}

/// An object with its number.
pub(super) struct Object<T> {
    pub(super) id: i32,
    pub(super) permission: Permission,
    pub(super) value: T,
}

struct Place<T> {
    sequence: u32,
    object: Option<Object<T>>,
}

/// The objects of one kind.
pub(super) struct Registry<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    keys: Map<u32, u32>,
}

impl<T> Registry<T> {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            keys: Map::new(),
        }
    }

    /// The object of a key, or a new one: answers its number.
    ///
    /// `fits` looks at an object that is there; `make` makes the value of a new one.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, ENOSPC at `limit` objects, ENOMEM, what the two say.
    pub(super) fn get(
        &mut self,
        visit: Visit<'_>,
        wanted: Create,
        limit: u32,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
        make: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<i32, Errno> {
        let known = (wanted.key != 0)
            .then(|| self.keys.get(&wanted.key).copied())
            .flatten();
        if let Some(object) = known.and_then(|at| self.at(at)) {
            if wanted.create && wanted.exclusive {
                return Err(Errno::EEXIST);
            }
            fits(&object.value)?;
            let bits = wanted.mode >> 6 | wanted.mode >> 3 | wanted.mode;
            object.permission.allow(visit.credential, bits)?;
            return Ok(object.id);
        }
        if wanted.key != 0 && !wanted.create {
            return Err(Errno::ENOENT);
        }
        if self.len() >= limit.min(PLACES) {
            return Err(Errno::ENOSPC);
        }
        let value = make()?;
        self.insert(visit.credential, wanted, value)
    }

    fn insert(&mut self, maker: &Credential, wanted: Create, value: T) -> Result<i32, Errno> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.grow()?,
        };
        if wanted.key != 0
            && let Err(no_memory) = self.keys.insert(wanted.key, index)
        {
            self.free.push(index);
            return Err(no_memory.into());
        }
        let place = self.places.get_mut(index as usize).ok_or(Errno::ENOSPC)?;
        let (uid, gid) = (maker.identity.euid, maker.identity.egid);
        let id = (place.sequence * PLACES + index).cast_signed();
        place.object = Some(Object {
            id,
            permission: Permission {
                key: wanted.key,
                uid,
                gid,
                creator_uid: uid,
                creator_gid: gid,
                mode: wanted.mode & 0o777,
                sequence: place.sequence,
            },
            value,
        });
        Ok(id)
    }

    /// One more place; there is room to note it as free too, so that removing needs no memory.
    fn grow(&mut self) -> Result<u32, Errno> {
        self.places.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let missing = (self.places.len() + 1).saturating_sub(self.free.len());
        self.free.try_reserve(missing).map_err(|_| Errno::ENOMEM)?;
        let index = self.places.len() as u32;
        self.places.push(Place {
            sequence: 0,
            object: None,
        });
        Ok(index)
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> u32 {
        (self.places.len() - self.free.len()) as u32
    }

    /// The object at a place.
    pub(super) fn at(&self, index: u32) -> Option<&Object<T>> {
        self.places.get(index as usize)?.object.as_ref()
    }

    /// The object of a number.
    ///
    /// # Errors
    /// EINVAL.
    pub(super) fn find(&mut self, id: i32) -> Result<&mut Object<T>, Errno> {
        let number = u32::try_from(id).map_err(|_| Errno::EINVAL)?;
        self.places
            .get_mut((number % PLACES) as usize)
            .and_then(|place| place.object.as_mut())
            .filter(|object| object.id == id)
            .ok_or(Errno::EINVAL)
    }

    /// Takes an object out: its number means nothing from now on.
    pub(super) fn remove(&mut self, id: i32) -> Option<Object<T>> {
        self.find(id).ok()?;
        let index = id.cast_unsigned() % PLACES;
        let place = self.places.get_mut(index as usize)?;
        let object = place.object.take()?;
        place.sequence = (place.sequence + 1) % SEQUENCES;
        self.free.push(index);
        if object.permission.key != 0 {
            self.keys.remove(&object.permission.key);
        }
        Some(object)
    }

    /// Takes the key of an object away: it is found by its number only.
    pub(super) fn forget_key(&mut self, id: i32) {
        if let Ok(object) = self.find(id) {
            let key = core::mem::take(&mut object.permission.key);
            if key != 0 {
                self.keys.remove(&key);
            }
        }
    }

    /// All objects, by their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Object<T>> {
        self.places.iter().filter_map(|place| place.object.as_ref())
    }

    /// The last place that is taken, or 0: what the INFO operations answer.
    pub(super) fn last(&self) -> u32 {
        let last = self.places.iter().rposition(|place| place.object.is_some());
        last.unwrap_or(0) as u32
    }
}
