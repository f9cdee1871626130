//! How many processes and threads a partition has, and may have.

use core::sync::atomic::{AtomicU32, Ordering};

/// The partition may not have one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A count with a limit; lowering the limit below the count takes nothing away.
#[derive(Debug)]
pub struct Population {
    count: AtomicU32,
    limit: AtomicU32,
}

impl Population {
    /// Nobody, and room for `limit`; `None` is without limit.
    #[must_use]
    pub const fn new(limit: Option<u32>) -> Self {
        Self {
            count: AtomicU32::new(0),
            limit: AtomicU32::new(Self::number(limit)),
        }
    }

    const fn number(limit: Option<u32>) -> u32 {
        match limit {
            Some(limit) => limit,
            None => u32::MAX,
        }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// [`Full`] at the limit.
    pub fn enter(&self) -> Result<(), Full> {
        let limit = self.limit.load(Ordering::Relaxed);
        let one_more = |count: u32| (count < limit).then_some(count + 1);
        self.count
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more)
            .map(|_| ())
            .map_err(|_| Full)
    }

    /// Counts one less; answers whether that was the last.
    pub fn leave(&self) -> bool {
        let before = self
            .count
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |count| {
                count.checked_sub(1)
            });
        before == Ok(1)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Changes the limit.
    pub fn set_limit(&self, limit: Option<u32>) {
        self.limit.store(Self::number(limit), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_limit_refuses_newcomers_and_drives_nobody_out() {
        let population = Population::new(Some(2));
        assert_eq!(
            [population.enter(), population.enter(), population.enter()],
            [Ok(()), Ok(()), Err(Full)]
        );
        population.set_limit(Some(1));
        assert_eq!(population.count(), 2);
        assert!(!population.leave());
        assert_eq!(population.enter(), Err(Full));
        assert!(population.leave());
        assert_eq!(population.enter(), Ok(()));
    }
}
