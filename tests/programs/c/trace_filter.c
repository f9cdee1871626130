/* Calls that a filter leaves to a tracer, and pending signals that a tracer looks at (man 2 ptrace, man 2 seccomp). */

#include "ptrace.h"
#include "seccomp.h"

static void ask_twice(void)
{
	restrict_call(SYS_getppid, SECCOMP_RET_TRACE | 0x1234);
	long parent = syscall(SYS_getppid);
	long other = syscall(SYS_getppid);
	errno = 0;
	long skipped = syscall(SYS_getppid);
	_exit(parent != getppid() || other != getpid() || skipped != -1 || errno != ENOSYS);
}

static long register_of(pid_t pid, int place)
{
	long word;
	PT(PTRACE_PEEKUSER, pid, place * 8, &word);
	return word;
}

static void want_asked(pid_t pid)
{
	unsigned long message = 0;
	want_stop(pid, SIGTRAP, PTRACE_EVENT_SECCOMP);
	PT(PTRACE_GETEVENTMSG, pid, 0, &message);
	WANT(message == 0x1234 && register_of(pid, 0) == SYS_getppid);
}

/* The tracer is asked, and lets the call be made, makes another of it, or none. */
static void asked(void)
{
	pid_t pid = traced(ask_twice);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	PT(PTRACE_CONT, pid, 0, 0);
	want_asked(pid);
	PT(PTRACE_CONT, pid, 0, 0);
	want_asked(pid);
	PT(PTRACE_POKEUSER, pid, 0, SYS_getpid);
	PT(PTRACE_CONT, pid, 0, 0);
	want_asked(pid);
	PT(PTRACE_POKEUSER, pid, 0, -1);
	PT(PTRACE_CONT, pid, 0, 0);
	/* It calls once more, to compare. */
	want_asked(pid);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 0);
}

/* With calls traced too, the start of the call is told first and its end after the question. */
static void among_calls(void)
{
	pid_t pid = traced(ask_twice);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);
	int asked = 0, inside = 0;
	for (int turn = 0; turn < 100; turn++) {
		PT(PTRACE_SYSCALL, pid, 0, 0);
		int status = next(pid);
		if (WIFEXITED(status))
			break;
		WANT(WIFSTOPPED(status));
		if (WSTOPSIG(status) == SYSGOOD) {
			inside = !inside;
		} else {
			WANT(EVENT(status) == PTRACE_EVENT_SECCOMP && inside);
			asked++;
		}
	}
	WANT(asked == 4);
}

static void ask_once(void)
{
	restrict_call(SYS_getppid, SECCOMP_RET_TRACE);
	errno = 0;
	_exit(syscall(SYS_getppid) != -1 || errno != ENOSYS);
}

/* There is no such call for who has no tracer that wants to know; one that lets go when it is asked lets it be made. */
static void nobody(void)
{
	want_end(child(ask_once), 0);
	pid_t pid = traced(ask_once);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 0);
	pid = traced(ask_once);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_SECCOMP);
	PT(PTRACE_DETACH, pid, 0, 0);
	want_end(pid, 1);
	/* A signal ends it there. */
	pid = traced(ask_once);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_SECCOMP);
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
}

struct peek {
	uint64_t offset;
	uint32_t flags;
	int32_t count;
};

static void hold_signals(void)
{
	sigset_t all;
	union sigval value;
	sigfillset(&all);
	WANT(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
	for (value.sival_int = 1; value.sival_int <= 3; value.sival_int++)
		WANT(sigqueue(getpid(), SIGRTMIN, value) == 0);
	WANT(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1) == 0);
	/* Halts with what is pending as it is. */
	syscall(SYS_getppid);
}

static void pending(void)
{
	siginfo_t found[4];
	pid_t pid = traced(hold_signals);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	do {
		PT(PTRACE_SYSCALL, pid, 0, 0);
		want_stop(pid, SYSGOOD, 0);
	} while (register_of(pid, 0) != SYS_getppid);
	struct peek shared = { 0, 1, 4 }, later = { 1, 1, 1 }, own = { 0, 0, 4 }, none = { 3, 1, 4 };
	memset(found, 0, sizeof(found));
	WANT(request(PTRACE_PEEKSIGINFO, pid, (long)&shared, (long)found) == 3);
	for (int at = 0; at < 3; at++)
		WANT(found[at].si_signo == SIGRTMIN && found[at].si_code == SI_QUEUE && found[at].si_value.sival_int == at + 1);
	WANT(request(PTRACE_PEEKSIGINFO, pid, (long)&later, (long)found) == 1 && found[0].si_value.sival_int == 2);
	WANT(request(PTRACE_PEEKSIGINFO, pid, (long)&own, (long)found) == 1);
	WANT(found[0].si_signo == SIGUSR1 && found[0].si_code == SI_TKILL);
	WANT(request(PTRACE_PEEKSIGINFO, pid, (long)&none, (long)found) == 0);
	struct peek bad = { 0, 2, 1 }, negative = { 0, 0, -1 };
	WANT_ERROR(request(PTRACE_PEEKSIGINFO, pid, (long)&bad, (long)found), EINVAL);
	WANT_ERROR(request(PTRACE_PEEKSIGINFO, pid, (long)&negative, (long)found), EINVAL);
	WANT_ERROR(request(PTRACE_PEEKSIGINFO, pid, 8, (long)found), EFAULT);
	WANT_ERROR(request(PTRACE_PEEKSIGINFO, pid, (long)&own, 8), EFAULT);
	WANT(request(PTRACE_PEEKSIGINFO, pid, (long)&shared, (long)found) == 3);
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
}

static const struct check checks[] = {
	{ "asked", asked },
	{ "among-calls", among_calls },
	{ "nobody", nobody },
	{ "pending", pending },
};
MAIN(checks)
