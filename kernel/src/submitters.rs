//! The threads that have submitted something to a ring or a context.

use crate::thread::Thread;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fallible::NoMemory;

/// Those threads; whoever owns the list locks it.
#[derive(Default)]
pub struct Submitters(Vec<Weak<Thread>>);

impl Submitters {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Notes a thread that submits.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn note(&mut self, thread: &Arc<Thread>) -> Result<(), NoMemory> {
        let known = |user: &Weak<Thread>| core::ptr::eq(user.as_ptr(), Arc::as_ptr(thread));
        if self.0.iter().any(known) {
            return Ok(());
        }
        self.0.retain(|user| user.strong_count() > 0);
        self.0.try_reserve(1)?;
        self.0.push(Arc::downgrade(thread));
        Ok(())
    }

    /// Those that live.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn alive(&self) -> Result<Vec<Arc<Thread>>, NoMemory> {
        fallible::collect(self.0.iter().filter_map(Weak::upgrade))
    }

    /// Lets them end what they have submitted to what is closed now.
    pub fn orphan(self) {
        for thread in self.0.iter().filter_map(Weak::upgrade) {
            thread.requests.orphan();
            thread.interrupt();
        }
    }
}
