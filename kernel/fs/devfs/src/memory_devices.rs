//! `null`, `zero`, `full`, `random` and `urandom` (`man 4 null`, `man 4 full`, `man 4 random`).

use crate::{Device, Devices, Export, Item};
use abi::{Cid, Errno};
use alloc::sync::Arc;
use memory::{PageSource, SharedPages};
use vfs::{Access, DeviceNumber, FileOperations, IoContext, Seek};
use wait::{Attempt, Sink, Source, Stop};

/// Bytes that nobody can foretell; the kernel brings a source of them.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// How many bytes are made at once; they pass over the kernel's stack.
const CHUNK: usize = 512;

/// Registers the five devices, and the links that programs expect in `/dev`: `fd`, `stdin`, `stdout`, `stderr`.
///
/// # Errors
/// EEXIST when one of the names is taken.
pub fn register_memory_devices(devices: &Devices, entropy: &Arc<dyn Entropy>) -> Result<(), Errno> {
    let random = || Kind::Random(entropy.clone());
    // The numbers are those of Linux's admin-guide/devices.txt.
    for (name, minor, kind) in [
        ("null", 3, Kind::Null),
        ("zero", 5, Kind::Zero),
        ("full", 7, Kind::Full),
        ("random", 8, random()),
        ("urandom", 9, random()),
    ] {
        let number = DeviceNumber::new(1, minor);
        devices.register(Item::device(
            name,
            0o666,
            Export::Partitions,
            number,
            fallible::arc(kind)?,
        )?)?;
    }
    let own_files = "/proc/self/fd";
    devices.register(Item::link("fd", own_files)?)?;
    for (name, target) in [
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        devices.register(Item::link(name, target)?)?;
    }
    Ok(())
}

#[derive(Clone)]
enum Kind {
    Null,
    Zero,
    Full,
    Random(Arc<dyn Entropy>),
}

impl Device for Kind {
    fn open(&self, cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        Ok(fallible::arc(Opened {
            kind: self.clone(),
            owner: cx.credential.cid,
        })?)
    }
}

struct Opened {
    kind: Kind,
    /// Who is charged for mapped pages.
    owner: Cid,
}

impl FileOperations for Opened {
    fn read(&self, _cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let mut buffer = [0u8; CHUNK];
        if matches!(self.kind, Kind::Null) {
            return Ok(0);
        }
        let mut done = 0;
        loop {
            let length = sink.room().min(CHUNK);
            let bytes = buffer.get_mut(..length).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(done);
            }
            if let Kind::Random(entropy) = &self.kind {
                entropy.fill(bytes);
            }
            match sink.put(bytes) {
                Ok(()) => done += length,
                Err(Stop::Error(_)) if done > 0 => return Ok(done),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// What is written is not looked at: `null` and its like take any amount, even from bad addresses.
    fn write(
        &self,
        _cx: &IoContext<'_>,
        _position: u64,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        match self.kind {
            Kind::Full if source.remaining() > 0 => Err(Errno::ENOSPC.into()),
            _ => Ok(source.remaining()),
        }
    }

    fn seek(&self) -> Seek {
        Seek::Ignored
    }

    /// Mapping `zero` gives fresh anonymous memory; without memory for that it cannot be mapped.
    fn pages(&self) -> Option<Arc<dyn PageSource>> {
        match self.kind {
            Kind::Zero => {
                let pages = fallible::arc(SharedPages::new(self.owner, u64::MAX)).ok()?;
                Some(pages)
            }
            _ => None,
        }
    }
}
