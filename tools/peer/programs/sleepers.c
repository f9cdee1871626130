/* sleepers.c - what a process takes that sleeps: a static program without a C library, many times. */
#include "pb.h"

enum { COUNT = 200 };

static double free_kib(void)
{
	char text[4096];
	unsigned long kib;
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0) pb_die("/proc/meminfo");
	close(fd);
	text[n] = 0;
	char *line = strstr(text, "MemFree:");
	if (!line || sscanf(line, "MemFree: %lu", &kib) != 1) pb_die("MemFree");
	return (double)kib;
}

int main(void)
{
	static pid_t children[COUNT];
	char *words[] = { "/b/tiny_pause", 0 }, *environment[] = { 0 };
	for (int turn = 0; turn < pb_reps(); turn++) {
		double before = free_kib();
		int gate[2];
		char c;
		if (pipe2(gate, O_CLOEXEC)) pb_die("pipe");
		for (int at = 0; at < COUNT; at++) {
			children[at] = fork();
			if (children[at] < 0) pb_die("fork");
			if (children[at] == 0) {
				execve(words[0], words, environment);
				_exit(127);
			}
		}
		/* The last copy of this end goes with the last execve. */
		close(gate[1]);
		if (read(gate[0], &c, 1) != 0) pb_die("gate");
		close(gate[0]);
		/* Each of them has come to its pause then, or nearly so. */
		usleep(100000);
		pb_out("sleeper_memory_each", "KiB", (before - free_kib()) / COUNT);
		for (int at = 0; at < COUNT; at++) kill(children[at], SIGKILL);
		for (int at = 0; at < COUNT; at++)
			if (waitpid(children[at], 0, 0) != children[at]) pb_die("waitpid");
	}
	return 0;
}
