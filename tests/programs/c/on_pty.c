/* on_pty COMMAND [ARGUMENT ...]: runs a command on a terminal of its own, 24 lines of 80 columns, types what comes
   on standard input and prints what appears. Ends with the command's status. */

#include "check.h"
#include <poll.h>
#include <pty.h>

/* Copies what is there; false at the end. */
static int copy(int from, int to)
{
	char buffer[1024];
	ssize_t count = read(from, buffer, sizeof(buffer));
	for (ssize_t done = 0, part; done < count; done += part) {
		part = write(to, buffer + done, count - done);
		if (part <= 0)
			return 0;
	}
	return count > 0;
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int master, status;
	WANT(argc > 1);
	pid_t pid = forkpty(&master, NULL, NULL, &size);
	WANT(pid >= 0);
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	struct pollfd files[] = { { .fd = master, .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	for (int typing = 1, open = 1; open;) {
		WANT(poll(files, typing ? 2 : 1, -1) > 0);
		if (files[0].revents)
			open = copy(master, 1);
		if (typing && files[1].revents)
			typing = copy(0, master);
	}
	WANT(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
