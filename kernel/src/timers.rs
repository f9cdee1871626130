//! What happens at a point of time.
//!
//! Sleeps, timeouts of parked calls and interval timers stand in one queue a CPU, ordered by time; the
//! dispatcher programs the decrementer for the first. Lock: rank `Timers`; a timer's effect takes place after
//! the lock is released.

use crate::latency;
use crate::process::Process;
use crate::system::system;
use crate::thread::WeakThread;
use abi::Ticks;
use alloc::sync::Weak;
use process::timer::TimerQueue;
use sync::{Rank, SpinLock};
use wait::{Sleeper, Ticket, WeakWaiter};

/// A timer that can be cancelled.
pub use process::timer::TimerHandle;

/// What to do when a time has come.
pub enum Timeout {
    /// Wake a run of a thread.
    Wake {
        /// Whom.
        thread: WeakThread,
        /// Which run.
        ticket: Ticket,
        /// The result to hand it; `None` to run its call again.
        completion: Option<i64>,
    },
    /// Wake a run of a thread, to run its call again.
    Waiter(WeakWaiter),
    /// Look at processes that sleep.
    Dormant,
    /// Offer output to the hypervisor again.
    ConsoleOutput,
    /// The real-time interval timer of a process (`man 2 setitimer`).
    Alarm(Weak<Process>),
}

/// The timers of a CPU.
pub struct Timers {
    queue: SpinLock<TimerQueue<Timeout>>,
}

impl Timers {
    /// No timers.
    pub const fn new() -> Self {
        Self {
            queue: SpinLock::new(Rank::Timers, TimerQueue::new()),
        }
    }

    /// Adds a timer.
    pub fn add(&self, at: Ticks, timeout: Timeout) -> TimerHandle {
        self.queue.lock().schedule(at, timeout)
    }

    /// Takes a timer back; nothing happens when it has expired.
    pub fn cancel(&self, handle: TimerHandle) {
        // Dropped after the lock is released: the timeout may be the last owner of something.
        let _timeout = self.queue.lock().cancel(handle);
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Ticks> {
        self.queue.lock().next()
    }

    /// Lets everything happen whose time has come.
    pub fn expire(&self, now: Ticks) {
        loop {
            let due = {
                let mut queue = self.queue.lock();
                if let Some(at) = queue.next().filter(|at| *at <= now) {
                    latency::late(Ticks(now.0 - at.0));
                }
                queue.expire(now)
            };
            match due {
                None => return,
                Some(Timeout::Wake {
                    thread,
                    ticket,
                    completion,
                }) => {
                    if let Some(thread) = thread.upgrade() {
                        thread.wake(ticket, completion);
                    }
                }
                Some(Timeout::Waiter(waiter)) => {
                    waiter.wake(None);
                }
                Some(Timeout::Dormant) => system().dormant.sweep(now),
                Some(Timeout::ConsoleOutput) => system().console.pump(),
                Some(Timeout::Alarm(process)) => {
                    if let Some(process) = process.upgrade() {
                        process.alarm_expired(now);
                    }
                }
            }
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}
