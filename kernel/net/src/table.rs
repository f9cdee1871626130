//! A hash table that grows in parts, so that no single insertion moves more than a part of what is in it.

use abi::Errno;
use alloc::vec::Vec;
use hashbrown::HashTable;

/// Values found by a hash and a question.
pub(crate) struct Table<T> {
    /// None at first, then [`PARTS`].
    parts: Vec<HashTable<T>>,
    hash: fn(&T) -> u64,
}

/// Of a table with as many values as there are ports, each part has a thousand.
const PARTS: usize = 64;

/// The part of a hash: by bits that the parts themselves do not look at first.
const fn part(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}

impl<T> Table<T> {
    /// An empty table of values that `hash` gives the hash of.
    pub const fn new(hash: fn(&T) -> u64) -> Self {
        Self {
            parts: Vec::new(),
            hash,
        }
    }

    /// The value with a hash that `is` the one.
    pub fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts.get(part(hash))?.find(hash, is)
    }

    /// The same, to be changed; its hash stays.
    pub fn find_mut(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.parts.get_mut(part(hash))?.find_mut(hash, is)
    }

    /// Takes a value out.
    pub fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<T> {
        let part = self.parts.get_mut(part(hash))?;
        let entry = part.find_entry(hash, is).ok()?;
        Some(entry.remove().0)
    }

    /// Has room for a value with a hash, which [`Table::insert`] then puts there.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn reserve(&mut self, hash: u64) -> Result<(), Errno> {
        if self.parts.is_empty() {
            self.parts
                .try_reserve_exact(PARTS)
                .map_err(|_| Errno::ENOMEM)?;
            self.parts.resize_with(PARTS, HashTable::new);
        }
        let part = self.parts.get_mut(part(hash)).ok_or(Errno::ENOMEM)?;
        part.try_reserve(1, self.hash).map_err(|_| Errno::ENOMEM)
    }

    /// Adds a value that is not there and for which there is room.
    pub fn insert(&mut self, value: T) {
        let hash = (self.hash)(&value);
        if let Some(part) = self.parts.get_mut(part(hash)) {
            part.insert_unique(hash, value, self.hash);
        }
    }

    /// All values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn hash(value: &u32) -> u64 {
        u64::from(*value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn values_are_spread_over_the_parts() {
        let mut table = Table::new(hash);
        for value in 0..64_000 {
            table.reserve(hash(&value)).unwrap();
            table.insert(value);
        }
        assert!(
            table
                .parts
                .iter()
                .all(|part| (500..2000).contains(&part.len()))
        );
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((0..500u32, any::<bool>()), 0..300)) {
            let (mut table, mut set) = (Table::new(hash), BTreeSet::new());
            for (value, adds) in steps {
                let present = table.find(hash(&value), |other| *other == value).is_some();
                prop_assert_eq!(present, set.contains(&value));
                if adds && !present {
                    table.reserve(hash(&value)).unwrap();
                    table.insert(value);
                    set.insert(value);
                } else if !adds {
                    let removed = table.remove(hash(&value), |other| *other == value);
                    prop_assert_eq!(removed.is_some(), set.remove(&value));
                }
            }
            prop_assert_eq!(table.len(), set.len());
            prop_assert_eq!(table.iter().copied().collect::<BTreeSet<_>>(), set);
        }
    }
}
