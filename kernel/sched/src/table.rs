//! A table that grows without moving what is in it.
//!
//! A `Vec` that doubles copies all its entries at once, and with thousands of partitions every table of the scheduler
//! would do so in the same call, with interrupts off. This one grows by a piece at a time.

use crate::Refusal;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Entries of a piece.
const PIECE: usize = 64;

/// The table; entries are made when room for them is reserved.
#[derive(Debug)]
pub(crate) struct Table<T> {
    pieces: Vec<Box<[T]>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Table<T> {
    pub const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Makes room for the indices below `count`, and some more; `make` makes the entry of an index.
    #[cfg_attr(
        target_os = "none",
        expect(
            clippy::disallowed_methods,
            reason = "the room is exact, so that nothing is allocated anew"
        )
    )]
    pub fn reserve(
        &mut self,
        count: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<(), Refusal> {
        while self.len() < count {
            let first = self.len();
            let mut piece = Vec::new();
            piece.try_reserve_exact(PIECE).map_err(|_| Refusal::Full)?;
            self.pieces.try_reserve(1).map_err(|_| Refusal::Full)?;
            piece.extend((first..first + PIECE).map(&mut make));
            self.pieces.push(piece.into_boxed_slice());
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.pieces.len() * PIECE
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flatten()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// SCHED0006: a table holds what was made for every index, and what it holds stays where it is when it grows.
    #[test]
    fn sched0006_a_table_grows_in_place() {
        let mut table = Table::new();
        assert!(table.get(0).is_none());
        table
            .reserve(1, |index| index)
            .expect("the host has memory");
        let first: *const usize = table.get(0).expect("made");
        for count in (1..1000).step_by(37) {
            table
                .reserve(count, |index| index)
                .expect("the host has memory");
            assert!(table.len() >= count);
            assert!(table.iter().copied().eq(0..table.len()));
        }
        assert!(core::ptr::eq(first, table.get(0).expect("made")));
        *table.get_mut(700).expect("made") = 7;
        assert_eq!(table.get(700), Some(&7));
        assert!(table.get(table.len()).is_none());
    }
}
