//! Which sockets of the network a list is to have (linux/inet_diag.h, INET_DIAG_REQ_BYTECODE).
//!
//! A filter is a program of conditions, each of which says how many bytes further it goes on if it holds, and how many if
//! not. Who comes to the end exactly is wanted, who is led beyond it is not. All jumps go forward, so a program ends.

use crate::interface;
use crate::stack::Line;
use abi::Errno;
use abi::linux::{AF_INET, AF_INET6};

/// Bytes of a condition: what it asks, and the two distances.
const CONDITION: usize = 4;

/// A program of conditions.
#[derive(Clone, Copy)]
pub(super) struct Filter<'a>(pub &'a [u8]);

impl Filter<'_> {
    /// Whether a socket is wanted; `addresses` are its own and its peer's, as answers have them.
    ///
    /// # Errors
    /// EINVAL for a program that is damaged; EOPNOTSUPP for conditions about marks, groups and ports that nobody has asked for.
    pub fn wants(self, line: &Line, addresses: [&[u8; 16]; 2]) -> Result<bool, Errno> {
        let ports = [line.local.port(), line.remote.port()];
        let mut rest = self.0;
        while let Some((&[code, yes, low, high], operands)) = rest.split_first_chunk::<CONDITION>()
        {
            // A port comes as the last half of another condition.
            let port = || match operands.first_chunk() {
                Some(&[_, _, low, high]) => Ok(u16::from_le_bytes([low, high])),
                None => Err(Errno::EINVAL),
            };
            let [own, other] = ports;
            let holds = match code {
                0 => true,
                1 => false,
                2 => own >= port()?,
                3 => own <= port()?,
                4 => other >= port()?,
                5 => other <= port()?,
                7 => Host::read(operands)?.is_of(line, own, addresses[0]),
                8 => Host::read(operands)?.is_of(line, other, addresses[1]),
                9 => operands.first_chunk() == Some(&interface::INDEX.to_le_bytes()),
                11 => own == port()?,
                12 => other == port()?,
                6 | 10 | 13 => return Err(Errno::EOPNOTSUPP),
                _ => return Err(Errno::EINVAL),
            };
            let no = u16::from_le_bytes([low, high]);
            let distance = if holds {
                usize::from(yes)
            } else {
                usize::from(no)
            };
            if distance < CONDITION || !distance.is_multiple_of(CONDITION) {
                return Err(Errno::EINVAL);
            }
            let Some(further) = rest.get(distance..) else {
                return Ok(false);
            };
            rest = further;
        }
        Ok(rest.is_empty())
    }
}

/// `struct inet_diag_hostcond`: some bits of an address, and perhaps a port.
struct Host<'a> {
    family: u16,
    bits: usize,
    port: i32,
    address: &'a [u8],
}

impl<'a> Host<'a> {
    fn read(operands: &'a [u8]) -> Result<Self, Errno> {
        let (&[family, bits, _, _], rest) = operands.split_first_chunk().ok_or(Errno::EINVAL)?;
        let (port, address) = rest.split_first_chunk().ok_or(Errno::EINVAL)?;
        let bits = usize::from(bits);
        let address = address.get(..bits.div_ceil(8)).ok_or(Errno::EINVAL)?;
        if bits > 128 {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            family: family.into(),
            bits,
            port: i32::from_le_bytes(*port),
            address,
        })
    }

    /// Whether a socket with this port and address fits; one of IPv6 may have an address of IPv4.
    fn is_of(&self, line: &Line, port: u16, address: &[u8; 16]) -> bool {
        const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        if self.port != -1 && self.port != i32::from(port) {
            return false;
        }
        let family = if line.identity.is_v6 {
            AF_INET6
        } else {
            AF_INET
        };
        let mapped = address.strip_prefix(&MAPPED[..]);
        let address = match (self.family, mapped) {
            (0, _) => &address[..],
            (wanted, _) if wanted == family => &address[..],
            (AF_INET, Some(four)) if line.identity.is_v6 => four,
            _ => return false,
        };
        let whole = self.bits / 8;
        let mask = !(0xffu8.checked_shr((self.bits % 8) as u32).unwrap_or(0));
        let last = |bytes: &[u8]| bytes.get(whole).map_or(0, |byte| byte & mask);
        address.get(..whole) == self.address.get(..whole) && last(address) == last(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity;
    use super::*;
    use crate::connection::Identity;
    use crate::world::at;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn line(local: &str, remote: &str, is_v6: bool) -> Line {
        Line {
            local: at(local),
            remote: at(remote),
            state: 1,
            unsent: 0,
            unread: 0,
            backlog: 0,
            identity: Identity {
                uid: 0,
                inode: 7,
                is_v6,
            },
        }
    }

    fn wants(program: &[u8], line: &Line) -> Result<bool, Errno> {
        let identity = identity(line);
        let (own, other) = (
            identity[4..20].try_into().unwrap(),
            identity[20..36].try_into().unwrap(),
        );
        Filter(program).wants(line, [own, other])
    }

    /// A condition about a port that is the whole of a program, or its first half.
    fn port(code: u8, port: u16, more: u16) -> Vec<u8> {
        let [low, high] = port.to_le_bytes();
        let [no, above] = (8 + more + 4).to_le_bytes();
        [code, 8, no, above, 0, 0, low, high].to_vec()
    }

    fn host(code: u8, family: u8, bits: u8, port: i32, address: &[u8]) -> Vec<u8> {
        let length = (12 + address.len()) as u8;
        let mut program = [code, length, length + 4, 0, family, bits, 0, 0].to_vec();
        program.extend_from_slice(&port.to_le_bytes());
        program.extend_from_slice(address);
        program
    }

    #[test]
    fn ports_and_addresses_are_compared() {
        let four = line("127.0.0.5:80", "127.0.0.1:4000", false);
        let mapped = line("127.0.0.5:80", "127.0.0.1:4000", true);
        for (program, wanted) in [
            (Vec::new(), true),
            (port(11, 80, 0), true),
            (port(11, 81, 0), false),
            (port(2, 80, 0), true),
            (port(2, 81, 0), false),
            (port(5, 3999, 0), false),
            (port(12, 4000, 0), true),
            ([port(11, 80, 8), port(12, 4000, 0)].concat(), true),
            ([port(11, 80, 8), port(12, 4001, 0)].concat(), false),
            ([port(11, 81, 8), port(12, 4000, 0)].concat(), false),
            (host(7, 2, 8, -1, &[127, 9, 9, 9]), true),
            (host(7, 2, 32, 80, &[127, 0, 0, 5]), true),
            (host(7, 2, 32, 81, &[127, 0, 0, 5]), false),
            (host(7, 2, 31, -1, &[127, 0, 0, 4]), true),
            (host(7, 2, 30, -1, &[127, 0, 0, 8]), false),
            (host(8, 2, 32, -1, &[127, 0, 0, 1]), true),
            (host(8, 2, 32, -1, &[127, 0, 0, 2]), false),
        ] {
            assert_eq!(wants(&program, &four), Ok(wanted), "{program:?}");
            assert_eq!(wants(&program, &mapped), Ok(wanted), "{program:?}");
        }
        assert_eq!(wants(&host(7, 10, 0, -1, &[]), &four), Ok(false));
        assert_eq!(wants(&host(7, 10, 0, -1, &[]), &mapped), Ok(true));
        for (program, errno) in [
            (&[11, 8, 12, 0][..], Errno::EINVAL),
            (&[7, 12, 16, 0, 2, 32, 0, 0, 1, 0, 0, 0], Errno::EINVAL),
            (&[0, 0, 4, 0], Errno::EINVAL),
            (&[0, 6, 4, 0, 0, 4, 8, 0], Errno::EINVAL),
            (&[99, 4, 8, 0], Errno::EINVAL),
            (&[10, 12, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0], Errno::EOPNOTSUPP),
        ] {
            assert_eq!(wants(program, &four), Err(errno), "{program:?}");
        }
    }

    proptest! {
        #[test]
        fn any_program_ends(program: Vec<u8>) {
            wants(&program, &line("127.0.0.1:1", "127.0.0.1:2", false)).ok();
        }
    }
}
