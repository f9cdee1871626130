//! Process and thread numbers: one global space, and one virtual space for each partition.
//!
//! A number is *reserved* first, so that the object can be made with it, then *bound* to the object. It
//! is given back when it is unbound and no process group or session is named by it any more. Numbers ascend
//! and wrap at the limit, so that a number comes back as late as possible; a [`PidHandle`] never does.
//! In Global the virtual number is the global number.

use abi::{Cid, Errno, Pid};
use core::ops::Bound;
use fallible::Map;
use security::{Absent, Credential, Privileges, Tagged};

/// A process or thread number as seen inside a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VPid(pub u32);

impl VPid {
    /// The first process of a partition.
    pub const INIT: VPid = VPid(1);
    /// What programs see in place of a process that they must not see.
    pub const NONE: VPid = VPid(0);
}

/// A use of a number that is never mistaken for a later use of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PidHandle {
    /// The global number.
    pub pid: Pid,
    generation: u64,
}

/// A number taken from both spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The use of the number.
    pub handle: PidHandle,
    /// The partition.
    pub cid: Cid,
    /// The number inside the partition.
    pub vpid: VPid,
}

impl Reserved {
    /// The global number.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.handle.pid
    }
}

/// All numbers and what they are bound to.
pub struct PidTable<T> {
    entries: Map<u32, Entry<T>>,
    spaces: Map<Cid, Space>,
    limit: u32,
    cursor: u32,
    generation: u64,
}

struct Entry<T> {
    generation: u64,
    vpid: VPid,
    /// Process groups and sessions named by this number, and one for the process or thread itself.
    holds: u32,
    /// Whose it is; programs get at the object through it only.
    tag: Tagged<()>,
    object: Option<T>,
}

/// The numbers of one partition, virtual to global; Global's are equal.
#[derive(Default)]
struct Space {
    cursor: u32,
    used: Map<u32, u32>,
}

/// After a wrap the low numbers, which belong to long-lived services, are left alone.
const AFTER_WRAP: u32 = 300;

/// The least free number from `cursor` on, wrapping at `limit`.
fn free_number<V>(used: &Map<u32, V>, cursor: u32, limit: u32) -> Option<u32> {
    let gap = |from: u32, to: u32| {
        let mut candidate = from;
        for (taken, _) in used.range((Bound::Included(from), Bound::Excluded(to))) {
            if *taken != candidate {
                break;
            }
            candidate += 1;
        }
        (candidate < to).then_some(candidate)
    };
    let from = cursor.clamp(1, limit);
    let again = AFTER_WRAP.min(limit / 2).max(1);
    let ahead = (from < limit).then(|| gap(from, limit)).flatten();
    ahead.or_else(|| if again < from { gap(again, from) } else { None })
}

impl<T> Default for PidTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PidTable<T> {
    /// Numbers below this are given out (`/proc/sys/kernel/pid_max` of 64-bit Linux).
    pub const PID_MAX: u32 = 4_194_304;

    /// An empty table with the limit [`PidTable::PID_MAX`].
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(Self::PID_MAX)
    }

    /// An empty table that gives out numbers below `limit`.
    #[must_use]
    pub const fn with_limit(limit: u32) -> Self {
        Self {
            entries: Map::new(),
            spaces: Map::new(),
            limit,
            cursor: 1,
            generation: 0,
        }
    }

    /// Takes a number for a process or thread of a partition; the first of each partition is 1.
    ///
    /// # Errors
    /// EAGAIN when one of the spaces is used up; ENOMEM.
    pub fn reserve(&mut self, cid: Cid) -> Result<Reserved, Errno> {
        let pid = free_number(&self.entries, self.cursor, self.limit).ok_or(Errno::EAGAIN)?;
        let space = self.spaces.get_or_insert_with(cid, Space::default)?;
        let vpid = if cid.is_global() {
            pid
        } else {
            free_number(&space.used, space.cursor, self.limit).ok_or(Errno::EAGAIN)?
        };
        space.used.insert(vpid, pid)?;
        let generation = self.generation + 1;
        let entry = Entry {
            generation,
            vpid: VPid(vpid),
            holds: 1,
            tag: Tagged::new(cid, ()),
            object: None,
        };
        if let Err(no_memory) = self.entries.insert(pid, entry) {
            space.used.remove(&vpid);
            return Err(no_memory.into());
        }
        space.cursor = vpid + 1;
        self.cursor = pid + 1;
        self.generation = generation;
        let handle = PidHandle {
            pid: Pid(pid),
            generation,
        };
        Ok(Reserved {
            handle,
            cid,
            vpid: VPid(vpid),
        })
    }

    /// Moves a number in use to another partition: the global number stays, the virtual one is new there.
    ///
    /// # Errors
    /// ESRCH when the number is not in use, EAGAIN when the partition's space is used up; ENOMEM.
    pub fn transfer(&mut self, pid: Pid, cid: Cid) -> Result<VPid, Errno> {
        let entry = self.entries.get_mut(&pid.0).ok_or(Errno::ESRCH)?;
        let space = self.spaces.get_or_insert_with(cid, Space::default)?;
        let vpid = if cid.is_global() {
            pid.0
        } else {
            free_number(&space.used, space.cursor, self.limit).ok_or(Errno::EAGAIN)?
        };
        space.used.insert(vpid, pid.0)?;
        space.cursor = vpid + 1;
        let (before, number) = (entry.tag.owner(), entry.vpid);
        entry.tag = Tagged::new(cid, ());
        entry.vpid = VPid(vpid);
        if before != cid
            && let Some(space) = self.spaces.get_mut(&before)
        {
            space.used.remove(&number.0);
        }
        Ok(VPid(vpid))
    }

    /// Lets the number lead to an object; answers what it led to before.
    pub fn bind(&mut self, handle: PidHandle, object: T) -> Option<T> {
        let entry = self
            .entries
            .get_mut(&handle.pid.0)
            .filter(|entry| entry.generation == handle.generation)?;
        entry.object.replace(object)
    }

    /// Gives up a reserved or bound number; it can come back once no group or session is named by it.
    pub fn unbind(&mut self, handle: PidHandle) -> Option<T> {
        let entry = self
            .entries
            .get_mut(&handle.pid.0)
            .filter(|entry| entry.generation == handle.generation)?;
        let object = entry.object.take();
        // A second unbind of the same use finds another generation and does nothing.
        self.generation += 1;
        entry.generation = self.generation;
        self.release(handle.pid);
        object
    }

    /// Keeps a number from coming back, because a group or session is named by it.
    pub(crate) fn hold(&mut self, pid: Pid) {
        if let Some(entry) = self.entries.get_mut(&pid.0) {
            entry.holds += 1;
        }
    }

    /// Undoes one [`PidTable::hold`].
    pub(crate) fn release(&mut self, pid: Pid) {
        let Some(entry) = self.entries.get_mut(&pid.0) else {
            return;
        };
        entry.holds = entry.holds.saturating_sub(1);
        if entry.holds > 0 {
            return;
        }
        if let Some(space) = self.spaces.get_mut(&entry.tag.owner()) {
            space.used.remove(&entry.vpid.0);
        }
        self.entries.remove(&pid.0);
    }

    /// The object of one use of a number.
    #[must_use]
    pub fn get(&self, handle: PidHandle) -> Option<&T> {
        let entry = self
            .entries
            .get(&handle.pid.0)
            .filter(|entry| entry.generation == handle.generation)?;
        entry.object.as_ref()
    }

    /// The object of a global number, for the kernel's own use.
    #[must_use]
    pub fn by_pid(&self, pid: Pid) -> Option<&T> {
        self.entries.get(&pid.0)?.object.as_ref()
    }

    /// The partition and the virtual number that belong to a global number.
    #[must_use]
    pub fn place(&self, pid: Pid) -> Option<(Cid, VPid)> {
        self.entries
            .get(&pid.0)
            .map(|entry| (entry.tag.owner(), entry.vpid))
    }

    /// What a number of a partition stands for globally.
    #[must_use]
    pub fn global(&self, cid: Cid, number: VPid) -> Option<Pid> {
        self.spaces
            .get(&cid)?
            .used
            .get(&number.0)
            .map(|pid| Pid(*pid))
    }

    /// The global number that a program means by `number`, be it a process, a thread, a group or a session.
    ///
    /// In Global programs give global numbers, and see those of partitions with the privilege.
    ///
    /// # Errors
    /// [`Absent`] when there is none that the credential may know of.
    pub fn resolve(&self, credential: &Credential, number: VPid) -> Result<Pid, Absent> {
        let pid = if credential.cid.is_global() {
            Pid(number.0)
        } else {
            self.global(credential.cid, number).ok_or(Absent)?
        };
        self.entries
            .get(&pid.0)
            .ok_or(Absent)?
            .tag
            .reach(credential)
            .map(|()| pid)
    }

    /// The object that a program means by `number`.
    ///
    /// # Errors
    /// [`Absent`] when there is none that the credential may know of.
    pub fn find(&self, credential: &Credential, number: VPid) -> Result<&T, Absent> {
        let pid = self.resolve(credential, number)?;
        self.by_pid(pid).ok_or(Absent)
    }

    /// A number as a process of partition `viewer` sees it; [`VPid::NONE`] when it must not.
    #[must_use]
    pub fn seen(&self, pid: Pid, viewer: Cid) -> VPid {
        match self.entries.get(&pid.0) {
            Some(_) if viewer.is_global() => VPid(pid.0),
            Some(entry) if entry.tag.owner() == viewer => entry.vpid,
            _ => VPid::NONE,
        }
    }

    /// The first object from number `from` on that a credential may know of; for walks that can be resumed.
    #[must_use]
    pub fn next(&self, credential: &Credential, from: VPid) -> Option<(VPid, &T)> {
        if credential.cid.is_global() && credential.privileges.contains(Privileges::PARTITIONS) {
            return self
                .entries
                .range(from.0..)
                .find_map(|(pid, entry)| entry.object.as_ref().map(|object| (VPid(*pid), object)));
        }
        self.next_of(credential.cid, from)
    }

    /// The global numbers in use by a partition.
    pub fn numbers(&self, cid: Cid) -> impl Iterator<Item = Pid> + '_ {
        self.spaces
            .get(&cid)
            .into_iter()
            .flat_map(|space| space.used.values().map(|pid| Pid(*pid)))
    }

    /// The first object of a partition from its number `from` on, with that number: for walks that can be resumed.
    #[must_use]
    pub fn next_of(&self, cid: Cid, from: VPid) -> Option<(VPid, &T)> {
        let space = self.spaces.get(&cid)?;
        space
            .used
            .range(from.0..)
            .find_map(|(vpid, pid)| self.by_pid(Pid(*pid)).map(|object| (VPid(*vpid), object)))
    }

    /// How many numbers a partition uses.
    #[must_use]
    pub fn population(&self, cid: Cid) -> usize {
        self.spaces.get(&cid).map_or(0, |space| space.used.len())
    }

    /// Forgets where a partition's numbers had got to, so that the next owner of the cid starts with 1.
    ///
    /// # Errors
    /// EBUSY while a number is in use.
    pub fn retire(&mut self, cid: Cid) -> Result<(), Errno> {
        if self.population(cid) > 0 {
            return Err(Errno::EBUSY);
        }
        self.spaces.remove(&cid);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
