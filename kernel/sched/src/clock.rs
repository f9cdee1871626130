//! The clock of one CPU: in which mode has its time been spent?
//!
//! A [`CpuClock`] adds up, since its CPU came online, the ticks in user mode, in the kernel and idle. It
//! does not know whose time it is; the scheduler does, and reads the sums off at every change of owner. So
//! a trap costs a few additions and no lock.
//!
//! Only its own CPU moves a clock, with interrupts off. Any CPU may read one: the sums are published under
//! a sequence number, and a reader that meets a change in progress reads again.

use crate::Account;
use abi::Ticks;
#[cfg(not(loom))]
use core::hint::spin_loop;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
use loom::hint::spin_loop;
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};

const IDLE: u64 = 0;
const USER: u64 = 1;
const SYSTEM: u64 = 2;

/// One CPU's clock.
#[derive(Debug)]
pub struct CpuClock {
    sequence: AtomicU64,
    mark: AtomicU64,
    mode: AtomicU64,
    sums: [AtomicU64; 3],
}

/// What a clock showed at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The instant: the one asked for, or the clock's last boundary when that is later.
    pub at: u64,
    pub idle: u64,
    pub user: u64,
    pub system: u64,
}

impl Reading {
    /// All modes together.
    pub fn total(self) -> u64 {
        self.idle.wrapping_add(self.user).wrapping_add(self.system)
    }

    pub fn account(self) -> Account {
        Account {
            user: Ticks(self.user),
            system: Ticks(self.system),
        }
    }

    pub fn advance(&mut self, by: Reading) {
        self.at = by.at;
        self.idle += by.idle;
        self.user += by.user;
        self.system += by.system;
    }
}

impl CpuClock {
    /// A clock that starts at `now`, in the kernel.
    pub(crate) fn new(now: Ticks) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            mark: AtomicU64::new(now.0),
            mode: AtomicU64::new(SYSTEM),
            sums: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// From `now` on the CPU is in the kernel. To be called at every trap, by the clock's own CPU with
    /// interrupts off; takes no lock.
    pub fn enter_kernel(&self, now: Ticks) {
        self.enter(now.0, SYSTEM);
    }

    /// From `now` on the CPU is in user mode. To be called at every return to a program, as above.
    pub fn enter_user(&self, now: Ticks) {
        self.enter(now.0, USER);
    }

    /// From `now` on the CPU is idle. `Scheduler::pick` does this itself when it answers nothing; the kernel
    /// calls it when it goes back to idling after an interrupt that changed nothing.
    pub fn enter_idle(&self, now: Ticks) {
        self.enter(now.0, IDLE);
    }

    fn enter(&self, now: u64, mode: u64) {
        let mark = self.mark.load(Ordering::Relaxed);
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        if let Some(sum) = self.sums.get(self.mode.load(Ordering::Relaxed) as usize) {
            let sum_so_far = sum.load(Ordering::Relaxed);
            sum.store(
                sum_so_far.wrapping_add(now.saturating_sub(mark)),
                Ordering::Relaxed,
            );
        }
        self.mark.store(mark.max(now), Ordering::Relaxed);
        self.mode.store(mode, Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// What the CPU has spent in programs and in the kernel, and idle, since it came online.
    #[must_use]
    pub fn spent(&self, now: Ticks) -> (Account, Ticks) {
        let reading = self.read(now);
        (reading.account(), Ticks(reading.idle))
    }

    /// What the clock shows at `now`, the time since the last boundary included.
    pub(crate) fn read(&self, now: Ticks) -> Reading {
        loop {
            // Not a load with acquire ordering: those are followed by `isync`, which is dear on an emulator.
            let sequence = self.sequence.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            let mark = self.mark.load(Ordering::Relaxed);
            let mode = self.mode.load(Ordering::Relaxed);
            let mut sums = [0; 3];
            for (sum, shown) in self.sums.iter().zip(&mut sums) {
                *shown = sum.load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
            if sequence & 1 == 1 || self.sequence.load(Ordering::Relaxed) != sequence {
                spin_loop();
                continue;
            }
            if let Some(sum) = sums.get_mut(mode as usize) {
                *sum = sum.wrapping_add(now.0.saturating_sub(mark));
            }
            let [idle, user, system] = sums;
            return Reading {
                at: mark.max(now.0),
                idle,
                user,
                system,
            };
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    extern crate std;
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// SCHED0005: whatever of a boundary another CPU sees first, the sums that it reads belong together.
    #[test]
    fn sched0005_no_reading_is_torn() {
        loom::model(|| {
            let clock = Arc::new(CpuClock::new(Ticks(100)));
            let reader = {
                let clock = clock.clone();
                thread::spawn(move || clock.read(Ticks(105)))
            };
            clock.enter_user(Ticks(110));
            let reading = reader.join().expect("the reader");
            assert_eq!(reading.total(), reading.at - 100);
            assert!(reading.at == 105 || reading.at == 110);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use std::thread;

    /// SCHED0003: a clock read while its CPU crosses boundaries shows sums that belong together.
    #[test]
    fn sched0003_readings_are_consistent() {
        let clock = CpuClock::new(Ticks(1_000));
        thread::scope(|scope| {
            scope.spawn(|| {
                for now in (1_000..60_000).step_by(6) {
                    clock.enter_user(Ticks(now));
                    clock.enter_kernel(Ticks(now + 2));
                    clock.enter_idle(Ticks(now + 4));
                }
            });
            for now in 1_000..40_000 {
                let reading = clock.read(Ticks(now));
                assert_eq!(reading.total(), reading.at - 1_000);
                assert!(reading.at >= now);
            }
        });
    }
}
