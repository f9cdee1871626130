//! The scenario file.

use crate::span::Span;
use abi::BasisPoints;
use anyhow::{Context, Result, ensure};
use sched::simulation::Behaviour;
use sched::{Cpu, CpuSet, Entitlement};
use serde::Deserialize;
use std::path::Path;

/// What happens on the machine, and what is expected of the division.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence.
    pub title: String,
    /// The scenario is run once for each of these numbers of CPUs.
    pub cpus: Vec<usize>,
    /// Policies that keep what is expected, the first of them by default.
    #[serde(default = "wlm")]
    pub policies: Vec<String>,
    /// How long it is measured.
    pub time: Span,
    /// How long it runs before that.
    #[serde(default)]
    pub warmup: Span,
    /// How often the accounts are read.
    #[serde(default = "five_milliseconds")]
    pub sample: Span,
    /// How much later than programmed decrementers fire.
    #[serde(default)]
    pub lateness: Span,
    /// The partitions; cids are given in this order, from 1.
    #[serde(default, rename = "partition")]
    pub partitions: Vec<Partition>,
    /// What changes, at times from the start of the measured time.
    #[serde(default, rename = "change")]
    pub changes: Vec<Change>,
    /// What is checked.
    #[serde(default)]
    pub expect: Expectation,
}

fn wlm() -> Vec<String> {
    vec!["wlm".to_owned()]
}

fn five_milliseconds() -> Span {
    Span(abi::Nanos(5_000_000))
}

/// A partition, or several alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// `Global` is Global; several alike get numbers behind the name.
    pub name: String,
    /// How many of them.
    #[serde(default = "one")]
    pub copies: u16,
    /// `shares_CPU`; unlimited when left out.
    pub shares: Option<u16>,
    /// What the second has more than the first, the third than the second, and so on.
    #[serde(default)]
    pub shares_step: u16,
    /// In percent of all CPUs.
    #[serde(default)]
    pub minimum: f64,
    /// In percent of all CPUs.
    #[serde(default = "whole")]
    pub soft: f64,
    /// In percent of all CPUs.
    #[serde(default = "whole")]
    pub hard: f64,
    /// Numbers of the CPUs of its resource set; all when left out. The percentages are of these then.
    #[serde(default)]
    pub rset: Vec<u16>,
    /// Whether the values control anything.
    #[serde(default = "yes")]
    pub active: bool,
    /// What runs in it.
    #[serde(default)]
    pub threads: Vec<Threads>,
}

const fn one() -> u16 {
    1
}
const fn whole() -> f64 {
    100.0
}
const fn yes() -> bool {
    true
}

fn basis_points(percent: f64) -> BasisPoints {
    BasisPoints((percent * 100.0).round().clamp(0.0, 65_535.0) as u16)
}

impl Partition {
    /// What the scheduler is told of copy `number`.
    #[must_use]
    pub fn entitlement(&self, number: u16) -> Entitlement {
        let step = self.shares_step.saturating_mul(number);
        Entitlement {
            active: self.active,
            shares: self.shares.map(|shares| shares.saturating_add(step)),
            minimum: basis_points(self.minimum),
            soft_maximum: basis_points(self.soft.min(self.hard)),
            hard_maximum: basis_points(self.hard),
            cpus: self.cpus(),
        }
    }

    fn cpus(&self) -> CpuSet {
        if self.rset.is_empty() {
            return CpuSet::ALL;
        }
        let mut cpus = CpuSet::NONE;
        self.rset.iter().for_each(|&cpu| cpus.insert(Cpu(cpu)));
        cpus
    }

    /// The name of copy `number`.
    #[must_use]
    pub fn name_of(&self, number: u16) -> String {
        if self.copies > 1 {
            format!("{}{}", self.name, number + 1)
        } else {
            self.name.clone()
        }
    }
}

/// Threads that are alike.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Threads {
    /// How many of them.
    #[serde(default = "one")]
    pub count: u16,
    /// How many more for each CPU of the machine.
    #[serde(default)]
    pub per_cpu: u16,
    /// Nice value.
    #[serde(default)]
    pub nice: i8,
    /// What they do.
    #[serde(flatten)]
    pub life: Life,
}

impl Threads {
    /// How many there are on a machine of `cpus` CPUs.
    #[must_use]
    pub fn count(&self, cpus: usize) -> usize {
        if self.per_cpu > 0 {
            usize::from(self.per_cpu) * cpus
        } else {
            usize::from(self.count)
        }
    }
}

/// What a thread does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "does", rename_all = "lowercase")]
pub enum Life {
    /// Runs for ever.
    Busy,
    /// Runs for `run`, sleeps for `sleep`, and so on.
    Periodic {
        /// CPU time between two sleeps.
        run: Span,
        /// Length of a sleep.
        sleep: Span,
    },
    /// As periodic, each time with random lengths up to these.
    Random {
        /// Longest CPU time between two sleeps.
        run: Span,
        /// Longest sleep.
        sleep: Span,
        /// Start of the sequence; each further thread's is one more.
        seed: u64,
    },
    /// Runs `times` times for `run` with sleeps of `pause` between, then sleeps for `sleep`.
    Bursty {
        /// CPU time between two sleeps.
        run: Span,
        /// Sleep inside a burst.
        pause: Span,
        /// Runs in a burst.
        times: u32,
        /// Sleep after a burst.
        sleep: Span,
    },
    /// Gives way every `run`.
    Yielding {
        /// CPU time between two calls.
        run: Span,
    },
    /// Starts a child every `run`, which runs for `child` and ends.
    Forking {
        /// CPU time between two forks.
        run: Span,
        /// CPU time of a child.
        child: Span,
    },
    /// A job of the kernel's: makes `times` steps of `step` each, in which it does not make room, then waits for `wait`.
    Job {
        /// Length of a step.
        step: Span,
        /// Steps between two waits.
        times: u32,
        /// Length of a wait.
        wait: Span,
    },
}

impl Life {
    /// As the simulated machine knows it, for thread `number` of several alike.
    #[must_use]
    pub fn behaviour(self, number: usize) -> Behaviour {
        match self {
            Life::Busy => Behaviour::Busy,
            Life::Periodic { run, sleep } => Behaviour::Periodic {
                run: run.ticks(),
                sleep: sleep.ticks(),
            },
            Life::Random { run, sleep, seed } => Behaviour::Random {
                run: run.ticks(),
                sleep: sleep.ticks(),
                // Spread, so that neighbours do not march in step.
                seed: (seed + number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            },
            Life::Bursty {
                run,
                pause,
                times,
                sleep,
            } => Behaviour::Bursty {
                run: run.ticks(),
                pause: pause.ticks(),
                count: times,
                sleep: sleep.ticks(),
            },
            Life::Yielding { run } => Behaviour::Yielding { run: run.ticks() },
            Life::Forking { run, child } => Behaviour::Forking {
                run: run.ticks(),
                child: child.ticks(),
            },
            Life::Job { step, times, wait } => Behaviour::Job {
                step: step.ticks(),
                count: times,
                wait: wait.ticks(),
            },
        }
    }
}

/// One moment at which something changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// From the start of the measured time.
    pub at: Span,
    /// Whose; empty where only the policy changes.
    #[serde(default)]
    pub partition: String,
    /// New shares.
    pub shares: Option<u16>,
    /// New minimum in percent.
    pub minimum: Option<f64>,
    /// New soft maximum in percent.
    pub soft: Option<f64>,
    /// New hard maximum in percent.
    pub hard: Option<f64>,
    /// Controls on or off.
    pub active: Option<bool>,
    /// Threads that start.
    #[serde(default)]
    pub start: Vec<Threads>,
    /// So many of its threads end, the oldest first.
    #[serde(default)]
    pub end: usize,
    /// Another policy takes over.
    pub policy: Option<String>,
}

/// What is checked after a run; points are percentage points of one CPU.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Greatest error of any partition over the measured time, in points.
    pub largest_error: Option<f64>,
    /// Mean of the partitions' errors, in points.
    pub mean_error: Option<f64>,
    /// The greatest difference from the ideal division in any window.
    pub window: Option<Window>,
    /// Expectations of one partition.
    #[serde(default, rename = "partition")]
    pub partitions: Vec<PartitionExpectation>,
}

/// In any window of `length` or more, service differs by at most `slices` slices of 4 ms a CPU.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The shortest window.
    pub length: Span,
    /// Slices a CPU.
    pub slices: f64,
}

/// What is checked of one partition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionExpectation {
    /// Its name.
    pub name: String,
    /// At least so many points over the measured time.
    pub at_least: Option<f64>,
    /// At most so many.
    pub at_most: Option<f64>,
    /// Its error over the measured time is at most this, in points.
    pub error: Option<f64>,
    /// It has its minimum in every window of this length.
    pub minimum_in: Option<Span>,
    /// It keeps within its hard maximum and one slice in every window of this length or more.
    pub maximum_in: Option<Span>,
    /// Bounds of the time from wake-up to running.
    pub latency_p50: Option<Span>,
    /// Its 99th percentile.
    pub latency_p99: Option<Span>,
    /// Its greatest.
    pub latency_most: Option<Span>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no scenario.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads a scenario from its text.
    ///
    /// # Errors
    /// It is no scenario.
    pub fn parse(text: &str) -> Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        ensure!(!scenario.cpus.is_empty(), "it names no number of CPUs");
        for &cpus in &scenario.cpus {
            ensure!(
                (1..=sched::CpuSet::LIMIT).contains(&cpus),
                "no machine has {cpus} CPUs"
            );
        }
        ensure!(
            scenario.sample.ticks().0 > 0,
            "accounts cannot be read all the time"
        );
        ensure!(
            scenario.time >= scenario.sample,
            "it is over before the first sample"
        );
        let names = scenario.names();
        for change in &scenario.changes {
            ensure!(change.at < scenario.time, "a change comes after the end");
            let known = names.contains(&change.partition)
                || (change.partition.is_empty() && change.policy.is_some());
            ensure!(
                known,
                "a change is of {:?}, which is not there",
                change.partition
            );
        }
        for expected in &scenario.expect.partitions {
            ensure!(
                names.contains(&expected.name),
                "{:?} is expected and not there",
                expected.name
            );
        }
        Ok(scenario)
    }

    /// The names of all partitions.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let copies = |partition: &Partition| {
            (0..partition.copies)
                .map(|number| partition.name_of(number))
                .collect::<Vec<_>>()
        };
        self.partitions.iter().flat_map(copies).collect()
    }
}
