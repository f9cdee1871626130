/* fork, vfork, clone, exec, wait, groups, sessions, limits, clocks. */

#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>

static int status;

static void statuses(void)
{
	for (int code = 0; code < 256; code += 51) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(code);
		WANT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == code);
	}
	WANT_ERROR(wait(NULL), ECHILD);
	WANT_ERROR(waitpid(999999, NULL, 0), ECHILD);
}

static void wait_kinds(void)
{
	pid_t first = fork();
	if (first == 0)
		for (;;)
			pause();
	WANT(waitpid(-1, &status, WNOHANG) == 0);
	pid_t second = fork();
	if (second == 0)
		_exit(2);
	WANT(waitpid(second, &status, 0) == second && WEXITSTATUS(status) == 2);
	WANT(setpgid(first, first) == 0);
	WANT_ERROR(waitpid(0, &status, WNOHANG), ECHILD); /* nobody is left in our own group */
	kill(-first, SIGKILL);
	WANT(waitpid(-first, &status, 0) == first && WTERMSIG(status) == SIGKILL);
	pid_t third = fork();
	if (third == 0)
		_exit(3);
	siginfo_t info = { 0 };
	WANT(waitid(P_PID, third, &info, WEXITED | WNOWAIT) == 0);
	WANT(info.si_pid == third && info.si_code == CLD_EXITED && info.si_status == 3);
	struct rusage usage;
	WANT(wait4(third, &status, 0, &usage) == third && WEXITSTATUS(status) == 3);
	WANT_ERROR(waitpid(third, &status, 0), ECHILD);
}

static void zombies(void)
{
	/* A zombie can be signalled, is not running, and vanishes when it is waited for. */
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	siginfo_t info;
	WANT(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0);
	WANT(kill(pid, SIGKILL) == 0);
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
	WANT_ERROR(kill(pid, 0), ESRCH);
	/* With SIGCHLD ignored there are none. */
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0)
		_exit(0);
	WANT_ERROR(waitpid(pid, NULL, 0), ECHILD);
}

static void orphans(void)
{
	int ends[2];
	pid_t seen = 0;
	WANT(pipe(ends) == 0);
	if (fork() == 0) {
		pid_t first = getpid();
		if (fork() == 0) {
			while (getppid() == first)
				sched_yield();
			pid_t parent = getppid();
			_exit(write(ends[1], &parent, sizeof(parent)) != sizeof(parent));
		}
		_exit(0);
	}
	WANT(wait(&status) > 0);
	WANT(read(ends[0], &seen, sizeof(seen)) == sizeof(seen) && seen == 1);
}

static void vforked(void)
{
	static volatile int shared;
	pid_t pid = vfork();
	if (pid == 0) {
		shared = 7;
		_exit(4);
	}
	WANT(pid > 0 && shared == 7);
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
		_exit(1);
	}
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
}

static void executed(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		char *words[] = { "sh", "-c", "test \"$1\" = 'a b' && test \"$NAME\" = value && test -z \"$OTHER\"", "x", "a b", NULL };
		char *environment[] = { "NAME=value", NULL };
		execve("/bin/sh", words, environment);
		_exit(99);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
	char *none[] = { "x", NULL };
	WANT_ERROR(execve("/no/such", none, none), ENOENT);
	WANT_ERROR(execve("/tmp", none, none), EACCES);
	int fd = open("plain", O_WRONLY | O_CREAT, 0600);
	WANT(fd >= 0 && write(fd, "text\n", 5) == 5);
	close(fd);
	WANT_ERROR(execve("plain", none, none), EACCES);
	WANT(chmod("plain", 0700) == 0);
	WANT_ERROR(execve("plain", none, none), ENOEXEC);
	WANT_ERROR(execve("plain/x", none, none), ENOTDIR);
}

static void damaged_programs(void)
{
	/* This program, cut or changed, is refused and nothing is harmed. */
	static char image[4096];
	char *none[] = { "x", NULL };
	int self = open("/proc/self/exe", O_RDONLY);
	WANT(self >= 0 && read(self, image, sizeof(image)) == sizeof(image));
	static const struct { int at, value; } damage[] = { { 4, 1 }, { 5, 2 }, { 16, 1 }, { 18, 62 }, { 54, 1 }, { 0, 0 } };
	for (size_t each = 0; each < sizeof(damage) / sizeof(*damage); each++) {
		char old = image[damage[each].at];
		image[damage[each].at] = (char)damage[each].value;
		int fd = open("damaged", O_WRONLY | O_CREAT | O_TRUNC, 0700);
		WANT(write(fd, image, sizeof(image)) == sizeof(image));
		close(fd);
		WANT_ERROR(execve("damaged", none, none), ENOEXEC);
		image[damage[each].at] = old;
	}
}

static void many_arguments(void)
{
	enum { COUNT = 2000 };
	static char *words[COUNT + 6];
	words[0] = "sh";
	words[1] = "-c";
	words[2] = "test $# -eq 2000 && test \"$1\" = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	words[3] = "x";
	for (int at = 0; at < COUNT; at++)
		words[4 + at] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	pid_t pid = fork();
	if (pid == 0) {
		execv("/bin/sh", words);
		_exit(99);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
	static char huge[3 << 20];
	memset(huge, 'x', sizeof(huge) - 1);
	char *large[] = { "sh", "-c", "exit 0", huge, NULL };
	pid = fork();
	if (pid == 0) {
		execv("/bin/sh", large);
		_exit(errno == E2BIG ? 7 : 1);
	}
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
}

static void scripts(void)
{
	int fd = open("script", O_WRONLY | O_CREAT, 0700);
	const char *text = "#!/bin/sh -e\ntest \"$0\" = ./script && test \"$1\" = one\nfalse\nexit 0\n";
	WANT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	pid_t pid = fork();
	if (pid == 0) {
		execl("./script", "ignored", "one", (char *)NULL);
		_exit(99);
	}
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1); /* -e was handed over */
	fd = open("lost", O_WRONLY | O_CREAT, 0700);
	WANT(write(fd, "#!/no/such\n", 11) == 11);
	close(fd);
	char *none[] = { "x", NULL };
	WANT_ERROR(execve("./lost", none, none), ENOENT);
}

static void descriptors_over_exec(void)
{
	int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char command[100];
	sprintf(command, "test -e /proc/self/fd/%d && test ! -e /proc/self/fd/%d", kept, closed);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(99);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void *stay(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void exec_with_threads(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t id;
		for (int at = 0; at < 3; at++)
			pthread_create(&id, NULL, stay, NULL);
		execl("/bin/sh", "sh", "-c", "test $$ = $PPID; exit 8", (char *)NULL);
		_exit(99);
	}
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 8);
}

static pthread_t first;

/* The program sees one process, with the number that the parent knows, and one thread of the same number. */
static void *exec_from_here(void *after_the_first)
{
	char command[160];
	if (after_the_first != NULL && pthread_join(first, NULL) != 0)
		_exit(98);
	snprintf(command, sizeof(command),
		 "set -- /proc/self/task/*; test $$ = %d -a $# = 1 && read pid rest </proc/self/stat && "
		 "test ${1##*/} = $pid && kill -0 %d && exit 8; exit 1", getpid(), getpid());
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(99);
}

static void exec_from_thread(void)
{
	for (int at = 0; at < 2; at++) {
		pid_t pid = fork();
		if (pid == 0) {
			pthread_t id;
			first = pthread_self();
			pthread_create(&id, NULL, stay, NULL);
			pthread_create(&id, NULL, exec_from_here, at == 0 ? NULL : &first);
			if (at == 1)
				pthread_exit(NULL);
			stay(NULL);
		}
		WANT(waitpid(pid, &status, __WALL) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 8);
		WANT_ERROR(waitpid(-1, &status, __WALL), ECHILD);
	}
}

static void exit_with_threads(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t id;
		for (int at = 0; at < 3; at++)
			pthread_create(&id, NULL, stay, NULL);
		exit(9);
	}
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
}

static volatile int cloned_value;
static int cloned(void *value)
{
	cloned_value = *(int *)value;
	syscall(SYS_exit, 0);
	return 0;
}

static void clones(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	static volatile pid_t parent_tid, child_tid = 1;
	int value = 33;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	int tid = clone(cloned, stack + sizeof(stack), flags, &value, &parent_tid, NULL, &child_tid);
	WANT(tid > 0 && parent_tid == tid);
	while (child_tid != 0)
		syscall(SYS_futex, &child_tid, 0, child_tid, NULL, NULL, 0);
	WANT(cloned_value == 33);
	int pid = clone(cloned, stack + sizeof(stack), CLONE_VM | SIGCHLD, &value);
	WANT(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	WANT_ERROR(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
}

static void *identity(void *unused)
{
	(void)unused;
	return (void *)(long)(getpid() == (pid_t)syscall(SYS_gettid) ? 1 : getpid());
}

static void identities(void)
{
	pthread_t id;
	void *result;
	WANT(getpid() == (pid_t)syscall(SYS_gettid));
	WANT(pthread_create(&id, NULL, identity, NULL) == 0 && pthread_join(id, &result) == 0);
	WANT((long)result == getpid());
	WANT(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
}

static void users(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		WANT(setgid(1000) == 0 && setuid(1000) == 0);
		WANT(getuid() == 1000 && geteuid() == 1000 && getgid() == 1000);
		WANT_ERROR(setuid(0), EPERM);
		WANT_ERROR(kill(1, SIGTERM), EPERM);
		WANT_ERROR(open("/etc/shadow", O_RDONLY), EACCES);
		WANT_ERROR(open("/etc/passwd", O_WRONLY), EACCES);
		WANT_ERROR(mkdir("/opt/mine", 0755), EACCES);
		WANT_ERROR(chown("/etc/passwd", 1000, 1000), EPERM);
		WANT_ERROR(setpriority(PRIO_PROCESS, 0, -5), EACCES);
		_exit(0);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void groups_and_sessions(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		WANT(getpgrp() == getpgid(0));
		WANT(setsid() == getpid());
		WANT(getpgrp() == getpid() && getsid(0) == getpid());
		WANT_ERROR(setsid(), EPERM);
		WANT_ERROR(setpgid(0, 0), EPERM);
		WANT(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
		_exit(0);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
	WANT_ERROR(setpgid(1, 1), ESRCH);
	WANT_ERROR(getpgid(999999), ESRCH);
}

static void group_signal(void)
{
	pid_t leader = fork();
	if (leader == 0) {
		setpgid(0, 0);
		for (int at = 0; at < 3; at++)
			if (fork() == 0)
				break;
		for (;;)
			pause();
	}
	while (setpgid(leader, leader) != 0)
		;
	WANT(kill(-leader, SIGTERM) == 0);
	WANT(waitpid(leader, &status, 0) == leader && WTERMSIG(status) == SIGTERM);
}

static void limits(void)
{
	struct rlimit limit;
	WANT(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 256);
	limit.rlim_cur = 10;
	WANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	int fd, count = 0;
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		count++;
	WANT(errno == EMFILE && count <= 10);
	limit.rlim_cur = limit.rlim_max + 1;
	WANT_ERROR(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	WANT(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == 8UL << 20);
}

static void clocks(void)
{
	struct timespec monotonic, resolution, cpu, realtime;
	WANT(clock_gettime(CLOCK_MONOTONIC, &monotonic) == 0);
	WANT(clock_gettime(CLOCK_REALTIME, &realtime) == 0 && realtime.tv_sec > 1700000000);
	WANT(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_nsec <= 1000);
	WANT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0);
	WANT_ERROR(clock_gettime(99, &cpu), EINVAL);
	struct timespec until = monotonic;
	until.tv_nsec += 30000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	WANT(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
	struct timespec after;
	clock_gettime(CLOCK_MONOTONIC, &after);
	WANT(after.tv_sec > until.tv_sec || (after.tv_sec == until.tv_sec && after.tv_nsec >= until.tv_nsec));
	struct timespec bad = { .tv_nsec = 1000000000 };
	WANT_ERROR(nanosleep(&bad, NULL), EINVAL);
	struct timeval day;
	WANT(gettimeofday(&day, NULL) == 0 && day.tv_sec - realtime.tv_sec < 10);
}

static void cpu_time(void)
{
	struct tms times_now;
	struct rusage usage;
	struct timespec before, after;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (volatile long at = 0; at < 30000000; at++)
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	int64_t burnt = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
	WANT(burnt > 1000000);
	WANT(getrusage(RUSAGE_SELF, &usage) == 0);
	WANT(usage.ru_utime.tv_sec * 1000000000LL + usage.ru_utime.tv_usec * 1000LL >= burnt / 2);
	WANT(times(&times_now) != (clock_t)-1);
	/* Sleeping costs nothing. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(100000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	burnt = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
	WANT(burnt < 50000000);
}

static long peak_of(int who)
{
	struct rusage usage;
	WANT(getrusage(who, &usage) == 0);
	return usage.ru_maxrss;
}

static long kilobytes_of(const char *name)
{
	char line[256];
	long value = -1;
	FILE *status = fopen("/proc/self/status", "r");
	WANT(status != NULL);
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			value = atol(line + strlen(name));
	fclose(status);
	return value;
}

/* Uses 16 MiB for a moment. */
static void use_memory(void)
{
	size_t size = 16 << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(memory != MAP_FAILED);
	memset(memory, 1, size);
	WANT(munmap(memory, size) == 0);
}

static void peak_memory(void)
{
	enum { MOST = 16 << 10 };
	long before = peak_of(RUSAGE_SELF);
	WANT(before > 0 && before < MOST && peak_of(RUSAGE_CHILDREN) == 0);
	/* A child that is waited for counts for its parent's children, and not for the parent; of several the largest does. */
	pid_t pid = fork();
	if (pid == 0) {
		use_memory();
		_exit(0);
	}
	struct rusage usage;
	int status;
	WANT(wait4(pid, &status, 0, &usage) == pid && status == 0);
	WANT(usage.ru_maxrss >= MOST && usage.ru_maxrss < MOST + before + 1024);
	pid = fork();
	if (pid == 0)
		_exit(0);
	WANT(wait4(pid, &status, 0, &usage) == pid && usage.ru_maxrss > 0 && usage.ru_maxrss < MOST);
	WANT(peak_of(RUSAGE_CHILDREN) >= MOST && peak_of(RUSAGE_SELF) < MOST);
	/* It stays when the memory is gone. A child begins with what it has, */
	use_memory();
	WANT(peak_of(RUSAGE_SELF) >= MOST && peak_of(RUSAGE_THREAD) >= MOST);
	WANT(kilobytes_of("VmHWM:") >= MOST && kilobytes_of("VmRSS:") < MOST);
	WANT(kilobytes_of("VmPeak:") >= kilobytes_of("VmSize:") + MOST);
	pid = fork();
	if (pid == 0)
		_exit(peak_of(RUSAGE_SELF) >= MOST || peak_of(RUSAGE_CHILDREN) != 0);
	WANT(wait4(pid, &status, 0, NULL) == pid && status == 0);
	/* and a program with that of the process, although its own memory is new. */
	pid = fork();
	if (pid == 0) {
		use_memory();
		execl("/proc/self/exe", "process", "peak-kept", NULL);
		_exit(1);
	}
	WANT(wait4(pid, &status, 0, NULL) == pid && status == 0);
}

static void peak_kept(void)
{
	WANT(peak_of(RUSAGE_SELF) >= 16 << 10 && kilobytes_of("VmHWM:") < 16 << 10);
}

static void names(void)
{
	struct utsname name;
	WANT(uname(&name) == 0 && strcmp(name.machine, "ppc64le") == 0);
	char comm[16] = "";
	WANT(prctl(PR_SET_NAME, "renamed") == 0 && prctl(PR_GET_NAME, comm) == 0 && strcmp(comm, "renamed") == 0);
}

static void unknown_call(void)
{
	WANT_ERROR(syscall(5000), ENOSYS);
	WANT_ERROR(syscall(-1), ENOSYS);
	WANT_ERROR(syscall(0x7fffffffffffffffL), ENOSYS);
}

static void many_children(void)
{
	enum { COUNT = 200 };
	for (int at = 0; at < COUNT; at++) {
		pid_t pid = fork();
		WANT(pid >= 0);
		if (pid == 0)
			_exit(at % 7);
	}
	int sum = 0;
	for (int at = 0; at < COUNT; at++) {
		WANT(wait(&status) > 0);
		sum += WEXITSTATUS(status);
	}
	int expected = 0;
	for (int at = 0; at < COUNT; at++)
		expected += at % 7;
	WANT(sum == expected);
}

static void affinity(void)
{
	cpu_set_t set;
	WANT(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1);
	CPU_ZERO(&set);
	WANT_ERROR(sched_setaffinity(0, sizeof(set), &set), EINVAL);
}

/* Makes a call with marks in every register that a call keeps, and stores r3 to r12, CTR and LR behind it. Answers the
   number of marks that are gone. */
long marked_call(long number, long argument, uint64_t seen[12]);
__asm__(
	".text\n.globl marked_call\n.type marked_call,@function\nmarked_call:\n"
	"	mflr 0\n	std 0, 16(1)\n	mfcr 0\n	std 0, 8(1)\n	stdu 1, -256(1)\n"
	"	std 14, 104(1)\n	std 15, 112(1)\n	std 16, 120(1)\n	std 17, 128(1)\n	std 18, 136(1)\n	std 19, 144(1)\n"
	"	std 20, 152(1)\n	std 21, 160(1)\n	std 22, 168(1)\n	std 23, 176(1)\n	std 24, 184(1)\n	std 25, 192(1)\n"
	"	std 26, 200(1)\n	std 27, 208(1)\n	std 28, 216(1)\n	std 29, 224(1)\n	std 30, 232(1)\n	std 31, 240(1)\n"
	"	std 5, 96(1)\n	std 2, 48(1)\n	std 13, 56(1)\n"
	"	mr 0, 3\n	mr 3, 4\n"
	"	.irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n	li \\n, \\n * 3\n	.endr\n"
	"	lis 4, 0x0123\n	ori 4, 4, 0x4567\n	mtlr 4\n	lis 4, 0x00a5\n	ori 4, 4, 0xa000\n	mtcrf 0x38, 4\n"
	"	std 1, 64(1)\n	sc\n"
	"	std 3, 40(1)\n	ld 3, 96(1)\n"
	"	.irp n, 4,5,6,7,8,9,10,11,12\n	std \\n, (\\n - 3) * 8(3)\n	.endr\n"
	"	ld 4, 40(1)\n	std 4, 0(3)\n	mfctr 4\n	std 4, 80(3)\n	mflr 4\n	std 4, 88(3)\n"
	"	li 3, 0\n"
	"	.irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n	xori 4, \\n, \\n * 3\n	cmpdi 4, 0\n	beq 1f\n	addi 3, 3, 1\n1:\n	.endr\n"
	"	mfcr 4\n	andis. 4, 4, 0x00ff\n	lis 5, 0x00a5\n	cmpd 4, 5\n	beq 2f\n	addi 3, 3, 100\n2:\n"
	"	ld 4, 48(1)\n	cmpd 4, 2\n	beq 3f\n	addi 3, 3, 1000\n3:\n"
	"	ld 4, 56(1)\n	cmpd 4, 13\n	beq 4f\n	addi 3, 3, 1000\n4:\n"
	"	ld 4, 64(1)\n	cmpd 4, 1\n	beq 5f\n	addi 3, 3, 1000\n5:\n"
	"	ld 14, 104(1)\n	ld 15, 112(1)\n	ld 16, 120(1)\n	ld 17, 128(1)\n	ld 18, 136(1)\n	ld 19, 144(1)\n"
	"	ld 20, 152(1)\n	ld 21, 160(1)\n	ld 22, 168(1)\n	ld 23, 176(1)\n	ld 24, 184(1)\n	ld 25, 192(1)\n"
	"	ld 26, 200(1)\n	ld 27, 208(1)\n	ld 28, 216(1)\n	ld 29, 224(1)\n	ld 30, 232(1)\n	ld 31, 240(1)\n"
	"	addi 1, 1, 256\n	ld 0, 8(1)\n	mtcrf 0xff, 0\n	ld 0, 16(1)\n	mtlr 0\n	blr\n");

static void call_registers(void)
{
	/* Calls that are answered at once and calls that go to the dispatcher; one that fails; a number out of range. */
	struct { long number, argument, result; } calls[] = {
		{ SYS_getpid, 0, getpid() }, { SYS_gettid, 0, getpid() }, { SYS_getppid, 0, getppid() },
		{ SYS_getppid, 0, getppid() }, { SYS_getuid, 0, 0 }, { SYS_getegid, 0, 0 },
		{ SYS_getpgid, 0, getpgrp() }, { SYS_close, 1000, EBADF }, { 100000, 0, ENOSYS },
	};
	for (unsigned at = 0; at < sizeof(calls) / sizeof(*calls); at++) {
		uint64_t seen[12];
		long gone = marked_call(calls[at].number, calls[at].argument, seen);
		if (gone != 0 || (long)seen[0] != calls[at].result || seen[11] != 0x01234567)
			FAIL("call %ld: %ld registers gone, result %ld, LR %lx", calls[at].number, gone, (long)seen[0], seen[11]);
		for (int place = 1; place < 11; place++)
			if (seen[place] >> 60 == 0xc)
				FAIL("call %ld leaves a kernel address %lx in place %d", calls[at].number, seen[place], place);
	}
}

static const struct check checks[] = {
	{ "statuses", statuses }, { "wait-kinds", wait_kinds }, { "zombies", zombies }, { "orphans", orphans },
	{ "vfork", vforked }, { "exec", executed }, { "damaged-programs", damaged_programs },
	{ "many-arguments", many_arguments }, { "scripts", scripts }, { "descriptors", descriptors_over_exec },
	{ "exec-with-threads", exec_with_threads }, { "exec-from-thread", exec_from_thread },
	{ "exit-with-threads", exit_with_threads }, { "clone", clones },
	{ "identities", identities }, { "users", users }, { "groups", groups_and_sessions },
	{ "group-signal", group_signal }, { "limits", limits }, { "clocks", clocks }, { "cpu-time", cpu_time },
	{ "names", names }, { "unknown-call", unknown_call }, { "many-children", many_children },
	{ "affinity", affinity }, { "peak-memory", peak_memory }, { "peak-kept", peak_kept }, { "call-registers", call_registers },
};
MAIN(checks)
