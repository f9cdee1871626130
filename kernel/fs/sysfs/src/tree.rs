//! What is where.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// The texts of all files by their paths below the root; a directory is the beginning of a path.
pub(crate) type Tree = BTreeMap<String, String>;

/// The tree of a machine whose CPUs are in use as `online` says; with a switch for each where they are `managed`.
///
/// Every CPU is a core of its own: the hypervisor does not say which of its processors share one.
pub(crate) fn tree(online: &[bool], managed: bool) -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: String, text: String| {
        tree.insert(path, text + "\n");
    };
    let present = list(&vec![true; online.len()]);
    let used = list(online);
    let unused: Vec<bool> = online.iter().map(|online| !online).collect();
    for (name, text) in [
        ("online", used.clone()),
        ("offline", list(&unused)),
        ("possible", present.clone()),
        ("present", present),
        ("kernel_max", online.len().saturating_sub(1).to_string()),
    ] {
        put(format!("devices/system/cpu/{name}"), text);
    }
    for (number, online) in online.iter().enumerate().filter(|_| managed) {
        put(switch(number), u8::from(*online).to_string());
    }
    for (number, _) in online.iter().enumerate().filter(|(_, online)| **online) {
        let alone: Vec<bool> = (0..online.len()).map(|other| other == number).collect();
        let at = format!("devices/system/cpu/cpu{number}/topology");
        put(format!("{at}/core_id"), number.to_string());
        put(format!("{at}/physical_package_id"), "0".to_string());
        for (name, cpus) in [
            ("core_cpus", &alone[..]),
            ("thread_siblings", &alone),
            ("core_siblings", online),
            ("package_cpus", online),
        ] {
            put(format!("{at}/{name}"), mask(cpus));
            put(format!("{at}/{name}_list"), list(cpus));
        }
    }
    for name in ["online", "possible", "has_cpu", "has_memory"] {
        put(format!("devices/system/node/{name}"), "0".to_string());
    }
    put("devices/system/node/node0/cpulist".to_string(), used);
    put("devices/system/node/node0/cpumap".to_string(), mask(online));
    put(
        "devices/system/node/node0/distance".to_string(),
        "10".to_string(),
    );
    put(
        "kernel/mm/transparent_hugepage/enabled".to_string(),
        "always madvise [never]".to_string(),
    );
    tree
}

/// The file that says whether a CPU is in use.
fn switch(number: usize) -> String {
    format!("devices/system/cpu/cpu{number}/online")
}

/// The CPU whose switch a path leads to.
pub(crate) fn switched(path: &str) -> Option<usize> {
    let number = path
        .strip_prefix("devices/system/cpu/cpu")?
        .strip_suffix("/online")?;
    number.parse().ok()
}

/// Numbers of the set members as ranges: `0-3,6`.
fn list(set: &[bool]) -> String {
    let mut ranges: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(start) = (at..set.len()).find(|&cpu| set[cpu]) {
        at = (start..set.len())
            .find(|&cpu| !set[cpu])
            .unwrap_or(set.len());
        ranges.push(match at - start {
            1 => start.to_string(),
            _ => format!("{start}-{}", at - 1),
        });
    }
    ranges.join(",")
}

/// The set as a hexadecimal number, a comma every 32 bits; the highest part has the digits that its CPUs need.
fn mask(set: &[bool]) -> String {
    let word = |(index, part): (usize, &[bool])| {
        let bits = part
            .iter()
            .enumerate()
            .fold(0u32, |bits, (bit, member)| bits | u32::from(*member) << bit);
        let highest = (index + 1) * 32 >= set.len();
        let digits = if highest { part.len().div_ceil(4) } else { 8 };
        format!("{bits:0digits$x}")
    };
    let mut words: Vec<String> = set.chunks(32).enumerate().map(word).collect();
    words.reverse();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::{list, mask};
    use alloc::vec;

    #[test]
    fn sysfs01_sets_are_written_as_ranges_and_as_masks() {
        let set = [true, true, true, false, false, true, false];
        assert_eq!((list(&set), mask(&set)), ("0-2,5".into(), "27".into()));
        assert_eq!((list(&[]), mask(&[])), ("".into(), "".into()));
        assert_eq!(list(&[false, true]), "1");
        let mut many = vec![false; 40];
        (many[0], many[39]) = (true, true);
        assert_eq!(
            (list(&many), mask(&many)),
            ("0,39".into(), "80,00000001".into())
        );
    }
}
