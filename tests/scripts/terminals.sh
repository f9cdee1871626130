# Pseudoterminals and sessions: checks of tests/programs/c/pty.c, and what the system shows of them.

check PTY0001 'a pseudoterminal has a name and a number of its own, gone with its master' <<'END'
$T/pty names
END

check PTY0002 'the lowest free number is given out' <<'END'
$T/pty lowest-number
END

check PTY0003 'a slave cannot be opened before it is unlocked' <<'END'
$T/pty locked
END

check PTY0004 'TIOCGPTPEER opens the slave, which has its name' <<'END'
$T/pty peer
END

check PTY0005 'what a master writes is typed, edited and echoed' <<'END'
$T/pty transfer
END

check PTY0006 'a raw pseudoterminal changes nothing' <<'END'
$T/pty raw
END

check PTY0007 'a master reads EIO when its slave is closed, until it is opened again' <<'END'
$T/pty slave-closed
END

check PTY0008 'a slave is at its end when its master is closed' <<'END'
$T/pty master-closed
END

check PTY0009 'a pseudoterminal has a window size' <<'END'
$T/pty window
END

check PTY0010 'forkpty gives a session its own terminal' <<'END'
$T/pty own-terminal
END

check PTY0011 'Ctrl-C through a master interrupts' <<'END'
$T/pty interrupt
END

check PTY0012 'a new window size is told with SIGWINCH' <<'END'
$T/pty window-signal
END

check PTY0013 'TIOCSIG signals the foreground group' <<'END'
$T/pty sent-signal
END

check PTY0014 'closing the master hangs the session up' <<'END'
$T/pty hang-up
END

check PTY0015 'only the last descriptor of a master hangs up' <<'END'
$T/pty hang-up-last
END

check PTY0016 'the end of a session leader hangs up the foreground' <<'END'
$T/pty leader-ends
END

check PTY0017 'a reader in the background is stopped, and goes on in the foreground' <<'END'
$T/pty background-read
END

check PTY0018 'a terminal controls one session, a session has one terminal' <<'END'
$T/pty control
END

check PTY0019 'the number of pseudoterminals is limited, and they come back' <<'END'
$T/pty limit
END

check PTY0020 'much output through a slow master arrives whole' <<'END'
$T/pty flow
END

check PTY0021 'a master waits while its slave is full' <<'END'
$T/pty full
END

check PTY0022 'a signal interrupts a read from a slave' <<'END'
$T/pty interrupted-read
END

check PTY0023 'a terminal that is no more has no name, and the directory is empty again' <<'END'
test -c /dev/ptmx
test "$(stat -c %t,%T /dev/ptmx)" = 5,2
test -d /dev/pts
test -z "$(ls /dev/pts)"
test "$(stat -f -c %t /dev/pts)" = 1cd1
END

check PTY0024 'a program on a terminal of its own finds it by all its names' <<'END'
$T/on_pty sh -c 'tty; stty size; echo >/dev/tty mine; echo $(ps -o tty= -p $$); cut -d " " -f 7 /proc/self/stat' </dev/null >out
printf '/dev/pts/0\r\n24 80\r\nmine\r\npts/0\r\n34816\r\n' | cmp - out
END

check PTY0025 'a partition numbers its own terminals and sees no others' <<'END'
mkwpar -n ptys
startwpar ptys
$T/on_pty sh -c 'clogin ptys sh -c "tty; ls /dev/pts" </dev/null; ls /dev/pts' </dev/null >out
printf 'not a tty\r\n0\r\n' | cmp - out
test "$(clogin ptys stat -c %t,%T /dev/ptmx </dev/null)" = 5,2
stopwpar ptys
rmwpar ptys
test -z "$(ls /dev/pts)"
END
