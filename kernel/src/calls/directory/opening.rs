//! `open` and its kin: flags become options, the file goes into a descriptor.

use super::super::{Call, descriptor, terminal};
use super::{Named, masked, with_walk};
use crate::outcome::Called;
use abi::Errno;
use abi::linux::{O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY, OpenFlags};
use vfs::{Access, Mode, OpenHow, OpenOptions, StatusFlags};

/// `man 2 open`.
///
/// # Errors
/// EINVAL, EMFILE, those of [`vfs::Walk::open`]; parks at fifos without another end.
pub fn open(call: &mut Call<'_>) -> Called {
    let named = Named::new(call, 0)?;
    open_named(call, &named, call.argument(1) as u32, 2)
}

/// `man 2 openat`.
///
/// # Errors
/// As [`open`]; EBADF, ENOTDIR.
pub fn openat(call: &mut Call<'_>) -> Called {
    let named = Named::at(call, 0, 1)?;
    open_named(call, &named, call.argument(2) as u32, 3)
}

/// `man 2 creat`.
///
/// # Errors
/// As [`open`].
pub fn creat(call: &mut Call<'_>) -> Called {
    let named = Named::new(call, 0)?;
    let flags = OpenFlags::CREAT | OpenFlags::TRUNC;
    open_named(call, &named, O_WRONLY | flags.bits(), 1)
}

fn open_named(call: &Call<'_>, named: &Named, bits: u32, mode: usize) -> Called {
    let flags = OpenFlags::from_bits_retain(bits);
    if flags.contains(OpenFlags::TMPFILE) {
        require_nameless(bits, flags)?;
    }
    let options = OpenOptions {
        mode: masked(call, mode)?,
        ..open_options(bits, flags)?
    };
    if flags.intersects(OpenFlags::CREAT | OpenFlags::TRUNC | OpenFlags::TMPFILE) {
        // Nothing is made or emptied that cannot be given a descriptor.
        descriptor::require_room(call)?;
    }
    let (base, path) = named.parts();
    let file = with_walk(call, |walk| {
        if flags.contains(OpenFlags::TMPFILE) {
            walk.open_nameless(base, path, &options)
        } else {
            walk.open(base, path, &options)
        }
    })?;
    if !flags.contains(OpenFlags::NOCTTY) {
        terminal::take_control(call, &file)?;
    }
    descriptor::install(call, file, flags.contains(OpenFlags::CLOEXEC))
}

/// What must go with O_TMPFILE, whose bits contain O_DIRECTORY so that a kernel that does not know it refuses it.
fn require_nameless(bits: u32, flags: OpenFlags) -> Result<(), Errno> {
    let reads_only = bits & O_ACCMODE == O_RDONLY;
    if reads_only || !flags.contains(OpenFlags::DIRECTORY) || flags.contains(OpenFlags::CREAT) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// What the flags of `open` ask for.
pub(in crate::calls) fn open_options(bits: u32, flags: OpenFlags) -> Result<OpenOptions, Errno> {
    if flags.contains(OpenFlags::PATH) {
        let kept = [
            (OpenFlags::DIRECTORY, OpenHow::DIRECTORY),
            (OpenFlags::NOFOLLOW, OpenHow::NO_FOLLOW),
        ];
        let how = kept
            .iter()
            .filter(|(flag, _)| flags.contains(*flag))
            .fold(OpenHow::PATH_ONLY, |how, kept| how | kept.1);
        return Ok(OpenOptions {
            how,
            ..OpenOptions::default()
        });
    }
    if flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    let access = match bits & O_ACCMODE {
        O_RDONLY => Access::READ,
        O_WRONLY => Access::WRITE,
        O_RDWR => Access::READ | Access::WRITE,
        _ => return Err(Errno::EINVAL),
    };
    let mut how = OpenHow::empty();
    how.set(OpenHow::CREATE, flags.contains(OpenFlags::CREAT));
    let makes = OpenFlags::CREAT | OpenFlags::TMPFILE;
    let exclusive = flags.contains(OpenFlags::EXCL) && flags.intersects(makes);
    how.set(OpenHow::EXCLUSIVE, exclusive);
    how.set(OpenHow::TRUNCATE, flags.contains(OpenFlags::TRUNC));
    let directory = flags.contains(OpenFlags::DIRECTORY) && !flags.contains(OpenFlags::TMPFILE);
    how.set(OpenHow::DIRECTORY, directory);
    how.set(OpenHow::NO_FOLLOW, flags.contains(OpenFlags::NOFOLLOW));
    let mut status = StatusFlags::empty();
    status.set(StatusFlags::APPEND, flags.contains(OpenFlags::APPEND));
    status.set(
        StatusFlags::NONBLOCKING,
        flags.contains(OpenFlags::NONBLOCK),
    );
    Ok(OpenOptions {
        access,
        how,
        flags: status,
        mode: Mode::default(),
    })
}
