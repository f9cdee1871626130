//! Who descends from whom, who belongs to which group and session, and what waits to be reported.
//!
//! A process is in the tree from [`ProcessTree::spawn`] until it is reaped. When it ends it becomes a zombie
//! and its children go to the nearest subreaper of their own partition, else to the partition's init, else
//! to init of Global. An orphan of a partition whose init is gone has no parent and leaves no zombie.
//! Numbers here are global ([`Pid`]); the calls that take what a program gave translate by the
//! credential's partition, so another partition's processes are absent.
//!
//! Invariants: the chain of children and `parent` mirror each other; the chain of those that report has exactly the
//! children that have a report; a group has members, a session has groups, and both hold their number. What is made for a
//! process is made when it is born or changes its group, and fails then; its end takes no memory.

mod chain;
mod end;
mod jobs;
mod trace;
mod wait;

pub use end::{End, Step};
pub use jobs::{Job, Target, TerminalId};
pub use wait::{Selector, Waited};

use crate::pids::{PidHandle, PidTable, Reserved, VPid};
use crate::usage::Usage;
use abi::linux::{
    CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, CLD_TRAPPED, Detail, SigInfo,
    SignalNumber,
};
use abi::{Cid, Errno, Nanos, Pid};
use chain::{Both, Ends, Kin, Link, Nodes};
use fallible::{Map, NoMemory};
use jobs::{Group, Session};
use trace::Traces;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with the low byte of what it gave to `exit`.
    Exited(u8),
    /// By a signal.
    Killed {
        /// Which.
        signal: SignalNumber,
        /// Whether a core was dumped.
        core: bool,
    },
}

impl ExitStatus {
    /// By SIGKILL, which never leaves a core.
    pub const KILLED: Self = Self::Killed {
        signal: SignalNumber::SIGKILL,
        core: false,
    };
}

/// What a parent is told of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It has ended.
    Ended(ExitStatus),
    /// It has been stopped by a signal.
    Stopped(SignalNumber),
    /// It has been made to go on.
    Continued,
    /// It has stopped for its tracer: the signal, and the event in the second byte (`man 2 ptrace`).
    Trapped(u16),
}

impl Report {
    /// The status word of `wait4` (`man 2 wait`, bits/waitstatus.h).
    #[must_use]
    pub fn wait_status(self) -> i32 {
        match self {
            Self::Ended(ExitStatus::Exited(code)) => i32::from(code) << 8,
            Self::Ended(ExitStatus::Killed { signal, core }) => {
                i32::from(signal.get()) | i32::from(core) << 7
            }
            Self::Stopped(signal) => i32::from(signal.get()) << 8 | 0x7f,
            Self::Continued => 0xffff,
            Self::Trapped(code) => i32::from(code) << 8 | 0x7f,
        }
    }

    /// `si_code` and `si_status` of `waitid` and SIGCHLD.
    #[must_use]
    pub fn code_and_status(self) -> (i32, i32) {
        match self {
            Self::Ended(ExitStatus::Exited(code)) => (CLD_EXITED, i32::from(code)),
            Self::Ended(ExitStatus::Killed { signal, core }) => (
                if core { CLD_DUMPED } else { CLD_KILLED },
                i32::from(signal.get()),
            ),
            Self::Stopped(signal) => (CLD_STOPPED, i32::from(signal.get())),
            Self::Continued => (CLD_CONTINUED, i32::from(SignalNumber::SIGCONT.get())),
            Self::Trapped(code) => (CLD_TRAPPED, i32::from(code)),
        }
    }

    /// What comes with SIGCHLD, and what `waitid` stores.
    #[must_use]
    pub fn info(self, signal: SignalNumber, child: VPid, uid: u32, usage: &Usage) -> SigInfo {
        let (code, status) = self.code_and_status();
        let clock_ticks = |time: Nanos| (time.0 / 10_000_000).cast_signed();
        let detail = Detail::Child {
            pid: child.0,
            uid,
            status,
            utime: clock_ticks(usage.user),
            stime: clock_ticks(usage.system),
        };
        SigInfo {
            signal,
            errno: 0,
            code,
            detail,
        }
    }
}

/// A child has something to report: post the signal to the parent and wake those of its threads that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whom to tell.
    pub parent: Pid,
    /// Whom it is about.
    pub child: Pid,
    /// The signal to post: SIGCHLD mostly; nothing for a child cloned without an exit signal.
    pub signal: Option<SignalNumber>,
    /// What happened. For [`Report::Stopped`] and [`Report::Continued`] the signal is not posted when the
    /// parent's action has `SA_NOCLDSTOP`.
    pub report: Report,
    /// What the child has used.
    pub usage: Usage,
}

/// What a new process is like.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    /// Its parent; nobody for init of Global.
    pub parent: Option<Pid>,
    /// Its partition. The first process in a partition becomes its init and leads a session of its own.
    pub cid: Cid,
    /// What the parent is sent at its end.
    pub exit_signal: Option<SignalNumber>,
}

#[derive(Debug)]
struct Node {
    handle: PidHandle,
    cid: Cid,
    parent: Option<Pid>,
    chains: Both<Ends>,
    links: Both<Link>,
    group: Pid,
    session: Pid,
    exit_signal: Option<SignalNumber>,
    executed: bool,
    subreaper: bool,
    stopped: bool,
    ended: bool,
    report: Option<Report>,
    /// How it has ended, while its tracer is to know that before its parent.
    untold: Option<ExitStatus>,
    usage: Usage,
    children_usage: Usage,
}

/// All processes, with the numbers of processes and threads.
pub struct ProcessTree<T> {
    /// Numbers and objects.
    pub pids: PidTable<T>,
    nodes: Nodes,
    groups: Map<Pid, Group>,
    /// Groups, and who is in them.
    members: Map<(Pid, Pid), ()>,
    sessions: Map<Pid, Session>,
    inits: Map<Cid, Pid>,
    subreapers: usize,
    traces: Traces,
}

impl<T> Default for ProcessTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> ProcessTree<T> {
    /// No process at all.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pids: PidTable::new(),
            nodes: Map::new(),
            groups: Map::new(),
            members: Map::new(),
            sessions: Map::new(),
            inits: Map::new(),
            subreapers: 0,
            traces: Traces::new(),
        }
    }

    /// Makes a process; the caller makes the object and binds it (`tree.pids.bind`), or takes the process
    /// back with [`ProcessTree::abandon`].
    ///
    /// # Errors
    /// EAGAIN when there is no number left; ESRCH when the parent is not in the tree or has ended; ENOMEM.
    pub fn spawn(&mut self, birth: Birth) -> Result<Reserved, Errno> {
        let job = match birth.parent {
            Some(parent) => {
                let node = self
                    .nodes
                    .get(&parent)
                    .filter(|node| !node.ended)
                    .ok_or(Errno::ESRCH)?;
                Some((node.group, node.session))
            }
            None => None,
        };
        let reserved = self.pids.reserve(birth.cid)?;
        let pid = reserved.pid();
        let leads = !self.inits.contains_key(&birth.cid);
        let (group, session) = job.filter(|_| !leads).unwrap_or((pid, pid));
        let node = fallible::boxed(Node {
            handle: reserved.handle,
            cid: birth.cid,
            parent: birth.parent,
            chains: Both::default(),
            links: Both::default(),
            group,
            session,
            exit_signal: birth.exit_signal,
            executed: false,
            subreaper: false,
            stopped: false,
            ended: false,
            report: None,
            untold: None,
            usage: Usage::default(),
            children_usage: Usage::default(),
        });
        if let Err(no_memory) = node.and_then(|node| self.nodes.insert(pid, node)) {
            self.pids.unbind(reserved.handle);
            return Err(no_memory.into());
        }
        if let Some(parent) = birth.parent {
            chain::append(&mut self.nodes, parent, Kin::Children, pid);
        }
        if let Err(no_memory) = self.settle(pid, birth.cid, leads, (group, session)) {
            self.remove(pid);
            return Err(no_memory.into());
        }
        Ok(reserved)
    }

    /// Gives a new process its place in a group, and in its partition when it `leads` that.
    fn settle(
        &mut self,
        pid: Pid,
        cid: Cid,
        leads: bool,
        (group, session): (Pid, Pid),
    ) -> Result<(), NoMemory> {
        if leads {
            self.inits.insert(cid, pid)?;
        }
        self.join(pid, group, session)
    }

    /// Takes back a process that never ran.
    pub fn abandon(&mut self, pid: Pid) -> Option<T> {
        self.remove(pid)
    }

    /// Remembers that a process has executed a program: its parent can no longer move it to another group,
    /// and its exit signal is SIGCHLD from now on.
    pub fn executed(&mut self, pid: Pid) {
        if let Some(node) = self.nodes.get_mut(&pid) {
            node.executed = true;
            node.exit_signal = Some(SignalNumber::SIGCHLD);
        }
    }

    /// Lets a process adopt orphaned descendants (`PR_SET_CHILD_SUBREAPER`), or no longer.
    pub fn set_subreaper(&mut self, pid: Pid, adopts: bool) {
        if let Some(node) = self.nodes.get_mut(&pid)
            && node.subreaper != adopts
        {
            node.subreaper = adopts;
            self.subreapers = if adopts {
                self.subreapers + 1
            } else {
                self.subreapers.saturating_sub(1)
            };
        }
    }

    /// Whether a process adopts orphaned descendants.
    #[must_use]
    pub fn is_subreaper(&self, pid: Pid) -> bool {
        self.nodes.get(&pid).is_some_and(|node| node.subreaper)
    }

    /// The parent, if there is one.
    #[must_use]
    pub fn parent(&self, pid: Pid) -> Option<Pid> {
        self.nodes.get(&pid)?.parent
    }

    /// The children, zombies included, in the order in which they came.
    pub fn children(&self, pid: Pid) -> impl Iterator<Item = Pid> + '_ {
        chain::iter(&self.nodes, pid, Kin::Children)
    }

    /// The first process of a partition, while it lives.
    #[must_use]
    pub fn init(&self, cid: Cid) -> Option<Pid> {
        self.inits.get(&cid).copied()
    }

    /// Whether a process is init of its partition.
    #[must_use]
    pub fn is_init(&self, pid: Pid) -> bool {
        self.nodes
            .get(&pid)
            .is_some_and(|node| self.inits.get(&node.cid) == Some(&pid))
    }

    /// Whether a process has ended and waits to be reaped.
    #[must_use]
    pub fn is_zombie(&self, pid: Pid) -> bool {
        self.nodes.get(&pid).is_some_and(|node| node.ended)
    }

    /// Whether a process is stopped by a signal.
    #[must_use]
    pub fn is_stopped(&self, pid: Pid) -> bool {
        self.nodes.get(&pid).is_some_and(|node| node.stopped)
    }

    /// Whether the process is in the tree, running or zombie.
    #[must_use]
    pub fn contains(&self, pid: Pid) -> bool {
        self.nodes.contains_key(&pid)
    }

    /// What awaited children have used, for `times` and `getrusage`.
    #[must_use]
    pub fn children_usage(&self, pid: Pid) -> Usage {
        self.nodes
            .get(&pid)
            .map(|node| node.children_usage)
            .unwrap_or_default()
    }

    /// Marks a process as stopped and reports that to its parent. One that traces it is told by [`ProcessTree::trapped`].
    pub fn stop(&mut self, pid: Pid, signal: SignalNumber) -> Option<Notice> {
        let parent = self.nodes.get(&pid).filter(|node| !node.ended)?.parent;
        self.mark_stopped(pid, true);
        if parent.is_some() && self.tracer(pid) == parent {
            return None;
        }
        self.report(pid, Report::Stopped(signal))
    }

    /// Marks a stopped process as going on and reports that to its parent.
    pub fn resume(&mut self, pid: Pid) -> Option<Notice> {
        self.nodes.get(&pid).filter(|node| node.stopped)?;
        self.mark_stopped(pid, false);
        self.report(pid, Report::Continued)
    }

    /// Moves a process into another partition (entering a WPAR, before exec): it gets a number there.
    ///
    /// Its global number stays, so its parent outside finds it; so do its group and session, through which
    /// the terminal that it was started from reaches it. With `init` it becomes the partition's init.
    ///
    /// # Errors
    /// ESRCH when there is no such process; EPERM when it has children, is an init, traces or is traced; EBUSY when the
    /// partition has an init or numbers in use already and `init` is asked for; EAGAIN when no number is left; ENOMEM.
    pub fn enter(&mut self, pid: Pid, cid: Cid, init: bool) -> Result<VPid, Errno> {
        let node = self
            .nodes
            .get(&pid)
            .filter(|node| !node.ended)
            .ok_or(Errno::ESRCH)?;
        let traces = self.tracer(pid).is_some() || self.tracees(pid).next().is_some();
        if node.first(Kin::Children).is_some() || self.is_init(pid) || traces {
            return Err(Errno::EPERM);
        }
        if init && (self.inits.contains_key(&cid) || self.pids.population(cid) > 0) {
            return Err(Errno::EBUSY);
        }
        if init {
            self.inits.insert(cid, pid)?;
        }
        let vpid = self.pids.transfer(pid, cid).inspect_err(|_| {
            if init {
                self.inits.remove(&cid);
            }
        })?;
        if let Some(node) = self.nodes.get_mut(&pid) {
            node.cid = cid;
        }
        Ok(vpid)
    }

    fn report(&mut self, pid: Pid, report: Report) -> Option<Notice> {
        let node = self.nodes.get_mut(&pid)?;
        let reports = node.report.replace(report).is_some();
        let parent = node.parent?;
        let ended = matches!(report, Report::Ended(_));
        let signal = if ended {
            node.exit_signal
        } else {
            Some(SignalNumber::SIGCHLD)
        };
        let notice = Notice {
            parent,
            child: pid,
            signal,
            report,
            usage: node.usage,
        };
        if !reports {
            chain::append(&mut self.nodes, parent, Kin::Reporting, pid);
        }
        Some(notice)
    }

    /// Takes a process out of the tree and gives its number up.
    fn remove(&mut self, pid: Pid) -> Option<T> {
        self.leave(pid);
        if let Some(parent) = self.parent(pid) {
            self.unlink(pid, parent);
        }
        let node = self.nodes.remove(&pid)?;
        if self.inits.get(&node.cid) == Some(&pid) {
            self.inits.remove(&node.cid);
        }
        self.pids.unbind(node.handle)
    }

    /// Takes a child out of its parent's chains.
    fn unlink(&mut self, child: Pid, parent: Pid) {
        chain::remove(&mut self.nodes, parent, Kin::Children, child);
        if self
            .nodes
            .get(&child)
            .is_some_and(|node| node.report.is_some())
        {
            chain::remove(&mut self.nodes, parent, Kin::Reporting, child);
        }
    }
}

#[cfg(test)]
mod tests;
