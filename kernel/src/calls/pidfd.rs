//! Files that refer to a process (`man 2 pidfd_open`).

use super::Call;
use super::descriptor::{install, opened, require_room};
use super::ptrace::may_inspect;
use super::signal::{from_caller, number_or_check};
use crate::outcome::Called;
use crate::pid_file::PidFile;
use crate::process::Process;
use crate::signals;
use crate::special;
use crate::system::system;
use abi::Errno;
use abi::linux::{OpenFlags, SI_TKILL, SI_USER, SIGINFO_SIZE, SigInfo};
use alloc::sync::Arc;
use fallible::NoMemory;
use process::VPid;
use vfs::{Access, Descriptor, Location, OpenFile, StatusFlags};

/// A file that refers to `process`.
///
/// # Errors
/// [`NoMemory`].
pub(super) fn file_of(
    call: &Call<'_>,
    process: &Arc<Process>,
    nonblocking: bool,
) -> Result<Arc<OpenFile>, NoMemory> {
    let file = PidFile::new(process, special::event_metadata(call.credential()))?;
    let mut status = StatusFlags::empty();
    status.set(StatusFlags::NONBLOCKING, nonblocking);
    OpenFile::new(file, None, call.cid(), Access::READ | Access::WRITE, status)
}

/// `man 2 pidfd_open`.
///
/// # Errors
/// EINVAL for unknown flags, a number that cannot be and one of a thread that does not lead its process; ESRCH, EMFILE.
pub fn pidfd_open(call: &mut Call<'_>) -> Called {
    let flags = OpenFlags::from_bits_retain(call.argument(1) as u32);
    let number = u32::try_from(call.argument(0) as u32 as i32).unwrap_or(0);
    if number == 0 || !OpenFlags::NONBLOCK.contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    require_room(call)?;
    let process = {
        let tree = system().tree.lock();
        let found = tree.pids.find(call.credential(), VPid(number));
        let found = found.map_err(|absent| absent.no_process())?;
        found.process().ok_or(Errno::EINVAL)?
    };
    let file = file_of(call, &process, flags.contains(OpenFlags::NONBLOCK))?;
    install(call, file, true)
}

/// The process that `file` refers to: a pidfd, or its directory in `/proc` as the caller's environment numbers it.
///
/// # Errors
/// EBADF for a file of another kind, ESRCH when nothing is left of the process.
fn named_by(call: &Call<'_>, file: &OpenFile) -> Result<Arc<Process>, Errno> {
    let inode = file.location().map(Location::inode);
    let found = inode.and_then(|inode| procfs::process_of(&**inode, call.credential()));
    let Some(named) = found else {
        return PidFile::process_of(file);
    };
    let tree = system().tree.lock();
    let process = tree.pids.find(call.credential(), VPid(named.pid.0));
    let process = process.map_err(|absent| absent.no_process())?.process();
    // The number may be somebody else's by now.
    process
        .filter(|process| process.serial == named.key)
        .ok_or(Errno::ESRCH)
}

/// The process that the pidfd in argument 0 refers to.
///
/// # Errors
/// EBADF, ESRCH.
pub(super) fn target(call: &Call<'_>) -> Result<Arc<Process>, Errno> {
    PidFile::process_of(&*opened(call, 0)?)
}

/// `man 2 pidfd_send_signal`.
///
/// # Errors
/// EINVAL for flags, a signal that cannot be and information for another; EBADF, EFAULT, EPERM, ESRCH, EAGAIN.
pub fn pidfd_send_signal(call: &mut Call<'_>) -> Called {
    if call.argument(3) as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let target = named_by(call, &*opened(call, 0)?)?;
    let signal = number_or_check(call.argument(1))?;
    let given = match (call.argument(2), signal) {
        (0, _) | (_, None) => None,
        (address, Some(signal)) => {
            let bytes = call.user.bytes::<SIGINFO_SIZE>(address)?;
            let info = SigInfo::decode(signal, &bytes)?;
            if bytes.first() != Some(&signal.get()) {
                return Err(Errno::EINVAL.into());
            }
            let own = Arc::ptr_eq(&target, call.process());
            if !own && (info.code >= 0 || info.code == SI_TKILL) {
                return Err(Errno::EPERM.into());
            }
            Some(info)
        }
    };
    let origin = signals::permit(call.thread, &target, None, signal)?;
    if let Some(signal) = signal {
        let info = given.unwrap_or_else(|| from_caller(call, signal, SI_USER, target.cid()));
        signals::send(&target, None, info, origin)?;
    }
    Ok(0)
}

/// `man 2 pidfd_getfd`: for dumpable processes of the same users, as `man 2 ptrace` has it, or with the privilege over identities.
///
/// # Errors
/// EINVAL for flags; EBADF, EPERM, ESRCH, EMFILE.
pub fn pidfd_getfd(call: &mut Call<'_>) -> Called {
    if call.argument(2) as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let target = target(call)?;
    may_inspect(call, &target)?;
    let descriptor = Descriptor::from_register(call.argument(1))?;
    let file = target.files()?.lock().get(descriptor)?;
    install(call, file, true)
}
