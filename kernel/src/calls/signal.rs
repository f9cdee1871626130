//! Signals, as programs send, block, await and answer them.

use super::Call;
use crate::dispatch::one_of_many;
use crate::family;
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::posix_timers;
use crate::process::Process;
use crate::signal_frame;
use crate::signals;
use crate::system::{Numbered, system};
use crate::thread::Thread;
use abi::Errno;
use abi::linux::{
    KernelSigaction, SI_TKILL, SI_USER, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGINFO_SIZE, SigInfo,
    SignalNumber, SignalSet, StackT, check_set_size,
};
use alloc::sync::Arc;
use process::{Target, VPid};

/// A signal number of a call that may also only ask for existence (0).
pub(super) fn number_or_check(value: u64) -> Result<Option<SignalNumber>, Errno> {
    match value as u32 {
        0 => Ok(None),
        number => SignalNumber::new(u64::from(number)).map(Some),
    }
}

/// What comes with a signal of the caller for a process of partition `cid`.
pub(super) fn from_caller(
    call: &Call<'_>,
    signal: SignalNumber,
    code: i32,
    receiver: abi::Cid,
) -> SigInfo {
    from_thread(call.thread, signal, code, receiver)
}

fn from_thread(sender: &Thread, signal: SignalNumber, code: i32, receiver: abi::Cid) -> SigInfo {
    let process = sender.process.pid;
    let pid = system().tree.lock().pids.seen(process, receiver);
    let uid = sender.with_credential(|credential| credential.identity.uid);
    SigInfo::sent(signal, code, pid.0, uid)
}

/// `man 2 kill`.
pub fn kill(call: &mut Call<'_>) -> Called {
    let signal = number_or_check(call.argument(1))?;
    let own = call.process().virtual_pid();
    if let Some(signal) = signal
        && own == VPid(call.argument(0) as u32)
        && signals::send_home(call.thread, false, signal, SI_USER)?
    {
        return Ok(0);
    }
    let (target, caller, cid) = {
        let tree = system().tree.lock();
        let caller = call.process().pid;
        let target = tree.target(call.credential(), caller, call.argument(0) as i32)?;
        (target, caller, call.cid())
    };
    // One after the other, so that no signal fails for want of memory for a list.
    match target {
        Target::Process(pid) => {
            let owner = system().tree.lock().pids.by_pid(pid).map(Numbered::owner);
            let owner = owner.ok_or(Errno::ESRCH)?;
            send_one(call.thread, &owner, signal)?;
            Ok(0)
        }
        Target::Group(group) => send_all(call, family::of_group(group), signal),
        Target::Partition => {
            let others = family::of_partition(cid).filter(move |process| {
                process.pid != caller && !system().tree.lock().is_init(process.pid)
            });
            send_all(call, others, signal)
        }
    }
}

/// Sends a signal of a thread to a process, or only asks whether it could.
fn send_one(
    sender: &Thread,
    target: &Arc<Process>,
    signal: Option<SignalNumber>,
) -> Result<(), Errno> {
    let origin = signals::permit(sender, target, None, signal)?;
    let Some(signal) = signal else { return Ok(()) };
    let info = from_thread(sender, signal, SI_USER, target.cid());
    signals::send(target, None, info, origin)
}

/// Sends a signal to all whom it may be sent to: it has to reach one of them, and the rest, when they are many, get it in
/// steps.
fn send_all(
    call: &Call<'_>,
    mut all: impl Iterator<Item = Arc<Process>> + Send + 'static,
    signal: Option<SignalNumber>,
) -> Called {
    let sender = call.thread.clone();
    let mut refused = Errno::ESRCH;
    for target in &mut all {
        let Err(errno) = send_one(&sender, &target, signal) else {
            if signal.is_some() {
                remains::for_each(all, move |target| {
                    // Whoever may not be reached, or has no room for it, is passed over.
                    send_one(&sender, &target, signal).ok();
                });
            }
            return Ok(0);
        };
        refused = errno;
        one_of_many();
    }
    Err(refused.into())
}

/// `man 2 tkill`.
pub fn tkill(call: &mut Call<'_>) -> Called {
    to_thread(call, None, call.argument(0), call.argument(1))
}

/// `man 2 tgkill`.
pub fn tgkill(call: &mut Call<'_>) -> Called {
    let group = call.argument(0) as i32;
    if group <= 0 {
        return Err(Errno::EINVAL.into());
    }
    to_thread(
        call,
        Some(VPid(group.unsigned_abs())),
        call.argument(1),
        call.argument(2),
    )
}

fn to_thread(call: &Call<'_>, group: Option<VPid>, number: u64, signal: u64) -> Called {
    let tid = u32::try_from(number as i32)
        .ok()
        .filter(|tid| *tid > 0)
        .ok_or(Errno::EINVAL)?;
    let signal = number_or_check(signal)?;
    let own = (call.process().virtual_pid(), call.thread.virtual_tid().0);
    if let Some(signal) = signal
        && own == (group.unwrap_or(own.0), tid)
        && signals::send_home(call.thread, true, signal, SI_TKILL)?
    {
        return Ok(0);
    }
    let thread = found_thread(call, group, tid)?;
    let origin = signals::permit(call.thread, &thread.process, Some(&thread), signal)?;
    if let Some(signal) = signal {
        let info = from_caller(call, signal, SI_TKILL, thread.process.cid());
        signals::send(&thread.process, Some(&thread), info, origin)?;
    }
    Ok(0)
}

/// The thread with a number, if given one of the process with another.
///
/// # Errors
/// ESRCH.
fn found_thread(call: &Call<'_>, group: Option<VPid>, tid: u32) -> Result<Arc<Thread>, Errno> {
    let tree = system().tree.lock();
    let found = tree.pids.find(call.credential(), VPid(tid));
    let found = found.map_err(|absent| absent.no_process())?.clone();
    let owner = tree.pids.seen(found.owner().pid, call.cid());
    drop(tree);
    if group.is_some_and(|group| group != owner) {
        return Err(Errno::ESRCH);
    }
    found.thread().ok_or(Errno::ESRCH)
}

/// Sends a signal with what the caller says that comes with it: only to itself may it pass as one of the kernel or of
/// `kill`. Signal 0 only asks whether it might send one.
fn send_told(
    call: &Call<'_>,
    [number, address]: [u64; 2],
    target: impl FnOnce() -> Result<(Arc<Process>, Option<Arc<Thread>>), Errno>,
) -> Called {
    let signal = number_or_check(number)?;
    let given = call.user.bytes::<SIGINFO_SIZE>(address)?;
    let info = signal.map(|signal| SigInfo::decode(signal, &given));
    let info = info.transpose()?;
    let (process, thread) = target()?;
    let may_say = |info: &SigInfo| info.code < 0 && info.code != SI_TKILL;
    if !Arc::ptr_eq(&process, call.process()) && !info.as_ref().is_none_or(may_say) {
        return Err(Errno::EPERM.into());
    }
    let origin = signals::permit(call.thread, &process, thread.as_deref(), signal)?;
    if let Some(info) = info {
        signals::send(&process, thread.as_ref(), info, origin)?;
    }
    Ok(0)
}

/// `man 2 rt_sigqueueinfo`.
///
/// # Errors
/// EAGAIN, EFAULT, EINVAL, EPERM, ESRCH.
pub fn sigqueueinfo(call: &mut Call<'_>) -> Called {
    send_told(call, [call.argument(1), call.argument(2)], || {
        let tree = system().tree.lock();
        let number = VPid(call.argument(0) as u32);
        let found = tree.pids.find(call.credential(), number);
        let found = found.map_err(|absent| absent.no_process())?;
        Ok((found.owner(), None))
    })
}

/// `man 2 rt_tgsigqueueinfo`.
///
/// # Errors
/// As [`sigqueueinfo`].
pub fn tgsigqueueinfo(call: &mut Call<'_>) -> Called {
    let positive = |index| match call.argument(index) as u32 {
        0 | 0x8000_0000.. => Err(Errno::EINVAL),
        number => Ok(number),
    };
    let (group, tid) = (positive(0)?, positive(1)?);
    send_told(call, [call.argument(2), call.argument(3)], || {
        let thread = found_thread(call, Some(VPid(group)), tid)?;
        Ok((thread.process.clone(), Some(thread)))
    })
}

/// `man 2 sigaction`.
pub fn sigaction(call: &mut Call<'_>) -> Called {
    check_set_size(call.argument(3))?;
    let signal = SignalNumber::new(call.argument(0))?;
    let (new, old) = (call.argument(1), call.argument(2));
    let new = match new {
        0 => None,
        address => Some(KernelSigaction::decode(&call.user.bytes(address)?)),
    };
    if old != 0 {
        let segment = crate::user::Segment {
            address: old,
            length: KernelSigaction::SIZE,
        };
        call.user.gather(segment, abi::mmu::Access::Write)?;
    }
    let before = {
        let mut shared = call.process().signals.lock();
        match new {
            None => shared.actions.get(signal),
            Some(action) => {
                let before = shared.actions.set(signal, action.into())?;
                if shared.actions.forgets(signal) {
                    let forgotten = SignalSet::of(&[signal]);
                    shared.pending.cancel(forgotten);
                    call.thread.signals.lock().pending.cancel(forgotten);
                }
                before
            }
        }
    };
    if old != 0 {
        call.user
            .write(old, &KernelSigaction::from(before).encode())?;
    }
    Ok(0)
}

/// `man 2 sigprocmask`.
pub fn sigprocmask(call: &mut Call<'_>) -> Called {
    check_set_size(call.argument(3))?;
    let (how, new, old) = (call.argument(0), call.argument(1), call.argument(2));
    let set = match new {
        0 => None,
        address => Some(SignalSet(call.user.u64(address)?)),
    };
    let before = call.thread.signals.lock().mask;
    if let Some(set) = set {
        let mask = match how {
            SIG_BLOCK => before.union(set),
            SIG_UNBLOCK => before.difference(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        call.thread.signals.lock().set_mask(mask);
        call.thread.call_attention();
    }
    if old != 0 {
        call.user.write(old, &before.0.to_le_bytes())?;
    }
    Ok(0)
}

/// `man 2 sigpending`.
pub fn sigpending(call: &mut Call<'_>) -> Called {
    check_set_size(call.argument(1))?;
    let pending = {
        let shared = call.process().signals.lock();
        let own = call.thread.signals.lock();
        own.pending
            .set()
            .union(shared.pending.set())
            .intersection(own.mask)
    };
    call.user
        .write(call.argument(0), &pending.0.to_le_bytes())?;
    Ok(0)
}

/// `man 2 sigsuspend`.
pub fn sigsuspend(call: &mut Call<'_>) -> Called {
    check_set_size(call.argument(1))?;
    let mask = SignalSet(call.user.u64(call.argument(0))?);
    call.waiter();
    call.thread.signals.lock().suspend_mask(mask);
    // A signal that the new mask lets through is looked at before the thread parks.
    if call.progress() == Continuation::Fresh {
        call.set_progress(Continuation::Begun);
        call.thread.call_attention();
    }
    Err(Outcome::Park(Wait::retry()))
}

/// `man 2 pause`.
pub fn pause(call: &mut Call<'_>) -> Called {
    call.waiter();
    Err(Outcome::Park(Wait::retry()))
}

/// `man 2 sigtimedwait`. While it waits, no handler takes away what it waits for, though it be unblocked.
pub fn sigtimedwait(call: &mut Call<'_>) -> Called {
    call.thread.signals.lock().restore_mask();
    check_set_size(call.argument(3))?;
    let wanted = SignalSet(call.user.u64(call.argument(0))?).difference(SignalSet::UNBLOCKABLE);
    let (info, timeout) = (call.argument(1), call.argument(2));
    let span = match timeout {
        0 => None,
        address => Some(super::clock::ticks(
            super::clock::read_timespec(call, address)?.nanos()?,
        )),
    };
    if info != 0 {
        let segment = crate::user::Segment {
            address: info,
            length: SIGINFO_SIZE,
        };
        call.user.gather(segment, abi::mmu::Access::Write)?;
    }
    call.waiter();
    let until = call.deadline(span);
    let late = until.is_some_and(|until| until <= arch::time::now());
    let found = {
        let mut shared = call.process().signals.lock();
        let mut own = call.thread.signals.lock();
        let found = own.await_signal(&mut shared, wanted);
        if found.is_none() && !late {
            own.suspend_handlers(&shared, wanted);
        }
        found
    };
    if found.is_some() || late {
        // Handlers that were held back meanwhile have their turn.
        call.thread.call_attention();
    }
    if let Some(mut found) = found {
        posix_timers::delivered(call.process(), &mut found);
        if info != 0 {
            call.user.write(info, &found.encode())?;
        }
        return Ok(u64::from(found.signal.get()));
    }
    if late {
        return Err(Errno::EAGAIN.into());
    }
    call.wait_until(until)
}

/// `man 2 sigaltstack`.
pub fn sigaltstack(call: &mut Call<'_>) -> Called {
    let (new, old) = (call.argument(0), call.argument(1));
    let sp = call.body.context.gpr[super::process::STACK_POINTER];
    let new = match new {
        0 => None,
        address => Some(StackT::decode(&call.user.bytes(address)?)),
    };
    let before = {
        let mut own = call.thread.signals.lock();
        let before = own.stack.describe(sp);
        if let Some(new) = new {
            own.stack.set(new, sp)?;
        }
        before
    };
    if old != 0 {
        call.user.write(old, &before.encode())?;
    }
    Ok(0)
}

/// `man 2 sigreturn`: back to where the handler interrupted the program.
pub fn sigreturn(call: &mut Call<'_>) -> Outcome {
    if signal_frame::pop(call.thread, &mut call.body.context, &call.user).is_err() {
        signals::fault(call.thread, SigInfo::kernel(SignalNumber::SIGSEGV));
    }
    Outcome::Restored
}
