//! Opening files (`man 2 open`).

use crate::inode_file::withdraw_capabilities;
use crate::observe::{self, Events};
use crate::walk::{Last, Walker};
use crate::{
    Access, Change, FileKind, FileOperations, Follow, InodeFile, Location, Mode, MountFlags,
    NodeContent, OpenFile, StatusFlags, Walk, Writing,
};
use abi::Errno;
use alloc::sync::Arc;
use bitflags::bitflags;
use security::Mode as Wanted;
use wait::{Attempt, Stop};

bitflags! {
    /// What opening does besides opening.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpenHow: u32 {
        /// Make a regular file when there is none (O_CREAT).
        const CREATE = 1;
        /// Fail when there is one (O_EXCL); with CREATE only.
        const EXCLUSIVE = 2;
        /// Make a regular file empty (O_TRUNC).
        const TRUNCATE = 4;
        /// Fail unless it is a directory (O_DIRECTORY).
        const DIRECTORY = 8;
        /// Fail with ELOOP when it is a symbolic link (O_NOFOLLOW).
        const NO_FOLLOW = 16;
        /// Only say where it is (O_PATH): no permission for the file itself is needed, nothing can be read.
        const PATH_ONLY = 32;
    }
}

/// How to open a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// For what.
    pub access: Access,
    /// What else to do.
    pub how: OpenHow,
    /// The flags of the open file.
    pub flags: StatusFlags,
    /// Permission bits of a new file, the umask applied.
    pub mode: Mode,
}

impl Walk<'_> {
    /// Opens the file of a path.
    ///
    /// # Errors
    /// As [`Walk::resolve`]; ETXTBSY for writing a program that runs; EINVAL for making a directory, EEXIST, EISDIR, ENOTDIR, ELOOP, EROFS, EACCES, ENXIO, ENOSPC; what the object says.
    /// May park (fifos, some devices); a new file stays made then, and `EXCLUSIVE` never parks.
    pub fn open(
        &self,
        base: Option<&Location>,
        path: &[u8],
        options: &OpenOptions,
    ) -> Attempt<Arc<OpenFile>> {
        let path_only = options.how.contains(OpenHow::PATH_ONLY);
        let (found, made) = if options.how.contains(OpenHow::CREATE) && !path_only {
            if options.how.contains(OpenHow::DIRECTORY) {
                return Err(Errno::EINVAL.into());
            }
            self.find_or_make(base, path, options)?
        } else {
            let no_follow = options.how.contains(OpenHow::NO_FOLLOW);
            let follow = if no_follow { Follow::No } else { Follow::Yes };
            (self.resolve(base, path, follow)?, false)
        };
        self.open_found(found, made, options)
    }

    /// Makes a regular file without a name in the file system of a directory (`man 2 open`, O_TMPFILE) and opens it. With
    /// [`OpenHow::EXCLUSIVE`] it cannot be given a name either.
    ///
    /// # Errors
    /// EOPNOTSUPP where there are no such files, ENOTDIR, EROFS, EACCES, ENOSPC; as [`Walk::resolve`].
    pub fn open_nameless(
        &self,
        base: Option<&Location>,
        path: &[u8],
        options: &OpenOptions,
    ) -> Attempt<Arc<OpenFile>> {
        let directory = self.resolve(base, path, Follow::Yes)?;
        directory.require_directory()?;
        self.may_change(&directory)?;
        let inode = {
            let _below = directory.entry().lock();
            let node = self.new_node(&directory, &NodeContent::Regular, options.mode)?;
            let linkable = !options.how.contains(OpenHow::EXCLUSIVE);
            directory
                .inode()
                .create_nameless(&self.io, &node, linkable)?
        };
        let name = fallible::text(format_args!("#{}", inode.id().number))?;
        let location = directory.nameless(inode, name.as_bytes())?;
        self.open_found(location, true, options)
    }

    fn find_or_make(
        &self,
        base: Option<&Location>,
        path: &[u8],
        options: &OpenOptions,
    ) -> Attempt<(Location, bool)> {
        let exclusive = options.how.contains(OpenHow::EXCLUSIVE);
        let mut walker = Walker::new(self, base, path)?;
        loop {
            let Last::Name { name, slash } = walker.last()? else {
                return Err(if exclusive {
                    Errno::EEXIST
                } else {
                    Errno::EISDIR
                }
                .into());
            };
            if slash {
                return Err(Errno::EISDIR.into());
            }
            let found = loop {
                match self.make_in(&walker.here, &name, &NodeContent::Regular, options.mode) {
                    Ok(location) => return Ok((location, true)),
                    Err(Stop::Error(Errno::EEXIST)) if !exclusive => {}
                    Err(stop) => return Err(stop),
                }
                match walker.child(&name) {
                    // Removed by somebody else in between: make it after all.
                    Err(Stop::Error(Errno::ENOENT)) => {}
                    found => break found?,
                }
            };
            let follow = !options.how.contains(OpenHow::NO_FOLLOW);
            if !walker.step(found, follow)? {
                return Ok((walker.here, false));
            }
        }
    }

    /// Opens a file that has been found: also the way to open what `/proc/PID/fd` leads to, and programs for exec.
    ///
    /// # Errors
    /// As [`Walk::open`].
    pub fn open_location(
        &self,
        location: Location,
        options: &OpenOptions,
    ) -> Attempt<Arc<OpenFile>> {
        self.open_found(location, false, options)
    }

    fn open_found(
        &self,
        location: Location,
        made: bool,
        options: &OpenOptions,
    ) -> Attempt<Arc<OpenFile>> {
        let kind = location.inode().kind();
        if options.how.contains(OpenHow::DIRECTORY) && kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let owner = self.io.credential.cid;
        if options.how.contains(OpenHow::PATH_ONLY) {
            let nothing: Arc<dyn FileOperations> = fallible::arc(PathOnly)?;
            return Ok(OpenFile::new(
                nothing,
                Some(location),
                owner,
                Access::empty(),
                StatusFlags::empty(),
            )?);
        }
        if !made {
            self.may_open(&location, kind, options)?;
        }
        let operations = self.operations(&location, kind, options)?;
        let truncates =
            options.how.contains(OpenHow::TRUNCATE) && kind == FileKind::Regular && !made;
        if truncates {
            let _writing = Writing::begin(location.inode())?;
            withdraw_capabilities(&**location.inode());
            location.inode().change(
                &self.io,
                &Change {
                    size: Some(0),
                    ..Change::default()
                },
            )?;
        }
        let file = OpenFile::new(
            operations,
            Some(location),
            owner,
            options.access,
            options.flags,
        )?;
        if let Some(location) = file.location() {
            // In this order, as Linux tells it since 6.9.
            observe::file(location, owner, Events::OPEN);
            if truncates {
                observe::file(location, owner, Events::MODIFY);
            }
        }
        Ok(file)
    }

    fn may_open(&self, location: &Location, kind: FileKind, options: &OpenOptions) -> Attempt<()> {
        let truncate = options.how.contains(OpenHow::TRUNCATE);
        let writes = options.access.contains(Access::WRITE) || truncate;
        match kind {
            FileKind::Directory if writes || options.how.contains(OpenHow::CREATE) => {
                return Err(Errno::EISDIR.into());
            }
            FileKind::Regular if writes => location.require_writable()?,
            FileKind::Character | FileKind::Block
                if location.mount().flags().contains(MountFlags::NO_DEVICES) =>
            {
                return Err(Errno::EACCES.into());
            }
            FileKind::Socket => return Err(Errno::ENXIO.into()),
            _ => {}
        }
        let mut wanted = 0;
        if options.access.contains(Access::READ) {
            wanted |= Wanted::READ.0;
        }
        if writes {
            wanted |= Wanted::WRITE.0;
        }
        self.permit(location.inode(), Wanted(wanted))
    }

    fn operations(
        &self,
        location: &Location,
        kind: FileKind,
        options: &OpenOptions,
    ) -> Attempt<Arc<dyn FileOperations>> {
        let nonblocking = options.flags.contains(StatusFlags::NONBLOCKING);
        let cx = crate::IoContext {
            nonblocking,
            ..self.io
        };
        let inode = location.inode();
        if let Some(own) = inode.open(&cx, options.access)? {
            return Ok(own);
        }
        match kind {
            FileKind::Regular | FileKind::Directory => {
                let file = InodeFile::of_access(inode.clone(), options.access)?;
                Ok(fallible::arc(file)?)
            }
            FileKind::Fifo => self.special.fifo(&cx, inode, options.access),
            FileKind::Character | FileKind::Block => {
                self.special.device(&cx, inode, options.access)
            }
            FileKind::Symlink => Err(Errno::ELOOP.into()),
            FileKind::Socket => Err(Errno::ENXIO.into()),
        }
    }
}

/// What a file opened with O_PATH does: nothing.
struct PathOnly;

impl FileOperations for PathOnly {}
