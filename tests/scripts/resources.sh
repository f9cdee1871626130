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
