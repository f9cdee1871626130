//! How long this kernel keeps interrupts waiting, measured always.
//!
//! Interrupts are off from the trap of a program, or from the end of a CPU's rest, until the next program is entered or
//! the CPU rests again. Each such *stretch* is measured with the clock that the accounts read anyway, so this costs a
//! few stores. A *look* in the middle of long work (`running.rs`) takes what is pending as an interrupt would, so it
//! ends a stretch and begins another. What is not counted are the few dozen instructions between the clock's reading
//! and the interrupt's entry or return.
//!
//! The longest stretch of each CPU is kept with the work that came last in it, beside the greatest lateness of a timer
//! (the decrementer's, as seen by what waited for it). On an emulator, time that the host takes away is in both figures.
//!
//! No lock: one writer a CPU, and a reader who meets it in the middle of a new maximum sees parts of two.

pub mod device;

use abi::Ticks;
use arch::Trap;
use arch::cpu::{CpuNumber, PerCpu};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the kernel did in a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The dispatcher's own, after the CPU had rested.
    Dispatch,
    /// A system call, by its number.
    Call(u32),
    /// A page fault.
    Fault,
    /// An interrupt of the decrementer, a device or another CPU.
    Interrupt,
    /// Any other trap.
    Exception,
    /// The end of a thread.
    Exit,
    /// A job's.
    Job,
}

impl Work {
    const fn code(self) -> u64 {
        match self {
            Work::Dispatch => 1 << 32,
            Work::Fault => 2 << 32,
            Work::Interrupt => 3 << 32,
            Work::Exception => 4 << 32,
            Work::Exit => 5 << 32,
            Work::Job => 6 << 32,
            Work::Call(number) => number as u64,
        }
    }

    const fn of_code(code: u64) -> Self {
        match code >> 32 {
            0 => Work::Call(code as u32),
            2 => Work::Fault,
            3 => Work::Interrupt,
            4 => Work::Exception,
            5 => Work::Exit,
            6 => Work::Job,
            _ => Work::Dispatch,
        }
    }
}

impl From<&Trap> for Work {
    fn from(trap: &Trap) -> Self {
        match trap {
            Trap::PageFault { .. } => Work::Fault,
            Trap::Decrementer | Trap::External | Trap::Doorbell => Work::Interrupt,
            _ => Work::Exception,
        }
    }
}

/// What one CPU has seen.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    /// The longest stretch.
    pub stretch: Ticks,
    /// What came last in it.
    pub work: Work,
    /// The program's next instruction at that time; 0 for the dispatcher's work.
    pub address: u64,
    /// The greatest span from a timer's time to its effect.
    pub lateness: Ticks,
}

struct Gauge {
    /// How many may still be told something in this stretch.
    left: AtomicU64,
    since: AtomicU64,
    work: AtomicU64,
    address: AtomicU64,
    longest: AtomicU64,
    longest_work: AtomicU64,
    longest_address: AtomicU64,
    lateness: AtomicU64,
}

/// Of a crowd so many are dealt with in a stretch. To wake a thread takes about five microseconds.
const CROWD: u64 = 64;

static GAUGES: PerCpu<Gauge> = PerCpu::new([const { Gauge::new() }; arch::MAX_CPUS]);

impl Gauge {
    const fn new() -> Self {
        Self {
            left: AtomicU64::new(CROWD),
            since: AtomicU64::new(u64::MAX),
            work: AtomicU64::new(0),
            address: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            longest_work: AtomicU64::new(0),
            longest_address: AtomicU64::new(0),
            lateness: AtomicU64::new(0),
        }
    }

    #[cold]
    fn record(&self, stretch: u64) {
        self.longest.store(stretch, Relaxed);
        self.longest_work.store(self.work.load(Relaxed), Relaxed);
        self.longest_address
            .store(self.address.load(Relaxed), Relaxed);
    }
}

/// A stretch begins: interrupts went off at `now`.
pub fn begin(now: Ticks, work: Work, address: u64) {
    let gauge = GAUGES.mine();
    gauge.since.store(now.0, Relaxed);
    gauge.left.store(CROWD, Relaxed);
    working(work, address);
}

/// What this CPU works at from here on.
pub fn working(work: Work, address: u64) {
    let gauge = GAUGES.mine();
    gauge.work.store(work.code(), Relaxed);
    gauge.address.store(address, Relaxed);
}

/// The stretch ends: interrupts are taken from `now` on, or have just been looked for. Another begins at once, for
/// the case of a look.
pub fn end(now: Ticks) {
    let gauge = GAUGES.mine();
    let stretch = now.0.saturating_sub(gauge.since.load(Relaxed));
    if stretch > gauge.longest.load(Relaxed) {
        gauge.record(stretch);
    }
    gauge.since.store(now.0, Relaxed);
    gauge.left.store(CROWD, Relaxed);
}

/// Notes that one more of many has been woken, told or let go of in this stretch; answers whether there may be another one
/// before the next look.
pub fn may_go_on() -> bool {
    let gauge = GAUGES.mine();
    let left = gauge.left.load(Relaxed).saturating_sub(1);
    gauge.left.store(left, Relaxed);
    left > 0
}

/// How long the present stretch has lasted.
pub fn lasting(now: Ticks) -> Ticks {
    let since = GAUGES.mine().since.load(Relaxed);
    Ticks(now.0.saturating_sub(since))
}

/// A timer has had its effect this long after its time.
pub fn late(span: Ticks) {
    let gauge = GAUGES.mine();
    if span.0 > gauge.lateness.load(Relaxed) {
        gauge.lateness.store(span.0, Relaxed);
    }
}

/// The figures of each CPU that has seen any.
pub fn figures() -> impl Iterator<Item = (CpuNumber, Longest)> {
    (0..arch::MAX_CPUS as u16).map(CpuNumber).filter_map(|cpu| {
        let gauge = GAUGES.of(cpu);
        let longest = Longest {
            stretch: Ticks(gauge.longest.load(Relaxed)),
            work: Work::of_code(gauge.longest_work.load(Relaxed)),
            address: gauge.longest_address.load(Relaxed),
            lateness: Ticks(gauge.lateness.load(Relaxed)),
        };
        (longest.stretch.0 != 0).then_some((cpu, longest))
    })
}

/// Forgets what has been seen so far.
pub fn reset() {
    for cpu in (0..arch::MAX_CPUS as u16).map(CpuNumber) {
        let gauge = GAUGES.of(cpu);
        gauge.longest.store(0, Relaxed);
        gauge.lateness.store(0, Relaxed);
    }
}
