//! The one instance of everything.

use crate::bill::Bill;
use crate::console::Consoles;
use crate::dispatch::Dispatch;
use crate::dormant::Dormant;
use crate::environment::{Environment, Environments};
use crate::hotplug::Cpus;
use crate::process::Process;
use crate::terminals::Terminals;
use crate::thread::Thread;
use crate::timers::Timers;
use abi::{Cid, Nanos, Ticks, Timebase};
use alloc::sync::Arc;
use arch::Published;
use arch::interrupts::Source;
use core::fmt;
use devfs::{Devices, Entropy};
use ipc::FutexTable;
use partition::ResourceSets;
use process::ProcessTree;
use ramfs::Ramfs;
use sched::{Event, Fault};
use spin::Once;
use sync::{Rank, SpinLock};
use trace::{ErrorLog, Severity};
use wait::WaitQueue;

/// What a number stands for.
#[derive(Clone)]
pub enum Numbered {
    /// A process; its first thread has the same number.
    Process(Arc<Process>),
    /// A further thread.
    Thread(Arc<Thread>),
}

/// The process tree with the kernel's objects.
pub type Tree = ProcessTree<Numbered>;

/// Everything that the kernel keeps.
pub struct System {
    /// Names for sets of CPUs.
    pub resource_sets: ResourceSets,
    /// The machine's timebase.
    pub timebase: Timebase,
    /// The clock of its CPUs in hertz; 0 when firmware does not tell.
    pub clock: u64,
    /// What firmware calls the machine.
    pub model: &'static str,
    /// The relation of the timebase to the wall clock.
    pub wall: SpinLock<WallClock>,
    /// Who wants to know when the wall clock is set.
    pub wall_changed: WaitQueue,
    /// The timebase at boot.
    pub booted: Ticks,
    /// Processes, threads, groups, sessions.
    pub tree: SpinLock<Tree>,
    /// Scheduler and threads.
    pub dispatch: Dispatch,
    /// The CPUs of the machine.
    pub cpus: Cpus,
    /// What happens at points of time.
    pub timers: Timers,
    /// Processes that sleep.
    pub dormant: Dormant,
    /// Partitions.
    pub environments: Environments,
    /// The terminals of the machine.
    pub consoles: Consoles,
    /// All terminals by number.
    pub terminals: Terminals,
    /// Words of memory that threads wait on.
    pub futexes: FutexTable,
    /// The list of all devices.
    pub devices: Arc<Devices>,
    /// The file system that Global's root is in.
    pub root_fs: Ramfs,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    log: SpinLock<ErrorLog>,
}

/// The relation of the timebase to the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// Nanoseconds since 1970 …
    pub nanos: Nanos,
    /// … when the timebase read this.
    pub at: Ticks,
}

static SYSTEM: Once<System> = Once::new();
static PLACE: Published<System> = Published::new();

/// How many entries the error log keeps.
const LOG_ENTRIES: usize = 1024;

/// The system; it exists from the end of [`crate::start()`]'s preparations on.
///
/// # Panics
/// When asked before; nothing that runs then asks.
pub fn system() -> &'static System {
    match PLACE.get() {
        Some(system) => system,
        None => panic!("the system is used before it exists"),
    }
}

/// The system, when it exists already: for the panic path and the log.
pub fn if_ready() -> Option<&'static System> {
    PLACE.get()
}

/// Makes the system exist.
pub fn install(make: impl FnOnce() -> System) -> &'static System {
    let system = SYSTEM.call_once(make);
    PLACE.publish(system);
    system
}

/// How many locks the futex table has.
const FUTEX_BUCKETS: usize = 256;

impl Numbered {
    /// The process, when it is one.
    pub fn process(&self) -> Option<Arc<Process>> {
        match self {
            Numbered::Process(process) => Some(process.clone()),
            Numbered::Thread(_) => None,
        }
    }

    /// The process that the number leads to, also by one of its threads.
    pub fn owner(&self) -> Arc<Process> {
        match self {
            Numbered::Process(process) => process.clone(),
            Numbered::Thread(thread) => thread.process.clone(),
        }
    }

    /// The thread that has the number.
    pub fn thread(&self) -> Option<Arc<Thread>> {
        match self {
            Numbered::Process(process) => process
                .threads
                .iter()
                .find(|thread| thread.tid() == process.pid),
            Numbered::Thread(thread) => Some(thread.clone()),
        }
    }
}

/// The parts that [`crate::start()`] makes.
pub struct Parts {
    /// The machine's timebase.
    pub timebase: Timebase,
    /// The clock of its CPUs in hertz; 0 when firmware does not tell.
    pub clock: u64,
    /// What firmware calls the machine.
    pub model: &'static str,
    /// The wall clock at boot.
    pub wall: WallClock,
    /// Scheduler.
    pub dispatch: Dispatch,
    /// The partitions, Global among them.
    pub environments: Environments,
    /// The terminals of the machine.
    pub consoles: Consoles,
    /// All terminals by number.
    pub terminals: Terminals,
    /// Devices.
    pub devices: Arc<Devices>,
    /// Root file system.
    pub root_fs: Ramfs,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
}

impl System {
    /// The system made of its parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            resource_sets: ResourceSets::new(),
            timebase: parts.timebase,
            clock: parts.clock,
            model: parts.model,
            wall: SpinLock::new(Rank::Log, parts.wall),
            wall_changed: WaitQueue::new(),
            booted: parts.wall.at,
            tree: SpinLock::new(Rank::ProcessTree, ProcessTree::new()),
            dispatch: parts.dispatch,
            cpus: Cpus::new(),
            timers: Timers::new(),
            dormant: Dormant::new(),
            environments: parts.environments,
            terminals: parts.terminals,
            consoles: parts.consoles,
            futexes: FutexTable::new(FUTEX_BUCKETS),
            devices: parts.devices,
            root_fs: parts.root_fs,
            entropy: parts.entropy,
            log: SpinLock::new(Rank::Log, ErrorLog::new(LOG_ENTRIES)),
        }
    }

    /// Global.
    pub fn global(&self) -> Arc<Environment> {
        self.environments.global()
    }

    /// A number from the source of random bytes.
    pub fn random_number(&self) -> u128 {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }

    /// Time since boot.
    pub fn uptime(&self) -> Nanos {
        self.timebase
            .nanos(arch::time::now().saturating_sub(self.booted))
    }

    /// The wall clock at a point of the timebase.
    pub fn wall_clock(&self, at: Ticks) -> Nanos {
        let wall = *self.wall.lock();
        wall.nanos
            .saturating_add(self.timebase.nanos(at.saturating_sub(wall.at)))
    }

    /// Sets the wall clock.
    pub fn set_wall_clock(&self, nanos: Nanos) {
        let mut wall = self.wall.lock();
        *wall = WallClock {
            nanos,
            at: arch::time::now(),
        };
        crate::vdso::tell(&wall);
        drop(wall);
        self.wall_changed.wake_all();
    }

    /// Appends to the error log, and prints what is serious. Without memory for the text the line is empty.
    pub fn log(
        &self,
        cid: Cid,
        severity: Severity,
        resource: &'static str,
        text: fmt::Arguments<'_>,
    ) {
        if severity == Severity::Permanent {
            log::warn!("{resource}: {text}");
        }
        let text = fallible::text(text).unwrap_or_default();
        self.log
            .lock()
            .append(self.uptime(), cid, severity, resource, text);
    }

    /// Looks at the error log.
    pub fn with_log<T>(&self, look: impl FnOnce(&ErrorLog) -> T) -> T {
        look(&self.log.lock())
    }

    /// Notes what the scheduler has to say.
    pub fn log_scheduler_event(&self, event: &Event) {
        let Event { policy, fault, .. } = event;
        let note = |cid, text: fmt::Arguments<'_>| {
            let text = format_args!("policy {policy} {text}; round-robin takes over");
            self.log(cid, Severity::Permanent, "sched", text);
        };
        match fault {
            Fault::Starved { cid, waited } => {
                let waited = self.timebase.nanos(*waited).0 / 1_000_000;
                let text = format_args!("let partition {cid} wait for {waited} ms");
                note(*cid, text);
            }
            Fault::Nonsense { cid } => {
                let text = format_args!("picked partition {cid}, which has nothing to run");
                note(*cid, text);
            }
            Fault::Idled { cpu } => {
                let text = format_args!("left CPU {} idle with threads waiting", cpu.0);
                note(Cid::GLOBAL, text);
            }
        }
    }

    /// Serves what devices ask for. `since`: when a program was interrupted for that.
    pub fn serve_interrupts(&self, since: Option<Ticks>) {
        while let Some(taken) = arch::interrupts::take() {
            if taken.source == Source::IPI {
                // What it was about is looked at on the way back to a program.
                arch::interrupts::controller().clear_call();
            } else {
                // The consoles are Global's.
                let mut bill = Bill::begin(since.unwrap_or_else(arch::time::now));
                bill.to(Cid::GLOBAL);
                self.consoles.interrupt(taken.source);
                bill.end();
            }
            arch::interrupts::done(taken);
        }
    }
}
