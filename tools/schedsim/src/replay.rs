//! Replays: what the machine's threads have done, done again under any policy.
//!
//! Partitions, CPUs and threads come, change and go when they did; each thread runs and sleeps for as long as it did. So
//! what differs is what the policy decides. In place of an ideal division stands what the machine gave: the thread's own
//! accounts along the way, the partition's in the end. What a thread waited for is not known: one that a replay
//! serves earlier sleeps as long as before.

use crate::recording::{Life, Move, Recording};
use crate::run::{Course, Part};
use abi::{Cid, Ticks};
use anyhow::{Context, Result, ensure};
use sched::simulation::{Machine, TIMEBASE};
use sched::{Cpu, CpuSet, Entitlement, EntityId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often accounts are read.
const SAMPLE: Ticks = TIMEBASE.ticks(abi::Nanos(5_000_000));
/// The longest slice.
const SLICE: Ticks = TIMEBASE.ticks(abi::Nanos(4_000_000));

/// A replay, and how it compares.
#[derive(Debug)]
pub struct Replay {
    /// What has come of it; what is ideal in it is what the machine gave.
    pub course: Course,
    /// How far service may be from what the machine gave under the same policy, in ticks: two slices a CPU, and what is no
    /// thread's on the machine (interrupts and switches), which the replay has for threads too.
    pub bound: Ticks,
}

impl Replay {
    /// The partitions whose service differs by more than the bound, a sentence each.
    #[must_use]
    pub fn disappointments(&self) -> Vec<String> {
        let milliseconds = |ticks: f64| 1e3 * ticks / TIMEBASE.ticks_per_second as f64;
        let bound = self.bound.0 as f64;
        let last = |values: &[f64]| values.last().copied().unwrap_or(0.0);
        let differs = |part: &Part| {
            let by = last(&part.used) - last(&part.ideal);
            (by.abs() > bound).then(|| {
                format!(
                    "{}'s service differs by {:.2} ms, more than {:.2} ms",
                    part.name,
                    milliseconds(by),
                    milliseconds(bound)
                )
            })
        };
        let events = &self.course.events;
        let faults = events
            .iter()
            .map(|event| format!("a policy was at fault: {event:?}"));
        self.course
            .parts
            .iter()
            .filter_map(differs)
            .chain(faults)
            .collect()
    }
}

struct Player<'a> {
    recording: &'a Recording,
    machine: Machine,
    cpus: CpuSet,
    threads: BTreeMap<usize, (EntityId, Cid)>,
    /// What partitions that have gone had used.
    gone: BTreeMap<Cid, u64>,
}

/// Replays a recording under a policy.
///
/// # Errors
/// No such policy, or the scheduler refuses what the machine's had accepted.
pub fn replay(recording: &Recording, policy: &str) -> Result<Replay> {
    let began = Instant::now();
    let chosen = sched::policy_by_name(policy)
        .ok()
        .with_context(|| format!("no policy {policy:?}"))?;
    let named = |step: &crate::recording::Step| match step.what {
        Move::Cpu(cpu, _) => Some(usize::from(cpu.0) + 1),
        _ => None,
    };
    let count = recording.steps.iter().filter_map(named).max();
    let count = count.context("no CPU is in it")?;
    ensure!(count <= CpuSet::LIMIT, "{count} CPUs are too many");
    let mut player = Player {
        recording,
        machine: Machine::new(count, chosen, Ticks(0)),
        cpus: CpuSet((1 << count) - 1),
        threads: BTreeMap::new(),
        gone: BTreeMap::new(),
    };
    player.begin()?;
    let mut course = player.course(policy, count);
    let mut steps = recording.steps.iter().peekable();
    while player.machine.now() < recording.length {
        let sample = recording.length.min(player.machine.now() + SAMPLE);
        while let Some(step) = steps.next_if(|step| step.at <= sample) {
            player.run_to(step.at);
            player.perform(&step.what)?;
        }
        player.run_to(sample);
        player.sample(&mut course);
    }
    player.conclude(&mut course);
    course.simulated = Duration::from_nanos(TIMEBASE.nanos(recording.length).0);
    course.wall = began.elapsed();
    let threads: u64 = recording
        .service
        .values()
        .filter_map(|line| Some(line.last()?.1.0))
        .sum();
    let whole = recording.length.0 * player.cpus.count() as u64;
    let overhead = whole.saturating_sub(recording.idle.0 + threads + recording.shared_out.0);
    let bound = Ticks(2 * SLICE.0 * count as u64 + overhead);
    Ok(Replay { course, bound })
}

impl Player<'_> {
    /// The CPUs that were not in use when the recording began leave.
    fn begin(&mut self) -> Result<()> {
        let first = |step: &&crate::recording::Step| step.at == Ticks(0);
        let mut online = CpuSet::NONE;
        for step in self.recording.steps.iter().filter(first) {
            if let Move::Cpu(cpu, true) = step.what {
                online.insert(cpu);
            }
        }
        ensure!(!online.is_empty(), "no CPU was in use when it began");
        let all = self.cpus;
        for cpu in all.iter().filter(|&cpu| !online.contains(cpu)) {
            self.cpu(cpu, false)?;
        }
        Ok(())
    }

    fn run_to(&mut self, at: Ticks) {
        let span = at.saturating_sub(self.machine.now());
        self.machine.run(span);
    }

    fn cpu(&mut self, cpu: Cpu, online: bool) -> Result<()> {
        if online && !self.cpus.contains(cpu) {
            self.machine.plug(cpu.0);
            self.cpus.insert(cpu);
        } else if !online && self.cpus.contains(cpu) {
            let left = self.machine.unplug(cpu.0);
            ensure!(left.is_ok(), "{cpu:?} cannot leave: {left:?}");
            self.cpus.remove(cpu);
        }
        Ok(())
    }

    fn perform(&mut self, what: &Move) -> Result<()> {
        match what {
            Move::Cpu(cpu, online) => self.cpu(*cpu, *online)?,
            Move::Partition(cid, entitlement) => self.partition(*cid, *entitlement)?,
            Move::Unload(cid) => self.unload(*cid)?,
            Move::Begin(number) => {
                let life = self.recording.lives.get(*number);
                self.spawn(*number, life.context("a life that is not there")?);
            }
            Move::Change(number, attributes) => {
                if let Some((id, _)) = self.living(*number) {
                    self.machine.set_attributes(id, *attributes);
                }
            }
        }
        Ok(())
    }

    fn partition(&mut self, cid: Cid, entitlement: Entitlement) -> Result<()> {
        let now = self.machine.now();
        let scheduler = &mut self.machine.scheduler;
        if scheduler.account(cid, now).is_err() {
            let loaded = scheduler.add_partition(cid, entitlement, now);
            ensure!(loaded.is_ok(), "{cid:?} is refused: {loaded:?}");
        } else {
            let changed = scheduler.change_partition(cid, entitlement, now);
            let wakeup = changed.ok();
            self.machine
                .tell(wakeup.with_context(|| format!("refused: {entitlement:?}"))?);
        }
        Ok(())
    }

    /// Whoever has something left to do when the partition goes was killed.
    fn unload(&mut self, cid: Cid) -> Result<()> {
        let members: Vec<usize> = self
            .threads
            .iter()
            .filter(|(_, (_, owner))| *owner == cid)
            .map(|(&number, _)| number)
            .collect();
        for number in members {
            if let Some((id, _)) = self.living(number) {
                self.machine.kill(id);
            }
            self.threads.remove(&number);
        }
        let now = self.machine.now();
        let account = self.machine.scheduler.remove_partition(cid, now);
        let account = account.ok().with_context(|| format!("{cid:?} cannot go"))?;
        *self.gone.entry(cid).or_default() += account.total().0;
        Ok(())
    }

    fn spawn(&mut self, number: usize, life: &Life) {
        let spans = life.spans.iter().copied();
        let id = self
            .machine
            .spawn_recorded(life.cid, spans, life.attributes);
        self.threads.insert(number, (id, life.cid));
    }

    /// The thread of this number, while it is there.
    fn living(&self, number: usize) -> Option<(EntityId, Cid)> {
        let &(id, cid) = self.threads.get(&number)?;
        self.machine.scheduler.cid_of(id).map(|_| (id, cid))
    }

    fn course(&self, policy: &str, cpus: usize) -> Course {
        let part = |account: &crate::recording::Account| Part {
            name: account.name.clone(),
            entitlement: Entitlement::default(),
            used: vec![0.0],
            ideal: vec![0.0],
            latencies: Vec::new(),
        };
        Course {
            policy: policy.to_owned(),
            cpus,
            times: vec![0.0],
            parts: self.recording.accounts.iter().map(part).collect(),
            switches: self.machine.switches,
            events: Vec::new(),
            wall: Duration::ZERO,
            simulated: Duration::ZERO,
        }
    }

    fn sample(&self, course: &mut Course) {
        let now = self.machine.now();
        course.times.push(now.0 as f64);
        let is_last = now >= self.recording.length;
        for (account, part) in self.recording.accounts.iter().zip(&mut course.parts) {
            let there = self.machine.scheduler.account(account.cid, now);
            let there = there.map_or(0, |account| account.total().0);
            let gone = self.gone.get(&account.cid).copied().unwrap_or(0);
            part.used.push((there + gone) as f64);
            let line = self.recording.service.get(&account.cid);
            let so_far = line.map_or(0, |line| {
                let place = line.partition_point(|&(at, _)| at <= now);
                place.checked_sub(1).map_or(0, |place| line[place].1.0)
            });
            let machine = if is_last { account.used.0 } else { so_far };
            part.ideal.push(machine as f64);
        }
    }

    fn conclude(&mut self, course: &mut Course) {
        course.switches = self.machine.switches - course.switches;
        for (account, part) in self.recording.accounts.iter().zip(&mut course.parts) {
            let latencies = self.machine.latencies.remove(&account.cid);
            part.latencies = latencies.unwrap_or_default();
            part.latencies.sort_unstable();
        }
        course
            .events
            .extend(std::iter::from_fn(|| self.machine.scheduler.take_event()));
    }
}
