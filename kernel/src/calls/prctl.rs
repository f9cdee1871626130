//! What a process sets of itself (`man 2 prctl`, `man 2 unshare`).

use super::{Call, capability};
use crate::outcome::Called;
use crate::process::Conduct;
use crate::system::system;
use abi::Errno;
use abi::linux::{
    CloneFlags, PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_CHILD_SUBREAPER,
    PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_GET_PDEATHSIG,
    PR_GET_SECCOMP, PR_GET_SECUREBITS, PR_GET_THP_DISABLE, PR_GET_TIMERSLACK, PR_MCE_KILL,
    PR_MCE_KILL_CLEAR, PR_MCE_KILL_DEFAULT, PR_MCE_KILL_GET, PR_MCE_KILL_SET,
    PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_SECUREBITS, PR_SET_THP_DISABLE, PR_SET_TIMERSLACK,
    PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE, SignalNumber, TASK_COMM_LEN,
};
use security::SecureBits;
use sync::{Rank, SpinLock};

/// `man 2 prctl`.
///
/// # Errors
/// EINVAL for an unknown option or argument, EFAULT, EPERM.
pub fn prctl(call: &mut Call<'_>) -> Called {
    let [option, argument, third, fourth, fifth] =
        core::array::from_fn(|index| call.argument(index));
    let conduct = call.process().with(|state| state.conduct);
    match option {
        PR_SET_NAME => set_name(call, argument),
        PR_GET_NAME => get_name(call, argument),
        PR_SET_PDEATHSIG => {
            let signal = match argument {
                0 => None,
                number => Some(SignalNumber::new(number).map_err(|_| Errno::EINVAL)?),
            };
            set(call, |conduct| conduct.death_signal = signal)
        }
        PR_GET_PDEATHSIG => {
            let signal = conduct.death_signal.map_or(0, SignalNumber::get);
            store(call, argument, u32::from(signal))
        }
        PR_GET_DUMPABLE => Ok(u64::from(conduct.dumpable)),
        PR_SET_DUMPABLE if argument <= 1 => set(call, |conduct| conduct.dumpable = argument == 1),
        PR_SET_NO_NEW_PRIVS if [argument, third, fourth, fifth] == [1, 0, 0, 0] => {
            set(call, |conduct| conduct.no_new_privileges = true)
        }
        PR_GET_NO_NEW_PRIVS if [argument, third, fourth, fifth] == [0; 4] => {
            Ok(u64::from(conduct.no_new_privileges))
        }
        PR_SET_SECCOMP => super::seccomp::set_mode(call, argument, third),
        PR_GET_SECCOMP => Ok(u64::from(call.thread.confinement.numbers().0)),
        PR_SET_TIMERSLACK => set(call, |conduct| {
            conduct.timer_slack = match argument.cast_signed() {
                ..=0 => Conduct::TIMER_SLACK,
                _ => argument,
            };
        }),
        PR_GET_TIMERSLACK => Ok(conduct.timer_slack),
        PR_SET_CHILD_SUBREAPER => {
            let mut tree = system().tree.lock();
            tree.set_subreaper(call.process().pid, argument != 0);
            Ok(0)
        }
        PR_GET_CHILD_SUBREAPER => {
            let adopts = system().tree.lock().is_subreaper(call.process().pid);
            store(call, argument, u32::from(adopts))
        }
        PR_CAPBSET_READ => capability::is_in_bounding_set(call, argument),
        PR_CAPBSET_DROP => capability::drop_from_bounding_set(call, argument),
        PR_GET_SECUREBITS => Ok(u64::from(secure_bits(call).bits())),
        PR_SET_SECUREBITS => capability::set_secure_bits(call, argument),
        PR_GET_KEEPCAPS => {
            let keeps = secure_bits(call).contains(SecureBits::KEEP_CAPABILITIES);
            Ok(u64::from(keeps))
        }
        PR_SET_KEEPCAPS => capability::keep(call, argument),
        PR_CAP_AMBIENT => capability::ambient(call, [argument, third, fourth, fifth]),
        // There are no performance events that could go on.
        PR_TASK_PERF_EVENTS_DISABLE | PR_TASK_PERF_EVENTS_ENABLE => Ok(0),
        PR_MCE_KILL if [fourth, fifth] == [0; 2] => {
            let policy = match (argument, third) {
                (PR_MCE_KILL_CLEAR, 0) => PR_MCE_KILL_DEFAULT,
                (PR_MCE_KILL_SET, policy @ 0..=PR_MCE_KILL_DEFAULT) => policy,
                _ => return Err(Errno::EINVAL.into()),
            };
            set(call, |conduct| conduct.bad_memory = policy as u8)
        }
        PR_MCE_KILL_GET if [argument, third, fourth, fifth] == [0; 4] => {
            Ok(u64::from(conduct.bad_memory))
        }
        PR_SET_THP_DISABLE if [third, fourth, fifth] == [0; 3] => {
            set(call, |conduct| conduct.no_huge_pages = argument != 0)
        }
        PR_GET_THP_DISABLE if [argument, third, fourth, fifth] == [0; 4] => {
            Ok(u64::from(conduct.no_huge_pages))
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn secure_bits(call: &Call<'_>) -> SecureBits {
    call.credential().capabilities.secure_bits
}

fn set(call: &Call<'_>, act: impl FnOnce(&mut Conduct)) -> Called {
    call.process().with(|state| act(&mut state.conduct));
    Ok(0)
}

fn store(call: &Call<'_>, address: u64, value: u32) -> Called {
    call.user.write(address, &value.to_le_bytes())?;
    Ok(0)
}

fn set_name(call: &Call<'_>, address: u64) -> Called {
    let bytes: [u8; TASK_COMM_LEN] = call.user.bytes(address)?;
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    call.thread.set_name(crate::process::task_name(name));
    Ok(0)
}

fn get_name(call: &Call<'_>, address: u64) -> Called {
    let mut bytes = [0; TASK_COMM_LEN];
    let name = call.thread.name();
    bytes
        .iter_mut()
        .zip(name)
        .for_each(|(place, byte)| *place = byte);
    call.user.write(address, &bytes)?;
    Ok(0)
}

/// `man 2 unshare`: files, place and semaphores to take back. The threads of a process have these together here.
///
/// # Errors
/// EINVAL for unknown flags, for namespaces, of which there are none, and in a process of several threads.
pub fn unshare(call: &mut Call<'_>) -> Called {
    let flags = CloneFlags::from_bits(call.argument(0)).ok_or(Errno::EINVAL)?;
    let alone = CloneFlags::THREAD | CloneFlags::SIGHAND | CloneFlags::VM;
    let parts = CloneFlags::FILES | CloneFlags::FS | CloneFlags::SYSVSEM;
    if !(alone | parts).contains(flags) {
        return Err(Errno::EINVAL.into());
    }
    let process = call.process();
    if !flags.is_empty() && process.threads.count() > 1 {
        return Err(Errno::EINVAL.into());
    }
    if flags.contains(CloneFlags::FILES) {
        let own = process.files()?.lock().try_clone()?;
        process.replace_files(fallible::arc(SpinLock::new(Rank::FileTable, own))?);
    }
    if flags.contains(CloneFlags::SYSVSEM) {
        process.undo_semaphores(arch::time::now());
    }
    if flags.contains(CloneFlags::FS) {
        let own = process.place()?.lock().clone();
        process.replace_place(fallible::arc(SpinLock::new(Rank::FileTable, own))?);
    }
    Ok(0)
}

/// `man 2 setns`: no file is a namespace.
///
/// # Errors
/// EBADF, EINVAL.
pub fn setns(call: &mut Call<'_>) -> Called {
    call.file(0)?;
    Err(Errno::EINVAL.into())
}
