# How the suites of checks run (`NAME.checks`): each check in a shell that ends at the first failure, in an empty folder of a
# system WPAR. The shell is bash where the suite's packages have it, busybox's elsewhere. The checks are in /tmp/checks, and
# nobody waits for the next word for longer than PATIENCE seconds.

mkwpar -n conform >/dev/null
startwpar conform >/dev/null
# What is configured is a partition's own.
for folder in /etc /var /var/lib; do
	for name in "$folder"/*; do
		[ -e "/wpars/conform$name" ] || cp -a "$name" "/wpars/conform$name"
	done
done
mkdir -p /wpars/conform/root

# `is TEXT COMMAND` holds the command to its output, `want PATTERN COMMAND` to a line of it; `port NUMBER` waits for a server,
# in bash.
cat >/wpars/conform/tmp/conform <<'RUN'
is() {
	local wanted=$1 said
	shift
	said=$("$@")
	test "$said" = "$wanted" && return
	echo "$*: $said"
	exit 1
}
want() {
	local pattern=$1 said status=0
	shift
	said=$("$@") || status=$?
	printf '%s\n' "$said" | grep -E -- "$pattern" >/dev/null && return
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
	awk -v want="== $1" '/^== / { found = $0 == want; next } found' /tmp/checks >/wpars/conform/tmp/check
	[ -s /wpars/conform/tmp/check ] || { echo "there is no check of $1"; return 1; }
	shell=$(command -v bash || command -v sh)
	timeout -s KILL $((PATIENCE - 30)) clogin conform "$shell" -e /tmp/conform
	status=$?
	# What a failed check leaves running must not disturb the next.
	[ $status = 0 ] || { stopwpar -F conform && startwpar conform; } >/dev/null
	return $status
}
