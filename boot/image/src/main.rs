//! The kernel image: joins the entry from firmware to the kernel.
//!
//! It owns what a program has one of: the entry, the allocator, the panic handler, and the grant of free memory. It must
//! never hold anything else: logic is in crates that are tested. No lock.

#![no_std]
#![no_main]

use abi::PAGE_SHIFT;
use abi::mmu::FrameNumber;
use boot::{BootInfo, Region};
use memory::heap::KernelHeap;
use memory::{Filling, LinearMap, Loan};

boot::entry!(start);

#[global_allocator]
static HEAP: KernelHeap<kernel::CurrentPartition> = KernelHeap::new();

fn start(info: &'static BootInfo) -> ! {
    kernel::start(info, linear_map(info), info.initrd.map(ram_disk))
}

/// Grants the kernel all memory that nobody uses.
fn linear_map(info: &BootInfo) -> LinearMap {
    let filling = Filling {
        copy: arch::frame::copy,
        clear: arch::frame::clear,
    };
    // SAFETY: `arch` has mapped all RAM there, readable and writable, before this function was called; it fills frames of it.
    let mut map = unsafe { LinearMap::new(arch::LINEAR_BASE as *mut u8, filling) };
    for region in info.memory.as_slice() {
        let (first, count) = frames(*region);
        // SAFETY: the boot code has taken everything that is in use out of these regions; nobody else reads them.
        unsafe { map.grant(first, count) };
    }
    map
}

/// Lends the kernel the RAM disk.
fn ram_disk(region: Region) -> Loan {
    let start = (arch::LINEAR_BASE | region.start) as *const u8;
    let (first, count) = frames(region.narrowed());
    // SAFETY: the boot code has checked that this is RAM, which `arch` has mapped there, and has taken it out of the free
    // ranges; nobody writes to it, nor reads it but through the loan, of which there is one.
    unsafe {
        let bytes = core::slice::from_raw_parts(start, region.size() as usize);
        Loan::new(bytes, first, count)
    }
}

fn frames(region: Region) -> (FrameNumber, u32) {
    let first = FrameNumber((region.start >> PAGE_SHIFT) as u32);
    (first, (region.size() >> PAGE_SHIFT) as u32)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::fatal::panic(info)
}
