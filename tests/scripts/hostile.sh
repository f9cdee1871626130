# Attacks out of a partition (mob) while another one (calm) works and Global's shell goes on; the mob is then removed in the
# midst of it. Each attack runs twice: with the limits that an administrator would set, and without any.
# cpus: 2
# patience: 90

cat >/tmp/attacks.sh <<'EOF'
free_now() { awk '/^MemFree/ { print $2 }' /proc/meminfo; }
hundredths() { awk '{ print int($1 * 100) }' /proc/uptime; }

# Runs an attack for a second: `attack NAME LIMITS…`.
attack() {
	name=$1
	shift
	mkwpar -n calm
	startwpar calm
	clogin calm sh -c 'while :; do :; done' &
	until ps -e -@ calm -o args= | grep -q 'while :'; do :; done
	mkwpar -n mob "$@"
	startwpar mob
	clogin mob $T/bombs $name >/dev/null 2>&1 &
	worst=0
	# An attack that takes time takes it in each window; a host that holds a CPU up for longer than a slice, in the one only.
	for window in 1 2 3; do
		wlmstat -@ calm 1 1 >/tmp/account &
		account=$!
		began=$(hundredths)
		while [ $(($(hundredths) - began)) -lt 100 ]; do
			start=$(hundredths)
			/bin/busybox true
			took=$(($(hundredths) - start))
			[ $took -le $worst ] || worst=$took
		done
		wait $account
		had=$(awk '$1 == "calm" { print int($2 * 100) }' /tmp/account)
		[ $had -lt 3250 ] || break
	done
	start=$(hundredths)
	stopwpar -F mob
	rmwpar mob
	ended=$(($(hundredths) - start))
	stopwpar -F calm
	rmwpar calm
	wait
	echo "RESULT $name $*: calm had $had hundredths of a percent, a command took $worst, the end $ended hundredths"
	# Its part of the machine is a third by the kernel's own account, less two slices of each CPU in a second.
	test $had -ge 3250
	test $worst -le 200
	test $ended -le 400
}

# Memory is afterwards as it was.
attacks() {
	attack $1 -R totalProcesses=200 totalThreads=400 memory=0%-25%,25%
	before=$(free_now)
	attack $1
	after=$(free_now)
	echo "RESULT free before $before after $after"
	test $after -ge $((before - 1024))
}
EOF

check HOSTILE0001 'a fork bomb' <<'END'
. /tmp/attacks.sh
attacks forks
END

check HOSTILE0002 'a thread bomb' <<'END'
. /tmp/attacks.sh
attacks threads
END

check HOSTILE0003 'memory that is mapped and touched without end' <<'END'
. /tmp/attacks.sh
attacks maps
END

check HOSTILE0004 'a page here and there, whose tables cost more than they' <<'END'
. /tmp/attacks.sh
attacks tables
END

check HOSTILE0005 'pipes filled and kept' <<'END'
. /tmp/attacks.sh
attacks pipes
END

check HOSTILE0006 'sockets filled and kept' <<'END'
. /tmp/attacks.sh
attacks sockets
END

check HOSTILE0007 'descriptors without end' <<'END'
. /tmp/attacks.sh
attacks descriptors
END

check HOSTILE0008 'all pseudo-terminals' <<'END'
. /tmp/attacks.sh
attacks terminals
END

check HOSTILE0009 'storms of real-time signals' <<'END'
. /tmp/attacks.sh
attacks signals
END

check HOSTILE0010 'timers at their shortest period' <<'END'
. /tmp/attacks.sh
attacks alarms
END

check HOSTILE0011 'a program that executes itself' <<'END'
. /tmp/attacks.sh
attacks execs
END

check HOSTILE0012 'children by the thousand that nobody waits for' <<'END'
. /tmp/attacks.sh
attacks zombies
END

check HOSTILE0013 'futexes woken and waited for as fast as it goes' <<'END'
. /tmp/attacks.sh
attacks futexes
END

check HOSTILE0014 'directories inside each other without end' <<'END'
. /tmp/attacks.sh
attacks directories
END

check HOSTILE0015 'files that fill all memory' <<'END'
. /tmp/attacks.sh
attacks files
END

check HOSTILE0016 'calls as fast as it goes' <<'END'
. /tmp/attacks.sh
attacks calls
END

check HOSTILE0017 'page faults as fast as it goes' <<'END'
. /tmp/attacks.sh
attacks faults
END

check HOSTILE0018 'births and deaths as fast as it goes' <<'END'
. /tmp/attacks.sh
attacks births
END

check HOSTILE0019 'every call number with hostile arguments leaves the kernel and a computing neighbour alive' <<'END'
mkwpar -n enemy -R memory=0%-25%,25% totalProcesses=128
mkwpar -n victim
startwpar victim
clogin victim sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; echo $i >/tmp/sum' & victim=$!
startwpar enemy
cp $T/hostile /wpars/enemy/tmp/hostile
clogin enemy /tmp/hostile calls
wait $victim
test "$(cat /wpars/victim/tmp/sum)" -eq 200000
stopwpar -F enemy
stopwpar -F victim
rmwpar enemy
rmwpar victim
test -z "$(lswpar -q)"
END

check HOSTILE0020 'privileged, reserved and random instructions leave the kernel alive' <<'END'
mkwpar -n enemy -R memory=0%-25%,25% totalProcesses=128
startwpar enemy
cp $T/hostile /wpars/enemy/tmp/hostile
clogin enemy /tmp/hostile instructions
stopwpar -F enemy
rmwpar enemy
test -z "$(lswpar -q)"
END

check HOSTILE0021 'every special register, read and written, leaves the kernel alive' <<'END'
mkwpar -n enemy -R memory=0%-25%,25% totalProcesses=128
startwpar enemy
cp $T/hostile /wpars/enemy/tmp/hostile
clogin enemy /tmp/hostile registers
stopwpar -F enemy
rmwpar enemy
test -z "$(lswpar -q)"
END

check HOSTILE0022 'what timers do when they interrupt another WPAR is charged to the one that has set them' <<'END'
mkwpar -n ticker -R CPU=0%-40%,40%
mkwpar -n victim
startwpar ticker
startwpar victim
cp $T/ticks /wpars/ticker/tmp/ticks
clogin victim sh -c 'while :; do :; done' &
clogin victim sh -c 'while :; do :; done' &
until test "$(ps -e -@ victim -o args= | grep -c 'while :')" -ge 2; do :; done
clogin ticker /tmp/ticks 50 5000 &
until test "$(ps -e -@ ticker -o args= | grep -c '[t]icks')" -ge 50; do :; done
# Its processes sleep with the signal blocked: all that it uses is its timers' expiry.
wlmstat -@ ALL 4 1 >account
cat account
awk '$1 == "ticker" { paid = $2 >= 2 } $1 == "TOTAL" { sum = $2 <= 100.01 } END { exit !(paid && sum) }' account
for name in ticker victim; do stopwpar -F $name; rmwpar $name; done
wait || true
END
