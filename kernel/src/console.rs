//! The consoles: the hypervisor's terminals as terminals of programs.
//!
//! The first one is that on which the system speaks, `/dev/console` and `/dev/hvc0`; the others are `/dev/hvc1` and so
//! on, each with a line discipline, an interrupt and an output queue of its own. The terminal that results are told on
//! ([`crate::power`]) is none of them, so no program reaches it.
//!
//! Lock: none of its own but the input that found no room, of rank `Log`.

use crate::system::if_ready;
use crate::terminals::{CONSOLE_NUMBER, Jobs, console_id, hypervisor_number};
use crate::timers::Timeout;
use abi::{Errno, Nanos, Ticks};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::cpu::CpuNumber;
use arch::interrupts::Source;
use core::sync::atomic::{AtomicU16, Ordering};
use devfs::{Device, Item};
use fallible::NoMemory;
use sync::{Rank, SpinLock};
use tty::{Terminal, TerminalOutput};
use vfs::{Access, FileOperations, IoContext};
use vty::{HypervisorLine, Vty};
use wait::Attempt;

/// How long a busy hypervisor is left alone before output is offered again.
const RETRY: Nanos = Nanos(1_000_000);

/// A terminal of the hypervisor as driver.
struct Line {
    number: usize,
    vty: Vty<HypervisorLine>,
    /// Input that the terminal had no room for.
    kept: SpinLock<Vec<u8>>,
}

/// All consoles, that on which the system speaks first.
pub struct Consoles {
    all: Vec<Console>,
    /// The CPU that their input interrupts.
    served_by: AtomicU16,
}

/// One console.
pub struct Console {
    number: usize,
    line: Arc<Line>,
    terminal: Arc<Terminal>,
    source: Option<Source>,
}

impl TerminalOutput for Line {
    fn write(&self, bytes: &[u8]) -> usize {
        let taken = self.vty.write(bytes);
        if taken < bytes.len() {
            retry_later(self.number);
        }
        taken
    }

    fn input_room(&self) {
        if let Some(console) = if_ready().and_then(|system| system.consoles.get(self.number)) {
            console.deliver();
        }
    }
}

fn retry_later(number: usize) {
    if let Some(system) = if_ready() {
        let at = arch::time::now().saturating_add(system.timebase.ticks(RETRY));
        system.timers.add(at, Timeout::ConsoleOutput(number));
    }
}

/// Bytes of input that are kept at most.
const CHUNK: usize = 64;

impl Consoles {
    /// Consoles on these terminals, each a unit and its interrupt source.
    ///
    /// # Errors
    /// ENOMEM
    pub fn new(units: impl Iterator<Item = (u32, Option<Source>)>) -> Result<Self, Errno> {
        let mut all = Vec::new();
        for (number, (unit, source)) in units.enumerate() {
            all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            all.push(Console::new(number, unit, source)?);
        }
        let served_by = AtomicU16::new(arch::cpu::this().0);
        Ok(Self { all, served_by })
    }

    /// A console by its number.
    pub fn get(&self, number: usize) -> Option<&Console> {
        self.all.get(number)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Console> {
        self.all.iter()
    }

    /// Lets input interrupt.
    pub fn enable(&self) {
        self.iter().for_each(Console::enable);
    }

    /// Fetches what has come, interrupt or not.
    pub fn look(&self) {
        self.iter().for_each(Console::look);
    }

    /// `cpu` goes out of use: if it is the one that input interrupts, that is `heir` from now on. Under the scheduler's lock.
    pub fn hand_over(&self, cpu: CpuNumber, heir: CpuNumber) {
        if self
            .served_by
            .compare_exchange(cpu.0, heir.0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            self.iter().for_each(|console| console.route(heir));
        }
    }

    /// Makes the consoles known.
    ///
    /// # Errors
    /// EEXIST when they are.
    pub fn register(&self, devices: &devfs::Devices) -> Result<(), Errno> {
        self.iter()
            .try_for_each(|console| console.register(devices))
    }

    /// An interrupt has come, maybe for a console.
    pub fn interrupt(&self, source: Source) {
        self.iter().for_each(|console| console.interrupt(source));
    }
}

impl Console {
    fn new(number: usize, unit: u32, source: Option<Source>) -> Result<Self, NoMemory> {
        let line = fallible::arc(Line {
            number,
            vty: Vty::new(HypervisorLine(unit)),
            // All that is ever in it: input is kept when there is no memory.
            kept: SpinLock::new(Rank::Log, fallible::list(CHUNK)?),
        })?;
        let terminal = Terminal::new(console_id(number), line.clone(), fallible::arc(Jobs)?)?;
        Ok(Self {
            number,
            line,
            terminal,
            source,
        })
    }

    /// Lets input interrupt. What has come before does not: it is fetched.
    fn enable(&self) {
        self.route(arch::cpu::this());
        self.look();
    }

    /// Lets input interrupt a CPU.
    fn route(&self, cpu: CpuNumber) {
        if let Some(source) = self.source
            && arch::interrupts::enable_source(source, cpu).is_err()
        {
            log::error!(
                "console: interrupt source {} cannot be enabled; there will be no input",
                source.0
            );
        }
    }

    fn look(&self) {
        self.line.vty.fetch();
        self.deliver();
    }

    fn register(&self, devices: &devfs::Devices) -> Result<(), Errno> {
        let device = |name: &str, number| {
            let opener = Opener(self.terminal.clone());
            devices.register(Item::of_global(name, number, opener)?)
        };
        if self.number == 0 {
            device("console", CONSOLE_NUMBER)?;
        }
        let name = fallible::text(format_args!("hvc{}", self.number))?;
        device(&name, hypervisor_number(self.number))
    }

    /// The terminal of programs.
    pub fn terminal(&self) -> &Arc<Terminal> {
        &self.terminal
    }

    /// An interrupt has come, maybe for this console.
    fn interrupt(&self, source: Source) {
        if self.source == Some(source) {
            self.look();
        }
    }

    /// Hands what has been received to the terminal.
    fn deliver(&self) {
        let mut bytes = core::mem::take(&mut *self.line.kept.lock());
        let mut chunk = [0; CHUNK];
        loop {
            if bytes.is_empty() {
                let count = self.line.vty.read(&mut chunk);
                bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
            }
            if bytes.is_empty() {
                // The room in it is for the next time.
                *self.line.kept.lock() = bytes;
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
            retry_later(self.number);
        } else {
            self.terminal.output_ready();
        }
    }
}

/// Gives all output to the hypervisor, before the machine stops; not longer than a second.
pub fn flush() {
    let Some(system) = if_ready() else { return };
    let start = arch::time::now();
    for console in system.consoles.iter() {
        while console.line.vty.pump() > 0
            && arch::time::now().saturating_sub(start) < Ticks(system.timebase.ticks_per_second)
        {
        }
        console.terminal.output_ready();
    }
}

/// What the device of a console does when it is opened.
struct Opener(Arc<Terminal>);

impl Device for Opener {
    fn open(&self, cx: &IoContext<'_>, _access: Access) -> Attempt<Arc<dyn FileOperations>> {
        Ok(self.0.open(cx, false)?)
    }
}
