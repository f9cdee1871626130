/* ring.c - processes that wake each other in a circle: a byte goes round through one pipe for each of them. */
#include "pb.h"

enum { MOST = 16 };

struct ring { int count, in, out; };

/* One turn of the byte is as many switches as there are processes. */
static void turns(long n, void *a)
{
	struct ring *ring = a;
	char c = 'x';
	while (n--)
		if (write(ring->out, &c, 1) != 1 || read(ring->in, &c, 1) != 1) pb_die("turn");
}

static void switches(long n, void *a)
{
	int count = ((struct ring *)a)->count;
	turns((n + count - 1) / count, a);
}

/* Each process passes on what comes, until nothing comes any more. */
static void pass(int in, int out)
{
	char c;
	while (read(in, &c, 1) == 1)
		if (write(out, &c, 1) != 1) _exit(1);
	_exit(0);
}

/* Closes all ends but two. */
static void keep(int pipes[][2], int count, int in, int out)
{
	for (int end = 0; end < 2 * count; end++) {
		int fd = pipes[end / 2][end % 2];
		if (fd != in && fd != out) close(fd);
	}
}

static void ring(const char *name, int count)
{
	int pipes[MOST][2];
	pid_t others[MOST];
	for (int at = 0; at < count; at++)
		if (pipe(pipes[at])) pb_die("pipe");
	for (int at = 1; at < count; at++) {
		others[at] = fork();
		if (others[at] < 0) pb_die("fork");
		if (others[at]) continue;
		keep(pipes, count, pipes[at - 1][0], pipes[at][1]);
		pass(pipes[at - 1][0], pipes[at][1]);
	}
	struct ring ends = { count, pipes[count - 1][0], pipes[0][1] };
	keep(pipes, count, ends.in, ends.out);
	pb_run(name, switches, &ends);
	close(ends.out);
	for (int at = 1; at < count; at++) {
		int status;
		if (waitpid(others[at], &status, 0) != others[at] || status) pb_die("a process of the ring");
	}
	close(ends.in);
}

int main(void)
{
	pb_pin(0);
	ring("ring2_per_switch", 2);
	ring("ring16_per_switch", MOST);
	return 0;
}
