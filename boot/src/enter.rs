//! The first Rust function: from firmware's hands to the image's own.

use crate::client::Client;
use crate::info::BootInfo;
use crate::machine::{self, Interrupts, Machine};
use crate::negotiate::Request;
use crate::{Region, Regions, flatten, regions};
use arch::interrupts::{Description, XiveDescription};
use arch::print;
use core::fmt::Display;
use spin::{Mutex, Once};

/// Room for the flattened tree: that of 16 CPUs and some PCI devices takes 40 KiB.
const TREE_SIZE: usize = 128 * 1024;

static TREE: Mutex<[u8; TREE_SIZE]> = Mutex::new([0; TREE_SIZE]);
static INFO: Once<BootInfo> = Once::new();

unsafe extern "Rust" {
    /// Defined by [`crate::entry!`] in the image.
    safe fn corral_start(info: &'static BootInfo) -> !;
}

unsafe extern "C" {
    /// In `entry.S`: the page below the boot stack.
    static boot_stack_guard: u8;
    /// In `entry.S`: the end of the boot stack.
    static boot_stack_top: u8;
}

/// Called by `entry.S` once, with what firmware passed: the RAM disk's address and size, the client handler.
#[unsafe(no_mangle)]
extern "C" fn boot_entry(initrd_start: u64, initrd_size: u64, handler: u64) -> ! {
    // SAFETY: this is the boot CPU, translation is off and r5 came from firmware.
    let mut client = unsafe { Client::new(handler) };
    let passed = Region {
        start: initrd_start,
        end: initrd_start + initrd_size,
    };
    negotiate(&mut client);
    let announced = client.ram_disk().unwrap_or_default();
    let rtas = client.instantiate_rtas(&[image(), passed, announced]);
    let blob = spin::MutexGuard::leak(TREE.lock());
    let (firmware, size) = match client.fetch_tree(blob) {
        Some(size) => ("SLOF", size),
        None => match flatten::flatten(&mut client, blob) {
            Ok(size) => ("VOF", size),
            Err(error) => stop(format_args!(
                "firmware's device tree cannot be flattened: {error:?}"
            )),
        },
    };
    client.quiesce();
    let blob: &'static [u8] = blob.get(..size).unwrap_or(&[]);
    arch::rtas::set_services(machine::services(blob, rtas.map(|(way, _)| way)));
    let machine = machine::describe(blob).unwrap_or_else(|missing| stop(missing));
    let initrd = machine.initrd.or((!passed.is_empty()).then_some(passed));
    let controller = machine.interrupts;
    let mut info = describe(
        machine,
        blob,
        firmware,
        initrd,
        rtas.map(|(_, memory)| memory),
    );
    let interrupts = interrupts(controller, &mut info);
    let info = INFO.call_once(|| info);
    let terminals = info.terminals.first().map_or(0, |terminal| terminal.unit);
    // SAFETY: translation is off, this is the boot CPU, and firmware is not needed any more: its memory at the
    // vectors may be overwritten.
    unsafe {
        arch::start_boot_cpu(arch::BootCpu {
            hardware: info.boot_cpu,
            console: terminals,
            interrupts,
            stack_guard: &raw const boot_stack_guard as u64,
            stack: &raw const boot_stack_top as u64,
            memory: &mut info
                .all_memory
                .as_slice()
                .iter()
                .map(|region| (region.start, region.end)),
        });
    }
    corral_start(info)
}

/// Asks for the machine that Corral wants. Firmware that knows no negotiation gives the machine that it has.
fn negotiate(client: &mut Client) {
    let offer = client.offer();
    if let Some(request) = Request::new(&offer, arch::MAX_CPUS as u32)
        && !client.negotiate(&request)
    {
        print!("corral: firmware does not negotiate; going on with what there is\n");
    }
}

/// Where the image lies.
fn image() -> Region {
    let (start, end) = arch::image();
    Region { start, end }
}

/// The free memory and everything else a kernel wants to know.
fn describe(
    machine: Machine<'static>,
    fdt: &'static [u8],
    firmware: &'static str,
    initrd: Option<Region>,
    rtas: Option<Region>,
) -> BootInfo {
    let kernel = image();
    let all_memory = machine.memory.clone();
    let initrd = initrd.filter(|initrd| {
        machine
            .memory
            .as_slice()
            .iter()
            .any(|region| region.start <= initrd.start && initrd.end <= region.end)
    });
    let mut memory = machine.memory;
    let vectors = Region {
        start: 0,
        end: arch::LOW_MEMORY,
    };
    let holes = [Some(vectors), Some(kernel), initrd, rtas];
    for hole in holes.into_iter().flatten() {
        if memory.subtract(hole.widened()).is_err() {
            stop("memory has too many separate ranges");
        }
    }
    limit(&mut memory, machine.command_line);
    memory.narrow();
    BootInfo {
        memory,
        all_memory,
        kernel,
        initrd,
        command_line: machine.command_line,
        timebase: machine.timebase,
        clock: machine.clock,
        boot_cpu: machine.cpus.first().copied().unwrap_or(0),
        cpus: machine.cpus,
        fdt,
        terminals: machine.terminals,
        firmware,
        model: machine.model,
    }
}

/// The interrupt controller with the memory that it needs, which is taken from what is free.
fn interrupts(controller: Interrupts, info: &mut BootInfo) -> Description {
    let Interrupts::Xive(xive) = controller else {
        return Description::Xics;
    };
    let size = 1 << xive.queue_shift;
    let Some(queues) = info.memory.take(info.cpus.len() as u64 * size, size) else {
        stop("there is no memory for event queues");
    };
    Description::Xive(XiveDescription {
        management: xive.management,
        priority: xive.priority,
        queue_shift: xive.queue_shift,
        queues: queues.start,
        calls: xive.calls,
    })
}

/// Less free memory than this is no machine to start on.
const LEAST_MEMORY: u64 = 32 << 20;

/// Applies the option `mem=`; one that cannot be used is reported and ignored.
fn limit(memory: &mut Regions, command_line: &str) {
    match regions::memory_option(command_line) {
        Ok(None) => {}
        Ok(Some(limit)) => {
            let mut limited = memory.clone();
            limited.limit(limit);
            if limited.total() < LEAST_MEMORY {
                print!("corral: option mem={limit}: too little memory; ignored\n");
            } else {
                *memory = limited;
            }
        }
        Err(text) => print!("corral: option mem={text}: not a size; ignored\n"),
    }
}

/// Says why Corral cannot start, and stops the machine.
fn stop(why: impl Display) -> ! {
    print!("corral: cannot start: {why}\n");
    arch::rtas::os_term("corral: cannot start")
}
