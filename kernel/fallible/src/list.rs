//! Lists.

use crate::NoMemory;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// An empty list with room for `count` values.
///
/// # Errors
/// [`NoMemory`].
pub fn list<T>(count: usize) -> Result<Vec<T>, NoMemory> {
    let mut list = Vec::new();
    list.try_reserve_exact(count)?;
    Ok(list)
}

/// A list of one value.
///
/// # Errors
/// [`NoMemory`]; the value is dropped.
pub fn of_one<T>(value: T) -> Result<Vec<T>, NoMemory> {
    let mut one = list(1)?;
    one.push(value);
    Ok(one)
}

/// `count` times the same value.
///
/// # Errors
/// [`NoMemory`].
pub fn filled<T: Clone>(value: T, count: usize) -> Result<Vec<T>, NoMemory> {
    let mut filled = list(count)?;
    filled.resize(count, value);
    Ok(filled)
}

/// A copy of some values.
///
/// # Errors
/// [`NoMemory`].
pub fn copy<T: Clone>(values: &[T]) -> Result<Vec<T>, NoMemory> {
    let mut copy = list(values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

/// All that `values` brings.
///
/// # Errors
/// [`NoMemory`].
pub fn collect<T>(values: impl IntoIterator<Item = T>) -> Result<Vec<T>, NoMemory> {
    let values = values.into_iter();
    let mut collected = list(values.size_hint().0)?;
    for value in values {
        collected.try_push(value)?;
    }
    Ok(collected)
}

/// Growth at the end by one.
pub trait Push<T> {
    /// Adds `value` at the end.
    ///
    /// # Errors
    /// [`NoMemory`]; the value is dropped.
    fn try_push(&mut self, value: T) -> Result<(), NoMemory>;
}

impl<T> Push<T> for Vec<T> {
    #[inline]
    fn try_push(&mut self, value: T) -> Result<(), NoMemory> {
        self.try_reserve(1)?;
        self.push(value);
        Ok(())
    }
}

/// Growth of a queue at its end by one.
pub trait PushBack<T> {
    /// Adds `value` at the end.
    ///
    /// # Errors
    /// [`NoMemory`]; the value is dropped.
    fn try_push_back(&mut self, value: T) -> Result<(), NoMemory>;
}

impl<T> PushBack<T> for VecDeque<T> {
    #[inline]
    fn try_push_back(&mut self, value: T) -> Result<(), NoMemory> {
        self.try_reserve(1)?;
        self.push_back(value);
        Ok(())
    }
}

/// Growth at the end by many.
pub trait Extend<T: ?Sized> {
    /// Adds copies of all of `values` at the end, or none.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn try_extend(&mut self, values: &T) -> Result<(), NoMemory>;
}

impl<T: Clone> Extend<[T]> for Vec<T> {
    fn try_extend(&mut self, values: &[T]) -> Result<(), NoMemory> {
        self.try_reserve(values.len())?;
        self.extend_from_slice(values);
        Ok(())
    }
}

impl Extend<str> for String {
    fn try_extend(&mut self, text: &str) -> Result<(), NoMemory> {
        self.try_reserve(text.len())?;
        self.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Extend, Push, PushBack, collect, copy, filled};
    use crate::NoMemory;
    use alloc::collections::VecDeque;
    use alloc::string::String;
    use alloc::vec::Vec;

    #[test]
    fn what_there_cannot_be_memory_for_is_refused_and_changes_nothing() {
        assert_eq!(filled(1u64, usize::MAX / 16), Err(NoMemory));
        assert_eq!(collect((0..usize::MAX).map(|_| 0u64)), Err(NoMemory));
        let mut list = Vec::from([()]);
        assert_eq!(list.try_push(()), Ok(()));
        assert_eq!(list.try_extend(&[(); 3][..]), Ok(()));
        assert_eq!(list.len(), 5);
    }

    #[test]
    fn what_there_is_memory_for_is_made() {
        assert_eq!(copy(&[1, 2]), Ok(Vec::from([1, 2])));
        assert_eq!(collect(0..3), Ok(Vec::from([0, 1, 2])));
        let mut queue = VecDeque::new();
        assert_eq!(queue.try_push_back(1), Ok(()));
        let mut text = String::new();
        assert_eq!(text.try_extend("ab"), Ok(()));
        assert_eq!(
            crate::text(format_args!("{text}{}", queue.len())),
            Ok("ab1".into())
        );
    }
}
