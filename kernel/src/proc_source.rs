//! What the kernel tells of its processes: to procfs, and to `ps` through the control interface.
//!
//! A [`View`] is what one environment may know. Numbers are resolved with a credential of that environment, so
//! that a view of a partition cannot reach anybody else's process whatever it asks for.

mod areas;
mod sockets;

use crate::activity::Deeds;
use crate::current;
use crate::environment;
use crate::memory_file::MemoryFile;
use crate::mounts::WallClock;
use crate::process::Process;
use crate::ptrace;
use crate::system::{Numbered, system};
use crate::thread::Thread;
use abi::linux::{Resource, Rlimit};
use abi::{Cid, Errno, Nanos, PAGE_SIZE, Pages, Pid, Ticks};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use control::{ProcessState, ProcessStatus};
use fallible::{NoMemory, Push};
use ipc::system_v::{MessageStatus, SegmentStatus, SemaphoreStatus, SystemV};
use ipc::{ChannelEnd, UnixLine};
use memory::frames;
use net::{Protocol, TcpSocket};
use process::signal::Handler;
use process::{TerminalId, VPid};
use procfs::{
    Areas, CpuDescription, CpuTimes, Ids, Known, LockLine, MemoryUse, Network, NetworkCounts,
    ProcSource, ProcessMemory, ProcessRef, Signals, System, Task, TaskState, Transfers,
};
use sched::{Attributes, CpuSet};
use security::{CapabilitySet, Credential, Identity, Privileges};
use vfs::{Clock, Descriptor, FileOperations, Location, MountLine, OpenFile};
use wait::Phase;

/// The processes of an environment.
pub struct View {
    root: Location,
    credential: Credential,
    clock: WallClock,
}

/// Memory as an environment sees it.
pub struct MemoryView {
    /// What it may use at most.
    pub total: Pages,
    /// What of that is free.
    pub free: Pages,
    used: frames::Usage,
}

/// The memory of the machine for Global; for a partition its limit and use.
pub fn memory_view(cid: Cid) -> MemoryView {
    let used = frames::usage(cid);
    let (total, free) = (frames::total(), frames::free());
    if cid.is_global() {
        return MemoryView { total, free, used };
    }
    let limit = frames::maximum(cid).unwrap_or(total);
    MemoryView {
        total: limit,
        free: limit.saturating_sub(used.total()).min(free),
        used,
    }
}

impl View {
    /// The view of an environment whose root directory is `root`.
    pub fn new(cid: Cid, root: Location) -> Self {
        let credential = Credential::new(cid, Identity::ROOT, Privileges::of_root(cid));
        Self {
            root,
            credential,
            clock: WallClock,
        }
    }

    fn cid(&self) -> Cid {
        self.credential.cid
    }

    fn find(&self, process: ProcessRef) -> Option<Arc<Process>> {
        let tree = system().tree.lock();
        let found = tree
            .pids
            .find(&self.credential, VPid(process.pid.0))
            .ok()?
            .process()?;
        (found.serial == process.key).then_some(found)
    }

    /// What the partition has of the objects that have keys.
    fn of_system_v<T>(
        &self,
        all: impl FnOnce(&SystemV) -> Result<Vec<T>, Errno>,
    ) -> Result<Vec<T>, NoMemory> {
        match environment::find(self.cid()) {
            Some(environment) => all(&environment.system_v).map_err(|_| NoMemory),
            None => Ok(Vec::new()),
        }
    }

    fn seen(&self, pid: Pid) -> u32 {
        system().tree.lock().pids.seen(pid, self.cid()).0
    }
}

impl ProcSource for View {
    fn current(&self) -> Option<(Pid, Pid)> {
        let thread = current::thread()?;
        let pid = self.seen(thread.process.pid);
        (pid != 0).then(|| (Pid(pid), Pid(self.seen(thread.tid()))))
    }

    fn process(&self, pid: Pid) -> Option<ProcessRef> {
        let tree = system().tree.lock();
        let found = tree
            .pids
            .find(&self.credential, VPid(pid.0))
            .ok()?
            .process()?;
        Some(ProcessRef {
            pid,
            key: found.serial,
        })
    }

    fn process_from(&self, pid: Pid) -> Option<Pid> {
        let tree = system().tree.lock();
        let mut from = VPid(pid.0);
        loop {
            match tree.pids.next(&self.credential, from)? {
                (vpid, Numbered::Process(_)) => return Some(Pid(vpid.0)),
                (vpid, Numbered::Thread(_)) => from = VPid(vpid.0 + 1),
            }
        }
    }

    fn thread_from(&self, process: ProcessRef, tid: Pid) -> Option<Pid> {
        let found = self.find(process)?;
        found
            .threads
            .iter()
            .map(|thread| Pid(self.seen(thread.tid())))
            .filter(|number| *number >= tid)
            .min()
    }

    fn task(&self, process: ProcessRef, tid: Pid) -> Known<Task> {
        let Some(found) = self.find(process) else {
            return Ok(None);
        };
        let thread = found
            .threads
            .iter()
            .find(|thread| self.seen(thread.tid()) == tid.0);
        if thread.is_none() && tid != process.pid {
            return Ok(None);
        }
        task(self, &found, process.pid, tid, thread.as_ref()).map(Some)
    }

    fn command_line(&self, process: ProcessRef) -> Known<Vec<u8>> {
        let found = self.find(process);
        let strings = |found: Arc<Process>| strings(&found, found.with(|state| state.arguments));
        found.map(strings).transpose()
    }

    fn environment(&self, process: ProcessRef) -> Known<Vec<u8>> {
        let found = self.find(process);
        let strings = |found: Arc<Process>| strings(&found, found.with(|state| state.environment));
        found.map(strings).transpose()
    }

    fn auxiliary(&self, process: ProcessRef) -> Known<Vec<u8>> {
        let found = self.find(process);
        let strings = |found: Arc<Process>| strings(&found, found.with(|state| state.auxiliary));
        found.map(strings).transpose()
    }

    fn memory(
        &self,
        process: ProcessRef,
        credential: &Credential,
    ) -> Result<Arc<dyn FileOperations>, Errno> {
        let found = self.find(process).ok_or(Errno::ESRCH)?;
        let own = current::process().is_some_and(|current| Arc::ptr_eq(&current, &found));
        let dumpable = found.with(|state| state.conduct.dumpable);
        if !own {
            let allowed = credential.may_inspect(&found.credential(), dumpable);
            allowed.map_err(|_| Errno::EACCES)?;
        }
        Ok(MemoryFile::new(&found)?)
    }

    fn rename(&self, process: ProcessRef, tid: Pid, name: &[u8]) -> Result<(), Errno> {
        let found = self.find(process).ok_or(Errno::ESRCH)?;
        let own = current::process().is_some_and(|current| Arc::ptr_eq(&current, &found));
        if !own {
            return Err(Errno::EINVAL);
        }
        let thread = found
            .threads
            .iter()
            .find(|thread| self.seen(thread.tid()) == tid.0);
        let name = name.split(|byte| matches!(byte, 0 | b'\n')).next();
        let name = crate::process::task_name(name.unwrap_or_default());
        thread.ok_or(Errno::ESRCH)?.set_name(name);
        Ok(())
    }

    fn set_expendability(
        &self,
        process: ProcessRef,
        credential: &Credential,
        adjustment: i16,
    ) -> Result<(), Errno> {
        let found = self.find(process).ok_or(Errno::ESRCH)?;
        let theirs = found.credential();
        let own = current::process().is_some_and(|current| Arc::ptr_eq(&current, &found));
        let permitted = credential
            .require_capability(CapabilitySet::SYS_RESOURCE)
            .is_ok();
        if !own && credential.may_inspect(&theirs, true).is_err() {
            return Err(Errno::EACCES);
        }
        found.with(|state| {
            if adjustment < state.conduct.expendability && !permitted {
                return Err(Errno::EACCES);
            }
            state.conduct.expendability = adjustment;
            Ok(())
        })
    }

    fn maps(&self, process: ProcessRef) -> Known<Arc<dyn Areas>> {
        let Some(found) = self.find(process) else {
            return Ok(None);
        };
        let space = found.space();
        let space = space.map_or_else(|_| Weak::new(), |space| Arc::downgrade(&space));
        Ok(Some(fallible::arc(areas::OfSpace(space))?))
    }

    fn file_from(&self, process: ProcessRef, from: u32) -> Option<(u32, Arc<OpenFile>)> {
        let files = self.find(process)?.files().ok()?;
        let files = files.lock();
        let next: Option<(Descriptor, &Arc<OpenFile>)> = files.iter_from(from).next();
        next.map(|(descriptor, file)| (descriptor.0, file.clone()))
    }

    fn partition(&self, process: ProcessRef) -> Option<Cid> {
        Some(self.find(process)?.cid())
    }

    fn working_directory(&self, process: ProcessRef) -> Option<Location> {
        Some(self.find(process)?.place().ok()?.lock().cwd.clone())
    }

    fn root_directory(&self, process: ProcessRef) -> Option<Location> {
        Some(self.find(process)?.place().ok()?.lock().root.clone())
    }

    fn executable(&self, process: ProcessRef) -> Option<Location> {
        self.find(process)?.with(|state| state.executable.clone())
    }

    fn limits(&self, process: ProcessRef) -> Known<[Rlimit; Resource::COUNT]> {
        let found = self.find(process);
        Ok(found.map(|found| found.with(|state| state.limits.all())))
    }

    fn mounts(&self, process: ProcessRef) -> Known<Vec<MountLine>> {
        let place = self.find(process).and_then(|found| found.place().ok());
        let Some(place) = place.map(|place| place.lock().clone()) else {
            return Ok(None);
        };
        place.mounts.lines(&place.root).map(Some)
    }

    fn root(&self) -> Location {
        self.root.clone()
    }

    fn system(&self) -> Result<System, NoMemory> {
        describe_system(self.cid())
    }

    fn network(&self) -> Result<Network, NoMemory> {
        let stack = environment::find(self.cid());
        let stack = stack
            .as_ref()
            .and_then(|environment| environment.used_network());
        let lines = |protocol| {
            let lines = stack.and_then(|stack| stack.lines(protocol).ok());
            fallible::collect(lines.unwrap_or_default().iter().map(sockets::line))
        };
        Ok(Network {
            tcp: lines(Protocol::Tcp)?,
            udp: lines(Protocol::Udp)?,
            carried: stack.map_or((0, 0), |stack| stack.traffic()),
            counts: stack.map_or_else(NetworkCounts::default, |stack| sockets::counts(stack)),
            backlog_limit: TcpSocket::BACKLOG_MAX,
            buffers: (ChannelEnd::BUFFER, ChannelEnd::BUFFER_MAX),
            chosen_ports: (*net::CHOSEN.start(), *net::CHOSEN.end()),
            first_free_port: net::UNPRIVILEGED,
        })
    }

    fn unix_sockets(&self) -> Result<Vec<UnixLine>, NoMemory> {
        sockets::of_unix(self)
    }

    fn message_queues(&self) -> Result<Vec<MessageStatus>, NoMemory> {
        self.of_system_v(|objects| objects.messages.all())
    }

    fn locks(&self) -> Result<Vec<LockLine>, NoMemory> {
        crate::calls::descriptor::locks::lines(self.cid())
    }

    fn semaphores(&self) -> Result<Vec<SemaphoreStatus>, NoMemory> {
        self.of_system_v(|objects| objects.semaphores.all())
    }

    fn shared_memory(&self) -> Result<Vec<SegmentStatus>, NoMemory> {
        self.of_system_v(|objects| objects.shared_memory.all())
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
}

/// What a process does.
fn state_of(process: &Process, thread: Option<&Arc<Thread>>) -> TaskState {
    if process.has_ended() {
        return TaskState::Zombie;
    }
    let first = process.threads.iter().next();
    if thread
        .or(first.as_ref())
        .is_some_and(|thread| ptrace::is_halted(thread))
    {
        return TaskState::Traced;
    }
    if process.with(|state| state.stopped) {
        return TaskState::Stopped;
    }
    let runs = |thread: &Arc<Thread>| thread.phase() == Phase::Ready;
    let running = match thread {
        Some(thread) => runs(thread),
        None => process.threads.iter().any(|thread| runs(&thread)),
    };
    if running {
        TaskState::Running
    } else {
        TaskState::Sleeping
    }
}

/// A range of a process's memory, as far as it is resident: its strings, its auxiliary vector.
fn strings(process: &Process, (start, end): (u64, u64)) -> Result<Vec<u8>, NoMemory> {
    const LIMIT: u64 = 128 << 10;
    let mut bytes = fallible::filled(0, end.saturating_sub(start).min(LIMIT) as usize)?;
    let read = process
        .space()
        .ok()
        .and_then(|space| space.lock().read(start, &mut bytes).ok());
    Ok(if read.is_some() { bytes } else { Vec::new() })
}

fn task(
    view: &View,
    process: &Arc<Process>,
    pid: Pid,
    tid: Pid,
    thread: Option<&Arc<Thread>>,
) -> Result<Task, NoMemory> {
    let usage = process.usage(arch::time::now());
    let (parent, tracer, job, children) = {
        let tree = system().tree.lock();
        let seen = |pid: Option<Pid>| pid.map_or(0, |pid| tree.pids.seen(pid, view.cid()).0);
        let job = tree.job(process.pid);
        let numbers = (
            seen(job.as_ref().map(|job| job.group)),
            seen(job.as_ref().map(|job| job.session)),
        );
        (
            seen(tree.parent(process.pid)),
            seen(tree.tracer(thread.map_or(process.pid, |thread| thread.tid()))),
            (numbers, job.and_then(|job| job.terminal)),
            tree.children_usage(process.pid),
        )
    };
    let ((group, session), terminal) = job;
    let signals = signals_of(process, thread);
    let first = process.threads.iter().next();
    let scheduling = scheduling_of(thread.or(first.as_ref()));
    let of_thread = thread.map(|thread| thread.name());
    let credential = thread.map_or_else(|| process.credential(), |thread| thread.credential());
    let (name, conduct, started, threads) = process.with(|state| {
        (
            state.name.clone(),
            state.conduct,
            state.started,
            process.threads.count(),
        )
    });
    let identity = &credential.identity;
    let expendability = conduct.expendability;
    let (uid, gid) = ids(identity);
    // A process is told of by its first thread, but for what it has moved.
    let own = thread.map_or_else(Deeds::default, |thread| thread.activity.deeds());
    let moved = if tid == pid { process.deeds() } else { own };
    Ok(Task {
        tid,
        pid,
        parent,
        tracer,
        group,
        session,
        name: fallible::copy(&of_thread.unwrap_or(name))?,
        state: state_of(process, thread.filter(|_| tid != pid)),
        terminal: terminal.map_or(0, crate::terminals::device_number),
        terminal_group: terminal
            .and_then(crate::terminals::foreground)
            .map_or(-1, |group| view.seen(group) as i32),
        faults: (usage.minor_faults, usage.major_faults),
        child_faults: (children.minor_faults, children.major_faults),
        user_time: usage.user,
        system_time: usage.system,
        child_user_time: children.user,
        child_system_time: children.system,
        nice: i32::from(scheduling.0.nice),
        priority: scheduling
            .0
            .class
            .priority()
            .map_or(0, |priority| u32::from(priority.number())),
        policy: crate::calls::schedule::policy_of(scheduling.0.class),
        cpus: scheduling.1.0,
        cpu: scheduling.2,
        threads: threads as u32,
        started: system()
            .timebase
            .nanos(started.saturating_sub(system().booted)),
        exit_signal: 17,
        uid,
        gid,
        groups: fallible::copy(identity.groups.as_deref().unwrap_or_default())?,
        capabilities: credential.capabilities,
        expendability: (
            expendability,
            crate::shortage::score(process, expendability),
        ),
        confinement: thread
            .or(first.as_ref())
            .map_or((0, 0), |thread| thread.confinement.numbers()),
        no_new_privileges: conduct.no_new_privileges,
        umask: process.place().map_or(0, |place| place.lock().umask),
        descriptors: process
            .files()
            .map_or(0, |files| files.lock().capacity() as u32),
        signals,
        memory: memory_of(process),
        switches: (own.waits, own.preemptions),
        transfers: Transfers {
            reads: moved.reads,
            writes: moved.writes,
            bytes_read: moved.bytes_read,
            bytes_written: moved.bytes_written,
        },
        ..Task::default()
    })
}

/// What a thread asks of the scheduler, the CPUs that it may use, and the one that it has used last.
fn scheduling_of(thread: Option<&Arc<Thread>>) -> (Attributes, CpuSet, u32) {
    let entity = thread.and_then(|thread| thread.entity());
    let found = entity.and_then(|entity| {
        system().dispatch.with(|scheduler| {
            let attributes = scheduler.attributes(entity).ok()?;
            Some((attributes, scheduler.cpus_of(entity).ok()?))
        })
    });
    let (attributes, cpus) = found.unwrap_or_default();
    (
        attributes,
        cpus,
        thread.map_or(0, |thread| thread.last_cpu()),
    )
}

fn ids(identity: &Identity) -> (Ids, Ids) {
    (
        Ids {
            real: identity.uid,
            effective: identity.euid,
            saved: identity.suid,
            file: identity.fsuid,
        },
        Ids {
            real: identity.gid,
            effective: identity.egid,
            saved: identity.sgid,
            file: identity.fsgid,
        },
    )
}

fn signals_of(process: &Process, thread: Option<&Arc<Thread>>) -> Signals {
    let shared = process.signals.lock();
    let mut signals = Signals {
        shared_pending: shared.pending.set().0,
        ..Signals::default()
    };
    for number in (1..=64).filter_map(|number| abi::linux::SignalNumber::new(number).ok()) {
        let bit = 1 << number.index();
        match shared.actions.get(number).handler {
            Handler::Ignore => signals.ignored |= bit,
            Handler::Function(_) => signals.caught |= bit,
            Handler::Default => {}
        }
    }
    if let Some(thread) = thread {
        let own = thread.signals.lock();
        signals.pending = own.pending.set().0;
        signals.blocked = own.mask.0;
    }
    signals
}

fn memory_of(process: &Process) -> Option<ProcessMemory> {
    let space = process.space().ok()?;
    let statistics = space.lock().statistics();
    let (arguments, environment) = process.with(|state| (state.arguments, state.environment));
    Some(ProcessMemory {
        size: statistics.size,
        peak_size: statistics.peak_size,
        resident: statistics.resident,
        peak_resident: statistics.peak_resident,
        shared: statistics.shared,
        text: statistics.text,
        data: statistics.data.saturating_sub(statistics.stack),
        stack: statistics.stack,
        locked: statistics.locked,
        resident_limit: u64::MAX,
        arguments_start: arguments.0,
        arguments_end: arguments.1,
        environment_start: environment.0,
        environment_end: environment.1,
        ..ProcessMemory::default()
    })
}

fn describe_system(cid: Cid) -> Result<System, NoMemory> {
    let system = system();
    let now = arch::time::now();
    let runnable = system.dispatch.with(|scheduler| {
        if cid.is_global() {
            scheduler.all_runnable()
        } else {
            scheduler.runnable(cid)
        }
    });
    let cpu_times = cpu_times(cid, now)?;
    let view = memory_view(cid);
    let environment = crate::environment::find(cid).unwrap_or_else(|| system.global());
    let wall = system.wall_clock(now);
    Ok(System {
        uptime: system.uptime(),
        boot_time: wall.saturating_sub(system.uptime()).0 / 1_000_000_000,
        cpus: {
            let mut cpus = fallible::list(cpu_times.len())?;
            for times in cpu_times.iter().filter(|times| !times.gone) {
                cpus.push(describe_cpu(times.number)?);
            }
            cpus
        },
        cpu_times,
        timebase: system.timebase.ticks_per_second,
        machine: fallible::string(system.model)?,
        memory: MemoryUse {
            total: view.total,
            free: view.free,
            files: view.used.file,
            anonymous: view.used.anonymous,
            kernel: view.used.kernel,
            tables: view.used.tables,
            ..MemoryUse::default()
        },
        load: environment.load(),
        running: (runnable.max(1), environment.wpar.threads.count()),
        last_pid: environment.last_number(),
        forks: environment.threads_made(),
        switches: system.dispatch.switches(cid),
        system_name: fallible::string("Linux")?,
        release: fallible::string(crate::calls::system::RELEASE)?,
        version: fallible::string(crate::calls::system::VERSION)?,
        host_name: environment.wpar.hostname()?,
        pid_limit: 4_194_304,
        boot_id: environment.boot_id(),
        random: system.random_number(),
        file_systems: fallible::copy(&["ramfs", "proc", "sysfs", "devtmpfs", "devpts"])?,
        ..System::default()
    })
}

fn describe_cpu(number: u16) -> Result<CpuDescription, NoMemory> {
    let mut model = fallible::string(arch::features::platform())?;
    model.make_ascii_uppercase();
    Ok(CpuDescription {
        number,
        model,
        clock: system().clock,
        version: arch::features::processor_version(),
    })
}

/// What the CPUs have spent that an environment may use: in Global as it was, in a partition as if its own time had been
/// spread evenly over its CPUs and nobody else were there.
fn cpu_times(cid: Cid, now: Ticks) -> Result<Vec<CpuTimes>, NoMemory> {
    let system = system();
    let time = |ticks| system.timebase.nanos(ticks);
    let times = |cpu: sched::Cpu, online: bool, account: sched::Account, idle| CpuTimes {
        number: cpu.0,
        gone: !online,
        user: time(account.user),
        system: time(account.system),
        idle: time(idle),
        ..CpuTimes::default()
    };
    if cid.is_global() {
        return system.dispatch.with(|scheduler| {
            let spent = scheduler.spent(now);
            fallible::collect(
                spent.map(|(cpu, online, account, idle)| times(cpu, online, account, idle)),
            )
        });
    }
    let (own, account) = system.dispatch.with(|scheduler| {
        let account = scheduler.account(cid, now).unwrap_or_default();
        (scheduler.partition_cpus(cid), account)
    });
    let count = own.count().max(1) as u64;
    let each = sched::Account {
        user: Ticks(account.user.0 / count),
        system: Ticks(account.system.0 / count),
    };
    let since = crate::environment::find(cid).map_or(now, |environment| environment.since);
    let idle = now.saturating_sub(since).saturating_sub(each.total());
    fallible::collect(own.iter().map(|cpu| times(cpu, true, each, idle)))
}

/// A process as `ps` shows it to an environment.
///
/// # Errors
/// [`NoMemory`].
pub fn status(process: &Arc<Process>, viewer: Cid) -> Result<ProcessStatus, NoMemory> {
    let now = arch::time::now();
    let usage = process.usage(now);
    let (numbers, terminal) = {
        let tree = system().tree.lock();
        let seen = |pid: Option<Pid>| pid.map_or(0, |pid| tree.pids.seen(pid, viewer).0);
        let job = tree.job(process.pid);
        let numbers = [
            seen(Some(process.pid)),
            seen(tree.parent(process.pid)),
            seen(job.as_ref().map(|job| job.group)),
            seen(job.as_ref().map(|job| job.session)),
        ];
        (numbers, job.and_then(|job| job.terminal))
    };
    let [pid, parent, group, session] = numbers;
    let (name, uid, started, threads, range) = process.with(|state| {
        (
            state.name.clone(),
            state.credential.identity.euid,
            state.started,
            process.threads.count(),
            state.arguments,
        )
    });
    let line = strings(process, range)?;
    let mut arguments = Vec::new();
    for argument in line.split_inclusive(|byte| *byte == 0) {
        // What does not end with a zero is cut off.
        if let Some((0, argument)) = argument.split_last() {
            arguments.try_push(fallible::string_lossy(argument)?)?;
        }
    }
    let statistics = process
        .space()
        .map(|space| space.lock().statistics())
        .unwrap_or_default();
    Ok(ProcessStatus {
        pid: Pid(pid),
        parent,
        group,
        session,
        cid: process.cid(),
        uid,
        state: match state_of(process, None) {
            TaskState::Running => ProcessState::Runnable,
            TaskState::Sleeping => ProcessState::Sleeping,
            TaskState::Stopped | TaskState::Traced => ProcessState::Stopped,
            TaskState::Zombie => ProcessState::Zombie,
        },
        terminal: terminal
            .map(|terminal: TerminalId| crate::terminals::name(terminal))
            .transpose()?,
        started: system().wall_clock(started),
        cpu_time: Nanos(usage.user.0.saturating_add(usage.system.0)),
        nice: process.scheduling().nice,
        threads: threads as u32,
        resident: statistics.resident,
        virtual_bytes: statistics.size.0 * PAGE_SIZE as u64,
        name: fallible::string_lossy(&name)?,
        arguments,
    })
}
