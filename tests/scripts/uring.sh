# Calls through rings (io_uring): each test is a check of a program in tests/programs.
# cpus: 2
# kernel: debug
# patience: 90

check URING0010 'a ring is made as asked for, and refused when it cannot be' <<'END'
$T/uring setup
END

check URING0011 'bytes are moved, at offsets and at the position' <<'END'
$T/uring transfers
END

check URING0012 'files and buffers are registered, named, replaced and forgotten' <<'END'
$T/uring registered
END

check URING0013 'what has to wait is done wherever its program is then' <<'END'
$T/uring waiting
END

check URING0014 'completions are counted in a file of events, and make the ring readable' <<'END'
$T/uring events
END

check URING0015 'a ring tells when a file is ready' <<'END'
$T/uring polls
END

check URING0016 'timeouts come in time, or with a number of completions, or not at all' <<'END'
$T/uring timeouts
END

check URING0017 'entries that are linked begin one after another' <<'END'
$T/uring chains
END

check URING0018 'what waits is cancelled, and takes nothing afterwards' <<'END'
$T/uring cancelling
END

check URING0019 'names are made, opened, looked at and removed' <<'END'
$T/uring names
END

check URING0020 'sockets connect, accept, send and receive' <<'END'
$T/uring sockets
END

check URING0021 'no completion is lost for which there is no place' <<'END'
$T/uring overflow
END

check URING0022 'a ring that begins disabled is enabled once' <<'END'
$T/uring disabled
END

check URING0023 'a handler interrupts the wait for completions' <<'END'
$T/uring interrupted
END

check URING0024 'whatever is written into a ring, the kernel goes on' <<'END'
$T/uring_enemy hostile
wparexec -n enemy $T/uring_enemy hostile
END

check URING0025 'the end of a process, its program or its ring is the end of what waits' <<'END'
$T/uring_enemy ends
END

check URING0026 'a thread that ends takes what it has submitted with it' <<'END'
$T/uring_enemy thread-ends
END

check URING0027 'a partition that takes all memory for rings is refused, and all comes back' <<'END'
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
mkwpar -n hungry -R memory=0%-20%,20% >/dev/null
startwpar hungry
clogin hungry $T/uring_enemy exhausted
stopwpar -F hungry
rmwpar hungry
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
test $((before - after)) -lt 4096
END

check URING0028 'reading, writing and cancelling at once loses no byte' <<'END'
$T/uring_enemy races
END

check URING0029 'a ring that another partition has made is not to be used' <<'END'
$T/uring_enemy handed
END

check AIO0001 'what is submitted to a context is read, written and told' <<'END'
$T/aio transfers
END

check AIO0002 'what is not ready waits, and a counter counts what is done' <<'END'
$T/aio waits
END

check AIO0003 'requests are refused as the manual pages say' <<'END'
$T/aio refused
END

check AIO0004 'what waits can be cancelled, and goes with its context' <<'END'
$T/aio cancelled
END

check AIO0005 'a wait for events ends by signals, and with the context' <<'END'
$T/aio ended
END

check AIO0006 'a thousand requests are made at once' <<'END'
$T/aio many
END

check URING0090 'an entry that drains begins when all before it is done' <<'END'
$T/uring_groups drains
END

check URING0091 'poll and accept have results again and again' <<'END'
$T/uring_groups repeated
END

check URING0092 'a buffer of a group is chosen when there is something to put into it' <<'END'
$T/uring_groups groups
END

check URING0093 'a group of buffers may be a ring in the memory of the program' <<'END'
$T/uring_groups buffer-ring
END
