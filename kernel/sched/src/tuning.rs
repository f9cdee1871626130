//! The scheduler's figures, in one place.

use abi::{Nanos, Ticks, Timebase};

/// Longest slice that any policy can give: 4 ms.
const LONGEST_SLICE: Nanos = Nanos(4_000_000);
/// The slice that policies are asked to give: half of that keeps the division's error well below a slice.
const SLICE: Nanos = Nanos(2_000_000);
/// What a thread is left to run at least before a wake-up takes the CPU from it.
const GRANULARITY: Nanos = Nanos(50_000);
/// What a round-robin thread runs before the next of its priority does: Linux's figure.
const ROUND: Nanos = Nanos(100_000_000);
/// What a partition at a maximum gets before it is held back again.
const QUANTUM: Nanos = Nanos(500_000);
/// Least bound of the watchdog.
const PATIENCE: Nanos = Nanos(1_000_000_000);

/// The figures in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub longest_slice: u64,
    pub slice: u64,
    pub granularity: u64,
    pub round: u64,
    pub quantum: u64,
    pub patience: u64,
}

impl Tuning {
    pub fn new(timebase: Timebase) -> Self {
        let ticks = |span| timebase.ticks(span).0.max(1);
        Self {
            // Rounding up would make it longer than it may be.
            longest_slice: ticks(LONGEST_SLICE).saturating_sub(1).max(1),
            slice: ticks(SLICE),
            granularity: ticks(GRANULARITY),
            round: ticks(ROUND),
            quantum: ticks(QUANTUM),
            patience: ticks(PATIENCE),
        }
    }

    /// `at` and `span` later, in ticks.
    pub fn after(at: Ticks, span: u64) -> Ticks {
        at.saturating_add(Ticks(span))
    }
}
