/* What a process sets of itself: prctl and unshare. */

#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void death_signal(void)
{
	int signal = -1, status, said[2];
	pid_t told = 0;
	WANT(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == 0);
	WANT_ERROR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
	WANT(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
	WANT(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGTERM);
	WANT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	WANT(prctl(PR_GET_CHILD_SUBREAPER, &signal) == 0 && signal == 1);
	WANT(pipe(said) == 0);
	pid_t child = fork();
	if (child == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0) {
			/* It is not inherited. */
			WANT(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == 0);
			WANT(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
			pid_t self = getpid();
			WANT(write(said[1], &self, sizeof(self)) == sizeof(self));
			for (;;)
				pause();
		}
		/* It must not end before the other has asked for the signal. */
		for (;;)
			pause();
	}
	WANT(read(said[0], &told, sizeof(told)) == sizeof(told));
	WANT(kill(child, SIGKILL) == 0);
	WANT(waitpid(child, &status, 0) == child);
	/* The grandchild is ours now, and has got its signal. */
	WANT(waitpid(told, &status, 0) == told);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGUSR1)
		FAIL("wait status %#x", status);
}

static void flags(void)
{
	WANT(prctl(PR_GET_DUMPABLE) == 1);
	WANT(prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0);
	WANT_ERROR(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	WANT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	WANT_ERROR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	WANT_ERROR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	WANT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	WANT(prctl(PR_GET_TIMERSLACK) == 50000 && prctl(PR_SET_TIMERSLACK, 7) == 0);
	WANT(prctl(PR_GET_TIMERSLACK) == 7 && prctl(PR_SET_TIMERSLACK, 0) == 0);
	WANT(prctl(PR_GET_TIMERSLACK) == 50000);
	WANT(prctl(PR_TASK_PERF_EVENTS_DISABLE) == 0 && prctl(PR_TASK_PERF_EVENTS_ENABLE) == 0);
	WANT(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_DEFAULT);
	WANT(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) == 0);
	WANT(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_EARLY);
	WANT_ERROR(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 3, 0, 0), EINVAL);
	WANT(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0) == 0);
	WANT(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_DEFAULT);
	WANT(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	WANT(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 && prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0);
	WANT(prctl(PR_CAPBSET_READ, 0) == 1);
	WANT_ERROR(prctl(PR_CAPBSET_READ, 64), EINVAL);
	WANT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0) == 0);
	WANT_ERROR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0), EPERM);
	WANT_ERROR(prctl(9999), EINVAL);
}

/* A set-user program: its effective user is its status. */
static void user(void)
{
	_exit(geteuid() == 65533 ? 0 : 3);
}

static void no_new_privileges(void)
{
	char copy[64];
	int status;
	snprintf(copy, sizeof(copy), "./set-user");
	WANT(system("cp /proc/$PPID/exe set-user && chown 65533 set-user && chmod 4755 set-user && chmod 755 .") == 0);
	for (int bound = 0; bound < 2; bound++) {
		pid_t child = fork();
		if (child == 0) {
			WANT(setgid(65534) == 0 && setuid(65534) == 0);
			if (bound)
				WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
			execl(copy, copy, "user", NULL);
			_exit(9);
		}
		WANT(waitpid(child, &status, 0) == child && WIFEXITED(status));
		if (WEXITSTATUS(status) != (bound ? 3 : 0))
			FAIL("bound %d: status %d", bound, WEXITSTATUS(status));
	}
}

static int shares(void *unused)
{
	(void)unused;
	if (unshare(CLONE_FILES | CLONE_FS) != 0)
		return 1;
	close(0);
	return chdir("/") != 0;
}

static void unsharing(void)
{
	static char stack[65536];
	char before[256], after[256];
	int status;
	WANT(getcwd(before, sizeof(before)) != NULL);
	pid_t child = clone(shares, stack + sizeof(stack), CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
	WANT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	WANT(getcwd(after, sizeof(after)) != NULL && strcmp(before, after) == 0);
	WANT(fcntl(0, F_GETFD) >= 0);
	WANT(unshare(0) == 0);
	WANT_ERROR(unshare(CLONE_NEWNS), EINVAL);
	WANT_ERROR(setns(0, 0), EINVAL);
	WANT_ERROR(setns(99, 0), EBADF);
}

static void synchronizing(void)
{
	int gate[2], file = open("f", O_CREAT | O_RDWR, 0600);
	WANT(pipe(gate) == 0 && file >= 0);
	WANT(syncfs(file) == 0);
	WANT_ERROR(syncfs(99), EBADF);
	WANT(sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE) == 0);
	WANT_ERROR(sync_file_range(file, -1, 0, 0), EINVAL);
	WANT_ERROR(sync_file_range(file, 0, 0, 8), EINVAL);
	WANT_ERROR(sync_file_range(gate[0], 0, 0, 0), ESPIPE);
}

static long disk_priority(int which, int who, int value)
{
	return value < 0 ? syscall(SYS_ioprio_get, which, who) : syscall(SYS_ioprio_set, which, who, value);
}

static void disk_priorities(void)
{
	enum { REALTIME = 1 << 13, SHARING = 2 << 13, IDLE = 3 << 13 };
	WANT(disk_priority(1, 0, -1) == 0);
	WANT(disk_priority(1, 0, SHARING | 7) == 0 && disk_priority(1, 0, -1) == (SHARING | 7));
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(disk_priority(1, 0, -1) != (SHARING | 7));
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT_ERROR(disk_priority(1, 0, SHARING | 8), EINVAL);
	WANT_ERROR(disk_priority(1, 0, 1), EINVAL);
	WANT_ERROR(disk_priority(1, 0, 4 << 13), EINVAL);
	WANT_ERROR(disk_priority(0, 0, -1), EINVAL);
	WANT_ERROR(disk_priority(4, 0, IDLE), EINVAL);
	WANT_ERROR(disk_priority(1, 1 << 22, -1), ESRCH);
	WANT(disk_priority(1, 0, REALTIME | 1) == 0);
	/* The best of a group is told. */
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		disk_priority(1, 0, IDLE);
		pid_t second = fork();
		if (second == 0) {
			disk_priority(1, 0, SHARING | 2);
			_exit(disk_priority(2, 0, -1) != (SHARING | 2));
		}
		WANT(waitpid(second, &status, 0) == second && status == 0);
		WANT(setuid(1000) == 0);
		WANT_ERROR(disk_priority(1, 0, REALTIME | 1), EPERM);
		WANT_ERROR(disk_priority(1, getppid(), IDLE), EPERM);
		_exit(0);
	}
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static const struct check checks[] = {
	{ "disk-priorities", disk_priorities },
	{ "death-signal", death_signal },
	{ "flags", flags },
	{ "no-new-privileges", no_new_privileges },
	{ "user", user },
	{ "unsharing", unsharing },
	{ "synchronizing", synchronizing },
};

MAIN(checks)
