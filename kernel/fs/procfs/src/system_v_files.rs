//! Files that tell of System V IPC: `/proc/sysvipc` (`man 5 proc`, `man 7 sysvipc`).

use crate::source::ProcSource;
use abi::PAGE_SIZE;
use alloc::vec::Vec;
use core::fmt::{Result, Write};
use fallible::{NoMemory, Text, written};
use ipc::system_v::{MessageStatus, Permission, SegmentStatus, SemaphoreStatus};

/// A file of `/proc/sysvipc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SystemVFile {
    Messages,
    Semaphores,
    SharedMemory,
}

/// The files.
pub(crate) const SYSTEM_V_FILES: [(&str, SystemVFile); 3] = [
    ("msg", SystemVFile::Messages),
    ("sem", SystemVFile::Semaphores),
    ("shm", SystemVFile::SharedMemory),
];

/// The text of a file.
pub(crate) fn text(
    file: SystemVFile,
    source: &dyn ProcSource,
) -> core::result::Result<Vec<u8>, NoMemory> {
    match file {
        SystemVFile::Messages => {
            let queues = source.message_queues()?;
            written(|out| {
                head(
                    out,
                    "msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime",
                )?;
                queues
                    .iter()
                    .try_for_each(|queue| message_queue(out, queue))
            })
        }
        SystemVFile::Semaphores => {
            let sets = source.semaphores()?;
            written(|out| {
                head(
                    out,
                    "semid perms      nsems   uid   gid  cuid  cgid      otime      ctime",
                )?;
                sets.iter().try_for_each(|set| semaphores(out, set))
            })
        }
        SystemVFile::SharedMemory => {
            let segments = source.shared_memory()?;
            written(|out| {
                head(
                    out,
                    "shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap",
                )?;
                segments.iter().try_for_each(|one| segment(out, one))
            })
        }
    }
}

fn head(out: &mut Text, columns: &str) -> Result {
    writeln!(out, "       key      {columns}")
}

/// Key, number and mode, with bits beyond the permissions.
fn begin(out: &mut Text, permission: &Permission, id: i32, more: u32) -> Result {
    let key = permission.key.cast_signed();
    write!(out, "{key:10} {id:10}  {:4o} ", permission.mode | more)
}

fn owners(out: &mut Text, permission: &Permission) -> Result {
    let Permission {
        uid,
        gid,
        creator_uid,
        creator_gid,
        ..
    } = permission;
    write!(out, "{uid:5} {gid:5} {creator_uid:5} {creator_gid:5} ")
}

fn message_queue(out: &mut Text, queue: &MessageStatus) -> Result {
    begin(out, &queue.permission, queue.id, 0)?;
    write!(out, " {:10} {:10} ", queue.bytes, queue.messages)?;
    write!(out, "{:5} {:5} ", queue.sender, queue.receiver)?;
    owners(out, &queue.permission)?;
    let MessageStatus {
        sent,
        received,
        changed,
        ..
    } = queue;
    writeln!(out, "{sent:10} {received:10} {changed:10}")
}

fn semaphores(out: &mut Text, set: &SemaphoreStatus) -> Result {
    begin(out, &set.permission, set.id, 0)?;
    write!(out, "{:10} ", set.count)?;
    owners(out, &set.permission)?;
    writeln!(out, "{:10} {:10}", set.operated, set.changed)
}

fn segment(out: &mut Text, segment: &SegmentStatus) -> Result {
    /// The segment goes with its last attachment (SHM_DEST).
    const REMOVED: u32 = 0o1000;
    let removed = if segment.removed { REMOVED } else { 0 };
    begin(out, &segment.permission, segment.id, removed)?;
    write!(out, "{:21} ", segment.size)?;
    write!(out, "{:5} {:5} ", segment.creator, segment.operator)?;
    write!(out, " {:5} ", segment.attachments)?;
    owners(out, &segment.permission)?;
    let SegmentStatus {
        attached,
        detached,
        changed,
        ..
    } = segment;
    write!(out, "{attached:10} {detached:10} {changed:10} ")?;
    let resident = segment.resident * PAGE_SIZE as u64;
    writeln!(out, "{resident:21} {:21}", 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const PERMISSION: Permission = Permission {
        key: 0xffff_fffe,
        uid: 1,
        gid: 2,
        creator_uid: 3,
        creator_gid: 4,
        mode: 0o640,
        sequence: 5,
    };

    fn line(write: impl FnOnce(&mut Text) -> Result) -> alloc::string::String {
        alloc::string::String::from_utf8(written(write).unwrap()).unwrap()
    }

    /// As the formats of ipc/msg.c, ipc/sem.c and ipc/shm.c of Linux print these numbers.
    #[test]
    fn lines_are_as_ipcs_reads_them() {
        let queue = MessageStatus {
            id: 7,
            permission: PERMISSION,
            sent: 11,
            received: 12,
            changed: 13,
            bytes: 14,
            messages: 15,
            capacity: 16,
            sender: 17,
            receiver: 18,
        };
        let set = SemaphoreStatus {
            id: 8,
            permission: PERMISSION,
            operated: 21,
            changed: 22,
            count: 23,
        };
        let shared = SegmentStatus {
            id: 9,
            permission: PERMISSION,
            removed: true,
            size: 31,
            attached: 32,
            detached: 33,
            changed: 34,
            creator: 35,
            operator: 36,
            attachments: 37,
            resident: 2,
        };
        for (found, expected) in [
            (
                line(|out| message_queue(out, &queue)),
                "        -2          7   640          14         15    17    18     1     2     3     4         11         12         13\n",
            ),
            (
                line(|out| semaphores(out, &set)),
                "        -2          8   640         23     1     2     3     4         21         22\n",
            ),
            (
                line(|out| segment(out, &shared)),
                "        -2          9  1640                    31    35    36     37     1     2     3     4         32         33         34                  8192                     0\n",
            ),
        ] {
            assert_eq!(found, expected);
        }
    }
}
