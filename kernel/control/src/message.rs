//! Requests and answers.
//!
//! Closed enums: a variant is added at the end together with a new protocol version. Paths and names are
//! texts because that is what programs give; every one is checked by the kernel again.

use crate::cpus::CpuList;
use crate::name::WparName;
use crate::resources::{ResourceControls, ResourceError};
use crate::state::WparState;
use abi::{Cid, Errno, Nanos, Pages, Pid, Ticks, WparKey};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What a command asks of the kernel. Each is done at one instant or not at all, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Who is asking: the environment of the calling process. Answered everywhere. [`Answer::Identity`].
    Identity,
    /// Makes the kernel object in state T, empty. [`Answer::Loaded`].
    ///
    /// EEXIST when the name or the key is loaded already, ENOENT and ENOTDIR for paths, EINVAL with a text
    /// for resource controls, ENOSPC when [`Cid::LIMIT`] WPARs are loaded.
    Load(Load),
    /// The calling process, which must have a single thread, becomes a member. [`Answer::Done`].
    ///
    /// It gets the WPAR's root as root and working directory, user and group 0 with the WPAR's privileges,
    /// and a vPID: 1 with parent 0 when `init` is set, which is possible once. Its session, process
    /// group, terminal, signal dispositions and descriptors 0, 1, 2 stay. Every other descriptor is closed, but
    /// that of the request itself, which is made close-on-exec so that the answer can be read. Allowed in
    /// T when `init` is set and in A; else EBUSY. EAGAIN at the limit of processes. The WPAR kills all
    /// its processes when its vPID 1 ends.
    Enter {
        /// Which WPAR.
        wpar: WparHandle,
        /// Whether to be its vPID 1.
        init: bool,
    },
    /// T → A. EINVAL with a text when the minimums of all WPARs would exceed the whole. [`Answer::Done`].
    ///
    /// An application WPAR that is active and loses its last process is unloaded by the kernel.
    Activate(WparHandle),
    /// A → T (T, F and, with force, B stay what they are). [`Answer::Done`].
    ///
    /// Without force: nobody can enter any more, and vPID 1 gets SIGTERM; forks inside go on, so that a
    /// shutdown can run programs. With force: forks inside fail with EAGAIN too, and every process gets
    /// SIGKILL. To be followed by [`Request::Await`] and [`Request::Unload`].
    Quiesce {
        /// Which WPAR.
        wpar: WparHandle,
        /// Whether to kill everything.
        force: bool,
    },
    /// Destroys the object and gives back all that it holds; from T or B. EBUSY with processes left. Where somebody else is
    /// at it, the answer waits for that to be over: ESRCH then. [`Answer::Done`].
    Unload(WparHandle),
    /// Waits until the WPAR has no process, or is gone. [`Answer::Awaited`].
    Await {
        /// Which WPAR.
        wpar: WparHandle,
        /// How long at most; without it, for ever.
        timeout: Option<Nanos>,
    },
    /// Any state → B. [`Answer::Done`].
    Break(WparHandle),
    /// Replaces the resource controls with immediate effect. EINVAL with a text when a rule is broken. [`Answer::Done`].
    SetResources {
        /// Which WPAR.
        wpar: WparHandle,
        /// All of them.
        controls: ResourceControls,
    },
    /// Sets the name that `uname -n` gives inside. [`Answer::Done`].
    SetHostname {
        /// Which WPAR.
        wpar: WparHandle,
        /// 1 to 64 bytes.
        hostname: String,
    },
    /// All loaded WPARs, by cid. [`Answer::Wpars`].
    List,
    /// Time and memory used by everybody, at one instant. [`Answer::Accounts`].
    Accounts,
    /// Processes, by pid. `Own` is answered everywhere. [`Answer::Processes`].
    Processes(Scope),
    /// The error log, oldest first. [`Answer::ErrorLog`].
    ErrorLog,
    /// The scheduling policies: the first is in use. [`Answer::Policies`].
    Policies,
    /// Makes a policy the one in use; EINVAL for an unknown one. [`Answer::Done`].
    SetPolicy {
        /// Its name.
        name: String,
    },
    /// What can be tuned in the scheduler. [`Answer::Tunables`].
    Tunables,
    /// Tunes something; ENOENT for an unknown name, EINVAL for a value out of its range. [`Answer::Done`].
    Tune {
        /// Its name.
        name: String,
        /// Its value from now on.
        value: u32,
    },
    /// The resource sets, by name. [`Answer::ResourceSets`].
    ResourceSets,
    /// Makes a resource set. EINVAL for a bad name or a CPU that is not there, EPERM in the machine's namespace, EEXIST,
    /// ENOSPC. [`Answer::Done`].
    DefineResourceSet(ResourceSet),
    /// Removes a resource set. ENOENT, EPERM for the machine's own, EBUSY while a loaded WPAR is confined to it.
    /// [`Answer::Done`].
    RemoveResourceSet {
        /// Its name.
        name: String,
    },
    /// Ends the machine. Does not return.
    PowerOff {
        /// What is reported outside as the status of the run.
        status: u8,
    },
    /// Starts the machine again. Does not return.
    Restart,
}

/// One loading of one WPAR, unmistakably: cids are reused, and a key comes back when its WPAR is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WparHandle {
    /// Number in the running kernel.
    pub cid: Cid,
    /// Different for every [`Request::Load`] since boot; never 0.
    pub generation: u64,
}

/// What kind of WPAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WparKind {
    /// Persistent, with its own root, init and users.
    System,
    /// Around one command, on Global's files; gone with its last process.
    Application,
}

/// Description of a WPAR to be loaded.
///
/// The kernel makes a mount name space whose root is `root`, with `mounts` in their order, the
/// WPAR's procfs on `/proc` and its devices on `/dev`. For an application WPAR `root` is `/`, and it sees
/// all of Global's mounts below it, but its own `/proc` and `/dev`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Persistent number, not 0.
    pub key: WparKey,
    /// Name.
    pub name: WparName,
    /// What `uname -n` gives inside, 1 to 64 bytes.
    pub hostname: String,
    /// Kind.
    pub kind: WparKind,
    /// Absolute path in Global of what is `/` inside.
    pub root: String,
    /// File systems of Global to be seen inside.
    pub mounts: Vec<BindMount>,
    /// Names of devices in `/dev`; `None` for the default set of the kind.
    pub devices: Option<Vec<String>>,
    /// Resource controls.
    pub controls: ResourceControls,
    /// Bits of the most privileges that a process inside can have; `None` for the default of the kind.
    pub privileges: Option<u64>,
}

/// A directory of Global seen inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindMount {
    /// Absolute path in Global.
    pub source: String,
    /// Absolute path inside; the directory must exist.
    pub target: String,
    /// Whether nothing can be changed through it.
    pub read_only: bool,
}

/// Which processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Those that the asker can see: of its WPAR; in Global, all.
    Own,
    /// All; refused inside a WPAR.
    All,
    /// Those of one WPAR, or with cid 0 those of Global alone; refused inside a WPAR.
    Wpar(Cid),
}

/// What the kernel answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It has been done.
    Done,
    /// To [`Request::Identity`].
    Identity(Identity),
    /// To [`Request::Load`].
    Loaded(WparHandle),
    /// To [`Request::Await`]: whether no process is left (or the time was up before).
    Awaited {
        /// No process is left.
        empty: bool,
    },
    /// To [`Request::List`].
    Wpars(Vec<WparStatus>),
    /// To [`Request::Accounts`].
    Accounts(Accounts),
    /// To [`Request::Processes`].
    Processes(Vec<ProcessStatus>),
    /// To [`Request::ErrorLog`].
    ErrorLog(Vec<ErrorLogEntry>),
    /// To [`Request::Policies`].
    Policies(Vec<String>),
    /// To [`Request::Tunables`].
    Tunables(Vec<Tunable>),
    /// To [`Request::ResourceSets`].
    ResourceSets(Vec<ResourceSet>),
}

/// Something that can be tuned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunable {
    /// Its name.
    pub name: String,
    /// Its value now.
    pub value: u32,
    /// Its value at boot.
    pub default: u32,
    /// The least that is allowed.
    pub least: u32,
    /// The most that is allowed.
    pub most: u32,
    /// What it counts.
    pub unit: String,
}

/// An answer, or why there is none.
pub type Reply = Result<Answer, Refusal>;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Error number as programs know it.
    pub errno: u16,
    /// What the number cannot say, for people; one line.
    pub detail: Option<String>,
}

/// The environment of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Number in the running kernel, 0 in Global.
    pub cid: Cid,
    /// Persistent number, 0 in Global.
    pub key: WparKey,
    /// Name, `Global` in Global.
    pub name: String,
    /// What `uname -n` gives.
    pub hostname: String,
    /// Kind; Global counts as a system.
    pub kind: WparKind,
    /// Resource controls; the defaults in Global.
    pub controls: ResourceControls,
    /// The CPUs that it can use.
    pub cpus: CpuList,
}

/// A name for a set of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSet {
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// The CPUs.
    pub cpus: CpuList,
}

/// Memory by what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagesByKind {
    /// Private and anonymous shared memory of programs.
    pub anonymous: Pages,
    /// Contents of files.
    pub file: Pages,
    /// The kernel's own objects.
    pub kernel: Pages,
    /// Translation tables.
    pub tables: Pages,
    /// Buffers of devices.
    pub device: Pages,
}

/// A loaded WPAR as `lswpar` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WparStatus {
    /// Which.
    pub handle: WparHandle,
    /// Persistent number.
    pub key: WparKey,
    /// Name.
    pub name: WparName,
    /// Kind.
    pub kind: WparKind,
    /// State; never Defined.
    pub state: WparState,
    /// What `uname -n` gives inside.
    pub hostname: String,
    /// Path in Global of its root.
    pub root: String,
    /// Resource controls.
    pub controls: ResourceControls,
    /// Processes, zombies counted.
    pub processes: u32,
    /// Threads.
    pub threads: u32,
    /// Memory charged to it.
    pub pages: Pages,
    /// Global pid of its vPID 1, if there is one.
    pub init: Option<Pid>,
}

/// Time and memory of the machine at one instant. Global is among `entries`, with cid 0; times are since boot,
/// or since a WPAR was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Now.
    pub now: Ticks,
    /// Ticks in a second.
    pub ticks_per_second: u64,
    /// CPUs that run.
    pub cpus: u32,
    /// Idle time of all CPUs together.
    pub idle: Ticks,
    /// What environments that are gone had used: with the entries and idleness, all time of all CPUs.
    pub gone: Ticks,
    /// Memory of the machine.
    pub total_pages: Pages,
    /// Memory that nobody uses.
    pub free_pages: Pages,
    /// By cid.
    pub entries: Vec<AccountOf>,
}

/// Time and memory of one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOf {
    /// Number in the running kernel.
    pub cid: Cid,
    /// Name.
    pub name: String,
    /// Time in programs.
    pub user: Ticks,
    /// Time in the kernel on its behalf.
    pub system: Ticks,
    /// When it was loaded.
    pub since: Ticks,
    /// Memory charged to it.
    pub pages: Pages,
    /// The same by what it holds.
    pub by_kind: PagesByKind,
    /// Processes, zombies counted.
    pub processes: u32,
    /// Threads.
    pub threads: u32,
    /// Load averages of 1, 5 and 15 minutes, in hundredths.
    pub load: [u32; 3],
}

/// A process as `ps` shows it. Pids are as the asker sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Pid.
    pub pid: Pid,
    /// Pid of the parent; 0 when it is outside of what the asker sees, or there is none.
    pub parent: u32,
    /// Process group; 0 when outside.
    pub group: u32,
    /// Session; 0 when outside.
    pub session: u32,
    /// Its WPAR.
    pub cid: Cid,
    /// Effective user.
    pub uid: u32,
    /// What it does.
    pub state: ProcessState,
    /// Name of its controlling terminal below `/dev`, `console`.
    pub terminal: Option<String>,
    /// When it started, since 1970.
    pub started: Nanos,
    /// Time used, in nanoseconds.
    pub cpu_time: Nanos,
    /// Nice value, −20 to 19.
    pub nice: i8,
    /// Threads.
    pub threads: u32,
    /// Resident memory.
    pub resident: Pages,
    /// Virtual memory in bytes.
    pub virtual_bytes: u64,
    /// Name of its program, up to 15 bytes.
    pub name: String,
    /// Its arguments as it sees them now; empty for a zombie.
    pub arguments: Vec<String>,
}

/// What a process does, in the letters of `ps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessState {
    /// R: runs, or could.
    Runnable,
    /// S: waits.
    Sleeping,
    /// T: stopped by a signal.
    Stopped,
    /// Z: has ended, and nobody has asked yet.
    Zombie,
}

/// A line of the error log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLogEntry {
    /// When, since 1970.
    pub time: Nanos,
    /// Whose.
    pub cid: Cid,
    /// What happened, one line.
    pub text: String,
}

impl Refusal {
    /// A refusal that its number explains.
    #[must_use]
    pub const fn plain(errno: Errno) -> Self {
        Self {
            errno: errno as u16,
            detail: None,
        }
    }

    /// A refusal with a line for people, if there is memory for it.
    #[must_use]
    pub fn with(errno: Errno, detail: impl fmt::Display) -> Self {
        Self {
            errno: errno as u16,
            detail: fallible::text(format_args!("{detail}")).ok(),
        }
    }

    /// The error, if it is one that Corral knows.
    #[must_use]
    pub const fn known(&self) -> Option<Errno> {
        Errno::from_number(self.errno)
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::plain(errno)
    }
}

impl From<fallible::NoMemory> for Refusal {
    fn from(no_memory: fallible::NoMemory) -> Self {
        Errno::from(no_memory).into()
    }
}

impl From<ResourceError> for Refusal {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::NoMemory => Self::plain(Errno::ENOMEM),
            error => Self::with(Errno::EINVAL, error),
        }
    }
}

impl WparKind {
    /// The letter that `lswpar` shows.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::System => 'S',
            Self::Application => 'A',
        }
    }

    /// The kind with a letter, of either case.
    #[must_use]
    pub const fn from_letter(letter: char) -> Option<Self> {
        match letter {
            'S' | 's' => Some(Self::System),
            'A' | 'a' => Some(Self::Application),
            _ => None,
        }
    }
}

impl ProcessState {
    /// The letter that `ps` shows.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Runnable => 'R',
            Self::Sleeping => 'S',
            Self::Stopped => 'T',
            Self::Zombie => 'Z',
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.detail, self.known()) {
            (Some(detail), _) => f.write_str(detail),
            (None, Some(errno)) => f.write_str(errno.name()),
            (None, None) => write!(f, "error {}", self.errno),
        }
    }
}

impl core::error::Error for Refusal {}
