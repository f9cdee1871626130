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
