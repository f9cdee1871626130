/* Tracing (man 2 ptrace): who may, where a thread halts, what its tracer sees and changes, and what becomes of both. */

#include "check.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#ifndef NT_PPC_VMX
#define NT_PPC_VMX 0x100
#endif
#ifndef NT_PPC_VSX
#define NT_PPC_VSX 0x102
#endif
#define PT_NIP 32
#define PT_ORIG_R3 34
#define PT_CCR 38
#define SYSGOOD (SIGTRAP | 0x80)
#define EVENT(status) ((status) >> 16)

static volatile long shared_word = 0x1122334455667788;

static long request(int what, pid_t pid, long address, long data)
{
	return syscall(SYS_ptrace, what, pid, address, data);
}

#define PT(what, pid, address, data) \
	WANT(request(what, pid, (long)(address), (long)(data)) == 0)

/* The next stop or end of a thread. */
static int next(pid_t pid)
{
	int status;
	pid_t found = waitpid(pid, &status, __WALL);
	if (found != pid)
		FAIL("waitpid(%d) gave %d, errno %d %s", pid, found, errno, strerror(errno));
	return status;
}

static void want_stop(pid_t pid, int signal, int event)
{
	int status = next(pid);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != signal || EVENT(status) != event)
		FAIL("status %#x, not a stop of signal %d, event %d", status, signal, event);
}

static void want_end(pid_t pid, int code)
{
	int status = next(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		FAIL("status %#x, not an end with %d", status, code);
}

static void want_killed(pid_t pid, int signal)
{
	int status = next(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
		FAIL("status %#x, not an end by signal %d", status, signal);
}

/* A child that is traced, has stopped, and does `body` when it goes on. */
static pid_t traced(void (*body)(void))
{
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		WANT(request(PTRACE_TRACEME, 0, 0, 0) == 0);
		raise(SIGSTOP);
		body();
		_exit(7);
	}
	want_stop(pid, SIGSTOP, 0);
	return pid;
}

/* A child that nobody traces and that does `body`. */
static pid_t child(void (*body)(void))
{
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		body();
		_exit(7);
	}
	return pid;
}

static void nothing(void)
{
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void spin(void)
{
	for (;;)
		;
}

static char state_of(pid_t pid)
{
	char path[64], line[512], state = '?';
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
	if (length > 0) {
		line[length] = 0;
		state = strrchr(line, ')')[2];
	}
	close(fd);
	return state;
}

static int tracer_of(pid_t pid)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	int fd = open(path, O_RDONLY);
	WANT(fd >= 0);
	ssize_t length = read(fd, text, sizeof text - 1);
	WANT(length > 0);
	text[length] = 0;
	close(fd);
	char *line = strstr(text, "TracerPid:");
	WANT(line);
	return atoi(line + strlen("TracerPid:"));
}

static void await_state(pid_t pid, char wanted)
{
	int64_t end = now_ns() + 20000000000LL;
	while (state_of(pid) != wanted) {
		if (now_ns() > end)
			FAIL("state %c, not %c", state_of(pid), wanted);
		sched_yield();
	}
}

static void traceme(void)
{
	pid_t pid = traced(nothing);
	WANT(state_of(pid) == 't' && tracer_of(pid) == getpid());
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 7);
	WANT_ERROR(request(PTRACE_CONT, pid, 0, 0), ESRCH);
}

static void memory(void)
{
	pid_t pid = traced(nothing);
	long word = 0;
	PT(PTRACE_PEEKDATA, pid, &shared_word, &word);
	WANT(word == shared_word);
	PT(PTRACE_POKEDATA, pid, &shared_word, 99);
	PT(PTRACE_PEEKTEXT, pid, &shared_word, &word);
	WANT(word == 99 && shared_word == 0x1122334455667788);
	/* Text is written in a copy: ours stays. */
	uint32_t *text = *(uint32_t **)(void *)&(void *){ (void *)nothing };
	long before = *(long *)text;
	PT(PTRACE_POKETEXT, pid, text, 0x600000007fe00008);
	PT(PTRACE_PEEKTEXT, pid, text, &word);
	WANT(word == 0x600000007fe00008 && *(long *)text == before);
	WANT_ERROR(request(PTRACE_PEEKDATA, pid, 8, (long)&word), EIO);
	WANT_ERROR(request(PTRACE_POKEDATA, pid, 8, 1), EIO);
	WANT_ERROR(request(PTRACE_PEEKDATA, pid, (long)&shared_word, 8), EFAULT);
	WANT(request(PTRACE_PEEKDATA, pid, (long)&shared_word + 4, (long)&word) == 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, 0);
	siginfo_t info;
	PT(PTRACE_GETSIGINFO, pid, 0, &info);
	WANT(info.si_code == TRAP_BRKPT && info.si_addr == (void *)text);
	PT(PTRACE_POKETEXT, pid, text, before);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 7);
}

static void registers(void)
{
	pid_t pid = traced(nothing);
	unsigned long all[48], word;
	struct iovec io = { all, sizeof all };
	PT(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io);
	WANT(io.iov_len == sizeof all);
	PT(PTRACE_PEEKUSER, pid, PT_NIP * 8, &word);
	WANT(word == all[PT_NIP]);
	unsigned long old[48];
	PT(PTRACE_GETREGS, pid, 0, old);
	WANT(memcmp(old, all, sizeof old) == 0);
	PT(PTRACE_POKEUSER, pid, 14 * 8, 0x1234);
	PT(PTRACE_PEEKUSER, pid, 14 * 8, &word);
	WANT(word == 0x1234);
	PT(PTRACE_POKEUSER, pid, 14 * 8, all[14]);
	WANT_ERROR(request(PTRACE_PEEKUSER, pid, 4, (long)&word), EIO);
	WANT_ERROR(request(PTRACE_PEEKUSER, pid, 1 << 20, (long)&word), EIO);
	WANT_ERROR(request(PTRACE_GETREGSET, pid, 0x777, (long)&io), EINVAL);
	unsigned long fp[33], vsx[32], other[33];
	unsigned char vmx[34][16];
	for (int n = 0; n < 33; n++)
		fp[n] = n < 32 ? 0x100 + n : 0;
	for (int n = 0; n < 32; n++)
		vsx[n] = 0x200 + n;
	memset(vmx, 0x5a, sizeof vmx);
	memset(vmx[32], 0, 32);
	io = (struct iovec){ fp, sizeof fp };
	PT(PTRACE_SETREGSET, pid, NT_PRFPREG, &io);
	io = (struct iovec){ vsx, sizeof vsx };
	PT(PTRACE_SETREGSET, pid, NT_PPC_VSX, &io);
	io = (struct iovec){ vmx, sizeof vmx };
	PT(PTRACE_SETREGSET, pid, NT_PPC_VMX, &io);
	PT(PTRACE_GETFPREGS, pid, 0, other);
	WANT(memcmp(other, fp, sizeof fp) == 0);
	io = (struct iovec){ other, 4096 };
	PT(PTRACE_GETREGSET, pid, NT_PPC_VSX, &io);
	WANT(io.iov_len == sizeof vsx && memcmp(other, vsx, sizeof vsx) == 0);
	PT(PTRACE_PEEKUSER, pid, (48 + 5) * 8, &word);
	WANT(word == 0x105);
	/* MSR is not the tracer's to set. */
	all[33] = 0;
	io = (struct iovec){ all, sizeof all };
	PT(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 7);
}

static void three_calls(void)
{
	syscall(SYS_getuid);
	syscall(SYS_close, -5);
	syscall(SYS_getppid);
}

/* The end of a call, as both ways tell it. */
static void want_call(pid_t pid, long number, long result, int failed)
{
	struct __ptrace_syscall_info info;
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	long size = request(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info);
	WANT(size == offsetof(struct __ptrace_syscall_info, entry.args) + 48);
	WANT(info.op == PTRACE_SYSCALL_INFO_ENTRY && info.arch == 0xc0000015);
	if (info.entry.nr != (unsigned long)number)
		FAIL("call %ld, not %ld", (long)info.entry.nr, number);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	size = request(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info);
	WANT(size == offsetof(struct __ptrace_syscall_info, exit.is_error) + 1);
	WANT(info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error == failed);
	if (info.exit.rval != result)
		FAIL("result %ld, not %ld", (long)info.exit.rval, result);
	unsigned long word;
	PT(PTRACE_PEEKUSER, pid, 3 * 8, &word);
	WANT(word == (unsigned long)(failed ? -result : result));
}

static void calls(void)
{
	pid_t pid = traced(three_calls);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	WANT_ERROR(request(PTRACE_SETOPTIONS, pid, 0, 1 << 30), EINVAL);
	struct __ptrace_syscall_info info;
	WANT(request(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info) == 24);
	WANT(info.op == PTRACE_SYSCALL_INFO_NONE);
	want_call(pid, SYS_getuid, getuid(), 0);
	want_call(pid, SYS_close, -EBADF, 1);
	want_call(pid, SYS_getppid, getpid(), 0);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_end(pid, 7);
}

static void call_changed(void)
{
	_exit(syscall(SYS_getuid) == 4711 && syscall(SYS_getpid) == -1 && errno == ENOSYS ? 5 : 6);
}

static void change(void)
{
	pid_t pid = traced(call_changed);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	/* Another result at the end, */
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_POKEUSER, pid, 3 * 8, 4711);
	/* and no call at all. */
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_POKEUSER, pid, 0, -1);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 5);
}

static void blocked_read(void)
{
	int ends[2];
	char byte;
	WANT(pipe(ends) == 0);
	read(ends[0], &byte, 1);
}

/* What interrupts a call is told after the call. */
static void interrupted(void)
{
	struct __ptrace_syscall_info info;
	pid_t pid = traced(blocked_read);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	want_call(pid, SYS_pipe2, 0, 0);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	await_state(pid, 'S');
	WANT(kill(pid, SIGCHLD) == 0);
	want_stop(pid, SYSGOOD, 0);
	WANT(request(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info) > 0);
	WANT(info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == -512);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SIGCHLD, 0);
	PT(PTRACE_SYSCALL, pid, 0, SIGCHLD);
	want_stop(pid, SYSGOOD, 0);
	WANT(request(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (long)&info) > 0);
	WANT(info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_read);
	PT(PTRACE_CONT, pid, 0, 0);
	await_state(pid, 'S');
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
}

static void signals_of_self(void)
{
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGWINCH);
	raise(SIGUSR1);
}

static void signals(void)
{
	siginfo_t info;
	pid_t pid = traced(signals_of_self);
	PT(PTRACE_CONT, pid, 0, 0);
	/* Deadly, but the tracer takes it away; */
	want_stop(pid, SIGUSR1, 0);
	PT(PTRACE_GETSIGINFO, pid, 0, &info);
	WANT(info.si_signo == SIGUSR1 && info.si_code == SI_TKILL && info.si_pid == pid);
	WANT_ERROR(request(PTRACE_CONT, pid, 0, 65), EIO);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGUSR2, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	/* ignored, but the tracer sees it; */
	want_stop(pid, SIGWINCH, 0);
	PT(PTRACE_CONT, pid, 0, SIGWINCH);
	/* another one in its place. */
	want_stop(pid, SIGUSR1, 0);
	PT(PTRACE_CONT, pid, 0, SIGTERM);
	want_killed(pid, SIGTERM);
}

static volatile int handled;

static void handler(int signal)
{
	handled = signal;
}

static void with_handler(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	_exit(handled);
}

static void delivered(void)
{
	pid_t pid = traced(with_handler);
	uint64_t mask = 1 << (SIGHUP - 1), before;
	PT(PTRACE_GETSIGMASK, pid, 8, &before);
	PT(PTRACE_SETSIGMASK, pid, 8, &mask);
	PT(PTRACE_GETSIGMASK, pid, 8, &mask);
	WANT(mask == 1 << (SIGHUP - 1));
	PT(PTRACE_SETSIGMASK, pid, 8, &before);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGUSR1, 0);
	PT(PTRACE_CONT, pid, 0, SIGUSR1);
	want_end(pid, SIGUSR1);
}

__attribute__((noinline)) static void counted(void)
{
	__asm__ volatile("li 14,0\n addi 14,14,1\n addi 14,14,2\n addi 14,14,3\n trap\n" ::: "r14");
}

static void steps(void)
{
	pid_t pid = traced(counted);
	unsigned long nip, before, r14;
	int count = 0;
	do {
		PT(PTRACE_PEEKUSER, pid, PT_NIP * 8, &before);
		PT(PTRACE_SINGLESTEP, pid, 0, 0);
		want_stop(pid, SIGTRAP, 0);
		PT(PTRACE_PEEKUSER, pid, PT_NIP * 8, &nip);
		PT(PTRACE_PEEKUSER, pid, 14 * 8, &r14);
		count++;
	} while (nip != before && count < 100000);
	siginfo_t info;
	PT(PTRACE_GETSIGINFO, pid, 0, &info);
	WANT(info.si_code == TRAP_BRKPT && r14 == 6 && count > 5);
	PT(PTRACE_POKEUSER, pid, PT_NIP * 8, nip + 4);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 7);
}

static void attach(void)
{
	pid_t pid = child(wait_for_ever);
	await_state(pid, 'S');
	WANT_ERROR(request(PTRACE_CONT, pid, 0, 0), ESRCH);
	PT(PTRACE_ATTACH, pid, 0, 0);
	WANT_ERROR(request(PTRACE_ATTACH, pid, 0, 0), EPERM);
	want_stop(pid, SIGSTOP, 0);
	WANT(tracer_of(pid) == getpid());
	/* A call that it has been interrupted in goes on. */
	unsigned long r3, nip;
	PT(PTRACE_PEEKUSER, pid, 3 * 8, &r3);
	PT(PTRACE_PEEKUSER, pid, PT_NIP * 8, &nip);
	WANT(r3 == 512);
	PT(PTRACE_DETACH, pid, 0, 0);
	WANT_ERROR(request(PTRACE_CONT, pid, 0, 0), ESRCH);
	await_state(pid, 'S');
	WANT(tracer_of(pid) == 0);
	/* One that runs, */
	pid_t busy = child(spin);
	PT(PTRACE_ATTACH, busy, 0, 0);
	want_stop(busy, SIGSTOP, 0);
	PT(PTRACE_CONT, busy, 0, 0);
	WANT(kill(busy, SIGKILL) == 0);
	want_killed(busy, SIGKILL);
	/* and one that is stopped. */
	WANT(kill(pid, SIGSTOP) == 0);
	WANT(WIFSTOPPED(({ int status; WANT(waitpid(pid, &status, WUNTRACED) == pid); status; })));
	PT(PTRACE_ATTACH, pid, 0, 0);
	want_stop(pid, SIGSTOP, 0);
	PT(PTRACE_DETACH, pid, 0, 0);
	await_state(pid, 'T');
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
}

static void seize(void)
{
	pid_t pid = child(wait_for_ever);
	siginfo_t info;
	WANT_ERROR(request(PTRACE_SEIZE, pid, 1, 0), EIO);
	WANT_ERROR(request(PTRACE_SEIZE, pid, 0, 1 << 30), EIO);
	PT(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD);
	await_state(pid, 'S');
	WANT_ERROR(request(PTRACE_CONT, pid, 0, 0), ESRCH);
	WANT_ERROR(request(PTRACE_LISTEN, pid, 0, 0), ESRCH);
	PT(PTRACE_INTERRUPT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_STOP);
	PT(PTRACE_CONT, pid, 0, 0);
	await_state(pid, 'S');
	/* A group stop, in which it is left, */
	WANT(kill(pid, SIGSTOP) == 0);
	want_stop(pid, SIGSTOP, 0);
	PT(PTRACE_CONT, pid, 0, SIGSTOP);
	want_stop(pid, SIGSTOP, PTRACE_EVENT_STOP);
	PT(PTRACE_GETSIGINFO, pid, 0, &info);
	PT(PTRACE_LISTEN, pid, 0, 0);
	int status;
	WANT(waitpid(pid, &status, __WALL | WNOHANG) == 0);
	/* and its end. */
	WANT(kill(pid, SIGCONT) == 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_STOP);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGCONT, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	await_state(pid, 'S');
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
}

static void group_stop(void)
{
	siginfo_t info;
	pid_t pid = child(wait_for_ever);
	PT(PTRACE_ATTACH, pid, 0, 0);
	want_stop(pid, SIGSTOP, 0);
	PT(PTRACE_CONT, pid, 0, SIGSTOP);
	want_stop(pid, SIGSTOP, 0);
	WANT_ERROR(request(PTRACE_GETSIGINFO, pid, 0, (long)&info), EINVAL);
	WANT_ERROR(request(PTRACE_LISTEN, pid, 0, 0), EIO);
	WANT_ERROR(request(PTRACE_INTERRUPT, pid, 0, 0), EIO);
	/* Let go, it stays in the stop. */
	PT(PTRACE_DETACH, pid, 0, 0);
	await_state(pid, 'T');
	WANT(kill(pid, SIGCONT) == 0);
	await_state(pid, 'S');
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
}

static void forks(void)
{
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0)
		_exit(3);
	WANT(waitpid(pid, NULL, 0) == pid);
	pid = vfork();
	WANT(pid >= 0);
	if (pid == 0)
		_exit(4);
	WANT(waitpid(pid, NULL, 0) == pid);
}

static void family(void)
{
	pid_t pid = traced(forks);
	unsigned long made, gone, again;
	PT(PTRACE_SETOPTIONS, pid, 0,
	   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_FORK);
	PT(PTRACE_GETEVENTMSG, pid, 0, &made);
	want_stop(made, SIGSTOP, 0);
	WANT(tracer_of(made) == getpid());
	PT(PTRACE_CONT, made, 0, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(made, SIGTRAP, PTRACE_EVENT_EXIT);
	PT(PTRACE_GETEVENTMSG, made, 0, &gone);
	WANT(gone == 3 << 8);
	PT(PTRACE_CONT, made, 0, 0);
	/* Its end is the tracer's to know first, then its parent's. */
	want_end(made, 3);
	want_stop(pid, SIGCHLD, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_VFORK);
	PT(PTRACE_GETEVENTMSG, pid, 0, &made);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(made, SIGSTOP, 0);
	PT(PTRACE_CONT, made, 0, 0);
	want_stop(made, SIGTRAP, PTRACE_EVENT_EXIT);
	PT(PTRACE_CONT, made, 0, 0);
	want_end(made, 4);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_VFORK_DONE);
	PT(PTRACE_GETEVENTMSG, pid, 0, &again);
	WANT(again == made);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGCHLD, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_EXIT);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 7);
}

static void *end_at_once(void *unused)
{
	return unused;
}

static void one_thread(void)
{
	pthread_t thread;
	WANT(pthread_create(&thread, NULL, end_at_once, NULL) == 0);
	WANT(pthread_join(thread, NULL) == 0);
}

static void threads(void)
{
	pid_t pid = traced(one_thread);
	unsigned long tid;
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_CLONE);
	PT(PTRACE_GETEVENTMSG, pid, 0, &tid);
	want_stop(tid, SIGSTOP, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	PT(PTRACE_CONT, tid, 0, 0);
	want_end(tid, 0);
	WANT_ERROR(waitpid(tid, NULL, __WALL), ECHILD);
	want_end(pid, 7);
}

static const char *self;

static void execute(void)
{
	execl(self, self, "nothing", NULL);
}

static void *execute_in_thread(void *unused)
{
	execute();
	return unused;
}

static void execute_by_thread(void)
{
	pthread_t thread;
	WANT(pthread_create(&thread, NULL, execute_in_thread, NULL) == 0);
	wait_for_ever();
}

static void exec(void)
{
	unsigned long word, former;
	self = "/proc/self/exe";
	/* Without an option it is a SIGTRAP, */
	pid_t pid = traced(execute);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, 0);
	WANT(state_of(pid) == 't');
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 0);
	/* with it an event, and then the end of the call. */
	pid = traced(execute);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_PEEKUSER, pid, 0, &word);
	WANT(word == SYS_execve);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_EXEC);
	PT(PTRACE_GETEVENTMSG, pid, 0, &former);
	WANT(former == (unsigned long)pid);
	PT(PTRACE_SYSCALL, pid, 0, 0);
	want_stop(pid, SYSGOOD, 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 0);
	/* A thread that executes takes the number of its process along. */
	pid = traced(execute_by_thread);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE);
	PT(PTRACE_CONT, pid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_CLONE);
	unsigned long tid;
	PT(PTRACE_GETEVENTMSG, pid, 0, &tid);
	want_stop(tid, SIGSTOP, 0);
	/* In this order: the thread that executes is known by the number of its process. */
	PT(PTRACE_CONT, pid, 0, 0);
	PT(PTRACE_CONT, tid, 0, 0);
	want_stop(pid, SIGTRAP, PTRACE_EVENT_EXEC);
	PT(PTRACE_GETEVENTMSG, pid, 0, &former);
	WANT(former == tid);
	WANT_ERROR(waitpid(tid, NULL, __WALL | WNOHANG), ECHILD);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 0);
}

/* A process that traces another, of this process too, and is then killed. */
static pid_t tracer_for(pid_t target, int option, int *told)
{
	int ends[2];
	char byte;
	WANT(pipe(ends) == 0);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		PT(PTRACE_SEIZE, target, 0, option);
		PT(PTRACE_INTERRUPT, target, 0, 0);
		want_stop(target, SIGTRAP, PTRACE_EVENT_STOP);
		WANT(write(ends[1], "x", 1) == 1);
		wait_for_ever();
	}
	WANT(read(ends[0], &byte, 1) == 1);
	close(ends[0]);
	close(ends[1]);
	*told = tracer_of(target);
	return pid;
}

static void tracer_dies(void)
{
	int told;
	pid_t pid = child(wait_for_ever);
	pid_t tracer = tracer_for(pid, 0, &told);
	WANT(told == tracer);
	WANT(state_of(pid) == 't');
	WANT(kill(tracer, SIGKILL) == 0 && waitpid(tracer, NULL, 0) == tracer);
	await_state(pid, 'S');
	WANT(tracer_of(pid) == 0);
	tracer = tracer_for(pid, PTRACE_O_EXITKILL, &told);
	WANT(kill(tracer, SIGKILL) == 0 && waitpid(tracer, NULL, 0) == tracer);
	want_killed(pid, SIGKILL);
	/* What its tracer has not seen of its end is its parent's to see when the tracer is gone. */
	pid = child(wait_for_ever);
	tracer = tracer_for(pid, 0, &told);
	WANT(kill(pid, SIGKILL) == 0);
	await_state(pid, 'Z');
	WANT(waitpid(pid, NULL, WNOHANG) == 0);
	WANT(kill(tracer, SIGKILL) == 0 && waitpid(tracer, NULL, 0) == tracer);
	want_killed(pid, SIGKILL);
}

/* In each kind of stop the tracee is killed, and so is the tracer. */

static void all_kinds(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	raise(SIGSTOP);
	execl("/proc/self/exe", "x", "nothing", NULL);
}

static void killed(void)
{
	int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
	for (int stop = 0; stop < 40; stop++) {
		pid_t tracer = fork();
		WANT(tracer >= 0);
		if (tracer == 0) {
			pid_t pid = traced(all_kinds);
			PT(PTRACE_SETOPTIONS, pid, 0, options);
			int status, signal = 0;
			for (int at = 0; at < stop; at++) {
				PT(PTRACE_SYSCALL, pid, 0, signal);
				status = next(pid);
				if (!WIFSTOPPED(status))
					_exit(0);
				signal = WSTOPSIG(status);
				signal = signal == SYSGOOD || signal == SIGTRAP ? 0 : signal;
			}
			/* The odd ones kill, the others end and leave a stopped one behind. */
			if (stop & 1) {
				kill(pid, SIGKILL);
				want_killed(pid, SIGKILL);
			}
			_exit(0);
		}
		int status;
		WANT(waitpid(tracer, &status, 0) == tracer);
		if (status != 0)
			FAIL("stop %d: status %#x", stop, status);
	}
}

static void refused(void)
{
	pid_t pid = child(wait_for_ever);
	siginfo_t info;
	WANT_ERROR(request(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	WANT_ERROR(request(PTRACE_ATTACH, 0, 0, 0), ESRCH);
	WANT_ERROR(request(PTRACE_ATTACH, -1, 0, 0), ESRCH);
	WANT_ERROR(request(PTRACE_ATTACH, 4000000, 0, 0), ESRCH);
	WANT_ERROR(request(0x7777, pid, 0, 0), EIO);
	WANT_ERROR(request(PTRACE_KILL, pid, 0, 0), ESRCH);
	PT(PTRACE_ATTACH, pid, 0, 0);
	want_stop(pid, SIGSTOP, 0);
	WANT_ERROR(request(PTRACE_GETSIGINFO, pid, 0, 8), EFAULT);
	WANT_ERROR(request(PTRACE_SETSIGINFO, pid, 0, 8), EFAULT);
	WANT_ERROR(request(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8), EFAULT);
	WANT_ERROR(request(PTRACE_SETREGS, pid, 0, 8), EFAULT);
	WANT_ERROR(request(PTRACE_GETSIGMASK, pid, 4, (long)&info), EINVAL);
	/* Another process is not its tracer. */
	pid_t other = fork();
	if (other == 0) {
		WANT_ERROR(request(PTRACE_CONT, pid, 0, 0), ESRCH);
		WANT_ERROR(request(PTRACE_SEIZE, pid, 0, 0), EPERM);
		_exit(0);
	}
	want_end(other, 0);
	/* Nor may another user be. */
	other = fork();
	if (other == 0) {
		pid_t parent = getppid();
		WANT(setgid(1000) == 0 && setuid(1000) == 0);
		WANT_ERROR(request(PTRACE_ATTACH, parent, 0, 0), EPERM);
		WANT_ERROR(request(PTRACE_SEIZE, parent, 0, 0), EPERM);
		pid_t own = child(wait_for_ever);
		PT(PTRACE_SEIZE, own, 0, 0);
		kill(own, SIGKILL);
		want_killed(own, SIGKILL);
		/* One that does not want to be looked into. */
		int ends[2];
		char byte;
		WANT(pipe(ends) == 0);
		own = fork();
		if (own == 0) {
			prctl(PR_SET_DUMPABLE, 0);
			WANT(write(ends[1], "x", 1) == 1);
			wait_for_ever();
		}
		WANT(read(ends[0], &byte, 1) == 1);
		WANT_ERROR(request(PTRACE_SEIZE, own, 0, 0), EPERM);
		kill(own, SIGKILL);
		want_killed(own, SIGKILL);
		_exit(0);
	}
	want_end(other, 0);
	PT(PTRACE_KILL, pid, 0, 0);
	want_killed(pid, SIGKILL);
}

static void waits(void)
{
	siginfo_t info;
	pid_t pid = traced(nothing);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT);
	PT(PTRACE_CONT, pid, 0, 0);
	WANT(waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WNOWAIT) == 0);
	WANT(info.si_pid == pid && info.si_code == CLD_TRAPPED);
	WANT(info.si_status == (SIGTRAP | PTRACE_EVENT_EXIT << 8));
	want_stop(pid, SIGTRAP, PTRACE_EVENT_EXIT);
	WANT(waitpid(pid, NULL, WNOHANG | __WALL) == 0);
	PT(PTRACE_CONT, pid, 0, 0);
	want_end(pid, 7);
	WANT_ERROR(waitpid(pid, NULL, 0), ECHILD);
}

/* Many at once, on all CPUs. */
static void many(void)
{
	enum { COUNT = 300 };
	static pid_t pids[COUNT];
	for (int n = 0; n < COUNT; n++) {
		pids[n] = child(n % 3 ? wait_for_ever : three_calls);
		if (request(PTRACE_SEIZE, pids[n], 0, 0) != 0)
			WANT(errno == ESRCH);
	}
	for (int n = 0; n < COUNT; n++)
		if (n % 3) {
			PT(PTRACE_INTERRUPT, pids[n], 0, 0);
		}
	int stops = 0, ends = 0, status;
	while (stops < COUNT / 3 * 2 || ends < COUNT / 3) {
		pid_t found = waitpid(-1, &status, __WALL);
		WANT(found > 0);
		if (WIFSTOPPED(status)) {
			WANT(EVENT(status) == PTRACE_EVENT_STOP);
			stops++;
		} else {
			WANT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
			ends++;
		}
	}
	for (int n = 0; n < COUNT; n++)
		if (n % 3) {
			WANT(kill(pids[n], SIGKILL) == 0);
			want_killed(pids[n], SIGKILL);
		}
}

/* Tracer and tracee on two CPUs, as fast as they can. */
static void hundred_calls(void)
{
	for (int n = 0; n < 300; n++)
		syscall(SYS_getuid);
}

static void race(void)
{
	int status, stops = 0;
	pid_t pid = traced(hundred_calls);
	PT(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
	for (;;) {
		PT(PTRACE_SYSCALL, pid, 0, 0);
		status = next(pid);
		if (!WIFSTOPPED(status))
			break;
		WANT(WSTOPSIG(status) == SYSGOOD);
		stops++;
	}
	if (status != 7 << 8 || stops != 601)
		FAIL("status %#x after %d stops", status, stops);
	/* Attached to and let go while it runs. */
	pid = child(spin);
	for (int n = 0; n < 200; n++) {
		PT(PTRACE_SEIZE, pid, 0, 0);
		PT(PTRACE_INTERRUPT, pid, 0, 0);
		want_stop(pid, SIGTRAP, PTRACE_EVENT_STOP);
		PT(PTRACE_DETACH, pid, 0, 0);
	}
	/* Killed at any moment. */
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
	for (int n = 0; n < 60; n++) {
		pid = traced(hundred_calls);
		pid_t killer = fork();
		if (killer == 0) {
			for (volatile int wait = 0; wait < n * 2000; wait++)
				;
			kill(pid, SIGKILL);
			_exit(0);
		}
		while (request(PTRACE_SYSCALL, pid, 0, 0) == 0) {
			WANT(waitpid(pid, &status, __WALL) == pid);
			if (!WIFSTOPPED(status))
				break;
		}
		if (WIFSTOPPED(status))
			status = next(pid);
		WANT(WIFSIGNALED(status) || WIFEXITED(status));
		WANT(waitpid(killer, NULL, 0) == killer);
	}
}

/* Without tracing: /proc/PID/mem, process_vm_readv and its like, kcmp. */
static char block[300000];

static void remote(void)
{
	static char copy[sizeof block];
	char path[64];
	for (size_t n = 0; n < sizeof block; n++)
		block[n] = n * 7;
	pid_t pid = child(wait_for_ever);
	await_state(pid, 'S');
	struct iovec to[2] = { { copy, 1000 }, { copy + 1000, sizeof copy - 1000 } };
	struct iovec from[3] = { { block, 5 }, { block + 5, 200000 }, { block + 200005, sizeof block - 200005 } };
	WANT(process_vm_readv(pid, to, 2, from, 3, 0) == sizeof block);
	WANT(memcmp(block, copy, sizeof block) == 0);
	memset(copy, 1, sizeof copy);
	WANT(process_vm_writev(pid, to, 2, from, 3, 0) == sizeof block && block[9] == 63);
	memset(copy, 2, sizeof copy);
	WANT(process_vm_readv(pid, to, 1, from, 3, 0) == 1000 && copy[999] == 1 && copy[1000] == 2);
	WANT_ERROR(process_vm_readv(pid, to, 2, from, 3, 1), EINVAL);
	WANT_ERROR(process_vm_readv(pid, to, 2, &(struct iovec){ (void *)8, 8 }, 1, 0), EFAULT);
	WANT_ERROR(process_vm_readv(pid, &(struct iovec){ (void *)8, 8 }, 1, from, 3, 0), EFAULT);
	WANT_ERROR(process_vm_readv(4000000, to, 2, from, 3, 0), ESRCH);
	/* Text is not written so, but through the file. */
	struct iovec text = { *(void **)(void *)&(void *){ (void *)nothing }, 4 };
	WANT_ERROR(process_vm_writev(pid, to, 1, &text, 1, 0), EFAULT);
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	int fd = open(path, O_RDWR);
	WANT(fd >= 0);
	WANT(pwrite(fd, "abcd", 4, (off_t)text.iov_base) == 4);
	WANT(pread(fd, copy, 8, (off_t)text.iov_base) == 8 && memcmp(copy, "abcd", 4) == 0);
	WANT(memcmp(text.iov_base, "abcd", 4) != 0);
	WANT_ERROR(pread(fd, copy, 8, 8), EIO);
	WANT(pread(fd, copy, sizeof copy, (off_t)block) == sizeof copy);
	WANT(syscall(SYS_kcmp, pid, getpid(), 1, 0, 0) == 3 && syscall(SYS_kcmp, pid, pid, 1, 0, 0) == 0);
	WANT(syscall(SYS_kcmp, pid, getpid(), 0, 0, 0) == 0);
	WANT_ERROR(syscall(SYS_kcmp, pid, getpid(), 0, 0, 77), EBADF);
	WANT_ERROR(syscall(SYS_kcmp, pid, getpid(), 99, 0, 0), EINVAL);
	pid_t other = fork();
	if (other == 0) {
		WANT(setgid(1000) == 0 && setuid(1000) == 0);
		WANT_ERROR(process_vm_readv(pid, to, 2, from, 3, 0), EPERM);
		WANT_ERROR(syscall(SYS_kcmp, pid, getpid(), 1, 0, 0), EPERM);
		WANT_ERROR(open(path, O_RDONLY), EACCES);
		_exit(0);
	}
	want_end(other, 0);
	WANT(kill(pid, SIGKILL) == 0);
	want_killed(pid, SIGKILL);
	WANT(pread(fd, copy, 8, (off_t)block) == 0);
}

/* Each thread has its name. */
static void *named(void *unused)
{
	char path[64], text[32] = "", name[16];
	WANT(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "first") == 0);
	WANT(prctl(PR_SET_NAME, "second") == 0);
	WANT(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "second") == 0);
	pid_t tid = syscall(SYS_gettid);
	snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
	int fd = open(path, O_RDWR);
	WANT(fd >= 0 && read(fd, text, sizeof text) == 7 && strcmp(text, "second\n") == 0);
	WANT(pwrite(fd, "a name that is too long\n", 24, 0) == 24);
	WANT(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a name that is ") == 0);
	return unused;
}

static void names(void)
{
	pthread_t thread;
	char text[32] = "";
	WANT(prctl(PR_SET_NAME, "first") == 0);
	WANT(pthread_create(&thread, NULL, named, NULL) == 0);
	WANT(pthread_join(thread, NULL) == 0);
	int fd = open("/proc/self/comm", O_RDONLY);
	WANT(read(fd, text, sizeof text) == 6 && strcmp(text, "first\n") == 0);
	fd = open("/proc/1/comm", O_WRONLY);
	WANT(fd < 0 || write(fd, "x", 1) == -1);
}

/* A program that would give more rights than its tracer has does not, and one that nobody may read is not read. */
static const char *program;

static void execute_program(void)
{
	execl(program, program, "show", NULL);
}

static void rights(void)
{
	char copy[64];
	snprintf(copy, sizeof copy, "/tmp/set-id.%d", getpid());
	program = copy;
	char own[128], command[300];
	ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
	WANT(length > 0);
	own[length] = 0;
	snprintf(command, sizeof command, "cp %s %s", own, copy);
	WANT(system(command) == 0);
	WANT(chmod(copy, 04711) == 0);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		unsigned long nip, word;
		WANT(setgid(1000) == 0 && setuid(1000) == 0);
		/* Untraced it is root's, */
		want_end(child(execute_program), 100);
		/* traced it is not, and its text is hidden. */
		pid_t own = traced(execute_program);
		PT(PTRACE_SETOPTIONS, own, 0, PTRACE_O_TRACEEXEC);
		PT(PTRACE_CONT, own, 0, 0);
		want_stop(own, SIGTRAP, PTRACE_EVENT_EXEC);
		PT(PTRACE_PEEKUSER, own, PT_NIP * 8, &nip);
		WANT_ERROR(request(PTRACE_PEEKTEXT, own, nip, (long)&word), EIO);
		PT(PTRACE_CONT, own, 0, 0);
		want_end(own, 101);
		_exit(0);
	}
	want_end(pid, 0);
	WANT(unlink(copy) == 0);
}

static void show(void)
{
	_exit(geteuid() == 0 ? 100 : 101);
}

/* A process of another partition is not to be looked into. */
static void stranger(pid_t pid)
{
	char path[64];
	struct iovec one = { block, 8 };
	WANT_ERROR(request(PTRACE_ATTACH, pid, 0, 0), EPERM);
	WANT_ERROR(request(PTRACE_SEIZE, pid, 0, 0), EPERM);
	WANT_ERROR(process_vm_readv(pid, &one, 1, &one, 1, 0), EPERM);
	WANT_ERROR(syscall(SYS_kcmp, pid, pid, 1, 0, 0), EPERM);
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	WANT_ERROR(open(path, O_RDONLY), EACCES);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {
		{ "nothing", nothing },
		{ "traceme", traceme },
		{ "memory", memory },
		{ "registers", registers },
		{ "calls", calls },
		{ "change", change },
		{ "interrupted", interrupted },
		{ "signals", signals },
		{ "delivered", delivered },
		{ "steps", steps },
		{ "attach", attach },
		{ "seize", seize },
		{ "group-stop", group_stop },
		{ "family", family },
		{ "threads", threads },
		{ "exec", exec },
		{ "tracer-dies", tracer_dies },
		{ "killed", killed },
		{ "refused", refused },
		{ "waits", waits },
		{ "many", many },
		{ "race", race },
		{ "remote", remote },
		{ "names", names },
		{ "rights", rights },
		{ "show", show },
	};
	if (argc == 3 && strcmp(argv[1], "stranger") == 0) {
		stranger(atoi(argv[2]));
		return 0;
	}
	return run_checks(checks, sizeof checks / sizeof *checks, argc, argv);
}
