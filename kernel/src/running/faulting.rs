//! What becomes of a program that traps without having asked for something.

use super::{Running, Turn};
use crate::ptrace::{self, Mode};
use crate::shortage::{self, Relief};
use crate::signal_frame;
use crate::signals;
use abi::Pages;
use abi::linux::{self, SigInfo, SignalNumber};
use abi::mmu::Access;
use arch::Trap;
use core::sync::atomic::Ordering;
use memory::{FaultError, frames};

/// The most that is allocated at once for a fault: the root of the translation tables.
const LARGEST: Pages = Pages(16);

impl Running<'_> {
    /// It has touched a page that is not there, or may not.
    #[inline(never)]
    pub(super) fn page_fault(&mut self, address: u64, access: Access) -> Turn {
        let Some(space) = &self.space else {
            return self.exit();
        };
        let outcome = space.fault(address, access);
        let (signal, code) = match outcome {
            Ok(()) => {
                self.thread
                    .process
                    .minor_faults
                    .fetch_add(1, Ordering::Relaxed);
                return Turn::On;
            }
            Err(FaultError::NoMapping) => (SignalNumber::SIGSEGV, linux::SEGV_MAPERR),
            Err(FaultError::Denied) => (SignalNumber::SIGSEGV, linux::SEGV_ACCERR),
            Err(FaultError::BeyondEnd) => (SignalNumber::SIGBUS, linux::BUS_ADRERR),
            Err(FaultError::Pending) => return Turn::On,
            Err(FaultError::OutOfMemory) => {
                self.out_of_memory();
                return Turn::On;
            }
        };
        signals::fault(&self.thread, SigInfo::fault(signal, code, address));
        Turn::On
    }

    /// There is no page for a program that has touched one. At the maximum of its partition the one who asks goes; where
    /// the machine has none, it is one of the partition that is furthest above its part.
    #[cold]
    pub(super) fn out_of_memory(&self) {
        let process = &self.thread.process;
        let cid = process.cid();
        // What was wanted may be a table of several pages.
        let used = frames::usage(cid).total() + LARGEST;
        let maximum = frames::maximum(cid).filter(|&most| used >= most);
        if let Some(Pages(most)) = maximum {
            let why = format_args!("the partition holds its maximum of {most} pages");
            return shortage::kill(process, why);
        }
        match shortage::relieve(process) {
            Relief::Coming => {}
            Relief::Kill(victim) if victim.cid() == cid => {
                shortage::kill(&victim, format_args!("no memory"));
            }
            Relief::Kill(victim) => {
                let why = "no memory, and the partition is furthest above its part";
                shortage::kill(&victim, format_args!("{why}"));
            }
        }
    }

    /// Any other trap that a program can cause is a signal to it.
    #[cold]
    pub(super) fn fault(&mut self, trap: Trap) -> Turn {
        let Some(body) = &mut self.body else {
            return Turn::Off;
        };
        let at = body.context.nip;
        let info = match trap {
            Trap::Privileged => SigInfo::fault(SignalNumber::SIGILL, linux::ILL_PRVOPC, at),
            Trap::Breakpoint => SigInfo::fault(SignalNumber::SIGTRAP, linux::TRAP_BRKPT, at),
            Trap::SingleStep => {
                body.context.set_single_step(false);
                if ptrace::mode(&self.thread) != Mode::Step {
                    // Its tracer has ended meanwhile.
                    return Turn::On;
                }
                SigInfo::fault(SignalNumber::SIGTRAP, linux::TRAP_TRACE, at)
            }
            Trap::Alignment { address } => {
                SigInfo::fault(SignalNumber::SIGBUS, linux::BUS_ADRALN, address)
            }
            Trap::FloatingPoint => SigInfo::fault(
                SignalNumber::SIGFPE,
                signal_frame::floating_point_code(&mut body.context),
                at,
            ),
            Trap::MachineCheck => SigInfo::fault(SignalNumber::SIGBUS, linux::BUS_ADRERR, at),
            _ => SigInfo::fault(SignalNumber::SIGILL, linux::ILL_ILLOPC, at),
        };
        signals::fault(&self.thread, info);
        Turn::On
    }
}
