//! The watchdog's queue: partitions that wait and run nowhere, the one looked at longest ago first.
//!
//! A doubly linked list through a table that is reserved beforehand, so starting and ending a watch, which
//! happens at every switch, takes the same few steps however many wait.

use crate::Refusal;
use crate::table::Table;
use abi::{Cid, Ticks};

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    before: Option<u16>,
    after: Option<u16>,
    linked: bool,
    looked_at: Ticks,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    links: Table<Link>,
    first: Option<u16>,
    last: Option<u16>,
}

impl Watch {
    /// Makes room for the cids below `count`.
    pub fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        self.links.reserve(count, |_| Link::default())
    }

    pub fn contains(&self, cid: Cid) -> bool {
        self.links
            .get(usize::from(cid.0))
            .is_some_and(|link| link.linked)
    }

    /// The partition looked at longest ago, and when that was.
    pub fn first(&self) -> Option<(Cid, Ticks)> {
        let first = self.first?;
        let link = self.links.get(usize::from(first))?;
        Some((Cid(first), link.looked_at))
    }

    fn link(&mut self, number: Option<u16>) -> Option<&mut Link> {
        self.links.get_mut(usize::from(number?))
    }

    /// Puts a partition that is not in it at the end, as looked at `now`.
    pub fn push(&mut self, cid: Cid, now: Ticks) {
        let last = self.last;
        match self.link(Some(cid.0)) {
            Some(link) if !link.linked => {
                *link = Link {
                    before: last,
                    after: None,
                    linked: true,
                    looked_at: now,
                };
            }
            _ => return,
        }
        match self.link(last) {
            Some(link) => link.after = Some(cid.0),
            None => self.first = Some(cid.0),
        }
        self.last = Some(cid.0);
    }

    /// Takes a partition out, if it is in.
    pub fn remove(&mut self, cid: Cid) {
        let Some(link) = self.link(Some(cid.0)).filter(|link| link.linked) else {
            return;
        };
        let Link { before, after, .. } = core::mem::take(link);
        match self.link(before) {
            Some(link) => link.after = after,
            None => self.first = after,
        }
        match self.link(after) {
            Some(link) => link.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// SCHED0002: the queue keeps the order of arrival through any removals.
        #[test]
        fn sched0002_watch_is_a_queue(steps in proptest::collection::vec((0u16..9, any::<bool>()), 1..80)) {
            let mut watch = Watch::default();
            watch.reserve(9).expect("the host has memory");
            let mut model: Vec<(Cid, Ticks)> = Vec::new();
            for (time, (number, push)) in (0u64..).zip(steps) {
                let (cid, now) = (Cid(number), Ticks(time));
                let present = model.iter().any(|&(other, _)| other == cid);
                if push {
                    watch.push(cid, now);
                    if !present {
                        model.push((cid, now));
                    }
                } else {
                    watch.remove(cid);
                    model.retain(|&(other, _)| other != cid);
                }
                prop_assert_eq!(watch.contains(cid), push);
                prop_assert_eq!(watch.first(), model.first().copied());
            }
            for expected in model {
                prop_assert_eq!(watch.first(), Some(expected));
                watch.remove(expected.0);
            }
            prop_assert_eq!(watch.first(), None);
        }
    }
}
