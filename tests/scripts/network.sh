# TCP and UDP over loopback: each test is a check of a program in tests/programs, or partitions that do not meet.

check NET0001 'a connection is made, named, used and closed' <<'END'
$T/network stream
END

check NET0002 'without waiting, a connection is in progress until it is told, once' <<'END'
$T/network progress
END

check NET0003 'accept and read wait, and fifty connections at once find room' <<'END'
$T/network waiting
END

check NET0004 'a full backlog makes connections wait' <<'END'
$T/network full
END

check NET0005 'one direction ends and the other goes on' <<'END'
$T/network directions
END

check NET0006 'resets: by bytes unread, by lingering, by a listener that goes' <<'END'
$T/network resets
END

check NET0007 'flags of sending and receiving' <<'END'
$T/network flags
END

check NET0008 'calls wait as long as the socket says, in every family' <<'END'
$T/network timeouts
END

check NET0009 'options are kept, inherited and refused' <<'END'
$T/addresses options
END

check NET0550 'options that loopback makes no difference to are kept within their bounds, and marks with a privilege' <<'END'
$T/addresses kept-options
END

check NET0010 'addresses and ports are shared and refused as the manual pages say' <<'END'
$T/addresses addresses
END

check NET0011 'one socket serves both families unless told otherwise' <<'END'
$T/addresses families
END

check NET0012 'datagrams keep their borders, peers and errors' <<'END'
$T/addresses datagrams
END

check NET0013 'epoll reports levels, edges and single shots' <<'END'
$T/network edges
END

check NET0014 'four million bytes each way arrive exactly, and a file too' <<'END'
$T/network bulk
END

check NET0015 'thousands of connections, at once and in turn' <<'END'
$T/network many
END

check NET0016 'partitions have the same port at the same time and never meet' <<'END'
PORT=7000; export PORT
mkwpar -n one >/dev/null; mkwpar -n two >/dev/null
startwpar one >/dev/null; startwpar two >/dev/null
for where in one two; do mkdir -p /wpars/$where/tmp; cp $T/network /wpars/$where/tmp; done
clogin one env PORT=7000 /tmp/network absent
mkfifo ready; clogin one env PORT=7000 /tmp/network echo >ready & read line <ready; test "$line" = listening
clogin one env PORT=7000 /tmp/network asked
clogin two env PORT=7000 /tmp/network absent
$T/network absent
clogin two env PORT=7000 /tmp/network echo >ready & read line <ready; test "$line" = listening
$T/network absent
clogin two env PORT=7000 /tmp/network asked
stopwpar -F one >/dev/null
clogin two env PORT=7000 /tmp/network asked
stopwpar -F two >/dev/null
wait || true
rmwpar one >/dev/null; rmwpar two >/dev/null
END

check NET0017 'a flood of connections in a partition leaves others alone, and its end gives everything back' <<'END'
mkwpar -n one >/dev/null; mkdir -p /wpars/one/tmp; cp $T/network /wpars/one/tmp
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
startwpar one >/dev/null
mkfifo ready; clogin one /tmp/network flood >ready & read line <ready
$T/network waiting
$T/network stream
stopwpar -F one >/dev/null
wait || true
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
test $((before - after)) -lt 1024
rmwpar one >/dev/null
END

check NET0018 'a partition killed amid connections in every state leaves nothing' <<'END'
mkwpar -n one >/dev/null; mkdir -p /wpars/one/tmp; cp $T/network /wpars/one/tmp
round() {
	startwpar one >/dev/null
	mkfifo ready; clogin one /tmp/network hang >ready & read line <ready; test "$line" = hanging
	stopwpar -F one >/dev/null
	wait || true
	rm ready
}
round
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
round; round; round
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
test $((before - after)) -lt 256
rmwpar one >/dev/null
END

check NET0019 'programs learn which interfaces and addresses there are' <<'END'
$T/addresses interfaces
END

check NET0020 'proc shows the ports, connections and limits of its own partition' <<'END'
mkfifo ready; PORT=7001 $T/network echo >ready & server=$!; read line <ready
grep -q ' 00000000:1B59 00000000:0000 0A ' /proc/net/tcp
netstat -lnt | grep -q '0.0.0.0:7001 '
test "$(cat /proc/sys/net/core/somaxconn)" = 4096
test "$(ls /proc/net/ | tr '\n' ' ')" = 'arp dev if_inet6 netstat route snmp snmp6 sockstat sockstat6 tcp tcp6 udp udp6 unix '
wparexec /bin/sh -c 'cat /proc/net/tcp' >inside
test "$(wc -l <inside)" = 1
kill $server
END

check ECHO0001 'an echo of ICMP comes back over loopback, to every user' <<'END'
$T/echo echo4
wparexec -n echoes $T/echo echo4
END

check ECHO0002 'an echo of ICMPv6 comes back over loopback' <<'END'
$T/echo echo6
END

check TCP0090 'TCP tells what it knows, and takes the options that loopback has' <<'END'
$T/echo options
END

check TCP0091 'receiving waits for as many bytes as a socket is told to' <<'END'
$T/echo low-water
END
