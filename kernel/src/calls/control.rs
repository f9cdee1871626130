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
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use control::{
    AccountOf, Accounts, Answer, CpuList, ErrorLogEntry, Identity, PagesByKind, Refusal, Reply,
    Request, Scope, WparName, WparStatus, decode_request, encode_reply,
};
use devfs::{Device, Export, Item};
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
        Arc::new(ControlDevice),
    ))
}

struct ControlDevice;

impl Device for ControlDevice {
    fn open(&self, _cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let conversation = Conversation {
            answer: Vec::new(),
            read: 0,
            deadline: None,
        };
        Ok(Arc::new(ControlFile {
            conversation: SpinLock::new(Rank::Stream, conversation),
        }))
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
        let mut frame = alloc::vec![0; length];
        source.take(&mut frame)?;
        let reply: Reply = match decode_request(&frame) {
            Err(error) => Err(Refusal {
                errno: error.errno(),
                detail: Some(error.to_string()),
            }),
            Ok(request) => match self.answer(cx, request) {
                Ok(answer) => Ok(answer),
                Err(Unanswered::Refused(refusal)) => Err(refusal),
                Err(Unanswered::Park) => return Err(Stop::Park),
            },
        };
        let bytes = encode_reply(&reply).map_err(|_| Errno::EIO)?;
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
            Request::Identity => return Ok(Answer::Identity(identity(&process))),
            Request::Processes(Scope::Own) => return Ok(processes(cx.credential.cid, None)),
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
            Request::Unload(wpar) => {
                Ok(partitions::unload(&partitions::of_handle(wpar)?).map(done)?)
            }
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
                let policy = sched::policy_by_name(&name).ok_or(Errno::EINVAL)?;
                system().dispatch.set_policy(policy);
                Ok(Answer::Done)
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
        let closed = {
            let mut files = files.lock();
            let is_this = |file: &Arc<OpenFile>| {
                core::ptr::addr_eq(Arc::as_ptr(file.operations()), core::ptr::from_ref(self))
            };
            let own = files
                .iter_from(0)
                .find(|(_, file)| is_this(file))
                .map(|(descriptor, _)| descriptor);
            let mut closed = Vec::new();
            match own {
                Some(own) if own.0 > 2 => {
                    files.set_close_on_exec(own, true)?;
                    closed.extend(files.take_range(3, own.0 - 1));
                    closed.extend(files.take_range(own.0 + 1, u32::MAX));
                }
                _ => closed.extend(files.take_range(3, u32::MAX)),
            }
            closed
        };
        drop(closed);
        Ok(())
    }

    fn await_empty(
        &self,
        cx: &IoContext<'_>,
        wpar: control::WparHandle,
        timeout: Option<abi::Nanos>,
    ) -> Answered {
        let Ok(environment) = partitions::of_handle(wpar) else {
            return Ok(Answer::Awaited { empty: true });
        };
        // Enrolled first, looked at then: whoever empties it in between wakes this run.
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

/// Questions that change nothing.
fn inspect(cx: &IoContext<'_>, request: &Request) -> Option<Answered> {
    let viewer = cx.credential.cid;
    Some(match request {
        Request::List => wpars(),
        Request::Accounts => accounts(),
        Request::Processes(Scope::All) => Ok(processes(viewer, None)),
        Request::Processes(Scope::Wpar(cid)) => Ok(processes(viewer, Some(*cid))),
        Request::ErrorLog => Ok(Answer::ErrorLog(error_log(viewer))),
        Request::Policies => Ok(Answer::Policies(policies())),
        Request::ResourceSets => Ok(Answer::ResourceSets(partitions::resource_sets())),
        _ => return None,
    })
}

fn identity(process: &Arc<Process>) -> Identity {
    let environment = process.environment();
    let wpar = &environment.wpar;
    Identity {
        cid: wpar.cid(),
        key: wpar.key(),
        name: wpar.name().to_string(),
        hostname: wpar.hostname(),
        kind: wpar.kind(),
        controls: wpar.controls(),
        cpus: CpuList(system().dispatch.cpus_of(wpar.cid()).0),
    }
}

fn wpars() -> Answered {
    let mut found = Vec::new();
    for wpar in system()
        .environments
        .table
        .all()
        .iter()
        .filter(|wpar| !wpar.cid().is_global())
    {
        let settings = wpar.settings();
        found.push(WparStatus {
            handle: wpar.handle(),
            key: wpar.key(),
            name: WparName::new(wpar.name()).map_err(|_| Errno::EIO)?,
            kind: wpar.kind(),
            state: settings.state,
            hostname: settings.hostname,
            root: wpar.root().to_string(),
            controls: settings.controls,
            processes: wpar.processes.count(),
            threads: wpar.threads.count(),
            pages: frames::usage(wpar.cid()).total(),
            init: system().tree.lock().init(wpar.cid()),
        });
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
    let entry = |(cid, account): &(Cid, sched::Account)| -> Option<AccountOf> {
        let environment: Arc<Environment> = environment::find(*cid)?;
        let usage = frames::usage(*cid);
        Some(AccountOf {
            cid: *cid,
            name: environment.wpar.name().to_string(),
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
        })
    };
    Ok(Answer::Accounts(Accounts {
        now: snapshot.at,
        ticks_per_second: system.timebase.ticks_per_second,
        cpus: system.dispatch.cpus().count() as u32,
        idle: snapshot.idle,
        total_pages: frames::total(),
        free_pages: frames::free(),
        entries: snapshot.partitions.iter().filter_map(entry).collect(),
    }))
}

/// The processes of one environment, or of all, as `viewer` sees them.
fn processes(viewer: Cid, only: Option<Cid>) -> Answer {
    let wanted: Vec<Cid> = match only {
        Some(cid) => alloc::vec![cid],
        None if !viewer.is_global() => alloc::vec![viewer],
        None => {
            let partitions = system().environments.table.all();
            partitions.iter().map(|wpar| wpar.cid()).collect()
        }
    };
    let found: Vec<Arc<Process>> = {
        let tree = system().tree.lock();
        let numbers = wanted.into_iter().flat_map(|cid| tree.of_partition(cid));
        numbers
            .filter_map(|pid| tree.pids.by_pid(pid).and_then(Numbered::process))
            .collect()
    };
    let mut list: Vec<_> = found
        .iter()
        .map(|process| proc_source::status(process, viewer))
        .collect();
    list.sort_by_key(|status| status.pid);
    Answer::Processes(list)
}

fn error_log(viewer: Cid) -> Vec<ErrorLogEntry> {
    let booted = system().wall_clock(system().booted);
    system().with_log(|log| {
        log.seen_by(viewer)
            .map(|entry| ErrorLogEntry {
                time: booted.saturating_add(entry.time),
                cid: entry.cid,
                text: alloc::format!("{}: {}", entry.resource, entry.text),
            })
            .collect()
    })
}

fn policies() -> Vec<alloc::string::String> {
    let active = system().dispatch.with(|scheduler| scheduler.policy_name());
    let others = ["wlm", "edf", "stride", "round-robin"]
        .into_iter()
        .filter(|name| *name != active);
    core::iter::once(active)
        .chain(others)
        .map(ToString::to_string)
        .collect()
}
