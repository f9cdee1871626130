//! How many threads want a CPU, summed up over time: what load averages are made of.

use crate::{Refusal, Scheduler};
use abi::{Cid, Ticks};

/// A number, and its sum over time up to its last change, number by tick; the sum wraps after a thousand years of threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    count: u32,
    since: Ticks,
    sum: u64,
}

impl Load {
    pub const fn new(now: Ticks) -> Self {
        Self {
            count: 0,
            since: now,
            sum: 0,
        }
    }

    fn at(&self, now: Ticks) -> u64 {
        let passed = now.saturating_sub(self.since).0;
        self.sum
            .wrapping_add(passed.wrapping_mul(u64::from(self.count)))
    }

    fn set(&mut self, count: u32, now: Ticks) {
        self.sum = self.at(now);
        self.since = now;
        self.count = count;
    }
}

impl Scheduler {
    /// Notes how many threads of the partition want a CPU now.
    pub(crate) fn note_load(&mut self, cid: Cid, now: Ticks) {
        let Some(partition) = self.partition_mut(cid) else {
            return;
        };
        let (before, count) = (partition.load.count, partition.waiting + partition.running);
        if before == count {
            return;
        }
        partition.load.set(count, now);
        let all = (self.load.count + count).saturating_sub(before);
        self.load.set(all, now);
    }

    /// The sum over time of the threads of a partition that wanted a CPU, thread by tick; it wraps.
    ///
    /// # Errors
    /// [`Refusal::Partition`].
    pub fn load(&self, cid: Cid, now: Ticks) -> Result<u64, Refusal> {
        let partition = self.partition(cid).ok_or(Refusal::Partition)?;
        Ok(partition.load.at(now))
    }

    /// The same of all partitions together.
    #[must_use]
    pub fn whole_load(&self, now: Ticks) -> u64 {
        self.load.at(now)
    }

    /// How many threads want a CPU, in all partitions.
    #[must_use]
    pub fn all_runnable(&self) -> u32 {
        self.load.count
    }
}
