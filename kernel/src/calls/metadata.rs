//! What is known about files, and changes to it: stat, access, mode, owner, times.

mod handle;

pub use handle::{name_to_handle_at, open_by_handle_at};

use super::Call;
use super::descriptor::opened;
use super::directory::{Named, with_walk, with_walk_as};
use crate::outcome::{Called, Outcome};
use abi::linux::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, Field,
    STATX_BASIC_STATS, Stat, Statfs, Statx, StatxTimestamp, Timespec, Timeval, UTIME_NOW,
    UTIME_OMIT,
};
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use security::{Credential, Privileges};
use vfs::{
    FileKind, FileSystemStatus, Follow, Location, Metadata, Mode, MountFlags, NewTime, OpenFile,
    Timestamp, Walk,
};
use wait::Attempt;

/// What a call is about: the file of a descriptor, which need not have a name, or one found by its name.
enum Target {
    Opened(Arc<OpenFile>),
    Named(Named, Follow),
}

impl Target {
    fn named(call: &Call<'_>, follow: Follow) -> Result<Self, Errno> {
        Ok(Target::Named(Named::new(call, 0)?, follow))
    }

    /// The target of an at-call with a descriptor in argument 0 and a path in argument 1.
    fn at(call: &Call<'_>, flags: u32) -> Result<Self, Errno> {
        let follow = if flags & AT_SYMLINK_NOFOLLOW != 0 {
            Follow::No
        } else {
            Follow::Yes
        };
        let directory = call.argument(0) as u32 as i32;
        if flags & AT_EMPTY_PATH != 0 {
            let address = call.argument(1);
            if address == 0 || call.user.bytes::<1>(address)? == [0] {
                if directory != AT_FDCWD {
                    return Ok(Target::Opened(call.file(0)?));
                }
                return Ok(Target::Named(Named::working_directory()?, follow));
            }
        }
        Ok(Target::Named(Named::at(call, 0, 1)?, follow))
    }

    /// The open file, when it has no name.
    fn nameless(&self) -> Option<&OpenFile> {
        match self {
            Target::Opened(file) if file.location().is_none() => Some(file),
            _ => None,
        }
    }

    fn metadata(&self, call: &Call<'_>) -> Result<Metadata, Outcome> {
        match self {
            Target::Opened(file) => Ok(file.metadata(&call.io())?),
            Target::Named(named, follow) => with_walk(call, |walk| {
                let location = named.resolve(walk, *follow)?;
                match follow {
                    Follow::Yes => location.inode().target_metadata(&walk.io),
                    Follow::No => location.inode().metadata(&walk.io),
                }
            }),
        }
    }

    /// Acts on the location.
    ///
    /// # Errors
    /// EOPNOTSUPP for a file without a name, whose metadata cannot be changed; those of a path and of `act`.
    fn change(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(&Walk<'_>, &Location) -> Attempt<()>,
    ) -> Called {
        self.change_as(call, call.credential(), act)
    }

    fn change_as(
        &self,
        call: &Call<'_>,
        credential: &Credential,
        act: impl FnOnce(&Walk<'_>, &Location) -> Attempt<()>,
    ) -> Called {
        with_walk_as(call, credential, |walk| match self {
            Target::Opened(file) => act(walk, file.location().ok_or(Errno::EOPNOTSUPP)?),
            Target::Named(named, follow) => act(walk, &named.resolve(walk, *follow)?),
        })?;
        Ok(0)
    }
}

/// Fails for flags that a call does not know.
fn allow_flags(flags: u64, known: u32) -> Result<u32, Errno> {
    let flags = flags as u32;
    if flags & !known != 0 {
        Err(Errno::EINVAL)
    } else {
        Ok(flags)
    }
}

/// `man 2 stat`.
///
/// # Errors
/// EFAULT and those of a path.
pub fn stat(call: &mut Call<'_>) -> Called {
    tell(call, &Target::named(call, Follow::Yes)?, 1)
}

/// `man 2 lstat`.
///
/// # Errors
/// As [`stat`].
pub fn lstat(call: &mut Call<'_>) -> Called {
    tell(call, &Target::named(call, Follow::No)?, 1)
}

/// `man 2 fstat`.
///
/// # Errors
/// EBADF, EFAULT.
pub fn fstat(call: &mut Call<'_>) -> Called {
    tell(call, &Target::Opened(call.file(0)?), 1)
}

/// `man 2 fstatat`.
///
/// # Errors
/// As [`stat`]; EBADF, ENOTDIR, EINVAL for unknown flags.
pub fn fstatat(call: &mut Call<'_>) -> Called {
    let flags = allow_flags(
        call.argument(3),
        AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
    )?;
    tell(call, &Target::at(call, flags)?, 2)
}

fn tell(call: &Call<'_>, target: &Target, buffer: usize) -> Called {
    let metadata = target.metadata(call)?;
    let stat = Stat {
        dev: metadata.id.device.encode(),
        ino: metadata.id.number,
        nlink: u64::from(metadata.links),
        mode: metadata.st_mode(),
        uid: metadata.uid,
        gid: metadata.gid,
        rdev: metadata.device.encode(),
        size: metadata.size.cast_signed(),
        blksize: PAGE_SIZE as u64,
        blocks: metadata.blocks,
        atime: metadata.accessed.seconds.cast_unsigned(),
        atime_nsec: u64::from(metadata.accessed.nanoseconds),
        mtime: metadata.modified.seconds.cast_unsigned(),
        mtime_nsec: u64::from(metadata.modified.nanoseconds),
        ctime: metadata.changed.seconds.cast_unsigned(),
        ctime_nsec: u64::from(metadata.changed.nanoseconds),
    };
    call.user.write(call.argument(buffer), &stat.encode())?;
    Ok(0)
}

/// `man 2 statx`; there is no time of birth and no attribute.
///
/// # Errors
/// As [`fstatat`]; EINVAL for reserved bits.
pub fn statx(call: &mut Call<'_>) -> Called {
    const FORCE_SYNC: u32 = 0x2000;
    const DONT_SYNC: u32 = 0x4000;
    const RESERVED: u64 = 0x8000_0000;
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | FORCE_SYNC | DONT_SYNC;
    let flags = allow_flags(call.argument(2), known)?;
    if flags & (FORCE_SYNC | DONT_SYNC) == FORCE_SYNC | DONT_SYNC
        || call.argument(3) & RESERVED != 0
    {
        return Err(Errno::EINVAL.into());
    }
    let metadata = Target::at(call, flags)?.metadata(call)?;
    let time = |time: Timestamp| StatxTimestamp {
        sec: time.seconds,
        nsec: time.nanoseconds,
    };
    let statx = Statx {
        mask: STATX_BASIC_STATS,
        blksize: PAGE_SIZE as u32,
        nlink: metadata.links,
        uid: metadata.uid,
        gid: metadata.gid,
        mode: metadata.st_mode() as u16,
        ino: metadata.id.number,
        size: metadata.size,
        blocks: metadata.blocks,
        atime: time(metadata.accessed),
        ctime: time(metadata.changed),
        mtime: time(metadata.modified),
        rdev_major: metadata.device.major,
        rdev_minor: metadata.device.minor,
        dev_major: metadata.id.device.major,
        dev_minor: metadata.id.device.minor,
        ..Statx::default()
    };
    call.user.write(call.argument(4), &statx.encode())?;
    Ok(0)
}

/// `man 2 statfs`.
///
/// # Errors
/// EFAULT and those of a path.
pub fn statfs(call: &mut Call<'_>) -> Called {
    tell_file_system_of_path(call, 1)
}

/// `statfs64`, which has the size of the structure as its second argument: the same structure on 64-bit machines.
///
/// # Errors
/// As [`statfs`]; EINVAL for another size.
pub fn statfs64(call: &mut Call<'_>) -> Called {
    require_statfs_size(call)?;
    tell_file_system_of_path(call, 2)
}

/// `man 2 fstatfs`.
///
/// # Errors
/// EBADF, EFAULT, ENOSYS for an object without file system.
pub fn fstatfs(call: &mut Call<'_>) -> Called {
    tell_file_system_of_file(call, 1)
}

/// `fstatfs64`; see [`statfs64`].
///
/// # Errors
/// As [`fstatfs`]; EINVAL for another size.
pub fn fstatfs64(call: &mut Call<'_>) -> Called {
    require_statfs_size(call)?;
    tell_file_system_of_file(call, 2)
}

fn require_statfs_size(call: &Call<'_>) -> Result<(), Errno> {
    if call.argument(1) == Statfs::SIZE as u64 {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn tell_file_system_of_path(call: &Call<'_>, buffer: usize) -> Called {
    let named = Named::new(call, 0)?;
    let (status, flags) = with_walk(call, |walk| {
        let location = named.resolve(walk, Follow::Yes)?;
        Ok(walk.file_system(&location))
    })?;
    tell_file_system(call, buffer, &status, flags)
}

fn tell_file_system_of_file(call: &Call<'_>, buffer: usize) -> Called {
    let file = call.file(0)?;
    let status = file.file_system()?;
    let flags = file
        .location()
        .map_or(MountFlags::empty(), |location| location.mount().flags());
    tell_file_system(call, buffer, &status, flags)
}

fn tell_file_system(
    call: &Call<'_>,
    buffer: usize,
    status: &FileSystemStatus,
    flags: MountFlags,
) -> Called {
    /// `ST_VALID`: the flags mean something.
    const VALID: u64 = 0x20;
    let device = status.device.encode();
    let statfs = Statfs {
        kind: u64::from(status.magic),
        bsize: u64::from(status.block_size),
        blocks: status.blocks,
        bfree: status.free_blocks,
        bavail: status.free_blocks,
        files: status.inodes,
        ffree: status.free_inodes,
        fsid: [device as u32, (device >> 32) as u32],
        namelen: u64::from(status.name_limit),
        frsize: u64::from(status.block_size),
        flags: VALID | u64::from(flags.bits()),
    };
    call.user.write(call.argument(buffer), &statfs.encode())?;
    Ok(0)
}

/// `man 2 access`.
///
/// # Errors
/// EACCES, EROFS, EINVAL and those of a path.
pub fn access(call: &mut Call<'_>) -> Called {
    check_access(call, &Target::named(call, Follow::Yes)?, 1, false)
}

/// `man 2 faccessat`, the call without flags.
///
/// # Errors
/// As [`access`]; EBADF, ENOTDIR.
pub fn faccessat(call: &mut Call<'_>) -> Called {
    check_access(call, &Target::at(call, 0)?, 2, false)
}

/// `man 2 faccessat2`.
///
/// # Errors
/// As [`faccessat`]; EINVAL for unknown flags.
pub fn faccessat2(call: &mut Call<'_>) -> Called {
    let flags = allow_flags(
        call.argument(3),
        AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
    )?;
    check_access(call, &Target::at(call, flags)?, 2, flags & AT_EACCESS != 0)
}

fn check_access(call: &Call<'_>, target: &Target, mode: usize, effective: bool) -> Called {
    let wanted = call.argument(mode) as u32;
    if wanted & !7 != 0 {
        return Err(Errno::EINVAL.into());
    }
    if let Target::Opened(file) = target
        && file.location().is_none()
    {
        // A pipe belongs to who made it; it can be read and written, not run.
        return if wanted & 1 == 0 {
            Ok(0)
        } else {
            Err(Errno::EACCES.into())
        };
    }
    if effective {
        return target.change(call, |walk, location| walk.access(location, wanted));
    }
    let credential = real(call);
    target.change_as(call, &credential, |walk, location| {
        walk.access(location, wanted)
    })
}

/// The credential by the real ids: what a set-id program asks about its caller. Privileges are those that such a
/// user would have.
fn real(call: &Call<'_>) -> Credential {
    let credential = call.credential();
    let mut identity = credential.identity.clone();
    identity.fsuid = identity.uid;
    identity.fsgid = identity.gid;
    let privileges = if identity.uid != 0 {
        Privileges::empty()
    } else if identity.euid == 0 {
        credential.privileges
    } else {
        call.process().environment().wpar.privileges() & Privileges::of_root(credential.cid)
    };
    Credential::new(credential.cid, identity, privileges)
}

/// `man 2 chmod`.
///
/// # Errors
/// EPERM, EROFS and those of a path.
pub fn chmod(call: &mut Call<'_>) -> Called {
    change_mode(call, &Target::named(call, Follow::Yes)?, 1)
}

/// `man 2 fchmod`.
///
/// # Errors
/// EBADF, EPERM, EROFS.
pub fn fchmod(call: &mut Call<'_>) -> Called {
    change_mode(call, &Target::Opened(opened(call, 0)?), 1)
}

/// `man 2 fchmodat`, the call without flags.
///
/// # Errors
/// As [`chmod`]; EBADF, ENOTDIR.
pub fn fchmodat(call: &mut Call<'_>) -> Called {
    change_mode(call, &Target::at(call, 0)?, 2)
}

/// `fchmodat2` (`man 2 fchmodat`).
///
/// # Errors
/// As [`fchmodat`]; EINVAL for unknown flags, EOPNOTSUPP for the mode of a symbolic link.
pub fn fchmodat2(call: &mut Call<'_>) -> Called {
    let flags = allow_flags(call.argument(3), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let target = Target::at(call, flags)?;
    let mode = Mode::new(call.argument(2) as u32);
    target.change(call, |walk, location| {
        if location.inode().kind() == FileKind::Symlink {
            return Err(Errno::EOPNOTSUPP.into());
        }
        walk.change_mode(location, mode)
    })
}

fn change_mode(call: &Call<'_>, target: &Target, mode: usize) -> Called {
    let mode = Mode::new(call.argument(mode) as u32);
    if let Some(file) = target.nameless() {
        file.change_mode(&call.io(), mode)?;
        return Ok(0);
    }
    target.change(call, |walk, location| walk.change_mode(location, mode))
}

/// `man 2 chown`.
///
/// # Errors
/// EPERM, EROFS and those of a path.
pub fn chown(call: &mut Call<'_>) -> Called {
    change_owner(call, &Target::named(call, Follow::Yes)?, 1)
}

/// `man 2 lchown`.
///
/// # Errors
/// As [`chown`].
pub fn lchown(call: &mut Call<'_>) -> Called {
    change_owner(call, &Target::named(call, Follow::No)?, 1)
}

/// `man 2 fchown`.
///
/// # Errors
/// EBADF, EPERM, EROFS.
pub fn fchown(call: &mut Call<'_>) -> Called {
    change_owner(call, &Target::Opened(opened(call, 0)?), 1)
}

/// `man 2 fchownat`.
///
/// # Errors
/// As [`chown`]; EBADF, ENOTDIR, EINVAL for unknown flags.
pub fn fchownat(call: &mut Call<'_>) -> Called {
    let flags = allow_flags(call.argument(4), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    change_owner(call, &Target::at(call, flags)?, 2)
}

fn change_owner(call: &Call<'_>, target: &Target, first: usize) -> Called {
    // -1 leaves a number as it is.
    let number = |index| Some(call.argument(index) as u32).filter(|number| *number != u32::MAX);
    let (uid, gid) = (number(first), number(first + 1));
    if let Some(file) = target.nameless() {
        file.change_owner(&call.io(), uid, gid)?;
        return Ok(0);
    }
    target.change(call, |walk, location| walk.change_owner(location, uid, gid))
}

/// Access and modification time to set; `None` leaves one.
type Times = (Option<NewTime>, Option<NewTime>);

/// Both at the present: what a null pointer means.
const PRESENT: Times = (Some(NewTime::Now), Some(NewTime::Now));

/// `man 2 utime`.
///
/// # Errors
/// EPERM, EACCES, EROFS, EFAULT and those of a path.
pub fn utime(call: &mut Call<'_>) -> Called {
    let times = match call.argument(1) {
        0 => PRESENT,
        address => {
            let [accessed, modified]: [i64; 2] = <[i64; 2]>::get(&call.user.bytes::<16>(address)?);
            let at = |seconds| {
                Some(NewTime::At(Timestamp {
                    seconds,
                    nanoseconds: 0,
                }))
            };
            (at(accessed), at(modified))
        }
    };
    change_times(call, &Target::named(call, Follow::Yes)?, times)
}

/// `man 2 utimes`.
///
/// # Errors
/// As [`utime`]; EINVAL for a second or more of microseconds.
pub fn utimes(call: &mut Call<'_>) -> Called {
    let times = timevals(call, 1)?;
    change_times(call, &Target::named(call, Follow::Yes)?, times)
}

/// `man 2 futimesat`; a null path means the descriptor's file.
///
/// # Errors
/// As [`utimes`]; EBADF, ENOTDIR.
pub fn futimesat(call: &mut Call<'_>) -> Called {
    let times = timevals(call, 2)?;
    change_times(call, &path_or_descriptor(call, 0)?, times)
}

/// `man 2 utimensat`; a null path means the descriptor's file.
///
/// # Errors
/// As [`futimesat`]; EINVAL for unknown flags.
pub fn utimensat(call: &mut Call<'_>) -> Called {
    let flags = allow_flags(call.argument(3), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let times = match call.argument(2) {
        0 => PRESENT,
        address => {
            let [accessed, modified] = <[Timespec; 2]>::get(&call.user.bytes::<32>(address)?);
            (new_time(accessed)?, new_time(modified)?)
        }
    };
    if times == (None, None) {
        return Ok(0);
    }
    change_times(call, &path_or_descriptor(call, flags)?, times)
}

fn path_or_descriptor(call: &Call<'_>, flags: u32) -> Result<Target, Errno> {
    if call.argument(1) != 0 {
        return Target::at(call, flags);
    }
    if call.argument(0) as u32 as i32 == AT_FDCWD {
        return Err(Errno::EFAULT);
    }
    // AT_EMPTY_PATH is allowed here and says what is the case anyway.
    if flags & !AT_EMPTY_PATH != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Target::Opened(opened(call, 0)?))
}

fn timevals(call: &Call<'_>, index: usize) -> Result<Times, Errno> {
    let address = call.argument(index);
    if address == 0 {
        return Ok(PRESENT);
    }
    let [accessed, modified] = <[Timeval; 2]>::get(&call.user.bytes::<32>(address)?);
    let time = |time: Timeval| {
        let micros = u32::try_from(time.usec)
            .ok()
            .filter(|micros| *micros < 1_000_000)
            .ok_or(Errno::EINVAL)?;
        Ok::<_, Errno>(Some(NewTime::At(Timestamp {
            seconds: time.sec,
            nanoseconds: micros * 1000,
        })))
    };
    Ok((time(accessed)?, time(modified)?))
}

fn new_time(time: Timespec) -> Result<Option<NewTime>, Errno> {
    match time.nsec {
        UTIME_NOW => Ok(Some(NewTime::Now)),
        UTIME_OMIT => Ok(None),
        nanos => {
            let nanos = u32::try_from(nanos)
                .ok()
                .filter(|nanos| *nanos < 1_000_000_000)
                .ok_or(Errno::EINVAL)?;
            Ok(Some(NewTime::At(Timestamp {
                seconds: time.sec,
                nanoseconds: nanos,
            })))
        }
    }
}

fn change_times(call: &Call<'_>, target: &Target, (accessed, modified): Times) -> Called {
    target.change(call, |walk, location| {
        walk.change_times(location, accessed, modified)
    })
}
