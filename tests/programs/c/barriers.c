/* membarrier: what one side of an algorithm saves, the other side has done for it. */

#include "check.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static long barrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void arguments(void)
{
	long known = barrier(MEMBARRIER_CMD_QUERY);
	WANT(known > 0 && (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED));
	WANT_ERROR(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0), EINVAL);
	WANT_ERROR(barrier(1 << 20), EINVAL);
	WANT_ERROR(barrier(-1), EINVAL);
	/* What is not among the answers to the query is refused. */
	WANT(!(known & MEMBARRIER_CMD_GLOBAL));
	WANT_ERROR(barrier(MEMBARRIER_CMD_GLOBAL), EINVAL);
	WANT_ERROR(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), EPERM);
	WANT_ERROR(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), EPERM);
	WANT(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
	WANT(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
	WANT_ERROR(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), EPERM);
	WANT(barrier(512) == MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	/* A child has it, a program that is executed has not. */
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	execl("/proc/self/exe", "barriers", "executed", NULL);
	FAIL("exec");
}

static void executed(void)
{
	WANT_ERROR(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), EPERM);
}

/* Dekker: each side stores its own word and then loads the other's; not both may see zero. The fast side has no barrier. */
static _Atomic int own, other, turn, fast_saw, ended;

static void *fast(void *unused)
{
	(void)unused;
	for (int at = 1; !atomic_load_explicit(&ended, memory_order_relaxed); at++) {
		while (atomic_load_explicit(&turn, memory_order_acquire) != at)
			if (atomic_load_explicit(&ended, memory_order_relaxed))
				return NULL;
		atomic_store_explicit(&own, 1, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		fast_saw = atomic_load_explicit(&other, memory_order_relaxed);
		atomic_store_explicit(&turn, -at, memory_order_release);
	}
	return NULL;
}

static void ordering(void)
{
	pthread_t thread;
	WANT(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
	WANT(pthread_create(&thread, NULL, fast, NULL) == 0);
	for (int at = 1; at <= 2000; at++) {
		own = other = 0;
		atomic_store_explicit(&turn, at, memory_order_release);
		atomic_store_explicit(&other, 1, memory_order_relaxed);
		WANT(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
		int saw = atomic_load_explicit(&own, memory_order_relaxed);
		while (atomic_load_explicit(&turn, memory_order_acquire) != -at)
			sched_yield();
		WANT(saw || fast_saw);
	}
	ended = 1;
	WANT(pthread_join(thread, NULL) == 0);
}

/* Two threads that ask for it at once wait for each other, and so does one that is killed meanwhile. */
static void *asking(void *unused)
{
	(void)unused;
	for (int at = 0; at < 500; at++)
		WANT(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
	return NULL;
}

static void crossing(void)
{
	pthread_t threads[4];
	WANT(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
	for (int at = 0; at < 4; at++)
		WANT(pthread_create(&threads[at], NULL, asking, NULL) == 0);
	for (int at = 0; at < 4; at++)
		WANT(pthread_join(threads[at], NULL) == 0);
	int status;
	pid_t child = fork();
	if (child == 0) {
		for (int at = 0; at < 4; at++)
			pthread_create(&threads[at], NULL, asking, NULL);
		for (;;)
			barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	}
	usleep(20000);
	WANT(kill(child, SIGKILL) == 0);
	WANT(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
}

static const struct check checks[] = {
	{ "arguments", arguments },
	{ "executed", executed },
	{ "ordering", ordering },
	{ "crossing", crossing },
};

MAIN(checks)
