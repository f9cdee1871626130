//! Threads: registers and a small typed wait record.
//!
//! A thread has no kernel stack. What it is while it does not run is its [`Body`]: the user registers, the
//! system call that it is in, and what that call has already done. The body is *moved* to the CPU that runs
//! the thread and moved back when it leaves, so that a thread on two CPUs cannot be expressed.
//!
//! Life: a thread is made [`Phase::Ready`]; it is parked by the dispatcher and only by it, after a call
//! answered [`Outcome::Park`](crate::outcome::Outcome::Park); a wake-up that comes between the enrolment and
//! the park is remembered in its [`Run`], and the park then does not take place. No wake-up is lost.
//!
//! Locks: `waiting`, `body`, `signals`, `own_name`, `own_credential`, `tracing` and `remains` each of rank `Thread`, never two of them together.

use crate::activity::Activity;
use crate::calls::core_file::CoreDump;
use crate::confinement::Confinement;
use crate::inheritance::Inheritance;
use crate::others;
use crate::outcome::{Continuation, Wait};
use crate::process::{Process, TaskName};
use crate::ptrace::Tracing;
use crate::remainder;
use crate::request::Requests;
use crate::rseq::Rseq;
use crate::space::Space;
use crate::system::system;
use crate::timers::{Timeout, TimerHandle};
use abi::{Pid, Ticks};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use arch::UserContext;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use fallible::NoMemory;
use memory::AddressSpace;
use process::signal::ThreadSignals;
use process::{PidHandle, Reserved};
use remains::{Left, Remains};
use sched::{Attributes, EntityId, Scheduler};
use security::Credential;
use sync::{Rank, SpinLock};
use vfs::FileTable;
use wait::{Attention, Link, Phase, Run, Sleeper, Ticket, Waiter, Woken};

/// A thread of a program.
pub struct Thread {
    /// The global thread number; that of its process for the first thread, and for the one that executes a program.
    tid: AtomicU32,
    /// The use of the number that it was made with; for the first thread it is the process's.
    pub handle: PidHandle,
    /// The number inside the partition.
    virtual_tid: AtomicU32,
    /// The process that it belongs to.
    pub process: Arc<Process>,
    waiting: SpinLock<Waiting>,
    body: SpinLock<Option<Box<Body>>>,
    /// Mask, private pending signals and alternate stack.
    pub signals: SpinLock<ThreadSignals>,
    /// Its name; that of its process for the first thread and one that has got no other.
    own_name: SpinLock<Option<TaskName>>,
    /// Who it is; `None` for the first thread, which is who the process is.
    own_credential: SpinLock<Option<Arc<Credential>>>,
    /// How it is traced, if it is.
    pub tracing: SpinLock<Option<Box<Tracing>>>,
    /// Whether that has to be looked at.
    pub traced: AtomicBool,
    /// It is held for a core file, and counts as such in its process.
    pub held: AtomicBool,
    /// Something other than the program's own instructions is due before the next return to user mode.
    attention: Attention,
    /// The CPU that runs it or has run it last, counted from 1; 0 before the first.
    cpu: AtomicU32,
    /// Where `exit` stores 0 and wakes a futex (`man 2 set_tid_address`); 0 for nowhere.
    pub clear_child_tid: AtomicU64,
    /// Head of the robust futex list (`man 2 set_robust_list`); 0 for none.
    pub robust_list: AtomicU64,
    /// Its restartable sequences.
    pub rseq: Rseq,
    /// What it has been lent for its locks.
    pub inheritance: Inheritance,
    /// Which calls it may make.
    pub confinement: Confinement,
    /// Class and level in which it would use disks (`man 2 ioprio_set`).
    pub io_priority: AtomicU32,
    /// On which nodes its memory is to be (`man 2 set_mempolicy`).
    pub memory_policy: AtomicU32,
    /// What it has done so far.
    pub activity: Activity,
    /// What it has submitted to rings and is not done.
    pub requests: Requests,
    /// What it has left to be done in steps before it returns to its program.
    remains: SpinLock<Remains>,
    /// Whether there is any.
    leaves: AtomicBool,
}

/// What a thread is made of while it does not run.
pub struct Body {
    /// The user registers.
    pub context: UserContext,
    /// The system call that the thread is in.
    pub call: Option<PendingCall>,
    /// Memory that is to be given back in steps: of the program before `execve`, or of a fork that has failed. Nobody can
    /// reach it, so a checkpoint finishes it first.
    pub former: Option<Arc<Space>>,
    /// The child's memory in a `fork` that is not done.
    pub copy: Option<Box<AddressSpace>>,
    /// The child's descriptors in such a `fork`, when they are many.
    pub files: Option<Box<FileTable>>,
    /// The core file that it writes. A checkpoint finishes it first.
    pub core: Option<Box<CoreDump>>,
}

/// A system call that has not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingCall {
    /// The number in r0.
    pub number: u64,
    /// It may be made.
    pub admitted: bool,
    /// A tracer has been asked about it, to whom a filter has left it.
    pub asked: bool,
    /// What it has already done.
    pub progress: Continuation,
    /// What it waits for, when it is parked.
    pub wait: Option<Wait>,
}

#[derive(Default)]
struct Waiting {
    run: Run,
    timeout: Option<TimerHandle>,
    entity: Option<EntityId>,
}

/// Why a thread that has waited, or was about to, goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Its call is run again.
    Retry,
    /// Its call has this result.
    Completed(i64),
}

impl Thread {
    /// A thread that is ready but not yet known to the scheduler.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        number: Reserved,
        process: Arc<Process>,
        context: UserContext,
        signals: ThreadSignals,
    ) -> Result<Arc<Self>, NoMemory> {
        let body = fallible::boxed(Body {
            context,
            call: None,
            former: None,
            copy: None,
            files: None,
            core: None,
        })?;
        fallible::arc(Self {
            tid: AtomicU32::new(number.pid().0),
            handle: number.handle,
            virtual_tid: AtomicU32::new(number.vpid.0),
            process,
            waiting: SpinLock::new(Rank::Thread, Waiting::default()),
            body: SpinLock::new(Rank::Thread, Some(body)),
            signals: SpinLock::new(Rank::Thread, signals),
            own_name: SpinLock::new(Rank::Thread, None),
            own_credential: SpinLock::new(Rank::Thread, None),
            tracing: SpinLock::new(Rank::Thread, None),
            traced: AtomicBool::new(false),
            held: AtomicBool::new(false),
            attention: Attention::new(true),
            cpu: AtomicU32::new(0),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            rseq: Rseq::new(),
            inheritance: Inheritance::new(),
            confinement: Confinement::new(),
            io_priority: AtomicU32::new(0),
            memory_policy: AtomicU32::new(0),
            activity: Activity::default(),
            requests: Requests::new(),
            remains: SpinLock::new(Rank::Thread, Remains::new()),
            leaves: AtomicBool::new(false),
        })
    }

    /// The global number.
    pub fn tid(&self) -> Pid {
        Pid(self.tid.load(Ordering::Relaxed))
    }

    /// Takes the numbers of the process in place of its own: `execve`, when no other thread is left.
    pub fn become_first(&self) {
        self.tid.store(self.process.pid.0, Ordering::Relaxed);
        self.virtual_tid
            .store(self.process.virtual_pid().0, Ordering::Relaxed);
    }

    /// Takes over what a thread hands on to one that it makes.
    pub fn inherit(&self, maker: &Thread) {
        let priority = maker.io_priority.load(Ordering::Relaxed);
        self.io_priority.store(priority, Ordering::Relaxed);
        let policy = maker.memory_policy.load(Ordering::Relaxed);
        self.memory_policy.store(policy, Ordering::Relaxed);
        // Threads of one process that all get a filter get it under the same lock.
        maker
            .process
            .with(|_| self.confinement.inherit(&maker.confinement));
    }

    /// The number inside the partition.
    pub fn virtual_tid(&self) -> Pid {
        Pid(self.virtual_tid.load(Ordering::Relaxed))
    }

    /// Gives the thread its number inside a partition that its process enters.
    pub fn set_virtual_tid(&self, tid: Pid) {
        self.virtual_tid.store(tid.0, Ordering::Relaxed);
    }

    /// Takes the body to run the thread; `None` when another CPU has it.
    pub fn take_body(&self) -> Option<Box<Body>> {
        self.body.lock().take()
    }

    /// Puts the body back after a run.
    pub fn put_body(&self, body: Box<Body>) {
        *self.body.lock() = Some(body);
    }

    /// Its name (`man 2 prctl`, PR_GET_NAME).
    pub fn name(&self) -> TaskName {
        let own = self.own_name.lock().clone();
        own.unwrap_or_else(|| self.process.with(|state| state.name.clone()))
    }

    /// Gives it a name; the first thread's is that of the process.
    pub fn set_name(&self, name: TaskName) {
        if self.tid() == self.process.pid {
            self.process.with(|state| state.name = name);
        } else {
            *self.own_name.lock() = Some(name);
        }
    }

    /// Gives it the name of its process: `execve`.
    pub fn forget_name(&self) {
        *self.own_name.lock() = None;
    }

    /// Who it is (`man 7 credentials`): each thread may have become somebody else.
    pub fn credential(&self) -> Arc<Credential> {
        let own = self.own_credential.lock().clone();
        own.unwrap_or_else(|| self.process.credential())
    }

    /// Looks at who it is; nothing may be locked inside.
    pub fn with_credential<T>(&self, look: impl FnOnce(&Credential) -> T) -> T {
        if let Some(own) = &*self.own_credential.lock() {
            return look(own);
        }
        self.process.with(|state| look(&state.credential))
    }

    /// Makes it somebody else. Who the first thread is, its process is too.
    pub fn set_credential(&self, new: Arc<Credential>) {
        let former = if self.tid() == self.process.pid {
            self.process
                .with(|state| core::mem::replace(&mut state.credential, new))
        } else {
            let Some(former) = self.own_credential.lock().replace(new) else {
                return;
            };
            former
        };
        drop(former);
    }

    /// It is again who its process is: `execve`, and the way into a partition.
    pub fn forget_credential(&self) {
        let _former = self.own_credential.lock().take();
    }

    /// Adds what the thread is to do before it returns to its program.
    pub fn leave(&self, work: Left) {
        let refused = self.remains.lock().add(work);
        self.leaves.store(true, Ordering::Relaxed);
        // It does not wait before, either.
        self.call_attention();
        drop(refused);
    }

    /// Whether it has left something; only the CPU that runs it adds to that.
    pub fn leaves_work(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    /// Takes what it has left, which it will not do any more.
    pub fn take_remains(&self) -> Remains {
        self.leaves.store(false, Ordering::Relaxed);
        core::mem::take(&mut *self.remains.lock())
    }

    /// Does a step of what it has left.
    pub fn clear_remains(&self) {
        let more = remainder::step(&self.remains);
        self.leaves.store(more, Ordering::Relaxed);
    }

    /// Looks at or changes the body of a thread that does not run; `None` when a CPU has it.
    pub fn with_body<T>(&self, act: impl FnOnce(&mut Body) -> T) -> Option<T> {
        self.body.lock().as_deref_mut().map(act)
    }

    /// Whether it is traced, or has just been.
    pub fn is_traced(&self) -> bool {
        let traced = self.traced.load(Ordering::Relaxed);
        // Not a load with acquire ordering: those are followed by `isync`, which is dear on an emulator.
        fence(Ordering::Acquire);
        traced
    }

    /// Whether somebody else looks at each of its calls.
    pub fn shows_calls(&self) -> bool {
        self.is_traced() || self.confinement.is_on()
    }

    /// The thread's place in the scheduler.
    pub fn entity(&self) -> Option<EntityId> {
        self.waiting.lock().entity
    }

    /// What the thread asks of the scheduler, whatever it has been lent.
    pub fn attributes(&self) -> Attributes {
        if let Some(own) = self.inheritance.own() {
            return own;
        }
        let found = self.entity().and_then(|entity| {
            let read = |scheduler: &mut Scheduler| scheduler.attributes(entity).ok();
            system().dispatch.with(read)
        });
        found.unwrap_or_default()
    }

    /// The CPU that runs it or has run it last.
    pub fn last_cpu(&self) -> u32 {
        self.cpu.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// Gives the thread its place in the scheduler, or takes it away.
    pub fn set_entity(&self, entity: Option<EntityId>) {
        self.waiting.lock().entity = entity;
    }

    /// Where the thread is in its life.
    pub fn phase(&self) -> Phase {
        self.waiting.lock().run.phase()
    }

    /// Marks the thread as over; no wake-up reaches it any more.
    pub fn bury(&self) {
        self.waiting.lock().run.bury();
    }

    /// Asks for a look at signals and process state before the next return to user mode.
    pub fn call_attention(&self) {
        self.attention.call();
    }

    /// Whether a look is asked for.
    pub fn wants_attention(&self) -> bool {
        self.attention.is_called()
    }

    /// Brings the thread back from its program on another CPU, to look at what has changed.
    pub fn remind(&self) {
        self.call_attention();
        self.ring();
    }

    /// Whether a look was asked for since the last time.
    pub fn take_attention(&self) -> bool {
        self.attention.take()
    }

    /// A waiter for a new run of a call; wake-ups for earlier runs are void from now on.
    pub fn begin_run(self: &Arc<Self>) -> Waiter {
        let ticket = self.waiting.lock().run.begin();
        Waiter::new(self.clone(), ticket)
    }

    /// Ends a run: leaves every queue, cancels the timeout. Answers what has come of it; from here on no waker finds it.
    pub fn end_run(&self) -> Resumption {
        let (ended, timeout) = {
            let mut waiting = self.waiting.lock();
            (waiting.run.end(), waiting.timeout.take())
        };
        if let Some(handle) = timeout {
            system().timers.cancel(handle);
        }
        let mut links = ended.links.into_iter();
        if let Some(link) = links.next() {
            link.withdraw();
        }
        if links.len() > 0 {
            // What is left of many is done before the thread does anything else; until then a wake-up through them is
            // refused.
            remains::for_each(links, Link::withdraw);
        }
        ended
            .completion
            .map_or(Resumption::Retry, Resumption::Completed)
    }

    /// Parks the thread unless its run has been woken or attention is asked for; true when it is parked now.
    ///
    /// The caller puts the body back *before*, since from here on another CPU may run the thread; `off` takes
    /// it off this CPU, under the thread's lock so that no wake-up can come in between.
    pub fn park(&self, off: impl FnOnce()) -> bool {
        let mut waiting = self.waiting.lock();
        let parked = waiting.run.park(&self.attention);
        if parked {
            off();
        }
        parked
    }

    /// Arms the deadline of a run.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn arm(self: &Arc<Self>, at: Ticks, completion: Option<i64>) -> Result<(), NoMemory> {
        let ticket = self.waiting.lock().run.ticket();
        let timeout = Timeout::Wake {
            thread: Arc::downgrade(self),
            ticket,
            completion,
        };
        let handle = system().timers.try_add(at, timeout)?;
        self.waiting.lock().timeout = Some(handle);
        Ok(())
    }

    /// Notes which CPU runs the thread, before that CPU looks whether attention was asked for.
    pub fn runs_on(&self, cpu: usize) {
        self.cpu.store(cpu as u32 + 1, Ordering::Relaxed);
        // Pairs with that of `ring`: the one sees the attention, or the other sees the CPU.
        fence(Ordering::SeqCst);
    }

    /// Makes the CPU look that runs the thread, if one does.
    fn ring(&self) {
        fence(Ordering::SeqCst);
        let cpu = self.cpu.load(Ordering::Relaxed);
        if let Some(cpu) = cpu.checked_sub(1) {
            others::ring(cpu as usize);
        }
    }

    /// Wakes the thread out of whatever call it is parked in, and interrupts the program on another CPU, so that it looks
    /// at its signals.
    pub fn interrupt(&self) {
        let parked = {
            let mut waiting = self.waiting.lock();
            let parked = waiting.run.interrupt(&self.attention);
            parked.then_some(waiting.entity)
        };
        match parked {
            Some(entity) => self.runnable(entity),
            None => self.ring(),
        }
    }

    fn runnable(&self, entity: Option<EntityId>) {
        if let Some(entity) = entity {
            system().dispatch.wake(entity);
        }
    }
}

impl Sleeper for Thread {
    fn wake(&self, ticket: Ticket, completion: Option<i64>) -> bool {
        let (woken, entity) = {
            let mut waiting = self.waiting.lock();
            (waiting.run.wake(ticket, completion), waiting.entity)
        };
        if woken == Woken::FromPark {
            self.runnable(entity);
        }
        woken != Woken::Not
    }

    fn linked(&self, ticket: Ticket, link: Link) -> Option<Link> {
        self.waiting.lock().run.linked(ticket, link)
    }
}

/// A thread that may be gone by the time it is looked for.
pub type WeakThread = Weak<Thread>;
