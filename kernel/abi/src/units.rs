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

/// The relation between timebase ticks and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timebase {
    /// Ticks in one second (`timebase-frequency` of the device tree).
    pub ticks_per_second: u64,
}

impl Timebase {
    /// Ticks as nanoseconds, rounded down.
    #[must_use]
    pub const fn nanos(self, ticks: Ticks) -> Nanos {
        let wide = ticks.0 as u128 * 1_000_000_000 / self.ticks_per_second as u128;
        Nanos(wide as u64)
    }

    /// Nanoseconds as ticks, rounded up, so that a sleep is never too short; saturates.
    #[must_use]
    pub const fn ticks(self, nanos: Nanos) -> Ticks {
        let wide = (nanos.0 as u128 * self.ticks_per_second as u128).div_ceil(1_000_000_000);
        if wide > u64::MAX as u128 {
            Ticks(u64::MAX)
        } else {
            Ticks(wide as u64)
        }
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
