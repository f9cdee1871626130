//! Clocks of CPU time, and what happens when they reach a point: `setitimer`'s other timers, POSIX timers, sleeps, limits.
//!
//! CPU time passes while threads run. A process that has such timers is *armed*, and each of its threads looks at them on
//! its way to the program and when the earliest could be due. Several threads bring that point nearer together, so a
//! thread looks again when it alone could have reached its share of it. Others pay nothing.
//!
//! Lock: the list of a process is of rank `Process`, and not held while a clock is read or an effect takes place.

use crate::posix_timers::PosixTimer;
use crate::process::Process;
use crate::signals::{self, Origin};
use crate::system::system;
use crate::thread::Thread;
use crate::timers::LEAST_PAUSE;
use abi::linux::{
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, RLIM_INFINITY, Resource, SigInfo,
    SignalNumber,
};
use abi::{Errno, Nanos, Ticks};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use process::{AlarmClock, VPid};
use sync::{Rank, SpinLock};
use wait::WeakWaiter;

/// What time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In the program and in the kernel.
    All,
    /// In the program.
    User,
}

/// Whose CPU time, and which.
#[derive(Clone)]
pub struct CpuClock {
    process: Weak<Process>,
    /// One thread; all of them for `None`.
    thread: Option<Weak<Thread>>,
    part: Part,
}

impl CpuClock {
    /// The clock of a whole process.
    pub fn of_process(process: &Arc<Process>, part: Part) -> Self {
        Self {
            process: Arc::downgrade(process),
            thread: None,
            part,
        }
    }

    /// The clock of a number (`man 3 clock_getcpuclockid`): the caller's own, or one that is made of the number of a process
    /// or thread, whether it is one of a thread, and what it counts.
    ///
    /// # Errors
    /// EINVAL.
    pub fn of(process: &Arc<Process>, thread: &Arc<Thread>, number: u32) -> Result<Self, Errno> {
        const OF_THREAD: u32 = 4;
        const KIND: u32 = 3;
        let own_thread = Self {
            process: Arc::downgrade(process),
            thread: Some(Arc::downgrade(thread)),
            part: Part::All,
        };
        match number {
            CLOCK_PROCESS_CPUTIME_ID => return Ok(Self::of_process(process, Part::All)),
            CLOCK_THREAD_CPUTIME_ID => return Ok(own_thread),
            _ => {}
        }
        if number.cast_signed() >= 0 || number & KIND == KIND {
            return Err(Errno::EINVAL);
        }
        let part = if number & KIND == 1 {
            Part::User
        } else {
            Part::All
        };
        let whose = !(number.cast_signed() >> 3).cast_unsigned();
        let of_thread = number & OF_THREAD != 0;
        if whose == 0 {
            return Ok(Self {
                thread: own_thread.thread.filter(|_| of_thread),
                part,
                ..Self::of_process(process, part)
            });
        }
        let found = {
            let tree = system().tree.lock();
            let found = tree.pids.find(&process.credential(), VPid(whose));
            found.map_err(|_| Errno::EINVAL)?.clone()
        };
        if !of_thread {
            let process = found.process().ok_or(Errno::EINVAL)?;
            return Ok(Self::of_process(&process, part));
        }
        // A clock of a thread is for its own process.
        let thread = found.thread().ok_or(Errno::EINVAL)?;
        if !Arc::ptr_eq(&thread.process, process) {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            thread: Some(Arc::downgrade(&thread)),
            part,
            ..Self::of_process(process, part)
        })
    }

    /// The process whose time it is, or whose thread's.
    pub fn process(&self) -> Option<Arc<Process>> {
        self.process.upgrade()
    }

    /// What it shows.
    ///
    /// # Errors
    /// EINVAL when the thread, or the process, is gone.
    pub fn now(&self, at: Ticks) -> Result<Nanos, Errno> {
        let Some(thread) = &self.thread else {
            let usage = self.process().ok_or(Errno::EINVAL)?.usage(at);
            return Ok(match self.part {
                Part::All => usage.user.saturating_add(usage.system),
                Part::User => usage.user,
            });
        };
        let entity = thread.upgrade().and_then(|thread| thread.entity());
        let entity = entity.ok_or(Errno::EINVAL)?;
        let used = system()
            .dispatch
            .with(|scheduler| scheduler.entity_account(entity, at));
        let used = used.map_err(|_| Errno::EINVAL)?;
        Ok(system().timebase.nanos(match self.part {
            Part::All => used.total(),
            Part::User => used.user,
        }))
    }
}

/// Whose timer it is.
#[derive(Clone)]
pub enum Which {
    /// `setitimer`, ITIMER_VIRTUAL or ITIMER_PROF.
    Interval(Part),
    /// A POSIX timer.
    Posix(Weak<PosixTimer>),
    /// A sleep of this thread.
    Sleep(Weak<Thread>),
    /// The limit of CPU time.
    Limit,
}

impl PartialEq for Which {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Interval(mine), Self::Interval(theirs)) => mine == theirs,
            (Self::Posix(mine), Self::Posix(theirs)) => mine.ptr_eq(theirs),
            (Self::Sleep(mine), Self::Sleep(theirs)) => mine.ptr_eq(theirs),
            (Self::Limit, Self::Limit) => true,
            _ => false,
        }
    }
}

struct Entry {
    which: Which,
    clock: CpuClock,
    alarm: AlarmClock,
    sleeper: Option<WeakWaiter>,
}

impl Entry {
    /// How often it has expired when `used` is used up; it does not again before [`LEAST_PAUSE`] is. Signals of an interval
    /// timer are not counted, so nobody misses those that a shorter interval would bring more.
    fn take(&mut self, used: Nanos) -> u64 {
        let times = self.alarm.take(used);
        let interval = self.alarm.interval();
        if times > 0 && (1..LEAST_PAUSE.0).contains(&interval.0) {
            self.alarm = AlarmClock::new(Some(used.saturating_add(LEAST_PAUSE)), interval);
        }
        times
    }
}

/// The timers of a process that count CPU time.
pub struct CpuTimers {
    armed: AtomicBool,
    entries: SpinLock<Vec<Entry>>,
}

impl Default for CpuTimers {
    fn default() -> Self {
        Self::new()
    }
}

impl CpuTimers {
    /// No timers.
    pub const fn new() -> Self {
        Self {
            armed: AtomicBool::new(false),
            entries: SpinLock::new(Rank::Process, Vec::new()),
        }
    }

    /// Whether there is any.
    pub fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }

    /// Puts a timer in place of another of the same kind; `None` takes it away. A timer without memory to be kept in is
    /// none, which its owner sees as one that does not expire.
    pub fn set(&self, process: &Process, which: Which, clock: CpuClock, next: Option<Nanos>) {
        let alarm = AlarmClock::new(next, Nanos(0));
        self.replace(process, which, clock, alarm, None).ok();
    }

    /// As [`CpuTimers::set`], with an interval; answers the alarm before.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn replace(
        &self,
        process: &Process,
        which: Which,
        clock: CpuClock,
        alarm: AlarmClock,
        sleeper: Option<WeakWaiter>,
    ) -> Result<AlarmClock, Errno> {
        let old = {
            let mut entries = self.entries.lock();
            let place = entries.iter().position(|entry| entry.which == which);
            let old = place.map(|place| entries.swap_remove(place));
            if alarm.next().is_some() {
                entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                entries.push(Entry {
                    which,
                    clock,
                    alarm,
                    sleeper,
                });
            }
            self.armed.store(!entries.is_empty(), Ordering::Relaxed);
            old.map_or(AlarmClock::default(), |old| old.alarm)
        };
        // Threads that run on other CPUs look at the list on their way back.
        if alarm.next().is_some() {
            process.threads.iter().for_each(|thread| thread.remind());
        }
        Ok(old)
    }

    /// What an interval timer is set to.
    pub fn interval(&self, part: Part) -> AlarmClock {
        let entries = self.entries.lock();
        let found = entries
            .iter()
            .find(|entry| entry.which == Which::Interval(part));
        found.map_or(AlarmClock::default(), |entry| entry.alarm)
    }

    /// Forgets everything: the process ends.
    pub fn clear(&self) {
        let _entries = core::mem::take(&mut *self.entries.lock());
        self.armed.store(false, Ordering::Relaxed);
    }
}

/// Lets everything happen whose CPU time has come; answers when a thread that runs from now on has to look again.
pub fn look(process: &Arc<Process>, now: Ticks) -> Option<Ticks> {
    let timers = &process.cpu_timers;
    let mut nearest: Option<Nanos> = None;
    // From the last one down, so that whoever takes the place of one that is taken out meanwhile has been looked at; one that is
    // added asks for another look.
    let mut left = timers.entries.lock().len();
    while left > 0 {
        left -= 1;
        let entry = {
            let entries = timers.entries.lock();
            let entry = entries.get(left);
            entry.map(|entry| (entry.which.clone(), entry.clock.clone()))
        };
        let Some((which, clock)) = entry else {
            continue;
        };
        let used = clock.now(now);
        let due = {
            let mut entries = timers.entries.lock();
            let Some(at) = entries.iter().position(|entry| entry.which == which) else {
                continue;
            };
            let Some(entry) = entries.get_mut(at) else {
                continue;
            };
            let expired = used.map_or(1, |used| entry.take(used)) > 0;
            match (used, entry.alarm.next()) {
                (Ok(used), Some(next)) => {
                    let left = next.saturating_sub(used);
                    nearest = Some(nearest.map_or(left, |nearest| nearest.min(left)));
                    expired.then_some(None)
                }
                _ => Some(entries.swap_remove(at).sleeper),
            }
        };
        if let Some(sleeper) = due {
            happen(process, &which, sleeper);
        }
    }
    let armed = !timers.entries.lock().is_empty();
    timers.armed.store(armed, Ordering::Relaxed);
    nearest.map(|left| now.saturating_add(share(process, left)))
}

/// How long one of the threads that may run may do so until all together can have used up `left`.
fn share(process: &Process, left: Nanos) -> Ticks {
    let threads = process.threads.count().max(1);
    let cpus = system().dispatch.cpus().0.count_ones().max(1) as usize;
    let span = Nanos(left.0 / threads.min(cpus) as u64);
    system().timebase.ticks(span.max(LEAST_PAUSE))
}

fn happen(process: &Arc<Process>, which: &Which, sleeper: Option<WeakWaiter>) {
    let signal = |signal| signals::post(process, SigInfo::kernel(signal), Origin::Inside);
    match which {
        Which::Interval(Part::User) => signal(SignalNumber::SIGVTALRM),
        Which::Interval(Part::All) => signal(SignalNumber::SIGPROF),
        Which::Posix(timer) => {
            if let Some(timer) = timer.upgrade() {
                timer.due();
            }
        }
        Which::Sleep(_) => {
            if let Some(sleeper) = sleeper {
                sleeper.wake(None);
            }
        }
        Which::Limit => limit_reached(process),
    }
}

/// The limit of CPU time (`man 2 setrlimit`, RLIMIT_CPU): SIGXCPU each second from the soft one on, SIGKILL at the hard one.
fn limit_reached(process: &Arc<Process>) {
    let usage = process.usage(arch::time::now());
    let seconds = usage.user.saturating_add(usage.system).0 / 1_000_000_000;
    let (soft, hard) = cpu_limit(process);
    if seconds >= hard {
        signals::post(
            process,
            SigInfo::kernel(SignalNumber::SIGKILL),
            Origin::Outside,
        );
    } else if seconds >= soft {
        let info = SigInfo::kernel(SignalNumber::SIGXCPU);
        signals::post(process, info, Origin::Inside);
    }
    watch_limit_from(process, Some(seconds + 1));
}

fn cpu_limit(process: &Process) -> (u64, u64) {
    let limit = process.with(|state| state.limits.get(Resource::Cpu));
    (limit.current, limit.maximum)
}

/// Watches the limit of CPU time of a process, if it has one.
pub fn watch_limit(process: &Arc<Process>) {
    watch_limit_from(process, None);
}

fn watch_limit_from(process: &Arc<Process>, from: Option<u64>) {
    let (soft, hard) = cpu_limit(process);
    let next = soft.min(hard);
    let next = (next != RLIM_INFINITY).then(|| {
        let seconds = from.unwrap_or(0).max(next).max(u64::from(next == 0));
        Nanos(seconds.saturating_mul(1_000_000_000))
    });
    let clock = CpuClock::of_process(process, Part::All);
    process.cpu_timers.set(process, Which::Limit, clock, next);
}
