//! Watching files (`man 7 inotify`).

use super::Call;
use super::descriptor::{install, opened, require_room};
use super::directory::{Named, with_walk};
use crate::outcome::Called;
use crate::special;
use abi::Errno;
use abi::linux::{
    IN_ALL_EVENTS, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_IGNORED, IN_ISDIR, IN_MASK_ADD,
    IN_MASK_CREATE, IN_ONESHOT, IN_ONLYDIR, IN_Q_OVERFLOW, IN_UNMOUNT, OpenFlags,
};
use ipc::Inotify;
use security::Mode;
use vfs::{Access, Follow, OpenFile, StatusFlags};

/// The bits that a mask may have.
const KNOWN: u32 = IN_ALL_EVENTS
    | IN_UNMOUNT
    | IN_Q_OVERFLOW
    | IN_IGNORED
    | IN_ONLYDIR
    | IN_DONT_FOLLOW
    | IN_EXCL_UNLINK
    | IN_MASK_CREATE
    | IN_MASK_ADD
    | IN_ISDIR
    | IN_ONESHOT;

/// `man 2 inotify_init`.
///
/// # Errors
/// EMFILE, ENOMEM.
pub fn inotify_init(call: &mut Call<'_>) -> Called {
    make(call, OpenFlags::empty())
}

/// `man 2 inotify_init1`.
///
/// # Errors
/// EINVAL for unknown flags, EMFILE, ENOMEM.
pub fn inotify_init1(call: &mut Call<'_>) -> Called {
    let flags = OpenFlags::from_bits_retain(call.argument(0) as u32);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    make(call, flags)
}

fn make(call: &Call<'_>, flags: OpenFlags) -> Called {
    require_room(call)?;
    let metadata = special::event_metadata(call.credential());
    let environment = call.process().environment();
    let instance = Inotify::new(
        call.cid(),
        &environment.inotify_instances,
        environment.inotify_watches.clone(),
        metadata,
    )?;
    let mut status = StatusFlags::empty();
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    status.set(StatusFlags::NONBLOCKING, nonblocking);
    let file = OpenFile::new(instance, None, call.cid(), Access::READ, status)?;
    install(call, file, flags.contains(OpenFlags::CLOEXEC))
}

/// `man 2 inotify_add_watch`.
///
/// # Errors
/// EBADF; EINVAL for a mask that cannot be and for another file; EACCES, EEXIST, ENOTDIR, ENOSPC, ENOMEM and those of a path.
pub fn inotify_add_watch(call: &mut Call<'_>) -> Called {
    let mask = call.argument(2) as u32;
    if mask == 0 || mask & !KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = opened(call, 0)?;
    let both = IN_MASK_ADD | IN_MASK_CREATE;
    let instance = Inotify::of(&file).filter(|_| mask & both != both);
    let instance = instance.ok_or(Errno::EINVAL)?;
    let named = Named::new(call, 1)?;
    let follow = if mask & IN_DONT_FOLLOW != 0 {
        Follow::No
    } else {
        Follow::Yes
    };
    let number = with_walk(call, |walk| {
        let location = named.resolve(walk, follow)?;
        if mask & IN_ONLYDIR != 0 {
            location.require_directory()?;
        }
        walk.access(&location, Mode::READ.0)?;
        Ok(instance.watch(&**location.inode(), mask)?)
    })?;
    Ok(u64::from(number.cast_unsigned()))
}

/// `man 2 inotify_rm_watch`.
///
/// # Errors
/// EBADF; EINVAL for another file, and when there is no such watch.
pub fn inotify_rm_watch(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let instance = Inotify::of(&file).ok_or(Errno::EINVAL)?;
    instance.unwatch(call.argument(1) as u32 as i32)?;
    Ok(0)
}
