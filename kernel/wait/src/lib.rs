//! Wait queues: how a thread that cannot go on is found again.
//!
//! A system call that has to wait enrols its [`Waiter`] in one or more [`WaitQueue`]s **under the lock that
//! guards the condition**, and returns [`Stop::Park`]. Whoever makes the condition true wakes the queue under
//! the same lock. The thread then runs its call again from the start, or, where the waker has already
//! completed it (a futex wake, a reaped child), is handed the result.
//!
//! A waiter carries a [`Ticket`], a number that is new for every run of a call, so a wake-up that comes too
//! late for the run that enrolled is recognized and refused; `wake_one` then goes on to the next waiter, and
//! no hand-off is lost. When a parked thread is resumed it withdraws from every queue it was linked to, so
//! `poll` on many queues leaves no stale links behind.
//!
//! To wake very many takes long. [`WaitQueue::wake_all`] wakes as many as may be woken at once, and the rest are woken in steps by
//! the waker's thread before it returns to its program ([`remains`]): those, and only those, who were in the queue. Nobody
//! is woken by that who had not been woken anyway, only later, and without the lock of the condition.
//!
//! Lock: each queue has its own, of rank [`Rank::WaitQueue`]; waking a thread takes [`Rank::Thread`] under it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod poll;
mod queue;
mod run;
mod stop;

pub use poll::PollEvents;
pub use queue::{Link, Manner, MayWait, Present, Sleeper, Ticket, WaitQueue, Waiter, WeakWaiter};
pub use run::{Attention, Ended, Phase, Run, Woken};
pub use stop::{Attempt, Sink, SliceSink, SliceSource, Source, Stop};

#[cfg(doc)]
use sync::Rank;
