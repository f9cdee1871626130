//! Arithmetic on ranges of real memory.

use abi::PAGE_SIZE;

/// A range of real addresses, `start` to `end` without `end`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// The first byte.
    pub start: u64,
    /// The byte behind the last.
    pub end: u64,
}

impl Region {
    /// The length in bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether the two ranges have a byte in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end && !self.is_empty() && !other.is_empty()
    }

    /// The smallest range of whole pages that holds this one.
    #[must_use]
    pub const fn widened(self) -> Self {
        let mask = PAGE_SIZE as u64 - 1;
        Self {
            start: self.start & !mask,
            end: self.end.saturating_add(mask) & !mask,
        }
    }

    /// The largest range of whole pages inside this one.
    #[must_use]
    pub const fn narrowed(self) -> Self {
        let mask = PAGE_SIZE as u64 - 1;
        let start = self.start.saturating_add(mask) & !mask;
        let end = self.end & !mask;
        Self {
            start,
            end: if end < start { start } else { end },
        }
    }
}

/// How many separate ranges a [`Regions`] holds.
pub const MAX_REGIONS: usize = 64;

/// Disjoint ranges in ascending order.
#[derive(Clone, Debug)]
pub struct Regions {
    ranges: [Region; MAX_REGIONS],
    length: usize,
}

/// There are more separate ranges than [`MAX_REGIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl Default for Regions {
    fn default() -> Self {
        Self::new()
    }
}

impl Regions {
    /// No memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ranges: [Region { start: 0, end: 0 }; MAX_REGIONS],
            length: 0,
        }
    }

    /// The ranges.
    #[must_use]
    pub fn as_slice(&self) -> &[Region] {
        self.ranges.get(..self.length).unwrap_or(&[])
    }

    /// The sum of the sizes, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.as_slice().iter().map(|region| region.size()).sum()
    }

    /// The end of the highest range, 0 when there is none.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.as_slice().last().map_or(0, |region| region.end)
    }

    /// Adds a range, merging it with those that it overlaps or touches.
    ///
    /// # Errors
    /// [`TooMany`]; nothing has changed then.
    pub fn add(&mut self, region: Region) -> Result<(), TooMany> {
        if region.is_empty() {
            return Ok(());
        }
        let mut merged = region;
        let mut result = Self::new();
        let mut placed = false;
        for &old in self.as_slice() {
            if old.end < merged.start {
                result.push(old)?;
            } else if merged.end < old.start {
                if !placed {
                    result.push(merged)?;
                    placed = true;
                }
                result.push(old)?;
            } else {
                merged = Region {
                    start: merged.start.min(old.start),
                    end: merged.end.max(old.end),
                };
            }
        }
        if !placed {
            result.push(merged)?;
        }
        *self = result;
        Ok(())
    }

    /// Takes a range away.
    ///
    /// # Errors
    /// [`TooMany`] when cutting a range in two leaves too many; nothing has changed then.
    pub fn subtract(&mut self, hole: Region) -> Result<(), TooMany> {
        if hole.is_empty() {
            return Ok(());
        }
        let mut result = Self::new();
        for &old in self.as_slice() {
            result.push(Region {
                start: old.start,
                end: old.end.min(hole.start),
            })?;
            result.push(Region {
                start: old.start.max(hole.end),
                end: old.end,
            })?;
        }
        *self = result;
        Ok(())
    }

    /// Takes `size` bytes, aligned to `alignment` (a power of two), from the lowest range that has them. `None`, with nothing
    /// changed, when none has or when too many ranges would be left.
    pub fn take(&mut self, size: u64, alignment: u64) -> Option<Region> {
        let taken = self.as_slice().iter().find_map(|region| {
            let start = region.start.checked_next_multiple_of(alignment)?;
            let end = start.checked_add(size)?;
            (end <= region.end).then_some(Region { start, end })
        })?;
        self.subtract(taken).ok()?;
        Some(taken)
    }

    /// Forgets all memory at `limit` bytes and above: what the option `mem=` asks for.
    pub fn limit(&mut self, limit: u64) {
        for region in &mut self.ranges {
            region.end = region.end.min(limit);
        }
        self.length = self
            .as_slice()
            .iter()
            .take_while(|region| !region.is_empty())
            .count();
    }

    /// Cuts every range to whole pages and drops the empty ones.
    pub fn narrow(&mut self) {
        let mut result = Self::new();
        for &old in self.as_slice() {
            // There are never more than before, so this cannot fail.
            if result.push(old.narrowed()).is_err() {
                return;
            }
        }
        *self = result;
    }

    /// Appends a range that lies above all others; an empty one is dropped.
    fn push(&mut self, region: Region) -> Result<(), TooMany> {
        if region.is_empty() {
            return Ok(());
        }
        let place = self.ranges.get_mut(self.length).ok_or(TooMany)?;
        *place = region;
        self.length += 1;
        Ok(())
    }
}

/// A size as the option `mem=` gives it: a decimal number with an optional `K`, `M` or `G` (powers of 1024), in bytes.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len() - 1)?, 10),
        b'm' | b'M' => (text.get(..text.len() - 1)?, 20),
        b'g' | b'G' => (text.get(..text.len() - 1)?, 30),
        _ => (text, 0),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The last `mem=` among the words of a command line: `None` when there is none, an error when it is no size.
///
/// # Errors
/// The word that is no size.
pub fn memory_option(line: &str) -> Result<Option<u64>, &str> {
    let last = line
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("mem="))
        .next_back();
    last.map(|text| parse_size(text).ok_or(text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const SPACE: usize = 256;

    fn region() -> impl Strategy<Value = Region> {
        (0..SPACE as u64, 0..40u64).prop_map(|(start, size)| Region {
            start,
            end: (start + size).min(SPACE as u64),
        })
    }

    fn bytes(regions: &Regions) -> Vec<bool> {
        let mut map = std::vec![false; SPACE];
        for region in regions.as_slice() {
            for byte in region.start..region.end {
                map[byte as usize] = true;
            }
        }
        map
    }

    proptest! {
        /// BOOT0001: adding, taking away and limiting agree with a map of single bytes, sorted and disjoint.
        #[test]
        fn regions_are_sets(steps in prop::collection::vec((any::<bool>(), region()), 0..30), limit in 0..SPACE as u64) {
            let mut regions = Regions::new();
            let mut model = std::vec![false; SPACE];
            for (add, region) in steps {
                if add { regions.add(region).unwrap() } else { regions.subtract(region).unwrap() }
                for byte in region.start..region.end {
                    model[byte as usize] = add;
                }
                prop_assert_eq!(bytes(&regions), model.clone());
                prop_assert!(regions.as_slice().windows(2).all(|pair| pair[0].end <= pair[1].start));
                prop_assert!(regions.as_slice().iter().all(|region| !region.is_empty()));
            }
            regions.limit(limit);
            for byte in &mut model[limit as usize..] {
                *byte = false;
            }
            prop_assert_eq!(bytes(&regions), model.clone());
            prop_assert_eq!(regions.total(), model.iter().filter(|&&set| set).count() as u64);
        }

        /// BOOT0002: narrowing keeps whole pages only, widening keeps every byte.
        #[test]
        fn pages(start in 0..1u64 << 40, size in 0..1u64 << 20) {
            let region = Region { start, end: start + size };
            let (narrow, wide) = (region.narrowed(), region.widened());
            prop_assert!(narrow.start % 4096 == 0 && narrow.end % 4096 == 0);
            prop_assert!(wide.start <= start && wide.end >= region.end && wide.size() < size + 8192);
            prop_assert!(narrow.is_empty() || narrow.start >= start && narrow.end <= region.end);
        }
    }

    proptest! {
        /// BOOT0005: two ranges overlap when taking one away makes the other smaller.
        #[test]
        fn overlapping(one in region(), other in region()) {
            let mut rest = Regions::new();
            rest.add(one).unwrap();
            rest.subtract(other).unwrap();
            prop_assert_eq!(one.overlaps(other), rest.total() < one.size());
            prop_assert_eq!(one.overlaps(other), other.overlaps(one));
        }
    }

    proptest! {
        /// BOOT0006: what is taken is aligned, was free, and is free no more; nothing is taken when nothing fits.
        #[test]
        fn taking(parts in prop::collection::vec(region(), 0..6), size in 1..60u64, shift in 0..5u32) {
            let mut regions = Regions::new();
            for part in parts {
                regions.add(part).unwrap();
            }
            let before = regions.clone();
            let fits = (0..SPACE as u64).step_by(1 << shift).any(|start| {
                before.as_slice().iter().any(|region| region.start <= start && start + size <= region.end)
            });
            let taken = regions.take(size, 1 << shift);
            prop_assert_eq!(taken.is_some(), fits);
            if let Some(taken) = taken {
                prop_assert_eq!((taken.size(), taken.start % (1 << shift)), (size, 0));
                prop_assert_eq!(regions.total(), before.total() - size);
                prop_assert!(regions.as_slice().iter().all(|region| !region.overlaps(taken)));
            } else {
                prop_assert_eq!(regions.as_slice(), before.as_slice());
            }
        }
    }

    /// BOOT0003: too many pieces are an error and change nothing.
    #[test]
    fn full() {
        let mut regions = Regions::new();
        for n in 0..MAX_REGIONS as u64 {
            regions
                .add(Region {
                    start: n * 10,
                    end: n * 10 + 5,
                })
                .unwrap();
        }
        assert_eq!(
            regions.add(Region {
                start: 10_000,
                end: 10_001
            }),
            Err(TooMany)
        );
        assert_eq!(regions.subtract(Region { start: 2, end: 3 }), Err(TooMany));
        assert_eq!(regions.total(), MAX_REGIONS as u64 * 5);
    }

    /// BOOT0004: sizes with and without a unit, and what is no size.
    #[test]
    fn sizes() {
        assert_eq!(parse_size("4096"), Some(4096));
        assert_eq!(parse_size("64k"), Some(65536));
        assert_eq!(parse_size("256M"), Some(256 << 20));
        assert_eq!(parse_size("3G"), Some(3 << 30));
        for bad in ["", "M", "-1", "+1", "1T", "99999999999G", "1 M", "é"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert_eq!(memory_option("log=info mem=1M mem=2M x"), Ok(Some(2 << 20)));
        assert_eq!(memory_option("remem=1M"), Ok(None));
        assert_eq!(memory_option("mem=lots"), Err("lots"));
    }
}
