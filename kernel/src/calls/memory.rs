//! Address-space calls: `mmap`, `munmap`, `mprotect`, `mremap`, `madvise`, `brk`.

use super::Call;
use crate::outcome::Called;
use abi::linux::Resource;
use abi::mmu::Protection;
use abi::{Errno, PAGE_SIZE, Pages};
use alloc::string::String;
use alloc::sync::Arc;
use memory::SharedPages;
use memory::space::{Advice, Backing, Fixed, MapRequest, Mapping, RemapFlags};
use vfs::{Access, Location};

const PROT_ALL: u64 = 7;
/// PROT_SAO, PROT_GROWSDOWN and PROT_GROWSUP are accepted by no program that runs here.
const MAP_SHARED: u64 = 0x01;
const MAP_PRIVATE: u64 = 0x02;
const MAP_SHARED_VALIDATE: u64 = 0x03;
const MAP_TYPE: u64 = 0x0f;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_GROWSDOWN: u64 = 0x100;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

/// `man 2 mmap`.
pub fn mmap(call: &mut Call<'_>) -> Called {
    let [address, length, protection, flags, _, offset] =
        core::array::from_fn(|index| call.argument(index));
    if length == 0 || !offset.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL.into());
    }
    let protection = protection_of(protection)?;
    let fixed = match (flags & MAP_FIXED_NOREPLACE != 0, flags & MAP_FIXED != 0) {
        (true, _) => Fixed::NoReplace,
        (false, true) => Fixed::Replace,
        (false, false) => Fixed::No,
    };
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    let (mapping, maximum, name) = if flags & MAP_ANONYMOUS != 0 {
        let mapping = anonymous(call, length, flags, shared)?;
        (mapping, Protection::all(), None)
    } else {
        of_file(call, offset, shared, protection)?
    };
    let mut request = MapRequest {
        hint: address,
        fixed,
        length,
        protection,
        maximum,
        mapping,
        name,
    };
    let limit = limit(call);
    let mut space = call.user.space()?.lock();
    space.set_limit(limit);
    request.share_name(&space);
    Ok(space.map(request)?)
}

/// RLIMIT_AS in pages.
fn limit(call: &Call<'_>) -> Pages {
    let bytes = call.process().limit(Resource::AddressSpace);
    let own = call
        .process()
        .environment()
        .wpar
        .controls()
        .process_virtual_memory;
    let bytes = own.map_or(bytes, |megabytes| bytes.min(megabytes.bytes()));
    Pages(bytes / PAGE_SIZE as u64)
}

fn anonymous(call: &Call<'_>, length: u64, flags: u64, shared: bool) -> Result<Mapping, Errno> {
    if shared {
        let pages = length.div_ceil(PAGE_SIZE as u64);
        let source = Arc::new(SharedPages::new(call.cid(), pages));
        return Ok(Mapping::Shared(Backing { source, first: 0 }));
    }
    Ok(if flags & MAP_GROWSDOWN != 0 {
        Mapping::Stack
    } else {
        Mapping::Anonymous
    })
}

/// A mapping of the file of argument 4, what `mprotect` may allow of it, and its name.
fn of_file(
    call: &Call<'_>,
    offset: u64,
    shared: bool,
    protection: Protection,
) -> Result<(Mapping, Protection, Option<Arc<str>>), Errno> {
    let file = call.file(4)?;
    let access = file.access();
    if !access.contains(Access::READ) {
        return Err(Errno::EACCES);
    }
    let mut maximum = Protection::all();
    if shared && !access.contains(Access::WRITE) {
        if protection.contains(Protection::WRITE) {
            return Err(Errno::EACCES);
        }
        maximum.remove(Protection::WRITE);
    }
    let source = file.operations().pages().ok_or(Errno::ENODEV)?;
    let backing = Backing {
        source,
        first: offset / PAGE_SIZE as u64,
    };
    let name = match file.location() {
        Some(location) => mapped_name(call, location)?,
        None => None,
    };
    Ok((
        if shared {
            Mapping::Shared(backing)
        } else {
            Mapping::Private(backing)
        },
        maximum,
        name,
    ))
}

/// The name of a mapped file for `/proc/PID/maps`: its path when it is mapped, from the root of who maps it.
///
/// A path and not the name itself, because the last handle to a name may not be dropped under the address space's lock.
pub fn mapped_name(call: &Call<'_>, location: &Location) -> Result<Option<Arc<str>>, Errno> {
    let root = call.process().place()?.lock().root.clone();
    let path = location.path(&root).map(vfs::Path::shown);
    Ok(path.map(|path| Arc::from(String::from_utf8_lossy(&path))))
}

fn protection_of(bits: u64) -> Result<Protection, Errno> {
    if bits & !PROT_ALL != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Protection::from_bits_truncate(bits as u8))
}

/// `man 2 munmap`.
pub fn munmap(call: &mut Call<'_>) -> Called {
    call.user
        .space()?
        .lock()
        .unmap(call.argument(0), call.argument(1))?;
    Ok(0)
}

/// `man 2 mprotect`.
pub fn mprotect(call: &mut Call<'_>) -> Called {
    let protection = protection_of(call.argument(2))?;
    call.user
        .space()?
        .lock()
        .protect(call.argument(0), call.argument(1), protection)?;
    Ok(0)
}

/// `man 2 mremap`.
pub fn mremap(call: &mut Call<'_>) -> Called {
    let [old, old_length, new_length, flags, new] =
        core::array::from_fn(|index| call.argument(index));
    let flags = u32::try_from(flags)
        .ok()
        .and_then(RemapFlags::from_bits)
        .ok_or(Errno::EINVAL)?;
    let limit = limit(call);
    let mut space = call.user.space()?.lock();
    space.set_limit(limit);
    Ok(space.remap(old, old_length, new_length, flags, new)?)
}

/// `man 2 madvise`: what frees memory is done, hints are accepted, the rest is refused.
pub fn madvise(call: &mut Call<'_>) -> Called {
    const HINTS: [u64; 10] = [0, 1, 2, 10, 11, 12, 13, 14, 15, 16];
    const WILLNEED: u64 = 3;
    const DONTNEED: u64 = 4;
    const FREE: u64 = 8;
    let (address, length, advice) = (call.argument(0), call.argument(1), call.argument(2));
    if !address.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL.into());
    }
    let advice = match advice {
        DONTNEED | FREE => Advice::DontNeed,
        WILLNEED => Advice::WillNeed,
        hint if HINTS.contains(&hint) => return Ok(0),
        _ => return Err(Errno::EINVAL.into()),
    };
    call.user.space()?.lock().advise(address, length, advice)?;
    Ok(0)
}

/// `man 2 brk`: the new break, or the old one when it cannot be moved.
pub fn brk(call: &mut Call<'_>) -> Called {
    let limit = limit(call);
    let mut space = call.user.space()?.lock();
    space.set_limit(limit);
    Ok(space.set_break(call.argument(0)))
}

/// `man 2 msync`: pages of files are the files' own, so there is nothing to write back.
pub fn msync(call: &mut Call<'_>) -> Called {
    let (address, length, flags) = (call.argument(0), call.argument(1), call.argument(2));
    const FLAGS: u64 = 7;
    const ASYNC_AND_SYNC: u64 = 5;
    if !address.is_multiple_of(PAGE_SIZE as u64)
        || flags & !FLAGS != 0
        || flags & ASYNC_AND_SYNC == ASYNC_AND_SYNC
    {
        return Err(Errno::EINVAL.into());
    }
    let end = address.checked_add(length).ok_or(Errno::ENOMEM)?;
    let space = call.user.space()?.lock();
    let mut at = address;
    for area in space
        .areas()
        .filter(|area| area.end > address && area.start < end)
    {
        if area.start > at {
            return Err(Errno::ENOMEM.into());
        }
        at = area.end;
    }
    if at < end {
        Err(Errno::ENOMEM.into())
    } else {
        Ok(0)
    }
}

/// `mlock` and its kin: nothing is ever paged out, so every resident page is locked.
pub fn lock(_call: &mut Call<'_>) -> Called {
    Ok(0)
}
