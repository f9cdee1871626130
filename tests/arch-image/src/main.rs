//! Checks of `arch` on the bare machine: prints `ok ID sentence` or `FAIL ID sentence: why` for each, then
//! `N passed, M failed`, writes the number of failures to the second terminal and switches off.
//!
//! Options: `seed=N count=N` for the random instructions, `input` to wait for a line that starts with "hello",
//! `die=panic|fault|overflow` to see how the kernel dies.

#![no_std]
#![no_main]

extern crate alloc;

mod check;
mod frames;
mod heap;
mod idling;
mod memory;
mod programs;
mod vectors;

use arch::print;

/// Bytes for the heap.
const HEAP_SIZE: usize = 4 << 20;

boot::entry!(run);

fn run(info: &'static boot::BootInfo) -> ! {
    print!("arch-image: {info:?}\n");
    if let Some(largest) = info
        .memory
        .as_slice()
        .iter()
        .max_by_key(|region| region.size())
    {
        // SAFETY: the range is free memory, and the frames begin behind the heap.
        unsafe { heap::start(largest.start + arch::LINEAR_BASE, HEAP_SIZE) };
        frames::FRAMES.start(largest.start + HEAP_SIZE as u64, largest.end);
    }
    let mut checks = check::Checks::default();
    let option = |name| {
        let words = info.command_line.split_ascii_whitespace();
        words
            .filter_map(|word| word.strip_prefix(name))
            .find_map(|value| value.parse().ok())
    };
    let random = (
        option("seed=").unwrap_or(0),
        option("count=").unwrap_or(30_000) as u32,
    );
    programs::run(&mut checks, random);
    memory::run(&mut checks);
    vectors::run(&mut checks);
    idling::run(&mut checks, info);
    if info.command_line.contains("die=panic") {
        panic!("asked for");
    }
    if info.command_line.contains("die=fault") {
        // SAFETY: not safe at all: this shows the dump.
        unsafe { core::ptr::read_volatile(0xc000_0000_0000_8000 as *const u8) };
    }
    if info.command_line.contains("die=overflow") {
        arch::print!("{}\n", overflow(info.total_memory()));
    }
    let failed = checks.finish();
    if let Some(results) = info.terminals.get(1) {
        arch::console::put_to(results.unit, &[b'0' + failed.min(9) as u8, b'\n']);
    }
    arch::rtas::power_off()
}

/// Uses up the stack.
fn overflow(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if depth == 0 {
        0
    } else {
        frame[depth as usize % 64] + overflow(depth - 1)
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    arch::fatal::panic(info)
}
