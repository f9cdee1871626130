# Programs as Debian's packages bring them, in a system WPAR (deb) that the first test makes.
#
# packages: bash coreutils procps ncurses-base util-linux findutils grep sed mawk tar gzip diffutils file
# packages: python3 perl sqlite3 git
# memory: 2G
# cpus: 2

inside() {
	clogin deb "$@"
}

if lswpar -q deb >/dev/null 2>&1; then :; else
	mkwpar -n deb >/dev/null
	startwpar deb >/dev/null
fi

check DEB0001 'bash: arrays, coprocesses, process substitution, job control' <<'END'
clogin deb bash -c '
set -e
a=(one two three); test "${#a[@]} ${a[-1]}" = "3 three"
coproc cat; echo hi >&${COPROC[1]}; read -r answer <&${COPROC[0]}; test "$answer" = hi
diff <(seq 5) <(seq 5)
test "$(printf %s {1..4})" = 1234
set -m; sleep 1000 & kill %1; wait %1 || test $? -eq 143
trap "echo trapped" USR1; kill -USR1 $BASHPID
' >out
test "$(cat out)" = trapped
END

check DEB0002 'coreutils: sorting, splitting, sparse files, times, links' <<'END'
clogin deb bash -c '
set -e
cd /tmp; mkdir core; cd core
seq 20000 | shuf | sort -n | md5sum >a; seq 20000 | md5sum >b; cmp a b
truncate -s 1G sparse; test "$(du sparse | cut -f1)" = 0; cp sparse copy; test "$(du copy | cut -f1)" = 0
split -n 3 a; cat xa? | cmp - a
touch -d "2001-02-03 04:05:06 UTC" t; test "$(stat -c %Y t)" = 981173106
ln a hard; test "$(stat -c %h a)" = 2; mv hard harder; rm a; cat harder >/dev/null
timeout 0.2 sleep 100 || test $? -eq 124
test "$(numfmt --to=iec 123456)" = 121K
ls -l --color=never >/dev/null
cd ..; rm -r core
'
END

check DEB0003 'procps and util-linux see the partition and no more' <<'END'
sleep 1000 & outside=$!
clogin deb ps -e -o pid=,comm= >out
! grep -q sleep out
test "$(awk '$1 == 1 { print $2 }' out)" = init
clogin deb top -b -n 1 >out
grep -q '^Tasks:' out
clogin deb lscpu >out
grep -Eq '^CPU\(s\): +2$' out
grep -Eq '^Model name: +POWER9' out
clogin deb free -m | grep -q '^Mem:'
clogin deb findmnt -n -o FSTYPE /proc | grep -q '^proc$'
clogin deb flock /tmp/lock true
kill $outside
END

check DEB0004 'find, grep, sed, awk, tar, gzip, diff, file' <<'END'
clogin deb bash -c '
set -e
cd /tmp; mkdir text; cd text
seq 1000 >numbers
test "$(grep -c 7 numbers)" = 271
test "$(sed -n "s/^99\(.\)$/\1/p" numbers | paste -sd+)" = 0+1+2+3+4+5+6+7+8+9
test "$(mawk "{ s += \$1 } END { print s }" numbers)" = 500500
tar czf ../text.tgz . && mkdir out && tar xzf ../text.tgz -C out && diff -r --exclude=out . out
test "$(find . -name "num*" | wc -l)" = 2
file /usr/bin/bash | grep -q "64-bit LSB pie executable, 64-bit PowerPC"
cd ..; rm -r text text.tgz
'
END

check DEB0005 'python3: threads, subprocesses, processes that share a pool, sqlite' <<'END'
cat >python.py <<'PY'
import threading, subprocess, multiprocessing, sqlite3, queue, tempfile, os, signal, mmap, json, hashlib, time, zlib
def square(x):
    return x * x
if __name__ == "__main__":
    q = queue.Queue()
    threads = [threading.Thread(target=lambda n=n: q.put(n)) for n in range(40)]
    [t.start() for t in threads]; [t.join() for t in threads]
    assert sorted(q.get() for _ in threads) == list(range(40))
    done = subprocess.run(["sh", "-c", "cat; exit 3"], input=b"through", capture_output=True)
    assert (done.returncode, done.stdout) == (3, b"through")
    with multiprocessing.Pool(3) as pool:
        assert pool.map(square, range(20)) == [x * x for x in range(20)]
    with tempfile.NamedTemporaryFile() as f:
        base = sqlite3.connect(f.name)
        base.execute("create table t(a integer primary key, b text)")
        base.executemany("insert into t(b) values(?)", [(str(n),) for n in range(500)])
        base.commit()
        assert base.execute("select count(*), sum(a) from t").fetchone() == (500, 125250)
    m = mmap.mmap(-1, 1 << 20); m[:3] = b"abc"; assert m[:3] == b"abc"
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.01)
    end = time.monotonic() + 30
    while not seen and time.monotonic() < end: time.sleep(0.01)
    assert seen
    data = json.dumps({"k": list(range(1000))}).encode()
    assert zlib.decompress(zlib.compress(data)) == data
    print(hashlib.sha256(b"corral").hexdigest()[:8], os.cpu_count())
PY
cp python.py /wpars/deb/tmp/python.py
test "$(clogin deb python3 /tmp/python.py)" = "$(printf corral | sha256sum | cut -c1-8) 2"
rm /wpars/deb/tmp/python.py
END

check DEB0006 'perl: pipes, sockets, sorting, formats' <<'END'
clogin deb perl -MPOSIX -MSocket -e '
open(my $f, "-|", "seq", "5") or die; my @lines = <$f>; close $f; die unless @lines == 5;
socketpair(my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
syswrite $near, "x"; sysread $far, my $byte, 1; die unless $byte eq "x";
my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; die unless $? >> 8 == 7;
die unless strftime("%Y-%m-%d", gmtime 86400) eq "1970-01-02";
print join(",", sort { $a <=> $b } 10, 9, 1), "\n"' >out
test "$(cat out)" = 1,9,10
END

check DEB0007 'sqlite3: a transaction, and a file that another process reads' <<'END'
clogin deb bash -c '
set -e
cd /tmp; rm -f base.db
sqlite3 base.db "create table t(a); begin; with recursive n(i) as (select 1 union all select i+1 from n where i<5000) insert into t select i from n; commit;"
test "$(sqlite3 base.db "select count(*), sum(a) from t")" = "5000|12502500"
test "$(sqlite3 base.db "pragma integrity_check")" = ok
rm base.db
'
END

check DEB0008 'git: commits, branches, merges, packing, a check' <<'END'
clogin deb bash -c '
set -e
export HOME=/tmp GIT_PAGER=cat GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
cd /tmp; git init -q tree; cd tree
for i in 1 2 3; do seq $i 100 >f$i; git add .; git commit -qm "c$i"; done
git checkout -qb side; echo side >>f1; git commit -qam side
git checkout -q -; echo main >>f2; git commit -qam main; git merge -q side -m merged
test "$(git log --oneline | wc -l)" = 6
git gc -q; git fsck --no-progress
git clone -q . ../copy; diff -r --exclude=.git . ../copy
cd ..; rm -rf tree copy
'
END
