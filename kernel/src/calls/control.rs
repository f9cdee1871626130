//! `/dev/corral`: the control interface of the admin commands.
//!
//! A request is one `write`, its answer is read from the same open file. Requests are decoded and checked by the
//! `control` crate; inside a partition only the questions about the asker itself are answered.

use crate::current;
use crate::environment::{self, Environment};
use crate::partitions;
use crate::power;
use crate::proc_source;
use crate::process::Process;
use crate::system::{Numbered, system};
use crate::timers::Timeout;
use abi::{Cid, Errno, Ticks};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use control::{
    AccountOf, Accounts, Answer, CpuList, ErrorLogEntry, FrameError, Identity, PagesByKind,
    Refusal, Reply, Request, Scope, Tunable, WparName, WparStatus, decode_request, encode_reply,
};
use devfs::{Device, Export, Item};
use fallible::{NoMemory, Push};
use memory::frames;
use security::Privileges;
use sync::{Rank, SpinLock};
use vfs::{Access, DeviceNumber, FileOperations, IoContext, OpenFile};
use wait::{Attempt, PollEvents, Sink, Source, Stop, Waiter};

/// `/dev/corral`; a number of the range that is free for local use.
const NUMBER: DeviceNumber = DeviceNumber::new(240, 0);

/// Makes the device known.
///
/// # Errors
/// EEXIST when it is.
pub fn register(devices: &devfs::Devices) -> Result<(), Errno> {
    devices.register(Item::device(
        "corral",
        0o666,
        Export::Partitions,
        NUMBER,
        fallible::arc(ControlDevice)?,
    )?)
}

struct ControlDevice;

impl Device for ControlDevice {
    fn open(&self, _cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let conversation = Conversation {
            answer: Vec::new(),
            read: 0,
            deadline: None,
        };
        Ok(fallible::arc(ControlFile {
            conversation: SpinLock::new(Rank::Stream, conversation),
        })?)
    }
}

/// One open file: the last answer, and how much of it has been read.
struct ControlFile {
    conversation: SpinLock<Conversation>,
}

struct Conversation {
    answer: Vec<u8>,
    read: usize,
    /// When the present [`Request::Await`] gives up.
    deadline: Option<Ticks>,
}

/// What answering comes to.
type Answered = Result<Answer, Unanswered>;

enum Unanswered {
    /// No, and why.
    Refused(Refusal),
    /// Not yet: the waiter is enrolled.
    Park,
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Unanswered::Refused(refusal)
    }
}

impl From<NoMemory> for Unanswered {
    fn from(no_memory: NoMemory) -> Self {
        Errno::from(no_memory).into()
    }
}

impl From<Errno> for Unanswered {
    fn from(errno: Errno) -> Self {
        Unanswered::Refused(errno.into())
    }
}

impl FileOperations for ControlFile {
    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        let length = source.remaining();
        if length > control::REQUEST_LIMIT {
            return Err(Errno::EINVAL.into());
        }
        let mut frame = fallible::filled(0, length)?;
        source.take(&mut frame)?;
        // What is decoded is not larger than the frame by more than a few words an entry.
        let request = fallible::assured(|| decode_request(&frame));
        let reply: Reply = match request {
            Err(error) => Err(Refusal {
                errno: error.errno(),
                detail: fallible::text(format_args!("{error}")).ok(),
            }),
            Ok(request) => match self.answer(cx, request) {
                Ok(answer) => Ok(answer),
                Err(Unanswered::Refused(refusal)) => Err(refusal),
                Err(Unanswered::Park) => return Err(Stop::Park),
            },
        };
        let bytes = encode_reply(&reply).map_err(|error| match error {
            FrameError::NoMemory => Errno::ENOMEM,
            _ => Errno::EIO,
        })?;
        let mut conversation = self.conversation.lock();
        *conversation = Conversation {
            answer: bytes,
            read: 0,
            deadline: None,
        };
        Ok(length)
    }

    fn read(&self, _cx: &IoContext<'_>, _position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let mut conversation = self.conversation.lock();
        let rest = conversation
            .answer
            .get(conversation.read..)
            .unwrap_or_default();
        let part = rest.get(..sink.room()).unwrap_or(rest);
        let count = part.len();
        sink.put(part)?;
        conversation.read += count;
        Ok(count)
    }

    fn poll(&self, wanted: PollEvents, _waiter: Option<&Waiter>) -> PollEvents {
        wanted & (PollEvents::READABLE | PollEvents::WRITABLE)
    }
}

impl ControlFile {
    fn answer(&self, cx: &IoContext<'_>, request: Request) -> Answered {
        let process = current::process().ok_or(Errno::ESRCH)?;
        match request {
            Request::Identity => return Ok(Answer::Identity(identity(&process)?)),
            Request::Processes(Scope::Own) => return processes(cx.credential.cid, None),
            _ => {}
        }
        if !cx.credential.cid.is_global() {
            return Err(Errno::EPERM.into());
        }
        if let Some(answer) = inspect(cx, &request) {
            return answer;
        }
        cx.credential.require(Privileges::PARTITIONS)?;
        self.change(cx, &process, request)
    }

    fn change(&self, cx: &IoContext<'_>, process: &Arc<Process>, request: Request) -> Answered {
        let done = |()| Answer::Done;
        match request {
            Request::Load(load) => Ok(Answer::Loaded(partitions::load(cx.credential, &load)?)),
            Request::Enter { wpar, init } => {
                partitions::enter(process, &partitions::of_handle(wpar)?, init)?;
                self.close_others(process)?;
                Ok(Answer::Done)
            }
            Request::Activate(wpar) => {
                Ok(partitions::activate(&partitions::of_handle(wpar)?).map(done)?)
            }
            Request::Quiesce { wpar, force } => {
                Ok(partitions::quiesce(&partitions::of_handle(wpar)?, force).map(done)?)
            }
            Request::Unload(wpar) => unload(cx, wpar).map(done),
            Request::Await { wpar, timeout } => self.await_empty(cx, wpar, timeout),
            Request::Break(wpar) => {
                Ok(partitions::break_down(&partitions::of_handle(wpar)?).map(done)?)
            }
            Request::SetResources { wpar, controls } => {
                Ok(partitions::set_resources(&partitions::of_handle(wpar)?, controls).map(done)?)
            }
            Request::SetHostname { wpar, hostname } => {
                if hostname.is_empty() || hostname.len() > 64 {
                    return Err(Errno::EINVAL.into());
                }
                partitions::of_handle(wpar)?.wpar.set_hostname(hostname);
                Ok(Answer::Done)
            }
            Request::SetPolicy { name } => {
                let policy = sched::policy_by_name(&name).map_err(|refusal| match refusal {
                    sched::Refusal::Full => Errno::ENOMEM,
                    _ => Errno::EINVAL,
                })?;
                system().dispatch.set_policy(policy);
                Ok(Answer::Done)
            }
            Request::Tune { name, value } => {
                let tunable = sched::Tunable::by_name(&name).ok_or(Errno::ENOENT)?;
                let now = arch::time::now();
                let tuned = system()
                    .dispatch
                    .with(|scheduler| scheduler.tune(tunable, value, now));
                Ok(tuned.map(done).map_err(|_| Errno::EINVAL)?)
            }
            Request::DefineResourceSet(set) => Ok(partitions::define_resource_set(&set).map(done)?),
            Request::RemoveResourceSet { name } => {
                Ok(partitions::remove_resource_set(&name).map(done)?)
            }
            Request::PowerOff { status } => power::off(status),
            Request::Restart => power::restart(),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// Whoever enters a partition brings the descriptors 0, 1 and 2, and this one until it executes a program.
    fn close_others(&self, process: &Arc<Process>) -> Result<(), Errno> {
        let files = process.files()?;
        let own = {
            let mut files = files.lock();
            let is_this = |file: &Arc<OpenFile>| {
                core::ptr::addr_eq(Arc::as_ptr(file.operations()), core::ptr::from_ref(self))
            };
            let own = files
                .iter_from(0)
                .find(|(_, file)| is_this(file))
                .map(|(descriptor, _)| descriptor)
                .filter(|own| own.0 > 2);
            if let Some(own) = own {
                files.set_close_on_exec(own, true)?;
            }
            own
        };
        let ranges = match own {
            Some(own) => [(3, own.0 - 1), (own.0 + 1, u32::MAX)],
            None => [(3, u32::MAX), (u32::MAX, u32::MAX)],
        };
        for (mut at, last) in ranges {
            loop {
                let taken = files.lock().take_range(&mut at, last);
                // Closed here, where the table is not locked.
                if taken.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn await_empty(
        &self,
        cx: &IoContext<'_>,
        wpar: control::WparHandle,
        timeout: Option<abi::Nanos>,
    ) -> Answered {
        let environments = &system().environments;
        // Enrolled first, looked at then: whoever ends it in between wakes this run.
        environments.departures.enrol(cx.waiter());
        let Ok(environment) = partitions::of_handle(wpar) else {
            return if environments.table.holds(wpar) {
                Err(Unanswered::Park)
            } else {
                Ok(Answer::Awaited { empty: true })
            };
        };
        // The same, for whoever empties it.
        environment.emptied.enrol(cx.waiter());
        if environment.wpar.processes.count() == 0 {
            return Ok(Answer::Awaited { empty: true });
        }
        let now = arch::time::now();
        let deadline = {
            let mut conversation = self.conversation.lock();
            let span = timeout.map(|timeout| system().timebase.ticks(timeout));
            conversation.deadline = conversation
                .deadline
                .or(span.map(|span| now.saturating_add(span)));
            conversation.deadline
        };
        match deadline {
            Some(deadline) if deadline <= now => Ok(Answer::Awaited { empty: false }),
            Some(deadline) => {
                system()
                    .timers
                    .add(deadline, Timeout::Waiter(cx.waiter().downgrade()));
                Err(Unanswered::Park)
            }
            None => Err(Unanswered::Park),
        }
    }
}

/// Unloads a partition, or waits until whoever is at it has done so: then nothing of it is left in either case.
fn unload(cx: &IoContext<'_>, wpar: control::WparHandle) -> Result<(), Unanswered> {
    let environments = &system().environments;
    // Enrolled first, looked at then: whoever ends it in between wakes this run.
    environments.departures.enrol(cx.waiter());
    let unloaded =
        partitions::of_handle(wpar).and_then(|environment| partitions::unload(&environment));
    match unloaded {
        Ok(()) if environments.table.holds(wpar) => Err(Unanswered::Park),
        Err(refusal) if refusal.known() == Some(Errno::ESRCH) && environments.table.holds(wpar) => {
            Err(Unanswered::Park)
        }
        other => Ok(other?),
    }
}

/// Questions that change nothing.
fn inspect(cx: &IoContext<'_>, request: &Request) -> Option<Answered> {
    let viewer = cx.credential.cid;
    Some(match request {
        Request::List => wpars(),
        Request::Accounts => accounts(),
        Request::Processes(Scope::All) => processes(viewer, None),
        Request::Processes(Scope::Wpar(cid)) => processes(viewer, Some(*cid)),
        Request::ErrorLog => error_log(viewer)
            .map(Answer::ErrorLog)
            .map_err(Unanswered::from),
        Request::Policies => policies().map(Answer::Policies).map_err(Unanswered::from),
        Request::Tunables => tunables().map(Answer::Tunables).map_err(Unanswered::from),
        Request::ResourceSets => partitions::resource_sets()
            .map(Answer::ResourceSets)
            .map_err(Unanswered::from),
        _ => return None,
    })
}

fn identity(process: &Arc<Process>) -> Result<Identity, NoMemory> {
    let environment = process.environment();
    let wpar = &environment.wpar;
    Ok(Identity {
        cid: wpar.cid(),
        key: wpar.key(),
        name: fallible::string(wpar.name())?,
        hostname: wpar.hostname()?,
        kind: wpar.kind(),
        controls: wpar.controls(),
        cpus: CpuList(system().dispatch.cpus_of(wpar.cid()).0),
    })
}

fn wpars() -> Answered {
    let mut found = Vec::new();
    for wpar in system()
        .environments
        .table
        .all()?
        .iter()
        .filter(|wpar| !wpar.cid().is_global())
    {
        let settings = wpar.settings()?;
        found.try_push(WparStatus {
            handle: wpar.handle(),
            key: wpar.key(),
            name: WparName::new(wpar.name()).map_err(|_| Errno::EIO)?,
            kind: wpar.kind(),
            state: settings.state,
            hostname: settings.hostname,
            root: fallible::string(wpar.root())?,
            controls: settings.controls,
            processes: wpar.processes.count(),
            threads: wpar.threads.count(),
            pages: frames::usage(wpar.cid()).total(),
            init: system().tree.lock().init(wpar.cid()),
        })?;
    }
    Ok(Answer::Wpars(found))
}

fn accounts() -> Answered {
    let system = system();
    let now = arch::time::now();
    let snapshot = system
        .dispatch
        .with(|scheduler| scheduler.snapshot(now))
        .map_err(|_| Errno::ENOMEM)?;
    let mut entries = fallible::list(snapshot.partitions.len())?;
    let mut gone = snapshot.gone.total();
    for (cid, account) in &snapshot.partitions {
        let found: Option<Arc<Environment>> = environment::find(*cid);
        let Some(environment) = found else {
            // It goes just now.
            gone += account.total();
            continue;
        };
        let usage = frames::usage(*cid);
        entries.try_push(AccountOf {
            cid: *cid,
            name: fallible::string(environment.wpar.name())?,
            user: account.user,
            system: account.system,
            since: environment.since,
            pages: usage.total(),
            by_kind: PagesByKind {
                anonymous: usage.anonymous,
                file: usage.file,
                kernel: usage.kernel,
                tables: usage.tables,
                device: usage.device,
            },
            processes: environment.wpar.processes.count(),
            threads: environment.wpar.threads.count(),
            load: environment.load(),
        })?;
    }
    Ok(Answer::Accounts(Accounts {
        now: snapshot.at,
        ticks_per_second: system.timebase.ticks_per_second,
        cpus: system.dispatch.cpus().count() as u32,
        idle: snapshot.idle,
        gone,
        total_pages: frames::total(),
        free_pages: frames::free(),
        entries,
    }))
}

/// The processes of one environment, or of all, as `viewer` sees them.
fn processes(viewer: Cid, only: Option<Cid>) -> Answered {
    let wanted: Vec<Cid> = match only {
        Some(cid) => fallible::of_one(cid)?,
        None if !viewer.is_global() => fallible::of_one(viewer)?,
        None => {
            let partitions = system().environments.table.all()?;
            fallible::collect(partitions.iter().map(|wpar| wpar.cid()))?
        }
    };
    let found: Vec<Arc<Process>> = {
        let tree = system().tree.lock();
        let numbers = wanted.into_iter().flat_map(|cid| tree.of_partition(cid));
        let process = |pid| tree.pids.by_pid(pid).and_then(Numbered::process);
        fallible::collect(numbers.filter_map(process))?
    };
    let mut list = fallible::list(found.len())?;
    for process in &found {
        list.push(proc_source::status(process, viewer)?);
    }
    list.sort_unstable_by_key(|status| status.pid);
    Ok(Answer::Processes(list))
}

fn error_log(viewer: Cid) -> Result<Vec<ErrorLogEntry>, NoMemory> {
    let booted = system().wall_clock(system().booted);
    system().with_log(|log| {
        let mut entries = Vec::new();
        for entry in log.seen_by(viewer) {
            entries.try_push(ErrorLogEntry {
                time: booted.saturating_add(entry.time),
                cid: entry.cid,
                text: fallible::text(format_args!("{}: {}", entry.resource, entry.text))?,
            })?;
        }
        Ok(entries)
    })
}

fn tunables() -> Result<Vec<Tunable>, NoMemory> {
    let mut found = Vec::new();
    for tunable in sched::Tunable::ALL {
        let (least, most) = tunable.range();
        found.try_push(Tunable {
            name: fallible::string(tunable.name())?,
            value: system().dispatch.with(|scheduler| scheduler.tuned(tunable)),
            default: tunable.default(),
            least,
            most,
            unit: fallible::string(tunable.unit())?,
        })?;
    }
    Ok(found)
}

fn policies() -> Result<Vec<String>, NoMemory> {
    let active = system().dispatch.with(|scheduler| scheduler.policy_name());
    let others = sched::policy_names().filter(|name| *name != active);
    let mut names = Vec::new();
    for name in core::iter::once(active).chain(others) {
        names.try_push(fallible::string(name)?)?;
    }
    Ok(names)
}
