//! What is known about a file besides its contents (`man 7 inode`).

use abi::Cid;

/// Which file of which file system; equal for two names of one file and for no two files that exist at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId {
    /// The file system (`st_dev`).
    pub device: DeviceNumber,
    /// The file in it (`st_ino`).
    pub number: u64,
}

/// What kind of object a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Bytes.
    Regular,
    /// Names of files.
    Directory,
    /// A path to go on with.
    Symlink,
    /// A pipe with a name.
    Fifo,
    /// A device of bytes.
    Character,
    /// A device of blocks.
    Block,
    /// An endpoint of communication.
    Socket,
}

impl FileKind {
    /// The bits of `st_mode` that hold the kind.
    pub const MASK: u32 = 0o170_000;

    /// The kind as bits of `st_mode`.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            FileKind::Fifo => 0o010_000,
            FileKind::Character => 0o020_000,
            FileKind::Directory => 0o040_000,
            FileKind::Block => 0o060_000,
            FileKind::Regular => 0o100_000,
            FileKind::Symlink => 0o120_000,
            FileKind::Socket => 0o140_000,
        }
    }

    /// The kind in an `st_mode`.
    #[must_use]
    pub const fn of_mode(mode: u32) -> Option<Self> {
        match mode & Self::MASK {
            0o010_000 => Some(FileKind::Fifo),
            0o020_000 => Some(FileKind::Character),
            0o040_000 => Some(FileKind::Directory),
            0o060_000 => Some(FileKind::Block),
            0o100_000 => Some(FileKind::Regular),
            0o120_000 => Some(FileKind::Symlink),
            0o140_000 => Some(FileKind::Socket),
            _ => None,
        }
    }

    /// The `d_type` of a directory entry (`man 3 readdir`).
    #[must_use]
    pub const fn directory_type(self) -> u8 {
        (self.bits() >> 12) as u8
    }
}

/// Permission, set-id and sticky bits: the low twelve bits of `st_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode(u16);

impl Mode {
    /// Run with the owner's user id.
    pub const SET_USER: u32 = 0o4000;
    /// Run with the file's group id; a directory hands its group to what is made in it.
    pub const SET_GROUP: u32 = 0o2000;
    /// Names in the directory belong to the owners of the files.
    pub const STICKY: u32 = 0o1000;

    /// The low twelve bits of `bits`.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self((bits & 0o7777) as u16)
    }

    /// As bits of `st_mode`.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// Whether all of `bits` are set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.bits() & bits == bits
    }

    /// Without `bits`.
    #[must_use]
    pub const fn without(self, bits: u32) -> Self {
        Self::new(self.bits() & !bits)
    }
}

/// The number of a device: major and minor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl DeviceNumber {
    /// A device number.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// As in `st_dev` and `st_rdev` (`man 3 makedev`, the encoding of Linux: 12 + 20 bits, interleaved).
    #[must_use]
    pub const fn encode(self) -> u64 {
        let (major, minor) = (self.major as u64, self.minor as u64);
        (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
    }

    /// From the number that `mknod` takes.
    #[must_use]
    pub const fn decode(number: u64) -> Self {
        let major = ((number >> 8) & 0xfff) | ((number >> 32) & 0xffff_f000);
        let minor = (number & 0xff) | ((number >> 12) & 0xffff_ff00);
        Self {
            major: major as u32,
            minor: minor as u32,
        }
    }
}

/// A point of wall-clock time, since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds, less than 1 000 000 000.
    pub nanoseconds: u32,
}

/// Tells the time of day; the kernel brings one.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Which file.
    pub id: InodeId,
    /// The partition that the file and its pages are charged to.
    pub owner: Cid,
    /// What kind of object.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: Mode,
    /// How many names.
    pub links: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// The device that a node stands for.
    pub device: DeviceNumber,
    /// Size in bytes.
    pub size: u64,
    /// Storage in use, in units of 512 bytes.
    pub blocks: u64,
    /// Last read.
    pub accessed: Timestamp,
    /// Last change of the contents.
    pub modified: Timestamp,
    /// Last change of anything.
    pub changed: Timestamp,
}

impl Metadata {
    /// An empty object without a device at the time `now`: root's, with no permission for anybody, and with as many names as
    /// one of its kind has at the least. Who makes it says what differs.
    #[must_use]
    pub const fn new(id: InodeId, owner: Cid, kind: FileKind, now: Timestamp) -> Self {
        Self {
            id,
            owner,
            kind,
            mode: Mode::new(0),
            links: if matches!(kind, FileKind::Directory) {
                2
            } else {
                1
            },
            uid: 0,
            gid: 0,
            device: DeviceNumber::new(0, 0),
            size: 0,
            blocks: 0,
            accessed: now,
            modified: now,
            changed: now,
        }
    }

    /// `st_mode`: kind and permission bits.
    #[must_use]
    pub const fn st_mode(&self) -> u32 {
        self.kind.bits() | self.mode.bits()
    }
}

/// A time to set (`man 2 utimensat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTime {
    /// The present (UTIME_NOW).
    Now,
    /// That time.
    At(Timestamp),
}

/// What to change in a file's metadata; `None` stays as it is. All of it changes at once, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Permission bits.
    pub mode: Option<Mode>,
    /// Owning user.
    pub uid: Option<u32>,
    /// Owning group.
    pub gid: Option<u32>,
    /// Size in bytes; what is added reads as zeros.
    pub size: Option<u64>,
    /// Last read.
    pub accessed: Option<NewTime>,
    /// Last change of the contents.
    pub modified: Option<NewTime>,
}

/// What `statfs` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemStatus {
    /// Which file system, by the number programs know (`f_type`, linux/magic.h).
    pub magic: u32,
    /// Size of a block in bytes.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks not in use.
    pub free_blocks: u64,
    /// Inodes in all.
    pub inodes: u64,
    /// Inodes not in use.
    pub free_inodes: u64,
    /// Longest name in bytes.
    pub name_limit: u32,
    /// Number of the file system (`f_fsid`).
    pub device: DeviceNumber,
}
