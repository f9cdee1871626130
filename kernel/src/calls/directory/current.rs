//! The process's own place: working directory, root and umask.

use super::super::Call;
use super::{place, with_walk};
use crate::outcome::Called;
use abi::Errno;
use fallible::Push;
use vfs::Location;

/// `man 2 chdir`.
///
/// # Errors
/// ENOTDIR, EACCES and those of a path.
pub fn chdir(call: &mut Call<'_>) -> Called {
    let path = call.path(0)?;
    let directory = with_walk(call, |walk| walk.directory(None, &path))?;
    work_in(call, directory)
}

/// `man 2 fchdir`.
///
/// # Errors
/// EBADF, ENOTDIR, EACCES.
pub fn fchdir(call: &mut Call<'_>) -> Called {
    let file = call.file(0)?;
    let directory = file.location().ok_or(Errno::ENOTDIR)?.clone();
    with_walk(call, |walk| walk.may_enter(&directory))?;
    work_in(call, directory)
}

fn work_in(call: &Call<'_>, directory: Location) -> Called {
    let place = call.process().place()?;
    // The old one is dropped after the lock is released.
    let _old = core::mem::replace(&mut place.lock().cwd, directory);
    Ok(0)
}

/// `man 2 chroot`.
///
/// # Errors
/// EPERM, ENOTDIR, EACCES and those of a path.
pub fn chroot(call: &mut Call<'_>) -> Called {
    let path = call.path(0)?;
    let root = with_walk(call, |walk| walk.new_root(&path))?;
    let place = call.process().place()?;
    let _old = core::mem::replace(&mut place.lock().root, root);
    Ok(0)
}

/// `man 2 getcwd`; answers the length with the final NUL.
///
/// # Errors
/// ERANGE when the buffer is too small, ENOENT when the directory was removed or is not below the root, EFAULT.
pub fn getcwd(call: &mut Call<'_>) -> Called {
    let mut bytes = place(call)?.working_directory()?;
    bytes.try_push(0)?;
    if (bytes.len() as u64) > call.argument(1) {
        return Err(Errno::ERANGE.into());
    }
    call.user.write(call.argument(0), &bytes)?;
    Ok(bytes.len() as u64)
}

/// `man 2 umask`.
///
/// # Errors
/// None that a living process can meet.
pub fn umask(call: &mut Call<'_>) -> Called {
    let place = call.process().place()?;
    let old = core::mem::replace(&mut place.lock().umask, call.argument(0) as u32 & 0o777);
    Ok(u64::from(old))
}
