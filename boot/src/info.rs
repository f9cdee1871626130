//! What the kernel learns from firmware.

use crate::{Region, Regions};
use abi::Timebase;
use core::fmt;

/// The machine as firmware describes it, cut down to what a kernel starts with.
pub struct BootInfo {
    /// Memory that nobody uses: without the interrupt vectors, the image, the RAM disk and what the option `mem=`
    /// forbids. Whole frames, ascending.
    pub memory: Regions,
    /// All memory of the partition; the linear map covers it.
    pub all_memory: Regions,
    /// The image, its stack and data included; real addresses.
    pub kernel: Region,
    /// The RAM disk that the boot loader left in memory; real addresses.
    pub initrd: Option<Region>,
    /// `/chosen/bootargs`, or the empty string.
    pub command_line: &'static str,
    /// The rate of the timebase.
    pub timebase: Timebase,
    /// The clock of the CPUs in hertz; 0 when firmware does not tell.
    pub clock: u64,
    /// Hardware number (`ibm,ppc-interrupt-server#s`) of the CPU that booted.
    pub boot_cpu: u32,
    /// Hardware numbers of all CPUs, the boot CPU first.
    pub cpus: CpuList,
    /// The flattened device tree (Devicetree Specification, chapter 5).
    pub fdt: &'static [u8],
    /// The hypervisor terminals, the console first.
    pub terminals: TerminalList,
    /// Who booted us: `SLOF` or `VOF`.
    pub firmware: &'static str,
    /// `/model`.
    pub model: &'static str,
}

impl BootInfo {
    /// The size of all memory of the partition, in bytes.
    #[must_use]
    pub fn total_memory(&self) -> u64 {
        self.all_memory.total()
    }
}

impl fmt::Debug for BootInfo {
    /// The one-line summary that a kernel prints when it starts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            firmware,
            model,
            command_line,
            ..
        } = self;
        let (memory, cpus) = (self.total_memory() >> 20, self.cpus.len());
        write!(
            f,
            "{model}, {firmware}, {cpus} CPU, {memory} MiB, options \"{command_line}\""
        )?;
        match &self.initrd {
            Some(initrd) => write!(f, ", RAM disk of {} bytes", initrd.size()),
            None => f.write_str(", no RAM disk"),
        }
    }
}

/// A short list without allocation.
#[derive(Clone, Copy)]
pub struct List<T: Copy, const N: usize> {
    entries: [T; N],
    length: usize,
}

/// Hardware numbers of CPUs.
pub type CpuList = List<u32, { arch::MAX_CPUS }>;
/// Hypervisor terminals.
pub type TerminalList = List<Terminal, 8>;

/// A hypervisor terminal (`/vdevice/vty@…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its unit address, the first argument of `H_PUT_TERM_CHAR`.
    pub unit: u32,
    /// Its interrupt source, raised by input.
    pub source: Option<u32>,
}

impl<T: Copy, const N: usize> List<T, N> {
    /// An empty list; `fill` is never seen.
    pub const fn new(fill: T) -> Self {
        Self {
            entries: [fill; N],
            length: 0,
        }
    }

    /// Appends `entry`; false when the list is full.
    pub fn push(&mut self, entry: T) -> bool {
        match self.entries.get_mut(self.length) {
            Some(place) => {
                *place = entry;
                self.length += 1;
                true
            }
            None => false,
        }
    }
}

impl<T: Copy + fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Copy, const N: usize> core::ops::Deref for List<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.entries.get(..self.length).unwrap_or(&[])
    }
}
