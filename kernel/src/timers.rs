//! What happens at a point of time.
//!
//! Sleeps, timeouts of parked calls and interval timers stand in one queue a CPU, ordered by time: that of the CPU
//! that has added them. It is in the kernel then, and programs its decrementer for the first before it leaves, so no
//! CPU ever has to tell another about a timer. Lock: rank `Timers`; a timer's effect takes place after the lock is
//! released.

use crate::latency;
use crate::process::Process;
use crate::system::system;
use crate::thread::WeakThread;
use abi::Ticks;
use alloc::sync::{Arc, Weak};
use arch::cpu::{CpuNumber, PerCpu};
use fallible::NoMemory;
use process::timer::{self, TimerQueue};
use sync::{Rank, SpinLock};
use wait::{Sleeper, Ticket, WeakWaiter};

/// A timer that can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerHandle {
    cpu: CpuNumber,
    place: timer::TimerHandle,
}

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
    /// Let a timer of a program expire.
    Expire(Weak<dyn Expire>),
    /// Look at processes that sleep.
    Dormant,
    /// Offer a console's output to the hypervisor again.
    ConsoleOutput(usize),
    /// The real-time interval timer of a process (`man 2 setitimer`).
    Alarm(Weak<Process>),
}

/// A timer of a program, which is told when its time has come.
pub trait Expire: Send + Sync {
    /// The time has come; no lock is held.
    fn expire(self: Arc<Self>, now: Ticks);
}

/// The timers of every CPU.
pub struct Timers {
    queues: PerCpu<SpinLock<TimerQueue<Timeout>>>,
}

impl Timers {
    /// No timers.
    pub const fn new() -> Self {
        Self {
            queues: PerCpu::new(
                [const { SpinLock::new(Rank::Timers, TimerQueue::new()) }; arch::MAX_CPUS],
            ),
        }
    }

    /// Adds a timer to those of this CPU.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_add(&self, at: Ticks, timeout: Timeout) -> Result<TimerHandle, NoMemory> {
        Ok(TimerHandle {
            cpu: arch::cpu::this(),
            place: self.queues.mine().lock().schedule(at, timeout)?,
        })
    }

    /// Adds a timer where nobody is there who could be told that there is no memory for it: timers that set themselves
    /// anew, those of interrupts. It takes one entry.
    pub fn add(&self, at: Ticks, timeout: Timeout) -> Option<TimerHandle> {
        let added = fallible::assured(|| self.try_add(at, timeout));
        added
            .inspect_err(|_| log::error!("no memory for a timer"))
            .ok()
    }

    /// Takes a timer back; nothing happens when it has expired.
    pub fn cancel(&self, handle: TimerHandle) {
        // Dropped after the lock is released: the timeout may be the last owner of something.
        let _timeout = self.queues.of(handle.cpu).lock().cancel(handle.place);
    }

    /// When the next timer of this CPU is due.
    pub fn next(&self) -> Option<Ticks> {
        self.queues.mine().lock().next()
    }

    /// Lets everything happen on this CPU whose time has come.
    pub fn expire(&self, now: Ticks) {
        loop {
            let due = {
                let mut queue = self.queues.mine().lock();
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
                Some(Timeout::Expire(timer)) => {
                    if let Some(timer) = timer.upgrade() {
                        timer.expire(now);
                    }
                }
                Some(Timeout::Dormant) => system().dormant.sweep(now),
                Some(Timeout::ConsoleOutput(number)) => {
                    if let Some(console) = system().consoles.get(number) {
                        console.pump();
                    }
                }
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
