//! Numbers with a meaning.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A span or a point of time in ticks of the timebase register (Power ISA, Book II, "Time Base").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticks(pub u64);

/// A span or a point of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nanos(pub u64);

/// A number of pages of [`crate::PAGE_SIZE`] bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pages(pub u64);

/// Hundredths of a percent: 10 000 is the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BasisPoints(pub u16);

/// The number of a loaded workload partition, and the tag that every kernel object carries.
///
/// Cids are reused after a partition is gone; [`WparKey`] is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cid(pub u16);

/// The persistent number of a workload partition, unique for the life of the system; 0 is Global.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WparKey(pub u32);

/// A process or thread number, global or virtual as the context says; always positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pid(pub u32);

impl Cid {
    /// The global environment.
    pub const GLOBAL: Cid = Cid(0);
    /// How many partitions can be loaded at once, Global not counted.
    pub const LIMIT: u16 = 8192;

    /// Whether this is the global environment.
    #[must_use]
    pub const fn is_global(self) -> bool {
        self.0 == 0
    }
}

impl BasisPoints {
    /// One hundred percent.
    pub const WHOLE: BasisPoints = BasisPoints(10_000);
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The relation between timebase ticks and time. Seconds and the rest are converted apart: a division of 128 bits is dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timebase {
    /// Ticks in one second (`timebase-frequency` of the device tree): at least one, and so few that with the nanoseconds of a
    /// second they make 64 bits (18 GHz).
    pub ticks_per_second: u64,
}

impl Timebase {
    /// Ticks as nanoseconds, rounded down; what is more than 584 years wraps.
    #[must_use]
    pub const fn nanos(self, ticks: Ticks) -> Nanos {
        let (seconds, rest) = (
            ticks.0 / self.ticks_per_second,
            ticks.0 % self.ticks_per_second,
        );
        let part = rest * NANOS_PER_SECOND / self.ticks_per_second;
        Nanos(seconds.wrapping_mul(NANOS_PER_SECOND).wrapping_add(part))
    }

    /// Nanoseconds as ticks, rounded up, so that a sleep is never too short; saturates.
    #[must_use]
    pub const fn ticks(self, nanos: Nanos) -> Ticks {
        let (seconds, rest) = (nanos.0 / NANOS_PER_SECOND, nanos.0 % NANOS_PER_SECOND);
        let part = (rest * self.ticks_per_second).div_ceil(NANOS_PER_SECOND);
        Ticks(
            seconds
                .saturating_mul(self.ticks_per_second)
                .saturating_add(part),
        )
    }
}

macro_rules! arithmetic {
    ($($name:ident),*) => {$(
        impl $name {
            /// The difference, or zero when `other` is the larger.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The sum, or the greatest value when it does not fit.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
    )*};
}
arithmetic!(Ticks, Nanos, Pages);

macro_rules! displayed {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
displayed!(Cid, WparKey, Pid, Ticks, Pages);

impl fmt::Display for BasisPoints {
    /// As percent with two decimals, `12.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// ABI0600: conversions of time are those of exact fractions, whatever the rate of the time base.
        #[test]
        fn abi0600_time_is_converted_exactly(count: u64, ticks_per_second in 1_u64..=18_000_000_000) {
            let timebase = Timebase { ticks_per_second };
            let (count_wide, rate) = (u128::from(count), u128::from(ticks_per_second));
            let nanos = count_wide * 1_000_000_000 / rate;
            prop_assert_eq!(timebase.nanos(Ticks(count)), Nanos(nanos as u64));
            let ticks = (count_wide * rate).div_ceil(1_000_000_000);
            let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
            prop_assert_eq!(timebase.ticks(Nanos(count)), Ticks(ticks));
        }
    }
}
