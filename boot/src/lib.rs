//! From Open Firmware to the kernel.
//!
//! Firmware enters an image at its first byte (`entry.S`), with translation off. This crate tells it what
//! Corral can do, asks it for the device tree through the client interface (IEEE 1275, PAPR chapter "Open Firmware"), flattens the tree when
//! firmware does not do it itself, has the run-time services instantiated, works out which memory is free, hands the machine to [`arch`] and calls the
//! function that the image named with [`entry!`]. After that firmware is never called again but for its run-time
//! services ([`arch::rtas`]).
//!
//! It owns the machine from firmware's first instruction to the image's function, and [`BootInfo`], which it never
//! changes afterwards. It must never guess: what is missing is one line on the console and a stop. It takes no lock that
//! anybody could contend for: one CPU runs, and nothing else yet.
//!
//! The portable parts ([`flatten`], [`negotiate`], [`regions`], [`machine`]) build and test on any host.

#![no_std]

#[cfg(test)]
extern crate std;

#[cfg(target_arch = "powerpc64")]
mod client;
#[cfg(target_arch = "powerpc64")]
mod enter;
pub mod flatten;
mod info;
pub mod machine;
pub mod negotiate;
pub mod regions;

pub use info::BootInfo;
pub use regions::{Region, Regions};

/// Names the function that an image runs: `boot::entry!(kernel::start);`.
///
/// The function has the type `fn(&'static BootInfo) -> !`. It is called on the boot CPU with translation on,
/// interrupts off, on a stack of 128 KiB with an unmapped page below it.
#[macro_export]
macro_rules! entry {
    ($start:path) => {
        #[unsafe(no_mangle)]
        fn corral_start(info: &'static $crate::BootInfo) -> ! {
            $start(info)
        }
    };
}
