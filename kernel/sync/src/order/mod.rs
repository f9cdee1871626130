//! The lock order, checked where debug assertions are on.
//!
//! Each CPU has a [`Ledger`] of the ranks of the locks that it holds; on a host each thread has one. Taking a lock looks
//! whether something is held that does not come before it: then two CPUs could wait for each other, if not today, and
//! the kernel panics with both ranks. Where a CPU finds its ledger only the kernel knows: it says so with [`watch`], and
//! until then nothing is checked. Without debug assertions, and in a model (`cfg(loom)`), nothing is noted at all.

#[cfg(all(debug_assertions, not(loom)))]
mod checked;
#[cfg(all(debug_assertions, not(loom)))]
use checked as checks;
#[cfg(all(debug_assertions, not(loom)))]
pub use checked::{Ledger, watch};

#[cfg(any(not(debug_assertions), loom))]
mod unchecked;
#[cfg(any(not(debug_assertions), loom))]
use unchecked as checks;

pub use checks::assert_nothing_held;
pub(crate) use checks::{Held, enter, enter_unordered};
