//! What follows from births, stops and deaths: notices to parents, orphans, the end of a partition's init.
//!
//! The tree answers what has to be told to whom; it is told here, after the tree's lock is released.

use crate::process::Process;
use crate::signals;
use crate::system::{Numbered, system};
use abi::linux::{SigInfo, SignalNumber};
use abi::{Cid, Pid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use process::{ExitStatus, Exit, Notice, Report, Usage};

/// The process with a global number, if it has not been reaped.
pub fn find(pid: Pid) -> Option<Arc<Process>> {
    system().tree.lock().pids.get(pid).and_then(Numbered::process)
}

/// A process has let go of everything: tells the tree and everybody concerned.
pub fn ended(process: &Arc<Process>, status: ExitStatus, usage: Usage) {
    // Asked before the tree's lock is taken: the answer needs the lock of the parent, which ranks above.
    let exit = system().tree.lock().exit(process.pid, status, usage, leaves_no_zombie);
    let Exit { notices, freed, hang_up, lost_terminal, ended_partition, .. } = exit;
    notices.iter().for_each(tell);
    freed.into_iter().for_each(forget);
    for group in hang_up {
        for signal in [SignalNumber::SIGHUP, SignalNumber::SIGCONT] {
            signals::post_to_group(group, SigInfo::kernel(signal));
        }
    }
    if let Some(terminal) = lost_terminal {
        crate::console::hang_up(terminal);
    }
    if let Some(cid) = ended_partition {
        kill_partition(cid);
    }
}

/// Whether children of a process leave no zombie, because it ignores SIGCHLD (`man 2 wait`, NOTES).
fn leaves_no_zombie(parent: &Numbered) -> bool {
    parent.process().is_some_and(|parent| parent.actions.lock().reaps_children())
}

/// Tells a parent of its child.
pub fn tell(notice: &Notice) {
    let Some(parent) = find(notice.parent) else { return };
    let (vpid, uid) = match find(notice.child) {
        Some(child) => (system().tree.lock().pids.seen(child.pid, parent.cid()), child.credential().identity.uid),
        None => (process::VPid::NONE, 0),
    };
    if let Some(signal) = notice.signal {
        let stop_only = !matches!(notice.report, Report::Ended(_));
        if !(stop_only && parent.actions.lock().ignores_stopped_children()) {
            signals::post(&parent, notice.report.info(signal, vpid, uid, &notice.usage));
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
pub fn kill_partition(cid: Cid) {
    if cid.is_global() {
        panic!("init of Global has ended");
    }
    let processes: Vec<_> = {
        let tree = system().tree.lock();
        tree.of_partition(cid).filter_map(|pid| tree.pids.get(pid).and_then(Numbered::process)).collect()
    };
    for process in processes {
        process.end(ExitStatus::Killed { signal: SignalNumber::SIGKILL, core: false });
    }
}
