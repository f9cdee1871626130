# Every place in the kernel that allocates for a piece of work is made to fail once; see tests/programs/c/injection.c. Neither
# does the kernel end, nor does a program wait for ever, and what memory was free is free afterwards.
# kernel: debug
# patience: 300

cat >/tmp/survive.sh <<'OUTER'
free_now() { awk '/^MemFree/ { print $2 }' /proc/meminfo; }

# The second argument is how many runs may wait for ever, until they are killed.
# A megabyte less is for what the system itself keeps of a first time.
before=$(free_now)
$T/injection 8 $T/injection work $1 >/tmp/places
after=$(free_now)
cat /tmp/places
sed "s/.*places \([0-9]*\) runs \([0-9]*\) .*/note: $1: \1 places in \2 runs/" /tmp/places >>/tmp/notes
stuck=$(sed -n "s/.*stuck \([0-9]*\) of.*/\1/p" /tmp/places)
test "$stuck" -le ${2:-0}
echo "RESULT free before $before after $after"
test $after -ge $((before - 1024))
OUTER

check INJECT0001 'work with files survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh files
END

check INJECT0002 'reading /proc and /sys survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh proc
END

check INJECT0003 'work with memory survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh memory
END

check INJECT0004 'work with processes survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh processes
END

check INJECT0005 'signals and timers survive every failure of an allocation' <<'END'
sh -e /tmp/survive.sh signals
END

check INJECT0006 'waiting for events survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh events
END

check INJECT0007 'work with sockets survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh sockets
END

check INJECT0008 'work with terminals survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh terminals
END

check INJECT0009 'System V IPC and message queues survive every failure of an allocation' <<'END'
sh -e /tmp/survive.sh queues
END

check INJECT0010 'the network of a partition survives every failure of an allocation' <<'END'
sh -e /tmp/survive.sh network
END

cat /tmp/notes
