//! The console: the hypervisor's terminal as a terminal of programs.
//!
//! Lock: none of its own but the input that found no room, of rank `Log`.

use crate::system::if_ready;
use crate::terminals::{CONSOLE, CONSOLE_NUMBER, Jobs};
use crate::timers::Timeout;
use abi::{Errno, Nanos, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::interrupts::Source;
use devfs::{Device, Export, Item};
use sync::{Rank, SpinLock};
use tty::{Terminal, TerminalOutput};
use vfs::{Access, FileOperations, IoContext};
use vty::{HypervisorLine, Vty};
use wait::Attempt;

/// How long a busy hypervisor is left alone before output is offered again.
const RETRY: Nanos = Nanos(1_000_000);

/// The hypervisor's terminal as driver.
struct Line {
    vty: Vty<HypervisorLine>,
    /// Input that the terminal had no room for.
    kept: SpinLock<Vec<u8>>,
}

/// The terminal that the system speaks on.
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

    /// Makes the console known.
    ///
    /// # Errors
    /// EEXIST when it is.
    pub fn register(&self, devices: &devfs::Devices) -> Result<(), Errno> {
        devices.register(Item::device(
            "console",
            0o600,
            Export::GlobalOnly,
            CONSOLE_NUMBER,
            Arc::new(Opener(self.terminal.clone())),
        ))
    }

    /// The terminal of programs.
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.terminal
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

/// What `/dev/console` does when it is opened.
struct Opener(Arc<Terminal>);

impl Device for Opener {
    fn open(&self, cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        Ok(self.0.open(cx, false))
    }
}
