//! What can be wrong with the structure of `clone3`.

use abi::Errno;
use abi::linux::{CloneArgs, CloneFlags};

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
