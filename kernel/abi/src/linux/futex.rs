//! Futexes (`man 2 futex`, linux/futex.h).

use super::record::record;

/// Mask of the operation in the second argument.
pub const FUTEX_CMD_MASK: u32 = !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
/// The word is in memory of one address space.
pub const FUTEX_PRIVATE_FLAG: u32 = 128;
/// The deadline is of the wall clock.
pub const FUTEX_CLOCK_REALTIME: u32 = 256;
/// Wait.
pub const FUTEX_WAIT: u32 = 0;
/// Wake.
pub const FUTEX_WAKE: u32 = 1;
/// Wake some, let others wait elsewhere.
pub const FUTEX_REQUEUE: u32 = 3;
/// The same, if the word has a value.
pub const FUTEX_CMP_REQUEUE: u32 = 4;
/// Change a word and wake.
pub const FUTEX_WAKE_OP: u32 = 5;
/// Lock with priority inheritance.
pub const FUTEX_LOCK_PI: u32 = 6;
/// Unlock with priority inheritance.
pub const FUTEX_UNLOCK_PI: u32 = 7;
/// Try to lock with priority inheritance.
pub const FUTEX_TRYLOCK_PI: u32 = 8;
/// Wait with a bit set and an absolute deadline.
pub const FUTEX_WAIT_BITSET: u32 = 9;
/// Wake by a bit set.
pub const FUTEX_WAKE_BITSET: u32 = 10;
/// Wait to be moved to a lock with priority inheritance.
pub const FUTEX_WAIT_REQUEUE_PI: u32 = 11;
/// Move waiters to such a lock.
pub const FUTEX_CMP_REQUEUE_PI: u32 = 12;
/// As [`FUTEX_LOCK_PI`], with a deadline of the monotonic clock.
pub const FUTEX_LOCK_PI2: u32 = 13;
/// Every bit.
pub const FUTEX_BITSET_MATCH_ANY: u32 = u32::MAX;
/// Robust futexes: there are waiters.
pub const FUTEX_WAITERS: u32 = 0x8000_0000;
/// Robust futexes: the owner has died.
pub const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// Robust futexes: the owner's thread number.
pub const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
/// Most entries of a robust list that are followed.
pub const ROBUST_LIST_LIMIT: usize = 2048;

/// `futex_waitv`: most words that a thread waits on.
pub const FUTEX_WAITV_MAX: u64 = 128;
/// `futex_waitv`: what says how large a word is.
pub const FUTEX2_SIZE_MASK: u32 = 3;
/// `futex_waitv`: a word has 32 bits.
pub const FUTEX_32: u32 = 2;

record! {
    /// `struct futex_waitv`: a word to wait on.
    FutexWaitv [24] {
        /// The value that it is to have.
        0 val: u64,
        /// Its address.
        8 uaddr: u64,
        /// Its size, and [`FUTEX_PRIVATE_FLAG`].
        16 flags: u32,
        /// 0.
        20 reserved: u32,
    }

    /// `struct robust_list_head`.
    RobustListHead [24] {
        /// Address of the first entry; the list ends at the head's own address.
        0 list: u64,
        /// From an entry to its futex word, in bytes.
        8 futex_offset: i64,
        /// An entry that is being added or taken out.
        16 pending: u64,
    }
}
