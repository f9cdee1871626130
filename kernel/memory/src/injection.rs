//! Makes each place that allocates fail once: in kernels with debug assertions, on demand.
//!
//! A place is the chain of callers of an allocation, as a number that somebody who knows the machine's stack makes of it
//! ([`watch`]). While failures are asked for ([`arm`]), the first allocation at each place fails as if there were no
//! memory. Whoever repeats a piece of work until a run meets no new place has seen each of its allocations fail.
//!
//! No lock: a table of places that is only ever added to.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use spin::Once;

/// How many places can be told apart; beyond that nothing fails any more.
const PLACES: usize = 1 << 15;

/// The place from which an allocation is made; `None` where it is to succeed.
pub type Place = fn() -> Option<u64>;

static PLACE: Once<Place> = Once::new();
static ARMED: AtomicBool = AtomicBool::new(false);
static FAILED: AtomicU32 = AtomicU32::new(0);
/// The places that have failed, by their numbers; 0 is free.
static SEEN: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];

/// Names the function that tells places apart. It is called under the locks of this crate and may take none.
pub fn watch(place: Place) {
    PLACE.call_once(|| place);
}

/// Lets allocations fail from now on, or no longer. Places that have failed are remembered.
pub fn arm(armed: bool) {
    ARMED.store(armed, Relaxed);
}

/// How many places have failed.
#[must_use]
pub fn failed() -> u32 {
    FAILED.load(Relaxed)
}

/// Whether the allocation that is asked for is to fail.
#[inline]
pub(crate) fn fails() -> bool {
    ARMED.load(Relaxed) && is_new()
}

#[cold]
fn is_new() -> bool {
    let Some(number) = PLACE.get().and_then(|place| place()) else {
        return false;
    };
    let number = number.max(1);
    let start = number as usize % PLACES;
    for place in SEEN.iter().cycle().skip(start).take(PLACES) {
        match place.compare_exchange(0, number, Relaxed, Relaxed) {
            Ok(_) => {
                FAILED.fetch_add(1, Relaxed);
                return true;
            }
            Err(other) if other == number => return false,
            Err(_) => {}
        }
    }
    false
}
