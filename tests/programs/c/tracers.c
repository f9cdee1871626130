/* Tracing (man 2 ptrace): who may, children, threads, and what becomes of tracer and traced. */

#include "ptrace.h"

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
	/* Neither has done anything to a semaphore that its end would take back. */
	WANT(syscall(SYS_kcmp, pid, getpid(), 6, 0, 0) == 0);
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

/* Every start and end of a call is told, and the registers are there, whatever else makes the thread look up just then. */
static void registers_at_every_stop(void)
{
	/* The last call has no end. */
	enum { CALLS = 3000, STOPS = 2 * CALLS + 1 };
	pid_t traced = fork();
	WANT(traced >= 0);
	if (traced == 0) {
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		PT(PTRACE_TRACEME, 0, 0, 0);
		syscall(SYS_tgkill, getpid(), gettid(), SIGSTOP);
		for (int turn = 0; turn < CALLS; turn++)
			syscall(SYS_getppid);
		_exit(7);
	}
	want_stop(traced, SIGSTOP, 0);
	pid_t disturber = fork();
	WANT(disturber >= 0);
	if (disturber == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (kill(traced, SIGUSR1) == 0)
			;
		_exit(0);
	}
	PT(PTRACE_SETOPTIONS, traced, 0, PTRACE_O_TRACESYSGOOD);
	for (int stops = 0;; stops++) {
		unsigned long registers[48];
		struct iovec room = { registers, sizeof registers };
		PT(PTRACE_SYSCALL, traced, 0, 0);
		int status = next(traced);
		if (WIFEXITED(status)) {
			WANT(WEXITSTATUS(status) == 7);
			if (stops != STOPS)
				FAIL("%d stops, not %d", stops, STOPS);
			break;
		}
		WANT(WIFSTOPPED(status) && WSTOPSIG(status) == SYSGOOD);
		PT(PTRACE_GETREGSET, traced, NT_PRSTATUS, &room);
	}
	kill(disturber, SIGKILL);
	WANT(waitpid(disturber, NULL, 0) == disturber);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {
		{ "registers-at-every-stop", registers_at_every_stop },
		{ "nothing", nothing },
		{ "family", family },
		{ "threads", threads },
		{ "exec", exec },
		{ "tracer-dies", tracer_dies },
		{ "killed", killed },
		{ "refused", refused },
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
