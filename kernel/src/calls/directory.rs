//! Names: opening, making, removing and renaming files; the process's place; mounts.
//!
//! Every permission is checked by [`vfs::Walk`]. Here arguments become locations, flags become options, and the
//! results go into descriptors.

mod current;
mod mounting;
pub(super) mod opening;

pub use current::{chdir, chroot, fchdir, getcwd, umask};
pub use mounting::{mount, umount};
pub use opening::{creat, open, openat, openat2};

use super::Call;
use super::descriptor::opened;
use crate::outcome::{Called, Outcome};
use crate::special::{self, KERNEL_FILES};
use crate::user::{Segment, UserBuffer};
use abi::Errno;
use abi::linux::{AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::NoMemory;
use security::Credential;
use vfs::{
    DeviceNumber, FileKind, Follow, IoContext, Location, Mode, MountNamespace, NodeContent, Place,
    RenameFlags, Restrictions, Walk, fill_dirents,
};
use wait::Attempt;

/// Carries out an operation on names as the process does it.
pub(super) fn with_walk<T>(
    call: &Call<'_>,
    act: impl FnOnce(&Walk<'_>) -> Attempt<T>,
) -> Result<T, Outcome> {
    with_walk_as(call, call.credential(), act)
}

/// As [`with_walk`], with another credential.
pub(super) fn with_walk_as<T>(
    call: &Call<'_>,
    credential: &Credential,
    act: impl FnOnce(&Walk<'_>) -> Attempt<T>,
) -> Result<T, Outcome> {
    let place = place(call)?;
    let walk = Walk {
        io: IoContext {
            credential,
            ..call.io()
        },
        mounts: &place.mounts,
        root: &place.root,
        cwd: &place.cwd,
        special: &KERNEL_FILES,
        restrictions: Restrictions::empty(),
    };
    Ok(act(&walk)?)
}

/// As [`with_walk`], on restricted ways; `base` is where the walk starts.
fn with_restricted_walk<T>(
    call: &Call<'_>,
    base: Option<&Location>,
    restrictions: Restrictions,
    act: impl FnOnce(&Walk<'_>) -> Attempt<T>,
) -> Result<T, Outcome> {
    with_walk(call, |walk| {
        let start = base.unwrap_or(walk.cwd);
        let scoped = restrictions.intersects(Restrictions::SCOPED);
        act(&Walk {
            root: if scoped { start } else { walk.root },
            restrictions,
            ..*walk
        })
    })
}

/// Carries out an operation of the kernel on names of a namespace, from its root, on behalf of no thread.
///
/// # Errors
/// What `act` says; EAGAIN when it would have to wait.
pub fn walk_as<T>(
    credential: &Credential,
    mounts: &Arc<MountNamespace>,
    act: impl FnOnce(&Walk<'_>) -> Attempt<T>,
) -> Result<T, Errno> {
    special::at_once(credential, |io| {
        let root = mounts.root();
        act(&Walk {
            io: *io,
            mounts,
            root,
            cwd: root,
            special: &KERNEL_FILES,
            restrictions: Restrictions::empty(),
        })
    })
}

/// Where the process is at this moment.
pub(super) fn place(call: &Call<'_>) -> Result<Place, Errno> {
    let shared = call.process().place()?;
    let place = shared.lock().clone();
    Ok(place)
}

/// Where relative paths start that go with the descriptor in an argument (`man 2 openat`).
///
/// # Errors
/// EBADF, ENOTDIR for a file without a name.
pub(super) fn base(call: &Call<'_>, index: usize) -> Result<Option<Location>, Errno> {
    if call.argument(index) as u32 as i32 == AT_FDCWD {
        return Ok(None);
    }
    let file = call.file(index)?;
    Ok(Some(file.location().ok_or(Errno::ENOTDIR)?.clone()))
}

/// A path with the directory that it starts from.
pub(super) struct Named {
    /// Where a relative path starts; `None`: the working directory.
    base: Option<Location>,
    /// The path.
    path: Vec<u8>,
}

impl Named {
    /// The path in an argument, from the working directory.
    pub(super) fn new(call: &Call<'_>, path: usize) -> Result<Self, Errno> {
        Ok(Self {
            base: None,
            path: call.path(path)?,
        })
    }

    /// The path in an argument, from the directory of the descriptor in another (`man 2 openat`).
    ///
    /// # Errors
    /// EBADF, ENOTDIR, EFAULT, ENAMETOOLONG.
    pub(super) fn at(call: &Call<'_>, descriptor: usize, path: usize) -> Result<Self, Errno> {
        let path = call.path(path)?;
        let base = if path.first() == Some(&b'/') {
            None
        } else {
            base(call, descriptor)?
        };
        Ok(Self { base, path })
    }

    /// The path in an argument, from the directory of the descriptor in another whatever it begins with.
    ///
    /// # Errors
    /// As [`Named::at`].
    fn below(call: &Call<'_>, descriptor: usize, path: usize) -> Result<Self, Errno> {
        Ok(Self {
            base: base(call, descriptor)?,
            path: call.path(path)?,
        })
    }

    /// The working directory itself.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub(super) fn working_directory() -> Result<Self, NoMemory> {
        Ok(Self {
            base: None,
            path: fallible::of_one(b'.')?,
        })
    }

    /// Where the path starts, and the path.
    pub(super) fn parts(&self) -> (Option<&Location>, &[u8]) {
        (self.base.as_ref(), &self.path)
    }

    /// The location.
    pub(super) fn resolve(&self, walk: &Walk<'_>, follow: Follow) -> Attempt<Location> {
        walk.resolve(self.base.as_ref(), &self.path, follow)
    }

    /// The location; an empty path means what it would start from.
    fn resolve_or_base(&self, walk: &Walk<'_>, follow: Follow) -> Attempt<Location> {
        if self.path.is_empty() {
            return Ok(self.base.as_ref().unwrap_or(walk.cwd).clone());
        }
        self.resolve(walk, follow)
    }
}

/// The mode bits in an argument, the umask applied.
pub(super) fn masked(call: &Call<'_>, index: usize) -> Result<Mode, Errno> {
    mode_masked(call, call.argument(index) as u32)
}

/// Mode bits, the umask applied.
fn mode_masked(call: &Call<'_>, bits: u32) -> Result<Mode, Errno> {
    let umask = place(call)?.umask;
    Ok(Mode::new(bits & !umask))
}

/// `man 2 mkdir`.
///
/// # Errors
/// Those of [`Walk::make_directory`].
pub fn mkdir(call: &mut Call<'_>) -> Called {
    make_directory(call, &Named::new(call, 0)?, 1)
}

/// `man 2 mkdirat`.
///
/// # Errors
/// As [`mkdir`]; EBADF, ENOTDIR.
pub fn mkdirat(call: &mut Call<'_>) -> Called {
    make_directory(call, &Named::at(call, 0, 1)?, 2)
}

fn make_directory(call: &Call<'_>, named: &Named, mode: usize) -> Called {
    let (base, path) = named.parts();
    // A new directory takes the sticky bit, not the set-id bits.
    let mode = masked(call, mode)?.without(Mode::SET_USER | Mode::SET_GROUP);
    with_walk(call, |walk| walk.make_directory(base, path, mode))?;
    Ok(0)
}

/// `man 2 rmdir`.
///
/// # Errors
/// Those of [`Walk::remove_directory`].
pub fn rmdir(call: &mut Call<'_>) -> Called {
    remove(call, &Named::new(call, 0)?, true)
}

/// `man 2 unlink`.
///
/// # Errors
/// Those of [`Walk::unlink`].
pub fn unlink(call: &mut Call<'_>) -> Called {
    remove(call, &Named::new(call, 0)?, false)
}

/// `man 2 unlinkat`.
///
/// # Errors
/// As [`unlink`] or, with AT_REMOVEDIR, [`rmdir`]; EBADF, ENOTDIR, EINVAL for other flags.
pub fn unlinkat(call: &mut Call<'_>) -> Called {
    let flags = call.argument(2) as u32;
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    remove(call, &Named::at(call, 0, 1)?, flags != 0)
}

fn remove(call: &Call<'_>, named: &Named, directory: bool) -> Called {
    let (base, path) = named.parts();
    with_walk(call, |walk| {
        if directory {
            walk.remove_directory(base, path)
        } else {
            walk.unlink(base, path)
        }
    })?;
    Ok(0)
}

/// `man 2 link`.
///
/// # Errors
/// Those of [`Walk::link`].
pub fn link(call: &mut Call<'_>) -> Called {
    link_named(call, &Named::new(call, 0)?, &Named::new(call, 1)?, 0)
}

/// `man 2 linkat`.
///
/// # Errors
/// As [`link`]; EBADF, ENOTDIR, EINVAL for flags other than AT_SYMLINK_FOLLOW and AT_EMPTY_PATH.
pub fn linkat(call: &mut Call<'_>) -> Called {
    let flags = call.argument(4) as u32;
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    link_named(
        call,
        &Named::at(call, 0, 1)?,
        &Named::at(call, 2, 3)?,
        flags,
    )
}

fn link_named(call: &Call<'_>, existing: &Named, new: &Named, flags: u32) -> Called {
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 {
        Follow::Yes
    } else {
        Follow::No
    };
    let (base, path) = new.parts();
    with_walk(call, |walk| {
        let existing = if flags & AT_EMPTY_PATH != 0 {
            existing.resolve_or_base(walk, follow)
        } else {
            existing.resolve(walk, follow)
        }?;
        walk.link(&existing, base, path)
    })?;
    Ok(0)
}

/// `man 2 symlink`.
///
/// # Errors
/// Those of [`Walk::make_symlink`].
pub fn symlink(call: &mut Call<'_>) -> Called {
    make_symlink(call, &Named::new(call, 1)?)
}

/// `man 2 symlinkat`.
///
/// # Errors
/// As [`symlink`]; EBADF, ENOTDIR.
pub fn symlinkat(call: &mut Call<'_>) -> Called {
    make_symlink(call, &Named::at(call, 1, 2)?)
}

fn make_symlink(call: &Call<'_>, named: &Named) -> Called {
    let target = call.path(0)?;
    let (base, path) = named.parts();
    with_walk(call, |walk| walk.make_symlink(base, path, &target))?;
    Ok(0)
}

/// `man 2 readlink`.
///
/// # Errors
/// EINVAL for an empty buffer and for what is no symbolic link, EFAULT; those of a path.
pub fn readlink(call: &mut Call<'_>) -> Called {
    read_link(call, &Named::new(call, 0)?, 1)
}

/// `man 2 readlinkat`; an empty path means the link that the descriptor was opened on (O_PATH).
///
/// # Errors
/// As [`readlink`]; EBADF, ENOTDIR.
pub fn readlinkat(call: &mut Call<'_>) -> Called {
    read_link(call, &Named::at(call, 0, 1)?, 2)
}

fn read_link(call: &Call<'_>, named: &Named, buffer: usize) -> Called {
    let (address, size) = (
        call.argument(buffer),
        call.argument(buffer + 1) as u32 as i32,
    );
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size > 0)
        .ok_or(Errno::EINVAL)?;
    let target = with_walk(call, |walk| {
        // An empty path is only a name for a link that was opened itself.
        let of_descriptor = named.path.is_empty()
            && named
                .base
                .as_ref()
                .is_some_and(|location| location.inode().kind() == FileKind::Symlink);
        let location = if of_descriptor {
            named.resolve_or_base(walk, Follow::No)
        } else {
            named.resolve(walk, Follow::No)
        }?;
        location.inode().read_link(&walk.io)
    })?;
    let shown = target.get(..size).unwrap_or(&target);
    call.user.write(address, shown)?;
    Ok(shown.len() as u64)
}

/// `man 2 rename`.
///
/// # Errors
/// Those of [`Walk::rename`].
pub fn rename(call: &mut Call<'_>) -> Called {
    rename_named(call, &Named::new(call, 0)?, &Named::new(call, 1)?, 0)
}

/// `man 2 renameat`.
///
/// # Errors
/// As [`rename`]; EBADF, ENOTDIR.
pub fn renameat(call: &mut Call<'_>) -> Called {
    rename_named(call, &Named::at(call, 0, 1)?, &Named::at(call, 2, 3)?, 0)
}

/// `man 2 renameat2`; RENAME_WHITEOUT is EINVAL.
///
/// # Errors
/// As [`renameat`]; EINVAL for unknown flags.
pub fn renameat2(call: &mut Call<'_>) -> Called {
    let flags = call.argument(4) as u32;
    rename_named(
        call,
        &Named::at(call, 0, 1)?,
        &Named::at(call, 2, 3)?,
        flags,
    )
}

fn rename_named(call: &Call<'_>, from: &Named, to: &Named, flags: u32) -> Called {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    with_walk(call, |walk| walk.rename(from.parts(), to.parts(), flags))?;
    Ok(0)
}

/// `man 2 mknod`.
///
/// # Errors
/// EINVAL for an unknown kind; those of [`Walk::make_node`].
pub fn mknod(call: &mut Call<'_>) -> Called {
    make_node(call, &Named::new(call, 0)?, 1)
}

/// `man 2 mknodat`.
///
/// # Errors
/// As [`mknod`]; EBADF, ENOTDIR.
pub fn mknodat(call: &mut Call<'_>) -> Called {
    make_node(call, &Named::at(call, 0, 1)?, 2)
}

fn make_node(call: &Call<'_>, named: &Named, mode: usize) -> Called {
    let bits = call.argument(mode) as u32;
    // The number is an unsigned int in the ABI.
    let device = DeviceNumber::decode(u64::from(call.argument(mode + 1) as u32));
    let node = match FileKind::of_mode(bits) {
        Some(FileKind::Regular) => NodeContent::Regular,
        None if bits & FileKind::MASK == 0 => NodeContent::Regular,
        Some(FileKind::Fifo) => NodeContent::Fifo,
        Some(FileKind::Socket) => NodeContent::Socket,
        Some(FileKind::Character) => NodeContent::Character(device),
        Some(FileKind::Block) => NodeContent::Block(device),
        Some(FileKind::Directory) => return Err(Errno::EPERM.into()),
        Some(FileKind::Symlink) | None => return Err(Errno::EINVAL.into()),
    };
    let (base, path) = named.parts();
    let mode = masked(call, mode)?;
    with_walk(call, |walk| walk.make_node(base, path, &node, mode))?;
    Ok(0)
}

/// `man 2 getdents64`; at most 8 KiB at once.
///
/// # Errors
/// EBADF, ENOTDIR, EINVAL when the buffer is too small for the next name, ENOENT for a removed directory, EFAULT.
pub fn getdents64(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let length = (call.argument(2) as u32 as usize).min(ENTRIES);
    let segments = [Segment {
        address: call.argument(1),
        length,
    }];
    let mut sink = UserBuffer::new(&call.user, &segments, 0, length, MemoryAccess::Write)?;
    Ok(fill_dirents(&file, &call.io(), &mut sink)? as u64)
}

/// Bytes of entries that one call tells.
const ENTRIES: usize = 8 * 1024;
