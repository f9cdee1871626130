//! What programs ask of the scheduler: nice values, scheduling policies, CPUs.
//!
//! All of it holds inside the partition's part of the CPUs (the crate `sched`): no privilege is needed that a partition's
//! root does not have.

use super::Call;
use super::thread::target;
use crate::dispatch::one_of_many;
use crate::family;
use crate::outcome::{Called, Outcome};
use crate::process::Process;
use crate::system::system;
use crate::thread::Thread;
use abi::linux::{
    PRIO_PGRP, PRIO_PROCESS, PRIO_USER, Resource, SCHED_BATCH, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER,
    SCHED_RESET_ON_FORK, SCHED_RR, SchedAttr, SchedFlags, SchedParam, Timespec,
};
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use fallible::Push;
use process::VPid;
use sched::{Allowance, Attributes, Class, CpuSet, Priority};
use security::Privileges;

/// Size of the first `sched_attr` that there was.
const FIRST_SIZE: u32 = 48;

/// The number that Linux gives to a class.
pub fn policy_of(class: Class) -> u32 {
    match class {
        Class::Other => SCHED_OTHER,
        Class::Batch => SCHED_BATCH,
        Class::Idle => SCHED_IDLE,
        Class::Fifo(_) => SCHED_FIFO,
        Class::RoundRobin(_) => SCHED_RR,
    }
}

fn number(priority: Option<Priority>) -> u32 {
    priority.map_or(0, |priority| u32::from(priority.number()))
}

/// The class of a policy's number and a priority: none but 0 in time sharing, 1 to 99 in real time.
fn class(policy: u32, priority: u32) -> Result<Class, Errno> {
    let realtime = || {
        let number = u8::try_from(priority).ok();
        number.and_then(Priority::new).ok_or(Errno::EINVAL)
    };
    let class = match policy {
        SCHED_FIFO => return realtime().map(Class::Fifo),
        SCHED_RR => return realtime().map(Class::RoundRobin),
        SCHED_OTHER => Class::Other,
        SCHED_BATCH => Class::Batch,
        SCHED_IDLE => Class::Idle,
        _ => return Err(Errno::EINVAL),
    };
    if priority == 0 {
        Ok(class)
    } else {
        Err(Errno::EINVAL)
    }
}

/// The thread that the first argument means; a negative one is no number.
fn named(call: &Call<'_>) -> Result<Arc<Thread>, Errno> {
    if (call.argument(0) as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    target(call, call.argument(0))
}

/// Whether the caller is who the thread's program runs as (`man 2 setpriority`, "ERRORS").
pub(super) fn owns(call: &Call<'_>, thread: &Thread) -> bool {
    let (mine, theirs) = (call.credential(), thread.process.credential());
    mine.shares_users_with(&theirs)
        && [theirs.identity.uid, theirs.identity.euid].contains(&mine.identity.euid)
}

/// What the thread may take without the privilege.
fn allowance(process: &Process) -> Allowance {
    Allowance::of_limits(
        process.limit(Resource::Nice),
        process.limit(Resource::RealtimePriority),
    )
}

/// Gives a thread new attributes; `refused` is the error when they take more than the thread may.
fn give(
    call: &Call<'_>,
    thread: &Arc<Thread>,
    change: impl FnOnce(Attributes) -> Attributes,
    refused: Errno,
) -> Result<(), Errno> {
    let privileged = call.credential().require(Privileges::PRIORITY);
    if !owns(call, thread) {
        privileged?;
    }
    let before = thread.attributes();
    let after = change(before);
    if !before.may_become(&after, allowance(&thread.process)) {
        privileged.map_err(|_| refused)?;
    }
    if thread.entity().is_some() {
        thread.inheritance.set_own(thread, after);
    }
    Ok(())
}

/// `man 2 sched_getscheduler`.
pub fn sched_getscheduler(call: &mut Call<'_>) -> Called {
    let attributes = named(call)?.attributes();
    let flag = if attributes.reset_on_fork {
        SCHED_RESET_ON_FORK
    } else {
        0
    };
    Ok(u64::from(policy_of(attributes.class) | flag))
}

/// `man 2 sched_setscheduler`.
pub fn sched_setscheduler(call: &mut Call<'_>) -> Called {
    let policy = call.argument(1) as u32;
    let priority = read_priority(call, call.argument(2))?;
    let thread = named(call)?;
    let reset_on_fork = policy & SCHED_RESET_ON_FORK != 0;
    let class = class(policy & !SCHED_RESET_ON_FORK, priority)?;
    let change = |before| Attributes {
        class,
        reset_on_fork,
        ..before
    };
    give(call, &thread, change, Errno::EPERM)?;
    Ok(0)
}

/// `man 2 sched_getparam`.
pub fn sched_getparam(call: &mut Call<'_>) -> Called {
    if call.argument(1) == 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = number(named(call)?.attributes().class.priority());
    call.user.write(call.argument(1), &priority.to_le_bytes())?;
    Ok(0)
}

/// `man 2 sched_setparam`.
pub fn sched_setparam(call: &mut Call<'_>) -> Called {
    let priority = read_priority(call, call.argument(1))?;
    let thread = named(call)?;
    let class = class(policy_of(thread.attributes().class), priority)?;
    let change = |before| Attributes { class, ..before };
    give(call, &thread, change, Errno::EPERM)?;
    Ok(0)
}

/// Reads a `sched_param`, which must be given.
fn read_priority(call: &mut Call<'_>, address: u64) -> Result<u32, Outcome> {
    if address == 0 || (call.argument(0) as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = [0; SchedParam::SIZE];
    call.user.read(address, &mut bytes)?;
    // A negative one is beyond every priority.
    Ok(u32::from_le_bytes(bytes))
}

/// `man 2 sched_getattr`.
pub fn sched_getattr(call: &mut Call<'_>) -> Called {
    let (address, size, flags) = (call.argument(1), call.argument(2) as u32, call.argument(3));
    let sizes = FIRST_SIZE..=PAGE_SIZE as u32;
    if address == 0 || flags as u32 != 0 || !sizes.contains(&size) {
        return Err(Errno::EINVAL.into());
    }
    let attributes = named(call)?.attributes();
    let mut told = SchedAttr {
        size: size.min(SchedAttr::SIZE as u32),
        policy: policy_of(attributes.class),
        priority: number(attributes.class.priority()),
        ..SchedAttr::default()
    };
    if attributes.class.priority().is_none() {
        told.nice = i32::from(attributes.nice);
    }
    if attributes.reset_on_fork {
        told.flags = SchedFlags::RESET_ON_FORK.bits();
    }
    let bytes = told.encode();
    let told = bytes.get(..size as usize).unwrap_or(&bytes);
    call.user.write(address, told)?;
    Ok(0)
}

/// `man 2 sched_setattr`.
pub fn sched_setattr(call: &mut Call<'_>) -> Called {
    let address = call.argument(1);
    if address == 0 || (call.argument(0) as i32) < 0 || call.argument(2) as u32 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = read_attr(call, address)?;
    let flags = SchedFlags::from_bits(wanted.flags).ok_or(Errno::EINVAL)?;
    let thread = named(call)?;
    let after = attributes_after(&thread.attributes(), &wanted, flags)?;
    give(call, &thread, |_| after, Errno::EPERM)?;
    Ok(0)
}

fn attributes_after(
    before: &Attributes,
    wanted: &SchedAttr,
    flags: SchedFlags,
) -> Result<Attributes, Errno> {
    let keeps = flags.contains(SchedFlags::KEEP_PARAMETERS);
    let policy = if flags.contains(SchedFlags::KEEP_POLICY) {
        policy_of(before.class)
    } else {
        wanted.policy
    };
    let priority = if keeps {
        number(before.class.priority())
    } else {
        wanted.priority
    };
    let class = class(policy, priority)?;
    let nice = if keeps || class.priority().is_some() {
        before.nice
    } else {
        wanted.nice.clamp(-20, 19) as i8
    };
    Ok(Attributes {
        class,
        nice,
        reset_on_fork: flags.contains(SchedFlags::RESET_ON_FORK),
        ..*before
    })
}

/// Reads a `sched_attr` of any size that has only zeros beyond what is known; for another the known size is left in it.
fn read_attr(call: &mut Call<'_>, address: u64) -> Result<SchedAttr, Outcome> {
    let mut size = [0; 4];
    call.user.read(address, &mut size)?;
    let size = match u32::from_le_bytes(size) {
        0 => FIRST_SIZE,
        size => size,
    };
    let known = SchedAttr::SIZE;
    let mut bytes = [0; SchedAttr::SIZE];
    let mut fits = (FIRST_SIZE..=PAGE_SIZE as u32).contains(&size);
    if fits {
        let part = (size as usize).min(known);
        if let Some(part) = bytes.get_mut(..part) {
            call.user.read(address, part)?;
        }
        for offset in known..size as usize {
            let mut beyond = [0];
            call.user.read(address + offset as u64, &mut beyond)?;
            fits &= beyond == [0];
        }
    }
    if !fits {
        call.user.write(address, &(known as u32).to_le_bytes())?;
        return Err(Errno::E2BIG.into());
    }
    Ok(SchedAttr::decode(&bytes))
}

/// `man 2 sched_rr_get_interval`.
pub fn sched_rr_get_interval(call: &mut Call<'_>) -> Called {
    let thread = named(call)?;
    let class = thread.attributes().class;
    let interval = system()
        .dispatch
        .with(|scheduler| scheduler.interval(class));
    let span = system().timebase.nanos(interval);
    let told = Timespec::from_nanos(span);
    call.user.write(call.argument(1), &told.encode())?;
    Ok(0)
}

/// `man 2 sched_get_priority_max`.
pub fn sched_get_priority_max(call: &mut Call<'_>) -> Called {
    priority_bound(call, Priority::GREATEST)
}

/// `man 2 sched_get_priority_min`.
pub fn sched_get_priority_min(call: &mut Call<'_>) -> Called {
    priority_bound(call, Priority::LEAST)
}

fn priority_bound(call: &Call<'_>, realtime: Priority) -> Called {
    /// There are no threads with deadlines, but their policy has a number.
    const SCHED_DEADLINE: u32 = 6;
    match call.argument(0) as u32 {
        SCHED_FIFO | SCHED_RR => Ok(number(Some(realtime)).into()),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `man 2 sched_getaffinity`: of what the thread has asked for, the CPUs that its partition has and that are there.
pub fn sched_getaffinity(call: &mut Call<'_>) -> Called {
    let thread = target(call, call.argument(0))?;
    let (size, address) = (call.argument(1) as u32, call.argument(2));
    if size < 8 || !size.is_multiple_of(8) {
        return Err(Errno::EINVAL.into());
    }
    let entity = thread.entity().ok_or(Errno::ESRCH)?;
    let cpus = system()
        .dispatch
        .with(|scheduler| scheduler.cpus_of(entity))
        .map_err(|_| Errno::ESRCH)?;
    call.user.write(address, &cpus.0.to_le_bytes())?;
    Ok(8)
}

/// `man 2 sched_setaffinity`: EINVAL when none of the CPUs is there and the partition's.
pub fn sched_setaffinity(call: &mut Call<'_>) -> Called {
    let size = (call.argument(1) as u32 as usize).min(8);
    let mut bytes = [0; 8];
    if let Some(given) = bytes.get_mut(..size) {
        call.user.read(call.argument(2), given)?;
    }
    let cpus = CpuSet(u64::from_le_bytes(bytes));
    let thread = target(call, call.argument(0))?;
    if !owns(call, &thread) {
        call.credential().require(Privileges::PRIORITY)?;
    }
    let cid = thread.process.cid();
    let allowed = system()
        .dispatch
        .with(|scheduler| scheduler.partition_cpus(cid));
    if cpus.0 & allowed.0 == 0 {
        return Err(Errno::EINVAL.into());
    }
    // Who wants all that there are, wants those too that come later.
    let cpus = if cpus.0 & allowed.0 == allowed.0 {
        CpuSet::ALL
    } else {
        cpus
    };
    let change = |before| Attributes { cpus, ..before };
    give(call, &thread, change, Errno::EPERM)?;
    Ok(0)
}

/// `man 2 getpriority`: 20 minus the nice value, so that the result is never negative.
pub fn getpriority(call: &mut Call<'_>) -> Called {
    let best = whom_of(call)?
        .iter()
        .inspect(|_| one_of_many())
        .map(|thread| thread.attributes().nice)
        .min()
        .ok_or(Errno::ESRCH)?;
    Ok((20 - i64::from(best)).cast_unsigned())
}

/// `man 2 setpriority`.
pub fn setpriority(call: &mut Call<'_>) -> Called {
    let nice = (call.argument(2) as i32).clamp(-20, 19) as i8;
    let whom = whom_of(call)?;
    if whom.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    // Whom the caller may change is changed, whatever becomes of the others.
    let mut failed = None;
    for thread in whom {
        failed = renice(call, &thread, nice).err().or(failed);
        one_of_many();
    }
    failed.map_or(Ok(0), |errno| Err(errno.into()))
}

/// `man 2 nice`.
pub fn nice(call: &mut Call<'_>) -> Called {
    let step = (call.argument(0) as i32).clamp(-40, 40);
    let nice = (i32::from(call.thread.attributes().nice) + step).clamp(-20, 19) as i8;
    let thread = call.thread.clone();
    renice(call, &thread, nice).map_err(|_| Errno::EPERM)?;
    Ok(0)
}

fn renice(call: &Call<'_>, thread: &Arc<Thread>, nice: i8) -> Result<(), Errno> {
    let change = |before| Attributes { nice, ..before };
    give(call, thread, change, Errno::EACCES)
}

/// The threads that the first two arguments of `getpriority` mean.
fn whom_of(call: &Call<'_>) -> Result<Vec<Arc<Thread>>, Errno> {
    let (which, who) = (call.argument(0) as u32, call.argument(1) as u32);
    whom(call, u64::from(which), who)
}

/// The threads that `which`, in the numbers of `getpriority`, and `who` mean.
pub(super) fn whom(call: &Call<'_>, which: u64, who: u32) -> Result<Vec<Arc<Thread>>, Errno> {
    let credential = call.credential();
    match which {
        PRIO_PROCESS => Ok(fallible::of_one(target(call, who.into())?)?),
        PRIO_PGRP => {
            let group = {
                let tree = system().tree.lock();
                match who {
                    0 => tree.job(call.process().pid).ok_or(Errno::ESRCH)?.group,
                    _ => tree
                        .pids
                        .resolve(credential, VPid(who))
                        .map_err(|absent| absent.no_process())?,
                }
            };
            threads_of(family::of_group(group))
        }
        PRIO_USER => {
            let uid = if who == 0 {
                credential.identity.uid
            } else {
                who
            };
            let all = family::of_partition(credential.cid);
            threads_of(all.filter(|process| process.credential().identity.uid == uid))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn threads_of(processes: impl Iterator<Item = Arc<Process>>) -> Result<Vec<Arc<Thread>>, Errno> {
    let mut threads = Vec::new();
    for process in processes {
        for thread in process.threads.iter() {
            threads.try_push(thread)?;
            one_of_many();
        }
    }
    Ok(threads)
}
