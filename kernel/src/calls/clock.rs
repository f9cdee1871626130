//! Clocks, sleeps and interval timers.
//!
//! Time is the timebase in ticks; it is converted here, at the edge. A sleep has an absolute deadline from its
//! first run on, so running it again makes it no longer.

use super::Call;
use crate::clocks::Clock;
use crate::cpu_timers::{CpuClock, Part, Which};
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::system::system;
use abi::linux::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID,
    ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, Itimerval, SystemCall, TIMER_ABSTIME, Timespec,
    Timeval, Tms,
};
use abi::{Errno, Nanos, Ticks};
use alloc::sync::Arc;
use process::AlarmClock;
use security::Privileges;

const NANOS: u64 = 1_000_000_000;

/// Reads a `struct timespec` of the program.
///
/// # Errors
/// EFAULT.
pub fn read_timespec(call: &Call<'_>, address: u64) -> Result<Timespec, Errno> {
    Ok(Timespec::decode(&call.user.bytes(address)?))
}

/// Ticks in a span.
pub fn ticks(span: Nanos) -> Ticks {
    system().timebase.ticks(span)
}

/// What a clock shows.
pub(super) fn now(call: &Call<'_>, clock: u32) -> Result<Nanos, Errno> {
    let at = arch::time::now();
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(system().wall_clock(at)),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(system().uptime())
        }
        _ => CpuClock::of(call.process(), call.thread, clock)?.now(at),
    }
}

/// `man 2 clock_gettime`.
pub fn clock_gettime(call: &mut Call<'_>) -> Called {
    let time = now(call, call.argument(0) as u32)?;
    call.user
        .write(call.argument(1), &Timespec::from_nanos(time).encode())?;
    Ok(0)
}

/// `man 2 clock_getres`.
pub fn clock_getres(call: &mut Call<'_>) -> Called {
    now(call, call.argument(0) as u32)?;
    if call.argument(1) != 0 {
        call.user
            .write(call.argument(1), &Timespec::from_nanos(Nanos(1)).encode())?;
    }
    Ok(0)
}

/// `man 2 clock_settime`.
pub fn clock_settime(call: &mut Call<'_>) -> Called {
    let time = read_timespec(call, call.argument(1))?.nanos()?;
    if call.argument(0) as u32 != CLOCK_REALTIME {
        return Err(Errno::EINVAL.into());
    }
    set_clock(call, time)
}

fn set_clock(call: &Call<'_>, time: Nanos) -> Called {
    call.credential().require(Privileges::CLOCK)?;
    system().set_wall_clock(time);
    Ok(0)
}

/// `man 2 gettimeofday`.
pub fn gettimeofday(call: &mut Call<'_>) -> Called {
    let (time, zone) = (call.argument(0), call.argument(1));
    if time != 0 {
        let wall = system().wall_clock(arch::time::now());
        call.user.write(time, &Timeval::from_nanos(wall).encode())?;
    }
    if zone != 0 {
        call.user.write(zone, &[0; 8])?;
    }
    Ok(0)
}

/// `man 2 settimeofday`.
pub fn settimeofday(call: &mut Call<'_>) -> Called {
    if call.argument(0) == 0 {
        return Ok(0);
    }
    let time = Timeval::decode(&call.user.bytes(call.argument(0))?);
    set_clock(call, time.nanos()?)
}

/// `man 2 time`.
pub fn time(call: &mut Call<'_>) -> Called {
    let seconds = system().wall_clock(arch::time::now()).0 / NANOS;
    if call.argument(0) != 0 {
        call.user.write(call.argument(0), &seconds.to_le_bytes())?;
    }
    Ok(seconds)
}

/// `man 2 times`: clock ticks of 1/100 s.
pub fn times(call: &mut Call<'_>) -> Called {
    let clock_ticks = |time: Nanos| (time.0 / 10_000_000) as i64;
    if call.argument(0) != 0 {
        let own = call.process().usage(arch::time::now());
        let children = system().tree.lock().children_usage(call.process().pid);
        let times = Tms {
            utime: clock_ticks(own.user),
            stime: clock_ticks(own.system),
            cutime: clock_ticks(children.user),
            cstime: clock_ticks(children.system),
        };
        call.user.write(call.argument(0), &times.encode())?;
    }
    Ok(clock_ticks(system().uptime()).cast_unsigned())
}

/// `man 2 nanosleep`.
pub fn nanosleep(call: &mut Call<'_>) -> Called {
    let span = read_timespec(call, call.argument(0))?.nanos()?;
    let until = call.deadline(Some(ticks(span)));
    sleep(call, until)
}

/// `man 2 clock_nanosleep`: the error is the result, which the ABI of powerpc makes the same thing.
pub fn clock_nanosleep(call: &mut Call<'_>) -> Called {
    let clock = call.argument(0) as u32;
    if clock == CLOCK_THREAD_CPUTIME_ID {
        // Nobody uses time while asleep.
        return Err(Errno::EINVAL.into());
    }
    now(call, clock)?;
    let time = read_timespec(call, call.argument(2))?.nanos()?;
    let absolute = call.argument(1) as u32 & TIMER_ABSTIME != 0;
    if is_cpu_clock(clock) {
        let clock = CpuClock::of(call.process(), call.thread, clock)?;
        return sleep_cpu(call, clock, time, absolute);
    }
    if absolute {
        let wall = matches!(clock, CLOCK_REALTIME | CLOCK_REALTIME_COARSE);
        let clock = if wall { Clock::Wall } else { Clock::Monotonic };
        return sleep_until(call, clock, time);
    }
    let until = call.deadline(Some(ticks(time)));
    sleep(call, until)
}

/// Sleeps until a deadline.
fn sleep(call: &mut Call<'_>, until: Option<Ticks>) -> Called {
    if until.is_none_or(|until| until <= arch::time::now()) {
        return Ok(0);
    }
    call.waiter();
    call.wait_until(until)
}

fn is_cpu_clock(clock: u32) -> bool {
    clock == CLOCK_PROCESS_CPUTIME_ID || clock.cast_signed() < 0
}

/// Sleeps until a process has used some CPU time. The continuation has the point of that time, in nanoseconds.
fn sleep_cpu(call: &mut Call<'_>, clock: CpuClock, time: Nanos, absolute: bool) -> Called {
    let used = clock.now(arch::time::now())?;
    let until = match call.progress() {
        Continuation::Until(at) => Nanos(at.0),
        _ if absolute => time,
        _ => used.saturating_add(time),
    };
    if used >= until {
        return Ok(0);
    }
    let process = clock.process().ok_or(Errno::EINVAL)?;
    let alarm = AlarmClock::new(Some(until), Nanos(0));
    let which = Which::Sleep(Arc::downgrade(call.thread));
    let waiter = call.waiter().downgrade();
    process
        .cpu_timers
        .replace(&process, which, clock, alarm, Some(waiter))?;
    call.set_progress(Continuation::Until(Ticks(until.0)));
    Err(Outcome::Park(Wait::retry()))
}

/// Sleeps until a clock shows a point of time, also if it is set meanwhile.
fn sleep_until(call: &mut Call<'_>, clock: Clock, time: Nanos) -> Called {
    // Enrolled before the clock is looked at: if it is set later, the call runs again.
    if clock == Clock::Wall {
        system().wall_changed.enrol(call.waiter());
    } else {
        call.waiter();
    }
    if clock.now() >= time {
        return Ok(0);
    }
    call.wait_until(Some(clock.at(time)))
}

/// A handler interrupts a sleep: what is left of it goes where the program wants it, unless it sleeps until a point
/// of time.
pub fn sleep_interrupted(call: &Call<'_>, number: SystemCall) {
    let rest = match number {
        SystemCall::Nanosleep => call.argument(1),
        SystemCall::ClockNanosleep if call.argument(1) as u32 & TIMER_ABSTIME == 0 => {
            call.argument(3)
        }
        _ => return,
    };
    if let Continuation::Until(until) = call.progress()
        && rest != 0
    {
        let clock = call.argument(0) as u32;
        let left = if number == SystemCall::ClockNanosleep && is_cpu_clock(clock) {
            let used = now(call, clock).unwrap_or_default();
            Nanos(until.0).saturating_sub(used)
        } else {
            system()
                .timebase
                .nanos(until.saturating_sub(arch::time::now()))
        };
        // The call fails with EINTR in any case; an address that cannot be written is the program's own affair.
        call.user
            .write(rest, &Timespec::from_nanos(left).encode())
            .ok();
    }
}

/// What of CPU time an interval timer counts; `None` for the one of real time.
fn part(which: u64) -> Result<Option<Part>, Errno> {
    match which & 0xffff_ffff {
        ITIMER_REAL => Ok(None),
        ITIMER_VIRTUAL => Ok(Some(Part::User)),
        ITIMER_PROF => Ok(Some(Part::All)),
        _ => Err(Errno::EINVAL),
    }
}

/// `man 2 setitimer`.
///
/// # Errors
/// EFAULT, EINVAL, ENOMEM.
pub fn setitimer(call: &mut Call<'_>) -> Called {
    let (which, new, old) = (call.argument(0), call.argument(1), call.argument(2));
    let part = part(which)?;
    let new = match new {
        0 => Itimerval::default(),
        address => Itimerval::decode(&call.user.bytes(address)?),
    };
    let (value, interval) = (new.value.nanos()?, new.interval.nanos()?);
    if old != 0 {
        call.user.write(old, &present_timer(call, part).encode())?;
    }
    match part {
        None => arm(call, value, interval),
        Some(part) => {
            let process = call.process();
            let clock = CpuClock::of_process(process, part);
            let used = clock.now(arch::time::now())?;
            let first = (value.0 > 0).then(|| used.saturating_add(value));
            let alarm = AlarmClock::new(first, interval);
            let which = Which::Interval(part);
            process
                .cpu_timers
                .replace(process, which, clock, alarm, None)?;
        }
    }
    Ok(0)
}

/// `man 2 getitimer`.
pub fn getitimer(call: &mut Call<'_>) -> Called {
    let part = part(call.argument(0))?;
    call.user
        .write(call.argument(1), &present_timer(call, part).encode())?;
    Ok(0)
}

/// `man 2 alarm`: the seconds that were left, rounded up.
pub fn alarm(call: &mut Call<'_>) -> Called {
    let left = present_timer(call, None).value;
    arm(
        call,
        Nanos(u64::from(call.argument(0) as u32) * NANOS),
        Nanos(0),
    );
    Ok((left.sec + i64::from(left.usec > 0)).cast_unsigned())
}

fn arm(call: &Call<'_>, value: Nanos, interval: Nanos) {
    let at = (value.0 > 0).then(|| arch::time::now().saturating_add(ticks(value)));
    call.process().set_alarm(at, ticks(interval));
}

fn present_timer(call: &Call<'_>, part: Option<Part>) -> Itimerval {
    if let Some(part) = part {
        let alarm = call.process().cpu_timers.interval(part);
        let clock = CpuClock::of_process(call.process(), part);
        let left = clock.now(arch::time::now()).map(|now| alarm.remaining(now));
        return Itimerval {
            interval: Timeval::from_nanos(alarm.interval()),
            value: Timeval::from_nanos(left.unwrap_or_default()),
        };
    }
    let (at, interval) = call
        .process()
        .with(|state| (state.alarm.at, state.alarm.interval));
    let left = at.map_or(Ticks(0), |at| at.saturating_sub(arch::time::now()));
    let span = |ticks| Timeval::from_nanos(system().timebase.nanos(ticks));
    Itimerval {
        interval: span(interval),
        value: span(left),
    }
}
