//! Sockets, as procfs tells of them.

use procfs::SocketLine;

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
