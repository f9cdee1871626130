//! What happens at a point of time.
//!
//! Sleeps, timeouts of parked calls and interval timers stand in one queue a CPU, ordered by time: that of the CPU
//! that has added them. It is in the kernel then, and programs its decrementer for the first before it leaves, so no
//! CPU ever has to tell another about a timer. Lock: rank `Timers`; a timer's effect takes place after the lock is
//! released.
//!
//! What a timer costs when its time has come, the interrupt included, is charged to the partition that has set it, and not
//! to that of the program which it interrupts: a partition with thousands of timers uses up its own part.
//!
//! Only so many of a partition's expire on the spot, though: what is more, and all when the partition is at its hard maximum,
//! waits for its turn on a CPU (`overdue.rs`).
//!
//! However many are due, a CPU lets 64 of them expire at once and then does something else for as long as that has
//! taken: nobody's timers keep a CPU from its programs.
//!
//! A CPU that goes out of use leaves its queue where it is, and another one serves it beside its own: no handle becomes
//! stale. Who serves what changes under the scheduler's lock only (`dispatch.rs`).

use crate::bill::Bill;
use crate::current;
use crate::latency;
use crate::overdue;
use crate::process::Process;
use crate::system::system;
use crate::thread::WeakThread;
use abi::{Cid, Nanos, Ticks};
use alloc::sync::{Arc, Weak};
use arch::cpu::{CpuNumber, PerCpu};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fallible::NoMemory;
use process::timer::{self, TimerQueue};
use sync::{Rank, SpinLock};
use wait::{Sleeper, Ticket, WeakWaiter};

/// No shorter time is between two signals of one timer, so that the program goes on in it. Linux looks at timers of CPU time
/// at its ticks, which are 1 to 10 ms apart.
pub const LEAST_PAUSE: Nanos = Nanos(500_000);

/// Timers that expire on a CPU before it looks for other work.
const BATCH: usize = 64;

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

impl Timeout {
    /// Who pays for it when it is set now: whom this CPU works for, but for what all need.
    fn payer(&self) -> Cid {
        match self {
            Timeout::Dormant | Timeout::ConsoleOutput(_) => Cid::GLOBAL,
            _ => current::partition(),
        }
    }

    /// What it is for happens; no lock is held.
    pub fn take_effect(self, now: Ticks) {
        match self {
            Timeout::Wake {
                thread,
                ticket,
                completion,
            } => {
                if let Some(thread) = thread.upgrade() {
                    thread.wake(ticket, completion);
                }
            }
            Timeout::Waiter(waiter) => {
                waiter.wake(None);
            }
            Timeout::Expire(timer) => {
                if let Some(timer) = timer.upgrade() {
                    timer.expire(now);
                }
            }
            Timeout::Dormant => system().dormant.sweep(now),
            Timeout::ConsoleOutput(number) => {
                if let Some(console) = system().consoles.get(number) {
                    console.pump();
                }
            }
            Timeout::Alarm(process) => {
                if let Some(process) = process.upgrade() {
                    process.alarm_expired(now);
                }
            }
        }
    }
}

/// What stands in a queue.
struct Entry {
    payer: Cid,
    timeout: Timeout,
}

/// A timer of a program, which is told when its time has come.
pub trait Expire: Send + Sync {
    /// The time has come; no lock is held.
    fn expire(self: Arc<Self>, now: Ticks);
}

/// What stands in order of time, and when the first is due.
struct Queue {
    timers: SpinLock<TimerQueue<Entry>>,
    /// When the first is due, or before; `u64::MAX`: there is none. Only the CPU that serves the queue adds to it, so what that
    /// CPU reads here is never late.
    next: AtomicU64,
}

impl Queue {
    const fn new() -> Self {
        Self {
            timers: SpinLock::new(Rank::Timers, TimerQueue::new()),
            next: AtomicU64::new(u64::MAX),
        }
    }

    /// Looks at the timers or changes them.
    fn with<T>(&self, act: impl FnOnce(&mut TimerQueue<Entry>) -> T) -> T {
        let mut timers = self.timers.lock();
        let result = act(&mut timers);
        let next = timers.next().map_or(u64::MAX, |at| at.0);
        self.next.store(next, Ordering::Relaxed);
        result
    }

    /// When the first is due, or before.
    fn next(&self) -> Option<Ticks> {
        let next = self.next.load(Ordering::Relaxed);
        (next != u64::MAX).then_some(Ticks(next))
    }

    /// The first timer, when its time has come.
    fn take_due(&self, now: Ticks) -> Option<Entry> {
        self.next().filter(|&at| at <= now)?;
        self.with(|timers| {
            if let Some(at) = timers.next().filter(|at| *at <= now) {
                latency::late(Ticks(now.0 - at.0));
            }
            timers.expire(now)
        })
    }
}

/// The timers of every CPU.
pub struct Timers {
    queues: PerCpu<Queue>,
    /// The queues that each CPU serves, a bit each.
    served: PerCpu<AtomicU64>,
    /// Until when each CPU, having let many expire, lets none.
    pauses: PerCpu<AtomicU64>,
    /// Whether each CPU lets timers expire just now.
    expiring: PerCpu<AtomicBool>,
}

impl Timers {
    /// No timers.
    pub const fn new() -> Self {
        Self {
            queues: PerCpu::new([const { Queue::new() }; arch::MAX_CPUS]),
            served: PerCpu::new([const { AtomicU64::new(0) }; arch::MAX_CPUS]),
            pauses: PerCpu::new([const { AtomicU64::new(0) }; arch::MAX_CPUS]),
            expiring: PerCpu::new([const { AtomicBool::new(false) }; arch::MAX_CPUS]),
        }
    }

    /// A CPU comes into use: it serves its own queue, and nobody else does.
    pub fn take_back(&self, cpu: CpuNumber) {
        let queue = 1 << cpu.0;
        for other in (0..arch::MAX_CPUS as u16).map(CpuNumber) {
            self.served.of(other).fetch_and(!queue, Ordering::Relaxed);
        }
        self.served.of(cpu).store(queue, Ordering::Relaxed);
    }

    /// `cpu` goes out of use: what it has served, `heir` serves. It must be made to look afterwards.
    pub fn hand_over(&self, cpu: CpuNumber, heir: CpuNumber) {
        let queues = self.served.of(cpu).swap(0, Ordering::Relaxed);
        self.served.of(heir).fetch_or(queues, Ordering::Relaxed);
    }

    /// The queues that this CPU serves.
    fn mine(&self) -> impl Iterator<Item = &Queue> {
        let mut left = self.served.mine().load(Ordering::Relaxed);
        core::iter::from_fn(move || {
            let cpu = (left != 0).then(|| left.trailing_zeros() as u16)?;
            left &= left - 1;
            Some(self.queues.of(CpuNumber(cpu)))
        })
    }

    /// Adds a timer to those of this CPU.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_add(&self, at: Ticks, timeout: Timeout) -> Result<TimerHandle, NoMemory> {
        let payer = timeout.payer();
        let entry = Entry { payer, timeout };
        Ok(TimerHandle {
            cpu: arch::cpu::this(),
            place: self
                .queues
                .mine()
                .with(|timers| timers.schedule(at, entry))?,
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
        let queue = self.queues.of(handle.cpu);
        let _entry = queue.with(|timers| timers.cancel(handle.place));
    }

    /// Whether this CPU lets timers expire just now.
    pub fn are_expiring(&self) -> bool {
        self.expiring.mine().load(Ordering::Relaxed)
    }

    /// When the next timer of this CPU is due, or is let expire.
    pub fn next(&self) -> Option<Ticks> {
        let next = self.mine().filter_map(Queue::next).min();
        next.map(|at| at.max(self.pause()))
    }

    /// Until when no timer expires on this CPU.
    fn pause(&self) -> Ticks {
        Ticks(self.pauses.mine().load(Ordering::Relaxed))
    }

    /// Lets everything happen on this CPU whose time has come. `since`: when it was interrupted for that, or now.
    pub fn expire(&self, now: Ticks, since: Ticks) {
        if self.next().is_none_or(|next| now < next) {
            return;
        }
        let mut bill: Option<Bill> = None;
        self.expiring.mine().store(true, Ordering::Relaxed);
        let mut left = BATCH;
        for queue in self.mine() {
            while left > 0
                && let Some(Entry { payer, timeout }) = queue.take_due(now)
            {
                left -= 1;
                bill.get_or_insert_with(|| Bill::begin(since)).to(payer);
                if let Some(timeout) = overdue::defer(payer, timeout, now) {
                    timeout.take_effect(now);
                }
            }
        }
        self.expiring.mine().store(false, Ordering::Relaxed);
        if left == 0 {
            let end = arch::time::now();
            let until = end.saturating_add(end.saturating_sub(now));
            self.pauses.mine().store(until.0, Ordering::Relaxed);
        }
        if let Some(bill) = bill {
            bill.end();
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}
