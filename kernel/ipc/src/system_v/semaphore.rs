//! Sets of semaphores (`man 2 semop`).
//!
//! The operations of one call are done all at once or not at all. A caller that has to wait is enrolled, with the
//! semaphore at which its operations fail, in the queue of the set; whoever changes that semaphore in the direction that
//! it waits for makes it try again. Who waits for nothing but one semaphore to be 0 has got what it wants at that moment,
//! and does not come again: the set may be gone by then. What a process has done with SEM_UNDO is kept in the set, under the process's serial
//! number, and taken back when the process ends.

use super::registry::{Access, Create, Ownership, Permission, Registry, Visit};
use abi::Errno;
use alloc::vec::Vec;
use fallible::Map;
use sync::{Rank, SpinLock};
use wait::{Attempt, MayWait, Stop, WaitQueue};

/// Greatest value of a semaphore (SEMVMX).
pub const VALUE_LIMIT: u16 = 32_767;

/// Limits of a partition's semaphores (`man 2 semget`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreLimits {
    /// In one set (SEMMSL).
    pub in_set: u32,
    /// In all sets (SEMMNS).
    pub in_all: u32,
    /// In one call (SEMOPM).
    pub in_call: u32,
    /// Sets (SEMMNI).
    pub sets: u32,
}

/// The limits that Linux begins with.
pub const SEMAPHORE_LIMITS: SemaphoreLimits = SemaphoreLimits {
    in_set: 32_000,
    in_all: 1_024_000_000,
    in_call: 500,
    sets: 32_000,
};

/// One operation of a call (`struct sembuf`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which semaphore of the set.
    pub number: u16,
    /// What to add; 0 waits for 0.
    pub change: i16,
    /// Fail rather than wait (IPC_NOWAIT).
    pub nonblocking: bool,
    /// Take it back when the process ends (SEM_UNDO).
    pub undo: bool,
}

/// What somebody waits for at a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A greater value (GETNCNT).
    Rise,
    /// The value 0 (GETZCNT).
    Zero,
}

/// Whether a call is more than one wait for the value 0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// It is that, and over when the value is 0.
    Sole,
    /// There is more to do then.
    Part,
}

/// What IPC_STAT tells of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreStatus {
    /// Its number.
    pub id: i32,
    /// Whose it is.
    pub permission: Permission,
    /// When the last operation was, in seconds; 0 for never.
    pub operated: i64,
    /// When it was made or changed.
    pub changed: i64,
    /// Semaphores in it.
    pub count: u32,
}

#[derive(Clone, Copy, Default)]
struct Semaphore {
    value: u16,
    /// Who changed it last.
    pid: u32,
}

struct Set {
    semaphores: Vec<Semaphore>,
    operated: i64,
    changed: i64,
    /// What ending processes add, by their serial numbers.
    undo: Map<u64, Vec<i16>>,
    /// Who waits; the key is that of [`key`].
    waiting: WaitQueue,
}

/// The key of who waits at a semaphore.
const fn key(number: u16, waiting: Waiting, extent: Extent) -> u64 {
    (number as u64) << 2
        | (matches!(extent, Extent::Sole) as u64) << 1
        | matches!(waiting, Waiting::Zero) as u64
}

/// Why operations cannot be done now.
struct Blocked {
    number: u16,
    waiting: Waiting,
    nonblocking: bool,
}

impl Set {
    fn new(count: u32, now: i64) -> Result<Self, Errno> {
        let mut semaphores = Vec::new();
        semaphores
            .try_reserve_exact(count as usize)
            .map_err(|_| Errno::ENOMEM)?;
        semaphores.resize(count as usize, Semaphore::default());
        Ok(Self {
            semaphores,
            operated: 0,
            changed: now,
            undo: Map::new(),
            waiting: WaitQueue::new(),
        })
    }

    fn semaphore(&mut self, number: u16, missing: Errno) -> Result<&mut Semaphore, Errno> {
        self.semaphores.get_mut(usize::from(number)).ok_or(missing)
    }

    /// Does the operations one after the other, and takes all back when one cannot be done.
    fn attempt(&mut self, operations: &[Operation]) -> Result<Option<Blocked>, Errno> {
        for (done, operation) in operations.iter().enumerate() {
            let semaphore = self.semaphore(operation.number, Errno::EFBIG)?;
            let blocked = |waiting| {
                Ok(Some(Blocked {
                    number: operation.number,
                    waiting,
                    nonblocking: operation.nonblocking,
                }))
            };
            let value = i32::from(semaphore.value) + i32::from(operation.change);
            let failed = match u16::try_from(value) {
                Ok(0..) if operation.change == 0 && semaphore.value != 0 => blocked(Waiting::Zero),
                Err(_) => blocked(Waiting::Rise),
                Ok(value) if value > VALUE_LIMIT => Err(Errno::ERANGE),
                Ok(value) => {
                    semaphore.value = value;
                    continue;
                }
            };
            self.revert(operations.get(..done).unwrap_or_default());
            return failed;
        }
        Ok(None)
    }

    fn revert(&mut self, operations: &[Operation]) {
        for operation in operations.iter().rev() {
            if let Ok(semaphore) = self.semaphore(operation.number, Errno::EFBIG) {
                semaphore.value = semaphore
                    .value
                    .wrapping_add_signed(operation.change.wrapping_neg());
            }
        }
    }

    /// Makes those try again, or go on, who wait for what has become of a semaphore.
    fn tell(&self, number: u16, before: u16) {
        let Some(semaphore) = self.semaphores.get(usize::from(number)) else {
            return;
        };
        if semaphore.value > before {
            self.waiting
                .wake_those(move |waiting| waiting == key(number, Waiting::Rise, Extent::Part));
        }
        if semaphore.value == 0 {
            self.waiting.complete_those(0, move |waiting| {
                waiting == key(number, Waiting::Zero, Extent::Sole)
            });
            self.waiting
                .wake_those(move |waiting| waiting == key(number, Waiting::Zero, Extent::Part));
        }
    }

    /// Sets a semaphore; what processes would take back of it is forgotten.
    fn set_value(&mut self, number: u16, value: u16, pid: u32) -> Result<(), Errno> {
        let semaphore = self.semaphore(number, Errno::EINVAL)?;
        let before = semaphore.value;
        *semaphore = Semaphore { value, pid };
        for undo in self.undo.values_mut() {
            if let Some(change) = undo.get_mut(usize::from(number)) {
                *change = 0;
            }
        }
        self.tell(number, before);
        Ok(())
    }

    fn status(&self, id: i32, permission: Permission) -> SemaphoreStatus {
        SemaphoreStatus {
            id,
            permission,
            operated: self.operated,
            changed: self.changed,
            count: self.semaphores.len() as u32,
        }
    }
}

/// The semaphores of a partition.
pub struct Semaphores(SpinLock<Sets>);

struct Sets {
    registry: Registry<Set>,
    /// Sets in which a process has something to take back, by its serial number.
    undoers: Map<u64, Vec<i32>>,
    total: u32,
}

impl Default for Semaphores {
    fn default() -> Self {
        Self::new()
    }
}

impl Semaphores {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinLock::new(
            Rank::Stream,
            Sets {
                registry: Registry::new(),
                undoers: Map::new(),
                total: 0,
            },
        ))
    }

    /// The number of a set of `count` semaphores (`man 2 semget`).
    ///
    /// # Errors
    /// EINVAL for a count that cannot be or is more than the set has; ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
    pub fn get(&self, visit: Visit<'_>, wanted: Create, count: u32) -> Result<i32, Errno> {
        if count > SEMAPHORE_LIMITS.in_set {
            return Err(Errno::EINVAL);
        }
        let mut sets = self.0.lock();
        let total = sets.total;
        let mut made = 0;
        let id = sets.registry.get(
            visit,
            wanted,
            SEMAPHORE_LIMITS.sets,
            |set| {
                if count as usize > set.semaphores.len() {
                    return Err(Errno::EINVAL);
                }
                Ok(())
            },
            || {
                if count == 0 {
                    return Err(Errno::EINVAL);
                }
                if total + count > SEMAPHORE_LIMITS.in_all {
                    return Err(Errno::ENOSPC);
                }
                made = count;
                Set::new(count, visit.now)
            },
        )?;
        sets.total += made;
        Ok(id)
    }

    /// Does the operations of a call (`man 2 semop`). `process` is the serial number under which they are taken back. The
    /// waiter, when there is one, is enrolled when they cannot be done yet.
    ///
    /// # Errors
    /// EINVAL for a set that is not there, EFBIG, EACCES, ERANGE, ENOMEM; EAGAIN without a waiter or for an operation that
    /// does not wait.
    pub fn operate(
        &self,
        visit: Visit<'_>,
        id: i32,
        process: u64,
        operations: &[Operation],
        waiter: Option<&dyn MayWait>,
    ) -> Attempt<()> {
        let mut sets = self.0.lock();
        let Sets {
            registry, undoers, ..
        } = &mut *sets;
        let object = registry.find(id)?;
        let alters = operations.iter().any(|operation| operation.change != 0);
        let access = if alters { Access::Alter } else { Access::Read };
        let set = &mut object.value;
        let beyond = |operation: &Operation| usize::from(operation.number) >= set.semaphores.len();
        if operations.iter().any(beyond) {
            return Err(Errno::EFBIG.into());
        }
        object.permission.require(visit.credential, access)?;
        let undo = Undo::prepare(set, id, undoers, process, operations)?;
        let before: Vec<u16> = {
            let mut values = Vec::new();
            values
                .try_reserve_exact(operations.len())
                .map_err(|_| Errno::ENOMEM)?;
            values.extend(operations.iter().filter_map(|operation| {
                let semaphore = set.semaphores.get(usize::from(operation.number));
                semaphore.map(|semaphore| semaphore.value)
            }));
            values
        };
        if let Some(blocked) = set.attempt(operations)? {
            let Some(waiter) = waiter.filter(|_| !blocked.nonblocking) else {
                return Err(Errno::EAGAIN.into());
            };
            let extent = match operations {
                [Operation { change: 0, .. }] => Extent::Sole,
                _ => Extent::Part,
            };
            let key = key(blocked.number, blocked.waiting, extent);
            set.waiting.enrol_keyed(waiter.waiter(), key);
            return Err(Stop::Park);
        }
        undo.commit(set);
        set.operated = visit.now;
        for (operation, before) in operations.iter().zip(before) {
            if let Ok(semaphore) = set.semaphore(operation.number, Errno::EFBIG) {
                semaphore.pid = visit.pid;
            }
            set.tell(operation.number, before);
        }
        Ok(())
    }

    /// A process has ended: what it has done with SEM_UNDO is taken back.
    pub fn ended(&self, process: u64, pid: u32, now: i64) {
        let mut sets = self.0.lock();
        let Some(ids) = sets.undoers.remove(&process) else {
            return;
        };
        for id in ids {
            let Ok(object) = sets.registry.find(id) else {
                continue;
            };
            let set = &mut object.value;
            let changes = set.undo.remove(&process).unwrap_or_default();
            for (number, change) in (0u16..).zip(changes).filter(|(_, change)| *change != 0) {
                let Ok(semaphore) = set.semaphore(number, Errno::EFBIG) else {
                    continue;
                };
                let before = semaphore.value;
                // As far as it can be taken back: a semaphore never falls below 0 nor rises above the limit.
                let value = (i32::from(before) + i32::from(change)).clamp(0, VALUE_LIMIT.into());
                *semaphore = Semaphore {
                    value: value as u16,
                    pid,
                };
                set.operated = now;
                set.tell(number, before);
            }
        }
    }

    /// Whether the process has something to take back.
    #[must_use]
    pub fn has_undo(&self, process: u64) -> bool {
        self.0.lock().undoers.contains_key(&process)
    }

    /// The value of one semaphore (GETVAL), and who changed it last (GETPID).
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn value(&self, visit: Visit<'_>, id: i32, number: u16) -> Result<(u16, u32), Errno> {
        self.with(visit, id, Access::Read, |set| {
            let semaphore = set.semaphore(number, Errno::EINVAL)?;
            Ok((semaphore.value, semaphore.pid))
        })
    }

    /// How many wait at a semaphore (GETNCNT, GETZCNT).
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn waiters(
        &self,
        visit: Visit<'_>,
        id: i32,
        number: u16,
        waiting: Waiting,
    ) -> Result<usize, Errno> {
        self.with(visit, id, Access::Read, |set| {
            set.semaphore(number, Errno::EINVAL)?;
            let waiters = |extent| set.waiting.count(key(number, waiting, extent));
            Ok(waiters(Extent::Sole) + waiters(Extent::Part))
        })
    }

    /// All values (GETALL).
    ///
    /// # Errors
    /// EINVAL, EACCES, ENOMEM.
    pub fn values(&self, visit: Visit<'_>, id: i32) -> Result<Vec<u16>, Errno> {
        self.with(visit, id, Access::Read, |set| {
            let mut values = Vec::new();
            values
                .try_reserve_exact(set.semaphores.len())
                .map_err(|_| Errno::ENOMEM)?;
            values.extend(set.semaphores.iter().map(|semaphore| semaphore.value));
            Ok(values)
        })
    }

    /// Sets one semaphore (SETVAL).
    ///
    /// # Errors
    /// EINVAL, EACCES, ERANGE.
    pub fn set_value(
        &self,
        visit: Visit<'_>,
        id: i32,
        number: u16,
        value: i32,
    ) -> Result<(), Errno> {
        let value = in_range(value)?;
        self.with(visit, id, Access::Alter, |set| {
            set.set_value(number, value, visit.pid)?;
            set.changed = visit.now;
            Ok(())
        })
    }

    /// Sets all semaphores (SETALL); `values` has as many as the set.
    ///
    /// # Errors
    /// EINVAL, EACCES, ERANGE.
    pub fn set_values(&self, visit: Visit<'_>, id: i32, values: &[u16]) -> Result<(), Errno> {
        for value in values {
            in_range(i32::from(*value))?;
        }
        self.with(visit, id, Access::Alter, |set| {
            if values.len() != set.semaphores.len() {
                return Err(Errno::EINVAL);
            }
            for (number, value) in (0u16..).zip(values) {
                set.set_value(number, *value, visit.pid)?;
            }
            set.changed = visit.now;
            Ok(())
        })
    }

    /// How many semaphores a set has, for who may alter it.
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn count(&self, visit: Visit<'_>, id: i32, access: Access) -> Result<usize, Errno> {
        self.with(visit, id, access, |set| Ok(set.semaphores.len()))
    }

    fn with<R>(
        &self,
        visit: Visit<'_>,
        id: i32,
        access: Access,
        act: impl FnOnce(&mut Set) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let mut sets = self.0.lock();
        let object = sets.registry.find(id)?;
        object.permission.require(visit.credential, access)?;
        act(&mut object.value)
    }

    /// What IPC_STAT tells, to who may read it or, with `any`, to everybody.
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn status(&self, visit: Visit<'_>, id: i32, any: bool) -> Result<SemaphoreStatus, Errno> {
        let mut sets = self.0.lock();
        let object = sets.registry.find(id)?;
        if !any {
            object.permission.require(visit.credential, Access::Read)?;
        }
        Ok(object.value.status(id, object.permission))
    }

    /// The number of the set at a place (SEM_STAT).
    ///
    /// # Errors
    /// EINVAL.
    pub fn at(&self, index: u32) -> Result<i32, Errno> {
        let sets = self.0.lock();
        sets.registry
            .at(index)
            .map(|object| object.id)
            .ok_or(Errno::EINVAL)
    }

    /// Changes whose a set is (IPC_SET).
    ///
    /// # Errors
    /// EINVAL, EPERM.
    pub fn set(&self, visit: Visit<'_>, id: i32, new: Ownership) -> Result<(), Errno> {
        let mut sets = self.0.lock();
        let object = sets.registry.find(id)?;
        object.permission.require_owner(visit.credential)?;
        object.permission.set(new);
        object.value.changed = visit.now;
        Ok(())
    }

    /// Removes a set (IPC_RMID): whoever waits at it looks again and does not find it.
    ///
    /// # Errors
    /// EINVAL, EPERM.
    pub fn remove(&self, visit: Visit<'_>, id: i32) -> Result<(), Errno> {
        let removed = {
            let mut sets = self.0.lock();
            sets.registry
                .find(id)?
                .permission
                .require_owner(visit.credential)?;
            let removed = sets.registry.remove(id);
            if let Some(object) = &removed {
                for process in object.value.undo.keys() {
                    if let Some(ids) = sets.undoers.get_mut(process) {
                        ids.retain(|other| *other != id);
                    }
                }
                sets.total -= object.value.semaphores.len() as u32;
                object.value.waiting.wake_all();
            }
            removed
        };
        drop(removed);
        Ok(())
    }

    /// The last place taken, the sets and the semaphores (SEM_INFO).
    #[must_use]
    pub fn usage(&self) -> (u32, u32, u32) {
        let sets = self.0.lock();
        (sets.registry.last(), sets.registry.len(), sets.total)
    }

    /// All sets, whoever may read them (`/proc/sysvipc/sem`).
    ///
    /// # Errors
    /// ENOMEM.
    pub fn all(&self) -> Result<Vec<SemaphoreStatus>, Errno> {
        let sets = self.0.lock();
        let each = sets.registry.iter();
        let each = each.map(|object| object.value.status(object.id, object.permission));
        Ok(fallible::collect(each)?)
    }
}

fn in_range(value: i32) -> Result<u16, Errno> {
    u16::try_from(value)
        .ok()
        .filter(|value| *value <= VALUE_LIMIT)
        .ok_or(Errno::ERANGE)
}

/// What the operations of one call add to what the process takes back; ready before anything is changed.
struct Undo {
    process: u64,
    changes: Vec<i16>,
}

impl Undo {
    /// Afterwards the process is known to the set, and the set to the process, even when nothing is done in the end: its
    /// end clears both.
    fn prepare(
        set: &mut Set,
        id: i32,
        undoers: &mut Map<u64, Vec<i32>>,
        process: u64,
        operations: &[Operation],
    ) -> Result<Self, Errno> {
        let mut changes = Vec::new();
        if !operations.iter().any(|operation| operation.undo) {
            return Ok(Self { process, changes });
        }
        let count = set.semaphores.len();
        changes
            .try_reserve_exact(count)
            .map_err(|_| Errno::ENOMEM)?;
        if let Some(present) = set.undo.get(&process) {
            changes.extend_from_slice(present);
        }
        changes.resize(count, 0);
        for operation in operations.iter().filter(|operation| operation.undo) {
            if let Some(change) = changes.get_mut(usize::from(operation.number)) {
                let sum = i32::from(*change) - i32::from(operation.change);
                let limit = i32::from(VALUE_LIMIT);
                *change = i16::try_from(sum)
                    .ok()
                    .filter(|_| (-limit..=limit).contains(&sum))
                    .ok_or(Errno::ERANGE)?;
            }
        }
        let ids = undoers.get_or_insert_with(process, Vec::new)?;
        if !set.undo.contains_key(&process) {
            ids.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            set.undo.insert(process, Vec::new())?;
            ids.push(id);
        }
        Ok(Self { process, changes })
    }

    fn commit(self, set: &mut Set) {
        if !self.changes.is_empty()
            && let Some(present) = set.undo.get_mut(&self.process)
        {
            *present = self.changes;
        }
    }
}
