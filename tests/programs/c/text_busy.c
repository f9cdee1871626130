/* Programs that run are not written, and files that are being written are not run (ETXTBSY): run in an empty folder, as root. */

#include "copy.h"
#include <sys/mman.h>

/* Has the copy do one of the checks, with one end of a pipe as its standard input and of another as its standard output; the
   other ends stay here. */
static pid_t begin(const char *path, const char *check, int *hold, int *hear)
{
	int in[2], out[2];
	WANT(pipe(in) == 0 && pipe(out) == 0);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl(path, path, check, NULL);
		_exit(99);
	}
	close(in[0]);
	close(out[1]);
	*hold = in[1];
	*hear = out[0];
	return pid;
}

/* Runs the copy until `finish` closes the pipe that is its standard input; it says by its output that it runs. */
static pid_t start(const char *path, int *hold)
{
	int hear;
	char byte;
	pid_t pid = begin(path, "wait", hold, &hear);
	WANT(read(hear, &byte, 1) == 1);
	return pid;
}

static void finish(pid_t pid, int hold)
{
	int status;
	close(hold);
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
}

static void waits(void)
{
	char byte = 0;
	WANT(write(1, &byte, 1) == 1 && read(0, &byte, 1) == 0);
}

/* The same in a child of the program, which outlives it. */
static void hands_on(void)
{
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0)
		waits();
}

static void run(void)
{
	int hold;
	copy("p");
	pid_t pid = start("./p", &hold);
	WANT_ERROR(open("p", O_WRONLY), ETXTBSY);
	WANT_ERROR(open("p", O_RDWR), ETXTBSY);
	WANT_ERROR(open("p", O_RDONLY | O_TRUNC), ETXTBSY);
	WANT_ERROR(truncate("p", 0), ETXTBSY);
	WANT(open("p", O_RDONLY) >= 0);
	/* What it is called is another matter. */
	WANT(rename("p", "q") == 0 && chmod("q", 0700) == 0);
	copy("p");
	WANT_ERROR(open("q", O_WRONLY), ETXTBSY);
	finish(pid, hold);
	WANT(truncate("q", 0) == 0 && open("q", O_WRONLY) >= 0);
}

static void children(void)
{
	int hold, hear, status;
	char byte;
	copy("p");
	pid_t pid = begin("./p", "hand-on", &hold, &hear);
	WANT(waitpid(pid, &status, 0) == pid && status == 0 && read(hear, &byte, 1) == 1);
	WANT_ERROR(open("p", O_WRONLY), ETXTBSY);
	close(hold);
	/* The child has gone when its end of the pipe has. */
	WANT(read(hear, &byte, 1) == 0);
	int64_t limit = now_ns() + 10000000000;
	while (open("p", O_WRONLY) < 0)
		WANT(errno == ETXTBSY && now_ns() < limit);
}

/* A zombie runs nothing. */
static void zombies(void)
{
	int hold, status;
	siginfo_t info;
	copy("p");
	pid_t pid = start("./p", &hold);
	close(hold);
	WANT(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0);
	WANT(open("p", O_WRONLY) >= 0);
	WANT(waitpid(pid, &status, 0) == pid);
}

static void written(void)
{
	copy("p");
	int writer = open("p", O_WRONLY), other = open("p", O_RDWR);
	WANT(writer >= 0 && other >= 0 && close(other) == 0);
	/* It would fail if it ran. */
	WANT_ERROR(execl("./p", "p", "no such check", NULL), ETXTBSY);
	int copied = dup(writer), hold;
	WANT(close(writer) == 0);
	/* It would fail if it ran. */
	WANT_ERROR(execl("./p", "p", "no such check", NULL), ETXTBSY);
	WANT(close(copied) == 0);
	pid_t pid = start("./p", &hold);
	finish(pid, hold);
}

static void scripts(void)
{
	int script = open("s", O_CREAT | O_WRONLY, 0755);
	WANT(script >= 0 && write(script, "#!/bin/false\n", 13) == 13);
	WANT_ERROR(execl("./s", "s", NULL), ETXTBSY);
	WANT(close(script) == 0);
	/* The interpreter is what runs then. */
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		execl("./s", "s", NULL);
		_exit(99);
	}
	int status;
	WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1 && open("s", O_WRONLY) >= 0);
}

/* A file without a name is run by who has it open for writing. */
static void nameless(void)
{
	int status, file = memfd_create("p", MFD_CLOEXEC);
	copy_to(file);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		char *arguments[] = { "p", NULL }, *environment[] = { NULL };
		int none = open("/dev/null", O_WRONLY);
		dup2(none, 1);
		fexecve(file, arguments, environment);
		_exit(99);
	}
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
}

static const struct check checks[] = {
	{ "run", run },		{ "children", children }, { "zombies", zombies }, { "written", written },
	{ "scripts", scripts }, { "nameless", nameless }, { "wait", waits },	  { "hand-on", hands_on },
};
MAIN(checks)
