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
    /// The lock that the word is; the thread's number.
    Lock(u32),
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
            Waiting::Lock(own) => LOCK | u64::from(own),
            Waiting::Bound { own, lock } => BOUND | u64::from(lock) << OWN_BITS | u64::from(own),
        }
    }

    /// What a key means.
    pub fn from_key(key: u64) -> Self {
        let own = key as u32 & FUTEX_TID_MASK;
        if key & LOCK != 0 {
            Waiting::Lock(own)
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

    /// The thread's number, where it waits for a lock.
    pub fn own(self) -> Option<u32> {
        match self {
            Waiting::Lock(own) => Some(own),
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
            (0..=FUTEX_TID_MASK).prop_map(Waiting::Lock),
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
