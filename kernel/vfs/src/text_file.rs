//! Files whose contents were written when they were opened.

use crate::{FileOperations, IoContext, Seek};
use abi::Errno;
use alloc::vec::Vec;
use wait::{Attempt, Sink, Source};

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

/// Bytes that there is room for.
const ROOM: usize = 128;

/// What is done with what is written to an [`OrderFile`].
pub trait Orders: Send + Sync + 'static {
    /// Bytes of the longest order, at most 128; what is longer is none.
    const LONGEST: usize = ROOM;

    /// Carries out an order.
    ///
    /// # Errors
    /// EINVAL when it is none, and what its execution has to say; may park.
    fn carry_out(&self, cx: &IoContext<'_>, order: &[u8]) -> Attempt<()>;
}

/// A text that takes orders: each write is one.
pub struct OrderFile<O, T = TextFile> {
    /// What is read.
    pub text: T,
    /// Who carries out what is written.
    pub orders: O,
}

impl<O: Orders, T: FileOperations> FileOperations for OrderFile<O, T> {
    fn read(&self, cx: &IoContext<'_>, position: u64, sink: &mut dyn Sink) -> Attempt<usize> {
        self.text.read(cx, position, sink)
    }

    fn seek(&self) -> Seek {
        self.text.seek()
    }

    fn size(&self, cx: &IoContext<'_>) -> Attempt<u64> {
        self.text.size(cx)
    }

    fn places_bytes(&self) -> bool {
        false
    }

    fn write(&self, cx: &IoContext<'_>, _position: u64, source: &mut dyn Source) -> Attempt<usize> {
        let length = source.remaining();
        let mut order = [0; ROOM];
        let order = order.get_mut(..length).filter(|_| length <= O::LONGEST);
        let order = order.ok_or(Errno::EINVAL)?;
        source.take(order)?;
        self.orders.carry_out(cx, order)?;
        Ok(length)
    }
}
