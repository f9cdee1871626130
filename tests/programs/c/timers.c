/* POSIX timers (man 2 timer_create), interval timers and clocks of CPU time (man 2 setitimer, man 3 clock_getcpuclockid). */

#include "check.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define MILLISECOND 1000000ll
#define SECOND 1000000000ll

static struct timespec span(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / SECOND, .tv_nsec = ns % SECOND };
}

static int64_t ns(struct timespec time)
{
	return time.tv_sec * SECOND + time.tv_nsec;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	WANT(clock_gettime(clock, &now) == 0);
	return ns(now);
}

static timer_t create(clockid_t clock, int notify, int signal, int value)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = signal, .sigev_value.sival_int = value };
	WANT(timer_create(clock, &event, &timer) == 0);
	return timer;
}

static void set(timer_t timer, int flags, int64_t value, int64_t interval)
{
	struct itimerspec new = { .it_value = span(value), .it_interval = span(interval) };
	WANT(timer_settime(timer, flags, &new, NULL) == 0);
}

static sigset_t block(int signal)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signal);
	WANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	return set;
}

static siginfo_t await(const sigset_t *set)
{
	siginfo_t info;
	struct timespec limit = span(20 * SECOND);
	int signal = sigtimedwait(set, &info, &limit);
	WANT(signal > 0 && info.si_signo == signal);
	return info;
}

static void signals(void)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };
	sigset_t wanted = block(SIGRTMIN);
	for (int at = 0; at < 3; at++) {
		timer_t timer = create(clocks[at], SIGEV_SIGNAL, SIGRTMIN, 70 + at);
		int64_t start = clock_ns(clocks[at]);
		set(timer, 0, 5 * MILLISECOND, 0);
		siginfo_t info = await(&wanted);
		WANT(clock_ns(clocks[at]) - start >= 5 * MILLISECOND);
		WANT(info.si_code == SI_TIMER && info.si_value.sival_int == 70 + at && info.si_overrun == 0);
		start = clock_ns(clocks[at]) + 5 * MILLISECOND;
		set(timer, TIMER_ABSTIME, start, 0);
		await(&wanted);
		WANT(clock_ns(clocks[at]) >= start);
		struct itimerspec left;
		WANT(timer_gettime(timer, &left) == 0 && ns(left.it_value) == 0);
		WANT(timer_delete(timer) == 0);
	}
	/* Without a notice it is SIGALRM with the timer's number. */
	sigset_t alarm = block(SIGALRM);
	int number;
	WANT(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &number) == 0);
	struct itimerspec soon = { .it_value = span(MILLISECOND) };
	WANT(syscall(SYS_timer_settime, number, 0, &soon, NULL) == 0);
	siginfo_t info = await(&alarm);
	WANT(info.si_signo == SIGALRM && info.si_value.sival_int == number);
}

/* What expires while the signal is under way is told with it. */
static void overrun(void)
{
	sigset_t wanted = block(SIGRTMIN);
	timer_t timer = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0);
	int64_t start = now_ns() + MILLISECOND;
	set(timer, TIMER_ABSTIME, start, MILLISECOND);
	while (now_ns() < start + 30 * MILLISECOND)
		;
	int64_t before = now_ns();
	siginfo_t info = await(&wanted);
	int64_t after = now_ns();
	WANT(info.si_overrun >= (before - start) / MILLISECOND && info.si_overrun <= (after - start) / MILLISECOND);
	WANT(timer_getoverrun(timer) == info.si_overrun);
	/* One signal is under way at a time, and then comes the next. */
	await(&wanted);
	set(timer, 0, 0, 0);
	WANT(timer_delete(timer) == 0);
	/* Setting it anew forgets what it has counted; so does one that nobody can keep up with. */
	timer = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0);
	set(timer, 0, 1, 1);
	WANT(await(&wanted).si_overrun >= 0);
	set(timer, 0, 0, 0);
	WANT(timer_getoverrun(timer) == 0);
}

static volatile sig_atomic_t count;

static void counting(int signal)
{
	(void)signal;
	count++;
}

/* A timer whose signal is merged with another, or ignored for a while, goes on. */
static void merged(void)
{
	sigset_t wanted = block(SIGUSR1);
	raise(SIGUSR1);
	timer_t timer = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	set(timer, 0, MILLISECOND, MILLISECOND);
	int64_t start = now_ns();
	while (now_ns() < start + 5 * MILLISECOND)
		;
	WANT(await(&wanted).si_code != SI_TIMER);
	WANT(await(&wanted).si_code == SI_TIMER);
	WANT(signal(SIGUSR1, SIG_IGN) == SIG_DFL && sigprocmask(SIG_UNBLOCK, &wanted, NULL) == 0);
	start = now_ns();
	while (now_ns() < start + 15 * MILLISECOND)
		;
	WANT(signal(SIGUSR1, counting) == SIG_IGN);
	while (count < 3)
		;
}

/* A signal that means nothing when it is taken tells its timer all the same (POSIX, timer_getoverrun). */
static void meaningless(void)
{
	static const int numbers[] = { SIGCONT, SIGURG, SIGUSR1 };
	for (int at = 0; at < 3; at++) {
		sigset_t wanted = block(numbers[at]);
		timer_t timer = create(CLOCK_REALTIME, SIGEV_SIGNAL, numbers[at], 0);
		int64_t start = now_ns();
		set(timer, 0, 2 * MILLISECOND, MILLISECOND);
		while (now_ns() < start + 50 * MILLISECOND)
			;
		WANT(timer_getoverrun(timer) == 0);
		/* What has come is not to end the program: the next that comes is kept, being blocked, and then means nothing. */
		if (numbers[at] == SIGUSR1) {
			sigset_t pending;
			WANT(signal(SIGUSR1, SIG_IGN) == SIG_DFL);
			do
				WANT(sigpending(&pending) == 0);
			while (!sigismember(&pending, SIGUSR1));
		}
		WANT(sigprocmask(SIG_UNBLOCK, &wanted, NULL) == 0);
		WANT(timer_getoverrun(timer) >= 40);
		WANT(timer_delete(timer) == 0);
	}
}

static pid_t gettid_(void)
{
	return syscall(SYS_gettid);
}

static void *threaded(void *unused)
{
	(void)unused;
	sigset_t wanted;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGRTMIN);
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
	event._sigev_un._tid = gettid_();
	WANT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	set(timer, 0, MILLISECOND, 0);
	WANT(await(&wanted).si_code == SI_TIMER);
	return NULL;
}

static void thread(void)
{
	pthread_t other;
	block(SIGRTMIN);
	WANT(pthread_create(&other, NULL, threaded, NULL) == 0 && pthread_join(other, NULL) == 0);
}

static void inherited(void)
{
	timer_t timer = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	struct itimerspec left;
	int status;
	set(timer, 0, 100 * SECOND, SECOND);
	WANT(timer_gettime(timer, &left) == 0 && ns(left.it_value) > 90 * SECOND && ns(left.it_interval) == SECOND);
	set(timer, TIMER_ABSTIME, now_ns() - MILLISECOND, 0);
	WANT(timer_gettime(timer, &left) == 0 && ns(left.it_value) == 0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		WANT_ERROR(timer_gettime(timer, &left), EINVAL);
		_exit(0);
	}
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static void refused(void)
{
	timer_t timer = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0), none;
	struct itimerspec new = { .it_value = { 0, SECOND } };
	struct sigevent bad[] = {
		{ .sigev_notify = 7 },
		{ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65 },
		{ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0 },
		{ .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1, ._sigev_un._tid = 1 },
	};
	for (int at = 0; at < 4; at++)
		WANT_ERROR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &bad[at], &none), EINVAL);
	WANT_ERROR(syscall(SYS_timer_create, 77, NULL, &none), EINVAL);
	WANT_ERROR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8), EFAULT);
	WANT_ERROR(syscall(SYS_timer_settime, 99, 0, &new, NULL), EINVAL);
	WANT_ERROR(timer_settime(timer, 0, &new, NULL), EINVAL);
	new.it_value = span(-1);
	WANT_ERROR(timer_settime(timer, 0, &new, NULL), EINVAL);
	WANT_ERROR(syscall(SYS_timer_delete, 99), EINVAL);
	WANT_ERROR(syscall(SYS_timer_getoverrun, 99), EINVAL);
	struct rlimit limit = { 5, 5 };
	WANT(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
	for (int at = 1; at < 5; at++)
		create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	WANT_ERROR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &none), EAGAIN);
	WANT(timer_delete(timer) == 0);
	create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
}

/* Uses CPU time of the process until its signal has come. */
static void burn(void)
{
	int64_t limit = now_ns() + 20 * SECOND;
	while (count == 0 && now_ns() < limit)
		;
	WANT(count > 0);
}

static void cpu_timer(void)
{
	static const clockid_t clocks[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	WANT(signal(SIGUSR1, counting) == SIG_DFL);
	for (int at = 0; at < 2; at++) {
		timer_t timer = create(clocks[at], SIGEV_SIGNAL, SIGUSR1, 0);
		struct itimerspec left;
		int64_t start = clock_ns(clocks[at]);
		count = 0;
		set(timer, 0, 10 * MILLISECOND, 0);
		WANT(timer_gettime(timer, &left) == 0 && ns(left.it_value) <= 10 * MILLISECOND);
		/* Where the processor is shared with others, the time may be over already. */
		WANT(ns(left.it_value) > 0 || clock_ns(clocks[at]) - start >= 10 * MILLISECOND);
		burn();
		int64_t used = clock_ns(clocks[at]) - start;
		WANT(used >= 10 * MILLISECOND);
		/* Sleeping is no use of the CPU. */
		count = 0;
		set(timer, 0, 50 * MILLISECOND, 0);
		struct timespec nap = span(60 * MILLISECOND);
		WANT(nanosleep(&nap, NULL) == 0 && count == 0);
		WANT(timer_delete(timer) == 0);
	}
}

static void interval(void)
{
	static const struct {
		int which, signal;
	} kinds[] = { { ITIMER_VIRTUAL, SIGVTALRM }, { ITIMER_PROF, SIGPROF } };
	for (int at = 0; at < 2; at++) {
		struct itimerval new = { { 0, 5000 }, { 0, 5000 } }, old;
		WANT(signal(kinds[at].signal, counting) == SIG_DFL);
		count = 0;
		int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		WANT(setitimer(kinds[at].which, &new, NULL) == 0);
		while (count < 3)
			;
		WANT(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start >= 15 * MILLISECOND);
		WANT(getitimer(kinds[at].which, &old) == 0 && old.it_interval.tv_usec == 5000);
		WANT(old.it_value.tv_usec <= 5000 && old.it_value.tv_sec == 0);
		new = (struct itimerval){ 0 };
		WANT(setitimer(kinds[at].which, &new, &old) == 0 && old.it_interval.tv_usec == 5000);
		WANT(getitimer(kinds[at].which, &old) == 0 && old.it_value.tv_usec == 0);
	}
	struct itimerval never = { 0 };
	WANT_ERROR(setitimer(3, &never, NULL), EINVAL);
	never.it_value.tv_usec = 1000000;
	WANT_ERROR(setitimer(ITIMER_PROF, &never, NULL), EINVAL);
}

/* Intervals that are shorter than a signal takes leave the program time to go on. */
static void short_interval(void)
{
	static const struct {
		int which, signal;
	} kinds[] = { { ITIMER_REAL, SIGALRM }, { ITIMER_VIRTUAL, SIGVTALRM }, { ITIMER_PROF, SIGPROF } };
	for (int at = 0; at < 3; at++) {
		struct itimerval new = { { 0, 1 }, { 0, 1 } };
		WANT(signal(kinds[at].signal, counting) != SIG_ERR);
		count = 0;
		WANT(setitimer(kinds[at].which, &new, NULL) == 0);
		for (volatile int step = 0; step < 100000; step++)
			;
		while (count < 10)
			;
		new = (struct itimerval){ 0 };
		WANT(setitimer(kinds[at].which, &new, NULL) == 0);
	}
}

/* Nor does a POSIX timer of any clock keep its program from going on; what it leaves out is told as overrun. */
static void short_timer(void)
{
	static const clockid_t kinds[] = { CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	for (int at = 0; at < 3; at++) {
		struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
		struct itimerspec new = { { 0, 1000 }, { 0, 1000 } };
		timer_t timer;
		WANT(signal(SIGUSR1, counting) != SIG_ERR);
		count = 0;
		WANT(timer_create(kinds[at], &event, &timer) == 0);
		WANT(timer_settime(timer, 0, &new, NULL) == 0);
		for (volatile int step = 0; step < 100000; step++)
			;
		while (count < 10)
			;
		WANT(timer_getoverrun(timer) > 0);
		WANT(timer_delete(timer) == 0);
	}
}

static void *burning(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

static void clocks(void)
{
	clockid_t process, other;
	pthread_t thread;
	int stop = 0, status;
	WANT(clock_getcpuclockid(0, &process) == 0 && clock_getcpuclockid(getpid(), &other) == 0);
	int64_t first = clock_ns(process), second = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	WANT(first <= second && second <= clock_ns(other));
	WANT(pthread_create(&thread, NULL, burning, &stop) == 0);
	WANT(pthread_getcpuclockid(thread, &other) == 0);
	int64_t start = clock_ns(other), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	/* A sleep until the process has used time is woken by the other thread's use. */
	struct timespec nap = span(10 * MILLISECOND);
	WANT(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &nap, NULL) == 0);
	WANT(clock_ns(other) - start > 0);
	WANT(clock_ns(CLOCK_THREAD_CPUTIME_ID) - own < clock_ns(other) - start + 10 * MILLISECOND);
	WANT(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &nap, NULL) == EINVAL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	WANT(pthread_join(thread, NULL) == 0);
	WANT(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &nap, NULL) == 0);
	/* The clock of another process. */
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0)
		for (;;)
			;
	WANT(clock_getcpuclockid(child, &other) == 0);
	start = clock_ns(other);
	while (clock_ns(other) == start)
		sched_yield();
	WANT(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	WANT_ERROR(clock_gettime(other, &nap), EINVAL);
}

static void limit_soft(void)
{
	struct rlimit limit = { 1, RLIM_INFINITY };
	WANT(setrlimit(RLIMIT_CPU, &limit) == 0);
	for (;;)
		;
}

static void limit_hard(void)
{
	struct rlimit limit = { 1, 1 };
	WANT(setrlimit(RLIMIT_CPU, &limit) == 0);
	WANT(signal(SIGXCPU, SIG_IGN) == SIG_DFL);
	for (;;)
		;
}

static void limit(void)
{
	WANT_SIGNAL(limit_soft, SIGXCPU);
	WANT_SIGNAL(limit_hard, SIGKILL);
}

static const struct check checks[] = {
	{ "signals", signals }, { "overrun", overrun }, { "merged", merged },
	{ "thread", thread }, { "inherited", inherited }, { "refused", refused },
	{ "cpu_timer", cpu_timer }, { "interval", interval }, { "clocks", clocks },
	{ "cpu_timer", cpu_timer }, { "short-interval", short_interval },
	{ "short-timer", short_timer }, { "meaningless", meaningless },
	{ "limit", limit },
};
MAIN(checks)
