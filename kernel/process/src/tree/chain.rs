//! Chains of children through the processes themselves: to join one takes no memory, so nothing about them can fail.

use super::Node;
use abi::Pid;
use alloc::boxed::Box;
use fallible::Map;

/// What a parent has a chain of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    /// All its children, the youngest last.
    Children,
    /// Those that have something to report, the latest last.
    Reporting,
}

/// The two ends of a chain, kept by the parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    first: Option<Pid>,
    last: Option<Pid>,
}

/// The neighbours in a chain, kept by each child in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    before: Option<Pid>,
    after: Option<Pid>,
}

/// One place for each [`Kin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Both<C> {
    children: C,
    reporting: C,
}

impl<C> Both<C> {
    const fn of(&self, kin: Kin) -> &C {
        match kin {
            Kin::Children => &self.children,
            Kin::Reporting => &self.reporting,
        }
    }

    const fn of_mut(&mut self, kin: Kin) -> &mut C {
        match kin {
            Kin::Children => &mut self.children,
            Kin::Reporting => &mut self.reporting,
        }
    }
}

/// All processes of a tree.
pub(super) type Nodes = Map<Pid, Box<Node>>;

impl Node {
    /// The first in a chain of this process.
    pub(super) fn first(&self, kin: Kin) -> Option<Pid> {
        self.chains.of(kin).first
    }
}

/// Those in a chain of `parent`.
pub(super) fn iter(nodes: &Nodes, parent: Pid, kin: Kin) -> impl Iterator<Item = Pid> + '_ {
    let first = nodes.get(&parent).and_then(|node| node.first(kin));
    core::iter::successors(first, move |pid| nodes.get(pid)?.links.of(kin).after)
}

/// Puts `child`, which is in no chain of this kind, at the end of `parent`'s.
pub(super) fn append(nodes: &mut Nodes, parent: Pid, kin: Kin, child: Pid) {
    let Some(ends) = nodes.get_mut(&parent).map(|node| node.chains.of_mut(kin)) else {
        return;
    };
    let before = ends.last.replace(child);
    if before.is_none() {
        ends.first = Some(child);
    }
    if let Some(node) = before.and_then(|before| nodes.get_mut(&before)) {
        node.links.of_mut(kin).after = Some(child);
    }
    if let Some(node) = nodes.get_mut(&child) {
        *node.links.of_mut(kin) = Link {
            before,
            after: None,
        };
    }
}

/// Takes `child` out of the chain of `parent` that it is in.
pub(super) fn remove(nodes: &mut Nodes, parent: Pid, kin: Kin, child: Pid) {
    let Some(node) = nodes.get_mut(&child) else {
        return;
    };
    let Link { before, after } = core::mem::take(node.links.of_mut(kin));
    match before.and_then(|before| nodes.get_mut(&before)) {
        Some(node) => node.links.of_mut(kin).after = after,
        None => {
            if let Some(node) = nodes.get_mut(&parent) {
                node.chains.of_mut(kin).first = after;
            }
        }
    }
    match after.and_then(|after| nodes.get_mut(&after)) {
        Some(node) => node.links.of_mut(kin).before = before,
        None => {
            if let Some(node) = nodes.get_mut(&parent) {
                node.chains.of_mut(kin).last = before;
            }
        }
    }
}
