# Sockets: each test is a check of a program in tests/programs.

check SOCK0001 'streams and sequences of records are connected by path' <<'END'
$T/unix stream
END

check SOCK0002 'abstract names are taken, free again and chosen' <<'END'
$T/unix abstract
END

check SOCK0003 'accept and connect wait, and a listener that goes resets who waits' <<'END'
$T/unix waiting
END

check SOCK0004 'datagrams go to names, come from names and keep to their peers' <<'END'
$T/unix datagrams
END

check SOCK0005 'descriptors are passed, looked at, cut and closed with their messages' <<'END'
$T/unix rights
END

check SOCK0006 'a stream stops after a message with descriptors' <<'END'
$T/unix boundaries
END

check SOCK0007 'sockets say who is at the other end, and nobody lies' <<'END'
$T/unix credentials
END

check SOCK0008 'sockets refuse what the manual page says' <<'END'
$T/unix refused
END

check SOCK0009 'epoll watches sockets from before they are connected' <<'END'
$T/unix loop
END

check SOCK0010 'several messages go and come in one call' <<'END'
$T/unix several
END

check SOCK0011 'a socket is not passed through itself' <<'END'
$T/unix circle
END

check SOCKETS0200 'an urgent byte of a connection is received by itself, and nothing across it' <<'END'
$T/urgent by-itself
END

check SOCKETS0201 'in line an urgent byte is received as others are, behind a mark' <<'END'
$T/urgent in-line
END

check SOCKETS0250 '/proc/net/unix tells of the sockets that processes have open: names, types, states' <<'END'
$T/unix in-proc
END

check SOCKETS0251 'a partition is not told of the sockets of others, nor Global of those of a partition' <<'END'
mkwpar -n told
startwpar told
$T/unix kept-name &
until grep -q ' kept$' /proc/net/unix; do :; done
! clogin told grep -q kept /proc/net/unix
rm on
wait $!
clogin told sh -c "cd /tmp && exec $T/unix kept-name" &
until clogin told grep -q ' kept$' /proc/net/unix; do :; done
! grep -q kept /proc/net/unix
rm /wpars/told/tmp/on
wait $!
stopwpar -F told
rmwpar told
END

check SOCKETS0252 'sockets of AF_UNIX and AF_NETLINK take the options of all sockets, which change nothing' <<'END'
$T/unix kept-options
END

check SOCKETS0650 'the node that a socket is bound to gets its mode' <<'END'
$T/unix mode-of-node
END

check SOCKETS0253 'routes, rules and neighbours of the loopback interface can be asked for' <<'END'
ip route get 127.0.0.9 | grep -q 'dev lo'
! ip route get 10.0.0.1
ip route show table local | grep -q '127.0.0.0/8 dev lo'
test -z "$(ip route)"
ip rule | grep -q 'lookup local'
test -z "$(ip neigh)"
END

check SOCKETS0254 'a socket is told where a datagram was sent to, with its time to live and its type of service' <<'END'
$T/datagrams ways ways-of-six
END

check SOCKETS0550 'a datagram is cut into pieces for who asks, and what is unknown of one is refused' <<'END'
$T/datagrams cut
END

check SOCKETS0651 'a program may say when a datagram is to go, after it has said by which clock' <<'END'
$T/datagrams going-at-a-time
END

check SOCKETS0551 'marks and losses come with datagrams, and where they were sent to' <<'END'
$T/datagrams told-of-each
END

check SOCKETS0552 'times of sending and receiving come in the form that knows of hardware' <<'END'
$T/datagrams three-times
END

check SOCKETS0255 'datagrams that find nobody come back to who asks for that' <<'END'
$T/datagrams lost
END

check SOCKETS0300 'who administers the network makes buffers larger than others may' <<'END'
$T/datagrams forced
END

check SOCKETS0301 'a message comes with the time at which it was sent, in the form that was asked for last' <<'END'
$T/datagrams times
END

check SOCKETS0302 'a program says where a datagram comes from and how long it lives, and nothing that cannot be' <<'END'
$T/datagrams departures
END

check SOCKETS0303 'what packets on loopback never have may be asked for, and no group has members' <<'END'
$T/datagrams options-of-packets
END

check SOCKETS0304 'the owner of a connection is told with SIGURG of each urgent byte, once' <<'END'
$T/urgent owned
END

check SOCKETS0305 'sockets can be asked for by family, protocol and state, or one by its addresses (man 7 sock_diag)' <<'END'
$T/diagnosis internet unix
END

check SOCKETS0306 'nobody is told of the sockets of another partition' <<'END'
mkwpar -n asked
startwpar asked
clogin asked nc -l -p 7306 127.0.0.1 &
nc -l -p 7307 127.0.0.1 &
until clogin asked grep -q ':1C8A ' /proc/net/tcp && grep -q ':1C8B ' /proc/net/tcp; do :; done
$T/diagnosis listeners >ours
clogin asked $T/diagnosis listeners >theirs
grep -qx 7307 ours && grep -qx 7306 theirs
! grep -qx 7306 ours && ! grep -qx 7307 theirs
kill %2
stopwpar -F asked
rmwpar asked
END
