//! Moving names (`man 2 rename`).

use crate::name::Below;
use crate::observe;
use crate::walk::{Last, Walker};
use crate::{Entry, FileKind, Location, RenameFlags, Walk};
use abi::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use security::Mode as Wanted;
use sync::Guard;
use wait::{Attempt, Stop};

/// One end of a move.
struct End {
    directory: Location,
    name: Vec<u8>,
    slash: bool,
}

/// The locked names of the two directories of a move.
enum Names<'a> {
    Same(Guard<'a, Below>),
    Two {
        from: Guard<'a, Below>,
        to: Guard<'a, Below>,
    },
}

impl<'a> Names<'a> {
    /// Two directories are locked in the order of their numbers, under the lock of their file system's moves.
    fn lock(from: &'a Entry, to: &'a Entry) -> Self {
        if from.id() == to.id() {
            return Names::Same(from.lock());
        }
        if from.id() < to.id() {
            let from = from.lock();
            let to = to.lock();
            return Names::Two { from, to };
        }
        let to = to.lock();
        let from = from.lock();
        Names::Two { from, to }
    }

    fn from(&mut self) -> &mut Below {
        match self {
            Names::Same(names) => names,
            Names::Two { from, .. } => from,
        }
    }

    fn to(&mut self) -> &mut Below {
        match self {
            Names::Same(names) => names,
            Names::Two { to, .. } => to,
        }
    }
}

impl Walk<'_> {
    /// Moves the file of one path to another path.
    ///
    /// # Errors
    /// EXDEV across mounts, EINVAL for a directory into itself and for flags that exclude each other, EBUSY for
    /// `.`, `..`, `/` and what is mounted on; EEXIST, ENOTEMPTY, ENOTDIR, EISDIR, EACCES, EPERM, EROFS; as
    /// [`Walk::resolve`].
    pub fn rename(
        &self,
        from: (Option<&Location>, &[u8]),
        to: (Option<&Location>, &[u8]),
        flags: RenameFlags,
    ) -> Attempt<()> {
        if flags.contains(RenameFlags::NO_REPLACE | RenameFlags::EXCHANGE) {
            return Err(Errno::EINVAL.into());
        }
        let taken = flags.contains(RenameFlags::NO_REPLACE);
        let from = self.end(from, Errno::EBUSY)?;
        let to = self.end(to, if taken { Errno::EEXIST } else { Errno::EBUSY })?;
        if from.directory.mount().id() != to.directory.mount().id() {
            return Err(Errno::EXDEV.into());
        }
        if [&from, &to]
            .iter()
            .any(|end| end.directory.inode().is_generated())
        {
            return Err(Errno::EPERM.into());
        }
        let _moves = from.directory.entry().tree().moves.lock();
        // Declared before the locks of the names, so dropped after them.
        let (source, replaced);
        let mut names = Names::lock(from.directory.entry(), to.directory.entry());
        source = from
            .directory
            .entry()
            .child_locked(names.from(), &self.io, &from.name)?;
        replaced = match to
            .directory
            .entry()
            .child_locked(names.to(), &self.io, &to.name)
        {
            Ok(entry) => Some(entry),
            Err(Stop::Error(Errno::ENOENT)) => None,
            Err(stop) => return Err(stop),
        };
        self.may_rename(&from, &to, &source, replaced.as_ref(), flags)?;
        if replaced
            .as_ref()
            .is_some_and(|entry| entry.inode().id() == source.inode().id())
        {
            return Ok(());
        }
        let (new_name, old_name) = (
            fallible::arc_slice(&to.name)?,
            fallible::arc_slice(&from.name)?,
        );
        from.directory.inode().rename(
            &self.io,
            &from.name,
            to.directory.inode(),
            &to.name,
            flags,
        )?;
        let former = Entry::take(names.from(), &from.name);
        if flags.contains(RenameFlags::EXCHANGE) {
            let other = Entry::take(names.to(), &to.name);
            if let Some(other) = &other {
                Entry::moved(other, from.directory.entry(), names.from(), old_name);
            }
        } else {
            Entry::forget(names.to(), &to.name);
        }
        if let Some(moved) = &former {
            Entry::moved(moved, to.directory.entry(), names.to(), new_name);
        }
        drop(names);
        self.tell_move(&from, &to, &source, replaced.as_ref(), flags);
        Ok(())
    }

    fn tell_move(
        &self,
        from: &End,
        to: &End,
        source: &Arc<Entry>,
        other: Option<&Arc<Entry>>,
        flags: RenameFlags,
    ) {
        let actor = self.io.credential.cid;
        let old = (&**from.directory.inode(), &from.name[..]);
        let new = (&**to.directory.inode(), &to.name[..]);
        let exchanged = other.filter(|_| flags.contains(RenameFlags::EXCHANGE));
        let replaced = other.filter(|_| exchanged.is_none());
        let replaced = replaced.map(|entry| &**entry.inode());
        observe::moved(old, new, &**source.inode(), replaced, actor);
        if let Some(exchanged) = exchanged {
            observe::moved(new, old, &**exchanged.inode(), None, actor);
        }
    }

    fn end(&self, (base, path): (Option<&Location>, &[u8]), otherwise: Errno) -> Attempt<End> {
        let mut walker = Walker::new(self, base, path)?;
        match walker.last()? {
            Last::Name { name, slash } => Ok(End {
                directory: walker.here,
                name,
                slash,
            }),
            _ => Err(otherwise.into()),
        }
    }

    fn may_rename(
        &self,
        from: &End,
        to: &End,
        source: &Arc<Entry>,
        replaced: Option<&Arc<Entry>>,
        flags: RenameFlags,
    ) -> Attempt<()> {
        let is_directory = source.inode().kind() == FileKind::Directory;
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        match replaced {
            None if exchange => return Err(Errno::ENOENT.into()),
            Some(_) if flags.contains(RenameFlags::NO_REPLACE) => return Err(Errno::EEXIST.into()),
            _ => {}
        }
        if !is_directory && (from.slash || (to.slash && !exchange)) {
            return Err(Errno::ENOTDIR.into());
        }
        if is_directory && to.directory.entry().is_within(source) {
            return Err(Errno::EINVAL.into());
        }
        self.may_change(&from.directory)?;
        self.may_change(&to.directory)?;
        self.may_take_name(&from.directory, source)?;
        if is_directory && from.directory != to.directory {
            // Its `..` changes.
            self.permit(source.inode(), Wanted::WRITE)?;
        }
        if let Some(replaced) = replaced {
            let other_is_directory = replaced.inode().kind() == FileKind::Directory;
            if exchange {
                if other_is_directory && from.directory.entry().is_within(replaced) {
                    return Err(Errno::EINVAL.into());
                }
            } else if is_directory && !other_is_directory {
                return Err(Errno::ENOTDIR.into());
            } else if !is_directory && other_is_directory {
                return Err(Errno::EISDIR.into());
            } else if from.directory.entry().is_within(replaced) {
                return Err(Errno::ENOTEMPTY.into());
            }
            self.may_take_name(&to.directory, replaced)?;
            if exchange && other_is_directory && from.directory != to.directory {
                self.permit(replaced.inode(), Wanted::WRITE)?;
            }
            if replaced.is_covered() {
                return Err(Errno::EBUSY.into());
            }
        }
        if source.is_covered() {
            return Err(Errno::EBUSY.into());
        }
        Ok(())
    }
}
