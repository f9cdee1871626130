# Tracing (man 2 ptrace): each test is a check of tests/programs/c/ptrace.c, but for those of Debian's programs.
#
# cpus: 2

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
$T/ptrace family
END

check PTRACE0014 'threads are traced one by one to their end' <<'END'
$T/ptrace threads
END

check PTRACE0015 'execve is told, and a thread that executes keeps its tracer' <<'END'
$T/ptrace exec
END

check PTRACE0016 'the death of a tracer sets free, or kills' <<'END'
$T/ptrace tracer-dies
END

check PTRACE0017 'tracer and traced may die in any stop' <<'END'
$T/ptrace killed
END

check PTRACE0018 'who may not trace is told so, and bad arguments are' <<'END'
$T/ptrace refused
END

check PTRACE0019 'waitid tells of traced processes too' <<'END'
$T/ptrace waits
END

check PTRACE0020 'hundreds are traced at once' <<'END'
$T/ptrace many
END

check PTRACE0021 'tracer and traced run on two CPUs, and anybody may be killed' <<'END'
$T/ptrace race
END

check PTRACE0029 'no tracer gets rights by a program that has more' <<'END'
$T/ptrace rights
END
