//! How often and how long locks are waited for, by rank: where CPUs stand in each other's way.
//!
//! Counted only on the way of those who wait, so a lock that is free costs nothing more.

use crate::Rank;
use core::sync::atomic::{AtomicU64, Ordering};

/// What waiting for the locks of one rank has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contention {
    /// How often a lock was not free.
    pub waits: u64,
    /// How often a CPU has looked in vain, all waits together.
    pub turns: u64,
    /// The same in the longest wait.
    pub longest: u64,
}

struct Sums {
    waits: AtomicU64,
    turns: AtomicU64,
    longest: AtomicU64,
}

static SUMS: [Sums; Rank::ALL.len()] = [const {
    Sums {
        waits: AtomicU64::new(0),
        turns: AtomicU64::new(0),
        longest: AtomicU64::new(0),
    }
}; Rank::ALL.len()];

/// Notes one wait.
pub(crate) fn note(rank: Rank, turns: u64) {
    if let Some(sums) = SUMS.get(rank as usize) {
        sums.waits.fetch_add(1, Ordering::Relaxed);
        sums.turns.fetch_add(turns, Ordering::Relaxed);
        sums.longest.fetch_max(turns, Ordering::Relaxed);
    }
}

/// What waiting has come to since the last [`forget`], for each rank. Not one instant: waits go on meanwhile.
pub fn figures() -> impl Iterator<Item = (Rank, Contention)> {
    Rank::ALL.into_iter().zip(&SUMS).map(|(rank, sums)| {
        let contention = Contention {
            waits: sums.waits.load(Ordering::Relaxed),
            turns: sums.turns.load(Ordering::Relaxed),
            longest: sums.longest.load(Ordering::Relaxed),
        };
        (rank, contention)
    })
}

/// Starts to count anew.
pub fn forget() {
    for sums in &SUMS {
        sums.waits.store(0, Ordering::Relaxed);
        sums.turns.store(0, Ordering::Relaxed);
        sums.longest.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SYNC0015: waits are summed up under the lock's rank, and the longest is kept.
    #[test]
    fn sync0015_waits_are_counted() {
        let futex = || figures().find(|(rank, _)| *rank == Rank::Futex);
        note(Rank::Futex, 7);
        note(Rank::Futex, 3);
        let sums = Contention {
            waits: 2,
            turns: 10,
            longest: 7,
        };
        assert_eq!(futex(), Some((Rank::Futex, sums)));
        forget();
        assert_eq!(futex(), Some((Rank::Futex, Contention::default())));
    }

    /// SYNC0016: the list of ranks is whole and in order, so that each has a place of its own.
    #[test]
    fn sync0016_ranks_have_their_places() {
        for (place, rank) in Rank::ALL.into_iter().enumerate() {
            assert_eq!(rank as usize, place);
        }
    }
}
