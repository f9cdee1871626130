/* Each thread is somebody of its own (man 7 credentials, man 2 setfsuid, man 7 nptl). */

#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static pthread_barrier_t barrier;

static void meet(void)
{
	pthread_barrier_wait(&barrier);
}

/* The numbers of a user in the status of a thread: real, effective, saved, and that for files. */
static void users_of(pid_t tid, unsigned users[4])
{
	char path[64], line[128];
	snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
	FILE *status = fopen(path, "r");
	WANT(status);
	int found = 0;
	while (!found && fgets(line, sizeof line, status))
		found = sscanf(line, "Uid: %u %u %u %u", users, users + 1, users + 2, users + 3) == 4;
	WANT(found && fclose(status) == 0);
}

static void *grandchild(void *unused)
{
	WANT(open("secret", O_RDONLY) == -1 && errno == EACCES);
	return unused;
}

static void *other(void *tid)
{
	*(pid_t *)tid = syscall(SYS_gettid);
	WANT(syscall(SYS_setfsuid, 7) == 0);
	WANT_ERROR(open("secret", O_RDONLY), EACCES);
	WANT(syscall(SYS_setresuid, -1, 7, -1) == 0 && geteuid() == 7);
	meet();
	meet();
	/* Who it makes is who it is. */
	pthread_t made;
	WANT(pthread_create(&made, NULL, grandchild, NULL) == 0 && pthread_join(made, NULL) == 0);
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(geteuid() == 7 && open("secret", O_RDONLY) == -1 ? 0 : 1);
	WANT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	return NULL;
}

static void alone(void)
{
	char name[] = "users.XXXXXX";
	unsigned users[4];
	pid_t tid;
	pthread_t thread;
	WANT(mkdtemp(name) && chmod(name, 0755) == 0 && chdir(name) == 0);
	WANT(close(open("secret", O_CREAT | O_WRONLY, 0600)) == 0);
	WANT(pthread_barrier_init(&barrier, NULL, 2) == 0);
	WANT(pthread_create(&thread, NULL, other, &tid) == 0);
	meet();
	WANT(close(open("secret", O_RDONLY)) == 0 && geteuid() == 0);
	users_of(tid, users);
	WANT(users[0] == 0 && users[1] == 7 && users[2] == 0 && users[3] == 7);
	users_of(getpid(), users);
	WANT(users[0] == 0 && users[1] == 0 && users[2] == 0 && users[3] == 0);
	meet();
	WANT(pthread_join(thread, NULL) == 0);
}

static void *idle(void *result)
{
	meet();
	meet();
	*(int *)result = syscall(SYS_getuid) == 7 && syscall(SYS_geteuid) == 7;
	return NULL;
}

static void *changing(void *unused)
{
	WANT(setuid(7) == 0);
	return unused;
}

/* The library makes all threads somebody else, by a signal to each, whoever they are meanwhile. */
static void together(void)
{
	enum { COUNT = 5 };
	pthread_t threads[COUNT], one;
	int results[COUNT] = { 0 };
	WANT(pthread_barrier_init(&barrier, NULL, COUNT + 1) == 0);
	for (int at = 0; at < COUNT; at++)
		WANT(pthread_create(&threads[at], NULL, idle, &results[at]) == 0);
	meet();
	WANT(pthread_create(&one, NULL, changing, NULL) == 0 && pthread_join(one, NULL) == 0);
	WANT(syscall(SYS_getuid) == 7);
	meet();
	for (int at = 0; at < COUNT; at++)
		WANT(pthread_join(threads[at], NULL) == 0 && results[at]);
}

static void *leader(void *unused)
{
	WANT(syscall(SYS_setresuid, 7, 7, 7) == 0);
	execl("/proc/self/exe", "thread_users", "is-seven", NULL);
	FAIL("execl: %s", strerror(errno));
	return unused;
}

/* A program is who the thread was that has executed it. */
static void executing(void)
{
	pthread_t thread;
	WANT(pthread_create(&thread, NULL, leader, NULL) == 0);
	pause();
}

static void is_seven(void)
{
	WANT(getuid() == 7 && geteuid() == 7);
	WANT_ERROR(setuid(0), EPERM);
}

static const struct check checks[] = {
	{ "alone", alone }, { "together", together }, { "executing", executing }, { "is-seven", is_seven },
};
MAIN(checks)
