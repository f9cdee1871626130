# Python's own tests (libpython3.11-testsuite), a module a case, in a system WPAR.
#
# packages: libpython3.11-testsuite python3 bash coreutils procps ncurses-base tzdata netbase openssl media-types
# memory: 3G
# cpus: 2
# patience: 1000

# No partition may write below /usr: what Global does not compile, each of a test's many Pythons would compile again.
python3 -m compileall -q -j 2 -x '/(test|idlelib|lib2to3|ensurepip|pydoc_data|tkinter|turtledemo)/' /usr/lib/python3.11 \
	>/dev/null 2>&1

mkwpar -n conform >/dev/null
startwpar conform >/dev/null

# A failure is named by its method, or by its class when it has not come to one.
conform() {
	timeout -s KILL 900 clogin conform env LANG=C.UTF-8 python3 -m test --verbose --timeout 600 "$1" >/tmp/said 2>&1
	status=$?
	sed -n -E 's/^(FAIL|ERROR|UNEXPECTED SUCCESS): ([^ ]+)( \(([^ )]+)\))?.*/\2 \4/p' /tmp/said |
		sed -E 's/^(setUpClass|tearDownClass|setUpModule) .*\.([^.]+)$/\2.\1/; s/^([^ ]*) .*/\1/; s/^/conform part /'
	awk '/^=====/ { found = 1 } found' /tmp/said
	tail -n 8 /tmp/said
	case $status in
	0) grep -q '^1 test skipped' /tmp/said && return 77 ;;
	4) return 77 ;;
	137)
		stopwpar -F conform
		startwpar conform
		;;
	esac
	return "$status"
}
