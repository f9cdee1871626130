/* Programs that a signal ends, for the core files that they leave (man 5 core). */

#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char known[32] = "a text that is looked for";

/* Ends by a fault in a function that a debugger can name. */
__attribute__((noinline)) static void fault_here(volatile int *place)
{
	*place = 1;
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void fault(void)
{
	known[0] = 'A';
	fault_here((volatile int *)16);
}

static void threads(void)
{
	pthread_t thread;
	for (int n = 0; n < 5; n++)
		WANT(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
	volatile double used = 1.5;
	used *= 2;
	fault();
}

static void abort_now(void)
{
	abort();
}

static void undumpable(void)
{
	WANT(prctl(PR_SET_DUMPABLE, 0) == 0);
	fault();
}

/* So large that it takes long to write. */
static void large(void)
{
	size_t size = 64 << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(memory != MAP_FAILED);
	memset(memory, 7, size);
	/* A hole that takes no room. */
	WANT(mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
	fault();
}

static void limit_to(rlim_t limit)
{
	struct rlimit both = { limit, RLIM_INFINITY };
	WANT(setrlimit(RLIMIT_CORE, &both) == 0);
}

/* The wait status of a child that does `body` under a limit, and whether there is a core file then. */
static int ends(void (*body)(void), rlim_t limit, off_t *size)
{
	int status;
	struct stat about;
	unlink("core");
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		limit_to(limit);
		body();
		_exit(0);
	}
	WANT(waitpid(pid, &status, 0) == pid);
	*size = stat("core", &about) == 0 ? about.st_size : -1;
	return status;
}

static void written(void)
{
	off_t size;
	int status = ends(fault, RLIM_INFINITY, &size);
	WANT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && WCOREDUMP(status));
	WANT(size > 10000);
	status = ends(threads, RLIM_INFINITY, &size);
	WANT(WTERMSIG(status) == SIGSEGV && WCOREDUMP(status) && size > 10000);
	status = ends(abort_now, RLIM_INFINITY, &size);
	WANT(WTERMSIG(status) == SIGABRT && WCOREDUMP(status) && size > 10000);
	status = ends(large, RLIM_INFINITY, &size);
	WANT(WTERMSIG(status) == SIGSEGV && WCOREDUMP(status) && size > (1L << 40));
	struct stat about;
	WANT(stat("core", &about) == 0 && about.st_blocks * 512 < 80 << 20);
	WANT((about.st_mode & 0777) == 0600);
}

static void refused(void)
{
	off_t size;
	int status = ends(fault, 0, &size);
	WANT(WTERMSIG(status) == SIGSEGV && !WCOREDUMP(status) && size == -1);
	status = ends(undumpable, RLIM_INFINITY, &size);
	WANT(WTERMSIG(status) == SIGSEGV && !WCOREDUMP(status) && size == -1);
	status = ends(fault, 20000, &size);
	WANT(WTERMSIG(status) == SIGSEGV && size <= 20000);
	/* What is not a file of its own is not overwritten. */
	unlink("core");
	WANT(symlink("elsewhere", "core") == 0);
	pid_t pid = fork();
	if (pid == 0) {
		limit_to(RLIM_INFINITY);
		fault();
	}
	WANT(waitpid(pid, &status, 0) == pid && !WCOREDUMP(status));
	WANT(access("elsewhere", F_OK) == -1);
	unlink("core");
}

/* SIGKILL does not wait for the end of a large one. */
static void killed(void)
{
	int status;
	for (int n = 0; n < 5; n++) {
		unlink("core");
		pid_t pid = fork();
		WANT(pid >= 0);
		if (pid == 0) {
			limit_to(RLIM_INFINITY);
			large();
		}
		while (access("core", F_OK) != 0 && waitpid(pid, &status, WNOHANG) == 0)
			usleep(1000);
		kill(pid, SIGKILL);
		pid_t found = waitpid(pid, &status, 0);
		WANT(found == pid || errno == ECHILD);
		WANT(WIFSIGNALED(status));
	}
	unlink("core");
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {
		{ "fault", fault },
		{ "threads", threads },
		{ "abort", abort_now },
		{ "written", written },
		{ "refused", refused },
		{ "killed", killed },
	};
	return run_checks(checks, sizeof checks / sizeof *checks, argc, argv);
}
