//! A file whose contents were written when it was opened.

use crate::{FileOperations, IoContext, Seek};
use abi::Errno;
use alloc::vec::Vec;
use wait::{Attempt, Sink};

/// An open file of a generated file system: reads do not see later changes.
pub struct TextFile(pub Vec<u8>);

impl FileOperations for TextFile {
    fn read(&self, _cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let bytes = rest.get(..rest.len().min(sink.room())).unwrap_or_default();
        if !bytes.is_empty() {
            sink.put(bytes)?;
        }
        Ok(bytes.len())
    }

    fn seek(&self) -> Seek {
        Seek::Yes
    }

    /// There is no end to count from: the next opening may show more or less (as Linux answers).
    fn size(&self, _cx: &IoContext<'_>) -> Attempt<u64> {
        Err(Errno::EINVAL.into())
    }
}
