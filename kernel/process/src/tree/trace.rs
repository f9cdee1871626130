//! Who traces whom, and what tracers have not been told yet (`man 2 ptrace`).
//!
//! A thread is traced by one process at most, by number. What it does, stopping or ending, its tracer learns from `wait4`
//! as if it were a child. A process that has ended is its parent's only after its tracer has seen that.
//!
//! Invariants: `pairs` holds exactly the threads of `tracees` by their tracers, `reports` those of them that have a
//! report; a traced number stays in use, so that a report never names somebody else.

use super::{Exit, ExitStatus, Notice, ProcessTree, Report, Selector, Waited};
use crate::usage::Usage;
use abi::linux::{SignalNumber, WaitOptions};
use abi::{Errno, Pid};
use alloc::vec::Vec;
use fallible::Map;

/// A traced thread.
#[derive(Debug)]
struct Tracee {
    tracer: Pid,
    /// Its process.
    process: Pid,
    report: Option<Report>,
    /// What it had used when it ended.
    usage: Usage,
}

/// All traced threads.
#[derive(Debug, Default)]
pub(super) struct Traces {
    tracees: Map<Pid, Tracee>,
    /// Tracer and thread.
    pairs: Map<(Pid, Pid), ()>,
    /// Those that have a report.
    reports: Map<(Pid, Pid), ()>,
}

impl Traces {
    pub(super) const fn new() -> Self {
        Self {
            tracees: Map::new(),
            pairs: Map::new(),
            reports: Map::new(),
        }
    }

    fn of(&self, tracer: Pid) -> impl Iterator<Item = Pid> + '_ {
        let all = (tracer, Pid(0))..=(tracer, Pid(u32::MAX));
        self.pairs.range(all).map(|((_, tid), ())| *tid)
    }

    fn reported(&self, tracer: Pid) -> impl Iterator<Item = Pid> + '_ {
        let all = (tracer, Pid(0))..=(tracer, Pid(u32::MAX));
        self.reports.range(all).map(|((_, tid), ())| *tid)
    }

    fn set_report(&mut self, tid: Pid, report: Option<Report>) -> Option<Pid> {
        let tracee = self.tracees.get_mut(&tid)?;
        tracee.report = report;
        let key = (tracee.tracer, tid);
        if report.is_some() {
            // Nobody could be told that a report is lost.
            fallible::assured(|| self.reports.insert(key, ())).ok();
        } else {
            self.reports.remove(&key);
        }
        Some(key.0)
    }

    fn remove(&mut self, tid: Pid) -> Option<Tracee> {
        let tracee = self.tracees.remove(&tid)?;
        self.pairs.remove(&(tracee.tracer, tid));
        self.reports.remove(&(tracee.tracer, tid));
        Some(tracee)
    }
}

impl<T> ProcessTree<T> {
    /// Makes `tracer` the tracer of thread `tid` of `process`.
    ///
    /// # Errors
    /// EPERM for a thread that is traced, and for one of the tracer's own; ESRCH when one of the two has ended; ENOMEM.
    pub fn trace(&mut self, tracer: Pid, tid: Pid, process: Pid) -> Result<(), Errno> {
        if tracer == process || self.traces.tracees.contains_key(&tid) {
            return Err(Errno::EPERM);
        }
        let lives = |pid| self.nodes.get(&pid).is_some_and(|node| !node.ended);
        if !lives(tracer) || !lives(process) {
            return Err(Errno::ESRCH);
        }
        let tracee = Tracee {
            tracer,
            process,
            report: None,
            usage: Usage::default(),
        };
        self.traces.tracees.insert(tid, tracee)?;
        if let Err(no_memory) = self.traces.pairs.insert((tracer, tid), ()) {
            self.traces.tracees.remove(&tid);
            return Err(no_memory.into());
        }
        self.pids.hold(tid);
        Ok(())
    }

    /// Who traces a thread.
    #[must_use]
    pub fn tracer(&self, tid: Pid) -> Option<Pid> {
        self.traces.tracees.get(&tid).map(|tracee| tracee.tracer)
    }

    /// Whether a process traces anybody.
    #[must_use]
    pub fn has_tracees(&self, tracer: Pid) -> bool {
        self.traces.of(tracer).next().is_some()
    }

    /// A traced thread has stopped: its tracer is to be told.
    pub fn trapped(&mut self, tid: Pid, code: u16) -> Option<Notice> {
        let report = Report::Trapped(code);
        let parent = self.traces.set_report(tid, Some(report))?;
        Some(Notice {
            parent,
            child: tid,
            signal: Some(SignalNumber::SIGCHLD),
            report,
            usage: Usage::default(),
        })
    }

    /// A traced thread goes on: what its tracer has not been told of its stop is void.
    pub fn released(&mut self, tid: Pid) {
        let ended = |tracee: &Tracee| matches!(tracee.report, Some(Report::Ended(_)));
        if self
            .traces
            .tracees
            .get(&tid)
            .is_some_and(|tracee| !ended(tracee))
        {
            self.traces.set_report(tid, None);
        }
    }

    /// A traced thread has ended that does not bear the number of its process; that one's end is told by
    /// [`ProcessTree::exit`].
    pub fn thread_ended(&mut self, tid: Pid, status: ExitStatus) -> Option<Notice> {
        let report = Report::Ended(status);
        let parent = self.traces.set_report(tid, Some(report))?;
        Some(Notice {
            parent,
            child: tid,
            signal: Some(SignalNumber::SIGCHLD),
            report,
            usage: Usage::default(),
        })
    }

    /// The thread that executes a program takes the number of its process, and is traced by that as it was by its own.
    pub fn leads(&mut self, tid: Pid, process: Pid) {
        if tid == process {
            return;
        }
        let _no_zombie_executes = self.untrace(process);
        let Some(tracee) = self.traces.remove(tid) else {
            return;
        };
        self.pids.release(tid);
        let key = (tracee.tracer, process);
        // There was room for the thread by its old number.
        let moved = fallible::assured(|| {
            self.traces.pairs.insert(key, ())?;
            self.traces.tracees.insert(process, tracee)
        });
        if moved.is_ok() {
            self.pids.hold(process);
        }
    }

    /// Ends the tracing of a thread. True when it is a process that has ended, which is its parent's now: see
    /// [`ProcessTree::hand_over`].
    #[must_use]
    pub fn untrace(&mut self, tid: Pid) -> bool {
        if self.traces.remove(tid).is_none() {
            return false;
        }
        self.pids.release(tid);
        self.is_zombie(tid)
    }

    /// Tells the parent of an ended process whose tracer knows.
    pub fn hand_over(&mut self, pid: Pid, leaves_no_zombie: impl Fn(Pid) -> bool) -> Exit<T> {
        let mut exit = Exit::new();
        if let Some(report) = self.nodes.get(&pid).and_then(|node| node.report) {
            fallible::assured(|| self.report_end(pid, report, &leaves_no_zombie, &mut exit));
        }
        exit
    }

    /// The threads that a process which ends has traced; they are traced by nobody from now on.
    pub(super) fn leave_tracees(&mut self, tracer: Pid) -> Vec<Pid> {
        self.traces.of(tracer).collect()
    }

    /// Whether the end of a process is first its tracer's to know, who is not its parent.
    pub(super) fn is_told_to_tracer(&self, pid: Pid) -> Option<Pid> {
        self.tracer(pid)
            .filter(|tracer| self.parent(pid) != Some(*tracer))
    }

    /// Tells the tracer of an ended process.
    pub(super) fn tell_tracer(&mut self, pid: Pid, status: ExitStatus) -> Option<Notice> {
        let usage = self.nodes.get(&pid).map(|node| node.usage);
        if let Some(tracee) = self.traces.tracees.get_mut(&pid) {
            tracee.usage = usage.unwrap_or_default();
        }
        self.thread_ended(pid, status)
    }

    /// A thread that `tracer` traces and that has something to report.
    pub(super) fn wait_traced(
        &mut self,
        tracer: Pid,
        selector: Selector,
        options: WaitOptions,
    ) -> Option<Waited<T>> {
        let wanted = |tid: &Pid| {
            self.selects_traced(*tid, selector)
                && self.traces.tracees.get(tid).is_some_and(|tracee| {
                    !matches!(tracee.report, Some(Report::Ended(_)))
                        || options.contains(WaitOptions::EXITED)
                })
        };
        let tid = match selector {
            Selector::Process(tid) => {
                Some(tid).filter(|tid| self.traces.reports.contains_key(&(tracer, *tid)))
            }
            _ => self.traces.reported(tracer).find(wanted),
        };
        let tid = tid.filter(wanted)?;
        let tracee = self.traces.tracees.get(&tid)?;
        let mut waited = Waited {
            pid: tid,
            report: tracee.report?,
            usage: tracee.usage,
            reaped: None,
            handed_over: false,
        };
        if options.contains(WaitOptions::NOWAIT) {
            return Some(waited);
        }
        if matches!(waited.report, Report::Ended(_)) {
            waited.handed_over = self.untrace(tid);
        } else {
            self.traces.set_report(tid, None);
        }
        Some(waited)
    }

    /// Whether `tracer` traces a thread that a wait is for.
    pub(super) fn may_be_told(&self, tracer: Pid, selector: Selector) -> bool {
        match selector {
            Selector::Process(tid) => self.tracer(tid) == Some(tracer),
            _ => self
                .traces
                .of(tracer)
                .any(|tid| self.selects_traced(tid, selector)),
        }
    }

    fn selects_traced(&self, tid: Pid, selector: Selector) -> bool {
        match selector {
            Selector::Any => true,
            Selector::Process(wanted) => wanted == tid,
            Selector::Group(group) => {
                let process = self.traces.tracees.get(&tid).map(|tracee| tracee.process);
                let node = process.and_then(|process| self.nodes.get(&process));
                node.is_some_and(|node| node.group == group)
            }
        }
    }
}
