//! Lists of CPUs as people write them.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A set of CPUs, one bit each; as text `0-2,5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CpuList(pub u64);

impl CpuList {
    /// Reads `0-2,5`; blanks separate as commas do. `None` for what is no list, an empty one, and CPUs beyond 63.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = 0;
        for part in text.split([',', ' ']) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            bits |= (u64::MAX >> (63 - (last - first))) << first;
        }
        Some(Self(bits))
    }

    /// How many CPUs.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&cpu| digits && cpu < u64::BITS)
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut separator = "";
        while rest != 0 {
            let first = rest.trailing_zeros();
            let count = (rest >> first).trailing_ones();
            write!(f, "{separator}{first}")?;
            if count > 1 {
                write!(f, "-{}", first + count - 1)?;
            }
            rest &= u64::MAX.checked_shl(first + count).unwrap_or(0);
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    proptest! {
        /// CONTROL0020: what is written is read again.
        #[test]
        fn control0020_lists_of_cpus_survive(bits in 1u64..) {
            prop_assert_eq!(CpuList::parse(&CpuList(bits).to_string()), Some(CpuList(bits)));
        }
    }

    #[test]
    fn control0021_lists_of_cpus_as_people_write_them() {
        assert_eq!(CpuList::parse("0-2,5"), Some(CpuList(0b10_0111)));
        assert_eq!(CpuList::parse("3 1"), Some(CpuList(0b1010)));
        assert_eq!(CpuList::parse("0-63"), Some(CpuList(u64::MAX)));
        for bad in ["", "-", "2-1", "64", "1,", "a", "+1", "0--1", "1-2-3"] {
            assert_eq!(CpuList::parse(bad), None, "{bad}");
        }
    }
}
