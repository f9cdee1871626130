//! Which system calls a thread may make (`man 2 seccomp`).
//!
//! A thread that has been confined stays so, and so do those that it makes. Others of its process may be confined with it:
//! that, and inheriting from a thread of the same process, is done under the lock of the process's state.
//!
//! Lock: rank `Thread`.

use abi::Errno;
use abi::linux::{SECCOMP_MODE_DISABLED, SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use seccomp::Filter;
use sync::{Rank, SpinLock};

/// What a thread is confined to.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Free,
    /// `read`, `write`, `exit` and the return from a handler.
    Strict,
    /// What filters allow.
    Filtered(Arc<Filter>),
}

/// The confinement of a thread.
pub struct Confinement {
    mode: SpinLock<Mode>,
    /// Whether it is anything but [`Mode::Free`].
    on: AtomicBool,
}

impl Confinement {
    /// None.
    pub const fn new() -> Self {
        Self {
            mode: SpinLock::new(Rank::Thread, Mode::Free),
            on: AtomicBool::new(false),
        }
    }

    /// Whether calls have to be looked at.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// What it is.
    pub fn mode(&self) -> Mode {
        self.mode.lock().clone()
    }

    /// What it is as a number (SECCOMP_MODE_), and of how many filters.
    pub fn numbers(&self) -> (u32, u32) {
        match &*self.mode.lock() {
            Mode::Free => (SECCOMP_MODE_DISABLED, 0),
            Mode::Strict => (SECCOMP_MODE_STRICT, 0),
            Mode::Filtered(filter) => (SECCOMP_MODE_FILTER, filter.depth()),
        }
    }

    /// Confines the thread to the calls of the strict mode.
    ///
    /// # Errors
    /// EINVAL when it has filters.
    pub fn make_strict(&self) -> Result<(), Errno> {
        let mut mode = self.mode.lock();
        if matches!(*mode, Mode::Filtered(_)) {
            return Err(Errno::EINVAL);
        }
        *mode = Mode::Strict;
        self.on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The filters that it has.
    ///
    /// # Errors
    /// EINVAL in the strict mode.
    pub fn filters(&self) -> Result<Option<Arc<Filter>>, Errno> {
        match &*self.mode.lock() {
            Mode::Free => Ok(None),
            Mode::Strict => Err(Errno::EINVAL),
            Mode::Filtered(filter) => Ok(Some(filter.clone())),
        }
    }

    /// Gives the thread other filters.
    pub fn set_filters(&self, filter: Arc<Filter>) {
        // The old chain goes after the lock is released: it may be long.
        let _old = core::mem::replace(&mut *self.mode.lock(), Mode::Filtered(filter));
        self.on.store(true, Ordering::Relaxed);
    }

    /// Takes over what its maker is confined to.
    pub fn inherit(&self, maker: &Self) {
        if maker.is_on() {
            let mode = maker.mode();
            let _old = core::mem::replace(&mut *self.mode.lock(), mode);
            self.on.store(true, Ordering::Relaxed);
        }
    }
}
