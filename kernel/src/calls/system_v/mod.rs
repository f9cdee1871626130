//! System V IPC: by calls of their own, and through `ipc`, by which older C libraries make all of them.
//!
//! A call that waits has left its object's number in the program's registers only. When it is run again and there is no such
//! object, it has been removed meanwhile: EIDRM.

mod messages;
mod semaphores;
mod shared_memory;

use super::Call;
use crate::outcome::{Called, Continuation, Outcome};
use crate::room;
use crate::system::system;
use abi::linux::{IPC_64, IPC_CREAT, IPC_EXCL, IpcPerm, SystemCall};
use abi::{Errno, Ticks};
use ipc::system_v::{Create, Ownership, Permission, Visit};
use wait::Stop;

/// `man 2 ipc`, and the calls that it stands for.
///
/// # Errors
/// EINVAL for an unknown operation; those of the operation.
pub fn ipc(call: &mut Call<'_>) -> Called {
    let [operation, first, second, third, pointer, fifth] =
        core::array::from_fn(|index| call.argument(index));
    let (operation, version) = (operation & 0xffff, operation >> 16 & 0xffff);
    if matches!(operation, 2 | 11 | 13 | 23) && matches!(call.progress(), Continuation::Fresh) {
        room::ask()?;
    }
    match operation {
        1 => semaphores::operate(call, first, pointer, second, 0),
        2 => semaphores::get(call, first, second, third),
        3 if pointer == 0 => Err(Errno::EINVAL.into()),
        3 => {
            let argument = call.user.u64(pointer)?;
            semaphores::control(call, first, second, third, argument)
        }
        4 => semaphores::operate(call, first, pointer, second, fifth),
        11 => messages::send(call, first, pointer, second, third),
        12 if version == 0 => {
            let (text, kind) = (
                call.user.u64(pointer)?,
                call.user.u64(pointer.wrapping_add(8))?,
            );
            messages::receive(call, [first, text, second, kind, third])
        }
        12 => messages::receive(call, [first, pointer, second, fifth, third]),
        13 => messages::get(call, first, second),
        14 => messages::control(call, first, second, pointer),
        21 if version == 1 => Err(Errno::EINVAL.into()),
        21 => shared_memory::attach_into(call, first, pointer, second, third),
        22 => shared_memory::detach(call, pointer),
        23 => shared_memory::get(call, first, second, third),
        24 => shared_memory::control(call, first, second, pointer),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The calls themselves.
///
/// # Errors
/// As their manual pages say.
pub fn direct(number: SystemCall, call: &mut Call<'_>) -> Called {
    use SystemCall as S;
    let [a, b, c, d, e] = core::array::from_fn(|index| call.argument(index));
    match number {
        S::Semget => semaphores::get(call, a, b, c),
        S::Semctl => semaphores::control(call, a, b, c, d),
        S::Semtimedop => semaphores::operate(call, a, b, c, d),
        S::Msgget => messages::get(call, a, b),
        S::Msgctl => messages::control(call, a, b, c),
        S::Msgsnd => messages::send(call, a, b, c, d),
        S::Msgrcv => messages::receive(call, [a, b, c, d, e]),
        S::Shmget => shared_memory::get(call, a, b, c),
        S::Shmctl => shared_memory::control(call, a, b, c),
        S::Shmat => shared_memory::attach(call, a, b, c),
        S::Shmdt => shared_memory::detach(call, a),
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// Who calls.
fn visit<'a>(call: &'a Call<'_>) -> Visit<'a> {
    const SECOND: u64 = 1_000_000_000;
    Visit {
        credential: call.credential(),
        pid: call.process().virtual_pid().0,
        now: (system().wall_clock(arch::time::now()).0 / SECOND).cast_signed(),
    }
}

/// What `semget` and its like ask for, of a key and flags.
fn create(key: u64, flags: u64) -> Create {
    let flags = flags as u32;
    Create {
        key: key as u32,
        create: flags & IPC_CREAT != 0,
        exclusive: flags & IPC_EXCL != 0,
        mode: flags & 0o777,
    }
}

/// The command of a `ctl` call.
fn command(bits: u64) -> u32 {
    bits as u32 & !IPC_64
}

/// What a call answers that could not go on; one that has to wait does so until a deadline.
fn stopped(call: &mut Call<'_>, stop: Stop, until: Option<Ticks>) -> Outcome {
    match stop {
        Stop::Error(Errno::EINVAL) if !matches!(call.progress(), Continuation::Fresh) => {
            Errno::EIDRM.into()
        }
        Stop::Park => {
            if until.is_none() {
                call.set_progress(Continuation::Begun);
            }
            match call.wait_until(until) {
                Ok(_) => Outcome::Again,
                Err(outcome) => outcome,
            }
        }
        stop => stop.into(),
    }
}

/// As program memory has it.
fn permission(of: &Permission) -> IpcPerm {
    IpcPerm {
        key: of.key,
        uid: of.uid,
        gid: of.gid,
        cuid: of.creator_uid,
        cgid: of.creator_gid,
        mode: of.mode,
        seq: of.sequence,
    }
}

/// What IPC_SET takes of a structure.
fn ownership(of: &IpcPerm) -> Ownership {
    Ownership {
        uid: of.uid,
        gid: of.gid,
        mode: of.mode,
    }
}
