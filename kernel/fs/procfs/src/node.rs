//! Inodes of the process file system.

use crate::View;
use crate::directory;
use crate::expendability;
use crate::maps;
use crate::namespaces::{self, Namespace};
use crate::network_files::{self, NetworkFile};
use crate::process_files::{self, FILES, ProcessFile};
use crate::source::{ProcSource, ProcessRef, Task};
use crate::system_files::{self, SystemFile};
use crate::system_v_files::{self, SystemVFile};
use abi::{Cid, Errno, Pid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use fallible::NoMemory;
use security::{Absent, Credential, Privileges};
use vfs::{
    Access, Change, DirectoryEntry, FileKind, FileOperations, FileSystemStatus, Flow, Inode,
    InodeId, IoContext, Link, Location, Metadata, Mode, NAME_LIMIT, OpenFile, OrderFile, Orders,
    Path, TextFile,
};
use wait::Attempt;

/// `PROC_SUPER_MAGIC` of linux/magic.h.
const MAGIC: u32 = 0x9fa0;

/// A link of a process that leads to a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ProcessLink {
    WorkingDirectory,
    Root,
    Executable,
}

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Root,
    SelfLink,
    ThreadSelfLink,
    MountsLink,
    Sys,
    SysKernel,
    SysFs,
    SysFsEpoll,
    SysKernelRandom,
    SysVm,
    SysNet,
    SysNetCore,
    SysNetIpv4,
    Net,
    SystemV,
    System(SystemFile),
    SystemVFile(SystemVFile),
    Network(NetworkFile),
    Process(ProcessRef),
    /// A file of a process, or of one of its threads.
    File(ProcessRef, Option<Pid>, ProcessFile),
    Link(ProcessRef, ProcessLink),
    Files(ProcessRef),
    FilesInfo(ProcessRef),
    OpenFile(ProcessRef, u32),
    FileInfo(ProcessRef, u32),
    Tasks(ProcessRef),
    Task(ProcessRef, Pid),
    Namespaces(ProcessRef),
    /// Which of the names there.
    Namespace(ProcessRef, u8),
}

impl What {
    fn kind(self) -> FileKind {
        match self {
            What::Root | What::Sys | What::SysKernel | What::SysFs => FileKind::Directory,
            What::SysKernelRandom | What::SysFsEpoll => FileKind::Directory,
            What::SysVm | What::SystemV => FileKind::Directory,
            What::Net | What::SysNet | What::SysNetCore | What::SysNetIpv4 => FileKind::Directory,
            What::Process(_)
            | What::Files(_)
            | What::FilesInfo(_)
            | What::Tasks(_)
            | What::Namespaces(_)
            | What::Task(..) => FileKind::Directory,
            What::SelfLink | What::ThreadSelfLink | What::MountsLink => FileKind::Symlink,
            What::Link(..) | What::OpenFile(..) | What::Namespace(..) => FileKind::Symlink,
            What::System(_) | What::Network(_) | What::SystemVFile(_) => FileKind::Regular,
            What::File(..) | What::FileInfo(..) => FileKind::Regular,
        }
    }

    fn process(self) -> Option<ProcessRef> {
        match self {
            What::Process(process) | What::File(process, ..) | What::Link(process, _) => {
                Some(process)
            }
            What::Files(process) | What::FilesInfo(process) | What::Tasks(process) => Some(process),
            What::Namespaces(process) | What::Namespace(process, _) => Some(process),
            What::OpenFile(process, _) | What::FileInfo(process, _) | What::Task(process, _) => {
                Some(process)
            }
            _ => None,
        }
    }

    /// The inode number: 36 bits of the process's key, 22 of a descriptor or tid, 6 of the kind of file.
    pub(crate) fn number(self) -> u64 {
        let (class, number) = match self {
            What::Root => (1, 0),
            What::SelfLink => (2, 0),
            What::ThreadSelfLink => (3, 0),
            What::MountsLink => (4, 0),
            What::Sys => (5, 0),
            What::SysKernel => (6, 0),
            What::SysFs => (7, 0),
            What::System(file) => (8, file as u32),
            What::Process(_) => (9, 0),
            What::File(_, None, file) => (10, file as u32),
            What::Link(_, link) => (11, link as u32),
            What::Files(_) => (12, 0),
            What::FilesInfo(_) => (13, 0),
            What::OpenFile(_, number) => (14, number),
            What::FileInfo(_, number) => (15, number),
            What::Tasks(_) => (16, 0),
            What::Task(_, tid) => (17, tid.0),
            What::SysNet => (18, 0),
            What::SysNetCore => (19, 0),
            What::SysNetIpv4 => (20, 0),
            What::Net => (21, 0),
            What::Network(file) => (22, file as u32),
            What::SysKernelRandom => (23, 0),
            What::SysVm => (24, 0),
            What::SystemV => (25, 0),
            What::SystemVFile(file) => (26, file as u32),
            What::SysFsEpoll => (27, 0),
            What::Namespaces(_) => (28, 0),
            What::Namespace(_, name) => (29, name.into()),
            What::File(_, Some(tid), file) => (32 + file as u64, tid.0),
        };
        let key = self.process().map_or(0, |process| process.key);
        key << 28 | u64::from(number & 0x3f_ffff) << 6 | class
    }

    fn mode(self) -> u32 {
        match self {
            What::Files(_) | What::FilesInfo(_) => 0o500,
            What::Namespaces(_) => 0o511,
            What::FileInfo(..) => 0o400,
            What::File(_, _, file) => FILES
                .iter()
                .find(|row| row.1 == file)
                .map_or(0o400, |row| row.2),
            _ => match self.kind() {
                FileKind::Directory => 0o555,
                FileKind::Symlink => 0o777,
                _ => 0o444,
            },
        }
    }
}

/// An inode.
pub(crate) struct Node {
    view: Arc<View>,
    what: What,
}

impl Node {
    fn source(&self, cx: &IoContext<'_>) -> Result<&dyn ProcSource, Errno> {
        let reached = self.view.source.reach(cx.credential);
        reached.map(|source| &**source).map_err(Absent::no_entry)
    }

    pub(crate) fn new(view: &Arc<View>, what: What) -> Self {
        Self {
            view: view.clone(),
            what,
        }
    }

    /// The process whose directory this is, for who may see the view.
    pub(crate) fn directory_of(&self, credential: &Credential) -> Option<ProcessRef> {
        self.view.source.reach(credential).ok()?;
        match self.what {
            What::Process(process) => Some(process),
            _ => None,
        }
    }

    fn task(&self, cx: &IoContext<'_>, process: ProcessRef) -> Result<Task, Errno> {
        let tid = match self.what {
            What::Task(_, tid) | What::File(_, Some(tid), _) => tid,
            _ => process.pid,
        };
        self.source(cx)?.task(process, tid)?.ok_or(Errno::ENOENT)
    }

    /// What a process has open and where it is, only its own user may know, and it itself, whoever it is at the moment
    /// (`man 2 ptrace`, "access mode checking").
    fn may_inspect(&self, cx: &IoContext<'_>, process: ProcessRef) -> Result<(), Errno> {
        let uid = self.task(cx, process)?.uid;
        let current = self.source(cx)?.current();
        let own = current.is_some_and(|(pid, _)| pid == process.pid);
        let caller = cx.credential.identity.fsuid;
        let same = [uid.real, uid.effective, uid.saved]
            .iter()
            .all(|&uid| uid == caller);
        if own || same || cx.credential.privileges.contains(Privileges::FILE_ACCESS) {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    fn file(
        &self,
        cx: &IoContext<'_>,
        process: ProcessRef,
        number: u32,
    ) -> Result<Arc<OpenFile>, Errno> {
        let found = self.source(cx)?.file_from(process, number);
        found
            .filter(|(found, _)| *found == number)
            .map(|(_, file)| file)
            .ok_or(Errno::ENOENT)
    }

    fn location(
        &self,
        cx: &IoContext<'_>,
        process: ProcessRef,
        link: ProcessLink,
    ) -> Result<Location, Errno> {
        let source = self.source(cx)?;
        let location = match link {
            ProcessLink::WorkingDirectory => source.working_directory(process),
            ProcessLink::Root => source.root_directory(process),
            ProcessLink::Executable => source.executable(process),
        };
        location.ok_or(Errno::ENOENT)
    }

    /// What `stat` tells of a namespace of a process.
    fn namespace(
        &self,
        cx: &IoContext<'_>,
        process: ProcessRef,
        name: u8,
    ) -> Result<Metadata, Errno> {
        self.may_inspect(cx, process)?;
        let source = self.source(cx)?;
        let partition = source.partition(process).ok_or(Errno::ENOENT)?;
        let owner = self.view.source.owner();
        let node = Metadata::new(self.id(), owner, self.what.kind(), source.clock().now());
        Ok(namespaces::metadata(node, partition, name))
    }

    fn shown(&self, cx: &IoContext<'_>, location: &Location) -> Result<Vec<u8>, Errno> {
        let path = location.path(&self.source(cx)?.root())?;
        let shown = path.map_or_else(|| fallible::copy(b"(unreachable)"), Path::shown)?;
        Ok(shown)
    }

    /// Where an open file can be opened again by name. A terminal that a partition was handed from outside is not its
    /// own device: like a pipe it is opened as the object that it is.
    fn leads_to(&self, file: &OpenFile) -> Option<Location> {
        let location = file.location()?;
        let inode = location.inode();
        let foreign =
            inode.kind() == FileKind::Character && inode.owner() != self.view.source.owner();
        (!foreign).then(|| location.clone())
    }

    fn directory(&self) -> Result<(), Errno> {
        if self.what.kind() == FileKind::Directory {
            Ok(())
        } else {
            Err(Errno::ENOTDIR)
        }
    }
}

impl Inode for Node {
    fn id(&self) -> InodeId {
        InodeId {
            device: self.view.device,
            number: self.what.number(),
        }
    }

    fn kind(&self) -> FileKind {
        self.what.kind()
    }

    fn is_generated(&self) -> bool {
        true
    }

    fn owner(&self) -> Cid {
        self.view.source.owner()
    }

    fn metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata> {
        let mut mode = self.what.mode();
        let (mut uid, mut gid) = (0, 0);
        if let Some(process) = self.what.process() {
            let task = self.task(cx, process)?;
            (uid, gid) = (task.uid.effective, task.gid.effective);
        }
        if let What::OpenFile(process, number) = self.what {
            let access = self.file(cx, process, number)?.access();
            let bit = |wanted, bits| if access.contains(wanted) { bits } else { 0 };
            mode = 0o100 | bit(Access::READ, 0o400) | bit(Access::WRITE, 0o200);
        }
        let now = self.source(cx)?.clock().now();
        let owner = self.view.source.owner();
        Ok(Metadata {
            mode: Mode::new(mode),
            uid,
            gid,
            ..Metadata::new(self.id(), owner, self.what.kind(), now)
        })
    }

    /// Opening a file that takes orders empties it (O_TRUNC), which means nothing.
    fn change(&self, _cx: &IoContext<'_>, change: &Change) -> Attempt<()> {
        let emptied = Change {
            size: Some(0),
            ..Change::default()
        };
        if matches!(self.what, What::File(..))
            && self.what.mode() & 0o200 != 0
            && *change == emptied
        {
            Ok(())
        } else {
            Err(Errno::EPERM.into())
        }
    }

    fn target_metadata(&self, cx: &IoContext<'_>) -> Attempt<Metadata> {
        match self.what {
            What::OpenFile(process, number) => {
                self.may_inspect(cx, process)?;
                self.file(cx, process, number)?.metadata(cx)
            }
            What::Namespace(process, name) => Ok(self.namespace(cx, process, name)?),
            _ => self.metadata(cx),
        }
    }

    fn lookup(&self, cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<dyn Inode>> {
        self.directory()?;
        let what = directory::lookup(self.source(cx)?, self.what, name)?.ok_or(Errno::ENOENT)?;
        Ok(fallible::arc(Node::new(&self.view, what))?)
    }

    fn entries(
        &self,
        cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        self.directory()?;
        let source = self.source(cx)?;
        let mut at = cookie;
        while let Some(named) = directory::from_cookie(source, self.what, at)? {
            at = named.next;
            let (number, kind) = (named.what.number(), named.what.kind());
            let entry = DirectoryEntry {
                name: named.name.as_bytes(),
                number,
                kind,
                next: at,
            };
            if each(entry)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, cx: &IoContext<'_>) -> Attempt<Vec<u8>> {
        let current = || self.source(cx)?.current().ok_or(Errno::ENOENT);
        match self.what {
            What::SelfLink => Ok(fallible::text(format_args!("{}", current()?.0))?.into_bytes()),
            What::ThreadSelfLink => {
                let (pid, tid) = current()?;
                Ok(fallible::text(format_args!("{pid}/task/{tid}"))?.into_bytes())
            }
            What::MountsLink => Ok(fallible::copy(b"self/mounts")?),
            What::Link(process, link) => {
                self.may_inspect(cx, process)?;
                Ok(self.shown(cx, &self.location(cx, process, link)?)?)
            }
            What::Namespace(process, name) => {
                let number = self.namespace(cx, process, name)?.id.number;
                let shown = fallible::text(format_args!("{}:[{number}]", namespaces::kind(name)))?;
                Ok(shown.into_bytes())
            }
            What::OpenFile(process, number) => {
                self.may_inspect(cx, process)?;
                let file = self.file(cx, process, number)?;
                match file.location() {
                    Some(location) => Ok(self.shown(cx, location)?),
                    None => Ok(nameless(&file)?),
                }
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn follow(&self, cx: &IoContext<'_>) -> Attempt<Link> {
        match self.what {
            What::Link(process, link) => {
                self.may_inspect(cx, process)?;
                Ok(Link::To(self.location(cx, process, link)?))
            }
            What::OpenFile(process, number) => {
                self.may_inspect(cx, process)?;
                let file = self.file(cx, process, number)?;
                Ok(self.leads_to(&file).map_or(Link::Opaque, Link::To))
            }
            What::Namespace(..) => Ok(Link::Opaque),
            _ => Ok(Link::Path),
        }
    }

    fn open(&self, cx: &IoContext<'_>, access: Access) -> Attempt<Option<Arc<dyn FileOperations>>> {
        let source = self.source(cx)?;
        let text = match self.what {
            What::System(file) => system_files::text(file, source)?,
            What::Network(file) => network_files::text(file, source)?,
            What::SystemVFile(file) => system_v_files::text(file, source)?,
            What::File(process, _, ProcessFile::Memory) => {
                return Ok(Some(source.memory(process, cx.credential)?));
            }
            What::File(process, _, file) if maps::is_told_by(file) => {
                self.may_inspect(cx, process)?;
                if access.contains(Access::WRITE) {
                    return Err(Errno::EACCES.into());
                }
                let areas = source.maps(process)?.ok_or(Errno::ESRCH)?;
                return Ok(maps::open(file, areas)?);
            }
            What::File(process, tid, ProcessFile::Name) if access.contains(Access::WRITE) => {
                let tid = tid.unwrap_or(process.pid);
                let text = process_files::text(source, process, tid, ProcessFile::Name)?;
                let orders = Naming {
                    view: self.view.clone(),
                    process,
                    tid,
                };
                let text = TextFile(text);
                return Ok(Some(fallible::arc(OrderFile { text, orders })?));
            }
            What::File(process, _, file) if expendability::is_told_by(file) => {
                let text = process_files::text(source, process, process.pid, file)?;
                let view = self.view.clone();
                return Ok(Some(expendability::open(view, process, text)?));
            }
            What::File(process, tid, file) => {
                if FILES.iter().any(|row| row.1 == file && row.2 & 0o044 == 0) {
                    self.may_inspect(cx, process)?;
                }
                process_files::text(source, process, tid.unwrap_or(process.pid), file)?
            }
            What::FileInfo(process, number) => {
                self.may_inspect(cx, process)?;
                process_files::file_info(&*self.file(cx, process, number)?, cx)?
            }
            What::OpenFile(process, number) => {
                self.may_inspect(cx, process)?;
                let file = self.file(cx, process, number)?;
                // One end of a pipe cannot be had from the other.
                if self.leads_to(&file).is_some() || !file.access().contains(access) {
                    return Err(Errno::EACCES.into());
                }
                return Ok(Some(file.operations().clone()));
            }
            What::Namespace(process, name) => {
                let metadata = self.namespace(cx, process, name)?;
                if access.contains(Access::WRITE) {
                    return Err(Errno::EACCES.into());
                }
                return Ok(Some(fallible::arc(Namespace(metadata))?));
            }
            _ => return Ok(None),
        };
        if access.contains(Access::WRITE) {
            return Err(Errno::EACCES.into());
        }
        Ok(Some(fallible::arc(TextFile(text))?))
    }

    fn file_system(&self) -> FileSystemStatus {
        FileSystemStatus {
            magic: MAGIC,
            block_size: abi::PAGE_SIZE as u32,
            name_limit: NAME_LIMIT as u32,
            device: self.view.device,
            ..FileSystemStatus::default()
        }
    }
}

/// Gives a thread the name that is written.
struct Naming {
    view: Arc<View>,
    process: ProcessRef,
    tid: Pid,
}

impl Orders for Naming {
    fn carry_out(&self, cx: &IoContext<'_>, order: &[u8]) -> Attempt<()> {
        let source = self.view.source.reach(cx.credential);
        let source = source.map_err(Absent::no_entry)?;
        Ok(source.rename(self.process, self.tid, order)?)
    }
}

/// What stands for the path of a file without a name.
fn nameless(file: &OpenFile) -> Result<Vec<u8>, NoMemory> {
    let metadata = file.operations().metadata();
    let kind = match metadata.as_ref().map(|metadata| metadata.kind) {
        Some(FileKind::Fifo) => "pipe",
        Some(FileKind::Socket) => "socket",
        _ => "anon_inode",
    };
    let number = metadata.map_or(0, |metadata| metadata.id.number);
    fallible::written(|out| write!(out, "{kind}:[{number}]"))
}
