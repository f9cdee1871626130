//! Extended attributes (`man 7 xattr`).

use super::Call;
use super::descriptor::opened;
use super::directory::{Named, with_walk};
use crate::outcome::Called;
use crate::user::Segment;
use abi::Errno;
use abi::mmu::Access;
use alloc::sync::Arc;
use alloc::vec::Vec;
use process::capabilities::FileCapabilities;
use vfs::{
    ATTRIBUTE_NAME_LIMIT, ATTRIBUTE_SIZE_LIMIT, CAPABILITY_ATTRIBUTE, Follow, Location, OpenFile,
    SetAttribute, Walk,
};
use wait::Attempt;

/// Which file the first argument means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The file that a path leads to.
    Path,
    /// The file of a path, a symbolic link itself.
    Link,
    /// An open file.
    Descriptor,
}

enum Target {
    Opened(Arc<OpenFile>),
    Named(Named, Follow),
}

impl Target {
    fn new(call: &Call<'_>, means: Means) -> Result<Self, Errno> {
        Ok(match means {
            Means::Path => Target::Named(Named::new(call, 0)?, Follow::Yes),
            Means::Link => Target::Named(Named::new(call, 0)?, Follow::No),
            Means::Descriptor => Target::Opened(opened(call, 0)?),
        })
    }

    fn act<T>(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(&Walk<'_>, &Location) -> Attempt<T>,
    ) -> Result<T, crate::outcome::Outcome> {
        with_walk(call, |walk| match self {
            Target::Opened(file) => act(walk, file.location().ok_or(Errno::EOPNOTSUPP)?),
            Target::Named(named, follow) => act(walk, &named.resolve(walk, *follow)?),
        })
    }
}

/// The name in argument 1.
fn name(call: &Call<'_>) -> Result<Vec<u8>, Errno> {
    let name = call
        .user
        .c_string(call.argument(1), ATTRIBUTE_NAME_LIMIT + 1, Errno::ERANGE)?;
    if name.is_empty() {
        return Err(Errno::ERANGE);
    }
    Ok(name)
}

/// Hands bytes to a buffer of a program, or tells their number when the buffer has size 0.
fn hand_over(call: &Call<'_>, bytes: &[u8], buffer: u64, room: u64) -> Called {
    if room != 0 {
        if (bytes.len() as u64) > room {
            return Err(Errno::ERANGE.into());
        }
        let segment = Segment {
            address: buffer,
            length: bytes.len(),
        };
        call.user.gather(segment, Access::Write)?;
        call.user.write(buffer, bytes)?;
    }
    Ok(bytes.len() as u64)
}

/// `man 2 getxattr`.
///
/// # Errors
/// ENODATA, ERANGE for a name that cannot be or a buffer that is too small, EOPNOTSUPP, EFAULT and those of a path.
pub fn get(call: &mut Call<'_>, means: Means) -> Called {
    let (target, name) = (Target::new(call, means)?, name(call)?);
    let value = target.act(call, |walk, at| walk.attribute(at, &name))?;
    hand_over(call, &value, call.argument(2), call.argument(3))
}

/// `man 2 listxattr`.
///
/// # Errors
/// ERANGE, EFAULT and those of a path.
pub fn list(call: &mut Call<'_>, means: Means) -> Called {
    let target = Target::new(call, means)?;
    let names = target.act(call, |walk, at| walk.attributes(at))?;
    hand_over(call, &names, call.argument(1), call.argument(2))
}

/// `man 2 setxattr`.
///
/// # Errors
/// EINVAL for unknown flags, E2BIG for a value of more than 64 KiB, EEXIST, ENODATA, ENOSPC, EOPNOTSUPP, EPERM, EACCES,
/// EROFS, EFAULT and those of a path.
pub fn set(call: &mut Call<'_>, means: Means) -> Called {
    let how = match call.argument(4) as u32 {
        0 => SetAttribute::Any,
        1 => SetAttribute::Create,
        2 => SetAttribute::Replace,
        _ => return Err(Errno::EINVAL.into()),
    };
    let (target, name) = (Target::new(call, means)?, name(call)?);
    let length = usize::try_from(call.argument(3)).map_err(|_| Errno::E2BIG)?;
    if length > ATTRIBUTE_SIZE_LIMIT {
        return Err(Errno::E2BIG.into());
    }
    let mut value = Vec::new();
    value.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    value.resize(length, 0);
    call.user.read(call.argument(2), &mut value)?;
    if name == CAPABILITY_ATTRIBUTE {
        FileCapabilities::read(&value)?;
    }
    target.act(call, |walk, at| walk.set_attribute(at, &name, &value, how))?;
    Ok(0)
}

/// `man 2 removexattr`.
///
/// # Errors
/// ENODATA, EOPNOTSUPP, EPERM, EACCES, EROFS and those of a path.
pub fn remove(call: &mut Call<'_>, means: Means) -> Called {
    let (target, name) = (Target::new(call, means)?, name(call)?);
    target.act(call, |walk, at| walk.remove_attribute(at, &name))?;
    Ok(0)
}
