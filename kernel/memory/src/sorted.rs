//! A sorted map from numbers whose insertions can fail instead of stopping the kernel.
//!
//! Two levels: a vector of leaves, each a vector of at most about 2 KiB of entries. Lookups are two binary
//! searches over contiguous memory; an insertion moves at most one leaf's entries. `alloc`'s own maps abort
//! when there is no memory, which is not for a structure that programs make grow.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

/// Entries `(key, value)` in ascending order of key.
type Leaf<V> = Vec<(u64, V)>;

/// There was no memory for the insertion; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl From<TryReserveError> for Full {
    fn from(_: TryReserveError) -> Self {
        Full
    }
}

/// The map. No leaf is ever empty.
pub(crate) struct Sorted<V> {
    leaves: Vec<(u64, Leaf<V>)>,
    /// A leaf for the next split, from [`Sorted::reserve`] or from a removal.
    spare: Option<Leaf<V>>,
    length: usize,
}

impl<V> Sorted<V> {
    /// Entries in a leaf: what fits a heap object of 2 KiB.
    const LEAF: usize = {
        let fitting = 2048 / size_of::<(u64, V)>();
        if fitting < 4 { 4 } else { fitting }
    };

    pub(crate) const fn new() -> Self {
        Self {
            leaves: Vec::new(),
            spare: None,
            length: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The leaf in which `key` lies or would be put.
    #[inline]
    fn leaf_of(&self, key: u64) -> usize {
        self.leaves
            .partition_point(|(first, _)| *first <= key)
            .saturating_sub(1)
    }

    /// The value at `key`.
    #[inline]
    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        let (_, leaf) = self.leaves.get(self.leaf_of(key))?;
        let index = leaf.binary_search_by_key(&key, |entry| entry.0).ok()?;
        leaf.get(index).map(|entry| &entry.1)
    }

    /// The value at `key`, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let at = self.leaf_of(key);
        let (_, leaf) = self.leaves.get_mut(at)?;
        let index = leaf.binary_search_by_key(&key, |entry| entry.0).ok()?;
        leaf.get_mut(index).map(|entry| &mut entry.1)
    }

    /// The last entry whose key is `key` or less.
    #[inline]
    pub(crate) fn at_or_below(&self, key: u64) -> Option<(u64, &V)> {
        let (_, leaf) = self.leaves.get(self.leaf_of(key))?;
        let index = leaf
            .partition_point(|entry| entry.0 <= key)
            .checked_sub(1)?;
        leaf.get(index).map(|(key, value)| (*key, value))
    }

    /// The first entry whose key is `key` or more.
    pub(crate) fn at_or_above(&self, key: u64) -> Option<(u64, &V)> {
        self.entries(key).next()
    }

    /// The entries from `key` on, ascending.
    pub(crate) fn entries(&self, key: u64) -> impl Iterator<Item = (u64, &V)> {
        let at = self.leaf_of(key);
        let head = self.leaves.get(at).map_or(&[][..], |(_, leaf)| {
            let index = leaf.partition_point(|entry| entry.0 < key);
            leaf.get(index..).unwrap_or_default()
        });
        let tail = self.leaves.get(at + 1..).unwrap_or_default();
        head.iter()
            .chain(tail.iter().flat_map(|(_, leaf)| leaf))
            .map(|(key, value)| (*key, value))
    }

    /// The entries from `key` on, ascending, to be changed.
    pub(crate) fn entries_mut(&mut self, key: u64) -> impl Iterator<Item = (u64, &mut V)> {
        let at = self.leaf_of(key).min(self.leaves.len());
        let (head, tail) = self.leaves.split_at_mut_checked(at + 1).unwrap_or_default();
        let head = head.last_mut().map_or(&mut [][..], |(_, leaf)| {
            let index = leaf.partition_point(|entry| entry.0 < key);
            leaf.get_mut(index..).unwrap_or_default()
        });
        head.iter_mut()
            .chain(tail.iter_mut().flat_map(|(_, leaf)| leaf))
            .map(|(key, value)| (*key, value))
    }

    /// The entries below `key`, descending.
    pub(crate) fn below(&self, key: u64) -> impl Iterator<Item = (u64, &V)> {
        let at = self.leaf_of(key);
        let last = self.leaves.get(at).map_or(&[][..], |(_, leaf)| {
            let index = leaf.partition_point(|entry| entry.0 < key);
            leaf.get(..index).unwrap_or_default()
        });
        let before = self.leaves.get(..at).unwrap_or_default();
        let before = before.iter().rev().flat_map(|(_, leaf)| leaf.iter().rev());
        last.iter()
            .rev()
            .chain(before)
            .map(|(key, value)| (*key, value))
    }

    /// All entries, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.leaves
            .iter()
            .flat_map(|(_, leaf)| leaf)
            .map(|(key, value)| (*key, value))
    }

    /// Makes sure that the next insertion, at `key`, succeeds, even when entries are removed before it.
    pub(crate) fn reserve(&mut self, key: u64) -> Result<(), Full> {
        // Removals may move the key's place to the leaf before; a leaf that they empty becomes the spare.
        let at = self.leaf_of(key);
        let near = self
            .leaves
            .get(at.saturating_sub(1)..=at)
            .unwrap_or_default();
        let full = |(_, leaf): &(u64, Leaf<V>)| leaf.len() >= Self::LEAF;
        if near.is_empty() || near.iter().any(full) {
            self.reserve_leaf()?;
        }
        Ok(())
    }

    fn reserve_leaf(&mut self) -> Result<(), Full> {
        self.leaves.try_reserve(1)?;
        if self.spare.is_none() {
            let mut leaf = Vec::new();
            leaf.try_reserve_exact(Self::LEAF)?;
            self.spare = Some(leaf);
        }
        Ok(())
    }

    /// Puts `value` at `key`, replacing what was there.
    pub(crate) fn insert(&mut self, key: u64, value: V) -> Result<(), Full> {
        let at = self.leaf_of(key);
        let Some((first, leaf)) = self.leaves.get_mut(at) else {
            self.reserve_leaf()?;
            let mut leaf = self.spare.take().ok_or(Full)?;
            leaf.push((key, value));
            self.leaves.push((key, leaf));
            self.length += 1;
            return Ok(());
        };
        let index = leaf.partition_point(|entry| entry.0 < key);
        if let Some(entry) = leaf.get_mut(index).filter(|entry| entry.0 == key) {
            entry.1 = value;
            return Ok(());
        }
        if leaf.len() < Self::LEAF {
            leaf.insert(index, (key, value));
            *first = (*first).min(key);
            self.length += 1;
            return Ok(());
        }
        self.split(at, index)?;
        self.insert(key, value)
    }

    /// The value at `key`, put there from `make` when there is none.
    #[inline]
    pub(crate) fn get_or_insert(
        &mut self,
        key: u64,
        make: impl FnOnce() -> V,
    ) -> Result<&mut V, Full> {
        let at = self.leaf_of(key);
        let found = self
            .leaves
            .get(at)
            .map(|(_, leaf)| leaf.binary_search_by_key(&key, |entry| entry.0));
        if !matches!(found, Some(Ok(_))) {
            self.insert(key, make())?;
            return self.get_mut(key).ok_or(Full);
        }
        let entry = found
            .and_then(Result::ok)
            .and_then(|index| self.leaves.get_mut(at)?.1.get_mut(index));
        entry.map(|entry| &mut entry.1).ok_or(Full)
    }

    /// Makes room in the full leaf `at` for an entry at `index`: ascending insertions leave full leaves behind.
    fn split(&mut self, at: usize, index: usize) -> Result<(), Full> {
        let length = self.leaves.get(at).map_or(0, |(_, leaf)| leaf.len());
        let keep = if index == length {
            length - 1
        } else {
            length / 2
        };
        self.divide(at, keep)
    }

    /// Divides the leaf `at`, which keeps its first `keep` entries.
    fn divide(&mut self, at: usize, keep: usize) -> Result<(), Full> {
        self.reserve_leaf()?;
        let mut upper = self.spare.take().ok_or(Full)?;
        let Some((_, leaf)) = self.leaves.get_mut(at) else {
            return Err(Full);
        };
        upper.extend(leaf.drain(keep..));
        let first = upper.first().map_or(0, |entry| entry.0);
        self.leaves.insert(at + 1, (first, upper));
        Ok(())
    }

    /// Takes the entry at `key` out.
    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        let at = self.leaf_of(key);
        let (first, leaf) = self.leaves.get_mut(at)?;
        let index = leaf.binary_search_by_key(&key, |entry| entry.0).ok()?;
        let (_, value) = leaf.remove(index);
        self.length -= 1;
        match leaf.first() {
            Some(entry) => *first = entry.0,
            None => self.spare = Some(self.leaves.remove(at).1),
        }
        Some(value)
    }

    /// Makes an entry at `key` or above the first of its leaf, so that leaves can be dealt with as a whole.
    fn part(&mut self, key: u64) -> Result<(), Full> {
        let at = self.leaf_of(key);
        let Some((_, leaf)) = self.leaves.get(at) else {
            return Ok(());
        };
        let index = leaf.partition_point(|entry| entry.0 < key);
        if index == 0 || index == leaf.len() {
            return Ok(());
        }
        self.divide(at, index)
    }

    /// The first leaf whose entries are all at `key` or above, after [`Sorted::part`].
    fn leaf_from(&self, key: u64) -> usize {
        self.leaves.partition_point(|(first, _)| *first < key)
    }

    /// Gives the entries from `start` to `end` other keys, `start` becoming `to`, where there are no others, and changes
    /// their values.
    ///
    /// When there is no memory for that, nothing has changed.
    pub(crate) fn shift(
        &mut self,
        start: u64,
        end: u64,
        to: u64,
        mut change: impl FnMut(&mut V),
    ) -> Result<(), Full> {
        for key in [start, end, to] {
            self.part(key)?;
        }
        let moved = self.leaf_from(start)..self.leaf_from(end);
        let place = self.leaf_from(to);
        for (first, leaf) in self.leaves.get_mut(moved.clone()).unwrap_or_default() {
            *first = first.wrapping_sub(start).wrapping_add(to);
            for (key, value) in leaf {
                *key = key.wrapping_sub(start).wrapping_add(to);
                change(value);
            }
        }
        if place <= moved.start {
            let leaves = self.leaves.get_mut(place..moved.end);
            leaves.unwrap_or_default().rotate_right(moved.len());
        } else {
            let leaves = self.leaves.get_mut(moved.start..place);
            leaves.unwrap_or_default().rotate_left(moved.len());
        }
        Ok(())
    }

    /// The last key.
    pub(crate) fn last_key(&self) -> Option<u64> {
        let (_, leaf) = self.leaves.last()?;
        leaf.last().map(|entry| entry.0)
    }

    /// Takes the last entry out.
    pub(crate) fn pop(&mut self) -> Option<(u64, V)> {
        let (_, leaf) = self.leaves.last_mut()?;
        let entry = leaf.pop()?;
        self.length -= 1;
        if leaf.is_empty() {
            self.leaves.pop();
        }
        Some(entry)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        /// MEMORY0030: the table is what the standard library's map is, over many leaves.
        #[test]
        fn it_is_a_map(ops in prop::collection::vec((0..6u8, 0..400u64), 1..900)) {
            let mut table = Sorted::<[u64; 20]>::new();
            let mut model = BTreeMap::new();
            for (op, key) in ops {
                match op {
                    0..=2 => {
                        table.insert(key, [key; 20]).unwrap();
                        model.insert(key, [key; 20]);
                    }
                    3 => {
                        table.reserve(key).unwrap();
                        prop_assert_eq!(table.remove(key), model.remove(&key));
                    }
                    4 => {
                        let value = table.get_or_insert(key, || [1; 20]).unwrap();
                        prop_assert_eq!(value, model.entry(key).or_insert([1; 20]));
                    }
                    _ => {
                        if key < 20 {
                            prop_assert_eq!(table.pop(), model.pop_last());
                        }
                    }
                }
                prop_assert_eq!(table.get(key), model.get(&key));
                prop_assert_eq!(table.at_or_below(key), model.range(..=key).next_back().map(|(key, value)| (*key, value)));
                prop_assert_eq!(table.at_or_above(key), model.range(key..).next().map(|(key, value)| (*key, value)));
                prop_assert_eq!(table.len(), model.len());
            }
            let keys = |range: Vec<(u64, &[u64; 20])>| range.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
            for key in (0..400).step_by(7) {
                prop_assert_eq!(keys(table.entries(key).collect()), model.range(key..).map(|(key, _)| *key).collect::<Vec<_>>());
                prop_assert_eq!(keys(table.below(key).collect()), model.range(..key).rev().map(|(key, _)| *key).collect::<Vec<_>>());
                let changed: Vec<u64> = table.entries_mut(key).map(|(key, _)| key).collect();
                prop_assert_eq!(changed, model.range(key..).map(|(key, _)| *key).collect::<Vec<_>>());
            }
            prop_assert_eq!(table.last_key(), model.keys().next_back().copied());
        }

        /// MEMORY0045: giving a range other keys is what it is when it is done one by one.
        #[test]
        fn a_range_moves_as_a_whole(
            keys in prop::collection::btree_set(0..600u64, 0..200),
            start in 0..600u64, length in 0..600u64, to in 0..1400u64, later in prop::collection::vec(0..1400u64, 40),
        ) {
            let end = start + length;
            let mut table = Sorted::<[u64; 20]>::new();
            for key in &keys {
                table.insert(*key, [*key; 20]).unwrap();
            }
            let mut model: BTreeMap<u64, [u64; 20]> = keys.iter().map(|key| (*key, [*key; 20])).collect();
            let gone: Vec<u64> = keys.iter().copied().filter(|key| (to..to + length).contains(key) && !(start..end).contains(key)).collect();
            for key in gone {
                prop_assert_eq!(table.remove(key), model.remove(&key));
            }
            if to >= end || to + length <= start {
                table.shift(start, end, to, |value| value[1] = 7).unwrap();
                let moved: Vec<_> = model.extract_if(start..end, |_, _| true).collect();
                model.extend(moved.into_iter().map(|(key, mut value)| {
                    value[1] = 7;
                    (key - start + to, value)
                }));
            }
            let all = |table: &Sorted<[u64; 20]>| table.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>();
            prop_assert_eq!(all(&table), model.clone().into_iter().collect::<Vec<_>>());
            for key in later {
                table.insert(key, [key; 20]).unwrap();
                model.insert(key, [key; 20]);
                prop_assert_eq!(table.get(key), model.get(&key));
            }
            prop_assert_eq!(all(&table), model.into_iter().collect::<Vec<_>>());
        }
    }
}
