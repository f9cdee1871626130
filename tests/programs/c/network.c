/* TCP and UDP over loopback (man 7 ip, man 7 tcp, man 7 udp). */

#include "network.h"

static void stream(void)
{
	struct sockaddr_in name;
	socklen_t length = sizeof name;
	char bytes[16];
	int server = listener(5), client = make(AF_INET, SOCK_STREAM);
	WANT(ready(client, POLLIN | POLLOUT) == (POLLOUT | POLLHUP) && ready(server, POLLIN) == 0);
	WANT(connect_to(client, port_of(server)) == 0);
	WANT_ERROR(connect_to(client, port_of(server)), EISCONN);
	WANT(awaited(server, POLLIN) == POLLIN && ready(client, POLLIN | POLLOUT) == POLLOUT);
	WANT(send(client, "early", 5, 0) == 5);
	int peer = accept4(server, (void *)&name, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
	WANT(peer >= 0 && length == sizeof name && name.sin_family == AF_INET);
	WANT(ntohs(name.sin_port) == port_of(client) && name.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	WANT((fcntl(peer, F_GETFL) & O_NONBLOCK) && (fcntl(peer, F_GETFD) & FD_CLOEXEC));
	WANT(awaited(peer, POLLIN) == POLLIN && recv(peer, bytes, sizeof bytes, 0) == 5);
	WANT_ERROR(recv(peer, bytes, 1, 0), EAGAIN);
	WANT(getpeername(client, (void *)&name, &length) == 0 && ntohs(name.sin_port) == port_of(server));
	/* A short buffer gets as much as there is room for, and the whole length. */
	memset(&name, 0xff, sizeof name);
	length = 4;
	WANT(getsockname(peer, (void *)&name, &length) == 0 && length == sizeof name);
	WANT(ntohs(name.sin_port) == port_of(server) && name.sin_addr.s_addr == 0xffffffff);
	struct iovec parts[2] = { { "ab", 2 }, { "cd", 2 } };
	WANT(writev(peer, parts, 2) == 4 && read(client, bytes, 3) == 3 && memcmp(bytes, "abc", 3) == 0);
	int waiting;
	WANT(ioctl(client, FIONREAD, &waiting) == 0 && waiting == 1);
	WANT(read(client, bytes, 0) == 0 && read(client, bytes, 9) == 1);
	WANT(number(server, SOL_SOCKET, SO_ACCEPTCONN) == 1 && number(peer, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	WANT(number(peer, SOL_SOCKET, SO_TYPE) == SOCK_STREAM);
	WANT(number(peer, SOL_SOCKET, SO_DOMAIN) == AF_INET);
	WANT(number(peer, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
	/* Two descriptors of one socket: it goes with the last. */
	int twin = dup(client);
	close(client);
	WANT(send(twin, "x", 1, 0) == 1 && awaited(peer, POLLIN) == POLLIN && close(twin) == 0);
	WANT(recv(peer, bytes, 9, 0) == 1 && awaited(peer, POLLIN | POLLRDHUP) == (POLLIN | POLLRDHUP));
	WANT(recv(peer, bytes, 9, 0) == 0);
}

static void progress(void)
{
	int server = listener(5), port = port_of(server), client = make(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	WANT_ERROR(accept4(server, NULL, NULL, 1), EINVAL);
	WANT_ERROR(connect_to(client, port), EINPROGRESS);
	WANT(awaited(client, POLLOUT) == POLLOUT && number(client, SOL_SOCKET, SO_ERROR) == 0);
	WANT(connect_to(client, port) == 0);
	WANT_ERROR(connect_to(client, port), EISCONN);
	close(client);
	close(server);
	/* A refusal is told by poll, once by SO_ERROR or by connect. */
	client = make(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	WANT_ERROR(connect_to(client, port), EINPROGRESS);
	WANT(awaited(client, POLLIN | POLLOUT) == (POLLIN | POLLOUT | POLLERR | POLLHUP));
	WANT_ERROR(connect_to(client, port), ECONNREFUSED);
	WANT_ERROR(connect_to(client, port), EINPROGRESS);
	awaited(client, POLLOUT);
	WANT(number(client, SOL_SOCKET, SO_ERROR) == ECONNREFUSED && number(client, SOL_SOCKET, SO_ERROR) == 0);
	WANT_ERROR(connect_to(client, port), ECONNABORTED);
	fcntl(client, F_SETFL, 0);
	WANT_ERROR(connect_to(client, port), ECONNREFUSED);
}

static void *accept_two(void *argument)
{
	int server = *(int *)argument;
	char byte;
	for (int turn = 0; turn < 2; turn++) {
		int fd = accept(server, NULL, NULL);
		WANT(fd >= 0 && read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1);
		close(fd);
	}
	return NULL;
}

static void waiting(void)
{
	pthread_t thread;
	char byte;
	int server = listener(5), port = port_of(server);
	WANT(pthread_create(&thread, NULL, accept_two, &server) == 0);
	for (int turn = 0; turn < 2; turn++) {
		int client = connected(port);
		WANT(write(client, "x", 1) == 1 && read(client, &byte, 1) == 1 && read(client, &byte, 1) == 0);
		close(client);
	}
	WANT(pthread_join(thread, NULL) == 0);
	/* Fifty at once, as a benchmark opens them; nobody accepts meanwhile. */
	int clients[50], busy = listener(64);
	for (int at = 0; at < 50; at++)
		clients[at] = connected(port_of(busy));
	for (int at = 0; at < 50; at++) {
		int fd = accept(busy, NULL, NULL);
		WANT(fd >= 0 && write(fd, "y", 1) == 1 && read(clients[at], &byte, 1) == 1);
		close(fd);
	}
}

static void full(void)
{
	int server = listener(0), port = port_of(server), first = connected(port);
	int second = make(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	WANT_ERROR(connect_to(second, port), EINPROGRESS);
	WANT(ready(second, POLLOUT) == 0);
	WANT_ERROR(connect_to(second, port), EALREADY);
	WANT_ERROR(send(second, "x", 1, 0), EAGAIN);
	int one = accept(server, NULL, NULL);
	WANT(one >= 0 && awaited(second, POLLOUT) == POLLOUT && connect_to(second, port) == 0);
	int two = accept(server, NULL, NULL);
	WANT(two >= 0 && write(second, "x", 1) == 1);
	(void)first;
}

static void directions(void)
{
	int ends[2];
	char bytes[16];
	pair(ends);
	signal(SIGPIPE, SIG_IGN);
	WANT(write(ends[0], "question", 8) == 8 && shutdown(ends[0], SHUT_WR) == 0);
	WANT_ERROR(write(ends[0], "x", 1), EPIPE);
	WANT(awaited(ends[1], POLLRDHUP) == POLLRDHUP);
	WANT(read(ends[1], bytes, sizeof bytes) == 8 && read(ends[1], bytes, 1) == 0);
	WANT(ready(ends[1], POLLIN | POLLOUT | POLLRDHUP) == (POLLIN | POLLOUT | POLLRDHUP));
	WANT(write(ends[1], "answer", 6) == 6 && read(ends[0], bytes, sizeof bytes) == 6);
	WANT(shutdown(ends[1], SHUT_WR) == 0 && read(ends[0], bytes, 1) == 0);
	WANT(ready(ends[0], POLLIN | POLLOUT) == (POLLIN | POLLOUT | POLLHUP));
	close(ends[0]);
	close(ends[1]);
	int fresh = make(AF_INET, SOCK_STREAM);
	WANT_ERROR(shutdown(fresh, SHUT_WR), ENOTCONN);
	WANT_ERROR(shutdown(fresh, 7), EINVAL);
	WANT_ERROR(recv(fresh, bytes, 1, 0), ENOTCONN);
	WANT_ERROR(send(fresh, bytes, 1, MSG_NOSIGNAL), EPIPE);
	/* One that receives no more is not told about. */
	pair(ends);
	WANT(shutdown(ends[0], SHUT_RD) == 0 && read(ends[0], bytes, 1) == 0);
	WANT(ready(ends[1], POLLIN | POLLOUT | POLLRDHUP) == POLLOUT);
}

static void send_to_one_gone(void)
{
	int ends[2];
	pair(ends);
	close(ends[1]);
	send(ends[0], "x", 1, 0);
	WANT(awaited(ends[0], POLLOUT) & POLLERR);
	send(ends[0], "x", 1, 0);
}

static void resets(void)
{
	int ends[2];
	char bytes[16];
	struct linger now = { 1, 0 };
	WANT_SIGNAL(send_to_one_gone, SIGPIPE);
	/* Bytes unread, or no time to linger: a reset, after what had come before. */
	for (int turn = 0; turn < 2; turn++) {
		pair(ends);
		WANT(write(ends[1], "last", 4) == 4 && awaited(ends[0], POLLIN) == POLLIN);
		if (turn == 0)
			WANT(write(ends[0], "unread", 6) == 6 && awaited(ends[1], POLLIN) == POLLIN);
		else
			WANT(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
		close(ends[1]);
		WANT(awaited(ends[0], POLLRDHUP) & POLLERR);
		WANT(ready(ends[0], POLLIN | POLLOUT) == (POLLIN | POLLOUT | POLLERR | POLLHUP));
		WANT(read(ends[0], bytes, sizeof bytes) == 4);
		WANT_ERROR(read(ends[0], bytes, 1), ECONNRESET);
		WANT(read(ends[0], bytes, 1) == 0);
		WANT_ERROR(send(ends[0], bytes, 1, MSG_NOSIGNAL), EPIPE);
		WANT_ERROR(shutdown(ends[0], SHUT_WR), ENOTCONN);
		close(ends[0]);
	}
	/* A listener that goes resets whom nobody has accepted. */
	int server = listener(5), client = connected(port_of(server));
	close(server);
	WANT_ERROR(read(client, bytes, 1), ECONNRESET);
	/* SO_ERROR takes it too. */
	pair(ends);
	setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(ends[1]);
	awaited(ends[0], POLLIN);
	WANT(number(ends[0], SOL_SOCKET, SO_ERROR) == ECONNRESET && read(ends[0], bytes, 1) == 0);
	/* A listener that is shut down is one no more. */
	server = listener(5);
	WANT(shutdown(server, SHUT_RDWR) == 0);
	WANT_ERROR(accept(server, NULL, NULL), EINVAL);
}

static void flags(void)
{
	int ends[2];
	char bytes[16];
	pair(ends);
	WANT(send(ends[0], "abcdef", 6, MSG_MORE) == 6 && awaited(ends[1], POLLIN) == POLLIN);
	WANT(recv(ends[1], bytes, 3, MSG_PEEK) == 3 && recv(ends[1], bytes, 9, MSG_PEEK) == 6);
	/* A stream throws away what it is told to. */
	WANT(recv(ends[1], NULL, 2, MSG_TRUNC) == 2);
	WANT(recv(ends[1], bytes, 9, 0) == 4 && memcmp(bytes, "cdef", 4) == 0);
	WANT_ERROR(recv(ends[1], bytes, 9, MSG_DONTWAIT), EAGAIN);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		close(ends[1]);
		WANT(write(ends[0], "1234", 4) == 4);
		WANT(read(ends[0], bytes, 1) == 1 && write(ends[0], "5678", 4) == 4);
		_exit(0);
	}
	WANT(awaited(ends[1], POLLIN) == POLLIN && write(ends[1], "x", 1) == 1);
	WANT(recv(ends[1], bytes, 8, MSG_WAITALL) == 8 && memcmp(bytes, "12345678", 8) == 0);
	WANT(waitpid(child, NULL, 0) == child);
	struct iovec part = { bytes, sizeof bytes };
	struct sockaddr_in from;
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1 };
	WANT(write(ends[0], "m", 1) == 1 && recvmsg(ends[1], &message, 0) == 1 && message.msg_namelen == 0);
	part.iov_len = 1;
	message.msg_namelen = 0;
	WANT(sendmsg(ends[1], &message, 0) == 1 && read(ends[0], bytes, 9) == 1 && bytes[0] == 'm');
	/* Several messages in a call. */
	struct mmsghdr several[3] = { 0 };
	set(ends[0], IPPROTO_TCP, TCP_NODELAY, 1);
	for (int at = 0; at < 3; at++) {
		several[at].msg_hdr.msg_iov = &part;
		several[at].msg_hdr.msg_iovlen = 1;
	}
	WANT(sendmmsg(ends[0], several, 3, 0) == 3 && recvmmsg(ends[1], several, 3, MSG_WAITFORONE, NULL) == 3);
}

static void ignore(int signal)
{
	(void)signal;
}

static void spans(int receiver, int sender, int server)
{
	static char much[1 << 16];
	char byte;
	struct timeval span = { 0, 50000 }, got;
	socklen_t length = sizeof got;
	WANT(setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span) == 0);
	WANT(setsockopt(sender, SOL_SOCKET, SO_SNDTIMEO, &span, sizeof span) == 0);
	WANT(getsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &got, &length) == 0 && length == sizeof got);
	WANT(got.tv_sec == 0 && got.tv_usec >= 50000 && got.tv_usec < 70000);
	int64_t start = now_ns();
	WANT_ERROR(read(receiver, &byte, 1), EAGAIN);
	WANT(now_ns() - start >= 50000000);
	WANT_ERROR(recv(receiver, &byte, 1, MSG_WAITALL), EAGAIN);
	if (server >= 0) {
		start = now_ns();
		WANT(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span) == 0);
		WANT_ERROR(accept(server, NULL, NULL), EAGAIN);
		WANT(now_ns() - start >= 50000000);
	}
	/* What has been moved counts, and then the time is over. */
	ssize_t count;
	do {
		start = now_ns();
		count = write(sender, much, sizeof much);
	} while (count > 0);
	WANT(count == -1 && errno == EAGAIN);
	WANT(now_ns() - start >= 50000000);
	char rest[4];
	while (recv(receiver, much, sizeof much, MSG_DONTWAIT) > 0)
		;
	WANT(write(sender, "ab", 2) == 2 && recv(receiver, rest, 4, MSG_WAITALL) == 2);
	/* A handler ends the wait, though it restarts calls. */
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_value = { 0, 100000 } };
	struct timeval forever = { 1000, 0 }, wrong = { 0, 1000000 };
	WANT(sigaction(SIGALRM, &action, NULL) == 0);
	WANT(setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever) == 0);
	WANT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	WANT_ERROR(read(receiver, &byte, 1), EINTR);
	WANT_ERROR(setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof wrong), EDOM);
	WANT_ERROR(setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &wrong, 4), EINVAL);
}

static void timeouts(void)
{
	int ends[2];
	pair(ends);
	spans(ends[1], ends[0], listener(5));
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	spans(ends[1], ends[0], -1);
	int datagrams = bound(SOCK_DGRAM, "127.0.0.1");
	struct timeval span = { 0, 1000 };
	char byte;
	WANT(setsockopt(datagrams, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span) == 0);
	WANT_ERROR(read(datagrams, &byte, 1), EAGAIN);
}

static void edges(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET }, found[4];
	int epoll = epoll_create1(0), ends[2];
	char bytes[16];
	pair(ends);
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event) == 0);
	WANT(epoll_wait(epoll, found, 4, 20000) == 1 && found[0].events == EPOLLOUT);
	WANT(epoll_wait(epoll, found, 4, 0) == 0);
	/* Every send is an edge, though the first has not been received. */
	for (int turn = 0; turn < 2; turn++) {
		WANT(write(ends[0], "x", 1) == 1);
		WANT(epoll_wait(epoll, found, 4, 20000) == 1 && found[0].events == (EPOLLIN | EPOLLOUT));
		WANT(epoll_wait(epoll, found, 4, 0) == 0);
	}
	WANT(read(ends[1], bytes, sizeof bytes) == 2);
	/* Room that was always there is not an edge. */
	WANT(write(ends[1], "y", 1) == 1 && read(ends[0], bytes, 9) == 1 && epoll_wait(epoll, found, 4, 0) == 0);
	WANT(shutdown(ends[0], SHUT_WR) == 0);
	WANT(epoll_wait(epoll, found, 4, 20000) == 1 && found[0].events == (EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	close(ends[0]);
	/* Level: a listener reports as long as somebody waits. */
	int server = listener(5), first = connected(port_of(server)), second = connected(port_of(server));
	event.events = EPOLLIN;
	WANT(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL) == 0);
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0);
	for (int turn = 0; turn < 2; turn++) {
		WANT(epoll_wait(epoll, found, 4, 20000) == 1 && epoll_wait(epoll, found, 4, 0) == 1);
		WANT(accept(server, NULL, NULL) >= 0);
	}
	WANT(epoll_wait(epoll, found, 4, 0) == 0);
	/* One shot, on one that is about to connect. */
	int client = make(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
	WANT_ERROR(connect_to(client, port_of(server)), EINPROGRESS);
	event.events = EPOLLOUT | EPOLLONESHOT;
	WANT(epoll_ctl(epoll, EPOLL_CTL_DEL, server, NULL) == 0);
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event) == 0);
	WANT(epoll_wait(epoll, found, 4, 20000) == 1 && found[0].events == EPOLLOUT);
	WANT(epoll_wait(epoll, found, 4, 0) == 0);
	(void)first, (void)second;
}

enum { TOTAL = 4 << 20 };

static unsigned char pattern(unsigned at)
{
	return at * 31 + (at >> 8) * 7 + (at >> 16);
}

static void *pour(void *argument)
{
	enum { PIECE = 100001 };
	unsigned char *bytes = malloc(PIECE);
	int fd = *(int *)argument;
	WANT(bytes != NULL);
	for (unsigned at = 0; at < TOTAL;) {
		unsigned part = TOTAL - at < PIECE ? TOTAL - at : PIECE;
		for (unsigned index = 0; index < part; index++)
			bytes[index] = pattern(at + index);
		for (unsigned done = 0; done < part;) {
			ssize_t count = write(fd, bytes + done, part - done);
			WANT(count > 0);
			done += count;
		}
		at += part;
	}
	WANT(shutdown(fd, SHUT_WR) == 0);
	return NULL;
}

/* Both directions at once, in pieces that fit nothing. */
static void bulk(void)
{
	int ends[2];
	unsigned got[2] = { 0, 0 };
	static unsigned char bytes[77777];
	pthread_t threads[2];
	pair(ends);
	for (int at = 0; at < 2; at++)
		WANT(pthread_create(&threads[at], NULL, pour, &ends[at]) == 0);
	for (int open = 2; open > 0;) {
		struct pollfd entries[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLIN, 0 } };
		WANT(poll(entries, 2, 60000) > 0);
		for (int at = 0; at < 2; at++) {
			if (!(entries[at].revents & POLLIN) || got[at] == TOTAL)
				continue;
			ssize_t count = read(ends[at], bytes, sizeof bytes);
			WANT(count > 0);
			for (ssize_t index = 0; index < count; index++)
				WANT(bytes[index] == pattern(got[at] + index));
			got[at] += count;
			open -= got[at] == TOTAL;
		}
	}
	for (int at = 0; at < 2; at++)
		WANT(pthread_join(threads[at], NULL) == 0 && read(ends[at], bytes, 1) == 0);
	/* A file goes to a connection without passing through the program. */
	pair(ends);
	int file = open("sent", O_RDWR | O_CREAT, 0600);
	WANT(file >= 0 && write(file, bytes, 50000) == 50000);
	off_t offset = 0;
	while (offset < 50000)
		WANT(sendfile(ends[0], file, &offset, 50000 - offset) > 0);
	WANT(recv(ends[1], bytes, 50000, MSG_WAITALL) == 50000);
}

enum { MANY = 4000 };

/* Thousands of connections open at once, and thousands one after another. */
static void many(void)
{
	static int fds[2 * MANY];
	struct rlimit limit = { 2 * MANY + 100, 2 * MANY + 100 };
	char byte;
	WANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	int server = listener(128), port = port_of(server);
	for (int at = 0; at < MANY; at++) {
		fds[at] = connected(port);
		fds[MANY + at] = accept(server, NULL, NULL);
		WANT(fds[MANY + at] >= 0 && write(fds[at], &at, sizeof at) == sizeof at);
	}
	for (int at = 0; at < MANY; at++) {
		int got;
		WANT(read(fds[MANY + at], &got, sizeof got) == sizeof got && got == at);
		WANT(close(fds[at]) == 0 && read(fds[MANY + at], &byte, 1) == 0 && close(fds[MANY + at]) == 0);
	}
	for (int at = 0; at < 3 * MANY; at++) {
		int client = connected(port), peer = accept(server, NULL, NULL);
		WANT(peer >= 0 && close(client) == 0 && close(peer) == 0);
	}
}

/* Opens connections without end to a port that nobody accepts at; prints its number first. */
static void flood(void)
{
	int server = listener(10), port = port_of(server);
	struct rlimit limit = { 4000, 4000 };
	WANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	printf("%d\n", port);
	fflush(stdout);
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			for (int old = 4; old < 4000; old++)
				close(old);
			continue;
		}
		connect_to(fd, port);
	}
}

/* Listens at the port that its environment names, and echoes what comes. */
static void echo(void)
{
	struct sockaddr_in name = four("0.0.0.0", atoi(getenv("PORT")));
	int server = make(AF_INET, SOCK_STREAM);
	set(server, SOL_SOCKET, SO_REUSEADDR, 1);
	WANT(bind(server, (void *)&name, sizeof name) == 0 && listen(server, 100) == 0);
	puts("listening");
	fflush(stdout);
	for (;;) {
		char bytes[4096];
		ssize_t count;
		int peer = accept(server, NULL, NULL);
		WANT(peer >= 0);
		while ((count = read(peer, bytes, sizeof bytes)) > 0)
			WANT(write(peer, bytes, count) == count);
		close(peer);
	}
}

/* Is answered by an echo at the port that its environment names. */
static void asked(void)
{
	char bytes[5];
	int fd = connected(atoi(getenv("PORT")));
	WANT(write(fd, "hello", 5) == 5 && recv(fd, bytes, 5, MSG_WAITALL) == 5 && memcmp(bytes, "hello", 5) == 0);
}

/* Nobody is at the port that its environment names, in either protocol. */
static void absent(void)
{
	int port = atoi(getenv("PORT"));
	struct sockaddr_in name = four("127.0.0.1", port);
	WANT_ERROR(connect_to(make(AF_INET, SOCK_STREAM), port), ECONNREFUSED);
	int fd = make(AF_INET, SOCK_DGRAM);
	WANT(connect_to(fd, port) == 0 && send(fd, "x", 1, 0) == 1);
	WANT_ERROR(send(fd, "x", 1, 0), ECONNREFUSED);
	WANT(bind(make(AF_INET, SOCK_STREAM), (void *)&name, sizeof name) == 0);
}

/* Leaves connections in every state to whoever kills it. */
static void hang(void)
{
	int ends[2], server = listener(1), port = port_of(server);
	for (int at = 0; at < 100; at++) {
		pair(ends);
		WANT(write(ends[0], "unread", 6) == 6);
		if (at % 3 == 0)
			shutdown(ends[0], SHUT_WR);
		if (at % 5 == 0)
			close(ends[1]);
		int fd = make(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
		connect_to(fd, port);
	}
	puts("hanging");
	fflush(stdout);
	pid_t child = fork();
	char byte;
	if (child == 0)
		for (;;)
			connect_to(make(AF_INET, SOCK_STREAM), port);
	for (;;)
		WANT(read(ends[0], &byte, 1) >= 0);
}

static const struct check checks[] = {
	{ "stream", stream }, { "progress", progress }, { "waiting", waiting }, { "full", full },
	{ "directions", directions }, { "resets", resets }, { "flags", flags },
	{ "timeouts", timeouts }, { "edges", edges }, { "bulk", bulk },
	{ "many", many }, { "flood", flood }, { "echo", echo }, { "asked", asked },
	{ "absent", absent }, { "hang", hang },
};
MAIN(checks)
