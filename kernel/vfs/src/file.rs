//! What an open file does.

use crate::{DirectoryEntry, FileSystemStatus, Flow, Metadata};
use abi::Errno;
use alloc::sync::Arc;
use core::any::Any;
use security::Credential;
use wait::{Attempt, MayWait, PollEvents, Sink, Source, Stop, Waiter};

/// Who performs an operation, and how it may wait.
#[derive(Clone, Copy)]
pub struct IoContext<'a> {
    /// On whose behalf; storage is charged to its partition.
    pub credential: &'a Credential,
    /// Who is enrolled when the operation has to wait.
    pub caller: &'a dyn MayWait,
    /// Fail with EAGAIN rather than wait (O_NONBLOCK).
    pub nonblocking: bool,
}

impl<'a> IoContext<'a> {
    /// The waiter that is enrolled.
    #[must_use]
    pub fn waiter(&self) -> &'a Waiter {
        self.caller.waiter()
    }

    /// What an operation answers that would have to wait for data: EAGAIN for a non-blocking one; otherwise
    /// `enrol` puts the waiter in a queue and the operation parks. The caller holds the condition's lock.
    pub fn wait<T>(&self, enrol: impl FnOnce(&Waiter)) -> Attempt<T> {
        if self.nonblocking {
            return Err(Stop::Error(Errno::EAGAIN));
        }
        enrol(self.waiter());
        Err(Stop::Park)
    }
}

/// How a file's position behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// There is none: lseek, pread and pwrite fail with ESPIPE (pipes, terminals, sockets).
    No,
    /// There is one.
    Yes,
    /// lseek succeeds and stays at 0 (`/dev/null` and its like).
    Ignored,
}

/// From where lseek counts (`man 2 lseek`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// The start.
    Set,
    /// The present position.
    Current,
    /// The end.
    End,
    /// The next data from there on.
    Data,
    /// The next hole from there on.
    Hole,
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// One that may hold anything.
    Data,
    /// One that reads as zeros and has no memory.
    Hole,
}

impl Stretch {
    /// Where one begins, from `from` on, in a file without holes that ends at `end`.
    pub(crate) fn of_solid(
        self,
        from: u64,
        end: impl FnOnce() -> Attempt<u64>,
    ) -> Attempt<Option<u64>> {
        match self {
            Self::Data => Ok(Some(from)),
            Self::Hole => end().map(Some),
        }
    }
}

/// The argument of an ioctl: a value, which may be the address of a structure.
pub trait IoctlArgument {
    /// The register as it is, for requests that take a number.
    fn value(&self) -> u64;

    /// Reads the structure at the address.
    ///
    /// # Errors
    /// EFAULT, [`Stop::Again`].
    fn get(&mut self, buffer: &mut [u8]) -> Attempt<()>;

    /// Writes the structure at the address; the last thing an operation does.
    ///
    /// # Errors
    /// EFAULT, [`Stop::Again`].
    fn put(&mut self, bytes: &[u8]) -> Attempt<()>;

    /// Answers a request for a number of bytes, as FIONREAD and SIOCOUTQ are: an `int`, and success.
    ///
    /// # Errors
    /// EFAULT, [`Stop::Again`].
    fn put_length(&mut self, bytes: usize) -> Attempt<i64> {
        let length = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.put(&length.to_le_bytes())?;
        Ok(0)
    }
}

/// The behaviour of an open file: implemented by inodes' default, pipes, terminals, devices, sockets.
///
/// One value may stand behind several [`crate::OpenFile`]s. Every method may be called by several CPUs at once;
/// for a seekable file the position's lock orders those of one open file.
#[expect(
    unused_variables,
    reason = "a default looks at nothing; its parameters have names for those who implement it"
)]
pub trait FileOperations: Any + Send + Sync {
    /// Puts bytes from `position` on into `sink`; answers how many, 0 at the end of the file.
    ///
    /// Nothing is consumed unless the answer is `Ok`. Called only when the file is open for reading.
    ///
    /// # Errors
    /// EINVAL when the object cannot be read, EAGAIN, EIO, what the sink says.
    fn read(&self, cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        Err(Errno::EINVAL.into())
    }

    /// Stores the bytes of `source` from `position` on; answers how many.
    ///
    /// Called only when the file is open for writing. A stream that can take a part answers the part.
    ///
    /// # Errors
    /// EINVAL when the object cannot be written, EAGAIN, EPIPE, ENOSPC, EFBIG, what the source says.
    fn write(&self, cx: &IoContext<'_>, position: u64, source: &mut dyn Source) -> Attempt<usize> {
        Err(Errno::EINVAL.into())
    }

    /// Stores the bytes of `source` at the end, wherever that is at that moment; answers where that was and how
    /// many. Streams need not implement it.
    ///
    /// # Errors
    /// As [`FileOperations::write`].
    fn append(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<(u64, usize)> {
        self.write(cx, 0, source).map(|count| (0, count))
    }

    /// What of `wanted` (and of [`PollEvents::ALWAYS`]) the file is ready for at this moment.
    ///
    /// With a waiter, and nothing of that true, enrols it under the lock of the condition so that any later
    /// change wakes it; one that wants to know of changes ([`PollEvents::to_enrol`]) is enrolled in any case. The default
    /// is that of a regular file: always ready.
    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        wanted & (PollEvents::READABLE | PollEvents::WRITABLE)
    }

    /// Whether readiness comes and goes, so that there is something to watch (`man 2 epoll_ctl`, EPERM).
    fn is_pollable(&self) -> bool {
        self.seek() == Seek::No
    }

    /// A device's own requests (`man 2 ioctl`).
    ///
    /// # Errors
    /// ENOTTY for a request that the object does not know.
    fn ioctl(
        &self,
        cx: &IoContext<'_>,
        request: u32,
        argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        Err(Errno::ENOTTY.into())
    }

    /// Whether and how the file has a position.
    fn seek(&self) -> Seek {
        Seek::No
    }

    /// Whether what is written goes to a place in the file. Where it is an order instead, the position stays, and its lock is
    /// not held while the order is carried out.
    fn places_bytes(&self) -> bool {
        true
    }

    /// Whether the file moves values of its own size, such as counts: a call is then one operation, however many bytes
    /// it has room for, none included, and is never continued with the rest.
    fn moves_values(&self) -> bool {
        false
    }

    /// How often something urgent has come, which the owner is told of with SIGURG (`man 7 socket`); `None` for a kind to which
    /// nothing urgent comes.
    fn urgents(&self) -> Option<u64> {
        None
    }

    /// The size in bytes that SEEK_END counts from.
    ///
    /// # Errors
    /// EINVAL when there is no end.
    fn size(&self, cx: &IoContext<'_>) -> Attempt<u64> {
        Err(Errno::EINVAL.into())
    }

    /// Where data or a hole begins (`man 2 lseek`, SEEK_DATA, SEEK_HOLE), at `from`, which lies before the end, or behind it;
    /// the end is a hole. `None`: no data comes any more. Holes may be told as data.
    ///
    /// # Errors
    /// As [`FileOperations::size`].
    fn next_stretch(&self, cx: &IoContext<'_>, from: u64, of: Stretch) -> Attempt<Option<u64>> {
        of.of_solid(from, || self.size(cx))
    }

    /// What `fstat` tells of an object that has no name; `None` when the file's inode tells.
    fn metadata(&self) -> Option<Metadata> {
        None
    }

    /// What `fstatfs` tells of an object that has no name.
    fn file_system(&self) -> Option<FileSystemStatus> {
        None
    }

    /// The names of a directory from `cookie` on; see [`crate::Inode::entries`].
    ///
    /// # Errors
    /// ENOTDIR when it is not a directory.
    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        Err(Errno::ENOTDIR.into())
    }

    /// The pages of a file that can be mapped into an address space; `None`: mmap fails with ENODEV.
    fn pages(&self) -> Option<Arc<dyn memory::PageSource>> {
        None
    }

    /// Notes that a program has mapped it, which is an access to the file (`man 2 mmap`, "Timestamps changes for file-backed
    /// mappings").
    fn note_mapping(&self) {}

    /// As [`FileOperations::pages`], for a shared mapping that may change them.
    ///
    /// # Errors
    /// EPERM when a seal forbids it.
    fn pages_for_writing(&self) -> Result<Option<Arc<dyn memory::PageSource>>, Errno> {
        Ok(self.pages())
    }

    /// An [`crate::OpenFile`] of these operations has been made (open, pipe, accept).
    fn opened(&self) {}

    /// The last descriptor of one [`crate::OpenFile`] is gone: one call for every [`FileOperations::opened`].
    fn released(&self) {}
}
