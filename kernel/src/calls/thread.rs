//! Threads: making them, their numbers, their place on the CPUs.

use super::Call;
use super::process::Request;
use crate::outcome::{Called, Continuation, Outcome};
use crate::process::Process;
use crate::system::{Numbered, system};
use crate::thread::Thread;
use abi::linux::{CloneFlags, PRIO_PGRP, PRIO_PROCESS, PRIO_USER, SCHED_OTHER};
use abi::{Errno, Pid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use process::VPid;
use security::Privileges;

/// A further thread of the caller's process.
pub fn new_thread(call: &mut Call<'_>, request: &Request) -> Called {
    let process = call.process();
    let environment = process.environment();
    let context = request.child_context(&call.body.context);
    let signals = call.thread.signals.lock().forked(false);
    environment.admit_thread()?;
    let made = (|| {
        let number = system().tree.lock().pids.reserve(environment.cid())?;
        let thread = Arc::new(Thread::new(number, process.clone(), context, signals));
        let undo = |errno| {
            let _object = system().tree.lock().pids.unbind(number.handle);
            errno
        };
        system()
            .tree
            .lock()
            .pids
            .bind(number.handle, Numbered::Thread(thread.clone()));
        process.add_thread(&thread).map_err(undo)?;
        request.leave_number(&thread, process);
        let tid = VPid(thread.virtual_tid().0);
        if request.flags.contains(CloneFlags::PARENT_SETTID) {
            // It was made writable before anything was begun.
            call.user
                .write(request.parent_tid, &tid.0.to_le_bytes())
                .ok();
        }
        let admitted = system()
            .dispatch
            .admit(&thread, environment.cid(), process.nice());
        admitted.map_err(|errno| {
            process.with(|state| state.threads.retain(|other| !Arc::ptr_eq(other, &thread)));
            undo(errno)
        })?;
        Ok(u64::from(tid.0))
    })();
    made.map_err(|errno: Errno| {
        environment.thread_left();
        Outcome::Failed(errno)
    })
}

/// What a thread that ends leaves in its program's memory: a cleared number and a woken futex
/// (`man 2 set_tid_address`), and the owners' marks of robust futexes.
pub fn leave_user_traces(thread: &Arc<Thread>) {
    let address = thread.clear_child_tid.load(Ordering::Relaxed);
    let Ok(space) = thread.process.space() else {
        return;
    };
    super::futex::release_robust(thread, &space);
    if address == 0 || thread.process.threads().len() < 2 {
        return;
    }
    // A program that gave a bad address is told nothing: it has no thread left to tell.
    if space.lock().write(address, &0u32.to_le_bytes()).is_ok() {
        super::futex::wake_at(&space, address, 1);
    }
}

/// `man 2 gettid`.
pub fn gettid(call: &mut Call<'_>) -> u64 {
    u64::from(call.thread.virtual_tid().0)
}

/// `man 2 set_tid_address`.
pub fn set_tid_address(call: &mut Call<'_>) -> u64 {
    call.thread
        .clear_child_tid
        .store(call.argument(0), Ordering::Relaxed);
    gettid(call)
}

/// Size of `struct robust_list_head`.
const ROBUST_HEAD: u64 = 24;

/// `man 2 set_robust_list`.
pub fn set_robust_list(call: &mut Call<'_>) -> Called {
    if call.argument(1) != ROBUST_HEAD {
        return Err(Errno::EINVAL.into());
    }
    call.thread
        .robust_list
        .store(call.argument(0), Ordering::Relaxed);
    Ok(0)
}

/// `man 2 get_robust_list`.
pub fn get_robust_list(call: &mut Call<'_>) -> Called {
    let thread = target(call, call.argument(0))?;
    let head = thread.robust_list.load(Ordering::Relaxed);
    call.user.write(call.argument(1), &head.to_le_bytes())?;
    call.user
        .write(call.argument(2), &ROBUST_HEAD.to_le_bytes())?;
    Ok(0)
}

/// `man 2 sched_yield`.
pub fn sched_yield(call: &mut Call<'_>) -> Called {
    // The second run, after others had their turn, completes the call.
    if call.progress() == Continuation::Begun || !system().dispatch.is_contended() {
        return Ok(0);
    }
    call.set_progress(Continuation::Begun);
    Err(Outcome::Yield)
}

/// The thread that a number means; the caller for 0.
fn target(call: &Call<'_>, number: u64) -> Result<Arc<Thread>, Errno> {
    if number as u32 == 0 {
        return Ok(call.thread.clone());
    }
    let found = {
        let tree = system().tree.lock();
        let number = VPid(number as u32);
        tree.pids
            .find(call.credential(), number)
            .map_err(|absent| absent.no_process())?
            .clone()
    };
    found.thread().ok_or(Errno::ESRCH)
}

/// `man 2 sched_getaffinity`: the CPUs of the machine.
pub fn sched_getaffinity(call: &mut Call<'_>) -> Called {
    target(call, call.argument(0))?;
    let (size, address) = (call.argument(1), call.argument(2));
    if size < 8 || size % 8 != 0 {
        return Err(Errno::EINVAL.into());
    }
    call.user.write(address, &online_cpus().to_le_bytes())?;
    Ok(8)
}

/// `man 2 sched_setaffinity`: a set with at least one CPU of the machine; with one CPU there is no choice.
pub fn sched_setaffinity(call: &mut Call<'_>) -> Called {
    target(call, call.argument(0))?;
    let size = (call.argument(1) as usize).min(8);
    let mut bytes = [0; 8];
    if let Some(given) = bytes.get_mut(..size) {
        call.user.read(call.argument(2), given)?;
    }
    if u64::from_le_bytes(bytes) & online_cpus() == 0 {
        Err(Errno::EINVAL.into())
    } else {
        Ok(0)
    }
}

/// A bit for every CPU that runs threads.
fn online_cpus() -> u64 {
    system().dispatch.cpus().0
}

/// `man 2 sched_getscheduler`.
pub fn sched_getscheduler(call: &mut Call<'_>) -> Called {
    target(call, call.argument(0))?;
    Ok(u64::from(SCHED_OTHER))
}

/// `man 2 sched_getparam`.
pub fn sched_getparam(call: &mut Call<'_>) -> Called {
    target(call, call.argument(0))?;
    call.user.write(call.argument(1), &0u32.to_le_bytes())?;
    Ok(0)
}

/// `man 2 sched_get_priority_max`.
pub fn sched_get_priority_max(call: &mut Call<'_>) -> Called {
    priority_bound(call.argument(0), 99)
}

/// `man 2 sched_get_priority_min`.
pub fn sched_get_priority_min(call: &mut Call<'_>) -> Called {
    priority_bound(call.argument(0), 1)
}

fn priority_bound(policy: u64, realtime: u64) -> Called {
    match policy {
        1 | 2 => Ok(realtime),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `man 2 getpriority`: 20 minus the nice value, so that the result is never negative.
pub fn getpriority(call: &mut Call<'_>) -> Called {
    let best = whom(call)?
        .iter()
        .map(|process| process.nice())
        .min()
        .ok_or(Errno::ESRCH)?;
    Ok((20 - i64::from(best)).cast_unsigned())
}

/// `man 2 setpriority`.
pub fn setpriority(call: &mut Call<'_>) -> Called {
    let nice = (call.argument(2) as i32).clamp(-20, 19) as i8;
    let whom = whom(call)?;
    if whom.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    for process in whom {
        renice(call, &process, nice)?;
    }
    Ok(0)
}

/// `man 2 nice`.
pub fn nice(call: &mut Call<'_>) -> Called {
    let step = (call.argument(0) as i32).clamp(-40, 40);
    let nice = (i32::from(call.process().nice()) + step).clamp(-20, 19) as i8;
    renice(call, call.process(), nice)?;
    Ok(0)
}

fn renice(call: &Call<'_>, process: &Arc<Process>, nice: i8) -> Result<(), Errno> {
    let (mine, theirs) = (call.credential(), process.credential());
    let own = mine.shares_users_with(&theirs)
        && [theirs.identity.uid, theirs.identity.euid].contains(&mine.identity.euid);
    if !own {
        mine.require(Privileges::LIMITS)?;
    }
    if nice < process.nice() && mine.identity.euid != 0 {
        mine.require(Privileges::LIMITS)
            .map_err(|_| Errno::EACCES)?;
    }
    process.set_nice(nice);
    Ok(())
}

/// The processes that `which` and `who` mean.
fn whom(call: &Call<'_>) -> Result<Vec<Arc<Process>>, Errno> {
    let (which, who) = (call.argument(0), call.argument(1) as u32);
    let credential = call.credential();
    let tree = system().tree.lock();
    let process = |pid: Pid| tree.pids.by_pid(pid).map(Numbered::owner);
    let resolve = |number| {
        tree.pids
            .resolve(credential, VPid(number))
            .map_err(|absent| absent.no_process())
    };
    Ok(match which {
        PRIO_PROCESS if who == 0 => Vec::from([call.process().clone()]),
        PRIO_PROCESS => process(resolve(who)?).into_iter().collect(),
        PRIO_PGRP => {
            let group = match who {
                0 => tree.job(call.process().pid).ok_or(Errno::ESRCH)?.group,
                _ => resolve(who)?,
            };
            tree.members(group).filter_map(process).collect()
        }
        PRIO_USER => {
            let uid = if who == 0 {
                credential.identity.uid
            } else {
                who
            };
            let all: Vec<_> = tree
                .of_partition(credential.cid)
                .filter_map(process)
                .collect();
            all.into_iter()
                .filter(|process| process.credential().identity.uid == uid)
                .collect()
        }
        _ => return Err(Errno::EINVAL),
    })
}

/// `man 2 getcpu`.
pub fn getcpu(call: &mut Call<'_>) -> Called {
    let cpu = u32::from(arch::cpu::this().0);
    for (address, value) in [(call.argument(0), cpu), (call.argument(1), 0)] {
        if address != 0 {
            call.user.write(address, &value.to_le_bytes())?;
        }
    }
    Ok(0)
}
