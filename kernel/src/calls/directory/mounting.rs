//! `mount` and `umount`.

use super::super::Call;
use super::with_walk;
use crate::outcome::Called;
use crate::special;
use abi::linux::SystemCall;
use abi::{Errno, PAGE_SIZE};
use alloc::vec::Vec;
use security::Privileges;
use vfs::{Follow, MountFlags};

/// `mount`: nothing can be changed through it.
const MS_RDONLY: u64 = 1;
/// `mount`: set-id bits have no effect.
const MS_NOSUID: u64 = 2;
/// `mount`: device nodes cannot be opened.
const MS_NODEV: u64 = 4;
/// `mount`: programs cannot be run.
const MS_NOEXEC: u64 = 8;
/// `mount`: other flags for what is mounted already.
const MS_REMOUNT: u64 = 32;
/// `mount`: show a directory or file at a second place.
const MS_BIND: u64 = 4096;
/// `mount`: flags about access times and messages, which have no effect on file systems in memory.
const MS_WITHOUT_EFFECT: u64 = 1024 | 2048 | 32768 | 1 << 21 | 1 << 24 | 1 << 25;
/// `mount`: a mark that old programs put into the upper half.
const MS_MAGIC: u64 = 0xc0ed_0000;
/// Where it stands.
const MS_MAGIC_MASK: u64 = 0xffff_0000;

/// `man 2 mount`: a second place for a directory or file (MS_BIND; MS_RDONLY counts at once), other flags for a mount
/// (MS_REMOUNT), or a new file system of a kind that [`special::file_system`] knows.
///
/// # Errors
/// EPERM in a partition and without privilege, EINVAL for flags that are not there (MS_REC, MS_MOVE,
/// propagation), ENODEV for an unknown kind, EBUSY, ENOTDIR and those of a path.
pub fn mount(call: &mut Call<'_>) -> Called {
    let mut flags = call.argument(3);
    if flags & MS_MAGIC_MASK == MS_MAGIC {
        flags &= !MS_MAGIC_MASK;
    }
    let known = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_BIND | MS_REMOUNT;
    call.credential().require(Privileges::MOUNT)?;
    if flags & !(known | MS_WITHOUT_EFFECT) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let shown = MountFlags::from_bits_truncate((flags & 15) as u32);
    let target = call.path(1)?;
    if flags & MS_REMOUNT != 0 {
        with_walk(call, |walk| {
            let at = walk.resolve(None, &target, Follow::Yes)?;
            Ok(walk.mounts.remount(walk.io.credential, &at, shown)?)
        })?;
        return Ok(0);
    }
    if flags & MS_BIND != 0 {
        let source = call.path(0)?;
        with_walk(call, |walk| {
            let source = walk.resolve(None, &source, Follow::Yes)?;
            let place = walk.resolve(None, &target, Follow::Yes)?;
            Ok(walk
                .mounts
                .bind(walk.io.credential, &source, &place, shown)?)
        })?;
        return Ok(0);
    }
    let kind = call
        .user
        .c_string(call.argument(2), KIND_LIMIT, Errno::ENODEV)?;
    let source = match call.argument(0) {
        0 => kind.clone(),
        _ => call.path(0)?,
    };
    let options = match call.argument(4) {
        0 => Vec::new(),
        address => call.user.c_string(address, PAGE_SIZE, Errno::EINVAL)?,
    };
    let environment = call.process().environment();
    with_walk(call, |walk| {
        let place = walk.resolve(None, &target, Follow::Yes)?;
        let system = special::file_system(&environment, &walk.io, &kind, &source, &options)?;
        Ok(walk
            .mounts
            .mount(walk.io.credential, &system, &place, shown)?)
    })?;
    Ok(0)
}

/// Longest name of a kind of file system, with its NUL.
const KIND_LIMIT: usize = 64;

/// `man 2 umount2`; only a mount that nobody uses can be taken away, so MNT_FORCE and MNT_DETACH are EINVAL.
///
/// # Errors
/// EPERM, EINVAL for what is no mount point, EBUSY and those of a path.
pub fn umount(call: &mut Call<'_>) -> Called {
    /// Do not follow a symbolic link at the end.
    const UMOUNT_NOFOLLOW: u64 = 8;
    let is_old = SystemCall::from_number(call.number) == Some(SystemCall::Umount);
    let flags = if is_old { 0 } else { call.argument(1) };
    if flags & !UMOUNT_NOFOLLOW != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = call.path(0)?;
    let follow = if flags != 0 { Follow::No } else { Follow::Yes };
    with_walk(call, |walk| {
        let at = walk.resolve(None, &path, follow)?;
        Ok(walk.mounts.unmount(walk.io.credential, at)?)
    })?;
    Ok(0)
}
