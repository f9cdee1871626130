/* threads.c - threads of one process: their beginning and end, and futexes (man 2 futex). */
#include "pb.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

static long futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void *nothing(void *a) { return a; }

static void create_join(long n, void *a)
{
	(void)a;
	while (n--) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL)) pb_die("thread");
	}
}

static void wake_nobody(long n, void *a)
{
	while (n--)
		if (futex(a, FUTEX_WAKE, 1) != 0) pb_die("wake");
}

enum { HERE, THERE, OVER };
static uint32_t turn;
static int there_cpu;

static void give(uint32_t to)
{
	__atomic_store_n(&turn, to, __ATOMIC_SEQ_CST);
	if (futex(&turn, FUTEX_WAKE, 1) < 0) pb_die("wake");
}

static uint32_t await_change(uint32_t from)
{
	uint32_t now;
	while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) == from)
		if (futex(&turn, FUTEX_WAIT, from) && errno != EAGAIN && errno != EINTR) pb_die("wait");
	return now;
}

static void *other(void *a)
{
	pb_pin(there_cpu);
	while (await_change(HERE) == THERE) give(HERE);
	return a;
}

static void round_trips(long n, void *a)
{
	(void)a;
	while (n--) {
		give(THERE);
		await_change(THERE);
	}
}

static void hand_over(const char *name, int here, int there)
{
	pthread_t thread;
	pb_pin(here);
	there_cpu = there;
	turn = HERE;
	if (pthread_create(&thread, NULL, other, NULL)) pb_die("thread");
	pb_run(name, round_trips, NULL);
	give(OVER);
	pthread_join(thread, NULL);
}

int main(void)
{
	uint32_t word = 0;
	pb_pin(0);
	pb_run("thread_create_join", create_join, NULL);
	pb_run("futex_wake_nobody", wake_nobody, &word);
	hand_over("futex_rt_1cpu", 0, 0);
	hand_over("futex_rt_2cpu", 0, 1);
	return 0;
}
