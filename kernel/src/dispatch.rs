//! The dispatcher: one loop a CPU that runs threads until they park, exit or have had their slice.
//!
//! The kernel has one stack a CPU and runs with interrupts off. A thread enters it by a trap, which is a value
//! that [`arch::run_user`] returns; everything the trap asks for is done here on the CPU's stack, and the loop
//! goes on with the same thread or another. Nothing below the dispatcher ever waits.
//!
//! Time is charged at each boundary: to the thread's partition while it runs and while the kernel works for
//! it, to nobody (idle) while the CPU rests, to Global for the dispatcher's own work in between.
//!
//! Lock: the scheduler and the table of entities, rank `Scheduler`, innermost but for memory and the log.

use crate::running::Running;
use crate::system::system;
use crate::thread::Thread;
use abi::{Cid, Errno, Ticks, Timebase};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use sched::{Attributes, Decision, Entitlement, EntityId, Event, Policy, Reason, Scheduler};
use sync::{Rank, SpinLock};

/// The scheduler and the threads that it knows by number.
pub struct Dispatch {
    state: SpinLock<State>,
}

struct State {
    scheduler: Scheduler,
    threads: Vec<Option<Arc<Thread>>>,
}

/// What a CPU does next.
pub struct Next {
    /// The thread to run; none: rest.
    pub thread: Option<Arc<Thread>>,
    /// When to ask again at the latest.
    pub until: Option<Ticks>,
}

impl Dispatch {
    /// A dispatcher without threads.
    pub fn new(timebase: Timebase, cpus: usize, policy: Box<dyn Policy>) -> Self {
        let state = State { scheduler: Scheduler::new(timebase, cpus, policy, arch::time::now()), threads: Vec::new() };
        Self { state: SpinLock::new(Rank::Scheduler, state) }
    }

    /// Makes a thread known and runnable.
    ///
    /// # Errors
    /// EAGAIN when there is no room for it.
    pub fn admit(&self, thread: &Arc<Thread>, cid: Cid, nice: i8) -> Result<(), Errno> {
        let now = arch::time::now();
        let entity = {
            let mut state = self.state.lock();
            let entity = state.scheduler.admit(cid, Attributes { nice }).map_err(|_| Errno::EAGAIN)?;
            let index = entity.index as usize;
            if state.threads.len() <= index {
                state.threads.resize(index + 1, None);
            }
            if let Some(place) = state.threads.get_mut(index) {
                *place = Some(thread.clone());
            }
            entity
        };
        thread.set_entity(Some(entity));
        self.wake_at(entity, now);
        Ok(())
    }

    /// Forgets a thread that is over and does not run.
    pub fn retire(&self, entity: EntityId) {
        let _thread = {
            let mut state = self.state.lock();
            state.scheduler.retire(entity, arch::time::now());
            state.threads.get_mut(entity.index as usize).and_then(Option::take)
        };
    }

    /// Makes a parked thread runnable.
    pub fn wake(&self, entity: EntityId) {
        self.wake_at(entity, arch::time::now());
    }

    fn wake_at(&self, entity: EntityId, now: Ticks) {
        // One CPU: the answer is looked at when the dispatcher asks whether to preempt.
        let _preempt = self.state.lock().scheduler.wake(entity, now);
    }

    /// Chooses what a CPU does next.
    pub fn pick(&self, cpu: usize, now: Ticks) -> Next {
        let mut state = self.state.lock();
        let Decision { run, until } = state.scheduler.pick(cpu, now);
        let thread = run.and_then(|entity| state.threads.get(entity.index as usize).cloned().flatten());
        Next { thread, until }
    }

    /// Takes the running thread off a CPU.
    pub fn put_back(&self, cpu: usize, now: Ticks, reason: Reason) {
        self.state.lock().scheduler.put_back(cpu, now, reason);
    }

    /// Whether the running thread has to make room.
    pub fn must_preempt(&self, cpu: usize, now: Ticks) -> bool {
        self.state.lock().scheduler.must_preempt(cpu, now)
    }

    /// Lets the scheduler work: partitions, niceness, accounts.
    pub fn with<T>(&self, work: impl FnOnce(&mut Scheduler) -> T) -> T {
        work(&mut self.state.lock().scheduler)
    }

    /// Makes a partition known.
    pub fn add_partition(&self, cid: Cid, entitlement: Entitlement) {
        self.with(|scheduler| scheduler.add_partition(cid, entitlement, arch::time::now()));
    }

    fn next_event(&self) -> Option<Event> {
        self.with(Scheduler::take_event)
    }
}

/// Runs this CPU for ever.
pub fn run() -> ! {
    let system = system();
    let cpu = arch::cpu::this().index();
    loop {
        system.serve_interrupts();
        let now = arch::time::now();
        system.timers.expire(now);
        while let Some(event) = system.dispatch.next_event() {
            system.log_scheduler_event(&event);
        }
        let next = system.dispatch.pick(cpu, now);
        match next.thread {
            Some(thread) => Running::new(thread, cpu, next.until).run(),
            None => arch::idle(earlier(next.until, system.timers.next())),
        }
    }
}

/// The earlier of two points of time that may not be set.
pub fn earlier(one: Option<Ticks>, other: Option<Ticks>) -> Option<Ticks> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
