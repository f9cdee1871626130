//! Points of time that something waits for.

use abi::Ticks;
use fallible::{Map, NoMemory};

/// One entry of a [`TimerQueue`]; never mistaken for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerHandle {
    deadline: Ticks,
    sequence: u64,
}

/// Deadlines in order, each with what is to be done; entries with one deadline expire in the order of arrival.
///
/// All operations are O(log n). The kernel keeps one for each CPU under a lock of rank `Timers`.
#[derive(Debug)]
pub struct TimerQueue<K> {
    entries: Map<TimerHandle, K>,
    sequence: u64,
}

impl<K> Default for TimerQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> TimerQueue<K> {
    /// No deadline.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Map::new(),
            sequence: 0,
        }
    }

    /// Adds a deadline.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn schedule(&mut self, deadline: Ticks, key: K) -> Result<TimerHandle, NoMemory> {
        let handle = TimerHandle {
            deadline,
            sequence: self.sequence,
        };
        self.sequence += 1;
        self.entries.insert(handle, key)?;
        Ok(handle)
    }

    /// What is to be done at a deadline that has not expired yet, to be changed.
    pub fn get_mut(&mut self, handle: TimerHandle) -> Option<&mut K> {
        self.entries.get_mut(&handle)
    }

    /// Removes a deadline that has not expired yet.
    pub fn cancel(&mut self, handle: TimerHandle) -> Option<K> {
        self.entries.remove(&handle)
    }

    /// The next deadline, to program the decrementer with.
    #[must_use]
    pub fn next(&self) -> Option<Ticks> {
        self.entries
            .first_key_value()
            .map(|(handle, _)| handle.deadline)
    }

    /// Takes the first entry whose deadline is not after `now`.
    pub fn expire(&mut self, now: Ticks) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop_first().map(|(_, key)| key)
    }

    /// How many deadlines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no deadline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A timer of `setitimer`: one-shot or periodic, on a clock that the caller names by what it passes as `now`.
///
/// For `ITIMER_REAL` that is the timebase, for `ITIMER_VIRTUAL` and `ITIMER_PROF` the CPU time charged to
/// the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    deadline: Option<Ticks>,
    interval: Ticks,
}

impl IntervalTimer {
    /// Arms the timer to expire after `value`, then every `interval`; a `value` of zero disarms it.
    /// Answers what was left and the old interval.
    pub fn set(&mut self, now: Ticks, value: Ticks, interval: Ticks) -> (Ticks, Ticks) {
        let old = (self.remaining(now), self.interval);
        self.deadline = (value > Ticks(0)).then(|| now.saturating_add(value));
        self.interval = interval;
        old
    }

    /// What is left until it expires: zero when it is disarmed, at least one tick otherwise.
    #[must_use]
    pub fn remaining(&self, now: Ticks) -> Ticks {
        self.deadline.map_or(Ticks(0), |deadline| {
            deadline.saturating_sub(now).max(Ticks(1))
        })
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Ticks {
        self.interval
    }

    /// When it expires next.
    #[must_use]
    pub fn deadline(&self) -> Option<Ticks> {
        self.deadline
    }

    /// How often it has expired by `now`; afterwards it is armed for the next time, in step with the first.
    pub fn expire(&mut self, now: Ticks) -> u64 {
        let Some(deadline) = self.deadline.filter(|deadline| *deadline <= now) else {
            return 0;
        };
        if self.interval == Ticks(0) {
            self.deadline = None;
            return 1;
        }
        let periods = (now.0 - deadline.0) / self.interval.0 + 1;
        let step = Ticks(periods.saturating_mul(self.interval.0));
        self.deadline = Some(deadline.saturating_add(step));
        periods
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        /// Expires exactly what is due and was not cancelled, by deadline and then by arrival.
        #[test]
        fn behaves_as_a_sorted_list(deadlines in prop::collection::vec((0u64..50, any::<bool>()), 0..60), now in 0u64..50) {
            let mut queue = TimerQueue::new();
            let mut expected = Vec::new();
            for (key, (deadline, cancelled)) in deadlines.iter().enumerate() {
                let handle = queue.schedule(Ticks(*deadline), key).unwrap();
                if *cancelled {
                    prop_assert_eq!(queue.cancel(handle), Some(key));
                    prop_assert_eq!(queue.cancel(handle), None);
                } else {
                    expected.push((*deadline, key));
                }
            }
            expected.sort_unstable();
            prop_assert_eq!(queue.next().map(|at| at.0), expected.first().map(|(at, _)| *at));
            let mut due = Vec::new();
            while let Some(key) = queue.expire(Ticks(now)) {
                due.push(key);
            }
            let model: Vec<usize> = expected.iter().filter(|(at, _)| *at <= now).map(|(_, key)| *key).collect();
            prop_assert_eq!(due, model);
        }

        /// A periodic timer never drifts: expirations up to any time depend on the time only.
        #[test]
        fn periods_do_not_drift(value in 1u64..100, interval in 1u64..100, looks in prop::collection::vec(0u64..1000, 1..20)) {
            let mut timer = IntervalTimer::default();
            timer.set(Ticks(0), Ticks(value), Ticks(interval));
            let mut times = looks;
            times.sort_unstable();
            let mut count = 0;
            for now in times {
                count += timer.expire(Ticks(now));
                prop_assert_eq!(count, if now < value { 0 } else { (now - value) / interval + 1 });
                prop_assert!(timer.remaining(Ticks(now)) > Ticks(0));
            }
        }
    }
}
