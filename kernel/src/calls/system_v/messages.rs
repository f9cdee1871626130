//! `man 2 msgget`, `man 2 msgop`, `man 2 msgctl`.

use super::{command, create, ownership, permission, stopped, visit};
use crate::calls::Call;
use crate::outcome::Called;
use abi::Errno;
use abi::linux::{
    IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, MSG_COPY, MSG_EXCEPT, MSG_INFO, MSG_NOERROR,
    MSG_STAT, MSG_STAT_ANY, Msginfo, MsqidDs,
};
use alloc::vec::Vec;
use ipc::system_v::{MESSAGES_IN_ALL, MessageStatus, Messages, Selector};
use wait::MayWait;

/// Bytes of the type in front of a text.
const TYPE: u64 = 8;

/// `man 2 msgget`.
pub(super) fn get(call: &Call<'_>, key: u64, flags: u64) -> Called {
    let environment = call.process().environment();
    let queues = &environment.system_v.messages;
    Ok(queues.get(visit(call), create(key, flags))? as u64)
}

/// `man 2 msgsnd`.
pub(super) fn send(call: &mut Call<'_>, id: u64, address: u64, size: u64, flags: u64) -> Called {
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    if size > MESSAGES_IN_ALL.message || (id as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let kind = call.user.u64(address)?.cast_signed();
    let mut text = Vec::new();
    text.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    text.resize(size, 0);
    call.user.read(address.wrapping_add(TYPE), &mut text)?;
    let environment = call.process().environment();
    let waits = flags as u32 & IPC_NOWAIT == 0;
    let caller: Option<&dyn MayWait> = if waits { Some(call) } else { None };
    let queues = &environment.system_v.messages;
    let sent = queues.send(visit(call), id as i32, kind, &text, caller);
    sent.map_err(|stop| stopped(call, stop, None))?;
    Ok(0)
}

/// `man 2 msgrcv`.
pub(super) fn receive(call: &mut Call<'_>, arguments: [u64; 5]) -> Called {
    let [id, address, size, kind, flags] = arguments;
    let (kind, flags) = (kind.cast_signed(), flags as u32);
    if size > i64::MAX as u64 || (id as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let waits = flags & IPC_NOWAIT == 0;
    let selector = if flags & MSG_COPY != 0 {
        if waits || flags & MSG_EXCEPT != 0 {
            return Err(Errno::EINVAL.into());
        }
        Selector::CopyOf(usize::try_from(kind).map_err(|_| Errno::EINVAL)?)
    } else {
        match kind {
            0 => Selector::Any,
            ..0 => Selector::Lowest(kind.saturating_neg()),
            _ if flags & MSG_EXCEPT != 0 => Selector::Except(kind),
            _ => Selector::Of(kind),
        }
    };
    let environment = call.process().environment();
    let caller: Option<&dyn MayWait> = if waits { Some(call) } else { None };
    let limit = (size as usize, flags & MSG_NOERROR != 0);
    let queues = &environment.system_v.messages;
    let received = queues.receive(
        visit(call),
        id as i32,
        selector,
        limit,
        caller,
        |kind, text| {
            call.user.write(address, &kind.to_le_bytes())?;
            Ok(call.user.write(address.wrapping_add(TYPE), text)?)
        },
    );
    let count = received.map_err(|stop| stopped(call, stop, None))?;
    Ok(count as u64)
}

/// `man 2 msgctl`.
pub(super) fn control(call: &Call<'_>, id: u64, bits: u64, address: u64) -> Called {
    let environment = call.process().environment();
    let queues = &environment.system_v.messages;
    let (id, visit) = (id as i32, visit(call));
    match command(bits) {
        command @ (IPC_INFO | MSG_INFO) => information(call, queues, command, address),
        IPC_STAT => {
            tell(call, &queues.status(visit, id, false)?, address)?;
            Ok(0)
        }
        command @ (MSG_STAT | MSG_STAT_ANY) => {
            let id = queues.at(u32::try_from(id).map_err(|_| Errno::EINVAL)?)?;
            tell(
                call,
                &queues.status(visit, id, command == MSG_STAT_ANY)?,
                address,
            )?;
            Ok(id as u64)
        }
        IPC_SET => {
            let given = MsqidDs::decode(&call.user.bytes::<{ MsqidDs::SIZE }>(address)?);
            queues.set(visit, id, ownership(&given.perm), given.qbytes)?;
            Ok(0)
        }
        IPC_RMID => {
            queues.remove(visit, id)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn tell(call: &Call<'_>, status: &MessageStatus, address: u64) -> Result<(), Errno> {
    let told = MsqidDs {
        perm: permission(&status.permission),
        stime: status.sent,
        rtime: status.received,
        ctime: status.changed,
        cbytes: status.bytes,
        qnum: status.messages,
        qbytes: status.capacity,
        lspid: status.sender,
        lrpid: status.receiver,
    };
    call.user.write(address, &told.encode())
}

fn information(call: &Call<'_>, queues: &Messages, command: u32, address: u64) -> Called {
    let (last, used, messages, bytes) = queues.usage();
    let limits = MESSAGES_IN_ALL;
    let mut told = Msginfo {
        msgmax: limits.message as u32,
        msgmnb: limits.queue as u32,
        msgmni: limits.queues,
        msgssz: 16,
        msgseg: u16::MAX,
        ..Msginfo::default()
    };
    if command == MSG_INFO {
        (told.msgpool, told.msgmap, told.msgtql) = (used, messages as u32, bytes as u32);
    } else {
        // What Linux says of tables that it does not have any more: kilobytes, entries, messages.
        (told.msgpool, told.msgmap, told.msgtql) = (
            limits.queues * (limits.queue as u32 / 1024),
            limits.queue as u32,
            limits.queue as u32,
        );
    }
    call.user.write(address, &told.encode())?;
    Ok(u64::from(last))
}
