//! Running a program, and what makes it stop.

use crate::context::UserContext;
use crate::cpu;
use crate::exposure::Exposure;
use crate::fatal::{self, KernelFrame};
use crate::registers::{Msr, Spr};
use crate::{USER_LIMIT, idle, radix, registers, time};
use abi::Ticks;
use abi::mmu::Access;
use core::sync::atomic::Ordering;

/// Why a program stopped. Whatever a program can do ends here as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It executed `sc`; the next instruction is behind it.
    SystemCall,
    /// The time that [`time::interrupt_by`] gave is over.
    Decrementer,
    /// A device or another CPU wants attention: see [`crate::interrupts`].
    External,
    /// Another CPU sent a doorbell.
    Doorbell,
    /// It touched memory that it may not touch in this way, or not yet.
    PageFault {
        /// The address it used; the instruction's for [`Access::Execute`].
        address: u64,
        /// What it tried. For addresses that no translation could reach, loads and stores are not told apart
        /// and are both given as a load.
        access: Access,
        /// There is a translation, but it forbids the access.
        present_but_denied: bool,
    },
    /// It executed something that is no instruction of this CPU.
    Illegal,
    /// It executed an instruction of the kernel's.
    Privileged,
    /// It executed a trap instruction whose condition held.
    Breakpoint,
    /// An enabled floating-point exception; FPSCR says which.
    FloatingPoint,
    /// An access that this CPU does only at aligned addresses.
    Alignment {
        /// The address it used.
        address: u64,
    },
    /// One instruction was executed with single stepping on.
    SingleStep,
    /// It used a facility that programs do not get; the number is FSCR's interruption cause.
    FacilityUnavailable(u8),
    /// There was no memory to keep its FP and vector registers in.
    OutOfMemory,
    /// The hardware failed under it.
    MachineCheck,
    /// An interrupt that Corral does not expect; the number is the vector.
    Unknown(u16),
}

unsafe extern "C" {
    fn enter_user(context: *mut UserContext) -> u64;
}

/// Bits of DSISR, and of SRR1 after an instruction storage interrupt.
mod status {
    pub const STORE: u64 = 0x0200_0000;
    pub const DENIED: u64 = 0x0800_0000;
    pub const NO_EXECUTE: u64 = 0x1000_0000;
    pub const REFERENCE_MISSING: u64 = 0x0004_0000;
}

/// Bits of SRR1 after a program interrupt.
mod program {
    pub const FLOATING_POINT: u64 = 0x10_0000;
    pub const ILLEGAL: u64 = 0x8_0000;
    pub const PRIVILEGED: u64 = 0x4_0000;
    pub const TRAP: u64 = 0x2_0000;
}

/// Runs the program in the active address space ([`abi::mmu::Translations::activate`]) until something stops it.
///
/// Interrupts are off before and after. First uses of FP and vector registers are handled inside.
pub fn run_user(context: &mut UserContext) -> Trap {
    loop {
        context.prepare();
        time::quiet();
        let exposure = Exposure::begin();
        // SAFETY: the context is exclusively ours and its MSR was just composed: user mode, interrupts on.
        let vector = unsafe { enter_user(context) };
        drop(exposure);
        if vector == 0xc00 {
            return Trap::SystemCall;
        }
        if let Some(trap) = decode(vector, context) {
            return trap;
        }
    }
}

/// What an interrupt from user mode means; `None` when the program just goes on.
fn decode(vector: u64, context: &mut UserContext) -> Option<Trap> {
    let block = cpu::block();
    Some(match vector {
        0x300 | 0x380 => return data_fault(vector, block.fault_address(), block.fault_status()),
        0x400 | 0x480 => return instruction_fault(vector, context.nip, context.interrupt_status()),
        0x500 => Trap::External,
        0x600 => Trap::Alignment {
            address: block.fault_address(),
        },
        0x700 => program_interrupt(context.interrupt_status()),
        0x800 | 0xf20 | 0xf40 => {
            return context.enable_vectors().err().map(|_| Trap::OutOfMemory);
        }
        0x900 => {
            time::expired();
            Trap::Decrementer
        }
        0xa00 => Trap::Doorbell,
        0xd00 => Trap::SingleStep,
        0xe40 => Trap::Illegal,
        0xf60 | 0xf80 => {
            Trap::FacilityUnavailable((registers::read::<{ Spr::FSCR }>() >> 56) as u8)
        }
        0x100 | 0x200 => Trap::MachineCheck,
        other => Trap::Unknown(other as u16),
    })
}

fn data_fault(vector: u64, address: u64, status: u64) -> Option<Trap> {
    let store = vector == 0x300 && status & status::STORE != 0;
    if vector == 0x300 && status & status::REFERENCE_MISSING != 0 && radix::note_use(address, store)
    {
        return None;
    }
    Some(Trap::PageFault {
        address,
        access: if store { Access::Write } else { Access::Read },
        present_but_denied: vector == 0x300 && status & status::DENIED != 0 && address < USER_LIMIT,
    })
}

fn instruction_fault(vector: u64, address: u64, status: u64) -> Option<Trap> {
    if vector == 0x400 && status & status::REFERENCE_MISSING != 0 && radix::note_use(address, false)
    {
        return None;
    }
    let denied = vector == 0x400
        && status & (status::DENIED | status::NO_EXECUTE) != 0
        && address < USER_LIMIT;
    Some(Trap::PageFault {
        address,
        access: Access::Execute,
        present_but_denied: denied,
    })
}

fn program_interrupt(status: u64) -> Trap {
    if status & program::TRAP != 0 {
        Trap::Breakpoint
    } else if status & program::FLOATING_POINT != 0 {
        Trap::FloatingPoint
    } else if status & program::PRIVILEGED != 0 {
        Trap::Privileged
    } else {
        // ILLEGAL, or no bit at all on some processors.
        debug_assert!(status & program::ILLEGAL != 0 || status & 0x1f_0000 == 0);
        Trap::Illegal
    }
}

/// A stretch of instructions that may fault on user memory, and where to go on when one does.
#[repr(C)]
struct Fixup {
    start: u64,
    end: u64,
    target: u64,
}

unsafe extern "C" {
    static __fixups_start: Fixup;
    static __fixups_end: Fixup;
}

fn fixup_for(nip: u64) -> Option<u64> {
    // SAFETY: the linker script puts both symbols around the table, which is read-only.
    let table = unsafe {
        let start = &raw const __fixups_start;
        let count = (&raw const __fixups_end).offset_from(start) as usize;
        core::slice::from_raw_parts(start, count)
    };
    table
        .iter()
        .find(|fixup| (fixup.start..fixup.end).contains(&nip))
        .map(|fixup| fixup.target)
}

/// Called by `switch.S` for every interrupt of kernel mode. Returning resumes what `frame` says.
#[unsafe(no_mangle)]
extern "C" fn kernel_interrupt(frame: &mut KernelFrame) {
    let block = cpu::block();
    let depth = block.depth.fetch_add(1, Ordering::Relaxed);
    if depth >= 2 {
        // The report itself fails: nothing that can be said any more is worth the risk.
        crate::halt();
    }
    match frame.vector {
        0x300 | 0x380 => {
            if !resume_user_access(frame) {
                fatal::unexpected(frame);
            }
        }
        0x900 => {
            time::expired();
            idle::note(frame, idle::Wakeup::DECREMENTER);
        }
        0x500 => idle::note(frame, idle::Wakeup::EXTERNAL),
        0xa00 => idle::note(frame, idle::Wakeup::EXTERNAL),
        _ => fatal::unexpected(frame),
    }
    block.depth.store(depth, Ordering::Relaxed);
}

/// Whether the interrupt is a fault on user memory in one of the routines that expect it; the frame then goes on
/// at the fixup, or at the same instruction when only a reference bit was missing.
fn resume_user_access(frame: &mut KernelFrame) -> bool {
    let Some(target) = fixup_for(frame.nip) else {
        return false;
    };
    if frame.dar >= USER_LIMIT || frame.msr & Msr::PR != 0 {
        return false;
    }
    let store = frame.dsisr & status::STORE != 0;
    let marked = frame.vector == 0x300
        && frame.dsisr & status::REFERENCE_MISSING != 0
        && radix::note_use(frame.dar, store);
    if !marked {
        cpu::block().set_fault_address(frame.dar);
        frame.nip = target;
    }
    true
}

/// The greatest span that the decrementer can hold in any mode.
pub(crate) const LONGEST_SPAN: Ticks = Ticks(0x7fff_ffff);
