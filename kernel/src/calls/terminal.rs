//! Terminals as descriptors: how a session gets one by opening it, and how a pseudoterminal's slave is opened without
//! its name.

use super::Call;
use super::descriptor;
use super::directory::opening::open_options;
use super::directory::walk_as;
use crate::outcome::{Called, Outcome};
use crate::terminals::CONSOLE_NUMBER;
use abi::Errno;
use abi::linux::{OpenFlags, TIOCSCTTY};
use alloc::sync::Arc;
use core::any::Any;
use tty::{PtyMaster, TerminalFile};
use vfs::{Access, FileKind, FileOperations, Follow, IoctlArgument, OpenFile};
use wait::{Attempt, Stop};

/// The master of a pseudoterminal that an open file is, if it is one.
pub(super) fn master_of(file: &OpenFile) -> Option<&PtyMaster> {
    let operations: &dyn Any = &**file.operations();
    operations.downcast_ref()
}

/// `TIOCGPTPEER` (`man 2 ioctl_tty`): opens the slave of a master with the flags in the third argument. It has a name
/// where the caller's partition has its `/dev/pts`.
///
/// # Errors
/// EINVAL, EMFILE, EIO while the slave is locked, ENOENT in another partition than the pseudoterminal's.
pub(super) fn open_peer(call: &Call<'_>, master: &PtyMaster) -> Called {
    let bits = call.argument(2) as u32;
    let flags = OpenFlags::from_bits_retain(bits);
    let options = open_options(bits, flags)?;
    descriptor::require_room(call)?;
    let name = fallible::text(format_args!("/dev/pts/{}", master.number()))?;
    let mounts = call.process().environment().mounts.clone();
    let location = walk_as(call.credential(), &mounts, |walk| {
        walk.resolve(None, name.as_bytes(), Follow::No)
    })?;
    let opened = location.inode().open(&call.io(), options.access)?;
    let slave = opened
        .filter(|file| is_slave(&**file, master))
        .ok_or(Errno::ENOENT)?;
    let owner = call.credential().cid;
    let file = OpenFile::new(slave, Some(location), owner, options.access, options.flags)?;
    if !flags.contains(OpenFlags::NOCTTY) {
        take_control(call, &file)?;
    }
    descriptor::install(call, file, flags.contains(OpenFlags::CLOEXEC))
}

/// Whether a file is a slave of `master`, and not what somebody has mounted over its name.
fn is_slave(file: &dyn FileOperations, master: &PtyMaster) -> bool {
    let file: &dyn Any = file;
    file.downcast_ref::<TerminalFile>()
        .is_some_and(|slave| Arc::ptr_eq(slave.terminal(), master.terminal()))
}

/// A terminal that a session leader without one opens for reading becomes its controlling terminal, but not through
/// `/dev/console` (`man 2 open`, O_NOCTTY; `man 4 console_ioctl`).
pub(super) fn take_control(call: &Call<'_>, file: &OpenFile) -> Result<(), Outcome> {
    let Some(location) = file.location() else {
        return Ok(());
    };
    let reads = file.access().contains(Access::READ);
    if !reads || location.inode().kind() != FileKind::Character {
        return Ok(());
    }
    let io = call.io();
    if location.inode().metadata(&io)?.device == CONSOLE_NUMBER {
        return Ok(());
    }
    // The terminal knows when this may not be; a device that is no terminal says ENOTTY.
    match file.ioctl(&io, TIOCSCTTY, &mut NoSteal) {
        Ok(_) | Err(Stop::Error(_)) => Ok(()),
        Err(stop) => Err(stop.into()),
    }
}

/// The argument of TIOCSCTTY that takes the terminal from nobody.
struct NoSteal;

impl IoctlArgument for NoSteal {
    fn value(&self) -> u64 {
        0
    }

    fn get(&mut self, _buffer: &mut [u8]) -> Attempt<()> {
        Err(Errno::EFAULT.into())
    }

    fn put(&mut self, _bytes: &[u8]) -> Attempt<()> {
        Err(Errno::EFAULT.into())
    }
}
