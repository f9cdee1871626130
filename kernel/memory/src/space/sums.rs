//! What the areas of a space come to, so that nobody has to go through them to know.

use super::{Area, Limits, Mapping, Traits};
use abi::Errno;
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
    /// Of the stacks among these.
    pub(super) stack: u64,
    /// Of those that are locked.
    pub(super) locked: u64,
    /// Of those whose pages a child does not get.
    pub(super) kept_back: u64,
}

/// The most that there has been, but for what there is: noted before there is less.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peaks {
    /// Pages of areas.
    pub(super) size: u64,
    /// Pages that exist.
    pub(super) resident: u64,
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
            stack: counted(writable && matches!(area.mapping, Mapping::Stack)),
            locked: counted(area.traits.contains(Traits::LOCKED)),
            kept_back: counted(area.traits.intersects(Traits::KEPT_BACK)),
        }
    }

    /// Whether limits allow an area more, when `hidden` pages go for it, of which so many are `locked`.
    ///
    /// # Errors
    /// ENOMEM beyond the limits of size and data, EAGAIN beyond that of what is locked (`man 2 mmap`).
    pub(super) fn admit(
        &self,
        area: &Area,
        [hidden, locked]: [u64; 2],
        limits: &Limits,
    ) -> Result<(), Errno> {
        let one = Self::of(area);
        let added = one.size.saturating_sub(hidden);
        let fits = |sum: u64, limit: u64| sum.saturating_add(added) <= limit;
        if !fits(self.size, limits.size.0)
            || area.is_data() && !fits(self.data - self.stack, limits.data.0)
        {
            return Err(Errno::ENOMEM);
        }
        let others = self.locked.saturating_sub(locked);
        if one.locked > 0 && others.saturating_add(one.locked) > limits.locked.0 {
            return Err(Errno::EAGAIN);
        }
        Ok(())
    }

    /// An area has come.
    pub(super) fn add(&mut self, area: &Area) {
        let one = Self::of(area);
        self.size += one.size;
        self.text += one.text;
        self.data += one.data;
        self.stack += one.stack;
        self.locked += one.locked;
        self.kept_back += one.kept_back;
    }

    /// An area has gone.
    pub(super) fn remove(&mut self, area: &Area) {
        let one = Self::of(area);
        self.size -= one.size;
        self.text -= one.text;
        self.data -= one.data;
        self.stack -= one.stack;
        self.locked -= one.locked;
        self.kept_back -= one.kept_back;
    }
}
