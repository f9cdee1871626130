# Several CPUs: what only they can break. Most tests are checks of a program in tests/programs.
# cpus: 4
# kernel: debug

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

check SMP0020 'a page that is taken from a thread on another CPU never changes again' <<'END'
$T/smp late
END
