//! What follows from births, stops and deaths: notices to parents, orphans, the end of a partition's init.
//!
//! The tree answers what has to be told to whom; it is told here, after the tree's lock is released.

use crate::environment::{self, Environment};
use crate::process::Process;
use crate::ptrace;
use crate::signals::{self, Origin};
use crate::system::{Numbered, Tree, system};
use abi::linux::{ActionFlags, SigInfo, SignalNumber};
use abi::{Cid, Pid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use process::{Exit, ExitStatus, Notice, Report, Usage};
use smallvec::SmallVec;

/// The process with a global number, if it has not been reaped.
pub fn find(pid: Pid) -> Option<Arc<Process>> {
    system()
        .tree
        .lock()
        .pids
        .by_pid(pid)
        .and_then(Numbered::process)
}

/// A process has let go of everything: tells the tree and everybody concerned.
pub fn ended(process: &Arc<Process>, status: ExitStatus, usage: Usage) {
    let exit = {
        let mut tree = system().tree.lock();
        let careless = careless_reapers(&tree, process.pid);
        tree.exit(process.pid, status, usage, |reaper| {
            careless.contains(&reaper)
        })
    };
    follow(exit);
}

/// Tells the parent of a process that has ended, of which so far only its tracer has known.
pub fn hand_over(pid: Pid) {
    let exit = {
        let mut tree = system().tree.lock();
        let careless = careless_reapers(&tree, pid);
        tree.hand_over(pid, |reaper| careless.contains(&reaper))
    };
    follow(exit);
}

/// Does what follows from an end.
fn follow(exit: Exit<Numbered>) {
    let Exit {
        notices,
        freed,
        hang_up,
        lost_terminal,
        ended_partition,
        orphans,
        tracees,
    } = exit;
    tracees.into_iter().for_each(ptrace::tracer_ended);
    for orphan in orphans.into_iter().filter_map(find) {
        orphan.know_parent(None);
        let wanted = orphan.with(|state| state.conduct.death_signal);
        if let Some(signal) = wanted {
            signals::post(&orphan, SigInfo::kernel(signal), Origin::Inside);
        }
    }
    notices.iter().for_each(tell);
    freed.into_iter().for_each(forget);
    for group in hang_up {
        for signal in [SignalNumber::SIGHUP, SignalNumber::SIGCONT] {
            signals::post_to_group(group, SigInfo::kernel(signal));
        }
    }
    if let Some(terminal) = lost_terminal {
        crate::terminals::hang_up(terminal);
    }
    if let Some(cid) = ended_partition {
        if cid.is_global() {
            panic!("init of Global has ended");
        }
        if let Some(environment) = environment::find(cid) {
            kill_partition(&environment);
        }
    }
}

/// Those who may be told of the end of `pid` or of its children and leave no zombie (`man 2 wait`, NOTES).
fn careless_reapers(tree: &Tree, pid: Pid) -> SmallVec<[Pid; 3]> {
    let cid = tree.pids.place(pid).map_or(Cid::GLOBAL, |(cid, _)| cid);
    let reapers = [tree.parent(pid), tree.init(cid), tree.init(Cid::GLOBAL)];
    let careless = |reaper: &Pid| {
        let process = tree.pids.by_pid(*reaper).and_then(Numbered::process);
        process.is_some_and(|process| process.signals.lock().actions.reaps_children_itself())
    };
    reapers.into_iter().flatten().filter(careless).collect()
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

/// Kills everything in a partition: its init has ended or it is stopped by force.
///
/// Nobody escapes by being made meanwhile: after it has been closed nobody is admitted, and who was admitted before and
/// joins the tree later looks whether it is closed (`Process::end_if_closed`).
pub fn kill_partition(environment: &Environment) {
    environment.wpar.close();
    let processes: Vec<_> = {
        let tree = system().tree.lock();
        let process = |pid| tree.pids.by_pid(pid).and_then(Numbered::process);
        let all = tree.of_partition(environment.cid()).filter_map(process);
        // Nobody may be left over: a word for each of them.
        fallible::assured(|| all.collect())
    };
    for process in processes {
        process.end(ExitStatus::KILLED);
    }
}
