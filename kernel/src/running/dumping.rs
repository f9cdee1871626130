//! The end of a process that leaves a core file: one thread writes it in steps, the others are held.

use super::traced::Traced;
use super::{Running, Turn};
use crate::calls::Call;
use crate::calls::core_file::{self, CoreDump, Dumped};
use crate::outcome::Continuation;
use crate::signals;
use crate::thread::PendingCall;
use abi::linux::SignalNumber;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use process::ExitStatus;

impl Running<'_> {
    /// Whether the thread writes a core file.
    pub(super) fn is_dumping(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.core.is_some())
    }

    /// A signal ends the process, after a core file when it is to leave one.
    #[cold]
    pub(super) fn end_by(&mut self, signal: SignalNumber, core: bool) {
        let process = self.thread.process.clone();
        if !core || !core_file::is_wanted(&process) || !self.begin_dump(signal) {
            let core = false;
            process.end(ExitStatus::Killed { signal, core });
        }
    }

    /// False when the process ends otherwise.
    fn begin_dump(&mut self, signal: SignalNumber) -> bool {
        let process = self.thread.process.clone();
        let Ok(dump) = CoreDump::new(signal) else {
            return false;
        };
        let tid = self.thread.tid();
        let first = process.with(|state| {
            if state.end.is_some() {
                return None;
            }
            let first = state.dumping.is_none();
            state.dumping.get_or_insert(tid);
            Some(first)
        });
        let Some(first) = first else { return false };
        self.thread.call_attention();
        if first {
            if let Some(body) = &mut self.body {
                body.core = Some(dump);
            }
            let others = process
                .threads
                .iter()
                .filter(|thread| !Arc::ptr_eq(thread, &self.thread));
            others.for_each(|thread| thread.interrupt());
        }
        true
    }

    /// Writes a step of the core file, or is held until another thread has written it.
    #[cold]
    pub(super) fn attend_dump(&mut self) -> Traced {
        let thread = self.thread.clone();
        let process = &thread.process;
        let was_held = thread.held.swap(false, Ordering::Relaxed);
        let dumping = process.with(|state| {
            state.held -= usize::from(was_held);
            state.dumping
        });
        if dumping.is_none() {
            return Traced::Free;
        }
        if signals::is_killed(&thread) {
            process.end(ExitStatus::KILLED);
            return Traced::Anew;
        }
        if self.is_dumping() {
            return self.dump();
        }
        self.put_body_back();
        thread.held.store(true, Ordering::Relaxed);
        process.with(|state| state.held += 1);
        process.threads_gone.wake_all();
        self.park_aside()
    }

    fn dump(&mut self) -> Traced {
        let thread = self.thread.clone();
        let process = &thread.process;
        thread.end_run();
        let waiter = thread.begin_run();
        let waits = process.with(|state| {
            let waits = state.held + 1 < process.threads.count();
            if waits {
                // The end of the process must not fail for want of memory.
                fallible::assured(|| process.threads_gone.enrol(&waiter));
            }
            waits
        });
        if waits {
            return self.park_aside();
        }
        let space = self.space.clone();
        let Some(body) = &mut self.body else {
            return Traced::Over(Turn::Off);
        };
        let Some(mut dump) = body.core.take() else {
            return Traced::Free;
        };
        let nothing = PendingCall {
            number: 0,
            admitted: true,
            asked: false,
            progress: Continuation::Fresh,
            wait: None,
        };
        let dumped = dump.step(&mut Call::new(&thread, body, space, nothing));
        let signal = dump.signal();
        let core = match dumped {
            Dumped::Partly => {
                body.core = Some(dump);
                self.cut = true;
                return Traced::Over(Turn::On);
            }
            Dumped::Wholly => true,
            Dumped::Not => false,
        };
        process.end(ExitStatus::Killed { signal, core });
        Traced::Anew
    }
}
