/* Signals of threads: for one alone, and to oneself. */

#include "check.h"
#include <pthread.h>
#include <sys/syscall.h>

static void *waits_for_its_own(void *start)
{
	sigset_t set;
	siginfo_t info;
	struct timespec none = { 0, 0 };
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	WANT(pthread_barrier_wait(start) <= 0);
	WANT(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 7);
	WANT(info.si_code == SI_QUEUE && info.si_pid == getpid());
	WANT_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
	return NULL;
}

static void thread_queue(void)
{
	pthread_barrier_t start;
	pthread_t thread;
	sigset_t set;
	siginfo_t told = { .si_code = SI_QUEUE };
	struct timespec none = { 0, 0 };
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	WANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	WANT(pthread_barrier_init(&start, NULL, 2) == 0);
	WANT(pthread_create(&thread, NULL, waits_for_its_own, &start) == 0);
	WANT(pthread_barrier_wait(&start) <= 0);
	WANT(pthread_sigqueue(thread, SIGRTMIN, (union sigval){ .sival_int = 7 }) == 0);
	WANT(pthread_join(thread, NULL) == 0);
	/* It was for that thread alone. */
	WANT_ERROR(sigtimedwait(&set, &told, &none), EAGAIN);
	pid_t self = getpid();
	told.si_code = SI_QUEUE;
	WANT_ERROR(syscall(SYS_rt_tgsigqueueinfo, self, 0, SIGRTMIN, &told), EINVAL);
	WANT_ERROR(syscall(SYS_rt_tgsigqueueinfo, getppid(), self, SIGRTMIN, &told), ESRCH);
	WANT_ERROR(syscall(SYS_rt_tgsigqueueinfo, self, self, 65, &told), EINVAL);
	told.si_code = SI_USER;
	WANT(syscall(SYS_rt_tgsigqueueinfo, self, self, SIGRTMIN, &told) == 0);
	WANT(sigtimedwait(&set, &told, &none) == SIGRTMIN && told.si_code == SI_USER);
	/* No signal: only whether one could be sent. */
	WANT(sigqueue(self, 0, (union sigval){ .sival_int = 1 }) == 0 && sigpending(&set) == 0);
	WANT_ERROR(sigqueue(0x3ffffff, 0, (union sigval){ .sival_int = 1 }), ESRCH);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	/* Nobody else may be told that the kernel or kill has sent it. */
	told.si_code = SI_USER;
	pid_t parent = getppid();
	WANT_ERROR(syscall(SYS_rt_tgsigqueueinfo, parent, parent, SIGRTMIN, &told), EPERM);
}

static volatile pid_t takers[65];

static void take(int number)
{
	takers[number] = (pid_t)syscall(SYS_gettid);
	if (number == SIGUSR1)
		kill(getpid(), SIGUSR2);
}

static int taken_by(pid_t thread)
{
	int both = takers[SIGUSR1] == thread && takers[SIGUSR2] == thread;
	takers[SIGUSR1] = takers[SIGUSR2] = 0;
	return both;
}

static volatile int main_may_take;

static void *signal_itself(void *main_thread)
{
	pid_t own = (pid_t)syscall(SYS_gettid);
	sigset_t set;
	sigemptyset(&set);
	WANT(pthread_sigmask(SIG_SETMASK, &set, NULL) == 0);
	WANT(kill(getpid(), SIGUSR1) == 0 && taken_by(own));
	WANT(syscall(SYS_tgkill, getpid(), own, SIGUSR1) == 0 && taken_by(own));
	WANT(syscall(SYS_tkill, own, SIGUSR1) == 0 && taken_by(own));
	/* The main thread takes what is for all from now on. */
	main_may_take = 1;
	/* What it blocks is for another thread, or for later when it is for itself. */
	sigfillset(&set);
	WANT(pthread_sigmask(SIG_SETMASK, &set, NULL) == 0);
	WANT(syscall(SYS_tgkill, getpid(), own, SIGUSR2) == 0 && takers[SIGUSR2] == 0);
	WANT(kill(getpid(), SIGUSR1) == 0);
	while (takers[SIGUSR2] == 0)
		sched_yield();
	WANT(taken_by(*(pid_t *)main_thread));
	sigemptyset(&set);
	WANT(pthread_sigmask(SIG_SETMASK, &set, NULL) == 0 && takers[SIGUSR2] == own);
	return NULL;
}

static void to_oneself(void)
{
	/* Nested: the handler of the one sends the other, which is taken before the first is over. */
	pid_t own = (pid_t)syscall(SYS_gettid);
	struct sigaction later = { .sa_handler = take };
	pthread_t other;
	WANT(signal(SIGUSR1, take) != SIG_ERR && signal(SIGUSR2, take) != SIG_ERR);
	WANT(kill(getpid(), SIGUSR1) == 0 && taken_by(own));
	WANT(raise(SIGUSR1) == 0 && taken_by(own));
	sigaddset(&later.sa_mask, SIGUSR2);
	WANT(sigaction(SIGUSR1, &later, NULL) == 0);
	WANT(kill(getpid(), SIGUSR1) == 0 && taken_by(own));
	WANT(kill(getpid(), 0) == 0 && kill(getpid(), 99) == -1 && errno == EINVAL);
	WANT(syscall(SYS_tgkill, getpid() + 1, own, SIGUSR1) == -1 && errno == ESRCH);
	sigset_t both, before;
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	WANT(pthread_sigmask(SIG_BLOCK, &both, &before) == 0);
	WANT(pthread_create(&other, NULL, signal_itself, &own) == 0);
	while (!main_may_take)
		sched_yield();
	WANT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0 && pthread_join(other, NULL) == 0);
	signal(SIGUSR1, SIG_IGN);
	WANT(kill(getpid(), SIGUSR1) == 0 && raise(SIGUSR1) == 0);
}

static int cleaned;

static void clean(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *sleep_for_ever(void *unused)
{
	pthread_cleanup_push(clean, NULL);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return unused;
}

/* A thread that is cancelled in a call unwinds its stack from a handler: past the frame of the signal. */
static void cancelled(void)
{
	for (int turn = 1; turn <= 20; turn++) {
		pthread_t thread;
		void *result;
		WANT(pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0);
		usleep(1000);
		WANT(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
		WANT(result == PTHREAD_CANCELED && cleaned <= turn);
	}
	WANT(cleaned > 0);
}

static const struct check checks[] = {
	{ "cancelled", cancelled },
	{ "queue", thread_queue }, { "to-oneself", to_oneself },
};
MAIN(checks)
