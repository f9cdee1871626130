# Programs of Debian's packages, each held to what it says on Linux, in a system WPAR: shells, editors in terminals, tools
# that look at the system, compressors with threads, daemons and what asks them.
#
# packages: bash coreutils procps util-linux bsdutils uuid-runtime bsdextrautils findutils grep sed gawk psmisc lsof tmux nano
# packages: expect zsh dash ksh93u+m tcsh mksh jq inotify-tools strace tar gzip xz-utils zstd pigz passwd dbus-daemon
# packages: dbus-bin rsyslog supervisor m4 flex make fakeroot libcap2-bin attr fio rt-tests ripgrep ncurses-base netbase
# packages: libc-bin acl rsync openssh-server openssh-client socat netcat-openbsd iproute2 net-tools iperf3 memcached haproxy
# packages: lighttpd nginx-light curl bind9-dnsutils dnsmasq-base mosquitto mosquitto-clients stunnel4 unbound ruby lua5.4
# packages: tcl gdb gdbserver gcc libc6-dev screen cron sudo vim emacs-nox apache2 htop mawk parallel tini pv p7zip
# memory: 4G
# cpus: 2
# patience: 180

mkwpar -n conform >/dev/null
startwpar conform >/dev/null
# What is configured is a partition's own.
for folder in /etc /var /var/lib; do
	for name in "$folder"/*; do
		[ -e "/wpars/conform$name" ] || cp -a "$name" "/wpars/conform$name"
	done
done
mkdir -p /wpars/conform/root

# Each check is the lines below `== PROGRAM`, for bash, which ends at the first failure, in an empty folder. `want PATTERN
# COMMAND` holds the command to a line of its output, `port NUMBER` waits for a server.
cat >/wpars/conform/tmp/checks <<'CHECKS'
== unshare
unshare -r id -u 2>&1 && exit 1 || true
want 'unshare' bash -c 'unshare -n true 2>&1'
== flock
(flock 9; sleep 1) 9>l & sleep 0.3; ! flock -n l true; wait; flock -n l true
== setsid
want '^1$' bash -c 'setsid bash -c "ps -o sid= -p \$\$ | grep -c \$\$"'
== prlimit
want '100' prlimit -n100 bash -c 'ulimit -n'
want 'NOFILE' prlimit
== hexdump
want '68 65 6c 6c 6f' bash -c 'printf hello | hexdump -C'
== script
want 'tty|pts' script -qec 'tty; stty size' /dev/null </dev/null
== ionice
want 'idle' bash -c 'ionice -c3 ionice'
== taskset
want 'current affinity mask: 1' taskset 1 bash -c 'taskset -p $$'
== chrt
want 'SCHED_FIFO' chrt -f 5 bash -c 'chrt -p $$'
want 'SCHED_OTHER' chrt -m
== ipcs
id=$(ipcmk -Q | grep -o '[0-9]*$'); ipcmk -S 3; ipcmk -M 4096; ipcs; want "$id" ipcs -q; want '4096' ipcs -m; ipcs -q -i $id; ipcrm -q $id; ! ipcs -q | grep -q " $id "; ipcs -l; ipcs -u; ipcrm --all
== renice
want 'new priority 5' renice -n 5 $$
== mountpoint
mountpoint /proc; ! mountpoint /proc/self
== findmnt
findmnt; want '/usr' findmnt -n /usr
== lslocks
exec 9>l; flock 9; want 'FLOCK' lslocks
== uuidgen
want '^[0-9a-f-]{36}$' uuidgen; uuidgen -t
== rev
want 'cba' bash -c 'echo abc | rev'
== fuser
exec 9>ff; fuser -v ff 2>&1; want "$$" fuser ff
== killall
cp /bin/sleep slp; ./slp 100 & sleep 0.2; killall slp; wait $! || test $? = 143
== tmux
export TERM=xterm LANG=C.UTF-8; tmux -f /dev/null new-session -d -s a 'cat; sleep 20'; tmux send-keys -t a 'hello' Enter; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; tmux capture-pane -p -t a >o; grep -q hello o && break; done; grep hello o; tmux split-window -t a; tmux list-panes -t a; tmux kill-server
== nano
export TERM=xterm; cat >e.exp <<E
set timeout 20
spawn nano n.txt
expect "n.txt"
send "some text"
send "\x18"
expect "Save"
send "y\r"
expect eof
E
timeout 30 expect e.exp >/dev/null; want 'some text' cat n.txt
== zsh
want '^3 b$' zsh -fc 'a=(a b c); echo $#a $a[2]'
want '10' zsh -fc 'zmodload zsh/datetime; echo $(( 2 * 5 ))'
zsh -fc 'zmodload zsh/zpty; zpty x cat; zpty -w x hi; zpty -r x l; echo $l; zpty -d x'
== dash
want 6 dash -c 'echo $((1+2+3))'
== ksh
want '^co1$' ksh93 -c 'cat |& print -p co1; read -p x; print $x'
want '^3.5$' ksh93 -c 'print $((7/2.))'
== mksh
want 'ok' mksh -c 'typeset -i x=5; echo ok$x'
== tcsh
want '^b$' tcsh -fc 'set a=(a b c); echo $a[2]'; want 'wait' tcsh -fc 'sleep 1 & ; wait; echo wait'
== jq
want '^6$' bash -c "echo '[1,2,3]' | jq add"
== inotifywait
(sleep 1; touch d/f) & mkdir d; want 'CREATE' inotifywait -t 10 -e create d
== xz
seq 100000 >x; xz -T2 -k x; xz -dc x.xz | cmp - x; xz -T2 -dc x.xz | cmp - x
== zstd
seq 300000 >x; zstd -T2 -q x; zstd -dc x.zst | cmp - x; zstd -q -b1 -e2 -i0 x || true
== pigz
seq 300000 >x; pigz -p 4 -k x; gzip -dc x.gz | cmp - x; pigz -d -c x.gz | cmp - x
== rsyslog
mkdir -p /var/spool/rsyslog; printf 'module(load="imuxsock")\n*.* %s/log\n' $PWD >conf; rsyslogd -f $PWD/conf -i $PWD/pid
end=$((SECONDS + 30)); until test -S /dev/log; do test $SECONDS -lt $end; done; logger -t me hello; until grep -q 'me: hello' log; do test $SECONDS -lt $end; done; kill $(cat pid)
== supervisor
cat >s.conf <<E
[supervisord]
logfile=$PWD/log
pidfile=$PWD/pid
[unix_http_server]
file=$PWD/sock
[supervisorctl]
serverurl=unix://$PWD/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:cat]
command=/bin/sleep 1000
E
supervisord -c s.conf; for i in $(seq 40); do supervisorctl -c s.conf status | grep RUNNING && break; sleep 0.5; done; want RUNNING supervisorctl -c s.conf status; want stopped supervisorctl -c s.conf stop cat; supervisorctl -c s.conf shutdown
== m4
want '^6$' bash -c 'echo "define(x,6)dnl
x" | m4'
== flex
printf '%%%%\na printf("b");\n%%%%\nint yywrap(void){return 1;}\n' >l.l; flex l.l; grep -q yylex lex.yy.c
== make
printf 'all: a b c\n%%: ; @sleep 0.1; echo made $@\n' >Makefile; want 'made c' make -j4 a b c; printf 'x:\n\t$(MAKE) -C d y\n' >M2; mkdir d; printf 'y:\n\techo deep\n' >d/Makefile; want deep make -j2 -f M2
== fakeroot
want '^0$' setpriv --reuid=65534 --clear-groups fakeroot id -u
== expect
want 'got it' expect -c 'spawn cat; send "hello\r"; expect hello; puts "got it"; close'
== attr
touch f; attr -s k -V v f || setfattr -n user.k -v v f; want 'k' getfattr -d f
== ripgrep
mkdir d; for i in $(seq 50); do seq 100 >d/$i; done; want 50 bash -c 'rg -c "^77$" d | wc -l'
== fio-psync
fio --name=a --ioengine=psync --rw=randrw --size=1M --bs=4k --runtime=2 --output=o; want 'READ' cat o
== fio-uring
fio --name=a --ioengine=io_uring --rw=randrw --size=1M --bs=4k --iodepth=8 --output=o; cat o | grep -v '^$' | head -30; want 'READ' cat o; want 'err= 0' cat o
== fio-libaio
fio --name=a --ioengine=libaio --rw=randrw --size=1M --bs=4k --iodepth=8 --output=o; cat o | head; want 'READ' cat o; want 'err= 0' cat o
== fio-mmap
fio --name=a --ioengine=mmap --rw=randwrite --size=1M --bs=4k --numjobs=2 --thread --output=o;  want 'WRITE' cat o; want 'err= 0' cat o
== fio-posixaio
fio --name=a --ioengine=posixaio --rw=write --size=1M --bs=4k --iodepth=4 --output=o;  want 'WRITE' cat o;  want 'err= 0' cat o
== hackbench
timeout 60 hackbench -l 20 -g 1; timeout 60 hackbench -l 20 -g 1 -p; timeout 60 hackbench -T -l 20 -g 1
== mcookie
want '^[0-9a-f]{32}$' mcookie
== rsync
mkdir a; seq 1000 >a/x; ln -s x a/l; rsync -aHAX a/ b/; diff -r a b; cat >c <<E
use chroot = no
[m]
path=$PWD/a
E
rsync --daemon --config=c --port=8730 --no-detach & s=$!; port 8730; rsync -a rsync://127.0.0.1:8730/m/ d/; diff -r a d; kill $s; rsync -a --checksum --delete --rsh=false a/ b/
== ssh-agent
eval $(ssh-agent); ssh-keygen -q -t ed25519 -N '' -f k; ssh-add k; want ED25519 ssh-add -l; kill $SSH_AGENT_PID
== socat
socat TCP-LISTEN:7001,fork,reuseaddr EXEC:cat & s=$!; port 7001; want '^hi$' bash -c 'echo hi | socat - TCP:127.0.0.1:7001'; kill $s
socat UNIX-LISTEN:u,fork SYSTEM:'tr a-z A-Z' & s=$!; while ! test -S u; do sleep 0.1; done; want HI bash -c 'echo hi | socat - UNIX:u'; kill $s
socat UDP-RECVFROM:7002,fork EXEC:cat & s=$!; sleep 0.5; want yo bash -c 'echo yo | socat -T1 - UDP:127.0.0.1:7002'; kill $s
want tty socat - EXEC:tty,pty,setsid,ctty || true
socat PTY,link=$PWD/p,raw EXEC:cat & s=$!; while ! test -e p; do sleep 0.1; done; (echo z; sleep 0.3) | socat -t1 - p,raw; kill $s
socat -u OPEN:/etc/passwd,rdonly ABSTRACT-SENDTO:x || true
== socat-seqpacket
socat UNIX-LISTEN:q,type=5 EXEC:cat & while ! test -S q; do sleep 0.1; done; want pk bash -c 'echo pk | socat - UNIX-CONNECT:q,type=5'
== ss
nc -l 127.0.0.1 7005 >/dev/null & s=$!; sleep 0.5; ss -tlnp; want '7005' ss -tln; ss -s; ss -x | head; ss -u -a; ss -tan; kill $s
== ifconfig
ifconfig; want '127.0.0.1' ifconfig lo
== netstat
netstat -tln; netstat -s || true; netstat -i; netstat -rn; netstat -xa | head; netstat -g || true
== iperf3
iperf3 -s -p 5999 -D -I /tmp/ipid; port 5999; iperf3 -c 127.0.0.1 -p 5999 -t 2; iperf3 -c 127.0.0.1 -p 5999 -t 2 -u -b 10M; iperf3 -c 127.0.0.1 -p 5999 -t 1 -P 4 -R; iperf3 -c ::1 -p 5999 -t 1 -Z; pkill iperf3
== memcached
memcached -u nobody -p 11299 -d -P /tmp/mpid -t 4; port 11299; want 'STORED' bash -c 'printf "set k 0 0 5\r\nhello\r\nget k\r\nquit\r\n" | nc 127.0.0.1 11299'; memcstat --servers=127.0.0.1:11299 | head -5; memccapable -h 127.0.0.1 -p 11299 | tail -3; memcslap --servers=127.0.0.1:11299 --concurrency=5 --execute-number=100; pkill memcached
== lighttpd
mkdir w; echo light >w/index.html; cat >l.conf <<E
server.document-root="$PWD/w"
server.port=8083
server.bind="127.0.0.1"
server.modules=("mod_access","mod_cgi","mod_dirlisting")
index-file.names=("index.html")
cgi.assign=(".sh"=>"/bin/sh")
server.errorlog="$PWD/err"
E
echo 'printf "Content-Type: text/plain\r\n\r\ncgi $$"' >w/c.sh; lighttpd -f l.conf -D & p=$!; port 8083; want light curl -s http://127.0.0.1:8083/; want cgi curl -s http://127.0.0.1:8083/c.sh; kill -INT $p; wait $p; cat err
== mosquitto
cat >m.conf <<E
listener 1899 127.0.0.1
allow_anonymous true
user nobody
E
mosquitto -c m.conf >ml 2>&1 & p=$!; port 1899; (timeout 20 mosquitto_sub -p 1899 -t a -C 1 >o) & sleep 1; mosquitto_pub -p 1899 -t a -m hello; wait %2; want hello cat o; kill $p
== stunnel
openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 3 -subj /CN=localhost 2>/dev/null; cat >s.conf <<E
foreground=yes
pid=
[x]
accept=127.0.0.1:8499
connect=127.0.0.1:8498
cert=$PWD/c.pem
key=$PWD/k.pem
E
mkdir w; echo tls >w/index.html; (cd w; python3 -m http.server 8498 --bind 127.0.0.1 >/dev/null 2>&1) & p=$!; port 8498; stunnel4 s.conf >sl 2>&1 & q=$!; port 8499; want tls curl -sk https://127.0.0.1:8499/; wget -qO- --no-check-certificate https://127.0.0.1:8499/; kill $p $q
== unbound
cat >u.conf <<E
server:
 port: 5398
 interface: 127.0.0.1
 num-threads: 2
 username: nobody
 chroot: ""
 directory: "$PWD"
 pidfile: "$PWD/pid"
 use-syslog: no
 local-data: "a.test. A 10.9.8.7"
E
unbound -d -c u.conf >ul 2>&1 & p=$!; trap 'tail ul' EXIT; sleep 3; want '10.9.8.7' dig +short +time=3 @127.0.0.1 -p 5398 a.test; kill $p
== ruby
want '^120$' ruby -e 'puts (1..5).inject(:*)'
ruby -e 'r,w=IO.pipe; t=10.times.map{|i| Thread.new{sleep 0.01; w.puts i}}; t.each(&:join); w.close; raise unless r.read.lines.size==10; pid=fork{exit 7}; Process.wait pid; raise unless $?.exitstatus==7; require "socket"; s=TCPServer.new("127.0.0.1",0); Thread.new{c=s.accept; c.puts "hi"; c.close}; c=TCPSocket.new("127.0.0.1",s.addr[1]); raise unless c.gets=="hi\n"; raise unless IO.popen("cat","r+"){|f| f.write "x"; f.close_write; f.read}=="x"; Fiber.new{Fiber.yield 1}.resume; f=Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID); Process.daemon(true,true) if false; require "pty"; PTY.spawn("tty"){|r,w,p| puts r.gets}; require "tempfile"; Tempfile.create("a"){|f| f.flock(File::LOCK_EX)}'
ruby --yjit -e 'puts 1' || true; ruby -e 'Ractor.new{1+1}.take.then{p _1}'
== lua
want '^55$' lua5.4 -e 'local s=0 for i=1,10 do s=s+i end print(s)'; lua5.4 -e 'local f=io.popen("echo x") assert(f:read()=="x") assert(os.execute("true")) local t=os.tmpname() print(t,os.clock(),os.date())'
== lsns
want 'mnt .*|uts' lsns
== sysvipc
ipcmk -M 4096; cat /proc/sysvipc/shm /proc/sysvipc/msg /proc/sysvipc/sem
== setfacl
touch f; chmod 600 f; setfacl -m u:65534:r f
== capsh
want '^cap_net_raw' bash -c 'capsh --decode=0000000000002000 | cut -d= -f2'
capsh --drop=cap_chown -- -c 'touch f; ! chown 1 f 2>/dev/null'
== setpriv
want 'uid: 65534' setpriv --reuid=65534 --clear-groups setpriv --dump
want '^CapBnd:.0*$' setpriv --bounding-set=-all grep CapBnd /proc/self/status
== choom
want 'adjust value: 100$' choom -n 100 -- bash -c 'choom -p $$'
== vmstat
want '^ *r +b' vmstat
== fallocate
fallocate -l 1M f; fallocate -p -o 0 -l 65536 f
test $(stat -c %s f) = 1048576 && test $(stat -c %b f) = 1920
== dbus
mkdir -p /run/dbus /var/lib/dbus; dbus-uuidgen --ensure
want 'org.freedesktop.DBus' dbus-run-session -- dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames
== strace
for turn in $(seq 10); do timeout 20 strace -f -o trace bash -c '(cat /etc/passwd) >/dev/null; :'; done
want 'openat' cat trace
== gdb
printf 'set breakpoint pending on\nbreak write\nrun\nbt 2\ncontinue\n' >orders; want '^Breakpoint 1' gdb -q -batch -x orders --args /usr/bin/echo hi
== nginx
mkdir w; chmod 755 . w; echo ngx >w/index.html; mkdir -p /var/lib/nginx /var/log/nginx
cat >conf <<CONF
user nobody nogroup; worker_processes 2; pid $PWD/pid; error_log $PWD/err;
events { worker_connections 64; }
http { access_log off; server { listen 127.0.0.1:8085; root $PWD/w; } }
CONF
nginx -c $PWD/conf; port 8085; want '^ngx$' curl -s http://127.0.0.1:8085/
nginx -c $PWD/conf -s reload; want '^ngx$' curl -s --retry 5 http://127.0.0.1:8085/; nginx -c $PWD/conf -s quit
== haproxy
mkdir w; echo light >w/index.html
printf 'server.document-root="%s/w"\nserver.port=8082\nserver.bind="127.0.0.1"\nindex-file.names=("index.html")\n' $PWD >l; lighttpd -f l; port 8082
cat >conf <<CONF
global
  nbthread 2
  stats socket $PWD/stats
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:8081
  default_backend b
backend b
  server s 127.0.0.1:8082
CONF
haproxy -f conf -D -p pid; port 8081; want '^light$' curl -s http://127.0.0.1:8081/; want '^Name: HAProxy' bash -c 'echo show info | socat - UNIX:stats'
kill $(cat pid); killall lighttpd
== sshd
mkdir -p /run/sshd /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f own; cp own.pub /root/.ssh/authorized_keys
grep -q ^sshd: /etc/passwd || echo sshd:x:101:65534::/run/sshd:/bin/false >>/etc/passwd
echo Subsystem sftp internal-sftp >conf
/usr/sbin/sshd -D -e -f $PWD/conf -p 2222 -h $PWD/host -o StrictModes=no -o PidFile=none 2>log & port 2222
how='-i own -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR'
want '^0$' ssh -p 2222 $how root@127.0.0.1 id -u; want '^/dev/pts' ssh -p 2222 -tt $how root@127.0.0.1 tty
seq 20000 >x; scp -q -P 2222 $how x root@127.0.0.1:/tmp/y; cmp x /tmp/y; rsync -a -e "ssh -p 2222 $how" x root@127.0.0.1:/tmp/z; cmp x /tmp/z
== nc
nc -l 127.0.0.1 7003 >o & end=$((SECONDS + 30)); until echo hello | nc -N 127.0.0.1 7003 2>/dev/null; do test $SECONDS -lt $end; done; wait; want '^hello$' cat o; ! nc -z 127.0.0.1 1
== ip
want '127.0.0.1/8' ip -4 addr; want 'lo: <LOOPBACK,UP' ip link; ! ip addr add 10.0.0.1/8 dev lo 2>/dev/null
== ip-route
want 'local 127.0.0.1 dev lo' ip route get 127.0.0.1
== dnsmasq
dnsmasq --port=5399 --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --address=/x.test/10.1.2.3 --user=nobody --group=nogroup --pid-file=$PWD/pid
end=$((SECONDS + 30)); until dig +short +time=1 +tries=1 @127.0.0.1 -p 5399 x.test | grep -q 10.1.2.3; do test $SECONDS -lt $end; done; kill $(cat pid)
== tclsh
want '^7$' tclsh8.6 <<<'puts [expr {3 + 4}]'
== screen
export SCREENDIR=$PWD/sd; mkdir -m 700 sd
screen -dmS s bash -c 'echo begun >o; cat'; end=$((SECONDS + 30)); until grep -q begun o 2>/dev/null; do test $SECONDS -lt $end; sleep 0.2; done
want Detached bash -c 'screen -ls || true'; screen -S s -X stuff 'typed^M'; sleep 2; screen -S s -X hardcopy $PWD/h; sleep 2; want typed cat h; screen -S s -X quit
== cron
for part in auth account password session session-noninteractive; do printf '%s required pam_permit.so\n' ${part%-noninteractive} >/etc/pam.d/common-$part; done
mkdir -p /var/spool/cron/crontabs; printf '* * * * * root echo ran >%s/ran\n' $PWD >/etc/crontab; cron -f & p=$!
end=$((SECONDS + 100)); until test -s ran; do test $SECONDS -lt $end; sleep 1; done; kill $p
== su
for part in auth account password session session-noninteractive; do printf '%s required pam_permit.so\n' ${part%-noninteractive} >/etc/pam.d/common-$part; done
grep -q ^joe: /etc/passwd || echo 'joe:x:1234:1234::/tmp:/bin/bash' >>/etc/passwd
want '^1234$' su joe -c 'id -u'
== sudo
for part in auth account password session session-noninteractive; do printf '%s required pam_permit.so\n' ${part%-noninteractive} >/etc/pam.d/common-$part; done
grep -q ^joe: /etc/passwd || echo 'joe:x:1234:1234::/tmp:/bin/bash' >>/etc/passwd
want '^1234$' sudo -n -u joe id -u
want '^0$' sudo -n id -u
== hosts
want "$(hostname)" getent hosts $(hostname)
== vim
printf 'one\ntwo\n' >v; vim.basic -u NONE -es -c '%s/two/three/' -c wq v </dev/null; want three cat v
== emacs
want '^42$' emacs-nox --batch --eval '(princ (format "%d\n" (* 6 7)))'
emacs-nox --batch --eval '(progn (with-temp-file "e" (insert "abc")) (princ (shell-command-to-string "echo sub")) (let ((p (start-process "c" nil "cat"))) (process-send-string p "x\n") (process-send-eof p) (while (accept-process-output p 2))))' ; want abc cat e
== apache
mkdir w l; echo apache >w/index.html; chmod 755 . w; cat >c <<E
ServerRoot $PWD
ServerName x
Listen 127.0.0.1:8066
PidFile $PWD/pid
ErrorLog $PWD/l/e
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
TypesConfig /dev/null
User nobody
Group nogroup
DefaultRuntimeDir $PWD
StartServers 2
ThreadsPerChild 8
DocumentRoot $PWD/w
<Directory $PWD/w>
Require all granted
</Directory>
E
apache2 -f $PWD/c -k start || { cat l/e; exit 1; }; port 8066; want apache curl -s http://127.0.0.1:8066/; for i in $(seq 40); do curl -s http://127.0.0.1:8066/ >/dev/null & done; wait; apache2 -f $PWD/c -k graceful; sleep 1; want apache curl -s --retry 5 http://127.0.0.1:8066/; apache2 -f $PWD/c -k stop; cat l/e
== htop
export TERM=xterm; cat >e.exp <<E
set timeout 20
spawn htop
expect "Load"
send "q"
expect eof
E
expect e.exp >o; grep -q Load o
== mawk
want '^3$' mawk 'BEGIN{print 1+2}'
== parallel
want '^4$' bash -c 'seq 4 | parallel -j2 echo {} | sort -n | tail -1'
== tini
want '^7$' bash -c 'tini -s -- sh -c "exit 7"; echo $?'
== pv
want '^100000$' bash -c 'head -c 100000 /dev/zero | pv -q -L 1m | wc -c'
== p7zip
seq 50000 >x; 7zr a -mmt=4 x.7z x >/dev/null; mkdir o; 7zr x -oo x.7z >/dev/null; cmp x o/x
== gdbserver
cat >l.c <<E
#include <stdio.h>
int main(){ puts("hi"); return 3; }
E
gcc -g l.c -o l; printf 'target remote | gdbserver - ./l\nbreak main\ncontinue\nbt\ncontinue\n' >orders; timeout 100 gdb -q -batch -x orders ./l >o 2>&1 </dev/null; cat o; grep 'Breakpoint 1, main' o; grep 'exited with code 03' o
CHECKS

cat >/wpars/conform/tmp/conform <<'RUN'
want() {
	local pattern=$1 said status=0
	shift
	said=$("$@") || status=$?
	grep -Eq -- "$pattern" <<<"$said" && return
	echo "no /$pattern/ in what $* says (status $status):"
	echo "$said"
	exit 1
}
port() {
	local end=$((SECONDS + 60))
	until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
		test $SECONDS -lt $end || { echo "nobody listens at port $1"; exit 1; }
	done
}
export LC_ALL=C.UTF-8 TERM=xterm HOME=/root
rm -rf /tmp/case
mkdir /tmp/case
cd /tmp/case
. /tmp/check
RUN

conform() {
	awk -v want="== $1" '/^== / { found = $0 == want; next } found' /wpars/conform/tmp/checks >/wpars/conform/tmp/check
	[ -s /wpars/conform/tmp/check ] || { echo "there is no check of $1"; return 1; }
	timeout -s KILL 150 clogin conform bash -e /tmp/conform
	status=$?
	# What a failed check leaves running must not disturb the next.
	[ $status = 0 ] || { stopwpar -F conform && startwpar conform; } >/dev/null
	return $status
}
