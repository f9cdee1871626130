//! The lock itself.

#[cfg(not(loom))]
use crate::contention;
use crate::{Rank, order};
use core::fmt;
use core::ops::{Deref, DerefMut};
#[cfg(loom)]
use model::{Mutex, MutexGuard};
#[cfg(not(loom))]
use spin::{Mutex, MutexGuard};

/// A spin lock around a value, with its [`Rank`].
pub struct SpinLock<T: ?Sized> {
    rank: Rank,
    inner: Mutex<T>,
}

/// Access to the value of a [`SpinLock`]; dropping it releases the lock.
pub struct Guard<'a, T: ?Sized> {
    inner: MutexGuard<'a, T>,
    // After the lock, so that whatever is held is noted as held.
    _held: order::Held,
}

impl<T> SpinLock<T> {
    /// A free lock of `rank` around `value`.
    #[cfg(not(loom))]
    pub const fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            inner: Mutex::new(value),
        }
    }

    /// The same; a model's locks are not constants.
    #[cfg(loom)]
    pub fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            inner: Mutex::new(value),
        }
    }

    /// The value, when nobody else can have the lock.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Takes the lock, spinning until it is free.
    ///
    /// # Panics
    /// With debug assertions: when a lock is held that does not come before this one.
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock(&self) -> Guard<'_, T> {
        let held = order::enter(self.rank);
        let inner = self.inner.try_lock().unwrap_or_else(|| self.wait());
        Guard { inner, _held: held }
    }

    /// Takes the lock if it is free. In any order: whoever does not wait closes no circle.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let inner = self.inner.try_lock()?;
        Some(Guard {
            inner,
            _held: order::enter_unordered(self.rank),
        })
    }

    /// Spins until the lock is free, and notes how long that took.
    #[cfg(not(loom))]
    #[cold]
    fn wait(&self) -> MutexGuard<'_, T> {
        let mut turns = 1;
        loop {
            core::hint::spin_loop();
            // Looking does not take the lock's cache line away from its holder; trying does.
            if !self.inner.is_locked()
                && let Some(inner) = self.inner.try_lock()
            {
                contention::note(self.rank, turns);
                return inner;
            }
            turns += 1;
        }
    }

    /// In a model the lock is waited for without spinning.
    #[cfg(loom)]
    fn wait(&self) -> MutexGuard<'_, T> {
        self.inner.lock()
    }

    /// The value, when the borrow proves that nobody else can have the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// The lock's place in the order.
    pub fn rank(&self) -> Rank {
        self.rank
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    /// Shows the rank only: the value may be in use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock")
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// The model's lock, in the form of the real one.
#[cfg(loom)]
mod model {
    use std::sync::PoisonError;

    pub struct Mutex<T: ?Sized>(loom::sync::Mutex<T>);
    pub type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub fn into_inner(self) -> T {
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T: ?Sized> Mutex<T> {
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
