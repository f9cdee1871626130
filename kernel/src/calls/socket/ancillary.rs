//! What goes with messages besides bytes (`man 3 cmsg`, `man 7 unix`): files, and who has sent it.

use super::super::Call;
use super::super::descriptor::insert;
use crate::clocks::Clock;
use crate::ring::RingFile;
use crate::system::system;
use crate::user::Segment;
use abi::linux::{
    IP_PKTINFO, IP_RECVERR, IP_RECVORIGDSTADDR, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6,
    IPPROTO_UDP, IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_RECVERR, IPV6_RECVORIGDSTADDR, IPV6_TCLASS,
    SCM_CREDENTIALS, SCM_RIGHTS, SO_MARK, SO_RXQ_OVFL, SO_TIMESTAMP, SO_TIMESTAMPING,
    SO_TIMESTAMPNS, SO_TXTIME, SOL_SOCKET, Timespec, Timeval, UDP_SEGMENT,
};
use abi::mmu::Access as MemoryAccess;
use abi::{Errno, Nanos};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use ipc::{Ancillary, Sender};
use net::{Arrival, Departure, Domain, Return, Told, Way};
use process::VPid;
use security::Privileges;
use smallvec::SmallVec;
use vfs::{Descriptor, OpenFile};

/// Bytes of a header: the length with it, level and kind.
const HEADER: usize = 16;
/// Most files that one message takes along.
const FILES_MAX: usize = 253;
/// Most bytes of ancillary data (`/proc/sys/net/core/optmem_max`).
const CONTROL_MAX: usize = 20_480;
/// Bytes of `struct ucred`.
const IDENTITY: usize = 12;

const fn aligned(length: usize) -> usize {
    length.next_multiple_of(8)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

/// The caller, as the other side sees it.
pub fn caller(call: &Call<'_>) -> Sender {
    let identity = &call.credential().identity;
    Sender {
        pid: call.process().pid,
        uid: identity.uid,
        gid: identity.gid,
    }
}

/// `struct ucred` of a process: with a number that the caller sees, 0 for one that it does not.
pub fn identity(call: &Call<'_>, sender: Sender) -> [u8; IDENTITY] {
    let pid = system().tree.lock().pids.seen(sender.pid, call.cid());
    let mut bytes = [0; IDENTITY];
    let words = [pid.0, sender.uid, sender.gid];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Reads what a program sends along, and, of a socket of datagrams of the network, what it says of the datagram.
///
/// # Errors
/// EINVAL for what is malformed or unknown; EBADF; EPERM for another's identity, ESRCH; ENODEV for an interface that there is
/// not; ENOBUFS, EFAULT, ENOMEM.
pub fn read(
    call: &Call<'_>,
    (address, length): (u64, u64),
    datagrams: bool,
) -> Result<(Ancillary, Departure), Errno> {
    let (mut ancillary, mut departure) = (Ancillary::default(), Departure::default());
    let length = usize::try_from(length).map_err(|_| Errno::ENOBUFS)?;
    if address == 0 || length < HEADER {
        return Ok((ancillary, departure));
    }
    if length > CONTROL_MAX {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    call.user.read(address, &mut bytes)?;
    let mut rest = bytes.as_slice();
    while rest.len() >= HEADER {
        let size = u64::from(word(rest, 0)) | u64::from(word(rest, 4)) << 32;
        let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
        let data = rest.get(HEADER..size).ok_or(Errno::EINVAL)?;
        if word(rest, 8) == SOL_SOCKET {
            match word(rest, 12) {
                SO_MARK if datagrams => {
                    call.credential().require(Privileges::NETWORK)?;
                    let mark = data.as_array::<4>().ok_or(Errno::EINVAL)?;
                    departure.mark = Some(u32::from_le_bytes(*mark));
                }
                SO_TXTIME if datagrams && data.len() == size_of::<u64>() => {
                    departure.is_timed = true
                }
                SCM_RIGHTS => add_files(call, data, &mut ancillary.files)?,
                SCM_CREDENTIALS => ancillary.sender = Some(claimed(call, data)?),
                _ => return Err(Errno::EINVAL),
            }
        } else if datagrams {
            depart([word(rest, 8), word(rest, 12)], data, &mut departure)?;
        }
        rest = rest.get(aligned(size)..).unwrap_or_default();
    }
    Ok((ancillary, departure))
}

/// Takes in one thing that is said of a datagram (`man 7 ip`, `man 7 ipv6`); a number is of one byte, or of four.
fn depart(kind: [u32; 2], data: &[u8], into: &mut Departure) -> Result<(), Errno> {
    let number = || match *data {
        [byte] => Ok(i32::from(byte)),
        [_, _, _, _] => Ok(word(data, 0).cast_signed()),
        _ => Err(Errno::EINVAL),
    };
    // -1 is what the socket says.
    let within = |least: i32| match number()? {
        -1 if least == 0 => Ok(None),
        number if number < least => Err(Errno::EINVAL),
        number => u8::try_from(number).map(Some).map_err(|_| Errno::EINVAL),
    };
    let interface = |at| match word(data, at) {
        0 | Controls::INTERFACE => Ok(()),
        _ => Err(Errno::ENODEV),
    };
    match kind {
        [IPPROTO_IP, IP_TTL] => into.time_to_live = within(1)?,
        [IPPROTO_IP, IP_TOS] => into.service = within(0)?,
        [IPPROTO_IPV6, IPV6_HOPLIMIT] => into.time_to_live = within(0)?,
        [IPPROTO_IPV6, IPV6_TCLASS] => into.service = within(0)?,
        [IPPROTO_IP, IP_PKTINFO] => {
            // An interface, the address to send from, and one that is of no effect.
            let [_, _, _, _, source @ .., _, _, _, _] =
                *data.as_array::<12>().ok_or(Errno::EINVAL)?;
            interface(0)?;
            into.from = some_address(source.into());
        }
        [IPPROTO_IPV6, IPV6_PKTINFO] => {
            let source: &[u8; 16] = data.first_chunk().ok_or(Errno::EINVAL)?;
            if data.len() < 20 {
                return Err(Errno::EINVAL);
            }
            interface(16)?;
            into.from = some_address(IpAddr::from(*source).to_canonical());
        }
        [IPPROTO_UDP, UDP_SEGMENT] => {
            let bytes = data.as_array::<2>().ok_or(Errno::EINVAL)?;
            into.cut = Some(u16::from_le_bytes(*bytes));
        }
        [IPPROTO_IP | IPPROTO_IPV6 | IPPROTO_UDP, _] => return Err(Errno::EINVAL),
        // Other levels are for others.
        _ => {}
    }
    Ok(())
}

/// An address but the one that means none.
fn some_address(address: IpAddr) -> Option<IpAddr> {
    Some(address).filter(|address| !address.is_unspecified())
}

fn add_files(call: &Call<'_>, data: &[u8], into: &mut Vec<Arc<OpenFile>>) -> Result<(), Errno> {
    let count = data.len() / 4;
    if into.len() + count > FILES_MAX {
        return Err(Errno::EINVAL);
    }
    into.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
    let files = call.process().files()?;
    let files = files.lock();
    for at in 0..count {
        let descriptor = Descriptor::from_register(u64::from(word(data, 4 * at)))?;
        let file = files.get(descriptor)?;
        if RingFile::is(&file) {
            // It could keep the socket that it is sent through.
            return Err(Errno::EINVAL);
        }
        into.push(file);
    }
    Ok(())
}

/// Who a program says that it is: itself, or anybody with the privilege over identities.
fn claimed(call: &Call<'_>, data: &[u8]) -> Result<Sender, Errno> {
    if data.len() != IDENTITY {
        return Err(Errno::EINVAL);
    }
    let [pid, uid, gid] = [0, 4, 8].map(|at| word(data, at));
    let credential = call.credential();
    let mine = &credential.identity;
    let own = VPid(pid) == call.process().virtual_pid()
        && [mine.uid, mine.euid, mine.suid].contains(&uid)
        && [mine.gid, mine.egid, mine.sgid].contains(&gid);
    if own {
        let pid = call.process().pid;
        return Ok(Sender { pid, uid, gid });
    }
    credential.require(Privileges::IDENTITY)?;
    let tree = system().tree.lock();
    let found = tree.pids.find(credential, VPid(pid));
    let found = found.map_err(|absent| absent.no_process())?;
    let pid = found.owner().pid;
    Ok(Sender { pid, uid, gid })
}

/// One thing that is told of a datagram of the network.
struct Control {
    /// Level and kind.
    kind: [u32; 2],
    bytes: [u8; Control::MOST],
    length: usize,
}

impl Control {
    /// Bytes of the longest: three times; an error with an address of IPv6 has four less.
    const MOST: usize = 48;

    fn new(kind: [u32; 2], parts: [&[u8]; 3]) -> Self {
        let mut control = Self {
            kind,
            bytes: [0; Self::MOST],
            length: 0,
        };
        for part in parts {
            control.append(part);
        }
        control
    }

    /// Puts bytes behind what there is, as far as there is room.
    fn append(&mut self, part: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(part) {
            *place = *byte;
            self.length += 1;
        }
    }

    /// A point of time in the form of SO_TIMESTAMP or SO_TIMESTAMPNS.
    fn time(option: u32, at: Nanos) -> Self {
        let kind = [SOL_SOCKET, option];
        if option == SO_TIMESTAMP {
            return Self::new(kind, [&Timeval::from_nanos(at).encode(), &[], &[]]);
        }
        Self::new(kind, [&Timespec::from_nanos(at).encode(), &[], &[]])
    }

    /// A point of time of the kernel, and none of hardware (SO_TIMESTAMPING).
    fn three_times(at: Nanos) -> Self {
        let none = [0; 2 * Timespec::SIZE];
        let kind = [SOL_SOCKET, SO_TIMESTAMPING];
        Self::new(kind, [&Timespec::from_nanos(at).encode(), &none, &[]])
    }

    fn word(kind: [u32; 2], word: u32) -> Self {
        Self::new(kind, [&word.to_le_bytes(), &[], &[]])
    }

    fn number(kind: [u32; 2], number: u8) -> Self {
        Self::new(kind, [&u32::from(number).to_le_bytes(), &[], &[]])
    }
}

/// All that is told of a datagram of the network.
#[derive(Default)]
pub struct Controls(SmallVec<[Control; 2]>);

impl Controls {
    /// The most for one datagram.
    const MOST: usize = 9;
    /// The number of the interface that all come over.
    const INTERFACE: u32 = 1;

    /// How one has come, as far as the socket wants to know (`man 7 ip`, `man 7 ipv6`).
    pub fn of_arrival(arrival: &Arrival) -> Self {
        let Way {
            to,
            time_to_live,
            service,
            mark,
        } = arrival.way;
        let endpoint = SocketAddr::new(to, arrival.port);
        let mut told = SmallVec::new();
        let mut tell = |wanted, control: Control| {
            if arrival.told.contains(wanted) {
                told.push(control);
            }
        };
        let interface = Self::INTERFACE.to_le_bytes();
        tell(Told::TIME, Control::time(SO_TIMESTAMP, arrival.at));
        tell(Told::TIME_NANOS, Control::time(SO_TIMESTAMPNS, arrival.at));
        tell(Told::TIME_OF_THREE, Control::three_times(arrival.at));
        tell(Told::MARK, Control::word([SOL_SOCKET, SO_MARK], mark));
        if arrival.losses != 0 {
            let losses = Control::word([SOL_SOCKET, SO_RXQ_OVFL], arrival.losses);
            tell(Told::LOSSES, losses);
        }
        let mapped = match to {
            IpAddr::V4(four) => four.to_ipv6_mapped(),
            IpAddr::V6(six) => six,
        };
        if let IpAddr::V4(four) = to {
            let four = four.octets();
            tell(
                Told::DESTINATION,
                Control::new([IPPROTO_IP, IP_PKTINFO], [&interface, &four, &four]),
            );
            tell(
                Told::TIME_TO_LIVE,
                Control::number([IPPROTO_IP, IP_TTL], time_to_live),
            );
            tell(
                Told::SERVICE,
                Control::new([IPPROTO_IP, IP_TOS], [&[service], &[], &[]]),
            );
            let kind = [IPPROTO_IP, IP_RECVORIGDSTADDR];
            let address = Domain::V4.write(endpoint);
            tell(
                Told::ENDPOINT,
                Control::new(kind, [address.bytes(), &[], &[]]),
            );
        } else {
            tell(
                Told::HOP_LIMIT,
                Control::number([IPPROTO_IPV6, IPV6_HOPLIMIT], time_to_live),
            );
            tell(
                Told::CLASS,
                Control::number([IPPROTO_IPV6, IPV6_TCLASS], service),
            );
        }
        let address = Domain::V6.write(endpoint);
        tell(
            Told::ENDPOINT_6,
            Control::new(
                [IPPROTO_IPV6, IPV6_RECVORIGDSTADDR],
                [address.bytes(), &[], &[]],
            ),
        );
        let kind = [IPPROTO_IPV6, IPV6_PKTINFO];
        tell(
            Told::DESTINATION_6,
            Control::new(kind, [&mapped.octets(), &interface, &[]]),
        );
        Self(told)
    }

    /// When a message of a socket without a network was sent, in the form of an option; now, if nobody wanted to know then.
    pub fn of_time(option: u32, at: Option<Nanos>) -> Self {
        let at = at.unwrap_or_else(|| Clock::Wall.now());
        Self(SmallVec::from_iter([Control::time(option, at)]))
    }

    /// Why something has come back that was sent to an address: `struct sock_extended_err`, and who says so, if anybody.
    pub fn of_returned(to: SocketAddr, why: Return) -> Self {
        /// What says when something was sent (SO_EE_ORIGIN_TIMESTAMPING).
        const TIMES: u8 = 4;
        let kind = match to {
            SocketAddr::V4(_) => [IPPROTO_IP, IP_RECVERR],
            SocketAddr::V6(_) => [IPPROTO_IPV6, IPV6_RECVERR],
        };
        let Return::Sent { at, number } = why else {
            return Self(SmallVec::from_iter([Self::lost(kind, to)]));
        };
        let mut told = SmallVec::new();
        told.extend(at.map(Control::three_times));
        let errno = u32::from(Errno::ENOMSG.number()).to_le_bytes();
        let middle = u64::from(TIMES).to_le_bytes();
        let nobody = [0; 16];
        let mut error = Control::new(kind, [&errno, &middle, &number.to_le_bytes()]);
        error.append(&nobody);
        told.push(error);
        Self(told)
    }

    /// That one has found nobody.
    fn lost(kind: [u32; 2], to: SocketAddr) -> Control {
        /// Origin, type and code of the message that a network would bring: port unreachable (RFC 792, RFC 4443).
        const UNREACHABLE: [u8; 4] = [2, 3, 3, 0];
        const UNREACHABLE_6: [u8; 4] = [3, 1, 4, 0];
        let (why, domain) = match to {
            SocketAddr::V4(_) => (UNREACHABLE, Domain::V4),
            SocketAddr::V6(_) => (UNREACHABLE_6, Domain::V6),
        };
        let mut error = [0; 16];
        let (number, rest) = error.split_at_mut(4);
        number.copy_from_slice(&u32::from(Errno::ECONNREFUSED.number()).to_le_bytes());
        if let Some(place) = rest.first_chunk_mut() {
            *place = why;
        }
        let offender = domain.write(SocketAddr::new(to.ip(), 0));
        Control::new(kind, [&error, offender.bytes(), &[]])
    }
}

/// Makes the place for ancillary data resident, as much of it as can be filled.
///
/// # Errors
/// EFAULT.
pub fn gather(call: &Call<'_>, address: u64, length: u64) -> Result<usize, Errno> {
    const MOST: usize = aligned(HEADER + IDENTITY)
        + aligned(HEADER + 4 * FILES_MAX)
        + Controls::MOST * aligned(HEADER + Control::MOST);
    if address == 0 {
        return Ok(0);
    }
    let room = usize::try_from(length).unwrap_or(MOST).min(MOST);
    let length = room;
    call.user
        .gather(Segment { address, length }, MemoryAccess::Write)?;
    Ok(room)
}

/// Stores what came with a message; answers how many bytes that takes, and whether something has been left out. Files for
/// which there is no room, or no descriptor, are closed.
///
/// # Errors
/// EFAULT.
pub fn store(
    call: &Call<'_>,
    address: u64,
    room: usize,
    ancillary: Ancillary,
    (sender, network): (Option<Sender>, &Controls),
    close_on_exec: bool,
) -> Result<(usize, bool), Errno> {
    let mut bytes = Vec::new();
    let mut cut = false;
    if let Some(sender) = sender {
        if room >= HEADER + IDENTITY {
            let identity = identity(call, sender);
            put(&mut bytes, [SOL_SOCKET, SCM_CREDENTIALS], &identity)?;
        } else {
            cut = true;
        }
    }
    for control in &network.0 {
        let data = control.bytes.get(..control.length).unwrap_or_default();
        if room >= bytes.len() + HEADER + data.len() {
            put(&mut bytes, control.kind, data)?;
        } else {
            cut = true;
        }
    }
    let rest = room.saturating_sub(bytes.len());
    let places = rest.saturating_sub(HEADER) / 4;
    let mut numbers = Vec::new();
    numbers
        .try_reserve_exact(4 * ancillary.files.len())
        .map_err(|_| Errno::ENOMEM)?;
    cut |= ancillary.files.len() > places;
    for file in ancillary.files.into_iter().take(places) {
        match insert(call, file, close_on_exec) {
            Ok(descriptor) => numbers.extend_from_slice(&descriptor.0.to_le_bytes()),
            Err(_) => cut = true,
        }
    }
    if !numbers.is_empty() {
        put(&mut bytes, [SOL_SOCKET, SCM_RIGHTS], &numbers)?;
    }
    let length = bytes.len().min(room);
    call.user
        .write(address, bytes.get(..length).unwrap_or_default())?;
    Ok((length, cut))
}

fn put(bytes: &mut Vec<u8>, [level, kind]: [u32; 2], data: &[u8]) -> Result<(), Errno> {
    let size = HEADER + data.len();
    bytes
        .try_reserve(aligned(size))
        .map_err(|_| Errno::ENOMEM)?;
    let end = bytes.len() + aligned(size);
    bytes.extend_from_slice(&(size as u64).to_le_bytes());
    bytes.extend_from_slice(&level.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(data);
    bytes.resize(end, 0);
    Ok(())
}
