//! POSIX message queues (`man 7 mq_overview`). Their names are the partition's; the C library takes the slash in front away.

use super::Call;
use super::clock::read_timespec;
use super::descriptor::{install, opened, require_room};
use super::directory;
use crate::outcome::{Called, Outcome};
use crate::process::Process;
use crate::signals::{self, Origin};
use crate::special;
use crate::system::system;
use abi::linux::{
    Detail, MqAttr, O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY, OpenFlags, Resource, SI_MESGQ,
    SIGEV_NONE, SIGEV_SIGNAL, SigInfo, Sigevent, SignalNumber,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Ticks};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use ipc::{Capacity, MessageQueue, Opening};
use security::Mode as Wanted;
use vfs::{Access, Metadata, Mode, OpenFile, StatusFlags};
use wait::{MayWait, Stop};

/// Who is told of a message, and how.
pub struct Notice {
    process: Weak<Process>,
    /// The signal, and what comes with it; `None`: nothing is sent.
    signal: Option<(SignalNumber, u64)>,
}

/// A queue with the kernel's way to tell of messages.
type Queue = MessageQueue<Notice>;

/// `man 2 mq_open`.
///
/// # Errors
/// EINVAL for attributes that cannot be, EACCES, EEXIST, ENOENT, ENAMETOOLONG, ENOSPC, EFAULT; EMFILE, also beyond
/// RLIMIT_MSGQUEUE.
pub fn mq_open(call: &mut Call<'_>) -> Called {
    let bits = call.argument(1) as u32;
    let flags = OpenFlags::from_bits_retain(bits);
    let name = call.path(0)?;
    let creates = flags.contains(OpenFlags::CREAT);
    let create = match (creates, call.argument(3)) {
        (false, _) => None,
        (true, 0) => Some(Capacity::ORDINARY),
        (true, address) => Some(capacity(call, address)?),
    };
    let (access, wanted) = match bits & O_ACCMODE {
        O_RDONLY => (Access::READ, Wanted::READ),
        O_WRONLY => (Access::WRITE, Wanted::WRITE),
        O_RDWR => (
            Access::READ | Access::WRITE,
            Wanted(Wanted::READ.0 | Wanted::WRITE.0),
        ),
        _ => return Err(Errno::EINVAL.into()),
    };
    require_room(call)?;
    let opening = Opening {
        credential: call.credential(),
        access: wanted,
        create,
        exclusive: flags.contains(OpenFlags::EXCL),
        limit: call.process().limit(Resource::MessageQueues),
    };
    let mode = Mode::new(directory::masked(call, 2)?.bits() & 0o777);
    let environment = call.process().environment();
    let queue = environment
        .message_queues
        .open(&name, &opening, || Metadata {
            mode,
            ..special::event_metadata(call.credential())
        })?;
    let mut status = StatusFlags::empty();
    status.set(
        StatusFlags::NONBLOCKING,
        flags.contains(OpenFlags::NONBLOCK),
    );
    install(
        call,
        OpenFile::new(queue, None, call.cid(), access, status)?,
        true,
    )
}

fn capacity(call: &Call<'_>, address: u64) -> Result<Capacity, Errno> {
    let given = MqAttr::decode(&call.user.bytes::<{ MqAttr::SIZE }>(address)?);
    let number = |value: i64| usize::try_from(value).map_err(|_| Errno::EINVAL);
    Ok(Capacity {
        messages: number(given.maxmsg)?,
        size: number(given.msgsize)?,
    })
}

/// `man 2 mq_unlink`.
///
/// # Errors
/// ENOENT, EPERM (which the C library tells as EACCES), ENAMETOOLONG, EFAULT.
pub fn mq_unlink(call: &mut Call<'_>) -> Called {
    let name = call.path(0)?;
    let environment = call.process().environment();
    environment
        .message_queues
        .unlink(call.credential(), &name)?;
    Ok(0)
}

fn queue_of(file: &OpenFile) -> Result<&Queue, Errno> {
    let operations: &dyn Any = &**file.operations();
    operations.downcast_ref().ok_or(Errno::EBADF)
}

/// The queue of the descriptor, open for `access`.
fn queue_for(call: &Call<'_>, access: Access) -> Result<Arc<OpenFile>, Errno> {
    let file = opened(call, 0)?;
    queue_of(&file)?;
    if file.access().contains(access) {
        Ok(file)
    } else {
        Err(Errno::EBADF)
    }
}

/// When a call is late, of the address of a point of time on the wall clock; 0 for never.
fn deadline(call: &Call<'_>) -> Result<Option<Ticks>, Errno> {
    let address = call.argument(4);
    if address == 0 {
        return Ok(None);
    }
    let at = read_timespec(call, address)?.nanos()?;
    let now = arch::time::now();
    let span = at.saturating_sub(system().wall_clock(now));
    Ok(call.deadline(Some(system().timebase.ticks(span))))
}

/// Who waits, or why nobody does.
fn waiting<'a>(
    call: &'a Call<'_>,
    file: &OpenFile,
    until: Option<Ticks>,
) -> Result<&'a dyn MayWait, Errno> {
    if file.flags().contains(StatusFlags::NONBLOCKING) {
        return Err(Errno::EAGAIN);
    }
    if until.is_some_and(|until| until <= arch::time::now()) {
        return Err(Errno::ETIMEDOUT);
    }
    Ok(call)
}

fn stopped(call: &mut Call<'_>, stop: Stop, until: Option<Ticks>) -> Outcome {
    match stop {
        Stop::Park => call.wait_until(until).err().unwrap_or(Outcome::Again),
        stop => stop.into(),
    }
}

/// `man 2 mq_timedsend`.
///
/// # Errors
/// EBADF, EMSGSIZE, EINVAL, EAGAIN, ETIMEDOUT, EFAULT, ENOMEM.
pub fn mq_timedsend(call: &mut Call<'_>) -> Called {
    let until = deadline(call)?;
    let file = queue_for(call, Access::WRITE)?;
    let queue = queue_of(&file)?;
    let length = usize::try_from(call.argument(2)).unwrap_or(usize::MAX);
    if length > queue.capacity().size {
        return Err(Errno::EMSGSIZE.into());
    }
    let mut text = Vec::new();
    text.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    text.resize(length, 0);
    call.user.read(call.argument(1), &mut text)?;
    let priority = call.argument(3) as u32;
    let sent = queue.send(priority, &text, waiting(call, &file, until));
    match sent {
        Ok(Some(notice)) => tell(call, &notice),
        Ok(None) => {}
        Err(stop) => return Err(stopped(call, stop, until)),
    }
    Ok(0)
}

/// Tells of a message that has come to an empty queue.
fn tell(call: &Call<'_>, notice: &Notice) {
    let (Some(process), Some((signal, value))) = (notice.process.upgrade(), notice.signal) else {
        return;
    };
    let info = SigInfo {
        signal,
        errno: 0,
        code: SI_MESGQ,
        detail: Detail::Sender {
            pid: call.process().virtual_pid().0,
            uid: call.credential().identity.uid,
            value,
        },
    };
    // The queue of a real-time signal may be full: then nobody is told, as on Linux.
    signals::send(&process, None, info, Origin::Inside).ok();
}

/// `man 2 mq_timedreceive`.
///
/// # Errors
/// EBADF, EMSGSIZE, EINVAL, EAGAIN, ETIMEDOUT, EFAULT.
pub fn mq_timedreceive(call: &mut Call<'_>) -> Called {
    let until = deadline(call)?;
    let file = queue_for(call, Access::READ)?;
    let queue = queue_of(&file)?;
    let (address, priority) = (call.argument(1), call.argument(3));
    let room = usize::try_from(call.argument(2)).unwrap_or(usize::MAX);
    let received = queue.receive(room, waiting(call, &file, until), |of, text| {
        if priority != 0 {
            call.user.write(priority, &of.to_le_bytes())?;
        }
        Ok(call.user.write(address, text)?)
    });
    match received {
        Ok(length) => Ok(length as u64),
        Err(stop) => Err(stopped(call, stop, until)),
    }
}

/// `man 2 mq_notify`. What a thread is started by needs sockets of another family: EINVAL. Signal 0 is no signal.
///
/// # Errors
/// EBADF, EINVAL, EBUSY, EFAULT.
pub fn mq_notify(call: &mut Call<'_>) -> Called {
    let address = call.argument(1);
    let file = opened(call, 0)?;
    let queue = queue_of(&file)?;
    let process = call.process();
    if address == 0 {
        queue.forget(process.serial);
        return Ok(0);
    }
    let event = Sigevent::decode(&call.user.bytes::<{ Sigevent::SIZE }>(address)?);
    let signal = match event.notify {
        SIGEV_NONE => None,
        SIGEV_SIGNAL => {
            let number = u64::try_from(event.signo).map_err(|_| Errno::EINVAL)?;
            match number {
                0 => None,
                _ => {
                    let signal = SignalNumber::new(number).map_err(|_| Errno::EINVAL)?;
                    Some((signal, event.value))
                }
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let notice = Notice {
        process: Arc::downgrade(process),
        signal,
    };
    let there = |notice: &Notice| {
        let process = notice.process.upgrade();
        process.is_some_and(|process| !process.has_ended())
    };
    queue.notify(process.serial, notice, there)?;
    Ok(0)
}

/// `man 2 mq_getsetattr`.
///
/// # Errors
/// EBADF, EINVAL for a flag but O_NONBLOCK, EFAULT.
pub fn mq_getsetattr(call: &mut Call<'_>) -> Called {
    let (new, old) = (call.argument(1), call.argument(2));
    let file = opened(call, 0)?;
    let queue = queue_of(&file)?;
    let nonblocking = i64::from(OpenFlags::NONBLOCK.bits());
    let given = match new {
        0 => None,
        address => {
            let given = MqAttr::decode(&call.user.bytes::<{ MqAttr::SIZE }>(address)?);
            if given.flags & !nonblocking != 0 {
                return Err(Errno::EINVAL.into());
            }
            Some(given.flags != 0)
        }
    };
    if old != 0 {
        let now = file.flags().contains(StatusFlags::NONBLOCKING);
        let told = MqAttr {
            flags: if now { nonblocking } else { 0 },
            maxmsg: queue.capacity().messages as i64,
            msgsize: queue.capacity().size as i64,
            curmsgs: queue.len() as i64,
        };
        let segment = crate::user::Segment {
            address: old,
            length: MqAttr::SIZE,
        };
        call.user.gather(segment, MemoryAccess::Write)?;
        call.user.write(old, &told.encode())?;
    }
    if let Some(set) = given {
        let mut flags = file.flags();
        flags.set(StatusFlags::NONBLOCKING, set);
        file.set_flags(flags);
    }
    Ok(0)
}

/// A descriptor of a queue has been closed: its process is not told of messages any more.
pub(super) fn closed(call: &Call<'_>, file: &OpenFile) {
    if let Ok(queue) = queue_of(file) {
        queue.forget(call.process().serial);
    }
}
