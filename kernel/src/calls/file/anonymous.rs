//! Files in memory without a name, which can be sealed.

use crate::calls::Call;
use crate::calls::descriptor::{install, require_room};
use crate::mounts;
use crate::outcome::Called;
use abi::Errno;
use abi::linux::MemfdFlags;
use alloc::sync::Arc;
use vfs::{Access, InodeFile, Mode, NewNode, NodeContent, OpenFile, Seals, StatusFlags};

/// What is shown in front of the name that the program gives.
const PREFIX: &[u8] = b"memfd:";
/// Longest name: what is left of a file name.
const LONGEST: usize = vfs::NAME_LIMIT - PREFIX.len();

/// `man 2 memfd_create`.
///
/// # Errors
/// EINVAL for unknown flags, flags that contradict each other and a name of more than 249 bytes; ENOSYS for huge pages,
/// of which there are none; EFAULT, EMFILE, ENOMEM.
pub fn memfd_create(call: &mut Call<'_>) -> Called {
    let flags = MemfdFlags::from_bits(call.argument(1) as u32).ok_or(Errno::EINVAL)?;
    if flags.contains(MemfdFlags::NOEXEC_SEAL | MemfdFlags::EXEC) {
        return Err(Errno::EINVAL.into());
    }
    if flags.contains(MemfdFlags::HUGETLB) {
        return Err(Errno::ENOSYS.into());
    }
    let given = call
        .user
        .c_string(call.argument(0), LONGEST + 1, Errno::EINVAL)?;
    require_room(call)?;
    let (mode, seals) = if flags.contains(MemfdFlags::NOEXEC_SEAL) {
        (0o666, Seals::EXECUTE)
    } else if flags.contains(MemfdFlags::ALLOW_SEALING) {
        (0o777, Seals::empty())
    } else {
        (0o777, Seals::SEAL)
    };
    let identity = &call.credential().identity;
    let node = NewNode {
        content: NodeContent::Regular,
        mode: Mode::new(mode),
        uid: identity.fsuid,
        gid: identity.fsgid,
    };
    let nameless = mounts::nameless()?;
    let inode = nameless.files.sealable(call.cid(), &node, seals)?;
    let operations = Arc::new(InodeFile::new(inode.clone()));
    let shown = [PREFIX, &given].concat();
    let location = nameless.above.nameless(inode, &shown);
    let access = Access::READ | Access::WRITE;
    let file = OpenFile::new(
        operations,
        Some(location),
        call.cid(),
        access,
        StatusFlags::empty(),
    );
    install(call, file, flags.contains(MemfdFlags::CLOEXEC))
}
