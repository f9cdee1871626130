//! What is told of a socket of AF_UNIX (`/proc/net/unix`; `man 7 sock_diag`).

use alloc::vec::Vec;

/// A socket that somebody has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixLine {
    /// Its inode.
    pub inode: u64,
    /// Its type, by number.
    pub kind: u32,
    /// Whether others may connect to it.
    pub listens: bool,
    /// Whether it has a peer.
    pub connected: bool,
    /// Its path with or without the NUL that ends it, or its abstract name, which begins with one; empty for none.
    pub name: Vec<u8>,
}
