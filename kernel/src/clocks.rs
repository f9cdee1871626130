//! The clocks that timers are set by.

use crate::system::{WallClock, system};
use abi::linux::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};
use abi::{Nanos, Ticks};

/// A clock that shows a point of time; the timebase says when that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time since boot.
    Monotonic,
    /// Time since 1970, which may be set ([`crate::system::System::wall_changed`]).
    Wall,
}

impl Clock {
    /// What it shows.
    pub fn now(self) -> Nanos {
        match self {
            Self::Monotonic => system().uptime(),
            Self::Wall => system().wall_clock(arch::time::now()),
        }
    }

    /// When it shows a point of time, as long as it is not set; at once if that has gone.
    pub fn at(self, point: Nanos) -> Ticks {
        let since = match self {
            Self::Monotonic => WallClock {
                nanos: Nanos(0),
                at: system().booted,
            },
            Self::Wall => *system().wall.lock(),
        };
        let span = point.saturating_sub(since.nanos);
        let at = since.at.saturating_add(system().timebase.ticks(span));
        at.max(arch::time::now())
    }
}

/// Whether a clock that timers can be set by is the wall clock; `None` for one that does not show time.
pub fn is_wall(number: u32) -> Option<bool> {
    match number {
        CLOCK_REALTIME => Some(true),
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Some(false),
        _ => None,
    }
}
