//! Jobs: work for a partition that no thread does.
//!
//! A job is scheduled as a thread is: its time goes to the account of its partition, which gets no more with it than its
//! shares, its hard maximum and its resource set allow. It has no stack, no registers and no memory of its own: a state
//! machine whose steps are made one after the other on the stack of whichever CPU has picked it, until somebody else is due,
//! there is nothing to do, or all is done. The policy and the mechanism do not know the difference, and a program sees no
//! job, neither in `/proc` nor as something to signal; its time is in `wlmstat` with all else that its partition has used.
//!
//! Within its partition a job comes before the threads: what it does, they wait for.
//!
//! The dispatcher keeps a job until it is done, and makes it Global's when its partition goes before; who gives it work
//! from time to time keeps it in order to wake it. No lock here; a step begins with none held.

use crate::current;
use crate::dispatch::{Runnable, Slice};
use crate::latency::{self, Work as Worked};
use crate::system::system;
use abi::{Cid, Errno};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU16, Ordering};
use sched::{Attributes, Class, EntityId, Priority, Reason};
use spin::Once;

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a job that is not told to go on waits for ever"]
pub enum Step {
    /// Another one.
    Again,
    /// Nothing until [`Job::wake`]; one that has come since the step began counts.
    Wait,
    /// Nothing any more.
    Done,
}

/// What a job does.
pub trait Work: Send + Sync {
    /// Works for some ten microseconds at most, on the time and the memory of the job's partition.
    fn step(&self) -> Step;
}

/// A job.
pub struct Job {
    work: Box<dyn Work>,
    cid: AtomicU16,
    entity: Once<EntityId>,
}

impl Job {
    /// Begins a job of a partition.
    ///
    /// # Errors
    /// ENOMEM, EAGAIN when the scheduler has no room for it or no such partition.
    pub fn start(cid: Cid, work: impl Work + 'static) -> Result<Arc<Self>, Errno> {
        let job = fallible::arc(Self {
            work: fallible::boxed(work)?,
            cid: AtomicU16::new(cid.0),
            entity: Once::new(),
        })?;
        let first = Attributes {
            class: Class::Fifo(Priority::GREATEST),
            ..Attributes::default()
        };
        system()
            .dispatch
            .admit(Runnable::Job(job.clone()), cid, first)?;
        Ok(job)
    }

    /// Begins a job, or without memory for one does all of its work here and now.
    pub fn start_or_do<W: Work + 'static>(cid: Cid, work: impl Fn() -> W) {
        if Self::start(cid, work()).is_err() {
            let work = work();
            while work.step() == Step::Again {}
        }
    }

    /// Its partition.
    pub fn cid(&self) -> Cid {
        Cid(self.cid.load(Ordering::Relaxed))
    }

    /// What is left is done for Global: the partition goes.
    pub fn become_global(&self) {
        self.cid.store(Cid::GLOBAL.0, Ordering::Relaxed);
    }

    /// Its place in the scheduler, once it has one.
    pub fn entity(&self) -> Option<EntityId> {
        self.entity.get().copied()
    }

    /// Notes its place in the scheduler, which it keeps.
    pub fn set_entity(&self, entity: EntityId) {
        self.entity.call_once(|| entity);
    }

    /// There is something to do.
    pub fn wake(&self) {
        if let Some(entity) = self.entity() {
            system().dispatch.wake(entity);
        }
    }

    /// Works on this CPU until it leaves it.
    pub fn run(&self, mut slice: Slice) {
        loop {
            // Another CPU may have moved it meanwhile.
            current::set_partition(self.cid());
            latency::working(Worked::Job, 0);
            let reason = match self.work.step() {
                Step::Again if slice.is_over_after_look() => Reason::Preempted,
                Step::Again => continue,
                Step::Wait => Reason::Blocked,
                Step::Done => Reason::Exited,
            };
            current::set_partition(Cid::GLOBAL);
            let now = arch::time::now();
            return match (reason, self.entity()) {
                (Reason::Exited, Some(entity)) => {
                    drop(system().dispatch.bury(slice.cpu, now, entity));
                }
                _ => system().dispatch.put_back(slice.cpu, now, reason),
            };
        }
    }
}
