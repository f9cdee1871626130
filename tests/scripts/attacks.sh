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

cat /tmp/notes
