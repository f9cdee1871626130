//! Confining threads to some system calls (`man 2 seccomp`); what filters are is in the crate `seccomp`.

use super::Call;
use crate::outcome::Called;
use ::seccomp::{Filter, Program};
use abi::Errno;
use abi::linux::{
    BPF_MAXINSNS, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_TSYNC_ESRCH, SECCOMP_GET_ACTION_AVAIL,
    SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_LOG, SECCOMP_RET_TRACE,
    SECCOMP_RET_TRAP, SECCOMP_SET_MODE_FILTER, SECCOMP_SET_MODE_STRICT, SockFilter, SockFprog,
};
use alloc::sync::Arc;
use security::CapabilitySet;

/// `man 2 seccomp`. There is no listener, so its flag and its operations are unknown.
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN and PR_SET_NO_NEW_PRIVS; EINVAL for unknown flags and operations, and for a program that is
/// none; EOPNOTSUPP for an action that is not there; ESRCH, EFAULT, ENOMEM.
pub fn seccomp(call: &mut Call<'_>) -> Called {
    let (flags, argument) = (call.argument(1) as u32, call.argument(2));
    match call.argument(0) as u32 {
        SECCOMP_SET_MODE_STRICT if flags == 0 && argument == 0 => make_strict(call),
        SECCOMP_SET_MODE_FILTER => install(call, flags, argument),
        SECCOMP_GET_ACTION_AVAIL if flags == 0 => match call.user.u32(argument)? {
            SECCOMP_RET_KILL_PROCESS
            | SECCOMP_RET_KILL_THREAD
            | SECCOMP_RET_TRAP
            | SECCOMP_RET_ERRNO
            | SECCOMP_RET_TRACE
            | SECCOMP_RET_LOG
            | SECCOMP_RET_ALLOW => Ok(0),
            _ => Err(Errno::EOPNOTSUPP.into()),
        },
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `PR_SET_SECCOMP` of `man 2 prctl`.
///
/// # Errors
/// As [`seccomp()`].
pub fn set_mode(call: &mut Call<'_>, mode: u64, program: u64) -> Called {
    match mode as u32 {
        SECCOMP_MODE_STRICT => make_strict(call),
        SECCOMP_MODE_FILTER => install(call, 0, program),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn make_strict(call: &Call<'_>) -> Called {
    call.thread.confinement.make_strict()?;
    Ok(0)
}

fn install(call: &Call<'_>, flags: u32, program: u64) -> Called {
    const KNOWN: u32 = SECCOMP_FILTER_FLAG_TSYNC
        | SECCOMP_FILTER_FLAG_LOG
        | SECCOMP_FILTER_FLAG_SPEC_ALLOW
        | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    let header = SockFprog::decode(&call.user.bytes::<{ SockFprog::SIZE }>(program)?);
    if !(1..=BPF_MAXINSNS).contains(&usize::from(header.len)) {
        return Err(Errno::EINVAL.into());
    }
    let process = call.process();
    let bound = process.with(|state| state.conduct.no_new_privileges);
    let effective = call.credential().capabilities.effective;
    if !bound && !effective.contains(CapabilitySet::SYS_ADMIN) {
        return Err(Errno::EACCES.into());
    }
    let mut instructions = fallible::list(usize::from(header.len))?;
    let mut bytes = fallible::filled(0, usize::from(header.len) * SockFilter::SIZE)?;
    call.user.read(header.filter, &mut bytes)?;
    let (all, _) = bytes.as_chunks::<{ SockFilter::SIZE }>();
    instructions.extend(all.iter().map(SockFilter::decode));
    let program = Program::new(&instructions)?;
    let logs = flags & SECCOMP_FILTER_FLAG_LOG != 0;
    if flags & SECCOMP_FILTER_FLAG_TSYNC == 0 {
        let confinement = &call.thread.confinement;
        let filter = Filter::install(program, confinement.filters()?, logs)?;
        confinement.set_filters(filter);
        return Ok(0);
    }
    let told = flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH == 0;
    let synchronized = process.with(|_| synchronize(call, program, logs))?;
    match synchronized {
        None => Ok(0),
        Some(tid) if told => Ok(u64::from(tid)),
        Some(_) => Err(Errno::ESRCH.into()),
    }
}

/// Gives all threads of the process the caller's filters with one more; answers which thread has others, when one has, and
/// nothing has changed then.
fn synchronize(call: &Call<'_>, program: Program, logs: bool) -> Result<Option<u32>, Errno> {
    let own = call.thread.confinement.filters()?;
    let filter = Filter::install(program, own.clone(), logs)?;
    let threads = &call.process().threads;
    let others = || {
        threads
            .iter()
            .filter(|thread| !Arc::ptr_eq(thread, call.thread))
    };
    let stays_apart = |other: &crate::thread::Thread| match other.confinement.filters() {
        Ok(None) => false,
        Ok(Some(theirs)) => !filter.contains(&theirs),
        Err(_) => true,
    };
    if let Some(other) = others().find(|other| stays_apart(other)) {
        return Ok(Some(other.virtual_tid().0));
    }
    others().for_each(|other| other.confinement.set_filters(filter.clone()));
    call.thread.confinement.set_filters(filter);
    Ok(None)
}
