//! Process groups and sessions (`man 2 setpgid`, `man 2 setsid`, POSIX job control).

use super::ProcessTree;
use crate::pids::VPid;
use abi::{Cid, Errno, Pid};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use security::Credential;

/// A terminal as sessions know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalId(pub u64);

/// What job control has to know of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its process group.
    pub group: Pid,
    /// Its session; it leads it when this is its own number.
    pub session: Pid,
    /// The terminal that controls the session.
    pub terminal: Option<TerminalId>,
    /// Whether nobody in the session but outside the group is a parent of a member, so that a stopped
    /// member might never be made to go on.
    pub orphaned: bool,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) session: Pid,
    pub(super) members: BTreeSet<Pid>,
    /// Those of them that are stopped.
    pub(super) stopped: BTreeSet<Pid>,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) groups: usize,
    pub(super) terminal: Option<TerminalId>,
}

impl<T> ProcessTree<T> {
    /// `setpgid`: moves a process to a group, which may be new. 0 means the caller, and the process itself.
    ///
    /// # Errors
    /// EINVAL for a negative group; ESRCH when `pid` is neither the caller nor a child of it; EACCES when the child has
    /// executed a program; EPERM for a session leader, another session or a group that is not in the
    /// caller's session.
    pub fn setpgid(
        &mut self,
        credential: &Credential,
        caller: Pid,
        pid: i32,
        group: i32,
    ) -> Result<(), Errno> {
        if group < 0 {
            return Err(Errno::EINVAL);
        }
        let target = self.meant(credential, caller, pid)?;
        let session = self.nodes.get(&caller).ok_or(Errno::ESRCH)?.session;
        let node = self
            .nodes
            .get(&target)
            .filter(|node| !node.ended)
            .ok_or(Errno::ESRCH)?;
        if target != caller {
            if node.parent != Some(caller) {
                return Err(Errno::ESRCH);
            }
            if node.session != session {
                return Err(Errno::EPERM);
            }
            if node.executed {
                return Err(Errno::EACCES);
            }
        }
        if node.session == target {
            return Err(Errno::EPERM);
        }
        let group = match group.cast_unsigned() {
            0 => target,
            number => self
                .pids
                .resolve(credential, VPid(number))
                .map_err(|_| Errno::EPERM)?,
        };
        if group != target
            && self
                .groups
                .get(&group)
                .is_none_or(|group| group.session != session)
        {
            return Err(Errno::EPERM);
        }
        if node.group != group {
            fallible::assured(|| self.leave_group_for(target, group, session));
        }
        Ok(())
    }

    /// `getpgid`: the group of a process, 0 being the caller, as the caller's partition sees it.
    ///
    /// # Errors
    /// ESRCH when there is no such process for the caller.
    pub fn getpgid(&self, credential: &Credential, caller: Pid, pid: i32) -> Result<VPid, Errno> {
        let target = self.meant(credential, caller, pid)?;
        Ok(self.pids.seen(
            self.nodes.get(&target).ok_or(Errno::ESRCH)?.group,
            credential.cid,
        ))
    }

    /// `getsid`: the session of a process, 0 being the caller, as the caller's partition sees it.
    ///
    /// # Errors
    /// ESRCH when there is no such process for the caller.
    pub fn getsid(&self, credential: &Credential, caller: Pid, pid: i32) -> Result<VPid, Errno> {
        let target = self.meant(credential, caller, pid)?;
        Ok(self.pids.seen(
            self.nodes.get(&target).ok_or(Errno::ESRCH)?.session,
            credential.cid,
        ))
    }

    /// `setsid`: starts a session and a group, both led by the caller, without a controlling terminal.
    ///
    /// # Errors
    /// EPERM when there is a group with the caller's number; ESRCH when the caller is not in the tree.
    pub fn setsid(&mut self, caller: Pid) -> Result<(), Errno> {
        if self.groups.contains_key(&caller) {
            return Err(Errno::EPERM);
        }
        if !self.nodes.contains_key(&caller) {
            return Err(Errno::ESRCH);
        }
        fallible::assured(|| self.leave_group_for(caller, caller, caller));
        Ok(())
    }

    /// Group, session and terminal of a process.
    #[must_use]
    pub fn job(&self, pid: Pid) -> Option<Job> {
        let node = self.nodes.get(&pid)?;
        let terminal = self
            .sessions
            .get(&node.session)
            .and_then(|session| session.terminal);
        Some(Job {
            group: node.group,
            session: node.session,
            terminal,
            orphaned: self.orphaned(node.group),
        })
    }

    /// The session of a group, if there is such a group.
    #[must_use]
    pub fn session_of_group(&self, group: Pid) -> Option<Pid> {
        self.groups.get(&group).map(|group| group.session)
    }

    /// The members of a group, zombies included, by ascending number.
    pub fn members(&self, group: Pid) -> impl Iterator<Item = Pid> + '_ {
        self.groups
            .get(&group)
            .into_iter()
            .flat_map(|group| group.members.iter().copied())
    }

    /// Gives a session a controlling terminal, or takes it away; answers the one it had.
    pub fn set_terminal(
        &mut self,
        session: Pid,
        terminal: Option<TerminalId>,
    ) -> Option<TerminalId> {
        let session = self.sessions.get_mut(&session)?;
        core::mem::replace(&mut session.terminal, terminal)
    }

    /// The processes that `kill` with this number means (`man 2 kill`); a positive one may be a thread's.
    ///
    /// -1 means all of the caller's own partition but its init and the caller: even in Global, partitions
    /// are not ended by accident.
    ///
    /// # Errors
    /// ESRCH when there is none, ENOMEM.
    pub fn targets(
        &self,
        credential: &Credential,
        caller: Pid,
        number: i32,
    ) -> Result<Vec<Pid>, Errno> {
        let found: Vec<Pid> = match number {
            1.. => return Ok(fallible::of_one(self.meant(credential, caller, number)?)?),
            0 => {
                let group = self.nodes.get(&caller).ok_or(Errno::ESRCH)?.group;
                fallible::collect(self.members(group))?
            }
            -1 => {
                let all = self.of_partition(credential.cid);
                fallible::collect(all.filter(|pid| *pid != caller && !self.is_init(*pid)))?
            }
            _ => {
                let group = VPid(number.unsigned_abs());
                let group = self
                    .pids
                    .resolve(credential, group)
                    .map_err(|absent| absent.no_process())?;
                fallible::collect(self.members(group))?
            }
        };
        if found.is_empty() {
            Err(Errno::ESRCH)
        } else {
            Ok(found)
        }
    }

    /// The processes of a partition, zombies included.
    pub fn of_partition(&self, cid: Cid) -> impl Iterator<Item = Pid> + '_ {
        self.pids
            .numbers(cid)
            .filter(|pid| self.nodes.contains_key(pid))
    }

    fn meant(&self, credential: &Credential, caller: Pid, pid: i32) -> Result<Pid, Errno> {
        if pid == 0 {
            return Ok(caller);
        }
        let number = u32::try_from(pid).map_err(|_| Errno::ESRCH)?;
        self.pids
            .resolve(credential, VPid(number))
            .map_err(|absent| absent.no_process())
    }

    fn leave_group_for(&mut self, pid: Pid, group: Pid, session: Pid) {
        // Joined first, so that a session that the process is the last member of survives the change.
        let old = self.nodes.get(&pid).map(|node| node.group);
        self.join(pid, group, session);
        if let Some(old) = old {
            self.leave_group(pid, old);
        }
    }

    /// Puts a process into a group of a session; both are made when there are none.
    pub(super) fn join(&mut self, pid: Pid, group: Pid, session: Pid) {
        if let Some(node) = self.nodes.get_mut(&pid) {
            (node.group, node.session) = (group, session);
        }
        if !self.groups.contains_key(&group) {
            self.pids.hold(group);
            self.groups.insert(
                group,
                Group {
                    session,
                    members: BTreeSet::new(),
                    stopped: BTreeSet::new(),
                },
            );
            if !self.sessions.contains_key(&session) {
                self.pids.hold(session);
                self.sessions.insert(
                    session,
                    Session {
                        groups: 0,
                        terminal: None,
                    },
                );
            }
            if let Some(session) = self.sessions.get_mut(&session) {
                session.groups += 1;
            }
        }
        if let Some(group) = self.groups.get_mut(&group) {
            group.members.insert(pid);
        }
        self.mark_stopped(pid, self.is_stopped(pid));
    }

    /// Keeps a process's state and its group's list of the stopped in step.
    pub(super) fn mark_stopped(&mut self, pid: Pid, stopped: bool) {
        let Some(node) = self.nodes.get_mut(&pid) else {
            return;
        };
        node.stopped = stopped;
        let Some(group) = self.groups.get_mut(&node.group) else {
            return;
        };
        if stopped {
            group.stopped.insert(pid);
        } else {
            group.stopped.remove(&pid);
        }
    }

    /// Takes a process out of its group.
    pub(super) fn leave(&mut self, pid: Pid) {
        if let Some(group) = self.nodes.get(&pid).map(|node| node.group) {
            self.leave_group(pid, group);
        }
    }

    fn leave_group(&mut self, pid: Pid, number: Pid) {
        let Some(group) = self.groups.get_mut(&number) else {
            return;
        };
        group.members.remove(&pid);
        group.stopped.remove(&pid);
        if !group.members.is_empty() {
            return;
        }
        let session_number = group.session;
        self.groups.remove(&number);
        self.pids.release(number);
        let Some(session) = self.sessions.get_mut(&session_number) else {
            return;
        };
        session.groups = session.groups.saturating_sub(1);
        if session.groups == 0 {
            self.sessions.remove(&session_number);
            self.pids.release(session_number);
        }
    }

    /// Whether a member's parent is in the same session but another group.
    fn keeps(&self, member: Pid) -> bool {
        let Some(node) = self.nodes.get(&member).filter(|node| !node.ended) else {
            return false;
        };
        let parent = node.parent.and_then(|parent| self.nodes.get(&parent));
        parent.is_some_and(|parent| {
            !parent.ended && parent.session == node.session && parent.group != node.group
        })
    }

    /// Whether a group is orphaned (POSIX 3.264).
    #[must_use]
    pub fn orphaned(&self, group: Pid) -> bool {
        !self.members(group).any(|member| self.keeps(member))
    }

    pub(super) fn orphaned_and_stopped(&self, group: Pid) -> bool {
        let stopped = self
            .groups
            .get(&group)
            .is_some_and(|group| !group.stopped.is_empty());
        stopped && self.orphaned(group)
    }

    /// Groups that were not orphaned while `leaving` ran, and might be now that it has ended.
    ///
    /// Called with `leaving` marked as ended and still parent of its children.
    pub(super) fn groups_kept_by(&self, leaving: Pid, own: Pid, children: &[Pid]) -> BTreeSet<Pid> {
        let session = self.nodes.get(&leaving).map(|node| node.session);
        let others = children
            .iter()
            .filter_map(|child| self.nodes.get(child))
            .filter(|child| Some(child.session) == session && child.group != own);
        let mut groups: BTreeSet<Pid> = others.map(|child| child.group).collect();
        if self.keeps_while_ending(leaving, own) {
            groups.insert(own);
        }
        groups
    }

    /// Whether the parent of `leaving` kept the group up to now.
    fn keeps_while_ending(&self, leaving: Pid, own: Pid) -> bool {
        let Some(node) = self.nodes.get(&leaving) else {
            return false;
        };
        let parent = node.parent.and_then(|parent| self.nodes.get(&parent));
        parent.is_some_and(|parent| {
            !parent.ended && parent.session == node.session && parent.group != own
        })
    }
}
