//! Capabilities (`man 2 capget`, and the options of `man 2 prctl` about them); the rules are in the `process` crate.

use super::identity::change;
use super::{Call, thread};
use crate::outcome::{Called, Outcome};
use abi::Errno;
use abi::linux::{
    CAPABILITY_VERSION_1, CAPABILITY_VERSION_2, CAPABILITY_VERSION_3, PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_RAISE,
};
use process::capabilities;
use security::CapabilitySet;

/// How many words of 32 bits a set has in the version that the header names; another version is EINVAL, and is told there
/// the newest one.
fn words(call: &Call<'_>) -> Result<u64, Outcome> {
    let header = call.argument(0);
    match call.user.u32(header)? {
        CAPABILITY_VERSION_1 => Ok(1),
        CAPABILITY_VERSION_2 | CAPABILITY_VERSION_3 => Ok(2),
        _ => {
            let newest = CAPABILITY_VERSION_3.to_le_bytes();
            call.user.write(header, &newest)?;
            Err(Errno::EINVAL.into())
        }
    }
}

/// Bytes of `struct __user_cap_data_struct`: a word of the effective, the permitted and the inheritable set.
const DATA: u64 = 12;

/// `man 2 capget`.
///
/// # Errors
/// EFAULT, EINVAL, ESRCH.
pub fn capget(call: &mut Call<'_>) -> Called {
    let data = call.argument(1);
    let words = match words(call) {
        // Who gives no room asks for the version.
        Err(Outcome::Failed(Errno::EINVAL)) if data == 0 => return Ok(0),
        other => other?,
    };
    let pid = call.user.u32(call.argument(0).wrapping_add(4))?;
    if pid.cast_signed() < 0 {
        return Err(Errno::EINVAL.into());
    }
    let own = thread::target(call, u64::from(pid))?
        .credential()
        .capabilities;
    if data == 0 {
        return Ok(0);
    }
    for word in 0..words {
        for (index, set) in (0..).zip([own.effective, own.permitted, own.inheritable]) {
            let at = data.wrapping_add(word * DATA + index * 4);
            let value = (set.bits() >> (32 * word)) as u32;
            call.user.write(at, &value.to_le_bytes())?;
        }
    }
    Ok(0)
}

/// `man 2 capset`: of the calling thread alone.
///
/// # Errors
/// EFAULT, EINVAL, EPERM for another process, and those of [`capabilities::set`].
pub fn capset(call: &mut Call<'_>) -> Called {
    let words = words(call)?;
    let pid = call.user.u32(call.argument(0).wrapping_add(4))?;
    let own = [call.thread.virtual_tid().0, call.thread.process.pid.0];
    if pid != 0 && !own.contains(&pid) {
        return Err(Errno::EPERM.into());
    }
    let mut sets = [0; 3];
    for word in 0..words {
        for (index, set) in (0..).zip(&mut sets) {
            let at = call.argument(1).wrapping_add(word * DATA + index * 4);
            *set |= u64::from(call.user.u32(at)?) << (32 * word);
        }
    }
    // Those that no kernel has a name for are left out.
    let sets = sets.map(|bits| CapabilitySet::from_bits_retain(bits) & CapabilitySet::EVERY);
    change(call, |credential, possible| {
        capabilities::set(credential, sets, possible)
    })?;
    Ok(0)
}

/// The capability that an argument names.
fn named(number: u64) -> Result<CapabilitySet, Errno> {
    CapabilitySet::one(number).ok_or(Errno::EINVAL)
}

/// PR_CAPBSET_READ.
///
/// # Errors
/// EINVAL for an unknown one.
pub fn is_in_bounding_set(call: &Call<'_>, number: u64) -> Called {
    let bounding = call.credential().capabilities.bounding;
    Ok(u64::from(bounding.contains(named(number)?)))
}

/// PR_CAPBSET_DROP.
///
/// # Errors
/// EINVAL for an unknown one, EPERM.
pub fn drop_from_bounding_set(call: &Call<'_>, number: u64) -> Called {
    change(call, |credential, _| {
        capabilities::drop_from_bounding_set(credential, named(number)?)
    })?;
    Ok(0)
}

/// PR_SET_SECUREBITS.
///
/// # Errors
/// EPERM.
pub fn set_secure_bits(call: &Call<'_>, bits: u64) -> Called {
    change(call, |credential, _| {
        capabilities::set_secure_bits(credential, bits)
    })?;
    Ok(0)
}

/// PR_SET_KEEPCAPS.
///
/// # Errors
/// EINVAL, EPERM.
pub fn keep(call: &Call<'_>, keep: u64) -> Called {
    if keep > 1 {
        return Err(Errno::EINVAL.into());
    }
    change(call, |credential, _| {
        capabilities::keep(credential, keep == 1)
    })?;
    Ok(0)
}

/// PR_CAP_AMBIENT.
///
/// # Errors
/// EINVAL, EPERM.
pub fn ambient(call: &Call<'_>, [operation, number, fourth, fifth]: [u64; 4]) -> Called {
    if [fourth, fifth] != [0; 2] {
        return Err(Errno::EINVAL.into());
    }
    if operation == PR_CAP_AMBIENT_CLEAR_ALL {
        if number != 0 {
            return Err(Errno::EINVAL.into());
        }
        return lower(call, CapabilitySet::EVERY);
    }
    let capability = named(number)?;
    match operation {
        PR_CAP_AMBIENT_IS_SET => {
            let ambient = call.credential().capabilities.ambient;
            Ok(u64::from(ambient.contains(capability)))
        }
        PR_CAP_AMBIENT_LOWER => lower(call, capability),
        PR_CAP_AMBIENT_RAISE => {
            change(call, |credential, _| {
                capabilities::raise_ambient(credential, capability)
            })?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn lower(call: &Call<'_>, capabilities: CapabilitySet) -> Called {
    change(call, |credential, _| {
        capabilities::lower_ambient(credential, capabilities);
        Ok(())
    })?;
    Ok(0)
}
