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
chwpar -R memory=0%-1%,1% low
clogin low true && exit 1
chwpar -R active=no low
clogin low kill -0 "$(cat sleeper)"
chwpar -R active=yes memory=0%-50%,50% low
clogin low kill -0 "$(cat sleeper)"
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
mkwpar -n hoard -R memory=0%-2%,2%
startwpar hoard
limit=$(clogin hoard awk '/^MemTotal/ { print $2 }' /proc/meminfo)
idle=$(slab hoard)
test "$idle" -gt 0
all=$(awk '/^MemFree/ { print $2 }' /proc/meminfo)
for what in pipes connections processes files areas; do
	# One that is killed for want of a page while it hoards is at the end too.
	(clogin hoard $T/hoard $what || true; rm -f /wpars/hoard/tmp/hoarding) &
	# Nothing happens in this shell when it is full, so that is looked for.
	turns=0
	until test -e /wpars/hoard/tmp/hoarding; do turns=$((turns + 1)); test $turns -lt 1000; sleep 0.02; done
	while test -e /wpars/hoard/tmp/hoarding; do turns=$((turns + 1)); test $turns -lt 3000; sleep 0.02; done
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
