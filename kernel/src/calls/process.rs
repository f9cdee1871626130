//! Making, ending and awaiting processes.

mod clone3;

use super::Call;
use super::descriptor;
use super::thread::new_thread;
use crate::dispatch::Runnable;
use crate::family;
use crate::outcome::{Called, Continuation, Outcome, Wait};
use crate::pid_file::PidFile;
use crate::process::{Inheritance, Process};
use crate::ptrace;
use crate::space::Space;
use crate::system::system;
use crate::thread::Thread;
use abi::linux::{
    CloneArgs, CloneFlags, P_ALL, P_PGID, P_PID, P_PIDFD, Rusage, SignalNumber, Timeval,
    TraceEvent, WaitOptions,
};
use abi::mmu::{Access, PageNumber};
use abi::{Errno, PAGE_SIZE, Pid};
use alloc::sync::Arc;
use arch::UserContext;
use memory::space::ForkError;
use process::{ExitStatus, Selector, Usage, VPid, Waited};
use sync::{Rank, SpinLock};
use vfs::{Descriptor, FileTable, StatusFlags};

/// The register that holds the stack pointer (ELFv2, "Register Roles").
pub const STACK_POINTER: usize = 1;

/// The register that holds the thread pointer.
pub const THREAD_POINTER: usize = 13;

/// What a `clone` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to share and store.
    pub flags: CloneFlags,
    /// The stack pointer of the child; its parent's when 0.
    pub stack: u64,
    /// Where to store the number in the parent.
    pub parent_tid: u64,
    /// Where to store and clear the number in the child.
    pub child_tid: u64,
    /// The thread pointer, r13.
    pub tls: u64,
    /// The signal for the parent at the end.
    pub exit_signal: Option<SignalNumber>,
    /// Where to store a descriptor that refers to the child, with [`CloneFlags::PIDFD`].
    pub pidfd: u64,
}

/// `man 2 fork`.
pub fn fork(call: &mut Call<'_>) -> Called {
    make(call, Request::plain(CloneFlags::empty()))
}

/// `man 2 vfork`.
pub fn vfork(call: &mut Call<'_>) -> Called {
    make(call, Request::plain(CloneFlags::VM | CloneFlags::VFORK))
}

/// `man 2 clone`: flags, stack, parent_tid, tls, child_tid, in powerpc's order.
pub fn clone(call: &mut Call<'_>) -> Called {
    const SIGNAL: u64 = 0xff;
    let [word, stack, parent_tid, child_tid, tls] =
        [0, 1, 2, 4, 3].map(|index| call.argument(index));
    let exit_signal = match word & SIGNAL {
        0 => None,
        number => Some(SignalNumber::new(number)?),
    };
    let flags = CloneFlags::from_bits_retain(word & !SIGNAL & 0xffff_ffff);
    if flags.contains(CloneFlags::PIDFD | CloneFlags::PARENT_SETTID) {
        // Both would be stored at one place.
        return Err(Errno::EINVAL.into());
    }
    make(
        call,
        Request {
            flags,
            stack,
            parent_tid,
            child_tid,
            tls,
            exit_signal,
            pidfd: parent_tid,
        },
    )
}

/// `man 2 clone3`. Nobody may choose the number of a child (set_tid): EPERM.
///
/// # Errors
/// EINVAL, E2BIG, EFAULT, EPERM, EAGAIN, ENOMEM, EMFILE.
pub fn clone3(call: &mut Call<'_>) -> Called {
    let (address, size) = (call.argument(0), call.argument(1) as usize);
    const FIRST_SIZE: usize = 64;
    if size < FIRST_SIZE {
        return Err(Errno::EINVAL.into());
    }
    let args = CloneArgs::decode(&call.user.extensible(address, size)?);
    let flags = CloneFlags::from_bits_retain(args.flags);
    clone3::check(&args, flags)?;
    let exit_signal = match args.exit_signal {
        0 => None,
        number => Some(SignalNumber::new(number)?),
    };
    let stack = args
        .stack
        .checked_add(args.stack_size)
        .ok_or(Errno::EINVAL)?;
    let (parent_tid, child_tid, tls) = (args.parent_tid, args.child_tid, args.tls);
    make(
        call,
        Request {
            flags,
            stack,
            parent_tid,
            child_tid,
            tls,
            exit_signal,
            pidfd: args.pidfd,
        },
    )
}

impl Request {
    fn plain(flags: CloneFlags) -> Self {
        Self {
            flags,
            stack: 0,
            parent_tid: 0,
            child_tid: 0,
            tls: 0,
            exit_signal: Some(SignalNumber::SIGCHLD),
            pidfd: 0,
        }
    }

    /// What a tracer is told of the call (`man 2 ptrace`).
    pub fn event(&self) -> TraceEvent {
        if self.flags.contains(CloneFlags::VFORK) {
            TraceEvent::Vfork
        } else if self.exit_signal == Some(SignalNumber::SIGCHLD) {
            TraceEvent::Fork
        } else {
            TraceEvent::Clone
        }
    }

    /// What cannot be asked for, or not together.
    fn check(&self) -> Result<(), Errno> {
        let namespaces = CloneFlags::NEWTIME
            | CloneFlags::NEWNS
            | CloneFlags::NEWCGROUP
            | CloneFlags::NEWUTS
            | CloneFlags::NEWIPC
            | CloneFlags::NEWUSER
            | CloneFlags::NEWPID
            | CloneFlags::NEWNET;
        if self.flags.intersects(namespaces) {
            // Partitions are made by Global's administrator; a program cannot make namespaces.
            return Err(Errno::EPERM);
        }
        let unsupported = CloneFlags::INTO_CGROUP | CloneFlags::PARENT;
        let has = |flags| self.flags.contains(flags);
        let thread = has(CloneFlags::THREAD);
        let bad = self.flags.intersects(unsupported)
            || thread && !has(CloneFlags::SIGHAND)
            || has(CloneFlags::SIGHAND) && !has(CloneFlags::VM)
            // Actions shared by processes that are not one are used by nobody.
            || has(CloneFlags::SIGHAND) && !thread
            || thread && has(CloneFlags::VFORK)
            || has(CloneFlags::PIDFD) && (thread || has(CloneFlags::DETACHED))
            || has(CloneFlags::SIGHAND | CloneFlags::CLEAR_SIGHAND);
        if bad { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// Addresses that parent and child write to when they go on: the tops of their stacks and the thread's control block,
    /// which ends 0x7000 below the thread pointer (ELFv2, "Thread-Local Storage").
    fn near(&self, parent: &UserContext) -> [u64; 3] {
        const BIAS: u64 = 0x7000;
        const BLOCK: u64 = 8;
        let stack = parent.gpr[STACK_POINTER];
        let thread = parent.gpr[THREAD_POINTER];
        [parent.nip, stack, thread.wrapping_sub(BIAS + BLOCK)]
    }

    /// The registers that the child starts with.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn child_context(&self, parent: &UserContext) -> Result<UserContext, Errno> {
        let mut context = parent.try_clone().map_err(|_| Errno::ENOMEM)?;
        context.succeed(0);
        if self.stack != 0 {
            context.gpr[STACK_POINTER] = self.stack;
        }
        if self.flags.contains(CloneFlags::SETTLS) {
            context.gpr[THREAD_POINTER] = self.tls;
        }
        Ok(context)
    }
}

fn make(call: &mut Call<'_>, request: Request) -> Called {
    if let Continuation::Forked(child) = call.progress() {
        return await_vfork(call, child);
    }
    request.check()?;
    let stored = [
        (CloneFlags::PARENT_SETTID, request.parent_tid),
        (CloneFlags::PIDFD, request.pidfd),
    ];
    for (_, address) in stored
        .into_iter()
        .filter(|(flag, _)| request.flags.contains(*flag))
    {
        let length = 4;
        let place = crate::user::Segment { address, length };
        call.user.gather(place, Access::Write)?;
    }
    call.body.context.leave();
    if request.flags.contains(CloneFlags::THREAD) {
        return new_thread(call, &request);
    }
    let child = new_process(call, &request)?;
    let seen = system().tree.lock().pids.seen(child.pid, call.cid());
    if request.flags.contains(CloneFlags::PARENT_SETTID) {
        // It was made writable before anything was begun.
        call.user
            .write(request.parent_tid, &seen.0.to_le_bytes())
            .ok();
    }
    ptrace::happened(call.thread, request.event(), u64::from(seen.0));
    if request.flags.contains(CloneFlags::VFORK) {
        call.set_progress(Continuation::Forked(child.pid));
        return await_vfork(call, child.pid);
    }
    Ok(u64::from(seen.0))
}

/// Waits until the child of a `vfork` has given the memory back.
fn await_vfork(call: &mut Call<'_>, child: Pid) -> Called {
    let number = system().tree.lock().pids.seen(child, call.cid());
    let waiter = call.waiter().clone();
    let waits = family::find(child).is_some_and(|child| {
        child.with(|state| {
            let shares = !state.released;
            if shares {
                state.vfork = Some(waiter);
            }
            shares
        })
    });
    if waits {
        Err(Outcome::Park(Wait::retry()))
    } else {
        let number = u64::from(number.0);
        ptrace::happened(call.thread, TraceEvent::VforkDone, number);
        Ok(number)
    }
}

fn new_process(call: &mut Call<'_>, request: &Request) -> Result<Arc<Process>, Outcome> {
    let made = copy_files(call, request).and_then(|()| {
        let space = call.process().space()?;
        if request.flags.contains(CloneFlags::VM) {
            return Ok(with_space(call, request, space)?);
        }
        let space = copy_space(call, request, &space)?;
        with_space(call, request, space.clone()).map_err(|errno| {
            // Nobody else has it: it is given back in steps.
            call.body.former = Some(space);
            errno.into()
        })
    });
    if let Err(Outcome::Failed(_)) = made
        && let Some(files) = call.body.files.take()
    {
        descriptor::let_go(*files);
    }
    made
}

/// Copies the caller's table of descriptors for a child in steps, when it is large and the child has one of its own.
fn copy_files(call: &mut Call<'_>, request: &Request) -> Result<(), Outcome> {
    if request.flags.contains(CloneFlags::FILES) {
        return Ok(());
    }
    let former = match call.progress() {
        // It has been copied before the memory.
        Continuation::Copying { .. } => return Ok(()),
        Continuation::Covered(_) => call.body.files.take(),
        _ => None,
    };
    let files = call.process().files()?;
    if !files.lock().is_large() {
        return Ok(());
    }
    let mut copy = match former {
        Some(copy) => copy,
        None => fallible::boxed(FileTable::new())?,
    };
    let copied = files.lock().copy_part(&mut copy);
    let done = copy.capacity() as u64;
    call.body.files = Some(copy);
    if copied? {
        return Ok(());
    }
    call.set_progress(Continuation::Covered(done));
    Err(Outcome::Again)
}

/// A copy of the caller's memory, made in steps.
fn copy_space(
    call: &mut Call<'_>,
    request: &Request,
    space: &Space,
) -> Result<Arc<Space>, Outcome> {
    /// Pages that one step copies.
    const STEP: u64 = 1024;
    /// How many times a fork begins anew because other threads change the areas. Then it is done in one step.
    const PATIENCE: u32 = 8;
    let near = request.near(&call.body.context);
    let (next, again) = match call.progress() {
        Continuation::Copying { next, again } => (next, again),
        _ => (0, 0),
    };
    let (mut copy, next) = match call.body.copy.take() {
        Some(copy) => (copy, next),
        None => (space.begin_fork()?, 0),
    };
    let budget = if again < PATIENCE { STEP } else { u64::MAX };
    let progress = match space.fork_step(&mut copy, PageNumber(next), &near, budget) {
        Ok(None) => return Ok(Space::of_copy(copy)?),
        Ok(Some(next)) => {
            call.body.copy = Some(copy);
            Continuation::Copying {
                next: next.0,
                again,
            }
        }
        Err(error) => {
            call.body.former = fallible::assured(|| Space::of_copy(copy)).ok();
            if error == ForkError::OutOfMemory {
                return Err(Errno::ENOMEM.into());
            }
            let again = again + 1;
            Continuation::Copying { next: 0, again }
        }
    };
    call.set_progress(progress);
    Err(Outcome::Again)
}

/// A child of the caller's process with this memory.
fn with_space(
    call: &mut Call<'_>,
    request: &Request,
    space: Arc<Space>,
) -> Result<Arc<Process>, Errno> {
    let parent = call.process();
    let shares = |flag| request.flags.contains(flag);
    let files = parent.files()?;
    let files = if shares(CloneFlags::FILES) {
        files
    } else {
        let copy = match call.body.files.take() {
            Some(copy) => *copy,
            None => files.lock().try_clone()?,
        };
        fallible::arc(SpinLock::new(Rank::FileTable, copy))?
    };
    let place = parent.place()?;
    let place = if shares(CloneFlags::FS) {
        place
    } else {
        let copy = place.lock().clone();
        fallible::arc(SpinLock::new(Rank::FileTable, copy))?
    };
    let (mut signals, own) = {
        let shared = parent.signals.lock();
        let own = call.thread.signals.lock().forked(!shares(CloneFlags::VM));
        (shared.forked(), own)
    };
    if shares(CloneFlags::CLEAR_SIGHAND) {
        signals.actions.forget_handlers();
    }
    let context = request.child_context(&call.body.context)?;
    if family::is_crowded(parent, call.credential(), 1) {
        return Err(Errno::EAGAIN);
    }
    let environment = parent.environment();
    environment.admit_thread()?;
    let inheritance = Inheritance {
        space,
        files,
        place,
        signals,
        exit_signal: request.exit_signal,
    };
    let child = parent
        .child(
            call.credential().clone(),
            inheritance,
            !shares(CloneFlags::VFORK),
        )
        .inspect_err(|_| environment.thread_left())?;
    let begun = (|| {
        let thread = Thread::new(child.number(), child.clone(), context, own)?;
        thread.inherit(call.thread);
        if !request.flags.contains(CloneFlags::VM) {
            thread.rseq.inherit(&call.thread.rseq);
        }
        request.leave_number(&thread, &child);
        child.add_thread(&thread)?;
        let pidfd = request.leave_pidfd(call, &child)?;
        let traced = ptrace::inherit(call.thread, &thread, request.flags, request.event());
        traced.inspect_err(|_| close_again(call, pidfd))?;
        let attributes = call.thread.attributes().for_child();
        let runnable = Runnable::Thread(thread.clone());
        let admitted = system().dispatch.admit(runnable, child.cid(), attributes);
        admitted.inspect_err(|_| {
            ptrace::disinherit(&thread);
            close_again(call, pidfd);
        })
    })();
    if let Err(errno) = begun {
        // The thread and its process refer to each other.
        child.threads.clear();
        environment.thread_left();
        let abandoned = system().tree.lock().abandon(child.pid);
        abandoned.into_iter().for_each(family::forget);
        return Err(errno);
    }
    Ok(child)
}

/// Takes back the descriptor of a child that does not come to be.
fn close_again(call: &Call<'_>, descriptor: Option<Descriptor>) {
    let removed = descriptor.and_then(|descriptor| {
        let files = call.process().files().ok()?;
        let mut files = files.lock();
        files.remove(descriptor).ok()
    });
    drop(removed);
}

impl Request {
    /// Gives the parent a descriptor that refers to the child, if it asks for one.
    fn leave_pidfd(
        &self,
        call: &Call<'_>,
        child: &Arc<Process>,
    ) -> Result<Option<Descriptor>, Errno> {
        if !self.flags.contains(CloneFlags::PIDFD) {
            return Ok(None);
        }
        let file = super::pidfd::file_of(call, child, false)?;
        let descriptor = super::descriptor::insert(call, file, true)?;
        // It was made writable before anything was begun.
        call.user
            .write(self.pidfd, &descriptor.0.to_le_bytes())
            .ok();
        Ok(Some(descriptor))
    }

    /// Stores the number in the child's memory and remembers where to clear it, as the flags say.
    pub fn leave_number(&self, thread: &Arc<Thread>, process: &Arc<Process>) {
        if self.flags.contains(CloneFlags::CHILD_CLEARTID) {
            thread
                .clear_child_tid
                .store(self.child_tid, core::sync::atomic::Ordering::Relaxed);
        }
        if self.flags.contains(CloneFlags::CHILD_SETTID)
            && let Ok(space) = process.space()
        {
            // As on Linux, an address that cannot be written is the program's own affair.
            space
                .lock()
                .write(self.child_tid, &thread.virtual_tid().0.to_le_bytes())
                .ok();
        }
    }
}

/// `man 2 exit_group`.
pub fn exit_group(call: &mut Call<'_>) -> Called {
    call.process()
        .end(ExitStatus::Exited(call.argument(0) as u8));
    Err(Outcome::Exit)
}

/// `man 2 _exit`: ends the thread, with the last one the process.
pub fn exit(call: &mut Call<'_>) -> Outcome {
    let code = call.argument(0) as u8;
    if let Some(tracing) = call.thread.tracing.lock().as_mut() {
        tracing.exit_code = Some(code);
    }
    let status = ExitStatus::Exited(code);
    let threads = &call.process().threads;
    call.process().with(|state| {
        if threads.count() == 1 {
            state.end.get_or_insert(status);
        }
    });
    Outcome::Exit
}

/// `man 2 getpid`.
pub fn getpid(call: &mut Call<'_>) -> u64 {
    u64::from(call.process().virtual_pid().0)
}

/// `man 2 getppid`: 0 for a parent outside the partition.
pub fn getppid(call: &mut Call<'_>) -> u64 {
    let tree = system().tree.lock();
    let parent = tree.parent(call.process().pid);
    let seen = parent.map_or(VPid::NONE, |parent| tree.pids.seen(parent, call.cid()));
    // Under the tree's lock, so that it cannot come after the news of another parent.
    call.process().know_parent(Some(seen));
    u64::from(seen.0)
}

/// `man 2 wait4`.
pub fn wait4(call: &mut Call<'_>) -> Called {
    let options = WaitOptions::from_bits(call.argument(2) as u32).ok_or(Errno::EINVAL)?;
    let known = WaitOptions::NOHANG
        | WaitOptions::UNTRACED
        | WaitOptions::CONTINUED
        | WaitOptions::NOTHREAD
        | WaitOptions::ALL_KINDS
        | WaitOptions::CLONE;
    if !known.contains(options) {
        return Err(Errno::EINVAL.into());
    }
    let selector = selector(call, call.argument(0) as i32)?;
    let (status, usage) = (call.argument(1), call.argument(3));
    gather_output(call, status, 4)?;
    gather_output(call, usage, Rusage::SIZE)?;
    let Some(waited) = reap(call, selector, options | WaitOptions::EXITED)? else {
        return Ok(0);
    };
    let (number, found) = waited;
    if status != 0 {
        call.user
            .write(status, &found.report.wait_status().to_le_bytes())?;
    }
    if usage != 0 {
        call.user.write(usage, &rusage(&found.usage).encode())?;
    }
    Ok(u64::from(number.0))
}

/// `man 2 waitpid`, the old call without resource usage.
pub fn waitpid(call: &mut Call<'_>) -> Called {
    call.body.context.gpr[6] = 0;
    wait4(call)
}

/// `man 2 waitid`.
pub fn waitid(call: &mut Call<'_>) -> Called {
    let (kind, number, info, usage) = (
        call.argument(0),
        call.argument(1) as i32,
        call.argument(2),
        call.argument(4),
    );
    let options = WaitOptions::from_bits(call.argument(3) as u32).ok_or(Errno::EINVAL)?;
    if !options.intersects(WaitOptions::EXITED | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
        return Err(Errno::EINVAL.into());
    }
    let mut nonblocking = false;
    let selector = match kind {
        P_ALL => Selector::Any,
        P_PID if number > 0 => selector(call, number)?,
        P_PGID if number > 0 => selector(call, -number)?,
        P_PGID if number == 0 => selector(call, 0)?,
        P_PIDFD if number >= 0 => {
            let file = super::descriptor::opened(call, 1)?;
            let child = PidFile::process_of(&file).map_err(|errno| match errno {
                Errno::ESRCH => Errno::ECHILD,
                other => other,
            })?;
            nonblocking = file.flags().contains(StatusFlags::NONBLOCKING);
            Selector::Process(child.pid)
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    gather_output(call, info, abi::linux::SIGINFO_SIZE)?;
    gather_output(call, usage, Rusage::SIZE)?;
    let waits = nonblocking && !options.contains(WaitOptions::NOHANG);
    let hurry = if waits {
        WaitOptions::NOHANG
    } else {
        WaitOptions::empty()
    };
    let found = reap(call, selector, options | hurry)?;
    if waits && found.is_none() {
        return Err(Errno::EAGAIN.into());
    }
    if info != 0 {
        let bytes = match &found {
            Some((number, found)) => {
                let uid = call.credential().identity.uid;
                found
                    .report
                    .info(SignalNumber::SIGCHLD, *number, uid, &found.usage)
                    .encode()
            }
            None => [0; abi::linux::SIGINFO_SIZE],
        };
        call.user.write(info, &bytes)?;
    }
    if usage != 0
        && let Some((_, found)) = &found
    {
        call.user.write(usage, &rusage(&found.usage).encode())?;
    }
    Ok(0)
}

fn gather_output(call: &Call<'_>, address: u64, length: usize) -> Result<(), Errno> {
    if address == 0 {
        return Ok(());
    }
    call.user
        .gather(crate::user::Segment { address, length }, Access::Write)
}

/// The children that a number means, as in `wait4`.
fn selector(call: &Call<'_>, number: i32) -> Result<Selector, Errno> {
    let tree = system().tree.lock();
    let resolve = |number: i32| {
        tree.pids
            .resolve(call.credential(), VPid(number.unsigned_abs()))
            .map_err(|_| Errno::ECHILD)
    };
    Ok(match number {
        -1 => Selector::Any,
        0 => Selector::Group(tree.job(call.process().pid).ok_or(Errno::ECHILD)?.group),
        1.. => Selector::Process(resolve(number)?),
        i32::MIN => return Err(Errno::ESRCH),
        _ => Selector::Group(resolve(number)?),
    })
}

/// Takes a child's report; nothing for NOHANG without one.
fn reap(
    call: &mut Call<'_>,
    selector: Selector,
    options: WaitOptions,
) -> Result<Option<(VPid, Waited<crate::system::Numbered>)>, Outcome> {
    let cid = call.cid();
    let (pid, waiter) = (call.process().pid, call.waiter().clone());
    let found = {
        let mut tree = system().tree.lock();
        // The number is asked for before the child is gone.
        let peek = tree.wait(pid, selector, options | WaitOptions::NOWAIT)?;
        let number = peek.map(|peek| tree.pids.seen(peek.pid, cid));
        match tree.wait(pid, selector, options)? {
            Some(found) => Some((number.unwrap_or(VPid::NONE), found)),
            None => {
                if !options.contains(WaitOptions::NOHANG) {
                    call.process().waiting.enrol(&waiter);
                }
                None
            }
        }
    };
    match found {
        Some((number, mut found)) => {
            found.reaped.take().into_iter().for_each(family::forget);
            if found.handed_over {
                family::hand_over(found.pid);
            }
            Ok(Some((number, found)))
        }
        None if options.contains(WaitOptions::NOHANG) => Ok(None),
        None => Err(Outcome::Park(Wait::retry())),
    }
}

/// `struct rusage` of some use.
pub fn rusage(usage: &Usage) -> Rusage {
    let timeval = Timeval::from_nanos;
    Rusage {
        utime: timeval(usage.user),
        stime: timeval(usage.system),
        maxrss: (usage.peak_resident.0 * (PAGE_SIZE as u64 / 1024)).cast_signed(),
        minflt: usage.minor_faults.cast_signed(),
        majflt: usage.major_faults.cast_signed(),
        inblock: usage.blocks_in.cast_signed(),
        oublock: usage.blocks_out.cast_signed(),
        nvcsw: usage.voluntary_switches.cast_signed(),
        nivcsw: usage.involuntary_switches.cast_signed(),
        ..Rusage::default()
    }
}
