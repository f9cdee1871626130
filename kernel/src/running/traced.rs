//! The halts of a traced thread, as the thread itself comes to them.

use super::{Running, Turn};
use crate::outcome::Continuation;
use crate::ptrace::{self, Halt, Mode, Next};
use crate::signals;
use crate::thread::PendingCall;
use abi::Errno;
use abi::linux::{SigInfo, SignalNumber, SystemCall, TraceEvent};
use process::Report;

/// No system call has a greater number: a tracer gives one to prevent a call.
const HIGHEST: u64 = 0xffff;

/// What became of a look at what tracing asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a thread that has left must not be touched"]
pub(super) enum Traced {
    /// Nothing, or it is done.
    Free,
    /// Everything is to be looked at anew.
    Anew,
    /// The turn is over in this way.
    Over(Turn),
}

impl Running<'_> {
    /// Looks at what tracing asks for.
    #[cold]
    pub(super) fn attend_tracer(&mut self) -> Traced {
        match ptrace::next(&self.thread) {
            Next::Free => Traced::Free,
            Next::Stay | Next::Halt(_) if signals::is_killed(&self.thread) => {
                ptrace::tear_away(&self.thread);
                Traced::Free
            }
            Next::Stay => self.park_aside(),
            Next::Halt(Halt::Trap | Halt::Group(_)) if self.holds_signals() => Traced::Free,
            Next::Halt(Halt::Trap | Halt::Group(_)) if self.tells_interruption() => {
                self.halt(Halt::Exit)
            }
            Next::Halt(halt) => self.halt(halt),
            Next::Leave(halt, signal) => self.leave_halt(halt, signal),
        }
    }

    /// The next signal of a traced thread, whose tracer has it first.
    #[cold]
    pub(super) fn attend_traced_signal(&mut self) -> Traced {
        if !signals::has_deliverable(&self.thread) {
            return Traced::Free;
        }
        if !signals::is_killed(&self.thread) && self.tells_interruption() {
            return self.halt(Halt::Exit);
        }
        match signals::take(&self.thread) {
            None => Traced::Free,
            Some(info) if info.signal == SignalNumber::SIGKILL => {
                self.act_on(info);
                Traced::Anew
            }
            Some(info) => self.halt_or(Halt::Signal(info), |running| running.act_on(info)),
        }
    }

    /// Whether the call that the thread is in has to be told as ended before a signal or a stop is told.
    fn tells_interruption(&self) -> bool {
        let call = self.body.as_ref().and_then(|body| body.call);
        call.is_some() && ptrace::is_inside(&self.thread)
    }

    /// Halts at the start of the call that the thread is about to make.
    #[cold]
    pub(super) fn halt_at_call(&mut self) -> Turn {
        self.halt_before_call(Halt::Entry)
    }

    /// Halts before a call that a filter leaves to the tracer.
    #[cold]
    pub(super) fn halt_at_filter(&mut self) -> Turn {
        self.halt_before_call(Halt::Event(TraceEvent::Seccomp))
    }

    fn halt_before_call(&mut self, halt: Halt) -> Turn {
        match self.halt(halt) {
            Traced::Over(turn) => turn,
            Traced::Free | Traced::Anew => {
                self.thread.call_attention();
                Turn::On
            }
        }
    }

    /// Halts at the end of the thread, if its tracer wants to be told: what became of the turn when it does.
    #[cold]
    pub(super) fn halt_at_end(&mut self) -> Option<Turn> {
        let thread = self.thread.clone();
        let killed = signals::is_killed(&thread) || thread.process.with(|state| state.killed);
        if killed {
            ptrace::tear_away(&thread);
            return None;
        }
        match ptrace::next(&thread) {
            Next::Stay if ptrace::is_at_end(&thread) => {
                return match self.park_aside() {
                    Traced::Over(turn) => Some(turn),
                    Traced::Free | Traced::Anew => {
                        thread.call_attention();
                        Some(Turn::On)
                    }
                };
            }
            Next::Leave(Halt::Event(TraceEvent::Exit), _) => return None,
            _ => ptrace::tear_away(&thread),
        }
        if !ptrace::tells_its_end(&thread) {
            return None;
        }
        let status = ptrace::end_of(&thread, thread.process.with(|state| state.end));
        let message = Report::Ended(status).wait_status();
        ptrace::set_message(&thread, u64::from(message.cast_unsigned()));
        match self.halt(Halt::Event(TraceEvent::Exit)) {
            Traced::Over(turn) => Some(turn),
            Traced::Free => None,
            Traced::Anew => {
                thread.call_attention();
                Some(Turn::On)
            }
        }
    }

    fn halt(&mut self, halt: Halt) -> Traced {
        self.halt_or(halt, |_| ())
    }

    /// Halts: registers first, then the word to the tracer, then off the CPU. Without a tracer it does `otherwise`.
    fn halt_or(&mut self, halt: Halt, otherwise: impl FnOnce(&mut Self)) -> Traced {
        let thread = self.thread.clone();
        let first = self.body.as_ref().map_or(0, |body| body.context.gpr[3]);
        self.put_body_back();
        if !ptrace::halted(&thread, halt, first) {
            self.body = thread.take_body();
            otherwise(self);
            return Traced::Anew;
        }
        self.park_aside()
    }

    /// Goes on after a halt.
    fn leave_halt(&mut self, halt: Halt, signal: Option<SigInfo>) -> Traced {
        let step = ptrace::mode(&self.thread) == Mode::Step;
        if let Some(body) = &mut self.body {
            body.context.set_single_step(step);
        }
        self.restart_call();
        match halt {
            Halt::Entry | Halt::Event(TraceEvent::Seccomp) => {
                self.queue(signal);
                self.begin_call()
            }
            Halt::Exit => {
                self.queue(signal);
                Traced::Anew
            }
            Halt::Signal(_) => {
                if let Some(info) = signal {
                    self.deliver_injected(info);
                }
                Traced::Anew
            }
            Halt::Event(TraceEvent::Exit) => Traced::Over(self.exit()),
            Halt::Event(_) | Halt::Group(_) | Halt::Trap => Traced::Anew,
        }
    }

    /// A signal that the tracer gives where none was about to be delivered is one that it sends.
    fn queue(&self, signal: Option<SigInfo>) {
        if let Some(info) = signal {
            let process = &self.thread.process;
            signals::send(process, Some(&self.thread), info, signals::Origin::Inside).ok();
        }
    }

    fn deliver_injected(&mut self, info: SigInfo) {
        let blocked = {
            let mut own = self.thread.signals.lock();
            let blocked = own.mask.contains(info.signal);
            if blocked {
                own.pending.replace(info);
            }
            blocked
        };
        if !blocked {
            self.act_on(info);
        }
    }

    /// Begins the call whose start has been told, as the tracer has left it.
    fn begin_call(&mut self) -> Traced {
        let Some(body) = &mut self.body else {
            return Traced::Over(Turn::Off);
        };
        let (number, _) = body.context.call();
        let progress = match body.call {
            Some(call) if call.number == number => call.progress,
            _ => Continuation::Fresh,
        };
        body.call = Some(PendingCall {
            number,
            admitted: false,
            asked: body.call.is_some_and(|call| call.asked),
            progress,
            wait: None,
        });
        if number > HIGHEST && SystemCall::from_number(number).is_none() {
            // The tracer does not want the call to be made.
            self.complete(Err(Errno::ENOSYS));
            return Traced::Anew;
        }
        // Signals are looked at once the call has begun, as if it had not been told.
        self.thread.call_attention();
        let call = self.body.as_ref().and_then(|body| body.call);
        Traced::Over(match call {
            Some(call) => self.call(call),
            None => Turn::On,
        })
    }

    /// Makes a call again whose interrupted state the tracer has put back.
    fn restart_call(&mut self) {
        let restart = self
            .thread
            .tracing
            .lock()
            .as_mut()
            .and_then(|own| own.restart.take());
        if let (Some(argument), Some(body)) = (restart, &mut self.body) {
            body.context.succeed(argument);
            body.context.repeat_call();
        }
    }
}
