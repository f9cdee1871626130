//! One partition.

use crate::population::{Full, Population};
use crate::promises::{Promise, Promises};
use abi::{Cid, WparKey};
use alloc::string::String;
use alloc::sync::Arc;
use control::{Load, ResourceControls, ResourceError, WparHandle, WparKind, WparState};
use fallible::NoMemory;
use security::Privileges;
use sync::{Rank, SpinLock};

/// A loaded partition; Global is one that is always Active.
#[derive(Debug)]
pub struct Wpar {
    cid: Cid,
    generation: u64,
    key: WparKey,
    kind: WparKind,
    name: String,
    root: String,
    privileges: Privileges,
    settings: SpinLock<WparSettings>,
    promises: Arc<Promises>,
    /// Processes that carry its tag, zombies counted.
    pub processes: Population,
    /// Threads that carry its tag.
    pub threads: Population,
}

/// The changing part of a partition.
#[derive(Clone, Debug)]
pub struct WparSettings {
    /// Where it is in its life.
    pub state: WparState,
    /// New processes are refused: it is being killed.
    pub closed: bool,
    /// What `uname -n` gives inside.
    pub hostname: String,
    /// Resource controls.
    pub controls: ResourceControls,
    /// Its part of what all are promised.
    promise: Promise,
    /// Time zone of `uname`'s NIS domain name (`man 2 setdomainname`).
    pub domain: String,
}

/// A transition that the state machine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The state that it is in.
    pub state: WparState,
}

/// Why a partition does not become Active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotActivated {
    /// It may not follow its state.
    Refused(Refused),
    /// The others are promised too much.
    Minimum(ResourceError),
}

impl Wpar {
    /// The global environment.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn global(hostname: &str) -> Result<Self, NoMemory> {
        let settings = WparSettings {
            state: WparState::Active,
            closed: false,
            hostname: fallible::string(hostname)?,
            controls: ResourceControls::default(),
            promise: Promise::default(),
            domain: fallible::string("(none)")?,
        };
        Ok(Self {
            cid: Cid::GLOBAL,
            generation: 0,
            key: WparKey(0),
            kind: WparKind::System,
            name: fallible::string(control::WparName::GLOBAL)?,
            root: fallible::string("/")?,
            privileges: Privileges::of_root(Cid::GLOBAL),
            settings: SpinLock::new(Rank::Partition, settings),
            promises: fallible::arc(Promises::default())?,
            processes: Population::new(None),
            threads: Population::new(None),
        })
    }

    /// A partition in state Transitional; `load` has been checked. Its minimums will be a part of `promises`.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn loading(
        handle: WparHandle,
        load: &Load,
        promises: Arc<Promises>,
    ) -> Result<Self, NoMemory> {
        let WparHandle { cid, generation } = handle;
        let possible = Privileges::of_root(cid);
        let privileges = load.privileges.map_or(possible, |bits| {
            possible & Privileges::from_bits_truncate(bits)
        });
        let settings = WparSettings {
            state: WparState::Transitional,
            closed: false,
            hostname: fallible::string(&load.hostname)?,
            controls: copy(&load.controls),
            promise: Promise::default(),
            domain: fallible::string("(none)")?,
        };
        Ok(Self {
            cid,
            generation,
            key: load.key,
            kind: load.kind,
            name: fallible::string(load.name.as_str())?,
            root: fallible::string(&load.root)?,
            privileges,
            settings: SpinLock::new(Rank::Partition, settings),
            promises,
            processes: Population::new(in_force(&load.controls, load.controls.total_processes)),
            threads: Population::new(in_force(&load.controls, load.controls.total_threads)),
        })
    }

    /// The tag.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Tells this loading from every other.
    #[must_use]
    pub fn handle(&self) -> WparHandle {
        WparHandle {
            cid: self.cid,
            generation: self.generation,
        }
    }

    /// The persistent number.
    #[must_use]
    pub fn key(&self) -> WparKey {
        self.key
    }

    /// System or application.
    #[must_use]
    pub fn kind(&self) -> WparKind {
        self.kind
    }

    /// The name; a loaded partition keeps it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path in Global of what is `/` inside.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The most that a process inside can be privileged to.
    #[must_use]
    pub fn privileges(&self) -> Privileges {
        self.privileges
    }

    /// A copy of the changing part.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn settings(&self) -> Result<WparSettings, NoMemory> {
        let settings = self.settings.lock();
        Ok(WparSettings {
            hostname: fallible::string(&settings.hostname)?,
            domain: fallible::string(&settings.domain)?,
            controls: copy(&settings.controls),
            ..*settings
        })
    }

    /// Where it is in its life.
    pub fn state(&self) -> WparState {
        self.settings.lock().state
    }

    /// Whether a process may be made in it.
    pub fn is_open(&self) -> bool {
        !self.settings.lock().closed
    }

    /// Counts one more process. After [`Self::close`] has returned, nobody comes any more.
    ///
    /// # Errors
    /// [`Full`] at the limit, or when it is closed.
    pub fn admit_process(&self) -> Result<(), Full> {
        let settings = self.settings.lock();
        if settings.closed {
            return Err(Full);
        }
        self.processes.enter()
    }

    /// What `uname -n` gives inside.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn hostname(&self) -> Result<String, NoMemory> {
        fallible::string(&self.settings.lock().hostname)
    }

    /// Sets what `uname -n` gives inside.
    pub fn set_hostname(&self, hostname: String) {
        self.settings.lock().hostname = hostname;
    }

    /// The domain name of `uname`.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn domain(&self) -> Result<String, NoMemory> {
        fallible::string(&self.settings.lock().domain)
    }

    /// Sets the domain name of `uname`.
    pub fn set_domain(&self, domain: String) {
        self.settings.lock().domain = domain;
    }

    /// The resource controls.
    pub fn controls(&self) -> ResourceControls {
        copy(&self.settings.lock().controls)
    }

    /// Reads the resource controls where they are.
    pub fn with_controls<R>(&self, read: impl FnOnce(&ResourceControls) -> R) -> R {
        read(&self.settings.lock().controls)
    }

    /// Replaces the resource controls, which have been checked.
    ///
    /// # Errors
    /// [`ResourceError::MinimumSum`] when it is Active and the others are promised too much; nothing has changed then.
    pub fn set_controls(&self, controls: ResourceControls) -> Result<(), ResourceError> {
        let mut settings = self.settings.lock();
        if settings.state == WparState::Active && !self.cid.is_global() {
            settings.promise = self.promises.exchange(settings.promise, &controls)?;
        }
        self.processes
            .set_limit(in_force(&controls, controls.total_processes));
        self.threads
            .set_limit(in_force(&controls, controls.total_threads));
        settings.controls = controls;
        Ok(())
    }

    /// Becomes Active.
    ///
    /// # Errors
    /// [`NotActivated`]; nothing has changed then.
    pub fn activate(&self) -> Result<(), NotActivated> {
        let mut settings = self.settings.lock();
        let state = settings.state;
        if !state.may_become(WparState::Active) {
            return Err(NotActivated::Refused(Refused { state }));
        }
        settings.promise = self
            .promises
            .exchange(settings.promise, &settings.controls)
            .map_err(NotActivated::Minimum)?;
        settings.state = WparState::Active;
        Ok(())
    }

    /// Goes to `next`, a state in which nothing is promised: [`Self::activate`] is the way to the other.
    ///
    /// # Errors
    /// [`Refused`] when that may not follow.
    pub fn become_state(&self, next: WparState) -> Result<(), Refused> {
        let mut settings = self.settings.lock();
        let state = settings.state;
        if next == WparState::Active || !state.may_become(next) {
            return Err(Refused { state });
        }
        settings.state = next;
        self.promises
            .release(core::mem::take(&mut settings.promise));
        Ok(())
    }

    /// Refuses new processes from now on.
    pub fn close(&self) {
        self.settings.lock().closed = true;
    }
}

/// A copy of controls: numbers, and the name of a resource set, which a partition is asked about at any moment.
fn copy(controls: &ResourceControls) -> ResourceControls {
    fallible::assured(|| controls.clone())
}

/// A limit, unless the controls are switched off.
fn in_force(controls: &ResourceControls, limit: Option<u32>) -> Option<u32> {
    limit.filter(|_| controls.active)
}
