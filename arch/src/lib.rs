//! POWER ISA 3.0 and PAPR: everything that knows a register.
//!
//! Together with `boot` this is the part of the kernel that may use `unsafe`. It offers the machine as safe
//! functions: run a program until it stops ([`run_user`], [`Trap`]), address spaces ([`Space`]), access to user
//! memory that survives faults ([`user`]), time ([`time`], [`idle`]), devices ([`interrupts`], [`console`]),
//! firmware services ([`rtas`]).
//!
//! The kernel runs with interrupts off. They are on in user mode and inside [`idle::idle`], and nowhere else; any
//! other interrupt of kernel mode is a bug and ends in [`fatal`]. The floating-point and vector registers belong
//! to programs: kernel code is compiled without them.
//!
//! It must never know a process, a file or a partition, and never wait but for the hypervisor's answer. Per-CPU data are
//! reached through [`cpu::PerCpu`] only. Locks: leaves outside the order of ranks, for the numbers of address spaces,
//! RTAS, the sources of interrupts, and mapping devices; nothing of another crate is called under them.

#![no_std]

#[cfg(target_arch = "powerpc64")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_arch = "powerpc64")]
pub mod cache;
#[cfg(target_arch = "powerpc64")]
mod callers;
#[cfg(target_arch = "powerpc64")]
pub mod console;
#[cfg(target_arch = "powerpc64")]
mod context;
#[cfg(target_arch = "powerpc64")]
pub mod cpu;
#[cfg(target_arch = "powerpc64")]
mod cpu_tree;
#[cfg(target_arch = "powerpc64")]
mod exposure;
#[cfg(target_arch = "powerpc64")]
pub mod fatal;
#[cfg(target_arch = "powerpc64")]
pub mod features;
pub mod frame;
#[cfg(target_arch = "powerpc64")]
pub mod hcall;
#[cfg(target_arch = "powerpc64")]
pub mod idle;
#[cfg(target_arch = "powerpc64")]
pub mod interrupts;
pub mod light;
#[cfg(target_arch = "powerpc64")]
mod process_id;
#[cfg(target_arch = "powerpc64")]
mod published;
#[cfg(target_arch = "powerpc64")]
pub mod radix;
#[cfg(target_arch = "powerpc64")]
pub mod random;
#[cfg(target_arch = "powerpc64")]
mod registers;
pub mod rtas;
#[cfg(target_arch = "powerpc64")]
pub mod secondary;
#[cfg(target_arch = "powerpc64")]
pub mod signal_frame;
#[cfg(target_arch = "powerpc64")]
mod space;
#[cfg(target_arch = "powerpc64")]
mod start;
#[cfg(target_arch = "powerpc64")]
mod table;
pub mod time;
#[cfg(target_arch = "powerpc64")]
mod trap;
#[cfg(target_arch = "powerpc64")]
pub mod user;

#[cfg(target_arch = "powerpc64")]
pub use callers::Callers;
#[cfg(target_arch = "powerpc64")]
pub use context::{NoMemory, Special, UserContext, VectorState};
#[cfg(target_arch = "powerpc64")]
pub use process_id::generation as process_id_generation;
#[cfg(target_arch = "powerpc64")]
pub use published::Published;
#[cfg(target_arch = "powerpc64")]
pub use space::Space;
#[cfg(target_arch = "powerpc64")]
pub use start::{BootCpu, halt, image, start_boot_cpu};
#[cfg(target_arch = "powerpc64")]
pub use trap::{Trap, run_user};

/// Where real address 0 appears in the kernel's address space: the linear map of all memory.
pub const LINEAR_BASE: u64 = 0xc000_0000_0000_0000;

/// Real memory below this address belongs to the interrupt vectors.
pub const LOW_MEMORY: u64 = 0x1_0000;

/// The first address that no program can use: 128 TiB, as on Linux (the tree could translate 4 PiB).
pub const USER_LIMIT: u64 = 0x0000_8000_0000_0000;

/// How many CPUs Corral can use.
pub const MAX_CPUS: usize = 16;
