/* Tracing (man 2 ptrace): where a thread halts, what its tracer sees and changes. */

#include "ptrace.h"

static volatile long shared_word = 0x1122334455667788;

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
		{ "waits", waits },
	};
	return run_checks(checks, sizeof checks / sizeof *checks, argc, argv);
}
