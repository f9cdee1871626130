//! A timer on a clock in nanoseconds (`man 2 timerfd_create`, `man 2 timer_create`).

use abi::Nanos;

/// Expires at a point of time, and then at every interval, if there is one.
///
/// It is asked how often it has expired; it does not run. Points of time depend on the first and the interval only, so that
/// a timer that is looked at late does not drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmClock {
    next: Option<Nanos>,
    interval: Nanos,
}

impl AlarmClock {
    /// A timer that expires at a point of time, and then every `interval` if that is not zero; `None` never.
    #[must_use]
    pub const fn new(next: Option<Nanos>, interval: Nanos) -> Self {
        Self { next, interval }
    }

    /// When it expires next, or has expired without having been asked.
    #[must_use]
    pub const fn next(&self) -> Option<Nanos> {
        self.next
    }

    /// The interval; zero for a timer that expires once.
    #[must_use]
    pub const fn interval(&self) -> Nanos {
        self.interval
    }

    /// Whether it has expired by `now`.
    #[must_use]
    pub fn is_due(&self, now: Nanos) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// How often it has expired by `now` since it was last asked; afterwards it is set for the next time.
    pub fn take(&mut self, now: Nanos) -> u64 {
        let Some(next) = self.next.filter(|next| *next <= now) else {
            return 0;
        };
        if self.interval.0 == 0 {
            self.next = None;
            return 1;
        }
        let periods = (now.0 - next.0) / self.interval.0 + 1;
        // What no clock will show is never.
        let step = periods.checked_mul(self.interval.0);
        self.next = step.and_then(|step| next.0.checked_add(step)).map(Nanos);
        periods
    }

    /// What is left until it expires the next time: zero when it does not, at least a nanosecond when it does.
    #[must_use]
    pub fn remaining(&self, now: Nanos) -> Nanos {
        let mut ahead = *self;
        ahead.take(now);
        ahead.next.map_or(Nanos(0), |next| next.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        /// How often it has expired depends on the time only, not on when it is asked.
        #[test]
        fn it_does_not_drift(first in 0u64..1000, interval in 0u64..50, looks in prop::collection::vec(0u64..5000, 1..20)) {
            let mut clock = AlarmClock::new(Some(Nanos(first)), Nanos(interval));
            let (mut times, mut count): (Vec<u64>, u64) = (looks, 0);
            times.sort_unstable();
            for now in times {
                let due = match now.checked_sub(first) {
                    None => 0,
                    Some(_) if interval == 0 => 1,
                    Some(since) => since / interval + 1,
                };
                let left = clock.remaining(Nanos(now));
                count += clock.take(Nanos(now));
                prop_assert_eq!(count, due);
                prop_assert_eq!(left, clock.remaining(Nanos(now)));
                let next = if due > 0 && interval == 0 { 0 } else { first + due * interval - now };
                prop_assert_eq!(left, Nanos(next));
                prop_assert!(!clock.is_due(Nanos(now)));
            }
        }
    }

    #[test]
    fn what_no_clock_shows_is_never() {
        let mut clock = AlarmClock::new(Some(Nanos(5)), Nanos(u64::MAX));
        assert_eq!(clock.take(Nanos(5)), 1);
        assert_eq!(clock.next(), None);
        assert_eq!(AlarmClock::default().remaining(Nanos(9)), Nanos(0));
    }
}
