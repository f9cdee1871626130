//! The kernel image: joins the entry from firmware to the kernel.

#![no_std]
#![no_main]

boot::entry!(kernel::start);

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::fatal::panic(info)
}
