//! What `wait4` and `waitid` find.

use super::chain::{self, Kin};
use super::{Node, ProcessTree, Report};
use crate::usage::Usage;
use abi::linux::{SignalNumber, WaitOptions};
use abi::{Errno, Pid};

/// Which children a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Any child.
    Any,
    /// One child.
    Process(Pid),
    /// The children in a group.
    Group(Pid),
}

/// What a wait has found.
#[derive(Debug, PartialEq, Eq)]
pub struct Waited<T> {
    /// The child.
    pub pid: Pid,
    /// What it reports.
    pub report: Report,
    /// What it and its awaited children have used.
    pub usage: Usage,
    /// The object of a child that has been reaped, to be dropped after the tree's lock is released.
    pub reaped: Option<T>,
    /// It is an ended process that was traced by the caller, and its parent has to be told: [`ProcessTree::hand_over`].
    pub handed_over: bool,
}

impl<T> ProcessTree<T> {
    /// Looks for a traced thread or a child with something to report, and takes the report unless [`WaitOptions::NOWAIT`].
    ///
    /// Nothing means that the caller has to wait: it enrols in its own queue of children under the tree's
    /// lock. NOHANG is the caller's to see. A number that cannot be resolved is ECHILD as well.
    ///
    /// # Errors
    /// ECHILD when there is no child that could ever match.
    pub fn wait(
        &mut self,
        parent: Pid,
        selector: Selector,
        options: WaitOptions,
    ) -> Result<Option<Waited<T>>, Errno> {
        if let Some(traced) = self.wait_traced(parent, selector, options) {
            return Ok(Some(traced));
        }
        if !self.nodes.contains_key(&parent) {
            return Err(Errno::ECHILD);
        }
        let of_parent = |pid: &Pid| self.parent(*pid) == Some(parent);
        let matches = |pid: Pid| {
            self.nodes
                .get(&pid)
                .is_some_and(|child| selects(child, pid, selector, options))
        };
        let reports = |pid: &Pid| {
            matches(*pid)
                && self
                    .nodes
                    .get(pid)
                    .is_some_and(|child| wanted(child, options))
        };
        let found = match selector {
            Selector::Process(pid) => Some(pid).filter(|pid| of_parent(pid) && reports(pid)),
            _ => chain::iter(&self.nodes, parent, Kin::Reporting).find(reports),
        };
        let Some(pid) = found else {
            let possible = match selector {
                Selector::Process(pid) => of_parent(&pid) && matches(pid),
                _ => self.children(parent).any(matches),
            };
            return if possible || self.may_be_told(parent, selector) {
                Ok(None)
            } else {
                Err(Errno::ECHILD)
            };
        };
        Ok(self.collect(parent, pid, options))
    }

    fn collect(&mut self, parent: Pid, pid: Pid, options: WaitOptions) -> Option<Waited<T>> {
        let child = self.nodes.get_mut(&pid)?;
        let report = child.report?;
        let mut usage = child.usage;
        usage.add(&child.children_usage);
        let mut waited = Waited {
            pid,
            report,
            usage,
            reaped: None,
            handed_over: false,
        };
        if options.contains(WaitOptions::NOWAIT) {
            return Some(waited);
        }
        // Not by whether it is ended: one that is ending may still have to report that it was stopped.
        if matches!(report, Report::Ended(_)) {
            if let Some(node) = self.nodes.get_mut(&parent) {
                node.children_usage.add(&usage);
            }
            waited.reaped = self.remove(pid);
        } else {
            child.report = None;
            chain::remove(&mut self.nodes, parent, Kin::Reporting, pid);
        }
        Some(waited)
    }
}

fn selects(child: &Node, pid: Pid, selector: Selector, options: WaitOptions) -> bool {
    let named = match selector {
        Selector::Any => true,
        Selector::Process(wanted) => wanted == pid,
        Selector::Group(group) => child.group == group,
    };
    let cloned = child.exit_signal != Some(SignalNumber::SIGCHLD);
    named
        && (options.contains(WaitOptions::ALL_KINDS)
            || cloned == options.contains(WaitOptions::CLONE))
}

fn wanted(child: &Node, options: WaitOptions) -> bool {
    match child.report {
        Some(Report::Ended(_)) => options.contains(WaitOptions::EXITED),
        Some(Report::Stopped(_)) => options.contains(WaitOptions::UNTRACED),
        Some(Report::Continued) => options.contains(WaitOptions::CONTINUED),
        Some(Report::Trapped(_)) | None => false,
    }
}
