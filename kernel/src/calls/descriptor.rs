//! Descriptors: closing and duplicating them, their flags, requests to devices, locks, pipes.

pub mod locks;
mod owner;

use self::locks::Holder;
use super::{Call, message_queue, socket, terminal};
use crate::outcome::{Called, Continuation, Outcome};
use crate::process::Files;
use crate::special;
use crate::user::{Segment, User};
use abi::Errno;
use abi::linux::{
    F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_GET_SEALS, F_GETFD, F_GETFL, F_GETLK, F_GETOWN,
    F_GETOWN_EX, F_GETPIPE_SZ, F_GETSIG, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETFD, F_SETFL,
    F_SETLK, F_SETLKW, F_SETOWN, F_SETOWN_EX, F_SETPIPE_SZ, F_SETSIG, FD_CLOEXEC, FIOASYNC,
    FIOCLEX, FIOGETOWN, FIONBIO, FIONCLEX, FIONREAD, FIOSETOWN, O_RDONLY, O_RDWR, O_WRONLY,
    OpenFlags, Resource, SIOCGPGRP, SIOCSPGRP, TIOCGPTPEER,
};
use abi::mmu::Access as MemoryAccess;
use alloc::sync::Arc;
use core::any::Any;
use ipc::{Pipe, PipeEnd};
use sync::{Rank, SpinLock};
use vfs::{
    Access, Descriptor, FileKind, FileTable, Inode, IoctlArgument, Location, OpenFile, Seals,
    StatusFlags, Whence,
};
use wait::Attempt;

/// The open file of the descriptor in an argument, unless it only says where a file is (O_PATH).
///
/// # Errors
/// EBADF.
pub(super) fn opened(call: &Call<'_>, index: usize) -> Result<Arc<OpenFile>, Errno> {
    call.file(index).and_then(|file| {
        if is_path_only(&file) {
            Err(Errno::EBADF)
        } else {
            Ok(file)
        }
    })
}

fn is_path_only(file: &OpenFile) -> bool {
    file.access().is_empty()
}

/// Lets go of a table of descriptors that nobody uses.
pub fn let_go(mut files: FileTable) {
    let mut at = 0;
    let taken = core::iter::from_fn(move || files.take_range(&mut at, u32::MAX));
    remains::for_each(taken.flat_map(|files| files.into_iter().flatten()), drop);
}

/// The limit of descriptors (RLIMIT_NOFILE).
fn limit(call: &Call<'_>) -> u32 {
    u32::try_from(call.process().limit(Resource::OpenFiles)).unwrap_or(u32::MAX)
}

/// Gives a file the lowest free descriptor.
///
/// # Errors
/// EMFILE.
pub(super) fn install(call: &Call<'_>, file: Arc<OpenFile>, close_on_exec: bool) -> Called {
    Ok(u64::from(insert(call, file, close_on_exec)?.0))
}

/// As [`install`], for those who need the descriptor itself.
///
/// # Errors
/// EMFILE.
pub(super) fn insert(
    call: &Call<'_>,
    file: Arc<OpenFile>,
    close_on_exec: bool,
) -> Result<Descriptor, Errno> {
    let limit = limit(call);
    let files = call.process().files()?;
    let mut files = files.lock();
    files.insert(file, close_on_exec, 0, limit)
}

/// Fails when no descriptor is free: asked before a call changes anything that it could not undo.
///
/// # Errors
/// EMFILE.
pub(super) fn require_room(call: &Call<'_>) -> Result<(), Errno> {
    let limit = limit(call);
    let files = call.process().files()?;
    let free = files.lock().has_free(limit);
    if free { Ok(()) } else { Err(Errno::EMFILE) }
}

/// `man 2 close`. As on Linux the process's record locks on the file go with any of its descriptors.
///
/// # Errors
/// EBADF.
pub fn close(call: &mut Call<'_>) -> Called {
    let descriptor = Descriptor::from_register(call.argument(0))?;
    let files = call.process().files()?;
    let file = files.lock().remove(descriptor)?;
    message_queue::closed(call, &file);
    locks::closed(&files, file);
    Ok(0)
}

/// `man 2 close_range`.
///
/// # Errors
/// EINVAL for unknown flags, an empty range, and CLOSE_RANGE_UNSHARE in a process of several threads, whose
/// descriptors are one table here.
pub fn close_range(call: &mut Call<'_>) -> Called {
    const UNSHARE: u64 = 2;
    const CLOEXEC: u64 = 4;
    let (first, last, flags) = (
        call.argument(0) as u32,
        call.argument(1) as u32,
        call.argument(2) & 0xffff_ffff,
    );
    if first > last || flags & !(UNSHARE | CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let next = match call.progress() {
        Continuation::Covered(next) => Some(next as u32),
        _ => None,
    };
    if flags & UNSHARE != 0 && next.is_none() {
        let process = call.process();
        if process.threads.count() > 1 {
            return Err(Errno::EINVAL.into());
        }
        let own = process.files()?.lock().try_clone()?;
        process.replace_files(fallible::arc(SpinLock::new(Rank::FileTable, own))?);
    }
    let files = call.process().files()?;
    let mut at = next.unwrap_or(first);
    for _ in 0..RANGE_STEP {
        let more = if flags & CLOEXEC != 0 {
            mark_range(&files, &mut at, last)?
        } else {
            close_some(&files, &mut at, last)
        };
        if !more {
            return Ok(0);
        }
    }
    call.set_progress(Continuation::Covered(at.into()));
    Err(Outcome::Again)
}

/// Closes some descriptors from `at` to `last`; false when there are none.
fn close_some(files: &Files, at: &mut u32, last: u32) -> bool {
    let Some(taken) = files.lock().take_range(at, last) else {
        return false;
    };
    let closed = taken.into_iter().flatten();
    closed.for_each(|file| locks::closed(files, file));
    true
}

/// Has some descriptors from `at` to `last` closed by exec; false when there are none.
fn mark_range(files: &Files, at: &mut u32, last: u32) -> Result<bool, Errno> {
    let mut files = files.lock();
    for _ in 0..MARKED_STEP {
        let next = files
            .iter_from(*at)
            .next()
            .map(|(descriptor, _)| descriptor);
        let Some(descriptor) = next.filter(|next| next.0 <= last) else {
            return Ok(false);
        };
        files.set_close_on_exec(descriptor, true)?;
        *at = descriptor.0 + 1;
    }
    Ok(true)
}

/// How many times `close_range` does a part before it looks who else is due.
const RANGE_STEP: u32 = 8;
/// Descriptors in such a part that are only marked.
const MARKED_STEP: u32 = 64;

/// `man 2 dup`.
///
/// # Errors
/// EBADF, EMFILE.
pub fn dup(call: &mut Call<'_>) -> Called {
    let file = call.file(0)?;
    install(call, file, false)
}

/// `man 2 dup2`.
///
/// # Errors
/// EBADF.
pub fn dup2(call: &mut Call<'_>) -> Called {
    let (from, to) = (
        Descriptor::from_register(call.argument(0))?,
        Descriptor::from_register(call.argument(1))?,
    );
    if from == to {
        call.file(0)?;
        return Ok(u64::from(to.0));
    }
    duplicate(call, from, to, false)
}

/// `man 2 dup3`.
///
/// # Errors
/// EBADF, EINVAL for equal descriptors and unknown flags.
pub fn dup3(call: &mut Call<'_>) -> Called {
    let flags = OpenFlags::from_bits_retain(call.argument(2) as u32);
    if !OpenFlags::CLOEXEC.contains(flags) || call.argument(0) as u32 == call.argument(1) as u32 {
        return Err(Errno::EINVAL.into());
    }
    let (from, to) = (
        Descriptor::from_register(call.argument(0))?,
        Descriptor::from_register(call.argument(1))?,
    );
    duplicate(call, from, to, !flags.is_empty())
}

fn duplicate(call: &Call<'_>, from: Descriptor, to: Descriptor, close_on_exec: bool) -> Called {
    let limit = limit(call);
    let files = call.process().files()?;
    let replaced = files.lock().duplicate_to(from, to, close_on_exec, limit)?;
    if let Some(file) = replaced {
        locks::closed(&files, file);
    }
    Ok(u64::from(to.0))
}

/// `man 2 fcntl`.
///
/// Leases and notifications are EINVAL.
///
/// # Errors
/// EBADF, EINVAL, EMFILE, ESRCH; EAGAIN for a lock held by another, ENOLCK, EBUSY and EPERM for a pipe's capacity and for seals.
pub fn fcntl(call: &mut Call<'_>) -> Called {
    let file = call.file(0)?;
    let descriptor = Descriptor::from_register(call.argument(0))?;
    let (command, argument) = (call.argument(1) as u32, call.argument(2));
    let of_descriptor = matches!(
        command,
        F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL
    );
    if is_path_only(&file) && !of_descriptor {
        return Err(Errno::EBADF.into());
    }
    let files = call.process().files()?;
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let limit = limit(call);
            let made =
                files
                    .lock()
                    .insert(file, command == F_DUPFD_CLOEXEC, argument as u32, limit)?;
            Ok(u64::from(made.0))
        }
        F_GETFD => {
            let closes = files.lock().close_on_exec(descriptor)?;
            Ok(if closes { u64::from(FD_CLOEXEC) } else { 0 })
        }
        F_SETFD => {
            files
                .lock()
                .set_close_on_exec(descriptor, argument as u32 & FD_CLOEXEC != 0)?;
            Ok(0)
        }
        F_GETFL => Ok(u64::from(status(&file))),
        F_SETFL => {
            let flags = OpenFlags::from_bits_retain(argument as u32);
            let mut status = StatusFlags::empty();
            status.set(StatusFlags::APPEND, flags.contains(OpenFlags::APPEND));
            status.set(
                StatusFlags::NONBLOCKING,
                flags.contains(OpenFlags::NONBLOCK),
            );
            let asynchronous = flags.contains(OpenFlags::ASYNC);
            match owner::set_asynchronous(&file, asynchronous) {
                // What never changes sends nothing.
                Ok(()) | Err(Errno::ENOTTY) => {}
                Err(errno) => return Err(errno.into()),
            }
            file.set_flags(status);
            Ok(0)
        }
        F_GETLK => locks::test(call, &file, Holder::process(&files)),
        F_SETLK => locks::set(call, &file, Holder::process(&files), false),
        F_SETLKW => locks::set(call, &file, Holder::process(&files), true),
        F_OFD_GETLK => locks::test(call, &file, Holder::opened(&file)),
        F_OFD_SETLK => locks::set(call, &file, Holder::opened(&file), false),
        F_OFD_SETLKW => locks::set(call, &file, Holder::opened(&file), true),
        F_GETOWN => Ok(i64::from(owner::plain(call, &file)).cast_unsigned()),
        F_SETOWN => owner::set_plain(call, &file, argument as i32),
        F_GETOWN_EX => owner::tell(call, &file, argument),
        F_SETOWN_EX => owner::set_told(call, &file, argument),
        F_GETSIG => Ok(owner::signal(&file)),
        F_SETSIG => owner::set_signal(call, &file, argument),
        F_GET_SEALS => Ok(u64::from(inode_of(&file)?.seals()?.bits())),
        F_ADD_SEALS => {
            if !file.access().contains(Access::WRITE) {
                return Err(Errno::EPERM.into());
            }
            let seals = Seals::from_bits(argument as u32).ok_or(Errno::EINVAL)?;
            inode_of(&file)?.add_seals(seals)?;
            Ok(0)
        }
        F_GETPIPE_SZ => Ok(pipe_of(&file)?.capacity() as u64),
        F_SETPIPE_SZ => {
            let bytes = u32::try_from(argument as u32 as i32).map_err(|_| Errno::EINVAL)?;
            Ok(pipe_of(&file)?.set_capacity(&call.io(), bytes as usize)? as u64)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The file behind a descriptor, for what only files of a file system know.
fn inode_of(file: &OpenFile) -> Result<&Arc<dyn Inode>, Errno> {
    file.location().map(Location::inode).ok_or(Errno::EINVAL)
}

/// Access mode and status flags as `open` takes them.
fn status(file: &OpenFile) -> u32 {
    if is_path_only(file) {
        return OpenFlags::PATH.bits();
    }
    let access = match (
        file.access().contains(Access::READ),
        file.access().contains(Access::WRITE),
    ) {
        (true, true) => O_RDWR,
        (false, true) => O_WRONLY,
        _ => O_RDONLY,
    };
    let mut flags = OpenFlags::empty();
    flags.set(
        OpenFlags::APPEND,
        file.flags().contains(StatusFlags::APPEND),
    );
    flags.set(
        OpenFlags::NONBLOCK,
        file.flags().contains(StatusFlags::NONBLOCKING),
    );
    flags.set(OpenFlags::ASYNC, owner::is_asynchronous(file));
    access | flags.bits()
}

/// The pipe behind an open file.
///
/// # Errors
/// EBADF when it is none.
pub(super) fn pipe_of(file: &OpenFile) -> Result<&Arc<Pipe>, Errno> {
    let operations: &dyn Any = &**file.operations();
    operations
        .downcast_ref::<PipeEnd>()
        .map(PipeEnd::pipe)
        .ok_or(Errno::EBADF)
}

/// The structure behind the third argument of `ioctl`.
struct Structure<'a> {
    user: &'a User,
    address: u64,
}

impl IoctlArgument for Structure<'_> {
    fn value(&self) -> u64 {
        self.address
    }

    fn get(&mut self, buffer: &mut [u8]) -> Attempt<()> {
        Ok(self.user.read(self.address, buffer)?)
    }

    fn put(&mut self, bytes: &[u8]) -> Attempt<()> {
        Ok(self.user.write(self.address, bytes)?)
    }
}

/// `man 2 ioctl`.
///
/// # Errors
/// EBADF, ENOTTY for what the object does not know, EFAULT, and what the object says.
pub fn ioctl(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    let (request, address) = (call.argument(1) as u32, call.argument(2));
    match request {
        FIOCLEX | FIONCLEX => {
            let descriptor = Descriptor::from_register(call.argument(0))?;
            let files = call.process().files()?;
            files
                .lock()
                .set_close_on_exec(descriptor, request == FIOCLEX)?;
            return Ok(0);
        }
        FIONBIO => {
            let mut flags = file.flags();
            flags.set(StatusFlags::NONBLOCKING, call.user.u32(address)? != 0);
            file.set_flags(flags);
            return Ok(0);
        }
        FIOASYNC => {
            owner::set_asynchronous(&file, call.user.u32(address)? != 0)?;
            return Ok(0);
        }
        FIOSETOWN | SIOCSPGRP if socket::is_socket(&file) => {
            let number = call.user.u32(address)?.cast_signed();
            return owner::set_plain(call, &file, number);
        }
        FIOGETOWN | SIOCGPGRP if socket::is_socket(&file) => {
            let number = owner::plain(call, &file);
            call.user.write(address, &number.to_le_bytes())?;
            return Ok(0);
        }
        FIONREAD if is_regular(&file) => {
            let rest = file
                .operations()
                .size(&call.io())?
                .saturating_sub(file.seek(&call.io(), 0, Whence::Current)?);
            let rest = i32::try_from(rest).unwrap_or(i32::MAX);
            call.user.write(address, &rest.to_le_bytes())?;
            return Ok(0);
        }
        _ => {}
    }
    if let Some(called) = socket::ioctl(call, &file, request, address) {
        return called;
    }
    if request == TIOCGPTPEER
        && let Some(master) = terminal::master_of(&file)
    {
        return terminal::open_peer(call, master);
    }
    let mut argument = Structure {
        user: &call.user,
        address,
    };
    Ok(file
        .ioctl(&call.io(), request, &mut argument)?
        .cast_unsigned())
}

fn is_regular(file: &OpenFile) -> bool {
    file.location()
        .is_some_and(|location| location.inode().kind() == FileKind::Regular)
}

/// `man 2 flock`.
///
/// # Errors
/// EBADF, EINVAL, EAGAIN with LOCK_NB; parks otherwise until the lock is free.
pub fn flock(call: &mut Call<'_>) -> Called {
    let file = opened(call, 0)?;
    locks::flock(call, &file)
}

/// `man 2 pipe`.
///
/// # Errors
/// EFAULT, EMFILE, ENOMEM.
pub fn pipe(call: &mut Call<'_>) -> Called {
    make_pipe(call, OpenFlags::empty())
}

/// `man 2 pipe2`. There are no pipes of packets: O_DIRECT is EINVAL.
///
/// # Errors
/// As [`pipe()`]; EINVAL for unknown flags.
pub fn pipe2(call: &mut Call<'_>) -> Called {
    let flags = OpenFlags::from_bits_retain(call.argument(1) as u32);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    make_pipe(call, flags)
}

fn make_pipe(call: &Call<'_>, flags: OpenFlags) -> Called {
    let address = call.argument(0);
    call.user.gather(
        Segment {
            address,
            length: 2 * size_of::<u32>(),
        },
        MemoryAccess::Write,
    )?;
    let (reader, writer) = Pipe::pair(special::pipe_metadata(call.credential()))?;
    let mut status = StatusFlags::empty();
    status.set(
        StatusFlags::NONBLOCKING,
        flags.contains(OpenFlags::NONBLOCK),
    );
    let open = |end: Arc<PipeEnd>, access| OpenFile::new(end, None, call.cid(), access, status);
    let (reader, writer) = (open(reader, Access::READ)?, open(writer, Access::WRITE)?);
    install_pair(
        call,
        address,
        [reader, writer],
        flags.contains(OpenFlags::CLOEXEC),
    )
}

/// Gives two files the lowest free descriptors and stores their numbers at `address`, which has been gathered.
///
/// # Errors
/// EMFILE, EFAULT; neither file is open then.
pub(super) fn install_pair(
    call: &Call<'_>,
    address: u64,
    [first, second]: [Arc<OpenFile>; 2],
    close_on_exec: bool,
) -> Called {
    let limit = limit(call);
    let files = call.process().files()?;
    let (from, to) = {
        let mut files = files.lock();
        let from = files.insert(first, close_on_exec, 0, limit)?;
        let to = match files.insert(second, close_on_exec, 0, limit) {
            Ok(to) => to,
            Err(errno) => {
                let first = files.remove(from);
                drop(files);
                drop(first);
                return Err(errno.into());
            }
        };
        (from, to)
    };
    let numbers = u64::from(from.0) | u64::from(to.0) << 32;
    call.user
        .write(address, &numbers.to_le_bytes())
        .map_err(|errno| {
            let mut files = files.lock();
            let ends = (files.remove(from), files.remove(to));
            drop(files);
            drop(ends);
            Outcome::Failed(errno)
        })?;
    Ok(0)
}
