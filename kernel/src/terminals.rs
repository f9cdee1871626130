//! The terminals of the machine by number, the devices that lead to them, and what they ask about processes.
//!
//! Sessions know a terminal by its [`TerminalId`]; the table here says which one that is, what it is called and which
//! device it is. It refers to pseudoterminals without keeping them: their open files do, and with the last of
//! these the number leaves the table.
//!
//! Lock: the table's, of rank [`Rank::OpenFile`], held for looking up and never while a terminal is asked or dropped.

use crate::console::Consoles;
use crate::current;
use crate::environment;
use crate::process::Process;
use crate::signals;
use crate::system::system;
use crate::timers::Timeout;
use abi::linux::{SigInfo, SignalNumber, SignalSet};
use abi::{Cid, Errno, Nanos, Pid};
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};
use devfs::{Device, Devices, Export, Item};
use fallible::{Map, NoMemory};
use process::signal::Handler;
use process::{TerminalId, VPid};
use sync::{Rank, SpinLock};
use tty::{Caller, JobControl, Lease, PtyMaster, Terminal};
use vfs::{Access, DeviceNumber, FileOperations, IoContext};
use wait::{Attempt, Waiter};

/// The number by which sessions know a console.
pub const fn console_id(number: usize) -> TerminalId {
    TerminalId(1 + number as u64)
}

/// `/dev/console` (this and the other devices: admin-guide/devices.txt of Linux).
pub const CONSOLE_NUMBER: DeviceNumber = DeviceNumber::new(5, 1);
/// `/dev/hvc0` and so on.
pub const fn hypervisor_number(number: usize) -> DeviceNumber {
    DeviceNumber::new(229, number as u32)
}

/// `/dev/tty`, the terminal of whoever opens it.
const TTY_NUMBER: DeviceNumber = DeviceNumber::new(5, 0);
/// `/dev/ptmx`, which makes a pseudoterminal.
const PTMX_NUMBER: DeviceNumber = DeviceNumber::new(5, 2);

/// How many pseudoterminals one environment may have at once.
pub const LIMIT: u32 = 256;
/// How many there may be in the whole machine.
const TOTAL: usize = 4096;
/// How many of these partitions leave to Global.
const RESERVE: usize = LIMIT as usize;

/// All terminals, by number.
pub struct Terminals {
    next: AtomicU64,
    table: SpinLock<Map<TerminalId, Known>>,
}

/// What is known of a terminal.
#[derive(Clone)]
struct Known {
    /// Dangling for a moment, while a pseudoterminal is made.
    terminal: Weak<Terminal>,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Console,
    /// A console but the first.
    Hypervisor(usize),
    Pty(u32),
}

impl What {
    fn name(self) -> Result<String, NoMemory> {
        match self {
            What::Console => fallible::string("console"),
            What::Hypervisor(number) => fallible::text(format_args!("hvc{number}")),
            What::Pty(number) => fallible::text(format_args!("pts/{number}")),
        }
    }

    fn device_number(self) -> DeviceNumber {
        match self {
            What::Console => CONSOLE_NUMBER,
            What::Hypervisor(number) => hypervisor_number(number),
            What::Pty(number) => devpts::slave_number(number),
        }
    }
}

impl Terminals {
    /// The consoles alone.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(consoles: &Consoles) -> Result<Self, NoMemory> {
        let mut table = Map::new();
        for (number, console) in consoles.iter().enumerate() {
            let known = Known {
                terminal: Arc::downgrade(console.terminal()),
                what: match number {
                    0 => What::Console,
                    _ => What::Hypervisor(number),
                },
            };
            table.insert(console_id(number), known)?;
        }
        Ok(Self {
            next: AtomicU64::new(console_id(table.len()).0),
            table: SpinLock::new(Rank::OpenFile, table),
        })
    }

    fn known(&self, id: TerminalId) -> Option<Known> {
        self.table.lock().get(&id).cloned()
    }

    fn get(&self, id: TerminalId) -> Option<Arc<Terminal>> {
        self.known(id)?.terminal.upgrade()
    }

    /// A pseudoterminal of a partition.
    ///
    /// # Errors
    /// ENOSPC when there are too many, ENOMEM.
    fn make_pty(&self, owner: Cid, number: u32, lease: Lease) -> Result<Arc<PtyMaster>, Errno> {
        let id = TerminalId(self.next.fetch_add(1, Ordering::Relaxed));
        let most = if owner.is_global() {
            TOTAL
        } else {
            TOTAL - RESERVE
        };
        {
            let mut table = self.table.lock();
            if table.len() >= most {
                return Err(Errno::ENOSPC);
            }
            let known = Known {
                terminal: Weak::new(),
                what: What::Pty(number),
            };
            table.insert(id, known)?;
        }
        // Dropped in case of failure, it takes the place back.
        let entry = Entry { id, _number: lease };
        let entry = fallible::boxed(entry)?;
        let master = PtyMaster::new(number, id, fallible::arc(Jobs)?, entry)?;
        if let Some(known) = self.table.lock().get_mut(&id) {
            known.terminal = Arc::downgrade(master.terminal());
        }
        Ok(master)
    }
}

/// A pseudoterminal's entry in the table, and its number in `/dev/pts`.
struct Entry {
    id: TerminalId,
    _number: Lease,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let known = system().terminals.table.lock().remove(&self.id);
        drop(known);
    }
}

/// Makes `/dev/tty`, `/dev/ptmx` and the place of the slaves known.
///
/// # Errors
/// EEXIST when they are.
pub fn register(devices: &Devices) -> Result<(), Errno> {
    let device = |name, number, device| {
        devices.register(Item::device(
            name,
            0o666,
            Export::Partitions,
            number,
            device,
        )?)
    };
    device("tty", TTY_NUMBER, fallible::arc(Own)?)?;
    device("ptmx", PTMX_NUMBER, fallible::arc(Multiplexer)?)?;
    devices.register(Item::directory("pts")?)?;
    devices.register(Item::directory("shm")?)
}

/// A session has ended whose terminal this was.
pub fn hang_up(terminal: TerminalId) {
    if let Some(terminal) = system().terminals.get(terminal) {
        terminal.session_ended();
    }
}

/// The name of a terminal below `/dev`.
///
/// # Errors
/// [`NoMemory`].
pub fn name(terminal: TerminalId) -> Result<String, NoMemory> {
    let known = system().terminals.known(terminal);
    known.map_or_else(|| fallible::string("?"), |known| known.what.name())
}

/// The device number of a terminal, as `/proc/PID/stat` shows it.
pub fn device_number(terminal: TerminalId) -> u32 {
    let known = system().terminals.known(terminal);
    known.map_or(0, |known| known.what.device_number().encode() as u32)
}

/// The group in the foreground of a terminal.
pub fn foreground(terminal: TerminalId) -> Option<Pid> {
    system().terminals.get(terminal)?.foreground()
}

/// What `/dev/tty` is: the controlling terminal of the caller.
struct Own;

impl Device for Own {
    fn open(&self, cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let id = current::process()
            .and_then(|process| system().tree.lock().job(process.pid)?.terminal)
            .ok_or(Errno::ENXIO)?;
        let terminal = system().terminals.get(id).ok_or(Errno::ENXIO)?;
        Ok(terminal.open(cx, false)?)
    }
}

/// What `/dev/ptmx` is: each opening makes a pseudoterminal of the caller's partition.
struct Multiplexer;

impl Device for Multiplexer {
    fn open(&self, cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let cid = cx.credential.cid;
        let environment = environment::find(cid).ok_or(Errno::ENXIO)?;
        let master = environment.ptys.open_master(cx, |number, lease| {
            system().terminals.make_pty(cid, number, lease)
        })?;
        Ok(master)
    }
}

/// What terminals ask about processes.
pub struct Jobs;

impl Jobs {
    fn of(process: &Arc<Process>) -> Option<Caller> {
        let job = system().tree.lock().job(process.pid)?;
        Some(Caller {
            pid: process.pid,
            group: job.group,
            session: job.session,
            has_terminal: job.terminal.is_some(),
            deaf_to: deaf_to(process),
        })
    }
}

/// Signals that a process blocks or ignores.
fn deaf_to(process: &Process) -> SignalSet {
    let blocked = current::thread().map_or(SignalSet::EMPTY, |thread| thread.signals.lock().mask);
    let shared = process.signals.lock();
    let job_signals = [SignalNumber::SIGTTIN, SignalNumber::SIGTTOU];
    let ignored = job_signals
        .into_iter()
        .filter(|signal| shared.actions.get(*signal).handler == Handler::Ignore);
    ignored.fold(blocked, SignalSet::with)
}

impl JobControl for Jobs {
    fn caller(&self, _cx: &IoContext<'_>) -> Caller {
        // Somebody always performs an operation; a process that is gone controls nothing.
        current::process()
            .and_then(|process| Self::of(&process))
            .unwrap_or(Caller {
                pid: Pid(0),
                group: Pid(0),
                session: Pid(0),
                has_terminal: false,
                deaf_to: SignalSet::FULL,
            })
    }

    fn is_orphaned(&self, group: Pid) -> bool {
        system().tree.lock().orphaned(group)
    }

    fn signal(&self, group: Pid, signal: SignalNumber) {
        signals::post_to_group(group, SigInfo::kernel(signal));
    }

    fn seen(&self, cx: &IoContext<'_>, number: Pid) -> VPid {
        system().tree.lock().pids.seen(number, cx.credential.cid)
    }

    fn group(&self, cx: &IoContext<'_>, number: VPid) -> Result<(Pid, Pid), Errno> {
        let tree = system().tree.lock();
        let group = tree
            .pids
            .resolve(cx.credential, number)
            .map_err(|absent| absent.no_process())?;
        Ok((group, tree.session_of_group(group).ok_or(Errno::ESRCH)?))
    }

    fn set_terminal(&self, session: Pid, terminal: Option<TerminalId>) {
        system().tree.lock().set_terminal(session, terminal);
    }

    fn now(&self) -> Nanos {
        system().uptime()
    }

    fn wake_at(&self, waiter: &Waiter, deadline: Nanos) {
        let system = system();
        let at = system
            .booted
            .saturating_add(system.timebase.ticks(deadline));
        system.timers.add(at, Timeout::Waiter(waiter.downgrade()));
    }
}
