//! One run of a scenario: one policy, one number of CPUs.

use crate::ideal::{Want, divide};
use crate::scenario::{Change, Partition, Scenario, Threads};
use abi::{Cid, Ticks};
use anyhow::{Context, Result, ensure};
use sched::simulation::{Behaviour, Machine, TIMEBASE};
use sched::{Entitlement, EntityId, Event};
use std::time::{Duration, Instant};

/// What has come of one partition.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name in the scenario.
    pub name: String,
    /// Its controls at the end.
    pub entitlement: Entitlement,
    /// Ticks used since the start of the measured time, at each sample.
    pub used: Vec<f64>,
    /// What an ideal division would have given it by then.
    pub ideal: Vec<f64>,
    /// From wake-up to running, ascending.
    pub latencies: Vec<Ticks>,
}

impl Part {
    /// Percentage points of one CPU over `span` ticks.
    #[must_use]
    pub fn points(&self, span: f64) -> f64 {
        100.0 * self.used.last().unwrap_or(&0.0) / span
    }

    /// What it should have had.
    #[must_use]
    pub fn ideal_points(&self, span: f64) -> f64 {
        100.0 * self.ideal.last().unwrap_or(&0.0) / span
    }

    /// How far it is from that, either way.
    #[must_use]
    pub fn error(&self, span: f64) -> f64 {
        (self.points(span) - self.ideal_points(span)).abs()
    }

    /// The latency that `percent` of its wake-ups do not exceed; `None` when it never slept.
    #[must_use]
    pub fn latency(&self, percent: f64) -> Option<Ticks> {
        percentile(&self.latencies, percent)
    }
}

/// Which of these, in ascending order, `percent` of them do not exceed; `None` when there are none.
pub(crate) fn percentile(sorted: &[Ticks], percent: f64) -> Option<Ticks> {
    let last = sorted.len().checked_sub(1)?;
    let place = (percent / 100.0 * last as f64).ceil() as usize;
    sorted.get(place.min(last)).copied()
}

/// What has come of a run.
#[derive(Clone, Debug)]
pub struct Course {
    /// The policy that was asked for.
    pub policy: String,
    /// CPUs of the machine.
    pub cpus: usize,
    /// Ticks from the start of the measured time, at each sample; the first is 0.
    pub times: Vec<f64>,
    /// The partitions in the order of the scenario.
    pub parts: Vec<Part>,
    /// How often a thread was put on a CPU.
    pub switches: u64,
    /// Policies that were found at fault.
    pub events: Vec<Event>,
    /// How long the simulation took here.
    pub wall: Duration,
    /// Simulated time, warm-up included.
    pub simulated: Duration,
}

impl Course {
    /// The measured time in ticks.
    #[must_use]
    pub fn span(&self) -> f64 {
        self.times.last().copied().unwrap_or(1.0)
    }
}

/// A partition while the scenario runs.
struct Loaded {
    cid: Cid,
    name: String,
    entitlement: Entitlement,
    /// Its threads that are there by the scenario, the oldest first, with what they can use of a CPU.
    threads: Vec<(EntityId, f64)>,
    base: u64,
    ideal: f64,
}

struct Run {
    cpus: usize,
    machine: Machine,
    loaded: Vec<Loaded>,
    /// The ideal division now, in CPUs.
    parts: Vec<f64>,
}

/// Runs `scenario` on `cpus` CPUs under `policy`.
///
/// # Errors
/// No such policy, controls that the scheduler refuses, or accounts that do not add up.
pub fn simulate(scenario: &Scenario, policy: &str, cpus: usize) -> Result<Course> {
    let began = Instant::now();
    let mut run = Run::load(scenario, policy, cpus)?;
    run.machine.run(scenario.warmup.ticks());
    run.machine.forget_latencies();
    let mut course = run.begin(policy);
    let start = run.machine.now();
    let end = start + scenario.time.ticks();
    let mut changes: Vec<&Change> = scenario.changes.iter().collect();
    changes.sort_by_key(|change| change.at);
    let mut changes = changes.into_iter().peekable();
    while run.machine.now() < end {
        let sample = end.min(run.machine.now() + scenario.sample.ticks());
        while let Some(change) = changes.next_if(|change| start + change.at.ticks() <= sample) {
            run.advance(start + change.at.ticks());
            run.change(change)
                .with_context(|| format!("change at {:?}", change.at))?;
        }
        run.advance(sample);
        run.sample(start, &mut course);
    }
    let snapshot = run.machine.snapshot();
    ensure!(
        snapshot.accounted() == snapshot.elapsed,
        "the accounts do not add up: {:?} of {:?}",
        snapshot.accounted(),
        snapshot.elapsed
    );
    run.conclude(&mut course);
    course.simulated = Duration::from_nanos(TIMEBASE.nanos(run.machine.now()).0);
    course.wall = began.elapsed();
    Ok(course)
}

impl Run {
    fn load(scenario: &Scenario, policy: &str, cpus: usize) -> Result<Self> {
        let chosen = sched::policy_by_name(policy)
            .ok()
            .with_context(|| format!("no policy {policy:?}"))?;
        let mut machine = Machine::new(cpus, chosen, Ticks(0));
        machine.lateness = scenario.lateness.ticks();
        let mut run = Self {
            cpus,
            machine,
            loaded: Vec::new(),
            parts: Vec::new(),
        };
        for partition in &scenario.partitions {
            for number in 0..partition.copies {
                run.load_partition(partition, number)?;
            }
        }
        run.divide();
        Ok(run)
    }

    fn load_partition(&mut self, partition: &Partition, number: u16) -> Result<()> {
        let name = partition.name_of(number);
        let (cid, entitlement) = if name == "Global" {
            (Cid::GLOBAL, Entitlement::GLOBAL)
        } else {
            let others = self
                .loaded
                .iter()
                .filter(|other| !other.cid.is_global())
                .count();
            (Cid(others as u16 + 1), partition.entitlement(number))
        };
        if !cid.is_global() {
            let now = self.machine.now();
            let answer = self.machine.scheduler.add_partition(cid, entitlement, now);
            ensure!(
                answer.is_ok(),
                "{name}: the scheduler refuses its controls: {answer:?}"
            );
        }
        self.loaded.push(Loaded {
            cid,
            name,
            entitlement,
            threads: Vec::new(),
            base: 0,
            ideal: 0.0,
        });
        let place = self.loaded.len() - 1;
        for threads in &partition.threads {
            self.start(place, threads);
        }
        Ok(())
    }

    fn start(&mut self, place: usize, threads: &Threads) {
        let count = threads.count(self.cpus);
        let Some(loaded) = self.loaded.get_mut(place) else {
            return;
        };
        for number in 0..count {
            let behaviour = threads.life.behaviour(loaded.threads.len() + number);
            let id = self.machine.spawn_nice(loaded.cid, behaviour, threads.nice);
            // A thread that forks has children beside it: as many as can be.
            let demand = match behaviour {
                Behaviour::Forking { .. } => self.cpus as f64,
                _ => behaviour.demand(),
            };
            loaded.threads.push((id, demand));
        }
    }

    /// The ideal division as things are now.
    fn divide(&mut self) {
        let active = |loaded: &&Loaded| loaded.entitlement.active;
        let shares = self
            .loaded
            .iter()
            .filter(active)
            .filter_map(|loaded| loaded.entitlement.shares);
        let unlimited = f64::from(shares.max().unwrap_or(1));
        let cpus = self.cpus as f64;
        let wants: Vec<Want> = self
            .loaded
            .iter()
            .map(|loaded| loaded.want(cpus, unlimited))
            .collect();
        self.parts = divide(cpus, &wants);
    }

    fn begin(&mut self, policy: &str) -> Course {
        let now = self.machine.now();
        let mut parts = Vec::new();
        for loaded in &mut self.loaded {
            loaded.base = self
                .machine
                .scheduler
                .account(loaded.cid, now)
                .map_or(0, |account| account.total().0);
            parts.push(Part {
                name: loaded.name.clone(),
                entitlement: loaded.entitlement,
                used: vec![0.0],
                ideal: vec![0.0],
                latencies: Vec::new(),
            });
        }
        Course {
            policy: policy.to_owned(),
            cpus: self.cpus,
            times: vec![0.0],
            parts,
            switches: self.machine.switches,
            events: Vec::new(),
            wall: Duration::ZERO,
            simulated: Duration::ZERO,
        }
    }

    fn advance(&mut self, to: Ticks) {
        let span = to.saturating_sub(self.machine.now());
        for (loaded, part) in self.loaded.iter_mut().zip(&self.parts) {
            loaded.ideal += part * span.0 as f64;
        }
        self.machine.run(span);
    }

    fn sample(&self, start: Ticks, course: &mut Course) {
        let now = self.machine.now();
        course.times.push((now - start).0 as f64);
        for (loaded, part) in self.loaded.iter().zip(&mut course.parts) {
            let account = self.machine.scheduler.account(loaded.cid, now);
            let used = account.map_or(0, |account| account.total().0);
            part.used.push((used - loaded.base) as f64);
            part.ideal.push(loaded.ideal);
        }
    }

    fn change(&mut self, change: &Change) -> Result<()> {
        if let Some(name) = &change.policy {
            let policy = sched::policy_by_name(name)
                .ok()
                .with_context(|| format!("no policy {name:?}"))?;
            let now = self.machine.now();
            let wakeup = self.machine.scheduler.set_policy(policy, now);
            self.machine.tell(wakeup.ok().context("no memory")?);
        }
        let Some(place) = self
            .loaded
            .iter()
            .position(|loaded| loaded.name == change.partition)
        else {
            return Ok(());
        };
        let Some(loaded) = self.loaded.get_mut(place) else {
            return Ok(());
        };
        let before = loaded.entitlement;
        change.apply(&mut loaded.entitlement);
        let (cid, entitlement) = (loaded.cid, loaded.entitlement);
        let count = change.end.min(loaded.threads.len());
        let ended: Vec<_> = loaded.threads.drain(..count).collect();
        for (id, _) in ended {
            self.machine.kill(id);
        }
        if entitlement != before {
            let now = self.machine.now();
            let wakeup = self
                .machine
                .scheduler
                .change_partition(cid, entitlement, now);
            let wakeup = wakeup
                .ok()
                .with_context(|| format!("refused: {entitlement:?}"))?;
            self.machine.tell(wakeup);
        }
        for threads in &change.start {
            self.start(place, threads);
        }
        self.divide();
        Ok(())
    }

    fn conclude(&mut self, course: &mut Course) {
        course.switches = self.machine.switches - course.switches;
        for (loaded, part) in self.loaded.iter().zip(&mut course.parts) {
            part.entitlement = loaded.entitlement;
            part.latencies = self
                .machine
                .latencies
                .remove(&loaded.cid)
                .unwrap_or_default();
            part.latencies.sort_unstable();
        }
        course
            .events
            .extend(std::iter::from_fn(|| self.machine.scheduler.take_event()));
    }
}

impl Loaded {
    fn want(&self, cpus: f64, unlimited: f64) -> Want {
        let demand: f64 = self.threads.iter().map(|(_, demand)| demand).sum();
        let Entitlement {
            active,
            shares,
            minimum,
            soft_maximum,
            hard_maximum,
            cpus: within,
        } = self.entitlement;
        if !active {
            return Want {
                weight: unlimited,
                least: 0.0,
                soft: cpus,
                most: demand,
            };
        }
        // Parts of a resource set are parts of its CPUs.
        let own = (0..).map(sched::Cpu).take(cpus as usize);
        let own = own.filter(|&cpu| within.contains(cpu)).count() as f64;
        let part = |points: abi::BasisPoints| f64::from(points.0) / 10_000.0 * own;
        Want {
            weight: shares.map_or(unlimited, f64::from),
            least: part(minimum),
            soft: part(soft_maximum),
            most: part(hard_maximum).min(demand),
        }
    }
}

impl Change {
    fn apply(&self, entitlement: &mut Entitlement) {
        let points =
            |percent: f64| abi::BasisPoints((percent * 100.0).round().clamp(0.0, 65_535.0) as u16);
        entitlement.shares = self.shares.or(entitlement.shares);
        entitlement.minimum = self.minimum.map_or(entitlement.minimum, points);
        entitlement.hard_maximum = self.hard.map_or(entitlement.hard_maximum, points);
        entitlement.soft_maximum = self
            .soft
            .map_or(entitlement.soft_maximum, points)
            .min(entitlement.hard_maximum);
        entitlement.active = self.active.unwrap_or(entitlement.active);
    }
}
