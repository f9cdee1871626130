/* Threads and processes on several CPUs at once. Every wait is for an event, and has a deadline. */

#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { SIBLINGS = 3 };
#define SECOND 1000000000LL

static volatile unsigned long steps[SIBLINGS];
static volatile int stop;

static void *compute(void *argument)
{
	volatile unsigned long *count = argument;
	while (!stop)
		++*count;
	return NULL;
}

/* Waits until `*count` has moved. */
static void until_moved(volatile unsigned long *count)
{
	unsigned long before = *count;
	int64_t deadline = now_ns() + 10 * SECOND;
	while (*count == before)
		WANT(now_ns() < deadline);
}

static void start_busy(pthread_t *ids)
{
	for (int at = 0; at < SIBLINGS; at++)
		WANT(pthread_create(&ids[at], NULL, compute, (void *)&steps[at]) == 0);
	for (int at = 0; at < SIBLINGS; at++)
		until_moved(&steps[at]);
}

static void progress(void)
{
	/* More CPU time passes than time on the clock, so several CPUs must have computed. */
	pthread_t ids[SIBLINGS];
	WANT(sysconf(_SC_NPROCESSORS_ONLN) == 4);
	start_busy(ids);
	struct timespec used;
	int64_t deadline = now_ns() + 20 * SECOND;
	int64_t begun = now_ns();
	WANT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
	int64_t before = used.tv_sec * SECOND + used.tv_nsec, passed, worked;
	do {
		WANT(now_ns() < deadline);
		WANT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
		passed = now_ns() - begun;
		worked = used.tv_sec * SECOND + used.tv_nsec - before;
	} while (passed < SECOND / 2 || worked < passed + passed / 2);
	stop = 1;
	for (int at = 0; at < SIBLINGS; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static volatile unsigned char *shared_page;
static volatile unsigned long writes;
static volatile int faulted;
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
	faulted = 1;
	return nothing;
}

static void *count_on(void *page)
{
	volatile unsigned long *count = page;
	if (sigsetjmp(away, 1) == 0)
		for (;;)
			++*count;
	return page;
}

/* Once the call has returned, at most the write that was under way is counted. */
static void taken_away(int (*take)(void *page))
{
	WANT(signal(SIGSEGV, on_fault) != SIG_ERR);
	for (int round = 0; round < 20; round++) {
		pthread_t id;
		shared_page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		WANT(shared_page != MAP_FAILED);
		faulted = 0;
		WANT(pthread_create(&id, NULL, write_on, NULL) == 0);
		until_moved(&writes);
		WANT(take((void *)shared_page) == 0);
		unsigned long after = writes;
		WANT(pthread_join(id, NULL) == 0);
		WANT(faulted);
		WANT(writes - after <= 1);
		WANT(munmap((void *)shared_page, 65536) == 0);
	}
}

static int make_read_only(void *page) { return mprotect(page, 65536, PROT_READ); }
static int take_pages(void *page) { return munmap(page, 65536); }

static void protect(void)
{
	taken_away(make_read_only);
}

static void unmap(void)
{
	taken_away(take_pages);
}

/* A page that is seen at two places: once it is taken from the one through which another thread writes, it never changes
   again. A processor that forgets late would change what has been given to somebody else. */
static void late(void)
{
	int file = open("/dev/shm/late", O_RDWR | O_CREAT | O_EXCL, 0600);
	WANT(file >= 0 && ftruncate(file, 4096) == 0 && unlink("/dev/shm/late") == 0);
	volatile unsigned long *seen = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	WANT(seen != MAP_FAILED && signal(SIGSEGV, on_fault) != SIG_ERR);
	for (int round = 0; round < 400; round++) {
		pthread_t id;
		shared_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		WANT(shared_page != MAP_FAILED);
		WANT(pthread_create(&id, NULL, count_on, (void *)shared_page) == 0);
		until_moved(seen);
		WANT(munmap((void *)shared_page, 4096) == 0);
		unsigned long last = *seen;
		WANT(pthread_join(id, NULL) == 0);
		if (*seen != last)
			FAIL("round %d: %lu writes after the page was taken", round, *seen - last);
	}
}

static int turn;

static void play(int mine, int rounds)
{
	for (int round = 0; round < rounds; round++) {
		int seen;
		struct timespec limit = {10, 0};
		while ((seen = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != mine)
			WANT(syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, &limit, NULL, 0) == 0 || errno == EAGAIN || errno == EINTR);
		__atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
		WANT(syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) >= 0);
	}
}

static void *other_side(void *nothing)
{
	play(1, 2000);
	return nothing;
}

static void ping_pong(void)
{
	pthread_t id;
	WANT(pthread_create(&id, NULL, other_side, NULL) == 0);
	play(0, 2000);
	WANT(pthread_join(id, NULL) == 0);
}

static void *fork_on(void *nothing)
{
	for (int round = 0; round < 25; round++) {
		int status;
		pid_t pid = fork();
		WANT(pid >= 0);
		if (pid == 0)
			_exit(round);
		WANT(waitpid(pid, &status, 0) == pid);
		WANT(WIFEXITED(status) && WEXITSTATUS(status) == round);
	}
	return nothing;
}

static void fork_storm(void)
{
	pthread_t ids[4];
	for (int at = 0; at < 4; at++)
		WANT(pthread_create(&ids[at], NULL, fork_on, NULL) == 0);
	for (int at = 0; at < 4; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static volatile unsigned long taken;

static void on_signal(int number)
{
	(void)number;
	taken++;
}

static void signal_running(void)
{
	pthread_t ids[SIBLINGS];
	WANT(signal(SIGUSR1, on_signal) != SIG_ERR);
	start_busy(ids);
	for (int round = 0; round < 100; round++) {
		unsigned long before = taken;
		int64_t deadline = now_ns() + 5 * SECOND;
		WANT(pthread_kill(ids[round % SIBLINGS], SIGUSR1) == 0);
		while (taken == before)
			WANT(now_ns() < deadline);
	}
	stop = 1;
	for (int at = 0; at < SIBLINGS; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static void exec_busy(void)
{
	pthread_t ids[SIBLINGS];
	char *const arguments[] = {"true", NULL};
	start_busy(ids);
	execv("/bin/true", arguments);
	_exit(3);
}

static void exit_busy(void)
{
	pthread_t ids[SIBLINGS];
	start_busy(ids);
	_exit(7);
}

static void execute(void)
{
	for (int round = 0; round < 10; round++)
		WANT(in_child(exec_busy) == 0);
}

static void leave(void)
{
	for (int round = 0; round < 10; round++) {
		int status = in_child(exit_busy);
		WANT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

static void timer(void)
{
	/* Not early, and no later than a loaded host explains. */
	for (int round = 0; round < 10; round++) {
		struct timespec nap = {0, 50000000};
		int64_t begun = now_ns();
		WANT(nanosleep(&nap, NULL) == 0);
		int64_t passed = now_ns() - begun;
		WANT(passed >= 50000000 && passed < SECOND);
	}
}

enum { PLAYERS = 3, PRIVATE = 4, MANY = 100, ROUNDS = 1600 };

static void *look_at(void *page)
{
	return (void *)*(volatile long *)page;
}

/* One of several programs that have their own at the same addresses. What it sees must always be its own. */
static void play_turns(long self)
{
	long page = sysconf(_SC_PAGESIZE);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	char *own = mmap((void *)0x500000000000, MANY * page, PROT_READ | PROT_WRITE, flags, -1, 0);
	WANT(own != MAP_FAILED);
	for (int at = 0; at < PRIVATE; at++)
		*(long *)(own + at * page) = self + at;
	for (int round = 0; round < ROUNDS; round++) {
		if (round % 400 == 0) {
			cpu_set_t set;
			CPU_ZERO(&set);
			CPU_SET(round / 400 % 4, &set);
			WANT(sched_setaffinity(0, sizeof set, &set) == 0);
		}
		sched_yield();
		for (int at = 0; at < PRIVATE; at++)
			WANT(*(volatile long *)(own + at * page) == self + at);
		char *spare = own + (PRIVATE + round / 50 % 8) * page;
		switch (round % 50) {
		case 10:
			WANT(*(volatile long *)spare == 0);
			*(long *)spare = self;
			break;
		case 20:
			WANT(*(volatile long *)spare == self);
			WANT(mprotect(spare, page, PROT_READ) == 0);
			break;
		case 30:
			WANT(*(volatile long *)spare == self);
			WANT(mprotect(spare, page, PROT_READ | PROT_WRITE) == 0);
			WANT(madvise(spare, page, MADV_DONTNEED) == 0);
			WANT(*(volatile long *)spare == 0);
			break;
		case 40:
			*(long *)own = self;
			pid_t pid = fork();
			WANT(pid >= 0);
			if (pid == 0) {
				*(long *)own = 0;
				_exit(0);
			}
			WANT(waitpid(pid, NULL, 0) == pid);
			break;
		}
		if (round == 700) {
			for (int at = PRIVATE; at < MANY; at++)
				*(volatile char *)(own + at * page) += 0;
		}
		if (round % 800 == 300) {
			pthread_t id;
			void *found;
			cpu_set_t all;
			memset(&all, 0xff, sizeof all);
			pthread_attr_t wanted;
			WANT(pthread_attr_init(&wanted) == 0);
			WANT(pthread_attr_setaffinity_np(&wanted, sizeof all, &all) == 0);
			WANT(pthread_create(&id, &wanted, look_at, own) == 0);
			WANT(pthread_join(id, &found) == 0 && (long)found == self);
		}
	}
}

static void turns(void)
{
	pid_t players[PLAYERS];
	for (long at = 0; at < PLAYERS; at++) {
		players[at] = fork();
		WANT(players[at] >= 0);
		if (players[at] == 0) {
			play_turns((at + 1) << 8);
			_exit(0);
		}
	}
	for (int at = 0; at < PLAYERS; at++) {
		int status;
		WANT(waitpid(players[at], &status, 0) == players[at] && status == 0);
	}
}

static const struct check checks[] = {
	{"progress", progress}, {"protect", protect}, {"unmap", unmap},
	{"ping-pong", ping_pong}, {"fork-storm", fork_storm}, {"signal", signal_running},
	{"exec", execute},		{"exit", leave},		{"timer", timer},
	{"late", late},			{"turns", turns},
};

MAIN(checks)
