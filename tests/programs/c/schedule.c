/* Nice values, scheduling policies, CPUs. The machine has two CPUs. Every wait is for an event, and has a deadline. */

#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define SECOND 1000000000LL
enum { NOBODY = 65534 };

struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t least, most;
	uint64_t beyond;
};

static int set_attr(int pid, void *attributes, unsigned flags)
{
	return syscall(SYS_sched_setattr, pid, attributes, flags);
}

static int get_attr(int pid, void *attributes, unsigned size, unsigned flags)
{
	return syscall(SYS_sched_getattr, pid, attributes, size, flags);
}

static int become(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	return sched_setscheduler(0, policy, &param);
}

/* Ends the child with 0 when all is well: a failed WANT ends it with 1. */
static void well(void (*body)(void))
{
	WANT(in_child(body) == 0);
}

static void policies(void)
{
	static const int fair[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
	static const int real[] = { SCHED_FIFO, SCHED_RR };
	struct sched_param param;
	for (int at = 0; at < 3; at++) {
		WANT(sched_get_priority_min(fair[at]) == 0 && sched_get_priority_max(fair[at]) == 0);
		WANT(become(fair[at], 0) == 0);
		WANT(sched_getscheduler(0) == fair[at]);
		WANT_ERROR(become(fair[at], 1), EINVAL);
	}
	for (int at = 0; at < 2; at++) {
		WANT(sched_get_priority_min(real[at]) == 1 && sched_get_priority_max(real[at]) == 99);
		WANT(become(real[at], 40) == 0);
		WANT(sched_getscheduler(getpid()) == real[at]);
		WANT(sched_getparam(0, &param) == 0 && param.sched_priority == 40);
		param.sched_priority = 99;
		WANT(sched_setparam(0, &param) == 0);
		WANT(sched_getparam(0, &param) == 0 && param.sched_priority == 99);
		WANT_ERROR(become(real[at], 0), EINVAL);
		WANT_ERROR(become(real[at], 100), EINVAL);
		WANT_ERROR(become(real[at], -1), EINVAL);
		struct timespec interval;
		WANT(sched_rr_get_interval(0, &interval) == 0);
		WANT(interval.tv_sec == 0 && interval.tv_nsec == (real[at] == SCHED_RR ? 100000000 : 0));
	}
	WANT_ERROR(become(4, 0), EINVAL);
	WANT_ERROR(become(77, 0), EINVAL);
	WANT_ERROR(become(-1, 0), EINVAL);
	WANT_ERROR(sched_get_priority_max(9), EINVAL);
	WANT_ERROR(sched_setscheduler(0, SCHED_OTHER, NULL), EINVAL);
	WANT_ERROR(sched_setscheduler(-1, SCHED_OTHER, &param), EINVAL);
	WANT_ERROR(sched_getscheduler(-1), EINVAL);
	WANT_ERROR(sched_getscheduler(0x3fffffff), ESRCH);
	WANT_ERROR(sched_getparam(0, NULL), EINVAL);
	WANT_ERROR(syscall(SYS_sched_getparam, 0, 8), EFAULT);
}

static void attributes(void)
{
	struct attributes got, set = { .size = 48, .policy = SCHED_BATCH, .nice = -7 };
	WANT(set_attr(0, &set, 0) == 0);
	memset(&got, 0xff, sizeof got);
	WANT(get_attr(0, &got, 48, 0) == 0);
	WANT(got.size == 48 && got.policy == SCHED_BATCH && got.nice == -7 && got.priority == 0);
	WANT(got.least == 0xffffffff);
	WANT(get_attr(0, &got, 56, 0) == 0 && got.size == 56);
	WANT(getpriority(PRIO_PROCESS, 0) == -7);
	set = (struct attributes){ .size = 48, .policy = SCHED_RR, .priority = 3, .flags = 1 };
	WANT(set_attr(0, &set, 0) == 0);
	WANT(get_attr(0, &got, 56, 0) == 0);
	WANT(got.policy == SCHED_RR && got.priority == 3 && got.flags == 1 && got.nice == 0);
	WANT(sched_getscheduler(0) == (SCHED_RR | SCHED_RESET_ON_FORK));
	/* The nice value was kept. */
	WANT(getpriority(PRIO_PROCESS, 0) == -7);
	/* The policy stays, the parameters change; and the other way about. */
	set = (struct attributes){ .size = 48, .policy = 0, .priority = 5, .flags = 8 };
	WANT(set_attr(0, &set, 0) == 0 && get_attr(0, &got, 56, 0) == 0);
	WANT(got.policy == SCHED_RR && got.priority == 5 && got.flags == 0);
	set = (struct attributes){ .size = 48, .policy = SCHED_FIFO, .flags = 16 };
	WANT(set_attr(0, &set, 0) == 0 && get_attr(0, &got, 56, 0) == 0);
	WANT(got.policy == SCHED_FIFO && got.priority == 5);
	/* Sizes. */
	set = (struct attributes){ .policy = SCHED_OTHER };
	WANT(set_attr(0, &set, 0) == 0);
	set = (struct attributes){ .size = sizeof set, .policy = SCHED_OTHER, .beyond = 0 };
	WANT(set_attr(0, &set, 0) == 0);
	set.beyond = 1;
	WANT_ERROR(set_attr(0, &set, 0), E2BIG);
	WANT(set.size == 56);
	set = (struct attributes){ .size = 40 };
	WANT_ERROR(set_attr(0, &set, 0), E2BIG);
	set = (struct attributes){ .size = 48, .policy = SCHED_OTHER, .flags = 1 << 20 };
	WANT_ERROR(set_attr(0, &set, 0), EINVAL);
	set.flags = 0;
	WANT_ERROR(set_attr(0, &set, 1), EINVAL);
	WANT_ERROR(set_attr(0, NULL, 0), EINVAL);
	WANT_ERROR(get_attr(0, &got, 47, 0), EINVAL);
	WANT_ERROR(get_attr(0, &got, 56, 1), EINVAL);
	WANT_ERROR(get_attr(0x3fffffff, &got, 56, 0), ESRCH);
}

static void child_inherits(void)
{
	WANT(sched_getscheduler(0) == SCHED_FIFO);
	WANT(getpriority(PRIO_PROCESS, 0) == -4);
	cpu_set_t cpus;
	WANT(sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1 && CPU_ISSET(1, &cpus));
	_exit(0);
}

static void child_is_reset(void)
{
	WANT(sched_getscheduler(0) == SCHED_OTHER);
	WANT(getpriority(PRIO_PROCESS, 0) == 0);
	_exit(0);
}

static void inherit(void)
{
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	WANT(setpriority(PRIO_PROCESS, 0, -4) == 0);
	WANT(sched_setaffinity(0, sizeof cpus, &cpus) == 0);
	WANT(become(SCHED_FIFO, 9) == 0);
	well(child_inherits);
	WANT(become(SCHED_FIFO | SCHED_RESET_ON_FORK, 9) == 0);
	well(child_is_reset);
}

static void limited(void)
{
	struct rlimit nice_limit = { 25, 25 }, priority_limit = { 10, 10 };
	WANT(setrlimit(RLIMIT_NICE, &nice_limit) == 0);
	WANT(setrlimit(RLIMIT_RTPRIO, &priority_limit) == 0);
	WANT(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	WANT(setpriority(PRIO_PROCESS, 0, -5) == 0);
	WANT_ERROR(setpriority(PRIO_PROCESS, 0, -6), EACCES);
	WANT(become(SCHED_FIFO, 10) == 0);
	WANT_ERROR(become(SCHED_FIFO, 11), EPERM);
	WANT(become(SCHED_OTHER | SCHED_RESET_ON_FORK, 0) == 0);
	WANT_ERROR(become(SCHED_OTHER, 0), EPERM);
	_exit(0);
}

static void unlimited_down(void)
{
	WANT(setpriority(PRIO_PROCESS, 0, 5) == 0);
	WANT(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	WANT_ERROR(setpriority(PRIO_PROCESS, 0, 4), EACCES);
	errno = 0;
	WANT(nice(-1) == -1 && errno == EPERM);
	errno = 0;
	WANT(nice(2) == 7 && errno == 0);
	WANT_ERROR(become(SCHED_RR, 1), EPERM);
	WANT(become(SCHED_IDLE, 0) == 0);
	WANT_ERROR(become(SCHED_OTHER, 0), EPERM);
	/* Somebody else's. */
	struct sched_param param = { 0 };
	cpu_set_t cpus;
	WANT(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
	WANT_ERROR(setpriority(PRIO_PROCESS, getppid(), 19), EPERM);
	WANT_ERROR(sched_setscheduler(getppid(), SCHED_BATCH, &param), EPERM);
	WANT_ERROR(sched_setaffinity(getppid(), sizeof cpus, &cpus), EPERM);
	_exit(0);
}

static void unprivileged(void)
{
	well(limited);
	well(unlimited_down);
}

static void *other_thread(void *argument)
{
	int *tid = argument;
	WANT(setpriority(PRIO_PROCESS, 0, 6) == 0);
	__atomic_store_n(tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (__atomic_load_n(tid, __ATOMIC_ACQUIRE))
		sched_yield();
	return NULL;
}

static void leave_after_byte(int read_end)
{
	char byte;
	WANT(read(read_end, &byte, 1) == 0);
	_exit(0);
}

static void whom(void)
{
	/* A thread's own, by its number; a group's and a user's best. */
	pthread_t id;
	int tid = 0, seen;
	WANT(setpriority(PRIO_PROCESS, 0, 8) == 0);
	WANT(pthread_create(&id, NULL, other_thread, &tid) == 0);
	while (!(seen = __atomic_load_n(&tid, __ATOMIC_ACQUIRE)))
		sched_yield();
	WANT(getpriority(PRIO_PROCESS, 0) == 8 && getpriority(PRIO_PROCESS, seen) == 6);
	WANT(setpriority(PRIO_PROCESS, seen, 7) == 0);
	WANT(getpriority(PRIO_PROCESS, seen) == 7 && getpriority(PRIO_PROCESS, getpid()) == 8);
	__atomic_store_n(&tid, 0, __ATOMIC_RELEASE);
	WANT(pthread_join(id, NULL) == 0);
	int ends[2], child;
	WANT(setpgid(0, 0) == 0 && pipe(ends) == 0);
	WANT((child = fork()) >= 0);
	if (child == 0) {
		close(ends[1]);
		leave_after_byte(ends[0]);
	}
	WANT(setpriority(PRIO_PROCESS, child, 3) == 0);
	WANT(getpriority(PRIO_PGRP, 0) == 3 && getpriority(PRIO_PGRP, getpid()) == 3);
	WANT(setpriority(PRIO_PGRP, 0, 12) == 0);
	WANT(getpriority(PRIO_PROCESS, child) == 12 && getpriority(PRIO_PROCESS, 0) == 12);
	close(ends[1]);
	WANT(waitpid(child, NULL, 0) == child);
	WANT(setresuid(4321, 4321, -1) == 0);
	WANT(getpriority(PRIO_USER, 4321) == 12 && getpriority(PRIO_USER, 0) == 12);
	WANT_ERROR(getpriority(PRIO_USER, 4322), ESRCH);
	WANT_ERROR(setpriority(PRIO_USER, 4322, 1), ESRCH);
	WANT_ERROR(getpriority(3, 0), EINVAL);
	WANT_ERROR(setpriority(PRIO_PROCESS, 0x3fffffff, 1), ESRCH);
}

static void affinity(void)
{
	unsigned long set = 0, all = 3;
	WANT(syscall(SYS_sched_getaffinity, 0, 8, &set) == 8 && set == all);
	for (int turn = 0; turn < 200; turn++) {
		set = 1UL << turn % 2;
		WANT(syscall(SYS_sched_setaffinity, 0, 8, &set) == 0);
		/* At once, and for as long as it lasts. */
		WANT(sched_getcpu() == turn % 2);
		sched_yield();
		WANT(sched_getcpu() == turn % 2);
	}
	set = 0xfffc;
	WANT_ERROR(syscall(SYS_sched_setaffinity, 0, 8, &set), EINVAL);
	set = 0;
	WANT_ERROR(syscall(SYS_sched_setaffinity, 0, 8, &set), EINVAL);
	set = 0xff02;
	WANT(syscall(SYS_sched_setaffinity, 0, 8, &set) == 0);
	WANT(syscall(SYS_sched_getaffinity, 0, 8, &set) == 8 && set == 2);
	WANT_ERROR(syscall(SYS_sched_getaffinity, 0, 4, &set), EINVAL);
	WANT_ERROR(syscall(SYS_sched_getaffinity, 0, 12, &set), EINVAL);
	WANT_ERROR(syscall(SYS_sched_getaffinity, 0, 8, 8), EFAULT);
	WANT_ERROR(syscall(SYS_sched_setaffinity, 0x3fffffff, 8, &set), ESRCH);
	/* Fewer bytes than there are: the rest is zero. */
	unsigned char byte = 1;
	WANT(syscall(SYS_sched_setaffinity, 0, 1, &byte) == 0);
	WANT(syscall(SYS_sched_getaffinity, 0, 8, &set) == 8 && set == 1);
}

static volatile unsigned long steps[3];
static volatile int stop;

static void *compute(void *argument)
{
	volatile unsigned long *count = argument;
	while (!stop)
		++*count;
	return NULL;
}

static void *bound_compute(void *argument)
{
	unsigned long set = 1;
	WANT(syscall(SYS_sched_setaffinity, 0, 8, &set) == 0);
	return compute(argument);
}

/* CPU time of a thread. */
static int64_t cpu_time(pthread_t id)
{
	clockid_t clock;
	struct timespec used;
	WANT(pthread_getcpuclockid(id, &clock) == 0 && clock_gettime(clock, &used) == 0);
	return used.tv_sec * SECOND + used.tv_nsec;
}

static void crowd(void)
{
	/* Two on one CPU and one that is free: it has the other CPU nearly for itself. */
	pthread_t ids[3];
	int64_t used[3];
	WANT(pthread_create(&ids[0], NULL, bound_compute, (void *)&steps[0]) == 0);
	WANT(pthread_create(&ids[1], NULL, bound_compute, (void *)&steps[1]) == 0);
	WANT(pthread_create(&ids[2], NULL, compute, (void *)&steps[2]) == 0);
	int64_t deadline = now_ns() + 60 * SECOND;
	struct timespec pause = { 0, 20000000 };
	do {
		WANT(now_ns() < deadline);
		WANT(clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL) == 0);
		for (int at = 0; at < 3; at++)
			used[at] = cpu_time(ids[at]);
	} while (used[0] + used[1] < SECOND / 2);
	WANT(used[2] * 10 > (used[0] + used[1]) * 6);
	WANT(used[0] * 2 > used[1] && used[1] * 2 > used[0]);
	stop = 1;
	for (int at = 0; at < 3; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static void idle_class(void)
{
	/* On one CPU, against an ordinary sibling, next to nothing. */
	unsigned long set = 1;
	WANT(syscall(SYS_sched_setaffinity, 0, 8, &set) == 0);
	pthread_t ids[2];
	WANT(pthread_create(&ids[0], NULL, compute, (void *)&steps[0]) == 0);
	WANT(become(SCHED_IDLE, 0) == 0);
	WANT(pthread_create(&ids[1], NULL, compute, (void *)&steps[1]) == 0);
	WANT(become(SCHED_OTHER, 0) == 0);
	int64_t deadline = now_ns() + 60 * SECOND;
	while (cpu_time(ids[0]) < SECOND / 2)
		WANT(now_ns() < deadline);
	WANT(cpu_time(ids[1]) * 20 < cpu_time(ids[0]));
	stop = 1;
	for (int at = 0; at < 2; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static void fifo(void)
{
	/* A FIFO thread that never waits leaves 5 % to the others, on its only CPU; one of greater priority runs before it. */
	unsigned long set = 1;
	WANT(syscall(SYS_sched_setaffinity, 0, 8, &set) == 0);
	pthread_t ids[3];
	struct sched_param ten = { 10 }, eleven = { 11 };
	for (int at = 0; at < 3; at++)
		WANT(pthread_create(&ids[at], NULL, compute, (void *)&steps[at]) == 0);
	WANT(become(SCHED_FIFO, 20) == 0);
	WANT(pthread_setschedparam(ids[0], SCHED_FIFO, &ten) == 0);
	WANT(pthread_setschedparam(ids[1], SCHED_FIFO, &eleven) == 0);
	int64_t before[3], used[3], deadline = now_ns() + 60 * SECOND;
	for (int at = 0; at < 3; at++)
		before[at] = cpu_time(ids[at]);
	struct timespec pause = { 0, 20000000 };
	do {
		WANT(now_ns() < deadline);
		WANT(clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL) == 0);
		for (int at = 0; at < 3; at++)
			used[at] = cpu_time(ids[at]) - before[at];
	} while (used[1] < SECOND / 2);
	WANT(used[0] * 50 < used[1]);
	WANT(used[2] > 0 && used[2] * 5 < used[1]);
	stop = 1;
	for (int at = 0; at < 3; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

/* A process whose first thread waits for its only CPU behind one of greater priority that never waits. Answers once it is so. */
static pid_t starve(void)
{
	int ready[2];
	char byte;
	WANT(pipe(ready) == 0);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		unsigned long set = 1;
		struct sched_param two = { 2 };
		pthread_t other;
		WANT(syscall(SYS_sched_setaffinity, 0, 8, &set) == 0);
		WANT(become(SCHED_FIFO, 3) == 0);
		WANT(pthread_create(&other, NULL, compute, (void *)&steps[0]) == 0);
		WANT(pthread_setschedparam(other, SCHED_FIFO, &two) == 0);
		WANT(write(ready[1], "", 1) == 1);
		WANT(become(SCHED_FIFO, 1) == 0);
		_exit(1);
	}
	close(ready[1]);
	WANT(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	struct sched_param param = { 0 };
	int64_t deadline = now_ns() + 20 * SECOND;
	do {
		WANT(now_ns() < deadline);
		WANT(sched_getparam(pid, &param) == 0);
	} while (param.sched_priority != 1);
	return pid;
}

static void starved(void)
{
	/* Whom a fatal signal is sent to need not run for it. */
	static const struct { int signal, to_thread; } cases[] = { { SIGKILL, 0 }, { SIGKILL, 1 }, { SIGTERM, 0 } };
	for (int at = 0; at < 3; at++) {
		int status = 0, signal = cases[at].signal;
		pid_t pid = starve();
		WANT((cases[at].to_thread ? syscall(SYS_tgkill, pid, pid, signal) : kill(pid, signal)) == 0);
		int64_t deadline = now_ns() + 10 * SECOND;
		while (waitpid(pid, &status, WNOHANG) == 0 && now_ns() < deadline)
			usleep(1000);
		int ended = WIFSIGNALED(status) && WTERMSIG(status) == signal;
		if (!ended) {
			/* The first thread may run now, and ends it. */
			struct sched_param fifty = { 50 };
			sched_setscheduler(pid, SCHED_FIFO, &fifty);
			kill(pid, SIGKILL);
		}
		WANT(ended);
	}
}

/* Who gives way could go on: that is counted with what takes a CPU away, and only who waits is counted to have gone by itself. */
static void counts(void)
{
	struct rusage before, after;
	cpu_set_t first;
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	WANT(sched_setaffinity(0, sizeof(first), &first) == 0);
	pid_t other = fork();
	WANT(other >= 0);
	while (other == 0)
		sched_yield();
	WANT(getrusage(RUSAGE_SELF, &before) == 0);
	for (int turn = 0; turn < 20; turn++)
		sched_yield();
	WANT(getrusage(RUSAGE_SELF, &after) == 0);
	WANT(after.ru_nivcsw > before.ru_nivcsw && after.ru_nvcsw == before.ru_nvcsw);
	before = after;
	for (int turn = 0; turn < 20; turn++)
		WANT(usleep(100) == 0);
	WANT(getrusage(RUSAGE_SELF, &after) == 0);
	WANT(after.ru_nvcsw >= before.ru_nvcsw + 20);
	WANT(kill(other, SIGKILL) == 0);
}

static const struct check checks[] = {
	{ "policies", policies }, { "attributes", attributes }, { "inherit", inherit },
	{ "unprivileged", unprivileged }, { "whom", whom }, { "affinity", affinity },
	{ "crowd", crowd }, { "idle-class", idle_class }, { "fifo", fifo }, { "starved", starved }, { "counts", counts },
};

MAIN(checks)
