//! Copies to and from the memory of the active address space.
//!
//! User memory is bytes that may change or vanish at any moment. Every access is checked against [`USER_LIMIT`],
//! and a fault comes back as a [`UserFault`]: the caller makes the page resident and starts again. What was copied
//! before a fault is not told.

use crate::exposure::Exposure;
use crate::{USER_LIMIT, cpu};
use abi::mmu::Access;
use core::sync::atomic::AtomicU8;

/// A user address could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserFault {
    /// The first byte that could not be used.
    pub address: u64,
    /// What was tried.
    pub access: Access,
}

unsafe extern "C" {
    pub(crate) fn user_copy(to: *mut u8, from: *const u8, count: u64) -> u64;
    fn user_fill(to: *mut u8, word: u64, count: u64) -> u64;
    fn user_load_u32(from: u64, value: *mut u64) -> u64;
    fn user_load_u64(from: u64, value: *mut u64) -> u64;
    fn user_compare_exchange_u32(at: u64, old: u64, new: u64, found: *mut u64) -> u64;
}

/// A range that lies below the limit as a whole.
pub(crate) fn check(address: u64, count: usize, access: Access) -> Result<(), UserFault> {
    match address.checked_add(count as u64) {
        Some(end) if end <= USER_LIMIT => Ok(()),
        _ => Err(UserFault {
            address: if address < USER_LIMIT {
                USER_LIMIT
            } else {
                address
            },
            access,
        }),
    }
}

pub(crate) fn outcome(failed: u64, access: Access) -> Result<(), UserFault> {
    if failed == 0 {
        Ok(())
    } else {
        Err(UserFault {
            address: cpu::block().fault_address(),
            access,
        })
    }
}

/// Copies `to.len()` bytes from user address `from`.
///
/// # Errors
/// [`UserFault`]; `to` may hold some of the bytes then.
pub fn copy_in(to: &mut [u8], from: u64) -> Result<(), UserFault> {
    check(from, to.len(), Access::Read)?;
    let _exposure = Exposure::begin();
    // SAFETY: stores go to `to`, loads come from user memory, and a fault of either ends the copy.
    outcome(
        unsafe { user_copy(to.as_mut_ptr(), from as *const u8, to.len() as u64) },
        Access::Read,
    )
}

/// Copies `from` to user address `to`.
///
/// # Errors
/// [`UserFault`]; some of the bytes may have been written then.
pub fn copy_out(to: u64, from: &[u8]) -> Result<(), UserFault> {
    check(to, from.len(), Access::Write)?;
    let _exposure = Exposure::begin();
    // SAFETY: loads come from `from`, stores go to user memory, and a fault of either ends the copy.
    outcome(
        unsafe { user_copy(to as *mut u8, from.as_ptr(), from.len() as u64) },
        Access::Write,
    )
}

/// As [`copy_in`], into bytes that others may look at meanwhile.
///
/// # Errors
/// As [`copy_in`].
pub fn copy_in_shared(to: &[AtomicU8], from: u64) -> Result<(), UserFault> {
    check(from, to.len(), Access::Read)?;
    let _exposure = Exposure::begin();
    // SAFETY: stores go to `to`, where any of the bytes may be stored at any time; loads come from user memory, and a fault
    // ends the copy.
    outcome(
        unsafe {
            user_copy(
                to.as_ptr().cast_mut().cast(),
                from as *const u8,
                to.len() as u64,
            )
        },
        Access::Read,
    )
}

/// As [`copy_out`], of bytes that others may change meanwhile.
///
/// # Errors
/// As [`copy_out`].
pub fn copy_out_shared(to: u64, from: &[AtomicU8]) -> Result<(), UserFault> {
    check(to, from.len(), Access::Write)?;
    let _exposure = Exposure::begin();
    // SAFETY: loads come from `from`, whatever it holds at that moment; stores go to user memory, and a fault ends the copy.
    outcome(
        unsafe { user_copy(to as *mut u8, from.as_ptr().cast(), from.len() as u64) },
        Access::Write,
    )
}

/// Copies words from user address `from`.
///
/// # Errors
/// As [`copy_in`].
pub fn words_in(to: &mut [u64], from: u64) -> Result<(), UserFault> {
    let count = size_of_val(to);
    // SAFETY: the bytes of the words, any of which may have any value.
    let bytes = unsafe { core::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), count) };
    copy_in(bytes, from)
}

/// Sets `count` bytes from user address `to` on.
///
/// # Errors
/// [`UserFault`]; some of the bytes may have been written then.
pub fn fill(to: u64, count: usize, byte: u8) -> Result<(), UserFault> {
    check(to, count, Access::Write)?;
    let _exposure = Exposure::begin();
    let word = u64::from_ne_bytes([byte; 8]);
    // SAFETY: stores go to user memory, and a fault ends the loop.
    outcome(
        unsafe { user_fill(to as *mut u8, word, count as u64) },
        Access::Write,
    )
}

/// Copies a string up to its NUL into `to`: the length without the NUL, or `None` when there is none in the first
/// `to.len()` bytes. Does not touch the page behind the NUL.
///
/// # Errors
/// [`UserFault`].
pub fn copy_string_in(to: &mut [u8], from: u64) -> Result<Option<usize>, UserFault> {
    let mut done = 0;
    while done < to.len() {
        let address = from.checked_add(done as u64).ok_or(UserFault {
            address: USER_LIMIT,
            access: Access::Read,
        })?;
        let to_page_end = abi::PAGE_SIZE - address as usize % abi::PAGE_SIZE;
        let chunk = to_page_end.min(64).min(to.len() - done);
        let Some(part) = to.get_mut(done..done + chunk) else {
            return Ok(None);
        };
        copy_in(part, address)?;
        if let Some(end) = part.iter().position(|&byte| byte == 0) {
            return Ok(Some(done + end));
        }
        done += chunk;
    }
    Ok(None)
}

/// Loads a word from user address `from` in one access.
///
/// # Errors
/// [`UserFault`].
pub fn load_u32(from: u64) -> Result<u32, UserFault> {
    check(from, 4, Access::Read)?;
    let _exposure = Exposure::begin();
    let mut value = 0;
    // SAFETY: the load comes from user memory and survives a fault; `value` is ours.
    outcome(unsafe { user_load_u32(from, &raw mut value) }, Access::Read)?;
    Ok(value as u32)
}

/// Loads a doubleword from user address `from` in one access.
///
/// # Errors
/// [`UserFault`].
pub fn load_u64(from: u64) -> Result<u64, UserFault> {
    check(from, 8, Access::Read)?;
    let _exposure = Exposure::begin();
    let mut value = 0;
    // SAFETY: as in `load_u32`.
    outcome(unsafe { user_load_u64(from, &raw mut value) }, Access::Read)?;
    Ok(value)
}

/// Stores a word at user address `to`.
///
/// # Errors
/// [`UserFault`].
pub fn store_u32(to: u64, value: u32) -> Result<(), UserFault> {
    copy_out(to, &value.to_ne_bytes())
}

/// Stores a doubleword at user address `to`.
///
/// # Errors
/// [`UserFault`].
pub fn store_u64(to: u64, value: u64) -> Result<(), UserFault> {
    copy_out(to, &value.to_ne_bytes())
}

/// Replaces the word at user address `at` by `new` if it is `old`; returns what was there. A full barrier.
///
/// # Errors
/// [`UserFault`], also for an address that is not a multiple of four.
pub fn compare_exchange_u32(at: u64, old: u32, new: u32) -> Result<u32, UserFault> {
    check(at, 4, Access::Write)?;
    if !at.is_multiple_of(4) {
        return Err(UserFault {
            address: at,
            access: Access::Write,
        });
    }
    let _exposure = Exposure::begin();
    let mut found = 0;
    // SAFETY: both accesses are to user memory and survive faults; `found` is ours.
    let failed =
        unsafe { user_compare_exchange_u32(at, u64::from(old), u64::from(new), &raw mut found) };
    outcome(failed, Access::Write)?;
    Ok(found as u32)
}

/// Replaces the word at user address `at` by what `change` makes of it, atomically; returns what was there.
///
/// # Errors
/// [`UserFault`], also for an address that is not a multiple of four.
pub fn update_u32(at: u64, change: impl Fn(u32) -> u32) -> Result<u32, UserFault> {
    let mut old = load_u32(at)?;
    loop {
        let found = compare_exchange_u32(at, old, change(old))?;
        if found == old {
            return Ok(old);
        }
        old = found;
    }
}
