//! Options that are kept and shown: they are about segments, queues and ways that loopback does not have.

use abi::Errno;
use abi::linux::{
    IP_BIND_ADDRESS_NO_PORT, IP_MINTTL, IP_MULTICAST_ALL, IP_MULTICAST_LOOP, IP_MULTICAST_TTL,
    IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPV6_AUTOFLOWLABEL, IPV6_DONTFRAG, IPV6_MINHOPCOUNT,
    IPV6_MTU_DISCOVER, IPV6_MULTICAST_ALL, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, SO_BUSY_POLL,
    SO_INCOMING_CPU, SO_MARK, SO_MAX_PACING_RATE, SO_NO_CHECK, SOL_SOCKET, TCP_FASTOPEN,
    TCP_FASTOPEN_CONNECT, TCP_LINGER2, TCP_NOTSENT_LOWAT, TCP_THIN_DUPACK,
    TCP_THIN_LINEAR_TIMEOUTS, TCP_WINDOW_CLAMP,
};

/// Which numbers an option takes; others are EINVAL.
#[derive(Clone, Copy)]
enum Takes {
    /// All; what is not 0 is 1.
    Switch,
    /// Those from one to another.
    Between(i32, i32),
    /// As [`Between`](Self::Between), and -1 for what it was at first.
    OrFirst(i32, i32),
}

impl Takes {
    fn value(self, first: i32, value: i32) -> Result<i32, Errno> {
        match self {
            Self::Switch => Ok((value != 0).into()),
            Self::OrFirst(..) if value == -1 => Ok(first),
            Self::Between(least, most) | Self::OrFirst(least, most) => (least..=most)
                .contains(&value)
                .then_some(value)
                .ok_or(Errno::EINVAL),
        }
    }
}

const ANY: Takes = Takes::Between(i32::MIN, i32::MAX);
const SIZE: Takes = Takes::Between(0, i32::MAX);
const BIT: Takes = Takes::Between(0, 1);
const BYTE: Takes = Takes::Between(0, 255);

/// Level and number of each, its value at first, and what it takes.
const OPTIONS: [(u32, u32, i32, Takes); 24] = [
    (SOL_SOCKET, SO_NO_CHECK, 0, Takes::Switch),
    (SOL_SOCKET, SO_MARK, 0, ANY),
    (SOL_SOCKET, SO_BUSY_POLL, 0, SIZE),
    // As many as there is a number for.
    (SOL_SOCKET, SO_MAX_PACING_RATE, -1, ANY),
    // No CPU has received anything for it.
    (SOL_SOCKET, SO_INCOMING_CPU, -1, ANY),
    (IPPROTO_IP, IP_MULTICAST_TTL, 1, Takes::OrFirst(0, 255)),
    (IPPROTO_IP, IP_MULTICAST_LOOP, 1, Takes::Switch),
    (IPPROTO_IP, IP_MULTICAST_ALL, 1, BIT),
    (IPPROTO_IP, IP_MINTTL, 0, BYTE),
    // A port is chosen at once all the same.
    (IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, Takes::Switch),
    (IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, Takes::OrFirst(0, 255)),
    (IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, BIT),
    (IPPROTO_IPV6, IPV6_MULTICAST_ALL, 1, BIT),
    (IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1, Takes::Between(0, 5)),
    (IPPROTO_IPV6, IPV6_DONTFRAG, 0, Takes::Switch),
    (IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1, Takes::Switch),
    (IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0, BYTE),
    (IPPROTO_TCP, TCP_LINGER2, 60, Takes::Between(-1, 120)),
    (IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, SIZE),
    (IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, BIT),
    (IPPROTO_TCP, TCP_THIN_DUPACK, 0, BIT),
    (IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, ANY),
    // How many may send with what opens a connection: nobody does, for it needs a cookie of an earlier one.
    (IPPROTO_TCP, TCP_FASTOPEN, 0, SIZE),
    (IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, BIT),
];

/// The values of these options.
#[derive(Clone, Debug)]
pub(super) struct Kept([i32; OPTIONS.len()]);

impl Default for Kept {
    fn default() -> Self {
        Self(OPTIONS.map(|(_, _, first, _)| first))
    }
}

fn place(level: u32, option: u32) -> Option<usize> {
    OPTIONS
        .iter()
        .position(|one| (one.0, one.1) == (level, option))
}

impl Kept {
    /// What one is set to.
    ///
    /// # Errors
    /// ENOPROTOOPT for one that is not kept.
    pub(super) fn get(&self, level: u32, option: u32) -> Result<i32, Errno> {
        let value = place(level, option).and_then(|place| self.0.get(place));
        value.copied().ok_or(Errno::ENOPROTOOPT)
    }

    /// Sets one.
    ///
    /// # Errors
    /// ENOPROTOOPT for one that is not kept, EINVAL for a value that it does not take.
    pub(super) fn set(&mut self, level: u32, option: u32, value: i32) -> Result<(), Errno> {
        let place = place(level, option).ok_or(Errno::ENOPROTOOPT)?;
        if let (Some((_, _, first, takes)), Some(kept)) =
            (OPTIONS.get(place), self.0.get_mut(place))
        {
            *kept = takes.value(*first, value)?;
        }
        Ok(())
    }
}
