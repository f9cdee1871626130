//! On which nodes memory is to be (`man 2 set_mempolicy`). There is one node, so that a policy is kept and told and has no
//! other effect.

use super::Call;
use crate::outcome::Called;
use abi::{Errno, PAGE_SIZE};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use security::CapabilitySet;

/// Modes (linux/mempolicy.h).
const DEFAULT: u32 = 0;
const PREFERRED: u32 = 1;
const BIND: u32 = 2;
const INTERLEAVE: u32 = 3;
const LOCAL: u32 = 4;
const PREFERRED_MANY: u32 = 5;
/// Flags of a mode.
const STATIC_NODES: u32 = 1 << 15;
const RELATIVE_NODES: u32 = 1 << 14;
const NUMA_BALANCING: u32 = 1 << 13;
const FLAGS: u32 = STATIC_NODES | RELATIVE_NODES | NUMA_BALANCING;

/// Nodes that a set may name (MAX_NUMNODES).
const NODES: u64 = 256;

/// The policy of a thread: the mode with its flags, and whether the node is in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    mode: u32,
    named: bool,
}

impl Policy {
    const NAMED: u32 = 1 << 16;

    /// A policy of arguments: a mode, and a set of nodes at an address with one bit less than a number says.
    ///
    /// # Errors
    /// EINVAL, EFAULT.
    fn read(call: &Call<'_>, mode: u64, address: u64, bits: u64) -> Result<Self, Errno> {
        let mode = mode as u32;
        let (plain, flags) = (mode & !FLAGS, mode & FLAGS);
        let both = STATIC_NODES | RELATIVE_NODES;
        if plain > PREFERRED_MANY
            || flags & both == both
            || flags & NUMA_BALANCING != 0 && plain != BIND
        {
            return Err(Errno::EINVAL);
        }
        let set = nodes(call, address, bits)?;
        let is_empty = set.iter().all(|word| *word == 0);
        let named = set.first().is_some_and(|word| word & 1 != 0);
        let mode = match plain {
            DEFAULT if is_empty => DEFAULT,
            LOCAL if is_empty && flags == 0 => LOCAL,
            PREFERRED if is_empty && flags & both == 0 => LOCAL,
            DEFAULT | LOCAL => return Err(Errno::EINVAL),
            // Nodes that there are none of do not count.
            _ if !named => return Err(Errno::EINVAL),
            _ => mode,
        };
        Ok(Self { mode, named })
    }

    fn of(call: &Call<'_>) -> Self {
        let word = call.thread.memory_policy.load(Ordering::Relaxed);
        Self {
            mode: word & !Self::NAMED,
            named: word & Self::NAMED != 0,
        }
    }
}

/// The set of nodes at an address, which has one bit less than `bits`.
fn nodes(call: &Call<'_>, address: u64, bits: u64) -> Result<Vec<u64>, Errno> {
    let count = bits.saturating_sub(1);
    if address == 0 || count == 0 {
        return Ok(Vec::new());
    }
    if count > PAGE_SIZE as u64 * 8 {
        return Err(Errno::EINVAL);
    }
    let words = count.div_ceil(64);
    let mut set = fallible::list(words as usize)?;
    for index in 0..words {
        let bytes = call.user.bytes::<8>(address.wrapping_add(index * 8))?;
        let mut word = u64::from_le_bytes(bytes);
        let left = count - index * 64;
        if left < 64 {
            word &= (1 << left) - 1;
        }
        if word != 0 && index * 64 >= NODES {
            return Err(Errno::EINVAL);
        }
        set.push(word);
    }
    Ok(set)
}

/// `man 2 set_mempolicy`.
///
/// # Errors
/// EINVAL, EFAULT, ENOMEM.
pub fn set_mempolicy(call: &mut Call<'_>) -> Called {
    let policy = Policy::read(call, call.argument(0), call.argument(1), call.argument(2))?;
    let named = if policy.named { Policy::NAMED } else { 0 };
    let word = policy.mode | named;
    call.thread.memory_policy.store(word, Ordering::Relaxed);
    Ok(0)
}

/// `man 2 get_mempolicy`; of an address the policy of the thread is told.
///
/// # Errors
/// EINVAL, EFAULT.
pub fn get_mempolicy(call: &mut Call<'_>) -> Called {
    const NODE: u64 = 1;
    const ADDRESS: u64 = 2;
    const ALLOWED: u64 = 4;
    let [mode, set, bits, address, flags] = core::array::from_fn(|index| call.argument(index));
    let of_address = flags & ADDRESS != 0;
    if flags & !(NODE | ADDRESS | ALLOWED) != 0
        || flags & ALLOWED != 0 && flags != ALLOWED
        || set != 0 && bits == 0
        || !of_address && address != 0
    {
        return Err(Errno::EINVAL.into());
    }
    if of_address && call.user.space()?.lock().area_at(address).is_none() {
        return Err(Errno::EFAULT.into());
    }
    let own = Policy::of(call);
    let (told, named) = match flags {
        ALLOWED => (0, true),
        // The node, of which there is one.
        _ if flags & NODE != 0 => {
            if !of_address && own.mode & !FLAGS != INTERLEAVE {
                return Err(Errno::EINVAL.into());
            }
            (0, own.named)
        }
        _ => (own.mode, own.named),
    };
    if mode != 0 {
        call.user.write(mode, &told.to_le_bytes())?;
    }
    if set != 0 {
        let words = bits.saturating_sub(1).div_ceil(64).min(NODES / 64);
        for index in 0..words {
            let word = u64::from(named && index == 0);
            let at = set.wrapping_add(index * 8);
            call.user.write(at, &word.to_le_bytes())?;
        }
    }
    Ok(0)
}

/// `man 2 mbind`: all memory is where it may be. The policy of a range is not kept.
///
/// # Errors
/// EINVAL, EFAULT, EPERM, ENOMEM.
pub fn mbind(call: &mut Call<'_>) -> Called {
    const STRICT: u64 = 1;
    const MOVE: u64 = 2;
    const MOVE_ALL: u64 = 4;
    let [address, length, mode, set, bits, flags] =
        core::array::from_fn(|index| call.argument(index));
    if flags & !(STRICT | MOVE | MOVE_ALL) != 0 || !address.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL.into());
    }
    if flags & MOVE_ALL != 0 {
        call.credential()
            .require_capability(CapabilitySet::SYS_NICE)?;
    }
    let policy = Policy::read(call, mode, set, bits)?;
    if address.checked_add(length).is_none() {
        return Err(Errno::EINVAL.into());
    }
    let mapped = length == 0 || call.user.space()?.lock().is_mapped(address, length);
    if policy.mode != DEFAULT && !mapped {
        return Err(Errno::EFAULT.into());
    }
    Ok(0)
}
