//! Names of sockets (`man 7 unix`, "Address format"): nodes in a file system, and abstract ones, which each partition has of
//! its own; and how addresses of all families get to programs and from them.

use super::super::Call;
use super::super::directory::{place, with_walk};
use crate::outcome::Outcome;
use crate::user::Segment;
use abi::Errno;
use abi::linux::{AF_UNIX, SOCKADDR_MAX};
use abi::mmu::Access as MemoryAccess;
use alloc::vec::Vec;
use core::net::SocketAddr;
use ipc::{Bound, Name, SocketPlace};
use net::{Domain, Given, Wire};
use security::Mode as Wanted;
use vfs::{FileKind, Follow, Mode, NodeContent};
use wait::Stop;

/// Longest path or abstract name in an address, in bytes.
const PATH_MAX: usize = 108;
/// Bytes of the family.
const FAMILY: usize = size_of::<u16>();

/// An address that a program gives.
pub enum Address {
    /// AF_UNSPEC: none, in place of one that there was.
    None,
    /// A family and nothing else: the kernel chooses a name.
    Any,
    /// A name: a path with its NUL, or an abstract one.
    Named(Vec<u8>),
}

/// An address as a program gets it: none of its bytes for a socket whose peer has no name.
#[derive(Clone, Copy)]
pub struct Shown {
    bytes: [u8; FAMILY + PATH_MAX],
    length: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            bytes: [0; FAMILY + PATH_MAX],
            length: 0,
        }
    }
}

impl Shown {
    fn of(parts: [&[u8]; 2]) -> Self {
        let mut shown = Self::default();
        let given = parts.iter().copied().flatten();
        for (place, byte) in shown.bytes.iter_mut().zip(given) {
            *place = *byte;
            shown.length += 1;
        }
        shown
    }

    /// The bytes of another family's address.
    pub fn plain(bytes: &[u8]) -> Self {
        Self::of([bytes, &[]])
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// An address of AF_UNIX; a socket without a name has a family only.
    pub fn unix(name: Option<&[u8]>) -> Self {
        Self::of([&AF_UNIX.to_le_bytes(), name.unwrap_or_default()])
    }
}

impl From<Wire> for Shown {
    fn from(wire: Wire) -> Self {
        Self::of([wire.bytes(), &[]])
    }
}

/// The bytes of an address that a program gives.
fn bytes_of<'a>(
    call: &Call<'_>,
    address: u64,
    length: u64,
    room: &'a mut [u8; SOCKADDR_MAX],
) -> Result<&'a [u8], Errno> {
    let length = usize::try_from(length as u32 as i32).map_err(|_| Errno::EINVAL)?;
    let bytes = room.get_mut(..length).ok_or(Errno::EINVAL)?;
    call.user.read(address, bytes)?;
    Ok(bytes)
}

/// Reads an address of AF_INET or AF_INET6.
///
/// # Errors
/// EINVAL for a length that cannot be; EAFNOSUPPORT for another family; EFAULT.
pub fn read_internet(
    call: &Call<'_>,
    domain: Domain,
    address: u64,
    length: u64,
) -> Result<Given, Errno> {
    domain.read(bytes_of(call, address, length, &mut [0; SOCKADDR_MAX])?)
}

/// Reads an address as it is; of a long one the start.
///
/// # Errors
/// EINVAL for a length that cannot be; EFAULT.
pub fn read_plain(call: &Call<'_>, address: u64, length: u64) -> Result<Shown, Errno> {
    let mut room = [0; SOCKADDR_MAX];
    Ok(Shown::plain(bytes_of(call, address, length, &mut room)?))
}

/// Reads one to bind to.
///
/// # Errors
/// As [`read_internet`].
pub fn read_own(
    call: &Call<'_>,
    domain: Domain,
    address: u64,
    length: u64,
) -> Result<SocketAddr, Errno> {
    domain.read_own(bytes_of(call, address, length, &mut [0; SOCKADDR_MAX])?)
}

/// Reads an address of AF_UNIX.
///
/// # Errors
/// EINVAL for another family and a length that cannot be; EFAULT.
pub fn read(call: &Call<'_>, address: u64, length: u64) -> Result<Address, Errno> {
    let mut bytes = [0; SOCKADDR_MAX];
    let bytes = bytes_of(call, address, length, &mut bytes)?;
    let Some((family, path)) = bytes.split_first_chunk::<FAMILY>() else {
        return Err(Errno::EINVAL);
    };
    match u16::from_le_bytes(*family) {
        0 => return Ok(Address::None),
        AF_UNIX => {}
        _ => return Err(Errno::EINVAL),
    }
    if path.len() > PATH_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(match path.first() {
        None => Address::Any,
        Some(0) => Address::Named(fallible::copy(path)?),
        Some(_) => {
            let end = path.iter().position(|byte| *byte == 0);
            let mut name = fallible::list(path.len() + 1)?;
            name.extend_from_slice(path.get(..end.unwrap_or(path.len())).unwrap_or_default());
            name.push(0);
            Address::Named(name)
        }
    })
}

/// Whether a name is in no file system.
fn is_abstract(name: &[u8]) -> bool {
    name.first() == Some(&0)
}

/// Makes a name known. A node gets the mode of the socket, of which the process withholds what it withholds of all.
///
/// # Errors
/// EADDRINUSE, and those of making a node.
pub fn publish(
    call: &Call<'_>,
    address: &Address,
    socket: &Bound,
    mode: Mode,
) -> Result<Name, Outcome> {
    match address {
        Address::None => Err(Errno::EINVAL.into()),
        Address::Any => Ok(choose(call, socket)?),
        Address::Named(name) if is_abstract(name) => {
            let name: Name = fallible::arc_slice(name)?;
            let environment = call.process().environment();
            environment.abstract_names.take(&name, socket)?;
            Ok(name)
        }
        Address::Named(name) => {
            let path = name.strip_suffix(&[0]).unwrap_or(name);
            let mode = Mode::new(mode.bits() & !place(call)?.umask);
            // Nothing may fail any more once the file is there.
            let name: Name = fallible::arc_slice(name)?;
            with_walk(call, |walk| {
                walk.make_node(None, path, &NodeContent::Socket, mode)
                    .map_err(|stop| match stop {
                        Stop::Error(Errno::EEXIST) => Stop::Error(Errno::EADDRINUSE),
                        other => other,
                    })?;
                let location = walk.resolve(None, path, Follow::No)?;
                let attachment = location.inode().attachment().ok_or(Errno::EADDRINUSE)?;
                let node = attachment.get_or_attach(SocketPlace::new)?;
                node.ok_or(Errno::EADDRINUSE)?.occupy(socket);
                Ok(())
            })?;
            Ok(name)
        }
    }
}

/// Five hexadecimal digits that nobody else has (`man 7 unix`, "Autobind feature").
fn choose(call: &Call<'_>, socket: &Bound) -> Result<Name, Errno> {
    const NAMES: u32 = 1 << 20;
    let environment = call.process().environment();
    for _ in 0..NAMES {
        let number = environment.next_name() % NAMES;
        let name = fallible::text(format_args!("\0{number:05x}"))?;
        let name: Name = fallible::arc_slice(name.as_bytes())?;
        match environment.abstract_names.take(&name, socket) {
            Ok(()) => return Ok(name),
            Err(Errno::EADDRINUSE) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Errno::ENOSPC)
}

/// The socket with a name.
///
/// # Errors
/// ECONNREFUSED when nobody has it; EINVAL for no name; ENOENT, EACCES and those of a path.
pub fn find(call: &Call<'_>, address: &Address) -> Result<Bound, Outcome> {
    let name = match address {
        Address::Named(name) => name,
        Address::None | Address::Any => return Err(Errno::EINVAL.into()),
    };
    if is_abstract(name) {
        let environment = call.process().environment();
        let found = environment.abstract_names.find(name);
        return found.ok_or(Errno::ECONNREFUSED.into());
    }
    let path = name.strip_suffix(&[0]).unwrap_or(name);
    with_walk(call, |walk| {
        let location = walk.resolve(None, path, Follow::Yes)?;
        let inode = location.inode();
        let metadata = inode.metadata(&walk.io)?;
        let mode = metadata.st_mode();
        walk.io
            .credential
            .may_access(metadata.uid, metadata.gid, mode, Wanted(Wanted::WRITE.0))?;
        if metadata.kind != FileKind::Socket {
            return Err(Errno::ECONNREFUSED.into());
        }
        let attachment = inode.attachment().ok_or(Errno::ECONNREFUSED)?;
        let node = attachment.get_or_attach(SocketPlace::new)?;
        let found = node.and_then(|node| node.socket());
        found.ok_or(Errno::ECONNREFUSED.into())
    })
}

/// Makes the place for an address resident: its length says how much there is room for.
///
/// # Errors
/// EINVAL for a negative length; EFAULT.
pub fn gather(call: &Call<'_>, address: u64, length_at: u64) -> Result<usize, Errno> {
    let place = Segment {
        address: length_at,
        length: size_of::<u32>(),
    };
    call.user.gather(place, MemoryAccess::Write)?;
    let room = call.user.u32(length_at)?.cast_signed();
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let length = room.min(FAMILY + PATH_MAX);
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    Ok(room)
}

/// Stores an address, as far as there is room; answers its whole length.
///
/// # Errors
/// EFAULT.
pub fn store(call: &Call<'_>, address: u64, room: usize, name: &Shown) -> Result<u32, Errno> {
    let stored = name.bytes.get(..name.length.min(room));
    call.user.write(address, stored.unwrap_or_default())?;
    Ok(name.length as u32)
}
