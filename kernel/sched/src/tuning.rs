//! The scheduler's figures, in one place: promises, which are fixed, and what can be tuned while the system runs.

use abi::{Nanos, Ticks, Timebase};

/// Longest slice that any policy can give: 4 ms.
const LONGEST_SLICE: Nanos = Nanos(4_000_000);
/// What a round-robin thread runs before the next of its priority does: Linux's figure.
const ROUND: Nanos = Nanos(100_000_000);
/// What a partition at a maximum gets before it is held back again.
const QUANTUM: Nanos = Nanos(500_000);
/// Least bound of the watchdog.
const PATIENCE: Nanos = Nanos(1_000_000_000);

/// What can be tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunable {
    /// The slice that policies are asked to give, in microseconds.
    Slice,
    /// What a thread is left to run at least before a wake-up takes the CPU from it, in microseconds.
    Grain,
    /// Whether a wake-up takes the CPU from a thread before its slice is over: 1 or 0. A real-time thread takes it from
    /// others of its partition in any case, and who needs a minimum or is full waits no longer than a slice.
    WakeUps,
}

impl Tunable {
    /// All of them.
    pub const ALL: [Tunable; 3] = [Tunable::Slice, Tunable::Grain, Tunable::WakeUps];

    /// The one of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tunable| tunable.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Tunable::Slice => "slice_us",
            Tunable::Grain => "wakeup_grain_us",
            Tunable::WakeUps => "wakeup_preemption",
        }
    }

    /// What its value counts.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Tunable::Slice | Tunable::Grain => "microseconds",
            Tunable::WakeUps => "boolean",
        }
    }

    /// Its value at boot. Half of the longest slice keeps the division's error well below one.
    #[must_use]
    pub const fn default(self) -> u32 {
        match self {
            Tunable::Slice => 2_000,
            Tunable::Grain => 50,
            Tunable::WakeUps => 1,
        }
    }

    /// The least value and the greatest: no slice is longer than hard maxima allow, or shorter than what they are
    /// granted in, and no grain longer than the shortest slice.
    #[must_use]
    pub const fn range(self) -> (u32, u32) {
        match self {
            Tunable::Slice => (500, 4_000),
            Tunable::Grain => (10, 500),
            Tunable::WakeUps => (0, 1),
        }
    }
}

/// The figures in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub timebase: Timebase,
    values: [u32; Tunable::ALL.len()],
    pub longest_slice: u64,
    pub slice: u64,
    pub granularity: u64,
    pub wake_ups: bool,
    pub round: u64,
    pub quantum: u64,
    pub patience: u64,
}

impl Tuning {
    pub fn new(timebase: Timebase) -> Self {
        let ticks = |span| timebase.ticks(span).0.max(1);
        let mut tuning = Self {
            timebase,
            values: [0; Tunable::ALL.len()],
            // Rounding up would make it longer than it may be.
            longest_slice: ticks(LONGEST_SLICE).saturating_sub(1).max(1),
            slice: 1,
            granularity: 1,
            wake_ups: true,
            round: ticks(ROUND),
            quantum: ticks(QUANTUM),
            patience: ticks(PATIENCE),
        };
        for tunable in Tunable::ALL {
            tuning.set(tunable, tunable.default());
        }
        tuning
    }

    /// The value of what can be tuned.
    pub fn value(&self, tunable: Tunable) -> u32 {
        let place = self.values.get(tunable as usize);
        place.copied().unwrap_or_else(|| tunable.default())
    }

    /// Sets it; the value is within its range.
    pub fn set(&mut self, tunable: Tunable, value: u32) {
        let span = Nanos(u64::from(value) * 1_000);
        let ticks = self.timebase.ticks(span).0.clamp(1, self.longest_slice);
        match tunable {
            Tunable::Slice => self.slice = ticks,
            Tunable::Grain => self.granularity = ticks,
            Tunable::WakeUps => self.wake_ups = value != 0,
        }
        if let Some(place) = self.values.get_mut(tunable as usize) {
            *place = value;
        }
    }

    /// What a thread is left to run at least before one of its own partition takes the CPU from it that has slept for less
    /// than that. Such threads mostly wake each other to wait for an answer then, and a decrementer that is programmed for each
    /// wake-up costs more than the switch. Who has slept for longer has waited for something else.
    pub fn conversation_grain(&self) -> u64 {
        const TIMES: u64 = 10;
        self.granularity.saturating_mul(TIMES).min(self.slice)
    }

    /// `at` and `span` later, in ticks.
    pub fn after(at: Ticks, span: u64) -> Ticks {
        at.saturating_add(Ticks(span))
    }
}
