//! Spin locks with a documented place in the lock order.
//!
//! The kernel never sleeps with a lock held: a lock is taken, a few hundred instructions run, and it is
//! released before the dispatcher is reached. Locks are taken in ascending order of [`Rank`]; two locks of
//! one rank are never held together unless the rank's documentation says in which order. The order is kept by
//! review: a lock knows its rank, and nothing checks it at run time yet.

#![no_std]
#![forbid(unsafe_code)]

mod doorbell;

pub use doorbell::Doorbell;

use core::fmt;
use core::ops::{Deref, DerefMut};

/// A lock's place in the order: while one is held, only locks of a higher rank may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rank {
    /// The table of partitions and one partition's state.
    Partition = 10,
    /// The process tree: parents, children, groups, sessions; pid tables.
    ProcessTree = 20,
    /// One process: its threads, credentials, limits, signal actions.
    Process = 30,
    /// A table of open files.
    FileTable = 40,
    /// A mount namespace.
    Mounts = 50,
    /// The position of an open file that can seek; held across its transfers.
    Position = 52,
    /// The directory moves of one file system.
    Tree = 54,
    /// The names below one directory entry; two of them only under the tree's lock, lower number first.
    Directory = 56,
    /// One inode; a directory before what it holds.
    Inode = 60,
    /// A directory entry's parent and name.
    Place = 62,
    /// File locks, who watches an open file, and which epoll instance watches which.
    OpenFile = 65,
    /// A pipe, terminal or other queue of bytes; a terminal before the queue of its pseudoterminal.
    Stream = 70,
    /// One address space.
    AddressSpace = 80,
    /// The pages of one mappable object (a file's page cache, a shared segment): taken by faults, and never held
    /// while bytes are copied to or from a program.
    Pages = 85,
    /// A bucket of the futex table.
    Futex = 90,
    /// The entries of one epoll instance, of which those are marked that are ready.
    Readiness = 95,
    /// A wait queue.
    WaitQueue = 100,
    /// One thread's run state.
    Thread = 110,
    /// Timers of one CPU.
    Timers = 120,
    /// The scheduler.
    Scheduler = 130,
    /// The frame allocator and the kernel heap.
    Memory = 140,
    /// The console and the error log: may be taken anywhere.
    Log = 150,
}

/// A spin lock around a value, with its [`Rank`].
pub struct SpinLock<T: ?Sized> {
    rank: Rank,
    inner: spin::Mutex<T>,
}

/// Access to the value of a [`SpinLock`]; dropping it releases the lock.
pub struct Guard<'a, T: ?Sized> {
    inner: spin::MutexGuard<'a, T>,
}

impl<T> SpinLock<T> {
    /// A free lock of `rank` around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            inner: spin::Mutex::new(value),
        }
    }

    /// The value, when nobody else can have the lock.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Takes the lock, spinning until it is free.
    pub fn lock(&self) -> Guard<'_, T> {
        Guard {
            inner: self.inner.lock(),
        }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.inner.try_lock().map(|inner| Guard { inner })
    }

    /// The value, when the borrow proves that nobody else can have the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// The lock's place in the order.
    pub fn rank(&self) -> Rank {
        self.rank
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    /// Shows the rank only: the value may be in use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock")
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
