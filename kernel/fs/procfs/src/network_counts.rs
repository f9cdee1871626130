//! Files that tell how often something has happened in the network: `/proc/net/snmp`, `snmp6` and `netstat`.
//!
//! What a wire brings with it never happens over loopback, and is 0.

use crate::source::{FamilyCounts, NetworkCounts};
use core::fmt::{Result, Write};
use fallible::Text;

/// Names of columns, and their values.
type Columns<'a> = &'a [(&'a str, u64)];

/// Two lines: the names and the values.
fn columns(out: &mut Text, head: &str, columns: Columns<'_>) -> Result {
    write!(out, "{head}:")?;
    columns
        .iter()
        .try_for_each(|(name, _)| write!(out, " {name}"))?;
    write!(out, "\n{head}:")?;
    columns
        .iter()
        .try_for_each(|(_, value)| write!(out, " {value}"))?;
    out.write_str("\n")
}

/// `/proc/net/snmp`.
pub(crate) fn snmp(out: &mut Text, counts: &NetworkCounts) -> Result {
    internet(out, &counts.four)?;
    control(out, &counts.four)?;
    // The first three are how retransmission would go, and no limit of connections is -1.
    let both = counts.four.segments + counts.six.segments;
    out.write_str("Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab")?;
    out.write_str(" InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n")?;
    let (refused, reset) = (counts.refused, counts.reset);
    write!(
        out,
        "Tcp: 1 200 120000 -1 {} {} {refused}",
        counts.connecting, counts.accepted
    )?;
    // Both ends of a connection are here.
    write!(out, " {} {}", 2 * reset, 2 * counts.established)?;
    writeln!(out, " {both} {both} 0 0 {} 0", refused + reset)?;
    datagrams(out, "Udp", &counts.four)?;
    datagrams(out, "UdpLite", &FamilyCounts::default())
}

fn internet(out: &mut Text, four: &FamilyCounts) -> Result {
    let all = four.packets();
    columns(
        out,
        "Ip",
        &[
            // Packets for others are not passed on.
            ("Forwarding", 2),
            ("DefaultTTL", 64),
            ("InReceives", all),
            ("InHdrErrors", 0),
            ("InAddrErrors", 0),
            ("ForwDatagrams", 0),
            ("InUnknownProtos", 0),
            ("InDiscards", 0),
            ("InDelivers", all),
            ("OutRequests", all),
            ("OutDiscards", 0),
            ("OutNoRoutes", 0),
            ("ReasmTimeout", 0),
            ("ReasmReqds", 0),
            ("ReasmOKs", 0),
            ("ReasmFails", 0),
            ("FragOKs", 0),
            ("FragFails", 0),
            ("FragCreates", 0),
        ],
    )
}

/// Messages of ICMP: echoes, and those that tell a sender of UDP that nobody has the port.
fn control(out: &mut Text, four: &FamilyCounts) -> Result {
    let (all, echoes, unclaimed) = (four.messages(), four.echoes, four.unclaimed);
    columns(
        out,
        "Icmp",
        &[
            ("InMsgs", all),
            ("InErrors", 0),
            ("InCsumErrors", 0),
            ("InDestUnreachs", unclaimed),
            ("InTimeExcds", 0),
            ("InParmProbs", 0),
            ("InSrcQuenchs", 0),
            ("InRedirects", 0),
            ("InEchos", echoes),
            ("InEchoReps", echoes),
            ("InTimestamps", 0),
            ("InTimestampReps", 0),
            ("InAddrMasks", 0),
            ("InAddrMaskReps", 0),
            ("OutMsgs", all),
            ("OutErrors", 0),
            ("OutDestUnreachs", unclaimed),
            ("OutTimeExcds", 0),
            ("OutParmProbs", 0),
            ("OutSrcQuenchs", 0),
            ("OutRedirects", 0),
            ("OutEchos", echoes),
            ("OutEchoReps", echoes),
            ("OutTimestamps", 0),
            ("OutTimestampReps", 0),
            ("OutAddrMasks", 0),
            ("OutAddrMaskReps", 0),
        ],
    )?;
    columns(
        out,
        "IcmpMsg",
        &[
            ("InType0", echoes),
            ("InType3", unclaimed),
            ("InType8", echoes),
            ("OutType0", echoes),
            ("OutType3", unclaimed),
            ("OutType8", echoes),
        ],
    )
}

fn datagrams(out: &mut Text, head: &str, of: &FamilyCounts) -> Result {
    columns(
        out,
        head,
        &[
            ("InDatagrams", of.received),
            ("NoPorts", of.unclaimed),
            ("InErrors", of.lost),
            ("OutDatagrams", of.sent),
            ("RcvbufErrors", of.lost),
            ("SndbufErrors", 0),
            ("InCsumErrors", 0),
            ("IgnoredMulti", 0),
            ("MemErrors", 0),
        ],
    )
}

/// `/proc/net/netstat`: what is left of it without segments.
pub(crate) fn netstat(out: &mut Text, bytes: u64) -> Result {
    columns(
        out,
        "TcpExt",
        &[
            ("SyncookiesSent", 0),
            ("SyncookiesRecv", 0),
            ("SyncookiesFailed", 0),
            ("TW", 0),
            ("ListenOverflows", 0),
            ("ListenDrops", 0),
            ("TCPTimeouts", 0),
            ("TCPLostRetransmit", 0),
            ("TCPSynRetrans", 0),
            ("TCPRetransFail", 0),
        ],
    )?;
    columns(
        out,
        "IpExt",
        &[
            ("InNoRoutes", 0),
            ("InTruncatedPkts", 0),
            ("InMcastPkts", 0),
            ("OutMcastPkts", 0),
            ("InBcastPkts", 0),
            ("OutBcastPkts", 0),
            ("InOctets", bytes),
            ("OutOctets", bytes),
            ("InCsumErrors", 0),
        ],
    )
}

/// The lines of `/proc/net/snmp6`, in the order of Linux 6.1: after each head its names.
const LINES_6: [(&str, &str); 4] = [
    (
        "Ip6",
        "InReceives InHdrErrors InTooBigErrors InNoRoutes InAddrErrors InUnknownProtos InTruncatedPkts InDiscards InDelivers \
         OutForwDatagrams OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails \
         FragCreates InMcastPkts OutMcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets \
         InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts",
    ),
    (
        "Icmp6",
        "InMsgs InErrors OutMsgs OutErrors InCsumErrors InDestUnreachs InPktTooBigs InTimeExcds InParmProblems InEchos \
         InEchoReplies InGroupMembQueries InGroupMembResponses InGroupMembReductions InRouterSolicits \
         InRouterAdvertisements InNeighborSolicits InNeighborAdvertisements InRedirects InMLDv2Reports OutDestUnreachs \
         OutPktTooBigs OutTimeExcds OutParmProblems OutEchos OutEchoReplies OutGroupMembQueries OutGroupMembResponses \
         OutGroupMembReductions OutRouterSolicits OutRouterAdvertisements OutNeighborSolicits OutNeighborAdvertisements \
         OutRedirects OutMLDv2Reports",
    ),
    (
        "Udp6",
        "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors",
    ),
    (
        "UdpLite6",
        "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors MemErrors",
    ),
];

/// `/proc/net/snmp6`: one line each.
pub(crate) fn snmp6(out: &mut Text, counts: &NetworkCounts) -> Result {
    let six = &counts.six;
    for (head, names) in LINES_6 {
        for name in names.split_whitespace() {
            let value = match (head, name) {
                ("Ip6", "InReceives" | "InDelivers" | "OutRequests") => six.packets(),
                ("Icmp6", "InMsgs" | "OutMsgs") => six.messages(),
                ("Icmp6", "InEchos" | "InEchoReplies" | "OutEchos" | "OutEchoReplies") => {
                    six.echoes
                }
                ("Icmp6", "InDestUnreachs" | "OutDestUnreachs") | ("Udp6", "NoPorts") => {
                    six.unclaimed
                }
                ("Udp6", "InDatagrams") => six.received,
                ("Udp6", "OutDatagrams") => six.sent,
                ("Udp6", "InErrors" | "RcvbufErrors") => six.lost,
                _ => 0,
            };
            let width = 32usize.saturating_sub(head.len());
            writeln!(out, "{head}{name:<width$}\t{value}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use fallible::written;

    /// PROC0650: every line of values of `snmp` and `netstat` has as many as its line of names, and tells what was counted.
    #[test]
    fn names_and_values_go_together() {
        let four = FamilyCounts {
            segments: 5,
            sent: 4,
            received: 2,
            unclaimed: 1,
            lost: 1,
            echoes: 3,
        };
        let counts = NetworkCounts {
            connecting: 9,
            accepted: 7,
            refused: 2,
            reset: 1,
            established: 3,
            four,
            six: FamilyCounts::default(),
        };
        let text = |file: &dyn Fn(&mut Text) -> Result| {
            String::from_utf8(written(|out| file(out)).unwrap()).unwrap()
        };
        let all = text(&|out| snmp(out, &counts)) + &text(&|out| netstat(out, 77));
        let lines: Vec<Vec<&str>> = all.lines().map(|line| line.split(' ').collect()).collect();
        let value = |head: &str, name: &str| {
            let pair = lines.chunks(2).find(|pair| pair[0][0] == head).unwrap();
            assert_eq!((pair[0].len(), pair[0][0]), (pair[1].len(), pair[1][0]));
            let at = pair[0].iter().position(|one| *one == name).unwrap();
            pair[1][at].parse::<i64>().unwrap()
        };
        assert_eq!(
            (value("Tcp:", "ActiveOpens"), value("Tcp:", "CurrEstab")),
            (9, 6)
        );
        assert_eq!(
            (value("Tcp:", "OutRsts"), value("Tcp:", "EstabResets")),
            (3, 2)
        );
        assert_eq!(
            (value("Udp:", "InErrors"), value("Udp:", "NoPorts")),
            (1, 1)
        );
        assert_eq!(
            (value("Icmp:", "InMsgs"), value("Ip:", "InReceives")),
            (7, 16)
        );
        assert_eq!(
            (
                value("IpExt:", "InOctets"),
                value("UdpLite:", "OutDatagrams")
            ),
            (77, 0)
        );
        let six = NetworkCounts {
            six: four,
            ..counts
        };
        let text = text(&|out| snmp6(out, &six));
        assert!(text.contains("Udp6OutDatagrams                \t4\n"));
        assert!(text.contains("Ip6InReceives                   \t16\n"));
    }
}
