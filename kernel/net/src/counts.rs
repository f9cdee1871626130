//! What the network of a partition has done so far, as `/proc/net/snmp` tells it (RFC 4022, RFC 4113, RFC 2011).

use core::sync::atomic::{AtomicU64, Ordering};

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counted {
    /// An end has begun to connect.
    Connecting,
    /// A listener has taken a connection.
    Accepted,
    /// A connection has not come about.
    Refused,
    /// An established connection has ended by a RST.
    Reset,
    /// Bytes have gone from one end to the other. There are no segments: each transfer counts as one.
    Segment,
    /// The same of IPv6.
    Segment6,
    /// A datagram of UDP over IPv4 was sent.
    Sent,
    /// It was received.
    Received,
    /// Nobody had its port.
    Unclaimed,
    /// There was no room for it.
    Lost,
    /// The same four over IPv6.
    Sent6,
    /// See above.
    Received6,
    /// See above.
    Unclaimed6,
    /// See above.
    Lost6,
    /// A request of ICMP for an echo has been answered.
    Echo,
    /// The same of IPv6.
    Echo6,
}

impl Counted {
    /// How many there are.
    const COUNT: usize = Self::Echo6 as usize + 1;

    /// The same of the other family, for what is counted by families.
    pub(crate) fn of_six(self, is_six: bool) -> Self {
        match self {
            Self::Segment if is_six => Self::Segment6,
            Self::Sent if is_six => Self::Sent6,
            Self::Received if is_six => Self::Received6,
            Self::Unclaimed if is_six => Self::Unclaimed6,
            Self::Lost if is_six => Self::Lost6,
            Self::Echo if is_six => Self::Echo6,
            other => other,
        }
    }
}

/// How often each has happened.
pub(crate) struct Counts([AtomicU64; Counted::COUNT]);

impl Counts {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Counted::COUNT])
    }

    pub(crate) fn add(&self, what: Counted) {
        if let Some(count) = self.0.get(what as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, what: Counted) -> u64 {
        let count = self.0.get(what as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}
