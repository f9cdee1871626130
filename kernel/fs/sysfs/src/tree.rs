//! What is where.

use alloc::string::String;
use core::fmt::{self, Display, Write};
use fallible::{Map, NoMemory};

/// The texts of all files by their paths below the root; a directory is the beginning of a path.
pub(crate) type Tree = Map<String, String>;

/// Numbers of the set members as ranges: `0-3,6`.
struct List<'a>(&'a [bool]);

impl Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.0;
        let mut at = 0;
        while let Some(start) = (at..set.len()).find(|&cpu| set[cpu]) {
            if at > 0 {
                out.write_char(',')?;
            }
            at = (start..set.len())
                .find(|&cpu| !set[cpu])
                .unwrap_or(set.len());
            match at - start {
                1 => write!(out, "{start}")?,
                _ => write!(out, "{start}-{}", at - 1)?,
            }
        }
        Ok(())
    }
}

/// The set as a hexadecimal number, a comma every 32 bits; the highest part has the digits that its CPUs need.
struct Mask<'a>(&'a [bool]);

impl Display for Mask<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.chunks(32);
        let highest = words.len().saturating_sub(1);
        for (index, part) in words.enumerate().rev() {
            let members = part.iter().enumerate();
            let bits = members.fold(0u32, |bits, (bit, member)| bits | u32::from(*member) << bit);
            if index == highest {
                let digits = part.len().div_ceil(4);
                write!(out, "{bits:0digits$x}")?;
            } else {
                write!(out, ",{bits:08x}")?;
            }
        }
        Ok(())
    }
}

/// The tree of a machine whose CPUs are in use as `online` says; with a switch for each where they are `managed`.
///
/// Every CPU is a core of its own: the hypervisor does not say which of its processors share one.
pub(crate) fn tree(online: &[bool], managed: bool) -> Result<Tree, NoMemory> {
    let mut tree = Tree::new();
    let mut put = |path: fmt::Arguments<'_>, contents: &dyn Display| {
        let contents = fallible::text(format_args!("{contents}\n"))?;
        tree.insert(fallible::text(path)?, contents).map(drop)
    };
    let present = fallible::filled(true, online.len())?;
    let unused = fallible::collect(online.iter().map(|online| !online))?;
    for (name, cpus) in [
        ("online", online),
        ("offline", &unused),
        ("possible", &present),
        ("present", &present),
    ] {
        let path = format_args!("devices/system/cpu/{name}");
        put(path, &List(cpus))?;
    }
    let last = online.len().saturating_sub(1);
    put(format_args!("devices/system/cpu/kernel_max"), &last)?;
    for (number, online) in online.iter().enumerate().filter(|_| managed) {
        put(format_args!("{}", Switch(number)), &u8::from(*online))?;
    }
    for (number, _) in online.iter().enumerate().filter(|(_, online)| **online) {
        let alone = fallible::collect((0..online.len()).map(|other| other == number))?;
        let at = fallible::text(format_args!("devices/system/cpu/cpu{number}/topology"))?;
        put(format_args!("{at}/core_id"), &number)?;
        put(format_args!("{at}/physical_package_id"), &0)?;
        for (name, cpus) in [
            ("core_cpus", &alone[..]),
            ("thread_siblings", &alone),
            ("core_siblings", online),
            ("package_cpus", online),
        ] {
            put(format_args!("{at}/{name}"), &Mask(cpus))?;
            put(format_args!("{at}/{name}_list"), &List(cpus))?;
        }
    }
    for name in ["online", "possible", "has_cpu", "has_memory"] {
        put(format_args!("devices/system/node/{name}"), &0)?;
    }
    put(
        format_args!("devices/system/node/node0/cpulist"),
        &List(online),
    )?;
    put(
        format_args!("devices/system/node/node0/cpumap"),
        &Mask(online),
    )?;
    put(format_args!("devices/system/node/node0/distance"), &10)?;
    let huge_pages = "always madvise [never]";
    put(
        format_args!("kernel/mm/transparent_hugepage/enabled"),
        &huge_pages,
    )?;
    Ok(tree)
}

/// The file that says whether a CPU is in use.
struct Switch(usize);

impl Display for Switch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "devices/system/cpu/cpu{}/online", self.0)
    }
}

/// The CPU whose switch a path leads to.
pub(crate) fn switched(path: &str) -> Option<usize> {
    let number = path
        .strip_prefix("devices/system/cpu/cpu")?
        .strip_suffix("/online")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec;

    fn list(set: &[bool]) -> String {
        super::List(set).to_string()
    }

    fn mask(set: &[bool]) -> String {
        super::Mask(set).to_string()
    }

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
