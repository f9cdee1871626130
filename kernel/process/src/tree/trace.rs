//! Who traces whom, and what tracers have not been told yet (`man 2 ptrace`).
//!
//! A thread is traced by one process at most, by number. What it does, stopping or ending, its tracer learns from `wait4`
//! as if it were a child. A process that has ended is its parent's only after its tracer has seen that.
//!
//! Invariants: `pairs` holds exactly the threads of `tracees` by their tracers, and says of each whether it has a report; a
//! traced number stays in use, so that a report never names somebody else; a tracer that has reported its own end traces
//! nobody. What is made for a traced thread is made when its tracing begins: to report and to let go take no memory.

use super::{ExitStatus, Notice, ProcessTree, Report, Selector, Step, Waited};
use crate::usage::Usage;
use abi::linux::{SignalNumber, WaitOptions};
use abi::{Errno, Pid};
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
    /// Tracer and thread, and whether there is a report.
    pairs: Map<(Pid, Pid), bool>,
}

impl Traces {
    pub(super) const fn new() -> Self {
        Self {
            tracees: Map::new(),
            pairs: Map::new(),
        }
    }

    /// The threads that a process traces, each with whether it has a report.
    fn pairs(&self, tracer: Pid) -> impl Iterator<Item = (Pid, bool)> + '_ {
        let all = (tracer, Pid(0))..=(tracer, Pid(u32::MAX));
        self.pairs
            .range(all)
            .map(|((_, tid), reports)| (*tid, *reports))
    }

    fn of(&self, tracer: Pid) -> impl Iterator<Item = Pid> + '_ {
        self.pairs(tracer).map(|(tid, _)| tid)
    }

    fn reported(&self, tracer: Pid) -> impl Iterator<Item = Pid> + '_ {
        let all = self.pairs(tracer);
        all.filter_map(|(tid, reports)| reports.then_some(tid))
    }

    fn set_report(&mut self, tid: Pid, report: Option<Report>) -> Option<Pid> {
        let tracee = self.tracees.get_mut(&tid)?;
        tracee.report = report;
        let tracer = tracee.tracer;
        if let Some(reports) = self.pairs.get_mut(&(tracer, tid)) {
            *reports = report.is_some();
        }
        Some(tracer)
    }

    fn remove(&mut self, tid: Pid) -> Option<Tracee> {
        let tracee = self.tracees.remove(&tid)?;
        self.pairs.remove(&(tracee.tracer, tid));
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
        if let Err(no_memory) = self.traces.pairs.insert((tracer, tid), false) {
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

    /// The threads that a process traces, by ascending number. One whose end has begun gets no more of them, and has to
    /// [`untrace`](Self::untrace) them all before it reports that.
    pub fn tracees(&self, tracer: Pid) -> impl Iterator<Item = Pid> + '_ {
        self.traces.of(tracer)
    }

    /// A traced thread has stopped: its tracer is to be told.
    pub fn trapped(&mut self, tid: Pid, code: u16) -> Option<Notice> {
        self.tell_of_thread(tid, Report::Trapped(code))
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
    /// [`ProcessTree::report_end`].
    pub fn thread_ended(&mut self, tid: Pid, status: ExitStatus) -> Option<Notice> {
        self.tell_of_thread(tid, Report::Ended(status))
    }

    fn tell_of_thread(&mut self, tid: Pid, report: Report) -> Option<Notice> {
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
        let reports = tracee.report.is_some();
        // There was room for the thread by its old number.
        let moved = fallible::assured(|| {
            self.traces.pairs.insert(key, reports)?;
            self.traces.tracees.insert(process, tracee)
        });
        match moved {
            Ok(_) => self.pids.hold(process),
            Err(_) => {
                self.traces.pairs.remove(&key);
            }
        }
    }

    /// Ends the tracing of a thread. True when it is a process whose end only its tracer was told of, which is its parent's
    /// now: see [`ProcessTree::hand_over`].
    #[must_use]
    pub fn untrace(&mut self, tid: Pid) -> bool {
        if self.traces.remove(tid).is_none() {
            return false;
        }
        self.pids.release(tid);
        self.nodes
            .get(&tid)
            .is_some_and(|node| node.untold.is_some())
    }

    /// Tells the parent of an ended process, which `leaves_no_zombie` is about, what so far only its tracer knew. Nothing
    /// when that is not so.
    pub fn hand_over(&mut self, pid: Pid, leaves_no_zombie: bool) -> Option<Step<T>> {
        let status = self.nodes.get_mut(&pid)?.untold.take()?;
        Some(self.tell_end(pid, Report::Ended(status), leaves_no_zombie))
    }

    /// Tells the end of a process to a tracer that is not its parent: that one is told when the tracer knows. Nothing when
    /// it is the parent's at once.
    pub(super) fn tell_tracer(&mut self, pid: Pid, status: ExitStatus) -> Option<Notice> {
        let node = self.nodes.get_mut(&pid)?;
        let tracee = self.traces.tracees.get_mut(&pid)?;
        if node.parent == Some(tracee.tracer) {
            return None;
        }
        node.untold = Some(status);
        tracee.usage = node.usage;
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
                Some(tid).filter(|tid| self.traces.pairs.get(&(tracer, *tid)) == Some(&true))
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
