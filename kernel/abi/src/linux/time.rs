//! Time (`man 2 clock_gettime`, `man 2 setitimer`, `man 2 timer_create`).

use super::record::record;

/// Wall clock.
pub const CLOCK_REALTIME: u32 = 0;
/// Since the partition started, without jumps.
pub const CLOCK_MONOTONIC: u32 = 1;
/// CPU time of the process.
pub const CLOCK_PROCESS_CPUTIME_ID: u32 = 2;
/// CPU time of the thread.
pub const CLOCK_THREAD_CPUTIME_ID: u32 = 3;
/// As [`CLOCK_MONOTONIC`], never slewed.
pub const CLOCK_MONOTONIC_RAW: u32 = 4;
/// Wall clock, cheap.
pub const CLOCK_REALTIME_COARSE: u32 = 5;
/// As [`CLOCK_MONOTONIC`], cheap.
pub const CLOCK_MONOTONIC_COARSE: u32 = 6;
/// As [`CLOCK_MONOTONIC`], through suspension.
pub const CLOCK_BOOTTIME: u32 = 7;
/// As [`CLOCK_REALTIME`], and wakes the machine.
pub const CLOCK_REALTIME_ALARM: u32 = 8;
/// As [`CLOCK_BOOTTIME`], and wakes the machine.
pub const CLOCK_BOOTTIME_ALARM: u32 = 9;
/// `timerfd_settime`: an absolute time.
pub const TFD_TIMER_ABSTIME: u32 = 1;
/// `timerfd_settime`: setting the wall clock cancels the timer.
pub const TFD_TIMER_CANCEL_ON_SET: u32 = 2;
/// `clock_nanosleep`, `timer_settime`: an absolute time.
pub const TIMER_ABSTIME: u32 = 1;
/// `setitimer`: real time, SIGALRM.
pub const ITIMER_REAL: u64 = 0;
/// `setitimer`: CPU time in user mode, SIGVTALRM.
pub const ITIMER_VIRTUAL: u64 = 1;
/// `setitimer`: CPU time, SIGPROF.
pub const ITIMER_PROF: u64 = 2;
/// Clock ticks in a second, as `times` counts (AT_CLKTCK).
pub const CLOCK_TICKS_PER_SECOND: u64 = 100;

/// `adjtimex`: change the time at once.
pub const ADJ_SETOFFSET: u32 = 0x100;
/// `adjtimex`: its fraction is in nanoseconds.
pub const ADJ_NANO: u32 = 0x2000;
/// `adjtimex`: only tell what `adjtime` has still to do.
pub const ADJ_OFFSET_SS_READ: u32 = 0xa001;
/// `adjtimex`: nobody keeps the clock right.
pub const STA_UNSYNC: i32 = 0x40;
/// `adjtimex`: the result that says the same.
pub const TIME_ERROR: u64 = 5;

/// `sigevent`: a signal.
pub const SIGEV_SIGNAL: i32 = 0;
/// `sigevent`: nothing.
pub const SIGEV_NONE: i32 = 1;
/// `sigevent`: a thread is started, by libc; for the kernel a signal.
pub const SIGEV_THREAD: i32 = 2;
/// `sigevent`: a signal to one thread.
pub const SIGEV_THREAD_ID: i32 = 4;

record! {
    /// `struct sigevent` (`man 7 sigevent`).
    Sigevent [64] {
        /// What comes with the signal.
        0 value: u64,
        /// Which signal.
        8 signo: i32,
        /// SIGEV_ kind.
        12 notify: i32,
        /// The thread, for [`SIGEV_THREAD_ID`].
        16 tid: i32,
    }

    /// `struct timex` (`man 2 adjtimex`), without the fields of a signal that comes each second.
    Timex [208] {
        /// What to change.
        0 modes: u32,
        /// Correction that is still to be made.
        8 offset: i64,
        /// Correction of the frequency.
        16 freq: i64,
        /// Greatest error, microseconds.
        24 maxerror: i64,
        /// Error that is to be expected, microseconds.
        32 esterror: i64,
        /// STA_ bits.
        40 status: i32,
        /// Time constant of the loop.
        48 constant: i64,
        /// Precision, microseconds.
        56 precision: i64,
        /// Greatest correction of the frequency.
        64 tolerance: i64,
        /// The time, or by how much to change it.
        72 time: Timeval,
        /// Microseconds of a tick.
        88 tick: i64,
    }

    /// `struct timespec`.
    Timespec [16] {
        /// Seconds.
        0 sec: i64,
        /// Nanoseconds, less than a second.
        8 nsec: i64,
    }

    /// `struct timeval`.
    Timeval [16] {
        /// Seconds.
        0 sec: i64,
        /// Microseconds, less than a second.
        8 usec: i64,
    }

    /// `struct itimerval`.
    Itimerval [32] {
        /// Period; 0 for once.
        0 interval: Timeval,
        /// Time left; 0 for never.
        16 value: Timeval,
    }

    /// `struct itimerspec`.
    Itimerspec [32] {
        /// Period; 0 for once.
        0 interval: Timespec,
        /// Time left; 0 for never.
        16 value: Timespec,
    }

    /// `struct tms`, in ticks of [`CLOCK_TICKS_PER_SECOND`].
    Tms [32] {
        /// User time.
        0 utime: i64,
        /// System time.
        8 stime: i64,
        /// User time of awaited children.
        16 cutime: i64,
        /// System time of awaited children.
        24 cstime: i64,
    }

    /// `struct timezone`.
    Timezone [8] {
        /// Minutes west of Greenwich.
        0 minutes_west: i32,
        /// Kind of daylight saving; obsolete.
        4 dst_time: i32,
    }
}

use crate::{Errno, Nanos};

const SECOND: u64 = 1_000_000_000;

impl Timespec {
    /// From a span or point of time.
    #[must_use]
    pub const fn from_nanos(time: Nanos) -> Self {
        Self {
            sec: (time.0 / SECOND).cast_signed(),
            nsec: (time.0 % SECOND).cast_signed(),
        }
    }

    /// As a span of time; saturates.
    ///
    /// # Errors
    /// EINVAL when it is negative or has a second or more of nanoseconds.
    pub fn nanos(self) -> Result<Nanos, Errno> {
        let seconds = u64::try_from(self.sec).map_err(|_| Errno::EINVAL)?;
        let rest = u64::try_from(self.nsec)
            .ok()
            .filter(|rest| *rest < SECOND)
            .ok_or(Errno::EINVAL)?;
        Ok(Nanos(seconds.saturating_mul(SECOND).saturating_add(rest)))
    }
}

impl Timeval {
    /// From a span or point of time, rounded down.
    #[must_use]
    pub const fn from_nanos(time: Nanos) -> Self {
        Self {
            sec: (time.0 / SECOND).cast_signed(),
            usec: (time.0 % SECOND / 1000).cast_signed(),
        }
    }

    /// As a span of time; saturates.
    ///
    /// # Errors
    /// EINVAL when it is negative or has a second or more of microseconds.
    pub fn nanos(self) -> Result<Nanos, Errno> {
        let seconds = u64::try_from(self.sec).map_err(|_| Errno::EINVAL)?;
        let rest = u64::try_from(self.usec)
            .ok()
            .filter(|rest| *rest < 1_000_000)
            .ok_or(Errno::EINVAL)?;
        Ok(Nanos(
            seconds.saturating_mul(SECOND).saturating_add(rest * 1000),
        ))
    }
}
