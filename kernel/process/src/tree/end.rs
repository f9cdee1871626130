//! The end of a process, in steps: [`ProcessTree::end`], [`ProcessTree::untrace`] for one thread that it traces after the
//! other, [`ProcessTree::pass_on`] for one child after the other, and [`ProcessTree::report_end`].
//!
//! Between two steps the lock may be released. A process that is ending gets no children any more and traces nobody else, so
//! there is an end to them; its parent hears of it when they have gone. No step takes memory: each answers what follows from
//! it, one thing of a kind.

use super::chain::{self, Kin};
use super::{ExitStatus, Notice, ProcessTree, Report, TerminalId};
use crate::usage::Usage;
use abi::linux::SignalNumber;
use abi::{Cid, Pid};

/// What goes with a process that ends, to be done after the tree's lock is released.
#[derive(Debug)]
pub struct End {
    /// The terminal that the process controlled as leader of its session: send SIGHUP and SIGCONT to its
    /// foreground group and disassociate it.
    pub lost_terminal: Option<TerminalId>,
    /// The partition whose init this was: everything in it must be killed.
    pub ended_partition: Option<Cid>,
}

/// What follows from one step, to be done after the tree's lock is released.
#[derive(Debug)]
pub struct Step<T> {
    /// Whom to tell of an ended child: the parent, a reaper that has inherited a zombie, or first of all a tracer.
    pub notice: Option<Notice>,
    /// The object of a process that left no zombie.
    pub freed: Option<T>,
    /// A child that has a new parent, for `PR_SET_PDEATHSIG`.
    pub orphan: Option<Pid>,
    /// A group with stopped members that is orphaned now: send SIGHUP, then SIGCONT to it
    /// (POSIX `_exit`, consequences of process termination).
    pub hang_up: Option<Pid>,
}

impl<T> Step<T> {
    const NOTHING: Self = Self {
        notice: None,
        freed: None,
        orphan: None,
        hang_up: None,
    };
}

impl<T> ProcessTree<T> {
    /// Begins the end of a process: it is a zombie from now on. Nothing when it is one already.
    pub fn end(&mut self, pid: Pid) -> Option<End> {
        let node = self.nodes.get_mut(&pid).filter(|node| !node.ended)?;
        node.ended = true;
        let (cid, session) = (node.cid, node.session);
        self.set_subreaper(pid, false);
        self.mark_stopped(pid, false);
        let mut end = End {
            lost_terminal: None,
            ended_partition: None,
        };
        if self.inits.get(&cid) == Some(&pid) {
            self.inits.remove(&cid);
            end.ended_partition = Some(cid);
        }
        if session == pid {
            end.lost_terminal = self
                .sessions
                .get_mut(&session)
                .and_then(|session| session.terminal.take());
        }
        Some(end)
    }

    /// Who takes the next child of a process that is ending.
    #[must_use]
    pub fn heir(&self, ending: Pid) -> Option<Pid> {
        let child = self.nodes.get(&ending)?.first(Kin::Children)?;
        self.reaper(child, ending)
    }

    /// Gives the next child of a process that is ending to its [`heir`](Self::heir); nothing when none is left. The child
    /// becomes no zombie there, or is one no longer, when the heir `leaves_no_zombie`: it ignores SIGCHLD or has
    /// `SA_NOCLDWAIT` on it. One whose end its tracer has to know first is passed on untold.
    pub fn pass_on(&mut self, ending: Pid, leaves_no_zombie: bool) -> Option<Step<T>> {
        let node = self.nodes.get(&ending).filter(|node| node.ended)?;
        let (group, session) = (node.group, node.session);
        let child = node.first(Kin::Children)?;
        let heir = self.reaper(child, ending);
        self.unlink(child, ending);
        let node = self.nodes.get_mut(&child)?;
        node.parent = heir;
        node.exit_signal = Some(SignalNumber::SIGCHLD);
        let (ended, report) = (node.ended, node.report);
        let concerned = (node.session == session && node.group != group).then_some(node.group);
        if let Some(heir) = heir {
            chain::append(&mut self.nodes, heir, Kin::Children, child);
            if report.is_some() {
                chain::append(&mut self.nodes, heir, Kin::Reporting, child);
            }
        }
        let hang_up = concerned.filter(|group| self.orphaned_and_stopped(*group));
        let told = match report {
            Some(report @ Report::Ended(_)) => self.tell_end(child, report, leaves_no_zombie),
            _ => Step::NOTHING,
        };
        Some(Step {
            orphan: (!ended).then_some(child),
            hang_up,
            ..told
        })
    }

    /// The last step: reports the end of a process whose children have been passed on to its parent, which
    /// `leaves_no_zombie` is about, or to a tracer that is not its parent; see [`hand_over`](Self::hand_over) then.
    pub fn report_end(
        &mut self,
        pid: Pid,
        status: ExitStatus,
        usage: Usage,
        leaves_no_zombie: bool,
    ) -> Step<T> {
        if let Some(node) = self.nodes.get_mut(&pid) {
            node.usage = usage;
        }
        // Its parent may have kept its group from being orphaned until now.
        let hang_up = self.nodes.get(&pid).and_then(|node| {
            let parent = self.nodes.get(&node.parent?)?;
            let kept =
                !parent.ended && parent.session == node.session && parent.group != node.group;
            kept.then_some(node.group)
        });
        let hang_up = hang_up.filter(|group| self.orphaned_and_stopped(*group));
        let told = match self.tell_tracer(pid, status) {
            notice @ Some(_) => Step {
                notice,
                ..Step::NOTHING
            },
            None => {
                let _nobody_else_is_to_know = self.untrace(pid);
                self.tell_end(pid, Report::Ended(status), leaves_no_zombie)
            }
        };
        Step { hang_up, ..told }
    }

    /// Tells the parent of an ended process, or frees it when nobody wants to know.
    pub(super) fn tell_end(&mut self, pid: Pid, report: Report, leaves_no_zombie: bool) -> Step<T> {
        let notice = self.report(pid, report);
        let forgotten = match notice {
            Some(notice) => notice.signal == Some(SignalNumber::SIGCHLD) && leaves_no_zombie,
            None => true,
        };
        let freed = if forgotten { self.remove(pid) } else { None };
        Step {
            notice,
            freed,
            ..Step::NOTHING
        }
    }

    /// Who takes a child of a process that ends.
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
}
