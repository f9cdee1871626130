//! What opening and mounting need of the kernel: fifos, device nodes outside of `/dev`, pipes, file systems by kind.

use crate::environment::Environment;
use crate::mounts;
use abi::Errno;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use ipc::Pipe;
use security::Credential;
use vfs::{
    Access, Change, DeviceNumber, FileKind, FileOperations, FileSystem, Inode, InodeId, IoContext,
    Metadata, Mode, OpenFile, SpecialFiles,
};
use wait::{Attempt, Sleeper, SliceSource, Stop, Waiter};

/// The file system that pipes are in, by the device number that `fstat` shows. File systems that can be mounted
/// count up from 1.
const PIPES: DeviceNumber = DeviceNumber::new(0, 0xf_ffff);
/// The device of files that stand for events.
const EVENTS: DeviceNumber = DeviceNumber::new(0, 0xf_fffe);

/// Opens fifos and devices for [`vfs::Walk`].
pub struct KernelFiles;

/// The one instance.
pub static KERNEL_FILES: KernelFiles = KernelFiles;

impl SpecialFiles for KernelFiles {
    fn fifo(
        &self,
        cx: &IoContext<'_>,
        inode: &Arc<dyn Inode>,
        access: Access,
    ) -> Attempt<Arc<dyn FileOperations>> {
        let attachment = inode.attachment().ok_or(Errno::ENXIO)?;
        let pipe = attachment.get_or_attach(Pipe::new)?.ok_or(Errno::ENXIO)?;
        Ok(pipe.open_fifo(cx, access)?)
    }

    /// Opens the device that a node in any file system means: all of them in Global, in a partition those that are
    /// exported to partitions.
    fn device(
        &self,
        cx: &IoContext<'_>,
        inode: &Arc<dyn Inode>,
        access: Access,
    ) -> Attempt<Arc<dyn FileOperations>> {
        if inode.kind() != FileKind::Character {
            return Err(Errno::ENXIO.into());
        }
        let number = inode.metadata(cx)?.device;
        let exported = !cx.credential.cid.is_global();
        let device = mounts::devices()
            .by_device_number(number, exported)
            .ok_or(Errno::ENXIO)?;
        device.open(cx, access)
    }
}

/// What `fstat` tells of a new pipe.
pub fn pipe_metadata(credential: &Credential) -> Metadata {
    nameless(credential, PIPES, FileKind::Fifo)
}

/// What `fstat` tells of a new file that stands for events. Linux gives it no kind at all; here it is a regular one.
pub fn event_metadata(credential: &Credential) -> Metadata {
    nameless(credential, EVENTS, FileKind::Regular)
}

/// What `fstat` tells of a new object that has no name.
fn nameless(credential: &Credential, device: DeviceNumber, kind: FileKind) -> Metadata {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = InodeId {
        device,
        number: NEXT.fetch_add(1, Ordering::Relaxed),
    };
    Metadata {
        mode: Mode::new(0o600),
        uid: credential.identity.fsuid,
        gid: credential.identity.fsgid,
        ..Metadata::new(id, credential.cid, kind, mounts::now())
    }
}

/// A new file system to mount: `proc`, `sysfs`, `devtmpfs`, `devpts`, `tmpfs` or `ramfs`. `options` is the last argument of `mount`.
///
/// # Errors
/// ENODEV for another kind; EINVAL for an option that is not known; ENOMEM, ENOSPC.
pub fn file_system(
    environment: &Environment,
    io: &IoContext<'_>,
    kind: &[u8],
    source: &[u8],
    options: &[u8],
) -> Attempt<FileSystem> {
    let cid = environment.cid();
    match kind {
        b"proc" => Ok(mounts::procfs(cid, &environment.mounts)?),
        b"sysfs" => Ok(mounts::sysfs()?),
        b"devtmpfs" => Ok(mounts::devfs(cid, None)?),
        b"devpts" => Ok(mounts::devpts(&environment.ptys)?),
        b"tmpfs" => in_memory(io, "tmpfs", source, Mode::new(0o1777), options),
        b"ramfs" => in_memory(io, "ramfs", source, Mode::new(0o755), options),
        _ => Err(Errno::ENODEV.into()),
    }
}

/// A file system in memory, with the attributes of its root: `mode=` (octal), `uid=`, `gid=` (`man 5 tmpfs`).
fn in_memory(
    io: &IoContext<'_>,
    kind: &'static str,
    source: &[u8],
    mode: Mode,
    options: &[u8],
) -> Attempt<FileSystem> {
    let mut root = Change {
        mode: Some(mode),
        ..Change::default()
    };
    for option in options
        .split(|byte| *byte == b',')
        .filter(|option| !option.is_empty())
    {
        let option = core::str::from_utf8(option).map_err(|_| Errno::EINVAL)?;
        let number = |text: &str, radix| {
            u32::from_str_radix(text, radix).map_err(|_| Stop::Error(Errno::EINVAL))
        };
        match option.split_once('=') {
            Some(("mode", mode)) => root.mode = Some(Mode::new(number(mode, 8)?)),
            Some(("uid", uid)) => root.uid = Some(number(uid, 10)?),
            Some(("gid", gid)) => root.gid = Some(number(gid, 10)?),
            _ => return Err(Errno::EINVAL.into()),
        }
    }
    let files = mounts::new_ramfs(io.credential.cid)?;
    files.root().change(io, &root)?;
    let source = fallible::string_lossy(source)?;
    Ok(FileSystem::new(files.root(), kind, &source)?)
}

/// Nobody: the waiter of an operation that does not wait.
struct Nobody;

impl Sleeper for Nobody {
    fn wake(&self, _ticket: wait::Ticket, _completion: Option<i64>) -> bool {
        false
    }

    fn linked(&self, _ticket: wait::Ticket, link: wait::Link) -> Option<wait::Link> {
        Some(link)
    }
}

/// Carries out an operation of the kernel that is not on behalf of a thread and cannot wait.
///
/// # Errors
/// What `act` says; EAGAIN when it would have to wait.
pub fn at_once<T>(
    credential: &Credential,
    act: impl FnOnce(&IoContext<'_>) -> Attempt<T>,
) -> Result<T, Errno> {
    let waiter = Waiter::new(fallible::arc(Nobody)?, wait::Ticket(0));
    let io = IoContext {
        credential,
        caller: &waiter,
        nonblocking: true,
    };
    act(&io).map_err(|stop| match stop {
        Stop::Error(errno) => errno,
        Stop::Park | Stop::Again => Errno::EAGAIN,
    })
}

/// Adds one to a counter of events; a counter that is full stays so.
pub fn count_event(credential: &Credential, events: &OpenFile) {
    let count = |io: &IoContext<'_>| events.write(io, &mut SliceSource::new(&1u64.to_le_bytes()));
    at_once(credential, count).ok();
}
