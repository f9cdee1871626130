# Files that stand for events: each test is a check of a program in tests/programs.

check EVENT0001 'an eventfd counts, and a read takes the whole count' <<'END'
$T/events counter
END

check EVENT0002 'an eventfd as semaphore gives one for each read' <<'END'
$T/events semaphore
END

check EVENT0003 'a read of an eventfd waits for a write, and a full one for a read' <<'END'
$T/events waiting
END

check EVENT0004 'poll tells when an eventfd can be read and written' <<'END'
$T/events readiness
END

check EVENT0005 'what is no eventfd value or flag is refused' <<'END'
$T/events refused
END

check EVENT0006 'epoll reports what is ready as long as it is' <<'END'
$T/epoll level
END

check EVENT0007 'epoll reports each change once when asked for edges' <<'END'
$T/epoll edge
END

check EVENT0008 'a one-shot entry is silent until it is modified' <<'END'
$T/epoll once
END

check EVENT0009 'epoll tells of hang-ups, errors and half-closed sockets' <<'END'
$T/epoll ends
END

check EVENT0010 'a file is watched until its last descriptor is closed' <<'END'
$T/epoll closing
END

check EVENT0011 'epoll refuses what the manual page says, and loses nothing by that' <<'END'
$T/epoll refused
END

check EVENT0012 'epoll instances watch each other, not in a circle and not too deep' <<'END'
$T/epoll nested
END

check EVENT0013 'epoll waits for its time or for an event, in a child as well' <<'END'
$T/epoll waiting
END

check EVENT0014 'epoll_pwait lets a pending signal through and restores the mask' <<'END'
$T/epoll masked
END

check EVENT0015 'of many files epoll reports those that are ready, and each has its turn' <<'END'
$T/epoll many
END

check EVENT0016 'each change is told to one of several threads' <<'END'
$T/epoll threads
END

check EVENT0017 'a partition can watch no more than its share, and gets it back' <<'END'
$T/epoll limit
END

check EVENT0018 'a timerfd expires after its span, once' <<'END'
$T/timerfd relative
END

check EVENT0019 'a timerfd expires at a point of each clock, and at once if that is past' <<'END'
$T/timerfd absolute
END

check EVENT0020 'the count of a periodic timerfd depends on the time alone' <<'END'
$T/timerfd periodic
END

check EVENT0021 'setting a timerfd tells what it was and forgets what has expired' <<'END'
$T/timerfd setting
END

check EVENT0022 'poll and epoll tell when a timerfd has expired' <<'END'
$T/timerfd readiness
END

check EVENT0023 'timers of the wall clock follow it when it is set, or are cancelled' <<'END'
$T/timerfd clock_set
END

check EVENT0024 'a timerfd refuses what the manual page says' <<'END'
$T/timerfd refused
END

check EVENT0025 'a pidfd signals, tells the end of and awaits its process, and no other' <<'END'
$T/pidfd life
END

check EVENT0026 'a pidfd refuses what the manual page says' <<'END'
$T/pidfd refused
END

check EVENT0027 'pidfd_getfd gets a descriptor of another process' <<'END'
$T/pidfd getfd
END

check EVENT0028 'clone3 gives a pidfd and refuses what the manual page says' <<'END'
$T/pidfd cloned
END

check EVENT0029 'clone3 can reset handlers' <<'END'
$T/pidfd cleared
END

check EVENT0030 'signalfd reads the pending signals of its mask' <<'END'
$T/pidfd signals
END

check EVENT0031 'one epoll waits for signals and for processes' <<'END'
$T/pidfd loop
END

check EVENT0032 'a POSIX timer sends its signal at its time, on each clock' <<'END'
$T/timers signals
END

check EVENT0033 'what expires while the signal is under way is told with it' <<'END'
$T/timers overrun
END

check EVENT0034 'a timer whose signal is merged or ignored goes on' <<'END'
$T/timers merged
END

check EVENT0035 'a POSIX timer signals one thread' <<'END'
$T/timers thread
END

check EVENT0036 'POSIX timers are set, read and not inherited' <<'END'
$T/timers inherited
END

check EVENT0037 'POSIX timers refuse what the manual page says' <<'END'
$T/timers refused
END

check EVENT0038 'POSIX timers count CPU time of the process and of a thread' <<'END'
$T/timers cpu_timer
END

check EVENT0039 'interval timers of CPU time expire when it is used' <<'END'
$T/timers interval
END

check EVENT0046 'a program goes on whose interval timers are shorter than a signal takes' <<'END'
timeout -s KILL 20 $T/timers short-interval
END

check EVENT0040 'clocks of CPU time are those of the process, its threads and others' <<'END'
$T/timers clocks
END

check EVENT0041 'the limit of CPU time is SIGXCPU and then SIGKILL' <<'END'
$T/timers limit
END

check EVENT0042 'a lock whose word names its owner goes from hand to hand' <<'END'
$T/futexes owned
END

check EVENT0043 'such a lock is refused as the manual page says, and times out' <<'END'
$T/futexes refused
END

check EVENT0044 'a handler does not end the wait for a lock' <<'END'
$T/futexes interrupted
END

check EVENT0045 'who dies with a robust lock leaves it to the next, by whichever end' <<'END'
$T/futexes died
END

check FUTEX0001 'who waits on a word to be moved to a lock gets the lock' <<'END'
$T/futexes moved
END

check FUTEX0002 'a wait on several words tells which of them it was' <<'END'
$T/futexes among
END

check EVENT0061 'words of futexes may lie in pages that nobody has touched, and in some that may not be changed' <<'END'
$T/futexes untouched
END

check FUTEX0003 'the owner of a lock runs with the priority of who waits for it' <<'END'
$T/futexes lent
END

check EVENT0047 'a program goes on whose POSIX timers are shorter than a signal takes, and is told what it missed' <<'END'
timeout -s KILL 20 $T/timers short-timer
END

check EVENT0052 'the directory of a process in /proc takes signals as a pidfd does' <<'END'
$T/pidfd directory
END

check EVENTS0220 'a timer is told that its signal was taken when the signal means nothing' <<'END'
$T/timers meaningless
END
