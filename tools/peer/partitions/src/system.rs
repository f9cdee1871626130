//! What a system must be able to do with its partitions to be measured.

use crate::child::Child;
use std::io;
use std::time::Duration;

/// What a partition may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Its weight against others.
    pub shares: u16,
    /// Most that it may use of all CPUs, in hundredths of a percent.
    pub hard_maximum: Option<u16>,
    /// What it gets of all CPUs before shares are looked at, where a system knows such a thing, in hundredths of a percent.
    pub minimum: u16,
}

impl Limits {
    /// An ordinary partition.
    pub const ORDINARY: Self = Self {
        shares: 100,
        hard_maximum: None,
        minimum: 0,
    };
}

/// How much a partition is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Of CPU time only, where a system knows such a thing.
    Time,
    /// Of everything, with its own view of processes, files, names and network.
    Full,
}

/// CPU time that a partition has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// The time used.
    pub used: Duration,
    /// When that was so, since some moment that is the same for all.
    pub at: Duration,
}

/// A system with partitions, each with a number of this program's choice.
pub trait System {
    /// Makes partition `number` with nothing in it.
    fn create(&mut self, number: usize, limits: Limits) -> io::Result<()>;

    /// Runs `body` as a process, the first one, of a partition. It executes a program or never returns.
    fn start(
        &mut self,
        number: usize,
        isolation: Isolation,
        body: &mut dyn FnMut(),
    ) -> io::Result<Child>;

    /// What partitions have used, at one instant when the system can tell.
    fn usage(&mut self, numbers: &[usize]) -> io::Result<Vec<Usage>>;

    /// Removes a partition whose processes have been waited for; returns when it has gone.
    fn remove(&mut self, number: usize) -> io::Result<()>;

    /// Lets everything that goes on behind a removal come to an end, and drops caches.
    fn settle(&mut self);
}

/// Free memory of the machine in KiB.
pub fn free_memory() -> io::Result<f64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    text.lines()
        .find_map(|line| {
            let rest = line.strip_prefix("MemFree:")?;
            rest.trim().strip_suffix("kB")?.trim().parse().ok()
        })
        .ok_or_else(|| io::Error::other("/proc/meminfo has no MemFree"))
}
