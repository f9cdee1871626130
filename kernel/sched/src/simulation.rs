//! A deterministic machine for the scheduler: CPUs, decrementers, and threads and jobs that only use time.
//!
//! It drives a [`Scheduler`] exactly as the kernel does (step by step as in the crate's documentation), with
//! time that jumps from event to event. The same scenario gives the same result to the tick. It checks on
//! the way what the mechanism promises: no entity on two CPUs, none running that should sleep or elsewhere.

mod behaviour;

pub use behaviour::Behaviour;

use crate::{
    Attributes, Cpu, CpuClock, Decision, Entitlement, EntityId, Policy, Reason, Refusal, Scheduler,
    Snapshot, Wakeup,
};
use abi::{Cid, Nanos, Ticks, Timebase};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use behaviour::{Thread, Turn};

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

struct Processor {
    clock: Arc<CpuClock>,
    run: Option<EntityId>,
    since: Ticks,
    until: Option<Ticks>,
    /// It runs a job, which makes room between two steps only.
    in_step: bool,
    /// It is to look whether to make room when the step is over.
    asked: bool,
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
    /// By index of the entity; none where that is nobody's.
    threads: Vec<Option<(EntityId, Thread)>>,
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
            in_step: false,
            asked: false,
        };
        let mut machine = Self {
            scheduler,
            latencies: BTreeMap::new(),
            lateness: Ticks(0),
            switches: 0,
            now,
            processors: clocks.into_iter().map(start).collect(),
            threads: Vec::new(),
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
        let attributes = Attributes {
            nice,
            ..Attributes::default()
        };
        self.spawn_with(cid, behaviour, attributes)
    }

    /// Starts a thread with these attributes, runnable at once.
    ///
    /// # Panics
    /// When the scheduler refuses.
    pub fn spawn_with(
        &mut self,
        cid: Cid,
        behaviour: Behaviour,
        attributes: Attributes,
    ) -> EntityId {
        self.start(cid, Thread::new(behaviour), attributes)
    }

    /// Gives a thread other attributes.
    ///
    /// # Panics
    /// When the scheduler does not know it.
    pub fn set_attributes(&mut self, id: EntityId, attributes: Attributes) {
        let wakeup = self
            .scheduler
            .set_attributes(id, attributes, self.now)
            .expect("the thread is known");
        self.tell(wakeup);
    }

    /// Starts a thread that does what one has done elsewhere: it runs, sleeps, runs and so on for these spans and
    /// ends after the last run, whose sleep does not count.
    ///
    /// # Panics
    /// When the scheduler refuses.
    pub fn spawn_recorded(
        &mut self,
        cid: Cid,
        spans: impl IntoIterator<Item = (Ticks, Ticks)>,
        attributes: Attributes,
    ) -> EntityId {
        let spans: VecDeque<_> = spans.into_iter().collect();
        self.start(cid, Thread::recorded(spans), attributes)
    }

    fn start(&mut self, cid: Cid, thread: Thread, attributes: Attributes) -> EntityId {
        let id = self
            .scheduler
            .admit(cid, attributes)
            .expect("there is room for the scenario's thread");
        let index = id.index as usize;
        if self.threads.len() <= index {
            self.threads.resize_with(index + 1, || None);
        }
        if let Some(place) = self.threads.get_mut(index) {
            *place = Some((id, thread));
        }
        self.wake(id);
        id
    }

    fn thread(&mut self, id: EntityId) -> Option<&mut Thread> {
        let (known, thread) = self.threads.get_mut(id.index as usize)?.as_mut()?;
        (*known == id).then_some(thread)
    }

    /// Forgets the latencies so far, those of threads that are waiting now included.
    pub fn forget_latencies(&mut self) {
        self.latencies.clear();
        for (_, thread) in self.threads.iter_mut().flatten() {
            thread.woken_at = None;
        }
    }

    /// The threads that have not ended, in the order of their places in the scheduler's table.
    pub fn threads(&self) -> impl Iterator<Item = EntityId> {
        self.threads.iter().flatten().map(|&(id, _)| id)
    }

    /// Takes a thread out of the machine's books.
    fn forget(&mut self, id: EntityId) {
        if let Some(place) = self.threads.get_mut(id.index as usize)
            && let Some((_, thread)) = place.take_if(|(known, _)| *known == id)
            && let Some(at) = thread.wakes_at
        {
            self.sleeping.remove(&(at, id));
        }
    }

    /// Ends a thread wherever it is.
    ///
    /// # Panics
    /// When the scheduler does not know it.
    pub fn kill(&mut self, id: EntityId) {
        self.forget(id);
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
            if let Some(at) = self.thread(id).and_then(|thread| thread.wakes_at.take()) {
                self.sleeping.remove(&(at, id));
            }
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
            (processor.in_step, processor.asked) = (false, false);
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
            self.make_room(cpu);
        }
    }

    /// A CPU looks whether to go on: at once, or at the end of a job's step.
    fn make_room(&mut self, cpu: Cpu) {
        let number = usize::from(cpu.0);
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        if processor.in_step {
            processor.asked = true;
        } else if self.scheduler.must_preempt(cpu, self.now) {
            self.put_back(number, Reason::Preempted);
        } else {
            processor.until = self.scheduler.until(cpu);
        }
    }

    fn next_event(&self) -> Option<Ticks> {
        let wake = self.sleeping.first().map(|&(at, _)| at);
        let fires = |it: &&Processor| !(it.in_step && it.asked);
        let decrementers = self
            .processors
            .iter()
            .filter(fires)
            .filter_map(|it| it.until.map(|at| at + self.lateness));
        let ends = self.processors.iter().filter_map(|it| {
            let (_, thread) = self.threads.get(it.run?.index as usize)?.as_ref()?;
            Some(Ticks(it.since.0.saturating_add(thread.left?)))
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
        let now = self.now;
        if let Some(thread) = self.thread(id) {
            thread.woken_at = Some(now);
            thread.wakes_at = None;
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
        let done = self
            .processors
            .get(number)
            .and_then(|processor| processor.run);
        if let Some(id) = done
            && let Some(thread) = self.thread(id).filter(|thread| thread.left == Some(0))
        {
            let turn = thread.turn();
            match turn {
                Turn::Yield => return self.put_back(number, Reason::Yielded),
                Turn::Sleep(span) => {
                    let at = self.now + span;
                    if let Some(thread) = self.thread(id) {
                        thread.wakes_at = Some(at);
                    }
                    self.sleeping.insert((at, id));
                    return self.put_back(number, Reason::Blocked);
                }
                Turn::Exit => {
                    self.forget(id);
                    return self.put_back(number, Reason::Exited);
                }
                Turn::Step => self.end_step(number),
                Turn::Fork(run) => {
                    if let Some(cid) = self.scheduler.cid_of(id) {
                        self.spawn(cid, Behaviour::Once { run });
                    }
                }
            }
        }
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        if processor
            .until
            .is_some_and(|until| until + self.lateness <= self.now)
        {
            self.make_room(Cpu(number as u16));
        }
    }

    /// A step of a job is over, and it would go on.
    fn end_step(&mut self, number: usize) {
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        processor.in_step = false;
        if core::mem::take(&mut processor.asked) {
            self.make_room(Cpu(number as u16));
        }
        let run = self.processors.get(number).and_then(|it| it.run);
        let in_step = run
            .and_then(|id| self.thread(id))
            .is_some_and(|it| it.is_job());
        if let Some(processor) = self.processors.get_mut(number) {
            processor.in_step = in_step;
        }
    }

    fn use_time(&mut self, number: usize) {
        let Some(processor) = self.processors.get_mut(number) else {
            return;
        };
        let used = self.now.saturating_sub(processor.since).0;
        processor.since = self.now;
        let run = processor.run;
        if let Some(left) = run.and_then(|id| self.thread(id)?.left.as_mut()) {
            *left = left.saturating_sub(used);
        }
    }

    fn put_back(&mut self, number: usize, reason: Reason) {
        self.use_time(number);
        if let Some(processor) = self.processors.get_mut(number) {
            processor.clock.enter_kernel(self.now);
            processor.run = None;
            (processor.in_step, processor.asked) = (false, false);
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
            let asleep = self
                .thread(id)
                .is_none_or(|thread| thread.wakes_at.is_some());
            assert!(!asleep, "{id:?} runs in its sleep or after its end");
            let may = self.scheduler.cpus_of(id).expect("known");
            assert!(
                may.contains(Cpu(number as u16)),
                "{id:?} runs on a CPU that is not one of its own"
            );
            self.switches += 1;
            self.note_latency(id);
        }
        let job = run
            .and_then(|id| self.thread(id))
            .is_some_and(|it| it.is_job());
        if let Some(processor) = self.processors.get_mut(number) {
            processor.run = run;
            processor.until = until;
            processor.since = self.now;
            processor.in_step = job;
            if run.is_some() && !job {
                processor.clock.enter_user(self.now);
            }
        }
        self.tell(others);
    }

    fn note_latency(&mut self, id: EntityId) {
        let Some(woken_at) = self.thread(id).and_then(|thread| thread.woken_at.take()) else {
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
