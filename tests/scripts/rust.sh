# The Rust standard library, and tokio: each test is a check of a program in tests/programs or tests/tokio.

check RUST0001 'Rust: threads return values' <<'END'
$T/std threads
END

check RUST0002 'Rust: two hundred threads' <<'END'
$T/std many-threads
END

check RUST0003 'Rust: a mutex loses no increment' <<'END'
$T/std mutex
END

check RUST0004 'Rust: condition variables take turns and time out' <<'END'
$T/std condvar
END

check RUST0005 'Rust: a lock for readers is never torn' <<'END'
$T/std rwlock
END

check RUST0006 'Rust: a barrier holds until all are there' <<'END'
$T/std barrier
END

check RUST0007 'Rust: channels lose and double nothing' <<'END'
$T/std channels
END

check RUST0008 'Rust: park and unpark' <<'END'
$T/std park
END

check RUST0009 'Rust: thread-local values are each own to thread' <<'END'
$T/std thread-local
END

check RUST0010 'Rust: a large hash map' <<'END'
$T/std hash-map
END

check RUST0011 'Rust: large blocks come and go' <<'END'
$T/std heap
END

check RUST0012 'Rust: a sleep is never too short' <<'END'
$T/std sleep
END

check RUST0013 'Rust: the monotonic clock never goes back' <<'END'
$T/std instant
END

check RUST0014 'Rust: the wall clock knows the year' <<'END'
$T/std wall-clock
END

check RUST0015 'Rust: commands run' <<'END'
$T/std command
END

check RUST0016 'Rust: a command between pipes' <<'END'
$T/std command-pipes
END

check RUST0017 'Rust: environment and folder of a command' <<'END'
$T/std command-environment
END

check RUST0018 'Rust: a command is killed' <<'END'
$T/std command-kill
END

check RUST0019 'Rust: a missing command is not found' <<'END'
$T/std command-missing
END

check RUST0020 'Rust: files' <<'END'
$T/std files
END

check RUST0021 'Rust: folders' <<'END'
$T/std folders
END

check RUST0022 'Rust: permissions' <<'END'
$T/std permissions
END

check RUST0023 'Rust: a panic aborts' <<'END'
$T/std panic
END

check RUST0024 'Rust: floats are the same in every thread' <<'END'
$T/std floats
END

check RUST0025 'Rust: deep recursion' <<'END'
$T/std stack
END

check RUST0026 'Rust: the number of CPUs' <<'END'
$T/std parallelism
END

check RUST0027 'tokio: thousands of tasks end, each once' <<'END'
$T/tokio tasks
END

check RUST0028 'tokio: channels lose and double nothing' <<'END'
$T/tokio channels
END

check RUST0029 'tokio: locks, barriers and semaphores of tasks hold' <<'END'
$T/tokio locks
END

check RUST0030 'tokio: threads of the pool block without holding up tasks' <<'END'
$T/tokio blocking
END

check RUST0031 'tokio: sleeps and intervals are never too short' <<'END'
$T/tokio timers
END

check RUST0032 'tokio: a task that is cancelled lets its sockets go' <<'END'
$T/tokio cancel
END

check RUST0033 'tokio: a hundred clients, and bytes in both directions' <<'END'
$T/tokio tcp
END

check RUST0034 'tokio: a connection to nobody is refused' <<'END'
$T/tokio refused
END

check RUST0035 'tokio: datagrams keep their bounds' <<'END'
$T/tokio udp
END

check RUST0036 'tokio: local sockets tell who is there' <<'END'
$T/tokio unix
END

check RUST0037 'tokio: children and what they say, thirty at once' <<'END'
$T/tokio process
END

check RUST0038 'tokio: children are killed, with the handle that is dropped too' <<'END'
$T/tokio kill
END

check RUST0039 'tokio: signals come to every task that waits' <<'END'
$T/tokio signal
END

check RUST0040 'tokio: files through a pool of threads' <<'END'
$T/tokio fs
END

check RUST0041 'tokio: all of it in a system WPAR' <<'END'
mkwpar -n tokio
startwpar tokio
clogin tokio $T/tokio $($T/tokio) >out
cat out; ! [ -s out ]
stopwpar -F tokio
rmwpar tokio
END
