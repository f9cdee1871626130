# Tracing (man 2 ptrace): each test is a check of tests/programs/c/ptrace.c or tracers.c, but for those of Debian's programs.
#
# packages: strace gdb
# memory: 2G
# cpus: 2

if lswpar -q deb >/dev/null 2>&1; then :; else
	mkwpar -n deb >/dev/null
	startwpar deb >/dev/null
fi

check PTRACE0001 'a child lets its parent trace it' <<'END'
$T/ptrace traceme
END

check PTRACE0002 'memory of a traced process is read and written, its text in a copy' <<'END'
$T/ptrace memory
END

check PTRACE0003 'registers are read and set, by every way there is' <<'END'
$T/ptrace registers
END

check PTRACE0004 'a tracer is told of the start and the end of system calls' <<'END'
$T/ptrace calls
END

check PTRACE0005 'a tracer changes calls and results' <<'END'
$T/ptrace change
END

check PTRACE0006 'a call that a signal interrupts is told as ended first' <<'END'
$T/ptrace interrupted
END

check PTRACE0007 'a tracer sees signals first, takes them away, exchanges them' <<'END'
$T/ptrace signals
END

check PTRACE0008 'a signal that the tracer passes on reaches its handler' <<'END'
$T/ptrace delivered
END

check PTRACE0009 'a program is run by single steps' <<'END'
$T/ptrace steps
END

check PTRACE0010 'a process is attached to, waiting, running and stopped' <<'END'
$T/ptrace attach
END

check PTRACE0011 'a seized process halts on demand, and its group stop can be listened to' <<'END'
$T/ptrace seize
END

check PTRACE0012 'a traced process is stopped as others are, and stays so' <<'END'
$T/ptrace group-stop
END

check PTRACE0013 'children are traced from their start, and told of' <<'END'
$T/tracers family
END

check PTRACE0014 'threads are traced one by one to their end' <<'END'
$T/tracers threads
END

check PTRACE0015 'execve is told, and a thread that executes keeps its tracer' <<'END'
$T/tracers exec
END

check PTRACE0016 'the death of a tracer sets free, or kills' <<'END'
$T/tracers tracer-dies
END

check PTRACE0017 'tracer and traced may die in any stop' <<'END'
$T/tracers killed
END

check PTRACE0018 'who may not trace is told so, and bad arguments are' <<'END'
$T/tracers refused
END

check PTRACE0019 'waitid tells of traced processes too' <<'END'
$T/ptrace waits
END

check PTRACE0020 'hundreds are traced at once' <<'END'
$T/tracers many
END

check PTRACE0021 'tracer and traced run on two CPUs, and anybody may be killed' <<'END'
$T/tracers race
END

check PTRACE0022 'another process is read, written and compared without being traced' <<'END'
$T/tracers remote
END

check PTRACE0023 'each thread has its name' <<'END'
$T/tracers names
END

check PTRACE0024 'a partition traces what is in it, and Global does not' <<'END'
cp $T/ptrace $T/tracers /wpars/deb/tmp
clogin deb /tmp/ptrace attach
clogin deb /tmp/tracers refused
clogin deb sleep 1234 &
until clogin deb sh -c 'pidof sleep' >/dev/null; do sleep 0.1; done
found=0
for folder in /proc/[0-9]*; do
	if grep -q 1234 $folder/cmdline 2>/dev/null && grep -q sleep $folder/comm; then
		found=$((found + 1))
		$T/tracers stranger ${folder#/proc/}
	fi
done
test $found -gt 0
clogin deb sh -c 'kill $(pidof sleep)'
rm /wpars/deb/tmp/ptrace /wpars/deb/tmp/tracers
END

check PTRACE0025 'strace shows calls, signals and children of a shell' <<'END'
clogin deb strace -f -o /tmp/trace sh -c '(kill -USR1 $$; exit 3) & trap "echo got" USR1; wait; wait' >out || true
grep -q 'execve("[^"]*sh", \["sh", "-c"' /wpars/deb/tmp/trace
grep -q 'clone(.*CLONE_CHILD_SETTID' /wpars/deb/tmp/trace
grep -q -- '--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER' /wpars/deb/tmp/trace
grep -q 'exited with 3' /wpars/deb/tmp/trace
clogin deb strace -f -c -o /tmp/table sh -c 'ls / >/dev/null; ls / >/dev/null'
grep -q 'getdents64' /wpars/deb/tmp/table
clogin deb strace -e trace=openat -o /tmp/some cat /proc/self/comm >/dev/null
grep -q 'openat(AT_FDCWD, "/proc/self/comm", O_RDONLY' /wpars/deb/tmp/some
! grep -q 'execve' /wpars/deb/tmp/some
END

check PTRACE0026 'strace attaches to a process that waits, and lets it go' <<'END'
clogin deb sh -c 'sleep 1000 & pid=$!; timeout 3 strace -o /tmp/trace -p $pid; kill -0 $pid && kill $pid'
grep -q 'clock_nanosleep\|nanosleep' /wpars/deb/tmp/trace
END

check PTRACE0027 'gdb stops at a breakpoint, finishes a function, steps, and goes on' <<'END'
cat >/wpars/deb/tmp/commands <<'GDB'
break write
run
bt 1
finish
stepi
stepi
info registers r1 pc
delete
continue
GDB
clogin deb gdb -nx -batch -x /tmp/commands --args /usr/bin/dpkg --version </dev/null >out 2>&1
grep -q '^Breakpoint 1, .* in write ()' out
grep -q 'exited normally' out
END

check PTRACE0028 'gdb attaches to a process, and lets it go' <<'END'
clogin deb sh -c 'sleep 1000 & gdb -nx -batch -ex "info registers pc" -ex detach -p $! </dev/null; kill $!' >out 2>&1
grep -q '^pc ' out
grep -q 'Inferior 1 .* detached' out
END

check PTRACE0029 'no tracer gets rights by a program that has more' <<'END'
$T/tracers rights
END

check CORE0001 'a signal that says so leaves a core file, of a large process too' <<'END'
$T/core written
errpt | grep -q 'core .*ended by SIGSEGV: a core file was written'
END

check CORE0002 'no core file is left beyond the limit, against the will, or in place of another file' <<'END'
$T/core refused
END

check CORE0003 'SIGKILL does not wait for a core file' <<'END'
$T/core killed
END

check CORE0004 'gdb reads a core file: threads, registers, memory, files' <<'END'
cp $T/core /wpars/deb/tmp/core-test
clogin deb sh -c 'cd /tmp; ulimit -c unlimited; ./core-test threads' || true
errpt | grep -q 'deb core: core-test .*ended by SIGSEGV: a core file was written'
clogin deb sh -c 'cd /tmp; gdb -nx -batch -ex "info threads" -ex "info registers pc" -ex "p \$_siginfo.si_signo" -ex "info auxv" ./core-test core </dev/null' >out 2>&1
grep -q "Core was generated by .*core-test threads" out
grep -q 'Program terminated with signal SIGSEGV' out
test "$(grep -c 'LWP' out)" -ge 6
grep -q 'AT_PAGESZ .* 4096' out
grep -q '^\$1 = 11' out
rm /wpars/deb/tmp/core /wpars/deb/tmp/core-test
END

check PTRACE0400 'every call of a thread that signals disturb is told, and registers can be read at every stop' <<'END'
$T/tracers registers-at-every-stop
END

check CALLS0810 'a tracer is asked about calls that a filter leaves to it, and decides' <<'END'
$T/trace_filter asked among-calls
END

check CALLS0811 'a call that a filter leaves to a tracer is not there for who has none that wants to know' <<'END'
$T/trace_filter nobody
END

check SIGNAL0110 'a tracer looks at the signals that are pending, and leaves them so' <<'END'
$T/trace_filter pending
END
