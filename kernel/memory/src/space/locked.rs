//! Memory that is locked (`man 2 mlock`): it is made to exist, and counts. Nothing is ever paged out.

use super::area::{Traits, round_up};
use super::{AddressSpace, FaultError};
use abi::mmu::{Access, Protection};
use abi::{Errno, PAGE_SIZE};

impl AddressSpace {
    /// Whether a range, of which part may be locked already, may be locked as far as its size goes.
    ///
    /// # Errors
    /// ENOMEM beyond the limit, or for more than a program can have.
    pub fn may_lock(&self, address: u64, length: u64) -> Result<(), Errno> {
        let end = round_up(length).and_then(|length| address.checked_add(length));
        let end = end.ok_or(Errno::ENOMEM)?;
        let locked = self.sums.locked;
        let fits =
            |already: u64| (locked - already).saturating_add((end - address) / PAGE_SIZE as u64);
        if fits(0) <= self.limits.locked.0 {
            return Ok(());
        }
        let is_locked = |area: &super::Area| area.traits.contains(Traits::LOCKED);
        let already = self.covered_where(address, end, is_locked);
        if fits(already) <= self.limits.locked.0 {
            Ok(())
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// What areas have that are mapped from now on.
    pub fn set_future(&mut self, traits: Traits) {
        self.future = traits;
    }

    /// Makes the pages of a mapped range exist, those that may be written as a store would; the first that cannot be is told.
    ///
    /// # Errors
    /// [`FaultError`].
    pub fn populate(&mut self, address: u64, length: u64) -> Result<(), FaultError> {
        let end = address.saturating_add(length);
        for at in (address..end).step_by(PAGE_SIZE) {
            let area = self.area_at(at).ok_or(FaultError::NoMapping)?;
            let writable = area.protection.contains(Protection::WRITE);
            let access = if writable && !area.mapping.is_shared() {
                Access::Write
            } else if area.protection == Protection::EXECUTE {
                Access::Execute
            } else {
                Access::Read
            };
            self.resolve(at, access)?;
        }
        Ok(())
    }
}
