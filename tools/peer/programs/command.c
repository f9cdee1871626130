/* command.c - how long a program takes from its start to its end.  usage: command NAME PROGRAM [ARGUMENT ...]
 * Its input is /b/NAME.in, where there is one; its output is thrown away. NAME - is not measured and runs once. */
#include "pb.h"

static void becomes(const char *name, char **words)
{
	char input[64];
	snprintf(input, sizeof input, "/b/%s.in", name);
	int in = open(input, O_RDONLY), out = open("/tmp/command.out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (in < 0) in = open("/dev/null", O_RDONLY);
	if (dup2(in, 0) != 0 || dup2(out, 1) != 1 || dup2(out, 2) != 2) _exit(126);
	execvp(words[0], words);
	_exit(127);
}

static double run(const char *name, char **words)
{
	int status;
	uint64_t start = pb_ticks();
	pid_t child = fork();
	if (child == 0) becomes(name, words);
	if (child < 0 || waitpid(child, &status, 0) != child) pb_die("fork");
	if (status) {
		char said[256];
		int out = open("/tmp/command.out", O_RDONLY);
		ssize_t length = read(out, said, sizeof said - 1);
		said[length < 0 ? 0 : length] = 0;
		printf("! %s: status %x: %s\n", words[0], (unsigned)status, said);
		exit(1);
	}
	return pb_ns(pb_ticks() - start) / 1e6;
}

int main(int count, char **words)
{
	if (count < 3) pb_die("usage");
	const char *name = words[1];
	int measured = strcmp(name, "-");
	run(name, words + 2);
	for (int turn = 0; measured && turn < pb_reps(); turn++) pb_out(name, "ms", run(name, words + 2));
	return 0;
}
