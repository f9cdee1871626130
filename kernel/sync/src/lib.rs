//! Spin locks with a place in the lock order, and other things that several CPUs touch at once.
//!
//! The kernel never sleeps with a lock held: a lock is taken, a few hundred instructions run, and it is
//! released before the dispatcher is reached. Locks are taken in ascending order of [`Rank`]; two locks of
//! one rank are never held together unless the rank [nests](Rank::nests), and its documentation says in which order.
//! Builds with debug assertions check this at run time ([`order`]), host tests among them; others do not pay for it.

#![cfg_attr(not(loom), no_std)]
#![forbid(unsafe_code)]

#[cfg(not(loom))]
pub mod contention;
mod doorbell;
mod lock;
pub mod order;
mod rank;

pub use doorbell::Doorbell;
pub use lock::{Guard, SpinLock};
pub use rank::Rank;
