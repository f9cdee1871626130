# Dynamically linked programs: each test is a check of a program in tests/programs/dynamic, which is there
# position-independent (dynamic) and at a fixed address (dynamic-fixed).

check DYN0001 'programs find themselves and their linker in the auxiliary vector' <<'END'
$T/dynamic auxiliary
$T/dynamic-fixed auxiliary
END

check DYN0002 'the rest of the last page of data is zero' <<'END'
$T/dynamic tail
$T/dynamic-fixed tail
END

check DYN0003 'relocated constants cannot be written' <<'END'
$T/dynamic relro
$T/dynamic-fixed relro
END

check DYN0004 'libraries are opened at run time' <<'END'
$T/dynamic library
$T/dynamic-fixed library
END

check DYN0005 'threads have their own thread-local variables' <<'END'
$T/dynamic threads
$T/dynamic-fixed threads
END

check DYN0006 'functions are bound in children' <<'END'
$T/dynamic child
$T/dynamic-fixed child
END

check DYN0007 'MAP_FIXED_NOREPLACE replaces nothing' <<'END'
$T/dynamic noreplace
END

check DYN0008 'the linker runs a program that is its argument' <<'END'
/lib64/ld64.so.2 $T/dynamic library threads
END

check DYN0009 'a program whose linker is missing is not there' <<'END'
mv /usr/lib64/ld64.so.2 /usr/lib64/moved
status=0
$T/dynamic library || status=$?
mv /usr/lib64/moved /usr/lib64/ld64.so.2
[ $status = 127 ]
END

check DYN0010 'dynamically linked programs run in a system WPAR' <<'END'
mkwpar -n dynamic
startwpar dynamic
clogin dynamic $T/dynamic auxiliary tail library threads child
stopwpar -F dynamic
rmwpar dynamic
END

check DYN0011 'proc names the mapped files and shows the auxiliary vector' <<'END'
$T/dynamic proc
$T/dynamic-fixed proc
END

check DYN0012 'POSIX shared memory and semaphores have names, each environment its own' <<'END'
$T/dynamic named
[ "$(stat -c %a /dev/shm)" = 1777 ]
echo secret >/dev/shm/mark
mkwpar -n named
startwpar named
clogin named $T/dynamic named
! clogin named test -e /dev/shm/mark
stopwpar -F named
rmwpar named
rm /dev/shm/mark
END

check DYN0013 'a movable program and its linker are elsewhere in each run' <<'END'
where() { grep "$1" | head -n 1 | cut -d- -f1; }
for i in 1 2 3 4; do $T/dynamic maps >maps.$i; where dynamic <maps.$i >>programs; where ld64 <maps.$i >>linkers; done
[ "$(sort -u programs | wc -l)" = 4 ]
[ "$(sort -u linkers | wc -l)" = 4 ]
END
