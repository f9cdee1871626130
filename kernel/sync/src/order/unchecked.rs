//! What is left of the checks without debug assertions: nothing.

use crate::Rank;

/// Nothing is noted.
#[derive(Debug)]
pub(crate) struct Held;

pub(crate) fn enter(_rank: Rank) -> Held {
    Held
}

pub(crate) fn enter_unordered(_rank: Rank) -> Held {
    Held
}

/// With debug assertions, panics when the CPU holds a lock.
pub fn assert_nothing_held() {}
