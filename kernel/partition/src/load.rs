//! Load averages: how many threads wanted a CPU, over 1, 5 and 15 minutes.
//!
//! Nothing is sampled: the scheduler keeps the sum of runnable threads over time, and whoever asks brings the averages up
//! to date in the steps that Linux takes, with the mean of the time in between.

use abi::{Nanos, Ticks, Timebase};

/// Length of a step.
const STEP: Nanos = Nanos(5_000_000_000);
/// e^(−5 s / 1, 5, 15 minutes), in parts of [`ONE`].
const DECAY: [u64; 3] = [1_975_780_336, 2_111_988_865, 2_135_586_262];
/// 1.
const ONE: u64 = 1 << SHIFT;
const SHIFT: u32 = 31;

/// The averages, and up to where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadAverage {
    /// In parts of [`ONE`].
    averages: [u64; 3],
    at: Ticks,
    sum: u64,
}

impl LoadAverage {
    /// Nothing has run yet at `at`.
    #[must_use]
    pub const fn new(at: Ticks) -> Self {
        Self {
            averages: [0; 3],
            at,
            sum: 0,
        }
    }

    /// The averages at `now`, in hundredths; `sum` is the sum of runnable threads over time, thread by tick.
    pub fn at(&mut self, now: Ticks, sum: u64, timebase: Timebase) -> [u32; 3] {
        let step = timebase.ticks(STEP).0.max(1);
        let passed = now.saturating_sub(self.at).0;
        let steps = passed / step;
        if steps > 0 {
            let more = u128::from(sum.wrapping_sub(self.sum));
            let mean = (more << SHIFT) / u128::from(passed);
            let mean = u64::try_from(mean).unwrap_or(u64::MAX);
            for (average, decay) in self.averages.iter_mut().zip(DECAY) {
                let kept = power(decay, steps);
                let mixed = u128::from(*average) * u128::from(kept)
                    + u128::from(mean) * u128::from(ONE - kept);
                *average = (mixed >> SHIFT) as u64;
            }
            // The rest of a step is left for the next time, with its part of the sum.
            let rest = passed % step;
            self.at = Ticks(now.0 - rest);
            let of_rest = more * u128::from(rest) / u128::from(passed);
            self.sum = sum.wrapping_sub(of_rest as u64);
        }
        self.averages.map(|average| {
            let hundredths = (u128::from(average) * 100 + u128::from(ONE / 2)) >> SHIFT;
            u32::try_from(hundredths).unwrap_or(u32::MAX)
        })
    }
}

/// A part of one to a power.
fn power(base: u64, exponent: u64) -> u64 {
    let (mut result, mut square, mut rest) = (ONE, base, exponent);
    while rest > 0 && result > 0 {
        if rest & 1 == 1 {
            result = (result * square) >> SHIFT;
        }
        square = (square * square) >> SHIFT;
        rest >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEBASE: Timebase = Timebase {
        ticks_per_second: 512_000_000,
    };

    fn after(seconds: u64, threads: u64, asked_every: u64) -> [u32; 3] {
        let start = Ticks(77);
        let mut load = LoadAverage::new(start);
        let mut found = [0; 3];
        for second in (asked_every..=seconds).step_by(asked_every as usize) {
            let passed = second * TIMEBASE.ticks_per_second;
            found = load.at(Ticks(start.0 + passed), passed * threads, TIMEBASE);
        }
        found
    }

    /// PART0030: after a minute of two threads the average of a minute is 2 × (1 − 1/e), however often it is asked for.
    #[test]
    fn part0030_load_averages_rise_as_on_linux() {
        for every in [1, 3, 5, 60] {
            assert_eq!(after(60, 2, every), [126, 36, 13], "every {every} s");
        }
        assert_eq!(after(7200, 2, 7200), [200, 200, 200]);
        assert_eq!(after(4, 2, 1), [0, 0, 0], "no step yet");
    }

    /// PART0031: it falls again.
    #[test]
    fn part0031_load_averages_fall() {
        let second = TIMEBASE.ticks_per_second;
        let mut load = LoadAverage::new(Ticks(0));
        let sum = 3 * 3600 * second;
        assert_eq!(load.at(Ticks(3600 * second), sum, TIMEBASE)[0], 300);
        assert_eq!(load.at(Ticks(3660 * second), sum, TIMEBASE)[0], 110);
        assert_eq!(load.at(Ticks(90_000 * second), sum, TIMEBASE), [0, 0, 0]);
    }
}
