# Work that is long is cut: signals, kills and other threads in the middle of it, and how long interrupts are off. Time is
# the number of instructions, so that what the host does besides is not in the figures.
# time: counted

check CUT0001 'mprotect, madvise, mmap and munmap of a large range are whole under a storm of signals' <<'END'
$T/cutting ranges
END

check CUT0002 'what is refused of a large range has changed nothing, and a hole is told' <<'END'
$T/cutting refusals
END

check CUT0003 'a heap that shrinks far keeps what is below' <<'END'
$T/cutting break
END

check CUT0004 'what a thread maps during a long munmap or fork stays' <<'END'
$T/cutting threads
END

check CUT0005 'a large fork under a storm of signals makes one whole child' <<'END'
$T/cutting fork
END

check CUT0006 'a process that is killed in the middle of a munmap or a fork gives everything back' <<'END'
before=$(free_memory)
$T/cutting killed
# A child that one of them has just made may have its own end before it.
until test "$(ps -e -o comm= | grep -c cutting)" -eq 0; do :; done
# No page of the 96 MiB programs is left behind; a tenth of one of them is the tolerance for what the shell has taken.
test $((before - $(free_memory))) -lt 9600
END

check CUT0007 'execve of a large process gives its memory back' <<'END'
before=$(free_memory)
$T/cutting replaced
test $((before - $(free_memory))) -lt 9600
END

check CUT0008 'no call on a large process keeps interrupts off for a millisecond' <<'END'
$T/cutting latency
END

check CUT0009 'the end of a process with more than a thousand children keeps interrupts off for no millisecond' <<'END'
$T/cutting orphans
# All are gone, also those that lived on.
until test "$(ps -e -o comm= | grep -c cutting)" -eq 0; do :; done
END

check CUT0010 'what becomes of large files, segments and tables of descriptors keeps interrupts off for no millisecond' <<'END'
$T/cutting objects
END

check CUT0011 'a process that is killed while its file is given back leaves nothing of it' <<'END'
before=$(free_memory)
$T/cutting amid
# Of each of the files 262144 kB; a tenth of one is the tolerance for what the shell has taken.
test $((before - $(free_memory))) -lt 26214
END

check CUT0012 'calls that have much to do keep interrupts off for no millisecond' <<'END'
$T/stretches calls
END

check CUT0013 'calls that concern tens of thousands of areas keep interrupts off for no millisecond' <<'END'
$T/crowds areas
END

check CUT0014 'calls that concern tens of thousands of descriptors keep interrupts off for no millisecond' <<'END'
$T/crowds descriptors
END

check CUT0015 'thousands of waiters are each woken once, and that keeps interrupts off for no millisecond' <<'END'
$T/crowds waiters
END

check CUT0016 'what concerns thousands of processes or timers keeps interrupts off for no millisecond' <<'END'
$T/crowds processes
END

check CUT0017 'a transfer whose vector becomes shorter in the middle of it ends there' <<'END'
$T/cutting vectors
END

check CUT0018 'a WPAR with many processes is stopped by force without keeping interrupts off for a millisecond' <<'END'
mkwpar -n crowd
startwpar crowd
cp $T/ticks /wpars/crowd/tmp/ticks
clogin crowd /tmp/ticks 700 5000000 &
until test "$(ps -e -@ crowd -o args= | grep -c '[t]icks')" -ge 700; do :; done
echo 0 >/dev/latency
stopwpar -F crowd
cat /dev/latency
awk '/^cpu0 off/ { exit !($3 < 1000000) }' /dev/latency
rmwpar crowd
wait || true
END

check CUT0019 'a WPAR that has left many and large files goes without keeping interrupts off for a millisecond' <<'END'
before=$(free_memory)
mkwpar -n heir
startwpar heir
clogin heir sh -c 'mkdir /tmp/d; cd /tmp/d; for i in $(seq 400); do echo $i >$i; done; dd if=/dev/zero of=large bs=1M count=48 2>/dev/null'
echo 0 >/dev/latency
stopwpar heir
cat /dev/latency
awk '/^cpu0 off/ { exit !($3 < 1000000) }' /dev/latency
test "$(cat /wpars/heir/tmp/d/400)" = 400
rmwpar heir
test $((before - $(free_memory))) -lt 4000
END
