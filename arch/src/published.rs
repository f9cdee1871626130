//! References that are published once and found by every CPU ever after, without a barrier.
//!
//! Who reads one gets to what it refers to by way of what was read. Such accesses are performed in that order on every
//! processor of the architecture (Power ISA, Book II, 1.7.1 "Storage Access Ordering": an access whose address depends on the
//! value that a load returns), so whoever finds the reference finds what was written before it was published. A load with
//! acquire ordering would be followed by `isync`, which on an emulator ends the block of translated code, and some of what
//! is published is asked for a dozen times in each system call.

use core::ptr::{from_ref, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

/// A place for one reference.
///
/// Invariant: the pointer is null or comes from a `&'static T`.
#[derive(Debug)]
pub struct Published<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Published<T> {
    /// Nothing is published.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Publishes a reference.
    pub fn publish(&self, value: &'static T) {
        self.0.store(from_ref(value).cast_mut(), Ordering::Release);
    }

    /// What is published.
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: by the invariant it is null or refers to a value that lives for ever and is only shared; what the value
        // was when it was published is seen by an access through the pointer (see the module).
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

impl<T: Sync> Default for Published<T> {
    fn default() -> Self {
        Self::new()
    }
}
