//! Work that a call leaves behind, to be done in steps.
//!
//! What is large is let go of, and what concerns many is told to them, in the middle of whatever makes it so, and with
//! locks held, where nothing can be cut. So a first part is done there, and the rest is left as [`Work`] with a *keeper*, who
//! does it piece by piece. In the kernel that is the thread that has left it, before it returns to its program: what a
//! program has deleted is free, and everybody whom it was to wake is awake, when its call is done.
//!
//! Nothing that was left is lost: work that is dropped, because there is no memory to keep it or because its keeper ends, is
//! done to its end there and then. Until there is a keeper (on the host, and while the kernel starts) all work is done at once.
//!
//! This crate has no lock. The keeper is called with locks held up to rank `WaitQueue`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

use alloc::boxed::Box;
use alloc::vec::Vec;
use spin::Once;

/// Work that can be done in steps.
pub trait Work: Send {
    /// Does a piece of it, of some tens of microseconds; answers whether more is left.
    ///
    /// No lock is held then, unless there was no memory to keep the work: then it is done where it was left.
    fn step(&mut self) -> bool;
}

/// Who does what is left.
pub trait Keeper: Sync {
    /// Takes work over. What it drops is done at once.
    fn keep(&self, work: Left);

    /// Notes that one more of many has been dealt with; answers whether the next one may be dealt with at once too.
    fn may_go_on(&self) -> bool;
}

static KEEPER: Once<&'static dyn Keeper> = Once::new();

/// Names the keeper, once.
pub fn set_keeper(keeper: &'static dyn Keeper) {
    KEEPER.call_once(|| keeper);
}

/// Leaves work to the keeper.
pub fn leave<W: Work + 'static>(work: W) {
    // Dropped, and so done, when there is no memory.
    if let (Some(keeper), Ok(work)) = (KEEPER.get(), fallible::boxed(Whole(work))) {
        keeper.keep(Left(work));
    }
}

/// Notes that one of many who are to be told something, or of many things that are let go of, has been dealt with; answers
/// whether the next one may be as well before interrupts are looked for. If not, the rest is to be [left](leave).
#[must_use]
pub fn may_go_on() -> bool {
    KEEPER.get().is_none_or(|keeper| keeper.may_go_on())
}

/// Does something to each of what may be many: to the first of them now, to the rest in steps.
pub fn for_each<I, F>(all: I, act: F)
where
    I: Iterator + Send + 'static,
    F: FnMut(I::Item) + Send + 'static,
{
    let mut each = Each { all, act };
    if each.step() {
        leave(each);
    }
}

struct Each<I, F> {
    all: I,
    act: F,
}

impl<I: Iterator + Send, F: FnMut(I::Item) + Send> Work for Each<I, F> {
    fn step(&mut self) -> bool {
        for one in self.all.by_ref() {
            (self.act)(one);
            if !may_go_on() {
                return true;
            }
        }
        false
    }
}

/// Work that does not go before it is done.
struct Whole<W: Work>(W);

impl<W: Work> Work for Whole<W> {
    fn step(&mut self) -> bool {
        self.0.step()
    }
}

impl<W: Work> Drop for Whole<W> {
    fn drop(&mut self) {
        while self.0.step() {}
    }
}

/// Work that was left.
pub struct Left(Box<dyn Work>);

impl Left {
    /// Does a piece of it; answers whether more is left.
    pub fn step(&mut self) -> bool {
        self.0.step()
    }
}

/// What somebody is about to do, the latest first.
#[derive(Default)]
pub struct Remains(Vec<Left>);

impl Remains {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Only this work. Without memory for that it is done here and now.
    #[must_use]
    pub fn of(work: Left) -> Self {
        let mut remains = Self::new();
        drop(remains.add(work));
        remains
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds work; gives it back when there is no memory to keep it.
    pub fn add(&mut self, work: Left) -> Option<Left> {
        if self.0.try_reserve(1).is_err() {
            return Some(work);
        }
        self.0.push(work);
        None
    }

    /// Takes the work that was added last.
    pub fn take(&mut self) -> Option<Left> {
        let last = self.0.pop();
        if self.0.is_empty() {
            // Nothing is kept for the next time: there are many threads.
            self.0 = Vec::new();
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// Counts down from a number.
    struct Count(usize, Arc<AtomicUsize>);

    impl Work for Count {
        fn step(&mut self) -> bool {
            self.0 = self.0.saturating_sub(1);
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0 > 0
        }
    }

    fn left(steps: usize, done: &Arc<AtomicUsize>) -> Left {
        Left(Box::new(Whole(Count(steps, done.clone()))))
    }

    /// REMAINS0001: what was left is done step by step, the latest first, and what is dropped is done at once.
    #[test]
    fn remains0001_nothing_is_lost() {
        let (first, second) = (Arc::default(), Arc::default());
        let mut remains = Remains::new();
        assert!(remains.add(left(5, &first)).is_none());
        assert!(remains.add(left(2, &second)).is_none());
        let mut work = remains.take();
        assert!(work.as_mut().is_some_and(Left::step));
        assert!(!work.as_mut().is_some_and(Left::step));
        assert_eq!(
            (
                first.load(Ordering::Relaxed),
                second.load(Ordering::Relaxed)
            ),
            (0, 2)
        );
        drop(work);
        let mut work = remains.take();
        assert!(work.as_mut().is_some_and(Left::step));
        drop(work);
        assert!(first.load(Ordering::Relaxed) >= 5);
        assert!(remains.take().is_none() && remains.is_empty());
    }

    /// REMAINS0002: without a keeper all is done at once.
    #[test]
    fn remains0002_without_a_keeper() {
        let done = Arc::default();
        leave(Count(7, Arc::clone(&done)));
        assert!(done.load(Ordering::Relaxed) >= 7);
        assert!(may_go_on());
    }
}
