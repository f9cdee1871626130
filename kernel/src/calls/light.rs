//! Calls that only tell a thread who it is, in the form that costs least ([`arch::light`]).
//!
//! Each has its ordinary form too, which is run when the light one answers "not now": that is the one to read for what
//! the call does.

use crate::current;
use crate::thread::Thread;
use abi::linux::SystemCall;
use arch::light::{self, Answer};
use security::Identity;

/// Installs all light calls.
pub fn install() {
    light::install(SystemCall::Getpid.number(), getpid);
    light::install(SystemCall::Gettid.number(), gettid);
    light::install(SystemCall::Getppid.number(), getppid);
    light::install(SystemCall::Getuid.number(), getuid);
    light::install(SystemCall::Geteuid.number(), geteuid);
    light::install(SystemCall::Getgid.number(), getgid);
    light::install(SystemCall::Getegid.number(), getegid);
}

fn told(tell: impl FnOnce(&Thread) -> Option<u32>) -> Answer {
    current::with(tell)
        .flatten()
        .map_or(Answer::NOT_NOW, |number| Answer::value(u64::from(number)))
}

fn of_identity(get: impl FnOnce(&Identity) -> u32) -> Answer {
    current::process().map_or(Answer::NOT_NOW, |process| {
        let number = process.with(|state| get(&state.credential.identity));
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
