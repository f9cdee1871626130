//! The entries of one instance: found by file, and in the order in which they became ready.

use super::{Epoll, Interest, Share, Watch};
use abi::Errno;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fallible::Map;
use vfs::OpenFile;
use wait::{Link, Ticket};

/// What an entry is found by: a descriptor's number, and the open file that it had when it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub descriptor: u32,
    /// The address of the open file, which is not used again as long as the entry refers to it.
    pub file: usize,
}

/// A place of an entry, and which of those that have had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    place: u32,
    serial: u64,
}

impl Handle {
    pub fn place(self) -> u32 {
        self.place
    }
}

/// A file that is watched.
pub struct Entry {
    pub key: Key,
    pub file: Weak<OpenFile>,
    pub interest: Interest,
    pub watch: Arc<Watch>,
    /// The number under which the file knows of the watch.
    pub registration: u64,
    /// The instance that the file is, if it is one.
    pub below: Option<Weak<Epoll>>,
    /// Whether it reports: a one-shot entry does so once.
    pub armed: bool,
    /// The present enrolment; wake-ups for earlier ones are void.
    pub ticket: Ticket,
    /// Its places in the file's queues.
    pub links: Links,
    /// That it is counted.
    pub share: Share,
}

/// The places of an entry in queues: a file enrols it in two at most.
#[derive(Default)]
pub struct Links([Option<Link>; 2]);

impl Links {
    /// Notes a link, or gives it back when there is no room.
    pub fn push(&mut self, link: Link) -> Option<Link> {
        match self.0.iter_mut().find(|place| place.is_none()) {
            Some(place) => place.replace(link),
            None => Some(link),
        }
    }

    /// Leaves the queues.
    pub fn withdraw(self) {
        self.0.into_iter().flatten().for_each(Link::withdraw);
    }
}

enum Place {
    Free {
        next: Option<u32>,
    },
    Used {
        serial: u64,
        node: Node,
        entry: Entry,
    },
}

/// Neighbours in the list of those that are ready.
#[derive(Clone, Copy, Default)]
struct Node {
    listed: bool,
    before: Option<u32>,
    after: Option<u32>,
}

/// All entries. Adding one may fail for want of memory; nothing else takes any.
#[derive(Default)]
pub struct List {
    places: Vec<Place>,
    free: Option<u32>,
    index: Map<Key, u32>,
    serial: u64,
    first: Option<u32>,
    last: Option<u32>,
    ready: usize,
}

impl List {
    /// How many are ready.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Finds an entry.
    pub fn find(&self, key: Key) -> Option<Handle> {
        self.index
            .get(&key)
            .and_then(|place| match self.places.get(*place as usize) {
                Some(Place::Used { serial, .. }) => Some(Handle {
                    place: *place,
                    serial: *serial,
                }),
                _ => None,
            })
    }

    /// Adds what `make` gives for the new entry's handle.
    ///
    /// # Errors
    /// EEXIST, ENOMEM.
    pub fn insert(
        &mut self,
        key: Key,
        make: impl FnOnce(Handle) -> Result<Entry, Errno>,
    ) -> Result<Handle, Errno> {
        if self.find(key).is_some() {
            return Err(Errno::EEXIST);
        }
        self.places.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let place = match self.free {
            Some(place) => place,
            None => u32::try_from(self.places.len()).map_err(|_| Errno::ENOMEM)?,
        };
        let handle = Handle {
            place,
            serial: self.serial,
        };
        let used = Place::Used {
            serial: self.serial,
            node: Node::default(),
            entry: make(handle)?,
        };
        self.index.insert(key, place)?;
        self.serial += 1;
        match self.places.get_mut(place as usize) {
            Some(old) => {
                if let Place::Free { next } = *old {
                    self.free = next;
                }
                *old = used;
            }
            None => self.places.push(used),
        }
        Ok(handle)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, handle: Handle) -> Option<Entry> {
        let key = self.get(handle)?.key;
        self.unlist(handle.place);
        self.index.remove(&key);
        let free = Place::Free { next: self.free };
        match core::mem::replace(self.places.get_mut(handle.place as usize)?, free) {
            Place::Used { entry, .. } => {
                self.free = Some(handle.place);
                Some(entry)
            }
            Place::Free { .. } => None,
        }
    }

    /// The entry with the first place from `place` on.
    pub fn from(&self, place: u32) -> Option<Handle> {
        let places = (place..).zip(self.places.get(place as usize..)?);
        places
            .filter_map(|(place, used)| match used {
                Place::Used { serial, .. } => Some(Handle {
                    place,
                    serial: *serial,
                }),
                Place::Free { .. } => None,
            })
            .next()
    }

    /// An entry that is still there.
    pub fn get(&mut self, handle: Handle) -> Option<&mut Entry> {
        match self.places.get_mut(handle.place as usize) {
            Some(Place::Used { serial, entry, .. }) if *serial == handle.serial => Some(entry),
            _ => None,
        }
    }

    fn node(&mut self, place: u32) -> Option<&mut Node> {
        match self.places.get_mut(place as usize) {
            Some(Place::Used { node, .. }) => Some(node),
            _ => None,
        }
    }

    /// Puts an entry at the end of those that are ready; answers whether it was not among them.
    pub fn list(&mut self, handle: Handle) -> bool {
        if self.get(handle).is_none() {
            return false;
        }
        let before = self.last;
        match self.node(handle.place) {
            Some(node) if !node.listed => {
                *node = Node {
                    listed: true,
                    before,
                    after: None,
                };
            }
            _ => return false,
        }
        match before.and_then(|before| self.node(before)) {
            Some(node) => node.after = Some(handle.place),
            None => self.first = Some(handle.place),
        }
        self.last = Some(handle.place);
        self.ready += 1;
        true
    }

    /// Takes the first that became ready.
    pub fn take_ready(&mut self) -> Option<Handle> {
        let place = self.first?;
        self.unlist(place);
        match self.places.get(place as usize) {
            Some(Place::Used { serial, .. }) => Some(Handle {
                place,
                serial: *serial,
            }),
            _ => None,
        }
    }

    fn unlist(&mut self, place: u32) {
        let Some(node) = self.node(place).filter(|node| node.listed) else {
            return;
        };
        let Node { before, after, .. } = core::mem::take(node);
        match before.and_then(|before| self.node(before)) {
            Some(node) => node.after = after,
            None => self.first = after,
        }
        match after.and_then(|after| self.node(after)) {
            Some(node) => node.before = before,
            None => self.last = before,
        }
        self.ready -= 1;
    }
}
