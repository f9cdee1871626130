# Applets of Debian's busybox, each held to what its help and POSIX say of it, in a system WPAR.
#
# memory: 1G
# cpus: 2
# patience: 90

mkwpar -n conform >/dev/null
startwpar conform >/dev/null

# Each check is the lines below `== APPLET`, for a shell that ends at the first failure, in an empty folder. `is TEXT
# COMMAND` holds the command to its output.
cat >/wpars/conform/tmp/checks <<'CHECKS'
== ash
is 'a b' busybox ash -c 'set -- a b; echo "$*"'
is 3 busybox ash -c 'trap "echo 3" EXIT; exit 0'
== awk
seq 100 >n
is 5050 busybox awk '{ s += $1 } END { print s }' n
is 'c-b-a' busybox awk 'BEGIN { n = split("a:b:c", x, ":"); print x[3] "-" x[2] "-" x[1] }'
== base64
is Y29ycmFsCg== busybox base64 <<X
$(printf corral)
X
== basename
is c busybox basename /a/b/c.d .d
== bc
is 1267650600228229401496703205376 busybox bc <<X
2^100
X
== bunzip2
seq 1000 >a; busybox bzip2 -k a; busybox bunzip2 -c a.bz2 | cmp - a
== bzip2
seq 20000 >a; busybox bzip2 -k a; test $(stat -c %s a.bz2) -lt $(stat -c %s a); busybox bzip2 -dc a.bz2 | cmp - a
== cat
printf 'a\nb' >a; printf '\nc\n' >b; is "$(printf 'a\nb\nc')" busybox cat a b
== chgrp
touch a; busybox chgrp 77 a; is 77 stat -c %g a
== chmod
touch a; busybox chmod u=rwx,go=r a; is 744 stat -c %a a; busybox chmod g+s a; is 2744 stat -c %a a
== chown
touch a; ln -s a l; busybox chown 5:6 l; is 5:6 stat -c %u:%g a; busybox chown -h 7 l; is 7 stat -c %u l
== chroot
mkdir -p r/bin; cp /usr/bin/busybox r/bin/; is /bin busybox chroot r /bin/busybox ls -d /bin
== cmp
echo a >a; echo b >b; ! busybox cmp -s a b; busybox cmp a a
== cp
mkdir a; echo x >a/f; ln -s f a/l; busybox cp -a a b; is f readlink b/l; cmp a/f b/f
== cpio
mkdir a; seq 9 >a/f; find a | busybox cpio -o -H newc >c 2>err; mv a o; busybox cpio -i <c 2>err; cmp a/f o/f
== cut
is b busybox cut -d: -f2 <<X
a:b:c
X
== date
is 2001-02-03T04:05:06 env TZ=UTC0 busybox date -d @981173106 +%Y-%m-%dT%H:%M:%S
== dc
is 42 busybox dc -e '6 7 * p'
== dd
busybox dd if=/dev/zero of=a bs=1k count=3 seek=2 2>err; is 5120 stat -c %s a; grep -q '3+0 records out' err
== df
busybox df / | grep -q ' /$'
== diff
seq 9 >a; seq 10 >b; busybox diff a b >d || test $? = 1; grep -q '^+10$' d; busybox diff -q a a
== dirname
is /a/b busybox dirname /a/b/c
== dos2unix
printf 'a\r\n' >a; busybox dos2unix a; is 'a' cat a; is 2 stat -c %s a
== du
mkdir a; dd if=/dev/zero of=a/f bs=1k count=64 2>err; test $(busybox du -sk a | cut -f1) -ge 64
== echo
is 'a	b' busybox echo -e 'a\tb'
== ed
printf 'a\nb\n' >f; printf '2d\nw\nq\n' | busybox ed f >out; is a cat f
== env
is A=1 busybox env -i A=1 /usr/bin/busybox env
== expand
is 'a       b' busybox expand <<X
a	b
X
== expr
is 7 busybox expr 1 + 2 \* 3; is 3 busybox expr length abc
== factor
is '1001: 7 11 13' busybox factor 1001
== fallocate
busybox fallocate -l 4096 a; is 4096 stat -c %s a
== false
! busybox false
== find
mkdir -p a/b; touch a/b/c.x a/d.y; is a/b/c.x busybox find a -name '*.x'; busybox find a -type f -exec rm {} +; is '' busybox find a -type f
== fold
is "$(printf 'ab\ncd')" busybox fold -w 2 <<X
abcd
X
== free
busybox free | grep -q '^Mem:'
== getopt
is ' -a x -- b' busybox getopt a: -a x b; is " -a 'x y' -- 'b'" busybox getopt -o a: -- -a 'x y' b
== grep
printf 'a1\nb2\n' >f; is b2 busybox grep -E '^b[0-9]$' f; is 1 busybox grep -c a f; ! busybox grep -q z f
== gunzip
seq 1000 >a; gzip -c a >a.gz; busybox gunzip -c a.gz | cmp - a
== gzip
seq 20000 >a; busybox gzip -9 -c a >a.gz; gunzip -t a.gz; zcat a.gz | cmp - a
== head
is "$(printf '1\n2')" busybox head -n 2 <<X
$(seq 9)
X
== hexdump
is 'ab\nc' sh -c 'printf "ab\nc" | busybox hexdump -e "\"%_c\""'
== id
is 0 busybox id -u; is 'uid=0(root)' sh -c 'busybox id | cut -d" " -f1'
== kill
sleep 1000 & busybox kill -TERM $!; s=0; wait $! || s=$?; test $s = 143
== killall
cp /usr/bin/busybox ./napper; ln -s napper sleep; ./sleep 1000 & busybox killall sleep; s=0; wait $! || s=$?; test $s = 143
== less
is abc busybox less <<X
abc
X
== link
touch a; busybox link a b; is 2 stat -c %h a
== ln
echo x >a; busybox ln -s a l; is a readlink l; busybox ln -f a l; test -f l -a ! -h l
== logger
busybox logger -s corral 2>err || true; grep -q corral err
== ls
mkdir d; touch d/b d/a; is "$(printf 'a\nb')" busybox ls d; busybox ls -la d | grep -q '^drwx'
== md5sum
is '900150983cd24fb0d6963f7d28e17f72  -' sh -c 'printf abc | busybox md5sum'
== mkdir
busybox mkdir -m 700 -p a/b; is 700 stat -c %a a/b; ! busybox mkdir a 2>err
== mkfifo
busybox mkfifo f; (echo through >f) & is through cat f
== mktemp
f=$(busybox mktemp -d here.XXXXXX -p .); test -d $f
== more
is a busybox more <<X
a
X
== mv
echo a >a; mkdir d; busybox mv a d/b; is a cat d/b; ! test -e a
== nc
busybox nc -l -p 7007 >got & n=0
until echo through | busybox nc 127.0.0.1 7007; do n=$((n + 1)); test $n -lt 50; usleep 50000; done
wait; is through cat got
== nl
busybox nl <<X | grep -q '1.*a'
a
X
== nproc
is 2 busybox nproc
== od
is '0000000 a b \n' sh -c 'echo ab | busybox od -c | head -n 1 | tr -s " "'
== paste
is 1,2,3 sh -c 'seq 3 | busybox paste -sd, -'
== patch
seq 5 >a; seq 6 >b; diff -u a b >d || true; busybox patch a d >out; cmp a b
== pidof
cp /usr/bin/busybox ./cat; mkfifo f; ./cat f & p=$!; n=0; until busybox pidof cat | grep -qw $p; do n=$((n + 1)); test $n -lt 100; usleep 10000; done; kill $p
== printf
is '0x1f 7.50 a' busybox printf '%#x %.2f %s' 31 7.5 a
== pwd
is "$PWD" busybox pwd
== readlink
ln -s a/b l; is a/b busybox readlink l; is /tmp busybox readlink -f /tmp/../tmp
== realpath
ln -s /tmp l; is /tmp busybox realpath l
== renice
sleep 1000 & busybox renice -n 5 -p $!; is 5 cut -d' ' -f19 /proc/$!/stat; kill $!
== rev
is cba busybox rev <<X
abc
X
== rm
mkdir -p a/b; touch a/b/c; busybox rm -r a; ! test -e a; ! busybox rm a 2>err; busybox rm -f a
== rmdir
mkdir -p a/b; busybox rmdir -p a/b; ! test -e a
== run-parts
mkdir d; printf '#!/bin/sh\necho 1\n' >d/a; chmod 755 d/a; is 1 busybox run-parts d
== sed
is 'b-a' busybox sed -E 's/(.)-(.)/\2-\1/' <<X
a-b
X
seq 5 >f; busybox sed -i 2,4d f; is "$(printf '1\n5')" cat f
== seq
is "$(printf '1\n3\n5')" busybox seq 1 2 5
== setsid
busybox setsid sh -c 'test $(cut -d" " -f6 /proc/$$/stat) = $$'
== sha1sum
is 'a9993e364706816aba3e25717850c26c9cd0d89d  -' sh -c 'printf abc | busybox sha1sum'
== sha256sum
printf abc >a; busybox sha256sum a >s; busybox sha256sum -c s; is ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad cut -d' ' -f1 s
== sha512sum
is ddaf35a1 sh -c 'printf abc | busybox sha512sum | cut -c1-8'
== shuf
is 5050 sh -c 'seq 100 | busybox shuf | busybox awk "{ s += \$1 } END { print s }"'
== sleep
s=$(cut -d. -f1 /proc/uptime); busybox sleep 1.1; test $(cut -d. -f1 /proc/uptime) -gt $s
== sort
is "$(printf '2\n10')" sh -c 'printf "10\n2\n10\n" | busybox sort -nu'
== stat
touch a; is '0 regular empty file' busybox stat -c '%s %F' a
== strings
printf '\001\002visible\003' >a; is visible busybox strings a
== stty
! busybox stty </dev/null 2>err; grep -q 'tty\|ioctl' err
== sync
busybox sync
== tac
is "$(printf '2\n1')" sh -c 'seq 2 | busybox tac'
== tail
is "$(printf '8\n9')" sh -c 'seq 9 | busybox tail -n 2'; echo a >f; busybox tail -f f >g & (echo b >>f); until grep -q b g; do usleep 10000; done; kill $!
== tar
mkdir -p a/b; seq 9 >a/b/f; ln -s b a/l; busybox tar czf t.gz a; mv a o; busybox tar xzf t.gz; cmp a/b/f o/b/f; is b readlink a/l
== tee
is a sh -c 'echo a | busybox tee b'; is a cat b
== test
busybox test -d /; ! busybox test -z a
== time
busybox time true 2>err; grep -q real err
== timeout
s=0; busybox timeout 0.2 sleep 1000 || s=$?; test $s = 143
== touch
busybox touch -d '2001-02-03 04:05:06' a; is 2001 date -r a +%Y
== tr
is ABC sh -c 'echo abc | busybox tr a-z A-Z'; is ab sh -c 'echo aabb | busybox tr -s ab'
== true
busybox true
== truncate
busybox truncate -s 10k a; is 10240 stat -c %s a
== tty
is 'not a tty' sh -c 'busybox tty </dev/null || true'
== uniq
is '2 a' sh -c 'printf "a\na\nb\n" | busybox uniq -cd | tr -s " " | sed "s/^ //"'
== unlink
touch a; busybox unlink a; ! test -e a
== uptime
busybox uptime | grep -q 'load average'
== usleep
busybox usleep 1000
== uudecode
seq 99 >a; busybox uuencode a <a >u; busybox uudecode -o b u; cmp a b
== uuencode
is 'begin 644 a' sh -c 'printf x >b; chmod 644 b; busybox uuencode b a | head -n 1'
== vi
printf 'a\nb\n' >f; TERM=vt100 busybox vi -c 2d -c wq f >out 2>&1; is a cat f
== wc
is '3 3 6' sh -c 'seq 3 | busybox wc | tr -s " " | sed "s/^ //"'
== wget
mkdir w; seq 99 >w/f; busybox httpd -f -p 127.0.0.1:7080 -h w & n=0
until busybox wget -q -O g http://127.0.0.1:7080/f; do n=$((n + 1)); test $n -lt 50; usleep 50000; done; kill $!; cmp g w/f
== which
is /usr/bin/busybox busybox which busybox
== who
busybox who
== whoami
is root busybox whoami
== xargs
is "$(printf 'a b\nc')" sh -c 'printf "a\nb\nc\n" | busybox xargs -n 2'
== xxd
is '00000000: 6162                                     ab' sh -c 'printf ab | busybox xxd'
== yes
is "$(printf 'n\nn')" sh -c 'busybox yes n | head -n 2'
== zcat
seq 9 >a; gzip -c a >b.gz; busybox zcat b.gz | cmp - a
CHECKS

cat >/wpars/conform/tmp/conform <<'RUN'
is() {
	wanted=$1
	shift
	got=$("$@")
	test "$got" = "$wanted" || { echo "$*: $got"; exit 1; }
}
rm -rf /tmp/case
mkdir /tmp/case
cd /tmp/case
. /tmp/check
RUN

conform() {
	awk -v want="== $1" '/^== / { found = $0 == want; next } found' /wpars/conform/tmp/checks >/wpars/conform/tmp/check
	[ -s /wpars/conform/tmp/check ] || { echo "there is no check of $1"; return 1; }
	timeout -s KILL 60 clogin conform sh -e /tmp/conform
	status=$?
	[ $status != 137 ] || { stopwpar -F conform && startwpar conform; } >/dev/null
	return $status
}
