//! An ordered tree whose nodes live in a table that is reserved beforehand, so that nothing is allocated
//! while the scheduler decides.
//!
//! It is a treap (Seidel and Aragon, "Randomized Search Trees", 1996): ordered by `key`, then by index, and
//! a heap by a pseudo-random priority, so operations take O(log n) expected steps whatever the order of
//! insertions. Every node also carries a `rank`, and every subtree the least rank in it; with that
//! [`Tree::least_rank`] finds the least rank among the nodes up to a key, which is the question that a
//! scheduler with eligible times and deadlines asks. It also says on which CPUs it may be chosen, and a subtree on which
//! any of it may: threads that are bound to other CPUs are passed over without a look at each.
//!
//! Several trees may share one [`Nodes`] as long as an index is in one of them at most.

use crate::Refusal;
use crate::table::Table;

const NIL: u32 = u32::MAX;

/// CPUs on which a node may be chosen, one bit each.
pub(crate) type Places = u16;

/// It may be chosen anywhere.
pub(crate) const ANYWHERE: Places = Places::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    key: i128,
    rank: i128,
    least: i128,
    priority: u32,
    left: u32,
    right: u32,
    /// Where it may be chosen; nowhere while it is in no tree.
    places: Places,
    /// Where any of its subtree may.
    below: Places,
}

impl Node {
    fn linked(&self) -> bool {
        self.places != 0
    }
}

/// The table of nodes, by index.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    nodes: Table<Node>,
}

/// One tree over a table of nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    root: u32,
}

impl Nodes {
    /// Makes room for the indices below `count`.
    pub fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        self.nodes.reserve(count, |index| {
            // A multiplicative hash spreads neighbouring indices; the tree needs no secrecy.
            let priority = (index as u32).wrapping_add(1).wrapping_mul(0x9E37_79B1);
            let priority = (priority ^ (priority >> 15)).wrapping_mul(0x85EB_CA77);
            let priority = priority ^ (priority >> 13);
            Node {
                key: 0,
                rank: 0,
                least: 0,
                priority,
                left: NIL,
                right: NIL,
                places: 0,
                below: 0,
            }
        })
    }

    /// Whether `index` is in a tree.
    pub fn linked(&self, index: u32) -> bool {
        self.get(index).is_some_and(Node::linked)
    }

    fn get(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Node> {
        self.nodes.get_mut(index as usize)
    }

    fn refresh(&mut self, index: u32) {
        let Some(node) = self.get(index) else { return };
        let (mut least, mut below) = (node.rank, node.places);
        for child in [node.left, node.right] {
            if let Some(child) = self.get(child) {
                least = least.min(child.least);
                below |= child.below;
            }
        }
        if let Some(node) = self.get_mut(index) {
            node.least = least;
            node.below = below;
        }
    }

    /// Puts `index`, whose node is filled in, under `root`: below the nodes of higher priority.
    fn add(&mut self, root: u32, index: u32) -> u32 {
        let Some(&Node {
            key,
            rank,
            priority,
            places,
            ..
        }) = self.get(index)
        else {
            return root;
        };
        let (mut above, mut at) = (None, root);
        while let Some(node) = self.get_mut(at).filter(|node| priority <= node.priority) {
            // One more below: the least rank can only fall.
            node.least = node.least.min(rank);
            node.below |= places;
            let before = (key, index) < (node.key, at);
            above = Some((at, before));
            at = if before { node.left } else { node.right };
        }
        if at != NIL {
            let (left, right) = self.split(at, key, index);
            if let Some(new) = self.get_mut(index) {
                new.left = left;
                new.right = right;
            }
            self.refresh(index);
        }
        self.hang(root, above, index)
    }

    /// Hangs `child` below `above`, on the side before or after it, in the place of what is there; without it `child` is the
    /// root. Answers the root.
    fn hang(&mut self, root: u32, above: Option<(u32, bool)>, child: u32) -> u32 {
        let Some((above, before)) = above else {
            return child;
        };
        if let Some(node) = self.get_mut(above) {
            if before {
                node.left = child;
            } else {
                node.right = child;
            }
        }
        root
    }

    /// Cuts `root` into the nodes before (`key`, `index`) and the rest.
    fn split(&mut self, root: u32, key: i128, index: u32) -> (u32, u32) {
        let Some(node) = self.get(root) else {
            return (NIL, NIL);
        };
        if (node.key, root) < (key, index) {
            let (before, rest) = self.split(node.right, key, index);
            if let Some(node) = self.get_mut(root) {
                node.right = before;
            }
            self.refresh(root);
            (root, rest)
        } else {
            let (before, rest) = self.split(node.left, key, index);
            if let Some(node) = self.get_mut(root) {
                node.left = rest;
            }
            self.refresh(root);
            (before, root)
        }
    }

    /// Joins two trees, all of `before` being before all of `after`.
    fn merge(&mut self, before: u32, after: u32) -> u32 {
        let (Some(left), Some(right)) = (self.get(before).copied(), self.get(after).copied())
        else {
            return if before == NIL { after } else { before };
        };
        if left.priority >= right.priority {
            let joined = self.merge(left.right, after);
            if let Some(node) = self.get_mut(before) {
                node.right = joined;
            }
            self.refresh(before);
            before
        } else {
            let joined = self.merge(before, right.left);
            if let Some(node) = self.get_mut(after) {
                node.left = joined;
            }
            self.refresh(after);
            after
        }
    }

    /// Takes `index` out from under `root`, where it stands by its key.
    fn cut(&mut self, root: u32, index: u32, key: i128, rank: i128) -> u32 {
        let (mut above, mut at) = (None, root);
        // Who has somebody of less rank below, and may be chosen where any of them may, notices nothing.
        while at != index
            && let Some(node) = self.get(at)
            && node.least < rank
            && node.places == node.below
        {
            let before = (key, index) < (node.key, at);
            above = Some((at, before));
            at = if before { node.left } else { node.right };
        }
        let rest = self.cut_noticed(at, index, key);
        self.hang(root, above, rest)
    }

    /// The same where every node on the way is to be refreshed.
    fn cut_noticed(&mut self, root: u32, index: u32, key: i128) -> u32 {
        let Some(node) = self.get(root) else {
            return NIL;
        };
        if root == index {
            return match (node.left, node.right) {
                (NIL, rest) | (rest, NIL) => rest,
                (before, after) => self.merge(before, after),
            };
        }
        let before = (key, index) < (node.key, root);
        let below = if before { node.left } else { node.right };
        let child = self.cut_noticed(below, index, key);
        self.hang(root, Some((root, before)), child);
        self.refresh(root);
        root
    }
}

impl Tree {
    /// An empty tree.
    pub const fn new() -> Self {
        Self { root: NIL }
    }

    /// Puts `index` in, to be chosen anywhere; one that is linked already, or for which no room was reserved, stays as it is.
    pub fn insert(&mut self, nodes: &mut Nodes, index: u32, key: i128, rank: i128) {
        self.insert_at(nodes, index, key, rank, ANYWHERE);
    }

    /// As [`insert`](Tree::insert), to be chosen at `places` only, which are some.
    pub fn insert_at(
        &mut self,
        nodes: &mut Nodes,
        index: u32,
        key: i128,
        rank: i128,
        places: Places,
    ) {
        match nodes.get_mut(index) {
            Some(node) if !node.linked() => {
                *node = Node {
                    key,
                    rank,
                    least: rank,
                    priority: node.priority,
                    left: NIL,
                    right: NIL,
                    places,
                    below: places,
                };
            }
            _ => return,
        }
        self.root = nodes.add(self.root, index);
    }

    /// Takes `index` out, if it is in.
    #[inline]
    pub fn remove(&mut self, nodes: &mut Nodes, index: u32) {
        if nodes.linked(index) {
            self.unlink(nodes, index);
        }
    }

    fn unlink(&mut self, nodes: &mut Nodes, index: u32) {
        let Some(node) = nodes.get_mut(index) else {
            return;
        };
        node.places = 0;
        let (key, rank) = (node.key, node.rank);
        self.root = nodes.cut(self.root, index, key, rank);
    }

    /// The first node and its key.
    pub fn first(&self, nodes: &Nodes) -> Option<(u32, i128)> {
        let mut index = self.root;
        let mut found = None;
        while let Some(node) = nodes.get(index) {
            found = Some((index, node.key));
            index = node.left;
        }
        found
    }

    /// Where any of the nodes may be chosen.
    pub fn places(&self, nodes: &Nodes) -> Places {
        nodes.get(self.root).map_or(0, |node| node.below)
    }

    /// The first node in order that `may` accepts.
    pub fn first_that(&self, nodes: &Nodes, may: &dyn Fn(u32) -> bool) -> Option<u32> {
        self.first_at(nodes, ANYWHERE, may)
    }

    /// The first node in order that may be chosen at one of `places` and that `may` accepts.
    pub fn first_at(
        &self,
        nodes: &Nodes,
        places: Places,
        may: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        fn visit(
            nodes: &Nodes,
            index: u32,
            places: Places,
            may: &dyn Fn(u32) -> bool,
        ) -> Option<u32> {
            let node = nodes.get(index).filter(|node| node.below & places != 0)?;
            visit(nodes, node.left, places, may)
                .or_else(|| (node.places & places != 0 && may(index)).then_some(index))
                .or_else(|| visit(nodes, node.right, places, may))
        }
        visit(nodes, self.root, places, may)
    }

    /// The node of least rank among those that `within` accepts by key, `may` by index, and that may be chosen at one of
    /// `places`. `within` must be true up to some key and false after it.
    pub fn least_rank(
        &self,
        nodes: &Nodes,
        places: Places,
        within: &dyn Fn(i128) -> bool,
        may: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut search = Search {
            nodes,
            places,
            within,
            may,
            best: None,
        };
        search.visit(self.root);
        search.best.map(|(_, index)| index)
    }
}

struct Search<'a> {
    nodes: &'a Nodes,
    places: Places,
    within: &'a dyn Fn(i128) -> bool,
    may: &'a dyn Fn(u32) -> bool,
    best: Option<(i128, u32)>,
}

impl Search<'_> {
    fn visit(&mut self, mut index: u32) {
        while let Some(node) = self.nodes.get(index) {
            if node.below & self.places == 0
                || self.best.is_some_and(|(rank, _)| node.least >= rank)
            {
                return;
            }
            if !(self.within)(node.key) {
                index = node.left;
                continue;
            }
            if node.places & self.places != 0
                && self.best.is_none_or(|(rank, _)| node.rank < rank)
                && (self.may)(index)
            {
                self.best = Some((node.rank, index));
            }
            let least = |child: u32| self.nodes.get(child).map_or(i128::MAX, |node| node.least);
            // The more promising side first: then the other is mostly not entered at all.
            let (first, second) = if least(node.left) <= least(node.right) {
                (node.left, node.right)
            } else {
                (node.right, node.left)
            };
            if first != NIL {
                self.visit(first);
            }
            index = second;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        /// SCHED0001: the tree answers as a sorted table does, after any insertions and removals.
        #[test]
        fn sched0001_tree_answers_as_a_sorted_table(
            steps in proptest::collection::vec(
                (0u32..64, any::<bool>(), -50i128..50, -50i128..50, 1u16..),
                1..200,
            ),
            limit in -60i128..60, mask in any::<u64>(), at in any::<u16>(),
        ) {
            let mut nodes = Nodes::default();
            nodes.reserve(64).expect("the host has memory");
            let mut tree = Tree::new();
            let mut model: BTreeMap<u32, (i128, i128, u16)> = BTreeMap::new();
            for (index, insert, key, rank, places) in steps {
                if insert {
                    tree.insert_at(&mut nodes, index, key, rank, places);
                    model.entry(index).or_insert((key, rank, places));
                } else {
                    tree.remove(&mut nodes, index);
                    model.remove(&index);
                }
                prop_assert_eq!(nodes.linked(index), model.contains_key(&index));
                let first = model.iter().map(|(&i, &(k, ..))| (k, i)).min().map(|(k, i)| (i, k));
                prop_assert_eq!(tree.first(&nodes), first);
                let may = |index: u32| mask >> index & 1 == 1;
                let found = tree.least_rank(&nodes, at, &|key| key <= limit, &may).map(|i| model[&i].1);
                let expected = model
                    .iter()
                    .filter(|&(&i, &(k, _, p))| k <= limit && p & at != 0 && may(i))
                    .map(|(_, &(_, r, _))| r)
                    .min();
                prop_assert_eq!(found, expected);
                let everywhere = model.values().fold(0, |all, &(_, _, p)| all | p);
                prop_assert_eq!(tree.places(&nodes), everywhere);
                let first = tree.first_at(&nodes, at, &may);
                let expected = model
                    .iter()
                    .filter(|&(&i, &(_, _, p))| p & at != 0 && may(i))
                    .map(|(&i, &(k, ..))| (k, i))
                    .min();
                prop_assert_eq!(first, expected.map(|(_, i)| i));
            }
        }
    }
}
