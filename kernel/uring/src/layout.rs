//! How many places there are, and where everything lies.

use abi::linux::{UringCompletion, UringCompletionOffsets, UringEntry, UringSubmissionOffsets};
use abi::{Errno, PAGE_SIZE};

/// Most places for entries.
const ENTRIES_MAX: u32 = 32_768;
/// Most places for completions.
const COMPLETIONS_MAX: u32 = 2 * ENTRIES_MAX;

/// Numbers of places, both of them powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// For entries.
    pub entries: u32,
    /// For completions.
    pub completions: u32,
}

/// The words of the submission ring lie in the first line of a cache, those of the completion ring in the next.
pub(crate) mod word {
    pub const SUBMISSION_HEAD: u32 = 0;
    pub const SUBMISSION_TAIL: u32 = 4;
    pub const SUBMISSION_MASK: u32 = 8;
    pub const SUBMISSION_ENTRIES: u32 = 12;
    pub const SUBMISSION_FLAGS: u32 = 16;
    pub const DROPPED: u32 = 20;
    pub const COMPLETION_HEAD: u32 = 128;
    pub const COMPLETION_TAIL: u32 = 132;
    pub const COMPLETION_MASK: u32 = 136;
    pub const COMPLETION_ENTRIES: u32 = 140;
    pub const OVERFLOW: u32 = 144;
    pub const COMPLETION_FLAGS: u32 = 148;
    /// The first completion.
    pub const COMPLETIONS: u32 = 256;
}

impl Layout {
    /// The places for what a program asks for: `entries`, and `completions` when it says so, else twice as many. What is too
    /// much becomes the most with `clamp`.
    ///
    /// # Errors
    /// EINVAL for none, for too many, and for fewer completions than entries.
    pub fn new(entries: u32, completions: Option<u32>, clamp: bool) -> Result<Self, Errno> {
        let entries = bounded(entries, ENTRIES_MAX, clamp)?;
        let completions = match completions {
            Some(asked) => bounded(asked, COMPLETIONS_MAX, clamp)?,
            None => 2 * entries,
        };
        if completions < entries {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            entries,
            completions,
        })
    }

    /// Where the list of the entries' places begins.
    pub(crate) fn array(self) -> u32 {
        word::COMPLETIONS + self.completions * UringCompletion::SIZE as u32
    }

    /// Pages of both rings.
    pub(crate) fn ring_pages(self) -> usize {
        let bytes = self.array() + self.entries * size_of::<u32>() as u32;
        (bytes as usize).div_ceil(PAGE_SIZE)
    }

    /// Pages of the entries.
    pub(crate) fn entry_pages(self) -> usize {
        (self.entries as usize * UringEntry::SIZE).div_ceil(PAGE_SIZE)
    }

    /// What the program is told of the submission ring.
    #[must_use]
    pub fn submission_offsets(self) -> UringSubmissionOffsets {
        UringSubmissionOffsets {
            head: word::SUBMISSION_HEAD,
            tail: word::SUBMISSION_TAIL,
            ring_mask: word::SUBMISSION_MASK,
            ring_entries: word::SUBMISSION_ENTRIES,
            flags: word::SUBMISSION_FLAGS,
            dropped: word::DROPPED,
            array: self.array(),
        }
    }

    /// What the program is told of the completion ring.
    #[must_use]
    pub fn completion_offsets(self) -> UringCompletionOffsets {
        UringCompletionOffsets {
            head: word::COMPLETION_HEAD,
            tail: word::COMPLETION_TAIL,
            ring_mask: word::COMPLETION_MASK,
            ring_entries: word::COMPLETION_ENTRIES,
            overflow: word::OVERFLOW,
            cqes: word::COMPLETIONS,
            flags: word::COMPLETION_FLAGS,
        }
    }
}

/// A number of places, as a power of two.
fn bounded(asked: u32, most: u32, clamp: bool) -> Result<u32, Errno> {
    match asked {
        0 => Err(Errno::EINVAL),
        asked if asked <= most => Ok(asked.next_power_of_two()),
        _ if clamp => Ok(most),
        _ => Err(Errno::EINVAL),
    }
}
