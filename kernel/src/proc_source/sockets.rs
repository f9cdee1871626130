//! Sockets, as procfs tells of them.

use super::View;
use crate::calls::socket::unix_line;
use crate::dispatch::one_of_many;
use abi::{Errno, Pid};
use alloc::vec::Vec;
use fallible::{Map, NoMemory};
use ipc::UnixLine;
use net::{Counted, UnixSockets};
use procfs::{FamilyCounts, NetworkCounts, ProcSource, SocketLine};

/// A line of `/proc/net/tcp` and its like.
pub(super) fn line(line: &net::Line) -> SocketLine {
    SocketLine {
        local: line.local,
        remote: line.remote,
        is_v6: line.identity.is_v6,
        state: line.state,
        unsent: line.unsent,
        unread: line.unread,
        uid: line.identity.uid,
        inode: line.identity.inode,
    }
}

/// What has happened in a network.
pub(super) fn counts(stack: &net::Stack) -> NetworkCounts {
    let family = |[segments, sent, received, unclaimed, lost, echoes]: [Counted; 6]| FamilyCounts {
        segments: stack.counted(segments),
        sent: stack.counted(sent),
        received: stack.counted(received),
        unclaimed: stack.counted(unclaimed),
        lost: stack.counted(lost),
        echoes: stack.counted(echoes),
    };
    NetworkCounts {
        connecting: stack.counted(Counted::Connecting),
        accepted: stack.counted(Counted::Accepted),
        refused: stack.counted(Counted::Refused),
        reset: stack.counted(Counted::Reset),
        established: stack.connections() as u64,
        four: family([
            Counted::Segment,
            Counted::Sent,
            Counted::Received,
            Counted::Unclaimed,
            Counted::Lost,
            Counted::Echo,
        ]),
        six: family([
            Counted::Segment6,
            Counted::Sent6,
            Counted::Received6,
            Counted::Unclaimed6,
            Counted::Lost6,
            Counted::Echo6,
        ]),
    }
}

impl UnixSockets for View {
    fn unix_sockets(&self) -> Result<Vec<UnixLine>, Errno> {
        Ok(of_unix(self)?)
    }
}

/// Sockets of AF_UNIX that processes of the view's own partition have open, each once, by inode.
pub(super) fn of_unix(view: &View) -> Result<Vec<UnixLine>, NoMemory> {
    /// So many are told of.
    const LINES: usize = 1024;
    let mut found: Map<u64, UnixLine> = Map::new();
    let mut next = Some(Pid(1));
    while let Some(pid) = next.and_then(|from| view.process_from(from)) {
        next = pid.0.checked_add(1).map(Pid);
        let process = view.process(pid);
        let own = process.filter(|process| {
            let found = view.find(*process);
            found.is_some_and(|found| found.cid() == view.cid())
        });
        let mut descriptor = 0;
        while let Some((number, file)) = own.and_then(|own| view.file_from(own, descriptor)) {
            descriptor = number.saturating_add(1);
            if let Some(line) = unix_line(&file)? {
                found.insert(line.inode, line)?;
            }
            drop(file);
            one_of_many();
            if found.len() >= LINES {
                next = None;
                break;
            }
        }
    }
    let mut lines = fallible::list(found.len())?;
    while let Some((_, line)) = found.pop_first() {
        lines.push(line);
    }
    Ok(lines)
}
