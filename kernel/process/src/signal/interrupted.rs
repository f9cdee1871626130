//! What becomes of a system call that a signal interrupts (`man 7 signal`, "Interruption of system calls").

use super::Action;
use abi::linux::{ActionFlags, SystemCall};

/// How a parked call takes an interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Runs again after a handler with `SA_RESTART`, fails with EINTR after one without (ERESTARTSYS).
    Restarts,
    /// Fails with EINTR after any handler; runs again when there was none (ERESTARTNOHAND).
    RestartsWithoutHandler,
    /// The same, and goes on with what is left of its time (ERESTART_RESTARTBLOCK): the deadline is in the
    /// continuation, so nothing is adjusted.
    Continues,
    /// Runs again whatever happens (ERESTARTNOINTR).
    Always,
    /// Fails with EINTR even if no handler runs.
    Never,
}

/// What to do with the interrupted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Run it again, with its continuation, after the handler has returned or at once.
    Again,
    /// Let it fail with EINTR.
    Fail,
}

impl Interrupted {
    /// What to do, given the action whose handler runs, or that none does.
    #[must_use]
    pub fn resumption(self, handled: Option<&Action>) -> Resumption {
        let again = match (self, handled) {
            (Self::Never, _) => false,
            (Self::Always, _) | (_, None) => true,
            (Self::Restarts, Some(action)) => action.flags.contains(ActionFlags::RESTART),
            (Self::RestartsWithoutHandler | Self::Continues, Some(_)) => false,
        };
        if again {
            Resumption::Again
        } else {
            Resumption::Fail
        }
    }
}

/// How a call takes an interruption. A call that has already transferred bytes is not asked: it returns
/// their number.
///
/// `timed` says whether it has a timeout that makes a difference (`futex`, sockets).
#[must_use]
pub fn interruption(call: SystemCall, timed: bool) -> Interrupted {
    use SystemCall as C;
    match call {
        C::Nanosleep | C::ClockNanosleep | C::Poll | C::RestartSyscall => Interrupted::Continues,
        C::Futex | C::FutexWait | C::FutexWaitv if timed => Interrupted::Continues,
        C::Pause
        | C::RtSigsuspend
        | C::Ppoll
        | C::Select
        | C::Newselect
        | C::Pselect6
        | C::Semtimedop
        // What waits behind this number are semop, msgsnd and msgrcv.
        | C::Ipc
        | C::Msgrcv
        | C::Msgsnd => Interrupted::RestartsWithoutHandler,
        C::EpollWait
        | C::EpollPwait
        | C::EpollPwait2
        | C::RtSigtimedwait
        | C::IoGetevents
        | C::IoUringEnter
        | C::IoPgetevents => Interrupted::Never,
        // Sockets with a timeout (`man 7 signal`).
        C::Read
        | C::Readv
        | C::Write
        | C::Writev
        | C::Accept
        | C::Accept4
        | C::Connect
        | C::Recv
        | C::Recvfrom
        | C::Recvmsg
        | C::Recvmmsg
        | C::Send
        | C::Sendto
        | C::Sendmsg
        | C::Sendmmsg
        | C::Socketcall
            if timed =>
        {
            Interrupted::Never
        }
        // The parent of a vfork must not run before the child has given its memory back.
        C::Vfork | C::Clone | C::Clone3 | C::Fork => Interrupted::Always,
        _ => Interrupted::Restarts,
    }
}
