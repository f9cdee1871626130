//! The minimums that all running partitions are promised together.

use abi::BasisPoints;
use control::{ResourceControls, ResourceError, check_minimum_sum};
use core::sync::atomic::{AtomicU64, Ordering};

/// The sums of all promises; never more than the whole of CPU or of memory.
#[derive(Debug, Default)]
pub struct Promises {
    /// CPU in the upper half and memory in the lower, in hundredths of a percent: both change at one instant.
    sums: AtomicU64,
}

/// What one partition is promised; nothing unless it is Active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    cpu: BasisPoints,
    memory: BasisPoints,
}

impl Promises {
    /// Gives the minimums of `controls` in exchange for `old`.
    ///
    /// # Errors
    /// [`ResourceError::MinimumSum`] when all together would be promised more than the whole; `old` is kept then.
    pub fn exchange(
        &self,
        old: Promise,
        controls: &ResourceControls,
    ) -> Result<Promise, ResourceError> {
        let new = Promise {
            cpu: controls.cpu.minimum.basis_points(),
            memory: controls.memory.minimum.basis_points(),
        };
        let fits = |sums: u64| -> Result<u64, ResourceError> {
            let (cpu, memory) = Self::without(sums, old);
            check_minimum_sum("CPU", controls.cpu.minimum, cpu)?;
            check_minimum_sum("memory", controls.memory.minimum, memory)?;
            Ok(Self::together(
                cpu + u32::from(new.cpu.0),
                memory + u32::from(new.memory.0),
            ))
        };
        let mut sums = self.sums.load(Ordering::Relaxed);
        loop {
            let next = fits(sums)?;
            let done =
                self.sums
                    .compare_exchange_weak(sums, next, Ordering::Relaxed, Ordering::Relaxed);
            match done {
                Ok(_) => return Ok(new),
                Err(now) => sums = now,
            }
        }
    }

    /// Takes `promise` back.
    pub fn release(&self, promise: Promise) {
        let amount = Self::together(u32::from(promise.cpu.0), u32::from(promise.memory.0));
        self.sums.fetch_sub(amount, Ordering::Relaxed);
    }

    fn together(cpu: u32, memory: u32) -> u64 {
        u64::from(cpu) << 32 | u64::from(memory)
    }

    /// The sums of CPU and memory without `promise`, which is in them.
    fn without(sums: u64, promise: Promise) -> (u32, u32) {
        let (cpu, memory) = ((sums >> 32) as u32, sums as u32);
        (
            cpu - u32::from(promise.cpu.0),
            memory - u32::from(promise.memory.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asking(cpu: u16, memory: u16) -> ResourceControls {
        let mut controls = ResourceControls::default();
        for (attribute, points) in [("CPU", cpu), ("memory", memory)] {
            let value = alloc::format!("{}.{:02}%-100%,100%", points / 100, points % 100);
            controls.set(attribute, &value).expect("a percentage");
        }
        controls
    }

    proptest! {
        #[test]
        fn nobody_is_promised_what_others_have(
            steps in proptest::collection::vec((0usize..5, any::<bool>(), 0u16..6000, 0u16..6000), 0..60),
        ) {
            let promises = Promises::default();
            let mut model = [(0u32, 0u32, Promise::default()); 5];
            for (who, keep, cpu, memory) in steps {
                let others = |of: fn(&(u32, u32, Promise)) -> u32| {
                    model.iter().enumerate().filter(|(n, _)| *n != who).map(|(_, m)| of(m)).sum::<u32>()
                };
                let (used_cpu, used_memory) = (others(|m| m.0), others(|m| m.1));
                let old = model[who].2;
                if !keep {
                    promises.release(old);
                    model[who] = (0, 0, Promise::default());
                    continue;
                }
                let fits = used_cpu + u32::from(cpu) <= 10_000 && used_memory + u32::from(memory) <= 10_000;
                let given = promises.exchange(old, &asking(cpu, memory));
                prop_assert_eq!(given.is_ok(), fits);
                if let Ok(new) = given {
                    model[who] = (u32::from(cpu), u32::from(memory), new);
                }
            }
            model.iter().for_each(|m| promises.release(m.2));
            prop_assert_eq!(promises.sums.load(Ordering::Relaxed), 0);
        }
    }
}
