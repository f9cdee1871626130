//! The kernel image: joins the entry from firmware to the kernel.
//!
//! It owns what a program has one of: the entry, the allocator, the panic handler, and the grant of free memory. It must
//! never hold anything else: logic is in crates that are tested. No lock.

#![no_std]
#![no_main]

use abi::PAGE_SHIFT;
use abi::mmu::FrameNumber;
use boot::BootInfo;
use memory::heap::KernelHeap;
use memory::{Filling, LinearMap};

boot::entry!(start);

#[global_allocator]
static HEAP: KernelHeap<kernel::CurrentPartition> = KernelHeap::new();

fn start(info: &'static BootInfo) -> ! {
    kernel::start(info, linear_map(info))
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
        let first = FrameNumber((region.start >> PAGE_SHIFT) as u32);
        let count = ((region.end - region.start) >> PAGE_SHIFT) as u32;
        // SAFETY: the boot code has taken everything that is in use out of these regions; nobody else reads them.
        unsafe { map.grant(first, count) };
    }
    map
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::fatal::panic(info)
}
