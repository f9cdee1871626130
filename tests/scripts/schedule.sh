# Who runs where within a partition's part: nice values, policies, CPUs. Most tests are checks of a program in
# tests/programs; the others are util-linux's commands, in a WPAR.
# packages: bash coreutils util-linux procps grep sed
# memory: 2G
# cpus: 2

if lswpar -q chosen >/dev/null 2>&1; then :; else
	mkwpar -n chosen >/dev/null
	startwpar chosen >/dev/null
fi

check SCHEDULE0001 'policies and priorities are set, told and refused as on Linux' <<'END'
$T/schedule policies
clogin chosen $T/schedule policies
END

check SCHEDULE0002 'sched_setattr and sched_getattr know every size, and keep what they are told to keep' <<'END'
$T/schedule attributes
END

check SCHEDULE0003 'children inherit policy, nice value and CPUs, or begin anew when that is asked for' <<'END'
$T/schedule inherit
END

check SCHEDULE0004 'without privilege nothing is taken but what RLIMIT_NICE and RLIMIT_RTPRIO allow' <<'END'
$T/schedule unprivileged
END

check SCHEDULE0005 'a nice value is of one thread, and can be set for a group and a user' <<'END'
$T/schedule whom
END

check SCHEDULE0006 'a thread runs on the CPUs that it is bound to, from the call on' <<'END'
$T/schedule affinity
END

check SCHEDULE0007 'threads that crowd on one CPU leave the other to those that are free' <<'END'
$T/schedule crowd
END

check SCHEDULE0008 'a thread of the idle class gets next to nothing beside an ordinary one' <<'END'
$T/schedule idle-class
END

check SCHEDULE0009 'FIFO threads run by priority and leave 5 % to the others of the partition' <<'END'
$T/schedule fifo
END

check SCHEDULE0040 'a fatal signal ends a process whose first thread never runs, being behind one of greater priority' <<'END'
$T/schedule starved
END

check SCHEDULE0041 'a turn given away is counted with those taken away, as on Linux' <<'END'
$T/schedule counts
END

check SCHEDULE0010 'real-time threads of a WPAR take nothing from another WPAR' <<'END'
for name in calm hectic; do
	mkwpar -n $name -R shares_CPU=10
	startwpar $name
done
for cpu in 0 1; do
	clogin calm sh -c 'while :; do :; done' &
	clogin hectic chrt -f 99 sh -c 'while :; do :; done' &
done
sleep 1
wlmstat -@ ALL 5 1 >report
part() { awk -v name=$1 '$1 == name { print int($2) }' report; }
test "$(part calm)" -ge 40
test "$(part hectic)" -ge 40
test "$(part hectic)" -le 52
for name in calm hectic; do stopwpar -F $name; rmwpar $name; done
wait || true
END

check SCHEDULE0011 'chrt, taskset, nice and renice work as on Linux' <<'END'
cat >/wpars/chosen/tmp/try <<'TRY'
set -ex
policy() { chrt -p $$ | sed -n 's/.*policy: //p'; }
test "$(policy)" = SCHED_OTHER
chrt -f -p 12 $$
test "$(policy)" = SCHED_FIFO
chrt -p $$ | grep -q "current scheduling priority: 12"
chrt -o -p 0 $$
test "$(chrt -b 0 sh -c 'chrt -p $$' | sed -n 's/.*policy: //p')" = SCHED_BATCH
test "$(chrt -i 0 sh -c 'chrt -p $$' | sed -n 's/.*policy: //p')" = SCHED_IDLE
test "$(chrt -R -r 5 sh -c 'chrt -p $$' | sed -n 's/.*policy: //p')" = 'SCHED_RR|SCHED_RESET_ON_FORK'
chrt -m | grep -q 'SCHED_FIFO min/max priority.*1/99'
test "$(taskset -p $$ | sed 's/.*: //')" = 3
test "$(taskset 2 sh -c 'taskset -p $$' | sed 's/.*: //')" = 2
test "$(taskset -c 0 nproc)" = 1
test "$(nproc)" = 2
taskset -c 7 true && exit 1
test "$(taskset -c 1 sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)" = 1
test "$(nice -n 7 nice)" = 7
sleep 1000 &
renice -n 9 -p $!
test "$(ps -o ni= -p $! | tr -d ' ')" = 9
kill $!
TRY
clogin chosen bash /tmp/try
END

check SCHEDULE0012 'a WPAR is confined to its resource set, sees only those CPUs, and percentages are of them' <<'END'
test "$(lsrset -a | awk '$2 == "sys/sys0" { print $1, $3, $4 }')" = 'r 2 0-1'
mkrset -c 1 test/one
test "$(lsrset -n test | tail -n +2)" = "$(lsrset -r test/one | tail -n +2)"
mkrset -c 1 test/one && exit 1
mkrset -c 7 test/two && exit 1
mkrset -c x test/two && exit 1
mkrset -c 1 sys/two && exit 1
rmrset test/none && exit 1
mkwpar -n apart -R rset=test/none
startwpar apart 2>err && exit 1
grep -q 'resources.rset (test/none) must be a resource set that exists' err
chwpar -R rset=test/one apart
startwpar apart
test "$(clogin apart nproc)" -eq 1
test "$(clogin apart cat /sys/devices/system/cpu/online)" = 1
test "$(clogin apart sed -n 's/^processor.*: //p' /proc/cpuinfo)" = 1
test "$(clogin apart grep -c '^cpu[0-9]' /proc/stat)" -eq 1
clogin apart grep -q '^cpu1 ' /proc/stat
clogin apart taskset -c 0 true && exit 1
clogin apart sh -c 'for i in 1 2 3; do (while :; do :; done) & done; sleep 1000' &
sleep 1
wlmstat -@ apart 4 1 >report
part() { awk '$1 == "apart" { print int($2) }' report; }
test "$(part)" -ge 45
test "$(part)" -le 50
chwpar -R CPU=0%-50%,50% apart
sleep 1
wlmstat -@ apart 4 1 >report
test "$(part)" -ge 22
test "$(part)" -le 25
rmrset test/one 2>err && exit 1
grep -qi busy err
chwpar -R rset= CPU=0%-100%,100% apart
test "$(clogin apart nproc)" -eq 2
rmrset test/one
stopwpar -F apart
rmwpar apart
wait || true
END

check SCHEDULE0013 'a WPAR sees its own load, and Global the sum' <<'END'
mkwpar -n still
mkwpar -n loaded
startwpar still
startwpar loaded
clogin loaded sh -c 'for i in 1 2 3; do (while :; do :; done) & done; sleep 1000' &
load() { $1 cat /proc/loadavg | awk '{ print int($1 * 100) }'; }
turns=0
until test "$(load 'clogin loaded')" -ge 40; do turns=$((turns + 1)); test $turns -lt 600; sleep 0.1; done
test "$(load 'clogin still')" -le 20
test "$(load '')" -ge 20
test "$(clogin loaded cat /proc/loadavg | awk '{ split($4, n, "/"); print n[1] }')" -ge 3
used() { clogin $1 awk '/^cpu / { print $2 + $4 }' /proc/stat; }
test "$(used still)" -lt "$(used loaded)"
for name in still loaded; do stopwpar -F $name; rmwpar $name; done
wait || true
END

check SCHEDULE0014 'wlmstat -l tells what memory holds, and that it adds up' <<'END'
wlmstat -@ -l >out
head -n 1 out | grep -Eq 'CLASS +CPU +MEM +DKIO +ANON +FILE +KERN +PGTB +PROC +THRD'
awk '$1 == "chosen" { sum = $5 + $6 + $7 + $8; if (sum < $3 - 0.03 || sum > $3 + 0.03 || $9 < 1 || $10 < $9) exit 1; seen = 1 } END { exit !seen }' out
wlmstat -@ chosen -l 1 2 >out
test "$(grep -c CLASS out)" -eq 2
# Without -@ it tells of what is in no WPAR.
test "$(wlmstat | awk 'NF { print $1 }' | tr '\n' ' ')" = 'CLASS Global TOTAL '
wlmstat -@ nobody && exit 1
wlmstat -x && exit 1
true
END

check SCHEDULE0015 'schedo lists, explains, changes and resets' <<'END'
test "$(schedo -a)" = 'policy = wlm
slice_us = 2000
wakeup_grain_us = 50
wakeup_preemption = 1'
schedo -o policy=stride
test "$(schedo -o policy)" = 'policy = stride'
schedo -L policy | tail -n 1 | grep -Eq '^policy +stride +wlm'
schedo -d policy
test "$(schedo -o policy)" = 'policy = wlm'
schedo -h policy | grep -q round-robin
schedo -o policy=none 2>err && exit 1
grep -qF 'schedo: 0960-529 policy (none) must be one of those that schedo -h policy lists.' err
test "$(schedo -o policy)" = 'policy = wlm'
schedo -o speed=1 2>err && exit 1
grep -q 'speed is no tunable' err
schedo && exit 1
clogin chosen schedo -o policy=edf && exit 1
true
END

check SCHEDULE0017 'tunables of the scheduler keep to their ranges, and partitions go on whatever they are' <<'END'
schedo -L | grep -Eq '^NAME +CUR +DEF +BOOT +MIN +MAX +UNIT +TYPE'
schedo -L slice_us | tail -n 1 | grep -Eq '^slice_us +2000 +2000 +2000 +500 +4000 +microseconds +D'
for bad in slice_us=499 slice_us=4001 slice_us= slice_us=-1 slice_us=2ms slice_us=99999999999 wakeup_preemption=2 wakeup_grain_us=9; do
	schedo -o $bad 2>err && exit 1
	grep -Eq "^.*${bad%%=*} .* must be from [0-9]+ to [0-9]+" err
done
schedo -h wakeup_grain_us | grep -q 'takes its CPU'
clogin chosen schedo -o slice_us=1000 && exit 1
clogin chosen sh -c 'for i in 1 2 3; do (while :; do :; done) & done; wait' &
until test "$(ps -e -@ chosen -o args= | grep -c 'while :')" -ge 3; do :; done
for slice in 500 4000; do
	schedo -o slice_us=$slice
	test "$(schedo -o slice_us)" = "slice_us = $slice"
	wlmstat -@ chosen 1 1 | awk '$1 == "chosen" { busy = $2 > 50 } END { exit !busy }'
done
schedo -o wakeup_preemption=0 -o wakeup_grain_us=500
test "$(schedo -a | wc -l)" -eq 4
schedo -d wakeup_grain_us
test "$(schedo -o wakeup_grain_us)" = 'wakeup_grain_us = 50'
schedo -D
test "$(schedo -a)" = 'policy = wlm
slice_us = 2000
wakeup_grain_us = 50
wakeup_preemption = 1'
stopwpar -F chosen
startwpar chosen
END

check SCHEDULE0016 'topas shows partitions live, and leaves the terminal as it was' <<'END'
topas -@ -n 2 >out
test "$(grep -c '^NAME' out)" -eq 2
awk '$1 == "chosen" { seen++ } END { exit seen != 2 }' out
topas -@ 2>err && exit 1
test "$(wc -l <err)" -eq 1
grep -q 'needs a terminal' err
topas -@ nobody -n 1 && exit 1
topas 2>err && exit 1
grep -q Usage err
for key in q '\003'; do
	rm -f out
	{ until grep -q chosen out 2>/dev/null; do sleep 0.05; done; printf $key; } |
		$T/on_pty sh -c 'stty -a >before; topas -@; echo status $?; stty -a >after' >out
	grep -q 'status 0' out
	cmp before after || { cat before after; exit 1; }
done
END

check SCHEDULE0034 'a WPAR whose resource set has lost its last CPU goes on on the others, with a line in the error log, and goes back' <<'END'
mkrset -c 1 test/last
mkwpar -n stranded -R rset=test/last CPU=0%-50%,50%
startwpar stranded
clogin stranded sh -c 'for i in 1 2 3; do (while :; do :; done) & done; sleep 1000' &
until test "$(ps -e -@ stranded -o args= | grep -c 'while :')" -ge 3; do :; done
chcpu -d 1
errpt | grep -q 'the last CPU in use of the resource set'
test "$(clogin stranded cat /sys/devices/system/cpu/online)" = 0
wlmstat -@ stranded 2 1 | awk '$1 == "stranded" { part = $2 } END { exit !(part > 30 && part < 51) }'
chcpu -e 1
test "$(clogin stranded cat /sys/devices/system/cpu/online)" = 1
sleep 1
wlmstat -@ stranded 2 1 | awk '$1 == "stranded" { part = $2 } END { exit !(part > 15 && part < 26) }'
stopwpar -F stranded
rmwpar stranded
rmrset test/last
wait || true
END
