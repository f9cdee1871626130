# Tests of crates from crates.io that lean on system calls, a test program (`CRATE.TARGET`) a case, in a system WPAR.
#
# packages: dash coreutils util-linux netbase tzdata
# crates: async-io@2.6.0 async-process@2.5.0 caps@0.5.6 fd-lock@4.0.4 filetime@0.2.29 fs4@1.1.0 inotify@0.11.5
# crates: io-uring@0.7.16 memfd@0.6.6 memmap2@0.9.12 nix@0.32.0+* notify@8.2.2 polling@3.11.0 procfs@0.18.0
# crates: quinn-udp@0.6.3 signal-hook@0.4.6+channel,extended-siginfo tempfile@3.27.0
# crates: timerfd@1.6.0 vmm-sys-util@0.15.0+with-serde walkdir@2.5.1 xattr@1.7.0
# memory: 3G
# cpus: 2
# patience: 400

mkwpar -n conform >/dev/null
startwpar conform >/dev/null
for name in /etc/*; do
	[ -e "/wpars/conform$name" ] || cp -a "$name" "/wpars/conform$name"
done
mkdir -p /wpars/conform/var/tmp /wpars/conform/root
chmod 1777 /wpars/conform/var/tmp

# One test after the other, as many of them look at what the whole process has; in a session of the partition, which the program
# does not lead.
cat >/wpars/conform/tmp/conform <<'RUN'
rm -rf /tmp/case
mkdir /tmp/case
cd /tmp/case
export RUST_BACKTRACE=0 HOME=/root
# Its output is a pipe, as some watch it with epoll, which takes no file; a child that it leaves may keep that open.
mkfifo pipe
cat <pipe >said &
exec 3>pipe
setsid --wait sh -c '"/usr/lib/crates/$1" --test-threads=1; exit $?' sh "$1" >&3 2>&1
status=$?
echo 'this is all' >&3
until grep -q '^this is all$' said; do sleep 0.1; done
sed '/^this is all$/d' said
kill $!
exit $status
RUN

conform() {
	timeout -s KILL 300 clogin conform sh /tmp/conform "$1" </dev/null >/tmp/said 2>&1
	status=$?
	# The last list of failures is that of their names.
	awk '/^failures:$/ { names = "" } /^    [A-Za-z0-9_:]+$/ { names = names "conform part " $1 "\n" } END { printf "%s", names }' /tmp/said
	awk '/^failures:$/ { found = 1 } found' /tmp/said
	tail -n 3 /tmp/said
	[ $status = 137 ] && { stopwpar -F conform && startwpar conform; } >/dev/null
	return $status
}
