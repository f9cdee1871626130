//! Copies between the kernel and a program's memory, through the description.
//!
//! The kernel needs no translation for this, so it can reach any process's memory from anywhere (exec's first
//! stack, `/proc/PID/cmdline`, process_vm_readv). A system call first makes its buffers exist with
//! [`AddressSpace::prepare`], while it may still fail, and copies with the `_resident` forms when nothing may
//! fail any more.

use super::chunk::{PAGES, SHIFT};
use super::fault::permits;
use super::{AddressSpace, FaultError};
use crate::frames::Frame;
use abi::mmu::{Access, PageNumber};
use abi::{PAGE_SHIFT, PAGE_SIZE};

/// Calls `each` with (address, offset in the copy, length) for every page of a range of addresses.
fn by_page<E>(
    address: u64,
    length: usize,
    beyond: E,
    mut each: impl FnMut(u64, usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    if address.checked_add(length as u64).is_none() {
        return Err(beyond);
    }
    let mut done = 0;
    while done < length {
        let at = address + done as u64;
        let room = PAGE_SIZE - offset_in_page(at);
        let part = room.min(length - done);
        each(at, done, part)?;
        done += part;
    }
    Ok(())
}

fn offset_in_page(address: u64) -> usize {
    (address % PAGE_SIZE as u64) as usize
}

impl AddressSpace {
    /// Makes the pages of a range exist and installs them for `access`, so that the kernel's own access by their user
    /// addresses meets no fault; the caller bounds the range.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`]; pages before the one that failed are ready then.
    pub fn prepare(
        &mut self,
        address: u64,
        length: usize,
        access: Access,
    ) -> Result<(), FaultError> {
        by_page(address, length, FaultError::NoMapping, |at, _, _| {
            if self.frame_if_ready(at, access).is_some() && self.is_installed(at) {
                Ok(())
            } else {
                self.fault(at, access)
            }
        })
    }

    /// Copies from a program's memory; makes pages exist where needed.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`]; the part of `into` before the failing page is filled then.
    pub fn read(&mut self, address: u64, into: &mut [u8]) -> Result<(), FaultError> {
        by_page(
            address,
            into.len(),
            FaultError::NoMapping,
            |at, done, part| {
                if self.frame_if_ready(at, Access::Read).is_none() {
                    self.resolve(at, Access::Read)?;
                }
                let frame = self
                    .frame_if_ready(at, Access::Read)
                    .ok_or(FaultError::NoMapping)?;
                if let Some(into) = into.get_mut(done..done + part) {
                    frame.read(offset_in_page(at), into);
                }
                Ok(())
            },
        )
    }

    /// Copies to a program's memory as the program itself could; makes pages exist where needed.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`]; the bytes before the failing page are written then.
    pub fn write(&mut self, address: u64, from: &[u8]) -> Result<(), FaultError> {
        by_page(
            address,
            from.len(),
            FaultError::NoMapping,
            |at, done, part| {
                if self.frame_if_ready(at, Access::Write).is_none() {
                    self.resolve(at, Access::Write)?;
                }
                let frame = self
                    .frame_if_ready(at, Access::Write)
                    .ok_or(FaultError::NoMapping)?;
                if let Some(from) = from.get(done..done + part) {
                    frame.write(offset_in_page(at), from);
                }
                Ok(())
            },
        )
    }

    /// Copies from a program's memory for one who may look at all of it: what the program may not read as well.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`], but for [`FaultError::Denied`]; the part of `into` before the failing page is filled then.
    pub fn peek(&mut self, address: u64, into: &mut [u8]) -> Result<(), FaultError> {
        let length = into.len();
        by_page(address, length, FaultError::NoMapping, |at, done, part| {
            let frame = self.frame_by_force(at, Access::Read)?;
            if let Some(into) = into.get_mut(done..done + part) {
                frame.read(offset_in_page(at), into);
            }
            Ok(())
        })
    }

    /// Copies to a program's memory for one who may change all of it. What the program may not write is written in a copy
    /// that is its own (breakpoints in its text); the instructions are seen by fetches.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`]; [`FaultError::Denied`] for a shared object that the program may not write. The bytes
    /// before the failing page are written then.
    pub fn poke(&mut self, address: u64, from: &[u8]) -> Result<(), FaultError> {
        by_page(
            address,
            from.len(),
            FaultError::NoMapping,
            |at, done, part| {
                let frame = self.frame_by_force(at, Access::Write)?;
                if let Some(from) = from.get(done..done + part) {
                    frame.write(offset_in_page(at), from);
                }
                self.install_anew(at);
                Ok(())
            },
        )
    }

    /// Copies from pages that exist; `None` when one of them does not (what `into` holds is unspecified then).
    pub fn read_resident(&self, address: u64, into: &mut [u8]) -> Option<()> {
        let copied = by_page(address, into.len(), (), |at, done, part| {
            let frame = self.frame_if_ready(at, Access::Read).ok_or(())?;
            frame.read(
                offset_in_page(at),
                into.get_mut(done..done + part).ok_or(())?,
            );
            Ok(())
        });
        copied.ok()
    }

    /// Copies to pages that exist and are ready to be written; `None`, with nothing changed, when one is not.
    pub fn write_resident(&mut self, address: u64, from: &[u8]) -> Option<()> {
        let ready = by_page(address, from.len(), (), |at, _, _| {
            self.frame_if_ready(at, Access::Write).map(|_| ()).ok_or(())
        });
        ready.ok()?;
        let copied = by_page(address, from.len(), (), |at, done, part| {
            let frame = self.frame_if_ready(at, Access::Write).ok_or(())?;
            frame.write(offset_in_page(at), from.get(done..done + part).ok_or(())?);
            Ok(())
        });
        copied.ok()
    }

    /// The frame that holds `address`, made ready for `access`: for futex words and pages that stay held while a
    /// call is parked. A held private page is copied, not shared, when its program writes to it.
    ///
    /// # Errors
    /// As [`AddressSpace::fault`].
    pub fn frame_at(&mut self, address: u64, access: Access) -> Result<Frame, FaultError> {
        if self.frame_if_ready(address, access).is_none() {
            self.resolve(address, access)?;
        }
        self.frame_if_ready(address, access)
            .cloned()
            .ok_or(FaultError::NoMapping)
    }

    /// Drops the translation of the page that holds `address`: when it is installed again, its instructions are
    /// synchronized.
    fn install_anew(&mut self, address: u64) {
        let page = address >> PAGE_SHIFT;
        if let Some(chunk) = self.chunks.get_mut(page >> SHIFT)
            && chunk.installed & 1 << (page % PAGES) != 0
        {
            self.translations.remove(PageNumber(page), 1);
            chunk.installed &= !(1 << (page % PAGES));
        }
    }

    /// Whether the page that holds `address` has a translation; it allows what the page is ready for.
    fn is_installed(&self, address: u64) -> bool {
        let page = address >> PAGE_SHIFT;
        let chunk = self.chunks.get(page >> SHIFT);
        chunk.is_some_and(|chunk| chunk.installed & 1 << (page % PAGES) != 0)
    }

    /// The frame that holds `address`, when it exists and the program may access it so at once.
    fn frame_if_ready(&self, address: u64, access: Access) -> Option<&Frame> {
        let area = self.area_at(address)?;
        let page = address >> PAGE_SHIFT;
        let chunk = self.chunks.get(page >> SHIFT)?;
        let bit = 1u16 << (page % PAGES);
        if !permits(area, access) || access == Access::Write && chunk.writable & bit == 0 {
            return None;
        }
        chunk.frames.get((page % PAGES) as usize)?.as_ref()
    }
}
