# Read by every script suite before its own text (the harness puts WANTED in front: the ids to run).
#
#   check ID 'sentence' <<'END'
#   commands; the first that fails fails the test
#   END
#
# Each test is a shell of its own with `set -e`, in an empty folder, and prints only when it fails.

T=/usr/lib/corral-tests
export T

# What every test begins with: free memory in kB.
BEGINNING='free_memory() { awk "/MemFree/ { print \$2 }" /proc/meminfo; }'

check() {
	case " $WANTED " in *" $1 "*) ;; *) cat >/dev/null; return 0 ;; esac
	rm -rf /tmp/test /tmp/test.sh
	mkdir /tmp/test
	{ echo "$BEGINNING"; cat; } >/tmp/test.sh
	echo "begin $1"
	if (cd /tmp/test && exec sh -ex /tmp/test.sh) </dev/null >/tmp/test.log 2>&1; then
		echo "ok $1"
	else
		echo "status $?"
		tail -n 20 /tmp/test.log
		echo "not ok $1"
	fi
}
