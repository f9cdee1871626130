//! A machine with one file system in memory, and processes to look at it.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use abi::{Cid, Errno};
use ramfs::{Capacity, Ramfs};
use security::{Credential, Identity, Privileges};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use vfs::*;
use wait::{Attempt, Link as QueueLink, Sleeper, SliceSink, SliceSource, Stop, Ticket, Waiter};

pub struct Counting(AtomicI64);

impl Clock for Counting {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: self.0.fetch_add(1, Ordering::Relaxed),
            nanoseconds: 0,
        }
    }
}

struct Nobody;

impl Sleeper for Nobody {
    fn wake(&self, _: Ticket, _: Option<i64>) -> bool {
        false
    }
    fn linked(&self, _: Ticket, _: QueueLink) -> Option<QueueLink> {
        None
    }
}

pub struct NoSpecial;

impl SpecialFiles for NoSpecial {
    fn fifo(
        &self,
        _: &IoContext<'_>,
        inode: &Arc<dyn Inode>,
        _: Access,
    ) -> Attempt<Arc<dyn FileOperations>> {
        assert!(inode.attachment().is_some());
        Err(Stop::Park)
    }
    fn device(
        &self,
        _: &IoContext<'_>,
        _: &Arc<dyn Inode>,
        _: Access,
    ) -> Attempt<Arc<dyn FileOperations>> {
        Err(Errno::ENXIO.into())
    }
}

pub fn ramfs(minor: u32) -> Ramfs {
    memory::host::initialize();
    let capacity = Capacity {
        pages: 4096,
        inodes: 4096,
    };
    Ramfs::new(
        DeviceNumber::new(0, minor),
        capacity,
        Arc::new(Counting(AtomicI64::new(1))),
        Cid::GLOBAL,
    )
    .unwrap()
}

pub fn file_system(minor: u32) -> FileSystem {
    FileSystem::new(ramfs(minor).root(), "ramfs", "ram").expect("memory")
}

pub fn world() -> Process {
    let mounts =
        MountNamespace::new(Cid::GLOBAL, &file_system(1), MountFlags::empty()).expect("memory");
    Process::new(&mounts, Cid::GLOBAL, 0)
}

pub fn text<T: AsRef<[u8]>>(bytes: T) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

/// A process as far as files go.
#[derive(Clone)]
pub struct Process {
    pub place: Place,
    pub credential: Credential,
    pub waiter: Waiter,
}

impl Process {
    pub fn new(mounts: &Arc<MountNamespace>, cid: Cid, uid: u32) -> Self {
        let privileges = if uid == 0 {
            Privileges::of_root(cid)
        } else {
            Privileges::empty()
        };
        Self {
            place: Place::at_root(mounts),
            credential: Credential::new(cid, Identity::user(uid, uid), privileges),
            waiter: Waiter::new(Arc::new(Nobody), Ticket(0)),
        }
    }

    /// Another user in the same place.
    pub fn user(&self, uid: u32, gid: u32) -> Self {
        let privileges = if uid == 0 {
            Privileges::of_root(self.credential.cid)
        } else {
            Privileges::empty()
        };
        let credential = Credential::new(self.credential.cid, Identity::user(uid, gid), privileges);
        Self {
            credential,
            ..self.clone()
        }
    }

    pub fn io(&self) -> IoContext<'_> {
        IoContext {
            credential: &self.credential,
            caller: &self.waiter,
            nonblocking: false,
        }
    }

    pub fn walk(&self) -> Walk<'_> {
        Walk {
            io: self.io(),
            mounts: &self.place.mounts,
            root: &self.place.root,
            cwd: &self.place.cwd,
            special: &NoSpecial,
            restrictions: Restrictions::empty(),
        }
    }

    pub fn at(&self, path: &str) -> Result<Location, Stop> {
        self.walk().resolve(None, path.as_bytes(), Follow::Yes)
    }

    pub fn path_of(&self, path: &str) -> Result<String, Stop> {
        let at = self.at(path)?;
        let path = at.path(&self.place.root).expect("memory");
        Ok(path.map_or_else(
            || "(unreachable)".into(),
            |path| text(path.shown().expect("memory")),
        ))
    }

    pub fn mkdir(&self, path: &str) -> Attempt<()> {
        self.walk()
            .make_directory(None, path.as_bytes(), Mode::new(0o755))
    }

    pub fn symlink(&self, path: &str, target: &str) -> Attempt<()> {
        self.walk()
            .make_symlink(None, path.as_bytes(), target.as_bytes())
    }

    pub fn rename(&self, from: &str, to: &str) -> Attempt<()> {
        self.walk().rename(
            (None, from.as_bytes()),
            (None, to.as_bytes()),
            RenameFlags::empty(),
        )
    }

    pub fn open(&self, path: &str, access: Access, how: OpenHow) -> Attempt<Arc<OpenFile>> {
        let options = OpenOptions {
            access,
            how,
            mode: Mode::new(0o644),
            ..Default::default()
        };
        self.walk().open(None, path.as_bytes(), &options)
    }

    pub fn put(&self, path: &str, contents: &str) -> Attempt<()> {
        let file = self.open(path, Access::WRITE, OpenHow::CREATE | OpenHow::TRUNCATE)?;
        let count = file.write(&self.io(), &mut SliceSource::new(contents.as_bytes()))?;
        assert_eq!(count, contents.len());
        Ok(())
    }

    pub fn get(&self, path: &str) -> Result<String, Stop> {
        let file = self.open(path, Access::READ, OpenHow::empty())?;
        let mut buffer = [0; 4096];
        let count = file.read(&self.io(), &mut SliceSink::new(&mut buffer))?;
        Ok(text(&buffer[..count]))
    }

    pub fn chdir(&mut self, path: &str) -> Attempt<()> {
        self.place.cwd = self.walk().directory(None, path.as_bytes())?;
        Ok(())
    }

    pub fn chroot(&mut self, path: &str) -> Attempt<()> {
        self.place.root = self.walk().new_root(path.as_bytes())?;
        Ok(())
    }
}

pub fn error<T: std::fmt::Debug>(result: Result<T, Stop>) -> Errno {
    match result {
        Err(Stop::Error(errno)) => errno,
        other => panic!("not an error: {other:?}"),
    }
}
