//! Checks of `arch` on the bare machine.

#![no_std]
#![no_main]

mod heap;

use arch::print;

boot::entry!(run);

fn run(info: &'static boot::BootInfo) -> ! {
    print!("{info:?}\n");
    arch::rtas::power_off()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::fatal::panic(info)
}
