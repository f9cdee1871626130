//! Files: flags of `open`, ioctl encoding, `stat` and its kin, directory entries, poll.

use super::record::record;
use bitflags::bitflags;

bitflags! {
    /// Flags of `open` as powerpc numbers them (asm/fcntl.h), without the two bits of [`O_ACCMODE`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Make the file if there is none.
        const CREAT = 0o100;
        /// Fail if there is one.
        const EXCL = 0o200;
        /// Do not take the terminal as controlling terminal.
        const NOCTTY = 0o400;
        /// Cut to length 0.
        const TRUNC = 0o1000;
        /// Write at the end.
        const APPEND = 0o2000;
        /// Fail rather than wait.
        const NONBLOCK = 0o4000;
        /// Data reach the medium before write returns.
        const DSYNC = 0o10000;
        /// Send SIGIO.
        const ASYNC = 0o20000;
        /// Must be a directory.
        const DIRECTORY = 0o40000;
        /// Do not follow a symbolic link at the end.
        const NOFOLLOW = 0o100000;
        /// Files beyond 2 GiB; of no effect.
        const LARGEFILE = 0o200000;
        /// Around the cache.
        const DIRECT = 0o400000;
        /// Do not touch the access time.
        const NOATIME = 0o1000000;
        /// Close on execve.
        const CLOEXEC = 0o2000000;
        /// File integrity; given together with DSYNC.
        const SYNC = 0o4000000;
        /// A handle on the name only.
        const PATH = 0o10000000;
        /// A file without name; given together with DIRECTORY.
        const TMPFILE = 0o20000000;
        const _ = !0;
    }
}

impl OpenFlags {
    /// Those that there are (`man 2 openat2`: others are refused).
    pub const KNOWN: Self = Self::from_bits_retain(0o37_777_700);
}

bitflags! {
    /// Flags of `preadv2` and `pwritev2` (linux/fs.h).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TransferFlags: u32 {
        /// With priority.
        const HIPRI = 1;
        /// Data reach the medium before the call returns.
        const DSYNC = 2;
        /// The file does.
        const SYNC = 4;
        /// Fail rather than wait.
        const NOWAIT = 8;
        /// Write at the end.
        const APPEND = 16;
    }
}

bitflags! {
    /// How `openat2` walks a path (linux/openat2.h).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ResolveFlags: u64 {
        /// Not from one mount to another.
        const NO_XDEV = 1;
        /// Not through links of `/proc` that lead to a file.
        const NO_MAGICLINKS = 2;
        /// Through no symbolic link.
        const NO_SYMLINKS = 4;
        /// Not out of the directory that it starts from.
        const BENEATH = 8;
        /// With the directory that it starts from as root.
        const IN_ROOT = 16;
        /// Only as far as nothing has to be waited for.
        const CACHED = 32;
    }
}

bitflags! {
    /// Flags of `memfd_create` (linux/memfd.h).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MemfdFlags: u32 {
        /// Close on execve.
        const CLOEXEC = 1;
        /// Seals can be added.
        const ALLOW_SEALING = 2;
        /// Of huge pages.
        const HUGETLB = 4;
        /// Not a program, and sealed so.
        const NOEXEC_SEAL = 8;
        /// A program may be in it.
        const EXEC = 16;
    }
}

/// Mask of the access mode in the flags of `open`.
pub const O_ACCMODE: u32 = 3;
/// Access mode: read.
pub const O_RDONLY: u32 = 0;
/// Access mode: write.
pub const O_WRONLY: u32 = 1;
/// Access mode: both.
pub const O_RDWR: u32 = 2;

/// In place of a directory descriptor: the working directory.
pub const AT_FDCWD: i32 = -100;
/// Do not follow a symbolic link at the end.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// `unlinkat`: remove a directory.
pub const AT_REMOVEDIR: u32 = 0x200;
/// `faccessat2`: use the effective numbers.
pub const AT_EACCESS: u32 = 0x200;
/// Follow a symbolic link at the end.
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// Do not mount automatically.
pub const AT_NO_AUTOMOUNT: u32 = 0x800;
/// The descriptor itself, when the path is empty.
pub const AT_EMPTY_PATH: u32 = 0x1000;

/// `fcntl`: duplicate.
pub const F_DUPFD: u32 = 0;
/// `fcntl`: get descriptor flags.
pub const F_GETFD: u32 = 1;
/// `fcntl`: set descriptor flags.
pub const F_SETFD: u32 = 2;
/// `fcntl`: get status flags.
pub const F_GETFL: u32 = 3;
/// `fcntl`: set status flags.
pub const F_SETFL: u32 = 4;
/// `fcntl`: test a record lock.
pub const F_GETLK: u32 = 5;
/// `fcntl`: set a record lock.
pub const F_SETLK: u32 = 6;
/// `fcntl`: set a record lock, waiting.
pub const F_SETLKW: u32 = 7;
/// `fcntl`: set the receiver of SIGIO.
pub const F_SETOWN: u32 = 8;
/// `fcntl`: get the receiver of SIGIO.
pub const F_GETOWN: u32 = 9;
/// `fcntl`: set the signal that comes instead of SIGIO.
pub const F_SETSIG: u32 = 10;
/// `fcntl`: get the signal that comes instead of SIGIO.
pub const F_GETSIG: u32 = 11;
/// `fcntl`: set the receiver of SIGIO, with its kind.
pub const F_SETOWN_EX: u32 = 15;
/// `fcntl`: get the receiver of SIGIO, with its kind.
pub const F_GETOWN_EX: u32 = 16;
/// Kind of a receiver of SIGIO: a thread.
pub const F_OWNER_TID: u32 = 0;
/// Kind of a receiver of SIGIO: a process.
pub const F_OWNER_PID: u32 = 1;
/// Kind of a receiver of SIGIO: a process group.
pub const F_OWNER_PGRP: u32 = 2;
/// `fcntl`: test a record lock of an open file.
pub const F_OFD_GETLK: u32 = 36;
/// `fcntl`: set a record lock of an open file.
pub const F_OFD_SETLK: u32 = 37;
/// `fcntl`: set a record lock of an open file, waiting.
pub const F_OFD_SETLKW: u32 = 38;
/// `fcntl`: duplicate, closed on execve.
pub const F_DUPFD_CLOEXEC: u32 = 1030;
/// `fcntl`: set a pipe's capacity.
pub const F_SETPIPE_SZ: u32 = 1031;
/// `fcntl`: get a pipe's capacity.
pub const F_GETPIPE_SZ: u32 = 1032;
/// `fcntl`: add seals.
pub const F_ADD_SEALS: u32 = 1033;
/// `fcntl`: get the seals.
pub const F_GET_SEALS: u32 = 1034;
/// Descriptor flag: close on execve.
pub const FD_CLOEXEC: u32 = 1;

/// `fallocate`: the size of the file stays.
pub const FALLOC_FL_KEEP_SIZE: u32 = 1;
/// `fallocate`: make a hole.
pub const FALLOC_FL_PUNCH_HOLE: u32 = 2;

/// `lseek`: from the start.
pub const SEEK_SET: u32 = 0;
/// `lseek`: from the present position.
pub const SEEK_CUR: u32 = 1;
/// `lseek`: from the end.
pub const SEEK_END: u32 = 2;
/// `lseek`: the next data.
pub const SEEK_DATA: u32 = 3;
/// `lseek`: the next hole.
pub const SEEK_HOLE: u32 = 4;

/// Which way the structure of an ioctl goes, as powerpc encodes it (asm/ioctl.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum IoctlDirection {
    /// There is none.
    None = 1,
    /// The program reads it.
    Read = 2,
    /// The program writes it.
    Write = 4,
    /// Both.
    ReadWrite = 6,
}

/// The number of an ioctl: `_IOC` of powerpc with 3 bits of direction and 13 of size.
#[must_use]
pub const fn ioctl(direction: IoctlDirection, kind: u8, number: u8, size: usize) -> u32 {
    (direction as u32) << 29 | ((size as u32) & 0x1fff) << 16 | (kind as u32) << 8 | number as u32
}

/// ioctl: close on execve.
pub const FIOCLEX: u32 = ioctl(IoctlDirection::None, b'f', 1, 0);
/// ioctl: keep open on execve.
pub const FIONCLEX: u32 = ioctl(IoctlDirection::None, b'f', 2, 0);
/// ioctl: SIGIO on or off.
pub const FIOASYNC: u32 = ioctl(IoctlDirection::Write, b'f', 125, 4);
/// ioctl of sockets: set the receiver of SIGIO.
pub const FIOSETOWN: u32 = 0x8901;
/// ioctl of sockets: set the receiver of SIGIO.
pub const SIOCSPGRP: u32 = 0x8902;
/// ioctl of sockets: get the receiver of SIGIO.
pub const FIOGETOWN: u32 = 0x8903;
/// ioctl of sockets: get the receiver of SIGIO.
pub const SIOCGPGRP: u32 = 0x8904;
/// ioctl: non-blocking on or off.
pub const FIONBIO: u32 = ioctl(IoctlDirection::Write, b'f', 126, 4);
/// ioctl: bytes that can be read.
pub const FIONREAD: u32 = ioctl(IoctlDirection::Read, b'f', 127, 4);

/// `st_mode`: the bits of the kind.
pub const S_IFMT: u32 = 0o170_000;
/// `st_mode`: socket.
pub const S_IFSOCK: u32 = 0o140_000;
/// `st_mode`: symbolic link.
pub const S_IFLNK: u32 = 0o120_000;
/// `st_mode`: regular file.
pub const S_IFREG: u32 = 0o100_000;
/// `st_mode`: block device.
pub const S_IFBLK: u32 = 0o060_000;
/// `st_mode`: directory.
pub const S_IFDIR: u32 = 0o040_000;
/// `st_mode`: character device.
pub const S_IFCHR: u32 = 0o020_000;
/// `st_mode`: fifo.
pub const S_IFIFO: u32 = 0o010_000;

/// `statx`: all of what `stat` tells, and the time of birth.
pub const STATX_BASIC_STATS: u32 = 0x7ff;
/// `statx`: time of birth.
pub const STATX_BTIME: u32 = 0x800;

/// `utimensat`: the present.
pub const UTIME_NOW: i64 = 0x3fff_ffff;
/// `utimensat`: leave it.
pub const UTIME_OMIT: i64 = 0x3fff_fffe;

record! {
    /// `struct open_how`.
    OpenHow [24] {
        /// As those of `open`.
        0 flags: u64,
        /// Permissions of a new file.
        8 mode: u64,
        /// [`ResolveFlags`].
        16 resolve: u64,
    }

    /// `struct stat` of powerpc64.
    Stat [144] {
        /// Device that holds the file.
        0 dev: u64,
        /// Inode number.
        8 ino: u64,
        /// Names.
        16 nlink: u64,
        /// Kind and permissions.
        24 mode: u32,
        /// Owner.
        28 uid: u32,
        /// Group.
        32 gid: u32,
        /// Device that the file stands for.
        40 rdev: u64,
        /// Size in bytes.
        48 size: i64,
        /// Good size for transfers.
        56 blksize: u64,
        /// Units of 512 bytes.
        64 blocks: u64,
        /// Last read, seconds.
        72 atime: u64,
        /// And nanoseconds.
        80 atime_nsec: u64,
        /// Last write, seconds.
        88 mtime: u64,
        /// And nanoseconds.
        96 mtime_nsec: u64,
        /// Last change, seconds.
        104 ctime: u64,
        /// And nanoseconds.
        112 ctime_nsec: u64,
    }

    /// `struct statx_timestamp`.
    StatxTimestamp [16] {
        /// Seconds.
        0 sec: i64,
        /// Nanoseconds.
        8 nsec: u32,
    }

    /// `struct statx`.
    Statx [256] {
        /// What is filled in.
        0 mask: u32,
        /// Good size for transfers.
        4 blksize: u32,
        /// Attributes.
        8 attributes: u64,
        /// Names.
        16 nlink: u32,
        /// Owner.
        20 uid: u32,
        /// Group.
        24 gid: u32,
        /// Kind and permissions.
        28 mode: u16,
        /// Inode number.
        32 ino: u64,
        /// Size in bytes.
        40 size: u64,
        /// Units of 512 bytes.
        48 blocks: u64,
        /// Attributes that are known.
        56 attributes_mask: u64,
        /// Last read.
        64 atime: StatxTimestamp,
        /// Made.
        80 btime: StatxTimestamp,
        /// Last change.
        96 ctime: StatxTimestamp,
        /// Last write.
        112 mtime: StatxTimestamp,
        /// Device that the file stands for.
        128 rdev_major: u32,
        /// Its minor number.
        132 rdev_minor: u32,
        /// Device that holds the file.
        136 dev_major: u32,
        /// Its minor number.
        140 dev_minor: u32,
        /// Mount.
        144 mnt_id: u64,
    }

    /// `struct statfs` of powerpc64.
    Statfs [120] {
        /// Magic number of the file system.
        0 kind: u64,
        /// Good size for transfers.
        8 bsize: u64,
        /// Blocks.
        16 blocks: u64,
        /// Free ones.
        24 bfree: u64,
        /// Free for users.
        32 bavail: u64,
        /// Inodes.
        40 files: u64,
        /// Free ones.
        48 ffree: u64,
        /// Identity of the file system.
        56 fsid: [u32; 2],
        /// Longest name.
        64 namelen: u64,
        /// Size of a fragment.
        72 frsize: u64,
        /// ST_ flags.
        80 flags: u64,
    }

    /// The head of `struct linux_dirent64`; the name follows, with a final 0, padded to 8 bytes.
    Dirent64 [19] {
        /// Inode number.
        0 ino: u64,
        /// Cookie of the next entry.
        8 off: u64,
        /// Length of the entry with its name.
        16 reclen: u16,
        /// Kind of file, DT_.
        18 kind: u8,
    }

    /// `struct pollfd`.
    PollFd [8] {
        /// Descriptor; negative ones are passed over.
        0 fd: i32,
        /// Wanted.
        4 events: u16,
        /// Found.
        6 revents: u16,
    }

    /// `struct iovec`.
    Iovec [16] {
        /// Address.
        0 base: u64,
        /// Length in bytes.
        8 len: u64,
    }

    /// `struct flock`.
    Flock [32] {
        /// F_RDLCK 0, F_WRLCK 1, F_UNLCK 2.
        0 kind: u16,
        /// SEEK_.
        2 whence: u16,
        /// From.
        8 start: i64,
        /// Length; 0 to the end.
        16 len: i64,
        /// Holder.
        24 pid: i32,
    }

    /// `struct epoll_event`; naturally aligned on powerpc.
    EpollEvent [16] {
        /// Events.
        0 events: u32,
        /// What the program wants back.
        8 data: u64,
    }
}

/// `epoll_ctl`: watch a file.
pub const EPOLL_CTL_ADD: u32 = 1;
/// `epoll_ctl`: watch it no longer.
pub const EPOLL_CTL_DEL: u32 = 2;
/// `epoll_ctl`: change what is wanted of it.
pub const EPOLL_CTL_MOD: u32 = 3;
/// Of the instances that watch the file so, one is woken.
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
/// The machine is kept awake, where it can sleep.
pub const EPOLLWAKEUP: u32 = 1 << 29;
/// Report once.
pub const EPOLLONESHOT: u32 = 1 << 30;
/// Report changes.
pub const EPOLLET: u32 = 1 << 31;

/// Greatest number of buffers in `readv` and its kin.
pub const IOV_MAX: usize = 1024;
/// Descriptors in an `fd_set`.
pub const FD_SETSIZE: usize = 1024;
/// Longest path in bytes, with the final 0.
pub const PATH_MAX: usize = 4096;
/// Longest name in bytes.
pub const NAME_MAX: usize = 255;
/// Most bytes that one `read` or `write` transfers.
pub const MAX_RW_COUNT: usize = 0x7fff_f000;

/// An `fd_set`: words of 64 bits, descriptor n is bit n modulo 64 of word n / 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdSet(pub [u64; FD_SETSIZE / 64]);

impl Default for FdSet {
    fn default() -> Self {
        Self([0; FD_SETSIZE / 64])
    }
}

impl FdSet {
    /// Bytes that `select` reads and writes of a set for descriptors below `nfds`.
    #[must_use]
    pub const fn bytes(nfds: usize) -> usize {
        nfds.div_ceil(64) * 8
    }

    /// Whether a descriptor is in the set.
    #[must_use]
    pub fn contains(&self, fd: usize) -> bool {
        self.0
            .get(fd / 64)
            .is_some_and(|word| word >> (fd % 64) & 1 == 1)
    }

    /// Adds a descriptor.
    pub fn insert(&mut self, fd: usize) {
        if let Some(word) = self.0.get_mut(fd / 64) {
            *word |= 1 << (fd % 64);
        }
    }
}
