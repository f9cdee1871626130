//! Looking into another process without tracing it (`man 2 process_vm_readv`, `man 2 kcmp`).

use super::Call;
use super::ptrace::may_inspect;
use crate::outcome::{Called, Continuation, Outcome};
use crate::process::Process;
use crate::space::Space;
use crate::system::system;
use crate::user::{Place, STEP, Segment, UserBuffer};
use abi::Errno;
use abi::mmu::Access;
use alloc::sync::Arc;
use alloc::vec::Vec;
use memory::FaultError;
use process::VPid;
use vfs::Descriptor;
use wait::{Sink, Source, Stop};

/// The process that a number means, for one who may look into it.
fn inspected(call: &Call<'_>, number: u64) -> Result<Arc<Process>, Errno> {
    let found = {
        let tree = system().tree.lock();
        let number = VPid(number as u32);
        let found = tree.pids.find(call.credential(), number);
        found.map_err(|absent| absent.no_process())?.owner()
    };
    may_inspect(call, &found)?;
    Ok(found)
}

/// `man 2 process_vm_readv`.
///
/// # Errors
/// EINVAL, EFAULT, EPERM, ESRCH, ENOMEM.
pub fn process_vm_readv(call: &mut Call<'_>) -> Called {
    transfer(call, Access::Read)
}

/// `man 2 process_vm_writev`.
///
/// # Errors
/// As [`process_vm_readv`].
pub fn process_vm_writev(call: &mut Call<'_>) -> Called {
    transfer(call, Access::Write)
}

/// One step of a transfer; `access` is what is done to the other process's memory.
fn transfer(call: &mut Call<'_>, access: Access) -> Called {
    if call.argument(5) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let local = call.user.segments(call.argument(1), call.argument(2))?;
    let remote = call.user.segments(call.argument(3), call.argument(4))?;
    let space = inspected(call, call.argument(0))?.space()?;
    let done = match call.progress() {
        Continuation::Transferred(count) => count as usize,
        _ => 0,
    };
    let sum = |segments: &[Segment]| segments.iter().map(|segment| segment.length).sum::<usize>();
    let total = sum(&local).min(sum(&remote));
    let length = (total - done.min(total)).min(STEP);
    if length == 0 {
        return Ok(done as u64);
    }
    let moved = match step(call, &space, [&local, &remote], done, length, access) {
        Ok(moved) => moved,
        Err(Stop::Again) => return Err(Outcome::Again),
        Err(_) if done > 0 => return Ok(done as u64),
        Err(stop) => return Err(stop.into()),
    };
    let done = done + moved;
    if moved < length || done == total {
        return Ok(done as u64);
    }
    call.set_progress(Continuation::Transferred(done as u64));
    Err(Outcome::Again)
}

/// Moves `length` bytes, or as many as can be reached.
fn step(
    call: &Call<'_>,
    space: &Space,
    [local, remote]: [&Vec<Segment>; 2],
    done: usize,
    length: usize,
    access: Access,
) -> Result<usize, Stop> {
    let own = match access {
        Access::Write => Access::Read,
        _ => Access::Write,
    };
    let mut buffer = UserBuffer::new(&call.user, local, done, length, own)?;
    let length = length.min(buffer.rest());
    let mut pieces = Place::new(remote, done);
    let mut bytes = fallible::filled(0, length)?;
    let mut moved = 0;
    while moved < length {
        let Some(piece) = pieces.next_piece(length - moved) else {
            break;
        };
        let part = bytes.get_mut(..piece.length).unwrap_or_default();
        let result = if access == Access::Write {
            buffer.take(part)?;
            space.lock().write(piece.address, part)
        } else {
            space.lock().read(piece.address, part)
        };
        match result {
            Ok(()) if access == Access::Write => {}
            Ok(()) => buffer.put(part)?,
            Err(_) if moved > 0 => break,
            Err(FaultError::Pending) => return Err(Stop::Again),
            Err(fault) => return Err(Errno::from(fault).into()),
        }
        moved += piece.length;
    }
    Ok(moved)
}

/// `man 2 kcmp`: 0 when both have the same, 3 when not; in which order objects lie is not told.
///
/// # Errors
/// EINVAL, EBADF, EPERM, ESRCH.
pub fn kcmp(call: &mut Call<'_>) -> Called {
    /// An open file.
    const FILE: u64 = 0;
    /// Memory.
    const VM: u64 = 1;
    /// Tables of open files.
    const FILES: u64 = 2;
    /// Places in the file system.
    const FS: u64 = 3;
    /// Signal actions.
    const SIGHAND: u64 = 4;
    /// Semaphores to take back.
    const SYSVSEM: u64 = 6;
    /// Neither less nor greater, but not equal.
    const UNEQUAL: u64 = 3;
    let one = inspected(call, call.argument(0))?;
    let other = inspected(call, call.argument(1))?;
    let same = match call.argument(2) {
        FILE => {
            let file = |process: &Process, index| {
                let descriptor = Descriptor::from_register(call.argument(index))?;
                process.files()?.lock().get(descriptor)
            };
            Arc::ptr_eq(&file(&one, 3)?, &file(&other, 4)?)
        }
        VM => Arc::ptr_eq(&one.space()?, &other.space()?),
        FILES => Arc::ptr_eq(&one.files()?, &other.files()?),
        FS => Arc::ptr_eq(&one.place()?, &other.place()?),
        // The threads of a process share them, and nobody else does.
        SIGHAND => Arc::ptr_eq(&one, &other),
        // Nor these; but none are as good as none.
        SYSVSEM => {
            let has_none = |process: &Process| {
                let semaphores = &process.environment().system_v.semaphores;
                !semaphores.has_undo(process.serial)
            };
            Arc::ptr_eq(&one, &other) || has_none(&one) && has_none(&other)
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(if same { 0 } else { UNEQUAL })
}
