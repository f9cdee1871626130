//! From a path to a location (`man 7 path_resolution`).

use crate::{FileKind, Inode, IoContext, Link, Location, MountNamespace, SpecialFiles};
use abi::Errno;
use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use security::{Mode as Wanted, Privileges};
use wait::{Attempt, Stop};

/// Longest name, in bytes (NAME_MAX).
pub const NAME_LIMIT: usize = 255;
/// Longest path, in bytes, its terminating zero included (PATH_MAX).
pub const PATH_LIMIT: usize = 4096;
/// How many symbolic links one walk follows.
const LINK_LIMIT: u32 = 40;

/// Whether a symbolic link in the last place of a path is followed. One before a `/` always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The file that it leads to is meant.
    Yes,
    /// The link itself is meant.
    No,
}

bitflags! {
    /// Ways that a walk does not take (`man 2 openat2`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Restrictions: u32 {
        /// From one mount to another: EXDEV.
        const NO_CROSSING = 1;
        /// Links of `/proc` that lead to a file rather than to a path: ELOOP.
        const NO_MAGIC_LINKS = 2;
        /// Any symbolic link: ELOOP.
        const NO_LINKS = 4;
        /// Out of the directory that it starts from, which is [`Walk::root`]: EXDEV.
        const BENEATH = 8;
        /// The directory that it starts from is the root, which links of `/proc` leave: EXDEV.
        const IN_ROOT = 16;
    }
}

impl Restrictions {
    /// The walk stays in a directory that is not the process's root.
    pub const SCOPED: Self = Self::BENEATH.union(Self::IN_ROOT);
}

/// A process as it looks up names: who it is, where its root and working directory are, what it sees mounted.
///
/// Every operation on names is a method: see also the ones that open, make, remove and change.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// Who asks.
    pub io: IoContext<'a>,
    /// What is mounted where.
    pub mounts: &'a Arc<MountNamespace>,
    /// The root directory.
    pub root: &'a Location,
    /// The working directory.
    pub cwd: &'a Location,
    /// Who opens fifos and devices.
    pub special: &'a dyn SpecialFiles,
    /// Which ways it does not take.
    pub restrictions: Restrictions,
}

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// A name, to be looked up in the directory.
    Name {
        name: Vec<u8>,
        /// A slash follows: only a directory will do.
        slash: bool,
    },
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The path has slashes only.
    Root,
}

impl Walk<'_> {
    /// The location of a path; a relative one starts at `base`, or at the working directory.
    ///
    /// # Errors
    /// ENOENT (an empty path too), ENOTDIR, EACCES, ELOOP, ENAMETOOLONG.
    pub fn resolve(
        &self,
        base: Option<&Location>,
        path: &[u8],
        follow: Follow,
    ) -> Attempt<Location> {
        let mut walker = Walker::new(self, base, path)?;
        while let Last::Name { name, slash } = walker.last()? {
            let found = walker.child(&name)?;
            if !walker.step(found, slash || follow == Follow::Yes)? {
                if slash {
                    walker.here.require_directory()?;
                }
                break;
            }
        }
        Ok(walker.here)
    }

    /// Fails unless the mode bits of `inode` allow what is wanted.
    pub(crate) fn permit(&self, inode: &Arc<dyn Inode>, wanted: Wanted) -> Attempt<()> {
        let metadata = inode.metadata(&self.io)?;
        let credential = self.io.credential;
        Ok(credential.may_access(metadata.uid, metadata.gid, metadata.st_mode(), wanted)?)
    }

    fn forbids(&self, ways: Restrictions) -> bool {
        self.restrictions.intersects(ways)
    }

    /// Fails when the walk may not go from one mount to another and these two are in different ones.
    fn may_cross(&self, from: &Location, to: &Location) -> Attempt<()> {
        let crosses = !Arc::ptr_eq(from.mount(), to.mount());
        if crosses && self.forbids(Restrictions::NO_CROSSING) {
            return Err(Errno::EXDEV.into());
        }
        Ok(())
    }

    /// The directory above, which is the root itself at the root.
    fn above(&self, here: &Location) -> Attempt<Location> {
        if here == self.root && self.forbids(Restrictions::BENEATH) {
            return Err(Errno::EXDEV.into());
        }
        let above = self.parent(here);
        self.may_cross(here, &above)?;
        Ok(above)
    }

    fn parent(&self, here: &Location) -> Location {
        let mut at = here.clone();
        loop {
            if at == *self.root {
                return at;
            }
            if at.entry().id() != at.mount().root().id() {
                break;
            }
            let Some(place) = at.mount().place().cloned() else {
                return at;
            };
            at = place;
        }
        let Some(parent) = at.entry().parent() else {
            return at;
        };
        let parent = Location::new(at.mount().clone(), parent);
        if parent == *self.root {
            parent
        } else {
            self.mounts.topmost(parent)
        }
    }

    /// What a walk that starts at `base` must stay below; `None`: nothing it can reach.
    ///
    /// That is the process's root. A process that got hold of a directory outside of it (it kept a descriptor over
    /// `chroot`) is held inside its partition's root instead.
    fn boundary(&self, base: &Location) -> Option<Location> {
        if base.mount().is_apart() {
            return Some(base.clone());
        }
        if base.is_within(self.root) {
            return Some(self.root.clone());
        }
        Some(self.mounts.root())
            .filter(|root| base.is_within(root))
            .cloned()
    }

    fn oversees_partitions(&self) -> bool {
        let credential = self.io.credential;
        credential.cid.is_global() && credential.privileges.contains(Privileges::PARTITIONS)
    }
}

/// A walk under way.
pub(crate) struct Walker<'w, 'a> {
    walk: &'w Walk<'a>,
    /// The directory that the walk has come to.
    pub(crate) here: Location,
    rest: Cow<'w, [u8]>,
    at: usize,
    links: u32,
    /// What must not be left; `None` for an overseer who followed a link into a partition.
    boundary: Option<Location>,
    /// There has been a `..` since it was last made sure that the boundary was not passed.
    climbed: bool,
}

impl<'w, 'a> Walker<'w, 'a> {
    pub(crate) fn new(
        walk: &'w Walk<'a>,
        base: Option<&Location>,
        path: &'w [u8],
    ) -> Attempt<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if path.len() >= PATH_LIMIT {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let absolute = path.first() == Some(&b'/');
        if absolute && walk.forbids(Restrictions::BENEATH) {
            return Err(Errno::EXDEV.into());
        }
        let start = if absolute {
            walk.root
        } else {
            base.unwrap_or(walk.cwd)
        };
        let boundary = walk.boundary(start);
        if boundary.is_none() && !walk.oversees_partitions() {
            return Err(Errno::ENOENT.into());
        }
        let rest = Cow::Borrowed(path);
        Ok(Self {
            walk,
            here: start.clone(),
            rest,
            at: 0,
            links: 0,
            boundary,
            climbed: false,
        })
    }

    /// Walks up to the last component: [`Walker::here`] is the directory that it is in.
    pub(crate) fn last(&mut self) -> Attempt<Last> {
        let mut last = Last::Root;
        loop {
            self.at += self
                .upcoming()
                .iter()
                .take_while(|&&byte| byte == b'/')
                .count();
            let name = self
                .upcoming()
                .split(|&byte| byte == b'/')
                .next()
                .unwrap_or_default();
            if name.is_empty() {
                self.confine()?;
                return Ok(last);
            }
            self.here.require_directory()?;
            self.walk.permit(self.here.inode(), Wanted::EXECUTE)?;
            let length = name.len();
            match name {
                b"." => last = Last::Dot,
                b".." => {
                    self.here = self.walk.above(&self.here)?;
                    self.climbed = true;
                    last = Last::DotDot;
                }
                _ if length > NAME_LIMIT => return Err(Errno::ENAMETOOLONG.into()),
                _ => {
                    self.confine()?;
                    let (name, behind) = self.upcoming().split_at(length);
                    if behind.iter().all(|&byte| byte == b'/') {
                        let slash = !behind.is_empty();
                        let name = fallible::copy(name)?;
                        self.at += length;
                        return Ok(Last::Name { name, slash });
                    }
                    let found = self.child(name)?;
                    self.at += length;
                    self.step(found, true)?;
                    last = Last::Root;
                    continue;
                }
            }
            self.at += length;
        }
    }

    fn upcoming(&self) -> &[u8] {
        self.rest.get(self.at..).unwrap_or_default()
    }

    /// Makes sure that `..` has not led out: a directory on the way may have been moved.
    fn confine(&mut self) -> Attempt<()> {
        if !core::mem::take(&mut self.climbed) {
            return Ok(());
        }
        match &self.boundary {
            // As `man 2 openat2` has it, the caller may try again.
            Some(boundary)
                if !self.here.is_within(boundary) && self.walk.forbids(Restrictions::SCOPED) =>
            {
                Err(Errno::EAGAIN.into())
            }
            Some(boundary) if !self.here.is_within(boundary) => Err(Errno::ENOENT.into()),
            _ => Ok(()),
        }
    }

    /// What is seen under a name of the directory that the walk has come to.
    pub(crate) fn child(&self, name: &[u8]) -> Attempt<Location> {
        let entry = self.here.entry().child(&self.walk.io, name)?;
        let found = Location::new(self.here.mount().clone(), entry);
        let found = self.walk.mounts.topmost(found);
        self.walk.may_cross(&self.here, &found)?;
        Ok(found)
    }

    /// Goes to `found`. A symbolic link is followed when `follow` says so; answers whether one was whose path is
    /// now to be walked.
    pub(crate) fn step(&mut self, found: Location, follow: bool) -> Attempt<bool> {
        if found.inode().kind() != FileKind::Symlink || !follow {
            self.here = found;
            return Ok(false);
        }
        self.links += 1;
        if self.links > LINK_LIMIT || self.walk.forbids(Restrictions::NO_LINKS) {
            return Err(Errno::ELOOP.into());
        }
        let link = found.inode().follow(&self.walk.io)?;
        if !matches!(link, Link::Path) {
            self.may_jump()?;
        }
        match link {
            Link::Opaque => self.here = found,
            Link::To(location) => self.jump(location)?,
            Link::Path => {
                self.expand(&found.inode().read_link(&self.walk.io)?)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a link may be followed that leads to a file and not to a path.
    fn may_jump(&self) -> Attempt<()> {
        if self.walk.forbids(Restrictions::NO_MAGIC_LINKS) {
            return Err(Errno::ELOOP.into());
        }
        if self.walk.forbids(Restrictions::SCOPED) {
            return Err(Errno::EXDEV.into());
        }
        Ok(())
    }

    fn jump(&mut self, location: Location) -> Attempt<()> {
        self.walk.may_cross(&self.here, &location)?;
        self.boundary = self.walk.boundary(&location);
        if self.boundary.is_none() && !self.walk.oversees_partitions() {
            return Err(Errno::EACCES.into());
        }
        self.here = location;
        Ok(())
    }

    fn expand(&mut self, target: &[u8]) -> Attempt<()> {
        if target.is_empty() {
            return Err(Stop::Error(Errno::ENOENT));
        }
        if target.first() == Some(&b'/') {
            if self.walk.forbids(Restrictions::BENEATH) {
                return Err(Errno::EXDEV.into());
            }
            self.walk.may_cross(&self.here, self.walk.root)?;
            self.here = self.walk.root.clone();
            self.boundary = Some(self.walk.root.clone());
        }
        let upcoming = self.upcoming();
        let mut rest = fallible::list(target.len() + upcoming.len())?;
        rest.extend_from_slice(target);
        rest.extend_from_slice(upcoming);
        self.rest = Cow::Owned(rest);
        self.at = 0;
        Ok(())
    }
}
