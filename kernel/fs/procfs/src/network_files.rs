//! Files that tell of the network: `/proc/net`, `/proc/sys/net`.

use crate::network_counts;
use crate::source::{Network, ProcSource, SocketLine};
use alloc::vec::Vec;
use core::fmt::{Result, Write};
use core::net::{IpAddr, SocketAddr};
use fallible::{NoMemory, Text, written};
use ipc::UnixLine;

/// A file of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NetworkFile {
    Tcp,
    Tcp6,
    Udp,
    Udp6,
    Devices,
    Addresses6,
    /// Hardware addresses of others: over loopback there is nobody else.
    Neighbours,
    Routes,
    /// Sockets of AF_UNIX, which are not of the network.
    Unix,
    /// How many sockets there are.
    Counts,
    Counts6,
    /// What has happened.
    Events,
    Events6,
    MoreEvents,
    BacklogLimit,
    BufferDefault,
    BufferLimit,
    ChosenPorts,
    FirstFreePort,
    /// Which groups may ask for echoes.
    EchoGroups,
}

/// The files of `/proc/net`.
pub(crate) const NET_FILES: [(&str, NetworkFile); 14] = [
    ("arp", NetworkFile::Neighbours),
    ("dev", NetworkFile::Devices),
    ("if_inet6", NetworkFile::Addresses6),
    ("netstat", NetworkFile::MoreEvents),
    ("route", NetworkFile::Routes),
    ("snmp", NetworkFile::Events),
    ("snmp6", NetworkFile::Events6),
    ("sockstat", NetworkFile::Counts),
    ("sockstat6", NetworkFile::Counts6),
    ("tcp", NetworkFile::Tcp),
    ("tcp6", NetworkFile::Tcp6),
    ("udp", NetworkFile::Udp),
    ("udp6", NetworkFile::Udp6),
    ("unix", NetworkFile::Unix),
];

/// The files of `/proc/sys/net/core`.
pub(crate) const CORE_FILES: [(&str, NetworkFile); 5] = [
    ("rmem_default", NetworkFile::BufferDefault),
    ("rmem_max", NetworkFile::BufferLimit),
    ("somaxconn", NetworkFile::BacklogLimit),
    ("wmem_default", NetworkFile::BufferDefault),
    ("wmem_max", NetworkFile::BufferLimit),
];

/// The files of `/proc/sys/net/ipv4`.
pub(crate) const IPV4_FILES: [(&str, NetworkFile); 3] = [
    ("ip_local_port_range", NetworkFile::ChosenPorts),
    ("ip_unprivileged_port_start", NetworkFile::FirstFreePort),
    ("ping_group_range", NetworkFile::EchoGroups),
];

/// Width of a line of `/proc/net/tcp`, and of those of `/proc/net/udp` and `/proc/net/route`.
const WIDE: usize = 149;
const NARROW: usize = 127;

/// The text of a file.
pub(crate) fn text(
    file: NetworkFile,
    source: &dyn ProcSource,
) -> core::result::Result<Vec<u8>, NoMemory> {
    if file == NetworkFile::Unix {
        let lines = source.unix_sockets()?;
        return written(|out| unix_sockets(out, &lines));
    }
    if file == NetworkFile::Counts {
        let others = source.unix_sockets()?.len();
        let network = source.network()?;
        return written(|out| counts(out, &network, others));
    }
    of_network(file, &source.network()?)
}

fn of_network(file: NetworkFile, network: &Network) -> core::result::Result<Vec<u8>, NoMemory> {
    written(|out| write_file(out, file, network))
}

/// `/proc/net/unix` (`man 5 proc`). A number that nobody is told stands for the address of the kernel's object.
fn unix_sockets(out: &mut Text, lines: &[UnixLine]) -> Result {
    /// Connections are accepted.
    const ACCEPTS: u32 = 1 << 16;
    out.write_str("Num       RefCount Protocol Flags    Type St Inode Path\n")?;
    for line in lines {
        let flags = if line.listens { ACCEPTS } else { 0 };
        let state = if line.connected { 3 } else { 1 };
        write!(
            out,
            "{:016x}: {:08X} {:08X} {flags:08X} {:04X} {state:02X} {:>5}",
            0, 2, 0, line.kind, line.inode
        )?;
        let name = match line.name.split_last() {
            Some((0, path)) if path.first() != Some(&0) && !path.is_empty() => path,
            _ => &line.name,
        };
        if !name.is_empty() {
            out.byte(b' ')?;
        }
        for &byte in name {
            out.byte(if byte == 0 { b'@' } else { byte })?;
        }
        out.byte(b'\n')?;
    }
    Ok(())
}

fn write_file(out: &mut Text, file: NetworkFile, network: &Network) -> Result {
    match file {
        NetworkFile::Tcp => sockets(out, &network.tcp, false, WIDE, TCP_REST),
        NetworkFile::Tcp6 => sockets(out, &network.tcp, true, WIDE, TCP_REST),
        NetworkFile::Udp => sockets(out, &network.udp, false, NARROW, UDP_REST),
        NetworkFile::Udp6 => sockets(out, &network.udp, true, NARROW, UDP_REST),
        NetworkFile::Devices => devices(out, network.carried),
        // They are told of by `text`.
        NetworkFile::Unix | NetworkFile::Counts => Ok(()),
        NetworkFile::Counts6 => {
            let (tcp, udp) = (of_family(&network.tcp, true), of_family(&network.udp, true));
            writeln!(out, "TCP6: inuse {tcp}\nUDP6: inuse {udp}")?;
            out.write_str("UDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n")
        }
        NetworkFile::Events => network_counts::snmp(out, &network.counts),
        NetworkFile::Events6 => network_counts::snmp6(out, &network.counts),
        NetworkFile::MoreEvents => network_counts::netstat(out, network.carried.0),
        // The loopback address: interface 1, a prefix of 128 bits, scope of the host, permanent.
        NetworkFile::Addresses6 => writeln!(out, "{:032x} 01 80 10 80       lo", 1),
        NetworkFile::Neighbours => out.write_str(
            "IP address       HW type     Flags       HW address            Mask     Device\n",
        ),
        NetworkFile::Routes => {
            const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
            writeln!(out, "{HEAD:<NARROW$}")
        }
        NetworkFile::BacklogLimit => writeln!(out, "{}", network.backlog_limit),
        NetworkFile::BufferDefault => writeln!(out, "{}", network.buffers.0),
        NetworkFile::BufferLimit => writeln!(out, "{}", network.buffers.1),
        NetworkFile::ChosenPorts => {
            let (from, to) = network.chosen_ports;
            writeln!(out, "{from}\t{to}")
        }
        NetworkFile::FirstFreePort => writeln!(out, "{}", network.first_free_port),
        NetworkFile::EchoGroups => writeln!(out, "0\t{}", i32::MAX),
    }
}

/// How many sockets are of IPv6, or are not.
fn of_family(lines: &[SocketLine], is_v6: bool) -> usize {
    lines.iter().filter(|line| line.is_v6 == is_v6).count()
}

/// `/proc/net/sockstat`: how many sockets there are, with `others` of AF_UNIX, and pages that hold what waits in them. Nobody owns a
/// connection in TIME_WAIT, of which there are none, and sockets that have no name count with none.
fn counts(out: &mut Text, network: &Network, others: usize) -> Result {
    const PAGE: usize = 65_536;
    let held = |lines: &[SocketLine]| {
        let bytes = lines.iter().map(|line| line.unread);
        bytes.sum::<usize>().div_ceil(PAGE)
    };
    let (tcp, udp) = (&network.tcp, &network.udp);
    let used = tcp.len() + udp.len() + others;
    let inuse = of_family(tcp, false);
    writeln!(
        out,
        "sockets: used {used}\nTCP: inuse {inuse} orphan 0 tw 0 alloc {} mem {}",
        tcp.len(),
        held(tcp)
    )?;
    writeln!(
        out,
        "UDP: inuse {} mem {}",
        of_family(udp, false),
        held(udp)
    )?;
    out.write_str("UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n")
}

/// An address as words of 32 bits, each as it stands in memory, and the port.
fn address(out: &mut Text, endpoint: SocketAddr, is_v6: bool) -> Result {
    let bytes = match endpoint.ip() {
        IpAddr::V4(four) if !is_v6 => {
            let word = u32::from_le_bytes(four.octets());
            return write!(out, "{word:08X}:{:04X} ", endpoint.port());
        }
        IpAddr::V4(any) if any.is_unspecified() => [0; 16],
        IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
        IpAddr::V6(six) => six.octets(),
    };
    for word in bytes.chunks_exact(4) {
        let word = word
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        write!(out, "{word:08X}")?;
    }
    write!(out, ":{:04X} ", endpoint.port())
}

fn sockets(out: &mut Text, lines: &[SocketLine], is_v6: bool, width: usize, rest: &str) -> Result {
    let (space, last) = (
        if is_v6 { 24 } else { 0 },
        if width == WIDE {
            ""
        } else {
            " ref pointer drops"
        },
    );
    let before = out.len();
    write!(
        out,
        "  sl  local_address {0:space$}{1} {0:space$}st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode{last}",
        "",
        if is_v6 {
            "remote_address"
        } else {
            "rem_address  "
        },
    )?;
    end_line(out, before + width)?;
    let own = lines.iter().filter(|line| line.is_v6 == is_v6);
    for (number, line) in own.enumerate() {
        let before = out.len();
        write!(out, "{number:>4}: ")?;
        address(out, line.local, is_v6)?;
        address(out, line.remote, is_v6)?;
        write!(
            out,
            "{:02X} {:08X}:{:08X} 00:00000000 00000000 {:>5} {:>8} {}{rest}",
            line.state, line.unsent, line.unread, line.uid, 0, line.inode
        )?;
        end_line(out, before + width)?;
    }
    Ok(())
}

/// References, an address that nobody is told, and what the engine of TCP thinks: nothing, without segments.
const TCP_REST: &str = " 1 0000000000000000 0 0 0 10 -1";
/// References, an address that nobody is told, and datagrams that were dropped.
const UDP_REST: &str = " 2 0000000000000000 0";

/// Ends a line that is to be as wide as if it ended at `end`.
fn end_line(out: &mut Text, end: usize) -> Result {
    let width = end.saturating_sub(out.len());
    writeln!(out, "{:width$}", "")
}

fn devices(out: &mut Text, (bytes, packets): (u64, u64)) -> Result {
    writeln!(
        out,
        "Inter-|   Receive                                                |  Transmit"
    )?;
    writeln!(
        out,
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed"
    )?;
    // What is sent over loopback is received.
    writeln!(
        out,
        "    lo: {bytes:>7} {packets:>7}    0    0    0     0          0         0 {bytes:>8} {packets:>7}    0    0    0     0       0          0"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn shown(file: NetworkFile, network: &Network) -> alloc::string::String {
        alloc::string::String::from_utf8(of_network(file, network).unwrap()).unwrap()
    }

    #[test]
    fn sockets_without_a_network_are_told_by_name() {
        let line = |name: &[u8], listens, connected| UnixLine {
            inode: 77,
            kind: 5,
            listens,
            connected,
            name: name.into(),
        };
        let lines = [
            line(b"", false, true),
            line(b"/run/a b\0", true, false),
            line(b"\0a\0b\0", false, false),
        ];
        let text = written(|out| unix_sockets(out, &lines)).unwrap();
        assert_eq!(
            alloc::string::String::from_utf8(text).unwrap(),
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00000000 0005 03    77\n\
             0000000000000000: 00000002 00000000 00010000 0005 01    77 /run/a b\n\
             0000000000000000: 00000002 00000000 00000000 0005 01    77 @a@b@\n"
        );
    }

    #[test]
    fn sockets_are_lines_that_tools_read() {
        let line = SocketLine {
            local: "127.0.0.1:8080".parse().unwrap(),
            remote: "0.0.0.0:0".parse().unwrap(),
            is_v6: false,
            state: 10,
            unsent: 0,
            unread: 3,
            uid: 7,
            inode: 1234,
        };
        let six = SocketLine {
            local: "[::1]:80".parse().unwrap(),
            remote: "127.0.0.1:1".parse().unwrap(),
            is_v6: true,
            ..line
        };
        let network = Network {
            tcp: [line, six].into(),
            udp: [line].into(),
            carried: (100, 2),
            ..Network::default()
        };
        let four = shown(NetworkFile::Tcp, &network);
        let words: Vec<&str> = four.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(&words[..4], ["0:", "0100007F:1F90", "00000000:0000", "0A"]);
        assert_eq!(
            (words[4], words[7], words[9]),
            ("00000000:00000003", "7", "1234")
        );
        assert!(four.lines().all(|line| line.len() == WIDE));
        let six = shown(NetworkFile::Tcp6, &network);
        assert!(six.contains(
            "00000000000000000000000001000000:0050 0000000000000000FFFF00000100007F:0001"
        ));
        let udp = shown(NetworkFile::Udp, &network);
        assert!(udp.trim_end().ends_with(" 1234 2 0000000000000000 0"));
        assert!(shown(NetworkFile::Devices, &network).contains("lo:     100       2"));
        assert_eq!(
            shown(NetworkFile::Addresses6, &network)
                .split_whitespace()
                .count(),
            6
        );
        assert_eq!(shown(NetworkFile::Udp6, &network).lines().count(), 1);
        let counted = written(|out| counts(out, &network, 4)).unwrap();
        let counted = alloc::string::String::from_utf8(counted).unwrap();
        assert_eq!(
            counted.lines().take(3).collect::<Vec<&str>>(),
            [
                "sockets: used 7",
                "TCP: inuse 1 orphan 0 tw 0 alloc 2 mem 1",
                "UDP: inuse 1 mem 1"
            ]
        );
        let six = shown(NetworkFile::Counts6, &network);
        assert!(six.starts_with("TCP6: inuse 1\nUDP6: inuse 0\n"));
    }
}
