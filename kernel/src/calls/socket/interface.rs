//! Requests about interfaces (`man 7 netdevice`), which any socket takes.

use crate::calls::Call;
use crate::outcome::Called;
use crate::user::Segment;
use abi::Errno;
use abi::linux::{SIOC_INTERFACE, SIOCGIFCONF};
use abi::mmu::Access as MemoryAccess;
use net::InterfaceRequest;
use vfs::OpenFile;

/// Answers a request about interfaces; `None` for others. Nothing can be changed.
///
/// # Errors
/// EPERM for a change, ENODEV, ENOTTY, EFAULT.
pub fn ioctl(call: &Call<'_>, file: &OpenFile, request: u32, address: u64) -> Option<Called> {
    if !SIOC_INTERFACE.contains(&request) || super::socket_of(file).is_none() {
        return None;
    }
    Some(match request {
        SIOCGIFCONF => list(call, address),
        _ => ask(call, request, address),
    })
}

fn ask(call: &Call<'_>, request: u32, address: u64) -> Called {
    let length = InterfaceRequest::SIZE;
    let mut asked = InterfaceRequest(call.user.bytes(address)?);
    asked.answer(request).map_err(|errno| match errno {
        // Those that ask have odd numbers and a few even ones, which are known.
        Errno::ENOTTY if request.is_multiple_of(2) => Errno::EPERM,
        other => other,
    })?;
    let place = Segment { address, length };
    call.user.gather(place, MemoryAccess::Write)?;
    call.user.write(address, &asked.0)?;
    Ok(0)
}

/// `struct ifconf`: room for the list in bytes, and where; without a place, how many bytes there would be.
fn list(call: &Call<'_>, address: u64) -> Called {
    let room = call.user.u32(address)?.cast_signed();
    let to = call.user.u64(address.wrapping_add(8))?;
    let length_place = Segment {
        address,
        length: size_of::<u32>(),
    };
    call.user.gather(length_place, MemoryAccess::Write)?;
    let one = InterfaceRequest::SIZE;
    let length = match usize::try_from(room) {
        _ if to == 0 => one,
        Ok(room) if room >= one => {
            call.user.write(to, &InterfaceRequest::listed().0)?;
            one
        }
        _ => 0,
    };
    call.user.write(address, &(length as u32).to_le_bytes())?;
    Ok(0)
}
