//! What a descriptor refers to (`man 2 open`, "open file description").

use crate::observe::{self, Events};
use crate::ownership::Ownership;
use crate::{
    FileOperations, FileSystemStatus, Inode, IoContext, IoctlArgument, Location, Metadata, Mode,
    Seek, Stretch, Whence,
};
use abi::{Cid, Errno};
use alloc::sync::{Arc, Weak};
use bitflags::bitflags;
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};
use fallible::{Map, NoMemory};
use spin::Once;
use sync::{Rank, SpinLock};
use wait::{Attempt, PollEvents, Sink, Source, Stop, Waiter};

bitflags! {
    /// What a file was opened for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Access: u8 {
        /// Reading.
        const READ = 1;
        /// Writing.
        const WRITE = 2;
    }

    /// Flags of an open file that `fcntl(F_SETFL)` can change.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct StatusFlags: u32 {
        /// Every write goes to the end (O_APPEND).
        const APPEND = 1;
        /// Operations fail rather than wait (O_NONBLOCK).
        const NONBLOCKING = 2;
    }
}

/// Who opens special files; the kernel brings one that knows its pipes and devices.
pub trait SpecialFiles: Send + Sync {
    /// Opens a fifo: joins the pipe attached to `inode` ([`Inode::attachment`]) or attaches a new one, and parks
    /// until the other end is open where `man 7 fifo` says so.
    ///
    /// # Errors
    /// ENXIO, EAGAIN.
    fn fifo(
        &self,
        cx: &IoContext<'_>,
        inode: &Arc<dyn Inode>,
        access: Access,
    ) -> Attempt<Arc<dyn FileOperations>>;

    /// Opens a character or block device node.
    ///
    /// # Errors
    /// ENXIO when there is no such device for this partition.
    fn device(
        &self,
        cx: &IoContext<'_>,
        inode: &Arc<dyn Inode>,
        access: Access,
    ) -> Attempt<Arc<dyn FileOperations>>;
}

/// Somebody who watches open files without keeping them open (`man 7 epoll`).
pub trait Watcher: Send + Sync {
    /// The last descriptor of the file is gone.
    fn closed(&self);
}

/// Who watches an open file, by number.
#[derive(Default)]
struct Watchers {
    next: u64,
    entries: Map<u64, Weak<dyn Watcher>>,
}

/// An open file: operations with a position, flags, and the name it was opened by.
pub struct OpenFile {
    operations: Arc<dyn FileOperations>,
    location: Option<Location>,
    owner: Cid,
    access: Access,
    flags: AtomicU32,
    position: SpinLock<u64>,
    watchers: SpinLock<Watchers>,
    kept: Once<Arc<dyn Any + Send + Sync>>,
    ownership: Ownership,
}

impl OpenFile {
    /// An open file of `operations`, at position 0. `location` is what `/proc/self/fd` and `openat` follow.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        operations: Arc<dyn FileOperations>,
        location: Option<Location>,
        owner: Cid,
        access: Access,
        flags: StatusFlags,
    ) -> Result<Arc<Self>, NoMemory> {
        operations.opened();
        fallible::arc(Self {
            operations,
            location,
            owner,
            access,
            flags: AtomicU32::new(flags.bits()),
            position: SpinLock::new(Rank::Position, 0),
            watchers: SpinLock::new(Rank::OpenFile, Watchers::default()),
            kept: Once::new(),
            ownership: Ownership::new(),
        })
    }

    /// What the kernel keeps as long as the file is open, made by the first who wants it.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn keep(
        &self,
        make: impl FnOnce() -> Result<Arc<dyn Any + Send + Sync>, NoMemory>,
    ) -> Result<&Arc<dyn Any + Send + Sync>, NoMemory> {
        self.kept.try_call_once(make)
    }

    /// What has been made by [`OpenFile::keep`].
    pub fn kept(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.kept.get()
    }

    /// Tells `watcher` when the file is closed; answers a number for [`OpenFile::unwatch`].
    ///
    /// # Errors
    /// ENOMEM.
    pub fn watch(&self, watcher: Weak<dyn Watcher>) -> Result<u64, Errno> {
        let mut watchers = self.watchers.lock();
        let number = watchers.next;
        watchers.entries.insert(number, watcher)?;
        watchers.next += 1;
        Ok(number)
    }

    /// Forgets a watcher.
    pub fn unwatch(&self, number: u64) {
        let _watcher = self.watchers.lock().entries.remove(&number);
    }

    /// What the file does.
    pub fn operations(&self) -> &Arc<dyn FileOperations> {
        &self.operations
    }

    /// Where the file was found; `None` for pipes and sockets.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// The partition whose process opened it.
    pub fn owner(&self) -> Cid {
        self.owner
    }

    /// What it was opened for.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Its flags.
    pub fn flags(&self) -> StatusFlags {
        StatusFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    /// Replaces its flags.
    pub fn set_flags(&self, flags: StatusFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    fn context<'a>(&self, cx: &IoContext<'a>) -> IoContext<'a> {
        IoContext {
            nonblocking: cx.nonblocking || self.flags().contains(StatusFlags::NONBLOCKING),
            ..*cx
        }
    }

    fn require(&self, access: Access) -> Result<(), Errno> {
        if self.access.contains(access) {
            Ok(())
        } else {
            Err(Errno::EBADF)
        }
    }

    /// Reads from the position and moves it.
    ///
    /// # Errors
    /// EBADF when not open for reading; see [`FileOperations::read`].
    pub fn read(&self, cx: &IoContext<'_>, sink: &mut dyn Sink) -> Attempt<usize> {
        let count = self.read_on(cx, sink)?;
        self.moved(cx, count, Events::ACCESS);
        Ok(count)
    }

    /// Tells who watches the file that bytes of it were read or written.
    pub(crate) fn moved(&self, cx: &IoContext<'_>, count: usize, events: Events) {
        if let Some(location) = self.location.as_ref().filter(|_| count > 0) {
            observe::file(location, cx.credential.cid, events);
        }
    }

    fn read_on(&self, cx: &IoContext<'_>, sink: &mut dyn Sink) -> Attempt<usize> {
        self.require(Access::READ)?;
        let cx = self.context(cx);
        if self.operations.seek() != Seek::Yes {
            return self.operations.read(&cx, 0, sink);
        }
        let mut position = self.position.lock();
        let count = self.operations.read(&cx, *position, sink)?;
        *position = position.saturating_add(count as u64);
        Ok(count)
    }

    /// Whether a write goes to the position, and moves it.
    fn writes_at_position(&self) -> bool {
        self.operations.seek() == Seek::Yes && self.operations.places_bytes()
    }

    /// Writes at the position, or at the end when opened for appending, and moves it.
    ///
    /// # Errors
    /// EBADF when not open for writing; see [`FileOperations::write`].
    pub fn write(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<usize> {
        let count = self.write_on(cx, source)?;
        self.moved(cx, count, Events::MODIFY);
        Ok(count)
    }

    fn write_on(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<usize> {
        self.require(Access::WRITE)?;
        let cx = self.context(cx);
        if !self.writes_at_position() {
            return self.operations.write(&cx, 0, source);
        }
        let mut position = self.position.lock();
        let (at, count) = if self.flags().contains(StatusFlags::APPEND) {
            self.operations.append(&cx, source)?
        } else {
            (*position, self.operations.write(&cx, *position, source)?)
        };
        *position = at.saturating_add(count as u64);
        Ok(count)
    }

    /// Writes at the end, whatever the file was opened for; the position stays unless it `moves` (`man 2 pwritev2`).
    ///
    /// # Errors
    /// As [`OpenFile::write`].
    pub fn append(
        &self,
        cx: &IoContext<'_>,
        source: &mut dyn Source,
        moves: bool,
    ) -> Attempt<usize> {
        self.require(Access::WRITE)?;
        let cx = self.context(cx);
        if !self.writes_at_position() {
            return self.write(&cx, source);
        }
        let mut position = self.position.lock();
        let (at, count) = self.operations.append(&cx, source)?;
        if moves {
            *position = at.saturating_add(count as u64);
        }
        drop(position);
        self.moved(&cx, count, Events::MODIFY);
        Ok(count)
    }

    /// Reads from `offset`; the position stays (`man 2 pread`).
    ///
    /// # Errors
    /// ESPIPE without a position, EINVAL for a negative offset, as [`OpenFile::read`].
    pub fn read_at(&self, cx: &IoContext<'_>, offset: i64, sink: &mut dyn Sink) -> Attempt<usize> {
        let offset = self.explicit(Access::READ, offset)?;
        let count = self.operations.read(&self.context(cx), offset, sink)?;
        self.moved(cx, count, Events::ACCESS);
        Ok(count)
    }

    /// Writes at `offset`; the position stays. A file opened for appending appends (`man 2 pwrite`, "BUGS").
    ///
    /// # Errors
    /// ESPIPE without a position, EINVAL for a negative offset, as [`OpenFile::write`].
    pub fn write_at(
        &self,
        cx: &IoContext<'_>,
        offset: i64,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        let offset = self.explicit(Access::WRITE, offset)?;
        let cx = self.context(cx);
        let count = if self.flags().contains(StatusFlags::APPEND) {
            self.operations.append(&cx, source)?.1
        } else {
            self.operations.write(&cx, offset, source)?
        };
        self.moved(&cx, count, Events::MODIFY);
        Ok(count)
    }

    fn explicit(&self, access: Access, offset: i64) -> Result<u64, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        self.require(access)?;
        if self.operations.seek() == Seek::No {
            return Err(Errno::ESPIPE);
        }
        Ok(offset)
    }

    /// Moves the position and answers it (`man 2 lseek`).
    ///
    /// # Errors
    /// ESPIPE, EINVAL for what would be negative, ENXIO beyond the end for `Data` and `Hole`, EOVERFLOW.
    pub fn seek(&self, cx: &IoContext<'_>, offset: i64, whence: Whence) -> Attempt<u64> {
        match self.operations.seek() {
            Seek::No => return Err(Errno::ESPIPE.into()),
            Seek::Ignored => return Ok(0),
            Seek::Yes => {}
        }
        let mut position = self.position.lock();
        let base = match whence {
            Whence::Set => 0,
            Whence::Current => *position,
            Whence::End => self.operations.size(cx)?,
            Whence::Data | Whence::Hole => {
                let size = self.operations.size(cx)?;
                let start = u64::try_from(offset)
                    .ok()
                    .filter(|&start| start < size)
                    .ok_or(Errno::ENXIO)?;
                let of = if whence == Whence::Data {
                    Stretch::Data
                } else {
                    Stretch::Hole
                };
                let found = self.operations.next_stretch(cx, start, of)?;
                *position = found.ok_or(Errno::ENXIO)?;
                return Ok(*position);
            }
        };
        let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
        let target = base.checked_add(offset).ok_or(Errno::EOVERFLOW)?;
        *position = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
        Ok(*position)
    }

    /// Readiness; see [`FileOperations::poll`].
    pub fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        self.operations.poll(wanted, waiter)
    }

    /// A device request; see [`FileOperations::ioctl`].
    ///
    /// # Errors
    /// ENOTTY and whatever the object says.
    pub fn ioctl(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        self.operations.ioctl(&self.context(cx), request, argument)
    }

    /// What `fstat` tells.
    ///
    /// # Errors
    /// As [`Inode::metadata`]; EBADF when neither inode nor object tells.
    pub fn metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata> {
        if let Some(metadata) = self.operations.metadata() {
            return Ok(self.ownership.over(metadata));
        }
        match &self.location {
            Some(location) => location.inode().metadata(cx),
            None => Err(Stop::Error(Errno::EBADF)),
        }
    }

    /// Changes the mode of what has no name.
    ///
    /// # Errors
    /// EPERM for who is not the owner.
    pub fn change_mode(&self, cx: &IoContext<'_>, mode: Mode) -> Attempt<()> {
        let now = self.metadata(cx)?;
        Ok(self.ownership.change_mode(cx.credential, &now, mode)?)
    }

    /// Changes the owner and the group of what has no name; `None` leaves one as it is.
    ///
    /// # Errors
    /// EPERM.
    pub fn change_owner(
        &self,
        cx: &IoContext<'_>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Attempt<()> {
        let now = self.metadata(cx)?;
        Ok(self.ownership.change_owner(cx.credential, &now, uid, gid)?)
    }

    /// What `fstatfs` tells.
    ///
    /// # Errors
    /// ENOSYS when neither inode nor object tells.
    pub fn file_system(&self) -> Result<FileSystemStatus, Errno> {
        let own = self.operations.file_system();
        own.or_else(|| {
            self.location
                .as_ref()
                .map(|location| location.inode().file_system())
        })
        .ok_or(Errno::ENOSYS)
    }

    /// Sets the size of a file that is open for writing (`man 2 ftruncate`).
    ///
    /// # Errors
    /// EINVAL when not open for writing or not a regular file; as [`Inode::change`].
    pub fn truncate(&self, cx: &IoContext<'_>, size: u64) -> Attempt<()> {
        let regular = self
            .location
            .as_ref()
            .filter(|at| at.inode().kind() == crate::FileKind::Regular);
        let location = regular
            .filter(|_| self.access.contains(Access::WRITE))
            .ok_or(Errno::EINVAL)?;
        crate::inode_file::withdraw_capabilities(&**location.inode());
        location.inode().change(
            cx,
            &crate::Change {
                size: Some(size),
                ..Default::default()
            },
        )?;
        observe::file(location, cx.credential.cid, Events::MODIFY);
        Ok(())
    }

    /// Runs `act` with the position of a directory iteration and stores what it leaves there on success. The lock is
    /// not held over it, for a directory may be generated; of two threads that read one at once, the later one counts.
    pub(crate) fn with_position<T>(&self, act: impl FnOnce(&mut u64) -> Attempt<T>) -> Attempt<T> {
        let mut moved = *self.position.lock();
        let answer = act(&mut moved)?;
        *self.position.lock() = moved;
        Ok(answer)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let watchers = core::mem::take(&mut self.watchers.get_mut().entries);
        if !watchers.is_empty() {
            let watchers = watchers.into_iter().map(|(_, watcher)| watcher);
            remains::for_each(watchers, |watcher| {
                if let Some(watcher) = watcher.upgrade() {
                    watcher.closed();
                }
            });
        }
        self.operations.released();
        let opened = self.location.as_ref().filter(|_| !self.access.is_empty());
        if let Some(location) = opened {
            let events = if self.access.contains(Access::WRITE) {
                Events::CLOSE_WRITE
            } else {
                Events::CLOSE_NOWRITE
            };
            observe::file(location, self.owner, events);
        }
    }
}

impl core::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OpenFile")
            .field("owner", &self.owner)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
