# Memory of partitions: limits, their change at run time, and what comes back.

check RESOURCE0001 'a WPAR at its memory maximum loses the process that asks, and nobody else notices' <<'END'
mkwpar -n hog -R memory=0%-10%,10%
startwpar hog
clogin hog sh -c 'sleep 1000 & echo $!' >sleeper
status=0
clogin hog sh -c 'x=0123456789abcdef; while :; do x=$x$x; done' || status=$?
test $status -eq 137
errpt | grep -q 'holds its maximum of'
clogin hog kill -0 "$(cat sleeper)"
stopwpar -F hog
rmwpar hog
END

check RESOURCE0002 'files of a WPAR count to its maximum, and are given back when they are removed' <<'END'
mkwpar -n files -R memory=0%-10%,10%
startwpar files
clogin files dd if=/dev/zero of=/tmp/big bs=1M count=300 2>err && exit 1
grep -q 'No space left' err
rm /wpars/files/tmp/big
clogin files dd if=/dev/zero of=/tmp/big bs=1M count=40
clogin files rm /tmp/big
clogin files dd if=/dev/zero of=/tmp/big bs=1M count=60
stopwpar -F files
rmwpar files
END

check RESOURCE0003 'a maximum below the present use ends nobody, and can be raised again' <<'END'
mkwpar -n low
startwpar low
clogin low dd if=/dev/zero of=/tmp/big bs=1M count=60
clogin low sh -c 'sleep 1000 & echo $!' >sleeper
# It asks for no more memory once it sleeps.
clogin low sh -c "until grep -q '(sleep) S' /proc/$(cat sleeper)/stat; do sleep 0.05; done"
chwpar -R memory=0%-1%,1% low
clogin low true && exit 1
chwpar -R active=no low
clogin low kill -0 "$(cat sleeper)"
chwpar -R active=yes memory=0%-50%,50% low
clogin low kill -0 "$(cat sleeper)"
stopwpar -F low
rmwpar low
END

check RESOURCE0031 'the init of a WPAR that holds much more than its maximum lives on, whatever ends beside it' <<'END'
mkwpar -n low
startwpar low
clogin low dd if=/dev/zero of=/tmp/big bs=1M count=60
clogin low sh -c 'for at in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.$at; sleep 0.5) & done'
chwpar -R memory=0%-1%,1% low
for at in 1 2 3 4 5 6 7 8 9 10; do
	clogin low true && exit 1
	sleep 0.1
done
chwpar -R memory=0%-50%,50% low
clogin low rm /tmp/big
clogin low sh -c 'while ps | grep -q "[s]leep"; do sleep 0.1; done'
stopwpar -F low
rmwpar low
END

check RESOURCE0004 'what a WPAR has to its minimum is not taken by others' <<'END'
mkwpar -n safe -R memory=85%-100%,100%
mkwpar -n greedy
startwpar safe
startwpar greedy
clogin greedy sh -c 'x=0123456789abcdef; while :; do x=$x$x; done' && exit 1
clogin greedy dd if=/dev/zero of=/tmp/big bs=1M count=300 2>err && exit 1
grep -q 'No space left' err
clogin safe dd if=/dev/zero of=/tmp/mine bs=1M count=200
stopwpar -F greedy
stopwpar -F safe
rmwpar greedy
rmwpar safe
END

check RESOURCE0005 'inside, meminfo and sysinfo show the limit of the WPAR' <<'END'
mkwpar -n view -R memory=0%-10%,10%
startwpar view
all=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
part=$(clogin view awk '/^MemTotal/ { print $2 }' /proc/meminfo)
test "$part" -le $((all / 10))
test "$part" -ge $((all / 10 - 8))
test "$(clogin view free -k | awk '/^Mem/ { print $2 }')" -eq "$part"
chwpar -R memory=0%-20%,20% view
test "$(clogin view awk '/^MemTotal/ { print $2 }' /proc/meminfo)" -gt "$part"
stopwpar -F view
rmwpar view
END

check RESOURCE0006 'a WPAR that is removed gives its memory back' <<'END'
round() {
	mkwpar -n gone -R memory=0%-20%,20%
	startwpar gone
	clogin gone dd if=/dev/zero of=/tmp/big bs=1M count=50 2>/dev/null
	clogin gone sh -c 'x=0123456789abcdef; while :; do x=$x$x; done' || true
	stopwpar -F gone
	rmwpar gone
}
free_now() { awk '/^MemFree/ { print $2 }' /proc/meminfo; }
round
before=$(free_now)
round
round
test "$(free_now)" -ge $((before - 512))
END

check RESOURCE0007 'what a WPAR makes the kernel keep counts to its maximum, whatever it hoards, and others do not notice' <<'END'
mkwpar -n other
startwpar other
slab() { clogin "$1" awk '/^Slab/ { print $2 }' /proc/meminfo; }
mkwpar -n hoard -R memory=0%-1%,1%
startwpar hoard
limit=$(clogin hoard awk '/^MemTotal/ { print $2 }' /proc/meminfo)
idle=$(slab hoard)
test "$idle" -gt 0
all=$(awk '/^MemFree/ { print $2 }' /proc/meminfo)
for what in pipes connections processes files areas; do
	# It may be full before anybody has looked, so it is marked as hoarding before it is started.
	rm -f /wpars/hoard/tmp/begun
	: >/wpars/hoard/tmp/hoarding
	# One that is killed for want of a page while it hoards is at the end too.
	(clogin hoard $T/hoard $what || true; rm -f /wpars/hoard/tmp/hoarding) &
	# Nothing happens in this shell when it is full, so that is looked for.
	turns=0
	while test -e /wpars/hoard/tmp/hoarding; do turns=$((turns + 1)); test $turns -lt 3000; sleep 0.02; done
	test -e /wpars/hoard/tmp/begun
	# All that is gone from the machine is what the partition may have, and a little.
	now=$(awk '/^MemFree/ { print $2 }' /proc/meminfo)
	test $((all - now)) -le $((limit + 2048))
	test "$(slab other)" -lt 2000
	clogin other sh -c 'echo a | cat | grep -q a'
	kill -9 $(ps -@ hoard -o pid,comm | awk '/hoard/ { print $1 }') || true
	wait || true
	find /wpars/hoard/tmp -name 'a-file*' | xargs rm -f
	# Its init reaps the orphans one after the other.
	until test "$(slab hoard)" -le $((idle + 200)); do turns=$((turns + 1)); test $turns -lt 6000; done
done
stopwpar -F hoard
rmwpar hoard
stopwpar -F other
rmwpar other
END

check RESOURCE0008 'when memory is used up a program of the WPAR that is furthest above its part goes, whoever asks' <<'END'
# fill NAME MEGABYTES: a program in the WPAR holds so much memory when this returns.
fill() {
	clogin $1 $T/resident $2 &
	turns=0
	until test -e /wpars/$1/tmp/filling; do turns=$((turns + 1)); test $turns -lt 600; sleep 0.05; done
	while test -e /wpars/$1/tmp/filling; do turns=$((turns + 1)); test $turns -lt 3000; sleep 0.05; done
}
mkwpar -n meek -R shares_memory=60
mkwpar -n large -R shares_memory=10
startwpar meek
startwpar large
all=$(awk '/^MemFree/ { print int($2 / 1024) }' /proc/meminfo)
# The large one takes nine tenths of what is free, which is far more than its part, and keeps still.
fill large $((all * 9 / 10))
# The meek one asks for a third, which is less than its part: it gets it.
fill meek $((all / 3))
errpt | grep -q 'furthest above its part'
test -z "$(ps -@ large -o comm | grep resident)"
ps -@ meek -o comm | grep -q resident
stopwpar -F meek
stopwpar -F large
wait || true
rmwpar meek
rmwpar large
END

check RESOURCE0009 'a soft maximum binds when memory is short: who is above it gives first' <<'END'
# fill NAME MEGABYTES: a program in the WPAR holds so much memory when this returns.
fill() {
	clogin $1 $T/resident $2 &
	turns=0
	until test -e /wpars/$1/tmp/filling; do turns=$((turns + 1)); test $turns -lt 600; sleep 0.05; done
	while test -e /wpars/$1/tmp/filling; do turns=$((turns + 1)); test $turns -lt 3000; sleep 0.05; done
}
mkwpar -n soft -R memory=0%-10%,100%
mkwpar -n wide
startwpar soft
startwpar wide
all=$(awk '/^MemFree/ { print int($2 / 1024) }' /proc/meminfo)
fill soft $((all * 3 / 10))
fill wide $((all * 8 / 10))
test -z "$(ps -@ soft -o comm | grep resident)"
ps -@ wide -o comm | grep -q resident
stopwpar -F soft
stopwpar -F wide
wait || true
rmwpar soft
rmwpar wide
END

check RESOURCE0010 'limits below the present count end nobody, and hold for what comes' <<'END'
mkwpar -n many
startwpar many
clogin many sh -c 'for i in 1 2 3 4 5; do sleep 1000 & done; wait' &
turns=0
until test "$(ps -@ many -o comm | grep -c sleep)" -eq 5; do turns=$((turns + 1)); test $turns -lt 600; sleep 0.05; done
chwpar -R totalProcesses=2 many
chwpar -R totalThreads=2 many
clogin many true 2>err && exit 1
test "$(ps -@ many -o comm | grep -c sleep)" -eq 5
chwpar -R totalThreads=unlimited totalProcesses=unlimited many
clogin many true
chwpar -R procVirtMem=1MB many
test "$(ps -@ many -o comm | grep -c sleep)" -eq 5
clogin many dd if=/dev/zero of=/dev/null bs=16M count=1 && exit 1
chwpar -R procVirtMem=unlimited many
clogin many dd if=/dev/zero of=/dev/null bs=16M count=1
stopwpar -F many
wait || true
rmwpar many
END

check RESOURCE0030 'what -R does not take is refused in one line that names the attribute, by every command, and changes nothing' <<'END'
mkwpar -n plain
startwpar plain
lswpar -R plain >before
# refused ATTRIBUTE COMMAND…
refused() {
	attribute=$1
	shift
	status=0
	"$@" >out 2>err || status=$?
	echo "$* says: $(cat err)"
	test $status -ne 0
	test "$(wc -l <err)" -eq 1
	grep -q "0960-[0-9][0-9][0-9] .*$attribute" err
}
everywhere() {
	refused "$1" chwpar -R "$2" plain
	refused "$1" mkwpar -n other -R "$2"
	refused "$1" wparexec -n other -R "$2" -- true
}
for value in 0 -1 65536 99999999999999999999 1.5 0x10 x '' ' 5' '5 ' +5 unlimite; do
	everywhere shares_CPU "shares_CPU=$value"
	everywhere shares_memory "shares_memory=$value"
done
for value in 5 5% 5%-10% 5%-10%,20 5-10,20 '5%-10%, 20%' 10%-5%,20% 10%-20%,15% 0%-100%,101% 0%-100.001%,100% -1%-5%,10% \
	1e1%-20%,30% .5%-20%,30% 5.%-20%,30% 0%-100%,100%% 0%-100%-100% %-%,% x ''; do
	everywhere CPU "CPU=$value"
	everywhere memory "memory=$value"
done
for value in 0 -1 4294967296 1.5 x ''; do
	everywhere totalProcesses "totalProcesses=$value"
	everywhere totalThreads "totalThreads=$value"
done
for value in 0 0MB 1KB 1PB 1.5GB -1MB 17592186044416MB 18446744073709551616MB MB x ''; do
	everywhere procVirtMem "procVirtMem=$value"
done
for value in maybe YES 1 ''; do everywhere active "active=$value"; done
refused rset chwpar -R rset=no/such plain
refused rset wparexec -n other -R rset=no/such -- true
# A definition may name a resource set that is made later; without it the WPAR does not start.
mkwpar -n other -R rset=no/such
refused rset startwpar other
rmwpar other
everywhere rset 'rset=a b'
everywhere speed speed=1
everywhere cpu cpu=1%-2%,3%
refused 'resources.totalThreads (5) must be >= totalProcesses (6)' chwpar -R totalProcesses=6 totalThreads=5 plain
refused 'resources.totalThreads (5) must be >= totalProcesses (6)' mkwpar -n other -R totalThreads=5 totalProcesses=6
refused 'resources.totalThreads (5) must be >= totalProcesses (6)' wparexec -n other -R totalThreads=5 totalProcesses=6 -- true
# The first is right, the second is not: neither counts.
refused CPU chwpar -R shares_CPU=7 CPU=1 plain
refused memory chwpar -R CPU=1%-2%,3% memory=3%-2%,1% plain
lswpar -R plain >after
cmp before after
test "$(lswpar -q | wc -l)" -eq 1
# Inside, nobody may.
clogin plain chwpar -R shares_CPU=9 plain 2>err && exit 1
grep -q 0960- err
lswpar -R plain >after
cmp before after
stopwpar -F plain
rmwpar plain
END
