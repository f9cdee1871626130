/* Locks whose word names the owner, and the marks of owners that have died (man 2 futex, man 2 set_robust_list). */

#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static uint32_t own(void)
{
	return syscall(SYS_gettid);
}

static uint32_t word;
static int entered, inside, most, handled;

static void *contend(void *unused)
{
	(void)unused;
	for (int turn = 0; turn < 200; turn++) {
		WANT(futex(&word, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL) == 0);
		WANT((word & FUTEX_TID_MASK) == own());
		int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (now > most)
			most = now;
		entered++;
		if (turn % 16 == 0)
			sched_yield();
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		WANT(futex(&word, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL) == 0);
	}
	return NULL;
}

static void owned(void)
{
	pthread_t threads[4];
	for (int at = 0; at < 4; at++)
		WANT(pthread_create(&threads[at], NULL, contend, NULL) == 0);
	for (int at = 0; at < 4; at++)
		WANT(pthread_join(threads[at], NULL) == 0);
	WANT(entered == 800 && most == 1 && word == 0);
}

static void refused(void)
{
	uint32_t other = 4000000;
	struct timespec past = { 1, 0 };
	WANT(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL) == 0 && word == own());
	WANT_ERROR(futex(&word, FUTEX_LOCK_PI, 0, NULL), EDEADLK);
	WANT_ERROR(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL), EDEADLK);
	WANT_ERROR(futex(&other, FUTEX_LOCK_PI, 0, NULL), ESRCH);
	WANT_ERROR(futex(&other, FUTEX_UNLOCK_PI, 0, NULL), EPERM);
	pid_t parent = getppid();
	uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = parent;
	WANT_ERROR(futex(shared, FUTEX_TRYLOCK_PI, 0, NULL), EAGAIN);
	WANT(*shared == (uint32_t)parent);
	WANT_ERROR(futex(shared, FUTEX_LOCK_PI, 0, &past), ETIMEDOUT);
	WANT(*shared == ((uint32_t)parent | FUTEX_WAITERS));
	WANT_ERROR(futex((void *)2, FUTEX_LOCK_PI, 0, NULL), EINVAL);
	WANT_ERROR(futex((void *)8, FUTEX_LOCK_PI, 0, NULL), EFAULT);
	WANT(futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == 0 && word == 0);
}

/* Words in pages that nobody has touched, and in one that may not be changed. */
static void untouched(void)
{
	enum { PAGE = 65536 };
	for (int read_only = 0; read_only < 2; read_only++) {
		int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
		uint32_t *words = mmap(NULL, 3 * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		WANT(words != MAP_FAILED);
		WANT(futex(words, FUTEX_WAKE, 1, NULL) == 0);
		WANT_ERROR(futex(words + PAGE / 4, FUTEX_WAIT, 1, NULL), EAGAIN);
		if (read_only) {
			WANT_ERROR(futex(words + PAGE / 2, FUTEX_TRYLOCK_PI, 0, NULL), EFAULT);
			WANT_ERROR(futex(words, FUTEX_TRYLOCK_PI, 0, NULL), EFAULT);
		} else {
			WANT(futex(words + PAGE / 2, FUTEX_TRYLOCK_PI, 0, NULL) == 0);
			WANT(words[PAGE / 2] == own() && words[0] == 0);
			WANT(futex(words + PAGE / 2, FUTEX_UNLOCK_PI, 0, NULL) == 0);
		}
		WANT(words[PAGE / 2] == 0 && words[0] == 0);
		WANT(munmap(words, 3 * PAGE) == 0);
	}
}

static void *waits(void *unused)
{
	(void)unused;
	while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 1)
		futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL);
	return NULL;
}

/* A wake tells how many there were, and what is wrong with its word, also when it finds nobody. */
static void nobody(void)
{
	enum { PAGE = 65536, WAKE = FUTEX_WAKE | FUTEX_PRIVATE_FLAG };
	pthread_t thread;
	uint32_t *words = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(words != MAP_FAILED && mprotect(words + PAGE / 4, PAGE, PROT_NONE) == 0);
	WANT(futex(words, WAKE, 1, NULL) == 0 && futex(words, WAKE, 1, NULL) == 0);
	WANT_ERROR(futex((void *)((char *)words + 2), WAKE, 1, NULL), EINVAL);
	WANT_ERROR(futex(words + PAGE / 4, WAKE, 1, NULL), EFAULT);
	WANT_ERROR(futex((void *)8, WAKE, 1, NULL), EFAULT);
	WANT_ERROR(futex((void *)-8UL, WAKE, 1, NULL), EFAULT);
	for (int turn = 0; turn < 50; turn++) {
		word = 1;
		WANT(pthread_create(&thread, NULL, waits, NULL) == 0);
		while (futex(&word, WAKE, 1, NULL) != 1)
			sched_yield();
		WANT(futex(words, WAKE, 1, NULL) == 0);
		__atomic_store_n(&word, 0, __ATOMIC_SEQ_CST);
		WANT(futex(&word, WAKE, 1, NULL) <= 1 && pthread_join(thread, NULL) == 0);
	}
}

static void handler(int signal)
{
	(void)signal;
	handled++;
}

static void *locks(void *unused)
{
	(void)unused;
	__atomic_store_n(&entered, own(), __ATOMIC_SEQ_CST);
	WANT(futex(&word, FUTEX_LOCK_PI, 0, NULL) == 0);
	WANT(handled == 1 && futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == 0);
	return NULL;
}

/* A handler without SA_RESTART does not end the wait for a lock. */
static void interrupted(void)
{
	pthread_t thread;
	struct sigaction action = { .sa_handler = handler };
	WANT(sigaction(SIGUSR1, &action, NULL) == 0 && futex(&word, FUTEX_LOCK_PI, 0, NULL) == 0);
	WANT(pthread_create(&thread, NULL, locks, NULL) == 0);
	while (!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		sched_yield();
	WANT(syscall(SYS_tgkill, getpid(), entered, SIGUSR1) == 0);
	while (__atomic_load_n((volatile int *)&handled, __ATOMIC_SEQ_CST) == 0)
		sched_yield();
	WANT(futex(&word, FUTEX_UNLOCK_PI, 0, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static pthread_mutex_t *mutex(int protocol)
{
	pthread_mutexattr_t kind;
	pthread_mutex_t *made =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	WANT(made != MAP_FAILED && pthread_mutexattr_init(&kind) == 0);
	WANT(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST) == 0);
	WANT(pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED) == 0);
	WANT(pthread_mutexattr_setprotocol(&kind, protocol) == 0);
	WANT(pthread_mutex_init(made, &kind) == 0);
	return made;
}

static const int protocols[] = { PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT };

static void *dies(void *lock)
{
	WANT(pthread_mutex_lock(lock) == 0);
	return NULL;
}

/* Whoever dies with a lock, by its end, a signal or another program, leaves it to the next. */
static void died(void)
{
	for (int at = 0; at < 2; at++) {
		pthread_mutex_t *lock = mutex(protocols[at]);
		pthread_t thread;
		WANT(pthread_create(&thread, NULL, dies, lock) == 0 && pthread_join(thread, NULL) == 0);
		for (int way = 0; way < 3; way++) {
			WANT(pthread_mutex_lock(lock) == EOWNERDEAD);
			WANT(pthread_mutex_consistent(lock) == 0 && pthread_mutex_unlock(lock) == 0);
			int ends[2], status;
			char byte;
			WANT(pipe(ends) == 0);
			pid_t child = fork();
			WANT(child >= 0);
			if (child == 0) {
				WANT(pthread_mutex_lock(lock) == 0 && write(ends[1], "x", 1) == 1);
				if (way == 1)
					execl("/bin/true", "true", NULL);
				while (way == 2)
					sched_yield();
				_exit(0);
			}
			WANT(read(ends[0], &byte, 1) == 1);
			if (way == 2) {
				/* One waits for it when it dies. */
				pid_t waiter = fork();
				WANT(waiter >= 0);
				if (waiter == 0)
					_exit(pthread_mutex_lock(lock) == EOWNERDEAD ? 0 : 1);
				while (!(__atomic_load_n((uint32_t *)lock, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
					sched_yield();
				WANT(kill(child, SIGKILL) == 0);
				WANT(waitpid(waiter, &status, 0) == waiter && status == 0);
			}
			WANT(waitpid(child, &status, 0) == child);
			close(ends[0]);
			close(ends[1]);
		}
		WANT(pthread_mutex_lock(lock) == EOWNERDEAD);
		WANT(pthread_mutex_unlock(lock) == 0 && pthread_mutex_lock(lock) == ENOTRECOVERABLE);
	}
}

/* Waits on a word that is not a lock, to be moved to one that is. */
static uint32_t condition, lock;
static int got[4];

static long wait_requeue(const struct timespec *timeout)
{
	return syscall(SYS_futex, &condition, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 0, timeout,
		&lock, 0);
}

static long cmp_requeue(uint32_t *from, int wake, int moved, uint32_t expected)
{
	return syscall(SYS_futex, from, FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG, wake, (long)moved,
		&lock, expected);
}

static void *bound(void *at)
{
	WANT(wait_requeue(NULL) == 0);
	WANT((lock & FUTEX_TID_MASK) == own());
	__atomic_store_n((int *)at, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n((int *)at, __ATOMIC_SEQ_CST) == 1)
		sched_yield();
	WANT(futex(&lock, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL) == 0);
	return NULL;
}

static int holders(void)
{
	int count = 0;
	for (int at = 0; at < 4; at++)
		count += __atomic_load_n(&got[at], __ATOMIC_SEQ_CST) == 1;
	return count;
}

static void moved(void)
{
	pthread_t threads[4];
	struct timespec past = { 1, 0 };
	WANT_ERROR(wait_requeue(&past), ETIMEDOUT);
	WANT_ERROR(cmp_requeue(&condition, 2, 1, 0), EINVAL);
	WANT_ERROR(cmp_requeue(&condition, 1, -1, 0), EINVAL);
	WANT_ERROR(cmp_requeue(&condition, 1, 1, 5), EAGAIN);
	WANT_ERROR(cmp_requeue(&lock, 1, 1, 0), EINVAL);
	WANT(cmp_requeue(&condition, 1, 1, 0) == 0);
	condition = 9;
	WANT_ERROR(wait_requeue(NULL), EAGAIN);
	condition = 0;
	for (int at = 0; at < 4; at++)
		WANT(pthread_create(&threads[at], NULL, bound, &got[at]) == 0);
	/* All are there when a plain requeue to a third word would find them; it refuses such waiters. */
	long found = 0;
	WANT(futex(&lock, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL) == 0);
	while (found < 4) {
		long now = cmp_requeue(&condition, 1, 100, 0);
		WANT(now >= 0);
		found += now;
		sched_yield();
	}
	WANT(holders() == 0 && lock == (own() | FUTEX_WAITERS));
	WANT_ERROR(futex(&lock, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL), EINVAL);
	WANT(futex(&lock, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL) == 0);
	for (int turn = 0; turn < 4; turn++) {
		int at = 0;
		while (holders() == 0)
			sched_yield();
		WANT(holders() == 1);
		while (got[at] != 1)
			at++;
		__atomic_store_n(&got[at], 2, __ATOMIC_SEQ_CST);
	}
	for (int at = 0; at < 4; at++)
		WANT(pthread_join(threads[at], NULL) == 0);
	WANT(lock == 0);
	/* Where nobody has the lock, the first gets it at once. */
	got[0] = 0;
	WANT(pthread_create(&threads[0], NULL, bound, &got[0]) == 0);
	while (cmp_requeue(&condition, 1, 0, 0) == 0)
		sched_yield();
	while (holders() == 0)
		sched_yield();
	got[0] = 2;
	WANT(pthread_join(threads[0], NULL) == 0 && lock == 0);
	/* The word names nobody. */
	lock = 4000000;
	WANT_ERROR(cmp_requeue(&condition, 1, 1, 0), ESRCH);
}

/* One CPU, three priorities: who waits for a lock of the lowest is not kept waiting by the one in the middle. */
static pthread_mutex_t inherited = PTHREAD_MUTEX_INITIALIZER;
static volatile int taken, waiting, middle_ended, got_before;
static int priority_seen;

static void become(int priority)
{
	struct sched_param param = { priority };
	WANT(sched_setscheduler(0, SCHED_FIFO, &param) == 0);
}

static void *low(void *unused)
{
	(void)unused;
	become(2);
	WANT(pthread_mutex_lock(&inherited) == 0);
	taken = 1;
	while (!waiting)
		;
	int64_t until = now_ns() + 20000000;
	while (now_ns() < until)
		;
	struct sched_param param;
	WANT(sched_getparam(0, &param) == 0);
	priority_seen = param.sched_priority;
	WANT(pthread_mutex_unlock(&inherited) == 0);
	return NULL;
}

static void *middle(void *unused)
{
	(void)unused;
	become(5);
	int64_t until = now_ns() + 400000000;
	while (now_ns() < until)
		;
	middle_ended = 1;
	return NULL;
}

static void *high(void *unused)
{
	(void)unused;
	become(9);
	waiting = 1;
	WANT(pthread_mutex_lock(&inherited) == 0);
	got_before = !middle_ended;
	WANT(pthread_mutex_unlock(&inherited) == 0);
	return NULL;
}

static void lent(void)
{
	pthread_t threads[3];
	pthread_mutexattr_t kind;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	WANT(sched_setaffinity(0, sizeof(one), &one) == 0);
	WANT(pthread_mutexattr_init(&kind) == 0);
	WANT(pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT) == 0);
	WANT(pthread_mutex_init(&inherited, &kind) == 0);
	become(20);
	WANT(pthread_create(&threads[0], NULL, low, NULL) == 0);
	while (!taken)
		usleep(1000);
	WANT(pthread_create(&threads[1], NULL, middle, NULL) == 0);
	WANT(pthread_create(&threads[2], NULL, high, NULL) == 0);
	for (int at = 0; at < 3; at++)
		WANT(pthread_join(threads[at], NULL) == 0);
	/* What it was lent is not its own. */
	WANT(got_before && priority_seen == 2);
}

struct word {
	uint64_t value, address;
	uint32_t flags, reserved;
};

static long waitv(struct word *words, unsigned count, unsigned flags, const struct timespec *until,
	int clock)
{
	return syscall(449, words, count, flags, until, clock);
}

static uint32_t several[128];

static void *waits_for_several(void *unused)
{
	struct word words[128];
	(void)unused;
	for (int at = 0; at < 128; at++)
		words[at] = (struct word){ 0, (uintptr_t)&several[at], 2 | FUTEX_PRIVATE_FLAG, 0 };
	return (void *)waitv(words, 128, 0, NULL, 0);
}

static void among(void)
{
	struct word words[2] = { { 0, (uintptr_t)&several[0], 2, 0 }, { 0, (uintptr_t)&several[1], 2, 0 } };
	struct timespec past = { 1, 0 }, bad = { 0, 1000000000 };
	WANT_ERROR(waitv(words, 0, 0, NULL, 0), EINVAL);
	WANT_ERROR(waitv(words, 129, 0, NULL, 0), EINVAL);
	WANT_ERROR(waitv(words, 2, 1, NULL, 0), EINVAL);
	WANT_ERROR(waitv(NULL, 2, 0, NULL, 0), EINVAL);
	WANT_ERROR(waitv((void *)8, 2, 0, NULL, 0), EFAULT);
	WANT_ERROR(waitv(words, 2, 0, &past, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
	WANT_ERROR(waitv(words, 2, 0, &bad, CLOCK_MONOTONIC), EINVAL);
	WANT_ERROR(waitv(words, 2, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
	WANT_ERROR(waitv(words, 2, 0, &past, CLOCK_REALTIME), ETIMEDOUT);
	several[1] = 1;
	WANT_ERROR(waitv(words, 2, 0, NULL, 0), EAGAIN);
	several[1] = 0;
	words[1].flags = 0;
	WANT_ERROR(waitv(words, 2, 0, NULL, 0), EINVAL);
	words[1].flags = 2;
	words[1].reserved = 1;
	WANT_ERROR(waitv(words, 2, 0, NULL, 0), EINVAL);
	words[1].reserved = 0;
	words[1].address = 8;
	WANT_ERROR(waitv(words, 2, 0, &past, CLOCK_MONOTONIC), EFAULT);
	for (int turn = 0; turn < 3; turn++) {
		static const int which[] = { 0, 77, 127 };
		pthread_t thread;
		void *index;
		WANT(pthread_create(&thread, NULL, waits_for_several, NULL) == 0);
		while (futex(&several[which[turn]], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL) == 0)
			sched_yield();
		WANT(pthread_join(thread, &index) == 0);
		WANT((long)index == which[turn]);
	}
	/* Nobody is left anywhere. */
	for (int at = 0; at < 128; at++)
		WANT(futex(&several[at], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL) == 0);
}

static const struct check checks[] = {
	{ "owned", owned }, { "refused", refused }, { "interrupted", interrupted }, { "died", died },
	{ "moved", moved }, { "among", among }, { "lent", lent },
	{ "untouched", untouched }, { "nobody", nobody },
};
MAIN(checks)
