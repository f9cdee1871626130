//! Options of sockets (`man 7 socket`, `man 7 ip`, `man 7 ipv6`, `man 7 tcp`).
//!
//! Those about retransmission, probes and delays of segments are kept and shown; on loopback there is nothing that they
//! change. Most of these are in [`kept`].

mod kept;

use crate::address::Domain;
use crate::connection::Buffers;
use abi::Errno;
use abi::linux::{
    IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MTU, IP_MTU_DISCOVER, IP_MULTICAST_TTL, IP_PKTINFO,
    IP_RECVERR, IP_RECVOPTS, IP_RECVORIGDSTADDR, IP_RECVTOS, IP_RECVTTL, IP_RETOPTS, IP_TOS,
    IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP,
    IPV6_MULTICAST_HOPS, IPV6_RECVDSTOPTS, IPV6_RECVERR, IPV6_RECVHOPLIMIT, IPV6_RECVHOPOPTS,
    IPV6_RECVORIGDSTADDR, IPV6_RECVPKTINFO, IPV6_RECVRTHDR, IPV6_RECVTCLASS, IPV6_TCLASS,
    IPV6_UNICAST_HOPS, IPV6_V6ONLY, SO_BROADCAST, SO_DONTROUTE, SO_KEEPALIVE, SO_LINGER, SO_MARK,
    SO_OOBINLINE, SO_PRIORITY, SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVLOWAT, SO_RCVMARK, SO_REUSEADDR,
    SO_REUSEPORT, SO_RXQ_OVFL, SO_SNDBUF, SO_SNDBUFFORCE, SO_TIMESTAMP, SO_TIMESTAMPING,
    SO_TIMESTAMPNS, SO_TXTIME, SOL_SOCKET, TCP_CORK, TCP_DEFER_ACCEPT, TCP_KEEPCNT, TCP_KEEPIDLE,
    TCP_KEEPINTVL, TCP_MAXSEG, TCP_NODELAY, TCP_QUICKACK, TCP_SYNCNT, TCP_USER_TIMEOUT, UDP_GRO,
    UDP_SEGMENT,
};

use bitflags::bitflags;
use core::net::IpAddr;
use kept::Kept;

/// `SOF_TXTIME_DEADLINE_MODE` and `SOF_TXTIME_REPORT_ERRORS`.
const DEPARTURE_FLAGS: i32 = 3;

/// The value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(i32),
    /// `struct linger`: on or off, and seconds.
    Linger(i32, i32),
    /// `struct sock_txtime`: a clock, and flags.
    Departures(i32, i32),
}

bitflags! {
    /// What a socket is told with each datagram.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Told: u32 {
        /// Of one of IPv4: where it was sent to.
        const DESTINATION = 1;
        /// Its time to live.
        const TIME_TO_LIVE = 1 << 1;
        /// Its type of service.
        const SERVICE = 1 << 2;
        /// Of any, in the form of IPv6: where it was sent to.
        const DESTINATION_6 = 1 << 3;
        /// Of one of IPv6: its time to live.
        const HOP_LIMIT = 1 << 4;
        /// Its type of service.
        const CLASS = 1 << 5;
        /// When it was sent, in microseconds.
        const TIME = 1 << 6;
        /// When it was sent, in nanoseconds.
        const TIME_NANOS = 1 << 7;
        /// Options of its packets; on loopback none has any.
        const PACKET_OPTIONS = 1 << 8;
        /// The same, turned round for an answer.
        const RETURNED_OPTIONS = 1 << 9;
        /// Further headers of IPv6 of three kinds, which none has on loopback either.
        const HOP_HEADERS = 1 << 10;
        /// Those of routing.
        const ROUTING_HEADERS = 1 << 11;
        /// Those for the receiver.
        const RECEIVER_HEADERS = 1 << 12;
        /// When it was sent, as the first of three times (SO_TIMESTAMPING).
        const TIME_OF_THREE = 1 << 13;
        /// Of one of IPv4: address and port that it was sent to.
        const ENDPOINT = 1 << 14;
        /// Of one of IPv6.
        const ENDPOINT_6 = 1 << 15;
        /// How many were lost before it.
        const LOSSES = 1 << 16;
        /// The mark that its sender has given it.
        const MARK = 1 << 17;
        /// That it was not put together from several: nothing, then.
        const JOINED = 1 << 18;
        /// When it was sent, in one form or the other.
        const TIMES = Self::TIME.bits() | Self::TIME_NANOS.bits();
        /// When it was sent, in any form.
        const STAMPS = Self::TIMES.bits() | Self::TIME_OF_THREE.bits();
    }
}

bitflags! {
    /// Of what there are to be times (SO_TIMESTAMPING). No hardware tells any here, whoever asks for it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Stamping: i32 {
        /// Of sending, by hardware.
        const HARDWARE_SENT = 1;
        /// Of sending: it comes from the queue of errors.
        const SENT = 1 << 1;
        /// Of receiving, by hardware.
        const HARDWARE_RECEIVED = 1 << 2;
        /// Of receiving.
        const RECEIVED = 1 << 3;
        /// Those of the kernel are told.
        const TOLD = 1 << 4;
        /// Those of the hardware are told, as the kernel's time.
        const HARDWARE_TOLD = 1 << 5;
        /// And as they are.
        const HARDWARE_RAW = 1 << 6;
        /// What is sent is numbered.
        const NUMBERED = 1 << 7;
        /// What comes from the queue is without what was sent.
        const WITHOUT_BYTES = 1 << 11;
    }
}

impl Told {
    fn of(level: u32, option: u32) -> Option<Self> {
        Some(match (level, option) {
            (IPPROTO_IP, IP_PKTINFO) => Self::DESTINATION,
            (IPPROTO_IP, IP_RECVTTL) => Self::TIME_TO_LIVE,
            (IPPROTO_IP, IP_RECVTOS) => Self::SERVICE,
            (IPPROTO_IPV6, IPV6_RECVPKTINFO) => Self::DESTINATION_6,
            (IPPROTO_IPV6, IPV6_RECVHOPLIMIT) => Self::HOP_LIMIT,
            (IPPROTO_IPV6, IPV6_RECVTCLASS) => Self::CLASS,
            (SOL_SOCKET, SO_TIMESTAMP) => Self::TIME,
            (SOL_SOCKET, SO_TIMESTAMPNS) => Self::TIME_NANOS,
            (IPPROTO_IP, IP_RECVOPTS) => Self::PACKET_OPTIONS,
            (IPPROTO_IP, IP_RETOPTS) => Self::RETURNED_OPTIONS,
            (IPPROTO_IPV6, IPV6_RECVHOPOPTS) => Self::HOP_HEADERS,
            (IPPROTO_IPV6, IPV6_RECVRTHDR) => Self::ROUTING_HEADERS,
            (IPPROTO_IPV6, IPV6_RECVDSTOPTS) => Self::RECEIVER_HEADERS,
            (IPPROTO_IP, IP_RECVORIGDSTADDR) => Self::ENDPOINT,
            (IPPROTO_IPV6, IPV6_RECVORIGDSTADDR) => Self::ENDPOINT_6,
            (SOL_SOCKET, SO_RXQ_OVFL) => Self::LOSSES,
            (SOL_SOCKET, SO_RCVMARK) => Self::MARK,
            (IPPROTO_UDP, UDP_GRO) => Self::JOINED,
            _ => return None,
        })
    }

    /// What a connection may be asked for, which has no datagrams.
    fn of_connection(level: u32, option: u32) -> Option<Self> {
        Self::of(level, option).filter(|told| !told.intersects(Self::STAMPS))
    }

    /// Whether times are told is one question, and their form another: the last word counts.
    fn tell(&mut self, wanted: Self, on: bool) {
        if Self::TIMES.contains(wanted) {
            self.remove(Self::TIMES);
        }
        self.set(wanted, on);
    }
}

/// How a datagram has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where it was sent to.
    pub to: IpAddr,
    /// Its time to live.
    pub time_to_live: u8,
    /// Its type of service.
    pub service: u8,
    /// Its mark (SO_MARK).
    pub mark: u32,
}

/// What programs have set.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) buffers: Buffers,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) only_v6: bool,
    /// SO_LINGER, with its time in seconds.
    pub(crate) linger: Option<i32>,
    pub(crate) broadcast: bool,
    keep_alive: bool,
    dont_route: bool,
    pub(crate) urgent_inline: bool,
    priority: i32,
    no_delay: bool,
    cork: bool,
    quick_acknowledgement: bool,
    keep_idle: i32,
    keep_interval: i32,
    keep_count: i32,
    attempts: i32,
    /// Bytes of a segment; 0: as many as the interface carries.
    segment: i32,
    defer_accept: i32,
    user_timeout: i32,
    time_to_live: i32,
    type_of_service: i32,
    mtu_discovery: i32,
    hop_limit: i32,
    traffic_class: i32,
    /// What comes with each datagram.
    pub(crate) told: Told,
    /// Errors go to a queue, with what was sent: of IPv4, and of IPv6.
    errors: [bool; 2],
    /// Which times are told in three forms, and of what (SO_TIMESTAMPING).
    pub(crate) stamping: Stamping,
    /// Bytes of the datagrams that a longer one is cut into; 0: it is not cut (UDP_SEGMENT).
    pub(crate) cut: u16,
    /// By which clock a program says when each datagram is to go, and how (SO_TXTIME). Over loopback each goes at once, as where
    /// no queue holds it back.
    pub(crate) departures: Option<(i32, i32)>,
    kept: Kept,
}

/// Which protocol's options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub domain: Domain,
    pub is_tcp: bool,
    /// Whether it is bound: some options come too late then.
    pub bound: bool,
    /// Whether it is connected.
    pub connected: bool,
    /// Bytes of a segment of its connection.
    pub segment: i32,
}

/// Bytes of a segment on loopback: what its packets hold but for headers and time stamps.
pub(crate) const SEGMENT: i32 = 65_483;
/// Bytes of a segment before there is a connection (RFC 9293, 3.7.1).
const SEGMENT_DEFAULT: i32 = 536;

/// Bytes of a packet to a peer: of the 65 536 that the interface carries as many as IPv4 has a number for.
const MTU: i32 = 65_535;
/// The least of a buffer for sending, and for receiving.
const SEND_MIN: usize = 4608;
const RECEIVE_MIN: usize = 2304;

/// What TCP has at first (`man 7 tcp`, tcp_wmem, tcp_rmem).
const TCP_BUFFERS: Buffers = Buffers {
    send: 87_040,
    receive: 131_072,
    least: 1,
};
/// What UDP has at first (`/proc/sys/net/core/rmem_default`, `wmem_default`).
const UDP_BUFFERS: Buffers = Buffers {
    send: 212_992,
    receive: 212_992,
    least: 1,
};

fn within(value: i32, range: core::ops::RangeInclusive<i32>) -> Result<i32, Errno> {
    range.contains(&value).then_some(value).ok_or(Errno::EINVAL)
}

impl Options {
    /// Those of a new socket.
    pub(crate) fn new(is_tcp: bool) -> Self {
        Self {
            buffers: if is_tcp { TCP_BUFFERS } else { UDP_BUFFERS },
            reuse_address: false,
            reuse_port: false,
            only_v6: false,
            linger: None,
            broadcast: false,
            keep_alive: false,
            dont_route: false,
            urgent_inline: false,
            priority: 0,
            no_delay: false,
            cork: false,
            quick_acknowledgement: true,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            attempts: 6,
            segment: 0,
            defer_accept: 0,
            user_timeout: 0,
            time_to_live: 64,
            type_of_service: 0,
            mtu_discovery: 1,
            hop_limit: 64,
            traffic_class: 0,
            told: Told::empty(),
            errors: [false; 2],
            stamping: Stamping::empty(),
            cut: 0,
            departures: None,
            kept: Kept::default(),
        }
    }

    /// How a datagram goes to an address.
    pub(crate) fn way(&self, to: IpAddr) -> Way {
        let (life, service) = match to {
            IpAddr::V4(_) => (self.time_to_live, self.type_of_service),
            IpAddr::V6(_) => (self.hop_limit, self.traffic_class),
        };
        // Both are kept within their bounds.
        Way {
            to,
            time_to_live: life as u8,
            service: service as u8,
            mark: self
                .kept
                .get(SOL_SOCKET, SO_MARK)
                .map_or(0, i32::cast_unsigned),
        }
    }

    /// Bytes of a segment, of which neither end wants more (TCP_MAXSEG): less what a time stamp takes.
    pub(crate) fn segment_with(&self, other: i32) -> i32 {
        /// Bytes of a time stamp in the header (RFC 7323).
        const STAMP: i32 = 12;
        let asked = [self.segment, other].into_iter().filter(|most| *most != 0);
        asked.min().map_or(SEGMENT, |most| most - STAMP)
    }

    /// The most bytes of a segment that was asked for; 0 for none.
    pub(crate) fn segment(&self) -> i32 {
        self.segment
    }

    /// Whether errors that concern an address go to the queue.
    pub(crate) fn queues_errors(&self, to: IpAddr) -> bool {
        let [four, six] = self.errors;
        if to.is_ipv4() { four } else { six }
    }

    /// What an option is set to.
    ///
    /// # Errors
    /// ENOPROTOOPT for one that there is not; EOPNOTSUPP for a level that there is not.
    pub(crate) fn get(&self, kind: Kind, level: u32, option: u32) -> Result<Value, Errno> {
        let number = match (level, option) {
            (SOL_SOCKET, SO_LINGER) => {
                let seconds = self.linger;
                return Ok(Value::Linger(
                    seconds.is_some().into(),
                    seconds.unwrap_or(0),
                ));
            }
            (SOL_SOCKET, SO_SNDBUF) => i32::try_from(self.buffers.send).unwrap_or(i32::MAX),
            (SOL_SOCKET, SO_RCVBUF) => i32::try_from(self.buffers.receive).unwrap_or(i32::MAX),
            (SOL_SOCKET, SO_RCVLOWAT) => i32::try_from(self.buffers.least).unwrap_or(i32::MAX),
            (SOL_SOCKET, SO_REUSEADDR) => self.reuse_address.into(),
            (SOL_SOCKET, SO_REUSEPORT) => self.reuse_port.into(),
            (SOL_SOCKET, SO_BROADCAST) => self.broadcast.into(),
            (SOL_SOCKET, SO_KEEPALIVE) => self.keep_alive.into(),
            (SOL_SOCKET, SO_DONTROUTE) => self.dont_route.into(),
            (SOL_SOCKET, SO_OOBINLINE) => self.urgent_inline.into(),
            (SOL_SOCKET, SO_PRIORITY) => self.priority,
            (SOL_SOCKET, SO_TIMESTAMPING) if !kind.is_tcp => self.stamping.bits(),
            (IPPROTO_IP, IP_MTU) if kind.connected => MTU,
            (IPPROTO_IP, IP_MTU) => return Err(Errno::ENOTCONN),
            (SOL_SOCKET, SO_TXTIME) => {
                let (clock, flags) = self.departures.unwrap_or_default();
                return Ok(Value::Departures(clock, flags));
            }
            (IPPROTO_UDP, UDP_SEGMENT) if !kind.is_tcp => self.cut.into(),
            (IPPROTO_IP, IP_TTL) => self.time_to_live,
            (IPPROTO_IP, IP_TOS) => self.type_of_service,
            (IPPROTO_IP, IP_MTU_DISCOVER) => self.mtu_discovery,
            (IPPROTO_IP, IP_RECVERR) => self.errors[0].into(),
            (IPPROTO_IPV6, _) if kind.domain == Domain::V4 => return Err(Errno::EOPNOTSUPP),
            (IPPROTO_IPV6, IPV6_RECVERR) => self.errors[1].into(),
            _ if !kind.is_tcp && Told::of(level, option).is_some() => {
                let told = Told::of(level, option).unwrap_or_default();
                self.told.contains(told).into()
            }
            _ if Told::of_connection(level, option).is_some() => {
                let told = Told::of_connection(level, option).unwrap_or_default();
                self.told.contains(told).into()
            }
            (IPPROTO_IPV6, IPV6_V6ONLY) => self.only_v6.into(),
            (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => self.hop_limit,
            (IPPROTO_IPV6, IPV6_TCLASS) => self.traffic_class,
            (IPPROTO_TCP, _) if !kind.is_tcp => return Err(Errno::EOPNOTSUPP),
            (IPPROTO_TCP, TCP_NODELAY) => self.no_delay.into(),
            (IPPROTO_TCP, TCP_CORK) => self.cork.into(),
            (IPPROTO_TCP, TCP_QUICKACK) => self.quick_acknowledgement.into(),
            (IPPROTO_TCP, TCP_KEEPIDLE) => self.keep_idle,
            (IPPROTO_TCP, TCP_KEEPINTVL) => self.keep_interval,
            (IPPROTO_TCP, TCP_KEEPCNT) => self.keep_count,
            (IPPROTO_TCP, TCP_SYNCNT) => self.attempts,
            (IPPROTO_TCP, TCP_MAXSEG) if kind.connected => kind.segment,
            (IPPROTO_TCP, TCP_MAXSEG) if self.segment != 0 => self.segment,
            (IPPROTO_TCP, TCP_MAXSEG) => SEGMENT_DEFAULT,
            (IPPROTO_TCP, TCP_DEFER_ACCEPT) => self.defer_accept,
            (IPPROTO_TCP, TCP_USER_TIMEOUT) => self.user_timeout,
            (SOL_SOCKET | IPPROTO_IP | IPPROTO_IPV6 | IPPROTO_TCP, _) => {
                self.kept.get(level, option)?
            }
            _ => return Err(Errno::EOPNOTSUPP),
        };
        Ok(Value::Number(number))
    }

    /// Sets an option.
    ///
    /// # Errors
    /// EINVAL for a value that cannot be; ENOPROTOOPT, EOPNOTSUPP as [`Options::get`].
    pub(crate) fn set(
        &mut self,
        kind: Kind,
        level: u32,
        option: u32,
        value: Value,
    ) -> Result<(), Errno> {
        let value = match value {
            Value::Linger(on, seconds) => {
                self.linger = (on != 0).then_some(seconds);
                return Ok(());
            }
            Value::Departures(clock, flags) => {
                if flags & !DEPARTURE_FLAGS != 0 {
                    return Err(Errno::EINVAL);
                }
                self.departures = Some((clock, flags));
                return Ok(());
            }
            Value::Number(value) => value,
        };
        let on = value != 0;
        match (level, option) {
            (SOL_SOCKET, SO_SNDBUF | SO_SNDBUFFORCE) => {
                self.buffers.send = (2 * ipc::asked_buffer(option, value)).max(SEND_MIN);
            }
            (SOL_SOCKET, SO_RCVBUF | SO_RCVBUFFORCE) => {
                self.buffers.receive = (2 * ipc::asked_buffer(option, value)).max(RECEIVE_MIN);
            }
            (SOL_SOCKET, SO_RCVLOWAT) => {
                let least = usize::try_from(value).unwrap_or(usize::MAX);
                self.buffers.least = least.clamp(1, i32::MAX as usize);
            }
            (SOL_SOCKET, SO_REUSEADDR) => self.reuse_address = on,
            (SOL_SOCKET, SO_REUSEPORT) => self.reuse_port = on,
            (SOL_SOCKET, SO_BROADCAST) => self.broadcast = on,
            (SOL_SOCKET, SO_KEEPALIVE) => self.keep_alive = on,
            (SOL_SOCKET, SO_DONTROUTE) => self.dont_route = on,
            (SOL_SOCKET, SO_OOBINLINE) => self.urgent_inline = on,
            (SOL_SOCKET, SO_PRIORITY) => self.priority = within(value, 0..=6)?,
            (SOL_SOCKET, SO_TIMESTAMPING) if !kind.is_tcp => {
                let asked = Stamping::from_bits(value).ok_or(Errno::EINVAL)?;
                if asked.contains(Stamping::SENT) && !asked.contains(Stamping::WITHOUT_BYTES) {
                    return Err(Errno::EINVAL);
                }
                self.stamping = asked;
                let received = asked.contains(Stamping::RECEIVED | Stamping::TOLD);
                self.told.set(Told::TIME_OF_THREE, received);
            }
            (IPPROTO_UDP, UDP_SEGMENT) if !kind.is_tcp => {
                self.cut = u16::try_from(value).map_err(|_| Errno::EINVAL)?;
            }
            (IPPROTO_IP, IP_TTL) => {
                self.time_to_live = if value == -1 {
                    64
                } else {
                    within(value, 1..=255)?
                };
            }
            (IPPROTO_IP, IP_TOS) => self.type_of_service = value & 0xff,
            (IPPROTO_IP, IP_MTU_DISCOVER) => self.mtu_discovery = within(value, 0..=5)?,
            (IPPROTO_IP, IP_RECVERR) => self.errors[0] = on,
            // No route leads to any group.
            (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => return Err(Errno::ENODEV),
            (IPPROTO_IPV6, _) if kind.domain == Domain::V4 => return Err(Errno::ENOPROTOOPT),
            (IPPROTO_IPV6, IPV6_RECVERR) => self.errors[1] = on,
            (IPPROTO_IPV6, IPV6_JOIN_GROUP | IPV6_LEAVE_GROUP) => return Err(Errno::ENODEV),
            _ if !kind.is_tcp && Told::of(level, option).is_some() => {
                let wanted = Told::of(level, option).unwrap_or_default();
                self.told.tell(wanted, on);
            }
            _ if Told::of_connection(level, option).is_some() => {
                let wanted = Told::of_connection(level, option).unwrap_or_default();
                self.told.tell(wanted, on);
            }
            (IPPROTO_IPV6, IPV6_V6ONLY) if kind.bound => return Err(Errno::EINVAL),
            (IPPROTO_IPV6, IPV6_V6ONLY) => self.only_v6 = on,
            (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => {
                self.hop_limit = if value == -1 {
                    64
                } else {
                    within(value, 0..=255)?
                };
            }
            (IPPROTO_IPV6, IPV6_TCLASS) => self.traffic_class = within(value, -1..=255)?.max(0),
            (IPPROTO_TCP, _) if !kind.is_tcp => return Err(Errno::ENOPROTOOPT),
            (IPPROTO_TCP, TCP_NODELAY) => self.no_delay = on,
            (IPPROTO_TCP, TCP_CORK) => self.cork = on,
            (IPPROTO_TCP, TCP_QUICKACK) => self.quick_acknowledgement = on,
            (IPPROTO_TCP, TCP_KEEPIDLE) => self.keep_idle = within(value, 1..=32_767)?,
            (IPPROTO_TCP, TCP_KEEPINTVL) => self.keep_interval = within(value, 1..=32_767)?,
            (IPPROTO_TCP, TCP_KEEPCNT) => self.keep_count = within(value, 1..=127)?,
            (IPPROTO_TCP, TCP_SYNCNT) => self.attempts = within(value, 1..=127)?,
            (IPPROTO_TCP, TCP_MAXSEG) => {
                self.segment = match value {
                    0 => 0,
                    _ => within(value, 88..=32_767)?,
                };
            }
            (IPPROTO_TCP, TCP_DEFER_ACCEPT) => self.defer_accept = value.max(0),
            (IPPROTO_TCP, TCP_USER_TIMEOUT) => self.user_timeout = within(value, 0..=i32::MAX)?,
            (IPPROTO_IP, IP_MULTICAST_TTL) if kind.is_tcp => return Err(Errno::EINVAL),
            (IPPROTO_IPV6, IPV6_MULTICAST_HOPS) if kind.is_tcp => return Err(Errno::ENOPROTOOPT),
            _ => self.kept.set(level, option, value)?,
        }
        Ok(())
    }
}
