//! A sorted map whose insertions can fail.
//!
//! Two levels: a list of leaves, each a sorted list of at most about 1 KiB of entries. A lookup is two binary searches; an
//! insertion moves at most one leaf's entries and, rarely, the list of leaves.

use crate::{NoMemory, Push};
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::ops::{Bound, RangeBounds};

/// A leaf, and a place in it. The end of the map is the leaf that would follow the last one.
type Place = (usize, usize);

/// The map. No leaf is ever empty.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    leaves: Vec<Vec<(K, V)>>,
    length: usize,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Map<K, V> {
    /// Entries in a leaf.
    const LEAF: usize = {
        let fitting = 1024 / (size_of::<(K, V)>() + 1);
        if fitting < 8 { 8 } else { fitting }
    };

    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            leaves: Vec::new(),
            length: 0,
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn at(&self, (leaf, index): Place) -> Option<&(K, V)> {
        self.leaves.get(leaf)?.get(index)
    }

    /// The same place, at the start of the next leaf rather than at the end of one.
    fn normal(&self, (leaf, index): Place) -> Place {
        match self.leaves.get(leaf) {
            Some(entries) if index < entries.len() => (leaf, index),
            Some(_) => (leaf + 1, 0),
            None => (leaf, 0),
        }
    }

    /// All entries, ascending.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter {
            map: self,
            front: (0, 0),
            back: (self.leaves.len(), 0),
        }
    }

    /// All entries, ascending, to be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        let leaves = self.leaves.iter_mut();
        leaves
            .flat_map(|leaf| leaf.iter_mut())
            .map(|(key, value)| (&*key, value))
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The entry with the least key.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the greatest key.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }

    /// Takes the entry with the least key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| self.take((0, 0)))?
    }

    /// Takes the last entry out.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let leaf = self.leaves.len().checked_sub(1)?;
        let index = self.leaves.get(leaf)?.len().checked_sub(1)?;
        self.take((leaf, index))
    }

    /// Drops all entries and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Drops the entries that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let mut left = 0;
        self.leaves.retain_mut(|leaf| {
            leaf.retain_mut(|(key, value)| keep(key, value));
            left += leaf.len();
            !leaf.is_empty()
        });
        self.length = left;
    }

    fn take(&mut self, (leaf, index): Place) -> Option<(K, V)> {
        let entries = self.leaves.get_mut(leaf)?;
        if index >= entries.len() {
            return None;
        }
        let entry = entries.remove(index);
        self.length -= 1;
        if entries.is_empty() {
            self.leaves.remove(leaf);
        }
        if self.length == 0 {
            // An empty map keeps nothing: there are many of them.
            self.leaves = Vec::new();
        }
        Some(entry)
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where the first entry is whose key is not `below`.
    fn partition(&self, below: impl Fn(&K) -> bool) -> Place {
        let leaf = self
            .leaves
            .partition_point(|leaf| leaf.last().is_some_and(|(key, _)| below(key)));
        let index = self
            .leaves
            .get(leaf)
            .map_or(0, |entries| entries.partition_point(|(key, _)| below(key)));
        (leaf, index)
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        let place = self.partition(|other| other.borrow() < key);
        match self.at(place) {
            Some((found, _)) if found.borrow() == key => Ok(place),
            _ => Err(place),
        }
    }

    /// The value at `key`.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        self.at(place).map(|(_, value)| value)
    }

    /// The value at `key`, to be changed.
    #[must_use]
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (leaf, index) = self.find(key).ok()?;
        let entry = self.leaves.get_mut(leaf)?.get_mut(index)?;
        Some(&mut entry.1)
    }

    /// Whether there is a value at `key`.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The entries whose keys are in `range`, ascending.
    pub fn range<Q: Ord + ?Sized>(&self, range: impl RangeBounds<Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let front = match range.start_bound() {
            Bound::Unbounded => (0, 0),
            Bound::Included(key) => self.partition(|other| other.borrow() < key),
            Bound::Excluded(key) => self.partition(|other| other.borrow() <= key),
        };
        let back = match range.end_bound() {
            Bound::Unbounded => (self.leaves.len(), 0),
            Bound::Included(key) => self.partition(|other| other.borrow() <= key),
            Bound::Excluded(key) => self.partition(|other| other.borrow() < key),
        };
        Iter {
            map: self,
            front: self.normal(front),
            back: self.normal(back).max(self.normal(front)),
        }
    }

    /// Puts `value` at `key` and answers what was there.
    ///
    /// # Errors
    /// [`NoMemory`]; key and value are dropped, the map is as it was.
    pub fn insert(&mut self, key: K, value: V) -> Result<Option<V>, NoMemory> {
        let (mut leaf, mut index) = match self.find(&key) {
            Ok((leaf, index)) => {
                let entry = self
                    .leaves
                    .get_mut(leaf)
                    .and_then(|leaf| leaf.get_mut(index));
                return Ok(entry.map(|entry| core::mem::replace(&mut entry.1, value)));
            }
            Err(place) => place,
        };
        if leaf == self.leaves.len() && leaf > 0 {
            // Beyond all entries: at the end of the last leaf.
            leaf -= 1;
            index = self.leaves.last().map_or(0, Vec::len);
        }
        if self
            .leaves
            .get(leaf)
            .is_some_and(|entries| entries.len() >= Self::LEAF)
        {
            (leaf, index) = self.split(leaf, index)?;
        }
        match self.leaves.get_mut(leaf) {
            Some(entries) => {
                entries.try_reserve(1)?;
                entries.insert(index, (key, value));
            }
            None => {
                let first = crate::of_one((key, value))?;
                self.leaves.try_push(first)?;
            }
        }
        self.length += 1;
        Ok(None)
    }

    /// Divides a full leaf, and answers where in its parts `index` is. Ascending insertions leave full leaves behind.
    fn split(&mut self, leaf: usize, index: usize) -> Result<Place, NoMemory> {
        self.leaves.try_reserve(1)?;
        let Some(entries) = self.leaves.get_mut(leaf) else {
            return Err(NoMemory);
        };
        let keep = if index == entries.len() {
            entries.len() - 1
        } else {
            entries.len() / 2
        };
        let mut upper = crate::list(Self::LEAF)?;
        upper.extend(entries.drain(keep..));
        self.leaves.insert(leaf + 1, upper);
        Ok(if index > keep {
            (leaf + 1, index - keep)
        } else {
            (leaf, index)
        })
    }

    /// The value at `key`, put there from `make` when there is none.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn get_or_insert_with(
        &mut self,
        key: K,
        make: impl FnOnce() -> V,
    ) -> Result<&mut V, NoMemory>
    where
        K: Clone,
    {
        if !self.contains_key(&key) {
            self.insert(key.clone(), make())?;
        }
        self.get_mut(&key).ok_or(NoMemory)
    }

    /// Drops the entries from `key` on, and answers how many there were.
    pub fn truncate<Q: Ord + ?Sized>(&mut self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let before = self.length;
        let (leaf, index) = self.partition(|other| other.borrow() < key);
        if let Some(entries) = self.leaves.get_mut(leaf) {
            entries.truncate(index);
            self.leaves.truncate(leaf + usize::from(index > 0));
        }
        self.length = self.leaves.iter().map(Vec::len).sum();
        if self.length == 0 {
            self.leaves = Vec::new();
        }
        before - self.length
    }

    /// Takes the entries from `key` on out, without going through them one by one.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing has changed then.
    pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Result<Self, NoMemory>
    where
        K: Borrow<Q>,
    {
        let (leaf, index) = self.partition(|other| other.borrow() < key);
        if (leaf, index) == (0, 0) {
            return Ok(core::mem::take(self));
        }
        let mut taken = Self::new();
        let count = self.leaves.len() - leaf;
        let Some(entries) = self.leaves.get_mut(leaf) else {
            return Ok(taken);
        };
        taken.leaves.try_reserve_exact(count)?;
        let mut whole = leaf;
        if index > 0 {
            let mut part = crate::list(entries.len() - index)?;
            part.extend(entries.drain(index..));
            taken.leaves.push(part);
            whole += 1;
        }
        taken.leaves.extend(self.leaves.drain(whole..));
        taken.length = taken.leaves.iter().map(Vec::len).sum();
        self.length -= taken.length;
        Ok(taken)
    }

    /// Takes the value at `key` out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        self.take(place).map(|(_, value)| value)
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = core::iter::Flatten<alloc::vec::IntoIter<Vec<(K, V)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.leaves.into_iter().flatten()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Entries of a map, from both ends.
#[derive(Debug)]
pub struct Iter<'a, K, V> {
    map: &'a Map<K, V>,
    front: Place,
    back: Place,
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (key, value) = self.map.at(self.front)?;
        self.front = self.map.normal((self.front.0, self.front.1 + 1));
        Some((key, value))
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = match self.back {
            (leaf, 0) => {
                let before = leaf.checked_sub(1)?;
                (before, self.map.leaves.get(before)?.len() - 1)
            }
            (leaf, index) => (leaf, index - 1),
        };
        let (key, value) = self.map.at(self.back)?;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::Map;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// Large values make leaves of eight entries, so that they are split and emptied.
        #[test]
        fn it_does_what_the_library_s_map_does(
            steps in prop::collection::vec((0..3u8, 0..200u16, 0..200u16), 1..600),
        ) {
            let mut map = Map::<u16, [u64; 20]>::new();
            let mut model = BTreeMap::new();
            for (step, key, other) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(map.insert(key, [u64::from(other); 20]), Ok(model.insert(key, [u64::from(other); 20]))),
                    _ => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.get(&other), model.get(&other));
                prop_assert_eq!(map.first_key_value(), model.first_key_value());
                prop_assert_eq!(map.last_key_value(), model.last_key_value());
                let (low, high) = (key.min(other), key.max(other));
                let both: Vec<_> = map.range(low..high).collect();
                prop_assert_eq!(&both, &model.range(low..high).collect::<Vec<_>>());
                prop_assert_eq!(map.range(low..=high).rev().collect::<Vec<_>>(), model.range(low..=high).rev().collect::<Vec<_>>());
                prop_assert!(map.leaves.iter().all(|leaf| !leaf.is_empty()));
            }
            prop_assert_eq!(map.keys().copied().collect::<Vec<_>>(), model.keys().copied().collect::<Vec<_>>());
            let (taken, of_model) = (map.split_off(&170), model.split_off(&170));
            prop_assert_eq!(taken.as_ref().map(Map::len), Ok(of_model.len()));
            prop_assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), of_model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(map.truncate(&150), model.split_off(&150).len());
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(map.pop_last(), model.pop_last());
            map.retain(|key, _| key % 3 == 0);
            model.retain(|key, _| key % 3 == 0);
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(map.into_iter().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn it_is_read_from_both_ends(count in 0..40u16, order in prop::collection::vec(any::<bool>(), 45)) {
            let mut map = Map::<u16, [u64; 20]>::new();
            for key in 0..count {
                prop_assert_eq!(map.insert(key, [0; 20]), Ok(None));
            }
            let (mut keys, mut model) = (map.keys(), 0..count);
            for front in order {
                if front {
                    prop_assert_eq!(keys.next().copied(), model.next());
                } else {
                    prop_assert_eq!(keys.next_back().copied(), model.next_back());
                }
            }
        }
    }
}
