//! Addresses as programs give and get them, and which of them are this partition's.

use abi::Errno;
use abi::linux::{AF_INET, AF_INET6, AF_UNSPEC};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The family of a socket: which addresses it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`, with addresses of IPv4 in their mapped form.
    V6,
}

/// An address that a program gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// `AF_UNSPEC`.
    None,
    /// An address and a port; one that is mapped into IPv6 is of IPv4.
    Endpoint(SocketAddr),
}

/// The bytes of a `struct sockaddr_in` or `struct sockaddr_in6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    bytes: [u8; Wire::LONGEST],
    length: usize,
}

impl Wire {
    /// Bytes of a `struct sockaddr_in6`.
    const LONGEST: usize = 28;

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Domain {
    /// The number of the family.
    #[must_use]
    pub const fn family(self) -> u16 {
        match self {
            Self::V4 => AF_INET,
            Self::V6 => AF_INET6,
        }
    }

    /// Reads an address; `bytes` is all that the program gives.
    ///
    /// # Errors
    /// EINVAL when it is too short; EAFNOSUPPORT for another family.
    pub fn read(self, bytes: &[u8]) -> Result<Given, Errno> {
        let family = bytes.first_chunk().ok_or(Errno::EINVAL)?;
        let family = u16::from_le_bytes(*family);
        let port = || bytes.get(2..).and_then(|rest| rest.first_chunk());
        let port = || port().map_or(0, |port| u16::from_be_bytes(*port));
        match (self, family) {
            (_, AF_UNSPEC) => Ok(Given::None),
            (Self::V4, AF_INET) => {
                // The whole structure has 16 bytes, of which the last 8 mean nothing.
                let part = bytes.get(4..16).ok_or(Errno::EINVAL)?;
                let address: [u8; 4] = *part.first_chunk().ok_or(Errno::EINVAL)?;
                Ok(Given::Endpoint((Ipv4Addr::from(address), port()).into()))
            }
            (Self::V6, AF_INET6) => {
                let part = bytes.get(8..24).ok_or(Errno::EINVAL)?;
                let address: [u8; 16] = *part.first_chunk().ok_or(Errno::EINVAL)?;
                let address = IpAddr::V6(Ipv6Addr::from(address)).to_canonical();
                Ok(Given::Endpoint(SocketAddr::new(address, port())))
            }
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Reads an address to bind to: none, with an unspecified address of IPv4 behind it, is that for old programs.
    ///
    /// # Errors
    /// As [`Domain::read`]; EAFNOSUPPORT for none otherwise.
    pub fn read_own(self, bytes: &[u8]) -> Result<SocketAddr, Errno> {
        match self.read(bytes)? {
            Given::Endpoint(endpoint) => return Ok(endpoint),
            Given::None if self == Self::V6 => return Err(Errno::EAFNOSUPPORT),
            Given::None => {}
        }
        let mut as_own = [0; 16];
        let places = as_own.iter_mut().zip(bytes);
        places.for_each(|(place, byte)| *place = *byte);
        let [low, high] = self.family().to_le_bytes();
        (as_own[0], as_own[1]) = (low, high);
        match self.read(&as_own)? {
            Given::Endpoint(endpoint) if endpoint.ip().is_unspecified() => Ok(endpoint),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// The bytes of an address, as sockets of this family get it.
    #[must_use]
    pub fn write(self, endpoint: SocketAddr) -> Wire {
        let mut bytes = [0; Wire::LONGEST];
        let mut put = |at: usize, part: &[u8]| {
            let places = bytes.iter_mut().skip(at);
            places.zip(part).for_each(|(place, byte)| *place = *byte);
        };
        put(0, &self.family().to_le_bytes());
        put(2, &endpoint.port().to_be_bytes());
        let length = match (self, endpoint.ip()) {
            (Self::V4, IpAddr::V4(address)) => {
                put(4, &address.octets());
                16
            }
            // A socket of IPv4 never meets such an address.
            (Self::V4, IpAddr::V6(_)) => 16,
            (Self::V6, IpAddr::V4(address)) => {
                // An unspecified address stays so: nobody is meant by the mapped one.
                if !address.is_unspecified() {
                    put(8, &address.to_ipv6_mapped().octets());
                }
                Wire::LONGEST
            }
            (Self::V6, IpAddr::V6(address)) => {
                put(8, &address.octets());
                Wire::LONGEST
            }
        };
        Wire { bytes, length }
    }

    /// The address that means any of this family.
    #[must_use]
    pub const fn any(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// Whether an address is of the loopback interface.
pub(crate) fn is_own(address: IpAddr) -> bool {
    address.is_loopback()
}

/// What a socket sends from to an address, unless it is bound.
pub(crate) fn source_for(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// Where a socket of a family gets to with an address: one that means any means this partition.
///
/// # Errors
/// ENETUNREACH when nothing leads there.
pub(crate) fn destination(
    domain: Domain,
    only_v6: bool,
    endpoint: SocketAddr,
) -> Result<SocketAddr, Errno> {
    let address = match endpoint.ip() {
        any if any.is_unspecified() => source_for(any),
        address => address,
    };
    let mixed = domain == Domain::V6 && only_v6 && address.is_ipv4();
    if mixed || !is_own(address) {
        return Err(Errno::ENETUNREACH);
    }
    Ok(SocketAddr::new(address, endpoint.port()))
}

/// What a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    pub endpoint: SocketAddr,
    /// Of the unspecified address of IPv6: that IPv4 is not meant too.
    pub only_v6: bool,
}

impl Local {
    /// Whether there is an address that both are bound to.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (own, others) = (self.endpoint.ip(), other.endpoint.ip());
        if own.is_ipv4() == others.is_ipv4() {
            return own == others || own.is_unspecified() || others.is_unspecified();
        }
        let six = if own.is_ipv6() { self } else { other };
        six.endpoint.ip().is_unspecified() && !six.only_v6
    }

    /// How well it fits something that is sent to an address; `None`: not at all.
    pub fn fits(&self, to: IpAddr) -> Option<u32> {
        let own = self.endpoint.ip();
        if own == to {
            return Some(2);
        }
        let any = own.is_unspecified();
        match (own.is_ipv4() == to.is_ipv4(), any) {
            (true, true) => Some(1),
            (false, true) if own.is_ipv6() && !self.only_v6 => Some(0),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn local(address: &str, only_v6: bool) -> Local {
        Local {
            endpoint: SocketAddr::new(address.parse().unwrap(), 1),
            only_v6,
        }
    }

    #[test]
    fn two_sockets_meet_where_their_addresses_do() {
        let table = [
            ("0.0.0.0", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("::", "127.0.0.1", true),
            ("::", "0.0.0.0", true),
            ("::1", "127.0.0.1", false),
            ("::1", "0.0.0.0", false),
            ("::1", "::", true),
        ];
        for (one, other, meet) in table {
            let (one, other) = (local(one, false), local(other, false));
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (meet, meet));
        }
        let six = local("::", true);
        assert!(!six.overlaps(&local("0.0.0.0", false)) && six.overlaps(&local("::1", false)));
        assert_eq!(six.fits("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn addresses_that_are_not_the_partitions_lead_nowhere() {
        let to = |domain, only, text: &str| destination(domain, only, text.parse().unwrap());
        assert_eq!(
            to(Domain::V4, false, "0.0.0.0:5").map(|to| to.to_string()),
            Ok("127.0.0.1:5".to_string())
        );
        assert_eq!(
            to(Domain::V6, false, "[::]:5").map(|to| to.to_string()),
            Ok("[::1]:5".to_string())
        );
        for (domain, only, text) in [
            (Domain::V4, false, "10.0.0.1:5"),
            (Domain::V6, false, "[fe80::1]:5"),
            (Domain::V6, true, "127.0.0.1:5"),
        ] {
            assert_eq!(to(domain, only, text), Err(Errno::ENETUNREACH));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(octets: [u8; 16], port: u16, four: bool) {
            let address = if four {
                IpAddr::V4(Ipv4Addr::new(octets[0] | 1, octets[1], octets[2], octets[3]))
            } else {
                IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
            };
            let endpoint = SocketAddr::new(address, port);
            let domains = [Domain::V4, Domain::V6];
            for domain in domains.iter().filter(|domain| **domain == Domain::V6 || four) {
                let wire = domain.write(endpoint);
                prop_assert_eq!(domain.read(wire.bytes()), Ok(Given::Endpoint(endpoint)));
                let short = &wire.bytes()[..wire.bytes().len() - 5];
                prop_assert_eq!(domain.read(short), Err(Errno::EINVAL));
            }
        }

        #[test]
        fn any_bytes_are_an_address_or_an_error(bytes: std::vec::Vec<u8>) {
            for domain in [Domain::V4, Domain::V6] {
                let own = domain.read_own(&bytes);
                prop_assert!(own.is_err() || domain.read(&bytes).is_ok());
            }
        }
    }
}
