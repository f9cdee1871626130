//! What a thread waits for on a word: the key of its place in the queue.

use super::FutexKey;
use abi::linux::FUTEX_TID_MASK;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A wake with one of these bits; it is answered the index of the word.
    Bits {
        /// The bits.
        bits: u32,
        /// The word's place among those that the thread waits on.
        index: u8,
    },
    /// The lock that the word is.
    Lock {
        /// The thread's number.
        own: u32,
        /// Its real-time priority, 0 for none.
        priority: u8,
    },
    /// To be moved to a lock (`FUTEX_WAIT_REQUEUE_PI`).
    Bound {
        /// The thread's number.
        own: u32,
        /// What the lock's key is [folded](FutexKey::fold) to, without its highest bit.
        lock: u32,
    },
}

const LOCK: u64 = 1 << 63;
const BOUND: u64 = 1 << 62;
/// Where the priority is in the key of who waits for a lock.
const PRIORITY_AT: u32 = 32;
const FOLDED: u32 = u32::MAX >> 1;
const OWN_BITS: u32 = FUTEX_TID_MASK.count_ones();

impl Waiting {
    /// A thread that waits to be moved to a lock.
    pub fn bound(own: u32, lock: FutexKey) -> Self {
        Waiting::Bound {
            own: own & FUTEX_TID_MASK,
            lock: lock.fold() as u32 & FOLDED,
        }
    }

    /// The key of its place in a queue.
    pub fn key(self) -> u64 {
        match self {
            Waiting::Bits { bits, index } => u64::from(index) << 32 | u64::from(bits),
            Waiting::Lock { own, priority } => {
                LOCK | u64::from(priority) << PRIORITY_AT | u64::from(own)
            }
            Waiting::Bound { own, lock } => BOUND | u64::from(lock) << OWN_BITS | u64::from(own),
        }
    }

    /// What a key means.
    pub fn from_key(key: u64) -> Self {
        let own = key as u32 & FUTEX_TID_MASK;
        if key & LOCK != 0 {
            let priority = (key >> PRIORITY_AT) as u8;
            Waiting::Lock { own, priority }
        } else if key & BOUND != 0 {
            let lock = (key >> OWN_BITS) as u32 & FOLDED;
            Waiting::Bound { own, lock }
        } else {
            let index = (key >> 32) as u8;
            Waiting::Bits {
                bits: key as u32,
                index,
            }
        }
    }

    /// Whether it is of no concern to who just wakes.
    pub fn is_for_lock(self) -> bool {
        !matches!(self, Waiting::Bits { .. })
    }

    /// The answer to a wake with these bits, if it is meant.
    pub fn answer(self, bits: u32) -> Option<i64> {
        match self {
            Waiting::Bits { bits: own, index } if own & bits != 0 => Some(i64::from(index)),
            _ => None,
        }
    }

    /// Who gets a lock before whom.
    pub fn precedence(key: u64) -> u64 {
        match Self::from_key(key) {
            Waiting::Lock { priority, .. } => u64::from(priority),
            _ => 0,
        }
    }

    /// The thread's number, where it waits for a lock.
    pub fn own(self) -> Option<u32> {
        match self {
            Waiting::Lock { own, .. } => Some(own),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waiting() -> impl Strategy<Value = Waiting> {
        prop_oneof![
            (any::<u32>(), 0u8..128).prop_map(|(bits, index)| Waiting::Bits { bits, index }),
            (0..=FUTEX_TID_MASK, 0u8..=99)
                .prop_map(|(own, priority)| Waiting::Lock { own, priority }),
            (0..=FUTEX_TID_MASK, 0..=FOLDED).prop_map(|(own, lock)| Waiting::Bound { own, lock }),
        ]
    }

    proptest! {
        #[test]
        fn a_key_means_what_it_was_made_of(waiting in waiting()) {
            prop_assert_eq!(Waiting::from_key(waiting.key()), waiting);
        }
    }
}
