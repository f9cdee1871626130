//! What follows from births, stops and deaths: notices to parents, orphans, the end of a partition's init.
//!
//! The tree answers what has to be told to whom; it is told here, after the tree's lock is released.

use crate::dispatch::one_of_many;
use crate::environment::{self, Environment};
use crate::job::{self, Job, Work};
use crate::process::Process;
use crate::ptrace;
use crate::signals::{self, Origin};
use crate::system::{Numbered, Tree, system};
use abi::linux::{ActionFlags, Resource, SigInfo, SignalNumber};
use abi::{Cid, Pid};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering};
use process::{ExitStatus, Notice, Report, Step, Usage, VPid};
use security::{CapabilitySet, Credential};

/// The process with a global number, if it has not been reaped.
pub fn find(pid: Pid) -> Option<Arc<Process>> {
    system()
        .tree
        .lock()
        .pids
        .by_pid(pid)
        .and_then(Numbered::process)
}

/// So many tracees and children are let go of at a time.
const STEP: usize = 16;

/// So many processes are killed at a time.
const KILLED: usize = 4;

/// Whether a process has more tracees and children than its end lets go of at once.
pub fn has_many_ties(process: &Process) -> bool {
    let tree = system().tree.lock();
    let all = tree.tracees(process.pid).chain(tree.children(process.pid));
    all.take(STEP + 1).count() > STEP
}

/// A process whose end is decided, and which has one thread only, lets go of some of its tracees and children; false when it
/// has none.
pub fn part(process: &Process) -> bool {
    begin_end(process.pid);
    (0..STEP).all(|_| let_go_of_one(process.pid))
}

/// A process has let go of everything: tells the tree and everybody concerned.
pub fn ended(process: &Process, status: ExitStatus, usage: Usage) {
    let pid = process.pid;
    begin_end(pid);
    while let_go_of_one(pid) {}
    let step = {
        let mut tree = system().tree.lock();
        let careless = has_careless_parent(&tree, pid);
        tree.report_end(pid, status, usage, careless)
    };
    follow(step);
}

/// Tells the parent of a process that has ended, of which so far only its tracer has known.
pub fn hand_over(pid: Pid) {
    let step = {
        let mut tree = system().tree.lock();
        let careless = has_careless_parent(&tree, pid);
        tree.hand_over(pid, careless)
    };
    step.into_iter().for_each(follow);
}

/// Begins the end of a process in the tree, and does what goes with it.
fn begin_end(pid: Pid) {
    let Some(end) = system().tree.lock().end(pid) else {
        return;
    };
    if let Some(terminal) = end.lost_terminal {
        crate::terminals::hang_up(terminal);
    }
    if let Some(cid) = end.ended_partition {
        if cid.is_global() {
            panic!("init of Global has ended");
        }
        if let Some(environment) = environment::find(cid) {
            kill_partition(&environment);
        }
    }
}

/// A process that is ending lets go of a tracee or, when it has none, of a child; false when it has neither.
fn let_go_of_one(pid: Pid) -> bool {
    ptrace::let_go_of_one(pid) || pass_on(pid)
}

/// Gives one child of a process that is ending to its next parent; false when there is none left.
fn pass_on(pid: Pid) -> bool {
    let step = {
        let mut tree = system().tree.lock();
        let careless = tree.heir(pid).is_some_and(|heir| is_careless(&tree, heir));
        tree.pass_on(pid, careless)
    };
    step.map(follow).is_some()
}

/// Tells everybody concerned of a step in the end of a process.
fn follow(step: Step<Numbered>) {
    let Step {
        notice,
        freed,
        orphan,
        hang_up,
    } = step;
    if let Some(orphan) = orphan.and_then(find) {
        orphan.know_parent(None);
        let wanted = orphan.with(|state| state.conduct.death_signal);
        if let Some(signal) = wanted {
            signals::post(&orphan, SigInfo::kernel(signal), Origin::Inside);
        }
    }
    notice.iter().for_each(tell);
    freed.into_iter().for_each(forget);
    if let Some(group) = hang_up {
        for signal in [SignalNumber::SIGHUP, SignalNumber::SIGCONT] {
            signals::post_to_group(group, SigInfo::kernel(signal));
        }
    }
}

fn has_careless_parent(tree: &Tree, pid: Pid) -> bool {
    let parent = tree.parent(pid);
    parent.is_some_and(|parent| is_careless(tree, parent))
}

/// Whether a parent that is told of the end of a child leaves no zombie (`man 2 wait`, NOTES).
fn is_careless(tree: &Tree, parent: Pid) -> bool {
    let process = tree.pids.by_pid(parent).and_then(Numbered::process);
    process.is_some_and(|process| process.signals.lock().actions.reaps_children_itself())
}

/// Tells a parent of its child.
pub fn tell(notice: &Notice) {
    let Some(parent) = find(notice.parent) else {
        return;
    };
    let (vpid, child) = {
        let tree = system().tree.lock();
        let child = tree.pids.by_pid(notice.child).map(Numbered::owner);
        (tree.pids.seen(notice.child, parent.cid()), child)
    };
    let uid = child.map_or(0, |child| child.credential().identity.uid);
    if let Some(signal) = notice.signal {
        let stop_only = !matches!(notice.report, Report::Ended(_));
        let unwanted = stop_only && {
            let actions = &parent.signals.lock().actions;
            actions
                .get(SignalNumber::SIGCHLD)
                .flags
                .contains(ActionFlags::NOCLDSTOP)
        };
        if !unwanted {
            signals::post(
                &parent,
                notice.report.info(signal, vpid, uid, &notice.usage),
                Origin::Inside,
            );
        }
    }
    parent.waiting.wake_all();
}

/// A process is out of the tree: its partition has one less.
pub fn forget(object: Numbered) {
    if let Some(process) = object.process() {
        process.environment().process_left();
    }
}

/// Kills everything in a partition: its init has ended or it is stopped by force. That is a job of the partition, where there is
/// memory for one.
///
/// Nobody escapes by being made meanwhile: after it has been closed nobody is admitted, and who was admitted before and
/// joins the tree later looks whether it is closed (`Process::end_if_closed`).
pub fn kill_partition(environment: &Arc<Environment>) {
    environment.wpar.close();
    Job::start_or_do(environment.cid(), || Killing {
        cid: environment.cid(),
        environment: Arc::downgrade(environment),
        from: AtomicU32::new(VPid::INIT.0),
    });
}

/// The end of all processes of a partition.
struct Killing {
    cid: Cid,
    /// Kept as long as it takes to tell it from a later one, but not in use: it may go with the last of its processes.
    environment: Weak<Environment>,
    /// The number from which on they have not been looked at.
    from: AtomicU32,
}

impl Work for Killing {
    fn step(&self) -> job::Step {
        let mut from = VPid(self.from.load(Ordering::Relaxed));
        for _ in 0..KILLED {
            let Some(process) = next_of_partition(self.cid, &mut from) else {
                return job::Step::Done;
            };
            // By now the number may be that of a later partition.
            if let Some(process) = process
                && Arc::as_ptr(&process.environment()) == self.environment.as_ptr()
            {
                process.end(ExitStatus::KILLED);
            }
        }
        self.from.store(from.0, Ordering::Relaxed);
        job::Step::Again
    }
}

/// The processes of a group, one after the other by their numbers: signals must come, and need no memory for a list.
pub fn of_group(group: Pid) -> impl Iterator<Item = Arc<Process>> {
    let mut from = Pid(0);
    let next = move || {
        let tree = system().tree.lock();
        let member = tree.members_from(group, from).next()?;
        from = Pid(member.0 + 1);
        Some(tree.pids.by_pid(member).and_then(Numbered::process))
    };
    core::iter::from_fn(next).flatten()
}

/// The processes of a partition, one after the other by their numbers: so nobody is left out for want of memory for a list.
pub fn of_partition(cid: Cid) -> impl Iterator<Item = Arc<Process>> {
    let mut from = VPid::INIT;
    core::iter::from_fn(move || next_of_partition(cid, &mut from)).flatten()
}

/// Whether the user of a thread has, in its partition, more threads than RLIMIT_NPROC of the process, with `more` that
/// are about to begin; zombies count. Nobody is held to it who is root or may pass limits (`man 2 getrlimit`).
///
/// Nobody keeps a count for each user: they are counted when the partition has as many as the limit, which is seldom. On
/// two CPUs at once one more may begin than the limit says.
pub fn is_crowded(process: &Process, credential: &Credential, more: u64) -> bool {
    let limit = process.limit(Resource::Processes);
    let exempt = CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_ADMIN;
    let uid = credential.identity.uid;
    if uid == 0 || credential.capabilities.effective.intersects(exempt) {
        return false;
    }
    let environment = process.environment();
    let (processes, threads) = (&environment.wpar.processes, &environment.wpar.threads);
    let all = u64::from(processes.count()) + u64::from(threads.count());
    if all.saturating_add(more) <= limit {
        return false;
    }
    let mut count = more;
    for one in of_partition(environment.cid()) {
        if one.with(|state| state.credential.identity.uid == uid) {
            count += (one.threads.count() as u64).max(1);
        }
        if count > limit {
            return true;
        }
        one_of_many();
    }
    false
}

/// What has the first number of a partition from `from` on, which becomes the one behind it; `None` when there is none left,
/// and no process where the number is that of something else.
fn next_of_partition(cid: Cid, from: &mut VPid) -> Option<Option<Arc<Process>>> {
    let tree = system().tree.lock();
    let (number, object) = tree.pids.next_of(cid, *from)?;
    *from = VPid(number.0 + 1);
    Some(object.process())
}
