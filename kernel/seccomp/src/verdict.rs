//! What a filter says of a call.

use abi::linux::{
    SECCOMP_RET_ACTION, SECCOMP_RET_ALLOW, SECCOMP_RET_DATA, SECCOMP_RET_ERRNO,
    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_LOG, SECCOMP_RET_TRACE,
    SECCOMP_RET_TRAP, SECCOMP_RET_USER_NOTIF,
};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Allow,
    /// It is made, and noted.
    Log,
    /// A tracer decides, who is told this number; without one it is not there (ENOSYS).
    Trace(u16),
    /// A program that listens decides; without one it is not there (ENOSYS).
    Notify,
    /// It fails with this error, at most 4095; 0 is a success.
    Fail(u16),
    /// The thread gets SIGSYS with this number.
    Trap(u16),
    /// The thread ends.
    KillThread,
    /// The process ends.
    KillProcess,
}

/// The greatest error number that a program can be given.
const MAX_ERRNO: u16 = 4095;

impl Verdict {
    /// What the value that a program returns means; an unknown one ends the process.
    #[must_use]
    pub fn of(value: u32) -> Self {
        let data = (value & SECCOMP_RET_DATA) as u16;
        match value & SECCOMP_RET_ACTION {
            SECCOMP_RET_ALLOW => Verdict::Allow,
            SECCOMP_RET_LOG => Verdict::Log,
            SECCOMP_RET_TRACE => Verdict::Trace(data),
            SECCOMP_RET_USER_NOTIF => Verdict::Notify,
            SECCOMP_RET_ERRNO => Verdict::Fail(data.min(MAX_ERRNO)),
            SECCOMP_RET_TRAP => Verdict::Trap(data),
            SECCOMP_RET_KILL_THREAD => Verdict::KillThread,
            SECCOMP_RET_KILL_PROCESS | 0x0001..=u32::MAX => Verdict::KillProcess,
        }
    }

    /// The place of a returned value among the others, the strictest first.
    pub(crate) fn rank(value: u32) -> i32 {
        (value & SECCOMP_RET_ACTION).cast_signed()
    }
}
