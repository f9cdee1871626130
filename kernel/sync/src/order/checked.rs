//! The checks themselves.

use crate::Rank;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Which locks one CPU holds. Only that CPU reads and writes it.
#[derive(Debug)]
pub struct Ledger {
    held: [AtomicU8; Rank::ALL.len()],
    /// The order has been violated: the report of that takes locks too, and must not be stopped by a second violation.
    broken: AtomicBool,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// The ledger of a CPU that holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: [const { AtomicU8::new(0) }; Rank::ALL.len()],
            broken: AtomicBool::new(false),
        }
    }

    fn add(&self, rank: Rank, change: i8) {
        if let Some(count) = self.held.get(rank as usize) {
            let changed = count.load(Ordering::Relaxed).wrapping_add_signed(change);
            count.store(changed, Ordering::Relaxed);
        }
    }

    /// The last rank in the order of which a lock is held.
    fn last(&self) -> Option<Rank> {
        let held = Rank::ALL.into_iter().zip(&self.held);
        let mut held = held.filter(|(_, count)| count.load(Ordering::Relaxed) != 0);
        held.next_back().map(|(rank, _)| rank)
    }

    /// The lock that is held and does not come before one of `rank`.
    fn obstacle(&self, rank: Rank) -> Option<Rank> {
        let last = self.last()?;
        (last > rank || last == rank && !rank.nests()).then_some(last)
    }

    fn breaks(&self) -> bool {
        !self.broken.swap(true, Ordering::Relaxed)
    }
}

/// The note that a lock is held, for as long as its guard lives.
#[derive(Debug)]
pub(crate) struct Held(Rank);

impl Drop for Held {
    fn drop(&mut self) {
        with_ledger(|ledger| ledger.add(self.0, -1));
    }
}

/// Notes that a lock is going to be taken.
///
/// # Panics
/// When that is against the order.
#[track_caller]
pub(crate) fn enter(rank: Rank) -> Held {
    let obstacle = with_ledger(|ledger| {
        let obstacle = ledger.obstacle(rank).filter(|_| ledger.breaks());
        if obstacle.is_none() {
            ledger.add(rank, 1);
        }
        obstacle
    });
    match obstacle.flatten() {
        Some(last) => panic!("lock order: {rank:?} is asked for while {last:?} is held"),
        None => Held(rank),
    }
}

/// Notes a lock that was free.
pub(crate) fn enter_unordered(rank: Rank) -> Held {
    with_ledger(|ledger| ledger.add(rank, 1));
    Held(rank)
}

/// Where nothing may be held: before a program runs, or the CPU rests.
///
/// # Panics
/// With debug assertions: when the CPU holds a lock.
#[track_caller]
pub fn assert_nothing_held() {
    let held = with_ledger(|ledger| ledger.last().filter(|_| ledger.breaks()));
    if let Some(rank) = held.flatten() {
        panic!("lock order: {rank:?} is held where the CPU leaves the kernel");
    }
}

#[cfg(target_os = "none")]
mod place {
    use super::Ledger;

    static FINDER: spin::Once<fn() -> &'static Ledger> = spin::Once::new();

    /// Begins to check: `finder` answers the ledger of the running CPU. To be called while no lock is held.
    pub fn watch(finder: fn() -> &'static Ledger) {
        FINDER.call_once(|| finder);
    }

    pub(super) fn with_ledger<T>(work: impl FnOnce(&Ledger) -> T) -> Option<T> {
        FINDER.get().map(|finder| work(finder()))
    }
}

#[cfg(not(target_os = "none"))]
mod place {
    extern crate std;
    use super::Ledger;

    std::thread_local! {
        static LEDGER: Ledger = const { Ledger::new() };
    }

    /// On a host every thread has its ledger without being told.
    pub fn watch(_finder: fn() -> &'static Ledger) {}

    pub(super) fn with_ledger<T>(work: impl FnOnce(&Ledger) -> T) -> Option<T> {
        // A thread that ends drops its values in an order that nobody knows.
        LEDGER.try_with(work).ok()
    }
}

pub use place::watch;
use place::with_ledger;

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::SpinLock;
    use proptest::prelude::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::string::String;
    use std::vec::Vec;

    /// What `work` says when it panics.
    fn complaint(work: impl FnOnce()) -> Option<String> {
        let said = catch_unwind(AssertUnwindSafe(work)).err()?;
        with_ledger(|ledger| ledger.broken.store(false, Ordering::Relaxed));
        said.downcast::<String>().ok().map(|text| *text)
    }

    /// SYNC0011: a lock that comes earlier in the order is refused, and both ranks are named.
    #[test]
    fn sync0011_a_violation_names_both_ranks() {
        let (early, late) = (
            SpinLock::new(Rank::Process, ()),
            SpinLock::new(Rank::Stream, ()),
        );
        let _guard = late.lock();
        let said = complaint(|| drop(early.lock()));
        let said = said.expect("a panic");
        assert!(
            said.contains("Process") && said.contains("Stream"),
            "{said}"
        );
    }

    /// SYNC0012: two locks of one rank are refused, unless the rank nests.
    #[test]
    fn sync0012_two_of_a_rank() {
        for rank in Rank::ALL {
            let (one, other) = (SpinLock::new(rank, ()), SpinLock::new(rank, ()));
            let refused = complaint(|| {
                let _guards = (one.lock(), other.lock());
            });
            assert_eq!(refused.is_none(), rank.nests(), "{rank:?}");
        }
    }

    /// SYNC0013: a lock that is only tried is not refused, but counts as held.
    #[test]
    fn sync0013_trying_is_free_but_counts() {
        let (early, late) = (
            SpinLock::new(Rank::Process, ()),
            SpinLock::new(Rank::Stream, ()),
        );
        let other = SpinLock::new(Rank::Mounts, ());
        let guard = late.lock();
        let tried = early.try_lock().expect("it is free");
        drop(guard);
        assert_eq!(complaint(|| drop(other.lock())), None);
        drop(tried);
        assert_eq!(complaint(assert_nothing_held), None);
    }

    proptest! {
        /// SYNC0014: whatever is taken and released in whatever order, exactly the violations are refused.
        #[test]
        fn sync0014_exactly_violations_are_refused(steps in prop::collection::vec((any::<bool>(), 0..Rank::ALL.len()), 0..60)) {
            let locks = Rank::ALL.map(|rank| SpinLock::new(rank, ()));
            let mut guards = Vec::new();
            for (take, number) in steps {
                let (rank, lock) = (Rank::ALL[number], &locks[number]);
                // A rank that nests has one lock only here, which cannot be taken twice.
                let twice = rank.nests() && guards.iter().any(|(held, _)| *held == rank);
                if take && !twice {
                    let allowed = guards.iter().all(|(held, _)| *held < rank);
                    let mut guard = None;
                    let said = complaint(|| guard = Some(lock.lock()));
                    prop_assert_eq!((said.is_none(), guard.is_some()), (allowed, allowed));
                    guards.extend(guard.map(|guard| (rank, guard)));
                } else if !guards.is_empty() {
                    let place = number % guards.len();
                    guards.swap_remove(place);
                }
                prop_assert_eq!(complaint(assert_nothing_held).is_none(), guards.is_empty());
            }
        }
    }
}
