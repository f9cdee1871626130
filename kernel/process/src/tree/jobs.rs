//! Process groups and sessions (`man 2 setpgid`, `man 2 setsid`, POSIX job control).

use super::ProcessTree;
use crate::pids::VPid;
use abi::{Cid, Errno, Pid};
use fallible::NoMemory;
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
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One process; the number may be a thread's.
    Process(Pid),
    /// The members of a group.
    Group(Pid),
    /// All of the caller's own partition but its init and the caller: even in Global, partitions are not ended by accident.
    Partition,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) session: Pid,
    /// How many are in it; who, is in the tree's `members`.
    pub(super) members: usize,
    /// How many of them are stopped.
    pub(super) stopped: usize,
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
    /// caller's session; ENOMEM.
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
            self.leave_group_for(target, group, session)?;
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
    /// EPERM when there is a group with the caller's number; ESRCH when the caller is not in the tree; ENOMEM.
    pub fn setsid(&mut self, caller: Pid) -> Result<(), Errno> {
        if self.groups.contains_key(&caller) {
            return Err(Errno::EPERM);
        }
        if !self.nodes.contains_key(&caller) {
            return Err(Errno::ESRCH);
        }
        Ok(self.leave_group_for(caller, caller, caller)?)
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
        })
    }

    /// The session of a group, if there is such a group.
    #[must_use]
    pub fn session_of_group(&self, group: Pid) -> Option<Pid> {
        self.groups.get(&group).map(|group| group.session)
    }

    /// The members of a group, zombies included, by ascending number.
    pub fn members(&self, group: Pid) -> impl Iterator<Item = Pid> + '_ {
        self.members_from(group, Pid(0))
    }

    /// The members of a group from a number on: for walks that can be resumed.
    pub fn members_from(&self, group: Pid, first: Pid) -> impl Iterator<Item = Pid> + '_ {
        self.members
            .range((group, first)..=(group, Pid(u32::MAX)))
            .map(|((_, member), ())| *member)
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

    /// Whom `kill` with this number means (`man 2 kill`).
    ///
    /// # Errors
    /// ESRCH when there is none that the caller may know of.
    pub fn target(
        &self,
        credential: &Credential,
        caller: Pid,
        number: i32,
    ) -> Result<Target, Errno> {
        match number {
            1.. => Ok(Target::Process(self.meant(credential, caller, number)?)),
            0 => {
                let node = self.nodes.get(&caller).ok_or(Errno::ESRCH)?;
                Ok(Target::Group(node.group))
            }
            -1 => Ok(Target::Partition),
            _ => {
                let group = VPid(number.unsigned_abs());
                let group = self
                    .pids
                    .resolve(credential, group)
                    .map_err(|absent| absent.no_process())?;
                Ok(Target::Group(group))
            }
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

    fn leave_group_for(&mut self, pid: Pid, group: Pid, session: Pid) -> Result<(), NoMemory> {
        // Joined first, so that a session that the process is the last member of survives the change.
        let old = self.nodes.get(&pid).map(|node| node.group);
        self.join(pid, group, session)?;
        if let Some(old) = old {
            self.leave_group(pid, old);
        }
        Ok(())
    }

    /// Puts a process into a group of a session; both are made when there are none.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing has changed.
    pub(super) fn join(&mut self, pid: Pid, group: Pid, session: Pid) -> Result<(), NoMemory> {
        self.members.insert((group, pid), ())?;
        if let Err(no_memory) = self.found(group, session) {
            self.members.remove(&(group, pid));
            return Err(no_memory);
        }
        let mut stopped = false;
        if let Some(node) = self.nodes.get_mut(&pid) {
            (node.group, node.session) = (group, session);
            stopped = node.stopped;
        }
        if let Some(group) = self.groups.get_mut(&group) {
            group.members += 1;
            group.stopped += usize::from(stopped);
        }
        Ok(())
    }

    /// Makes a group and its session when there are none.
    fn found(&mut self, number: Pid, session_number: Pid) -> Result<(), NoMemory> {
        if self.groups.contains_key(&number) {
            return Ok(());
        }
        let group = Group {
            session: session_number,
            members: 0,
            stopped: 0,
        };
        self.groups.insert(number, group)?;
        if !self.sessions.contains_key(&session_number) {
            let session = Session {
                groups: 0,
                terminal: None,
            };
            if let Err(no_memory) = self.sessions.insert(session_number, session) {
                self.groups.remove(&number);
                return Err(no_memory);
            }
            self.pids.hold(session_number);
        }
        self.pids.hold(number);
        if let Some(session) = self.sessions.get_mut(&session_number) {
            session.groups += 1;
        }
        Ok(())
    }

    /// Keeps a process's state and its group's number of the stopped in step.
    pub(super) fn mark_stopped(&mut self, pid: Pid, stopped: bool) {
        let Some(node) = self.nodes.get_mut(&pid) else {
            return;
        };
        let before = core::mem::replace(&mut node.stopped, stopped);
        if let Some(group) = self.groups.get_mut(&node.group) {
            group.stopped = (group.stopped + usize::from(stopped)) - usize::from(before);
        }
    }

    /// Takes a process out of its group.
    pub(super) fn leave(&mut self, pid: Pid) {
        if let Some(group) = self.nodes.get(&pid).map(|node| node.group) {
            self.leave_group(pid, group);
        }
    }

    fn leave_group(&mut self, pid: Pid, number: Pid) {
        let stopped = self.is_stopped(pid);
        let Some(group) = self.groups.get_mut(&number) else {
            return;
        };
        if self.members.remove(&(number, pid)).is_none() {
            return;
        }
        group.members -= 1;
        group.stopped -= usize::from(stopped);
        if group.members > 0 {
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

    /// Whether a group is orphaned (POSIX 3.264): nobody in the session but outside the group is a parent of a member, so that a
    /// stopped member might never be made to go on. Looks at all members.
    #[must_use]
    pub fn orphaned(&self, group: Pid) -> bool {
        !self.members(group).any(|member| self.keeps(member))
    }

    pub(super) fn orphaned_and_stopped(&self, group: Pid) -> bool {
        let stopped = self
            .groups
            .get(&group)
            .is_some_and(|group| group.stopped > 0);
        stopped && self.orphaned(group)
    }
}
