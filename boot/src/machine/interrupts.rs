//! The interrupt controller in the device tree.

use super::Unsuitable;
use fdt::node::{FdtNode, NodeProperty};

/// The interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// XICS, by hypervisor calls and run-time services.
    Xics,
    /// XIVE in exploitation mode.
    Xive(Xive),
}

/// A XIVE controller (PAPR, "External Interrupt Virtualization Engine" in the device tree).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xive {
    /// Real address of the management area's page for operating systems.
    pub management: u64,
    /// The least urgent priority that the platform does not keep.
    pub priority: u8,
    /// The size of event queues, as a power of two.
    pub queue_shift: u32,
    /// The first source for calls between CPUs.
    pub calls: u32,
}

/// Priorities that operating systems may use go from 0 to this one.
const LAST_PRIORITY: u32 = 7;
/// Queues of this size suffice: every source has at most one event on its way.
const PREFERRED_QUEUE: u32 = 12;

/// The controller of the tree, which must have a source for calls to each of `cpus` CPUs.
pub(super) fn interrupts(tree: &fdt::Fdt<'_>, cpus: usize) -> Result<Interrupts, Unsuitable> {
    let root = tree.find_node("/").ok_or(Unsuitable::BadTree)?;
    let node = root.children().find(|node| {
        let compatible = node.property("compatible").and_then(NodeProperty::as_str);
        compatible == Some("ibm,power-ivpe")
    });
    match node {
        Some(node) => {
            let xive = xive(root, node, cpus).ok_or(Unsuitable::BadXive)?;
            Ok(Interrupts::Xive(xive))
        }
        None => Ok(Interrupts::Xics),
    }
}

fn xive(root: FdtNode<'_, '_>, node: FdtNode<'_, '_>, cpus: usize) -> Option<Xive> {
    // Two pairs of address and size: the page for users and that for operating systems.
    let pages = node.property("reg")?.value;
    let management = pages.get(16..24).and_then(|bytes| bytes.try_into().ok());
    let queue_shift = cells(node, "ibm,xive-eq-sizes")
        .filter(|&shift| (PREFERRED_QUEUE..32).contains(&shift))
        .min();
    let mut calls = cells(node, "ibm,xive-lisn-ranges");
    let (first, count) = (calls.next(), calls.next());
    let enough = count.is_some_and(|count| count as usize >= cpus);
    Some(Xive {
        management: u64::from_be_bytes(management?),
        priority: priority(root)?,
        queue_shift: queue_shift?,
        calls: first.filter(|_| enough)?,
    })
}

/// The least urgent priority that is not in one of the platform's ranges, each a first priority and a count.
fn priority(root: FdtNode<'_, '_>) -> Option<u8> {
    let kept = |priority: &u32| {
        let mut ranges = cells(root, "ibm,plat-res-int-priorities");
        while let (Some(first), Some(count)) = (ranges.next(), ranges.next()) {
            if (first..first.saturating_add(count)).contains(priority) {
                return true;
            }
        }
        false
    };
    let free = (0..=LAST_PRIORITY).rev().find(|priority| !kept(priority));
    free.map(|priority| priority as u8)
}

/// The cells of a property, none when there is none.
fn cells<'a>(node: FdtNode<'_, 'a>, name: &str) -> impl Iterator<Item = u32> + use<'a> {
    let value = node
        .property(name)
        .map_or(&[][..], |property| property.value);
    let words = value.chunks_exact(4);
    words.map(|word| {
        word.iter()
            .fold(0, |cell, &byte| cell << 8 | u32::from(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::describe;

    /// The tree of `qemu-system-ppc64 -M pseries,x-vof=on,ic-mode=xive,dumpdtb=… -cpu power9 -m 512M -smp 2`.
    const XIVE: &[u8] = include_bytes!("../../fixtures/power9-512m-smp2-xive.dtb");
    const XICS: &[u8] = include_bytes!("../../fixtures/power9-512m.dtb");

    /// BOOT0024: both controllers are recognized, and what XIVE needs is found.
    #[test]
    fn controllers() {
        let found = |tree| describe(tree).unwrap().interrupts;
        assert_eq!(found(XICS), Interrupts::Xics);
        let wanted = Xive {
            management: 0x6_0302_031a_0000,
            priority: 6,
            queue_shift: 16,
            calls: 0,
        };
        assert_eq!(found(XIVE), Interrupts::Xive(wanted));
    }

    /// BOOT0025: a XIVE node without one of its properties, or with too few sources for calls, is refused by name.
    #[test]
    fn incomplete() {
        for name in ["ibm,xive-eq-sizes", "ibm,xive-lisn-ranges"] {
            let mut tree = XIVE.to_vec();
            let at = tree
                .windows(name.len())
                .position(|text| text == name.as_bytes());
            tree[at.unwrap()] = b'I';
            assert_eq!(describe(&tree).unwrap_err(), Unsuitable::BadXive, "{name}");
        }
        let tree = fdt::Fdt::new(XIVE).unwrap();
        assert!(interrupts(&tree, 2).is_ok());
        assert_eq!(interrupts(&tree, 3), Err(Unsuitable::BadXive));
    }

    /// BOOT0026: priorities that the platform keeps are left alone.
    #[test]
    fn priorities() {
        let ranges = |property: &[u32]| {
            let mut tree = XIVE.to_vec();
            // The tree says: from 7 on, 0xf8 of them.
            let old = [0, 0, 0, 7, 0, 0, 0, 0xf8];
            let at = tree
                .windows(old.len())
                .position(|bytes| bytes == old)
                .unwrap();
            for (place, cell) in tree[at..at + 8].chunks_exact_mut(4).zip(property) {
                place.copy_from_slice(&cell.to_be_bytes());
            }
            let tree = fdt::Fdt::new(&tree).unwrap();
            priority(tree.find_node("/").unwrap())
        };
        assert_eq!(ranges(&[7, 0xf8]), Some(6));
        assert_eq!(ranges(&[5, 0xfa]), Some(4));
        assert_eq!(ranges(&[1, u32::MAX]), Some(0));
        assert_eq!(ranges(&[0, 8]), None);
        assert_eq!(ranges(&[0, 0]), Some(7));
    }
}
