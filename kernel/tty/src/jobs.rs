//! What a terminal asks about processes.

use abi::linux::{SignalNumber, SignalSet};
use abi::{Errno, Nanos, Pid};
use process::{TerminalId, VPid};
use vfs::IoContext;
use wait::Waiter;

/// The process that performs an operation on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its number.
    pub pid: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its session; it leads it when this is its own number.
    pub session: Pid,
    /// Whether its session has a controlling terminal.
    pub has_terminal: bool,
    /// Signals that it blocks or ignores.
    pub deaf_to: SignalSet,
}

/// The kernel's side of job control. No lock of the terminal is held during any of these calls.
pub trait JobControl: Send + Sync {
    /// Who performs the operation.
    fn caller(&self, cx: &IoContext<'_>) -> Caller;

    /// Whether a group is orphaned: asked only where it matters, for all its members are looked at.
    fn is_orphaned(&self, group: Pid) -> bool;

    /// Sends a signal of the kernel to every member of a group.
    fn signal(&self, group: Pid, signal: SignalNumber);

    /// A group or session as the caller's partition sees it.
    fn seen(&self, cx: &IoContext<'_>, number: Pid) -> VPid;

    /// The group that the caller means, and its session.
    ///
    /// # Errors
    /// ESRCH when there is none for the caller.
    fn group(&self, cx: &IoContext<'_>, number: VPid) -> Result<(Pid, Pid), Errno>;

    /// Gives a session a controlling terminal, or takes it away.
    fn set_terminal(&self, session: Pid, terminal: Option<TerminalId>);

    /// Time for VTIME, from any fixed start.
    fn now(&self) -> Nanos;

    /// Wakes a waiter (to run its call again) at a time, unless it is woken before.
    fn wake_at(&self, waiter: &Waiter, deadline: Nanos);
}
