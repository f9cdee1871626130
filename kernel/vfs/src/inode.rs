//! What a file system implements.

use crate::{
    AttributeStore, Change, DeviceNumber, FileKind, FileOperations, FileSystemStatus, InodeId,
    IoContext, Location, Metadata, Mode, Stretch,
};
use abi::{Cid, Errno};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::any::Any;
use core::ops::Range;
use fallible::NoMemory;
use sync::{Rank, SpinLock};
use wait::{Attempt, Sink, Source};

bitflags! {
    /// How to rename (`man 2 renameat2`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RenameFlags: u32 {
        /// Fail with EEXIST when the new name is taken.
        const NO_REPLACE = 1;
        /// Both names exist and change places.
        const EXCHANGE = 2;
    }
}

bitflags! {
    /// What can no longer be done to a file (`man 2 fcntl`, F_ADD_SEALS; the numbers are Linux's).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Seals: u32 {
        /// Seals cannot be added.
        const SEAL = 1;
        /// It cannot become shorter.
        const SHRINK = 2;
        /// It cannot become longer.
        const GROW = 4;
        /// It cannot be written to.
        const WRITE = 8;
        /// It cannot be written to but through mappings that are there.
        const FUTURE_WRITE = 16;
        /// It cannot become a program, or cease to be one.
        const EXECUTE = 32;
    }
}

/// Whether an iteration goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The item was taken; give the next.
    Continue,
    /// The item was not taken; stop before it.
    Stop,
}

/// Where a symbolic link leads.
#[derive(Clone, Debug)]
pub enum Link {
    /// To the path that [`Inode::read_link`] tells: every ordinary link.
    Path,
    /// To a location, whatever its path (`/proc/PID/{cwd,root,exe,fd/N}`). A walk refuses one outside of its root.
    To(Location),
    /// To an object without a name (a pipe behind `/proc/PID/fd/N`): the walk stays at the link, and opening it
    /// opens the object ([`Inode::open`]).
    Opaque,
}

/// One name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The inode's number.
    pub number: u64,
    /// What kind of object it names.
    pub kind: FileKind,
    /// Where the iteration goes on after this name (`d_off`).
    pub next: u64,
}

/// What to make under a new name.
#[derive(Clone, Copy, Debug)]
pub struct NewNode<'a> {
    /// What it is.
    pub content: NodeContent<'a>,
    /// Permission bits, the caller's umask applied.
    pub mode: Mode,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
}

/// What kind of node, with what is fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeContent<'a> {
    /// An empty file.
    Regular,
    /// An empty directory.
    Directory,
    /// A symbolic link to a path of 1 to 4095 bytes.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A named endpoint of communication.
    Socket,
    /// A device of bytes.
    Character(DeviceNumber),
    /// A device of blocks.
    Block(DeviceNumber),
}

impl NodeContent<'_> {
    /// The kind of the node.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        match self {
            NodeContent::Regular => FileKind::Regular,
            NodeContent::Directory => FileKind::Directory,
            NodeContent::Symlink(_) => FileKind::Symlink,
            NodeContent::Fifo => FileKind::Fifo,
            NodeContent::Socket => FileKind::Socket,
            NodeContent::Character(_) => FileKind::Character,
            NodeContent::Block(_) => FileKind::Block,
        }
    }
}

/// The object behind a special file (the pipe of a fifo), made when the file is first opened.
///
/// It is kept as long as the inode: those who wait for the other end of a fifo have nothing but a place in a queue
/// of its pipe.
pub struct Attachment(SpinLock<Option<Arc<dyn Any + Send + Sync>>>);

impl Default for Attachment {
    fn default() -> Self {
        Self(SpinLock::new(Rank::Place, None))
    }
}

impl Attachment {
    /// The object that is attached, or a new one from `make`; `None` when one of another type is attached.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn get_or_attach<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Result<Option<Arc<T>>, NoMemory> {
        let mut attached = self.0.lock();
        let attached = match &*attached {
            Some(present) => present.clone(),
            None => attached.insert(fallible::arc(make())?).clone(),
        };
        Ok(attached.downcast().ok())
    }
}

/// What [`Inode::allocate`] does to a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Its holes get memory, and the file reaches to its end at least.
    Extend,
    /// Its holes get memory; the file keeps its size.
    Reserve,
    /// It becomes a hole; the file keeps its size.
    Punch,
}

/// A file of any kind, as its file system keeps it.
///
/// File systems check no permissions: [`crate::Walk`] has done so. They do check what keeps the tree whole: that
/// a name is free (EEXIST), a directory is empty (ENOTEMPTY), alive (ENOENT) and the right kind is there
/// (ENOTDIR, EISDIR). Every operation is atomic, and an operation that parks has changed nothing.
///
/// The methods of a directory that look up or change names are called with the lock of its names held
/// ([`Rank::Directory`]), unless the names are [generated](Inode::is_generated). The defaults are those of a file to
/// which the operation does not apply.
///
/// [`Rank::Directory`]: sync::Rank::Directory
#[expect(
    unused_variables,
    reason = "a default looks at nothing; its parameters have names for those who implement it"
)]
pub trait Inode: Any + Send + Sync {
    /// Which file this is.
    fn id(&self) -> InodeId;

    /// What kind of object it is; never changes.
    fn kind(&self) -> FileKind;

    /// Whether the names in a directory come from elsewhere in the kernel (processes, descriptors) and cannot be made
    /// or taken away by names. Such a directory is called without a lock held, so it may take locks of any rank.
    fn is_generated(&self) -> bool {
        false
    }

    /// The partition that the file belongs to and is charged to.
    fn owner(&self) -> Cid;

    /// What `stat` tells.
    ///
    /// # Errors
    /// ENOENT or ESRCH when what it describes is gone.
    fn metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata>;

    /// What `stat` tells of the object that an [opaque](Link::Opaque) link leads to; of the file itself otherwise.
    ///
    /// # Errors
    /// As [`Inode::metadata`].
    fn target_metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata> {
        self.metadata(cx)
    }

    /// Changes metadata and the time of change.
    ///
    /// # Errors
    /// EPERM when the file system fixes it, ENOSPC, EFBIG, EISDIR and EINVAL for a size that cannot be.
    fn change(&self, cx: &IoContext<'_>, change: &Change) -> Attempt<()> {
        Err(Errno::EPERM.into())
    }

    /// The inode under a name; never `.` or `..`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    fn lookup(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<dyn Inode>> {
        Err(Errno::ENOTDIR.into())
    }

    /// Makes a node under a new name.
    ///
    /// # Errors
    /// EEXIST, ENOENT when the directory has been removed, ENOSPC, ENOMEM, EPERM.
    fn create(
        &self,
        cx: &IoContext<'_>,
        name: &[u8],
        node: &NewNode<'_>,
    ) -> Attempt<Arc<dyn Inode>> {
        Err(Errno::EPERM.into())
    }

    /// Makes a regular file that has no name, which [`Inode::link`] can give it when it is `linkable`.
    ///
    /// # Errors
    /// ENOENT when the directory has been removed, ENOSPC, ENOMEM; EOPNOTSUPP where there are no such files.
    fn create_nameless(
        &self,
        cx: &IoContext<'_>,
        node: &NewNode<'_>,
        linkable: bool,
    ) -> Attempt<Arc<dyn Inode>> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Gives a file of this file system one more name. It is not a directory.
    ///
    /// # Errors
    /// EEXIST, EMLINK, ENOENT when either has been removed, EXDEV, EPERM.
    fn link(&self, cx: &IoContext<'_>, name: &[u8], target: &Arc<dyn Inode>) -> Attempt<()> {
        Err(Errno::EPERM.into())
    }

    /// Takes a name away from what is not a directory; contents stay while the file is open.
    ///
    /// # Errors
    /// ENOENT, EISDIR, EPERM.
    fn unlink(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<()> {
        Err(Errno::EPERM.into())
    }

    /// Removes an empty directory, in which nothing can be made from then on.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY, EPERM.
    fn remove_directory(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<()> {
        Err(Errno::EPERM.into())
    }

    /// Moves `name` to `new_name` in `target`, a directory of this file system (maybe this one). What was there
    /// is replaced when it is of the same sort and, as a directory, empty. The caller has made sure that no
    /// directory moves below itself and that the two names are not of one file.
    ///
    /// # Errors
    /// ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EMLINK, EXDEV, EPERM.
    fn rename(
        &self,
        cx: &IoContext<'_>,
        name: &[u8],
        target: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
    ) -> Attempt<()> {
        Err(Errno::EPERM.into())
    }

    /// Gives the names from `cookie` on, 0 being the start, without `.` and `..`, until `each` stops.
    ///
    /// Cookies are stable: a name that exists from the start of an iteration to its end is given exactly once,
    /// whatever else comes and goes. They are below 2⁶³ − 16.
    ///
    /// # Errors
    /// ENOTDIR, what `each` says.
    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        Err(Errno::ENOTDIR.into())
    }

    /// The path in a symbolic link.
    ///
    /// # Errors
    /// EINVAL when it is none.
    fn read_link(&self, cx: &IoContext<'_>) -> Attempt<Vec<u8>> {
        Err(Errno::EINVAL.into())
    }

    /// Where a symbolic link leads; see [`Link`].
    ///
    /// # Errors
    /// ENOENT, ESRCH, EACCES.
    fn follow(&self, cx: &IoContext<'_>) -> Attempt<Link> {
        Ok(Link::Path)
    }

    /// Reads bytes of a regular file; see [`FileOperations::read`].
    ///
    /// # Errors
    /// EISDIR, EINVAL, what the sink says.
    fn read_at(&self, cx: &IoContext<'_>, offset: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        Err(Errno::EINVAL.into())
    }

    /// Writes bytes of a regular file; see [`FileOperations::write`].
    ///
    /// # Errors
    /// ENOSPC, ENOMEM, EFBIG, EINVAL, what the source says.
    fn write_at(&self, cx: &IoContext<'_>, offset: u64, source: &mut dyn Source) -> Attempt<usize> {
        Err(Errno::EINVAL.into())
    }

    /// Writes bytes at the end of a regular file; see [`FileOperations::append`].
    ///
    /// # Errors
    /// As [`Inode::write_at`].
    fn append(&self, cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<(u64, usize)> {
        Err(Errno::EINVAL.into())
    }

    /// Gives or takes back the memory of a part of a regular file, some of it at a time; answers up to where it has been
    /// done.
    ///
    /// # Errors
    /// EOPNOTSUPP where files have no holes, ENOSPC; EPERM when a seal forbids it.
    fn allocate(&self, cx: &IoContext<'_>, part: Range<u64>, how: Allocation) -> Attempt<u64> {
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Where data or a hole begins (`man 2 lseek`, SEEK_DATA, SEEK_HOLE), at `from`, which lies before the end, or behind it;
    /// the end is a hole. `None`: no data comes any more. Holes may be told as data.
    ///
    /// # Errors
    /// As [`Inode::metadata`].
    fn next_stretch(&self, cx: &IoContext<'_>, from: u64, of: Stretch) -> Attempt<Option<u64>> {
        of.of_solid(from, || Ok(self.metadata(cx)?.size))
    }

    /// The pages of a regular file, for mmap and exec.
    fn pages(&self) -> Option<Arc<dyn memory::PageSource>> {
        None
    }

    /// Notes that a program has mapped it, which is an access to the file.
    fn note_mapping(&self) {}

    /// As [`Inode::pages`], for a shared mapping that may change them.
    ///
    /// # Errors
    /// EPERM when a seal forbids it.
    fn pages_for_writing(&self) -> Result<Option<Arc<dyn memory::PageSource>>, Errno> {
        Ok(self.pages())
    }

    /// What of the file is sealed.
    ///
    /// # Errors
    /// EINVAL where nothing can be.
    fn seals(&self) -> Result<Seals, Errno> {
        Err(Errno::EINVAL)
    }

    /// Seals more of the file, for good.
    ///
    /// # Errors
    /// EINVAL where nothing can be sealed, EPERM when that is sealed itself, EBUSY for [`Seals::WRITE`] while a mapping may
    /// change the contents.
    fn add_seals(&self, seals: Seals) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// What opening makes, where reads and writes do not simply go to the inode: proc files, nodes of devfs.
    /// `None`: a regular file or directory, or a node that [`crate::SpecialFiles`] opens.
    ///
    /// # Errors
    /// ENXIO, EBUSY, ESRCH and whatever the object says; may park.
    fn open(
        &self,
        cx: &IoContext<'_>,
        access: crate::Access,
    ) -> Attempt<Option<Arc<dyn FileOperations>>> {
        Ok(None)
    }

    /// Where the object behind a fifo or socket node is attached; `None` for other kinds.
    fn attachment(&self) -> Option<&Attachment> {
        None
    }

    /// Who writes or runs a regular file; `None`: the file system does not count that.
    fn text_use(&self) -> Option<&crate::TextUse> {
        None
    }

    /// Where the extended attributes of the file are kept; `None`: the file system keeps none.
    fn attributes(&self) -> Option<&AttributeStore> {
        None
    }

    /// What `statfs` tells of the file system.
    fn file_system(&self) -> FileSystemStatus;
}
