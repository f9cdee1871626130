# Signals, pipes and processes: each test is a check of a program in tests/programs.

# First, so that what the suite prints at its end is of all that follows.
check LATENCY0001 'the time with interrupts off is measured, and forgotten on request' <<'END'
grep -E '^cpu0 off [0-9]+ ns, last [a-z0-9_ ]+ at 0x[0-9a-f]+; timer late [0-9]+ ns$' /dev/latency
echo reset >/dev/latency
grep -E '^cpu0 off [1-9]' /dev/latency
END

check LATENCY0002 'the figures are for root alone to open' <<'END'
test "$(stat -c %a /dev/latency)" = 600
END

check SIGNAL0001 'a handler runs when its signal comes' <<'END'
$T/signals handler
END

check SIGNAL0002 'a handler learns who sent the signal, and what with' <<'END'
$T/signals siginfo
END

check SIGNAL0003 'SIGCHLD says which child ended and how' <<'END'
$T/signals child-info
END

check SIGNAL0004 'a blocked signal waits, once' <<'END'
$T/signals mask
END

check SIGNAL0005 'real-time signals queue' <<'END'
$T/signals queue
END

check SIGNAL0006 'a handler blocks what its mask says' <<'END'
$T/signals handler-mask
END

check SIGNAL0007 'without a handler each signal does what POSIX says' <<'END'
$T/signals defaults
END

check SIGNAL0008 'SA_RESTART runs an interrupted read again' <<'END'
$T/signals restart
END

check SIGNAL0009 'without SA_RESTART an interrupted read gives EINTR' <<'END'
$T/signals no-restart
END

check SIGNAL0010 'an interrupted sleep tells what is left' <<'END'
$T/signals sleep-interrupted
END

check SIGNAL0011 'sigsuspend waits with another mask' <<'END'
$T/signals suspend
END

check SIGNAL0012 'sigtimedwait takes a signal or times out' <<'END'
$T/signals wait-for
END

check SIGNAL0100 'what sigtimedwait waits for comes to it before its handler' <<'END'
$T/signals wait-before-handler
END

check SIGNAL0101 'a signal that comes with what a call waits for leaves it to the call' <<'END'
$T/signals wait-with-handler
END

check SIGNAL0013 'an interval timer fires again and again, never early' <<'END'
$T/signals interval
END

check SIGNAL0014 'a signal interrupts a loop without system calls' <<'END'
$T/signals busy-interrupted
END

check SIGNAL0015 'a handler runs on the alternate stack when it asks' <<'END'
$T/signals alternate-stack
END

check SIGNAL0016 'a bad access tells its address and kind' <<'END'
$T/signals fault
END

check SIGNAL0017 'a handler can mend a fault and the store runs again' <<'END'
$T/signals fault-mended
END

check SIGNAL0018 'a handler can change the interrupted registers' <<'END'
$T/signals context
END

check SIGNAL0019 'a handler leaves the interrupted registers alone' <<'END'
$T/signals registers
END

check SIGNAL0020 'fork and exec keep what POSIX says' <<'END'
$T/signals inherited
END

check SIGNAL0021 'processes stop and continue, and the parent hears of it' <<'END'
$T/signals stop-and-continue
END

check SIGNAL0022 'a stack that is not there ends the process' <<'END'
$T/signals bad-frame
END

check SIGNAL0023 'what is kept below the stack pointer survives a handler' <<'END'
$T/signals red-zone
END

check SIGNAL0024 'vector registers survive a handler that uses them' <<'END'
$T/signals vectors
END

check SIGNAL0025 'masks and actions are kept wherever they lie' <<'END'
$T/signals words
END

check SIGNAL0065 'what comes with a queued signal ends where it does on Linux' <<'END'
$T/signals queued
END

check SIGNAL0066 'a thread takes the signal that it sends to itself before the call returns' <<'END'
$T/thread_signals to-oneself
END

check IPC0001 'the ends of a pipe behave as such' <<'END'
$T/ipc ends-of-pipe
END

check IPC0002 'writing to nobody is SIGPIPE' <<'END'
$T/ipc broken-pipe
END

check IPC0003 'a non-blocking pipe holds 64 KiB and says when it is full' <<'END'
$T/ipc non-blocking
END

check IPC0004 'small writes to a pipe do not mix' <<'END'
$T/ipc atomic-writes
END

check IPC0005 'one write of 4 MiB goes through a pipe whole' <<'END'
$T/ipc large-transfer
END

check IPC0006 'readv and writev' <<'END'
$T/ipc vectors
END

check IPC0007 'poll reports what is ready, and hang-ups' <<'END'
$T/ipc poll
END

check IPC0008 'a wake without news does not stretch the timeout of poll' <<'END'
$T/ipc poll-timeout
END

check IPC0009 'select reports what is ready' <<'END'
$T/ipc select
END

check IPC0010 'futex waits, wakes and times out' <<'END'
$T/ipc futex
END

check IPC0011 'mutexes and condition variables of glibc' <<'END'
$T/ipc mutexes
END

check IPC0012 'dup, dup2, dup3 and F_DUPFD' <<'END'
$T/ipc duplicates
END

check IPC0013 'the limit of open files is EMFILE' <<'END'
$T/ipc many-files
END

check PROCESS0001 'exit statuses reach the parent' <<'END'
$T/process statuses
END

check PROCESS0002 'waitpid, waitid and wait4 choose whom to wait for' <<'END'
$T/process wait-kinds
END

check PROCESS0003 'a zombie stays until it is waited for' <<'END'
$T/process zombies
END

check PROCESS0004 'orphans become children of init' <<'END'
$T/process orphans
END

check PROCESS0005 'vfork shares memory until exec or exit' <<'END'
$T/process vfork
END

check PROCESS0006 'exec hands over words and environment, and refuses what it must' <<'END'
$T/process exec
END

check PROCESS0007 'a damaged program is refused' <<'END'
$T/process damaged-programs
END

check PROCESS0008 'many arguments arrive; too many are E2BIG' <<'END'
$T/process many-arguments
END

check PROCESS0009 'exec of scripts' <<'END'
$T/process scripts
END

check PROCESS0010 'exec closes what is marked, and keeps the rest' <<'END'
$T/process descriptors
END

check PROCESS0550 'a process is told the most memory that it has had, and a parent that of its children' <<'END'
$T/process peak-memory
END

check PROCESS0011 'exec ends the other threads' <<'END'
$T/process exec-with-threads
END

check PROCESS0025 'a thread that executes takes the number of its process' <<'END'
$T/process exec-from-thread
END

check PROCESS0012 'exit ends the other threads' <<'END'
$T/process exit-with-threads
END

check PROCESS0013 'clone makes threads and processes' <<'END'
$T/process clone
END

check PROCESS0014 'pid and tid of threads' <<'END'
$T/process identities
END

check PROCESS0015 'a user that is not root is held to it' <<'END'
$T/process users
END

check PROCESS0016 'process groups and sessions' <<'END'
$T/process groups
END

check PROCESS0017 'a signal reaches a whole group' <<'END'
$T/process group-signal
END

check PROCESS0018 'limits bind' <<'END'
$T/process limits
END

check PROCESS0019 'clocks and absolute sleeps' <<'END'
$T/process clocks
END

check PROCESS0020 'CPU time counts work and not sleep' <<'END'
$T/process cpu-time
END

check PROCESS0021 'names of machine and process' <<'END'
$T/process names
END

check PROCESS0022 'unknown calls are ENOSYS' <<'END'
$T/process unknown-call
END

check PROCESS0023 'two hundred children' <<'END'
$T/process many-children
END

check PROCESS0024 'CPU sets' <<'END'
$T/process affinity
END

check PROCESS0026 'a call keeps the registers that it has to keep, and leaves nothing of the kernel in others' <<'END'
$T/process call-registers
END

check CLOCK0001 'the vDSO shows what system calls show, and time never goes back between the two' <<'END'
$T/clock same
wparexec -n clocks $T/clock same
END

check CLOCK0002 'what the vDSO does not know it asks the kernel' <<'END'
$T/clock others
END

check CLOCK0003 'a clock that is set is set in the vDSO at once' <<'END'
$T/clock set
END

check PRCTL0001 'a process that asks for it gets a signal when its parent ends' <<'END'
$T/attributes death-signal
END

check PRCTL0002 'attributes are kept, told, and refused when they cannot be' <<'END'
$T/attributes flags
END

check PRCTL0003 'a set-user program gives nothing to who has renounced new privileges' <<'END'
$T/attributes no-new-privileges
END

check PRCTL0004 'what clone has made common is parted again' <<'END'
$T/attributes unsharing
END

check SYNC0001 'the calls that write files back check what they are given' <<'END'
$T/attributes synchronizing
END

check CLOCK0004 'the discipline of the clock is told, and changed by Global alone' <<'END'
$T/clock discipline
wparexec -n clocks env INSIDE=1 $T/clock discipline
END

check PRIORITY0001 'priorities for disks are kept, inherited and refused when they cannot be' <<'END'
$T/attributes disk-priorities
END

check BARRIER0001 'membarrier does what it says it does, and what has been announced' <<'END'
$T/barriers arguments
END

check IPC0014 'splice, tee and vmsplice move and copy what is in pipes' <<'END'
$T/ipc splicing
END

check IPC0015 'what is spliced from pipe to socket to pipe comes whole and in order' <<'END'
$T/ipc spliced-stream
END

check CALLS0400 'a daemon keeps one capability over a change of its user, and no other' <<'END'
$T/capabilities keeping
wparexec -n capable $T/capabilities keeping
END

check CALLS0401 'user 0 without a capability is refused what it is for' <<'END'
$T/capabilities dropping
wparexec -n capable $T/capabilities dropping
END

check CALLS0402 'execve gives what the bounding and the ambient set say' <<'END'
$T/capabilities executing
END

check CALLS0403 'capabilities that cannot be had are refused' <<'END'
$T/capabilities arguments
wparexec -n capable $T/capabilities arguments
END

check CALLS0404 'sockets, pipes and terminals signal their owner, as long as they are told to' <<'END'
$T/owners sockets pipes terminals
END

check CALLS0405 'owners are processes, threads and groups, with a signal of choice' <<'END'
$T/owners ways
wparexec -n owners $T/owners ways
END

check CALLS0406 'a file sends nothing to whom its user could not' <<'END'
$T/owners others
END

check SECCOMP0001 'a filter gives calls errors, also those that are answered in the middle of the program' <<'END'
$T/seccomp fails
END

check SECCOMP0002 'a filter sees all of the arguments of a call' <<'END'
$T/seccomp arguments
END

check SECCOMP0003 'a handler is told of a trapped call, whose registers are as they were' <<'END'
$T/seccomp traps
END

check SECCOMP0004 'threads and processes end by a call that they must not make' <<'END'
$T/seccomp kills
END

check SECCOMP0005 'filters are refused that could not be trusted, or to whom they are not for' <<'END'
$T/seccomp refused
END

check SECCOMP0006 'threads, children and new programs are confined as their maker is' <<'END'
$T/seccomp inherited
END

check SECCOMP0007 'all threads of a process are confined at once, or none' <<'END'
$T/seccomp together
END

check SECCOMP0008 'the longest filters are bounded' <<'END'
$T/seccomp bounded
END

check CALLS0700 'what is locked of memory is there, counts, and is not given up' <<'END'
$T/limits counts
END

check CALLS0701 'a user locks as much as RLIMIT_MEMLOCK allows, whatever the call' <<'END'
$T/limits limited
END

check CALLS0702 'who may lock memory is not held to a limit' <<'END'
$T/limits privileged
END

check CALLS0703 'private memory that can be written is limited by RLIMIT_DATA' <<'END'
$T/limits data
END

check CALLS0704 'a child gets of memory what madvise has left to it' <<'END'
$T/limits inherited
END

check CALLS0705 'a user has as many processes and threads as RLIMIT_NPROC allows' <<'END'
$T/limits processes
$T/limits processes-of-root
END

check CALLS0706 'a process that becomes a user with too many executes no program until there are fewer' <<'END'
$T/limits new-user
END

check CALLS0707 'the message queues of a user hold together what RLIMIT_MSGQUEUE allows' <<'END'
$T/limits message-queues
END

check CALLS0708 'locks of open files conflict with all others, and go with the open file' <<'END'
$T/locks of-open-files shared-with-a-child
END

check CALLS0709 'who waits for a lock of an open file gets it when that is closed' <<'END'
$T/locks waits
END

check CALLS0710 'a signal can be queued for one thread, with what comes with it' <<'END'
$T/thread_signals queue
END

check CALLS0711 'a policy of memory is kept and told, where there is one node' <<'END'
$T/nodes policies
END

check CALLS0712 'advice about the memory of a process is taken from who may give it' <<'END'
$T/nodes advice
END

check CALLS0713 'there are no handles of files, and none opens any' <<'END'
$T/nodes handles
END

check CALLS0714 'a process that would wait for itself by way of another is told so' <<'END'
$T/locks circles
END

check CALLS0800 'a program that runs cannot be written or cut, whatever it is called, until it has ended' <<'END'
$T/text_busy run zombies
END

check CALLS0801 'a child runs the program of its parent, which nobody writes as long' <<'END'
$T/text_busy children
END

check CALLS0802 'what is open for writing cannot be run, nor can a script; a file without a name can' <<'END'
$T/text_busy written scripts nameless
END

check CALLS0803 'a process and its threads are told how often they have left their CPU' <<'END'
grep -q '^voluntary_ctxt_switches:.*[1-9]' /proc/1/status
sh -c 'n=0; while [ $n -lt 20 ]; do sleep 0.01; n=$((n + 1)); done; cat /proc/$$/status' >s
test "$(awk '/^voluntary/ { print $2 }' s)" -ge 20
a=$(awk '$1 == "ctxt" { print $2 }' /proc/stat); sleep 0.1; b=$(awk '$1 == "ctxt" { print $2 }' /proc/stat)
test "$b" -gt "$a"
a=$(awk '$1 == "processes" { print $2 }' /proc/stat); true | true; b=$(awk '$1 == "processes" { print $2 }' /proc/stat)
test "$b" -ge $((a + 3))
cat /proc/loadavg >l & wait $!
test "$(awk '{ print $5 }' l)" -ge $!
END

check CALLS0820 'a program gets the capabilities of its file, within what its caller may ever have' <<'END'
$T/capabilities of-files
mkwpar -n given
startwpar given
clogin given sh -c "cd /tmp && mkdir -m 777 d && cd d && exec $T/capabilities of-files"
stopwpar -F given
rmwpar given
END

check CALLS0821 'a file that is changed gives no capabilities any more, and not everybody may say that one does' <<'END'
$T/capabilities of-changed-files
END

check SIGNAL0111 'a thread is cancelled in a call: its stack is unwound past the frame of a signal' <<'END'
$T/thread_signals cancelled
END

check CALLS0650 'each thread is somebody of its own, and what it makes or executes is who it is' <<'END'
$T/thread_users alone
$T/thread_users executing
wparexec -n users sh -c "cd /tmp && exec $T/thread_users alone"
END

check CALLS0651 'the library makes all threads of a process somebody else' <<'END'
$T/thread_users together
wparexec -n users $T/thread_users together
END
