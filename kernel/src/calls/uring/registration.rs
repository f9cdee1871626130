//! What a program registers with a ring (`man 2 io_uring_register`).
//!
//! A registered buffer is not pinned, as nothing is ever paged out: it is a range that entries may name, and one that the program
//! has unmapped since is EFAULT. A ring cannot be registered with a ring: the two would keep each other.

use crate::calls::Call;
use crate::calls::descriptor::opened;
use crate::calls::event::require_counter;
use crate::outcome::Called;
use crate::ring::{Events, Ring, RingFile};
use crate::user::Segment;
use abi::linux::{
    IO_URING_OP_SUPPORTED, IORING_REGISTER_BUFFERS, IORING_REGISTER_ENABLE_RINGS,
    IORING_REGISTER_EVENTFD, IORING_REGISTER_EVENTFD_ASYNC, IORING_REGISTER_FILES,
    IORING_REGISTER_FILES_SKIP, IORING_REGISTER_FILES_UPDATE, IORING_REGISTER_PBUF_RING,
    IORING_REGISTER_PROBE, IORING_UNREGISTER_BUFFERS, IORING_UNREGISTER_EVENTFD,
    IORING_UNREGISTER_FILES, IORING_UNREGISTER_PBUF_RING, UringBuffer, UringBufferRing,
    UringFilesUpdate, UringOperation, UringProbe, UringProbeOperation,
};
use abi::{Errno, PAGE_SIZE};
use alloc::sync::Arc;
use alloc::vec::Vec;
use vfs::{Descriptor, OpenFile};

/// Most registered buffers.
const BUFFERS_MAX: u32 = 1 << 14;
/// Most registered files.
const FILES_MAX: u32 = 1 << 15;
/// Longest registered buffer.
const BUFFER_MAX: usize = 1 << 30;

/// `man 2 io_uring_register`.
///
/// # Errors
/// EBADF, EOPNOTSUPP for another file, EINVAL for what is not supported, EBUSY for what is registered already, ENXIO for what
/// is not registered, ENOENT and EEXIST for groups of buffers, EFAULT, EMFILE for too many files, ENOMEM, EOVERFLOW.
pub fn io_uring_register(call: &mut Call<'_>) -> Called {
    let ring = RingFile::ring(&*opened(call, 0)?, call.credential())?;
    let (address, count) = (call.argument(2), call.argument(3) as u32);
    let nothing = address == 0 && count == 0;
    match call.argument(1) as u32 {
        IORING_REGISTER_BUFFERS => register_buffers(call, &ring, address, count),
        IORING_UNREGISTER_BUFFERS if nothing => {
            let former = core::mem::take(&mut ring.lock().buffers);
            if former.is_empty() {
                return Err(Errno::ENXIO.into());
            }
            Ok(0)
        }
        IORING_REGISTER_FILES => register_files(call, &ring, address, count),
        IORING_UNREGISTER_FILES if nothing => {
            let former = core::mem::take(&mut ring.lock().files);
            if former.is_empty() {
                return Err(Errno::ENXIO.into());
            }
            Ok(0)
        }
        IORING_REGISTER_FILES_UPDATE => update_files(call, &ring, address, count),
        IORING_REGISTER_EVENTFD if count == 1 => register_events(call, &ring, address, false),
        IORING_REGISTER_EVENTFD_ASYNC if count == 1 => register_events(call, &ring, address, true),
        IORING_UNREGISTER_EVENTFD if nothing => {
            let former = ring.lock().events.take();
            former.map(|_| 0).ok_or(Errno::ENXIO.into())
        }
        IORING_REGISTER_PROBE => probe(call, address, count),
        IORING_REGISTER_PBUF_RING if count == 1 => register_buffer_ring(call, &ring, address),
        IORING_UNREGISTER_PBUF_RING if count == 1 => {
            let asked = UringBufferRing::decode(&call.user.bytes(address)?);
            ring.lock().groups.unshare(asked.bgid)?;
            Ok(0)
        }
        IORING_REGISTER_ENABLE_RINGS if nothing => {
            let before = core::mem::replace(&mut ring.lock().enabled, true);
            if before {
                return Err(Errno::EBADFD.into());
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn register_buffers(call: &Call<'_>, ring: &Ring, address: u64, count: u32) -> Called {
    if count == 0 || count > BUFFERS_MAX {
        return Err(Errno::EINVAL.into());
    }
    let mut buffers = Vec::new();
    for at in (0..u64::from(count)).step_by(IOVECS) {
        let rest = (u64::from(count) - at).min(IOVECS as u64);
        let part = call.user.segments(address.wrapping_add(16 * at), rest)?;
        buffers.try_reserve(part.len()).map_err(|_| Errno::ENOMEM)?;
        buffers.extend(part);
    }
    for buffer in &buffers {
        if buffer.length == 0 || buffer.address == 0 || buffer.length > BUFFER_MAX {
            return Err(Errno::EFAULT.into());
        }
        if call.user.reachable(*buffer, abi::mmu::Access::Read) < buffer.length {
            return Err(Errno::EFAULT.into());
        }
    }
    let mut state = ring.lock();
    if !state.buffers.is_empty() {
        return Err(Errno::EBUSY.into());
    }
    state.buffers = buffers;
    Ok(0)
}

/// Makes a ring in the program's memory a group of buffers.
fn register_buffer_ring(call: &Call<'_>, ring: &Ring, address: u64) -> Called {
    let asked = UringBufferRing::decode(&call.user.bytes(address)?);
    let entries = u16::try_from(asked.ring_entries).unwrap_or(0);
    if asked.resv != [0; 3] || !entries.is_power_of_two() {
        return Err(Errno::EINVAL.into());
    }
    if asked.ring_addr == 0 || !asked.ring_addr.is_multiple_of(PAGE_SIZE as u64) {
        return Err(Errno::EINVAL.into());
    }
    let memory = Segment {
        address: asked.ring_addr,
        length: usize::from(entries) * UringBuffer::SIZE,
    };
    if call.user.reachable(memory, abi::mmu::Access::Read) < memory.length {
        return Err(Errno::EFAULT.into());
    }
    let mut state = ring.lock();
    state.groups.share(asked.bgid, asked.ring_addr, entries)?;
    Ok(0)
}

/// Ranges that are read at once.
const IOVECS: usize = 1024;

/// The file of a descriptor that is to be registered; none for -1.
fn file_of(call: &Call<'_>, descriptor: i32) -> Result<Option<Arc<OpenFile>>, Errno> {
    if descriptor == -1 {
        return Ok(None);
    }
    let descriptor = Descriptor::from_register(u64::from(descriptor.cast_unsigned()))?;
    let file = call.process().files()?.lock().get(descriptor)?;
    if RingFile::is(&file) {
        return Err(Errno::EBADF);
    }
    Ok(Some(file))
}

fn descriptor_at(call: &Call<'_>, address: u64, index: u32) -> Result<i32, Errno> {
    let word = call.user.u32(address.wrapping_add(4 * u64::from(index)))?;
    Ok(word.cast_signed())
}

fn register_files(call: &Call<'_>, ring: &Ring, address: u64, count: u32) -> Called {
    if count == 0 {
        return Err(Errno::EINVAL.into());
    }
    if count > FILES_MAX {
        return Err(Errno::EMFILE.into());
    }
    let mut files = fallible::list(count as usize)?;
    for index in 0..count {
        files.push(file_of(call, descriptor_at(call, address, index)?)?);
    }
    let mut state = ring.lock();
    if !state.files.is_empty() {
        return Err(Errno::EBUSY.into());
    }
    state.files = files;
    Ok(0)
}

/// Other files at places from one on; answers how many were dealt with.
fn update_files(call: &Call<'_>, ring: &Ring, address: u64, count: u32) -> Called {
    let update = UringFilesUpdate::decode(&call.user.bytes(address)?);
    if update.resv != 0 || count == 0 {
        return Err(Errno::EINVAL.into());
    }
    let known = ring.lock().files.len();
    if known == 0 {
        return Err(Errno::ENXIO.into());
    }
    let end = update.offset.checked_add(count).ok_or(Errno::EOVERFLOW)?;
    if end as usize > known {
        return Err(Errno::EINVAL.into());
    }
    for index in 0..count {
        let new = descriptor_at(call, update.fds, index).and_then(|descriptor| match descriptor {
            IORING_REGISTER_FILES_SKIP => Ok(None),
            descriptor => file_of(call, descriptor).map(Some),
        });
        let new = match new {
            Ok(new) => new,
            Err(_) if index > 0 => return Ok(u64::from(index)),
            Err(errno) => return Err(errno.into()),
        };
        if let Some(new) = new {
            let mut state = ring.lock();
            let place = state.files.get_mut((update.offset + index) as usize);
            // Dropped after the lock is released.
            let _former = place.map(|place| core::mem::replace(place, new));
            drop(state);
        }
    }
    Ok(u64::from(count))
}

fn register_events(call: &Call<'_>, ring: &Ring, address: u64, only_late: bool) -> Called {
    let file = file_of(call, call.user.u32(address)?.cast_signed())?;
    let file = file.ok_or(Errno::EBADF)?;
    require_counter(&file)?;
    let mut state = ring.lock();
    if state.events.is_some() {
        return Err(Errno::EBUSY.into());
    }
    state.events = Some(Events { file, only_late });
    Ok(0)
}

/// Tells which operations there are.
fn probe(call: &Call<'_>, address: u64, count: u32) -> Called {
    if count > 256 {
        return Err(Errno::EINVAL.into());
    }
    let told = (u32::from(UringOperation::LAST) + 1).min(count);
    let mut bytes = fallible::list(UringProbe::SIZE + told as usize * UringProbeOperation::SIZE)?;
    let head = UringProbe {
        last_op: UringOperation::LAST,
        ops_len: told as u8,
    };
    bytes.extend_from_slice(&head.encode());
    for op in 0..told as u8 {
        let flags = match UringOperation::from_number(op) {
            Some(_) => IO_URING_OP_SUPPORTED,
            None => 0,
        };
        bytes.extend_from_slice(&UringProbeOperation { op, flags }.encode());
    }
    call.user.write(address, &bytes)?;
    Ok(0)
}
