/* Sockets of AF_UNIX (man 7 unix). */

#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct sockaddr_un path_of(const char *path, socklen_t *length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	*length = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	return address;
}

static struct sockaddr_un abstract_of(const char *name, socklen_t *length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path + 1, name, strlen(name));
	*length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
	return address;
}

static int make(int type)
{
	int fd = socket(AF_UNIX, type, 0);
	WANT(fd >= 0);
	return fd;
}

static int bound(int type, const char *path)
{
	socklen_t length;
	struct sockaddr_un address = path_of(path, &length);
	int fd = make(type);
	WANT(bind(fd, (void *)&address, length) == 0);
	return fd;
}

static int connect_to(int fd, const char *path)
{
	socklen_t length;
	struct sockaddr_un address = path_of(path, &length);
	return connect(fd, (void *)&address, length);
}

static int listener(int type, const char *path)
{
	int fd = bound(type, path);
	WANT(listen(fd, 5) == 0);
	return fd;
}

static short ready(int fd, short events)
{
	struct pollfd entry = { .fd = fd, .events = events };
	WANT(poll(&entry, 1, 0) >= 0);
	return entry.revents;
}

static void stream(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	for (int at = 0; at < 2; at++) {
		char bytes[16];
		struct sockaddr_un name;
		socklen_t length = sizeof name;
		int server = listener(types[at], "socket"), client = make(types[at]), value;
		struct stat status;
		WANT(stat("socket", &status) == 0 && S_ISSOCK(status.st_mode));
		WANT(ready(server, POLLIN) == 0 && ready(client, POLLIN | POLLOUT) == (POLLOUT | POLLHUP));
		WANT(connect_to(client, "socket") == 0 && ready(server, POLLIN) == POLLIN);
		/* What is sent before anybody accepts waits. */
		WANT(send(client, "early", 5, 0) == 5);
		int peer = accept4(server, (void *)&name, &length, SOCK_CLOEXEC);
		WANT(peer >= 0 && fcntl(peer, F_GETFD) == FD_CLOEXEC);
		WANT(length == sizeof name.sun_family && name.sun_family == AF_UNIX);
		WANT(read(peer, bytes, sizeof bytes) == 5 && memcmp(bytes, "early", 5) == 0);
		WANT(write(peer, "late", 4) == 4 && recv(client, bytes, sizeof bytes, 0) == 4);
		length = sizeof name;
		WANT(getpeername(client, (void *)&name, &length) == 0);
		WANT(length == 2 + sizeof "socket" && strcmp(name.sun_path, "socket") == 0);
		length = sizeof name;
		WANT(getsockname(peer, (void *)&name, &length) == 0 && strcmp(name.sun_path, "socket") == 0);
		length = sizeof value;
		WANT(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 1);
		WANT_ERROR(connect_to(client, "socket"), EISCONN);
		close(peer);
		WANT(recv(client, bytes, sizeof bytes, 0) == 0);
		WANT_ERROR(send(client, "x", 1, MSG_NOSIGNAL), EPIPE);
		close(client);
		close(server);
		/* The name is there and the socket is not. */
		client = make(types[at]);
		WANT_ERROR(connect_to(client, "socket"), ECONNREFUSED);
		WANT(unlink("socket") == 0);
		WANT_ERROR(connect_to(client, "socket"), ENOENT);
		close(client);
	}
}

static void abstract(void)
{
	socklen_t length, stored = sizeof(struct sockaddr_un);
	struct sockaddr_un address = abstract_of("corral-test", &length), name;
	int server = make(SOCK_STREAM), other = make(SOCK_STREAM), client = make(SOCK_STREAM);
	WANT(bind(server, (void *)&address, length) == 0);
	WANT_ERROR(bind(other, (void *)&address, length), EADDRINUSE);
	WANT_ERROR(bind(server, (void *)&address, length), EINVAL);
	WANT_ERROR(connect(client, (void *)&address, length), ECONNREFUSED);
	WANT(listen(server, 1) == 0 && connect(client, (void *)&address, length) == 0);
	WANT(getpeername(client, (void *)&name, &stored) == 0 && stored == length);
	WANT(memcmp(&name, &address, length) == 0);
	/* It is another name with a byte more, and free when its socket is closed. */
	WANT_ERROR(connect(other, (void *)&address, length + 1), ECONNREFUSED);
	close(server);
	WANT_ERROR(connect(other, (void *)&address, length), ECONNREFUSED);
	WANT(bind(other, (void *)&address, length) == 0);
	/* The kernel chooses a name when only the family is given. */
	int chosen = make(SOCK_DGRAM);
	stored = sizeof name;
	WANT(bind(chosen, (void *)&address, sizeof address.sun_family) == 0);
	WANT(getsockname(chosen, (void *)&name, &stored) == 0 && stored == 2 + 6 && name.sun_path[0] == 0);
}

static void waiting(void)
{
	int server = listener(SOCK_STREAM, "socket"), status;
	char byte;
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		int peer = accept(server, NULL, NULL);
		WANT(peer >= 0 && read(peer, &byte, 1) == 1);
		_exit(0);
	}
	int client = make(SOCK_STREAM);
	WANT(connect_to(client, "socket") == 0 && write(client, "x", 1) == 1);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	/* A full backlog is waited for, or not. */
	WANT(listen(server, 0) == 0);
	int first = make(SOCK_STREAM), second = make(SOCK_STREAM | SOCK_NONBLOCK);
	WANT(connect_to(first, "socket") == 0);
	WANT_ERROR(connect_to(second, "socket"), EAGAIN);
	child = fork();
	WANT(child >= 0);
	if (child == 0) {
		int third = make(SOCK_STREAM);
		WANT(connect_to(third, "socket") == 0);
		_exit(0);
	}
	WANT(accept(server, NULL, NULL) >= 0 && accept(server, NULL, NULL) >= 0);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	/* Whoever waits to be accepted is reset when the listener goes. */
	WANT(connect_to(second, "socket") == 0 && close(server) == 0);
	WANT(ready(second, POLLIN) & POLLHUP);
	WANT_ERROR(recv(second, &byte, 1, 0), ECONNRESET);
}

static void datagrams(void)
{
	struct sockaddr_un from, to;
	socklen_t length = sizeof from, to_length;
	char bytes[16];
	int one = bound(SOCK_DGRAM, "one"), two = bound(SOCK_DGRAM, "two"), nameless = make(SOCK_DGRAM);
	to = path_of("two", &to_length);
	WANT(sendto(one, "first", 5, 0, (void *)&to, to_length) == 5);
	WANT(sendto(nameless, "second", 6, 0, (void *)&to, to_length) == 6);
	WANT(recvfrom(two, bytes, 3, MSG_TRUNC, (void *)&from, &length) == 5);
	WANT(memcmp(bytes, "fir", 3) == 0 && length == 2 + 4 && strcmp(from.sun_path, "one") == 0);
	length = sizeof from;
	WANT(recvfrom(two, bytes, sizeof bytes, 0, (void *)&from, &length) == 6 && length == 0);
	WANT_ERROR(send(one, "x", 1, 0), ENOTCONN);
	WANT_ERROR(recv(one, bytes, 1, MSG_DONTWAIT), EAGAIN);
	/* With a peer it hears nobody else. */
	WANT(connect_to(one, "two") == 0 && connect_to(two, "one") == 0);
	WANT(send(one, "", 0, 0) == 0 && recv(two, bytes, 1, 0) == 0);
	WANT_ERROR(sendto(nameless, "x", 1, 0, (void *)&to, to_length), EPERM);
	WANT_ERROR(connect(nameless, (void *)&to, to_length), EPERM);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	WANT(connect(two, &none, sizeof none) == 0);
	WANT(connect(nameless, (void *)&to, to_length) == 0 && send(nameless, "x", 1, 0) == 1);
	/* A full inbox is waited for. */
	WANT(fcntl(nameless, F_SETFL, O_NONBLOCK) == 0);
	int count = 0;
	while (send(nameless, bytes, sizeof bytes, 0) == sizeof bytes)
		count++;
	WANT(errno == EAGAIN && count > 0 && !(ready(nameless, POLLOUT) & POLLOUT));
	for (; count >= 0; count--)
		WANT(recv(two, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
	WANT(ready(nameless, POLLOUT) == POLLOUT);
	close(two);
	WANT_ERROR(send(nameless, "x", 1, 0), ECONNREFUSED);
	WANT_ERROR(connect_to(nameless, "one-more"), ENOENT);
	int server = listener(SOCK_STREAM, "stream");
	WANT_ERROR(connect_to(nameless, "stream"), EPROTOTYPE);
	(void)server;
}

/* Sends descriptors with a byte. */
static int pass(int to, const int *fds, int count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(10 * sizeof(int))];
	} control = { 0 };
	struct iovec byte = { "x", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control };
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	return sendmsg(to, &message, 0);
}

/* Receives a byte, with at most `room` descriptors; answers how many. */
static int get(int from, int *fds, int room, int flags, int *got)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(10 * sizeof(int))];
	} control = { 0 };
	char bytes[8];
	struct iovec part = { bytes, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room ? &control : NULL };
	message.msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0;
	WANT(recvmsg(from, &message, flags) == 1);
	*got = message.msg_flags;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header == NULL)
		return 0;
	WANT(header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS);
	int count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(header), count * sizeof(int));
	return count;
}

static void rights(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	for (int at = 0; at < 3; at++) {
		int pair[2], pipes[2], got[4], flags;
		char bytes[8];
		WANT(socketpair(AF_UNIX, types[at], 0, pair) == 0 && pipe(pipes) == 0);
		WANT(pass(pair[0], pipes, 2) == 1);
		close(pipes[0]);
		WANT(get(pair[1], got, 4, MSG_CMSG_CLOEXEC, &flags) == 2 && (flags & MSG_CTRUNC) == 0);
		WANT(fcntl(got[0], F_GETFD) == FD_CLOEXEC);
		WANT(write(pipes[1], "y", 1) == 1 && read(got[0], bytes, 1) == 1 && bytes[0] == 'y');
		/* Looking leaves them for the next. */
		WANT(pass(pair[0], &pipes[1], 1) == 1);
		WANT(get(pair[1], got, 4, MSG_PEEK, &flags) == 1 && close(got[0]) == 0);
		/* Without room they are closed, and that is told. */
		WANT(get(pair[1], got, 0, 0, &flags) == 0 && (flags & MSG_CTRUNC));
		WANT(pass(pair[0], (int[]){ pipes[1], pair[0] }, 2) == 1);
		WANT(get(pair[1], got, 1, 0, &flags) == 1 && (flags & MSG_CTRUNC) && close(got[0]) == 0);
		WANT_ERROR(pass(pair[0], (int[]){ 99 }, 1), EBADF);
		/* In flight a file is open: of a pipe the end comes when the message goes. */
		WANT(pipe(pipes) == 0 && pass(pair[0], &pipes[1], 1) == 1 && close(pipes[1]) == 0);
		WANT(ready(pipes[0], POLLIN) == 0);
		close(pair[1]);
		close(pair[0]);
		WANT(ready(pipes[0], POLLIN) == POLLHUP);
		close(pipes[0]);
	}
}

/* A socket cannot be passed through itself, so none stays open when all descriptors are closed. */
static void circle(void)
{
	int pair[2], other[2];
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, other) == 0);
	WANT_ERROR(pass(pair[0], &pair[1], 1), ETOOMANYREFS);
	WANT(pass(pair[0], &other[1], 1) == 1);
	WANT_ERROR(pass(other[0], &pair[1], 1), ETOOMANYREFS);
	WANT(pass(other[0], &pair[0], 1) == 1);
}

/* Of a stream nothing is received beyond a message with descriptors, and they come with its first byte. */
static void boundaries(void)
{
	int pair[2], got[4], flags;
	char bytes[16];
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	WANT(write(pair[0], "ab", 2) == 2 && pass(pair[0], pair, 1) == 1 && write(pair[0], "cd", 2) == 2);
	WANT(pass(pair[0], (int[]){ 1, pair[0] }, 2) == 1);
	WANT(recv(pair[1], bytes, 1, 0) == 1 && bytes[0] == 'a');
	WANT(recv(pair[1], bytes, sizeof bytes, 0) == 2 && memcmp(bytes, "bx", 2) == 0);
	WANT(recv(pair[1], bytes, 2, 0) == 2 && memcmp(bytes, "cd", 2) == 0);
	WANT(get(pair[1], got, 4, 0, &flags) == 2);
}

static void credentials(void)
{
	struct ucred who;
	socklen_t length = sizeof who;
	int pair[2], one = 1, status;
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	WANT(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && length == sizeof who);
	WANT(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
	int server = listener(SOCK_STREAM, "socket");
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		WANT(setgid(7) == 0 && setuid(0) == 0);
		int client = make(SOCK_STREAM);
		WANT(connect_to(client, "socket") == 0);
		WANT(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid == getppid());
		pause();
	}
	int peer = accept(server, NULL, NULL);
	length = sizeof who;
	WANT(getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid == child && who.gid == 7);
	WANT(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	/* With SO_PASSCRED every message says who has sent it. */
	int to = bound(SOCK_DGRAM, "datagrams"), from = make(SOCK_DGRAM);
	WANT(setsockopt(to, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
	WANT(connect_to(from, "datagrams") == 0 && send(from, "x", 1, 0) == 1);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof who)];
	} control;
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };
	message.msg_controllen = sizeof control;
	WANT(recvmsg(to, &message, 0) == 1 && control.header.cmsg_type == SCM_CREDENTIALS);
	memcpy(&who, CMSG_DATA(&control.header), sizeof who);
	WANT(who.pid == getpid() && who.uid == getuid());
	/* Nobody says that he is somebody else, unless he may. */
	who.uid = 12345;
	memcpy(CMSG_DATA(&control.header), &who, sizeof who);
	message.msg_controllen = sizeof control;
	WANT(sendmsg(from, &message, 0) == 1);
	WANT(setuid(1) == 0);
	WANT_ERROR(sendmsg(from, &message, 0), EPERM);
}

static void refused(void)
{
	struct sockaddr_un address;
	socklen_t length;
	char byte;
	int fd = make(SOCK_STREAM), datagram = make(SOCK_DGRAM);
	WANT_ERROR(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	WANT_ERROR(socket(AF_UNIX, SOCK_STREAM, 9), EPROTONOSUPPORT);
	WANT_ERROR(socket(77, SOCK_STREAM, 0), EAFNOSUPPORT);
	WANT_ERROR(listen(fd, 1), EINVAL);
	WANT_ERROR(listen(datagram, 1), EOPNOTSUPP);
	WANT_ERROR(accept(fd, NULL, NULL), EINVAL);
	WANT_ERROR(accept(datagram, NULL, NULL), EOPNOTSUPP);
	WANT_ERROR(send(fd, "x", 1, 0), ENOTCONN);
	WANT_ERROR(recv(fd, &byte, 1, 0), EINVAL);
	WANT_ERROR(shutdown(fd, SHUT_RD), ENOTCONN);
	WANT_ERROR(getpeername(fd, (void *)&address, &length), ENOTCONN);
	address = path_of("regular", &length);
	close(open("regular", O_CREAT | O_RDWR, 0600));
	WANT_ERROR(bind(fd, (void *)&address, length), EADDRINUSE);
	WANT_ERROR(connect(fd, (void *)&address, length), ECONNREFUSED);
	WANT_ERROR(bind(fd, (void *)&address, 200), EINVAL);
	WANT_ERROR(bind(fd, (void *)&address, 1), EINVAL);
	WANT_ERROR(bind(fd, (void *)8, length), EFAULT);
	address.sun_family = AF_INET;
	WANT_ERROR(bind(fd, (void *)&address, length), EINVAL);
	address = path_of("missing/socket", &length);
	WANT_ERROR(bind(fd, (void *)&address, length), ENOENT);
	WANT_ERROR(bind(0, (void *)&address, length), ENOTSOCK);
	/* Whoever may not write to the node may not connect. */
	int server = listener(SOCK_STREAM, "locked");
	WANT(chmod("locked", 0600) == 0 && chmod(".", 0755) == 0 && setuid(1) == 0);
	WANT_ERROR(connect_to(fd, "locked"), EACCES);
	(void)server;
}

static void loop(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(0), server = listener(SOCK_STREAM, "socket"), client = make(SOCK_STREAM);
	event.data.fd = client;
	event.events = EPOLLIN | EPOLLOUT | EPOLLET;
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event) == 0);
	WANT(epoll_wait(epoll, &event, 1, 0) == 1 && (event.events & EPOLLHUP));
	event.events = EPOLLIN;
	event.data.fd = server;
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0);
	WANT(connect_to(client, "socket") == 0);
	/* The entry of the client goes on with the connection. */
	int seen = 0;
	for (int turn = 0; turn < 2; turn++) {
		WANT(epoll_wait(epoll, &event, 1, 20000) == 1);
		seen |= event.data.fd == client ? 1 : 2;
		WANT(event.data.fd != client || event.events == EPOLLOUT);
	}
	WANT(seen == 3);
	int peer = accept(server, NULL, NULL);
	WANT(write(peer, "x", 1) == 1);
	WANT(epoll_wait(epoll, &event, 1, 20000) == 1 && event.data.fd == client);
	WANT(event.events == (EPOLLIN | EPOLLOUT));
}

static void several(void)
{
	int pair[2];
	char bytes[4][8];
	struct mmsghdr messages[4] = { 0 };
	struct iovec parts[4];
	WANT(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	for (int at = 0; at < 4; at++) {
		parts[at] = (struct iovec){ "abcd", at };
		messages[at].msg_hdr.msg_iov = &parts[at];
		messages[at].msg_hdr.msg_iovlen = 1;
	}
	WANT(sendmmsg(pair[0], messages, 3, 0) == 3 && messages[2].msg_len == 2);
	for (int at = 0; at < 4; at++)
		parts[at] = (struct iovec){ bytes[at], sizeof bytes[at] };
	WANT(recvmmsg(pair[1], messages, 4, MSG_WAITFORONE, NULL) == 3);
	WANT(messages[1].msg_len == 1 && messages[2].msg_len == 2 && memcmp(bytes[2], "ab", 2) == 0);
	WANT_ERROR(recvmmsg(pair[1], messages, 4, MSG_DONTWAIT, NULL), EAGAIN);
}

/* The line of /proc/net/unix that ends with a word: flags, type and state of the socket; false when there is none. */
static int told(const char *end, unsigned *flags, unsigned *type, unsigned *state, unsigned long *inode)
{
	char line[300];
	int found = 0;
	FILE *file = fopen("/proc/net/unix", "r");
	WANT(file != NULL && fgets(line, sizeof(line), file) && strncmp(line, "Num ", 4) == 0);
	while (!found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		char *word = strrchr(line, ' ');
		if (word && strcmp(word + 1, end) == 0)
			found = sscanf(line, "%*x: %*x %*x %x %x %x %lu", flags, type, state, inode) == 4;
	}
	fclose(file);
	return found;
}

static void in_proc(void)
{
	unsigned flags, type, state;
	unsigned long inode;
	char number[30];
	struct stat now;
	WANT(!told("here", &flags, &type, &state, &inode));
	int heard = listener(SOCK_STREAM, "here");
	WANT(fstat(heard, &now) == 0);
	WANT(told("here", &flags, &type, &state, &inode) && flags == 0x10000 && type == 1 && state == 1 && inode == now.st_ino);
	socklen_t length;
	struct sockaddr_un address = abstract_of("nowhere", &length);
	int other = make(SOCK_DGRAM);
	WANT(bind(other, (void *)&address, length) == 0);
	WANT(told("@nowhere", &flags, &type, &state, &inode) && flags == 0 && type == 2 && state == 1);
	int ends[2];
	WANT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0 && dup(ends[0]) >= 0 && fstat(ends[0], &now) == 0);
	snprintf(number, sizeof(number), "%lu", (unsigned long)now.st_ino);
	/* Without a name the inode is the last word. */
	WANT(told(number, &flags, &type, &state, &inode) && type == 5 && state == 3);
	WANT(close(heard) == 0);
	WANT(!told("here", &flags, &type, &state, &inode));
}

/* Keeps a name for as long as there is the file `on`. */
static void kept_name(void)
{
	listener(SOCK_STREAM, "kept");
	int on = open("on", O_CREAT | O_WRONLY, 0600);
	WANT(on >= 0);
	while (access("on", F_OK) == 0)
		usleep(1000);
}

/* Options for all sockets are taken, and change nothing. */
static void kept_options(void)
{
	static const int switches[] = { SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_DONTROUTE, SO_OOBINLINE };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	for (int kind = 0; kind < 4; kind++) {
		int fd = kind < 3 ? make(types[kind]) : socket(AF_NETLINK, SOCK_RAW, 0), on = 1, shown;
		socklen_t length = sizeof(shown);
		for (int at = 0; at < 5; at++) {
			WANT(getsockopt(fd, SOL_SOCKET, switches[at], &shown, &length) == 0 && shown == 0);
			WANT(setsockopt(fd, SOL_SOCKET, switches[at], &on, sizeof(on)) == 0);
			WANT(getsockopt(fd, SOL_SOCKET, switches[at], &shown, &length) == 0 && shown == 1);
		}
		int five = 5;
		WANT(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &five, sizeof(five)) == 0);
		WANT(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &shown, &length) == 0 && shown == 5);
		struct linger linger = { 1, 7 }, after = { 0, 0 };
		socklen_t size = sizeof(after);
		WANT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
		WANT(getsockopt(fd, SOL_SOCKET, SO_LINGER, &after, &size) == 0 && after.l_onoff == 1 && after.l_linger == 7);
		WANT_ERROR(setsockopt(fd, SOL_SOCKET, 999, &on, sizeof(on)), ENOPROTOOPT);
		WANT_ERROR(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, 2), EINVAL);
		WANT(close(fd) == 0);
	}
	/* A name is taken all the same. */
	int first = make(SOCK_STREAM), second = make(SOCK_STREAM), on = 1;
	socklen_t length;
	struct sockaddr_un address = path_of("taken", &length);
	WANT(setsockopt(first, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	WANT(setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	WANT(bind(first, (void *)&address, length) == 0);
	WANT_ERROR(bind(second, (void *)&address, length), EADDRINUSE);
}

/* A node that is bound gets the mode that the socket has been given before. */
static void mode_of_node(void)
{
	socklen_t length;
	struct stat status;
	struct sockaddr_un address = path_of("private", &length);
	int private = make(SOCK_STREAM), open = make(SOCK_DGRAM);
	umask(022);
	WANT(fchmod(private, 0606) == 0 && bind(private, (void *)&address, length) == 0);
	WANT(stat("private", &status) == 0 && status.st_mode == (S_IFSOCK | 0604));
	address = path_of("open", &length);
	WANT(bind(open, (void *)&address, length) == 0);
	WANT(stat("open", &status) == 0 && status.st_mode == (S_IFSOCK | 0755));
}

static const struct check checks[] = {
	{ "mode-of-node", mode_of_node },
	{ "kept-options", kept_options },
	{ "in-proc", in_proc }, { "kept-name", kept_name },
	{ "stream", stream }, { "abstract", abstract }, { "waiting", waiting },
	{ "datagrams", datagrams }, { "rights", rights }, { "boundaries", boundaries },
	{ "credentials", credentials }, { "refused", refused }, { "loop", loop },
	{ "several", several }, { "circle", circle },
};
MAIN(checks)
