//! What the areas of a space come to, so that nobody has to go through them to know.

use super::Area;
use abi::mmu::Protection;

/// Pages of areas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Of all.
    pub(super) size: u64,
    /// Of those that are executable and cannot be written.
    pub(super) text: u64,
    /// Of those that are private and can be written.
    pub(super) data: u64,
}

impl Sums {
    fn of(area: &Area) -> Self {
        let pages = area.pages();
        let writable = area.protection.contains(Protection::WRITE);
        let executable = area.protection.contains(Protection::EXECUTE);
        let counted = |counts| if counts { pages } else { 0 };
        Self {
            size: pages,
            text: counted(executable && !writable),
            data: counted(writable && !area.mapping.is_shared()),
        }
    }

    /// An area has come.
    pub(super) fn add(&mut self, area: &Area) {
        let one = Self::of(area);
        self.size += one.size;
        self.text += one.text;
        self.data += one.data;
    }

    /// An area has gone.
    pub(super) fn remove(&mut self, area: &Area) {
        let one = Self::of(area);
        self.size -= one.size;
        self.text -= one.text;
        self.data -= one.data;
    }
}
