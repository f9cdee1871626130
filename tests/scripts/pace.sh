# What a WPAR's programs compute in a second of their CPU time is the same whoever else interrupts them: the interrupts by which
# others are woken, their timers' and their packets', are in the others' accounts.
# cpus: 2
# time: counted
# patience: 120

cat >/tmp/pace.sh <<'EOS'
# `pace NAME COMMAND`: a piece of work on CPU 0 costs as much CPU time beside COMMAND as beside a WPAR that computes, but for
# the way into the kernel at each interrupt.
pace() {
	for name in calm other; do
		mkwpar -n $name
		startwpar $name
		for program in pace ticks bombs; do cp $T/$program /wpars/$name/tmp; done
	done
	clogin other taskset 1 sh -c 'while :; do :; done' >/dev/null 2>&1 &
	until ps -e -@ other -o args= | grep -q 'while :'; do :; done
	alone=$(clogin calm /tmp/pace compute 30)
	stopwpar -F other
	startwpar other
	clogin other sh -c "$2" >/dev/null 2>&1 &
	sleep 0.3
	beside=$(clogin calm /tmp/pace compute 30)
	for name in calm other; do stopwpar -F $name; rmwpar $name; done
	wait || true
	echo "note: beside $1 the work cost $beside ns, $alone without" >>/tmp/notes
	cat /tmp/notes
	test $alone -gt 0
	test $((beside * 1000)) -le $((alone * 1010))
}
EOS

check HOSTILE0050 'computing costs the same beside one whose sleeper is woken on its CPU from another' <<'END'
. /tmp/pace.sh
pace wake-ups '/tmp/pace rouse'
END

check HOSTILE0051 'beside one that has timers' <<'END'
. /tmp/pace.sh
pace timers '/tmp/ticks 20 500'
END

check HOSTILE0052 'beside one that sends over loopback' <<'END'
. /tmp/pace.sh
pace packets 'while :; do nc -l -p 4000 </dev/zero >/dev/null; done & while :; do nc 127.0.0.1 4000 </dev/zero >/dev/null; done'
END

check HOSTILE0053 'beside one that forks' <<'END'
. /tmp/pace.sh
pace births '/tmp/bombs births'
END

cat /tmp/notes
