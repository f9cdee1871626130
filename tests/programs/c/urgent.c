/* Urgent bytes of connections (man 7 tcp, man 3 sockatmark). */

#include "network.h"
#include <sys/ioctl.h>
#include <sys/select.h>

static void by_itself(void)
{
	char text[16];
	int ends[2], waiting;
	pair(ends);
	int client = ends[0], server = ends[1];
	WANT_ERROR(recv(server, text, 1, MSG_OOB), EINVAL);
	WANT(send(client, "abc", 3, MSG_OOB) == 3 && send(client, "d", 1, 0) == 1);
	struct pollfd poll_for = { .fd = server, .events = POLLIN | POLLPRI };
	WANT(poll(&poll_for, 1, -1) == 1 && poll_for.revents == (POLLIN | POLLPRI));
	fd_set exceptional;
	FD_ZERO(&exceptional);
	FD_SET(server, &exceptional);
	WANT(select(server + 1, NULL, NULL, &exceptional, NULL) == 1 && FD_ISSET(server, &exceptional));
	WANT(sockatmark(server) == 0);
	WANT(ioctl(server, FIONREAD, &waiting) == 0 && waiting == 2);
	struct iovec part = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	WANT(recvmsg(server, &message, MSG_OOB) == 1 && text[0] == 'c' && (message.msg_flags & MSG_OOB));
	WANT_ERROR(recv(server, text, 1, MSG_OOB), EINVAL);
	WANT(read(server, text, sizeof(text)) == 2 && memcmp(text, "ab", 2) == 0);
	WANT(sockatmark(server) == 1);
	WANT(read(server, text, sizeof(text)) == 1 && text[0] == 'd');
	WANT(sockatmark(server) == 0);
}

static void in_line(void)
{
	char text[16];
	int ends[2], yes = 1;
	pair(ends);
	int client = ends[0], server = ends[1];
	WANT(setsockopt(server, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes)) == 0);
	WANT(send(client, "abc", 3, MSG_OOB) == 3);
	WANT_ERROR(recv(server, text, 1, MSG_OOB), EINVAL);
	WANT(read(server, text, sizeof(text)) == 2);
	WANT(sockatmark(server) == 1);
	WANT(read(server, text, sizeof(text)) == 1 && text[0] == 'c');
	WANT_ERROR(send(1, "x", 1, MSG_OOB), ENOTSOCK);
}

static volatile sig_atomic_t told[2];

static void on_urgent(int signal)
{
	told[signal == SIGIO] += 1;
}

static void wait_for(int which, int count)
{
	for (int64_t end = now_ns() + 20000000000LL; told[which] < count;)
		WANT(now_ns() < end);
}

/* The owner is told once of each urgent byte, whether he wants to know of other things or not. */
static void owned(void)
{
	char text[16];
	int ends[2], yes = 1, pid = getpid();
	pair(ends);
	int client = ends[0], server = ends[1];
	struct sigaction action = { .sa_handler = on_urgent, .sa_flags = SA_RESTART };
	WANT(sigaction(SIGURG, &action, NULL) == 0 && sigaction(SIGIO, &action, NULL) == 0);
	WANT(send(client, "x", 1, MSG_OOB) == 1 && ioctl(server, SIOCSPGRP, &pid) == 0);
	WANT(fcntl(server, F_GETOWN) == pid);
	WANT(send(client, "abc", 3, MSG_OOB) == 3);
	wait_for(0, 1);
	WANT(send(client, "d", 1, 0) == 1 && read(server, text, sizeof(text)) > 0);
	WANT(send(client, "e", 1, MSG_OOB) == 1);
	wait_for(0, 2);
	WANT(told[0] == 2 && told[1] == 0);
	WANT(ioctl(server, FIOASYNC, &yes) == 0 && send(client, "f", 1, MSG_OOB) == 1);
	wait_for(0, 3);
	wait_for(1, 1);
	/* Who is the owner no more is told nothing. */
	WANT(ioctl(server, FIOASYNC, &(int){ 0 }) == 0 && fcntl(server, F_SETOWN, 0) == 0);
	int urgent = told[0];
	WANT(send(client, "g", 1, MSG_OOB) == 1 && recv(server, text, 1, MSG_OOB) == 1);
	WANT(fcntl(server, F_SETOWN, pid) == 0 && send(client, "h", 1, MSG_OOB) == 1);
	wait_for(0, urgent + 1);
	WANT(told[0] == urgent + 1);
}

static const struct check checks[] = { { "by-itself", by_itself }, { "in-line", in_line }, { "owned", owned } };

MAIN(checks)
