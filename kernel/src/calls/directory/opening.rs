//! `open` and its kin: flags become options, the file goes into a descriptor.

use super::super::{Call, descriptor, terminal};
use super::{Named, mode_masked, with_restricted_walk};
use crate::outcome::Called;
use abi::Errno;
use abi::linux::{
    O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY, OpenFlags, OpenHow as HowAsked, ResolveFlags,
};
use vfs::{Access, Mode, OpenHow, OpenOptions, Restrictions, StatusFlags};

/// `man 2 open`.
///
/// # Errors
/// EINVAL, EMFILE, those of [`vfs::Walk::open`]; parks at fifos without another end.
pub fn open(call: &mut Call<'_>) -> Called {
    let named = Named::new(call, 0)?;
    let (bits, mode) = (call.argument(1) as u32, call.argument(2) as u32);
    open_named(call, &named, bits, mode, Restrictions::empty())
}

/// `man 2 openat`.
///
/// # Errors
/// As [`open`]; EBADF, ENOTDIR.
pub fn openat(call: &mut Call<'_>) -> Called {
    let named = Named::at(call, 0, 1)?;
    let (bits, mode) = (call.argument(2) as u32, call.argument(3) as u32);
    open_named(call, &named, bits, mode, Restrictions::empty())
}

/// `man 2 creat`.
///
/// # Errors
/// As [`open`].
pub fn creat(call: &mut Call<'_>) -> Called {
    let named = Named::new(call, 0)?;
    let flags = OpenFlags::CREAT | OpenFlags::TRUNC;
    let (bits, mode) = (O_WRONLY | flags.bits(), call.argument(1) as u32);
    open_named(call, &named, bits, mode, Restrictions::empty())
}

/// `man 2 openat2`. All files are in memory, so there is nothing that RESOLVE_CACHED would have to wait for.
///
/// # Errors
/// As [`openat`]; E2BIG for a structure with more in it than is known here, EINVAL for anything unknown or contradictory
/// in it, EXDEV, ELOOP and EAGAIN for ways that it forbids.
pub fn openat2(call: &mut Call<'_>) -> Called {
    let size = call.argument(3) as usize;
    if size < HowAsked::SIZE {
        return Err(Errno::EINVAL.into());
    }
    let how = HowAsked::decode(&call.user.extensible(call.argument(2), size)?);
    let bits = u32::try_from(how.flags).map_err(|_| Errno::EINVAL)?;
    let resolve = ResolveFlags::from_bits(how.resolve).ok_or(Errno::EINVAL)?;
    check_how(bits, how.mode, resolve)?;
    let named = if resolve.contains(ResolveFlags::IN_ROOT) {
        Named::below(call, 0, 1)?
    } else {
        Named::at(call, 0, 1)?
    };
    let restrictions = [
        (ResolveFlags::NO_XDEV, Restrictions::NO_CROSSING),
        (ResolveFlags::NO_MAGICLINKS, Restrictions::NO_MAGIC_LINKS),
        (ResolveFlags::NO_SYMLINKS, Restrictions::NO_LINKS),
        (ResolveFlags::BENEATH, Restrictions::BENEATH),
        (ResolveFlags::IN_ROOT, Restrictions::IN_ROOT),
    ]
    .into_iter()
    .filter(|(flag, _)| resolve.contains(*flag))
    .fold(Restrictions::empty(), |all, (_, one)| all | one);
    open_named(call, &named, bits, how.mode as u32, restrictions)
}

/// What `openat2` refuses and `openat` passes over.
fn check_how(bits: u32, mode: u64, resolve: ResolveFlags) -> Result<(), Errno> {
    let flags = OpenFlags::from_bits_retain(bits & !O_ACCMODE);
    let with_path =
        OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::CLOEXEC;
    let makes = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE);
    let wrong = !OpenFlags::KNOWN.contains(flags)
        || flags.contains(OpenFlags::PATH) && (!with_path.contains(flags) || bits & O_ACCMODE != 0)
        || mode & !0o7777 != 0
        || mode != 0 && !makes
        || resolve.contains(ResolveFlags::BENEATH | ResolveFlags::IN_ROOT);
    if wrong {
        return Err(Errno::EINVAL);
    }
    let changes = makes || flags.contains(OpenFlags::TRUNC);
    if resolve.contains(ResolveFlags::CACHED) && changes {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

fn open_named(
    call: &Call<'_>,
    named: &Named,
    bits: u32,
    mode: u32,
    restrictions: Restrictions,
) -> Called {
    let flags = OpenFlags::from_bits_retain(bits);
    if flags.contains(OpenFlags::TMPFILE) {
        require_nameless(bits, flags)?;
    }
    let options = OpenOptions {
        mode: mode_masked(call, mode)?,
        ..open_options(bits, flags)?
    };
    if flags.intersects(OpenFlags::CREAT | OpenFlags::TRUNC | OpenFlags::TMPFILE) {
        // Nothing is made or emptied that cannot be given a descriptor.
        descriptor::require_room(call)?;
    }
    let (base, path) = named.parts();
    let file = with_restricted_walk(call, base, restrictions, |walk| {
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
