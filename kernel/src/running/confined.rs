//! What becomes of the call of a thread that is confined (`man 2 seccomp`).

use super::{Running, Turn};
use crate::calls;
use crate::confinement::Mode;
use crate::dispatch;
use crate::ptrace;
use crate::signals;
use crate::thread::PendingCall;
use abi::Errno;
use abi::linux::{
    AUDIT_ARCH_PPC64LE, Detail, SYS_SECCOMP, SeccompData, SigInfo, SignalNumber, SystemCall,
};
use process::ExitStatus;
use seccomp::{CallData, Verdict};

/// Instructions of filters after which devices and timers have their way: some hundred microseconds' work.
const STRETCH: usize = 4096;

impl Running<'_> {
    /// The call, when it may be made; what comes instead, when not.
    pub(super) fn admit(&mut self, pending: PendingCall) -> Result<PendingCall, Turn> {
        let admitted = PendingCall {
            admitted: true,
            ..pending
        };
        if pending.admitted || !self.thread.confinement.is_on() {
            return Ok(admitted);
        }
        let number = pending.number;
        let (verdict, logs) = match self.thread.confinement.mode() {
            Mode::Free => return Ok(admitted),
            Mode::Strict => {
                use SystemCall as S;
                return match SystemCall::from_number(number) {
                    Some(S::Read | S::Write | S::Exit | S::RtSigreturn) => Ok(admitted),
                    _ => Err(self.end_confined(SignalNumber::SIGKILL, false)),
                };
            }
            Mode::Filtered(filter) => {
                let Some(body) = &self.body else {
                    return Err(Turn::Off);
                };
                let [_, _, _, args @ .., _] =
                    *body.context.gpr.first_chunk::<10>().unwrap_or(&[0; 10]);
                let data = CallData::from(SeccompData {
                    nr: number as u32,
                    arch: AUDIT_ARCH_PPC64LE,
                    instruction_pointer: body.context.nip,
                    args,
                });
                let mut since = 0;
                filter.judge(&data, |count| {
                    since += count;
                    if since >= STRETCH {
                        since = 0;
                        dispatch::look();
                    }
                })
            }
        };
        let noted = match verdict {
            Verdict::Allow => false,
            Verdict::Log | Verdict::KillThread | Verdict::KillProcess => true,
            _ => logs,
        };
        if noted {
            let fate = match verdict {
                Verdict::Log => "is noted by a filter",
                _ => "is refused by a filter",
            };
            calls::note_once(&self.thread.process, number, fate);
        }
        let turn = match verdict {
            Verdict::Allow | Verdict::Log => return Ok(admitted),
            // It is made as the tracer has left it, though that may have let go of the thread since.
            Verdict::Trace(_) if pending.asked => return Ok(admitted),
            Verdict::Trace(data) if ptrace::asks(&self.thread, u64::from(data)) => {
                self.set_call(Some(PendingCall {
                    asked: true,
                    ..pending
                }));
                self.halt_at_filter()
            }
            Verdict::Trace(_) => self.refuse(),
            // Nobody listens.
            Verdict::Notify => self.refuse(),
            Verdict::Fail(0) => {
                self.complete(Ok(0));
                Turn::On
            }
            Verdict::Fail(number) => {
                self.fail_with(number);
                Turn::On
            }
            Verdict::Trap(data) => self.trap_call(number, data),
            Verdict::KillThread => self.end_confined(SignalNumber::SIGSYS, true),
            Verdict::KillProcess => {
                self.set_call(None);
                self.end_by(SignalNumber::SIGSYS, true);
                Turn::On
            }
        };
        Err(turn)
    }

    /// There is no such call.
    fn refuse(&mut self) -> Turn {
        self.complete(Err(Errno::ENOSYS));
        Turn::On
    }

    /// Gives the call an error that may be none of ours.
    fn fail_with(&mut self, error: u16) {
        if let Some(body) = &mut self.body {
            body.call = None;
            body.context.fail_with(error);
        }
        self.call_is_over();
    }

    /// SIGSYS in place of the call, whose registers are as they were.
    fn trap_call(&mut self, number: u64, data: u16) -> Turn {
        self.set_call(None);
        self.call_is_over();
        let Some(body) = &self.body else {
            return Turn::Off;
        };
        let info = SigInfo {
            signal: SignalNumber::SIGSYS,
            errno: i32::from(data),
            code: SYS_SECCOMP,
            detail: Detail::Call {
                address: body.context.nip,
                number: number as u32,
                arch: AUDIT_ARCH_PPC64LE,
            },
        };
        signals::fault(&self.thread, info);
        Turn::On
    }

    /// The thread ends, with the last one its process.
    fn end_confined(&mut self, signal: SignalNumber, core: bool) -> Turn {
        self.set_call(None);
        let process = self.thread.process.clone();
        if process.threads.count() > 1 {
            return self.exit();
        }
        if core {
            self.end_by(signal, core);
        } else {
            process.end(ExitStatus::Killed { signal, core });
        }
        Turn::On
    }
}
