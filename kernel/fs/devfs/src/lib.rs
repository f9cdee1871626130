//! The device file system.
//!
//! The kernel keeps one [`Devices`], the list of all devices. A [`Devfs`] is what one environment sees of it:
//! Global everything, a partition what is exported to it, and devices of its own (its console). An environment
//! only stores what differs from the list, so it costs a few hundred bytes; nodes are made when they are looked up.
//! Files that programs make beside the devices (`/dev/log`, say) are in a file system in memory that the kernel brings when
//! the first is made.
//!
//! `null`, `zero`, `full`, `random` and `urandom` live here ([`register_memory_devices`]); all others are brought by the
//! kernel as [`Device`]s.
//!
//! Locks: the list and an environment's state, both of rank [`Rank::Inode`] and never held together.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod devices;
mod files;
mod memory_devices;
mod node;

pub use devices::{Device, Devices, Export, Item, Selection, What};
pub use memory_devices::{Entropy, register_memory_devices};

use abi::{Cid, Errno};
use alloc::sync::Arc;
use fallible::{Map, NoMemory};
use node::{Attributes, Node};
use security::{Absent, Tagged};
use spin::Once;
use sync::{Rank, SpinLock};
use vfs::{Clock, DeviceNumber, Inode, IoContext, Timestamp};

/// Makes the directory in memory for the files of one partition that are no devices.
pub type MakeFiles = fn(Cid) -> Result<Arc<dyn Inode>, Errno>;

/// The devices of one environment.
pub struct Devfs {
    view: Arc<View>,
    devices: Arc<Devices>,
}

/// What an environment sees.
pub(crate) struct View {
    device: DeviceNumber,
    devices: Tagged<Arc<Devices>>,
    selection: Selection,
    clock: Arc<dyn Clock>,
    made: Timestamp,
    state: SpinLock<ViewState>,
    /// What is no device, and how its directory is made.
    files: Once<Arc<dyn Inode>>,
    make_files: MakeFiles,
}

#[derive(Default)]
pub(crate) struct ViewState {
    /// Devices that only this environment has; they come before those of the list.
    own: Map<Arc<str>, Arc<Item>>,
    /// Nodes whose owner or mode was changed here.
    changed: Map<u64, Attributes>,
}

impl Devfs {
    /// The devices that `owner` sees: of `devices`, those that `selection` lets through.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        device: DeviceNumber,
        owner: Cid,
        devices: &Arc<Devices>,
        selection: Selection,
        clock: Arc<dyn Clock>,
        make_files: MakeFiles,
    ) -> Result<Self, NoMemory> {
        let made = clock.now();
        let state = SpinLock::new(Rank::Inode, ViewState::default());
        let view = fallible::arc(View {
            device,
            devices: Tagged::new(owner, devices.clone()),
            selection,
            clock,
            made,
            state,
            files: Once::new(),
            make_files,
        })?;
        Ok(Self {
            view,
            devices: devices.clone(),
        })
    }

    /// Gives this environment a device, directory or link of its own; one of the same name in the list is hidden.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn add(&self, item: Item) -> Result<(), NoMemory> {
        let item = self.devices.number(item)?;
        let former = self.view.state.lock().own.insert(item.name.clone(), item);
        former.map(drop)
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

impl View {
    fn devices(&self, cx: &IoContext<'_>) -> Result<&Devices, Errno> {
        let reached = self.devices.reach(cx.credential);
        reached.map(|devices| &**devices).map_err(Absent::no_entry)
    }

    fn item(&self, devices: &Devices, name: &str) -> Option<Arc<Item>> {
        let own = self.state.lock().own.get(name).cloned();
        own.or_else(|| devices.get(name).filter(|item| self.selection.shows(item)))
    }

    /// The visible item with the lowest number from `number` on.
    fn item_from(&self, devices: &Devices, number: u64) -> Option<Arc<Item>> {
        let own = {
            let state = self.state.lock();
            state
                .own
                .values()
                .filter(|item| item.number >= number)
                .min_by_key(|item| item.number)
                .cloned()
        };
        let hidden = |item: &Arc<Item>| self.state.lock().own.contains_key(&item.name);
        let mut at = number;
        let listed = loop {
            let Some(item) = devices.at_or_after(at) else {
                break None;
            };
            if self.selection.shows(&item) && !hidden(&item) {
                break Some(item);
            }
            at = item.number + 1;
        };
        [own, listed]
            .into_iter()
            .flatten()
            .min_by_key(|item| item.number)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
