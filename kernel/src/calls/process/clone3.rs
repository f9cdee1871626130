//! The structure of `clone3`, and what can be wrong with it.

use crate::calls::Call;
use abi::linux::{CloneArgs, CloneFlags};
use abi::{Errno, PAGE_SIZE};

/// A structure that may be longer than the kernel's, if what is longer is zero.
pub(super) fn extensible<const N: usize>(
    call: &Call<'_>,
    address: u64,
    size: usize,
) -> Result<[u8; N], Errno> {
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    let mut bytes = [0; N];
    let known = size.min(N);
    if let Some(given) = bytes.get_mut(..known) {
        call.user.read(address, given)?;
    }
    for at in known..size {
        if call.user.bytes::<1>(address.wrapping_add(at as u64))? != [0] {
            return Err(Errno::E2BIG);
        }
    }
    Ok(bytes)
}

/// What `clone3` refuses and `clone` cannot ask for.
pub(super) fn check(args: &CloneArgs, flags: CloneFlags) -> Result<(), Errno> {
    /// Numbers that can be chosen, one for each of Linux's namespaces.
    const NUMBERS: u64 = 32;
    let last = CloneFlags::INTO_CGROUP.bits();
    let unknown = flags.bits() >= last << 1;
    let legacy = CloneFlags::DETACHED.bits() | (0xff & !CloneFlags::NEWTIME.bits());
    let is_thread = flags.intersects(CloneFlags::THREAD | CloneFlags::PARENT);
    let bad = unknown
        || flags.bits() & legacy != 0
        || is_thread && args.exit_signal != 0
        || (args.stack == 0) != (args.stack_size == 0)
        || (args.set_tid == 0) != (args.set_tid_size == 0)
        || args.set_tid_size > NUMBERS;
    if bad {
        return Err(Errno::EINVAL);
    }
    if args.set_tid_size != 0 {
        return Err(Errno::EPERM);
    }
    Ok(())
}
