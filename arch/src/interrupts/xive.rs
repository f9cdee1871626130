//! XIVE in exploitation mode: interrupts without hypervisor calls.
//!
//! PAPR, "External Interrupt Virtualization Engine": every source has an *event state buffer*, a page whose loads and
//! stores mask, trigger and end it. Events go to a *queue* in memory, here one for each CPU, as the number that
//! the source was given. A CPU learns of them, and sets the priority from which it listens, in the *thread interrupt
//! management area*, a page that shows each CPU its own registers.
//!
//! Events carry the number of a [`Slot`]: those of calls between CPUs first, then devices in the order in which they were
//! enabled. Lock: one leaf, for giving out slots; interrupts are taken and ended without any.

use super::{InterruptController, NoSuchSource, Source, Taken};
use crate::cpu::{self, CpuNumber, PerCpu};
use crate::hcall::{self, Function};
use crate::{LINEAR_BASE, MAX_CPUS, radix};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use sync::{Rank, SpinLock};

/// What the device tree says, and the memory that boot has set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XiveDescription {
    /// Real address of the management area's page for operating systems.
    pub management: u64,
    /// The priority of all events: the hypervisor keeps others for itself.
    pub priority: u8,
    /// A queue has two to this power bytes.
    pub queue_shift: u32,
    /// Real address of one queue for each CPU, aligned to its size.
    pub queues: u64,
    /// The first source that is free for calls between CPUs, of as many as there are CPUs.
    pub calls: u32,
}

/// What the hypervisor refuses, or what cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The management area lies where there is memory.
    ManagementArea,
}

/// How many sources can be used: a call for each CPU, and devices.
const SLOTS: usize = MAX_CPUS + 48;

/// A source in use. Written under [`Xive::slots`]; `flags` last, with [`Slot::READY`].
struct Slot {
    source: AtomicU32,
    flags: AtomicU64,
    /// Addresses of the event state buffer: for loads, and for triggering.
    buffer: AtomicU64,
    trigger: AtomicU64,
}

/// Flags of a source (`H_INT_GET_SOURCE_INFO`).
mod flag {
    /// The buffer is reached by hypervisor call only.
    pub const BY_CALL: u64 = 1 << 3;
    /// Level-triggered.
    pub const LEVEL: u64 = 1 << 2;
    /// A store ends an interrupt.
    pub const STORE_ENDS: u64 = 1 << 0;
}

/// Offsets in an event state buffer: what a load or store there does. The two bits of state are P, an event is on its
/// way, and Q, another one has come meanwhile; Q without P means that the source is off.
mod buffer {
    /// A load ends an interrupt of a level-triggered source.
    pub const LOAD_END: u64 = 0;
    /// A store ends an interrupt.
    pub const STORE_END: u64 = 0x400;
    /// A load sets P and Q to 0 and answers what they were.
    pub const LISTEN: u64 = 0xc00;
    /// A load switches the source off.
    pub const OFF: u64 = 0xd00;
    /// Q in an answer.
    pub const Q: u64 = 1;
}

/// Offsets in the management area's page for operating systems.
mod area {
    /// The CPU's priority, a byte: less urgent events wait.
    pub const PRIORITY: u64 = 0x11;
    /// A load of 16 bits accepts: what is pending, and the new priority.
    pub const ACCEPT: u64 = 0x810;
    /// Bit of the upper half: there is an event.
    pub const PENDING: u16 = 0x8000;
}

/// All priorities pass.
const OPEN: u8 = 0xff;
/// No priority passes.
const CLOSED: u8 = 0;
/// `H_INT_SET_SOURCE_CONFIG`: the event's number is given too.
const SET_NUMBER: u64 = 1 << 1;
/// The priority of a source that is off.
const NEVER: u64 = 0xff;
/// `H_INT_SET_QUEUE_CONFIG`: every event is told to the CPU.
const ALWAYS_NOTIFY: u64 = 1;
/// `H_INT_ESB`: a store.
const STORE: u64 = 1;
/// The bit of an entry that changes with each round of the queue.
const GENERATION: u32 = 1 << 31;

/// The controller.
pub(super) struct Xive {
    /// Where the management area is mapped.
    management: u64,
    description: XiveDescription,
    slots: [Slot; SLOTS],
    giving: SpinLock<()>,
    queues: PerCpu<Queue>,
}

/// A CPU's view of its queue; only that CPU uses it.
struct Queue {
    /// How many entries have been taken, modulo 2^32.
    taken: AtomicU32,
    /// Whether accepting an interrupt has raised the CPU's priority.
    closed: AtomicBool,
}

impl Slot {
    /// In `flags`: the slot is in use. No flag of the hypervisor.
    const READY: u64 = 1 << 63;

    const fn free() -> Self {
        Self {
            source: AtomicU32::new(0),
            flags: AtomicU64::new(0),
            buffer: AtomicU64::new(0),
            trigger: AtomicU64::new(0),
        }
    }

    /// The flags, when the slot is in use.
    fn flags(&self) -> Option<u64> {
        let flags = self.flags.load(Ordering::Acquire);
        (flags & Self::READY != 0).then_some(flags)
    }

    /// A load from the event state buffer.
    fn load(&self, flags: u64, offset: u64) -> u64 {
        if flags & flag::BY_CALL != 0 {
            let source = u64::from(self.source.load(Ordering::Relaxed));
            // SAFETY: the call answers in registers and touches only the source's state.
            let answer =
                unsafe { hcall::call(Function::EventStateBuffer, [0, source, offset, 0, 0]) };
            let [value, ..] = answer.results;
            return value;
        }
        let value: u64;
        let address = self.buffer.load(Ordering::Relaxed) + offset;
        // SAFETY: `describe` has mapped the buffer. The load is done before anything that follows (`twi`, `isync`).
        unsafe {
            asm!("sync", "ldbrx {0}, 0, {1}", "twi 0, {0}, 0", "isync",
                out(reg) value, in(reg) address, options(nostack, preserves_flags));
        }
        value
    }

    /// A store to the event state buffer, or to the trigger page.
    fn store(&self, flags: u64, page: &AtomicU64, offset: u64) {
        if flags & flag::BY_CALL != 0 {
            let source = u64::from(self.source.load(Ordering::Relaxed));
            // SAFETY: the call touches only the source's state.
            let _answer =
                unsafe { hcall::call(Function::EventStateBuffer, [STORE, source, offset, 0, 0]) };
            return;
        }
        let address = page.load(Ordering::Relaxed) + offset;
        // SAFETY: `describe` has mapped the page. What was stored before is seen before the event.
        unsafe {
            asm!("sync", "stdx {0}, 0, {1}", in(reg) 0u64, in(reg) address, options(nostack, preserves_flags));
        }
    }

    /// Ends an interrupt. What has come meanwhile interrupts again.
    fn end(&self, flags: u64) {
        if flags & flag::LEVEL != 0 {
            self.load(flags, buffer::LOAD_END);
        } else if flags & flag::STORE_ENDS != 0 {
            self.store(flags, &self.buffer, buffer::STORE_END);
        } else if self.load(flags, buffer::LISTEN) & buffer::Q != 0 {
            self.store(flags, &self.trigger, 0);
        }
    }
}

impl Xive {
    /// # Safety
    /// The description is the machine's, and the memory of the queues is used for nothing else.
    pub(super) unsafe fn new(description: XiveDescription) -> Result<Self, Refused> {
        let management =
            radix::map_device(description.management).ok_or(Refused::ManagementArea)?;
        Ok(Self {
            management,
            description,
            slots: [const { Slot::free() }; SLOTS],
            giving: SpinLock::new(Rank::Sources, ()),
            queues: PerCpu::new([const { Queue::new() }; MAX_CPUS]),
        })
    }

    /// Real address of a CPU's queue.
    fn queue(&self, cpu: CpuNumber) -> u64 {
        self.description.queues + (u64::from(cpu.0) << self.description.queue_shift)
    }

    /// The entries of this CPU's queue.
    fn entries(&self) -> &[AtomicU32] {
        let start = (self.queue(cpu::this()) | LINEAR_BASE) as *const AtomicU32;
        let count = 1 << (self.description.queue_shift - 2);
        // SAFETY: boot has set the memory aside; the linear map covers it; the hypervisor writes whole words.
        unsafe { core::slice::from_raw_parts(start, count) }
    }

    /// The next event's number, if there is one.
    fn pop(&self) -> Option<u32> {
        let queue = self.queues.mine();
        let taken = queue.taken.load(Ordering::Relaxed);
        let entries = self.entries();
        let round = taken >> (self.description.queue_shift - 2);
        let entry = entries.get(taken as usize & (entries.len() - 1))?;
        let value = u32::from_be(entry.load(Ordering::Acquire));
        // The first round writes ones into memory that was cleared.
        if (value & GENERATION != 0) != (round & 1 == 0) {
            return None;
        }
        queue.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
        Some(value & !GENERATION)
    }

    fn set_priority(&self, priority: u8) {
        let address = self.management + area::PRIORITY;
        // SAFETY: the page is mapped, and the register belongs to this CPU.
        unsafe {
            asm!("sync", "stbx {0}, 0, {1}", in(reg) u64::from(priority), in(reg) address,
                options(nostack, preserves_flags));
        }
    }

    /// Accepts what is pending; whether anything was. No more is told until the priority is set again.
    fn accept(&self) -> bool {
        let address = self.management + area::ACCEPT;
        let answer: u64;
        // SAFETY: the page is mapped, and the register belongs to this CPU. Queue entries are read afterwards.
        unsafe {
            asm!("lhbrx {0}, 0, {1}", "twi 0, {0}, 0", "isync", "sync",
                out(reg) answer, in(reg) address, options(nostack, preserves_flags));
        }
        answer as u16 & area::PENDING != 0
    }

    /// Asks the hypervisor where a source's buffer is, and maps it.
    fn describe(&self, slot: &Slot, source: u32) -> Result<u64, NoSuchSource> {
        // SAFETY: the call answers in registers.
        let answer =
            unsafe { hcall::call(Function::GetSourceInfo, [0, u64::from(source), 0, 0, 0]) };
        if answer.status != hcall::SUCCESS {
            return Err(NoSuchSource);
        }
        let [flags, buffer, trigger, _] = answer.results;
        if flags & flag::BY_CALL == 0 {
            let mapped = radix::map_device(buffer).ok_or(NoSuchSource)?;
            slot.buffer.store(mapped, Ordering::Relaxed);
            let trigger = match trigger {
                u64::MAX => buffer,
                page => page,
            };
            let mapped = radix::map_device(trigger).ok_or(NoSuchSource)?;
            slot.trigger.store(mapped, Ordering::Relaxed);
        }
        slot.source.store(source, Ordering::Relaxed);
        Ok(flags & !Slot::READY)
    }

    /// Sends a source's events, as number `number`, to a CPU, and lets it have them.
    fn enable(&self, number: usize, source: u32, cpu: CpuNumber) -> Result<(), NoSuchSource> {
        let slot = self.slots.get(number).ok_or(NoSuchSource)?;
        let flags = self.describe(slot, source)?;
        let target = u64::from(cpu::hardware(cpu));
        let priority = u64::from(self.description.priority);
        let arguments = [
            SET_NUMBER,
            u64::from(source),
            target,
            priority,
            number as u64,
        ];
        // SAFETY: routes a source to a queue that is set up.
        let answer = unsafe { hcall::call(Function::SetSourceConfig, arguments) };
        if answer.status != hcall::SUCCESS {
            return Err(NoSuchSource);
        }
        slot.flags.store(flags | Slot::READY, Ordering::Release);
        slot.load(flags, buffer::LISTEN);
        Ok(())
    }

    /// The slot of a device's source.
    fn find(&self, source: Source) -> Option<(usize, &Slot)> {
        let devices = self.slots.iter().enumerate().skip(MAX_CPUS);
        let mut in_use = devices.filter(|(_, slot)| slot.flags().is_some());
        in_use.find(|(_, slot)| slot.source.load(Ordering::Relaxed) == source.0)
    }
}

impl Queue {
    const fn new() -> Self {
        Self {
            taken: AtomicU32::new(0),
            closed: AtomicBool::new(false),
        }
    }
}

impl InterruptController for Xive {
    fn start_cpu(&self) {
        let cpu = cpu::this();
        let state = self.queues.of(cpu);
        for entry in self.entries() {
            entry.store(0, Ordering::Relaxed);
        }
        state.taken.store(0, Ordering::Relaxed);
        state.closed.store(false, Ordering::Relaxed);
        let arguments = [
            ALWAYS_NOTIFY,
            u64::from(cpu::hardware(cpu)),
            u64::from(self.description.priority),
            self.queue(cpu),
            u64::from(self.description.queue_shift),
        ];
        // SAFETY: the memory of the queue is this controller's.
        let answer = unsafe { hcall::call(Function::SetQueueConfig, arguments) };
        assert!(
            answer.status == hcall::SUCCESS,
            "the hypervisor refuses an event queue: {}",
            answer.status
        );
        let calls = self.description.calls + u32::from(cpu.0);
        let enabled = self.enable(usize::from(cpu.0), calls, cpu);
        assert!(enabled.is_ok(), "there is no source {calls} for calls");
        self.set_priority(OPEN);
    }

    fn stop_cpu(&self) {
        if let Some(slot) = self.slots.get(usize::from(cpu::this().0))
            && let Some(flags) = slot.flags()
        {
            slot.load(flags, buffer::OFF);
        }
        self.set_priority(CLOSED);
    }

    fn enable_source(&self, source: Source, cpu: CpuNumber) -> Result<(), NoSuchSource> {
        let _exclusive = self.giving.lock();
        let number = match self.find(source) {
            Some((number, _)) => number,
            None => {
                let mut devices = self.slots.iter().enumerate().skip(MAX_CPUS);
                let free = devices.find(|(_, slot)| slot.flags().is_none());
                free.ok_or(NoSuchSource)?.0
            }
        };
        self.enable(number, source.0, cpu)
    }

    fn disable_source(&self, source: Source) -> Result<(), NoSuchSource> {
        let _exclusive = self.giving.lock();
        let (_, slot) = self.find(source).ok_or(NoSuchSource)?;
        let flags = slot.flags().ok_or(NoSuchSource)?;
        slot.load(flags, buffer::OFF);
        let off = [0, u64::from(source.0), 0, NEVER, 0];
        // SAFETY: routes a source nowhere, and waits until what is on its way has arrived.
        let answers = unsafe {
            [
                hcall::call(Function::SetSourceConfig, off).status,
                hcall::call(Function::SyncSource, [0, u64::from(source.0), 0, 0, 0]).status,
            ]
        };
        // The slot stays the source's: an event in a queue still carries its number.
        if answers == [hcall::SUCCESS; 2] {
            Ok(())
        } else {
            Err(NoSuchSource)
        }
    }

    fn take(&self) -> Option<Taken> {
        let queue = self.queues.mine();
        loop {
            while let Some(number) = self.pop() {
                let slot = self.slots.get(number as usize);
                let Some(slot) = slot.filter(|slot| slot.flags().is_some()) else {
                    continue;
                };
                let source = if (number as usize) < MAX_CPUS {
                    Source::IPI
                } else {
                    Source(slot.source.load(Ordering::Relaxed))
                };
                return Some(Taken {
                    source,
                    token: number,
                });
            }
            if queue.closed.load(Ordering::Relaxed) {
                // What has come since the queue was found empty interrupts as soon as the CPU listens again.
                queue.closed.store(false, Ordering::Relaxed);
                self.set_priority(OPEN);
                return None;
            }
            if !self.accept() {
                return None;
            }
            queue.closed.store(true, Ordering::Relaxed);
        }
    }

    fn done(&self, taken: Taken) {
        if let Some(slot) = self.slots.get(taken.token as usize)
            && let Some(flags) = slot.flags()
        {
            slot.end(flags);
        }
    }

    fn call(&self, cpu: CpuNumber) {
        if let Some(slot) = self.slots.get(usize::from(cpu.0))
            && let Some(flags) = slot.flags()
        {
            slot.store(flags, &slot.trigger, 0);
        }
    }

    fn clear_call(&self) {
        // An event of a call is gone when it is taken.
    }
}
