# cpus: 2
# Objects by which processes talk that are in no file system: System V IPC, POSIX message queues.

check SYSV0001 'semaphores are changed all at once or not at all' <<'END'
$T/system_v semaphores
END

check SYSV0002 'who waits for a semaphore is woken, times out, or hears of its removal' <<'END'
$T/system_v semaphore-waits
END

check SYSV0003 'a handler interrupts a wait for a semaphore, a stop does not' <<'END'
$T/system_v semaphore-interrupted
END

check SYSV0004 'what SEM_UNDO marks is taken back at the end of the process, killed or not' <<'END'
$T/system_v semaphore-undo
END

check SYSV0005 'messages are received by type, whole or cut, and not lost on a bad address' <<'END'
$T/system_v messages
END

check SYSV0006 'a full queue holds its senders, and a removed one lets them go' <<'END'
$T/system_v message-waits
END

check SYSV0007 'shared memory is seen by all that attach it, and goes with the last of them' <<'END'
$T/system_v shared-memory
END

check SYSV0008 'keys lead to objects, modes say for whom' <<'END'
$T/system_v keys
END

check SYSV0009 'objects of a partition are seen by nobody else, and gone with it' <<'END'
$T/system_v leave
free_in() { awk '/^MemFree:/ { print $2 }' $1; }
mkwpar -n talkers
# A stop gives back the mebibyte that was left; and no run leaves anything behind.
for run in first second third fourth; do
    startwpar talkers
    clogin talkers $T/system_v absent
    clogin talkers $T/system_v leave
    cat /proc/meminfo >used
    stopwpar -F talkers
    # A job gives it back, in steps.
    tries=50
    until cat /proc/meminfo >freed; test $(($(free_in freed) - $(free_in used))) -ge 1000 || test $((tries -= 1)) -eq 0; do
        sleep 0.1
    done
    test $run != first || cp freed before
    diff used freed || true
    test $(($(free_in freed) - $(free_in used))) -ge 1000
done
test $(($(free_in before) - $(free_in freed))) -lt 1000
! $T/system_v absent 2>/dev/null
rmwpar talkers
END

check MQUEUE0001 'message queues have names, modes and limits' <<'END'
$T/message_queue names
END

check MQUEUE0002 'messages come by priority, and not to who cannot take them' <<'END'
$T/message_queue order
END

check MQUEUE0003 'senders and receivers wait, until a point of time if they like' <<'END'
$T/message_queue waits
END

check MQUEUE0004 'who asks for it is told once of a message to an empty queue' <<'END'
$T/message_queue notices
END

check MQUEUE0005 'partitions do not share names of queues' <<'END'
$T/message_queue apart
mkwpar -n queues
startwpar queues
clogin queues $T/message_queue apart
stopwpar -F queues
rmwpar queues
END

check IPC0090 '/proc/sysvipc lists the objects of the partition that have keys' <<'END'
$T/system_v listed
END

check IPC0100 'who waits for a semaphore to be 0 goes on when it has been, whatever comes after' <<'END'
$T/system_v semaphore-gate
END
