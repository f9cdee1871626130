# Stressors of stress-ng, one instance each for a second, in a system WPAR, with its checks of what they get.
#
# packages: stress-ng
# memory: 2G
# cpus: 2
# patience: 120

mkwpar -n conform >/dev/null
startwpar conform >/dev/null

# The program says with 3 that something is not there, and with 4 that the stressor is not for this machine; one that it
# leaves out from the beginning is not among those that have passed.
conform() {
	timeout -s KILL 60 clogin conform stress-ng "--$1" 1 --timeout 1 --verify >/tmp/said 2>&1
	status=$?
	cat /tmp/said
	case $status in
	0) grep -q 'skipped: [1-9]\|stressor will be skipped\|stressor not implemented' /tmp/said && return 77 ;;
	3 | 4) return 77 ;;
	137)
		stopwpar -F conform
		startwpar conform
		;;
	esac
	return "$status"
}
