//! Processes: what threads share, and how they begin and end.
//!
//! A process holds an address space, open files, a place in the file system, credentials, limits and signals;
//! each may be shared with another process as `clone` asks (`man 2 clone`). Identity and relations are in
//! the [`ProcessTree`](process::ProcessTree); this module joins the two.
//!
//! End: the last thread to leave lets go of memory, files and place, tells the tree, and what is left is a
//! zombie of a few hundred bytes until the parent has seen its status. A zombie still counts in its partition.
//!
//! Locks: every field has its own of rank `Process`; no two of them are held together. The tree's lock (rank
//! `ProcessTree`) is never taken with one of them held.

mod conduct;

pub use conduct::Conduct;

use crate::activity::Deeds;
use crate::cpu_timers::{self, CpuTimers};
use crate::current;
use crate::environment::Environment;
use crate::posix_timers::{self, PosixTimers};
use crate::ptrace;
use crate::signals::{self, Origin};
use crate::space::Space;
use crate::system::system;
use crate::thread::Thread;
use crate::threads::Threads;
use crate::timers::{LEAST_PAUSE, TimerHandle};
use abi::linux::{Membarrier, RLIM_INFINITY, Resource, SigInfo, SignalNumber, TASK_COMM_LEN};
use abi::{Cid, Errno, Pages, Pid, Ticks};
use alloc::sync::Arc;
use control::WparKind;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use process::signal::ProcessSignals;
use process::{Birth, ExitStatus, Limits, Reserved, Usage, VPid};
use security::{Credential, Identity, Privileges};
use smallvec::SmallVec;
use sync::{Rank, SpinLock};
use vfs::{FileTable, Location, Place, Running};
use wait::{Phase, WaitQueue, Waiter};

/// What stands for the number of a parent that the process has not asked for: no process has this number.
const UNKNOWN_PARENT: u32 = u32::MAX;

/// The serial number of the next process.
static NEXT_PROCESS: AtomicU64 = AtomicU64::new(1);

/// Open files that may be shared.
pub type Files = Arc<SpinLock<FileTable>>;

/// A place that may be shared.
pub type SharedPlace = Arc<SpinLock<Place>>;

/// A process.
pub struct Process {
    /// The global number.
    pub pid: Pid,
    /// A number that no other process ever had, from 1 on.
    pub serial: u64,
    number: Reserved,
    virtual_pid: AtomicU32,
    /// The parent as the process sees it, or [`UNKNOWN_PARENT`].
    parent: AtomicU32,
    environment: SpinLock<Arc<Environment>>,
    space: SpinLock<Option<Arc<Space>>>,
    files: SpinLock<Option<Files>>,
    place: SpinLock<Option<SharedPlace>>,
    state: SpinLock<State>,
    /// Its living threads.
    pub threads: Threads,
    /// What signals do, and which are pending for the process as a whole.
    pub signals: SpinLock<ProcessSignals>,
    /// Threads that wait for children.
    pub waiting: WaitQueue,
    /// Who waits to read signals from a file; woken when one is posted.
    pub signal_readers: WaitQueue,
    /// Its POSIX timers.
    pub posix_timers: SpinLock<PosixTimers>,
    /// Its timers that count CPU time.
    pub cpu_timers: CpuTimers,
    /// Whether it has ended and its parent has been told.
    pub over: SpinLock<bool>,
    /// Who waits for that.
    pub end_watchers: WaitQueue,
    /// Threads that wait for other threads of the process to end (execve).
    pub threads_gone: WaitQueue,
    /// Some thread has asked for the end of all.
    ending: AtomicBool,
    /// It is in the queue of processes that may have tables which they do not use.
    pub watched: AtomicBool,
    /// When a thread of it last left a CPU, in ticks.
    pub ran: AtomicU64,
    /// Page faults served.
    pub minor_faults: AtomicU64,
}

/// A name of at most 15 bytes, so that it lies where it is used.
pub type TaskName = SmallVec<[u8; TASK_COMM_LEN]>;

/// As much of a name as a [`TaskName`] has.
pub fn task_name(name: &[u8]) -> TaskName {
    TaskName::from_slice(name.get(..TASK_COMM_LEN - 1).unwrap_or(name))
}

/// What does not need a lock of its own.
pub struct State {
    /// Who it is: its first thread ([`Thread::credential`]).
    pub credential: Arc<Credential>,
    /// What it may use.
    pub limits: Limits,
    /// How it ends, once that is decided.
    pub end: Option<ExitStatus>,
    /// The thread that executes a program and waits for the others to end.
    pub executing: Option<Pid>,
    /// The thread that writes a core file.
    pub dumping: Option<Pid>,
    /// How many threads are held until it has done so.
    pub held: usize,
    /// SIGKILL ends it.
    pub killed: bool,
    /// A signal has stopped it.
    pub stopped: bool,
    /// How often it has been stopped.
    pub stops: u32,
    /// By which signal.
    pub stop_signal: SignalNumber,
    /// The last component of the program's path, at most 15 bytes (`man 5 proc`, comm).
    pub name: TaskName,
    /// The program.
    pub executable: Option<Location>,
    /// Nobody writes that meanwhile.
    pub text: Option<Running>,
    /// Addresses of its arguments and environment strings.
    pub arguments: (u64, u64),
    /// Addresses of its environment strings.
    pub environment: (u64, u64),
    /// Addresses of its auxiliary vector.
    pub auxiliary: (u64, u64),
    /// When it began.
    pub started: Ticks,
    /// The most pages that it has had at once as the programs that it was before.
    pub peak_resident: Pages,
    /// What its ended threads have used.
    pub ended_threads: sched::Account,
    /// What they have done.
    pub ended_deeds: Deeds,
    /// It has memory of its own, or has ended: a `vfork` that made it goes on.
    pub released: bool,
    /// Who waits in `vfork` for that.
    pub vfork: Option<Waiter>,
    /// The real-time interval timer.
    pub alarm: Alarm,
    /// How its programs want to be run (`man 2 personality`).
    pub persona: u32,
    /// What `prctl` has set.
    pub conduct: Conduct,
    /// Its user had more processes than it may when it became that user's.
    pub crowded: bool,
    /// Which barriers of memory it has announced (`man 2 membarrier`).
    pub barriers: Membarrier,
}

/// The real-time interval timer (`man 2 setitimer`).
#[derive(Default)]
pub struct Alarm {
    /// When it expires next.
    pub at: Option<Ticks>,
    /// How long until it expires again; zero for once.
    pub interval: Ticks,
    /// Its place among the timers.
    pub handle: Option<TimerHandle>,
}

/// What a new process takes over from the one that made it.
pub struct Inheritance {
    /// Memory, own or shared.
    pub space: Arc<Space>,
    /// Open files, own or shared.
    pub files: Files,
    /// Place, own or shared.
    pub place: SharedPlace,
    /// What signals do.
    pub signals: ProcessSignals,
    /// The signal that its parent gets when it ends.
    pub exit_signal: Option<SignalNumber>,
}

impl Process {
    /// The first process: no parent, no program yet.
    ///
    /// # Errors
    /// ENOMEM, EAGAIN.
    pub fn first(environment: &Arc<Environment>) -> Result<Arc<Self>, Errno> {
        let place = Place::at_root(&environment.mounts);
        let inheritance = Inheritance {
            space: Space::new(Cid::GLOBAL)?,
            files: fallible::arc(SpinLock::new(Rank::FileTable, FileTable::new()))?,
            place: fallible::arc(SpinLock::new(Rank::FileTable, place))?,
            signals: ProcessSignals::new(true),
            exit_signal: None,
        };
        let credential = Credential::new(
            Cid::GLOBAL,
            Identity::ROOT,
            Privileges::of_root(Cid::GLOBAL),
        );
        let state = State::new(fallible::arc(credential)?, Limits::initial());
        Self::born(None, environment.clone(), inheritance, state)
    }

    /// A child of this process, with the credential of the thread that makes it; in the tree but without threads; `released` unless a `vfork` waits for it.
    ///
    /// # Errors
    /// EAGAIN at a limit of processes, ENOMEM.
    pub fn child(
        &self,
        credential: Arc<Credential>,
        inheritance: Inheritance,
        released: bool,
    ) -> Result<Arc<Self>, Errno> {
        let environment = self.environment();
        let state = {
            let state = self.state.lock();
            let mut new = State::new(credential, state.limits.clone());
            new.released = released;
            new.name = state.name.clone();
            new.executable.clone_from(&state.executable);
            new.text.clone_from(&state.text);
            new.arguments = state.arguments;
            new.environment = state.environment;
            new.auxiliary = state.auxiliary;
            new.persona = state.persona;
            new.conduct = state.conduct.inherited();
            new.barriers = state.barriers;
            new
        };
        let limited = state.limits.current(Resource::Cpu) != RLIM_INFINITY;
        let child = Self::born(Some(self.pid), environment, inheritance, state)?;
        if limited {
            cpu_timers::watch_limit(&child);
        }
        Ok(child)
    }

    fn born(
        parent: Option<Pid>,
        environment: Arc<Environment>,
        inheritance: Inheritance,
        state: State,
    ) -> Result<Arc<Self>, Errno> {
        let cid = environment.cid();
        environment.admit_process()?;
        let birth = Birth {
            parent,
            cid,
            exit_signal: inheritance.exit_signal,
        };
        let mut tree = system().tree.lock();
        let reserved = match tree.spawn(birth) {
            Ok(reserved) => reserved,
            Err(errno) => {
                drop(tree);
                environment.process_left();
                return Err(errno);
            }
        };
        environment.note_number(reserved.vpid);
        let left = environment.clone();
        let made = fallible::arc(Self {
            pid: reserved.pid(),
            serial: NEXT_PROCESS.fetch_add(1, Ordering::Relaxed),
            number: reserved,
            virtual_pid: AtomicU32::new(reserved.vpid.0),
            parent: AtomicU32::new(UNKNOWN_PARENT),
            environment: SpinLock::new(Rank::Process, environment),
            space: SpinLock::new(Rank::Process, Some(inheritance.space)),
            files: SpinLock::new(Rank::Process, Some(inheritance.files)),
            place: SpinLock::new(Rank::Process, Some(inheritance.place)),
            state: SpinLock::new(Rank::Process, state),
            threads: Threads::default(),
            signals: SpinLock::new(Rank::Process, inheritance.signals),
            waiting: WaitQueue::new(),
            signal_readers: WaitQueue::new(),
            posix_timers: SpinLock::new(Rank::Process, PosixTimers::new()),
            cpu_timers: CpuTimers::new(),
            over: SpinLock::new(Rank::Stream, false),
            end_watchers: WaitQueue::new(),
            threads_gone: WaitQueue::new(),
            ending: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            ran: AtomicU64::new(0),
            minor_faults: AtomicU64::new(0),
        });
        let process = match made {
            Ok(process) => process,
            Err(no_memory) => {
                let none = tree.abandon(reserved.pid());
                drop(tree);
                drop(none);
                left.process_left();
                return Err(no_memory.into());
            }
        };
        tree.pids.bind(
            reserved.handle,
            crate::system::Numbered::Process(process.clone()),
        );
        drop(tree);
        process.end_if_closed();
        Ok(process)
    }

    /// A partition that is being killed takes those with it who were admitted before and are in the tree only now.
    fn end_if_closed(&self) {
        if !self.environment().wpar.is_open() {
            self.end(ExitStatus::KILLED);
        }
    }

    /// The number that its first thread has too.
    pub fn number(&self) -> Reserved {
        Reserved {
            vpid: self.virtual_pid(),
            ..self.number
        }
    }

    /// The environment that it is in.
    pub fn environment(&self) -> Arc<Environment> {
        self.environment.lock().clone()
    }

    /// The partition that it is in.
    pub fn cid(&self) -> Cid {
        self.environment.lock().cid()
    }

    /// The partition, for a panic's report: Global when the lock is held.
    pub fn peek_cid(&self) -> Cid {
        self.environment
            .try_lock()
            .map_or(Cid::GLOBAL, |environment| environment.cid())
    }

    /// Its parent's number as the process sees it, if it has asked before and has had no other parent since.
    pub fn known_parent(&self) -> Option<VPid> {
        let parent = self.parent.load(Ordering::Relaxed);
        (parent != UNKNOWN_PARENT).then_some(VPid(parent))
    }

    /// Remembers the parent's number; `None` after the process has got another parent or gone to another partition.
    pub fn know_parent(&self, seen: Option<VPid>) {
        let parent = seen.map_or(UNKNOWN_PARENT, |parent| parent.0);
        self.parent.store(parent, Ordering::Relaxed);
    }

    /// The number inside its partition.
    pub fn virtual_pid(&self) -> VPid {
        VPid(self.virtual_pid.load(Ordering::Relaxed))
    }

    /// Its credential.
    pub fn credential(&self) -> Arc<Credential> {
        self.state.lock().credential.clone()
    }

    /// Looks at or changes its state; nothing else may be locked inside.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// The limit in force for a resource.
    pub fn limit(&self, resource: Resource) -> u64 {
        self.state.lock().limits.current(resource)
    }

    /// Its memory.
    ///
    /// # Errors
    /// ESRCH when it has ended.
    pub fn space(&self) -> Result<Arc<Space>, Errno> {
        self.space.lock().clone().ok_or(Errno::ESRCH)
    }

    /// Its open files.
    ///
    /// # Errors
    /// ESRCH when it has ended.
    pub fn files(&self) -> Result<Files, Errno> {
        self.files.lock().clone().ok_or(Errno::ESRCH)
    }

    /// Its place in the file system.
    ///
    /// # Errors
    /// ESRCH when it has ended.
    pub fn place(&self) -> Result<SharedPlace, Errno> {
        self.place.lock().clone().ok_or(Errno::ESRCH)
    }

    /// Takes new memory in place of the old: `execve`.
    pub fn replace_space(&self, space: Arc<Space>) {
        let old = self.space.lock().replace(space);
        let peak = old.map_or(Pages(0), |old| old.lock().peak_resident());
        self.with(|state| state.peak_resident = state.peak_resident.max(peak));
    }

    /// The most pages that it has had at once, as whichever program (`man 2 getrusage`, `ru_maxrss`).
    pub fn peak_resident(&self) -> Pages {
        let space = self.space.lock().clone();
        let now = space.map_or(Pages(0), |space| space.lock().peak_resident());
        now.max(self.with(|state| state.peak_resident))
    }

    /// Takes a table of open files of its own in place of a shared one: `execve`.
    pub fn replace_files(&self, files: Files) {
        let _old = self.files.lock().replace(files);
    }

    /// Takes another place: entering a partition.
    pub fn replace_place(&self, place: SharedPlace) {
        let _old = self.place.lock().replace(place);
    }

    /// What its first thread asks of the scheduler.
    pub fn scheduling(&self) -> sched::Attributes {
        let first = self.threads.iter().next();
        first.map(|first| first.attributes()).unwrap_or_default()
    }

    /// Adds a thread.
    ///
    /// # Errors
    /// EAGAIN when the process is ending or executing a program; ENOMEM.
    pub fn add_thread(&self, thread: &Arc<Thread>) -> Result<(), Errno> {
        let state = self.state.lock();
        if state.end.is_some() || state.executing.is_some() {
            return Err(Errno::EAGAIN);
        }
        self.threads.add(thread)?;
        Ok(())
    }

    /// Gives the process's number to `thread`, its only one, which executes a program (`man 2 execve`).
    ///
    /// The number that the thread was made with is free then; the process's own never was, whatever has become of the
    /// first thread.
    pub fn lead(&self, thread: &Thread) {
        if thread.tid() != self.pid {
            let mut tree = system().tree.lock();
            tree.leads(thread.tid(), self.pid);
            thread.become_first();
            let unbound = tree.pids.unbind(thread.handle);
            drop(tree);
            drop(unbound);
        }
    }

    /// Whether its end has been decided.
    pub fn is_ending(&self) -> bool {
        let ending = self.ending.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        ending
    }

    /// Whether one of its threads runs or could run.
    pub fn is_runnable(&self) -> bool {
        self.threads
            .iter()
            .any(|thread| thread.phase() == Phase::Ready)
    }

    /// Whether it has let go of everything.
    pub fn has_ended(&self) -> bool {
        self.space.lock().is_none()
    }

    /// Decides its end; every thread leaves at its next return to user mode. The first decision counts.
    pub fn end(&self, status: ExitStatus) {
        {
            let mut state = self.state.lock();
            state.end.get_or_insert(status);
            state.stopped = false;
            let kill = SignalNumber::SIGKILL;
            state.killed |= matches!(status, ExitStatus::Killed { signal, .. } if signal == kill);
        }
        self.ending.store(true, Ordering::Release);
        self.threads.interrupt(None);
    }

    /// Lets `vfork`'s parent go on.
    pub fn release_vfork(&self) {
        let waiter = self.with(|state| {
            state.released = true;
            state.vfork.take()
        });
        if let Some(waiter) = waiter {
            waiter.wake(None);
        }
    }

    /// What it has used, its living threads included; not how much memory ([`peak_resident`](Self::peak_resident)).
    pub fn usage(&self, now: Ticks) -> Usage {
        let mut account = self.state.lock().ended_threads;
        let entities = self.threads.iter().filter_map(|thread| thread.entity());
        for entity in entities {
            let used = system()
                .dispatch
                .with(|scheduler| scheduler.entity_account(entity, now));
            if let Ok(used) = used {
                account.user += used.user;
                account.system += used.system;
            }
        }
        let time = |ticks| system().timebase.nanos(ticks);
        let minor_faults = self.minor_faults.load(Ordering::Relaxed);
        let deeds = self.deeds();
        Usage {
            user: time(account.user),
            system: time(account.system),
            minor_faults,
            voluntary_switches: deeds.waits,
            involuntary_switches: deeds.preemptions,
            ..Usage::default()
        }
    }

    /// What its threads have done, those that have ended too.
    pub fn deeds(&self) -> Deeds {
        let mut deeds = self.state.lock().ended_deeds;
        for thread in self.threads.iter() {
            deeds += thread.activity.deeds();
        }
        deeds
    }

    /// The real-time interval timer has expired.
    pub fn alarm_expired(self: Arc<Self>, now: Ticks) {
        let interval = {
            let mut state = self.state.lock();
            // It may have been stopped or set anew between its time and this.
            if state.alarm.at.is_none_or(|at| at > now) {
                return;
            }
            state.alarm.handle = None;
            state.alarm.at = None;
            state.alarm.interval
        };
        if interval.0 > 0 {
            let pause = interval.max(system().timebase.ticks(LEAST_PAUSE));
            self.set_alarm(Some(now.saturating_add(pause)), interval);
        }
        signals::post(
            &self,
            SigInfo::kernel(SignalNumber::SIGALRM),
            Origin::Inside,
        );
    }

    /// Sets the real-time interval timer; `None` stops it.
    pub fn set_alarm(self: &Arc<Self>, at: Option<Ticks>, interval: Ticks) {
        let timers = &system().timers;
        let alarm = || crate::timers::Timeout::Alarm(Arc::downgrade(self));
        let handle = at.and_then(|at| timers.add(at, alarm()));
        let old = {
            let mut state = self.state.lock();
            core::mem::replace(
                &mut state.alarm,
                Alarm {
                    at,
                    interval,
                    handle,
                },
            )
        };
        if let Some(handle) = old.handle {
            timers.cancel(handle);
        }
    }

    /// Moves the process into a partition: it gets a number, a root, a credential there.
    ///
    /// # Errors
    /// EBUSY with several threads, EAGAIN at the limit of processes, ENOMEM.
    pub fn enter(
        self: &Arc<Self>,
        environment: &Arc<Environment>,
        init: bool,
    ) -> Result<(), Errno> {
        let mut threads = self.threads.iter();
        // A thread that has outlived the first has a number of its own, which would have to move too.
        let (Some(thread), None) = (threads.next(), threads.next()) else {
            return Err(Errno::EBUSY);
        };
        if thread.tid() != self.pid {
            return Err(Errno::EBUSY);
        }
        // What it has submitted was to be done outside.
        crate::calls::uring::cancel_all(&thread);
        let old = self.environment();
        let place = Place::at_root(&environment.mounts);
        let place = fallible::arc(SpinLock::new(Rank::FileTable, place))?;
        let credential = fallible::arc(self.credential_in(environment))?;
        environment.admit_process()?;
        if let Err(errno) = environment.admit_thread() {
            environment.process_left();
            return Err(errno);
        }
        let cid = environment.cid();
        let vpid = match system().tree.lock().enter(self.pid, cid, init) {
            Ok(vpid) => vpid,
            Err(errno) => {
                environment.thread_left();
                environment.process_left();
                return Err(errno);
            }
        };
        self.virtual_pid.store(vpid.0, Ordering::Relaxed);
        self.know_parent(None);
        thread.set_virtual_tid(Pid(vpid.0));
        *self.environment.lock() = environment.clone();
        current::set_partition(cid);
        self.signals.lock().protected = init;
        self.replace_place(place);
        self.with(|state| state.credential = credential);
        thread.forget_credential();
        if let Some(entity) = thread.entity() {
            system().dispatch.transfer(entity, cid);
        }
        old.thread_left();
        old.process_left();
        self.end_if_closed();
        Ok(())
    }

    /// The credential that it gets in a partition.
    fn credential_in(&self, environment: &Environment) -> Credential {
        let own = self.credential();
        let identity = if environment.wpar.kind() == WparKind::Application {
            own.identity.clone()
        } else {
            Identity::ROOT
        };
        let mut new = Credential::new(environment.cid(), identity, Privileges::empty());
        new.set_capabilities(own.capabilities, environment.wpar.privileges());
        new
    }

    /// A thread leaves; the last one ends the process. Called on the thread's own CPU.
    ///
    /// The scheduler forgets it before anybody can see that it is gone: whoever waits for the last thread of a partition
    /// may unload the partition at once, on another CPU.
    pub fn thread_exits(self: &Arc<Self>, thread: &Arc<Thread>, cpu: usize) {
        thread.bury();
        let now = arch::time::now();
        let entity = thread.entity();
        thread.set_entity(None);
        let used = entity.and_then(|entity| {
            let dispatch = &system().dispatch;
            let used = dispatch.with(|scheduler| scheduler.entity_account(entity, now).ok());
            drop(dispatch.bury(cpu, now, entity));
            used
        });
        let (last, status) = {
            let mut state = self.state.lock();
            if let Some(used) = used {
                state.ended_threads.user += used.user;
                state.ended_threads.system += used.system;
            }
            state.ended_deeds += thread.activity.deeds();
            (self.threads.remove(thread) == 0, state.end)
        };
        if thread.tid() != self.pid {
            let how = ptrace::end_of(thread, status);
            let (told, unbound) = {
                let mut tree = system().tree.lock();
                let told = tree.thread_ended(thread.tid(), how);
                (told, tree.pids.unbind(thread.handle))
            };
            drop(unbound);
            ptrace::tell(told);
        }
        self.environment().thread_left();
        self.threads_gone.wake_all();
        if last {
            self.finish(status.unwrap_or(ExitStatus::Exited(0)), now);
        }
    }

    /// Takes back what it has done to semaphores with SEM_UNDO.
    pub fn undo_semaphores(&self, now: Ticks) {
        const SECOND: u64 = 1_000_000_000;
        let seconds = (system().wall_clock(now).0 / SECOND).cast_signed();
        let semaphores = &self.environment().system_v.semaphores;
        semaphores.ended(self.serial, self.virtual_pid().0, seconds);
    }

    /// Lets go of everything and becomes a zombie.
    fn finish(self: &Arc<Self>, status: ExitStatus, now: Ticks) {
        self.set_alarm(None, Ticks(0));
        posix_timers::delete_all(self);
        self.cpu_timers.clear();
        self.ending.store(true, Ordering::Release);
        let mut usage = self.usage(now);
        usage.peak_resident = self.peak_resident();
        self.undo_semaphores(now);
        let files = self.files.lock().take();
        drop(files);
        crate::calls::descriptor::locks::freed();
        let place = self.place.lock().take();
        drop(place);
        let space = self.space.lock().take();
        drop(space);
        let program = self.with(|state| (state.executable.take(), state.text.take()));
        drop(program);
        self.release_vfork();
        crate::family::ended(self, status, usage);
        let mut over = self.over.lock();
        *over = true;
        self.end_watchers.wake_all();
    }
}

impl State {
    /// Whether its threads have nothing to do but to run and to take signals.
    pub const fn is_calm(&self) -> bool {
        self.executing.is_none() && self.dumping.is_none() && self.held == 0 && !self.stopped
    }

    fn new(credential: Arc<Credential>, limits: Limits) -> Self {
        Self {
            credential,
            limits,
            end: None,
            executing: None,
            dumping: None,
            held: 0,
            killed: false,
            stopped: false,
            stops: 0,
            stop_signal: SignalNumber::SIGSTOP,
            name: TaskName::new(),
            executable: None,
            text: None,
            arguments: (0, 0),
            environment: (0, 0),
            auxiliary: (0, 0),
            started: arch::time::now(),
            peak_resident: Pages(0),
            ended_threads: sched::Account::default(),
            ended_deeds: Deeds::default(),
            released: true,
            vfork: None,
            alarm: Alarm::default(),
            persona: 0,
            conduct: Conduct::default(),
            crowded: false,
            barriers: Membarrier::empty(),
        }
    }
}
