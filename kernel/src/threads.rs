//! The living threads of a process.
//!
//! Signals, stops and the end of a process reach its threads through this list, whatever memory there is: it is gone through
//! one thread after the other, never copied. Its lock has a rank of its own, so that who holds the state of the process or
//! its signals can go through it; it is not held while a thread is looked at.

use crate::thread::Thread;
use abi::Pid;
use alloc::sync::Arc;
use fallible::{Map, NoMemory};
use sync::{Rank, SpinLock};

/// The threads, in the order in which they came.
pub struct Threads(SpinLock<List>);

struct List {
    threads: Map<u64, Arc<Thread>>,
    /// The place of the next one.
    next: u64,
}

impl Default for Threads {
    fn default() -> Self {
        let list = List {
            threads: Map::new(),
            next: 0,
        };
        Self(SpinLock::new(Rank::Threads, list))
    }
}

impl Threads {
    /// Adds one at the end.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn add(&self, thread: &Arc<Thread>) -> Result<(), NoMemory> {
        let mut list = self.0.lock();
        let place = list.next;
        list.threads.insert(place, thread.clone())?;
        list.next += 1;
        Ok(())
    }

    /// Takes one out, and says how many are left.
    pub fn remove(&self, thread: &Arc<Thread>) -> usize {
        let mut list = self.0.lock();
        list.threads.retain(|_, other| !Arc::ptr_eq(other, thread));
        list.threads.len()
    }

    /// Takes all out.
    pub fn clear(&self) {
        // Dropped when the lock is released.
        let _threads = core::mem::take(&mut self.0.lock().threads);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().threads.len()
    }

    /// The first of them from place `from` on, which moves behind it.
    fn next(&self, from: &mut u64) -> Option<Arc<Thread>> {
        let list = self.0.lock();
        let (place, thread) = list.threads.range(*from..).next()?;
        *from = place + 1;
        Some(thread.clone())
    }

    /// All of them, one after the other. One that comes meanwhile is among them, one that goes is not.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Thread>> + '_ {
        let mut from = 0;
        core::iter::from_fn(move || self.next(&mut from))
    }

    /// Interrupts all of them but `spared`: the first now, the rest, when they are many, in steps.
    pub fn interrupt(&self, spared: Option<Pid>) {
        let mut from = 0;
        let Some(first) = self.next(&mut from) else {
            return;
        };
        let process = first.process.clone();
        let rest = core::iter::from_fn(move || process.threads.next(&mut from));
        let all = core::iter::once(first).chain(rest);
        let concerned = all.filter(move |thread| spared != Some(thread.tid()));
        remains::for_each(concerned, |thread| thread.interrupt());
    }
}
