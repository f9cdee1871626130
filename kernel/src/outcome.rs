//! What a run of a system call came to.
//!
//! A call either completes or leaves its thread parked with its registers at the call. What it has already
//! done is in a typed [`Continuation`]; what it waits for is a typed [`Wait`]. Both are closed enums without
//! pointers, so that a parked thread can be written to a checkpoint.

use abi::{Errno, Pid, Ticks};
use fallible::NoMemory;
use ipc::Rest;
use wait::Stop;

/// What a run of a system call came to, when it is not a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It completed with a value for r3.
    Done(u64),
    /// It failed.
    Failed(Errno),
    /// The thread waits; it has enrolled wherever it must be found.
    Park(Wait),
    /// Run it again: a page was missing, or it was cut to let others run. Progress is in the continuation.
    Again,
    /// As [`Outcome::Again`], after others have had their turn.
    Yield,
    /// The registers are as the call wants them, and the memory may be another: `execve`.
    Resume,
    /// The registers are as the call wants them: `rt_sigreturn`.
    Restored,
    /// The thread is over.
    Exit,
}

/// The result of a system-call handler.
pub type Called = Result<u64, Outcome>;

/// How a parked thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When to wake the thread at the latest.
    pub until: Option<Ticks>,
    /// Who decides the result.
    pub completion: Completion,
}

/// Who decides the result of a parked call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The call, which is run again after each wake-up, the deadline's included.
    Retry,
    /// The waker, who stores it; at the deadline the call fails with this error.
    ByWaker {
        /// The error when `until` passes.
        late: Errno,
    },
}

/// What a call has already done; empty for a call that starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Continuation {
    /// Nothing.
    #[default]
    Fresh,
    /// A wait with this absolute deadline.
    Until(Ticks),
    /// Bytes already read or written; an interruption returns their number.
    Transferred(u64),
    /// Bytes already moved by a call that does not wait beyond a deadline (SO_RCVTIMEO, SO_SNDTIMEO).
    TransferredUntil(u64, Ticks),
    /// `vfork` has made this child and waits for it to give the memory back.
    Forked(Pid),
    /// The first of two steps is done: `sched_yield` has given way.
    Begun,
    /// A barrier of memory with this number has been asked of the CPUs of other threads.
    Barrier(u64),
    /// `execve` has asked the other threads to end.
    Executing,
    /// A range is dealt with up to here: of addresses, in whole pages, or of descriptors.
    Covered(u64),
    /// A range has been looked at up to here; nothing of what was asked for is done.
    Examined(u64),
    /// `mremap` has moved so many bytes.
    Moved(u64),
    /// Of many waiters so many have been woken or moved (`futex`).
    Waking {
        /// How many.
        woken: u32,
        /// What is left to do.
        rest: Rest,
    },
    /// `fork` has copied what lies below this page. The copy is the body's; without it the fork begins anew.
    Copying {
        /// The first page that the child has not got.
        next: u64,
        /// How many times the fork has begun anew.
        again: u32,
    },
}

impl Continuation {
    /// Whether handlers wait for the end of the call, because a call that has done a part can neither fail nor start
    /// anew. The end of the process does not wait.
    pub const fn holds_signals(self) -> bool {
        matches!(
            self,
            Continuation::Forked(_)
                | Continuation::Executing
                | Continuation::Covered(_)
                | Continuation::Copying { .. }
                | Continuation::Examined(_)
                | Continuation::Moved(_)
                | Continuation::Waking { .. }
        )
    }
}

impl Wait {
    /// Waits for a wake-up and runs the call again.
    pub const fn retry() -> Self {
        Self {
            until: None,
            completion: Completion::Retry,
        }
    }

    /// Waits for a wake-up or a deadline and runs the call again.
    pub const fn retry_until(until: Option<Ticks>) -> Self {
        Self {
            until,
            completion: Completion::Retry,
        }
    }

    /// Waits for a waker who has the result.
    pub const fn by_waker(until: Option<Ticks>, late: Errno) -> Self {
        Self {
            until,
            completion: Completion::ByWaker { late },
        }
    }
}

impl From<Errno> for Outcome {
    fn from(errno: Errno) -> Self {
        Outcome::Failed(errno)
    }
}

impl From<NoMemory> for Outcome {
    fn from(no_memory: NoMemory) -> Self {
        Outcome::Failed(no_memory.into())
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Error(errno) => Outcome::Failed(errno),
            Stop::Park => Outcome::Park(Wait::retry()),
            Stop::Again => Outcome::Again,
        }
    }
}

impl From<Called> for Outcome {
    fn from(called: Called) -> Self {
        match called {
            Ok(value) => Outcome::Done(value),
            Err(outcome) => outcome,
        }
    }
}
