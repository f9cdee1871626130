/* Restartable sequences (linux/rseq.h): a thread that was disturbed in one begins it again. */

#include "check.h"
#include <linux/membarrier.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define OWN_SIGNATURE 0x0fe50077

static struct rseq *library(void)
{
	char *thread;
	__asm__("mr %0, 13" : "=r"(thread));
	return (struct rseq *)(thread + __rseq_offset);
}

static long change(struct rseq *area, uint32_t length, int flags, uint32_t signature)
{
	return syscall(SYS_rseq, area, length, flags, signature);
}

/* Takes libc's area away, so that another can be registered. */
static void withdraw(void)
{
	WANT(__rseq_size > 0);
	WANT(change(library(), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0);
}

static void registered(void)
{
	unsigned cpu;
	WANT(__rseq_size > 0 && library()->cpu_id < 1024);
	WANT(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0 && cpu < 1024);
	WANT(getauxval(27) == 24 && getauxval(28) == 32);
	/* The library's own reading of it. */
	WANT(sched_getcpu() >= 0);
}

static void refused(void)
{
	static struct rseq area[2];
	struct rseq *own = library();
	WANT_ERROR(change(own, 32, 0, RSEQ_SIG), EBUSY);
	WANT_ERROR(change(own, 32, 0, RSEQ_SIG + 1), EPERM);
	WANT_ERROR(change(own, 64, 0, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(area, 32, 0, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(own, 32, 2, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(own, 32, RSEQ_FLAG_UNREGISTER | 2, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(own, 64, RSEQ_FLAG_UNREGISTER, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(own, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG + 1), EPERM);
	withdraw();
	WANT(own->cpu_id == (uint32_t)RSEQ_CPU_ID_UNINITIALIZED && own->cpu_id_start == 0);
	WANT_ERROR(change(own, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG), EINVAL);
	WANT_ERROR(change(area, 31, 0, RSEQ_SIG), EINVAL);
	WANT_ERROR(change((void *)((char *)area + 16), 32, 0, RSEQ_SIG), EINVAL);
	WANT_ERROR(change((void *)-32L, 32, 0, RSEQ_SIG), EFAULT);
	WANT_ERROR(change((void *)32, 32, 0, RSEQ_SIG), EFAULT);
	WANT(change(area, 64, 0, OWN_SIGNATURE) == 0 && area->cpu_id < 1024);
	WANT(change(area, 64, RSEQ_FLAG_UNREGISTER, OWN_SIGNATURE) == 0);
}

/* Waits in a section, with `rounds` of a loop at most, until it is disturbed; answers 1 then. */
static int disturbed(struct rseq *area, long rounds)
{
	int result;
	__asm__ volatile(
		".section __sections, \"aw\"\n\t"
		".balign 32\n\t"
		"3: .long 0, 0\n\t"
		".quad 1f, 2f - 1f, 4f\n\t"
		".previous\n\t"
		"addis 9, 2, 3b@toc@ha\n\t"
		"addi 9, 9, 3b@toc@l\n\t"
		"li %0, 0\n\t"
		"mtctr %2\n\t"
		"std 9, 8(%1)\n\t"
		"1:\n\t"
		"bdnz 1b\n\t"
		"2:\n\t"
		"b 5f\n\t"
		".long 0x0fe5000b\n\t"
		"4:\n\t"
		"li %0, 1\n\t"
		"5:\n\t"
		: "=&r"(result)
		: "b"(area), "r"(rounds)
		: "memory", "ctr", "r9");
	return result;
}

static void *compete(void *ended)
{
	while (!__atomic_load_n((int *)ended, __ATOMIC_RELAXED))
		;
	return NULL;
}

static void stay(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	WANT(sched_setaffinity(0, sizeof(set), &set) == 0);
}

static void preempted(void)
{
	int ended = 0;
	pthread_t other;
	stay(0);
	WANT(pthread_create(&other, NULL, compete, &ended) == 0);
	for (int turn = 0; turn < 5; turn++) {
		WANT(disturbed(library(), 1L << 40));
		WANT(library()->rseq_cs == 0);
	}
	ended = 1;
	WANT(pthread_join(other, NULL) == 0);
	/* What is over is over. */
	WANT(!disturbed(library(), 1));
}

static int handled, seen;

static void handler(int signal)
{
	(void)signal;
	handled++;
	seen = library()->rseq_cs == 0;
}

static void signalled(void)
{
	struct itimerval soon = { .it_value.tv_usec = 2000 };
	signal(SIGALRM, handler);
	WANT(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	WANT(disturbed(library(), 1L << 40));
	WANT(handled == 1 && seen);
}

static void moved(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (int turn = 0; turn < 8; turn++) {
		stay(turn % cpus);
		WANT(library()->cpu_id == (uint32_t)(turn % cpus));
		WANT(library()->cpu_id_start == library()->cpu_id);
	}
}

static volatile int inside;

static void *sits(void *unused)
{
	(void)unused;
	inside = 1;
	return (void *)(long)disturbed(library(), 1L << 40);
}

static void fenced(void)
{
	pthread_t thread;
	void *left;
	WANT_ERROR(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), EPERM);
	WANT(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	WANT_ERROR(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1, 0), EINVAL);
	WANT(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 1, 5000) == 0);
	WANT(pthread_create(&thread, NULL, sits, NULL) == 0);
	while (!inside)
		sched_yield();
	/* It may be on its way still: then the next one finds it. */
	do
		WANT(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	while (pthread_tryjoin_np(thread, &left) == EBUSY);
	WANT(left == (void *)1);
}

static void inherited(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		errno = 0;
		_exit(change(library(), 32, 0, RSEQ_SIG) != -1 || errno != EBUSY || library()->cpu_id >= 1024);
	}
	WANT(waitpid(child, &status, 0) == child && status == 0);
	child = syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		_exit(change(library(), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) != -1);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT_ERROR(change(library(), 32, 0, RSEQ_SIG), EBUSY);
	execl("/proc/self/exe", "sequences", "registered", NULL);
	FAIL("exec");
}

/* Sections that are none end the program, and an abort address without the signature is never gone to. */
static struct rseq_cs bad __attribute__((aligned(32)));

static void disturb_bad(void)
{
	library()->rseq_cs = (uintptr_t)&bad;
	raise(SIGUSR1);
}

static void no_version(void)
{
	signal(SIGUSR1, handler);
	bad.version = 1;
	disturb_bad();
}

static void no_signature(void)
{
	static uint32_t words[2];
	signal(SIGUSR1, handler);
	bad.version = 0;
	bad.abort_ip = (uintptr_t)&words[1];
	disturb_bad();
}

static void abort_inside(void)
{
	signal(SIGUSR1, handler);
	bad.start_ip = 0x10000000;
	bad.post_commit_offset = 64;
	bad.abort_ip = 0x10000020;
	disturb_bad();
}

static void nowhere(void)
{
	signal(SIGUSR1, handler);
	library()->rseq_cs = 16;
	raise(SIGUSR1);
}

static void no_area(void)
{
	struct rseq *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	withdraw();
	signal(SIGUSR1, handler);
	WANT(change(area, 32, 0, RSEQ_SIG) == 0);
	munmap(area, 4096);
	raise(SIGUSR1);
}

static void hostile(void)
{
	WANT_SIGNAL(no_version, SIGSEGV);
	WANT_SIGNAL(no_signature, SIGSEGV);
	WANT_SIGNAL(abort_inside, SIGSEGV);
	WANT_SIGNAL(nowhere, SIGSEGV);
	WANT_SIGNAL(no_area, SIGSEGV);
}

static const struct check checks[] = {
	{ "registered", registered },
	{ "refused", refused },
	{ "preempted", preempted },
	{ "signalled", signalled },
	{ "moved", moved },
	{ "fenced", fenced },
	{ "inherited", inherited },
	{ "hostile", hostile },
};

MAIN(checks)
