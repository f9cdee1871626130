//! Runs of a call, one after the other: parking, being woken, being interrupted.
//!
//! Whoever runs calls has a [`Run`] under a lock of the rank [`Rank::Thread`](sync::Rank::Thread), and an [`Attention`] beside
//! it, which can be looked at without the lock. Invariants: a ticket is good from [`Run::begin`] to the [`Run::end`] or the
//! wake-up that comes first, so that what a waker was told it has handed over is found by `end`; who was parked and is
//! [interrupted](Run::interrupt) finds his attention called when he runs again.

use crate::{Link, Ticket};
#[cfg(not(loom))]
use core::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
use smallvec::SmallVec;

/// Something is to be looked at other than what is waited for.
#[derive(Debug)]
pub struct Attention(AtomicBool);

impl Attention {
    /// Called, or not.
    #[must_use]
    pub fn new(called: bool) -> Self {
        Self(AtomicBool::new(called))
    }

    /// Calls it. This does not bring back who is parked, or about to be: [`Run::interrupt`] does.
    pub fn call(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is called.
    #[must_use]
    pub fn is_called(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it was called since the last time.
    #[must_use]
    pub fn take(&self) -> bool {
        self.is_called() && self.0.swap(false, Ordering::Acquire)
    }
}

/// Whether somebody runs or waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Running or runnable.
    #[default]
    Ready,
    /// Waiting to be woken.
    Parked,
    /// Over.
    Dead,
}

/// What has become of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// That run is over, or woken already: nothing has happened.
    Not,
    /// It will not park.
    Beforehand,
    /// It was parked and is to be made to run.
    FromPark,
}

/// The present run, if there is one, and what has come of it.
#[derive(Default)]
pub struct Run {
    phase: Phase,
    ticket: Ticket,
    /// The run has been woken; with its result when the waker stored one.
    woken: Option<Option<i64>>,
    links: SmallVec<[Link; 1]>,
}

/// What a run that is over leaves.
#[must_use = "the links have to be withdrawn from their queues, without the lock of the run"]
pub struct Ended {
    /// The result that a waker has handed over.
    pub completion: Option<i64>,
    /// Where it is enrolled.
    pub links: SmallVec<[Link; 1]>,
}

impl Run {
    /// Whether somebody runs or waits.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The ticket of the present run.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Begins a run. Wake-ups for earlier ones are void from now on.
    pub fn begin(&mut self) -> Ticket {
        self.ticket.0 += 1;
        self.woken = None;
        self.phase = Phase::Ready;
        self.ticket
    }

    /// Ends a run: no waker finds it any more.
    pub fn end(&mut self) -> Ended {
        self.ticket.0 += 1;
        Ended {
            completion: self.woken.take().flatten(),
            links: core::mem::take(&mut self.links),
        }
    }

    /// Parks, unless the run has been woken or attention is called: false then.
    #[must_use = "who is not parked goes on"]
    pub fn park(&mut self, attention: &Attention) -> bool {
        let parks = self.woken.is_none() && !attention.is_called();
        // What was published before a call is seen.
        fence(Ordering::Acquire);
        if parks {
            self.phase = Phase::Parked;
        }
        parks
    }

    /// Wakes a run, with its result if the waker has one.
    pub fn wake(&mut self, ticket: Ticket, completion: Option<i64>) -> Woken {
        if self.ticket != ticket || self.woken.is_some() || self.phase == Phase::Dead {
            return Woken::Not;
        }
        self.woken = Some(completion);
        if self.phase != Phase::Parked {
            return Woken::Beforehand;
        }
        self.phase = Phase::Ready;
        Woken::FromPark
    }

    /// Calls attention, and ends a park: true then.
    ///
    /// Both at once. Were it called before the lock is taken, who is about to park could look at it, find nothing to do,
    /// park, and be made to run without having been told why.
    #[must_use = "who was parked has to be made to run"]
    pub fn interrupt(&mut self, attention: &Attention) -> bool {
        attention.call();
        let parked = self.phase == Phase::Parked;
        if parked {
            self.woken.get_or_insert(None);
            self.phase = Phase::Ready;
        }
        parked
    }

    /// Remembers where the run `ticket` is enrolled; gives the link back without memory for that, or such a run.
    pub fn linked(&mut self, ticket: Ticket, link: Link) -> Option<Link> {
        if self.ticket != ticket || self.links.try_reserve(1).is_err() {
            return Some(link);
        }
        self.links.push(link);
        None
    }

    /// There is no other run.
    pub fn bury(&mut self) {
        self.phase = Phase::Dead;
        self.ticket.0 += 1;
    }
}
