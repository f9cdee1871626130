/* What the checks of tracing have in common: requests, and waiting for stops. */

#ifndef PTRACE_H
#define PTRACE_H

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

static inline long request(int what, pid_t pid, long address, long data)
{
	return syscall(SYS_ptrace, what, pid, address, data);
}

#define PT(what, pid, address, data) \
	WANT(request(what, pid, (long)(address), (long)(data)) == 0)

/* The next stop or end of a thread. */
static inline int next(pid_t pid)
{
	int status;
	pid_t found = waitpid(pid, &status, __WALL);
	if (found != pid)
		FAIL("waitpid(%d) gave %d, errno %d %s", pid, found, errno, strerror(errno));
	return status;
}

static inline void want_stop(pid_t pid, int signal, int event)
{
	int status = next(pid);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != signal || EVENT(status) != event)
		FAIL("status %#x, not a stop of signal %d, event %d", status, signal, event);
}

static inline void want_end(pid_t pid, int code)
{
	int status = next(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		FAIL("status %#x, not an end with %d", status, code);
}

static inline void want_killed(pid_t pid, int signal)
{
	int status = next(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
		FAIL("status %#x, not an end by signal %d", status, signal);
}

/* A child that is traced, has stopped, and does `body` when it goes on. */
static inline pid_t traced(void (*body)(void))
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
static inline pid_t child(void (*body)(void))
{
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		body();
		_exit(7);
	}
	return pid;
}

static inline void nothing(void)
{
}

static inline void wait_for_ever(void)
{
	for (;;)
		pause();
}

static inline void spin(void)
{
	for (;;)
		;
}

static inline char state_of(pid_t pid)
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

static inline int tracer_of(pid_t pid)
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

static inline void await_state(pid_t pid, char wanted)
{
	int64_t end = now_ns() + 20000000000LL;
	while (state_of(pid) != wanted) {
		if (now_ns() > end)
			FAIL("state %c, not %c", state_of(pid), wanted);
		sched_yield();
	}
}

static inline void three_calls(void)
{
	syscall(SYS_getuid);
	syscall(SYS_close, -5);
	syscall(SYS_getppid);
}

static volatile int handled;

static inline void handler(int signal)
{
	handled = signal;
}

#endif
