/* POSIX signals: frames, masks, restarting, timers. */

#include "check.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last;
static volatile siginfo_t info;

static void note(int number)
{
	count++;
	last = number;
}

static void note_info(int number, siginfo_t *about, void *context)
{
	(void)context;
	count++;
	last = number;
	info = *about;
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	WANT(sigaction(number, &action, NULL) == 0);
}

static void handle_info(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };
	WANT(sigaction(number, &action, NULL) == 0);
}

static void handler_runs(void)
{
	handle(SIGUSR1, note, 0);
	WANT(raise(SIGUSR1) == 0);
	WANT(count == 1 && last == SIGUSR1);
	WANT(kill(getpid(), SIGUSR1) == 0);
	WANT(count == 2);
}

static void siginfo(void)
{
	handle_info(SIGUSR1, note_info, 0);
	WANT(kill(getpid(), SIGUSR1) == 0);
	WANT(info.si_signo == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid() && info.si_uid == getuid());
	union sigval value = { .sival_int = 4711 };
	handle_info(SIGRTMIN, note_info, 0);
	WANT(sigqueue(getpid(), SIGRTMIN, value) == 0);
	WANT(info.si_code == SI_QUEUE && info.si_value.sival_int == 4711);
}

static void child_info(void)
{
	handle_info(SIGCHLD, note_info, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(5);
	while (count == 0)
		pause();
	WANT(info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == 5);
	WANT(waitpid(pid, NULL, 0) == pid);
}

static void mask(void)
{
	sigset_t set, old, pending;
	handle(SIGUSR1, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	WANT(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	WANT(count == 0);
	WANT(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	WANT(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	WANT(count == 1); /* ordinary signals do not queue */
}

static void queue(void)
{
	sigset_t set, old;
	handle(SIGRTMIN + 1, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int at = 0; at < 5; at++)
		WANT(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = at }) == 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	WANT(count == 5); /* real-time signals do */
}

static volatile int order[4], orders;
static void note_order(int number)
{
	order[orders++] = number;
}

static void handler_mask(void)
{
	/* While the handler of USR1 runs, USR2 waits because sa_mask says so. */
	struct sigaction action = { .sa_handler = note_order };
	sigaddset(&action.sa_mask, SIGUSR2);
	WANT(sigaction(SIGUSR2, &action, NULL) == 0);
	sigset_t both, old;
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	WANT(sigaction(SIGUSR1, &action, NULL) == 0);
	sigprocmask(SIG_BLOCK, &both, &old);
	raise(SIGUSR2);
	raise(SIGUSR1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	WANT(orders == 2 && order[0] == SIGUSR1 && order[1] == SIGUSR2);
}

static void defaults(void);
static void die_term(void) { raise(SIGTERM); }
static void die_kill(void) { raise(SIGKILL); }
static void die_abort(void) { abort(); }
static void live_chld(void) { raise(SIGCHLD); raise(SIGURG); raise(SIGWINCH); }
static void live_ignored(void) { signal(SIGTERM, SIG_IGN); raise(SIGTERM); }

static void defaults(void)
{
	WANT_SIGNAL(die_term, SIGTERM);
	WANT_SIGNAL(die_kill, SIGKILL);
	WANT_SIGNAL(die_abort, SIGABRT);
	WANT(in_child(live_chld) == 0);
	WANT(in_child(live_ignored) == 0);
	struct sigaction action = { .sa_handler = note };
	WANT_ERROR(sigaction(SIGKILL, &action, NULL), EINVAL);
	WANT_ERROR(sigaction(SIGSTOP, &action, NULL), EINVAL);
	WANT_ERROR(kill(getpid(), 65), EINVAL);
	WANT_ERROR(kill(999999, 0), ESRCH);
	WANT(kill(getpid(), 0) == 0);
}

/* A read that a signal interrupts: again with SA_RESTART, EINTR without. */
static int interrupted_read(int flags, char *byte)
{
	int ends[2];
	WANT(pipe(ends) == 0);
	handle(SIGUSR1, note, flags);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		/* First the signal, then the byte, each when the reader has had time to park. */
		usleep(30000);
		kill(parent, SIGUSR1);
		usleep(30000);
		WANT(write(ends[1], "x", 1) == 1);
		_exit(0);
	}
	errno = 0;
	int got = read(ends[0], byte, 1), error = errno;
	WANT(count == 1);
	while (waitpid(pid, NULL, 0) < 0)
		;
	errno = error;
	return got;
}

static void restart(void)
{
	char byte = 0;
	WANT(interrupted_read(SA_RESTART, &byte) == 1 && byte == 'x');
}

static void no_restart(void)
{
	char byte = 0;
	WANT(interrupted_read(0, &byte) == -1 && errno == EINTR);
}

static void alarm_in(int millis)
{
	struct itimerval timer = { .it_value.tv_usec = millis * 1000 };
	WANT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void sleep_interrupted(void)
{
	handle(SIGALRM, note, SA_RESTART);
	alarm_in(30);
	struct timespec request = { .tv_sec = 10 }, left = { 0 };
	WANT_ERROR(nanosleep(&request, &left), EINTR);
	WANT(count == 1 && left.tv_sec == 9 && left.tv_nsec > 0);
	alarm_in(30);
	WANT_ERROR(poll(NULL, 0, 10000), EINTR);
	WANT(count == 2);
}

static void suspend(void)
{
	sigset_t set, old;
	handle(SIGALRM, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, &old);
	alarm_in(20);
	WANT_ERROR(sigsuspend(&old), EINTR);
	WANT(count == 1);
	sigset_t now;
	sigprocmask(SIG_SETMASK, NULL, &now);
	WANT(sigismember(&now, SIGALRM));
}

static void wait_for(void)
{
	sigset_t set;
	siginfo_t got;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct timespec limit = { .tv_nsec = 20000000 };
	int64_t before = now_ns();
	WANT_ERROR(sigtimedwait(&set, &got, &limit), EAGAIN);
	WANT(now_ns() - before >= 20000000);
	raise(SIGUSR2);
	WANT(sigtimedwait(&set, &got, &limit) == SIGUSR2 && got.si_signo == SIGUSR2);
}

/* The signal that comes with what a call waits for does not take it away, handler without SA_RESTART or not. */
static void wait_with_handler(void)
{
	struct sigaction action = { .sa_handler = note };
	int status;
	for (int turn = 0; turn < 2; turn++) {
		action.sa_flags = turn == 0 ? 0 : SA_NOCLDWAIT;
		count = 0;
		WANT(sigaction(SIGCHLD, &action, NULL) == 0);
		pid_t child = fork();
		if (child == 0) {
			usleep(50000);
			_exit(3);
		}
		if (turn == 0)
			WANT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
		else
			WANT_ERROR(waitpid(child, &status, 0), ECHILD);
		WANT(count == 1);
	}
}

/* What somebody waits for goes to it and not to its handler, though it be unblocked; others interrupt it, and afterwards the
 * handler is there again. */
static void wait_before_handler(void)
{
	sigset_t set, now;
	siginfo_t got;
	struct timespec long_enough = { 60, 0 };
	handle(SIGUSR1, note, 0);
	handle(SIGUSR2, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	count = 0;
	for (int turn = 0; turn < 2; turn++) {
		int number = turn == 0 ? SIGUSR1 : SIGUSR2;
		pid_t parent = getpid(), child = fork();
		if (child == 0) {
			usleep(50000);
			_exit(kill(parent, number) != 0);
		}
		if (number == SIGUSR1)
			WANT(sigtimedwait(&set, &got, &long_enough) == SIGUSR1 && got.si_pid == child && count == 0);
		else
			WANT(sigtimedwait(&set, &got, &long_enough) == -1 && errno == EINTR && count == 1);
		int status;
		WANT(waitpid(child, &status, 0) == child && status == 0);
		sigprocmask(SIG_SETMASK, NULL, &now);
		WANT(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));
	}
	raise(SIGUSR1);
	WANT(count == 2);
}

static void interval(void)
{
	handle(SIGALRM, note, SA_RESTART);
	struct itimerval timer = { .it_value.tv_usec = 10000, .it_interval.tv_usec = 10000 }, rest;
	int64_t before = now_ns();
	WANT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (count < 5)
		pause();
	WANT(now_ns() - before >= 50000000);
	WANT(getitimer(ITIMER_REAL, &rest) == 0 && rest.it_interval.tv_usec == 10000);
	timer = (struct itimerval){ 0 };
	WANT(setitimer(ITIMER_REAL, &timer, &rest) == 0 && rest.it_interval.tv_usec == 10000);
	WANT(alarm(100) == 0 && alarm(0) == 100);
}

static void busy_interrupted(void)
{
	/* A program that never calls the kernel is interrupted too. */
	handle(SIGALRM, note, 0);
	alarm_in(20);
	while (count == 0)
		;
}

static char stack[65536];
static char *volatile seen;
static void note_stack(int number)
{
	char here;
	seen = &here;
	note(number);
}

static void alternate_stack(void)
{
	stack_t request = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;
	WANT(sigaltstack(&request, NULL) == 0);
	handle(SIGUSR1, note_stack, SA_ONSTACK);
	raise(SIGUSR1);
	WANT(seen >= stack && seen < stack + sizeof(stack));
	WANT(sigaltstack(NULL, &old) == 0 && old.ss_sp == stack && old.ss_flags == 0);
	handle(SIGUSR2, note_stack, 0);
	raise(SIGUSR2);
	WANT(seen < stack || seen >= stack + sizeof(stack));
}

static sigjmp_buf back;
static void *volatile fault_address;
static volatile int fault_code;
static void jump_back(int number, siginfo_t *about, void *context)
{
	(void)number, (void)context;
	fault_address = about->si_addr;
	fault_code = about->si_code;
	siglongjmp(back, 1);
}

static void fault(void)
{
	handle_info(SIGSEGV, jump_back, 0);
	char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(page != MAP_FAILED);
	if (sigsetjmp(back, 1) == 0) {
		*(volatile char *)(page + 4096 + 5) = 1;
		FAIL("a read-only page was written");
	}
	WANT(fault_address == page + 4096 + 5 && fault_code == SEGV_ACCERR);
	WANT(munmap(page, 8192) == 0);
	if (sigsetjmp(back, 1) == 0) {
		(void)*(volatile char *)(page + 7);
		FAIL("an absent page was read");
	}
	WANT(fault_address == page + 7 && fault_code == SEGV_MAPERR);
}

static void mend(int number, siginfo_t *about, void *context)
{
	(void)number, (void)context;
	count++;
	if (mprotect((void *)((uintptr_t)about->si_addr & ~4095UL), 4096, PROT_READ | PROT_WRITE) != 0)
		_exit(9);
}

static void fault_mended(void)
{
	/* A handler that makes the page writable lets the store run again. */
	handle_info(SIGSEGV, mend, 0);
	char *pages = mmap(NULL, 4096 * 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(pages != MAP_FAILED);
	for (int at = 0; at < 16; at++)
		*(volatile char *)(pages + at * 4096) = (char)at;
	WANT(count == 16);
	for (int at = 0; at < 16; at++)
		WANT(pages[at * 4096] == at);
}

static void edit_context(int number, siginfo_t *about, void *context)
{
	(void)number, (void)about;
	ucontext_t *user = context;
	user->uc_mcontext.gp_regs[3] = 1234;
	user->uc_mcontext.gp_regs[PT_NIP] += 4;
	count++;
}

static void context(void)
{
	/* The handler skips the illegal instruction and changes a register: both take effect. */
	handle_info(SIGILL, edit_context, 0);
	register long value __asm__("r3") = 1;
	__asm__ volatile(".long 0" : "+r"(value) : : "memory");
	WANT(value == 1234 && count == 1);
}

static void registers(void)
{
	/* A handler that uses every register leaves those of the interrupted code alone. */
	handle(SIGALRM, note, 0);
	struct itimerval timer = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	WANT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (count < 50) {
		unsigned long a = 1, b = 2, c = 3, sum = 0;
		for (int at = 0; at < 10000; at++) {
			__asm__ volatile("addi %0,%0,1\n\taddi %1,%1,2\n\taddi %2,%2,3\n\tcmpwi cr5,%0,0\n\tmtctr %1\n\tmfctr %1"
					 : "+r"(a), "+r"(b), "+r"(c) : : "ctr", "cr5");
		}
		sum = a + b + c;
		WANT(sum == 6 + 60000);
	}
}

static void inherited(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	handle(SIGTERM, note, 0);
	raise(SIGUSR1);
	pid_t pid = fork();
	if (pid == 0) {
		sigset_t now;
		sigpending(&now);
		_exit(sigismember(&now, SIGUSR1) ? 1 : 0); /* pending signals are not inherited */
	}
	int status;
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
	pid = fork();
	if (pid == 0) {
		/* exec keeps mask and SIG_IGN, and resets handlers */
		execl("/bin/sh", "sh", "-c", "kill -USR1 $$; kill -USR2 $$; kill -TERM $$; exit 3", (char *)NULL);
		_exit(4);
	}
	WANT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void stop_and_continue(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	WANT(kill(pid, SIGSTOP) == 0);
	WANT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	WANT(kill(pid, SIGTERM) == 0);
	WANT(waitpid(pid, &status, WNOHANG) == 0); /* a stopped process does not take it yet */
	WANT(kill(pid, SIGCONT) == 0);
	WANT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGSTOP);
	WANT(waitpid(pid, &status, WUNTRACED) == pid);
	kill(pid, SIGCONT);
	WANT(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	kill(pid, SIGKILL);
	WANT(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
}

/* What makes a process go on comes at any moment of its stopping itself on another CPU, and is never lost. */
static void overtaken_stop(void)
{
	volatile int *go = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int round = 0; round < 3000; round++) {
		int status, ending = round % 2 ? SIGKILL : SIGCONT;
		*go = 0;
		pid_t pid = fork();
		if (pid == 0) {
			*go = 1;
			while (*go == 1)
				;
			kill(getpid(), SIGSTOP);
			_exit(0);
		}
		while (*go == 0)
			;
		*go = 2;
		for (volatile int delay = round / 2 % 100 * 200; delay > 0; delay--)
			;
		WANT(kill(pid, ending) == 0);
		/* A SIGCONT that came before the stop has done nothing. */
		if (ending == SIGCONT) {
			pid_t seen = waitpid(pid, &status, WUNTRACED);
			WANT(seen == pid);
			if (WIFEXITED(status))
				continue;
			kill(pid, SIGCONT);
		}
		alarm(10);
		WANT(waitpid(pid, &status, 0) == pid);
		alarm(0);
	}
}

/* What is sent to a stopped process and waits does not let it run for a moment. */
static void disturbed_stop(void)
{
	enum { SIGNALS = 20000 };
	volatile long *steps = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		for (;;)
			++*steps;
	}
	while (*steps == 0)
		;
	int status;
	WANT(kill(pid, SIGSTOP) == 0);
	WANT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	long before = *steps;
	for (int sent = 0; sent < SIGNALS; sent++)
		WANT(kill(pid, SIGUSR1) == 0);
	long after = *steps;
	WANT(kill(pid, SIGKILL) == 0);
	WANT(waitpid(pid, &status, 0) == pid);
	if (after != before)
		FAIL("%ld steps while it was stopped", after - before);
}

static void bad_frame_body(void)
{
	/* A handler whose stack is not there cannot be called: SIGSEGV ends the process. */
	handle(SIGUSR1, note, 0);
	pid_t pid = getpid();
	register long r0 __asm__("r0") = SYS_kill;
	register long r3 __asm__("r3") = pid;
	register long r4 __asm__("r4") = SIGUSR1;
	__asm__ volatile("mr 14,1\n\tli 1,64\n\tsc\n\tmr 1,14" : "+r"(r0), "+r"(r3), "+r"(r4) : : "r14", "memory", "cr0");
}

static void bad_frame(void)
{
	WANT_SIGNAL(bad_frame_body, SIGSEGV);
}

static void red_zone(void)
{
	/* What a program keeps below its stack pointer is still there after a handler (ELFv2 ABI, 2.2.2.4). */
	handle(SIGUSR1, note, 0);
	pid_t pid = getpid();
	register long r0 __asm__("r0") = SYS_kill;
	register long r3 __asm__("r3") = pid;
	register long r4 __asm__("r4") = SIGUSR1;
	register long nearest __asm__("r14") = 4711;
	register long farthest __asm__("r15") = 4712;
	__asm__ volatile("std %3,-8(1)\n\tstd %4,-288(1)\n\tsc\n\tld %3,-8(1)\n\tld %4,-288(1)"
			 : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(nearest), "+r"(farthest)
			 :
			 : "memory", "cr0", "ctr", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12");
	WANT(count == 1);
	WANT(nearest == 4711 && farthest == 4712);
}

static unsigned long rounding;
static void scribble(int number)
{
	double status;
	note(number);
	__asm__ volatile("mffs %0\n\t"
			 "xxlxor 1,1,1\n\txxlxor 14,14,14\n\txxlxor 63,63,63\n\tmtfsfi 7,2"
			 : "=d"(status) : : "vs1", "vs14", "vs63");
	memcpy(&rounding, &status, sizeof rounding);
}

static void vectors(void)
{
	/* A handler that uses vector registers leaves those of the interrupted code alone; rounding is its own too. */
	unsigned long in[6] = { 1, 2, 3, 4, 5, 6 }, out[7] = { 0 };
	handle(SIGUSR1, scribble, 0);
	for (int round = 0; round < 3; round++) {
		memset(out, 0, sizeof out);
		register long pid __asm__("r5") = getpid();
		register unsigned long *from __asm__("r30") = in, *to __asm__("r31") = out;
		__asm__ volatile(
			"li 6,16\n\tli 7,32\n\tlxvd2x 1,0,%1\n\tlxvd2x 14,6,%1\n\tlxvd2x 63,7,%1\n\tmtfsfi 7,1\n\t"
			"mr 3,%0\n\tli 4,10\n\tli 0,37\n\tsc\n\t"
			"li 6,16\n\tli 7,32\n\tstxvd2x 1,0,%2\n\tstxvd2x 14,6,%2\n\tstxvd2x 63,7,%2\n\t"
			"mffs 0\n\tstfd 0,48(%2)\n\tmtfsfi 7,0"
			: "+r"(pid) : "r"(from), "r"(to)
			: "r0", "r3", "r4", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "ctr", "xer", "cr0", "cr1", "cr5",
			  "cr6", "cr7", "vs0", "vs1", "vs14", "vs63", "memory");
		WANT(count == round + 1);
		WANT(memcmp(in, out, sizeof in) == 0);
		WANT((out[6] & 3) == 1 && (rounding & 3) == 0);
	}
}

static void signal_words(void)
{
	/* Masks and actions in pages that are not there yet, that cannot be written, and over one another. */
	unsigned long usr1 = 1UL << (SIGUSR1 - 1), both = 0, old = 7;
	unsigned long action[4] = { (unsigned long)note, SA_NODEFER }, same[4] = { (unsigned long)SIG_IGN };
	char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long *fresh = (unsigned long *)pages, *other = (unsigned long *)(pages + 8192);
	WANT(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_READ) == 0);
	handle(SIGUSR1, note, 0);
	WANT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &usr1, fresh, 8) == 0 && *fresh == 0);
	WANT(kill(getpid(), SIGUSR1) == 0 && count == 0);
	WANT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &both, &both, 8) == 0);
	WANT(count == 1 && both == usr1);
	WANT(syscall(SYS_rt_sigprocmask, 3, &both, &old, 8) == -1 && errno == EINVAL && old == 7);
	WANT(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &both, pages + 4096, 8) == -1 && errno == EFAULT);
	WANT(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &both, &old, 4) == -1 && errno == EINVAL);
	both = 0;
	WANT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &both, NULL, 8) == 0);
	WANT(syscall(SYS_rt_sigaction, SIGUSR2, action, other, 8) == 0 && other[0] == (unsigned long)SIG_DFL);
	WANT(kill(getpid(), SIGUSR2) == 0 && count == 2);
	WANT(syscall(SYS_rt_sigaction, SIGUSR2, same, same, 8) == 0 && same[0] == action[0] && same[1] == SA_NODEFER);
	WANT(kill(getpid(), SIGUSR2) == 0 && count == 2);
	WANT(syscall(SYS_rt_sigaction, SIGUSR2, action, pages + 4096, 8) == -1 && errno == EFAULT);
	WANT(syscall(SYS_rt_sigaction, SIGKILL, action, NULL, 8) == -1 && errno == EINVAL);
	/* To ignore a pending signal is to forget it. */
	WANT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &usr1, NULL, 8) == 0);
	WANT(kill(getpid(), SIGUSR1) == 0 && signal(SIGUSR1, SIG_IGN) == note && signal(SIGUSR1, note) == SIG_IGN);
	WANT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &both, NULL, 8) == 0 && count == 2);
}

static void queued(void)
{
	/* What comes with a queued signal ends behind 48 bytes. When nobody knows the code, there have to be zeros beyond. */
	unsigned long usr1 = 1UL << (SIGUSR1 - 1);
	struct timespec none = { 0, 0 };
	unsigned char given[128] = { 0 }, seen[128];
	int codes[] = { SI_QUEUE, SI_TKILL, SI_TIMER, -1000 };
	WANT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &usr1, NULL, 8) == 0);
	for (int i = 0; i < 4; i++) {
		memcpy(given + 8, &codes[i], 4);
		given[16] = 3;
		given[47] = 9;
		given[127] = codes[i] != -1000;
		memset(seen, 7, sizeof seen);
		WANT(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, given) == 0);
		WANT(syscall(SYS_rt_sigtimedwait, &usr1, seen, &none, 8) == SIGUSR1);
		WANT(seen[0] == SIGUSR1 && memcmp(seen + 8, &codes[i], 4) == 0);
		WANT(seen[16] == 3 && seen[47] == 9 && seen[48] == 0 && seen[127] == 0);
	}
	given[127] = 1;
	WANT(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, given) == -1 && errno == E2BIG);
	WANT(syscall(SYS_rt_sigtimedwait, &usr1, seen, &none, 8) == -1 && errno == EAGAIN);
}

static const struct check checks[] = {
	{ "handler", handler_runs }, { "siginfo", siginfo }, { "child-info", child_info }, { "mask", mask },
	{ "queue", queue }, { "handler-mask", handler_mask }, { "defaults", defaults }, { "restart", restart },
	{ "no-restart", no_restart }, { "sleep-interrupted", sleep_interrupted }, { "suspend", suspend },
	{ "wait-for", wait_for }, { "wait-before-handler", wait_before_handler },
	{ "wait-with-handler", wait_with_handler },
	{ "interval", interval }, { "busy-interrupted", busy_interrupted },
	{ "alternate-stack", alternate_stack }, { "fault", fault }, { "fault-mended", fault_mended },
	{ "context", context }, { "registers", registers }, { "inherited", inherited },
	{ "stop-and-continue", stop_and_continue }, { "overtaken-stop", overtaken_stop },
	{ "disturbed-stop", disturbed_stop }, { "bad-frame", bad_frame },
	{ "red-zone", red_zone },
	{ "vectors", vectors }, { "words", signal_words },
	{ "queued", queued },
};
MAIN(checks)
