//! Signals: sending them to processes, threads and groups, stopping and going on.
//!
//! What a signal means is decided in the `process` crate; here it is brought to its target and the target is
//! made to look. Locks: the target's signals (rank `Process`), under it each thread's (rank `Thread`); the tree's
//! lock is taken before or after, never with them.

use crate::family;
use crate::posix_timers;
use crate::process::Process;
use crate::system::system;
use crate::thread::Thread;
use abi::linux::{Resource, SigInfo, SignalNumber, SignalSet};
use abi::{Errno, Pid};
use alloc::sync::Arc;
use process::signal::{self, Delivery, Effects, Pending, deliver, effects, force};

/// Where a signal comes from, as far as the protection of a partition's init goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A process of the same partition, or the process itself.
    Inside,
    /// Global, or the kernel on its behalf.
    Outside,
}

/// Sends a signal to a process.
///
/// An error that only a real-time signal can meet (a full queue) is of no concern to the kernel's own senders.
pub fn post(process: &Arc<Process>, info: SigInfo, origin: Origin) {
    send(process, None, info, origin).ok();
}

/// Sends a signal to every process of a group.
pub fn post_to_group(group: Pid, info: SigInfo) {
    remains::for_each(family::of_group(group), move |process| {
        post(&process, info, Origin::Inside);
    });
}

/// Sends a signal to a process or, when given, to one of its threads.
///
/// # Errors
/// EAGAIN when a queued real-time signal finds the queue full.
pub fn send(
    process: &Arc<Process>,
    thread: Option<&Arc<Thread>>,
    info: SigInfo,
    origin: Origin,
) -> Result<(), Errno> {
    let limit = process.limit(Resource::PendingSignals);
    bring(process, thread, info, origin, limit).map(|_| ())
}

/// Sends the signal of a timer, for which there is always room.
pub fn post_timer(process: &Arc<Process>, thread: Option<&Arc<Thread>>, info: SigInfo) -> Posted {
    bring(process, thread, info, Origin::Inside, u64::MAX).unwrap_or(Posted::Nowhere)
}

/// What has become of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is pending, with what came with it.
    Queued,
    /// One of the same number was pending, and there is one of them.
    Merged,
    /// Nobody wants it.
    Nowhere,
}

fn bring(
    process: &Arc<Process>,
    thread: Option<&Arc<Thread>>,
    info: SigInfo,
    origin: Origin,
    limit: u64,
) -> Result<Posted, Errno> {
    let signal = info.signal;
    let Effects { cancels, resumes } = effects(signal);
    // Those that it may be delivered to, one after the other.
    let concerned = || {
        let others = thread.is_none().then(|| process.threads.iter());
        thread
            .cloned()
            .into_iter()
            .chain(others.into_iter().flatten())
    };
    // SIGKILL is for all, whomever it was sent to.
    let alone = thread.filter(|_| signal != SignalNumber::SIGKILL);
    // Who has to look.
    let (mut one, mut all) = (None, false);
    let mut posted = Posted::Nowhere;
    {
        let mut shared = process.signals.lock();
        if resumes {
            shared.note_resumption();
        }
        shared.pending.cancel(cancels);
        if !cancels.is_empty() {
            process
                .threads
                .iter()
                .for_each(|thread| thread.signals.lock().pending.cancel(cancels));
        }
        let open = |thread: &Arc<Thread>| !thread.signals.lock().mask.contains(signal);
        let receiver = concerned().find(open);
        let blocked = receiver.is_none();
        // A tracer is told of every signal, but for SIGKILL.
        let traced =
            signal != SignalNumber::SIGKILL && concerned().any(|thread| thread.is_traced());
        if traced || !shared.discards(signal, blocked, origin == Origin::Outside) {
            let post = |pending: &mut Pending| {
                let merged = !signal.is_realtime() && pending.set().contains(signal);
                pending.post(info, limit).map(|()| {
                    if merged {
                        Posted::Merged
                    } else {
                        Posted::Queued
                    }
                })
            };
            posted = match alone {
                Some(thread) => post(&mut thread.signals.lock().pending)?,
                None => post(&mut shared.pending)?,
            };
            // A blocked signal may be awaited by sigtimedwait: then whoever waits for it has to look. What ends them all is
            // for the first that runs: another one may wait for a CPU behind it for ever.
            let first = alone.is_none() && shared.is_fatal(signal);
            (one, all) = (receiver, blocked || first);
        }
    }
    if resumes {
        resume(process);
    }
    if posted != Posted::Nowhere {
        process.signal_readers.wake_all();
    }
    match alone {
        None if all => process.threads.interrupt(None),
        Some(thread) if all => thread.interrupt(),
        _ => one.iter().for_each(|thread| thread.interrupt()),
    }
    Ok(posted)
}

/// Makes the thread that runs here take a fault.
pub fn fault(thread: &Arc<Thread>, info: SigInfo) {
    let mut shared = thread.process.signals.lock();
    let protected = shared.protected;
    force(&mut thread.signals.lock(), &mut shared, info);
    if thread.is_traced() {
        // What the tracer makes of it is not known yet: a breakpoint in an init is no reason for its end.
        shared.protected = protected;
    }
    thread.call_attention();
}

/// Sends a signal of a running thread to its process, or to it alone, if that thread is to take it and has a handler for it:
/// nothing else is to be looked at then. False when that is not so, and nothing has happened.
///
/// # Errors
/// EAGAIN when a queued real-time signal finds the queue full.
pub fn send_home(
    thread: &Thread,
    alone: bool,
    signal: SignalNumber,
    code: i32,
) -> Result<bool, Errno> {
    let process = &thread.process;
    if effects(signal) != Effects::NONE || thread.is_traced() {
        return Ok(false);
    }
    let uid = thread.with_credential(|credential| credential.identity.uid);
    let limit = process.limit(Resource::PendingSignals);
    {
        let mut shared = process.signals.lock();
        let mut own = thread.signals.lock();
        if own.mask.contains(signal) || !shared.actions.has_handler(signal) {
            return Ok(false);
        }
        let pending = if alone {
            &mut own.pending
        } else {
            &mut shared.pending
        };
        let info = SigInfo::sent(signal, code, process.virtual_pid().0, uid);
        pending.post(info, limit)?;
    }
    process.signal_readers.wake_all();
    thread.call_attention();
    Ok(true)
}

/// What the return to the program has to do about signals, and whether there is more to do after it; looked at by the
/// thread itself.
pub fn next(thread: &Thread) -> Option<(Delivery, bool)> {
    let take = |asked: bool, orphaned: bool| {
        let mut shared = thread.process.signals.lock();
        let mut own = thread.signals.lock();
        let deliverable = own.deliverable(&shared);
        if !asked && !deliverable.intersection(SignalSet::STOPPING).is_empty() {
            return None;
        }
        if deliverable.is_empty() {
            return Some(None);
        }
        let delivery = deliver(&mut own, &mut shared, || orphaned);
        Some(delivery.map(|delivery| (delivery, !own.deliverable(&shared).is_empty())))
    };
    let mut delivery = match take(false, false) {
        Some(delivery) => delivery,
        // Whether stops are of effect is in the tree, which is asked without the signals' locks.
        None => take(true, is_orphaned(thread)).flatten(),
    };
    if let Some((Delivery::Handle { info, .. } | Delivery::Ignore(info), _)) = &mut delivery {
        posix_timers::delivered(&thread.process, info);
    }
    delivery
}

/// Whether stops from the keyboard are of no effect on the thread's process.
fn is_orphaned(thread: &Thread) -> bool {
    let tree = system().tree.lock();
    let job = tree.job(thread.process.pid);
    job.is_none_or(|job| tree.orphaned(job.group))
}

/// Whether a signal could be delivered to a thread now.
pub fn has_deliverable(thread: &Thread) -> bool {
    let shared = thread.process.signals.lock();
    let own = thread.signals.lock();
    !own.deliverable(&shared).is_empty()
}

/// Takes the next signal of a thread, for its tracer to see.
pub fn take(thread: &Thread) -> Option<SigInfo> {
    let mut taken = {
        let mut shared = thread.process.signals.lock();
        signal::take(&mut thread.signals.lock(), &mut shared)?
    };
    posix_timers::delivered(&thread.process, &mut taken);
    Some(taken)
}

/// What a signal does to a thread that has been taken from those that are pending.
pub fn act(thread: &Thread, info: SigInfo) -> Option<Delivery> {
    let orphaned = SignalSet::STOPPING.contains(info.signal) && is_orphaned(thread);
    let mut shared = thread.process.signals.lock();
    signal::act(&mut thread.signals.lock(), &mut shared, info, || orphaned)
}

/// Whether a signal would be delivered to a thread now.
pub fn are_due(thread: &Thread) -> bool {
    let shared = thread.process.signals.lock();
    !thread.signals.lock().deliverable(&shared).is_empty()
}

/// Whether SIGKILL is pending for a thread.
pub fn is_killed(thread: &Thread) -> bool {
    let shared = thread.process.signals.lock();
    let own = thread.signals.lock();
    own.deliverable(&shared).contains(SignalNumber::SIGKILL)
}

/// A thread stops its process; all threads leave their CPUs at their next return to user mode.
pub fn stop(thread: &Thread, signal: SignalNumber) {
    let process = &thread.process;
    process.with(|state| {
        state.stopped = state.end.is_none();
        state.stops = state.stops.wrapping_add(1);
        state.stop_signal = signal;
    });
    process.threads.interrupt(None);
    let notice = system().tree.lock().stop(process.pid, signal);
    if let Some(notice) = notice {
        family::tell(&notice);
    }
    // Who has made it go on since the signal was taken may have found nothing that was stopped.
    let overtaken = {
        let shared = process.signals.lock();
        signal::is_overtaken(&thread.signals.lock(), &shared)
    };
    if overtaken {
        resume(process);
    }
}

/// Makes a stopped process go on.
fn resume(process: &Arc<Process>) {
    if process.with(|state| core::mem::replace(&mut state.stopped, false)) {
        process.threads.interrupt(None);
    }
    let notice = system().tree.lock().resume(process.pid);
    if let Some(notice) = notice {
        family::tell(&notice);
    }
}

/// Checks whether `sender` may signal `target`, or one thread of it, and where the signal then comes from. In its own process it
/// may always, whoever the threads are.
///
/// # Errors
/// ESRCH when the target is absent for the sender, EPERM.
pub fn permit(
    sender: &Thread,
    target: &Process,
    thread: Option<&Thread>,
    signal: Option<SignalNumber>,
) -> Result<Origin, Errno> {
    let credential = sender.credential();
    let theirs = thread.map_or_else(|| target.credential(), Thread::credential);
    if sender.process.pid == target.pid || Arc::ptr_eq(&credential, &theirs) {
        return Ok(Origin::Inside);
    }
    let continues = signal == Some(SignalNumber::SIGCONT) && {
        let tree = system().tree.lock();
        let session = |pid| tree.job(pid).map(|job| job.session);
        session(sender.process.pid) == session(target.pid)
    };
    credential.may_signal(&theirs, continues)?;
    Ok(if credential.shares_users_with(&theirs) {
        Origin::Inside
    } else {
        Origin::Outside
    })
}
