//! x
use crate::print;
/// x
pub fn panic(i: &core::panic::PanicInfo<'_>) -> ! { print!("{i}\n"); crate::rtas::os_term("panic") }
