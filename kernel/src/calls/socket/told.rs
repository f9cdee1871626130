//! What is told of sockets of AF_UNIX (`man 5 proc`, /proc/net/unix).

use super::{Socket, socket_of, stream_of};
use abi::linux::{SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use fallible::NoMemory;
use ipc::{ChannelKind, Name, UnixLine};
use vfs::OpenFile;

/// The line of a socket; `None` for another file.
///
/// # Errors
/// [`NoMemory`].
pub fn unix_line(file: &OpenFile) -> Result<Option<UnixLine>, NoMemory> {
    let (socket, metadata) = (socket_of(file), file.operations().metadata());
    let (Some(socket), Some(metadata)) = (socket, metadata) else {
        return Ok(None);
    };
    let own = || stream_of(file).and_then(|stream| stream.name());
    let (name, connected, listens): (Option<Name>, bool, bool) = match &socket {
        Socket::End(end) => (end.name().or_else(own), end.has_peer(), false),
        Socket::Stream(stream) => (stream.name(), false, stream.listens()),
        Socket::Datagram(datagram) => (datagram.name(), datagram.peer_name().is_some(), false),
        Socket::Tcp(_) | Socket::Udp(_) | Socket::Netlink(_) => return Ok(None),
    };
    Ok(Some(UnixLine {
        inode: metadata.id.number,
        kind: match socket.kind() {
            ChannelKind::Stream => SOCK_STREAM,
            ChannelKind::SeqPacket => SOCK_SEQPACKET,
            ChannelKind::Datagram => SOCK_DGRAM,
        },
        listens,
        connected,
        name: fallible::copy(name.as_deref().unwrap_or_default())?,
    }))
}
