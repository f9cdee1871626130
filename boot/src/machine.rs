//! Reads a flattened device tree: memory, CPUs, terminals, options, run-time services.

mod interrupts;

use crate::info::{CpuList, Terminal, TerminalList};
use crate::{Region, Regions};
use abi::Timebase;
use arch::rtas::{Services, Tokens, Way};
use core::fmt;
use fdt::node::FdtNode;

pub use interrupts::{Interrupts, Xive};

/// The root node's `compatible` on the machine that knows run-time services as a hypervisor call.
const QEMU: &[u8] = b"qemu,pseries";

/// What the device tree says about the machine; addresses are real.
#[derive(Debug)]
pub struct Machine<'a> {
    /// All memory.
    pub memory: Regions,
    /// The rate of the timebase.
    pub timebase: Timebase,
    /// The clock of the CPUs in hertz; 0 when the tree does not give it.
    pub clock: u64,
    /// Hardware numbers of the CPUs in the order of the tree.
    pub cpus: CpuList,
    /// The interrupt controller.
    pub interrupts: Interrupts,
    /// The hypervisor terminals, the one that `stdout-path` names first.
    pub terminals: TerminalList,
    /// `/chosen/bootargs`.
    pub command_line: &'a str,
    /// `/model`.
    pub model: &'a str,
    /// Where the boot loader put the RAM disk.
    pub initrd: Option<Region>,
}

/// Why Corral cannot run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsuitable {
    /// The tree cannot be read.
    BadTree,
    /// No node describes memory.
    NoMemory,
    /// Memory has too many separate ranges.
    ScatteredMemory,
    /// No node describes a CPU.
    NoCpu,
    /// The CPU has no radix MMU (POWER9 is the first that has one).
    NoRadix,
    /// The tree does not give the rate of the timebase.
    NoTimebase,
    /// The XIVE node lacks something, or all priorities are taken.
    BadXive,
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadTree => "the device tree cannot be read",
            Self::NoMemory => "the device tree has no memory node",
            Self::ScatteredMemory => "memory has too many separate ranges",
            Self::NoCpu => "the device tree has no CPU node",
            Self::NoRadix => "this CPU has no radix MMU; Corral needs POWER9 or later",
            Self::NoTimebase => "the device tree does not give the timebase frequency",
            Self::BadXive => "the device tree's XIVE interrupt controller is incomplete",
        })
    }
}

/// Reads the tree.
///
/// # Errors
/// [`Unsuitable`] when something that Corral needs is missing.
pub fn describe(blob: &[u8]) -> Result<Machine<'_>, Unsuitable> {
    let tree = fdt::Fdt::new(blob).map_err(|_| Unsuitable::BadTree)?;
    let memory = memory(&tree)?;
    let mut cpus = CpuList::new(0);
    let mut timebase = None;
    let mut clock = None;
    let mut radix = false;
    for cpu in of_type(&tree, "/cpus", "cpu") {
        // One for each thread of the core; further ones than Corral can use are left out.
        let servers = cpu
            .property("ibm,ppc-interrupt-server#s")
            .or_else(|| cpu.property("reg"))
            .ok_or(Unsuitable::NoCpu)?;
        for server in servers.value.chunks_exact(4) {
            let number: [u8; 4] = server.try_into().map_err(|_| Unsuitable::BadTree)?;
            cpus.push(u32::from_be_bytes(number));
        }
        timebase = timebase.or_else(|| number(cpu, "timebase-frequency"));
        clock = clock.or_else(|| number(cpu, "clock-frequency"));
        radix |= cpu.property("ibm,processor-radix-AP-encodings").is_some();
    }
    if cpus.is_empty() {
        return Err(Unsuitable::NoCpu);
    }
    if !radix {
        return Err(Unsuitable::NoRadix);
    }
    let ticks_per_second = timebase
        .filter(|&rate| rate != 0)
        .ok_or(Unsuitable::NoTimebase)?;
    Ok(Machine {
        memory,
        timebase: Timebase { ticks_per_second },
        clock: clock.unwrap_or(0),
        interrupts: interrupts::interrupts(&tree, cpus.len())?,
        cpus,
        terminals: terminals(&tree),
        command_line: text(&tree, "/chosen", "bootargs"),
        model: text(&tree, "/", "model"),
        initrd: initrd(&tree),
    })
}

/// The children of `path` whose `device_type` is `kind`.
fn of_type<'b, 'a: 'b>(
    tree: &'b fdt::Fdt<'a>,
    path: &str,
    kind: &'static str,
) -> impl Iterator<Item = FdtNode<'b, 'a>> + use<'a, 'b> {
    let children = tree.find_node(path).map(|node| node.children());
    children.into_iter().flatten().filter(move |node| {
        node.property("device_type")
            .and_then(|property| property.as_str())
            == Some(kind)
    })
}

/// A big-endian number of one or two cells.
fn number(node: FdtNode<'_, '_>, name: &str) -> Option<u64> {
    let value = node.property(name)?.value;
    match value.len() {
        4 => Some(u64::from(u32::from_be_bytes(value.try_into().ok()?))),
        8 => Some(u64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

/// The first cell of a property.
fn cell(node: FdtNode<'_, '_>, name: &str) -> Option<u32> {
    let bytes = node.property(name)?.value.get(..4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn text<'a>(tree: &fdt::Fdt<'a>, path: &str, name: &str) -> &'a str {
    let value = tree
        .find_node(path)
        .and_then(|node| node.property(name))
        .map_or(&[][..], |property| property.value);
    let end = value
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(value.len());
    core::str::from_utf8(value.get(..end).unwrap_or(&[]))
        .unwrap_or("")
        .trim()
}

fn memory(tree: &fdt::Fdt<'_>) -> Result<Regions, Unsuitable> {
    let mut memory = Regions::new();
    for node in of_type(tree, "/", "memory") {
        let Some(reg) = node.property("reg") else {
            continue;
        };
        for pair in reg.value.chunks_exact(16) {
            let (start, size) = pair.split_at(8);
            let start = u64::from_be_bytes(start.try_into().map_err(|_| Unsuitable::BadTree)?);
            let size = u64::from_be_bytes(size.try_into().map_err(|_| Unsuitable::BadTree)?);
            let region = Region {
                start,
                end: start.saturating_add(size),
            };
            memory
                .add(region)
                .map_err(|_| Unsuitable::ScatteredMemory)?;
        }
    }
    if memory.total() == 0 {
        Err(Unsuitable::NoMemory)
    } else {
        Ok(memory)
    }
}

fn initrd(tree: &fdt::Fdt<'_>) -> Option<Region> {
    let chosen = tree.find_node("/chosen")?;
    let region = Region {
        start: number(chosen, "linux,initrd-start")?,
        end: number(chosen, "linux,initrd-end")?,
    };
    (!region.is_empty()).then_some(region)
}

/// The `hvterm1` terminals (PAPR, "Virtual Terminal"), console first.
fn terminals(tree: &fdt::Fdt<'_>) -> TerminalList {
    let console = text(tree, "/chosen", "stdout-path")
        .rsplit('/')
        .next()
        .unwrap_or("");
    let all = || {
        of_type(tree, "/vdevice", "serial").filter_map(|node| {
            let terminal = Terminal {
                unit: cell(node, "reg")?,
                source: cell(node, "interrupts"),
            };
            Some((node.name == console, terminal))
        })
    };
    let mut list = TerminalList::new(Terminal {
        unit: 0,
        source: None,
    });
    for first in [true, false] {
        for (_, terminal) in all().filter(|(is_console, _)| *is_console == first) {
            list.push(terminal);
        }
    }
    list
}

/// The run-time services, all absent when the tree cannot be read. Apart from [`describe`], so that a machine that is
/// refused can be switched off. `instantiated` says where firmware has put them.
#[must_use]
pub fn services(blob: &[u8], instantiated: Option<Way>) -> Services {
    let Ok(tree) = fdt::Fdt::new(blob) else {
        return Services::default();
    };
    let token = |name| tree.find_node("/rtas").and_then(|node| cell(node, name));
    let emulated = tree
        .find_node("/")
        .and_then(|root| root.property("compatible"))
        .is_some_and(|list| list.value.split(|&byte| byte == 0).any(|name| name == QEMU));
    let by_call = emulated.then_some(Way::HypervisorCall);
    let ways = match instantiated {
        Some(entry) => [Some(entry), by_call],
        None => [by_call, None],
    };
    let tokens = Tokens {
        power_off: token("power-off"),
        system_reboot: token("system-reboot"),
        os_term: token("ibm,os-term"),
        get_time_of_day: token("get-time-of-day"),
        set_xive: token("ibm,set-xive"),
        interrupt_on: token("ibm,int-on"),
        interrupt_off: token("ibm,int-off"),
        start_cpu: token("start-cpu"),
        stop_self: token("stop-self"),
        cpu_stopped_state: token("query-cpu-stopped-state"),
    };
    Services { tokens, ways }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of `qemu-system-ppc64 -M pseries,x-vof=on,dumpdtb=… -cpu power9 -m 512M`.
    const POWER9: &[u8] = include_bytes!("../fixtures/power9-512m.dtb");
    const POWER8: &[u8] = include_bytes!("../fixtures/power8-256m-smp2.dtb");

    /// BOOT0020: everything is found in the tree of a POWER9 machine.
    #[test]
    fn power9() {
        let machine = describe(POWER9).unwrap();
        assert_eq!(
            machine.memory.as_slice(),
            [Region {
                start: 0,
                end: 512 << 20
            }]
        );
        assert_eq!(machine.timebase.ticks_per_second, 512_000_000);
        assert_eq!(*machine.cpus, [0]);
        let units: std::vec::Vec<_> = machine
            .terminals
            .iter()
            .map(|terminal| terminal.unit)
            .collect();
        assert_eq!(units, [0x7100_0000, 0x7100_0001]);
        assert_eq!(machine.terminals[0].source, Some(0x1100));
        assert_eq!(machine.model, "IBM pSeries (emulated by qemu)");
        let Services { tokens, ways } = services(POWER9, None);
        assert_eq!(ways, [Some(Way::HypervisorCall), None]);
        assert_eq!(
            (tokens.power_off, tokens.os_term, tokens.system_reboot),
            (Some(0x2003), Some(0x201f), Some(0x2004))
        );
    }

    /// BOOT0021: a CPU with a hash MMU only is refused by name.
    #[test]
    fn power8() {
        assert_eq!(describe(POWER8).unwrap_err(), Unsuitable::NoRadix);
        assert!(services(POWER8, None).tokens.os_term.is_some());
    }

    /// BOOT0023: instantiated services are preferred to QEMU's call, and nothing is called where there is neither.
    #[test]
    fn ways() {
        let entry = Way::Entry {
            base: 0x1000_0000,
            entry: 0x1000_0100,
        };
        let found = services(POWER9, Some(entry)).ways;
        assert_eq!(found, [Some(entry), Some(Way::HypervisorCall)]);
        let mut other = POWER9.to_vec();
        let at = other.windows(QEMU.len()).position(|name| name == QEMU);
        other[at.unwrap()] = b'Q';
        assert_eq!(services(&other, None).ways, [None, None]);
        assert_eq!(services(&other, Some(entry)).ways, [Some(entry), None]);
    }

    /// BOOT0022: rubbish is refused, not followed.
    #[test]
    fn rubbish() {
        assert_eq!(describe(&[]).unwrap_err(), Unsuitable::BadTree);
        assert_eq!(describe(&[0x5a; 100]).unwrap_err(), Unsuitable::BadTree);
    }
}
