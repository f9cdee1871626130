//! `man 2 semget`, `man 2 semop`, `man 2 semctl`.

use super::{command, create, ownership, permission, stopped, visit};
use crate::calls::Call;
use crate::calls::clock::{read_timespec, ticks};
use crate::outcome::Called;
use abi::Errno;
use abi::linux::{
    GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT,
    SEM_INFO, SEM_STAT, SEM_STAT_ANY, SEM_UNDO, SETALL, SETVAL, Sembuf, SemidDs, Seminfo,
};
use alloc::vec::Vec;
use ipc::system_v::{
    Access, Operation, SEMAPHORE_LIMITS, SemaphoreStatus, Semaphores, VALUE_LIMIT, Waiting,
};
use wait::MayWait;

/// `man 2 semget`.
pub(super) fn get(call: &Call<'_>, key: u64, count: u64, flags: u64) -> Called {
    let count = u32::try_from(count as u32 as i32).map_err(|_| Errno::EINVAL)?;
    let environment = call.process().environment();
    let sets = &environment.system_v.semaphores;
    Ok(sets.get(visit(call), create(key, flags), count)? as u64)
}

/// `man 2 semop`; `timeout` is the address of a span, 0 for none.
pub(super) fn operate(
    call: &mut Call<'_>,
    id: u64,
    address: u64,
    count: u64,
    timeout: u64,
) -> Called {
    let count = count as u32;
    if count == 0 {
        return Err(Errno::EINVAL.into());
    }
    if count > SEMAPHORE_LIMITS.in_call {
        return Err(Errno::E2BIG.into());
    }
    let span = match timeout {
        0 => None,
        address => Some(ticks(read_timespec(call, address)?.nanos()?)),
    };
    let operations = operations(call, address, count)?;
    let until = call.deadline(span);
    let late = until.is_some_and(|until| until <= arch::time::now());
    let environment = call.process().environment();
    let caller: Option<&dyn MayWait> = if late { None } else { Some(call) };
    let done = environment.system_v.semaphores.operate(
        visit(call),
        id as i32,
        call.process().serial,
        &operations,
        caller,
    );
    done.map_err(|stop| stopped(call, stop, until))?;
    Ok(0)
}

fn operations(call: &Call<'_>, address: u64, count: u32) -> Result<Vec<Operation>, Errno> {
    let mut operations = Vec::new();
    operations
        .try_reserve_exact(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    for index in 0..u64::from(count) {
        let at = address.wrapping_add(index * Sembuf::SIZE as u64);
        let given = Sembuf::decode(&call.user.bytes::<{ Sembuf::SIZE }>(at)?);
        operations.push(Operation {
            number: given.num,
            change: given.op,
            nonblocking: u32::from(given.flg) & IPC_NOWAIT != 0,
            undo: u32::from(given.flg) & SEM_UNDO != 0,
        });
    }
    Ok(operations)
}

/// `man 2 semctl`.
pub(super) fn control(call: &Call<'_>, id: u64, number: u64, bits: u64, argument: u64) -> Called {
    let environment = call.process().environment();
    let sets = &environment.system_v.semaphores;
    let (id, visit) = (id as i32, visit(call));
    let one = || u16::try_from(number as u32).map_err(|_| Errno::EINVAL);
    match command(bits) {
        command @ (IPC_INFO | SEM_INFO) => information(call, sets, command, argument),
        IPC_STAT => {
            tell(call, &sets.status(visit, id, false)?, argument)?;
            Ok(0)
        }
        command @ (SEM_STAT | SEM_STAT_ANY) => {
            let id = sets.at(u32::try_from(id).map_err(|_| Errno::EINVAL)?)?;
            tell(
                call,
                &sets.status(visit, id, command == SEM_STAT_ANY)?,
                argument,
            )?;
            Ok(id as u64)
        }
        IPC_SET => {
            let given = SemidDs::decode(&call.user.bytes::<{ SemidDs::SIZE }>(argument)?);
            sets.set(visit, id, ownership(&given.perm))?;
            Ok(0)
        }
        IPC_RMID => {
            sets.remove(visit, id)?;
            Ok(0)
        }
        GETVAL => Ok(u64::from(sets.value(visit, id, one()?)?.0)),
        GETPID => Ok(u64::from(sets.value(visit, id, one()?)?.1)),
        GETNCNT => Ok(sets.waiters(visit, id, one()?, Waiting::Rise)? as u64),
        GETZCNT => Ok(sets.waiters(visit, id, one()?, Waiting::Zero)? as u64),
        SETVAL => {
            sets.set_value(visit, id, one()?, argument as i32)?;
            Ok(0)
        }
        GETALL => {
            let values = sets.values(visit, id)?;
            for (at, value) in (argument..).step_by(2).zip(values) {
                call.user.write(at, &value.to_le_bytes())?;
            }
            Ok(0)
        }
        SETALL => {
            let count = sets.count(visit, id, Access::Alter)?;
            let mut values = Vec::new();
            values.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
            for at in (argument..).step_by(2).take(count) {
                values.push(u16::from_le_bytes(call.user.bytes(at)?));
            }
            sets.set_values(visit, id, &values)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn tell(call: &Call<'_>, status: &SemaphoreStatus, address: u64) -> Result<(), Errno> {
    let told = SemidDs {
        perm: permission(&status.permission),
        otime: status.operated,
        ctime: status.changed,
        nsems: u64::from(status.count),
    };
    call.user.write(address, &told.encode())
}

fn information(call: &Call<'_>, sets: &Semaphores, command: u32, address: u64) -> Called {
    let (last, used, total) = sets.usage();
    let limits = SEMAPHORE_LIMITS;
    let (used, total) = match command {
        SEM_INFO => (used, total),
        // The size of a record that does not exist any more, and the greatest value that is taken back.
        _ => (20, u32::from(VALUE_LIMIT)),
    };
    let told = Seminfo {
        semmap: limits.in_all,
        semmni: limits.sets,
        semmns: limits.in_all,
        semmnu: limits.in_all,
        semmsl: limits.in_set,
        semopm: limits.in_call,
        semume: limits.in_call,
        semusz: used,
        semvmx: u32::from(VALUE_LIMIT),
        semaem: total,
    };
    call.user.write(address, &told.encode())?;
    Ok(u64::from(last))
}
