//! Instances that watch instances: never in a circle, and at most [`DEPTH`] of them above one another.
//!
//! Who watches whom changes under one lock for all, so that two additions cannot close a circle between them. With no
//! circle and a bounded depth, wake-ups and looks that go from instance to instance end, and fit on the stack.

use super::Epoll;
use abi::Errno;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use sync::{Guard, Rank, SpinLock};

/// Instances above one another (`man 2 epoll_ctl`, ELOOP).
pub const DEPTH: u8 = 5;

static RELATIONS: SpinLock<Walk> = SpinLock::new(Rank::OpenFile, Walk { number: 0 });

/// The lock, and the number of the walk over the instances that is under way.
pub struct Walk {
    number: u64,
}

/// What the last walk has found out about an instance.
#[derive(Default)]
pub struct Mark {
    walk: AtomicU64,
    height: AtomicU64,
}

/// Keeps relations as they are.
pub fn lock() -> Guard<'static, Walk> {
    RELATIONS.lock()
}

impl Walk {
    /// Fails when `above` must not watch `below`.
    ///
    /// # Errors
    /// ELOOP; ENOMEM.
    pub fn admit(&mut self, above: &Arc<Epoll>, below: &Arc<Epoll>) -> Result<(), Errno> {
        self.number += 1;
        let down = self.height(below, &Epoll::watched, DEPTH, Some(above))?;
        self.number += 1;
        let up = self.height(above, &Epoll::watchers, DEPTH, None)?;
        if down + up > DEPTH {
            return Err(Errno::ELOOP);
        }
        Ok(())
    }

    /// The length of the longest way from an instance on, itself counted; ELOOP when one leads to `forbidden` or is longer
    /// than `limit`.
    fn height(
        &self,
        from: &Arc<Epoll>,
        next: &impl Fn(&Epoll) -> Result<Vec<Weak<Epoll>>, Errno>,
        limit: u8,
        forbidden: Option<&Arc<Epoll>>,
    ) -> Result<u8, Errno> {
        if limit == 0 || forbidden.is_some_and(|forbidden| Arc::ptr_eq(forbidden, from)) {
            return Err(Errno::ELOOP);
        }
        if from.mark.walk.load(Ordering::Relaxed) == self.number {
            // Whoever comes here by a longer way than the first is caught by the sum of heights.
            return Ok(from.mark.height.load(Ordering::Relaxed) as u8);
        }
        let mut height = 1;
        for instance in next(from)?.iter().filter_map(Weak::upgrade) {
            height = height.max(1 + self.height(&instance, next, limit - 1, forbidden)?);
        }
        from.mark.height.store(u64::from(height), Ordering::Relaxed);
        from.mark.walk.store(self.number, Ordering::Relaxed);
        Ok(height)
    }
}
