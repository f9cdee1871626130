/* Files that send a signal to their owner. */

#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <pty.h>

static volatile sig_atomic_t seen, code, descriptor;

static void handler(int signal, siginfo_t *information, void *context)
{
	(void)signal, (void)context;
	code = information->si_code;
	descriptor = information->si_fd;
	seen++;
}

/* What has been sent by now has come after this. */
static void settle(void)
{
	for (int turn = 0; turn < 100; turn++)
		sched_yield();
}

static void listen_to(int signal)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	WANT(sigaction(signal, &action, NULL) == 0);
}

/* Waits for a signal beyond the first `count`. */
static void await(int count)
{
	int64_t end = now_ns() + 20000000000LL;
	while (seen <= count && now_ns() < end)
		usleep(1000);
	WANT(seen > count);
}

static void arm(int fd)
{
	WANT(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_GETOWN) == getpid());
	WANT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) == 0 && fcntl(fd, F_GETFL) & O_ASYNC);
}

static void writes_signal(int reader, int writer)
{
	listen_to(SIGIO);
	arm(reader);
	int count = seen;
	WANT(write(writer, "x", 1) == 1);
	await(count);
	/* It goes on. */
	char byte;
	WANT(read(reader, &byte, 1) == 1);
	count = seen;
	WANT(write(writer, "y", 1) == 1);
	await(count);
	WANT(fcntl(reader, F_SETFL, 0) == 0 && !(fcntl(reader, F_GETFL) & O_ASYNC));
	settle();
	count = seen;
	WANT(write(writer, "z", 1) == 1);
	settle();
	WANT(seen == count);
}

static void sockets(void)
{
	int pair[2];
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	writes_signal(pair[0], pair[1]);
}

static void pipes(void)
{
	int pair[2];
	WANT(pipe(pair) == 0);
	writes_signal(pair[0], pair[1]);
}

static void terminals(void)
{
	int master, slave;
	WANT(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	listen_to(SIGIO);
	arm(slave);
	int count = seen;
	WANT(write(master, "line\n", 5) == 5);
	await(count);
}

/* The ioctls that servers use, a real-time signal with what comes with it, and a group. */
static void ways(void)
{
	int pair[2], on = 1, owner = getpid();
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	listen_to(SIGRTMIN);
	WANT(ioctl(pair[0], FIOASYNC, &on) == 0 && ioctl(pair[0], FIOSETOWN, &owner) == 0);
	WANT(ioctl(pair[0], FIOGETOWN, &owner) == 0 && owner == getpid());
	WANT(fcntl(pair[0], F_SETSIG, SIGRTMIN) == 0 && fcntl(pair[0], F_GETSIG) == SIGRTMIN);
	WANT(write(pair[1], "x", 1) == 1);
	await(0);
	WANT(code == POLL_IN && descriptor == pair[0]);
	WANT(setpgid(0, 0) == 0);
	WANT(fcntl(pair[0], F_SETOWN, -getpgrp()) == 0 && fcntl(pair[0], F_GETOWN) == -getpgrp());
	int count = seen;
	WANT(write(pair[1], "x", 1) == 1);
	await(count);
	struct f_owner_ex told = { F_OWNER_TID, gettid() };
	WANT(fcntl(pair[0], F_SETOWN_EX, &told) == 0);
	told = (struct f_owner_ex){ 9, 9 };
	WANT(fcntl(pair[0], F_GETOWN_EX, &told) == 0 && told.type == F_OWNER_TID && told.pid == gettid());
	count = seen;
	close(pair[1]);
	await(count);
	WANT(code == POLL_HUP);
	told.type = 7;
	WANT_ERROR(fcntl(pair[0], F_SETOWN_EX, &told), EINVAL);
	WANT_ERROR(fcntl(pair[0], F_SETOWN, 4000000), ESRCH);
	WANT_ERROR(fcntl(pair[0], F_SETSIG, 65), EINVAL);
	int file = open("f", O_CREAT | O_RDWR, 0600);
	WANT(file >= 0 && fcntl(file, F_SETFL, O_ASYNC) == 0);
	WANT_ERROR(ioctl(file, FIOASYNC, &on), ENOTTY);
	WANT(fcntl(pair[0], F_SETOWN, 0) == 0 && fcntl(pair[0], F_GETOWN) == 0);
}

/* Who names an owner must be allowed to send him signals. */
static void others(void)
{
	int pair[2], ready[2];
	char byte;
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(ready) == 0);
	pid_t root = fork();
	WANT(root >= 0);
	if (root == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGIO, SIG_DFL);
		close(ready[1]);
		WANT(read(ready[0], &byte, 1) == 0);
		_exit(7);
	}
	WANT(setuid(65534) == 0);
	WANT(fcntl(pair[0], F_SETOWN, root) == 0 && fcntl(pair[0], F_SETFL, O_ASYNC) == 0);
	WANT(write(pair[1], "x", 1) == 1);
	settle();
	close(ready[0]);
	close(ready[1]);
	int status;
	WANT(waitpid(root, &status, 0) == root);
	WANT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static const struct check checks[] = {
	{ "sockets", sockets }, { "pipes", pipes }, { "terminals", terminals },
	{ "ways", ways },	{ "others", others },
};
MAIN(checks)
