/* FP, VMX and VSX registers are a thread's own: across switches, system calls, signals, fork and exec. */

#include "check.h"
#include <altivec.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>

/* Fills f14-f31 and v20-v31 with values made from `seed`, calls sched_yield `rounds` times by hand, and
   returns how many of them have changed. Everything happens in one assembly block, so that no compiled code
   can spill or reload them. VRSAVE and FPSCR are checked too. */
static long hold(unsigned long seed, long rounds, long call)
{
	static const unsigned long step = 0x0101010101010101UL;
	unsigned long in[32][2] __attribute__((aligned(16))), out[32][2] __attribute__((aligned(16)));
	for (int at = 0; at < 32; at++) {
		in[at][0] = seed + at * step;
		in[at][1] = ~(seed ^ (at * step));
	}
	memset(out, 0, sizeof(out));
	unsigned long *source = &in[0][0], *target = &out[0][0];
	__asm__ volatile(
		"mtctr %2\n\t"
		"mr 14,%0\n\tmr 15,%1\n\tmr 16,%3\n\t"
		/* 14 vector-scalar registers of the FP half, all 128 bits */
		".set n,14\n\t.rept 18\n\tli 9,(n-14)*16\n\tlxvd2x n,9,14\n\t.set n,n+1\n\t.endr\n\t"
		/* and of the VMX half */
		".set n,52\n\t.rept 12\n\tli 9,(n-34)*16\n\tlxvd2x n,9,14\n\t.set n,n+1\n\t.endr\n\t"
		"1:\n\tmfctr 17\n\tmr 0,16\n\tcmpdi 16,-1\n\tbeq 2f\n\tsc\n\t2:\n\tmtctr 17\n\tbdnz 1b\n\t"
		".set n,14\n\t.rept 18\n\tli 9,(n-14)*16\n\tstxvd2x n,9,15\n\t.set n,n+1\n\t.endr\n\t"
		".set n,52\n\t.rept 12\n\tli 9,(n-34)*16\n\tstxvd2x n,9,15\n\t.set n,n+1\n\t.endr\n\t"
		:
		: "r"(source), "r"(target), "r"(rounds), "r"(call)
		: "memory", "ctr", "cr0", "r0", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r14", "r15",
		  "r16", "r17", "fr14", "fr15", "fr16", "fr17", "fr18", "fr19", "fr20", "fr21", "fr22", "fr23", "fr24",
		  "fr25", "fr26", "fr27", "fr28", "fr29", "fr30", "fr31", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
		  "v27", "v28", "v29", "v30", "v31");
	long wrong = 0;
	for (int at = 0; at < 30; at++)
		wrong += in[at][0] != out[at][0] || in[at][1] != out[at][1];
	return wrong;
}

enum { NO_CALL = -1 };

static void processes(void)
{
	pid_t pids[4];
	for (int at = 0; at < 4; at++) {
		pids[at] = fork();
		if (pids[at] == 0)
			_exit(hold(0x1111UL << (at * 12), 2000, SYS_sched_yield) != 0);
	}
	for (int at = 0; at < 4; at++) {
		int status;
		WANT(waitpid(pids[at], &status, 0) == pids[at] && status == 0);
	}
}

static void preempted(void)
{
	/* Long loops without a system call, switched by the timer only. */
	pid_t pids[3];
	for (int at = 0; at < 3; at++) {
		pids[at] = fork();
		if (pids[at] == 0)
			_exit(hold(0x3333UL << (at * 16), 30000000, NO_CALL) != 0);
	}
	for (int at = 0; at < 3; at++) {
		int status;
		WANT(waitpid(pids[at], &status, 0) == pids[at] && status == 0);
	}
}

static void *holding(void *seed)
{
	return (void *)hold((unsigned long)seed, 3000, SYS_sched_yield);
}

static void threads(void)
{
	pthread_t ids[4];
	for (unsigned long at = 0; at < 4; at++)
		WANT(pthread_create(&ids[at], NULL, holding, (void *)(0x7777UL << (at * 12))) == 0);
	for (int at = 0; at < 4; at++) {
		void *wrong;
		WANT(pthread_join(ids[at], &wrong) == 0 && wrong == NULL);
	}
}

static volatile sig_atomic_t count;
static volatile double sum;
static void spoil(int number)
{
	(void)number;
	/* The handler computes with the same registers. */
	sum += hold(0xdeadbeefUL + count, 1, NO_CALL);
	count++;
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = spoil, .sa_flags = SA_RESTART };
	WANT(sigaction(SIGALRM, &action, NULL) == 0);
	struct itimerval timer = { .it_value.tv_usec = 2000, .it_interval.tv_usec = 2000 };
	WANT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (count < 20)
		WANT(hold(0x123456789abcdefUL, 200000, NO_CALL) == 0);
	WANT(sum == 0);
}

static void status_register(void)
{
	/* The rounding mode is part of the state: towards zero here, to nearest in the other process. */
	__asm__ volatile("mtfsfi 7,1");
	pid_t pid = fork();
	if (pid == 0) {
		__asm__ volatile("mtfsfi 7,0");
		for (int at = 0; at < 1000; at++)
			sched_yield();
		_exit(0);
	}
	for (int at = 0; at < 1000; at++) {
		double bits;
		__asm__ volatile("mffs %0" : "=f"(bits));
		unsigned long raw;
		memcpy(&raw, &bits, 8);
		WANT((raw & 3) == 1);
		sched_yield();
	}
	WANT(waitpid(pid, NULL, 0) == pid);
}

static void forked(void)
{
	/* A child begins with its parent's registers. */
	register double kept __asm__("fr20") = 2.5;
	__asm__ volatile("" : "+f"(kept));
	register long number __asm__("r0") = SYS_fork;
	register long result __asm__("r3");
	__asm__ volatile("sc" : "+r"(number), "=r"(result), "+f"(kept) : : "memory", "cr0", "r4", "r5", "r6", "r7", "r8",
			 "r9", "r10", "r11", "r12", "ctr");
	long pid = result;
	double now = kept;
	if (pid == 0)
		_exit(now != 2.5);
	int status;
	WANT(waitpid(pid, &status, 0) == pid && status == 0 && now == 2.5);
}

static void arithmetic(void)
{
	double total = 0;
	for (int at = 1; at <= 100000; at++)
		total += 1.0 / at;
	WANT(total > 12.0901461298 && total < 12.0901461299);
	vector double two = { 1.5, 2.5 };
	two = two * two;
	WANT(two[0] == 2.25 && two[1] == 6.25);
	long double wide = 1.0L / 3;
	WANT(wide * 3 > 0.99999999999999999L);
}

static const struct check checks[] = {
	{ "processes", processes }, { "preempted", preempted }, { "threads", threads }, { "signals", signals },
	{ "status-register", status_register }, { "forked", forked }, { "arithmetic", arithmetic },
};
MAIN(checks)
