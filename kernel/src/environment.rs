//! Environments: Global and the loaded partitions, with what the kernel keeps for each.
//!
//! A [`Wpar`] is the partition as the `partition` crate knows it; an [`Environment`] adds what only the kernel
//! can: its mounts, and who waits for it to be empty. Processes refer to the environment, so it lives as long as
//! one of them.

use crate::calls::message_queue::Notice;
use crate::clocks::Clock;
use crate::overdue::Overdue;
use crate::partitions;
use crate::system::system;
use abi::{Cid, Errno, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use devpts::Devpts;
use fallible::NoMemory;
use ipc::system_v::SystemV;
use ipc::{AbstractNames, QueueNames, Quota};
use net::Stack;
use partition::{LoadAverage, Wpar, WparTable};
use process::VPid;
use spin::Once;
use sync::{Rank, SpinLock};
use vfs::MountNamespace;
use wait::WaitQueue;

/// Files that the epoll instances of a partition may watch, all together (`man 7 epoll`, max_user_watches).
const WATCHES: usize = 1 << 16;
/// The inotify instances of a partition (`man 7 inotify`, max_user_instances: Linux allows each user 128).
const INOTIFY_INSTANCES: usize = 512;

/// Threads that all environments have made.
static ALL_THREADS_MADE: AtomicU64 = AtomicU64::new(0);

/// Global or a loaded partition.
pub struct Environment {
    /// State, limits, population.
    pub wpar: Arc<Wpar>,
    /// What is mounted where.
    pub mounts: Arc<MountNamespace>,
    /// Its pseudoterminals.
    pub ptys: Devpts,
    /// Files that its epoll instances watch.
    pub watches: Arc<Quota>,
    /// Its inotify instances.
    pub inotify_instances: Arc<Quota>,
    /// The files that they watch.
    pub inotify_watches: Arc<Quota>,
    /// Names of its sockets that are in no file system.
    pub abstract_names: AbstractNames,
    /// Its System V semaphores, message queues and shared memory.
    pub system_v: SystemV,
    /// Its POSIX message queues.
    pub message_queues: QueueNames<Notice>,
    /// Its ports and connections, once it has made a socket of the network.
    network: Once<Arc<Stack>>,
    /// The next name that is chosen for a socket.
    next_name: AtomicU32,
    /// Its timers that are due and wait for its turn on a CPU.
    pub overdue: Arc<Overdue>,
    /// Threads that it has made since it was loaded.
    threads_made: AtomicU64,
    /// The number that was given last.
    last_number: AtomicU32,
    /// Threads that wait for the last process to go.
    pub emptied: WaitQueue,
    /// When it was loaded.
    pub since: Ticks,
    load: SpinLock<LoadAverage>,
    boot_id: Once<u128>,
}

/// All environments, by cid.
pub struct Environments {
    /// States, names and keys. A partition that is being unloaded stays here until nothing of it is left.
    pub table: WparTable,
    /// Threads that wait for a partition to be unloaded by somebody else.
    pub departures: WaitQueue,
    places: SpinLock<Vec<Option<Arc<Environment>>>>,
    global: Arc<Environment>,
}

impl Environment {
    /// An environment.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(
        wpar: Arc<Wpar>,
        mounts: Arc<MountNamespace>,
        ptys: Devpts,
    ) -> Result<Arc<Self>, NoMemory> {
        fallible::arc(Self {
            wpar,
            mounts,
            ptys,
            watches: fallible::arc(Quota::new(WATCHES))?,
            inotify_instances: fallible::arc(Quota::new(INOTIFY_INSTANCES))?,
            inotify_watches: fallible::arc(Quota::new(WATCHES))?,
            abstract_names: AbstractNames::new(),
            system_v: SystemV::default(),
            message_queues: QueueNames::new()?,
            network: Once::new(),
            next_name: AtomicU32::new(1),
            overdue: fallible::arc(Overdue::new())?,
            threads_made: AtomicU64::new(0),
            last_number: AtomicU32::new(0),
            emptied: WaitQueue::new(),
            since: arch::time::now(),
            boot_id: Once::new(),
            load: SpinLock::new(Rank::Thread, LoadAverage::new(arch::time::now())),
        })
    }

    /// The tag.
    pub fn cid(&self) -> Cid {
        self.wpar.cid()
    }

    /// Load averages of 1, 5 and 15 minutes in hundredths: its own, in Global the machine's.
    pub fn load(&self) -> [u32; 3] {
        let cid = self.cid();
        let now = arch::time::now();
        let sum = system().dispatch.with(|scheduler| {
            if cid.is_global() {
                scheduler.whole_load(now)
            } else {
                scheduler.load(cid, now).unwrap_or_default()
            }
        });
        self.load.lock().at(now, sum, system().timebase)
    }

    /// A number that nobody else has and that stays the same until it is unloaded (`man 4 random`, boot_id).
    pub fn boot_id(&self) -> u128 {
        *self.boot_id.call_once(|| system().random_number())
    }

    /// Its ports and connections.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn network(&self) -> Result<&Arc<Stack>, NoMemory> {
        self.network
            .try_call_once(|| fallible::arc(Stack::new(|| Clock::Wall.now())))
    }

    /// Its ports and connections, if it has ever had any.
    pub fn used_network(&self) -> Option<&Arc<Stack>> {
        self.network.get()
    }

    /// A number for a name that is chosen.
    pub fn next_name(&self) -> u32 {
        self.next_name.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a new process.
    ///
    /// # Errors
    /// EAGAIN at `totalProcesses`, or when the partition is being killed.
    pub fn admit_process(&self) -> Result<(), Errno> {
        self.wpar.admit_process().map_err(|_| Errno::EAGAIN)
    }

    /// Counts a process that has been reaped. Called without a lock: the last one of an application partition
    /// takes the partition with it.
    pub fn process_left(&self) {
        if self.wpar.processes.leave() {
            self.emptied.wake_all();
            partitions::emptied(&self.wpar);
        }
    }

    /// Counts a new thread.
    ///
    /// # Errors
    /// EAGAIN at `totalThreads`.
    pub fn admit_thread(&self) -> Result<(), Errno> {
        self.wpar.threads.enter().map_err(|_| Errno::EAGAIN)?;
        self.threads_made.fetch_add(1, Ordering::Relaxed);
        ALL_THREADS_MADE.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// How many threads it has made, in Global those of all partitions too (`processes` of `/proc/stat`).
    pub fn threads_made(&self) -> u64 {
        let count = if self.cid().is_global() {
            &ALL_THREADS_MADE
        } else {
            &self.threads_made
        };
        count.load(Ordering::Relaxed)
    }

    /// Notes the number of a new process or thread.
    pub fn note_number(&self, number: VPid) {
        self.last_number.store(number.0, Ordering::Relaxed);
    }

    /// The number that was given last (`man 5 proc`, loadavg).
    pub fn last_number(&self) -> u32 {
        self.last_number.load(Ordering::Relaxed)
    }

    /// Counts a thread that has ended.
    pub fn thread_left(&self) {
        self.wpar.threads.leave();
    }
}

impl Environments {
    /// Global alone.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(global: Arc<Environment>) -> Result<Self, NoMemory> {
        let table = WparTable::new(global.wpar.clone())?;
        let places = fallible::of_one(Some(global.clone()))?;
        Ok(Self {
            table,
            departures: WaitQueue::new(),
            places: SpinLock::new(Rank::Partition, places),
            global,
        })
    }

    /// Global.
    pub fn global(&self) -> Arc<Environment> {
        self.global.clone()
    }

    /// The environment of a loaded partition.
    pub fn get(&self, cid: Cid) -> Option<Arc<Environment>> {
        self.places
            .lock()
            .get(usize::from(cid.0))
            .cloned()
            .flatten()
    }

    /// Keeps the environment of a partition that is being loaded.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn insert(&self, environment: Arc<Environment>) -> Result<(), NoMemory> {
        let index = usize::from(environment.cid().0);
        let mut places = self.places.lock();
        if let Some(more) = (index + 1).checked_sub(places.len()) {
            places.try_reserve(more)?;
            places.resize(index + 1, None);
        }
        if let Some(place) = places.get_mut(index) {
            *place = Some(environment);
        }
        Ok(())
    }

    /// Forgets the environment of a partition that is being unloaded.
    pub fn remove(&self, cid: Cid) -> Option<Arc<Environment>> {
        self.places
            .lock()
            .get_mut(usize::from(cid.0))
            .and_then(Option::take)
    }
}

/// The environment of a loaded partition.
pub fn find(cid: Cid) -> Option<Arc<Environment>> {
    system().environments.get(cid)
}
