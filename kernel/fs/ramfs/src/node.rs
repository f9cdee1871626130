//! A node of the file system: the inode.

mod hand_over;

pub use hand_over::HandOver;

use crate::Shared;
use crate::directory::Names;
use crate::pages::{Pages, SIZE_LIMIT};
use abi::{Cid, Errno, PAGE_SIZE};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::Range;
use core::sync::atomic::{AtomicU16, Ordering};
use fallible::{NoMemory, Push};
use memory::PageSource;
use sync::{Guard, Rank, SpinLock};
use vfs::{
    Allocation, Attachment, AttributeStore, Change, DeviceNumber, DirectoryEntry, FileKind,
    FileSystemStatus, Flow, Inode, InodeId, IoContext, Metadata, Mode, NewNode, NewTime,
    NodeContent, RenameFlags, Seals, Stretch, TextUse, Timestamp,
};
use wait::{Attempt, Sink, Source};

/// Most names that one file may have.
const LINK_LIMIT: u32 = 65_000;

/// A file, directory, link or special file.
pub(crate) struct Node {
    shared: Arc<Shared>,
    number: u64,
    kind: FileKind,
    owner: AtomicU16,
    body: Body,
    attributes: AttributeStore,
    text_use: TextUse,
    state: SpinLock<State>,
}

/// What never changes of a node's contents; directories keep their names in [`State`].
enum Body {
    Regular(Arc<Pages>),
    Directory,
    Symlink(Box<[u8]>),
    Special(Attachment, DeviceNumber),
}

pub(crate) struct State {
    mode: Mode,
    links: u32,
    /// It has never had a name and may be given one (`man 2 open`, O_TMPFILE).
    awaits_name: bool,
    uid: u32,
    gid: u32,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
    pub(crate) names: Names,
}

impl State {
    fn touch(&mut self, now: Timestamp) {
        self.modified = now;
        self.changed = now;
    }

    /// Counts a name of a subdirectory, whose `..` refers to this directory.
    fn count_subdirectory(&mut self, node: &Node, added: bool) {
        if node.kind == FileKind::Directory {
            self.links = if added {
                self.links.saturating_add(1)
            } else {
                self.links.saturating_sub(1)
            };
        }
    }
}

impl Body {
    fn of(
        content: &NodeContent<'_>,
        shared: &Arc<Shared>,
        number: u64,
        owner: Cid,
    ) -> Result<Self, NoMemory> {
        Ok(match *content {
            NodeContent::Regular => {
                Body::Regular(fallible::arc(Pages::new(shared, number, owner))?)
            }
            NodeContent::Directory => Body::Directory,
            NodeContent::Symlink(target) => Body::Symlink(fallible::boxed_slice(target)?),
            NodeContent::Fifo | NodeContent::Socket => {
                Body::Special(Attachment::default(), DeviceNumber::default())
            }
            NodeContent::Character(device) | NodeContent::Block(device) => {
                Body::Special(Attachment::default(), device)
            }
        })
    }
}

impl Node {
    pub(crate) fn make(
        shared: &Arc<Shared>,
        owner: Cid,
        new: &NewNode<'_>,
    ) -> Result<Arc<Self>, Errno> {
        let number = shared.take_inode(owner)?;
        let now = shared.clock.now();
        let body = Body::of(&new.content, shared, number, owner);
        let body = body.inspect_err(|_| shared.give_inode(owner))?;
        let kind = new.content.kind();
        let state = State {
            mode: new.mode,
            links: if kind == FileKind::Directory { 2 } else { 1 },
            awaits_name: false,
            uid: new.uid,
            gid: new.gid,
            accessed: now,
            modified: now,
            changed: now,
            names: Names::default(),
        };
        let owner = AtomicU16::new(owner.0);
        let state = SpinLock::new(Rank::Inode, state);
        // One that is dropped for want of memory gives its place back.
        Ok(fallible::arc(Self {
            shared: shared.clone(),
            number,
            kind,
            owner,
            body,
            attributes: AttributeStore::default(),
            text_use: TextUse::new(),
            state,
        })?)
    }

    pub(crate) fn state(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn file(&self) -> Result<&Arc<Pages>, Errno> {
        match &self.body {
            Body::Regular(pages) => Ok(pages),
            Body::Directory => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    fn names(&self) -> Result<Guard<'_, State>, Errno> {
        if self.kind == FileKind::Directory {
            Ok(self.state.lock())
        } else {
            Err(Errno::ENOTDIR)
        }
    }

    /// A node of this file system behind an inode.
    fn own(&self, inode: &Arc<dyn Inode>) -> Result<Arc<Node>, Errno> {
        let any: Arc<dyn Any + Send + Sync> = inode.clone();
        let node = any.downcast::<Node>().map_err(|_| Errno::EXDEV)?;
        if Arc::ptr_eq(&node.shared, &self.shared) {
            Ok(node)
        } else {
            Err(Errno::EXDEV)
        }
    }

    /// Adds a name for a node that counts it already. The times of the directory stay.
    pub(crate) fn add(&self, name: &[u8], node: Arc<Node>) -> Result<(), Errno> {
        let mut state = self.names()?;
        state.names.require_free(name)?;
        state.names.set(name, node.clone())?;
        state.count_subdirectory(&node, true);
        Ok(())
    }

    /// Counts one more name; the node's contents are not being freed.
    pub(crate) fn count_name(&self) -> Result<(), Errno> {
        let mut state = self.state.lock();
        let first = core::mem::take(&mut state.awaits_name);
        match state.links {
            0 if !first => return Err(Errno::ENOENT),
            LINK_LIMIT.. => return Err(Errno::EMLINK),
            _ => state.links += 1,
        }
        state.changed = self.shared.clock.now();
        Ok(())
    }

    /// A regular file without a name, which can be given one when it is `linkable`.
    pub(crate) fn nameless(
        shared: &Arc<Shared>,
        owner: Cid,
        new: &NewNode<'_>,
        linkable: bool,
    ) -> Result<Arc<Self>, Errno> {
        let node = Self::make(shared, owner, new)?;
        let mut state = node.state();
        (state.links, state.awaits_name) = (0, linkable);
        drop(state);
        Ok(node)
    }

    /// Fails when a seal forbids the change.
    fn require_unsealed(&self, change: &Change, mode: Mode) -> Result<(), Errno> {
        let Body::Regular(pages) = &self.body else {
            return Ok(());
        };
        let seals = pages.seals();
        let (size, _) = pages.extent();
        let sealed = match change.size {
            Some(new) if new < size => seals.contains(Seals::SHRINK),
            Some(new) if new > size => seals.contains(Seals::GROW),
            _ => false,
        };
        let execute = |mode: Mode| mode.bits() & 0o111;
        let runs = change.mode.is_some_and(|new| execute(new) != execute(mode));
        if sealed || runs && seals.contains(Seals::EXECUTE) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// The pages of a file whose contents may be written to.
    fn writable(&self) -> Result<&Arc<Pages>, Errno> {
        let pages = self.file()?;
        if pages.seals().intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        Ok(pages)
    }

    /// Takes a name of this node away; a directory must be empty, and nothing can be made in it any more.
    fn retire(&self, now: Timestamp) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if self.kind == FileKind::Directory {
            if state.names.len() > 0 {
                return Err(Errno::ENOTEMPTY);
            }
            state.links = 0;
            state.names.removed = true;
        } else {
            state.links = state.links.saturating_sub(1);
        }
        state.changed = now;
        Ok(())
    }

    /// Takes a name away that an archive gives anew.
    pub(crate) fn discard(&self, name: &[u8]) {
        let gone = self.state.lock().names.remove(name);
        if let Some(node) = gone {
            let mut state = node.state.lock();
            state.links = state.links.saturating_sub(1);
        }
    }

    /// Sets what an archive says of a node.
    pub(crate) fn set_attributes(&self, mode: Mode, uid: u32, gid: u32, modified: Timestamp) {
        let mut state = self.state.lock();
        (state.mode, state.uid, state.gid) = (mode, uid, gid);
        (state.accessed, state.modified, state.changed) = (modified, modified, modified);
    }

    /// Takes the name of `replaced` away for `moved`, which is to have it.
    fn make_way(moved: &Node, replaced: &Node, now: Timestamp) -> Result<(), Errno> {
        match (
            moved.kind == FileKind::Directory,
            replaced.kind == FileKind::Directory,
        ) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            _ => replaced.retire(now),
        }
    }
}

/// The locked states of the two directories of a move; of one when they are the same.
struct Pair<'a> {
    from: Guard<'a, State>,
    to: Option<Guard<'a, State>>,
}

impl<'a> Pair<'a> {
    fn lock(from: &'a Node, to: &'a Node) -> Result<Self, Errno> {
        if from.number == to.number {
            return Ok(Self {
                from: from.names()?,
                to: None,
            });
        }
        if from.number < to.number {
            let from = from.names()?;
            return Ok(Self {
                from,
                to: Some(to.names()?),
            });
        }
        let to = to.names()?;
        Ok(Self {
            from: from.names()?,
            to: Some(to),
        })
    }

    fn to(&mut self) -> &mut State {
        self.to.as_deref_mut().unwrap_or(&mut self.from)
    }
}

impl Inode for Node {
    fn id(&self) -> InodeId {
        InodeId {
            device: self.shared.device,
            number: self.number,
        }
    }

    fn kind(&self) -> FileKind {
        self.kind
    }

    fn owner(&self) -> Cid {
        Cid(self.owner.load(Ordering::Relaxed))
    }

    fn metadata(&self, _cx: &IoContext<'_>) -> Attempt<Metadata> {
        let mut state = self.state.lock();
        let (size, pages, device) = match &self.body {
            Body::Regular(pages) => {
                if pages.take_dirty() {
                    state.touch(self.shared.clock.now());
                }
                let (size, resident) = pages.extent();
                (size, resident, DeviceNumber::default())
            }
            Body::Directory => (state.names.len() as u64 * 32, 0, DeviceNumber::default()),
            Body::Symlink(target) => (target.len() as u64, 0, DeviceNumber::default()),
            Body::Special(_, device) => (0, 0, *device),
        };
        Ok(Metadata {
            id: self.id(),
            owner: self.owner(),
            kind: self.kind,
            mode: state.mode,
            links: state.links,
            uid: state.uid,
            gid: state.gid,
            device,
            size,
            blocks: pages * (PAGE_SIZE as u64 / 512),
            accessed: state.accessed,
            modified: state.modified,
            changed: state.changed,
        })
    }

    fn change(&self, _cx: &IoContext<'_>, change: &Change) -> Attempt<()> {
        let now = self.shared.clock.now();
        let at = |time: NewTime| match time {
            NewTime::Now => now,
            NewTime::At(time) => time,
        };
        let mut state = self.state.lock();
        self.require_unsealed(change, state.mode)?;
        if let Some(size) = change.size {
            if size > SIZE_LIMIT {
                return Err(Errno::EFBIG.into());
            }
            self.file()?.set_size(size);
            state.modified = now;
        }
        state.mode = change.mode.unwrap_or(state.mode);
        state.uid = change.uid.unwrap_or(state.uid);
        state.gid = change.gid.unwrap_or(state.gid);
        state.accessed = change.accessed.map_or(state.accessed, at);
        state.modified = change.modified.map_or(state.modified, at);
        state.changed = now;
        Ok(())
    }

    fn lookup(&self, _cx: &IoContext<'_>, name: &[u8]) -> Attempt<Arc<dyn Inode>> {
        let node = self.names()?.names.get(name)?.clone();
        Ok(node)
    }

    fn create(
        &self,
        cx: &IoContext<'_>,
        name: &[u8],
        new: &NewNode<'_>,
    ) -> Attempt<Arc<dyn Inode>> {
        self.names()?.names.require_free(name)?;
        let node = Node::make(&self.shared, cx.credential.cid, new)?;
        self.add(name, node.clone())?;
        self.state.lock().touch(self.shared.clock.now());
        Ok(node)
    }

    fn create_nameless(
        &self,
        cx: &IoContext<'_>,
        new: &NewNode<'_>,
        linkable: bool,
    ) -> Attempt<Arc<dyn Inode>> {
        if self.names()?.names.removed {
            return Err(Errno::ENOENT.into());
        }
        Ok(Node::nameless(
            &self.shared,
            cx.credential.cid,
            new,
            linkable,
        )?)
    }

    fn link(&self, _cx: &IoContext<'_>, name: &[u8], target: &Arc<dyn Inode>) -> Attempt<()> {
        let node = self.own(target)?;
        if node.kind == FileKind::Directory {
            return Err(Errno::EPERM.into());
        }
        let mut state = self.names()?;
        state.names.require_free(name)?;
        node.count_name()?;
        if let Err(no_memory) = state.names.set(name, node.clone()) {
            let mut other = node.state.lock();
            other.links = other.links.saturating_sub(1);
            return Err(no_memory.into());
        }
        state.touch(self.shared.clock.now());
        Ok(())
    }

    fn unlink(&self, _cx: &IoContext<'_>, name: &[u8]) -> Attempt<()> {
        // Declared before the lock, so dropped after it: it may be the last reference.
        let node;
        let mut state = self.names()?;
        if state.names.get(name)?.kind == FileKind::Directory {
            return Err(Errno::EISDIR.into());
        }
        node = state.names.remove(name).ok_or(Errno::ENOENT)?;
        let now = self.shared.clock.now();
        state.touch(now);
        Ok(node.retire(now)?)
    }

    fn remove_directory(&self, _cx: &IoContext<'_>, name: &[u8]) -> Attempt<()> {
        let node;
        let mut state = self.names()?;
        node = state.names.get(name)?.clone();
        if node.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let now = self.shared.clock.now();
        node.retire(now)?;
        state.names.remove(name);
        state.count_subdirectory(&node, false);
        state.touch(now);
        Ok(())
    }

    fn rename(
        &self,
        _cx: &IoContext<'_>,
        name: &[u8],
        target: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
    ) -> Attempt<()> {
        let target = self.own(target)?;
        let replaced;
        let mut pair = Pair::lock(self, &target)?;
        let node = pair.from.names.get(name)?.clone();
        let present = pair.to().names.get(new_name).ok().cloned();
        let now = self.shared.clock.now();
        if pair.to().names.removed {
            return Err(Errno::ENOENT.into());
        }
        if flags.contains(RenameFlags::EXCHANGE) {
            let other = present.clone().ok_or(Errno::ENOENT)?;
            // Both names are there, so neither needs memory.
            pair.from.names.set(name, other.clone())?;
            pair.from.count_subdirectory(&node, false);
            pair.from.count_subdirectory(&other, true);
            pair.to().names.set(new_name, node.clone())?;
            pair.to().count_subdirectory(&other, false);
            pair.to().count_subdirectory(&node, true);
            other.state().changed = now;
        } else {
            if let Some(present) = &present {
                if flags.contains(RenameFlags::NO_REPLACE) {
                    return Err(Errno::EEXIST.into());
                }
                Self::make_way(&node, present, now)?;
                pair.to().count_subdirectory(present, false);
            }
            // A name that was there before needs no memory: nothing has changed when this fails.
            pair.to().names.set(new_name, node.clone())?;
            pair.from.names.remove(name);
            pair.from.count_subdirectory(&node, false);
            pair.to().count_subdirectory(&node, true);
        }
        replaced = present;
        pair.from.touch(now);
        pair.to().touch(now);
        node.state().changed = now;
        drop(pair);
        drop(replaced);
        Ok(())
    }

    fn entries(
        &self,
        _cx: &IoContext<'_>,
        cookie: u64,
        each: &mut dyn FnMut(DirectoryEntry<'_>) -> Attempt<Flow>,
    ) -> Attempt<()> {
        let mut state = self.names()?;
        for (cookie, name, node) in state.names.starting_at(cookie) {
            let entry = DirectoryEntry {
                name,
                number: node.number,
                kind: node.kind,
                next: cookie + 1,
            };
            if each(entry)? == Flow::Stop {
                break;
            }
        }
        state.accessed = self.shared.clock.now();
        Ok(())
    }

    fn read_link(&self, _cx: &IoContext<'_>) -> Attempt<Vec<u8>> {
        match &self.body {
            Body::Symlink(target) => Ok(fallible::copy(target)?),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn read_at(&self, _cx: &IoContext<'_>, offset: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let pages = self.file()?;
        let mut state = self.state.lock();
        let count = pages.read(offset, sink)?;
        state.accessed = self.shared.clock.now();
        Ok(count)
    }

    fn write_at(
        &self,
        _cx: &IoContext<'_>,
        offset: u64,
        source: &mut dyn Source,
    ) -> Attempt<usize> {
        let mut state = self.state.lock();
        let count = self.writable()?.write(offset, source)?;
        state.touch(self.shared.clock.now());
        Ok(count)
    }

    fn append(&self, _cx: &IoContext<'_>, source: &mut dyn Source) -> Attempt<(u64, usize)> {
        let mut state = self.state.lock();
        let done = self.writable()?.append(source)?;
        state.touch(self.shared.clock.now());
        Ok(done)
    }

    fn allocate(&self, _cx: &IoContext<'_>, part: Range<u64>, how: Allocation) -> Attempt<u64> {
        let mut state = self.state.lock();
        let reached = match how {
            Allocation::Punch => self.writable()?.punch(part),
            Allocation::Reserve => self.file()?.reserve(part)?,
            Allocation::Extend => self.file()?.extend(part)?,
        };
        state.touch(self.shared.clock.now());
        Ok(reached)
    }

    fn next_stretch(&self, cx: &IoContext<'_>, from: u64, of: Stretch) -> Attempt<Option<u64>> {
        match self.file() {
            Ok(pages) => Ok(pages.next_stretch(from, of)),
            Err(_) => Ok(Some(match of {
                Stretch::Data => from,
                Stretch::Hole => self.metadata(cx)?.size,
            })),
        }
    }

    fn pages(&self) -> Option<Arc<dyn PageSource>> {
        match &self.body {
            Body::Regular(pages) => Some(pages.clone()),
            _ => None,
        }
    }

    fn note_mapping(&self) {
        self.state.lock().accessed = self.shared.clock.now();
    }

    fn pages_for_writing(&self) -> Result<Option<Arc<dyn PageSource>>, Errno> {
        match &self.body {
            Body::Regular(pages) => pages.for_writing().map(Some),
            _ => Ok(None),
        }
    }

    fn seals(&self) -> Result<Seals, Errno> {
        self.file()
            .map(|pages| pages.seals())
            .map_err(|_| Errno::EINVAL)
    }

    fn add_seals(&self, seals: Seals) -> Result<(), Errno> {
        let pages = self.file().map_err(|_| Errno::EINVAL)?;
        let _no_write = self.state.lock();
        pages.add_seals(seals)
    }

    fn attachment(&self) -> Option<&Attachment> {
        match &self.body {
            Body::Special(attachment, _) => Some(attachment),
            _ => None,
        }
    }

    fn text_use(&self) -> Option<&TextUse> {
        (self.kind == FileKind::Regular).then_some(&self.text_use)
    }

    fn attributes(&self) -> Option<&AttributeStore> {
        Some(&self.attributes)
    }

    fn file_system(&self) -> FileSystemStatus {
        self.shared.status()
    }
}

impl Drop for Node {
    /// Drops what is below one by one: a deep tree must not use up the kernel's stack.
    fn drop(&mut self) {
        self.shared.give_inode(self.owner());
        vfs::observe::gone(self.id(), self.state.get_mut().links == 0);
        let mut doomed = Vec::new();
        let mut below = self.state.get_mut().names.drain();
        loop {
            for node in below {
                // Without memory for the list it goes here and now, with what is below it.
                fallible::assured(|| doomed.try_push(node)).ok();
            }
            let Some(node) = doomed.pop() else { break };
            below = match Arc::into_inner(node) {
                Some(mut last) => last.state.get_mut().names.drain(),
                None => Names::default().drain(),
            };
        }
    }
}
