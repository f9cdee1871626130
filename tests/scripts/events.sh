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
