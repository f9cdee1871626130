//! `/proc/PID/ns` (`man 7 namespaces`): which partition a process is in, in the form in which programs ask for it.
//!
//! A partition is a namespace of every kind at once, so two processes have all of them in common or none. Nobody enters
//! one or makes one in this way.

use abi::{Cid, Errno};
use vfs::{FileKind, FileOperations, InodeId, IoContext, IoctlArgument, Metadata, Mode};
use wait::Attempt;

/// The names in the folder, and the kind of namespace that each leads to.
pub(crate) const NAMES: [(&str, &str); 10] = [
    ("cgroup", "cgroup"),
    ("ipc", "ipc"),
    ("mnt", "mnt"),
    ("net", "net"),
    ("pid", "pid"),
    ("pid_for_children", "pid"),
    ("time", "time"),
    ("time_for_children", "time"),
    ("user", "user"),
    ("uts", "uts"),
];

/// The kind that a name leads to.
pub(crate) fn kind(name: u8) -> &'static str {
    NAMES.get(usize::from(name)).map_or("", |name| name.1)
}

/// The number of a partition's namespace of a kind: above those of other objects, as on Linux.
pub(crate) fn number(cid: Cid, name: u8) -> u64 {
    const FIRST: u64 = 0xf000_0000;
    let first = NAMES.iter().position(|other| other.1 == kind(name));
    FIRST + u64::from(cid.0) * NAMES.len() as u64 + first.unwrap_or_default() as u64
}

/// What `stat` tells of one, told as a node of procfs is.
pub(crate) fn metadata(node: Metadata, cid: Cid, name: u8) -> Metadata {
    Metadata {
        id: InodeId {
            number: number(cid, name),
            ..node.id
        },
        kind: FileKind::Regular,
        mode: Mode::new(0o444),
        uid: 0,
        gid: 0,
        ..node
    }
}

/// One that has been opened: there is nothing in it to read.
pub(crate) struct Namespace(pub(crate) Metadata);

/// Requests for a namespace above one, and for that of the users that it belongs to (`man 2 ioctl_ns`).
const ABOVE: [u32; 2] = [0x2000_b701, 0x2000_b702];

impl FileOperations for Namespace {
    /// Those above are out of the caller's sight.
    fn ioctl(
        &self,
        _cx: &IoContext<'_>,
        request: u32,
        _argument: &mut dyn IoctlArgument,
    ) -> Attempt<i64> {
        if ABOVE.contains(&request) {
            return Err(Errno::EPERM.into());
        }
        Err(Errno::ENOTTY.into())
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.0)
    }
}
