//! `man 2 shmget`, `man 2 shmop`, `man 2 shmctl`.

use super::{command, create, ownership, permission, visit};
use crate::calls::Call;
use crate::calls::memory::{check_commitment, limits_of, thin};
use crate::outcome::Called;
use crate::user::Segment as UserSegment;
use abi::linux::{
    IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, SHM_DEST, SHM_EXEC, SHM_HUGETLB, SHM_INFO, SHM_LOCK,
    SHM_RDONLY, SHM_REMAP, SHM_RND, SHM_STAT, SHM_STAT_ANY, SHM_UNLOCK, ShmInfo, ShmidDs, Shminfo,
};
use abi::mmu::{Access as MemoryAccess, Protection};
use abi::{Errno, PAGE_SIZE};
use ipc::system_v::{Access, SEGMENTS, Segment, SegmentStatus, SharedMemory};
use memory::space::{AddressSpace, Backing, Fixed, MapRequest, Mapping, Traits};

const PAGE: u64 = PAGE_SIZE as u64;

/// `man 2 shmget`.
pub(super) fn get(call: &Call<'_>, key: u64, size: u64, flags: u64) -> Called {
    let wanted = create(key, flags);
    if flags as u32 & SHM_HUGETLB != 0 {
        return Err(Errno::EINVAL.into());
    }
    if wanted.create || wanted.key == 0 {
        check_commitment(size)?;
    }
    let environment = call.process().environment();
    let segments = &environment.system_v.shared_memory;
    Ok(segments.get(visit(call), wanted, size)? as u64)
}

/// `man 2 shmat`, with the address stored at `result` (`man 2 ipc`).
pub(super) fn attach_into(
    call: &mut Call<'_>,
    id: u64,
    address: u64,
    flags: u64,
    result: u64,
) -> Called {
    let place = UserSegment {
        address: result,
        length: size_of::<u64>(),
    };
    call.user.gather(place, MemoryAccess::Write)?;
    let attached = attach(call, id, address, flags)?;
    call.user.write(result, &attached.to_le_bytes())?;
    Ok(0)
}

/// `man 2 shmat`.
pub(super) fn attach(call: &mut Call<'_>, id: u64, address: u64, flags: u64) -> Called {
    let (id, flags) = (id as i32, flags as u32);
    let address = if flags & SHM_RND != 0 {
        address & !(PAGE - 1)
    } else {
        address
    };
    let replaces = flags & SHM_REMAP != 0;
    if !address.is_multiple_of(PAGE) || replaces && address == 0 {
        return Err(Errno::EINVAL.into());
    }
    let (mut protection, mut maximum) = (Protection::READ, Protection::all());
    let access = if flags & SHM_RDONLY != 0 {
        maximum.remove(Protection::WRITE);
        Access::Read
    } else {
        protection |= Protection::WRITE;
        Access::Both
    };
    if flags & SHM_EXEC != 0 {
        protection |= Protection::EXECUTE;
    }
    let environment = call.process().environment();
    let segments = &environment.system_v.shared_memory;
    let (source, length, key) = segments.attach(visit(call), id, access)?;
    let name = fallible::text(format_args!("/SYSV{key:08x} (deleted)"))?;
    let request = MapRequest {
        hint: address,
        fixed: match (address, replaces) {
            (0, _) => Fixed::No,
            (_, true) => Fixed::Replace,
            (_, false) => Fixed::NoReplace,
        },
        length,
        protection,
        maximum,
        mapping: Mapping::Shared(Backing { source, first: 0 }),
        traits: Traits::empty(),
        name: Some(fallible::arc_str(&name)?),
    };
    let limits = limits_of(call);
    if replaces {
        let mut space = call.user.space()?.lock();
        space.set_limits(limits);
        space.may_replace(&request)?;
        drop(space);
        thin(call, address, length)?;
    }
    let attached = {
        let mut space = call.user.space()?.lock();
        space.set_limits(limits);
        space.map(request)
    };
    let attached = attached.map_err(|errno| match errno {
        // What mmap says of a place that is taken.
        Errno::EEXIST => Errno::EINVAL,
        other => other,
    })?;
    segments.note(visit(call), id, true);
    Ok(attached)
}

/// The end of an attachment that begins at an address, and the segment's number. What the program has mapped over its
/// middle is not part of it, so there may be several areas.
fn attachment(space: &AddressSpace, address: u64) -> Option<(u64, i32)> {
    let shown = |start: u64| {
        let area = space.area_at(start)?;
        let backing = area.mapping.backing()?;
        let identity = backing.source.identity();
        let whole = area.start == start && start - address == backing.first * PAGE;
        (whole && Segment::is_identity(identity)).then_some((area.end, identity.1))
    };
    let (mut end, id) = shown(address)?;
    while let Some((further, _)) = shown(end).filter(|(_, other)| *other == id) {
        end = further;
    }
    Some((end, id as i32))
}

/// `man 2 shmdt`.
pub(super) fn detach(call: &mut Call<'_>, address: u64) -> Called {
    let found = attachment(&call.user.space()?.lock(), address);
    let (end, id) = found.ok_or(Errno::EINVAL)?;
    thin(call, address, end - address)?;
    call.user.space()?.lock().unmap(address, end - address)?;
    let environment = call.process().environment();
    environment
        .system_v
        .shared_memory
        .note(visit(call), id, false);
    Ok(0)
}

/// `man 2 shmctl`.
pub(super) fn control(call: &Call<'_>, id: u64, bits: u64, address: u64) -> Called {
    let environment = call.process().environment();
    let segments = &environment.system_v.shared_memory;
    let (id, visit) = (id as i32, visit(call));
    match command(bits) {
        IPC_INFO => limits(call, segments, address),
        SHM_INFO => usage(call, segments, address),
        IPC_STAT => {
            tell(call, &segments.status(visit, id, false)?, address)?;
            Ok(0)
        }
        command @ (SHM_STAT | SHM_STAT_ANY) => {
            let id = segments.at(u32::try_from(id).map_err(|_| Errno::EINVAL)?)?;
            tell(
                call,
                &segments.status(visit, id, command == SHM_STAT_ANY)?,
                address,
            )?;
            Ok(id as u64)
        }
        IPC_SET => {
            let given = ShmidDs::decode(&call.user.bytes::<{ ShmidDs::SIZE }>(address)?);
            segments.set(visit, id, ownership(&given.perm))?;
            Ok(0)
        }
        IPC_RMID => {
            segments.remove(visit, id)?;
            Ok(0)
        }
        // Nothing is ever paged out.
        SHM_LOCK | SHM_UNLOCK => {
            segments.require_owner(visit, id)?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn tell(call: &Call<'_>, status: &SegmentStatus, address: u64) -> Result<(), Errno> {
    let mut perm = permission(&status.permission);
    if status.removed {
        perm.mode |= SHM_DEST;
    }
    let told = ShmidDs {
        perm,
        atime: status.attached,
        dtime: status.detached,
        ctime: status.changed,
        segsz: status.size,
        cpid: status.creator,
        lpid: status.operator,
        nattch: status.attachments,
    };
    call.user.write(address, &told.encode())
}

fn limits(call: &Call<'_>, segments: &SharedMemory, address: u64) -> Called {
    let told = Shminfo {
        shmmax: i64::MAX as u64,
        shmmin: 1,
        shmmni: u64::from(SEGMENTS),
        shmseg: u64::from(SEGMENTS),
        shmall: i64::MAX as u64 / PAGE,
    };
    call.user.write(address, &told.encode())?;
    Ok(u64::from(segments.usage().0))
}

fn usage(call: &Call<'_>, segments: &SharedMemory, address: u64) -> Called {
    let (last, used, pages) = segments.usage();
    let told = ShmInfo {
        used_ids: used,
        shm_tot: pages,
        shm_rss: segments.resident(),
        shm_swp: 0,
    };
    call.user.write(address, &told.encode())?;
    Ok(u64::from(last))
}
