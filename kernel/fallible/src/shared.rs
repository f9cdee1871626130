//! Values behind pointers.

use crate::NoMemory;
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use spin::Once;

/// A shared value.
///
/// # Errors
/// [`NoMemory`]; the value is dropped.
#[inline]
pub fn arc<T>(value: T) -> Result<Arc<T>, NoMemory> {
    #[cfg(target_os = "none")]
    return Arc::try_new(value).map_err(|_| NoMemory);
    #[cfg(not(target_os = "none"))]
    Ok(Arc::new(value))
}

/// A shared copy of some values.
///
/// # Errors
/// [`NoMemory`].
pub fn arc_slice<T: Clone>(values: &[T]) -> Result<Arc<[T]>, NoMemory> {
    #[cfg(target_os = "none")]
    return Arc::try_clone_from_ref(values).map_err(|_| NoMemory);
    #[cfg(not(target_os = "none"))]
    Ok(Arc::from(values))
}

/// A shared copy of a text.
///
/// # Errors
/// [`NoMemory`].
pub fn arc_str(text: &str) -> Result<Arc<str>, NoMemory> {
    #[cfg(target_os = "none")]
    return Arc::try_clone_from_ref(text).map_err(|_| NoMemory);
    #[cfg(not(target_os = "none"))]
    Ok(Arc::from(text))
}

/// A value in the heap.
///
/// # Errors
/// [`NoMemory`]; the value is dropped.
#[inline]
pub fn boxed<T>(value: T) -> Result<Box<T>, NoMemory> {
    #[cfg(target_os = "none")]
    return Box::try_new(value).map_err(|_| NoMemory);
    #[cfg(not(target_os = "none"))]
    Ok(Box::new(value))
}

/// A copy of some values in the heap, without room for more.
///
/// # Errors
/// [`NoMemory`].
#[cfg_attr(
    target_os = "none",
    expect(
        clippy::disallowed_methods,
        reason = "the room is exact, so that nothing is allocated anew"
    )
)]
pub fn boxed_slice<T: Clone>(values: &[T]) -> Result<Box<[T]>, NoMemory> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(values.len())?;
    copy.extend_from_slice(values);
    Ok(copy.into_boxed_slice())
}

/// A shared value's way to itself, without keeping it.
pub struct This<T>(Once<Weak<T>>);

impl<T> This<T> {
    /// One that [`arc_with_this`] is going to set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Once::new())
    }

    /// The value, for somebody who does not keep it.
    #[must_use]
    pub fn weak(&self) -> Weak<T> {
        self.0.get().cloned().unwrap_or_default()
    }

    /// The value; `None` while it is made and when it goes.
    #[must_use]
    pub fn upgrade(&self) -> Option<Arc<T>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

impl<T> Default for This<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A shared value that knows the way to itself: `this` says where it keeps it.
///
/// # Errors
/// [`NoMemory`]; the value is dropped.
pub fn arc_with_this<T>(value: T, this: impl FnOnce(&T) -> &This<T>) -> Result<Arc<T>, NoMemory> {
    let value = arc(value)?;
    this(&value).0.call_once(|| Arc::downgrade(&value));
    Ok(value)
}
