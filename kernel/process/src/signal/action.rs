//! What happens on a signal (`man 2 sigaction`).

use abi::Errno;
use abi::linux::{ActionFlags, KernelSigaction, SIG_DFL, SIG_IGN, SignalNumber, SignalSet};

/// Who deals with a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handler {
    /// The kernel, by [`default_action`].
    #[default]
    Default,
    /// Nobody.
    Ignore,
    /// The program's function at an address (ELFv2: its global entry point).
    Function(u64),
}

/// What a program wants to happen on a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Who deals with it.
    pub handler: Handler,
    /// SA_ flags.
    pub flags: ActionFlags,
    /// Where the program wants handlers to return to; kept for it, of no use on powerpc.
    pub restorer: u64,
    /// What else is blocked while the handler runs.
    pub mask: SignalSet,
}

impl From<KernelSigaction> for Action {
    fn from(raw: KernelSigaction) -> Self {
        let handler = match raw.handler {
            SIG_DFL => Handler::Default,
            SIG_IGN => Handler::Ignore,
            address => Handler::Function(address),
        };
        Self {
            handler,
            flags: ActionFlags::from_bits_retain(raw.flags).difference(ActionFlags::UNSUPPORTED),
            restorer: raw.restorer,
            mask: SignalSet(raw.mask).difference(SignalSet::UNBLOCKABLE),
        }
    }
}

impl From<Action> for KernelSigaction {
    fn from(action: Action) -> Self {
        let handler = match action.handler {
            Handler::Default => SIG_DFL,
            Handler::Ignore => SIG_IGN,
            Handler::Function(address) => address,
        };
        Self {
            handler,
            flags: action.flags.bits(),
            restorer: action.restorer,
            mask: action.mask.0,
        }
    }
}

/// What the kernel does when a program has not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// End the process.
    Terminate,
    /// End the process with a core dump.
    Core,
    /// Stop the process.
    Stop,
    /// Make the process go on; that has happened when the signal was sent.
    Continue,
    /// Nothing.
    Ignore,
}

/// The default action of a signal (`man 7 signal`, "Standard signals").
#[must_use]
pub fn default_action(signal: SignalNumber) -> DefaultAction {
    match signal {
        SignalNumber::SIGCONT => DefaultAction::Continue,
        SignalNumber::SIGCHLD | SignalNumber::SIGURG | SignalNumber::SIGWINCH => {
            DefaultAction::Ignore
        }
        SignalNumber::SIGSTOP
        | SignalNumber::SIGTSTP
        | SignalNumber::SIGTTIN
        | SignalNumber::SIGTTOU => DefaultAction::Stop,
        SignalNumber::SIGQUIT
        | SignalNumber::SIGILL
        | SignalNumber::SIGTRAP
        | SignalNumber::SIGABRT
        | SignalNumber::SIGBUS
        | SignalNumber::SIGFPE
        | SignalNumber::SIGSEGV
        | SignalNumber::SIGXCPU
        | SignalNumber::SIGXFSZ
        | SignalNumber::SIGSYS => DefaultAction::Core,
        _ => DefaultAction::Terminate,
    }
}

/// The actions of all 64 signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions {
    table: [Action; 64],
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            table: [Action::default(); 64],
        }
    }
}

impl Actions {
    /// The action of a signal.
    #[must_use]
    pub fn get(&self, signal: SignalNumber) -> Action {
        self.table.get(signal.index()).copied().unwrap_or_default()
    }

    /// Whether the program has a function for a signal.
    #[must_use]
    pub fn has_handler(&self, signal: SignalNumber) -> bool {
        let action = self.table.get(signal.index());
        action.is_some_and(|action| matches!(action.handler, Handler::Function(_)))
    }

    /// The signals that the program has functions for.
    #[must_use]
    pub fn handled(&self) -> SignalSet {
        let mut handled = SignalSet::EMPTY;
        for number in 1..=self.table.len() as u64 {
            if let Ok(signal) = SignalNumber::new(number)
                && self.has_handler(signal)
            {
                handled = handled.with(signal);
            }
        }
        handled
    }

    /// Replaces an action; answers the old one.
    ///
    /// When [`Actions::forgets`] the signal afterwards, the caller takes it out of the pending sets.
    ///
    /// # Errors
    /// EINVAL for KILL and STOP.
    pub fn set(&mut self, signal: SignalNumber, action: Action) -> Result<Action, Errno> {
        if SignalSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL);
        }
        let place = self.table.get_mut(signal.index()).ok_or(Errno::EINVAL)?;
        Ok(core::mem::replace(place, action))
    }

    /// Whether pending instances of a signal are void under its present action.
    #[must_use]
    pub fn forgets(&self, signal: SignalNumber) -> bool {
        match self.get(signal).handler {
            Handler::Ignore => true,
            Handler::Default => {
                matches!(
                    default_action(signal),
                    DefaultAction::Ignore | DefaultAction::Continue
                )
            }
            Handler::Function(_) => false,
        }
    }

    /// Whether a process with these actions leaves ended children no zombie (`man 2 wait`, notes).
    #[must_use]
    pub fn reaps_children_itself(&self) -> bool {
        let action = self.get(SignalNumber::SIGCHLD);
        action.handler == Handler::Ignore || action.flags.contains(ActionFlags::NOCLDWAIT)
    }

    /// Back to the default action.
    pub fn reset(&mut self, signal: SignalNumber) {
        if let Some(place) = self.table.get_mut(signal.index()) {
            *place = Action::default();
        }
    }

    /// For execve and `CLONE_CLEAR_SIGHAND`: handlers are gone with the program, ignored signals stay ignored.
    pub fn forget_handlers(&mut self) {
        for action in &mut self.table {
            let handler = match action.handler {
                Handler::Ignore => Handler::Ignore,
                _ => Handler::Default,
            };
            *action = Action {
                handler,
                ..Action::default()
            };
        }
    }
}
