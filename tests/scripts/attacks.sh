# What a computing WPAR (calm) loses beside one that forks, faults, sends, calls or has timers expire as fast as it can, against
# an ordinary neighbour of the same share: windows of a second in turn, ordinary, attack, ordinary, attack.
# cpus: 1
# time: counted
# patience: 300

cat >/tmp/loss.sh <<'EOF'
# The hundredths of a percent that calm has beside this command.
window() {
	mkwpar -n neighbour -R shares_CPU=10 >/dev/null
	startwpar neighbour >/dev/null
	cp $T/ticks /wpars/neighbour/tmp/ticks
	clogin neighbour sh -c "$1" >/dev/null 2>&1 & neighbour=$!
	sleep 0.2
	wlmstat -@ calm 1 1 | awk '$1 == "calm" { print int($2 * 100) }'
	stopwpar -F neighbour >/dev/null
	rmwpar neighbour >/dev/null
	wait $neighbour || true
}

# `loss NAME COMMAND`: less than 1 % beside COMMAND.
loss() {
	mkwpar -n calm -R shares_CPU=10
	startwpar calm
	clogin calm sh -c 'while :; do :; done' & calm=$!
	until ps -e -@ calm -o args= | grep -q 'while :'; do :; done
	ordinary=0 attack=0
	for turn in 1 2; do
		had=$(window 'while :; do :; done')
		ordinary=$((ordinary + had))
		had=$(window "$2")
		attack=$((attack + had))
	done
	stopwpar -F calm
	rmwpar calm
	wait $calm || true
	lost=$(((ordinary - attack) * 10000 / ordinary))
	echo "note: beside $1 $lost hundredths of a percent are lost of $ordinary" >>/tmp/notes
	cat /tmp/notes
	test $ordinary -ge 9000
	test $lost -lt 100
}
EOF

check HOSTILE0040 'beside a WPAR that forks others lose less than 1 %' <<'END'
. /tmp/loss.sh
loss forks "$T/bombs births"
END

check HOSTILE0041 'beside one that faults' <<'END'
. /tmp/loss.sh
loss faults "$T/bombs faults"
END

check HOSTILE0042 'beside one that sends' <<'END'
. /tmp/loss.sh
loss sends 'while :; do nc -l -p 4000 </dev/zero >/dev/null; done & while :; do nc 127.0.0.1 4000 </dev/zero >/dev/null; done'
END

check HOSTILE0043 'beside one that calls' <<'END'
. /tmp/loss.sh
loss calls "$T/bombs calls"
END

check HOSTILE0044 'beside one whose timers expire all the time' <<'END'
. /tmp/loss.sh
loss timers '/tmp/ticks 20 500 & while :; do :; done'
END

cat >/tmp/timers.sh <<'EOF'
# `timers CONTROLS PART`: 60 processes whose timers would take a CPU between them have no more than PART percent of it
# under these controls, and calm, which computes with 99 shares, has the rest.
timers() {
	mkwpar -n calm -R shares_CPU=99
	startwpar calm
	clogin calm sh -c 'while :; do :; done' & calm=$!
	mkwpar -n neighbour -R shares_CPU=99
	startwpar neighbour
	cp $T/ticks /wpars/neighbour/tmp/ticks
	clogin neighbour /tmp/ticks 60 500 & neighbour=$!
	until test "$(ps -e -@ neighbour -o args= | grep -c '[t]icks')" -ge 60; do :; done
	chwpar -R $1 neighbour
	sleep 0.2
	wlmstat -@ ALL 2 1 >account
	cat account
	awk -v controls=$1 '$1 == "neighbour" || $1 == "calm" { print "note: with timers and " controls, $1, "has", $2, "%" }' account >>/tmp/notes
	for name in calm neighbour; do stopwpar -F $name; rmwpar $name; done
	wait $calm $neighbour || true
	awk -v part=$2 '$1 == "neighbour" { few = $2 <= part } $1 == "calm" { all = $2 >= 99 - part } END { exit !(few && all) }' account
}
EOF

check HOSTILE0045 'timers by the thousand take no more than the hard maximum of their WPAR' <<'END'
. /tmp/timers.sh
timers CPU=0%-1%,1% 1.25
END

check HOSTILE0046 'nor more than its shares are worth' <<'END'
. /tmp/timers.sh
timers shares_CPU=1 1.5
END

cat >/tmp/pace.sh <<'EOF'
# `pace NAME PART COMMAND`: a piece of computing costs as much CPU time beside COMMAND as beside a WPAR that computes: what the
# kernel does for others is not in its account, but for the way in and out at each interrupt, which is PART thousandths at most.
pace() {
	beside=0
	mkwpar -n calm
	startwpar calm
	cp $T/pace /wpars/calm/tmp/pace
	for command in 'while :; do :; done' "$3"; do
		mkwpar -n neighbour
		startwpar neighbour
		cp $T/ticks $T/bombs /wpars/neighbour/tmp
		clogin neighbour sh -c "$command" >/dev/null 2>&1 & neighbour=$!
		sleep 0.2
		ordinary=$beside
		beside=$(clogin calm /tmp/pace 20)
		stopwpar -F neighbour
		rmwpar neighbour
		wait $neighbour || true
	done
	stopwpar -F calm
	rmwpar calm
	echo "note: beside $1 a piece of work costs $beside ns, $ordinary beside one that computes" >>/tmp/notes
	cat /tmp/notes
	test $ordinary -gt 0
	test $((beside * 1000)) -le $((ordinary * (1000 + $2)))
}
EOF

check HOSTILE0050 'computing costs the same beside one whose timers expire' <<'END'
. /tmp/pace.sh
pace timers 90 '/tmp/ticks 20 500'
END

check HOSTILE0051 'beside one that sends' <<'END'
. /tmp/pace.sh
pace sends 10 'while :; do nc -l -p 4000 </dev/zero >/dev/null; done & while :; do nc 127.0.0.1 4000 </dev/zero >/dev/null; done'
END

check HOSTILE0052 'beside one that forks' <<'END'
. /tmp/pace.sh
pace forks 10 '/tmp/bombs births'
END

cat /tmp/notes
