//! The pages of an object, and letting go of them in steps.
//!
//! The pages of a file or a segment go with the last handle to it, which is dropped in the middle of whatever has let go of
//! it, and with locks held. To give many of them back takes long, so that is left to be done in steps.

use crate::frames::Frame;
use fallible::Map;
use remains::Work;

/// The pages of an object, by their numbers in it.
pub type PageMap = Map<u64, Frame>;

/// As many pages as this are given back at once.
const AT_ONCE: usize = 32;

/// Pages given back in one step.
const STEP: usize = 512;

/// Lets go of pages that have belonged to an object: at once when they are few, else in steps.
///
/// To be called with locks held up to rank `Pages`.
pub fn let_go(pages: PageMap) {
    if pages.len() > AT_ONCE {
        remains::leave(Gone(pages));
    }
}

/// Pages that nobody can reach any more.
struct Gone(PageMap);

impl Work for Gone {
    fn step(&mut self) -> bool {
        for _ in 0..STEP {
            if self.0.pop_last().is_none() {
                return false;
            }
        }
        true
    }
}
