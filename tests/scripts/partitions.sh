# Workload partitions: life cycle, isolation, resource control, bad input.

check WPAR0001 'a system WPAR is made, started, stopped and removed' <<'END'
mkwpar -n life
test "$(lswpar -q life | awk '{ print $1, $2, $3, $4, $5 }')" = 'life D S life /wpars/life'
startwpar life
test "$(lswpar -q life | awk '{ print $2 }')" = A
stopwpar -F life
test "$(lswpar -q life | awk '{ print $2 }')" = D
rmwpar life
test -z "$(lswpar -q)"
test ! -e /wpars/life
END

check WPAR0002 'lswpar prints a table with a rule' <<'END'
test -z "$(lswpar)"
mkwpar -n table -h some.host
lswpar >out
sed -n 1p out | grep -Eq '^Name +State +Type +Hostname +Directory *$'
sed -n 2p out | grep -Eq '^-{43,}$'
sed -n 3p out | grep -Eq '^table +D +S +some\.host +/wpars/table *$'
test "$(wc -l <out)" -eq 3
rmwpar table
END

check WPAR0003 'clogin hands over arguments, status and standard files, and nothing else' <<'END'
mkwpar -n door
startwpar door
test "$(clogin door sh -c 'echo "$1|$2|$#"' x 'a b' c)" = 'a b|c|2'
clogin door sh -c 'exit 9' || test $? -eq 9
test "$(echo text | clogin door cat)" = text
clogin door sh -c 'echo bad >&2' 2>err
test "$(cat err)" = bad
exec 9</etc/passwd
clogin door test ! -e /proc/self/fd/9
exec 9<&-
clogin door sh -c 'kill -TERM $$' || test $? -eq 143
test "$(clogin door hostname)" = door
stopwpar -F door
rmwpar door
END

check WPAR0004 'inside a WPAR only its own processes exist' <<'END'
mkwpar -n inner
startwpar inner
sleep 1000 & outside=$!
clogin inner ps -ef >out
! grep -q '[s]leep 1000' out
awk '$2 == 1 && $3 == 0 { init = 1 } END { exit !init }' out
clogin inner sh -c 'for p in /proc/[0-9]*; do cat $p/comm; done' >names
! grep -q '^vinit$' names
clogin inner sh -c "kill -9 $outside" 2>/dev/null && exit 1
clogin inner test ! -e /proc/$outside/status || clogin inner sh -c "! grep -q sleep /proc/$outside/cmdline"
kill -0 $outside
kill $outside
stopwpar -F inner
rmwpar inner
END

check WPAR0005 'Global sees the processes of every WPAR, by its own numbers' <<'END'
mkwpar -n seen
startwpar seen
clogin seen sleep 1002 &
until ps -ef -@ seen | grep -q '[s]leep 1002'; do :; done
ps -ef -@ >out
grep -q '[s]leep 1002' out
pid=$(ps -ef -@ seen | awk '/[s]leep 1002/ { print $3 }')
test "$pid" -gt 1 2>/dev/null || pid=$(ps -ef | awk '/[s]leep 1002/ { print $2 }')
! ps -ef -@ Global | grep -q '[s]leep 1002'
stopwpar -F seen
! ps -ef -@ | grep -q '[s]leep 1002'
rmwpar seen
END

check WPAR0006 'the files of a WPAR are its own, and its /usr is read-only' <<'END'
mkwpar -n files
startwpar files
clogin files touch /tmp/inside
test -f /wpars/files/tmp/inside
test ! -e /tmp/inside
for path in /usr/x /usr/bin/x /opt/x; do clogin files touch $path 2>/dev/null && exit 1; done
clogin files test ! -e /wpars/files
test "$(clogin files sh -c 'cd /../../..; pwd')" = /
clogin files sh -c 'ln -s ../../../../../../etc/hostname /tmp/up; cat /tmp/up' >out 2>/dev/null || true
! grep -q "$(hostname)" out
stopwpar -F files
rmwpar files
END

check WPAR0007 'an application WPAR hands on the status and leaves nothing' <<'END'
for status in 0 1 9 127 255; do
	code=0
	wparexec /bin/sh -c "exit $status" || code=$?
	test $code -eq $status
done
wparexec -n named /bin/sh -c 'test "$(hostname)" = named && test $$ -gt 1 && test "$(uname -W)" -gt 0'
test "$(echo through | wparexec cat)" = through
test -z "$(lswpar -q)"
END

check WPAR0008 'wparexec ends when the last process has ended' <<'END'
before=$(awk '{ print int($1 * 100) }' /proc/uptime)
wparexec /bin/sh -c 'sleep 1 & exit 5' || test $? -eq 5
after=$(awk '{ print int($1 * 100) }' /proc/uptime)
test $((after - before)) -ge 99
test -z "$(lswpar -q)"
END

check WPAR0009 'two hundred wparexec in a row leave memory as it was' <<'END'
i=0; while [ $i -lt 20 ]; do wparexec /bin/true; i=$((i + 1)); done
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
i=0; while [ $i -lt 200 ]; do wparexec /bin/true; i=$((i + 1)); done
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
echo "free before $before after $after"
test $((before - after)) -lt 256
test -z "$(lswpar -q)"
END

check WPAR0010 'making and removing system WPARs leaves memory as it was' <<'END'
cycle() { mkwpar -n cycle >/dev/null; startwpar cycle >/dev/null; stopwpar -F cycle >/dev/null; rmwpar cycle >/dev/null; }
cycle; cycle
before=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
i=0; while [ $i -lt 10 ]; do cycle; i=$((i + 1)); done
after=$(awk '/^MemFree:/ { print $2 }' /proc/meminfo)
echo "free before $before after $after"
test $((before - after)) -lt 512
END

check WPAR0011 'pipelines in three WPARs at once' <<'END'
for name in a b c; do mkwpar -n $name; startwpar $name; done
for name in a b c; do clogin $name sh -c 'seq 1 5000 | sort -rn | awk "{ s += \$1 } END { print s }" >/tmp/sum' & done
wait
for name in a b c; do test "$(cat /wpars/$name/tmp/sum)" -eq 12502500; done
for name in a b c; do stopwpar -F $name; rmwpar $name; done
END

check WPAR0012 'shares 10 and 20 divide the CPU 1:2' <<'END'
mkwpar -n one -R shares_CPU=10
mkwpar -n two -R shares_CPU=20
startwpar one
startwpar two
clogin one sh -c 'while :; do :; done' &
clogin two sh -c 'while :; do :; done' &
clogin two sh -c 'while :; do :; done' &
until [ "$(ps -ef -@ two | grep -c 'while')" -ge 2 ] && ps -ef -@ one | grep -q while; do :; done
wlmstat -@ ALL 5 1 | tee report
awk '$1 == "one" { x = $2 } $1 == "two" { y = $2 } END { part = 100 * x / (x + y); exit !(part > 32.3 && part < 34.3) }' report
stopwpar -F one
stopwpar -F two
rmwpar one
rmwpar two
END

check WPAR0013 'shares change at run time' <<'END'
mkwpar -n live
chwpar -R shares_CPU=20 live
lswpar -R live | grep -Eq '^CPU Shares: +20$'
startwpar live
chwpar -R shares_CPU=7 live
lswpar -R live | grep -Eq '^CPU Shares: +7$'
stopwpar -F live
rmwpar live
END

check WPAR0014 'bad input is one line, not zero, and changes nothing' <<'END'
refused() {
	if "$@" >out 2>err; then echo "accepted: $*"; exit 1; fi
	if [ "$(wc -l <err)" -ne 1 ]; then echo "$*:"; cat err; exit 1; fi
}
refused mkwpar -n Global
refused mkwpar -n global
refused mkwpar -n -x
refused mkwpar -n .x
refused mkwpar -n a/b
refused mkwpar -n 'a b'
refused mkwpar -n abcdefghijklmnopqrstuvwxyz
refused mkwpar -n ''
refused mkwpar
refused mkwpar --no-such-flag
refused mkwpar -n ok -R shares_CPU=0
refused mkwpar -n ok -R shares_CPU=70000
refused mkwpar -n ok -R shares_CPU=x
refused mkwpar -n ok -R no_such=1
refused startwpar none
refused stopwpar none
refused rmwpar none
refused chwpar -n x none
refused clogin none true
refused lswpar none
refused wparexec
refused wparexec /no/such/program
refused startwpar
test -z "$(lswpar -q)"
mkwpar -n taken
refused mkwpar -n taken
refused clogin taken true
refused stopwpar taken
startwpar taken
refused startwpar taken
refused rmwpar taken
refused chwpar -n other taken
grep -q '^chwpar: 0960-053 ' err
stopwpar -F taken
chwpar -n other taken
rmwpar other
test -z "$(lswpar -q)"
END

check WPAR0015 'a process in a WPAR cannot administer' <<'END'
mkwpar -n prison
startwpar prison
clogin prison mkwpar -n child >/dev/null 2>&1 && exit 1
clogin prison stopwpar -F prison >/dev/null 2>&1 && exit 1
clogin prison mount -t proc proc /mnt >/dev/null 2>&1 && exit 1
clogin prison date -s 2020-01-01 2>&1 | grep -q 'not permitted'
clogin prison sh -c 'mknod /tmp/mem c 1 1' >/dev/null 2>&1 && exit 1
clogin prison sh -c 'chroot /proc/1/root ls /wpars/prison' >/dev/null 2>&1 && exit 1
test "$(date +%Y)" -ge 2024
stopwpar -F prison
rmwpar prison
END

check WPAR0016 'fork bombs and busy loops in a WPAR leave Global responsive' <<'END'
mkwpar -n busy -R shares_CPU=1
startwpar busy
for i in 1 2 3 4 5 6 7 8; do clogin busy sh -c 'while :; do :; done' & done
before=$(awk '{ print int($1 * 100) }' /proc/uptime)
ls /usr/bin >/dev/null
after=$(awk '{ print int($1 * 100) }' /proc/uptime)
test $((after - before)) -lt 200
stopwpar -F busy
rmwpar busy
wait
END

check WPAR0017 'forty WPARs run at once' <<'END'
i=0; while [ $i -lt 40 ]; do wparexec -n w$i sleep 1000 & i=$((i + 1)); done
until [ "$(lswpar -q | awk '$2 == "A"' | wc -l)" -eq 40 ]; do :; done
i=0; while [ $i -lt 40 ]; do stopwpar -F w$i; i=$((i + 1)); done
wait
test -z "$(lswpar -q)"
END

check WPAR0018 'wlmstat shows each class' <<'END'
mkwpar -n classy
startwpar classy
wlmstat -@ >out
head -n 1 out | grep -Eq 'CLASS +CPU +MEM'
grep -q classy out
stopwpar -F classy
rmwpar classy
END

check WPAR0019 'keys are never used twice' <<'END'
mkwpar -n k1; startwpar k1; first=$(clogin k1 uname -W); stopwpar -F k1; rmwpar k1
mkwpar -n k2; startwpar k2; second=$(clogin k2 uname -W); stopwpar -F k2; rmwpar k2
test "$first" -gt 0
test "$second" -gt "$first"
END

check WPAR0020 'the init of a WPAR reaps orphans' <<'END'
(setsid sh -c 'setsid sleep 0 &' &)
until ! ps -ef -@ Global | grep -q '[d]efunct'; do :; done
mkwpar -n reaper
startwpar reaper
clogin reaper sh -c '(sleep 0 &) ; (setsid sleep 0 &) ; exit 0'
until ! clogin reaper sh -c 'grep -ls "^State:.Z" /proc/[0-9]*/status'; do :; done >/dev/null
stopwpar -F reaper
rmwpar reaper
END
