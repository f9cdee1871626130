//! What a process has been told to be by `prctl` (`man 2 prctl`).

use abi::linux::{PR_MCE_KILL_DEFAULT, SignalNumber};

/// What `prctl` sets of a process.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// The signal that it gets when its parent ends.
    pub death_signal: Option<SignalNumber>,
    /// Others of the same users may look into it.
    pub dumpable: bool,
    /// No program gives it more rights than it has.
    pub no_new_privileges: bool,
    /// By how much its timers may be late, in nanoseconds. They are not.
    pub timer_slack: u64,
    /// How readily it is ended for want of memory, from −1000 (not while there is another) to 1000.
    pub expendability: i16,
    /// When to be told of memory that has gone bad (PR_MCE_KILL). None does.
    pub bad_memory: u8,
    /// It wants no huge pages. There are none.
    pub no_huge_pages: bool,
}

impl Conduct {
    /// The slack of timers that a process begins with.
    pub const TIMER_SLACK: u64 = 50_000;

    /// Those of a new process of one that has these.
    pub(super) const fn inherited(self) -> Self {
        Self {
            death_signal: None,
            ..self
        }
    }
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            death_signal: None,
            dumpable: true,
            no_new_privileges: false,
            timer_slack: Self::TIMER_SLACK,
            expendability: 0,
            bad_memory: PR_MCE_KILL_DEFAULT as u8,
            no_huge_pages: false,
        }
    }
}
