//! The CPU that runs: its block of per-CPU state, its features, per-CPU data of others.
//!
//! r13 points to the `CpuBlock` of the running CPU whenever kernel code runs; SPRG0 holds the same address for
//! the interrupt entry. ELFv2 reserves r13 as the thread pointer, so compiled code never writes it.

use crate::MAX_CPUS;
use crate::context::UserContext;
use crate::light;
use crate::registers::{self, Spr};
use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// The place of a CPU in per-CPU tables: 0 for the boot CPU, dense, below [`MAX_CPUS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuNumber(pub u16);

/// Per-CPU state that assembly knows (`layout.h`) and what belongs to it.
///
/// Atomic where Rust writes it, so that a shared reference is enough; only the owning CPU does.
#[repr(C, align(128))]
pub(crate) struct CpuBlock {
    number: AtomicU64,
    kernel_sp: AtomicU64,
    context: UnsafeCell<*mut UserContext>,
    scratch: UnsafeCell<[u64; 4]>,
    fault_address: AtomicU64,
    fault_status: AtomicU64,
    interrupt_sp: AtomicU64,
    untranslated: UnsafeCell<[u64; 3]>,
    light_calls: AtomicU64,
    /// How many interrupts of kernel mode are being handled.
    pub(crate) depth: AtomicU64,
    /// What came while the CPU was idle: bits of [`crate::idle::Wakeup`].
    pub(crate) arrived: AtomicU64,
    /// The identity ([`crate::process_id`]) that PIDR stands for.
    pub(crate) active_space: AtomicU64,
    /// When the address space changed last.
    pub(crate) active_since: AtomicU64,
    /// The CPU reads the active address space's tables without having that space to itself.
    pub(crate) walks: AtomicBool,
    /// Whether the FP and vector registers hold the state of a context that has not left.
    pub(crate) vectors_live: AtomicBool,
    /// The number of the CPU for the hypervisor.
    pub(crate) hardware: AtomicU64,
    /// Odd while the CPU may use translations of the active address space; see [`crate::exposure`].
    pub(crate) exposed: AtomicU64,
    /// When the decrementer interrupts; `u64::MAX` when nobody waits for that.
    pub(crate) alarm: AtomicU64,
    /// Where the kernel's stack begins.
    stack: AtomicU64,
    /// The CPU has come from firmware and is set up.
    up: AtomicBool,
}

// Keep in step with layout.h.
const _: () = {
    assert!(offset_of!(CpuBlock, kernel_sp) == 8);
    assert!(offset_of!(CpuBlock, context) == 16);
    assert!(offset_of!(CpuBlock, scratch) == 24);
    assert!(offset_of!(CpuBlock, fault_address) == 56);
    assert!(offset_of!(CpuBlock, fault_status) == 64);
    assert!(offset_of!(CpuBlock, interrupt_sp) == 72);
    assert!(offset_of!(CpuBlock, untranslated) == 80);
    assert!(offset_of!(CpuBlock, light_calls) == 104);
};

// SAFETY: the cells are written by assembly on the owning CPU only, and Rust does not touch them.
unsafe impl Sync for CpuBlock {}

/// Bytes of the stack for interrupts of kernel mode: three levels of 16 KiB.
pub(crate) const INTERRUPT_STACK: usize = 3 * 16384;

#[repr(align(4096))]
struct InterruptStack(UnsafeCell<[u8; INTERRUPT_STACK]>);

// SAFETY: used as a stack by the owning CPU only.
unsafe impl Sync for InterruptStack {}

static BLOCKS: [CpuBlock; MAX_CPUS] = [const { CpuBlock::new() }; MAX_CPUS];
static BOOT_INTERRUPT_STACK: InterruptStack = InterruptStack(UnsafeCell::new([0; INTERRUPT_STACK]));

impl CpuBlock {
    const fn new() -> Self {
        Self {
            number: AtomicU64::new(0),
            kernel_sp: AtomicU64::new(0),
            context: UnsafeCell::new(core::ptr::null_mut()),
            scratch: UnsafeCell::new([0; 4]),
            fault_address: AtomicU64::new(0),
            fault_status: AtomicU64::new(0),
            interrupt_sp: AtomicU64::new(0),
            untranslated: UnsafeCell::new([0; 3]),
            light_calls: AtomicU64::new(0),
            depth: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            active_space: AtomicU64::new(0),
            active_since: AtomicU64::new(0),
            walks: AtomicBool::new(false),
            vectors_live: AtomicBool::new(false),
            hardware: AtomicU64::new(0),
            exposed: AtomicU64::new(0),
            alarm: AtomicU64::new(u64::MAX),
            stack: AtomicU64::new(0),
            up: AtomicBool::new(false),
        }
    }

    /// Whether the CPU has come from firmware.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Says that the CPU is set up.
    pub(crate) fn set_up(&self) {
        self.up.store(true, Ordering::Release);
    }

    /// Says that the CPU is on its way to firmware.
    pub(crate) fn set_down(&self) {
        self.up.store(false, Ordering::Release);
    }

    /// The CPU is about to be started: it begins at the start of its stack. False when it has none.
    pub(crate) fn rewind(&self) -> bool {
        let stack = self.stack.load(Ordering::Relaxed);
        self.depth.store(0, Ordering::Relaxed);
        self.arrived.store(0, Ordering::Relaxed);
        self.kernel_sp.store(stack, Ordering::Release);
        stack != 0
    }

    /// DAR of the last interrupt from user mode or fault of a user access.
    pub(crate) fn fault_address(&self) -> u64 {
        self.fault_address.load(Ordering::Relaxed)
    }

    pub(crate) fn set_fault_address(&self, address: u64) {
        self.fault_address.store(address, Ordering::Relaxed);
    }

    /// DSISR of the last interrupt from user mode.
    pub(crate) fn fault_status(&self) -> u64 {
        self.fault_status.load(Ordering::Relaxed)
    }
}

/// The block of the running CPU.
pub(crate) fn block() -> &'static CpuBlock {
    let block: *const CpuBlock;
    // SAFETY: only copies r13.
    unsafe { asm!("mr {}, 13", out(reg) block, options(nomem, nostack, preserves_flags)) };
    // SAFETY: r13 points into `BLOCKS` since `start_boot` or `secondary_entry`.
    unsafe { &*block }
}

/// The running CPU. Kernel code is never moved to another CPU: it does not block.
pub fn this() -> CpuNumber {
    CpuNumber(block().number.load(Ordering::Relaxed) as u16)
}

/// Gives the boot CPU its block. Before this [`this`] and [`PerCpu::mine`] must not be used.
///
/// # Safety
/// Called once, by the boot CPU, before any interrupt can come.
pub(crate) unsafe fn start_boot(hardware: u32, stack: u64) {
    let [block, ..] = &BLOCKS;
    block.hardware.store(u64::from(hardware), Ordering::Relaxed);
    block.light_calls.store(light::table(), Ordering::Relaxed);
    block.stack.store(stack, Ordering::Relaxed);
    let stack = BOOT_INTERRUPT_STACK.0.get() as u64 + INTERRUPT_STACK as u64;
    block.interrupt_sp.store(stack, Ordering::Relaxed);
    // SAFETY: SPRG0 and r13 are the kernel's; nothing has used r13 so far.
    unsafe {
        registers::write::<{ Spr::SPRG0 }>(core::ptr::from_ref(block) as u64);
        registers::write::<{ Spr::SPRG3 }>(0);
        asm!("mr 13, {}", in(reg) block, options(nostack, preserves_flags));
    }
}

/// Gives a CPU that is to be started its number and its stacks.
pub(crate) fn prepare(cpu: CpuNumber, hardware: u32, stack: u64, interrupt_stack: u64) {
    let block = block_of(cpu);
    block.number.store(u64::from(cpu.0), Ordering::Relaxed);
    block.hardware.store(u64::from(hardware), Ordering::Relaxed);
    block.light_calls.store(light::table(), Ordering::Relaxed);
    block.stack.store(stack, Ordering::Relaxed);
    block.interrupt_sp.store(interrupt_stack, Ordering::Release);
}

/// The block of any CPU.
///
/// # Panics
/// When there is no such CPU.
pub(crate) fn block_of(cpu: CpuNumber) -> &'static CpuBlock {
    &BLOCKS[usize::from(cpu.0)]
}

/// Sets what programs may read of the CPU.
///
/// # Safety
/// Called once on a CPU that was started, with r13 and SPRG0 set, before it runs a program.
pub(crate) unsafe fn start_secondary() {
    // SAFETY: only programs read SPRG3.
    unsafe { registers::write::<{ Spr::SPRG3 }>(u64::from(this().0)) };
}

/// The hypervisor's number of a CPU.
///
/// # Panics
/// When there is no such CPU.
pub fn hardware(cpu: CpuNumber) -> u32 {
    BLOCKS[usize::from(cpu.0)].hardware.load(Ordering::Relaxed) as u32
}

/// Every CPU's identity of its active address space. Those of spaces with a number of their own change under the lock of
/// [`crate::process_id`] only, which the caller has.
pub(crate) fn active_spaces() -> impl Iterator<Item = u64> {
    BLOCKS
        .iter()
        .map(|block| block.active_space.load(Ordering::Relaxed))
}

/// The CPUs with their blocks.
pub(crate) fn blocks() -> impl Iterator<Item = (CpuNumber, &'static CpuBlock)> {
    (0..).map(CpuNumber).zip(&BLOCKS)
}

/// Waits until no CPU is in the middle of a walk that began before tables were unlinked. Called after a `ptesync`
/// behind the unlinking; a walk is a few dozen instructions with interrupts off, and takes no lock.
pub(crate) fn wait_for_walks() {
    for block in &BLOCKS {
        while block.walks.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    }
    // One barrier for all of them.
    fence(Ordering::Acquire);
}

/// One value for each CPU: the only way to data of the running CPU.
pub struct PerCpu<T> {
    values: [T; MAX_CPUS],
}

impl<T: Sync> PerCpu<T> {
    /// The values in the order of [`CpuNumber`].
    pub const fn new(values: [T; MAX_CPUS]) -> Self {
        Self { values }
    }

    /// The value of the running CPU.
    pub fn mine(&self) -> &T {
        self.of(this())
    }

    /// The value of any CPU, for those who need to look across.
    ///
    /// # Panics
    /// When there is no such CPU.
    pub fn of(&self, cpu: CpuNumber) -> &T {
        &self.values[usize::from(cpu.0)]
    }
}
