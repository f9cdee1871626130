//! Who gets the signals of a file, and which (`man 2 fcntl`, "Managing signals").

use crate::calls::Call;
use crate::file_signals::{FileSignals, Owner, Recipient};
use crate::outcome::Called;
use crate::system::system;
use abi::Errno;
use abi::linux::{F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, SignalNumber};
use alloc::sync::Arc;
use process::VPid;
use vfs::{OpenFile, Seek};

/// A kind and a number, as `struct f_owner_ex` has them.
type Named = (u32, u32);

/// F_SETOWN, FIOSETOWN and SIOCSPGRP: a process or, negative, a group; 0 is nobody.
///
/// # Errors
/// ESRCH, EINVAL, ENOMEM.
pub(super) fn set_plain(call: &Call<'_>, file: &Arc<OpenFile>, number: i32) -> Called {
    let kind = if number < 0 {
        F_OWNER_PGRP
    } else {
        F_OWNER_PID
    };
    if number == i32::MIN {
        return Err(Errno::EINVAL.into());
    }
    set(call, file, (kind, number.unsigned_abs()))
}

/// F_GETOWN: a group is a negative number.
pub(super) fn plain(call: &Call<'_>, file: &OpenFile) -> i32 {
    match get(call, file) {
        (F_OWNER_PGRP, number) => -number.cast_signed(),
        (_, number) => number.cast_signed(),
    }
}

/// F_SETOWN_EX.
///
/// # Errors
/// EFAULT, EINVAL for an unknown kind, ESRCH.
pub(super) fn set_told(call: &Call<'_>, file: &Arc<OpenFile>, address: u64) -> Called {
    let kind = call.user.u32(address)?;
    let number = call.user.u32(address.wrapping_add(4))?;
    set(call, file, (kind, number))
}

/// F_GETOWN_EX.
///
/// # Errors
/// EFAULT.
pub(super) fn tell(call: &Call<'_>, file: &OpenFile, address: u64) -> Called {
    let (kind, number) = get(call, file);
    let words = u64::from(kind) | u64::from(number) << 32;
    call.user.write(address, &words.to_le_bytes())?;
    Ok(0)
}

fn get(call: &Call<'_>, file: &OpenFile) -> Named {
    let owner = FileSignals::known(file).and_then(|signals| signals.owner());
    let Some(owner) = owner else {
        return (F_OWNER_PID, 0);
    };
    let (kind, pid) = match &owner.recipient {
        Recipient::Process(process) => (F_OWNER_PID, process.upgrade().map(|one| one.pid)),
        Recipient::Thread(thread) => (F_OWNER_TID, thread.upgrade().map(|one| one.tid())),
        Recipient::Group(group) => (F_OWNER_PGRP, Some(*group)),
    };
    let tree = system().tree.lock();
    (kind, pid.map_or(0, |pid| tree.pids.seen(pid, call.cid()).0))
}

fn set(call: &Call<'_>, file: &Arc<OpenFile>, (kind, number): Named) -> Called {
    if ![F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP].contains(&kind) {
        return Err(Errno::EINVAL.into());
    }
    let recipient = match number {
        0 => None,
        _ => Some(find(call, kind, VPid(number))?),
    };
    let owner = recipient.map(|recipient| Owner {
        recipient,
        named_by: call.credential().clone(),
    });
    FileSignals::of(file)?.set_owner(owner);
    Ok(0)
}

fn find(call: &Call<'_>, kind: u32, number: VPid) -> Result<Recipient, Errno> {
    let tree = system().tree.lock();
    let pids = &tree.pids;
    if kind == F_OWNER_PGRP {
        let group = pids.resolve(call.credential(), number);
        return group
            .map(Recipient::Group)
            .map_err(|absent| absent.no_process());
    }
    let found = pids
        .find(call.credential(), number)
        .map_err(|absent| absent.no_process())?;
    if kind == F_OWNER_PID {
        return Ok(Recipient::Process(Arc::downgrade(&found.owner())));
    }
    let thread = found.thread().ok_or(Errno::ESRCH)?;
    Ok(Recipient::Thread(Arc::downgrade(&thread)))
}

/// F_SETSIG.
///
/// # Errors
/// EINVAL, ENOMEM.
pub(super) fn set_signal(call: &Call<'_>, file: &Arc<OpenFile>, number: u64) -> Called {
    let signal = match number as u32 {
        0 => None,
        number => Some(SignalNumber::new(u64::from(number))?),
    };
    let descriptor = call.argument(0) as i32;
    FileSignals::of(file)?.set_signal(signal.map(|signal| (signal, descriptor)));
    Ok(0)
}

/// F_GETSIG.
pub(super) fn signal(file: &OpenFile) -> u64 {
    let signal = FileSignals::known(file).and_then(|signals| signals.signal());
    signal.map_or(0, |signal| u64::from(signal.get()))
}

/// Whether the file has O_ASYNC.
pub(super) fn is_asynchronous(file: &OpenFile) -> bool {
    FileSignals::known(file).is_some_and(|signals| signals.is_asynchronous())
}

/// Sets O_ASYNC or takes it away. A file that is always ready sends nothing.
///
/// # Errors
/// ENOTTY for such a file, ENOMEM.
pub(super) fn set_asynchronous(file: &Arc<OpenFile>, asynchronous: bool) -> Result<(), Errno> {
    if is_asynchronous(file) == asynchronous {
        return Ok(());
    }
    if file.operations().seek() == Seek::Yes {
        return Err(Errno::ENOTTY);
    }
    FileSignals::of(file)?.set_asynchronous(asynchronous);
    Ok(())
}
