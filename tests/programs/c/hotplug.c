/* CPUs that are taken out of use and put back while programs run. What computes, sleeps, waits and loses pages at that time
   must not notice. Every wait is for an event, and has a deadline. */

#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define SECOND 1000000000LL
enum { CPUS = 4, SLEEPERS = 24, MOVES = 100 };

/* What each kind of thread has done. */
enum kind { COMPUTES, PINNED, SLEEPS, PLAYS, UNMAPS, TICKS, KINDS };
static const char *const names[KINDS] = {"computing", "pinned", "sleeping", "playing", "unmapping", "ticking"};
static volatile unsigned long done[KINDS];
static volatile int stop;

/* Writes a switch; the error number when it fails. */
static int turn(int cpu, int on)
{
	char path[64];
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", cpu);
	int file = open(path, O_WRONLY | O_TRUNC);
	WANT(file >= 0);
	int failed = write(file, on ? "1\n" : "0\n", 2) == 2 ? 0 : errno;
	WANT(close(file) == 0);
	return failed;
}

static int online(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

static void did(enum kind kind)
{
	__atomic_fetch_add(&done[kind], 1, __ATOMIC_RELAXED);
}

static void *compute(void *nothing)
{
	while (!stop)
		did(COMPUTES);
	return nothing;
}

/* Asks for one CPU, which goes and comes like the others. */
static void *compute_there(void *nothing)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(3, &set);
	WANT(sched_setaffinity(0, sizeof set, &set) == 0);
	while (!stop)
		did(PINNED);
	return nothing;
}

static void *sleep_on(void *nothing)
{
	while (!stop) {
		struct timespec nap = {0, 3000000};
		int64_t begun = now_ns();
		WANT(nanosleep(&nap, NULL) == 0);
		int64_t passed = now_ns() - begun;
		WANT(passed >= 3000000);
		if (passed >= 5 * SECOND)
			FAIL("slept for %lld ms", (long long)passed / 1000000);
		did(SLEEPS);
	}
	return nothing;
}

static void *tick(void *nothing)
{
	struct itimerspec every = {{0, 2000000}, {0, 2000000}};
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	WANT(timer >= 0 && timerfd_settime(timer, 0, &every, NULL) == 0);
	while (!stop) {
		uint64_t times;
		WANT(read(timer, &times, sizeof times) == sizeof times && times > 0);
		did(TICKS);
	}
	return nothing;
}

static int side;

static void *play(void *argument)
{
	int mine = argument != NULL;
	while (!stop) {
		int seen;
		struct timespec limit = {0, 100000000};
		while ((seen = __atomic_load_n(&side, __ATOMIC_ACQUIRE)) != mine && !stop)
			syscall(SYS_futex, &side, FUTEX_WAIT_PRIVATE, seen, &limit, NULL, 0);
		__atomic_store_n(&side, !mine, __ATOMIC_RELEASE);
		WANT(syscall(SYS_futex, &side, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) >= 0);
		did(PLAYS);
	}
	return NULL;
}

static volatile unsigned char *shared_page;
static volatile unsigned long writes;
static __thread sigjmp_buf away;

static void on_fault(int number)
{
	(void)number;
	siglongjmp(away, 1);
}

static void *write_on(void *nothing)
{
	if (sigsetjmp(away, 1) == 0)
		for (;;) {
			*shared_page = 1;
			writes++;
		}
	return nothing;
}

/* Takes pages from a thread that writes to them: once the call has returned, at most the write under way is counted. */
static void *unmap_on(void *nothing)
{
	WANT(signal(SIGSEGV, on_fault) != SIG_ERR);
	while (!stop) {
		pthread_t id;
		unsigned long before = writes;
		shared_page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		WANT(shared_page != MAP_FAILED);
		WANT(pthread_create(&id, NULL, write_on, NULL) == 0);
		int64_t deadline = now_ns() + 20 * SECOND;
		while (writes == before)
			WANT(now_ns() < deadline && sched_yield() == 0);
		WANT(munmap((void *)shared_page, 65536) == 0);
		unsigned long after = writes;
		WANT(pthread_join(id, NULL) == 0);
		WANT(writes - after <= 1);
		did(UNMAPS);
	}
	return nothing;
}

/* Waits until every kind of thread has done something more. */
static void until_all_moved(int move)
{
	unsigned long before[KINDS];
	int64_t deadline = now_ns() + 20 * SECOND;
	for (int kind = 0; kind < KINDS; kind++)
		before[kind] = done[kind];
	for (int kind = 0; kind < KINDS; kind++)
		while (done[kind] == before[kind]) {
			if (now_ns() > deadline)
				FAIL("after move %d nothing goes on %s", move, names[kind]);
			WANT(sched_yield() == 0);
		}
}

/* CPUs go and come a hundred times, in an order that is the same every time, while everything goes on. */
static void churn(void)
{
	static void *(*const bodies[])(void *) = {compute, compute, compute_there, tick, play, unmap_on};
	enum { BODIES = sizeof bodies / sizeof *bodies };
	pthread_t ids[BODIES + SLEEPERS + 1];
	int count = 0;
	for (int at = 0; at < BODIES; at++)
		WANT(pthread_create(&ids[count++], NULL, bodies[at], NULL) == 0);
	WANT(pthread_create(&ids[count++], NULL, play, &side) == 0);
	for (int at = 0; at < SLEEPERS; at++)
		WANT(pthread_create(&ids[count++], NULL, sleep_on, NULL) == 0);
	unsigned state = 12345, used = (1 << CPUS) - 1;
	for (int move = 0; move < MOVES; move++) {
		state = state * 1103515245 + 12345;
		int cpu = state >> 16 & (CPUS - 1), on = !(used >> cpu & 1);
		int failed = turn(cpu, on);
		if (used == 1u << cpu) {
			if (failed != EBUSY)
				FAIL("the last CPU, %d, could be taken out: errno %d", cpu, failed);
			continue;
		}
		if (failed)
			FAIL("move %d: CPU %d to %d: errno %d", move, cpu, on, failed);
		used ^= 1u << cpu;
		if (online() != __builtin_popcount(used))
			FAIL("%d CPUs after move %d, not %d", online(), move, __builtin_popcount(used));
		if (move % 10 == 9)
			until_all_moved(move);
	}
	for (int cpu = 0; cpu < CPUS; cpu++)
		WANT(turn(cpu, 1) == 0);
	until_all_moved(MOVES);
	stop = 1;
	for (int at = 0; at < count; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static void *move_one(void *argument)
{
	int cpu = *(int *)argument;
	for (int round = 0; round < 25; round++) {
		int failed = turn(cpu, 0);
		WANT(failed == 0 || failed == EBUSY);
		WANT(turn(cpu, 1) == 0);
	}
	return NULL;
}

/* Four threads take a CPU each at once: one always stays, and at the end all are back. */
static void contend(void)
{
	pthread_t ids[CPUS];
	int cpus[CPUS];
	for (int at = 0; at < CPUS; at++) {
		cpus[at] = at;
		WANT(pthread_create(&ids[at], NULL, move_one, &cpus[at]) == 0);
	}
	for (int at = 0; at < CPUS; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
	WANT(online() == CPUS);
}

/* User, system and idle time of all CPUs together, in ticks of 10 ms. */
static long long spent(void)
{
	long long user, nice, system, idle;
	FILE *file = fopen("/proc/stat", "r");
	WANT(file && fscanf(file, "cpu %lld %lld %lld %lld", &user, &nice, &system, &idle) == 4);
	fclose(file);
	return user + nice + system + idle;
}

/* With half of the CPUs, half of the time passes on them, and none that has passed is forgotten. */
static void account(void)
{
	long long before = spent();
	WANT(turn(1, 0) == 0 && turn(2, 0) == 0);
	long long start = spent();
	int64_t begun = now_ns();
	WANT(start >= before);
	while (now_ns() - begun < SECOND)
		;
	long long passed = spent() - start, clock = (now_ns() - begun) / 10000000;
	if (passed < 2 * clock - 4 || passed > 2 * clock + 4)
		FAIL("%lld ticks on two CPUs in %lld", passed, clock);
	WANT(turn(1, 1) == 0 && turn(2, 1) == 0);
	WANT(spent() >= start + passed);
}

static const struct check checks[] = {{"churn", churn}, {"contend", contend}, {"account", account}};

MAIN(checks)
