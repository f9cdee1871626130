//! Sockets (`man 7 socket`, `man 7 unix`, `man 7 ip`, `man 7 tcp`, sys/socket.h, asm/socket.h of powerpc, linux/net.h,
//! linux/in.h, linux/in6.h, linux/tcp.h).

use super::SystemCall;
use super::TIOCOUTQ;
use super::record::record;
use bitflags::bitflags;

/// Family: none.
pub const AF_UNSPEC: u16 = 0;
/// Family: sockets within one system.
pub const AF_UNIX: u16 = 1;
/// Family: IPv4.
pub const AF_INET: u16 = 2;
/// Family: IPv6.
pub const AF_INET6: u16 = 10;
/// Family: messages to and from the kernel.
pub const AF_NETLINK: u16 = 16;

/// Type: bytes.
pub const SOCK_STREAM: u32 = 1;
/// Type: datagrams.
pub const SOCK_DGRAM: u32 = 2;
/// Type: raw; of AF_UNIX the same as [`SOCK_DGRAM`].
pub const SOCK_RAW: u32 = 3;
/// Type: a sequence of records.
pub const SOCK_SEQPACKET: u32 = 5;
/// Numbers of types are below this.
pub const SOCK_MAX: u32 = 11;
/// Mask of the type in the second argument of `socket`.
pub const SOCK_TYPE_MASK: u32 = 0xf;

/// Level of the options that all sockets have.
pub const SOL_SOCKET: u32 = 1;
/// Option: type of the socket.
pub const SO_TYPE: u32 = 3;
/// Option: the pending error, which is cleared.
pub const SO_ERROR: u32 = 4;
/// Option: size of the send buffer.
pub const SO_SNDBUF: u32 = 7;
/// Option: size of the receive buffer.
pub const SO_RCVBUF: u32 = 8;
/// Option: receive the sender's identity.
pub const SO_PASSCRED: u32 = 20;
/// Option: the process at the other end.
pub const SO_PEERCRED: u32 = 21;
/// Ancillary data: descriptors.
pub const SCM_RIGHTS: u32 = 1;
/// Ancillary data: the sender's identity.
pub const SCM_CREDENTIALS: u32 = 2;
/// Option: whether it listens.
pub const SO_ACCEPTCONN: u32 = 30;
/// Option: protocol.
pub const SO_PROTOCOL: u32 = 38;
/// Option: family.
pub const SO_DOMAIN: u32 = 39;
/// Option: share an address that nobody listens at.
pub const SO_REUSEADDR: u32 = 2;
/// Option: send to this host's networks only.
pub const SO_DONTROUTE: u32 = 5;
/// Option: send to broadcast addresses.
pub const SO_BROADCAST: u32 = 6;
/// Option: probe an idle connection.
pub const SO_KEEPALIVE: u32 = 9;
/// Option: urgent bytes are received in line.
pub const SO_OOBINLINE: u32 = 10;
/// Option: priority of what is sent.
pub const SO_PRIORITY: u32 = 12;
/// Option: what closing does with bytes that have not gone.
pub const SO_LINGER: u32 = 13;
/// Option: share an address with sockets of the same user.
pub const SO_REUSEPORT: u32 = 15;
/// Option: bytes without which receiving waits.
pub const SO_RCVLOWAT: u32 = 16;
/// Option: the time comes with each message, as `struct timeval` of this kind.
pub const SO_TIMESTAMP: u32 = 29;
/// Option: as [`SO_SNDBUF`], beyond the limit.
pub const SO_SNDBUFFORCE: u32 = 32;
/// Option: as [`SO_RCVBUF`], beyond the limit.
pub const SO_RCVBUFFORCE: u32 = 33;
/// Option: the time comes with each message, as `struct timespec` of this kind.
pub const SO_TIMESTAMPNS: u32 = 35;
/// Option: the interface that is used alone.
pub const SO_BINDTODEVICE: u32 = 25;
/// Option: how long receiving waits, as `struct timeval`.
pub const SO_RCVTIMEO: u32 = 18;
/// Option: how long sending waits, as `struct timeval`.
pub const SO_SNDTIMEO: u32 = 19;
/// Option, and kind of what comes with a datagram: how many have been lost.
pub const SO_RXQ_OVFL: u32 = 40;
/// Option: programs say when each datagram is to go, and by which clock; ancillary data of this number says when.
pub const SO_TXTIME: u32 = 61;
/// Option: the mark comes with each datagram, as [`SO_MARK`].
pub const SO_RCVMARK: u32 = 75;
/// Option, and kind of what comes with a datagram: three times, of which the first is the kernel's.
pub const SO_TIMESTAMPING: u32 = 37;
/// Option: datagrams without a check sum.
pub const SO_NO_CHECK: u32 = 11;
/// Option: the mark that packets have.
pub const SO_MARK: u32 = 36;
/// Option: microseconds for which a device is asked before a call waits.
pub const SO_BUSY_POLL: u32 = 46;
/// Option: bytes a second, at most.
pub const SO_MAX_PACING_RATE: u32 = 47;
/// Option: the CPU that packets come to.
pub const SO_INCOMING_CPU: u32 = 49;
/// Option: SO_RCVTIMEO with 64 bits in any case.
pub const SO_RCVTIMEO_NEW: u32 = 66;
/// Option: SO_SNDTIMEO with 64 bits in any case.
pub const SO_SNDTIMEO_NEW: u32 = 67;

/// Level of the options of IPv4, and protocol: the one that the type has.
pub const IPPROTO_IP: u32 = 0;
/// Protocol.
pub const IPPROTO_ICMP: u32 = 1;
/// Protocol.
pub const IPPROTO_ICMPV6: u32 = 58;
/// Protocol, and level of its options.
pub const IPPROTO_TCP: u32 = 6;
/// Protocol.
pub const IPPROTO_UDP: u32 = 17;
/// Level of the options of IPv6.
pub const IPPROTO_IPV6: u32 = 41;
/// Option of IPv4: type of service.
pub const IP_TOS: u32 = 1;
/// Option of IPv4: time to live.
pub const IP_TTL: u32 = 2;
/// Option of IPv4: options of packets come with datagrams that have any.
pub const IP_RECVOPTS: u32 = 6;
/// Option of IPv4: the same, as options for an answer.
pub const IP_RETOPTS: u32 = 7;
/// Option of IPv4: become a member of a group of receivers.
pub const IP_ADD_MEMBERSHIP: u32 = 35;
/// Option of IPv4: leave it.
pub const IP_DROP_MEMBERSHIP: u32 = 36;
/// Option of IPv6: become a member of a group of receivers.
pub const IPV6_JOIN_GROUP: u32 = 20;
/// Option of IPv6: leave it.
pub const IPV6_LEAVE_GROUP: u32 = 21;
/// Option of IPv6: headers for the hops come with datagrams that have any.
pub const IPV6_RECVHOPOPTS: u32 = 53;
/// Option of IPv6: headers of routing come with datagrams that have any.
pub const IPV6_RECVRTHDR: u32 = 56;
/// Option of IPv6: headers for the receiver come with datagrams that have any.
pub const IPV6_RECVDSTOPTS: u32 = 58;
/// Option of IPv4: an address without a port gets one when it connects.
pub const IP_BIND_ADDRESS_NO_PORT: u32 = 24;
/// Option of IPv4: bytes of a packet to the peer.
pub const IP_MTU: u32 = 14;
/// Option of IPv4, and kind of what comes with a datagram: address and port that it was sent to.
pub const IP_RECVORIGDSTADDR: u32 = 20;
/// Option of IPv6, and kind of what comes with a datagram: address and port that it was sent to.
pub const IPV6_RECVORIGDSTADDR: u32 = 74;
/// Option of UDP, and what is said of a datagram: it is cut into ones of so many bytes.
pub const UDP_SEGMENT: u32 = 103;
/// Option of UDP, and kind of what comes with a datagram: it was put together from ones of so many bytes.
pub const UDP_GRO: u32 = 104;
/// Option of TCP: the name of what is put on top of it.
pub const TCP_ULP: u32 = 31;
/// Option of IPv4: the least time to live that a packet must have left.
pub const IP_MINTTL: u32 = 21;
/// Option of IPv4: time to live of datagrams to a group.
pub const IP_MULTICAST_TTL: u32 = 33;
/// Option of IPv4: datagrams to a group come to its members on the same machine.
pub const IP_MULTICAST_LOOP: u32 = 34;
/// Option of IPv4: what comes to groups that others are members of.
pub const IP_MULTICAST_ALL: u32 = 49;
/// Option of IPv4: whether packets may be cut.
pub const IP_MTU_DISCOVER: u32 = 10;
/// Option of IPv4, and kind of what comes with a datagram: its destination.
pub const IP_PKTINFO: u32 = 8;
/// Option of IPv4, and kind of what comes from the queue of errors.
pub const IP_RECVERR: u32 = 11;
/// Option of IPv4: the time to live comes with each datagram, as [`IP_TTL`].
pub const IP_RECVTTL: u32 = 12;
/// Option of IPv4: the type of service comes with each datagram, as [`IP_TOS`].
pub const IP_RECVTOS: u32 = 13;
/// Option of IPv6, and kind of what comes from the queue of errors.
pub const IPV6_RECVERR: u32 = 25;
/// Option of IPv6: the destination comes with each datagram, as [`IPV6_PKTINFO`].
pub const IPV6_RECVPKTINFO: u32 = 49;
/// Kind of what comes with a datagram: its destination.
pub const IPV6_PKTINFO: u32 = 50;
/// Option of IPv6: the time to live comes with each datagram, as [`IPV6_HOPLIMIT`].
pub const IPV6_RECVHOPLIMIT: u32 = 51;
/// Kind of what comes with a datagram: its time to live.
pub const IPV6_HOPLIMIT: u32 = 52;
/// Option of IPv6: the type of service comes with each datagram, as [`IPV6_TCLASS`].
pub const IPV6_RECVTCLASS: u32 = 66;
/// Option of IPv6: time to live.
pub const IPV6_UNICAST_HOPS: u32 = 16;
/// Option of IPv6: no IPv4.
pub const IPV6_V6ONLY: u32 = 26;
/// Option of IPv6: type of service.
pub const IPV6_TCLASS: u32 = 67;
/// Option of IPv6: hops that datagrams to a group go.
pub const IPV6_MULTICAST_HOPS: u32 = 18;
/// Option of IPv6: datagrams to a group come to its members on the same machine.
pub const IPV6_MULTICAST_LOOP: u32 = 19;
/// Option of IPv6: what comes to groups that others are members of.
pub const IPV6_MULTICAST_ALL: u32 = 29;
/// Option of IPv6: whether packets may be cut.
pub const IPV6_MTU_DISCOVER: u32 = 23;
/// Option of IPv6: datagrams are not cut.
pub const IPV6_DONTFRAG: u32 = 62;
/// Option of IPv6: packets have a label of their flow.
pub const IPV6_AUTOFLOWLABEL: u32 = 70;
/// Option of IPv6: the least hops that a packet must have left.
pub const IPV6_MINHOPCOUNT: u32 = 73;
/// Option of TCP: send at once.
pub const TCP_NODELAY: u32 = 1;
/// Option of TCP: bytes of a segment.
pub const TCP_MAXSEG: u32 = 2;
/// Option of TCP: seconds that a connection waits for its first bytes before it is accepted.
pub const TCP_DEFER_ACCEPT: u32 = 9;
/// Option of TCP: what is known of the connection.
pub const TCP_INFO: u32 = 11;
/// Option of TCP: the name of the congestion control.
pub const TCP_CONGESTION: u32 = 13;
/// Bytes of such a name.
pub const TCP_CA_NAME_MAX: usize = 16;
/// Option of TCP: send full segments only.
pub const TCP_CORK: u32 = 3;
/// Option of TCP: seconds before the first probe.
pub const TCP_KEEPIDLE: u32 = 4;
/// Option of TCP: seconds between probes.
pub const TCP_KEEPINTVL: u32 = 5;
/// Option of TCP: probes before the connection is given up.
pub const TCP_KEEPCNT: u32 = 6;
/// Option of TCP: attempts to connect.
pub const TCP_SYNCNT: u32 = 7;
/// Option of TCP: acknowledge at once.
pub const TCP_QUICKACK: u32 = 12;
/// Option of TCP: milliseconds before a connection is given up.
pub const TCP_USER_TIMEOUT: u32 = 18;
/// Option of TCP: seconds that a connection which was closed waits for the other side's end.
pub const TCP_LINGER2: u32 = 8;
/// Option of TCP: bytes of the greatest window.
pub const TCP_WINDOW_CLAMP: u32 = 10;
/// Option of TCP: time-outs of a thin stream do not grow.
pub const TCP_THIN_LINEAR_TIMEOUTS: u32 = 16;
/// Option of TCP: a thin stream sends again after the first repeated acknowledgement.
pub const TCP_THIN_DUPACK: u32 = 17;
/// Option of TCP: how many connections may be opened with bytes and not be established.
pub const TCP_FASTOPEN: u32 = 23;
/// Option of TCP: bytes that are not sent yet, with which one is ready to write.
pub const TCP_NOTSENT_LOWAT: u32 = 25;
/// Option of TCP: connecting waits for the first bytes.
pub const TCP_FASTOPEN_CONNECT: u32 = 30;
/// Request: the name of an interface by its number. The structure of these requests is `struct ifreq`.
pub const SIOCGIFNAME: u32 = 0x8910;
/// `ioctl`: whether the next byte is the urgent one.
pub const SIOCATMARK: u32 = 0x8905;
/// Request: all interfaces with an address.
pub const SIOCGIFCONF: u32 = 0x8912;
/// Request: flags.
pub const SIOCGIFFLAGS: u32 = 0x8913;
/// Request: address.
pub const SIOCGIFADDR: u32 = 0x8915;
/// Request: address of the other end.
pub const SIOCGIFDSTADDR: u32 = 0x8917;
/// Request: broadcast address.
pub const SIOCGIFBRDADDR: u32 = 0x8919;
/// Request: mask of the network.
pub const SIOCGIFNETMASK: u32 = 0x891b;
/// Request: metric.
pub const SIOCGIFMETRIC: u32 = 0x891d;
/// Request: largest packet.
pub const SIOCGIFMTU: u32 = 0x8921;
/// Request: hardware address.
pub const SIOCGIFHWADDR: u32 = 0x8927;
/// Request: number.
pub const SIOCGIFINDEX: u32 = 0x8933;
/// Request: length of the queue.
pub const SIOCGIFTXQLEN: u32 = 0x8942;
/// Request: settings of the hardware (`man 8 ethtool`).
pub const SIOCETHTOOL: u32 = 0x8946;
/// Requests about interfaces: those that ask, and those that change something.
pub const SIOC_INTERFACE: core::ops::RangeInclusive<u32> = 0x8910..=0x8951;
/// Request: bytes that have not been taken.
pub const SIOCOUTQ: u32 = TIOCOUTQ;

/// `shutdown`: receiving.
pub const SHUT_RD: u32 = 0;
/// `shutdown`: sending.
pub const SHUT_WR: u32 = 1;
/// `shutdown`: both.
pub const SHUT_RDWR: u32 = 2;

/// Longest address of any family, in bytes (`struct sockaddr_storage`).
pub const SOCKADDR_MAX: usize = 128;

bitflags! {
    /// `flags` of `send`, `recv` and their kin, and `msg_flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MessageFlags: u32 {
        /// Urgent data.
        const OOB = 0x1;
        /// What is received stays to be received again.
        const PEEK = 0x2;
        /// Ancillary data have been cut.
        const CTRUNC = 0x8;
        /// A record has been cut; as argument: answer its full length.
        const TRUNC = 0x20;
        /// Fail rather than wait.
        const DONTWAIT = 0x40;
        /// End of a record.
        const EOR = 0x80;
        /// Wait until all of the buffer is filled.
        const WAITALL = 0x100;
        /// From the queue of errors.
        const ERRQUEUE = 0x2000;
        /// No SIGPIPE.
        const NOSIGNAL = 0x4000;
        /// Descriptors that are received are closed on execve.
        const CMSG_CLOEXEC = 0x4000_0000;
        /// Of the kernel's own: the structures are those of 32-bit programs.
        const CMSG_COMPAT = 0x8000_0000;
        const _ = !0;
    }
}

record! {
    /// `struct msghdr`.
    Msghdr [56] {
        /// Address of the peer's address; 0 for none.
        0 name: u64,
        /// Its length in bytes.
        8 namelen: u32,
        /// Address of the segments.
        16 iov: u64,
        /// How many.
        24 iovlen: u64,
        /// Address of ancillary data.
        32 control: u64,
        /// Their length in bytes.
        40 controllen: u64,
        /// [`MessageFlags`] of what was received.
        48 flags: u32,
    }
}

/// What the first argument of `socketcall` selects, and how many arguments it has (linux/net.h).
#[must_use]
pub const fn socketcall(number: u32) -> Option<(SystemCall, usize)> {
    Some(match number {
        1 => (SystemCall::Socket, 3),
        2 => (SystemCall::Bind, 3),
        3 => (SystemCall::Connect, 3),
        4 => (SystemCall::Listen, 2),
        5 => (SystemCall::Accept, 3),
        6 => (SystemCall::Getsockname, 3),
        7 => (SystemCall::Getpeername, 3),
        8 => (SystemCall::Socketpair, 4),
        9 => (SystemCall::Send, 4),
        10 => (SystemCall::Recv, 4),
        11 => (SystemCall::Sendto, 6),
        12 => (SystemCall::Recvfrom, 6),
        13 => (SystemCall::Shutdown, 2),
        14 => (SystemCall::Setsockopt, 5),
        15 => (SystemCall::Getsockopt, 5),
        16 => (SystemCall::Sendmsg, 3),
        17 => (SystemCall::Recvmsg, 3),
        18 => (SystemCall::Accept4, 4),
        19 => (SystemCall::Recvmmsg, 5),
        20 => (SystemCall::Sendmmsg, 4),
        _ => return None,
    })
}

super::record::record! {
    /// `struct tcp_info`, as far as it was in the first version.
    TcpInfo [104] {
        /// The state, as `/proc/net/tcp` has it.
        0 state: u8,
        /// Microseconds before a segment is sent again.
        8 rto: u32,
        /// Microseconds before an acknowledgement is sent by itself.
        12 ato: u32,
        /// Bytes of a segment that is sent.
        16 snd_mss: u32,
        /// Bytes of a segment that is received.
        20 rcv_mss: u32,
        /// Bytes of a packet.
        60 pmtu: u32,
        /// Bytes that may come.
        64 rcv_ssthresh: u32,
        /// Segments before sending slows down.
        76 snd_ssthresh: u32,
        /// Segments that may be on their way.
        80 snd_cwnd: u32,
        /// Bytes of a segment that the peer was told.
        84 advmss: u32,
        /// Segments that may come out of order.
        88 reordering: u32,
        /// Bytes that may come before they are received.
        96 rcv_space: u32,
    }
}
