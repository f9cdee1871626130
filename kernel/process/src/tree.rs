//! Who descends from whom, who belongs to which group and session, and what waits to be reported.
//!
//! A process is in the tree from [`ProcessTree::spawn`] until it is reaped. When it ends it becomes a zombie
//! and its children go to the nearest subreaper of their own partition, else to the partition's init, else
//! to init of Global. An orphan of a partition whose init is gone has no parent and leaves no zombie.
//! Numbers here are global ([`Pid`]); the calls that take what a program gave translate by the
//! credential's partition, so another partition's processes are absent.
//!
//! Invariants: `children` and `parent` mirror each other; `reportable` of a parent lists exactly its
//! children that have a report; a group has members, a session has groups, and both hold their number.

mod jobs;
mod trace;
mod wait;

pub use jobs::{Job, TerminalId};
pub use wait::{Selector, Waited};

use crate::pids::{PidHandle, PidTable, Reserved, VPid};
use crate::usage::Usage;
use abi::linux::{
    CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, CLD_TRAPPED, Detail, SigInfo,
    SignalNumber,
};
use abi::{Cid, Errno, Nanos, Pid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
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

/// What follows from the end of a process, to be done after the tree's lock is released.
#[derive(Debug)]
pub struct Exit<T> {
    /// Whom to tell of ended children: the parent, and reapers that have inherited zombies.
    pub notices: Vec<Notice>,
    /// Objects of processes that left no zombie.
    pub freed: Vec<T>,
    /// Children that have a new parent, for `PR_SET_PDEATHSIG`.
    pub orphans: Vec<Pid>,
    /// Groups with stopped members that are orphaned now: send SIGHUP, then SIGCONT to each
    /// (POSIX `_exit`, consequences of process termination).
    pub hang_up: Vec<Pid>,
    /// The terminal that the process controlled as leader of its session: send SIGHUP and SIGCONT to its
    /// foreground group and disassociate it.
    pub lost_terminal: Option<TerminalId>,
    /// The partition whose init this was: everything in it must be killed.
    pub ended_partition: Option<Cid>,
    /// The threads that the process has traced, still marked as traced by it.
    pub tracees: Vec<Pid>,
}

impl<T> Exit<T> {
    const fn new() -> Self {
        Self {
            notices: Vec::new(),
            freed: Vec::new(),
            orphans: Vec::new(),
            hang_up: Vec::new(),
            lost_terminal: None,
            ended_partition: None,
            tracees: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Node {
    handle: PidHandle,
    cid: Cid,
    parent: Option<Pid>,
    children: BTreeSet<Pid>,
    reportable: BTreeSet<Pid>,
    group: Pid,
    session: Pid,
    exit_signal: Option<SignalNumber>,
    executed: bool,
    subreaper: bool,
    stopped: bool,
    ended: bool,
    report: Option<Report>,
    usage: Usage,
    children_usage: Usage,
}

/// All processes, with the numbers of processes and threads.
pub struct ProcessTree<T> {
    /// Numbers and objects.
    pub pids: PidTable<T>,
    nodes: BTreeMap<Pid, Node>,
    groups: BTreeMap<Pid, Group>,
    sessions: BTreeMap<Pid, Session>,
    inits: BTreeMap<Cid, Pid>,
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
            nodes: BTreeMap::new(),
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            inits: BTreeMap::new(),
            subreapers: 0,
            traces: Traces::new(),
        }
    }

    /// Makes a process; the caller makes the object and binds it (`tree.pids.bind`), or takes the process
    /// back with [`ProcessTree::abandon`].
    ///
    /// # Errors
    /// EAGAIN when there is no number left; ESRCH when the parent is not in the tree or has ended.
    pub fn spawn(&mut self, birth: Birth) -> Result<Reserved, Errno> {
        fallible::assured(|| self.add(birth))
    }

    fn add(&mut self, birth: Birth) -> Result<Reserved, Errno> {
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
        if leads {
            self.inits.insert(birth.cid, pid);
        }
        let (group, session) = job.filter(|_| !leads).unwrap_or((pid, pid));
        let node = Node {
            handle: reserved.handle,
            cid: birth.cid,
            parent: birth.parent,
            children: BTreeSet::new(),
            reportable: BTreeSet::new(),
            group,
            session,
            exit_signal: birth.exit_signal,
            executed: false,
            subreaper: false,
            stopped: false,
            ended: false,
            report: None,
            usage: Usage::default(),
            children_usage: Usage::default(),
        };
        self.nodes.insert(pid, node);
        if let Some(parent) = birth.parent.and_then(|parent| self.nodes.get_mut(&parent)) {
            parent.children.insert(pid);
        }
        self.join(pid, group, session);
        Ok(reserved)
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

    /// The children, zombies included, by ascending number.
    pub fn children(&self, pid: Pid) -> impl Iterator<Item = Pid> + '_ {
        self.nodes
            .get(&pid)
            .into_iter()
            .flat_map(|node| node.children.iter().copied())
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

    /// Ends a process. It becomes a zombie until its parent reaps it, unless `leaves_no_zombie` says that
    /// the parent ignores SIGCHLD or has `SA_NOCLDWAIT` on it; it is asked for each parent concerned.
    pub fn exit(
        &mut self,
        pid: Pid,
        status: ExitStatus,
        usage: Usage,
        leaves_no_zombie: impl Fn(Pid) -> bool,
    ) -> Exit<T> {
        fallible::assured(|| self.end(pid, status, usage, leaves_no_zombie))
    }

    fn end(
        &mut self,
        pid: Pid,
        status: ExitStatus,
        usage: Usage,
        leaves_no_zombie: impl Fn(Pid) -> bool,
    ) -> Exit<T> {
        let mut exit = Exit::new();
        let Some(node) = self.nodes.get_mut(&pid).filter(|node| !node.ended) else {
            return exit;
        };
        node.ended = true;
        node.usage = usage;
        let (cid, group, session) = (node.cid, node.group, node.session);
        let children: Vec<Pid> = node.children.iter().copied().collect();
        self.set_subreaper(pid, false);
        self.mark_stopped(pid, false);
        if self.inits.get(&cid) == Some(&pid) {
            self.inits.remove(&cid);
            exit.ended_partition = Some(cid);
        }
        if session == pid {
            exit.lost_terminal = self
                .sessions
                .get_mut(&session)
                .and_then(|session| session.terminal.take());
        }
        exit.tracees = self.leave_tracees(pid);
        let concerned = self.groups_kept_by(pid, group, &children);
        for child in children {
            self.give_to_reaper(child, pid, &leaves_no_zombie, &mut exit);
        }
        exit.hang_up = concerned
            .into_iter()
            .filter(|group| self.orphaned_and_stopped(*group))
            .collect();
        match self.is_told_to_tracer(pid) {
            Some(_) => {
                if let Some(node) = self.nodes.get_mut(&pid) {
                    node.report = Some(Report::Ended(status));
                }
                exit.notices.extend(self.tell_tracer(pid, status));
            }
            None => {
                let _its_own_parents_now = self.untrace(pid);
                self.report_end(pid, Report::Ended(status), &leaves_no_zombie, &mut exit);
            }
        }
        exit
    }

    /// Marks a process as stopped and reports that to its parent. One that traces it is told by [`ProcessTree::trapped`].
    pub fn stop(&mut self, pid: Pid, signal: SignalNumber) -> Option<Notice> {
        let parent = self.nodes.get(&pid).filter(|node| !node.ended)?.parent;
        let told = parent.is_some() && self.tracer(pid) == parent;
        fallible::assured(|| {
            self.mark_stopped(pid, true);
            if told {
                None
            } else {
                self.report(pid, Report::Stopped(signal))
            }
        })
    }

    /// Marks a stopped process as going on and reports that to its parent.
    pub fn resume(&mut self, pid: Pid) -> Option<Notice> {
        self.nodes.get(&pid).filter(|node| node.stopped)?;
        self.mark_stopped(pid, false);
        fallible::assured(|| self.report(pid, Report::Continued))
    }

    /// Moves a process into another partition (entering a WPAR, before exec): it gets a number there.
    ///
    /// Its global number stays, so its parent outside finds it; so do its group and session, through which
    /// the terminal that it was started from reaches it. With `init` it becomes the partition's init.
    ///
    /// # Errors
    /// ESRCH when there is no such process; EPERM when it has children, is an init, traces or is traced; EBUSY when the
    /// partition has an init or numbers in use already and `init` is asked for; EAGAIN when no number is left.
    pub fn enter(&mut self, pid: Pid, cid: Cid, init: bool) -> Result<VPid, Errno> {
        let node = self
            .nodes
            .get(&pid)
            .filter(|node| !node.ended)
            .ok_or(Errno::ESRCH)?;
        let traces = self.tracer(pid).is_some() || self.has_tracees(pid);
        if !node.children.is_empty() || self.is_init(pid) || traces {
            return Err(Errno::EPERM);
        }
        if init && (self.inits.contains_key(&cid) || self.pids.population(cid) > 0) {
            return Err(Errno::EBUSY);
        }
        let vpid = fallible::assured(|| self.pids.transfer(pid, cid))?;
        if let Some(node) = self.nodes.get_mut(&pid) {
            node.cid = cid;
        }
        if init {
            fallible::assured(|| self.inits.insert(cid, pid));
        }
        Ok(vpid)
    }

    /// Who takes the children of a process that ends.
    fn reaper(&self, child: Pid, parent: Pid) -> Option<Pid> {
        let cid = self.nodes.get(&child)?.cid;
        let mut ancestor = (self.subreapers > 0).then(|| self.parent(parent)).flatten();
        while let Some(candidate) = ancestor {
            let node = self.nodes.get(&candidate)?;
            if node.cid != cid {
                break;
            }
            if node.subreaper && !node.ended {
                return Some(candidate);
            }
            ancestor = node.parent;
        }
        match self.init(cid) {
            Some(init) if init != child => Some(init),
            // Init of a partition whose starter has ended belongs to init of Global.
            Some(_) => self.init(Cid::GLOBAL).filter(|init| *init != child),
            None => None,
        }
    }

    fn give_to_reaper(
        &mut self,
        child: Pid,
        parent: Pid,
        leaves_no_zombie: &impl Fn(Pid) -> bool,
        exit: &mut Exit<T>,
    ) {
        let reaper = self.reaper(child, parent);
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.children.remove(&child);
            parent.reportable.remove(&child);
        }
        let Some(node) = self.nodes.get_mut(&child) else {
            return;
        };
        node.parent = reaper;
        node.exit_signal = Some(SignalNumber::SIGCHLD);
        let (ended, report) = (node.ended, node.report);
        // Its end is not told to its parent yet, whoever that is.
        let withheld = ended && self.tracer(child).is_some();
        if let Some(reaper) = reaper.and_then(|reaper| self.nodes.get_mut(&reaper)) {
            reaper.children.insert(child);
            if report.is_some() && !withheld {
                reaper.reportable.insert(child);
            }
        }
        if !ended {
            exit.orphans.push(child);
        } else if let Some(report) = report.filter(|_| !withheld) {
            self.report_end(child, report, leaves_no_zombie, exit);
        }
    }

    /// Tells the parent of an ended process, or frees it when nobody wants to know.
    fn report_end(
        &mut self,
        pid: Pid,
        report: Report,
        leaves_no_zombie: &impl Fn(Pid) -> bool,
        exit: &mut Exit<T>,
    ) {
        let notice = self.report(pid, report);
        exit.notices.extend(notice);
        let forgotten = match notice {
            Some(notice) => {
                notice.signal == Some(SignalNumber::SIGCHLD) && leaves_no_zombie(notice.parent)
            }
            None => true,
        };
        if forgotten {
            exit.freed.extend(self.remove(pid));
        }
    }

    fn report(&mut self, pid: Pid, report: Report) -> Option<Notice> {
        let node = self.nodes.get_mut(&pid)?;
        node.report = Some(report);
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
        self.nodes.get_mut(&parent)?.reportable.insert(pid);
        Some(notice)
    }

    /// Takes a process out of the tree and gives its number up.
    fn remove(&mut self, pid: Pid) -> Option<T> {
        self.leave(pid);
        let node = self.nodes.remove(&pid)?;
        if let Some(parent) = node.parent.and_then(|parent| self.nodes.get_mut(&parent)) {
            parent.children.remove(&pid);
            parent.reportable.remove(&pid);
        }
        if self.inits.get(&node.cid) == Some(&pid) {
            self.inits.remove(&node.cid);
        }
        self.pids.unbind(node.handle)
    }
}

#[cfg(test)]
mod tests;
