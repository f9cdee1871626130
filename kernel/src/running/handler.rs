//! How a thread enters a handler: what becomes of its call, and the frame on its stack.

use super::Running;
use crate::calls::{self, Call};
use crate::outcome::Continuation;
use crate::signal_frame;
use crate::signals;
use crate::user::User;
use abi::Errno;
use abi::linux::{SigInfo, SignalNumber, SignalSet, SystemCall};
use process::ExitStatus;
use process::signal::{Action, Interrupted, Resumption, interruption};

impl Running<'_> {
    /// A handler is about to run: the call that the thread is in fails or is set up to start again.
    pub(super) fn interrupt_call(&mut self, action: &Action) {
        let Some(call) = self.body.as_ref().and_then(|body| body.call) else {
            return;
        };
        if let Continuation::Transferred(count) | Continuation::TransferredUntil(count, _) =
            call.progress
            && count > 0
        {
            return self.complete(Ok(count));
        }
        let timed = matches!(
            call.progress,
            Continuation::Until(_) | Continuation::TransferredUntil(..)
        );
        let number = SystemCall::from_number(call.number).unwrap_or(SystemCall::RestartSyscall);
        let lock = number == SystemCall::Futex
            && self.body.as_ref().is_some_and(|body| {
                calls::futex::takes_lock(body.context.gpr.get(4).copied().unwrap_or(0))
            });
        let interrupted = if lock {
            Interrupted::Always
        } else {
            interruption(number, timed)
        };
        match interrupted.resumption(Some(action)) {
            Resumption::Fail => {
                if let Some(body) = &mut self.body {
                    let call = Call::new(&self.thread, body, self.space.clone(), call);
                    calls::clock::sleep_interrupted(&call, number);
                }
                self.complete(Err(Errno::EINTR));
            }
            Resumption::Again => {
                if let Some(body) = &mut self.body {
                    body.call = None;
                    body.context.repeat_call();
                }
            }
        }
    }

    /// Leaves a restartable sequence that was disturbed; false when the program is not to be entered yet.
    #[cold]
    pub(super) fn renew_sequence(&mut self) -> bool {
        let (Some(body), Some(space)) = (&mut self.body, &self.space) else {
            return false;
        };
        let user = User::new(Some(space.clone()));
        let cpu = self.slice.cpu as u32;
        let renewed = self.thread.rseq.renew(&mut body.context, &user, cpu, false);
        match renewed {
            Ok(()) => return true,
            Err(Errno::ENOMEM) => self.out_of_memory(),
            Err(_) => {
                signals::fault(&self.thread, SigInfo::kernel(SignalNumber::SIGSEGV));
            }
        }
        false
    }

    /// Makes the program run a handler.
    pub(super) fn enter_handler(&mut self, info: &SigInfo, action: &Action, mask: SignalSet) {
        let (Some(body), Some(space)) = (&mut self.body, &self.space) else {
            return;
        };
        let user = User::new(Some(space.clone()));
        let begun = self
            .thread
            .rseq
            .renew(&mut body.context, &user, self.slice.cpu as u32, true);
        let entered = begun.and_then(|()| {
            signal_frame::push(&self.thread, &mut body.context, &user, info, action, mask)
        });
        if entered.is_err() {
            // No room for the frame: as Linux does, the program gets SIGSEGV, without a handler if it is that.
            if info.signal == SignalNumber::SIGSEGV {
                self.thread.process.end(ExitStatus::Killed {
                    signal: SignalNumber::SIGSEGV,
                    core: false,
                });
            } else {
                signals::fault(&self.thread, SigInfo::kernel(SignalNumber::SIGSEGV));
            }
        }
    }
}
