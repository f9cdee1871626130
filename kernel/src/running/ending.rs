//! How a thread ends, and its process with the last one: in steps, so that nobody waits for the end of a large one.

use super::{Running, Turn};
use crate::calls;
use crate::family;
use crate::latency::{self, Work};
use crate::posix_timers;
use crate::remainder;
use crate::space::Space;
use alloc::sync::Arc;
use process::ExitStatus;
use sched::Reason;

/// Pages given back between two looks at whether somebody else is due.
const STEP: usize = 512;

impl Running<'_> {
    /// The thread is over.
    #[cold]
    pub(super) fn exit(&mut self) -> Turn {
        if self.thread.is_traced()
            && let Some(turn) = self.halt_at_end()
        {
            return turn;
        }
        let at = self.body.as_ref().map_or(0, |body| body.context.nip);
        latency::working(Work::Exit, at);
        if let Some(body) = &mut self.body {
            body.core = None;
        }
        if let Some(body) = &mut self.body
            && let Some(copy) = body.copy.take()
        {
            body.former = fallible::assured(|| Space::of_copy(copy)).ok();
        }
        if let Some(body) = &mut self.body
            && let Some(files) = body.files.take()
        {
            calls::descriptor::let_go(*files);
        }
        let thread = self.thread.clone();
        if self.by_steps(Self::clear_step) == Turn::Off
            || self.by_steps(|_| calls::uring::cancel_some(&thread, |_| true)) == Turn::Off
            || self.let_go() == Turn::Off
        {
            return Turn::Off;
        }
        if let Some(mut body) = self.body.take() {
            body.context.leave();
        }
        self.space = None;
        calls::thread::leave_user_traces(&self.thread);
        let process = self.thread.process.clone();
        let cid = process.cid();
        process.thread_exits(&self.thread, self.slice.cpu);
        // What went in the last moments.
        remainder::begin(cid, self.thread.take_remains());
        Turn::Off
    }

    /// Keeps the address space that `execve` has replaced, when nobody else has it, to be cleared in steps.
    pub(super) fn retire(&mut self, former: Option<Arc<Space>>) {
        let Some(former) = former else { return };
        if let Some(body) = &mut self.body
            && Arc::strong_count(&former) == 1
        {
            body.former = Some(former);
        }
    }

    /// Does a step of what is to be done in steps before the thread returns to its program or ends; false when there is
    /// nothing.
    fn clear_step(&mut self) -> bool {
        if self.thread.leaves_work() {
            self.thread.clear_remains();
            return true;
        }
        self.clear_former()
    }

    /// Gives back a part of the memory that `execve` has replaced; false when there is none.
    #[cold]
    pub(super) fn clear_former(&mut self) -> bool {
        let Some(body) = &mut self.body else {
            return false;
        };
        let Some(former) = &body.former else {
            return false;
        };
        if former.lock().clear_step(STEP) {
            body.former = None;
        }
        true
    }

    /// The last thread lets go of what its process has in steps, so that nobody waits for the end of a large one.
    fn let_go(&mut self) -> Turn {
        let process = self.thread.process.clone();
        let (last, status) = process.with(|state| (process.threads.count() == 1, state.end));
        if !last {
            return Turn::On;
        }
        if !process.is_ending() {
            // From here on the thread comes back here whenever it is picked.
            process.end(status.unwrap_or(ExitStatus::Exited(0)));
        }
        calls::thread::leave_user_traces(&self.thread);
        posix_timers::delete_all(&process);
        if self.clear_memory() == Turn::Off
            || self.close_files() == Turn::Off
            || self.by_steps(Self::clear_step) == Turn::Off
            || family::has_many_ties(&process)
                && self.by_steps(|_| family::part(&process)) == Turn::Off
        {
            return Turn::Off;
        }
        Turn::On
    }

    fn clear_memory(&mut self) -> Turn {
        // The process, this CPU and this function have it; one more owner is another process.
        const OWNERS: usize = 3;
        match self.space.clone() {
            Some(space) if Arc::strong_count(&space) <= OWNERS => {
                self.by_steps(|_| !space.lock().clear_step(STEP))
            }
            _ => Turn::On,
        }
    }

    fn close_files(&mut self) -> Turn {
        // The process and this function.
        const OWNERS: usize = 2;
        match self.thread.process.files() {
            Ok(files) if Arc::strong_count(&files) <= OWNERS => {
                let mut at = 0;
                self.by_steps(|_| {
                    let closed = files.lock().take_range(&mut at, u32::MAX);
                    closed.is_some()
                })
            }
            _ => Turn::On,
        }
    }

    /// Works as long as a step says that there is more to do. When somebody else is due, the thread leaves and is brought back
    /// to the same place by the attention that it asks for.
    fn by_steps(&mut self, mut step: impl FnMut(&mut Self) -> bool) -> Turn {
        while step(self) {
            if self.slice.is_over_after_look() {
                self.thread.call_attention();
                return self.leave(Reason::Preempted);
            }
        }
        Turn::On
    }
}
