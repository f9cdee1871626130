/* Threads that may make only some system calls (man 2 seccomp). */

#include "seccomp.h"
#include <pthread.h>
#include <sys/resource.h>

static void fails(void)
{
	/* getpid and getuid are answered without a look at anything, when nobody wants one. */
	WANT(getpid() > 0 && getuid() == 0 && prctl(PR_GET_SECCOMP) == 0);
	restrict_call(SYS_getpid, SECCOMP_RET_ERRNO | EXDEV);
	WANT_ERROR(syscall(SYS_getpid), EXDEV);
	WANT(getppid() > 0 && prctl(PR_GET_SECCOMP) == 2);
	/* Any error can be given, and none. */
	restrict_call(SYS_getuid, SECCOMP_RET_ERRNO | 0xffff);
	WANT_ERROR(syscall(SYS_getuid), 4095);
	restrict_call(SYS_geteuid, SECCOMP_RET_ERRNO | 600);
	WANT_ERROR(syscall(SYS_geteuid), 600);
	restrict_call(SYS_kill, SECCOMP_RET_ERRNO);
	WANT(kill(4000000, 9) == 0);
	/* What the newest says of equals, and the strictest in any case. */
	restrict_call(SYS_getpid, SECCOMP_RET_ERRNO | ENOTTY);
	WANT_ERROR(syscall(SYS_getpid), ENOTTY);
	restrict_call(SYS_getpid, SECCOMP_RET_ALLOW);
	WANT_ERROR(syscall(SYS_getpid), ENOTTY);
	/* Nobody traces or listens. */
	restrict_call(SYS_getgid, SECCOMP_RET_TRACE | 5);
	WANT_ERROR(syscall(SYS_getgid), ENOSYS);
	restrict_call(SYS_getegid, SECCOMP_RET_USER_NOTIF);
	WANT_ERROR(syscall(SYS_getegid), ENOSYS);
	restrict_call(SYS_getsid, SECCOMP_RET_LOG);
	WANT(getsid(0) > 0);
}

static void arguments(void)
{
	struct sock_filter filter[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 0, 6),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x89abcdef, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x01234567, 0, 2),
		LOAD(args[2]),
		BPF_STMT(BPF_RET | BPF_A, 0),
		RETURN(SECCOMP_RET_ALLOW),
	};
	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	WANT(install_with(0, filter, COUNT(filter)) == 0);
	WANT_ERROR(syscall(SYS_dup3, 0x0123456789abcdefL, 5, SECCOMP_RET_ERRNO | 77), 77);
	WANT_ERROR(syscall(SYS_dup3, 0x0123456689abcdefL, 5, SECCOMP_RET_ERRNO | 77), EINVAL);
}

static volatile siginfo_t seen;
static volatile int handled;

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	seen = *info;
	handled++;
}

static void traps(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	WANT(sigaction(SIGSYS, &action, NULL) == 0);
	restrict_call(SYS_getppid, SECCOMP_RET_TRAP | 1234);
	register long number __asm__("r0") = SYS_getppid;
	register long first __asm__("r3") = 42;
	__asm__ volatile("sc" : "+r"(number), "+r"(first) : : "memory", "cr0", "r4", "r5", "r6", "r7", "r8",
			 "r9", "r10", "r11", "r12", "ctr", "xer");
	/* The registers are as they were at the call. */
	WANT(first == 42 && handled == 1);
	WANT(seen.si_signo == SIGSYS && seen.si_code == 1 && seen.si_errno == 1234);
	WANT(seen.si_syscall == SYS_getppid && seen.si_arch == AUDIT_ARCH_PPC64LE);
	WANT(seen.si_call_addr != NULL);
}

static void trapped_blocked(void)
{
	sigset_t set;
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	sigaction(SIGSYS, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	restrict_call(SYS_getppid, SECCOMP_RET_TRAP);
	getppid();
}

static void killed_process(void)
{
	restrict_call(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
	getppid();
}

static void killed_single(void)
{
	restrict_call(SYS_getppid, SECCOMP_RET_KILL_THREAD);
	getppid();
}

static void killed_unknown(void)
{
	restrict_call(SYS_getppid, 0x12340000);
	getppid();
}

static void *goes(void *process)
{
	restrict_call(SYS_getppid, process ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_KILL_THREAD);
	getppid();
	return process;
}

static void killed_from_thread(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, goes, (void *)1);
	pthread_join(thread, NULL);
	sleep(100);
}

static void strict_kills(void)
{
	WANT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	syscall(SYS_getpid);
}

static void strict_works(void)
{
	char byte;
	int ends[2];
	WANT(pipe(ends) == 0);
	WANT(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
	if (write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1)
		syscall(SYS_exit, 7);
	syscall(SYS_exit, 1);
}

static void kills(void)
{
	struct rlimit none = { 0, 0 };
	pthread_t thread;
	WANT(setrlimit(RLIMIT_CORE, &none) == 0);
	WANT_SIGNAL(trapped_blocked, SIGSYS);
	WANT_SIGNAL(killed_process, SIGSYS);
	WANT_SIGNAL(killed_single, SIGSYS);
	WANT_SIGNAL(killed_unknown, SIGSYS);
	WANT_SIGNAL(killed_from_thread, SIGSYS);
	WANT_SIGNAL(strict_kills, SIGKILL);
	WANT(WEXITSTATUS(in_child(strict_works)) == 7);
	/* Only the thread goes that has made the call. */
	WANT(pthread_create(&thread, NULL, goes, NULL) == 0);
	WANT(pthread_join(thread, NULL) == 0);
	WANT(getppid() > 0);
}

static void refused(void)
{
	struct sock_filter allow[] = { RETURN(SECCOMP_RET_ALLOW) };
	struct sock_filter endless[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	struct sock_filter outside[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(0) };
	uint32_t known[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
		SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW };
	uint32_t unknown[] = { SECCOMP_RET_USER_NOTIF, 1, 0x12340000 };
	for (unsigned at = 0; at < COUNT(known); at++)
		WANT(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &known[at]) == 0);
	for (unsigned at = 0; at < COUNT(unknown); at++)
		WANT_ERROR(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &unknown[at]), EOPNOTSUPP);
	WANT_ERROR(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &known[0]), EINVAL);
	WANT_ERROR(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
	WANT_ERROR(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	WANT_ERROR(seccomp(SECCOMP_SET_MODE_STRICT, 0, known), EINVAL);
	WANT_ERROR(seccomp(9, 0, NULL), EINVAL);
	WANT_ERROR(prctl(PR_SET_SECCOMP, 9, 0, 0, 0), EINVAL);
	WANT_ERROR(install_with(SECCOMP_FILTER_FLAG_NEW_LISTENER, allow, 1), EINVAL);
	WANT_ERROR(install_with(1 << 20, allow, 1), EINVAL);
	WANT_ERROR(install_with(0, allow, 0), EINVAL);
	WANT_ERROR(install_with(0, allow, 5000), EINVAL);
	WANT_ERROR(install_with(0, endless, 1), EINVAL);
	WANT_ERROR(install_with(0, outside, 2), EINVAL);
	WANT_ERROR(install_with(0, NULL, 1), EFAULT);
	WANT_ERROR(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
	/* Root may, others only when they get no privileges any more. */
	WANT(install_with(0, allow, 1) == 0);
	WANT_ERROR(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL), EINVAL);
	WANT(setuid(1000) == 0);
	WANT_ERROR(install_with(0, allow, 1), EACCES);
	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	WANT(install_with(0, allow, 1) == 0);
}

static void status(const char *mode, const char *filters)
{
	char line[256];
	int found = 0;
	FILE *file = fopen("/proc/self/status", "r");
	WANT(file != NULL);
	while (fgets(line, sizeof(line), file))
		found += strcmp(line, mode) == 0 || strcmp(line, filters) == 0;
	fclose(file);
	WANT(found == 2);
}

static void *looks(void *unused)
{
	(void)unused;
	WANT_ERROR(syscall(SYS_getppid), EXDEV);
	return NULL;
}

static void inherited(void)
{
	pthread_t thread;
	int result;
	status("Seccomp:\t0\n", "Seccomp_filters:\t0\n");
	restrict_call(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV);
	restrict_call(SYS_getpgid, SECCOMP_RET_ERRNO | EXDEV);
	status("Seccomp:\t2\n", "Seccomp_filters:\t2\n");
	WANT(pthread_create(&thread, NULL, looks, NULL) == 0);
	WANT(pthread_join(thread, NULL) == 0);
	pid_t child = fork();
	if (child == 0)
		execl("/proc/self/exe", "seccomp", "confined", NULL);
	WANT(waitpid(child, &result, 0) == child && result == 0);
}

static void confined(void)
{
	WANT_ERROR(syscall(SYS_getppid), EXDEV);
	WANT(prctl(PR_GET_SECCOMP) == 2);
}

static volatile int stage;

static void *follows(void *own)
{
	if (own) {
		restrict_call(SYS_getpgid, SECCOMP_RET_ERRNO | ENOTTY);
		stage = syscall(SYS_gettid);
	}
	while (stage >= 0)
		sched_yield();
	return (void *)(long)(syscall(SYS_getppid) == -1 ? errno : 0);
}

static void together(void)
{
	pthread_t threads[3], apart;
	void *error;
	restrict_call(SYS_getsid, SECCOMP_RET_ERRNO | ENOTTY);
	for (int at = 0; at < 3; at++)
		WANT(pthread_create(&threads[at], NULL, follows, NULL) == 0);
	WANT(restrict_with(SECCOMP_FILTER_FLAG_TSYNC, SYS_getppid, SECCOMP_RET_ERRNO | EXDEV) == 0);
	stage = -1;
	for (int at = 0; at < 3; at++)
		WANT(pthread_join(threads[at], &error) == 0 && (long)error == EXDEV);
	/* A thread with a filter of its own cannot have the caller's. */
	stage = 0;
	WANT(pthread_create(&apart, NULL, follows, (void *)1) == 0);
	while (stage == 0)
		sched_yield();
	WANT(restrict_with(SECCOMP_FILTER_FLAG_TSYNC, SYS_times, SECCOMP_RET_ERRNO | EXDEV) == stage);
	WANT_ERROR(restrict_with(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, SYS_times,
			   SECCOMP_RET_ERRNO | EXDEV), ESRCH);
	WANT(syscall(SYS_times, NULL) != -1);
	stage = -1;
	WANT(pthread_join(apart, NULL) == 0);
}

/* As many and as long as there may be: a call must not keep the CPU for long. */
static void bounded(void)
{
	struct sock_filter *filter = calloc(4096, sizeof(*filter));
	for (int at = 0; at < 4095; at++)
		filter[at] = (struct sock_filter)LOAD(args[1]);
	filter[4095] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	int count = 0;
	while (install_with(0, filter, 4096) == 0)
		count++;
	WANT(errno == ENOMEM && count == 7);
	WANT(install_with(0, filter, 4000) == -1 && errno == EINVAL);
	for (int at = 0; at < 20; at++)
		WANT(getppid() > 0);
	pid_t child = fork();
	if (child == 0)
		_exit(getppid() <= 0);
	int result;
	WANT(waitpid(child, &result, 0) == child && result == 0);
}

static const struct check checks[] = {
	{ "fails", fails },
	{ "arguments", arguments },
	{ "traps", traps },
	{ "kills", kills },
	{ "refused", refused },
	{ "inherited", inherited },
	{ "confined", confined },
	{ "together", together },
	{ "bounded", bounded },
};

MAIN(checks)
