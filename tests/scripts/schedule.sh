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
