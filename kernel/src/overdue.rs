//! Timers that are due and wait for their partition's turn on a CPU.
//!
//! A timer interrupts whoever runs, so a partition with thousands of them would have CPUs whenever it likes: beyond its
//! shares, and beyond its hard maximum. Therefore only so many of a partition's timers expire on the spot as one sleeper
//! needs that is never late. The others are put aside, in their order, for a [job](crate::job) of the partition, which
//! is scheduled like all else that it does; a program sees them come late when its partition is ahead of its part. A timer
//! that sets itself anew does so when it expires, so what putting aside costs is bounded by what the partition gets.
//!
//! Lock: rank `Timers`, together with no queue of timers; a timer's effect takes place after it is released.

use crate::current;
use crate::environment;
use crate::job::{Job, Step, Work};
use crate::system::system;
use crate::timers::{LEAST_PAUSE, Timeout};
use abi::{Cid, Ticks};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use sync::{Rank, SpinLock};

/// So many timers of a partition expire on the spot one after the other, and then one in [`LEAST_PAUSE`].
const EAGER: u64 = 16;

/// Timers that expire in one step of the job.
const BATCH: usize = 16;

/// The timers of one partition that are put aside.
pub struct Overdue(SpinLock<State>);

#[derive(Default)]
struct State {
    timers: VecDeque<Timeout>,
    /// From when on it is as if none had expired on the spot.
    rested: Ticks,
    /// What lets them expire, once any have been put aside.
    job: Option<Arc<Job>>,
    /// The partition goes.
    closed: bool,
}

/// What the job does.
struct Expiry(Arc<Overdue>);

/// Puts a timer aside whose time has come, or answers it: its effect is due now.
pub fn defer(payer: Cid, timeout: Timeout, now: Ticks) -> Option<Timeout> {
    // What a partition is interrupted with in its own turn takes nothing from anybody else.
    let interrupted = current::thread().map(|thread| thread.process.cid());
    if payer.is_global() || interrupted == Some(payer) {
        return Some(timeout);
    }
    match environment::find(payer) {
        Some(environment) => environment.overdue.defer(payer, timeout, now),
        None => Some(timeout),
    }
}

impl Overdue {
    /// No timers.
    pub fn new() -> Self {
        Self(SpinLock::new(Rank::Timers, State::default()))
    }

    fn defer(self: &Arc<Self>, cid: Cid, timeout: Timeout, now: Ticks) -> Option<Timeout> {
        let mut state = self.0.lock();
        let spared = state.timers.is_empty() && state.spares(now);
        if state.closed || (spared && !system().dispatch.is_at_maximum(cid, now)) {
            return Some(timeout);
        }
        if state.timers.try_reserve(1).is_err() {
            return Some(timeout);
        }
        if state.job.is_none() {
            match Job::start(cid, Expiry(self.clone())) {
                Ok(job) => state.job = Some(job),
                Err(_) => return Some(timeout),
            }
        }
        state.timers.push_back(timeout);
        if state.timers.len() == 1
            && let Some(job) = &state.job
        {
            job.wake();
        }
        None
    }

    /// The partition goes, which has no process any more: what is put aside is for nobody.
    pub fn close(&self) {
        let (job, _timers) = {
            let mut state = self.0.lock();
            state.closed = true;
            (state.job.take(), core::mem::take(&mut state.timers))
        };
        if let Some(job) = job {
            job.wake();
        }
    }
}

impl State {
    /// Whether one may expire on the spot, which then counts.
    fn spares(&mut self, now: Ticks) -> bool {
        let pause = system().timebase.ticks(LEAST_PAUSE);
        let earliest = self.rested.saturating_sub(Ticks(EAGER * pause.0));
        if now < earliest {
            return false;
        }
        self.rested = self.rested.max(now).saturating_add(pause);
        true
    }
}

impl Work for Expiry {
    fn step(&self) -> Step {
        for _ in 0..BATCH {
            let next = {
                let mut state = self.0.0.lock();
                if state.timers.is_empty() {
                    state.timers = VecDeque::new();
                    return if state.closed { Step::Done } else { Step::Wait };
                }
                state.timers.pop_front()
            };
            if let Some(timeout) = next {
                timeout.take_effect(arch::time::now());
            }
        }
        Step::Again
    }
}
