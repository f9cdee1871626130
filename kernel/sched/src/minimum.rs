//! A minimum as a clock: it advances by the service divided by the minimum, and while it is behind real time the
//! partition is owed.
//!
//! Of several that are owed, the one whose next instalment is due first is served first. With minima that sum to at
//! most the machine this meets them all (earliest deadline first).
//!
//! A minimum counts as far as the partition's threads can use it. How far the clock may be ahead of real time and
//! behind it is bounded: more than the minimum today is no reason for less tomorrow, and what threads could not use
//! today, being few or bound to CPUs that others want, is no reason for more, which would be taken from others.

use crate::policy::{Claim, Machine};
use abi::{BasisPoints, Ticks};

/// Bits of fraction of the clock.
const FRACTION: u32 = 32;

const WHOLE: u64 = BasisPoints::WHOLE.0 as u64;

/// What a minimum is served beyond itself, in ten-thousandths of a CPU: slices come in lumps, and without it a
/// window of 200 ms that begins after a lump and ends before one would lack a slice.
const MARGIN: u64 = 100;
/// But no more than this part of the minimum, so that a small one stays small.
const MARGIN_PART: u64 = 25;

/// So many instalments a CPU a minimum may lack while nobody's threads are bound.
const LUMPS: u64 = 4;

/// The clock of one partition's minimum; of none where there is no minimum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Minimum {
    /// In ticks of real time with a fraction.
    clock: i128,
    /// At which it is served, in ten-thousandths of a CPU.
    rate: u64,
    /// By how much a tick of service advances the clock; zero where there is no minimum.
    step: u64,
}

/// The rate at which a claim's minimum is served that threads can use, in ten-thousandths of a CPU.
pub(crate) fn rate(claim: &Claim, machine: &Machine) -> u64 {
    let cpus = machine.cpus as u64;
    let exact = u64::from(claim.minimum.0) * cpus;
    let margin = MARGIN.min(exact / MARGIN_PART);
    (exact + margin).min(u64::from(claim.soft_maximum.0) * cpus)
}

fn instant(now: Ticks) -> i128 {
    i128::from(now.0) << FRACTION
}

impl Minimum {
    pub const NONE: Minimum = Minimum {
        clock: 0,
        rate: 0,
        step: 0,
    };

    /// Serves it at another rate from now on; whether it is another.
    pub fn set_rate(&mut self, rate: u64) -> bool {
        let changed = self.rate != rate;
        self.rate = rate;
        self.step = match rate {
            0 => 0,
            rate => (WHOLE << FRACTION) / rate,
        };
        changed
    }

    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.step > 0
    }

    /// Real time that so many ticks of service are worth.
    fn span(&self, ticks: u64) -> i128 {
        i128::from(ticks) * i128::from(self.step)
    }

    /// The clock when `promised` ticks more have been used.
    pub fn after(&self, promised: u64) -> i128 {
        self.clock + self.span(promised)
    }

    /// When an instalment that begins at this time of the clock is due.
    pub fn due(&self, clock: i128, machine: &Machine) -> i128 {
        clock + self.span(self.instalment(machine).0)
    }

    /// What is given at a time: what the margin makes up for in a window of 200 ms, between a quantum and a slice.
    pub fn instalment(&self, machine: &Machine) -> Ticks {
        let Machine { slice, quantum, .. } = *machine;
        let earned = slice.0.saturating_mul(self.rate) / (MARGIN * MARGIN_PART);
        Ticks(earned.max(quantum.0).min(slice.0))
    }

    /// Whether this time of a clock is owed for.
    pub fn is_owed(clock: i128, now: Ticks) -> bool {
        clock <= instant(now)
    }

    /// Whether it lacks more, with `promised` ticks used, than it can where nobody's threads are bound.
    pub fn is_late(&self, promised: u64, now: Ticks, machine: &Machine) -> bool {
        Self::is_owed(self.after(promised) + self.lumps(machine), now)
    }

    fn lumps(&self, machine: &Machine) -> i128 {
        let cpus = self.rate.div_ceil(WHOLE);
        self.span(LUMPS * cpus * self.instalment(machine).0)
    }

    /// Something is wanted after a time in which nothing was, and for which nothing is owed.
    pub fn begin(&mut self, now: Ticks) {
        self.clock = self.clock.max(instant(now));
    }

    /// The partition has had `ran` ticks of service, and the clock may be `ahead` ticks of it before real time; answers whether
    /// the clock is elsewhere than [`after`](Self::after) said.
    pub fn charge(&mut self, ran: u64, now: Ticks, ahead: u64, machine: &Machine) -> bool {
        let clock = self.after(ran);
        let ahead = instant(now) + self.span(ahead);
        let behind = instant(now) - 2 * self.lumps(machine);
        self.clock = clock.min(ahead).max(behind);
        self.clock != clock
    }
}
