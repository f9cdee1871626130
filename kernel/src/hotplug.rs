//! CPUs that go out of use and come back while the system runs.
//!
//! A CPU leaves by itself: somebody *recalls* it, which the scheduler refuses for the last one, it puts back what it runs,
//! and at its next pick it finds that it is to go ([`depart`]). In one step under the scheduler's lock it leaves
//! the scheduler, and another CPU takes over its timers and, if it served the devices, those; from then on nothing is sent
//! to it. It translates by no program's tree and is given back to firmware. A thread that ran on it waits like
//! any other, because there is nothing of a thread on a CPU that it does not run on.
//!
//! Whoever asks for a change parks until the CPU is where it was wanted. A caller that goes away changes nothing: a CPU that
//! was sent for comes, and is then in use.
//!
//! No lock: a CPU's state is one word, and each transition has one author. *Stopped* to *Starting* and *Online* to
//! *Leaving* are made by compare-and-exchange, the others by the CPU itself.

use crate::dispatch;
use crate::others;
use crate::system::system;
use crate::timers::Timeout;
use abi::{Errno, Nanos, Ticks};
use alloc::sync::Arc;
use arch::cpu::{CpuNumber, PerCpu};
use arch::secondary::{self, NotStarted};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use sched::{CpuClock, Refusal};
use wait::{Attempt, MayWait, Stop, WaitQueue};

/// Where a CPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The machine has none of this number, or it has no stack.
    Absent,
    /// With firmware.
    Stopped,
    /// Firmware has been asked for it.
    Starting,
    /// It runs threads.
    Online,
    /// It has been recalled.
    Leaving,
}

impl State {
    /// Whether threads run there, or have not all left.
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Online | Self::Leaving)
    }

    const fn of_code(code: u8) -> Self {
        match code {
            1 => Self::Stopped,
            2 => Self::Starting,
            3 => Self::Online,
            4 => Self::Leaving,
            _ => Self::Absent,
        }
    }
}

/// How long a CPU may take to come.
pub const PATIENCE: Nanos = Nanos(1_000_000_000);

/// When to ask again for a CPU that has not got to firmware yet.
const AGAIN: Nanos = Nanos(1_000_000);

/// The CPUs of the machine.
pub struct Cpus {
    states: PerCpu<AtomicU8>,
    /// When firmware was last asked for each.
    asked: PerCpu<AtomicU64>,
    /// Those who wait for a CPU's state to change.
    changed: WaitQueue,
}

impl Cpus {
    /// No CPU.
    pub fn new() -> Self {
        Self {
            states: PerCpu::new([const { AtomicU8::new(State::Absent as u8) }; arch::MAX_CPUS]),
            asked: PerCpu::new([const { AtomicU64::new(0) }; arch::MAX_CPUS]),
            changed: WaitQueue::new(),
        }
    }

    /// Where a CPU is.
    pub fn state(&self, cpu: CpuNumber) -> State {
        State::of_code(self.states.of(cpu).load(Ordering::Acquire))
    }

    /// The CPUs that there are, with their states.
    pub fn present(&self) -> impl Iterator<Item = (CpuNumber, State)> {
        (0..arch::MAX_CPUS as u16)
            .map(|number| (CpuNumber(number), self.state(CpuNumber(number))))
            .filter(|(_, state)| *state != State::Absent)
    }

    /// A CPU is there, and can be started.
    pub fn add(&self, cpu: CpuNumber) {
        self.set(cpu, State::Stopped);
    }

    fn set(&self, cpu: CpuNumber, state: State) {
        self.states.of(cpu).store(state as u8, Ordering::Release);
        self.changed.wake_all();
    }

    fn change(&self, cpu: CpuNumber, from: State, to: State) -> bool {
        self.states
            .of(cpu)
            .compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Has firmware start a stopped CPU.
    ///
    /// # Errors
    /// As [`secondary::start`]; the CPU is stopped as before.
    pub fn begin_start(&self, cpu: CpuNumber) -> Result<(), NotStarted> {
        if !self.change(cpu, State::Stopped, State::Starting) {
            return Ok(());
        }
        self.asked
            .of(cpu)
            .store(arch::time::now().0, Ordering::Relaxed);
        // It may be online before this returns.
        secondary::start(cpu, dispatch::run).inspect_err(|_| self.set(cpu, State::Stopped))
    }

    /// This CPU runs threads from now on.
    pub fn arrived(&self, cpu: CpuNumber) {
        self.set(cpu, State::Online);
    }

    /// Puts a CPU to use or takes it out of use, and waits until it is so.
    ///
    /// # Errors
    /// ENODEV when there is none of this number, EIO when firmware does not start it, ETIMEDOUT when it was started and has
    /// not come; EBUSY when the last one in use is to go, EOPNOTSUPP when firmware takes none back.
    pub fn set_online(&self, caller: &dyn MayWait, number: usize, online: bool) -> Attempt<()> {
        if number >= arch::MAX_CPUS {
            return Err(Errno::ENODEV.into());
        }
        let cpu = CpuNumber(number as u16);
        if online {
            self.bring(caller, cpu)
        } else {
            self.dismiss(caller, cpu)
        }
    }

    fn bring(&self, caller: &dyn MayWait, cpu: CpuNumber) -> Attempt<()> {
        // Enrolled first, looked at then: whatever changes in between wakes this run.
        self.changed.enrol(caller.waiter());
        let now = arch::time::now();
        match self.state(cpu) {
            State::Online => return Ok(()),
            State::Absent => return Err(Errno::ENODEV.into()),
            State::Leaving => {}
            State::Starting => {
                let asked = Ticks(self.asked.of(cpu).load(Ordering::Relaxed));
                let deadline = asked.saturating_add(system().timebase.ticks(PATIENCE));
                if deadline <= now {
                    return Err(Errno::ETIMEDOUT.into());
                }
                wake_at(caller, deadline);
            }
            State::Stopped => match self.begin_start(cpu) {
                // To look when the CPU's time is over.
                Ok(()) => return Err(Stop::Again),
                Err(NotStarted::Running) => {
                    wake_at(caller, now.saturating_add(system().timebase.ticks(AGAIN)));
                }
                Err(why) => {
                    log::warn!("CPU {} is not used: {why}", cpu.0);
                    return Err(Errno::EIO.into());
                }
            },
        }
        Err(Stop::Park)
    }

    fn dismiss(&self, caller: &dyn MayWait, cpu: CpuNumber) -> Attempt<()> {
        if !arch::rtas::can_stop_cpus() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.changed.enrol(caller.waiter());
        match self.state(cpu) {
            State::Stopped => return Ok(()),
            State::Absent => return Err(Errno::ENODEV.into()),
            State::Starting | State::Leaving => {}
            State::Online => {
                if !self.change(cpu, State::Online, State::Leaving) {
                    return Err(Stop::Again);
                }
                if let Err(refusal) = system().dispatch.recall(cpu) {
                    self.set(cpu, State::Online);
                    return Err(match refusal {
                        Refusal::Busy => Errno::EBUSY,
                        _ => Errno::EIO,
                    }
                    .into());
                }
            }
        }
        Err(Stop::Park)
    }
}

impl Default for Cpus {
    fn default() -> Self {
        Self::new()
    }
}

fn wake_at(caller: &dyn MayWait, at: Ticks) {
    let waiter = caller.waiter().downgrade();
    system().timers.add(at, Timeout::Waiter(waiter));
}

/// This CPU, which has been recalled and runs nothing, goes out of use. Nothing that is on its stack will be dropped.
pub fn depart(cpu: CpuNumber, clock: Arc<CpuClock>) -> ! {
    let system = system();
    system.dispatch.offline(cpu, arch::time::now());
    drop(clock);
    // What has reached this CPU before its devices were given to another.
    system.serve_interrupts(None);
    system.consoles.look();
    // That may have set timers, for which the heir has not been told to look. It may have left since, too.
    for other in system.dispatch.cpus().iter() {
        others::ring(usize::from(other.0));
    }
    system.cpus.set(cpu, State::Stopped);
    secondary::stop()
}
