//! POSIX timers (`man 2 timer_create`).
//!
//! A timer has one signal under way at a time. What expires meanwhile is counted, and told with the signal when the program
//! gets it (`man 2 timer_getoverrun`); only then does the timer stand among those of a CPU with its exact time again, so
//! that a short period costs the program's time and nobody else's.
//!
//! Locks: the table of a process and each timer are of rank `Process`, and never held together, nor with another lock of
//! the process.

use crate::clocks::{self, Clock};
use crate::cpu_timers::{self, CpuClock};
use crate::process::Process;
use crate::signals::{self, Posted};
use crate::system::system;
use crate::thread::Thread;
use crate::timers::{Expire, LEAST_PAUSE, Timeout, TimerHandle};
use abi::linux::{Detail, SI_TIMER, SigInfo, SignalNumber};
use abi::{Errno, Nanos, Ticks};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fallible::This;
use process::AlarmClock;
use sync::{Rank, SpinLock};
use wait::{Link, Sleeper, Ticket, Waiter};

/// What a timer counts.
#[derive(Clone)]
pub enum TimerClock {
    /// Time.
    Time {
        /// Whether points of time are those of the wall clock.
        wall: bool,
    },
    /// CPU time.
    Cpu(CpuClock),
}

/// What happens when a timer expires.
pub enum Notice {
    /// Nothing.
    None,
    /// A signal to the process, or to one of its threads.
    Signal {
        /// Which.
        signal: SignalNumber,
        /// `sigval`; the timer's own number when the program gave none.
        value: Option<u64>,
        /// The thread.
        thread: Option<Weak<Thread>>,
    },
}

/// A timer.
pub struct PosixTimer {
    this: This<PosixTimer>,
    id: i32,
    process: Weak<Process>,
    clock: TimerClock,
    notice: Notice,
    state: SpinLock<State>,
}

struct State {
    alarm: AlarmClock,
    /// The clock of the present setting.
    reads: Clock,
    handle: Option<TimerHandle>,
    /// Whether a signal is under way.
    queued: bool,
    /// Expirations since that, and those told with the last signal.
    missed: u64,
    overrun: i32,
    deleted: bool,
    ticket: Ticket,
    link: Option<Link>,
}

/// How long a timer stands back whose signal nobody takes.
const PATIENCE: Nanos = Nanos(10_000_000);

/// The timers of a process, by number.
#[derive(Default)]
pub struct PosixTimers(Vec<Option<Arc<PosixTimer>>>);

impl PosixTimers {
    /// No timers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The timer with a number.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get(&self, id: i32) -> Result<Arc<PosixTimer>, Errno> {
        let place = usize::try_from(id).ok().and_then(|id| self.0.get(id));
        place.cloned().flatten().ok_or(Errno::EINVAL)
    }

    /// Makes a timer with the lowest free number.
    ///
    /// # Errors
    /// EAGAIN when there are `limit` of them; ENOMEM.
    pub fn create(
        &mut self,
        process: &Arc<Process>,
        clock: TimerClock,
        notice: Notice,
        limit: u64,
    ) -> Result<i32, Errno> {
        let free = self.0.iter().position(Option::is_none);
        let place = free.unwrap_or(self.0.len());
        let id = i32::try_from(place).map_err(|_| Errno::EAGAIN)?;
        if place as u64 >= limit {
            return Err(Errno::EAGAIN);
        }
        if free.is_none() {
            self.0.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.0.push(None);
        }
        let timer = PosixTimer {
            this: This::new(),
            id,
            process: Arc::downgrade(process),
            clock,
            notice,
            state: SpinLock::new(
                Rank::Process,
                State {
                    alarm: AlarmClock::default(),
                    reads: Clock::Monotonic,
                    handle: None,
                    queued: false,
                    missed: 0,
                    overrun: 0,
                    deleted: false,
                    ticket: Ticket(0),
                    link: None,
                },
            ),
        };
        let timer = fallible::arc_with_this(timer, |timer| &timer.this)?;
        if let Some(free) = self.0.get_mut(place) {
            *free = Some(timer);
        }
        Ok(id)
    }

    /// Takes a timer out.
    ///
    /// # Errors
    /// EINVAL.
    pub fn remove(&mut self, id: i32) -> Result<Arc<PosixTimer>, Errno> {
        let place = usize::try_from(id).ok().and_then(|id| self.0.get_mut(id));
        place.and_then(Option::take).ok_or(Errno::EINVAL)
    }

    /// Takes all timers out: the program is replaced or ends.
    pub fn take_all(&mut self) -> Vec<Option<Arc<PosixTimer>>> {
        core::mem::take(&mut self.0)
    }
}

/// What tells a timer that the wall clock has been set.
struct ClockChange(Weak<PosixTimer>);

impl Sleeper for ClockChange {
    /// Told by a completion that there is no memory to watch with, it watches no more.
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool {
        let Some(timer) = self.0.upgrade().filter(|_| completion.is_none()) else {
            return false;
        };
        let mut state = timer.state.lock();
        if state.ticket != ticket {
            return false;
        }
        timer.arm(&mut state, None);
        drop(state);
        timer.watch_wall_clock(ticket);
        true
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        let Some(timer) = self.0.upgrade() else {
            return Some(link);
        };
        let mut state = timer.state.lock();
        if state.ticket != ticket {
            return Some(link);
        }
        state.link = Some(link);
        None
    }
}

impl PosixTimer {
    /// What is left, and the interval.
    ///
    /// # Errors
    /// EINVAL when the thread whose time it counts has ended.
    pub fn remaining(&self) -> Result<(Nanos, Nanos), Errno> {
        let now = self.now();
        let state = self.state.lock();
        let now = now.unwrap_or_else(|| state.reads.now());
        Ok((state.alarm.remaining(now), state.alarm.interval()))
    }

    /// Expirations that were not told by the last signal, other than that.
    pub fn overrun(&self) -> i32 {
        self.state.lock().overrun
    }

    /// CPU time, when that is what it counts.
    fn now(&self) -> Option<Nanos> {
        match &self.clock {
            TimerClock::Cpu(clock) => Some(clock.now(arch::time::now()).unwrap_or_default()),
            TimerClock::Time { .. } => None,
        }
    }

    /// Sets it; answers what was left, and the interval before.
    pub fn set(&self, value: Nanos, interval: Nanos, absolute: bool) -> (Nanos, Nanos) {
        let used = self.now();
        let wall = absolute && matches!(self.clock, TimerClock::Time { wall: true });
        let (old, link, ticket) = {
            let mut state = self.state.lock();
            let before = used.unwrap_or_else(|| state.reads.now());
            let old = (state.alarm.remaining(before), state.alarm.interval());
            state.reads = if wall { Clock::Wall } else { Clock::Monotonic };
            let now = used.unwrap_or_else(|| state.reads.now());
            let start = if absolute { Nanos(0) } else { now };
            let first = (value.0 > 0).then(|| start.saturating_add(value));
            state.alarm = AlarmClock::new(first, interval);
            (state.queued, state.missed, state.overrun) = (false, 0, 0);
            state.ticket.0 += 1;
            let link = state.link.take();
            self.arm(&mut state, None);
            (old, link, state.ticket)
        };
        link.into_iter().for_each(Link::withdraw);
        if wall && value.0 > 0 {
            self.watch_wall_clock(ticket);
        }
        self.arm_cpu(Nanos(0));
        old
    }

    /// Ends it.
    pub fn delete(&self) {
        let link = {
            let mut state = self.state.lock();
            state.deleted = true;
            state.alarm = AlarmClock::default();
            state.ticket.0 += 1;
            self.arm(&mut state, None);
            state.link.take()
        };
        link.into_iter().for_each(Link::withdraw);
        self.arm_cpu(Nanos(0));
    }

    fn watch_wall_clock(&self, ticket: Ticket) {
        // It sets itself anew when the clock is set, with nobody to tell: two small objects.
        fallible::assured(|| {
            if let Ok(change) = fallible::arc(ClockChange(self.this.weak())) {
                system().wall_changed.enrol(&Waiter::new(change, ticket));
            }
        });
    }

    /// Takes its place among the timers of time for the next expiration, not before a span has gone.
    fn arm(&self, state: &mut State, patience: Option<Nanos>) {
        if let Some(handle) = state.handle.take() {
            system().timers.cancel(handle);
        }
        let (TimerClock::Time { .. }, Some(next)) = (&self.clock, state.alarm.next()) else {
            return;
        };
        if matches!(self.notice, Notice::None) {
            return;
        }
        let mut at = state.reads.at(next);
        if let Some(patience) = patience {
            let earliest = arch::time::now().saturating_add(system().timebase.ticks(patience));
            at = at.max(earliest);
        }
        let timer: Weak<dyn Expire> = self.this.weak();
        state.handle = system().timers.add(at, Timeout::Expire(timer));
    }

    /// Says when to look at it next, if it counts CPU time: not before so much of it as `earliest` says.
    fn arm_cpu(&self, earliest: Nanos) {
        let TimerClock::Cpu(clock) = &self.clock else {
            return;
        };
        let next = match self.notice {
            Notice::None => None,
            Notice::Signal { .. } => {
                let state = self.state.lock();
                let next = state.alarm.next().filter(|_| !state.queued);
                next.map(|next| next.max(earliest))
            }
        };
        let Some(process) = clock.process() else {
            return;
        };
        let which = cpu_timers::Which::Posix(self.this.weak());
        process.cpu_timers.set(&process, which, clock.clone(), next);
    }

    /// Its time has come: counts, and sends its signal unless one is under way.
    pub fn due(&self) {
        let used = self.now();
        let Some(process) = self.process.upgrade() else {
            return;
        };
        if !self.is_of(&process) {
            return;
        }
        let pending = self.is_pending(&process);
        let send = {
            let mut state = self.state.lock();
            let now = used.unwrap_or_else(|| state.reads.now());
            let count = state.alarm.take(now);
            if count == 0 {
                self.arm(&mut state, None);
                false
            } else {
                state.queued &= pending;
                state.missed = state.missed.saturating_add(count);
                !core::mem::replace(&mut state.queued, true)
            }
        };
        if send {
            let posted = self.post(&process);
            let mut state = self.state.lock();
            if posted != Posted::Queued {
                // Merged with one that is pending already, or not wanted: this expiration is over.
                (state.queued, state.missed) = (false, 0);
            } else {
                state.missed = state.missed.saturating_sub(1);
            }
        }
        let mut state = self.state.lock();
        self.arm(&mut state, Some(PATIENCE));
        drop(state);
        self.arm_cpu(Nanos(0));
    }

    /// Whether the process still has it: one of many that go with a program is deleted a little later.
    fn is_of(&self, process: &Process) -> bool {
        let present = process.posix_timers.lock().get(self.id);
        present.is_ok_and(|present| core::ptr::eq(&*present, self))
    }

    fn is_pending(&self, process: &Process) -> bool {
        let Notice::Signal { signal, thread, .. } = &self.notice else {
            return false;
        };
        let shared = process.signals.lock();
        match thread.as_ref().map(Weak::upgrade) {
            None => shared.pending.has_timer(*signal, self.id),
            Some(Some(thread)) => thread.signals.lock().pending.has_timer(*signal, self.id),
            Some(None) => false,
        }
    }

    fn post(&self, process: &Arc<Process>) -> Posted {
        let Notice::Signal {
            signal,
            value,
            thread,
        } = &self.notice
        else {
            return Posted::Nowhere;
        };
        let thread = match thread.as_ref().map(Weak::upgrade) {
            Some(None) => return Posted::Nowhere,
            Some(Some(thread)) => Some(thread),
            None => None,
        };
        let value = value.unwrap_or_else(|| i64::from(self.id).cast_unsigned());
        let detail = Detail::Timer {
            id: self.id,
            overrun: 0,
            value,
        };
        let info = SigInfo {
            signal: *signal,
            errno: 0,
            code: SI_TIMER,
            detail,
        };
        signals::post_timer(process, thread.as_ref(), info)
    }

    /// The program gets its signal: tells how often it has expired besides, and sets it for its next time, which leaves the
    /// program a pause. What expires in that is told the next time.
    fn delivered(&self, overrun: &mut i32) {
        let used = self.now();
        {
            let mut state = self.state.lock();
            if !state.queued {
                return;
            }
            let now = used.unwrap_or_else(|| state.reads.now());
            let missed = state.alarm.take(now).saturating_add(state.missed);
            state.overrun = i32::try_from(missed).unwrap_or(i32::MAX);
            *overrun = state.overrun;
            (state.queued, state.missed) = (false, 0);
            self.arm(&mut state, Some(LEAST_PAUSE));
        }
        self.arm_cpu(used.unwrap_or_default().saturating_add(LEAST_PAUSE));
    }
}

impl Expire for PosixTimer {
    fn expire(self: Arc<Self>, _now: Ticks) {
        self.due();
    }
}

/// A program gets a signal that a timer of its has sent.
pub fn delivered(process: &Process, info: &mut SigInfo) {
    if info.code != SI_TIMER {
        return;
    }
    if let Detail::Timer { id, overrun, .. } = &mut info.detail {
        let timer = process.posix_timers.lock().get(*id);
        if let Ok(timer) = timer {
            timer.delivered(overrun);
        }
    }
}

/// Ends all timers of a process: its program is replaced, or it ends.
pub fn delete_all(process: &Process) {
    let timers = process.posix_timers.lock().take_all();
    remains::for_each(timers.into_iter().flatten(), |timer| timer.delete());
}

/// The clock of a number that `timer_create` takes.
///
/// # Errors
/// EINVAL.
pub fn clock_of(
    process: &Arc<Process>,
    thread: &Arc<Thread>,
    number: u32,
) -> Result<TimerClock, Errno> {
    if let Some(wall) = clocks::is_wall(number) {
        return Ok(TimerClock::Time { wall });
    }
    CpuClock::of(process, thread, number).map(TimerClock::Cpu)
}
