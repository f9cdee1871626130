# procfs, ps and free.

check PROC0001 'ps shows this shell under its parent' <<'END'
ps -ef >out
head -n 1 out | grep -q 'PID *PPID'
awk -v me=$$ '$2 == me { found = 1 } END { exit !found }' out
awk '$2 == 1 && $3 == 0 { found = 1 } END { exit !found }' out
END

check PROC0002 '/proc/self is the reader' <<'END'
test "$(readlink /proc/self)" -gt 1
test "$(sh -c 'readlink /proc/self/exe')" = /usr/bin/busybox
test "$(readlink /proc/self/cwd)" = /tmp/test
test "$(readlink /proc/$$/root)" = /
END

check PROC0003 'status, stat, cmdline, comm and environ tell about a process' <<'END'
NAME=value sleep 100 &
pid=$!
until grep -q '^Name:.sleep' /proc/$pid/status; do :; done
grep -q "^PPid:.$$\$" /proc/$pid/status
grep -q "^Pid:.$pid\$" /proc/$pid/status
grep -q '^State:.[SR]' /proc/$pid/status
grep -q '^VmRSS:' /proc/$pid/status
test "$(cat /proc/$pid/comm)" = sleep
test "$(tr '\0' ' ' </proc/$pid/cmdline)" = 'sleep 100 '
tr '\0' '\n' </proc/$pid/environ | grep -q '^NAME=value$'
awk -v pid=$pid -v parent=$$ '$1 == pid && $4 == parent { ok = 1 } END { exit !ok }' /proc/$pid/stat
kill $pid
wait $pid || true
test ! -e /proc/$pid
END

check PROC0004 'maps lists the program, its heap and its stack' <<'END'
cat /proc/self/maps >out
grep -q 'r-x.*/usr/bin/busybox' out
grep -q '\[stack\]' out
grep -q '\[heap\]' out
grep 'wx' out && exit 1
awk '{ split($1, r, "-"); if (r[1] <= last) bad = 1; last = r[1] } END { exit bad }' out
END

check PROC0005 'fd lists open files' <<'END'
exec 7</etc/passwd
test "$(readlink /proc/$$/fd/7)" = /etc/passwd
ls /proc/$$/fd | grep -q '^7$'
exec 7<&-
test ! -e /proc/$$/fd/7
test "$(cat /proc/self/fd/0 </etc/hostname)" = "$(cat /etc/hostname)"
END

check PROC0006 'meminfo and free agree' <<'END'
total=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
available=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
test $total -gt 900000
test $total -le 1048576
test $available -gt 0
test $available -lt $total
test "$(free -k | awk '/^Mem:/ { print $2 }')" -eq $total
END

check PROC0007 'memory that is used shows, and comes back' <<'END'
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
head -c 50000000 /dev/zero >big
during=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
rm big
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
test $((before - during)) -gt 45000
test $((after - during)) -gt 35000
END

check PROC0008 'uptime goes forward, and stat counts time' <<'END'
before=$(cut -d' ' -f1 /proc/uptime)
i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done
after=$(cut -d' ' -f1 /proc/uptime)
awk -v a=$before -v b=$after 'BEGIN { exit !(b > a) }'
grep -q '^cpu ' /proc/stat
grep -q '^processes [0-9]' /proc/stat
grep -q '^btime [0-9]' /proc/stat
END

check PROC0009 'a busy process is charged its time, a sleeping one none' <<'END'
ticks() { awk '{ print $14 + $15 }' /proc/$1/stat; }
sleep 100 & idle=$!
sh -c 'while :; do :; done' & busy=$!
until [ "$(ticks $busy)" -gt 20 ]; do :; done
test "$(ticks $idle)" -lt 10
kill $idle $busy
END

check PROC0010 'mounts, version, cpuinfo, filesystems and loadavg are there' <<'END'
grep -q ' / ' /proc/mounts
grep -q ' /proc proc ' /proc/mounts
grep -qi corral /proc/version
grep -qi power /proc/cpuinfo
test -n "$(cat /proc/filesystems)"
awk 'NF >= 3 { ok = 1 } END { exit !ok }' /proc/loadavg
END

check PROC0011 'a zombie is shown as one, until it is waited for' <<'END'
sh -c 'sleep 0 & exec sleep 100' &
parent=$!
until ps -ef | grep -q '[d]efunct\|\[sleep\]' || grep -ls '^State:.Z' /proc/[0-9]*/status; do :; done >/dev/null
kill $parent
wait $parent || true
until ! grep -ls '^State:.Z' /proc/[0-9]*/status; do :; done >/dev/null
END

check PROC0012 'threads are listed under task' <<'END'
ls /proc/self/task | grep -q '^[0-9]'
test "$(ls /proc/$$/task)" = $$
END

check PROC0013 'procfs cannot be written or changed' <<'END'
! mkdir /proc/new 2>/dev/null
! rm /proc/uptime 2>/dev/null
! touch /proc/new 2>/dev/null
! (echo x >/proc/version) 2>/dev/null
END

check PROC0014 'pids ascend and are not reused at once' <<'END'
sh -c 'echo $$' >a
sh -c 'echo $$' >b
sh -c 'echo $$' >c
test "$(cat a)" -lt "$(cat b)"
test "$(cat b)" -lt "$(cat c)"
END

check PROC0015 'uname and hostname' <<'END'
test "$(uname -m)" = ppc64le
test "$(uname -n)" = "$(hostname)"
test "$(uname -W)" = 0
test -n "$(uname -r)"
END

check PROC0021 '/sys tells of the CPUs in use, inside a partition as well' <<'END'
for place in '' 'wparexec -n sysview'; do
	test "$($place cat /sys/devices/system/cpu/online)" = 0
	test "$($place nproc)" = 1
	test "$($place cat /sys/devices/system/cpu/cpu0/topology/thread_siblings)" = 1
	test "$($place sh -c 'ls /sys/devices/system/cpu | wc -l')" = 6
	$place sh -c 'echo 1 >/sys/devices/system/cpu/online' 2>/dev/null && exit 1
done
test "$(stat -f -c %t /sys)" = 62656572
END

check PROC0022 'the number of an open pipe leads to the pipe' <<'END'
test "$(true | stat -L -c %F /dev/fd/0)" = fifo
test "$(true | stat -c %F /proc/self/fd/0)" = 'symbolic link'
END

check PROC0023 'mountinfo says of each mount what mounts says, and where it lies' <<'END'
awk '{ for (at = 7; $at != "-"; at++); print $(at + 2), $5, $(at + 1), $6 }' /proc/self/mountinfo >informed
awk '{ print $1, $2, $3, $4 }' /proc/mounts >mounted
cmp informed mounted
# Each number once; the root lies on itself, every other mount on one that is there.
test -z "$(cut -d ' ' -f 1 /proc/self/mountinfo | sort | uniq -d)"
awk '{ id[$1] = 1; on[NR] = $2; if ($5 == "/") root = $1 == $2 }
    END { for (n in on) if (!(on[n] in id)) exit 1; exit !root }' /proc/self/mountinfo
device=$(stat -c %d /proc)
test "$(awk '$5 == "/proc" { print $3 }' /proc/self/mountinfo)" = "$((device / 256)):$((device % 256))"
wparexec -n mounted /bin/sh -c 'cut -d " " -f 5 /proc/self/mountinfo >/tmp/test/inside; cut -d " " -f 2 /proc/mounts | cmp - /tmp/test/inside'
END

check PROC0024 'limits says what ulimit says' <<'END'
(
    ulimit -S -n 100
    ulimit -H -n 200
    exec cat /proc/self/limits >limits
)
test "$(awk '/^Max open files/ { print $4, $5, $6 }' limits)" = '100 200 files'
test "$(wc -l <limits)" = 17
grep -q '^Max cpu time  *unlimited  *unlimited  *seconds' limits
END

check PROC0400 'statistics of memory, swap areas, modules and settings are there to read' <<'END'
grep -q '^nr_free_pages [1-9]' /proc/vmstat
test "$(wc -l </proc/swaps)" = 1
test -z "$(cat /proc/modules)"
test "$(cat /proc/sys/kernel/cap_last_cap)" = 40
test "$(cat /proc/sys/vm/overcommit_memory)" = 1
test "$(cat /proc/self/cgroup)" = 0::/
grep -Eq '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' /proc/sys/kernel/random/uuid
test "$(cat /proc/sys/kernel/random/uuid)" != "$(cat /proc/sys/kernel/random/uuid)"
test "$(cat /proc/sys/kernel/random/boot_id)" = "$(cat /proc/sys/kernel/random/boot_id)"
grep -q '^CapEff:	000001ffffffffff$' /proc/self/status
END

check PROC0401 'who is ended first for want of memory can be said, and by a user only to his own harm' <<'END'
test "$(cat /proc/self/oom_score_adj)" = 0
echo -500 >/proc/$$/oom_score_adj
test "$(cat /proc/self/oom_score_adj)" = -500
echo 1000 >/proc/$$/oom_score_adj
test "$(cat /proc/self/oom_score)" -ge 1000
! echo 1001 >/proc/$$/oom_score_adj
su -s /bin/sh nobody -c '! echo 999 >/proc/$$/oom_score_adj'
su -s /bin/sh nobody -c '! echo 1000 >/proc/1/oom_score_adj'
END

check PROC0150 '/proc/locks tells of the locks of files, with who holds what' <<'END'
$T/locks told
END

check PROC0151 'a partition is not told of locks that others hold' <<'END'
$T/locks held &
until grep -q POSIX /proc/locks; do :; done
mkwpar -n locks
startwpar locks
test -z "$(clogin locks cat /proc/locks)"
clogin locks sh -c "cd /tmp && $T/locks told"
kill $!
wait $! || true
stopwpar -F locks
rmwpar locks
END

check PROC0200 'smaps tells of the pages of each area, and smaps_rollup of all: together they are what is resident' <<'END'
sleep 1000 & p=$!
until grep -q '^sleep$' /proc/$p/comm; do :; done
cat /proc/$p/smaps >s; cat /proc/$p/smaps_rollup >r; cat /proc/$p/maps >m
test "$(grep -c '^VmFlags:' s)" = "$(wc -l <m)"
grep -v '^[A-Z]' s | cmp - m
sum() { awk -v name="$1:" '$1 == name { sum += $2 } END { print sum }' $2; }
for name in Rss Private_Dirty Shared_Clean Anonymous; do
	test "$(sum $name s)" = "$(sum $name r)"
done
test "$(sum Rss s)" = "$(awk '/^VmRSS/ { print $2 }' /proc/$p/status)"
test "$(sum Size s)" = "$(awk '/^VmSize/ { print $2 }' /proc/$p/status)"
test "$(sum Private_Dirty s)" -ge 8
test $(( $(sum Shared_Clean s) + $(sum Shared_Dirty s) + $(sum Private_Clean s) + $(sum Private_Dirty s) )) = "$(sum Rss s)"
test "$(sum Pss s)" -le "$(sum Rss s)"
grep -q 'rollup' r
awk '/ N0=/ { split($0, parts, " N0="); split(parts[2], n, " "); sum += 4 * n[1] } END { print sum }' /proc/$p/numa_maps >n
test "$(cat n)" = "$(sum Rss s)"
kill $p
END

check PROC0201 'who may not look into a process is not told of its memory, nor of what it reads and writes' <<'END'
for file in maps smaps smaps_rollup numa_maps pagemap io stack auxv environ; do
	head -c 16 /proc/1/$file >/dev/null
	su -s /bin/sh nobody -c "! head -c 16 /proc/1/$file" 2>/dev/null
	su -s /bin/sh nobody -c "head -c 16 /proc/self/$file" >/dev/null
done
test "$(cat /proc/1/wchan)" = 0
END

check PROC0202 'pagemap has an entry for each page, with its presence and not its frame' <<'END'
address=$(awk '$NF == "[stack]" { split($1, range, "-"); print range[2] }' /proc/1/maps)
last=$(( 0x$address / 4096 - 1 ))
dd if=/proc/1/pagemap bs=8 skip=$last count=2 2>/dev/null | hexdump -v -e '8/1 "%02x" "\n"' >e
test "$(sed -n 1p e | cut -c1-14)" = 00000000000000
case $(sed -n 1p e) in *8?) ;; *) false ;; esac
test "$(sed -n 2p e)" = 0000000000000000
! dd if=/proc/1/pagemap bs=12 count=1
END

check PROC0203 'what a process and its threads have read and written is counted' <<'END'
sh -c 'exec cat /proc/self/io' >own
cat >count.sh <<'SH'
exec 3<f
while read -r line <&3; do :; done
cat /proc/$$/io
SH
head -c 5000 /dev/zero | tr '\0' '\n' >f
sh count.sh >io
test "$(awk '$1 == "rchar:" { print $2 }' io)" -ge 5000
test "$(awk '$1 == "syscr:" { print $2 }' io)" -ge 5000
test "$(awk '$1 == "read_bytes:" { print $2 }' io)" = 0
test "$(wc -l <own)" = 7
sh -c 'head -c 9 /dev/zero >&2; printf 123456 >g; cat /proc/$$/io' 2>/dev/null >io
test "$(awk '$1 == "wchar:" { print $2 }' io)" -ge 6
test "$(awk '$1 == "syscw:" { print $2 }' io)" -ge 1
END

check PROC0250 '/proc/net/sockstat counts the sockets of the network' <<'END'
inuse() { awk -v kind="$1:" '$1 == kind { print $3 }' /proc/net/sockstat; }
grep -q '^sockets: used [0-9]' /proc/net/sockstat
grep -q '^TCP6: inuse [0-9]' /proc/net/sockstat6
tcp=$(inuse TCP)
test -n "$(inuse UDP)"
nc -l -p 7250 127.0.0.1 &
until grep -q ':1C52 ' /proc/net/tcp; do :; done
test "$(inuse TCP)" = $((tcp + 1))
kill %1
END

check PROC0651 'a partition is a namespace of every kind, and programs see that two processes are in one' <<'END'
here=$(readlink /proc/self/ns/pid)
test "$(readlink /proc/1/ns/pid)" = "$here"
test "$(readlink /proc/self/ns/pid_for_children)" = "$here"
test "$(readlink /proc/self/ns/net)" != "net:${here#pid:}"
number=${here#pid:[}
test "$(stat -L -c %i /proc/1/ns/pid)" = "${number%]}"
test "$(wparexec -n apart readlink /proc/self/ns/pid)" != "$here"
! cat /proc/self/ns/pid 2>/dev/null
test "$(ls /proc/self/ns | wc -l)" = 10
END

check PROC0652 'what happens in the network of a partition is counted there' <<'END'
count() { awk -v head="$1:" -v name="$2" '$1 == head && !at { for (at = NF; $at != name; at--); next } $1 == head { print $at }' /proc/net/snmp; }
echoes=$(count Icmp InEchos) opened=$(count Tcp ActiveOpens) refused=$(count Tcp AttemptFails)
$T/echo echo4
! nc 127.0.0.1 9 </dev/null 2>/dev/null
test $(($(count Icmp InEchos) - echoes)) -gt 0
test $(($(count Tcp ActiveOpens) - opened)) = 1
test $(($(count Tcp AttemptFails) - refused)) = 1
wparexec -n apart sh -c "test \$(grep -c '[[:space:]]0$' /proc/net/snmp6) -gt 60 && cmp /proc/net/snmp /proc/self/net/snmp"
END

check PROC0653 'a line of maps has six fields whether there is a name or not' <<'END'
awk -F '[ ]' 'NF < 6 { exit 1 }' /proc/self/maps
END
