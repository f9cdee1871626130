# The machine's account: what all partitions have used, those that are gone included, and idleness are all the time of all
# CPUs, whatever goes on. One load, on four CPUs, then on two of them, then on one.
# cpus: 4
# patience: 90

cat >/tmp/load.sh <<'EOF'
# Partitions that fork, fault, have timers, talk over the loopback network, compute, come and go, until /tmp/enough is there.
load() {
	for name in forking faulting ticking talking computing; do
		mkwpar -n $name -R shares_CPU=$1
		startwpar $name
	done
	cp $T/ticks /wpars/ticking/tmp/ticks
	clogin forking $T/bombs births >/dev/null 2>&1 &
	clogin faulting $T/bombs faults >/dev/null 2>&1 &
	clogin ticking /tmp/ticks 20 2000 >/dev/null 2>&1 &
	clogin computing sh -c 'while :; do :; done' >/dev/null 2>&1 &
	clogin talking sh -c 'while :; do nc -l -p 4000 </dev/zero >/dev/null; done' >/dev/null 2>&1 &
	clogin talking sh -c 'while :; do nc 127.0.0.1 4000 </dev/zero >/dev/null; done' >/dev/null 2>&1 &
	(while test ! -e /tmp/enough; do wparexec -n passing sh -c 'echo a | cat' >/dev/null 2>&1; done) &
}

unload() {
	: >/tmp/enough
	for name in forking faulting ticking talking computing; do stopwpar -F $name; rmwpar $name; done
	wait || true
	rm -f /tmp/enough
}

# `account SECONDS`: it adds up.
account() {
	$T/accounts $1 >/tmp/account || { cat /tmp/account; exit 1; }
	echo "note: $(cat /tmp/account)" >>/tmp/notes
}
EOF

check SCHEDULE0030 'all accounts and idleness add up to the time of four CPUs to within 0.01 %, at rest and under load' <<'END'
. /tmp/load.sh
account 3
load 10
sleep 1
account 6
account 6
unload
END

check SCHEDULE0031 'so they do on two CPUs' <<'END'
. /tmp/load.sh
chcpu -d 2,3
load 20
sleep 1
account 6
chcpu -e 2
chcpu -d 2
account 6
unload
END

check SCHEDULE0032 'so they do on one CPU' <<'END'
. /tmp/load.sh
chcpu -d 1
load 30
sleep 1
account 6
account 6
unload
chcpu -e 1-3
END

cat /tmp/notes
