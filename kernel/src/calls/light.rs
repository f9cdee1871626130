//! Calls that tell a thread who it is, note what it wants of signals or wake nobody, in the form that costs least
//! ([`arch::light`]).
//!
//! Each has its ordinary form too, which is run when the light one answers "not now": that is the one to read for what
//! the call does. Every case with an error goes there.

use crate::current;
use crate::system::system;
use crate::thread::Thread;
use abi::linux::{
    FUTEX_PRIVATE_FLAG, FUTEX_WAKE, KernelSigaction, SIG_SETMASK, SignalNumber, SignalSet,
    SystemCall, check_set_size,
};
use alloc::sync::Arc;
use arch::light::{self, Answer};
use arch::user;
use ipc::FutexKey;
use process::signal::Action;
use security::Identity;

/// The thread that has made the call, when nobody else is to be told of it: tracers and filters see ordinary calls only.
fn caller() -> Option<Arc<Thread>> {
    current::thread().filter(|thread| !thread.shows_calls())
}

/// Installs all light calls.
pub fn install() {
    light::install(SystemCall::Getpid.number(), getpid);
    light::install(SystemCall::Gettid.number(), gettid);
    light::install(SystemCall::Getppid.number(), getppid);
    light::install(SystemCall::Getuid.number(), getuid);
    light::install(SystemCall::Geteuid.number(), geteuid);
    light::install(SystemCall::Getgid.number(), getgid);
    light::install(SystemCall::Getegid.number(), getegid);
    light::install(SystemCall::RtSigprocmask.number(), sigprocmask);
    light::install(SystemCall::RtSigaction.number(), sigaction);
    light::install(SystemCall::Futex.number(), futex);
}

fn told(tell: impl FnOnce(&Thread) -> Option<u32>) -> Answer {
    current::with(|thread| {
        if thread.shows_calls() {
            None
        } else {
            tell(thread)
        }
    })
    .flatten()
    .map_or(Answer::NOT_NOW, |number| Answer::value(u64::from(number)))
}

fn of_identity(get: impl FnOnce(&Identity) -> u32) -> Answer {
    caller().map_or(Answer::NOT_NOW, |thread| {
        let number = thread.with_credential(|credential| get(&credential.identity));
        Answer::value(u64::from(number))
    })
}

extern "C" fn getpid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    told(|thread| Some(thread.process.virtual_pid().0))
}

extern "C" fn gettid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    told(|thread| Some(thread.virtual_tid().0))
}

extern "C" fn getppid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    told(|thread| thread.process.known_parent().map(|parent| parent.0))
}

extern "C" fn getuid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    of_identity(|identity| identity.uid)
}

extern "C" fn geteuid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    of_identity(|identity| identity.euid)
}

extern "C" fn getgid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    of_identity(|identity| identity.gid)
}

extern "C" fn getegid(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    of_identity(|identity| identity.egid)
}

extern "C" fn sigprocmask(how: u64, new: u64, old: u64, size: u64, _: u64, _: u64) -> Answer {
    change_mask(how, new, old, size).map_or(Answer::NOT_NOW, |()| Answer::value(0))
}

extern "C" fn sigaction(signal: u64, new: u64, old: u64, size: u64, _: u64, _: u64) -> Answer {
    change_action(signal, new, old, size).map_or(Answer::NOT_NOW, |()| Answer::value(0))
}

extern "C" fn futex(address: u64, operation: u64, _: u64, _: u64, _: u64, _: u64) -> Answer {
    wake_nobody(address, operation).map_or(Answer::NOT_NOW, |()| Answer::value(0))
}

/// `None` when the ordinary form has to do it: it is another operation, the word may be known by its place in shared memory, its
/// page is missing, or somebody waits.
fn wake_nobody(address: u64, operation: u64) -> Option<()> {
    if operation as u32 != FUTEX_WAKE | FUTEX_PRIVATE_FLAG || !address.is_multiple_of(4) {
        return None;
    }
    current::with(|thread| !thread.shows_calls()).filter(|&unseen| unseen)?;
    user::load_u32(address).ok()?;
    let space = current::space();
    let key = FutexKey::Private { space, address };
    (!system().futexes.is_awaited(key)).then_some(())
}

/// `None` when the ordinary form has to do it: a page is missing, or a signal becomes deliverable.
///
/// The old value is written before anything changes, so that the ordinary form begins with what this one found.
fn change_mask(how: u64, new: u64, old: u64, size: u64) -> Option<()> {
    check_set_size(size).ok()?;
    if how > SIG_SETMASK || overlap(new, old, size_of::<SignalSet>()) {
        return None;
    }
    let set = match new {
        0 => None,
        address => Some(SignalSet(user::load_u64(address).ok()?)),
    };
    let thread = caller()?;
    let before = thread.signals.lock().mask;
    if old != 0 {
        user::store_u64(old, before.0).ok()?;
    }
    let Some(set) = set else { return Some(()) };
    let shared = thread.process.signals.lock();
    let mut own = thread.signals.lock();
    own.change_mask(how, set).ok()?;
    if own.deliverable(&shared).is_empty() {
        return Some(());
    }
    own.mask = before;
    None
}

/// `None` when the ordinary form has to do it: a page is missing, or a pending signal may be void now.
fn change_action(signal: u64, new: u64, old: u64, size: u64) -> Option<()> {
    check_set_size(size).ok()?;
    let signal = SignalNumber::new(signal).ok()?;
    if overlap(new, old, KernelSigaction::SIZE) {
        return None;
    }
    let action = match new {
        0 => None,
        _ if SignalSet::UNBLOCKABLE.contains(signal) => return None,
        address => {
            let mut bytes = [0; KernelSigaction::SIZE];
            user::copy_in(&mut bytes, address).ok()?;
            Some(Action::from(KernelSigaction::decode(&bytes)))
        }
    };
    let thread = caller()?;
    let mut shared = thread.process.signals.lock();
    if old != 0 {
        let before = KernelSigaction::from(shared.actions.get(signal));
        user::copy_out(old, &before.encode()).ok()?;
    }
    let Some(action) = action else {
        return Some(());
    };
    let own = thread.signals.lock().pending.set();
    if own.union(shared.pending.set()).contains(signal) {
        return None;
    }
    shared.actions.set(signal, action).ok().map(|_| ())
}

/// Whether two structures of a program lie over one another: what is written to the one must not be read in the other.
fn overlap(one: u64, other: u64, size: usize) -> bool {
    one != 0 && other != 0 && one.abs_diff(other) < size as u64
}
