//! The kernel image: joins the entry from firmware, the memory that boot found and the kernel.

#![no_std]
#![no_main]

use abi::PAGE_SIZE;
use abi::mmu::FrameNumber;
use boot::BootInfo;
use memory::LinearMap;
use memory::heap::KernelHeap;

boot::entry!(start);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap::new();

/// Gives the free memory to the frame allocator and the machine to the kernel.
fn start(info: &'static BootInfo) -> ! {
    // SAFETY: `arch` maps all memory there, readable and writable, for good.
    let mut map = unsafe { LinearMap::new(arch::LINEAR_BASE as *mut u8) };
    for region in info.memory.as_slice() {
        let first = FrameNumber((region.start / PAGE_SIZE as u64) as u32);
        let count = (region.size() / PAGE_SIZE as u64) as u32;
        // SAFETY: boot found that nobody uses these frames, and they are granted once.
        let noted = unsafe { map.grant(first, count) };
        if !noted {
            arch::print!(
                "corral: {} MiB of scattered memory not used\n",
                region.size() >> 20
            );
        }
    }
    memory::frames::initialize(map);
    kernel::start(info)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::fatal::panic(info)
}
