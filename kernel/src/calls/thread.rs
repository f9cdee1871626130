//! Threads: making them, their numbers, their place on the CPUs.

use super::Call;
use super::process::Request;
use crate::dispatch::Runnable;
use crate::family;
use crate::outcome::{Called, Continuation, Outcome};
use crate::ptrace;
use crate::shortage;
use crate::system::{Numbered, system};
use crate::thread::Thread;
use abi::Errno;
use abi::linux::{CloneFlags, RSEQ_FLAG_UNREGISTER};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use memory::FaultError;
use process::VPid;

/// A further thread of the caller's process.
pub fn new_thread(call: &mut Call<'_>, request: &Request) -> Called {
    let process = call.process();
    let environment = process.environment();
    let context = request.child_context(&call.body.context)?;
    let signals = call.thread.signals.lock().forked(false);
    if family::is_crowded(process, call.credential(), 1) {
        return Err(Errno::EAGAIN.into());
    }
    environment.admit_thread()?;
    let made = (|| {
        let number = system().tree.lock().pids.reserve(environment.cid())?;
        environment.note_number(number.vpid);
        let undo = |errno| {
            let _object = system().tree.lock().pids.unbind(number.handle);
            errno
        };
        let thread = Thread::new(number, process.clone(), context, signals);
        let thread = thread.map_err(|no_memory| undo(no_memory.into()))?;
        thread.set_name(call.thread.name());
        thread.set_credential(call.credential().clone());
        system()
            .tree
            .lock()
            .pids
            .bind(number.handle, Numbered::Thread(thread.clone()));
        process.add_thread(&thread).map_err(undo)?;
        thread.inherit(call.thread);
        let withdraw = |errno| {
            process.threads.remove(&thread);
            undo(errno)
        };
        ptrace::inherit(call.thread, &thread, request.flags, request.event()).map_err(withdraw)?;
        request.leave_number(&thread, process);
        let tid = VPid(thread.virtual_tid().0);
        if request.flags.contains(CloneFlags::PARENT_SETTID) {
            // It was made writable before anything was begun.
            call.user
                .write(request.parent_tid, &tid.0.to_le_bytes())
                .ok();
        }
        let admitted = system().dispatch.admit(
            Runnable::Thread(thread.clone()),
            environment.cid(),
            call.thread.attributes().for_child(),
        );
        admitted.map_err(|errno| {
            ptrace::disinherit(&thread);
            withdraw(errno)
        })?;
        let number = u64::from(tid.0);
        ptrace::happened(call.thread, request.event(), number);
        Ok(number)
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
    if address == 0 || thread.process.threads.count() < 2 {
        return;
    }
    let cleared = space.lock().write(address, &0u32.to_le_bytes());
    match cleared {
        Ok(()) => super::futex::wake_one_at(&space, address),
        // Whoever waits for it would wait for ever: the process goes, as at any touch of memory that there is none for.
        Err(FaultError::OutOfMemory) => {
            shortage::kill(
                &thread.process,
                format_args!("no memory for a thread's end"),
            );
        }
        // A program that gave a bad address is told nothing: it has no thread left to tell.
        Err(_) => {}
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

/// Registers or gives back an area for restartable sequences (linux/rseq.h).
///
/// # Errors
/// EINVAL for unknown flags, a bad address or size, and where the area is not the registered one; EBUSY where it is
/// already; EPERM for another signature; EFAULT.
pub fn rseq(call: &mut Call<'_>) -> Called {
    let area = [call.argument(0), u64::from(call.argument(1) as u32)];
    let signature = call.argument(3) as u32;
    let own = &call.thread.rseq;
    match call.argument(2) as u32 {
        0 => own.register(&call.user, area, signature, u32::from(arch::cpu::this().0))?,
        RSEQ_FLAG_UNREGISTER => own.unregister(&call.user, area, signature)?,
        _ => return Err(Errno::EINVAL.into()),
    }
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
pub fn target(call: &Call<'_>, number: u64) -> Result<Arc<Thread>, Errno> {
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
