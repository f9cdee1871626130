//! Whom the weights rule: the classes of water-filling, kept up to date step by step.
//!
//! The ideal division of several CPUs gives everyone *level × weight*, but at least a minimum and at most what it
//! can use. Those whom the level gives more than they can use are **full**, those whom it gives less than their
//! minimum stand on their **floor**, the others are the **pool**, and the level is what full and floor leave of
//! the machine, divided by the pool's weights. (Max-min fairness: Bertsekas and Gallager, "Data Networks", 1992;
//! as readjustment of weights on multiprocessors: Chandra and others, "Surplus Fair Scheduling", OSDI 2000.)
//!
//! One can be full only while its bound divided by its weight is below the level, and on its floor only while
//! its minimum divided by its weight is above. So four trees ordered by these ratios show at their ends who
//! must change class next; one change moves the level, and the next looks again. Whoever can use the whole machine
//! and has no minimum is in none of them and costs nothing.
//!
//! Figures are in ten-thousandths of a CPU. It allocates only in [`Water::reserve`].

use crate::Refusal;
use crate::table::Table;
use crate::tree::{Nodes, Tree};

/// Bits of fraction in a ratio.
const FRACTION: u32 = 32;

/// How a member's part comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It wants nothing.
    Away,
    /// By its weight.
    Pool,
    /// It gets all that it can use.
    Full,
    /// By its minimum.
    Floor,
}

/// What one member wants, in ten-thousandths of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub weight: u32,
    pub least: u64,
    pub most: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    want: Want,
    class: Class,
}

/// The members and their classes.
#[derive(Debug)]
pub(crate) struct Water {
    entries: Table<Entry>,
    most_nodes: Nodes,
    least_nodes: Nodes,
    /// In the pool and bounded: who is filled first, first.
    bounded: Tree,
    /// Full, the one that comes back first, first: by the negative ratio.
    full: Tree,
    /// In the pool with a minimum: who falls to its floor first, first; by the negative ratio.
    lifted: Tree,
    /// On their floors, who is lifted first, first.
    floor: Tree,
    /// What full and floor leave.
    rest: i128,
    /// Sum of the pool's weights.
    load: i128,
    capacity: u64,
}

/// A part, which is no more than the whole of a machine, by a weight.
fn ratio(part: u64, weight: u32) -> i128 {
    // A division that a processor has.
    let part = part.min(u64::from(u32::MAX)) << FRACTION;
    i128::from(part / u64::from(weight.max(1)))
}

impl Water {
    pub fn new() -> Self {
        Self {
            entries: Table::new(),
            most_nodes: Nodes::default(),
            least_nodes: Nodes::default(),
            bounded: Tree::new(),
            full: Tree::new(),
            lifted: Tree::new(),
            floor: Tree::new(),
            rest: 0,
            load: 0,
            capacity: 0,
        }
    }

    /// Makes room for the indices below `count`.
    pub fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        self.most_nodes.reserve(count)?;
        self.least_nodes.reserve(count)?;
        self.entries.reserve(count, |_| Entry {
            want: Want {
                weight: 1,
                least: 0,
                most: 0,
            },
            class: Class::Away,
        })
    }

    /// The machine has so much.
    pub fn set_capacity(&mut self, capacity: u64) {
        self.rest += i128::from(capacity) - i128::from(self.capacity);
        self.capacity = capacity;
    }

    /// How the member's part comes about. One whose minimum is all that it can use is full at any level.
    pub fn class(&self, index: u32) -> Class {
        match self.entries.get(index as usize) {
            Some(Entry { want, class }) if *class == Class::Floor && want.least == want.most => {
                Class::Full
            }
            Some(entry) => entry.class,
            None => Class::Away,
        }
    }

    /// The member wants this from now on; who was away is in the pool first.
    pub fn set(&mut self, index: u32, want: Want) {
        let class = match self.entries.get(index as usize).map(|entry| entry.class) {
            None | Some(Class::Away) => Class::Pool,
            Some(class) => class,
        };
        self.put(index, want, class);
    }

    /// The member wants nothing.
    pub fn clear(&mut self, index: u32) {
        if let Some(entry) = self.entries.get(index as usize) {
            self.put(index, entry.want, Class::Away);
        }
    }

    fn put(&mut self, index: u32, want: Want, class: Class) {
        let capacity = self.capacity;
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        let before = *entry;
        if before.want == want && before.class == class {
            return;
        }
        *entry = Entry { want, class };
        match before.class {
            Class::Away => {}
            Class::Pool => {
                self.load -= i128::from(before.want.weight);
                self.bounded.remove(&mut self.most_nodes, index);
                self.lifted.remove(&mut self.least_nodes, index);
            }
            Class::Full => {
                self.rest += i128::from(before.want.most);
                self.full.remove(&mut self.most_nodes, index);
            }
            Class::Floor => {
                self.rest += i128::from(before.want.least);
                self.floor.remove(&mut self.least_nodes, index);
            }
        }
        let (most, least) = (
            ratio(want.most, want.weight),
            ratio(want.least, want.weight),
        );
        match class {
            Class::Away => {}
            Class::Pool => {
                self.load += i128::from(want.weight);
                if want.most < capacity {
                    self.bounded.insert(&mut self.most_nodes, index, most, 0);
                }
                if want.least > 0 {
                    self.lifted.insert(&mut self.least_nodes, index, -least, 0);
                }
            }
            Class::Full => {
                self.rest -= i128::from(want.most);
                self.full.insert(&mut self.most_nodes, index, -most, 0);
            }
            Class::Floor => {
                self.rest -= i128::from(want.least);
                self.floor.insert(&mut self.least_nodes, index, least, 0);
            }
        }
    }

    /// Whether the level is above this ratio.
    fn above(&self, ratio: i128) -> bool {
        if self.load == 0 {
            // An empty pool: everyone can have all of it, or there is too little even for those who need no more.
            self.rest >= 0
        } else {
            ratio.saturating_mul(self.load) < self.rest << FRACTION
        }
    }

    /// What full and floor leave to the pool, in ten-thousandths of a CPU.
    pub fn rest(&self) -> u64 {
        u64::try_from(self.rest).unwrap_or(0)
    }

    /// What a member of the pool with this weight gets, in ten-thousandths of a CPU.
    pub fn rate(&self, weight: u32) -> u64 {
        if self.load <= 0 {
            return 0;
        }
        u64::try_from(self.rest * i128::from(weight) / self.load).unwrap_or(0)
    }

    /// Whether that is at least so much.
    pub fn gives(&self, weight: u32, least: u64) -> bool {
        self.load > 0 && self.rest * i128::from(weight) >= i128::from(least) * self.load
    }

    /// Changes the class of one member that is in the wrong one, and says which; `None`: all is right.
    pub fn step(&mut self) -> Option<u32> {
        let (index, class) = self.wrong()?;
        let want = self.entries.get(index as usize)?.want;
        self.put(index, want, class);
        Some(index)
    }

    fn wrong(&self) -> Option<(u32, Class)> {
        if let Some((index, ratio)) = self.bounded.first(&self.most_nodes)
            && self.above(ratio)
        {
            return Some((index, Class::Full));
        }
        if let Some((index, ratio)) = self.full.first(&self.most_nodes)
            && !self.above(-ratio)
        {
            return Some((index, Class::Pool));
        }
        if let Some((index, ratio)) = self.lifted.first(&self.least_nodes)
            && !self.above(-ratio)
        {
            return Some((index, Class::Floor));
        }
        if let Some((index, ratio)) = self.floor.first(&self.least_nodes)
            && self.above(ratio)
        {
            return Some((index, Class::Pool));
        }
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const CAPACITY: u64 = 40_000;

    fn parts(wants: &[Want]) -> (f64, Vec<f64>) {
        let part = |level: f64, want: &Want| {
            (level * f64::from(want.weight))
                .max(want.least as f64)
                .min(want.most as f64)
        };
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..200 {
            let middle = (low + high) / 2.0;
            let given: f64 = wants.iter().map(|want| part(middle, want)).sum();
            if given < CAPACITY as f64 {
                low = middle;
            } else {
                high = middle;
            }
        }
        (high, wants.iter().map(|want| part(high, want)).collect())
    }

    proptest! {
        /// SCHED0004: after any changes the classes are those of water-filling, and the level follows from them.
        #[test]
        fn sched0004_classes_are_those_of_water_filling(
            changes in proptest::collection::vec(
                (0u32..12, proptest::option::of((1u32..300, 0u64..3_000, 1u64..60_000))), 1..60),
        ) {
            let mut water = Water::new();
            water.reserve(12).expect("the host has memory");
            water.set_capacity(CAPACITY);
            let mut model: Vec<Option<Want>> = alloc::vec![None; 12];
            for (index, change) in changes {
                match change {
                    Some((weight, least, most)) => {
                        let want = Want { weight, least: least.min(most), most };
                        water.set(index, want);
                        model[index as usize] = Some(want);
                    }
                    None => {
                        water.clear(index);
                        model[index as usize] = None;
                    }
                }
                let mut steps = 0;
                while water.step().is_some() {
                    steps += 1;
                    prop_assert!(steps < 200, "it does not come to rest");
                }
                let wants: Vec<Want> = model.iter().flatten().copied().collect();
                let enough = wants.iter().map(|want| want.most).sum::<u64>() <= CAPACITY;
                let (level, ideal) = parts(&wants);
                let mut given = ideal.into_iter();
                for (index, want) in (0u32..).zip(&model) {
                    let class = water.class(index);
                    let Some(want) = want else {
                        prop_assert_eq!(class, Class::Away);
                        continue;
                    };
                    let part = given.next().expect("one for each");
                    let found = match class {
                        Class::Away => 0.0,
                        Class::Full => want.most as f64,
                        Class::Floor => want.least as f64,
                        Class::Pool if enough => want.most as f64,
                        Class::Pool => level * f64::from(want.weight),
                    };
                    prop_assert!((found - part).abs() < 1.0, "{:?} {:?}: {} not {}", want, class, found, part);
                }
            }
        }
    }
}
