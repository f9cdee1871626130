//! A deterministic machine for the scheduler: CPUs, decrementers and threads that only use time.
//!
//! It drives a [`Scheduler`] exactly as the kernel does (step by step as in the crate's documentation), with
//! time that jumps from event to event. The same scenario gives the same result to the tick. It checks on
//! the way what the mechanism promises: no entity on two CPUs, none running that should sleep.

use crate::{
    Attributes, Cpu, CpuClock, Decision, Entitlement, EntityId, Policy, Reason, Refusal, Scheduler,
    Snapshot, Wakeup,
};
use abi::{Cid, Nanos, Ticks, Timebase};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The timebase of POWER systems: 512 MHz.
pub const TIMEBASE: Timebase = Timebase {
    ticks_per_second: 512_000_000,
};

/// `count` milliseconds in ticks of [`TIMEBASE`].
#[must_use]
pub const fn millis(count: u64) -> Ticks {
    TIMEBASE.ticks(Nanos(count * 1_000_000))
}

/// `count` microseconds in ticks of [`TIMEBASE`].
#[must_use]
pub const fn micros(count: u64) -> Ticks {
    TIMEBASE.ticks(Nanos(count * 1_000))
}

/// What a simulated thread does with its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs for ever.
    Busy,
    /// Runs for `run`, sleeps for `sleep`, and so on.
    Periodic {
        /// CPU time between two sleeps.
        run: Ticks,
        /// Length of a sleep.
        sleep: Ticks,
    },
    /// As periodic, each time with a length up to these, by a generator that starts at `seed`.
    Random {
        /// Longest CPU time between two sleeps.
        run: Ticks,
        /// Longest sleep.
        sleep: Ticks,
        /// Start of the sequence.
        seed: u64,
    },
    /// Runs and gives way every `run`.
    Yielding {
        /// CPU time between two calls of sched_yield.
        run: Ticks,
    },
}

struct Thread {
    behaviour: Behaviour,
    state: u64,
    /// CPU time until it sleeps or yields; `None`: never.
    left: Option<u64>,
    woken_at: Option<Ticks>,
}

struct Processor {
    clock: Arc<CpuClock>,
    run: Option<EntityId>,
    since: Ticks,
    until: Option<Ticks>,
}

/// The machine.
pub struct Machine {
    /// The scheduler that is driven; a test may call it between two runs.
    pub scheduler: Scheduler,
    /// From wake-up to first instruction, by partition.
    pub latencies: BTreeMap<Cid, Vec<Ticks>>,
    /// How much later than programmed every decrementer fires.
    pub lateness: Ticks,
    /// How often an entity was put on a CPU.
    pub switches: u64,
    now: Ticks,
    processors: Vec<Processor>,
    threads: BTreeMap<EntityId, Thread>,
    sleeping: BTreeSet<(Ticks, EntityId)>,
}

impl Machine {
    /// A machine of `cpus` CPUs that starts at `now` with `policy`.
    #[must_use]
    pub fn new(cpus: usize, policy: Box<dyn Policy>, now: Ticks) -> Self {
        let mut scheduler = Scheduler::new(TIMEBASE, cpus, policy);
        let online = |number| scheduler.online(Cpu(number as u16), now).ok();
        let clocks: Vec<_> = (0..cpus).filter_map(online).collect();
        let start = |clock| Processor {
            clock,
            run: None,
            since: now,
            until: None,
        };
        let mut machine = Self {
            scheduler,
            latencies: BTreeMap::new(),
            lateness: Ticks(0),
            switches: 0,
            now,
            processors: clocks.into_iter().map(start).collect(),
            threads: BTreeMap::new(),
            sleeping: BTreeSet::new(),
        };
        for number in 0..cpus {
            machine.pick(number);
        }
        machine
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Ticks {
        self.now
    }

    /// Loads a partition of default limits with these shares.
    pub fn partition(&mut self, cid: u16, shares: u16) -> Cid {
        self.partition_with(
            cid,
            Entitlement {
                shares: Some(shares),
                ..Entitlement::default()
            },
        )
    }

    /// Loads a partition.
    ///
    /// # Panics
    /// When the scheduler refuses.
    pub fn partition_with(&mut self, cid: u16, entitlement: Entitlement) -> Cid {
        let cid = Cid(cid);
        self.scheduler
            .add_partition(cid, entitlement, self.now)
            .expect("the scenario's partition is legal");
        cid
    }

    /// Starts a thread of nice value 0.
    pub fn spawn(&mut self, cid: Cid, behaviour: Behaviour) -> EntityId {
        self.spawn_nice(cid, behaviour, 0)
    }

    /// Starts a thread, runnable at once.
    ///
    /// # Panics
    /// When the scheduler refuses.
    pub fn spawn_nice(&mut self, cid: Cid, behaviour: Behaviour, nice: i8) -> EntityId {
        let id = self
            .scheduler
            .admit(cid, Attributes { nice })
            .expect("there is room for the scenario's thread");
        let state = match behaviour {
            Behaviour::Random { seed, .. } => seed | 1,
            _ => 1,
        };
        let mut thread = Thread {
            behaviour,
            state,
            left: None,
            woken_at: None,
        };
        thread.left = thread.next_run();
        self.threads.insert(id, thread);
        self.wake(id);
        id
    }

    /// Ends a thread wherever it is.
    ///
    /// # Panics
    /// When the scheduler does not know it.
    pub fn kill(&mut self, id: EntityId) {
        self.threads.remove(&id);
        self.sleeping.retain(|&(_, sleeper)| sleeper != id);
        match self
            .processors
            .iter()
            .position(|processor| processor.run == Some(id))
        {
            Some(number) => self.put_back(number, Reason::Exited),
            None => {
                self.scheduler
                    .retire(id, self.now)
                    .expect("the thread is known and on no CPU");
            }
        }
    }

    /// Stops a thread that is on no CPU and lets it go on at once, as a stop and a continue signal do: a sleep
    /// ends early.
    ///
    /// # Panics
    /// When the scheduler does not know it.
    pub fn stop_and_continue(&mut self, id: EntityId) {
        if self.scheduler.suspend(id, self.now).is_ok() {
            self.sleeping.retain(|&(_, sleeper)| sleeper != id);
            self.wake(id);
        }
    }

    /// Takes a CPU out of use.
    ///
    /// # Errors
    /// As [`Scheduler::offline`].
    pub fn unplug(&mut self, number: u16) -> Result<(), Refusal> {
        self.use_time(usize::from(number));
        let wakeup = self.scheduler.offline(Cpu(number), self.now)?;
        if let Some(processor) = self.processors.get_mut(usize::from(number)) {
            processor.run = None;
            processor.until = None;
        }
        self.tell(wakeup);
        Ok(())
    }

    /// Puts a CPU back to use; nothing happens when it is in use.
    pub fn plug(&mut self, number: u16) {
        let Ok(clock) = self.scheduler.online(Cpu(number), self.now) else {
            return;
        };
        if let Some(processor) = self.processors.get_mut(usize::from(number)) {
            processor.clock = clock;
            processor.since = self.now;
        }
        self.pick(usize::from(number));
    }

    /// Lets time pass for `span`.
    pub fn run(&mut self, span: Ticks) {
        let end = self.now + span;
        while let Some(next) = self.next_event().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.wake_sleepers();
            for number in 0..self.processors.len() {
                self.look_at(number);
            }
        }
        self.now = end;
    }

    /// All accounts now.
    ///
    /// # Panics
    /// When there is no memory.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.scheduler
            .snapshot(self.now)
            .expect("the host has memory")
    }

    /// Tells the CPUs what a call of the scheduler by the test has asked for.
    pub fn tell(&mut self, wakeup: Wakeup) {
        for cpu in wakeup.rearm.iter() {
            if let Some(processor) = self.processors.get_mut(usize::from(cpu.0)) {
                processor.until = self.scheduler.until(cpu);
            }
        }
        for cpu in wakeup.preempt.iter() {
            if self.scheduler.must_preempt(cpu, self.now) {
                self.put_back(usize::from(cpu.0), Reason::Preempted);
            }
        }
    }

    fn next_event(&self) -> Option<Ticks> {
        let wake = self.sleeping.first().map(|&(at, _)| at);
        let decrementers = self
            .processors
            .iter()
            .filter_map(|it| it.until.map(|at| at + self.lateness));
        let ends = self.processors.iter().filter_map(|it| {
            let left = self.threads.get(&it.run?)?.left?;
            Some(Ticks(it.since.0.saturating_add(left)))
        });
        decrementers.chain(ends).chain(wake).min()
    }

    fn wake_sleepers(&mut self) {
        while let Some(&(at, id)) = self.sleeping.first().filter(|(at, _)| *at <= self.now) {
            self.sleeping.remove(&(at, id));
            self.wake(id);
        }
    }

    fn wake(&mut self, id: EntityId) {
        if let Some(thread) = self.threads.get_mut(&id) {
            thread.woken_at = Some(self.now);
        }
        let wakeup = self
            .scheduler
            .wake(id, self.now)
            .expect("a sleeper is known to the scheduler");
        self.tell(wakeup);
    }

    /// One CPU's turn: has its thread come to an end of its run, has its decrementer fired?
    fn look_at(&mut self, number: usize) {
        self.use_time(number);
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        let done = processor
            .run
            .and_then(|id| Some((id, self.threads.get(&id)?)));
        if let Some((id, thread)) = done.filter(|(_, thread)| thread.left == Some(0)) {
            return match thread.behaviour {
                Behaviour::Yielding { .. } => {
                    self.next_life(id);
                    self.put_back(number, Reason::Yielded);
                }
                _ => {
                    let sleep = self.next_life(id);
                    self.sleeping.insert((self.now + sleep, id));
                    self.put_back(number, Reason::Blocked);
                }
            };
        }
        if processor
            .until
            .is_some_and(|until| until + self.lateness <= self.now)
        {
            let cpu = Cpu(number as u16);
            if self.scheduler.must_preempt(cpu, self.now) {
                self.put_back(number, Reason::Preempted);
            } else {
                processor.until = self.scheduler.until(cpu);
            }
        }
    }

    fn next_life(&mut self, id: EntityId) -> Ticks {
        let Some(thread) = self.threads.get_mut(&id) else {
            return Ticks(1);
        };
        let sleep = thread.next_sleep();
        thread.left = thread.next_run();
        sleep
    }

    fn use_time(&mut self, number: usize) {
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        let used = self.now.saturating_sub(processor.since).0;
        processor.since = self.now;
        if let Some(left) = processor
            .run
            .and_then(|id| self.threads.get_mut(&id)?.left.as_mut())
        {
            *left = left.saturating_sub(used);
        }
    }

    fn put_back(&mut self, number: usize, reason: Reason) {
        self.use_time(number);
        if let Some(processor) = self.processors.get_mut(number) {
            processor.clock.enter_kernel(self.now);
            processor.run = None;
        }
        self.scheduler
            .put_back(Cpu(number as u16), self.now, reason);
        self.pick(number);
    }

    fn pick(&mut self, number: usize) {
        let Decision { run, until, others } = self.scheduler.pick(Cpu(number as u16), self.now);
        if let Some(id) = run {
            assert!(
                self.processors
                    .iter()
                    .all(|processor| processor.run != Some(id)),
                "{id:?} is on two CPUs"
            );
            assert!(
                self.sleeping.iter().all(|&(_, sleeper)| sleeper != id),
                "{id:?} runs in its sleep"
            );
            self.switches += 1;
            self.note_latency(id);
        }
        if let Some(processor) = self.processors.get_mut(number) {
            processor.run = run;
            processor.until = until;
            processor.since = self.now;
            if run.is_some() {
                processor.clock.enter_user(self.now);
            }
        }
        self.tell(others);
    }

    fn note_latency(&mut self, id: EntityId) {
        let Some(thread) = self.threads.get_mut(&id) else {
            return;
        };
        let Some(woken_at) = thread.woken_at.take() else {
            return;
        };
        if let Some(cid) = self.scheduler.cid_of(id) {
            self.latencies
                .entry(cid)
                .or_default()
                .push(self.now - woken_at);
        }
    }
}

impl Thread {
    fn random(&mut self, most: Ticks) -> Ticks {
        // Marsaglia, "Xorshift RNGs" (2003).
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        Ticks(1 + self.state % most.0.max(1))
    }

    fn next_run(&mut self) -> Option<u64> {
        match self.behaviour {
            Behaviour::Busy => None,
            Behaviour::Periodic { run, .. } | Behaviour::Yielding { run } => Some(run.0.max(1)),
            Behaviour::Random { run, .. } => Some(self.random(run).0),
        }
    }

    fn next_sleep(&mut self) -> Ticks {
        match self.behaviour {
            Behaviour::Periodic { sleep, .. } => sleep.max(Ticks(1)),
            Behaviour::Random { sleep, .. } => self.random(sleep),
            Behaviour::Busy | Behaviour::Yielding { .. } => Ticks(1),
        }
    }
}
