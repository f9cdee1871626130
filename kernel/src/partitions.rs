//! The life of partitions: loading, entering, going down, unloading.
//!
//! Each step is one request of the control interface; a step that fails leaves the partition as it was. What
//! parts of the kernel keep for a partition is made and destroyed by [`Subsystem`]s, in a fixed order.

use crate::calls::directory::walk_as;
use crate::current;
use crate::environment::{self, Environment};
use crate::family;
use crate::job::{Job, Step, Work};
use crate::mounts;
use crate::process::Process;
use crate::signals::{self, Origin};
use crate::system::system;
use abi::linux::{SigInfo, SignalNumber};
use abi::{BasisPoints, Cid, Errno, Pages};
use alloc::sync::Arc;
use alloc::vec::Vec;
use control::{
    CpuList, Load, Refusal, ResourceControls, ResourceSet, WparHandle, WparKind, WparState,
};
use core::fmt;
use devpts::Devpts;
use memory::frames;
use partition::{NotActivated, Refused, Subsystem, Subsystems, Wpar};
use ramfs::HandOver;
use sched::{CpuSet, Entitlement};
use security::Credential;
use sync::{Rank, SpinLock};
use vfs::{Follow, Location, MountFlags, MountNamespace};

/// The scheduler's part of a partition: its account and its shares.
struct Scheduling;

impl Subsystem for Scheduling {
    fn name(&self) -> &'static str {
        "sched"
    }

    fn create(&self, wpar: &Arc<Wpar>) -> Result<(), Errno> {
        system()
            .dispatch
            .add_partition(wpar.cid(), entitlement(&wpar.controls()))
    }

    fn destroy(&self, wpar: &Arc<Wpar>) {
        system().dispatch.remove_partition(wpar.cid());
    }
}

/// The process numbers of a partition.
struct Numbers;

impl Subsystem for Numbers {
    fn name(&self) -> &'static str {
        "process"
    }

    fn create(&self, _wpar: &Arc<Wpar>) -> Result<(), Errno> {
        Ok(())
    }

    fn destroy(&self, wpar: &Arc<Wpar>) {
        // Numbers in use would mean processes, and a partition with processes is not destroyed.
        system().tree.lock().pids.retire(wpar.cid()).ok();
    }
}

/// The memory limits of a partition, and what outlives it: the files that it has left.
struct Memory;

impl Subsystem for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn create(&self, wpar: &Arc<Wpar>) -> Result<(), Errno> {
        limit_memory(wpar.cid(), &wpar.controls());
        Ok(())
    }

    fn destroy(&self, wpar: &Arc<Wpar>) {
        frames::set_minimum(wpar.cid(), Pages(0));
        frames::set_maximum(wpar.cid(), None);
        let left = frames::inherit(wpar.cid());
        log::debug!("{}: {left} bytes of the heap are Global's now", wpar.name());
    }
}

/// The subsystems in the order of creation.
fn subsystems() -> &'static Subsystems {
    static SUBSYSTEMS: Subsystems = Subsystems::new(&[&Memory, &Scheduling, &Numbers]);
    &SUBSYSTEMS
}

/// A part of the machine's memory.
pub fn part_of_memory(part: BasisPoints) -> Pages {
    Pages(frames::total().0 * u64::from(part.0) / u64::from(BasisPoints::WHOLE.0))
}

/// Puts the memory limits of `controls` into force.
fn limit_memory(cid: Cid, controls: &ResourceControls) {
    let memory = &controls.memory;
    let maximum = memory.hard_maximum.basis_points();
    let is_limited = controls.active && maximum < BasisPoints::WHOLE;
    frames::set_maximum(cid, is_limited.then(|| part_of_memory(maximum)));
    let minimum = memory.minimum.basis_points();
    frames::set_minimum(
        cid,
        part_of_memory(if controls.active {
            minimum
        } else {
            BasisPoints(0)
        }),
    );
}

/// What the scheduler gives a partition with these controls.
pub fn entitlement(controls: &ResourceControls) -> Entitlement {
    Entitlement {
        active: controls.active,
        shares: controls.cpu_shares.map(|shares| shares.0.get()),
        minimum: controls.cpu.minimum.basis_points(),
        soft_maximum: controls.cpu.soft_maximum.basis_points(),
        hard_maximum: controls.cpu.hard_maximum.basis_points(),
        cpus: cpus_of(controls).unwrap_or(CpuSet::ALL),
    }
}

/// The CPUs of the resource set that is named; `None` where there is no such set.
fn cpus_of(controls: &ResourceControls) -> Option<CpuSet> {
    match &controls.resource_set {
        None => Some(CpuSet::ALL),
        Some(name) => {
            let found = system().resource_sets.find(name, machine_cpus())?;
            Some(CpuSet(found.0))
        }
    }
}

/// The CPUs of the machine that run.
fn machine_cpus() -> CpuList {
    CpuList(system().dispatch.cpus().0)
}

/// Refuses controls that name a resource set which does not exist.
fn check_resource_set(controls: &ResourceControls) -> Result<(), Refusal> {
    let Some(name) = controls
        .resource_set
        .as_ref()
        .filter(|_| cpus_of(controls).is_none())
    else {
        return Ok(());
    };
    let detail = format_args!("resources.rset ({name}) must be a resource set that exists");
    Err(Refusal::with(Errno::EINVAL, detail))
}

/// All resource sets.
///
/// # Errors
/// ENOMEM.
pub fn resource_sets() -> Result<Vec<ResourceSet>, Errno> {
    system().resource_sets.all(machine_cpus())
}

/// Makes a resource set.
///
/// # Errors
/// As [`control::Request::DefineResourceSet`] says.
pub fn define_resource_set(set: &ResourceSet) -> Result<(), Errno> {
    system()
        .resource_sets
        .define(&set.name, set.cpus, machine_cpus())
}

/// Removes a resource set.
///
/// # Errors
/// As [`control::Request::RemoveResourceSet`] says.
pub fn remove_resource_set(name: &str) -> Result<(), Errno> {
    let uses = |wpar: &Arc<Wpar>| wpar.controls().resource_set.as_deref() == Some(name);
    if system().environments.table.all()?.iter().any(uses) {
        return Err(Errno::EBUSY);
    }
    system().resource_sets.remove(name)
}

/// The environment that a handle means.
///
/// # Errors
/// ESRCH when that loading is over.
pub fn of_handle(handle: WparHandle) -> Result<Arc<Environment>, Refusal> {
    environment::find(handle.cid)
        .filter(|environment| !handle.cid.is_global() && environment.wpar.handle() == handle)
        .ok_or_else(|| Errno::ESRCH.into())
}

/// Makes a partition in state Transitional.
///
/// # Errors
/// As [`control::Request::Load`] says.
pub fn load(credential: &Credential, load: &Load) -> Result<WparHandle, Refusal> {
    load.controls.validate()?;
    check_resource_set(&load.controls)?;
    if load.key.0 == 0 || load.hostname.is_empty() || load.hostname.len() > 64 {
        return Err(Errno::EINVAL.into());
    }
    let wpar =
        system()
            .environments
            .table
            .insert(load.key, load.name.as_str(), |handle, promises| {
                Wpar::loading(handle, load, promises)
            })?;
    let made = (|| {
        let ptys = mounts::new_ptys(wpar.cid())?;
        let mounts = mounts_of(credential, load, &ptys, wpar.cid())?;
        let environment = Environment::new(wpar.clone(), mounts, ptys)?;
        subsystems().create(&wpar)?;
        system()
            .environments
            .insert(environment)
            .inspect_err(|_| subsystems().destroy(&wpar))?;
        Ok(())
    })();
    match made {
        Ok(()) => Ok(wpar.handle()),
        Err(refusal) => {
            system().environments.table.remove(&wpar);
            Err(refusal)
        }
    }
}

/// The mount namespace of a new partition.
fn mounts_of(
    credential: &Credential,
    load: &Load,
    ptys: &Devpts,
    cid: Cid,
) -> Result<Arc<MountNamespace>, Refusal> {
    let global = system().global().mounts.clone();
    let find = |namespace: &Arc<MountNamespace>, path: &str| -> Result<Location, Refusal> {
        let found = walk_as(credential, namespace, |walk| {
            walk.resolve(None, path.as_bytes(), Follow::Yes)
        });
        let refuse = |errno| refusal(errno, format_args!("{path}: {errno}"));
        let location = found.map_err(refuse)?;
        location.require_directory().map_err(refuse)?;
        Ok(location)
    };
    let namespace = match load.kind {
        WparKind::Application => MountNamespace::over(cid, &global)?,
        WparKind::System => {
            let root = find(&global, &load.root)?;
            MountNamespace::with_root(cid, &root, MountFlags::NO_DEVICES)?
        }
    };
    for bind in &load.mounts {
        let source = find(&global, &bind.source)?;
        let target = find(&namespace, &bind.target)?;
        let mut flags = MountFlags::NO_DEVICES;
        flags.set(MountFlags::READ_ONLY, bind.read_only);
        namespace.bind(credential, &source, &target, flags)?;
    }
    if load.kind == WparKind::Application {
        // Its root user may search every directory of Global's: the roots of other partitions are not shown to it.
        namespace.mount(
            credential,
            mounts::nothing()?,
            &find(&namespace, "/wpars")?,
            MountFlags::READ_ONLY,
        )?;
    }
    namespace.mount(
        credential,
        &mounts::procfs(cid, &namespace)?,
        &find(&namespace, "/proc")?,
        MountFlags::empty(),
    )?;
    // A root that somebody else has made need not have the directory.
    if let Ok(place) = find(&namespace, "/sys") {
        namespace.mount(credential, &mounts::sysfs()?, &place, MountFlags::READ_ONLY)?;
    }
    let devices = mounts::devfs(cid, load.devices.as_deref())?;
    namespace.mount(
        credential,
        &devices,
        &find(&namespace, "/dev")?,
        MountFlags::empty(),
    )?;
    namespace.mount(
        credential,
        &mounts::devpts(ptys)?,
        &find(&namespace, "/dev/pts")?,
        MountFlags::empty(),
    )?;
    namespace.mount(
        credential,
        &mounts::shared_memory(cid)?,
        &find(&namespace, "/dev/shm")?,
        MountFlags::NO_DEVICES | MountFlags::NO_SET_ID,
    )?;
    Ok(namespace)
}

/// The caller becomes a member.
///
/// # Errors
/// As [`control::Request::Enter`] says.
pub fn enter(
    process: &Arc<Process>,
    environment: &Arc<Environment>,
    init: bool,
) -> Result<(), Refusal> {
    match (environment.wpar.state(), init) {
        (WparState::Active, _) | (WparState::Transitional, true) => {}
        _ => return Err(Errno::EBUSY.into()),
    }
    Ok(process.enter(environment, init)?)
}

/// Transitional becomes Active.
///
/// # Errors
/// EINVAL when that may not follow, or the minimums would exceed the whole.
pub fn activate(environment: &Arc<Environment>) -> Result<(), Refusal> {
    let wpar = &environment.wpar;
    wpar.activate().map_err(|failure| match failure {
        NotActivated::Refused(state) => refused(state),
        NotActivated::Minimum(error) => error.into(),
    })?;
    subsystems().activate(wpar);
    Ok(())
}

fn refused(refused: Refused) -> Refusal {
    refusal(
        Errno::EINVAL,
        format_args!("not possible in state {}", refused.state),
    )
}

/// A refusal with its reason in words, which it has to do without when there is no memory for them.
fn refusal(errno: Errno, detail: fmt::Arguments<'_>) -> Refusal {
    Refusal {
        detail: fallible::text(detail).ok(),
        ..Refusal::plain(errno)
    }
}

/// A partition goes down: by its own init, or by force.
///
/// # Errors
/// EINVAL when that may not follow.
pub fn quiesce(environment: &Arc<Environment>, force: bool) -> Result<(), Refusal> {
    let wpar = &environment.wpar;
    match wpar.state() {
        WparState::Transitional | WparState::Frozen => {}
        WparState::Broken if force => {}
        _ => wpar
            .become_state(WparState::Transitional)
            .map_err(refused)?,
    }
    subsystems().quiesce(wpar);
    if force {
        family::kill_partition(environment);
        return Ok(());
    }
    let init = system().tree.lock().init(wpar.cid());
    if let Some(init) = init.and_then(family::find) {
        signals::post(
            &init,
            SigInfo::kernel(SignalNumber::SIGTERM),
            Origin::Outside,
        );
    }
    Ok(())
}

/// What is left to do for a partition that goes: its files become Global's, then it is forgotten.
struct Departure {
    wpar: Arc<Wpar>,
    environment: SpinLock<Option<Arc<Environment>>>,
    files: SpinLock<Option<HandOver>>,
}

impl Departure {
    fn of(environment: &Arc<Environment>) -> Self {
        let cid = environment.cid();
        // The partition is gone already, so this must not fail: one word.
        let files = fallible::assured(|| mounts::hand_over(cid));
        Self {
            wpar: environment.wpar.clone(),
            environment: SpinLock::new(Rank::Thread, Some(environment.clone())),
            files: SpinLock::new(Rank::Thread, files.ok()),
        }
    }
}

impl Work for Departure {
    fn step(&self) -> Step {
        // Taken out, because files are locked before.
        let Some(mut files) = self.files.lock().take() else {
            let environment = self.environment.lock().take();
            if let Some(environment) = environment {
                forget(environment);
            }
            return Step::Done;
        };
        // Nor may this: a list that is as long as the directories are wide.
        let more = fallible::assured(|| files.step());
        let wpar = &self.wpar;
        if more.is_err() {
            log::error!("no memory to give a file of {} to Global", wpar.name());
        }
        if more == Ok(false) {
            log::debug!(
                "{}: {} files are Global's now",
                wpar.name(),
                files.changed()
            );
        } else {
            *self.files.lock() = Some(files);
        }
        Step::Again
    }
}

/// The last step of a partition's end. It is let go of before anybody is told: its root keeps a mount of Global's in use.
fn forget(environment: Arc<Environment>) {
    // Whoever does this may have worked for the partition.
    current::set_partition(Cid::GLOBAL);
    let wpar = environment.wpar.clone();
    let emptied = environment.emptied.share();
    drop(environment);
    subsystems().destroy(&wpar);
    system().environments.table.remove(&wpar);
    if let Some(emptied) = emptied {
        emptied.wake_all();
    }
    system().environments.departures.wake_all();
}

/// Begins to destroy an empty partition: a job of its own ends what is left of it, and tells those who wait for departures.
///
/// # Errors
/// EBUSY with processes left, EINVAL in a state from which it may not vanish, ESRCH when somebody else is at it.
pub fn unload(environment: &Arc<Environment>) -> Result<(), Refusal> {
    let wpar = &environment.wpar;
    if !wpar.state().may_vanish() {
        return Err(refused(Refused {
            state: wpar.state(),
        }));
    }
    wpar.close();
    if wpar.processes.count() > 0 {
        return Err(Errno::EBUSY.into());
    }
    // Two at once: the second finds it gone.
    let removed = system()
        .environments
        .remove(wpar.cid())
        .ok_or(Errno::ESRCH)?;
    removed.overdue.close();
    removed.mounts.clear();
    removed.system_v.shared_memory.clear();
    // It weighs as before, but nothing holds it: somebody waits.
    let unheld = Entitlement {
        active: false,
        ..entitlement(&wpar.controls())
    };
    system().dispatch.change_partition(wpar.cid(), unheld);
    Job::start_or_do(wpar.cid(), || Departure::of(&removed));
    Ok(())
}

/// The last process of a partition has gone: an application partition that is active goes with it.
pub fn emptied(wpar: &Arc<Wpar>) {
    if wpar.kind() != WparKind::Application || wpar.state() != WparState::Active {
        return;
    }
    // Whoever makes it go down at the same moment unloads it; one of the two finds it gone.
    if wpar.become_state(WparState::Transitional).is_ok()
        && let Ok(environment) = of_handle(wpar.handle())
        && let Err(refusal) = unload(&environment)
    {
        log::warn!("partition {} stays loaded: {refusal}", wpar.name());
    }
}

/// Any state becomes Broken.
///
/// # Errors
/// EINVAL when it is Broken already.
pub fn break_down(environment: &Arc<Environment>) -> Result<(), Refusal> {
    environment
        .wpar
        .become_state(WparState::Broken)
        .map_err(refused)
}

/// Replaces the resource controls.
///
/// # Errors
/// EINVAL with a text when a rule is broken.
pub fn set_resources(
    environment: &Arc<Environment>,
    controls: ResourceControls,
) -> Result<(), Refusal> {
    controls.validate()?;
    check_resource_set(&controls)?;
    let wpar = &environment.wpar;
    // Refused or in force, and only then told to those who enforce it.
    wpar.set_controls(controls.clone())?;
    system()
        .dispatch
        .change_partition(wpar.cid(), entitlement(&controls));
    limit_memory(wpar.cid(), &controls);
    Ok(())
}
