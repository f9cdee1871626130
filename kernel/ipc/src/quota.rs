//! How many objects of a kind a partition may have.

use abi::Errno;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A count that is never above its limit.
pub struct Quota {
    used: AtomicUsize,
    limit: usize,
}

/// One counted object; dropping it gives the place back.
pub struct Share(Arc<Quota>);

impl Quota {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// `full` at the limit.
    pub fn take(self: &Arc<Self>, full: Errno) -> Result<Share, Errno> {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < self.limit).then_some(used + 1)
            })
            .map_err(|_| full)?;
        Ok(Share(self.clone()))
    }

    /// How many are counted.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}
