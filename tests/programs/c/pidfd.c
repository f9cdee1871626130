/* Files that refer to a process (man 2 pidfd_open), signals that are read from a file (man 2 signalfd), clone3. */

#include "check.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int pidfd_open(pid_t pid, unsigned flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_send_signal(int fd, int signal, siginfo_t *info, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}

static short ready(int fd, int timeout)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	WANT(poll(&entry, 1, timeout) >= 0);
	return entry.revents;
}

/* A child that waits until it is killed. */
static pid_t sleeper(void)
{
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0)
		for (;;)
			pause();
	return child;
}

/* The directory of a process in /proc serves as well, for signals alone. */
static void directory(void)
{
	siginfo_t info = { 0 };
	pid_t child = sleeper();
	char path[40];
	int status, fd, file, tasks;
	sprintf(path, "/proc/%d", child);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	WANT(fd >= 0);
	strcat(path, "/task");
	tasks = open(path, O_RDONLY | O_DIRECTORY);
	sprintf(path, "/proc/%d/stat", child);
	file = open(path, O_RDONLY);
	WANT(tasks >= 0 && file >= 0);
	WANT_ERROR(pidfd_send_signal(tasks, 0, NULL, 0), EBADF);
	WANT_ERROR(pidfd_send_signal(file, 0, NULL, 0), EBADF);
	WANT_ERROR(pidfd_send_signal(fd, 0, NULL, 1), EINVAL);
	WANT_ERROR(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG), EBADF);
	WANT(pidfd_send_signal(fd, 0, NULL, 0) == 0);
	WANT(pidfd_send_signal(fd, SIGTERM, NULL, 0) == 0);
	WANT(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	WANT_ERROR(pidfd_send_signal(fd, 0, NULL, 0), ESRCH);
	/* The root of /proc and folders elsewhere are nobody's. */
	fd = open("/proc", O_RDONLY | O_DIRECTORY);
	WANT_ERROR(pidfd_send_signal(fd, 0, NULL, 0), EBADF);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	WANT_ERROR(pidfd_send_signal(fd, 0, NULL, 0), EBADF);
}

static void life(void)
{
	siginfo_t info = { 0 };
	pid_t child = sleeper();
	int fd = pidfd_open(child, 0);
	WANT(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	WANT(ready(fd, 0) == 0 && pidfd_send_signal(fd, 0, NULL, 0) == 0);
	WANT(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
	WANT(pidfd_send_signal(fd, SIGTERM, NULL, 0) == 0);
	WANT(ready(fd, 20000) == POLLIN);
	WANT(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child);
	WANT(pidfd_send_signal(fd, 0, NULL, 0) == 0);
	WANT(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_status == SIGTERM);
	/* Of one that has been reaped nothing is left. */
	WANT(ready(fd, 0) == POLLIN);
	WANT_ERROR(pidfd_send_signal(fd, SIGTERM, NULL, 0), ESRCH);
	WANT_ERROR(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
}

static void refused(void)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_USER };
	pid_t child = sleeper();
	int fd = pidfd_open(child, O_NONBLOCK), other = eventfd(0, 0);
	WANT(fd >= 0);
	WANT_ERROR(pidfd_open(0, 0), EINVAL);
	WANT_ERROR(pidfd_open(-1, 0), EINVAL);
	WANT_ERROR(pidfd_open(child, 1), EINVAL);
	WANT_ERROR(pidfd_open(4000000, 0), ESRCH);
	WANT_ERROR(pidfd_send_signal(other, SIGTERM, NULL, 0), EBADF);
	WANT_ERROR(pidfd_send_signal(fd, SIGTERM, NULL, 1), EINVAL);
	WANT_ERROR(pidfd_send_signal(fd, 99, NULL, 0), EINVAL);
	WANT_ERROR(pidfd_send_signal(fd, SIGUSR1, &info, 0), EPERM);
	WANT_ERROR(pidfd_send_signal(fd, SIGUSR2, &info, 0), EINVAL);
	WANT_ERROR(waitid(P_PIDFD, other, &info, WEXITED), EBADF);
	WANT_ERROR(waitid(P_PIDFD, -1, &info, WEXITED), EINVAL);
	WANT_ERROR(waitid(P_PIDFD, fd, &info, WEXITED), EAGAIN);
	WANT_ERROR(read(fd, &info, sizeof info), EINVAL);
	WANT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

static void getfd(void)
{
	int channel = eventfd(0, 0), own;
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		int inner = eventfd(42, 0);
		WANT(dup2(inner, 77) == 77 && eventfd_write(channel, 1) == 0);
		for (;;)
			pause();
	}
	eventfd_t value;
	WANT(eventfd_read(channel, &value) == 0);
	int fd = pidfd_open(child, 0);
	own = syscall(SYS_pidfd_getfd, fd, 77, 0);
	WANT(own >= 0 && fcntl(own, F_GETFD) == FD_CLOEXEC);
	WANT(eventfd_read(own, &value) == 0 && value == 42);
	WANT_ERROR(syscall(SYS_pidfd_getfd, fd, 78, 0), EBADF);
	WANT_ERROR(syscall(SYS_pidfd_getfd, fd, 77, 1), EINVAL);
	WANT_ERROR(syscall(SYS_pidfd_getfd, channel, 77, 0), EBADF);
	WANT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	WANT_ERROR(syscall(SYS_pidfd_getfd, fd, 77, 0), ESRCH);
}

struct long_args {
	struct clone_args known;
	uint64_t more;
};

static long clone3(struct clone_args *args, size_t size)
{
	return syscall(SYS_clone3, args, size);
}

static void cloned(void)
{
	int fd = -1, status;
	struct long_args args = { .known = { .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD } };
	pid_t child = clone3(&args.known, sizeof args);
	WANT(child >= 0);
	if (child == 0)
		/* The child has no descriptor of itself. */
		_exit(fd == -1 && fcntl(3, F_GETFD) == -1 ? 5 : 6);
	siginfo_t info;
	WANT(fd >= 0 && ready(fd, 20000) == POLLIN);
	WANT(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_pid == child && info.si_status == 5);
	close(fd);
	/* Without a descriptor to be had there is no child. */
	struct rlimit none = { 0, 4096 };
	WANT(setrlimit(RLIMIT_NOFILE, &none) == 0);
	WANT_ERROR(clone3(&args.known, sizeof args.known), EMFILE);
	WANT_ERROR(waitpid(-1, &status, WNOHANG), ECHILD);
	none.rlim_cur = 100;
	WANT(setrlimit(RLIMIT_NOFILE, &none) == 0);
	args.more = 1;
	WANT_ERROR(clone3(&args.known, sizeof args), E2BIG);
	WANT_ERROR(clone3(&args.known, 63), EINVAL);
	WANT_ERROR(clone3(&args.known, 8192), E2BIG);
	WANT_ERROR(clone3((void *)8, 64), EFAULT);
	struct clone_args bad[] = {
		{ .flags = 1ull << 40 },
		{ .flags = CLONE_DETACHED },
		{ .flags = SIGCHLD },
		{ .exit_signal = 65 },
		{ .stack = 4096 },
		{ .stack_size = 4096 },
		{ .set_tid = 4096 },
		{ .set_tid_size = 1 },
		{ .flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND },
		{ .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD },
		{ .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_PIDFD },
	};
	for (unsigned at = 0; at < sizeof bad / sizeof *bad; at++)
		if (clone3(&bad[at], sizeof *bad) != -1 || errno != EINVAL)
			FAIL("case %u is not EINVAL but errno %d", at, errno);
}

static void handler(int signal)
{
	(void)signal;
}

/* CLONE_CLEAR_SIGHAND resets handlers and leaves what is ignored. */
static void cleared(void)
{
	int status;
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	WANT(signal(SIGUSR1, handler) == SIG_DFL && signal(SIGUSR2, SIG_IGN) == SIG_DFL);
	pid_t child = clone3(&args, sizeof args);
	WANT(child >= 0);
	if (child == 0) {
		struct sigaction one, two;
		WANT(sigaction(SIGUSR1, NULL, &one) == 0 && sigaction(SIGUSR2, NULL, &two) == 0);
		_exit(one.sa_handler == SIG_DFL && two.sa_handler == SIG_IGN ? 0 : 1);
	}
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static int block(int number, int flags)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	WANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int fd = signalfd(-1, &set, flags);
	WANT(fd >= 0);
	return fd;
}

static void signals(void)
{
	struct signalfd_siginfo info[3];
	int fd = block(SIGRTMIN + 1, SFD_NONBLOCK | SFD_CLOEXEC);
	WANT(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	WANT_ERROR(read(fd, info, sizeof info), EAGAIN);
	WANT(ready(fd, 0) == 0);
	for (int at = 0; at < 2; at++)
		WANT(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 30 + at }) == 0);
	WANT(ready(fd, 0) == POLLIN);
	WANT_ERROR(read(fd, info, 127), EINVAL);
	WANT_ERROR(read(fd, (void *)8, 128), EFAULT);
	WANT(read(fd, info, sizeof info) == 256);
	for (int at = 0; at < 2; at++) {
		WANT(info[at].ssi_signo == (unsigned)SIGRTMIN + 1 && info[at].ssi_code == SI_QUEUE);
		WANT(info[at].ssi_pid == (unsigned)getpid() && info[at].ssi_int == 30 + at);
	}
	WANT(ready(fd, 0) == 0);
	/* Other signals are not read, until the mask is another. */
	int other = block(SIGUSR1, SFD_NONBLOCK);
	raise(SIGUSR1);
	WANT_ERROR(read(fd, info, sizeof info), EAGAIN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGKILL);
	WANT(signalfd(fd, &set, 0) == fd && read(fd, info, sizeof info) == 128);
	WANT(info[0].ssi_signo == SIGUSR1 && info[0].ssi_code == SI_TKILL);
	WANT_ERROR(read(other, info, sizeof info), EAGAIN);
	WANT_ERROR(signalfd(-1, &set, 1), EINVAL);
	WANT_ERROR(signalfd(1, &set, 0), EINVAL);
	WANT_ERROR(signalfd(99, &set, 0), EBADF);
}

/* A loop that waits for a child and its signal with one epoll. */
static void loop(void)
{
	struct signalfd_siginfo info;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int signals = block(SIGCHLD, 0), epoll = epoll_create1(0);
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &event) == 0);
	for (int turn = 0; turn < 3; turn++) {
		pid_t child = sleeper();
		int fd = pidfd_open(child, 0);
		event.data.fd = fd;
		WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
		WANT(kill(child, SIGKILL) == 0);
		int seen = 0;
		while (seen < 2) {
			WANT(epoll_wait(epoll, &event, 1, 20000) == 1);
			seen++;
		}
		WANT(read(signals, &info, sizeof info) == sizeof info);
		WANT(info.ssi_signo == SIGCHLD && info.ssi_pid == (unsigned)child && info.ssi_status == SIGKILL);
		WANT(waitpid(child, NULL, 0) == child && close(fd) == 0);
	}
	/* A read waits for the signal. */
	pid_t child = sleeper(), killer = fork();
	WANT(killer >= 0);
	if (killer == 0) {
		kill(child, SIGKILL);
		_exit(0);
	}
	WANT(read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGCHLD);
}

static const struct check checks[] = {
	{ "life", life }, { "directory", directory }, { "refused", refused }, { "getfd", getfd }, { "cloned", cloned },
	{ "cleared", cleared }, { "signals", signals }, { "loop", loop },
};
MAIN(checks)
