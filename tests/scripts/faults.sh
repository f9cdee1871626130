# What programs get wrong: each test is a check of a program in tests/programs.

check FAULT0001 'bad buffers are EFAULT, and no data is lost' <<'END'
$T/faults read-write
END

check FAULT0002 'bad path pointers are EFAULT' <<'END'
$T/faults paths
END

check FAULT0003 'bad structure pointers are EFAULT' <<'END'
$T/faults structures
END

check FAULT0004 'a bad status pointer is EFAULT' <<'END'
$T/faults wait-pointer
END

check FAULT0005 'a buffer that is half there' <<'END'
$T/faults half-bad
END

check FAULT0006 'a read into read-only memory is EFAULT' <<'END'
$T/faults read-only-target
END

check FAULT0007 'every call number with nonsense leaves the kernel alive' <<'END'
$T/faults random-calls
END

check FAULT0008 'illegal and privileged instructions are the right signals' <<'END'
$T/faults instructions
END

check FAULT0009 'odd instructions leave the kernel alive' <<'END'
$T/faults odd-instructions
END

check FAULT0010 'kernel addresses are SIGSEGV to load, store and jump' <<'END'
$T/faults addresses
END

check FAULT0011 'a forged signal frame gains nothing' <<'END'
$T/faults forged-frame
END
