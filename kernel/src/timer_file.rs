//! Timers that are read as files (`man 2 timerfd_create`).
//!
//! A file stands among the timers of a CPU for its next expiration only. What is counted follows from the time at which it
//! is read, so a period that is shorter than anybody can read costs nothing.

use crate::clocks::Clock;
use crate::system::system;
use crate::timers::{Expire, Timeout, TimerHandle};
use abi::{Errno, Nanos, Ticks};
use alloc::sync::{Arc, Weak};
use fallible::{NoMemory, This};
use process::AlarmClock;
use sync::{Rank, SpinLock};
use vfs::{FileOperations, IoContext, Metadata};
use wait::{Attempt, Link, PollEvents, Sink, Sleeper, Ticket, WaitQueue, Waiter};

/// A timer.
pub struct TimerFile {
    this: This<TimerFile>,
    /// Whether its points of time are those of the wall clock.
    wall: bool,
    state: SpinLock<State>,
    /// Those that wait for it to expire.
    readers: WaitQueue,
    metadata: Metadata,
}

struct State {
    alarm: AlarmClock,
    clock: Clock,
    handle: Option<TimerHandle>,
    /// Whether setting the wall clock cancels it (TFD_TIMER_CANCEL_ON_SET), and has done so since the last read.
    cancellable: bool,
    cancelled: bool,
    /// Its place among those that want to know when the wall clock is set, and which time it took that.
    link: Option<Link>,
    ticket: Ticket,
}

/// What a timer is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// When it expires first; zero for never.
    pub value: Nanos,
    /// The time between expirations; zero for one.
    pub interval: Nanos,
    /// Whether `value` is a point of time instead of a span from now.
    pub absolute: bool,
    /// Whether reading fails once the wall clock is set.
    pub cancellable: bool,
}

/// What tells a file that the wall clock has been set, without keeping it.
struct ClockChange(Weak<TimerFile>);

impl Sleeper for ClockChange {
    /// Told by a completion that there is no memory to watch with, it watches no more.
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool {
        let timer = self.0.upgrade().filter(|_| completion.is_none());
        timer.is_some_and(|timer| timer.wall_clock_set(ticket))
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        match self.0.upgrade() {
            Some(timer) => timer.linked(ticket, link),
            None => Some(link),
        }
    }
}

impl TimerFile {
    /// Bytes of the count that is read.
    const SIZE: usize = size_of::<u64>();

    /// A timer that is not set; `metadata` is what `fstat` tells.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(wall: bool, metadata: Metadata) -> Result<Arc<Self>, NoMemory> {
        let timer = Self {
            this: This::new(),
            wall,
            state: SpinLock::new(
                Rank::Stream,
                State {
                    alarm: AlarmClock::default(),
                    clock: Clock::Monotonic,
                    handle: None,
                    cancellable: false,
                    cancelled: false,
                    link: None,
                    ticket: Ticket(0),
                },
            ),
            readers: WaitQueue::new(),
            metadata,
        };
        fallible::arc_with_this(timer, |timer| &timer.this)
    }

    /// What is left, and the interval.
    pub fn remaining(&self) -> (Nanos, Nanos) {
        let state = self.state.lock();
        (
            state.alarm.remaining(state.clock.now()),
            state.alarm.interval(),
        )
    }

    /// Sets it; answers what was left, and the interval before.
    pub fn set(&self, setting: Setting) -> (Nanos, Nanos) {
        let link = {
            let mut state = self.state.lock();
            state.ticket.0 += 1;
            state.link.take()
        };
        link.into_iter().for_each(Link::withdraw);
        let wall = self.wall && setting.absolute;
        let waiter = {
            let mut state = self.state.lock();
            let old = (
                state.alarm.remaining(state.clock.now()),
                state.alarm.interval(),
            );
            state.clock = if wall { Clock::Wall } else { Clock::Monotonic };
            let start = if setting.absolute {
                Nanos(0)
            } else {
                state.clock.now()
            };
            let first = (setting.value.0 > 0).then(|| start.saturating_add(setting.value));
            state.alarm = AlarmClock::new(first, setting.interval);
            state.cancellable = wall && setting.cancellable;
            state.cancelled = false;
            self.arm(&mut state);
            (old, wall.then_some(state.ticket))
        };
        let (old, ticket) = waiter;
        if let Some(ticket) = ticket {
            self.watch_wall_clock(ticket);
        }
        // Somebody may wait for a setting that has been replaced by one that is due.
        self.readers.wake_all();
        old
    }

    fn watch_wall_clock(&self, ticket: Ticket) {
        // It sets itself anew when the clock is set, with nobody to tell: two small objects.
        fallible::assured(|| {
            if let Ok(change) = fallible::arc(ClockChange(self.this.weak())) {
                system().wall_changed.enrol(&Waiter::new(change, ticket));
            }
        });
    }

    /// Notes the link of the present watch, in place of one that has been woken; gives back one of an earlier setting.
    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        let mut state = self.state.lock();
        if state.ticket != ticket {
            return Some(link);
        }
        state.link = Some(link);
        None
    }

    fn wall_clock_set(&self, ticket: Ticket) -> bool {
        {
            let mut state = self.state.lock();
            if state.ticket != ticket {
                return false;
            }
            state.cancelled = state.cancellable;
            self.arm(&mut state);
        }
        self.watch_wall_clock(ticket);
        self.readers.wake_all();
        true
    }

    /// Takes its place among the timers for the next expiration.
    fn arm(&self, state: &mut State) {
        if let Some(handle) = state.handle.take() {
            system().timers.cancel(handle);
        }
        let Some(next) = state.alarm.next() else {
            return;
        };
        let timer: Weak<dyn Expire> = self.this.weak();
        let at = state.clock.at(next);
        state.handle = system().timers.add(at, Timeout::Expire(timer));
    }
}

impl Expire for TimerFile {
    fn expire(self: Arc<Self>, _now: Ticks) {
        let mut state = self.state.lock();
        if state.alarm.is_due(state.clock.now()) {
            self.readers.wake_all();
        } else {
            // The wall clock has been set meanwhile, or the timer has.
            self.arm(&mut state);
        }
    }
}

impl FileOperations for TimerFile {
    /// Puts how often it has expired since the last read.
    ///
    /// # Errors
    /// EINVAL for less room than the count takes; ECANCELED when the wall clock has been set.
    fn read(&self, cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        if sink.room() < Self::SIZE {
            return Err(Errno::EINVAL.into());
        }
        let mut state = self.state.lock();
        if core::mem::take(&mut state.cancelled) {
            return Err(Errno::ECANCELED.into());
        }
        let mut alarm = state.alarm;
        let count = alarm.take(state.clock.now());
        if count == 0 {
            return cx.wait(|waiter| self.readers.enrol(waiter));
        }
        sink.put(&count.to_le_bytes())?;
        state.alarm = alarm;
        self.arm(&mut state);
        Ok(Self::SIZE)
    }

    fn poll(&self, wanted: PollEvents, waiter: Option<&Waiter>) -> PollEvents {
        let state = self.state.lock();
        let mut ready = PollEvents::empty();
        if state.cancelled || state.alarm.is_due(state.clock.now()) {
            ready = PollEvents::READABLE & wanted;
        }
        ready.or_enrol(waiter, &self.readers)
    }

    fn moves_values(&self) -> bool {
        true
    }

    fn metadata(&self) -> Option<Metadata> {
        Some(self.metadata)
    }

    fn released(&self) {
        self.set(Setting {
            value: Nanos(0),
            interval: Nanos(0),
            absolute: false,
            cancellable: false,
        });
    }
}
