//! A token bucket: a part of the machine's time, as a mechanism.
//!
//! The bucket fills at a fixed rate (a part of all CPUs) up to a ceiling, and what is used is taken out, also
//! below zero: an overrun is carried as debt. While nothing is used beyond what is in it, use in **any**
//! window is at most rate × window + ceiling, so there are no windows to align and no refill points at which
//! two budgets meet. The level is counted in ten-thousandths of a tick and is exact.

use abi::{BasisPoints, Ticks};

/// Ten-thousandths of a tick in a tick: one basis point of one CPU gives one of them a tick.
const SCALE: i128 = 10_000;

/// A bucket of CPU time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: u64,
    level: i128,
    at: u64,
}

impl Bucket {
    /// A bucket for `part` of `cpus` CPUs, with `level` ticks in it.
    pub fn new(part: BasisPoints, cpus: usize, level: u64, now: Ticks) -> Self {
        let mut bucket = Self {
            rate: 0,
            level: i128::from(level) * SCALE,
            at: now.0,
        };
        bucket.set_rate(part, cpus);
        bucket
    }

    pub fn set_rate(&mut self, part: BasisPoints, cpus: usize) {
        self.set_fill(u64::from(part.0) * cpus as u64);
    }

    /// Fills it with so many ten-thousandths of a CPU from now on.
    pub fn set_fill(&mut self, rate: u64) {
        self.rate = rate;
    }

    /// Fills it up to `now`, at most to `ceiling` ticks; what is above already stays.
    pub fn fill(&mut self, now: Ticks, ceiling: u64) {
        let gained = i128::from(now.0.saturating_sub(self.at)) * i128::from(self.rate);
        self.at = self.at.max(now.0);
        let ceiling = (i128::from(ceiling) * SCALE).max(self.level);
        self.level = self.level.saturating_add(gained).min(ceiling);
    }

    /// Spills what is above `ticks`.
    pub fn spill(&mut self, ticks: u64) {
        self.level = self.level.min(i128::from(ticks) * SCALE);
    }

    /// Forgives debt beyond `ticks`.
    pub fn forgive(&mut self, ticks: u64) {
        self.level = self.level.max(-i128::from(ticks) * SCALE);
    }

    pub fn take(&mut self, ticks: u64) {
        self.level -= i128::from(ticks) * SCALE;
    }

    /// Puts back what was taken and not used.
    pub fn give(&mut self, ticks: u64) {
        self.level += i128::from(ticks) * SCALE;
    }

    /// Whole ticks in it; negative is debt.
    pub fn level(&self) -> i128 {
        self.level.div_euclid(SCALE)
    }

    /// How many CPUs it can serve for ever: the whole ones in its rate.
    pub fn whole(&self) -> u64 {
        self.rate / SCALE as u64
    }

    /// Whether it may serve another whole CPU when `busy` of them are served. That does not sink it, so a debt
    /// below `slack` is no reason to stop them all.
    pub fn carries(&self, busy: u64, slack: u64) -> bool {
        busy < self.whole() && self.level >= -i128::from(slack) * SCALE
    }

    /// The ceiling with which use in any window stays within rate × window + `most`, also with the `slack` that
    /// whole CPUs have.
    pub fn ceiling(&self, most: u64, slack: u64) -> u64 {
        if self.whole() > 0 {
            most.saturating_sub(slack)
        } else {
            most
        }
    }

    /// For how long one CPU can use it from now on with `held` ticks promised to others, the filling
    /// meanwhile included; at most `limit`.
    pub fn lasts(&self, held: u64, limit: u64) -> u64 {
        self.lasts_at(self.rate, held, limit)
    }

    /// The same for a CPU more than the [`whole`](Bucket::whole) ones, which may all be in use.
    pub fn lasts_beyond_whole(&self, held: u64, limit: u64) -> u64 {
        self.lasts_at(self.rate % SCALE as u64, held, limit)
    }

    fn lasts_at(&self, rate: u64, held: u64, limit: u64) -> u64 {
        let level = self.level - i128::from(held) * SCALE;
        let drain = SCALE - i128::from(rate);
        if level <= 0 {
            0
        } else if drain <= 0 {
            limit
        } else {
            u64::try_from(level / drain).unwrap_or(limit).min(limit)
        }
    }

    /// How long until `ticks` beyond `held` are in it; `None`: never, its rate is zero.
    pub fn wait_for(&self, ticks: u64, held: u64) -> Option<u64> {
        self.wait_at(self.rate, ticks, held)
    }

    /// The same while so many CPUs use it, each on a whole CPU of its rate: it fills with the rest only.
    pub fn wait_beyond_whole(&self, ticks: u64, held: u64, carried: u64) -> Option<u64> {
        let used = carried.saturating_mul(SCALE as u64);
        self.wait_at(self.rate.saturating_sub(used), ticks, held)
    }

    fn wait_at(&self, rate: u64, ticks: u64, held: u64) -> Option<u64> {
        let missing = (i128::from(ticks) + i128::from(held)) * SCALE - self.level;
        if missing <= 0 {
            return Some(0);
        }
        if rate == 0 {
            return None;
        }
        let rate = i128::from(rate);
        Some(u64::try_from((missing + rate - 1) / rate).unwrap_or(u64::MAX))
    }
}
