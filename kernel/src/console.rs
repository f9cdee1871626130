//! The console: the hypervisor's terminal as a terminal of programs, and what it asks about processes.
//!
//! Lock: none of its own but the input that found no room, of rank `Log`.

use crate::current;
use crate::process::Process;
use crate::signals;
use crate::system::{if_ready, system};
use crate::timers::Timeout;
use abi::linux::{SigInfo, SignalNumber, SignalSet};
use abi::{Errno, Nanos, Pid, Ticks};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::interrupts::Source;
use devfs::{Device, Export, Item};
use process::signal::Handler;
use process::{TerminalId, VPid};
use sync::{Rank, SpinLock};
use tty::{Caller, JobControl, Terminal, TerminalOutput};
use vfs::{Access, DeviceNumber, FileOperations, IoContext};
use vty::{HypervisorLine, Vty};
use wait::{Attempt, Waiter};

/// The number by which sessions know the console.
const CONSOLE: TerminalId = TerminalId(1);
/// `/dev/console`.
const CONSOLE_NUMBER: DeviceNumber = DeviceNumber::new(5, 1);
/// `/dev/tty`, the terminal of whoever opens it.
const TTY_NUMBER: DeviceNumber = DeviceNumber::new(5, 0);
/// How long a busy hypervisor is left alone before output is offered again.
const RETRY: Nanos = Nanos(1_000_000);

/// The hypervisor's terminal as driver.
struct Line {
    vty: Vty<HypervisorLine>,
    /// Input that the terminal had no room for.
    kept: SpinLock<Vec<u8>>,
}

/// The terminals of the machine.
pub struct Console {
    line: Arc<Line>,
    terminal: Arc<Terminal>,
    source: Option<Source>,
}

impl TerminalOutput for Line {
    fn write(&self, bytes: &[u8]) -> usize {
        let taken = self.vty.write(bytes);
        if taken < bytes.len() {
            retry_later();
        }
        taken
    }

    fn input_room(&self) {
        if let Some(system) = if_ready() {
            system.console.deliver();
        }
    }
}

fn retry_later() {
    if let Some(system) = if_ready() {
        let at = arch::time::now().saturating_add(system.timebase.ticks(RETRY));
        system.timers.add(at, Timeout::ConsoleOutput);
    }
}

impl Console {
    /// The console on a terminal unit of the hypervisor.
    pub fn new(unit: u32, source: Option<Source>) -> Self {
        let line = Arc::new(Line {
            vty: Vty::new(HypervisorLine(unit)),
            kept: SpinLock::new(Rank::Log, Vec::new()),
        });
        let terminal = Terminal::new(CONSOLE, line.clone(), Arc::new(Jobs));
        Self {
            line,
            terminal,
            source,
        }
    }

    /// Lets input interrupt.
    pub fn enable(&self) {
        if let Some(source) = self.source
            && arch::interrupts::enable_source(source, arch::cpu::this()).is_err()
        {
            log::error!(
                "console: interrupt source {} cannot be enabled; there will be no input",
                source.0
            );
        }
    }

    /// Makes the console and `/dev/tty` known.
    ///
    /// # Errors
    /// EEXIST when they are.
    pub fn register(&self, devices: &devfs::Devices) -> Result<(), Errno> {
        let console = Arc::new(Opener {
            terminal: Some(self.terminal.clone()),
        });
        devices.register(Item::device(
            "console",
            0o600,
            Export::GlobalOnly,
            CONSOLE_NUMBER,
            console,
        ))?;
        let tty = Arc::new(Opener { terminal: None });
        devices.register(Item::device(
            "tty",
            0o666,
            Export::Partitions,
            TTY_NUMBER,
            tty,
        ))
    }

    /// An interrupt has come, maybe for the console.
    pub fn interrupt(&self, source: Source) {
        if self.source == Some(source) {
            self.line.vty.fetch();
            self.deliver();
        }
    }

    /// Hands what has been received to the terminal.
    fn deliver(&self) {
        let mut bytes = core::mem::take(&mut *self.line.kept.lock());
        let mut chunk = [0; 64];
        loop {
            if bytes.is_empty() {
                let count = self.line.vty.read(&mut chunk);
                bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
            }
            if bytes.is_empty() {
                return;
            }
            let taken = self.terminal.receive(&bytes);
            bytes.drain(..taken.min(bytes.len()));
            if !bytes.is_empty() {
                *self.line.kept.lock() = bytes;
                return;
            }
        }
    }

    /// Offers output to the hypervisor again.
    pub fn pump(&self) {
        if self.line.vty.pump() > 0 {
            retry_later();
        } else {
            self.terminal.output_ready();
        }
    }
}

/// Gives all output to the hypervisor, before the machine stops; not longer than a second.
pub fn flush() {
    let Some(system) = if_ready() else { return };
    let start = arch::time::now();
    while system.console.line.vty.pump() > 0
        && arch::time::now().saturating_sub(start) < Ticks(system.timebase.ticks_per_second)
    {}
    system.console.terminal.output_ready();
}

/// A session has ended whose terminal this was.
pub fn hang_up(terminal: TerminalId) {
    if terminal == CONSOLE {
        system().console.terminal.session_ended();
    }
}

/// The name of a terminal below `/dev`.
pub fn name(terminal: TerminalId) -> String {
    if terminal == CONSOLE {
        "console".to_string()
    } else {
        "?".to_string()
    }
}

/// The device number of a terminal, as `/proc/PID/stat` shows it.
pub fn device_number(terminal: TerminalId) -> u32 {
    if terminal == CONSOLE {
        CONSOLE_NUMBER.encode() as u32
    } else {
        0
    }
}

/// The group in the foreground of a terminal.
pub fn foreground(terminal: TerminalId) -> Option<Pid> {
    (terminal == CONSOLE)
        .then(|| system().console.terminal.foreground())
        .flatten()
}

/// What `/dev/console` and `/dev/tty` do when they are opened.
struct Opener {
    /// `None`: the controlling terminal of the caller.
    terminal: Option<Arc<Terminal>>,
}

impl Device for Opener {
    fn open(&self, cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        let terminal = match &self.terminal {
            Some(terminal) => terminal.clone(),
            None => {
                let own = current::process()
                    .and_then(|process| system().tree.lock().job(process.pid)?.terminal);
                own.filter(|terminal| *terminal == CONSOLE)
                    .ok_or(Errno::ENXIO)?;
                system().console.terminal.clone()
            }
        };
        Ok(terminal.open(cx, false))
    }
}

/// What the terminal asks about processes.
struct Jobs;

impl Jobs {
    fn of(process: &Arc<Process>) -> Option<Caller> {
        let job = system().tree.lock().job(process.pid)?;
        Some(Caller {
            pid: process.pid,
            group: job.group,
            session: job.session,
            has_terminal: job.terminal.is_some(),
            orphaned: job.orphaned,
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
                orphaned: true,
                deaf_to: SignalSet::FULL,
            })
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
