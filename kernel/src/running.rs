//! A thread on a CPU: from the moment it is picked to the moment it leaves.
//!
//! The order of things at each turn: signals and the process's fate first, then a system call that is not
//! done, then whether somebody else is due, then the program. Only here is a thread parked, only here is it
//! decided what a signal does to a call that waits.

mod confined;
mod dumping;
mod ending;
mod faulting;
mod handler;
mod traced;

use crate::calls::{self, Call};
use crate::cpu_timers;
use crate::current;
use crate::dispatch::{Slice, earlier};
use crate::latency::{self, Work};
use crate::others;
use crate::outcome::{Completion, Continuation, Outcome, Wait};
use crate::ptrace;
use crate::signals;
use crate::space::Space;
use crate::system::system;
use crate::thread::{Body, PendingCall, Resumption, Thread};
use abi::linux::SigInfo;
use abi::{Errno, Ticks};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::Trap;
use core::sync::atomic::Ordering;
use memory::frames;
use process::signal::Delivery;
use process::{ExitStatus, VPid};
use sched::{CpuClock, Reason};
use traced::Traced;

/// Whether the thread is still on this CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a thread that has left must not be touched"]
enum Turn {
    /// Yes.
    On,
    /// No: somebody else may be running it.
    Off,
}

/// A thread that this CPU runs.
pub struct Running<'a> {
    thread: Arc<Thread>,
    /// `None` only once the thread has left.
    body: Option<Box<Body>>,
    space: Option<Arc<Space>>,
    clock: &'a CpuClock,
    slice: Slice,
    /// The call was cut, or has met a missing page: what is due is looked at before its next run.
    cut: bool,
    /// When another CPU or a device has interrupted the program, until the thread has gone on or made room.
    interrupted: Option<Ticks>,
}

impl<'a> Running<'a> {
    /// A thread that has been picked, to run for a slice.
    pub fn new(thread: Arc<Thread>, slice: Slice, clock: &'a CpuClock) -> Self {
        let body = thread.take_body();
        thread.runs_on(slice.cpu);
        let mut running = Self {
            thread,
            body,
            space: None,
            clock,
            slice,
            cut: false,
            interrupted: None,
        };
        current::set(Some(running.thread.clone()));
        running.enter_space();
        running
    }

    /// Makes the memory of the process that of the CPU.
    fn enter_space(&mut self) {
        self.space = self.thread.process.space().ok();
        current::set_space(self.space.as_ref().map_or(0, |space| space.id));
        if let Some(space) = &self.space {
            space.lock().activate();
        }
    }

    /// Runs it until it leaves the CPU.
    pub fn run(mut self) {
        let process = &self.thread.process;
        let first = process.virtual_pid() == VPid(1) && !process.cid().is_global();
        let favoured = first.then(|| process.cid());
        if let Some(cid) = favoured {
            frames::set_grace(cid, true);
        }
        let mut turn = match self.parked_call() {
            Some(call) => self.resume_parked(call),
            None => Turn::On,
        };
        while turn == Turn::On {
            turn = self.turn();
        }
        if let Some(cid) = favoured {
            frames::set_grace(cid, false);
        }
        current::set(None);
    }

    fn turn(&mut self) -> Turn {
        if core::mem::take(&mut self.cut) {
            self.slice.look();
        }
        let mut interrupted = self.interrupted.take();
        // Answered first: whoever rings has published before.
        let asked = others::answer();
        if self.thread.leaves_work() {
            // Before the thread may stop: others may wait for what it has left.
            if self.slice.is_over(asked) {
                return self.leave(Reason::Preempted);
            }
            self.thread.clear_remains();
            self.cut = true;
            return Turn::On;
        }
        if self.thread.take_attention() || self.is_dumping() {
            // For the thread, at least also for it.
            interrupted = None;
            if self.attend() == Turn::Off {
                return Turn::Off;
            }
        }
        if self.slice.is_over(asked) {
            return self.make_room(interrupted);
        }
        if self.thread.wants_attention() || self.is_dumping() {
            return Turn::On;
        }
        let Some(body) = &self.body else {
            return Turn::Off;
        };
        if body.former.is_some() {
            self.cut = self.clear_former();
            return Turn::On;
        }
        match body.call {
            Some(_) if self.enters_call() => self.halt_at_call(),
            Some(call) => self.call(call),
            None => self.program(),
        }
    }

    /// Whether a tracer is to be told of the call before it is made.
    fn enters_call(&self) -> bool {
        self.thread.is_traced() && ptrace::enters_call(&self.thread)
    }

    /// The call that the thread was parked in.
    fn parked_call(&mut self) -> Option<PendingCall> {
        self.body
            .as_ref()
            .and_then(|body| body.call)
            .filter(|call| call.wait.is_some())
    }

    /// The run that the call waited in is over: the call has a result, or is run again.
    fn resume_call(&mut self, call: PendingCall) {
        match self.thread.end_run() {
            Resumption::Completed(result) => match result_of(result) {
                Err(errno) => self.fail_call(call, errno),
                done => self.complete(done),
            },
            Resumption::Retry => self.set_call(Some(PendingCall { wait: None, ..call })),
        }
    }

    /// Goes on with the call that the thread was parked in. A signal may have come with what the call waits for, as SIGCHLD
    /// comes with the end of a child: then the call looks first, and fails with EINTR only when it would wait again.
    fn resume_parked(&mut self, call: PendingCall) -> Turn {
        self.resume_call(call);
        let looks = call
            .wait
            .is_some_and(|wait| wait.completion == Completion::Retry);
        let again = self.body.as_ref().and_then(|body| body.call);
        match again {
            Some(again)
                if looks && signals::are_due(&self.thread) && !self.thread.process.is_ending() =>
            {
                self.call(again)
            }
            _ => Turn::On,
        }
    }

    fn set_call(&mut self, call: Option<PendingCall>) {
        if let Some(body) = &mut self.body {
            body.call = call;
        }
    }

    /// Gives a call an error, unless it has transferred bytes, whose number it then returns.
    fn fail_call(&mut self, call: PendingCall, errno: Errno) {
        self.complete(match call.progress {
            Continuation::Transferred(count) if count > 0 => Ok(count),
            _ => Err(errno),
        });
    }

    /// Gives a call its result.
    fn complete(&mut self, result: Result<u64, Errno>) {
        if let Some(body) = &mut self.body {
            body.call = None;
            match result {
                Ok(value) => body.context.succeed(value),
                Err(errno) => body.context.fail(errno),
            }
        }
        self.call_is_over();
    }

    /// The call is over, and a tracer may have to be told.
    fn call_is_over(&self) {
        if self.thread.is_traced()
            && let Some(body) = &self.body
        {
            ptrace::call_is_over(&self.thread, body.context.nip);
        }
    }

    /// Runs the program until it traps.
    fn program(&mut self) -> Turn {
        if self.thread.rseq.is_stale(self.slice.cpu as u32) && !self.renew_sequence() {
            return Turn::On;
        }
        let mut until = self.slice.until;
        if self.thread.process.cpu_timers.is_armed() {
            let next = cpu_timers::look(&self.thread.process, arch::time::now());
            if self.thread.wants_attention() {
                return Turn::On;
            }
            until = earlier(until, next);
        }
        let Some(body) = &mut self.body else {
            return Turn::Off;
        };
        let system = system();
        let now = arch::time::now();
        let timer = system.timers.next();
        if !others::leave() {
            return Turn::On;
        }
        if let Some(at) = earlier(until, timer) {
            let end = until.map(|until| until.saturating_add(system.dispatch.slack));
            arch::time::interrupt_by(now, at, earlier(end, timer).unwrap_or(at));
        }
        self.clock.enter_user(now);
        latency::end(now);
        let trap = arch::run_user(&mut body.context);
        let now = arch::time::now();
        self.slice.seen = now;
        self.clock.enter_kernel(now);
        latency::begin(now, Work::from(&trap), body.context.nip);
        others::back();
        self.trapped(trap, now)
    }

    fn trapped(&mut self, trap: Trap, since: Ticks) -> Turn {
        match trap {
            Trap::SystemCall => {
                let Some(body) = &mut self.body else {
                    return Turn::Off;
                };
                let (number, _) = body.context.call();
                let call = PendingCall {
                    number,
                    admitted: false,
                    asked: false,
                    progress: Continuation::Fresh,
                    wait: None,
                };
                body.call = Some(call);
                if self.enters_call() {
                    return self.halt_at_call();
                }
                self.call(call)
            }
            Trap::Decrementer => {
                system().timers.expire(arch::time::now(), since);
                Turn::On
            }
            Trap::External => {
                system().serve_interrupts(Some(since));
                self.interrupted = Some(since);
                Turn::On
            }
            Trap::PageFault {
                address, access, ..
            } => self.page_fault(address, access),
            Trap::OutOfMemory => {
                self.out_of_memory();
                Turn::On
            }
            other => self.fault(other),
        }
    }

    /// Runs a system call, from its start or once more.
    fn call(&mut self, pending: PendingCall) -> Turn {
        let pending = match self.admit(pending) {
            Ok(admitted) => admitted,
            Err(turn) => return turn,
        };
        let Some(body) = &mut self.body else {
            return Turn::Off;
        };
        latency::working(Work::Call(pending.number as u32), body.context.nip);
        let mut call = Call::new(&self.thread, body, self.space.take(), pending);
        let outcome = calls::run(&mut call);
        let begun = call.has_waiter();
        let progress = call.progress();
        self.space = call.into_space();
        if let Outcome::Park(wait) = outcome {
            return self.park(
                PendingCall {
                    progress,
                    ..pending
                },
                wait,
            );
        }
        if begun {
            self.thread.end_run();
        }
        if progress.holds_signals() && outcome != Outcome::Again {
            // Signals have waited for the end of the call.
            self.thread.call_attention();
        }
        match outcome {
            Outcome::Done(value) => self.complete(Ok(value)),
            Outcome::Failed(errno) => self.complete(Err(errno)),
            Outcome::Again => {
                self.cut = true;
                self.set_call(Some(PendingCall {
                    progress,
                    ..pending
                }));
            }
            Outcome::Yield => {
                self.set_call(Some(PendingCall {
                    progress,
                    ..pending
                }));
                return self.leave(Reason::Yielded);
            }
            Outcome::Resume => {
                self.set_call(None);
                let former = self.space.take();
                self.enter_space();
                self.retire(former);
                self.call_is_over();
            }
            Outcome::Restored => {
                self.set_call(None);
                self.call_is_over();
            }
            Outcome::Exit => return self.exit(),
            Outcome::Park(_) => {}
        }
        Turn::On
    }

    /// Leaves the CPU to wait, unless what it waits for has come already.
    fn park(&mut self, pending: PendingCall, wait: Wait) -> Turn {
        let call = PendingCall {
            wait: Some(wait),
            ..pending
        };
        self.set_call(Some(call));
        if let Some(at) = wait.until {
            let completion = match wait.completion {
                Completion::Retry => None,
                Completion::ByWaker { late } => Some(-i64::from(late.number())),
            };
            if let Err(no_memory) = self.thread.arm(at, completion) {
                self.thread.end_run();
                self.fail_call(call, no_memory.into());
                return Turn::On;
            }
        }
        self.put_body_back();
        if self.park_here() {
            return Turn::Off;
        }
        self.resume_call(call);
        Turn::On
    }

    fn put_body_back(&mut self) {
        if let Some(mut body) = self.body.take() {
            body.context.leave();
            if body.call.is_none() {
                self.thread.rseq.disturb();
            }
            self.thread.put_body(body);
        }
    }

    /// Parks, with the body back in its place; false when the thread goes on at once.
    fn park_here(&mut self) -> bool {
        let cpu = self.slice.cpu;
        let now = arch::time::now();
        let off = || {
            self.thread.activity.leaves(Reason::Blocked);
            system().dispatch.put_back(cpu, now, Reason::Blocked);
        };
        let parked = self.thread.park(off);
        if parked {
            let process = &self.thread.process;
            process.ran.store(now.0, Ordering::Relaxed);
            system().dormant.note(process, now);
        } else {
            self.body = self.thread.take_body();
        }
        parked
    }

    /// Parks where no call waits, until there is something to look at.
    fn park_aside(&mut self) -> Traced {
        self.put_body_back();
        if self.park_here() {
            return Traced::Over(Turn::Off);
        }
        // Whatever asked for attention is looked at here and now.
        self.thread.take_attention();
        self.thread.end_run();
        Traced::Anew
    }

    /// Leaves the CPU but stays runnable.
    fn leave(&mut self, reason: Reason) -> Turn {
        self.thread.activity.leaves(reason);
        self.put_body_back();
        system()
            .dispatch
            .put_back(self.slice.cpu, arch::time::now(), reason);
        Turn::Off
    }

    /// Leaves the CPU to somebody else, where it was so because of an interrupt then.
    fn make_room(&mut self, interrupted: Option<Ticks>) -> Turn {
        let Some(since) = interrupted else {
            return self.leave(Reason::Preempted);
        };
        self.thread.activity.leaves(Reason::Preempted);
        self.put_body_back();
        let now = arch::time::now();
        system().dispatch.make_room(self.slice.cpu, since, now);
        Turn::Off
    }

    /// Looks at what signals and the fate of the process ask for.
    #[inline(never)]
    fn attend(&mut self) -> Turn {
        let thread = self.thread.clone();
        let process = &thread.process;
        loop {
            if thread.leaves_work() {
                // It neither stops nor halts before that is done: others may wait for it.
                thread.call_attention();
                return Turn::On;
            }
            let sent_away = |tid| tid != thread.tid();
            let (calm, goes) = process.with(|state| {
                let goes = state.dumping.is_none() && state.executing.is_some_and(sent_away);
                (state.is_calm(), goes)
            });
            if process.is_ending() || goes {
                return self.exit();
            }
            if !calm {
                match self.attend_dump() {
                    Traced::Free => {}
                    Traced::Anew => continue,
                    Traced::Over(turn) => return turn,
                }
            }
            let traced = thread.is_traced();
            if traced {
                match self.attend_tracer() {
                    Traced::Free => {}
                    Traced::Anew => continue,
                    Traced::Over(turn) => return turn,
                }
            }
            if (traced || !calm)
                && process.with(|state| state.stopped)
                && !(traced && ptrace::passes_stop(&thread))
            {
                match self.park_aside() {
                    Traced::Over(turn) => return turn,
                    Traced::Free | Traced::Anew => continue,
                }
            }
            if self.holds_signals() {
                // After vfork the child has the memory, execve has sent the other threads away, a range is half changed.
                // Only the end of everything counts.
                if signals::is_killed(&thread) {
                    process.end(ExitStatus::KILLED);
                    continue;
                }
                return Turn::On;
            }
            if let Some(body) = &mut self.body {
                calls::uring::attend(&thread, body, self.space.as_ref());
            }
            if traced {
                match self.attend_traced_signal() {
                    Traced::Free => return Turn::On,
                    Traced::Anew => continue,
                    Traced::Over(turn) => return turn,
                }
            }
            match signals::next(&thread) {
                None => return Turn::On,
                Some((delivery, more)) => {
                    let handled = matches!(delivery, Delivery::Handle { .. });
                    self.deliver(delivery);
                    if handled && !more {
                        // A handler that could not be entered has asked for attention.
                        return Turn::On;
                    }
                }
            }
        }
    }

    /// Does what a signal does.
    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Ignore(_) => {}
            Delivery::Stop(signal) => signals::stop(&self.thread, signal),
            Delivery::Terminate { signal, core } => self.end_by(signal, core),
            Delivery::Handle { info, action, mask } => {
                self.interrupt_call(&action);
                self.enter_handler(&info, &action, mask);
            }
        }
    }

    /// Does what a signal does that has been taken from those that are pending.
    fn act_on(&mut self, info: SigInfo) {
        if let Some(delivery) = signals::act(&self.thread, info) {
            self.deliver(delivery);
        }
    }

    fn holds_signals(&self) -> bool {
        let call = self.body.as_ref().and_then(|body| body.call);
        call.is_some_and(|call| call.progress.holds_signals())
    }
}

/// The result that a waker has stored: an error when negative.
fn result_of(value: i64) -> Result<u64, Errno> {
    match u16::try_from(value.wrapping_neg())
        .ok()
        .and_then(Errno::from_number)
    {
        Some(errno) if value < 0 => Err(errno),
        _ => Ok(value.cast_unsigned()),
    }
}
