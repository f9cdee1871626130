# Several CPUs: what only they can break. Most tests are checks of a program in tests/programs.
# cpus: 4
# kernel: debug
# patience: 90

check SMP0001 'the threads of a process compute on several CPUs at once' <<'END'
$T/smp progress
END

check SMP0002 'mprotect holds at once for a thread on another CPU' <<'END'
$T/smp protect
END

check SMP0003 'munmap holds at once for a thread on another CPU' <<'END'
$T/smp unmap
END

check SMP0004 'two threads hand a futex to and fro' <<'END'
$T/smp ping-pong
END

check SMP0040 'a wake tells how many it has woken and what is wrong with its word' <<'END'
$T/futexes nobody
END

check SMP0005 'four threads fork at once' <<'END'
$T/smp fork-storm
END

check SMP0006 'a signal reaches a thread that computes' <<'END'
$T/smp signal
END

check SMP0007 'execve ends threads that compute' <<'END'
$T/smp exec
END

check SMP0008 'exit_group ends threads that compute' <<'END'
$T/smp exit
END

check SMP0009 'a sleeper wakes on time while the other CPUs idle' <<'END'
$T/smp timer
END

check SMP0010 'forty wparexec in a row leave nothing' <<'END'
i=0; while [ $i -lt 40 ]; do wparexec /bin/true; i=$((i + 1)); done
test -z "$(lswpar -q)"
END

check SMP0011 'partitions that start while every CPU is busy do not starve Global' <<'END'
for i in 1 2 3 4; do (while :; do :; done) & busy="$busy $!"; done
for round in 1 2 3; do
	wparexec -n left sh -c 'exit 4' & left=$!
	wparexec -n right sh -c 'exit 5' & right=$!
	wait $left || test $? -eq 4
	wait $right || test $? -eq 5
done
kill $busy
test -z "$(lswpar -q)"
END

check SMP0012 'the clocks of the vDSO go together on all CPUs' <<'END'
$T/clock everywhere
END

check SMP0013 'a CPU goes out of use and comes back, and everything tells so' <<'END'
cpu=/sys/devices/system/cpu
shows() {
	test "$(cat $cpu/online)" = "$1"
	test "$(nproc)" -eq "$2"
	test "$(grep -c '^cpu[0-9]' /proc/stat)" -eq "$2"
	test "$(grep -c ^processor /proc/cpuinfo)" -eq "$2"
	test "$(cat $cpu/possible)" = 0-3
}
shows 0-3 4
for gone in 2 0 3; do
	echo 0 >$cpu/cpu$gone/online
	test "$(cat $cpu/cpu$gone/online)" = 0
	test ! -e $cpu/cpu$gone/topology
done
shows 1 1
! echo 0 >$cpu/cpu1/online
shows 1 1
test "$(cat $cpu/offline)" = 0,2-3
echo 1 >$cpu/cpu3/online
shows 1,3 2
for back in 0 1 2 3; do echo 1 >$cpu/cpu$back/online; done
shows 0-3 4
! echo 2 >$cpu/cpu1/online
! echo >$cpu/cpu1/online
END

check SMP0014 'in a partition there are no switches of CPUs, and it follows those of Global' <<'END'
cpu=/sys/devices/system/cpu
wparexec sh -c "test ! -e $cpu/cpu1/online && test \$(nproc) -eq 4"
echo 0 >$cpu/cpu1/online
wparexec sh -c "test \$(cat $cpu/online) = 0,2-3 && test \$(nproc) -eq 3"
echo 1 >$cpu/cpu1/online
END

check SMP0015 'a hundred changes of CPUs under load lose no thread, no timer and no invalidation' <<'END'
wparexec -n capped -R CPU=1%-20%,20% sh -c 'while :; do :; done' & capped=$!
wparexec -n free sh -c 'while :; do :; done' & free=$!
$T/hotplug churn
for name in capped free; do
	stopwpar -F $name
done
wait $capped $free || true
test -z "$(lswpar -q)"
END

check SMP0016 'four threads that take a CPU each at once leave one, and in the end all are back' <<'END'
$T/hotplug contend
END

check SMP0017 'time on CPUs is counted while they are there, and kept when they go' <<'END'
$T/hotplug account
END

check SMP0018 'chcpu takes CPUs out of use and puts them back, and lscpu lists them' <<'END'
chcpu -d 1,3 >said
test "$(cat said)" = 'CPU 1 disabled
CPU 3 disabled'
lscpu | grep -q '^On-line CPU(s) list: *0,2$'
lscpu | grep -q '^Off-line CPU(s) list: *1,3$'
test "$(chcpu -d 3)" = 'CPU 3 is already disabled'
s=0; chcpu -d 0,2 2>said || s=$?
test $s -eq 64
grep -q 'disable CPU 2: it is the last one in use' said
s=0; chcpu -e 9 2>said || s=$?
test $s -eq 1
grep -q 'no such CPU' said
chcpu -e 0-3 >/dev/null
test "$(nproc)" -eq 4
! chcpu -d x
! wparexec chcpu -d 1
test "$(nproc)" -eq 4
END

check SMP0019 'ten seconds of everything in four partitions leave nothing behind' <<'END'
$T/stress partitions 10 1
END

check SMP0020 'a page that is taken from a thread on another CPU never changes again' <<'END'
$T/smp late
END

check SMP0021 'a process that stops itself is killed and made to go on at any moment of it' <<'END'
$T/signals overtaken-stop
END

check SMP0022 'a stopped process that signals disturb does not run for a moment' <<'END'
$T/signals disturbed-stop
END

check SMP0030 'programs that take turns at the same addresses see their own, whatever they do with their memory' <<'END'
$T/smp turns
END

check BARRIER0002 'a barrier of the one side does for the other' <<'END'
$T/barriers ordering
END

check BARRIER0003 'threads that ask for barriers wait for each other, and can be killed' <<'END'
$T/barriers crossing
END

check RSEQ0001 'libc has an area for restartable sequences, and reads the CPU there' <<'END'
$T/sequences registered
END

check RSEQ0002 'an area is registered once, and given back by who knows it' <<'END'
$T/sequences refused
END

check RSEQ0003 'a section is left when another thread has had its CPU' <<'END'
$T/sequences preempted
END

check RSEQ0004 'a section is left before a handler is entered' <<'END'
$T/sequences signalled
END

check RSEQ0005 'the area names the CPU that a thread has been moved to' <<'END'
$T/sequences moved
END

check RSEQ0006 'a barrier makes threads on other CPUs leave their sections' <<'END'
$T/sequences fenced
END

check RSEQ0007 'a child has the area with its memory, a thread or a new program has not' <<'END'
$T/sequences inherited
END

check RSEQ0008 'a section that is none ends its program, and nothing else' <<'END'
$T/sequences hostile
END
