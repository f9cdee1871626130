//! How late a sleeper of one millisecond wakes up, beside busy partitions of equal share.

use crate::child;
use crate::output::microseconds;
use crate::system::{Isolation, Limits, System};
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::{Timespec, clock_gettime};
use std::io;
use std::time::Duration;

const PERIOD: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// Beside no, one and eight busy partitions.
pub fn measure(system: &mut dyn System, count: usize) -> io::Result<()> {
    [0, 1, 8]
        .into_iter()
        .try_for_each(|busy| beside(system, count, busy))
}

/// Beside so many of them.
pub fn beside(system: &mut dyn System, count: usize, busy: usize) -> io::Result<()> {
    let mut spinners = Vec::new();
    for number in 1..=busy {
        system.create(number, Limits::ORDINARY)?;
        spinners.push(system.start(number, Isolation::Time, &mut || child::spin())?);
    }
    child::rest(Duration::from_millis(300));
    system.create(0, Limits::ORDINARY)?;
    let sleeper = system.start(0, Isolation::Time, &mut || {
        // Linux adds slack to timers; Corral has none to take away.
        drop(std::fs::write("/proc/self/timerslack_ns", "1"));
        sleep_often(&format!("wake_{busy}_busy"), count);
        child::exit();
    })?;
    sleeper.wait()?;
    system.remove(0)?;
    for (place, spinner) in spinners.into_iter().enumerate() {
        spinner.end()?;
        system.remove(place + 1)?;
    }
    Ok(())
}

fn sleep_often(label: &str, count: usize) {
    const WARM: usize = 50;
    let mut late = Vec::with_capacity(count + WARM);
    let nanoseconds = |time: Timespec| time.tv_sec * SECOND + time.tv_nsec;
    let mut due = nanoseconds(clock_gettime(ClockId::Monotonic));
    for _ in 0..count + WARM {
        due += PERIOD;
        let until = Timespec {
            tv_sec: due / SECOND,
            tv_nsec: due % SECOND,
        };
        while clock_nanosleep_absolute(ClockId::Monotonic, &until).is_err() {}
        let now = nanoseconds(clock_gettime(ClockId::Monotonic));
        late.push(u64::try_from(now - due).unwrap_or(0));
        if now - due > PERIOD {
            // Too late to catch up.
            due = now;
        }
    }
    let mut late = late.split_off(WARM);
    late.sort_unstable();
    let at = |part: usize| {
        let place = (late.len() * part / 100).min(late.len().saturating_sub(1));
        Duration::from_nanos(late.get(place).copied().unwrap_or(0))
    };
    microseconds(&format!("{label}_p50"), at(50));
    microseconds(&format!("{label}_p99"), at(99));
    microseconds(&format!("{label}_max"), at(100));
}
