//! The memory of a process as a file (`man 5 proc`, /proc/pid/mem).
//!
//! Whoever has opened it goes on with it as a tracer may, whatever becomes of both; the memory itself is not kept by that.

use crate::process::Process;
use crate::space::Space;
use abi::{Errno, PAGE_SIZE};
use alloc::sync::{Arc, Weak};
use fallible::NoMemory;
use memory::FaultError;
use vfs::{FileOperations, IoContext, Seek};
use wait::{Attempt, Sink, Source, Stop};

/// Bytes that one call moves at most.
const STEP: usize = 16 * PAGE_SIZE;

/// Such a file.
pub struct MemoryFile {
    space: Weak<Space>,
}

impl MemoryFile {
    /// The memory that a process has now.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(process: &Process) -> Result<Arc<Self>, NoMemory> {
        let space = process.space();
        let space = space.map_or_else(|_| Weak::new(), |space| Arc::downgrade(&space));
        fallible::arc(Self { space })
    }
}

/// As much of a page from an address on as a transfer of `length` bytes moves.
fn piece(address: u64, length: usize) -> usize {
    (PAGE_SIZE - address as usize % PAGE_SIZE).min(length)
}

/// What a transfer answers that meets a fault after `done` bytes.
fn faulted(done: usize, fault: FaultError) -> Attempt<usize> {
    match fault {
        _ if done > 0 => Ok(done),
        FaultError::OutOfMemory => Err(Errno::ENOMEM.into()),
        FaultError::Pending => Err(Stop::Again),
        FaultError::NoMapping | FaultError::Denied | FaultError::BeyondEnd => {
            Err(Errno::EIO.into())
        }
    }
}

impl FileOperations for MemoryFile {
    fn read(&self, _cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let Some(space) = self.space.upgrade() else {
            return Ok(0);
        };
        let mut page = fallible::filled(0, PAGE_SIZE)?;
        let (mut done, most) = (0, sink.room().min(STEP));
        while done < most {
            let at = position.wrapping_add(done as u64);
            let part = piece(at, most - done);
            let bytes = page.get_mut(..part).unwrap_or_default();
            // The lock is given back before the bytes go to the memory of the one who asks.
            let read = space.lock().peek(at, bytes);
            if let Err(fault) = read {
                return faulted(done, fault);
            }
            sink.put(bytes)?;
            done += part;
        }
        Ok(done)
    }

    fn write(&self, _cx: &IoContext<'_>, position: u64, source: &mut dyn Source) -> Attempt<usize> {
        let Some(space) = self.space.upgrade() else {
            return Ok(0);
        };
        let mut page = fallible::filled(0, PAGE_SIZE)?;
        let (mut done, most) = (0, source.remaining().min(STEP));
        while done < most {
            let at = position.wrapping_add(done as u64);
            let part = piece(at, most - done);
            let bytes = page.get_mut(..part).unwrap_or_default();
            source.take(bytes)?;
            let written = space.lock().poke(at, bytes);
            if let Err(fault) = written {
                return faulted(done, fault);
            }
            done += part;
        }
        Ok(done)
    }

    fn seek(&self) -> Seek {
        Seek::Yes
    }
}
