//! Extended attributes (`man 7 xattr`): named values of a file, kept by file systems that embed an [`AttributeStore`].
//!
//! Who may see and change what is decided here, by the part of the name before its first dot: `user.` belongs to who
//! may read and write the file, `trusted.` to the administrator, `security.` is read by all and written by the
//! administrator. POSIX ACLs (`system.`) are not kept.

use crate::observe::Events;
use crate::{Change, FileKind, Location, Metadata, Mode, Walk};
use abi::Errno;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use security::{CapabilitySet, Mode as Wanted, Privileges};
use sync::{Rank, SpinLock};
use wait::Attempt;

/// Longest name, in bytes (`XATTR_NAME_MAX`).
pub const ATTRIBUTE_NAME_LIMIT: usize = 255;
/// Longest value, and longest list of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
pub const ATTRIBUTE_SIZE_LIMIT: usize = 65_536;

/// The attribute that says which capabilities a program gives to who runs it (`man 7 capabilities`, "File capabilities").
pub const CAPABILITY_ATTRIBUTE: &[u8] = b"security.capability";

/// Whether an attribute to set must be new or known (`man 2 setxattr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAttribute {
    /// Either.
    Any,
    /// It must not be there: EEXIST.
    Create,
    /// It must be there: ENODATA.
    Replace,
}

/// One name and its value.
struct Attribute {
    name: Box<[u8]>,
    value: Vec<u8>,
}

/// The attributes of one file. A leaf: its lock is held over no other.
///
/// All names and values of a file are at most [`ATTRIBUTE_SIZE_LIMIT`] bytes together, so that a file's owner cannot
/// fill the kernel's memory.
pub struct AttributeStore {
    list: SpinLock<Vec<Attribute>>,
    /// Whether [`CAPABILITY_ATTRIBUTE`] is among them; changed under the lock.
    gives_capabilities: AtomicBool,
}

impl Default for AttributeStore {
    fn default() -> Self {
        Self {
            list: SpinLock::new(Rank::Place, Vec::new()),
            gives_capabilities: AtomicBool::new(false),
        }
    }
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

impl AttributeStore {
    fn get(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let attributes = self.list.lock();
        let found = attributes.iter().find(|attribute| *attribute.name == *name);
        copy(&found.ok_or(Errno::ENODATA)?.value)
    }

    fn set(&self, name: &[u8], value: &[u8], how: SetAttribute) -> Result<(), Errno> {
        // Made before the lock is taken, and the old value freed after it is given back.
        let mut value = copy(value)?;
        let mut attributes = self.list.lock();
        let used: usize = attributes
            .iter()
            .filter(|attribute| *attribute.name != *name)
            .map(|attribute| attribute.name.len() + attribute.value.len())
            .sum();
        let present = attributes
            .iter_mut()
            .find(|attribute| *attribute.name == *name);
        match (&present, how) {
            (Some(_), SetAttribute::Create) => return Err(Errno::EEXIST),
            (None, SetAttribute::Replace) => return Err(Errno::ENODATA),
            _ => {}
        }
        if used + name.len() + value.len() > ATTRIBUTE_SIZE_LIMIT {
            return Err(Errno::ENOSPC);
        }
        if let Some(present) = present {
            core::mem::swap(&mut present.value, &mut value);
        } else {
            attributes.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            attributes.push(Attribute {
                name: fallible::boxed_slice(name)?,
                value,
            });
        }
        if name == CAPABILITY_ATTRIBUTE {
            self.gives_capabilities.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The file is written, or gets another owner: it gives no capabilities any more.
    pub(crate) fn withdraw_capabilities(&self) {
        if self.gives_capabilities.load(Ordering::Relaxed) {
            // Somebody else may have taken it away just now.
            self.remove(CAPABILITY_ATTRIBUTE).ok();
        }
    }

    fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        let mut attributes = self.list.lock();
        let at = attributes
            .iter()
            .position(|attribute| *attribute.name == *name)
            .ok_or(Errno::ENODATA)?;
        let gone = attributes.swap_remove(at);
        if name == CAPABILITY_ATTRIBUTE {
            self.gives_capabilities.store(false, Ordering::Release);
        }
        drop(attributes);
        drop(gone);
        Ok(())
    }

    /// The names that `shown` takes, a zero after each.
    fn names(&self, shown: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, Errno> {
        let mut list = Vec::new();
        for attribute in &*self.list.lock() {
            if shown(&attribute.name) {
                list.try_reserve(attribute.name.len() + 1)
                    .map_err(|_| Errno::ENOMEM)?;
                list.extend_from_slice(&attribute.name);
                list.push(0);
            }
        }
        Ok(list)
    }
}

/// The part of a name that says who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    User,
    Trusted,
    Security,
}

impl Namespace {
    fn of(name: &[u8]) -> Result<Self, Errno> {
        let (namespace, rest) = [
            (Namespace::User, &b"user."[..]),
            (Namespace::Trusted, b"trusted."),
            (Namespace::Security, b"security."),
        ]
        .into_iter()
        .find_map(|(namespace, prefix)| Some((namespace, name.strip_prefix(prefix)?)))
        .ok_or(Errno::EOPNOTSUPP)?;
        if rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        Ok(namespace)
    }
}

impl Walk<'_> {
    /// The value of an attribute (`man 2 getxattr`).
    ///
    /// # Errors
    /// ENODATA, EOPNOTSUPP, EACCES.
    pub fn attribute(&self, location: &Location, name: &[u8]) -> Attempt<Vec<u8>> {
        let namespace = Namespace::of(name)?;
        match namespace {
            Namespace::User if !carries_user_attributes(location) => {
                return Err(Errno::ENODATA.into());
            }
            Namespace::User => self.permit(location.inode(), Wanted::READ)?,
            Namespace::Trusted if !self.administers() => return Err(Errno::ENODATA.into()),
            _ => {}
        }
        let inode = location.inode();
        Ok(inode.attributes().ok_or(Errno::EOPNOTSUPP)?.get(name)?)
    }

    /// The names of all attributes that may be seen, a zero after each (`man 2 listxattr`).
    ///
    /// # Errors
    /// ENOMEM.
    pub fn attributes(&self, location: &Location) -> Attempt<Vec<u8>> {
        let Some(store) = location.inode().attributes() else {
            return Ok(Vec::new());
        };
        let trusted = self.administers();
        Ok(store.names(|name| trusted || Namespace::of(name) != Ok(Namespace::Trusted))?)
    }

    /// Sets an attribute (`man 2 setxattr`).
    ///
    /// # Errors
    /// EEXIST, ENODATA, EOPNOTSUPP, EPERM, EACCES, EROFS, ENOSPC.
    pub fn set_attribute(
        &self,
        location: &Location,
        name: &[u8],
        value: &[u8],
        how: SetAttribute,
    ) -> Attempt<()> {
        self.change_attributes(location, name, |store| store.set(name, value, how))
    }

    /// Removes an attribute (`man 2 removexattr`).
    ///
    /// # Errors
    /// ENODATA, EOPNOTSUPP, EPERM, EACCES, EROFS.
    pub fn remove_attribute(&self, location: &Location, name: &[u8]) -> Attempt<()> {
        self.change_attributes(location, name, |store| store.remove(name))
    }

    fn change_attributes(
        &self,
        location: &Location,
        name: &[u8],
        change: impl FnOnce(&AttributeStore) -> Result<(), Errno>,
    ) -> Attempt<()> {
        location.require_writable()?;
        let inode = location.inode();
        match Namespace::of(name)? {
            Namespace::User => {
                if !carries_user_attributes(location) {
                    return Err(Errno::EPERM.into());
                }
                let metadata = inode.metadata(&self.io)?;
                if is_shared(&metadata) && self.own(location).is_err() {
                    return Err(Errno::EPERM.into());
                }
                self.permit(inode, Wanted::WRITE)?;
            }
            Namespace::Security if name == CAPABILITY_ATTRIBUTE => {
                let credential = self.io.credential;
                credential.require_capability(CapabilitySet::SETFCAP)?;
                if inode.kind() != FileKind::Regular {
                    return Err(Errno::EINVAL.into());
                }
            }
            Namespace::Trusted | Namespace::Security if !self.administers() => {
                return Err(Errno::EPERM.into());
            }
            _ => {}
        }
        change(inode.attributes().ok_or(Errno::EOPNOTSUPP)?)?;
        // The time of change is that of now.
        inode.change(&self.io, &Change::default())?;
        self.tell(location, Events::ATTRIB)
    }

    /// Whether the caller is the administrator of its environment, as far as attributes are concerned.
    fn administers(&self) -> bool {
        self.holds(Privileges::FILE_OWNER)
    }
}

/// Links and special files have mode bits that mean something else.
fn carries_user_attributes(location: &Location) -> bool {
    matches!(
        location.inode().kind(),
        FileKind::Regular | FileKind::Directory
    )
}

/// A directory in which everybody has files, and nobody should leave marks.
fn is_shared(metadata: &Metadata) -> bool {
    metadata.kind == FileKind::Directory && metadata.mode.has(Mode::STICKY)
}
