//! Pages that nobody can reach any more, to be given back in steps.
//!
//! The pages of a file or a segment go with the last handle to it, which is dropped in the middle of whatever has let go of
//! it, and with locks held. To give many of them back takes long, so they are handed to a keeper, who does it piece by
//! piece. In the kernel that is the thread that has let go, before it returns to its program: what a program has deleted is
//! free when its call is done. Where no thread has, it is a job.

use crate::frames::Frame;
use alloc::vec::Vec;
use fallible::Map;
use spin::Once;

/// The pages of an object, by their numbers in it.
pub type PageMap = Map<u64, Frame>;

/// As many pages as this are given back at once.
pub const STEP: usize = 512;

static KEEPER: Once<fn(PageMap)> = Once::new();

/// Names who keeps what is left, once; until then it is given back at once. The keeper is called with locks held up to rank
/// `Pages`.
pub fn set_keeper(keeper: fn(PageMap)) {
    KEEPER.call_once(|| keeper);
}

/// Lets go of pages that have belonged to an object: at once when they are few, else through the keeper.
pub fn leave(pages: PageMap) {
    if pages.len() > STEP
        && let Some(keep) = KEEPER.get()
    {
        keep(pages);
    }
}

/// Pages that somebody is about to give back.
#[derive(Default)]
pub struct Remains {
    pages: Vec<PageMap>,
}

impl Remains {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    /// Those of one object. Without memory for that they are given back here and now.
    #[must_use]
    pub fn of(pages: PageMap) -> Self {
        let mut remains = Self::new();
        remains.add(pages);
        remains
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Adds those of an object. Without memory for that they are given back here and now.
    pub fn add(&mut self, pages: PageMap) {
        if self.pages.try_reserve(1).is_ok() {
            self.pages.push(pages);
        }
    }

    /// Gives [`STEP`] pages back.
    pub fn clear_step(&mut self) {
        for _ in 0..STEP {
            let Some(last) = self.pages.last_mut() else {
                // Nothing is kept for the next time: there are many threads.
                return self.pages = Vec::new();
            };
            if last.pop_last().is_none() {
                self.pages.pop();
            }
        }
    }
}
