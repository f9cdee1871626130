//! Files on their way through sockets (`man 7 unix`, SCM_RIGHTS), and that no socket ever carries itself.
//!
//! A file in a message is open as long as the message waits. A socket that waited in its own inbox, or in one that waits in
//! its own, would stay open for ever once its descriptors are closed. Linux looks for such circles and breaks them; here
//! they are not made: sending the file that would close one fails with ETOOMANYREFS. All sends of sockets are one after
//! another, so that two cannot close a circle between them.

use crate::channel::ChannelEnd;
use crate::datagram::DatagramSocket;
use crate::listener::StreamSocket;
use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use sync::{Guard, Rank, SpinLock};
use vfs::OpenFile;

static FLIGHT: SpinLock<()> = SpinLock::new(Rank::OpenFile, ());

/// Who has an inbox: an address, and which end of what is there.
pub type Node = (usize, bool);

/// What is looked at in search of a circle; more than that is refused too.
const LIMIT: usize = 256;

/// A send of sockets that makes no circle; the next one waits for its end.
pub struct Flight {
    // Dropped first, for the files may be the last of theirs.
    _guard: Guard<'static, ()>,
    _seen: Vec<Arc<OpenFile>>,
}

/// What a file carries.
enum Carries {
    Nothing,
    Socket,
}

fn carries(file: &OpenFile) -> Carries {
    let operations: &dyn Any = &**file.operations();
    let socket = operations.is::<ChannelEnd>()
        || operations.is::<StreamSocket>()
        || operations.is::<DatagramSocket>();
    if socket {
        Carries::Socket
    } else {
        Carries::Nothing
    }
}

/// Lets files be put into an inbox, if that makes no circle; `None` when there is no socket among them.
///
/// # Errors
/// ETOOMANYREFS; ENOMEM.
pub fn admit(files: &[Arc<OpenFile>], into: Node) -> Result<Option<Flight>, Errno> {
    if !files
        .iter()
        .any(|file| matches!(carries(file), Carries::Socket))
    {
        return Ok(None);
    }
    let mut seen: Vec<Arc<OpenFile>> = Vec::new();
    seen.try_reserve(files.len()).map_err(|_| Errno::ENOMEM)?;
    seen.extend(files.iter().cloned());
    let guard = FLIGHT.lock();
    let mut at = 0;
    let mut circle = false;
    while let Some(file) = seen.get(at).cloned() {
        circle |= look(&file, into, &mut seen)?;
        at += 1;
        if seen.len() > LIMIT {
            circle = true;
        }
        if circle {
            break;
        }
    }
    if circle {
        drop(guard);
        return Err(Errno::ETOOMANYREFS);
    }
    Ok(Some(Flight {
        _guard: guard,
        _seen: seen,
    }))
}

/// Adds what waits in a file's inboxes; answers whether one of these is `wanted`.
fn look(file: &OpenFile, wanted: Node, found: &mut Vec<Arc<OpenFile>>) -> Result<bool, Errno> {
    let operations: &dyn Any = &**file.operations();
    if let Some(end) = operations.downcast_ref::<ChannelEnd>() {
        end.carried(found)?;
        return Ok(end.node() == wanted);
    }
    if let Some(socket) = operations.downcast_ref::<StreamSocket>() {
        return socket.carried(wanted, found);
    }
    if let Some(socket) = operations.downcast_ref::<DatagramSocket>() {
        socket.carried(found)?;
        return Ok(socket.node() == wanted);
    }
    Ok(false)
}
