//! The kernel's last words: panics and interrupts that must not happen.

use crate::callers::Callers;
use crate::{console, cpu, print, rtas};
use core::fmt::{self, Write};
use core::mem::offset_of;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Once;

/// The registers of interrupted kernel code, as `switch.S` writes them.
#[repr(C, align(16))]
pub struct KernelFrame {
    /// General-purpose registers.
    pub gpr: [u64; 32],
    /// The interrupted instruction.
    pub nip: u64,
    /// SRR1: the machine state, with bits about the interrupt.
    pub msr: u64,
    /// Count register.
    pub ctr: u64,
    /// Link register.
    pub lr: u64,
    /// Fixed-point exception register.
    pub xer: u64,
    /// Condition register.
    pub cr: u64,
    /// Data address register.
    pub dar: u64,
    /// Data storage interrupt status register.
    pub dsisr: u64,
    /// The vector.
    pub vector: u64,
}

// Keep in step with layout.h.
const _: () = {
    assert!(offset_of!(KernelFrame, cr) == 296);
    assert!(offset_of!(KernelFrame, dar) == 304);
    assert!(offset_of!(KernelFrame, dsisr) == 312);
    assert!(offset_of!(KernelFrame, vector) == 320);
    assert!(size_of::<KernelFrame>() == 336);
};

/// Writes what the kernel was doing (which partition, which program) into a report.
pub type Describe = fn(&mut dyn Write) -> fmt::Result;

static DESCRIBE: Once<Describe> = Once::new();
/// The CPU that reports its end, counted from 1; 0 for none.
static DYING: AtomicU64 = AtomicU64::new(0);

/// Names the function that adds the kernel's view to a report. It must take no lock that may be held.
pub fn set_description(describe: Describe) {
    DESCRIBE.call_once(|| describe);
}

/// How a vector is called (Power ISA, Book III, "Interrupt Definitions").
fn name(vector: u64) -> &'static str {
    match vector {
        0x100 => "system reset",
        0x200 => "machine check",
        0x300 => "data storage",
        0x380 => "data segment",
        0x400 => "instruction storage",
        0x480 => "instruction segment",
        0x500 => "external",
        0x600 => "alignment",
        0x700 => "program",
        0x800 => "floating-point unavailable",
        0x900 => "decrementer",
        0xc00 => "system call",
        0xd00 => "trace",
        0xe40 => "emulation assistance",
        0xf20 => "vector unavailable",
        0xf40 => "VSX unavailable",
        0xf60 | 0xf80 => "facility unavailable",
        _ => "unknown",
    }
}

/// The end of every kernel bug that shows as an interrupt: a dump, and the machine stops.
pub(crate) fn unexpected(frame: &KernelFrame) -> ! {
    begin();
    let vector = frame.vector;
    print!(
        "\nKERNEL PANIC: {} interrupt (0x{vector:x}) in the kernel\n{frame}",
        name(vector)
    );
    trace_from(Some(frame));
    end("kernel interrupt")
}

/// The panic handler of every image.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    begin();
    print!("\nKERNEL PANIC: {info}\n");
    back_trace();
    end("kernel panic")
}

/// A panic inside the report stops at once; one CPU reports, and others that panic too stand still.
fn begin() {
    let me = u64::from(cpu::this().0) + 1;
    let first = DYING.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed);
    if first.is_err_and(|other| other != me) {
        crate::halt();
    }
    if first.is_err() {
        console::put(b"\r\n(panic while panicking)\r\n");
        rtas::os_term("corral: nested panic");
    }
}

fn end(reason: &str) -> ! {
    if let Some(describe) = DESCRIBE.get() {
        if describe(&mut console::Text).is_err() {
            print!("(no description)\n");
        }
        print!("\n");
    }
    print!("CPU {}, timebase {}\n", cpu::this().0, crate::time::now());
    rtas::os_term(reason)
}

impl fmt::Display for KernelFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            nip,
            msr,
            ctr,
            lr,
            xer,
            cr,
            dar,
            dsisr,
            ..
        } = self;
        writeln!(
            f,
            "nip {nip:016x} msr {msr:016x} lr  {lr:016x} ctr {ctr:016x}"
        )?;
        writeln!(
            f,
            "dar {dar:016x} dsisr {dsisr:08x} cr {cr:08x} xer {xer:016x}"
        )?;
        for (n, row) in self.gpr.chunks(4).enumerate() {
            write!(f, "r{:02}", n * 4)?;
            for register in row {
                write!(f, " {register:016x}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// How many callers a trace shows.
const MAX_CALLERS: usize = 32;

/// Writes the addresses of the callers to the console, innermost first.
pub fn back_trace() {
    trace_from(None);
}

#[inline(never)]
fn trace_from(frame: Option<&KernelFrame>) {
    print!("called from:");
    let callers = match frame {
        Some(frame) => {
            print!(" {:x} {:x}", frame.nip, frame.lr);
            Callers::from(frame.gpr[1])
        }
        None => Callers::here(),
    };
    for caller in callers.take(MAX_CALLERS) {
        print!(" {caller:x}");
    }
    print!("\n");
}
