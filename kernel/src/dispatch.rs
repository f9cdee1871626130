//! The dispatcher: one loop a CPU that runs threads and jobs until they park, exit or have had their slice.
//!
//! The kernel has one stack a CPU and runs with interrupts off. A thread enters it by a trap, which is a value
//! that [`arch::run_user`] returns; everything the trap asks for is done here on the CPU's stack, and the loop
//! goes on with the same thread or another. Nothing below the dispatcher ever waits.
//!
//! Time is charged at each boundary: to the partition of the thread or job while it runs and while the kernel works for
//! it, to nobody (idle) while the CPU rests, to Global for the dispatcher's own work in between.
//!
//! Lock: the scheduler and the table of entities, rank `Scheduler`, innermost but for memory and the log.

use crate::hotplug;
use crate::job::Job;
use crate::latency::{self, Work};
use crate::others;
use crate::running::Running;
use crate::system::system;
use crate::thread::Thread;
use abi::{Cid, Errno, Nanos, Ticks, Timebase};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::cpu::CpuNumber;
use fallible::{Map, NoMemory};
use sched::{
    Attributes, Cpu, CpuClock, CpuSet, Decision, Entitlement, EntityId, Event, Policy, Reason,
    Refusal, Scheduler, Wakeup,
};
use sync::{Rank, SpinLock};
use trace::Severity;

/// By how much the end of a slice may come late where an interrupt comes by then anyway. When threads wake each other
/// the end moves by a microsecond or two each time, and programming the decrementer anew would cost more than the wake-up.
const SLACK: Nanos = Nanos(20_000);

/// How long interrupts may have been off when a CPU goes on with another thread without a look at the controller. To ask it is
/// an access to a device, and what is pending interrupts the program as soon as that runs.
const PATIENCE: Nanos = Nanos(50_000);

/// The scheduler and what it knows by number.
pub struct Dispatch {
    state: SpinLock<State>,
    /// `SLACK` in ticks.
    pub slack: Ticks,
    /// `PATIENCE` in ticks.
    patience: Ticks,
}

struct State {
    scheduler: Scheduler,
    entities: Vec<Option<Runnable>>,
    /// The jobs of partitions, by the places of their entities.
    jobs: Map<(Cid, u32), Arc<Job>>,
    /// How often somebody of each partition was given a CPU.
    switches: Vec<u64>,
    /// The same of all together, since the start.
    all_switches: u64,
}

impl State {
    /// Makes room for the count of a partition, which begins at 0.
    fn count_from_zero(&mut self, cid: Cid) -> Result<(), NoMemory> {
        let place = usize::from(cid.0);
        if let Some(more) = (place + 1).checked_sub(self.switches.len()) {
            self.switches.try_reserve(more)?;
            self.switches.resize(place + 1, 0);
        }
        if let Some(count) = self.switches.get_mut(place) {
            *count = 0;
        }
        Ok(())
    }

    fn count_switch(&mut self, entity: EntityId) {
        self.all_switches += 1;
        let cid = self.scheduler.cid_of(entity);
        if let Some(count) = cid.and_then(|cid| self.switches.get_mut(usize::from(cid.0))) {
            *count += 1;
        }
    }
}

/// What the scheduler puts on a CPU.
#[derive(Clone)]
pub enum Runnable {
    /// A thread of a program.
    Thread(Arc<Thread>),
    /// Work without a thread.
    Job(Arc<Job>),
}

impl Runnable {
    fn set_entity(&self, entity: EntityId) {
        match self {
            Runnable::Thread(thread) => thread.set_entity(Some(entity)),
            Runnable::Job(job) => job.set_entity(entity),
        }
    }
}

/// How long what a CPU runs may go on.
pub struct Slice {
    /// The CPU.
    pub cpu: usize,
    /// When it has to make room; `None`: only when it is asked to.
    pub until: Option<Ticks>,
    /// When this was last asked of the clock: at the trap, or at a look in the middle of long work.
    pub seen: Ticks,
}

impl Slice {
    /// Until a point of time on a CPU.
    pub fn new(cpu: usize, until: Option<Ticks>) -> Self {
        Self {
            cpu,
            until,
            seen: Ticks(0),
        }
    }

    /// Whether it has to make room; `asked` when somebody has rung for this CPU.
    pub fn is_over(&mut self, asked: bool) -> bool {
        // A reading of the clock is dear on an emulator. What has become due since is found when the program is entered.
        let due = self.until.is_some_and(|until| self.seen >= until);
        if !due && !asked {
            return false;
        }
        let now = arch::time::now();
        match system().dispatch.go_on(self.cpu, now) {
            Some(until) => {
                self.until = until;
                false
            }
            None => true,
        }
    }

    /// The same at a point in the middle of long work, at which everything is taken that an interrupt would bring: devices
    /// and timers do not wait for the work's end.
    pub fn is_over_after_look(&mut self) -> bool {
        self.look();
        // Answered first: whoever rings has published before.
        let asked = others::answer();
        self.is_over(asked)
    }

    /// Takes what an interrupt would bring.
    pub fn look(&mut self) {
        self.seen = look();
    }
}

/// Takes what an interrupt would bring; answers what time it is.
pub fn look() -> Ticks {
    let system = system();
    system.serve_interrupts(None);
    let now = arch::time::now();
    latency::end(now);
    system.timers.expire(now, now);
    now
}

/// A point in a loop over what may be many, in a call that cannot be cut there: after some of them interrupts are taken. No
/// lock may be held.
pub fn one_of_many() {
    if !remains::may_go_on() {
        look();
    }
}

/// What a CPU does next.
pub struct Next {
    /// What to run; none: rest.
    pub run: Option<Runnable>,
    /// When to ask again at the latest.
    pub until: Option<Ticks>,
    /// The CPU is to go out of use instead.
    pub leave: bool,
    /// What the error log is to be told; there may be more.
    event: Option<Event>,
}

impl Dispatch {
    /// A dispatcher with nothing to run.
    pub fn new(timebase: Timebase, cpus: usize, policy: Box<dyn Policy>) -> Self {
        let state = State {
            scheduler: Scheduler::new(timebase, cpus, policy),
            entities: Vec::new(),
            jobs: Map::new(),
            switches: Vec::new(),
            all_switches: 0,
        };
        Self {
            state: SpinLock::new(Rank::Scheduler, state),
            slack: timebase.ticks(SLACK),
            patience: timebase.ticks(PATIENCE),
        }
    }

    /// Puts a CPU to work, on its own timers too; answers its clock.
    pub fn online(&self, cpu: usize, now: Ticks) -> Option<Arc<CpuClock>> {
        let mut state = self.state.lock();
        let clock = state.scheduler.online(Cpu(cpu as u16), now).ok()?;
        system().timers.take_back(CpuNumber(cpu as u16));
        Some(clock)
    }

    /// Asks a CPU to go out of use, which it does by [`Dispatch::offline`].
    ///
    /// # Errors
    /// [`Refusal::Busy`] when it is the last; [`Refusal::Cpu`] when it is not online.
    pub fn recall(&self, cpu: CpuNumber) -> Result<(), Refusal> {
        demand(self.with(|scheduler| scheduler.recall(Cpu(cpu.0)))?);
        Ok(())
    }

    /// This CPU, which has been recalled, leaves, and another one takes over what it has served. All under one lock: the
    /// heir cannot leave meanwhile, and whoever leaves later finds what it has inherited.
    pub fn offline(&self, cpu: CpuNumber, now: Ticks) {
        let mut state = self.state.lock();
        for cid in state.scheduler.confined_to(Cpu(cpu.0)) {
            let text = format_args!(
                "the last CPU in use of the resource set of partition {cid} goes: it runs on all others"
            );
            system().log(cid, Severity::Temporary, "sched", text);
        }
        let left = state.scheduler.offline(Cpu(cpu.0), now);
        // A CPU is recalled only while others stay.
        let (Ok(mut wakeup), Some(heir)) = (left, state.scheduler.online_cpus().iter().next())
        else {
            panic!("CPU {} was recalled and cannot go", cpu.0);
        };
        system().timers.hand_over(cpu, CpuNumber(heir.0));
        system().consoles.hand_over(cpu, CpuNumber(heir.0));
        drop(state);
        // It has timers to program its decrementer for.
        wakeup.rearm.insert(heir);
        demand(wakeup);
    }

    /// Makes a thread or a job known and runnable.
    ///
    /// # Errors
    /// EAGAIN when there is no room for it.
    pub fn admit(&self, runnable: Runnable, cid: Cid, attributes: Attributes) -> Result<(), Errno> {
        let now = arch::time::now();
        let entity = {
            let mut state = self.state.lock();
            // Entities have the lowest numbers that are free, so there is one more at the most.
            state.entities.try_reserve(1).map_err(NoMemory::from)?;
            let entity = state
                .scheduler
                .admit(cid, attributes)
                .map_err(|_| Errno::EAGAIN)?;
            if let Runnable::Job(job) = &runnable
                && state.jobs.insert((cid, entity.index), job.clone()).is_err()
            {
                state.scheduler.retire(entity, now).ok();
                return Err(Errno::ENOMEM);
            }
            let index = entity.index as usize;
            if state.entities.len() <= index {
                state.entities.resize(index + 1, None);
            }
            if let Some(place) = state.entities.get_mut(index) {
                *place = Some(runnable.clone());
            }
            entity
        };
        runnable.set_entity(entity);
        self.wake_at(entity, now);
        Ok(())
    }

    /// Makes a parked thread, or a job that waits, runnable.
    pub fn wake(&self, entity: EntityId) {
        self.wake_at(entity, arch::time::now());
    }

    fn wake_at(&self, entity: EntityId, now: Ticks) {
        // An entity that has gone in between needs no waking.
        let wakeup = self.with(|scheduler| scheduler.wake(entity, now));
        if let Ok(wakeup) = wakeup {
            demand(wakeup);
        }
    }

    /// Chooses what a CPU does next.
    pub fn pick(&self, cpu: usize, now: Ticks) -> Next {
        // Whatever was asked of it so far, this is the answer.
        others::answer();
        let (next, others) = {
            let mut state = self.state.lock();
            if state.scheduler.is_recalled(Cpu(cpu as u16)) {
                return Next {
                    run: None,
                    until: None,
                    leave: true,
                    event: None,
                };
            }
            let Decision { run, until, others } = state.scheduler.pick(Cpu(cpu as u16), now);
            if let Some(entity) = run {
                state.count_switch(entity);
            }
            let run =
                run.and_then(|entity| state.entities.get(entity.index as usize).cloned().flatten());
            let next = Next {
                run,
                until,
                leave: false,
                event: state.scheduler.take_event(),
            };
            (next, others)
        };
        demand(others);
        next
    }

    /// How many CPUs run threads, and which.
    pub fn cpus(&self) -> CpuSet {
        self.with(|scheduler| scheduler.online_cpus())
    }

    /// The CPUs that a partition may use.
    pub fn cpus_of(&self, cid: Cid) -> CpuSet {
        self.with(|scheduler| scheduler.partition_cpus(cid))
    }

    /// Takes what runs off a CPU.
    pub fn put_back(&self, cpu: usize, now: Ticks, reason: Reason) {
        self.state
            .lock()
            .scheduler
            .put_back(Cpu(cpu as u16), now, reason);
    }

    /// Takes what runs off a CPU, which an interrupt at `since` has told to make room.
    pub fn make_room(&self, cpu: usize, since: Ticks, now: Ticks) {
        self.with(|scheduler| scheduler.make_room(Cpu(cpu as u16), since, now));
    }

    /// Whether a thread that gives way gives way to anybody.
    pub fn is_contended(&self) -> bool {
        self.state.lock().scheduler.is_contended()
    }

    /// Until when what runs may go on; `None` when it has to make room.
    pub fn go_on(&self, cpu: usize, now: Ticks) -> Option<Option<Ticks>> {
        let state = self.state.lock();
        let cpu = Cpu(cpu as u16);
        (!state.scheduler.must_preempt(cpu, now)).then(|| state.scheduler.until(cpu))
    }

    /// Forgets what ran on a CPU and is over; the answer is to be dropped without a lock.
    pub fn bury(&self, cpu: usize, now: Ticks, entity: EntityId) -> Option<Runnable> {
        let mut state = self.state.lock();
        state
            .scheduler
            .put_back(Cpu(cpu as u16), now, Reason::Exited);
        let place = state.entities.get_mut(entity.index as usize);
        let over = place.and_then(Option::take);
        if let Some(Runnable::Job(job)) = &over {
            state.jobs.remove(&(job.cid(), entity.index));
        }
        over
    }

    /// Lets the scheduler work: partitions, niceness, accounts.
    pub fn with<T>(&self, work: impl FnOnce(&mut Scheduler) -> T) -> T {
        work(&mut self.state.lock().scheduler)
    }

    /// How often CPUs have been given to somebody of a partition, for Global to anybody at all (`ctxt` of `/proc/stat`).
    pub fn switches(&self, cid: Cid) -> u64 {
        let state = self.state.lock();
        if cid.is_global() {
            return state.all_switches;
        }
        let own = state.switches.get(usize::from(cid.0));
        own.copied().unwrap_or(0)
    }

    /// Makes a partition known.
    ///
    /// # Errors
    /// ENOMEM when there is no room for it, EEXIST when it is known, EINVAL for an entitlement that cannot be.
    pub fn add_partition(&self, cid: Cid, entitlement: Entitlement) -> Result<(), Errno> {
        let now = arch::time::now();
        let mut state = self.state.lock();
        state.count_from_zero(cid)?;
        let added = state.scheduler.add_partition(cid, entitlement, now);
        added.map_err(|refusal| match refusal {
            Refusal::Full => Errno::ENOMEM,
            Refusal::Partition => Errno::EEXIST,
            Refusal::Stale | Refusal::Busy | Refusal::Running => Errno::EBUSY,
            Refusal::Cpu | Refusal::Range => Errno::EINVAL,
        })
    }

    /// Gives a partition other shares and limits.
    pub fn change_partition(&self, cid: Cid, entitlement: Entitlement) {
        let now = arch::time::now();
        if let Ok(wakeup) = self.with(|scheduler| scheduler.change_partition(cid, entitlement, now))
        {
            demand(wakeup);
        }
    }

    /// Gives a thread other attributes.
    pub fn set_attributes(&self, entity: EntityId, attributes: Attributes) {
        let now = arch::time::now();
        // One that has ended in between has none.
        if let Ok(wakeup) = self.with(|scheduler| scheduler.set_attributes(entity, attributes, now))
        {
            demand(wakeup);
        }
    }

    /// Moves a thread into a partition.
    pub fn transfer(&self, entity: EntityId, cid: Cid) {
        let now = arch::time::now();
        // One that has ended in between needs no moving.
        if let Ok(wakeup) = self.with(|scheduler| scheduler.transfer(entity, cid, now)) {
            demand(wakeup);
        }
    }

    /// This CPU's time goes to the account of a partition from `since` on, until a thread is picked; answers whose it was.
    /// `None`: it is not there any more.
    pub fn charge_to(&self, since: Ticks, cid: Cid) -> Option<Cid> {
        let cpu = Cpu(arch::cpu::this().0);
        self.with(|scheduler| scheduler.charge_to(cpu, since, cid))
            .ok()
    }

    /// Whether a partition has used up its hard maximum for now.
    pub fn is_at_maximum(&self, cid: Cid, now: Ticks) -> bool {
        self.with(|scheduler| scheduler.is_at_maximum(cid, now))
    }

    /// Forgets a partition without threads. What its jobs have not done yet they do for Global.
    pub fn remove_partition(&self, cid: Cid) {
        let now = arch::time::now();
        let mut asked = Wakeup::default();
        let _left = {
            let state = &mut *self.state.lock();
            let mut left = None;
            while let Some((&(_, index), job)) = state.jobs.range((cid, 0)..=(cid, u32::MAX)).next()
            {
                job.become_global();
                if let Some(wakeup) = job
                    .entity()
                    .and_then(|entity| state.scheduler.transfer(entity, Cid::GLOBAL, now).ok())
                {
                    asked.merge(wakeup);
                }
                // Others have it, so nothing goes with this.
                left = state.jobs.remove(&(cid, index));
            }
            // One that is not there needs no forgetting; one with threads is not unloaded.
            state.scheduler.remove_partition(cid, now).ok();
            left
        };
        demand(asked);
    }

    /// Whether a partition is there.
    pub fn knows(&self, cid: Cid) -> bool {
        self.with(|scheduler| scheduler.knows(cid))
    }

    /// Another policy takes over.
    pub fn set_policy(&self, policy: Box<dyn Policy>) {
        if let Ok(wakeup) = self.with(|scheduler| scheduler.set_policy(policy, arch::time::now())) {
            demand(wakeup);
        }
    }

    fn next_event(&self) -> Option<Event> {
        self.with(Scheduler::take_event)
    }
}

/// Tells CPUs what is asked of them. Called without the scheduler's lock, which they will want.
fn demand(wakeup: Wakeup) {
    let mut asked = wakeup.preempt.0 | wakeup.rearm.0;
    while asked != 0 {
        others::ring(asked.trailing_zeros() as usize);
        asked &= asked - 1;
    }
}

/// Puts this CPU to work and runs it until it goes out of use.
pub fn run() -> ! {
    let system = system();
    let cpu = usize::from(arch::cpu::this().0);
    latency::begin(arch::time::now(), Work::Dispatch, 0);
    let clock = match system.dispatch.online(cpu, arch::time::now()) {
        Some(clock) => clock,
        None => panic!("CPU {cpu} is at work already"),
    };
    system.cpus.arrived(arch::cpu::this());
    loop {
        let mut now = arch::time::now();
        if latency::lasting(now) > system.dispatch.patience {
            system.serve_interrupts(None);
            now = arch::time::now();
            latency::end(now);
        }
        latency::working(Work::Dispatch, 0);
        system.timers.expire(now, now);
        let mut next = system.dispatch.pick(cpu, now);
        while let Some(event) = next.event {
            system.log_scheduler_event(&event);
            next.event = system.dispatch.next_event();
        }
        if next.leave {
            hotplug::depart(arch::cpu::this(), clock);
        }
        let slice = Slice::new(cpu, next.until);
        match next.run {
            Some(Runnable::Thread(thread)) => Running::new(thread, slice, &clock).run(),
            Some(Runnable::Job(job)) => job.run(slice),
            None => rest(&clock, next.until),
        }
    }
}

/// Rests until an interrupt comes or it is time.
fn rest(clock: &CpuClock, until: Option<Ticks>) {
    if !others::leave() {
        return;
    }
    let until = earlier(until, system().timers.next());
    let now = arch::time::now();
    clock.enter_idle(now);
    latency::end(now);
    arch::idle::idle(until);
    let now = arch::time::now();
    clock.enter_kernel(now);
    latency::begin(now, Work::Dispatch, 0);
    others::back();
    system().serve_interrupts(None);
}

/// The earlier of two points of time that may not be set.
pub fn earlier(one: Option<Ticks>, other: Option<Ticks>) -> Option<Ticks> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
