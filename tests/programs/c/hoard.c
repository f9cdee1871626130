/* Makes as much of one thing as the kernel lets it, for good: processes, pipes and connections (filled), files or areas of memory.
   It makes /tmp/begun first. When no more is to be had, with ENOMEM (or ENOSPC), it removes /tmp/hoarding, which needs no memory, and
   waits to be killed. */

#include "check.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

static void full(int error)
{
	WANT(error == ENOMEM || error == ENOSPC);
	WANT(unlink("/tmp/hoarding") == 0);
	for (;;)
		pause();
}

/* A child goes on with it when this process may have no more descriptors. It ends when it touches a page at the wrong
   moment, and that is the maximum too. */
static void next_process(void)
{
	pid_t child = fork();
	if (child < 0)
		full(errno);
	if (child > 0) {
		waitpid(child, NULL, 0);
		full(ENOMEM);
	}
}

static void pipes(void)
{
	static char bytes[65536];
	for (;;) {
		int ends[2];
		if (pipe2(ends, O_NONBLOCK) < 0) {
			if (errno != EMFILE)
				full(errno);
			next_process();
			continue;
		}
		if (write(ends[1], bytes, sizeof bytes) < 0 && errno != EAGAIN)
			full(errno);
	}
}

/* Each connection holds what nobody receives, in both directions. */
static void connections(void)
{
	static char bytes[65536];
	for (;;) {
		struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t length = sizeof name;
		int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
		int made = server < 0 || client < 0 || listen(server, 1) || getsockname(server, (void *)&name, &length);
		name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		made = made || connect(client, (void *)&name, sizeof name) || fcntl(client, F_SETFL, O_NONBLOCK);
		if (made) {
			if (errno != EMFILE)
				full(errno);
			next_process();
			continue;
		}
		while (write(client, bytes, sizeof bytes) > 0)
			;
		if (errno != EAGAIN)
			full(errno);
	}
}

static void processes(void)
{
	for (;;) {
		pid_t child = fork();
		if (child < 0)
			full(errno);
		if (child == 0)
			for (;;)
				pause();
		if (waitpid(-1, NULL, WNOHANG) > 0)
			full(ENOMEM);
	}
}

static void files(void)
{
	for (int number = 0;; number++) {
		char name[64];
		snprintf(name, sizeof name, "/tmp/a-file-with-a-name-of-some-length-%d", number);
		int file = open(name, O_CREAT | O_WRONLY, 0600);
		if (file < 0)
			full(errno);
		close(file);
	}
}

static void areas(void)
{
	for (int turn = 0;; turn++) {
		int protection = turn % 2 ? PROT_READ : PROT_NONE;
		if (mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			full(errno);
	}
}

static const struct check hoards[] = {
	{ "pipes", pipes }, { "connections", connections }, { "processes", processes }, { "files", files }, { "areas", areas },
};

int main(int argc, char **argv)
{
	close(creat("/tmp/begun", 0600));
	for (size_t at = 0; argc == 2 && at < sizeof hoards / sizeof *hoards; at++)
		if (strcmp(argv[1], hoards[at].name) == 0)
			hoards[at].run();
	fprintf(stderr, "usage: hoard pipes|connections|processes|files|areas\n");
	return 2;
}
