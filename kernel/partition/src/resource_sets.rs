//! Resource sets: names for sets of CPUs, to which WPARs can be confined.
//!
//! A set has a name of two parts, `NAMESPACE/NAME`, and does not change: it is removed and made anew. Those of `sys` are
//! the machine's own, all CPUs and each alone, and nobody makes or removes them. The list is kept until power-off.

use abi::Errno;
use alloc::string::String;
use alloc::vec::Vec;
use control::{CpuList, ResourceSet};
use fallible::{Map, NoMemory, Push};
use sync::{Rank, SpinLock};

/// The namespace of the machine's own sets.
const SYSTEM: &str = "sys/";
/// All CPUs.
const WHOLE: &str = "sys/sys0";
/// Sets that can be made.
const LIMIT: usize = 1024;

/// The sets that have been made.
#[derive(Debug)]
pub struct ResourceSets {
    made: SpinLock<Map<String, CpuList>>,
}

impl Default for ResourceSets {
    fn default() -> Self {
        Self::new()
    }
}

impl ResourceSets {
    /// None but the machine's own.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            made: SpinLock::new(Rank::Partition, Map::new()),
        }
    }

    /// The CPUs of a set of a machine with these; they may have gone since.
    #[must_use]
    pub fn find(&self, name: &str, machine: CpuList) -> Option<CpuList> {
        own_of_name(name, machine).or_else(|| self.made.lock().get(name).copied())
    }

    /// Makes a set.
    ///
    /// # Errors
    /// EINVAL: no name of two parts, or one of the machine's CPUs is not in it; EPERM: a name of the machine's;
    /// EEXIST; ENOSPC; ENOMEM.
    pub fn define(&self, name: &str, cpus: CpuList, machine: CpuList) -> Result<(), Errno> {
        if !is_name(name) || cpus.0 == 0 || cpus.0 & !machine.0 != 0 {
            return Err(Errno::EINVAL);
        }
        if name.starts_with(SYSTEM) {
            return Err(Errno::EPERM);
        }
        let mut made = self.made.lock();
        if made.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        if made.len() >= LIMIT {
            return Err(Errno::ENOSPC);
        }
        made.insert(fallible::string(name)?, cpus)?;
        Ok(())
    }

    /// Removes a set; that nobody is confined to it, the caller has seen.
    ///
    /// # Errors
    /// EPERM: the machine's; ENOENT.
    pub fn remove(&self, name: &str) -> Result<(), Errno> {
        if name.starts_with(SYSTEM) {
            return Err(Errno::EPERM);
        }
        let removed = self.made.lock().remove(name);
        removed.map(|_| ()).ok_or(Errno::ENOENT)
    }

    /// All sets of a machine with these CPUs, by name.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn all(&self, machine: CpuList) -> Result<Vec<ResourceSet>, Errno> {
        let mut sets = Vec::new();
        for set in own(machine) {
            sets.try_push(set?)?;
        }
        for (name, &cpus) in &*self.made.lock() {
            let name = fallible::string(name)?;
            sets.try_push(ResourceSet { name, cpus })?;
        }
        sets.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(sets)
    }
}

/// The machine's own set of a name.
fn own_of_name(name: &str, machine: CpuList) -> Option<CpuList> {
    if name == WHOLE {
        return Some(machine);
    }
    let digits = name.strip_prefix(SYSTEM)?.strip_prefix("cpu.")?;
    let is_number = digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let cpu: u32 = is_number.then(|| digits.parse().ok()).flatten()?;
    let mask = 1u64.checked_shl(cpu)?;
    (machine.0 & mask != 0).then_some(CpuList(mask))
}

/// The machine's own sets.
fn own(machine: CpuList) -> impl Iterator<Item = Result<ResourceSet, NoMemory>> {
    let each = (0..u64::BITS)
        .filter(move |cpu| machine.0 >> cpu & 1 == 1)
        .map(|cpu| {
            let name = fallible::text(format_args!("{SYSTEM}cpu.{cpu:05}"))?;
            let cpus = CpuList(1 << cpu);
            Ok(ResourceSet { name, cpus })
        });
    let whole = fallible::string(WHOLE).map(|name| ResourceSet {
        name,
        cpus: machine,
    });
    core::iter::once(whole).chain(each)
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        !part.is_empty() && part.len() <= 127 && part.bytes().all(good)
    };
    name.split_once('/')
        .is_some_and(|(namespace, name)| part(namespace) && part(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const TWO: CpuList = CpuList(0b11);

    /// PART0020: what is made is found until it is removed, and a name stands for one set.
    #[test]
    fn part0020_sets_are_made_found_and_removed() {
        let sets = ResourceSets::new();
        assert_eq!(sets.define("test/one", CpuList(2), TWO), Ok(()));
        assert_eq!(sets.define("test/one", CpuList(1), TWO), Err(Errno::EEXIST));
        assert_eq!(sets.find("test/one", TWO), Some(CpuList(2)));
        let names: Vec<_> = sets
            .all(TWO)
            .expect("memory")
            .into_iter()
            .map(|set| set.name)
            .collect();
        assert_eq!(
            names,
            ["sys/cpu.00000", "sys/cpu.00001", "sys/sys0", "test/one"]
        );
        for set in sets.all(TWO).expect("memory") {
            assert_eq!(sets.find(&set.name, TWO), Some(set.cpus), "{}", set.name);
        }
        for name in [
            "sys/cpu.1",
            "sys/cpu.+0001",
            "sys/cpu.00064",
            "sys/cpu.",
            "sys/",
        ] {
            assert_eq!(sets.find(name, CpuList(u64::MAX)), None, "{name}");
        }
        assert_eq!(sets.remove("test/one"), Ok(()));
        assert_eq!(sets.remove("test/one"), Err(Errno::ENOENT));
        assert_eq!(sets.find("test/one", TWO), None);
    }

    /// PART0021: names that are none, CPUs that are not there, and the machine's own sets are refused.
    #[test]
    fn part0021_bad_sets_are_refused() {
        let sets = ResourceSets::new();
        for name in ["", "one", "/one", "one/", "a/b/c", "a/b c", "ä/b"] {
            assert_eq!(sets.define(name, TWO, TWO), Err(Errno::EINVAL), "{name}");
        }
        assert_eq!(sets.define("a/b", CpuList(0), TWO), Err(Errno::EINVAL));
        assert_eq!(sets.define("a/b", CpuList(4), TWO), Err(Errno::EINVAL));
        assert_eq!(sets.define("sys/b", TWO, TWO), Err(Errno::EPERM));
        assert_eq!(sets.remove("sys/sys0"), Err(Errno::EPERM));
        assert_eq!(sets.find("sys/cpu.00001", TWO), Some(CpuList(2)));
        assert_eq!(sets.find("sys/cpu.00002", TWO), None);
    }

    /// PART0022: the list cannot grow without end.
    #[test]
    fn part0022_the_list_ends() {
        let sets = ResourceSets::new();
        for number in 0..LIMIT {
            assert_eq!(sets.define(&format!("a/{number}"), TWO, TWO), Ok(()));
        }
        assert_eq!(sets.define("a/more", TWO, TWO), Err(Errno::ENOSPC));
    }
}
