//! The file system of pseudoterminals (`man 4 pts`).
//!
//! Every environment has one [`Devpts`] of its own: it numbers the pseudoterminals that its processes open, from 0 on,
//! and shows the slaves by number. A number is taken until both ends have gone; the name is there only as long as the
//! master is open. Terminals themselves are made by the kernel and live in their open files; this file system refers to
//! them without keeping them, so it goes with its environment.
//!
//! Lock: one for the numbers of an environment, of rank [`Rank::Inode`]. No terminal is asked or dropped under it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod node;

use abi::{Cid, Errno};
use alloc::sync::{Arc, Weak};
use fallible::{Map, NoMemory};
use node::{Attributes, Node};
use security::{Absent, Credential, Tagged};
use sync::{Rank, SpinLock};
use tty::{Lease, PtyMaster};
use vfs::{Clock, DeviceNumber, Inode, IoContext, Mode, Timestamp};

/// The pseudoterminals of one environment.
pub struct Devpts {
    view: Arc<View>,
}

pub(crate) struct View {
    device: DeviceNumber,
    clock: Arc<dyn Clock>,
    made: Timestamp,
    limit: u32,
    numbers: Tagged<Arc<SpinLock<Numbers>>>,
}

#[derive(Default)]
pub(crate) struct Numbers {
    taken: Map<u32, Slot>,
    /// No number below this is free.
    lowest: u32,
}

/// A number that is taken.
struct Slot {
    /// Dangling when the master is gone, or does not exist yet.
    master: Weak<PtyMaster>,
    attributes: Attributes,
}

/// The device number of a slave (admin-guide/devices.txt of Linux, "Unix98 PTY slaves").
#[must_use]
pub const fn slave_number(number: u32) -> DeviceNumber {
    const MAJOR: u32 = 136;
    DeviceNumber::new(MAJOR, number)
}

/// The group `tty`, which may write to slaves (`man 1 mesg`), as Debian numbers it.
const TTY_GROUP: u32 = 5;
/// Permission bits of a new slave.
const SLAVE_MODE: Mode = Mode::new(0o620);

impl Devpts {
    /// No pseudoterminals yet, and at most `limit` at once.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        device: DeviceNumber,
        owner: Cid,
        limit: u32,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoMemory> {
        let made = clock.now();
        let numbers = fallible::arc(SpinLock::new(Rank::Inode, Numbers::default()))?;
        let view = View {
            device,
            clock,
            made,
            limit,
            numbers: Tagged::new(owner, numbers),
        };
        Ok(Self {
            view: fallible::arc(view)?,
        })
    }

    /// Makes a pseudoterminal with the lowest free number; its slave is the caller's.
    ///
    /// # Errors
    /// ENOSPC at the limit, ENOMEM, ENOENT in another partition, what `make` says.
    pub fn open_master(
        &self,
        cx: &IoContext<'_>,
        make: impl FnOnce(u32, Lease) -> Result<Arc<PtyMaster>, Errno>,
    ) -> Result<Arc<PtyMaster>, Errno> {
        let numbers = self.view.numbers(cx.credential)?;
        let now = self.view.clock.now();
        let number = {
            let mut numbers = numbers.lock();
            let number = numbers.lowest_free();
            if number >= self.view.limit {
                return Err(Errno::ENOSPC);
            }
            let attributes = Attributes {
                mode: SLAVE_MODE,
                uid: cx.credential.identity.fsuid,
                gid: TTY_GROUP,
                accessed: now,
                modified: now,
                changed: now,
            };
            let slot = Slot {
                master: Weak::new(),
                attributes,
            };
            numbers.taken.insert(number, slot)?;
            numbers.lowest = number + 1;
            number
        };
        let taken = Taken {
            numbers: numbers.clone(),
            number,
        };
        let master = make(number, fallible::boxed(taken)?)?;
        if let Some(slot) = numbers.lock().taken.get_mut(&number) {
            slot.master = Arc::downgrade(&master);
        }
        Ok(master)
    }

    /// The root directory, for [`vfs::FileSystem::new`].
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn root(&self) -> Result<Arc<dyn Inode>, NoMemory> {
        let root: Arc<dyn Inode> = fallible::arc(Node::root(&self.view))?;
        Ok(root)
    }
}

impl Numbers {
    fn lowest_free(&self) -> u32 {
        let mut number = self.lowest;
        for taken in self
            .taken
            .range::<u32>(self.lowest..)
            .map(|(taken, _)| *taken)
        {
            if taken != number {
                break;
            }
            number += 1;
        }
        number
    }
}

impl View {
    fn numbers(&self, credential: &Credential) -> Result<&Arc<SpinLock<Numbers>>, Errno> {
        self.numbers.reach(credential).map_err(Absent::no_entry)
    }

    /// The master with a number, if it is open.
    fn master(&self, credential: &Credential, number: u32) -> Result<Arc<PtyMaster>, Errno> {
        let found = self
            .numbers(credential)?
            .lock()
            .taken
            .get(&number)
            .map(|slot| slot.master.clone());
        let master = found.and_then(|master| master.upgrade());
        master
            .filter(|master| master.is_open())
            .ok_or(Errno::ENOENT)
    }

    /// The lowest number from `number` on whose master is open.
    fn shown_from(&self, credential: &Credential, number: u32) -> Result<Option<u32>, Errno> {
        let numbers = self.numbers(credential)?;
        let mut at = number;
        loop {
            let next = numbers
                .lock()
                .taken
                .range::<u32>(at..)
                .next()
                .map(|(at, _)| *at);
            let Some(next) = next else { return Ok(None) };
            if self.master(credential, next).is_ok() {
                return Ok(Some(next));
            }
            at = next + 1;
        }
    }
}

/// A number that a pseudoterminal has.
struct Taken {
    numbers: Arc<SpinLock<Numbers>>,
    number: u32,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut numbers = self.numbers.lock();
        numbers.taken.remove(&self.number);
        numbers.lowest = numbers.lowest.min(self.number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
