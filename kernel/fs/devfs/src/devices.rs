//! The list of all devices.

use abi::Errno;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use fallible::{Map, NoMemory};
use sync::{Rank, SpinLock};
use vfs::{Access, DeviceNumber, FileOperations, IoContext, Mode};
use wait::Attempt;

/// A device that can be opened.
pub trait Device: Send + Sync {
    /// What an open file of the device does.
    ///
    /// # Errors
    /// ENXIO, EBUSY and what else the device has to say; may park.
    fn open(&self, cx: &IoContext<'_>, access: Access) -> Attempt<Arc<dyn FileOperations>>;
}

/// Who sees a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// Global only.
    GlobalOnly,
    /// Partitions too, unless their own selection says otherwise.
    Partitions,
}

/// What a name in the directory is.
#[derive(Clone)]
pub enum What {
    /// A device of bytes.
    Device(DeviceNumber, Arc<dyn Device>),
    /// A symbolic link.
    Link(&'static str),
    /// An empty directory to mount on.
    Directory,
}

/// A name in the directory.
#[derive(Clone)]
pub struct Item {
    /// The name.
    pub name: Arc<str>,
    /// Permission bits.
    pub mode: Mode,
    /// Who sees it.
    pub export: Export,
    /// What it is.
    pub what: What,
    /// Its inode number and place in the order of the directory; given by [`Devices`].
    pub(crate) number: u64,
}

impl Item {
    /// A device.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn device(
        name: &str,
        mode: u32,
        export: Export,
        number: DeviceNumber,
        device: Arc<dyn Device>,
    ) -> Result<Self, NoMemory> {
        Ok(Self {
            name: fallible::arc_str(name)?,
            mode: Mode::new(mode),
            export,
            what: What::Device(number, device),
            number: 0,
        })
    }

    /// A device of Global's root: no partition gets it.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn of_global(
        name: &str,
        number: DeviceNumber,
        device: impl Device + 'static,
    ) -> Result<Self, NoMemory> {
        let device = fallible::arc(device)?;
        Self::device(name, 0o600, Export::GlobalOnly, number, device)
    }

    /// A symbolic link that every environment sees.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn link(name: &str, target: &'static str) -> Result<Self, NoMemory> {
        let what = What::Link(target);
        Ok(Self {
            name: fallible::arc_str(name)?,
            mode: Mode::new(0o777),
            export: Export::Partitions,
            what,
            number: 0,
        })
    }

    /// An empty directory that every environment sees.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn directory(name: &str) -> Result<Self, NoMemory> {
        let what = What::Directory;
        Ok(Self {
            name: fallible::arc_str(name)?,
            mode: Mode::new(0o755),
            export: Export::Partitions,
            what,
            number: 0,
        })
    }
}

/// Which of the listed devices an environment sees.
#[derive(Clone, Debug)]
pub enum Selection {
    /// All: Global.
    All,
    /// Those exported to partitions.
    Exported,
    /// Those exported to partitions and named here; links and directories are always seen.
    Only(Arc<Map<Arc<str>, ()>>),
}

impl Selection {
    pub(crate) fn shows(&self, item: &Item) -> bool {
        let exported = item.export == Export::Partitions;
        match self {
            Selection::All => true,
            Selection::Exported => exported,
            Selection::Only(names) => {
                exported
                    && (!matches!(item.what, What::Device(..)) || names.contains_key(&item.name))
            }
        }
    }
}

/// The list of all devices, links and directories of `/dev`.
pub struct Devices {
    next: AtomicU64,
    list: SpinLock<List>,
}

#[derive(Default)]
struct List {
    by_name: Map<Arc<str>, Arc<Item>>,
    by_number: Map<u64, Arc<Item>>,
}

impl Default for Devices {
    fn default() -> Self {
        Self::new()
    }
}

impl Devices {
    /// The number of the root directory of every environment.
    pub(crate) const ROOT: u64 = 1;

    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        let list = SpinLock::new(Rank::Inode, List::default());
        Self {
            next: AtomicU64::new(Self::ROOT + 1),
            list,
        }
    }

    /// Adds an item to the list; environments see it at once.
    ///
    /// # Errors
    /// EEXIST, ENOMEM.
    pub fn register(&self, item: Item) -> Result<(), Errno> {
        let item = self.number(item)?;
        let mut list = self.list.lock();
        if list.by_name.contains_key(&item.name) {
            return Err(Errno::EEXIST);
        }
        list.by_name.insert(item.name.clone(), item.clone())?;
        if list.by_number.insert(item.number, item.clone()).is_err() {
            list.by_name.remove(&item.name);
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    pub(crate) fn number(&self, item: Item) -> Result<Arc<Item>, NoMemory> {
        fallible::arc(Item {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            ..item
        })
    }

    /// The device with a number, for nodes in other file systems; `exported` asks only for those that partitions see.
    #[must_use]
    pub fn by_device_number(
        &self,
        number: DeviceNumber,
        exported: bool,
    ) -> Option<Arc<dyn Device>> {
        let list = self.list.lock();
        list.by_number.values().find_map(|item| match &item.what {
            What::Device(own, device)
                if *own == number && (!exported || item.export == Export::Partitions) =>
            {
                Some(device.clone())
            }
            _ => None,
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Item>> {
        self.list.lock().by_name.get(name).cloned()
    }

    pub(crate) fn at_or_after(&self, number: u64) -> Option<Arc<Item>> {
        self.list
            .lock()
            .by_number
            .range::<u64>(number..)
            .next()
            .map(|(_, item)| item.clone())
    }
}
