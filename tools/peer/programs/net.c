/* net.c - sockets, over loopback and of the UNIX domain: a round trip of one byte, connecting and closing, bandwidth. */
#include "loopback.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>

static int named(int type, struct sockaddr_in *name)
{
	socklen_t length = sizeof *name;
	int fd = socket(AF_INET, type, 0);
	memset(name, 0, sizeof *name);
	name->sin_family = AF_INET;
	name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (void *)name, length) || getsockname(fd, (void *)name, &length)) pb_die("bind");
	return fd;
}

static int listening(struct sockaddr_in *name)
{
	int fd = named(SOCK_STREAM, name), on = 1;
	if (listen(fd, 128) || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) pb_die("listen");
	return fd;
}

static int connected(const struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	if (fd < 0 || connect(fd, (const void *)name, sizeof *name)) pb_die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static pid_t beside(int cpu)
{
	fflush(stdout);
	pid_t child = fork();
	if (child < 0) pb_die("fork");
	if (child == 0) pb_pin(cpu);
	return child;
}

static void ended(pid_t child)
{
	int status;
	if (waitpid(child, &status, 0) != child || status) pb_die("the process beside");
}

static void round_trips(long n, void *a)
{
	char c = 'x';
	int fd = *(int *)a;
	while (n--)
		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1) pb_die("round trip");
}

static void echo(int fd)
{
	char c;
	while (read(fd, &c, 1) == 1)
		if (write(fd, &c, 1) != 1) _exit(1);
	_exit(0);
}

static void tcp(const char *name, int here, int there)
{
	struct sockaddr_in at;
	int server = listening(&at);
	pid_t child = beside(there);
	if (child == 0) {
		int peer = accept(server, 0, 0);
		close(server);
		echo(peer);
	}
	close(server);
	pb_pin(here);
	int fd = connected(&at);
	pb_run(name, round_trips, &fd);
	close(fd);
	ended(child);
}

static void udp(const char *name, int here, int there)
{
	struct sockaddr_in mine, other;
	int fd = named(SOCK_DGRAM, &mine), far = named(SOCK_DGRAM, &other);
	if (connect(fd, (void *)&other, sizeof other) || connect(far, (void *)&mine, sizeof mine)) pb_die("connect");
	pid_t child = beside(there);
	if (child == 0) {
		char c;
		while (read(far, &c, 1) == 1)
			if (write(far, &c, 1) != 1) _exit(1);
		_exit(0);
	}
	pb_pin(here);
	pb_run(name, round_trips, &fd);
	/* An empty datagram ends it. */
	if (write(fd, "", 0) != 0) pb_die("write");
	ended(child);
	close(fd);
	close(far);
}

/* A connection, a byte each way, and its end: by two processes. */
static void connections(long n, void *a)
{
	char c = 'x';
	while (n--) {
		int fd = connected(a);
		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1 || read(fd, &c, 1) != 0) pb_die("connection");
		close(fd);
	}
}

static void rate(const char *name, int here, int there)
{
	struct sockaddr_in at;
	int server = listening(&at);
	pid_t child = beside(there);
	if (child == 0) {
		for (;;) {
			char c;
			int peer = accept(server, 0, 0);
			if (peer < 0 || read(peer, &c, 1) < 0) _exit(1);
			if (c == 'q') _exit(0);
			if (write(peer, &c, 1) != 1) _exit(1);
			close(peer);
		}
	}
	close(server);
	pb_pin(here);
	pb_run(name, connections, &at);
	int last = connected(&at);
	if (write(last, "q", 1) != 1) pb_die("write");
	ended(child);
	close(last);
}

/* Without a switch: both ends are of one process. */
static void alone(long n, void *a)
{
	int server = *(int *)a;
	struct sockaddr_in at;
	socklen_t length = sizeof at;
	if (getsockname(server, (void *)&at, &length)) pb_die("getsockname");
	while (n--) {
		int fd = connected(&at), peer = accept(server, 0, 0);
		if (peer < 0) pb_die("accept");
		close(fd);
		close(peer);
	}
}

static void self(long n, void *a)
{
	char c = 'x';
	int *ends = a;
	while (n--)
		if (write(ends[0], &c, 1) != 1 || read(ends[1], &c, 1) != 1) pb_die("self");
}

static void pair(const char *name, int here, int there)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) pb_die("socketpair");
	pid_t child = beside(there);
	if (child == 0) {
		close(ends[0]);
		echo(ends[1]);
	}
	close(ends[1]);
	pb_pin(here);
	pb_run(name, round_trips, ends);
	close(ends[0]);
	ended(child);
}

enum { PART = 65536 };
static char part[PART];

/* Takes what comes, and says so when that has ended. */
static void take_all(int fd)
{
	ssize_t count;
	while ((count = read(fd, part, PART)) > 0)
		;
	_exit(count < 0 || write(fd, "e", 1) != 1);
}

static void send_all(const char *name, int fd)
{
	char c;
	double megabytes = pb_envi("PB_BW_MB", 64);
	uint64_t start = pb_ticks();
	for (double sent = 0; sent < megabytes * 1e6; sent += PART)
		if (pb_full_write(fd, part, PART)) pb_die("write");
	if (shutdown(fd, SHUT_WR) || read(fd, &c, 1) != 1) pb_die("shutdown");
	pb_out(name, "MB/s", megabytes * 1e9 / pb_ns(pb_ticks() - start));
	close(fd);
}

static void pair_bandwidth(const char *name, int here, int there)
{
	for (int turn = 0; turn < pb_reps(); turn++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) pb_die("socketpair");
		pid_t child = beside(there);
		if (child == 0) {
			close(ends[0]);
			take_all(ends[1]);
		}
		close(ends[1]);
		pb_pin(here);
		send_all(name, ends[0]);
		ended(child);
	}
}

static void bandwidth(const char *name, int here, int there)
{
	for (int turn = 0; turn < pb_reps(); turn++) {
		struct sockaddr_in at;
		int server = listening(&at);
		pid_t child = beside(there);
		if (child == 0) take_all(accept(server, 0, 0));
		close(server);
		pb_pin(here);
		send_all(name, connected(&at));
		ended(child);
	}
}

/* Whether a part is to be measured: all are when none is named. */
static int wanted(int count, char **words, const char *part)
{
	for (int at = 1; at < count; at++)
		if (!strcmp(words[at], part)) return 1;
	return count < 2;
}

int main(int count, char **words)
{
	struct sockaddr_in at;
	signal(SIGPIPE, SIG_IGN);
	loopback_up();
	int server = listening(&at), ends[2];
	pb_pin(0);
	ends[0] = connected(&at);
	ends[1] = accept(server, 0, 0);
	if (wanted(count, words, "self")) pb_run("tcp_self_write_read", self, ends);
	if (wanted(count, words, "connect")) pb_run("tcp_self_connect_accept", alone, &server);
	close(server);
	if (wanted(count, words, "tcp")) { tcp("tcp_rt_1cpu", 0, 0); tcp("tcp_rt_2cpu", 0, 1); }
	if (wanted(count, words, "udp")) udp("udp_rt_1cpu", 0, 0);
	if (wanted(count, words, "rate")) rate("tcp_connection_1cpu", 0, 0);
	if (wanted(count, words, "bandwidth")) { bandwidth("tcp_bw_1cpu", 0, 0); bandwidth("tcp_bw_2cpu", 0, 1); }
	if (wanted(count, words, "unix")) {
		pair("unix_rt_1cpu", 0, 0);
		pair("unix_rt_2cpu", 0, 1);
		pair_bandwidth("unix_bw_1cpu", 0, 0);
		pair_bandwidth("unix_bw_2cpu", 0, 1);
	}
	return 0;
}
