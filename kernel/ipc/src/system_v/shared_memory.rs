//! Segments of shared memory (`man 2 shmop`).
//!
//! A segment is attached by mapping it, and an attachment is an area of an address space that shows it. Nobody counts
//! attachments: each area has a handle to the segment, and the handles are counted. So `fork`, unmapping of parts and the
//! end of a process need no rule of their own, and the memory of a removed segment goes with its last area.

use super::registry::{Access, Create, Ownership, Permission, Registry, Visit};
use abi::{Errno, PAGE_SIZE};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use memory::{Frame, PageError, PageSource, SharedPages};
use sync::{Rank, SpinLock};
use vfs::DeviceNumber;

/// Segments that a partition may have (SHMMNI).
pub const SEGMENTS: u32 = 4096;
/// The device number that segments show in `/proc/PID/maps`.
const DEVICE: DeviceNumber = DeviceNumber::new(0, 0xf_fffd);

/// The pages of a segment, as address spaces show them.
pub struct Segment {
    id: i32,
    pages: SharedPages,
}

impl Segment {
    /// Whether a mapped object is the segment of this number.
    #[must_use]
    pub fn is_identity(identity: (u64, u64)) -> bool {
        identity.0 == DEVICE.encode()
    }
}

impl PageSource for Segment {
    fn page(&self, index: u64, for_write: bool) -> Result<Frame, PageError> {
        self.pages.page(index, for_write)
    }

    fn resident(&self, first: u64, around: &mut [Option<Frame>]) {
        self.pages.resident(first, around);
    }

    fn dirtied(&self, index: u64) {
        self.pages.dirtied(index);
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE.encode(), u64::from(self.id.cast_unsigned()))
    }
}

/// What IPC_STAT tells of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStatus {
    /// Its number.
    pub id: i32,
    /// Whose it is.
    pub permission: Permission,
    /// It goes with its last attachment (SHM_DEST).
    pub removed: bool,
    /// Bytes that were asked for.
    pub size: u64,
    /// When it was last attached, in seconds; 0 for never.
    pub attached: i64,
    /// When it was last detached.
    pub detached: i64,
    /// When it was made or changed.
    pub changed: i64,
    /// Who made it.
    pub creator: u32,
    /// Who attached or detached it last.
    pub operator: u32,
    /// How many areas show it.
    pub attachments: u64,
    /// Pages of it that are in memory.
    pub resident: u64,
}

enum Hold {
    /// The registry keeps the memory.
    Kept(Arc<Segment>),
    /// The attachments alone do.
    Removed(Weak<Segment>),
}

struct Entry {
    hold: Hold,
    size: u64,
    attached: i64,
    detached: i64,
    changed: i64,
    creator: u32,
    operator: u32,
}

impl Entry {
    fn attachments(&self) -> u64 {
        let handles = match &self.hold {
            Hold::Kept(segment) => Arc::strong_count(segment).saturating_sub(1),
            Hold::Removed(segment) => segment.strong_count(),
        };
        handles as u64
    }

    fn is_gone(&self) -> bool {
        matches!(self.hold, Hold::Removed(_)) && self.attachments() == 0
    }

    fn status(&self, id: i32, permission: Permission) -> SegmentStatus {
        SegmentStatus {
            id,
            permission,
            removed: matches!(self.hold, Hold::Removed(_)),
            size: self.size,
            attached: self.attached,
            detached: self.detached,
            changed: self.changed,
            creator: self.creator,
            operator: self.operator,
            attachments: self.attachments(),
            resident: self.resident(),
        }
    }

    /// Pages that are in memory.
    fn resident(&self) -> u64 {
        match &self.hold {
            Hold::Kept(segment) => segment.pages.resident_pages(),
            Hold::Removed(segment) => segment
                .upgrade()
                .map_or(0, |segment| segment.pages.resident_pages()),
        }
    }
}

/// The segments of a partition.
pub struct SharedMemory(SpinLock<Registry<Entry>>);

impl Default for SharedMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedMemory {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinLock::new(Rank::Stream, Registry::new()))
    }

    /// The number of a segment of at least `size` bytes (`man 2 shmget`).
    ///
    /// # Errors
    /// EINVAL for a size of 0 or more than the segment has; ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
    pub fn get(&self, visit: Visit<'_>, wanted: Create, size: u64) -> Result<i32, Errno> {
        let mut registry = self.0.lock();
        Self::sweep(&mut registry);
        let id = registry.get(
            visit,
            wanted,
            SEGMENTS,
            |entry| {
                if size > entry.size {
                    return Err(Errno::EINVAL);
                }
                Ok(())
            },
            || {
                if size == 0 || size > i64::MAX as u64 {
                    return Err(Errno::EINVAL);
                }
                Ok(Entry {
                    hold: Hold::Removed(Weak::new()),
                    size,
                    attached: 0,
                    detached: 0,
                    changed: visit.now,
                    creator: visit.pid,
                    operator: 0,
                })
            },
        )?;
        let entry = &mut registry.find(id)?.value;
        if entry.is_gone() {
            // It is new: its pages know its number.
            let pages = size.div_ceil(PAGE_SIZE as u64);
            let made = fallible::arc(Segment {
                id,
                pages: SharedPages::new(visit.credential.cid, pages),
            });
            match made {
                Ok(segment) => entry.hold = Hold::Kept(segment),
                Err(no_memory) => {
                    registry.remove(id);
                    return Err(no_memory.into());
                }
            }
        }
        Ok(id)
    }

    /// Forgets removed segments that nobody has attached any more, but for a new one.
    fn sweep(registry: &mut Registry<Entry>) {
        loop {
            let gone = registry.iter().find(|object| object.value.is_gone());
            let Some(id) = gone.map(|object| object.id) else {
                return;
            };
            registry.remove(id);
        }
    }

    fn with<R>(
        &self,
        id: i32,
        act: impl FnOnce(&mut Entry, &mut Permission) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let mut registry = self.0.lock();
        let object = registry.find(id)?;
        if object.value.is_gone() {
            registry.remove(id);
            return Err(Errno::EINVAL);
        }
        act(&mut object.value, &mut object.permission)
    }

    /// A segment to map, with its size in bytes and its key.
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn attach(
        &self,
        visit: Visit<'_>,
        id: i32,
        access: Access,
    ) -> Result<(Arc<Segment>, u64, u32), Errno> {
        self.with(id, |entry, permission| {
            permission.require(visit.credential, access)?;
            let segment = match &entry.hold {
                Hold::Kept(segment) => segment.clone(),
                Hold::Removed(segment) => segment.upgrade().ok_or(Errno::EINVAL)?,
            };
            Ok((segment, entry.size, permission.key))
        })
    }

    /// Notes that a segment has been attached or detached.
    pub fn note(&self, visit: Visit<'_>, id: i32, attached: bool) {
        let noted = self.with(id, |entry, _| {
            entry.operator = visit.pid;
            if attached {
                entry.attached = visit.now;
            } else {
                entry.detached = visit.now;
            }
            Ok(())
        });
        // A removed segment has gone with this very detachment.
        noted.ok();
    }

    /// What IPC_STAT tells, to who may read it or, with `any`, to everybody.
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn status(&self, visit: Visit<'_>, id: i32, any: bool) -> Result<SegmentStatus, Errno> {
        self.with(id, |entry, permission| {
            if !any {
                permission.require(visit.credential, Access::Read)?;
            }
            Ok(entry.status(id, *permission))
        })
    }

    /// The number of the segment at a place (SHM_STAT).
    ///
    /// # Errors
    /// EINVAL.
    pub fn at(&self, index: u32) -> Result<i32, Errno> {
        let registry = self.0.lock();
        registry
            .at(index)
            .map(|object| object.id)
            .ok_or(Errno::EINVAL)
    }

    /// Fails unless the caller may change the segment itself (SHM_LOCK).
    ///
    /// # Errors
    /// EINVAL, EPERM.
    pub fn require_owner(&self, visit: Visit<'_>, id: i32) -> Result<(), Errno> {
        self.with(id, |_, permission| {
            permission.require_owner(visit.credential)
        })
    }

    /// Changes whose a segment is (IPC_SET).
    ///
    /// # Errors
    /// EINVAL, EPERM.
    pub fn set(&self, visit: Visit<'_>, id: i32, new: Ownership) -> Result<(), Errno> {
        self.with(id, |entry, permission| {
            permission.require_owner(visit.credential)?;
            permission.set(new);
            entry.changed = visit.now;
            Ok(())
        })
    }

    /// Removes a segment (IPC_RMID): no key leads to it, and it goes with its last attachment.
    ///
    /// # Errors
    /// EINVAL, EPERM.
    pub fn remove(&self, visit: Visit<'_>, id: i32) -> Result<(), Errno> {
        let mut kept = None;
        self.with(id, |entry, permission| {
            permission.require_owner(visit.credential)?;
            if let Hold::Kept(segment) = &entry.hold {
                let attachments = Hold::Removed(Arc::downgrade(segment));
                kept = Some(core::mem::replace(&mut entry.hold, attachments));
            }
            Ok(())
        })?;
        self.0.lock().forget_key(id);
        // The memory itself, when nobody has it attached.
        drop(kept);
        Self::sweep(&mut self.0.lock());
        Ok(())
    }

    /// The last place taken, the segments and their pages (SHM_INFO).
    #[must_use]
    pub fn usage(&self) -> (u32, u32, u64) {
        let mut registry = self.0.lock();
        Self::sweep(&mut registry);
        let pages = |size: u64| size.div_ceil(PAGE_SIZE as u64);
        let all = registry.iter().map(|object| pages(object.value.size)).sum();
        (registry.last(), registry.len(), all)
    }

    /// Pages of all segments that are in memory.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let registry = self.0.lock();
        registry.iter().map(|object| object.value.resident()).sum()
    }

    /// All segments, whoever may read them (`/proc/sysvipc/shm`).
    ///
    /// # Errors
    /// ENOMEM.
    pub fn all(&self) -> Result<Vec<SegmentStatus>, Errno> {
        let mut registry = self.0.lock();
        Self::sweep(&mut registry);
        let each = registry.iter();
        let each = each.map(|object| object.value.status(object.id, object.permission));
        Ok(fallible::collect(each)?)
    }

    /// Forgets all segments: their partition ends.
    pub fn clear(&self) {
        let gone = core::mem::replace(&mut *self.0.lock(), Registry::new());
        drop(gone);
    }
}
