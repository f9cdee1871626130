//! Who is told of what happens to files (`man 7 inotify`).
//!
//! A [`Watch`] is of one inode, by its number, and keeps nothing alive. Whoever does something to a file tells of it here: the
//! watches of its directory hear of it with the name, then the file's own without. While nobody watches anything that
//! costs one look at a counter.
//!
//! Between partitions only changes are told. That a file was opened, read or closed after reading is told to its own
//! partition and to Global: a file that several see must not say what others do.
//!
//! Lock: the watches of some inodes ([`Rank::OpenFile`]); observers are told with it held, and take later ones.

use crate::{FileKind, Inode, InodeId, Location};
use abi::Cid;
use alloc::sync::Weak;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use fallible::{Map, NoMemory, Push};
use sync::{Rank, SpinLock};

bitflags! {
    /// What happens to a file, with the numbers of `inotify`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Events: u32 {
        /// It was read.
        const ACCESS = 1;
        /// Its contents were changed.
        const MODIFY = 2;
        /// Its metadata were changed.
        const ATTRIB = 4;
        /// It was closed that was open for writing.
        const CLOSE_WRITE = 8;
        /// It was closed that was not open for writing.
        const CLOSE_NOWRITE = 0x10;
        /// It was opened.
        const OPEN = 0x20;
        /// A name was moved away.
        const MOVED_FROM = 0x40;
        /// A name was moved here.
        const MOVED_TO = 0x80;
        /// A name was made.
        const CREATE = 0x100;
        /// A name was taken away.
        const DELETE = 0x200;
        /// The file itself is gone.
        const DELETE_SELF = 0x400;
        /// The file itself was moved.
        const MOVE_SELF = 0x800;
        /// Its file system is gone.
        const UNMOUNT = 0x2000;
        /// It is a directory.
        const DIRECTORY = 0x4000_0000;
    }
}

impl Events {
    /// What says nothing about the file but that somebody looked at it.
    const READING: Self = Self::ACCESS.union(Self::OPEN).union(Self::CLOSE_NOWRITE);
}

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What.
    pub events: Events,
    /// The name in the watched directory; empty for the watched file itself.
    pub name: &'a [u8],
    /// What the two halves of a move have in common; 0 for everything else.
    pub cookie: u32,
    /// The name is no longer there.
    pub unlinked: bool,
}

/// Somebody who is told.
pub trait Observer: Send + Sync {
    /// Tells of an event at watch `number`; answers whether the watch stays. Called with watches locked.
    fn tell(&self, number: i32, event: &Event<'_>) -> bool;

    /// The watch is gone with its file.
    fn gone(&self, number: i32, events: Events);
}

/// One observer's interest in a file.
pub struct Watch {
    /// Who.
    pub observer: Weak<dyn Observer>,
    /// The number by which the observer knows the watch.
    pub number: i32,
    /// The observer's partition.
    pub owner: Cid,
    /// What it wants to be told.
    pub wanted: Events,
}

impl Watch {
    fn is(&self, observer: &Weak<dyn Observer>, number: i32) -> bool {
        self.number == number && self.observer.ptr_eq(observer)
    }

    /// Whether the watch hears of what `actor` does.
    fn hears(&self, actor: Cid, events: Events) -> bool {
        let may = self.owner == actor || self.owner.is_global();
        self.wanted.intersects(events) && (may || !events.intersects(Events::READING))
    }
}

/// The watches of the inodes that fall into one part of the table.
struct Part {
    /// How many inodes have watches: nobody looks further at 0.
    watched: AtomicUsize,
    inodes: SpinLock<Map<(u64, u64), Vec<Watch>>>,
}

const PARTS: usize = 64;

static TABLE: [Part; PARTS] = [const {
    Part {
        watched: AtomicUsize::new(0),
        inodes: SpinLock::new(Rank::OpenFile, Map::new()),
    }
}; PARTS];

/// How many inodes have watches in all parts.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

fn key(id: InodeId) -> (u64, u64) {
    (id.device.encode(), id.number)
}

fn part(id: InodeId) -> &'static Part {
    let (device, number) = key(id);
    let index = (device.wrapping_mul(31).wrapping_add(number)) as usize % PARTS;
    TABLE.get(index).unwrap_or(&TABLE[0])
}

impl Part {
    /// Does something to the watches of an inode, and forgets it when none is left.
    fn with(&self, id: InodeId, act: impl FnOnce(&mut Vec<Watch>)) {
        let mut inodes = self.inodes.lock();
        let Some(watches) = inodes.get_mut(&key(id)) else {
            return;
        };
        act(watches);
        let emptied = watches.is_empty();
        if emptied {
            inodes.remove(&key(id));
            self.count(&inodes);
        }
    }

    fn count(&self, inodes: &Map<(u64, u64), Vec<Watch>>) {
        let before = self.watched.swap(inodes.len(), Ordering::Release);
        if inodes.len() > before {
            WATCHED.fetch_add(1, Ordering::Release);
        } else if inodes.len() < before {
            WATCHED.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Adds a watch of an inode, which somebody keeps until then, or replaces what the same watch wants.
///
/// # Errors
/// [`NoMemory`].
pub fn watch(id: InodeId, new: Watch) -> Result<(), NoMemory> {
    let part = part(id);
    let mut inodes = part.inodes.lock();
    let watches = inodes.get_or_insert_with(key(id), Vec::new)?;
    let known = watches
        .iter_mut()
        .find(|watch| watch.is(&new.observer, new.number));
    let added = match known {
        Some(watch) => {
            watch.wanted = new.wanted;
            Ok(())
        }
        None => watches.try_push(new),
    };
    let emptied = watches.is_empty();
    if emptied {
        inodes.remove(&key(id));
    }
    part.count(&inodes);
    added
}

/// Takes a watch away; it may be gone already.
pub fn unwatch(id: InodeId, observer: &Weak<dyn Observer>, number: i32) {
    part(id).with(id, |watches| {
        watches.retain(|watch| !watch.is(observer, number));
    });
}

/// Whether anything is watched anywhere. Like the count of a part only a reason to look: what is watched is behind a lock, so
/// the load needs no order, which is dear on an emulator.
fn any() -> bool {
    WATCHED.load(Ordering::Relaxed) != 0
}

/// Tells the watches of one inode.
fn tell(id: InodeId, actor: Cid, event: &Event<'_>) {
    let part = part(id);
    if part.watched.load(Ordering::Relaxed) == 0 {
        return;
    }
    part.with(id, |watches| {
        watches.retain(|watch| {
            let Some(observer) = watch.observer.upgrade() else {
                return false;
            };
            !watch.hears(actor, event.events) || observer.tell(watch.number, event)
        });
    });
}

fn directory_bit(inode: &dyn Inode) -> Events {
    if inode.kind() == FileKind::Directory {
        Events::DIRECTORY
    } else {
        Events::empty()
    }
}

/// Something was done to a file that was found by a name: its directory hears of it, and its own watches.
pub(crate) fn file(location: &Location, actor: Cid, events: Events) {
    if !any() {
        return;
    }
    let inode = location.inode();
    let events = events | directory_bit(&**inode);
    let unlinked = location.entry().is_removed();
    if let Some((directory, name)) = location.entry().parent_and_name() {
        let event = Event {
            events,
            name: &name,
            cookie: 0,
            unlinked,
        };
        tell(directory.inode().id(), actor, &event);
    }
    itself(&**inode, actor, events);
}

/// Something was done to a file, whatever its names are.
pub(crate) fn itself(inode: &dyn Inode, actor: Cid, events: Events) {
    if !any() {
        return;
    }
    let own = Events::MOVE_SELF | Events::DELETE_SELF;
    let kind = if events.intersects(own) {
        Events::empty()
    } else {
        directory_bit(inode)
    };
    let event = Event {
        events: events | kind,
        name: &[],
        cookie: 0,
        unlinked: false,
    };
    tell(inode.id(), actor, &event);
}

/// A name of a directory came or went.
pub(crate) fn name(directory: &dyn Inode, name: &[u8], of: &dyn Inode, actor: Cid, events: Events) {
    if !any() {
        return;
    }
    let event = Event {
        events: events | directory_bit(of),
        name,
        cookie: 0,
        unlinked: false,
    };
    tell(directory.id(), actor, &event);
}

/// A file was moved from a name in one directory to a name in another.
pub(crate) fn moved(
    from: (&dyn Inode, &[u8]),
    to: (&dyn Inode, &[u8]),
    file: &dyn Inode,
    replaced: Option<&dyn Inode>,
    actor: Cid,
) {
    static COOKIE: AtomicU32 = AtomicU32::new(1);
    if !any() {
        return;
    }
    let cookie = COOKIE.fetch_add(1, Ordering::Relaxed);
    for ((directory, name), events) in [(from, Events::MOVED_FROM), (to, Events::MOVED_TO)] {
        let event = Event {
            events: events | directory_bit(file),
            name,
            cookie,
            unlinked: false,
        };
        tell(directory.id(), actor, &event);
    }
    if let Some(replaced) = replaced {
        itself(replaced, actor, Events::ATTRIB);
    }
    itself(file, actor, Events::MOVE_SELF);
}

/// An inode is no more: told by its file system when nobody refers to it any longer. `removed`: it has no name; otherwise
/// the whole file system is gone.
pub fn gone(id: InodeId, removed: bool) {
    let part = part(id);
    if part.watched.load(Ordering::Relaxed) == 0 {
        return;
    }
    let watches = {
        let mut inodes = part.inodes.lock();
        let watches = inodes.remove(&key(id));
        part.count(&inodes);
        watches
    };
    let events = if removed {
        Events::DELETE_SELF
    } else {
        Events::UNMOUNT
    };
    for watch in watches.into_iter().flatten() {
        if let Some(observer) = watch.observer.upgrade() {
            observer.gone(watch.number, events);
        }
    }
}
