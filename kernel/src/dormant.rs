//! Sleeping processes give their translation tables back.
//!
//! Tables are a cache of the address-space description, and the root alone takes 64 KiB. A process that has not run
//! for `PATIENCE` loses its tables; its next instruction faults and they are built anew. So a partition whose
//! processes sleep costs little more than their pages.
//!
//! A process is put into the queue when one of its threads parks and it is not in it; it leaves when its tables
//! are gone or it has ended. One timer serves the whole queue, and there is none when the queue is empty: an
//! idle machine does not tick. Lock: the queue's, rank `Timers`.

use crate::family;
use crate::process::Process;
use crate::system::system;
use crate::timers::Timeout;
use abi::{Nanos, Pid, Ticks};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use sync::{Rank, SpinLock};

/// How long a process keeps the tables that it does not use.
const PATIENCE: Nanos = Nanos(1_000_000_000);

/// The most processes that are looked at in one go.
const BATCH: usize = 64;

/// Processes that may have tables which they do not use, the one that has waited longest first.
pub struct Dormant {
    queue: SpinLock<Queue>,
}

#[derive(Clone, Copy)]
struct Watched {
    pid: Pid,
    serial: u64,
    /// When to look at it.
    due: Ticks,
}

struct Queue {
    /// By number, not by reference: an ended process must not be kept in memory by its place here.
    waiting: VecDeque<Watched>,
    /// A timer is set.
    armed: bool,
}

impl Watched {
    fn new(process: &Process, due: Ticks) -> Self {
        let (pid, serial) = (process.pid, process.serial);
        Self { pid, serial, due }
    }
}

impl Dormant {
    /// No process.
    pub const fn new() -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            armed: false,
        };
        Self {
            queue: SpinLock::new(Rank::Timers, queue),
        }
    }

    /// A thread of the process has parked.
    pub fn note(&self, process: &Arc<Process>, now: Ticks) {
        if process.watched.load(Ordering::Relaxed) || process.watched.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let due = now.saturating_add(patience());
        let arm = {
            let mut queue = self.queue.lock();
            if queue.waiting.try_reserve(1).is_err() {
                // Its tables stay until it parks another time.
                process.watched.store(false, Ordering::Relaxed);
                return;
            }
            queue.waiting.push_back(Watched::new(process, due));
            !core::mem::replace(&mut queue.armed, true)
        };
        if arm {
            system().timers.add(due, Timeout::Dormant);
        }
    }

    /// Looks at the processes whose time has come.
    pub fn sweep(&self, now: Ticks) {
        for _ in 0..BATCH {
            let next = {
                let mut queue = self.queue.lock();
                let due = queue
                    .waiting
                    .front()
                    .is_some_and(|watched| watched.due <= now);
                if due { queue.waiting.pop_front() } else { None }
            };
            let Some(watched) = next else {
                break;
            };
            let found = family::find(watched.pid);
            if let Some(process) = found.filter(|process| process.serial == watched.serial) {
                self.look_at(&process, now);
            }
        }
        let due = {
            let mut queue = self.queue.lock();
            let due = queue.waiting.front().map(|watched| watched.due);
            queue.armed = due.is_some();
            due
        };
        if let Some(due) = due {
            system().timers.add(due, Timeout::Dormant);
        }
    }

    fn look_at(&self, process: &Arc<Process>, now: Ticks) {
        let ran = Ticks(process.ran.load(Ordering::Relaxed));
        if process.is_runnable() || now.saturating_sub(ran) < patience() {
            // The queue is in the order of the times, so a process that has just run waits a whole span again.
            let again = now.saturating_add(patience());
            let mut queue = self.queue.lock();
            if queue.waiting.try_reserve(1).is_ok() {
                queue.waiting.push_back(Watched::new(process, again));
            } else {
                process.watched.store(false, Ordering::Relaxed);
            }
            return;
        }
        process.watched.store(false, Ordering::Relaxed);
        if let Ok(space) = process.space() {
            space.lock().discard_translations();
        }
    }
}

impl Default for Dormant {
    fn default() -> Self {
        Self::new()
    }
}

fn patience() -> Ticks {
    system().timebase.ticks(PATIENCE)
}
