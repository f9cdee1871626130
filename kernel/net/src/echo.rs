//! Echo of ICMP and ICMPv6 over loopback (`man 7 icmp`; RFC 792, RFC 4443): what a socket asks is answered at once.

use crate::address::Domain;
use abi::Errno;
use core::net::{IpAddr, SocketAddr};

/// Bytes of the header of a request: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// Makes the answer to a request out of it; `identifier` is that of the socket that asks.
///
/// # Errors
/// EINVAL for what is not a request of the family.
pub(crate) fn answer(
    domain: Domain,
    message: &mut [u8],
    identifier: u16,
    [from, to]: [SocketAddr; 2],
) -> Result<(), Errno> {
    let (request, answer) = match domain {
        Domain::V4 => (8, 0),
        Domain::V6 => (128, 129),
    };
    let Some(header) = message.first_chunk_mut::<HEADER>() else {
        return Err(Errno::EINVAL);
    };
    if header[..2] != [request, 0] {
        return Err(Errno::EINVAL);
    }
    header[0] = answer;
    [header[2], header[3]] = [0; 2];
    [header[4], header[5]] = identifier.to_be_bytes();
    let pseudo = match domain {
        Domain::V4 => 0,
        Domain::V6 => pseudo_header([to.ip(), from.ip()], message.len()),
    };
    let sum = !fold(pseudo + words(message));
    if let Some(header) = message.first_chunk_mut::<HEADER>() {
        [header[2], header[3]] = sum.to_be_bytes();
    }
    Ok(())
}

/// The sum of what stands for the header of IPv6 in a checksum (RFC 8200, 8.1).
fn pseudo_header(addresses: [IpAddr; 2], length: usize) -> u64 {
    const ICMPV6: u64 = 58;
    let of = |address| match address {
        IpAddr::V4(four) => words(&four.to_ipv6_mapped().octets()),
        IpAddr::V6(six) => words(&six.octets()),
    };
    addresses.into_iter().map(of).sum::<u64>() + length as u64 + ICMPV6
}

/// The sum of words of 16 bits; a last byte is the upper half of one.
fn words(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    };
    bytes.chunks(2).map(word).sum()
}

/// A sum in one's complement (RFC 1071).
fn fold(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> [SocketAddr; 2] {
        let at = |port| SocketAddr::new(text.parse().unwrap(), port);
        [at(7), at(0)]
    }

    #[test]
    fn a_request_is_answered_with_a_sum_that_comes_out() {
        for length in [8, 9, 56, 64] {
            let mut message: std::vec::Vec<u8> = (0..length).collect();
            message[..2].copy_from_slice(&[8, 0]);
            answer(Domain::V4, &mut message, 0x1234, ends("127.0.0.1")).unwrap();
            assert_eq!(message[..2], [0, 0]);
            assert_eq!(message[4..8], [0x12, 0x34, 6, 7]);
            assert_eq!(fold(words(&message)), 0xffff);
            message[..2].copy_from_slice(&[128, 0]);
            answer(Domain::V6, &mut message, 0x1234, ends("::1")).unwrap();
            assert_eq!(message[0], 129);
            let pseudo = 1 + 1 + u64::from(length) + 58;
            assert_eq!(fold(pseudo + words(&message)), 0xffff);
        }
    }

    #[test]
    fn other_messages_are_refused() {
        for (domain, bytes) in [
            (Domain::V4, &[8, 0, 0, 0, 0, 0, 0][..]),
            (Domain::V4, &[0; 8]),
            (Domain::V4, &[128, 0, 0, 0, 0, 0, 0, 0]),
            (Domain::V6, &[8, 0, 0, 0, 0, 0, 0, 0]),
            (Domain::V4, &[8, 1, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut message = std::vec::Vec::from(bytes);
            let refused = answer(domain, &mut message, 1, ends("127.0.0.1"));
            assert_eq!(refused, Err(Errno::EINVAL));
        }
    }
}
