//! POWER ISA 3.0 and PAPR: everything that knows a register.
#![no_std]

extern crate alloc;

#[cfg(target_arch = "powerpc64")]
pub mod console;
#[cfg(target_arch = "powerpc64")]
pub mod fatal;
#[cfg(target_arch = "powerpc64")]
pub mod hcall;
pub mod rtas;

/// Where real address 0 appears in the kernel's address space: the linear map of all memory.
pub const LINEAR_BASE: u64 = 0xc000_0000_0000_0000;

/// Real memory below this address belongs to the interrupt vectors.
pub const LOW_MEMORY: u64 = 0x1_0000;

/// How many CPUs Corral can use.
pub const MAX_CPUS: usize = 16;
pub struct BootCpu<'a> { pub hardware: u32, pub console: u32, pub memory: &'a mut dyn Iterator<Item=(u64,u64)> }
pub unsafe fn start_boot_cpu(b: BootCpu) { print!("Hello {} {:?}\n", b.hardware, b.memory.next()); }
/// start, end
pub fn image() -> (u64, u64) { unsafe extern "C" { static __image_end: u8; } (0x400000, &raw const __image_end as u64 & !LINEAR_BASE) }
pub fn halt() -> ! { loop { } }
