//! Signals of a process and its threads: pending sets, actions, masks, and what to do at the return to a
//! program (`man 7 signal`).
//!
//! Sending is one step, [`send()`], and so is delivery at the return to the program, [`deliver`]; both under the
//! lock of the process whose signals they are. A fault of the thread itself is [`force`]d.

mod action;
mod interrupted;
mod pending;
mod send;
mod stack;

pub use action::{Action, Actions, DefaultAction, Handler, default_action};
pub use interrupted::{Interrupted, Resumption, interruption};
pub use pending::Pending;
pub use send::{Recipient, Sent, send};
pub use stack::AlternateStack;

use abi::Errno;
use abi::linux::{
    ActionFlags, SI_TIMER, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SigInfo, SignalNumber, SignalSet,
};

/// Signal state of a process, shared by its threads.
#[derive(Clone, Debug)]
pub struct ProcessSignals {
    /// What happens on each signal.
    pub actions: Actions,
    /// Signals sent to the process as a whole.
    pub pending: Pending,
    /// Init of a partition: from inside, only signals with a handler reach it.
    pub protected: bool,
    /// How often it was sent a signal that makes it go on.
    resumptions: u32,
}

/// Signal state of a thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadSignals {
    /// Signals that are not delivered for now; never KILL or STOP.
    pub mask: SignalSet,
    /// The mask to come back after the handler, while `sigsuspend`, `ppoll` or `pselect` has another in place.
    pub saved_mask: Option<SignalSet>,
    /// Signals sent to this thread.
    pub pending: Pending,
    /// What it waits for in `sigtimedwait`, so that it counts as a taker of what it blocks; empty otherwise.
    pub awaiting: SignalSet,
    /// Where handlers with `SA_ONSTACK` run.
    pub stack: AlternateStack,
    /// The [`resumptions`](ProcessSignals::resumptions) of its process when it took the signal that is to stop that.
    resumptions: u32,
}

/// What a signal does at the moment when it is sent, even if it is blocked or ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Pending signals to take out of the process's set and of those of all its threads.
    pub cancels: SignalSet,
    /// Whether a stopped process goes on.
    pub resumes: bool,
}

impl Effects {
    /// None.
    pub const NONE: Self = Self {
        cancels: SignalSet::EMPTY,
        resumes: false,
    };
}

/// What a signal does when it is sent: SIGCONT cancels stops and resumes, a stop cancels SIGCONT, and
/// SIGKILL ends a stop.
#[must_use]
pub fn effects(signal: SignalNumber) -> Effects {
    let cancels = if signal == SignalNumber::SIGCONT {
        SignalSet::STOPPING
    } else if SignalSet::STOPPING.contains(signal) {
        SignalSet::of(&[SignalNumber::SIGCONT])
    } else {
        SignalSet::EMPTY
    };
    Effects {
        cancels,
        resumes: matches!(signal, SignalNumber::SIGCONT | SignalNumber::SIGKILL),
    }
}

impl ProcessSignals {
    /// All default, nothing pending.
    #[must_use]
    pub fn new(protected: bool) -> Self {
        Self {
            actions: Actions::default(),
            pending: Pending::default(),
            protected,
            resumptions: 0,
        }
    }

    /// Of a new process: actions are inherited, pending signals are not.
    #[must_use]
    pub fn forked(&self) -> Self {
        Self {
            actions: self.actions.clone(),
            pending: Pending::default(),
            protected: false,
            resumptions: 0,
        }
    }

    /// It was sent a signal that makes it go on.
    pub fn note_resumption(&mut self) {
        self.resumptions = self.resumptions.wrapping_add(1);
    }

    /// `sigaction`: replaces an action; answers the old one, and the pending signals that are void now, to be
    /// cancelled in the sets of all threads (the process's own is done).
    ///
    /// # Errors
    /// EINVAL for KILL and STOP.
    pub fn set_action(
        &mut self,
        signal: SignalNumber,
        action: Action,
    ) -> Result<(Action, SignalSet), Errno> {
        let old = self.actions.set(signal, action)?;
        let void = if self.actions.forgets(signal) {
            SignalSet::of(&[signal])
        } else {
            SignalSet::EMPTY
        };
        self.pending.cancel(void);
        Ok((old, void))
    }

    /// Whether a signal is to be forgotten instead of posted.
    ///
    /// `blocked` says whether the thread concerned (all threads, for a signal to the process) blocks or
    /// awaits it: a blocked signal is kept, since its action may change. `from_outside` says that the sender is
    /// the kernel or Global acting on a partition, against which init is not protected.
    #[must_use]
    pub fn discards(&self, signal: SignalNumber, blocked: bool, from_outside: bool) -> bool {
        let action = self.actions.get(signal);
        let shielded = self.protected && action.handler == Handler::Default;
        if SignalSet::UNBLOCKABLE.contains(signal) {
            return shielded && !from_outside;
        }
        let ignored = match action.handler {
            Handler::Ignore => true,
            Handler::Default => {
                shielded
                    || matches!(
                        default_action(signal),
                        DefaultAction::Ignore | DefaultAction::Continue
                    )
            }
            Handler::Function(_) => false,
        };
        ignored && !blocked
    }

    /// Whether a signal ends the process in the same way whichever of its threads takes it: with a core file it does not.
    #[must_use]
    pub fn is_fatal(&self, signal: SignalNumber) -> bool {
        self.actions.get(signal).handler == Handler::Default
            && default_action(signal) == DefaultAction::Terminate
    }
}

impl ThreadSignals {
    /// Of a new thread or process: the mask is inherited, pending signals are not; the alternate stack is
    /// only for a process with memory of its own (`man 2 sigaltstack`).
    #[must_use]
    pub fn forked(&self, own_memory: bool) -> Self {
        let stack = if own_memory {
            self.stack
        } else {
            AlternateStack::default()
        };
        Self {
            mask: self.mask,
            saved_mask: None,
            awaiting: SignalSet::EMPTY,
            pending: Pending::default(),
            stack,
            resumptions: 0,
        }
    }

    /// Replaces the mask; KILL and STOP stay deliverable.
    pub fn set_mask(&mut self, mask: SignalSet) -> SignalSet {
        core::mem::replace(&mut self.mask, mask.difference(SignalSet::UNBLOCKABLE))
    }

    /// `sigprocmask`: changes the mask; answers the old one.
    ///
    /// # Errors
    /// EINVAL when `how` is none of the SIG_ numbers.
    pub fn change_mask(&mut self, how: u64, set: SignalSet) -> Result<SignalSet, Errno> {
        let mask = match how {
            SIG_BLOCK => self.mask.union(set),
            SIG_UNBLOCK => self.mask.difference(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        Ok(self.set_mask(mask))
    }

    /// `sigpending`: blocked signals that are pending for the thread or its process.
    #[must_use]
    pub fn held_back(&self, process: &ProcessSignals) -> SignalSet {
        self.pending
            .set()
            .union(process.pending.set())
            .intersection(self.mask)
    }

    /// `sigtimedwait`: takes a signal of `wanted`, of the thread's own first, blocked or not.
    pub fn await_signal(
        &mut self,
        process: &mut ProcessSignals,
        wanted: SignalSet,
    ) -> Option<SigInfo> {
        let wanted = wanted.difference(SignalSet::UNBLOCKABLE);
        self.pending
            .take(wanted)
            .or_else(|| process.pending.take(wanted))
    }

    /// Puts a mask in place for one call (`sigsuspend`, `ppoll`, `pselect`); it may be done again when the
    /// call runs again.
    pub fn suspend_mask(&mut self, mask: SignalSet) {
        let before = self.set_mask(mask);
        self.saved_mask.get_or_insert(before);
    }

    /// Holds back the handlers of `wanted`, so that the call that waits for these signals gets them.
    pub fn suspend_handlers(&mut self, process: &ProcessSignals, wanted: SignalSet) {
        let handled = process.actions.handled().intersection(wanted);
        if !handled.difference(self.mask).is_empty() {
            self.suspend_mask(self.mask.union(handled));
        }
    }

    /// Puts back what [`ThreadSignals::suspend_mask`] replaced, when the call ends without a handler.
    pub fn restore_mask(&mut self) {
        if let Some(saved) = self.saved_mask.take() {
            self.mask = saved;
        }
    }

    /// Signals that would be delivered now.
    #[must_use]
    pub fn deliverable(&self, process: &ProcessSignals) -> SignalSet {
        self.pending
            .set()
            .union(process.pending.set())
            .difference(self.mask)
    }
}

/// Makes a thread take a fault: the signal cannot be blocked, ignored or kept from init.
///
/// The signal is pending afterwards; [`deliver`] finds it before others.
pub fn force(thread: &mut ThreadSignals, process: &mut ProcessSignals, info: SigInfo) {
    let signal = info.signal;
    let blocked = thread.mask.contains(signal);
    if blocked || process.actions.get(signal).handler == Handler::Ignore {
        process.actions.reset(signal);
    }
    thread.mask = thread.mask.without(signal);
    if process.actions.get(signal).handler == Handler::Default {
        process.protected = false;
    }
    thread.pending.replace(info);
}

/// What the return to a program does about signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Run a handler: build a frame from this, and go there.
    Handle {
        /// What comes with the signal.
        info: SigInfo,
        /// The action, as it was before `SA_RESETHAND`.
        action: Action,
        /// The mask to put into the frame, to come back at `sigreturn`.
        mask: SignalSet,
    },
    /// Nothing, but that the timer which has sent the signal is told that it has come (`man 2 timer_getoverrun`).
    Ignore(SigInfo),
    /// Stop the process, and report that to its parent.
    Stop(SignalNumber),
    /// End the process.
    Terminate {
        /// Why.
        signal: SignalNumber,
        /// Whether a core is due, if limits allow.
        core: bool,
    },
}

/// Takes the signals that can be delivered, up to the first that does something or is a timer's.
///
/// `orphaned` is asked whether the process group is orphaned, for stops from the keyboard. For
/// [`Delivery::Handle`] mask and action have changed as `man 2 sigaction` says. When nothing is left, a
/// suspended mask is the caller's to restore once its call has ended.
pub fn deliver(
    thread: &mut ThreadSignals,
    process: &mut ProcessSignals,
    orphaned: impl Fn() -> bool,
) -> Option<Delivery> {
    loop {
        let info = take(thread, process)?;
        let timed = (info.code == SI_TIMER).then_some(Delivery::Ignore(info));
        if let Some(delivery) = act(thread, process, info, &orphaned).or(timed) {
            return Some(delivery);
        }
    }
}

/// Takes the signal that is to be delivered next: SIGKILL, then what an instruction of the thread has caused, then the
/// thread's own.
pub fn take(thread: &mut ThreadSignals, process: &mut ProcessSignals) -> Option<SigInfo> {
    let allowed = SignalSet(!thread.mask.0);
    let kill = SignalSet::of(&[SignalNumber::SIGKILL]);
    let own = thread.pending.set();
    let has = |wanted| !own.intersection(wanted).is_empty();
    // What comes with a signal is not small: it is taken once.
    let (pending, wanted) = if has(kill) {
        (&mut thread.pending, kill)
    } else if process.pending.set().contains(SignalNumber::SIGKILL) {
        (&mut process.pending, kill)
    } else if has(allowed.intersection(SignalSet::SYNCHRONOUS)) {
        (
            &mut thread.pending,
            allowed.intersection(SignalSet::SYNCHRONOUS),
        )
    } else if has(allowed) {
        (&mut thread.pending, allowed)
    } else {
        (&mut process.pending, allowed)
    };
    pending.take(wanted)
}

/// What a signal does that has been taken; `None` when that is nothing.
pub fn act(
    thread: &mut ThreadSignals,
    process: &mut ProcessSignals,
    info: SigInfo,
    orphaned: impl Fn() -> bool,
) -> Option<Delivery> {
    let signal = info.signal;
    let action = process.actions.get(signal);
    match action.handler {
        Handler::Ignore => None,
        Handler::Function(_) => Some(handle(thread, process, info, action)),
        Handler::Default if process.protected && !SignalSet::UNBLOCKABLE.contains(signal) => None,
        Handler::Default => match default_action(signal) {
            DefaultAction::Ignore | DefaultAction::Continue => None,
            DefaultAction::Stop if signal != SignalNumber::SIGSTOP && orphaned() => None,
            // What was left pending while a tracer looked at the stop.
            DefaultAction::Stop if thread.deliverable(process).contains(SignalNumber::SIGKILL) => {
                None
            }
            DefaultAction::Stop => {
                thread.resumptions = process.resumptions;
                Some(Delivery::Stop(signal))
            }
            DefaultAction::Terminate => Some(Delivery::Terminate {
                signal,
                core: false,
            }),
            DefaultAction::Core => Some(Delivery::Terminate { signal, core: true }),
        },
    }
}

/// Whether the process was sent a signal that makes it go on after the thread had taken the one that is to stop it: there is
/// no stop then.
#[must_use]
pub fn is_overtaken(thread: &ThreadSignals, process: &ProcessSignals) -> bool {
    thread.resumptions != process.resumptions
}

fn handle(
    thread: &mut ThreadSignals,
    process: &mut ProcessSignals,
    info: SigInfo,
    action: Action,
) -> Delivery {
    let mask = thread.saved_mask.take().unwrap_or(thread.mask);
    let mut blocked = thread.mask.union(action.mask);
    if !action.flags.contains(ActionFlags::NODEFER) {
        blocked = blocked.with(info.signal);
    }
    thread.set_mask(blocked);
    if action.flags.contains(ActionFlags::RESETHAND) {
        process.actions.reset(info.signal);
    }
    Delivery::Handle { info, action, mask }
}

#[cfg(test)]
mod tests;
