# Address spaces and registers: each test is a check of a program in tests/programs.

check MEMORY0001 'anonymous memory is zero, and goes when it is unmapped' <<'END'
$T/memory anonymous
END

check MEMORY0002 'protection holds' <<'END'
$T/memory protection
END

check MEMORY0003 'only executable pages are executed' <<'END'
$T/memory execution
END

check MEMORY0004 'fixed mappings replace, or refuse to' <<'END'
$T/memory fixed
END

check MEMORY0005 'after fork neither sees what the other writes' <<'END'
$T/memory copy-on-write
END

check MEMORY0006 'shared memory is shared over fork' <<'END'
$T/memory shared
END

check MEMORY0007 'a file is mapped privately' <<'END'
$T/memory file
END

check MEMORY0008 'beyond the end of a mapped file is SIGBUS' <<'END'
$T/memory beyond-file
END

check MEMORY0009 'brk moves up and down' <<'END'
$T/memory break
END

check MEMORY0010 '64 GiB of address space cost only what is touched' <<'END'
$T/memory sparse
END

check MEMORY0011 'thousands of mappings' <<'END'
$T/memory many-maps
END

check MEMORY0012 'mremap grows, moves and shrinks' <<'END'
$T/memory grow
END

check MEMORY0013 'MADV_DONTNEED gives zeros' <<'END'
$T/memory discard
END

check MEMORY0014 'the stack grows to its limit and no further' <<'END'
$T/memory stack
END

check MEMORY0016 'mincore tells what is in memory, and MADV_FREE frees private memory only' <<'END'
$T/memory residence
END

check MEMORY0651 'pages move alone, and what they were mapped at stays mapped' <<'END'
$T/memory left-mapped
END

check MEMORY0017 'a promise of more memory than there is is refused' <<'END'
$T/memory overcommit
END

check MEMORY0015 'a process that takes all memory harms only itself' <<'END'
$T/memory exhaust
END

check FLOAT0001 'FP and vector registers survive switches between processes' <<'END'
$T/floating processes
END

check FLOAT0002 'FP and vector registers survive preemption' <<'END'
$T/floating preempted
END

check FLOAT0003 'FP and vector registers survive switches between threads' <<'END'
$T/floating threads
END

check FLOAT0004 'FP and vector registers survive handlers' <<'END'
$T/floating signals
END

check FLOAT0005 'the rounding mode is the own to process' <<'END'
$T/floating status-register
END

check FLOAT0006 'a child begins with the FP registers of its parent' <<'END'
$T/floating forked
END

check FLOAT0007 'floating-point and vector arithmetic is right' <<'END'
$T/floating arithmetic
END

check MEM0030 'stack, heap and mappings are elsewhere in each run' <<'END'
$T/places differ
[ "$(cat /proc/sys/kernel/randomize_va_space)" = 2 ]
END

check MEM0031 'a program that asks for it is at the same places in each run' <<'END'
$T/places fixed
END

check MEM0032 'all of the stack that the limit allows is there' <<'END'
$T/places deep
END

check MEMORY0230 'a program is told the block of its caches as dcbz clears it, and what stack a signal takes' <<'END'
$T/auxiliary blocks
$T/auxiliary stack
END
