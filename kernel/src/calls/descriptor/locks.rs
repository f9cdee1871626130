//! Advisory locks: of ranges by process or by open file (`man 2 fcntl`, "Advisory record locking", "Open file description
//! locks"), and of files by open file (`man 2 flock`). Those of ranges and those of files do not see each other.
//!
//! A holder is known by what it is freed with, its table of descriptors or its open file, and only weakly: a lock
//! whose holder is gone is free. Whoever waits runs its call again after every change, and after [`freed`],
//! which is called when open files have been dropped other than by `close`. A process that would wait for one that waits,
//! perhaps by way of others, for itself is told so (EDEADLK); of several threads that wait the last counts. A signal ends
//! the wait.
//!
//! Lock: one for each kind, of rank [`Rank::OpenFile`]; waiters enrol and are woken under it.

use super::{Call, Called};
use crate::outcome::{Outcome, Wait};
use crate::process::Files;
use abi::linux::{Flock, SEEK_CUR, SEEK_END, SEEK_SET};
use abi::{Cid, Errno, Pid};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fallible::{Map, NoMemory};
use process::VPid;
use procfs::{LockKind, LockLine};
use sync::{Rank, SpinLock};
use vfs::{Access, FileTable, InodeId, OpenFile, Whence};
use wait::{WaitQueue, Waiter};

/// `fcntl`: shared.
const F_RDLCK: u16 = 0;
/// `fcntl`: exclusive.
const F_WRLCK: u16 = 1;
/// `fcntl`: none.
const F_UNLCK: u16 = 2;

/// How many ranges one file may have locked; more is ENOLCK.
const RANGES: usize = 4096;

/// Locks of ranges.
static RECORDS: Table = Table::new();
/// Locks of open files.
static WHOLE: Table = Table::new();

/// What a lock goes with.
#[derive(Clone)]
pub(super) enum Holder {
    Process(Weak<SpinLock<FileTable>>),
    Opened(Weak<OpenFile>),
}

impl Holder {
    pub(super) fn process(files: &Files) -> Self {
        Holder::Process(Arc::downgrade(files))
    }

    pub(super) fn opened(file: &Arc<OpenFile>) -> Self {
        Holder::Opened(Arc::downgrade(file))
    }

    /// What tells a process from all others; nothing for an open file, which does not wait.
    fn key(&self) -> Option<u64> {
        match self {
            Holder::Process(files) => Some(files.as_ptr().addr() as u64),
            Holder::Opened(_) => None,
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Holder::Process(files) => files.strong_count() == 0,
            Holder::Opened(file) => file.strong_count() == 0,
        }
    }
}

impl PartialEq for Holder {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Holder::Process(one), Holder::Process(other)) => one.ptr_eq(other),
            (Holder::Opened(one), Holder::Opened(other)) => one.ptr_eq(other),
            _ => false,
        }
    }
}

/// Who is told to hold a lock (`l_pid`).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name {
    cid: Cid,
    pid: Pid,
    virtual_pid: VPid,
}

impl Name {
    fn of(call: &Call<'_>) -> Self {
        let process = call.process();
        Self {
            cid: call.cid(),
            pid: process.pid,
            virtual_pid: process.virtual_pid(),
        }
    }

    /// The number that a process of a partition may see; 0 for one of another partition.
    fn seen_from(self, cid: Cid) -> u32 {
        if cid == self.cid {
            self.virtual_pid.0
        } else if cid.is_global() {
            self.pid.0
        } else {
            0
        }
    }
}

/// Bytes from the first to the last, both included.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
}

impl Range {
    const WHOLE: Range = Range {
        first: 0,
        last: u64::MAX,
    };

    fn overlaps(self, other: Range) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether the two make one range, by overlapping or following each other.
    fn joins(self, other: Range) -> bool {
        self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1)
    }

    /// What is left of this range before and behind another.
    fn without(self, other: Range) -> impl Iterator<Item = Range> {
        let before = (self.first < other.first).then(|| Range {
            last: other.first - 1,
            ..self
        });
        let behind = (self.last > other.last).then(|| Range {
            first: other.last + 1,
            ..self
        });
        before.into_iter().chain(behind)
    }
}

#[derive(Clone)]
struct Lock {
    holder: Holder,
    name: Name,
    range: Range,
    exclusive: bool,
}

impl Lock {
    fn conflicts(&self, with: &Lock) -> bool {
        (self.exclusive || with.exclusive)
            && self.range.overlaps(with.range)
            && self.holder != with.holder
    }
}

#[derive(Default)]
struct Locked {
    locks: Vec<Lock>,
    waiting: WaitQueue,
}

impl Locked {
    fn conflict(&mut self, wanted: &Lock) -> Option<&Lock> {
        self.locks.retain(|lock| !lock.holder.is_gone());
        self.locks.iter().find(|lock| lock.conflicts(wanted))
    }

    /// Takes a range away from a holder.
    ///
    /// # Errors
    /// [`NoMemory`] when one lock would become two; nothing has changed then.
    fn release(&mut self, holder: &Holder, range: Range) -> Result<(), NoMemory> {
        // What is left of the locks that are cut: one more than there are at the most, as they do not overlap.
        let is_cut = |lock: &Lock| lock.holder == *holder && lock.range.overlaps(range);
        let cut = self.locks.iter().filter(|lock| is_cut(lock));
        let left = cut.clone().flat_map(|lock| {
            let rest = lock.range.without(range);
            rest.map(move |range| Lock {
                range,
                ..lock.clone()
            })
        });
        let left = fallible::collect(left)?;
        self.locks.try_reserve(left.len())?;
        self.locks.retain(|lock| !is_cut(lock));
        self.locks.extend(left);
        Ok(())
    }

    /// Gives a holder a range, joined with what it has of the same sort.
    fn acquire(&mut self, mut wanted: Lock) -> Result<(), NoMemory> {
        // Room for what is left of others, and for this one.
        self.locks.try_reserve(3)?;
        self.release(&wanted.holder, wanted.range)?;
        self.locks.retain(|lock| {
            let same = lock.holder == wanted.holder && lock.exclusive == wanted.exclusive;
            let joins = same && lock.range.joins(wanted.range);
            if joins {
                wanted.range.first = wanted.range.first.min(lock.range.first);
                wanted.range.last = wanted.range.last.max(lock.range.last);
            }
            !joins
        });
        self.locks.push(wanted);
        Ok(())
    }
}

#[derive(Default)]
struct Locks {
    files: Map<InodeId, Locked>,
    /// What processes have waited for last, by [`Holder::key`]: it counts while one enrolled with the key waits there.
    awaited: Map<u64, (InodeId, Lock)>,
}

impl Locks {
    /// Whether a process would wait for itself if it waited for `blocker`.
    fn closes_circle(&mut self, process: &Holder, mut blocker: Holder) -> bool {
        /// Longer ways are not followed (as on Linux).
        const LONGEST: usize = 10;
        for _ in 0..LONGEST {
            if blocker == *process {
                return true;
            }
            let Some(key) = blocker.key() else {
                return false;
            };
            let Some((file, wanted)) = self.awaited.get(&key).cloned() else {
                return false;
            };
            let Some(locked) = self.files.get_mut(&file) else {
                return false;
            };
            if locked.waiting.count(key) == 0 {
                return false;
            }
            match locked.conflict(&wanted) {
                Some(next) => blocker = next.holder.clone(),
                None => return false,
            }
        }
        false
    }
}

struct Table(SpinLock<Locks>);

impl Table {
    const fn new() -> Self {
        let locks = Locks {
            files: Map::new(),
            awaited: Map::new(),
        };
        Self(SpinLock::new(Rank::OpenFile, locks))
    }

    /// The first lock that is in the way.
    fn test(&self, file: InodeId, wanted: &Lock) -> Option<Lock> {
        let mut table = self.0.lock();
        table.files.get_mut(&file)?.conflict(wanted).cloned()
    }

    /// Takes a lock, or enrols the waiter, if there is one, and parks.
    fn acquire(&self, file: InodeId, wanted: Lock, waiter: Option<&Waiter>) -> Result<(), Outcome> {
        let mut table = self.0.lock();
        let locked = table.files.get_or_insert_with(file, Locked::default)?;
        if let Some(other) = locked.conflict(&wanted) {
            let Some(waiter) = waiter else {
                return Err(Errno::EAGAIN.into());
            };
            let Some(key) = wanted.holder.key() else {
                locked.waiting.enrol(waiter);
                return Err(Outcome::Park(Wait::retry()));
            };
            let blocker = other.holder.clone();
            if table.closes_circle(&wanted.holder, blocker) {
                return Err(Errno::EDEADLK.into());
            }
            table.awaited.insert(key, (file, wanted))?;
            if let Some(locked) = table.files.get_mut(&file) {
                locked.waiting.enrol_keyed(waiter, key);
            }
            return Err(Outcome::Park(Wait::retry()));
        }
        if locked.locks.len() >= RANGES {
            return Err(Errno::ENOLCK.into());
        }
        locked.acquire(wanted)?;
        // What was exclusive may have become shared.
        locked.waiting.wake_all();
        Ok(())
    }

    /// Takes a range away from a holder, and wakes who waits for it.
    ///
    /// # Errors
    /// [`NoMemory`] when something would be left on both sides of it; never for [`Range::WHOLE`].
    fn release(&self, file: InodeId, holder: &Holder, range: Range) -> Result<(), NoMemory> {
        let files = &mut self.0.lock().files;
        let Some(locked) = files.get_mut(&file) else {
            return Ok(());
        };
        locked.release(holder, range)?;
        locked.waiting.wake_all();
        if locked.locks.is_empty() {
            files.remove(&file);
        }
        Ok(())
    }

    /// Forgets locks of holders that are gone and lets everybody look who waits for one of them.
    fn sweep(&self) {
        let mut table = self.0.lock();
        table.awaited.retain(|_, (_, lock)| !lock.holder.is_gone());
        table.files.retain(|_, locked| {
            let before = locked.locks.len();
            locked.locks.retain(|lock| !lock.holder.is_gone());
            if locked.locks.len() < before {
                locked.waiting.wake_all();
            }
            !locked.locks.is_empty()
        });
    }
}

/// Most locks of each kind that [`lines`] tells of.
const LINES: usize = 512;

/// The locks that were taken by processes which those of a partition see (`/proc/locks`), not more than some of each kind.
///
/// # Errors
/// [`NoMemory`].
pub fn lines(cid: Cid) -> Result<Vec<LockLine>, NoMemory> {
    let mut lines = fallible::list(2 * LINES)?;
    for (table, whole) in [(&RECORDS, false), (&WHOLE, true)] {
        let table = table.0.lock();
        let all = table
            .files
            .iter()
            .flat_map(|(file, locked)| locked.locks.iter().map(move |lock| (*file, lock)));
        let held = all.filter(|(_, lock)| !lock.holder.is_gone());
        let seen = held.filter_map(|(file, lock)| {
            let pid = Some(lock.name.seen_from(cid)).filter(|pid| *pid != 0)?;
            let kind = match &lock.holder {
                _ if whole => LockKind::Whole,
                Holder::Process(_) => LockKind::Process,
                Holder::Opened(_) => LockKind::OpenFile,
            };
            Some(LockLine {
                kind,
                exclusive: lock.exclusive,
                pid: Pid(pid),
                file,
                first: lock.range.first,
                last: lock.range.last,
            })
        });
        lines.extend(seen.take(LINES));
    }
    Ok(lines)
}

/// Open files have been dropped, with a process or by `execve`: their locks are free, those of the process too.
///
/// To be called after the last reference to a table of descriptors has been dropped. It visits the locked files, of
/// which there are few.
pub fn freed() {
    RECORDS.sweep();
    WHOLE.sweep();
}

/// A descriptor of the table has been closed: the process's record locks on the file go, and those of the open file
/// with its last descriptor.
pub fn closed(files: &Files, file: Arc<OpenFile>) {
    let id = file.location().map(|location| location.inode().id());
    if let Some(id) = id {
        let process = Holder::process(files);
        // Nothing is left over that memory would be needed for.
        RECORDS.release(id, &process, Range::WHOLE).ok();
    }
    let holder = Holder::opened(&file);
    drop(file);
    if let Some(id) = id.filter(|_| holder.is_gone()) {
        for table in [&RECORDS, &WHOLE] {
            table.release(id, &holder, Range::WHOLE).ok();
        }
    }
}

fn identify(file: &OpenFile) -> Result<InodeId, Errno> {
    file.location()
        .map(|location| location.inode().id())
        .ok_or(Errno::EINVAL)
}

/// The structure of a record lock, with its kind and the range that it means.
fn decode(call: &Call<'_>, file: &OpenFile) -> Result<(Flock, Range), Outcome> {
    let flock = Flock::decode(&call.user.bytes(call.argument(2))?);
    let base = match u32::from(flock.whence) {
        SEEK_SET => 0,
        SEEK_CUR => file.seek(&call.io(), 0, Whence::Current)?,
        SEEK_END => file.operations().size(&call.io())?,
        _ => return Err(Errno::EINVAL.into()),
    };
    let start = i64::try_from(base)
        .ok()
        .and_then(|base| base.checked_add(flock.start))
        .ok_or(Errno::EOVERFLOW)?;
    let (first, last) = if flock.len < 0 {
        (
            start.checked_add(flock.len).ok_or(Errno::EINVAL)?,
            start - 1,
        )
    } else if flock.len == 0 {
        (start, i64::MAX)
    } else {
        (
            start,
            start.checked_add(flock.len - 1).ok_or(Errno::EOVERFLOW)?,
        )
    };
    let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
    // To the greatest offset is to the end, wherever that will be.
    let last = if last == i64::MAX {
        u64::MAX
    } else {
        u64::try_from(last).map_err(|_| Errno::EINVAL)?
    };
    Ok((flock, Range { first, last }))
}

/// The structure of a record lock, with the lock that it means; none is held when it is told to be given up.
///
/// # Errors
/// EINVAL, EFAULT, EOVERFLOW.
fn record(call: &Call<'_>, file: &OpenFile, holder: Holder) -> Result<(Flock, Lock), Outcome> {
    let (flock, range) = decode(call, file)?;
    // Nobody in particular holds what goes with an open file.
    if matches!(holder, Holder::Opened(_)) && flock.pid != 0 {
        return Err(Errno::EINVAL.into());
    }
    let lock = Lock {
        holder,
        name: Name::of(call),
        range,
        exclusive: flock.kind == F_WRLCK,
    };
    Ok((flock, lock))
}

/// `fcntl(F_GETLK)`, `fcntl(F_OFD_GETLK)`.
pub(super) fn test(call: &Call<'_>, file: &OpenFile, holder: Holder) -> Called {
    let id = identify(file)?;
    let (mut flock, wanted) = record(call, file, holder)?;
    if flock.kind > F_WRLCK {
        return Err(Errno::EINVAL.into());
    }
    match RECORDS.test(id, &wanted) {
        None => flock.kind = F_UNLCK,
        Some(other) => {
            let Range { first, last } = other.range;
            flock.kind = if other.exclusive { F_WRLCK } else { F_RDLCK };
            flock.whence = SEEK_SET as u16;
            flock.start = first.cast_signed();
            flock.len = if last == u64::MAX {
                0
            } else {
                (last - first + 1).cast_signed()
            };
            flock.pid = match other.holder {
                Holder::Process(_) => other.name.seen_from(call.cid()).cast_signed(),
                Holder::Opened(_) => -1,
            };
        }
    }
    call.user.write(call.argument(2), &flock.encode())?;
    Ok(0)
}

/// `fcntl(F_SETLK)`, `fcntl(F_SETLKW)`, and those of open files.
pub(super) fn set(call: &Call<'_>, file: &OpenFile, holder: Holder, waits: bool) -> Called {
    let id = identify(file)?;
    let (flock, wanted) = record(call, file, holder)?;
    let needed = match flock.kind {
        F_UNLCK => {
            RECORDS.release(id, &wanted.holder, wanted.range)?;
            return Ok(0);
        }
        F_RDLCK => Access::READ,
        F_WRLCK => Access::WRITE,
        _ => return Err(Errno::EINVAL.into()),
    };
    if !file.access().contains(needed) {
        return Err(Errno::EBADF.into());
    }
    let waiter = waits.then(|| call.waiter());
    RECORDS.acquire(id, wanted, waiter)?;
    Ok(0)
}

/// `man 2 flock`.
pub(super) fn flock(call: &Call<'_>, file: &Arc<OpenFile>) -> Called {
    const SHARED: u64 = 1;
    const EXCLUSIVE: u64 = 2;
    const NONBLOCKING: u64 = 4;
    const UNLOCK: u64 = 8;
    let id = identify(file)?;
    let operation = call.argument(1) & 0xffff_ffff;
    let holder = Holder::opened(file);
    match operation & !NONBLOCKING {
        UNLOCK => WHOLE.release(id, &holder, Range::WHOLE)?,
        kind @ (SHARED | EXCLUSIVE) => {
            let wanted = Lock {
                holder,
                name: Name::of(call),
                range: Range::WHOLE,
                exclusive: kind == EXCLUSIVE,
            };
            let waiter = (operation & NONBLOCKING == 0).then(|| call.waiter());
            WHOLE.acquire(id, wanted, waiter)?;
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}
