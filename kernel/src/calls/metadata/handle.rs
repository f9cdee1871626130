//! Handles of files (`man 2 open_by_handle_at`). No file system here has any, so none was ever given out.

use super::super::Call;
use super::super::descriptor::opened;
use super::{Target, allow_flags};
use crate::outcome::Called;
use abi::Errno;
use abi::linux::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW};
use security::CapabilitySet;

/// `man 2 name_to_handle_at`.
///
/// # Errors
/// EINVAL for flags, EBADF and those of a path; EOPNOTSUPP for every file.
pub fn name_to_handle_at(call: &mut Call<'_>) -> Called {
    let flags = allow_flags(call.argument(4), AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)?;
    let follows = flags & AT_SYMLINK_FOLLOW != 0;
    let how = if follows { 0 } else { AT_SYMLINK_NOFOLLOW };
    let target = Target::at(call, flags & AT_EMPTY_PATH | how)?;
    target.metadata(call)?;
    Err(Errno::EOPNOTSUPP.into())
}

/// `man 2 open_by_handle_at`.
///
/// # Errors
/// EPERM without CAP_DAC_READ_SEARCH, EFAULT, EINVAL for a size that cannot be, EBADF; ESTALE for every handle.
pub fn open_by_handle_at(call: &mut Call<'_>) -> Called {
    /// MAX_HANDLE_SZ.
    const LONGEST: u32 = 128;
    call.credential()
        .require_capability(CapabilitySet::DAC_READ_SEARCH)?;
    let length = call.user.u32(call.argument(1))?;
    if !(1..=LONGEST).contains(&length) {
        return Err(Errno::EINVAL.into());
    }
    if call.argument(0) as u32 as i32 != abi::linux::AT_FDCWD {
        opened(call, 0)?;
    }
    Err(Errno::ESTALE.into())
}
